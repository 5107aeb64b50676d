"""The files of a folder that becomes a dataset: found, judged, hashed and stored (EXE-06).

Everything that can be seen to be wrong is seen before the first byte is stored, and told together.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from aexp.errors import NotFoundError, StorageError, UsageError
from aexp.model.dataset import FileFacts, path_problem
from aexp.model.oci import sha256_digest
from aexp.registry.blobs import Blob
from aexp.registry.store import Registry

_SMALL: Final = 1 << 18
"""Files of at most so many bytes are stored together, with one flush."""
_TOGETHER: Final = 1 << 24
"""So many bytes of them at a time."""
_CHUNK: Final = 1 << 20
_SHOWN: Final = 3
"""So many problems are shown; of more, their number."""

Progress = Callable[[int], None]
"""Called with the number of bytes just done."""


def silent(count: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was found.

    Attributes:
        file: where it is.
        path: what it is called in the dataset.
        size: bytes.
        changed_ns: when its content changed, in the file system's nanoseconds.
    """

    file: Path
    path: str
    size: int
    changed_ns: int


_Identity = tuple[int, int]
"""The device and the inode of a folder."""


@dataclass
class _Walk:
    """One look at a folder."""

    follow_links: bool
    found: list[Source] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    links: int = 0


def scan(path: Path, *, follow_links: bool = False) -> list[Source]:
    """Return the files of a folder, however deep, or the one file at ``path``; sorted by name.

    Args:
        path: a folder or a file; it may itself be a link.
        follow_links: take what symbolic links in the folder lead to; else they are a problem,
            since what they lead to can be anything.

    Raises:
        NotFoundError: there is nothing at ``path``.
        UsageError: there is no file in it, or some of what is there cannot be part of a dataset;
            all of that is told in one message.
    """
    walk = _Walk(follow_links)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        what = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise NotFoundError(f"{path} {what}", hint="give the path of a folder or a file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{_shown(path)} cannot be looked at: {_reason(error)}") from None
    if stat.S_ISDIR(found.st_mode):
        _walk_folder(walk, path, "", (_identity(found),))
    else:
        _add_file(walk, path, path.name, found)
    if walk.problems:
        raise _refusal(path, walk)
    if not walk.found:
        raise UsageError(
            f"there is no file in {path}", hint="a dataset is made of at least one file"
        )
    return sorted(walk.found, key=lambda source: source.path)


def _walk_folder(walk: _Walk, folder: Path, above: str, inside: tuple[_Identity, ...]) -> None:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        walk.problems.append(f"{_shown(above or folder)} cannot be read: {_reason(error)}")
        return
    for entry in listed:
        name = f"{above}{entry.name}"
        try:
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                if not walk.follow_links:
                    walk.links += 1
                    walk.problems.append(f"{_shown(name)} is a symbolic link")
                    continue
                found = entry.stat(follow_symlinks=True)
        except OSError as error:
            what = "is a link that leads nowhere" if entry.is_symlink() else _reason(error)
            walk.problems.append(f"{_shown(name)} {what}")
            continue
        if not stat.S_ISDIR(found.st_mode):
            _add_file(walk, Path(entry.path), name, found)
        elif _identity(found) in inside:
            walk.problems.append(f"{_shown(name)} is a link to a folder that it is in")
        else:
            _walk_folder(walk, Path(entry.path), f"{name}/", (*inside, _identity(found)))


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino


def _add_file(walk: _Walk, file: Path, path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        walk.problems.append(f"{_shown(path)} is no file, but a pipe, a socket or a device")
    elif (problem := path_problem(path)) is not None:
        walk.problems.append(f"the name {_shown(path)} {problem}")
    elif not os.access(file, os.R_OK):
        walk.problems.append(f"{_shown(path)} cannot be read: permission denied")
    else:
        walk.found.append(Source(file, path, found.st_size, found.st_mtime_ns))


def _refusal(path: Path, walk: _Walk) -> UsageError:
    count = len(walk.problems)
    more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
    hint = "nothing was added; correct this, or give a folder without such files"
    if walk.links == count:
        hint = "nothing was added; --follow-links takes the files that the links lead to"
    return UsageError(
        f"{_shown(path)} cannot become a dataset: {'; '.join(walk.problems[:_SHOWN])}{more}",
        hint=hint,
    )


def _shown(path: object) -> str:
    return repr(os.fspath(path) if isinstance(path, Path) else path)


def _reason(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.lower()


# --- content -------------------------------------------------------------------------------


def hash_files(sources: Sequence[Source], progress: Progress = silent) -> list[FileFacts]:
    """Return what is in the files; nothing is stored.

    Raises:
        StorageError: a file cannot be read.
        UsageError: a file was changed meanwhile.
    """
    return [_hash_file(source, progress) for source in sources]


def _hash_file(source: Source, progress: Progress) -> FileFacts:
    sha256, md5, size = hashlib.sha256(), _new_md5(), 0
    with _opened(source) as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
            progress(len(chunk))
    return FileFacts(source.path, f"sha256:{sha256.hexdigest()}", md5.hexdigest(), size)


def store_files(
    registry: Registry, sources: Sequence[Source], progress: Progress = silent
) -> list[FileFacts]:
    """Put the content of files into the registry, and return what is in them, in their order.

    Raises:
        StorageError: a file cannot be read, or the disk refused.
        UsageError: a file was changed meanwhile.
    """
    stored: list[FileFacts] = []
    for batch in _batches(sources):
        if batch[0].size > _SMALL:
            stored += [_store_large(registry, source, progress) for source in batch]
        else:
            stored += _store_small(registry, batch, progress)
    return stored


def _batches(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Yield small files in groups, and large ones alone."""
    batch: list[Source] = []
    size = 0
    for source in sources:
        is_large = source.size > _SMALL
        if batch and (is_large or size + source.size > _TOGETHER):
            yield batch
            batch, size = [], 0
        if is_large:
            yield [source]
        else:
            batch.append(source)
            size += source.size
    if batch:
        yield batch


def _store_small(
    registry: Registry, batch: Sequence[Source], progress: Progress
) -> list[FileFacts]:
    contents = []
    for source in batch:
        with _opened(source) as stream:
            contents.append(stream.read())
        progress(source.size)
    registry.put_many(contents)
    return [
        FileFacts(source.path, sha256_digest(data), md5_of(data), len(data))
        for source, data in zip(batch, contents, strict=True)
    ]


def _store_large(registry: Registry, source: Source, progress: Progress) -> FileFacts:
    with _opened(source) as stream:
        hashed = HashedStream(stream)
        blob = put_hashed(registry, hashed, source, progress)
    return FileFacts(source.path, blob.digest, hashed.md5, blob.size)


def put_hashed(
    registry: Registry, stream: HashedStream, source: Source, progress: Progress
) -> Blob:
    """Store a stream whose MD5 is taken on its way."""
    try:
        return registry.put_stream(cast(BinaryIO, stream), progress=progress)
    except StorageError:
        raise
    except OSError as error:
        raise _unreadable(source, error) from error


class HashedStream:
    """A file whose MD5 is taken while it is read.

    Args:
        stream: the file, at its beginning.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._md5 = _new_md5()

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer`` and return how much."""
        count = self._stream.readinto(buffer) or 0  # type: ignore[attr-defined]
        self._md5.update(buffer[:count])
        return count

    @property
    def md5(self) -> str:
        """32 hex digits of what was read so far."""
        return self._md5.hexdigest()


def _new_md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def md5_of(data: bytes) -> str:
    """Return the MD5 of ``data``: 32 hex digits."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class _opened:
    """A file to be read once; its end checks that nobody has changed it meanwhile."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> BinaryIO:
        try:
            self._stream = self._source.file.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(self._source, error) from error
        return cast(BinaryIO, self._stream)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._stream:
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                raise _unreadable(self._source, error) from error
            if error is not None:
                return
            now = os.fstat(self._stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._source.size, self._source.changed_ns):
            raise UsageError(
                f"{_shown(self._source.path)} was changed while it was read",
                hint="nothing was added; add the dataset when nobody writes to its folder",
            )


def _unreadable(source: Source, error: OSError) -> StorageError:
    result = StorageError(
        f"cannot read {_shown(source.path)}: {_reason(error)}",
        hint="nothing was added; check its permissions, and that its disk works",
    )
    result.errno = error.errno
    return result
