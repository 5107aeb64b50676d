"""What Slurm says of the jobs of a sweep, by ``squeue``; there need be no accounting (SWP-13)."""

from __future__ import annotations

from aexp.runs.slurm import JobState, NoAnswerError, ask, one_job

__all__ = ["JobState", "NoAnswerError", "jobs_named", "one_job"]


def jobs_named(names: set[str]) -> dict[str, JobState]:
    """Return all jobs of these names that Slurm remembers, elements of arrays one by one.

    Raises:
        NoAnswerError: Slurm does not answer.
    """
    if not names:
        return {}
    said = ask(
        *("squeue", "--noheader", "--array", "--states=all"),
        *(f"--name={','.join(sorted(names))}", "--format=%i|%T|%r|%k"),
    )
    found = {}
    for line in said.splitlines():
        job, state, reason, comment = [*line.strip().split("|", 3), "", "", ""][:4]
        if job:
            found[job] = JobState(job, state, reason, comment)
    return found
