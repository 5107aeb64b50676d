"""A folder on another machine, over SSH (extra ``remotes``: paramiko).

Keys come from the ssh agent, ``~/.ssh/config`` and the usual key files. The host's key must be
known already: fsspec's own SFTP accepts any, so that it is not used here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aexp.errors import (
    AexpError,
    CorruptDataError,
    NotFoundError,
    RemoteUnavailableError,
    TransferError,
)
from aexp.model.remote import RemoteAddress
from aexp.registry.remotes.base import (
    CHUNK,
    NO_LIMITS,
    TEMP_FOLDER,
    Limits,
    Progress,
    Source,
)
from aexp.registry.remotes.sending import send
from aexp.registry.remotes.ssh import ANSWER_WITHIN_S, connect, load_paramiko

if TYPE_CHECKING:
    from paramiko import SFTPClient, SSHClient

_REQUEST = 32768
"""Bytes that every server takes and gives in one request."""
_AHEAD = 8 * CHUNK
"""So much is asked for before it has come, and sent at most before it has arrived."""


class SftpRemote:
    """A remote on an SSH server.

    One connection is made at the first use, and made again after it broke; each thread has a
    channel of its own in it.

    Args:
        address: the remote's.
        limits: how long to wait for it, and how much to send at a time.
    """

    def __init__(self, address: RemoteAddress, limits: Limits = NO_LIMITS) -> None:
        self.shown = address.name
        self._limits = limits
        self._piece = CHUNK if limits.chunk is None else min(limits.chunk, _AHEAD)
        self._address = address
        path = address.path.rstrip("/")
        self._root = path.removeprefix("/~/") if path.startswith("/~/") else path
        self._root = "." if path == "/~" else self._root
        self._guard = threading.Lock()
        self._client: SSHClient | None = None
        self._local = threading.local()
        self._folders: set[str] = set()

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None when there is none."""
        with self._session() as sftp:
            return _size(sftp, self._place(path))

    def list(self, folder: str) -> dict[str, int]:
        """Return the names and sizes of the files in a folder, none when there is no folder."""
        with self._session() as sftp:
            try:
                found = sftp.listdir_attr(self._place(folder))
            except FileNotFoundError:
                return {}
            return {str(item.filename): int(item.st_size or 0) for item in found if _is_file(item)}

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file."""
        with self._session() as sftp, self._open(sftp, path) as stream:
            data: bytes = stream.read(limit + 1)
        if len(data) > limit:
            raise CorruptDataError(f"{path} on {self.shown} is larger than it can be")
        return data

    def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset`` to ``size``, or to its end."""
        with self._session() as sftp:
            stream = self._open(sftp, path)
        with contextlib.closing(stream):
            while offset < size:
                ahead = min(size, offset + _AHEAD)
                with self._session():
                    for data in _window(stream, offset, ahead):
                        offset += len(data)
                        yield data
                if offset != ahead:
                    return

    def _open(self, sftp: SFTPClient, path: str) -> Any:
        try:
            return sftp.open(self._place(path), "rb")
        except FileNotFoundError:
            raise NotFoundError(f"{path} is not on {self.shown}") from None

    def put(self, path: str, source: Source, size: int, token: str, progress: Progress) -> None:
        """Make a file of what ``source`` opens; it appears whole or not at all."""
        name = path.rpartition("/")[2]
        temp = self._place(f"{TEMP_FOLDER}/{name}.{token}.part")
        with self._session() as sftp:
            self._make_folder(sftp, TEMP_FOLDER)
            there = _size(sftp, temp)
            with sftp.open(temp, "w+b" if there is None else "r+b", bufsize=0) as stream:
                send(_Part(stream), there or 0, source, size, progress, self._piece)
            arrived = _size(sftp, temp)
            if arrived != size:
                raise RemoteUnavailableError(f"{self.shown} has {arrived} bytes of {size}")
            self._publish(sftp, temp, path)

    def write(self, path: str, data: bytes) -> None:
        """Make a small file, or replace one, at once."""
        name = path.rpartition("/")[2]
        temp = self._place(f"{TEMP_FOLDER}/{name}.{id(data):x}.{threading.get_ident()}.part")
        with self._session() as sftp:
            self._make_folder(sftp, TEMP_FOLDER)
            with sftp.open(temp, "wb") as stream:
                stream.write(data)
            self._publish(sftp, temp, path)

    def _publish(self, sftp: SFTPClient, temp: str, path: str) -> None:
        target = self._place(path)
        self._make_folder(sftp, path.rpartition("/")[0])
        try:
            sftp.posix_rename(temp, target)
        except OSError:
            # A server that is not OpenSSH's may only rename to a name that is free.
            with contextlib.suppress(OSError):
                sftp.remove(target)
            sftp.rename(temp, target)

    def _make_folder(self, sftp: SFTPClient, folder: str) -> None:
        if folder in self._folders:
            return
        if _size(sftp, self._place(folder)) is None:
            above = folder.rpartition("/")[0]
            if folder:
                self._make_folder(sftp, above)
            try:
                sftp.mkdir(self._place(folder))
            except FileNotFoundError:
                raise TransferError(
                    f"{self.shown}: the folder above it is not there",
                    hint="make it on that machine, or correct the URL",
                ) from None
            except OSError:
                if _size(sftp, self._place(folder)) is None:  # not made by another meanwhile
                    raise
        self._folders.add(folder)

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def tidy(self, age_s: float) -> None:
        """Remove what began to arrive and has not grown for so many seconds."""
        oldest = time.time() - age_s
        with self._session() as sftp, contextlib.suppress(FileNotFoundError):
            for part in sftp.listdir_attr(self._place(TEMP_FOLDER)):
                if (part.st_mtime or oldest) < oldest:
                    with contextlib.suppress(FileNotFoundError):
                        sftp.remove(self._place(f"{TEMP_FOLDER}/{part.filename}"))

    def close(self) -> None:
        """End all connections; calling it twice is harmless."""
        with self._guard:
            if self._client is not None:
                self._client.close()
                self._client = None

    @contextmanager
    def _session(self) -> Iterator[SFTPClient]:
        """Lend this thread's channel; what breaks within is translated, and connected anew."""
        paramiko = load_paramiko(self._address.scheme)
        try:
            yield self._channel()
        except AexpError:
            raise
        except (paramiko.SSHException, EOFError, TimeoutError, ConnectionError) as error:
            self._forget()
            reason = str(error) or type(error).__name__
            raise RemoteUnavailableError(f"{self.shown}: {reason}") from error
        except OSError as error:
            if error.errno is None and "closed" in str(error).lower():
                self._forget()
                raise RemoteUnavailableError(f"{self.shown}: {error}") from error
            reason = error.strerror or str(error)
            raise TransferError(
                f"{self.shown}: the server refuses: {reason}",
                hint="see whether you may write there, and whether its disk has room",
            ) from error

    def _channel(self) -> SFTPClient:
        from paramiko import SFTPClient

        with self._guard:  # of several threads one connects
            transport = None if self._client is None else self._client.get_transport()
            if transport is None or not transport.is_active():
                self._client = connect(self._address, self._limits.connect_s)
                transport = self._client.get_transport()
            client = self._client
        kept = getattr(self._local, "kept", None)
        if kept is not None and kept[0] is client:
            sftp: SFTPClient = kept[1]
            return sftp
        assert transport is not None
        opened = SFTPClient.from_transport(transport)
        if opened is None:
            raise EOFError("no SFTP channel could be opened")
        channel = opened.get_channel()
        if channel is not None:
            channel.settimeout(self._limits.answer_s or ANSWER_WITHIN_S)
        self._local.kept = (client, opened)
        return opened

    def _forget(self) -> None:
        """Give up the connection that this thread used, unless another thread has done so."""
        kept = getattr(self._local, "kept", None)
        self._local.kept = None
        with self._guard:
            if self._client is None or (kept is not None and kept[0] is not self._client):
                return
            client, self._client = self._client, None
        client.close()


class _Part:
    """A file on the server to write into; each write has arrived when it returns."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def seek(self, offset: int) -> object:
        return self._stream.seek(offset)

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        return data

    def truncate(self, size: int) -> object:
        return self._stream.truncate(size)

    def write(self, data: bytes) -> None:
        # All but the last request are sent without waiting; the last one collects the answers.
        # Paramiko would drop those that are still due when the file is closed.
        begin = max(0, len(data) - _REQUEST)
        self._stream.set_pipelined(True)
        if begin:
            self._stream.write(bytes(data[:begin]))
        self._stream.set_pipelined(False)
        self._stream.write(bytes(data[begin:]))


def _window(stream: Any, begin: int, end: int) -> Iterator[bytes]:
    """Yield what is between two places, asked for at once; less when the server sends less."""
    places = [(at, min(_REQUEST, end - at)) for at in range(begin, end, _REQUEST)]
    waiting: list[bytes] = []
    for (_, wanted), data in zip(places, stream.readv(places), strict=True):
        waiting.append(data)
        if len(waiting) * _REQUEST >= CHUNK:
            yield b"".join(waiting)
            waiting = []
        if len(data) != wanted:
            break
    if waiting:
        yield b"".join(waiting)


def _size(sftp: SFTPClient, place: str) -> int | None:
    try:
        return int(sftp.stat(place).st_size or 0)
    except FileNotFoundError:
        return None


def _is_file(item: Any) -> bool:
    import stat

    return item.st_mode is None or stat.S_ISREG(item.st_mode)
