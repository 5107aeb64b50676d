"""Recorded calls as they are read back (REC-06, ``docs/format/call.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, decode_json
from aexp.recording.calls import CALL, VERSION

if TYPE_CHECKING:
    from aexp.recording.reading import Readable


@dataclass(frozen=True)
class Call:
    """One recorded call.

    Attributes:
        number: counts the calls of a run or a session, from 0.
        function: what was called, as ``module.name``.
        options: its keyword arguments, as they could be stored.
        status: ``complete``, ``failed`` or ``stopped`` (by a person or a signal), as of a run.
        error: ``Type: message`` of what it raised, None when it returned.
        started_at: when it began, in UTC.
        duration_s: seconds it took.
        library: name and version of the package it comes from, None when that is not known.
    """

    number: int
    function: str
    options: Mapping[str, Json]
    status: str
    error: str | None
    started_at: str
    duration_s: float
    library: Mapping[str, str] | None
    _owner: Readable = field(repr=False, compare=False)
    _inputs: Sequence[Attachment] = field(repr=False)
    _output: Attachment | None = field(repr=False)

    @property
    def inputs(self) -> tuple[object, ...]:
        """What went in, as it was before the call, decoded by its media types."""
        return tuple(self._owner._decoded(item) for item in self._inputs)

    @property
    def input(self) -> object:
        """What went in: the argument, a tuple when there were several, None without any."""
        found = self.inputs
        return found[0] if len(found) == 1 else found or None

    @property
    def output(self) -> object:
        """What the call returned, decoded; None when it returned nothing or raised."""
        return None if self._output is None else self._owner._decoded(self._output)


@dataclass(frozen=True)
class Solve(Call):
    """A call that ``log_solve`` recorded.

    Attributes:
        adapter: the adapter's class, as ``module.name``.
    """

    adapter: str = ""

    @property
    def adapter_options(self) -> Mapping[str, Json]:
        """The keyword arguments that the adapter got."""
        return self.options


def calls_of(owner: Readable) -> list[Call]:
    """Return the recorded calls of a run or a session, in order.

    Raises:
        NotFoundError: the bytes of a record are not here.
        CorruptDataError: a record is damaged.
    """
    records = [item for item in owner._attachments().values() if item.media_type == CALL]
    calls = [_call(owner, item) for item in records if item.name.startswith("calls/")]
    return sorted(calls, key=lambda call: (call.number, call.started_at))


def _call(owner: Readable, record: Attachment) -> Call:
    try:
        value = decode_json(owner._registry().read(record.digest))
    except ValueError as error:
        raise _damaged(record, str(error)) from None
    if not isinstance(value, dict) or not isinstance(value.get("version"), int):
        raise _damaged(record, "it is no record of a call")
    if value["version"] > VERSION:
        raise NewerSchemaError(f"{record.name} has call record version {value['version']}")
    try:
        output = value.get("output")
        fields: dict[str, Any] = {
            "number": int(value["number"]),
            "function": str(value["function"]),
            "options": dict(value["options"]),
            "status": str(value["status"]),
            "error": value.get("error"),
            "started_at": str(value["started_at"]),
            "duration_s": float(value["duration_s"]),
            "library": value.get("library"),
            "_owner": owner,
            "_inputs": [_attachment(record, item) for item in value["inputs"]],
            "_output": None if output is None else _attachment(record, output),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(record, f"{type(error).__name__}: {error}") from None
    adapter = value.get("adapter")
    return Call(**fields) if adapter is None else Solve(**fields, adapter=str(adapter))


def _attachment(record: Attachment, value: object) -> Attachment:
    found = Attachment.from_json(value)
    if found is None:
        raise _damaged(record, "an input or output is no attachment")
    return found


def _damaged(record: Attachment, reason: str) -> CorruptDataError:
    return CorruptDataError(f"{record.name} is damaged: {reason}")
