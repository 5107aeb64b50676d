"""Blind test data: what research groups leak by accident, and what only looks like it.

Every token and password is made at import from a seeded generator; none stands in the source.
In a value, the mark "\N{SECTION SIGN}" stands for the secret and is replaced when added.
"""

import base64
import json
import random
import string

R = random.Random(70423)
SECRETS: list = []
HARMLESS: list = []

LOW, UP, DIG = string.ascii_lowercase, string.ascii_uppercase, string.digits
B62 = UP + LOW + DIG
URLSAFE = B62 + "-_"
STD64 = B62 + "+/"
HEX = "0123456789abcdef"
B32 = UP + "234567"
BECH = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
WORDS = [
    "heron",
    "maple",
    "canyon",
    "otter",
    "quartz",
    "saffron",
    "tundra",
    "velvet",
    "comet",
    "harbor",
    "pickle",
    "walnut",
    "zephyr",
    "cobalt",
    "lantern",
    "meadow",
    "badger",
    "turtle",
]


def rnd(alphabet, n):
    return "".join(R.choice(alphabet) for _ in range(n))


def mixed(n, alphabet=B62):
    """n characters with at least one lower, one upper and one digit."""
    while True:
        s = rnd(alphabet, n)
        if any(c in LOW for c in s) and any(c in UP for c in s) and any(c in DIG for c in s):
            return s


def b62(n):
    return mixed(n)


def u64(n):
    while True:
        s = mixed(n, URLSAFE)
        if s[0] in B62 and s[-1] in B62:
            return s


def s64(n):
    while True:
        s = mixed(n, STD64)
        if s[0] in B62 and s[-1] in B62:
            return s


def hx(n):
    while True:
        s = rnd(HEX, n)
        if any(c in "abcdef" for c in s) and any(c in DIG for c in s):
            return s


def lo36(n):
    while True:
        s = rnd(LOW + DIG, n)
        if any(c in LOW for c in s) and any(c in DIG for c in s):
            return s


def uuid():
    return "-".join([hx(8), hx(4), "4" + hx(3), R.choice("89ab") + hx(3), hx(12)])


def pw(n=16, marks="!%*-_=+.^~"):
    """A password as a manager makes it: starts and ends with a letter or digit."""
    while True:
        s = mixed(n, B62 + marks * 2)
        if s[0] in B62 and s[-1] in B62 and (not marks or any(c in marks for c in s)):
            return s


def human(style=0):
    """A password as people make it."""
    a, b = R.sample(WORDS, 2)
    y = str(R.randint(1971, 2024))
    if style == 0:
        return a.capitalize() + b.capitalize() + rnd(DIG[1:], 2) + R.choice("!#*")
    if style == 1:
        return a.replace("e", "3").replace("a", "4").replace("o", "0").capitalize() + "#" + y
    if style == 2:
        return "-".join([a, b, rnd(DIG[1:], 2), R.choice(WORDS)])
    if style == 3:
        return a.upper() + "_" + b + "_" + y
    if style == 4:
        return a + y + "$" + b.capitalize()
    return a.capitalize() + y + "!"


def enc(text):
    return base64.b64encode(text.encode()).decode()


def jwt(payload, sig=43):
    parts = [{"alg": "HS256", "typ": "JWT"}, payload]
    cut = [
        base64.urlsafe_b64encode(json.dumps(p, separators=(",", ":")).encode()).decode().rstrip("=")
        for p in parts
    ]
    return ".".join([*cut, u64(sig)])


def pem_lines(n, width=64):
    return [s64(width) for _ in range(n)]


def fill(v, secret):
    if isinstance(v, str):
        return v.replace("\N{SECTION SIGN}", secret)
    if isinstance(v, list):
        return [fill(x, secret) for x in v]
    if isinstance(v, dict):
        return {fill(k, secret): fill(x, secret) for k, x in v.items()}
    return v


def S(name, key, value, secret):
    SECRETS.append((name, key, fill(value, secret), secret))


def H(name, key, value):
    HARMLESS.append((name, key, value))


# ======================================================================================
# SECRETS: CI systems, forges
# ======================================================================================
S(
    "github classic token in a pip vcs url",
    "cmd",
    "pip install git+https://§@github.com/lab-x/solver.git@v0.4",
    "ghp_" + b62(36),
)
S(
    "github fine-grained token in env dict",
    "env",
    {"CI": "true", "GH_TOKEN": "§", "RUNNER_OS": "Linux"},
    "github_pat_" + b62(22) + "_" + b62(59),
)
S(
    "github actions server token in x-access-token remote",
    "origin",
    "https://x-access-token:§@github.com/lab-x/solver",
    "ghs_" + b62(36),
)
S(
    "github oauth token in hosts.yml",
    "hosts_yml",
    "github.com:\n    user: mkeller\n    oauth_token: §\n    git_protocol: https\n",
    "gho_" + b62(36),
)
S("github refresh token in a list without a name", "captured", ["ok", 200, "§"], "ghr_" + b62(76))
S(
    "gitlab pat in curl header",
    "fetch",
    "curl --header 'PRIVATE-TOKEN: §' https://gitlab.example.org/api/v4/projects/71/jobs",
    "glpat-" + u64(20),
)
S(
    "gitlab runner token in register call",
    "setup",
    "gitlab-runner register --non-interactive --url https://gitlab.example.org --token § "
    "--executor docker",
    "glrt-" + u64(20),
)
S(
    "gitlab deploy token in clone url",
    "repo_url",
    "https://gitlab+deploy-token-41:§@gitlab.example.org/sim/mesh.git",
    "gldt-" + u64(20),
)
S(
    "gitlab trigger token in form field",
    "trigger",
    "curl -X POST -F token=§ -F ref=main https://gitlab.example.org/api/v4/projects/9/trigger/"
    "pipeline",
    "glptt-" + hx(40),
)
S(
    "gitlab feed token in rss url",
    "feed",
    "https://gitlab.example.org/dashboard/projects.atom?feed_token=§",
    "glft-" + u64(20),
)
S(
    "jenkins api token with -u",
    "build_hook",
    "curl -u ci-bot:§ -X POST https://jenkins.example.org/job/nightly/build",
    "11" + hx(32),
)
S(
    "jenkins trigger token in query",
    "remote_trigger",
    "http://jenkins.example.org:8080/job/bench/buildWithParameters?token=§&SEED=4",
    b62(24),
)
S("circleci personal token", "CIRCLE_TOKEN", "§", "CCIPAT_" + b62(22) + "_" + hx(40))
S(
    "buildkite user token in python",
    "cell",
    'client = Buildkite()\nclient.set_access_token("§")\nclient.builds().list_all()',
    "bkua_" + hx(40),
)
S("codecov upload token flag", "after_success", "./codecov -t § -F unit -Z", uuid())
S(
    "sonar project token as -D property",
    "sonar",
    "mvn verify sonar:sonar -Dsonar.host.url=https://sonar.example.org -Dsonar.login=§",
    "sqp_" + hx(40),
)
S(
    "snyk token in yaml env",
    "workflow",
    "      - uses: snyk/actions/python@master\n        env:\n          SNYK_TOKEN: §\n",
    uuid(),
)
S(
    "azure devops pat in extraheader",
    "git_args",
    ["git", "-c", "http.extraheader=AUTHORIZATION: Basic §", "fetch"],
    enc(":" + lo36(52)),
)
S(
    "bitbucket app password in url",
    "submodule",
    "url = https://jmartin:§@bitbucket.org/lab/cfd-cases.git",
    "ATBB" + b62(32),
)
S(
    "atlassian api token in basic tuple",
    "cell",
    "r = requests.get(JIRA, auth=('bot@example.org', '§'))",
    "ATATT3xFfGF0" + u64(171) + "=" + rnd(HEX.upper(), 8),
)
S(
    "drone token exported",
    "profile",
    "export DRONE_SERVER=https://drone.example.org\nexport DRONE_TOKEN=§\n",
    b62(32),
)

# ---- infrastructure as code, clouds
S(
    "aws access key id in credentials ini",
    "aws_credentials",
    "[default]\naws_access_key_id = §\nregion = eu-west-1\n",
    "AKIA" + rnd(B32, 16),
)
S(
    "aws secret key in boto3 call",
    "cell",
    's3 = boto3.client("s3", aws_access_key_id=key_id,\n    aws_secret_access_key="§")',
    s64(40),
)
S(
    "aws secret via configure set",
    "bootstrap",
    "aws configure set aws_secret_access_key § --profile hpc",
    s64(40),
)
S(
    "aws session token in json text",
    "sts",
    '{"Credentials": {"SessionToken": "§", "Expiration": "2024-05-02T11:00:00Z"}}',
    "IQoJb3JpZ2luX2Vj" + s64(260) + "==",
)
S(
    "aws signature in presigned url",
    "weights_url",
    "https://bkt.s3.amazonaws.com/w.pt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
    "AKIAX&X-Amz-Date=20240311T101500Z&X-Amz-Expires=3600&X-Amz-Signature=§",
    hx(64),
)
S(
    "aws provider in terraform hcl",
    "main_tf",
    'provider "aws" {\n  region     = "us-east-2"\n  secret_key = "§"\n}\n',
    s64(40),
)
S("s3cmd flag", "upload", "s3cmd --secret_key=§ put out.tar s3://lab-results/", s64(40))
S(
    "minio alias positional pair",
    "mc",
    "mc alias set lab https://minio.example.org loader §",
    b62(40),
)
S(
    "fsspec storage options",
    "storage_options",
    {"client_kwargs": {"endpoint_url": "https://s3.example.org"}, "secret": "§"},
    s64(40),
)
S(
    "google api key in url",
    "geocode",
    "https://maps.googleapis.com/maps/api/geocode/json?latlng=48.1,11.5&key=§",
    "AIzaSy" + u64(33),
)
S(
    "google oauth client secret in json",
    "client_secret_json",
    {"installed": {"auth_uri": "https://accounts.google.com/o/oauth2/auth", "client_secret": "§"}},
    "GOCSPX-" + u64(28),
)
S(
    "google access token in bearer",
    "req",
    'gcurl -H "Authorization: Bearer §" https://storage.googleapis.com/storage/v1/b',
    "ya29." + u64(180),
)
S(
    "google refresh token in adc file",
    "adc",
    '{"type": "authorized_user", "refresh_token": "§"}',
    "1//0" + u64(98),
)
_L = pem_lines(6)
S(
    "google service account key, escaped newlines",
    "sa_json",
    '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\n'
    + "\\n".join(_L)
    + '\\n-----END PRIVATE KEY-----\\n"}',
    _L[2],
)
S(
    "azure storage connection string",
    "AZURE_STORAGE_CONNECTION_STRING",
    "DefaultEndpointsProtocol=https;AccountName=labstore;AccountKey=§;"
    "EndpointSuffix=core.windows.net",
    s64(86) + "==",
)
S(
    "azure sas signature",
    "azcopy",
    "azcopy copy ./out 'https://labstore.blob.core.windows.net/runs?sv=2022-11-02&ss=b&srt=co&"
    "sp=rwl&se=2024-09-01T00:00:00Z&sig=§'",
    s64(42).replace("+", "%2B").replace("/", "%2F") + "%3D",
)
S(
    "azure client secret in az login",
    "login",
    "az login --service-principal -u http://ci -p § --tenant example.org",
    b62(3) + "8Q~" + mixed(34, B62 + "_."),
)
S(
    "azure service bus shared access key",
    "bus",
    "Endpoint=sb://lab.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=§",
    s64(43) + "=",
)
S(
    "azure function code",
    "notify_url",
    "https://lab-fn.azurewebsites.net/api/notify?code=§",
    u64(54) + "==",
)
S(
    "digitalocean token in tfvars",
    "terraform_tfvars",
    'do_token = "§"\nregion = "fra1"',
    "dop_v1_" + hx(64),
)
S("hetzner token as TF_VAR", "cmd", "TF_VAR_hcloud_token=§ terraform apply -auto-approve", b62(64))
S(
    "terraform cloud token in tfrc",
    "terraformrc",
    'credentials "app.terraform.io" {\n  token = "§"\n}',
    b62(14) + ".atlasv1." + u64(67),
)
S(
    "tfstate nested output",
    "tfstate",
    {"outputs": {"db_password": {"sensitive": True, "type": "string", "value": "§"}}},
    pw(20),
)
S(
    "vault service token env",
    "env_lines",
    "VAULT_ADDR=https://vault:8200\nVAULT_TOKEN=§",
    "hvs." + u64(90),
)
S(
    "vault legacy header",
    "headers",
    {"X-Vault-Token": "§", "Accept": "application/json"},
    "s." + b62(24),
)
S(
    "vault approle secret id",
    "login_cmd",
    "vault write auth/approle/login role_id=sim secret_id=§",
    uuid(),
)
S("vault unseal key line", "init_log", "Unseal Key 3: §", s64(44))
S("pulumi token", "PULUMI_ACCESS_TOKEN", "§", "pul-" + hx(40))
S(
    "doppler token flag",
    "launch",
    "doppler run --token=§ -- python train.py",
    "dp.st.prd." + b62(40),
)
S("one-password service account", "op", "export OP_SERVICE_ACCOUNT_TOKEN='§'", "ops_eyJ" + b62(240))
S(
    "age secret key in sops file",
    "keys_txt",
    "# created: 2024-01-09T14:11:02Z\n# public key: age1placeholder\n§\n",
    "AGE-SECRET-KEY-1" + rnd(BECH, 58),
)
S("consul acl token", "consul", "consul kv get -token=§ sim/config", uuid())
S(
    "kubernetes service account jwt",
    "kubectl",
    "kubectl --token=§ get pods -n sim",
    jwt({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:sim:runner"}, 342),
)
S(
    "kubeconfig client key data",
    "kubeconfig",
    "users:\n- name: sim-admin\n  user:\n    client-key-data: §\n",
    enc("-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(pem_lines(5)) + "\n"),
)
S(
    "kubernetes secret stringData",
    "manifest",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  password: §\n",
    pw(22),
)
S(
    "kubernetes secret data base64",
    "manifest",
    {"kind": "Secret", "data": {"DB_PASSWORD": "§"}},
    enc(pw(18)),
)
S(
    "kubectl from-literal",
    "cmd",
    "kubectl create secret generic pg --from-literal=POSTGRES_PASSWORD=§",
    pw(17, "-_."),
)
S(
    "kubeadm join token",
    "join",
    "kubeadm join 10.0.0.4:6443 --token § --discovery-token-ca-cert-hash sha256:ab",
    lo36(6) + "." + lo36(16),
)
S(
    "docker swarm join token",
    "swarm",
    "docker swarm join --token § 192.168.65.3:2377",
    "SWMTKN-1-" + lo36(50) + "-" + lo36(25),
)
S(
    "helm set value",
    "deploy",
    "helm upgrade --install pg bitnami/postgresql --set auth.postgresPassword=§,image.tag=16",
    pw(18, "-_"),
)
S(
    "dockerfile env",
    "dockerfile",
    'FROM python:3.11-slim\nENV APP_SECRET_KEY=§\nCMD ["gunicorn"]',
    u64(50),
)
S("docker build arg", "build", "docker build --build-arg NEXUS_PASSWORD=§ -t sim:dev .", human(3))
S(
    "compose environment list item",
    "compose",
    {
        "services": {
            "db": {
                "image": "mariadb:11",
                "environment": ["MARIADB_DATABASE=sim", "MARIADB_ROOT_PASSWORD=§"],
            }
        }
    },
    pw(15),
)
S(
    "ansible inventory ssh pass",
    "inventory",
    "[gpu]\nnode17 ansible_user=ops ansible_ssh_pass='§' ansible_port=2222",
    human(0),
)
S(
    "ansible become password extra var",
    "play",
    'ansible-playbook site.yml -e "ansible_become_password=§ env=stage"',
    pw(14, "-_."),
)
S(
    "chef style ruby hash",
    "attributes",
    "default['sim']['db'] = { :user => 'sim', :password => '§' }",
    pw(19),
)
S(
    "puppet parameter arrow",
    "manifest_pp",
    "class { 'grafana':\n  version        => '10.1',\n  admin_password => '§',\n}",
    human(4),
)
S(
    "systemd environment line",
    "unit",
    '[Service]\nEnvironment="BROKER_PASSWORD=§"\nExecStart=/usr/bin/worker',
    pw(21),
)
S("cloudflare api token", "certbot_ini", "dns_cloudflare_api_token = §", u64(40))
S(
    "cloudflared tunnel token",
    "tunnel",
    "cloudflared tunnel --no-autoupdate run --token §",
    enc(json.dumps({"a": hx(32), "t": uuid(), "s": enc(rnd(B62, 32))})),
)
S(
    "tailscale auth key",
    "up",
    "tailscale up --authkey=§ --hostname robot-3",
    "tskey-auth-k" + b62(11) + "CNTRL-" + b62(32),
)
S("ngrok authtoken", "tunnels", "ngrok config add-authtoken §", "2" + b62(26) + "_" + b62(21))
S(
    "wireguard private key",
    "wg0_conf",
    "[Interface]\nAddress = 10.8.0.2/24\nPrivateKey = §\n\n[Peer]\nAllowedIPs = 0.0.0.0/0",
    s64(43) + "=",
)
S("fly deploy token", "deploy_env", {"FLY_API_TOKEN": "FlyV1 §"}, "fm2_lJPECAAAAA" + s64(180))
S("netlify token", "publish", "netlify deploy --prod --auth § --dir site", "nfp_" + b62(36))
S(
    "heroku api key in netrc",
    "netrc",
    "machine api.heroku.com\n  login ops@example.org\n  password §\n",
    "HRKU-" + uuid(),
)

# ---- package managers and registries
S(
    "npmrc auth token",
    "npmrc",
    "//registry.npmjs.org/:_authToken=§\nalways-auth=true",
    "npm_" + b62(36),
)
S(
    "npmrc legacy _auth",
    "npmrc",
    "registry=https://nexus.example.org/npm/\n_auth=§\n",
    enc("deploy:" + pw(20)),
)
S(
    "pypi token in pypirc",
    "pypirc",
    "[pypi]\nusername = __token__\npassword = §\n",
    "pypi-AgEIcHlwaS5vcmc" + u64(150),
)
S(
    "testpypi token to twine",
    "release",
    "twine upload -r testpypi -u __token__ -p § dist/*",
    "pypi-AgENdGVzdC5weXBpLm9yZw" + u64(140),
)
S(
    "pip index url with password",
    "requirements",
    "--extra-index-url https://reader:§@nexus.example.org/repository/pypi/simple\nnumpy==1.26",
    pw(16, "-_."),
)
S(
    "conda channel token url",
    "condarc",
    "channels:\n  - https://conda.anaconda.org/t/§/private-lab\n  - conda-forge\n",
    "la-" + uuid(),
)
S(
    "docker hub token on stdin",
    "login",
    "echo § | docker login -u labci --password-stdin",
    "dckr_pat_" + u64(27),
)
S(
    "docker config auth",
    "docker_config",
    {"auths": {"registry.example.org": {"auth": "§"}}},
    enc("pull:" + pw(18)),
)
S("cargo credentials toml", "cargo_credentials", '[registry]\ntoken = "§"', "cio" + b62(32))
S(
    "rubygems key in yaml with symbol key",
    "gem_credentials",
    "---\n:rubygems_api_key: §",
    "rubygems_" + hx(48),
)
S("nuget push", "push", "dotnet nuget push bin/Sim.1.0.nupkg -k § -s nuget.org", "oy2" + lo36(43))
S(
    "maven settings xml",
    "settings_xml",
    "<server><id>nexus</id><username>ci</username><password>§</password></server>",
    pw(18),
)
S(
    "gradle properties signing",
    "gradle_properties",
    "signing.keyId=24875D73\nsigning.password=§\norg.gradle.jvmargs=-Xmx2g",
    human(2),
)
S(
    "artifactory api key header",
    "wget",
    "wget --header='X-JFrog-Art-Api: §' https://art.example.org/models/big.bin",
    "AKCp8" + b62(68),
)
S("poetry http basic", "setup_cmd", "poetry config http-basic.lab ci-reader §", pw(15))
S(
    "composer auth json",
    "COMPOSER_AUTH",
    '{"http-basic": {"repo.example.org": {"username": "ci", "password": "§"}}}',
    pw(17),
)
S("uv index password variable", "UV_INDEX_LAB_PASSWORD", "§", human(5))

# ---- web hooks, chat, mail
S(
    "slack bot token in python call",
    "cell",
    "slack = WebClient('§'); slack.chat_postMessage(channel='#runs', text='done')",
    "xoxb-" + rnd(DIG[1:], 12) + "-" + rnd(DIG[1:], 13) + "-" + b62(24),
)
S(
    "slack app token in toml",
    "toml",
    'app_token = "§"  # socket mode',
    "xapp-1-A" + rnd(UP + DIG, 10) + "-" + rnd(DIG[1:], 13) + "-" + hx(64),
)
S(
    "slack user token in query",
    "history",
    "GET https://slack.com/api/conversations.history?token=§&channel=C024BE91L",
    "xoxp-" + "-".join(rnd(DIG[1:], 12) for _ in range(3)) + "-" + hx(32),
)
S(
    "slack incoming webhook",
    "notify",
    {"on_end": {"url": "https://hooks.slack.com/services/§", "emoji": ":tada:"}},
    "T" + rnd(UP + DIG, 8) + "/B" + rnd(UP + DIG, 10) + "/" + b62(24),
)
S(
    "discord webhook",
    "DISCORD_WEBHOOK_URL",
    "https://discord.com/api/webhooks/1089203344556677889/§",
    u64(68),
)
S(
    "discord bot token",
    "bot_config",
    {"prefix": "!", "bot_token": "§"},
    "MT" + b62(24) + "." + b62(6) + "." + u64(38),
)
S(
    "telegram bot url",
    "curl",
    "curl -s https://api.telegram.org/bot§/sendMessage -d chat_id=-100123 -d text=finished",
    rnd(DIG[1:], 10) + ":AA" + u64(33),
)
S(
    "telegram token constant",
    "source",
    'TELEGRAM_TOKEN: Final = "§"',
    rnd(DIG[1:], 9) + ":AA" + u64(33),
)
S("twilio auth token", "cell", 'Client(account_sid, auth_token="§").messages.create(to=me)', hx(32))
S(
    "sendgrid key in yaml",
    "mailer",
    "sendgrid:\n  api_key: '§'\n  from: runs@example.org",
    "SG." + u64(22) + "." + u64(43),
)
S(
    "mailgun key in curl user",
    "alert",
    "curl -s --user 'api:§' https://api.mailgun.net/v3/mg.example.org/messages -F text=hi",
    "key-" + hx(32),
)
S("mailchimp key", "mailchimp_api_key", "§", hx(32) + "-us14")
S("smtp url", "MAIL_DSN", "smtps://robot%40example.org:§@smtp.example.org:465", pw(14, "-_."))
S(
    "smtplib login",
    "cell",
    "srv = smtplib.SMTP_SSL('smtp.example.org')\nsrv.login('alerts@example.org', '§')",
    human(1),
)
S(
    "gmail app password with blanks",
    "notes_mail",
    "gmail app password for the alert account: §",
    " ".join(rnd(LOW, 4) for _ in range(4)),
)
S(
    "swaks auth password",
    "mailtest",
    "swaks --to a@example.org --server smtp.example.org --auth-user bot --auth-password §",
    pw(15),
)
S("msmtprc", "msmtprc", "account lab\nhost smtp.example.org\nuser bot\npassword §\n", pw(16))
S(
    "offlineimap remotepass",
    "offlineimaprc",
    "[Repository remote]\ntype = IMAP\nremoteuser = bot\nremotepass = §",
    human(2),
)
S("webhook signing secret", "stripe_webhook", {"endpoint_secret": "§"}, "whsec_" + b62(32))
S(
    "matrix access token",
    "matrix_notify",
    "homeserver: https://matrix.example.org\naccess_token: §\nroom: '!ab:example.org'",
    "syt_" + enc("runbot").rstrip("=") + "_" + b62(20) + "_" + b62(6),
)
S(
    "ntfy bearer",
    "ntfy",
    "curl -H 'Authorization: Bearer §' -d 'job done' https://ntfy.sh/lab",
    "tk_" + lo36(29),
)
S("pushover token and user form", "push_form", "token=§&message=epoch+40+done&priority=0", lo36(30))
S(
    "github hook secret in json config",
    "hook",
    {"config": {"url": "https://ci.example.org/hook", "content_type": "json", "secret": "§"}},
    hx(40),
)

# ---- databases and brokers
S(
    "postgres url",
    "DATABASE_URL",
    "postgresql+psycopg2://loader:§@db.example.org:5432/runs",
    pw(18, "-_.~"),
)
S(
    "postgres url with percent encoded password",
    "optuna_storage",
    "postgresql://opt:§@10.2.0.7/optuna",
    b62(6) + "%40" + b62(5) + "%23" + b62(3),
)
S(
    "libpq keyword dsn",
    "dsn",
    "host=db1 port=5432 dbname=sim user=loader password=§ sslmode=require",
    pw(16, "-_.!"),
)
S("pgpassword prefix", "dump", "PGPASSWORD='§' pg_dump -h db1 -U loader sim > sim.sql", human(4))
S("pgpass line", "pgpass", "db1.example.org:5432:sim:loader:§", pw(18, "-_."))
S("create role statement", "sql", "CREATE ROLE loader WITH LOGIN ENCRYPTED PASSWORD '§';", pw(16))
S("mysql glued -p", "import_cmd", "mysql -h db2 -u root -p§ runs < runs.sql", b62(14))
S(
    "mysqldump long option quoted",
    "backup",
    'mysqldump --user=bk --password="§" --all-databases',
    pw(16, "!*-_"),
)
S("my.cnf client section", "my_cnf", '[client]\nuser=bk\npassword="§"\n', pw(17))
S(
    "identified by",
    "sql_log",
    "2024-02-01 09:12:44 Query GRANT ALL ON sim.* TO 'sim'@'%' IDENTIFIED BY '§'",
    human(0),
)
S(
    "mongodb srv url",
    "mongo_uri",
    "mongodb+srv://sacred:§@cluster0.ab1cd.mongodb.net/sacred?retryWrites=true",
    pw(16, "-_"),
)
S("mongosh flag", "shell", ["mongosh", "--username", "admin", "--password", "§", "sim"], pw(15))
S(
    "redis url without user",
    "broker",
    {"celery": {"result_backend": "redis://:§@cache:6379/1"}},
    b62(32),
)
S("redis-cli -a", "flush", "redis-cli -h cache -a § FLUSHDB", b62(20))
S("redis requirepass", "redis_conf", "bind 127.0.0.1\nrequirepass §\nappendonly yes", b62(28))
S("amqp url in log", "log", "[INFO] kombu: Connected to amqp://worker:§@mq:5672//sim", pw(14, "-_"))
S(
    "odbc connection string",
    "odbc",
    "Driver={ODBC Driver 18 for SQL Server};Server=tcp:sql1,1433;Database=sim;Uid=loader;Pwd={§};",
    pw(18),
)
S(
    "jdbc query",
    "jdbc_url",
    "jdbc:mysql://db2:3306/sim?user=loader&password=§&useSSL=true",
    pw(14, "-_."),
)
S("jdbc oracle thin", "jdbc_thin", "jdbc:oracle:thin:scott/§@//ora1:1521/ORCL", b62(12))
S("sqlplus easy connect", "sqlplus", "sqlplus -s loader/§@ora1:1521/SIM @load.sql", b62(12))
S("sqlcmd -P", "query", "sqlcmd -S sql1 -U sa -P '§' -Q 'select 1'", pw(16, "!*-_"))
S(
    "influx token",
    "influx",
    '[outputs.influxdb_v2]\nurls = ["http://influx:8086"]\ntoken = "§"\nbucket = "robots"',
    u64(86) + "==",
)
S("neo4j tuple", "cell", 'GraphDatabase.driver("bolt://kg:7687", auth=("neo4j", "§"))', human(5))
S("neo4j auth env", "NEO4J_AUTH", "neo4j/§", human(3))
S(
    "elastic basic auth",
    "es",
    "Elasticsearch('https://es:9200', basic_auth=('elastic', '§'))",
    mixed(20, B62 + "*=+"),
)
S(
    "snowflake connect kwargs",
    "cell",
    "snowflake.connector.connect(user='SIM', account='xy123', password='§', warehouse='WH')",
    pw(15),
)
S(
    "planetscale password",
    "ps",
    {"host": "aws.connect.psdb.cloud", "password": "§"},
    "pscale_pw_" + u64(43),
)
S(
    "databricks token in cfg",
    "databrickscfg",
    "[DEFAULT]\nhost = https://adb-1.azuredatabricks.net\ntoken = §",
    "dapi" + hx(32),
)
S("mosquitto password", "mqtt", "mosquitto_pub -h broker -u arm1 -P § -t lab/state -m on", b62(16))
S(
    "kafka jaas config",
    "sasl_jaas_config",
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="sim" password="§";',
    pw(20),
)
S(
    "spring yaml nested",
    "application_yml",
    "spring:\n  datasource:\n    url: jdbc:postgresql://db1/sim\n    password: §\n",
    pw(18),
)
S(
    "django settings",
    "settings_py",
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql', 'PASSWORD': '§'}}",
    pw(16),
)
S(
    "django secret key",
    "settings_key",
    "SECRET_KEY = 'django-insecure-§'",
    mixed(50, LOW + UP + DIG + "@#%^&*(-_=+)"),
)
S(
    "web.config connection string",
    "web_config",
    '<add name="Sim" connectionString="Data Source=sql1;User ID=sim;Password=§;" />',
    pw(16, "!*-_"),
)

# ---- ssh, remote access, network, proxies
_L = pem_lines(7, 70)
S(
    "openssh private key",
    "id_ed25519",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "\n".join(_L) + "\n-----END OPENSSH PRIVATE KEY-----",
    _L[3],
)
_L = pem_lines(8)
S(
    "rsa key within a notebook cell",
    "cell",
    'KEY = """-----BEGIN RSA PRIVATE KEY-----\n'
    + "\n".join(_L)
    + '\n-----END RSA PRIVATE KEY-----"""\nssh.connect(host, pkey=load(KEY))',
    _L[4],
)
_L = pem_lines(5)
S(
    "pgp private block",
    "keyring",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n"
    + "\n".join(_L)
    + "\n=aB3d\n-----END PGP PRIVATE KEY BLOCK-----",
    _L[1],
)
_L = pem_lines(2)
S(
    "ec key as list of lines",
    "tls",
    {"key": ["-----BEGIN EC PRIVATE KEY-----", *_L, "-----END EC PRIVATE KEY-----"]},
    _L[0],
)
S(
    "putty private lines",
    "ppk",
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n§\nPrivate-MAC: 00",
    s64(47) + "=",
)
S("sshpass -p", "copy", "sshpass -p '§' scp out.h5 ops@node4:", human(0))
S(
    "paramiko connect",
    "cell",
    "c.connect('node4', username='ops', password=\"§\", timeout=5)",
    human(1),
)
S(
    "fabric connect kwargs",
    "fabric",
    {"connect_kwargs": {"passphrase": "§"}, "user": "ops"},
    human(2),
)
S("plink -pw", "win_cmd", "plink.exe -batch -pw § ops@node4 squeue", pw(13, "-_."))
S("expect send", "expect", 'expect "assword:"\nsend "§\\r"\ninteract', pw(14, "-_."))
S("sudo -S", "sudo", "echo '§' | sudo -S systemctl restart slurmd", human(5))
S("chpasswd", "useradd", "echo 'student:§' | chpasswd", human(1))
S("https proxy with login", "https_proxy", "http://p.lang:§@proxy.example.org:3128", pw(12, "-_."))
S(
    "proxy-user flag",
    "get",
    "curl -x proxy:8080 --proxy-user plang:§ -O https://example.org/d.zip",
    b62(12),
)
S(
    "proxy authorization header",
    "raw_request",
    "CONNECT example.org:443 HTTP/1.1\r\nProxy-Authorization: Basic §\r\n\r\n",
    enc("plang:" + pw(12)),
)
S("apt auth conf", "apt_auth", "machine apt.example.org login lab password §", b62(18))
S(
    "wget ftp password",
    "mirror",
    "wget -r --ftp-user=guest7 --ftp-password=§ ftp://ftp.example.org/",
    human(3),
)
S(
    "lftp user comma pass",
    "lftp",
    "lftp -u lab,§ sftp://store.example.org -e 'mirror out; bye'",
    b62(15),
)
S("smbclient percent", "smb", "smbclient //nas1/runs -U 'LAB\\\\keller%§' -c 'put a.h5'", b62(13))
S(
    "cifs mount option",
    "mount_cmd",
    "mount -t cifs //nas1/runs mnt -o username=lab,password=§,vers=3.0",
    pw(14, "-_."),
)
S("rdp slash p", "rdp", "xfreerdp /v:win7 /u:lab /p:§ /cert:ignore", pw(13, "-_!"))
S("net use", "net", "net use Z: \\\\nas1\\runs § /user:LAB\\keller", human(0))
S("ldapsearch -w", "ldap", "ldapsearch -x -D cn=admin,dc=lab -w § -b dc=lab", pw(13, "-_"))
S("ldap bindpw", "nslcd_conf", "uri ldap://ldap1/\nbinddn cn=proxy,dc=lab\nbindpw §", b62(16))
S("wpa supplicant psk", "wpa", 'network={\n  ssid="robotlab"\n  psk="§"\n}', human(2))
S("nmcli wifi", "wifi", 'nmcli dev wifi connect RobotLab password "§"', human(1))
S(
    "ipmitool -P",
    "bmc",
    "ipmitool -I lanplus -H bmc4 -U ADMIN -P § chassis power cycle",
    rnd(UP, 10) + rnd(DIG, 3),
)
S(
    "snmpwalk auth and priv",
    "snmp",
    "snmpwalk -v3 -u mon -l authPriv -a SHA -A § sw1 ifTable",
    pw(14, "-_"),
)
S("radius secret", "radius", "client switch1 {\n  ipaddr = 10.0.0.9\n  secret = §\n}", b62(24))
S("openssl passin", "sign", "openssl rsa -in k.pem -passin pass:§ -out k2.pem", pw(14, "-_."))
S("keytool storepass", "keystore", "keytool -list -keystore app.jks -storepass §", b62(14))
S("gpg passphrase", "decrypt", "gpg --batch --passphrase '§' -d data.gpg > data.tar", human(2))
S("zip -P", "pack", "zip -r -P § patients.zip out/", b62(14))
S("seven zip glued", "pack7", "7z a -p§ -mhe=on out.7z results", b62(16))
S("borg passphrase", "BORG_PASSPHRASE", "§", human(2))
S("rclone conf pass", "rclone_conf", "[store]\ntype = sftp\nuser = lab\npass = §", u64(38))
S("htpasswd -b", "web_auth", "htpasswd -bc .htpasswd viewer §", human(3))
S("htpasswd hash line", "htpasswd", "viewer:$apr1$§", b62(8) + "$" + b62(22))
S(
    "shadow hash",
    "cloud_init",
    "users:\n  - name: ops\n    passwd: $6$§\n",
    b62(16) + "$" + s64(86).replace("+", "."),
)
S("kinit pipe", "kinit", "printf '%s' '§' | kinit sim@LAB.EXAMPLE.ORG", pw(15))
S(
    "nbserver token url",
    "jupyter_log",
    "[I 10:11:12 ServerApp] http://node17:8888/lab?token=§",
    hx(48),
)
S("jupyter password config", "jupyter_config", "c.ServerApp.token = '§'", b62(24))
S("vnc password option", "vnc", "x11vnc -display :1 -passwd § -forever", b62(8))

# ---- mobile, robotics, payment, SaaS
S(
    "android signing config",
    "build_gradle",
    'signingConfigs { release { storePassword "§"\n keyAlias "upload" } }',
    pw(15),
)
S(
    "fcm server key header",
    "fcm",
    {"headers": ["Authorization: key=§"]},
    "AAAA" + u64(7) + ":APA91b" + u64(134),
)
S("apns p8 key", "p8", "-----BEGIN PRIVATE KEY-----\n" + "§\n-----END PRIVATE KEY-----", s64(64))
S("expo token", "EXPO_TOKEN", "§", u64(40))
S(
    "fastlane match password",
    "fastlane",
    'MATCH_PASSWORD="§" bundle exec fastlane match appstore',
    human(2),
)
S(
    "robot login in launch xml",
    "launch",
    '<node pkg="cam" type="rtsp" name="cam"><param name="password" value="§"/></node>',
    human(0),
)
S(
    "rtsp camera url",
    "camera_url",
    "rtsp://admin:§@192.168.1.64:554/Streaming/Channels/101",
    b62(10),
)
S(
    "boston style robot prose",
    "lab_notes",
    "Spot tablet: user admin, password: § (changed after the demo)",
    lo36(12),
)
S(
    "stripe live secret in curl user",
    "charge",
    "curl https://api.stripe.com/v1/charges -u §: -d amount=2000",
    "sk_live_" + b62(24),
)
S("stripe restricted key in ruby", "initializer", "Stripe.api_key = '§'", "rk_live_" + b62(99))
S("square access token", "square", {"env": "production", "accessToken": "§"}, "EAAA" + u64(60))
S("braintree token", "gateway", "gateway: §", "access_token$production$" + lo36(16) + "$" + hx(32))
S(
    "paypal oauth basic",
    "paypal",
    "curl -u AbClientId:§ -d grant_type=client_credentials "
    "https://api-m.paypal.com/v1/oauth2/token",
    "E" + u64(79),
)
S("shopify admin token", "shop_headers", "X-Shopify-Access-Token: §", "shpat_" + hx(32))
S(
    "airtable token",
    "airtable",
    "Api('§').table('appX', 'Samples').all()",
    "pat" + b62(14) + "." + hx(64),
)
S("notion token", "notion", {"auth": "§", "notionVersion": "2022-06-28"}, "ntn_" + b62(46))
S("linear key", "linear", "Authorization: §", "lin_api_" + b62(40))
S(
    "postman key",
    "newman",
    "newman run https://api.getpostman.com/collections/1?apikey=§",
    "PMAK-" + hx(24) + "-" + hx(34),
)
S("figma token", "figma", "X-Figma-Token=§", "figd_" + u64(40))
S("dropbox short token", "dbx", "dbx = dropbox.Dropbox('§')", "sl." + u64(136))
S(
    "mapbox secret token",
    "tiles",
    "mapbox://upload?access_token=§",
    "sk.eyJ1IjoibGFiIiwiYSI6" + b62(30) + "." + u64(22),
)
S("facebook page token", "fb", "graph.facebook.com/v18.0/me?access_token=§", "EAAC" + b62(150))
S(
    "twitter bearer",
    "tweepy",
    "tweepy.Client(bearer_token='§')",
    "AAAAAAAAAAAAAAAAAAAAA" + b62(30) + "%2B" + b62(30) + "%3D" + b62(28),
)
S(
    "newrelic user key",
    "nr",
    "newrelic profile add --profile lab --apiKey § --region EU",
    "NRAK-" + rnd(UP + DIG, 27),
)
S(
    "datadog key env",
    "agent_cmd",
    "docker run -e DD_API_KEY=§ -e DD_SITE=datadoghq.eu datadog/agent:7",
    hx(32),
)
S(
    "grafana service account",
    "grafana",
    "curl -H 'Authorization:Bearer §' http://graf:3000/api/org",
    "glsa_" + b62(32) + "_" + hx(8),
)
S(
    "sentry auth token",
    "sentryclirc",
    "[auth]\ntoken=§",
    "sntrys_" + enc('{"iat":1700000000.1}') + "_" + s64(43),
)
S("splunk hec", "hec", {"Authorization": "Splunk §"}, uuid())
S(
    "honeycomb otel headers",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "x-honeycomb-team=§,x-dataset=sim",
    b62(22),
)

# ---- machine learning services
S(
    "hugging face token in login",
    "cell",
    "from huggingface_hub import login; login('§')",
    "hf_" + mixed(34, UP + LOW + "0123"),
)
S(
    "hugging face in git url",
    "clone",
    "git clone https://kim:§@huggingface.co/lab/llm-7b",
    "hf_" + b62(34),
)
S("wandb key by name", "WANDB_API_KEY", "§", hx(40))
S("wandb login positional", "login_cmd", "wandb login --relogin §", hx(40))
S(
    "openai project key",
    "openai",
    {"model": "gpt-4o", "api_key": "§", "max_tokens": 256},
    "sk-proj-" + u64(74) + "T3BlbkFJ" + u64(74),
)
S(
    "openai legacy key in comment",
    "snippet",
    '# openai.api_key = "§"  TODO remove',
    "sk-" + b62(20) + "T3BlbkFJ" + b62(20),
)
S(
    "anthropic key in x-api-key",
    "headers",
    ["content-type: application/json", "x-api-key: §"],
    "sk-ant-api03-" + u64(93) + "AA",
)
S("replicate token", "rep", "REPLICATE_API_TOKEN=§ cog run predict", "r8_" + b62(37))
S("groq key in json5", "json5", "{provider: 'groq', apiKey: '§', stream: true,}", "gsk_" + b62(52))
S(
    "openrouter key in litellm yaml",
    "litellm",
    "- model_name: big\n  litellm_params: {model: openrouter/x, api_key: §}",
    "sk-or-v1-" + hx(64),
)
S(
    "nvidia ngc key",
    "nim",
    "docker run --gpus all -e NGC_API_KEY=§ nvcr.io/nim/x:1",
    "nvapi-" + u64(64),
)
S("kaggle json", "kaggle", '{"username":"mkeller","key":"§"}', hx(32))
S("langsmith", "trace", "LANGCHAIN_API_KEY: §", "lsv2_pt_" + hx(32) + "_" + hx(10))
S("pinecone", "index", "Pinecone(api_key='§', pool_threads=8)", "pcsk_" + b62(5) + "_" + b62(63))
S(
    "neptune token",
    "neptune",
    "neptune.init_run(project='lab/sim', api_token='§')",
    enc(json.dumps({"api_address": "https://app.neptune.ai", "api_key": uuid()})),
)
S(
    "clearml conf hocon",
    "clearml_conf",
    'api {\n  credentials {"access_key" = "x", "secret_key" = "§"}\n}',
    b62(50),
)
S(
    "mlflow tracking password",
    "env",
    {"MLFLOW_TRACKING_PASSWORD": "§", "MLFLOW_TRACKING_USERNAME": "kim"},
    pw(16),
)
S("prefect key", "prefect", "prefect cloud login -k § -w lab/sim", "pnu_" + b62(36))
S(
    "zenodo token query",
    "deposit",
    "requests.post('https://zenodo.org/api/deposit/depositions?access_token=§', json={})",
    b62(60),
)
S(
    "comet in hydra override",
    "overrides",
    ["trainer.max_epochs=4", "logger.comet.api_key=§"],
    b62(25),
)
S("argparse namespace", "args", "Namespace(lr=0.001, db_password='§', seed=3)", human(0))
S("azure openai in api-key header", "request_headers", {"api-key": "§"}, hx(32))

# ---- headers, cookies, urls in general
S(
    "bearer jwt in log",
    "log",
    "DEBUG urllib3 send: b'GET /jobs HTTP/1.1\\r\\nauthorization: bearer §'",
    jwt({"sub": "sim", "exp": 1712345678}),
)
S("bare jwt in a list", "seen", ["200", "§"], jwt({"uid": 41, "role": "ops"}))
S("basic header", "auth_header", "Authorization: Basic §", enc("lab:" + pw(14)))
S(
    "cookie session",
    "curl",
    "curl -b 'sessionid=§; theme=dark' https://portal.example.org/jobs",
    lo36(32),
)
S(
    "set-cookie",
    "response",
    {"Set-Cookie": "connect.sid=§; Path=/; HttpOnly"},
    "s%3A" + u64(32) + "." + s64(43).replace("+", "%2B").replace("/", "%2F"),
)
S(
    "oauth code exchange body",
    "post_body",
    "grant_type=refresh_token&client_id=sim&client_secret=§&scope=openid",
    u64(40),
)
S(
    "ftp url in wget list",
    "inputs",
    ["https://example.org/a.nc", "ftp://lab:§@ftp.example.org/b.nc"],
    b62(11),
)
S(
    "webdav url in text",
    "readme",
    "Data are at https://share:§@cloud.example.org/dav/runs (read only)",
    pw(13, "-_."),
)
S(
    "cloudfront signature",
    "video",
    "https://d1.cloudfront.net/v.mp4?Expires=1712&Key-Pair-Id=K2&Signature=§",
    u64(170) + "~~",
)
S(
    "gcs signed url",
    "signed",
    "https://storage.googleapis.com/b/o?X-Goog-Expires=900&X-Goog-Signature=§",
    hx(256),
)
S(
    "soap security",
    "soap",
    "<wsse:Username>sim</wsse:Username><wsse:Password>§</wsse:Password>",
    pw(16),
)

# ---- other notations and prose
S("ini with colon and quotes", "ini", "[auth]\nPassWord : '§'\n", pw(17))
S("properties dotted", "properties", "app.name=sim\napp.admin.passwd=§\n", pw(14))
S("powershell securestring", "ps1", "$p = ConvertTo-SecureString '§' -AsPlainText -Force", pw(15))
S("windows set", "bat", "@echo off\r\nset API_SECRET=§\r\npython run.py", b62(32))
S("powershell env", "ps_env", '$env:LAB_API_TOKEN = "§"', b62(36))
S("fish", "fish", "set -gx LAB_SECRET §", b62(30))
S("csh setenv", "cshrc", "setenv LICENSE_PASSWORD §", human(3))
S("R setenv", "rprofile", "Sys.setenv(REDCAP_API_TOKEN = \"§\", TZ = 'UTC')", rnd(HEX.upper(), 32))
S("julia env", "startup_jl", 'ENV["JULIA_PKG_TOKEN"] = "§"', b62(28))
S("matlab weboptions", "matlab", "opt = weboptions('Username','lab','Password','§');", human(4))
S("go struct", "main_go", 'cfg := Config{User: "sim", Password: `§`, Port: 5432}', pw(17))
S("rust const", "lib_rs", 'const API_KEY: &str = "§";', b62(40))
S("php define", "wp_config", "define( 'AUTH_SALT', '§' );", pw(64, "!#%*-_=+.^~|"))
S("lua table", "lua", "return { host = 'db1', password = [[§]], pool = 4 }", pw(15))
S("plist", "plist", "<key>APIKey</key>\n<string>§</string>", b62(32))
S("cmake define", "cmake", "cmake -DLICENSE_TOKEN=§ -DCMAKE_BUILD_TYPE=Release ..", b62(26))
S("slurm export", "sbatch", "#SBATCH --gres=gpu:1\nexport REMOTE_PASSWD=§\nsrun ./sim", human(1))
S(
    "nextflow tower",
    "nextflow_config",
    "tower {\n  accessToken = '§'\n  enabled = true\n}",
    enc('{"tid": 8123}.' + hx(40)),
)
S("json string in json string", "payload", '{"cfg": "{\\"password\\": \\"§\\"}"}', pw(15, "-_.!"))
S(
    "prose password is",
    "note",
    "For the beamline PC the password is §, ask Ana before changing it.",
    human(0),
)
S("prose german", "notiz", "Zugang zum Messrechner: Benutzer messung, Passwort: §", human(5))
S("prose french", "remarque", "Le mot de passe du serveur est « § ».", human(1))
S("prose spanish", "nota", "usuario: operador, contraseña: §", human(4))
S("prose pwd short", "todo", "gpu-box login: kim / pwd: §", human(3))
S(
    "prose temporary token",
    "message",
    "Here is the API token until Friday: `§`. Don't share it.",
    b62(40),
)
S("license key", "license_key", "§", "-".join(rnd(UP + DIG, 5) for _ in range(5)))
S("token as dict key", "rate_limits", {"§": {"remaining": 4998}, "window": 3600}, "ghu_" + b62(36))
S("totp seed in otpauth url", "totp", "otpauth://totp/Lab:ops?secret=§&issuer=Lab", rnd(B32, 32))
S("camel case nested deep", "cfg", {"a": [{"b": {"dbRootPassword": "§"}}]}, pw(20))
S("encryption key hex by name", "fernet", {"ENCRYPTION_KEY": "§"}, u64(43) + "=")
S("bip39 like seed phrase", "wallet", 'mnemonic: "§"', " ".join(R.sample(WORDS, 12)))
S("ethereum private key", "deployer", "PRIVATE_KEY=0x§", hx(64))
S(
    "git credential fill output",
    "git_out",
    "protocol=https\nhost=git.example.org\nusername=kim\npassword=§\n",
    pw(16),
)
S("git-credentials store", "git_credentials", "https://kim:§@git.example.org\n", b62(20))
S(
    "traceback with access denied dsn",
    "stderr",
    "sqlalchemy.exc.OperationalError: could not connect with 'mysql://root:§@db2/sim'",
    b62(14),
)

# ======================================================================================
# SECRETS: paths of people and machines. The secret is the part that tells.
# ======================================================================================
# ---- bare and structured
S("linux home bare", "out_dir", "§/runs/2024-03-01", "/home/mkeller")
S("linux home, trailing slash", "workdir", "§/", "/home/a.ivanova")
S("mac home", "checkpoint", "§/Code/sim/ckpt/last.pt", "/Users/janedoe")
S("mac home with blank", "figure", "§/fig 2.pdf", "/Users/anna/Documents/PhD thesis/plots")
S("windows home", "data_root", "§\\Data\\set1", "C:\\Users\\Keller")
S("windows home forward slashes", "config_path", "§/cfg/base.yaml", "C:/Users/t.nguyen")
S("windows other drive", "project", "§\\main.py", "D:\\Projects\\keller\\robot_arm")
S("windows lower drive", "matlab_root", "§\\toolbox", "e:\\lab\\students\\kim")
S("windows extended prefix", "long_path", "\\\\?\\§\\very\\long.bin", "C:\\Users\\Keller\\deep")
S(
    "windows name with blank",
    "dll",
    "§\\AppData\\Local\\Programs\\sim.dll",
    "C:\\Users\\Maria Lopez",
)
S("windows onedrive", "xlsx", "§\\OneDrive - Univ\\results.xlsx", "C:\\Users\\p.lang")
S("unc share", "raw", "§\\scan7.tif", "\\\\nas01\\microscopy\\keller")
S("unc administrative share", "bk", "§\\backup", "\\\\WS-LAB-12\\d$\\exports")
S(
    "unc forward slashes",
    "samba",
    {"mount": {"device": "§", "fstype": "cifs"}},
    "//fileserver2/imaging/raw",
)
S("root home", "cwd", "§/train.py", "/root/experiments")
S(
    "var folders temp",
    "tmp",
    "§/tmp8k2_x1/model.pkl",
    "/private/var/folders/7w/k3x9c1d55dz_2mxx3kqb1w4c0000gn/T",
)
S("tmp with user name", "ray_tmp", {"temp_dir": "§/session_latest"}, "/tmp/ray_mkeller")
S("windows temp", "TEMP", "§", "C:\\Users\\KELLER~1\\AppData\\Local\\Temp")
S("run user", "XDG_RUNTIME_DIR", "§", "/run/user/10482")
S("list of folders", "inputs", ["ref.fa", "§/reads_1.fq.gz"], "/home/bioinf/keller/reads")
S("nested dict", "hydra", {"runtime": {"cwd": "§", "version": "1.3"}}, "/home/sofia/projects/nerf")
S("path as dict key", "sizes", {"§/a.npy": 1024, "total": 1024}, "/home/omar/cache")
S("posixpath repr", "args", "Namespace(out=PosixPath('§/o'), n=3)", "/home/lee/runs")
S("windowspath repr", "argrepr", "WindowsPath('§/o.csv')", "C:/Users/Admin01/Desktop")
S(
    "json escaped windows path in string",
    "vscode",
    '{"python.defaultInterpreterPath": "§\\\\python.exe"}',
    "C:\\\\Users\\\\keller\\\\venv",
)

# ---- clusters
S("gpfs scratch", "scratch", "§/job_81", "/gpfs/scratch/userexternal/mkeller00")
S("lustre project", "dataset_dir", "§/imagenet", "/lustre/project/p_200123/vision")
S("nersc pscratch", "restart", "§/rst.0004.h5", "/pscratch/sd/m/mkeller")
S("nersc home", "SBATCH_OUTPUT", "§/slurm-%j.out", "/global/homes/m/mkeller")
S("nersc cfs", "mesh", "§/mesh.exo", "/global/cfs/cdirs/m1234/keller")
S("tacc work", "WORK", "§/stampede2", "/work2/01234/mkeller")
S("olcf orion", "outdir", "§/xgc", "/lustre/orion/phy122/scratch/keller")
S("juelich", "model_dir", "§/ckpt", "/p/scratch/hai_lab/keller1")
S("compute canada", "venv", "source §/ENV/bin/activate", "/project/def-profx/mkeller")
S("stanford oak", "bids", "§/sub-01", "/oak/stanford/groups/profx/keller")
S("cern afs", "afs_dir", "§/public", "/afs/cern.ch/user/m/mkeller")
S("cern eos", "root_file", "root://eosuser.cern.ch/§/ntuple.root", "/eos/user/m/mkeller")
S("kit hkfs", "ws", "§/llm", "/hkfs/work/workspace/scratch/ab1234-pretrain")
S("lrz dss", "home", "§", "/dss/dsshome1/lxc05/ab12cde")
S("imperial rds", "rds", "§/ephemeral/out", "/rds/general/user/mk1717")
S("ncar glade", "case_root", "§/b.e21", "/glade/work/mkeller/cases")
S("eth cluster", "log_file", "§/log.txt", "/cluster/home/mkeller")
S("nobackup", "spool", "§/spool", "/nobackup/mkeller3")
S("plain scratch dir", "SCRATCH", "§", "/scratch/mkeller")
S("nfs lab", "weights", "§/resnet.pt", "/nfs/turbo/lsa-profx/keller")
S("mnt nas", "nas_dir", "§/ct", "/mnt/nas-radiology/keller")
S("media usb", "usb", "§/bag0.db3", "/media/robot/SANDISK64")
S("mac volume", "disk", "§/raw", "/Volumes/KellerLab SSD/2023")
S("export home", "autofs", "nfs1:§ on node4", "/export/home/keller")

# ---- inside longer text
S(
    "python traceback",
    "stderr",
    'Traceback:\n  File "§/train.py", line 88, in <module>\nKeyError: 3',
    "/home/wei/sim/src",
)
S("gcc include flags", "cflags", "-O3 -I§/include -lfftw3", "/home/pavel/opt/fftw")
S("rpath linker", "ldflags", "-Wl,-rpath,§/lib -L/usr/lib", "/home/pavel/spack/view")
S("path variable", "PATH", "/usr/bin:§/bin:/bin", "/home/tom/.local")
S("ld preload assignment", "line", "LD_PRELOAD=§/libjemalloc.so ./sim", "/home/tom/lib")
S("equals option", "cmd", "./configure --prefix=§ --enable-mpi", "/home/rosa/install/openmpi")
S("docker volume", "docker", "docker run -v §/data:/data:ro sim:1", "/home/ben/study7")
S(
    "singularity bind",
    "apptainer",
    "apptainer exec --nv -B §:/mnt img.sif python a.py",
    "/home/ben/bind_src",
)
S("rsync remote", "sync", "rsync -az out/ kim@login1:§/in/", "/home/kim/inbox")
S("file url", "mlflow_uri", "file://§/mlruns", "/home/eva/tracking")
S("file url windows", "doc", "file:///§/x.html", "C:/Users/eva.m/reports")
S("sqlite url", "storage", "sqlite:///§/optuna.db", "/home/eva/tune")
S("file url with percent", "nb_link", "file://§/a.ipynb", "/Users/j%C3%BCrgen/My%20Work")
S("wsl mount", "wsl_src", "cd §/src && make", "/mnt/c/Users/kwang")
S("wsl unc", "wsl_unc", "§\\out", "\\\\wsl$\\Ubuntu-22.04\\home\\kwang")
S(
    "wsl localhost",
    "explorer",
    "Opened §\\plots in Explorer",
    "\\\\wsl.localhost\\Debian\\home\\kwang",
)
S("git bash", "msys", "python §/run.py", "/c/Users/kwang/dev")
S("cygwin", "cyg", "ls §/Desktop", "/cygdrive/c/Users/kwang")
S("R setwd", "r_cell", 'setwd("§/analysis"); load("d.rda")', "C:/Users/Helga/Documents")
S("matlab addpath", "m_cell", "addpath('§\\spm12')", "C:\\Users\\Helga\\toolboxes")
S("shebang", "script", "#!§/bin/python\nimport sim", "/home/ines/venvs/md")
S("cmake cache", "cmakecache", "CMAKE_HOME_DIRECTORY:INTERNAL=§", "/home/ines/src/gromacs")
S("conda listing", "conda", "base   *  §\nsim       /usr/share", "/home/ines/miniforge3")
S(
    "ros log file",
    "ros_log",
    "[INFO] [launch]: All log files can be found below §/.ros/log",
    "/home/ubuntu-arm3",
)
S(
    "catkin package",
    "rospack",
    "ROS_PACKAGE_PATH=§/src:/opt/ros/noetic/share",
    "/home/robot/catkin_ws",
)
S("android sdk mac", "gradle", "sdk.dir=§/Library/Android/sdk", "/Users/carla")
S(
    "xcode derived data",
    "xcode",
    "note: Using build at '§/Library/Developer/Xcode/DerivedData'",
    "/Users/ci-mini2",
)
S("jenkins workspace", "console", "Running on node2 in §/workspace/nightly", "/var/lib/jenkins-lab")
S("slurm stdout", "scontrol", "JobId=81 StdOut=§/o.txt StdErr=/dev/null", "/home/zhang/jobs")
S("identity file", "ssh_config", "Host gpu\n  IdentityFile §/.ssh/id_ed25519", "/home/zhang3")
S("prose parenthesis", "note", "The raw frames (see §/raw) were moved.", "/home/noor/beamtime")
S("prose end of sentence", "remark", "Results are in §.", "/home/noor/final_v3")
S("markdown link", "md", "See [log](§/log.md) for details", "/home/noor/docs")
S("markdown code", "md_code", "run `§/bin/sim -n 4` first", "/home/noor/build")
S("xml attribute", "xml", '<data href="§/grid.vtu"/>', "/home/felix/vtk")
S("yaml text", "yaml", "dataset:\n  root: §/coco\n  split: train\n", "/home/felix/datasets")
S("toml text", "toml", 'cache_dir = "§/hf"', "/home/felix/.cache")
S("arrow in log", "log", "copied weights -> §/w.bin (3.1 GB)", "/home/felix/models")
S("slurm script cd", "sbatch", "#SBATCH -N 1\ncd §\nsrun ./a.out", "/scratch/project_2001234/felix")
S("python sys.path", "cell", "import sys; sys.path.insert(0, '§')", "/Users/gloria/lib/py")
S("jupyter percent cd", "cell", "%cd §\n!ls", "/home/gloria/notebooks")
S("two paths separated by comma", "files", "a.csv,§/b.csv", "/home/gloria/tables")
S("semicolon windows path list", "Path", "C:\\Windows\\system32;§\\bin", "C:\\Users\\gloria\\julia")
S(
    "bzip log with errno",
    "err",
    "[Errno 2] No such file or directory: '§/x.nc'",
    "/data/groups/ocean/hugo",
)

# ======================================================================================
# HARMLESS
# ======================================================================================
# ---- digests, ids
H("git commit", "git_commit", hx(40))
H("short commit", "rev", hx(7))
H("git describe", "version", "v1.4.2-17-g" + hx(7) + "-dirty")
H("pip vcs pin", "requirement", "sim @ git+https://github.com/lab/sim.git@" + hx(40))
H("sha256 of data", "dataset_sha256", hx(64))
H("md5sum line", "checksum", hx(32) + "  reads_1.fastq.gz")
H("image digest", "image", "ghcr.io/lab/sim@sha256:" + hx(64))
H("pip hash", "lock_line", "numpy==1.26.4 --hash=sha256:" + hx(64))
H("npm integrity", "integrity", "sha512-" + s64(86) + "==")
H("go.sum", "go_sum", "golang.org/x/net v0.21.0 h1:" + s64(43) + "=")
H("nix hash", "nix", 'sha256 = "sha256-' + s64(43) + '=";')
H("cargo checksum", "cargo_lock", 'checksum = "' + hx(64) + '"')
H("conda build string", "conda_pkg", "pytorch-2.2.0-py3.11_cuda12.1_cudnn8.9.2_0")
H("uuid run", "run_id", uuid())
H("uuid upper", "job_uuid", uuid().upper())
H("mlflow run id", "mlflow_run_id", hx(32))
H("wandb run id", "wandb_run", lo36(8))
H("etag", "etag", '"' + hx(32) + '-14"')
H("trace id", "traceparent", "00-" + hx(32) + "-" + hx(16) + "-01")
H("request id", "x-request-id", uuid())
H("docker container id", "container_id", hx(12))
H(
    "git lfs pointer",
    "lfs",
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + hx(64) + "\nsize 12345",
)
H("crc32", "crc32", "0x" + hx(8))
H("blake3", "blake3", hx(64))
H("config hash", "config_hash", hx(16))
H("python hash seed", "PYTHONHASHSEED", "0")
H("seed list", "seeds", [1234567890, 987654321, 42])
H("seed sequence entropy", "entropy", 193218471239847123984712398471239847)
H("ssh fingerprint", "hostkey", "SHA256:" + s64(43) + " (ED25519)")
H("ssh public key", "public_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + s64(43))
H("age recipient", "age_recipient", "age1" + rnd(BECH.lower(), 58))
H("certificate fingerprint", "cert_fp", ":".join(rnd(HEX.upper(), 2) for _ in range(32)))
H("gpg key id", "gpg_key_id", rnd(HEX.upper(), 16))
H("ipfs cid", "cid", "bafybei" + rnd(LOW + "234567", 52))
H("swhid", "swhid", "swh:1:rev:" + hx(40))
H("dicom uid", "SOPInstanceUID", "1.2.840.113619.2.55.3.604688119.971.1268.999")
H("mongodb object id", "object_id", {"$oid": hx(24)})
H("doi", "doi", "10.5281/zenodo.7654321")
H("orcid", "orcid", "0000-0002-1825-0097")
H("arxiv", "ref", "arXiv:2305.14314v2 [cs.LG]")
H("isbn", "isbn", "978-3-16-148410-0")
H("bibtex key", "citekey", "vaswani2017attention")
H("slurm job id", "SLURM_JOB_ID", "48213377")
H("array job id", "job", "48213377_[1-40%4]")
H("nightly wheel", "wheel", "torch-2.3.0.dev20240117+cu121-cp311-cp311-linux_x86_64.whl")
H("kernel version", "kernel", "5.15.0-1053-nvidia-generic #54-Ubuntu SMP")
H("gpu name", "gpu", "NVIDIA A100-SXM4-80GB")
H("tensor png output", "output", "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA" + s64(200) + "==")
H("attachment bytes", "image/png", "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAYAAAA10dzk" + s64(120))

# ---- names that hold token / key / pass / secret / auth
H("max tokens", "max_tokens", 4096)
H("max tokens as text", "max_new_tokens", "512")
H("tokens per second", "tokens_per_sec", 18234.7)
H("pad token", "pad_token", "<|endoftext|>")
H("mask token", "mask_token", "[MASK]")
H("eos token id", "eos_token_id", 50256)
H("special tokens map", "special_tokens_map", {"bos_token": "<s>", "unk_token": "<unk>"})
H("additional special tokens", "additional_special_tokens", ["<|im_start|>", "<|im_end|>"])
H("tokenizer", "tokenizer", "bert-base-multilingual-cased")
H("tokenizer class", "tokenizer_class", "LlamaTokenizerFast")
H("token embedding", "token_embedding_dim", 768)
H("token type vocab", "type_vocab_size_token", 2)
H("token dropout", "token_dropout", True)
H("cls token pooling", "pooling_mode_cls_token", False)
H("prompt tokens usage", "usage", {"prompt_tokens": 31, "completion_tokens": 220})
H("token bucket", "rate_limiter", "token bucket, 20 tokens/s, burst 40")
H("token list", "tokens", ["the", "##ing", "cat", "Ġsat"])
H("key size", "key_dim", 64)
H("num key value heads", "num_key_value_heads", 8)
H("qkv", "attention", {"query": "q_proj", "key": "k_proj", "value": "v_proj"})
H("state dict key", "missing_keys", ["encoder.layer.0.attention.self.key.weight"])
H("primary key", "primary_key", "sample_id")
H("foreign key", "foreign_key", "patients.patient_id")
H("sort key", "sort_key", "val_accuracy")
H("group key", "group_key", "batch/fold")
H("join keys", "join_keys", ["plate", "well"])
H("partition key", "partition_key", "year=2023/month=07")
H("cache key", "cache_key", "Linux-py3.11-poetry-1.7.1")
H("s3 key", "Key", "experiments/2024/run-7/metrics.json")
H("s3 object keys", "keys", ["train/x.npy", "train/y.npy"])
H("keypoints", "keypoints", "left_shoulder,right_shoulder")
H("keyframe interval", "keyframe_interval", 12)
H("jax key", "prng_key", [0, 42])
H("jax key code", "cell", "key, sub = jax.random.split(jax.random.PRNGKey(0))")
H("monitor key", "monitor_key", "val/loss")
H("hotkey", "shortcut_key", "Ctrl+Shift+P")
H("keyword args", "kwargs", {"keyword_only": True, "keywords": "turbulence, LES"})
H("passes", "num_passes", 3)
H("forward pass time", "forward_pass_ms", 11.84)
H("single pass", "pass_name", "LoopVectorizePass")
H("llvm passes", "opt_passes", "-passes=mem2reg,instcombine,simplifycfg")
H("low pass", "lowpass_cutoff", "40Hz")
H("bandpass", "bandpass", [0.5, 45.0])
H("bypass", "bypass_cache", "true")
H("passed tests", "passed", "412 passed, 3 skipped in 81.20s")
H("compass", "compass_heading", 271.5)
H("passivation", "passivation_layer", "SiO2 20nm")
H("passage number", "cell_passage", "P14")
H("passage text", "passage_id", "squad_train_0042")
H("password policy", "password_min_length", 12)
H("password hasher", "PASSWORD_HASHERS", ["django.contrib.auth.hashers.Argon2PasswordHasher"])
H("password field label", "password_label", "Enter your password")
H("password auth switch", "PasswordAuthentication", "no")
H("password strength metric", "password_entropy_bits", 71.3)
H("password empty", "password", "")
H("password null", "db_password", None)
H("password false", "require_password", False)
H("secretion", "insulin_secretion_rate", 0.31)
H("secretome", "secretome_db", "UniProt_secreted_2023_02")
H("secret sharing", "secret_sharing", {"scheme": "Shamir", "threshold": 3, "shares": 5})
H("secret message capacity", "secret_bits", 128)
H("secretary problem", "task", "secretary_problem_v2")
H("k8s secret name", "secretName", "regcred")
H("secret key ref", "valueFrom", {"secretKeyRef": {"name": "pg", "key": "password"}})
H("secret mount", "secrets", ["source=db_password,target=db_password,mode=0400"])
H("authors", "authors", "Keller, M.; Ivanova, A.; Lopez, M.")
H("author short", "author", "M. Keller et al.")
H("auth method", "auth_method", "kerberos")
H("auth enabled", "auth_enabled", False)
H("authentication type", "authentication", "publickey")
H("oauth scopes", "oauth_scopes", ["openid", "profile", "read:jobs"])
H("auth url", "auth_url", "https://keystone.example.org:5000/v3")
H("token endpoint", "token_endpoint", "https://login.example.org/oauth2/token")
H("token uri", "token_uri", "https://oauth2.googleapis.com/token")
H("token expiry", "token_expires_in", 3600)
H("token type", "token_type", "Bearer")
H("signature algorithm", "signature_algorithm", "ecdsa-with-SHA256")
H("path signature depth", "signature_depth", 4)
H("gene signature", "signature", "HALLMARK_INFLAMMATORY_RESPONSE")
H("function signature", "signature_text", "forward(self, x: Tensor, mask: Tensor | None = None)")
H("credential helper", "credential.helper", "cache --timeout=3600")
H("credentials mode", "credentials", "same-origin")
H("cookie policy", "SESSION_COOKIE_SECURE", True)
H("csrf name", "CSRF_COOKIE_NAME", "csrftoken")
H("session index", "session", "ses-02_task-rest_run-01")
H("salt chemical", "salt", "NaCl 150 mM")
H("salt hyperparameter", "salt_and_pepper_prob", 0.02)
H("nonce style counter", "nonce", 17)
H("private flag", "private", True)
H("private pool", "private_pool_size", "16GiB")
H("pin memory", "pin_memory", True)
H("gpio pin", "pin", 18)
H("spin", "spin_key", "Sz=1/2")
H("access pattern", "access", "read-only")
H("access mode", "accessModes", ["ReadWriteMany"])
H("api key name of header", "api_key_header", "X-API-Key")
H("api key env name", "api_key_env", "OPENAI_API_KEY")
H("api version", "api_version", "2024-02-15-preview")
H("license id", "license", "GPL-3.0-or-later WITH Classpath-exception-2.0")
H("encryption algorithm", "encryption", "AES-256-GCM")
H("key length", "key_bits", "rsa:4096")
H("key exchange", "kex", "curve25519-sha256@libssh.org")
H("cipher suite", "tls_cipher", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
H("public key path relative", "host_key_file", "keys/host_key.pub")

# ---- placeholders and references
H("angle placeholder", "token", "<your-token>")
H("angle upper", "API_KEY", "<YOUR_API_KEY_HERE>")
H("stars", "password", "********")
H("redacted word", "api_key", "[REDACTED]")
H("actions mask", "log", "Run twine upload -p *** dist/*")
H("shell variable", "GITHUB_TOKEN", "$GITHUB_TOKEN")
H("shell braces", "passwd", "${DB_PASSWORD}")
H("shell default error", "pw_check", "${DB_PASSWORD:?must be set}")
H("windows variable", "secret", "%LAB_SECRET%")
H("powershell variable", "ps_token", "$env:LAB_TOKEN")
H("actions secret", "workflow", "password: ${{ secrets.PYPI_API_TOKEN }}")
H(
    "gitlab job token variable",
    "clone",
    "git clone https://gitlab-ci-token:${CI_JOB_TOKEN}@gitlab.example.org/lab/sim.git",
)
H(
    "jenkins credentials id",
    "pipeline",
    "withCredentials([string(credentialsId: 'npm', variable: 'T')])",
)
H("jinja", "db_pass", "{{ vault_db_password }}")
H("helm template", "tpl", "password: {{ .Values.auth.password | b64enc | quote }}")
H("terraform variable", "tf", "password = var.db_password")
H("terraform data", "tf_data", 'token = data.vault_generic_secret.ci.data["token"]')
H("python format", "dsn", "postgresql://{user}:{password}@{host}/{db}")
H("percent format", "dsn_percent", "host=%(host)s password=%(password)s")
H("sql bind", "sql", "SELECT id FROM users WHERE token = :token AND password_hash = ?")
H("op reference", "db_secret", "op://lab/postgres/password")
H("vault reference", "ref", "vault:secret/data/ci#api_token")
H("os.environ", "cell", 'wandb.login(key=os.environ["WANDB_API_KEY"])')
H("getenv", "cell", 'token = os.getenv("HF_TOKEN")')
H("getpass", "cell", 'password = getpass.getpass("Password: ")')
H("keyring", "cell", "pwd = keyring.get_password('lab-db', user)")
H("dotenv", "cell", 'api_key = dotenv_values(".env")["API_KEY"]')
H("colab userdata", "cell", "login(token=userdata.get('HF_TOKEN'))")
H("secrets module", "cell", "token = secrets.token_urlsafe(32)")
H("process env", "js", "const key = process.env.STRIPE_SECRET_KEY;")
H("rust env", "rs", 'let key = std::env::var("API_KEY")?;')
H("R getenv", "r", 'key <- Sys.getenv("REDCAP_TOKEN")')
H(
    "function with password argument",
    "code",
    "def connect(host, user, password=None, token: str = ''):",
)
H("attribute copy", "code", "self.api_key = config.api_key")
H("password prompt", "cmd", "mysql -h db2 -u root -p sim")
H("psql no password", "psql", "psql --no-password -h db1 -U loader sim")
H("curl with variables", "curl", 'curl -u "$USER:$PASS" https://example.org/api')
H("bearer variable", "curl_bearer", 'curl -H "Authorization: Bearer $TOKEN" https://example.org')
H("cat secret file", "entry", "DB_PASSWORD=$(cat /run/secrets/db_password) ./serve")
H("docker password stdin", "login", "cat token.txt | docker login -u labci --password-stdin")
H("token file flag", "flag", "--token-file token.txt")
H("x placeholder", "github_token", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
H("ellipsis placeholder", "openai_key", "sk-...")
H("none repr", "args", "Namespace(api_key=None, hf_token=None, lr=0.01)")
H("todo", "notes", "TODO: rotate the API keys before the release")
H("url user placeholder", "remote", "https://<user>:<password>@git.example.org/lab/sim.git")
H("env file sample", "env_example", "DB_USER=\nDB_PASSWORD=\nAPI_TOKEN=\n")
H("yaml env reference", "yaml", "api_key: !ENV ${LAB_API_KEY}")
H("omegaconf resolver", "omega", "${oc.env:WANDB_API_KEY}")

# ---- relative, system and inner paths
H("relative path", "config", "configs/exp/base.yaml")
H("dot relative", "output", "./outputs/2024-03-01/12-01-33")
H("parent relative", "data", "../../data/raw/scan7.tif")
H("windows relative", "src", "src\\solver\\mesh.cpp")
H("glob", "pattern", "data/**/sub-*_bold.nii.gz")
H("dev null", "stdin", "/dev/null")
H("dev shm", "shm", "/dev/shm")
H("usb serial", "port", "/dev/ttyUSB0")
H("video device", "cam", "/dev/video0")
H("env shebang", "shebang", "#!/usr/bin/env python3")
H("bash", "SHELL", "/bin/bash")
H("system path list", "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
H("system library", "lib", "/usr/lib/x86_64-linux-gnu/libc.so.6")
H("ca bundle", "REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
H("hosts file", "hosts", "/etc/hosts")
H("proc file", "probe", "cat /proc/cpuinfo | grep MHz")
H("sys class", "thermal", "/sys/class/thermal/thermal_zone0/temp")
H("docker socket", "DOCKER_HOST", "unix:///var/run/docker.sock")
H("cuda home", "CUDA_HOME", "/usr/local/cuda-12.1")
H("windows cmd", "ComSpec", "C:\\Windows\\System32\\cmd.exe")
H("registry key", "reg", "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion")
H("redirect", "cmdline", "./sim > /dev/null 2>&1")
H("home variable", "cache", "$HOME/.cache/huggingface")
H("user profile variable", "win_cache", "%USERPROFILE%\\.conda")
H("home template", "tpl_home", "/home/<user>/data")
H("ros topic", "topic", "/camera/color/image_raw")
H("ros topics list", "topics", ["/joint_states", "/tf_static", "/cmd_vel"])
H("ros remap", "remap", "scan:=/front/laser/scan")
H("ros action", "action", "/move_base/goal")
H("ros package url", "mesh", "package://ur_description/meshes/ur5/visual/base.dae")
H("mqtt topic", "mqtt_topic", "lab/arm1/state/temperature")
H("hdf5 nexus", "h5_path", "/entry/instrument/detector/data")
H("hdf5 users group", "dataset", "run.h5:/entry/user/role")
H("zarr chunk", "chunk", "c/0/12/4")
H("zarr ome", "zarr", "image.zarr/0/labels/nuclei")
H("netcdf group", "nc", "/science/grids/data/unwrappedPhase")
H("root tree", "tree", "Events/Jet_pt")
H("xpath", "xpath", "/html/body/div[2]/table/tr[1]/td")
H("json pointer", "json_pointer", "/properties/token/type")
H("openapi path", "paths", {"/users/{id}/tokens": {"get": {"summary": "List tokens"}}})
H("access log", "access_log", '"POST /auth/login HTTP/1.1" 401 23')
H("route with home", "route", "/home")
H("flask route", "code", '@app.route("/users/<int:uid>/password/reset")')
H("health", "probe_path", "/healthz")
H("redfish", "redfish", "/redfish/v1/Systems/1/Processors")
H("sed expression", "sed", "sed -e 's/foo/bar/g' -i in.txt")
H("regex", "regex", r"^(?P<user>[a-z]+)/(?P<run>\d{4})$")
H("python module", "entry", "sim.cli:main")
H("epics pv", "pv", "BL12:DET1:AcquireTime_RBV")
H("traceback relative", "tb", 'File "src/train.py", line 12, in <module>')
H("zip inner path", "member", "archive.zip!/META-INF/MANIFEST.MF")
H("tar member list", "members", ["etc/config.ini", "home/index.html"])
H("git refs", "ref", "refs/heads/users/feature-x")
H("fraction of units", "unit", "kg m/s^2 and mg/mL")
H("either or", "text", "train/val/test split, with and/or without flips")

# ---- urls without credentials
H("ssh remote", "origin", "git@github.com:lab/sim.git")
H("https remote", "remote_url", "https://github.com/lab/sim/tree/main/home")
H("ssh url", "pushurl", "ssh://git@git.example.org:2222/lab/sim.git")
H("postgres url no password", "db_url", "postgresql://localhost:5432/sim")
H("redis plain", "redis", "redis://redis:6379/0")
H("mongo local", "mongo", "mongodb://localhost:27017/sacred")
H("s3 uri", "data_uri", "s3://open-data/era5/2020/01.nc")
H("gs uri", "gs", "gs://public-models/bert/vocab.txt")
H("hf uri", "hf", "hf://datasets/squad/plain_text/train.parquet")
H("mlflow models", "model_uri", "models:/segmenter/Production")
H("query with page token name", "url", "https://example.org/api/items?page=2&sort_key=name")
H(
    "google maps docs",
    "doc",
    "https://developers.google.com/maps/documentation/javascript/get-api-key",
)
H("localhost", "dashboard", "http://127.0.0.1:8265")
H("tcp store", "init_method", "tcp://127.0.0.1:23456")
H("docker image", "img", "nvcr.io/nvidia/pytorch:24.01-py3")
H("wms", "wms", "https://ows.example.org/wms?service=WMS&version=1.3.0&request=GetCapabilities")
H("ncbi", "ncbi", "https://www.ncbi.nlm.nih.gov/nuccore/NC_045512.2?report=fasta")
H("time in url", "img_url", "https://example.org/a@2x.png?t=12:30:45")
H("password reset docs", "help", "https://docs.example.org/users/password-reset")
H("npm scoped", "dep", "https://registry.npmjs.org/@babel/core/-/core-7.23.9.tgz")
H("youtube id", "video", "https://www.youtube.com/watch?v=dQw4w9WgXcQ")
H("data doi link", "dataset_url", "https://doi.org/10.7910/DVN/TJCLKP")

# ---- chemistry, genomics, physics, mathematics
H("smiles", "smiles", "CC(=O)Oc1ccccc1C(=O)O")
H("smiles stereo", "ligand", "C[C@@H](N)C(=O)N[C@H](CO)/C=C/c1ccc(Cl)cc1")
H("inchi", "inchi", "InChI=1S/C8H10N4O2/c1-10-4-9-6-5(10)7(13)12(3)8(14)11(6)2/h4H,1-3H3")
H("inchikey", "inchikey", "RYYVLZVUVIJVGH-UHFFFAOYSA-N")
H("inchikey field", "InChI_Key", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N")
H("selfies", "selfies", "[C][C][=Branch1][C][=O][O]")
H("dna", "primer", "ACGTTGCAAGGTCCATTGACCGTA")
H("barcode", "barcode_key", "ATCACG-TTAGGC")
H("protein", "sequence", "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEK")
H("fastq quality", "qual", "IIIIHHHGGF@@@<<;::9988!''*((((***+))%%%++")
H("fastq record", "fastq", "@SRR001666.1 071112_SLXA-EAS1_s_7:5:1:817:345\nGGGTGATG\n+\nIIIIIIII")
H("cigar", "cigar", "76M2I12D3S40M")
H("accession", "accession", "GSM1234567")
H("ensembl", "gene", "ENSG00000139618.17")
H("hgvs", "variant", "NM_000059.4:c.68_69delAG")
H("uniprot", "uniprot", "A0A024R1R8_HUMAN")
H("pdb", "pdb", "6LU7:A/145.SG")
H("hla allele", "hla", "HLA-A*02:01:01:01")
H("illumina index", "i7", {"D701": "ATTACTCG", "D702": "TCCGGAGA"})
H("phylo newick", "newick", "((A:0.1,B:0.2):0.05,(C:0.3,D:0.4):0.1);")
H("crystal", "space_group", "P 21/c (No. 14)")
H("basis set", "basis", "6-311++G(d,p)")
H("functional", "functional", "wB97X-D3/def2-TZVPP")
H("nuclear reaction", "reaction", "Pb208(n,g)Pb209")
H("decay", "decay", "B0 -> K*0(892) mu+ mu-")
H("units", "energy", "-76.026765 Ha")
H("latex", "latex", r"\frac{\partial u}{\partial t} = \nu \nabla^2 u")
H("latex path like", "tex", r"\begin{align}\hat{H}\psi/\hbar\end{align}")
H("coordinates", "radec", "J2000 05:34:31.94 +22:00:52.2")
H("astronomical name", "target", "2MASS J05352184-0546085")
H("satellite tile", "tile", "S2A_MSIL2A_20230714T103631_N0509_R008_T32UPU_20230714T164458")
H("tle", "tle", "1 25544U 98067A   24061.51782528  .00016717  00000-0  30074-3 0  9993")
H("openfoam", "bc", "type fixedValue; value uniform (1 0 0);")
H("gcode", "gcode", "G1 X12.5 Y-3.0 E0.04 F1800")
H("quaternion", "pose", [0.0, 0.7071, 0.0, 0.7071])
H("dh parameters", "urdf", '<joint name="pass_through" type="fixed"/>')
H("quantum circuit", "qasm", "cx q[0],q[1]; rz(pi/4) q[1];")
H("quantum key distribution", "qkd", "BB84 key rate 1.2 kbit/s at 50 km")
H("ramachandran", "angles", "phi=-57.8, psi=-47.0")

# ---- log lines, models, prose
H("model name", "model", "meta-llama/Llama-2-7b-chat-hf")
H("timm name", "backbone", "vit_base_patch16_224.augreg2_in21k_ft_in1k")
H("sklearn repr", "est", "Pipeline(steps=[('pca', PCA(n_components=8)), ('svc', SVC(C=10))])")
H("checkpoint name", "ckpt", "epoch=12-step=48013-val_loss=0.2173.ckpt")
H("nlp log", "log", "Tokenized 1,204,331 documents (812M tokens) in 311 s")
H(
    "truncation warning",
    "warning",
    "Token indices sequence length is longer than the specified maximum (713 > 512)",
)
H("auth log", "log", "Authentication failed: invalid token or password")
H("ssh log", "log", "Permission denied (publickey,password).")
H("host key", "ssh_log", "Host key verification failed.")
H("sshpass missing", "stderr", "sshpass: command not found")
H("keyerror", "error", "KeyError: 'password'")
H("pin note", "note", "Reset the password after the course; see the wiki.")
H("passwordless", "setup", "needs passwordless ssh between all nodes")
H("ssh option", "ssh_args", "-o StrictHostKeyChecking=no -o PasswordAuthentication=no -p 2222")
H("port publish", "docker_args", "docker run -p 8080:80 -u 1000:1000 nginx")
H("make -p", "mk", "mkdir -p results/plots && cp -p a.txt results/")
H("date", "created", "2024-03-01T12:01:33.123456+01:00")
H("compact date", "stamp", "20240301-120133")
H("cron", "schedule", "*/15 3-5 * * 1-5")
H("duration", "elapsed", "1-03:22:10")
H("semver list", "versions", {"torch": "2.2.0+cu121", "numpy": "1.26.4"})
H("ssh agent state", "ssh_add", "The agent has no identities.")
H("citation", "cite", "D. P. Kingma and J. Ba, Adam, ICLR 2015, pp. 1-15")
H("secret santa dataset", "title", "Hidden secrets of the gut: the keys to host-microbe authority")
H("bloom", "desc", "Key findings: the pass rate rose from 61% to 74%.")
H("crypto experiment", "params", {"kdf": "argon2id", "t_cost": 3, "m_cost": 65536})
H("hex colours", "palette", ["#1f77b4", "#ff7f0e", "#2ca02c"])
H("hex mask", "cpu_mask", "0xffff0000ffff0000")
H("memory address", "repr", "<sim.Solver object at 0x7f3c2b1d9e50>")
H("unicode word", "remark", "Schlüssel-Schloss-Prinzip nach Emil Fischer")
H("html cell", "html", '<input type="password" name="pwd" autocomplete="off">')
H("argparse code", "code", 'p.add_argument("--token", default=None, help="API token")')
H("type annotation", "schema", {"password": {"type": "string", "minLength": 8}})
H("pydantic", "code_model", "class Settings(BaseSettings):\n    api_key: SecretStr")
H("stars in url", "masked_url", "postgresql://loader:***@db1:5432/sim")
H("pip output", "pip_log", "Successfully installed tokenizers-0.15.2 keyring-24.3.0 passlib-1.7.4")
H("unittest", "test", "tests/test_auth.py::test_wrong_password_is_rejected PASSED")
H("metric label", "metric", 'http_requests_total{path="/login",code="200"} 1027')
H("long identifier", "fn", "computeWeightedGeneralizedEigenvalueDecomposition3D")
H("upper snake", "flag", "TF_ENABLE_ONEDNN_OPTS=0")
H("xla flags", "XLA_FLAGS", "--xla_force_host_platform_device_count=8")
H("nccl", "NCCL_SOCKET_IFNAME", "ib0")
H("long int list", "shape", [1, 512, 4096])
H("float text", "lr", "3.0000000000000001e-04")
H("jwt settings", "jwt", {"algorithm": "RS256", "leeway": 10, "audience": "sim-api"})
H("key bindings", "keymap", {"next": "n", "prev": "p"})
H("monkey", "animal", "monkey_K12_session3")
H("turkey dataset", "region", "turkey_2023_earthquake")
H("hockey", "env_id", "hockey-v0")


def check():
    for rows in (SECRETS, HARMLESS):
        names = [r[0] for r in rows]
        double = sorted({n for n in names if names.count(n) > 1})
        assert not double, double
    both = {r[0] for r in SECRETS} & {r[0] for r in HARMLESS}
    assert not both, both

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

    for name, _key, value, secret in SECRETS:
        assert any(secret in s for s in strings(value)), name
        json.dumps(value)
    for _name, _key, value in HARMLESS:
        json.dumps(value)
    print(len(SECRETS), "secrets,", len(HARMLESS), "harmless")


if __name__ == "__main__":
    check()
