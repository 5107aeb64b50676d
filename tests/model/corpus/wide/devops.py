"""Test data: secrets, machine paths and harmless look-alikes of HPC and DevOps records.

Every token and password is made up at import from a seeded generator. In the templates the mark
§ stands where the secret goes.
"""

import base64
import json
import random
import string
import uuid

R = random.Random(71093)

SECRETS = []
HARMLESS = []

LOWER = string.ascii_lowercase
UPPER = string.ascii_uppercase
DIGIT = string.digits
ALNUM = string.ascii_letters + DIGIT
WORDS = [
    "kestrel",
    "walnut",
    "harbour",
    "granite",
    "thistle",
    "marble",
    "copper",
    "lantern",
    "meadow",
    "badger",
    "saffron",
    "juniper",
    "tundra",
    "falcon",
    "pepper",
    "cobalt",
    "glacier",
    "orchid",
    "raven",
    "bamboo",
]


USERS = [
    "kdoe",
    "mrossi",
    "ga25xyz",
    "lihua.chen",
    "a.novak",
    "vsc40123",
    "u1042",
    "tschmidt",
    "o_brien",
    "svc-md",
    "Yuki",
    "pbenoit9",
]


def pick(alphabet, n):
    return "".join(R.choice(alphabet) for _ in range(n))


def hx(n):
    return pick("0123456789abcdef", n)


def an(n):
    """Letters and digits, at least one of each kind."""
    while True:
        t = pick(ALNUM, n)
        if any(c in DIGIT for c in t) and any(c in LOWER for c in t) and any(c in UPPER for c in t):
            return t


def low(n):
    return pick(LOWER + DIGIT, n)


def up(n):
    return pick(UPPER + DIGIT, n)


def dg(n):
    return R.choice("123456789") + pick(DIGIT, n - 1)


def b32(n):
    return pick(UPPER + "234567", n)


def url64(n):
    return an(3) + pick(ALNUM + "-_", n - 4) + an(3)[0]


def b64(nbytes):
    return base64.b64encode(bytes(R.randrange(256) for _ in range(nbytes))).decode()


def enc(text):
    return base64.b64encode(text.encode()).decode()


def enc_url(obj):
    text = json.dumps(obj, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def uid():
    return str(uuid.UUID(int=R.getrandbits(128), version=4))


def jwt(alg="HS256", **claims):
    return ".".join((enc_url({"alg": alg, "typ": "JWT"}), enc_url(claims), url64(43)))


def man(n=16, marks=""):
    """A password as a password manager makes it; the marks given are all in it."""
    while True:
        body = list(an(n - len(marks))) + list(marks)
        R.shuffle(body)
        if body[0] in ALNUM and body[-1] in ALNUM:
            return "".join(body)


def human(end="!"):
    """A password as a person makes it: Walnut2019!"""
    return R.choice(WORDS).capitalize() + str(R.randrange(1987, 2025)) + end


def leet():
    """Another human habit: k3str3l_77"""
    w = R.choice(WORDS).replace("e", "3").replace("a", "4").replace("o", "0")
    return w + R.choice("_-.") + dg(3)


def two(sep="-"):
    """Two words and a number: Copper-Raven-418"""
    a, b = R.sample(WORDS, 2)
    return a.capitalize() + sep + b.capitalize() + sep + dg(3)


def fill(value, secret):
    if isinstance(value, str):
        return value.replace("§", secret)
    if isinstance(value, list):
        return [fill(v, secret) for v in value]
    if isinstance(value, dict):
        return {fill(k, secret): fill(v, secret) for k, v in value.items()}
    return value


def rename(value, user):
    """The same path items for another person than kdoe."""
    return json.loads(json.dumps(value).replace("kdoe", user))


def S(name, key, value, secret):
    if name.startswith("path "):
        user = R.choice(USERS)
        value, secret = rename(value, user), rename(secret, user)
    SECRETS.append((name, key, fill(value, secret), secret))


def H(name, key, value):
    HARMLESS.append((name, key, value))


# =============================================================================================
# SECRETS: code hosts and package registries
# =============================================================================================
S(
    "github classic token in pip url",
    "pip_args",
    ["install", "git+https://§@github.com/hpc-lab/solver.git@v2.1"],
    "ghp_" + an(36),
)
S(
    "github fine grained token in nix conf",
    "nix.conf",
    "experimental-features = nix-command flakes\naccess-tokens = github.com=§\n",
    "github_pat_" + an(22) + "_" + an(59),
)
S(
    "github actions token in checkout log",
    "log",
    "[command]/usr/bin/git clone https://x-access-token:§@github.com/acme/pipeline",
    "ghs_" + an(36),
)
S(
    "github oauth token in hub yaml",
    "hub",
    "github.com:\n- user: octo-hpc\n  oauth_token: §\n  protocol: https\n",
    "gho_" + an(36),
)
S(
    "github refresh token in json text",
    "response",
    '{"expires_in":28800,"refresh_token":"§","token_type":"bearer"}',
    "ghr_" + an(36),
)
S("homebrew token export", "zshrc", "export HOMEBREW_GITHUB_API_TOKEN='§'", "ghp_" + an(36))
S(
    "gitlab personal header curl",
    "cmd",
    'curl --header "PRIVATE-TOKEN: §" https://gitlab.example.org/api/v4/projects',
    "glpat-" + url64(20),
)
S(
    "gitlab runner toml",
    "config.toml",
    '[[runners]]\n  name = "gpu-node"\n  url = "https://gitlab.com/"\n  token = "§"\n',
    "glrt-" + url64(20),
)
S(
    "gitlab runner register flag",
    "argv",
    ["gitlab-runner", "register", "--non-interactive", "--registration-token", "§"],
    "GR1348941" + url64(20),
)
S(
    "gitlab trigger form",
    "cmd",
    "curl -X POST -F token=§ -F ref=main https://gitlab.com/api/v4/projects/9/trigger/pipeline",
    "glptt-" + hx(40),
)
S(
    "gitlab deploy token docker login",
    "script",
    "docker login -u gitlab+deploy-token-17 -p § registry.gitlab.com",
    "gldt-" + url64(20),
)
S(
    "gitlab ci job token in submodule url",
    "stderr",
    "fatal: unable to access 'https://gitlab-ci-token:§@git.hpc.example/mesh.git/': 403",
    "glcbt-64_" + url64(20),
)
S(
    "bitbucket app password remote",
    "git_remote",
    "origin\thttps://mrossi:§@bitbucket.org/team/repo.git (fetch)",
    "ATBB" + an(24) + hx(8).upper(),
)
S(
    "atlassian api token jira env",
    "env",
    {"JIRA_USER": "ci-bot", "JIRA_API_TOKEN": "§"},
    "ATATT3xFfGF0" + url64(171) + "=" + hx(8).upper(),
)
S(
    "azure devops pat in git extraheader",
    "gitconfig",
    '[http "https://dev.azure.com/acme"]\n\textraheader = AUTHORIZATION: Basic §\n',
    enc(":" + pick(LOWER + "234567", 52)),
)
S(
    "azure devops pat login pipe",
    "step",
    "echo § | az devops login --organization https://dev.azure.com/acme  # personal access token",
    pick(LOWER + "234567", 52),
)
S("gitea token header", "request_headers", {"Accept": "*/*", "authorization": "token §"}, hx(40))
S(
    "npmrc authtoken line",
    ".npmrc",
    "registry=https://npm.acme.dev/\n//npm.acme.dev/:_authToken=§\nalways-auth=true\n",
    "npm_" + an(36),
)
S(
    "npmrc base64 password",
    "file",
    '//nexus.lab/repository/npm/:username=ci\n//nexus.lab/repository/npm/:_password="§"\n',
    enc(man(15, "!")),
)
S(
    "yarn berry yaml",
    "yarnrc",
    {"npmScopes": {"acme": {"npmRegistryServer": "https://npm.acme.dev", "npmAuthToken": "§"}}},
    uid(),
)
S(
    "pypi token twine",
    "cmd",
    "twine upload -u __token__ -p § dist/*",
    "pypi-AgEIcHlwaS5vcmc" + url64(150),
)
S(
    "pypirc file",
    ".pypirc",
    "[distutils]\nindex-servers = lab\n\n[lab]\nrepository: https://pypi.lab/\nusername: build\n"
    "password: §\n",
    man(18, "%#"),
)
S("pip index url", "PIP_EXTRA_INDEX_URL", "https://reader:§@pypi.lab.example/simple", man(20))
S("poetry http basic", "cmd", "poetry config http-basic.lab deployer §", human("!!"))
S("uv index env", "env", {"UV_INDEX_INTERNAL_PASSWORD": "§"}, man(24))
S("crates io credentials", "credentials.toml", '[registry]\ntoken = "§"\n', "cio" + an(32))
S("cargo login command", "history", ["cargo build --release", "cargo login §"], "cio" + an(32))
S(
    "nuget push key",
    "cmd",
    "dotnet nuget push bin/Release/Mesh.1.0.0.nupkg --api-key §",
    "oy2" + low(43),
)
S(
    "nuget config cleartext",
    "NuGet.Config",
    '<packageSourceCredentials><Feed><add key="Username" value="ci" />'
    '<add key="ClearTextPassword" value="§" /></Feed></packageSourceCredentials>',
    man(14, "*"),
)
S("rubygems credentials", "gem", "---\n:rubygems_api_key: §\n", "rubygems_" + hx(48))
S(
    "composer auth json",
    "auth.json",
    {"http-basic": {"repo.packagist.com": {"username": "token", "password": "§"}}},
    hx(40),
)
S(
    "maven settings server",
    "settings.xml",
    "<server>\n  <id>nexus-releases</id>\n  <username>deploy</username>\n"
    "  <password>§</password>\n</server>",
    leet(),
)
S("maven system property", "mvn", "mvn -B deploy -Dgpg.passphrase=§ -DskipTests", two())
S(
    "gradle properties signing",
    "gradle.properties",
    "org.gradle.jvmargs=-Xmx4g\nsigning.keyId=8F2A91C0\nsigning.password=§\n",
    man(19),
)
S(
    "sbt credentials constructor",
    "build.sbt",
    'credentials += Credentials("Artifactory Realm", "repo.lab.example", "ci", "§")',
    man(22),
)
S(
    "jfrog api key header",
    "cmd",
    "curl -H 'X-JFrog-Art-Api: §' -T a.jar https://art.lab/libs/a.jar",
    "AKCp" + an(69),
)
S(
    "artifactory reference token",
    "jf_config",
    {"url": "https://art.lab", "accessToken": "§"},
    enc("reftkn:01:" + dg(10) + ":" + an(28)),
)
S(
    "clojars deploy token",
    "profiles.clj",
    '{:auth {:repository-auth {#"clojars" {:username "kt" :password "§"}}}}',
    "CLOJARS_" + hx(60),
)
S(
    "conda channel token url",
    "channels",
    ["conda-forge", "https://conda.anaconda.org/t/§/lab-private"],
    "la-" + uid(),
)
S("conan remote login", "cmd", "conan remote login lab-remote builder -p §", man(13, "+"))
S(
    "spack mirror add",
    "spack",
    "spack mirror add --s3-access-key-id lab-ci --s3-access-key-secret § buildcache s3://spack-cache",
    an(40),
)
S(
    "julia pkg auth toml",
    "auth.toml",
    'expires_at = 1718000000\nrefresh_url = "https://pkg.lab/renew"\nid_token = "§"\n',
    jwt(sub="u-118", aud="pkg"),
)
S("renviron pat", ".Renviron", "R_LIBS_USER=rlibs\nGITHUB_PAT=§\n", "ghp_" + an(36))
S("apt auth conf", "apt_auth", "machine apt.lab.example login mirror password §", man(17))
S(
    "yum repo file",
    "lab.repo",
    "[lab]\nname=Lab\nbaseurl=https://yum.lab/el9\nusername=mirror\npassword=§\ngpgcheck=1\n",
    human("#"),
)
S(
    "subscription manager",
    "provision",
    "subscription-manager register --username=hpcadm --password=§",
    human("?"),
)
S("cpan pause file", ".pause", "user RKLEIN\npassword §\n", leet())
S(
    "chocolatey api key",
    "ps1",
    "choco apikey --source https://push.chocolatey.org/ --key '§'",
    uid(),
)
S("hex pm key", "mix", "HEX_API_KEY=§ mix hex.publish --yes", hx(32))
S("luarocks upload", "cmd", "luarocks upload mesh-1.0-1.rockspec --api-key=§", an(40))
S(
    "cloudsmith entitlement url",
    "repo_url",
    "https://dl.cloudsmith.io/basic/acme/lab/raw/?token=§",
    an(16),
)

# =============================================================================================
# SECRETS: container tools and orchestration
# =============================================================================================
S(
    "docker hub pat echo",
    "bash",
    "echo '§' | docker login --username labci --password-stdin",
    "dckr_pat_" + url64(27),
)
S(
    "docker config auths",
    "config.json",
    {"auths": {"ghcr.io": {"auth": "§"}}, "credsStore": ""},
    enc("labci:" + man(20)),
)
S("podman login creds", "cmd", "podman pull --creds puller:§ quay.io/acme/hpl:3.0", man(21))
S(
    "skopeo copy",
    "argv",
    ["skopeo", "copy", "--src-creds=mirror:§", "docker://a/b", "dir:b"],
    man(16, "."),
)
S("crane login", "log", "+ crane auth login registry.lab -u robot$ci -p §", an(32))
S(
    "singularity env",
    "sbatch",
    "#SBATCH -N 1\nexport SINGULARITY_DOCKER_USERNAME=kd\nexport SINGULARITY_DOCKER_PASSWORD=§\n",
    human("$"),
)
S(
    "apptainer registry login",
    "note",
    "apptainer registry login -u bench --password=§ oras://ghcr.io",
    "ghp_" + an(36),
)
S(
    "enroot credentials netrc",
    "enroot",
    "machine nvcr.io login $oauthtoken password §",
    enc(low(26) + ":" + uid()),
)
S("nvidia ngc key", "NGC_API_KEY", "§", "nvapi-" + url64(64))
S("dockerfile arg", "Dockerfile", "FROM rocky:9\nARG REDIS_AUTH=§\nRUN make\n", man(18))
S(
    "dockerfile env quoted",
    "dockerfile",
    'FROM alpine\nENV MINIO_ROOT_PASSWORD="§" TZ=UTC\n',
    two("_"),
)
S(
    "docker run env flag",
    "argv",
    ["docker", "run", "-d", "-e", "POSTGRES_PASSWORD=§", "postgres:16"],
    man(14, "@"),
)
S(
    "compose yaml",
    "compose",
    "services:\n  db:\n    image: mariadb:11\n    environment:\n      MARIADB_ROOT_PASSWORD: §\n",
    man(17, "^"),
)
S(
    "swarm join",
    "stdout",
    "docker swarm join --token § 10.1.2.3:2377",
    "SWMTKN-1-" + low(50) + "-" + low(25),
)
S(
    "kubeadm join",
    "cloud_init",
    "kubeadm join cp.lab:6443 --token § --discovery-token-unsafe-skip-ca-verification",
    low(6) + "." + low(16),
)
S(
    "k3s server token",
    "k3s",
    {"cmd": "k3s agent", "K3S_TOKEN": "§"},
    "K10" + hx(64) + "::server:" + hx(32),
)
S(
    "rancher bearer",
    "curl",
    "curl -sk -H 'Authorization: Bearer §' https://rancher.lab/v3/clusters",
    "token-" + low(5) + ":" + low(54),
)
S(
    "openshift login",
    "oc",
    "oc login --token=§ --server=https://api.ocp.lab:6443",
    "sha256~" + url64(43),
)
S(
    "kubeconfig user token",
    "kubeconfig",
    {"users": [{"name": "svc", "user": {"token": "§"}}]},
    jwt("RS256", sub="system:serviceaccount:ci"),
)
S(
    "kube secret stringdata",
    "manifest",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: smtp}\nstringData:\n  smtp-password: '§'\n",
    man(16, "~"),
)
S(
    "kube secret data base64",
    "k8s",
    {"kind": "Secret", "metadata": {"name": "db"}, "data": {"password": "§"}},
    enc(man(18)),
)
S(
    "kubectl create literal",
    "cmd",
    "kubectl create secret generic grafana --from-literal=admin-password=§ -n mon",
    human("+"),
)
S(
    "helm set",
    "helm_args",
    ["upgrade", "-i", "pg", "bitnami/postgresql", "--set", "auth.postgresPassword=§"],
    man(20),
)
S(
    "kustomize secretgenerator",
    "kustomization.yaml",
    "secretGenerator:\n- name: mq\n  literals:\n  - RABBITMQ_ERLANG_COOKIE=§\n",
    up(20),
)
S(
    "argocd login",
    "pipeline",
    "argocd login cd.lab --username admin --password § --insecure",
    man(16),
)
S(
    "consul http token",
    "env_dump",
    "CONSUL_HTTP_ADDR=consul.lab:8500\nCONSUL_HTTP_TOKEN=§\nHOME=x",
    uid(),
)
S(
    "consul gossip key hcl",
    "consul.hcl",
    'datacenter = "dc1"\nencrypt = "§"\nretry_join = ["c1"]\n',
    b64(32),
)
S(
    "nomad acl bootstrap",
    "output",
    "Accessor ID  = " + uid() + "\nSecret ID    = §\nName         = Bootstrap Token",
    uid(),
)
S(
    "etcdctl user",
    "cmd",
    "etcdctl --endpoints=e1:2379 --user=root:§ get /registry --prefix",
    man(15),
)
S("vault service token", "VAULT_TOKEN", "§", "hvs.CAESI" + url64(86))
S("vault legacy login", "history", "vault login s.§", an(24))
S(
    "vault approle",
    "role",
    "vault write auth/approle/login role_id=" + uid() + " secret_id=§",
    uid(),
)
S("vault unseal", "init_log", "Unseal Key 3: §", b64(33))
S("boundary token env", "toolbox", "BOUNDARY_TOKEN=§", "at_" + an(10) + "_s1" + an(160))

# =============================================================================================
# SECRETS: continuous integration
# =============================================================================================
S(
    "jenkins api token url",
    "trigger",
    "https://builder:§@jenkins.lab/job/nightly/build",
    "11" + hx(32),
)
S(
    "jenkins cli",
    "cmd",
    "java -jar jenkins-cli.jar -s https://ci.lab -auth kd:§ list-jobs",
    "11" + hx(32),
)
S(
    "jenkinsfile groovy",
    "Jenkinsfile",
    "pipeline { environment { NEXUS_PASSWORD = '§' } stages { } }",
    human(""),
)
S(
    "jenkins jcasc",
    "jenkins.yaml",
    {"jenkins": {"securityRealm": {"local": {"users": [{"id": "admin", "password": "§"}]}}}},
    man(19),
)
S(
    "circleci token header",
    "headers",
    ["Circle-Token: §", "Accept: application/json"],
    "CCIPAT_" + an(22) + "_" + hx(40),
)
S("buildkite agent cfg", "buildkite-agent.cfg", 'name="gpu-%n"\ntoken="§"\nspawn=2\n', hx(50))
S("buildkite api", "py", "Buildkite().set_access_token('§')", "bkua_" + hx(40))
S("codecov upload", "ci_step", "bash <(curl -s https://codecov.io/bash) -t §", uid())
S("coveralls yml", ".coveralls.yml", "service_name: travis-pro\nrepo_token: §\n", an(32))
S(
    "sonar scanner",
    "sonar",
    "sonar-scanner -Dsonar.host.url=https://sonar.lab -Dsonar.login=§",
    "sqp_" + hx(40),
)
S("snyk auth", "run", "snyk auth §", uid())
S("drone rpc secret", "drone.env", "DRONE_SERVER_HOST=ci.lab\nDRONE_RPC_SECRET=§\n", hx(32))
S(
    "teamcity token",
    "tc",
    {"headers": {"Authorization": "Bearer §"}, "timeout": 30},
    enc('{"typ": "TCV2"}').rstrip("=") + "." + url64(36) + "." + url64(48),
)
S("concourse fly", "cmd", "fly -t lab login -c https://ci.lab -u main -p §", leet())
S("buildbot worker", "buildbot.tac", "workername = 'w7'\npasswd = '§'\nkeepalive = 600", man(12))
S("ansible tower oauth", "awx", "awx --conf.token § job_templates launch 14", an(30))
S("travis secure clear", "travis_env", "env:\n  global:\n    - PYPI_PASS=§\n", man(20))
S(
    "renovate hostrules",
    "renovate.json",
    {"hostRules": [{"matchHost": "registry.lab", "username": "bot", "password": "§"}]},
    an(28),
)
S(
    "octopus deploy",
    "octo",
    "octo push --package a.zip --server https://od.lab --apiKey §",
    "API-" + up(30),
)
S("infracost", "infra", "infracost configure set api_key §", "ico-" + an(32))

# =============================================================================================
# SECRETS: clouds and object stores
# =============================================================================================
S(
    "aws credentials ini",
    "aws",
    "[default]\naws_access_key_id = AKIA" + b32(16) + "\naws_secret_access_key = §\n",
    an(40),
)
S("aws access key id only", "note", "rotate the key § next week", "AKIA" + b32(16))
S(
    "aws session token export",
    "setup.sh",
    "export AWS_SESSION_TOKEN=§",
    "IQoJb3JpZ2luX2VjE" + an(300),
)
S(
    "aws presigned url",
    "url",
    "https://lab.s3.amazonaws.com/a.h5?X-Amz-Expires=3600&X-Amz-Signature=§",
    hx(64),
)
S(
    "aws ecr login",
    "ecr",
    "docker login -u AWS -p § 123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "eyJwYXlsb2FkIjoi" + an(200) + "==",
)
S("gcp api key js", "maps", "const GMAPS_KEY = '§';", "AIzaSy" + url64(33))
S(
    "gcp oauth client secret",
    "client_secret.json",
    {"installed": {"client_id": dg(12) + "-x.apps.googleusercontent.com", "client_secret": "§"}},
    "GOCSPX-" + url64(28),
)
S("gcloud access token", "http_log", "> authorization: Bearer §", "ya29.a0Af" + url64(150))
S(
    "gcp service account key line",
    "sa.json",
    {
        "type": "service_account",
        "private_key_id": hx(40),
        "private_key": "-----BEGIN PRIVATE KEY-----\n"
        + b64(48)
        + "\n§\n"
        + b64(30)
        + "\n-----END PRIVATE KEY-----\n",
    },
    b64(48),
)
S(
    "azure storage connection",
    "conn",
    "DefaultEndpointsProtocol=https;AccountName=labdata;AccountKey=§;EndpointSuffix=core.windows.net",
    b64(64),
)
S(
    "azure sas",
    "azcopy",
    "azcopy cp a.nc 'https://labdata.blob.core.windows.net/c?sv=2023-01-03&se=2024"
    "-06-01&sr=c&sp=rw&sig=§'",
    b64(32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
)
S(
    "azure sp login",
    "az",
    "az login --service-principal -u " + uid() + " -p § --tenant lab.example",
    an(3) + "8Q~" + url64(34),
)
S(
    "azure service bus",
    "bus",
    "Endpoint=sb://lab.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=§",
    b64(32),
)
S("azure batch ps", "ps", "New-AzBatchContext -AccountName labbatch -Key '§'", b64(64))
S("digitalocean doctl", "doctl", "doctl auth init -t §", "dop_v1_" + hx(64))
S("hetzner hcloud", "hcloud.toml", '[[contexts]]\nname = "lab"\ntoken = "§"\n', an(64))
S("linode cli", "linode-cli", "[kd]\nregion = eu-west\ntoken = §\n", hx(64))
S("cloudflare certbot ini", "cloudflare.ini", "dns_cloudflare_api_token = §", url64(40))
S(
    "cloudflare tunnel",
    "svc",
    "cloudflared service install §",
    enc(json.dumps({"a": hx(32), "t": uid(), "s": b64(32)})),
)
S(
    "scaleway cfg",
    "scw",
    "access_key: SCW" + up(17) + "\nsecret_key: §\ndefault_zone: fr-par-1\n",
    uid(),
)
S(
    "ovh consumer key",
    "ovh.conf",
    "[ovh-eu]\napplication_key=" + hx(16) + "\napplication_secret=§\n",
    hx(32),
)
S("alibaba key id", "aliyun", {"access_key_id": "§", "region_id": "cn-beijing"}, "LTAI5t" + an(18))
S("tencent secret key", "tccli.credential", {"secretId": "AKID" + an(32), "secretKey": "§"}, an(32))
S("ibm cloud apikey", "ibm", "ibmcloud login --apikey § -r eu-de", url64(44))
S("oci passphrase", "oci_config", "[DEFAULT]\nregion=eu-frankfurt-1\npass_phrase=§\n", two("."))
S(
    "openstack clouds yaml",
    "clouds.yaml",
    'clouds:\n  jetstream:\n    auth:\n      username: tg831\n      password: "§"\n',
    man(16, "&"),
)
S(
    "openstack rc",
    "openrc.sh",
    "export OS_USERNAME=demo\nexport OS_PASSWORD=§\nexport OS_REGION_NAME=R1",
    man(15),
)
S(
    "openstack app credential",
    "env",
    {"OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_SECRET": "§"},
    url64(86),
)
S(
    "keystone x auth token",
    "request",
    "GET /v1/AUTH_lab/data HTTP/1.1\r\nX-Auth-Token: §\r\n",
    "gAAAAAB" + url64(180),
)
S("swift cli", "cmd", "swift -A https://obj.lab/auth/v1.0 -U lab:kd -K § list", man(24))
S("minio mc alias", "mc", "mc alias set lab https://minio.lab:9000 kdoe §", an(32))
S("s3cmd cfg", "s3cfg", "access_key = " + up(20) + "\nsecret_key = §\nuse_https = True\n", an(40))
S("s3fs passwd", "shell", "echo " + up(20) + ":§ > .passwd-s3fs && chmod 600 .passwd-s3fs", an(40))
S(
    "rclone conf",
    "rclone.conf",
    "[nas]\ntype = sftp\nhost = nas.lab\nuser = kd\npass = §\n",
    url64(43),
)
S("backblaze b2", "b2", "b2 authorize-account 00" + hx(22) + " §", "K00" + an(28))
S(
    "hadoop s3a xml",
    "core-site.xml",
    "<property><name>fs.s3a.secret.key</name><value>§</value></property>",
    an(40),
)
S(
    "spark submit conf",
    "spark",
    "spark-submit --conf spark.hadoop.fs.azure.account.key.lab.dfs.core.windows.net=§ job.py",
    b64(64),
)
S("dvc remote modify", "dvc", "dvc remote modify --local store secret_access_key '§'", an(40))
S("snowsql", "snow", "snowsql -a xy123 -u loader -w -- ; export SNOWSQL_PWD=§", man(15, "="))
S(
    "databricks cfg",
    ".databrickscfg",
    "[DEFAULT]\nhost = https://dbc.cloud.example\ntoken = §\n",
    "dapi" + hx(32) + "-2",
)
S("heroku netrc", "netrc", "machine api.heroku.com\n  login ci@lab.example\n  password §\n", uid())
S("netlify token", "deploy", "netlify deploy --prod --auth §", "nfp_" + an(36))
S("fly token", "fly", {"FLY_API_TOKEN": "§"}, "FlyV1 fm2_" + an(150))
S("pulumi token", "ci_vars", "PULUMI_ACCESS_TOKEN: §", "pul-" + hx(40))
S(
    "terraformrc block",
    ".terraformrc",
    'credentials "app.terraform.io" {\n  token = "§"\n}\n',
    an(14) + ".atlasv1." + url64(67),
)
S(
    "tfvars",
    "prod.tfvars",
    'region      = "eu-1"\ndb_password = "§"\nnodes       = 4\n',
    man(18, "!"),
)
S(
    "terraform variable default",
    "main.tf",
    'variable "admin_pw" {\n  type    = string\n  default = "§"\n}\n',
    human("*"),
)
S("terraform var flag", "tf", "terraform apply -auto-approve -var='proxmox_token_secret=§'", uid())
S("doppler", "dop", "doppler run --token=§ -- ./start.sh", "dp.pt." + an(43))
S(
    "onepassword service account",
    "op",
    "OP_SERVICE_ACCOUNT_TOKEN=§ op read op://ci/db/user",
    "ops_" + enc_url({"signInAddress": "lab.1password.eu", "deviceUuid": low(26), "k": an(80)}),
)
S("bitwarden", "bw", "BW_PASSWORD='§' bw unlock --passwordenv BW_PASSWORD", two(" "))

# =============================================================================================
# SECRETS: batch systems, file systems, grid and workflow services
# =============================================================================================
S(
    "slurmdbd conf",
    "slurmdbd.conf",
    "DbdHost=ctl\nStorageUser=slurm\nStoragePass=§\nStorageLoc=acct",
    man(15),
)
S("slurm jwt", "job_env", {"SLURM_JOB_ID": "771", "SLURM_JWT": "§"}, jwt(exp=1718000000, sun="kd"))
S(
    "slurm rest header",
    "rest",
    "curl -H X-SLURM-USER-NAME:kd -H X-SLURM-USER-TOKEN:§ http://c:6820/",
    jwt(exp=1718003600, iat=1718000000, sun="rest"),
)
S(
    "htcondor idtoken",
    "token_create",
    "condor_token_create output: §",
    jwt("HS256", sub="condor@lab", iss="cm.lab", kid="POOL"),
)
S("condor store cred", "cmd", "condor_store_cred add -c -p §", leet())
S(
    "ceph keyring",
    "ceph.keyring",
    '[client.admin]\n\tkey = §\n\tcaps mds = "allow *"\n',
    "AQ" + an(36) + "==",
)
S(
    "ceph mount option",
    "mount",
    "mount -t ceph mon1:6789:/ mnt -o name=hpc,secret=§",
    "AQ" + an(36) + "==",
)
S("cifs mount", "fstab", "//nas/share mnt cifs username=kd,password=§,vers=3.0 0 0", man(14))
S(
    "iscsi chap",
    "iscsid.conf",
    "node.session.auth.username = ini\nnode.session.auth.password = §\n",
    an(14),
)
S("irods init", "irods", "echo '§' | iinit  # iRODS password", man(13, "!"))
S("irods url", "irods_uri", "irods://rods:§@icat.lab:1247/labZone", man(12))
S(
    "globus refresh token",
    "tokens.json",
    {"transfer.api.globus.org": {"refresh_token": "§", "expires_at_seconds": 1718000000}},
    "Ag" + an(62),
)
S("myproxy", "grid", "echo § | myproxy-logon -s mp.lab -l kd --stdin_pass", man(16))
S(
    "xrootd bearer",
    "xrd",
    "BEARER_TOKEN=§ xrdcp root://eos.lab//d/a.root .",
    jwt("ES256", scope="read:/"),
)
S(
    "rucio cfg",
    "rucio.cfg",
    "[client]\nauth_type = userpass\nusername = ddmlab\npassword = §\n",
    leet(),
)
S("kinit pipe", "krb", "printf '%s' '§' | kinit kdoe@LAB.EXAMPLE", human("%"))
S("kadmin addprinc", "kadmin", 'kadmin.local -q "addprinc -pw § host/node7.lab"', man(20))
S("restic env", "backup.sh", "RESTIC_PASSWORD=§ restic -r sftp:nas:bk backup data", two("+"))
S("borg passphrase", "borgmatic", {"encryption_passphrase": "§", "compression": "lz4"}, two(" "))
S(
    "fireworks launchpad",
    "my_launchpad.yaml",
    "host: mongo.lab\nport: 27017\nusername: fw\npassword: §\n",
    man(15),
)
S("radical pilot dburl", "RADICAL_PILOT_DBURL", "mongodb://rct:§@95.217.193.116:27017/rp", man(16))
S(
    "aiida profile",
    "aiida",
    {"storage": {"backend": "psql", "config": {"database_password": "§", "database_port": 5432}}},
    an(20),
)
S(
    "nextflow tower",
    "nextflow.config",
    "tower {\n  enabled = true\n  accessToken = '§'\n}\n",
    enc('{"tid": 8712}').rstrip("=") + "." + hx(40),
)
S(
    "airflow fernet",
    "airflow.cfg",
    "[core]\nfernet_key = §\nexecutor = LocalExecutor\n",
    url64(43) + "=",
)
S("airflow conn env", "AIRFLOW_CONN_WAREHOUSE", "postgres://loader:§@wh.lab:5432/dw", man(16))
S("prefect key", "prefect", "prefect cloud login --key § -w lab/prod", "pnu_" + an(36))
S(
    "dask gateway",
    "dask",
    {"gateway": {"auth": {"type": "jupyterhub", "kwargs": {"api_token": "§"}}}},
    hx(32),
)
S("jupyter start line", "stdout", "[I 10:11:12 ServerApp] http://gpu07:8888/lab?token=§", hx(48))
S(
    "jupyterhub service",
    "jupyterhub_config.py",
    "c.JupyterHub.services = [{'name': 'cull', 'api_token': '§'}]",
    hx(64),
)
S("jupyterhub crypt key", "hub_env", "JUPYTERHUB_CRYPT_KEY=§", hx(64))
S("galaxy api", "galaxy", "https://usegalaxy.example/api/histories?key=§", hx(32))
S("cromwell swagger token", "wes", {"Authorization": "Bearer §"}, url64(64))
S("dnanexus login", "dx", "dx login --token § --noprojects", an(32))
S(
    "synapse config",
    ".synapseConfig",
    "[authentication]\nusername = lab\nauthtoken = §\n",
    jwt("RS256", token_type="PERSONAL_ACCESS_TOKEN"),
)
S("zenodo query", "deposit", "https://zenodo.org/api/deposit/depositions?access_token=§", an(60))
S(
    "dataverse header",
    "dv",
    "curl -H X-Dataverse-key:§ https://demo.dataverse.org/api/dataverses",
    uid(),
)
S("wandb key sbatch", "job.sh", "srun --export=ALL,WANDB_API_KEY=§ python train.py", hx(40))
S("hugging face dict key", "seen_tokens", {"§": {"uses": 3, "last": "2024-05-02"}}, "hf_" + an(34))
S("kaggle json", "kaggle.json", '{"username":"kdoe","key":"§"}', hx(32))
S(
    "openai project key",
    "llm",
    {"provider": "openai", "api_key": "§"},
    "sk-proj-" + url64(74) + "T3BlbkFJ" + url64(74),
)
S("anthropic key toml", "aider.toml", 'anthropic-api-key = "§"', "sk-ant-api03-" + url64(93) + "AA")
S(
    "mlflow env",
    "env_list",
    ["MLFLOW_TRACKING_USERNAME=kd", "MLFLOW_TRACKING_PASSWORD=§"],
    human("&"),
)
S(
    "clearml conf",
    "clearml.conf",
    'api { credentials { "access_key" = "X1", "secret_key" = "§" } }',
    an(50),
)
S("comet config", ".comet.config", "[comet]\napi_key=§\nworkspace=lab\n", an(25))

# =============================================================================================
# SECRETS: directories, networks, hardware management
# =============================================================================================
S("ldapsearch", "cmd", "ldapsearch -x -D cn=admin,dc=lab -w § -b dc=lab '(uid=kd)'", man(14))
S(
    "ldap ldif userpassword",
    "ldif",
    "dn: uid=kd,ou=people,dc=lab\nobjectClass: account\nuserPassword: §\n",
    human("!"),
)
S("nslcd bindpw", "nslcd.conf", "uri ldap://ldap.lab\nbinddn cn=proxy,dc=lab\nbindpw §\n", man(13))
S(
    "sssd authtok",
    "sssd.conf",
    "[domain/lab]\nldap_default_authtok_type = password\nldap_default_authtok = §\n",
    man(16, "#"),
)
S("openldap rootpw", "slapd.conf", 'rootdn "cn=Manager,dc=lab"\nrootpw          §\n', leet())
S("radius client", "clients.conf", "client wlc1 {\n  ipaddr = 10.9.0.4\n  secret = §\n}\n", man(22))
S("radtest", "test", "radtest kd § radius.lab 0 $RADIUS_SECRET", man(12))
S("tacacs key", "ios", "tacacs server T1\n address ipv4 10.0.0.9\n key 0 §\n", man(15))
S(
    "cisco username",
    "running_config",
    "hostname sw-ib1\nusername netops privilege 15 password 0 §\n",
    human("!"),
)
S("cisco enable secret", "switch", "enable secret 0 §", man(14))
S("junos psk", "junos", 'set security ike policy P1 pre-shared-key ascii-text "§"', man(24))
S("snmp v2 community", "snmpd.conf", "rocommunity § 10.0.0.0/8\nsysLocation rack 4\n", leet())
S(
    "snmpv3 walk",
    "snmp",
    "snmpwalk -v3 -l authPriv -u mon -a SHA -A § -x AES -X none 10.0.0.3 sysDescr",
    man(13),
)
S("ipmitool", "ipmi", "ipmitool -I lanplus -H bmc07 -U ADMIN -P § chassis power status", man(11))
S("ipmi user set", "bmc", "ipmitool user set password 3 §", human("$"))
S("redfish curl", "redfish", "curl -k -u root:§ https://bmc12/redfish/v1/Systems/1", man(10, "."))
S("racadm", "drac", "racadm -r 10.2.0.7 -u root -p § getsysinfo", man(12))
S("govc url env", "GOVC_URL", "https://administrator%40vsphere.local:§@vc.lab/sdk", man(14))
S("xcat passwd table", "xcat", "chtab key=system passwd.username=root passwd.password=§", leet())
S("warewulf kickstart", "ks.cfg", "lang en_US\nrootpw --plaintext §\ntimezone UTC\n", man(13))
S(
    "debian preseed",
    "preseed.cfg",
    "d-i passwd/username string kd\nd-i passwd/user-password password §\n",
    human("_"),
)
S(
    "cloud init chpasswd",
    "user-data",
    "#cloud-config\nchpasswd:\n  expire: false\n  users:\n"
    "  - {name: rocky, password: §, type: text}\n",
    man(14),
)
S("chpasswd pipe", "postinstall", "echo 'svc:§' | chpasswd", man(16, "-"))
S("wireguard conf", "wg0.conf", "[Interface]\nAddress = 10.8.0.2/24\nPrivateKey = §\n", b64(32))
S("wireguard psk", "wg_peer", {"AllowedIPs": "10.8.0.0/24", "PresharedKey": "§"}, b64(32))
S("openvpn auth file", "auth-user-pass", {"username": "kdoe", "password": "§"}, two(""))
S("ipsec secrets", "ipsec.secrets", '10.1.1.1 10.2.2.2 : PSK "§"', man(28))
S("wpa supplicant", "wpa_supplicant.conf", 'network={\n\tssid="lab"\n\tpsk="§"\n}\n', two("_"))
S("networkmanager ini", "nm", "[802-1x]\neap=peap;\nidentity=kd\npassword=§\n", man(15))
S(
    "tailscale up",
    "ts",
    "tailscale up --authkey=§ --hostname=gpu3",
    "tskey-auth-k" + an(11) + "CNTRL-" + an(32),
)
S("ngrok", "ngrok.yml", "version: 2\nauthtoken: §\n", an(27) + "_" + an(21))
S("bind tsig", "named.conf", 'key "ddns" {\n  algorithm hmac-sha256;\n  secret "§";\n};\n', b64(32))
S(
    "keepalived vrrp",
    "keepalived.conf",
    "authentication {\n  auth_type PASS\n  auth_pass §\n}",
    an(8),
)
S("chrony key", "chrony.keys", "1 SHA1 HEX:§  # secret key of this server", hx(40).upper())
S(
    "zabbix api login",
    "zbx",
    '{"jsonrpc":"2.0","method":"user.login","params":{"user":"Admin","password":"§"},"id":1}',
    man(13),
)

# =============================================================================================
# SECRETS: databases and message queues
# =============================================================================================
S("pgpassword prefix", "cmd", "PGPASSWORD='§' psql -h db.lab -U runs -c 'select 1'", man(16, "!"))
S("pgpass line", ".pgpass", "db.lab:5432:runs:loader:§  # password file", man(17))
S(
    "libpq conninfo",
    "dsn",
    "host=db.lab port=5432 dbname=runs user=kd password=§ sslmode=require",
    man(15),
)
S(
    "jdbc url property",
    "log",
    "HikariPool-1 - jdbcUrl: jdbc:postgresql://db/runs?user=kd&password=§&ssl=on",
    man(18),
)
S("mysql glued p", "cmd", "mysql -h db.lab -uroot -p§ runs -e 'show tables'", man(13))
S(
    "mysqldump long",
    "cron",
    "15 2 * * * mysqldump --user=bk --password=§ runs | gzip > r.sql.gz",
    leet(),
)
S("my cnf", ".my.cnf", '[client]\nuser=kd\npassword="§"\n', man(14, ";"))
S("sql create user", "sql", "CREATE USER 'etl'@'%' IDENTIFIED BY '§';", man(16, "$"))
S(
    "sql alter role",
    "migration",
    "ALTER ROLE reporter WITH LOGIN PASSWORD '§' VALID UNTIL '2030-01-01';",
    human("."),
)
S(
    "mssql sqlcmd",
    "cmd",
    'sqlcmd -S tcp:sql.lab,1433 -U sa -P § -Q "SELECT @@VERSION"',
    man(15, "#"),
)
S(
    "ado net string",
    "ConnectionStrings",
    {"Default": "Server=sql.lab;Database=Runs;User Id=app;Password=§;TrustServerCertificate=True"},
    man(17),
)
S("odbc pwd", "odbc", "DRIVER={ODBC Driver 18 for SQL Server};SERVER=s;UID=app;PWD=§", man(14))
S("oracle sqlplus", "ora", "sqlplus -S scott/§@//ora.lab:1521/XEPDB1 @load.sql", man(12))
S(
    "mongodb srv",
    "mongo",
    "mongodb+srv://loader:§@cluster0.ab1cd.mongodb.net/runs?retryWrites=true",
    man(16),
)
S("mongosh flags", "argv", ["mongosh", "--username", "admin", "--password", "§", "admin"], man(18))
S("redis conf", "redis.conf", "port 6379\nrequirepass §\nappendonly yes\n", an(48))
S("redis cli", "cmd", "redis-cli -h r1 -a § --no-auth-warning INFO", man(22))
S("redis acl", "acl", "ACL SETUSER worker on >§ ~jobs:* +@all", man(16))
S("celery broker", "CELERY_BROKER_URL", "redis://:§@redis.lab:6379/1", man(20))
S("amqp url", "broker", {"url": "amqp://runner:§@mq.lab:5672/%2Fjobs"}, man(15))
S(
    "rabbit conf",
    "rabbitmq.conf",
    "listeners.tcp.default = 5672\ndefault_user = mq\ndefault_pass = §\n",
    man(16),
)
S("rabbitmqctl", "setup", "rabbitmqctl add_user runner '§'", man(14, "!"))
S(
    "kafka jaas",
    "client.properties",
    "sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common."
    'security.plain.PlainLoginModule required username="kd" password="§";',
    an(64),
)
S(
    "kafka truststore",
    "kafka",
    "ssl.truststore.location=ts.jks\nssl.truststore.password=§\n",
    leet(),
)
S("kcat", "cmd", "kcat -b k1:9093 -X sasl.username=kd -X sasl.password=§ -L", an(40))
S(
    "nats seed",
    "nats.creds",
    "-----BEGIN USER NKEY SEED-----\n§\n------END USER NKEY SEED------",
    "SUA" + b32(55),
)
S("mosquitto", "cmd", "mosquitto_pub -h mqtt.lab -u probe -P § -t lab/t -m 21.4", man(12))
S("paho python", "cell", "client.username_pw_set('probe', password='§')", man(13))
S("cassandra cqlshrc", "cqlshrc", "[authentication]\nusername = cass\npassword = §\n", man(18))
S(
    "clickhouse users xml",
    "users.xml",
    "<users><reader><password>§</password><profile>ro</profile></reader></users>",
    man(15),
)
S(
    "clickhouse url param",
    "ch",
    "http://ch.lab:8123/?user=reader&password=§&query=SELECT%201",
    man(17),
)
S(
    "influx token",
    "telegraf.conf",
    '[[outputs.influxdb_v2]]\n  urls = ["http://i:8086"]\n  token = "§"\n',
    url64(86) + "==",
)
S("elastic curl", "cmd", "curl --user elastic:§ -XGET 'https://es.lab:9200/_cat/indices'", an(20))
S("elastic apikey header", "hdr", "Authorization: ApiKey §", enc(an(20) + ":" + an(22)))
S("neo4j auth", "env", {"NEO4J_AUTH": "neo4j/§"}, man(15))
S(
    "couchdb ini",
    "local.ini",
    "[admins]\nadmin = §  ; plain password, hashed at the next start\n",
    man(14),
)
S("pgbouncer userlist", "userlist.txt", '"loader" "§"   ; password of loader', man(16))
S("sqlcipher pragma", "sql", "PRAGMA key = '§';", two("/"))
S(
    "dbt profile",
    "profiles.yml",
    "runs:\n  outputs:\n    dev: {type: postgres, user: kd, pass: '§'}\n",
    man(13, "!"),
)
S(
    "hive site",
    "hive-site.xml",
    "<property>\n<name>javax.jdo.option.ConnectionPassword</name>\n<value>§</value>\n</property>",
    leet(),
)
S(
    "spring yaml",
    "application.yml",
    {"spring": {"datasource": {"url": "jdbc:h2:mem:t", "username": "sa", "password": "§"}}},
    man(16),
)
S("flyway", "cmd", "flyway -url=jdbc:mariadb://db/runs -user=f -password=§ migrate", man(14))
S(
    "django settings",
    "settings.py",
    "SECRET_KEY = 'django-insecure-§'\nDEBUG = True",
    pick(LOWER + DIGIT + "#*(-_=+^&$@!)", 50),
)
S("rails master key", "rails", "RAILS_MASTER_KEY=§ bin/rails db:migrate", hx(32))
S("laravel app key", ".env", "APP_NAME=Lab\nAPP_KEY=base64:§\nAPP_DEBUG=false\n", b64(32))
S(
    "sqlalchemy engine repr",
    "nb_cell",
    "engine = create_engine('mysql+pymysql://kd:§@db.lab/runs', pool_size=5)",
    man(15),
)
S("confluent cloud", "ccloud", {"sasl.username": up(16), "sasl.password": "§"}, b64(48))
S("pulsar auth", "pulsar", "pulsar-admin --auth-params token:§ tenants list", jwt(sub="admin"))
S("planetscale", "pscale", "PLANETSCALE_SERVICE_TOKEN=§", "pscale_tkn_" + url64(43))

# =============================================================================================
# SECRETS: servers, proxies, monitoring, chat, mail
# =============================================================================================
S(
    "nginx basic header",
    "nginx.conf",
    'location /api {\n  proxy_set_header Authorization "Basic §";\n}',
    enc("svc:" + man(16)),
)
S(
    "apache ldap bind",
    "httpd.conf",
    'AuthLDAPBindDN cn=web,dc=lab\nAuthLDAPBindPassword "§"\n',
    man(15, "@"),
)
S("htpasswd batch", "cmd", "htpasswd -bc users.htp kd §", human("1"))
S("haproxy userlist", "haproxy.cfg", "userlist ops\n  user admin insecure-password §\n", man(13))
S("haproxy stats", "stats", "listen stats\n  bind :9000\n  stats auth ops:§\n", leet())
S("squid peer", "squid.conf", "cache_peer up.lab parent 3128 0 no-query login=edge:§", man(14))
S("https proxy", "HTTPS_PROXY", "http://kdoe:§@proxy.lab:8080", man(12))
S("wget", "cmd", "wget --user=kd --password='§' https://data.lab/a.tar", man(16, "?"))
S("lftp", "cmd", "lftp -u kd,§ sftp://ftp.lab -e 'mirror out; quit'", man(13))
S(
    "sshpass",
    "argv",
    ["sshpass", "-p", "§", "ssh", "-o", "StrictHostKeyChecking=no", "n07"],
    human("!"),
)
S("sshpass e", "cmd", "SSHPASS=§ sshpass -e rsync -a out n07:", man(12, "-"))
S("smbclient", "cmd", "smbclient //nas/raw -U 'LAB\\kdoe%§' -c ls", man(14))
S("rsync daemon", "cmd", "env RSYNC_PASSWORD=§ rsync -a rsync://bk@nas/runs .", man(15))
S("cookie header", "har", {"name": "Cookie", "value": "theme=dark; sessionid=§; lang=en"}, low(32))
S("set cookie", "resp", "Set-Cookie: JSESSIONID=§; Path=/; HttpOnly; Secure", up(32))
S("x api key", "req", "POST /jobs HTTP/2\nx-api-key: §\ncontent-type: application/json", an(40))
S("grafana sa token", "grafana", {"auth": {"header": "Bearer §"}}, "glsa_" + an(32) + "_" + hx(8))
S(
    "grafana ini",
    "grafana.ini",
    '[security]\nadmin_user = admin\nadmin_password = """§"""\n',
    man(14, "#"),
)
S(
    "prometheus basic",
    "prometheus.yml",
    "scrape_configs:\n- job_name: node\n  basic_auth:\n    username: prom\n    password: §\n",
    man(19),
)
S(
    "alertmanager slack",
    "alertmanager",
    {"slack_api_url": "https://hooks.slack.com/services/§"},
    "T" + up(8) + "/B" + up(10) + "/" + an(24),
)
S(
    "slack bot",
    "notify.py",
    "WebClient(token='§').chat_postMessage(channel='#hpc', text=t)",
    "xoxb-" + dg(12) + "-" + dg(13) + "-" + an(24),
)
S("telegram", "tg", "curl https://api.telegram.org/bot§/getUpdates", dg(10) + ":AA" + url64(33))
S("discord webhook", "hook", "https://discord.com/api/webhooks/" + dg(18) + "/§", url64(68))
S("datadog yaml", "datadog.yaml", "site: datadoghq.eu\napi_key: §\nlogs_enabled: true\n", hx(32))
S("newrelic user key", "nr", "NEW_RELIC_API_KEY=§ newrelic install", "NRAK-" + up(27))
S("dynatrace", "dyn", "Authorization: Api-Token §", "dt0c01." + up(24) + "." + up(64))
S(
    "splunk hec",
    "hec",
    "curl -k https://sp.lab:8088/services/collector -H 'Authorization: Splunk §'",
    uid(),
)
S(
    "sentry org token",
    "sentry",
    ".sentryclirc: [auth] token=§",
    "sntrys_" + enc(json.dumps({"iat": 1718000000, "org": "lab"})) + "_" + url64(43),
)
S("pagerduty", "pd", {"service": {"routing_key": "§", "severity": "critical"}}, hx(32))
S(
    "sendgrid smtp",
    "smtp",
    {"host": "smtp.sendgrid.net", "user": "apikey", "pass": "§"},
    "SG." + url64(22) + "." + url64(43),
)
S("msmtprc", ".msmtprc", "account lab\nhost mail.lab\nuser kd\npassword §\n", man(16))
S("postfix sasl", "sasl_passwd", "password map: [smtp.lab]:587 relay:§", man(15))
S(
    "swaks",
    "cmd",
    "swaks --to a@lab.example --server mail.lab --auth LOGIN --auth-user kd --auth-password §",
    man(14),
)
S(
    "fluentd shared key",
    "fluent.conf",
    "<security>\n  self_hostname n1\n  shared_key §\n</security>",
    man(24),
)
S("postman", "pm", "newman run lab.json --postman-api-key §", "PMAK-" + hx(24) + "-" + hx(34))
S(
    "keycloak cli",
    "kc",
    "kcadm.sh config credentials --server https://sso.lab --realm master --user admin --password §",
    human("?"),
)
S(
    "oauth form body",
    "token_request",
    "grant_type=client_credentials&client_id=hpc&client_secret=§",
    url64(40),
)

# =============================================================================================
# SECRETS: configuration management, Windows, signing
# =============================================================================================
S("ansible inventory", "hosts.ini", "[gpu]\ng1 ansible_user=rocky ansible_become_pass=§\n", man(14))
S("ansible extra vars", "cmd", 'ansible-playbook site.yml -e "ansible_ssh_pass=§ env=prod"', leet())
S(
    "ansible verbose args",
    "log",
    'changed: [n1] => {"invocation": {"module_args": {"name": "kd", "login_password": "§"}}}',
    man(15),
)
S("puppet class", "site.pp", "class { 'mysql::server':\n  root_password => '§',\n}", man(17))
S("hiera yaml", "hiera", {"profile::db::password": "§", "profile::db::port": 5432}, man(18))
S(
    "chef attribute",
    "attributes.rb",
    "default['postgresql']['password']['postgres'] = \"§\"",
    man(16),
)
S("salt pillar", "pillar", 'mysql:\n  connection.pass: "§"\n', leet())
S("cfengine vars", "cf", 'vars: "admin_password" string => "§";', man(14))
S(
    "systemd environment",
    "runs.service",
    '[Service]\nExecStart=/bin/sh run.sh\nEnvironment="API_SECRET=§" "MODE=prod"\n',
    an(32),
)
S("systemd setcredential", "unit", "[Service]\nSetCredential=db-password:§\n", man(20))
S(
    "packer hcl",
    "image.pkr.hcl",
    'source "qemu" "el9" {\n  ssh_username = "root"\n  ssh_password = "§"\n}',
    human(""),
)
S("vagrantfile", "Vagrantfile", 'config.ssh.password = "§"', leet())
S("jsonnet local", "main.jsonnet", "local dbPassword = '§';\n{ db: { pass: dbPassword } }", man(17))
S("cue field", "cfg.cue", '#DB: {\n  user:     "kd"\n  password: "§"\n}', man(15))
S("dhall record", "cfg.dhall", '{ user = "kd", password = "§", port = 5432 }', man(16))
S("nix module", "configuration.nix", 'users.users.kd.initialPassword = "§";', leet())
S(
    "xml attribute",
    "context.xml",
    '<Resource name="jdbc/runs" username="kd" password="§" maxTotal="8"/>',
    man(13),
)
S(
    "tomcat users",
    "tomcat-users.xml",
    "<user username='deployer' roles='manager-script' password='§'/>",
    two("_"),
)
S(
    "toml inline table",
    "cfg",
    'registry = { url = "https://r.lab", user = "kd", token = "§" }',
    an(36),
)
S("ini colon", "app.ini", "[mail]\nsmtp_pass: §\n", man(14))
S("properties escaped", "app.properties", "keystore.type=PKCS12\nkeystore.password = §\n", man(13))
S("yaml block folded", "yaml", "api_secret: >-\n  §\nretries: 3\n", an(44))
S(
    "powershell securestring",
    "ps1",
    "$p = ConvertTo-SecureString '§' -AsPlainText -Force",
    man(15, "!"),
)
S("powershell param", "cmd", 'Connect-VIServer -Server vc.lab -User adm -Password "§"', human("#"))
S("net use", "bat", "net use Z: \\\\nas\\raw § /user:LAB\\kdoe /persistent:no", man(12))
S("cmdkey", "bat", "cmdkey /generic:TERMSRV/win7 /user:kd /pass:§", man(14))
S(
    "schtasks",
    "cmd",
    "schtasks /Create /TN nightly /TR run.bat /SC DAILY /RU LAB\\svc /RP §",
    man(13),
)
S("net user add", "cmd", "net user runner § /add", human("!"))
S("psexec", "cmd", "psexec \\\\win7 -u LAB\\adm -p § cmd", leet())
S(
    "unattend xml",
    "unattend.xml",
    "<AutoLogon><Password><Value>§</Value><PlainText>true</PlainText></Password></AutoLogon>",
    man(12),
)
S(
    "winlogon reg",
    "reg",
    '[HKEY_LOCAL_MACHINE\\SOFTWARE\\Winlogon]\n"DefaultPassword"="§"\n',
    human("."),
)
S(
    "web config machinekey",
    "web.config",
    '<machineKey validation="SHA1" validationKey="§" />',
    hx(128).upper(),
)
S("appsettings jwt", "appsettings.json", {"Jwt": {"Issuer": "lab", "SigningKey": "§"}}, man(40))
S("plink", "cmd", "plink -batch -ssh kd@n07 -pw § hostname", man(12))
S("winscp url", "cmd", 'winscp.com /command "open sftp://kd:§@nas/" exit', man(13))
S("signtool", "cmd", "signtool sign /f code.pfx /p § /fd SHA256 app.exe", man(15))
S("batch set", "env.bat", "@echo off\r\nset DB_PASSWORD=§\r\n", man(14))
S("csh setenv", ".cshrc", "setenv LAB_API_TOKEN §", an(40))
S("fish set", "config.fish", "set -gx NOTIFY_TOKEN §", an(30))
S("openssl passin", "cmd", "openssl pkcs12 -in c.p12 -passin pass:§ -nodes -out c.pem", man(13))
S("keytool", "cmd", "keytool -list -keystore ks.jks -storepass §", leet())
S("gpg batch", "cmd", "gpg --batch --pinentry-mode loopback --passphrase '§' -c a.tar", two(" "))
S("seven zip", "cmd", "7z x -p§ raw.7z -oout", man(14))
S("zip password flag", "cmd", "zip -r --password § out.zip results", man(12))
S("keychain unlock", "cmd", "security unlock-keychain -p '§' build.keychain", man(10, "!"))
S("cryptsetup pipe", "cmd", "echo -n '§' | cryptsetup luksOpen /dev/sdb1 data -", two(" "))
S(
    "age identity",
    "keys.txt",
    "# created: 2024-03-01\n§\n",
    "AGE-SECRET-KEY-1" + pick("023456789ACDEFGHJKLMNPQRSTUVWXYZ", 58),
)
S(
    "openssh private line",
    "id_ed25519",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA"
    + an(48)
    + "\n§\n"
    + b64(24)
    + "\n-----END OPENSSH PRIVATE KEY-----\n",
    an(70),
)
S(
    "rsa pem escaped newlines",
    "TLS_KEY",
    "-----BEGIN RSA PRIVATE KEY-----\\nMIIE"
    + an(60)
    + "\\n§\\n"
    + an(40)
    + "==\\n-----END RSA PRIVATE KEY-----",
    b64(48),
)
S(
    "putty ppk",
    "key.ppk",
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n§\n"
    "Private-MAC: " + hx(64),
    b64(36),
)
S("expect script", "login.exp", 'expect "assword:"\nsend "§\\r"\ninteract', man(13))

# =============================================================================================
# SECRETS: typed constants and calls in programming languages
# =============================================================================================
S("c define", "cfg.h", '#define MQTT_PASSWORD "§"', man(14))
S("cpp constexpr", "cfg.hpp", 'inline constexpr std::string_view kApiSecret{"§"};', an(36))
S("cpp char array", "main.cpp", 'static const char db_passwd[] = "§";', man(13))
S("rust const", "main.rs", 'const ACCESS_TOKEN: &str = "§";', an(40))
S(
    "rust debug print",
    "log",
    'Config { host: "db.lab", user: "kd", password: "§", port: 5432 }',
    man(15),
)
S("go const", "main.go", "const apiKey string = `§`", an(32))
S(
    "go struct literal",
    "store.go",
    'opt := &redis.Options{Addr: "r:6379", Password: "§", DB: 0}',
    man(18),
)
S(
    "go plus v",
    "stderr",
    "panic: dial failed: {Host:db Port:5432 User:kd Password:§ SSL:true}",
    man(14),
)
S("java field", "Cfg.java", 'private static final String DB_PASSWORD = "§";', man(15))
S(
    "java jdbc call",
    "Load.java",
    'DriverManager.getConnection(url, "kd", /* password */ "§");',
    man(14),
)
S(
    "java stack trace",
    "trace",
    "java.sql.SQLException: login failed (user=kd, password=§)\n"
    "\tat org.lab.Load.main(Load.java:41)",
    leet(),
)
S("kotlin const val", "Keys.kt", 'const val CLIENT_SECRET: String = "§"', url64(40))
S("swift let", "Keys.swift", 'private let apiToken: String = "§"', an(40))
S("csharp const", "Keys.cs", 'internal const string SqlPassword = @"§";', man(14, "!"))
S("fsharp let", "keys.fs", 'let [<Literal>] ApiPassword = "§"', man(16))
S("scala val", "Keys.scala", 'private val secretKey: String = """§"""', an(40))
S("julia const", "keys.jl", 'const API_KEY = "§"::String', an(32))
S("r arrow", "load.R", 'db_password <- "§"', man(14))
S(
    "r dbconnect",
    "load2.R",
    'con <- dbConnect(RPostgres::Postgres(), user = "kd", password = "§")',
    man(15),
)
S("matlab weboptions", "get.m", "opts = weboptions('Username','kd','Password','§');", human("#"))
S("fortran parameter", "cfg.f90", "character(len=*), parameter :: api_password = '§'", man(16))
S("perl dbi", "load.pl", "my $dbh = DBI->connect($dsn, 'kd', $password = q{§});", man(14))
S("php define", "config.php", "define('DB_PASSWORD', '§');", man(15, "&"))
S("ruby keyword", "load.rb", "PG.connect(dbname: 'runs', user: 'kd', password: '§')", man(14))
S("lua module table", "mod.lua", 'local cfg = { user = "kd", secret = "§" }', an(30))
S("tcl set", "mod.tcl", "set db_password {§}", man(13))
S("haskell", "Keys.hs", 'apiToken :: Text\napiToken = "§"', an(40))
S(
    "elixir config",
    "config.exs",
    'config :lab, Lab.Repo,\n  username: "kd",\n  password: "§"',
    man(16),
)
S("erlang cookie", "vm.args", "-name mq@n1\n-setcookie §\n", up(20))
S("clojure def", "core.clj", '(def ^:const api-token "§")', an(36))
S("dart const", "keys.dart", "static const String apiKey = '§';", "AIzaSy" + url64(33))
S("ada constant", "keys.adb", 'Db_Password : constant String := "§";', man(14))
S("vba const", "mod.bas", 'Private Const DB_PWD As String = "§"', leet())
S("groovy map", "conf.groovy", "credentials = [user: 'kd', password: '§']", man(15))
S("cmake set", "CMakeLists.txt", 'set(SIGNING_PASSWORD "§" CACHE STRING "")', man(14))
S("makefile assign", "Makefile", "DEPLOY_TOKEN ?= §\ndeploy:\n\t./deploy.sh\n", an(32))
S("bazelrc header", ".bazelrc", "build --remote_header=x-buildbuddy-api-key=§", an(20))
S("python netrc tuple", "cell", "requests.get(url, auth=('kdoe', '§'))", man(15, "!"))
S("python getpass default", "cell", "token = os.getenv('LAB_TOKEN', '§')", an(40))

# =============================================================================================
# SECRETS: prose, traces and process listings
# =============================================================================================
S(
    "prose password is",
    "notes",
    "To log in at the license server the password is §, please change.",
    human("!"),
)
S("prose german", "notizen", "Das Passwort lautet: § (bitte nicht weitergeben)", man(12, "!"))
S("prose french", "remarques", "mot de passe : §", leet())
S("prose markdown table", "readme", "| field | value |\n|---|---|\n| api token | `§` |\n", an(32))
S("chat line", "chat", "[14:02] kd: pw for the BMC is now '§'", man(11, "!"))
S("set x trace", "stderr", "++ export ARTIFACT_TOKEN=§\n++ ARTIFACT_TOKEN=x\n+ make push", an(36))
S(
    "ps aux line",
    "ps",
    "kd 4123 0.0 0.1 ? Ssl 10:01 0:00 node_exporter --web.password=§ --port 9100",
    man(13),
)
S("strace write", "strace", 'write(3, "AUTH §\\r\\n", 38) = 38', man(28))
S(
    "curl verbose",
    "curl_v",
    "* Server auth using Basic with user 'kd'\n> GET /runs HTTP/1.1\n> Authorization: Basic §\n",
    enc("kd:" + man(12)),
)
S(
    "proxy authorization",
    "wire",
    "CONNECT pypi.org:443 HTTP/1.1\nProxy-Authorization: Basic §",
    enc("LAB\\kd:" + man(11)),
)
S(
    "nginx access query",
    "access.log",
    '10.0.0.4 - - [02/May/2024:10:11:12 +0000] "GET /dl?api_key=§ HTTP/1.1" 200 512',
    an(32),
)
S(
    "http client debug",
    "debug",
    'DEBUG reqwest: headers: {"x-vault-token": "§", "accept": "*/*"}',
    "hvs." + an(24),
)
S(
    "argparse namespace",
    "stdout",
    "Namespace(host='db.lab', user='kd', passwd='§', verbose=True)",
    man(14),
)
S(
    "typescript object",
    "log",
    "{ host: 'mq', credentials: { login: 'kd', passcode: '§' } }",
    man(13),
)
S(
    "query fragment",
    "redirect",
    "https://app.lab/cb#access_token=§&token_type=Bearer&expires_in=3600",
    jwt("RS256", sub="kd", aud="app"),
)
S("websocket url", "ws", "wss://hub.lab/api/kernels/k1/channels?session_id=s1&token=§", hx(32))

# =============================================================================================
# MACHINE PATHS: Linux homes, clusters, mounts
# =============================================================================================
S("path home bare", "cwd", "§", "/home/kdoe/runs/lj-0042")
S(
    "path home in traceback",
    "stderr",
    'Traceback (most recent call last):\n  File "§", line 12, in <module>\nKeyError: 3',
    "/home/mrossi/src/mesh/partition.py",
)
S("path sbatch output", "header", "#SBATCH --output=§", "/scratch/users/mrossi/logs/%x-%j.out")
S("path perlmutter", "workdir", "§", "/pscratch/sd/k/kdoe/vasp/si-64")
S("path nersc home", "conda", "conda activate §", "/global/homes/k/kdoe/envs/torch2")
S("path cfs project", "args", ["--data", "§"], "/global/cfs/cdirs/m1234/kdoe/cmip6")
S("path juelich", "config", {"project": {"root": "§", "nodes": 4}}, "/p/project/hai_lab/doe1/repo")
S(
    "path juelich scratch",
    "log",
    "checkpoint written to § (2.1 GB)",
    "/p/scratch/hai_lab/doe1/ckpt-9.pt",
)
S("path lrz", "slurm", "cd § && srun ./solver", "/dss/dsshome1/lxc07/ga25xyz/lbm")
S("path gpfs", "input_deck", "restart_dir = '§'", "/gpfs/alpine/csc190/scratch/kdoe/rst")
S("path lustre orion", "env", {"MEMBERWORK": "§"}, "/lustre/orion/csc190/scratch/kdoe")
S("path tacc work", "WORK", "§", "/work2/08123/kdoe/frontera")
S("path tacc home", "cmd", "tar xf §", "/home1/08123/kdoe/data.tgz")
S("path cern afs", "lsf", "bsub -o § ./run.sh", "/afs/cern.ch/user/k/kdoe/out.%J")
S("path cern eos", "root_file", "root://eosuser.cern.ch/§", "/eos/user/k/kdoe/ntuples/a.root")
S("path euler", "ld", "LD_LIBRARY_PATH=§:$LD_LIBRARY_PATH", "/cluster/home/kdoe/local/lib")
S(
    "path cluster project",
    "snakefile",
    'configfile: "§"',
    "/cluster/projects/nn9999k/kdoe/config.yaml",
)
S("path archer2", "pbs", "#PBS -d §", "/work/e123/e123/kdoe/run7")
S("path fsx", "launcher", "torchrun --nproc_per_node=8 train.py --out=§", "/fsx/kdoe/exp/llama-ft")
S("path nfs", "yaml", "cache:\n  dir: §\n  size: 10G\n", "/nfs/home/kdoe/.cache/uv")
S(
    "path net automount",
    "find",
    "find § -name '*.nc' -newer stamp",
    "/net/storage7/export/kdoe/era5",
)
S("path mnt data", "dataset_root", "§", "/mnt/data2/mrossi/imagenet")
S("path media usb", "backup", "rsync -a results/ §", "/media/mrossi/SanDisk64/results")
S("path run media", "udisks", "Mounted /dev/sdb1 at §", "/run/media/kdoe/LAB_USB")
S("path export home solaris", "passwd_line", "kdoe:x:1012:100::§:/bin/ksh", "/export/home/kdoe")
S("path data group", "h5_ext", "H5L external link -> §", "/data/groups/spectro/kdoe/raw_0007.h5")
S("path scratch local jobid", "TMPDIR", "§", "/scratch/local/kdoe.4471203")
S("path tmp user named", "socket", "ssh-agent listening on §", "/tmp/ssh-kdoe-x7/agent.4412")
S("path tmp ray", "ray", {"_temp_dir": "§"}, "/tmp/kdoe/ray/session_2024-05-02")
S(
    "path storage brno",
    "gaussian",
    "%chk=§\n# B3LYP/6-31G(d) opt",
    "/storage/brno2/home/kdoe/g16/w.chk",
)
S("path users hpc", "lmp", "read_data § extra/bond/per/atom 2", "/users/kdoe/lammps/data.peo")
S("path ceph", "zarr_store", "§", "/ceph/grid/home/kdoe/cube.zarr")
S("path beegfs", "lfs_out", "quota exceeded on § (user kdoe)", "/beegfs/work/ws/fr_kd1001-md")
S(
    "path workspace hlrs",
    "ws_allocate",
    "Info: creating workspace.\n§\nremaining extensions: 3",
    "/lustre/hpe/ws11/ws11.1/ws/kdoe-cfd",
)
S("path quoted spaces", "cmd", "python plot.py --in '§'", "/home/k doe/My Runs/run 3.csv")
S("path unicode", "input", "§", "/home/jörg/daten/messung_07.csv")
S("path flags I L", "cxxflags", "-O3 -march=native -I§ -fopenmp", "/home/kdoe/opt/fftw/include")
S("path rpath", "ldflags", "-Wl,-rpath,§ -lmesh", "/home/mrossi/install/lib64")
S(
    "path gcc error",
    "make_log",
    "§:88:14: error: 'MPI_Comm' does not name a type",
    "/home/mrossi/code/lbm/src/halo.cpp",
)
S(
    "path cmake cache",
    "CMakeCache.txt",
    "CMAKE_HOME_DIRECTORY:INTERNAL=§",
    "/home/kdoe/build/openmm",
)
S(
    "path ninja quoted",
    "compile_commands",
    [{"directory": "§", "file": "src/a.c"}],
    "/home/kdoe/build/petsc-debug",
)
S(
    "path rust panic",
    "stderr",
    "thread 'main' panicked at §:42:9:\nindex out of bounds",
    "/home/kdoe/.cargo/registry/src/index.crates.io-6f17d22bba15001f/ndarray-0.15.6/src/lib.rs",
)
S(
    "path go trace",
    "stderr",
    "goroutine 1 [running]:\nmain.main()\n\t§:17 +0x1d",
    "/home/kdoe/go/src/lab/main.go",
)
S(
    "path java classpath",
    "java_cmd",
    "java -cp lib/a.jar:§ org.lab.Main",
    "/home/kdoe/.m2/repository/x.jar",
)
S(
    "path node module",
    "trace",
    "Error: Cannot find module '§'\nRequire stack: - index.js",
    "/home/kdoe/app/node_modules/plotly",
)
S("path r setwd", "load.R", 'setwd("§")', "/home/kdoe/projects/rnaseq")
S("path julia project", "cmd", "julia --project=§ -t 8 main.jl", "/home/kdoe/.julia/dev/Mesh")
S("path matlab addpath", "run.m", "addpath(genpath('§'));", "/home/kdoe/matlab/spm12")
S(
    "path fortran open",
    "main.f90",
    "open(unit=11, file='§', status='old')",
    "/scratch/kdoe/in/grid.dat",
)
S(
    "path openfoam",
    "foam_log",
    "Case   : §\nnProcs : 64",
    "/home/kdoe/OpenFOAM/kdoe-11/run/pitzDaily",
)
S(
    "path netcdf history",
    "history",
    "Thu May 2 10:11:12 2024: ncks -v tas § out.nc",
    "/glade/scratch/kdoe/archive/b.e21/tas_1980.nc",
)
S(
    "path ncar campaign",
    "catalog",
    {"assets": [{"path": "§", "format": "zarr"}]},
    "/glade/campaign/cgd/kdoe/cesm",
)
S(
    "path docker volume",
    "argv",
    ["docker", "run", "-v", "§:/data:ro", "lab/img"],
    "/home/kdoe/datasets",
)
S(
    "path singularity bind",
    "cmd",
    "apptainer exec --nv --bind §:/mnt img.sif nvidia-smi",
    "/scratch/kdoe",
)
S(
    "path k8s hostpath",
    "pod",
    {"volumes": [{"name": "d", "hostPath": {"path": "§"}}]},
    "/home/kdoe/k8s/data",
)
S("path nfs server export", "fstab", "nas01:§ data nfs4 ro 0 0", "/export/groups/kdoe")
S("path ssh identity", "cmd", "ssh -i § -p 2222 n07 hostname", "/home/kdoe/.ssh/id_cluster")
S("path scp remote", "cmd", "scp out.h5 login1:§", "/home/kdoe/incoming/out.h5")
S("path rsync source", "cmd", "rsync -avP § backup/", "/home/kdoe/thesis/")
S("path git worktree", "git", "fatal: '§' is already checked out", "/home/kdoe/wt/feature-x")
S("path editable pip", "freeze", ["numpy==1.26.4", "-e §"], "/home/kdoe/src/labtools")
S("path direct url", "pip_freeze", "labtools @ file://§", "/home/mrossi/work/labtools")
S("path sqlite four slashes", "db", "sqlite:///§", "/home/kdoe/optuna/study.db")
S("path jdbc h2", "jdbc", "jdbc:h2:file:§;MODE=PostgreSQL", "/home/kdoe/.lab/h2/runs")
S("path mlflow artifact", "artifact_uri", "file://§", "/home/kdoe/mlruns/0/3f2a/artifacts")
S("path file url host", "link", "file://fileserver§", "/home/kdoe/report.html")
S("path encoded url", "href", "vscode://file/open?path=§", "%2Fhome%2Fkdoe%2Fnb%2Fa.ipynb")
S("path vscode remote", "uri", "vscode-remote://ssh-remote+login1§", "/home/kdoe/code/mesh")
S("path dict key", "disk_usage", {"§": "1.2T", "total": "4T"}, "/scratch/project_2001234/kdoe")
S(
    "path systemd unit",
    "lab.service",
    "[Service]\nUser=lab\nWorkingDirectory=§\n",
    "/home/lab/daemon",
)
S("path crontab", "crontab", "0 3 * * * § >/dev/null 2>&1", "/home/kdoe/bin/nightly.sh")
S("path shebang venv", "script", "#!§\nimport sys\n", "/home/kdoe/venvs/ml/bin/python3")
S(
    "path nextflow work",
    "nf_log",
    "Work dir:\n  §\nTip: view .command.sh",
    "/scratch/kdoe/nf/work/3f/a2b9c0",
)
S("path core dump", "dmesg", "core dumped to § by signal 11", "/scratch/kdoe/core.n07.4123")
S("path modulefile", "mod.tcl", "prepend-path PATH §", "/home/kdoe/apps/gromacs/2024/bin")
S(
    "path spack install",
    "spack_yaml",
    "externals:\n- spec: hdf5@1.14\n  prefix: §\n",
    "/home/kdoe/sw/hdf5-1.14",
)
S(
    "path bracket list repr",
    "sys_path",
    "['', '§', 'lib']",
    "/home/kdoe/.local/lib/python3.11/site-packages",
)
S("path escaped slashes json", "json_text", '{"dir":"§"}', "\\/home\\/kdoe\\/runs")
S("path parenthesised", "note", "see my old results (§) for the plots.", "/home/kdoe/old/fig")
S("path csi work group", "tape", "hsi put a.tar : §", "/hpss/users/kdoe/2024/a.tar")
S("path lib profile latex", "latex_log", "(§\nLaTeX2e <2023-11-01>", "/home/kdoe/paper/main.tex")
S("path perf maps", "perf", "7f00-7f10 r-xp 00000000 08:01 42 §", "/home/kdoe/lib/libmesh.so.3")

# =============================================================================================
# MACHINE PATHS: macOS
# =============================================================================================
S("path mac users", "cwd", "§", "/Users/kdoe/Documents/runs")
S(
    "path mac library quoted",
    "cmd",
    'open "§"',
    "/Users/kdoe/Library/Application Support/Lab/cfg.json",
)
S(
    "path mac var folders",
    "tmp",
    "tempfile: §",
    "/var/folders/9x/k3l2m1n0p4q5r6s7t8u9v0w1x2y3z4/T/tmpab12cd",
)
S("path mac volumes", "source", "§", "/Volumes/KDoe-T7/cryoem/mic_001.mrc")
S(
    "path mac icloud",
    "bibtex",
    "file = {§:application/pdf}",
    "/Users/kdoe/Zotero/storage/AB3X/doe.pdf",
)
S("path mac escaped spaces", "sh", "cp § out/", "/Users/kdoe/Google\\ Drive/data.xlsx")
S(
    "path mac swift log",
    "xcode",
    "§:31:9: warning: unused variable 'n'",
    "/Users/mrossi/dev/Mesh/Sources/Mesh.swift",
)
S("path mac file url pct", "url", "file://§", "/Users/kdoe/My%20Plots/a.svg")

# =============================================================================================
# MACHINE PATHS: Windows, WSL, UNC
# =============================================================================================
S("path win users", "cwd", "§", "C:\\Users\\kdoe\\runs\\07")
S("path win temp", "TEMP", "§", "C:\\Users\\KDOE~1\\AppData\\Local\\Temp")
S("path win forward", "config", {"data_dir": "§"}, "C:/Users/kdoe/Documents/data")
S(
    "path win doubled in json text",
    "settings.json",
    '{"python.defaultInterpreterPath": "§"}',
    "C:\\\\Users\\\\kdoe\\\\venv\\\\python.exe",
)
S("path win traceback", "stderr", 'File "§", line 3, in main', "D:\\Users\\mrossi\\lab\\fit.py")
S(
    "path win drive project",
    "msbuild",
    "§(12,5): error CS0103: The name 'x' does not exist",
    "D:\\work\\mrossi\\Mesh\\Program.cs",
)
S("path win onedrive", "xlsx", "§", "C:\\Users\\kdoe\\OneDrive - Lab\\Messung 7.xlsx")
S("path win ps", "ps1", "Set-Location -Path '§'", "E:\\projects\\kdoe\\cfd")
S("path win documents settings", "legacy", "§", "C:\\Documents and Settings\\kdoe\\Desktop\\in.dat")
S("path unc", "share", "§", "\\\\nas01\\groups\\spectro\\kdoe\\raw")
S("path unc robocopy", "cmd", "robocopy § D:\\mirror /MIR", "\\\\fs2.lab.example\\home$\\mrossi")
S("path unc forward", "url", "file:§", "//nas01/groups/spectro/kdoe/a.csv")
S(
    "path win file url",
    "jupyter",
    "open file:///§ in a browser",
    "C:/Users/kdoe/AppData/Roaming/jupyter/runtime/nbserver-41-open.html",
)
S("path wsl mnt", "cwd", "§", "/mnt/c/Users/kdoe/source/mesh")
S("path wsl unc", "explorer", "§", "\\\\wsl$\\Ubuntu-22.04\\home\\kdoe\\run")
S("path wsl localhost", "launch", {"program": "§"}, "\\\\wsl.localhost\\Debian\\home\\kdoe\\a.out")
S("path cygwin", "cmd", "ls -l §", "/cygdrive/c/Users/kdoe/data")
S("path msys", "bash", "cd § && make", "/c/Users/kdoe/git/mesh")
S("path mapped drive", "inputs", ["§", "b.csv"], "Z:\\kdoe\\experiments\\2024-05\\a.csv")
S("path win env list", "PATH", "§;%SystemRoot%", "C:\\Users\\kdoe\\miniconda3\\Scripts")
S("path win reg", "reg", '"InstallPath"="§"', "C:\\\\Users\\\\kdoe\\\\apps\\\\vmd")
S("path win extended", "long", "§", "\\\\?\\C:\\Users\\kdoe\\very\\long\\name.dat")
S("path mendeley", "bib", "file = {:§:pdf}", "C\\:/Users/kdoe/Mendeley/Doe2021.pdf")

# =============================================================================================
# HARMLESS: hashes, ids, versions
# =============================================================================================
H("git commit sha", "git_commit", hx(40))
H("git short", "commit", hx(7))
H("git describe", "version", "v2.3.1-14-g" + hx(7) + "-dirty")
H("git diff index", "diff", "index " + hx(7) + ".." + hx(7) + " 100644")
H("git log oneline", "log", hx(8) + " (HEAD -> main, origin/main) Fix token counting in tokenizer")
H("image digest", "image", "nvcr.io/nvidia/pytorch@sha256:" + hx(64))
H("sha256 sum line", "sha256sum", hx(64) + "  results/energies.csv")
H("md5 named", "md5", hx(32))
H("pip hash flag", "requirements", "numpy==1.26.4 --hash=sha256:" + hx(64))
H("npm integrity", "package-lock", {"integrity": "sha512-" + b64(64), "version": "4.17.21"})
H("go sum", "go.sum", "github.com/spf13/cobra v1.8.0 h1:" + b64(32))
H(
    "cargo lock",
    "Cargo.lock",
    '[[package]]\nname = "serde"\nversion = "1.0.197"\nchecksum = "' + hx(64) + '"\n',
)
H("nix narhash", "flake.lock", {"narHash": "sha256-" + b64(32), "rev": hx(40)})
H("conda build string", "conda_list", "numpy 1.26.4 py311h64a7726_0 conda-forge")
H(
    "conda explicit",
    "explicit",
    "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.2.13-hd590300_5.conda#" + hx(32),
)
H("spack spec hash", "spack_find", "hdf5@1.14.3%gcc@12.3.0+mpi arch=linux-rocky9-zen3 /" + low(7))
H("etag header", "headers", {"ETag": '"' + hx(32) + '"', "Content-Length": "1024"})
H("content md5", "http", "Content-MD5: " + b64(16))
H("run uuid", "run_id", uid())
H("mlflow run", "mlflow.runId", hx(32))
H("wandb run id", "wandb_run", "lab/mesh/" + low(8))
H("traceparent", "traceparent", "00-" + hx(32) + "-" + hx(16) + "-01")
H("amz request id", "x-amz-request-id", up(16))
H("docker container id", "container", hx(12))
H(
    "dvc lock",
    "dvc.lock",
    "outs:\n- path: model.pkl\n  hash: md5\n  md5: " + hx(32) + "\n  size: 1204\n",
)
H(
    "git lfs pointer",
    "lfs",
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + hx(64) + "\nsize 12345\n",
)
H("ipfs cid", "cid", "Qm" + pick("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 44))
H("ssh fingerprint", "fingerprint", "256 SHA256:" + b64(32).rstrip("=") + " (ED25519)")
H(
    "gpg key id line",
    "gpg",
    "gpg: Good signature, key fingerprint: " + " ".join(hx(4).upper() for _ in range(10)),
)
H(
    "certificate public",
    "ca.pem",
    "-----BEGIN CERTIFICATE-----\n" + b64(48) + "\n" + b64(30) + "\n-----END CERTIFICATE-----\n",
)
H(
    "public key pem",
    "pubkey",
    "-----BEGIN PUBLIC KEY-----\n" + b64(44) + "\n-----END PUBLIC KEY-----\n",
)
H("deb version", "package", "libssl3 3.0.11-1~deb12u2 amd64")
H("build id", "BuildID", "[sha1]=" + hx(40))
H("seed int", "seed", 20240517)
H("seed hex", "rng_seed", "0x9E3779B97F4A7C15")
H("philox key counter", "philox", {"key": [12345, 67890], "counter": [0, 0, 0, 7]})
H("job id array", "SLURM_ARRAY_JOB_ID", "4471203_17")
H("pbs job id", "PBS_JOBID", "88123.pbsserver")
H("kernel release", "uname", "Linux 5.14.0-362.18.1.el9_3.x86_64 #1 SMP PREEMPT_DYNAMIC")
H("triplet", "target", "x86_64-conda-linux-gnu")
H("wheel name", "wheel", "torch-2.3.0+cu121-cp311-cp311-linux_x86_64.whl")
H("pci address", "bus_id", "0000:81:00.0")
H("cargo fingerprint", "target_file", "target/release/deps/mesh-" + hx(16) + ".rlib")
H("ansible checksum", "stat", {"stat": {"checksum": hx(40), "size": 4096, "isreg": True}})
H("kube pod name", "pod", "trainer-7d9c8b6f5-x2k4q")
H("kube resource version", "resourceVersion", "48812733")
H("helm release secret name", "name", "sh.helm.release.v1.grafana.v3")
H("oci layer list", "layers", ["sha256:" + hx(64), "sha256:" + hx(64)])

# =============================================================================================
# HARMLESS: names with token, key, pass, secret, auth
# =============================================================================================
H("max new tokens", "max_new_tokens", 512)
H("tokens per second", "tokens_per_second", 1834.22)
H("pad token", "pad_token", "<pad>")
H(
    "special tokens",
    "special_tokens_map",
    {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
)
H("token id", "eos_token_id", 50256)
H("tokenizer name", "tokenizer", "bert-base-uncased")
H("tokenizer class", "tokenizer_class", "PreTrainedTokenizerFast")
H("tokens list", "tokens", ["[CLS]", "kin", "##ase", "inhibitor", "[SEP]"])
H("token type ids", "token_type_ids", [0, 0, 0, 1, 1])
H("token pattern regex", "token_pattern", "(?u)\\b\\w\\w+\\b")
H("token classification", "task", "token-classification")
H("token lifetime", "access_token_lifetime", "3600s")
H("token bucket tc", "tc", "tc qdisc add dev eth0 root tbf rate 1gbit burst 32kbit latency 400ms")
H("token kind", "token_kind", "IDENTIFIER")
H("use auth token false", "use_auth_token", False)
H("vault token ttl", "token_ttl", "1h30m")
H("image token", "image_token_index", 32000)
H("mask token prob", "mask_token_prob", 0.15)
H("primary key", "primary_key", "sample_id")
H("sort key", "sort_key", "energy_per_atom")
H("join keys", "keys", ["subject_id", "session", "run"])
H("key size", "key_size", "256 bits")
H("key type", "ssh_key_type", "ed25519")
H("key exchange", "KexAlgorithms", "curve25519-sha256,diffie-hellman-group16-sha512")
H("music key", "key", "C# minor")
H("foreign key sql", "ddl", "FOREIGN KEY (run_id) REFERENCES runs(id) ON DELETE CASCADE")
H("key frame", "keyframe_interval", 250)
H("key bits attention", "key_dim", 64)
H("query key value", "attention", {"q_proj": "query", "k_proj": "key", "v_proj": "value"})
H("cache key", "cache-key", "pip-${{ runner.os }}-${{ hashFiles('requirements.txt') }}")
H("partition key", "partition_key", "dt=2024-05-01")
H("redis key name", "redis_key", "queue:jobs:pending")
H("registry key path", "reg_key", "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control")
H("keyword", "keyword_args", "verbose=True, atol=1e-8")
H("keybinding", "keybinding", "ctrl+shift+p")
H("kde key metric", "key_metric", "val_f1")
H("monkey", "species", "rhesus monkey")
H("author key", "authoring_tool", "OpenSCAD 2021.01")
H("bypass", "bypass_cache", True)
H("passband", "passband_hz", [0.1, 40.0])
H("low pass", "low_pass", "Butterworth, order 4, cutoff 30 Hz")
H("n passes", "n_passes", 3)
H("pass at k", "pass@k", {"pass@1": 0.412, "pass@10": 0.688})
H("pass fail", "result", "PASS: 118 FAIL: 0 SKIP: 2")
H("llvm passes", "opt_passes", "-passes='default<O3>,loop-vectorize,slp-vectorizer'")
H("passthrough", "gpu_passthrough", "vfio-pci")
H("passenger", "passenger_count", 189)
H("two pass variance", "algorithm", "two-pass variance, numerically stable")
H(
    "password auth no",
    "sshd_config",
    "PasswordAuthentication no\nPermitRootLogin prohibit-password\n",
)
H(
    "password policy",
    "policy",
    {"password_min_length": 14, "password_history": 5, "password_hash": "argon2id"},
)
H("password null", "password", None)
H("password empty", "db_password", "")
H("password true flag", "ask_password", True)
H("password prompt", "prompt", "Enter password for user 'kd': ")
H("password expired line", "log", "WARN Your password will expire in 14 days.")
H("password incorrect", "stderr", "Permission denied (publickey,gssapi-keyex,password).")
H("password column", "columns", ["id", "email", "password_hash", "created_at"])
H("nsswitch passwd", "nsswitch.conf", "passwd:     files sss\nshadow:     files\n")
H("getent passwd", "cmd", "getent passwd | wc -l")
H("secret name only", "imagePullSecrets", [{"name": "regcred"}])
H(
    "secret key ref",
    "env",
    [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
)
H("secretion", "signal_peptide", "secretory pathway, score 0.93")
H("secret sharing", "protocol", "Shamir secret sharing, threshold 3 of 5")
H("secret scanning", "ci", "gitleaks: no secrets found in 412 commits")
H(
    "secrets mount",
    "dockerfile",
    "RUN --mount=type=secret,id=pip_conf pip install -r requirements.txt",
)
H("auth none", "auth", "none")
H("auth type slurm", "AuthType", "auth/munge")
H("auth method kerberos", "auth_method", "gssapi")
H("auth mode iap", "authorization-mode", "Node,RBAC")
H("auth enabled false", "auth_enabled", False)
H("authority hydro", "authority", "EPSG:4326")
H("author field bib", "bib", "@article{curie1898, author={Curie, M.}, year={1898}}")
H("credential helper", "git_credential", "credential.helper=osxkeychain")
H("credentials include", "fetch", "fetch(url, { credentials: 'same-origin' })")
H("credentials provider", "credentials_provider", "InstanceProfileCredentialsProvider")
H("cors cred", "allow_credentials", "true")
H("cipher list", "ssl_ciphers", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384")
H("signature types", "signature", "float64[:](float64[:], int64)")
H("salt ocean", "salt", "35.2 PSU")
H("salt compound", "salt_name", "NaCl 150 mM")
H("pin memory", "pin_memory", True)
H("gpio pin", "pin", 17)
H("session name", "session", "tmux-main")
H("session timeout", "session_timeout", 1800)
H("cookie consent", "cookie_policy", "SameSite=Lax; Secure")
H(
    "bearer format",
    "openapi",
    {
        "securitySchemes": {
            "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
    },
)
H("jwt algorithm", "jwt_algorithm", "RS256")
H("basic word", "title", "Basic usage of the solver")
H("api version", "apiVersion", "rbac.authorization.k8s.io/v1")
H("api key name field", "api_key_name", "X-API-Key")
H("api key required", "api_key_required", False)
H("private bool", "private", False)
H("private network", "private_subnet", "10.0.0.0/8")
H("privkey type", "private_key_format", "PKCS#8")
H("public key algo", "pubkey_algorithm", "ecdsa-sha2-nistp256")
H("aws profile", "aws_profile", "research-readonly")
H("pwd var", "workdir", "$PWD/results")
H("pw quantum espresso", "pw_input", "pw.x -npool 4 -in scf.in > scf.out")
H("pwd pseudo", "pseudo", "Si.pbe-n-kjpaw_psl.1.0.0.UPF")
H("passivation", "surface_passivation", "H-terminated")
H("hash algorithm", "password_hasher", "bcrypt")
H("credential scope", "oauth_scopes", ["openid", "profile", "email", "offline_access"])
H(
    "token endpoint",
    "token_endpoint",
    "https://sso.example.org/realms/lab/protocol/openid-connect/token",
)
H("keytab file name", "keytab", "svc.keytab")
H("secret backend", "secrets_backend", "airflow.providers.hashicorp.secrets.vault.VaultBackend")

# =============================================================================================
# HARMLESS: secrets by reference, placeholders, masks
# =============================================================================================
H("os environ", "cell", 'token = os.environ["HF_TOKEN"]')
H("os getenv none", "cell", "api_key = os.getenv('OPENAI_API_KEY')")
H("actions secret", "workflow", "env:\n  PYPI_TOKEN: ${{ secrets.PYPI_TOKEN }}\n")
H("gitlab ci var", "script", 'docker login -u "$CI_REGISTRY_USER" -p "$CI_REGISTRY_PASSWORD"')
H("terraform ref", "main.tf", "password = var.db_password\nusername = local.db_user\n")
H("terraform sensitive", "plan", "  + password = (sensitive value)")
H(
    "terraform random",
    "pw.tf",
    'resource "random_password" "db" {\n  length  = 24\n  special = false\n}',
)
H("jinja ansible", "tasks", 'login_password: "{{ vault_db_password }}"')
H("ansible lookup", "vars", "db_pass: \"{{ lookup('env', 'DB_PASS') }}\"")
H("ansible no log", "task", "no_log: true  # hides the password")
H("helm template", "tpl", "password: {{ .Values.auth.password | b64enc | quote }}")
H("compose interpolation", "compose", "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?must be set}")
H("compose file secret", "compose2", "POSTGRES_PASSWORD_FILE: ./secrets/pg.txt")
H("python configparser ref", "ini", "password = %(DB_PASS)s")
H("windows env ref", "bat", "sqlcmd -U app -P %SQL_PASS%")
H("powershell env ref", "ps1", "$cred.Password = $env:LAB_PASSWORD")
H("powershell get credential", "ps1b", "$c = Get-Credential -Message 'Cluster login'")
H("powershell read host", "ps1c", "$pw = Read-Host -AsSecureString 'Password'")
H("rust env", "main.rs", 'let api_key = std::env::var("API_KEY").expect("API_KEY not set");')
H("go getenv", "main.go", 'password := os.Getenv("DB_PASSWORD")')
H("java getenv", "Cfg.java", 'String password = System.getenv("DB_PASSWORD");')
H("kotlin property", "Cfg.kt", 'val token: String = project.findProperty("gpr.key") as String')
H("csharp configuration", "Program.cs", 'var secret = builder.Configuration["Jwt:Secret"];')
H("swift processinfo", "Keys.swift", 'let token = ProcessInfo.processInfo.environment["API_TOKEN"]')
H("scala sysenv", "Keys.scala", 'val password = sys.env.getOrElse("DB_PASS", "")')
H("julia env", "keys.jl", 'token = get(ENV, "LAB_TOKEN", "")')
H("r sys getenv", "load.R", 'password = Sys.getenv("PGPASSWORD")')
H("r keyring", "load2.R", 'pw <- keyring::key_get("lab-db", "kd")')
H("matlab getenv", "get.m", "apiKey = getenv('LAB_API_KEY');")
H("fortran get env", "cfg.f90", "call get_environment_variable('LAB_TOKEN', token)")
H("perl env", "load.pl", "my $password = $ENV{DB_PASSWORD};")
H("php env", "config.php", "'password' => env('DB_PASSWORD', ''),")
H("ruby fetch", "load.rb", "password: ENV.fetch('DB_PASSWORD')")
H("elixir system", "runtime.exs", 'secret_key_base: System.fetch_env!("SECRET_KEY_BASE")')
H("spring placeholder", "application.properties", "spring.datasource.password=${DB_PASSWORD}")
H("maven env ref", "settings.xml", "<password>${env.NEXUS_PASSWORD}</password>")
H("gradle env", "build.gradle", "password = System.getenv('OSSRH_PASSWORD')")
H("npmrc env ref", ".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}")
H("nix sops ref", "nixos", "passwordFile = config.sops.secrets.db.path;")
H(
    "jenkins credentials",
    "Jenkinsfile",
    "withCredentials([string(credentialsId: 'sonar', variable: 'SONAR_TOKEN')]) { sh 'make' }",
)
H("puppet lookup", "site.pp", "password => lookup('profile::db::password'),")
H("jsonnet extvar", "main.jsonnet", "password: std.extVar('db_password'),")
H("hcl vault data", "vault.tf", 'token = data.vault_generic_secret.ci.data["token"]')
H("make var", "Makefile", 'curl -H "Authorization: Bearer $(TOKEN)" $(URL)')
H("curl dollar", "cmd", 'curl -H "Authorization: Bearer $GITHUB_TOKEN" https://api.github.com/user')
H("curl braces user", "cmd2", "curl -u ${USER}:${PASS} https://nexus.lab.example/status")
H("placeholder angle", "readme", "export WANDB_API_KEY=<your-api-key>")
H("placeholder in url", "example", "https://<user>:<password>@git.example.org/repo.git")
H("placeholder xxx", "doc", "api_key = 'xxxxxxxxxxxxxxxx'")
H("placeholder your here", "env_example", "HF_TOKEN=your_token_here")
H("placeholder dots", "doc2", "Authorization: Bearer ...")
H("masked stars", "password", "********")
H("masked url", "log", "Cloning https://ci:****@git.example.org/mesh.git")
H("masked actions", "log2", "Run twine upload -u __token__ -p ***")
H("masked redacted", "api_token", "[REDACTED]")
H("masked gitlab", "log3", "$ echo $DEPLOY_TOKEN\n[MASKED]")
H("masked hidden airflow", "conn", "postgres://loader:***@wh/dw")
H("token regex", "rule", "ghp_[A-Za-z0-9]{36}")
H(
    "gitleaks rule toml",
    "gitleaks.toml",
    "[[rules]]\nid = \"aws\"\nregex = '''AKIA[0-9A-Z]{16}'''\n",
)
H("argparse option", "cli.py", "parser.add_argument('--token', help='API token', default=None)")
H("click option", "cli2.py", "@click.option('--password', prompt=True, hide_input=True)")
H("getpass call", "cell", "password = getpass.getpass('Database password: ')")
H(
    "function signature",
    "api.pyi",
    "def login(user: str, password: str, token: str | None = None) -> bool",
)
H("cpp parameter", "auth.hpp", "bool login(const std::string& user, const std::string& password);")
H(
    "rust struct fields",
    "cfg.rs",
    "pub struct Creds { pub user: String, pub password: Option<String> }",
)
H("go struct tag", "cfg.go", 'Password string `yaml:"password" env:"DB_PASSWORD"`')
H(
    "java setter",
    "Cfg2.java",
    "public void setPassword(String password) { this.password = password; }",
)
H("csharp property", "Cfg.cs", "public string ApiKey { get; set; } = string.Empty;")
H("graphql schema", "schema.graphql", "type Session { token: String! expiresAt: DateTime }")
H("protobuf field", "auth.proto", "message Login { string user = 1; string password = 2; }")
H("sql parameter", "query", "SELECT id FROM users WHERE email = :email AND password_hash = :hash")
H("json schema", "schema", {"properties": {"password": {"type": "string", "minLength": 12}}})
H("netrc usage", "cmd", "curl --netrc -O https://data.example.org/a.nc")
H("password stdin", "cmd", "cat pw.txt | docker login --username kd --password-stdin")
H("token file flag", "argv", ["vault", "agent", "--token-file=token.txt"])
H("kinit keytab", "krb", "kinit -kt svc.keytab svc/n07.lab.example")
H("mysql prompt", "cmd3", "mysql -u root -p runs < schema.sql")
H("psql no password", "cmd4", "psql --no-password -h localhost -d runs")
H("op reference", "op", "op://ci/database/password")
H("gcp secret name", "gsm", "gcloud secrets versions access latest --secret=db-password")
H("aws secret id", "asm", "aws secretsmanager get-secret-value --secret-id prod/db")
H("kube service account", "automountServiceAccountToken", False)

# =============================================================================================
# HARMLESS: constants in compiled languages
# =============================================================================================
H("cpp max tokens", "a.cpp", "constexpr std::size_t kMaxTokens = 4096;")
H("cpp delimiter", "b.cpp", 'const std::string kTokenDelimiter = ", ";')
H("cpp enum token", "lexer.h", "enum class Token { Plus, Minus, LParen, RParen, End };")
H("rust key const", "c.rs", "const KEY_LEN: usize = 32;")
H("go error var", "d.go", 'var ErrBadToken = errors.New("unexpected token")')
H("java map key", "E.java", 'private static final String SORT_KEY = "timestamp";')
H("kotlin header name", "F.kt", 'const val AUTH_HEADER = "X-Auth-Token"')
H(
    "swift notification key",
    "G.swift",
    'static let tokenDidChange = Notification.Name("tokenDidChange")',
)
H("csharp secret name", "H.cs", 'const string SecretName = "db-connection";')
H("scala pass count", "I.scala", "val passCount: Int = results.count(_.passed)")
H("julia dict key", "j.jl", "haskey(d, :token) && push!(tokens, d[:token])")
H("fortran key", "k.f90", "integer, parameter :: key_len = 16, n_pass = 4")
H("matlab map", "l.m", "keySet = {'Jan','Feb','Mar'}; M = containers.Map(keySet, 1:3);")
H("r key by", "m.R", "setkey(dt, chrom, start); passed <- dt[filter == 'PASS']")
H("c macro guard", "n.h", "#ifndef LAB_AUTH_TOKEN_H\n#define LAB_AUTH_TOKEN_H\n#endif")
H("opencl source", "kernel", "__kernel void pass1(__global const float* key, __local uint* hist)")
H("assembly", "asm", "vfmadd231pd ymm0, ymm1, ymmword ptr [rdi + 8*rax]")
H("mangled symbol", "symbol", "_ZN5boost6system14error_categoryD2Ev")
H("rust mangled", "sym2", "_ZN4core3fmt9Formatter3pad17h" + hx(16) + "E")
H("verilog key", "rtl", "parameter KEY_WIDTH = 128; input wire [KEY_WIDTH-1:0] round_key;")
H(
    "java serial uid",
    "serialVersionUID",
    "private static final long serialVersionUID = -" + dg(18) + "L;",
)
H("windows guid", "ProjectGuid", "{" + uid().upper() + "}")

# =============================================================================================
# HARMLESS: commands whose flags look like password flags
# =============================================================================================
H("mkdir p", "cmd", "mkdir -p results/run_07")
H("ssh port", "cmd2", "ssh -p 2222 -N -L 8888:localhost:8888 login1")
H("docker publish", "cmd3", "docker run -p 8080:80 -d nginx:1.25")
H("xargs P", "cmd4", "ls *.nc | xargs -n1 -P 8 gzip")
H("sbatch partition", "cmd5", "sbatch -p gpu -A proj1 --time=02:00:00 job.sh")
H("srun", "cmd6", "srun -N 2 -n 64 --cpu-bind=cores ./xhpl")
H("bsub", "bsub", "bsub -q normal -n 32 -R 'span[ptile=16]' mpirun ./a.out")
H("qsub", "qsub", "qsub -l select=2:ncpus=48:mpiprocs=48 -q workq -P proj12 run.pbs")
H("condor submit", "sub", "executable = run.sh\narguments = $(Process)\nqueue 100\n")
H("nmap p", "cmd7", "nc -zv localhost 5432")
H("kmers k", "cmd8", "jellyfish count -m 31 -s 100M -t 16 -C reads.fa")
H("gpg verify", "cmd9", "gpg --verify gcc-13.2.0.tar.xz.sig gcc-13.2.0.tar.xz")
H("ssh keygen", "cmd10", "ssh-keygen -t ed25519 -a 100 -f deploy_key")
H("openssl rand", "cmd11", "openssl rand -base64 32 > secret.bin")
H("kubectl get secrets", "cmd12", "kubectl get secrets -n mon -o name")
H("vault read", "cmd13", "vault kv get -field=password secret/ci/db")
H("pass store", "cmd14", "pass show lab/db | head -n1 | psql -W")
H("ansible vault edit", "cmd15", "ansible-vault edit group_vars/all/vault.yml")
H("ldap anonymous", "cmd16", "ldapsearch -x -LLL -b dc=example,dc=org '(uid=*)' uidNumber")
H("snmp numeric oid", "oid", ".1.3.6.1.2.1.25.3.3.1.2")
H("ipmi sensor", "cmd17", "ipmitool sdr type Temperature")
H("rsync delete", "cmd18", "rsync -az --delete --exclude='*.tmp' build/ n07:deploy/")
H("find print0", "cmd19", "find . -path ./build -prune -o -name '*.cpp' -print0")
H("sed expression", "cmd20", "sed -i 's/token_old/token_new/g' src/*.py")
H("awk", "cmd21", "awk -F: '$3 >= 1000 {n++} END {print n}' users.txt")
H("module load", "modules", "module load gcc/12.2.0 openmpi/4.1.5 hdf5/1.14.0")
H("spack install", "spack", "spack install gromacs@2023.1 +cuda cuda_arch=80 ^openmpi")
H("conda create", "conda", "conda create -n ml python=3.11 pytorch::pytorch -c conda-forge")
H("podman build", "cmd22", "podman build -t lab/solver:2.1 --build-arg CUDA=12.2 .")
H("helm repo", "cmd23", "helm upgrade -i prom prometheus-community/kube-prometheus-stack -n mon")
H("mpirun env", "cmd24", "mpirun -np 8 --map-by ppr:4:node -x UCX_TLS=rc,cuda ./solver")

# =============================================================================================
# HARMLESS: paths that are not of a machine or a person
# =============================================================================================
H("dev null", "stdout", "/dev/null")
H("usr bin env", "shebang", "#!/usr/bin/env python3")
H("bin bash", "SHELL", "/bin/bash")
H("proc cpuinfo", "cmd", "grep -c processor /proc/cpuinfo")
H("proc self", "probe", "/proc/self/status")
H("proc sys", "sysctl", "/proc/sys/vm/overcommit_memory")
H("sys class", "rapl", "/sys/class/powercap/intel-rapl:0/energy_uj")
H("dev nvidia", "device", "/dev/nvidia0")
H("dev infiniband", "ib", "/dev/infiniband/uverbs0")
H("dev shm", "shm", "/dev/shm")
H("dev urandom", "entropy", "dd if=/dev/urandom of=noise.bin bs=1M count=4")
H("cgroup", "cg", "/sys/fs/cgroup/memory.max")
H("relative path", "output_dir", "results/2024-05-01/run_07/energies.csv")
H("dot relative", "config", "./configs/base.yaml")
H("parent relative", "data", "../data/raw/sample_01.nc")
H("relative home word", "page", "docs/home/index.md")
H("relative users word", "model_file", "app/models/users/profile.rb")
H("tilde config", "config_path", "~/.config/lab/settings.toml")
H("home var", "dir", "$HOME/runs")
H("scratch var", "dir2", "${SCRATCH}/ckpt")
H("userprofile var", "dir3", "%USERPROFILE%\\lab\\out")
H("windows relative", "dir4", "src\\Mesh\\Program.cs")
H("nul device", "win_out", "> NUL 2>&1")
H("hdf5 inner", "dataset", "/entry/instrument/detector/data")
H("hdf5 colon", "h5", "sample.h5:/entry/data/counts")
H("zarr inner", "array", "/0/2/labels/nuclei")
H("nexus path", "nx", "/entry1/sample/temperature_log/value")
H("root tree", "tree", "file.root:/Events/Muon_pt")
H("netcdf group", "ncgroup", "/forecast/surface/t2m")
H("ros topic", "topic", "/camera/color/image_raw")
H("ros tf", "ros", "/tf_static")
H("mqtt topic", "mqtt", "/sensors/lab3/temperature")
H("http route", "route", "/api/v1/users/{id}/tokens")
H("http route login", "endpoint", "POST /auth/login")
H("health route", "probe2", "/healthz/ready")
H("grpc method", "grpc", "/helloworld.Greeter/SayHello")
H("dbus path", "dbus", "/org/freedesktop/systemd1/unit/sshd_2eservice")
H("json pointer", "pointer", "/properties/token/type")
H("xpath", "xpath", "/html/body/div[2]/table/tr[1]/td")
H("slurm rest route", "slurm", "GET /slurm/v0.0.39/jobs")
H("redfish route", "redfish", "/redfish/v1/Systems/1/Processors")
H("k8s api route", "k8s", "/apis/apps/v1/namespaces/default/deployments")
H("regex slashes", "pattern", "/^[a-z0-9_-]+$/i")
H("etcd key", "etcd", "/registry/pods/default/web-0")
H("nginx location", "nginx", "location /static/ {\n  expires 30d;\n}")
H("systemd null", "unit", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
H("s3 public", "s3", "s3://noaa-gfs-bdp-pds/gfs.20240501/00/atmos/gfs.t00z.pgrb2.0p25.f000")
H("hdfs relative", "glob", "part-*/year=2024/month=05/*.parquet")
H("python module path", "frame", 'File "<stdin>", line 1, in <module>')
H("relative traceback", "trace", 'File "train.py", line 88, in main\nValueError: bad shape')
H("webpack path", "bundle", "webpack:///./src/components/Token.vue")
H("python package resource", "resource", "importlib.resources.files('lab') / 'data' / 'grid.json'")

# =============================================================================================
# HARMLESS: URLs and connection strings without credentials
# =============================================================================================
H("git ssh remote", "remote", "git@github.com:lammps/lammps.git")
H("git ssh url", "remote2", "ssh://git@gitlab.com/gromacs/gromacs.git")
H("pip git tag", "pip", "git+https://github.com/huggingface/transformers.git@v4.41.0")
H("npm unpkg", "cdn", "https://unpkg.com/react@18.2.0/umd/react.production.min.js")
H("medium at", "link", "https://medium.com/@someone/tuning-nccl-3f2a1b")
H("url port only", "url", "http://localhost:8888/lab/tree/notebooks/a.ipynb")
H("redis url", "REDIS_URL", "redis://localhost:6379/0")
H("amqp url plain", "broker", "amqp://localhost:5672/%2F")
H("mongo plain", "mongo", "mongodb://localhost:27017/runs?replicaSet=rs0")
H("postgres socket", "db", "postgresql:///runs")
H("sqlite relative", "db2", "sqlite:///study.db")
H("jdbc plain", "jdbc", "jdbc:postgresql://localhost:5432/runs?sslmode=disable")
H("kafka brokers", "bootstrap.servers", "kafka1:9092,kafka2:9092")
H("doi url", "doi", "https://doi.org/10.1038/s41586-021-03819-2")
H("arxiv", "arxiv", "arXiv:1706.03762v7 [cs.CL]")
H(
    "github permalink",
    "permalink",
    "https://github.com/torvalds/linux/blob/" + hx(40) + "/mm/slab.c#L88",
)
H("url with fragment", "docs", "https://slurm.schedmd.com/sbatch.html#OPT_output")
H("url query key word", "search", "https://www.rcsb.org/search?q=kinase&sort=score&page=2")
H(
    "token docs link",
    "howto",
    "https://docs.github.com/en/authentication/keeping-your-account-and-data-"
    "secure/managing-your-personal-access-tokens",
)
H("helm oci", "chart", "oci://registry-1.docker.io/bitnamicharts/postgresql")
H("docker image", "img", "ghcr.io/apptainer/apptainer:1.3.1")
H("email address role", "mail", "support@example.org")
H("ldap dn", "binddn", "cn=reader,ou=services,dc=example,dc=org")
H("krb principal", "principal", "HTTP/web.example.org@EXAMPLE.ORG")

# =============================================================================================
# HARMLESS: log lines and traces
# =============================================================================================
H("java frame", "trace2", "at org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala:1120)")
H("java base frame", "trace3", "at java.base/java.lang.Thread.run(Thread.java:829)")
H("go routine", "trace4", "goroutine 17 [select]:\nnet/http.(*persistConn).writeLoop(0xc0001a2000)")
H("rust panic relative", "trace5", "thread 'main' panicked at src/main.rs:4:5:\nexplicit panic")
H("csharp frame", "trace6", "at Lab.Mesh.Solver.Step(Int32 n) in Solver.cs:line 88")
H("segv", "trace7", "[n07:41231] *** Process received signal ***\nSignal: Segmentation fault (11)")
H("gdb frame", "gdb", "#0  0x00007ffff7a42428 in __GI_raise (sig=6) at raise.c:54")
H(
    "slurm cancel",
    "slurm2",
    "slurmstepd: error: *** JOB 4471203 ON n07 CANCELLED DUE TO TIME LIMIT ***",
)
H("oom kill", "dmesg", "Out of memory: Killed process 4123 (python3) total-vm:81234kB")
H("nccl info", "nccl", "NCCL INFO Channel 00/02 : 0 1 2 3 via P2P/IPC/read")
H("cuda error", "cuda", "RuntimeError: CUDA error: an illegal memory access was encountered")
H("systemd start", "journal", "systemd[1]: Started OpenSSH server daemon.")
H("nginx get", "access", '"GET /static/app.3f2a91.js HTTP/1.1" 304 0 "-" "curl/8.4.0"')
H("ansible recap", "recap", "n07 : ok=14 changed=3 unreachable=0 failed=0 skipped=2")
H("apt line", "apt", "Get:1 http://deb.debian.org/debian bookworm/main amd64 libfftw3-3 [1,204 kB]")
H("git clone out", "git", "Receiving objects: 100% (48812/48812), 21.30 MiB | 8.10 MiB/s, done.")
H("auth failed line", "auth.log", "sshd[4123]: Connection closed by authenticating user [preauth]")
H("auth ok kafka", "klog", "Successfully authenticated via SASL/GSSAPI mechanism")
H("token expired", "http401", '{"error":"invalid_token","error_description":"The token expired"}')
H("syntax error token", "compile", "error: expected ';' before 'return' token")
H("json parse error", "js", "SyntaxError: Unexpected token '<', \"<!DOCTYPE\" is not valid JSON")
H("yaml key error", "err", "KeyError: 'password'")
H(
    "mpi abort",
    "mpi",
    "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD with errorcode 1.",
)
H("kube event", "event", "Back-off restarting failed container trainer in pod trainer-0")
H("terraform apply", "tf", "Apply complete! Resources: 3 added, 0 changed, 1 destroyed.")
H("tokenizer log", "hf_log", "Token indices sequence length is longer than the maximum (612 > 512)")
H("gradle", "gradle", "BUILD SUCCESSFUL in 14s\n7 actionable tasks: 7 executed")
H("pass ctest", "ctest", " 3/12 Test  #3: token_parser .....................   Passed    0.02 sec")
H("rabbit log", "mq", "accepting AMQP connection (127.0.0.1:51234 -> 127.0.0.1:5672)")
H("pg log", "pg", "LOG:  checkpoint complete: wrote 41 buffers (0.3%); 0 WAL file(s) added")

# =============================================================================================
# HARMLESS: sciences, models, data
# =============================================================================================
H("smiles stereo", "smiles", "C/C=C\\C(=O)N[C@@H](CC1=CC=CC=C1)C(=O)O")
H("inchi", "inchi", "InChI=1S/C8H9NO2/c1-6(10)9-7-2-4-8(11)5-3-7/h2-5,11H,1H3,(H,9,10)")
H("inchikey", "inchikey", "RZVAJINKPMORJF-UHFFFAOYSA-N")
H("selfies", "selfies", "[C][C][=Branch1][C][=O][N][C][Ring1][=Branch1]")
H("dna", "sequence", pick("ACGT", 120))
H("protein", "protein", pick("ACDEFGHIKLMNPQRSTVWY", 90))
H("fastq quality", "quality", "IIIIIHHHGGFFFEEDDCCBBA@@??>>==<<;;::9988")
H("vcf line", "vcf", "chr7\t140753336\trs113488022\tA\tT\t99\tPASS\tDP=88;AF=0.48")
H("cigar", "cigar", "36M2I10M1D48M4S")
H("hgvs", "variant", "NM_004333.6:c.1799T>A (p.Val600Glu)")
H("uniprot", "uniprot", "P15056")
H("ensembl", "gene", "ENSG00000157764.14")
H("sra accession", "sra", "SRR11140748")
H("crystal group", "space_group", "P2_1/c (No. 14)")
H("basis set", "basis", "B3LYP-D3(BJ)/def2-TZVPP")
H("force field", "forcefield", "amber99sb-ildn, tip3p, 2 fs")
H("latex frac", "formula", "\\frac{\\partial u}{\\partial t} + (u\\cdot\\nabla)u = -\\nabla p")
H("latex users", "tex", "\\section{Users}\\label{sec:users} see \\texttt{token}")
H("units slash", "units", "mg/mL per W/m^2/K")
H("date slash", "date", "2024/05/01 10:11:12")
H("iso date", "started", "2024-05-01T10:11:12.345678+00:00")
H("float list", "losses", [0.6931, 0.4122, 3.2e-05])
H("model hub", "model", "sentence-transformers/all-MiniLM-L6-v2")
H("model long", "model2", "TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ")
H("dataset id", "dataset2", "wikitext/wikitext-103-raw-v1")
H("checkpoint name", "ckpt", "checkpoint-epoch=09-val_loss=0.1234.ckpt")
H("learning rate", "lr_key_schedule", "cosine")
H("orcid", "orcid", "0000-0002-1825-0097")
H("isbn", "isbn", "978-0-521-88068-8")
H("citation", "cite", "Vaswani et al., Attention Is All You Need, NeurIPS 30 (2017) 5998-6008")
H("png data uri", "image_png", "iVBORw0KGgoAAAANSUhEUg" + an(60) + "AAAAAElFTkSuQmCC")
H("wkt", "geometry", "POLYGON ((30 10, 40 40, 20 40, 10 20, 30 10))")
H("geohash", "geohash", "u33dc0cpke4v")
H("mgrs", "tile", "S2A_MSIL2A_20240501T101031_N0510_R022_T32TQM")
H("particle decay", "decay", "B0 -> K*0(-> K+ pi-) mu+ mu-")
H("cpu flags", "flags", "fpu vme sse4_2 avx2 avx512f avx512_vnni sha_ni")
H("openmp env", "OMP_PLACES", "cores(64):1")
H("ucx env", "UCX_NET_DEVICES", "mlx5_0:1,mlx5_1:1")
H("cron spec", "schedule", "*/15 2-6 * * 1-5")
H("kube quantity", "resources", {"limits": {"nvidia.com/gpu": 8, "memory": "512Gi"}})
H("affinity label", "nodeSelector", {"topology.kubernetes.io/zone": "eu-1a"})
H("wdl", "wdl", "task align { input { File reads } command { bwa mem ~{reads} } }")
H(
    "nextflow process",
    "nf",
    'process ALIGN { tag "$sample_id" ; input: tuple val(id), path(reads) }',
)
H(
    "snakemake rule",
    "smk",
    'rule sort:\n    input: "mapped/{s}.bam"\n    output: "sorted/{s}.bam"\n',
)


if __name__ == "__main__":
    names = [item[0] for item in SECRETS] + [item[0] for item in HARMLESS]
    doubled = sorted({n for n in names if names.count(n) > 1})
    assert not doubled, doubled

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

    for name, _key, value, secret in SECRETS:
        assert len(secret) > 6, name
        assert any(secret in t for t in texts(value)), name
        assert all("§" not in t for t in texts(value)), name
    pairs = [json.dumps([k, v], sort_keys=True) for _, k, v, *_ in SECRETS + HARMLESS]
    assert len(set(pairs)) == len(pairs)
    json.dumps([SECRETS, HARMLESS])
    paths = sum(n.startswith("path ") for n, *_ in SECRETS)
    print("done:", len(SECRETS), "secrets, of these", paths, "paths;", len(HARMLESS), "harmless")
