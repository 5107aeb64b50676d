"""Proof of a dataset's bytes: every file read, and compared with its digests (EXE-06)."""

from __future__ import annotations

from dataclasses import dataclass

from aexp.data.bags import files_of
from aexp.data.fetching import missing
from aexp.data.files import Progress, Source, hash_files, silent
from aexp.ledger.datasets import DatasetRecord
from aexp.model.dataset import FileFacts
from aexp.registry.blobs import Blob
from aexp.registry.places import open_registry
from aexp.registry.store import Registry
from aexp.repo import Layout


@dataclass(frozen=True, slots=True)
class Verified:
    """What reading the bytes of a version came to.

    Attributes:
        record: the version.
        missing: paths of files that the registry does not have.
        damaged: paths of files whose bytes are not those of their digests.
        size: bytes that were read.
    """

    record: DatasetRecord
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    size: int

    @property
    def ok(self) -> bool:
        """Whether every file is here and whole."""
        return not self.missing and not self.damaged


def verify(
    layout: Layout,
    record: DatasetRecord,
    *,
    registry: Registry | None = None,
    progress: Progress = silent,
) -> Verified:
    """Read all bytes of a version in the registry, and compare them with SHA-256 and MD5.

    Nothing is fetched: a list of files that is not here counts as all files missing.

    Args:
        layout: the repository.
        record: the version.
        registry: where the bytes are; the repository's when None.
        progress: called with the number of bytes just read.

    Raises:
        CorruptDataError: the list of files is damaged.
        StorageError: the disk refused.
    """
    registry = registry or open_registry(layout)
    listed = Blob(record.digest, record.listed_size)
    if record.files is None and missing(registry, [listed]):
        return Verified(record, (f"the list of {record.count} files",), (), 0)
    files = files_of(layout, registry, record)
    lost, damaged, size = [], [], 0
    for file in files:
        found = _hashes_of(registry, file, progress)
        size += file.size if found is not None else 0
        if found is None:
            lost.append(file.path)
        elif found != (file.digest, file.md5):
            damaged.append(file.path)
    return Verified(record, tuple(lost), tuple(damaged), size)


def _hashes_of(registry: Registry, file: FileFacts, progress: Progress) -> tuple[str, str] | None:
    """Return SHA-256 and MD5 of a blob, None when it is not there."""
    path = registry.path(file.digest)
    try:
        found = path.stat()
        source = Source(path, file.path, found.st_size, found.st_mtime_ns)
        (hashed,) = hash_files([source], progress)
    except FileNotFoundError:
        return None
    return hashed.digest, hashed.md5
