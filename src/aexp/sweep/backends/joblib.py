"""Points in local processes, scheduled by joblib (SWP-13)."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aexp.errors import SweepConfigError
from aexp.recording.formats import require
from aexp.sweep.backends.base import Task
from aexp.sweep.backends.forking import Forkery
from aexp.sweep.backends.supervise import run_worker
from aexp.sweep.outcome import Outcome


@dataclass(frozen=True)
class _Job:
    task: Task
    future: Future[Outcome]


class LocalJoblibPool:
    """So many points at once on this machine; joblib says which is next.

    Each point is an operating-system process of its own that a thread of joblib's stays with. So a
    process that is killed costs its own point and no other, as joblib's own pool of processes,
    which breaks as a whole, could not promise (trap 62).

    Args:
        workers: how many points run at once.

    Raises:
        SweepConfigError: ``workers`` is no number from 1.
        MissingExtraError: joblib is not installed.
    """

    name = "joblib"

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise SweepConfigError(f"workers is a whole number from 1, not {workers!r}")
        self.workers = workers
        self._joblib: Any = require("joblib", "sweep", "LocalJoblibPool")
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._forkery = Forkery()
        self._dispatcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start joblib."""
        self._leaving.clear()
        self._dispatcher = threading.Thread(target=self._dispatch, name="aexp-joblib", daemon=True)
        self._dispatcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what still runs, and wait for that."""
        self._leaving.set()
        self._waiting.put(None)
        if self._dispatcher is not None:
            self._dispatcher.join()
            self._dispatcher = None
        self._forkery.close()
        self._waiting = queue.SimpleQueue()

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a worker for ``task`` when there is room; see :class:`Pool`."""
        future: Future[Outcome] = Future()
        self._waiting.put(_Job(task, future))
        return future

    def live(self, folder: Path) -> dict[Task, Future[Outcome]]:
        """Return nothing: these processes do not outlive their driver."""
        return {}

    def _dispatch(self) -> None:
        """Let joblib run so many threads, each of which takes one task after the other.

        joblib reads ahead of what it hands out, and would wait for tasks that never come.
        """
        # Threads, for each waits for a process.
        parallel = self._joblib.Parallel(
            n_jobs=self.workers, backend="threading", pre_dispatch="all", batch_size=1
        )
        parallel(self._joblib.delayed(self._serve)() for _ in range(self.workers))

    def _serve(self) -> None:
        while (job := self._waiting.get()) is not None:
            self._run(job)
        self._waiting.put(None)  # for the next thread

    def _run(self, job: _Job) -> None:
        if self._leaving.is_set() or not job.future.set_running_or_notify_cancel():
            job.future.cancel()
            return
        try:
            with self._forkery.starter(job.task) as start:
                outcome = run_worker(job.task, start=start, stop=self._leaving.is_set)
        except Exception as error:  # noqa: BLE001 - the thread that asked gets it
            job.future.set_exception(error)
        else:
            job.future.set_result(outcome)
