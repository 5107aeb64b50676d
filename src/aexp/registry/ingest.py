"""Copying bytes and hashing them on the way, in one pass and in constant memory (REG-04)."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

_BUFFER = 1 << 20
_BUFFERS = 4
_FLUSHED = 1 << 24
"""So many bytes at a time are sent on to the disk, so that the flush at the end is short."""
_LARGE = 1 << 22
"""Files of at least so many bytes are copied by the kernel."""
_PIECE = 1 << 22
"""Bytes that the kernel copies at a time, before they are hashed."""
_NOT_BY_KERNEL = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)
"""What says that the kernel does not copy between these two files."""
_FICLONE = 0x40049409
"""Linux: make a file share the blocks of another (``ioctl_ficlone(2)``)."""


class SourceFailedError(Exception):
    """Reading the source failed, which is no trouble of the registry's disk."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data`` where ``fd`` stands."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_hashed(
    source: BinaryIO | io.FileIO, fd: int, progress: Callable[[int], None] | None
) -> tuple[str, int]:
    """Write what ``source`` holds to ``fd``; return its digest and its size in bytes.

    Where the file system can, the blocks of a file are shared rather than copied, and the kernel
    copies a large one by itself. What is hashed then is the new file, so that a change of the
    source meanwhile does no harm.

    Args:
        source: read from where it stands to its end.
        fd: an empty file, open for reading and writing.
        progress: called with the number of bytes just done.

    Raises:
        SourceFailedError: the source cannot be read.
        OSError: the new file cannot be written.
    """
    done = progress or _ignored
    if _cloned(source, fd):
        with open(fd, "rb", buffering=0, closefd=False) as copy:
            return _pump(copy, _ignored_bytes, done)
    if isinstance(source, io.FileIO) and (copied := _copied_by_kernel(source, fd, done)):
        return copied
    return _pump(source, _Sink(fd).write, done)


def _copied_by_kernel(
    source: io.FileIO, fd: int, progress: Callable[[int], None]
) -> tuple[str, int] | None:
    """Let the kernel copy a large file, and hash the copy meanwhile; None where it cannot.

    Nothing goes through this process but what is hashed: less than half the time of reading and
    writing here. The copy is on its way to the disk while the hashing still goes on.
    """
    if sys.platform != "linux" or not hasattr(os, "copy_file_range"):
        return None
    if source.tell() or os.fstat(source.fileno()).st_size < _LARGE:
        return None
    done = 0
    with _CopyHasher(fd) as hasher:
        try:
            while count := os.copy_file_range(source.fileno(), fd, _PIECE, done, done):
                done += count
                hasher.hash_to(done)
                progress(count)
        except OSError as error:
            if done or error.errno not in _NOT_BY_KERNEL:
                raise
        if not done:
            return None
        os.fdatasync(fd)
    return hasher.digest(), done


def _pump(
    source: BinaryIO | io.FileIO,
    write: Callable[[memoryview], None],
    progress: Callable[[int], None],
) -> tuple[str, int]:
    """Read, hash and write, the hashing on a thread of its own once there is much to do."""
    hashed = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(_BUFFER))
    for _ in range(_BUFFERS):
        count = _fill(source, buffer)
        hashed.update(buffer[:count])
        write(buffer[:count])
        size += count
        progress(count)
        if count < len(buffer):
            return f"sha256:{hashed.hexdigest()}", size
    with _Hasher(hashed) as hasher:
        while True:
            buffer = hasher.free()
            count = _fill(source, buffer)
            hasher.hash(buffer, count)
            write(buffer[:count])
            size += count
            progress(count)
            if count < len(buffer):
                break
    return f"sha256:{hashed.hexdigest()}", size


def _fill(source: BinaryIO | io.FileIO, buffer: memoryview) -> int:
    try:
        return _read_into(source, buffer)
    except OSError as error:
        raise SourceFailedError(error) from error


def _read_into(source: BinaryIO | io.FileIO, buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the source is at its end; return how much there was."""
    filled = 0
    readinto = getattr(source, "readinto", None)
    while filled < len(buffer):
        if readinto is not None:
            count = readinto(buffer[filled:]) or 0
        else:
            chunk = source.read(len(buffer) - filled)
            count = len(chunk)
            buffer[filled : filled + count] = chunk
        if count == 0:
            break
        filled += count
    return filled


class _Hasher:
    """A thread that hashes buffers in the order in which they are handed to it."""

    def __init__(self, hashed: hashlib._Hash) -> None:
        self._hashed = hashed
        self._work: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        for _ in range(_BUFFERS):
            self._free.put(memoryview(bytearray(_BUFFER)))
        self._thread = threading.Thread(target=self._run, name="aexp-hash", daemon=True)

    def __enter__(self) -> _Hasher:
        self._thread.start()
        return self

    def free(self) -> memoryview:
        """Return a buffer that may be overwritten; wait for one."""
        return self._free.get()

    def hash(self, buffer: memoryview, count: int) -> None:
        """Hash the beginning of ``buffer``, which must not change until it is free again."""
        self._work.put((buffer, count))

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            buffer, count = work
            self._hashed.update(buffer[:count])
            self._free.put(buffer)

    def __exit__(self, *exc: object) -> None:
        self._work.put(None)
        self._thread.join()


class _CopyHasher:
    """A thread that hashes a file behind the one that writes it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._hashed = hashlib.sha256()
        self._work: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="aexp-hash", daemon=True)

    def __enter__(self) -> _CopyHasher:
        self._thread.start()
        return self

    def hash_to(self, end: int) -> None:
        """Hash what is there up to ``end``, in bytes from the beginning."""
        self._work.put(end)

    def _run(self) -> None:
        buffer, done = memoryview(bytearray(_BUFFER)), 0
        try:
            while (end := self._work.get()) is not None:
                while done < end:
                    count = os.preadv(self._fd, [buffer[: min(_BUFFER, end - done)]], done)
                    if not count:
                        raise OSError(errno.EIO, "the copy became shorter")
                    self._hashed.update(buffer[:count])
                    done += count
        except OSError as error:
            self._problem = error

    def digest(self) -> str:
        """Return the digest of all of it, once the block has ended."""
        if self._problem is not None:
            raise self._problem
        return f"sha256:{self._hashed.hexdigest()}"

    def __exit__(self, *exc: object) -> None:
        self._work.put(None)
        self._thread.join()


class _Sink:
    """Writes to a file, and starts the kernel on writing to the disk while there is more to come.

    A buffer may be hashed and written at the same time, since both only read it; it must be
    written before it is filled again.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._written = 0
        self._started = 0

    def write(self, data: memoryview) -> None:
        write_all(self._fd, data)
        self._written += len(data)
        if self._written - self._started >= _FLUSHED:
            start_writeback(self._fd, self._started, self._written - self._started)
            self._started = self._written


def start_writeback(fd: int, offset: int, size: int) -> None:
    """Ask the kernel to begin writing a part of a file to the disk, without waiting for it."""
    if sys.platform.startswith("linux"):
        call = _sync_file_range()
        if call is not None:
            call(fd, offset, size, 2)  # SYNC_FILE_RANGE_WRITE; only a wish, so no answer is read


def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    import ctypes

    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


def _cloned(source: BinaryIO | io.FileIO, fd: int) -> bool:
    if not sys.platform.startswith("linux") or not isinstance(source, io.FileIO):
        return False
    import fcntl

    with contextlib.suppress(OSError):
        if source.tell() == 0:
            fcntl.ioctl(fd, _FICLONE, source.fileno())
            return True
    return False


def _ignored(count: int) -> None:
    """Do nothing with a number of bytes."""


def _ignored_bytes(data: memoryview) -> None:
    """Do nothing with bytes."""
