"""How large the ledger is, and what it holds (LED-11, LED-13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from aexp.ledger.judge import entry_job_id
from aexp.ledger.store import read_ledger
from aexp.model.canonical import Json
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
    ledger = read_ledger(tree, find_leaks=False, layout=layout)
    entries = ledger.entries.values()
    stats = LedgerStats(
        entries=len(entries),
        attempts=sum(
            1 + len(entry.get("replicates") or ())
            for entry in entries
            if entry["status"] != RETRACTED
        ),
        retracted=sum(entry["status"] == RETRACTED for entry in entries),
        by_status=_counted(entry["status"] for entry in entries),
        by_machine=_counted(entry["registered_machine"] for entry in entries),
        by_experiment=_counted(
            str((entry.get("run_link") or {}).get("experiment_id") or "") for entry in entries
        ),
    )
    _measure(stats, tree, ledger.entries.keys())
    return stats


def _measure(stats: LedgerStats, tree: WorkTree, usable: Container[str]) -> None:
    """Look at the files: where they are, and how large."""
    sizes: list[LargeEntry] = []
    paths = tree.files(LEDGER_DIR_REL)
    for path, listed in zip(paths, tree.states(paths)[1::WIDTH], strict=True):
        size = max(listed, 0)  # it may be gone since
        job_id = entry_job_id(path)
        if job_id is None:
            stats.other_files += 1
            stats.other_bytes += size
            continue
        sizes.append(LargeEntry(job_id, path, size))
        stats.unusable += job_id not in usable
        if path.count("/") == LEDGER_DIR_REL.count("/") + 1:
            stats.flat += 1
        else:
            stats.sharded += 1
    stats.bytes = sum(entry.size for entry in sizes)
    stats.largest = sorted(sizes, key=lambda entry: (-entry.size, entry.path))[:LARGEST]
    if stats.flat or stats.sharded:
        both = bool(stats.flat and stats.sharded)
        stats.layout = "mixed" if both else "flat" if stats.flat else "sharded"
    stats.outgrown = stats.flat > FLAT_LIMIT


def _counted(names: Iterable[str]) -> dict[str, int]:
    """Return how often each name comes, the most frequent first."""
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))
