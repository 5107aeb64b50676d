"""Locks between processes. A lock is held for one run or one file, and never while work runs."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aexp.errors import LockTimeoutError
from aexp.storage.atomic import make_folder, storage_error

DEFAULT_TIMEOUT_S = 30.0

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system without advisory locks answers."""


@contextmanager
def file_lock(path: str | Path, *, timeout: float = DEFAULT_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock file ``path`` exclusively, across processes and threads.

    The kernel's advisory lock is used, so a killed holder releases it. On a file system without
    one (some Lustre mounts) a lock file that names its owner stands in.

    Args:
        path: the lock file; its folder is created when missing. It stays behind, empty.
        timeout: seconds to wait.

    Raises:
        LockTimeoutError: somebody else held it all the time.
        StorageError: the lock file cannot be made.
    """
    quick = _try_at_once(path)
    if quick is not None:
        try:
            yield
        finally:
            _release(quick)
        return
    with _patient_lock(Path(path), timeout):
        yield


def _try_at_once(path: str | Path) -> int | None:
    """Take a lock that is free, as filelock would; None when it has to be waited for, or made.

    Most locks are free, and then this costs a tenth of filelock's bookkeeping, and no import.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW, 0o644)
    except OSError:
        return None
    held = False
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(fd).st_nlink > 0
    finally:  # also after an interrupt
        if not held:
            os.close(fd)
    return fd if held else None


def _release(fd: int) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    # Unlocking also frees a child's copy of the descriptor, which closing would not.
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


@contextmanager
def _patient_lock(path: Path, timeout: float) -> Iterator[None]:
    import filelock

    lock: filelock.BaseFileLock = filelock.FileLock(path, timeout=timeout, thread_local=False)
    try:
        make_folder(path.parent)
        try:
            lock.acquire()
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            soft = path.with_name(path.name + ".soft")
            lock = filelock.SoftFileLock(soft, timeout=timeout, thread_local=False)
            lock.acquire()
    except filelock.Timeout:
        raise LockTimeoutError(
            f"{path.name} was held by another process for more than {timeout:g} s",
            hint="see which process works on this run, then try again",
        ) from None
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        yield
    finally:
        lock.release()
