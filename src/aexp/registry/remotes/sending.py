"""Sending into a file that may have begun to arrive earlier."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Final, Protocol

from aexp.errors import CorruptDataError
from aexp.registry.remotes.base import CHUNK, Progress, Source

TAIL = 1 << 20
"""So many bytes at the end of what arrived earlier are compared before it is continued."""

_AHEAD_FROM: Final = 8
"""From so many pieces on, a thread is worth starting."""


class Part(Protocol):
    """A file that arrives: on a disk, or on the other side of a connection."""

    def seek(self, offset: int, /) -> object:
        """Go to a place, in bytes from the beginning."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most so many bytes."""

    def write(self, data: bytes, /) -> int | None:
        """Write, and return how much of it; None: all."""

    def truncate(self, size: int, /) -> object:
        """Cut off what is beyond so many bytes."""


def send(
    part: Part,
    there: int,
    source: Source,
    size: int,
    progress: Progress,
    piece: int | None = None,
) -> None:
    """Fill ``part`` with what ``source`` opens.

    What arrived earlier is kept when its last piece is what the source has in that place; the
    source is read from its beginning all the same, so that its digest is checked.

    Args:
        part: the file, open for reading and writing.
        there: how many bytes it has already.
        source: the content.
        size: of the content, in bytes.
        progress: told of the bytes that have arrived, now or earlier.
        piece: bytes that are written at a time.

    Raises:
        CorruptDataError: the source is damaged, or has another size.
    """
    piece = piece or CHUNK
    with source() as stream:
        if not there or (there <= size and _agree(part, there, stream)):
            _send_rest(part, there, stream, size, progress, piece)
            return
    part.truncate(0)
    with source() as stream:
        _send_rest(part, 0, stream, size, progress, piece)


def _agree(part: Part, there: int, stream: BinaryIO) -> bool:
    """Read the stream up to what is there, and return whether the ends are the same."""
    begin = max(0, there - TAIL)
    left = begin
    while left and (chunk := stream.read(min(CHUNK, left))):
        left -= len(chunk)
    part.seek(begin)
    there_now = b""
    while len(there_now) < there - begin:
        piece = part.read(there - begin - len(there_now))
        if not piece:
            return False
        there_now += piece
    return _exactly(stream, there - begin) == there_now


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := stream.read(size - len(data))):
        data += chunk
    return data


def _send_rest(
    part: Part, done: int, stream: BinaryIO, size: int, progress: Progress, piece: int
) -> None:
    part.seek(done)
    if done:
        progress(done)
    with contextlib.closing(_pieces(stream, size - done, piece)) as pieces:
        for chunk in pieces:
            _write(part, chunk)
            progress(len(chunk))
            done += len(chunk)
    if done != size:
        raise CorruptDataError(f"{done} bytes came where {size} were expected")


def _pieces(stream: BinaryIO, size: int, piece: int) -> Generator[bytes, None, None]:
    """Yield what a stream holds; of much, the next piece is read and hashed meanwhile."""
    if size < _AHEAD_FROM * piece:
        while chunk := stream.read(piece):
            yield chunk
        return
    with ThreadPoolExecutor(1, thread_name_prefix="aexp-ahead") as reader:
        ahead = reader.submit(stream.read, piece)
        while chunk := ahead.result():
            ahead = reader.submit(stream.read, piece)
            yield chunk


def _write(part: Part, data: bytes) -> None:
    view = memoryview(data)
    while view:
        count = part.write(view)  # type: ignore[arg-type]
        view = view[len(view) if count is None else count :]
