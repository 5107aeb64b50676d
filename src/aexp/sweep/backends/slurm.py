"""Points as jobs of a Slurm queue, submitted as arrays through submitit (SWP-13).

The files on disk are the truth: a job publishes the outcome of its point. Slurm is asked what
became of a job only where there is none, with ``squeue`` and ``scontrol``: accounting is not
needed. A driver may die while jobs wait and run; the next one finds them again.
"""

from __future__ import annotations

import contextlib
import math
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from aexp.errors import AexpError, SweepConfigError, UsageError
from aexp.model.duration import parse_duration
from aexp.recording.formats import require
from aexp.repo import open_layout
from aexp.sweep.backends.base import Task, harvest, lost
from aexp.sweep.backends.slurm_batches import (
    JOBS_DIR,
    Batch,
    batches_in,
    forget_batch,
    new_batch,
    write_batch,
)
from aexp.sweep.backends.slurm_queue import JobState, NoAnswerError, jobs_named, one_job
from aexp.sweep.backends.slurm_task import run_point
from aexp.sweep.backends.supervise import charge
from aexp.sweep.outcome import Outcome

QUIET_S: Final = 0.2
"""Tasks that come within this time of each other are one array."""
LARGEST_ARRAY: Final = 1000
ANSWER_S: Final = 120.0
"""Seconds for which a resume waits for Slurm to say what still runs."""
_SBATCH_TIME: Final = re.compile(r"(?:(?P<days>[0-9]+)-)?(?P<clock>[0-9]+(?::[0-9]{1,2}){0,2})")
_OURS: Final = ("array", "chdir", "comment", "error", "job-name", "output", "time", "wrap")


@dataclass(eq=False)
class _Job:
    """A task in Slurm's hands: ``gone_at`` is when Slurm was first seen to have ended it."""

    task: Task
    future: Future[Outcome]
    batch: Batch
    id: str
    gone_at: float = 0.0


class SlurmPool:
    """Points as jobs of a Slurm queue.

    Args:
        workers: how many points are in the queue at once, waiting or running.
        time: the time limit of one point, such as ``2h``, or as ``sbatch`` takes it; by default the
            timeout of the sweep and five minutes, or else the partition's limit.
        sbatch: more options of ``sbatch`` by their long names: ``{partition: gpu, mem: 8G}``.
        setup: lines of shell for the beginning of each job: ``[module load python]``.
        requeue: let Slurm start a point again whose node failed.
        detach: leave the jobs in the queue when the driver is stopped; a resume finds them again.
        poll: seconds between two looks at the outcomes; Slurm is asked at every fifth.

    Raises:
        SweepConfigError: a setting has no sense.
        MissingExtraError: submitit is not installed.
    """

    name = "slurm"

    def __init__(
        self,
        workers: int = 100,
        *,
        time: str | int | None = None,
        sbatch: Mapping[str, Any] | None = None,
        setup: Sequence[str] = (),
        requeue: bool = True,
        detach: bool = False,
        poll: float = 2.0,
    ) -> None:
        if workers < 1:
            raise SweepConfigError(f"workers is a whole number from 1, not {workers!r}")
        self.workers = self.window = workers
        self._detach = detach
        self._poll = max(0.05, float(poll))
        self._limit_s = _seconds(time)
        self._setup = ["trap : TERM", *setup]  # the shell stays to the end of its job
        self._options = _sbatch_options(sbatch or {}, requeue)
        self._submitit: Any = require("submitit", "slurm", "the Slurm backend")
        self._condition = threading.Condition()
        self._waiting: list[tuple[Task, Future[Outcome]]] = []
        self._last_came = 0.0
        self._jobs: list[_Job] = []
        self._leaving = False
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to look after jobs."""
        self._leaving = False
        self._keeper = threading.Thread(target=self._keep, name="aexp-slurm", daemon=True)
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel what is in the queue, unless it was told to detach."""
        with self._condition:
            self._leaving = True
            self._condition.notify()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        for _, future in self._waiting:
            future.cancel()
        if not self._detach:
            self._cancel_all()
        for job in self._jobs:
            job.future.cancel()
        self._waiting, self._jobs = [], []

    def submit(self, task: Task) -> Future[Outcome]:
        """Put a task into the queue, with those that come at the same time; see :class:`Pool`."""
        future: Future[Outcome] = Future()
        with self._condition:
            self._waiting.append((task, future))
            self._last_came = time.monotonic()
            self._condition.notify()
        return future

    def live(self, folder: Path) -> dict[Task, Future[Outcome]]:
        """Return what Slurm still runs for an earlier driver; see :class:`Pool`.

        Raises:
            SweepConfigError: Slurm does not answer, so nobody knows.
        """
        batches = list(batches_in(folder))
        states = _patiently({batch.job_name for batch in batches})
        root = open_layout(folder).root
        found: dict[Task, Future[Outcome]] = {}
        for batch in batches:
            jobs = _jobs_of(batch, states)
            alive = [i for i, state in enumerate(jobs) if state is not None and state.active]
            if not alive:
                forget_batch(folder, batch)
            for index in alive:
                state = jobs[index]
                assert state is not None
                task = Task(folder, *batch.tasks[index], root=root)
                if (told := harvest(task)) is not None and told.status != "stopped":
                    continue
                job = _Job(task, Future(), batch, state.job)
                job.future.set_running_or_notify_cancel()
                found[task] = job.future
                self._jobs.append(job)
        with self._condition:
            self._condition.notify()
        return found

    # --- the keeper: one thread submits and looks ---------------------------------------------

    def _keep(self) -> None:
        asked = 0.0
        while True:
            with self._condition:
                if self._leaving:
                    return
                self._condition.wait(QUIET_S if self._waiting else self._poll)
                due = self._due()
            try:
                if due:
                    self._submit(due)
                ask = time.monotonic() - asked >= 5 * self._poll
                asked = time.monotonic() if ask else asked
                self._look(ask)
            except Exception as error:  # noqa: BLE001 - all who wait get it
                self._give_up(error, due)

    def _due(self) -> list[tuple[Task, Future[Outcome]]]:
        """Take the tasks to submit now: all of one sweep, once no more are coming."""
        if not self._waiting or self._leaving:
            return []
        if len(self._waiting) < LARGEST_ARRAY and time.monotonic() - self._last_came < QUIET_S:
            return []
        first = self._waiting[0][0]
        same = [pair for pair in self._waiting if _alike(pair[0], first)][:LARGEST_ARRAY]
        self._waiting = [pair for pair in self._waiting if pair not in same]
        return [(t, f) for t, f in same if f.running() or f.set_running_or_notify_cancel()]

    def _submit(self, due: list[tuple[Task, Future[Outcome]]]) -> None:
        tasks = [task for task, _ in due]
        folder = tasks[0].folder
        root = tasks[0].root or open_layout(folder).root
        name = "aexp-" + re.sub(r"[^A-Za-z0-9._-]", "-", folder.name)
        batch = new_batch(folder, name, [(task.run_id, task.attempt) for task in tasks])
        executor = self._submitit.SlurmExecutor(folder / JOBS_DIR, max_num_timeout=0)
        executor.update_parameters(
            time=self._minutes(tasks[0].timeout_s),
            job_name=name,
            comment=batch.name,
            array_parallelism=len(tasks),
            setup=self._setup,
            wckey=None,
            stderr_to_stdout=True,
            use_srun=False,  # so that a point's own command may use srun
            additional_parameters={**self._options, "chdir": str(root)},
        )
        try:
            with executor.batch():
                jobs = [executor.submit(run_point, replace(task, root=root)) for task in tasks]
            number = str(jobs[0].job_id).partition("_")[0]
        except Exception:
            # Slurm may have taken it, and its answer got lost.
            number = _number_of(batch, _patiently({name}))
            if not number:
                forget_batch(folder, batch)
                raise
        batch = msgspec.structs.replace(batch, job=number)
        write_batch(folder, batch)
        with self._condition:
            for index, (task, future) in enumerate(due):
                self._jobs.append(_Job(task, future, batch, batch.job_of(index)))

    def _minutes(self, timeout_s: float | None) -> int | None:
        """Return the time limit in minutes, in which Slurm counts."""
        if self._limit_s is not None:
            return max(1, math.ceil(self._limit_s / 60))
        return None if timeout_s is None else math.ceil(timeout_s / 60) + 5

    def _look(self, ask: bool) -> None:
        """Answer for the jobs that have ended; with ``ask``, look at what Slurm says too."""
        states: dict[str, JobState] | None = None
        if ask and self._jobs:
            with contextlib.suppress(NoAnswerError):
                states = jobs_named({job.batch.job_name for job in self._jobs})
        for job in list(self._jobs):
            try:
                told = harvest(job.task)
                if told is None or told.status == "stopped":
                    told = None if states is None else self._judge(job, told, states)
            except (AexpError, OSError) as error:  # a disk that takes nothing more ends the sweep
                job.future.set_exception(error)
                self._drop(job)
                continue
            if told is not None:
                self._finish(job, told)

    def _judge(
        self, job: _Job, told: Outcome | None, states: Mapping[str, JobState]
    ) -> Outcome | None:
        """Return how a point ended that has not said so itself; None while it may go on."""
        try:
            state = states.get(job.id) or one_job(job.id)
        except NoAnswerError:
            return None
        if state is not None and state.active:
            job.gone_at = 0.0
            return None
        # Files of a job may show a moment after its end, on a network's file system.
        job.gone_at = job.gone_at or time.monotonic()
        if time.monotonic() - job.gone_at < 5 * self._poll:
            return None
        ending = None if state is None else state.ending()
        if ending is not None:
            return charge(job.task, told, *ending)
        if told is not None:
            return told
        word = "Slurm knows it no longer" if state is None else f"Slurm says {state.state}"
        return lost(job.task, "Lost", f"job {job.id} ended without an outcome; {word}")

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        if self._drop(job):
            forget_batch(job.task.folder, job.batch)
        if not job.future.done():
            job.future.set_result(outcome)

    def _drop(self, job: _Job) -> bool:
        """Look after a job no longer; return whether it was the last of its batch."""
        with self._condition:
            self._jobs.remove(job)
            return all(other.batch.name != job.batch.name for other in self._jobs)

    def _give_up(self, error: Exception, due: list[tuple[Task, Future[Outcome]]]) -> None:
        """Put off what Slurm does not take beside what it has; or say that it takes nothing."""
        held = {id(job.future) for job in self._jobs}
        with self._condition:
            due = [pair for pair in due if id(pair[1]) not in held]
            if held and not isinstance(error, AexpError):  # some clusters limit jobs in the queue
                self._waiting = [*due, *self._waiting]
                self._last_came = time.monotonic() + 5 * self._poll
                return
        for _, future in due:
            future.set_exception(_refusal(error))

    def _cancel_all(self) -> None:
        """Cancel the jobs that are still there and wait for what their points say."""
        jobs = [job for job in self._jobs if not job.future.done()]
        for start in range(0, len(jobs), 500):
            ids = [job.id for job in jobs[start : start + 500]]
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(["scancel", *ids], capture_output=True, timeout=60, check=False)
        deadline = time.monotonic() + 60
        while jobs and time.monotonic() < deadline:
            with contextlib.suppress(NoAnswerError):
                states = jobs_named({job.batch.job_name for job in jobs})
                for job in [job for job in jobs if not _is_active(states.get(job.id))]:
                    jobs.remove(job)
                    self._finish(job, harvest(job.task) or _stopped(job.task))
            time.sleep(min(self._poll, 1.0))


def _seconds(limit: object) -> int | None:
    """Return a time limit in seconds: a duration, or what ``sbatch --time`` takes."""
    if limit is None:
        return None
    if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        return limit * 60
    match = _SBATCH_TIME.fullmatch(limit) if isinstance(limit, str) else None
    if match is not None:
        days = int(match["days"] or 0)
        parts = [int(part) for part in match["clock"].split(":")]
        units = (3600, 60, 1) if match["days"] or len(parts) == 3 else (60, 1)
        return days * 86400 + sum(n * unit for n, unit in zip(parts, units, strict=False))
    try:
        return parse_duration(limit)
    except UsageError as error:
        hint = "write for example 90m, 2h, 1d, or as sbatch takes it: 02:00:00"
        raise SweepConfigError(f"backend.time: {error.message}", hint=hint) from error


def _sbatch_options(given: Mapping[str, Any], requeue: bool) -> dict[str, Any]:
    for key in given:
        if key.replace("_", "-") in _OURS:
            raise SweepConfigError(
                f"backend.sbatch may not have {key!r}",
                hint="use `time` and `workers` of the backend; the rest is needed by the sweep",
            )
    # submitit's own signal before the end means nothing to a point; Slurm's at the end does.
    fixed = {"signal": "CONT@0", "requeue" if requeue else "no-requeue": True}
    return {**fixed, **{key.replace("_", "-"): value for key, value in given.items()}}


def _alike(task: Task, other: Task) -> bool:
    return (task.folder, task.root, task.timeout_s) == (other.folder, other.root, other.timeout_s)


def _jobs_of(batch: Batch, states: Mapping[str, JobState]) -> list[JobState | None]:
    """Return how each element of a batch stands, None where Slurm knows none of that name."""
    number = batch.job or _number_of(batch, states)
    jobs = [states.get(batch.job_of(index, number)) for index in range(len(batch.tasks))]
    return [job if job is not None and job.comment == batch.name else None for job in jobs]


def _number_of(batch: Batch, states: Mapping[str, JobState]) -> str:
    """Return the number that Slurm gave to a batch, empty where it knows of none."""
    ours = (job for job, state in states.items() if state.comment == batch.name)
    return next(ours, "").partition("_")[0]


def _patiently(names: set[str]) -> dict[str, JobState]:
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            return jobs_named(names)
        except NoAnswerError as error:
            if time.monotonic() > deadline:
                raise SweepConfigError(
                    f"Slurm does not say what still runs of this sweep: {error}",
                    hint="resume when `squeue` answers",
                ) from error
            time.sleep(1.0)


def _is_active(state: JobState | None) -> bool:
    return state is not None and state.active


def _stopped(task: Task) -> Outcome:
    given_up = lost(task, "Stopped", "ended by the sweep's driver")
    return msgspec.structs.replace(given_up, status="stopped")


def _refusal(error: Exception) -> Exception:
    """Return what a user is told when Slurm takes no job."""
    if isinstance(error, AexpError):
        return error
    said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return SweepConfigError(
        f"Slurm takes no job: {said[-1] if said else type(error).__name__}",
        hint="see `sinfo`, and backend.sbatch of the sweep",
    )
