"""One line on standard error that says what a long command is doing, on a terminal only."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

from aexp.cli.output import size_text, terminal_safe

SHOWN_AFTER_S: Final = 2.0
"""A command that ends sooner shows nothing, unless it waits for another machine."""

_CLEAR: Final = "\r\x1b[K"
_REFRESH_S: Final = 0.1
_BAR: Final = 20


class ProgressLine:
    """Shows each step in place of the one before; gone when the command ends or fails.

    Where standard error is no terminal nothing is written: a log keeps what was done alone.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._is_shown = False

    def __enter__(self) -> Self:
        return self

    def __call__(self, what: str, *, waits: bool = False) -> None:
        """Show ``what`` when the command has run for a while, or ``waits`` for somebody."""
        is_long = waits or time.monotonic() - self._started >= SHOWN_AFTER_S
        if not is_long or sys.stderr is None or not sys.stderr.isatty():
            return
        import shutil  # slow to import

        width = shutil.get_terminal_size().columns
        sys.stderr.write(_CLEAR + terminal_safe(f"{what} … ")[: width - 1])
        sys.stderr.flush()
        self._is_shown = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


class ByteProgress(ProgressLine):
    """A bar for work that is measured in bytes, on a terminal only.

    Args:
        what: what is being done, such as ``verifying``.
        total: bytes there are to do; 0 when nobody knows.
    """

    def __init__(self, what: str, total: int = 0) -> None:
        super().__init__()
        self._what = what
        self._total = total
        self._done = 0
        self._drawn_at = 0.0

    def add(self, count: int) -> None:
        """Count bytes that have just been done."""
        self.show(self._done + count, self._total)

    def show(self, done: int, total: int) -> None:
        """Count all bytes done so far, of a total that has become known."""
        self._done, self._total = done, total
        now = time.monotonic()
        if now - self._drawn_at >= _REFRESH_S:
            self._drawn_at = now
            self(self._text())

    def _text(self) -> str:
        if self._total <= 0:
            return f"{self._what} {size_text(self._done)}"
        share = min(1.0, self._done / self._total)
        bar = "#" * round(share * _BAR)
        amount = f"{size_text(self._done)} of {size_text(self._total)}"
        return f"{self._what} [{bar:<{_BAR}}] {share:4.0%}, {amount}"
