"""Disks that refuse: one call that fails inside this process, or a really full small disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.os_calls import OsCall, watch_os_calls


class FailingDisk:
    """A watcher that makes calls fail with a given errno.

    Attributes:
        seen: the calls of the chosen name so far.
        failed: those that were made to fail.
    """

    def __init__(self, name: str, *, nth: int, times: int | None, error: int, torn: bool) -> None:
        self._name = name
        self._torn_at = nth if torn else 0
        self._first = nth + 1 if torn else nth
        self._last = None if times is None else self._first + times - 1
        self._error = error
        self.seen: list[OsCall] = []
        self.failed: list[OsCall] = []

    def before(self, call: OsCall) -> int | None:
        """Fail, or let a torn write through halfway (what follows it then fails)."""
        if call.name != self._name:
            return None
        self.seen.append(call)
        number = len(self.seen)
        if number == self._torn_at and call.size > 1:
            return call.size // 2
        if number < self._first or (self._last is not None and number > self._last):
            return None
        self.failed.append(call)
        raise OSError(self._error, os.strerror(self._error))

    def after(self, call: OsCall) -> None:
        """Do nothing."""


@contextmanager
def failing_storage(
    under: Path,
    name: str = "write",
    *,
    nth: int = 1,
    times: int | None = None,
    error: int = errno.ENOSPC,
    torn: bool = False,
) -> Iterator[FailingDisk]:
    """Make disk-changing calls below ``under`` fail inside this process.

    Args:
        under: the folder whose disk is bad.
        name: which call: ``write``, ``fsync``, ``replace``, ``link``, ``mkdir``, ``open``,
            ``unlink``, ``syncfs`` …
        nth: the first call that fails, from 1.
        times: how many fail; all from the first on when None.
        error: the errno they raise (ENOSPC, EDQUOT, EROFS, EIO, EACCES …).
        torn: let half of the ``nth`` write through, as a disk that fills up does; the calls after
            it fail (none with ``times=0``: then it is just a short write).
    """
    disk = FailingDisk(name, nth=nth, times=times, error=error, torn=torn)
    with watch_os_calls(disk, under):
        yield disk


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path | None]:
    """Mount a file system of ``size`` on ``folder``; None where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        yield None
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def fill_disk(folder: Path, *, leave: int = 0) -> Path:
    """Fill the disk of ``folder`` but for ``leave`` bytes and return the file that does it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        block = b"\0" * 4096
        try:
            while True:
                stream.write(block)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    if leave:
        os.truncate(filler, max(0, filler.stat().st_size - leave))
    return filler
