"""A folder as a remote: a shared or removable disk. It needs no extra package."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from aexp.errors import (
    AexpError,
    CorruptDataError,
    NotFoundError,
    RemoteUnavailableError,
    StorageError,
    TransferError,
)
from aexp.registry.ingest import start_writeback
from aexp.registry.remotes.base import CHUNK, TEMP_FOLDER, Progress, Source
from aexp.registry.remotes.sending import send
from aexp.storage.atomic import make_folder, sync_folder, write_atomic

_TRANSIENT = (
    *(errno.EIO, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.ESTALE, errno.ECONNRESET),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
)
"""What a disk on the network answers while its server is away."""

_FLUSHED: Final = 16 * CHUNK
"""So many bytes at a time are sent on to the disk."""


class FolderRemote:
    """A remote in a folder of this machine.

    Args:
        root: the folder. It is made when it is missing, but the one above it must be there: on a
            disk that is not mounted nothing is written in its place.
        shown: how messages name it.
    """

    def __init__(self, root: Path, shown: str) -> None:
        self.root = root
        self.shown = shown

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None when there is none."""
        with self._errors():
            try:
                return (self.root / path).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list(self, folder: str) -> dict[str, int]:
        """Return the names and sizes of the files in a folder, none when there is no folder."""
        with self._errors():
            try:
                with os.scandir(self.root / folder) as found:
                    return {e.name: e.stat().st_size for e in found if e.is_file()}
            except (FileNotFoundError, NotADirectoryError):
                return {}

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file."""
        with self._errors(), self._open(path) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise CorruptDataError(f"{path} on {self.shown} is larger than it can be")
        return data

    def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset`` to ``size``, or to its end."""
        with self._errors():
            stream = self._open(path)
        with stream:
            stream.seek(offset)
            while chunk := self._read(stream, min(CHUNK, size - offset)):
                offset += len(chunk)
                yield chunk

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        with self._errors():
            return stream.read(size)

    def _open(self, path: str) -> BinaryIO:
        try:
            return (self.root / path).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"{path} is not on {self.shown}") from None

    def put(self, path: str, source: Source, size: int, token: str, progress: Progress) -> None:
        """Make a file of what ``source`` opens; it appears whole or not at all."""
        target = self.root / path
        temp = self.root / TEMP_FOLDER / f"{target.name}.{token}.part"
        with self._errors():
            self._make_folder(temp.parent)
            there = temp.stat().st_size if temp.exists() else 0
            with temp.open("r+b" if temp.exists() else "x+b", buffering=0) as part:
                send(_Flushing(part), there, source, size, progress)
                os.fsync(part.fileno())
            self._make_folder(target.parent)
            temp.replace(target)
            sync_folder(target.parent)

    def write(self, path: str, data: bytes) -> None:
        """Make a small file, or replace one, at once."""
        with self._errors():
            target = self.root / path
            self._make_folder(target.parent)
            try:
                write_atomic(target, data)
            except StorageError as error:
                raise self._translated(error) from error

    def _make_folder(self, folder: Path) -> None:
        if not self.root.is_dir() and not self.root.parent.is_dir():
            raise TransferError(
                f"{self.shown}: the folder above it is not there",
                hint="mount the disk, or make the folder yourself",
            )
        make_folder(folder)

    def tidy(self, age_s: float) -> None:
        """Remove what began to arrive and has not grown for so many seconds."""
        oldest = time.time() - age_s
        with self._errors(), contextlib.suppress(FileNotFoundError):
            for part in (self.root / TEMP_FOLDER).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if part.stat().st_mtime < oldest:
                        part.unlink()

    def close(self) -> None:
        """Do nothing: there is no connection."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except AexpError:
            raise
        except OSError as error:
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> TransferError:
        reason = f"{self.shown}: {error.strerror or error}"
        if error.errno in _TRANSIENT:
            return RemoteUnavailableError(reason)
        return TransferError(reason, hint="check its permissions, and that its disk has room")


class _Flushing:
    """A file whose bytes go to the disk while more are written, so that the flush is short."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._begun = 0
        self.seek, self.read, self.truncate = file.seek, file.read, file.truncate

    def write(self, data: bytes, /) -> int | None:
        written = self._file.write(data)
        at = self._file.tell()
        if at - self._begun >= _FLUSHED:
            start_writeback(self._file.fileno(), self._begun, at - self._begun)
            self._begun = at
        return written
