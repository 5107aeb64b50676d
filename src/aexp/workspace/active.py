"""The attempt that this process records into."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aexp import settings
from aexp.errors import RunClosedError
from aexp.model.attachment import Attachment
from aexp.workspace.streams import StreamWriter

_T = TypeVar("_T")

_opening = threading.Lock()
"""Held while a stream is opened: two threads that open one each would lose the first's records."""


def _renew_lock() -> None:
    """Replace the lock in a forked child, where its holder may not exist."""
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass
class ActiveAttempt:
    """An attempt and this process's own stream of it.

    Attributes:
        job_id: the run.
        attempt_id: the attempt.
        folder: the run's folder.
        attachments: what this process has attached, by name.
    """

    job_id: str
    attempt_id: str
    folder: Path
    attachments: dict[str, Attachment] = field(default_factory=dict, repr=False)
    _writer: StreamWriter | None = field(default=None, repr=False)
    _held: ExitStack = field(default_factory=ExitStack, repr=False)
    _kept: dict[object, Any] = field(default_factory=dict, repr=False)
    _is_closed: bool = field(default=False, repr=False)

    @property
    def closed(self) -> bool:
        """Whether the attempt was closed in this process."""
        return self._is_closed

    def writer(self) -> StreamWriter:
        """Return this process's stream, opened when first needed and anew after a fork.

        Raises:
            RunClosedError: the attempt was closed (REC-01).
            StorageError: the disk refused.
        """
        if self._is_closed:
            raise RunClosedError(f"run {self.job_id} is closed")
        writer = self._writer
        if writer is not None and writer.pid == os.getpid() and not writer.closed:
            return writer
        with _opening:
            writer = self._writer
            if writer is None or writer.pid != os.getpid() or writer.closed:
                writer = StreamWriter(self.folder, job_id=self.job_id, attempt_id=self.attempt_id)
                self._writer = writer
            return writer

    def close(self) -> None:
        """Hand everything recorded to the operating system, and take nothing more.

        Raises:
            StorageError: the disk refused.
        """
        self._is_closed = True
        if self._writer is not None:
            self._writer.close()

    def keep(self, make: Callable[[ActiveAttempt], _T]) -> _T:
        """Return what ``make`` gives for this attempt, made once in each process."""
        with _opening:
            key = (os.getpid(), make)
            if key not in self._kept:
                self._kept[key] = make(self)
            kept: _T = self._kept[key]
            return kept

    def hold(self, what: AbstractContextManager[object]) -> None:
        """Keep ``what`` until the attempt's bytes are sealed, or this process ends."""
        self._held.enter_context(what)

    def release(self) -> None:
        """Let go of what :meth:`hold` keeps."""
        self._held.close()


_stack: list[ActiveAttempt] = []
_from_environment: ActiveAttempt | None = None


@contextmanager
def activate(attempt: ActiveAttempt) -> Iterator[ActiveAttempt]:
    """Make ``attempt`` the one that :func:`active_attempt` returns within the block."""
    _stack.append(attempt)
    try:
        yield attempt
    finally:
        _stack.remove(attempt)


def active_attempt() -> ActiveAttempt | None:
    """Return the attempt this process records into, or None.

    The innermost lifecycle's; else the one that ``aexp run`` named in the environment.
    """
    global _from_environment
    if _stack:
        return _stack[-1]
    told = settings.run_environment()
    if told is None:
        return None
    with _opening:
        known = _from_environment
        if known is None or (known.job_id, known.attempt_id) != (told.job_id, told.attempt_id):
            known = ActiveAttempt(told.job_id, told.attempt_id, Path(told.workspace))
            _from_environment = known
        return known
