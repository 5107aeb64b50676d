"""Tuning corpus E: the notes and notebooks of a scientist and data engineer.

Every secret here is made from a seeded random generator; none was ever valid anywhere.
In the templates the sign \u00a7 stands for the secret.
"""

import base64
import json
import random
import string

R = random.Random(518_2207)
MARK = "\u00a7"
ALNUM = string.ascii_letters + string.digits
B64 = ALNUM + "+/"
URL64 = ALNUM + "-_"

SECRETS = []
HARMLESS = []


def rnd(alphabet, n):
    return "".join(R.choice(alphabet) for _ in range(n))


def hx(n):
    return rnd("0123456789abcdef", n)


def an(n):
    return rnd(ALNUM, n)


def low(n):
    return rnd(string.ascii_lowercase + string.digits, n)


def up(n):
    return rnd(string.ascii_uppercase + string.digits, n)


def dg(n):
    return rnd("123456789", 1) + rnd(string.digits, n - 1)


def b64(n, pad=""):
    return rnd(B64, n) + pad


def u64(n):
    return rnd(ALNUM, 1) + rnd(URL64, n - 2) + rnd(ALNUM, 1) if n > 1 else an(n)


def uuid():
    return "-".join((hx(8), hx(4), "4" + hx(3), "a" + hx(3), hx(12)))


def enc(text):
    return base64.b64encode(text.encode()).decode()


def enc_url(obj):
    raw = json.dumps(obj, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwt(alg="RS256", **claims):
    claims.setdefault("sub", low(8))
    claims.setdefault("exp", 1700000000 + R.randrange(10**7))
    return enc_url({"alg": alg, "typ": "JWT"}) + "." + enc_url(claims) + "." + u64(43)


def pw(n=16, marks="!#*+=?_-."):
    """What a password manager makes: all kinds of characters, letters at both ends."""
    inner = [R.choice(string.ascii_uppercase), R.choice(string.digits), R.choice(marks)]
    inner += [R.choice(ALNUM + marks) for _ in range(n - 5)]
    R.shuffle(inner)
    return R.choice(string.ascii_letters) + "".join(inner) + R.choice(ALNUM)


def human(first, second="", mark="!"):
    """What people make: one or two words, some digits, a mark."""
    return first + second + str(R.randrange(11, 2030)) + mark


def leet(word, mark="#"):
    table = str.maketrans("aeiost", "431057")
    return word.translate(table) + mark + str(R.randrange(10, 99))


def pem(kind, body):
    dashes = "-" * 5
    return f"{dashes}BEGIN {kind}{dashes}\n{body}\n{dashes}END {kind}{dashes}\n"


def put(value, secret):
    if isinstance(value, str):
        return value.replace(MARK, secret)
    if isinstance(value, list):
        return [put(v, secret) for v in value]
    if isinstance(value, dict):
        return {put(k, secret): put(v, secret) for k, v in value.items()}
    return value


def s(name, key, template, secret):
    SECRETS.append((name, key, put(template, secret), secret))


def h(name, key, value):
    HARMLESS.append((name, key, value))


# ---------------------------------------------------------------- experiment trackers
s("wandb key in env", "env", {"WANDB_API_KEY": "§", "WANDB_MODE": "online"}, hx(40))
s("wandb login on a command line", "cmd", "wandb login --relogin §", hx(40))
s(
    "wandb new style key in cell",
    "cell",
    "import wandb\nwandb.login(key='§')\nrun = wandb.init()",
    "wandb_v1_" + u64(77),
)
s(
    "neptune token in init call",
    "source",
    'run = neptune.init_run(project="lab/pores", api_token="§")',
    enc(json.dumps({"api_address": "https://app.neptune.ai", "api_key": uuid()})),
)
s("comet config file", ".comet.config", "[comet]\napi_key=§\nworkspace=plasma\n", an(25))
s("mlflow password variable", "MLFLOW_TRACKING_PASSWORD", "§", pw(18))
s(
    "mlflow uri with login",
    "tracking_uri",
    "https://svc-train:§@mlflow.geo.uni-x.de/",
    pw(14, "-_.~"),
)
s(
    "clearml hocon",
    "clearml.conf",
    'api {\n  credentials {\n    "access_key" = "' + up(20) + '"\n    "secret_key" = "§"\n  }\n}',
    an(50),
)
s(
    "databricks cfg",
    "databrickscfg",
    "[DEFAULT]\nhost = https://adb-41.7.azuredatabricks.net\ntoken = §",
    "dapi" + hx(32),
)
s("dvc remote modify", "history", "dvc remote modify --local origin password §", hx(40))
s("dagshub token in python", "notebook", 'dagshub.auth.add_app_token(token="§")', hx(40))
s(
    "sacred mongo observer",
    "observers",
    ["MongoObserver(url='mongodb://sacred:§@db7.lab.net:27017/?authSource=admin')"],
    pw(15, "-_."),
)
s("optuna storage", "storage", "mysql+pymysql://optuna:§@10.4.0.12/studies", pw(12, "-_."))
s(
    "determined password env line",
    "dotenv",
    "DET_MASTER=https://det.hpc:8443\nDET_USER=eva\nDET_PASS=§",
    human("Wolke", "Sieben"),
)
s("swanlab login", "args", ["swanlab", "login", "-k", "§"], an(21))
s("polyaxon token in yaml", "polyaxon", "host: https://px.lab\nauth:\n  token: §\n", hx(40))
s("kaggle json", "kaggle.json", {"username": "drmiriam", "key": "§"}, hx(32))
s("kaggle json as text", "file_contents", '{"username":"tomk","key":"§"}', hx(32))
s(
    "kaggle new token export",
    "shell",
    "export KAGGLE_API_TOKEN=§ && kaggle datasets list",
    "KGAT_" + hx(32),
)
s(
    "aim remote bearer",
    "request_headers",
    {"Authorization": "Bearer §", "Accept": "*/*"},
    jwt(aud="aim"),
)
s("valohai token flag", "invocation", "vh --valohai-token § project status", an(40))

# ---------------------------------------------------------------- model providers and hubs
s(
    "hugging face from_pretrained",
    "code",
    'tok = AutoTokenizer.from_pretrained("meta-llama/Llama-3.1-8B", token="§")',
    "hf_" + rnd(string.ascii_letters, 34),
)
s(
    "hugging face cli",
    "argv",
    ["huggingface-cli", "login", "--token", "§"],
    "hf_" + rnd(string.ascii_letters, 34),
)
s(
    "hugging face clone url",
    "git_remote",
    "https://mlutz:§@huggingface.co/mlutz/mace-mp",
    "hf_" + rnd(string.ascii_letters, 34),
)
s("openai project key", "OPENAI_API_KEY", "§", "sk-proj-" + u64(74) + "T3Blbk" + "FJ" + u64(74))
s(
    "openai old key in R",
    "rscript",
    "Sys.setenv(OPENAI_API_KEY = '§')",
    "sk-" + an(20) + "T3Blbk" + "FJ" + an(20),
)
s(
    "openai error echo",
    "stderr",
    "openai.AuthenticationError: Error code: 401 - Incorrect API key provided: §.",
    "sk-svcacct-" + u64(58),
)
s(
    "anthropic header",
    "headers",
    "x-api-key: §\nanthropic-version: 2023-06-01",
    "sk-ant-" + "api03-" + u64(93) + "AA",
)
s(
    "anthropic client in cell",
    "In[4]",
    'client = anthropic.Anthropic(api_key="§")',
    "sk-ant-" + "api03-" + u64(93) + "AA",
)
s(
    "gemini url",
    "endpoint",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-pro:generateContent?key=§",
    "AIza" + "Sy" + u64(33),
)
s("cohere yaml", "llm", {"provider": "cohere", "co_api_key": "§", "temperature": 0.2}, an(40))
s("mistral dotenv with quotes", "env_file", "MODEL=open-mixtral\nMISTRAL_API_KEY='§'\n", an(32))
s("replicate token inline", "command", "REPLICATE_API_TOKEN=§ python sweep.py", "r8_" + an(37))
s("groq in toml", "secrets.toml", 'model = "llama3-70b"\nGROQ_API_KEY = "§"\n', "gsk_" + an(52))
s(
    "together curl",
    "curl",
    "curl -X POST https://api.together.xyz/v1/completions -H 'Authorization: Bearer §' -d @b.json",
    hx(64),
)
s("xai in note", "note", "trial key for grok, good until May: §", "xai-" + an(80))
s(
    "openrouter fetch",
    "js",
    "await fetch(u, {headers: {Authorization: `Bearer §`, 'X-Title': 'bench'}})",
    "sk-or-v1-" + hx(64),
)
s(
    "perplexity in list",
    "params",
    [{"name": "backend", "value": "pplx"}, {"key": "§"}],
    "pplx-" + an(48),
)
s("deepseek in chinese comment", "cell_source", "# DeepSeek 的密钥\nkey = '§'", "sk-" + hx(32))
s("nvidia nim", "ngc", "NVIDIA_API_KEY: §", "nvapi-" + u64(64))
s(
    "ngc docker login",
    "stdin_cmd",
    "docker login nvcr.io -u '$oauthtoken' -p §",
    enc(low(26) + ":" + uuid()),
)
s("fireworks key", "client", "Fireworks(api_key='§')", "fw_" + an(24))
s(
    "jina header",
    "httpie",
    "http POST api.jina.ai/v1/embeddings 'Authorization:Bearer §' input=x",
    "jina_" + hx(32) + u64(28),
)
s("voyage key", "embedding", {"voyage": {"apiKey": "§", "model": "voyage-3"}}, "pa-" + u64(43))
s("elevenlabs header", "tts", "requests.post(url, headers={'xi-api-key': '§'})", "sk_" + hx(48))
s("deepgram token scheme", "ws_header", "Authorization: Token §", hx(40))
s("assemblyai setting", "aai.settings.api_key", "§", hx(32))
s("roboflow", "download", "rf = Roboflow(api_key=\"§\"); rf.workspace('cells')", an(20))
s("pinecone", "vector_db", "pc = Pinecone('§')", "pcsk_" + an(6) + "_" + an(63))
s(
    "qdrant jwt",
    "qdrant",
    {"url": "https://q.eu-west.aws.cloud.qdrant.io:6333", "api_key": "§"},
    jwt("HS256", access="m"),
)
s("langsmith", "LANGCHAIN_API_KEY", "§", "lsv2_pt_" + hx(32) + "_" + hx(10))
s(
    "langfuse secret",
    "tracing",
    "LANGFUSE_SECRET_KEY=§;LANGFUSE_HOST=https://cloud.langfuse.com",
    "sk-lf-" + uuid(),
)
s(
    "azure openai key",
    "azure",
    "AzureOpenAI(azure_endpoint=ep, api_key='§', api_version='2024-06-01')",
    an(84),
)
s(
    "azure cognitive header",
    "raw_request",
    "POST /vision/v3.2/ocr HTTP/1.1\r\nHost: x.cognitiveservices.azure.com\r\n"
    "Ocp-Apim-Subscription-Key: §\r\n",
    hx(32),
)
s(
    "modal token set",
    "setup_sh",
    "modal token set --token-id ak-" + an(22) + " --token-secret §",
    "as-" + an(22),
)
s("runpod", "pod", 'runpod.api_key = "§"', "rpa_" + up(44))
s("vast ai", "vast", "vastai set api-key §", hx(64))
s("modelscope chinese note", "备注", "ModelScope 访问令牌：§（别外传）", "ms-" + uuid())
s("zhipu key", "glm", 'ZhipuAI(api_key="§")', hx(32) + "." + an(16))
s("civitai query", "wget", "wget 'https://civitai.com/api/download/models/128713?token=§'", hx(32))
s(
    "ibm quantum token",
    "qiskit",
    "QiskitRuntimeService.save_account(channel='ibm_quantum', token='§')",
    hx(128),
)
s(
    "dwave token",
    "dwave.conf",
    "[defaults]\nendpoint = https://cloud.dwavesys.com/sapi\ntoken = §",
    "DEV-" + hx(40),
)

# ---------------------------------------------------------------- data portals, repositories
s(
    "zenodo access token",
    "upload_url",
    "https://zenodo.org/api/deposit/depositions?access_token=§",
    an(60),
)
s(
    "figshare token header",
    "figshare",
    "curl -H 'Authorization: token §' https://api.figshare.com/v2/account",
    hx(128),
)
s("dataverse key header", "dataverse", {"headers": {"X-Dataverse-key": "§"}}, uuid())
s("osf token export", "bashrc", 'export OSF_TOKEN="§"', an(70))
s("ckan token", "ckan", "ckanapi action package_list -r https://opendata.x -a §", jwt("HS256"))
s(
    "cds api rc old",
    ".cdsapirc",
    "url: https://cds.climate.copernicus.eu/api/v2\nkey: " + dg(6) + ":§\n",
    uuid(),
)
s(
    "cds api new key in python",
    "era5_cell",
    "c = cdsapi.Client(url='https://cds.climate.copernicus.eu/api', key='§')",
    uuid(),
)
s(
    "earthdata netrc",
    "netrc",
    "machine urs.earthdata.nasa.gov login icefield password §\n",
    human("Glacier", "Melt"),
)
s(
    "earthdata wget",
    "pull.sh",
    "wget --user=icefield --password='§' -np -r https://n5eil01u.ecs.nsidc.org/ATLAS/",
    pw(13, "!?#"),
)
s("earthdata bearer", "edl", "EARTHDATA_TOKEN: '§'", jwt(uid="icefield", iss="urs"))
s(
    "ecmwf rc json",
    "ecmwfapirc",
    '{ "url" : "https://api.ecmwf.int/v1", "key" : "§", "email" : "a@b.example" }',
    hx(32),
)
s(
    "noaa token header",
    "noaa",
    "requests.get(u, headers=dict(token='§'))",
    rnd(string.ascii_letters, 32),
)
s("nasa api key", "apod", "https://api.nasa.gov/planetary/apod?date=2023-02-01&api_key=§", an(40))
s("planet key", "planet", "planet init; export PL_API_KEY=§", "PLAK" + hx(32))
s(
    "sentinel hub secret",
    "sh_config",
    "config.sh_client_id='" + uuid() + "'\nconfig.sh_client_secret = '§'",
    an(4) + rnd(ALNUM + "{}^&|,", 30) + an(6),
)
s("eumdac credentials", "eumetsat", "eumdac set-credentials " + an(28) + " §", an(28))
s(
    "earth engine service account",
    "gee.json",
    {
        "type": "service_account",
        "private_key_id": "x",
        "private_key": "-----BEGIN "
        + "PRIVATE KEY-----\n"
        + b64(64)
        + "\n§\n-----END "
        + "PRIVATE KEY-----\n",
    },
    b64(64),
)
s(
    "openweathermap",
    "weather",
    "https://api.openweathermap.org/data/2.5/weather?q=Oslo&appid=§",
    hx(32),
)
s(
    "ncbi api key",
    "efetch",
    "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/efetch.fcgi?db=sra&api_key=§&id=4",
    hx(36),
)
s("biopython entrez", "biopython", "Entrez.email = me\nEntrez.api_key = '§'", hx(36))
s("synapse token", "synapse", "syn.login(authToken='§')", jwt(scope=["view", "download"]))
s(
    "globus refresh token",
    "globus_tokens",
    {"transfer.api.globus.org": {"refresh_token": "§", "token_type": "Bearer"}},
    "Ag" + an(85),
)
s("ega credential file", "credentials.json", {"username": "ega-box-1187", "password": "§"}, pw(12))
s("dnanexus", "dx", "dx login --noprojects --token §", an(32))
s("seven bridges", "sbg", "X-SBG-Auth-Token: §", hx(32))
s(
    "basespace",
    "basespace/default.cfg",
    "apiServer   = https://api.euc1.sh.basespace.illumina.com\naccessToken = §",
    hx(32),
)
s(
    "galaxy key",
    "planemo",
    "planemo run wf.ga job.yml --galaxy_url https://usegalaxy.eu --galaxy_user_key §",
    hx(32),
)
s("bioblend", "gi", "GalaxyInstance(url='https://usegalaxy.org', key='§')", hx(32))
s("mast token", "astro", 'Observations.login(token="§")', hx(32))
s("nasa ads", "ads.sh", "ADS_DEV_KEY=§ python -m ads_search 'bibstem:ApJ'", an(40))
s("gaia login call", "gaia", "Gaia.login(user='hvogel', password='§')", human("Parallax", mark="$"))
s(
    "eso portal in prose",
    "observing_log",
    "P112 run is waiting. ESO user portal: user hvogel, password §, ask Hanna before changing.",
    leet("paranal"),
)
s("materials project", "mp", "with MPRester('§') as mpr:\n    docs = mpr.summary.search()", an(32))
s("tcia access", "tcia", {"tcia": {"user": "radlab", "pass": "§"}}, pw(11))
s("elsevier key", "scopus", "X-ELS-APIKey=§", hx(32))
s("semantic scholar", "s2", {"x-api-key": "§"}, an(40))
s("zotero key", "pyzotero", "zot = zotero.Zotero(4711, 'group', api_key='§')", an(24))
s("fred key in R", "fredr", 'fredr_set_key("§")', hx(32))
s(
    "alpha vantage",
    "quote_url",
    "https://www.alphavantage.co/query?function=FX_DAILY&apikey=§",
    up(16),
)
s("irods environment", "irods", {"irods_host": "data.x.nl", "irods_password": "§"}, pw(17))
s("iinit here string", "irods_login", "iinit <<< '§'   # iRODS password", pw(10, "!?"))
s(
    "rucio cfg",
    "rucio.cfg",
    "[client]\nauth_type = userpass\nusername = ddmlab\npassword = §",
    pw(13),
)
s(
    "rucio header",
    "rucio_http",
    "X-Rucio-Auth-Token: §",
    "jdoe-/DC=ch/OU=Users/CN=jdoe-unknown-" + hx(32),
)
s(
    "voms passphrase",
    "grid",
    "echo '§' | voms-proxy-init -voms atlas -pwstdin",
    leet("higgsboson", "!"),
)
s("cern client secret", "sso", "client_id=cms-dqm\nclient_secret=§\n", an(32))
s("xrootd authz", "xrdcp", "xrdcp 'root://se.x//store/f.root?authz=Bearer%20§' .", jwt("ES256"))
s(
    "bearer token file of wlcg",
    "gfal",
    "BEARER_TOKEN=§ gfal-ls davs://dcache.x/pnfs",
    jwt("ES256", wlcg=1),
)
s("esgf openid", "esgf", "bash wget-cmip6.sh -H # openid=https://esgf/x/openid/eva, pwd: §", pw(12))
s(
    "redcap token",
    "redcap",
    "curl -F token=§ -F content=record -F format=csv https://redcap.x/api/",
    rnd("0123456789ABCDEF", 32),
)
s("xnat user", "xnat", "curl -u mri_admin:§ https://xnat.x/data/projects", pw(12, "-_."))
s("flywheel key", "fw_login", "fw login flywheel.lab.edu:§", "djEt" + u64(76))

# ---------------------------------------------------------------- lab systems, instruments, robots
s(
    "openbis token",
    "openbis",
    "o = Openbis('https://openbis.x', token='§')",
    "kadmin-" + dg(17) + "x" + hx(32).upper(),
)
s("openbis session pat", "pybis", {"personal_access_token": "§"}, "$pat-kadmin-" + hx(32).upper())
s("labkey netrc login apikey", "_netrc", "machine labkey.x.org\nlogin apikey\npassword §", hx(64))
s("elabftw", "eln", "elabapi.configuration.api_key['api_key'] = '§'", "3-" + hx(84))
s("benchling basic", "benchling", 'Benchling(url=u, auth_method=ApiKeyAuth("§"))', "sk_" + an(38))
s("omero cli", "omero", "omero login -s omero.x -u importer -w '§' -p 4064", pw(12, "!#?"))
s(
    "omero gateway",
    "BlitzGateway",
    "conn = BlitzGateway('imp', '§', host='omero.x', port=4064)",
    human("Zeiss", "Lsm"),
)
s(
    "orthanc json",
    "orthanc",
    {"AuthenticationEnabled": True, "RegisteredUsers": {"modality": "§"}},
    pw(14),
)
s("octoprint", "printer", "curl -H 'X-Api-Key: §' http://octopi.local/api/job", up(32))
s(
    "camera rtsp",
    "stream",
    "rtsp://admin:§@192.168.7.31:554/Streaming/Channels/101",
    human("Kamera", mark="_x"),
)
s(
    "mqtt publish",
    "mqtt",
    "mosquitto_pub -h broker.lab -u sensor12 -P '§' -t lab/t -m 21.4",
    pw(12, "!?+"),
)
s("paho", "iot", "client.username_pw_set(username='pump', password='§')", leet("vacuumpump"))
s("home assistant", "hass", "HASS_TOKEN=§", jwt("HS256", iss=hx(32)))
s("foxglove key", "foxglove", "foxglove auth configure-api-key --api-key §", "fox_sk_" + an(32))
s(
    "robot ssh in readme",
    "README",
    "## TurtleBot\nConnect to WiFi `robolab`.\n\nssh password: `§`\n",
    human("turtle", "bot", "?"),
)
s(
    "opc ua",
    "opcua",
    "opc.tcp://192.168.2.9:4840 username=operator;password=§;policy=Basic256",
    pw(13, "!_-"),
)
s(
    "ipmi power",
    "bmc",
    "ipmitool -I lanplus -H bmc04 -U ADMIN -P § chassis power cycle",
    pw(12, "_-"),
)
s(
    "snmp v3",
    "snmp",
    "snmpwalk -v3 -l authPriv -u mon -a SHA -A § -x AES -X " + an(14) + " ups1",
    an(14),
)
s(
    "hplc workstation note",
    "geraetebuch",
    "HPLC 3 nach Update neu gestartet. Chromeleon Benutzer: labor, Kennwort: §",
    human("Saeule", "C18-"),
)
s(
    "mass spec table cell",
    "md",
    "| instrument | user | password |\n|---|---|---|\n| Orbitrap | msop | § |",
    pw(10),
)
s("lims ini", "lims.ini", "[LIMS]\r\nServer=lims01\r\nUID=svc_seq\r\nPWD=§\r\n", pw(15))
s("labware odbc", "lims_odbc", "DSN=LabWare;UID=lw_read;PWD={§};", pw(14, "!#;-"))
s(
    "sila basic header",
    "sila",
    "GET /sila HTTP/1.1\nAuthorization: Basic §\n",
    enc("opentrons:" + pw(14)),
)
s("telescope vnc", "dome", {"vnc": {"host": "dome-pc", "vncPassword": "§"}}, leet("mirror", "+"))
s("nfc door pin", "zettel", "Reinraum Tür: PIN lautet §", dg(6))

# ---------------------------------------------------------------- cloud storages
s(
    "aws secret in credentials",
    "aws/credentials",
    "[lab]\naws_access_key_id = AKIA" + up(16) + "\naws_secret_access_key = §",
    b64(40),
)
s(
    "aws secret in boto3",
    "boto3",
    "boto3.client('s3', aws_secret_access_key=\"§\", region_name='x')",
    b64(40),
)
s(
    "aws session token",
    "sts",
    {"Credentials": {"AccessKeyId": "ASIA" + up(16), "SessionToken": "§"}},
    "IQoJb3JpZ2luX2Vj" + b64(300, "=="),
)
s("s3fs storage options", "storage_options", {"key": "AKIA" + up(16), "secret": "§"}, b64(40))
s(
    "s3 presigned",
    "href",
    "https://mybkt.s3.amazonaws.com/f.nc?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Expires=3600&X-Amz-Signature=§",
    hx(64),
)
s(
    "s3cfg",
    ".s3cfg",
    "[default]\naccess_key = " + up(20) + "\nhost_base = s3.x.org\nsecret_key = §\n",
    an(40),
)
s("minio alias", "mc", "mc alias set lab https://minio.x:9000 labrw §", an(40))
s(
    "duckdb s3 secret",
    "sql",
    "CREATE SECRET (TYPE S3, KEY_ID '" + up(20) + "', SECRET '§');",
    b64(40),
)
s("gdal vsis3", "gdal", "gdalinfo --config AWS_SECRET_ACCESS_KEY § /vsis3/scenes/a.tif", b64(40))
s("spark s3a", "spark", "--conf spark.hadoop.fs.s3a.secret.key=§", b64(40))
s(
    "azure connection string",
    "conn",
    "DefaultEndpointsProtocol=https;AccountName=seqdata;AccountKey=§;EndpointSuffix=core.windows.net",
    b64(86, "=="),
)
s(
    "azure sas",
    "azcopy",
    "azcopy cp x.parquet 'https://a.blob.core.windows.net/c?sv=2022-11-02&sp=rw&sig=§'",
    an(42) + "%3D",
)
s("adls fsspec", "fsspec", {"account_name": "climate", "account_key": "§"}, b64(86, "=="))
s("azure client secret", "AZURE_CLIENT_SECRET", "§", an(3) + "8Q~" + rnd(ALNUM + "_.~-", 33) + "a")
s(
    "gcs hmac",
    "boto",
    "[Credentials]\ngs_access_key_id = GOOG1E" + up(55) + "\ngs_secret_access_key = §",
    b64(40),
)
s(
    "gcs signed url",
    "signed",
    "https://storage.googleapis.com/b/o.zarr?X-Goog-Expires=900&X-Goog-Signature=§",
    hx(512),
)
s(
    "gcloud access token",
    "gcloud",
    'curl -H "Authorization: Bearer §" https://storage.googleapis.com/',
    "ya29." + u64(140),
)
s(
    "google oauth client secret",
    "client_secrets",
    {"installed": {"client_secret": "§"}},
    "GOCSPX-" + u64(28),
)
s("google refresh token", "gdrive", 'refresh_token: "§"', "1//0" + u64(60))
s("rclone obscured", "rclone.conf", "[nas]\ntype = sftp\nuser = ida\npass = §\n", u64(32))
s(
    "rclone token json",
    "rclone_drive",
    'token = {"access_token":"§","token_type":"Bearer"}',
    "ya29." + u64(120),
)
s("b2 application key", "b2", "b2 account authorize 005" + hx(22) + " §", "K005" + b64(27))
s("dropbox token", "dbx", "dropbox.Dropbox('§')", "sl." + u64(135))
s(
    "nextcloud app password",
    "webdav",
    "curl -T r.h5 -u 'ida:§' https://cloud.x/remote.php/dav/files/ida/",
    "-".join(an(5) for _ in range(5)),
)
s("swift password", "openrc", "export OS_USERNAME=ida\nexport OS_PASSWORD='§'\n", pw(18, "!#?*"))
s(
    "openstack app secret",
    "clouds.yaml",
    "auth:\n  application_credential_id: " + hx(32) + "\n  application_credential_secret: §",
    u64(86),
)
s(
    "swift temp url",
    "tempurl",
    "https://swift.x/v1/AUTH_a/c/o?temp_url_sig=§&temp_url_expires=1700000000",
    hx(40),
)
s("cloudflare r2", "r2", {"CLOUDFLARE_API_TOKEN": "§"}, u64(40))
s(
    "aliyun oss",
    "ossutil",
    "ossutil config -e oss-cn-beijing.aliyuncs.com -i LTAI5t" + an(18) + " -k §",
    an(30),
)
s("tencent cos", "cos.conf", "secret_id = AKID" + an(32) + "\nsecret_key = §", an(32))
s("digitalocean", "doctl", "doctl auth init -t §", "dop_v1_" + hx(64))
s(
    "ceph keyring",
    "keyring",
    '[client.fs]\n\tkey = §\n\tcaps mds = "allow rw"',
    "AQ" + b64(36, "=="),
)
s(
    "restic password",
    "backup.sh",
    "RESTIC_PASSWORD=§ restic -r sftp:nas:/bk snapshots",
    pw(20, "_-."),
)
s(
    "borg passphrase",
    "BORG_PASSPHRASE",
    "§",
    "-".join(
        R.choice(["otter", "basalt", "prism", "ember", "fjord", "cobalt"]) + dg(2) for _ in range(4)
    ),
)
s(
    "sharepoint tempauth",
    "onedrive",
    "https://x.sharepoint.com/_layouts/15/download.aspx?tempauth=§",
    "v1." + jwt(),
)
s(
    "cloudfront signed",
    "tiles",
    "https://d1.cloudfront.net/t.cog?Expires=1700000000&Signature=§&Key-Pair-Id=K2",
    rnd(ALNUM + "-~", 170) + "__",
)
s("akamai token", "goes", "https://cdn.x/v.m3u8?hdnts=exp=1700000000~acl=/*~hmac=§", hx(64))

# ---------------------------------------------------------------- databases and connection strings
s(
    "postgres url",
    "DATABASE_URL",
    "postgresql://etl:§@pg.lab:5432/lims?sslmode=require",
    pw(15, "-_."),
)
s(
    "postgres percent encoded",
    "engine",
    "create_engine('postgresql+psycopg2://etl:§@pg.lab/omics')",
    an(6) + "%40" + an(4) + "%23" + dg(3),
)
s("psycopg dsn", "dsn", "host=pg.lab dbname=omics user=etl password=§ connect_timeout=5", pw(14))
s(
    "psycopg dsn quoted",
    "libpq",
    "user='ro' password='§' host='10.2.2.2'",
    pw(9, "!?") + " " + an(5),
)
s("pgpass line", ".pgpass", "pg.lab:5432:omics:etl:§", pw(16, "!-_"))
s(
    "pgpassword env",
    "psql",
    "PGPASSWORD='§' psql -h pg.lab -U etl -c 'select 1'",
    human("Elefant", mark="?!"),
)
s("jdbc mysql", "jdbc", "jdbc:mysql://db1:3306/runs?user=jl&password=§&useSSL=true", pw(13, "-_."))
s(
    "jdbc sqlserver",
    "jdbc_url",
    "jdbc:sqlserver://sql4;databaseName=LIMS;user=sa;password=§;encrypt=true",
    pw(14, "!#-"),
)
s("jdbc oracle thin", "oracle", "jdbc:oracle:thin:geo/§@//ora1:1521/GEOPDB", pw(12, "_#"))
s(
    "odbc driver string",
    "odbc",
    "Driver={ODBC Driver 18 for SQL Server};Server=tcp:s,1433;Uid=bio;Pwd=§;",
    pw(16, "!-_"),
)
s(
    "pyodbc percent plus",
    "params_quoted",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BODBC%7D%3BUID%3Dbio%3BPWD%3D§%3BEncrypt%3Dyes",
    an(16),
)
s(
    "ado net",
    "appsettings",
    {"ConnectionStrings": {"Db": "Data Source=s;User ID=u;Password=§;"}},
    pw(15),
)
s(
    "mysql short option",
    "mysqldump",
    "mysqldump -ubackup -p§ --single-transaction runs > runs.sql",
    pw(12, "_-"),
)
s("my cnf", "my.cnf", '[client]\nuser=reader\npassword="§"\n', pw(14, "#!"))
s("redis without user", "broker_url", "redis://:§@cache.lab:6379/0", pw(24, "-_"))
s("redis cli", "redis", "redis-cli -h cache.lab -a § --no-auth-warning INFO", an(28))
s("mongo srv", "MONGODB_URI", "mongodb+srv://spectra:§@cl0.mongodb.net/?retryWrites=true", an(16))
s("rabbit amqp", "CELERY_BROKER", "amqp://worker:§@mq:5672/%2fjobs", pw(12, "-_"))
s(
    "clickhouse client",
    "ch",
    "clickhouse-client --host ch1 --user ops --password '§' -q 'show tables'",
    pw(16, "!*"),
)
s(
    "snowflake connect",
    "snowflake",
    "snowflake.connector.connect(user='ML', password=\"§\", account='ab1')",
    human("Snow", "Flake"),
)
s("neo4j tuple", "neo4j", "GraphDatabase.driver('bolt://g:7687', auth=('neo4j', '§'))", pw(14))
s("influx token", "influx", "influx query --org lab --token § 'from(bucket:\"t\")'", u64(86) + "==")
s("elastic apikey", "es", "Authorization: ApiKey §", enc(an(20) + ":" + an(22)))
s("elasticsearch http auth", "es_client", "Elasticsearch(hosts, http_auth=('elastic','§'))", an(20))
s("motherduck", "duckdb", "duckdb 'md:climate?motherduck_token=§'", jwt("HS256"))
s("trino basic", "trino", "conn = connect(auth=BasicAuthentication('eva', '§'), host='tr')", pw(13))
s(
    "kafka jaas",
    "kafka.properties",
    "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule "
    "required "
    'username="kc" password="§";',
    pw(22),
)
s("ldap bind", "ldapsearch", "ldapsearch -x -D cn=ro,dc=x -w '§' -b dc=x uid=eva", pw(12, "!?"))
s(
    "R dbconnect",
    "R",
    'con <- dbConnect(RPostgres::Postgres(), user = "eva", password = "§")',
    leet("neuron", "$"),
)
s("julia libpq", "julia", 'conn = LibPQ.Connection("host=pg user=jl password=§")', pw(13, "-_"))
s("julia env", "startup.jl", 'ENV["GKS"] = "x"; ENV["LAB_DB_PASSWORD"] = "§"', pw(13))
s("airflow conn", "AIRFLOW_CONN_PG", "postgres://air:§@pg/airflow", pw(11, "-_."))
s(
    "dbt profile",
    "profiles.yml",
    "lab:\n  outputs:\n    dev:\n      user: dbt\n      password: §\n      port: 5432",
    pw(16, "!+=_"),
)
s("grafana service token", "grafana", "grafana-cli --token §", "glsa_" + an(32) + "_" + hx(8))
s(
    "matlab database",
    "matlab",
    "conn = database('runs','eva','§','Vendor','PostgreSQL'); % password",
    pw(12),
)
s(
    "perl dbi",
    "perl",
    "my $password = '§'; my $dbh = DBI->connect($dsn, 'eva', $password);",
    human("kamel", "buch"),
)
s(
    "scala sbt",
    "build.sbt",
    'credentials += Credentials("Nexus", "nx.x", "ci", "§") // password',
    pw(15),
)

# ---------------------------------------------------------------- code forges, registries, services
s(
    "github token in pip url",
    "requirements",
    "git+https://§@github.com/lab/priv.git@v1.2#egg=priv",
    "ghp_" + an(36),
)
s("github fine grained", "renviron", "GITHUB_PAT=§\n", "github_pat_" + an(22) + "_" + an(59))
s(
    "github raw token",
    "read_csv",
    "read.csv('https://raw.githubusercontent.com/l/p/main/d.csv?token=§')",
    "GHSAT0AAAAAA" + up(24),
)
s(
    "gitlab pat header",
    "glab",
    'curl --header "PRIVATE-TOKEN: §" https://gitlab.x/api/v4/projects',
    "glpat-" + u64(20),
)
s(
    "gitlab query",
    "ci_url",
    "https://gitlab.x/api/v4/jobs/7/artifacts?private_token=§",
    "glpat-" + u64(20),
)
s(
    "gitlab deploy token",
    "docker",
    "docker login registry.gitlab.x -u gitlab+deploy-1 -p §",
    "gldt-" + u64(20),
)
s("bitbucket app password", "remote", "https://jd:§@bitbucket.org/lab/ana.git", "ATBB" + an(32))
s("npmrc token", "npmrc", "//registry.npmjs.org/:_authToken=§", "npm_" + an(36))
s(
    "pypirc",
    "pypirc",
    "[pypi]\n  username = __token__\n  password = §",
    "pypi-" + "AgEIcHlwaS5vcmc" + u64(150),
)
s(
    "conda channel token",
    "condarc",
    "channels:\n  - https://conda.anaconda.org/t/§/lab\n",
    hx(2) + "-" + uuid(),
)
s(
    "docker hub pat",
    "dockerhub",
    ["docker", "login", "-u", "eva", "--password", "§"],
    "dckr_pat_" + u64(27),
)
s(
    "docker config auth",
    "config.json",
    {"auths": {"ghcr.io": {"auth": "§"}}},
    enc("eva:ghp_" + an(36)),
)
s(
    "artifactory key",
    "jfrog",
    "curl -H 'X-JFrog-Art-Api:§' https://art.x/api/system/ping",
    "AKCp" + an(69),
)
s(
    "terraform cloud",
    "terraformrc",
    'credentials "app.terraform.io" {\n  token = "§"\n}',
    an(14) + ".atlasv1." + an(67),
)
s("vault token", "VAULT_TOKEN", "§", "hvs." + u64(90))
s(
    "slack bot",
    "slack_sdk",
    "WebClient(token='§').chat_postMessage(channel='#runs', text='ok')",
    "xoxb-" + dg(12) + "-" + dg(12) + "-" + an(24),
)
s(
    "slack webhook",
    "notify",
    'curl -d \'{"text":"done"}\' https://hooks.slack.com/services/§',
    "T" + up(9) + "/B" + up(9) + "/" + an(24),
)
s(
    "discord webhook",
    "alerts",
    {"on_finish": "https://discord.com/api/webhooks/" + dg(18) + "/§"},
    u64(68),
)
s("discord bot", "bot", "DISCORD_TOKEN=§", "M" + an(23) + "." + an(6) + "." + u64(38))
s(
    "telegram bot",
    "knockknock",
    "knockknock telegram --token § --chat-id 4488 python t.py",
    dg(10) + ":AA" + u64(33),
)
s("sendgrid", "mail", "sg = SendGridAPIClient('§')", "SG." + u64(22) + "." + u64(43))
s(
    "smtp login",
    "smtplib",
    "srv.starttls(); srv.login('jobs@lab.x', '§')  # mail password",
    " ".join(rnd(string.ascii_lowercase, 4) for _ in range(4)),
)
s("mailgun", "mailgun", "auth=('api', '§')", "key-" + hx(32))
s(
    "notion",
    "notion",
    "Notion-Version: 2022-06-28\nAuthorization: Bearer §",
    "ntn_" + dg(11) + an(35),
)
s("airtable", "airtable", {"airtable": {"pat": "§"}}, "pat" + an(14) + "." + hx(64))
s(
    "jira token",
    "jira",
    "curl -u eva@x.org:§ https://x.atlassian.net/rest/api/3/myself",
    "ATATT3xFfGF0" + u64(171) + "=" + hx(8).upper(),
)
s(
    "mapbox secret",
    "basemap",
    'MAPBOX_TOKEN = "§"',
    "sk." + enc_url({"u": "lab", "a": low(25)}) + "." + u64(22),
)
s(
    "stripe in mail",
    "mail_excerpt",
    "> use the live key please:\n> §\n> best, Ute",
    "sk_live_" + an(24),
)
s("new relic", "newrelic", "NEW_RELIC_API_KEY=§", "NRAK-" + up(27))
s("ntfy token", "ntfy", "curl -H 'Authorization: Bearer §' -d 'done' ntfy.x/jobs", "tk_" + low(29))
s(
    "teams password chat",
    "chat",
    "[14:02] Uli: what was the jupyterhub password again?\n[14:03] Bo: §",
    human("Hub", "Jupyter"),
)
s("doppler", "doppler", "doppler run --token=§ -- python x.py", "dp.pt." + an(43))

# ---------------------------------------------------------------- ssh, vpn, wifi, keys, archives
s(
    "rsa key in file",
    "id_rsa",
    pem("RSA " + "PRIVATE KEY", b64(64) + "\n§\n" + b64(40, "=")),
    b64(64),
)
s(
    "openssh key in cell",
    "heredoc",
    "cat > k <<E\n" + pem("OPENSSH " + "PRIVATE KEY", b64(70) + "\n§") + "E",
    b64(70),
)
s(
    "pem on one line",
    "ssl_key",
    pem("EC " + "PRIVATE KEY", "§").replace("\n", "\\n"),
    b64(64) + "\\n" + b64(40),
)
s(
    "age key",
    "keys.txt",
    "# created: 2024-01-02T10:00:00Z\n§\n",
    "AGE-SECRET-" + "KEY-1" + rnd("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
)
s(
    "putty ppk",
    "ppk",
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n§\nPrivate-MAC: x",
    "AAAA" + b64(44),
)
s("wireguard", "wg0.conf", "[Interface]\nAddress = 10.8.0.3/24\nPrivateKey = §\n", b64(43, "="))
s("wireguard preshared", "wg_peer", "[Peer]\nAllowedIPs = 0.0.0.0/0\nPresharedKey=§", b64(43, "="))
s("wpa supplicant", "wpa", 'network={\n  ssid="NMR-Keller"\n  psk="§"\n}', human("Spektrum", "lab"))
s("eduroam eap", "eduroam", 'identity="ex12@uni.x"\neap=PEAP\npassword="§"', pw(14))
s("nmcli", "wifi", "nmcli dev wifi connect Field24 password '§'", human("gletscher", "camp"))
s(
    "wifi note english",
    "fieldbook",
    "Hut wifi SSID alpine-net, WPA2 passphrase: §",
    human("Edelweiss", mark=""),
)
s("wifi qr", "qr", "WIFI:T:WPA;S:RoboLab;P:§;;", pw(14, "!_-"))
s("ipsec secret", "ipsec.secrets", 'gw.x %any : PSK "§"', an(30))
s(
    "openconnect",
    "vpn",
    "echo '§' | sudo openconnect --user=eva --passwd-on-stdin vpn.uni-x.de",
    pw(13, "!?+"),
)
s(
    "tailscale",
    "tailscale",
    "tailscale up --authkey=§ --hostname=pi4",
    "tskey-auth-" + an(12) + "CNTRL-" + an(32),
)
s("sshpass", "rsync", "sshpass -p '§' rsync -a out/ nas:/bk/", pw(11, "!?"))
s(
    "paramiko",
    "paramiko",
    "ssh.connect('gw', username='pi', password='§', timeout=9)",
    leet("raspberry", "!"),
)
s("expect script", "expect", 'expect "assword:"\nsend "§\\r"', pw(12, "!_"))
s(
    "ssh config note",
    "ssh_notes",
    "Host beamline\n  User bl12\n  # password: §\n",
    human("Undulator"),
)
s("sudo pipe", "sudo", "echo § | sudo -S systemctl restart daq  # sudo password", pw(10, "_-"))
s("cifs mount", "fstab", "//nas/data /m cifs username=eva,password=§,uid=1000 0 0", pw(12, "!-"))
s("smbclient percent", "smb", "smbclient //nas/raw -U 'LAB\\eva%§' -c ls", pw(12, "!-"))
s("net use", "bat", "net use Z: \\\\nas\\raw /user:LAB\\eva §", pw(13, "!_"))
s("xfreerdp", "rdp", "xfreerdp /v:scope-pc /u:eva /p:'§' /size:80%", pw(12, "!?"))
s("zip password", "zip", "zip -P '§' -r cohort.zip cohort/", pw(14, "!?"))
s("seven zip", "7z", "7z x patients.7z -p§ -oout", pw(14, "_-"))
s(
    "gpg passphrase",
    "gpg",
    "gpg --batch --passphrase '§' -d t.csv.gpg",
    human("correct", "horse", "+"),
)
s("openssl passin", "openssl", "openssl pkcs12 -in grid.p12 -passin pass:§ -nodes", pw(12, "_-"))
s("lftp", "lftp", "lftp -u seqctr,§ -e 'mirror run7; bye' ftp.seq.x", pw(10, "_-"))
s("ftp url", "ftp", "ftp://upload:§@ftp-private.ebi.ac.uk/drop/", low(8) + dg(2))
s("aspera", "ascp", "ASPERA_SCP_PASS=§ ascp -QT -l300M a.fq webin@x:.", pw(11))
s(
    "webin cli",
    "ena",
    "java -jar webin-cli.jar -context reads -userName Webin-512 -password § -submit",
    pw(12, "_-"),
)

# ---------------------------------------------------------------- web requests, cookies, sessions
s("curl cookie", "curl_cookie", "curl -b 'sessionid=§; lang=de' https://portal.x/data", low(32))
s("curl bearer option", "oauth2", "curl --oauth2-bearer § https://api.x/v2/obs", u64(43))
s("httpie auth", "http", "https -a eva:§ api.x/runs page==2", pw(12, "_-"))
s("requests tuple", "requests", "r = requests.get(url, auth=('eva', '§'), timeout=30)", pw(12))
s("requests cookies dict", "session", {"cookies": {"JSESSIONID": "§"}}, up(32) + ".n1")
s("set cookie", "response", "HTTP/1.1 200 OK\nSet-Cookie: PHPSESSID=§; path=/; HttpOnly", low(26))
s(
    "netscape cookie jar",
    "cookies.txt",
    ".x.org\tTRUE\t/\tTRUE\t1800000000\t_shibsession_64\t§",
    "_" + hx(32),
)
s(
    "express cookie",
    "har",
    {"name": "Cookie", "value": "connect.sid=§"},
    "s%3A" + u64(32) + "." + an(43),
)
s("gitlab session", "Cookie", "_gitlab_session=§; sidebar=1", hx(32))
s("ghe user session", "cookie_header", "logged_in=yes; user_session=§", u64(48))
s(
    "jupyter token log",
    "jupyter.log",
    "[I 10:11:12 ServerApp] http://node7:8888/lab?token=§",
    hx(48),
)
s("jupyterhub api", "hub", "Authorization: token §", hx(32))
s("jupyter config", "jupyter_config", "c.ServerApp.token = '§'", hx(24))
s(
    "basic auth base64",
    "curl -v",
    "> GET /tap HTTP/1.1\n> authorization: basic §",
    enc("survey:" + pw(12)),
)
s("url with login", "opendap", "https://eva:§@opendap.x/thredds/dodsC/sst.nc", pw(12, "_-"))
s("powershell", "ps1", "$pw = ConvertTo-SecureString '§' -AsPlainText -Force", pw(14, "!#"))
s("graphql", "graphql", 'mutation { login(user:"eva", password:"§") { id } }', pw(13))
s("form body", "post", "grant_type=password&username=eva&password=§&scope=all", an(14))
s("oauth code response", "token_response", {"access_token": "§", "expires_in": 3600}, u64(64))
s("oauth1 secret", "tweepy", "oauth_consumer_key=ab, access_token_secret: §", an(45))
s(
    "http request log",
    "access.log",
    '10.1.1.2 - - [02/Mar/2024] "GET /wms?apikey=§&bbox=1,2 HTTP/1.1" 200',
    an(32),
)
s("debug log", "debug_log", "DEBUG urllib3: header: ('X-Auth-Token', '§')", "gAAAAAB" + u64(160))
s(
    "traceback with dsn",
    "traceback",
    'sqlalchemy.exc.OperationalError: (connection to "postgresql://ml:§@pg9/x" failed)',
    pw(12, "_-"),
)
s(
    "traceback locals",
    "locals",
    "KeyError: 'run'\n  locals: {'user': 'eva', 'passwd': '§', 'n': 3}",
    pw(12),
)
s("argparse namespace", "log_line", "INFO Namespace(lr=0.001, api_token='§', epochs=4)", an(36))
s("hydra override", "overrides", ["model=unet", "logger.api_key=§", "seed=3"], an(32))
s("json in string", "payload", '{\\"user\\": \\"eva\\", \\"password\\": \\"§\\"}', pw(13))
s(
    "xml password",
    "xml",
    "<server><username>ci</username><password>§</password></server>",
    pw(15, "!-_"),
)
s("xml attribute", "web.config", '<add key="ApiKey" value="§" />', an(32))
s("plist", "plist", "<key>APIToken</key>\n<string>§</string>", an(40))
s("properties", "application.properties", "spring.datasource.password=§", pw(15))
s("nix", "nix", 'services.x = { user = "eva"; password = "§"; };', pw(14))
s("dict arrow of php", "php", "$cfg = ['user' => 'eva', 'passwd' => '§'];", pw(13))
s("fortran namelist", "namelist", "&remote\n  user = 'eva',\n  password = '§',\n/", pw(12))
s("kubernetes secret", "k8s", "kind: Secret\ndata:\n  password: §\n", enc(pw(15)))

# ---------------------------------------------------------------- tables and notes, many languages
s("csv of logins", "logins.csv", "service,username,password\nworldclim,eva,§\n", pw(12, "!#_"))
s("tsv of logins", "tsv", "Host\tUser\tPasswd\ngpu01\teva\t§", pw(12))
s(
    "latex table",
    "tex",
    "\\begin{tabular}{ll}Login & eva \\\\ Password & § \\\\\\end{tabular}",
    pw(11, "-+="),
)
s("html table", "html", "<tr><th>Passwort</th><td>§</td></tr>", pw(11, "-+!"))
s("rst field", "rst", ":host: daq2\n:user: eva\n:password: §", human("Quark", "Top"))
s("org property", "org", ":PROPERTIES:\n:API_KEY: §\n:END:", an(32))
s(
    "german mail",
    "mail_de",
    "Hallo Jörg, die Zugangsdaten: Benutzername: hydro2, Passwort: §. Gruß, Ina",
    human("Pegel", "Stand"),
)
s(
    "german sentence",
    "notiz",
    'Das Passwort für den Messrechner ist jetzt "§", bitte nicht weitergeben.',
    leet("messstation", "!"),
)
s("german api key", "hinweis", "API-Schlüssel (DWD-Portal): §", an(32))
s("french note", "remarque", "Identifiant : ocean, mot de passe : §", human("Marée", "Haute"))
s("french sentence", "carnet", "Le mot de passe du serveur de calcul est « § ».", human("Baguette"))
s("french key", "cle", "clé d'API Météo-France = §", an(40))
s("spanish note", "notas", "usuario: lbravo / contraseña: §", human("Telescopio"))
s(
    "spanish variable",
    "celda",
    'contrasena = "§"\nconectar(usuario, contrasena)',
    leet("volcanes", "$"),
)
s("portuguese note", "anotacao", "Login: jsouza\nSenha: §\n", human("Jacare"))
s("portuguese sentence", "caderno", "A senha do banco de dados é §", pw(12))
s("italian note", "appunti", "nome utente: rbianchi; parola d'ordine: §", human("Vesuvio"))
s("italian key", "chiave", "chiave API del portale ARPA: §", an(32))
s("dutch note", "notitie", "Gebruikersnaam: sdevries, wachtwoord: §", human("Fiets", "Pad"))
s("dutch sentence", "logboek", "Het wachtwoord van de cluster is §", leet("stroopwafel"))
s("polish note", "notatka", "Użytkownik: knowak, hasło: §", human("Pierogi"))
s("polish variable", "skrypt", "haslo <- '§'  # baza pomiarów", leet("krakow", "!"))
s("chinese note", "笔记", "服务器账号：liwei，密码：§", human("Liwei", mark="@"))
s("chinese english mix", "实验记录", "数据库 password 是 §，用户名 root", pw(12))
s("japanese note", "メモ", "ユーザー名: sato\nパスワード: §", human("Sakura"))
s("japanese api", "設定", "APIキー＝「§」", an(32))
s(
    "english chat",
    "slack_export",
    "new pw for the NAS is § (old one expired)",
    human("Bicycle", "Tree"),
)
s(
    "english mail",
    "forwarded",
    "Your temporary password is: §\nPlease change it at first login.",
    an(10),
)
s("login slash labelled", "todo", "gpu box -- user/password: eva / §", pw(11))
s(
    "passphrase in a todo",
    "todo.md",
    "- [ ] rotate SSH key passphrase (now `§`)",
    human("Zebra", "Fish"),
)

# ---------------------------------------------------------------- machine paths: Linux
s("home bare", "data_dir", "§", "/home/mkeller/data/pores")
s("home in command", "launch", "python §/train.py --lr 3e-4", "/home/t.brandt/projects/unet")
s("home of a domain user", "cwd", "§", "/home/AD.UNI-X.DE/ekoch/runs")
s("home with umlaut", "verzeichnis", "Daten liegen in §.", "/home/jürgen/Messungen/2023")
s("home with chinese name", "路径", "模型保存在 §/ckpt 里", "/home/张伟/实验")
s("afs cern", "workdir", "cd §/public && source env.sh", "/afs/cern.ch/user/k/kvasko")
s("afs work", "afs", "Wrote §/hist.root (12 trees)", "/afs/desy.de/group/belle/kvasko")
s("eos user", "eos", "eos cp a.root §/ntuples/", "/eos/user/k/kvasko")
s("xrootd double slash", "root_url", "root://eosuser.cern.ch/§/t.root", "/eos/user/d/dlopez")
s("juelich project", "PROJECT", "§", "/p/project1/cstdl/lindner1")
s("juelich scratch", "sbatch", "#SBATCH --output=§/slurm-%j.out", "/p/scratch/hai_climate/ines")
s("nersc home", "prefix", "conda prefix: §/.conda/envs/jax", "/global/homes/r/rpatel")
s("nersc cfs", "inputs", ["§/obs.h5", "local.h5"], "/global/cfs/cdirs/m3930/rpatel")
s("perlmutter scratch", "SCRATCH", "§", "/pscratch/sd/r/rpatel")
s("tacc work", "ibrun", "ibrun §/bin/gromacs.sh", "/work2/07813/nadia/frontera")
s("csc scratch", "csc", {"output": {"dir": "§/out"}}, "/scratch/project_2004511/anttil")
s(
    "lumi lustre",
    "lumi",
    "singularity exec -B §:/d img.sif run",
    "/pfs/lustrep2/scratch/project_465000317",
)
s("orion lustre", "frontier", "restart file: §/rst.nc", "/lustre/orion/cli138/scratch/wgray")
s("ncar glade", "casename", "CESM caseroot=§", "/glade/derecho/scratch/mshea/b.e21")
s("ncar home", "caseroot", "./create_newcase --case §/cases/f09", "/glade/u/home/mshea")
s("nci gdata", "nci", "xr.open_mfdataset('§/cmip6/*.nc')", "/g/data/w97/tnguyen")
s("eth cluster", "euler", "bsub -oo §/log ./run", "/cluster/scratch/lfrei")
s("eth work", "hf_home", "HF_HOME=§/hf", "/cluster/work/igp_psr/lfrei")
s("cscs", "cscs", "loading checkpoint §/ck.pt", "/capstor/scratch/cscs/gmeier")
s("harvard", "fasrc", "Rscript §/de.R", "/n/holyscratch01/lab_zhao/mlin")
s("hyak", "hyak", "pip install --target §/site torch", "/gscratch/stf/jpark22")
s("gpfs", "gpfs", "nextflow run main.nf -work-dir §/work", "/gpfs/data/oncogen/awolff")
s("beegfs", "checkpoint_path", "§/last.ckpt", "/beegfs/scratch/ifi/pmayr")
s("ceph mount", "dataset_root", "§", "/mnt/cephfs/users/pmayr/imagenet")
s("nas mount", "nas", "rsync -av §/ backup:", "/mnt/nas-geo2/field/otto")
s("usb stick", "usb", "copied 31 files to §", "/media/anna/ELEMENTS/raw")
s("run media", "mounts", "/dev/sdb1 on § type exfat", "/run/media/olga/SAMSUNG_T7")
s("run user", "sock", "XDG_RUNTIME_DIR=§", "/run/user/1042")
s("tmp of a person", "pytest", "tmpdir: §/test_fit0", "/tmp/pytest-of-anna/pytest-12")
s(
    "tmp random",
    "tmp",
    "FileNotFoundError: [Errno 2] No such file or directory: '§/x.npy'",
    "/tmp/tmpk3v9q_zl",
)
s("tmp slurm", "TMPDIR", "§", "/tmp/slurm-job.4471823/anna")
s("var tmp", "dask", "dask worker --local-directory §", "/var/tmp/dask-pmayr/spill")
s("ld library path", "LD_LIBRARY_PATH", "/usr/lib:§/lib", "/home/sgarcia/sw/hdf5")
s("pythonpath with two", "PYTHONPATH", "src:§", "/home/sgarcia/repos/shared/python")
s(
    "traceback file",
    "tb",
    'Traceback (most recent call last):\n  File "§/fit.py", line 9, in <module>\nValueError',
    "/home/bchen/ana",
)
s("ipython traceback", "error", "File §/model.py:88, in Net.forward(self, x)", "/home/nadja/nets")
s(
    "julia stacktrace",
    "julia_err",
    " [3] solve(p::Prob) @ Main §/ode.jl:41",
    "/home/francois/jl/Flow",
)
s(
    "R error",
    "r_err",
    "Error in file(file, \"rt\") : cannot open file '§/counts.tsv'",
    "/home/rsilva/rnaseq",
)
s(
    "java stack",
    "jvm",
    "java.io.IOException: § (Permission denied)",
    "/home/hadoop-kim/warehouse/t1",
)
s("compiler include", "make", "gcc -O2 -I§/include -c a.c", "/home/imran/src/fftw")
s("cmake cache", "CMakeCache", "CMAKE_HOME_DIRECTORY:INTERNAL=§", "/home/imran/src/lammps")
s("docker volume", "docker_run", "docker run --rm -v §:/data:ro img", "/home/katja/volumes/mri")
s(
    "apptainer bind",
    "apptainer",
    ["apptainer", "exec", "--bind=§:/in", "x.sif"],
    "/data/users/katja/fmri",
)
s("sqlite url", "optuna_db", "sqlite:///§/study.db", "/home/katja/opt")
s("ssh identity", "ssh_cmd", "ssh -i §/.ssh/id_ed25519 gw", "/home/pavel")
s("scp remote", "scp", "scp pavel@login3:§/a.h5 .", "/home/pavel/export")
s("sftp url", "sftp", "sftp://pavel@login3§/in/", "/home/pavel/drop")
s("file url", "tracking", "file://§/mlruns", "/home/lena/exp")
s("file url encoded", "artifact_uri", "file://§/a", "/home/lena/My%20Runs/7")
s("percent encoded query", "vscode", "vscode://file?path=§", "%2Fhome%2Flena%2Fcode%2Fsim")
s("path as dict key", "sizes", {"§": 10432, "total": 10432}, "/home/wout/scans/s1.nii.gz")
s("path in json text", "manifest", '{"in":"§/a.bam","n":4}', "/home/wout/wgs")
s("latex graphics path", "latex_preamble", "\\graphicspath{{§/figs/}}", "/home/wout/thesis")
s("markdown link", "log_md", "see [plot](§/p.png)", "/home/tomoko/out")
s("xml filename", "imzml", '<sourceFile location="file://§" name="a.raw"/>', "/home/tomoko/ms")
s("equals in nested list", "slurm_env", [["SLURM_SUBMIT_DIR", "§"]], "/nfs/home/dimitri/jobs")
s("snakemake log", "snake", "Complete log: §/.snakemake/log/x.log", "/nobackup/proj/dimitri/wf")
s("ros bag", "rosbag", "rosbag record -O §/run.bag /tf", "/home/robolab/bags")
s("hdf5 with inner path", "h5", "h5dump -d /entry/data §/scan.h5", "/data/visitor/ma5512/id11")
s("markdown code", "readme_md", "Run `cd §` first.", "/storage/home/anneke/gwas")
s("matlab addpath", "matlab_cell", "addpath(genpath('§/spm12'))", "/home/anneke/toolboxes")
s("group home", "group", "total usage of §: 3.1T", "/groups/kimlab/members/soyeon")

# ---------------------------------------------------------------- machine paths: macOS
s("mac home", "root_dir", "§", "/Users/claire/Documents/thesis")
s(
    "mac in traceback",
    "mac_tb",
    '  File "§/lib/python3.11/x.py", line 3',
    "/Users/claire/miniforge3/envs/eo",
)
s("mac volumes", "archive", "backup at §", "/Volumes/LaCie Claire/raw")
s(
    "mac temp",
    "mac_tmp",
    "saved figure to §/fig.pdf",
    "/private/var/folders/" + low(2) + "/" + low(30) + "/T",
)
s(
    "mac icloud",
    "icloud",
    "open('§/n.csv')",
    "/Users/b.rossi/Library/Mobile Documents/com~apple~CloudDocs",
)
s("mac R library", "libPaths", '[1] "§/Library/R/4.3/library"', "/Users/brossi")
s("mac file url", "quicklook", "file://§/Desktop/a.fits", "/Users/noor")
s(
    "mac in kernel spec",
    "kernel",
    {"argv": ["§/venv/bin/python", "-m", "ipykernel"]},
    "/Users/noor/dev",
)

# ---------------------------------------------------------------- machine paths: Windows and WSL
s("windows home", "win", "§", r"C:\Users\Sabine\Documents\Messung")
s("windows forward", "setwd", 'setwd("§")', "C:/Users/p.moreau/OneDrive/ARN")
s("windows with space", "win_space", 'type "§\\a.txt"', r"C:\Users\Anna Maria Huber\Desktop")
s("windows drive", "acq", "Raw file: §\\s1.raw", r"D:\Xcalibur\data\huber")
s("windows escaped", "win_json", '{"path": "§\\\\a.czi"}', r"E:\\Mikroskop\\schulz\\2024")
s("windows appdata", "TEMP", "§", r"C:\Users\SCHULZ~1\AppData\Local\Temp\ipykernel_812")
s("windows traceback", "win_tb", '  File "§\\fit.py", line 4, in main', r"C:\Users\jdoe42\src")
s("windows raw string", "win_cell", "df = pd.read_excel(r'§\\d.xlsx')", r"C:\Users\ylin\Box\plates")
s("windows file url", "win_url", "file:///§/a.html", "C:/Users/ylin/report")
s("unc share", "unc", "§", r"\\fs02.uni-x.de\ag-lange\roh")
s("unc in prose", "unc_note", "The stacks are on § (ask Petra).", r"\\NAS-MIKRO\imaging\petra")
s("unc forward", "unc_fwd", "smb path §/run1", "//nas-mikro.lab.lan/imaging/petra")
s("unc escaped", "unc_json", '{"dir":"§"}', r"\\\\winsrv9\\seq\\novaseq")
s("wsl mount", "wsl", "cp §/a.csv .", "/mnt/c/Users/petra/Downloads")
s("wsl from windows", "wsl_unc", "§", r"\\wsl$\Ubuntu-22.04\home\petra\sim")
s("wsl localhost", "wsl_local", "explorer §", r"\\wsl.localhost\Debian\home\petra")
s("cygwin", "cygwin", "tar xf §/x.tgz", "/cygdrive/c/Users/ivo/dl")
s("git bash", "msys", "export DATA=§", "/c/Users/ivo/data")
s("windows bat var", "bat_file", "set OUT=§\r\nrun.exe", r"F:\Projekte\ivo\out")

# ================================================================ HARMLESS
# ---------------------------------------------------------------- commits, digests, ids, seeds
h("git commit", "git_commit", hx(40))
h("git short commit", "revision", hx(7))
h("git describe", "version", "v2.3.1-14-g" + hx(8))
h("git log line", "git_log", "commit " + hx(40) + "\nAuthor: A\n\n    fix sign of flux")
h("git diff index", "diff", "index " + hx(7) + ".." + hx(7) + " 100644\n--- a/x.py\n+++ b/x.py")
h("sha256 of data", "sha256", hx(64))
h("sha512 of data", "checksums", {"sha512": hx(128)})
h("md5 line", "md5sums", hx(32) + "  reads_1.fastq.gz")
h("sha256sum output", "stdout", hx(64) + "  model.safetensors")
h("docker digest", "image", "ghcr.io/lab/torch@sha256:" + hx(64))
h("container id", "container_id", hx(64))
h("pip hash", "lockfile", "numpy==1.26.4 --hash=sha256:" + hx(64))
h("npm integrity", "package-lock", {"integrity": "sha512-" + b64(86, "==")})
h("conda build string", "conda_list", "pytorch 2.2.1 py3.11_cuda12.1_cudnn8.9.2_0 pytorch")
h("uuid run", "run_uuid", uuid())
h("wandb run id", "wandb_run_id", low(8))
h("wandb run url", "run_url", "https://wandb.ai/lab/pores/runs/" + low(8))
h("mlflow run id", "mlflow_run_id", hx(32))
h("mlflow artifact", "model_uri", "runs:/" + hx(32) + "/model")
h("dvc pointer", "dvc", "outs:\n- md5: " + hx(32) + ".dir\n  size: 48124\n  path: data")
h(
    "git lfs pointer",
    "lfs",
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + hx(64) + "\nsize 91",
)
h("etag", "ETag", '"' + hx(32) + '-12"')
h("crc", "crc32", hx(8))
h("blake3", "content_hash", "blake3:" + hx(64))
h("seed", "seed", 20240917)
h("seed list", "seeds", [42, 1337, 90210, 271828])
h("random state", "random_state", {"bit_generator": "PCG64", "state": int(dg(38))})
h("jax key", "prng_key", [0, 3735928559])
h("slurm job", "SLURM_JOB_ID", "48123377")
h("dataset version hash", "dataset_fingerprint", hx(16))
h("nix store hash name", "drv", "hello-2.12.1.drv, narHash sha256-" + b64(43, "="))
h("ipfs cid", "cid", "Qm" + rnd("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 44))
h("swhid", "swhid", "swh:1:dir:" + hx(40))
h("trace id", "traceparent", "00-" + hx(32) + "-" + hx(16) + "-01")
h("cargo lock", "Cargo.lock", 'name = "serde"\nchecksum = "' + hx(64) + '"')
h("go sum", "go.sum", "golang.org/x/sys v0.5.0 h1:" + b64(43, "="))
h(
    "julia manifest",
    "Manifest.toml",
    '[[deps.CSV]]\ngit-tree-sha1 = "' + hx(40) + '"\nuuid = "' + uuid() + '"',
)
h("renv lock", "renv.lock", {"Packages": {"dplyr": {"Version": "1.1.4", "Hash": hx(32)}}})
h("notebook cell id", "cell_id", hx(8))
h("public ssh key", "public_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + b64(43))

# ---------------------------------------------------------------- models, data sets, names
h("model name", "model", "meta-llama/Meta-Llama-3.1-70B-Instruct")
h("model long", "model_name_or_path", "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2")
h("timm", "backbone", "vit_base_patch16_224.augreg2_in21k_ft_in1k")
h("gguf", "gguf", "mixtral-8x7b-instruct-v0.1.Q4_K_M.gguf")
h("model revision", "hf_revision", hx(40))
h("openai model", "engine", "gpt-4o-mini-2024-07-18")
h("anthropic model", "llm", "claude-3-5-sonnet-20241022")
h("bedrock arn", "modelId", "anthropic.claude-3-haiku-20240307-v1:0")
h("dataset name", "dataset", "allenai/c4:en.noblocklist")
h("kaggle slug", "kaggle", "kaggle competitions download -c hubmap-kidney-segmentation")
h(
    "cmip id",
    "dataset_id",
    "CMIP6.ScenarioMIP.MPI-M.MPI-ESM1-2-HR.ssp585.r1i1p1f1.Amon.tas.gn.v20190710",
)
h(
    "era5 request",
    "request",
    {"product_type": "reanalysis", "variable": "2m_temperature", "time": "12:00"},
)
h("sentinel product", "product", "S2A_MSIL2A_20230814T103631_N0509_R008_T32TPS_20230814T164203")
h("landsat scene", "scene", "LC08_L1TP_193027_20200612_20200823_02_T1")
h("modis granule", "granule", "MOD13Q1.A2021001.h18v04.061.2021021193535.hdf")
h(
    "atlas dataset",
    "did",
    "mc16_13TeV.410470.PhPy8EG_A14_ttbar.deriv.DAOD_PHYS.e6337_s3126_r10201_p4514",
)
h("cms dataset", "das", "/TTToSemiLeptonic_TuneCP5_13TeV-powheg/RunIISummer20UL18-v2/NANOAODSIM")
h("gaia id", "source_id", "Gaia DR3 4472832130942575872")
h("sdss object", "objid", "SDSS J094857.33+002225.5")
h("ads bibcode", "bibcode", "2019A&A...625A..95P")
h("doi", "doi", "10.5281/zenodo.10417123")
h("arxiv", "arxiv", "arXiv:2305.14314v1 [cs.LG]")
h("orcid", "orcid", "0000-0002-1825-0097")
h("citation bibtex", "bib", "@article{vaswani2017, title={Attention is all you need}, year={2017}}")
h("citation pages", "ref", "Keller et al., J. Chem. Phys. 148, 241722 (2018)")

# ------------------------------------------------------- hyper-parameters with nervous names
h("max tokens", "max_new_tokens", 512)
h("tokens as string", "max_tokens", "4096")
h("pad token", "pad_token", "<|endoftext|>")
h(
    "special tokens",
    "special_tokens_map",
    {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
)
h("pad token id", "pad_token_id", 50256)
h("mask token", "mask_token", "[MASK]")
h("token count log", "log", "processed 1.2B tokens, 38214 tokens/s, 91 tokens per sample")
h("tokenizer name", "tokenizer", "bert-base-multilingual-cased")
h("tokenizer class", "tokenizer_class", "PreTrainedTokenizerFast")
h("token pattern", "token_pattern", r"(?u)\b\w\w+\b")
h("token dropout", "token_drop", 0.15)
h("token type", "token_type", "Bearer")
h("token mixing", "token_mixer", "mlp")
h("image token id", "image_token_index", 32000)
h("key dim", "key_dim", 64)
h("key padding mask", "key_padding_mask", True)
h("query key value", "attn", {"q_proj": 4096, "k_proj": 1024, "key_bias": False})
h("primary key", "primary_key", "sample_id")
h("sort key", "sort_key", "timestamp")
h("foreign key", "ddl", "FOREIGN KEY (run_id) REFERENCES runs (id)")
h("key error", "stderr", "KeyError: 'temperature_2m'")
h("keyword args", "kwargs", "keys=['lr', 'wd'], key_fn=len")
h("monitor key", "monitor_key", "val/loss_epoch")
h("cache key", "cache_key", "deps-linux-py311-v4")
h("idempotency hint", "s3_key", "processed/2023/08/part-00017.parquet")
h("dict keys", "state_keys", ["encoder.layer.0.attention.self.key.weight", "encoder.layer.0.bias"])
h("key signature", "key_signature", "F# minor")
h("keyframe", "keyframe_interval", 250)
h("passes", "num_passes", 3)
h("pass filter", "filter", {"type": "bandpass", "high_pass_hz": 0.5, "lowpass": 40})
h("passband", "passband", "LSST r-band, 5500-7000 angstrom")
h("pass through", "passthrough", True)
h("pass rate", "pass@1", 0.473)
h("pass count", "result", "passed: 118, failed: 0, skipped: 4")
h("passed qc", "qc", "PASS")
h("compass", "compass_heading", 271.5)
h("password policy", "password_min_length", 12)
h("password required", "password_required", False)
h("password null", "password", None)
h("password empty", "db", {"user": "reader", "password": ""})
h("password prompt", "tty", "Enter passphrase for key: ")
h("password reset mail", "subject", "Your password will expire in 14 days")
h("password changed log", "auth_log", "password changed successfully for service account")
h("secret sharing", "method", "Shamir secret sharing with threshold 3 of 5")
h("secret santa", "secret_flag", False)
h("secretion genes", "pathway", "type III secretion system, secretory granule")
h("secret name reference", "secret_name", "regcred")
h("secretkeyref", "k8s", {"valueFrom": {"secretKeyRef": {"name": "pg", "key": "password"}}})
h("auth type", "auth_type", "x509_proxy")
h("auth method none", "auth", "none")
h("author", "author", "Keller, M.")
h("authors", "authors", ["A. Lindner", "S. Okafor"])
h("authority", "authority", "EPSG:32632")
h("auth backend", "auth_backend", "airflow.api.auth.backend.session")
h("authentication enabled", "authentication", {"enabled": True, "provider": "ldap"})
h("authorized", "authorized_by", "ethics board 2023-114")
h("credential type", "credential_type", "managed_identity")
h("credentials path relative", "credentials_file", "conf/credentials.example.json")
h("signature of function", "signature", "(x: Array, axis: int = -1) -> Array")
h("mutational signature", "signatures", "SBS1, SBS5, SBS40")
h("session number", "session", "ses-02")
h("session length", "session_timeout", 3600)
h("cookie consent", "cookie_policy", "accept-all")
h("cookie cutter", "template", "cookiecutter-data-science v2")
h("private flag", "private", True)
h("access level", "access", "restricted; embargo until 2025-01-01")
h("salt concentration", "salt", "150 mM NaCl")
h("salt bridge", "feature", "salt bridge Asp32-Lys118")
h("nonce counter", "nonce_mode", "incremental")
h("hash function", "hash", "xxh64")
h("pin number", "pin", "GPIO17")
h("pin memory", "pin_memory", True)
h("license key", "license", "Apache-2.0")
h("pwd command", "step", "pwd && ls -lh results")
h("bypass", "bypass_cache", "true")
h("otp enabled", "otp_required", "no")
h("pat frequency", "pat", r"^sub-(\d+)_bold\.nii")
h("api version", "api_version", "2024-06-01")
h("api key name", "api_key_env", "OPENAI_API_KEY")
h("api key header name", "api_key_header", "X-Api-Key")
h("oauth scope", "scope", "openid profile offline_access")
h("grant type", "grant_type", "client_credentials")
h("token endpoint", "token_url", "https://login.example.org/oauth2/token")
h("cdsapi error", "error", "Exception: Missing/incomplete configuration file: .cdsapirc")
h(
    "attention tokens",
    "note",
    "we drop 30% of the tokens; the key idea is a secret-free pass over keys",
)
h("token budget prose", "remark", "The token limit was 8192, the password field stays empty.")

# ---------------------------------------------------------------- placeholders
h("placeholder angle", "api_key", "<your-api-key>")
h("placeholder env", "token", "$HF_TOKEN")
h("placeholder braces", "password", "${DB_PASSWORD}")
h("placeholder windows", "PWD", "%DB_PASS%")
h("placeholder stars", "secret", "********")
h("placeholder redacted", "access_token", "[REDACTED]")
h("placeholder xxx", "wandb_key", "xxxxxxxxxxxxxxxx")
h("placeholder jinja", "db_password", "{{ vault_db_password }}")
h("placeholder actions", "with", {"token": "${{ secrets.GITHUB_TOKEN }}"})
h("placeholder your", "OPENAI_API_KEY", "your_api_key_here")
h("placeholder changeme", "admin_password", "CHANGE_ME")
h("placeholder dots", "hf", "login(token='hf_...')")
h("placeholder todo", "client_secret", "TODO")
h("placeholder omegaconf", "neptune.api_token", "${oc.env:NEPTUNE_API_TOKEN}")
h("placeholder url", "url", "postgresql://<user>:<password>@<host>:5432/<db>")
h("placeholder url env", "db_url", "postgresql://${PGUSER}:${PGPASSWORD}@db/omics")
h("placeholder curl", "example", 'curl -H "Authorization: Bearer $TOKEN" https://api.example.org')
h(
    "placeholder curl angle",
    "docs",
    "curl -H 'X-Dataverse-key: <API_TOKEN>' https://demo.dataverse.org",
)
h("placeholder demo key", "nasa", "https://api.nasa.gov/planetary/apod?api_key=DEMO_KEY")
h("placeholder german", "anleitung", "Passwort: <hier eintragen>")
h("placeholder french", "guide", "mot de passe : ********")
h("placeholder chinese", "说明", "密码：<你的密码>")
h("placeholder japanese", "手順", "パスワード: ********")
h("placeholder spanish", "ayuda", "contraseña: ${CLAVE}")
h(
    "placeholder netrc",
    "netrc_template",
    "machine urs.earthdata.nasa.gov login <user> password <password>",
)
h("placeholder none", "session_token", "None")
h("placeholder md table", "md", "| user | password |\n|---|---|\n| admin | *** |")
h("placeholder path", "example_path", "/path/to/your/data")
h("placeholder home", "home", "/home/<user>/data")
h("placeholder home env", "outdir", "$HOME/results")
h("placeholder scratch", "scratch", "$SCRATCH/run_17")
h("placeholder tilde", "cache", "~/.cache/huggingface")
h("placeholder userprofile", "win", r"%USERPROFILE%\Documents")
h("placeholder home user var", "pattern", "/home/${USER}/jobs")

# ---------------------------------------------------------------- code that works by reference
h("os environ", "code", 'key = os.environ["WANDB_API_KEY"]')
h("os getenv", "source", 'token = os.getenv("HF_TOKEN", None)')
h("getpass", "cell", "password = getpass.getpass('Password: ')")
h("keyring", "In[2]", "pw = keyring.get_password('lims', user)")
h("R getenv", "R", "password <- Sys.getenv('PG_PASSWORD')")
h("R askpass", "rmd", "con <- dbConnect(drv, user = u, password = rstudioapi::askForPassword())")
h("julia env ref", "jl", 'token = ENV["GITHUB_TOKEN"]')
h("js process env", "js", "const apiKey = process.env.OPENAI_API_KEY;")
h("colab userdata", "colab", "from google.colab import userdata\nkey = userdata.get('HF_TOKEN')")
h("kaggle secrets", "kaggle_cell", 'UserSecretsClient().get_secret("wandb")')
h("streamlit secrets", "app", 'openai.api_key = st.secrets["OPENAI_API_KEY"]')
h("attribute reference", "py", "client = Client(token=secrets.TOKEN)")
h("settings reference", "settings", "password=settings.db_password, user=settings.db_user")
h("argparse definition", "cli", "parser.add_argument('--api-token', type=str, default=None)")
h("click option", "click", "@click.option('--password', prompt=True, hide_input=True)")
h("pydantic field", "schema", "api_key: SecretStr = Field(..., repr=False)")
h(
    "type annotation",
    "typing",
    "def login(user: str, password: str, token: str | None = None) -> bool:",
)
h("shell read", "sh", "read -s -p 'Password: ' PW")
h("shell pass command", "zsh", "export WANDB_API_KEY=$(pass show wandb)")
h("password stdin", "docker", "cat pw.txt | docker login -u eva --password-stdin")
h("curl netrc", "curl", "curl -n -L -O https://n5eil01u.ecs.nsidc.org/file.h5")
h("psql prompt", "psql", "psql -h db -U eva -W omics")
h("boto default", "boto", "session = boto3.Session(profile_name='lab')")
h("dvc remote", "dvc_cmd", "dvc remote modify origin auth basic")
h("ansible lookup", "ansible", "password: \"{{ lookup('env', 'DB_PASS') }}\"")
h("helm values", "helm", {"existingSecret": "pg-auth", "secretKeys": {"adminPasswordKey": "pw"}})
h("terraform var", "tf", "password = var.db_password")
h("matlab getenv", "matlab", "tok = getenv('ESGF_TOKEN');")
h("token split", "nlp", "tokens = text.lower().split(); token = tokens[0]")
h("dict iteration", "loop", "for key, value in sorted(cfg.items()): print(key, value)")
h("pandas key", "hdf", "df.to_hdf('out.h5', key='events', mode='w')")
h("jax split", "jax", "key, subkey = jax.random.split(key)")
h("jax prng", "rng", "key = jax.random.PRNGKey(0)")
h("secrets module", "py_secrets", "run_id = secrets.token_hex(8)")
h("assert password", "test", "assert password is not None and len(password) >= 8")
h("raise missing token", "check", "raise RuntimeError('HF_TOKEN is not set')")
h("pass statement", "py_pass", "try:\n    f()\nexcept OSError:\n    pass")
h("lambda key", "sorted", "sorted(rows, key=lambda r: r['score'])")
h("spacy token", "spacy", "[t.lemma_ for t in doc if not t.is_stop]")
h("sql grant", "sql", "GRANT SELECT ON runs TO reader;")
h("latex password", "tex", r"\newcommand{\token}[1]{\texttt{#1}}")

# ---------------------------------------------------------------- relative paths, urls, routes
h("relative path", "path", "data/raw/2023/run_014.h5")
h("relative up", "config_path", "../configs/base.yaml")
h("dot path", "ckpt", "./checkpoints/epoch=12-step=48000.ckpt")
h("windows relative", "win_rel", r"results\fig3\panel_b.png")
h("glob", "glob", "data/**/*.nii.gz")
h("hydra outputs", "hydra", "outputs/2024-02-11/14-22-07/.hydra/config.yaml")
h("home word", "title", "home/away effects in team sports")
h("s3 uri", "s3", "s3://noaa-goes16/ABI-L2-CMIPF/2023/001/00/f.nc")
h("gs uri", "gs", "gs://gcp-public-data-arco-era5/ar/1959-2022-full_37-6h-0p25deg.zarr")
h("hf uri", "hf_uri", "hf://datasets/HuggingFaceFW/fineweb/sample/10BT")
h(
    "url with path",
    "website",
    "https://www.ncei.noaa.gov/data/global-hourly/access/2020/01001099999.csv",
)
h("url users path", "github", "https://api.github.com/users/octocat/repos?per_page=100&page=2")
h("url home path", "link", "https://www.example.org/home/news/2024")
h("url hash path", "permalink", "https://github.com/numpy/numpy/blob/" + hx(40) + "/setup.py#L10")
h(
    "url query",
    "query",
    "https://gea.esac.esa.int/tap-server/tap/sync?REQUEST=doQuery&LANG=ADQL&FORMAT=csv",
)
h("url port", "endpoint", "http://localhost:8888/lab/tree/nb.ipynb")
h("url without login", "dsn", "postgresql://localhost:5432/omics")
h("url user only", "ssh_url", "ssh://git@github.com/lab/repo.git")
h("git ssh", "remote", "git@gitlab.com:lab/ana.git")
h("redis local", "broker", "redis://localhost:6379/0")
h("sqlite relative", "storage", "sqlite:///optuna.db")
h("sqlite memory", "db_mem", "sqlite:///:memory:")
h("jdbc plain", "jdbc", "jdbc:postgresql://pg:5432/omics?ssl=true")
h("mailto list", "contact", "see the imprint, https://example.org/contact")
h("route api", "route", "/api/v1/runs/{run_id}/metrics")
h("route token", "routes", ["/auth/login", "/auth/token/refresh", "/users/me"])
h("route log", "access", '"GET /api/v2/datasets?limit=50 HTTP/1.1" 200 5123')
h("route post", "flask", "@app.post('/v1/chat/completions')")
h("json pointer", "pointer", "/properties/lr/minimum")
h("openapi ref", "ref_openapi", "#/components/securitySchemes/ApiKeyAuth")
h("xpath", "xpath", "/mzML/run/spectrumList/spectrum[@index='0']")
h("wms url", "wms", "https://ows.terrestris.de/osm/service?SERVICE=WMS&VERSION=1.3.0&CRS=EPSG:4326")
h("opendap constraint", "opendap", "https://thredds.x.org/dodsC/sst.nc?sst[0:1:3][0:1:179]")
h("tile template", "tiles", "https://tile.openstreetmap.org/{z}/{x}/{y}.png")
h("pip index", "pip", "pip install --extra-index-url https://download.pytorch.org/whl/cu121 torch")
h("docker image path", "docker_image", "nvcr.io/nvidia/pytorch:24.01-py3")
h("git branch path", "branch", "feature/user-tokens/home-page")

# ---------------------------------------------------------------- programs, devices, kernel files
h("dev null", "redirect", "./run.sh > /dev/null 2>&1")
h("dev urandom", "head", "head -c 16 /dev/urandom | xxd -p")
h("usr bin env", "shebang", "#!/usr/bin/env python3")
h("bin bash", "shell", "#!/bin/bash -l")
h("usr bin time", "time", "/usr/bin/time -v ./solver input.nml")
h("cpuinfo", "cpu", "grep 'model name' /proc/cpuinfo | uniq")
h("meminfo", "mem", "MemTotal read from /proc/meminfo: 528 GB")
h("sys thermal", "thermal", "/sys/class/thermal/thermal_zone0/temp")
h("nvidia device", "device", "/dev/nvidia0")
h("serial device", "port", "/dev/ttyUSB0")
h("i2c device", "bus", "/dev/i2c-1")
h("video device", "camera", "v4l2-ctl -d /dev/video0 --list-formats")
h("proc self", "rss", "open('/proc/self/status').read()")
h("cgroup", "cgroup", "/sys/fs/cgroup/memory.max")
h("windows com port", "com", "COM7")
h("nul device", "nul", r"run.exe > NUL 2>&1")

# ------------------------------------------------------- inner paths, topics, keys of formats
h("hdf5 nexus", "h5_path", "/entry/instrument/detector/data")
h("hdf5 command", "h5ls", "h5ls -r scan.h5/entry/sample/temperature")
h("h5py access", "h5py", "f['/exchange/data'][:, 100, :]")
h("zarr group", "zarr_path", "/0/labels/nuclei")
h("anndata key", "obsm_key", "X_umap")
h("netcdf group", "group", "/PRODUCT/SUPPORT_DATA/GEOLOCATIONS")
h("icesat group", "variable", "/gt1l/land_ice_segments/h_li")
h("gwf channel", "channel", "L1:GDS-CALIB_STRAIN")
h("ligo dataset", "gwosc", "/strain/Strain")
h("root tree", "tree", "Events/Jet_btagDeepFlavB")
h("root file inner", "uproot", "uproot.open('a.root:Events')['Muon_pt']")
h("ros topic", "topic", "/camera/color/image_raw")
h("ros topics", "topics", ["/tf", "/odom", "/scan", "/robot1/cmd_vel"])
h("ros command", "ros", "ros2 topic echo /joint_states --once")
h("ros remap", "remap", "ros2 run nav2 x --ros-args -r /scan:=/front/scan")
h("ros frame", "frame_id", "base_link")
h("mqtt topic", "mqtt_topic", "lab/room12/pump/pressure")
h("epics pv", "pv", "BL12:MTR:m1.RBV")
h("tango device", "tango", "id11/bliss_lima/eiger")
h("opcua node", "node_id", "ns=2;s=Reactor.Temperature.PV")
h("visa resource", "visa", "USB0::0x0957::0x1796::MY54490245::INSTR")
h("scpi", "scpi", ":MEAS:VOLT:DC? (@101:103)")
h("modbus", "register", "holding register 40001, unit 3")
h("dicom uid", "StudyInstanceUID", "1.2.840.113619.2.55.3.604688119.971.1449744223.467")
h("fits header", "fits", "TELESCOP= 'VLT-UT1 '           / ESO Telescope Name")
h("tensorboard tag", "tag", "train/loss/total")
h("metric key", "metric", "eval/token_accuracy")
h("param tree", "param_path", "params/Dense_0/kernel")
h("xml namespace", "xmlns", "http://psi.hupo.org/ms/mzml")
h("kafka topic", "kafka_topic", "ztf_20240301_programid1")

# ------------------------------------------------------- chemistry, genomics, physics, text
h("smiles", "smiles", "CC(=O)Oc1ccccc1C(=O)O")
h("smiles stereo", "ligand", "C[C@@H](N)C(=O)N1CCC[C@H]1C(=O)O")
h("inchi", "inchi", "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)")
h("inchikey", "inchikey", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N")
h("cas", "cas", "50-78-2")
h("selfies", "selfies", "[C][=C][C][=C][C][=C][Ring1][=Branch1]")
h("dna", "primer", "ACGTGGCTTAACCGATCGATTACGGCTAAC")
h("protein", "sequence", "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQ")
h("fastq header", "read_id", "@A00684:261:HNJK2DRX2:1:2101:1452:1000 1:N:0:ATCACG")
h("fastq quality", "qual", "FFFFFFFF:FFFFF,FFFFFF#FFFFFFF:FFFFF")
h("nanopore read", "nanopore_read", uuid() + " runid=" + hx(40) + " ch=112")
h("ensembl", "gene_id", "ENSG00000141510.18")
h("sra", "accession", "SRR12345678")
h("refseq", "refseq", "NM_000546.6:c.215C>G")
h("uniprot", "uniprot", "P04637")
h("pdb", "pdb", "6VXX")
h("cigar", "cigar", "12S64M1I23M")
h("variant", "variant", "chr17:g.7676154G>C")
h("hla", "hla", "HLA-A*02:01")
h("tcga barcode", "sample", "TCGA-02-0001-01C-01D-0182-01")
h("cell barcode", "barcode", "AAACCTGAGAAACCAT-1")
h("flowcell", "run_folder", "230814_A00684_0261_BHNJK2DRX2")
h("space group", "space_group", "P2_1/c")
h("term symbol", "state", "^3P_2 -> ^1S_0")
h("hamiltonian", "H", "H = -J sum_<ij> s_i s_j - h sum_i s_i")
h("latex formula", "formula", r"\nabla \times \mathbf{B} = \mu_0 \mathbf{J}")
h("latex path like", "latex", r"\frac{\partial u}{\partial t}/\Delta x")
h("pulse sequence", "pulprog", "zgesgp, hsqcetgpsisp2.2")
h("basis set", "basis", "def2-TZVPP/6-311++G(d,p)")
h("functional", "xc", "B3LYP-D3(BJ)/cc-pVTZ")
h("decay", "decay", "B0 -> K*0(892) mu+ mu-")
h("pythia setting", "pythia", "PhaseSpace:pTHatMin = 20.")
h("grid mapping", "proj", "+proj=laea +lat_0=90 +lon_0=0 +datum=WGS84 +units=m")
h("wkt", "wkt", "POLYGON((10 47, 11 47, 11 48, 10 47))")
h("geohash", "geohash", "u0qj9b2c")
h("cron", "schedule", "*/15 2-6 * * 1-5")
h("iso date", "started", "2024-03-01T12:34:56.789012+00:00")
h("unix time", "ts", 1709294096)
h("julian date", "mjd", "60370.52413194")
h("duration", "elapsed", "1-04:12:33")
h("color", "color", "#1f77b4")
h("regex", "regex", r"^(?P<key>[A-Z_]+)=(?P<value>.*)$")
h("printf", "fmt", "%08.3f|%-20s|%5d")
h("base64 image", "png", "data:image/png;base64,iVBORw0KGgo" + b64(60, "="))
h("mac word", "keyboard", "ctrl+shift+p")
h("version string", "cuda", "12.1.105 / cuDNN 8.9.2.26")
h("compile flags", "cflags", "-O3 -march=znver3 -ffast-math -fopenmp")
h("slurm header", "sbatch", "#SBATCH --gres=gpu:4 --time=24:00:00 --account=climate")
h("slurm nodes", "SLURM_NODELIST", "nid[001234-001237]")
h("mpi line", "mpirun", "mpirun -np 64 --bind-to core ./cp2k.psmp -i H2O-64.inp")
h("epoch log", "train_log", "Epoch 12/90 loss=0.4182 acc@1=71.33 lr=1.00e-04 12.4 it/s")
h("cuda error", "cuda_err", "RuntimeError: CUDA error: an illegal memory access was encountered")
h("traceback relative", "tb", 'Traceback:\n  File "train.py", line 88, in main\nKeyError: "token"')
h(
    "http 401",
    "http_err",
    "401 Client Error: Unauthorized for url: https://huggingface.co/api/whoami-v2",
)
h("kerberos log", "kinit", "kinit: Password incorrect while getting initial credentials")
h("ssh log", "ssh", "Permission denied (publickey,password).")
h("sudo log", "sudo_err", "sudo: a password is required")
h("german sentence without login", "notiz", "Passwort bitte beim Systemverwalter erfragen.")
h("french sentence without login", "remarque", "Le mot de passe est à demander au secrétariat.")
h("italian sentence without login", "appunto", "La password va richiesta al responsabile.")
h("polish sentence without login", "uwaga", "Hasło należy zmienić co 90 dni.")
h("dutch sentence without login", "opmerking", "Het wachtwoord staat in de kluis.")
h("portuguese sentence without login", "aviso", "A senha expira em trinta dias.")
h("german schluessel", "schluessel", "Primärschlüssel: Probennummer")
h("chinese sentence without login", "备注", "请联系管理员重置密码。")
h("japanese sentence without login", "注意", "パスワードは管理者に確認してください。")
h("french cle", "cles", "clé primaire : identifiant de station")
h("csv header", "csv", "run,token_count,passes,key_metric\n1,512,3,0.81\n")
h("html input", "html", '<input type="password" name="password" autocomplete="off">')
h("latex table harmless", "latex_table", r"Tokens & 1.2\,B \\ Passes & 3 \\")
h("wifi ssid", "wifi", "SSID eduroam, WPA2-Enterprise, PEAP/MSCHAPv2")
h("mac address vendor", "nic", "Mellanox ConnectX-6, link 200 Gb/s")
h("csp header", "Content-Security-Policy", "default-src 'self'; img-src *")
h(
    "authenticate header",
    "WWW-Authenticate",
    'Bearer realm="https://ghcr.io/token",service="ghcr.io"',
)
h("cors", "headers", {"Access-Control-Allow-Headers": "Authorization, Content-Type"})
h("user agent", "user_agent", "python-requests/2.31.0")
h("cookie settings", "set_cookie", "theme=dark; Path=/; SameSite=Lax")
h("hparam nested", "optimizer", {"name": "adamw", "lr": 3e-4, "betas": [0.9, 0.999], "wd": 0.01})


def check():
    bad = []
    for which in (SECRETS, HARMLESS):
        names = [item[0] for item in which]
        bad += [("name twice", n) for n in sorted(set(names)) if names.count(n) > 1]

    def texts(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for k, v in value.items():
                yield k
                yield from texts(v)
        elif isinstance(value, list):
            for v in value:
                yield from texts(v)

    for name, _, value, secret in SECRETS:
        if not any(secret in t for t in texts(value)):
            bad.append(("secret not in value", name))
        if len(secret) < 6:
            bad.append(("short", name))
        if any(MARK in t for t in texts(value)):
            bad.append(("mark left", name))
    both = {i[0] for i in SECRETS} & {i[0] for i in HARMLESS}
    bad += [("in both", n) for n in sorted(both)]
    return bad


if __name__ == "__main__":
    for problem in check():
        print(*problem)
    print(len(SECRETS), "secrets,", len(HARMLESS), "harmless")
