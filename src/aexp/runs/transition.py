"""Every change of a run's status (model.md's table; RUN-02 … RUN-04).

A change is compare-and-swap under the run's lock. A terminal change writes the status, the end
and the promotion's stamp in one durable write, and then promotes.
"""

from __future__ import annotations

import contextlib
import platform
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Final

import aexp
from aexp import settings
from aexp.clock import utc_now
from aexp.errors import AexpError, InvalidTransitionError, RunBusyError
from aexp.ledger.pending import clear_pending, mark_pending
from aexp.ledger.promote import home_layout, prepare, with_stamps, write_prepared
from aexp.ledger.retract import retracted_facts
from aexp.model.canonical import Json
from aexp.model.execution import KEY as EXECUTION
from aexp.model.owner import Liveness, Owner, proven_dead_by_restart
from aexp.model.status import (
    DEFAULT_ENDED_BY,
    check_ended_by,
    check_status,
    check_transition,
    is_terminal,
)
from aexp.model.times import format_time, parse_time, seconds_between
from aexp.process import liveness, this_process
from aexp.repo import Layout
from aexp.runs.code_state import HeadFacts
from aexp.runs.slurm import job_is_gone
from aexp.workspace.store import RunRecord, RunStore

ATTEMPT_KEYS: Final = (
    "attempt_id", "status", "ended_by", "error", "started_at", "ended_at", "wallclock_s",
    "owner", "tracker", "params", "tags", "note", "attachments", "inputs", "outputs", "workflow",
    "environment", "sweep", "execution", "sealed", "registry_error", "claim", "output_tail",
)  # fmt: skip
"""What belongs to one attempt and moves to ``attempts`` when the next begins."""

_KEPT_BY_NEXT: Final = ("tags", "note", "tracker")
STALE_HEARTBEAT_S: Final = 600.0
"""A run of another host whose owner gave no sign for this long may be taken over (RUN-06)."""


def new_attempt_id() -> str:
    """Return a new random attempt id."""
    return secrets.token_hex(8)


def environment_of(code: HeadFacts | None, command: list[str] | None = None) -> dict[str, Json]:
    """Return what is recorded of the environment of an attempt."""
    facts: dict[str, Json] = {
        "aexp": aexp.__version__,
        **_interpreter(),
    }
    if code is not None and code.tree:
        facts["code_tree"] = code.tree
    if code is not None and code.shallow:
        facts["shallow"] = True
    if command:
        facts["command"] = command
    facts.update(slurm_facts())
    return facts


def slurm_facts() -> dict[str, Json]:
    """Return which job and step of Slurm this is, and which start of it; nothing elsewhere."""
    slurm = settings.scheduler_environment()
    if not slurm.job_id:
        return {}
    facts: dict[str, Json] = {"slurm_job": slurm.job_id}
    if slurm.step_id:
        facts["slurm_step"] = slurm.step_id
    if slurm.restart_count:
        facts["slurm_restart"] = slurm.restart_count
    return facts


@cache
def _interpreter() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(aliased=True, terse=True),
    }


def owner_state(store: RunStore, record: RunRecord) -> tuple[Liveness, Owner | None]:
    """Return whether the owner of a running run lives, and who it is.

    A process that cannot be judged from here counts by what Slurm says of its job, and else by
    its heartbeat.
    """
    owner = Owner.from_json(record.document.get("owner"))
    if owner is not None:
        judged = liveness(owner)
        if judged is not Liveness.UNKNOWN:
            return judged, owner
        if proven_dead_by_restart(owner, this_process()) or job_is_gone(owner):
            return Liveness.DEAD, owner
    beat = store.last_beat(record.job_id)
    for key in ("heartbeat_at", "started_at"):
        moment = parse_time(record.document.get(key))
        if moment is not None:
            beat = max(beat or 0.0, moment.timestamp())
    if beat is not None and utc_now().timestamp() - beat < STALE_HEARTBEAT_S:
        return Liveness.UNKNOWN, owner
    return Liveness.DEAD, owner


def begin_attempt(
    store: RunStore,
    job_id: str,
    *,
    again: bool = False,
    environment: Mapping[str, Json] | None = None,
    sweep: Mapping[str, Json] | None = None,
    claim: Callable[[dict[str, Json]], dict[str, Json]] | None = None,
) -> str:
    """Make this process the owner of a run and set it running; return the attempt's id.

    A run that failed, was stopped or abandoned gets a new attempt, its earlier outcome kept; a
    complete one only with ``again``. A running one whose owner is gone is ended as
    abandoned/lost first.

    Args:
        store: where the run is.
        job_id: the run.
        again: begin another attempt of a complete run.
        environment: what is recorded of the attempt's environment.
        sweep: the sweep whose point this is, and which.
        claim: given the document under the run's lock, before anything is judged, it raises to
            refuse the run, or returns the document as it should be.

    Raises:
        RunBusyError: a live process owns the run.
        InvalidTransitionError: the run is complete and ``again`` was not given, or it is an
            execution that began already.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    attempt_id = new_attempt_id()

    def change(document: dict[str, Json]) -> dict[str, Json]:
        if claim is not None:
            document = claim(document)
        record = RunRecord(job_id, {}, document, store.workspace)
        if record.status == "running":
            refuse_owned(store, record)
            document = ended_document(document, "abandoned", "lost", None, utc_now())
        if record.status == "complete" and not again:
            raise InvalidTransitionError(
                f"run {job_id} is complete already", hint="record a new attempt with --again"
            )
        if is_terminal(document.get("status")):
            _refuse_execution(job_id, document)
            document = _shelve(document)
        document.update(
            status="running",
            attempt_id=attempt_id,
            started_at=format_time(utc_now()),
            owner=this_process().to_json(),
        )
        if environment:
            document["environment"] = dict(environment)
        if sweep:
            document["sweep"] = dict(sweep)
        return document

    # A power failure may take the name: the run then is what it was before, which is as well.
    store.update(job_id, change, flush="content")
    store.beat(job_id)
    say_if_retracted(store.layout, job_id)
    return attempt_id


def say_if_retracted(layout: Layout, job_id: str) -> None:
    """Say on standard error that what a run records does not count any more (LED-12)."""
    facts = retracted_facts(layout, job_id)
    if facts is None:
        return
    say_line(
        f"[aexp ledger] run {job_id} was retracted on {facts.get('at', '')[:10]}:"
        f" {facts.get('reason', '')}; what it records stays on this machine"
        " (another state point is another run)"
    )


def refuse_owned(store: RunStore, record: RunRecord) -> None:
    """Refuse a running run unless its process is known to be gone.

    Raises:
        RunBusyError: a live process owns it, or one that gave a sign of life lately.
    """
    state, owner = owner_state(store, record)
    if state is Liveness.DEAD:
        return
    who = owner.describe() if owner is not None else "an unknown process"
    doubt = "" if state is Liveness.ALIVE else ", which gave a sign of life a short while ago"
    raise RunBusyError(
        f"run {record.job_id} is running in {who}{doubt}",
        hint="wait for it, stop it, or see `aexp recover`",
    )


def _refuse_execution(job_id: str, document: Mapping[str, Json]) -> None:
    """Refuse a new attempt of an execution: what it published belongs to the one it had."""
    known = document.get(EXECUTION)
    if isinstance(known, Mapping) and "publication" in known:
        raise InvalidTransitionError(
            f"run {job_id} is an execution, which has one attempt", hint="create another execution"
        )


def _shelve(document: dict[str, Json]) -> dict[str, Json]:
    """Move the ended attempt to ``attempts``, so that the next can begin."""
    past = {key: document[key] for key in ATTEMPT_KEYS if key in document}
    result = {k: v for k, v in document.items() if k not in ATTEMPT_KEYS or k in _KEPT_BY_NEXT}
    result["attempts"] = [*(document.get("attempts") or []), past]
    return result


def ended_document(
    document: Mapping[str, Json],
    status: str,
    ended_by: str,
    error: Mapping[str, str] | None,
    now: datetime,
    *,
    set_ended_at: bool = True,
) -> dict[str, Json]:
    """Return the document as it is when its attempt has ended.

    Args:
        document: of a run that goes on, or that was given up as lost.
        status: the terminal status.
        ended_by: how it ended.
        error: ``type`` and ``message`` of what went wrong.
        now: the end.
        set_ended_at: write ``ended_at`` and ``wallclock_s`` too.
    """
    result = {k: v for k, v in document.items() if k not in ("error", "owner")}
    result.update(status=status, ended_by=ended_by)
    result.setdefault("attempt_id", new_attempt_id())
    if error:
        result["error"] = dict(error)
    if set_ended_at:
        result["ended_at"] = format_time(now)
        seconds = seconds_between(document.get("started_at"), now)
        if seconds is not None:
            result["wallclock_s"] = seconds
    return result


def is_lost(record: RunRecord) -> bool:
    """Return whether a run was given up because nobody saw its process end."""
    return record.status == "abandoned" and record.document.get("ended_by") == "lost"


def ends_with(record: RunRecord, status: str) -> bool:
    """Return whether a run ends when its owner closes it: it goes on, or was given up wrongly."""
    return not is_terminal(record.status) or (is_lost(record) and status != record.status)


def change_status(
    store: RunStore,
    job_id: str,
    status: str,
    *,
    ended_by: str | None = None,
    error: Mapping[str, str] | None = None,
    set_ended_at: bool = True,
    attempt_id: str | None = None,
    expect: str | None = None,
) -> RunRecord:
    """Change a run's status and, when it ends by that, promote it (RUN-03).

    Args:
        store: where the run is.
        job_id: the run.
        status: the new status.
        ended_by: how it ended; by default what fits the status.
        error: ``type`` and ``message`` of what went wrong.
        set_ended_at: write ``ended_at`` and ``wallclock_s`` too.
        attempt_id: the attempt the caller owns: it may still end what was given up as lost, and
            is refused when another attempt has begun since.
        expect: the status the run must have now (compare-and-swap).

    Raises:
        InvalidTransitionError: the table does not allow it, or the run changed meanwhile;
            nothing was changed.
        UsageError: ``status`` or ``ended_by`` is none.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    check_status(status)
    if is_terminal(status):
        ended_by = ended_by or DEFAULT_ENDED_BY[status]
        check_ended_by(status, ended_by)
    with store.lock(job_id):
        record = store.read_sound(job_id)
        document = dict(record.document)
        _check(record, status, attempt_id, expect)
        if record.status == status:
            return record
        if not is_terminal(status):
            document["status"] = status
            store.write_document(job_id, document)
            return store.read(job_id)
        if record.status == "abandoned":
            document.pop("ended_at", None)
        document = ended_document(
            document, status, str(ended_by), error, utc_now(), set_ended_at=set_ended_at
        )
        return write_and_promote(store, record, document)


def finish_attempt(
    store: RunStore,
    job_id: str,
    attempt_id: str,
    status: str,
    ended_by: str,
    error: Mapping[str, str] | None,
    *,
    now: datetime,
    facts: Mapping[str, Json],
) -> RunRecord:
    """End an attempt that the caller owns, and promote it.

    A terminal status that it has already is kept (trap 7), unless it was given up as lost; it
    only gets ``facts`` then.

    Args:
        store: where the run is.
        job_id: the run.
        attempt_id: the attempt.
        status: the terminal status.
        ended_by: how it ended.
        error: ``type`` and ``message`` of what went wrong.
        now: the end.
        facts: more for the document; what is None in it is removed there.

    Raises:
        InvalidTransitionError: another attempt has begun meanwhile; nothing was changed.
        UsageError: ``status`` or ``ended_by`` is none.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    check_ended_by(check_status(status), ended_by)
    with store.lock(job_id):
        record = store.read_sound(job_id)
        document = dict(record.document)
        if document.get("attempt_id") != attempt_id:
            raise InvalidTransitionError(f"run {job_id} has begun another attempt meanwhile")
        if ends_with(record, status):
            document = ended_document(document, status, ended_by, error, now)
        document.update(facts)
        for key in [key for key, value in facts.items() if value is None]:
            del document[key]
        return write_and_promote(store, record, document)


def _check(record: RunRecord, status: str, attempt_id: str | None, expect: str | None) -> None:
    if expect is not None and record.status != expect:
        raise InvalidTransitionError(
            f"run {record.job_id} is {record.status}, not {expect}: another process changed it"
        )
    current = record.document.get("attempt_id")
    if attempt_id is not None and current != attempt_id:
        raise InvalidTransitionError(f"run {record.job_id} has begun another attempt meanwhile")
    check_transition(
        record.status,
        status,
        ended_by=str(record.document.get("ended_by")),
        by_owner=attempt_id is not None,
    )


def write_and_promote(store: RunStore, before: RunRecord, document: dict[str, Json]) -> RunRecord:
    """Write the document of an ended run in one durable write, then the entry.

    The caller holds the run's lock. A promotion that fails is said once, and remembered (RUN-04).

    Raises:
        StorageError: the disk refused the document; nothing was changed.
    """
    record = RunRecord(before.job_id, before.statepoint, document, before.workspace)
    target: Layout | None = None
    prepared = None
    failure: Exception | None = None
    try:
        target = home_layout(store.layout, record)
        mark_pending(target, record.job_id)
        prepared = prepare(target, record)
        document = with_stamps(document, prepared)
    except (AexpError, OSError, ValueError, TypeError, KeyError) as error:
        failure = error
    store.write_document(record.job_id, document)
    record = RunRecord(before.job_id, before.statepoint, document, before.workspace)
    try:
        if target is not None and prepared is not None:
            # The document is durable and has the stamp: an entry whose name is lost with the
            # power is written again by backfill, with the same bytes.
            write_prepared(target, record, prepared, flush="content")
            clear_pending(target, record.job_id)
    except (AexpError, OSError) as error:
        failure = error
    if failure is not None:
        remember_failure(store, record, failure)
    return record


def remember_failure(store: RunStore, record: RunRecord, error: Exception) -> None:
    """Say once on standard error that promotion failed, and remember it (RUN-04).

    The caller holds the run's lock.
    """
    reason = one_line_of(error, store.layout)
    say_line(f"[aexp ledger] promote_to_ledger failed for {record.job_id}: {reason}")
    remembered = {**record.document, "ledger_error": {"at": time.time(), "reason": reason}}
    with contextlib.suppress(AexpError, OSError):
        store.write_document(record.job_id, remembered)


def one_line_of(error: Exception, layout: Layout) -> str:
    """Return what an error says, on one line and with paths relative to the root."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return reason.replace(f"{layout.root}/", "")


def say_line(line: str) -> None:
    """Say one line on standard error: what went wrong beside a run, which goes on (RUN-04)."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
