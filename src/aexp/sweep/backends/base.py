"""The contract of a backend (SWP-13).

A backend starts :mod:`aexp.sweep.worker` for each task, somewhere, and says when that has
ended. It never says *how*: the worker's outcome on disk does, and where there is none, the point
was lost. A worker that was killed is charged to its own point only (trap 62).

A worker ends by itself when its parent process dies (Linux: at once, elsewhere within a few
seconds), so that none outlives its driver (trap 66).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from aexp.clock import utc_now
from aexp.errors import SweepConfigError
from aexp.model.times import format_time
from aexp.sweep.outcome import Outcome, Problem, log_name, outcome_file, read_outcome, tail_of

if TYPE_CHECKING:
    from aexp.repo import Layout

KINDS = ("local", "joblib", "dask", "slurm", "srun")


@dataclass(frozen=True)
class Task:
    """One attempt of one point.

    Attributes:
        folder: the sweep's folder, absolute.
        run_id: the point's number in the plan.
        attempt: which attempt, from 1.
        timeout_s: seconds after which the worker is killed, or None.
        root: the repository's root: the worker's working directory. None when it is the
            repository that holds ``folder``.
        again: run the point although its run is complete: its output files are gone.
    """

    folder: Path
    run_id: int
    attempt: int
    timeout_s: float | None = None
    root: Path | None = None
    again: bool = False


class Pool(Protocol):
    """Where points are executed: a context manager, entered before the first task.

    Leaving it ends what still runs, and waits for that. Whoever makes a pool enters it
    (``with LocalJoblibPool(…) as pool:``), and may use it for several sweeps; a sweep enters only
    the one that it opens itself, of its spec's ``backend``.

    Attributes:
        name: such as ``local``; recorded in the manifest.
        workers: how many tasks run at once. The engine keeps a little more than that submitted,
            unless the pool has an attribute ``window``: how many may wait for their end at once.
    """

    name: str
    workers: int

    def __enter__(self) -> Self:
        """Make the pool ready."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs and let go of everything."""

    def submit(self, task: Task) -> Future[Outcome]:
        """Start a worker for ``task`` when there is room.

        The future never raises because of the point: what went wrong is in the outcome. It
        raises what keeps *every* point from being started.
        """

    def live(self, folder: Path) -> dict[Task, Future[Outcome]]:
        """Return what the engine still runs for an earlier driver of a sweep; mostly nothing.

        Each task comes with the future of its end, as if it had been submitted here: the sweep
        waits for it and does not submit it again.

        Args:
            folder: the sweep's folder.
        """


def worker_command(task: Task, parent: int | None = None) -> list[str]:
    """Return the command of the worker for a task; its working directory is the root.

    Args:
        task: the task.
        parent: the id of the process that starts it and shall not be outlived; None where what
            starts it is not known yet.
    """
    command = [
        *(sys.executable, "-m", "aexp.sweep.worker"),
        *(() if parent is None else (f"--parent={parent}",)),
        *(str(task.folder), str(task.run_id), str(task.attempt)),
    ]
    if task.root is not None:
        command.append(str(task.root))
    return [*command, "--again"] if task.again else command


def harvest(task: Task) -> Outcome | None:
    """Return what the worker of a task wrote, None when it has not (yet)."""
    return read_outcome(outcome_file(task.folder, task.run_id, task.attempt))


def lost(task: Task, kind: str, message: str, *, started_at: str = "") -> Outcome:
    """Return the outcome of a task whose worker ended without writing one.

    Args:
        task: the task.
        kind: ``Signal``, ``Exit``, ``Timeout``, ``Walltime``, ``Lost``, ….
        message: what is known: ``killed by SIGKILL``.
        started_at: when the worker was started, as text.
    """
    log = log_name(task.run_id, task.attempt)
    return Outcome(
        run_id=task.run_id,
        attempt=task.attempt,
        status="failed",
        started_at=started_at,
        ended_at=format_time(utc_now()),
        stderr=tail_of(task.folder / log),
        log_path=log,
        error=Problem(kind, message),
    )


def open_pool(backend: Mapping[str, Any] | None, layout: Layout) -> Pool:
    """Return the pool that a sweep's ``backend`` settings ask for; local processes by default.

    Args:
        backend: ``kind``, ``workers`` and what else that kind knows (SWP-16).
        layout: the repository.

    Raises:
        SweepConfigError: there is no such kind, or it does not know a setting.
        MissingExtraError: it needs a package that is not installed.
    """
    settings = dict(backend or {})
    kind = settings.pop("kind", "local")
    if kind == "local":
        from aexp.sweep.backends.local import LocalProcessPool

        return _opened(LocalProcessPool, kind, settings)
    if kind == "joblib":
        from aexp.sweep.backends.joblib import LocalJoblibPool

        return _opened(LocalJoblibPool, kind, settings)
    if kind == "dask":
        from aexp.sweep.backends.dask import DaskPool

        return _opened(DaskPool, kind, settings)
    if kind == "slurm":
        from aexp.sweep.backends.slurm import SlurmPool

        return _opened(SlurmPool, kind, settings)
    if kind == "srun":
        from aexp.sweep.backends.srun import SrunPool

        return _opened(SrunPool, kind, settings)
    raise SweepConfigError(
        f"there is no backend {kind!r}", hint=f"backend.kind is one of: {', '.join(KINDS)}"
    )


def _opened(make: Any, kind: str, settings: Mapping[str, Any]) -> Pool:
    """Return a pool of its settings, which are the keyword arguments of its class."""
    import inspect

    known = inspect.signature(make).parameters
    unknown = sorted(set(settings) - set(known) - {"timeout"})
    if unknown:
        raise SweepConfigError(
            f"the backend {kind} has no setting {unknown[0]!r}",
            hint=f"it has: {', '.join([*known, 'timeout'])}",
        )
    given = {key: value for key, value in settings.items() if key in known}
    pool: Pool = make(**given)
    return pool
