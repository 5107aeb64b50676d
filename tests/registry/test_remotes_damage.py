"""Damage on a remote, on the way and here: reported, mended, never accepted (SHR-01)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aexp.errors import (
    CorruptDataError,
    NewerSchemaError,
    NotFoundError,
    RemoteUnavailableError,
    TransferError,
)
from aexp.registry.blobs import Blob
from aexp.registry.remotes.base import CHUNK
from aexp.registry.remotes.places import MARKER, blob_path
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, pull, push
from aexp.repo import Layout
from tests.registry.remote_fixtures import layout, other, registry, shared
from tests.registry.remote_help import (
    FlakyRemote,
    Told,
    Waits,
    blob_names,
    folder_remote,
    parcel,
    run_parcel,
    seal,
)

__all__ = ["layout", "other", "registry", "shared"]

BIG = os.urandom(9 * CHUNK + 11)


def test_a_beginning_of_something_else_is_sent_anew(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """SHR-01: what a part holds is compared with the blob before it is continued."""
    whole = seal(registry, BIG)
    remote = FlakyRemote(folder_remote(shared), fail={"put": 4}, after=CHUNK)
    with pytest.raises(RemoteUnavailableError):
        push(layout, registry, remote, [parcel(whole)], Waits().options())
    part = max((shared / "tmp").iterdir(), key=lambda path: path.stat().st_size)
    part.write_bytes(bytes(5 * CHUNK))
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    assert blob_names(shared) == {digest for digest, _ in registry.blobs()}


@pytest.mark.parametrize("length", [CHUNK, len(BIG), len(BIG) + 5])
def test_a_kept_beginning_that_is_wrong_is_given_up(
    layout: Layout, registry: Registry, other: Registry, shared: Path, length: int
) -> None:
    """SHR-01, trap 51: no torn or foreign bytes get into the registry by way of a resumption."""
    whole = seal(registry, BIG)
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    other.initialise()
    (big,) = (d for d, s in registry.blobs() if s.st_size == len(BIG))
    (other.root / "tmp" / f"pull-{big[7:]}.aexp-tmp").write_bytes(bytes(length))
    told = Told()
    pull(other, folder_remote(shared), [parcel(whole)], Waits().options(reporter=told))
    assert other.read(big) == BIG
    assert told.moved == told.sizes["pull"]
    assert os.stat(other.path(big)).st_mode & 0o777 == 0o444


def test_an_answer_that_ends_early_is_asked_for_again(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """SHR-01: fewer bytes without an error are an interruption, not the end."""
    whole = seal(registry, BIG, b"small")
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    waits = Waits()
    remote = FlakyRemote(folder_remote(shared), end_early=2, after=2)
    report = pull(other, remote, [parcel(whole)], waits.options())
    assert report.retries == 2
    assert {d for d, _ in other.blobs()} == {d for d, _ in registry.blobs()}


@pytest.mark.parametrize("damage", ["other bytes", "shorter", "longer", "gone"])
@pytest.mark.parametrize("content", [b"a small one", BIG], ids=["small", "big"])
def test_a_wrong_blob_is_reported_and_never_accepted(
    layout: Layout, registry: Registry, other: Registry, shared: Path, damage: str, content: bytes
) -> None:
    """SHR-01, trap 51: whoever needs it gets no ref; the others are completed all the same."""
    bad, good = seal(registry, content), seal(registry, b"good")
    parcels = [run_parcel(bad.digest, "1" * 32), run_parcel(good.digest, "2" * 32)]
    push(layout, registry, folder_remote(shared), parcels)
    digest = registry.put(content).digest
    path = shared / blob_path(digest)
    flipped = bytes([content[0] ^ 1]) + content[1:]
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"other bytes": flipped}.get(damage) or (content + b"x"))
    if damage == "shorter":
        path.write_bytes(content[:-1])
    waits, told = Waits(), Told()
    report = pull(other, folder_remote(shared), parcels, waits.options(reporter=told))
    wanted = "is not on lab" if damage == "gone" else "is damaged"
    assert set(report.problems) == {digest}
    assert wanted in report.problems[digest]
    assert report.done == ["2" * 32]
    assert [ref.name for ref in other.refs()] == ["run/x/" + "2" * 32]
    assert not other.has(digest)
    assert not other.has(bad.digest)
    assert waits.slept == []
    mended = push(layout, registry, folder_remote(shared), parcels, Options(verify=True))
    assert [blob.digest for blob in mended.copied] == [digest]
    assert mended.mended == ([] if damage == "gone" else [digest])
    assert pull(other, folder_remote(shared), parcels).problems == {}
    assert other.read(digest) == content


def test_a_wrong_manifest_is_never_followed(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """SHR-01: a manifest is verified before what it names is fetched."""
    whole, fake = seal(registry, b"true"), seal(registry, b"false")
    push(layout, registry, folder_remote(shared), [parcel(whole), parcel(fake)])
    (shared / blob_path(whole.digest)).write_bytes(registry.read(fake.digest))
    parcels = [run_parcel(whole.digest, "1" * 32), run_parcel(fake.digest, "2" * 32)]
    report = pull(other, folder_remote(shared), parcels)
    assert list(report.problems) == [whole.digest]
    assert "damaged; it was not taken" in report.problems[whole.digest]
    assert (report.done, len(other.refs())) == (["2" * 32], 1)
    (shared / blob_path(whole.digest)).unlink()
    report = pull(other, folder_remote(shared), parcels[:1])
    assert report.problems == {whole.digest: f"{whole.digest} is not on lab"}
    assert report.done == []
    above = seal(registry, b"above", subject=whole)
    push(layout, registry, folder_remote(shared), [parcel(above)])
    (shared / blob_path(whole.digest)).unlink()
    report = pull(other, folder_remote(shared), [run_parcel(above.digest, "3" * 32)])
    assert (list(report.problems), report.done) == ([whole.digest], [])
    assert not other.has(above.digest)


def test_what_did_not_arrive_whole_is_sent_again(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """SHR-01: before a manifest is written its blobs were seen in their full size."""
    whole = seal(registry, b"0123456789")
    remote = FlakyRemote(folder_remote(shared), truncate_puts=1)
    push(layout, registry, remote, [parcel(whole)], Waits().options())
    assert blob_names(shared) == {digest for digest, _ in registry.blobs()}
    always = FlakyRemote(folder_remote(shared.with_name("bad")), truncate_puts=99)
    with pytest.raises(TransferError, match="of its"):
        push(layout, registry, always, [run_parcel(whole.digest)], Waits().options())
    assert list(shared.with_name("bad").glob("refs/**/*.json")) == []


def test_a_remote_that_gives_back_other_bytes(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """SHR-01: with verify, what was sent is read back before any ref is written."""
    whole = seal(registry, b"0123456789")
    remote = FlakyRemote(folder_remote(shared), corrupt_puts=1)
    with pytest.raises(CorruptDataError, match="gives back other bytes"):
        push(layout, registry, remote, [run_parcel(whole.digest)], Waits().options(verify=True))
    assert list(shared.glob("refs/**/*.json")) == []
    mended = push(
        layout, registry, remote, [run_parcel(whole.digest)], Waits().options(verify=True)
    )
    assert len(mended.mended) == 1


def test_a_damaged_blob_does_not_leave_here(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """SHR-01: what is sent is verified while it is read."""
    whole = seal(registry, BIG)
    (big,) = (d for d, s in registry.blobs() if s.st_size == len(BIG))
    registry.path(big).chmod(0o600)
    registry.path(big).write_bytes(BIG[:-1] + b"?")
    with pytest.raises(CorruptDataError, match="damaged"):
        push(layout, registry, folder_remote(shared), [run_parcel(whole.digest)])
    assert big not in {f"sha256:{p.name}" for p in shared.glob("blobs/sha256/*/*")}
    registry.path(big).unlink()
    with pytest.raises(NotFoundError, match="does not hold"):
        push(layout, registry, folder_remote(shared), [run_parcel(whole.digest)])
    assert list(shared.glob("refs/**/*.json")) == []


def test_pull_mends_a_damaged_blob_when_told_to_look(
    layout: Layout, registry: Registry, shared: Path
) -> None:
    """SHR-01: with verify, what is here is read before it counts."""
    whole = seal(registry, b"content")
    push(layout, registry, folder_remote(shared), [parcel(whole)])
    digest = registry.put(b"content").digest
    registry.path(digest).chmod(0o600)
    registry.path(digest).write_bytes(b"CONTENT")
    assert pull(registry, folder_remote(shared), [parcel(whole)]).copied == []
    mended = pull(registry, folder_remote(shared), [parcel(whole)], Options(verify=True))
    assert mended.copied == [Blob(digest, 7)]
    assert registry.read(digest) == b"content"


def test_a_remote_of_a_newer_version_is_left_alone(
    layout: Layout, registry: Registry, other: Registry, shared: Path
) -> None:
    """SHR-01: an unknown layout is refused with a hint to upgrade; a damaged marker too."""
    whole = seal(registry, b"x")
    shared.mkdir()
    (shared / MARKER).write_text('{"aexp_remote": 2}')
    with pytest.raises(NewerSchemaError):
        push(layout, registry, folder_remote(shared), [parcel(whole)])
    with pytest.raises(NewerSchemaError):
        pull(other, folder_remote(shared), [parcel(whole)])
    (shared / MARKER).write_text("<html>")
    with pytest.raises(CorruptDataError, match=r"aexp-remote\.json"):
        push(layout, registry, folder_remote(shared), [parcel(whole)])
    assert [p.name for p in shared.iterdir()] == [MARKER]
