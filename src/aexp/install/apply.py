"""Do what a plan says, one step after the other; it decides nothing."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aexp.git import Git
from aexp.install.changes import REMARKS, Change
from aexp.repo import Layout
from aexp.storage.atomic import make_folder, storage_error, sync_folder, write_atomic


@dataclass(frozen=True, slots=True)
class Action:
    """What was done, or remarked; the fields are those of :class:`~aexp.install.Change`."""

    kind: str
    path: str
    detail: str = ""


def apply_plan(layout: Layout, changes: Iterable[Change]) -> list[Action]:
    """Apply ``changes`` in their order.

    Each file appears whole or not at all. When one fails, those before it stay; a new plan then
    holds what is missing, so that running the command again completes the installation.

    Raises:
        StorageError: the disk refused.
        GitError: git refused to change its configuration.
    """
    return apply_changes(layout.root, changes, tmp_dir=layout.tmp_dir)


def apply_changes(
    root: Path, changes: Iterable[Change], *, tmp_dir: Path | None = None
) -> list[Action]:
    """Apply ``changes`` whose paths are relative to ``root``; see :func:`apply_plan`."""
    done: list[Action] = []
    for change in changes:
        if change.kind not in REMARKS:
            _apply(root, change, tmp_dir)
        done.append(Action(change.kind, change.path, change.detail))
    return done


def _apply(root: Path, change: Change, tmp_dir: Path | None) -> None:
    target = root / change.path
    for arguments in change.settings:
        Git(root).run("config", *arguments)
    if change.content is not None:
        write_atomic(target, change.content, tmp_dir=tmp_dir)
        return
    try:
        if change.kind == "created_folder":
            make_folder(target)
        elif change.kind == "removed":
            _remove(target)
        elif change.kind == "removed_folder":
            _remove_if_empty(target)
    except OSError as error:
        raise storage_error(error, target) from error


def _remove(target: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        target.unlink()
        sync_folder(target.parent)


def _remove_if_empty(target: Path) -> None:
    """Remove a folder unless somebody has put something into it since the plan was made."""
    try:
        target.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return
    sync_folder(target.parent)
