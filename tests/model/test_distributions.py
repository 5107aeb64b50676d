"""Distributions: from a number between 0 and 1 to a value of a state point (SWP-03)."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import UsageError
from aexp.model.distributions import KINDS, Distribution, distribution

quick = settings(deadline=None, max_examples=80)
UNITS = st.floats(0, 1)
FLOATS = st.floats(-1e100, 1e100)


def in_order(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return pairs whose first is not greater than the second."""
    return st.tuples(values, values).map(sorted)


@quick
@given(in_order(FLOATS), UNITS)
def test_uniform_stays_between_its_ends(ends: list[float], u: float) -> None:
    """SWP-03: never outside, not by a rounding error either."""
    value = distribution("uniform", ends).at(u)
    assert isinstance(value, float)
    assert ends[0] <= value <= ends[1]


@quick
@given(in_order(st.floats(1e-100, 1e100)), UNITS)
def test_loguniform_stays_between_its_ends(ends: list[float], u: float) -> None:
    """SWP-03: never outside; its middle is the geometric mean."""
    drawn = distribution("loguniform", ends)
    assert ends[0] <= drawn.at(u) <= ends[1]
    assert math.isclose(drawn.at(0.5), math.sqrt(ends[0]) * math.sqrt(ends[1]), rel_tol=1e-9)


@quick
@given(in_order(st.integers(-(2**63), 2**63 - 1)), UNITS)
def test_integers_are_integers_and_include_both_ends(ends: list[int], u: float) -> None:
    """SWP-03, trap 64: `integer` gives ints, exact however large, from the first to the last."""
    drawn = distribution("integer", ends)
    assert type(drawn.at(u)) is int
    assert ends[0] <= drawn.at(u) <= ends[1]
    assert drawn.at(0.0) == ends[0]
    # 53 bits cannot name each of more numbers; the last step is the end as near as they go.
    assert ends[1] - drawn.at(1.0) <= (ends[1] - ends[0]) // 2**52
    assert [drawn.of_bits(0), drawn.of_bits(2**64 - 1)] == ends
    assert ends[0] <= drawn.of_bits(int(u * (2**64 - 2**12))) <= ends[1]


def test_every_integer_is_as_likely() -> None:
    """SWP-03: equal parts of 0 … 1 for every value, the ends included."""
    drawn = distribution("integer", [8, 11])
    found = [drawn.at((i + 0.5) / 400) for i in range(400)]
    assert {value: found.count(value) for value in set(found)} == {8: 100, 9: 100, 10: 100, 11: 100}


def test_choice_gives_the_values_themselves() -> None:
    """SWP-03: of any kind, each as likely; 1, 1.0 and True stay what they are."""
    values = [1, 1.0, True, None, "a", [1, {"b": 2}]]
    drawn = distribution("choice", values)
    found = [drawn.at((i + 0.5) / 6) for i in range(6)]
    assert [(type(value), value) for value in found] == [(type(v), v) for v in values]


@quick
@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0.001, 0.999))
def test_normal_is_the_inverse_of_its_distribution_function(
    mean: float, deviation: float, u: float
) -> None:
    """SWP-03: against the closed form of the standard library."""
    value = distribution("normal", [mean, deviation]).at(u)
    if deviation > 1e-3:
        assert math.isclose(NormalDist(mean, deviation).cdf(value), u, abs_tol=1e-6)
    else:
        assert math.isclose(value, mean, abs_tol=0.01)


@quick
@given(st.floats(-5, 5), st.floats(0, 3), UNITS)
def test_lognormal_is_the_exponential_of_normal(mean: float, deviation: float, u: float) -> None:
    """SWP-03: its arguments are those of the logarithm."""
    log = distribution("normal", [mean, deviation]).at(u)
    assert distribution("lognormal", [mean, deviation]).at(u) == math.exp(log)


@quick
@given(st.integers(0, 2**52 - 1), st.sampled_from(KINDS))
def test_64_random_bits_give_what_their_share_gives(step: int, kind: str) -> None:
    """Trap 65: the same distribution, whether it is drawn from bits or from a share."""
    bits = (step << 12) + 2048
    arguments = {"choice": ["a", "b", "c"], "integer": [0, 100]}.get(kind, [1, 2])
    drawn = distribution(kind, arguments)
    assert drawn.of_bits(bits) == drawn.at((step + 0.5) * 2.0**-52)


@pytest.mark.parametrize("u", [0.0, 5e-324, 1.0])
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("normal", (0, 1)), ("lognormal", (0, 1)), ("uniform", (0, 1)), ("integer", (0, 1)),
     ("loguniform", (1, 2)), ("choice", ("a", "b"))],
)  # fmt: skip
def test_the_ends_of_the_unit_interval_give_values_too(
    kind: str, arguments: tuple[Any, ...], u: float
) -> None:
    """SWP-03: a sampler that returns 0 or 1 makes no infinity, and no index out of range."""
    value = distribution(kind, arguments).at(u)
    assert value in ("a", "b") or math.isfinite(value)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("unifrom", [0, 1], "is no distribution"),
        ("uniform", [0], "two finite numbers"),
        ("uniform", [0, 1, 2], "two finite numbers"),
        ("uniform", ["a", 1], "two finite numbers"),
        ("uniform", [True, 2], "two finite numbers"),
        ("uniform", [0, math.inf], "two finite numbers"),
        ("uniform", [0, math.nan], "two finite numbers"),
        ("uniform", [0, 10**400], "two finite numbers"),
        ("uniform", [1, 0], "lower end is greater"),
        ("uniform", [-1e308, 1e308], "too far apart"),
        ("loguniform", [0, 1], "greater than 0"),
        ("loguniform", [-2, -1], "greater than 0"),
        ("integer", [0.5, 2], "no integers"),
        ("integer", [0, 2.0], "no integers"),
        ("integer", [2, 0], "lower end is greater"),
        ("integer", [0, 2**64], "more than 2\\^64"),
        ("normal", [0, -1], "negative"),
        ("normal", [1e308, 1e308], "too large"),
        ("lognormal", [700, 10], "too large"),
        ("lognormal", [1e6, 1], "too large"),
        ("choice", [], "nothing to choose from"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    kind: str, arguments: list[Any], message: str
) -> None:
    """SWP-03: when the sweep is planned, not when its points run; no infinity is ever drawn."""
    with pytest.raises(UsageError, match=message):
        distribution(kind, arguments)


def test_the_form_of_a_spec() -> None:
    """SWP-16: a distribution is written as the spec has it."""
    assert distribution("uniform", [0, 1]).to_json() == {"uniform": [0, 1]}
    assert set(KINDS) == {"uniform", "loguniform", "normal", "lognormal", "integer", "choice"}
    assert isinstance(distribution("choice", ["a"]), Distribution)
