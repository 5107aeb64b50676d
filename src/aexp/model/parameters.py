"""Parameters of runs side by side: names, and columns that widen to what they hold (REC-02).

The same name may be a number in one run and text in another. Nothing about that is ever an error
(trap 34): the column becomes one of the next wider kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from aexp.errors import UsageError
from aexp.model.canonical import NONFINITE, Json
from aexp.model.statepoint import RESERVED

Scalar = bool | int | float | str
Kind = Literal["bool", "int", "float", "text", "mixed"]

SESSION_KEY: Final = "session"
SESSION_RUN_KEY: Final = "session_run"
SET_BY_SESSION: Final = frozenset({*RESERVED, SESSION_KEY, SESSION_RUN_KEY})
"""Keys of a state point that are no parameters of the caller."""

_LARGEST: Final = 2**63
_EXACT: Final = 2**53
"""Up to here every whole number is a float too."""


@dataclass(frozen=True, slots=True)
class Column:
    """One parameter over several runs.

    Attributes:
        name: which parameter.
        kind: the narrowest kind that holds all its values.
        values: one for each run, None where the run has none.
    """

    name: str
    kind: Kind
    values: tuple[Json, ...]


def flatten(statepoint: Mapping[str, Json]) -> dict[str, Json]:
    """Return the caller's keys of a state point, nested ones with dots, without what aexp adds."""
    result: dict[str, Json] = {}

    def add(prefix: str, value: Mapping[str, Json]) -> None:
        for key, item in value.items():
            if isinstance(item, Mapping) and item:
                add(f"{prefix}{key}.", item)
            else:
                result[prefix + key] = item

    add("", {key: item for key, item in statepoint.items() if key not in SET_BY_SESSION})
    return result


def read_back(value: Json) -> Json:
    """Return a recorded parameter as it was logged: NaN and infinities are numbers again."""
    return NONFINITE.get(value, value) if isinstance(value, str) else value


def is_same(first: Json, second: Json) -> bool:
    """Return whether logging ``second`` after ``first`` changes nothing: 1 is 1.0, but not True."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, float) and isinstance(second, float) and first != first:
        return second != second
    return bool(first == second)


def check_change(name: str, before: Json, after: Json, *, overwrite: bool) -> None:
    """Check that a parameter may get another value (REC-02).

    Raises:
        UsageError: it has one already and ``overwrite`` was not given.
    """
    if overwrite or is_same(before, after):
        return
    raise UsageError(
        f"parameter {name} has the value {before!r} already, and was now given {after!r}",
        hint="pass overwrite=True to replace it, or choose another name",
    )


def columns(rows: Sequence[Mapping[str, Json]]) -> list[Column]:
    """Return the table of the parameters of several runs, names in order of first appearance."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [_column(name, tuple(row.get(name) for row in rows)) for name in names]


def _column(name: str, values: tuple[Json, ...]) -> Column:
    return Column(name, widest(value for value in values if value is not None), values)


def widest(values: Iterable[Json]) -> Kind:
    """Return the narrowest kind that holds all of ``values`` without changing one of them."""
    found = list(values)
    kinds = {_kind(value) for value in found}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds == {"int", "float"} and all(abs(v) <= _EXACT for v in found if isinstance(v, int)):
        return "float"
    return "mixed"


def _kind(value: Json) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        # A larger one fits no column of numbers, and as a float would be another number.
        return "int" if -_LARGEST <= value < _LARGEST else "mixed"
    if isinstance(value, float):
        return "float"
    return "text" if isinstance(value, str) else "mixed"
