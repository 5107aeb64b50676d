"""What a Slurm job does: stay with the worker of one point (SWP-13)."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

import msgspec

from aexp import settings
from aexp.sweep.backends.base import Task, harvest
from aexp.sweep.backends.children import spawn
from aexp.sweep.backends.slurm_queue import NoAnswerError, one_job
from aexp.sweep.backends.supervise import run_worker
from aexp.sweep.outcome import Outcome, Problem, outcome_file, publish

SETTLE_S: Final = 0.5


def run_point(task: Task) -> None:
    """Run one point within this job.

    Slurm may start a job again, after a node failed or for the sake of another job. Then what the
    earlier start left decides: an end of the point stands, a stop by Slurm does not.
    """
    told = harvest(task)
    if told is not None:
        if told.status != "stopped":
            return
        outcome_file(task.folder, task.run_id, task.attempt).unlink(missing_ok=True)
    outcome = run_worker(task, start=partial(spawn, output=1))
    if outcome.status == "stopped" or harvest(task) is None:
        _conclude(task, outcome)


def _conclude(task: Task, outcome: Outcome) -> None:
    """Tell what Slurm did to a worker from what happened by itself, while Slurm still knows."""
    time.sleep(SETTLE_S)  # who kills the worker may be about to kill this, too
    job = settings.scheduler_environment().job_id
    try:
        state = one_job(job) if job else None
    except NoAnswerError:
        state = None
    ending = None if state is None else state.ending()
    if ending is not None:
        outcome = msgspec.structs.replace(outcome, status="failed", error=Problem(*ending))
    elif outcome.status == "stopped" or (state is not None and state.state != "RUNNING"):
        return  # perhaps to be started again
    publish(task.folder, outcome)
