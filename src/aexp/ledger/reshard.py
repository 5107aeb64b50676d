"""Moving a ledger between its two layouts: one folder, or 256 of them (LED-13).

Order of writes (``docs/format/ordering.md``): all entries are written at their new place, and made
durable; only then are the old files removed, each one if it still is what was copied. A process
killed anywhere leaves runs with two files, which are read as one entry, and which the next call
makes one file again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aexp.errors import AexpError
from aexp.ledger.judge import entry_job_id, is_run_file
from aexp.ledger.merge_driver import sound_parts, union
from aexp.ledger.places import forget_layout, place_in
from aexp.ledger.retract import LOCK_NAME
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.atomic import BatchWriter, Staged, sync_file_systems
from aexp.storage.lock import file_lock
from aexp.storage.state import FileState, file_state
from aexp.tree import WorkTree
from aexp.workspace.store import RunStore

LayoutName = Literal["flat", "sharded"]
CHUNK = 2000
"""Entries that are written before one flush makes them durable together."""


@dataclass(frozen=True, slots=True)
class Move:
    """One entry that changes its place.

    Attributes:
        job_id: the run.
        source: where it stands, relative to the root.
        target: where it goes.
    """

    job_id: str
    source: str
    target: str


@dataclass(frozen=True)
class ReshardPlan:
    """What :func:`apply_reshard` will do.

    Attributes:
        to: the wanted layout.
        moves: the entries to move, in order of path.
        left: entry files that cannot be moved, with the reason.
    """

    to: LayoutName
    moves: tuple[Move, ...]
    left: dict[str, str] = field(default_factory=dict)


def plan_reshard(layout: Layout, to: LayoutName) -> ReshardPlan:
    """Return which entries stand in the other layout than ``to``.

    One that is damaged, or in an unfinished merge, stays: moving it would hide from git what
    belongs together.
    """
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    unmerged = set(tree.conflicted(LEDGER_DIR_REL))
    wanted: list[Move] = []
    for path in tree.files(LEDGER_DIR_REL):
        job_id = entry_job_id(path) if is_run_file(path) else None
        if job_id is None:
            continue
        target = layout.relative(place_in(layout, job_id, sharded=to == "sharded"))
        if path != target:
            wanted.append(Move(job_id, path, target))
    left: dict[str, str] = {}
    contents = tree.read_many([move.source for move in wanted])
    for move, (path, data) in zip(wanted, contents, strict=True):
        if path in unmerged or move.target in unmerged:
            left[path] = "it is unmerged; see `aexp ledger resolve`"
        elif (reason := _unmovable(layout, move, data)) is not None:
            left[path] = reason
    return ReshardPlan(to, tuple(move for move in wanted if move.source not in left), left)


def _unmovable(layout: Layout, move: Move, data: bytes | OSError) -> str | None:
    """Return why an entry must stay, or None."""
    try:
        _united(layout, move, data)
    except (AexpError, OSError) as error:
        return error.message if isinstance(error, AexpError) else error.strerror or str(error)
    return None


def _united(layout: Layout, move: Move, data: bytes | OSError) -> bytes:
    """Return what must stand at the new place: the entry, with what stands there already."""
    if isinstance(data, OSError):
        raise data
    versions = [sound_parts(move.job_id, move.source, data)]
    try:
        there = (layout.root / move.target).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return data  # byte for byte, so that git sees a renamed file
    if there == data:
        return data
    return union([*versions, sound_parts(move.job_id, move.target, there)])


def apply_reshard(layout: Layout, plan: ReshardPlan) -> dict[str, str]:
    """Move the entries of ``plan``.

    Returns:
        What could not be moved after all, with the reason: an entry that changed meanwhile.

    Raises:
        StorageError: the disk refused. Every entry is still where it was, or in both places.
        LockTimeoutError: another process rewrites the ledger.
    """
    left: dict[str, str] = {}
    store = RunStore(layout)
    with file_lock(layout.locks_dir / LOCK_NAME):
        try:
            for start in range(0, len(plan.moves), CHUNK):
                _move_some(layout, store, plan.moves[start : start + CHUNK], left)
        finally:
            forget_layout()
        _remove_empty(layout, plan)
    return left


def _move_some(
    layout: Layout, store: RunStore, moves: Sequence[Move], left: dict[str, str]
) -> None:
    changed = "it was changed meanwhile; run the command again"
    written: list[tuple[Move, FileState | None]] = []
    with BatchWriter(layout.tmp_dir) as batch:
        ready: list[tuple[Move, _States, Staged]] = []
        for move in moves:
            states = _states(layout, move)
            try:
                data = _united(layout, move, (layout.root / move.source).read_bytes())
            except (AexpError, OSError) as error:
                left[move.source] = str(error)
                continue
            ready.append((move, states, batch.add(layout.root / move.target, data)))
        batch.flush()
        for move, states, staged in ready:
            with _locked(store, move.job_id):
                if _states(layout, move) == states:
                    batch.put(staged)
                    written.append((move, states[0]))
                else:
                    batch.drop(staged)
                    left[move.source] = changed
    for move, seen in written:
        source = layout.root / move.source
        with _locked(store, move.job_id):
            if file_state(source) == seen:
                source.unlink(missing_ok=True)
            else:
                left[move.source] = changed
    sync_file_systems({(layout.root / move.source).parent for move, _ in written})


_States: TypeAlias = tuple[FileState | None, FileState | None]


def _states(layout: Layout, move: Move) -> _States:
    return file_state(layout.root / move.source), file_state(layout.root / move.target)


def _locked(store: RunStore, job_id: str) -> contextlib.AbstractContextManager[None]:
    """Return the lock of a run of this machine, under which its entry is written; else nothing."""
    return store.lock(job_id) if job_id in store else contextlib.nullcontext()


def _remove_empty(layout: Layout, plan: ReshardPlan) -> None:
    """Remove the shards that hold nothing any more, for they tell which layout a ledger has."""
    for folder in sorted({(layout.root / move.source).parent for move in plan.moves}):
        if folder != layout.ledger_dir:
            with contextlib.suppress(OSError):
                folder.rmdir()
