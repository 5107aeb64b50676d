"""A second corpus that nobody tuned for: what people of five trades put into their records.

Written from the promise (LED-02) alone, without sight of the sanitizer or of its other tests. Every
credential is made up at import by a seeded generator and glued to its prefix here, so that none of
them stands in the source. `§` in a value is the place of the secret.
"""

import base64
import random
import string

RNG = random.Random(20260731)  # fixed: the same corpus on every import
LETTERS = string.ascii_letters
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"

SECRETS: list[tuple[str, object, str]] = []
HARMLESS: list[tuple[str, object]] = []


def tail(length: int, alphabet: str = ALNUM) -> str:
    """Random characters with at least one digit and one letter among them."""
    while True:
        made = "".join(RNG.choice(alphabet) for _ in range(length))
        if any(c.isdigit() for c in made) and any(c.isalpha() for c in made):
            return made


def low(length: int) -> str:
    return tail(length, string.ascii_lowercase + string.digits)


def up(length: int) -> str:
    return tail(length, string.ascii_uppercase + string.digits)


def hexa(length: int) -> str:
    return tail(length, HEX)


def b64(length: int) -> str:
    """Base64 of random bytes, with its padding."""
    return base64.b64encode(RNG.randbytes(length)).decode()


def url64(length: int) -> str:
    """Letters, digits, `-` and `_`, with a letter at both ends."""
    return RNG.choice(LETTERS) + tail(length - 2, ALNUM + "-_") + RNG.choice(LETTERS)


def uuid() -> str:
    return f"{hexa(8)}-{hexa(4)}-4{hexa(3)}-a{hexa(3)}-{hexa(12)}"


def jwt() -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(b'{"sub":"runner","iat":1760000000}').decode().rstrip("=")
    return f"{head}.{body}.{url64(43)}"


def password() -> str:
    """What a password manager makes, without characters a URL or a shell would need to quote."""
    return tail(18)


def human() -> str:
    """What a person makes: a word, a year, a mark."""
    word = RNG.choice(["Maple", "Harbor", "Quartz", "Falcon", "Nimbus", "Tundra", "Saffron"])
    return f"{word}{RNG.choice(['Lake', 'Gate', 'Ridge', 'Moon'])}{RNG.randint(1000, 9999)}!"


def fill(value: object, secret: str) -> object:
    if isinstance(value, str):
        return value.replace("§", secret)
    if isinstance(value, list):
        return [fill(item, secret) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, secret) for key, item in value.items()}
    return value


def s(key: str, value: object, secret: str) -> None:
    SECRETS.append((key, fill(value, secret), secret))


def h(key: str, *values: object) -> None:
    HARMLESS.extend((key, value) for value in values)


# --- tokens whose shape gives them away ------------------------------------------------------

s("github_token", "§", "ghp_" + tail(36))
s("notes", "cloned the private fork with § before the run", "ghp_" + tail(36))
s("ci_job", "token: §", "github_pat_" + tail(22) + "_" + tail(59))
s("checkout", "gh auth login --with-token <<< §", "gho_" + tail(36))
s("app_installation", "§", "ghs_" + tail(36))
s("gitlab", "PRIVATE-TOKEN: §", "glpat-" + tail(20))
s("hub", "§", "hf_" + tail(34, LETTERS + "0123456789"))
s("cmd", "huggingface-cli login --token §", "hf_" + tail(34))
s("argv", ["hf", "download", "meta-llama/Llama-3.1-8B", "--token", "§"], "hf_" + tail(34))
s("cell", "from huggingface_hub import login\nlogin('§')\n", "hf_" + tail(34))
s("llm", {"provider": "openai", "api_key": "§"}, "sk-" + tail(48))
s("llm", {"provider": "openai", "key": "§"}, "sk-proj-" + url64(74))
s("judge", "anthropic with § and claude-sonnet-4", "sk-ant-api03-" + url64(93))
s("router", "OPENROUTER §", "sk-or-v1-" + hexa(64))
s("provider", {"groq": "§"}, "gsk_" + tail(52))
s("replicate", "r = replicate.Client('§')", "r8_" + tail(37))
s("pplx", "§", "pplx-" + tail(48))
s("embedder", {"service": "jina", "auth": "§"}, "jina_" + hexa(32) + tail(26))
s("search", "TAVILY_API_KEY=§", "tvly-dev-" + tail(32))
s("gemini", "genai.configure(api_key='§')", "AIza" + url64(35))
s("gcp_oauth", "ya29 token in the log: §", "ya29." + url64(120))
s("aws", {"aws_access_key_id": "§"}, "AKIA" + up(16))
s("aws", {"aws_secret_access_key": "§"}, tail(40, ALNUM + "/+"))
s("aws", {"AWS_SESSION_TOKEN": "§"}, "IQoJb3JpZ2lu" + tail(220))
s("log", "using temporary credentials § from sts", "ASIA" + up(16))
s("slack", "§", "xoxb-" + str(RNG.randint(10**11, 10**12 - 1)) + "-" + tail(24))
s("slack_app", "SLACK_APP=§", "xapp-1-A" + up(10) + "-" + tail(13) + "-" + hexa(64))
s(
    "webhook",
    "https://hooks.slack.com/services/T" + up(8) + "/B" + up(10) + "/§",
    tail(24),
)
s("alert_url", "https://discord.com/api/webhooks/1198273645518273645/§", url64(68))
s(
    "teams_hook",
    f"https://contoso.webhook.office.com/webhookb2/{uuid()}@{uuid()}/IncomingWebhook/§/{uuid()}",
    hexa(32),
)
s(
    "notify",
    "https://api.telegram.org/bot§/sendMessage?chat_id=-100123",
    "71" + "0" * 8 + ":AA" + url64(33),
)
s("pypi", "twine upload -u __token__ -p § dist/*", "pypi-AgEIcHlwaS5vcmc" + url64(150))
s("npmrc", "//registry.npmjs.org/:_authToken=§", "npm_" + tail(36))
s("stripe", {"billing": "§"}, "sk_live_" + tail(24))
s("mail", {"sendgrid": "§"}, "SG." + url64(22) + "." + url64(43))
s("docker", "docker login -u mlops --password §", "dckr_pat_" + url64(27))
s("databricks", {"host": "https://adb-1234.5.azuredatabricks.net", "pat": "§"}, "dapi" + hexa(32))
s("vault", "vault login §", "hvs." + url64(90))
s("terraform", 'credentials "app.terraform.io" { token = "§" }', tail(14) + ".atlasv1." + tail(67))
s("pulumi", "PULUMI_ACCESS_TOKEN=§", "pul-" + hexa(40))
s("grafana", {"url": "https://grafana.lab.org", "sa": "§"}, "glsa_" + tail(32) + "_" + hexa(8))
s("newrelic", "NEW_RELIC_API_KEY: §", "NRAK-" + up(27))
s("digitalocean", "doctl auth init -t §", "dop_v1_" + hexa(64))
s("linear", "§", "lin_api_" + tail(40))
s("notion", {"notion_token": "§"}, "ntn_" + tail(46))
s("age", "key file said §", "AGE-SECRET-KEY-1" + up(58))
s("jwt", "§", jwt())
s("session", {"cookie": "session=§; Path=/"}, jwt())
s("langsmith", "LANGCHAIN_API_KEY=§", "lsv2_pt_" + hexa(32) + "_" + hexa(10))
s("langfuse", {"secret_key": "§", "host": "https://cloud.langfuse.com"}, "sk-lf-" + uuid())
s("nvidia", "export NGC_API_KEY=§", "nvapi-" + url64(64))
s("xai", {"model": "grok-3", "api_key": "§"}, "xai-" + tail(80))
s("fireworks", "FIREWORKS_API_KEY=§", "fw_" + tail(24))
s("tailscale", "tailscale up --authkey=§", "tskey-auth-" + tail(16) + "-" + tail(32))
s("shopify", "notes from the scraper: §", "shpat_" + hexa(32))
s("sentry", {"sentry_auth": "§"}, "sntrys_" + tail(120))
s("postman", "X-Api-Key: §", "PMAK-" + hexa(24) + "-" + hexa(34))
s("figma", "§", "figd_" + url64(40))
s(
    "deploy_key",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n§\n-----END OPENSSH PRIVATE KEY-----\n",
    "b3BlbnNzaC1rZXktdjEAAAAA" + b64(60).rstrip("="),
)
s(
    "service_account",
    {
        "type": "service_account",
        "project_id": "protein-folding",
        "private_key": "-----BEGIN PRIVATE KEY-----\n§\n-----END PRIVATE KEY-----\n",
    },
    "MIIEvQ" + tail(64),
)
s(
    "tls",
    "wrote -----BEGIN RSA PRIVATE KEY-----\n§\n-----END RSA PRIVATE KEY----- to the pod",
    "MIIEow" + tail(64),
)

# --- a value under a key that names it -------------------------------------------------------

s("WANDB_API_KEY", "§", hexa(40))
s("wandb", {"project": "vit", "entity": "lab", "api_key": "§"}, hexa(40))
s("env", {"COMET_API_KEY": "§", "COMET_WORKSPACE": "atlas"}, tail(25))
s(
    "env",
    {"NEPTUNE_API_TOKEN": "§"},
    base64.b64encode(
        b'{"api_url":"https://app.neptune.ai","api_key":"%b"}' % uuid().encode()
    ).decode(),
)
s("env", {"CLEARML_API_SECRET_KEY": "§"}, tail(50))
s("env", {"MLFLOW_TRACKING_PASSWORD": "§", "MLFLOW_TRACKING_USERNAME": "vera"}, password())
s("env", {"MLFLOW_TRACKING_TOKEN": "§"}, tail(32))
s("env", {"KAGGLE_USERNAME": "vera", "KAGGLE_KEY": "§"}, hexa(32))
s("kaggle.json", '{"username":"vera","key":"§"}', hexa(32))
s("env", {"AZURE_OPENAI_API_KEY": "§"}, hexa(32))
s("env", {"MISTRAL_API_KEY": "§"}, tail(32))
s("env", {"COHERE_API_KEY": "§"}, tail(40))
s("env", {"TOGETHER_API_KEY": "§"}, hexa(64))
s("env", {"DEEPSEEK_API_KEY": "§"}, "sk-" + hexa(32))
s("env", {"ELEVENLABS_API_KEY": "§"}, hexa(32))
s("env", {"PINECONE_API_KEY": "§"}, uuid())
s("env", {"QDRANT__SERVICE__API_KEY": "§"}, tail(36))
s("env", {"WEAVIATE_APIKEY": "§"}, tail(36))
s("env", {"DATADOG_API_KEY": "§"}, hexa(32))
s("env", {"DD_APP_KEY": "§"}, hexa(40))
s("env", {"AZURE_CLIENT_SECRET": "§", "AZURE_TENANT_ID": uuid()}, tail(3) + "8Q~" + url64(34))
s("env", {"AZURE_STORAGE_KEY": "§"}, b64(64))
s("env", {"PGPASSWORD": "§"}, password())
s("env", {"MYSQL_ROOT_PASSWORD": "§"}, password())
s("env", {"POSTGRES_PASSWORD": "§", "POSTGRES_USER": "mlflow"}, human())
s("env", {"REDIS_PASSWORD": "§"}, password())
s("env", {"RABBITMQ_DEFAULT_PASS": "§"}, password())
s("env", {"MINIO_ROOT_PASSWORD": "§", "MINIO_ROOT_USER": "minio"}, password())
s("env", {"JUPYTER_TOKEN": "§"}, hexa(48))
s("env", {"DJANGO_SECRET_KEY": "§"}, tail(50))
s("env", {"AIRFLOW__CORE__FERNET_KEY": "§"}, b64(32))
s("env", {"PREFECT_API_KEY": "§"}, "pnu_" + tail(36))
s("env", {"DAGSHUB_USER_TOKEN": "§"}, hexa(40))
s("env", {"ROBOFLOW_API_KEY": "§"}, tail(20))
s("env", {"ENTREZ_API_KEY": "§", "ENTREZ_EMAIL": "a@lab.org"}, hexa(36))
s("env", {"ALPHAVANTAGE_APIKEY": "§"}, up(16))
s("env", {"SNOWFLAKE_PASSWORD": "§"}, password())
s("env", {"RUNPOD_API_KEY": "§"}, up(40))
s("env", {"VAST_API_KEY": "§"}, hexa(64))
s("env", {"LAMBDA_API_KEY": "§"}, "secret_" + tail(20) + "_" + hexa(32))
s("env", {"MODAL_TOKEN_SECRET": "§"}, "as-" + tail(22))
s("env", {"GRB_WLSSECRET": "§", "GRB_WLSACCESSID": uuid()}, uuid())
s("gurobi.lic", "WLSACCESSID=" + uuid() + "\nWLSSECRET=§\nLICENSEID=912345\n", uuid())
s("solver", {"name": "dwave", "token": "§"}, "DEV-" + hexa(40))
s("ibm_quantum_token", "§", hexa(128))
s("db", {"host": "db.lab.org", "port": 5432, "user": "runner", "password": "§"}, password())
s("config", {"smtp": {"user": "bot@lab.org", "passwd": "§"}}, password())
s("config", {"auth": {"client_id": "webapp", "client_secret": "§"}}, tail(40))
s("config", {"oauth": {"refresh_token": "§"}}, "1//0" + url64(80))
s("config", {"oauth": {"access_token": "§", "expires_in": 3600}}, tail(64))
s("config", {"encryption_key": "§"}, b64(32))
s("config", {"signing_secret": "§"}, hexa(32))
s("config", {"bearer_token": "§"}, tail(48))
s("params", {"lr": 0.001, "hub": {"authToken": "§"}}, tail(40))
s("params", {"remotes": [{"name": "s3", "secretKey": "§"}]}, tail(40))
s("rclone", {"type": "webdav", "user": "vera", "pass": "§"}, url64(44))
s("ssh", {"host": "login1", "passphrase": "§"}, human())
s("globus", {"transfer_refresh_token": "§"}, "Ag" + tail(80))

# --- URLs ------------------------------------------------------------------------------------

s("tracker_url", "https://vera:§@mlflow.lab.org/", password())
s("tracker_url", "https://vera:§@mlflow.lab.org:5000/#/experiments/3", human())
s("remote", "https://oauth2:§@gitlab.com/lab/vit.git", "glpat-" + tail(20))
s("git_remote", "https://§@github.com/lab/vit.git", "ghp_" + tail(36))
s("git_remote", "https://x-access-token:§@github.com/lab/vit", "ghs_" + tail(36))
s("git_remote", "https://vera:§@bitbucket.org/lab/vit.git", tail(20))
s("git_remote", "https://lab:§@dev.azure.com/lab/ml/_git/vit", low(52))
s("storage", "postgresql://optuna:§@db:5432/optuna", password())
s("storage", "postgresql+psycopg2://optuna:§@10.0.3.4/optuna?sslmode=require", human())
s("storage", "mysql+pymysql://root:§@127.0.0.1:3306/optuna", password())
s("mongo", "mongodb+srv://sacred:§@cluster0.ab1cd.mongodb.net/runs?retryWrites=true", password())
s("mongo_observer", ["-m", "mongodb://sacred:§@mongo:27017/sacred"], password())
s("broker", "amqp://worker:§@rabbit:5672//", password())
s("celery", {"broker_url": "redis://:§@redis:6379/0"}, password())
s("redis_url", "rediss://default:§@fly-ray.upstash.io:6379", hexa(32))
s("clickhouse", "clickhouse://default:§@ch.lab.org:9440/metrics?secure=1", password())
s("ftp", "ftp://ega-box-1234:§@ftp.ega.ebi.ac.uk/genomes/", password())
s("sftp", "sftp://vera:§@transfer.lab.org/upload", password())
s("proxy", "http://vera:§@proxy.uni.edu:3128", password())
s("env", {"https_proxy": "http://vera:§@proxy.uni.edu:3128"}, human())
s("index_url", "https://ci:§@pypi.lab.org/simple", password())
s("pip", "pip install --extra-index-url https://__token__:§@pypi.lab.org/simple vit", tail(32))
s(
    "requirements",
    "vit @ git+https://§@github.com/lab/vit@main",
    "github_pat_" + tail(22) + "_" + tail(59),
)
s("dsn", "https://§@o12345.ingest.sentry.io/67890", hexa(32))
s("neo4j", "bolt://neo4j:§@graph:7687", password())
s("snowflake", "snowflake://vera:§@xy12345.eu-west-1/db/public", password())
s("elastic", "https://elastic:§@es.lab.org:9200", tail(24))
s("influx", "http://influx.lab.org:8086/write?db=m&u=vera&p=§", password())
s(
    "dataset_url",
    "https://bucket.s3.amazonaws.com/d.tar?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=§",
    hexa(64),
)
s(
    "dataset_url",
    "https://acct.blob.core.windows.net/data/train.zip?sv=2023-11-03&sr=b&sp=r&sig=§",
    tail(42) + "%3D",
)
s(
    "dataset_url",
    "https://storage.googleapis.com/b/o.tar?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=§",
    hexa(256),
)
s("api", "https://api.roboflow.com/lab/cells/3/coco?api_key=§", tail(20))
s("api", "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/efetch.fcgi?db=nuccore&api_key=§", hexa(36))
s("api", "https://maps.googleapis.com/maps/api/geocode/json?address=x&key=§", "AIza" + url64(35))
s("api", "https://zenodo.org/api/deposit/depositions?access_token=§", tail(60))
s("notebook_url", "http://localhost:8888/lab?token=§", hexa(48))
s("notebook_url", "http://gpu07:8888/?token=§ (type jupyter)", hexa(48))
s("gitlab_api", "https://gitlab.com/api/v4/projects/7/jobs?private_token=§", "glpat-" + tail(20))
s("weather", "https://api.openweathermap.org/data/2.5/weather?q=Bern&appid=§", hexa(32))
s("callback", "https://lab.org/cb#access_token=§&token_type=bearer", tail(64))
s("wss", "wss://stream.lab.org/v1?auth_token=§", tail(40))

# --- command lines ---------------------------------------------------------------------------

s("command", "wandb login §", hexa(40))
s("command", "wandb login --relogin --host=https://wandb.lab.org §", hexa(40))
s("command", "python train.py --wandb-key § --lr 3e-4", hexa(40))
s("argv", ["train.py", "--wandb_api_key=§", "--epochs=10"], hexa(40))
s("argv", ["train.py", "--hf-token", "§", "--bf16"], "hf_" + tail(34))
s("argv", ["python", "-m", "agent", "--openai-api-key", "§"], "sk-" + tail(48))
s("argv", ["train.py", "+logger.neptune.api_token=§"], tail(64))
s("argv", ["train.py", "db.password=§", "seed=3"], password())
s("argv", ["curl", "-H", "Authorization: Bearer §", "https://api.lab.org/v1/runs"], tail(40))
s("argv", ["curl", "-u", "vera:§", "https://nexus.lab.org/d.tar"], password())
s(
    "argv",
    ["wget", "--user=vera", "--password=§", "https://physionet.org/files/mimiciv/"],
    password(),
)
s("argv", ["mysql", "-uroot", "-p§", "runs"], password())
s("argv", ["sshpass", "-p", "§", "ssh", "login1"], password())
s("argv", ["docker", "run", "-e", "WANDB_API_KEY=§", "vit:1"], hexa(40))
s("argv", ["env", "AWS_SECRET_ACCESS_KEY=§", "python", "x.py"], tail(40, ALNUM + "/+"))
s("command", "curl -H 'Authorization: token §' https://api.github.com/user", hexa(40))
s("command", 'curl -H "x-api-key: §" https://api.anthropic.com/v1/messages', tail(48))
s("command", "curl --header 'api-key: §' https://x.openai.azure.com/openai", hexa(32))
s("command", "curl -sSL -u vera:§ https://artifacts.lab.org/w.pt -o w.pt", password())
s("command", "curl --user 'vera:§' -O https://data.lab.org/x.h5", human())
s("command", "wget --http-user=vera --http-password=§ https://x.org/d.zip", password())
s("command", "wget --header='Authorization: Bearer §' https://x.org/d.zip", tail(40))
s("command", "wget --header 'Cookie: sessionid=§' https://x.org/d.zip", low(32))
s("command", "http -a vera:§ GET https://api.lab.org/runs", password())
s("command", "aws configure set aws_secret_access_key §", tail(40, ALNUM + "/+"))
s("command", "AWS_SECRET_ACCESS_KEY=§ aws s3 sync s3://b/d data/", tail(40, ALNUM + "/+"))
s("command", "az login --service-principal -u app -p § --tenant t", tail(36))
s("command", "az storage blob download --account-name a --account-key § -n x", b64(64))
s("command", "azcopy copy 'https://a.blob.core.windows.net/c?sv=2022&sig=§' data/", tail(43))
s("command", "rclone copy :webdav:d data/ --webdav-user vera --webdav-pass §", password())
s("command", "dvc remote modify --local origin password §", password())
s("command", "dvc remote modify origin --local access_key_id §", "AKIA" + up(16))
s("command", "dvc remote modify origin --local secret_access_key §", tail(40))
s("command", "git clone https://vera:§@git.lab.org/vit.git", password())
s("command", "git -c http.extraHeader='Authorization: Basic §' fetch", b64(36))
s("command", "psql 'host=db user=optuna password=§ dbname=optuna'", password())
s("command", "PGPASSWORD=§ pg_dump -h db -U optuna optuna > o.sql", password())
s("command", "mysql -u root -p§ -e 'show tables'", password())
s("command", "mysqldump --user=root --password=§ runs", password())
s("command", "mongosh --username sacred --password § mongo/sacred", password())
s("command", "redis-cli -h redis -a § ping", password())
s("command", "sqlcmd -S db -U sa -P § -Q 'select 1'", password())
s("command", "sshpass -p § rsync -a data login1:", password())
s("command", "smbclient //nas/data -U 'vera%§'", password())
s("command", "mount -t cifs //nas/data mnt -o username=vera,password=§", password())
s("command", "docker login -u vera -p § registry.lab.org", password())
s("command", "echo § | docker login ghcr.io -u vera --password-stdin", "ghp_" + tail(36))
s("command", "docker build --build-arg HF_TOKEN=§ -t vit .", "hf_" + tail(34))
s("command", "docker run --env NGC_API_KEY=§ nvcr.io/nim/x:1", tail(84))
s("command", "singularity exec --docker-username vera --docker-password § x.sif python", password())
s("command", "helm install mlflow ./chart --set postgresql.auth.password=§", password())
s("command", "kubectl create secret generic wandb --from-literal=api-key=§", hexa(40))
s("command", "kubectl --token=§ get pods", jwt())
s("command", "terraform apply -var db_password=§", password())
s("command", "ansible-playbook p.yml -e 'ansible_become_pass=§'", password())
s("command", "vault kv put secret/db password=§", password())
s("command", "sbatch --export=ALL,WANDB_API_KEY=§ job.sh", hexa(40))
s("command", "srun --container-env=A env HF_TOKEN=§ python t.py", "hf_" + tail(34))
s("command", "jupyter lab --NotebookApp.token=§ --port 8888", hexa(48))
s("command", "openssl enc -aes-256-cbc -in d -out d.enc -pass pass:§", human())
s("command", "gpg --batch --passphrase § -d data.gpg", human())
s("command", "unzip -P § adni.zip", password())
s("command", "7z x d.7z -p§", password())
s("command", "zenodo_get --token § 10.5281/zenodo.1", tail(60))
s("command", "synapse login -u vera -p §", password())
s("command", "synapse login --authToken §", jwt())
s("command", "lftp -u vera,§ sftp://ftp.lab.org", password())
s("command", "vllm serve Qwen/Qwen3-8B --api-key §", tail(32))
s("command", "litellm --model gpt-4o --api_key §", "sk-" + tail(48))
s("command", "clearml-init --key k --secret §", tail(50))
s("command", "poetry config http-basic.lab vera §", password())
s("command", "anaconda --token § upload x", "lab-" + uuid())
s("command", "ngrok config add-authtoken §", tail(27) + "_" + tail(21))
s("command", "ray start --head --redis-password=§", password())
s("command", "set HF_TOKEN=§&& python t.py", "hf_" + tail(34))
s("command", '$env:OPENAI_API_KEY = "§"; python t.py', "sk-" + tail(48))
s("command", "setenv WANDB_API_KEY § ; python t.py", hexa(40))

# --- config text, scripts, cells, logs -------------------------------------------------------

s("connection", "Server=db;Database=runs;User Id=sa;Password=§;Encrypt=yes", password())
s(
    "connection",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=§;EndpointSuffix=x",
    b64(64),
)
s(
    "connection",
    "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=§",
    b64(32),
)
s("odbc", "DRIVER={PostgreSQL};SERVER=db;UID=vera;PWD=§;", password())
s("jdbc", "jdbc:postgresql://db/runs?user=vera&password=§", password())
s("jdbc", "jdbc:sqlserver://db:1433;user=sa;password=§;encrypt=true", password())
s(
    "kafka",
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="k" password="§";',
    password(),
)
s("netrc", "machine api.wandb.ai\n  login user\n  password §\n", hexa(40))
s("netrc", "machine urs.earthdata.nasa.gov login vera password §", human())
s("cdsapirc", "url: https://cds.climate.copernicus.eu/api\nkey: §\n", uuid())
s("aws_credentials", "[default]\naws_access_key_id = x\naws_secret_access_key = §\n", tail(40))
s("rclone.conf", "[lab]\ntype = sftp\nhost = x\nuser = vera\npass = §\n", url64(44))
s("dvc_config", "['remote \"s3\"']\n    url = s3://b\n    secret_access_key = §\n", tail(40))
s("docker_config", '{"auths":{"ghcr.io":{"auth":"§"}}}', b64(45))
s("dockerfile", "FROM python:3.12\nENV WANDB_API_KEY=§\nRUN pip install x\n", hexa(40))
s("dockerfile", "FROM x\nARG HF_TOKEN\nENV HF_TOKEN §\n", "hf_" + tail(34))
s("compose", "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: §\n", password())
s("compose", "services:\n  db:\n    environment:\n      - MYSQL_PASSWORD=§\n", password())
s(
    "k8s",
    "env:\n  - name: OPENAI_API_KEY\n    value: §\n",
    tail(48),
)
s("k8s", {"env": [{"name": "DB_PASSWORD", "value": "§"}]}, password())
s("k8s_secret", "kind: Secret\nstringData:\n  password: §\n", password())
s("tfvars", 'region = "eu-west-1"\ndb_password = "§"\n', password())
s("tf", 'provider "aws" {\n  access_key = "x"\n  secret_key = "§"\n}\n', tail(40))
s("ansible", "[gpu]\ngpu01 ansible_user=vera ansible_ssh_pass=§\n", password())
s("sbatch", "#!/bin/bash\n#SBATCH -p gpu\nexport WANDB_API_KEY=§\nsrun python t.py\n", hexa(40))
s("sbatch", "#!/bin/bash\n#SBATCH -t 1:00\nexport HF_TOKEN='§'\npython t.py\n", "hf_" + tail(34))
s("cell", "import os\nos.environ['OPENAI_API_KEY'] = '§'\n", "sk-proj-" + url64(74))
s("cell", "client = OpenAI(api_key='§', base_url='http://x/v1')", tail(48))
s("cell", "import wandb\nwandb.login(key='§')\n", hexa(40))
s("cell", "import neptune\nrun = neptune.init_run(project='a/b', api_token='§')", tail(64))
s("cell", "conn = psycopg2.connect(host='db', user='u', password='§')", password())
s("cell", "%env WANDB_API_KEY=§", hexa(40))
s("cell", "s3 = boto3.client('s3', aws_secret_access_key='§')", tail(40, ALNUM + "/+"))
s("cell", "headers = {'Authorization': 'Bearer §'}", tail(40))
s("cell", "requests.get(url, auth=('vera', '§'))", password())
s("cell", "Entrez.api_key = '§'", hexa(36))
s("cell", "QiskitRuntimeService.save_account(token='§')", hexa(128))
s("headers", {"Authorization": "Basic §"}, b64(24))
s("headers", {"Authorization": "Bearer §", "Accept": "application/json"}, tail(40))
s("headers", {"X-API-Key": "§"}, tail(32))
s("headers", {"Cookie": "csrftoken=x; sessionid=§"}, low(32))
s("headers", {"X-Vault-Token": "§"}, tail(32))
s("headers", {"Ocp-Apim-Subscription-Key": "§"}, hexa(32))
s("log", "DEBUG request headers: {'authorization': 'Bearer §', 'accept': '*/*'}", tail(40))
s("log", "2026-01-02 10:00:00 > Authorization: Basic §", b64(24))
s("log", "Set-Cookie: session=§; HttpOnly; Secure", tail(40))
s("log", "openai.AuthenticationError: Incorrect API key provided: §.", "sk-" + tail(48))
s("log", "could not connect to postgres://optuna:§@db/optuna: timeout", password())
s("log", "config={'lr': 0.1, 'api_key': '§', 'seed': 1}", tail(40))
s("log", '{"level":"info","db_password":"§","msg":"start"}', password())
s("log", "Namespace(lr=0.1, hf_token='§', seed=1)", tail(34))
s("notes", "The password for the NAS is §, ask Vera if it changes.", human())
s("notes", "login vera, password: § (cluster)", password())
s("notes", "my wandb api key is §", hexa(40))
s("notes", "I used the token § for the download", tail(40))
s("notes", "API key: §. Revoke after the sweep.", tail(40))
s("notes", "Rerun with secret=§ since the old one expired", tail(32))
s("todo", "rotate AWS key § before publishing", "AKIA" + up(16))
s("statepoint", {"lr": 0.1, "loader": {"url": "s3://key:§@minio:9000/b"}}, tail(40))
s("statepoint", {"cmd": ["fetch", "--access-token", "§"]}, tail(40))
s("toml", '[tool.tracker]\nurl = "https://x"\napi_token = "§"\n', tail(40))
s("ini", "[database]\nuser = vera\npassword = §\n", password())
s("properties", "spring.datasource.password=§", password())
s("xml", "<server><id>x</id><username>v</username><password>§</password></server>", password())
s("yaml", "trainer:\n  logger:\n    comet:\n      api_key: §\n", tail(25))
s("hydra_overrides", ["lr=0.1", "logger.wandb.api_key=§"], hexa(40))
s("overrides", "lr=0.1,seed=1,storage.secret_key=§", tail(40))

# --- paths of machines -----------------------------------------------------------------------

s("data_dir", "§/imagenet/train", "/home/vera/data")
s("output", "§/ckpt/last.pt", "/Users/vera/work")
s("root", "§\\vit\\runs", "C:\\Users\\vera")
s("root", "§/vit/runs", "C:/Users/vera")
s("scratch", "§/vit/7", "/scratch/vera")
s("argv", ["python", "§/vit/train.py", "--lr", "0.1"], "/home/vera")
s("argv", ["train.py", "--data-dir=§/cells"], "/mnt/nas/vera")
s("env", {"PYTHONPATH": "§/src:§/lib"}, "/home/vera/vit")
s("env", {"HF_HOME": "§/hf"}, "/lustre/scratch/vera")
s("env", {"CONDA_PREFIX": "§/envs/vit"}, "/home/vera/miniconda3")
s("env", {"VIRTUAL_ENV": "§/.venv"}, "/Users/vera/vit")
s("traceback", 'File "§/vit/train.py", line 7, in main', "/home/vera")
s("notes", "The weights lie in §/w.pt for now.", "/gpfs/work/vera")
s("checkpoint", "file://§/ckpt/last.ckpt", "/home/vera")
s("reference", {"genome": {"fasta": "§/hg38.fa"}}, "/data/projects/genomics/vera")
s("command", "bwa mem §/hg38.fa r1.fq r2.fq > out.sam", "/home/vera/ref")
s("mount", "docker run -v §/data:data vit:1", "/home/vera")
s("tmp", "§/job.out", "/private/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000")
s("slurm", "#SBATCH --output=§/logs/%j.out", "/home/vera")
s("rsync", "rsync -a login1:§/data data", "/home/vera")

# --- harmless: names that only sound secret --------------------------------------------------

h("use_cls_token", True, "true", False)
h("params", {"use_cls_token": True, "num_tokens": 4096, "max_new_tokens": 256})
h("params", {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"})
h("params", {"mask_token": "[MASK]", "sep_token": "[SEP]", "cls_token": "[CLS]"})
h("eos_token", "<|endoftext|>", "<|im_end|>", "<|eot_id|>", "</s>")
h("pad_token_id", 0, 50256, 128001)
h("tokenizer", "bert-base-uncased", "meta-llama/Llama-3.1-8B-Instruct", "cl100k_base", "o200k_base")
h("tokenizer_name", "google/sentencepiece-32k", "facebook/esm2_t33_650M_UR50D")
h("tokenizer_class", "PreTrainedTokenizerFast", "GPT2TokenizerFast", "LlamaTokenizer")
h("token_dropout", 0.15)
h("tokens_per_second", 12873.5)
h("token_type_vocab_size", 2)
h("token_mixer", "PoolFormerMixer", "identity", "spatial_mlp_token_mixing")
h("tokenization", "byte_level_bpe_32768_nfkc", "k-mer-6-overlapping")
h("key", "accuracy", "val/f1_macro", "train_loss_epoch", "image")
h("key_dim", 64)
h("num_key_value_heads", 8)
h("key_projection", "separate_qkv_rotary_interleaved", "fused")
h("sort_key", "created_at", "metrics.val_accuracy_top1")
h("primary_key", "run_id", "sample_id,chromosome,position")
h("foreign_key", "experiments.experiment_id")
h("key_metric", "val_auroc_macro_average")
h("key_encoding", "rope_theta_500000", "sinusoidal")
h("public_key_size", 2048)
h("attention", {"query_key_norm": True, "key_padding_mask": "left", "kv_cache_dtype": "fp8_e4m3"})
h("password_policy_rows", 1200)
h(
    "task",
    "password-strength-classification",
    "secret-santa-matching",
    "credential-stuffing-detection",
)
h("dataset", "rockyou-passwords-dedup-2021", "secret-sharing-mpc-benchmark-v2")
h("experiment", "secretory-pathway-prediction", "secreted_protein_classifier")
h("gene_set", "HALLMARK_PROTEIN_SECRETION", "GO_REGULATION_OF_SECRETION")
h("auth", "none", None, False)
h("auth_method", "oidc", "kerberos", "ssh-agent")
h("author", "Vera Example", "A. N. Author and B. Other")
h("authors", ["Vera Example", "Ben Beispiel"])
h("api_key", None, "", "${OPENAI_API_KEY}", "$OPENAI_API_KEY")
h("password", None, "", "${DB_PASSWORD}", "{{ vault_db_password }}")
h("hf_token", None, True, "${oc.env:HF_TOKEN}", "$HF_TOKEN")
h("token", None, False, "[CLS]")
h("api_key_env", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
h("secret_name", "wandb-api-key")
h("secretKeyRef", {"name": "wandb-credentials", "key": "api-key"})
h("password_file", "secrets/db_password.txt")
h("credential_helper", "osxkeychain", "store")
h("credentials_provider", "ecs-task-role", "instance-metadata")
h("requires_token", True)
h("argv", ["train.py", "--use-cls-token", "--lr", "3e-4"])
h("argv", ["train.py", "--max-tokens", "4096", "--tokenizer", "gpt2"])
h("argv", ["train.py", "--num-key-value-heads=8", "--head-dim=128"])
h("argv", ["train.py", "--pad-token", "<pad>", "--cls-token", "[CLS]"])
h("argv", ["train.py", "--token-merging", "tome_r16_proportional", "--seed", "3"])
h("argv", ["sort", "-k", "2,2n", "-k", "3,3", "peaks.bed"])
h(
    "argv",
    ["aws", "s3", "sync", "s3://open-data/imagenet-c", "data/imagenet-c", "--no-sign-request"],
)
h("argv", ["pytest", "-q", "-p", "no:cacheprovider", "tests/unit"])
h("argv", ["mkdir", "-p", "runs/2026-01-02/seed3"])
h("argv", ["python", "-u", "train.py", "-p", "0.5"])
h(
    "argv",
    ["curl", "-L", "-o", "data/mnist.npz", "https://ossci-datasets.s3.amazonaws.com/mnist.npz"],
)
h("command", "docker run --gpus all -p 8888:8888 -u 1000:1000 vit:1.2.0 python train.py")
h("command", "kaggle competitions download -c titanic -p data")
h("command", "kaggle datasets download -d zynicide/wine-reviews --unzip")
h("command", "gsutil -m rsync -r gs://tfds-data/datasets/mnist data/mnist")
h("command", "huggingface-cli download Qwen/Qwen2.5-7B-Instruct --local-dir models/qwen")
h("command", "rclone copy lab:datasets/cells data/cells --transfers 16 --checkers 32")
h("command", "dvc pull -r origin data/cells.dvc")
h("command", "git clone https://github.com/huggingface/transformers.git --depth 1")
h("command", "git clone git@github.com:lab/vit.git")
h("command", "wandb login && python train.py", "docker login -u vera --password-stdin")
h("command", "wandb login --relogin", "huggingface-cli whoami", "wandb sync --sync-all")
h("command", "ssh -p 2222 -i keys/deploy login1 sbatch job.sh")
h("command", "torchrun --nproc_per_node=8 --rdzv_id=job7 --rdzv_backend=c10d train.py --bf16")
h("command", "accelerate launch --mixed_precision bf16 --num_processes 8 finetune.py")
h("command", "sbatch --export=ALL,SEED=3 --gres=gpu:a100:4 --time=12:00:00 job.sh")
h("command", "python train.py --wandb-key-file conf/key.txt --project vit")
h("command", "python train.py --api-key $OPENAI_API_KEY", "vllm serve m --api-key ${VLLM_KEY}")
h("command", "mpirun -np 64 ./lmp -in in.lj -sf gpu -pk gpu 1 -var temp 300")
h("command", "gmx mdrun -deffnm npt -ntmpi 4 -nb gpu -pme gpu -nsteps 500000")
h("command", "samtools view -b -q 30 -F 1804 sample.bam chr1:1000000-2000000")
h("command", "bcftools filter -e 'QUAL<20 || DP<10' calls.vcf.gz -Oz -o out.vcf.gz")
h("command", "nextflow run nf-core/rnaseq -r 3.14.0 -profile singularity --genome GRCh38")
h("command", "snakemake --cores 32 --use-conda -p results/qc/multiqc_report.html")
h("command", "python -m sb3.train --algo ppo --env HalfCheetah-v4 --n-timesteps 1000000")
h("command", "conda install -c conda-forge -c bioconda star=2.7.11a=h0033a41_0")
h("command", "cmake -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES=80;90 ..")
h("command", "curl -H 'Accept: application/json' -H 'X-Request-Id: 7' https://api.lab.org/v1/runs")

# --- harmless: hashes, identities, versions --------------------------------------------------

h("git_commit", hexa(40), hexa(40), hexa(7), hexa(12))
h("commit", hexa(40), hexa(40) + "-dirty")
h("git", {"commit": hexa(40), "branch": "main", "dirty": False, "tree": hexa(40)})
h("git_describe", "v1.4.2-17-g" + hexa(7), "v0.3.0-rc1-2-g" + hexa(9) + "-dirty")
h("sha256", hexa(64), hexa(64))
h("md5", hexa(32))
h("sha512", hexa(128))
h("digest", "sha256:" + hexa(64), "blake3:" + hexa(64))
h("checksum", {"algorithm": "sha1", "value": hexa(40)})
h("etag", '"' + hexa(32) + '"', '"' + hexa(32) + '-17"')
h("crc32", hexa(8))
h("image", "nvcr.io/nvidia/pytorch:24.05-py3", "ghcr.io/lab/vit@sha256:" + hexa(64))
h("image_digest", "sha256:" + hexa(64))
h("container", {"image": "docker.io/library/python:3.12-slim", "id": hexa(64)})
h("run_id", uuid(), low(8), "20260102-101500-" + hexa(6))
h("uuid", uuid(), uuid())
h("gpu_uuid", "GPU-" + uuid(), "MIG-" + uuid())
h("trace_id", hexa(32))
h("span_id", hexa(16))
h("mlflow_run_id", hexa(32))
h("wandb_run", "lab/vit/runs/" + low(8))
h("job_id", hexa(32), 1234567, "1234567_12")
h("dataset_fingerprint", hexa(16))
h("config_hash", hexa(32))
h("cache_key", hexa(64), "v3-linux-py312-" + hexa(64))
h("data_key", "train/images/000123.png")
h("lockfile", "numpy==2.1.0 --hash=sha256:" + hexa(64))
h("integrity", "sha512-" + b64(64), "sha256-" + b64(32))
h("revision", hexa(40), "refs/pr/12")
h("model_revision", "meta-llama/Llama-3.1-8B@" + hexa(40))
h("notes", "Reverted to " + hexa(40) + " because the loss diverged after epoch 3.")
h("notes", "checkpoint sha256 " + hexa(64) + " verified against the manifest")
h("tracker_url", "https://wandb.ai/lab/vit/runs/" + low(8))
h("tracker_url", "https://mlflow.lab.org/#/experiments/12/runs/" + hexa(32))
h("tracker_url", "https://app.neptune.ai/o/lab/org/vit/runs/details?viewId=standard-view&id=VIT-7")
h("tracker_url", "http://localhost:5000", "http://127.0.0.1:6006/#scalars")
h("tracker_url", "https://www.comet.com/lab/vit/" + hexa(32))
h("url", "https://github.com/lab/vit/commit/" + hexa(40))
h("url", "https://zenodo.org/records/1234567/files/data.tar.gz?download=1")
h("url", "https://arxiv.org/abs/2010.11929", "https://doi.org/10.1038/s41586-021-03819-2")
h("url", "https://ftp.ensembl.org/pub/release-110/fasta/homo_sapiens/dna/")
h(
    "url",
    "https://huggingface.co/datasets/allenai/c4/resolve/main/en/c4-train.00000-of-01024.json.gz",
)
h(
    "storage",
    "sqlite:///optuna.db",
    "s3://lab-models/vit/ckpt-7.pt",
    "gs://lab/vit",
    "redis://redis:6379/0",
)
h("storage", "postgresql://db:5432/optuna", "mongodb://mongo:27017/sacred")
h("remote", "git@github.com:lab/vit.git", "ssh://git@gitlab.lab.org:2222/lab/vit.git")
h("version", "2.4.1+cu121", "1.26.4", "3.12.3 (main, Apr 10 2024, 05:33:47) [GCC 13.2.0]")
h(
    "cuda",
    {"version": "12.4", "driver": "550.54.15", "cudnn": 90100, "device": "NVIDIA A100-SXM4-80GB"},
)
h("platform", "Linux-5.15.0-105-generic-x86_64-with-glibc2.35", "macOS-14.4-arm64-arm-64bit")
h("cpu", "AMD EPYC 7763 64-Core Processor", "Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz")
h("env", {"OMP_NUM_THREADS": "8", "CUDA_VISIBLE_DEVICES": "0,1,2,3", "NCCL_DEBUG": "INFO"})
h("env", {"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false", "LANG": "en_US.UTF-8"})
h("env", {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "gpu[01-04]", "SLURM_PROCID": "0"})
h("env", {"WANDB_PROJECT": "vit-small-ablation", "WANDB_MODE": "offline", "WANDB_ENTITY": "lab"})
h("env", {"HF_HUB_OFFLINE": "1", "HF_HUB_ENABLE_HF_TRANSFER": "1"})
h(
    "env",
    {"AWS_REGION": "eu-central-1", "AWS_PROFILE": "research", "AWS_EC2_METADATA_DISABLED": "true"},
)
h("env", {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0"})
h("env", {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "MKL_SERVICE_FORCE_INTEL": "1"})

# --- harmless: parameters and models ---------------------------------------------------------

h("model", "vit_small_patch16_224.augreg_in21k_ft_in1k", "resnet50d", "gpt-4o-2024-08-06")
h(
    "model",
    "claude-3-5-sonnet-20241022",
    "gemini-2.5-pro",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
)
h(
    "model",
    "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "TheBloke/Llama-2-13B-chat-GPTQ",
    "esm2_t36_3B_UR50D",
)
h("model", "EleutherAI/pythia-1.4b-deduped", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K")
h("model", "ft:gpt-4o-mini-2024-07-18:lab:cells:9xYzAbCd", "openai/whisper-large-v3-turbo")
h("backbone", "convnextv2_tiny.fcmae_ft_in22k_in1k_384", "swinv2_base_window12to24_192to384")
h("optimizer", {"name": "AdamW", "lr": 3e-4, "betas": [0.9, 0.95], "weight_decay": 0.1})
h("scheduler", "cosine_with_hard_restarts_and_warmup", "WarmupStableDecay")
h("lr", 1e-3, 0.0003, "3e-4")
h("seed", 0, 42, 20260731, 18446744073709551615)
h("loss", 0.12345678901234567, "cross_entropy_label_smoothing_0.1")
h("batch_size", 32, 4096)
h("activation", "SwiGLU", "gelu_pytorch_tanh", "relu6")
h("precision", "bf16-mixed", "fp8_e4m3fn", "torch.bfloat16")
h("quantization", "Q4_K_M", "awq-int4-g128", "GPTQ-Int4-128g-actorder_True")
h("lora", {"r": 16, "alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]})
h(
    "env_id",
    "ALE/MontezumaRevenge-v5",
    "HalfCheetah-v4",
    "MiniGrid-DoorKey-8x8-v0",
    "PongNoFrameskip-v4",
)
h("doorkey", "MiniGrid-KeyCorridorS3R3-v0")
h("reward", {"key_pickup": 0.1, "door_open": 0.5, "goal": 1.0})
h("replay", {"capacity": 1000000, "alpha": 0.6, "beta0": 0.4, "n_step": 3})
h("policy", "MultiInputLstmPolicy", "epsilon_greedy_1.0_to_0.05_over_1e6")
h(
    "dataset",
    "ImageNet-1k",
    "wikitext-103-raw-v1",
    "HuggingFaceFW/fineweb-edu",
    "GSE131907",
    "PRJNA672437",
)
h(
    "accession",
    "SRR12345678",
    "ENSG00000141510",
    "NM_000546.6",
    "GCA_000001405.29",
    "P04637",
    "7K00",
)
h("variant", "chr17:g.7674220C>T", "NM_007294.4:c.5266dupC", "rs1801133")
h("sequence", "MEEPQSDPSVEPPLSQETFSDLWKLLPENNVLSPLPSQAMDDLMLSPDDIEQWFTEDPGP")
h("primer", "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "CTGTCTCTTATACACATCT")
h("barcode", "AAACCTGAGAAACCAT-1", "TCGCCTTA+TAGATCGC")
h("smiles", "CC(=O)OC1=CC=CC=C1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C")
h("inchikey", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "RYYVLZVUVIJVGH-UHFFFAOYSA-N")
h("hamiltonian", "XXZ_delta0.5_L64_PBC", "-J*Sz_i*Sz_{i+1} - h*Sx_i")
h("potential", "PBE.dft-d3bj.kjpaw_psl.1.0.0.UPF", "lj/cut/coul/long 10.0")
h("particle", "pp->ttbar->l+jets, sqrt(s)=13 TeV, 139 fb^-1")
h("detector", "ATLAS_R3_2023_SIM-v12-04", "CMSSW_13_0_14")
h("global_tag", "130X_mcRun3_2023_realistic_v14", "OFLCOND-MC23-SDR-RUN3-07")
h("lhapdf", "NNPDF31_nnlo_as_0118_hessian_pdfas", "CT18NNLO")
h("grid", {"nx": 512, "ny": 512, "dt": 1e-4, "t_end": 12.5})
h(
    "hydra_overrides",
    ["model=vit_small", "optimizer.lr=3e-4", "+trainer.max_epochs=90", "seed=1,2,3"],
)
h("sweep", "lr=1e-3,1e-4 model.key_dim=32,64 model.use_cls_token=true,false")
h("metrics", {"val/acc": 0.8123, "val/tokens": 123456789, "perplexity": "NaN"})
h("prompt_template", "You are a helpful assistant. Answer with the option's letter only.")
h(
    "chat_template",
    "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}",
)
h("regex", r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)", r"'s|'t|'re| ?\p{L}+| ?\p{N}+|\s+(?!\S)")
h("transform", "RandAugment(n=2,m=9)+Mixup(0.8)+CutMix(1.0)")
h("shape", [3, 224, 224], "(B, T, H*D)")
h("timestamp", "2026-01-02T10:15:00.123456+00:00", 1767348900.123456)
h("duration", "PT1H23M45S", "01:23:45")
h("size", "123,456,789 bytes", "7.2GiB")
h("email_subject", "Run finished: vit-small / seed 3")
h("tags", ["baseline", "cls-token", "kv-cache", "secret-sharing", "paper-v2"])

# --- harmless: relative paths, files, prose --------------------------------------------------

h("config", "conf/model/vit_small.yaml", "../shared/conf.yaml", "./configs/sweep/lr.toml")
h("checkpoint", "runs/2026-01-02/seed3/ckpt/epoch=89-step=112500-val_acc=0.8123.ckpt")
h("checkpoint", "outputs/checkpoint-12000/model-00001-of-00004.safetensors")
h("data", "data/processed/train_v3.parquet", "data\\raw\\cells.h5", "data/GRCh38.p14/chr1.fa.gz")
h("script", "src/vit/tokenizers/key_value_tokenizer.py", "tests/test_password_field.py::test_empty")
h("glob", "data/**/shard-{000000..001023}.tar", "runs/*/metrics.json")
h(
    "module",
    "vit.models.attention.MultiHeadKeyValueAttention",
    "torch.optim.lr_scheduler.OneCycleLR",
)
h("notes", "Adding a class token helped by 0.4 points; mean pooling over tokens was worse.")
h("notes", "The key idea: share the key and value projections across heads.")
h("notes", "Secret sauce was just a longer warmup (10k steps) and lower weight decay.")
h(
    "notes",
    "Token throughput dropped from 51k to 38k tok/s after enabling activation checkpointing.",
)
h("notes", "Password-protected PDFs were skipped by the parser (312 files).")
h("notes", "The API key is read from the environment, never from the config.")
h("notes", "Token: the unit of text. We count tokens after BPE with 32k merges.")
h("notes", "We need a new token for the gated Llama repo; ask the admin.")
h("notes", "Loss spike at step 12,400 => restarted from ckpt 12,000 with lr 1.5e-4 and seed 7.")
h("notes", "Baseline (ResNet-50, 90 epochs, lr=0.1, wd=1e-4): top-1 = 76.13 %, top-5 = 92.86 %.")
h("notes", "See https://github.com/lab/vit/issues/17#issuecomment-1234567890 for the discussion.")
h("notes", "key: value stores were the bottleneck, so we moved the embeddings to LMDB.")
h("notes", "The credentials check now happens once per node and costs 30 ms.")
h("notes", "authorization: none needed for the public bucket")
h("notes", "Rewards became NaN at 1.2M steps; clip_range_vf=0.2 fixed it for Walker2d-v4.")
h("notes", "MCMC: 4 chains x 2000 draws, R-hat < 1.01, ESS > 400; divergences: 0.")
h("notes", "Sample S17_L003_R1_001 was swapped with S18_L003_R1_001; corrected in metadata v4.")
h("notes", "Agents solved 41/164 HumanEval+ problems in pass@1 with temperature=0.2.")
h("notes", "Ratio train/val/test = 80/10/10, stratified by patient and/or site.")
h("hypothesis", "Password-like strings in the corpus inflate perplexity of the token model.")
h(
    "hypothesis",
    "If the secret is drawn uniformly, the mutual information I(X;Y) stays below 0.1 bit.",
)
h("log", "Epoch 3/90 | loss 2.3456 | acc@1 51.23 | lr 9.97e-04 | 1234 img/s | mem 31.2G")
h("log", "wandb: Currently logged in as: vera (lab). Use `wandb login --relogin` to force relogin")
h("log", "Token is valid (permission: read). Login successful")
h("log", "Special tokens have been added in the vocabulary, make sure they are fine-tuned.")
h("log", "KeyError: 'model.layers.0.self_attn.k_proj.weight'")
h("log", "openai.AuthenticationError: the api_key client option must be set")
h("log", "NCCL INFO Channel 00/02 : 0 1 2 3 4 5 6 7 comm 0x55d0c8a3f2b0 rank 0 nranks 8")
h("cell", "import os\napi_key = os.environ['OPENAI_API_KEY']\nclient = OpenAI(api_key=api_key)\n")
h("cell", "token = tokenizer.convert_ids_to_tokens(ids)[0]\nprint(token)")
h("cell", "key, subkey = jax.random.split(key)\nx = jax.random.normal(subkey, (3,))")
h("cell", "password = getpass.getpass('Password: ')")
h("cell", "df.sort_values(by=['val_acc'], key=abs, ascending=False).head(10)")
h("cell", "with open('conf/model.yaml') as f:\n    cfg = yaml.safe_load(f)\n")
h("dockerfile", "FROM pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime\nWORKDIR app\nCOPY . .\n")
h(
    "dockerfile",
    "FROM python:3.12\nARG HF_TOKEN\nRUN --mount=type=secret,id=hf_token pip install x\n",
)
h(
    "k8s",
    "env:\n  - name: WANDB_API_KEY\n    valueFrom:\n      secretKeyRef:\n        name: wandb\n",
)
h("tf", 'variable "db_password" {\n  type      = string\n  sensitive = true\n}\n')
h("gha", "env:\n  HF_TOKEN: ${{ secrets.HF_TOKEN }}\n  SEED: 3\n")
h("ansible", "become_pass: '{{ vault_become_pass }}'\nforks: 10\n")
h(
    "sbatch",
    "#!/bin/bash\n#SBATCH --gres=gpu:4\n#SBATCH --time=12:00:00\nsrun python train.py --seed 3\n",
)
h("yaml", "model:\n  use_cls_token: true\n  pad_token_id: 0\n  key_dim: 64\n")
h("toml", '[model]\nname = "vit_small"\nnum_tokens = 197\nqk_norm = true\n')
h("json", '{"lr": 0.001, "tokens": 197, "key": "val_acc", "sha": "' + hexa(40) + '"}')
h("ci_variables", ["WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"])
h("ssh_fingerprint", "SHA256:" + b64(32).rstrip("="))
h("license", "Apache-2.0", "CC-BY-NC-SA-4.0")
h("license_server", "27000@flexlm.lab.org")
h("host", "gpu07.cluster.lab.org", "ip-10-0-3-4.eu-central-1.compute.internal")
h("arn", "arn:aws:s3:::lab-models/vit", "arn:aws:iam::123456789012:role/SageMakerExecution")
h("nodes", "gpu[01-04,07]", ["gpu01:4", "gpu02:4"])
h("orcid", "0000-0002-1825-0097")
h("doi", "10.5281/zenodo.1234567")
h("base_url", "https://api.openai.com/v1", "http://vllm.lab.org:8000/v1")
h("alphabet", string.ascii_letters, "ACDEFGHIKLMNPQRSTVWYBXZUO-.", "0123456789ABCDEF")
