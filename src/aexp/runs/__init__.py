"""The life of a run across the stores. These functions are the public Python API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexp.model.status import TERMINAL_STATUSES
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.workspace.compat import Job, Project

__all__ = [
    "TERMINAL_STATUSES",
    "create_run",
    "find_runs",
    "get_run_store",
    "mark_status",
    "open_run",
    "run_lifecycle",
]


def create_run(
    experiment_id: str,
    statepoint: Mapping[str, Any] | None = None,
    *,
    hypothesis_id: str | None = None,
    sub_hypothesis_id: str | None = None,
    include_commit: bool = True,
    resolve_conditions: bool = True,
    repo_root: str | Path | None = None,
) -> Job:
    """Create a run, or return the one that has this state point already (RUN-01).

    Args:
        experiment_id: such as ``E001``. Without a file for it a ``MissingExperimentWarning`` is
            given, since scripts may run before the prose is written.
        statepoint: the identity parameters; keys with dots become nested mappings.
        hypothesis_id: the hypothesis; the experiment's own when None.
        sub_hypothesis_id: a part of the hypothesis.
        include_commit: put the state of the code into the state point.
        resolve_conditions: merge in the block of the experiment's ``conditions`` that
            ``condition`` names (KB-02).
        repo_root: any folder of the repository; the working directory when None.

    Returns:
        The run as a signac job.

    Raises:
        UsageError, UnsafeValueError: the state point may not be recorded.
        NotARepositoryError: there is no git repository.
        GitError: the state of the code cannot be read.
        StorageError: the disk refused.
    """
    from aexp.runs.create import create
    from aexp.workspace.compat import open_job
    from aexp.workspace.store import RunStore

    layout = open_layout(repo_root)
    made = create(
        layout,
        experiment_id,
        statepoint,
        hypothesis_id=hypothesis_id,
        sub_hypothesis_id=sub_hypothesis_id,
        include_commit=include_commit,
        resolve=resolve_conditions,
        missing="warn",
        durable=False,
    )
    return open_job(RunStore(layout), made.job_id)


def open_run(job_id_or_prefix: str, *, repo_root: str | Path | None = None) -> Job:
    """Return a run of this machine by its id or the beginning of it.

    Raises:
        NotFoundError, AmbiguousIdError: none, or several, match.
        UsageError: the text is no beginning of an id.
    """
    from aexp.runs.lookup import resolve_local_id
    from aexp.workspace.compat import open_job
    from aexp.workspace.store import RunStore

    layout = open_layout(repo_root)
    return open_job(RunStore(layout), resolve_local_id(layout, job_id_or_prefix))


def find_runs(
    *,
    experiment_id: str | None = None,
    hypothesis_id: str | None = None,
    status: str | None = None,
    repo_root: str | Path | None = None,
    **sp_filters: Any,
) -> list[Job]:
    """Return the runs of this machine that match, sorted by id.

    Args:
        experiment_id: by current link.
        hypothesis_id: by current link.
        status: the status now.
        repo_root: any folder of the repository; the working directory when None.
        sp_filters: state point keys and the values they must have.
    """
    from aexp.model.citation import selector_matches
    from aexp.workspace.compat import open_project
    from aexp.workspace.store import RunStore

    store = RunStore(open_layout(repo_root))
    wanted = [
        record.job_id
        for record in store.records()
        if record.problem is None
        and experiment_id in (None, record.experiment_id)
        and hypothesis_id in (None, record.link.get("hypothesis_id"))
        and status in (None, record.status)
        and selector_matches(sp_filters, record.statepoint, record.link)
    ]
    if not wanted:
        return []
    project = open_project(store)
    return [project.open_job(id=job_id) for job_id in wanted]


def get_run_store(repo_root: str | Path | None = None) -> Project:
    """Return this machine's run store as a signac project, making it when it is new."""
    from aexp.workspace.compat import open_project
    from aexp.workspace.store import RunStore

    return open_project(RunStore(open_layout(repo_root)))


def mark_status(job: Any, status: str, *, set_ended_at: bool = True) -> None:
    """Change a run's status; a terminal one is promoted to the ledger (RUN-03).

    A promotion that fails is said on standard error and remembered; it never raises (RUN-04).

    Args:
        job: the run, as :func:`create_run` returns it.
        status: the new status.
        set_ended_at: False leaves ``ended_at`` and ``wallclock_s`` to the caller.

    Raises:
        UsageError: there is no such status.
        InvalidTransitionError: the table does not allow the change; nothing was changed.
    """
    from aexp.runs.transition import change_status
    from aexp.workspace.locate import locate

    store, job_id = locate(job)
    change_status(store, job_id, status, set_ended_at=set_ended_at)


@contextmanager
def run_lifecycle(
    job: Any, *, again: bool = False, heartbeat_s: float | None = None
) -> Iterator[Any]:
    """Run a block as one attempt of a run and give it the job (RUN-02).

    See :func:`aexp.runs.lifecycle.lifecycle` for how each way of ending is recorded. Inside,
    ``aexp.current_run()`` is the run.

    Args:
        job: the run, as :func:`create_run` returns it.
        again: record a new attempt of a run that is complete.
        heartbeat_s: seconds between signs of life.

    Raises:
        RunBusyError: a live process owns the run.
        InvalidTransitionError: the run is complete and ``again`` was not given.
    """
    from aexp.runs.lifecycle import HEARTBEAT_S, lifecycle
    from aexp.workspace.locate import locate

    store, job_id = locate(job)
    with lifecycle(store, job_id, again=again, heartbeat_s=heartbeat_s or HEARTBEAT_S):
        yield job
