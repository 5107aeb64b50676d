"""The one atomic, durable writer.

:func:`write_atomic` promises that a reader sees either the old bytes or the new ones, never a
mixture, and that after it returns the new ones survive a power failure. It does *not* promise an
order between two processes that write the same path (that is what :mod:`aexp.storage.lock` is
for), and it keeps no older versions.

:class:`BatchWriter` gives the same for many files at the price of one file-system flush instead
of one per file (trap 79: 10,000 serial fsyncs 2.7 s, one ``syncfs`` 0.6 s).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

from msgspec import Struct

from aexp.errors import StorageError

TEMP_SUFFIX = ".aexp-tmp"
"""How every temporary file of aexp ends, so that leftovers are recognised."""

STALE_S = 24 * 3600.0
"""Age in seconds from which on a temporary file is a killed process's leftover."""

_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

_NO_LINKS = (
    errno.EPERM,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
)
"""What file systems without hard links answer."""


Flush: TypeAlias = Literal["all", "content", "nothing"]
"""What a write makes durable: content and name, or the content alone. Without the name, the file
that stood there before may be back after a power failure, whole. Without either, what is there
after one may be empty: for what is worth nothing then, and is read with care."""


def write_atomic(
    path: Path, data: bytes, *, tmp_dir: Path | None = None, flush: Flush = "all"
) -> None:
    """Replace ``path`` by ``data``, atomically and durably.

    Args:
        path: the file to write; its folder is created when missing.
        data: the whole new content.
        tmp_dir: where the temporary file goes when it is on the same file system as ``path``
            (``.aexp/tmp/``, which git ignores: LED-05, trap 10); else beside ``path``.
        flush: leave the name to the operating system where something else can tell that the
            write was meant to happen.

    Raises:
        StorageError: the disk refused. No temporary file is left, and the old file is untouched,
            unless the last step failed, which makes the new name survive a power failure: then
            the new file is there, whole, and may be lost with the power.
    """
    with _storage_errors(path):
        make_folder(path.parent)
        _publish(_write_temp(path, data, tmp_dir, durable=flush != "nothing"), path)
        if flush == "all":
            sync_folder(path.parent)


def write_unseen(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a new file into a folder that no reader looks at before it is renamed.

    Args:
        path: the file; it must not exist.
        data: its content.
        durable: flush the content.

    Raises:
        StorageError: the disk refused.
    """
    with _storage_errors(path):
        fd = os.open(path, _EXCLUSIVE, 0o666)
        try:
            _write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)


def _publish(temp: Path, path: Path) -> None:
    """Rename ``temp`` to ``path``, leaving nothing behind when that fails."""
    try:
        try:
            os.replace(temp, path)
        except OSError as error:
            if error.errno != errno.EXDEV or temp.parent == path.parent:
                raise
            # One device number, but no rename between the two: a bind mount or a subvolume.
            beside = _write_temp(path, temp.read_bytes(), None)
            _unlink_quietly(temp)
            temp = beside
            os.replace(temp, path)
    except BaseException:
        _unlink_quietly(temp)
        raise


def write_new(path: Path, data: bytes, *, tmp_dir: Path | None = None) -> bool:
    """Create ``path`` with ``data`` durably unless it exists; return whether it was created.

    Of several processes that try at once, exactly one gets True.

    Raises:
        StorageError: the disk refused.
    """
    with _storage_errors(path):
        make_folder(path.parent)
        temp = _write_temp(path, data, tmp_dir)
        try:
            try:
                os.link(temp, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno == errno.EXDEV and temp.parent != path.parent:
                    return write_new(path, data)
                if error.errno not in _NO_LINKS:
                    raise
                return _write_exclusive(path, data)
            sync_folder(path.parent)
            return True
        finally:
            _unlink_quietly(temp)


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, each one durable in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        # Somebody else made it just now, and may die before it is durable: go on to the flush.
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk (a no-op where the platform has no such call)."""
    if sys.platform == "win32":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Flush the content of a file to the disk.

    Raises:
        OSError: it is not there, or the disk refused.
    """
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Staged(Struct, frozen=True):
    """A file of a batch, written under a temporary name."""

    temp: str
    target: str


class BatchWriter:
    """Write many files, each atomically, all durable when the block ends.

    Temporary files are written first and flushed with one ``syncfs`` per file system, then all
    are renamed, then the folders are flushed. When the block raises, nothing that was not yet
    renamed appears.

    Args:
        tmp_dir: the folder for temporary files, on the same file system as the targets.
    """

    def __init__(self, tmp_dir: Path) -> None:
        self._tmp_dir = tmp_dir
        self._prefix = ""
        self._count = 0
        self._usual_mode: int | None = None
        self._is_dirty = False
        self._staged: dict[str, Staged] = {}
        self._renamed: set[str] = set()

    def __enter__(self) -> BatchWriter:
        return self

    def add(self, path: str | Path, data: bytes) -> Staged:
        """Stage ``data`` for ``path``; it becomes visible at :meth:`publish` or :meth:`put`.

        Raises:
            StorageError: the disk refused; nothing of this file is left.
        """
        target = os.fspath(path)
        try:
            temp = self._write(target, data)
        except OSError as error:
            raise storage_error(error, Path(target)) from error
        self._is_dirty = True
        staged = self._staged[temp] = Staged(temp, target)
        return staged

    def adopt(self, staged: Staged) -> None:
        """Take over a file that a batch of another process has staged."""
        self._is_dirty = True
        self._staged[staged.temp] = staged

    def _write(self, target: str, data: bytes) -> str:
        # Lean, for it runs ten thousand times: names are counted, and neither the devices nor
        # the folders of the targets are looked at before the rename has failed.
        if not self._prefix:
            make_folder(self._tmp_dir)
            self._prefix = f"{self._tmp_dir}{os.sep}{os.getpid()}.{os.urandom(6).hex()}."
        self._count += 1
        temp = f"{self._prefix}{self._count}{TEMP_SUFFIX}"
        fd = os.open(temp, _EXCLUSIVE, 0o666)
        try:
            try:
                self._keep_mode(fd, target)
                _write_all(fd, data)
            finally:
                os.close(fd)
        except BaseException:
            _unlink_quietly(temp)
            raise
        return temp

    def _keep_mode(self, fd: int, target: str) -> None:
        if self._usual_mode is None:
            self._usual_mode = stat.S_IMODE(os.fstat(fd).st_mode)
        with contextlib.suppress(OSError):
            if stat.S_IMODE(os.stat(target).st_mode) != self._usual_mode:
                _keep_mode(fd, target)

    def flush(self) -> None:
        """Make what was added durable under its temporary names.

        Raises:
            StorageError: the disk refused; nothing that was added appears.
        """
        with _storage_errors(self._tmp_dir), self._discarding():
            if self._is_dirty:
                sync_file_systems([self._tmp_dir])
        self._is_dirty = False

    def put(self, staged: Staged) -> None:
        """Make one file visible that :meth:`flush` has made durable.

        Raises:
            StorageError: the disk refused; the old file stands.
        """
        del self._staged[staged.temp]
        try:
            try:
                os.replace(staged.temp, staged.target)
            except OSError:  # another file system, a folder that is missing: the long way
                target = Path(staged.target)
                make_folder(target.parent)
                _publish(Path(staged.temp), target)
        except OSError as error:
            _unlink_quietly(staged.temp)
            raise storage_error(error, Path(staged.target)) from error
        self._renamed.add(os.path.dirname(staged.target))

    def drop(self, staged: Staged) -> None:
        """Give up one file that was added, unless it is visible already."""
        if self._staged.pop(staged.temp, None) is not None:
            _unlink_quietly(staged.temp)

    def settle(self) -> None:
        """Make the new names durable: a flush per folder, or of the file system for many.

        Raises:
            StorageError: the disk refused; the files are there, and may be lost with the power.
        """
        renamed, self._renamed = self._renamed, set()
        with _storage_errors(self._tmp_dir):
            if len(renamed) > _MANY_FOLDERS:
                sync_file_systems(renamed)
            else:
                for folder in renamed:
                    sync_folder(Path(folder))

    def publish(self) -> None:
        """Make everything added so far visible and durable.

        Raises:
            StorageError: the disk refused; files already renamed stay, the others do not appear.
        """
        self.flush()
        with self._discarding():
            for staged in list(self._staged.values()):
                self.put(staged)
        self.settle()

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        for staged in self._staged.values():
            _unlink_quietly(staged.temp)
        self._staged = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.publish()
        else:
            self._discard()


_MANY_FOLDERS = 8


def sync_file_systems(folders: Iterable[str | Path]) -> None:
    """Flush the file systems that hold ``folders``: ``syncfs`` on Linux, else ``sync``."""
    devices: dict[int, str | Path] = {}
    for folder in folders:
        devices.setdefault(os.stat(folder).st_dev, folder)
    if sys.platform.startswith("linux"):
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        for folder in devices.values():
            fd = os.open(folder, os.O_RDONLY)
            try:
                if libc.syncfs(fd) != 0:
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code), str(folder))
            finally:
                os.close(fd)
    elif devices and hasattr(os, "sync"):
        os.sync()


def _write_temp(path: Path, data: bytes, tmp_dir: Path | None, *, durable: bool = True) -> Path:
    folder = _temp_folder(path, tmp_dir)
    # 40 characters are at most 160 bytes: the whole name stays below the usual 255.
    temp = folder / f"{path.name[:40]}.{os.getpid()}.{os.urandom(6).hex()}{TEMP_SUFFIX}"
    fd = os.open(temp, _EXCLUSIVE, 0o666)
    try:
        try:
            _keep_mode(fd, path)
            _write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)  # on NFS this too may say that the disk is full
    except BaseException:
        _unlink_quietly(temp)
        raise
    return temp


def _keep_mode(fd: int, path: str | Path) -> None:
    """Give the new file the permissions of the one it replaces (an executable, a private file)."""
    if not hasattr(os, "fchmod"):
        return
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode != stat.S_IMODE(os.fstat(fd).st_mode):
            os.fchmod(fd, mode)


def _temp_folder(path: Path, tmp_dir: Path | None) -> Path:
    if tmp_dir is None:
        return path.parent
    beside = path.parent  # whoever writes there has made it
    make_folder(tmp_dir)
    return tmp_dir if os.stat(tmp_dir).st_dev == os.stat(beside).st_dev else beside


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _write_exclusive(path: Path, data: bytes) -> bool:
    """Create without hard links (file systems that have none): not atomic for readers."""
    try:
        fd = os.open(path, _EXCLUSIVE, 0o666)
    except FileExistsError:
        return False
    try:
        try:
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        _unlink_quietly(path)
        raise
    sync_folder(path.parent)
    return True


def remove_leftovers(tmp_dir: Path, *, min_age_s: float = STALE_S) -> int:
    """Remove temporary files that a killed process left in ``tmp_dir``; return how many (trap 38).

    Args:
        tmp_dir: the folder; it may be missing.
        min_age_s: only files this old, in seconds, so that no writer on any machine loses its own.
    """
    removed = 0
    oldest = time.time() - min_age_s
    with contextlib.suppress(OSError), os.scandir(tmp_dir) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith(TEMP_SUFFIX) and entry.stat().st_mtime <= oldest:
                    os.unlink(entry.path)
                    removed += 1
    return removed


def _unlink_quietly(path: str | Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


class _storage_errors(contextlib.AbstractContextManager["None"]):
    """Turn an ``OSError`` into a :class:`StorageError` that names the path and the reason."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise storage_error(error, self._path) from error


def storage_error(error: OSError, path: Path) -> StorageError:
    """Return the :class:`StorageError` for ``error``, with a hint for the usual causes."""
    hints = {
        errno.ENOSPC: "free some disk space, then run the command again; nothing was lost",
        errno.EDQUOT: "your disk quota is used up; free some space and run the command again",
        errno.EROFS: "the file system is mounted read-only",
        errno.EACCES: "check the permissions of the folder",
        errno.EPERM: "check the permissions of the folder",
        errno.EISDIR: "a folder stands where a file belongs; move it away",
        errno.ENOTDIR: "a file stands where a folder belongs; move it away",
        errno.EEXIST: "a file stands where a folder belongs; move it away",
    }
    reason = error.strerror or str(error)
    hint = hints.get(error.errno or 0, "check that the disk works and has room")
    result = StorageError(f"cannot write {path}: {reason}", hint=hint)
    result.errno = error.errno
    return result
