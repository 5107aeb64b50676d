"""How large the ledger is, and what it holds (LED-11, LED-13)."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from aexp.ledger.judge import entry_job_id
from aexp.ledger.store import Ledger, read_ledger
from aexp.model.canonical import Json
from aexp.model.packed import unpack
from aexp.model.status import RETRACTED
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.state import WIDTH
from aexp.tree import WorkTree

FLAT_LIMIT: Final = 3_000
"""Entries in one folder beyond which git and file systems slow down (LED-13)."""

LARGEST: Final = 5


@dataclass(frozen=True)
class LargeEntry:
    """One of the largest entries.

    Attributes:
        job_id: the run.
        path: its file, from the root.
        size: in bytes.
    """

    job_id: str
    path: str
    size: int


@dataclass
class LedgerStats:
    """The ledger in numbers.

    Attributes:
        entries: runs with a usable entry, tombstones included.
        attempts: attempts in them.
        retracted: how many of the entries are tombstones.
        unusable: entry files of runs without a usable entry.
        by_status: entries by status; likewise by machine and by experiment (the current link's;
            runs without one under an empty name).
        bytes: the size of all entry files.
        other_files: files of other kinds below the ledger.
        other_bytes: their size.
        largest: the largest entries, the largest first.
        layout: where the entry files are: in one folder, in 256, or in both.
        flat: how many are in one folder; ``sharded`` are not.
        outgrown: whether that is too many for one folder.
    """

    entries: int = 0
    attempts: int = 0
    retracted: int = 0
    unusable: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    by_machine: dict[str, int] = field(default_factory=dict)
    by_experiment: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    other_files: int = 0
    other_bytes: int = 0
    largest: list[LargeEntry] = field(default_factory=list)
    layout: Literal["empty", "flat", "sharded", "mixed"] = "empty"
    flat: int = 0
    sharded: int = 0
    outgrown: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return the numbers as JSON data."""
        return asdict(self)


def ledger_stats(layout: Layout) -> LedgerStats:
    """Count what the ledger of the work tree holds. Reads only; needs no run store."""
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    ledger = read_ledger(tree, find_leaks=False, layout=layout, bodies=False)
    heads = ledger.heads.values()
    experiments: Counter[str] = Counter()
    for link, count in Counter(head.link for head in heads).items():  # many have the same
        found = unpack(link)
        known = found.get("experiment_id") if isinstance(found, dict) else None
        experiments[str(known or "")] += count
    by_status = Counter(head.status for head in heads)
    stats = LedgerStats(
        entries=len(heads),
        attempts=len(heads) - by_status[RETRACTED] + sum(_others(ledger)),
        retracted=by_status[RETRACTED],
        by_status=_sorted(by_status),
        by_machine=_sorted(Counter(head.machine for head in heads)),
        by_experiment=_sorted(experiments),
    )
    _measure(stats, tree, ledger.heads.keys())
    return stats


def _others(ledger: Ledger) -> Iterator[int]:
    """Yield how many further attempts each run has that has some."""
    for job_id, head in ledger.heads.items():
        if head.has_replicates and head.status != RETRACTED:
            yield len(ledger.entries[job_id].get("replicates") or ())


def _measure(stats: LedgerStats, tree: WorkTree, usable: Container[str]) -> None:
    """Look at the files: where they are, and how large."""
    sizes: list[tuple[int, str]] = []
    paths = tree.files(LEDGER_DIR_REL)
    for path, listed in zip(paths, tree.states(paths)[1::WIDTH], strict=True):
        size = max(listed, 0)  # it may be gone since
        job_id = entry_job_id(path)
        if job_id is None:
            stats.other_files += 1
            stats.other_bytes += size
            continue
        sizes.append((-size, path))
        stats.unusable += job_id not in usable
        if path.count("/") == LEDGER_DIR_REL.count("/") + 1:
            stats.flat += 1
        else:
            stats.sharded += 1
    stats.bytes = -sum(size for size, _ in sizes)
    stats.largest = [
        LargeEntry(entry_job_id(path) or "", path, -size)
        for size, path in heapq.nsmallest(LARGEST, sizes)
    ]
    if stats.flat or stats.sharded:
        both = bool(stats.flat and stats.sharded)
        stats.layout = "mixed" if both else "flat" if stats.flat else "sharded"
    stats.outgrown = stats.flat > FLAT_LIMIT


def _sorted(counts: Counter[str]) -> dict[str, int]:
    """Return the counts above zero, the greatest first."""
    found = [(name, count) for name, count in counts.items() if count]
    return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))
