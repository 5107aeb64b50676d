"""Statistics of groups, and the order of values."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.aggregate import DEFAULT, STATISTICS, number_of
from aexp.model.citation import MISSING
from aexp.model.ordering import is_last, order_key, sort_rows, time_key

numbers = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, max_size=8))
def test_statistics_are_pythons_own(values: list[float]) -> None:
    """LED-11: the same numbers as the module ``statistics``; the sample deviation (n - 1)."""
    found = {name: compute(values) for name, compute in STATISTICS.items()}
    assert found["n"] == len(values)
    if not values:
        assert {found[name] for name in found if name != "n"} == {None}
        return
    assert found["mean"] == statistics.mean(values)
    middle = statistics.median(values)  # its sum of two may be more than a float holds
    assert math.isinf(middle) or found["median"] == pytest.approx(middle)
    assert (found["min"], found["max"]) == (min(values), max(values))
    if len(values) < 2:
        assert found["std"] is None
    elif math.isfinite(found["std"] or 0.0):
        assert found["std"] == statistics.stdev(values)
    else:
        with pytest.raises(OverflowError):
            statistics.stdev(values)


@given(st.lists(numbers | st.sampled_from([math.inf, -math.inf, math.nan]), min_size=1, max_size=5))
def test_a_diverged_run_is_never_hidden(values: list[float]) -> None:
    """LED-11: NaN makes NaN, whatever its place; an infinite value a statistic without a limit."""
    found = {name: compute(values) for name, compute in STATISTICS.items()}
    if any(value != value for value in values):
        assert all(found[name] != found[name] for name in ("mean", "median", "min", "max"))
    if not all(map(math.isfinite, values)) and len(values) > 1:
        assert math.isnan(found["std"] or 0.0)
        assert not math.isfinite(found["mean"] or 0.0)


def test_the_usual_statistics_exist() -> None:
    """LED-11: mean, std, min, max and count."""
    assert set(DEFAULT) <= set(STATISTICS)


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), (0.5, 0.5), (True, None), ("1", None), (None, None), (MISSING, None), ([1], None),
     (10**400, math.inf), (-(10**400), -math.inf)],
)  # fmt: skip
def test_what_is_a_number(value: Any, number: Any) -> None:
    """LED-11: runs with anything else are not counted in `n`."""
    assert number_of(value) == number


VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, -5, 2.5, math.inf, "", "a", "B", "10"])
    | st.just(math.nan),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


@given(st.lists(VALUES, max_size=8), st.booleans())
def test_any_values_have_one_order(values: list[Any], descending: bool) -> None:
    """LED-11: mixed types are sorted, whatever order they came in; NaN and nothing are last."""
    values = [*values, MISSING]
    one = sort_rows(values, lambda value: value, descending=descending)
    two = sort_rows(values[::-1], lambda value: value, descending=descending)
    assert [repr(order_key(v)) for v in one] == [repr(order_key(v)) for v in two]
    lasts = [is_last(value) for value in one]
    assert lasts == sorted(lasts)
    present = [order_key(value) for value in one if not is_last(value)]
    assert present == sorted(present, reverse=descending)


def test_the_order_of_types() -> None:
    """LED-11: as the reference page lists them."""
    wanted = [False, True, -1, 0.5, 2, "10", "9", "a", [1], [1, 2], [2], {"a": 1}, math.nan, None]
    assert sort_rows(wanted[::-1], lambda value: value) == wanted


def test_equal_rows_keep_their_order_in_both_directions() -> None:
    """LED-11: so that several keys work, and every clone shows the same."""
    rows = [("x", 1), ("y", 1.0), ("z", 2)]
    assert [r[0] for r in sort_rows(rows, lambda r: r[1])] == ["x", "y", "z"]
    assert [r[0] for r in sort_rows(rows, lambda r: r[1], descending=True)] == ["z", "x", "y"]


def test_times_are_ordered_by_moment() -> None:
    """LED-11: whatever zone and precision they are written in; what is no time comes after."""
    wanted = ["2026-01-01T00:30:00+01:00", "2026-01-01", "2026-01-01T00:00:01Z", "soon"]
    assert sort_rows(wanted[::-1], lambda value: value, key=time_key) == wanted


def test_values_nested_without_end_have_a_place() -> None:
    """LED-11: a run that holds them does not end the question."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert sort_rows([deep, 1], lambda value: value)[0] == 1
    while deep:
        deep = deep[0]
