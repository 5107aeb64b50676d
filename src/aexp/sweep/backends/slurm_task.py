"""What a Slurm job does: stay with the worker of one point (SWP-13)."""

from __future__ import annotations

from aexp import settings
from aexp.sweep.backends.base import Task, harvest
from aexp.sweep.backends.slurm_queue import NoAnswerError, one_job
from aexp.sweep.backends.supervise import charge, run_worker
from aexp.sweep.outcome import outcome_file


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
    outcome = run_worker(task, output=1)
    if outcome.status == "stopped":
        _say_why(task)


def _say_why(task: Task) -> None:
    """Tell a time limit, or a cancelled job, from a failure, while Slurm still knows."""
    job = settings.scheduler_environment().job_id
    try:
        state = one_job(job) if job else None
    except NoAnswerError:
        return
    ending = None if state is None else state.ending()
    if ending is not None:
        charge(task, harvest(task), *ending)
