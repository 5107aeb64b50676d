"""Sending what is published to the remote, when there is one (EXE-31, EXE-40, EXE-42)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aexp.execution.progress import Label, Phase, Watch, WatchedRemote
from aexp.registry.blobs import Blob
from aexp.registry.remotes.base import Remote
from aexp.registry.remotes.mover import WORKERS
from aexp.registry.remotes.retry import Retry
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, Parcel, push
from aexp.repo import Layout


class Sending:
    """One remote, or none: the registry is the destination then.

    Args:
        layout: the repository.
        registry: where the bytes come from.
        remote: where they go to, or None.
        retry: how often and how late to try again.
        watch: whom to tell.
    """

    def __init__(
        self,
        layout: Layout,
        registry: Registry,
        remote: Remote | None,
        retry: Retry,
        watch: Watch,
    ) -> None:
        self._layout = layout
        self._registry = registry
        self._remote = None if remote is None else WatchedRemote(remote, watch)
        self._retry = retry
        self._watch = watch
        self._seen: dict[str, int] = {}

    @property
    def is_remote(self) -> bool:
        """Whether there is a remote."""
        return self._remote is not None

    def begin(self, phase: Phase, files: Sequence[tuple[Label, Blob]]) -> None:
        """Take note of all files that are about to go.

        Args:
            phase: what it is called.
            files: what they are called, and their content.
        """
        if self._remote is None:
            return
        many = Counter(blob.digest for _, blob in files)
        labels = {blob.digest: (label, many[blob.digest]) for label, blob in files}
        sizes = {blob.digest: blob.size for _, blob in files}
        self._watch.phase(phase, len(files), sum(sizes.values()))
        self._remote.expect(labels)

    def blobs(self, blobs: Sequence[Blob]) -> None:
        """Send contents; when this returns they have arrived. What is there is not sent again.

        Raises:
            NotFoundError, CorruptDataError: a blob here is gone or damaged.
            TransferError: the remote refuses, or was unavailable until the tries were used up.
        """
        if blobs:
            self.parcels([Parcel("outputs", blobs=tuple(blobs))])

    def parcels(self, parcels: Sequence[Parcel]) -> None:
        """Send whatever belongs together; see :meth:`blobs`."""
        if self._remote is None or not parcels:
            return
        options = Options(self._retry, self._watch, WORKERS, seen=dict(self._seen))
        report = push(self._layout, self._registry, self._remote, parcels, options)
        for blob in report.there:
            self._remote.there(blob.digest, blob.size)
        self._seen.update({blob.digest: blob.size for blob in (*report.there, *report.copied)})


def batches(files: Mapping[str, Blob], most_files: int, most_bytes: int) -> list[dict[str, Blob]]:
    """Return files in batches, none of which has more files, or bytes, than it may.

    Args:
        files: contents by id.
        most_files: files of one batch.
        most_bytes: bytes of one batch that has more than one file.
    """
    found: list[dict[str, Blob]] = []
    size = 0
    for key, blob in files.items():
        if not found or len(found[-1]) >= most_files or size + blob.size > most_bytes:
            found.append({})
            size = 0
        found[-1][key] = blob
        size += blob.size
    return found
