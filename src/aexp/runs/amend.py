"""Changing what is known of a run, with the entry of an ended run following (RUN-04).

Order of writes: the pending mark, the document, the entry; then the mark is removed. A process
killed in between leaves a run that the next recording, ``recover`` or ``backfill`` promotes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aexp.errors import AexpError
from aexp.ledger.pending import clear_pending, mark_pending, pending
from aexp.ledger.promote import Promotion, home_layout, promote_record
from aexp.model.canonical import Json
from aexp.model.status import is_terminal
from aexp.repo import Layout
from aexp.runs.transition import remember_failure
from aexp.workspace.store import RunRecord, RunStore


@dataclass(frozen=True)
class Amended:
    """A run after its document was changed.

    Attributes:
        record: the run now.
        changed: whether the document was changed.
        promotion: what became of the ledger entry; None when the run has not ended, or when the
            promotion failed, which is said on standard error and remembered (RUN-04).
    """

    record: RunRecord
    changed: bool
    promotion: Promotion | None


def amend(
    layout: Layout, job_id: str, change: Callable[[dict[str, Json]], dict[str, Json] | None]
) -> Amended:
    """Change a run's document under its lock; an ended run is promoted again.

    Args:
        layout: the repository.
        job_id: the run.
        change: gets the document and returns the new one, or None to leave it.

    Raises:
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    store = RunStore(layout)
    changed = False
    marked: Layout | None = None

    def watched(document: dict[str, Json]) -> dict[str, Json] | None:
        nonlocal changed, marked
        after = change(document)
        changed = after is not None
        if changed and is_terminal(document.get("status")):
            # A kill before the entry is written is then seen, and healed (RUN-04).
            target = home_layout(layout, RunRecord(job_id, {}, document, store.workspace))
            if job_id not in pending(target):
                mark_pending(target, job_id)
                marked = target
        return after

    try:
        record = store.update(job_id, watched)
    except (AexpError, OSError):
        if marked is not None:
            clear_pending(marked, job_id)
        raise
    promotion = _promote_again(store, record) if is_terminal(record.status) else None
    return Amended(record, changed, promotion)


def _promote_again(store: RunStore, record: RunRecord) -> Promotion | None:
    """Bring the entry up to date; the change stands also when that fails (RUN-04)."""
    try:
        return promote_record(store, record.job_id)
    except (AexpError, OSError, ValueError, TypeError, KeyError) as error:
        with store.lock(record.job_id):
            remember_failure(store, store.read_sound(record.job_id), error)
        return None
