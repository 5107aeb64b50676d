"""The life of an execution: its state, and what changes it (EXE-10 … EXE-13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, cast

from aexp.data.specs import DatasetSpec
from aexp.errors import AexpError, InvalidTransitionError, RunClosedError
from aexp.execution.configuration import ExecutionConfiguration
from aexp.execution.opening import Opened, opened
from aexp.execution.status import change, only_created
from aexp.model.canonical import Json
from aexp.model.execution import (
    KEY,
    ExecutionStatus,
    check_execution_step,
    check_state,
    execution_status,
)
from aexp.process import deferred_signals
from aexp.repo import Layout
from aexp.runs.lifecycle import Terminated, how_it_ended
from aexp.runs.transition import one_line_of, say_line
from aexp.workspace.active import ActiveAttempt
from aexp.workspace.store import RunStore

if TYPE_CHECKING:
    from aexp.execution.asset_path import AssetFilePath
    from aexp.execution.execution import Execution
    from aexp.execution.repository import Repository
    from aexp.execution.state import State
    from aexp.recording.current import ActiveRun
    from aexp.registry.store import Registry

_S = ExecutionStatus
SIGTERM_EXIT = 143
"""The exit status of a process that SIGTERM ended, as a shell sees it."""


class Life:
    """What an execution is, and how it begins, goes on and ends.

    Args:
        repo: the repository.
        execution_rid: its id, which is its run's.
        state: what is staged.
        configuration: what it was declared to be.
        force: act also on what another live process runs.
    """

    def __init__(
        self,
        repo: Repository,
        execution_rid: str,
        state: State,
        configuration: ExecutionConfiguration,
        *,
        force: bool = False,
    ) -> None:
        self.repo = repo
        self.layout: Layout = repo.layout
        self.store = RunStore(repo.layout)
        self.execution_rid = execution_rid
        self.state = state
        self.configuration = configuration
        self.force = force
        self._sealing: ActiveAttempt | None = None
        self._left: ActiveAttempt | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.execution_rid[:8]} {self.status.value}>"

    # --- what it is ----------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.store.folder(self.execution_rid)

    @property
    def working_dir(self) -> Path:
        """The folder of what is staged; only registered files in it are published."""
        from aexp.execution.state import WORKING_DIR

        return self.folder / WORKING_DIR

    @cached_property
    def registry(self) -> Registry:
        """The registry that its bytes go to."""
        from aexp.registry import open_registry

        return open_registry(self.layout)

    @property
    def document(self) -> Mapping[str, Json]:
        """The run's document, as it is now.

        Raises:
            NotFoundError, CorruptDataError: as :meth:`RunStore.read_sound`.
        """
        return self.store.read_sound(self.execution_rid).document

    @property
    def status(self) -> ExecutionStatus:
        """The state, as it is now: other processes change it too."""
        return execution_status(self.document)

    @property
    def message(self) -> str:
        """What was last said of its progress; empty when nothing was."""
        return str(self._facts.get("message") or "")

    @property
    def error(self) -> Mapping[str, Json] | None:
        """``type`` and ``message`` of what ended the work, or the publication; None if nothing."""
        document = self.document
        found = (document.get(KEY) or {}).get("error") or document.get("error")
        return found if isinstance(found, Mapping) else None

    @property
    def _facts(self) -> Mapping[str, Json]:
        found = self.document.get(KEY)
        return found if isinstance(found, Mapping) else {}

    @property
    def inputs(self) -> list[dict[str, Json]]:
        """The inputs as they were resolved when it was created."""
        return [dict(each) for each in self.document.get("inputs") or []]

    @property
    def datasets(self) -> list[DatasetSpec]:
        """The declared datasets, each with the version that it was resolved to."""
        return [
            DatasetSpec(
                rid=each["rid"], version=each["version"], materialize=each.get("materialize", True)
            )
            for each in self.inputs
            if each["kind"] == "dataset"
        ]

    @property
    def asset_paths(self) -> dict[str, list[AssetFilePath]]:
        """The declared assets by kind, downloaded and verified."""
        return dict(self._input_paths)

    @cached_property
    def _input_paths(self) -> dict[str, list[AssetFilePath]]:
        from aexp.execution.inputs import fetch_inputs

        return fetch_inputs(self)

    @property
    def is_open(self) -> bool:
        """Whether this process runs it just now."""
        return self._opened is not None

    @property
    def _opened(self) -> Opened | None:
        return opened(self.store, self.execution_rid)

    @property
    def run(self) -> ActiveRun:
        """The run to log into while it is Running: metrics, parameters, attachments.

        Raises:
            RunClosedError: it is not Running.
        """
        from aexp.recording.current import ActiveRun

        goes_on = self._opened
        attempt = self._sealing if goes_on is None else goes_on.attempt
        return ActiveRun(attempt or self._left_attempt())

    def _left_attempt(self) -> ActiveAttempt:
        """Return the attempt of a process that is gone, to log into."""
        document = self.document
        attempt_id = document.get("attempt_id")
        if execution_status(document) is not _S.Running or not isinstance(attempt_id, str):
            raise RunClosedError(
                f"execution {self.execution_rid} is {execution_status(document).value}",
                hint="metrics and parameters are logged while it is Running",
            )
        if self._left is None or self._left.attempt_id != attempt_id:
            self._left = ActiveAttempt(self.execution_rid, attempt_id, self.folder)
        return self._left

    # --- its life ------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._begin(signals=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        goes_on = self._opened
        if goes_on is None:  # ended in the block; or this is a forked child, and not its owner
            return False
        how = ("complete", "exit", None) if error is None else how_it_ended(error)
        try:
            with deferred_signals():  # the second Ctrl-C of an impatient user must not lose the end
                self._end(*how)
        except Terminated as late:
            error = late  # it came while the end was written, and waited
        except (AexpError, OSError) as second:
            if error is None:
                raise
            # What ended the work must not be hidden by what could not be written of it (trap 46).
            error.add_note(f"nor could its end be recorded: {one_line_of(second, self.layout)}")
        finally:
            goes_on.leave()
        if isinstance(error, Terminated) and goes_on.is_signal_ours:
            raise SystemExit(SIGTERM_EXIT) from None
        return False

    def execution_start(self) -> None:
        """Set it Running, without a block around the work (EXE-10).

        The inputs are downloaded and verified first.

        Raises:
            InvalidTransitionError: it is not Created.
            NotFoundError, TransferError, CorruptDataError: an input cannot be had, or is damaged;
                it is Created still.
            StorageError: the disk refused.
        """
        self._begin(signals=False)

    def execution_stop(self) -> None:
        """Set it Stopped: the work ended well.

        Raises:
            InvalidTransitionError: it is not Running.
            RunBusyError: another live process runs it.
            StorageError: the disk refused.
        """
        self.update_status(_S.Stopped, self.message)

    def _begin(self, *, signals: bool) -> None:
        from aexp.execution.provenance import attach, kept

        only_created(dict(self.document))  # before a download that would be for nothing
        _ = self._input_paths
        goes_on = Opened(self.store, self.execution_rid, signals=signals)
        try:
            attach(self.run, kept(self.folder) or {})
        except BaseException as error:
            try:
                goes_on.close(*how_it_ended(error))
            finally:
                goes_on.leave()
            if isinstance(error, Terminated) and goes_on.is_signal_ours:
                raise SystemExit(SIGTERM_EXIT) from None
            raise

    def _end(self, status: str, ended_by: str, problem: Mapping[str, str] | None) -> None:
        """Close the attempt; a terminal status that it has already is kept."""
        goes_on = self._opened
        self._before_the_end()
        if goes_on is not None:
            goes_on.close(status, ended_by, problem)

    def _before_the_end(self) -> None:
        """Take the numbers of metrics files over, and name files that will not be published."""
        from aexp.execution.checking import strays
        from aexp.execution.metrics import log_metrics_of

        try:
            log_metrics_of(cast("Execution", self))
            self.state.write_manifest()  # exact at the end, also after many registrations
            left = strays(self.working_dir, self.state)
        except (AexpError, OSError, ValueError) as error:
            # The work has ended the way it has; what is missing beside it must not change that.
            say_line(f"[aexp execution] {one_line_of(error, self.layout)}")
            return
        if left:
            names = ", ".join(path.name for path in left[:5]) + (" …" if len(left) > 5 else "")
            say_line(
                f"[aexp execution] not registered with asset_file_path(), so not published: {names}"
            )

    @contextmanager
    def sealing(self, attempt_id: str) -> Iterator[ActiveRun]:
        """Log into an attempt that has ended, and that nobody sealed; its metrics files first.

        Args:
            attempt_id: the attempt.
        """
        if self._left is not None:
            self._left.close()
            self._left.release()
        attempt = self._sealing = ActiveAttempt(self.execution_rid, attempt_id, self.folder)
        try:
            self._before_the_end()
            yield self.run
            attempt.close()
        finally:
            attempt.release()
            self._sealing = None

    def update_status(self, status: ExecutionStatus, message: str = "") -> None:
        """Set the state, compare-and-swap; its own state changes the message alone (EXE-12).

        It is seen at once by ``aexp show-run`` and ``aexp status`` on this machine, and by others
        once it has ended and is in the ledger.

        Args:
            status: the state.
            message: what is shown beside it.

        Raises:
            UsageError: there is no such state.
            InvalidTransitionError: the table does not allow the step, another process was faster,
                or something that is staged is not published yet; nothing was changed.
            RunBusyError: another live process runs it.
            StorageError: the disk refused.
        """
        new = check_state(status)
        seen = self.status
        check_execution_step(seen, new)
        if new is _S.Running and seen is _S.Created:
            self.execution_start()
            seen = new
        if new is _S.Uploaded:
            self._refuse_staged()
        goes_on = self._opened
        if new is not seen and seen is _S.Running and (goes_on is None or not goes_on.has_block):
            self._end_by_hand(new, message)
            return
        change(self.store, self.execution_rid, new, message=message, expect=seen, force=self.force)

    def _end_by_hand(self, new: ExecutionStatus, message: str) -> None:
        from aexp.execution.resume import seal

        goes_on = self._opened
        if goes_on is not None:
            self._before_the_end()
        change(
            self.store,
            self.execution_rid,
            new,
            message=message,
            expect=_S.Running,
            force=self.force,
        )
        if goes_on is None:
            seal(self)
            return
        try:
            goes_on.close("complete", "exit", None)
        finally:
            goes_on.leave()

    def _refuse_staged(self) -> None:
        assets = self.state.assets("pending", "stored", "uploaded")
        features = self.state.features("pending")
        if not assets and not features:
            return
        what = [_number(len(assets), "staged file")] if assets else []
        what += [_number(len(features), "staged feature value")] if features else []
        raise InvalidTransitionError(
            f"{' and '.join(what)} of execution {self.execution_rid} not published yet",
            hint="publish them with upload_execution_outputs(), which sets Uploaded itself",
        )

    def abort(self, message: str = "") -> None:
        """Give it up: it is Aborted for ever, and nothing of it is published.

        Raises:
            InvalidTransitionError: it is Pending_Upload, Uploaded or Aborted.
            RunBusyError: another live process runs it.
            StorageError: the disk refused.
        """
        if self.status is _S.Aborted:
            raise InvalidTransitionError(f"execution {self.execution_rid} is Aborted already")
        self.update_status(_S.Aborted, message)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
