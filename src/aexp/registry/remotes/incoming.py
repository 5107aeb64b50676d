"""Fetching one blob: verified, and continued where an earlier try broke off."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from aexp.errors import (
    AexpError,
    CorruptDataError,
    LockTimeoutError,
    NotFoundError,
    RemoteUnavailableError,
)
from aexp.registry.blobs import Blob
from aexp.registry.remotes.base import CHUNK
from aexp.registry.remotes.mover import Mover
from aexp.registry.remotes.places import blob_path
from aexp.registry.store import Registry
from aexp.storage.atomic import TEMP_SUFFIX, storage_error
from aexp.storage.lock import file_lock

KEPT_FROM: Final = 8 * CHUNK
"""Of a blob this large, what has come is kept when the process ends."""


def fetch(mover: Mover, registry: Registry, blob: Blob) -> None:
    """Put one blob of the remote into the registry.

    Raises:
        NotFoundError: the remote does not have it.
        CorruptDataError: what the remote has is something else; nothing of it is kept.
        RemoteUnavailableError: the tries were used up.
        StorageError: the disk refused.
    """
    if blob.size < KEPT_FROM:
        _fetch_at_once(mover, registry, blob)
        return
    registry.initialise()
    part = registry.root / "tmp" / f"pull-{blob.digest[7:]}{TEMP_SUFFIX}"
    # Not the part itself: whoever waits for a lock may empty its file.
    lock = part.with_name(f"lock-{part.name}")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock(lock, timeout=0))
        except LockTimeoutError:  # another process fetches the same blob
            _fetch_at_once(mover, registry, blob)
            return
        for path in (lock, part):  # a collection takes leftovers that are older than every lease
            path.touch()
        _fetch_on(mover, part, blob)
        registry.adopt(part, blob)
        lock.unlink(missing_ok=True)


def _fetch_at_once(mover: Mover, registry: Registry, blob: Blob) -> None:
    incoming = Incoming(mover, blob, 0)
    with contextlib.closing(incoming):
        try:
            registry.put_stream(cast(BinaryIO, incoming), expect=blob.digest)
        except CorruptDataError:
            incoming.take_back()
            raise wrong(mover, blob.digest) from None


def _fetch_on(mover: Mover, part: Path, blob: Blob) -> None:
    """Complete the file ``part``; what it holds already counts if the whole then proves right."""
    try:
        with part.open("r+b", buffering=0) as stream:
            if _complete(mover, stream, blob):
                return
            # The beginning that was kept may be what is wrong: once more, from nothing.
            stream.truncate(0)
            if _complete(mover, stream, blob):
                return
        part.unlink()
    except AexpError:
        raise
    except OSError as error:
        raise storage_error(error, part) from error
    raise wrong(mover, blob.digest)


def _complete(mover: Mover, stream: BinaryIO, blob: Blob) -> bool:
    """Fetch what is missing; return whether the whole has the right digest."""
    hashed = hashlib.sha256()
    stream.seek(0)
    there = 0
    while chunk := stream.read(CHUNK):
        hashed.update(chunk)
        there += len(chunk)
    if there > blob.size:
        return False
    mover.advance(there)
    incoming = Incoming(mover, blob, there)
    with contextlib.closing(incoming):
        while chunk := incoming.read(CHUNK):
            hashed.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[stream.write(view) :]
        right = f"sha256:{hashed.hexdigest()}" == blob.digest
        if right:
            os.fsync(stream.fileno())
        else:
            incoming.take_back()
    return right


class Incoming:
    """A blob of the remote as a stream that goes on after an interruption.

    Args:
        mover: the transfer.
        blob: which one.
        offset: where to begin, in bytes.
    """

    def __init__(self, mover: Mover, blob: Blob, offset: int) -> None:
        self._mover = mover
        self._blob = blob
        self._at = offset
        self._tries = mover.tries()
        self._chunks: Iterator[bytes] | None = None
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes; none at the end, which is where the blob's size says."""
        while not self._left and self._at < self._blob.size:
            self._left = memoryview(self._next())
            self._at += len(self._left)
            if self._at > self._blob.size:
                raise wrong(self._mover, self._blob.digest)
        piece = bytes(self._left[:size])
        self._left = self._left[size:]
        self._mover.advance(len(piece))
        return piece

    def _next(self) -> bytes:
        """Return what comes next, after as many tries as it takes."""
        while True:
            try:
                if self._chunks is None:
                    path = blob_path(self._blob.digest)
                    self._chunks = self._mover.remote.chunks(path, self._at, self._blob.size)
                chunk = next(self._chunks, b"")
                if chunk:
                    return chunk
                raise self._ended_early()
            except RemoteUnavailableError as error:
                self.close()
                self._tries.failed(error)

    def _ended_early(self) -> Exception:
        shown = self._mover.remote.shown
        size = self._mover.ask(lambda: self._mover.remote.size(blob_path(self._blob.digest)))
        if size is None:
            return NotFoundError(f"{self._blob.digest} is not on {shown}")
        if size != self._blob.size:
            return wrong(self._mover, self._blob.digest)
        return RemoteUnavailableError(f"{shown} broke off")

    def take_back(self) -> None:
        """Count none of the bytes: they were worth nothing."""
        self._mover.advance(-self._at)

    def close(self) -> None:
        """End the present request."""
        close = getattr(self._chunks, "close", None)
        self._chunks = None
        if close is not None:
            close()


def wrong(mover: Mover, digest: str) -> CorruptDataError:
    """Return the error for a blob of the remote that is not what its name says."""
    return CorruptDataError(
        f"{digest} on {mover.remote.shown} is damaged; it was not taken",
        hint="push it again with --verify from a clone that has it",
    )
