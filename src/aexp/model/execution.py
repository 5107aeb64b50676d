"""Executions: their states as a view of the run's status, and the table of what may follow what.

An execution is a run with declared inputs and published outputs. Its state is no fact of its own:
it is read off the run's status and, on the second axis, what became of its outputs (model.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, TypeAlias, get_args

from aexp.errors import InvalidTransitionError, UsageError
from aexp.model.canonical import Json

Publication: TypeAlias = Literal["none", "pending_upload", "uploaded", "upload_failed", "withdrawn"]
PUBLICATIONS: Final[tuple[Publication, ...]] = get_args(Publication)
_DIGITS: Final = 16
_HEX: Final = frozenset("0123456789abcdef")
KEY: Final = "execution"
"""The key in an execution's state point (random) and in its document (what is known of it)."""


class ExecutionStatus(StrEnum):
    """The states of an execution (EXE-13)."""

    Created = "Created"
    Running = "Running"
    Stopped = "Stopped"
    Failed = "Failed"
    Pending_Upload = "Pending_Upload"
    Uploaded = "Uploaded"
    Aborted = "Aborted"


_S = ExecutionStatus
LEGAL: Final[frozenset[tuple[ExecutionStatus, ExecutionStatus]]] = frozenset(
    {
        (_S.Created, _S.Running),
        (_S.Created, _S.Aborted),
        (_S.Running, _S.Stopped),
        (_S.Running, _S.Failed),
        (_S.Running, _S.Pending_Upload),
        (_S.Running, _S.Aborted),
        (_S.Stopped, _S.Pending_Upload),
        (_S.Stopped, _S.Aborted),
        (_S.Failed, _S.Pending_Upload),
        (_S.Failed, _S.Aborted),
        (_S.Pending_Upload, _S.Uploaded),
        (_S.Pending_Upload, _S.Failed),
        (_S.Uploaded, _S.Pending_Upload),
    }
)
"""The thirteen steps there are. A state to itself changes the message only."""

_OF_PUBLICATION: Final[Mapping[str, ExecutionStatus]] = {
    "pending_upload": _S.Pending_Upload,
    "uploaded": _S.Uploaded,
    "upload_failed": _S.Failed,
    "withdrawn": _S.Aborted,
}
_OF_STATUS: Final[Mapping[str, ExecutionStatus]] = {
    "created": _S.Created,
    "queued": _S.Created,
    "running": _S.Running,
    "complete": _S.Stopped,
    "failed": _S.Failed,
    "stopped": _S.Failed,
}


def is_execution(statepoint: Mapping[str, Json], document: Mapping[str, Json]) -> bool:
    """Return whether a run is an execution, by its state point and its document or ledger entry.

    Other runs may have a parameter of that name.
    """
    return is_drawn(statepoint.get(KEY)) and isinstance(document.get(KEY), Mapping)


def is_drawn(value: object) -> bool:
    """Return whether a value is what the state point of an execution holds: 16 hex digits."""
    return isinstance(value, str) and len(value) == _DIGITS and not set(value) - _HEX


def check_state(text: object) -> ExecutionStatus:
    """Return a state by its name, in whatever case.

    Raises:
        UsageError: there is no such state.
    """
    for state in ExecutionStatus:
        if str(text).lower() == state.value.lower():
            return state
    names = ", ".join(state.value for state in ExecutionStatus)
    raise UsageError(f"{str(text)!r} is no state of an execution", hint=f"one of: {names}")


def publication_of(document: Mapping[str, Json]) -> str:
    """Return what became of the outputs of a run, by its document or its ledger entry."""
    facts = document.get(KEY)
    found = facts.get("publication") if isinstance(facts, Mapping) else None
    return found if isinstance(found, str) and found in PUBLICATIONS else "none"


def execution_status(document: Mapping[str, Json]) -> ExecutionStatus:
    """Return the state of an execution, by its document or its ledger entry.

    A run whose process was lost reads as ``Running`` until somebody decides: nobody saw it fail,
    and nobody saw it end. Its own status says ``abandoned``.
    """
    published = _OF_PUBLICATION.get(publication_of(document))
    if published is not None:
        return published
    status = str(document.get("status") or "created")
    if status == "abandoned":
        return _S.Running if document.get("ended_by") == "lost" else _S.Aborted
    return _OF_STATUS.get(status, _S.Created)


def check_execution_step(current: ExecutionStatus, new: ExecutionStatus) -> None:
    """Check one step of the table; a state to itself is fine.

    Raises:
        InvalidTransitionError: the table does not allow it.
    """
    if current is new or (current, new) in LEGAL:
        return
    ways = sorted(after.value for before, after in LEGAL if before is current)
    hint = f"from {current.value} it goes on to: {', '.join(ways)}" if ways else "it is final"
    raise InvalidTransitionError(
        f"an execution that is {current.value} cannot become {new.value}", hint=hint
    )


def asset_rid(execution_rid: str, asset: str, file_name: str) -> str:
    """Return the id of an asset of an execution: 16 hex digits, the same whenever it is asked.

    Args:
        execution_rid: the execution's id.
        asset: the kind of asset, such as ``Model``.
        file_name: its name among those of its kind.
    """
    import hashlib

    text = "\0".join(("asset", execution_rid, asset, file_name))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
