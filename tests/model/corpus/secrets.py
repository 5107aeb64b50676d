"""Secrets by their shape. The values are drawn when the tests run: no file holds one.

A shape is what the documentation of a service, or a rule of a well-known scanner, says of its
tokens: text that is always there, and runs of characters that are drawn.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator

from tests.model.corpus import Item

LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
ALNUM = LOWER + UPPER + DIGITS
URLSAFE, BASE64 = ALNUM + "_-", ALNUM + "+/"
HEX, UPHEX, CAPS = DIGITS + "abcdef", DIGITS + "ABCDEF", UPPER + DIGITS

Part = str | tuple[str, int]
DRAWS = 4
"""How many secrets are drawn of each shape."""

BY_SHAPE: dict[str, list[Part]] = {
    "aws access key id": ["AKIA", (CAPS, 16)],
    "aws temporary key id": ["ASIA", (CAPS, 16)],
    "github personal": ["ghp_", (ALNUM, 36)],
    "github oauth": ["gho_", (ALNUM, 36)],
    "github app": ["ghs_", (ALNUM, 36)],
    "github refresh": ["ghr_", (ALNUM, 76)],
    "github fine-grained": ["github_pat_", (ALNUM, 22), "_", (ALNUM, 59)],
    "gitlab personal": ["glpat-", (URLSAFE, 20)],
    "gitlab deploy": ["gldt-", (URLSAFE, 20)],
    "gitlab runner": ["glrt-", (URLSAFE, 20)],
    "gitlab job": ["glcbt-64_", (URLSAFE, 20)],
    "slack bot": ["xoxb-", (DIGITS, 12), "-", (DIGITS, 12), "-", (ALNUM, 24)],
    "slack user": ["xoxp-", (DIGITS, 12), "-", (DIGITS, 12), "-", (DIGITS, 12), "-", (HEX, 32)],
    "slack app": ["xapp-1-A", (CAPS, 10), "-", (DIGITS, 13), "-", (HEX, 64)],
    "slack webhook": [
        "https://hooks.slack.com/services/T", (CAPS, 8), "/B", (CAPS, 10), "/", (ALNUM, 24),
    ],
    "discord webhook": ["https://discord.com/api/webhooks/", (DIGITS, 18), "/", (URLSAFE, 68)],
    "discord bot": ["MT", (ALNUM, 24), ".G", (ALNUM, 5), ".", (URLSAFE, 38)],
    "teams webhook": [
        "https://acme.webhook.office.com/webhookb2/", (HEX, 8), "-", (HEX, 4), "-4", (HEX, 3), "-a",
        (HEX, 3), "-", (HEX, 12), "@", (HEX, 8), "-", (HEX, 4), "-4", (HEX, 3), "-b", (HEX, 3), "-",
        (HEX, 12), "/IncomingWebhook/", (HEX, 32), "/", (HEX, 8),
    ],
    "telegram bot": [("123456789", 10), ":AA", (URLSAFE, 33)],
    "openai old": ["sk-", (ALNUM, 20), "T3BlbkFJ", (ALNUM, 20)],
    "openai project": ["sk-proj-", (URLSAFE, 74), "T3BlbkFJ", (URLSAFE, 73), "A"],
    "openai service": ["sk-svcacct-", (URLSAFE, 58), "T3BlbkFJ", (URLSAFE, 58)],
    "anthropic": ["sk-ant-api03-", (URLSAFE, 93), "AA"],
    "anthropic admin": ["sk-ant-admin01-", (URLSAFE, 93), "AA"],
    "openrouter": ["sk-or-v1-", (HEX, 64)],
    "langsmith": ["lsv2_pt_", (HEX, 32), "_", (HEX, 10)],
    "langfuse": ["sk-lf-", (HEX, 8), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 12)],
    "deepseek": ["sk-", (HEX, 32)],
    "huggingface": ["hf_", (ALNUM, 34)],
    "huggingface organization": ["api_org_", (ALNUM, 34)],
    "groq": ["gsk_", (ALNUM, 52)],
    "replicate": ["r8_", (ALNUM, 37)],
    "xai": ["xai-", (ALNUM, 80)],
    "perplexity": ["pplx-", (ALNUM, 48)],
    "nvidia": ["nvapi-", (URLSAFE, 64)],
    "fireworks": ["fw_", (ALNUM, 24)],
    "voyage": ["pa-", (URLSAFE, 43)],
    "pinecone": ["pcsk_", (ALNUM, 6), "_", (ALNUM, 63)],
    "elevenlabs": ["sk_", (HEX, 48)],
    "runpod": ["rpa_", (CAPS, 38), (LOWER, 6)],
    "wandb": ["wandb_v1_", (ALNUM, 77)],
    "comet in a key": ["COMET_API_KEY=", (ALNUM, 25)],
    "google api": ["AIza", (URLSAFE, 35)],
    "google oauth": ["ya29.a0", (URLSAFE, 140)],
    "google client secret": ["GOCSPX-", (URLSAFE, 28)],
    "google refresh": ["1//0", (DIGITS, 1), (URLSAFE, 80)],
    "azure storage": [
        "DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=", (BASE64, 86),
        "==;EndpointSuffix=core.windows.net",
    ],
    "azure signature": [
        "https://lab.blob.core.windows.net/data?sv=2023-01-03&sr=c&sp=rl&sig=", (ALNUM, 43), "%3D",
    ],
    "azure devops": [(LOWER + DIGITS, 0), "AZURE_DEVOPS_EXT_PAT=", (LOWER + DIGITS, 52)],
    "azure client secret": [(ALNUM, 3), "8Q~", (URLSAFE, 34)],
    "s3 presigned": [
        "https://lab.s3.amazonaws.com/x.npz?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T",
        "000000Z&X-Amz-Expires=900&X-Amz-Signature=", (HEX, 64),
    ],
    "gcs signed": [
        "https://storage.googleapis.com/lab/x.pt?Expires=1790000000&Signature=", (ALNUM, 80),
    ],
    "digitalocean": ["dop_v1_", (HEX, 64)],
    "databricks": ["dapi", (HEX, 32)],
    "databricks, second": ["dapi", (HEX, 32), "-2"],
    "docker": ["dckr_pat_", (URLSAFE, 27)],
    "npm": ["npm_", (ALNUM, 36)],
    "pypi": ["pypi-AgEIcHlwaS5vcmc", (URLSAFE, 120)],
    "stripe": ["sk_live_", (ALNUM, 24)],
    "stripe test": ["rk_test_", (ALNUM, 24)],
    "stripe webhook": ["whsec_", (ALNUM, 32)],
    "sendgrid": ["SG.", (URLSAFE, 22), ".", (URLSAFE, 43)],
    "mailgun": ["key-", (HEX, 32)],
    "mailchimp": [(HEX, 32), "-us12"],
    "shopify": ["shpat_", (HEX, 32)],
    "square": ["EAAA", (URLSAFE, 60)],
    "vault": ["hvs.", (URLSAFE, 24)],
    "terraform": [(ALNUM, 14), ".atlasv1.", (URLSAFE, 67)],
    "doppler": ["dp.pt.", (ALNUM, 43)],
    "linear": ["lin_api_", (ALNUM, 40)],
    "notion": ["ntn_", (DIGITS, 11), (ALNUM, 35)],
    "airtable": ["pat", (ALNUM, 14), ".", (HEX, 64)],
    "figma": ["figd_", (URLSAFE, 40)],
    "postman": ["PMAK-", (HEX, 24), "-", (HEX, 34)],
    "grafana": ["glsa_", (ALNUM, 32), "_", (HEX, 8)],
    "sentry": ["sntrys_eyJ", (ALNUM, 80), "_", (ALNUM, 43)],
    "newrelic": ["NRAK-", (CAPS, 27)],
    "atlassian": ["ATATT3xFfGF0", (URLSAFE, 180), "=", (UPHEX, 8)],
    "supabase": ["sbp_", (HEX, 40)],
    "planetscale": ["pscale_tkn_", (URLSAFE, 43)],
    "prefect": ["pnu_", (ALNUM, 36)],
    "age": ["AGE-SECRET-KEY-1", (CAPS, 58)],
    "mapbox": ["sk.eyJ", (ALNUM, 60), ".", (URLSAFE, 22)],
    "jwt": ["eyJ", (ALNUM, 33), ".eyJ", (ALNUM, 80), ".", (URLSAFE, 43)],
    "jwt without signature": ["eyJ", (ALNUM, 33), ".eyJ", (ALNUM, 80), "."],
    "url with password": ["https://ada:", (ALNUM, 12), "@example.org/repo.git"],
    "url with token": ["https://", (HEX, 40), "@git.example.org/lab/repo"],
    "url with oauth token": ["https://oauth2:", (ALNUM, 20), "@gitlab.example.org/lab/x.git"],
    "pip url": ["git+https://", (ALNUM, 24), ":x-oauth-basic@github.com/lab/private.git"],
    "sentry dsn": ["https://", (HEX, 32), "@o1.ingest.sentry.io/2"],
    "postgres": ["postgresql://mlflow:", (ALNUM, 10), "@db.example.org:5432/mlflow"],
    "mysql": ["mysql+pymysql://root:", (ALNUM, 9), "@127.0.0.1/optuna"],
    "mongodb": ["mongodb+srv://ada:", (ALNUM, 16), "@cluster0.example.net/?retryWrites=true"],
    "redis": ["redis://:", (ALNUM, 14), "@cache:6379/0"],
    "amqp": ["amqps://worker:", (ALNUM, 14), "@mq.example.org/vhost"],
    "proxy": ["http://ada:", (ALNUM, 10), "@proxy.example.org:3128"],
    "ftp": ["ftp://lab:", (ALNUM, 10), "@ftp.example.org/data"],
    "sftp with password": ["sftp://lab:", (ALNUM, 10), "@data.example.org/set"],
    "bearer": ["Authorization: Bearer ", (URLSAFE, 40)],
    "basic": ["Authorization: Basic ", (ALNUM, 27), "="],
    "curl": ["curl -H 'Authorization: token ", (HEX, 40), "' https://api.example.org"],
    "api key header": ["X-API-Key: ", (ALNUM, 32)],
    "exported": ["export WANDB_API_KEY=", (HEX, 40)],
    "assigned in a line": ["NEPTUNE_API_TOKEN='", (ALNUM, 90), "'"],
    "in a query": ["https://api.example.org/v1/runs?api_key=", (ALNUM, 32), "&n=3"],
    "in a query, token": ["https://example.org/files/x.zip?token=", (ALNUM, 28)],
    "password option": ["train.py --db-password ", (ALNUM, 14), " --lr 0.1"],
    "password option, equals": ["--password=", (ALNUM, 12)],
    "yaml": ["user: ada\npassword: ", (ALNUM, 14), "\n"],
    "json text": ['{"client_secret": "', (ALNUM, 32), '"}'],
    "odbc": ["Driver={ODBC};Server=db;Uid=ada;Pwd=", (ALNUM, 12), ";"],
    "jdbc": ["jdbc:postgresql://db/x?user=ada&password=", (ALNUM, 12)],
}  # fmt: skip

UNDER_KEY: dict[str, tuple[str, list[Part]]] = {
    "aws secret key": ("aws_secret_access_key", [(BASE64, 40)]),
    "aws session token": ("AWS_SESSION_TOKEN", ["IQoJb3JpZ2lu", (BASE64, 200)]),
    "wandb key": ("wandb_api_key", [(HEX, 40)]),
    "wandb key, camel": ("wandbApiKey", [(HEX, 40)]),
    "kaggle": ("KAGGLE_KEY", [(HEX, 32)]),
    "kaggle api": ("kaggle_api_key", [(HEX, 32)]),
    "cohere": ("cohere_api_key", [(ALNUM, 40)]),
    "mistral": ("MISTRAL_API_KEY", [(ALNUM, 32)]),
    "together": ("together_api_key", [(HEX, 64)]),
    "clearml": ("clearml.secret_key", [(ALNUM, 50)]),
    "clearml access": ("api.credentials.access_key", [(CAPS, 30)]),
    "neptune": ("neptune_api_token", ["eyJhcGlfYWRkcmVzcyI6", (ALNUM, 100), "=="]),
    "heroku": (
        "heroku_api_key",
        [(HEX, 8), "-", (HEX, 4), "-4", (HEX, 3), "-a", (HEX, 3), "-", (HEX, 12)],
    ),
    "cloudflare": ("cloudflare_api_token", [(URLSAFE, 40)]),
    "token": ("token", [(ALNUM, 32)]),
    "auth token": ("authToken", [(URLSAFE, 24)]),
    "access token": ("access-token", [(ALNUM, 20)]),
    "refresh token": ("refresh_token", [(URLSAFE, 64)]),
    "client secret": ("client_secret", [(ALNUM, 32)]),
    "secret": ("SECRET", [(ALNUM, 24)]),
    "django": ("SECRET_KEY", ["django-insecure-", (LOWER + DIGITS + "!@#$%^&*", 50)]),
    "encryption key": ("encryption_key", [(BASE64, 43), "="]),
    "signing key": ("signing_key", [(HEX, 64)]),
    "private key": ("private_key", [(BASE64, 64)]),
    "cookie": ("session_cookie", [(ALNUM, 40)]),
    "password": ("password", [(ALNUM, 10)]),
    "password, nested": ("db.password", [(ALNUM, 14)]),
    "password, odd": ("PGPASSWORD", [(ALNUM, 12)]),
    "passwd": ("mysql_passwd", [(LOWER + DIGITS, 9)]),
    "passphrase": ("ssh_passphrase", [(LOWER, 6), "-", (DIGITS, 3), "-", (LOWER, 6)]),
    "bearer key": ("bearer", [(URLSAFE, 36)]),
    "credentials": ("credentials", [(BASE64, 44)]),
    "registry auth": ("auth", [(BASE64, 38), "=="]),
    "jupyter": ("jupyter_token", [(HEX, 48)]),
    "hub": ("hub_token", [(ALNUM, 30)]),
    "personal": ("pat", [(LOWER + DIGITS, 52)]),
}  # fmt: skip

PEMS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "PGP ")

CONTEXTS: dict[str, Callable[[str], object]] = {
    "alone": lambda secret: {"note": secret},
    "in a sentence": lambda secret: {"note": f"run it with {secret} as before"},
    "in a command line": lambda secret: {"command": ["train.py", "--x", secret, "--lr", "0.1"]},
    "in a list": lambda secret: {"params": {"values": [1, "adam", secret]}},
    "as a key": lambda secret: {"params": {secret: 1}},
    "in a message": lambda secret: {"error": {"message": f"401 for url: '{secret}'\n  retry"}},
}


def drawn(parts: list[Part], name: str, number: int) -> str:
    """Return one secret of a shape: always the same of the same name and number."""
    chance = random.Random(f"{name} {number}")
    text = ""
    for part in parts:
        text += part if isinstance(part, str) else "".join(chance.choices(part[0], k=part[1]))
    return text


def secrets() -> Iterator[Item]:
    """Yield every secret in its contexts; each must be found."""
    for name, parts in BY_SHAPE.items():
        for number in range(DRAWS):
            text = drawn(parts, name, number)
            whole = "\n" in text or text.startswith("export ")
            for context, place in CONTEXTS.items():
                if whole and context not in ("alone", "in a list"):
                    continue
                yield Item(name, place(text), f"token, {context}")
    for name, (key, parts) in UNDER_KEY.items():
        for number in range(DRAWS):
            text = drawn(parts, f"{name} under {key}", number)
            yield Item(f"{name} under {key}", {key: text}, "value of a secret key")
            yield Item(
                f"{name} under {key}", {"a": {"b": [{key: [text]}]}}, "value of a secret key"
            )
            yield Item(
                f"{name} under {key}",
                {"command": [f"--{key.replace('_', '-')}", text]},
                "value of a secret option",
            )
    for kind in PEMS:
        yield from _pem(kind)
    yield from _odd()


def _pem(kind: str) -> Iterator[Item]:
    name = f"pem {kind}"
    block = " BLOCK" if kind == "PGP " else ""
    body = "\n".join(drawn([(BASE64, 64)], name, line) for line in range(4))
    lines = (
        f"-----BEGIN {kind}PRIVATE KEY{block}-----\n{body}\n-----END {kind}PRIVATE KEY{block}-----"
    )
    for text in (lines, lines.replace("\n", "\\n"), lines[:150]):
        yield Item(name, {"note": text}, "private key")


def _odd() -> Iterator[Item]:
    """Yield secrets that are shaped by more than a run of characters."""
    service = {
        "type": "service_account",
        "private_key_id": drawn([(HEX, 40)], "service account id", 0),
        "private_key": "-----BEGIN PRIVATE KEY-----\n"
        + drawn([(BASE64, 64)], "service account", 0),
    }
    yield Item("service account", service, "private key")
    yield Item("service account, text", {"config": json.dumps(service)}, "private key")
    head = {"alg": "HS256", "typ": "JWT"}
    body = {"sub": "1234567890", "name": "Ada", "iat": 1516239022}
    parts = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in (head, body)
    ]
    token = ".".join([*parts, drawn([(URLSAFE, 43)], "a real jwt", 0)])
    yield Item("a real jwt", {"note": token}, "token, alone")
    login = f"machine api.wandb.ai\n  login user\n  password {drawn([(HEX, 40)], 'netrc', 0)}"
    yield Item("netrc", {"note": login}, "value of a secret key")
