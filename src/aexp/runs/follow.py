"""Reading a run while it is going on: what it records, as it comes (REC-03)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from aexp.errors import CorruptDataError
from aexp.model.owner import Liveness
from aexp.model.status import is_terminal
from aexp.model.stream import AttachmentRecord, Header, Metric, Parameter, decode_record
from aexp.runs.transition import owner_state
from aexp.workspace.store import RunRecord, RunStore
from aexp.workspace.streams import stream_files

POLL_S: Final = 0.5
"""Seconds between two looks; a process hands over what it records once a second."""
_CHECK_OWNER_S: Final = 5.0


@dataclass(frozen=True)
class StatusChange:
    """A run has, or now has, this status.

    Attributes:
        status: as in model.md.
        attempt_id: the attempt it belongs to, None before the first.
        ended_by: how the run ended, None while it has not.
        is_gone: whether it says that it is running, and its process is gone.
    """

    status: str
    attempt_id: str | None
    ended_by: str | None = None
    is_gone: bool = False


Recorded = Metric | Parameter | AttachmentRecord
Event = StatusChange | Recorded


@dataclass
class _Tail:
    """The part of one stream that was not read yet."""

    path: Path
    offset: int = 0
    rest: bytes = b""
    is_damaged: bool = False

    def read(self) -> Iterator[Recorded]:
        """Yield the records of the lines that have been finished since."""
        if self.is_damaged:
            return
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            data = stream.read()
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            try:
                record = decode_record(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.is_damaged = True
                return
            if not isinstance(record, Header):
                yield record


@dataclass
class _Follower:
    store: RunStore
    job_id: str
    tails: dict[Path, _Tail] = field(default_factory=dict)

    def records(self, attempt_id: str | None) -> list[Recorded]:
        """Return what all processes of an attempt have recorded since the last call, by time."""
        if attempt_id is None:
            return []
        found: list[Recorded] = []
        for path in stream_files(self.store.folder(self.job_id), attempt_id):
            found += self.tails.setdefault(path, _Tail(path)).read()
        return sorted(found, key=lambda record: record.time)

    def document(self) -> RunRecord:
        return self.store.read_sound(self.job_id)


def follow(
    store: RunStore, job_id: str, *, wait: Callable[[], None] = lambda: time.sleep(POLL_S)
) -> Iterator[list[Event]]:
    """Yield what a run records until it ends, beginning with what it has recorded already.

    Args:
        store: where the run is.
        job_id: the run.
        wait: called between two looks.

    Yields:
        What is new, in order; an empty list when there is nothing.

    Raises:
        NotFoundError: the run is not here, or not any more.
        CorruptDataError: its files are damaged.
    """
    follower = _Follower(store, job_id)
    shown: StatusChange | None = None
    checked = 0.0
    while True:
        # The document is read first: what an ended run recorded was written before it.
        record = follower.document()
        new: list[Event] = []
        change = _change(record)
        if change != shown and not is_terminal(change.status):
            new.append(change)
        new += follower.records(change.attempt_id)
        shown = change
        if is_terminal(change.status):
            yield [*new, change]
            return
        if change.status == "running" and time.monotonic() - checked > _CHECK_OWNER_S:
            checked = time.monotonic()
            if _is_gone(store, record):
                yield [*new, StatusChange(change.status, change.attempt_id, is_gone=True)]
                return
        yield new
        wait()


def _change(record: RunRecord) -> StatusChange:
    attempt_id, ended_by = record.document.get("attempt_id"), record.document.get("ended_by")
    return StatusChange(
        record.status,
        attempt_id if isinstance(attempt_id, str) else None,
        ended_by if isinstance(ended_by, str) and is_terminal(record.status) else None,
    )


def _is_gone(store: RunStore, record: RunRecord) -> bool:
    """Return whether nobody will end the run; it may just have ended."""
    if owner_state(store, record)[0] is not Liveness.DEAD:
        return False
    try:
        return store.read_sound(record.job_id).document == record.document
    except CorruptDataError:
        return False
