"""Finding the runs of a batch, and what it costs (VAL-04, trap 33)."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.citation import selector_matches, values_of
from aexp.validate.batches import Batches, Candidate

values = st.sampled_from([None, True, False, 0, 1, 1.0, "1", "x", [1], [True], {"b": 1}, {}])
points = st.dictionaries(st.sampled_from(["a", "b", "condition"]), values, max_size=3)
links = st.fixed_dictionaries(
    {"experiment_id": st.sampled_from(["E001", "E002", None])},
    optional={"hypothesis_id": st.sampled_from(["H001", None])},
)
wanted = st.one_of(values, st.lists(values, max_size=3))
selectors = st.dictionaries(
    st.sampled_from(["a", "b", "a.b", "condition", "experiment_id", "hypothesis_id"]),
    wanted,
    max_size=3,
)


@given(st.lists(st.tuples(points, links), max_size=12), st.lists(selectors, max_size=4))
def test_same_answers_as_looking_at_every_run(
    runs: list[tuple[dict[str, object], dict[str, object]]],
    asked: list[dict[str, object]],
) -> None:
    """VAL-04: the index by value answers what matching each run by itself would."""
    candidates = [Candidate(f"{i:032x}", sp, link) for i, (sp, link) in enumerate(runs)]
    batches = Batches(candidates)
    for selector in asked:
        for experiment in ("E001", "E002", "E003"):
            assert batches.matching(experiment, selector) == {
                c.job_id
                for c in candidates
                if c.link["experiment_id"] == experiment
                and selector_matches(selector, c.statepoint, c.link)
            }


@pytest.mark.parametrize(
    "selector",
    [
        lambda i: {"seed": i % 100, "condition": f"c{i % 5}"},
        lambda i: {"optimizer": {"lr": i % 7}, "seed": [i, i + 1]},
        lambda i: {"optimizer.lr": i % 7, "hypothesis_id": "H001"},
    ],
)
def test_no_citation_walks_all_runs(selector: Callable[[int], dict[str, object]]) -> None:
    """Trap 33: however many citations, each run is looked into once for each key."""
    runs = 500
    candidates = [
        Candidate(
            f"{i:032x}",
            {"seed": i % 100, "condition": f"c{i % 5}", "optimizer": {"lr": i % 7}},
            {"experiment_id": "E001", "hypothesis_id": "H001"},
        )
        for i in range(runs)
    ]
    batches = Batches(candidates)
    with mock.patch("aexp.validate.batches.values_of", side_effect=values_of) as looked:
        found = [batches.matching("E001", selector(i)) for i in range(300)]
    assert sum(len(call.args[1]) for call in looked.call_args_list) == 2 * runs
    assert any(found)


@given(st.recursive(values, lambda v: st.dictionaries(st.sampled_from(["a", "b"]), v, max_size=2)))
def test_nested_selectors_take_any_shape(wanted: object) -> None:
    """VAL-04: a selector nested at any depth means what matching run by run would."""
    point = {"a": {"a": {"b": 1}, "b": [1]}, "b": {}}
    batches = Batches([Candidate("0" * 32, point, {"experiment_id": "E001"})])
    for selector in ({"a": wanted}, {"b": wanted}, {"a.a": wanted}, {"c": wanted}):
        found = batches.matching("E001", selector)
        assert bool(found) == selector_matches(selector, point, {"experiment_id": "E001"})
