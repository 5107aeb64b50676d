"""Stopping a running run of the queue (QUE-01).

The request is written into the run's document first. Then its processes get SIGTERM and, after a
while, SIGKILL; its worker sees the request, records how the run ended, and goes on with the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aexp.clock import utc_now
from aexp.errors import InvalidTransitionError, RunBusyError
from aexp.model.canonical import Json
from aexp.model.owner import Liveness, Owner
from aexp.model.status import is_terminal
from aexp.model.times import format_time
from aexp.process import this_process
from aexp.queue.group import end_group, is_here
from aexp.queue.records import queue_block
from aexp.repo import Layout
from aexp.runs.closing import close_attempt, log_file
from aexp.runs.transition import owner_state
from aexp.workspace.store import RunRecord, RunStore

GRACE_S: Final = 10.0
RECORDED_S: Final = 20.0
"""How long the worker may take to record the end of what was stopped."""
_POLL_S: Final = 0.05


@dataclass(frozen=True)
class Stopped:
    """A run after it was stopped.

    Attributes:
        job_id: the run.
        status: its status: ``stopped``, or ``complete`` when it was quicker.
        ended_by: how it ended.
        was_lost: whether its worker was gone already.
    """

    job_id: str
    status: str
    ended_by: str
    was_lost: bool = False


def stop_run(layout: Layout, job_id: str, *, grace_s: float = GRACE_S) -> Stopped:
    """Stop a run that the queue has running on this machine.

    Host, boot, process id and start time of what is signalled are those that were recorded; a
    later process of the same number is never touched.

    Args:
        layout: the repository.
        job_id: the run.
        grace_s: seconds between SIGTERM and SIGKILL; 0 kills at once.

    Raises:
        InvalidTransitionError: it has ended (trap 5), or is not running.
        RunBusyError: it is running on another host, was not started by the queue, or its worker
            does not record the end.
        NotFoundError, CorruptDataError, StorageError: it cannot be read or written.
    """
    store = RunStore(layout)
    record = store.read_sound(job_id)
    _refuse_unless_running(record)
    state, owner = owner_state(store, record)
    _refuse_elsewhere(record, state, owner)
    attempt_id = str(record.document.get("attempt_id"))
    _ask(store, job_id, attempt_id)
    if state is Liveness.DEAD:
        return _close_for_dead(store, job_id, attempt_id, grace_s)
    deadline = time.monotonic() + max(grace_s, 0.0) + RECORDED_S
    while time.monotonic() < deadline:
        now = store.read_sound(job_id)
        if now.document.get("attempt_id") != attempt_id or now.status != "running":
            return Stopped(job_id, now.status, str(now.document.get("ended_by") or ""))
        if owner_state(store, now)[0] is Liveness.DEAD:
            return _close_for_dead(store, job_id, attempt_id, grace_s)
        end_group(_process(now), attempt_id, grace_s=grace_s)
        time.sleep(_POLL_S)
    who = owner.describe() if owner is not None else "its worker"
    raise RunBusyError(
        f"run {job_id} was told to stop, but {who} has not recorded its end",
        hint="see what that process does; when it is gone, `aexp recover --apply` ends the run",
    )


def _refuse_unless_running(record: RunRecord) -> None:
    if is_terminal(record.status):
        raise InvalidTransitionError(
            f"run {record.job_id} is {record.status}: what has ended stays as it is"
        )
    if record.status != "running":
        hint = "take it out of the queue: `aexp queue remove`"
        raise InvalidTransitionError(
            f"run {record.job_id} is {record.status}, not running",
            hint=hint if record.status == "queued" else None,
        )


def _refuse_elsewhere(record: RunRecord, state: Liveness, owner: Owner | None) -> None:
    if owner is not None and state is not Liveness.DEAD and not is_here(owner):
        here = this_process().host
        where = f"on {owner.host}" if owner.host != here else "in another container or boot"
        raise RunBusyError(
            f"run {record.job_id} is running in {owner.describe()}, which cannot be stopped"
            " from here",
            hint=f"stop it {where}, or through its scheduler",
        )
    if not queue_block(record.document):
        who = owner.describe() if owner is not None else "a process"
        raise RunBusyError(
            f"run {record.job_id} was not started by the queue, but by {who}",
            hint="end that process, and the run ends with it",
        )


def _ask(store: RunStore, job_id: str, attempt_id: str) -> None:
    """Write down that this attempt is to end."""

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        if document.get("attempt_id") != attempt_id or document.get("status") != "running":
            return None
        known = document.get("claim")
        claim = dict(known) if isinstance(known, Mapping) else {}
        return {**document, "claim": {**claim, "stop_at": format_time(utc_now())}}

    store.update(job_id, change, flush="content")


def _process(record: RunRecord) -> Json:
    claim = record.document.get("claim")
    return claim.get("process") if isinstance(claim, Mapping) else None


def _close_for_dead(store: RunStore, job_id: str, attempt_id: str, grace_s: float) -> Stopped:
    """End a run whose worker is gone: what still runs of it is stopped, and it is recorded."""
    had_processes = end_group(_process(store.read_sound(job_id)), attempt_id, grace_s=grace_s)
    how = ("stopped" if had_processes else "abandoned", "operator")
    log = log_file(store.folder(job_id), attempt_id)
    close_attempt(store, job_id, attempt_id, *how, None, logs=[log])
    after = store.read_sound(job_id)
    return Stopped(job_id, after.status, str(after.document.get("ended_by") or ""), was_lost=True)
