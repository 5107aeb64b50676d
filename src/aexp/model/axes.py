"""How ``--sweep "condition=full|cls, seed=0..3"`` becomes points (QUE-01).

Each alternative is a value by the one rule for values, so that ``--sp seed=0`` and one of
``--sweep seed=0..3`` are the same run (trap 16).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from aexp.errors import UsageError
from aexp.model.canonical import Json
from aexp.model.statepoint import same_json
from aexp.model.values import parse_pair, split_outside, split_pair

OPTION: Final = "--sweep"
MAX_POINTS: Final = 100_000
"""More than this many points are a mistake, such as a range of all integers."""

_WHOLE = r"-?(?:0|[1-9][0-9]*)"
_RANGE = re.compile(rf"({_WHOLE})\.\.({_WHOLE})(?:\.\.([1-9][0-9]*))?")
_EXAMPLE = "write key=value|value or key=0..3, for example condition=full|cls,seed=0..3"


def parse_axes(texts: Iterable[str]) -> dict[str, list[Json]]:
    """Return the alternatives of each key that ``--sweep`` options spell.

    Keys are parted by commas, alternatives by ``|``; ``a..b`` is every integer from a to b, both
    included, and ``a..b..s`` every s-th. Brackets and quotes protect commas and bars;
    ``key:=0|1`` keeps the alternatives strings. An alternative given twice counts once.

    Args:
        texts: the options, in order.

    Raises:
        UsageError: a text is empty or malformed, or a key is given twice.
        UnsafeValueError: a value may not be recorded.
    """
    axes: dict[str, list[Json]] = {}
    for text in texts:
        parts = split_outside(text, ",", option=OPTION, opens="=|")
        if not parts:
            raise UsageError(f"{OPTION} is empty", hint=f"leave it out, or {_EXAMPLE}")
        for part in parts:
            key, values = _parse_axis(part)
            if key in axes:
                raise UsageError(f"{OPTION} gives {key} twice", hint="give each key once")
            axes[key] = values
    return axes


def _parse_axis(part: str) -> tuple[str, list[Json]]:
    key, forced, text = split_pair(part, option=OPTION)
    alternatives = split_outside(text, "|", option=OPTION, opens="|")
    if not alternatives:
        raise UsageError(f"{OPTION} has no value for {key}", hint=_EXAMPLE)
    values: list[Json] = []
    for alternative in alternatives:
        found = None if forced else _RANGE.fullmatch(alternative)
        if found is not None:
            fresh: Iterable[Json] = _range(key, found)
        else:
            sign = ":=" if forced else "="
            fresh = [parse_pair(f"{key}{sign}{alternative}", option=OPTION)[1]]
        values += fresh
    return key, _once(values)


def _range(key: str, found: re.Match[str]) -> Sequence[int]:
    try:
        first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    except ValueError:  # Python limits how many digits it converts
        first, last, step = 0, MAX_POINTS, 1
    if abs(last - first) // step >= MAX_POINTS:
        raise UsageError(
            f"{OPTION} gives {key} more than {MAX_POINTS} values",
            hint="a range has every integer from the first to the last; 0..100..10 every tenth",
        )
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)


def _once(values: Sequence[Json]) -> list[Json]:
    if all(type(value) is int for value in values):
        return list(dict.fromkeys(values))
    kept: list[Json] = []
    for value in values:
        if not any(same_json(value, known) for known in kept):
            kept.append(value)
    return kept


def cross(
    fixed: Mapping[str, Json], axes: Mapping[str, Sequence[Json]]
) -> Iterator[dict[str, Json]]:
    """Yield every combination of the axes with ``fixed``; the last axis varies fastest.

    Args:
        fixed: what every point has, as :func:`~aexp.model.values.parse_assignments` gives it.
        axes: what :func:`parse_axes` gives.

    Raises:
        UsageError: a key is fixed and varied, or there are too many combinations.
    """
    for key in axes:
        if _is_fixed(fixed, key):
            raise UsageError(
                f"{key} is given by --sp and by {OPTION}", hint="give each key in one of them"
            )
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > MAX_POINTS:
        raise UsageError(
            f"{OPTION} comes to {count} points; at most {MAX_POINTS}",
            hint="queue it in parts, or plan it as a sweep: `aexp sweep run SPEC.yaml`",
        )
    for chosen in itertools.product(*axes.values()):
        yield {**fixed, **dict(zip(axes, chosen, strict=True))}


def _is_fixed(fixed: Mapping[str, Json], key: str) -> bool:
    here: Json = fixed
    for part in key.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True
