"""A lock that many processes hold together or one holds alone (readers and writer).

It rests on ``flock``. A second file, the gate, keeps the one from waiting for ever: whoever wants
the lock alone shuts the gate until it has it, so that those who come later wait behind it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aexp.errors import LockTimeoutError
from aexp.storage.atomic import storage_error

DEFAULT_TIMEOUT_S = 60.0

_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
_LONGEST_NAP_S = 0.02


class LocksUnsupportedError(LockTimeoutError):
    """The file system, or the platform, has no locks that processes can share."""

    code = "no-locks"
    summary = "The file system has no locks that several processes can share."
    usual_hint = "do this only while nothing records"


@contextmanager
def shared_lock(
    path: Path, *, alone: bool = False, timeout: float = DEFAULT_TIMEOUT_S
) -> Iterator[None]:
    """Hold the lock file ``path``, together with others or alone, across processes and threads.

    Where there are no such locks, holding it together costs and protects nothing, and holding it
    alone is refused.

    Args:
        path: the lock file, in a folder that exists. It stays behind, empty.
        alone: wait until nobody else holds it, and keep everybody out.
        timeout: seconds to wait.

    Raises:
        LockTimeoutError: others held it all the time.
        LocksUnsupportedError: it is wanted alone, and there are no locks here.
        StorageError: the lock file cannot be made.
    """
    deadline = time.monotonic() + timeout
    gate = path.with_name(path.name + ".gate")
    with contextlib.ExitStack() as held:
        try:
            with contextlib.ExitStack() as passing:
                passing.callback(_release, _take(gate, alone, deadline))
                held.callback(_release, _take(path, alone, deadline))
        except OSError as error:
            if isinstance(error, LockTimeoutError):
                raise
            if error.errno not in _NO_LOCKS:
                raise storage_error(error, path) from error
            if alone:
                raise LocksUnsupportedError(
                    f"{path.parent} is on a file system without shared locks"
                ) from None
        yield


def _take(path: Path, alone: bool, deadline: float) -> int:
    """Return the descriptor that holds the lock; ``OSError`` where that is not possible."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl

    # Over NFS a lock that is held alone needs a descriptor that may write.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    how = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB
    nap = 0.0005
    try:
        while True:
            try:
                fcntl.flock(fd, how)
                return fd
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
            if time.monotonic() >= deadline:
                raise LockTimeoutError(
                    f"{path.name} was held by another process for too long",
                    hint="see which process works on the registry, then try again",
                )
            time.sleep(nap)
            nap = min(nap * 2, _LONGEST_NAP_S)
    except BaseException:
        os.close(fd)
        raise


def _release(fd: int) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    # Unlocking also frees a child's copy of the descriptor, which closing would not.
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)
