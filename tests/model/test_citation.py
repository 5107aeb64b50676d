"""Citations and selectors as pure functions."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.citation import (
    MISSING,
    BadCitation,
    BatchCitation,
    JobCitation,
    allows_failed,
    describe_selector,
    is_baseline,
    parse_citations,
    same_value,
    selector_matches,
    value_key,
)

HEX = "77e4588d8d8e3ea5fef5a507bdde91dd"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=4)
)
yamlish = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=20,
)
citation_like = st.fixed_dictionaries(
    {"type": st.sampled_from(["job", "batch", "run"]) | scalars},
    optional={
        "id": st.just(HEX) | yamlish,
        "experiment_id": st.just("E001") | yamlish,
        "selector": yamlish,
        "role": yamlish,
    },
)
json_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
    | st.sampled_from(["", "0", "1", "full", "True"])
)
json_values = st.recursive(
    json_scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(yamlish | citation_like | st.lists(citation_like | yamlish, max_size=4))
def test_parse_never_raises_and_loses_nothing(value: object) -> None:
    """VAL-02, trap 29: whatever a YAML file holds becomes citations, one for each item."""
    citations = parse_citations(value)
    expected = 0 if value is None else len(value) if isinstance(value, list) else 1
    assert [c.index for c in citations] == list(range(expected))
    for citation in citations:
        if isinstance(citation, BadCitation):
            assert citation.reason
            assert "\n" not in citation.reason
            assert len(citation.reason) < 200
        elif isinstance(citation, JobCitation):
            assert citation.id == HEX
        else:
            assert citation.experiment_id == "E001"


def test_well_formed_citations() -> None:
    """VAL-02: both forms, their options kept."""
    assert parse_citations(
        [
            {"type": "job", "id": HEX, "role": "baseline", "allow_failed": True},
            {"type": "batch", "experiment_id": "E0012", "selector": {"condition": "full"}},
            {"type": "batch", "experiment_id": "E001"},
        ]
    ) == [
        JobCitation(HEX, 0, {"role": "baseline", "allow_failed": True}),
        BatchCitation("E0012", {"condition": "full"}, 1),
        BatchCitation("E001", {}, 2),
    ]


def test_options_are_strict() -> None:
    """VAL-05: only ``true`` allows a failed run, only ``baseline`` another experiment."""
    assert allows_failed({"allow_failed": True})
    assert not any(allows_failed({"allow_failed": v}) for v in (1, "true", None, [True]))
    assert is_baseline({"role": "baseline"})
    assert not any(is_baseline({"role": v}) for v in ("Baseline", True, None, ["baseline"]))


@pytest.mark.parametrize("number", [10**31, 1e31, 10**5000], ids=["int", "float", "huge"])
def test_unquoted_id_is_explained(number: object) -> None:
    """VAL-02: an id of digits alone is a number to YAML; the reason says what to do."""
    [bad] = parse_citations([{"type": "job", "id": number}])
    assert isinstance(bad, BadCitation)
    assert "quotes" in bad.reason


def test_endless_values_are_refused() -> None:
    """Trap 3: YAML aliases can make a value endless, or wider than memory."""
    endless: list[Any] = []
    endless.append(endless)
    wide: list[Any] = ["x"]
    for _ in range(40):
        wide = [wide] * 10
    for value in (endless, wide):
        for item in (value, {"type": "job", "id": value}, {"type": value}):
            assert all(isinstance(c, BadCitation) for c in parse_citations([item]))
        batch = {"type": "batch", "experiment_id": "E001", "selector": {"a": value}}
        assert isinstance(parse_citations([batch])[0], BadCitation)


@given(json_values, json_values)
def test_value_key_is_sameness(left: object, right: object) -> None:
    """VAL-04: equal keys exactly when the values are the same one."""
    assert (value_key(left) == value_key(right)) == same_value(left, right)
    assert same_value(left, left)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, 0.0, False),
        (True, True, True),
        ("1", 1, False),
        (None, False, False),
        (None, None, True),
        ([1, 2], [1.0, 2], True),
        ([True], [1], False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (datetime.date(2026, 1, 31), "2026-01-31", True),
        (math.nan, 0, False),
        (10**400, 1e308, False),
    ],
)
def test_sameness(left: object, right: object, same: bool) -> None:
    """VAL-04: types count, but a whole float is its integer."""
    assert same_value(left, right) is same


@given(
    st.dictionaries(st.sampled_from(["a", "b", "a.b", "experiment_id"]), yamlish, max_size=3),
    st.dictionaries(st.sampled_from("abc"), json_values, max_size=3),
    st.none() | st.dictionaries(st.just("experiment_id"), json_scalars),
)
def test_matching_never_raises(
    selector: dict[str, object], statepoint: dict[str, object], link: dict[str, object] | None
) -> None:
    """Trap 3: any selector against any run gives a plain yes or no."""
    assert selector_matches(selector, statepoint, link) in (True, False)


@given(st.dictionaries(st.sampled_from("abc"), json_scalars, max_size=3))
def test_a_run_matches_what_it_has(statepoint: dict[str, object]) -> None:
    """VAL-04, trap 27: every part of a state point selects it; one more, unknown key does not."""
    assert selector_matches(statepoint, statepoint, None)
    assert selector_matches({k: [v, "else"] for k, v in statepoint.items()}, statepoint, None)
    assert not selector_matches({**statepoint, "zz": 1}, statepoint, None)
    assert not selector_matches({**statepoint, "zz": None}, statepoint, None)


@given(st.dictionaries(st.sampled_from("ab"), json_values, min_size=1, max_size=2), json_scalars)
def test_dots_and_nesting_say_the_same(inner: dict[str, object], wanted: object) -> None:
    """VAL-04, model 10: ``{o.a: 1}`` and ``{o: {a: 1}}`` are one selector."""
    statepoint = {"o": inner}
    for key in "ab":
        dotted = selector_matches({f"o.{key}": wanted}, statepoint, None)
        assert dotted == selector_matches({"o": {key: wanted}}, statepoint, None)
        assert dotted == (key in inner and same_value(wanted, inner[key]))


def test_link_decides_about_its_own_keys() -> None:
    """VAL-04: after a run was linked anew its state point's experiment counts no longer."""
    statepoint = {"experiment_id": "E001", "hypothesis_id": "H009"}
    link = {"experiment_id": "E002", "hypothesis_id": None}
    assert selector_matches({"experiment_id": "E002"}, statepoint, link)
    assert not selector_matches({"experiment_id": "E001"}, statepoint, link)
    assert selector_matches({"hypothesis_id": "H009"}, statepoint, link)
    assert selector_matches({"sub_hypothesis_id": None}, statepoint, link)


def test_missing_is_the_same_as_nothing() -> None:
    """VAL-04: a key that a run lacks is not null."""
    assert value_key(MISSING) != value_key(None)
    assert not same_value(None, MISSING)


def test_selector_in_words() -> None:
    """VAL-04: messages show the selector as it would be typed."""
    assert describe_selector({}) == "every run"
    assert describe_selector({"condition": "full", "seed": [0, 1]}) == "condition=full, seed=[0, 1]"


@pytest.mark.parametrize("key", [1, None, True, ("a",), 0.5])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_keys_that_are_no_text_are_refused_at_any_depth(key: object, depth: int) -> None:
    """VAL-02, trap 27: no part of a selector is passed over."""
    selector: dict[Any, Any] = {key: 1}
    for _ in range(depth):
        selector = {"a": {"b": 1, "c": selector}, "d": [2]}
    [bad] = parse_citations([{"type": "batch", "experiment_id": "E001", "selector": selector}])
    assert isinstance(bad, BadCitation)
    assert "keys must be text" in bad.reason
