"""Finding the runs of a batch, and what it costs (VAL-04, trap 33)."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from aexp.model.citation import selector_matches
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


def test_cost_is_linear() -> None:
    """Trap 33: four times the runs and citations cost about four times, not sixteen times."""

    def cost(runs: int, citations: int) -> float:
        candidates = [
            Candidate(
                f"{i:032x}", {"seed": i % 1000, "condition": f"c{i % 50}"}, {"experiment_id": "E1"}
            )
            for i in range(runs)
        ]
        start = time.perf_counter()
        batches = Batches(candidates)
        for i in range(citations):
            batches.matching("E1", {"seed": i % 1000, "condition": f"c{i % 50}"})
        return time.perf_counter() - start

    small = min(cost(5_000, 50) for _ in range(3))
    large = min(cost(20_000, 200) for _ in range(3))
    assert large < 9 * small + 0.05
