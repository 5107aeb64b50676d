"""Filters made up by Hypothesis, and an interpreter of them that is too simple to be wrong."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from aexp.model.citation import MISSING
from aexp.model.filter import (
    COMPARISONS,
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
    Or,
    Value,
)

FIELDS = ("a", "b", "tags", "when", "absent")
"""Of a row: two plain ones, a set, a time, and one that no row has."""

TIMES = ("2026-11-21", "2026-11-21T00:00:00Z", "2026-11-21T01:00:00+01:00", "2026-11-22")
SCALARS: tuple[Any, ...] = (
    *(0, 1, 1.0, -1, 0.5, 10**30, True, False, "", "a", "ab", "b*", "1", "NaN"),
    *(math.nan, math.inf, -math.inf),
)
PLAIN = tuple(value for value in SCALARS if value == value)
"""Values that may stand in a list: NaN, which equals nothing, may not."""

names = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3).map(
    lambda parts: Name(tuple(parts))
)
plain_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
)
list_values = st.lists(plain_values | st.lists(plain_values, max_size=2), max_size=3)
any_value = plain_values | list_values | st.just(math.nan)


def filters(
    name: st.SearchStrategy[Name] = names,
    value: st.SearchStrategy[Any] = any_value,
    item: st.SearchStrategy[Any] = plain_values,
    pattern: st.SearchStrategy[str] = st.text(max_size=6),  # noqa: B008
) -> st.SearchStrategy[Filter]:
    """Return any filter over some names and values."""
    side = name | value.map(Value)
    ordered = st.builds(Compare, st.sampled_from(COMPARISONS), side, side).filter(_has_order)
    yes = st.booleans()
    leaf: st.SearchStrategy[Filter] = st.one_of(
        ordered,
        st.builds(In, name, st.lists(item, max_size=3).map(tuple), yes),
        st.builds(Like, name, pattern, yes),
        st.builds(Contains, name, value, yes),
        st.builds(Is, name, st.sampled_from(["null", "nan"]), yes),
        st.builds(Exists, name),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda p: And(tuple(p))),
            st.lists(inner, min_size=2, max_size=3).map(lambda p: Or(tuple(p))),
        ),
        max_leaves=8,
    )


def _has_order(node: Compare) -> bool:
    sides = (node.left, node.right)
    null = any(isinstance(side, Value) and side.value is None for side in sides)
    return node.op in ("=", "!=") or not null


# --- the interpreter -------------------------------------------------------------------------


def means(node: Filter, row: dict[str, Any]) -> bool:
    """Return whether ``node`` means ``row``, by the rules of the reference page, word by word."""
    if isinstance(node, And):
        return all(means(part, row) for part in node.parts)
    if isinstance(node, Or):
        return any(means(part, row) for part in node.parts)
    if isinstance(node, Not):
        return not means(node.inner, row)
    if isinstance(node, Exists):
        value = look(node.name, row)
        return value is not MISSING and not (is_set(node.name) and value == [])
    if isinstance(node, Is):
        value = look(node.name, row)
        nothing = value is MISSING or value is None or (is_set(node.name) and value == [])
        if is_set(node.name):
            return (node.what == "null" and nothing) is not node.negated
        if node.what == "null":
            return nothing is not node.negated
        nan = isinstance(value, float) and math.isnan(value)
        return (not nothing and not nan) if node.negated else nan
    if isinstance(node, Compare):
        return compares(node, row)
    if isinstance(node, In):
        parts = [Compare("=", node.name, Value(item)) for item in node.items]
        found = any(compares(part, row) for part in parts)
        return not found and is_there(node.name, row) if node.negated else found
    if not is_there(node.name, row):
        return False
    value = look(node.name, row)
    members = value if is_set(node.name) else [value]
    if isinstance(node, Like):
        found = any(isinstance(m, str) and like(m, node.pattern) for m in members)
    elif is_set(node.name) or isinstance(value, list):
        found = any(equal(member, node.item) for member in value)
    else:
        found = isinstance(value, str) and isinstance(node.item, str) and node.item in value
    return found is not node.negated


def is_set(name: Name) -> bool:
    """Return whether a comparison is about the members of a field."""
    return name.parts == ("tags",)


def look(name: Name, row: dict[str, Any]) -> Any:
    """Return a field of a row."""
    return row.get(name.parts[0], MISSING)


def is_there(name: Name, row: dict[str, Any]) -> bool:
    """Return whether a comparison with the field can be true."""
    return is_set(name) or look(name, row) not in (MISSING, None)


def compares(node: Compare, row: dict[str, Any]) -> bool:
    """Return whether a comparison holds."""
    sides = []
    for side in (node.left, node.right):
        if isinstance(side, Name):
            sides.append((look(side, row), is_set(side), side.parts == ("when",)))
        else:
            sides.append((side.value, False, False))
    for this, (other, other_is_set, _) in (
        (node.left, sides[1]),
        (node.right, sides[0]),
    ):
        if isinstance(this, Value) and this.value is None:
            nothing = other is MISSING or other is None or (other_is_set and other == [])
            return nothing is (node.op == "=")
    (left, left_set, left_time), (right, right_set, right_time) = sides
    if left_set or right_set:
        if node.op not in ("=", "!="):
            return False
        lefts, rights = left if left_set else [left], right if right_set else [right]
        return any(equal(a, b) for a in lefts for b in rights) is (node.op == "=")
    if left in (MISSING, None) or right in (MISSING, None):
        return False
    if left_time or right_time:
        left, right = moment(left), moment(right)
        if left is None or right is None:
            return False
    if node.op == "=":
        return equal(left, right)
    if node.op == "!=":
        return not equal(left, right)
    if kind(left) != kind(right) or kind(left) not in ("number", "text"):
        return False
    return bool(
        {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[node.op]
    )


def moment(value: Any) -> float | None:
    """Return the moment in a text of :data:`TIMES`, in days."""
    days = {"2026-11-22": 1.0}
    return days.get(value, 0.0) if isinstance(value, str) and value in TIMES else None


def kind(value: Any) -> str:
    """Return the type of a value as JSON has them."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "other"


def equal(left: Any, right: Any) -> bool:
    """Return whether two values are one value."""
    if left is MISSING or right is MISSING or kind(left) != kind(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def like(text: str, pattern: str) -> bool:
    """Return whether a text is like a pattern, by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(like(text[cut:], pattern[1:]) for cut in range(len(text) + 1))
    if pattern[0] == "\\" and len(pattern) > 1:
        return text[:1] == pattern[1] and like(text[1:], pattern[2:])
    return bool(text) and pattern[0] in ("?", text[0]) and like(text[1:], pattern[1:])
