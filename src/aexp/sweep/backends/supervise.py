"""Start one worker, stay with it, and say how its point ended: what every backend does in the end.

It runs wherever the engine put it: in a thread of the driver, on a Dask worker, within a Slurm job.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Final

import msgspec

from aexp.clock import utc_now
from aexp.model.times import format_time
from aexp.sweep.backends.base import Task, harvest, lost
from aexp.sweep.backends.children import Child, spawn
from aexp.sweep.outcome import Outcome, Problem, publish

GRACE_S: Final = 10.0
"""Seconds that a worker has to end its run after SIGTERM."""
LOOK_S: Final = 0.2
"""Seconds between two looks at whether a worker is to be stopped."""


def run_worker(
    task: Task,
    *,
    start: Callable[[Task], Child] = spawn,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run the worker of ``task`` in a process group of its own, and return how the point ended.

    Args:
        task: the task; its ``timeout_s`` counts from now.
        start: starts the worker.
        stop: asked several times a second; when it is true the worker is stopped.
    """
    started_at = format_time(utc_now())
    try:
        child = start(task)
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


def _stay(child: Child, timeout_s: float | None, stop: Callable[[], bool]) -> str:
    """Wait for the end of a worker; return why it was ended from here, if it was."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    ending = ""
    try:
        while not child.ended_within(LOOK_S):
            if stop():
                ending = "stopped"
            elif deadline is not None and time.monotonic() > deadline:
                ending = "timeout"
            if ending:
                _end(child)
    except BaseException:
        _end(child)
        raise
    child.kill_group()  # a worker that was killed leaves what it had started
    return ending


def _end(child: Child) -> None:
    """End a worker: it may close its run; then it and all it has started are killed."""
    child.terminate()
    if not child.ended_within(GRACE_S):
        child.kill()
    child.kill_group()


def _how(code: int | None) -> tuple[str, str]:
    """Return kind and message for a worker that ended without a word."""
    if code is None:
        return "Lost", "the process that had started the worker was killed"
    if code >= 0:
        return "Exit", f"the worker ended with exit code {code} and no outcome"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "Signal", f"killed by {name}"
