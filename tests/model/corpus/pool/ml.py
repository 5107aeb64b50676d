"""Blind corpus A: what a machine-learning engineer's run records hold.

SECRETS  : (name, key, value, secret)   the secret must not survive in {key: value}
HARMLESS : (name, key, value)           nothing here needs to be removed

Every token and password is made at import from a seeded generator.
"""

import base64
import json
import random
import string
import urllib.parse

R = random.Random(7310245)

LOW, UP, DIG = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALPHA, ALNUM = LOW + UP, LOW + UP + DIG
URL64, STD64 = ALNUM + "-_", ALNUM + "+/"
HEX = "0123456789abcdef"

SECRETS = []
HARMLESS = []


def pick(alphabet, n):
    return "".join(R.choice(alphabet) for _ in range(n))


def hx(n):
    return pick(HEX, n)


def an(n):
    """Letters and digits, surely some of both cases and a digit."""
    chars = [R.choice(LOW), R.choice(UP), R.choice(DIG)] + [R.choice(ALNUM) for _ in range(n - 3)]
    R.shuffle(chars)
    return "".join(chars)


def b64(n):
    return an(4) + pick(STD64, n - 4)


def u64(n):
    return an(4) + pick(URL64, n - 8) + an(4)


def uid():
    return "-".join([hx(8), hx(4), "4" + hx(3), "a" + hx(3), hx(12)])


def enc(text):
    return base64.b64encode(text.encode()).decode()


def enc_url(obj):
    return base64.urlsafe_b64encode(json.dumps(obj).encode()).decode().rstrip("=")


def pw(n, marks="!#%^*-_=+."):
    """A password manager's password; begins and ends with a letter or digit."""
    mid = [R.choice(marks), R.choice(DIG), R.choice(UP), R.choice(LOW)]
    mid += [R.choice(ALNUM + marks) for _ in range(n - 6)]
    R.shuffle(mid)
    return R.choice(ALPHA) + "".join(mid) + R.choice(ALNUM)


WORDS = [
    "tiger",
    "winter",
    "graphene",
    "photon",
    "coffee",
    "berlin",
    "quark",
    "walnut",
    "saturn",
    "lemon",
    "pepper",
    "maple",
    "violin",
    "harbor",
    "neuron",
    "copper",
    "cactus",
    "marble",
]


def human(style=0):
    """What people make up."""
    one, two = R.sample(WORDS, 2)
    year, num = R.randint(1975, 2024), R.randint(11, 99)
    return [
        f"{one.title()}{two.title()}{year}!",
        f"{one}-{two}-{num}{R.choice(UP)}",
        f"{one.title().replace('a', '4').replace('e', '3').replace('o', '0')}#{num}{two[:2]}",
        f"{num}{one.upper()}_{two}{num}",
        f"{one[:3]}{year}{two.title()}",
        f"{one.title()}.{two}{year}",
    ][style]


def jwt(**claims):
    head = {"alg": "RS256", "typ": "JWT"}
    return ".".join([enc_url(head), enc_url(claims), u64(86)])


def put(value, secret):
    if isinstance(value, str):
        return value.replace("§", secret)
    if isinstance(value, dict):
        return {put(k, secret): put(v, secret) for k, v in value.items()}
    if isinstance(value, list):
        return [put(v, secret) for v in value]
    return value


def s(name, key, value, secret):
    """Add a secret item; the mark § in value is where the secret stands."""
    SECRETS.append((name, key, put(value, secret), secret))


def h(name, key, value):
    HARMLESS.append((name, key, value))


# ======================================================================================
# SECRETS 1: tokens of model hubs and LLM providers
# ======================================================================================
s(
    "hf token on cli",
    "cmd",
    "huggingface-cli login --token § --add-to-git-credential",
    "hf_" + pick(ALPHA, 34),
)
s(
    "hf token in environment",
    "env",
    {"HF_HOME": ".cache/hf", "HF_TOKEN": "§"},
    "hf_" + pick(ALPHA, 34),
)
s(
    "hf token in python call",
    "cell",
    "from huggingface_hub import login\nlogin(token='§')\n",
    "hf_" + pick(ALPHA, 34),
)
s(
    "hf token in git remote",
    "git_remote",
    "https://mlteam:§@huggingface.co/acme/llama-ft",
    "hf_" + pick(ALPHA, 34),
)
s(
    "hf token in docker -e",
    "command",
    "docker run --gpus all -e HUGGING_FACE_HUB_TOKEN=§ -p 8080:80 "
    "ghcr.io/huggingface/text-generation-inference:2.0 --model-id meta-llama/Llama-3-8B",
    "hf_" + pick(ALPHA, 34),
)
s("hf token pasted in note", "notes", "gated repo, use § until friday", "hf_" + pick(ALPHA, 34))
s(
    "openai classic key exported",
    "setup",
    'export OPENAI_API_KEY="§"; python eval.py',
    "sk-" + an(20) + "T3Blbk" + "FJ" + an(20),
)
s(
    "openai project key in yaml",
    "config",
    "llm:\n  provider: openai\n  api_key: §\n  top_p: 0.9\n",
    "sk-proj-" + u64(74) + "T3Blbk" + "FJ" + u64(74),
)
s(
    "openai service account key",
    "stderr",
    "openai.AuthenticationError: Error code: 401 - Incorrect API key provided: §.",
    "sk-svcacct-" + u64(58) + "T3Blbk" + "FJ" + u64(58),
)
s(
    "anthropic key header",
    "request",
    {"headers": {"x-api-key": "§", "anthropic-version": "2023-06-01"}},
    "sk-ant-api03-" + u64(93) + "AA",
)
s(
    "anthropic key dotenv",
    "dotenv",
    "LOG_LEVEL=info\nANTHROPIC_API_KEY=§\nPORT=8000\n",
    "sk-ant-api03-" + u64(93) + "AA",
)
s(
    "gemini key in query",
    "url",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-pro:generateContent?key=§",
    "AIza" + "Sy" + u64(33),
)
s("groq key constructor", "snippet", 'client = Groq(api_key="§", max_retries=2)', "gsk_" + an(52))
s(
    "replicate token json string",
    "payload",
    '{"REPLICATE_API_TOKEN": "§", "timeout": 30}',
    "r8_" + an(37),
)
s("cohere key positional", "code", "co = cohere.Client('§')  # my cohere api key", an(40))
s("mistral key toml", "pyproject", '[tool.bench]\nmistral_api_key = "§"\nruns = 3\n', an(32))
s("together key", "provider_env", ["TOGETHER_API_KEY=§", "OMP_NUM_THREADS=8"], hx(64))
s("fireworks key", "fireworks", {"base": "https://api.fireworks.ai", "apiKey": "§"}, "fw_" + an(24))
s(
    "perplexity bearer",
    "curl",
    "curl -s https://api.perplexity.ai/chat/completions -H 'Authorization: Bearer §'",
    "pplx-" + an(48),
)
s("xai key argv", "argv", ["bench.py", "--xai-key", "§", "--n", "20"], "xai-" + an(80))
s(
    "openrouter key",
    "litellm",
    "model_list:\n- litellm_params: {api_key: §, rpm: 6}\n",
    "sk-or-v1-" + hx(64),
)
s("nvidia key", "log", "INFO nim.client: NVIDIA_API_KEY=§ loaded from .env", "nvapi-" + u64(64))
s("deepseek key", "hydra_overrides", ["model=chat", "provider.deepseek.api_key=§"], "sk-" + hx(32))
s("cerebras key", "vars", "CEREBRAS_API_KEY: '§'", "csk-" + pick(LOW + DIG, 48))
s("jina key", "embedding", {"name": "jina-v3", "auth": "Bearer §"}, "jina_" + an(60))
s("voyage key", "rag_cfg", "voyageai.Client(api_key = '§')", "pa-" + u64(43))
s("azure openai key", "azure", 'curl $ENDPOINT/openai/deployments/gpt4 -H "api-key: §"', hx(32))
s(
    "langsmith key",
    "tracing",
    {"LANGCHAIN_TRACING_V2": "true", "LANGCHAIN_API_KEY": "§"},
    "lsv2_pt_" + hx(32) + "_" + hx(10),
)
s(
    "langfuse secret key",
    "observability",
    'Langfuse(public_key=PK, secret_key="§")',
    "sk-lf-" + uid(),
)
s("tavily key", "tools", {"search": {"kwargs": {"tavily_api_key": "§"}}}, "tvly-dev-" + an(32))
s(
    "pinecone key",
    "vector_db",
    "pc = Pinecone(api_key=\"§\")\nindex = pc.Index('docs')",
    "pcsk_" + an(6) + "_" + an(63),
)
s(
    "elevenlabs header",
    "tts_headers",
    [["xi-api-key", "§"], ["Accept", "audio/mpeg"]],
    "sk_" + hx(48),
)
s(
    "civitai token in query",
    "download",
    "wget 'https://civitai.com/api/download/models/128713?type=Model&token=§' -O model.safetensors",
    hx(32),
)

# ======================================================================================
# SECRETS 2: experiment trackers, data platforms
# ======================================================================================
s("wandb login positional", "history", "pip install wandb && wandb login §", hx(40))
s("wandb key env", "job_env", {"WANDB_MODE": "online", "WANDB_API_KEY": "§"}, hx(40))
s("wandb netrc", "netrc", "machine api.wandb.ai\n  login user\n  password §\n", hx(40))
s("wandb login key kw", "cells", ["import wandb\n", "wandb.login(key='§', relogin=True)\n"], hx(40))
s("comet key", "experiment", 'comet_ml.Experiment(api_key="§", project_name="vit")', an(25))
s(
    "neptune token",
    "neptune_init",
    "neptune.init_run(project='ws/seg', api_token='§')",
    enc(json.dumps({"api_address": "https://app.neptune.ai", "api_key": uid()})),
)
s("mlflow tracking uri", "tracking_uri", "https://trainer:§@mlflow.acme.dev/api", an(18))
s(
    "mlflow password",
    "slurm_env",
    "MLFLOW_TRACKING_USERNAME=ci MLFLOW_TRACKING_PASSWORD=§ srun x",
    pw(16),
)
s(
    "clearml hocon",
    "clearml_conf",
    'api {\n  credentials {\n    "access_key" = "ABC"\n    "secret_key" = "§"\n  }\n}',
    an(50),
)
s("dvc remote password", "cmdline", "dvc remote modify --local origin password §", hx(40))
s("dvc s3 secret", "dvc_config", "['remote \"store\"']\n    secret_access_key = §\n", b64(40))
s("kaggle json", "kaggle", {"username": "datafan", "key": "§"}, hx(32))
s("kaggle json text", "file", '{"username":"datafan","key":"§"}', hx(32))
s("label studio header", "http", "GET /api/projects\r\nAuthorization: Token §\r\nHost: ls", hx(40))
s(
    "databricks token",
    "cluster",
    {"host": "https://adb-1.azuredatabricks.net", "token": "§"},
    "dapi" + hx(32) + "-2",
)
s("prefect key", "deploy", "prefect cloud login -k § -w acme/research", "pnu_" + an(36))
s(
    "airflow sqlalchemy",
    "airflow_cfg",
    "[database]\nsql_alchemy_conn = postgresql+psycopg2://airflow:§@pg:5432/airflow\n",
    pw(14, "-_."),
)
s("airflow fernet", "airflow_core", "fernet_key = §", u64(43) + "=")
s("roboflow key", "dataset_download", "rf = Roboflow(api_key='§').workspace()", an(20))
s(
    "zenodo access token",
    "zenodo_url",
    "https://zenodo.org/api/deposit/depositions?size=5&access_token=§",
    an(60),
)
s("osf token", "osf", "osf -p 9zpx3 clone  # OSF_TOKEN=§", an(70))
s(
    "figshare auth header",
    "upload",
    "requests.put(u, headers={'Authorization': 'token §'})",
    hx(128),
)
s(
    "ngc api key",
    "ngc_config",
    "[CURRENT]\napikey = §\nformat_type = ascii\n",
    enc(pick(LOW + DIG, 26) + ":" + uid()),
)
s(
    "modal token set",
    "modal_cmd",
    "modal token set --token-id ak-x --token-secret §",
    "as-" + an(22),
)
s("runpod key", "pods", {"gpu": "A100", "RUNPOD_API_KEY": "§"}, "rpa_" + pick(UP + DIG, 46))
s(
    "seqera tower token",
    "nextflow_env",
    "TOWER_ACCESS_TOKEN=§ nextflow run main.nf -with-tower",
    enc(f'{{"tid": {R.randint(4000, 9999)}}}.{hx(40)}'),
)
s(
    "entrez api key",
    "eutils",
    "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/esearch.fcgi?db=sra&term=rna&api_key=§",
    hx(36),
)
s("materials project key", "mp", 'with MPRester(api_key="§") as mpr: pass', an(32))
s("cds api key", "cdsapirc", "url: https://cds.climate.copernicus.eu/api\nkey: §\n", uid())
s("earthdata password", "earthaccess", "EARTHDATA_USERNAME=ml EARTHDATA_PASSWORD='§'", human(0))

# ======================================================================================
# SECRETS 3: clouds
# ======================================================================================
s(
    "aws secret in ini",
    "aws_credentials",
    "[default]\naws_secret_access_key = §\nregion = eu\n",
    b64(40),
)
s("aws secret export", "bash_line", "export AWS_SECRET_ACCESS_KEY=§ && aws s3 ls", b64(40))
s(
    "aws session token",
    "boto",
    {"aws_session_token": "§", "region_name": "us-east-1"},
    "IQoJb3JpZ2luX2Vj" + b64(300) + "==",
)
s("aws secret boto kw", "nb", "s3 = boto3.client('s3', aws_secret_access_key='§')", b64(40))
s("aws configure set", "steps", ["aws configure set aws_secret_access_key §", "aws sts x"], b64(40))
s(
    "s3 presigned signature",
    "artifact",
    "https://b.s3.amazonaws.com/ckpt.pt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=§",
    hx(64),
)
s(
    "gcs signed url",
    "checkpoint_url",
    "https://storage.googleapis.com/b/w.ckpt?X-Goog-Expires=600&X-Goog-Signature=§",
    hx(256),
)
PEM = [b64(64) for _ in range(6)]
s(
    "gcp service account",
    "credentials",
    {
        "type": "service_account",
        "project_id": "ml-prod",
        "private_key": "-----BEGIN "
        + "PRIVATE KEY-----\nMIIEvg\n§\n"
        + PEM[1]
        + "\n-----END PRIVATE "
        + "KEY-----\n",
    },
    PEM[0],
)
s(
    "gcp oauth token",
    "gcloud",
    'TOKEN=§\ncurl -H "Authorization: Bearer $TOKEN" $URL',
    "ya29.a0" + u64(160),
)
s(
    "google client secret",
    "oauth",
    {"installed": {"client_secret": "§", "redirect_uris": ["x"]}},
    "GOCSPX-" + u64(28),
)
s(
    "google refresh token",
    "adc",
    '{"type": "authorized_user", "refresh_token": "§"}',
    "1//0" + u64(100),
)
s(
    "azure storage connection",
    "blob",
    "DefaultEndpointsProtocol=https;AccountName=mlruns;AccountKey=§;EndpointSuffix=core.windows.net",
    b64(86) + "==",
)
s(
    "azure sas",
    "azcopy",
    "azcopy cp out 'https://mlruns.blob.core.windows.net/c"
    "?sv=2022-11-02&ss=b&se=2024-09-01T00:00:00Z&sp=rwl&sig=§'",
    b64(43).replace("+", "%2B").replace("/", "%2F") + "%3D",
)
s(
    "azure client secret",
    "az",
    "az login --service-principal -u $APP -p § --tenant $TENANT",
    an(3) + "8Q~" + an(34),
)
s(
    "digitalocean token",
    "terraform",
    'variable "do_token" {\n  default = "§"\n}',
    "dop_v1_" + hx(64),
)
s("minio mc alias", "mc", "mc alias set lab https://minio.lab:9000 trainer §", an(32))
s(
    "minio root password",
    "compose",
    "services:\n  s3:\n    environment:\n      - MINIO_ROOT_PASSWORD=§\n",
    human(1),
)
s(
    "spark s3a secret",
    "spark_submit",
    "spark-submit --conf spark.hadoop.fs.s3a.secret.key=§ --master yarn job.py",
    b64(40),
)
s("rclone secret", "rclone_conf", "[wasabi]\ntype = s3\nsecret_access_key=§\n", an(40))
s(
    "rclone obscured pass",
    "rclone_cmd",
    "rclone copy . :sftp: --sftp-user ml --sftp-pass § -P",
    u64(36),
)
s("swift password", "openstack", "export OS_USERNAME=ml\nexport OS_PASSWORD=§\n", pw(20, "!%^*-_"))
s(
    "fsspec storage options",
    "storage_options",
    {"key": "trainer", "secret": "§", "client_kwargs": {"region_name": "eu"}},
    b64(40),
)
s("cloudflare token", "wrangler", 'CLOUDFLARE_API_TOKEN = "§"', u64(40))
s("dropbox token", "dbx", "dropbox.Dropbox(oauth2_access_token='§')", "sl." + u64(135))

# ======================================================================================
# SECRETS 4: code hosting, packages, containers, CI
# ======================================================================================
s(
    "github token pip url",
    "requirements",
    "pip install git+https://§@github.com/acme/private-models.git@v2",
    "ghp_" + an(36),
)
s("github fine grained", "gh_env", {"GH_TOKEN": "§"}, "github_pat_" + an(22) + "_" + an(59))
s(
    "github app token",
    "origin",
    "origin\thttps://x-access-token:§@github.com/acme/x (fetch)",
    "ghs_" + an(36),
)
s(
    "github oauth hosts yml",
    "gh_hosts",
    "github.com:\n    oauth_token: §\n    user: mlbot\n",
    "gho_" + an(36),
)
s("github token echo", "script", "echo § | gh auth login --with-token", "ghp_" + an(36))
s(
    "gitlab pat header",
    "fetch",
    'curl --header "PRIVATE-TOKEN: §" https://gitlab.com/api/v4/user',
    "glpat-" + u64(20),
)
s(
    "gitlab ci clone",
    "clone",
    "git clone https://oauth2:§@gitlab.cern.ch/ml/tagger.git --depth=1",
    "glpat-" + u64(20),
)
s(
    "gitlab deploy token",
    "registry_login",
    "podman login -u deploy -p § registry.gitlab.com",
    "gldt-" + u64(20),
)
s("gitlab runner", "runner_toml", '[[runners]]\n  name = "gpu"\n  token = "§"\n', "glrt-" + u64(20))
s(
    "bitbucket app password",
    "bb",
    "git push https://mlbot:§@bitbucket.org/acme/x.git HEAD",
    "ATBB" + an(32),
)
s(
    "pypi token twine",
    "publish",
    "twine upload -u __token__ -p § dist/*",
    "pypi-" + "AgEIcHlwaS5vcmc" + u64(150),
)
s(
    "pypirc",
    "pypirc",
    "[pypi]\nusername = __token__\npassword = §\n",
    "pypi-" + "AgEIcHlwaS5vcmc" + u64(150),
)
s("npmrc", "npmrc", "//registry.npmjs.org/:_authToken=§", "npm_" + an(36))
s(
    "docker hub pat stdin",
    "ci",
    'echo "§" | docker login -u mlbot --password-stdin',
    "dckr_pat_" + u64(27),
)
s(
    "docker config auth",
    "docker_config",
    {"auths": {"nvcr.io": {"auth": "§"}}},
    enc("mlbot:" + an(30)),
)
s("dockerfile env", "dockerfile", "FROM python:3.11\nENV COMET_API_KEY §\nCOPY . .\n", an(25))
s(
    "dockerfile arg",
    "build",
    "docker build --build-arg PIP_PASSWORD=§ -t trainer:1 .",
    pw(18, "-_."),
)
s("apptainer docker password", "apptainer_env", "APPTAINER_DOCKER_PASSWORD=§", an(24))
s(
    "artifactory key",
    "pip_conf",
    "[global]\nextra-index-url = https://ml:§@jf.acme.io/api/pypi/x\n",
    "AKCp" + an(69),
)
s(
    "kubectl literal",
    "kubectl",
    "kubectl create secret generic db --from-literal=password='§'",
    pw(15, "!%^*"),
)
s(
    "k8s secret base64",
    "manifest",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: hub}\ndata:\n  password: §\n",
    enc(human(0) + an(6)),
)
s("k8s env value", "pod", {"env": [{"name": "ADMIN_PASSWORD", "value": "§"}]}, human(5))
s(
    "kubeconfig client key",
    "kubeconfig",
    "users:\n- name: a\n  user:\n    client-key-data: §\n",
    "LS0tLS1CRUdJTi" + b64(180) + "==",
)
s(
    "k8s sa jwt",
    "kube",
    "kubectl --token=§ get pods -n kubeflow",
    jwt(iss="kubernetes/serviceaccount", sub="system:serviceaccount:kubeflow:default"),
)
s("helm set", "helm", "helm upgrade hub jupyterhub/jupyterhub --set proxy.secretToken=§", hx(64))
s(
    "terraform cloud",
    "tfrc",
    'credentials "app.terraform.io" { token = "§" }',
    an(14) + ".atlasv1." + an(67),
)
s(
    "vault token",
    "vault",
    "VAULT_ADDR=https://v:8200 VAULT_TOKEN=§ vault kv get kv/ml",
    "hvs.CAESI" + u64(90),
)
s("doppler token", "doppler", "doppler run --token=§ -- python serve.py", "dp.pt." + an(43))
s("fly token", "flyctl", {"FLY_API_TOKEN": "FlyV1 §"}, "fm2_" + b64(160))
s("circleci header", "circle", "Circle-Token: §", "CCIPAT_" + an(22) + "_" + hx(40))
s("sonar token", "sonar", "sonar-scanner -Dsonar.token=§ -Dsonar.sources=src", "sqp_" + hx(40))
s("supabase token", "sb", "supabase link --project-ref abc # access token §", "sbp_" + hx(40))
s("buildkite token", "bk", "[agent]\ntoken: '§'", "bkua_" + hx(40))
s("slurm jwt", "scontrol", "SLURM_JWT=§", jwt(exp=1718000000, sun="svc"))

# ======================================================================================
# SECRETS 5: messaging, monitoring, office
# ======================================================================================
s(
    "slack bot",
    "alerts",
    {"slack": {"bot_token": "§", "channel": "#runs"}},
    "-".join(["xoxb", pick("123456789", 12), pick("123456789", 13), an(24)]),
)
s(
    "slack webhook",
    "on_fail",
    "curl -d '{}' https://hooks.slack.com/services/§",
    "T" + pick(UP + DIG, 10) + "/B" + pick(UP + DIG, 10) + "/" + an(24),
)
s(
    "slack app token",
    "socket_mode",
    "SLACK_APP_TOKEN -> §",
    "xapp-1-A" + pick(UP + DIG, 10) + "-" + pick("123456789", 13) + "-" + hx(64),
)
s(
    "discord webhook",
    "notify",
    "https://discord.com/api/webhooks/§",
    pick("123456789", 18) + "/" + u64(68),
)
s(
    "discord bot",
    "bot",
    "client.run('§')  # discord bot token",
    "MT" + an(24) + "." + u64(8)[:6] + "." + u64(38),
)
s(
    "telegram bot url",
    "telegram",
    "https://api.telegram.org/bot§/sendMessage?chat_id=42",
    pick("123456789", 10) + ":AA" + u64(33),
)
s("sendgrid", "mail", "SENDGRID_API_KEY: §", "SG." + u64(22) + "." + u64(43))
s(
    "mailgun",
    "mail_cmd",
    "curl -s --user 'api:§' https://api.mailgun.net/v3/x/messages",
    "key-" + hx(32),
)
s("twilio auth", "sms", 'Client(ACCOUNT, auth_token="§")', hx(32))
s("stripe live", "billing", 'stripe.api_key = "§"', "sk_live_" + an(24))
s(
    "grafana service account",
    "metrics",
    "headers: {Authorization: 'Bearer §'}",
    "glsa_" + an(32) + "_" + hx(8),
)
s("new relic", "apm", "NEW_RELIC_USER_KEY=§\n", "NRAK-" + pick(UP + DIG, 27))
s(
    "sentry user token",
    "sentrycli",
    "sentry-cli --auth-token § releases new 1.0",
    "sntryu_" + hx(64),
)
s("datadog", "dd", 'init_container:\n  DD_API_KEY: "§"\n  DD_SITE: datadoghq.eu', hx(32))
s("influx token", "influx", "influx write -b runs --token '§' -f m.lp", u64(86) + "==")
s("airtable", "table", {"airtable": "§"}, "pat" + an(14) + "." + hx(64))
s("notion", "report", 'Client(auth="§")  # notion', "ntn_" + pick(DIG, 11) + an(35))
s("linear", "tracker", "Linear key is §, ask before rotating", "lin_api_" + an(40))
s(
    "atlassian",
    "jira",
    "curl -u bot@acme.io:§ https://acme.atlassian.net/rest/api/3/myself",
    "ATATT3xFfGF0" + u64(170) + "=" + pick("0123456789ABCDEF", 8),
)
s("postman", "postman", "X-Api-Key: §", "PMAK-" + hx(24) + "-" + hx(34))

# ======================================================================================
# SECRETS 6: databases and credentialed URLs
# ======================================================================================
s("postgres url", "optuna_storage", "postgresql://optuna:§@db.internal:5432/studies", pw(16, "-_."))
s(
    "postgres url encoded",
    "storage",
    "optuna create-study --storage 'postgres://o:§@h/db'",
    urllib.parse.quote(human(0) + "#x", safe=""),
)
s("mysql url", "db_url", "mysql+pymysql://root:§@127.0.0.1/hpo?charset=utf8mb4", human(4))
s(
    "mongodb srv",
    "MONGO_URI",
    "mongodb+srv://sacred:§@c0.ab1cd.mongodb.net/?retryWrites=true",
    an(16),
)
s("redis url no user", "broker", "rediss://:§@cache:6380/0", an(44))
s("amqp url", "celery", {"broker_url": "amqp://worker:§@rabbit:5672//"}, pw(13, "-_"))
s(
    "clickhouse cli",
    "ch",
    "clickhouse-client --host ch --user ml --password § -q 'select 1'",
    pw(14, "%^*-"),
)
s("mysql dash p", "dump", "mysqldump -u root -p§ experiments > dump.sql", human(3))
s("psql pgpassword", "psql", "PGPASSWORD=§ psql -h db -U ml -c '\\dt'", pw(12, "!%^"))
s(
    "pgpass line",
    "pgpass",
    "db.internal:5432:studies:optuna:§  # .pgpass password line",
    pw(17, "-_"),
)
s(
    "odbc",
    "odbc",
    "Driver={ODBC Driver 18 for SQL Server};Server=sql;Uid=ml;Pwd=§;Encrypt=yes",
    pw(16, "!#*-"),
)
s("ado net", "conn_string", "Server=tcp:x,1433;User ID=ml;Password=§;Connect Timeout=30;", human(2))
s("jdbc", "jdbc", "jdbc:postgresql://pg/feats?user=ml&password=§&ssl=true", pw(12, "-_."))
s("sqlcmd", "sql", 'sqlcmd -S sql01 -U sa -P "§" -Q "SELECT 1"', pw(14, "!#*"))
s(
    "snowflake connect",
    "sf",
    "snowflake.connector.connect(user='ML', password='§', account='x')",
    human(5),
)
s("neo4j auth tuple", "graph", 'GraphDatabase.driver(uri, auth=("neo4j", "§"))', pw(20, "-_"))
s("elastic url", "sink", ["stdout", "https://elastic:§@es.acme:9200/logs-*"], an(24))
s("proxy url", "http_proxy", "http://kmeier:§@proxy.uni.de:3128", human(4))
s("ftp url", "source", "fetching ftp://reader:§@ftp.data.org/pub/x.tar.gz ... ok", human(1))
s("lftp", "mirror", "lftp -u reader,§ -e 'mirror x; quit' sftp://host", human(4))
s(
    "url in traceback",
    "traceback",
    "requests.exceptions.ConnectionError: GET https://svc:§@feat.acme/api/v1?x=1 failed",
    pw(15, "-_."),
)
s("svn url", "checkout", "svn co --username ml --password § https://svn.acme/tags/1.0", human(3))

# ======================================================================================
# SECRETS 7: command lines of common tools
# ======================================================================================
s(
    "curl basic",
    "probe",
    "curl -fsSL -u admin:§ https://nexus.acme/repository/x.whl",
    pw(14, "!%^*-"),
)
s("curl long user", "probe2", "curl --user='svc:§' -O https://h/x", human(2))
s("wget password", "get", "wget --user=ml --password='§' -r https://data.uni.de/x/", human(0))
s("httpie", "httpie", "http -a ml:§ GET https://h/api", pw(13, "-_."))
s("sshpass", "copy", "sshpass -p '§' rsync -az out/ node01:out/", human(5))
s("sshpass env", "envs", {"SSHPASS": "§"}, pw(12))
s(
    "smb mount",
    "fstab_cmd",
    "mount -t cifs //nas/ml m -o username=kim,password=§,vers=3.0",
    human(4),
)
s("smbclient percent", "smb", "smbclient //nas/ml -U 'ACME\\kim%§' -c ls", human(1))
s(
    "ldapsearch",
    "ldap",
    "ldapsearch -x -D 'cn=bind,dc=acme' -w § -b dc=acme uid=kim",
    pw(16, "-_.="),
)
s("openssl passin", "tls", "openssl rsa -in k.pem -out k2.pem -passin pass:§", human(3))
s("gpg passphrase", "gpg", "gpg --batch --passphrase § -d data.tar.gpg | tar x", human(1))
s("7z", "unpack", "7z x -p§ cohort.7z -oraw", pw(14, "-_"))
s("unzip P", "unpack2", "unzip -P '§' cohort.zip", human(2))
s("restic", "backup", "RESTIC_REPOSITORY=s3:h/b RESTIC_PASSWORD=§ restic backup .", pw(22, "-_.+"))
s("borg", "backup_env", "export BORG_PASSPHRASE='§'", human(0))
s("keytool", "java", "keytool -list -keystore t.jks -storepass §", human(4))
s("net use", "win", r"net use Z: \\nas\ml § /user:ACME\kim", human(0))
s("cmdkey", "win2", "cmdkey /add:nas /user:kim /pass:§", human(2))
s("securestring", "ps1", "$p = ConvertTo-SecureString '§' -AsPlainText -Force", pw(16))
s("argv split", "sys_argv", ["serve.py", "--password", "§", "--port", "8080"], pw(12, "!*+"))
s("argv equals", "arguments", ["--epochs=3", "--db-password=§"], human(5))
s("argv jupyter token", "jupyter", "jupyter lab --no-browser --NotebookApp.token='§'", an(20))
s("sbatch export", "sbatch", "sbatch --export=ALL,DB_PASS=§,N=3 train.sbatch", pw(12, "-_"))
s("snakemake storage", "snakemake", "snakemake --storage-s3-secret-key § -j 4 all", b64(40))
s("vllm api key", "serve", "vllm serve Qwen/Qwen2-7B --api-key § --dtype auto", an(28))
s("ray redis password", "ray", "ray start --head --redis-password='§' --port=6379", an(21))
s("setenv csh", "cshrc", 'setenv S3_SECRET "§"', b64(40))
s("fish set", "fish", "set -gx LABELBOX_API_KEY §", jwt(userId="cl1", organizationId="cl2"))
s("windows set", "bat", "set SERVICE_PASSWORD=§\r\npython run.py\r\n", human(3))
s("powershell env", "ps_env", '$env:MODEL_HUB_TOKEN = "§"', an(32))

# ======================================================================================
# SECRETS 8: headers, cookies, sessions, keys
# ======================================================================================
s(
    "bearer opaque",
    "debug",
    "> POST /v1/embed HTTP/1.1\n> authorization: Bearer §\n> accept: */*",
    u64(43),
)
s(
    "jwt bearer dict",
    "headers",
    {"Authorization": "Bearer §", "Accept": "application/json"},
    jwt(sub="u1", scope="infer", exp=1719999999),
)
s("basic header", "hdr", "Authorization: Basic §", enc("svc-ml:" + pw(14)))
s("session cookie", "cookies", "Cookie: lang=en; sessionid=§; theme=dark", pick(LOW + DIG, 32))
s("set cookie", "response_headers", {"Set-Cookie": "auth_token=§; Path=/; HttpOnly"}, u64(40))
s(
    "jupyter token in logged url",
    "jupyter_log",
    "[I 10:03:11.120 LabApp] http://127.0.0.1:8888/lab?token=§",
    hx(48),
)
s("jupyterhub api token", "hub_env", {"JUPYTERHUB_USER": "ml", "JUPYTERHUB_API_TOKEN": "§"}, hx(32))
s("oauth form", "body", "grant_type=client_credentials&client_id=ml&client_secret=§", an(40))
s("password grant", "login_body", "grant_type=password&username=kim&password=§", human(4))
s(
    "openssh key",
    "id_file",
    "-----BEGIN OPENSSH "
    + "PRIVATE KEY-----\n§\n"
    + PEM[2]
    + "\n-----END OPENSSH "
    + "PRIVATE KEY-----\n",
    "b3BlbnNzaC1rZXktdjEAAAA" + b64(47),
)
s(
    "rsa key escaped newlines",
    "SSH_KEY",
    "-----BEGIN RSA "
    + "PRIVATE KEY-----\\n§\\n"
    + PEM[3]
    + "\\n-----END RSA "
    + "PRIVATE KEY-----",
    PEM[4],
)
s(
    "age key",
    "sops",
    "# created: 2024-01-02\n§\n",
    "AGE-SECRET-KEY-1" + pick("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
)
s("wireguard", "wg0", "[Interface]\nPrivateKey = §\nAddress = 10.0.0.2/24\n", b64(42) + "M=")
s("totp seed", "mfa", "otpauth://totp/Cluster:kim?secret=§&issuer=Cluster", pick(UP + "234567", 32))
s(
    "django secret",
    "settings",
    "DEBUG = False\nSECRET_KEY = '§'\n",
    "django-insecure-" + pw(50, "!@#%^&*(-_=+)"),
)
s("flask secret", "app", 'app.config["SECRET_KEY"] = "§"', hx(48))
s(
    "fernet cell",
    "cell_source",
    ["key = b'§'\n", "f = Fernet(key)  # encryption key\n"],
    u64(43) + "=",
)
s("eth private key", "wallet", {"network": "sepolia", "private_key": "§"}, "0x" + hx(64))
s("hmac secret", "webhook", 'hmac_secret: "§"  # signs callbacks', an(36))

# ======================================================================================
# SECRETS 9: configurations in all notations, code, prose
# ======================================================================================
s("plain key password", "password", "§", pw(16))
s("key passphrase nested", "crypto", {"disk": {"passphrase": "§", "cipher": "aes"}}, human(1))
s("key api token camel", "serving", {"apiToken": "§", "replicas": 2}, an(32))
s("upper key list", "DB", [{"DB_PASSWORD": "§"}, {"DB_PORT": 5432}], human(3))
s(
    "xml password",
    "settings_xml",
    "<server><id>ml</id><password>§</password></server>",
    pw(14, "!*-_"),
)
s("xml attribute", "web_config", '<add key="ApiSecret" value="§" />', an(30))
s("java properties", "properties", "db.user=ml\ndb.password=§\ndb.pool=5\n", human(5))
s("nextflow config", "nf", "aws {\n  accessKey = 'x'\n  secretKey = '§'\n}", b64(40))
s("r setenv", "rscript", 'Sys.setenv(OPENAI_API_KEY = "§")', "sk-" + an(48))
s("julia env", "jl", 'ENV["GITHUB_AUTH"] = "§"', "ghp_" + an(36))
s("matlab weboptions", "matlab", "o = weboptions('Username','kim','Password','§');", human(2))
s("c define", "header", '#define WIFI_PASSWORD "§"', human(1))
s("js const", "widget", "const apiKey = `§`; fetch(url)", an(32))
s("go struct", "go", 'cfg := Config{User: "ml", Password: "§"}', pw(14, "!*-_"))
s("python dict repr", "params", "{'lr': 0.1, 'api_key': '§', 'seed': 1}", an(32))
s("namespace repr", "args", "Namespace(batch=8, hub_token='§', lr=1e-4)", "hf_" + pick(ALPHA, 34))
s("escaped json", "raw", '{"body": "{\\"password\\": \\"§\\", \\"n\\": 1}"}', pw(14, "!*-_"))
s(
    "yaml block deep",
    "omegaconf",
    'a:\n  b:\n    smtp:\n      passwd: "§"  # gmail\n',
    " ".join(pick(LOW, 4) for _ in range(4)),
)
s("toml inline table", "streamlit", 'db = { user = "ml", password = "§" }', human(0))
s("dict key holds token", "seen", {"https://ml:§@pypi.acme.io/simple": 3}, an(26))
s("requests auth tuple", "nb_code", "r = requests.get(u, auth=('kim', '§'))", pw(15, "!*-_"))
s("ansible", "inventory", "gpu01 ansible_user=ml ansible_ssh_pass=§", human(4))
s("tcl expect", "expect", 'expect "Password:" { send "§\\r" }', pw(13, "!*-_"))
s("wpa psk", "edge", 'network={\n ssid="lab"\n psk="§"\n}', human(1))
s(
    "prose password is",
    "note",
    "The annotation server's password is §, please do not share.",
    pw(13),
)
s(
    "prose token colon",
    "comment",
    "Temporary access token for the reviewers: § (valid 7 days)",
    an(30),
)
s("prose login and pw", "readme", 'log in as admin with password "§" and restart', human(2))
s("prose german", "bemerkung", "Passwort: § (gilt auch fuer den Messrechner)", pw(12, "!*-_"))
s("prose french", "remarque", "mot de passe : §", pw(14, "!*-_"))
s("prose spanish", "nota", "la contraseña es § desde el lunes", pw(14, "!*-_"))
s("prose pw abbreviation", "memo", "nas pw: §", human(3))
s("markdown table", "wiki", "| field | value |\n|---|---|\n| password | `§` |\n", pw(15, "!*-_"))
s("log using key", "stdout", "2024-05-01 12:00:01 DEBUG auth Using API key: §", an(32))
s("log kv", "logline", 'level=warn msg="retry" api_secret=§ attempt=2', an(40))
s("diff line", "patch", '-token = None\n+token = "§"\n', an(36))

# ======================================================================================
# SECRETS 10: absolute paths, Linux homes
# ======================================================================================
s("home bare", "cwd", "§", "/home/jdoe/projects/llm-ft")
s(
    "home in traceback",
    "stack",
    '  File "§", line 88, in forward\n    x = self.attn(x)',
    "/home/mkowalski/src/vit/model.py",
)
s("home in cd", "shell", "cd § && make train", "/home/anna.b/bench")
s("home in option", "launch", "python train.py --data-dir=§ --bs 8", "/home/liwei/datasets/coco")
s("home quoted space", "cp", 'cp -r "§" out/', "/home/oscar/My Models/run 3")
s("home dict key", "sizes", {"§": 1024, "total": 2048}, "/home/pgarcia/ckpt/last.pt")
s("home pythonpath", "PYTHONPATH", "src:§:lib", "/home/tom/.local/lib/python3.11/site-packages")
s("home docker volume", "docker", "docker run -v §:/data:ro trainer:1", "/home/nadia/imagenet")
s("home file url", "artifact_uri", "file://§", "/home/svc-ml/mlruns/0/artifacts")
s("home sqlite url", "study", "sqlite:///§", "/home/hugo/optuna.db")
s("home shebang", "entry", "#!§\nimport sys\n", "/home/dkim/miniconda3/envs/pt2/bin/python")
s("home conda prefix", "conda", {"CONDA_PREFIX": "§", "CONDA_SHLVL": "1"}, "/home/ines/mambaforge")
s("home include flag", "nvcc", "nvcc -O3 -I§ -lcublas k.cu", "/home/yuki/cutlass/include")
s("home after arrow", "ls", "lrwxrwxrwx 1 u u 24 May 1 data -> §", "/home/raj/big/data")
s("home in brackets", "tex_log", "(§ [1] [2]) Output written", "/home/emma/paper/main.tex")
s("home gcc message", "compile", "§:12:5: error: expected ';'", "/home/felix/ext/op.cpp")
s("home scp", "sync", "rsync -av gpu7:§ .", "/home/claire/runs/2024-05/")
s("home gitdir", "dotgit", "gitdir: §", "/home/bruno/repo/.git/worktrees/x")
s("home markdown link", "doc", "see [results](§) for plots", "/home/zoe/out/fig.png")
s("home json string", "cfg", '{"cache_dir": "§", "seed": 1}', "/home/abdul/.cache/huggingface/hub")
s("root cache", "download_log", "Downloading weights to §", "/root/.cache/torch/hub/r50.pth")
s("home percent encoded", "file_url", "file://§", "/home/sofia/My%20Data/train.csv")
s("home pip editable", "freeze", "numpy==1.26\n-e §\n", "/home/lukas/dev/mypkg")
s("cern afs", "afs", "§", "/afs/cern.ch/user/j/jdoe/public/tagger")
s("home in hydra", "override", "hydra.run.dir=§", "/home/pekka/outputs/2024-01-01/12-00-00")

# SECRETS 11: clusters, mounts, temp
s("scratch path", "workdir", "§", "/scratch/jdoe/job_8812")
s("gpfs project", "slurm", "WorkDir=§ StdIn=/dev/null", "/gpfs/projects/bsc21/bsc21333/run")
s("lustre", "input", "loading shards from §...", "/lustre/fsw/nvresearch/tchen/shards")
s("juelich", "JOB", {"SLURM_SUBMIT_DIR": "§"}, "/p/project/hai_seg/meyer3/code")
s("nersc pscratch", "out_dir", "§", "/pscratch/sd/a/amiller/gpt")
s("nersc home", "nersc", "source §", "/global/homes/k/kwong/setup.sh")
s("eos", "root_file", "root://eosuser.cern.ch/§", "/eos/user/m/mrossi/ntuples/a.root")
s("jean zay", "idr", "#SBATCH --output=§", "/gpfswork/rech/abc/uxy42ab/logs/%j.out")
s(
    "lumi",
    "bind",
    "singularity exec --bind §:/ws img.sif bash",
    "/pfs/lustrep1/scratch/project_465/ab",
)
s("euler cluster home", "path", "§", "/cluster/home/hmueller/sim")
s("beegfs", "tar", "tar -C § -xf a.tar", "/beegfs/work/ws/fr_kt1022-train-0")
s("cephfs", "mounts", ["§", "/proc"], "/cephfs/users/nlee/wsi")
s("nfs export", "nfs", "nas03:§ on /mnt/x type nfs4 (rw)", "/export/home/bioinf/rtorres")
s("mnt disk", "dataset_root", "§", "/mnt/nvme1/kdatta/laion")
s("media usb", "source_dir", "§", "/media/petra/SanDisk64/raw")
s("run media", "usb", "copied from '§'", "/run/media/ivan/BACKUP/2024")
s("vol storage", "yaml", "data:\n  root: §\n  split: val\n", "/storage/groups/ml01/jane.smith/h5ad")
s("net share linux", "toml", 'root = "§"', "/net/node42/fast/okafor/tmp")
s("data user", "flags", "--log_dir § --lr 3e-4", "/data/users/schen/logs/a1")
s("tmp mkdtemp", "tempdir", "wrote §", "/tmp/tmpk3v9x_q2/model.onnx")
s("tmp user", "ray_tmp", "--temp-dir=§", "/tmp/ray-mjohnson/session_latest")
s("dev shm user", "shm", "staging in §", "/dev/shm/pwang/tiles")
s("run user", "sock", "runtime dir §", "/run/user/1027/jupyter")
s(
    "var spool slurm",
    "job_script",
    "§: line 7: python: command not found",
    "/var/spool/slurmd/job99127/slurm_script",
)
s("local scratch", "TMPDIR", "§", "/local_scratch/slurm-jobid-44192-egreen")
s("ld library path", "LD_LIBRARY_PATH", "/usr/lib:§", "/opt/home/asato/cudnn/lib64")
s("groups path list", "files", ["a.npy", "§"], "/groups/umcg-lld/tmp01/users/wdevries/x.vcf.gz")
s("trace json", "profile", {"traceEvents": [{"args": {"file": "§"}}]}, "/u/bsmith/trace/op.py")

# SECRETS 12: macOS
s("mac home", "notebook", "§", "/Users/sarah/Documents/nb/train.ipynb")
s("mac var folders", "tmp_file", "saved §", "/var/folders/zz/x1_8kq3d5p/T/tmp0a.wav")
s("mac private", "mac_tmp", "open('§')", "/private/var/folders/3k/abq9/T/a.png")
s("mac volumes", "disk", "src=§;", "/Volumes/Lab SSD/kate/raw")
s(
    "mac icloud",
    "sheet",
    "pd.read_csv('§')",
    "/Users/marco/Library/Mobile Documents/com~apple~CloudDocs/x.csv",
)
s(
    "mac brew warning",
    "warn",
    "§:4: UserWarning: MPS fallback",
    "/Users/leo/venv/lib/python3.12/site-packages/torch/x.py",
)
s("mac file url", "href", '<a href="file://§">log</a>', "/Users/nina/out/log.html")

# SECRETS 13: Windows, UNC, WSL
s("win home", "win_cwd", "§", r"C:\Users\jsmith\source\train")
s("win forward", "setwd", "setwd('§')", "C:/Users/Ana Lima/Documents/R")
s("win escaped", "json_text", '{"out": "§"}', "C:\\\\Users\\\\bwilson\\\\out")
s("win traceback", "win_tb", 'File "§", line 3', r"C:\Users\kp\AppData\Local\Temp\ipy_1\a.py")
s("win drive", "raw_dir", "addpath('§');", r"D:\Hansen\MRI\2023")
s("unc", "share", "§", r"\\nas01\imaging\mwagner\slides")
s("unc admin", "robocopy", "robocopy § out /E", r"\\WS-114\c$\Users\lee\data")
s("unc long", "longpath", "open §", r"\\?\C:\Users\dan\deep\dir")
s("win file url", "uri", "<§>", "file:///C:/Users/greta/run/report.html")
s("unc forward", "smb_path", "--input §", "//fs.physik.uni-x.de/ag_braun/braun/scan")
s("wsl mnt", "wsl", "python3 §", "/mnt/c/Users/tanja/code/go.py")
s("wsl dollar", "explorer", "explorer.exe §", r"\\wsl$\Ubuntu-22.04\home\tanja\code")
s("wsl localhost", "vscode", "open: §", r"\\wsl.localhost\Debian\home\igor\w")
s("cygwin", "cyg", "PATH add §", "/cygdrive/d/people/horvath/bin")
s("win onedrive", "onedrive", ["--csv", "§"], r"C:\Users\PaulaM\OneDrive - Uni Bern\a.csv")
s("win conda", "kernel", {"argv": ["§", "-m", "ipykernel"]}, r"E:\people\yan\conda\python.exe")

# ======================================================================================
# HARMLESS 1: digests, ids, seeds
# ======================================================================================
h("git commit full", "git_commit", hx(40))
h("git commit short", "rev", hx(7))
h("git describe", "version", "v1.4.2-17-g" + hx(8) + "-dirty")
h("sha256 of dataset", "data_sha256", hx(64))
h("sha256 prefixed", "digest", "sha256:" + hx(64))
h("md5 line", "md5sums", hx(32) + "  train.csv\n" + hx(32) + "  val.csv\n")
h("docker image digest", "image", "nvcr.io/nvidia/pytorch@sha256:" + hx(64))
h("uuid", "run_uuid", uid())
h("mlflow run id", "mlflow_run_id", hx(32))
h("wandb run id", "wandb_run", pick(LOW + DIG, 8))
h("wandb run url", "wandb_url", "https://wandb.ai/acme/vit/runs/" + pick(LOW + DIG, 8))
h("seed int", "seed", 1234567890123)
h("seed list", "seeds", [42, 1337, 2024, 31337])
h("pip hash", "lock", "numpy==1.26.4 --hash=sha256:" + hx(64))
h("npm integrity", "package_lock", {"integrity": "sha512-" + b64(86) + "=="})
h("poetry content hash", "content-hash", hx(64))
h("dvc md5 dir", "dvc_lock", "outs:\n- md5: " + hx(32) + ".dir\n  size: 123\n  path: data\n")
h(
    "git lfs pointer",
    "lfs",
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + hx(64) + "\nsize 1348\n",
)
h("conda build string", "conda_pkg", "pytorch-2.2.0-py3.11_cuda12.1_cudnn8.9.2_0")
h("wheel name", "wheel", "flash_attn-2.5.8+cu122torch2.3cxx11abiFALSE-cp311-cp311-linux_x86_64.whl")
h("etag", "etag", '"' + hx(32) + '-12"')
h("trace id", "traceparent", "00-" + hx(32) + "-" + hx(16) + "-01")
h("request id log", "server_log", "req_id=" + uid() + " status=200 dur=12ms")
h("crc32", "crc32", "0x" + hx(8))
h("rng state", "rng_state", [R.getrandbits(32) for _ in range(6)])
h("hf revision", "revision", hx(40))
h("hf snapshot relative", "snapshot", "models--bert-base-uncased/snapshots/" + hx(40))
h("ipfs cid", "cid", "bafybei" + pick(LOW + "234567", 52))
h("nix store hash", "drv", pick("0123456789abcdfghijklmnpqrsvwxyz", 32) + "-python3-3.11.8")
h("git log line", "git_log", "commit " + hx(40) + "\n\n    fix tokenizer padding\n")
h("git diff index", "diff", "index " + hx(7) + ".." + hx(7) + " 100644\n--- a/key.py\n+++ b/key.py")
h("data hash param", "dataset_hash", "xxh64:" + hx(16))
h("cache key hash", "cache_key", "Linux-pip-" + hx(64))
h("fingerprint", "dataset_fingerprint", hx(16))
h("slurm job id", "SLURM_JOB_ID", "8812931")
h("ulid", "event_id", "01" + pick("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24))
h("hex color list", "palette", ["#1f77b4", "#ff7f0e", "#2ca02c"])
h("mangled symbol", "symbol", "_ZN2at6native12_GLOBAL__N_114softmax_kernelERKNS_6TensorES4_lb")
h(
    "nsys kernel name",
    "kernel_name",
    "void cutlass::Kernel<cutlass_80_tensorop_f16_s16816gemm_relu>",
)
h("ptx register dump", "ptx", "mov.u64 %rd1, 0x00007f1c2a000000;")
h("memory address repr", "repr", "<torch._C.Generator object at 0x7f3a5c0e91b0>")
h("float hex", "float_hex", "0x1.921fb54442d18p+1")

# HARMLESS 2: hyper-parameters whose names sound secret
h("max tokens", "max_tokens", 4096)
h("max new tokens arg", "gen_cmd", "python gen.py --max-new-tokens 256 --min-tokens=4")
h("pad token", "pad_token", "[PAD]")
h(
    "special tokens map",
    "special_tokens_map",
    {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
)
h("llama3 eos", "eos_token", "<|eot_id|>")
h("eos id", "eos_token_id", 128009)
h("token ids", "input_ids", [101, 7592, 2088, 102])
h("tokens list", "tokens", ["Hel", "##lo", "wor", "##ld"])
h("tokenizer", "tokenizer", "bert-base-uncased")
h("tokenizer class", "tokenizer_config", {"tokenizer_class": "PreTrainedTokenizerFast"})
h("tokens per second", "tokens_per_second", 18234.5)
h("token type ids", "token_type_ids", [0, 0, 1, 1])
h("token dropout", "token_dropout", True)
h("cls token bool", "use_cls_token", False)
h("class token name", "pool", "cls_token")
h("tokens yaml", "yaml_cfg", "tokens_per_batch: 524288\nmask_token: '[MASK]'\nnum_tokens: 3e11\n")
h("use auth token bool", "use_auth_token", True)
h("token false", "token", False)
h("token none", "hub_kwargs", {"token": None, "revision": "main"})
h("key value heads", "num_key_value_heads", 8)
h("key dim", "key_dim", 64)
h("kv cache", "kv_cache_dtype", "fp8_e5m2")
h("key padding mask", "call", "attn(q, k, v, key_padding_mask=mask)")
h("state dict keys", "missing_keys", ["head.weight", "head.bias"])
h("key weights", "unexpected_keys", "layers.0.attn.key.weight, layers.0.attn.key.bias")
h("sort key", "sort_key", "val_loss")
h("primary key", "primary_key", "sample_id")
h("foreign key sql", "ddl", "FOREIGN KEY (run_id) REFERENCES runs(id)")
h("partition key", "partition_key", "date")
h("keyframes", "key_frames", [0, 30, 60])
h("key signature music", "key_signature", "F# minor")
h("monitor key", "monitor", {"key": "val/acc", "mode": "max"})
h("label key", "label_key", "cell_type")
h("batch key scanpy", "scvi", "scvi.model.SCVI.setup_anndata(a, batch_key='donor')")
h("jax prngkey", "jax", "key = jax.random.PRNGKey(0); key, sub = jax.random.split(key)")
h("pass rate", "pass_rate", 0.973)
h("pass at k", "metrics", {"pass@1": 0.42, "pass@10": 0.71})
h("n passes", "n_passes", 3)
h("bandpass", "bandpass", "0.1-40 Hz")
h("high pass flag", "filter_cmd", "sox in.wav out.wav highpass 80 lowpass 7600")
h("forward pass log", "trace", "forward pass: 12.3 ms, backward pass: 25.1 ms")
h("pass filter vcf", "vcf", "chr1\t12345\trs1042522\tG\tC\t99\tPASS\tDP=30")
h("tests passed", "pytest", "=== 128 passed, 3 skipped in 12.40s ===")
h("password policy", "password_min_length", 12)
h("password required bool", "password_required", False)
h("author", "author", "Vaswani et al.")
h("authors list", "authors", ["He, K.", "Zhang, X.", "Ren, S."])
h("auth method", "auth_method", "oidc")
h("auth none", "auth", "none")
h("authentication flag", "jup_cmd", "mongod --noauth --port 27017")
h("token type", "token_type", "Bearer")
h("expires in", "oauth_meta", {"expires_in": 3600, "scope": "read write"})
h("secret sharing param", "secret_sharing", {"scheme": "shamir", "n": 5, "t": 3})
h("secretory gene set", "gene_set", "GOBP_PROTEIN_SECRETION")
h("secreted factor", "annotation", "secreted phosphoprotein 1 (SPP1)")
h("secret santa model", "task", "keyword-spotting")
h("credential type", "credential_type", "service_principal")
h("ssl verify", "verify_ssl", True)
h("api key header name", "api_key_header", "X-API-Key")
h("salt chem", "salt", "NaCl 150 mM")
h("signature name", "signature", "serving_default")
h("mutational signature", "signatures", ["SBS1", "SBS5", "DBS2"])
h("function signature", "signature_str", "forward(self, tokens: Tensor, key: Tensor) -> Tensor")
h("session int", "session", 3)
h("cookie cutter", "template", "cookiecutter-data-science")
h("pin memory", "pin_memory", True)
h("gpu pin", "cpu_pin", "0-15")
h("crypto dataset", "dataset", "bitcoin-otc")
h("access pattern", "access", "sequential")
h("passthrough", "passthrough", ["age", "bmi"])
h("early stop key", "early_stopping", "EarlyStopping(monitor='val_loss', patience=10)")

# HARMLESS 3: placeholders and references
h("placeholder angle", "readme_cmd", "huggingface-cli login --token <your-token>")
h("placeholder dollar", "run_cmd", 'curl -H "Authorization: Bearer $TOKEN" https://api.x.org/v1')
h("placeholder braces", "dsn", "postgresql://${DB_USER}:${DB_PASSWORD}@db:5432/x")
h("placeholder stars", "db_password", "********")
h("placeholder xxx", "wandb_key_doc", "WANDB_API_KEY=XXXXXXXXXXXXXXXX")
h(
    "placeholder changeme angle url",
    "example_url",
    "https://<user>:<password>@host.example/repo.git",
)
h("placeholder your key", "env_example", "OPENAI_API_KEY=your-api-key-here\n")
h("placeholder dots", "login_doc", 'login(token="hf_...")')
h("empty password", "smtp_password", "")
h("null password", "redis", {"host": "redis", "password": None})
h("empty env", "dotenv_sample", "HF_TOKEN=\nWANDB_API_KEY=\n")
h("redacted", "api_key", "[REDACTED]")
h("removed mark", "secret", "<removed>")
h("environ subscript", "py1", 'key = os.environ["OPENAI_API_KEY"]')
h("getenv", "py2", "token = os.getenv('HF_TOKEN', None)")
h("getpass", "py3", "password = getpass.getpass('Password: ')")
h("gh actions secret", "workflow", "env:\n  HF_TOKEN: ${{ secrets.HF_TOKEN }}\n")
h("secrets attr", "micropython", "wifi.connect(secrets.SSID, secrets.PASSWORD)")
h("colab userdata", "colab", "userdata.get('WANDB_API_KEY')")
h("streamlit secrets", "st", 'openai.api_key = st.secrets["openai_key"]')
h("keyring", "py4", "pw = keyring.get_password('cluster', user)")
h("api key env name", "api_key_env", "ANTHROPIC_API_KEY")
h("k8s secret ref", "secretKeyRef", {"name": "hub-credentials", "key": "password"})
h("pull secrets", "imagePullSecrets", [{"name": "regcred"}])
h("hydra oc env", "oc", "api_key: ${oc.env:COMET_API_KEY}")
h("vault lookup", "ansible_task", "password: \"{{ lookup('env', 'DB_PASS') }}\"")
h("password file option", "svc", "postgres --password-file=secrets/db.txt")
h("password stdin", "dl", "docker login --username mlbot --password-stdin")
h("curl netrc", "curl_cmd", "curl --netrc -O https://data.x.org/a.nc")
h("ask pass", "sudo", "ansible-playbook site.yml --ask-become-pass")
h("token var shell", "sh", "TOKEN=$(gcloud auth print-access-token)")
h("backtick token", "sh2", "export PASSWORD=`pass show cluster`")
h("windows percent", "batch", "set PASSWORD=%DB_PASSWORD%")
h("jinja", "jinja", "token: {{ hub_token }}")
h("function taking token", "py5", "def upload(path, token=None, password=None):\n    pass")
h("kw pass through", "py6", "client = Client(api_key=api_key, secret=cfg.secret)")
h("if token check", "py7", "if not token:\n    raise ValueError('token is missing')")
h("r getenv", "r", 'key <- Sys.getenv("ENTREZ_KEY")')
h("ts process env", "ts", "const key = process.env.OPENAI_API_KEY;")
h("prompt line", "prompt", "Enter your password: ")
h("error invalid token", "err", "401 Unauthorized: invalid or expired token")
h("json decode error", "err2", "Unexpected token < in JSON at position 0")
h("permission denied", "err3", "Permission denied (publickey,password).")
h(
    "warn forked tokenizers",
    "warning",
    "huggingface/tokenizers: The current process just got forked",
)
h("tokenizers env", "TOKENIZERS_PARALLELISM", "false")
h("token log length", "warn2", "Token indices sequence length is longer than 512 (731 > 512)")
h("login ok", "login_log", "wandb: Currently logged in as: acme. Use `wandb login --relogin`")
h("prose rotate", "todo", "rotate the api key next week and store the password in the vault")
h("prose forgot", "remark", "The password was changed by IT, nobody knows the token yet.")
h("prose key finding", "conclusion", "Key: larger batch; token budget fixed at 20 per parameter")
h("doc table header", "docs", "| token | count |\n|---|---|\n| the | 1042 |\n")

# HARMLESS 4: URLs, URIs, git remotes
h("hf url", "model_url", "https://huggingface.co/meta-llama/Llama-3-8B/resolve/main/config.json")
h("github https", "remote", "https://github.com/pytorch/vision.git")
h("github scp", "remote2", "git@github.com:pytorch/pytorch.git")
h("git ssh url", "remote3", "ssh://git@gitlab.com/acme/models.git")
h("pip vcs", "reqs", "git+https://github.com/huggingface/peft@v0.10.0#egg=peft")
h("s3 uri", "ckpt", "s3://acme-models/vit/epoch=3-step=1200.ckpt")
h("gs uri", "tfds", "gs://tfds-data/datasets/mnist/3.0.1")
h("hf uri", "hf_path", "hf://datasets/allenai/c4/en/c4-train.00000-of-01024.json.gz")
h("dbfs", "dbfs", "dbfs:/databricks-datasets/iris")
h("abfs", "abfs", "abfss://data@account.dfs.core.windows.net/bronze/x.parquet")
h("redis no cred", "broker_url", "redis://redis:6379/0")
h("postgres no cred", "db", "postgresql://localhost:5432/optuna")
h("mongo local", "mongo", "mongodb://localhost:27017/sacred")
h("localhost", "tb", "http://localhost:6006/#scalars&run=exp1")
h("query paging", "api", "https://api.openalex.org/works?filter=doi:10.1/x&per-page=25&page=2")
h("query keyword", "search_url", "https://pubmed.ncbi.nlm.nih.gov/?term=token+passing&sort=date")
h("query next page", "cursor_url", "https://api.x.org/items?limit=50&offset=100&sort_key=date")
h("doi url", "doi_url", "https://doi.org/10.1038/s41586-021-03819-2")
h("docker image", "container", "ghcr.io/huggingface/text-generation-inference:2.0.4")
h("tcp init", "init_method", "tcp://127.0.0.1:29500")
h("init env", "dist", "torchrun --rdzv-backend=c10d --rdzv-endpoint=localhost:0 train.py")
h("docker sock", "DOCKER_HOST", "unix:///var/run/docker.sock")
h("schema url", "$schema", "http://json-schema.org/draft-07/schema#")
h("ontology iri", "iri", "http://purl.obolibrary.org/obo/GO_0008150")
h(
    "data uri",
    "icon",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42"
    "mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
)
h("license url", "license", "https://www.apache.org/licenses/LICENSE-2.0")
h("ftp anonymous", "ftp", "ftp://ftp.ncbi.nlm.nih.gov/genomes/refseq/bacteria/assembly_summary.txt")
h("pip index", "index", "--extra-index-url https://download.pytorch.org/whl/cu121")
h("go module", "gomod", "require github.com/golang/protobuf v1.5.4")
h("npm scoped", "deps", {"@jupyterlab/application": "^4.1.0"})
h("urn", "urn", "urn:nbn:de:101:1-201102033592")

# HARMLESS 5: relative and universal paths, things with slashes
h("relative path", "train_file", "data/train/part-0001.parquet")
h("dot path", "out", "./outputs/run_3/model.safetensors")
h("parent path", "base", "../configs/base.yaml")
h("windows relative", "winrel", "data\\raw\\subject01\\scan.nii.gz")
h("glob", "pattern", "data/**/*.tif")
h("dev null", "redirect", "python x.py > /dev/null 2>&1")
h("usr bin env", "first_line", "#!/usr/bin/env python3")
h("bin bash", "shell_path", "/bin/bash")
h("etc os release", "os_cmd", "cat /etc/os-release")
h("proc cpuinfo", "hw", "grep -m1 'model name' /proc/cpuinfo")
h("dev nvidia", "devices", ["/dev/nvidia0", "/dev/nvidiactl"])
h("urandom", "dd", "dd if=/dev/urandom of=rand.bin bs=1M count=10")
h("proc meminfo", "mem", "/proc/meminfo")
h("dev stdin", "stdin", "cat /dev/stdin")
h("usr bin time", "timing", "/usr/bin/time -v python bench.py")
h("usr lib std", "system_lib", "/usr/lib/x86_64-linux-gnu/libc.so.6")
h("s3 key relative", "object_key", "raw/2024/05/01/batch_17.jsonl.gz")
h("hdf5 path", "h5", "/entry/data/data")
h("hdf5 internal with file", "nexus", "scan_0042.h5::/entry/instrument/detector/data")
h("h5py code", "h5py", "f['/model_weights/dense_1/kernel:0'][()]")
h("zarr chunk", "zarr", "image.zarr/0/c/0/1/3")
h("zarr inner", "zarr_array", "/labels/nuclei/0")
h("keras h5 layer", "layer", "block5_conv3/kernel:0")
h("tensorboard tag", "tag", "train/loss")
h("anndata key", "obsm", "obsm/X_pca")
h("ros image topic", "topic", "/camera/color/image_raw")
h("ros many topics", "topics", ["/tf", "/scan", "/cmd_vel", "/joint_states"])
h("ros remap", "ros", "ros2 run nav2 amcl --ros-args -r /scan:=/front/scan")
h("mqtt topic", "mqtt", "lab/oven/temperature")
h("http route", "route", "POST /v1/chat/completions")
h("flask route", "flask", "@app.route('/api/users/<int:uid>')")
h("fastapi token route", "fastapi", "@app.post('/token')\nasync def login(): ...")
h(
    "access log",
    "access_log",
    '10.0.0.1 - - [01/May/2024:10:00:00 +0000] "GET /health HTTP/1.1" 200 2',
)
h("nginx location", "nginx", "location /static/ { expires 30d; }")
h("json pointer", "pointer", "/properties/model/anyOf/0")
h("xpath", "xpath", "//book[@lang='en']/title/text()")
h("openapi path", "openapi", {"/predict": {"post": {"summary": "run model"}}})
h("timezone", "tz", "Europe/Berlin")
h("mime", "content_type", "application/vnd.api+json")
h("sed script", "sed", "sed -i 's/foo/bar/g' config.yaml")
h("awk regex", "awk", "awk '/^ATOM/ {print $2}' in.pdb")
h("units", "unit", "kcal/mol/Å")
h("fraction prose", "abstract", "w/o dropout and/or weight decay the F1/AUC is n/a")
h("git ref", "ref", "refs/heads/feature/token-merging")
h("gh action", "uses", "actions/checkout@v4")
h("branch slash", "branch", "user/fix-auth-flow")
h("bazel label", "bazel", "//tensorflow/core:framework")
h("bids file", "bids", "sub-01/ses-02/func/sub-01_ses-02_task-rest_bold.nii.gz")
h("tar member", "member", "imagenet/n01440764/n01440764_10026.JPEG")
h("division code", "expr", "x = a/b/c + 1/2")
h("integer division", "floor", "steps = n // batch // world")
h("cpp comment", "cpp", "int x; // home position / default")
h("css comment", "css", "a { color: red } /* home */")
h("comment block words", "regex", r"^/api/v\d+/(users|tokens)/?$")
h("home word", "prose_home", "the arm returns home / users confirm with the button")
h("fasta description", "fasta_cmd", "samtools faidx ref.fa chr7:55019017-55211628")
h(
    "windows registry",
    "registry",
    r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion",
)
h("env path var ref", "path_expr", "export PATH=$HOME/bin:$PATH")
h("tilde", "tilde", "~/.cache/huggingface")
h("windows env var", "winvar", r"%USERPROFILE%\models")
h("slurm pattern", "output_pattern", "logs/%x-%A_%a.out")

# HARMLESS 6: chemistry, biology, physics, LaTeX
h("smiles", "smiles", "CC(=O)Oc1ccccc1C(=O)O")
h("smiles stereo slash", "smiles_ez", "F/C=C\\F")
h("smiles charged", "ligand", "C[N+](C)(C)CC([O-])=O")
h("inchi", "inchi", "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)")
h("inchikey", "inchikey", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N")
h("selfies", "selfies", "[C][C][=Branch1][C][=O][O]")
h("cas", "cas", "50-78-2")
h("protein", "sequence", "".join(R.choice("ACDEFGHIKLMNPQRSTVWY") for _ in range(60)))
h("dna", "dna", pick("ACGT", 80))
h("barcode", "barcode", pick("ACGT", 16) + "-1")
h("fastq record", "fastq", "@SRR1.1 1/1\n" + pick("ACGTN", 20) + "\n+\n" + "I9?FF:FHHGJJ#IJJGGII\n")
h("illumina read id", "read", "@A00123:45:HXXYYDSXX:1:1101:1000:2000 1:N:0:ATCACG+TTAGGC")
h("cigar", "cigar", "10S76M2D14M")
h("ensembl", "gene_id", "ENSG00000141510.18")
h("uniprot", "uniprot", ["P04637", "Q9Y6K9"])
h("pdb id", "pdb", "1CRN")
h("hgvs", "variant", "NM_000546.6:c.215C>G (p.Pro72Arg)")
h("sra", "accession", "SRR12345678")
h("geo", "geo", "GSE131907")
h("alphafold id", "af", "AF-P69905-F1-model_v4")
h("gene key1", "marker", "KEAP1")
h("pass residue", "peptide", "PASSKEYTIDE")
h("space group", "space_group", "P2_1/c")
h("crystal miller", "hkl", "(1 1 -2)")
h("electron configuration", "config_e", "[Ar] 3d10 4s2 4p3")
h("dft functional", "xc", "B3LYP/6-311++G(d,p)")
h("gaussian route", "route_line", "# opt freq b3lyp/6-31g(d) scrf=(pcm,solvent=water)")
h("reaction", "reaction", "2H2 + O2 -> 2H2O")
h("ckpt mass spec", "adduct", "[M+H]+ m/z 181.0707")
h("physics decay", "decay", r"$B^0 \to K^{*0}\mu^+\mu^-$")
h("latex formula", "latex", r"\frac{\partial \mathcal{L}}{\partial \theta} = \sum_i x_i")
h("latex env", "tex", "\\begin{tabular}{lr}\na & b \\\\\n\\hline\n\\end{tabular}")
h("latex newcommand", "macro", r"\newcommand{\key}[1]{\textbf{#1}}")
h("epics pv", "pv", "BL7:MOT:SAMPLE_X.RBV")
h("root branch", "branch_name", "Muon_pt[0]/1000.")
h("fits header", "fits", "EXPTIME =  120.0 / exposure time in s")
h("coordinates", "radec", "05h34m31.94s +22d00m52.2s")
h("star name", "target", "2MASS J05352184-0546085")
h("lattice qcd", "ensemble", "l2464f211b600m0102m0509m635")
h("grib id", "grib", "paramId:167,levtype:sfc,step:0/to/24/by/6")
h("cmip id", "cmip", "CMIP6.ScenarioMIP.MPI-M.MPI-ESM1-2-LR.ssp585.r1i1p1f1.Amon.tas.gn")
h("netcdf time", "time_units", "days since 1850-01-01 00:00:00")
h("einsum", "einsum", "bhqd,bhkd->bhqk")
h("regular chess fen", "fen", "r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 3")

# HARMLESS 7: names, versions, dates, logs, citations
h("model name", "model", "mistralai/Mixtral-8x7B-Instruct-v0.1")
h("model variants", "models", ["vit_base_patch16_224.augreg_in21k_ft_in1k", "resnet50d.ra2_in1k"])
h("quantised file", "gguf", "Meta-Llama-3-8B-Instruct.Q4_K_M.gguf")
h("peft adapter", "adapter", "lora-r16-a32-q_proj-k_proj-v_proj")
h("experiment name", "exp_name", "2024-05-01_sweep3_lr3e-4_bs512_wd0.1_seed7")
h("auto name", "run_name", "dazzling-sunset-142")
h("iso date", "started", "2024-05-01T12:34:56.789012+00:00")
h("unix time", "ts_ns", 1714567890123456789)
h("cron", "schedule", "*/15 0-6 * * 1-5")
h("doi", "doi", "10.48550/arXiv.1706.03762")
h("arxiv", "paper", "arXiv:2005.14165v4 [cs.CL]")
h("bibtex", "bib", "@article{vaswani2017attention,\n  author = {Vaswani, A.},\n  year = {2017}\n}")
h("citation key", "cite_key", "devlin-etal-2019-bert")
h("isbn", "isbn", "978-0-262-03561-3")
h("orcid", "orcid", "0000-0002-1825-0097")
h("swhid", "swhid", "swh:1:rev:" + hx(40))
h("issn", "issn", "2041-1723")
h("cuda arch", "TORCH_CUDA_ARCH_LIST", "7.0;8.0;8.6;9.0+PTX")
h(
    "python version",
    "sys_version",
    "3.11.8 | packaged by conda-forge | (main, Feb 16 2024) [GCC 12.3.0]",
)
h("kernel uname", "kernel_version", "5.15.0-105-generic #115-Ubuntu SMP x86_64 GNU/Linux")
h("train log", "train_log", "epoch 3/90 | step 1200/5004 | loss 2.3412 | lr 1.00e-03 | 812 img/s")
h("nccl log", "nccl", "NCCL INFO Channel 00/08 : 0 1 2 3 4 5 6 7")
h("cuda oom", "oom", "torch.cuda.OutOfMemoryError: Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB)")
h("nvidia smi", "smi", "| 0  NVIDIA A100-SXM4-80GB  On | 00000000:07:00.0 Off | 0 |")
h("gpu uuid masked", "cuda_visible", "0,1,2,3")
h("progress bar", "tqdm", " 45%|####5     | 450/1000 [00:32<00:39, 13.98it/s]")
h(
    "sklearn repr",
    "pipeline",
    "Pipeline(steps=[('sc', StandardScaler()), ('lr', Ridge(alpha=0.1))])",
)
h("sql", "query", "SELECT token, COUNT(*) AS n FROM tokens GROUP BY token ORDER BY n DESC")
h("sql password column", "migration", "ALTER TABLE users ADD COLUMN password_hash VARCHAR(255)")
h("regex of secret", "rule", r"(?i)password\s*[:=]\s*\S+")
h("argparse add", "argparse", "p.add_argument('--token', help='hub token', default=None)")
h("click prompt", "click", "@click.option('--password', prompt=True, hide_input=True)")
h("import secrets", "imports", "import secrets\nfrom itsdangerous import TimestampSigner\n")
h("secrets token hex", "gen", "run_id = secrets.token_hex(8)")
h("nltk", "nltk", "tokens = nltk.word_tokenize(text)")
h("spacy", "spacy", "[t.text for t in doc if not t.is_stop]")
h("dict keys loop", "loop", "for key, value in cfg.items(): print(key, value)")
h("lambda key", "sorted", "sorted(runs, key=lambda r: r.loss)")
h("pandas key", "hdf", "df.to_hdf('x.h5', key='features', mode='w')")
h("ssh keygen cmd", "keygen", "ssh-keygen -t ed25519 -f deploy_key")
h("openssl rand", "rand", "openssl rand -hex 32")
h("long camel id", "class", "AutoModelForSequenceClassificationWithTokenPruning")
h("snake long", "metric", "validation_macro_f1_score_at_best_threshold_epoch_mean")
h("version specs", "specifiers", "torch>=2.1,<2.4; python_version>='3.9'")
h("base64 small", "b64_text", "aGVsbG8gd29ybGQ=")
h("matrix", "confusion", [[50, 2], [3, 45]])
h("nested config", "optim", {"name": "adamw", "betas": [0.9, 0.999], "fused": True})
h("sweep params", "grid", {"token_dim": [64, 128], "key_size": [32], "secret_ratio": 0.1})
h("unicode text", "text", "Größe der Schlüsselwörter: 12 / Länge 3")
h("keywords", "keywords", "authentication; tokenization; password strength estimation")
h("title password", "title", "zxcvbn: Low-Budget Password Strength Estimation")
h("dataset leak", "dataset_name", "PassGAN-synthetic")
h("key value text", "summary", "best: acc=0.913 key=layer4 token=cls pass=2")
h("at sign metric", "retrieval", "recall@10=0.81 ndcg@5=0.44 hits:3@1")
h("email-like decorator", "decorator", "@torch.no_grad()\ndef f(x): return x")
h("torch compile key", "inductor", "TORCHINDUCTOR_CACHE_DIR=.inductor")
h("port map", "ports", ["8080:80", "6006:6006"])
h("ratio colon", "split", "train:val:test = 80:10:10")
h("hugging face dataset config", "hf_ds", "load_dataset('glue', 'mrpc', split='train[:10%]')")
