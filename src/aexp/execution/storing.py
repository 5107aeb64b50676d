"""Staged files into the registry: the first step of a publication (ADR 10).

Many small files are made durable together, and noted in one transaction. Whatever was noted is
looked for again by the next publication: a collection may have taken it meanwhile.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aexp.errors import NotFoundError, StorageError, UsageError
from aexp.execution.progress import Watch
from aexp.execution.state import StagedAsset, State
from aexp.recording.media_types import HEAD, media_type_of
from aexp.registry.store import Registry

SMALL: Final = 256 * 1024
"""Bytes of a file that is read at once, and stored together with others."""
_BATCH_FILES: Final = 500
_BATCH_BYTES: Final = 32 * 1024 * 1024


def store_assets(
    state: State, registry: Registry, rows: Sequence[StagedAsset], watch: Watch
) -> dict[str, str]:
    """Put the bytes of assets into the registry, and note what they are.

    Args:
        state: what is staged.
        registry: where they go; the caller holds a lease.
        rows: the assets to be published.
        watch: whom to tell.

    Returns:
        The media types, by id, of those that were read whole here.

    Raises:
        UsageError: a file is gone, or is written just now.
        StorageError: a file cannot be read, or the disk refused.
    """
    storing = _Storing(state, registry, watch)
    storing.run(rows)
    return storing.types


class _Storing:
    def __init__(self, state: State, registry: Registry, watch: Watch) -> None:
        self._state = state
        self._registry = registry
        self._watch = watch
        self._few: list[tuple[StagedAsset, bytes]] = []
        self._bytes = 0
        self.types: dict[str, str] = {}

    def run(self, rows: Sequence[StagedAsset]) -> None:
        sizes = {row.rid: _size(self._state, row) for row in rows}
        self._watch.phase("storing", len(rows), sum(sizes.values()))
        for row in rows:
            if row.digest is not None and self._registry.touch(row.digest):
                self._watch.whole((row.asset, row.name), row.size or 0)
            elif sizes[row.rid] <= SMALL:
                self._add(row)
            else:
                self._store(row)
        self._flush()

    def _add(self, row: StagedAsset) -> None:
        data = _read(file_of(self._state, row), row)
        self._few.append((row, data))
        self.types[row.rid] = media_type_of(data[:HEAD], len(data), row.name)
        self._bytes += len(data)
        if len(self._few) >= _BATCH_FILES or self._bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._few:
            return
        blobs = self._registry.put_many([data for _, data in self._few])
        stored = [
            (row.rid, blob.digest, _md5(data), blob.size)
            for (row, data), blob in zip(self._few, blobs, strict=True)
        ]
        self._state.stored(stored)
        for row, data in self._few:
            self._watch.whole((row.asset, row.name), len(data))
        self._few, self._bytes = [], 0

    def _store(self, row: StagedAsset) -> None:
        path = file_of(self._state, row)
        label = (row.asset, row.name)
        before = _look(path, row)
        with ThreadPoolExecutor(1, thread_name_prefix="aexp-md5") as pool:
            md5 = pool.submit(_md5_of, path)
            blob = self._registry.put_file(
                path, progress=lambda size: self._watch.moved(label, size)
            )
            digits = md5.result()
        _check_still(path, row, before)
        self._state.stored([(row.rid, blob.digest, digits, blob.size)])
        self._watch.whole(label)


def file_of(state: State, row: StagedAsset) -> Path:
    """Return the file that holds an asset's bytes: a link's target, else the staged file."""
    if row.kind == "link" and row.source is not None:
        return Path(row.source)
    return state.path_of(row)


def _size(state: State, row: StagedAsset) -> int:
    try:
        return file_of(state, row).stat().st_size
    except OSError:  # whoever reads it says what is wrong; its bytes may be stored already
        return row.size or 0


def _read(path: Path, row: StagedAsset) -> bytes:
    before = _look(path, row)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(row, error) from error
    _check_still(path, row, before)
    return data


def _look(path: Path, row: StagedAsset) -> tuple[int, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - the file that a link leads to
    except FileNotFoundError:
        raise NotFoundError(
            f"{row.label} is gone: there is no {path.name}",
            hint="write it again, then publish again",
        ) from None
    except OSError as error:
        raise _unreadable(row, error) from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _check_still(path: Path, row: StagedAsset, before: tuple[int, int, int]) -> None:
    if _look(path, row) != before:
        raise UsageError(
            f"{row.label} was changed while it was published",
            hint="publish again when whoever writes it is done",
        )


def _unreadable(row: StagedAsset, error: OSError) -> StorageError:
    return StorageError(f"{row.label} cannot be read: {error.strerror or error}")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _md5_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
