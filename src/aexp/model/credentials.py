"""How secrets look: by the key they stand under, and by their own shape (LED-02).

Names and settings of machine learning are full of the word *token*; a key alone therefore never
condemns a value. Its value must look like a credential too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

REDACTED_SECRET = "<redacted:secret>"  # noqa: S105 - what stands in place of one

ORDINARY, CREDENTIAL, PASSWORD = 0, 1, 2
"""How secret the value under a key is, judged by the key."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CREDENTIAL_WORDS = _words(
    "secret secrets apikey apikeys token credential credentials creds auth authorization bearer "
    "jwt cookie accesskey secretkey privatekey authtoken accesstoken apitoken refreshtoken "
    "clientsecret connectionstring pat"
)
_PASSWORD_WORDS = _words("password passwords passwd pwd passphrase passcode")
_KEY_OWNERS = _words(
    "api access secret private ssh auth account signing encryption master service wandb openai "
    "anthropic hf huggingface aws azure gcp google comet neptune mlflow stripe slack github "
    "gitlab storage kaggle cohere mistral together deepseek groq replicate databricks snowflake "
    "datadog clearml langchain langsmith pinecone qdrant twilio sendgrid"
)
_TOKEN_OWNERS = _words("api access auth refresh bearer session id personal")
_VOCABULARY = _words(
    "pad eos bos sos eot eod unk cls sep mask start end stop special next per image audio video "
    "class dist begin prompt first last separator boundary newline blank"
)
"""What stands before ``token`` when it is a token of a vocabulary and not a credential."""

_WORD_BREAK = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_PATH_KEY = re.compile(r"(?:path|dir|directory|folder|file|cwd|root|home)s?", re.ASCII)
_NO_PATH_KEY = _words("url uri api http json xpath hdf5 h5 topic route pointer")
_ROUTE_KEY = _words("topic topics route routes endpoint endpoints xpath")
_IN_FILE_KEY = _words("hdf5 h5 zarr netcdf")
NO_PATH, IN_FILE, MAY_HOLD_PATH, HOLDS_PATH = -2, -1, 0, 1
"""Whether the value under a key is a place on a disk, judged by the key.

Places inside a file of data look like those on a disk, and the file itself may stand there too.
"""
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]{0,40}|[A-Za-z0-9_. -]{0,15}")


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a key says.

    Attributes:
        secrecy: ORDINARY, CREDENTIAL or PASSWORD.
        holds_path: NO_PATH, IN_FILE, MAY_HOLD_PATH or HOLDS_PATH.
        plain: whether the key's own text is certainly neither a path nor a secret.
    """

    secrecy: int
    holds_path: int
    plain: bool


@lru_cache(maxsize=4096)
def key_info(key: str) -> KeyInfo:
    """Return what ``key`` says about the value under it (remembered: keys repeat)."""
    words = [word.lower() for word in _WORD_BREAK.split(key[-200:]) if word]
    return KeyInfo(
        secrecy=_secrecy(words),
        holds_path=_holds_path(words),
        plain=_PLAIN_KEY.fullmatch(key) is not None
        and not _TOKEN.search(key)
        and not any(_is_mixed(found[1]) for found in _VENDOR.finditer(key)),
    )


def _holds_path(words: list[str]) -> int:
    if not words:
        return MAY_HOLD_PATH
    if words[-1] in _ROUTE_KEY:
        return NO_PATH
    if _IN_FILE_KEY.intersection(words):
        return IN_FILE
    named = re.search(_PATH_KEY.pattern + r"\Z", words[-1]) is not None
    return HOLDS_PATH if named and not _NO_PATH_KEY.intersection(words) else MAY_HOLD_PATH


def _secrecy(words: list[str]) -> int:
    if not words:
        return ORDINARY
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _PASSWORD_WORDS or last.endswith(("password", "passwd")):  # PGPASSWORD
        return PASSWORD
    if last == "token" and before in _VOCABULARY:
        return ORDINARY
    if (
        last in _CREDENTIAL_WORDS
        or last.endswith("secret")  # WLSSECRET
        or (last in ("key", "keys") and before in _KEY_OWNERS)
        or (last == "tokens" and before in _TOKEN_OWNERS)
    ):
        return CREDENTIAL
    return ORDINARY


# --- what a value under such a key must look like to count ---------------------------------------

_OPAQUE = re.compile(r"[!-;=?-~]+")  # printable, no space, no angle brackets
_PLACEHOLDER = re.compile(r"\$\{?\w+\}?|\{\{.*\}\}|<.*>|\[.*\]|[*x.?-]+|%\w+%", re.I | re.S)
_NUMBER = re.compile(r"[-+]?[\d_.,:]*(?:e[-+]?\d+)?%?", re.I)
_SEPARATORS = re.compile(r"[-_./:=@ +,~\\]+")
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_WORD = re.compile(r"(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,14})(?:\d{0,3})|v?\d{1,4}", re.ASCII)
_URL_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://")


def is_secret_value(text: str, secrecy: int) -> bool:
    """Return whether ``text`` under a key of that secrecy is a secret and not a setting."""
    if _PLACEHOLDER.fullmatch(text) or _URL_START.match(text):
        return False
    if secrecy == PASSWORD:
        if len(text) < 6 or REDACTED_SECRET in text or text.startswith(("/", "~/")):
            return False
        letters = text.replace("_", "").replace("-", "")
        word = letters.isalpha() and (letters.islower() or letters.isupper() or letters.istitle())
        return not (word and len(text) <= 14)
    return len(text) >= 12 and _OPAQUE.fullmatch(text) is not None and _is_random(text)


def _is_random(text: str) -> bool:
    """Return whether ``text`` is made of neither words nor numbers."""
    if _NUMBER.fullmatch(text) or len(set(text)) < 6 or text.startswith(("~/", "./")):
        return False
    if text.startswith("/"):  # a path, or base64 that happens to begin so
        return text.endswith("=") or _is_mixed(text)
    if all(_WORD.fullmatch(part) for part in _SEPARATORS.split(text) if part):
        return False
    pieces = _PIECES.findall(text)
    return len(text) >= 20 or (bool(pieces) and len("".join(pieces)) / len(pieces) < 4.5)


_RUN = re.compile(r"[A-Za-z0-9]{20,}")
_RUN_OF_LONG = re.compile(r"[A-Za-z0-9]{12,}")
_KINDS = re.compile(r"[a-z]+|[A-Z]+|\d+")


def _is_mixed(text: str) -> bool:
    """Return whether a run in ``text`` changes between cases and digits as only chance does.

    Among letters and digits drawn at random two neighbours in three are of different kinds;
    in names that people make (``Qwen2ForSequenceClassification``) hardly one in four.
    """
    for run in (_RUN if len(text) < 30 else _RUN_OF_LONG).findall(text):
        changes = len(_KINDS.findall(run)) - 1
        if changes >= 0.4 * (len(run) - 1) and not (run.islower() or run.isupper()):
            return True
    return False


# --- secrets that show by their own shape --------------------------------------------------------

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}"
    r"|gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[A-Za-z0-9_.-]{20,}|gloas-[a-f0-9]{40,}"
    r"|xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"
    r"|sk-(?:ant|proj|svcacct|admin|or-v1|lf)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{32,}"
    r"|hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}"
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{40,}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|do[opr]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}"
    r"|dckr_pat_[A-Za-z0-9_-]{20,}|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}"
    r"|xai-[A-Za-z0-9]{60,}|pplx-[A-Za-z0-9]{40,}|nvapi-[A-Za-z0-9_-]{50,}|hvs\.[A-Za-z0-9_-]{24,}"
    r"|wandb_v1_[A-Za-z0-9_]{20,}|lin_api_[A-Za-z0-9]{32,}|shpat_[a-fA-F0-9]{32}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{50,}|\d{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|lsv2_[a-z]{2}_[a-f0-9]{32}_[a-f0-9]{10}|(?<![._-])key-[a-f0-9]{32}(?![a-f0-9])"
    r"|sbp_[a-f0-9]{40}|(?:ntn_|secret_)[A-Za-z0-9]{43,50}|figd_[A-Za-z0-9_-]{36,}"
    r"|NRAK-[A-Z0-9]{27}|rpa_[A-Z0-9]{30,}[A-Za-z0-9]*|EAAA[A-Za-z0-9_-]{56,}"
    r"|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|ATATT3[A-Za-z0-9_=-]{100,}"
    r"|hvb\.[A-Za-z0-9_-]{100,}"
    r"|pn[ub]_[A-Za-z0-9]{36}|pscale_[a-z]+_[A-Za-z0-9_-]{32,}|fw_[A-Za-z0-9]{24}"
    r"|[sp]k_[a-f0-9]{40,}|sntry[su]_[A-Za-z0-9_+/=-]{40,}|glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}"
    r"|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"
    r"|sk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|1//0[A-Za-z0-9_-]{40,}"
    r")"
)
_MARK_WITHIN = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}|[a-f0-9]{32}-us\d{1,2}"
    r"|[A-Za-z0-9~._-]{3}\dQ~[A-Za-z0-9~._-]{31,34})"
)
"""Tokens without a mark at their beginning, by which a search could be quick."""
_THREE_PARTS = re.compile(
    r"(?<![A-Za-z0-9])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.([A-Za-z0-9_-]{27,})"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{20}")
_VENDOR = re.compile(
    r"(?<![A-Za-z0-9/+=._-])(?!(?:sha|md5|blake|crc)[0-9a-z]*[-_])"
    r"[A-Za-z][A-Za-z0-9]{1,11}(?:[_.-][A-Za-z0-9]{1,8}){0,2}[_.-]([A-Za-z0-9_-]{20,})"
)
"""A short name and a run of characters: the form that nearly all tokens of services have."""
_WEBHOOK = re.compile(
    r"(https?://[^\s/\"'<>]*(?<![A-Za-z])(?:web)?hooks?[^\s\"'<>]*/|https?://[^\s\"'<>]*/webhooks?[a-z0-9]*/"
    r"[^\s\"'<>]*?)([A-Za-z0-9_-]{20,})",
    re.I,
)
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.S,
)
_AUTH_HEADER = re.compile(
    r"\b(bearer|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic|token|apikey))"
    r"\s{1,3}([!-~]{12,})",
    re.I,
)
_ASSIGNMENT = re.compile(
    r"(pass(?:word|wd|phrase|code)|pwd|secret(?:[_-]?key)?|(?:api|access|private|account|auth|wandb"
    r"|openai|anthropic|signing)[_-]?key|token|credential|_pat|[?&](?:sig|signature|x-amz-[a-z-]+))"
    r"([\"']?\s{0,3}[=:]\s{0,3}[\"']?|\s{1,3})([^\s\"'&,;<>(){}\[\]]{6,})",
    re.I,
)
_KEY_BEFORE = re.compile(r"[A-Za-z0-9_-]*\Z")
_USERINFO = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,20}://)([^\s/?#\"'<>]*)@(?!sha\d)", re.A
)
_LOGIN_ONLY_SCHEMES = ("ssh://", "git+ssh://", "sftp://", "rsync://", "svn+ssh://")
MINIMUM_SECRET = 12
"""Characters; no token, assignment or URL with credentials is shorter."""


def redact_secrets(text: str, hit: Callable[[str], None]) -> str:
    """Return ``text`` without the secrets that show by their own shape.

    Args:
        text: any string.
        hit: called with ``secret`` or ``credential-url`` for each one.
    """

    def secret(match: re.Match[str]) -> str:
        hit("secret")
        return REDACTED_SECRET

    def vendor(match: re.Match[str]) -> str:
        if not _is_mixed(match[1]):
            return match[0]
        hit("secret")
        return REDACTED_SECRET

    def webhook(match: re.Match[str]) -> str:
        hit("secret")
        return f"{match[1]}{REDACTED_SECRET}"

    def header(match: re.Match[str]) -> str:
        if not _is_random(match[2]):
            return match[0]
        hit("secret")
        return f"{match[1]} {REDACTED_SECRET}"

    def assigned(match: re.Match[str]) -> str:
        before = _KEY_BEFORE.search(text, max(0, match.start() - 40), match.start())
        name = (before[0] if before else "") + match[1]
        if match[2].isspace() and not name.startswith("--") and not _of_netrc(name, match[3]):
            return match[0]
        secrecy = CREDENTIAL if match[1][0] in "?&" else key_info(name).secrecy
        if not secrecy or not is_secret_value(match[3], secrecy):
            return match[0]
        hit("secret")
        return f"{match[1]}{match[2]}{REDACTED_SECRET}"

    def userinfo(match: re.Match[str]) -> str:
        scheme, user = match[1], match[2]
        web = scheme.lower().startswith(("http", "ws", "ftp"))
        login = scheme.lower() in _LOGIN_ONLY_SCHEMES
        if ":" not in user and (login or not (web or _is_random(user))):
            return match[0]
        hit("credential-url")
        return scheme

    text = _PEM.sub(secret, text) if "-----BEGIN" in text else text
    text = _USERINFO.sub(userinfo, text) if "@" in text and "://" in text else text
    text = _TOKEN.sub(secret, text)
    if _LONG_WORD.search(text):
        text = _VENDOR.sub(vendor, text)
        text = _THREE_PARTS.sub(vendor, text)
        text = _MARK_WITHIN.sub(secret, text)
    text = _WEBHOOK.sub(webhook, text) if "hook" in text and "://" in text else text
    text = _AUTH_HEADER.sub(header, text) if " " in text else text
    return _ASSIGNMENT.sub(assigned, text) if _may_assign(text) else text


def _of_netrc(name: str, text: str) -> bool:
    """Return whether ``password 9f86d081…`` is a login's line, and no sentence."""
    return key_info(name).secrecy == PASSWORD and is_secret_value(text, CREDENTIAL)


def _may_assign(text: str) -> bool:
    return "=" in text or ":" in text or "--" in text or "pass" in text
