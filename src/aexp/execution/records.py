"""What is known of executions, here or from the ledger (EXE-53)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aexp.errors import NotFoundError
from aexp.model.canonical import Json
from aexp.model.execution import (
    KEY,
    ExecutionStatus,
    check_state,
    execution_status,
    is_execution,
    publication_of,
)
from aexp.model.status import RETRACTED
from aexp.repo import Layout
from aexp.runs.lookup import all_runs, resolve_run_id, view_of
from aexp.runs.view import RunView

_DONE = frozenset({ExecutionStatus.Uploaded, ExecutionStatus.Aborted})
_PACKED_KEY = KEY.encode()


class ExecutionRecord:
    """An execution as any clone can show it; it changes nothing.

    Args:
        layout: the repository.
        view: its run.
    """

    def __init__(self, layout: Layout, view: RunView) -> None:
        self._layout = layout
        self._view = view

    def __repr__(self) -> str:
        return f"<ExecutionRecord {self.execution_rid[:8]} {self.status.value}>"

    @property
    def execution_rid(self) -> str:
        """Its id, which is its run's."""
        return self._view.job_id

    @property
    def view(self) -> RunView:
        """Its run."""
        return self._view

    @property
    def document(self) -> Mapping[str, Json]:
        """The run's document here, else its ledger entry."""
        return document_of(self._view)

    @property
    def facts(self) -> Mapping[str, Json]:
        """What the document says of the execution."""
        found = self.document.get(KEY)
        return found if isinstance(found, Mapping) else {}

    @property
    def status(self) -> ExecutionStatus:
        """The state."""
        return execution_status(self.document)

    @property
    def publication(self) -> str:
        """What became of its outputs."""
        return publication_of(self.document)

    @property
    def message(self) -> str:
        """What was last said of its progress; empty when nothing was."""
        return str(self.facts.get("message") or "")

    @property
    def message_at(self) -> str | None:
        """When that was said."""
        return self.facts.get("message_at")

    @property
    def error(self) -> Mapping[str, Json] | None:
        """``type`` and ``message`` of what ended the work, or the publication; None if nothing."""
        found = self.facts.get("error") or self.document.get("error")
        return found if isinstance(found, Mapping) else None

    @property
    def description(self) -> str:
        """What it is for, in Markdown."""
        return str(self.facts.get("description") or "")

    @property
    def workflow(self) -> Mapping[str, Json]:
        """The code it ran."""
        found = self.document.get("workflow")
        return found if isinstance(found, Mapping) else {}

    @property
    def inputs(self) -> list[Mapping[str, Json]]:
        """What it declared to read, with versions and digests."""
        return [each for each in self._view.field("inputs") or [] if isinstance(each, Mapping)]

    @property
    def outputs(self) -> list[Any]:
        """What it published.

        Raises:
            NotFoundError: the list is so long that it is no part of the entry, and not here.
        """
        from aexp.execution.outputs import outputs_of
        from aexp.registry import open_registry

        return list(outputs_of(self._layout, open_registry(self._layout), self._view))

    @property
    def started_at(self) -> str | None:
        """When its work began."""
        found: str | None = self._view.field("started_at")
        return found

    @property
    def ended_at(self) -> str | None:
        """When its work ended."""
        found: str | None = self._view.field("ended_at")
        return found

    @property
    def where(self) -> str:
        """``here``, ``ledger`` or ``both``."""
        return self._view.where

    @property
    def machine(self) -> str:
        """The label of the machine that ran it; empty while it is only here."""
        return self._view.machine

    def to_json(self) -> dict[str, Json]:
        """Return what listings show."""
        return {
            "execution_rid": self.execution_rid,
            "state": self.status.value,
            "publication": self.publication,
            "message": self.message or None,
            "message_at": self.message_at,
            "error": None if self.error is None else dict(self.error),
            "description": self.description,
            "workflow": dict(self.workflow),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "where": self.where,
            "registered_machine": self.machine or None,
        }


def document_of(view: RunView) -> Mapping[str, Json]:
    """Return a run's document here, else its ledger entry."""
    record = view.record
    if record is not None and record.problem is None:
        return record.document
    return view.entry or {}


def view_is_execution(view: RunView) -> bool:
    """Return whether a run is an execution; of most runs, their heads tell that they are none."""
    heads = (view.here, view.filed)
    if not any(head is not None and _PACKED_KEY in head.statepoint for head in heads):
        return False
    return is_execution(view.statepoint, document_of(view))


def lookup_execution(layout: Layout, text: str) -> ExecutionRecord:
    """Return an execution by its id or the beginning of it.

    Raises:
        NotFoundError, AmbiguousIdError: none, or several, begin like that; or it is no execution.
    """
    view = view_of(layout, resolve_run_id(layout, text))
    if not view_is_execution(view):
        raise NotFoundError(f"run {view.job_id} is no execution", hint="see `aexp execution list`")
    return ExecutionRecord(layout, view)


def list_executions(
    layout: Layout, status: ExecutionStatus | str | None = None
) -> list[ExecutionRecord]:
    """Return the executions of this machine and of the ledger, oldest first.

    Those that were retracted are left out.

    Raises:
        UsageError: ``status`` is no state.
    """
    wanted = None if status is None else check_state(status)
    found = [
        ExecutionRecord(layout, view)
        for view in all_runs(layout)
        if view_is_execution(view) and view.status != RETRACTED
    ]
    found = [each for each in found if wanted in (None, each.status)]
    return sorted(
        found, key=lambda each: (each.view.began or each.view.created, each.execution_rid)
    )


def incomplete_executions(layout: Layout) -> list[ExecutionRecord]:
    """Return the executions of this machine that are neither Uploaded nor Aborted."""
    found = list_executions(layout)
    return [each for each in found if each.view.here is not None and each.status not in _DONE]
