"""The process group of a run's command: is it the one that was recorded, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from aexp.model.owner import Liveness, Owner
from aexp.process import liveness, this_process
from aexp.settings import ATTEMPT_ID

_POLL_S: Final = 0.05
KILLED_S: Final = 5.0
"""How long killed processes may take to be gone."""


def is_here(owner: Owner) -> bool:
    """Return whether a process can be judged and signalled from here: this host, this boot."""
    here = this_process()
    return (owner.host, owner.boot_id, owner.pid_namespace) == (
        here.host,
        here.boot_id,
        here.pid_namespace,
    )


def has_processes(recorded: object, attempt_id: str) -> bool:
    """Return whether processes of the recorded group still run.

    The group is named by its leader, whose host, id and start time were recorded. When the
    leader is gone, a process in the group counts when it has the attempt's id in its environment:
    a later group of the same number is never taken for this one.

    Args:
        recorded: the leader as it stands in the run's document.
        attempt_id: the attempt.
    """
    leader = Owner.from_json(recorded)
    if leader is None or leader.pid <= 1 or not is_here(leader):
        return False
    state = liveness(leader)
    if state is Liveness.ALIVE:
        return True
    return state is Liveness.DEAD and _has_member(leader.pid, attempt_id)


def end_group(recorded: object, attempt_id: str, *, grace_s: float) -> bool:
    """Ask a run's processes to end, and kill them when they have not after ``grace_s`` seconds.

    Args:
        recorded: the leader as it stands in the run's document.
        attempt_id: the attempt.
        grace_s: seconds between SIGTERM and SIGKILL; 0 kills at once.

    Returns:
        whether there was anything to end.
    """
    leader = Owner.from_json(recorded)
    if leader is None or not has_processes(recorded, attempt_id):
        return False
    if grace_s > 0:
        _send(leader.pid, signal.SIGTERM)
        if _wait_until_gone(recorded, attempt_id, grace_s):
            return True
    _send(leader.pid, _KILL)
    _wait_until_gone(recorded, attempt_id, KILLED_S)
    return True


_KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)


def _send(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(group, number)
        else:
            os.killpg(group, number)


def _wait_until_gone(recorded: object, attempt_id: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while has_processes(recorded, attempt_id):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _has_member(group: int, attempt_id: str) -> bool:
    """Return whether a process of ``group`` has the attempt's id in its environment (Linux)."""
    mark = f"{ATTEMPT_ID}={attempt_id}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] not in (b"Z", b"X") and int(fields[2]) == group:
                environ = b"\0" + (folder / "environ").read_bytes() + b"\0"
                if b"\0" + mark in environ:
                    return True
    return False
