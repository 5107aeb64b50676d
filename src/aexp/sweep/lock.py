"""One driver for a sweep at a time: a lock that names its owner (SWP-10, trap 61).

It is a file with the owner's record, and a sign of life in its modification time. The lock of a
process that is proven dead, or that gave no sign for ten minutes on a host that cannot be looked
at, is taken over, as a run is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from aexp.clock import utc_now
from aexp.errors import SweepBusyError
from aexp.model.canonical import compact_bytes
from aexp.model.owner import Liveness, Owner
from aexp.process import liveness, this_process
from aexp.runs.transition import STALE_HEARTBEAT_S
from aexp.storage.atomic import write_atomic
from aexp.storage.lock import file_lock
from aexp.storage.ticker import ticker

LOCK_FILE: Final = "sweep.lock"
GUARD_FILE: Final = "sweep.lock.guard"
"""Held for the moment in which the lock is looked at and taken."""
_BEAT_S: Final = 15.0
_held: set[Path] = set()
"""The locks that this process holds: an interrupt may leave a file of ours behind that is none."""


class SweepLock:
    """The lock of a sweep's folder, held within a ``with`` block.

    Args:
        folder: the sweep's folder.

    Raises:
        SweepBusyError: on entering: a live process holds it; the message names it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._guard = folder / GUARD_FILE
        self._ours = b""
        self._stop: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        with file_lock(self._guard):
            owner = lock_owner(self._path.parent)
            if owner is not None and (owner != this_process() or self._path in _held):
                raise SweepBusyError(
                    f"the sweep is driven by {owner.describe()}; its lock is {LOCK_FILE} in"
                    f" {self._path.parent.name}"
                )
            mark = os.urandom(8).hex()
            self._ours = compact_bytes({**this_process().to_json(), "mark": mark})
            write_atomic(self._path, self._ours)
            _held.add(self._path)
        self._stop = ticker.add(_BEAT_S, self._beat)
        return self

    def check(self) -> None:
        """Check that the lock is still ours: a driver that slept for long may have lost it.

        Raises:
            SweepBusyError: another process has taken it over.
        """
        if _read(self._path) != self._ours:
            raise SweepBusyError("another process has taken over the sweep meanwhile")

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            now = utc_now().timestamp()
            os.utime(self._path, (now, now))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stop is not None:
            self._stop()
        _held.discard(self._path)
        with file_lock(self._guard):
            if _read(self._path) == self._ours:
                self._path.unlink(missing_ok=True)


def lock_owner(folder: Path) -> Owner | None:
    """Return the live process that drives the sweep in ``folder``, None when nobody does."""
    path = folder / LOCK_FILE
    try:
        owner = Owner.from_json(msgspec.json.decode(path.read_bytes()))
        beat = path.stat().st_mtime
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if owner is None:
        return None
    state = liveness(owner)
    if state is Liveness.UNKNOWN and utc_now().timestamp() - beat > STALE_HEARTBEAT_S:
        return None
    return None if state is Liveness.DEAD else owner


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
