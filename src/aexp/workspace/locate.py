"""From a job object to the store and repository it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from aexp.errors import NotARepositoryError
from aexp.repo import Layout, open_layout
from aexp.workspace.compat import job_folder, store_of
from aexp.workspace.store import DOCUMENT_FILE, RunStore, read_document


def locate(job: Any, repo_root: str | Path | None = None) -> tuple[RunStore, str]:
    """Return the run store that holds ``job``, and the job's id.

    The repository is ``repo_root`` when given; else the work tree that the run's document names,
    the one around the run's folder, or the one around the working directory, in this order. The
    run store may be outside the repository (trap 13).

    Raises:
        NotARepositoryError: none of these is a git repository.
        UsageError: ``job`` is no run.
    """
    job_id, folder = job_folder(job)
    known = store_of(job) if repo_root is None else None
    if known is not None and known.folder(job_id) == folder:
        return known, job_id
    return RunStore(layout_of(folder, repo_root)), job_id


def layout_of(folder: Path, repo_root: str | Path | None = None) -> Layout:
    """Return the layout of the repository that a run's folder belongs to; see :func:`locate`."""
    layout = _repository_of(folder, repo_root)
    store_folder = folder.parent.parent
    return layout if layout.run_store == store_folder else replace(layout, run_store=store_folder)


def _repository_of(folder: Path, repo_root: str | Path | None) -> Layout:
    if repo_root is not None:
        return open_layout(repo_root)
    try:
        return open_layout(folder)
    except NotARepositoryError:
        pass
    recorded = read_document(folder / DOCUMENT_FILE).get("worktree")
    if isinstance(recorded, str) and Path(recorded).is_dir():
        return open_layout(recorded)
    return open_layout(None)
