"""Secrets in the arguments of commands that say by one letter what follows (LED-02).

Options with telling names (``--password``) are read like any other name. Here is what a tool's
manual must be known for: ``mysql -p``, ``curl -u user:…``, ``zip -P``, ``wandb login …``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_tools import (
    ANYWHERE,
    FAMILIES,
    LIKELY_ONES,
    NEXT,
    OF_SHARE,
    ORACLE,
    STEMS_OF_FAMILIES,
    TOOLS,
    VALUES,
    Tool,
)
from aexp.model.secret_values import (
    REDACTED_SECRET,
    holds_drawn,
    is_drawn,
    is_mixed,
    is_password_like,
    is_placeholder,
    is_random,
)

__all__ = ["argument_spans", "is_tool", "secret_arguments"]


_WITHOUT_OPTIONS = (
    "login", "logon", "sign", "token", "auth", "configure", "rclone", "rabbit", "wpa_", "mc ",
    "sql", "expdp", "impdp", "convertto", "/p:", "net ", "iinit", "redis", "vault", "pass", "set",
    "db2", "chamber", "consul", "etcdctl", "radtest", "smbclient", "ansible", "travis", "nmcli",
    "authorize", "set-cred", "set_cred", "key", "unseal", "rman", "cloudflared", "kinit", "bw ",
    "pdftk", "iadmin", "cpw",
    "ank", "ktpass", "/pass", "/rp", "signtool", "doveadm",
)  # fmt: skip
_NAMES = frozenset(TOOLS)
_WORD = LatePattern(r"[a-z0-9][a-z0-9_-]+")
_STATEMENT = LatePattern(r"[\n;|]|&&")
_ARGUMENT = LatePattern(
    r"(?:(?:--?[\w-]+=?|/\w{1,12}:)[\"'](?=[^\s\"']))?[^\s\"'`,;|\[\]()]+(?:,[^\s\"'`,;|\[\]()]+)*"
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


def _tool(word: str) -> Tool | None:
    name = word.rpartition("/")[2].rpartition("\\")[2].lower()
    for ending in (".exe", ".sh", ".bat", ".cmd"):
        name = name.removesuffix(ending)
    if name in _NAMES:
        return TOOLS[name] if "://" not in word else None
    if name.startswith(STEMS_OF_FAMILIES):
        return next((tool for pattern, tool in FAMILIES if pattern.fullmatch(name)), None)
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


def _of_tool(tool: Tool, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        if before[:1] == "/":  # of Windows
            before = before.lower()
        if before in tool.apart and _counts(word, tool):
            yield at, 0
        elif before in tool.logins and at:
            yield from _of_login(tool.sign, word, at, 0)
        elif tool is ORACLE:
            if "/" in word.partition("@")[0]:
                yield from _of_login("/", word, at, 0)
        elif word.startswith(("-", "/p:")):
            yield from _of_attached(tool, word, at)
    for name, places in tool.after:
        yield from _of_places(words, name, places, tool)


def _of_attached(tool: Tool, word: str, at: int) -> Iterator[tuple[int, int]]:
    for option in (*tool.attached, *tool.apart):
        rest = word[len(option) :].removeprefix("=").lstrip("\"'")
        may_be = len(option) == 2 or option in tool.attached or "=" in word
        if may_be and word.startswith(option) and _counts(rest, tool) and _is_attached(rest):
            yield at, len(word) - len(rest)
            return
    for option in tool.logins:
        if option and word.startswith(option):
            rest = word[len(option) :].removeprefix("=").lstrip("\"'")
            yield from _of_login(tool.sign, rest, at, len(word) - len(rest))


def _is_attached(rest: str) -> bool:
    return not rest.startswith("-") and not _LONG_NAME.fullmatch(rest)


def _of_places(
    words: Sequence[str], name: str, places: tuple[int, ...], tool: Tool
) -> Iterator[tuple[int, int]]:
    start = 0
    if name:
        found = (at for at, word in enumerate(words) if _is_named(word, name))
        start = next(found, len(words)) + 1
    for place in places:
        if place == NEXT:
            first = next(_positional(words, start), None)
            if first is not None and holds_drawn(words[first]):
                yield first, 0
        elif place == ANYWHERE:
            yield from ((at, 0) for at in _positional(words, start) if holds_drawn(words[at]))
        elif place == LIKELY_ONES:
            yield from ((at, 0) for at in _positional(words, start) if _is_likely(words[at]))
        elif place == OF_SHARE:
            yield from _behind_share(words, start)
        elif place == VALUES:
            yield from _behind_signs(words, start)
        elif start + place < len(words) and _counts(words[start + place], tool):
            yield start + place, 0


def _is_likely(word: str) -> bool:
    """Return whether an argument that may be anything is a password rather than a name."""
    if (
        "=" in word[:-2]
        or word.startswith(("//", "\\\\", "#", "@"))
        or _NAME_OF_HOST.fullmatch(word)
    ):
        return False
    return is_password_like(word) and not _NAME_AND_NUMBER.fullmatch(word)


_NAME_OF_HOST = LatePattern(
    r"(?:[\w-]+/)?[\w-]+(?:\.[A-Za-z][\w-]*)+(?::\d+)?|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[\w-]+:\d+"
)
_NAME_AND_NUMBER = LatePattern(r"[a-z]+[-_]?\d{1,2}|[a-z]+(?:-[a-z0-9]+)+")


def _behind_share(words: Sequence[str], start: int) -> Iterator[tuple[int, int]]:
    r"""Yield the password of ``net use Z: \\server\share PASSWORD /user:NAME``."""
    share = False
    for at in range(start, min(start + 6, len(words))):
        word = words[at]
        if word.startswith(("\\\\", "//", "<redacted:path>")):
            share = True
        elif share and not word.startswith(("/", "-", "*")):
            if _counts(word, _ANY):
                yield at, 0
            return


_ANY = Tool()


def _behind_signs(words: Sequence[str], start: int) -> Iterator[tuple[int, int]]:
    """Yield what stands behind ``=`` where values that are kept secret are set."""
    for at in range(start, min(start + 12, len(words))):
        name, sign, value = words[at].partition("=")
        if sign and not name.startswith("-") and (is_drawn(value) or _is_likely(value)):
            yield at, len(name) + 1


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


def _counts(word: str, tool: Tool) -> bool:
    if len(word) < 4 or word[0] in "-$<{%" or is_placeholder(word):
        return False
    if word.isdigit() and len(word) < 6:  # a port
        return False
    if REDACTED_SECRET in word or word.startswith(("/", "~/", "./", "@")):
        return False
    if tool.likely:
        return is_drawn(word) or _is_likely(word) or is_mixed(word)
    if not tool.strict:
        return True
    return is_drawn(word) or (len(word) >= 12 and is_random(word))


def _has_tool(text: str) -> bool:
    lower = text.lower()
    if "-" not in text and not any(map(lower.__contains__, _WITHOUT_OPTIONS)):
        return False
    if any(map(lower.__contains__, STEMS_OF_FAMILIES)):
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
