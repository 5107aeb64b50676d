"""aexp.model.sanitize: nothing secret and nothing of this machine reaches the ledger (LED-02)."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aexp.errors import UnsafeValueError
from aexp.model.canonical import canonical_bytes, compact_bytes
from aexp.model.sanitize import (
    REDACTED_PATH,
    REDACTED_SECRET,
    Finding,
    Root,
    certainly_publishable,
    certainly_without_secrets,
    find_absolute_paths,
    find_secrets,
    sanitize,
)

REPO = Root("/home/ada/repo")
DATA = Root("/mnt/big/data sets", "${DATA}")
NESTED = Root("/home/ada/repo/data", "${NEAR}")
WINDOWS = Root("C:\\Users\\ada\\repo")

# Shapes of real credentials, put together at run time so that no scanner takes them for one.
A36 = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
HEX40 = "0123456789abcdef" * 2 + "01234567"
HEX64 = "0123456789abcdef" * 4


def shape(*parts: str) -> str:
    return "".join(parts)


TOKENS = {
    "aws": shape("AK", "IA", "IOSFODNN7EXAMPLE"),
    "aws-session": shape("AS", "IA", "IOSFODNN7EXAMPLE"),
    "github": shape("gh", "p_", A36),
    "github-server": shape("gh", "s_", A36),
    "github-fine": shape("github", "_pat_", "11ABCDEFG0", A36, "_", A36),
    "gitlab": shape("gl", "pat-", A36[:20]),
    "slack-bot": shape("xo", "xb-", "123456789012-123456789012-", A36[:24]),
    "slack-user": shape("xo", "xp-", "123456789012-", A36),
    "openai": shape("s", "k-", A36, "T3Blbk", "FJ", A36[:20]),
    "openai-project": shape("s", "k-proj-", A36, "_", A36),
    "anthropic": shape("s", "k-ant-", "api03-", A36, "-", A36),
    "huggingface": shape("h", "f_", A36[:34].replace("3", "c")),
    "google": shape("AI", "za", A36[:35]),
    "jwt": shape("ey", "JhbGciOiJIUzI1NiJ9", ".ey", "JzdWIiOiIxMjM0In0", ".", A36),
    "npm": shape("np", "m_", A36),
    "pypi": shape("py", "pi-AgEIcHlwaS5vcmc", A36, A36),
    "stripe": shape("s", "k_live_", A36[:24]),
    "stripe-restricted": shape("r", "k_test_", A36[:24]),
    "sendgrid": shape("S", "G.", A36[:22], ".", A36),
    "digitalocean": shape("do", "p_v1_", HEX64),
    "databricks": shape("da", "pi", HEX40[:32]),
    "docker": shape("dck", "r_pat_", A36[:27]),
    "groq": shape("gs", "k_", A36, A36[:16]),
    "vault": shape("hv", "s.", A36),
    "pem": shape(
        "-----BEGIN RSA PRIV", "ATE KEY-----\n", A36, "\n-----END RSA PRIV", "ATE KEY-----"
    ),
    "openssh": shape("-----BEGIN OPENSSH PRIV", "ATE KEY-----\n", A36),
}

HARMLESS = [
    "9f2c6a1e4b8d7035c1e2f3a4b5c6d7e8f9012345",  # git sha
    "d41d8cd98f00b204e9800998ecf8427e",
    "sha256:" + HEX64,
    HEX64,
    "sha512-"
    + "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=",
    "123e4567-e89b-12d3-a456-426614174000",
    "src/aexp/model/sanitize.py",
    "a/b/c",
    "./data/train.csv",
    "../shared/data/x.npy",
    "~/data",
    "torch.optim.AdamW",
    "aexp.model.sanitize:sanitize",
    "https://example.org/home/alice/run/1",
    "https://wandb.ai/team/project/runs/3k2jh4kj?workspace=user-x",
    "http://localhost:5000/#/experiments/1/runs/0a1b2c",
    "https://arxiv.org/abs/1706.03762",
    "s3://bucket/data/home/x.parquet",
    "gs://bucket/usr/lib/x",
    "hf://datasets/org/name@main/train.parquet",
    "docker://ubuntu:22.04@sha256:" + HEX64,
    "git@github.com:org/repo.git",
    "ssh://git@github.com/org/repo.git",
    "models:/digits@champion",
    "mailto:someone@example.org",
    "sqlite:///relative.db",
    "2026-11-21T12:17:26Z",
    "2026/11/21",
    "21/11/2026 12:00",
    "n/a",
    "N/A",
    "/",
    "//",
    "and/or",
    "/s",
    "m/s",
    "kg/m/s",
    "1/2",
    "I/O",
    "r/w",
    "TCP/IP",
    "precision/recall/f1",
    "val/acc/top1",
    "loss /epoch",
    "application/json",
    "text/html; charset=utf-8",
    r"\frac{a}{b} / \sqrt{c}",
    r"x \\ y \\ \hline",
    r"\\alpha",
    r"^\d+/\w+$",
    r"(\d+):\d+",
    r"[a-z]:\d+",
    "s/foo/bar/g",
    "**/data/*.csv",
    "*/home/x",
    "${DATA}/home/x",
    "$HOME/data/x",
    "{root}/data/train",
    "<root>/data/train",
    "$(pwd)/data/x",
    "@/lib/x/y",
    "#/definitions/a/b",
    "/v1/chat/completions",
    "/params/lr",
    "/camera/image_raw",
    "/statepoint/data/path/0",  # pointers into an entry, as its `redacted` lists them
    "/replicates/0/params/data.dir",
    "C:",
    "a:b",
    "12:30:45",
    "key: value",
    "token: bert-base-uncased",
    "max_tokens=4096",
    "pad_token=<|endoftext|>",
    "--tokenizer gpt2-medium-finetuned",
    "the secret of the trick is patience",
    "password: required",
    "sk-learn-random-forest-classifier",
    "task-force-of-thirty-two-characters-and-more",
    "hf_hub_download",
    "npm_config",
    "eyJ",
    "xoxo",
    "Bearer of bad news",
    "AKIAK",
    "lr=0.1,seed=0",
    "optimizer.lr",
    "0.1 ± 0.02",
    "[64, 32]",
    "ReLU->Linear->Softmax",
    "x > 0 / y < 1",
    "https://",
    "://",
    "user@example.org",
    "C3H8/O2",
    "<s>/</s>",
    "résumé/naïve/été",
    "",
]

HARMLESS_UNDER_KEYS: list[dict[str, Any]] = [
    {"use_cls_token": True},
    {"num_tokens": 4096, "max_tokens": "2048", "n_tokens": "1e6"},
    {"token_dim": 64, "tokenizer": "bert-base-uncased-whole-word-masking-2019"},
    {"pad_token": "[PAD]", "eos_token": "<|endoftext|>", "unk_token": "<unk>"},
    {"eos_token": "<|reserved_special_token_250|>", "mask_token": "[MASK_1234567]"},
    {"author": "Ada-Lovelace-1815-London", "authors": ["A1b2C3d4E5f6G7h8"]},
    {"token": "cls", "tokens": ["a", "b", "the1", "quick2"]},
    {"token": "mean_pooling_over_tokens"},
    {"auth": "none", "auth_mode": "oauth2-client-credentials"},
    {"secret": False, "password": None, "api_key": 7, "token": 0.5},
    {"password": "", "passwd": "none", "pwd": "${DB_PASSWORD}"},
    {"api_key": "OPENAI_API_KEY", "token": "$HF_TOKEN", "secret": "<from vault>"},
    {"api_key": "***", "token": "xxxxxxxxxxxxxxxxxxxx"},
    {"sort_key": "x8Kq2mN7pL4vB9zR", "public_key": "x8Kq2mN7pL4vB9zR"},
    {"code_commit": HEX40, "digest": HEX64, "md5": HEX40[:32], "run_id": "3k2jh4kj"},
    {"authority": "x8Kq2mN7pL4vB9zR", "secretary": "x8Kq2mN7pL4vB9zR"},
    {"dataset_path": "data/train.csv", "out_dir": "results/", "api_path": "/v1/users"},
    {"profile": "fast", "root": "x", "home": "away"},
]


@pytest.mark.parametrize("name", sorted(TOKENS))
def test_known_token_shapes_are_redacted_wherever_they_stand(name: str) -> None:
    """LED-02, trap 17: alone, in a sentence, as a list item, as a key, inside a URL query."""
    token = TOKENS[name]
    for value in (token, f"failed with {token} today", [token], {"note": {"x": token}}):
        clean, redacted = sanitize(value)
        assert token not in json.dumps(clean)
        assert REDACTED_SECRET in json.dumps(clean)
        assert len(redacted) == 1
        assert [item.kind for item in find_secrets(value)] == ["secret"]
    clean, redacted = sanitize({token: 1})
    assert clean == {REDACTED_SECRET: 1}
    assert redacted == [f"/{REDACTED_SECRET}"]


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left_alone(text: str) -> None:
    """LED-02: no false alarm; the value, as a value, in a list and as a key, stays as it is."""
    for value in (text, [text], {"model": text}, {text: 1}):
        assert sanitize(value, roots=(REPO, DATA)) == (value, [])
        assert find_secrets(value) == []
        assert find_absolute_paths(value) == []


@pytest.mark.parametrize("value", HARMLESS_UNDER_KEYS, ids=lambda v: ",".join(v))
def test_secret_like_keys_with_ordinary_values_are_left_alone(value: dict[str, Any]) -> None:
    """LED-02: no false alarm on names like use_cls_token."""
    assert sanitize(value) == (value, [])
    assert find_secrets(value) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "hunter2!"),
        ("DB_PASSWORD", "correct horse battery 9"),
        ("passwd", "Tr0ub4dor"),
        ("secret", "q8Zr1LmX0pTy"),
        ("client_secret", "q8Zr1LmX0pTyW"),
        ("token", "q8Zr1LmX0pTyW2vB"),
        ("api_key", "q8Zr1LmX0pTyW2vB"),
        ("apiKey", "q8Zr1LmX0pTyW2vB"),
        ("OPENAI_API_KEY", "q8Zr1LmX0pTyW2vB"),
        ("wandb_api_key", HEX40),
        ("WANDB_API_KEY", HEX40),
        ("wandb.key", HEX40),
        ("aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("access_key", "AbCdEfGh12345678"),
        ("private_key", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
        ("credential", "123e4567-e89b-12d3-a456-426614174000"),
        ("auth", "dXNlcjpwYXNzd29yZDEyMzQ="),
        ("auth_token", "q8Zr1LmX0pTyW2vB"),
        ("access_tokens", ["q8Zr1LmX0pTyW2vB"]),
        ("credentials", {"value": "q8Zr1LmX0pTyW2vB"}),
        ("cookie", "session9f8e7d6c5b4a3210"),
    ],
)
def test_secret_values_under_secret_like_keys_are_redacted(key: str, value: Any) -> None:
    """LED-02: high-entropy values under secret-like keys, however the key is written."""
    clean, redacted = sanitize({key: value, "lr": 0.1})
    plain = value if isinstance(value, str) else next(iter(_strings(value)))
    assert plain not in json.dumps(clean)
    assert clean["lr"] == 0.1
    assert len(redacted) == 1
    assert redacted[0].startswith(f"/{key}")
    assert find_secrets({key: value}) == [Finding(redacted[0], "secret")]


def _strings(value: Any) -> list[str]:
    return list(value.values() if isinstance(value, dict) else value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("train --api-key=q8Zr1LmX0pTyW2vB --lr 1", f"train --api-key={REDACTED_SECRET} --lr 1"),
        ("train --token q8Zr1LmX0pTyW2vB", f"train --token {REDACTED_SECRET}"),
        ("WANDB_API_KEY=" + HEX40 + " python x.py", f"WANDB_API_KEY={REDACTED_SECRET} python x.py"),
        ('{"password": "Tr0ub4dor&3"}', '{"password": "' + REDACTED_SECRET + '"}'),
        ("Authorization: Bearer q8Zr1LmX0pTyW2vB", f"Authorization: Bearer {REDACTED_SECRET}"),
        (
            "https://x.org/f?a=1&sig=q8Zr1LmX0pTyW2vB%3D",
            f"https://x.org/f?a=1&sig={REDACTED_SECRET}",
        ),
    ],
)
def test_assignments_inside_longer_text(before: str, after: str) -> None:
    """LED-02: a command line or message that carries a credential loses only the credential."""
    assert sanitize(before) == (after, [""])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://ada:pw1@example.org/x?y=1", "https://example.org/x?y=1"),
        ("https://q8Zr1LmX0p@github.com/o/r.git", "https://github.com/o/r.git"),
        ("git clone https://a:b@h.org/r and go", "git clone https://h.org/r and go"),
        ("postgresql+psycopg://u:p@db:5432/runs", "postgresql+psycopg://db:5432/runs"),
        ("ssh://git:pw@host/r", "ssh://host/r"),
        ("https://u:p@ss@h.org/", "https://h.org/"),
        ("http://u:@h.org", "http://h.org"),
    ],
)
def test_credentials_leave_urls_and_the_url_stays(before: str, after: str) -> None:
    """LED-02, trap 17: userinfo is dropped, the rest of the URL kept."""
    assert sanitize({"url": before}) == ({"url": after}, ["/url"])
    assert find_secrets({"url": before}) == [Finding("/url", "credential-url")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/home/ada/repo", "."),
        ("/home/ada/repo/", "."),
        ("/home/ada/repo/src/x.py", "src/x.py"),
        ("/home/ada/repo//x", "x"),
        ("/home/ada/repo/my file (1).txt", "my file (1).txt"),
        ("--data=/home/ada/repo/x", "--data=x"),
        ("--out /home/ada/repo", "--out ."),
        ("-I/home/ada/repo/include", "-Iinclude"),
        ("file:///home/ada/repo/x", "x"),
        ("file://localhost/home/ada/repo/x", "x"),
        ("/home/ada/repo:/home/ada/repo/src", ".:src"),
        ("PYTHONPATH=/home/ada/repo/a:/home/ada/repo/b", "PYTHONPATH=a:b"),
        ('open("/home/ada/repo/x")', 'open("x")'),
        ("in (/home/ada/repo/)", "in (.)"),
        ("sqlite:////home/ada/repo/x.db", "sqlite:///x.db"),
        ("/mnt/big/data sets/a b/c", "${DATA}/a b/c"),
        ("/mnt/big/data sets", "${DATA}"),
        ("file:///mnt/big/data%20sets/a", "${DATA}/a"),
        ("/home/ada/repo/data/x", "${NEAR}/x"),
        ("/home/ada/repo/database", "database"),
    ],
)
def test_paths_below_a_root_become_portable(before: str, after: str) -> None:
    """model.md 8: longest root first, inside longer text too; rewriting is no redaction."""
    roots = (REPO, DATA, NESTED)
    assert sanitize(before, roots=roots) == (after, [])
    assert sanitize({before: before}, roots=roots) == ({after: after}, [])
    assert find_absolute_paths(before, roots=roots) == []


def test_a_windows_root_becomes_portable() -> None:
    """model.md 8: either slash, any case; the rest is written with forward slashes."""
    assert sanitize("C:\\Users\\ada\\repo\\src\\x.py", roots=[WINDOWS]) == ("src/x.py", [])
    assert sanitize("c:/users/Ada/repo", roots=[WINDOWS]) == (".", [])
    assert sanitize("--x=C:/Users/ada/repo/y", roots=[WINDOWS]) == ("--x=y", [])
    assert sanitize("C:\\Users\\ada\\repo2", roots=[WINDOWS]) == (REDACTED_PATH, [""])


@pytest.mark.parametrize(
    "path",
    [
        "/home/ada/other/x.csv",
        "/home/ada/repo2/x",
        "/home/ada/repository",
        "/home/ada",
        "/home/ada/My Files/x",
        "/Users/ada/x",
        "/root/.ssh/id_rsa",
        "/tmp/x",
        "/tmp",
        "/var/tmp/x",
        "/data",
        "/scratch/ada/run-1",
        "/leonardo_work/ab12/x",
        "/netscratch/x",
        "/gpfs01/u/ada",
        "/data2/x",
        "/mnt/c/Users/ada",
        "/unheard/of/place/x",
        "/unheard/model.pt",
        "/private/var/folders/x/y/T",
        "file:///etc/hosts",
        "C:\\Users\\ada\\x.csv",
        "D:/data/x",
        "c:\\temp\\x",
        "C:\\Program Files\\x\\y.exe",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/local/cuda-12.1",
        "/dev/shm/ada",
        "/dev/mapper/vg-ada",
        "/proc/4711/fd",
        "/proc/self/fd/3",
        "/run/user/1000",
        "/sys/fs/cgroup/user.slice/user-1000.slice",
        "/usr/share/users/ada/x",
        "/usr/local/home/ada",
        "C:\\Windows\\Temp\\ada\\x",
        "/ptmp/ada",
        "/scratch-shared/ada",
        "/gpfswork/ada",
        "\\\\?\\C:\\Users\\ada\\x",
        "\\\\10.0.0.5\\share\\ada",
        "\\\\server\\share\\x",
        "\\\\nas01\\home$",
        "//nas/share/x",
    ],
)
def test_other_absolute_paths_are_redacted(path: str) -> None:
    """LED-02, trap 17: Linux, macOS, Windows drive and UNC paths leave no trace."""
    clean, redacted = sanitize({"x": path}, roots=[REPO])
    assert clean["x"].removeprefix("file://") == REDACTED_PATH
    assert redacted == ["/x"]
    assert find_absolute_paths({"x": path}) == ["/x"]
    assert find_secrets({"x": path}) == []


@pytest.mark.parametrize(
    "text",
    [
        "/usr/bin/time -v python x.py", "/bin/sh -c ls", "/usr/local/bin/python3", "/sbin/init",
        "/usr/bin:/bin", "/dev/nvidia0", "/dev/shm", "/dev/dri/renderD128", "/dev/ttyUSB0",
        "/proc/cpuinfo", "/proc/self/status", "/sys/class/net/eth0/speed",
        "/sys/bus/pci/devices/0000:3b:00.0/numa_node", "$(cat /proc/version)",
        "/home/<user>/data", "/home/$USER/x", "/Users/{name}/x", "/path/to/data.csv",
        "C:\\Users\\<name>\\x", "GET /users/42/runs HTTP/1.1", "POST /data/upload HTTP/2",
        "/users/{id}/tokens", "/users/<int:id>/x", "@app.get('/users/me/items')",
        "scan:=/front/laser/scan", "ros2 topic echo /camera/color/image_raw",
        "ncdump -v /science/grids/data/x", "f['/science/grids/data/x'][()]", "run.h5:/data/users/x",
        "/NXentry/NXdata/signal", "/redfish/v1/Systems/1/Processors", "/run/beamOn 10000",
        "root://eospublic.cern.ch//eos/opendata/cms/x.root", "ssh://git@github.com/org/repo.git",
    ],
)  # fmt: skip
def test_paths_of_every_machine_templates_and_routes_stay(text: str) -> None:
    """LED-02: they tell neither of this machine nor of a person."""
    for value in (text, [text], {"x": text}, {text: 1}):
        assert sanitize(value, roots=(REPO, DATA)) == (value, [])
        assert find_absolute_paths(value) == []


@pytest.mark.parametrize(
    "value",
    [
        {"probe_path": "/healthz"}, {"tool_path": "/usr/bin/sort"}, {"device_path": "/dev/nvidia0"},
        {"nc": "/science/grids/data/x"}, {"remap": "/front/laser/scan"},
        {"metrics_path": "/metrics"},
    ],
)  # fmt: skip
def test_keys_of_places_do_not_condemn_them(value: dict[str, str]) -> None:
    """LED-02: nor when the key says that a path follows."""
    assert sanitize(value) == (value, [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("root://eosuser.cern.ch//eos/user/e/eve/x.root", f"root://eosuser.cern.ch{REDACTED_PATH}"),
        ("see file://nas03/volume1/homes/eve/x", f"see file://nas03{REDACTED_PATH}"),
        ("smb://nas/eve/x", f"smb://nas{REDACTED_PATH}"),
        ("sftp://h/home/eve/x", f"sftp://h{REDACTED_PATH}"),
        ("gsiftp://se/pnfs/lab/eve", f"gsiftp://se{REDACTED_PATH}"),
        ("davs://h/remote.php/dav/files/eve/a", f"davs://h{REDACTED_PATH}"),
        ("vscode-remote://ssh-remote+h/home/eve", f"vscode-remote://ssh-remote+h{REDACTED_PATH}"),
        ("/usr/bin:/home/eve/bin:/bin", f"/usr/bin:{REDACTED_PATH}:/bin"),
        ("A=$(cat /run/x/db) /home/eve/x", f"A=$(cat {REDACTED_PATH}) {REDACTED_PATH}"),
        ("/opt/My Lab (x86)/bin/tool", REDACTED_PATH),
    ],
)
def test_paths_in_addresses_and_beside_those_of_every_machine(before: str, after: str) -> None:
    """LED-02: a URL of a file is a path; a path that stays does not hide the next one."""
    assert sanitize(before) == (after, [""])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "[Errno 2] No such file or directory: '/home/eve/My Data/x.csv'",
            f"[Errno 2] No such file or directory: '{REDACTED_PATH}'",
        ),
        ("a=/tmp/x b=/var/y", f"a={REDACTED_PATH} b={REDACTED_PATH}"),
        ("/tmp/a:/tmp/b", f"{REDACTED_PATH}:{REDACTED_PATH}"),
        ("cp C:\\a b", f"cp {REDACTED_PATH} b"),
        ("http://h:6006/?dir=/home/eve/runs", f"http://h:6006/?dir={REDACTED_PATH}"),
        ("host:/scratch/eve/x", f"host:{REDACTED_PATH}"),
        ("see /home/eve/x, /home/eve/y.", f"see {REDACTED_PATH}, {REDACTED_PATH}"),
        ("sqlite:////home/eve/x.db", f"sqlite:///{REDACTED_PATH}"),
    ],
)
def test_paths_inside_longer_text(before: str, after: str) -> None:
    """LED-02: the text around a path stays readable."""
    assert sanitize(before) == (after, [""])


def test_a_key_that_names_a_place_condemns_shallow_paths_too() -> None:
    """LED-02: '/scans' is a word in a sentence and a path under data_dir."""
    value = {"data_dir": "/scans", "checkpointPath": "/m/x", "note": "/scans"}
    clean, redacted = sanitize(value)
    assert clean == {"data_dir": REDACTED_PATH, "checkpointPath": REDACTED_PATH, "note": "/scans"}
    assert redacted == ["/data_dir", "/checkpointPath"]


def test_pointers_are_rfc_6901_and_start_where_the_caller_says() -> None:
    """LED-02: `redacted` lists pointers into the entry."""
    value = {"a/b": {"c~d": ["ok", "/tmp/x"]}, "token": "q8Zr1LmX0pTyW2vB"}
    clean, redacted = sanitize(value, pointer="/statepoint")
    assert redacted == ["/statepoint/a~1b/c~0d/1", "/statepoint/token"]
    assert clean["a/b"]["c~d"] == ["ok", REDACTED_PATH]


def test_the_argument_of_an_option_in_a_command_line() -> None:
    """LED-02: ["--token", "..."] is as bad as token=...; an ordinary argument is not."""
    value = ["train.py", "--token", "q8Zr1LmX0pTyW2vB", "--tag", "q8Zr1LmX0pTyW2vB"]
    clean, redacted = sanitize(value)
    assert clean == ["train.py", "--token", REDACTED_SECRET, "--tag", "q8Zr1LmX0pTyW2vB"]
    assert redacted == ["/2"]


def test_unsafe_keys_are_renamed_without_losing_an_item() -> None:
    """LED-02: two keys with one redacted form both stay, in an order that the data decides."""
    value = {"/tmp/b": 2, "/tmp/a": 1, "x": 0, "/home/ada/repo/x": 3}
    clean, redacted = sanitize(value, roots=[REPO])
    assert clean == {"x": 0, REDACTED_PATH: 1, f"{REDACTED_PATH}#2": 2, "x#2": 3}
    assert redacted == [f"/{REDACTED_PATH}", f"/{REDACTED_PATH}#2"]
    assert sanitize(clean, roots=[REPO]) == (clean, [])


def test_the_argument_is_left_alone_and_nothing_is_shared() -> None:
    """The function is pure: the caller's data is not changed, and the result is its own."""
    value = {"a": {"b": ["/tmp/x", 1, None, True]}, "c": (1, 2)}
    before = copy.deepcopy(value)
    clean, _ = sanitize(value)
    clean["a"]["b"].append("new")
    assert value == before


def test_numbers_none_and_booleans_are_never_touched() -> None:
    """LED-02: only text can hold a secret or a path."""
    value = {"password": 123456, "token": None, "secret": True, "path": 1.5, "l": [1, 2.5, None]}
    assert sanitize(value) == (value, [])


def test_data_nested_too_deeply_is_refused() -> None:
    """Trap 3: hostile data is a named error, not a crash."""
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    try:
        with pytest.raises(UnsafeValueError):
            sanitize(value)
    finally:
        while isinstance(value, list):  # taking it apart spares the interpreter the recursion
            value = value.pop()


_fragments = st.sampled_from(
    [
        *TOKENS.values(),
        *HARMLESS,
        "/home/ada/repo", "/home/ada/repo/x", "/mnt/big/data sets", "/tmp/x", "C:\\a\\b",
        "\\\\s\\t",
        "/", ":", "=", " ", "//", "://", "@", "file://", "https://u:p@", "token=", "--password ",
        "<", ">", "#", "..", "-I", "~", "%2Fhome%2Fx", "\\n", "\n", '"', "'",
        REDACTED_PATH, REDACTED_SECRET, "q8Zr1LmX0pTyW2vB",
        "curl -u ", "mysql -p", "login ", "kim:q8Zr1LmX", "the password is ", "Cookie: a=", "&sig=",
        "requirepass ", "| password | ", ".password(\"", "Passwort: ", "net use Z: \\\\a\\b ",
        "/usr/lib/x", "GET /", " HTTP/1.1", "/home/<user>/", "file://h/home/x", "\\\\?\\C:\\x",
        "const API_KEY: &str = \"", "connect(a, 'b', '", "')  # password", "/etc/hosts", ":=",
        "<name>", "</name>", "<value>", "api_key</name><value>", "variable \"db_password\" {\n",
        "  default = \"", "[admins]\nkim = ", "the password again?\n[14:03] Bo: ",
        "user/password: a / ",
        "Unseal Key 3: ", "PIN is 952183", "WIFI:S:a;P:", ";;", "echo 'q8Zr1LmX' > .netrc",
        "MPRester('",
        "')", "--user=kim:", "psk=\"", "; user_session=", "PRAGMA key = '",
        "secret-key ascii-text ",
        "https://x.org/a?apikey=", "%3BPWD%3D", "\\/home\\/ada", "//nas01/a/b", "file://nas01/a/b",
        "DEPLOY_TOKEN ?= ", "-Key '", "1 SHA1 HEX:", "set db_password {", "}", "Kw\u00f6",
        "\u4ee4\u724c\uff1a",
        "Authorization: token ", "<password>", "name: api_key, value: ", "key", ", ", "(", "{",
    ]
)  # fmt: skip
_words = st.sampled_from(
    [
        "curl", "/usr/bin/mysql", "docker", "login", "lr",
        "sshpass", "wandb", "redis-cli", "-a", "-p", "-u",
        "-pq8Zr1LmX", "-p<redacted:path>", "kim:q8Zr1LmX", "--user", "--token",
        "-token", "q8Zr1LmX0pTyW2vB", HEX40, "x",
        "authorize", "set-credentials", "ipmitool", "password", "/RP", "schtasks", "login",
        "cloudflared",
        "X-Api-Key", "Authorization", "-Infinity", "-1", "htpasswd", "-b", REDACTED_SECRET, "runs",
    ]
)  # fmt: skip
_beside = st.dictionaries(
    st.sampled_from(
        [
            *(
                "name",
                "key",
                "value",
                "kty",
                "k",
                "d",
                "user",
                "pass",
                "pw",
                "header",
                "ssid",
                "psk",
            ),
            *("default", "users", "pat", "encrypt", "routing_key"),
        ]
    ),
    st.sampled_from(["api_key", "DB_PASSWORD", "oct", "q8Zr1LmX0pTyW2vB", "hunter22", "kim", "lr"]),
)
_texts = st.one_of(
    st.text(max_size=30),
    st.lists(_fragments, max_size=5).map("".join),
    st.text(alphabet="/\\:=.-~ @a1Z<>", max_size=25),
)
_keys = st.one_of(
    _texts, st.sampled_from(["password", "api_key", "token", "data_dir", "x", "auth"])
)
_json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _texts,
        st.lists(_words, max_size=6), _beside,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip


@given(_json, st.sampled_from([(), (REPO,), (REPO, DATA, NESTED), (WINDOWS, REPO)]))
@example({"/home/u/password": "q8Zr1LmX0pTy"}, ())
@example("/home/ada/repo//home/ada/repo/x", (REPO,))
@example("file://file:///tmp/x", ())
@example({"user": "a", "key": "q8Zr1LmX0pTyW2vB", "value": "q8Zr1LmX0pTyW2vB"}, ())
def test_sanitizing_twice_changes_nothing(value: Any, roots: tuple[Root, ...]) -> None:
    """LED-06, LED-02: sanitize(sanitize(x)) == sanitize(x), with nothing more to report."""
    clean, _ = sanitize(value, roots=roots)
    assert sanitize(clean, roots=roots) == (clean, [])
    assert find_secrets(clean) == []
    assert find_absolute_paths(clean, roots=roots) == []


@given(_json)
def test_every_reported_pointer_leads_to_a_placeholder_or_a_clean_url(value: Any) -> None:
    """LED-02: what `redacted` lists exists in the clean document."""
    clean, redacted = sanitize(value)
    for pointer in redacted:
        here = clean
        for part in pointer.split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            here = here[int(part)] if isinstance(here, list) else here[part]


@given(_json.filter(lambda value: "inf" not in repr(value)))
@example({"token": "q7Zk2PvX9bLm4TnR"})
@example(["--api-key", "q7Zk2PvX9bLm4TnR"])
@example({"username": "kim", "key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"})
@example({"user": "kim", "pass": "hunter22"})
@example({"RegisteredUsers": {"kim": "q8Zr1LmX-pTy"}})
@example({"ssid": "lab", "psk": "Meadow_Raven_693"})
@example({"name": "db_password", "default": "Saffron1993"})
@example({"a": 'quote " and token=q7Zk2PvX9bLm4TnR'})
@example({"statepoint": {"lr": 0.1, "name": "resnet"}, "ended_at": "2026-01-01T00:00:00.5Z"})
def test_the_quick_look_never_clears_what_the_full_one_condemns(value: Any) -> None:
    """LED-02, VAL-08: an entry skips the full search only when that would find nothing."""
    for data in (canonical_bytes(value), compact_bytes(value)):
        assert not (certainly_without_secrets(data) and find_secrets(value))
        if certainly_publishable(data):
            assert sanitize(value, roots=(REPO, WINDOWS)) == (value, [])


def test_the_quick_look_clears_an_ordinary_entry() -> None:
    """LED-02: ids, times, digests and usual names need no full search."""
    entry = {
        "attempt_id": "legacy-7e37574e0619c717",
        "ended_at": "2026-01-01T00:01:01Z",
        "job_id": "000a18a45878678212d2345c560cef00",
        "record_digest": "sha256:" + "0f" * 32,
        "run_link": {"experiment_path": "kb/research/experiments/E001-e.md"},
        "statepoint": {"lr": 0.01, "optimizer": {"name": "adam"}, "layers": [64, 32]},
    }
    assert certainly_without_secrets(canonical_bytes(entry))
    assert not certainly_without_secrets(canonical_bytes({"api_key": "q7Zk2PvX9bLm4TnR"}))


@pytest.mark.parametrize(
    "unit",
    [
        "a", "a-", "a_", "/a", "a://", "/home/", "a b/", "@:", "\\", "eyJ", "a://b:", "a:b@",
        "token=", "token ", "password is ", "the key ", "curl -u a:b ", "mysql -pabcdef ",
        "--token ", "'key', ", "<token>", "auth('a', ", "Cookie: a=b; ", "name: key value: ",
        "login ", "echo a | ", "a:1:", "config set ", "https://a/hooks/", "Bearer ", "key-", "[",
        "\\n", "password\t", "user=a key=b ", "key: ", "account\nkey = ", "set key to `",
        "auth -a ", "https://a/t/", "/services/T0000000/", "password=abcdef ", "wandb login --a b ",
        'password "', "password |", "| password ", '"password", ', 'key("', 'key{"',
        "mot de passe ",
        "connect(a, 'b', ", "'x') # ", "requirepass ", "<td>password</td>", "\\n/usr/", " /usr/lib",
        "user a\t", "# password\n", '"--password", default=', " \u00e9", "GET /a", "/users/{id}",
        "file://h/home/", "C:\\Windows ", "vault put a=b ", "set password ", "createUser a MD5 ",
        "<name>a</name>", "<a key='b'>", "<password><value>", "variable \"a\" {\n", "api_key:\n ",
        "[admins]\n",
        "[admins]\na = b\n", " key 0 abcdef\n", "1 SHA1 HEX:", "password?\n", "user/password: a ",
        "Unseal Key 3 ",
        "PIN for the ", "WIFI:a", "WIFI:S:a;", "ssid\n", "ssid psk ", "a\tTRUE\t/\t",
        "a_session=b; ", "a=b; ",
        "echo a > ", "printf '%s' 'a ", "PRAGMA key ", "api_key {", "api_key = [[", "--user=a:",
        "sh <(a) ", "| sh ",
        "-k a", "A('a", "A(", "a('b', 'c', ", "authorize a ", "set-credentials ", "\\/home",
        "//nas/", "//a.lan/b",
        "file://nas1/", "%3Btoken%3D", "name: password\n", "\u30ad\u30fc ", "password ascii-text ",
        "Passwort \u00ab ", "assword send ", "\n|a", "/home/<a>",
    ],
)  # fmt: skip
def test_long_text_takes_linear_time(unit: str) -> None:
    """Four times the text takes about four times as long: no pattern backtracks without bound."""

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        start = time.process_time()
        sanitize({"note": text, "token": text, "x_dir": text}, roots=[REPO])
        return time.process_time() - start

    # Quadratic would be sixteen times. Other work of the machine may disturb a try, not all.
    tries = (seconds(32_000) < 10 * max(seconds(8_000), 0.01) for _ in range(4))
    assert any(tries)
