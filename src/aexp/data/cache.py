"""One verified copy of an input for all executions of a repository (EXE-07, trap 51).

``<git common dir>/aexp/cache/<2 digits>/<digest>`` is the copy, read-only, and beside it stands a
note with its MD5 and size. It is read and compared with its digest at each use, under a lock of
its own; what is not whole is fetched again. The whole folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aexp.errors import CorruptDataError
from aexp.model.canonical import canonical_bytes
from aexp.registry.blobs import Blob
from aexp.repo import Layout
from aexp.storage.atomic import (
    TEMP_SUFFIX,
    make_folder,
    remove_leftovers,
    storage_error,
    write_atomic,
)
from aexp.storage.lock import file_lock

LONGEST_WAIT_S: Final = 24 * 3600.0
"""Another process may be fetching the same copy, and a large one takes long."""
_CHUNK: Final = 1 << 20

Fetch = Callable[[Path], None]
"""Writes the content to a new file."""


def cache_folder(layout: Layout) -> Path:
    """Return the folder of the copies, which all work trees share."""
    if layout.common_dir is None:
        return layout.home / ".aexp" / "cache"
    return layout.common_dir / "aexp" / "cache"


def shared_copy(layout: Layout, blob: Blob, md5: str, fetch: Fetch) -> Path:
    """Return the verified shared copy of some content; fetch it when there is none, or a bad one.

    Of several processes that want it at once one fetches it, and the others wait.

    Args:
        layout: the repository.
        blob: the content.
        md5: its MD5, 32 hex digits.
        fetch: writes it to the file that it is given.

    Raises:
        CorruptDataError: what was fetched is something else; it is not kept.
        LockTimeoutError: another process has been fetching it for a day.
        StorageError: the disk refused.
    """
    hexes = blob.digest.removeprefix("sha256:")
    copy = cache_folder(layout) / hexes[:2] / hexes
    with file_lock(copy.with_name(f"{hexes}.lock"), timeout=LONGEST_WAIT_S):
        if _hashes(copy, blob.size) == (blob.digest, md5):
            return copy
        _fetch(copy, blob, md5, fetch)
    return copy


def _fetch(copy: Path, blob: Blob, md5: str, fetch: Fetch) -> None:
    try:
        make_folder(copy.parent)
        remove_leftovers(copy.parent)
        temp = copy.with_name(f"{copy.name[:40]}.{os.urandom(6).hex()}{TEMP_SUFFIX}")
        try:
            fetch(temp)
            found = _hashes(temp, blob.size)
            if found != (blob.digest, md5):
                raise _wrong(blob, md5, found)
            os.chmod(temp, 0o444)  # noqa: PTH101
            os.replace(temp, copy)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(OSError):
                temp.unlink(missing_ok=True)
            raise
    except OSError as error:
        if hasattr(error, "code"):  # ours already
            raise
        raise storage_error(error, copy) from error
    note = {"digest": blob.digest, "md5": md5, "size": blob.size}
    write_atomic(copy.with_name(f"{copy.name}.json"), canonical_bytes(note), flush="content")


def _hashes(path: Path, size: int) -> tuple[str, str] | None:
    """Return SHA-256 and MD5 of a file of that size, None when it has another, or is not there."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size != size:
                return None
            while chunk := stream.read(_CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
    except OSError:
        return None
    return f"sha256:{sha256.hexdigest()}", md5.hexdigest()


def _wrong(blob: Blob, md5: str, found: tuple[str, str] | None) -> CorruptDataError:
    if found is not None and found[0] == blob.digest:
        return CorruptDataError(
            f"{blob.digest} has the MD5 {found[1]}, and not {md5} as was published",
            hint="publish it again from the execution that made it",
        )
    return CorruptDataError(
        f"what came for {blob.digest} is something else; it is not kept",
        hint="see `aexp registry verify`, or pull it again with --verify",
    )
