"""What Slurm says of a job, by ``scontrol``; there need be no accounting (SWP-13, RUN-06)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from aexp import settings
from aexp.model.owner import Owner

TIMEOUT_S: Final = 60.0
_PATIENCE_S: Final = 10.0
"""Seconds for which somebody who looks at runs waits for Slurm."""
_BELIEVED_S: Final = 10.0
"""Seconds for which an answer counts: several runs are often of one job."""
_ACTIVE: Final = frozenset(
    {
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING"),
        *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
        *("SIGNALING", "STAGE_OUT", "UPDATE_DB", "POWER_UP_NODE", "EXPEDITING"),
    }
)
_ENDED_BY: Final[Mapping[str, tuple[str, str]]] = {
    "TIMEOUT": ("Walltime", "Slurm ended the job at its time limit"),
    "DEADLINE": ("Walltime", "Slurm ended the job at its deadline"),
    "CANCELLED": ("Cancelled", "the job was cancelled in Slurm"),
    "OUT_OF_MEMORY": ("OutOfMemory", "the job used more memory than it had asked Slurm for"),
    "NODE_FAIL": ("NodeFailure", "a node of the job failed"),
    "BOOT_FAIL": ("NodeFailure", "the job's node did not start"),
    "PREEMPTED": ("Preempted", "Slurm ended the job in favour of another"),
}


class NoAnswerError(Exception):
    """Slurm does not answer now: its controller is away, or busy. That says nothing of jobs."""


class JobState(Struct, frozen=True):
    """How a job stands.

    Attributes:
        job: its id; ``12_3`` in an array.
        state: Slurm's word, such as ``RUNNING``.
        reason: why, in Slurm's words.
        comment: what was given as comment when it was submitted.
        restarts: how often Slurm has started it again.
    """

    job: str
    state: str
    reason: str = ""
    comment: str = ""
    restarts: int = 0

    @property
    def active(self) -> bool:
        """Whether it waits, runs, or will run again."""
        return self.state in _ACTIVE

    def ending(self) -> tuple[str, str] | None:
        """Return kind and message where Slurm ended it, None where it ended by itself."""
        kind = _ENDED_BY.get("TIMEOUT" if self.reason == "TimeLimit" else self.state)
        return None if kind is None else (kind[0], f"{kind[1]} ({self.job})")


def one_job(job: str, *, timeout_s: float = TIMEOUT_S) -> JobState | None:
    """Return how one job stands, None when Slurm has forgotten it (some minutes after its end).

    Args:
        job: its id.
        timeout_s: seconds to wait for an answer.

    Raises:
        NoAnswerError: Slurm does not answer.
    """
    try:
        said = ask("scontrol", "--oneliner", "show", "job", job, timeout_s=timeout_s)
    except NoAnswerError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    for line in said.splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        names = (words.get("JobId", ""), f"{words.get('ArrayJobId')}_{words.get('ArrayTaskId')}")
        if job in names:
            restarts = words.get("Restarts", "")
            return JobState(
                job,
                words.get("JobState", ""),
                words.get("Reason", ""),
                words.get("Comment", ""),
                int(restarts) if restarts.isdecimal() else 0,
            )
    return None


def ask(*command: str, timeout_s: float = TIMEOUT_S) -> str:
    """Return what one of Slurm's programs prints.

    Raises:
        NoAnswerError: it does not answer, or is not there.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(str(error)) from error
    if done.returncode != 0:
        raise NoAnswerError(done.stderr.strip() or f"{command[0]} exited with {done.returncode}")
    return done.stdout


# --- the owner of a run ------------------------------------------------------------------------

_answers: dict[Owner, tuple[float, bool]] = {}


def job_is_gone(owner: Owner) -> bool:
    """Return whether Slurm says that the job of a process has ended, or has begun anew.

    Nothing of it runs any more then, on whichever node it was. Only the Slurm that the job was
    submitted to can tell: another one's job of that number is another job.
    """
    if not owner.scheduler_job or not owner.scheduler_cluster:
        return False
    asked, answer = _answers.get(owner, (0.0, False))
    if not asked or time.monotonic() - asked > _BELIEVED_S:
        answer = _is_gone(owner)
        _answers[owner] = (time.monotonic(), answer)
    return answer


def _is_gone(owner: Owner) -> bool:
    try:
        if _cluster() != owner.scheduler_cluster:
            return False
        state = one_job(owner.scheduler_job, timeout_s=_PATIENCE_S)
    except NoAnswerError:
        return False
    return state is None or not state.active or state.restarts > owner.scheduler_restart


def _cluster() -> str:
    """Return the name of the cluster that is asked here."""
    within = settings.scheduler_environment().cluster
    if within:
        return within
    for line in ask("scontrol", "show", "config", timeout_s=_PATIENCE_S).splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() == "ClusterName":
            return value.strip()
    return ""
