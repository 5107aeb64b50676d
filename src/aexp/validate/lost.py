"""Entries that the last commit has and the work tree has lost, as runs to be cited (trap 23)."""

from __future__ import annotations

from collections.abc import Iterable

from aexp.ledger import lost
from aexp.ledger.store import Ledger
from aexp.repo import Layout
from aexp.validate.batches import Candidate


def lost_entries(
    layout: Layout, uncommitted: Iterable[str], ledger: Ledger
) -> dict[str, Candidate]:
    """Return the runs whose entry is lost, by its path; see :func:`aexp.ledger.lost.lost_entries`.

    Args:
        layout: the repository.
        uncommitted: the files of the ledger that differ from HEAD.
        ledger: the ledger of the work tree.
    """
    return {
        path: Candidate(entry["job_id"], entry["statepoint"], dict(entry.get("run_link") or {}))
        for path, entry in lost.lost_entries(layout, uncommitted, ledger).items()
    }
