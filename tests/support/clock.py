"""A clock that goes only when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Implements :class:`aexp.clock.Clock`.

    Args:
        start: the first time it shows, timezone-aware.
        step: seconds it advances by itself after each look at :meth:`now` or :meth:`monotonic`.
    """

    def __init__(self, start: datetime | None = None, *, step: float = 0.0) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 1000.0
        self.step = step

    def now(self) -> datetime:
        """Return the time, then advance by ``step``."""
        seen = self._now
        self.advance(self.step)
        return seen

    def monotonic(self) -> float:
        """Return the monotonic time in seconds, then advance by ``step``."""
        seen = self._monotonic
        self.advance(self.step)
        return seen

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set(self, when: datetime) -> None:
        """Set the wall clock, backwards too (as NTP does); the monotonic clock does not jump."""
        if when.tzinfo is None:
            raise ValueError("the time must be timezone-aware")
        self._now = when
