"""Locks between processes. A lock is held for one run or one file, and never while work runs."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aexp.errors import LockTimeoutError
from aexp.storage.atomic import make_folder, storage_error

DEFAULT_TIMEOUT_S = 30.0

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system without advisory locks answers."""


@contextmanager
def file_lock(path: Path, *, timeout: float = DEFAULT_TIMEOUT_S) -> Iterator[None]:
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
