"""One step of a plan, and reading what is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aexp.errors import StorageError

Kind: TypeAlias = Literal[
    "added_hook",
    "configured_git",
    "created",
    "created_folder",
    "gitattributes_warning",
    "gitignore_migration_warning",
    "initialized_runs",
    "installed_command",
    "kept",
    "kept_command",
    "kept_git_config",
    "merged_gitattributes",
    "merged_gitignore",
    "refreshed",
    "refreshed_command",
    "removed",
    "removed_block",
    "removed_folder",
    "removed_git_config",
    "removed_hook",
    "run_store_missing",
    "visible_to_git",
    "wrote_marker",
]
REMARKS: frozenset[Kind] = frozenset(
    {
        "gitattributes_warning",
        "gitignore_migration_warning",
        "kept",
        "kept_command",
        "kept_git_config",
        "run_store_missing",
        "visible_to_git",
    }
)
"""Kinds that tell something and change nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an installation or its removal does, or remarks.

    Attributes:
        kind: what it is; those in :data:`REMARKS` change nothing.
        path: the file or folder, POSIX and relative to the root, absolute outside it.
        detail: a few words more, or empty.
        content: the whole new content of the file; None for everything else.
        settings: argument lists for ``git config``, in order; empty for everything else.
    """

    kind: Kind
    path: str
    detail: str = ""
    content: bytes | None = None
    settings: tuple[tuple[str, ...], ...] = ()


def read_or_none(path: Path) -> bytes | None:
    """Return a file's bytes, None when there is no such file.

    Raises:
        StorageError: it is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def read_git_file(root: Path, name: str) -> bytes | None:
    """Return the bytes of ``.gitignore`` or ``.gitattributes``, None when there is none.

    Raises:
        StorageError: it is a folder, cannot be read, or is a symbolic link. Git does not follow
            such links, and writing the file would put an end to the link.
    """
    path = root / name
    if path.is_symlink():
        raise StorageError(
            f"{name} is a symbolic link, which git does not follow",
            hint=f"put a copy in its place: `cp --remove-destination $(readlink {name}) {name}`",
        )
    return read_or_none(path)
