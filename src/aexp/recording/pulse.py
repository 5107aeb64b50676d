"""Signs of life of one session: its lease, and the heartbeats of its open runs (RUN-06, GC-02)."""

from __future__ import annotations

import threading

from aexp.registry.leases import Lease
from aexp.runs.lifecycle import HEARTBEAT_S
from aexp.workspace.store import RunStore


class Pulse:
    """One thread that beats for all open runs of a session.

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
        self._open: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._is_dropped = False
        self._wake = threading.Event()

    def add(self, job_id: str) -> None:
        """Beat for a run from now on."""
        with self._guard:
            self._open[job_id] = self._open.get(job_id, 0) + 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, daemon=True, name="aexp-session")
                self._thread.start()

    def remove(self, job_id: str) -> None:
        """Beat for a run no more."""
        with self._guard:
            left = self._open.pop(job_id, 0) - 1
            if left > 0:
                self._open[job_id] = left
            release = self._is_dropped and not self._open
        if release:
            self._lease.release()

    def drop(self) -> None:
        """Let the lease go as soon as no run is open."""
        with self._guard:
            self._is_dropped = True
            release = not self._open
            if release:
                self._wake.set()
        if release:
            self._lease.release()

    def _beat(self) -> None:
        while not self._wake.wait(HEARTBEAT_S):
            with self._guard:
                if not self._open:
                    self._thread = None
                    return
                beating = list(self._open)
            for job_id in beating:
                self._store.beat(job_id)
