"""Regular small work of this process, done by one thread: flushing streams, giving signs of life.

A thread for each open run would cost more than a short run itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

LINGER_S: Final = 1.0


@dataclass(eq=False)
class _Task:
    every: float
    call: Callable[[], None]
    due: float


class Ticker:
    """Calls functions at intervals until they are cancelled.

    The thread starts with the first task, sleeps while there is none, and does not keep the
    process alive. A forked child starts without tasks: they are its parent's.
    """

    def __init__(self) -> None:
        self._tasks: set[_Task] = set()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at: float | None = None
        self._was_idle = False

    def add(self, every: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call ``call`` every so many seconds from now on; return what ends that.

        Args:
            every: seconds.
            call: handles its own errors, and does not take long.
        """
        task = _Task(every, call, monotonic() + every)
        with self._wake:
            self._tasks.add(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="aexp-ticker")
                self._thread.start()
            elif self._wakes_at is None or self._wakes_at > task.due:
                self._wake.notify()

        def cancel() -> None:
            with self._wake:
                self._tasks.discard(task)

        return cancel

    def _run(self) -> None:
        while True:
            for task in self._wait():
                task.call()

    def _wait(self) -> list[_Task]:
        """Wait until something is due, and return it."""
        with self._wake:
            now = monotonic()
            due = [task for task in self._tasks if task.due <= now]
            for task in due:
                task.due = now + task.every
            if due:
                return due
            # Waking this thread takes others longer than the rest of their work here. So it goes
            # on waking by itself for a while, and a series of short runs need not do it.
            is_idle = not self._tasks and self._was_idle
            self._was_idle = not self._tasks
            nearest = min((task.due for task in self._tasks), default=now + LINGER_S)
            self._wakes_at = None if is_idle else min(nearest, now + LINGER_S)
            self._wake.wait(None if self._wakes_at is None else self._wakes_at - now)
            return []

    def start_anew(self) -> None:
        """Forget the parent's tasks and thread, in a forked child."""
        self.__init__()  # type: ignore[misc]


ticker = Ticker()
"""The one of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ticker.start_anew)
