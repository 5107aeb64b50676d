"""``aexp run -- CMD``: any command as a run (RUN-05)."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from aexp import settings
from aexp.errors import AexpError, LockTimeoutError, NotFoundError
from aexp.process import CommandOutcome, run_command
from aexp.repo import Layout
from aexp.runs.closing import LOGS_DIR, close_attempt, log_file
from aexp.runs.code_state import head_facts
from aexp.runs.create import create
from aexp.runs.lifecycle import HEARTBEAT_S, how_it_ended
from aexp.runs.transition import begin_attempt, environment_of, say_if_retracted, slurm_facts
from aexp.storage.ticker import ticker
from aexp.workspace.active import ActiveAttempt
from aexp.workspace.store import RunRecord, RunStore

ATTACH_TIMEOUT_S = 120.0


class WrapResult(StrEnum):
    """What became of ``aexp run``."""

    RAN = "ran"
    COMPLETE_ALREADY = "complete already"
    ATTACHED = "attached"


@dataclass(frozen=True)
class Wrapped:
    """The result of wrapping a command.

    Attributes:
        result: whether the command was run.
        job_id: the run.
        exit_code: what ``aexp run`` exits with.
        status: the run's status afterwards.
        log: the log, or None when the command was not run by this process as owner.
        undeclared: dotted state point keys that hold paths of this machine.
        log_error: why the log is not whole, or None.
    """

    result: WrapResult
    job_id: str
    exit_code: int
    status: str
    log: Path | None = None
    undeclared: tuple[str, ...] = ()
    log_error: str | None = None


def run_wrapped(
    layout: Layout,
    command: Sequence[str],
    *,
    experiment_id: str | None,
    statepoint: Mapping[str, object],
    again: bool = False,
    allow_missing: bool = False,
    include_commit: bool = True,
) -> Wrapped:
    """Run ``command`` as one attempt of the run of ``statepoint``.

    Args:
        layout: the repository.
        command: program and arguments.
        experiment_id: such as ``E001``, or None for an unlinked run.
        statepoint: the identity parameters. Without any, the command line itself is one, so that
            two commands are two runs.
        again: record a new attempt of a complete run.
        allow_missing: accept an experiment without a file.
        include_commit: put the state of the code into the state point.

    Raises:
        NotFoundError: there is no such experiment or program.
        RunBusyError: a live process owns the run.
        UsageError, UnsafeValueError, GitError, StorageError: as :func:`create`.
    """
    point = dict(statepoint) or {"command": shlex.join(command)}
    made = create(
        layout,
        experiment_id,
        point,
        include_commit=include_commit,
        missing="allow" if allow_missing else "refuse",
        durable=False,
    )
    store = RunStore(layout)
    if settings.process_rank() > 0:
        return _attach(store, made.job_id, command)
    record = store.read_sound(made.job_id)
    if record.status == "complete" and not again:
        say_if_retracted(layout, made.job_id)
        return Wrapped(WrapResult.COMPLETE_ALREADY, made.job_id, 0, "complete")
    code = head_facts(layout) if include_commit else None
    attempt_id = begin_attempt(
        store, made.job_id, again=again, environment=environment_of(code, list(command))
    )
    log = log_file(store.folder(made.job_id), attempt_id)
    outcome = run_as_owner(store, made.job_id, attempt_id, command, log)
    after = store.read_sound(made.job_id)
    return Wrapped(
        WrapResult.RAN,
        made.job_id,
        _exit_code(outcome),
        after.status,
        log,
        made.undeclared,
        outcome.log_error,
    )


def run_as_owner(
    store: RunStore,
    job_id: str,
    attempt_id: str,
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    attempt: ActiveAttempt | None = None,
    on_success: Callable[[], None] | None = None,
) -> CommandOutcome:
    """Run ``command`` in an attempt that this process has begun, and close the attempt.

    Args:
        store: where the run is.
        job_id: the run.
        attempt_id: the attempt.
        command: program and arguments.
        log: where its output is kept.
        cwd: its working directory.
        environ: more variables for it than those that name the run.
        attempt: what this process records into, to be closed as well.
        on_success: called when the command has exited with 0, before the attempt is closed; what
            it raises makes the attempt a failed one.

    Raises:
        NotFoundError: there is no such program.
        StorageError: as :func:`close_attempt`.
    """
    stop = ticker.add(HEARTBEAT_S, partial(store.beat, job_id))
    status, ended_by, problem = "failed", "exception", None
    try:
        outcome = run_command(
            command,
            environ={**(environ or {}), **_environ(store, job_id, attempt_id).as_environ()},
            log=log,
            cwd=cwd,
        )
        if outcome.returncode == 0 and on_success is not None:
            on_success()
        status, ended_by, problem = how_command_ended(command, outcome)
        return outcome
    except NotFoundError as error:
        problem = {"type": "NotFoundError", "message": error.message}
        raise
    except BaseException as error:
        status, ended_by, problem = how_it_ended(error)
        raise
    finally:
        stop()
        close_attempt(
            store, job_id, attempt_id, status, ended_by, problem, attempt=attempt, logs=[log]
        )


def how_command_ended(
    command: Sequence[str], outcome: CommandOutcome
) -> tuple[str, str, dict[str, str] | None]:
    """Return status, ``ended_by`` and error of an attempt whose command ended."""
    code = outcome.returncode
    if code == 0:
        return "complete", "exit", None
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number == signal.SIGINT and (code < 0 or outcome.forwarded == number):
        return "stopped", "interrupt", None
    if code < 0 or (outcome.forwarded is not None and outcome.forwarded == number):
        return "stopped", "signal", {"type": "Signal", "message": _signal_name(number)}
    name = Path(command[0]).name
    if outcome.forwarded is not None:
        ended_by = "interrupt" if outcome.forwarded == signal.SIGINT else "signal"
        return "stopped", ended_by, {"type": "Exit", "message": f"{name} exited with {code}"}
    return "failed", "exit", {"type": "Exit", "message": f"{name} exited with {code}"}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _exit_code(outcome: CommandOutcome) -> int:
    return outcome.returncode if outcome.returncode >= 0 else 128 - outcome.returncode


def _environ(store: RunStore, job_id: str, attempt_id: str) -> settings.RunEnvironment:
    return settings.RunEnvironment(job_id, str(store.folder(job_id)), attempt_id)


def _attach(store: RunStore, job_id: str, command: Sequence[str]) -> Wrapped:
    """Run ``command`` as a further rank of a parallel job whose rank 0 owns the run."""
    record = _wait_for_owner(store, job_id)
    attempt_id = str(record.document["attempt_id"])
    name = f"{attempt_id}.rank{settings.process_rank()}.log"
    log = record.folder / LOGS_DIR / name
    environ = _environ(store, job_id, attempt_id).as_environ()
    outcome = run_command(command, environ=environ, log=log)
    return Wrapped(WrapResult.ATTACHED, job_id, _exit_code(outcome), "running", log)


def _wait_for_owner(store: RunStore, job_id: str) -> RunRecord:
    deadline = time.monotonic() + ATTACH_TIMEOUT_S
    me = settings.scheduler_environment()
    while time.monotonic() < deadline:
        try:
            record = store.read_sound(job_id)
        except AexpError:
            record = None
        if record is not None and _is_of_this_job(record, me):
            return record
        time.sleep(0.1)
    raise LockTimeoutError(
        f"rank 0 did not begin run {job_id} within {ATTACH_TIMEOUT_S:g} s",
        hint="start all ranks with the same --experiment and --sp",
    )


def _is_of_this_job(record: RunRecord, me: settings.SchedulerEnvironment) -> bool:
    """Return whether rank 0 of this very parallel job has begun the attempt of a run.

    It may have ended it, too: a short command can be over before the other ranks have looked.
    """
    document = record.document
    if not document.get("attempt_id"):
        return False
    if record.status == "running":
        owner = document.get("owner") or {}
        return not me.job_id or (
            owner.get("scheduler_job") == me.job_id
            and owner.get("scheduler_restart") == me.restart_count
        )
    recorded = document.get("environment") or {}
    mine = slurm_facts()
    return bool(mine) and {key: recorded.get(key) for key in mine} == mine
