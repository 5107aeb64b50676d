"""OMMX's messages and its HiGHS adapter, the real ones (REC-06, REC-07).

The file runs with OMMX 2 and with OMMX 3, whichever is installed.
"""

from __future__ import annotations

from typing import Any

import pytest

from aexp.errors import CorruptDataError, MissingExtraError, UsageError
from aexp.recording import ommx as codecs
from tests.recording.attachable import Holder
from tests.recording.optional import need


@pytest.fixture(scope="module")
def v1() -> Any:
    """The module with OMMX's classes: ``ommx.v1`` of OMMX 2, ``ommx`` of OMMX 3."""
    newer = need("ommx")
    is_newer = hasattr(getattr(newer, "Instance", None), "to_v2_bytes")
    return newer if is_newer else need("ommx.v1")


def format_version(v1: Any) -> int:
    """Return the version of the format that this OMMX writes."""
    return 2 if hasattr(v1.Instance, "to_v2_bytes") else 1


def bytes_of(message: Any) -> bytes:
    """Return a message's bytes."""
    write = getattr(message, "to_v2_bytes", None) or message.to_bytes
    return bytes(write())


def made(v1: Any, kind: str, constraints: list[Any], sense: str, **parts: Any) -> Any:
    """Return an instance, in either OMMX's way of making one."""
    newer = format_version(v1) == 2
    return getattr(v1, kind).from_components(
        constraints=dict(enumerate(constraints)) if newer else constraints,
        sense=getattr(v1.Sense, sense) if newer else getattr(v1.Instance, sense.upper()),
        **parts,
    )


@pytest.fixture(scope="module")
def highs() -> Any:
    """The HiGHS adapter."""
    return need("ommx_highs_adapter").OMMXHighsAdapter


@pytest.fixture
def instance(v1: Any) -> Any:
    """A knapsack: the best is to take the second and third thing, for 9."""
    things = [v1.DecisionVariable.binary(number, name="x") for number in range(3)]
    values, weights = [3, 5, 4], [2, 3, 2]
    knapsack = made(
        v1, "Instance",
        [sum(w * thing for w, thing in zip(weights, things, strict=True)) <= 5],
        "Maximize",
        decision_variables=things,
        objective=sum(value * thing for value, thing in zip(values, things, strict=True)),
    )  # fmt: skip
    knapsack.title = "Knapsack"
    return knapsack


def messages(v1: Any, highs: Any, instance: Any) -> dict[str, tuple[Any, str]]:
    """Return one message of each kind with its media type."""
    states = v1.Samples({0: v1.State({0: 0, 1: 1, 2: 1}), 1: v1.State({0: 1, 1: 0, 2: 1})})
    thing = v1.DecisionVariable.binary(0)
    parameter = v1.Parameter(10) if format_version(v1) == 2 else v1.Parameter.new(10)
    parametric = made(
        v1, "ParametricInstance", [], "Minimize",
        decision_variables=[thing], objective=thing * parameter, parameters=[parameter],
    )  # fmt: skip
    start = f"application/org.ommx.v{format_version(v1)}."
    return {
        "instance": (instance, start + "instance"),
        "parametric_instance": (parametric, start + "parametric-instance"),
        "solution": (highs.solve(instance), start + "solution"),
        "sample_set": (instance.evaluate_samples(states), start + "sample-set"),
    }


def shown(message: Any) -> object:
    """Return what a message says. (The same solution gives its bytes in any order.)"""
    kind = type(message).__name__
    if kind == "Solution":
        return message.objective, message.feasible, sorted(message.state.entries.items())
    if kind == "SampleSet":
        return sorted(message.objectives.items()), sorted(message.feasible.items())
    return bytes_of(message)


@pytest.mark.parametrize("kind", ["instance", "parametric_instance", "solution", "sample_set"])
def test_messages_come_back(holder: Holder, v1: Any, highs: Any, instance: Any, kind: str) -> None:
    """REC-07: each kind has its method, OMMX's own media type, and comes back as what it was."""
    message, media_type = messages(v1, highs, instance)[kind]
    getattr(holder, f"log_{kind}")("m", message)
    assert holder.attachment_media_type("m") == media_type
    back: Any = holder.get_attachment("m")
    assert type(back) is type(message)
    assert shown(back) == shown(message)
    data = holder.get_attachment_bytes("m")
    read = getattr(type(message), "from_v2_bytes", None) or type(message).from_bytes
    assert shown(read(data)) == shown(message), "OMMX itself can read the bytes"


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
    for wrong in (instance, bytes_of(instance), None, "instance"):
        with pytest.raises(UsageError, match="an OMMX Solution is needed"):
            holder.log_solution("m", wrong)
    assert not holder.registry.exists()
    holder.log_attachment("m", "application/org.ommx.v1.instance", b"no message")
    with pytest.raises(CorruptDataError, match="no OMMX Instance"):
        holder.get_attachment("m")


def test_solving_for_real(holder: Holder, v1: Any, highs: Any, instance: Any) -> None:
    """REC-06, REC-07: HiGHS solves it; the solve has everything, and the instance is untouched."""
    before = bytes_of(instance)
    solution = holder.log_solve(highs, instance, verbose=False)
    assert isinstance(solution, v1.Solution)
    assert solution.objective == 9.0
    assert bytes_of(instance) == before
    (solve,) = holder.solves
    assert solve.adapter == "ommx_highs_adapter.adapter.OMMXHighsAdapter"
    assert solve.adapter_options == {"verbose": False}
    assert solve.status == "complete"
    stored: Any = solve.input
    assert isinstance(stored, v1.Instance)
    assert (bytes_of(stored), stored.title) == (before, "Knapsack")
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
            assert bytes_of(given) != before
            return given.evaluate({0: 1, 1: 0, 2: 0})

    before = bytes_of(instance)
    holder.log_solve(Reducing, instance)
    assert bytes_of(instance) == before
    stored: Any = holder.solves[0].input
    assert bytes_of(stored) == before


def test_an_instance_without_a_solution(holder: Holder, v1: Any, highs: Any) -> None:
    """REC-06: HiGHS's own error reaches the caller, and is in the record."""
    thing = v1.DecisionVariable.binary(0)
    impossible = made(
        v1, "Instance", [thing >= 2], "Minimize", decision_variables=[thing], objective=thing
    )  # fmt: skip
    with pytest.raises(Exception, match=r"(?i)infeasible") as caught:
        holder.log_solve(highs, impossible)
    (solve,) = holder.solves
    assert (solve.status, solve.output) == ("failed", None)
    assert str(solve.error).startswith(type(caught.value).__name__)


def test_the_codecs_are_usable_by_hand(holder: Holder, v1: Any, instance: Any) -> None:
    """REC-05, REC-07: they are codecs like all others."""
    holder.log_with_codec(codecs.INSTANCE, "m", instance)
    assert holder.attachment_media_type("m") == "application/org.ommx.v1.instance"
    assert isinstance(holder.get_with_codec(codecs.INSTANCE, "m"), v1.Instance)
    holder.log_call(lambda given: given.objective.evaluate({0: 1, 1: 1, 2: 1}), instance)
    assert holder.calls[0].output == 12.0


def test_a_format_that_this_ommx_does_not_know(holder: Holder, v1: Any) -> None:
    """REC-07: OMMX 2 cannot read what OMMX 3 wrote; the error says what to install."""
    if format_version(v1) == 2:
        pytest.skip("OMMX 3 reads both formats")
    holder.log_attachment("m", "application/org.ommx.v2.instance", b"")
    with pytest.raises(MissingExtraError, match="version 2") as caught:
        holder.get_attachment("m")
    assert "pip install" in str(caught.value.hint)
