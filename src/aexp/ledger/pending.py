"""Runs whose way into the ledger was begun and not finished: a mark for each (RUN-04)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from aexp.repo import Layout

PENDING_DIR: Final = ".aexp/pending"


def mark_pending(layout: Layout, job_id: str) -> None:
    """Note that a run is about to end, so that a killed promotion is seen later (RUN-04)."""
    folder = layout.root / PENDING_DIR
    mark = f"{folder}{os.sep}{job_id}"
    with contextlib.suppress(OSError):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o666))


def clear_pending(layout: Layout, job_id: str) -> None:
    """Remove the note of :func:`mark_pending`."""
    with contextlib.suppress(OSError):
        os.unlink(f"{layout.root}{os.sep}{PENDING_DIR}{os.sep}{job_id}")  # noqa: PTH108


def pending(layout: Layout) -> list[str]:
    """Return the runs whose promotion was begun and not finished in this work tree, sorted."""
    try:
        return sorted(path.name for path in (layout.root / PENDING_DIR).iterdir())
    except OSError:
        return []


def commit_marks_folder(layout: Layout) -> Path | None:
    """Return where commits of sessions leave their marks: in the git folder, which all share."""
    return None if layout.common_dir is None else layout.common_dir / "aexp" / "pending-experiments"


def commit_marks(layout: Layout) -> list[Path]:
    """Return the marks of commits of sessions whose record may be missing (SES-07), sorted."""
    folder = commit_marks_folder(layout)
    try:
        return [] if folder is None else sorted(folder.glob("*.json"))
    except OSError:
        return []
