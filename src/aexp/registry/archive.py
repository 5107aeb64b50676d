"""An artifact as one file: a tar of an OCI layout, which other tools know too (SES-06)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

from aexp.errors import CorruptDataError, NotFoundError, RefConflictError, StorageError, UsageError
from aexp.model.canonical import Json
from aexp.model.oci import Descriptor, Index, decode_manifest, is_digest
from aexp.registry import projection
from aexp.registry.refs import ANONYMOUS, ANY, ARTIFACT, SetRef, check_ref_name
from aexp.registry.store import Registry
from aexp.registry.verify import check_whole
from aexp.storage.appearing import appearing

Progress: TypeAlias = Callable[[int], None]

_BLOBS: Final = "blobs/sha256/"
_LARGEST_INDEX = 1 << 26


@dataclass(frozen=True, slots=True)
class Archived:
    """An artifact that was exported or imported.

    Attributes:
        name: in the registry; None for an export by digest.
        digest: of its manifest.
        kind: of the ref, empty for an export.
        blobs: how many it has, manifests included.
        size: their bytes.
    """

    name: str | None
    digest: str
    kind: str
    blobs: int
    size: int

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "name": self.name,
            "digest": self.digest,
            "kind": self.kind,
            "blobs": self.blobs,
            "size": self.size,
        }


def export_artifact(
    registry: Registry,
    digest: str,
    target: Path,
    *,
    name: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Archived:
    """Write everything an artifact needs, its parents included, into one file.

    The same artifact gives the same bytes. Everything is verified on the way, and the file appears
    when it is whole.

    Args:
        registry: where the artifact is.
        digest: of its manifest.
        target: the file.
        name: what it is called in the file; None leaves it unnamed.
        replace: whether a file that is there may be replaced.
        progress: called with the number of bytes just done.

    Raises:
        UsageError: the file is there already.
        CorruptDataError: a blob is missing or damaged.
        StorageError: the disk refused; nothing is left.
    """
    if target.exists() and not replace:
        raise UsageError(f"{target} exists already", hint="name another file, or give --force")
    marks = check_whole(registry, digest)
    described = registry.describe(digest)
    assert described is not None
    labels = {} if name is None else projection.labels(name)
    entry = Descriptor(
        described.media_type, digest, described.size, labels, described.artifact_type
    )
    size = 0
    with appearing(target) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        _add(tar, projection.LAYOUT, projection.LAYOUT_CONTENT)
        _add(tar, "index.json", Index((entry,)).encode())
        for member in sorted(marks.reached):
            size += _add_blob(tar, registry, member, progress)
    return Archived(name, digest, "", len(marks.reached), size)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_member(name, len(data)), io.BytesIO(data))


def _add_blob(
    tar: tarfile.TarFile, registry: Registry, digest: str, progress: Progress | None
) -> int:
    size = registry.size(digest)
    if size is None:
        raise CorruptDataError(f"{digest} has just disappeared from the registry")
    with registry.open(digest) as stream:
        tar.addfile(_member(_BLOBS + digest[7:], size), cast("BinaryIO", _Told(stream, progress)))
        if stream.read(1):  # reading past the end is what verifies
            raise CorruptDataError(f"{digest} has grown while it was read")
    return size


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info


class _Told:
    """A stream that tells how much was read."""

    def __init__(self, stream: BinaryIO, progress: Progress | None) -> None:
        self._stream = stream
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._progress is not None:
            self._progress(len(data))
        return data


def import_archive(
    registry: Registry,
    source: Path,
    *,
    name: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> list[Archived]:
    """Take the artifacts of a file into the registry; every byte is verified.

    Named ones become artifacts. One without a name becomes anonymous (GC-07). No ref changes
    unless everything in the file is whole.

    Args:
        registry: where to put them; made when it is not there.
        source: a tar of an OCI layout, compressed or not.
        name: what to call the one artifact in the file, whatever it says itself.
        replace: whether names may be moved that stand for something else.
        progress: called with the number of bytes just done.

    Raises:
        NotFoundError: there is no such file.
        CorruptDataError: it is no such archive, incomplete, or damaged.
        RefConflictError: a name stands for another artifact.
    """
    if name is not None:
        check_ref_name(name)
    if not source.is_file():
        raise NotFoundError(f"{source} is no file", hint="check the path")
    with registry.lease(f"import of {source.name}"):
        entries, brought = _unpack(registry, source, progress)
        if not entries:
            raise CorruptDataError(f"{source} holds no artifact: its index.json is empty")
        if name is not None and len(entries) > 1:
            raise UsageError(f"{source} holds {len(entries)} artifacts", hint="leave --name out")
        done = [_whole(registry, entry, brought, name, source) for entry in entries]
        _publish(registry, done, replace)
    return done


def _unpack(
    registry: Registry, source: Path, progress: Progress | None
) -> tuple[tuple[Descriptor, ...], set[str]]:
    """Store the archive's blobs; return what its index lists, and the digests it brought."""
    index: bytes | None = None
    brought: set[str] = set()
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r|*") as tar:
            for member in tar:
                path = member.name.removeprefix("./")
                if not member.isfile():
                    continue
                content = tar.extractfile(member)
                assert content is not None
                if path == "index.json":
                    if member.size > _LARGEST_INDEX:
                        raise CorruptDataError(f"the index.json of {source} is too large")
                    index = content.read()
                elif path.startswith(_BLOBS) and is_digest(digest := f"sha256:{path[13:]}"):
                    stream = cast("BinaryIO", content)
                    registry.put_stream(stream, progress=progress, expect=digest)
                    brought.add(digest)
    except (tarfile.TarError, EOFError) as error:
        raise _no_archive(source, str(error)) from None
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise _no_archive(source, error.strerror or str(error)) from None
    if index is None:
        raise _no_archive(source, "it has no index.json")
    try:
        found = decode_manifest(index)
    except CorruptDataError as error:
        raise _no_archive(source, f"of its index.json: {error.message}") from None
    if not isinstance(found, Index):
        raise _no_archive(source, "its index.json is no index")
    return found.manifests, brought


def _no_archive(source: Path, why: str) -> CorruptDataError:
    return CorruptDataError(
        f"{source} is no whole OCI archive: {why}", hint="get the file again from where it was made"
    )


def _whole(
    registry: Registry, entry: Descriptor, brought: set[str], name: str | None, source: Path
) -> Archived:
    """Return the artifact of an index entry, proved to be whole in the archive."""
    marks = check_whole(registry, entry.digest)
    absent = sorted(marks.reached.keys() - brought)
    if absent:
        raise _no_archive(source, f"it lacks {absent[0]}")
    for digest, stated in marks.reached.items():
        if stated and stated != registry.size(digest):
            raise _no_archive(source, f"it states a wrong size of {digest}")
    known = name or projection.name_in(entry)
    called = check_ref_name(known) if known else f"anonymous/{entry.digest[7:23]}"
    size = sum(registry.size(digest) or 0 for digest in marks.reached)
    kind = ARTIFACT if known else ANONYMOUS
    return Archived(called, entry.digest, kind, len(marks.reached), size)


def _publish(registry: Registry, done: list[Archived], replace: bool) -> None:
    changes = []
    for item in done:
        assert item.name is not None
        present = registry.ref(item.name)
        if present is not None and present.digest == item.digest and present.kind == item.kind:
            continue
        if present is not None and not (replace and present.kind in (ARTIFACT, ANONYMOUS)):
            raise RefConflictError(
                f"{item.name!r} stands for another artifact, {present.digest}",
                hint="give the import another name with --name, or --replace",
            )
        expect = ANY if replace else None
        changes.append(SetRef(item.name, item.kind, item.digest, expect=expect))
    registry.publish(*changes)
