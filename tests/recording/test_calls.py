"""Recorded calls (REC-06)."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aexp.clock import use_clock
from aexp.errors import (
    AttachmentWarning,
    CorruptDataError,
    NewerSchemaError,
    StorageError,
    UsageError,
)
from aexp.recording.call_records import Solve
from aexp.runs.lifecycle import Terminated
from tests.recording.attachable import Holder
from tests.support.clock import FakeClock


def scale(values: list[float], *, factor: float = 1.0) -> dict[str, list[float]]:
    """Multiply."""
    return {"scaled": [factor * value for value in values]}


def test_a_call_is_recorded(holder: Holder) -> None:
    """REC-06: input, options, output, status, timing and the library's version."""
    clock = FakeClock()

    def slow(values: list[float], *, factor: float) -> dict[str, list[float]]:
        clock.advance(2.5)
        return scale(values, factor=factor)

    with use_clock(clock):
        result = holder.log_call(slow, [1.0, 2.0], factor=3.0)
    assert result == {"scaled": [3.0, 6.0]}
    (call,) = holder.calls
    assert (call.status, call.error, call.number) == ("complete", None, 0)
    assert call.input == [1.0, 2.0]
    assert call.inputs == ([1.0, 2.0],)
    assert call.options == {"factor": 3.0}
    assert call.output == result
    assert call.duration_s == 2.5
    assert call.started_at == "2026-01-01T00:00:00.000000Z"
    assert call.function == f"{__name__}.test_a_call_is_recorded.<locals>.slow"
    holder.log_call(msgspec.to_builtins, (1, 2))
    assert holder.calls[1].library == {"name": "msgspec", "version": msgspec.__version__}
    assert holder.solves == []


class ReprCodec:
    """Keeps how a value looks."""

    media_type = "text/x-repr"
    encode = staticmethod(lambda value: repr(value).encode())
    decode = staticmethod(lambda data: data.decode())


def test_calls_hide_from_the_names(holder: Holder) -> None:
    """REC-06: what they are made of is no attachment of the user's, and can still be read."""
    holder.log_json("mine", 1)
    holder.log_call(scale, [1.0])
    assert holder.attachment_names == ["mine"]
    assert list(holder.attachments) == ["mine"]
    assert holder.get_attachment("calls/0/input") == [1.0]
    assert list(holder._attachments()) == ["mine", "calls/0/input", "calls/0/output", "calls/0"]


def test_arguments_of_every_number(holder: Holder) -> None:
    """REC-06: none, one, several; and a call that returns nothing."""
    assert holder.log_call(lambda: None) is None
    assert holder.log_call(lambda value: value, None) is None
    assert holder.log_call(math.hypot, 3, 4) == 5.0
    assert holder.log_call(partial(scale, factor=2.0), [1.0]) == {"scaled": [2.0]}
    nothing, none, several, partly = holder.calls
    assert (nothing.inputs, nothing.input, nothing.output) == ((), None, None)
    assert (none.inputs, none.input, none.output) == ((None,), None, None)
    assert (several.inputs, several.input, several.output) == ((3, 4), (3, 4), 5.0)
    assert several.function == "math.hypot"
    assert several.library is not None
    assert several.library["name"] == "python"
    assert partly.function == f"{__name__}.scale"


def test_what_went_in_is_stored_as_it_was(holder: Holder) -> None:
    """REC-06: a function that changes its argument changes no record."""
    values = [3, 1, 2]
    holder.log_call(values.__class__.sort, values)
    assert values == [1, 2, 3]
    assert holder.calls[0].input == [3, 1, 2]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no solution for key sk-" + "a1B2" * 10), "failed"),
        (SystemExit(3), "failed"),
        (KeyboardInterrupt(), "stopped"),
        (Terminated(), "stopped"),
    ],
)
def test_a_failing_call_is_recorded_and_raised_again(
    holder: Holder, error: BaseException, status: str
) -> None:
    """REC-06: the caller sees the very exception, the record says how it ended, and no secret."""

    def fail(values: list[int]) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        holder.log_call(fail, [1])
    assert caught.value is error
    (call,) = holder.calls
    assert (call.status, call.input, call.output) == (status, [1], None)
    assert call.error is not None
    assert call.error.startswith(type(error).__name__)
    assert "a1B2a1B2" not in call.error


def test_a_call_that_exits_normally(holder: Holder) -> None:
    """Trap 43: ``sys.exit(0)`` is no failure, and still reaches the caller."""
    with pytest.raises(SystemExit):
        holder.log_call(sys.exit, 0)
    (call,) = holder.calls
    assert (call.status, call.error) == ("complete", None)


def test_an_asynchronous_function(holder: Holder) -> None:
    """REC-06: it would only begin to run, so it is refused, with a way out."""

    async def later() -> int:
        return 1

    with pytest.raises(UsageError, match="asynchronous"):
        holder.log_call(later)
    assert holder.log_call(lambda: asyncio.run(later())) == 1


def test_a_long_error_is_cut(holder: Holder) -> None:
    """REC-08: at most 512 characters of an error are kept."""

    def fail() -> None:
        raise ValueError("x" * 10_000 + "\ud800")

    with pytest.raises(ValueError, match="xxx"):
        holder.log_call(fail)
    assert len(str(holder.calls[0].error)) == 512


def test_a_record_that_cannot_be_written_hides_no_error(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-06: when the disk is full besides, the call's own error still reaches the caller."""

    def fail() -> None:
        monkeypatch.setattr(holder.registry, "put", full)
        raise ValueError("the real reason")

    def full(data: bytes) -> None:
        raise StorageError("the disk is full")

    with pytest.raises(ValueError, match="the real reason") as caught:
        holder.log_call(fail)
    assert "the disk is full" in caught.value.__notes__[0]


def test_an_argument_that_cannot_be_stored(holder: Holder) -> None:
    """REC-06: said before the call is made; nothing is written."""
    called: list[object] = []
    with pytest.raises(UsageError, match="a object cannot be stored") as caught:
        holder.log_call(called.append, object())
    assert "codec" in str(caught.value.hint)
    assert called == []
    assert not holder.registry.exists()


def test_a_result_that_cannot_be_stored(holder: Holder) -> None:
    """REC-06: the work is done, so the caller gets it, with a warning; the record says so."""
    result = object()
    with pytest.warns(AttachmentWarning, match="is not stored") as caught:
        assert holder.log_call(lambda: result) is result
    assert caught[0].filename == __file__
    (call,) = holder.calls
    assert (call.status, call.output) == ("complete", None)
    record = json.loads(holder.get_attachment_bytes("calls/0"))
    assert "has no JSON form" in record["output_problem"]


class Failing(ReprCodec):
    """A codec with a fault of its own."""

    encode = staticmethod(lambda value: value.missing)


def test_a_codec_that_fails_on_the_result(holder: Holder) -> None:
    """REC-06: whatever is wrong with it, the result is not lost, and the call is recorded."""
    with pytest.warns(AttachmentWarning, match="Failing cannot encode a int: AttributeError"):
        assert holder.log_call(sum, [1, 2], output_codec=Failing) == 3
    assert holder.calls[0].status == "complete"
    with pytest.raises(UsageError, match="Failing cannot encode"):
        holder.log_call(sum, [1, 2], codec=Failing)


def test_codecs_of_a_call(holder: Holder) -> None:
    """REC-05, REC-06: one for what goes in, and for what comes out where nothing else fits."""
    holder.log_call(lambda value: {2, *value}, {1}, codec=ReprCodec)
    holder.log_call(lambda value: value, 7, output_codec=ReprCodec)
    first, second = holder.calls
    assert holder.attachments == {}
    assert holder.get_with_codec(ReprCodec, "calls/0/input") == "{1}"
    assert (first.input, first.output) == ("{1}", "{1, 2}")
    assert (second.input, second.output) == (7, "7")


class Thing:
    """An option that has no JSON form."""

    def __repr__(self) -> str:
        return f"<Thing at {id(self):#x}>"


class Broken:
    """An option that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_options_of_every_kind(holder: Holder) -> None:
    """REC-06: what JSON cannot say is described; secrets are not stored; nothing fails."""
    loop: list[Any] = []
    loop.append(loop)
    options: dict[str, Any] = {
        "limit": math.inf,
        "gap": 1e-4,
        "nested": {"a": [1, (2, None)], "b": True},
        "path": Path("out") / "log.txt",
        "callback": Thing(),
        "function": scale,
        "broken": Broken(),
        "loop": loop,
        "text": "a\ud800",
        "api_key": "k3yX9vQ2mZ7pL4wR8tN1",
        "params": {"WLSSecret": "0f8fad5b-d9cb-469f-a165-70867728950e", "Threads": 4},
    }
    assert holder.log_call(lambda **given: len(given), **options) == len(options)
    stored = holder.calls[0].options
    assert stored["limit"] == "Infinity"
    assert stored["gap"] == 1e-4
    assert stored["nested"] == {"a": [1, [2, None]], "b": True}
    assert stored["path"] == str(Path("out") / "log.txt")
    assert stored["callback"] == {"type": f"{__name__}.Thing", "repr": "<Thing>"}
    assert stored["function"]["type"] == "builtins.function"
    assert "Broken instance" in stored["broken"]["repr"]
    assert stored["text"] == "a?"
    assert stored["params"]["Threads"] == 4
    everything = holder.get_attachment_bytes("calls/0").decode()
    assert "k3yX9vQ2mZ7pL4wR8tN1" not in everything
    assert "0f8fad5b-d9cb" not in everything
    assert json.loads(everything)["redacted"] == ["/api_key", "/params/WLSSecret"]
    assert "0x" not in everything


def test_an_option_whose_name_is_a_secret(holder: Holder) -> None:
    """REC-06: a key is redacted too, when it is one itself."""
    key = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT" * 2
    holder.log_call(lambda keys: None, keys=None)
    holder.log_call(lambda keys: None, keys={key: 1, "password": "Tr0ub4dor&3x"})
    everything = holder.get_attachment_bytes("calls/1").decode()
    assert key not in everything
    assert "Tr0ub4dor" not in everything


def test_text_that_is_no_unicode(holder: Holder) -> None:
    """REC-06: told before the call is made."""
    with pytest.raises(UsageError, match="lone surrogate"):
        holder.log_call(len, "a\ud800")
    assert not holder.registry.exists()


def test_many_threads(holder: Holder) -> None:
    """REC-01, REC-06: each call has a number of its own, and its own input and output."""
    barrier = threading.Barrier(8)

    def call(number: int) -> None:
        barrier.wait()
        holder.log_call(lambda value: value * 10, number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    calls = holder.calls
    assert [call.number for call in calls] == list(range(8))
    assert sorted((call.input, call.output) for call in calls) == [(n, 10 * n) for n in range(8)]


def test_numbers_go_on_after_a_restore(holder: Holder, tmp_path: Path) -> None:
    """REC-06: another object for the same run goes on counting, also behind a call that died."""
    holder.log_call(scale, [1.0])
    del holder.kept["calls/0"]  # as when the process dies within the call
    again = Holder(tmp_path / "registry")
    again.kept = holder.kept
    again.log_call(scale, [2.0])
    assert [call.number for call in again.calls] == [1]


def test_a_damaged_record(holder: Holder) -> None:
    """REC-06: one clear error; a record of a newer aexp is refused."""
    holder.log_call(scale, [1.0])
    sound = json.loads(holder.get_attachment_bytes("calls/0"))
    for broken in (b"{", b"[]", b'{"version": 1}', json.dumps({**sound, "inputs": [1]}).encode()):
        swap(holder, broken)
        with pytest.raises(CorruptDataError, match="calls/0 is damaged"):
            _ = holder.calls
    swap(holder, json.dumps({**sound, "version": 2}).encode())
    with pytest.raises(NewerSchemaError):
        _ = holder.calls


def swap(holder: Holder, data: bytes) -> None:
    """Replace the record of the first call."""
    known = holder.kept.pop("calls/0")
    blob = holder.registry.put(data)
    holder.kept["calls/0"] = type(known)(known.name, known.media_type, blob.digest, blob.size)


# --- solving -------------------------------------------------------------------------------------


class Problem:
    """An instance of somebody's problem."""

    def __init__(self, values: list[int]) -> None:
        self.values = values


class ProblemCodec:
    """Stores it."""

    media_type = "application/x-problem+json"
    encode = staticmethod(lambda value: json.dumps(value.values).encode())
    decode = staticmethod(json.loads)


class Adapter:
    """A solver as OMMX's adapters are: a class with ``solve``, here one that spoils its input."""

    @classmethod
    def solve(cls, instance: dict[str, list[int]], *, limit: float = 1.0) -> int:
        """Return the largest value."""
        instance["values"].append(10**6)
        if limit < 0:
            raise RuntimeError("limit")
        return max(instance["values"][:-1])


def test_solving(holder: Holder) -> None:
    """REC-06: the solution comes back; the caller's instance is untouched, the record as it was."""
    instance = {"values": [3, 5, 4]}
    assert holder.log_solve(Adapter, instance, limit=2.0) == 5
    assert instance == {"values": [3, 5, 4]}
    (solve,) = holder.solves
    assert isinstance(solve, Solve)
    assert solve.adapter == f"{__name__}.Adapter"
    assert solve.adapter_options == {"limit": 2.0}
    assert solve.input == instance
    assert solve.output == 5
    assert solve.status == "complete"
    assert solve.function == f"{__name__}.Adapter.solve"
    assert holder.calls == [solve]


def test_solving_by_keyword_and_by_an_object(holder: Holder) -> None:
    """REC-06: as the seed's signature has it; an object with ``solve`` will do."""
    assert holder.log_solve(adapter=Adapter(), instance={"values": [1]}) == 1
    assert holder.solves[0].adapter == f"{__name__}.Adapter"


def test_solving_that_fails(holder: Holder) -> None:
    """REC-06: recorded as failed with its input and options, and raised again."""
    with pytest.raises(RuntimeError, match="limit"):
        holder.log_solve(Adapter, {"values": [1]}, limit=-1.0)
    (solve,) = holder.solves
    assert (solve.status, solve.error, solve.output) == ("failed", "RuntimeError: limit", None)
    assert (solve.input, solve.adapter_options) == ({"values": [1]}, {"limit": -1.0})


def test_what_cannot_be_solved(holder: Holder) -> None:
    """REC-06: an adapter without ``solve``, an instance without a copy or a form."""
    for adapter, instance, said in [
        (object, {}, "no solve"),
        (Adapter, threading.Lock(), "cannot be copied"),
        (Adapter, Problem([1]), "cannot be stored"),
    ]:
        with pytest.raises(UsageError, match=said):
            holder.log_solve(adapter, instance)
    assert not holder.registry.exists()
