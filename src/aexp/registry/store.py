"""The registry: blobs, manifests, refs and leases behind one object (REG-01 to REG-05)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from aexp.errors import CorruptDataError, NotFoundError, StorageError, UsageError
from aexp.model.oci import MANIFEST, Descriptor, Index, Manifest, decode_manifest
from aexp.model.owner import Owner
from aexp.registry import leases, projection
from aexp.registry.blobs import Blob, Blobs, Progress, missing
from aexp.registry.leases import Lease
from aexp.registry.refs import (
    ARTIFACT,
    KINDS,
    DropRef,
    Ref,
    RefChange,
    RefTable,
    SetRef,
    check_ref_name,
)
from aexp.storage.atomic import make_folder, storage_error, sync_folder
from aexp.storage.shared_lock import shared_lock

__all__ = ["Blob", "Progress", "Registry"]

LARGEST_MANIFEST = 1 << 28
"""Bytes. A manifest is read into memory whole; larger than this it is none of ours."""

_OURS = frozenset(
    {
        *("blobs", "tmp", "leases", "oci-layout", "index.json"),
        *("registry.sqlite", "registry.sqlite-journal", "registry.lock", "registry.lock.gate"),
    }
)


class Registry:
    """A registry in a folder, shared by any number of processes.

    Making this object touches nothing on the disk. Readers never create anything (trap 41);
    every writer sees to it that the registry is there.

    Args:
        root: the registry's folder; it need not exist.
        must_be_there: refuse to make the folder: it is on a disk that may not be mounted, and one
            made in its place would hide what is there.
    """

    def __init__(self, root: Path, *, must_be_there: bool = False) -> None:
        self.root = root
        self._must_be_there = must_be_there
        self._lock = root / "registry.lock"
        self._blobs = Blobs(root, self.writing)
        self._refs = RefTable(root / "registry.sqlite")
        self._is_ready = False

    def __repr__(self) -> str:
        return f"Registry({str(self.root)!r})"

    def exists(self) -> bool:
        """Return whether there is a registry at the root."""
        return (self.root / projection.LAYOUT).is_file() and (
            self.root / "registry.sqlite"
        ).is_file()

    def initialise(self) -> None:
        """Make the registry unless it is there; every writer calls this.

        Raises:
            UsageError: the root holds something else.
            StorageError: the disk refused.
        """
        if self._is_ready:
            return
        if not self.exists():
            self._check_free()
            try:
                for folder in ("blobs/sha256", "tmp", "leases"):
                    make_folder(self.root / folder)
            except OSError as error:
                raise storage_error(error, self.root) from error
            self._refs.create()
            with self._refs.held(ARTIFACT) as named:
                projection.write(self.root, named, self.describe)
            projection.write_layout(self.root)
            sync_folder(self.root)
        self._is_ready = True

    def _check_free(self) -> None:
        try:
            found = set(os.listdir(self.root))
        except FileNotFoundError:
            if self._must_be_there:
                raise StorageError(
                    f"the registry {self.root} is not there",
                    hint="mount its disk, or choose another with `aexp install --registry-root`",
                ) from None
            return
        except OSError as error:
            raise storage_error(error, self.root) from error
        foreign = "registry.sqlite" not in found and projection.LAYOUT in found
        if foreign or not found <= _OURS:
            what = "an OCI layout of another tool" if foreign else "not empty, and no registry"
            raise UsageError(
                f"{self.root} is {what}",
                hint="name an empty folder for the registry (--root, AEXP_REGISTRY_ROOT)",
            )

    # --- blobs ---------------------------------------------------------------------------

    def put(self, data: bytes) -> Blob:
        """Store ``data``; it is durable when this returns (REG-04).

        Content that is there already is reused, and its time of modification renewed (REG-02).

        Raises:
            StorageError: the disk refused; nothing is left.
        """
        self.initialise()
        return self._blobs.put(data)

    def put_many(self, items: Sequence[bytes]) -> list[Blob]:
        """Store all of ``items`` like :meth:`put`, with one flush of the folder."""
        self.initialise()
        return self._blobs.put_many(items)

    def put_file(self, path: Path, *, progress: Progress | None = None) -> Blob:
        """Store a file's content, streamed: it may be larger than the memory (REG-04).

        It is copied, or shares the source's blocks where the file system can do that safely;
        it is never a hard link to the source, which can change.

        Args:
            path: the file; a link is followed.
            progress: called with the number of bytes just done.

        Raises:
            NotFoundError: there is no such file.
            UsageError: it is a folder or a device.
            StorageError: the disk refused; nothing is left.
        """
        self.initialise()
        return self._blobs.put_file(path, progress)

    def put_stream(
        self,
        stream: BinaryIO,
        *,
        progress: Progress | None = None,
        expect: str | None = None,
    ) -> Blob:
        """Store what can be read from ``stream``, in constant memory.

        Args:
            stream: read to its end.
            progress: called with the number of bytes just done.
            expect: the digest that it must have.

        Raises:
            CorruptDataError: it has another digest; nothing is kept.
            StorageError: the disk refused; nothing is left.
            OSError: what the stream itself raises, as it is; nothing is kept.
        """
        self.initialise()
        return self._blobs.put_stream(stream, progress, expect)

    def adopt(self, temp: Path, blob: Blob) -> None:
        """Make a blob of a file in ``tmp/`` without copying it; the file is gone then.

        Args:
            temp: on the registry's file system, and written by nobody any more.
            blob: what it holds; the caller has verified that.

        Raises:
            StorageError: the disk refused.
        """
        self.initialise()
        self._blobs.adopt(temp, blob)

    def has(self, digest: str) -> bool:
        """Return whether the blob ``digest`` is there."""
        return self._blobs.size(digest) is not None

    def touch(self, digest: str) -> bool:
        """Renew the time of a blob, as if it were stored anew; return whether it is there.

        From then on the writer's lease keeps it from a collection (GC-03).
        """
        if not self.exists():
            return False
        with self.writing():
            return self._blobs.touch(digest)

    def size(self, digest: str) -> int | None:
        """Return the size of the blob ``digest`` in bytes, None when it is not there."""
        return self._blobs.size(digest)

    def path(self, digest: str) -> Path:
        """Return the file of the blob ``digest``, there or not; it is never to be changed."""
        return self._blobs.path(digest)

    def read(self, digest: str) -> bytes:
        """Return the bytes of a blob, verified.

        Raises:
            NotFoundError: it is not there.
            CorruptDataError: its bytes have another digest.
        """
        return self._blobs.read(digest)

    def open(self, digest: str) -> AbstractContextManager[BinaryIO]:
        """Return a blob as a stream, which is verified when it is read to its end.

        Raises:
            NotFoundError: it is not there.
            CorruptDataError: its bytes have another digest (raised by the read at the end).
        """
        return self._blobs.open(digest)

    def copy_to(self, digest: str, target: Path, *, progress: Progress | None = None) -> None:
        """Write a blob to ``target`` atomically, verified; a file that is there is replaced.

        Raises:
            NotFoundError: it is not there.
            CorruptDataError: its bytes have another digest; ``target`` is as it was.
            StorageError: the disk refused; ``target`` is as it was.
        """
        self._blobs.copy_to(digest, target, progress)

    def blobs(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the digest and the state of every blob file, in no order."""
        return self._blobs.all()

    # --- manifests -----------------------------------------------------------------------

    def put_manifest(self, manifest: Manifest | Index) -> Descriptor:
        """Store a manifest or an index.

        What it names is touched, as if it were stored anew: until a ref reaches the manifest, only
        its age and the writer's lease keep it from a collection (GC-03).

        Raises:
            NotFoundError: a blob that it names is not there.
        """
        self.initialise()
        with self.writing():
            for child in manifest.children():
                if not self._blobs.touch(child.digest):
                    raise missing(child.digest)
        data = manifest.encode()
        blob = self.put(data)
        return Descriptor(
            manifest.media_type, blob.digest, blob.size, artifact_type=manifest.artifact_type
        )

    def manifest(self, digest: str) -> Manifest | Index:
        """Return the manifest or index ``digest``, verified.

        Raises:
            NotFoundError: it is not there.
            CorruptDataError: it is damaged, or no manifest.
        """
        size = self.size(digest)
        if size is not None and size > LARGEST_MANIFEST:
            raise CorruptDataError(f"{digest} is no OCI manifest: it has {size} bytes")
        try:
            return decode_manifest(self.read(digest))
        except CorruptDataError as error:
            if digest in error.message:
                raise
            raise CorruptDataError(f"{digest}: {error.message}") from None

    def describe(self, digest: str) -> Descriptor | None:
        """Return what can be told of a manifest; None when it is missing."""
        size = self.size(digest)
        if size is None:
            return None
        try:
            found = self.manifest(digest)
        except (CorruptDataError, NotFoundError, StorageError):
            return Descriptor(MANIFEST, digest, size)
        return Descriptor(found.media_type, digest, size, artifact_type=found.artifact_type)

    # --- refs ----------------------------------------------------------------------------

    def publish(self, *changes: RefChange) -> None:
        """Change any number of refs in one transaction (REG-03).

        Raises:
            RefConflictError: a condition does not hold; nothing was changed.
            NotFoundError: a manifest is not in the registry; nothing was changed.
            UsageError: a name or a kind is none.
        """
        if not changes:
            return
        for change in changes:
            _check(change)
        self.initialise()
        with self.writing():
            for change in changes:
                if isinstance(change, SetRef) and not self.has(change.digest):
                    raise missing(change.digest)
            self._refs.apply(changes)
        if any(isinstance(c, DropRef) or c.kind == ARTIFACT for c in changes):
            self.project()

    def project(self) -> None:
        """Write ``index.json`` anew from the refs, for other tools (REG-01)."""
        # The database's own lock keeps an older projection from following a newer one.
        with self._refs.held(ARTIFACT) as named:
            projection.write(self.root, named, self.describe)

    def ref(self, name: str) -> Ref | None:
        """Return the ref of that name, None when there is none."""
        return self._refs.get(name)

    def refs(self, *, kind: str | None = None, session: str | None = None) -> list[Ref]:
        """Return refs by name: all, or those of one kind, or of one session."""
        return self._refs.find(kind, session)

    def watched_refs(self) -> AbstractContextManager[Callable[[], int]]:
        """Give a function that answers another number once anybody has changed a ref."""
        return self._refs.watched()

    # --- protection ----------------------------------------------------------------------

    def lease(self, what: str, owner: Owner | None = None) -> Lease:
        """Protect what is written from now on, until the lease is released.

        Args:
            what: what it is for, in words.
            owner: the process whose life it depends on; this one when None.
        """
        self.initialise()
        return leases.take(self.root / "leases", what, owner)

    def live_leases(self) -> list[Lease]:
        """Return the leases of processes that live, or may."""
        return [lease for lease in leases.read_all(self.root / "leases") if lease.is_live()]

    def writing(self) -> AbstractContextManager[None]:
        """Hold the registry's lock together with other writers, against a collection."""
        return shared_lock(self._lock)

    def sweeping(self) -> AbstractContextManager[None]:
        """Hold the registry's lock alone: nobody publishes a blob or a ref meanwhile.

        Raises:
            LocksUnsupportedError: the file system has no such locks.
        """
        return shared_lock(self._lock, alone=True)


def _check(change: RefChange) -> None:
    check_ref_name(change.name)
    if isinstance(change, SetRef) and change.kind not in KINDS:
        raise UsageError(
            f"{change.kind!r} is no kind of ref", hint="use one of: " + ", ".join(KINDS)
        )
