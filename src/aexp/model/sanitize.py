"""Keep secrets and machine paths out of what is committed (LED-02, model.md 8, trap 17).

The ledger is pushed to places that everybody reads, so every value on its way there passes
:func:`sanitize`. It rewrites absolute paths below a known root to a form that is the same on
every machine, and replaces what it cannot make portable, or must not publish, by a placeholder.
The work is two questions to each string: does it *hold* a secret or a path by its shape, and
does the *key* it stands under say that it is one?
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from msgspec import Struct

from aexp.errors import UnsafeValueError
from aexp.model.canonical import Json
from aexp.model.credentials import (
    CHANCE,
    CREDENTIAL,
    HOLDS_PATH,
    IN_FILE,
    LIKELY,
    LISTED,
    MAY_HOLD_PATH,
    MINIMUM_SECRET,
    NO_PATH,
    ORDINARY,
    PASSWORD,
    REDACTED_SECRET,
    SIBLING,
    is_secret_value,
    is_tool,
    is_word,
    key_info,
    login_argument,
    redact_secrets,
    secret_arguments,
)
from aexp.model.machine_paths import REDACTED_PATH, Root, redact_paths, root_rewriter

__all__ = [
    "REDACTED_PATH",
    "REDACTED_SECRET",
    "Finding",
    "Root",
    "find_absolute_paths",
    "find_secrets",
    "sanitize",
]


class Finding(Struct, frozen=True):
    """Something that must not be published.

    Attributes:
        pointer: RFC 6901 pointer to the value; key names that are unsafe themselves stand in it
            in their redacted form.
        kind: ``secret`` or ``credential-url``.
    """

    pointer: str
    kind: str


def sanitize(
    value: Json, *, roots: Sequence[Root] = (), pointer: str = ""
) -> tuple[Json, list[str]]:
    """Return ``value`` without secrets and machine paths, and where something was redacted.

    Paths below a root are rewritten, which is no redaction and is not reported. Applying it to
    its own result changes nothing. ``value`` itself is left alone.

    Args:
        value: JSON data.
        roots: folders with a portable name; the longest matching prefix counts.
        pointer: where ``value`` stands in the document the pointers are for.

    Returns:
        The clean copy, and the RFC 6901 pointers of what was redacted, in document order.

    Raises:
        UnsafeValueError: the data is nested too deeply to be examined.
    """
    cleaner = _Cleaner(roots)
    clean = cleaner.run(value, pointer)
    return clean, list(dict.fromkeys(where for where, _ in cleaner.found))


def find_secrets(value: Json) -> list[Finding]:
    """Return the secrets and the URLs with credentials in ``value``, in document order.

    Raises:
        UnsafeValueError: the data is nested too deeply to be examined.
    """
    cleaner = _Cleaner(())
    cleaner.run(value, "")
    hits = dict.fromkeys(item for item in cleaner.found if item[1] != "path")
    return [Finding(pointer, kind) for pointer, kind in hits]


def certainly_without_secrets(data: bytes) -> bool:
    """Return True only when :func:`find_secrets` finds nothing in the JSON text ``data``.

    Several times faster than that, and allowed to say False of harmless data: each string is
    looked at once, as if it were a key and a value under an ordinary key.
    """
    return b"\\" not in data and all(map(_plain_string, filter(None, _STRING.findall(data))))


def certainly_publishable(data: bytes) -> bool:
    """Return True only when :func:`sanitize` leaves what the JSON text ``data`` says as it is.

    It may say False of harmless data, and so of everything with a slash in it.
    """
    return b"/" not in data and b"%2F" not in data and certainly_without_secrets(data)


@lru_cache(maxsize=4096)
def _plain_string(raw: bytes) -> bool:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if _ID_OR_TIME.fullmatch(text):
        return True
    if text[0] == "-" and text != "-Infinity":
        return False  # what stands beside it has to be looked at
    if text in _TELLING_ALONE or _bare(text) in _GROUPS or key_info(text).secrecy or is_tool(text):
        return False
    return not any(kind != "path" for kind in _examine(text, ORDINARY, MAY_HOLD_PATH, None)[1])


_STRING = re.compile(
    rb'"(?:sha256:)?(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})"'
    rb'|"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z"|"([^"]*)"'
)
"""A string; most digests and times are matched, but not captured: they need no look."""


def find_absolute_paths(value: Json, *, roots: Sequence[Root] = ()) -> list[str]:
    """Return pointers to the strings that hold an absolute path below none of ``roots``.

    Raises:
        UnsafeValueError: the data is nested too deeply to be examined.
    """
    cleaner = _Cleaner(roots)
    cleaner.run(value, "")
    return list(dict.fromkeys(where for where, kind in cleaner.found if kind == "path"))


_ID_OR_TIME = re.compile(
    r"(?:sha256:|legacy-)?[0-9a-f]{16,64}"  # ids, commits and digests
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)",
    re.ASCII,
)
_HARMLESS = re.compile(rf"[A-Za-z0-9_.+-]{{0,15}}|{_ID_OR_TIME.pattern}", re.ASCII)
"""What is neither a path nor a secret under an ordinary key: most values of an entry."""
_ROUNDS = 10  # far more than any text needs; each round leaves less to find


class _Cleaner:
    """One pass over one value; ``found`` collects (pointer, kind) of what was redacted."""

    def __init__(self, roots: Sequence[Root]) -> None:
        self._rewrite = root_rewriter(tuple(roots)) if roots else None
        self.found: list[tuple[str, str]] = []

    def run(self, value: Json, pointer: str) -> Json:
        try:
            return self._value(value, pointer, ORDINARY, MAY_HOLD_PATH)
        except RecursionError:
            raise UnsafeValueError("the data is nested too deeply to be examined") from None

    def _value(self, value: Json, pointer: str, secrecy: int, holds_path: int) -> Json:
        kind = type(value)
        if kind is str:
            return self._text(value, pointer, secrecy, holds_path)
        if secrecy in (LIKELY, LISTED):  # a password is no group of settings
            secrecy = ORDINARY
        if kind is dict:
            return self._mapping(value, pointer, secrecy)
        if kind is list or kind is tuple:
            return self._sequence(value, pointer, secrecy, holds_path)
        if isinstance(value, str):
            return self._text(str(value), pointer, secrecy, holds_path)
        return value

    def _sequence(
        self, value: Sequence[Json], pointer: str, secrecy: int, holds_path: int
    ) -> list[Json]:
        clean: list[Json] = []
        places = _places(value) if len(value) > 1 and isinstance(value[0], str) else {}
        for number, item in enumerate(value):
            kind = type(item)
            if kind is int or kind is float:
                clean.append(item)
                continue
            inner = secrecy
            if number:  # a command line: ["--token", "..."]
                inner = max(secrecy, _option(value[number - 1]), _option(clean[-1]))
            if number in places:
                item = f"{item[: places[number]]}{REDACTED_SECRET}"
                self.found.append((f"{pointer}/{number}", "secret"))
            clean.append(self._value(item, f"{pointer}/{number}", inner, holds_path))
        return clean

    def _mapping(self, value: dict[str, Json], pointer: str, secrecy: int) -> dict[str, Json]:
        clean: dict[str, Json] = {}
        renamed: list[str] = []
        beside = _beside(value)
        for key, item in value.items():
            info = key_info(key)
            if not info.plain and self._safe_key(key) != key:
                renamed.append(key)
                continue
            kind = type(item)
            if kind is int or kind is float or kind is bool or item is None:
                clean[key] = item
                continue
            inner = info.secrecy or secrecy
            if beside:
                inner = max(inner, beside.get(key, ORDINARY))
            if kind is str and not inner and not info.holds_path and _HARMLESS.fullmatch(item):
                clean[key] = item
                continue
            here = f"{pointer}/{_escape(key)}"
            if kind is dict and not inner and _bare(key) in _GROUPS:
                clean[key] = self._mapping(item, here, LISTED)
                continue
            clean[key] = self._value(item, here, inner, info.holds_path)
        for key in sorted(renamed):
            self._add_renamed(clean, key, value[key], pointer, secrecy)
        return clean

    def _add_renamed(
        self, clean: dict[str, Json], key: str, item: Json, pointer: str, secrecy: int
    ) -> None:
        """Add an item whose key itself is unsafe, under a name that is still free."""
        probe: list[tuple[str, str]] = []
        name = base = self._safe_key(key, probe)
        number = 2
        while name in clean:
            name, number = f"{base}#{number}", number + 1
        here = f"{pointer}/{_escape(name)}"
        self.found += [(here, kind) for _, kind in probe]
        before, after = key_info(key), key_info(name)
        inner = max(before.secrecy, after.secrecy) or secrecy
        clean[name] = self._value(item, here, inner, max(before.holds_path, after.holds_path))

    def _safe_key(self, key: str, found: list[tuple[str, str]] | None = None) -> str:
        before, self.found = self.found, [] if found is None else found
        try:
            return self._text(key, "", ORDINARY, MAY_HOLD_PATH)
        finally:
            self.found = before

    def _text(self, text: str, pointer: str, secrecy: int, holds_path: int) -> str:
        if not secrecy and not holds_path and _HARMLESS.fullmatch(text):
            return text
        clean, kinds = _examine(text, secrecy, holds_path, self._rewrite)
        if kinds:
            self.found += [(pointer, kind) for kind in kinds]
        return clean


@lru_cache(maxsize=2048)
def _examine(
    text: str, secrecy: int, holds_path: int, rewrite: Callable[[str], str] | None
) -> tuple[str, tuple[str, ...]]:
    """Return ``text`` without what must not be published, and what kinds of it there were.

    Remembered: the runs of one experiment have most of their values in common.
    """
    kinds: list[str] = []
    before = text
    for _ in range(_ROUNDS):
        after = _once(before, secrecy, holds_path, rewrite, kinds.append)
        if after == before:
            return before, tuple(kinds)
        before = after
    return REDACTED_SECRET, (*kinds, "secret")


def _once(
    text: str,
    secrecy: int,
    holds_path: int,
    rewrite: Callable[[str], str] | None,
    hit: Callable[[str], None],
) -> str:
    if secrecy and is_secret_value(text, secrecy):
        hit("secret")
        return REDACTED_SECRET
    if len(text) >= MINIMUM_SECRET:
        text = redact_secrets(text, hit)
    if "/" in text or "\\" in text or "%2F" in text:
        if rewrite is not None:
            text = rewrite(text)
        if holds_path != NO_PATH:
            text = redact_paths(
                text, holds_path == HOLDS_PATH, hit, known_only=holds_path == IN_FILE
            )
    return text


def _option(item: Json) -> int:
    """Return how secret the argument after ``item`` is, when ``item`` is an option's name."""
    if type(item) is str and item.startswith("-") and 2 < len(item) < 80 and "=" not in item:
        return key_info(item).secrecy
    return ORDINARY


def _places(words: Sequence[Json]) -> dict[int, int]:
    """Return where secrets start in the items of a list that is a command line or a pair."""
    texts = [word if isinstance(word, str) else "" for word in words]
    places: dict[int, int] = {}
    for at, word in enumerate(texts):
        if word[:1] == "-" and at + 1 < len(texts):
            offset = login_argument(word.lstrip("-"), texts[at + 1])
            if offset is not None:
                places[at + 1] = offset
    places.update(secret_arguments(texts))
    pair = len(texts) == 2 and not texts[0].startswith("-")  # the item of a header
    if pair and key_info(texts[0]).secrecy > CHANCE and is_secret_value(texts[1], CREDENTIAL):
        places[1] = 0
    return places


_KEY_TYPE = "kty"
_KEY_PARTS = ("d", "p", "q", "dp", "dq", "qi", "k")
_BARE_KEYS = frozenset(("key", "Key", "KEY"))
_TELLING_ALONE = frozenset((_KEY_TYPE, *_BARE_KEYS))
_VALUES = ("value", "default", "val", "content")
_NAMES = ("name", "key", "variable", "header", "parameter", "option", "field", "label")
_SHARED_KEYS = ("psk", "PSK", "Psk")
_GROUPS = frozenset(
    (
        *("users", "admins", "accounts", "logins", "passwords", "registeredusers", "basicauth"),
        *("basicauthusers", "httpusers", "authusers", "authorizedusers", "htpasswd"),
    )
)
"""Names of groups with a password under each user, without underscores."""
_TELLING = frozenset((*_VALUES, *_SHARED_KEYS, "pass", "pw", *_TELLING_ALONE))
_NOTHING: dict[str, int] = {}
_USERS = frozenset(("user", "username", "login", "email", "account", "uid", "usr", "name", "host"))
_LOGINS = frozenset(
    ("user", "username", "login", "email", "account", "accountname", "uid", "usr", "endpoint")
) | {"keyid", "secret"}
"""Beside which a bare ``key`` is a credential, without underscores."""


def _beside(value: dict[str, Json]) -> dict[str, int]:
    """Return which values are secret for what stands beside them: a name, a user, a key's type."""
    if _TELLING.isdisjoint(value):
        return _NOTHING
    secrecy: dict[str, int] = {}
    for told in _VALUES:
        for key in _NAMES if told in value else ():
            name = value.get(key)
            # What was redacted before is no name, though "secret" stands in it.
            if isinstance(name, str) and REDACTED_SECRET not in name and key_info(name).secrecy:
                secrecy[told] = key_info(name).secrecy
    for key in _SHARED_KEYS:
        if key in value and not {"ssid", "SSID", "essid"}.isdisjoint(value):
            secrecy[key] = PASSWORD
    if _KEY_TYPE in value:
        secrecy |= dict.fromkeys(_KEY_PARTS, CREDENTIAL)
    for key in ("pass", "pw"):
        if key in value and not _may_be_word(value[key]) and not _USERS.isdisjoint(value):
            secrecy[key] = PASSWORD
    for key in _BARE_KEYS.intersection(value):
        if not _LOGINS.isdisjoint(_bare(name) for name in value):
            secrecy[key] = SIBLING
    return secrecy


def _may_be_word(item: Json) -> bool:
    return isinstance(item, str) and is_word(item)


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key
