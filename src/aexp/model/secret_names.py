"""What the name of a value says: that it is secret, or a place on a disk (LED-02)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from msgspec import Struct

from aexp.model.secret_tokens import holds_token
from aexp.model.secret_values import CHANCE, CREDENTIAL, LIKELY, ORDINARY, PASSWORD, SECRET, SIBLING

__all__ = ["HOLDS_PATH", "IN_FILE", "MAY_HOLD_PATH", "NO_PATH", "KeyInfo", "key_info", "words_of"]


def words_of(text: str) -> frozenset[str]:
    """Return the words of a list that is written with blanks between them."""
    return frozenset(text.split())


_CREDENTIAL_WORDS = words_of(
    "secret secrets apikey apikeys token credential credentials creds auth authorization bearer "
    "jwt cookie cookies accesskey secretkey privatekey authtoken accesstoken apitoken "
    "refreshtoken clientsecret connectionstring pat pass pw psk presharedkey authkey sas otp "
    "totp authz setcookie csrf xsrf jsessionid phpsessid sessionid sessid webhooksecret "
    "licensekey apppassword"
)
_PASSWORD_WORDS = words_of(
    "password passwords passwd pwd passphrase passcode pswd psw passw pword userpass passin "
    "passout storepass keypass srcstorepass deststorepass passwort kennwort wachtwoord contrasena "
    "contrasenya contrasinal senha heslo haslo salasana lozinka geslo passord adgangskode kodeord "
    "losenord jelszo mdp motdepasse parool sifre requirepass masterauth masterpass authtok "
    "bindpasswort"
)
_SHORT_PASSWORD_WORDS = words_of("pass pw")
_PASSWORD_OWNERS = words_of(
    "db database smtp mail email imap user my root admin ftp sftp ssh pg postgres postgresql "
    "mysql mariadb redis mongo mongodb proxy login account rabbitmq amqp ldap key keystore cert "
    "sudo wifi vpn http https basic auth registry docker es elastic neo4j jdbc odbc service vnc "
    "bind mqtt pgp gpg zip archive bot app webdav dav become sasl minio jenkins nexus artifactory "
    "jupyter grafana keycloak oracle mssql clickhouse influx influxdb jira svn rsync s3 remote sa "
    "superuser guest web site server unlock wlan hotspot ipmi bmc idrac ilo snmp radius kerberos "
    "unseal krb krb5 tls ssl pkcs12 p12 jks truststore client pki"
)
_NO_PASSWORD_OWNERS = words_of(
    "forward backward backwards back fwd bwd fw bw one two three four five single double dual "
    "multi first second third fourth last final next previous prev current num n number count max "
    "min total per high low band notch all by full half partial each every this that the a an any "
    "some no did does can will must should is was to not of unit check checks checking train "
    "training val valid validation eval evaluation infer inference warmup warm calibration profile "
    "profiling render rendering shader depth shadow lighting light geometry refine refinement "
    "compiler compile opt optimizer optimization optimisation fusion fuse lowering graph mlir llvm "
    "inductor tvm xla onnx rewrite inline analysis analyzer transform quant quantization prune "
    "pruning encoder decoder encode decode encoding decoding sampling generation model "
    "network net layer block conv convolution kernel dw depthwise pointwise sep separable expand "
    "filter sweep scan search epoch batch step stage round coarse fine reduce reduction "
    "sort merge mountain boarding day season free"
)
"""What stands before ``pass`` or ``pw`` when it goes over something, and is no password."""
_NO_KEY_OWNERS = words_of(
    "sort cache public pub partition primary foreign join group label batch object row column dict "
    "lookup hash shard message event merge dedup idempotency experiment run dataset model "
    "artifact project step item node trial sweep issue job task build study record sample entity "
    "host known fingerprint checksum digest commit id content etag file image layer param metric "
    "state seed rng random order index search query filter map json yaml config setting data store "
    "release cite citation bib translation i18n unique composite natural surrogate candidate s3 "
    "blob gcs prefix suffix press music arrow escape enter tab shift control ctrl alt"
)
"""What stands before ``KEY`` in the names of variables when it is the name of a thing."""
_KEY_OWNERS = words_of(
    "api access secret private ssh auth account signing encryption master service wandb openai "
    "anthropic hf huggingface aws azure gcp google comet neptune mlflow stripe slack github "
    "gitlab storage kaggle cohere mistral together deepseek groq replicate databricks snowflake "
    "datadog clearml langchain langsmith pinecone qdrant twilio sendgrid app application "
    "consumer subscription function deploy license shared preshared sas hmac fernet jwt session "
    "cipher crypto decryption wrapping symmetric tls ssl rsa pgp gpg age webhook ingest write "
    "admin root telegram discord voyage jina tavily serper exa perplexity fireworks anyscale "
    "ingestion dataverse entrez ncbi mapi nrel ecmwf cds earthdata "
    "runpod modal roboflow elevenlabs deepgram assemblyai stability gemini bedrock xai "
    "openrouter nvidia ngc vast lambda cerebras mapbox algolia mailgun mailchimp postmark "
    "sentry grafana newrelic pagerduty opsgenie cloudflare digitalocean heroku render netlify "
    "unseal recovery galaxy vercel supabase firebase weaviate milvus zilliz elastic "
    "labelbox vault client"
)
_LONELY_OWNERS = words_of(
    "user routing integration validation decryption instrumentation set add use dev site machine "
    "sso instance workspace team org personal customer partner merchant license activation"
)
"""What stands before ``key`` when a digest under it is the key itself."""
_TOKEN_OWNERS = words_of("api access auth refresh bearer session id personal")
_VOCABULARY = words_of(
    "pad eos bos sos eot eod unk cls sep mask start end stop special next per image audio video "
    "class dist begin prompt first last separator boundary newline blank sub soft multi single"
)
"""What stands before ``token`` when it is a token of a vocabulary and not a credential."""
_FORMS = words_of(
    "data value val b64 base64 encoded plain plaintext string str raw old new prod production "
    "dev staging test backup primary secondary default current prev previous live header headers"
)
"""What is added to a name without changing what it is the name of: ``client-key-data``."""
_SIGNERS = words_of("amz goog oss cos obs bce tos ms q")
_JOINED = re.compile(
    r"(?:apikey|secretkey|accesskey|privatekey|authkey|sharedkey|signingkey|secret)\Z"
)

_WORD_BREAK = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PATH_KEY = re.compile(r"(?:path|dir|directory|folder|file|cwd|root|home)s?", re.ASCII)
_NO_PATH_KEY = words_of(
    "url uri api http json xpath hdf5 h5 topic route pointer probe health healthcheck healthz "
    "liveness readiness livez readyz request redirect callback login logout endpoint webhook rest "
    "graphql grpc ws websocket query servlet cookie"
)
_ROUTE_KEY = words_of(
    "topic topics route routes endpoint endpoints xpath remap remaps remapping remappings redfish"
)
_IN_FILE_KEY = words_of(
    "hdf5 h5 hdf zarr netcdf netcdf4 nc nc4 nexus nxs nxdl nxpath cdf nwb h5ad adios asdf n5 h5py "
    "nx ncgroup mqtt dbus etcd znode zookeeper das"
)
_IN_FILE_ALONE = words_of("group variable")
"""These mean a place in a file only as the whole key."""
NO_PATH, IN_FILE, MAY_HOLD_PATH, HOLDS_PATH = -2, -1, 0, 1
"""Whether the value under a key is a place on a disk, judged by the key.

Places inside a file of data look like those on a disk, and the file itself may stand there too.
"""
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]{0,40}|[A-Za-z0-9_.-]{0,15}")


class KeyInfo(Struct, frozen=True):
    """What a key says.

    Attributes:
        secrecy: ORDINARY, CREDENTIAL, SECRET or PASSWORD.
        holds_path: NO_PATH, IN_FILE, MAY_HOLD_PATH or HOLDS_PATH.
        plain: whether the key's own text is certainly neither a path nor a secret.
        short_password: whether it is a password when a user stands beside it (``pass``).
    """

    secrecy: int
    holds_path: int
    plain: bool
    short_password: bool = False


@lru_cache(maxsize=4096)
def key_info(key: str) -> KeyInfo:
    """Return what ``key`` says about the value under it (remembered: keys repeat)."""
    if key.startswith("-D") and key[2:3].islower():  # a property of a tool of Java
        key = key[2:]
    plain = key[-200:] if key.isascii() else _without_accents(key[-200:])
    if plain.count(".") > 2 and (of_host := _OF_HOST.match(plain)) is not None:
        plain = of_host[1]
    words = [word.lower() for word in _WORD_BREAK.split(plain) if word]
    return KeyInfo(
        secrecy=_secrecy(words) or _secrecy_of_variable(key, words),
        holds_path=_holds_path(words),
        plain=_PLAIN_KEY.fullmatch(key) is not None and not holds_token(key),
        short_password=bool(words) and words[-1] in _SHORT_PASSWORD_WORDS,
    )


def _without_accents(text: str) -> str:
    """Return ``text`` in letters of ASCII where it can be, for names in other languages."""
    return (
        unicodedata.normalize("NFKD", text.translate(_LETTERS)).encode("ascii", "ignore").decode()
    )


_OF_HOST = re.compile(  # fs.azure.account.key.lab.dfs.core.windows.net
    r"(.*[._](?:key|secret|sas|token|password|credentials?))"
    r"\.(?:[\w-]+\.){1,6}(?:net|com|org|io|cn|de|eu|fr|uk|us|jp|local|lan|internal)\Z"
)
_LETTERS = {ord("\u0142"): "l", ord("\u0131"): "i", ord("\u00f8"): "o", ord("\u00df"): "ss"}


def _secrecy_of_variable(key: str, words: list[str]) -> int:
    """Return how secret the value of ``PMG_MAPI_KEY`` is: it is a secret when chance made it."""
    if len(words) < 2 or words[-1] != "key":
        return ORDINARY
    if _NO_KEY_OWNERS.intersection(words):
        return ORDINARY
    return SIBLING if key.isupper() or words[-2] in _LONELY_OWNERS else CHANCE


def _holds_path(words: list[str]) -> int:
    if not words:
        return MAY_HOLD_PATH
    if words[-1] in _ROUTE_KEY:
        return NO_PATH
    if _IN_FILE_KEY.intersection(words) or (len(words) == 1 and words[0] in _IN_FILE_ALONE):
        return IN_FILE
    named = re.search(_PATH_KEY.pattern + r"\Z", words[-1]) is not None
    return HOLDS_PATH if named and not _NO_PATH_KEY.intersection(words) else MAY_HOLD_PATH


def _secrecy(words: list[str]) -> int:
    while len(words) > 1 and (words[-1] in _FORMS or words[-1].isdigit()):
        words = words[:-1]
    if not words:
        return ORDINARY
    last, before = words[-1].rstrip("0123456789"), words[-2] if len(words) > 1 else ""
    if last in _PASSWORD_WORDS or last.endswith(("password", "passwd", "passwort")):  # PGPASSWORD
        return PASSWORD
    if words[-3:] in _MOTS_DE_PASSE:
        return PASSWORD
    if last in _SHORT_PASSWORD_WORDS:
        return _secrecy_of_pass(words[:-1])
    if last.endswith("pass") and last[:-4] in _PASSWORD_OWNERS:  # smtppass
        return PASSWORD
    if last.endswith("pw") and last[:-2] in _PASSWORD_OWNERS:  # bindpw
        return PASSWORD
    if last in ("phrase", "word") and before in ("pass", "seed", "recovery"):
        return PASSWORD
    if last == "token" and before in _VOCABULARY:  # some are services: BOUNDARY_TOKEN
        return SIBLING
    if words == ["pat"]:  # a pattern, or the token of a person
        return SIBLING
    if words == ["encrypt"]:  # the key of a gossip protocol, or whether to do it
        return SIBLING
    if last == "secret":
        return SECRET
    if words[-2:] == ["secret", "id"]:  # of HashiCorp's vault; AWS gives this name to a name
        return SIBLING
    return CREDENTIAL if _is_credential(words, last, before) else ORDINARY


def _secrecy_of_pass(owners: list[str]) -> int:
    """Return how secret a ``pass`` of these is: a password, or the high pass of a filter."""
    if not owners:
        return CREDENTIAL
    if owners[-1].rstrip("0123456789") in _NO_PASSWORD_OWNERS:
        return ORDINARY
    for owner in reversed(owners):  # RABBITMQ_DEFAULT_PASS
        if owner in _PASSWORD_OWNERS:
            return PASSWORD
        if owner not in _FORMS:
            break
    return LIKELY


def _is_credential(words: list[str], last: str, before: str) -> bool:
    if words[-2:] == ["user", "signingkey"]:  # git's, which is public
        return False
    if last in _CREDENTIAL_WORDS or _JOINED.search(last):  # WLSSECRET
        return True
    if last.endswith("token") and last[:-5] not in _VOCABULARY:
        return True
    if words[0] == "x" and len(words) > 2 and last in _OF_HEADERS:  # X-Dataverse-key
        return before not in _NO_KEY_OWNERS
    if last in ("key", "keys"):
        return before in _KEY_OWNERS
    if last == "tokens":
        return before in _TOKEN_OWNERS
    if last in ("signature", "credential", "sig"):
        return bool(_SIGNERS.intersection(words))
    return words[-3:] == ["access", "key", "id"] or words[-2:] in _TWO_WORDS


_TWO_WORDS = (["recovery", "codes"], ["sonar", "login"], ["honeycomb", "team"])
_OF_HEADERS = words_of("key team access license subscription credential")
_MOTS_DE_PASSE = (
    ["mot", "de", "passe"],
    ["mots", "de", "passe"],
    ["palavra", "de", "passe"],
    ["clave", "de", "acceso"],
)
