"""The state of a file, by which a change is recognised without reading it."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

FileState: TypeAlias = tuple[int, int, int, int]
"""Inode, size in bytes, times of last modification and of last status change in nanoseconds."""

WIDTH: Final = 4
"""How many numbers a state has."""

NO_FILE: Final[FileState] = (0, -1, 0, 0)
"""Stands for the state of a file that is not there."""


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


def file_states(folder: str, names: Iterable[str], ends: Sequence[str] = ("",)) -> array[int]:
    """Return the states of many files side by side; see :func:`file_state`.

    Args:
        folder: the folder above all of them, with a slash at its end.
        names: what follows.
        ends: what follows each name: one file each.
    """
    found = array("q")
    stat, extend = os.stat, found.extend
    above = _open(folder)
    if above is None:
        names = (f"{folder}{name}" for name in names)
    try:
        for name in names:
            for end in ends:
                try:
                    s = stat(name + end, dir_fd=above)
                except OSError:
                    extend(NO_FILE)
                else:
                    extend((s.st_ino & _POSITIVE, s.st_size, s.st_mtime_ns, s.st_ctime_ns))
    finally:
        if above is not None:
            os.close(above)
    return found


def _open(folder: str) -> int | None:
    """Open a folder, so that the way to it is not gone for each file; None where that cannot be."""
    if os.stat not in os.supports_dir_fd:
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


_POSITIVE: Final = 2**63 - 1


def on_one_file_system(first: str | Path, second: str | Path) -> bool:
    """Return whether two folders are on the same file system; False when one is not there."""
    try:
        return os.stat(first).st_dev == os.stat(second).st_dev
    except OSError:
        return False
