"""Objects to share, and remotes that fail, for the tests of remotes."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from aexp.errors import RemoteUnavailableError
from aexp.model.attachment import Attachment
from aexp.model.oci import EMPTY, EMPTY_CONFIG, Descriptor, Index, Manifest, sha256_digest
from aexp.registry.refs import SetRef
from aexp.registry.remotes.base import Progress, Remote, Source
from aexp.registry.remotes.folder import FolderRemote
from aexp.registry.remotes.places import RemoteRef
from aexp.registry.remotes.retry import Retry
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, Parcel


def seal(registry: Registry, *contents: bytes, subject: Descriptor | None = None) -> Descriptor:
    """Store contents and a manifest with one layer for each."""
    config = registry.put(EMPTY_CONFIG)
    layers = []
    for number, blob in enumerate(registry.put_many(contents)):
        attachment = Attachment(
            f"part {number}", "application/octet-stream", blob.digest, blob.size
        )
        layers.append(attachment.layer())
    return registry.put_manifest(
        Manifest(
            config=Descriptor(EMPTY, config.digest, config.size),
            layers=tuple(layers),
            artifact_type="application/vnd.aexp.run.v1+json",
            subject=subject,
        )
    )


def collect(registry: Registry, *manifests: Descriptor) -> Descriptor:
    """Store an index of manifests."""
    return registry.put_manifest(Index(manifests=manifests))


def parcel(descriptor: Descriptor, name: str = "it") -> Parcel:
    """Return what push and pull take."""
    return Parcel(name, manifests=(descriptor.digest,))


def run_parcel(digest: str, name: str = "1" * 32) -> Parcel:
    """Return a run with a ref on both sides."""
    ref = RemoteRef("run", name, digest, "2026-01-01T00:00:00+00:00", "laptop", {})

    def finish(registry: Registry) -> list[SetRef]:
        return [SetRef(f"run/x/{name}", "run", digest)]

    return Parcel(name, manifests=(digest,), refs=(ref,), finish=finish)


def opened(data: bytes) -> Source:
    """Return a source of ``data``."""

    def source() -> AbstractContextManager[BinaryIO]:
        return io.BytesIO(data)

    return source


def blob_names(folder: Path) -> set[str]:
    """Return the digests of the blobs in a remote's folder, each file looked at whole."""
    found = set()
    for path in folder.glob("blobs/sha256/*/*"):
        digest = sha256_digest(path.read_bytes())
        assert digest == f"sha256:{path.name}", f"{path.name} is torn"
        assert path.parent.name == path.name[:2]
        found.add(digest)
    return found


@dataclass
class Waits:
    """A retry rule that waits for nothing, and remembers for how long it would have.

    Attributes:
        slept: the seconds, in order.
    """

    slept: list[float] = field(default_factory=list)

    def rule(self, max_retries: int = 3, delay_s: float = 5.0) -> Retry:
        """Return the rule."""
        return Retry(max_retries, delay_s, self.slept.append)

    def options(self, **more: object) -> Options:
        """Return options with this rule, and one transfer at a time."""
        return Options(retry=self.rule(), workers=1, **more)  # type: ignore[arg-type]


@dataclass
class Told:
    """A reporter that remembers.

    Attributes:
        sizes: what was announced, by kind.
        moved: the bytes so far.
        least: the fewest and most there ever were.
        problems: of the tries that failed.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    moved: int = 0
    most: int = 0
    problems: list[str] = field(default_factory=list)
    ended: int = 0

    def begin(self, what: str, count: int, size: int) -> None:
        self.sizes[what] = size
        self.moved = 0

    def advance(self, size: int) -> None:
        self.moved += size
        self.most = max(self.most, self.moved)

    def retrying(self, problem: str, number: int, delay_s: float) -> None:
        self.problems.append(problem)

    def end(self) -> None:
        self.ended += 1


class FlakyRemote:
    """A remote whose answers fail, end early, or are wrong, as often as it is told.

    Args:
        inner: the remote behind it.
        fail: how often each kind of call fails before it works: ``{"put": 2}``.
        after: so many bytes go through before it fails; of puts so many more at each failure.
    """

    def __init__(
        self,
        inner: Remote,
        *,
        fail: dict[str, int] | None = None,
        after: int = 0,
        truncate_puts: int = 0,
        corrupt_puts: int = 0,
        end_early: int = 0,
    ) -> None:
        self.inner = inner
        self.shown = inner.shown
        self.fail = dict(fail or {})
        self.after = after
        self.truncate_puts = truncate_puts
        self.corrupt_puts = corrupt_puts
        self.end_early = end_early
        self.calls: list[tuple[str, str]] = []
        self.offsets: list[int] = []
        self.broken = 0
        self._guard = threading.Lock()

    def _call(self, name: str, path: str) -> bool:
        """Note a call, and return whether it is to fail."""
        with self._guard:
            self.calls.append((name, path))
            left = self.fail.get(name, 0)
            self.fail[name] = left - 1
        return left > 0

    def _refuse(self, name: str, path: str) -> None:
        if self._call(name, path):
            raise RemoteUnavailableError(f"{self.shown}: the line went dead")

    def size(self, path: str) -> int | None:
        self._refuse("size", path)
        return self.inner.size(path)

    def list(self, folder: str) -> dict[str, int]:
        self._refuse("list", folder)
        return self.inner.list(folder)

    def read(self, path: str, limit: int) -> bytes:
        self._refuse("read", path)
        return self.inner.read(path, limit)

    def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        breaks = self._call("chunks", path)
        self.offsets.append(offset)
        done = 0
        early = self.end_early > 0
        self.end_early -= 1
        for chunk in self.inner.chunks(path, offset, size):
            if (breaks or early) and done + len(chunk) > self.after:
                yield chunk[: self.after - done]
                if early:
                    return
                raise RemoteUnavailableError(f"{self.shown}: the line went dead")
            done += len(chunk)
            yield chunk
        if breaks:
            raise RemoteUnavailableError(f"{self.shown}: the line went dead")

    def put(self, path: str, source: Source, size: int, token: str, progress: Progress) -> None:
        breaks = self._call("put", path)
        if self.truncate_puts > 0 and path.startswith("blobs/"):
            self.truncate_puts -= 1
            with source() as stream:
                half = stream.read(size // 2)
            self.inner.put(path, opened(half), len(half), secrets.token_hex(4), progress)
            return
        if self.corrupt_puts > 0:
            self.corrupt_puts -= 1
            with source() as stream:
                data = bytearray(stream.read())
            data[-1] ^= 1
            self.inner.put(path, opened(bytes(data)), size, secrets.token_hex(4), progress)
            return
        if breaks:
            self.broken += 1
            self.inner.put(path, self._broken(source), size, token, progress)
        self.inner.put(path, source, size, token, progress)

    def _broken(self, source: Source) -> Source:
        @contextmanager
        def broken() -> Iterator[BinaryIO]:
            with source() as stream:
                yield _Breaking(stream, self.broken * self.after, self.shown)  # type: ignore[misc]

        return broken

    def write(self, path: str, data: bytes) -> None:
        self._refuse("write", path)
        self.inner.write(path, data)

    def tidy(self, age_s: float) -> None:
        self.inner.tidy(age_s)

    def close(self) -> None:
        self.inner.close()


class _Breaking:
    """A stream after whose first bytes the line goes dead."""

    def __init__(self, stream: BinaryIO, after: int, shown: str) -> None:
        self._stream = stream
        self._left = after
        self._shown = shown

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise RemoteUnavailableError(f"{self._shown}: the line went dead")
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def folder_remote(folder: Path) -> FolderRemote:
    """Return a remote in ``folder``."""
    return FolderRemote(folder, "lab")
