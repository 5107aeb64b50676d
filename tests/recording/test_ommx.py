"""OMMX's messages and its HiGHS adapter, the real ones (REC-06, REC-07)."""

from __future__ import annotations

from typing import Any

import pytest

from aexp.errors import CorruptDataError, UsageError
from aexp.recording import ommx as codecs
from tests.recording.attachable import Holder
from tests.recording.optional import need


@pytest.fixture(scope="module")
def v1() -> Any:
    """The module with OMMX's classes."""
    return need("ommx.v1")


@pytest.fixture(scope="module")
def highs() -> Any:
    """The HiGHS adapter."""
    return need("ommx_highs_adapter").OMMXHighsAdapter


@pytest.fixture
def instance(v1: Any) -> Any:
    """A knapsack: the best is to take the second and third thing, for 9."""
    things = [v1.DecisionVariable.binary(number, name="x") for number in range(3)]
    values, weights = [3, 5, 4], [2, 3, 2]
    made = v1.Instance.from_components(
        decision_variables=things,
        objective=sum(value * thing for value, thing in zip(values, things, strict=True)),
        constraints=[sum(w * thing for w, thing in zip(weights, things, strict=True)) <= 5],
        sense=v1.Instance.MAXIMIZE,
    )
    made.title = "Knapsack"
    return made


def messages(v1: Any, highs: Any, instance: Any) -> dict[str, tuple[Any, str]]:
    """Return one message of each kind with its media type."""
    states = v1.Samples({0: v1.State({0: 0, 1: 1, 2: 1}), 1: v1.State({0: 1, 1: 0, 2: 1})})
    parametric = v1.ParametricInstance.from_components(
        decision_variables=instance.decision_variables,
        objective=instance.decision_variables[0] * v1.Parameter.new(10),
        constraints=[],
        parameters=[v1.Parameter.new(10)],
        sense=v1.Instance.MINIMIZE,
    )
    return {
        "instance": (instance, "application/org.ommx.v1.instance"),
        "parametric_instance": (parametric, "application/org.ommx.v1.parametric-instance"),
        "solution": (highs.solve(instance), "application/org.ommx.v1.solution"),
        "sample_set": (instance.evaluate_samples(states), "application/org.ommx.v1.sample-set"),
    }


def shown(message: Any) -> object:
    """Return what a message says. (The same solution gives its bytes in any order.)"""
    kind = type(message).__name__
    if kind == "Solution":
        return message.objective, message.feasible, sorted(message.state.entries.items())
    if kind == "SampleSet":
        return sorted(message.objectives.items()), sorted(message.feasible.items())
    return message.to_bytes()


@pytest.mark.parametrize("kind", ["instance", "parametric_instance", "solution", "sample_set"])
def test_messages_come_back(holder: Holder, v1: Any, highs: Any, instance: Any, kind: str) -> None:
    """REC-07: each kind has its method, OMMX's own media type, and comes back as what it was."""
    message, media_type = messages(v1, highs, instance)[kind]
    getattr(holder, f"log_{kind}")("m", message)
    assert holder.attachment_media_type("m") == media_type
    back: Any = holder.get_attachment("m")
    assert type(back) is type(message)
    assert shown(back) == shown(message)
    assert shown(type(message).from_bytes(holder.get_attachment_bytes("m"))) == shown(message)


def test_the_title_is_kept(holder: Holder, v1: Any, instance: Any) -> None:
    """REC-07: title, authors and annotations come back too."""
    instance.authors = ["somebody"]
    instance.dataset = "mine"
    instance.add_user_annotation("kind", "knapsack")
    holder.log_instance("m", instance)
    back: Any = holder.get_attachment("m")
    assert (back.title, back.authors, back.dataset) == ("Knapsack", ["somebody"], "mine")
    assert back.annotations == instance.annotations


def test_a_message_of_another_kind_is_refused(
    holder: Holder, v1: Any, highs: Any, instance: Any
) -> None:
    """REC-07: by isinstance, before anything is written."""
    for wrong in (instance, instance.to_bytes(), None, "instance"):
        with pytest.raises(UsageError, match=r"an ommx\.v1\.Solution is needed"):
            holder.log_solution("m", wrong)
    assert not holder.registry.exists()
    holder.log_attachment("m", "application/org.ommx.v1.instance", b"no message")
    with pytest.raises(CorruptDataError, match=r"no ommx\.v1\.Instance"):
        holder.get_attachment("m")


def test_solving_for_real(holder: Holder, v1: Any, highs: Any, instance: Any) -> None:
    """REC-06, REC-07: HiGHS solves it; the solve has everything, and the instance is untouched."""
    before = instance.to_bytes()
    solution = holder.log_solve(highs, instance, verbose=False)
    assert isinstance(solution, v1.Solution)
    assert solution.objective == 9.0
    assert instance.to_bytes() == before
    (solve,) = holder.solves
    assert solve.adapter == "OMMXHighsAdapter"
    assert solve.adapter_options == {"verbose": False}
    assert solve.status == "complete"
    stored: Any = solve.input
    assert isinstance(stored, v1.Instance)
    assert (stored.to_bytes(), stored.title) == (before, "Knapsack")
    output: Any = solve.output
    assert isinstance(output, v1.Solution)
    assert shown(output) == shown(solution)
    assert solve.library is not None
    assert solve.library["name"] == "ommx_highs_adapter"
    assert solve.library["version"]


def test_an_adapter_that_changes_its_instance(holder: Holder, v1: Any, instance: Any) -> None:
    """REC-06: what is stored is the instance as it was given, and the caller keeps it so."""

    class Reducing:
        @classmethod
        def solve(cls, given: Any) -> Any:
            given.objective = given.decision_variables[0]
            assert given.to_bytes() != before
            return given.evaluate({0: 1, 1: 0, 2: 0})

    before = instance.to_bytes()
    holder.log_solve(Reducing, instance)
    assert instance.to_bytes() == before
    stored: Any = holder.solves[0].input
    assert stored.to_bytes() == before


def test_an_instance_without_a_solution(holder: Holder, v1: Any, highs: Any) -> None:
    """REC-06: HiGHS's own error reaches the caller, and is in the record."""
    thing = v1.DecisionVariable.binary(0)
    impossible = v1.Instance.from_components(
        decision_variables=[thing], objective=thing, constraints=[thing >= 2],
        sense=v1.Instance.MINIMIZE,
    )  # fmt: skip
    with pytest.raises(Exception, match=r"(?i)infeasible") as caught:
        holder.log_solve(highs, impossible)
    (solve,) = holder.solves
    assert (solve.status, solve.output) == ("failed", None)
    assert str(solve.error).startswith(type(caught.value).__name__)


def test_the_codecs_are_usable_by_hand(holder: Holder, v1: Any, instance: Any) -> None:
    """REC-05, REC-07: they are codecs like all others."""
    holder.log_with_codec(codecs.INSTANCE, "m", instance)
    assert isinstance(holder.get_with_codec(codecs.INSTANCE, "m"), v1.Instance)
    holder.log_call(lambda given: given.objective.evaluate({0: 1, 1: 1, 2: 1}), instance)
    assert holder.calls[0].output == 12.0
