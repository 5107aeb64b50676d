"""A third corpus, written by somebody who had seen neither the sanitizer nor the other two.

Nothing here is or was a secret: whatever looks like one is drawn from a hash of its name, and its
tell-tale beginning is put together here, so that no scanner trips on this file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import string
from collections.abc import Iterator
from typing import Any, Final

from tests.model.corpus import Item

ALNUM: Final = string.ascii_letters + string.digits
UPPER: Final = string.ascii_uppercase + "234567"
LOWER: Final = string.ascii_lowercase + string.digits
HEX: Final = "0123456789abcdef"
B64: Final = ALNUM + "+/"
URL64: Final = ALNUM + "-_"


def _draw(seed: str, length: int, alphabet: str = ALNUM) -> str:
    """Return characters that look random and are the same each time."""
    raw = hashlib.shake_256(f"unseen {seed}".encode()).digest(2 * length)
    pairs = (raw[2 * i] * 256 + raw[2 * i + 1] for i in range(length))
    return "".join(alphabet[pair % len(alphabet)] for pair in pairs)


def _part(value: dict[str, Any]) -> str:
    """Return one part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt(seed: str) -> str:
    head = _part({"alg": "HS256", "typ": "JWT"})
    body = _part({"sub": _draw(seed, 8, LOWER), "exp": 1893456000})
    return ".".join((head, body, _draw(seed, 43, URL64)))


def _pem(what: str, lines: int = 6) -> str:
    body = "\n".join(_draw(f"{what} {i}", 64, B64) for i in range(lines))
    dashes = "-" * 5
    end = f"{what}PRIVATE" + " KEY"
    return f"{dashes}BEGIN {end}{dashes}\n{body}\n{dashes}END {end}{dashes}\n"


def _url(scheme: str, user: str, word: str, rest: str) -> str:
    return scheme + "://" + user + ":" + word + "@" + rest


def _tokens() -> dict[str, Any]:
    """Tokens that are known by their shape."""
    akia = "AK" + "IA" + _draw("akia", 16, UPPER)
    asia = "AS" + "IA" + _draw("asia", 16, UPPER)
    ghp = "gh" + "p_" + _draw("ghp", 36)
    slack = "xo" + "xb-" + _draw("s1", 12, string.digits) + "-" + _draw("s2", 12, string.digits)
    return {
        "aws access key alone": akia,
        "aws access key in a text": f"InvalidAccessKeyId: {asia} does not exist in our records",
        "aws secret as environment": "AWS_SECRET_ACCESS" + "_KEY=" + _draw("aws", 40, B64),
        "aws secret keyed": {"aws_secret_access" + "_key": _draw("aws2", 40, B64)},
        "aws credentials file": "[default]\naws_access_key_id = "
        + akia
        + "\naws_secret_access"
        + "_key = "
        + _draw("aws3", 40, B64),
        "aws session token keyed": {"aws_session" + "_token": "FwoG" + _draw("aws4", 200, B64)},
        "github classic": ghp,
        "github in a note": f"pushed with {ghp}, revoke later",
        "github oauth": "gh" + "o_" + _draw("gho", 36),
        "github server": {"error": "401 for gh" + "s_" + _draw("ghs", 36)},
        "github refresh": "gh" + "r_" + _draw("ghr", 76),
        "github fine-grained": "github" + "_pat_" + _draw("pat", 22) + "_" + _draw("pat2", 59),
        "gitlab personal": "gl" + "pat-" + _draw("glpat", 20, URL64),
        "gitlab deploy": "gl" + "dt-" + _draw("gldt", 20, URL64),
        "gitlab runner": "gl" + "rt-" + _draw("glrt", 20, URL64),
        "huggingface": "h" + "f_" + _draw("hf", 34, string.ascii_letters),
        "huggingface in a list": ["--model", "x", "h" + "f_" + _draw("hf2", 34)],
        "openai classic": "s" + "k-" + _draw("oa", 20) + "T3Blbk" + "FJ" + _draw("oa2", 20),
        "openai project": "s" + "k-proj-" + _draw("oap", 120, URL64),
        "openai error": "Incorrect API key provided: s" + "k-" + _draw("oae", 48) + ". You can",
        "openai service account": "s" + "k-svcacct-" + _draw("oas", 100, URL64),
        "anthropic": "s" + "k-ant-" + "api03-" + _draw("ant", 93, URL64) + "AA",
        "openrouter": "s" + "k-or-v1-" + _draw("orv", 64, HEX),
        "slack bot": slack + "-" + _draw("s3", 24),
        "slack user": "xo" + "xp-" + "-".join(_draw(f"xp{i}", 12, "0123456789") for i in range(3)),
        "slack app": "xa" + "pp-1-A0" + _draw("xapp", 9, UPPER) + "-" + _draw("xapp2", 64, HEX),
        "slack webhook": "https://hooks.slack"
        + ".com/services/T"
        + _draw("wh", 8, UPPER)
        + "/B"
        + _draw("wh2", 8, UPPER)
        + "/"
        + _draw("wh3", 24),
        "discord webhook": "https://discord"
        + ".com/api/webhooks/"
        + _draw("dw", 18, "123456789")
        + "/"
        + _draw("dw2", 68, URL64),
        "telegram bot": "https://api.telegram.org/bot12"
        + "34567890:AA"
        + _draw("tg", 33, URL64)
        + "/sendMessage",
        "stripe live": "s" + "k_live_" + _draw("st", 24),
        "stripe restricted": "r" + "k_live_" + _draw("st2", 24),
        "stripe test": {"note": "billing used s" + "k_test_" + _draw("st3", 24)},
        "npm": "np" + "m_" + _draw("npm", 36),
        "npmrc": "//registry.npmjs.org/:_auth" + "Token=np" + "m_" + _draw("npmrc", 36),
        "pypi": "py" + "pi-AgEIcHlwaS5vcmc" + _draw("pypi", 150, URL64),
        "wandb environment": "WANDB_API" + "_KEY=" + _draw("wb", 40, HEX),
        "wandb command": "wandb login " + _draw("wb2", 40, HEX),
        "wandb keyed": {"wandb": {"api" + "_key": _draw("wb3", 40, HEX)}},
        "google api key": "AI" + "za" + _draw("goog", 35, URL64),
        "google oauth access": "ya" + "29.a0Af" + _draw("ya", 120, URL64),
        "google client secret": "GOC" + "SPX-" + _draw("goc", 28, URL64),
        "sendgrid": "S" + "G." + _draw("sg", 22, URL64) + "." + _draw("sg2", 43, URL64),
        "twilio": "S" + "K" + _draw("tw", 32, HEX) + " twilio auth_token=" + _draw("tw2", 32, HEX),
        "digitalocean": "do" + "p_v1_" + _draw("dop", 64, HEX),
        "databricks": "da" + "pi" + _draw("dapi", 32, HEX),
        "replicate": "r" + "8_" + _draw("r8", 37),
        "groq": "gs" + "k_" + _draw("gsk", 52),
        "vault": "hv" + "s." + _draw("hvs", 90, URL64),
        "linear": "lin" + "_api_" + _draw("lin", 40),
        "dockerhub": "dc" + "kr_pat_" + _draw("dckr", 27, URL64),
        "jwt alone": _jwt("jwt"),
        "jwt in an error": {"error": f"signature of {_jwt('jwt2')} has expired"},
        "age key": "AGE-SECRET" + "-KEY-1" + _draw("age", 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    }


def _files() -> dict[str, Any]:
    """Keys and files of credentials."""
    google = {
        "type": "service" + "_account",
        "project_id": "lab-cluster",
        "private" + "_key_id": _draw("gcp", 40, HEX),
        "private" + "_key": _pem(""),
        "client_email": "runner@lab-cluster.iam.gserviceaccount.com",
    }
    return {
        "pem rsa": _pem("RSA "),
        "pem openssh": {"note": "used this:\n" + _pem("OPENSSH ")},
        "pem ec": _pem("EC ", 3),
        "pem pkcs8": _pem(""),
        "pem encrypted": _pem("ENCRYPTED "),
        "pem on one line": _pem("DSA ").replace("\n", "\\n"),
        "service account": google,
        "service account as text": json.dumps(google),
        "netrc line": "machine api.wandb.ai login user pass" + "word " + _draw("net", 40, HEX),
        "netrc lines": "machine github.com\n  login octo\n  pass" + "word " + _draw("net2", 20),
        "pgpass line": "PGPASS" + "WORD=" + _draw("pg", 14) + " psql -h db -U lab results",
        "docker config": {"auths": {"ghcr.io": {"auth": _draw("dock", 48, B64)}}},
        "azure connection string": "DefaultEndpointsProtocol=https;AccountName=lab;Account"
        + "Key="
        + _draw("az", 86, B64)
        + "==;EndpointSuffix=core.windows.net",
        "azure sas": "https://lab.blob.core.windows.net/runs/a.npz?sv=2022-11-02&sr=b&sp=r"
        + "&se=2030-01-01T00%3A00%3A00Z&si"
        + "g="
        + _draw("sas", 43)
        + "%3D",
        "azure client secret": {"azure_client" + "_secret": _draw("acs", 34, ALNUM + "~._-")},
        "signed s3": "https://b.s3.amazonaws.com/k?X-Amz-Expires=600&X-Amz-Sig"
        + "nature="
        + _draw("amz", 64, HEX),
        "signed gcs": "https://storage.googleapis.com/b/k?X-Goog-Sig"
        + "nature="
        + _draw("gcs", 256, HEX),
    }


def _urls() -> dict[str, Any]:
    """Addresses and commands with something secret in them."""
    word = _draw("word", 12)
    return {
        "postgres": _url("postgres", "lab", word, "db.internal:5432/results"),
        "postgresql driver": {"db": _url("postgresql+psycopg2", "lab", word, "10.0.0.4/results")},
        "mongodb": _url("mongodb+srv", "lab", word, "cluster0.ab1cd.mongodb.net/runs"),
        "redis without a user": _url("redis", "", word, "cache:6379/0"),
        "mysql in an error": "cannot connect to " + _url("mysql", "root", "s3cr3t!", "db/runs"),
        "amqp": _url("amqp", "guest", "hare4Ever", "mq:5672//"),
        "https basic": "git clone " + _url("https", "kim", word, "git.example.org/lab/x.git"),
        "https token as user": "https://" + "gh" + "p_" + _draw("t", 36) + "@github.com/lab/x.git",
        "https oauth2": _url("https", "oauth2", "gl" + "pat-" + _draw("o", 20), "gitlab.com/a/b"),
        "https proxy": "HTTPS_PROXY=" + _url("http", "kim", word, "proxy.example.org:3128"),
        "ftp": _url("ftp", "kim", "Winter2024", "ftp.example.org/data.tar"),
        "pip index": "pip install -i "
        + _url("https", "__token__", word, "pypi.example.org/simple"),
        "url token": "GET https://api.example.org/v1/x?access" + "_token=" + _draw("at", 32),
        "url api key": "https://api.example.org/v1/x?q=1&api" + "_key=" + _draw("ak", 32, HEX),
        "odbc": "Server=tcp:db.example.org;Uid=lab;P" + "wd=" + word + ";Encrypt=yes",
        "libpq": "host=db user=lab pass" + "word=" + word + " dbname=runs",
        "curl bearer": "curl -H 'Authorization: " + "Bearer " + _draw("b", 40) + "' https://a.org",
        "curl basic": 'curl -H "Authorization: '
        + "Basic "
        + "a2ltOmhhcmU0RXZlcg=="
        + '" https://a.org',
        "curl user": "curl -u kim:" + word + " https://a.example.org/v1",
        "header keyed": {"headers": {"Authorization": "Bearer " + _draw("b2", 30)}},
        "header token": {"headers": {"Authorization": "token " + _draw("b3", 40, HEX)}},
        "header api key": "X-Api" + "-Key: " + _draw("xa", 32),
        "header cookie": {"Cookie": "session" + "id=" + _draw("ck", 32, LOWER)},
        "header private token": "curl --header 'PRIVATE" + "-TOKEN: " + _draw("pt", 20) + "' x",
        "command password": "mysqldump --user=root --pass" + "word=" + word + " runs",
        "command password apart": "tool login --pass" + "word " + word,
        "command as list": ["tool", "login", "--pass" + "word", word],
        "command as list joined": ["tool", "--api" + "-key=" + _draw("cl", 24)],
        "command token": "python train.py --hub_token" + "=" + _draw("ht", 30) + " --lr 0.1",
        "command sshpass": "sshpass -p " + word + " ssh kim@node04",
        "command mysql": "mysql -uroot -p" + word + " runs",
        "command docker": "echo x | docker login -u kim -p " + word + " ghcr.io",
    }


def _keyed() -> dict[str, Any]:
    """Values that are secret for the name they stand under."""
    word = _draw("keyed", 16)
    return {
        "keyed password": {"pass" + "word": "correct horse battery"},
        "keyed short password": {"db": {"pass" + "word": "hunter2"}},
        "keyed passwd": {"pass" + "wd": word},
        "keyed pwd": {"smtp": {"p" + "wd": word}},
        "keyed api key": {"api" + "_key": word},
        "keyed apiKey": {"api" + "Key": word},
        "keyed OPENAI_API_KEY": {"env": {"OPENAI_API" + "_KEY": word}},
        "keyed token": {"tok" + "en": _draw("kt", 32)},
        "keyed access token": {"access" + "Token": _draw("kt2", 32)},
        "keyed refresh token": {"refresh" + "_token": _draw("kt3", 32)},
        "keyed secret": {"client" + "_secret": word},
        "keyed secret key": {"DJANGO_SECRET" + "_KEY": _draw("dj", 50, ALNUM + "!@#$%^&*(-_=+)")},
        "keyed passphrase": {"ssh_pass" + "phrase": "open the door"},
        "keyed credentials": {"credentials": {"user": "kim", "pass": word}},
        "keyed encryption key": {"encryption" + "_key": _draw("ek", 44, B64)},
        "keyed in a list": {"services": [{"name": "a"}, {"name": "b", "auth" + "_token": word}]},
        "text env line": "export HF_TOK" + "EN=" + _draw("ht2", 30),
        "text yaml line": "db:\n  host: db\n  pass" + "word: " + word,
        "text json": '{"host": "db", "pass' + 'word": "' + word + '"}',
        "text python repr": "Config(host='db', api" + "_key='" + word + "')",
        "text dict repr": "KeyError in {'user': 'kim', 'pass" + "word': '" + word + "'}",
        "text prose": "note to self: the pass" + "word is " + word,
        "text toml": '[auth]\nsecret = "' + _draw("tml", 32) + '"',
    }


def _paths() -> dict[str, Any]:
    """Paths that tell who somebody is or what a machine looks like."""
    back = "\\"
    win = back.join(("C:", "Users", "Kim Lee", "runs", "a.json"))
    return {
        "path linux": "/ho" + "me/kim/runs/a.json",
        "path linux in a trace": '  File "/ho' + 'me/kim/lab/train.py", line 12, in main',
        "path linux in an error": "[Errno 2] No such file or directory: '/ho" + "me/k.lee/x.csv'",
        "path linux home alone": "/ho" + "me/kim",
        "path linux after an option": "python train.py --out=/ho" + "me/kim/out --lr 0.1",
        "path linux in PATH": "PATH=/usr/bin:/ho" + "me/kim/.local/bin",
        "path linux file url": "file:///ho" + "me/kim/mlruns",
        "path linux keyed": {"data_dir": "/ho" + "me/kim/data"},
        "path linux as key": {"files": {"/ho" + "me/kim/data/a.csv": 3}},
        "path mac": "/Us" + "ers/kim/Documents/x.csv",
        "path mac in a text": "saved to /Us" + "ers/kim.lee/Desktop/fig 1.png just now",
        "path mac temp": "/private/var/fold" + "ers/zz/abc123/T/tmp1",
        "path windows": win,
        "path windows in an error": f"FileNotFoundError: [WinError 2] '{win}'",
        "path windows with slashes": "C:/Us" + "ers/kim/runs",
        "path windows other drive": back.join(("D:", "data", "kim", "x.csv")),
        "path windows escaped": win.replace(back, back * 2),
        "path wsl": "/mnt/c/Us" + "ers/kim/runs",
        "path scratch": "/scr" + "atch/kim/job17/out.h5",
        "path scratch in a text": "disk quota exceeded on /scr" + "atch/klee/tmp",
        "path gpfs": "/gp" + "fs/work/klee/checkpoints",
        "path lustre": "/lus" + "tre/project/p123/klee/x",
        "path server": back * 2 + back.join(("fileserver", "groups", "kim", "x.csv")),
        "path server in a text": "cannot open " + back * 2 + back.join(("nas01", "share", "a.txt")),
        "path root": "/ro" + "ot/.cache/huggingface/hub",
        "path scp": "scp kim@node04:/ho" + "me/kim/x.csv .",
        "path nfs home": "/nfs/ho" + "me/klee/env/lib/python3.11/site-packages",
    }


def unseen_secrets() -> Iterator[Item]:
    """Yield what has to be found."""
    groups = {"token": _tokens, "file": _files, "url": _urls, "keyed": _keyed, "path": _paths}
    for kind, make in groups.items():
        for name, value in make().items():
            yield Item(f"unseen {name}", value, kind)


def _numbers() -> dict[str, Any]:
    """Hashes, identifiers, versions, dates and encoded numbers."""
    array = base64.b64encode(bytes(range(48))).decode()
    uuid = "-".join(_draw(f"u{n}", n, HEX) for n in (8, 4)) + "-4a1b-9c2d-" + _draw("u", 12, HEX)
    return {
        "md5": _draw("md5", 32, HEX),
        "sha1": _draw("sha1", 40, HEX),
        "sha256": _draw("sha256", 64, HEX),
        "sha512": _draw("sha512", 128, HEX),
        "sha256 with prefix": "sha256:" + _draw("sha256p", 64, HEX),
        "sha256 keyed": {"sha256": _draw("sha256k", 64, HEX)},
        "sha384 integrity": "sha384-" + _draw("sri", 64, B64),
        "requirement hash": "numpy==1.26.4 --hash=sha256:" + _draw("req", 64, HEX),
        "uuid": uuid,
        "uuid keyed": {"run_id": uuid},
        "uuid plain": uuid.replace("-", ""),
        "ulid": "01HQ" + _draw("ulid", 22, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
        "commit": {"commit": _draw("commit", 40, HEX)},
        "commit short": "built from " + _draw("short", 7, HEX),
        "commit range": _draw("r1", 10, HEX) + ".." + _draw("r2", 10, HEX),
        "commit describe": "v2.3.1-14-g" + _draw("desc", 8, HEX),
        "pip from git": "git+https://github.com/lab/x.git@" + _draw("pip", 40, HEX),
        "docker digest": "ghcr.io/lab/x@sha256:" + _draw("dd", 64, HEX),
        "wandb run": "wandb: run name is rosy-sun-17 (3k2j9x1a)",
        "base64 array": array,
        "base64 array keyed": {"dtype": "uint8", "shape": [48], "data": array},
        "base64 short": "AAAAAAAA8D8=",
        "base64 bool mask": {"mask": base64.b64encode(b"\x00\x01" * 16).decode()},
        "hex floats": ["0x1.8p+1", "0x1.921fb54442d18p+1"],
        "hex colour": "#1f77b4",
        "version": "1.26.4",
        "version local": "2.1.0+cu118",
        "version dev": "0.9.0.dev3+g" + _draw("dev", 9, HEX) + ".d20240311",
        "version python": "3.11.8 (main, Feb  6 2024, 21:21:21) "
        "[Clang 15.0.0 (clang-1500.1.0.2.5)]",
        "date": "2024-03-11",
        "date time": "2024-03-11T12:34:56.789012+00:00",
        "date compact": "20240311T123456Z",
        "date http": "Mon, 11 Mar 2024 12:34:56 GMT",
        "unix time": 1710160496.25,
        "big integer": 12345678901234567890,
        "seed": {"seed": 3735928559},
        "seeds": {"seeds": [17, 2147483647, 4294967295]},
        "isbn": "978-3-16-148410-0",
        "doi": "10.1103/PhysRevLett.116.061102",
        "arxiv": "arXiv:2307.09288v2",
        "orcid": "0000-0002-1825-0097",
        "semver range": ">=1.2,<2; python_version < '3.12'",
        "slurm job": {"SLURM_JOB_ID": "8812345_17"},
        "gpu": "NVIDIA A100-SXM4-80GB (UUID: GPU-" + uuid + ")",
        "memory address": "<function loss at 0x7f3a5c0d1e50>",
        "ipv6": "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "mac address text": "02:42:ac:11:00:02",
    }


def _models() -> dict[str, Any]:
    """Names and numbers from language models."""
    return {
        "model llama": "meta-llama/Llama-3-8B",
        "model long": "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "model gguf": "TheBloke/Llama-2-7B-Chat-GGUF/llama-2-7b-chat.Q4_K_M.gguf",
        "model openai": "gpt-4o-2024-08-06",
        "model anthropic": "claude-3-5-sonnet-20241022",
        "model fine-tuned": "ft:gpt-3.5-turbo-0613:lab::8Xq2abCd",
        "model timm": "vit_base_patch16_224.augreg2_in21k_ft_in1k",
        "model sentence": "sentence-transformers/all-MiniLM-L6-v2",
        "max tokens": "max_tokens=128",
        "max tokens keyed": {"max_tokens": 128},
        "max new tokens text": {"max_new_tokens": "256"},
        "num tokens": {"num_tokens": 1_000_000_000},
        "num tokens text": "num_tokens: 3.2B",
        "tokens per second": {"tokens_per_second": 1234.5},
        "token count": {"token_count": {"train": 12345, "test": 678}},
        "pad token": {"pad_token": "<pad>"},
        "pad token text": "pad_token='<pad>'",
        "eos token": {"eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"},
        "eos token long": {"eos_token": "<|endoftext|>"},
        "mask token": {"mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
        "eot token": {"additional_special_tokens": ["<|eot_id|>", "<|start_header_id|>"]},
        "reserved token": {"token": "<|reserved_special_token_17|>"},
        "pad token id": {"pad_token_id": 50256},
        "token type ids": {"token_type_ids": [0, 0, 0, 1, 1]},
        "token type": {"token_type": "wordpiece"},
        "tokenizer": {"tokenizer": "bert-base-uncased"},
        "tokenizer class": {"tokenizer_class": "LlamaTokenizerFast"},
        "tokenizer option": "--tokenizer=google/byt5-small",
        "tokenization": {"tokenization": "sentencepiece-unigram-32k"},
        "token pooling": {"token_pooling": "mean"},
        "token error": "IndexError: token 50257 is out of range (vocab_size=50257)",
        "token unexpected": "SyntaxError: unexpected token '}' at line 3",
        "token limit text": "This model's maximum context length is 8192 tokens, you gave 9001",
        "token dropout": {"token_dropout": True},
        "image token": {"image_token": "<image>"},
        "use auth token": {"use_auth_token": False},
        "token none": {"token": None},
        "cross attention": {"key_dim": 64, "num_key_value_heads": 8, "key_padding_mask": True},
        "attention keys": {"query_key_value": "fused", "qk_norm": "rms"},
        "rope": {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        "chat template": "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{% endfor %}",
        "lora": {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]},
        "layer name": "model.layers.17.self_attn.q_proj.weight",
        "state dict error": "size mismatch for head.weight: torch.Size([10, 512])",
    }


def _words() -> dict[str, Any]:
    """Names and texts in which the words of secrets stand for something else."""
    return {
        "secret sharing": {"secret_sharing": True},
        "secret sharing scheme": {"secret_sharing": "shamir", "threshold": 3},
        "secret size": {"secret_size": 32, "secret_bits": 256},
        "secretary problem": {"problem": "secretary", "n": 100},
        "secret text": "the secret of good weld seams is patience",
        "password policy": {"password_policy": "at least 12 characters, one digit"},
        "password policy text": "password_policy: passwords must be changed every 90 days",
        "password length": {"password_length": 12},
        "password dataset": {"dataset": "rockyou-password-strength"},
        "password text": "The user forgot the password and asked for a new one.",
        "password prompt": "Enter password:",
        "password error": "permission denied, please enter a password and try again",
        "password variable": "set PGPASSWORD before running",
        "password placeholder": "postgres://USER:PASSWORD@HOST:5432/DB",
        "password masked": {"password": "********"},
        "password none": {"password": None},
        "password empty": {"password": ""},
        "api key from environment": "api_key=os.environ['OPENAI_API_KEY']",
        "api key variable": "export OPENAI_API_KEY=$MY_KEY",
        "api key missing": "openai.OpenAIError: The api_key client option must be set",
        "api key name": {"api_key_env": "OPENAI_API_KEY"},
        "github actions secret": "${{ secrets.GITHUB_TOKEN }}",
        "shell token": 'curl -H "Authorization: Bearer $TOKEN" https://api.example.org',
        "authorization text": "Authorization was denied for this queue",
        "auth method": {"auth": "none"},
        "auth type": {"authentication": "kerberos"},
        "basic": {"basic": "a basic block of 64 channels"},
        "bearer text": "the bearer of the load is a steel beam",
        "primary key": {"primary_key": "sample_id"},
        "foreign key": "FOREIGN KEY (run_id) REFERENCES runs(id)",
        "sort key": {"sort_key": "val_accuracy", "group_key": "subject"},
        "key error": "KeyError: 'learning_rate_schedule_warmup'",
        "public key size": {"public_key_bits": 2048},
        "keyboard": "KeyboardInterrupt",
        "music key": {"key": "C# minor"},
        "keypoints": {"keypoints": 17, "keyframe": 3},
        "credential assignment": {"credit_assignment": "gae"},
        "passes": {"passes": 3, "passed": True, "pass_rate": 0.93},
        "pass at k": {"pass@1": 0.43, "pass@10": 0.71},
        "bandpass": {"bandpass": [0.5, 40.0], "filter": "highpass"},
        "compass": {"compass": "north-northeast"},
        "signature": {"signature": "(x: float, y: float) -> float"},
        "session": {"session": "ses-02", "subject": "sub-014"},
        "cookie": "cookiecutter gh:drivendata/cookiecutter-data-science",
        "salt": {"salt": "NaCl", "salt_concentration": 0.15},
        "hash seed": "PYTHONHASHSEED=0",
        "private": {"differential_privacy": {"epsilon": 1.0, "delta": 1e-5}},
        "pem certificate text": "expects a PEM file with a public certificate",
        "sk prefix": "sk-learn pipeline with sk-image features",
        "hf prefix": {"hf_model_name": "bert", "hf_dataset_name": "imdb"},
        "env list": ["CUDA_VISIBLE_DEVICES=0,1", "OMP_NUM_THREADS=8"],
    }


def _places() -> dict[str, Any]:
    """Addresses and relative paths that betray nothing."""
    return {
        "s3": "s3://bucket/key",
        "s3 long": "s3://lab-results/2024/run-17/checkpoints/step_10000.safetensors",
        "gs": "gs://tfds-data/datasets/cifar10/3.0.2",
        "hdfs": "hdfs://namenode:8020/data/x.parquet",
        "https": "https://example.org/data/x.csv",
        "https query": "https://example.org/search?q=token&page=2",
        "https port": "http://localhost:8080/metrics",
        "https fragment": "https://docs.python.org/3/library/secrets.html#secrets.token_hex",
        "https zenodo": "https://zenodo.org/records/1234567/files/data.zip?download=1",
        "https commit": "https://github.com/lab/x/commit/" + _draw("url", 40, HEX),
        "https at sign": "https://medium.com/@someone/a-title-3f2a1b",
        "https package": "https://files.pythonhosted.org/packages/ab/cd/"
        + _draw("whl", 60, HEX)
        + "/numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl",
        "git ssh": "git@github.com:lab/x.git",
        "postgres without a password": "postgresql://db.example.org:5432/results",
        "sqlite": "sqlite:///runs.db",
        "redis plain": "redis://cache:6379/0",
        "tcp": "tcp://127.0.0.1:8786",
        "relative": "data/raw/x.csv",
        "relative dot": "./out/fig1.png",
        "relative up": "../shared/config.yaml",
        "relative users": "data/users/kim/ratings.csv",
        "relative home": "src/home/index.html",
        "relative windows": "data\\raw\\x.csv",
        "glob": "**/*.py",
        "ratio": "km/h, and/or, 3/4",
        "api route": "GET /api/v1/runs",
        "json pointer": "/state_point/model/lr",
        "regular expression": r"^\d{4}-\d{2}-\d{2}T\w+$",
        "latex": r"$\alpha \cdot \mathrm{ReLU}(x)$",
        "hdf5 group": {"dataset": "entry/data/counts"},
        "docker image": "nvcr.io/nvidia/pytorch:24.02-py3",
        "class path": "torch.optim.lr_scheduler.CosineAnnealingLR",
        "class path own": "lab.models.transformer:TokenMixer",
        "entry point": "train = lab.cli.train:main",
        "dataset": "cifar10_corrupted/gaussian_noise_3",
        "dataset openml": "openml:credit-g/31",
        "dataset glue": {"dataset": "nyu-mll/glue", "subset": "mrpc", "split": "validation[:10%]"},
    }


def _science() -> dict[str, Any]:
    """Chemistry, biology and hyperparameters."""
    return {
        "iupac": "2-(4-isobutylphenyl)propanoic acid",
        "smiles": "CC(C)CC1=CC=C(C=C1)C(C)C(=O)O",
        "smiles isomeric": "C[C@@H](C(=O)O)N/C=C\\Cl",
        "inchi": "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)",
        "inchikey": "BSYNRYMUTXBXSQ-UHFFFAOYSA-N",
        "formula": "La0.7Sr0.3MnO3",
        "cas": "50-78-2",
        "dna": "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG",
        "protein": "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVK",
        "accession": "ENSG00000139618",
        "pdb": "1CRN",
        "hyperparameters": {"lr": 3e-4, "weight_decay": 0.01, "betas": [0.9, 0.999]},
        "hyperparameters text": "lr=0.0003,wd=0.01,bs=256,opt=adamw",
        "hyperparameters nested": {"model": {"depth": 12, "heads": 8}, "data": {"aug": "mixup"}},
        "run name": "resnet50_bs256_lr0.1_wd1e-4_seed17_20240311",
        "run name mixed": "exp17-AdamW-CosineLR-Warmup500-EMA0999",
        "optimizer repr": "AdamW(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)",
        "kernel": "1**2 * RBF(length_scale=0.5) + WhiteKernel(noise_level=1e-05)",
        "sql": "SELECT token, count(*) FROM words GROUP BY token",
        "cuda error": "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB total)",
        "assertion": "AssertionError: expected (3, 224, 224), got (1, 224, 224)",
        "trace relative": 'File "train.py", line 12, in main\n    loss.backward()',
        "convergence": "ConvergenceWarning: lbfgs failed to converge (status=1)",
        "unicode": "Größe in µm, naïve Schätzung",
        "long word": "Donaudampfschifffahrtsgesellschaftskapitaen",
        "camel": "MultiHeadSelfAttentionWithRelativePositionEncodingAndDropout",
        "upper": "XLA_PYTHON_CLIENT_MEM_FRACTION=.75",
        "tags": ["ablation", "v2", "best-so-far", "re-run"],
        "email text": "ask the authors of the paper",
    }


def unseen_harmless() -> Iterator[Item]:
    """Yield what has to be left alone."""
    groups = {
        "number": _numbers,
        "model": _models,
        "word": _words,
        "place": _places,
        "science": _science,
    }
    for kind, make in groups.items():
        for name, value in make().items():
            yield Item(f"unseen {name}", value, kind)
