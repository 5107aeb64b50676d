"""The clock of the package, replaceable in tests.

Everything above :mod:`aexp.model` that needs the time asks :func:`utc_now`. Code in ``model/``
never does: it is handed its times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of wall-clock and monotonic time."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin, never going back."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current UTC time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return :func:`time.monotonic`."""
        return time.monotonic()


_clock: Clock = SystemClock()


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return _clock.now()


def monotonic() -> float:
    """Return seconds for measuring durations."""
    return _clock.monotonic()


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Replace the clock within a ``with`` block (for tests)."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield clock
    finally:
        _clock = before
