"""Do what a plan says, one step after the other; it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aexp.install.changes import Change
from aexp.repo import Layout
from aexp.storage.atomic import make_folder, storage_error, write_atomic


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
    """
    return apply_changes(layout.root, changes, tmp_dir=layout.tmp_dir)


def apply_changes(
    root: Path, changes: Iterable[Change], *, tmp_dir: Path | None = None
) -> list[Action]:
    """Apply ``changes`` whose paths are relative to ``root``; see :func:`apply_plan`."""
    done: list[Action] = []
    for change in changes:
        target = root / change.path
        if change.content is not None:
            write_atomic(target, change.content, tmp_dir=tmp_dir)
        elif change.kind == "created_folder":
            try:
                make_folder(target)
            except OSError as error:
                raise storage_error(error, target) from error
        done.append(Action(change.kind, change.path, change.detail))
    return done
