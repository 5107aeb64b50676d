"""Append-only JSON lines: a whole line or nothing survives a kill.

A writer owns its file alone (it is created exclusively), so nobody ever appends after somebody
else's torn line (trap 58). A reader drops a last line that was torn.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aexp.errors import CorruptDataError
from aexp.storage.atomic import make_folder, storage_error, sync_folder


class LineWriter:
    """Append whole lines to a file that nobody else writes.

    Args:
        path: the new file.
        durable: make folders that are missing survive a power failure.

    Raises:
        StorageError: the file exists already or cannot be created.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        try:
            if durable:
                make_folder(path.parent)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._fd = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise storage_error(error, path) from error
        self.path = path
        self._named = False

    def append(self, lines: bytes) -> None:
        """Hand ``lines`` (each ending in a newline) to the operating system.

        After it returns they survive the death of the process, though not yet of the machine.

        Raises:
            StorageError: the disk refused. Whatever part was written ends with a newline or is
                cut off again, so the next append starts on a line of its own.
        """
        try:
            start = os.lseek(self._fd, 0, os.SEEK_END)
            self._write_or_cut(start, memoryview(lines))
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _write_or_cut(self, start: int, view: memoryview) -> None:
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except BaseException:  # Ctrl-C between two parts of a line as well
            try:
                os.ftruncate(self._fd, start)
            except OSError:
                self.close()  # the torn line stays the last one: nothing is appended to it
            raise

    def sync(self) -> None:
        """Make everything appended so far survive a power failure."""
        try:
            os.fsync(self._fd)
            if not self._named:
                sync_folder(self.path.parent)
                self._named = True
        except OSError as error:
            raise storage_error(error, self.path) from error

    def close(self) -> None:
        """Close the file; calling it twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield ``(line number from 1, line without newline)``, leaving out a torn last line.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            yield number, line[:-1]


def bad_line(path: Path, number: int, reason: str) -> CorruptDataError:
    """Return the error for a damaged line that is not the last one."""
    return CorruptDataError(f"{path.name}, line {number}: {reason}")
