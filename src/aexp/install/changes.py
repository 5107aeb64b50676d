"""One step of a plan, and reading what is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aexp.errors import StorageError

Kind: TypeAlias = Literal[
    "created",
    "created_folder",
    "gitignore_check_skipped",
    "gitignore_migration_warning",
    "initialized_runs",
    "installed_command",
    "kept_command",
    "merged_gitignore",
    "refreshed_command",
    "wrote_marker",
]
REMARKS: frozenset[Kind] = frozenset(
    {"gitignore_check_skipped", "gitignore_migration_warning", "kept_command"}
)
"""Kinds that tell something and change nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an installation does, or remarks.

    Attributes:
        kind: what it is; those in :data:`REMARKS` change nothing.
        path: the file or folder, POSIX and relative to the root, absolute outside it.
        detail: a few words more, or empty.
        content: the whole new content of the file; None for a folder or a remark.
    """

    kind: Kind
    path: str
    detail: str = ""
    content: bytes | None = None


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
