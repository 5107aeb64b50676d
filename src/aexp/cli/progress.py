"""One line on standard error that says what a long command is doing, on a terminal only."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Final

from aexp.cli.output import terminal_safe

SHOWN_AFTER_S: Final = 2.0
"""A command that ends sooner shows nothing, unless it waits for another machine."""

_CLEAR: Final = "\r\x1b[K"


class ProgressLine:
    """Shows each step in place of the one before; gone when the command ends or fails.

    Where standard error is no terminal nothing is written: a log keeps what was done alone.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._is_shown = False

    def __enter__(self) -> ProgressLine:
        return self

    def __call__(self, what: str, *, waits: bool = False) -> None:
        """Show ``what`` when the command has run for a while, or ``waits`` for somebody."""
        is_long = waits or time.monotonic() - self._started >= SHOWN_AFTER_S
        if not is_long or sys.stderr is None or not sys.stderr.isatty():
            return
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
