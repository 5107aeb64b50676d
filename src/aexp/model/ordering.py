"""One order for values of any type, so that a sorted table is the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from aexp.model.canonical import Json
from aexp.model.citation import MISSING
from aexp.model.times import parse_time

_Row = TypeVar("_Row")
_TOO_DEEP: Final = (9,)


def order_key(value: Json) -> tuple[Any, ...]:
    """Return a key that orders values: false, true, numbers, texts, lists, mappings.

    Texts are ordered by code point, lists by their members, mappings by keys and values.
    """
    try:
        return _key(value)
    except RecursionError:
        return _TOO_DEEP


def time_key(value: Json) -> tuple[Any, ...]:
    """Return a key that orders times by moment, whatever zone they are written in."""
    moment = parse_time(value)
    return order_key(value) if moment is None else (2, moment.timestamp())


def _key(value: Json) -> tuple[Any, ...]:
    if is_last(value):
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | float):
        return (2, value)
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, list | tuple):
        return (4, tuple(map(_key, value)))
    return (5, tuple((key, _key(value[key])) for key in sorted(value)))


def is_last(value: Json) -> int:
    """Return whether a value comes after all others in either direction: NaN, and then nothing."""
    if value is None or value is MISSING:
        return 2
    return 1 if isinstance(value, float) and value != value else 0


def sort_rows(
    rows: Sequence[_Row],
    get: Callable[[_Row], Json],
    *,
    descending: bool = False,
    key: Callable[[Json], tuple[Any, ...]] = order_key,
) -> list[_Row]:
    """Return rows by one value of theirs; rows that are equal in it keep their order.

    Args:
        rows: what to sort.
        get: returns the value, or ``MISSING``.
        descending: the greatest first; NaN and missing values are last all the same, so that the
            first row is the best one.
        key: orders the values.
    """
    groups: list[list[tuple[_Row, Json]]] = [[], [], []]
    for row in rows:
        value = get(row)
        groups[is_last(value)].append((row, value))
    groups[0].sort(key=lambda pair: key(pair[1]), reverse=descending)
    return [row for group in groups for row, _ in group]
