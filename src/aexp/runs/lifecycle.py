"""The life of a run inside one Python process (RUN-02)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

from aexp.model.canonical import Json
from aexp.runs.closing import close_attempt
from aexp.runs.code_state import head_facts
from aexp.runs.transition import begin_attempt, environment_of
from aexp.storage.ticker import ticker
from aexp.workspace.active import ActiveAttempt, activate
from aexp.workspace.store import RunStore

HEARTBEAT_S: Final = 15.0


class Terminated(BaseException):
    """Raised in the main thread when SIGTERM arrives during a lifecycle."""


@contextmanager
def lifecycle(
    store: RunStore,
    job_id: str,
    *,
    again: bool = False,
    heartbeat_s: float = HEARTBEAT_S,
    sweep: Mapping[str, Json] | None = None,
) -> Iterator[ActiveAttempt]:
    """Run a block as one attempt of a run.

    Sets the run running with its start time, gives signs of life, and at the end sets the
    terminal status: normal → complete; ``SystemExit(0)`` → complete, other exits → failed;
    ``KeyboardInterrupt`` → stopped/interrupt; SIGTERM → stopped/signal; any other exception →
    failed/exception. Everything raised is raised again. A terminal status that the block sets
    itself is kept.

    Args:
        store: where the run is.
        job_id: the run.
        again: record a new attempt of a complete run.
        heartbeat_s: seconds between signs of life.
        sweep: the sweep whose point the run is, and which.

    Raises:
        RunBusyError: a live process owns the run.
        InvalidTransitionError: the run is complete and ``again`` was not given.
    """
    attempt_id = begin_attempt(
        store,
        job_id,
        again=again,
        environment=environment_of(head_facts(store.layout)),
        sweep=sweep,
    )
    attempt = ActiveAttempt(job_id, attempt_id, store.folder(job_id))
    stop = ticker.add(heartbeat_s, partial(store.beat, job_id))
    status, ended_by, problem = "complete", "exit", None
    try:
        with activate(attempt), sigterm_as_exception():
            yield attempt
    except BaseException as error:
        status, ended_by, problem = how_it_ended(error)
        if isinstance(error, Terminated):
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        stop()
        close_attempt(store, job_id, attempt_id, status, ended_by, problem, attempt=attempt)


def how_it_ended(error: BaseException) -> tuple[str, str, dict[str, str] | None]:
    """Return status, ``ended_by`` and error of an attempt that ``error`` ended (RUN-02)."""
    if isinstance(error, Terminated):
        return "stopped", "signal", None
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupt", None
    described = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "complete", "exit", None
        return "failed", "exit", {"type": "SystemExit", "message": str(error.code)}
    if isinstance(error, GeneratorExit):
        return "stopped", "operator", None
    return "failed", "exception", described


@contextmanager
def sigterm_as_exception() -> Iterator[None]:
    """Turn SIGTERM into an exception, unless the program handles the signal itself."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def raise_it(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, raise_it)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
