"""Which Slurm job runs which point, on disk: for a driver that comes after this one (SWP-13).

A batch is one submission: a job, or an array of jobs. Its file is written before the submission,
so that a driver that dies in between leaves jobs that can be told by their comment, which is the
name of the batch. Nothing is run twice.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from aexp.storage.atomic import write_atomic

SLURM_DIR: Final = "slurm"
JOBS_DIR: Final = "slurm/jobs"


class Batch(msgspec.Struct, frozen=True):
    """One submission.

    Attributes:
        name: random; the comment of its jobs.
        job_name: what ``squeue`` shows as the name of its jobs.
        tasks: run id and attempt of each element, in order.
        job: Slurm's number of it, empty until Slurm has answered.
    """

    name: str
    job_name: str
    tasks: tuple[tuple[int, int], ...]
    job: str = ""

    def job_of(self, index: int, job: str = "") -> str:
        """Return the id of the job of one element, as Slurm shows it."""
        number = self.job or job
        return f"{number}_{index}" if len(self.tasks) > 1 else number


def new_batch(folder: Path, job_name: str, tasks: list[tuple[int, int]]) -> Batch:
    """Write down a batch that is about to be submitted.

    Raises:
        StorageError: the disk refused.
    """
    batch = Batch(secrets.token_hex(6), job_name, tuple(tasks))
    write_batch(folder, batch)
    return batch


def write_batch(folder: Path, batch: Batch) -> None:
    """Write what is known of a batch.

    Raises:
        StorageError: the disk refused.
    """
    write_atomic(_file(folder, batch), msgspec.json.encode(batch) + b"\n")


def forget_batch(folder: Path, batch: Batch) -> None:
    """Remove a batch none of whose jobs is wanted any more, with what submitit left of it.

    The logs of jobs stay.
    """
    with contextlib.suppress(OSError):
        _file(folder, batch).unlink(missing_ok=True)
        for path in (folder / JOBS_DIR).glob(f"{batch.job}_*.pkl") if batch.job else ():
            path.unlink(missing_ok=True)


def batches_in(folder: Path) -> Iterator[Batch]:
    """Yield the batches of a sweep that were not forgotten; a damaged file is none."""
    for path in sorted((folder / SLURM_DIR).glob("*.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            yield msgspec.json.decode(path.read_bytes(), type=Batch)


def _file(folder: Path, batch: Batch) -> Path:
    return folder / SLURM_DIR / f"{batch.name}.json"
