"""Content-addressed files: written once, durable, verified when read (REG-02, REG-04)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from aexp.errors import CorruptDataError, NotFoundError, StorageError, UsageError
from aexp.model.oci import is_digest, sha256_digest
from aexp.registry.ingest import SourceFailedError, copy_hashed, write_all
from aexp.storage import atomic
from aexp.storage.atomic import (
    TEMP_SUFFIX,
    storage_error,
    sync_folder,
)

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes just done."""

Locking: TypeAlias = Callable[[], AbstractContextManager[None]]

_EXCLUSIVE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_MANY = 16
"""From so many new files on, one flush of the file system beats a flush of each (trap 79)."""
_State: TypeAlias = tuple[int, int]
"""Inode and time of the last change of a blob file."""
_SETTLED_S = 300.0
"""The name of a blob this old has long been on the disk, whoever put it there."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """Content in the registry: ``sha256:`` and 64 hex digits, and bytes."""

    digest: str
    size: int


class Blobs:
    """The folders ``blobs/sha256/`` and ``tmp/`` of a registry.

    Args:
        root: of the registry.
        locked: the lock that a writer holds while it publishes, against a collection.
    """

    def __init__(self, root: Path, locked: Locking) -> None:
        self._folder = root / "blobs" / "sha256"
        self._tmp = root / "tmp"
        self._locked = locked
        # The state in which this process left a file whose name it knows to be on the disk. One
        # that somebody has deleted and put again has another.
        self._settled: dict[str, _State] = {}

    def path(self, digest: str) -> Path:
        """Return where the blob ``digest`` is, or would be.

        Raises:
            UsageError: it is no digest.
        """
        if not is_digest(digest):
            raise UsageError(
                f"{digest!r} is no digest", hint="a digest is sha256: and 64 hex digits"
            )
        return self._folder / digest[7:]

    def put(self, data: bytes) -> Blob:
        """Store ``data``; see :meth:`Registry.put`."""
        blob = Blob(sha256_digest(data), len(data))
        if not self._reuse(blob, data):
            with self._temporary() as (fd, temp):
                write_all(fd, data)
                os.fsync(fd)
                self._publish(temp, blob)
        self._settle([blob])
        return blob

    def put_many(self, items: Sequence[bytes]) -> list[Blob]:
        """Store all of ``items``; see :meth:`Registry.put_many`."""
        result = [Blob(sha256_digest(data), len(data)) for data in items]
        fresh = {
            blob: data
            for blob, data in zip(result, items, strict=True)
            if not self._reuse(blob, data)
        }
        with contextlib.ExitStack() as stack:
            staged: list[tuple[Blob, Path]] = []
            for blob, data in fresh.items():
                with self._temporary(keep=stack) as (fd, temp):
                    write_all(fd, data)
                    if len(fresh) < _MANY:
                        os.fsync(fd)
                staged.append((blob, temp))
            if len(fresh) >= _MANY:
                self._flush_all()
            for blob, temp in staged:
                self._publish(temp, blob)
        self._settle(result)
        return result

    def put_file(self, path: Path, progress: Progress | None) -> Blob:
        """Store the file ``path``; see :meth:`Registry.put_file`."""
        try:
            source = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            raise NotFoundError(f"{path} does not exist", hint="check the path") from None
        except OSError as error:
            raise _unreadable(error, path) from error
        if not stat.S_ISREG(os.fstat(source).st_mode):
            os.close(source)
            raise UsageError(f"{path} is no file", hint="name a file, not a folder or a device")
        with open(source, "rb", buffering=0) as stream:
            try:
                return self._put_stream(stream, progress, None)
            except SourceFailedError as failed:
                raise _unreadable(failed.error, path) from failed.error

    def put_stream(
        self,
        stream: BinaryIO | io.FileIO,
        progress: Progress | None,
        expect: str | None,
    ) -> Blob:
        """Store what ``stream`` holds; see :meth:`Registry.put_stream`."""
        try:
            return self._put_stream(stream, progress, expect)
        except SourceFailedError as failed:
            raise failed.error from None

    def _put_stream(
        self,
        stream: BinaryIO | io.FileIO,
        progress: Progress | None,
        expect: str | None,
    ) -> Blob:
        with self._temporary() as (fd, temp):
            digest, size = copy_hashed(stream, fd, progress)
            blob = Blob(digest, size)
            if expect is not None and digest != expect:
                raise CorruptDataError(
                    f"the content has the digest {digest}, not {expect} as was promised",
                    hint="it was damaged on its way or in its place; get it again",
                )
            if not self._reuse(blob, temp):
                os.fsync(fd)
                self._publish(temp, blob)
        self._settle([blob])
        return blob

    def adopt(self, temp: Path, blob: Blob) -> None:
        """Give a verified file of ``tmp/`` the name of its content; see :meth:`Registry.adopt`."""
        with _refused(temp):
            os.chmod(temp, 0o444)
            os.utime(temp)
            fd = os.open(temp, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        self._publish(temp, blob)
        _unlink_quietly(temp)
        self._settle([blob])

    def size(self, digest: str) -> int | None:
        """Return the size of a blob in bytes, None when it is not there."""
        try:
            found = os.stat(self.path(digest))
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, digest: str) -> BinaryIO:
        """Return the blob as a stream that is verified when it is read to its end."""
        path = self.path(digest)
        try:
            raw = open(path, "rb", buffering=0)  # noqa: SIM115 - the caller's block closes it
        except (FileNotFoundError, IsADirectoryError):
            raise missing(digest) from None
        except OSError as error:
            raise _unreadable(error, path) from error
        return io.BufferedReader(_Verified(raw, digest), _CHUNK)

    def read(self, digest: str) -> bytes:
        """Return the blob's bytes, verified."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise missing(digest) from None
        except OSError as error:
            raise _unreadable(error, path) from error
        if sha256_digest(data) != digest:
            raise damaged(digest)
        return data

    def copy_to(self, digest: str, target: Path, progress: Progress | None) -> None:
        """Write the blob to ``target``; see :meth:`Registry.copy_to`."""
        temp = target.with_name(f"{target.name[:40]}.{secrets.token_hex(6)}{TEMP_SUFFIX}")
        path = self.path(digest)
        try:
            source = open(path, "rb", buffering=0)  # noqa: SIM115
        except (FileNotFoundError, IsADirectoryError):
            raise missing(digest) from None
        except OSError as error:
            raise _unreadable(error, path) from error
        with source:
            try:
                fd = os.open(temp, _EXCLUSIVE, 0o666)
                try:
                    found, _ = copy_hashed(source, fd, progress)
                    if found != digest:
                        raise damaged(digest)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                os.replace(temp, target)
                sync_folder(target.parent)
            except BaseException as error:
                _unlink_quietly(temp)
                if isinstance(error, SourceFailedError):
                    raise _unreadable(error.error, path) from error.error
                if isinstance(error, OSError) and not isinstance(error, StorageError):
                    raise storage_error(error, target) from error
                raise

    def all(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the digest and the state of every blob file, in no order."""
        try:
            entries = os.scandir(self._folder)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                digest = "sha256:" + entry.name
                if not is_digest(digest):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        yield digest, found

    def _reuse(self, blob: Blob, content: bytes | Path) -> bool:
        """Touch the blob when it is there and whole (REG-02); return whether it was.

        Args:
            blob: what to look for.
            content: its bytes, or a file that holds them. They are compared, since the content is
                at hand now to mend a damaged blob with, and may never be again.
        """
        path = self.path(blob.digest)
        try:
            found = os.stat(path)
            if found.st_size != blob.size or not _holds(path, content):
                return False
            with self._locked():
                self._renew(blob.digest, path)
        except OSError:
            # Not there, or deleted meanwhile; or of another user of a shared registry, who alone
            # may touch it: the same content then takes its place, and the new time with it.
            return False
        return True

    def touch(self, digest: str) -> bool:
        """Renew a blob's time, under the lock of a writer; return whether it is there."""
        try:
            self._renew(digest, self.path(digest))
        except FileNotFoundError:
            return False
        except PermissionError:  # of another user of a shared registry, who alone may touch it
            return self.size(digest) is not None
        return True

    def _renew(self, digest: str, path: Path) -> None:
        found = os.stat(path)
        was_settled = self._settled.pop(digest, None) == _state(found)
        os.utime(path)
        touched = os.stat(path)
        if was_settled or touched.st_mtime - found.st_mtime > _SETTLED_S:
            self._settled[digest] = _state(touched)

    def _publish(self, temp: Path, blob: Blob) -> None:
        """Give a durable temporary file its name, in place of none or of a damaged one."""
        target = self.path(blob.digest)
        self._settled.pop(blob.digest, None)
        with self._locked(), _refused(target):
            try:
                os.link(temp, target)
            except FileExistsError:
                # Equal content, or damaged, or not ours to touch: in each case this one is right.
                os.replace(temp, target)
            except OSError:  # a file system without hard links
                os.replace(temp, target)

    def _settle(self, blobs: Sequence[Blob]) -> None:
        """Make the names of ``blobs`` durable, with one flush at most.

        Of those that were reused, what this process has seen to before is left out, and what is so
        old that its name must be on the disk.
        """
        new = [blob.digest for blob in blobs if blob.digest not in self._settled]
        if not new:
            return
        states = {}
        for digest in new:
            with contextlib.suppress(OSError):  # without a lease a collection may be quicker
                states[digest] = _state(os.stat(self.path(digest)))
        with _refused(self._folder):
            sync_folder(self._folder)
        self._settled.update(states)

    def _flush_all(self) -> None:
        with _refused(self._folder):
            atomic.sync_file_systems([self._tmp])

    @contextlib.contextmanager
    def _temporary(self, *, keep: contextlib.ExitStack | None = None) -> Iterator[tuple[int, Path]]:
        """Open a new file in ``tmp/``; it is gone at the end, or at the end of ``keep``.

        It is made read-only: a blob never changes.
        """
        temp = self._tmp / f"{os.getpid()}.{secrets.token_hex(8)}{TEMP_SUFFIX}"
        with contextlib.ExitStack() as stack, _refused(temp):
            fd = os.open(temp, _EXCLUSIVE, 0o444)
            (keep or stack).callback(_unlink_quietly, temp)
            try:
                yield fd, temp
            finally:
                os.close(fd)


class _Verified(io.RawIOBase):
    """A raw stream that raises at its end when what was read has not the promised digest."""

    def __init__(self, raw: io.FileIO, digest: str) -> None:
        super().__init__()
        self._raw = raw
        self._digest = digest
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = self._raw.readinto(view)
        if count:
            self._hash.update(view[:count])
        elif len(view) and f"sha256:{self._hash.hexdigest()}" != self._digest:
            raise damaged(self._digest)
        return count or 0

    def close(self) -> None:
        self._raw.close()
        super().close()


def _state(found: os.stat_result) -> _State:
    return found.st_ino, found.st_ctime_ns


def _holds(path: Path, content: bytes | Path) -> bool:
    """Return whether the file ``path`` holds ``content``, in constant memory."""
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(path.open("rb", buffering=0))
        wanted = (
            io.BytesIO(content)
            if isinstance(content, bytes)
            else stack.enter_context(content.open("rb", buffering=0))
        )
        while chunk := found.read(_CHUNK):
            if wanted.read(len(chunk)) != chunk:
                return False
        return not wanted.read(1)


def missing(digest: str) -> NotFoundError:
    """Return the error for a blob that is not in the registry."""
    return NotFoundError(
        f"the registry does not hold {digest}",
        hint="fetch it with `aexp pull`, or see what is missing with `aexp registry verify`",
    )


def damaged(digest: str) -> CorruptDataError:
    """Return the error for a blob whose bytes are not those of its digest."""
    return CorruptDataError(
        f"the blob {digest} is damaged: its bytes have another digest",
        hint="see `aexp registry verify`; store or pull the same content again to mend it",
    )


def _unreadable(error: OSError, path: Path) -> StorageError:
    result = StorageError(f"cannot read {path}: {error.strerror or error}")
    result.errno = error.errno
    return result


def _unlink_quietly(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a :class:`StorageError` that names the path and the reason."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error, path) from error
