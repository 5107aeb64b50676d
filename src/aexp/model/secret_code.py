"""Secrets in the source of programs: constants with types, builders, calls by place (LED-02).

``const API_KEY: &str = "…"``, ``std::string apiKey{"…"}``, ``.password("…")`` and
``DBI->connect($dsn, 'user', '…')`` name what follows, each language in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_names import key_info
from aexp.model.secret_values import (
    CHANCE,
    CREDENTIAL,
    ORDINARY,
    PASSWORD,
    REDACTED_SECRET,
    SECRET,
    SIBLING,
    is_drawn,
    is_password_like,
    is_placeholder,
    is_secret_value,
    is_word,
)

__all__ = ["in_code", "is_asking"]

_QUOTED = r"(?:u8|br?|[rRLuUbBf@$])?\#?\\?(?:\"\"(?=\")|''(?='))?([\"'`])"
"""The beginning of a text: with a prefix of Rust, C++, C#, Python."""
_VALUE = r"([^\"'`\n]{6,400})"
_TYPED = LatePattern(  # const API_KEY: &str = "…"; val apiKey: String = "…"; var token string = "…"
    r"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]{1,60})"
    r"(?:\[\w{0,12}\])?"
    r"(?:\s{0,3}::?\s{0,3}[&'\w<>\[\]:.?*, ]{1,50}?|\s{1,2}(?:As\s{1,2})?[A-Za-z][\w.*]{2,20}"
    r"|\s{0,2}\{\s?get;[^}\n]{0,20}\}|\s{0,2})"
    rf"\s{{0,8}}(?::=|=>|\?\?=|\|\|=|[?+.]?=|<{{1,2}}-)\s{{0,8}}(?:new"
    rf" \w{{1,20}}\()?{_QUOTED}{_VALUE}"
)
_CALLED = LatePattern(  # .password("…"), std::string apiKey{"…"}, set_token('…'), apiKey("…")
    r"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]{1,60})(?:\[\w{0,12}\])?!?\s?"
    rf"[({{]\s{{0,4}}(?:Some\(|new \w{{1,20}}\(|String::from\()?{_QUOTED}{_VALUE}\2"
    r"(?:\.\w{1,20}\(\))?\s{0,4}[),}]"
)
_DEFINED = LatePattern(  # (defvar my-password "…"), set api_key "…", @api_key "…", global key "…"
    r"(?:\((?:def\w{0,9}|set[qf]?|define)\s{1,3}|^\s{0,12}(?:set|global|local|@|const"
    r"|define)\s{0,3}"
    r"|-define\(\s?)(?:\[\w{1,20}\])?[$@:*+]{0,2}([A-Za-z_][\w:-]{1,60}?)[*+]?\s{0,2}[\s,]\s{0,2}"
    rf"(?:\^?\w{{1,20}}\s)?{_QUOTED}{_VALUE}",
    re.M,
)
_DEFAULT = LatePattern(  # add_argument("--password", default="…")
    r"[\"']-{0,2}([A-Za-z][\w-]{2,40})[\"'][^\n)]{0,200}?\b(?:default|value|initial"
    r"|fallback)\s?[=:]"
    rf"\s?{_QUOTED}{_VALUE}"
)
_ASKS = (
    "get", "fetch", "read", "load", "lookup", "find", "resolve", "check", "verify", "is", "has",
    "validate", "hash", "prompt", "ask", "input", "from", "require", "generate", "no", "test",
    "unset", "delete", "remove", "clear", "compare", "parse", "encode", "decode", "count",
)  # fmt: skip
"""How the names of functions begin whose argument is a name or a question and no secret."""


def is_asking(name: str) -> bool:
    """Return whether it is the name of a function that takes a name or a question."""
    lower = name.lower().lstrip("_")
    for verb in _ASKS:
        rest = name.lstrip("_")[len(verb) :]
        if lower.startswith(verb) and (not rest or rest[0] == "_" or rest[0].isupper()):
            return True
    return False


def _told(value: str, secrecy: int) -> bool:
    """Return whether a literal is a secret where a name of that secrecy may mean other things."""
    if is_placeholder(value) or REDACTED_SECRET in value:
        return False
    if secrecy == PASSWORD:
        return is_password_like(value) and " " not in value.strip()
    return _OPAQUE.fullmatch(value) is not None and is_secret_value(
        value, secrecy if secrecy in (CHANCE, SIBLING) else CREDENTIAL
    )


_OPAQUE = LatePattern(r"[\w+/=.~:@!$%&*\#-]+")


def _secrecy(name: str) -> int:
    if name.lower() in _BARE:
        return PASSWORD
    info = key_info(name)
    return PASSWORD if info.short_password and info.secrecy else info.secrecy


_BARE = frozenset(("pass", "pwd", "passwd", "pw"))


def _named(text: str) -> Iterator[re.Match[str]]:
    """Yield the constants with a secret's name; the word before it may be a type, or a name."""
    at = 0
    while (match := _TYPED.search(text, at)) is not None:
        told = _secrecy(match[1]) != ORDINARY
        if told:
            yield match
        at = match.end() if told else match.end(1)


def _constants(text: str) -> Iterator[tuple[int, int]]:
    for match in _named(text):
        secrecy, value = _secrecy(match[1]), match[3]
        if REDACTED_SECRET in value:
            continue
        sure = secrecy in (PASSWORD, SECRET) and is_secret_value(value, secrecy)
        if (sure and not is_word(value) and " " not in value) or _told(value, secrecy):
            yield match.span(3)
    for match in _CALLED.finditer(text):
        secrecy = ORDINARY if is_asking(match[1]) else _secrecy(match[1])
        if secrecy and _told(match[3], secrecy):
            yield match.span(3)
    for pattern in (_DEFINED, _DEFAULT):
        for match in pattern.finditer(text):
            secrecy = _secrecy(match[1])
            if secrecy and _told(match[3], secrecy):
                yield match.span(3)


# --- by place ------------------------------------------------------------------------------------

_CREDENTIAL_CALL = LatePattern(  # the password is the last but for a realm or host: NAME, SECRET
    r"(?:(?:Network|PS|UsernamePassword|Username|Basic|Client|Login|User|Service)?Credentials?"
    r"(?:s?Provider)?"
    r"|PasswordAuthentication|PlainAuth|PlainTextAuthProvider|(?:HTTP)?(?:Basic|Digest|Ntlm"
    r"|Proxy)_?Auth\w{0,15}"
    r"|AuthTokens\.basic|set_?(?:basic_?)?auth\w{0,12}|basic_?auth\w{0,15}|authenticate|auth"
    r"|log_?(?:in|on)"
    r"|(?:with|set|add)_?(?:Credentials?|Login|User(?:name)?(?:And)?Pass(?:word)?|password"
    r"|basic_?auth)"
    r"|username_pw_set|TableauAuth|BlitzGateway|Minio|S3FileSystem|BasicAWSCredentials"
    r"|AwsBasicCredentials\.create|StorageSharedKeyCredential|AzureNamedKeyCredential"
    r"|credentials|userinfo"
    r"|UserPassword)\s?\(",
    re.I,
)
_CONNECT_CALL = LatePattern(  # the password is the third, or the second: SOURCE, USER, PASSWORD
    r"(?:DBI->connect(?:_cached)?|connect_cached|getConnection|new (?:PDO|mysqli|Mysqli"
    r"|SoapClient|Redis)"
    r"|(?:mysqli?|oci|odbc|db2|ibase|sqlsrv|mssql|ftp|ssh2|ldap|imap)_\w{0,6}(?:connect|open"
    r"|login|bind|auth_password)"
    r"|(?:db|odbc)(?:Driver)?Connect\w{0,6}|(?:\.|->|::|\b)(?:connect|open|createConnection"
    r"|simple_bind(?:_s)?|bind(?:_s)?)"
    r"|(?<![.\w])database|FTP(?:_TLS)?|Connection|SMBConnection)\s?\(",
    re.I,
)
_USERPWD = LatePattern(r"(?:USERPWD|userpwd)\W{1,6}[\"'][^\"':\n]{1,60}:([^\"'\n]{4,200})[\"']")
_ARGUMENTS = LatePattern(r"(?:[^()\n]|\([^()\n]{0,200}\)){1,300}")
_LITERAL = LatePattern(
    r"\s*(?:/\*[^*]{0,60}\*/\s*)?(?:[A-Za-z:]{1,16}\()?(?:u8"
    r"|[rRLubf@$])?([\"'`])([^\"'`\n]{1,200})\1\)?"
    r"(?:\.\w{1,20}\(\))?\s*(?:/\*[^*]{0,60}\*/\s*)?"
)
_HOST_OR_FILE = LatePattern(
    r"[\w-]+(?:\.[A-Za-z][\w-]*)+(?::\d+)?/?|[\w.-]+:\d+|[A-Za-z]{1,12}[-_]?\d{1,3}"
    r"|[\w./-]*/[\w./-]*"
    r"|[a-z]+(?:[-_][a-z0-9]+)+|[a-z]{1,3}\d?=.*|[A-Za-z]+:.*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
)
"""What stands among the arguments of a connection and is no password: a host, a file, a DSN."""


def _by_place(text: str) -> Iterator[tuple[int, int]]:
    for pattern, first in ((_CREDENTIAL_CALL, 1), (_CONNECT_CALL, 1)):
        for match in pattern.finditer(text):
            literals = list(_literals(text, match.end()))
            for place, start, value in literals:
                if place < first or place > 4 or " " in value or REDACTED_SECRET in value:
                    continue
                if _HOST_OR_FILE.fullmatch(value):
                    continue
                if is_password_like(value) or is_drawn(value):
                    yield start, start + len(value)
                    break
    for match in _USERPWD.finditer(text):
        if is_password_like(match[1]):
            yield match.span(1)


def _literals(text: str, start: int) -> Iterator[tuple[int, int, str]]:
    """Yield the number, place and text of the literals among the arguments of a call."""
    found = _ARGUMENTS.match(text, start)
    if found is None:
        return
    at = start
    for number, argument in enumerate(found[0].split(",")[:6]):
        literal = _LITERAL.fullmatch(argument)
        if literal is not None:
            yield number, at + literal.start(2), literal[2]
        at += len(argument) + 1


def in_code(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand in the source of a program."""
    if '"' not in text and "'" not in text and "`" not in text:
        return
    yield from _constants(text)
    if "(" in text:
        yield from _by_place(text)
