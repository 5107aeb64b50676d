"""Entries that the last commit has and the work tree has lost (trap 23).

Until the loss is committed nobody else sees it, and afterwards every other clone does; on the
machine that recorded the run its own copy would hide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from aexp.git import Git
from aexp.ledger.judge import entry_job_id, judge
from aexp.ledger.store import Ledger
from aexp.model.entry import LedgerEntry
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.tree import GitTree


def lost_entries(
    layout: Layout, uncommitted: Iterable[str], ledger: Ledger
) -> dict[str, LedgerEntry]:
    """Return the entries that are in HEAD and no longer in the work tree, by path.

    An entry that moved to the other layout, or is damaged, is not lost. Git is started only
    when one is.

    Args:
        layout: the repository.
        uncommitted: the files of the ledger that differ from HEAD.
        ledger: the ledger of the work tree.
    """
    here = {*ledger.entries, *(problem.job_id for problem in ledger.problems)}
    gone = {
        path: job_id
        for path in uncommitted
        if (job_id := _job_id(path)) is not None and job_id not in here
    }
    return dict(_in_head(layout, gone)) if gone else {}


def _job_id(path: str) -> str | None:
    is_below = path.startswith(LEDGER_DIR_REL + "/") and not path.endswith("/")
    return entry_job_id(path) if is_below else None


def _in_head(layout: Layout, gone: Mapping[str, str]) -> Iterator[tuple[str, LedgerEntry]]:
    """Yield those that HEAD has as a usable entry; a tombstone counts, or its run might rise."""
    if Git(layout.root).run("rev-parse", "-q", "--verify", "HEAD", check=False).returncode:
        return  # before the first commit
    head = GitTree(layout.root, commit="HEAD")
    for path, data in head.read_many(p for p in head.files(LEDGER_DIR_REL) if p in gone):
        entry, _ = judge(gone[path], path, data)
        if entry is not None:
            yield path, entry
