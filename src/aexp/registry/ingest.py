"""Copying bytes and hashing them on the way, in constant memory (REG-04)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Callable
from typing import BinaryIO

_BUFFER = 1 << 20
_BUFFERS = 4
_FICLONE = 0x40049409
"""Linux: make a file share the blocks of another (``ioctl_ficlone(2)``)."""


def write_hashed(fd: int, data: bytes) -> None:
    """Write all of ``data``."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_hashed(
    source: BinaryIO | io.FileIO, fd: int, progress: Callable[[int], None] | None
) -> tuple[str, int]:
    """Write what ``source`` holds to ``fd``; return its digest and its size in bytes.

    Where the file system can, the blocks of a file are shared rather than copied; what is hashed
    then is the new file, so that a change of the source meanwhile does no harm.

    Args:
        source: read from where it stands.
        fd: an empty file, open for reading and writing.
        progress: called with the number of bytes just done.
    """
    if _cloned(source, fd):
        with open(fd, "rb", buffering=0, closefd=False) as copy:
            return _pump(copy, None, progress)
    return _pump(source, fd, progress)


def _cloned(source: BinaryIO | io.FileIO, fd: int) -> bool:
    if not sys.platform.startswith("linux") or not isinstance(source, io.FileIO):
        return False
    import fcntl

    with contextlib.suppress(OSError):
        if source.tell() == 0:
            fcntl.ioctl(fd, _FICLONE, source.fileno())
            return True
    return False


def _pump(
    source: BinaryIO | io.FileIO, fd: int | None, progress: Callable[[int], None] | None
) -> tuple[str, int]:
    hashed = hashlib.sha256()
    size = 0
    while chunk := source.read(_BUFFER):
        hashed.update(chunk)
        if fd is not None:
            write_hashed(fd, chunk)
        size += len(chunk)
        if progress is not None:
            progress(len(chunk))
    return f"sha256:{hashed.hexdigest()}", size
