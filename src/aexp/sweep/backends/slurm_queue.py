"""What Slurm says of jobs, by ``squeue`` and ``scontrol``; there need be no accounting (SWP-13)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TIMEOUT_S: Final = 60.0
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


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job stands.

    Attributes:
        job: its id; ``12_3`` in an array.
        state: Slurm's word, such as ``RUNNING``.
        reason: why, in Slurm's words.
        comment: what was given as comment when it was submitted.
    """

    job: str
    state: str
    reason: str = ""
    comment: str = ""

    @property
    def active(self) -> bool:
        """Whether it waits, runs, or will run again."""
        return self.state in _ACTIVE

    def ending(self) -> tuple[str, str] | None:
        """Return kind and message where Slurm ended it, None where it ended by itself."""
        kind = _ENDED_BY.get("TIMEOUT" if self.reason == "TimeLimit" else self.state)
        return None if kind is None else (kind[0], f"{kind[1]} ({self.job})")


def jobs_named(names: set[str]) -> dict[str, JobState]:
    """Return all jobs of these names that Slurm remembers, elements of arrays one by one.

    Raises:
        NoAnswerError: Slurm does not answer.
    """
    if not names:
        return {}
    said = _ask(
        *("squeue", "--noheader", "--array", "--states=all"),
        *(f"--name={','.join(sorted(names))}", "--format=%i|%T|%r|%k"),
    )
    found = {}
    for line in said.splitlines():
        job, state, reason, comment = [*line.strip().split("|", 3), "", "", ""][:4]
        if job:
            found[job] = JobState(job, state, reason, comment)
    return found


def one_job(job: str) -> JobState | None:
    """Return how one job stands, None when Slurm has forgotten it (some minutes after its end).

    Raises:
        NoAnswerError: Slurm does not answer.
    """
    try:
        said = _ask("scontrol", "--oneliner", "show", "job", job)
    except NoAnswerError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    for line in said.splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        names = (words.get("JobId", ""), f"{words.get('ArrayJobId')}_{words.get('ArrayTaskId')}")
        if job in names:
            return JobState(
                job, words.get("JobState", ""), words.get("Reason", ""), words.get("Comment", "")
            )
    return None


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(str(error)) from error
    if done.returncode != 0:
        raise NoAnswerError(done.stderr.strip() or f"{command[0]} exited with {done.returncode}")
    return done.stdout
