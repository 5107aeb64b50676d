"""``aexp show-run --follow``: what a run records, as it comes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aexp.cli.output import finite, flush, note, say
from aexp.model.stream import AttachmentRecord, Metric, Parameter

if TYPE_CHECKING:
    from aexp.repo import Layout
    from aexp.runs.follow import Event


def show_following(layout: Layout, run_id: str, *, as_json: bool) -> None:
    """Print what a run of this machine records until it ends.

    Args:
        layout: the repository.
        run_id: the run, or the beginning of its id.
        as_json: one JSON object a line.

    Raises:
        NotFoundError: there is no such run on this machine.
        KeyboardInterrupt: the user has seen enough.
    """
    from aexp.runs.follow import StatusChange, follow
    from aexp.runs.lookup import resolve_local_id
    from aexp.workspace.store import RunStore

    job_id = resolve_local_id(layout, run_id)
    for events in follow(RunStore(layout), job_id):
        for event in events:
            say(json.dumps(finite(_fields(event))) if as_json else _line(job_id, event))
            if isinstance(event, StatusChange) and event.is_gone and not as_json:
                note("its process is gone; `aexp recover` says what can be done")
        if events:
            flush()


def _fields(event: Event) -> dict[str, Any]:
    """Return an event as JSON; ``event`` says which."""
    if isinstance(event, Metric):
        return {"event": "metric", "name": event.name, "value": event.value, "step": event.step,
                "time": event.time}  # fmt: skip
    if isinstance(event, Parameter):
        return {"event": "parameter", "name": event.name, "value": event.value, "time": event.time}
    if isinstance(event, AttachmentRecord):
        return {"event": "attachment", **event.attachment().to_json(), "time": event.time}
    return {"event": "status", "status": event.status, "attempt_id": event.attempt_id,
            "ended_by": event.ended_by, "is_gone": event.is_gone}  # fmt: skip


def _line(job_id: str, event: Event) -> str:
    if isinstance(event, Metric):
        step = "" if event.step is None else f" (step {event.step})"
        return f"{_clock(event.time)}  {event.name} = {event.value}{step}"
    if isinstance(event, Parameter):
        return f"{_clock(event.time)}  parameter {event.name} = {json.dumps(event.value)}"
    if isinstance(event, AttachmentRecord):
        what = f"{event.media_type}, {event.size} bytes"
        return f"{_clock(event.time)}  attachment {event.name} ({what})"
    ended = f" (ended by {event.ended_by})" if event.ended_by else ""
    return f"run {job_id[:8]} is {event.status}{ended}"


def _clock(seconds: float) -> str:
    """Return the time of day in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "--:--:--"
