"""Secrets in the arguments of commands that say by one letter what follows (LED-02).

Options with telling names (``--password``) are read like any other name. Here is what a tool's
manual must be known for: ``mysql -p``, ``curl -u user:…``, ``zip -P``, ``wandb login …``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_values import (
    REDACTED_SECRET,
    holds_drawn,
    is_drawn,
    is_placeholder,
    is_random,
)

__all__ = ["argument_spans", "is_tool", "secret_arguments"]


class _Tool(Struct, frozen=True):
    """Where a tool takes secrets.

    Attributes:
        apart: options with a secret behind them, apart or attached.
        attached: options with a secret attached, and none behind a blank.
        logins: options with ``user:secret``.
        sign: what stands between user and secret.
        after: word of a subcommand -> which of the arguments after it are secrets; _ANYWHERE
            stands for the first few that chance made, _NEXT for the first if chance made it.
            A word with a dot at its end is the beginning of one (``http-basic.lab``).
        strict: an option's argument counts only when it cannot be a number or a word.
    """

    apart: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    sign: str = ":"
    after: tuple[tuple[str, tuple[int, ...]], ...] = ()
    strict: bool = False


_ANYWHERE, _NEXT = -1, -2
_CURL = _Tool(logins=("-u", "-U", "--user", "--proxy-user"), apart=("--oauth2-bearer", "--pass"))
_HTTPIE = _Tool(logins=("-a", "--auth"))
_MYSQL = _Tool(attached=("-p",))
_BY_P = _Tool(apart=("-p",))
_BY_CAPITAL = _Tool(apart=("-P",))
_SMB = _Tool(logins=("-U", "--user"), sign="%")
_LDAP = _Tool(apart=("-w", "-y"))
_LOGIN = _Tool(apart=("-p", "-t", "-k"), after=(("", (_ANYWHERE,)),))
_FIRST = _Tool(after=(("", (_NEXT,)),))
_ANY_AFTER = _Tool(after=(("", (0,)),), strict=True)
_ORACLE = _Tool(logins=("",), sign="/")
_BY_T = _Tool(apart=("-t", "--auth"), strict=True)

_BATCH = ("-b", "-bc", "-cb", "-bB", "-Bb", "-cbB", "-Bbc", "-bn", "-nb", "-nbB", "-Bbn", "-bnB")

_TOOLS: dict[str, _Tool] = {
    **dict.fromkeys(("curl", "curlie", "hurl", "ab", "aria2c"), _CURL),
    **dict.fromkeys(("http", "https", "xh", "xhs", "httpie"), _HTTPIE),
    **dict.fromkeys(("7z", "7za", "7zr", "7zz", "rar", "unrar"), _Tool(attached=("-p", "-hp"))),
    **dict.fromkeys(("cqlsh", "influx", "rdesktop", "psexec", "twine", "snowsql"), _BY_P),
    **dict.fromkeys(("sshpass", "ncftpput", "ncftpget", "ncftp", "useradd", "usermod"), _BY_P),
    **dict.fromkeys(("evil-winrm", "crackmapexec", "nxc", "mssql-cli", "arangosh"), _BY_P),
    **dict.fromkeys(("sqlcmd", "bcp", "zip", "unzip", "zipcloak"), _BY_CAPITAL),
    **dict.fromkeys(("mosquitto_pub", "mosquitto_sub"), _BY_CAPITAL),
    "ssh-keygen": _Tool(apart=("-N", "-P")),
    "redis-cli": _Tool(apart=("-a",)),
    "openssl": _Tool(apart=("-k", "-K", "-passin", "-passout", "-pass")),
    "ldappasswd": _Tool(apart=("-w", "-s", "-a")),
    **dict.fromkeys(("plink", "pscp", "psftp", "putty"), _Tool(apart=("-pw",))),
    **dict.fromkeys(("smbclient", "rpcclient", "smbget", "smbmap", "net"), _SMB),
    "lftp": _Tool(logins=("-u",), sign=","),
    **dict.fromkeys(("xfreerdp", "wfreerdp"), _Tool(attached=("/p:",))),
    **dict.fromkeys(("sqlplus", "sqlldr", "expdp", "impdp"), _ORACLE),
    **dict.fromkeys(("login", "logon", "signin", "sign-in"), _LOGIN),
    **dict.fromkeys(("auth", "configure", "authenticate"), _FIRST),
    **dict.fromkeys(("authtoken", "add-authtoken", "set-token", "add-token"), _ANY_AFTER),
    "vault": _Tool(after=(("login", (0,)),), strict=True),
    "poetry": _Tool(after=(("http-basic.", (1,)), ("pypi-token.", (0,)))),
    "composer": _Tool(after=(("http-basic.", (1,)), ("bearer.", (0,)), ("gitlab-token.", (0,)))),
    "rclone": _Tool(after=(("obscure", (0,)),)),
    "rabbitmqctl": _Tool(after=(("add_user", (1,)), ("change_password", (1,)))),
    "wpa_passphrase": _Tool(after=(("", (1,)),)),
    "htpasswd": _Tool(after=tuple((flag, (1 if "n" in flag else 2,)) for flag in _BATCH)),
    "mc": _Tool(after=(("set", (2, 3)), ("host", (3, 4)), ("user", (3,)))),
    "convertto-securestring": _Tool(apart=("-string",), after=(("", (0,)),)),
    "gh": _Tool(apart=("--body",), strict=True),
    **dict.fromkeys(("vercel", "netlify", "glab", "anaconda", "doctl", "surge", "expo"), _BY_T),
}  # fmt: skip
_FAMILIES = (
    (LatePattern(r"(?:mysql|mariadb)\w*(?:-\w+)?|mycli"), _MYSQL),
    (LatePattern(r"mongo(?:sh|dump|restore|import|export|files|stat|top)?"), _BY_P),
    (LatePattern(r"ldap(?:search|add|modify|whoami|delete|compare|modrdn)"), _LDAP),
)
_WITHOUT_OPTIONS = (
    "login", "logon", "sign", "token", "auth", "configure", "rclone", "rabbit", "wpa_", "mc ",
    "sql", "expdp", "impdp", "convertto", "/p:",
)  # fmt: skip
_STEMS_OF_FAMILIES = ("mysql", "mariadb", "mycli", "mongo", "ldap")
_NAMES = frozenset(_TOOLS)
_WORD = LatePattern(r"[a-z0-9][a-z0-9_-]+")
_STATEMENT = LatePattern(r"[\n;|]|&&")
_ARGUMENT = LatePattern(
    r"(?:--?[\w-]+=?[\"'](?=[^\s\"']))?[^\s\"'`,;|\[\]()]+(?:,[^\s\"'`,;|\[\]()]+)*"
)
_LONG_NAME = LatePattern(r"(?:ass|aram|ort|rint|roto)\w*")
"""What follows ``-p`` when it is the beginning of a name, as in ``-port``."""
_ORACLE_USER = LatePattern(r"[\w$#]{1,30}")
_WHERE_OR_WHO = (
    "tenant", "user", "username", "id", "project", "account", "subscription", "name", "host", "url",
    "entity", "org", "server", "registry", "profile", "region", "email", "path", "file", "u", "a",
)  # fmt: skip
"""How the names of options end whose argument is a name, though chance may have made it."""
_REACH = 60
"""Words behind a command that may be its arguments."""
_REST = LatePattern(r"[^\s\"'`;|]*")


def _tool(word: str) -> _Tool | None:
    name = word.rpartition("/")[2].rpartition("\\")[2].lower().removesuffix(".exe")
    if name in _NAMES:
        return _TOOLS[name] if "://" not in word else None
    if name.startswith(_STEMS_OF_FAMILIES):
        return next((tool for pattern, tool in _FAMILIES if pattern.fullmatch(name)), None)
    return None


def is_tool(word: str) -> bool:
    """Return whether ``word`` may be a command with a secret among the words after it."""
    return len(word) < 200 and _tool(word) is not None


def secret_arguments(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield which of the words of a command hold a secret, and where in the word it starts."""
    for at, word in enumerate(words):
        if len(word) < 200 and (tool := _tool(word)) is not None:
            window = words[at + 1 : at + 1 + _REACH]
            if word in window:  # it starts anew
                window = window[: window.index(word)]
            for found, offset in _of_tool(tool, window):
                yield at + 1 + found, offset


def _of_tool(tool: _Tool, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        if before in tool.apart and _counts(word, tool.strict):
            yield at, 0
        elif before in tool.logins and at:
            yield from _of_login(tool.sign, word, at, 0)
        elif tool is _ORACLE:
            if word.count("/") == 1:
                yield from _of_login("/", word, at, 0)
        elif word.startswith(("-", "/p:")):
            yield from _of_attached(tool, word, at)
    for name, places in tool.after:
        yield from _of_places(words, name, places, tool.strict)


def _of_attached(tool: _Tool, word: str, at: int) -> Iterator[tuple[int, int]]:
    for option in (*tool.attached, *tool.apart):
        rest = word[len(option) :].removeprefix("=").lstrip("\"'")
        may_be = len(option) == 2 or option in tool.attached or "=" in word
        if may_be and word.startswith(option) and _counts(rest, tool.strict) and _is_attached(rest):
            yield at, len(word) - len(rest)
            return
    for option in tool.logins:
        if option and word.startswith(option):
            rest = word[len(option) :].removeprefix("=").lstrip("\"'")
            yield from _of_login(tool.sign, rest, at, len(word) - len(rest))


def _is_attached(rest: str) -> bool:
    return not rest.startswith("-") and not _LONG_NAME.fullmatch(rest)


def _of_places(
    words: Sequence[str], name: str, places: tuple[int, ...], strict: bool
) -> Iterator[tuple[int, int]]:
    start = 0
    if name:
        found = (at for at, word in enumerate(words) if _is_named(word, name))
        start = next(found, len(words)) + 1
    for place in places:
        if place == _NEXT:
            first = next(_positional(words, start), None)
            if first is not None and holds_drawn(words[first]):
                yield first, 0
        elif place == _ANYWHERE:
            yield from ((at, 0) for at in _positional(words, start) if holds_drawn(words[at]))
        elif start + place < len(words) and _counts(words[start + place], strict):
            yield start + place, 0


def _is_named(word: str, name: str) -> bool:
    return word.startswith(name) if name.endswith(".") else word == name


def _positional(words: Sequence[str], start: int) -> Iterator[int]:
    """Yield the places of the first arguments that are no options, nor say where or who."""
    left = 6
    for at in range(start, len(words)):
        word, before = words[at], words[at - 1] if at else ""
        if word.startswith("-") or "://" in word:
            continue
        option = before.lower() if before.startswith("-") and "=" not in before else ""
        if option.endswith(_WHERE_OR_WHO):
            continue
        yield at
        left -= 1
        if not left:
            return


_MARKS = (REDACTED_SECRET, "<redacted:path>")


def _of_login(sign: str, word: str, at: int, offset: int) -> Iterator[tuple[int, int]]:
    # What was redacted before has the sign in it, and is a user as good as any.
    begin = max((word.rfind(mark) + len(mark) for mark in _MARKS if mark in word), default=0)
    user, found, secret = word[begin:].partition(sign)
    user = word[:begin] + user
    if sign == "/" and not _ORACLE_USER.fullmatch(user):
        return
    if is_drawn(user):
        yield at, offset
    elif found and user and len(secret) > 1 and not is_placeholder(secret) and secret[0] != "$":
        yield at, offset + len(user) + 1


def _counts(word: str, strict: bool) -> bool:
    if len(word) < 4 or word[0] in "-$<{%" or is_placeholder(word):
        return False
    if word.isdigit() and len(word) < 6:  # a port
        return False
    if REDACTED_SECRET in word or word.startswith(("/", "~/", "./", "@")):
        return False
    if not strict:
        return True
    return is_drawn(word) or (len(word) >= 12 and is_random(word))


def _has_tool(text: str) -> bool:
    lower = text.lower()
    if "-" not in text and not any(map(lower.__contains__, _WITHOUT_OPTIONS)):
        return False
    if any(map(lower.__contains__, _STEMS_OF_FAMILIES)):
        return True
    return not _NAMES.isdisjoint(_WORD.findall(lower))


def argument_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand among the arguments of the commands in ``text``."""
    if not _has_tool(text):
        return
    start = 0
    for end in [*(match.start() for match in _STATEMENT.finditer(text)), len(text)]:
        if end > start:
            yield from _in_statement(text, start, end)
        start = end + 1


def _in_statement(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    found = list(_ARGUMENT.finditer(text, start, end))
    for index, offset in secret_arguments([match[0] for match in found]):
        match = found[index]
        begin = match.start() + offset
        quote = text[begin - 1 : begin]
        if quote not in ("'", '"'):
            quote = text[match.start() - 1 : match.start()]
        if quote in ("'", '"') and (close := text.find(quote, begin)) >= 0:
            yield begin, close
        else:
            rest = _REST.match(text, match.end())
            yield begin, rest.end() if rest else match.end()
