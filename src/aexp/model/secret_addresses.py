"""Users and passwords in addresses: URLs, connection strings, lines of logins (LED-02)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_names import words_of
from aexp.model.secret_values import (
    REDACTED_SECRET,
    is_mixed,
    is_password_like,
    is_placeholder,
    is_random,
)

__all__ = ["login_lines", "redact_logins"]

_USERINFO = LatePattern(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,20}://)"
    r"([^\s/?#\"'<>]*|(?![^\s/@]*:\d{1,5}/)[^\s/?#\"'<>:@\[]{0,80}:[^\s\"'<>@]{1,200})@(?!sha\d)",
    re.A,
)
_LOGIN_ONLY_SCHEMES = ("ssh://", "git+ssh://", "sftp://", "rsync://", "svn+ssh://")
_BARE_LOGIN = LatePattern(
    r"(?<![\w/:.@+-])(?!(?:mailto|xmpp|sips?|acct|git|urn|cid|mid|e?mail|to|from|b?cc|author"
    r"|contact|user"
    r"|maintainer|owner|docker|by):)[A-Za-z0-9_.+-]{1,40}:([^\s@/:\"'<>]{6,80})@"
    r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+:\d{2,5})",
    re.I,
)
_GO_LOGIN = LatePattern(r"(?<![\w/:.@-])[\w.-]{1,40}:([^\s@/:\"']{3,80})@(?:tcp|udp|unix)\(")
_ORACLE = LatePattern(r"jdbc:oracle:\w+:[\w.$#-]+/([^\s@/\"']+)@", re.I)
_PGPASS = LatePattern(r"(?m)(?:^|(?<=\\n))[\w.*-]+:(?:\d{4,5}|\*):[\w.*-]+:[\w.*-]+:([^\s:]{4,})$")
_EXAMPLE_PASSWORDS = words_of("password passwd pass pwd pw secret token key apikey api_key")
_EXAMPLE_USERS = words_of("user username usr login name you your_user your-user")


def redact_logins(text: str, hit: Callable[[str], None]) -> str:
    """Return ``text`` without the user and password of its URLs and addresses."""

    def userinfo(match: re.Match[str]) -> str:
        scheme, user = match[1], match[2]
        web = scheme.lower().startswith(("http", "ws", "ftp"))
        login = scheme.lower() in _LOGIN_ONLY_SCHEMES
        if ":" not in user and (login or not (web or is_random(user))):
            return match[0]
        if _is_example(user):
            return match[0]
        hit("credential-url")
        return scheme

    def password(match: re.Match[str]) -> str:
        if not is_password_like(match[1]) and not is_mixed(match[1]):
            return match[0]
        hit("secret")
        start, end = match.start(1) - match.start(), match.end(1) - match.start()
        return f"{match[0][:start]}{REDACTED_SECRET}{match[0][end:]}"

    if "@" not in text:
        return text
    if "://" in text:
        text = _USERINFO.sub(userinfo, text)
    if ":" in text:
        text = _BARE_LOGIN.sub(password, text)
        text = _GO_LOGIN.sub(password, text)
        text = _ORACLE.sub(password, text)
    return text


def login_lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield the passwords in lines of PostgreSQL's ``.pgpass``."""
    for match in _PGPASS.finditer(text):
        if is_password_like(match[1]) or is_mixed(match[1]):
            yield match.span(1)


def _is_example(user: str) -> bool:
    """Return whether it is a login of a manual: ``USER:PASSWORD``, ``x:${TOKEN}``."""
    name, colon, word = user.partition(":")
    if not colon:
        return is_placeholder(name) and name.startswith(("$", "{", "%"))
    if word and (is_placeholder(word) and word[0] in "$<{[%*x.") and not word.isalnum():
        return True
    if word.lower() not in _EXAMPLE_PASSWORDS:
        return False
    return word.isupper() or name.lower() in _EXAMPLE_USERS
