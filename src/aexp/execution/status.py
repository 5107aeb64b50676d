"""Every change of an execution's state (EXE-13).

The state is read off the pair of run status and publication. Both stand in the run's document and
change in one durable write under the run's lock: of two processes that race, one is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aexp.clock import utc_now
from aexp.errors import InvalidTransitionError
from aexp.model.canonical import Json
from aexp.model.execution import (
    KEY,
    ExecutionStatus,
    check_execution_step,
    execution_status,
)
from aexp.model.owner import Owner
from aexp.model.status import is_terminal
from aexp.model.times import format_time
from aexp.process import this_process
from aexp.runs.code_state import head_facts
from aexp.runs.transition import (
    begin_attempt,
    ended_document,
    environment_of,
    is_lost,
    refuse_owned,
    write_and_promote,
)
from aexp.workspace.store import RunRecord, RunStore

_S = ExecutionStatus
LONGEST_MESSAGE: Final = 2_000
"""Characters of a message that are kept: it stands in the ledger entry."""

_HOW_IT_ENDS: Final[Mapping[ExecutionStatus, tuple[str, str]]] = {
    _S.Stopped: ("complete", "exit"),
    _S.Failed: ("failed", "exit"),
    _S.Pending_Upload: ("abandoned", "lost"),
    _S.Aborted: ("abandoned", "operator"),
}
"""How the run ends when an execution that has not ended goes on to a state."""

_PUBLICATION: Final[Mapping[ExecutionStatus, str]] = {
    _S.Pending_Upload: "pending_upload",
    _S.Uploaded: "uploaded",
    _S.Failed: "upload_failed",
    _S.Aborted: "withdrawn",
}
"""What becomes of the outputs when an execution that has ended goes on to a state."""


def change(
    store: RunStore,
    job_id: str,
    new: ExecutionStatus,
    *,
    message: str | None = None,
    error: Mapping[str, str] | None = None,
    facts: Mapping[str, Json] | None = None,
    expect: ExecutionStatus | None = None,
    force: bool = False,
) -> RunRecord:
    """Change the state of an execution, compare-and-swap; one durable write, then the entry.

    Args:
        store: where its run is.
        job_id: the execution.
        new: the state. Its own state changes the message only, and what ``facts`` has.
        message: what is shown beside the state; None leaves what is there, an empty one takes it
            away.
        error: ``type`` and ``message`` of what went wrong.
        facts: keys of the document for the same write, such as ``outputs``; of ``execution``, the
            members given are changed, and the others stay. None takes a key or member away.
        expect: the state that it must have now.
        force: also end what another live process runs.

    Raises:
        InvalidTransitionError: the table does not allow the step, or the execution is not as
            expected; nothing was changed.
        RunBusyError: another live process runs it.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    if new is _S.Running:
        seen = execution_status(store.read_sound(job_id).document)
        if seen is _S.Created and expect in (None, seen):
            begin(store, job_id, message=message, facts=facts)
            return store.read_sound(job_id)
    with store.lock(job_id):
        before = store.read_sound(job_id)
        current = execution_status(before.document)
        if expect is not None and current is not expect:
            raise InvalidTransitionError(
                f"execution {job_id} is {current.value}, not {expect.value}: another process"
                " changed it"
            )
        check_execution_step(current, new)
        document = before.document
        if new is not current:
            if not force:
                refuse_foreign(store, before)
            document = _stepped(store, before, current, new, error)
        document = _with_facts(document, message, facts)
        if document == before.document:
            return before
        if is_terminal(document.get("status")):
            return write_and_promote(store, before, document)
        # Nothing but a message: a power failure may bring the one before it back.
        store.write_document(job_id, document, flush="content")
        return RunRecord(job_id, before.statepoint, document, before.workspace)


def begin(
    store: RunStore,
    job_id: str,
    *,
    message: str | None = None,
    facts: Mapping[str, Json] | None = None,
) -> str:
    """Make this process the owner of an execution that is Created; return the attempt's id.

    Raises:
        InvalidTransitionError: it is not Created; nothing was changed.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """

    def claim(document: dict[str, Json]) -> dict[str, Json]:
        return _with_facts(only_created(document), message, facts)

    environment = environment_of(head_facts(store.layout))
    return begin_attempt(store, job_id, environment=environment, claim=claim)


def only_created(document: dict[str, Json]) -> dict[str, Json]:
    """Return the document of an execution that can begin.

    Raises:
        InvalidTransitionError: it began already: an execution is one attempt.
    """
    current = execution_status(document)
    check_execution_step(current, _S.Running)
    if current is not _S.Created:
        raise InvalidTransitionError(
            f"an execution that is {current.value} cannot begin again",
            hint="create another with repo.create_execution(), or publish what this one staged",
        )
    return document


def refuse_foreign(store: RunStore, record: RunRecord) -> None:
    """Refuse an execution that another live process runs.

    Raises:
        RunBusyError: one does, or one that gave a sign of life lately.
    """
    if record.status != "running":
        return
    if Owner.from_json(record.document.get("owner")) != this_process():
        refuse_owned(store, record)


def _stepped(
    store: RunStore,
    before: RunRecord,
    current: ExecutionStatus,
    new: ExecutionStatus,
    error: Mapping[str, str] | None,
) -> dict[str, Json]:
    """Return the document of an execution that went on from one state to another."""
    document = dict(before.document)
    known = dict(document.get(KEY) or {})
    known.pop("error", None)
    if current in (_S.Created, _S.Running):
        if new is _S.Pending_Upload:
            known["publication"] = "pending_upload"
            if not is_lost(before):
                document = _lost(store, before)
        else:
            status, ended_by = _HOW_IT_ENDS[new]
            document = ended_document(
                document, status, ended_by, error, utc_now(), set_ended_at=not is_lost(before)
            )
    else:
        known["publication"] = _PUBLICATION[new]
        if error:
            known["error"] = dict(error)
    if new is _S.Uploaded:
        known["published_at"] = format_time(utc_now())
    return {**document, KEY: known}


def _lost(store: RunStore, record: RunRecord) -> dict[str, Json]:
    """Return the document of a run whose process is gone: it ended when it was last seen."""
    owner = Owner.from_json(record.document.get("owner"))
    who = owner.describe() if owner is not None else "the process that ran it"
    problem = {"type": "Lost", "message": f"{who} ended without reporting"}
    seen = None if owner == this_process() else store.last_beat(record.job_id)
    ended = utc_now() if seen is None else datetime.fromtimestamp(seen, UTC)
    return ended_document(record.document, "abandoned", "lost", problem, ended)


def _with_facts(
    document: Mapping[str, Json], message: str | None, facts: Mapping[str, Json] | None
) -> dict[str, Json]:
    changed = dict(facts or {})
    members = dict(changed.pop(KEY, None) or {})
    known = dict(document.get(KEY) or {})
    if message is not None and message != known.get("message", ""):
        members["message"] = clipped(message, LONGEST_MESSAGE) or None
        members["message_at"] = format_time(utc_now()) if message else None
    return _merged(document, {**changed, KEY: _merged(known, members)})


def _merged(known: Mapping[str, Json], changes: Mapping[str, Json]) -> dict[str, Json]:
    kept = {key: value for key, value in known.items() if key not in changes}
    return kept | {key: value for key, value in changes.items() if value is not None}


def clipped(text: str, longest: int) -> str:
    """Return text of at most so many characters that UTF-8 can hold; of longer, the beginning."""
    plain = str(text).encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
