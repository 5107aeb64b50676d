"""A guard that makes any touch of the real home, or a write into the checkout, an error.

It is an audit hook: Python calls it before every ``open``, ``mkdir``, ``rename`` … of this
process. A child process is not guarded by it; it is kept away by its ``HOME``
(:mod:`tests.support.sealed`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.sealed import CHECKOUT

_CHANGING = {
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.utime": (0,),
    "shutil.rmtree": (0,),
    "sqlite3.connect": (0,),
}
_READING = {"os.listdir": (0,), "os.scandir": (0,)}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TOOL_FOLDERS = {"__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache"}


class ForbiddenTouchError(AssertionError):
    """A test reached for the real home, or wrote into the checkout."""


class HomeGuard:
    """The guard's state; one per process, since an audit hook cannot be removed.

    Attributes:
        violations: what was forbidden since the last :meth:`forget`. A product that swallows the
            exception still fails its test, because the fixture looks here at the end.
    """

    def __init__(self, home: Path) -> None:
        self.home = _real(home)
        self.violations: list[str] = []
        self._active = False
        self._busy = False
        # What may be done below each root; the longest root that holds a path decides.
        self._rights = {self.home: ""} if self.home != os.sep else {}
        readable = (sys.prefix, sys.base_prefix, *sys.path, CHECKOUT)
        self._rights |= {_real(p): "r" for p in readable if p and _real(p) != self.home}
        self._rights[_real(tempfile.gettempdir())] = "rw"
        sys.addaudithook(self._hook)

    @contextmanager
    def active(self) -> Iterator[HomeGuard]:
        """Guard within the block."""
        before, self._active = self._active, True
        try:
            yield self
        finally:
            self._active = before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Allow everything within the block (for a test that renews golden files)."""
        before, self._active = self._active, False
        try:
            yield
        finally:
            self._active = before

    def forget(self) -> list[str]:
        """Return the violations so far and clear them."""
        seen, self.violations[:] = list(self.violations), []
        return seen

    def _hook(self, event: str, args: tuple[object, ...]) -> None:
        if not self._active or self._busy:
            return
        if event == "open":
            flags = args[2] if isinstance(args[2], int) else 0
            touched, writes = [args[0]], bool(flags & _WRITE_FLAGS)
        elif event in _CHANGING:
            touched, writes = [args[i] for i in _CHANGING[event]], True
        elif event in _READING:
            touched, writes = [args[i] for i in _READING[event]], False
        else:
            return
        self._busy = True
        try:
            bad = next((p for p in touched if self._forbidden(p, writes)), None)
        finally:
            self._busy = False
        if bad is not None:
            message = f"{event} {'changes' if writes else 'reads'} {os.fsdecode(bad)}"  # type: ignore[arg-type]
            self.violations.append(message)
            raise ForbiddenTouchError(message)

    def _forbidden(self, path: object, writes: bool) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        # The parent is resolved, not the file: a link inside a sandbox may point anywhere.
        here = os.path.abspath(os.fsdecode(path))
        if _TOOL_FOLDERS.intersection(here.split(os.sep)) or ".coverage" in os.path.basename(here):
            return False
        holders = [root for root in self._rights if _inside(here, root)]
        rights = self._rights[max(holders, key=len)] if holders else "rw"
        return ("w" if writes else "r") not in rights

    def allow(self, root: Path) -> None:
        """Allow everything below ``root`` (pytest's own temporary folder)."""
        self._rights[_real(root)] = "rw"


def _real(path: object) -> str:
    return os.path.realpath(os.fspath(path))  # type: ignore[call-overload,no-any-return]


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
