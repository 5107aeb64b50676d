"""The attempt of an execution that this process runs (EXE-10).

Nothing here ends an attempt but a call: no finaliser, no hook at the end of the program (trap 56).
A process that ends otherwise leaves the execution Running, which is what anybody saw of it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from aexp.execution.status import begin
from aexp.runs.closing import close_attempt
from aexp.runs.lifecycle import HEARTBEAT_S, sigterm_as_exception
from aexp.storage.ticker import ticker
from aexp.workspace.active import ActiveAttempt, activate
from aexp.workspace.store import RunStore

_opened: dict[tuple[int, str], Opened] = {}
"""What is open, by process and folder: whichever object of an execution asks, it is one attempt."""


class Opened:
    """An attempt that goes on.

    Args:
        store: where the run is.
        job_id: the execution.
        signals: raise an exception at SIGTERM; only where a block stands around the work, which
            passes the exception on.

    Raises:
        InvalidTransitionError: the execution is not Created.
        NotFoundError, CorruptDataError, StorageError: as :func:`begin`.
    """

    def __init__(self, store: RunStore, job_id: str, *, signals: bool) -> None:
        self.store = store
        self.job_id = job_id
        self.has_block = signals
        self.attempt = ActiveAttempt(job_id, begin(store, job_id), store.folder(job_id))
        self._key = (os.getpid(), str(self.attempt.folder))
        self._stop = ticker.add(HEARTBEAT_S, partial(store.beat, job_id))
        self._entered = ExitStack()
        self.is_signal_ours = False
        _opened[self._key] = self
        if threading.current_thread() is threading.main_thread():
            # In other threads `aexp.current_run()` could be the run of a neighbour.
            self._entered.enter_context(activate(self.attempt))
            if signals:
                before = signal.getsignal(signal.SIGTERM)
                self._entered.enter_context(sigterm_as_exception())
                self.is_signal_ours = signal.getsignal(signal.SIGTERM) is not before

    def close(self, status: str, ended_by: str, problem: Mapping[str, str] | None) -> None:
        """End the attempt; a terminal status that it has already is kept (trap 7).

        Raises:
            StorageError: the disk refused; this can be called again.
            InvalidTransitionError, NotFoundError, CorruptDataError: as :func:`close_attempt`.
        """
        attempt = self.attempt
        close_attempt(
            self.store,
            self.job_id,
            attempt.attempt_id,
            status,
            ended_by,
            problem,
            attempt=attempt,
            always_manifest=True,
        )
        self._stop()
        _opened.pop(self._key, None)

    def leave(self) -> None:
        """Let go of the signal, and of being the current run: the block is over."""
        self.has_block = False
        self._entered.close()


def opened(store: RunStore, job_id: str) -> Opened | None:
    """Return the attempt of an execution that goes on in this process, or None."""
    return _opened.get((os.getpid(), str(store.folder(job_id))))
