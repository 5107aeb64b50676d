"""What a filter means: its tree made into one Python function, never into code.

Two values of different types are different, and have no order; a missing value makes every
comparison false; ``not`` is plain negation. So a filter never fails on a run, whatever it holds.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from aexp.errors import UsageError
from aexp.model.canonical import Json
from aexp.model.citation import MISSING, same_value, value_key
from aexp.model.filter import (
    And,
    Compare,
    Contains,
    Exists,
    Filter,
    In,
    Is,
    Like,
    Name,
    Not,
    Operand,
    Or,
)
from aexp.model.ordering import is_last
from aexp.model.times import parse_time

Test: TypeAlias = Callable[[Any], bool]
"""Tells of one row whether it is meant."""


class Field(NamedTuple):
    """How to get a named field of a row.

    Attributes:
        get: returns its value, or ``MISSING``.
        kind: a ``time`` is text that is compared as a moment; the value of a ``set`` is a list,
            and a comparison is about its members.
    """

    get: Callable[[Any], Any]
    kind: Literal["plain", "time", "set"] = "plain"


Resolve: TypeAlias = Callable[[Name], Field]


def compile_filter(node: Filter, resolve: Resolve) -> Test:
    """Return the function that tells which rows a filter means.

    Args:
        node: the filter's tree.
        resolve: gives the field of a name.

    Raises:
        UsageError: a time is compared with what is no time.
    """
    if isinstance(node, And):
        return _all([compile_filter(part, resolve) for part in node.parts])
    if isinstance(node, Or):
        return _any([compile_filter(part, resolve) for part in node.parts])
    if isinstance(node, Not):
        inner = compile_filter(node.inner, resolve)
        return lambda row: not inner(row)
    if isinstance(node, Compare):
        return _comparison(node, resolve)
    if isinstance(node, Exists):
        return _present(resolve(node.name))
    if isinstance(node, Is):
        return _is(node, resolve(node.name))
    field = resolve(node.name)
    holds = _holds(node, field)
    get, negated = field.get, node.negated
    if field.kind == "set":
        if _means_null(node):
            return lambda row: (not (found := get(row)) or holds(found)) is not negated
        return lambda row: holds(get(row)) is not negated

    def test(row: Any) -> bool:
        value = get(row)
        if value is MISSING or value is None:
            return _means_null(node) and not negated
        return holds(value) is not negated

    return test


def _all(parts: list[Test]) -> Test:
    def test(row: Any) -> bool:
        for part in parts:  # noqa: SIM110  (a generator for each row takes twice the time)
            if not part(row):
                return False
        return True

    return test


def _any(parts: list[Test]) -> Test:
    def test(row: Any) -> bool:
        for part in parts:  # noqa: SIM110
            if part(row):
                return True
        return False

    return test


def _present(field: Field) -> Test:
    get = field.get
    if field.kind == "set":
        return lambda row: bool(get(row))
    return lambda row: get(row) is not MISSING


def _is(node: Is, field: Field) -> Test:
    get, wanted = field.get, not node.negated
    if field.kind == "set":
        return lambda row: (node.what == "null" and not get(row)) is wanted
    if node.what == "null":
        return lambda row: ((value := get(row)) is None or value is MISSING) is wanted
    if node.negated:
        return lambda row: is_last(get(row)) == 0
    return lambda row: is_last(get(row)) == 1


def _means_null(node: In | Like | Contains) -> bool:
    return isinstance(node, In) and any(item is None for item in node.items)


# --- comparisons -----------------------------------------------------------------------------


def _comparison(node: Compare, resolve: Resolve) -> Test:
    sides = [_side(side, resolve) for side in (node.left, node.right)]
    for value, other in ((node.left, node.right), (node.right, node.left)):
        if not isinstance(value, Name) and value.value is None:
            negated = node.op == "!="
            if isinstance(other, Name):
                return _is(Is(other, "null", negated), resolve(other))
            return _constant((other.value is None) is not negated)
    kinds = {side.kind for side in sides}
    if "set" in kinds:
        return _member_test(node.op, *sides)
    tests = _TESTS
    if "time" in kinds:
        sides = [
            _moments(side, operand)
            for side, operand in zip(sides, (node.left, node.right), strict=True)
        ]
        tests = _MOMENT_TESTS
    test, (left, right) = tests[node.op], (side.get for side in sides)

    def compare(row: Any) -> bool:
        first, second = left(row), right(row)
        if first is MISSING or second is MISSING or first is None or second is None:
            return False
        return test(first, second)

    return compare


def _side(operand: Operand, resolve: Resolve) -> Field:
    if isinstance(operand, Name):
        return resolve(operand)
    value = operand.value
    return Field(lambda row: value)


def _constant(answer: bool) -> Test:
    return lambda row: answer


def _member_test(op: str, left: Field, right: Field) -> Test:
    """Compare the members of a set: ``=`` means any of them, ``!=`` none."""
    if op not in ("=", "!="):
        return _constant(False)
    wanted = op == "="

    def test(row: Any) -> bool:
        first, second = _members(left, row), _members(right, row)
        return any(_same(a, b) for a in first for b in second) is wanted

    return test


def _members(field: Field, row: Any) -> Iterable[Json]:
    value = field.get(row)
    return value if field.kind == "set" else (value,)


def _moments(side: Field, operand: Operand) -> Field:
    """Return a side that gives moments: of a text that is written there, once and for all."""
    if not isinstance(operand, Name):
        moment = _moment(operand.value)
        return Field(lambda row: moment)
    get = side.get
    return Field(lambda row: parse_time(get(row)))


def _moment(value: Json) -> Any:
    moment = parse_time(value)
    if moment is None:
        raise UsageError(
            f"{value!r} is no time",
            hint="write a time such as '2026-11-21' or '2026-11-21T14:30' (UTC)",
        )
    return moment


def _same(first: Json, second: Json) -> bool:
    try:
        return same_value(first, second)
    except RecursionError:  # values nested so deeply are never typed, and so never meant
        return False


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(first: Any, second: Any) -> bool:
        if isinstance(first, str):
            return isinstance(second, str) and compare(first, second)
        return _is_number(first) and _is_number(second) and compare(first, second)

    return test


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": _same,
    "!=": lambda first, second: not _same(first, second),
    **{op: _ordered(compare) for op, compare in _ORDERS.items()},
}
_MOMENT_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    **_ORDERS,
}


# --- in, like, contains ----------------------------------------------------------------------


def _holds(node: In | Like | Contains, field: Field) -> Callable[[Any], bool]:
    """Return what tells of a value that is there whether it is in, like or contains."""
    if isinstance(node, In):
        test = _membership(node.items, field)
    elif isinstance(node, Like):
        test = pattern_test(node.pattern)
    else:
        item = node.item
        if field.kind == "set":
            return lambda value: any(_same(member, item) for member in value)
        return lambda value: _contains(value, item)
    if field.kind == "set":
        return lambda value: any(map(test, value))
    return test


def _membership(items: Iterable[Json], field: Field) -> Callable[[Any], bool]:
    wanted = [item for item in items if item is not None]
    if field.kind == "time":
        moments = {_moment(item) for item in wanted}
        return lambda value: parse_time(value) in moments
    keys = {value_key(item) for item in wanted}

    def test(value: Any) -> bool:
        try:
            return value_key(value) in keys
        except RecursionError:
            return False

    return test


def _contains(value: Any, item: Json) -> bool:
    if isinstance(value, str):
        return isinstance(item, str) and item in value
    return isinstance(value, list | tuple) and any(_same(member, item) for member in value)


def pattern_test(pattern: str) -> Callable[[Any], bool]:
    """Return what tells whether a text is like ``pattern``; what is no text is not.

    ``*`` is any text, ``?`` any one character, a backslash takes the meaning from the character
    after it. Each piece between stars is looked for once, from left to right, so that no pattern
    takes more than (length of the text) × (length of the pattern).
    """
    pieces = _split(pattern)
    first, *others = [re.compile("".join(piece), re.DOTALL) for piece in pieces]
    if not others:
        return lambda value: isinstance(value, str) and first.fullmatch(value) is not None
    *middle, last = others
    length = len(pieces[-1])

    def test(value: Any) -> bool:
        if not isinstance(value, str) or (found := first.match(value)) is None:
            return False
        at = found.end()
        for piece in middle:
            if (found := piece.search(value, at)) is None:
                return False
            at = found.end()
        start = len(value) - length
        return start >= at and last.match(value, start) is not None

    return test


def _split(pattern: str) -> list[list[str]]:
    """Return what stands between the stars: each character as a regular expression."""
    pieces: list[list[str]] = [[]]
    escaped = False
    for char in pattern:
        if escaped or char not in "\\*?":
            pieces[-1].append(re.escape(char))
            escaped = False
        elif char == "*":
            pieces.append([])
        elif char == "?":
            pieces[-1].append(".")
        else:
            escaped = True
    if escaped:
        pieces[-1].append(re.escape("\\"))
    return pieces
