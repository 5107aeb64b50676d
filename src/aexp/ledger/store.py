"""Reading the ledger from a tree: what is usable, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Final

from msgspec import Struct

from aexp.ledger.judge import PREFIX, LedgerProblem, entry_job_id, is_run_file, judge
from aexp.ledger.places import find_entry
from aexp.ledger.reading import Entries, EntryHead, Paths, Reading, head_of
from aexp.model.entry import LedgerEntry, merge, put_together, take_apart
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.tree import Tree, WorkTree


class Ledger(Struct, frozen=True):
    """The ledger of one tree.

    Attributes:
        heads: what is asked of every entry, by job id; only of usable ones. An entry that is
            malformed, conflicted or does not prove itself is not among them (model.md,
            decision 6).
        entries: the entries themselves.
        paths: the file of each of them.
        problems: what is wrong, in order of path.
    """

    heads: Mapping[str, EntryHead]
    entries: Mapping[str, LedgerEntry]
    paths: Mapping[str, str]
    problems: tuple[LedgerProblem, ...]

    @classmethod
    def of(cls, entries: Mapping[str, LedgerEntry], paths: Mapping[str, str]) -> Ledger:
        """Return the ledger of some entries that were read already."""
        heads = {job_id: head_of(paths[job_id], job_id, entry) for job_id, entry in entries.items()}
        return cls(heads, entries, paths, ())


NO_LEDGER: Final = Ledger({}, {}, {}, ())
"""The ledger without an entry."""


def read_ledger(
    tree: Tree, *, find_leaks: bool = True, layout: Layout | None = None, bodies: bool = True
) -> Ledger:
    """Read every entry of ``tree``.

    A file that is no entry is a problem in the result; nothing it holds can raise.

    Args:
        tree: the files.
        find_leaks: look for secrets too (``ledger.unsanitized``), which listings need not do.
        layout: the repository that ``tree`` is a view of; what its cache remembers of unchanged
            files is not read again. None reads every file.
        bodies: whether many entries are going to be asked for whole, and not by their heads only.
    """
    paths = tree.files(LEDGER_DIR_REL)
    start = len(PREFIX)
    candidates = [path for path in paths if path.find("/", start) < 0 or is_run_file(path)]
    conflicted = set(tree.conflicted(LEDGER_DIR_REL)) if candidates else set()
    reading = Reading(tree, find_leaks, layout, len(candidates), bodies)
    heads: dict[str, EntryHead] = {}
    problems: list[LedgerProblem] = []
    doubtful: list[EntryHead] = []
    for group in reading.groups(candidates):
        ids = list(map(_job_id, group))
        are_new = len(set(ids)) == len(ids) and heads.keys().isdisjoint(ids)
        if (
            are_new
            and not conflicted
            and all(map(_status, group))
            and not any(map(_troubles, group))
        ):
            heads.update(zip(ids, group, strict=True))  # as nearly all are
        else:
            doubtful += group
    for head in doubtful:
        if head.status and not head.troubles and not conflicted and head.job_id not in heads:
            heads[head.job_id] = head
            continue
        path = PREFIX + head.name
        if not head.job_id:
            problems.append(_stray(path))
        elif path in conflicted:
            problems.append(_unmerged(path, head.job_id))
        else:
            problems += [LedgerProblem(*trouble) for trouble in head.troubles]
            if head.is_usable and head.job_id in heads:
                problems.append(_duplicate(path, PREFIX + heads[head.job_id].name, head.job_id))
                heads[head.job_id] = reading.unite(heads[head.job_id], head)
            elif head.is_usable:
                heads[head.job_id] = head
    for path in conflicted - set(candidates):
        job_id = entry_job_id(path) if is_run_file(path) else None
        if job_id is not None:
            problems.append(_unmerged(path, job_id))
    if find_leaks:
        problems += map(_linked, tree.links(LEDGER_DIR_REL))
        problems += [p for path in tree.folders(LEDGER_DIR_REL) for p in _misplaced_folder(path)]
    problems.sort(key=lambda p: (p.path, p.code))
    entries = Entries(heads, reading.entries, reading.load)
    return Ledger(heads, entries, Paths(heads), tuple(problems))


_job_id: Final = attrgetter("job_id")
_status: Final = attrgetter("status")
_troubles: Final = attrgetter("troubles")


def _unmerged(path: str, job_id: str) -> LedgerProblem:
    message = "it is unmerged in git's index; finish the merge"
    return LedgerProblem("ledger.conflict", path, message, job_id)


def _stray(path: str) -> LedgerProblem:
    return LedgerProblem("ledger.stray", path, "it is no ledger entry", None, "warning")


def _linked(path: str) -> LedgerProblem:
    message = "it is a symbolic link, and git shares only where it points"
    return LedgerProblem("ledger.stray", path, message, None, "warning")


def _misplaced_folder(path: str) -> list[LedgerProblem]:
    job_id = entry_job_id(path)
    if job_id is None:
        return []
    return [LedgerProblem("ledger.malformed", path, "it is a folder, not an entry", job_id)]


def _duplicate(path: str, first: str, job_id: str) -> LedgerProblem:
    message = f"the run has an entry at {first} too; both were read as one"
    return LedgerProblem("ledger.duplicate", path, message, job_id, "warning")


def load_usable(layout: Layout, job_id: str) -> LedgerEntry | None:
    """Return the usable entry of one run in the work tree, or None."""
    first, second = find_entry(layout, job_id)
    entry = _load(layout, job_id, Path(first))
    other = None if second is None else _load(layout, job_id, Path(second))
    if entry is None or other is None:
        return entry or other
    return put_together(merge(take_apart(entry), take_apart(other)))


def _load(layout: Layout, job_id: str, path: Path) -> LedgerEntry | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return judge(job_id, layout.relative(path), data)[0]


def entry_files(layout: Layout) -> Iterable[Path]:
    """Return the files of the ledger folder that stand where entries stand."""
    for path in WorkTree(layout.root).files(LEDGER_DIR_REL):
        if is_run_file(path):
            yield layout.root / path
