"""Signs of life of one session: its lease, and the heartbeats of its open runs (RUN-06, GC-02)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from aexp.registry.leases import Lease
from aexp.runs.lifecycle import HEARTBEAT_S
from aexp.storage.ticker import ticker
from aexp.workspace.store import RunStore


class Pulse:
    """Beats for all open runs of a session.

    It does not hold the session: when that is dropped, its open runs stay open, go on beating and
    keep the lease until the process ends, and then count as lost (REC-08).

    Args:
        store: where the runs are.
        lease: what protects the bytes of the session.
    """

    def __init__(self, store: RunStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._guard = threading.Lock()
        self._beats: dict[int, Callable[[], None]] = {}
        self._is_dropped = False

    def add(self, number: int, job_id: str) -> None:
        """Beat for a run from now on."""
        with self._guard:
            self._beats[number] = ticker.add(HEARTBEAT_S, partial(self._store.beat, job_id))

    def remove(self, number: int) -> None:
        """Beat for a run no more."""
        with self._guard:
            self._beats.pop(number)()
            release = self._is_dropped and not self._beats
        if release:
            self._lease.release()

    def drop(self) -> None:
        """Let the lease go as soon as no run is open."""
        with self._guard:
            self._is_dropped = True
            release = not self._beats
        if release:
            self._lease.release()
