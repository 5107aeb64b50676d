"""What a sweep shows while it runs: a bar on a terminal, plain lines anywhere else (SWP-14)."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from types import TracebackType
from typing import Final, Self, TextIO

from aexp.cli.output import one_line, terminal_safe
from aexp.clock import monotonic

_CLEAR: Final = "\r\x1b[K"
_REFRESH_S: Final = 0.1
_BAR: Final = 20
LINE_EVERY_S: Final = 10.0
"""In a log, so often the counts are said; a failure at once."""


def time_left(seconds: float) -> str:
    """Return a duration for people: ``8 s``, ``3 min``, ``2 h 5 min``, ``4 d 3 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


class SweepProgress:
    """Is told by a sweep how far it is, and shows it on standard error.

    Args:
        stream: where to show it; standard error when None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_live = self._stream is not None and self._stream.isatty()
        self._counts: Counter[str] = Counter()
        self._total = self._before = 0
        self._began = self._shown_at = monotonic()
        self._is_shown = False

    def __enter__(self) -> Self:
        return self

    def begin(self, total: int, counts: Counter[str]) -> None:
        """Say how many points there are, and how many have ended before, by status."""
        self._total, self._counts = total, Counter(counts)
        self._before = self._counts.total()
        self._began = self._shown_at = monotonic()
        if self._is_live:
            self._draw()
        else:
            self._line(self.text())

    def ended(self, run_id: int, status: str, message: str = "", *, again: bool = False) -> None:
        """Count a point that has ended.

        Args:
            run_id: the point.
            status: ``ok``, ``failed`` or ``skipped``.
            message: why it failed.
            again: whether it had been counted as failed before.
        """
        if again:
            self._counts["failed"] -= 1
            self._before -= 1
        self._counts[status] += 1
        if status == "failed":
            self.tell(f"point {run_id} failed: {one_line(message) or 'see its log'}")
        now = monotonic()
        if self._is_live and now - self._shown_at >= _REFRESH_S:
            self._draw()
        elif not self._is_live and now - self._shown_at >= LINE_EVERY_S:
            self._line(self.text())

    def text(self) -> str:
        """Return the counts and the time that is left: ``12 of 100 points: 11 ok, 1 failed``."""
        done = self._counts.total()
        kinds = [f"{self._counts[s]} {s}" for s in ("ok", "failed", "skipped") if self._counts[s]]
        text = f"{done} of {self._total} points"
        text += f": {', '.join(kinds)}" if kinds else ""
        left = self._left(done)
        return text if left is None else f"{text}, {time_left(left)} left"

    def _left(self, done: int) -> float | None:
        """Return the seconds that are left, None while nothing can be said."""
        mine = done - self._before
        passed = monotonic() - self._began
        if mine <= 0 or passed <= 0 or done >= self._total:
            return None
        return (self._total - done) * passed / mine

    def _draw(self) -> None:
        share = self._counts.total() / self._total if self._total else 1.0
        bar = "#" * round(min(1.0, share) * _BAR)
        width = shutil.get_terminal_size().columns
        text = f"[{bar:<{_BAR}}] {self.text()} "
        self._stream.write(_CLEAR + terminal_safe(text)[: width - 1])
        self._stream.flush()
        self._shown_at, self._is_shown = monotonic(), True

    def tell(self, text: str) -> None:
        """Say something that stays, above the bar."""
        if self._is_shown:
            self._stream.write(_CLEAR)
        self._write(text)
        if self._is_shown:
            self._draw()

    def _line(self, text: str) -> None:
        self._write(text)
        self._shown_at = monotonic()

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(terminal_safe(text) + "\n")
            self._stream.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
