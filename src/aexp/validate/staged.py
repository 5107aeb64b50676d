"""What a commit that is being made leaves out: entries in the work tree alone (VAL-10).

A commit holds what is staged, so that is what is judged. Whether a run exists that a staged
finding cites is asked of this machine too, and told apart from what the commit itself proves.
"""

from __future__ import annotations

import os

from aexp.git import Git, Running
from aexp.ledger.judge import entry_job_id, is_run_file, judge
from aexp.ledger.store import Ledger
from aexp.model.entry import LedgerEntry
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.settings import hook_index_file
from aexp.tree import GitTree, WorkTree


def waiting_entries(layout: Layout, index: GitTree, ledger: Ledger) -> Ledger:
    """Return the usable entries that the work tree has and the index has not.

    Args:
        layout: the repository.
        index: what is staged.
        ledger: the ledger of ``index``.
    """
    known = {*ledger.entries, *(problem.job_id for problem in ledger.problems)}
    staged = set(index.files(LEDGER_DIR_REL))
    tree = WorkTree(layout.root)
    wanted: dict[str, str] = {}
    for path in sorted(set(tree.files(LEDGER_DIR_REL)) - staged):
        job_id = entry_job_id(path) if is_run_file(path) else None
        if job_id is not None and job_id not in known:
            wanted[path] = job_id
    entries: dict[str, LedgerEntry] = {}
    paths: dict[str, str] = {}
    for path, data in tree.read_many(wanted):
        entry, _ = judge(wanted[path], path, data, find_leaks=False)
        if entry is not None:
            entries[entry["job_id"]], paths[entry["job_id"]] = entry, path
    return Ledger.of(entries, paths)


def ask_removed(layout: Layout) -> Running:
    """Ask git for the files of the ledger that HEAD has and the index has not."""
    return Git(layout.root, index_file=hook_index_file()).begin(
        "diff-index", "--cached", "--name-only", "--diff-filter=D", "--no-renames", "-z",
        "HEAD", "--", LEDGER_DIR_REL,
    )  # fmt: skip


def removed_entries(asked: Running | None) -> list[str]:
    """Return git's answer to :func:`ask_removed`; nothing without a HEAD, or a question."""
    if asked is None:
        return []
    found = asked.result(check=False)
    fields = found.stdout.split(b"\0") if found.returncode == 0 else []
    return [os.fsdecode(field) for field in fields if field]
