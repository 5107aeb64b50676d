"""The filter language of ``aexp ledger query``: text to a tree and back.

The language is described in ``docs/reference/query-language.md``. It has no side effects, no
calls and no access to anything but the fields of a run; :mod:`aexp.model.filter_eval` gives the
tree its meaning. Parsing takes time proportional to the text's length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from aexp.model.canonical import Json
from aexp.model.filter_tokens import KEYWORDS, VALUES, Token, complain, is_bare, tokenize

MAX_DEPTH: Final = 50
"""How deep parentheses, ``not`` and lists may be nested."""

COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Name:
    """A field: ``lr``, ``metrics.acc``, ``params.`odd name```."""

    parts: tuple[str, ...]
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """A number, a text, true, false, null, or a list of such."""

    value: Json


Operand: TypeAlias = Name | Value


@dataclass(frozen=True, slots=True)
class Compare:
    """``left op right`` with one of :data:`COMPARISONS`."""

    op: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class In:
    """``name in (1, 2)``, ``name not in (1, 2)``."""

    name: Name
    items: tuple[Json, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """``name like 'a*'``: ``*`` is any text, ``?`` one character."""

    name: Name
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """``name contains value``: a member of a list, or a part of a text."""

    name: Name
    item: Json
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Is:
    """``name is null``, ``name is not nan``."""

    name: Name
    what: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """``exists name``."""

    name: Name


@dataclass(frozen=True, slots=True)
class Not:
    """``not x``."""

    inner: Filter


@dataclass(frozen=True, slots=True)
class And:
    """``x and y and …``: at least two."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """``x or y or …``: at least two."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = Compare | In | Like | Contains | Is | Exists | Not | And | Or


def parse_filter(source: str) -> Filter:
    """Return the tree of a filter.

    Raises:
        UsageError: it does not follow the language; the message shows where.
    """
    parser = _Parser(source)
    node = parser.either()
    parser.expect_end()
    return node


class _Parser:
    """A recursive descent over the tokens; each method reads one thing and goes past it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokenize(source)
        self._index = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _take(self, *texts: str) -> Token | None:
        """Go past the next token when it is one of these words or signs."""
        token = self._token
        if token.kind not in ("word", "sign") or token.text not in texts:
            return None
        self._index += 1
        return token

    def _fail(self, wanted: str, hint: str | None = None) -> NoReturn:
        token = self._token
        found = f"not {token.text[:40]}" if token.text else "the filter ends"
        complain(self._source, token.at, f"{wanted} is expected, {found}", hint)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            hint = f"at most {MAX_DEPTH} levels; use in (…) for many values"
            complain(self._source, self._token.at, "the filter is nested too deeply", hint)

    def expect_end(self) -> None:
        """Check that nothing follows."""
        token = self._token
        if token.kind == "end":
            return
        hint = None
        if token.text in COMPARISONS:
            hint = "comparisons are not chained; write: 0 < lr and lr < 1"
        elif token.text == ")":
            hint = "there is no ( for it"
        self._fail("and, or, or the end", hint)

    def either(self) -> Filter:
        """Read ``x or y …``."""
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Filter:
        parts = [self._negation()]
        while self._take("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Filter:
        if not self._take("not"):
            return self._condition()
        self._deeper()
        inner = self._negation()
        self._depth -= 1
        return Not(inner)

    def _condition(self) -> Filter:
        if self._take("("):
            self._deeper()
            inner = self.either()
            if not self._take(")"):
                self._fail("and, or, or )")
            self._depth -= 1
            return inner
        if self._take("exists"):
            return Exists(self._name())
        return self._comparison()

    def _comparison(self) -> Filter:
        start = self._token
        left = self._operand("a condition")
        if sign := self._take(*COMPARISONS):
            right = self._operand(f"a value after {sign.text}")
            null = any(isinstance(side, Value) and side.value is None for side in (left, right))
            if null and sign.text not in ("=", "!="):
                complain(self._source, start.at, "null has no order", "write: name is null")
            return Compare(sign.text, left, right)
        if not isinstance(left, Name):
            hint = "write: tags contains 'x'" if self._token.text == "in" else None
            self._fail("a comparison such as =", hint)
        return self._test(left, negated=bool(self._take("not")))

    def _test(self, name: Name, *, negated: bool) -> Filter:
        if self._take("in"):
            return In(name, self._items("(", ")"), negated)
        if self._take("like"):
            token = self._token
            if not isinstance(token.value, str):
                self._fail("a pattern in quotes", "write: name like 'a*'")
            self._index += 1
            return Like(name, token.value, negated)
        if self._take("contains"):
            return Contains(name, self._value("a value"), negated)
        if negated or not self._take("is"):
            hint = "compare the field: code_dirty = true, status = 'complete'"
            self._fail("in, like or contains" if negated else "a comparison", hint)
        negated = bool(self._take("not"))
        word = self._take("null", "nan")
        if word is None:
            self._fail("null or nan", "compare with =: name = 'x'")
        return Is(name, word.text, negated)

    def _operand(self, wanted: str) -> Operand:
        return self._name() if self._token.kind == "name" else Value(self._value(wanted))

    def _name(self) -> Name:
        token = self._token
        if token.kind != "name":
            self._fail("the name of a field", "put odd names in backquotes: `in`")
        self._index += 1
        return Name(token.parts, token.at)

    def _value(self, wanted: str) -> Json:
        token = self._token
        if token.kind == "value":
            self._index += 1
            return token.value
        if word := self._take(*VALUES):
            return VALUES[word.text]
        if token.kind == "sign" and token.text == "[":
            return list(self._items("[", "]"))
        hint = f"put text in quotes: '{token.text[:40]}'" if token.kind == "name" else None
        if not token.text:
            hint = "write for example: lr < 0.01 and status = 'complete'"
        return self._fail(wanted, hint)

    def _items(self, opening: str, closing: str) -> tuple[Json, ...]:
        if not self._take(opening):
            self._fail(opening, "write: name in (1, 2)")
        self._deeper()
        items: list[Json] = []
        while not self._take(closing):
            if items and not self._take(","):
                self._fail(f", or {closing}")
            at = self._token.at
            items.append(self._value("a value"))
            if items[-1] != items[-1]:
                complain(self._source, at, "NaN equals nothing", "write: name is nan")
        self._depth -= 1
        return tuple(items)


# --- and back --------------------------------------------------------------------------------


def format_filter(node: Filter) -> str:
    """Return the text of a tree: :func:`parse_filter` of it is the tree again."""
    if isinstance(node, And | Or):
        word = " and " if isinstance(node, And) else " or "
        inner = (Or, And) if isinstance(node, And) else (Or,)
        same = type(node)
        return word.join(
            f"({format_filter(part)})" if isinstance(part, (*inner, same)) else format_filter(part)
            for part in node.parts
        )
    if isinstance(node, Not):
        text = format_filter(node.inner)
        return f"not ({text})" if isinstance(node.inner, And | Or) else f"not {text}"
    if isinstance(node, Compare):
        return f"{_operand(node.left)} {node.op} {_operand(node.right)}"
    if isinstance(node, Exists):
        return f"exists {format_name(node.name.parts)}"
    name, no = format_name(node.name.parts), "not " if node.negated else ""
    if isinstance(node, In):
        return f"{name} {no}in ({', '.join(map(format_value, node.items))})"
    if isinstance(node, Like):
        return f"{name} {no}like {format_value(node.pattern)}"
    if isinstance(node, Contains):
        return f"{name} {no}contains {format_value(node.item)}"
    return f"{name} is {no}{node.what}"


def _operand(operand: Operand) -> str:
    if isinstance(operand, Name):
        return format_name(operand.parts)
    return format_value(operand.value)


def format_name(parts: tuple[str, ...]) -> str:
    """Return a field's name as it is written: odd parts in backquotes."""
    keyword = len(parts) == 1 and parts[0].lower() in KEYWORDS
    return ".".join(
        part
        if not keyword and is_bare(part, first=index == 0)
        else "`" + part.replace("`", "``") + "`"
        for index, part in enumerate(parts)
    )


def format_value(value: Json) -> str:
    """Return a value as it is written."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(format_value, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def names_of(node: Filter) -> list[Name]:
    """Return every field that a filter names, in order."""
    if isinstance(node, And | Or):
        return [name for part in node.parts for name in names_of(part)]
    if isinstance(node, Not):
        return names_of(node.inner)
    if isinstance(node, Compare):
        return [side for side in (node.left, node.right) if isinstance(side, Name)]
    return [node.name]
