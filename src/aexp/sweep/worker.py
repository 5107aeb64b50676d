"""``python -m aexp.sweep.worker FOLDER RUN_ID ATTEMPT [ROOT] [--again]``: one attempt of one point.

The worker owns the point's run, runs its command or its callable, and publishes an outcome as its
last act, whatever happened. It ends when its parent process ends, so that it never outlives its
driver (trap 66). As little as possible is imported: each point pays for it.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

from aexp.sweep.outcome import TAIL_BYTES, log_name

_SET_PARENT_DEATH_SIGNAL: Final = 1
_PARENT: Final = "--parent="
_LOOK_S: Final = 1.0
GRACE_S: Final = 10.0
"""Seconds that a worker whose driver is gone has to end its run."""


class _Tail:
    """Standard error that remembers its end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._kept = b""
        self.encoding = "utf-8"
        self.errors = "backslashreplace"
        self.buffer = self

    def write(self, data: str | bytes) -> int:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace")
        self._kept = (self._kept + raw)[-TAIL_BYTES:]
        view = memoryview(raw)
        while view:
            view = view[os.write(self._fd, view) :]
        return len(data)

    def flush(self) -> None:
        """Do nothing: everything is written at once."""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def text(self) -> str:
        """Return the end of what was written."""
        return self._kept.decode("utf-8", "replace")


def main(arguments: list[str], *, parent: int | None = None) -> int:
    """Run one attempt; return the exit code: 0 when there is an outcome that says ok.

    Args:
        arguments: those of the command line, but for ``--parent=PID``, which may stand first.
        parent: the process whose end is the end of this one; the present parent when None.
    """
    parent = parent or os.getppid()
    again = arguments[-1] == "--again"
    folder, run_id, attempt, *rest = arguments[:-1] if again else arguments
    tail = _redirect(Path(folder), int(run_id), int(attempt))
    tied = _tie_to(parent)
    signal.signal(signal.SIGTERM, _terminate)
    from aexp.sweep.attempt import Assignment, run_attempt

    task = Assignment(Path(folder), int(run_id), int(attempt), _root(folder, rest), again)
    return run_attempt(task, tail.text, partial(_look_at_parent, parent, tied))


def _root(folder: str, rest: list[str]) -> Path:
    return Path(rest[0] if rest else folder)


def _redirect(folder: Path, run_id: int, attempt: int) -> _Tail:
    """Send everything that this process writes to the attempt's log."""
    path = folder / log_name(run_id, attempt)
    os.makedirs(path.parent, exist_ok=True)  # noqa: PTH103 - quicker, and each point pays
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sys.stdout.flush()
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)  # a kill loses what is buffered
    tail = _Tail(2)
    sys.stderr = tail
    return tail


def _tie_to(parent: int) -> bool:
    """Make the kernel tell this process when its parent ends; return whether it will."""
    if hasattr(os, "setpgid") and os.getpgrp() != os.getpid():
        os.setpgid(0, 0)  # what it starts can then be ended with it
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    if ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM) != 0:
        return False
    if os.getppid() != parent:  # it ended before the tie
        os.kill(os.getpid(), signal.SIGTERM)
    return True


def _look_at_parent(parent: int, tied: bool, gone: list[float]) -> None:
    """End this process when its parent is gone: gently at first, then with all it has started.

    Args:
        parent: the process that started this one.
        tied: whether the kernel has said so already.
        gone: when that was noticed; empty before.
    """
    import time

    if os.getppid() == parent or not hasattr(os, "killpg"):
        return
    if not gone:
        gone.append(time.monotonic())
        if not tied:
            os.kill(os.getpid(), signal.SIGTERM)
    elif time.monotonic() - gone[0] > GRACE_S and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


def _terminate(number: int, frame: FrameType | None) -> None:
    from aexp.runs.lifecycle import Terminated

    raise Terminated


if __name__ == "__main__":
    named = sys.argv.pop(1) if sys.argv[1].startswith(_PARENT) else ""  # none of a point's business
    sys.exit(main(sys.argv[1:], parent=int(named.removeprefix(_PARENT) or 0)))
