"""Points on the workers of a Dask cluster (SWP-13)."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from aexp.errors import SweepConfigError
from aexp.recording.formats import require
from aexp.sweep.backends.base import Task, harvest, lost
from aexp.sweep.backends.supervise import GRACE_S, charge, run_worker
from aexp.sweep.outcome import OUTCOMES_DIR, Outcome, attempt_name

if TYPE_CHECKING:
    from distributed import Client

START_S: Final = 60.0


class DaskPool:
    """Points on the workers of a Dask cluster.

    A thread of a Dask worker stays with the process of a point. When the Dask worker dies, the
    points that it ran end with it and count as failed; Dask would start them anew elsewhere, and
    if the worker was only out of reach they would run twice.

    Args:
        client: a ``distributed.Client`` of yours, which stays open. Without one, and without an
            address, a cluster is started on this machine, and ended with the pool.
        workers: how many points run at once; by default as many as the cluster has threads.
        address: of a scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises:
        SweepConfigError: ``workers`` is no number from 1.
        MissingExtraError: Dask's ``distributed`` is not installed.
    """

    name = "dask"

    def __init__(
        self,
        client: Client | None = None,
        *,
        workers: int | None = None,
        address: str | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise SweepConfigError(f"workers is a whole number from 1, not {workers!r}")
        self._distributed: Any = require("distributed", "dask", "the Dask backend")
        self._given = client
        self._address = address
        self._client: Any = client
        self._id = uuid.uuid4().hex[:12]
        self._running: dict[str, tuple[Task, Any, Future[Outcome]]] = {}
        self._asked = workers
        self.workers = workers or 1

    def __enter__(self) -> Self:
        """Connect, or start a cluster.

        Raises:
            SweepConfigError: there is no scheduler at the address.
        """
        with contextlib.ExitStack() as opened:
            if self._client is None:
                self._client = opened.enter_context(self._open())
            if self._asked is None:
                self.workers = max(1, sum(self._client.nthreads().values()))
            self._opened = opened.pop_all()
        return self

    def _open(self) -> Any:
        if self._address is None:
            # One thread a worker, so that a worker that dies takes one point with it.
            return self._distributed.Client(
                n_workers=self._asked or os.cpu_count() or 1,
                threads_per_worker=1,
                dashboard_address=":0",
            )
        try:
            return self._distributed.Client(self._address, timeout=START_S)
        except OSError as error:
            raise SweepConfigError(
                f"no Dask scheduler answers at {self._address}",
                hint="start one with `dask scheduler`, or leave out backend.address",
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what still runs, wait for that, and end the cluster if it was started here."""
        running = list(self._running.values())
        for _, theirs, ours in running:
            ours.cancel()
            theirs.cancel()
        deadline = time.monotonic() + GRACE_S + 5
        while time.monotonic() < deadline and any(
            _claim(task, self._id).exists() and harvest(task) is None for task, _, _ in running
        ):
            time.sleep(0.1)
        self._running.clear()
        self._opened.close()
        self._client = self._given

    def submit(self, task: Task) -> Future[Outcome]:
        """Give a task to the cluster; see :class:`Pool`."""
        ours: Future[Outcome] = Future()
        ours.set_running_or_notify_cancel()
        key = f"aexp-{attempt_name(task.run_id, task.attempt)}-{uuid.uuid4().hex}"
        theirs = self._client.submit(run_point, task, self._id, key, key=key, pure=False)
        self._running[key] = (task, theirs, ours)
        theirs.add_done_callback(partial(self._done, key))
        return ours

    def live(self, folder: Path) -> dict[Task, Future[Outcome]]:
        """Return nothing: a cluster forgets the tasks of a driver that is gone."""
        return {}

    def _done(self, key: str, theirs: Any) -> None:
        task, _, ours = self._running.pop(key, (None, None, None))
        if task is None or ours is None or ours.done():
            return
        if theirs.status == "finished":
            told = harvest(task) or msgspec.json.decode(theirs.result(), type=Outcome)
        else:
            told = harvest(task) or lost(task, "Lost", f"Dask gave it up: {_why(theirs)}")
        ours.set_result(told)


def run_point(task: Task, driver: str, key: str) -> bytes:
    """Run one point within a task of Dask, on a Dask worker; return its outcome as JSON."""
    claim = _claim(task, driver)
    told = harvest(task)
    if told is not None and told.status != "stopped":
        return msgspec.json.encode(told)
    if not _is_first(claim):
        # Dask gives a task to another worker when the first is gone, or out of reach.
        return msgspec.json.encode(charge(task, told, "Lost", "the Dask worker that ran it died"))
    told = run_worker(task, stop=partial(_is_given_up, key))
    claim.unlink(missing_ok=True)
    return msgspec.json.encode(told)


def _claim(task: Task, driver: str) -> Path:
    """Return the file that says that a task was begun for a driver."""
    name = f"{attempt_name(task.run_id, task.attempt)}.{driver}.dask"
    return task.folder / OUTCOMES_DIR / name


def _is_first(claim: Path) -> bool:
    claim.parent.mkdir(parents=True, exist_ok=True)
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _is_given_up(key: str) -> bool:
    """Return whether nobody wants this task any more: its driver is gone, or has cancelled it."""
    from distributed import get_worker

    state = get_worker().state.tasks.get(key)
    return state is None or state.state in ("cancelled", "released", "forgotten")


def _why(theirs: Any) -> str:
    if theirs.status == "cancelled":
        return "cancelled"
    error = theirs.exception()
    return " ".join(str(error).split())[:200] or type(error).__name__
