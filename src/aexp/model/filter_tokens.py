"""The words of the filter language: text in, tokens with their places out.

Every pattern is possessive or without repetition inside repetition, so that the time is
proportional to the text's length whatever it holds.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal, NamedTuple, NoReturn, TypeAlias

from aexp.errors import UsageError
from aexp.model.canonical import Json

Kind: TypeAlias = Literal["name", "value", "word", "sign", "end"]

KEYWORDS: Final = frozenset(
    {
        *("and", "or", "not", "in", "like", "contains", "is", "exists"),
        *("null", "true", "false", "nan", "infinity"),
    }
)
"""Words with a meaning, in any case; a field that is called so is written in backquotes."""

VALUES: Final[dict[str, Json]] = {
    "null": None, "true": True, "false": False, "nan": math.nan, "infinity": math.inf,
}  # fmt: skip

LONGEST_NUMBER: Final = 400
"""Digits of the longest number; Python takes quadratic time for longer ones."""

_BLANK = re.compile(r"\s*+")
_SIGN = re.compile(r"<=|>=|==|!=|<>|[=<>(),\[\]:-]")
_NUMBER = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_INFINITY = re.compile(r"[+-]infinity(?![\w/@.-])", re.IGNORECASE)
_TEXT = re.compile(r"'((?:[^']|'')*+)'|\"((?:[^\"]|\"\")*+)\"")
_FIRST = re.compile(r"[^\W\d][\w/@-]*+")
_LATER = re.compile(r"\w[\w/@-]*+")
_QUOTED = re.compile(r"`((?:[^`]|``)*+)`")
_HINTS = {
    "&": "write: and",
    "|": "write: or",
    "!": "write: not … or a != b",
    "~": "there are no regular expressions; write: name like 'a*'",
    "%": "a pattern has * for any text: name like 'a*'",
    "`": "a name in backquotes ends with one: `odd name`",
    "'": "a text ends with the quote it began with; a quote in it is written twice",
    '"': "a text ends with the quote it began with; a quote in it is written twice",
    ";": "a filter is one condition; there are no statements",
}


class Token(NamedTuple):
    """One word.

    Attributes:
        kind: ``word`` for a keyword, ``sign`` for an operator or a bracket.
        text: as it was written; a keyword in lower case.
        at: its place in the source, from 0.
        value: of a number or a text.
        parts: of a name.
    """

    kind: Kind
    text: str
    at: int
    value: Json = None
    parts: tuple[str, ...] = ()


def tokenize(source: str) -> list[Token]:
    """Return the tokens of ``source``, the last one of kind ``end``.

    Raises:
        UsageError: something in it is no word of the language.
    """
    tokens: list[Token] = []
    at = _skip(source, 0)
    while at < len(source):
        token, at = _next(source, at)
        tokens.append(token)
        at = _skip(source, at)
    tokens.append(Token("end", "", len(source)))
    return tokens


def complain(source: str, at: int, message: str, hint: str | None = None) -> NoReturn:
    """Raise the error of a place in the text: one line, with a caret before the place.

    Raises:
        UsageError: always.
    """
    before, after = source[max(0, at - 30) : at], source[at : at + 30]
    left = "…" if at > 30 else ""
    right = "…" if at + 30 < len(source) else ""
    raise UsageError(f"{message}, at column {at + 1}: {left}{before}^{after}{right}", hint=hint)


def is_bare(part: str, *, first: bool) -> bool:
    """Return whether a part of a name is written without backquotes."""
    pattern = _FIRST if first else _LATER
    return pattern.fullmatch(part) is not None


def _skip(source: str, at: int) -> int:
    found = _BLANK.match(source, at)
    assert found is not None
    return found.end()


def _next(source: str, at: int) -> tuple[Token, int]:
    if found := _TEXT.match(source, at):
        quote = source[at]
        text = found[1] if quote == "'" else found[2]
        return Token("value", found[0], at, text.replace(quote * 2, quote)), found.end()
    if found := _NUMBER.match(source, at):
        return Token("value", found[0], at, _number(source, found)), found.end()
    if found := _INFINITY.match(source, at):
        value = -math.inf if found[0][0] == "-" else math.inf
        return Token("value", found[0], at, value), found.end()
    if source[at] == "`" or _FIRST.match(source, at):
        return _name(source, at)
    if found := _SIGN.match(source, at):
        text = {"==": "=", "<>": "!="}.get(found[0], found[0])
        return Token("sign", text, at), found.end()
    char = source[at]
    message = f"{char} is never closed" if char in "'\"" else f"{char!r} has no meaning here"
    complain(source, at, message, _HINTS.get(char))


def _number(source: str, found: re.Match[str]) -> int | float:
    text, end = found[0], found.end()
    if _FIRST.match(source, end) or source[end : end + 1] == ".":
        complain(source, found.start(), "this is no number", "put text in quotes: '77e4588d'")
    if len(text) > LONGEST_NUMBER:
        complain(source, found.start(), "this number is too long")
    if not any(char in text for char in ".eE"):
        return int(text)
    value = float(text)
    if math.isinf(value):
        complain(source, found.start(), "this number is too large", "write: Infinity")
    return value


def _name(source: str, at: int) -> tuple[Token, int]:
    parts: list[str] = []
    end = at
    while True:
        quoted = _QUOTED.match(source, end)
        found = quoted or (_LATER if parts else _FIRST).match(source, end)
        if found is None:
            what = "` is never closed" if source[end : end + 1] == "`" else "a name goes on here"
            complain(source, end, what, _HINTS["`"] if what[0] == "`" else None)
        parts.append(found[1].replace("``", "`") if quoted else found[0])
        end = found.end()
        if source[end : end + 1] != ".":
            break
        end += 1
    text = source[at:end]
    if text.lower() in KEYWORDS:
        return Token("word", text.lower(), at), end
    return Token("name", text, at, None, tuple(parts)), end
