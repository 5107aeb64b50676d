"""Where a run's entry stands: in one folder, or sharded over 256 of them (LED-13).

Readers accept both layouts at once. Which of them a ledger has shows by its folders alone, so
that no setting can contradict the files, and a clone has the layout of what it pulled.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from aexp.repo import LEDGER_DIR_REL, Layout


class Place(NamedTuple):
    """Where a run's entry is.

    Attributes:
        path: the file where it stands, else where a new one goes.
        twin: the second file of a run that has one in both layouts, or None; what the two hold
            together is the run's entry (LED-13).
    """

    path: str
    twin: str | None


def find_entry(layout: Layout, job_id: str) -> Place:
    """Return where a run's entry stands.

    A repository whose entries are sharded gets new ones sharded too (LED-13).
    """
    usual, other = _both_places(f"{layout.root}{os.sep}{LEDGER_DIR_REL}{os.sep}", job_id)
    if not os.path.isfile(other):  # noqa: PTH113
        return Place(usual, None)
    if os.path.isfile(usual):  # noqa: PTH113
        return Place(usual, other)
    return Place(other, None)


def standing_entries(layout: Layout) -> dict[str, str]:
    """Return the files of all entries by job id, without those that have one in each layout."""
    folder = f"{layout.root}{os.sep}{LEDGER_DIR_REL}"
    found: dict[str, str] = {}
    doubled: set[str] = set()
    for above in (folder, *(f"{folder}{os.sep}{shard}" for shard in _SHARDS)):
        with contextlib.suppress(OSError), os.scandir(above) as files:
            for file in files:
                job_id = file.name.removesuffix(".json")
                if job_id in found:
                    doubled.add(job_id)
                found[job_id] = file.path
    for job_id in doubled:
        del found[job_id]
    return found


def entry_path(layout: Layout, job_id: str) -> Path:
    """Return the file of a run's entry: where it stands, else where a new one goes."""
    return Path(find_entry(layout, job_id).path)


def place_in(layout: Layout, job_id: str, *, sharded: bool) -> Path:
    """Return where a run's entry stands in one of the two layouts."""
    return layout.ledger_dir / (f"{job_id[:2]}/{job_id}.json" if sharded else f"{job_id}.json")


def other_place(path: str) -> str:
    """Return where the entry at ``path`` (POSIX, relative to the root) is in the other layout."""
    folder, _, name = path.rpartition("/")
    if folder == LEDGER_DIR_REL:
        return f"{folder}/{name[:2]}/{name}"
    return f"{LEDGER_DIR_REL}/{name}"


def _both_places(folder: str, job_id: str) -> tuple[str, str]:
    """Return where this ledger has the entry by its layout, and where it may stand besides."""
    flat = f"{folder}{job_id}.json"
    sharded = f"{folder}{job_id[:2]}{os.sep}{job_id}.json"
    return (sharded, flat) if _is_sharded(folder) else (flat, sharded)


_SHARDS = tuple(f"{number:02x}" for number in range(256))
_LOOK_AGAIN_S = 1.0
_seen: dict[str, tuple[float, bool]] = {}


def _is_sharded(folder: str) -> bool:
    """Return whether the ledger in ``folder`` (with a slash at its end) has a shard.

    To ask for each of the 256 takes as long as reading some dozen entries, however many there
    are; so the answer holds for a second. Should it be out of date, a new entry goes to the other
    layout, which every reader accepts.
    """
    now = time.monotonic()
    known = _seen.get(folder)
    if known is not None and now - known[0] < _LOOK_AGAIN_S:
        return known[1]
    found = any(os.path.isdir(folder + shard) for shard in _SHARDS)  # noqa: PTH112
    _seen[folder] = now, found
    return found


def forget_layout() -> None:
    """Look again which layout a ledger has: it has just been changed."""
    _seen.clear()
