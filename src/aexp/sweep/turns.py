"""Points of a sweep that are the same run take turns (SWP-02, SWP-10).

Two rows of a table may be equal, and equal values are one run. It can be at work once at a time;
when it is complete, the other point is done as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator


class Turns:
    """Which points may begin now.

    Args:
        waiting: the points to run, in order.
        name_of: gives the point id of a point.
    """

    def __init__(self, waiting: Iterator[int], name_of: Callable[[int], str]) -> None:
        self._waiting = waiting
        self._name_of = name_of
        self._names: dict[int, str] = {}
        self._busy: Counter[str] = Counter()
        self._held: defaultdict[str, deque[int]] = defaultdict(deque)
        self._released: deque[int] = deque()

    def began(self, run_id: int) -> None:
        """Note that a point is at work."""
        name = self._names[run_id] = self._name_of(run_id)
        self._busy[name] += 1

    def ended(self, run_id: int) -> None:
        """Note that a point has ended, whose run is free for the next one."""
        name = self._names.pop(run_id)
        self._busy[name] -= 1
        if self._busy[name]:
            return
        del self._busy[name]
        if held := self._held.get(name):
            self._released.append(held.popleft())
            if not held:
                del self._held[name]

    def next(self) -> tuple[int, bool] | None:
        """Return a point that may begin, and whether it had to wait; None when none may now."""
        if self._released:
            return self._taken(self._released.popleft()), True
        for run_id in self._waiting:
            name = self._name_of(run_id)
            if name not in self._busy:
                return self._taken(run_id), False
            self._held[name].append(run_id)
        return None

    def _taken(self, run_id: int) -> int:
        self.began(run_id)
        return run_id
