"""Removing working folders of published executions (EXE-53): a plan first, then what it says.

What stays: files that were never registered, the database, and everything of an execution that is
not Uploaded, has something staged that is not published, or is being published.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aexp.errors import AexpError, NotFoundError, StorageError
from aexp.execution.checking import strays
from aexp.execution.records import ExecutionRecord
from aexp.execution.resume import publishing
from aexp.execution.state import State
from aexp.model.execution import ExecutionStatus
from aexp.repo import Layout
from aexp.runs.lookup import resolve_local_id
from aexp.storage.atomic import storage_error
from aexp.workspace.store import RunStore


@dataclass(frozen=True)
class Cleaning:
    """A working folder that can go, or the reason why it cannot.

    Attributes:
        execution_rid: whose.
        folder: the working folder.
        files: how many files it holds; links count, and not what they lead to.
        size: their bytes.
        kept: files in it that were never registered: they stay.
        reason: why nothing of it may go, or None.
    """

    execution_rid: str
    folder: Path
    files: int = 0
    size: int = 0
    kept: tuple[Path, ...] = ()
    reason: str | None = None


def plan_cleaning(
    layout: Layout, records: Sequence[ExecutionRecord], names: Sequence[str] = ()
) -> list[Cleaning]:
    """Return what :func:`clean` would remove, and of those that are named, why it would not.

    Args:
        layout: the repository.
        records: the executions there are.
        names: ids or their beginnings; all published executions when there are none.

    Raises:
        NotFoundError, AmbiguousIdError: a name begins no, or several, ids.
    """
    wanted = {resolve_local_id(layout, name) for name in names}
    known = {each.execution_rid for each in records}
    if strange := sorted(wanted - known):
        raise NotFoundError(f"run {strange[0]} is no execution", hint="see `aexp execution list`")
    found = []
    for record in records:
        if record.view.here is None or (wanted and record.execution_rid not in wanted):
            continue
        one = _plan(layout, record)
        if one.files or (wanted and one.reason is not None):
            found.append(one)
    return [one for one in found if wanted or one.reason is None]


def _plan(layout: Layout, record: ExecutionRecord) -> Cleaning:
    rid = record.execution_rid
    try:
        state = State.open(RunStore(layout).folder(rid))
    except AexpError as error:
        return Cleaning(rid, RunStore(layout).folder(rid), reason=error.message)
    folder = state.working_dir
    if (reason := _reason(record, state)) is not None:
        return Cleaning(rid, folder, reason=reason)
    kept = tuple(strays(folder, state))
    files = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    gone = [path for path in files if path not in set(kept)]
    size = sum(path.lstat().st_size for path in gone)
    return Cleaning(rid, folder, len(gone), size, kept)


def _reason(record: ExecutionRecord, state: State) -> str | None:
    if record.status is not ExecutionStatus.Uploaded:
        return f"it is {record.status.value}, not Uploaded"
    staged = len(state.assets("pending", "stored", "uploaded")) + len(state.features("pending"))
    if staged:
        return f"not everything that is staged is published: {staged} left"
    if (owner := publishing(state)) is not None:
        return f"it is being published by {owner.describe()}"
    return None


def clean(layout: Layout, plan: Sequence[Cleaning]) -> tuple[list[Cleaning], dict[str, str]]:
    """Remove what a plan names. Each execution is looked at once more, and left when it changed.

    Returns:
        What was removed, and for each other execution the reason.
    """
    from aexp.execution.records import lookup_execution

    done, failed = [], {}
    for one in plan:
        if one.reason is not None:
            failed[one.execution_rid] = one.reason
            continue
        try:
            now = _plan(layout, lookup_execution(layout, one.execution_rid))
            if now.reason is not None:
                raise StorageError(now.reason)
            _remove(now)
            done.append(now)
        except (AexpError, OSError) as error:
            failed[one.execution_rid] = str(error)
    return done, failed


def _remove(one: Cleaning) -> None:
    """Remove a working folder but for the files that stay. Links are removed, not followed."""
    try:
        if not one.kept:
            shutil.rmtree(one.folder)
            return
        kept = set(one.kept)
        for path in sorted(one.folder.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink()
    except OSError as error:
        raise storage_error(error, one.folder) from error
