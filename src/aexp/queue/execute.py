"""Running the command of a claimed run to its end (QUE-01, QUE-03, QUE-04)."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from aexp import settings
from aexp.clock import utc_now
from aexp.errors import AexpError
from aexp.model.canonical import Json
from aexp.model.times import format_time, parse_time
from aexp.process import CommandOutcome, describe_process, run_command
from aexp.queue.claim import SHELL, Claim
from aexp.queue.group import end_group
from aexp.repo import Layout
from aexp.runs.closing import close_attempt, log_file
from aexp.runs.lifecycle import HEARTBEAT_S, Terminated, how_it_ended, sigterm_as_exception
from aexp.runs.wrap import how_command_ended
from aexp.storage.ticker import ticker
from aexp.workspace.store import RunRecord, RunStore

TAIL_BYTES: Final = 2048
"""So much of a failed run's output is kept in its document (QUE-04)."""
REST_GRACE_S: Final = 5.0
"""How long the background processes of a stopped command have to end by themselves."""


@dataclass(frozen=True)
class Ran:
    """A run that a worker has brought to its end.

    Attributes:
        job_id: the run.
        status: its status.
        exit_code: of its command, as a shell shows it.
        interrupted: the signal that reached this process meanwhile, or None.
        log: where its output is.
        tail: the last of its output when it did not complete.
        log_error: why the log is not whole, or None.
    """

    job_id: str
    status: str
    exit_code: int
    interrupted: int | None
    log: Path
    tail: str = ""
    log_error: str | None = None


def execute(layout: Layout, claim: Claim) -> Ran:
    """Run a claimed run's command in a process group of its own, and record how it ended.

    It runs in the root of the work tree, through ``/bin/sh``, with ``AEXP_JOB_ID`` and the others
    set. No lock is held meanwhile.

    Args:
        layout: the repository.
        claim: what :func:`~aexp.queue.claim.claim_run` gave this process.

    Raises:
        NotFoundError: there is no shell; the run has failed.
        StorageError: the log or the document cannot be written.
        InvalidTransitionError: another attempt has begun meanwhile.
    """
    store = RunStore(layout)
    log = log_file(store.folder(claim.job_id), claim.attempt_id)
    status, ended_by, problem = "failed", "exception", None
    stop_beats = ticker.add(HEARTBEAT_S, partial(store.beat, claim.job_id))
    tail = ""
    try:
        with sigterm_as_exception():
            outcome = _run(layout, store, claim, log)
        ended_at = utc_now()
        status, ended_by, problem = how_command_ended([*SHELL, claim.command], outcome)
        if _was_stopped(store, claim, format_time(ended_at)):
            status, ended_by = "stopped", "operator"
            problem = problem or {"type": "Exit", "message": "the command exited with 0"}
        if status == "stopped":
            _end_the_rest(store, claim)
    except BaseException as error:
        status, ended_by, problem = how_it_ended(error)
        if isinstance(error, Terminated):
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        stop_beats()
        if status != "complete":
            tail = read_tail(log)
            _keep_tail(store, claim, tail)
        close_attempt(store, claim.job_id, claim.attempt_id, status, ended_by, problem, logs=[log])
    code = outcome.returncode if outcome.returncode >= 0 else 128 - outcome.returncode
    after = store.read_sound(claim.job_id).status
    return Ran(claim.job_id, after, code, outcome.forwarded, log, tail, outcome.log_error)


def _run(layout: Layout, store: RunStore, claim: Claim, log: Path) -> CommandOutcome:
    told = settings.RunEnvironment(claim.job_id, str(store.folder(claim.job_id)), claim.attempt_id)
    return run_command(
        [*SHELL, claim.command],
        environ=told.as_environ(),
        log=log,
        cwd=layout.root,
        on_start=lambda pid: _note_process(store, claim, pid),
        own_group=True,
    )


def _note_process(store: RunStore, claim: Claim, pid: int) -> None:
    """Write down the leader of the run's process group, for whoever stops or inherits it."""
    leader = describe_process(pid).to_json()

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        if document.get("attempt_id") != claim.attempt_id:
            return None
        known = document.get("claim")  # a request to stop may be there before
        claimed = dict(known) if isinstance(known, Mapping) else {}
        return {**document, "claim": {**claimed, "process": leader}}

    store.update(claim.job_id, change, flush="content")


def _end_the_rest(store: RunStore, claim: Claim) -> None:
    """End what a stopped command has left behind: background processes ignore a Ctrl-C."""
    noted = store.read_sound(claim.job_id).document.get("claim")
    if isinstance(noted, Mapping):
        end_group(noted.get("process"), claim.attempt_id, grace_s=REST_GRACE_S)


def _was_stopped(store: RunStore, claim: Claim, ended_at: str) -> bool:
    """Return whether somebody asked for the end of this attempt before it came."""
    document = store.read_sound(claim.job_id).document
    noted = document.get("claim")
    asked = parse_time(noted.get("stop_at")) if isinstance(noted, Mapping) else None
    end = parse_time(ended_at)
    return asked is not None and end is not None and asked <= end


def read_tail(log: Path, size: int = TAIL_BYTES) -> str:
    """Return the last ``size`` bytes of a log as text, empty when it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            begin = max(0, stream.tell() - size)
            stream.seek(begin)
            data = stream.read(size)
    except OSError:
        return ""
    while begin and data and data[0] & 0xC0 == 0x80:  # the rest of a character that was cut
        data = data[1:]
    return data.decode("utf-8", "replace")


def _keep_tail(store: RunStore, claim: Claim, tail: str) -> None:
    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        if not tail or document.get("attempt_id") != claim.attempt_id:
            return None
        return {**document, "output_tail": tail}

    try:
        store.update(claim.job_id, change, flush="content")
    except (AexpError, OSError):
        return  # the run's end matters more, and its log has all of it


def failed_output(record: RunRecord) -> str:
    """Return the last output of a run that did not complete; empty when there is none."""
    found = record.document.get("output_tail")
    return found if isinstance(found, str) else ""
