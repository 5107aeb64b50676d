"""A worker's process as its supervisor sees it, however it was started (SWP-13)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from aexp.process import dying_with_parent
from aexp.repo import open_layout
from aexp.sweep.backends.base import Task, worker_command

ANSWER: Final = struct.Struct("<cq")
"""What a fork server tells: a letter and a number."""
LENGTH: Final = struct.Struct("<I")
"""The length of what it is told."""


class Child(Protocol):
    """A process that leads a group of its own."""

    @property
    def returncode(self) -> int | None:
        """How it ended: its exit code, or minus the number of the signal that killed it.

        None while it runs, and where nobody can say.
        """

    def ended_within(self, seconds: float) -> bool:
        """Wait so long for its end; return whether it has ended."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """Kill it."""

    def kill_group(self) -> None:
        """Kill what it has left behind: its command, when somebody killed the worker alone."""


class Spawned:
    """A worker that is a new Python process.

    Args:
        process: it, as the leader of a session of its own.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def returncode(self) -> int | None:
        """How it ended; see :class:`Child`."""
        return self._process.returncode

    def ended_within(self, seconds: float) -> bool:
        """Wait so long for its end; return whether it has ended."""
        try:
            fd = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else -1
        except OSError:
            fd = -1
        if fd >= 0:
            # Told at once, where Popen.wait looks every 50 ms: many a point is shorter than that.
            try:
                select.select([fd], [], [], seconds)
            finally:
                os.close(fd)
            return self._process.poll() is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill it, and wait for that."""
        self._process.kill()
        self._process.wait()

    def kill_group(self) -> None:
        """Kill what it has left behind."""
        kill_group(self._process.pid)


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads, or has led."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def spawn(task: Task, *, prefix: Sequence[str] = (), output: int = subprocess.DEVNULL) -> Spawned:
    """Start the worker of a task as a new process, in a process group of its own.

    Args:
        task: the task.
        prefix: what starts the worker's command, such as ``srun`` and its options.
        output: where the worker's own output goes; its log has it in any case.

    Raises:
        OSError: it cannot be started.
    """
    return Spawned(
        subprocess.Popen(
            # The driver may be killed while the worker's Python starts, which then must know.
            [*prefix, *worker_command(task, None if prefix else os.getpid())],
            cwd=root_of(task),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C in the driver's terminal is the driver's
            # A worker sees to that itself; what stands before it does not.
            preexec_fn=dying_with_parent() if prefix else None,
        )
    )


def root_of(task: Task) -> str:
    """Return the working directory of a task's worker."""
    return str(task.root or open_layout(task.folder).root)
