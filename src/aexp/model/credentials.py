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
    "gitlab storage"
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
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]{0,40}|[A-Za-z0-9_. -]{0,15}")


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a key says.

    Attributes:
        secrecy: ORDINARY, CREDENTIAL or PASSWORD.
        holds_path: whether it names a place on a disk.
        plain: whether the key's own text is certainly neither a path nor a secret.
    """

    secrecy: int
    holds_path: bool
    plain: bool


@lru_cache(maxsize=4096)
def key_info(key: str) -> KeyInfo:
    """Return what ``key`` says about the value under it (remembered: keys repeat)."""
    words = [word.lower() for word in _WORD_BREAK.split(key[-200:]) if word]
    return KeyInfo(
        secrecy=_secrecy(words),
        holds_path=bool(words)
        and not _NO_PATH_KEY.intersection(words)
        and re.search(_PATH_KEY.pattern + r"\Z", words[-1]) is not None,
        plain=_PLAIN_KEY.fullmatch(key) is not None and not _TOKEN.search(key),
    )


def _secrecy(words: list[str]) -> int:
    if not words:
        return ORDINARY
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _PASSWORD_WORDS:
        return PASSWORD
    if last == "token" and before in _VOCABULARY:
        return ORDINARY
    if (
        last in _CREDENTIAL_WORDS
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
        return not (text.replace("_", "").replace("-", "").isalpha() and len(text) <= 14)
    return len(text) >= 12 and _OPAQUE.fullmatch(text) is not None and _is_random(text)


def _is_random(text: str) -> bool:
    """Return whether ``text`` is made of neither words nor numbers."""
    if _NUMBER.fullmatch(text) or len(set(text)) < 6 or text.startswith(("/", "~/", "./")):
        return False
    if all(_WORD.fullmatch(part) for part in _SEPARATORS.split(text) if part):
        return False
    pieces = _PIECES.findall(text)
    return len(text) >= 20 or (bool(pieces) and len("".join(pieces)) / len(pieces) < 4.5)


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
    r")"
)
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.S,
)
_AUTH_HEADER = re.compile(
    r"\b(bearer|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?basic)\s{1,3}([!-~]{12,})", re.I
)
_ASSIGNMENT = re.compile(
    r"(pass(?:word|wd|phrase|code)|pwd|secret(?:[_-]?key)?|(?:api|access|private|account|auth|wandb"
    r"|openai|anthropic|signing)[_-]?key|token|credential|[?&](?:sig|signature|x-amz-[a-z-]+))"
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

    def header(match: re.Match[str]) -> str:
        if not _is_random(match[2]):
            return match[0]
        hit("secret")
        return f"{match[1]} {REDACTED_SECRET}"

    def assigned(match: re.Match[str]) -> str:
        before = _KEY_BEFORE.search(text, max(0, match.start() - 40), match.start())
        name = (before[0] if before else "") + match[1]
        if match[2].isspace() and not name.startswith("--"):
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
    text = _AUTH_HEADER.sub(header, text) if " " in text else text
    return _ASSIGNMENT.sub(assigned, text) if _may_assign(text) else text


def _may_assign(text: str) -> bool:
    return "=" in text or ":" in text or "--" in text
