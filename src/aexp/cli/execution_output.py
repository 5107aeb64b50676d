"""How executions are shown. Needs no pydantic: ``show-run`` and ``status`` work without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aexp.model.execution import KEY, execution_status, is_execution, publication_of

if TYPE_CHECKING:
    from aexp.runs.view import RunView


def execution_of(view: RunView) -> dict[str, Any] | None:
    """Return what is known of the execution that a run is, None when it is none.

    Its members: ``state``, ``publication``, and what there is of ``message``, ``message_at``,
    ``error`` (of the publication), ``description``, ``argv``, ``config_choices``,
    ``published_at``, ``manifest``, ``workflow``, ``inputs`` and ``outputs``.
    """
    if KEY not in view.statepoint:
        return None
    record = view.record
    sound = record is not None and record.problem is None
    document = record.document if record is not None and sound else view.entry or {}
    if not is_execution(view.statepoint, document):
        return None
    known = document.get(KEY)
    facts = dict(known) if isinstance(known, Mapping) else {}
    for name in ("workflow", "inputs", "outputs"):
        if (found := view.field(name)) is not None:
            facts[name] = found
    state = execution_status(document).value
    return {**facts, "state": state, "publication": publication_of(document)}


def fact_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what ``show-run`` says of an execution, names and values; of nothing, nothing."""
    if not facts:
        return
    yield "state", str(facts["state"])
    if message := facts.get("message"):
        at = facts.get("message_at")
        yield "message", f"{message} ({at})" if at else str(message)
    if isinstance(error := facts.get("error"), Mapping):
        yield "publishing", f"{error.get('type')}: {error.get('message')}"
    if isinstance(workflow := facts.get("workflow"), Mapping):
        dirty = ", with uncommitted changes" if workflow.get("dirty") else ""
        kind = workflow.get("workflow_type")
        yield "workflow", f"{workflow.get('name')} ({kind}){dirty}"
        if url := workflow.get("url") or workflow.get("path"):
            yield "code", str(url)
    for line in str(facts.get("description") or "").splitlines():
        yield "description", line
    for each in facts.get("inputs") or ():
        yield "input", _input_text(each)
    for each in facts.get("outputs") or ():
        yield "output", _output_text(each)


def _input_text(each: Mapping[str, Any]) -> str:
    if each.get("kind") == "dataset":
        return f"dataset {each.get('rid')}@{each.get('version')}, {each.get('files')} files"
    return f"{each.get('asset')}/{each.get('name')} ({each.get('rid')})"


def _output_text(each: Mapping[str, Any]) -> str:
    if each.get("kind") == "feature":
        return f"{each.get('count')} values of {each.get('target')}/{each.get('feature')}"
    name = f"{each.get('asset')}/{each.get('name')}"
    return f"{name} ({each.get('rid')}), {each.get('size')} bytes"
