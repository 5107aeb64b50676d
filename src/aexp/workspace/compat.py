"""Real signac objects, for scripts that want them. The only place that imports signac."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp.errors import UsageError
from aexp.workspace.store import RunStore

if TYPE_CHECKING:
    from signac import Project as Project
    from signac.job import Job as Job


_STORE: Final = "_aexp_store"
_projects = threading.local()
"""The projects that a thread has opened: signac reads its settings anew for each."""


def open_project(store: RunStore) -> Project:
    """Return the store as a signac project, making it one when it is new."""
    import signac

    store.initialise()
    path = str(store.layout.run_store)
    known: dict[str, Project] = _projects.__dict__.setdefault("by_path", {})
    if path not in known:
        known[path] = signac.get_project(path=path, search=False)
    return known[path]


def open_job(store: RunStore, job_id: str) -> Job:
    """Return run ``job_id`` as a signac job."""
    job = open_project(store).open_job(id=job_id)
    setattr(job, _STORE, store)
    return job


def store_of(job: Any) -> RunStore | None:
    """Return the run store that :func:`open_job` took a job from, None for any other job."""
    store = getattr(job, _STORE, None)
    return store if isinstance(store, RunStore) else None


def job_folder(job: Any) -> tuple[str, Path]:
    """Return the id and the folder of a run given as a signac job, or as anything like one.

    Raises:
        UsageError: ``job`` has neither ``id`` nor ``path``.
    """
    job_id = getattr(job, "id", None) or getattr(job, "job_id", None)
    path = getattr(job, "path", None) or getattr(job, "folder", None)
    if not isinstance(job_id, str) or path is None:
        raise UsageError(f"a run was expected, not a {type(job).__name__}")
    return job_id, Path(str(path))
