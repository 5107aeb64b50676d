"""A run of a recording session (REC-01 to REC-03, REC-08)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from aexp.errors import AexpError, InvalidTransitionError, RunClosedError, UsageError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json
from aexp.model.curves import Point
from aexp.model.parameters import (
    SESSION_KEY,
    SESSION_RUN_KEY,
    check_change,
    flatten,
    is_same,
    read_back,
)
from aexp.model.statepoint import prepare_statepoint
from aexp.recording.current import ActiveRun, plain_parameter
from aexp.recording.environment import record_environment
from aexp.recording.sealing import curve_so_far, metric_names_so_far, read_ended, run_config_facts
from aexp.recording.session import Session
from aexp.runs.closing import close_attempt
from aexp.runs.code_state import CodeState, code_state
from aexp.runs.create import create
from aexp.runs.lifecycle import Terminated, how_it_ended, sigterm_as_exception
from aexp.runs.transition import begin_attempt, environment_of
from aexp.workspace.active import ActiveAttempt, activate

if TYPE_CHECKING:
    from aexp.registry.store import Registry


class Run(ActiveRun):
    """One trial, being recorded. Made by :meth:`aexp.experiment.Experiment.run`.

    A context manager: leaving the block closes the run, as complete, or as failed or stopped when
    an exception ends it, which goes on. :meth:`finish` closes it without a block. What is closed
    does not change any more. Any number of threads may log.

    Args:
        session: what it is a run of.
        number: its number there.
        attempt: what it records into.
        statepoint: its identity.
    """

    def __init__(
        self,
        session: Session,
        number: int,
        attempt: ActiveAttempt,
        statepoint: Mapping[str, Json],
    ) -> None:
        super().__init__(attempt)
        self._session = session
        self._number = number
        self._identity = flatten(statepoint)
        self._logged: dict[str, Json] = {}
        self._guard = threading.RLock()
        self._closing = threading.RLock()
        self._status = ""
        self._pid = os.getpid()
        self._entered = ExitStack()
        self._is_signal_ours = False

    def __repr__(self) -> str:
        return f"<Run {self._number} {self.job_id[:8]} {self.status}>"

    # --- what it is ----------------------------------------------------------------------

    @property
    def run_id(self) -> int:
        """Its number within the session: from 0, and never given twice (REC-01)."""
        return self._number

    @property
    def status(self) -> str:
        """``running`` while it is open, then how it ended."""
        return self._status or "running"

    @property
    def parameters(self) -> dict[str, Json]:
        """The keys of its state point, nested ones with dots, and what was logged (REC-02)."""
        with self._guard:
            return {**self._identity, **self._logged}

    @property
    def metric_names(self) -> list[str]:
        """The names of the metrics that it has values of, sorted."""
        self._flush()
        return metric_names_so_far(self._session.store, self.job_id)

    def metrics(self, name: str) -> list[Point]:
        """Return all values of a metric so far, of every process of the run (REC-03).

        Returns:
            Points with ``step``, ``number`` (the value) and ``time``, in order of step; none when
            nothing was recorded under that name.
        """
        self._flush()
        return curve_so_far(self._session.store, self.job_id, name)

    # --- recording -----------------------------------------------------------------------

    def log_parameter(
        self, name: str, value: bool | int | float | str, overwrite: bool = False
    ) -> None:
        """Record a parameter (REC-02). It is a column of ``Experiment.run_parameters_df()``.

        Args:
            name: which parameter.
            value: a scalar; those of numpy and other libraries with ``.item()`` are accepted.
            overwrite: replace the value that it has already.

        Raises:
            UsageError: the value is no scalar; or the parameter has another value, and
                ``overwrite`` was not given; or it belongs to the run's identity.
            RunClosedError: the run is closed.
            StorageError: the disk refused.
        """
        plain = read_back(plain_parameter(name, value))
        with self._guard:
            if name in self._identity:
                self._check_identity(name, plain)
            if name in self._logged:
                check_change(name, self._logged[name], plain, overwrite=overwrite)
                if is_same(self._logged[name], plain) and not overwrite:
                    self._check_open()
                    return
            super().log_parameter(name, value)
            self._logged[name] = plain

    def _check_identity(self, name: str, plain: Json) -> None:
        if not is_same(self._identity[name], plain):
            raise UsageError(
                f"{name} is part of what this run is ({self._identity[name]!r}), and cannot"
                f" become {plain!r}",
                hint="choose another name, or begin a run with that value",
            )

    def _registry(self) -> Registry:
        return self._session.registry  # the session's lease protects what goes there

    def _record_attachment(self, attachment: Attachment) -> None:
        with self._closing:  # not between the sealing of the bytes and the end
            super()._record_attachment(attachment)

    def _check_open(self) -> None:
        if self._status:
            raise RunClosedError(f"run {self._number} is {self._status}, and closed")
        super()._check_open()

    def _flush(self) -> None:
        if not self._attempt.closed:
            self.flush()

    # --- the end -------------------------------------------------------------------------

    def finish(self) -> None:
        """Close the run as complete, and save the session (SES-02).

        Raises:
            RunClosedError: it is closed already.
            StorageError: the disk did not take the end of the run; it is open still, and this
                can be called again.
        """
        self._close("complete", "exit", None)

    def __enter__(self) -> Run:
        self._check_open()
        if threading.current_thread() is threading.main_thread():
            # In other threads `aexp.current_run()` could be the run of a neighbour.
            self._entered.enter_context(activate(self._attempt))
            before = signal.getsignal(signal.SIGTERM)
            self._entered.enter_context(sigterm_as_exception())
            self._is_signal_ours = signal.getsignal(signal.SIGTERM) is not before
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        if os.getpid() != self._pid:
            return False  # a forked child leaves the block; the run is its parent's to end
        try:
            if not self._status:
                self._close(*(("complete", "exit", None) if error is None else how_it_ended(error)))
        finally:
            self._entered.close()
        if isinstance(error, Terminated) and self._is_signal_ours:
            raise SystemExit(128 + signal.SIGTERM) from None
        return False

    def _close(self, status: str, ended_by: str, problem: dict[str, str] | None) -> None:
        with self._closing:
            if self._status:
                raise RunClosedError(f"run {self._number} is {self._status} already")
            if os.getpid() != self._pid:
                raise UsageError("this run belongs to the process that opened it, and ends there")
            try:
                self._end(status, ended_by, problem)
            except (KeyboardInterrupt, Terminated):
                # Half an end is of no use to anybody: go through with it, then give way.
                if not self._status:
                    self._end(status, ended_by, problem)
                raise

    def _end(self, status: str, ended_by: str, problem: dict[str, str] | None) -> None:
        session = self._session
        close_attempt(
            session.store,
            self.job_id,
            self.attempt_id,
            status,
            ended_by,
            problem,
            attempt=self._attempt,
            always_manifest=True,
            facts=run_config_facts(session.session_id, self._number),
        )
        try:
            facts, manifest = read_ended(
                session.store, session.registry, self.job_id, self._number, self.attempt_id
            )
        except InvalidTransitionError:
            self._status = "abandoned"
            session.run_taken(self._number)
            raise
        self._status = facts.status
        session.run_closed(self._number, facts, manifest)


def open_run(session: Session, statepoint: Mapping[str, object], *, reuse: bool) -> Run:
    """Begin a run of ``session`` (REC-01).

    Args:
        session: the session.
        statepoint: the caller's keys.
        reuse: give the run signac's plain identity, so that the same keys are the same run.

    Raises:
        SessionClosedError: the session was committed or closed.
        UsageError, UnsafeValueError: the state point may not be recorded.
        RunBusyError: with ``reuse``, a live process works on that run.
        GitError, StorageError: as :func:`aexp.runs.create.create`.
    """
    session.check_open()
    for key in sorted({SESSION_KEY, SESSION_RUN_KEY} & set(statepoint)):
        raise UsageError(f"{key} is set by the session and cannot be given in a state point")
    point = prepare_statepoint(statepoint)
    identity, number = point, session.take_number()
    if not reuse:
        identity = {**point, SESSION_KEY: session.session_id, SESSION_RUN_KEY: number}
    made = None
    try:
        code = code_state(session.layout)
        made = create(session.layout, session.experiment_id, identity, missing="allow", code=code)
        return _begin(session, number, made.job_id, identity, code, reuse)
    except BaseException as error:
        session.give_back(number, certain=made is None and isinstance(error, UsageError))
        raise


def _begin(
    session: Session,
    number: int,
    job_id: str,
    identity: Mapping[str, Json],
    code: CodeState,
    reuse: bool,
) -> Run:
    if reuse:
        session.note_reused(job_id, number)
    environment = environment_of(code)
    attempt_id = begin_attempt(session.store, job_id, again=reuse, environment=environment)
    attempt = ActiveAttempt(job_id, attempt_id, session.store.folder(job_id))
    run = Run(session, number, attempt, identity)
    session.run_opened(number, run)
    try:
        record_environment(run, session.layout, code=code)
    except AexpError as error:
        session.warn(f"the environment of run {number} could not be recorded: {error}")
    return run
