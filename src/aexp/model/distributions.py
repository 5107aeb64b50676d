"""Distributions of a swept parameter (SWP-03): from a number between 0 and 1 to a value.

Each is its inverse distribution function, so that every sampler of the unit cube (independent,
stratified or quasi-random) serves every distribution. Pure Python: what a number becomes does not
depend on the version of a numerical library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from aexp.errors import UsageError
from aexp.model.canonical import Json

_STEPS: Final = 1 << 53
"""A float between 0 and 1 tells this many values apart."""

_LEAST: Final = 2.0**-53
_MOST: Final = 1.0 - 2.0**-53


class Distribution(msgspec.Struct, frozen=True):
    """A distribution and its arguments, as a sweep's spec writes them.

    Attributes:
        kind: one of :data:`KINDS`.
        arguments: the two numbers of the kind, or the values of a ``choice``.
    """

    kind: str
    arguments: tuple[Json, ...]

    def at(self, u: float) -> Json:
        """Return the value below which the share ``u`` of the distribution lies.

        Args:
            u: between 0 and 1. Where a distribution has no end, 0 and 1 stand for the next
                number inside, so that no infinity is ever drawn.
        """
        return _INVERSES[self.kind](u, self.arguments)

    def of_bits(self, bits: int) -> Json:
        """Return the value of 64 random bits (trap 65).

        Integers and choices take all of them, the others the 52 that fit into the middle of
        equal steps of a float.
        """
        if self.kind == "integer":
            low, high = self.arguments
            return low + (bits * (high - low + 1) >> 64)
        if self.kind == "choice":
            return self.arguments[bits * len(self.arguments) >> 64]
        return self.at(((bits >> 12) + 0.5) * 2.0**-52)

    def to_json(self) -> Json:
        """Return it as a spec writes it: ``{"uniform": [0, 1]}``."""
        return {self.kind: list(self.arguments)}


def distribution(kind: str, arguments: Sequence[Json]) -> Distribution:
    """Return a distribution whose arguments make sense.

    Raises:
        UsageError: the kind is unknown, or its arguments do not fit it.
    """
    if kind not in _INVERSES:
        raise UsageError(f"{kind} is no distribution", hint=f"use one of {', '.join(KINDS)}")
    if kind == "choice":
        if not arguments:
            raise UsageError("choice has nothing to choose from", hint="write {choice: [a, b]}")
        return Distribution(kind, tuple(arguments))
    first, second = _FORMS[kind]
    if len(arguments) != 2 or not all(map(_is_finite, arguments)):
        raise UsageError(
            f"{kind} takes two finite numbers", hint=f"write {{{kind}: [{first}, {second}]}}"
        )
    result = Distribution(kind, tuple(arguments))
    if problem := _problem(kind, *arguments) or _extremes(result):
        raise UsageError(f"{kind} {list(arguments)}: {problem}")
    return result


def _extremes(result: Distribution) -> str | None:
    """Return what is wrong with the least and the greatest value, or None."""
    try:
        ends = (result.at(0.0), result.at(1.0))
    except OverflowError:
        ends = (math.inf, math.inf)
    return None if all(map(_is_finite, ends)) else "its values are too large"


def _is_finite(value: Json) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _problem(kind: str, first: float, second: float) -> str | None:
    """Return what is wrong with the two numbers of a distribution, or None."""
    if kind in ("normal", "lognormal"):
        return None if second >= 0 else "the standard deviation is negative"
    if kind == "integer" and not (isinstance(first, int) and isinstance(second, int)):
        return "the ends are no integers"
    if kind == "loguniform" and first <= 0:
        return "the lower end must be greater than 0"
    if kind == "integer" and second - first >= 1 << 64:
        return "there are more than 2^64 integers"
    if kind == "uniform" and not math.isfinite(float(second) - float(first)):
        return "its ends are too far apart"
    return None if first <= second else "the lower end is greater than the upper"


def _uniform(u: float, ends: tuple[Json, ...]) -> float:
    low, high = map(float, ends)
    return min(max(low + u * (high - low), low), high)


def _loguniform(u: float, ends: tuple[Json, ...]) -> float:
    low, high = map(float, ends)
    value = math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return min(max(value, low), high)


def _normal(u: float, arguments: tuple[Json, ...]) -> float:
    from statistics import NormalDist  # it takes longer to import than all of this

    mean, deviation = map(float, arguments)
    return mean + deviation * NormalDist().inv_cdf(min(max(u, _LEAST), _MOST))


def _lognormal(u: float, arguments: tuple[Json, ...]) -> float:
    return math.exp(_normal(u, arguments))


def _integer(u: float, ends: tuple[Json, ...]) -> int:
    low, high = ends
    return int(low) + _share(u, int(high) - int(low) + 1)


def _choice(u: float, values: tuple[Json, ...]) -> Json:
    return values[_share(u, len(values))]


def _share(u: float, count: int) -> int:
    """Return which of ``count`` equal parts ``u`` is in; exact, however many they are."""
    return min(int(u * _STEPS), _STEPS - 1) * count // _STEPS


_INVERSES: Final[dict[str, Callable[[float, tuple[Any, ...]], Json]]] = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "normal": _normal,
    "lognormal": _lognormal,
    "integer": _integer,
    "choice": _choice,
}
_FORMS: Final = {
    "uniform": ("low", "high"),
    "loguniform": ("low", "high"),
    "normal": ("mean", "deviation"),
    "lognormal": ("mean of the logarithm", "deviation of the logarithm"),
    "integer": ("first", "last"),
}
KINDS: Final = tuple(_INVERSES)
"""Every kind. ``integer`` includes both ends; ``lognormal`` takes mean and deviation of the log."""
