"""Taking one run of the queue (QUE-03): a compare-and-swap under the run's own lock.

The claim is the beginning of an attempt. The lock is held for the write alone, and never while the
run computes; what then tells others that the run is taken is its status and its living owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexp.errors import (
    CodeDriftError,
    InvalidTransitionError,
    NoCommandError,
    TooOftenLostError,
)
from aexp.model.canonical import Json
from aexp.model.status import is_terminal
from aexp.queue.add import template_of
from aexp.queue.group import end_group
from aexp.queue.records import MAX_LOST, QUEUE, is_owed, queue_block, times_lost, waits
from aexp.queue.template import render
from aexp.repo import Layout
from aexp.runs.code_state import CodeState, code_state
from aexp.runs.create import plan_run
from aexp.runs.transition import (
    begin_attempt,
    change_status,
    environment_of,
    refuse_owned,
)
from aexp.workspace.store import RunRecord, RunStore

SHELL: Final = ("/bin/sh", "-c")


@dataclass(frozen=True)
class Claim:
    """A run that this process owns now.

    Attributes:
        job_id: the run.
        attempt_id: the attempt that has begun.
        command: the shell command to run.
        drifted: whether the code is not the registered one, which was allowed.
    """

    job_id: str
    attempt_id: str
    command: str
    drifted: bool = False


def claim_run(
    layout: Layout,
    record: RunRecord,
    *,
    allow_drift: bool = False,
    by_name: bool = False,
    again: bool = False,
) -> Claim:
    """Begin an attempt of a queued run, unless somebody else has.

    Args:
        layout: the repository.
        record: the run as it was found.
        allow_drift: run it with another code than the registered one.
        by_name: somebody named this very run: one that failed or was cut off is tried again.
        again: with ``by_name``, a complete run and one that was removed or stopped too.

    Raises:
        CodeDriftError: the code differs from what was registered; the run stays queued.
        NoCommandError: it has no command; it stays queued.
        RunBusyError: a live process owns the run.
        InvalidTransitionError: it is not waiting any more, or its workers died too often.
        CorruptDataError, GitError, NotFoundError, StorageError: as
            :func:`~aexp.runs.transition.begin_attempt`.
    """
    store = RunStore(layout)
    code = code_state(layout)
    registered = registered_code(record)
    drifted = registered is not None and registered != code.statepoint_keys()
    if drifted and not allow_drift:
        raise CodeDriftError(_told(record.job_id, registered or {}, code))
    command = _command(layout, record)
    environment: dict[str, Json] = {
        **environment_of(code, [Path(SHELL[0]).name, SHELL[1], command]),
        **code.statepoint_keys(),  # what this attempt ran, whatever was registered
        **({"code_drift": True} if drifted else {}),
    }

    def claim(document: dict[str, Json]) -> dict[str, Json]:
        status = str(document.get("status") or "created")
        if by_name:
            _refuse_ended(record.job_id, status, document, again)
        elif status != "running" and not waits(document) and not is_owed(document):
            raise InvalidTransitionError(f"run {record.job_id} is {status}: it waits no more")
        elif status == "running" and times_lost(document) >= MAX_LOST - 1:
            refuse_owned(store, RunRecord(record.job_id, {}, document, store.workspace))
            raise TooOftenLostError(f"run {record.job_id} lost {MAX_LOST} workers in a row")
        block = {k: v for k, v in queue_block(document).items() if k != "again"}
        return {**document, QUEUE: block} if block else document

    attempt_id = begin_attempt(
        store, record.job_id, again=True, environment=environment, claim=claim
    )
    _end_orphans(store, record.job_id)
    return Claim(record.job_id, attempt_id, command, drifted)


def give_up(store: RunStore, job_id: str) -> None:
    """End a run whose workers died too often as abandoned/lost.

    Raises:
        InvalidTransitionError: it has ended meanwhile.
    """
    change_status(store, job_id, "abandoned", ended_by="lost", expect="running")


def registered_code(record: RunRecord) -> dict[str, Json] | None:
    """Return the state of the code that a run was registered with; None when none was."""
    block = queue_block(record.document).get("code")
    if isinstance(block, Mapping):
        return dict(block)
    found = {k: v for k, v in record.statepoint.items() if k.startswith("code_")}
    return found or None


def _command(layout: Layout, record: RunRecord) -> str:
    """Return the run's command: the one made when it was queued, else from the experiment now."""
    block = queue_block(record.document)
    known = block.get("command")
    if isinstance(known, str) and known:
        return known
    old = block.get("runner_command_override")  # 0.6.x freezes the template, not the command
    template = old if isinstance(old, str) and old else _template_now(layout, record)
    if not template:
        raise NoCommandError(
            f"run {record.job_id} has no command: {record.experiment_id or 'no experiment'} had no"
            " runner_command when it was queued, and has none now",
            hint="write runner_command into the experiment's file, or queue with --command",
        )
    return render(template, record.statepoint, record.job_id)


def _template_now(layout: Layout, record: RunRecord) -> str:
    if record.experiment_id is None:
        return ""
    plan = plan_run(
        layout, record.experiment_id, include_commit=False, resolve=False, missing="allow"
    )
    return template_of(plan)


def _refuse_ended(job_id: str, status: str, document: Mapping[str, Json], again: bool) -> None:
    by_operator = is_terminal(status) and document.get("ended_by") == "operator"
    if again or waits(document):
        return
    if status == "complete":
        raise InvalidTransitionError(f"run {job_id} is complete already", hint=_AGAIN)
    if by_operator:
        how = "removed from the queue" if status == "abandoned" else "stopped by an operator"
        raise InvalidTransitionError(f"run {job_id} was {how}", hint=_AGAIN)


_AGAIN: Final = "to run it all the same: aexp run-queued --again RUN"


def _told(job_id: str, registered: Mapping[str, Json], code: CodeState) -> str:
    now = describe_code(code.statepoint_keys())
    return f"run {job_id} was queued with {describe_code(registered)}, and the code is now {now}"


def describe_code(keys: Mapping[str, Json]) -> str:
    """Return a state of the code in a few words: ``commit 1a2b3c4d5e6f with changes 9f8e7d6c``."""
    commit = keys.get("code_commit")
    text = f"commit {str(commit)[:12]}" if commit else "no commit"
    diff = keys.get("code_diff")
    return f"{text} with changes {str(diff)[:12]}" if diff else text


def _end_orphans(store: RunStore, job_id: str) -> None:
    """End what a dead worker's command has left running: no run computes twice at once."""
    past = store.read_sound(job_id).document.get("attempts") or []
    last = past[-1] if past and isinstance(past[-1], Mapping) else {}
    claim = last.get("claim")
    if last.get("ended_by") == "lost" and isinstance(claim, Mapping):
        end_group(claim.get("process"), str(last.get("attempt_id")), grace_s=0.0)
