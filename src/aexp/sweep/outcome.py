"""What a worker says of one attempt of a point, and where everything of a point stands (SWP-13).

All paths in an outcome are relative to the sweep's folder, so that the folder may be moved
(SWP-11, trap 63).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from aexp.storage.atomic import write_atomic

POINTS_FILE: Final = "points.jsonl"
MANIFEST_FILE: Final = "manifest.jsonl"
OUTCOMES_DIR: Final = "outcomes"
LOGS_DIR: Final = "logs"
OUT_DIR: Final = "out"
TAIL_BYTES: Final = 2048
"""How much of a failed point's output is kept."""

Ending: TypeAlias = Literal["ok", "failed", "skipped", "stopped"]
"""``stopped``: it was interrupted from outside. It gets no line in the manifest when its driver
stops as well, and so is run again by a resume; else it counts as failed."""


class OutputFile(msgspec.Struct, frozen=True):
    """A file that a point left behind.

    Attributes:
        path: relative to the sweep's folder, POSIX: ``out/17/results.csv``.
        size: bytes.
        sha256: hex digest of its content.
    """

    path: str
    size: int
    sha256: str


class Problem(msgspec.Struct, frozen=True):
    """What went wrong.

    Attributes:
        type: the exception's name, or ``Signal``, ``Exit``, ``Timeout``, ``Lost``, ….
        message: what it says.
    """

    type: str
    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt of a point ended.

    Attributes:
        run_id: the point's number in the plan.
        attempt: which attempt, from 1.
        status: how it ended.
        job_id: the run, or None when it was never created.
        output_paths: the files in the point's folder.
        started_at: when the worker began, as text.
        ended_at: when it ended.
        duration_s: seconds between the two.
        stderr: the end of what it wrote to standard error.
        log_path: the log of the attempt, relative to the sweep's folder.
        error: what went wrong, None when nothing did.
    """

    run_id: int
    attempt: int
    status: Ending
    job_id: str | None = None
    output_paths: tuple[OutputFile, ...] = ()
    started_at: str = ""
    ended_at: str = ""
    duration_s: float = 0.0
    stderr: str = ""
    log_path: str = ""
    error: Problem | None = None


def attempt_name(run_id: int, attempt: int) -> str:
    """Return how the files of one attempt are called, without suffix."""
    return f"{run_id}.{attempt}"


def outcome_file(folder: Path, run_id: int, attempt: int) -> Path:
    """Return where the worker of an attempt publishes its outcome."""
    return folder / OUTCOMES_DIR / f"{attempt_name(run_id, attempt)}.json"


def log_name(run_id: int, attempt: int) -> str:
    """Return the log of an attempt, relative to the sweep's folder."""
    return f"{LOGS_DIR}/{attempt_name(run_id, attempt)}.log"


def out_folder(folder: Path, run_id: int) -> Path:
    """Return the folder for a point's output files."""
    return folder / OUT_DIR / str(run_id)


def publish(folder: Path, outcome: Outcome) -> None:
    """Write an outcome, all or nothing; the worker's last act.

    A power failure may take or empty it, until the manifest has its line: the run, which is durable
    before, then tells a resume as much.

    Raises:
        StorageError: the disk refused.
    """
    path = outcome_file(folder, outcome.run_id, outcome.attempt)
    write_atomic(path, msgspec.json.encode(outcome) + b"\n", flush="nothing")


def read_outcome(path: Path) -> Outcome | None:
    """Return the outcome in ``path``; None when there is none, or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outcome)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def attempts_in(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield ``(run_id, attempt)`` of every attempt that began, as its log or outcome shows."""
    for name in (OUTCOMES_DIR, LOGS_DIR):
        try:
            with os.scandir(folder / name) as entries:
                for entry in entries:
                    run_id, _, rest = entry.name.partition(".")
                    attempt, _, suffix = rest.partition(".")
                    if suffix in ("json", "log") and run_id.isdecimal() and attempt.isdecimal():
                        yield int(run_id), int(attempt)
        except FileNotFoundError:
            continue


def tail_of(path: Path) -> str:
    """Return the end of a log; empty when there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
