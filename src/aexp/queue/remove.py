"""Taking runs out of the queue (QUE-01). Nothing that has ended is rewritten (trap 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aexp.errors import AexpError, InvalidTransitionError
from aexp.model.canonical import Json
from aexp.model.status import is_terminal
from aexp.queue.records import QUEUE, Choice, is_owed, queue_block, read_queue, waits
from aexp.repo import Layout
from aexp.runs.transition import change_status
from aexp.workspace.store import RunStore


@dataclass
class Removed:
    """What taking several runs out of the queue came to.

    Attributes:
        removed: the runs that wait no more.
        refused: for each other one, why.
    """

    removed: list[str] = field(default_factory=list)
    refused: dict[str, AexpError] = field(default_factory=dict)


def remove_run(layout: Layout, job_id: str) -> str:
    """Take a waiting run out of the queue: it is abandoned by the operator.

    One that has ended and waits for another attempt, or whose worker died, only stops waiting: its
    outcome stays.

    Args:
        layout: the repository.
        job_id: the run.

    Returns:
        its status then.

    Raises:
        InvalidTransitionError: it does not wait: it is running, has ended, or was never queued.
        NotFoundError, CorruptDataError, StorageError: it cannot be read or written.
    """
    store = RunStore(layout)
    record = store.read_sound(job_id)
    if record.status == "queued":
        # Compare-and-swap: a worker that claims it at this moment keeps it, and we are told.
        return change_status(
            store, job_id, "abandoned", ended_by="operator", expect="queued"
        ).status

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        is_ours = waits(document) or is_owed(document)
        if not is_ours or not is_terminal(document.get("status")):
            raise _refusal(job_id, str(document.get("status") or "created"))
        kept = {key: value for key, value in queue_block(document).items() if key != "again"}
        return {**document, QUEUE: {**kept, "removed": True}}

    return store.update(job_id, change).status


def _refusal(job_id: str, status: str) -> InvalidTransitionError:
    if is_terminal(status):
        return InvalidTransitionError(
            f"run {job_id} is {status}: what has ended stays as it is",
            hint="to take a result back for good: `aexp ledger retract`",
        )
    hint = "stop it: `aexp queue stop`" if status == "running" else "see `aexp queue list`"
    return InvalidTransitionError(f"run {job_id} is {status}, and not in the queue", hint=hint)


def remove_runs(layout: Layout, job_ids: Sequence[str]) -> Removed:
    """Take several runs out of the queue; what is refused does not keep the others in it."""
    result = Removed()
    for job_id in job_ids:
        try:
            remove_run(layout, job_id)
            result.removed.append(job_id)
        except AexpError as error:
            result.refused[job_id] = error
    return result


def waiting(layout: Layout, choice: Choice | None = None) -> list[str]:
    """Return the runs that wait, in order of queueing."""
    return [
        each.job_id
        for each in read_queue(layout, choice)
        if each.waits or is_owed(each.record.document)
    ]
