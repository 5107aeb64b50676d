"""What every remote can do. All paths are relative to its root, with ``/`` between the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol, TypeAlias

CHUNK: Final = 1 << 20
"""Bytes that are read, sent and hashed at a time."""
TEMP_FOLDER: Final = "tmp"
"""Where files are while they arrive."""

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes that have just arrived."""
Source: TypeAlias = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens what is to be sent, from its beginning; reading it to its end verifies it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a remote may be silent, and how much goes to it at a time.

    None is what a kind of remote does by itself. What a kind has no notion of it leaves out
    (``docs/format/remote.md``).

    Attributes:
        connect_s: seconds until a connection stands.
        answer_s: seconds until an answer to one chunk.
        chunk: bytes that are sent before an answer is waited for.
    """

    connect_s: float | None = None
    answer_s: float | None = None
    chunk: int | None = None


NO_LIMITS: Final = Limits()


class Remote(Protocol):
    """A place that keeps files.

    Its methods may be called from several threads. All raise
    :class:`~aexp.errors.RemoteUnavailableError` when trying again may help, and
    :class:`~aexp.errors.TransferError` when the remote refuses for good.
    """

    shown: str
    """How messages name it; without any credential."""

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None when there is none."""

    def list(self, folder: str) -> dict[str, int]:
        """Return the names and sizes of the files in a folder, none when there is no folder."""

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file.

        Raises:
            NotFoundError: there is none.
            CorruptDataError: it has more than ``limit`` bytes.
        """

    def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset`` to ``size``, or to its end when that comes first.

        Raises:
            NotFoundError: there is no such file.
        """

    def put(self, path: str, source: Source, size: int, token: str, progress: Progress) -> None:
        """Make a file of what ``source`` opens; it appears whole or not at all.

        Args:
            path: the file; one that is there already is replaced.
            source: opened once or twice, and read to its end.
            size: of the content, in bytes.
            token: who sends. What the same sender has begun to send may be continued.
            progress: told of the bytes that have arrived, now or earlier.

        Raises:
            CorruptDataError: the source is damaged, or has another size; nothing appears.
        """

    def write(self, path: str, data: bytes) -> None:
        """Make a small file, or replace one, at once."""

    def tidy(self, age_s: float) -> None:
        """Remove what began to arrive and has not grown for so many seconds."""

    def close(self) -> None:
        """End all connections; calling it twice is harmless."""
