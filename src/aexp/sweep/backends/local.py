"""Local processes: one for each point, started by a thread that stays with it (SWP-13).

There is no pool of processes that a dying one could break: a point that is killed takes no other
with it (trap 62). A process is a fork of one that has aexp in its memory, where that is safe.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aexp.errors import SweepConfigError
from aexp.sweep.backends.base import Task
from aexp.sweep.backends.children import spawn
from aexp.sweep.backends.forking import Forkery
from aexp.sweep.backends.supervise import run_worker
from aexp.sweep.outcome import Outcome


def processors() -> int:
    """Return how many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


class LocalProcessPool:
    """Runs points in processes of this machine.

    Args:
        workers: how many at once; as many as there are processors when None.

    Raises:
        SweepConfigError: ``workers`` is less than one.
    """

    name = "local"
    prefix: Sequence[str] = ()
    """What starts the command of each worker."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = processors() if workers is None else workers
        if self.workers < 1:
            raise SweepConfigError(f"a pool needs at least one worker, not {workers}")
        self._threads: ThreadPoolExecutor | None = None
        self._closing = threading.Event()
        self._forkery = Forkery()

    def __enter__(self) -> Self:
        self._closing.clear()
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="aexp-sweep")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            self._closing.set()
            threads.shutdown(wait=True, cancel_futures=True)
            self._forkery.close()

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a worker for ``task`` when a thread is free.

        Raises:
            SweepConfigError: the pool was not entered.
        """
        if self._threads is None:
            raise SweepConfigError("the pool is not open", hint="use it in a `with` block")
        return self._threads.submit(self._run, task)

    def _run(self, task: Task) -> Outcome:
        if self.prefix:
            start = partial(spawn, prefix=self.prefix)
            return run_worker(task, start=start, stop=self._closing.is_set)
        with self._forkery.starter(task) as forked:
            return run_worker(task, start=forked, stop=self._closing.is_set)

    def live(self, folder: Path) -> dict[Task, Future[Outcome]]:
        """Return nothing: a worker ends with its driver (trap 66)."""
        return {}
