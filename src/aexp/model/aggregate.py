"""Statistics of a group of runs: what ``--stat`` and number citations mean by a word."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final, TypeAlias

from aexp.model.canonical import Json

Number: TypeAlias = int | float


def mean(values: Sequence[Number]) -> Number | None:
    """Return the arithmetic mean."""
    if not values:
        return None
    if not all(map(math.isfinite, values)):
        return sum(map(float, values)) / len(values)
    found: Number = _statistics().mean(values)
    return found


def std(values: Sequence[Number]) -> Number | None:
    """Return the sample standard deviation (divided by n - 1); None of fewer than two values."""
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    try:
        found: float = _statistics().stdev(values)
    except OverflowError:
        return math.inf
    return found


def median(values: Sequence[Number]) -> Number | None:
    """Return the middle value; the mean of the two middle ones of an even number."""
    if not values or _has_nan(values):
        return math.nan if values else None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else mean(ordered[half - 1 : half + 1])


def least(values: Sequence[Number]) -> Number | None:
    """Return the smallest value."""
    return math.nan if _has_nan(values) else min(values, default=None)


def greatest(values: Sequence[Number]) -> Number | None:
    """Return the greatest value."""
    return math.nan if _has_nan(values) else max(values, default=None)


STATISTICS: Final[dict[str, Callable[[Sequence[Number]], Number | None]]] = {
    "n": len,
    "mean": mean,
    "std": std,
    "min": least,
    "max": greatest,
    "median": median,
}
"""By name. A NaN among the values makes every statistic but ``n`` NaN: it is never hidden."""

DEFAULT: Final = ("n", "mean", "std", "min", "max")


def number_of(value: Json) -> Number | None:
    """Return the number in ``value``, or None; an integer that no float can hold is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def _has_nan(values: Sequence[Number]) -> bool:
    return any(value != value for value in values)


def _statistics() -> ModuleType:
    import statistics  # takes 10 ms, which only questions about groups pay

    return statistics
