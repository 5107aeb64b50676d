"""The state of a file, by which a change is recognised without reading it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

FileState: TypeAlias = tuple[int, int, int, int]
"""Inode, size in bytes, times of last modification and of last status change in nanoseconds."""


def file_state(path: str | Path) -> FileState | None:
    """Return the state of the file at ``path``, or None when there is none to be seen.

    A replaced file has another inode, and one written in place another time of status change,
    which no program can set back.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def on_one_file_system(first: str | Path, second: str | Path) -> bool:
    """Return whether two folders are on the same file system; False when one is not there."""
    try:
        return os.stat(first).st_dev == os.stat(second).st_dev
    except OSError:
        return False
