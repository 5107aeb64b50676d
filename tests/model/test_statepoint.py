"""What may stand in a state point, and its ids."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signac.job import calc_id

from aexp.errors import UnsafeValueError, UsageError
from aexp.model.statepoint import (
    MAX_BYTES,
    RESERVED,
    check_statepoint,
    job_id,
    nest_keys,
    point_id,
    prepare_statepoint,
    undeclared_paths,
)

quick = settings(deadline=None, max_examples=60)
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="."), min_size=1)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
)
POINTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@quick
@given(POINTS)
def test_the_job_id_is_signacs(point: dict[str, Any]) -> None:
    """RUN-01: a run has the id that signac gives to its state point, in any order of keys."""
    assert job_id(point) == calc_id(point)
    assert job_id(dict(reversed(point.items()))) == job_id(point)


@quick
@given(POINTS, st.dictionaries(st.text("abcdefg").map("code_".__add__), SCALARS, max_size=3))
def test_the_point_id_ignores_the_code(point: dict[str, Any], code: dict[str, Any]) -> None:
    """Two runs with the same parameters have one point id, whatever the code."""
    bare = {key: value for key, value in point.items() if not key.startswith("code_")}
    assert point_id({**bare, **code}) == point_id(bare)
    assert point_id({**bare, "one more": 1}) != point_id({**bare, "one more": 1.0})


def test_the_point_id_ignores_only_code_at_the_top() -> None:
    """A nested parameter that is called code_… is a parameter."""
    assert point_id({"a": {"code_x": 1}}) != point_id({"a": {"code_x": 2}})


@quick
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "a.b", "a.c", "b.c", "a.b.c"]),
        st.sampled_from([1, True, 1.0, "x", {}, {"b": 1}, {"c": True}, {"b": {"c": 1}}]),
        max_size=4,
    )
)
def test_nesting_does_not_depend_on_order(flat: dict[str, Any]) -> None:
    """Trap 16: dotted keys give one state point, or one refusal, in whatever order they come."""
    outcomes: list[str] = []
    for items in permutations(flat.items()):
        try:
            outcomes.append(job_id(nest_keys(dict(items))))
        except UsageError:
            outcomes.append("refused")
    assert len(set(outcomes)) == 1


def test_nesting_leaves_its_argument_alone() -> None:
    """Preparing a state point twice gives the same, and changes nothing of the caller's."""
    given_point = {"a": {"b": 1}, "a.c": 2}
    assert nest_keys(given_point) == {"a": {"b": 1, "c": 2}}
    assert given_point == {"a": {"b": 1}, "a.c": 2}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1, v], lambda v: {"deep": [{"x": v}]}])
def test_nonfinite_numbers_are_refused(value: float, wrap: Any) -> None:
    """Trap 11: a state point holds no NaN and no infinity, at any depth."""
    with pytest.raises(UnsafeValueError, match="cannot hold"):
        prepare_statepoint({"lr": wrap(value)})


@pytest.mark.parametrize(
    "point",
    [
        {"api_key": "sk-proj-" + "a1B2" * 10},
        {"nested": {"list": ["ghp_" + "a1B2c3D4e5" * 4]}},
        {"url": "https://user:hunter2secret@example.org/db"},
    ],
)
def test_secrets_are_refused(point: dict[str, Any]) -> None:
    """Trap 17: a secret never becomes part of a state point; the message does not repeat it."""
    with pytest.raises(UnsafeValueError, match="looks like a secret") as caught:
        prepare_statepoint(point)
    assert "a1B2" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(RESERVED))
@pytest.mark.parametrize("suffix", ["", ".x"])
def test_reserved_keys_are_refused(key: str, suffix: str) -> None:
    """RUN-01: what aexp itself puts into a state point cannot be given."""
    with pytest.raises(UsageError, match="set by aexp"):
        prepare_statepoint({key + suffix: 1})


@pytest.mark.parametrize("key", ["", " ", "a\nb", "a\0", "x" * 257, "\ud800", "a.", "..", "\x7f"])
def test_bad_keys_are_refused(key: str) -> None:
    """RUN-01: a malformed key is refused before anything is made of it."""
    with pytest.raises(UsageError):
        prepare_statepoint({key: 1})


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", 1j, {1: 2}, "\udc80"])
def test_values_without_json_form_are_refused(value: Any) -> None:
    """RUN-01: what JSON cannot hold is refused, by name."""
    with pytest.raises(UnsafeValueError):
        prepare_statepoint({"key": value})


def test_numpy_values_are_their_numbers() -> None:
    """Trap 16: a numpy scalar gives the id of the plain number."""
    point = {"seed": np.int64(3), "lr": np.float64(0.1), "layers": np.array([64, 32])}
    plain = prepare_statepoint(point)
    assert repr(plain) == repr({"seed": 3, "lr": 0.1, "layers": [64, 32]})


def test_size_is_limited() -> None:
    """LED-01: a state point that would burst its entry is refused."""
    check_statepoint({"a": "é" * (MAX_BYTES // 2 - 10)})
    with pytest.raises(UnsafeValueError, match=r"has \d+ bytes"):
        check_statepoint({"a": "é" * (MAX_BYTES // 2)})


def test_absolute_paths_are_named() -> None:
    """LED-02: keys that hold absolute paths are told, so that a warning can name them."""
    point = {"data": {"dir": "/scratch/someone/x"}, "rel": "data/x", "n": 1}
    assert undeclared_paths(point) == ["data.dir"]
    check_statepoint(point)
