"""Driving a sweep: what is finished is believed, the rest is submitted, each end is recorded.

The engine of a pool is never asked for the truth: outcomes on disk are harvested first, then what
has failed or is missing, and is not running still, is submitted (SWP-08, SWP-13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from aexp.sweep.backends.base import Pool, Task, harvest
from aexp.sweep.lock import SweepLock
from aexp.sweep.manifest import Entry, Manifest
from aexp.sweep.outcome import Outcome, attempts_in
from aexp.sweep.points import Points
from aexp.sweep.turns import Turns


class Reporter(Protocol):
    """Is told how far a sweep is."""

    def begin(self, total: int, counts: Counter[str]) -> None:
        """Say how many points there are, and how many have ended before, by status."""

    def ended(self, run_id: int, status: str, message: str = "", *, again: bool = False) -> None:
        """Say that a point has ended; ``again``: it had been counted as failed before."""


@dataclass
class Driver:
    """One driver of a sweep, which holds its lock.

    Attributes:
        folder: the sweep's folder.
        root: the repository's root.
        manifest: the sweep's manifest.
        points: the sweep's points.
        lock: the sweep's lock.
        script_sha256: the canonical digest of the script as it is now.
        timeout_s: seconds that a point may take, or None.
        reporter: is told how far it is.
        attempts: the highest attempt of each point that has begun.
    """

    folder: Path
    root: Path
    manifest: Manifest
    points: Points
    lock: SweepLock
    script_sha256: str | None
    timeout_s: float | None
    reporter: Reporter | None = None
    attempts: dict[int, int] = field(default_factory=dict)
    _unheard: list[Task] = field(default_factory=list)

    def harvest(self) -> None:
        """Put into the manifest what workers said and an earlier driver did not live to hear."""
        entries = self.manifest
        newest: dict[int, int] = {}
        for run_id, attempt in attempts_in(self.folder):
            known = entries.get(run_id)
            self.attempts[run_id] = max(attempt, self.attempts.get(run_id, 0))
            if known is None or known.attempt < attempt:
                newest[run_id] = max(attempt, newest.get(run_id, 0))
        for run_id in sorted(newest):
            first = 0 if (known := entries.get(run_id)) is None else known.attempt
            for attempt in range(newest[run_id], first, -1):
                outcome = harvest(Task(self.folder, run_id, attempt))
                if outcome is not None and outcome.status != "stopped":
                    self.record(outcome)
                    break

    def record(self, outcome: Outcome) -> None:
        """Append the line of an outcome, and tell the reporter.

        Raises:
            SweepBusyError: another driver has taken over.
            StorageError: the disk refused.
        """
        error = outcome.error
        stderr = outcome.stderr
        if outcome.status != "ok" and error is not None and error.message not in stderr:
            stderr = f"{stderr}{error.type}: {error.message}\n"
        self.append(
            Entry(
                run_id=outcome.run_id,
                job_id=outcome.job_id,
                overrides=self.points[outcome.run_id].values,
                # Somebody ended it from outside while its driver went on.
                status="failed" if outcome.status == "stopped" else outcome.status,
                output_paths=outcome.output_paths,
                started_at=outcome.started_at,
                ended_at=outcome.ended_at,
                duration_s=outcome.duration_s,
                stderr=stderr,
                log_path=outcome.log_path or None,
                script_sha256=self.script_sha256,
                attempt=outcome.attempt,
            ),
            "" if error is None else f"{error.type}: {error.message}".removesuffix(": "),
        )

    def append(self, entry: Entry, message: str = "") -> None:
        """Append a line, and tell the reporter."""
        self.lock.check()
        before = self.manifest.get(entry.run_id)
        self.manifest.append(entry)
        if self.reporter is not None and (before is None or before.status == "failed"):
            again = before is not None
            self.reporter.ended(entry.run_id, entry.status, message, again=again)

    def drive(self, pool: Pool, todo: Iterable[int], again: frozenset[int]) -> None:
        """Run points until all have ended.

        Args:
            pool: where, entered.
            todo: the points to run, in order.
            again: those whose runs are complete, but whose outputs are gone.
        """
        ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
        under_way: dict[Future[Outcome], Task] = {}

        def watch(task: Task, future: Future[Outcome]) -> None:
            under_way[future] = task
            future.add_done_callback(ended.put)

        live = pool.live(self.folder)
        running = {task.run_id for task in live}
        waiting = (run_id for run_id in todo if run_id not in running)
        turns = Turns(waiting, lambda run_id: self.points[run_id].point_id)
        for task, future in live.items():
            turns.began(task.run_id)
            watch(task, future)
        window = getattr(pool, "window", pool.workers + max(4, pool.workers))
        try:
            while True:
                for task in self._next(turns, window - len(under_way), again):
                    watch(task, pool.submit(task))
                if not under_way:
                    return
                future = ended.get()
                task = under_way.pop(future)
                self.record(future.result())
                turns.ended(task.run_id)
        finally:
            for future in under_way:
                future.cancel()
            self._unheard = list(under_way.values())

    def hear_the_rest(self) -> None:
        """Record what workers said while the driver was stopping."""
        for task in self._unheard:
            outcome = harvest(task)
            if outcome is not None and outcome.status != "stopped":
                self.record(outcome)
        self._unheard = []

    def _next(self, turns: Turns, room: int, again: frozenset[int]) -> Iterator[Task]:
        while room > 0 and (found := turns.next()) is not None:
            room -= 1
            run_id, has_waited = found
            attempt = self.attempts[run_id] = self.attempts.get(run_id, 0) + 1
            # The point that it waited for has made the outputs of their run.
            once_more = run_id in again and not has_waited
            yield Task(self.folder, run_id, attempt, self.timeout_s, self.root, again=once_more)
