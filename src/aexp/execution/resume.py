"""Taking up an execution that another process began (EXE-50, EXE-51)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aexp.errors import NotFoundError, RunBusyError, UsageError
from aexp.execution.configuration import ExecutionConfiguration
from aexp.execution.execution import Execution
from aexp.execution.provenance import attach, capture, keep, kept, put_again
from aexp.execution.settling import settle
from aexp.execution.state import State, may_follow
from aexp.execution.status import refuse_foreign
from aexp.model.canonical import Json
from aexp.model.execution import KEY, ExecutionStatus, execution_status, is_execution
from aexp.model.owner import Owner
from aexp.model.status import is_terminal
from aexp.process import this_process
from aexp.runs.closing import close_attempt, seal_again
from aexp.runs.lookup import resolve_local_id
from aexp.workspace.store import RunRecord, RunStore
from aexp.workspace.streams import summarize_attempt

if TYPE_CHECKING:
    from aexp.execution.life import Life
    from aexp.execution.repository import Repository


def resume_execution(repo: Repository, text: str, *, force: bool = False) -> Execution:
    """Return an execution of this machine with its configuration and what is staged of it.

    Its state is not changed: what another process left Running is Running.

    Args:
        repo: the repository.
        text: its id, or the beginning of it.
        force: also when another live process runs or publishes it.

    Raises:
        NotFoundError, AmbiguousIdError: none, or several, begin like that; or it is no execution.
        RunBusyError: another live process runs or publishes it.
        CorruptDataError: its files are damaged.
    """
    store = RunStore(repo.layout)
    job_id = resolve_local_id(repo.layout, text)
    record = store.read_sound(job_id)
    if not is_execution(record.statepoint, record.document):
        raise NotFoundError(f"run {job_id} is no execution", hint="see `aexp execution list`")
    if not force:
        refuse_foreign(store, record)
    state = _state(record)
    if not force:
        _refuse_publisher(state)
    if kept(record.folder) is None and execution_status(record.document) is ExecutionStatus.Created:
        _capture_again(repo, record, state)
    with contextlib.suppress(UsageError):  # who publishes is told
        settle(state, record.document)
    state.write_manifest()
    configuration = ExecutionConfiguration.from_json(state.configuration)
    return Execution(repo, job_id, state, configuration, force=force)


def _state(record: RunRecord) -> State:
    """Return what is staged; of an execution whose creation was cut off, nothing is."""
    try:
        return State.open(record.folder)
    except NotFoundError:
        return State.create(record.folder, _declared(record.document))


def _declared(document: Mapping[str, Json]) -> dict[str, Json]:
    """Return a configuration as far as the document has it."""
    known = document.get(KEY) or {}
    inputs = document.get("inputs") or []
    return {
        "workflow": document.get("workflow"),
        "description": known.get("description", ""),
        "argv": known.get("argv", []),
        "config_choices": known.get("config_choices", {}),
        "datasets": [
            {key: each[key] for key in ("rid", "version", "materialize") if key in each}
            for each in inputs
            if each["kind"] == "dataset"
        ],
        "assets": [
            {key: each[key] for key in ("rid", "cache") if key in each}
            for each in inputs
            if each["kind"] == "asset"
        ],
    }


def publishing(state: State) -> Owner | None:
    """Return the other process that publishes an execution just now, or None."""
    owner = state.publisher()
    return None if owner is None or may_follow(owner, this_process()) else owner


def _refuse_publisher(state: State) -> None:
    owner = publishing(state)
    if owner is not None:
        raise RunBusyError(
            f"execution {state.execution_rid} is being published by {owner.describe()}",
            hint="wait for it; if it is gone, resume with `force=True`",
        )


def _capture_again(repo: Repository, record: RunRecord, state: State) -> None:
    from aexp.runs.code_state import code_state

    layout = repo.layout
    code = None if layout.git_dir is None else code_state(layout)
    inputs = record.document.get("inputs") or []
    keep(record.folder, capture(layout, state.configuration, inputs, code))


def seal(execution: Life) -> None:
    """Seal the bytes of a run that ended, and whose own process could not do it any more.

    They are what was captured at its creation, its metrics and its attachments. Nothing is done
    for a run that goes on, or is sealed.

    Raises:
        StorageError: the disk refused.
        NotFoundError, CorruptDataError: the run's files are gone or damaged.
    """
    store, job_id = execution.store, execution.execution_rid
    record = store.read_sound(job_id)
    document = record.document
    attempt_id = document.get("attempt_id")
    if not is_terminal(record.status) or not isinstance(attempt_id, str):
        return
    if "sealed" in document:
        if "registry_error" in document:
            seal_again(store, job_id)
        return
    parts = kept(record.folder) or {}
    put_again(execution.registry, parts)
    with execution.sealing(attempt_id) as run:
        known = {each.name for each in summarize_attempt(record.folder, attempt_id).attachments}
        attach(run, parts, known)
    close_attempt(
        store,
        job_id,
        attempt_id,
        record.status,
        str(document.get("ended_by")),
        document.get("error"),
        always_manifest=True,
    )
