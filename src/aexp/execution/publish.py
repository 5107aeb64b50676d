"""Publishing what an execution has staged, in one visible step (EXE-30 … EXE-42).

What a kill leaves, the next call does again, with the same ids and digests; what fails leaves the
execution Failed, and the next call tries everything again that is not published.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING

from aexp.data.feature_blobs import feature_blobs
from aexp.errors import AexpError, InvalidTransitionError, RunBusyError, UsageError
from aexp.execution.asset_path import AssetFilePath
from aexp.execution.progress import Callback, Watch
from aexp.execution.publication import AsStored, Publication
from aexp.execution.sending import Sending
from aexp.execution.settling import settle
from aexp.execution.staging import check_staged
from aexp.execution.status import change, clipped
from aexp.ledger.pending import pending
from aexp.ledger.promote import home_layout, promote_record
from aexp.model.canonical import Json
from aexp.model.execution import ExecutionStatus, execution_status, publication_of
from aexp.model.project import ERROR_LENGTH
from aexp.model.remote import RemoteAddress
from aexp.process import this_process
from aexp.recording.run_bytes import outputs_name
from aexp.registry.remotes.base import Limits
from aexp.registry.remotes.retry import Retry
from aexp.repo import Layout, choose_remote, load_remotes
from aexp.runs.transition import one_line_of

if TYPE_CHECKING:
    from aexp.execution.execution import Execution

_S = ExecutionStatus
_UNPUBLISHED = ("pending", "stored", "uploaded")


@dataclass(frozen=True, slots=True)
class How:
    """How to go about it.

    Attributes:
        limits: how long to wait for the remote, and how much to send at a time.
        retry: how often and how late to try again.
    """

    limits: Limits
    retry: Retry


def upload(
    execution: Execution,
    *,
    timeout: tuple[float, float] = (600, 600),
    chunk_size: int = 50 * 1024 * 1024,
    max_retries: int = 3,
    retry_delay: float = 5.0,
    progress_callback: Callback | None = None,
) -> dict[str, list[AssetFilePath]]:
    """Publish everything that is staged; see :meth:`Execution.upload_execution_outputs`.

    Args:
        execution: whose outputs.
        timeout: seconds to wait for a connection, and for the answer to each chunk.
        chunk_size: bytes sent at once.
        max_retries: tries after the first, of what may go better the next time.
        retry_delay: seconds before the first of them; it doubles with each.
        progress_callback: called with an :class:`UploadProgress`, by one thread at a time.

    Returns:
        What was published, by kind of asset; empty when nothing was pending.

    Raises:
        UsageError, StagedOutputError: an argument, or something that is staged, is not as it must
            be; nothing was changed.
        FeatureError: a staged value holds the path of what is no asset; nothing was changed.
        InvalidTransitionError: it cannot be published as it is.
        RunBusyError: another process publishes it, or runs it.
        NotFoundError: there are several remotes and no default; nothing was changed.
        TransferError, StorageError, CorruptDataError: it is Failed now, and says why; what is
            staged is kept, and the next call tries all of it again.
    """
    how = _how(timeout, chunk_size, max_retries, retry_delay)
    with _alone(execution):
        document = execution.store.read_sound(execution.execution_rid).document
        status = execution_status(document)
        if status is _S.Aborted:
            raise InvalidTransitionError(
                f"execution {execution.execution_rid} is Aborted: nothing of it is published",
                hint="create another with repo.create_execution()",
            )
        settle(execution.state, document)
        assets = execution.state.assets(*_UNPUBLISHED)
        features = execution.state.features("pending")
        if not assets and not features and not _is_due(document, status):
            _heal(execution)
            return {}
        address = _destination(execution.layout)
        check_staged(execution.state, execution.working_dir)
        feature_blobs(features, AsStored(execution.state.assets()), execution.layout)
        _begin(execution, document, status)
        watch = Watch(progress_callback)
        try:
            with _sending(execution, address, how, watch) as sending:
                return Publication(execution, sending, watch).run(assets, features)
        except Exception as error:
            _note_failure(execution, error)
            raise


def _how(
    timeout: tuple[float, float], chunk_size: int, max_retries: int, retry_delay: float
) -> How:
    try:
        connect_s, answer_s = (float(seconds) for seconds in timeout)
    except (TypeError, ValueError):
        raise UsageError(
            f"timeout is {timeout!r}", hint="give two numbers of seconds: timeout=(600, 600)"
        ) from None
    if not (0 < connect_s < float("inf") and 0 < answer_s < float("inf")):
        raise UsageError(f"timeout is {timeout!r}", hint="give numbers of seconds above 0")
    if chunk_size < 1:
        raise UsageError(f"chunk_size is {chunk_size}", hint="give a number of bytes above 0")
    if max_retries < 0:
        raise UsageError(f"max_retries is {max_retries}", hint="give 0 for a single try")
    if not 0 <= retry_delay < float("inf"):
        raise UsageError(f"retry_delay is {retry_delay}", hint="give seconds from 0 on")
    retry = Retry(max_retries, retry_delay, lambda seconds: sleep(seconds))
    return How(Limits(connect_s, answer_s, int(chunk_size)), retry)


def _is_due(document: Mapping[str, Json], status: ExecutionStatus) -> bool:
    """Return whether there is something to be done although nothing is staged.

    Work that ended well is published also when it has no outputs, and what was begun is ended.
    """
    begun = publication_of(document) in ("pending_upload", "upload_failed")
    return begun or status in (_S.Stopped, _S.Created, _S.Running)


def _destination(layout: Layout) -> RemoteAddress | None:
    """Return the remote that outputs go to; None where there is none: the registry keeps them.

    Raises:
        NotFoundError: there are several, and no default.
        CorruptDataError: the settings are damaged.
    """
    return choose_remote(layout) if load_remotes(layout).addresses else None


def _begin(execution: Execution, document: Mapping[str, Json], status: ExecutionStatus) -> None:
    # What stands beside the state may be the error of the last try.
    stale = publication_of(document) == "upload_failed"
    change(
        execution.store,
        execution.execution_rid,
        _S.Pending_Upload,
        message="" if stale else None,
        expect=status,
        force=execution.force,
    )


@contextlib.contextmanager
def _sending(
    execution: Execution, address: RemoteAddress | None, how: How, watch: Watch
) -> Iterator[Sending]:
    """Hold a lease, and the remote if there is one."""
    from aexp.registry.remotes import open_remote

    with contextlib.ExitStack() as stack:
        # Before anything is looked at: what is found here now may not go before it is named.
        stack.enter_context(execution.registry.lease(outputs_name(execution.execution_rid)))
        remote = None
        if address is not None:
            remote = open_remote(execution.layout, address, how.limits)
            stack.callback(remote.close)
        yield Sending(execution.layout, execution.registry, remote, how.retry, watch)


def _note_failure(execution: Execution, error: Exception) -> None:
    """Keep the error with what is staged and with the execution, which is Failed (EXE-40).

    What goes wrong with that must not hide the error (trap 46).
    """
    reason = one_line_of(error, execution.layout)
    state = execution.state
    try:
        for name in ("pending", "stored"):
            if rids := [row.rid for row in state.assets(name)]:
                state.mark(rids, name, clipped(reason, ERROR_LENGTH))
        state.write_manifest()
        change(
            execution.store,
            execution.execution_rid,
            _S.Failed,
            message=reason,
            error={"type": type(error).__name__, "message": reason},
            expect=_S.Pending_Upload,
        )
    except (AexpError, OSError) as second:
        error.add_note(f"nor could that be noted: {one_line_of(second, execution.layout)}")


def _heal(execution: Execution) -> None:
    """Write the ledger entry of a publication that was killed before it did (RUN-04)."""
    store, job_id = execution.store, execution.execution_rid
    record = store.read_sound(job_id)
    marked = job_id in pending(home_layout(execution.layout, record))
    if marked or "ledger_error" in record.document:
        promote_record(store, job_id)


# --- one at a time -------------------------------------------------------------------------

_here: set[tuple[int, str]] = set()
_guard = threading.Lock()


@contextlib.contextmanager
def _alone(execution: Execution) -> Iterator[None]:
    """Make this the only publication of the execution, in this process and on this machine.

    Raises:
        RunBusyError: there is another one.
    """
    key = (os.getpid(), str(execution.folder))
    with _guard:
        if key in _here:
            raise RunBusyError(
                f"this process publishes execution {execution.execution_rid} already",
                hint="wait for it",
            )
        _here.add(key)
    try:
        execution.state.take_publisher(this_process(), force=execution.force)
        try:
            yield
        finally:
            with contextlib.suppress(AexpError, OSError):
                execution.state.release_publisher()
    finally:
        with _guard:
            _here.discard(key)
