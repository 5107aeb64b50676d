"""Families of secrets, each in the notations people write it in, and what only looks like them.

LED-02, trap 17. The sanitizer was written with these in mind; what it is worth on others is said
by the corpora that nobody tuned for (``corpus/unseen.py`` and later ones).
"""

from __future__ import annotations

import base64
import json
import random
import string
from typing import Any

import pytest

from aexp.model.canonical import canonical_bytes
from aexp.model.sanitize import (
    certainly_publishable,
    certainly_without_secrets,
    find_absolute_paths,
    find_secrets,
    sanitize,
)

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def drawn(name: str, length: int, signs: str = ALNUM) -> str:
    """Return the same characters for the same name; the first three are of three kinds."""
    chance = random.Random(f"family {name}")
    body = "".join(chance.choices(signs, k=length))
    return body if signs != ALNUM else f"q{chance.randrange(10)}Z{body[3:]}"


WORD = drawn("word", 14)
KEY = drawn("key", 32)
HEX40 = drawn("hex", 40, HEX)
UUID = "-".join(drawn(f"uuid {at}", n, HEX) for at, n in enumerate((8, 4, 4, 4, 12)))
LETTERS = drawn("letters", 11, string.ascii_lowercase)
B64 = base64.b64encode(f"kim:{WORD}".encode()).decode()

COMMANDS = [
    f"curl -u kim:{WORD} https://a.example.org/v1",
    f"curl -ukim:{WORD} https://a.example.org",
    f"curl -s --user 'kim:{WORD}' https://a.example.org",
    f"curl --proxy-user kim:{WORD} -x proxy:3128 https://a.example.org",
    f"/usr/bin/curl -U kim:{WORD} x",
    f"http -a kim:{WORD} GET example.org/x",
    f"sometool --creds kim:{WORD} push",
    f"skopeo copy --dest-creds=kim:{WORD} docker://a docker://b",
    f"sshpass -p {WORD} ssh kim@node04",
    f"sshpass -p'{WORD}' scp x kim@node04:",
    f"mysql -uroot -p{WORD} runs",
    f"mysqldump -u root -p'{WORD}' runs > x.sql",
    f"mariadb-dump -p{WORD} runs",
    f"docker login -u kim -p {WORD} ghcr.io",
    f"podman login --username kim --password {WORD} quay.io",
    f"helm registry login -u kim -p {WORD} r.example.org",
    f"az login --service-principal -u app -p {WORD} --tenant t",
    f"oc login --token={KEY}",
    f"redis-cli -h cache -a {WORD} ping",
    f"mongosh -u kim -p {WORD} lab",
    f"ldapsearch -x -D cn=kim -w {WORD} -b dc=lab",
    f"smbclient //srv/share -U kim%{WORD}",
    f"lftp -u kim,{WORD} ftp.example.org",
    f"zip -P {WORD} out.zip x",
    f"unzip -P {WORD} data.zip",
    f"7z x -p{WORD} data.7z",
    f"sqlcmd -S db -U sa -P {WORD} -Q x",
    f"sqlplus scott/{WORD}@db @x.sql",
    f"ssh-keygen -t ed25519 -N {WORD} -f key",
    f"openssl enc -aes-256-cbc -k {WORD} -in a",
    f"openssl rsa -passin pass:{WORD} -in a.pem",
    f"keytool -storepass {WORD} -list",
    f"gpg --batch --passphrase {WORD} -d x.gpg",
    f"plink -pw {WORD} kim@host",
    f"htpasswd -b .htpasswd kim {WORD}",
    f"rabbitmqctl add_user kim {WORD}",
    f"mc alias set lab https://s3.example.org {drawn('mc', 20)} {drawn('mc2', 40)}",
    f"wandb login {HEX40}",
    f"wandb login --relogin {HEX40}",
    f"cargo login {drawn('cargo', 35)}",
    f"vault login {drawn('vault', 26)}",
    f"ngrok config add-authtoken {drawn('ngrok', 43)}",
    f"prefect cloud login -k {drawn('prefect', 36)}",
    f"twine upload -u kim -p {WORD} dist/x.whl",
    f"aws configure set aws_secret_access_key {drawn('aws', 40)}",
    f"poetry config pypi-token.pypi {KEY}",
    f"npm config set //registry.example.org/:_authToken {KEY}",
    f"dvc remote modify --local lab password {WORD}",
    f"echo {WORD} | sudo -S apt install x",
    f"echo '{WORD}' | docker login -u kim --password-stdin ghcr.io",
    f"gh auth login --with-token <<< {KEY}",
    f"kubectl create secret generic x --from-literal=password={WORD}",
    f"helm install x --set auth.password={WORD}",
    f"terraform apply -var db_password={WORD}",
    f"docker run -e POSTGRES_PASSWORD={WORD} -p 5432:5432 postgres",
    f"setenv HF_TOKEN {KEY}",
    f"set -x WANDB_API_KEY {HEX40}",
    f"ENV API_KEY {KEY}",
    f"$env:HF_TOKEN = '{KEY}'",
    f"CREATE USER kim IDENTIFIED BY '{WORD}'",
    f"ALTER ROLE kim WITH PASSWORD '{WORD}'",
    f"Command '['mysql', '-uroot', '-p{WORD}', 'runs']' returned non-zero exit status 1",
    f"bash -c \"sshpass -p {WORD} ssh node04\"",
    f"wandb login --host=https://w.example.org local-{HEX40}",
    f"wandb login --relogin --host https://w.example.org local-{HEX40}",
    f"snyk auth --org lab {UUID}",
    f"rclone config create b2 b2 account 0012 key K005{KEY}",
    f"export DB_PASSWORD={LETTERS}",
    f"python train.py --db-password {LETTERS} --lr 0.1",
    f"python train.py logger.password={LETTERS} lr=0.1",
]  # fmt: skip
ARGUMENTS: list[list[str]] = [
    ["curl", "-u", f"kim:{WORD}", "https://a.example.org"],
    ["mysql", "-uroot", f"-p{WORD}", "runs"],
    ["sshpass", "-p", WORD, "ssh", "node04"],
    ["docker", "login", "-u", "kim", "-p", WORD],
    ["wandb", "login", HEX40],
    ["redis-cli", "-a", WORD],
    ["mytool", "--user", f"kim:{WORD}"],
    ["tool", "-token", KEY],
    ["X-Api-Key", KEY],
    ["Authorization", f"Token {HEX40}"],
    ["wandb", "login", "--host", "https://w.example.org", f"local-{HEX40}"],
    ["train.py", "--db-password", LETTERS],
]
TEXTS = [
    f"[b2]\ntype = b2\naccount = 0012ab\nkey = K005{KEY}\n",
    f'{{"username": "kim", "key": "{HEX40[:32]}"}}',
    f"connect(user='kim', password='{LETTERS}')",
    f"Credential(user='kim', pwd='{LETTERS.title()}')",
    f"secret = \"{LETTERS}\"",
    f"db:\n  user: kim\n  password: {LETTERS}\n",
    f"set the secret access key to `{KEY}`",
    f"change the password to \u00ab{WORD}\u00bb",
    f"the api key (\"{KEY}\") goes in .env",
    f"log in as kim with password {WORD}",
    f"pw: `{WORD}`",
    f"https://api.telegram.org/bot6184920357:AA{drawn('bot', 33)}/sendMessage",
    f"https://conda.lab.example/t/lb-{HEX40[:36]}/ml-stack",
    f"https://chat.lab.example/services/T01ABCDEF/B01ABCDEF/{drawn('svc', 24)}",
    f"https://repo.lab.example/apikey/{HEX40}/simple",
    f"wss://stream.lab.example/auth/{KEY}/metrics",
    f"the password is {WORD}",
    f"Note: my wandb api key is {HEX40}.",
    f"password for kim on node04 is {WORD}, do not share",
    f"password was changed to '{WORD}'",
    f"API key: {KEY}",
    f"Access Token = {KEY}",
    f"login kim password {WORD}",
    f"user: kim, pass: {WORD}",
    f"credentials: kim:{WORD}",
    f"wandb.login(key='{HEX40}')",
    f"client = Client(api_key=\"{KEY}\")",
    f"os.environ['HF_TOKEN'] = '{KEY}'",
    f"os.environ.setdefault(\"HF_TOKEN\", \"{KEY}\")",
    f"requests.get(url, auth=('kim', '{WORD}'))",
    f"c.NotebookApp.token = u'{drawn('nb', 48, HEX)}'",
    f"config[\"api_key\"] = \"{KEY}\"",
    f"{{\\\"password\\\": \\\"{WORD}\\\"}}",
    f"{{'password': '{WORD}&x,y'}}",
    f"password = \"{WORD} and more\"",
    f"[db]\nuser = kim\npassword = {WORD}\n",
    f"db:\n  password: |\n    {WORD}\n",
    f"- name: DB_PASSWORD\n  value: {WORD}",
    f"<password>{WORD}</password>",
    f"<add key=\"ApiKey\" value=\"{KEY}\"/>",
    f"Authorization: Basic {B64}",
    f"Basic {B64}",
    f"Authorization: ApiKey {KEY}",
    f"Proxy-Authorization: Bearer {KEY}",
    f"Cookie: lang=en; session={KEY}; theme=dark",
    f"Set-Cookie: sid={KEY}; Path=/; HttpOnly",
    f"https://b.s3.amazonaws.com/k?X-Amz-Security-Token={drawn('sec', 120)}",
    f"https://storage.googleapis.com/b/k?X-Goog-Signature={drawn('goog', 256, HEX)}",
    f"https://b.oss-cn.aliyuncs.com/k?OSSAccessKeyId=x&Signature={drawn('oss', 27)}%3D",
    f"https://b.cos.example.com/k?q-signature={HEX40}",
    f"https://d1.cloudfront.net/x?Expires=1&Policy={drawn('cf', 80)}&Key-Pair-Id=K1",
    f"https://lab.blob.core.windows.net/x?sv=1&sig={drawn('sas', 43)}%3D",
    f"https://f.azurewebsites.net/api/x?code={drawn('fn', 54)}==",
    f"https://raw.githubusercontent.com/lab/x/main/a?token={drawn('raw', 29)}",
    f"http://node04:8888/lab?token={drawn('jup', 48, HEX)}",
    f"https://o.example.org/p/{drawn('par', 64)}/n/lab/b/x/o/a",
    f"https://hooks.zapier.com/hooks/catch/1234567/{drawn('zap', 7)}/",
    f"https://maker.ifttt.com/trigger/done/with/key/{drawn('ifttt', 22)}",
    f"https://chat.example.org/hooks/{drawn('mm', 26)}",
    f"kim:{WORD}@db.example.org:5432/runs",
    f"kim:{WORD}@tcp(db:3306)/runs",
    f"jdbc:oracle:thin:scott/{WORD}@//db:1521/x",
    f"db.example.org:5432:runs:kim:{WORD}",
    f"postgres://kim:{WORD[:6]}/{WORD[6:]}@db.example.org/runs",
    f"Endpoint=sb://x.example.net/;SharedAccessKeyName=a;SharedAccessKey={drawn('sb', 43)}=",
    f"$2b$12${drawn('bcrypt', 53)}",
    base64.b64encode(f'{{"api_key": "{KEY}"}}'.encode()).decode(),
    base64.b64encode(("-----BEGIN RSA PRIV" + f"ATE KEY-----\n{drawn('p', 64)}").encode()).decode(),
]  # fmt: skip
KEYED: list[dict[str, Any]] = [
    {"username": "kim", "key": HEX40[:32]},
    {"account_name": "lab", "key": f"{drawn('azure', 86)}=="},
    {"storage_options": {"key": drawn("s3", 20), "secret": drawn("s3s", 40)}},
    {"db": {"user": "kim", "password": LETTERS}},
    {"headers": {"Authorization": f"token {HEX40}"}},
    {"headers": {"Cookie": f"lang=en; session={KEY}"}},
    {"env": [{"name": "DB_PASSWORD", "value": WORD}]},
    {"env": [{"name": "HF_TOKEN", "value": KEY}]},
    {"user": "kim", "pass": "hunter22"},
    {"db_pass": WORD},
    {"RABBITMQ_DEFAULT_PASS": WORD},
    {"labShelfPass": WORD},
    {"argv": ["poetry", "config", "--local", "http-basic.lab", "kim", WORD]},
    {"AWSSecretKey": drawn("camel", 40)},
    {"openai_key_2": KEY},
    {"WANDB_API_KEY_PROD": HEX40},
    {"client-key-data": drawn("kube", 120)},
    {"identitytoken": drawn("identity", 80)},
    {"X-Amz-Signature": drawn("amz", 64, HEX)},
    {"kty": "oct", "k": drawn("jwk", 43)},
    {"Ocp-Apim-Subscription-Key": drawn("ocp", 32, HEX)},
    {"webhook_secret": KEY},
    {"license_key": f"{drawn('a', 5)}-{drawn('b', 5)}-{drawn('c', 5)}-{drawn('d', 5)}"},
]
PATHS = [
    r"C:\\Users\\Kim Lee\\runs\\a.json",
    r"D:\\data\\kim\\x.csv",
    r"\\\\fileserver\\groups\\kim",
    json.dumps({"file": "C:\\Users\\kim\\x.csv"}),
]
HARMLESS: list[Any] = [
    {"attention": {"query": "wq", "key": "k_proj", "value": "v_proj"}},
    {"user": "kim", "key": "runs/2026-01-01/a1b2c3d4/model.pt"},
    {"username": "kim", "key": "learning_rate_schedule"},
    {"name": "x", "key": "0f" * 16},
    {"login": "shell", "pass": "second"},
    {"password": "required"},
    {"password": "env:DB_PASSWORD"},
    {"secret": "wandb-credentials"},
    {"password_length": "12", "pass_rate": "0.93", "pwd": "runs"},
    "connect(user=user, password=password, host=h)",
    "def f(user, password=None, token=None): pass",
    "--password PASSWORD  the password of the database",
    "use --password option to log in",
    "user: kim\nkey: val_acc\n",
    "Set the token to `<|im_start|>` in the tokenizer",
    "add the token to `config.yaml`",
    "the secret to good results is patience",
    "auth failed for request 3f2a9c0e-8b7d-4a5f-8e3d-2c1b0a9f8e7d",
    "az login --service-principal --tenant 3f2a9c0e-8b7d-4a5f-8e3d-2c1b0a9f8e7d",
    "https://discuss.example.org/t/how-to-use-key-padding-mask-in-transformer/12345",
    "https://example.org/token/classification-with-transformers",
    "postgres://USER:PASSWORD@HOST:5432/DB",
    "postgresql://user:password@localhost/db",
    "https://x-access-token:${GITHUB_TOKEN}@github.com/lab/x.git",
    "https://<user>:<password>@example.org",
    "/state_point/model/lr",
    "/model/encoder/layers/0",
    "/config/optimizer/lr",
    "curl -u kim https://example.org",
    "curl -u $USER:$PASSWORD https://example.org",
    "mysql -u root -p runs",
    "mysql -h db --port 3306 runs",
    "docker run -p 8080:80 -u 1000:1000 lab/x:1.2",
    "docker run --user jovyan:users x",
    "docker login -u kim --password-stdin ghcr.io",
    "docker login -u kim -p $TOKEN ghcr.io",
    "ssh -p 2222 login.example.org",
    "scp -P 2222 x kim@node04:",
    "wandb login --relogin",
    "unzip -q data.zip -d out",
    "7z x data.7z -oout",
    "python train.py -p 0.5 -u --tokenizer gpt2",
    "the password is required",
    "password is case-sensitive",
    "the password is 12-characters long",
    "password is hashed with sha256",
    "password authentication failed for user kim",
    "the token is embedded, then pooled",
    "the key is learning_rate_schedule",
    "the secret is out",
    "api key: see the wiki",
    "token: [MASK]",
    "connect(host=h, password=self.password, token=args.token)",
    "password = getpass.getpass()",
    "KeyError: 'password'",
    "columns: ['password', 'last_login_at']",
    "Authorization: Bearer $TOKEN",
    "Authorization: required for all queues",
    "Basic block with 64 channels",
    "Basic authentication",
    "Cookie: none",
    "ghp_" + "x" * 36,
    "hf_" + "X" * 34,
    "password: your_password_here",
    "api_key = 'your-api-key-here'",
    "first:12:second:third:fourth",
    "email:ada99@example.org",
    "ghcr.io/lab/x:1.2.3@sha256:" + "0f" * 32,
    "<password>required</password>",
    "https://example.org/search?key=val_acc&code=train&session=ses-02",
    "https://www.example.org/p/a-long-title-of-a-page-about-tokens",
    "https://docs.example.org/webhooks/how-to-configure-a-webhook",
    base64.b64encode(b'{"lr": 0.1, "tokenizer": "gpt2", "max_tokens": 4096}').decode(),
    base64.b64encode(bytes(range(90))).decode(),
    {"high_pass": "0.5-40Hz", "band_pass": "8-13Hz", "forward_pass": "fp16"},
    {"pass": "second", "pw": "conv1x1"},
    {"one_pass": True, "num_pass": "3", "lambda_pass": "float16", "ir_pass": "convert-scf-to-cf2"},
    {"shelf_pass": {"name": "resnet50"}, "bypass": "north32x"},
    'h("password", None, "", "x")',
    "token = tokenizer.convert_ids_to_tokens(ids)[0]",
    "#!/bin/bash\nls >/dev/null",
    "#!/usr/bin/env python3",
    "https://example.org/?p=12345678&q=attention",
    {"name": "token", "value": "gpt2-medium"},
    {"name": "lr", "value": "0.0003"},
    {"events": ["login", "logout"], "tools": ["curl", "wget", "zip"]},
    {"command": ["train.py", "-p", "0.5", "--user", "kim", "-1"]},
    {"command": ["docker", "run", "-u", "1000:1000", "-p", "8080:80"]},
    {"columns": ["password", "failed_attempts_count"]},
    {"kty": "none", "d": 64},
    {"sort_key": "val/acc", "cache_key": "v2", "key_test": "a"},
    {"metrics": {"acc": {"value": "0.93"}}},
    r"\\sum\\alpha_i",
    r"\\begin{x}\\hline",
]
SYMBOLS = "k7~Vq_2Xw!Zp"
OF_TOOLS = [
    f"net use Z: \\\\nas1\\runs {WORD} /user:LAB\\kim",
    f"net use * \\\\nas1\\runs /user:kim {WORD}",
    f"net user kim {WORD} /add",
    f"echo '{SYMBOLS}' | iinit",
    f"iinit {WORD}",
    f"./codecov -t {UUID} -F unit",
    f"bash codecov.sh -t {UUID}",
    f"vault write auth/approle/login role_id=sim secret_id={UUID}",
    f"vault kv put kv/db value={WORD}",
    f"mvn sonar:sonar -Dsonar.login={'sqp_' + HEX40}",
    f"java -Dsonar.login={HEX40} -jar x.jar",
    f"java -Djavax.net.ssl.keyStorePassword={WORD} x",
    f"nuget push x.nupkg -k {KEY}",
    f"swift -U a -K {KEY} list",
    f"ipmitool -H h -U a -P {WORD} power",
    f"kadmin -p a/admin -w {WORD}",
    f"kadmin.local -q 'addprinc -pw {WORD} kim'",
    f"snmpwalk -v3 -u kim -A {WORD} -X {KEY} host",
    f"mosquitto_passwd -b file kim {WORD}",
    f"db2 connect to runs user kim using {WORD}",
    f"mysqladmin -u root password '{WORD}'",
    f"ansible-vault encrypt_string '{WORD}' --name x",
    f"gh secret set X --body {KEY}",
    f"aws ssm put-parameter --name /x --value {WORD}",
    f"chamber write svc key {WORD}",
    f"consul kv put a/b {WORD}",
    f"pdftk a.pdf input_pw {WORD} output b.pdf",
    f"nmcli dev wifi connect lab password {WORD}",
    f"security unlock-keychain -p {WORD} login.keychain",
    f"redis-cli -h c AUTH {WORD}",
    f"redis-cli config set requirepass {WORD}",
]
DIRECTIVES = [
    f"bind 127.0.0.1\nrequirepass {WORD}\nappendonly yes",
    f"masterauth {WORD}",
    f"sentinel auth-pass mymaster {WORD}",
    f"binddn cn=x\nbindpw {WORD}",
    f"rootpw {WORD}",
    f"user default on >{WORD} ~* +@all",
    f"auth_pass {WORD}",
    f"AuthLDAPBindPassword {WORD}",
    f"rocommunity {WORD}",
    f"snmp-server community {WORD} RO",
    f"com2sec readonly default {WORD}",
    f'createUser kim SHA "{WORD}" AES "{KEY}"',
    f'kim : PSK "{WORD}"',
    f"# client server secret IP\nkim * {WORD} *",
    f"machine a.org password {WORD}",
    f"stats auth kim:{WORD}",
    f"[smtp.a.org]:587 kim:{WORD}",
    f'user = "kim:{WORD}"',
    f"<auth-user-pass>\nkim\n{WORD}\n</auth-user-pass>",
    f'expect "*?assword:*"\nsend -- "{WORD}\\r"',
    f"K 8\npassword\nV 14\n{WORD}\nK 8\n",
    f"enable secret {WORD}",
    f"username kim password 0 {WORD}",
    f"tacacs-server key {WORD}",
    f"password {WORD}",
    f'proxy_set_header X-Api-Key "{KEY}";',
    f"RequestHeader set X-Auth-Token {KEY}",
    f"SetEnv DB_PASSWORD {WORD}",
    f"ldap_default_authtok = {WORD}",
    f'wep_key0 "{WORD}"',
    f"/msg NickServ IDENTIFY {WORD}",
]
HEADERS = [
    f"curl -H X-Dataverse-key:{UUID} https://a.org",
    f"curl -H 'X-Foo-Key: {KEY}' x",
    f"x-honeycomb-team={KEY[:22]},x-dataset=sim",
    f"OTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team={KEY[:22]}",
    f"uptrace-token={KEY},a=b",
    f"PMG_MAPI_KEY: {KEY}",
    f"TOWER_KEY={UUID}",
]
SOURCES = [
    f'const API_KEY: &str = "{KEY}";',
    f'static const std::string apiKey{{"{KEY}"}};',
    f'std::string password("{WORD}");',
    f'var apiKey string = "{KEY}"',
    f'val dbPassword: String = "{WORD}"',
    f'let token: String = "{KEY}".to_string();',
    f'char password[32] = "{WORD}";',
    f'const char *api_key = "{KEY}";',
    f'NSString *const kApiKey = @"{KEY}";',
    f'public string ApiKey {{ get; set; }} = "{KEY}";',
    f'api_key::String = "{KEY}"',
    f'api_key <- "{KEY}"',
    f"character(len=*), parameter :: passwd = '{WORD}'",
    f"my $password = '{WORD}';",
    f"define('DB_PASSWORD', '{WORD}');",
    f"API_KEY = '{KEY}'.freeze",
    f"local password = '{WORD}'",
    f'(setq my-password "{WORD}")',
    f'set api_key "{KEY}"',
    f'@api_key "{KEY}"',
    f'-define(API_KEY, "{KEY}").',
    f'Const ApiKey As String = "{KEY}"',
    f'.user("ct").password("{SYMBOLS}").dbname("runs")',
    f'builder.withToken("{KEY}")',
    f'.set_password("{WORD}")',
    f'client.setApiKey("{KEY}")',
    f'let password = Some("{WORD}");',
    f'password: Some("{WORD}".into()),',
    f'add_argument("--password", default="{WORD}")',
    f"@click.option('--token', default='{KEY}')",
    f"DBI->connect($dsn, 'kim', '{WORD}')",
    f'DriverManager.getConnection(url, "kim", "{WORD}")',
    f"new PDO($dsn, 'kim', '{WORD}')",
    f"pymysql.connect('db01', 'kim', '{WORD}', 'runs')",
    f"mysqli_connect('h', 'u', '{WORD}')",
    f"cx_Oracle.connect('kim', '{WORD}', 'db/x')",
    f'new NetworkCredential("kim", "{WORD}")',
    f'smtp.PlainAuth("", "kim", "{WORD}", "h.org")',
    f'httr::authenticate("kim", "{WORD}")',
    f'dbConnect(drv, "dsn", "kim", "{WORD}")',
    f"HTTPBasicAuth('kim', '{WORD}')",
    f'.basic_auth("kim", Some("{WORD}"))',
    f"conn = database('runs','kim','{WORD}');",
    f'client.username_pw_set("kim", "{WORD}")',
    f'curl_easy_setopt(c, CURLOPT_USERPWD, "kim:{WORD}");',
]
TABLES = [
    f"| field | value |\n|---|---|\n| password | `{WORD}` |\n",
    f"| user | password |\n|---|---|\n| kim | {WORD} |",
    f"user,password\nkim,{WORD}\n",
    f"password,{WORD}",
    f"<tr><td>password</td><td>{WORD}</td></tr>",
    f"<b>Password:</b> {WORD}<br></b>",
    f"<dt>api key</dt><dd>{KEY}</dd>",
    f"user\tpassword\nkim\t{WORD}",
    f"API key & {KEY} \\\\",
    f"+------+\n| API key | {KEY} |",
    f"* **Password**: {WORD}",
]
SENTENCES = [
    f"Le mot de passe du spectromètre est « {SYMBOLS} ».",
    f"Das Passwort für den Messrechner lautet {WORD}",
    f"Kennwort: {WORD}",
    f"la contraseña del servidor es {WORD}",
    f"La contraseña es «{WORD}»",
    f"la password del laboratorio è “{WORD}”",
    f"a senha do cluster é {WORD}",
    f"het wachtwoord is {WORD}",
    f"lösenordet är {WORD}",
    f"hasło do serwera to {WORD}",
    f"heslo: {WORD}",
    f"пароль от сервера: {WORD}",
    f"パスワードは「{WORD}」です",
    f"密码是{WORD}",
    f"şifre {WORD}",
    f"das Passwort ist „{WORD}“",
    f"salasana on {WORD}",
    f"la clé d'API est {KEY}",
    f"Der API-Schlüssel lautet {KEY}",
    f"mdp = {WORD}",
]
COMMENTS = [
    f"connect(dsn, '{SYMBOLS}')  # password",
    f"x = f('{WORD}')  // the db password",
    f"run {KEY} # the token",
    f"# the database password\n{SYMBOLS}\n",
]
BESIDE_NAMES: list[dict[str, Any]] = [
    {"contraseña": WORD},
    {"mot_de_passe": WORD},
    {"Kennwort": WORD},
    {"bindpw": WORD},
    {"OTEL_EXPORTER_OTLP_HEADERS": f"x-honeycomb-team={KEY}"},
    {"secret_id": UUID},
    {"X-Dataverse-key": UUID},
    {"PMG_MAPI_KEY": KEY},
    {"argv": ["net", "use", "Z:", "\\\\nas1\\runs", WORD, "/user:LAB\\kim"]},
    {"argv": ["codecov", "-t", UUID]},
    {"argv": ["vault", "write", "x", f"secret_id={UUID}"]},
    {"argv": ["curl", "-H", f"X-Dataverse-key:{UUID}"]},
]
LOOK_ALIKES: list[Any] = [
    # names of programs: words that can be said
    "self.auth = MultiDomainBasicAuth(index_urls=index_urls)",
    "credentials = service_account.Credentials.from_service_account_file(",
    "awscrt.auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256",
    "RootModelRootType = TypeVar('RootModelRootType')",
    "def test_read_withMaskAndScaleFalse():",
    '"output_token": "DistributionList.NextMarker",',
    "net use of memory grew by 12%, net user growth is 3x2",
    "codecov -t unit -F linux",
    "vault kv get -field=password kv/lab/db",
    "vault write auth/approle/login role_id=sim secret_id=$SECRET_ID",
    "consul kv put runs/state done",
    "db2 connect to runs user kim",
    "iinit with your password",
    "swift build -k debug",
    "security find-identity -p codesigning",
    "snmpwalk -v2c -c public host",
    "rocommunity public",
    "requirepass ${REDIS_PASSWORD}",
    "bindpw <secret>",
    "auth_pass on",
    "set password policy",
    "password required",
    "token embedding_dim_512",
    "user default on nopass ~* +@all",
    "curl -H X-Request-Id:3f2a9c0e-8b7d-4a5f-8e3d-2c1b0a9f8e7d x",
    {"OTEL_EXPORTER_OTLP_HEADERS": "x-dataset=sim,x-tenant=lab7"},
    {"SORT_KEY": HEX40, "CACHE_KEY": HEX40, "COMET_EXPERIMENT_KEY": HEX40[:32]},
    {"x_axis_key": "val/acc_top1_ema", "x_sort_key": HEX40},
    'const API_KEY: &str = env!("API_KEY");',
    "val apiKey: String = BuildConfig.API_KEY",
    'let token: String = "gpt2-medium".to_string();',
    'tokenizer.add_token("<|im_start|>")',
    'get_password("cluster7/db1")',
    'hash_password("plain1 text")',
    'setToken("mask_token_id_1")',
    'getenv("DB_PASSWORD_2")',
    'client = boto3.client("s3", "us-west-2")',
    "connect('db01', 'user7', 'runs2')",
    "DriverManager.getConnection(url, user, password)",
    "pymysql.connect(host, user, password, 'runs2')",
    "sqlite3.connect('runs_v2.db', timeout=5)",
    "requests.get(url, auth=(user, password))",
    "@click.option('--password', prompt=True, hide_input=True)",
    "add_argument('--token', type=str, help='the token')",
    "add_argument('--password', default=None)",
    'flag.String("token", "", "the token")',
    "| token | id |\n|---|---|\n| hello_world_2 | 15496 |",
    "| metric | password_strength |\n|---|---|\n| zxcvbn | 4 |",
    "token,count\ntokenization_2,17\n",
    "from x import InvalidToken, OAuth2ClientAuth, AsyncOAuth2Client2",
    "    InvalidTokenError,\n    ListStateMachineVersionsOutput2,\n",
    "<td>token</td><td>start_of_text_2</td>",
    "Das Passwort muss 12 Zeichen haben.",
    "le mot de passe est obligatoire",
    "la clave es el m\u00e9todo resnet50",
    "clave: resnet50",
    "het wachtwoord is verplicht",
    "la cl\u00e9 est dans config.yaml",
    "Schl\u00fcssel: learning_rate_schedule_2",
    "lr = 0.1  # no password needed",
    "load(resnet50)  # token embedding",
    "batch_size=64 # tokens",
    "# the number of tokens\n4096",
    "# password for the test\npytest",
    "https://x-access-token:***@github.com/lab/code.git",
    "Incorrect API key provided: sk-proj-********************abcd",
    "expect password: send nothing",
]


@pytest.mark.parametrize("text", [*COMMANDS, *TEXTS])
def test_a_secret_in_a_text_is_found(text: str) -> None:
    """LED-02: in a command, an assignment, a header, an address or a sentence, in any notation."""
    for value in (text, {"note": text}, {"command": ["bash", "-c", text]}):
        assert find_secrets(value)
        clean, _ = sanitize(value)
        assert WORD not in json.dumps(clean)
        assert KEY not in json.dumps(clean)
        assert HEX40 not in json.dumps(clean)
        assert LETTERS not in json.dumps(clean).lower()
        assert find_secrets(clean) == []
        assert sanitize(clean) == (clean, [])
        assert not certainly_without_secrets(canonical_bytes(value))
        assert not certainly_publishable(canonical_bytes(value))


@pytest.mark.parametrize("value", [*({"argv": words} for words in ARGUMENTS), *KEYED], ids=str)
def test_a_secret_beside_its_name_is_found(value: dict[str, Any]) -> None:
    """LED-02: in the list of a command's arguments, in a pair, under a key."""
    clean, pointers = sanitize(value)
    assert pointers
    assert WORD not in json.dumps(clean)
    assert KEY not in json.dumps(clean)
    assert LETTERS not in json.dumps(clean)
    assert sanitize(clean) == (clean, [])
    assert not certainly_without_secrets(canonical_bytes(value))


@pytest.mark.parametrize(
    "value",
    [
        *({"note": text} for text in OF_TOOLS + DIRECTIVES + HEADERS + SOURCES),
        *({"note": text} for text in TABLES + SENTENCES + COMMENTS),
        *BESIDE_NAMES,
    ],
    ids=str,
)
def test_a_secret_in_the_notation_of_a_trade_is_found(value: dict[str, Any]) -> None:
    """LED-02: by place in a command or call, in lines, tables, constants, languages, comments."""
    clean, pointers = sanitize(value)
    said = json.dumps(clean, ensure_ascii=False)
    assert pointers
    assert not any(secret in said for secret in (WORD, KEY[:22], HEX40, UUID, SYMBOLS))
    assert find_secrets(clean) == []
    assert sanitize(clean) == (clean, [])
    assert not certainly_without_secrets(canonical_bytes(value))


@pytest.mark.parametrize("path", PATHS)
def test_a_windows_path_in_encoded_text_is_found(path: str) -> None:
    """LED-02: each backslash is doubled in JSON and in Python's repr."""
    clean, _ = sanitize({"note": path})
    assert find_absolute_paths({"note": path})
    assert "kim" not in json.dumps(clean).lower()


@pytest.mark.parametrize("value", [*HARMLESS, *LOOK_ALIKES], ids=str)
def test_what_only_looks_like_them_stays(value: Any) -> None:
    """LED-02: no false alarm on placeholders, ports, words and settings."""
    for given in (value, {"note": value}, [value]):
        assert sanitize(given) == (given, [])


LAYOUTS: list[Any] = [
    # sub-commands that take a key bare, and the services that install themselves with one
    f"b2 authorize-account 0001c0e9 {KEY}", f"s5cmd configure {KEY}", f"cdsapi setkey {KEY}",
    f"mytool set_api_key svc {KEY}", f"cloudflared tunnel run --token {KEY}",
    f"curl -sSL https://x.org/i.sh | bash -s -- --id 7 -t {KEY}", f"bash <(curl a.org) -t {UUID}",
    f"kaggle-setup --username kim --key {HEX40}", f"New-Context -Key '{KEY}'",
    f"ipmitool user set password 2 {WORD}", f"schtasks /create /RU kim /RP {WORD}",
    f"sqlplus -S kim/{WORD}@//h.lab:1521/x", f"etcdctl user add root:{WORD}",
    f"echo kim:{KEY} > .passwd-s3fs", f"printf '%s' '{WORD}' | tee secrets/db_password.txt",
    f"etcdctl --user=root:{WORD} get /x", f"cache_peer up.lab parent 3128 0 login=edge:{WORD}",
    # functions and clients that are given nothing but a key
    f"census_api_key('{HEX40}', install = TRUE)", f'owm_set_key("{HEX40}")',
    f'register_google(key = "{KEY}")', f"c = tweepy.Client('{KEY}')", f'MPRester("{HEX40}")',
    f"GalaxyInstance(url='https://x.org', key='{HEX40}')", f"Gateway('kim', '{WORD}', host='h')",
    f'getConnection(url, "kd", /* password */ "{WORD}");', f'val secretKey = """{KEY}"""',
    # literals in brackets, and other signs
    f"set db_password {{{WORD}}}", f"local api_key = [[{KEY}]]", f"DSN=x;UID=kim;PWD={{{WORD}}};",
    f"my $password = q({WORD});", f"DEPLOY_TOKEN ?= {KEY}", f"${{DB_PASSWORD:-{WORD}}}",
    f"Uid%3Dkim%3BPwd%3D{WORD}%3BEncrypt%3Dyes", f"https://x.org/a?b=st=1~acl=/*~hmac={HEX40}",
    # wireless networks, cookies, databases, clocks, devices of networks
    f'network={{\n  ssid="lab"\n  psk="{WORD}"\n}}', f"WIFI:T:WPA;S:lab;P:{WORD};;",
    f"logged_in=yes; user_session={KEY}", f"cookies = {{'_lab_session': '{HEX40}'}}",
    f".x.org\tTRUE\t/\tTRUE\t1800000000\t_session_64\t_{HEX40}", f"PRAGMA rekey='{WORD}'",
    f"1 SHA1 HEX:{HEX40}  # key of this server",
    f"tacacs server T1\n address ipv4 10.0.0.9\n key 0 {WORD}\n", f"rootpw --plaintext {WORD}",
    f"ip ospf message-digest-key 1 md5 {WORD}", f'ike policy P1 pre-shared-key ascii-text "{WORD}"',
    f"username netops privilege 15 password 0 {WORD}", f"neighbor 10.0.0.1 password 0 {WORD}",
    # elements, blocks, sections
    f"<name>fs.s3a.secret.key</name>\n<value>{KEY}</value>",
    f"<key>APIToken</key><string>{KEY}</string>",
    f"<Password><Value>{WORD}</Value></Password>", f'<entry key="db.password">{WORD}</entry>',
    f"<member><name>password</name><value><string>{WORD}</string></value></member>",
    f'variable "admin_pw" {{\n  type    = string\n  default = "{WORD}"\n}}\n',
    f"params:\n  - name: DB_PASSWORD\n    type: string\n    default: {WORD}\n",
    f"[admins]\nkim = {WORD}  ; hashed at the next start\n",
    f"fs.azure.account.key.lab.dfs.core.windows.net={KEY}",
    {"name": "db_password", "default": WORD}, {"ssid": "lab", "psk": WORD},
    {"RegisteredUsers": {"kim": WORD}}, {"routing_key": HEX40}, {"BOUNDARY_TOKEN": f"at_{KEY}"},
    # what people write
    f"[14:02] Uli: what was the wifi password again?\n[14:03] Bo: {WORD}",
    f"<kim> anyone has the db pw??\n<bo> it's {WORD}", f"gpu box: user/password: kim / {WORD}",
    f"Unseal Key 3: {KEY}", f"Login & kim \\\\ Password & {WORD} \\\\",
    f"A senha do banco de dados \u00e9 {WORD}", f"Has\u0142o do serwera to {WORD}",
    f"API\u30ad\u30fc\uff1d\u300c{KEY}\u300d",
    f"\u8bbf\u95ee\u4ee4\u724c\uff1ams-{UUID}\uff08x\uff09",
]  # fmt: skip
NO_LAYOUTS: list[Any] = [
    "conda activate py311-torch2", "pip install torch==2.3.0+cu121", "register_key('lr', 0.1)",
    "git config user.signingkey 3AA5C34371567BD2", "kinit -kt svc.keytab svc/n07.lab.example",
    f"Path('{HEX40[:32]}')", f"Commit('{HEX40}')", f"UUID('{UUID}')", "Client('http://10.0.0.1:8786')",
    "AutoModel('Qwen2ForSequenceClassification')", "psk_order=4 snr_db=10",
    "lr=0.1; momentum=0.9; session=run-12", "<name>batch_size</name><value>128</value>",
    "<key>max_tokens</key><string>4096</string>", "<Password>${DB_PASSWORD}</Password>",
    "Kim: what was the password policy?\nBo: 12 characters minimum", "user/password: see the wiki",
    "Das Passwort ist im Tresor", "\u30c8\u30fc\u30af\u30f3\u6570: 4096",
    "\u5bc6\u7801\uff1a\u89c1\u5185\u90e8wiki",
    "chr7\t140753336\trs113488022\tA\tT\t99\tPASS\tDP=88;AF=0.48", "u: 0.5 p: 1.2e-5",
    'variable "token_count" {\n  default = "4096"\n}', "[users]\nkim = admin\nn = 12\n",
    "GPIO PIN is 4711", "exit code is 1234", "postal PIN code is 560012", "PIN 13 high",
    'src="//cdn.example.com/lib/x.js"', "s/\\/api\\/v1/x/", "file://data/train.csv",
    "let api_key = std::env::var(\"API_KEY\").expect(\"API_KEY not set\");",
    "my $password = $ENV{DB_PASSWORD};", "'password' => env('DB_PASSWORD', ''),",
    '<input type="password" name="password" autocomplete="off">', "echo $PASS > .pass",
    'Bearer realm="https://ghcr.io/token",service="ghcr.io"', "echo 'lr=0.1' > tokens.cfg",
    "--user=1000:1000", "--user=app:group2", "/sys/fs/cgroup/memory.max",
    {"routing_key": "tasks.high.priority"}, {"prng_key": HEX40}, {"graph_key": HEX40},
    {"encrypt": True}, {"pat": "^sub-(\\d+)_bold\\.nii"}, {"boundary_token": "<|b|>"},
    {"name": "tokenizer", "default": "bert-base-uncased"}, {"modulation": "psk", "psk": "QPSK"},
    {"users": {"kim": "Kim Lee", "bo": "bo@x.org"}}, {"group": "/PRODUCT/SUPPORT_DATA/GEO"},
]  # fmt: skip


@pytest.mark.parametrize("value", LAYOUTS, ids=str)
def test_a_secret_whose_name_stands_elsewhere_is_found(value: Any) -> None:
    """LED-02: layouts, sections, blocks, bare arguments, clients, questions and answers."""
    given = value if isinstance(value, dict) else {"note": value}
    clean, pointers = sanitize(given)
    said = json.dumps(clean, ensure_ascii=False)
    assert pointers
    assert not any(secret in said for secret in (WORD, KEY, HEX40, UUID))
    assert sanitize(clean) == (clean, [])
    assert find_secrets(clean) == []
    assert not certainly_without_secrets(canonical_bytes(given))


@pytest.mark.parametrize("value", NO_LAYOUTS, ids=str)
def test_what_is_laid_out_so_and_no_secret_stays(value: Any) -> None:
    """LED-02: the same layouts around settings, names, measures and digests."""
    given = value if isinstance(value, dict) else {"note": value}
    assert sanitize(given) == (given, [])


def test_what_stands_around_a_secret_in_a_command_stays() -> None:
    """LED-02: a command line loses only the secret."""
    clean, pointers = sanitize({"x": f"mysql -uroot -p{WORD} runs && curl -u kim:{WORD} a.org"})
    mark = "<redacted:secret>"
    assert clean == {"x": f"mysql -uroot -p{mark} runs && curl -u kim:{mark} a.org"}
    assert pointers == ["/x"]
    clean, _ = sanitize({"argv": ["curl", "-u", f"kim:{WORD}", "a.org"]})
    assert clean == {"argv": ["curl", "-u", f"kim:{mark}", "a.org"]}
