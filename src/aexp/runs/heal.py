"""Healing promotions that a kill or a full disk cut off (RUN-04)."""

from __future__ import annotations

from aexp.errors import AexpError
from aexp.ledger.pending import clear_pending, pending
from aexp.ledger.promote import Promotion, promote_record
from aexp.model.ids import is_job_id
from aexp.model.status import is_terminal
from aexp.repo import Layout
from aexp.workspace.store import RunStore


def heal_pending(layout: Layout) -> list[Promotion]:
    """Finish the promotions that were begun in this work tree and not finished.

    Called by the next recording, by ``recover`` and ``sync``. What cannot be healed now stays
    marked, and ``aexp status`` and ``aexp validate`` go on reporting it.

    Returns:
        What was promoted.
    """
    store = RunStore(layout)
    healed: list[Promotion] = []
    for job_id in pending(layout):
        if not is_job_id(job_id) or job_id not in store:
            clear_pending(layout, job_id)
            continue
        if not is_terminal(store.read(job_id).status):
            continue
        try:
            healed.append(promote_record(store, job_id))
        except (AexpError, OSError):
            continue
    return healed
