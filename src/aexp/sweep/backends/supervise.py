"""Start one worker, stay with it, and say how its point ended: what every backend does in the end.

It runs wherever the engine put it: in a thread of the driver, on a Dask worker, within a Slurm job.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from aexp.clock import utc_now
from aexp.model.times import format_time
from aexp.process import dying_with_parent
from aexp.repo import open_layout
from aexp.sweep.backends.base import Task, harvest, lost, worker_command
from aexp.sweep.outcome import Outcome, Problem, publish

GRACE_S: Final = 10.0
"""Seconds that a worker has to end its run after SIGTERM."""
LOOK_S: Final = 0.2
"""Seconds between two looks at whether a worker is to be stopped."""


def run_worker(
    task: Task,
    *,
    prefix: Sequence[str] = (),
    stop: Callable[[], bool] = lambda: False,
    output: int = subprocess.DEVNULL,
) -> Outcome:
    """Run the worker of ``task`` in a process group of its own, and return how the point ended.

    Args:
        task: the task; its ``timeout_s`` counts from now.
        prefix: what starts the worker's command, such as ``srun`` and its options.
        stop: asked several times a second; when it is true the worker is stopped.
        output: where the worker's own output goes; its log has it in any case.
    """
    started_at = format_time(utc_now())
    try:
        child = subprocess.Popen(
            [*prefix, *worker_command(task)],
            cwd=task.root or open_layout(task.folder).root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C in the driver's terminal is the driver's
            # A worker sees to that itself; what stands before it does not.
            preexec_fn=dying_with_parent() if prefix else None,
        )
    except OSError as error:
        return lost(task, type(error).__name__, f"the worker could not start: {error.strerror}")
    ending = _stay(child, task.timeout_s, stop)
    told = harvest(task)
    if told is not None and (not ending or told.status != "stopped"):
        return told
    if ending == "stopped":
        given_up = lost(task, "Stopped", "ended by the sweep's driver", started_at=started_at)
        return told or msgspec.structs.replace(given_up, status="stopped")
    if ending == "timeout":
        return charge(task, told, "Timeout", f"not done after {task.timeout_s:g} s", started_at)
    _kill_group(child)  # a worker that was killed leaves what it had started
    return lost(task, *_how(child.returncode), started_at=started_at)


def charge(
    task: Task, told: Outcome | None, kind: str, message: str, started_at: str = ""
) -> Outcome:
    """Publish and return that a point failed because of what its engine did to it.

    Args:
        task: the task.
        told: what its worker wrote before it was gone, or None.
        kind: ``Timeout``, ``Walltime``, ….
        message: what happened.
        started_at: when the worker was started, as text, where it wrote nothing.
    """
    problem = Problem(kind, message)
    if told is None:
        return lost(task, kind, message, started_at=started_at)
    outcome = msgspec.structs.replace(told, status="failed", error=problem)
    publish(task.folder, outcome)
    return outcome


def _stay(child: subprocess.Popen[bytes], timeout_s: float | None, stop: Callable[[], bool]) -> str:
    """Wait for the end of a worker; return why it was ended from here, if it was."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    ending = ""
    try:
        while not _ended_within(child, LOOK_S):
            if stop():
                ending = "stopped"
            elif deadline is not None and time.monotonic() > deadline:
                ending = "timeout"
            if ending:
                end_group(child)
    except BaseException:
        end_group(child)
        raise
    _kill_group(child)
    return ending


def end_group(child: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> None:
    """End a worker: it may close its run; then it and all it has started are killed."""
    child.terminate()
    if not _ended_within(child, grace_s):
        child.kill()
    _kill_group(child)
    child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill what a worker has left: its command, when somebody killed the worker alone."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _ended_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        fd = os.pidfd_open(child.pid) if hasattr(os, "pidfd_open") else -1
    except OSError:
        fd = -1
    if fd >= 0:
        # Told at once, where Popen.wait looks every 50 ms: many a point is shorter than that.
        try:
            select.select([fd], [], [], seconds)
        finally:
            os.close(fd)
        return child.poll() is not None
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _how(code: int) -> tuple[str, str]:
    """Return kind and message for a worker that ended without a word."""
    if code >= 0:
        return "Exit", f"the worker ended with exit code {code} and no outcome"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "Signal", f"killed by {name}"
