"""Push and pull when things go wrong: retries, resumption, order (SHR-01, EXE-40)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import (
    CorruptDataError,
    NotFoundError,
    RemoteUnavailableError,
    TransferError,
)
from aexp.registry.collect import collect
from aexp.registry.remotes import sending
from aexp.registry.remotes.base import CHUNK
from aexp.registry.remotes.places import MARKER, RemoteRef, blob_path, decode_ref, ref_folder
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, Parcel, find_refs, pull, push
from aexp.repo import Layout
from tests.registry.remote_fixtures import layout, other, registry, shared
from tests.registry.remote_help import (
    FlakyRemote,
    Told,
    Waits,
    blob_names,
    folder_remote,
    opened,
    parcel,
    run_parcel,
    seal,
)

__all__ = ["layout", "other", "registry", "shared"]

BIG = os.urandom(9 * CHUNK + 11)


def test_order(layout: Layout, registry: Registry, shared: Path) -> None:
    """SHR-01: blobs, then manifests behind what they name, then refs."""
    older = seal(registry, b"a")
    newer = seal(registry, b"b", BIG, subject=older)
    remote = FlakyRemote(folder_remote(shared))
    push(layout, registry, remote, [run_parcel(newer.digest)])
    written = [path for name, path in remote.calls if name in ("put", "write")]
    assert written[0] == MARKER
    assert written[-1].startswith("refs/run/11/")
    assert written[-2] == blob_path(newer.digest)
    assert written[-3] == blob_path(older.digest)
    assert len(written) == 8
    assert blob_names(shared) == {digest for digest, _ in registry.blobs()}


def test_retries_are_counted_and_wait_longer_and_longer(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """EXE-40: three tries after the first, at doubling distance; bytes are counted once."""
    whole = seal(registry, BIG)
    waits, told = Waits(), Told()
    remote = FlakyRemote(folder_remote(shared), fail={"put": 3}, after=2 * CHUNK)
    report = push(layout, registry, remote, [parcel(whole)], waits.options(reporter=told))
    assert waits.slept == [5.0, 10.0, 20.0]
    assert report.retries == 3
    assert told.problems == ["lab: the line went dead"] * 3
    assert told.moved == told.most == told.sizes["push"] == sum(b.size for b in report.copied)
    assert told.ended == 1
    assert blob_names(shared) == {digest for digest, _ in registry.blobs()}


def test_tries_are_used_up(layout: Layout, registry: Registry, shared: Path) -> None:
    """EXE-40: the last error is shown, no ref is written, and the next push continues."""
    whole = seal(registry, BIG)
    waits = Waits()
    remote = FlakyRemote(folder_remote(shared), fail={"put": 4}, after=CHUNK)
    with pytest.raises(RemoteUnavailableError, match=r"went dead \(tried 4 times\)"):
        push(layout, registry, remote, [run_parcel(whole.digest)], waits.options())
    assert waits.slept == [5.0, 10.0, 20.0]
    assert list(shared.glob("refs/**/*.json")) == []
    part = max((shared / "tmp").iterdir(), key=lambda path: path.stat().st_size)
    assert part.stat().st_size == 4 * CHUNK
    assert part.read_bytes() == BIG[: 4 * CHUNK]
    report = push(layout, registry, folder_remote(shared), [run_parcel(whole.digest)])
    assert report.refs == 1
    assert blob_names(shared) == {digest for digest, _ in registry.blobs()}
    assert list((shared / "tmp").iterdir()) == []


def test_what_is_not_transient_is_not_tried_again(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """EXE-40: a refusal is an answer."""
    whole = seal(registry, b"x")
    waits = Waits()
    shared.write_bytes(b"a file where the folder should be")
    with pytest.raises(TransferError) as caught:
        push(layout, registry, folder_remote(shared), [parcel(whole)], waits.options())
    assert not isinstance(caught.value, RemoteUnavailableError)
    assert waits.slept == []


@given(
    size=st.integers(0, 300),
    there=st.integers(0, 310),
    flip=st.none() | st.integers(0, 309),
    tail=st.integers(1, 64),
)
def test_sending_into_what_arrived_earlier(
    size: int, there: int, flip: int | None, tail: int
) -> None:
    """SHR-01: a beginning is kept when its end agrees, and the result is right if it was right."""
    data = bytes(i % 251 for i in range(size))
    early = bytearray((data + b"beyond the end")[:there])
    if flip is not None and flip < len(early):
        early[flip] ^= 255

    class Part:
        def __init__(self) -> None:
            self.data, self.at, self.written = bytearray(early), 0, 0

        def seek(self, offset: int) -> None:
            self.at = offset

        def read(self, size: int) -> bytes:
            piece = bytes(self.data[self.at : self.at + min(size, 7)])
            self.at += len(piece)
            return piece

        def write(self, piece: bytes) -> int:
            count = min(len(piece), 5)
            self.data[self.at : self.at + count] = piece[:count]
            self.at += count
            self.written += count
            return count

        def truncate(self, size: int) -> None:
            del self.data[size:]

    part, seen = Part(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "TAIL", tail)
        patch.setattr(sending, "CHUNK", 16)
        sending.send(part, len(early), opened(data), size, seen.append)
    assert sum(seen) == size
    tail_is_right = len(early) <= size and early[-tail:] == data[: len(early)][-tail:]
    if tail_is_right:
        assert part.written == size - len(early)
    else:
        assert part.written == size
        assert bytes(part.data) == data
    if early == data[: len(early)]:
        assert bytes(part.data) == data


def test_a_download_continues_in_the_same_process(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """SHR-01, EXE-40: after the line went dead only the rest is fetched."""
    whole = seal(registry, BIG)
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    waits, told = Waits(), Told()
    remote = FlakyRemote(folder_remote(shared), fail={"chunks": 2}, after=3 * CHUNK)
    report = pull(other, remote, [parcel(whole)], waits.options(reporter=told))
    assert remote.offsets[:3] == [0, 3 * CHUNK, 6 * CHUNK]
    assert (waits.slept, report.retries) == ([5.0, 10.0], 2)
    assert told.moved == told.most == told.sizes["pull"]
    assert other.read(report.copied[0].digest) == BIG


def test_a_download_continues_in_the_next_process(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """SHR-01: what came before the tries were used up is kept, verified, and not fetched again."""
    whole = seal(registry, BIG)
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    remote = FlakyRemote(folder_remote(shared), fail={"chunks": 4}, after=CHUNK)
    with pytest.raises(RemoteUnavailableError):
        pull(other, remote, [run_parcel(whole.digest)], Waits().options())
    assert other.refs() == []
    assert not other.has(whole.digest)
    again, told = FlakyRemote(folder_remote(shared)), Told()
    pull(other, again, [run_parcel(whole.digest)], Waits().options(reporter=told))
    assert again.offsets[0] == 4 * CHUNK
    assert told.moved == told.sizes["pull"]
    assert [ref.digest for ref in other.refs()] == [whole.digest]
    assert [p.name for p in (other.root / "tmp").iterdir()] == []


def test_a_dry_run_changes_nothing(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """SHR-01, trap 41: what would go is told, with sizes; neither side is touched."""
    whole = seal(registry, b"one", b"three")
    dry = Options(dry_run=True)
    report = push(layout, registry, folder_remote(shared), [run_parcel(whole.digest)], dry)
    assert not shared.exists()
    assert {blob.size for blob in report.copied} >= {3, 5}
    push(layout, registry, folder_remote(shared), [run_parcel(whole.digest)])
    report = pull(other, folder_remote(shared), [run_parcel(whole.digest)], dry)
    assert len(report.copied) == 4
    assert not other.root.exists()


class Crowded(FlakyRemote):
    """A remote with very many other blobs."""

    def list(self, folder: str) -> dict[str, int]:
        others = {f"other {n}": 1 for n in range(2000)}
        return {**super().list(folder), **others}


def test_few_are_asked_for_and_many_are_listed(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """SHR-01: whether hundreds of blobs are there is known after 256 questions or so."""
    whole = seal(registry, *(f"{n}".encode() for n in range(700)))
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    remote = FlakyRemote(folder_remote(shared))
    report = push(layout, registry, remote, [parcel(whole)])
    assert report.copied == []
    assert len(remote.calls) < 500
    # Where each folder holds thousands of others, asking is quicker than listing.
    remote = Crowded(folder_remote(shared))
    assert push(layout, registry, remote, [parcel(whole)]).copied == []
    assert len([path for name, path in remote.calls if name == "list"]) == 1
    few = seal(registry, b"7")
    remote = FlakyRemote(folder_remote(shared))
    push(layout, registry, remote, [parcel(few)])
    assert not [path for name, path in remote.calls if name == "list"]


def test_a_pull_holds_a_lease(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """GC-03, trap 36: a collection in the middle takes nothing of a half pull."""
    whole = seal(registry, b"was here before", b"new", BIG)
    push(layout, registry, folder_remote(shared), [run_parcel(whole.digest)])
    old = other.put(b"was here before")
    os.utime(other.path(old.digest), (1, 1))
    seen = []

    class Watched(FlakyRemote):
        def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
            seen.append(len(other.live_leases()))
            collect(other, delete=True, grace_s=0)
            yield from super().chunks(path, offset, size)

    pull(other, Watched(folder_remote(shared)), [run_parcel(whole.digest)], Waits().options())
    assert seen
    assert set(seen) == {1}
    assert other.live_leases() == []
    assert {d for d, _ in other.blobs()} == {d for d, _ in registry.blobs()}


def test_forgotten_parts_are_removed(layout: Layout, registry: Registry, shared: Path) -> None:
    """SHR-01, trap 38: what a killed push left is not there for ever; what is young stays."""
    whole = seal(registry, b"x")
    (shared / "tmp").mkdir(parents=True)
    for name, age in (("old", 8), ("young", 6)):
        (shared / "tmp" / f"{name}.part").write_bytes(b"half")
        then = time.time() - age * 24 * 3600
        os.utime(shared / "tmp" / f"{name}.part", (then, then))
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    assert [p.name for p in (shared / "tmp").iterdir()] == ["young.part"]


def test_one_failure_ends_the_others(layout: Layout, registry: Registry, shared: Path) -> None:
    """SHR-01: a push that cannot succeed does not go on for hours; no thread is left."""
    whole = seal(registry, *(os.urandom(50) for _ in range(200)))

    class Refusing(FlakyRemote):
        def put(self, *args: object) -> None:
            self.calls.append(("put", ""))
            raise TransferError("lab: no room")

    remote = Refusing(folder_remote(shared))
    with pytest.raises(TransferError, match="no room"):
        push(layout, registry, remote, [parcel(whole)])
    assert len([c for c in remote.calls if c[0] == "put"]) < 40
    assert not [t for t in threading.enumerate() if t.name.startswith("aexp-remote")]


def test_a_remote_without_anything(other: Registry, shared: Path) -> None:
    """SHR-01: a pull from nowhere says so, and makes nothing."""
    with pytest.raises(NotFoundError, match="nothing has been pushed to lab"):
        pull(other, folder_remote(shared), [parcel_of("sha256:" + "0" * 64)])
    assert not shared.exists()
    assert not other.root.exists()


def parcel_of(digest: str) -> Parcel:
    """Return a parcel of one manifest."""
    return Parcel("it", manifests=(digest,))


def test_an_unmounted_disk_gets_nothing_in_its_place(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    """SHR-01: the folder above the remote's must be there."""
    whole = seal(registry, b"x")
    with pytest.raises(TransferError, match="above it is not there"):
        push(layout, registry, folder_remote(tmp_path / "mnt" / "lab"), [parcel(whole)])
    assert not (tmp_path / "mnt").exists()


def test_plain_blobs(layout: Layout, registry: Registry, other: Registry, shared: Path) -> None:
    """SHR-01, EXE-31: content without a manifest travels too."""
    blob = registry.put(b"an asset")
    push(layout, registry, folder_remote(shared), [Parcel("asset", blobs=(blob,))])
    report = pull(other, folder_remote(shared), [Parcel("asset", blobs=(blob,))])
    assert (report.done, other.read(blob.digest)) == (["asset"], b"an asset")


@given(
    name=st.text(st.characters(blacklist_categories=("Cs",)), min_size=1),
    kind=st.sampled_from(["artifact", "anonymous"]),
    facts=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2),
)
def test_refs_of_any_name(name: str, kind: str, facts: dict[str, str]) -> None:
    """SHR-01, trap 18: a ref comes back as it went, at a path that every store takes."""
    ref = RemoteRef(kind, name, "sha256:" + "a" * 64, "2026-01-01", "laptop", facts)
    assert decode_ref(ref.encode(), ref.path) == ref
    parts = ref.path.split("/")
    assert len(parts) == 4
    assert all(p.isascii() and len(p) < 100 and p.strip(".") for p in parts)
    assert not set(ref.path) - set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"
    )
    assert ref_folder(kind, name) != ref_folder(kind, name + "x")
    with pytest.raises(CorruptDataError):
        decode_ref(ref.encode(), ref.path.replace("a" * 64, "b" * 64))


def test_all_refs_of_a_name_are_found(layout: Layout, registry: Registry, shared: Path) -> None:
    """SES-05: what two clones push under one name is kept, the oldest first."""
    digests = [seal(registry, str(n).encode()).digest for n in range(3)]
    for day, digest in zip((3, 1, 2), digests, strict=True):
        ref = RemoteRef("artifact", "E001", digest, f"2026-01-0{day}", "laptop", {})
        push(layout, registry, folder_remote(shared), [Parcel("E001", (digest,), refs=(ref,))])
    found = find_refs(folder_remote(shared), "artifact", ["E001", "E002"])
    assert [ref.digest for ref in found["E001"]] == [digests[1], digests[2], digests[0]]
    assert found["E002"] == []
    next(shared.glob("refs/artifact/*/*")).write_text("{")
    with pytest.raises(CorruptDataError, match="refs/artifact"):
        find_refs(folder_remote(shared), "artifact", ["E001"])
