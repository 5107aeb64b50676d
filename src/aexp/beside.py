"""A second process for half of the same work."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def can_work_beside() -> bool:
    """Return whether :func:`working_beside` is safe and of use here.

    It forks, which only Linux does well, and only a process of one thread safely.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    return len(os.sched_getaffinity(0)) > 1


class Shares:
    """Pieces of work that a process and its copy take from one heap, each piece once.

    Args:
        count: how many pieces there are, at most 256.

    Raises:
        OSError: no pipe can be made.
    """

    def __init__(self, count: int) -> None:
        self._heap, writing = os.pipe()
        os.write(writing, bytes(range(count)))  # far less than a pipe holds
        os.close(writing)

    def take(self) -> int | None:
        """Return the number of a piece that nobody has taken, None when there is none left."""
        taken = os.read(self._heap, 1)
        return taken[0] if taken else None

    def close(self) -> None:
        """Take no more."""
        os.close(self._heap)


@contextmanager
def working_beside(work: Callable[[], T]) -> Iterator[Callable[[], T | None]]:
    """Do ``work`` in a forked copy of this process while the block runs.

    Args:
        work: what to do there; what it returns is pickled.

    Yields:
        A function that waits for the result, to be called once: None when the copy has failed
        or was killed, after which the caller does the work itself.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:  # whatever happens, the copy must not go on with what its original was doing
            os.close(reading)
            with os.fdopen(writing, "wb") as sending:
                import pickle

                sending.write(pickle.dumps(work(), protocol=pickle.HIGHEST_PROTOCOL))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:

        def result() -> T | None:
            data = pipe.read()
            _, status = os.waitpid(child, 0)
            ended.append(child)
            if status != 0:
                return None
            import pickle

            found: T = pickle.loads(data)  # noqa: S301 - from our own copy
            return found

        ended: list[int] = []
        try:
            yield result
        finally:
            if not ended:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
