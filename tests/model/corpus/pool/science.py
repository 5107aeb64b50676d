"""Blind test data, part b: records of runs on clusters, instruments and lab machines.

SECRETS:  (name, key, value, secret)   the secret must not survive
HARMLESS: (name, key, value)           must stay as it is

Every token is made at import from a seed; the mark § in a value is the place of the secret.
"""

import base64
import json
import random
import string

SECRETS = []
HARMLESS = []

LOW, UP, DIG = string.ascii_lowercase, string.ascii_uppercase, string.digits
AN = UP + LOW + DIG
HEX = DIG + "abcdef"
B64 = AN + "+/"
URL64 = AN + "-_"
B32 = UP + "234567"
WORDS = [
    "glacier",
    "perovskite",
    "muon",
    "ribosome",
    "lattice",
    "monsoon",
    "tokamak",
    "plasmid",
    "cryostat",
    "spectra",
    "benzene",
    "neutrino",
    "aerosol",
    "quasar",
    "enzyme",
    "magnet",
]


def tok(seed, n, alphabet=AN):
    """n random characters; the first and the last one is a letter or a digit."""
    rnd = random.Random("corpus-b/" + seed)
    ends = [c for c in alphabet if c.isalnum()]
    out = [rnd.choice(alphabet) for _ in range(n)]
    out[0], out[-1] = rnd.choice(ends), rnd.choice(ends)
    return "".join(out)


def hexa(seed, n):
    return tok(seed, n, HEX)


def uid(seed):
    h = hexa("uuid/" + seed, 32)
    return "-".join([h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:]])


def pw(seed, n=16, marks="!*+-._~^"):
    """What a password manager makes: letters, digits and marks, an alphanumeric at both ends."""
    rnd = random.Random("corpus-b/pw/" + seed)
    out = [rnd.choice(AN + marks) for _ in range(n)]
    out[0], out[-1] = rnd.choice(UP), rnd.choice(LOW)
    out[n // 3], out[n // 2], out[n // 2 + 1] = rnd.choice(DIG), rnd.choice(marks), rnd.choice(DIG)
    return "".join(out)


def human(seed, marks="!?*_-+"):
    """What people make: a word with a capital and a digit in it, a mark, a year."""
    rnd = random.Random("corpus-b/human/" + seed)
    word = rnd.choice(WORDS)
    for a, b in rnd.sample([("a", "4"), ("e", "3"), ("o", "0"), ("i", "1"), ("s", "5")], 3):
        word = word[0] + word[1:].replace(a, b, 1)
    return word.capitalize() + rnd.choice(marks) + str(rnd.randint(10, 2029))


def b64(text):
    return base64.b64encode(text.encode()).decode()


def jwt(seed, **claims):
    def part(d):
        text = json.dumps(d, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    head = {"alg": "RS256", "typ": "JWT"}
    return ".".join([part(head), part(claims), tok("jwt/" + seed, 342, URL64)])


def pem(seed, kind, lines=8):
    """(the whole block, one line from its middle)"""
    body = [tok(seed + str(i), 64, B64) for i in range(lines)]
    text = "-----BEGIN " + kind + "-----\n" + "\n".join(body) + "\n-----END " + kind + "-----\n"
    return text, body[lines // 2]


def fill(value, secret):
    if isinstance(value, str):
        return value.replace("§", secret)
    if isinstance(value, list):
        return [fill(v, secret) for v in value]
    if isinstance(value, dict):
        return {fill(k, secret): fill(v, secret) for k, v in value.items()}
    return value


def cred(name, key, value, secret):
    SECRETS.append((name, key, fill(value, secret), secret))


path = cred


def ok(name, key, value):
    HARMLESS.append((name, key, value))


# ---------------------------------------------------------------- tokens with a known prefix
cred(
    "github classic token in a pip url",
    "command",
    "pip install git+https://§@github.com/tokamak-lab/gyrokin.git@v2.1",
    "ghp_" + tok("ghp", 36),
)
cred(
    "github fine-grained token in env",
    "env",
    {"OMP_NUM_THREADS": "16", "GH_TOKEN": "§", "LANG": "C.UTF-8"},
    "github_pat_" + tok("ghf1", 22) + "_" + tok("ghf2", 59),
)
cred(
    "github server token in a clone log",
    "log",
    "remote: origin https://x-access-token:§@github.com/clim/icon-tools (fetch)",
    "ghs_" + tok("ghs", 36),
)
cred(
    "github oauth token bare in a note",
    "note",
    "used § for the private submodule",
    "gho_" + tok("gho", 36),
)
cred(
    "gitlab pat as a header of curl",
    "cmd",
    'curl --header "PRIVATE-TOKEN: §" "https://gitlab.mpcdf.example/api/v4/projects/71"',
    "glpat-" + tok("glpat", 20, URL64),
)
cred(
    "gitlab deploy token in a git remote",
    "remote",
    "https://gitlab+deploy-token-88:§@git.fz.example/atmo/mecon.git",
    "gldt-" + tok("gldt", 20, URL64),
)
cred(
    "gitlab runner token in toml",
    "config.toml",
    '[[runners]]\n  name = "gpu-node"\n  token = "§"\n  executor = "shell"\n',
    "glrt-" + tok("glrt", 20, URL64),
)
cred(
    "hugging face token as argument",
    "argv",
    ["python", "train_mace.py", "--hub-token", "§", "--epochs", "200"],
    "hf_" + tok("hf1", 34, UP + LOW),
)
cred(
    "hugging face token in notebook login",
    "cell",
    "from huggingface_hub import login\nlogin(token='§')",
    "hf_" + tok("hf2", 34, UP + LOW),
)
cred(
    "openai project key in export line",
    "setup.sh",
    "export OPENAI_API_KEY=§\nmodule load cuda",
    "sk-proj-" + tok("oa1", 74, URL64) + "T3Blbk" + "FJ" + tok("oa2", 74, URL64),
)
cred(
    "openai old key in an error message",
    "stderr",
    "openai.AuthenticationError: Incorrect API key provided: §. You can find yours at ...",
    "sk-" + tok("oa3", 20) + "T3Blbk" + "FJ" + tok("oa4", 20),
)
cred(
    "anthropic key in a nested config",
    "llm",
    {"judge": {"model": "claude", "api_key": "§"}},
    "sk-ant-" + "api03-" + tok("ant", 93, URL64) + "AA",
)
cred(
    "openrouter key in a list of headers",
    "headers",
    ["Accept: */*", "Authorization: Bearer §"],
    "sk-or-v1-" + hexa("or", 64),
)
cred(
    "groq key in yaml",
    "yaml",
    "provider: groq\ngroq_key: §\ntemperature: 0.1",
    "gsk_" + tok("groq", 52),
)
cred(
    "xai key without a name", "text", "switch to § if the quota is used up", "xai-" + tok("xai", 80)
)
cred(
    "nvidia api key in a bash line",
    "history",
    "NGC_API_KEY='§' ngc registry model list",
    "nvapi-" + tok("nv", 64, URL64),
)
cred(
    "replicate token in node code",
    "code",
    'const r = new Replicate({ auth: "§" });',
    "r8_" + tok("r8", 37),
)
cred("perplexity key with colon", "notes", "pplx key: §", "pplx-" + tok("pplx", 48))
cred(
    "langsmith key in dotenv",
    ".env",
    "LANGCHAIN_TRACING_V2=true\nLANGCHAIN_API_KEY=§\n",
    "lsv2_pt_" + hexa("ls1", 32) + "_" + hexa("ls2", 10),
)
cred(
    "slack bot token in airflow vars",
    "variables",
    {"slack": {"channel": "#shift", "bot": "§"}},
    "xoxb-" + tok("sl1", 12, DIG) + "-" + tok("sl2", 13, DIG) + "-" + tok("sl3", 24),
)
cred(
    "slack user token in python call",
    "source",
    "WebClient('§').chat_postMessage(text='done')",
    "xoxp-"
    + tok("sp1", 12, DIG)
    + "-"
    + tok("sp2", 12, DIG)
    + "-"
    + tok("sp3", 12, DIG)
    + "-"
    + hexa("sp4", 32),
)
cred(
    "slack webhook of a workflow engine",
    "nextflow.config",
    "notification.hook = 'https://hooks.slack.com/services/T03"
    + tok("sw1", 8, UP + DIG)
    + "/B04"
    + tok("sw2", 8, UP + DIG)
    + "/§'",
    tok("sw3", 24),
)
cred(
    "discord webhook",
    "on_finish",
    "curl -F content=done https://discord.com/api/webhooks/" + tok("dw1", 18, DIG) + "/§",
    tok("dw2", 68, URL64),
)
cred(
    "telegram bot token in an url",
    "notify_url",
    "https://api.telegram.org/bot§/sendMessage?chat_id=4411",
    tok("tg1", 10, "123456789") + ":AA" + tok("tg2", 33, URL64),
)
cred(
    "telegram token as option",
    "cmdline",
    "watchjob --telegram-token=§ --job 881231",
    tok("tg3", 10, "123456789") + ":AA" + tok("tg4", 33, URL64),
)
cred(
    "google maps key in a url",
    "tile_source",
    "https://maps.googleapis.com/maps/api/staticmap?center=47.3,8.5&zoom=9&key=§",
    "AIza" + tok("goog", 35, URL64),
)
cred(
    "google oauth client secret json",
    "client_secret.json",
    '{"installed":{"client_id":"8812.apps.googleusercontent.com","client_secret":"§"}}',
    "GOCSPX-" + tok("gocspx", 28, URL64),
)
cred(
    "google access token in gsutil debug",
    "debug",
    "header: authorization: Bearer § http/1.1",
    "ya29.a0" + tok("ya29", 160, URL64),
)
cred(
    "google refresh token in rclone style",
    "gdrive",
    'token = {"token_type":"Bearer","refresh_token":"§","expiry":"2024-03-01T10:00:00Z"}',
    "1//0" + tok("grt", 98, URL64),
)
cred(
    "aws secret in credentials file",
    "credentials",
    "[default]\nregion = eu-central-1\naws_secret_access_key = §\n",
    tok("aws1", 40, B64),
)
cred(
    "aws secret in snakemake option",
    "smk",
    "snakemake -j 40 --storage-s3-access-key AKIA"
    + tok("akia", 16, B32)
    + " --storage-s3-secret-key §",
    tok("aws2", 40, B64),
)
cred(
    "aws session token",
    "environment",
    {"AWS_REGION": "us-west-2", "AWS_SESSION_TOKEN": "§"},
    "IQoJb3JpZ2luX2Vj" + tok("awss", 340, B64) + "=",
)
cred(
    "aws secret in nextflow groovy",
    "groovy",
    "aws { client { maxConnections = 20 }; secretKey = '§'; region = 'eu-west-1' }",
    tok("aws3", 40, B64),
)
cred(
    "boto3 keyword argument",
    "cell_3",
    's3 = boto3.client("s3", endpoint_url=url, aws_secret_access_key="§")',
    tok("aws4", 40, B64),
)
cred(
    "presigned amazon url",
    "download",
    "https://lab-data.s3.amazonaws.com/run7.h5?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=§",
    hexa("amz", 64),
)
cred(
    "azure storage connection string",
    "AZURE_STORAGE_CONNECTION_STRING",
    "DefaultEndpointsProtocol=https;AccountName=eralake;AccountKey=§;"
    "EndpointSuffix=core.windows.net",
    tok("azk", 86, B64) + "==",
)
cred(
    "azure sas url",
    "zarr_store",
    "https://eralake.blob.core.windows.net/era5/2m.zarr?sv=2022-11-02&sp=r&sig=§",
    tok("sas", 43) + "%3D",
)
cred(
    "azcopy with a sas",
    "azcopy",
    [
        "azcopy",
        "copy",
        "out/*.nc",
        "https://eralake.blob.core.windows.net/up?se=2024-06-01&sr=c&sig=§",
    ],
    tok("sas2", 20) + "%2F" + tok("sas3", 22) + "%3D",
)
cred(
    "pypi upload token",
    "pypirc",
    "[pypi]\n  username = __token__\n  password = §",
    "pypi-AgEIcHlwaS5vcmc" + tok("pypi", 150, URL64),
)
cred(
    "twine with a token",
    "publish",
    "twine upload -u __token__ -p § dist/*.whl",
    "pypi-AgENdGVzdC5weXBpLm9yZw" + tok("pypi2", 140, URL64),
)
cred("npm token in npmrc", ".npmrc", "//registry.npmjs.org/:_authToken=§", "npm_" + tok("npm", 36))
cred(
    "docker hub token on login",
    "shell",
    "docker login -u crystlab -p § docker.io",
    "dckr_pat_" + tok("dckr", 27, URL64),
)
cred("vault service token", "VAULT_TOKEN", "§", "hvs." + tok("hvs", 92, URL64))
cred(
    "databricks token in cfg",
    "databrickscfg",
    "[DEFAULT]\nhost = https://adb-88.azuredatabricks.net\ntoken = §",
    "dapi" + hexa("dapi", 32),
)
cred(
    "digitalocean token in terraform",
    "main.tf",
    'provider "digitalocean" {\n  token = "§"\n}',
    "dop_v1_" + hexa("dop", 64),
)
cred(
    "terraform cloud token",
    "terraformrc",
    'credentials "app.terraform.io" { token = "§" }',
    tok("tf1", 14) + ".atlasv1." + tok("tf2", 67),
)
cred(
    "sendgrid key of a mailer",
    "mailer",
    {"smtp": "smtp.sendgrid.net", "user": "apikey", "pass": "§"},
    "SG." + tok("sg1", 22, URL64) + "." + tok("sg2", 43, URL64),
)
cred(
    "mailgun key with curl -u",
    "alert",
    "curl -s --user 'api:§' https://api.mailgun.net/v3/lab/messages",
    "key-" + hexa("mg", 32),
)
cred(
    "grafana service account",
    "grafana",
    "dashboards: token=§ org=2",
    "glsa_" + tok("gl1", 32) + "_" + hexa("gl2", 8),
)
cred("new relic user key", "nr", 'NEW_RELIC_USER_KEY: "§"', "NRAK-" + tok("nr", 27, UP + DIG))
cred("sentry user token in ini", "sentryclirc", "[auth]\ntoken=§", "sntryu_" + hexa("sn", 64))
cred(
    "postman key",
    "X-Postman",
    {"x-api-key": "§", "accept": "application/json"},
    "PMAK-" + hexa("pm1", 24) + "-" + hexa("pm2", 34),
)
cred(
    "notion integration in a script",
    "script",
    "notion = Client(auth=r'§')  # ELN pages",
    "ntn_" + tok("ntn", 46),
)
cred(
    "airtable pat in R",
    "R",
    'Sys.setenv(AIRTABLE_API_KEY = "§")',
    "pat" + tok("at1", 14) + "." + hexa("at2", 64),
)
cred(
    "atlassian token in a comment",
    "wiki_sync",
    "# confluence: user beam@lab.example, token §\nsync --space BL07",
    "ATATT3xFfGF0" + tok("atl", 176, URL64) + "=" + tok("atl2", 8, HEX.upper()),
)
cred(
    "stripe key of the facility billing",
    "billing",
    "stripe.api_key = '§'",
    "sk_live_" + tok("stripe", 24),
)
cred(
    "prefect api key by cli",
    "prefect",
    "prefect cloud login --key § --workspace atmo/prod",
    "pnu_" + tok("pnu", 36),
)
cred(
    "sonarqube project token",
    "sonar",
    "sonar-scanner -Dsonar.login=§ -Dsonar.sources=src",
    "sqp_" + hexa("sqp", 40),
)
cred(
    "tailscale auth key",
    "userdata",
    "tailscale up --authkey § --hostname=cryo-em-2",
    "tskey-auth-k" + tok("ts1", 11) + "CNTRL-" + tok("ts2", 32),
)
cred(
    "overleaf git token",
    "paper_remote",
    "https://git:§@git.overleaf.com/64ab",
    "olp_" + tok("o", 36),
)
cred(
    "linear key inside prose",
    "comment",
    "Ticket bot works again with §, thanks Jun.",
    "lin_api_" + tok("lin", 40),
)
cred(
    "rubygems key in yaml with symbol",
    "gem_credentials",
    "---\n:rubygems_api_key: §\n",
    "rubygems_" + hexa("rg", 48),
)
cred(
    "pulumi token before a command",
    "line",
    "PULUMI_ACCESS_TOKEN=§ pulumi up --yes",
    "pul-" + hexa("pul", 40),
)
cred(
    "age identity file",
    "keys.txt",
    "# created: 2023-11-02T09:11:00Z\n§\n",
    "AGE-SECRET-KEY-1" + tok("age", 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
)
cred(
    "token as a dict key",
    "issued_tokens",
    {"§": {"owner": "laptop", "scopes": ["repo"]}},
    "ghp_" + tok("ghp-key", 36),
)

# ---------------------------------------------------------------- json web tokens, cookies, basic
cred(
    "slurm jwt in environment",
    "env_dump",
    "SLURM_CONF=/etc/slurm/slurm.conf\nSLURM_JWT=§",
    jwt("slurm", exp=1712345678, iat=1712340000, sun="mkessler"),
)
cred(
    "slurmrestd header",
    "request",
    'curl -H "X-SLURM-USER-NAME: rpatel" -H "X-SLURM-USER-TOKEN: §" http://ctl:6820/slurm/v0.0.40',
    jwt("rest", exp=1712349999, sun="rpatel"),
)
cred(
    "bearer jwt in http log",
    "http",
    {"request": {"headers": {"authorization": "bearer §"}}},
    jwt("bear", sub="dataportal", scope="read:/"),
)
cred("bare jwt in a text", "trace", "decoded from § at offset 0", jwt("bare", iss="scicat", id=7))
cred(
    "scitoken for a storage door",
    "BEARER_TOKEN",
    "§",
    jwt("sci", wlcg_ver="1.0", scope="storage.read:/", aud="https://wlcg.cern.ch/jwt/v1/any"),
)
cred(
    "synapse pat in a config",
    "synapseConfig",
    "[authentication]\nauthtoken = §\n",
    jwt("syn", access={"scope": ["view", "download"]}, iss="https://repo-prod.sagebase.org"),
)
cred(
    "kubernetes bearer in kubeconfig",
    "kubeconfig",
    {"users": [{"name": "argo", "user": {"token": "§"}}], "current-context": "hpc"},
    jwt("k8s", iss="kubernetes/serviceaccount", sub="system:serviceaccount:argo:wf"),
)
cred(
    "seqera tower token",
    "tower",
    "tower {\n  enabled = true\n  accessToken = '§'\n}",
    b64('{"tid": 8123}.' + hexa("tower", 40)),
)
cred(
    "neptune token",
    "NEPTUNE_API_TOKEN",
    "§",
    b64(json.dumps({"api_address": "https://app.neptune.ai", "api_key": uid("nep")})),
)
cred(
    "basic auth header of an instrument",
    "headers_text",
    "GET /status HTTP/1.1\r\nHost: xrd-2\r\nAuthorization: Basic §\r\n\r\n",
    b64("operator:" + human("basic")),
)
cred(
    "proxy authorization basic",
    "proxy_debug",
    "> Proxy-Authorization: Basic §",
    b64("mkessler:" + pw("proxybasic")),
)
cred(
    "docker config auths",
    "config.json",
    {"auths": {"registry.hpc.example": {"auth": "§"}}},
    b64("robot$ci:" + tok("robot", 32)),
)
cred(
    "session cookie in curl",
    "fetch",
    "curl -b 'sessionid=§; lang=en' -O https://portal.example/export/42.cif",
    tok("sess", 32, LOW + DIG),
)
cred(
    "set-cookie response",
    "response_headers",
    {"Set-Cookie": "connect.sid=s%3A§; Path=/; HttpOnly", "Content-Length": "512"},
    tok("csid1", 32, URL64) + "." + tok("csid2", 43),
)
cred(
    "csrf and auth cookie of a portal",
    "cookie",
    "csrftoken=x1; auth_token=§; theme=dark",
    tok("ck", 40, LOW + DIG),
)
cred(
    "x-api-key in python requests",
    "cell_9",
    "r = requests.get(url, headers={'X-API-KEY': '§', 'accept': 'application/json'})",
    tok("mpapi", 32),
)
cred(
    "dataverse key header",
    "upload_cmd",
    "curl -H X-Dataverse-key:§ -X POST -F file=@traj.xtc "
    '"https://dataverse.example/api/datasets/:persistentId/add"',
    uid("dv"),
)
cred("figshare token authorization", "h", {"Authorization": "token §"}, hexa("figshare", 128))
cred(
    "elabftw authorization without a scheme",
    "eln_request",
    "http GET https://eln.example/api/v2/experiments Authorization:§",
    hexa("elab", 84),
)

# ---------------------------------------------------------------- research services
cred(
    "zenodo token in the query",
    "deposit",
    "https://zenodo.org/api/deposit/depositions?access_token=§",
    tok("zenodo", 60),
)
cred(
    "zenodo token after another parameter",
    "api_call",
    "GET https://sandbox.zenodo.org/api/files?size=10&access_token=§ -> 200",
    tok("zenodo2", 60),
)
cred(
    "copernicus rc file old form",
    ".cdsapirc",
    "url: https://cds.climate.copernicus.eu/api/v2\nkey: 81234:§\n",
    uid("cds"),
)
cred(
    "copernicus client in notebook",
    "nb",
    "c = cdsapi.Client(url=URL, key='§', quiet=True)",
    uid("cds2"),
)
cred(
    "earthdata netrc",
    ".netrc",
    "machine urs.earthdata.nasa.gov login jtanaka password §",
    pw("earthdata"),
)
cred(
    "netrc on several lines",
    "netrc",
    "machine dods.example\n  login ocean\n  password §\n",
    human("netrc"),
)
cred(
    "ncbi key in eutils url",
    "eutils",
    "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/efetch.fcgi?db=nuccore&id=NC_045512&api_key=§",
    hexa("ncbi", 36),
)
cred(
    "ncbi key in biopython",
    "bio",
    'Entrez.email = "me@lab.example"\nEntrez.api_key = "§"',
    hexa("ncbi2", 36),
)
cred(
    "materials project key in pmgrc",
    "pmgrc",
    "PMG_DEFAULT_FUNCTIONAL: PBE\nPMG_MAPI_KEY: §",
    tok("pmg", 32),
)
cred(
    "mprester positional",
    "mp_cell",
    "with MPRester(api_key='§') as m:\n    d = m.get('mp-149')",
    tok("mpr", 32),
)
cred("wandb login on the line", "login", "wandb login --relogin §", hexa("wb", 40))
cred(
    "wandb key in sbatch export",
    "sbatch",
    "sbatch --export=ALL,WANDB_API_KEY=§,SEED=3 job.slurm",
    hexa("wb2", 40),
)
cred("comet key in ini", "comet.config", "[comet]\napi_key=§\nproject_name=cfd", tok("comet", 25))
cred(
    "clearml hocon",
    "clearml.conf",
    'api {\n  credentials {\n    "access_key" = "AB12"\n    "secret_key" = "§"\n  }\n}',
    tok("clml", 50),
)
cred(
    "mlflow password",
    "mlflow_env",
    {"MLFLOW_TRACKING_USERNAME": "ci", "MLFLOW_TRACKING_PASSWORD": "§"},
    pw("mlflow"),
)
cred("kaggle json", "kaggle.json", {"username": "seismo", "key": "§"}, hexa("kag", 32))
cred(
    "kaggle key by export",
    "bashrc_tail",
    "export KAGGLE_USERNAME=seismo KAGGLE_KEY=§",
    hexa("kag2", 32),
)
cred("dnanexus token", "dx", "dx login --token § --noprojects", tok("dnx", 32))
cred(
    "globus refresh token",
    "globus",
    {"transfer.api.globus.org": {"refresh_token": "§", "expires_at_seconds": 1712345678}},
    "Ag" + tok("globus", 90, LOW + DIG),
)
cred("globus confidential client", "GLOBUS_COMPUTE_CLIENT_SECRET", "§", tok("gcs", 43, B64) + "=")
cred("orcid client secret in php", "php", "$cfg['orcid_client_secret'] = '§';", uid("orcid"))
cred(
    "influxdb token of beamline monitor",
    "telegraf",
    '[[outputs.influxdb_v2]]\n  urls = ["http://mon:8086"]\n  token = "§"\n',
    tok("influx", 86, URL64) + "==",
)
cred(
    "datadog api key yaml",
    "datadog.yaml",
    "site: datadoghq.eu\napi_key: §\nhostname: n0412",
    hexa("dd", 32),
)
cred(
    "gurobi wls secret", "gurobi.lic", "WLSACCESSID=a1\nWLSSECRET=§\nLICENSEID=881\n", uid("gurobi")
)
cred(
    "openbis session token in code",
    "obis",
    'o = Openbis(url, token="§")',
    "mkessler-" + tok("ob1", 17, DIG) + "x" + hexa("ob2", 32).upper(),
)
cred("jupyter url with token", "jupyter_log", "    http://n0412:8888/lab?token=§", hexa("jup", 48))
cred(
    "jupyterhub service token",
    "hub",
    {"services": [{"name": "cull", "api_token": "§"}]},
    hexa("jhub", 64),
)
cred(
    "anaconda channel token",
    ".condarc",
    "channels:\n  - https://conda.anaconda.org/t/§/xtal\n",
    "xt-" + uid("conda"),
)
cred(
    "openweather appid key announced",
    "weather",
    "appid (our API key): § -- 60 calls per minute",
    hexa("owm", 32),
)
cred(
    "ecmwf api rc",
    ".ecmwfapirc",
    '{"url": "https://api.ecmwf.int/v1", "key": "§", "email": "m@k.example"}',
    hexa("ecmwf", 32),
)
cred("argo workflow token variable", "ARGO_TOKEN", "Bearer §", tok("argo", 120, URL64))
cred("codecov token in ci yaml", "ci", "- run: codecov --token § --flags mpi", uid("codecov"))
cred("twilio auth token", "twilio", {"account": "lab", "auth_token": "§"}, hexa("twilio", 32))
cred(
    "otpauth uri",
    "totp",
    "otpauth://totp/Cluster:mkessler?secret=§&issuer=Cluster",
    tok("totp", 32, B32),
)
cred("oidc-agent refresh", "oidc_agent", "OIDC_REFRESH_TOKEN=§", tok("oidc", 180, URL64))
cred(
    "keycloak token request body",
    "post_body",
    "grant_type=client_credentials&client_id=rucio&client_secret=§&scope=openid",
    tok("kc", 32),
)
cred(
    "keycloak password grant",
    "form",
    "grant_type=password&username=shift&password=§&client_id=icat",
    pw("kcpw", 14, "-._~"),
)

# ---------------------------------------------------------------- keys in files
_rsa, _rsa_line = pem("rsa", "RSA " + "PRIVATE KEY")
SECRETS.append(("rsa private key in a file", "id_rsa", _rsa, _rsa_line))
_ossh, _ossh_line = pem("ossh", "OPENSSH " + "PRIVATE KEY", 6)
SECRETS.append(
    (
        "openssh key inside a heredoc",
        "provision",
        "cat > ~/.ssh/deploy <<EOT\n" + _ossh + "EOT\nchmod 600 ~/.ssh/deploy",
        _ossh_line,
    )
)
_gsa, _gsa_line = pem("gsa", "PRIVATE " + "KEY", 10)
SECRETS.append(
    (
        "google service account",
        "service_account",
        {"type": "service_account", "project_id": "climate-x", "private_key": _gsa},
        _gsa_line,
    )
)
_ec, _ec_line = pem("ec", "EC " + "PRIVATE KEY", 3)
SECRETS.append(("ec key with escaped newlines", "TLS_KEY", _ec.replace("\n", "\\n"), _ec_line))
_enc, _enc_line = pem("enc", "ENCRYPTED " + "PRIVATE KEY", 9)
SECRETS.append(
    (
        "grid user key indented in yaml",
        "grid.yaml",
        "voms: atlas\nuserkey: |\n  " + _enc.replace("\n", "\n  "),
        _enc_line,
    )
)
cred(
    "putty key private lines",
    "instrument.ppk",
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n§\n",
    tok("ppk", 47, B64) + "=",
)
cred(
    "wireguard private key",
    "wg0.conf",
    "[Interface]\nAddress = 10.7.0.4/32\nPrivateKey = §\nDNS = 10.7.0.1",
    tok("wg", 43, B64) + "=",
)
cred("airflow fernet key", "AIRFLOW__CORE__FERNET_KEY", "§", tok("fernet", 43, URL64) + "=")
cred(
    "django secret key",
    "settings.py",
    "DEBUG = False\nSECRET_KEY = 'django-insecure-§'",
    tok("django", 50, LOW + DIG + "@%_-+^*"),
)
cred(
    "jwt signing secret in js",
    "server.js",
    "jwt.verify(t, process.env.X || null); const JWT_SECRET = `§`;",
    tok("jwtsec", 48),
)
cred("encryption passphrase of backups", "RESTIC_PASSWORD", "§", pw("restic", 24))
cred("ssh-keygen new passphrase", "keygen", "ssh-keygen -t ed25519 -N '§' -f deploy_key", pw("kg"))

# ---------------------------------------------------------------- databases
cred(
    "postgres url",
    "DATABASE_URL",
    "postgresql://aiida:§@db01.cluster:5432/aiida_prod",
    pw("pg", 18, "-._~!"),
)
cred(
    "sqlalchemy url with a driver",
    "sql_alchemy_conn",
    "postgresql+psycopg2://airflow:§@10.3.0.8/airflow?sslmode=require",
    human("sqla", "_-"),
)
cred(
    "mysql url in the middle of a log",
    "log_line",
    "2024-02-11 03:14:15 ERROR cannot reach mysql://ensro:§@useastdb:3306/homo_core, retrying",
    pw("my", 12, "-._"),
)
cred(
    "mongodb srv",
    "MONGO_URI",
    "mongodb+srv://fw:§@fw.ab12.mongodb.net/?retryWrites=true",
    tok("mongo", 16),
)
cred(
    "fireworks launchpad yaml",
    "my_launchpad.yaml",
    "host: mongo.nersc.example\nname: fw_kess\nusername: fw_admin\npassword: '§'\nport: 27017",
    pw("fw", 20),
)
cred("redis url without a user", "broker", "redis://:§@queue:6379/0", tok("redis", 28))
cred("redis-cli option", "cli", "redis-cli -h queue -a § ping", tok("redis2", 24))
cred(
    "amqp url in a list",
    "celery",
    ["-A", "reduce", "-b", "amqp://worker:§@mq.lab.example//"],
    human("amqp", "-_"),
)
cred(
    "mysql short option",
    "dump",
    "mysqldump -u genome -p§ --single-transaction ensembl > e.sql",
    tok("mysqlp", 14),
)
cred(
    "mysql option file",
    "my.cnf",
    '[client]\nuser=sampledb\npassword="§"\nhost=lims\n',
    pw("mycnf", 15),
)
cred("pgpass line", ".pgpass", "db01.cluster:5432:*:aiida:§", pw("pgpass", 16, "!-._"))
cred(
    "pgpassword before psql",
    "psql",
    "PGPASSWORD='§' psql -h db01 -U aiida -c 'select 1'",
    pw("pgenv"),
)
cred(
    "libpq key value string",
    "dsn",
    "host=db01 port=5432 dbname=runs user=writer password=§ connect_timeout=5",
    tok("libpq", 20),
)
cred(
    "psycopg2 call",
    "cell_12",
    'conn = psycopg2.connect(host="db01", user="writer", password="§", dbname="runs")',
    pw("psy", 17),
)
cred(
    "odbc string of a lims",
    "connection_string",
    "Driver={ODBC Driver 18 for SQL Server};Server=LIMS01;Database=Samples;UID=lims_ro;PWD=§;",
    human("odbc"),
)
cred(
    "ado.net string in xml",
    "web.config",
    '<add name="Lims" connectionString="Data Source=LIMS01;User Id=ro;Password=§"/>',
    pw("ado"),
)
cred(
    "jdbc oracle thin",
    "jdbc",
    "jdbc:oracle:thin:beam/§@//ora1.lab.example:1521/LOGS",
    tok("jo", 14),
)
cred(
    "jdbc parameter",
    "spark.url",
    "jdbc:mysql://hist:3306/epics?user=arch&password=§&useSSL=true",
    pw("jdbc", 14, "-._~"),
)
cred("sqlplus login", "oracle_cmd", "sqlplus -s archiver/§@LOGS @export.sql", tok("sqlplus", 13))
cred(
    "create role in sql",
    "migration.sql",
    "CREATE ROLE ingest LOGIN PASSWORD '§' VALID UNTIL '2025-01-01';",
    pw("role", 22),
)
cred(
    "identified by",
    "sql",
    "ALTER USER 'epics'@'%' IDENTIFIED BY '§'; FLUSH PRIVILEGES;",
    human("alter"),
)
cred(
    "perl dbi",
    "loader.pl",
    "my $dbh = DBI->connect($dsn, 'flybase', '§') # password\n or die;",
    pw("dbi", 14),
)
cred(
    "neo4j auth variable",
    "compose",
    {"services": {"neo4j": {"environment": ["NEO4J_AUTH=neo4j/§"]}}},
    tok("neo4j", 18),
)
cred(
    "elasticsearch basic in dict",
    "es",
    {"hosts": ["https://es:9200"], "basic_auth": ["elastic", "§"]},
    tok("elastic", 20),
)
cred(
    "sqlcmd on a lab pc",
    "batch",
    'sqlcmd -S LIMS01 -U sa -P "§" -Q "BACKUP DATABASE Runs"',
    pw("sqlcmd", 18),
)
cred(
    "influx v1 python client",
    "mon.py",
    "InfluxDBClient('mon', 8086, username='vac', password='§', database='vacuum')",
    human("inf1"),
)
cred(
    "cassandra yaml nested",
    "cass",
    {"auth": {"provider": "PlainText", "username": "ts", "password": "§"}},
    pw("cass", 13),
)
cred(
    "mongosh long options",
    "mongosh",
    "mongosh db --username fw --password § --eval 'db.stats()'",
    pw("mongosh", 16, "-._+"),
)

# ---------------------------------------------------------------- command lines
cred(
    "curl basic user",
    "curl",
    "curl -u beamline:§ -T scan_0042.h5 https://dav.example/raw/",
    pw("curlu", 15, "-._+"),
)
cred(
    "curl user glued",
    "get",
    ["curl", "--user=qcgrid:§", "https://store.example/wf.chk"],
    human("curlg"),
)
cred(
    "wget password",
    "wget",
    "wget -r -np --user=jtanaka --password='§' https://disc.example/M2/",
    pw("wget"),
)
cred(
    "wget http-password",
    "args",
    {"wget": ["--http-user", "esgf", "--http-password", "§"]},
    human("wget2"),
)
cred("sshpass", "transfer", "sshpass -p '§' scp out.tgz lab@microscope:", human("sshpass"))
cred(
    "smbclient percent",
    "smb",
    "smbclient //nas/raw -U 'cryo%§' -c 'prompt; mget *.mrc'",
    pw("smb", 14),
)
cred(
    "mount cifs options",
    "mount",
    "mount -t cifs //nas/raw /mnt/x -o username=cryo,password=§,vers=3.0",
    tok("cifs", 14),
)
cred(
    "windows net use",
    "map.bat",
    r"net use Z: \\nas\raw § /user:LAB\cryo /persistent:no",
    human("netuse"),
)
cred("windows cmdkey", "setup.cmd", r"cmdkey /add:nas /user:LAB\cryo /pass:§", pw("cmdkey", 13))
cred(
    "powershell secure string",
    "ps1",
    '$p = ConvertTo-SecureString "§" -AsPlainText -Force',
    pw("ps", 17),
)
cred(
    "schtasks",
    "task",
    r"schtasks /create /tn sync /tr sync.exe /sc hourly /ru LAB\svc /rp §",
    human("schtasks"),
)
cred(
    "ldapsearch bind password",
    "ldap",
    "ldapsearch -x -D cn=ro,dc=lab -w § uid=mkessler",
    tok("ldap", 15),
)
cred(
    "openssl passin",
    "ssl",
    "openssl pkcs12 -in usercert.p12 -nodes -passin pass:§ -out key",
    pw("passin", 14, "-._+"),
)
cred(
    "gpg passphrase",
    "decrypt",
    "gpg --batch --passphrase '§' -d cohort.vcf.gz.gpg | bcftools view",
    pw("gpg", 20),
)
cred("zip password", "zip", "unzip -P § controlled_access.zip", tok("zip", 16))
cred("7z glued password", "pack", "7z a -p§ -mhe=on backup.7z raw", tok("7z", 18))
cred(
    "lftp user comma",
    "lftp",
    'lftp -u geo,§ -e "mirror pub; quit" ftp.ebi.example',
    pw("lftp", 12, "-._"),
)
cred(
    "ftp url",
    "source_url",
    "ftp://gisaid:§@ftp.example.org/msa/2024-01.fasta.xz",
    human("ftp", "-_"),
)
cred(
    "sftp url percent-encoded",
    "sftp",
    "sftp://pdbe:§@sftp.example:22/in",
    "Tr" + tok("sftp1", 4) + "%40" + tok("sftp2", 5) + "%23",
)
cred(
    "http proxy", "https_proxy", "http://mkessler:§@proxy.lab.example:3128", pw("proxy", 13, "-._~")
)
cred(
    "minio client alias",
    "mc",
    "mc alias set ceph https://rgw.example:8443 LABUSER §",
    tok("mc", 40),
)
cred(
    "s3cmd secret option",
    "s3cmd",
    "s3cmd --host=rgw.example --secret_key=§ ls s3://raw",
    tok("s3cmd", 40),
)
cred(
    "skopeo creds",
    "skopeo",
    "skopeo copy --src-creds robot:§ docker://reg/img:1 oci:img",
    tok("skopeo", 32),
)
cred(
    "apptainer docker password",
    "apptainer",
    "APPTAINER_DOCKER_USERNAME=x APPTAINER_DOCKER_PASSWORD=§ apptainer pull docker://reg/gmx",
    tok("apptainer", 30),
)
cred(
    "kubectl literal",
    "kubectl",
    "kubectl create secret generic db --from-literal=password='§' -n argo",
    pw("kubectl"),
)
cred(
    "helm set",
    "helm",
    "helm upgrade hub jupyterhub --set proxy.secretToken=§ --wait",
    hexa("helm", 64),
)
cred(
    "ansible inventory",
    "inventory",
    "daq01 ansible_host=10.2.1.4 ansible_become_pass=§",
    tok("ansible", 16),
)
cred("chpasswd pipe", "provision_user", "echo 'operator:§' | chpasswd", human("chpasswd"))
cred(
    "mosquitto publisher",
    "mqtt",
    "mosquitto_pub -h broker -u cryo -P § -t lab/he/level -m 71.2",
    tok("mqtt", 14),
)
cred("irods init", "irods", "echo '§' | iinit   # iRODS password", pw("irods"))
cred("kinit from echo", "krb", "echo § | kinit jtanaka@CERN.CH", pw("kinit", 14, "-._+"))
cred(
    "mpirun with an exported secret",
    "mpirun",
    "mpirun -x DB_PASSWORD=§ -np 128 ./solver input.nml",
    tok("mpirun", 18),
)
cred(
    "condor environment line",
    "submit.sub",
    'environment = "SEED=4 ICAT_PASSWORD=§ MODE=prod"',
    tok("condor", 16),
)
cred(
    "flag with camel case",
    "java",
    "java -jar icat-client.jar --adminPassword § --batch 20",
    tok("icat", 15),
)
cred(
    "docker run -e",
    "container",
    ["docker", "run", "-e", "API_SECRET=§", "lab/reduce:3"],
    tok("dockere", 32),
)
cred(
    "snowsql environment", "snow", "set SNOWSQL_PWD=§ && snowsql -f load.sql", pw("snow", 14, "-._")
)
cred(
    "git credential store",
    ".git-credentials",
    "https://jtanaka:§@gitea.lab.example\n",
    hexa("gitea", 40),
)
cred(
    "svn password",
    "svn",
    "svn co --username ro --password § https://svn.example/vasp/trunk",
    human("svn"),
)
cred(
    "hidden option password",
    "cmd_mixed",
    "gfal-copy --Password=§ root://se//a.root file.root",
    pw("gfal", 14),
)

# ---------------------------------------------------------------- configurations in many notations
cred(
    "toml password",
    "pyproject_local",
    '[eln]\nurl = "https://eln"\npassword = "§"  # mine',
    pw("toml"),
)
cred(
    "java properties",
    "application.properties",
    "spring.datasource.username=lims\nspring.datasource.password=§\n",
    tok("props", 18),
)
cred(
    "fortran namelist",
    "namelist",
    "&server\n host = 'db01',\n passwd = '§',\n nretry = 3\n/",
    pw("nml", 14),
)
cred("c++ define", "config.h", '#define DAQ_PORT 5025\n#define DAQ_PASSWORD "§"', pw("define"))
cred("c++ string constant", "src.cpp", 'static const std::string apiKey{"§"};', tok("cppkey", 40))
cred(
    "matlab weboptions",
    "fetch.m",
    "opts = weboptions('Username','argo','Password','§','Timeout',60);",
    pw("matlab", 14),
)
cred("r renviron", ".Renviron", "R_LIBS_USER=lib\nOMERO_PASSWORD=§\n", tok("renv", 16))
cred(
    "r authenticate",
    "get.R",
    'httr::GET(u, httr::authenticate("argo", "§"))  # password',
    pw("httr", 14),
)
cred("julia env", "run.jl", 'ENV["OMERO_PASS"] = "§"; include("fit.jl")', pw("julia"))
cred("lua table", "modulefile.lua", 'setenv("LICENSE_SECRET", "§")', tok("lua", 32))
cred("tcl modulefile", "module", "setenv DALTON_LICENSE_KEY §", tok("tcl", 25, UP + DIG))
cred(
    "xml element",
    "instrument.xml",
    "<ftp><user>raman</user><password>§</password></ftp>",
    pw("xml", 14, "!-._"),
)
cred(
    "ini with spaces around a colon",
    "labview.ini",
    "[Remote]\nUser : raman\nPassword : §\n",
    human("labview"),
)
cred("json as a string", "payload", '{"user": "raman", "pwd": "§", "retries": 2}', pw("json", 13))
cred(
    "json twice escaped", "event", '"{\\"login\\": \\"ct\\", \\"password\\": \\"§\\"}"', pw("json2")
)
cred("python dict repr", "repr", "{'host': 'se1', 'passphrase': '§', 'port': 1094}", pw("repr", 21))
cred(
    "yaml secret of kubernetes",
    "secret.yaml",
    "kind: Secret\nmetadata:\n  name: db\nstringData:\n  password: §\n",
    tok("k8ssec", 20),
)
cred(
    "kubernetes data in base64",
    "secret_b64",
    {"kind": "Secret", "data": {"password": "§"}},
    b64(pw("k8sb64", 18)),
)
cred(
    "hydra override",
    "overrides",
    ["model=gnn", "logger.api_key=§", "trainer.max_epochs=3"],
    hexa("hydra", 40),
)
cred("argparse namespace", "namespace", "Namespace(lr=0.001, db_password='§', seed=7)", pw("ns"))
cred("list of pairs", "pairs", [["host", "daq01"], ["password", "§"]], pw("pairs", 14))
cred(
    "name value objects",
    "template",
    {"env": [{"name": "DB_PASSWORD", "value": "§"}]},
    tok("nv2", 20),
)
cred(
    "windows environment set",
    "env.bat",
    "set OMERO_PASSWORD=§\r\ncall process.bat\r\n",
    pw("set", 14, "-._+"),
)
cred("powershell env", "profile.ps1", "$env:ELN_API_KEY = '§'", tok("pse", 40))
cred("csh setenv", ".cshrc", "setenv SCRATCH_TOKEN §", tok("csh", 36))
cred("fish variable", "config.fish", "set -gx ELAB_TOKEN §", tok("fish", 40))
cred("dockerfile env", "Dockerfile", "FROM ubuntu:22.04\nENV PORTAL_PASSWORD=§\nRUN make", pw("df"))
cred(
    "rclone obscured",
    "rclone.conf",
    "[nas]\ntype = sftp\nhost = nas\nuser = cryo\npass = §",
    tok("rclone", 38, URL64),
)
cred("ssid and psk of a lab pi", "wpa_supplicant", 'network={\n ssid="lab"\n psk="§"\n}', pw("psk"))
cred("tfvars", "terraform.tfvars", 'nodes = 4\nadmin_password = "§"', pw("tfvars", 20))
cred("nested deep camel case key", "cfg", {"a": {"b": [{"clientSecret": "§"}]}}, tok("deep", 40))
cred("upper-case key with dashes", "HEADERS", {"X-AUTH-TOKEN": "§"}, tok("xauth", 44))
cred("plain key password", "password", "§", human("plain"))
cred("key named api_token", "api_token", "§", tok("apitoken", 40))
cred(
    "long option in a nested list",
    "steps",
    [{"run": "portal push --api-key=§ out/"}],
    tok("ll", 36),
)
cred(
    "wrong name in a traceback",
    "traceback",
    "File \"push.py\", line 8, in <module>\n    login(user='ct', passwd='§')\nLoginError: denied",
    pw("tb", 14),
)
cred("hdf5 attribute", "attrs", {"instrument": "NIRSpec", "archive_token": "§"}, hexa("hdf", 32))
cred("slurm comment", "scontrol", "JobId=881 Comment=token=§ Partition=gpu", tok("scontrol", 40))
cred(
    "paramiko", "ssh.py", "c.connect('daq01', username='op', password=u'§', timeout=5)", pw("para")
)
cred("ruby hash", "deploy.rb", "{ :host => 'eln', :password => '§' }", pw("ruby", 14))
cred("go struct", "main.go", 'cfg := Config{Host: "eln", Password: "§", Port: 443}', pw("go"))
cred("rust builder", "main.rs", '.user("ct").password("§").dbname("runs")', pw("rust", 15))

# ---------------------------------------------------------------- prose
cred(
    "prose beamline account",
    "notes",
    "Remote access to BL07: user is 'opid07', the password is §, changes each run.",
    human("prose1"),
)
cred("prose german", "notiz", "Messrechner XRD: Benutzer labor, Passwort: §", human("prose2"))
cred("prose french", "remarque", "Le mot de passe du spectromètre est « § ».", pw("prose3", 12))
cred("prose spanish", "nota", "usuario: meteo / contraseña: §", human("prose4"))
cred(
    "prose password in brackets",
    "remark",
    "Log in to the OMERO server (password: §) and export.",
    pw("prose5", 14),
)
cred("prose backticks", "readme", "Use the API key `§` for the archive until May.", tok("p6", 40))
cred("prose pw short", "logbook", "He compressor vnc pw = §", human("prose7"))
cred(
    "prose token quoted",
    "email",
    'Hi Jun, here is the access token for the DAQ: "§". Best, A.',
    tok("p8", 36),
)
cred(
    "prose passphrase",
    "howto",
    "Unlock the LUKS volume with the passphrase § after a reboot.",
    pw("p9", 22),
)
cred(
    "prose username and password",
    "wiki",
    "username: guest42, password: § (read only)",
    pw("p10", 11),
)

# ---------------------------------------------------------------- paths: linux homes
path("home bare", "cwd", "§/runs/h2o_md", "/home/mkessler")
path("home in a command", "command", "python §/src/fit.py --n 3", "/home/jtanaka")
path("home with a realm", "workdir", "§/dft", "/home/users/anna.lind")
path("nersc home", "home", "§", "/global/homes/m/mkessler")
path("nersc scratch", "outdir", "§/e3sm/archive", "/pscratch/sd/r/rpatel")
path("nersc community", "input", "§/cmip6/tas.nc", "/global/cfs/cdirs/m4321/rpatel")
path("olcf home", "exe", "§/bin/xgc", "/ccs/home/dvoss")
path(
    "olcf lustre", "run_dir", "cd §/run03 && srun ./a.out", "/lustre/orion/fus123/proj-shared/dvoss"
)
path("tacc work", "WORK", "§/frontera", "/work2/05432/dvoss")
path("cern afs", "afs", "source §/setup.sh", "/afs/cern.ch/user/l/lmoreau")
path("cern eos", "ntuples", ["§/ntup_1.root", "skim.root"], "/eos/user/l/lmoreau")
path(
    "juelich scratch",
    "config",
    {"paths": {"checkpoint": "§/ckpt/ep10.pt"}},
    "/p/scratch/hai_atmo/schulz3",
)
path("mpcdf ptmp", "tmp", "TMPDIR=§", "/ptmp/kschulz")
path("mpcdf home", "pip_prefix", "pip install --prefix=§/py .", "/u/kschulz")
path("dkrz work", "catalog", "intake §/cat.json", "/work/bm1234/b380987")
path(
    "csc scratch", "sbatch", "#SBATCH --output=§/slurm-%j.out", "/scratch/project_2001234/virtanen"
)
path("nci gdata", "basin", "§/access-om2", "/g/data/w97/hc0001")
path("nesi", "project_dir", "§/flow.cfg", "/nesi/project/uoa00123")
path("cambridge rds", "data", "rsync -a ./ §/", "/rds/user/tb456/hpc-work")
path("glade", "case", "./create_newcase --case §/b.e21 --res f09_g17", "/glade/work/hwong")
path(
    "discover", "restart", "ln -s §/fvcore_internal_rst .", "/discover/nobackup/projects/gmao/hwong"
)
path("pdc klemming", "logdir", "log: §/out.log", "/cfs/klemming/home/o/olsson")
path("euler home", "venv", "VIRTUAL_ENV=§/venvs/torch", "/cluster/home/pmeier")
path("solaris export", "gaussian", "%chk=§/ts4.chk\n# B3LYP/6-31G(d) opt=ts", "/export/home/yliu")
path("user tilde resolved in ssh", "scp", "scp dvoss@login2:§/out.h5 .", "/home1/05432/dvoss")
path("argonne eagle", "dataset", "'§/imagenet'", "/eagle/projects/CatML/dvoss")
path("iu slate", "bam", "samtools index §/NA12878.bam", "/N/slate/mlopez")
path("lfs of weather", "grib", "wgrib2 §/gfs.t00z.pgrb2 -s", "/lfs/h2/emc/ptmp/hwong")
path("gpfs", "trajectory", "gmx trjconv -f §/md.xtc -o out.xtc", "/gpfs/work4/0/einf2345/jdevries")
path("beegfs", "fastq", "reads: [§/S1_R1.fastq.gz]", "/beegfs/data/mlopez")
path(
    "users tree of a fortran code",
    "input.f90",
    "open(unit=12, file='§/pot.dat', status='old')",
    "/users/grp/cfaure",
)
path("hidden conda in a shebang", "shebang", "#!§/miniconda3/bin/python", "/home/cfaure")
path(
    "include and library flags",
    "cflags",
    "-O3 -I/usr/include -L§/lib -lfftw3",
    "/home/yliu/opt/fftw-3.3.10",
)
path(
    "cmake define",
    "configure",
    "cmake -S . -B build -DCMAKE_INSTALL_PREFIX=§",
    "/home/t/tomas.novak/sw",
)
path(
    "python traceback",
    "stderr",
    'Traceback:\n  File "§/train.py", line 41, in main\nKeyError: 3',
    "/home/tnovak/gnn",
)
path(
    "path variable with several",
    "PATH",
    "§/.local/bin:/usr/local/bin:/usr/bin:/bin",
    "/home/aoyama",
)
path("second in pythonpath", "PYTHONPATH", "lib:§/python", "/nfs/home/aoyama")
path("home in json text", "raw", '{"workdir": "§/proj", "n": 4}', "/home/esalinas")
path(
    "home after a colon in a log",
    "log",
    "INFO snakemake: Complete log: §/.snakemake/log/1.log",
    "/home/esalinas/rnaseq",
)
path("home as a dict key", "checksums", {"§/a.cif": "ok", "b.cif": "ok"}, "/home/esalinas/xtal")
path("docker bind mount", "docker", "docker run -v §:/data:ro lab/omics", "/home/ghansen/cohort")
path("apptainer bind", "bind", ["--bind", "§:/scratch"], "/local_scratch/ghansen")

# ---------------------------------------------------------------- paths: mounts, temp folders
path("nas mount", "raw", "§/scan_0042.h5", "/mnt/nas03/bl07")
path("media stick", "copy_from", "cp -r §/export .", "/media/ghansen/KINGSTON")
path("run media", "usb", "found volume at §", "/run/media/okafor/T7-Shield")
path("nfs export", "nfs", "nas03:§ mounted", "/export/vol2/okafor")
path("temp of a job", "TMPDIR", "§", "/tmp/okafor.881231.0")
path(
    "temp folder in a message", "warning", "could not remove '§/spark-31': busy", "/tmp/okafor_work"
)
path("shared memory of a user", "shm", "staging to §/batch0", "/dev/shm/okafor_881231")
path("job file system", "PBS_JOBFS", "PBS_JOBFS=§", "/jobfs/99887766.gadi-pbs")
path("var tmp", "cache", "cache_dir: §", "/var/tmp/rpatel/hf")
path("slurm local", "stage", "sbcast -f model.bin §/model.bin", "/local/scratch/rpatel/job881231")
path("storage array", "archive", "tar cf §/2023.tar raw", "/storage2/cryoem/rpatel")
path("run user dir with text", "sock", "listening on §/dask.sock", "/home/rpatel/.cache")
path("file url linux", "uri", "file://§/map.mrc", "/home/nberg/em")
path("file url with host", "href", "see file://nas03§/readme.txt", "/volume1/homes/nberg")
path("markdown link", "md", "[plot](§/fig3.png) shows the phase", "/home/nberg/paper")
path("percent-encoded space", "link", "file://§/cell.tif", "/Users/nina/Lab%20Data")

# ---------------------------------------------------------------- paths: macOS
path("mac home", "notebook", "§/Documents/dos.ipynb", "/Users/nina")
path("mac quoted with a space", "open", 'open "§/Thesis.pdf"', "/Users/anna lind/My Work")
path("mac volumes", "disk", "§/2024-02", "/Volumes/LabBackup/okafor")
path(
    "mac temp",
    "tmpdir",
    "tempfile at §/tmp8x.npy",
    "/var/folders/zz/" + tok("mac", 30, LOW + DIG + "_") + "/T",
)
path(
    "mac private temp",
    "sandbox",
    "PWD=§",
    "/private/var/folders/a1/" + tok("m2", 30, LOW + DIG) + "/T",
)
path("mac library", "site", "loaded from §/Library/Python/3.11/lib", "/Users/lmoreau")

# ---------------------------------------------------------------- paths: windows
path("windows user", "cwd_win", r"§\Documents\origin", r"C:\Users\ghansen")
path("windows forward slashes", "matlab", "addpath('§/matlab')", "C:/Users/ghansen")
path("windows double backslash", "cfg_json", r'{"out": "§\\out.csv"}', r"C:\\Users\\pmeier")
path("windows data disk", "instrument", r"Saved spectrum to §\s1.spc", r"D:\Data\Raman\pmeier")
path("windows with a space", "exe_win", r'"§\run.exe" /auto', r"C:\Users\Peter Meier\Zeiss Export")
path("windows appdata temp", "TEMP", "§", r"C:\Users\PMEIER~1\AppData\Local\Temp")
path("unc share", "share", r"copy §\run1.raw .", r"\\nas03.lab.example\massspec\okafor")
path("unc share bare", "unc", "§", r"\\XRAY-PC\Users\operator")
path("file url windows", "url_win", "file:///§/scan.czi", "C:/Users/okafor")
path("wsl mount", "wsl", "cd §/proj && make", "/mnt/c/Users/okafor")
path("wsl unc", "explorer", r"§\lammps", r"\\wsl$\Ubuntu-22.04\home\okafor")
path("wsl localhost", "wsl2", r"opened §\a.in", r"\\wsl.localhost\Debian\home\nina")
path("git bash", "gitbash", "bash §/run.sh", "/c/Users/nina")
path("cygwin", "cyg", "cygpath: §", "/cygdrive/d/Messdaten/nina")
path(
    "lower-case drive",
    "vscode",
    "python.defaultInterpreterPath = §/py/python.exe",
    "e:/users/jdevries",
)

# ================================================================ HARMLESS
H = hexa
# ---------------------------------------------------------------- commits, digests, ids
ok("git commit", "git_commit", H("c1", 40))
ok("short commit in a version", "version", "3.2.1+g" + H("c2", 7))
ok("commit in a sentence", "note", "bisected the drift to commit " + H("c3", 40) + " of ICON")
ok(
    "commit in a pip url",
    "requirements",
    "git+https://github.com/ACEsuit/mace.git@" + H("c4", 40) + "#egg=mace",
)
ok("git log line", "git_log", H("c5", 10) + " (HEAD -> main) fix units in stress tensor")
ok("git diff index", "diff", "index " + H("c6", 7) + ".." + H("c7", 7) + " 100644")
ok("sha256 of data", "sha256", H("d1", 64))
ok("sha256sum output", "sums", H("d2", 64) + "  data/era5_2m.nc")
ok("md5 named", "checks", {"md5": H("d3", 32), "bytes": 88123})
ok("md5 line of fastq", "md5sum", H("d4", 32) + "  S1_R1.fastq.gz")
ok("docker digest", "image", "ghcr.io/lab/gmx@sha256:" + H("d5", 64))
ok("pip hash", "lock", "numpy==1.26.4 --hash=sha256:" + H("d6", 64))
ok("npm integrity", "integrity", "sha512-" + tok("d7", 86, B64) + "==")
ok(
    "conda explicit url",
    "explicit",
    "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.3-h1_0.conda#" + H("d8", 32),
)
ok("uuid of a run", "run_id", uid("run"))
ok("aiida node uuid", "aiida", {"pk": 4123, "uuid": uid("aiida"), "state": "finished"})
ok("mlflow run id", "mlflow", "runs:/" + H("mlf", 32) + "/model")
ok("wandb run name", "wandb_run", "dashing-lake-42 (" + tok("wbid", 8, LOW + DIG) + ")")
ok("globus endpoint id", "endpoint_id", uid("globus"))
ok("nextflow hash folder", "task", "[a1/" + H("nf", 6) + "] process > ALIGN (S1) [100%] 1 of 1")
ok("nextflow workdir relative", "work", "work/a1/" + H("nf2", 30) + "/.command.sh")
ok("cache key hash", "cache_key", "v3-linux-py311-" + H("ck", 64))
ok("etag", "ETag", '"' + H("etag", 32) + '-12"')
ok("ipfs cid", "cid", "Qm" + tok("ipfs", 44, UP + LOW + "123456789"))
ok(
    "git lfs pointer",
    "lfs",
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + H("lfs", 64) + "\nsize 4321",
)
ok("ssh host fingerprint", "fingerprint", "SHA256:" + tok("fp", 43, B64) + " (ED25519)")
ok("spack hash", "spec", "hdf5@1.14.3%gcc@12.3.0 /" + tok("spack", 7, LOW + "234567"))
ok("nix store hash", "drv", "nixpkgs rev " + H("nix", 40))
ok("build id", "build", "BuildID[sha1]=" + H("bid", 40) + ", stripped")
ok("swhid", "swhid", "swh:1:rev:" + H("swh", 40))
ok("config hash", "config_hash", H("cfg", 12))
ok("crc", "crc32", "0x" + H("crc", 8).upper())

# ---------------------------------------------------------------- hyper-parameters
ok("max tokens", "max_tokens", 4096)
ok("max new tokens in a dict", "generation", {"max_new_tokens": 256, "top_p": 0.9})
ok("pad token", "pad_token", "<|endoftext|>")
ok("special tokens", "special_tokens_map", {"cls_token": "[CLS]", "mask_token": "[MASK]"})
ok("token id", "eos_token_id", 50256)
ok("tokens per second", "metrics", {"tokens_per_sec": 18234.5, "loss": 1.93})
ok("tokenizer name", "tokenizer", "allenai/scibert_scivocab_uncased")
ok("tokenizer option", "args", "--tokenizer-name bert-base-cased --max-seq-len 512")
ok("token level", "token_level", "character")
ok("tokens seen in a log", "log", "step 1200 | tokens 2.46B | loss 2.113 | lr 2.9e-4")
ok("key dim", "key_dim", 64)
ok("num key value heads", "num_key_value_heads", 8)
ok("query key value", "qkv", {"query": "q_proj", "key": "k_proj", "value": "v_proj"})
ok("key padding mask", "key_padding_mask", True)
ok("batch key", "batch_key", "donor_id")
ok("sort key", "sort_key", "temperature")
ok("energy key", "energy_key", "REF_energy")
ok("forces key option", "mace", "mace_run_train --energy_key=dft_energy --forces_key=dft_forces")
ok("key of jax", "key", "PRNGKey(42)")
ok("jax key array", "rng_key", [0, 42])
ok("primary key", "primary_key", "sample_id")
ok("foreign key", "schema", "FOREIGN KEY (run_id) REFERENCES runs(id)")
ok("partition key", "partition_key", "year=2023/month=07")
ok("s3 object key", "s3_key", "raw/2023/07/scan_0042.h5")
ok("keys list", "keys", ["temperature", "pressure", "humidity"])
ok("keyword", "keywords", "water, hydrogen bond, path integral")
ok("passes", "n_passes", 3)
ok("pass filter", "pass_filter", "QUAL>30 && DP>10")
ok("passband", "passband", "high-pass 0.5 Hz, low-pass 40 Hz")
ok("bypass", "bypass", "cooling bypass valve closed")
ok("passed tests", "pytest", "412 passed, 3 skipped in 88.12s")
ok("two pass", "two_pass_mode", "Basic")
ok("number of passwords", "n_passwords_tested", 0)
ok("password required flag", "password_required", False)
ok("password length rule", "policy", {"password_min_length": 12, "token_ttl_hours": 24})
ok("auth type", "auth", "none")
ok("auth method", "auth_method", "kerberos")
ok("author", "author", "M. Kessler and J. Tanaka")
ok("authority", "authority", "EPSG:4326")
ok("secret flag", "secret", False)
ok("empty password", "password", "")
ok("secretion score", "secretion", "SignalP secreted: 0.93")
ok("secretory", "pathway", "secretory pathway, ER to Golgi")
ok("credentials false", "allow_credentials", False)
ok("token type", "token_type", "Bearer")
ok("token budget", "token_budget", "128k")
ok("grant type", "grant_type", "client_credentials")
ok("attention key chunk", "attn", "key_chunk_size=1024, query_chunk_size=256")
ok("seed", "seed", 20240229)
ok("seed list", "seeds", [1337, 4242, 98765432109876])
ok("random state big", "random_state", "0x5DEECE66D")
ok("learning rate", "hparams", "lr=3e-4,wd=0.1,betas=(0.9,0.95)")
ok("learning in camel case", "trainer", {"gradAccum": 8, "keyFrameInterval": 20})
ok("model checkpoint name", "checkpoint", "ckpt_epoch=120-val_loss=0.0213.pt")
ok("model name long", "model", "meta-llama/Llama-3.1-8B-Instruct-Q4_K_M")
ok("model resnet", "backbone", "vit_base_patch16_224.augreg2_in21k_ft_in1k")
ok("dataset name", "dataset", "allenai/c4_en_2019-realnewslike-00001-of-00512")
ok("dataset qm9", "train_set", "QM9/gdb9_000133885.xyz")
ok("sweep id", "sweep", "sweep-gnn-2024-02-11T03-14-15-lr0.001-bs64")
ok("optuna study", "study", "study_name=mace_hpo; n_trials=200; sampler=TPESampler(seed=1)")

# ---------------------------------------------------------------- relative paths
ok("relative data", "input", "data/raw/scan_0042.h5")
ok("parent relative", "config", "../configs/base.yaml")
ok("dot slash", "exe", "./build/bin/lmp -in in.melt")
ok("home in a relative name", "template", "templates/home/index.html")
ok("users in a relative name", "src", "src/users/models.py")
ok("secrets folder name", "ignore", "secrets/*.yaml")
ok("glob", "glob", "results/**/loss_*.csv")
ok("tilde path", "rc", "~/.condarc")
ok("home by variable", "env_path", "$HOME/.local/bin")
ok("scratch by variable", "outdir", "${SCRATCH}/runs/${SLURM_JOB_ID}")
ok("windows variable", "win", r"%USERPROFILE%\Documents\out.csv")
ok("powershell variable", "ps_path", r"$env:TEMP\out.csv")
ok("windows relative", "win_rel", r"data\raw\scan.spc")
ok("python module path", "module", "torch.nn.functional.scaled_dot_product_attention")
ok("makefile rule", "rule", "build/%.o: src/%.f90 | build")
ok("snakemake wildcards", "rule_align", 'input: "reads/{sample}_R1.fastq.gz"')
ok("fraction of units", "units", "kg/m^2/s")
ok("units with slashes", "unit", "mol/L/s")
ok("options by slash", "choices", "train/val/test = 80/10/10")
ok("and or", "text", "open and/or closed shells; n/a otherwise")
ok("sed expression", "sed", "sed 's/alpha/beta/g' in.nml > out.nml")
ok("regex with slashes", "regex", r"/^chr(\d+|X|Y|MT)$/i")
ok("git branch", "branch", "feature/home-made-solver")
ok("git ref", "ref", "refs/heads/release/2024.1")
ok("rsync relative", "rsync", "rsync -av results/ backup/results/")

# ---------------------------------------------------------------- urls without credentials
ok("github url", "repo", "https://github.com/home-assistant/core/blob/dev/setup.py")
ok("ssh git remote", "remote", "git@github.com:lammps/lammps.git")
ok("doi url", "doi", "https://doi.org/10.1103/PhysRevLett.77.3865")
ok("zenodo file", "url", "https://zenodo.org/records/8123456/files/data.tar.gz?download=1")
ok("url with users", "profile", "https://huggingface.co/users/settings/tokens")
ok("url with a key word", "docs", "https://docs.example.org/keys/access-token.html#rotate")
ok("s3 uri", "bucket", "s3://noaa-goes16/ABI-L2-CMIPF/2023/001/00/file.nc")
ok("gs uri", "gs", "gs://gcp-public-data-arco-era5/ar/full_37-1h-0p25deg.zarr")
ok("opendap", "opendap", "https://www.ncei.noaa.gov/thredds/dodsC/OisstBase/2020.nc?sst[0:1:9]")
ok("postgres url no password", "db", "postgresql://localhost:5432/runs")
ok("url with a user only", "ssh_url", "ssh://git@gitlab.example.org:2222/atmo/icon.git")
ok("http port", "dashboard", "http://127.0.0.1:8787/status")
ok("url at sign in path", "npm", "https://www.npmjs.com/package/@types/node")
ok("email", "contact", "mailto:support@hpc.example.org")
ok(
    "query with page token word",
    "list_url",
    "https://api.example.org/v1/items?pageSize=50&sort=key",
)
ok("wms url", "wms", "https://maps.example.org/wms?service=WMS&layers=sst&crs=EPSG:4326")
ok("arxiv", "arxiv", "https://arxiv.org/abs/1706.03762v7")
ok("rcsb", "pdb_url", "https://files.rcsb.org/download/6LU7.cif.gz")
ok("mongodb bare", "mongo", "mongodb://mongo:27017/fireworks")
ok("redis bare", "redis", "redis://localhost:6379/0")
ok("tcp scheduler", "scheduler", "tcp://127.0.0.1:8786")
ok(
    "url credential by variable",
    "clone",
    "git clone https://oauth2:${GITLAB_TOKEN}@gitlab.example/a/b.git",
)
ok("url with placeholder password", "example_url", "postgresql://<user>:<password>@<host>/<db>")
ok("url masked by a tool", "masked_url", "https://x-access-token:***@github.com/lab/code.git")

# ---------------------------------------------------------------- system paths
ok("dev null", "cmd", "make -j8 > /dev/null 2>&1")
ok("usr bin env", "shebang", "#!/usr/bin/env python3")
ok("bin bash", "shell", "/bin/bash")
ok("bin sh with option", "sh", "/bin/sh -c 'exit 0'")
ok("proc", "cpuinfo", "grep -m1 'model name' /proc/cpuinfo")
ok("etc hosts", "hosts", "/etc/hosts")
ok("etc os-release", "os", "source /etc/os-release; echo $ID")
ok("sys class", "sysfs", "/sys/class/net/eth0/address")
ok("usr lib", "blas", "/usr/lib/x86_64-linux-gnu/libopenblas.so.0")
ok("usr local cuda", "cuda", "LD_LIBRARY_PATH=/usr/local/cuda/lib64")
ok("usr share", "zone", "/usr/share/zoneinfo/UTC")
ok("dev urandom", "entropy", "head -c 16 /dev/urandom | xxd -p")
ok("dev ttyUSB", "port", "/dev/ttyUSB0")
ok("dev nvidia", "device", "/dev/nvidia0")
ok("usr bin python", "python", "/usr/bin/python3.11")
ok("system path variable", "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
ok("root dir", "root", "/")
ok("tmp bare", "TMPDIR", "/tmp")
ok("dev shm bare", "shm", "df -h /dev/shm")
ok("windows system", "ComSpec", r"C:\Windows\System32\cmd.exe")
ok("mac system framework", "framework", "/System/Library/Frameworks/Accelerate.framework")
ok("stdin by fd", "fd", "bcftools view /dev/stdin")
ok("com port", "com", r"\\.\COM3")
ok("usr bin time", "timed", "/usr/bin/time -v ./solver")

# ---------------------------------------------------------------- placeholders, references
ok("angle placeholder", "token", "<your-token>")
ok("variable", "api_key", "$API_KEY")
ok("variable with braces", "password", "${DB_PASSWORD}")
ok("stars", "passwd", "********")
ok("github actions", "env", {"GITHUB_TOKEN": "${{ secrets.GITHUB_TOKEN }}"})
ok("jinja", "db_password", "{{ vault_db_password }}")
ok("your key here", "OPENAI_API_KEY", "YOUR_API_KEY_HERE")
ok("redacted", "secret_key", "[REDACTED]")
ok("xxx", "access_token", "xxxxxxxxxxxxxxxx")
ok("windows variable as password", "pwd", "%DB_PASSWORD%")
ok("password prompt", "prompt", "Password for user mike: ")
ok("curl with variable", "curl", 'curl -H "Authorization: Bearer $TOKEN" https://api.example.org')
ok("curl with braces", "curl2", 'curl -u "$USER:$PASS" https://dav.example/')
ok("mysql ask", "mysql", "mysql -u genome -p ensembl < dump.sql")
ok("password from file", "pwfile", "psql-backup --password-file ./pw.txt --jobs 4")
ok("password by stdin", "docker", "docker login -u lab --password-stdin ghcr.io < token.txt")
ok("command substitution", "export", "export WANDB_API_KEY=$(cat wandb.key)")
ok("pass command", "pass", "PGPASSWORD=$(pass show lab/db) psql -h db01")
ok("sops", "sops_note", "encrypted with sops, see secrets.enc.yaml")
ok("vault path", "vault", "vault kv get -field=password kv/lab/db")
ok("dots", "hf_token", "hf_...")
ok("ellipsis key", "example", "export ANTHROPIC_API_KEY=sk-ant-...")
ok("env example", ".env.example", "DB_HOST=localhost\nDB_PASSWORD=\nAPI_TOKEN=\n")
ok("yaml secret ref", "k8s", {"valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}})
ok("masked prefix", "shown_key", "sk-****************")
ok("not set", "token_status", "HF_TOKEN: not set")
ok("python environ", "code", 'key = os.environ["OPENAI_API_KEY"]')
ok("python getenv", "code_2", "token = os.getenv('ZENODO_TOKEN', None)")
ok("getpass", "code_3", "password = getpass.getpass('Password: ')")
ok("keyring", "code_4", "pw = keyring.get_password('omero', user)")
ok("function parameter", "code_5", "def connect(host: str, password: str | None = None):")
ok("attribute", "code_6", "session.auth = (cfg.user, cfg.password)")
ok("keyword pass through", "code_7", "client = Client(token=token, api_key=api_key)")
ok("secrets module", "code_8", "API = secrets.TOKEN")
ok("secrets generator", "code_9", "run_token = secrets.token_hex(16)")
ok("f-string", "code_10", 'headers = {"Authorization": f"Bearer {token}"}')
ok("r sys getenv", "r_code", 'key <- Sys.getenv("ENTREZ_KEY")')
ok("julia env read", "jl_code", 'pw = get(ENV, "OMERO_PASS", "")')
ok("js process env", "js_code", "const apiKey = process.env.API_KEY;")
ok("c getenv", "c_code", 'const char *pw = getenv("DAQ_PASSWORD");')
ok("perl env", "perl_code", "my $pw = $ENV{DBPASS};")
ok("fortran get env", "f_code", "call get_environment_variable('DB_PASSWORD', pw, length, ierr)")
ok("matlab getenv", "m_code", "token = getenv('GITHUB_TOKEN');")
ok("colab userdata", "colab", "from google.colab import userdata\nt = userdata.get('HF_TOKEN')")
ok("click option", "click", "@click.option('--password', prompt=True, hide_input=True)")
ok("argparse option", "argparse", "p.add_argument('--token', help='API token of the portal')")
ok("airflow variable", "airflow", 'Variable.get("slack_token")')
ok("nextflow secret", "nf", "secret 'SRA_KEY'\nscript: 'fetch --key $SRA_KEY'")
ok("groovy ref", "nf_cfg", "tower.accessToken = System.getenv('TOWER_ACCESS_TOKEN')")
ok("dict index", "code_11", 'pw = cfg["database"]["password"]')
ok("powershell read host", "ps_code", "$pw = Read-Host -AsSecureString 'Password'")
ok("token loop", "nlp", "for token in doc:\n    counts[token.lemma_] += 1")
ok("lexer token", "lexer", "Token(type=IDENT, value='rho', line=3)")
ok("dict key loop", "loop", "for key, value in sorted(d.items()): print(key, value)")
ok("lambda key", "lambda", "runs.sort(key=lambda r: r.energy)")
ok("pass statement", "py", "try:\n    import cupy\nexcept ImportError:\n    pass")

# ---------------------------------------------------------------- chemistry
ok("smiles", "smiles", "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O")
ok("smiles long", "ligand", "CN1CCN(CC1)Cc2ccc(cc2)C(=O)Nc3ccc(C)c(c3)Nc4nccc(n4)c5cccnc5")
ok("smiles with slashes", "isomer", r"F/C=C/F and F/C=C\F")
ok("inchi", "inchi", "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)")
ok("inchikey", "inchikey", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N")
ok("smarts", "smarts", "[#6]-[#8;H1,$([O-])]:[c;r6]")
ok("selfies", "selfies", "[C][C][=Branch1][C][=O][O]")
ok("cas", "cas", "CAS 50-78-2")
ok("gaussian route", "route", "# M062X/def2TZVP opt freq scrf=(smd,solvent=water)")
ok("method basis", "level", "CCSD(T)/aug-cc-pVTZ//B3LYP-D3(BJ)/6-311++G(d,p)")
ok("zmatrix", "zmat", "O\nH 1 0.96\nH 1 0.96 2 104.5")
ok("vasp incar", "INCAR", "ENCUT = 520\nISMEAR = 0\nSIGMA = 0.05\nLREAL = Auto")
ok("potcar title", "POTCAR", "PAW_PBE Fe_pv 02Aug2007")
ok("pseudo file", "pseudo", "Si.pbe-n-rrkjus_psl.1.0.0.UPF")
ok("space group", "space_group", "P2_1/c (14), Fm-3m (225)")
ok("materials id", "mp_id", "mp-1234567")
ok("lammps pair", "in.melt", "pair_style lj/cut/coul/long 10.0\npair_coeff * * 0.1553 3.166")
ok("polymer notation", "bigsmiles", "{[$]CC(c1ccccc1)[$]}")
ok("chembl id", "chembl", "CHEMBL1201862")
ok("reaction", "rxn", "2 H2 + O2 -> 2 H2O; k=1.2e+13 exp(-4400/T)")
ok("pass energy of xps", "pass_energy_eV", 20)

# ---------------------------------------------------------------- genomics
ok("dna", "sequence", tok("dna", 90, "ACGT"))
ok("protein", "fasta", ">sp|P69905|HBA_HUMAN\n" + tok("prot", 60, "ACDEFGHIKLMNPQRSTVWY"))
ok("fastq quality", "qual", "@S1:1:1101\nACGTNACGT\n+\nFFFF:FF,#")
ok("cigar", "cigar", "36M2I10D4S")
ok("sam line", "sam", "r001\t99\tchr1\t7\t30\t8M2I4M\t=\t37\t39\tTTAGATAAAGGATA\t*")
ok("vcf line", "vcf", "chr7\t117559590\trs113993960\tATCT\tA\t100\tPASS\tAC=1")
ok("vcf pass filter", "bcftools", "bcftools view -f PASS -i 'INFO/DP>10' in.vcf.gz")
ok("sra", "sra", "SRR12345678")
ok("ensembl", "gene", "ENSG00000139618.19")
ok("refseq", "transcript", "NM_000546.6:c.215C>G (p.Pro72Arg)")
ok("geo", "geo", "GSE123456_RAW.tar")
ok("barcode", "barcode", "AAACCTGAGAAGGCCT-1")
ok("umi pattern", "umi", "--bc-pattern=CCCCCCCCCCCCCCCCNNNNNNNNNNNN")
ok("adapter", "cutadapt", "cutadapt -a AGATCGGAAGAGCACACGTCTGAACTCCAGTCA -o out.fq in.fq")
ok("read group", "rg", r"@RG\tID:S1\tSM:NA12878\tPL:ILLUMINA\tLB:lib1")
ok("flowcell", "flowcell", "HVKJNDSX3")
ok("kmer", "kmers", {"k": 31, "min_key": "ACGTACGTAAGCTTAGCATCGATCGATCGAT"})
ok("newick", "tree", "((human:0.1,chimp:0.12):0.05,(mouse:0.3,rat:0.31):0.2);")
ok("hla", "hla", "HLA-DRB1*15:01:01:01")
ok("pdb entry", "pdb", "ATOM      1  N   MET A   1      27.340  24.430   2.614")
ok("guide rna", "sgRNA", "GACCCCCTCCACCCCGCCTC NGG")
ok("pfam", "pfam", "PF00069.28 Pkinase")

# ---------------------------------------------------------------- physics, climate, latex
ok("latex", "abstract", r"$\langle\psi|\hat{H}|\psi\rangle = E_0$ at $T=300\,\mathrm{K}$")
ok("latex command path", "latex", r"\includegraphics[width=\linewidth]{figures/home/fig1.pdf}")
ok("latex home-like", "tex", r"\frac{\partial u}{\partial t} + \nabla\cdot(\rho u)=0")
ok("bibtex key", "bibkey", "Perdew1996generalized")
ok("cmip drs", "drs", "CMIP6/ScenarioMIP/DKRZ/MPI-ESM1-2-LR/ssp585/r1i1p1f1/Amon/tas/gn/v20190710")
ok("cmip file", "nc", "tas_Amon_MPI-ESM1-2-LR_historical_r1i1p1f1_gn_185001-186912.nc")
ok("grib short", "grib", "paramId=167, shortName=2t, dataDate=20230711")
ok("particle decay", "decay", "B0 -> K*0(892) mu+ mu-")
ok("root tree", "branch", "Events/Muon_pt")
ok("trigger name", "trigger", "HLT_IsoMu24_eta2p1_LooseChargedIsoPFTau50_Trk30")
ok("dataset das", "das", "/DYJetsToLL_M-50_TuneCP5_13TeV/RunIISummer20UL18-v1/NANOAODSIM")
ok("geant volume", "volume", "/gps/particle e-")
ok("geant macro", "macro", "/run/beamOn 10000")
ok("quantum circuit", "qasm", "OPENQASM 2.0;\nqreg q[2];\nh q[0];\ncx q[0],q[1];")
ok("quantum key", "protocol", "quantum key distribution BB84, key rate 1.2 kbit/s")
ok("secret key rate", "secret_key_rate", 0.0123)
ok("epics pv", "pv", "XF:28IDC-OP:1{Slt:MB1-Ax:T}Mtr.RBV")
ok("tango device", "tango", "id07/detector/eiger-1")
ok("wcs", "wcs", "CTYPE1='RA---TAN' CRVAL1=202.482 CD1_1=-7.2e-05")
ok("object name", "target", "2MASS J05352184-0546085")
ok("matrix of hex", "pattern", ["0xDEADBEEF", "0x00FF00FF"])
ok("scpi", "scpi", ":SOUR:VOLT:LEV 2.5;:OUTP ON;*OPC?")
ok("opc node", "opcua", "ns=2;s=Cryostat.He.Level")
ok("password of spins", "hamiltonian", "J1-J2 model, J2/J1=0.5, pass=3 of Lanczos")

# ---------------------------------------------------------------- topics, inner paths, routes
ok("ros topic", "topic", "/camera/color/image_raw")
ok("ros topics", "topics", ["/cmd_vel", "/joint_states", "/tf_static"])
ok("hdf5 inner path", "h5_dataset", "/entry/instrument/detector/data")
ok("hdf5 command", "h5dump", "h5dump -d /entry/sample/temperature scan.h5")
ok("h5py index", "h5py", "f['/entry/data/I'][()]")
ok("zarr array path", "zarr_array", "/0/labels/nuclei/.zarray")
ok("netcdf group", "nc_group", "group: /observation_data/quality_level")
ok("http route log", "access_log", '- - "GET /users/42/runs HTTP/1.1" 200 512')
ok("fastapi route", "route", '@app.get("/users/{user_id}/token")')
ok("flask home route", "flask", "@app.route('/home/')")
ok("openapi", "openapi", {"paths": {"/api/v1/auth/login": {"post": {"tags": ["auth"]}}}})
ok("kubernetes probe", "probe", {"httpGet": {"path": "/healthz", "port": 8080}})
ok("prometheus path", "metrics_path", "metrics_path: /metrics")
ok("xpath", "xpath", "//sample/measurement[@id='3']/value")
ok("json pointer", "ref", "#/definitions/Detector/properties/key")
ok("jq", "jq", "jq '.runs[] | .key' out.json")
ok("mqtt topic", "mqtt", "lab/cryostat/he/level")
ok("usd prim", "prim", "/World/Robot/base_link")
ok("tensorboard tag", "tag", "val/auth_token_f1")
ok("state dict key", "param", "module.encoder.layers.3.self_attn.key.weight")
ok("nexus definition", "nxdl", "/NXentry/NXdata/signal")
ok("cell of excel", "xlsx", "Sheet1!$B$2:$D$40")
ok("cron line", "cron", "*/15 * * * * make sync")

# ---------------------------------------------------------------- dates, numbers, hosts
ok("iso date", "started", "2024-02-29T23:59:59.123456+01:00")
ok("compact date", "stamp", "20240229T235959Z")
ok("slash date", "date", "29/02/2024")
ok("unix time", "ts", 1709247599)
ok("slurm job", "SLURM_JOB_ID", "88123145")
ok("slurm array", "array", "88123145_[0-99%10]")
ok("slurm time", "limit", "2-12:00:00")
ok("node list", "nodelist", "nid[001234-001237]")
ok("orcid", "orcid", "0000-0002-1825-0097")
ok("isbn", "isbn", "978-3-16-148410-0")
ok("version", "vasp", "vasp.6.4.2 20Jul23 (build Jan 10 2024) complex")
ok("compiler flags", "FFLAGS", "-O3 -xCORE-AVX512 -fp-model precise -heap-arrays 64")
ok("float list", "weights", [0.1234567890123456, -1.7e-308, 6.02214076e23])
ok("coordinates", "site", "46.5475N 7.9851E 3580 m")
ok("base64 png", "image/png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk")

# ---------------------------------------------------------------- log lines, prose, citations
ok("log bad token", "stderr", "ERROR: token expired, please run `globus login` again")
ok("log auth ok", "auth_log", "Authentication succeeded (keyboard-interactive/pam).")
ok("permission denied", "ssh_err", "Permission denied (publickey,password).")
ok("wandb hint", "wandb_log", "wandb: Paste an API key from your profile and hit enter:")
ok("password prose", "howto", "Ask the operator for the password; it changes every Monday.")
ok("token prose", "tips", "Create a personal access token under Settings and export it.")
ok("secret prose", "review", "The secret of the method is a good preconditioner.")
ok("key prose", "summary", "Key findings: token pruning halves the cost, passivation helps.")
ok("passivation", "surface", "H-passivated Si(111), passphrase-free access for reviewers")
ok("http 401", "resp", {"status": 401, "error": "invalid_token", "detail": "missing api key"})
ok("mpi abort", "mpi", "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD")
ok("segfault address", "segv", "Program received signal SIGSEGV at 0x00007ffff7a3c1b0 in dgemm_")
ok("python warning", "warn", "UserWarning: argument 'pass_token' is deprecated, use 'token_arg'")
ok(
    "citation",
    "cite",
    "Kohn W, Sham LJ. Phys. Rev. 140, A1133 (1965). doi:10.1103/PhysRev.140.A1133",
)
ok("bibtex", "bib", "@article{Vaswani2017, title={Attention Is All You Need}, year={2017}}")
ok("citation key style", "ref_text", "see [KeyToken2019; Secretan et al., 2021, pp. 12-15]")
ok("pmid", "pmid", "PMID: 31452104; PMCID: PMC6710247")
ok("license text", "license", "SPDX-License-Identifier: BSD-3-Clause")
ok("grant number", "grant", "DE-AC02-05CH11231, ERC-2019-StG 851234")
ok("ssh public key word", "pub", "public key authentication is enabled on all login nodes")
ok("pgp public fingerprint words", "gpg", 'gpg: Good signature from "CMake Release" [unknown]')
ok("tqdm bar", "tqdm", "Epoch 3:  42%|####      | 420/1000 [01:10<01:36, 6.01it/s]")
ok("slurm state", "sacct", "88123145.batch  COMPLETED  0:0  02:14:33  MaxRSS=18234512K")
ok("nvidia smi", "smi", "NVIDIA A100-SXM4-80GB, GPU-" + uid("gpu") + ", 535.104.05")
ok("module list", "modules", "1) gcc/12.3.0  2) openmpi/4.1.5  3) hdf5/1.14.3-parallel")
ok("notebook cell", "cell", "import numpy as np\nx = np.linspace(0, 1, 11)\nplt.plot(x, x**2)")
ok("openmp env", "omp", {"OMP_PROC_BIND": "spread", "OMP_PLACES": "cores", "MKL_NUM_THREADS": "1"})
ok("tokenizers env", "TOKENIZERS_PARALLELISM", "false")
ok("ssh option", "ssh_opts", "-o PasswordAuthentication=no -o BatchMode=yes")
ok("sshd config", "sshd", "PubkeyAuthentication yes\nPermitEmptyPasswords no")
ok("nginx", "nginx", "location /api/ { proxy_pass http://backend:8000; }")
ok("pam", "slurm_auth", "AuthType=auth/munge\nCryptoType=crypto/munge")
ok("public license server", "lmgrd", "LM_LICENSE_FILE=27000@license.example.org")


if __name__ == "__main__":

    def strings(v):
        if isinstance(v, str):
            yield v
        elif isinstance(v, list):
            for x in v:
                yield from strings(x)
        elif isinstance(v, dict):
            for k, x in v.items():
                yield k
                yield from strings(x)

    names = [i[0] for i in SECRETS + HARMLESS]
    twice = sorted({n for n in names if names.count(n) > 1})
    lost = [i[0] for i in SECRETS if not any(i[3] in s for s in strings(i[2]))]
    marks = [i[0] for i in SECRETS + HARMLESS if any("§" in s for s in strings(i[2]))]
    json.dumps([SECRETS, HARMLESS])
    print(len(SECRETS), len(HARMLESS), "twice:", twice, "lost:", lost, "marks left:", marks)
