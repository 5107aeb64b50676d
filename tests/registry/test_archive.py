"""An artifact as one file (SES-06)."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.errors import (
    AexpError,
    CorruptDataError,
    NotFoundError,
    RefConflictError,
    StorageError,
    UsageError,
)
from aexp.model.oci import sha256_digest
from aexp.registry import Registry
from aexp.registry.archive import export_artifact, import_archive
from aexp.registry.verify import verify
from tests.registry.holding import held, leftovers, lose, put_artifact, spoil
from tests.support.failing import failing_storage

Edit = Callable[[dict[str, bytes]], None]


@pytest.fixture
def archive(registry: Registry, tmp_path: Path) -> Path:
    """An exported artifact with a parent."""
    parent = put_artifact(registry, b"old")
    described = put_artifact(registry, b"a", b"b" * 2_000_000, name="my run", subject=parent)
    export_artifact(registry, described.digest, tmp_path / "a.tar", name="my run")
    return tmp_path / "a.tar"


@pytest.fixture
def other(tmp_path: Path) -> Registry:
    """Another registry, which does not exist yet."""
    return Registry(tmp_path / "other")


def members(path: Path) -> dict[str, bytes]:
    """Return a tar's files."""
    with tarfile.open(path) as tar:
        return {
            member.name: content.read()
            for member in tar
            if (content := tar.extractfile(member)) is not None
        }


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write a tar."""
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_there_and_back(registry: Registry, archive: Path, other: Registry) -> None:
    """SES-06: everything comes along, the chain of parents included, under its name."""
    (done,) = import_archive(other, archive)
    ref = other.ref("my run")
    assert ref is not None
    assert (ref.kind, ref.digest, done.kind) == ("artifact", done.digest, "artifact")
    assert held(other.root) == held(registry.root)
    assert verify(other).problems == ()
    assert done.size == sum(map(len, held(other.root).values()))
    assert other.live_leases() == []
    assert import_archive(other, archive) == [done]  # again is no conflict


def test_the_same_artifact_gives_the_same_bytes(
    registry: Registry, archive: Path, other: Registry, tmp_path: Path
) -> None:
    """SES-06: an export can be compared by its digest, whoever made it."""
    (done,) = import_archive(other, archive)
    told: list[int] = []
    export_artifact(other, done.digest, tmp_path / "b.tar", name="my run", progress=told.append)
    assert (tmp_path / "b.tar").read_bytes() == archive.read_bytes()
    assert sum(told) == done.size


def test_an_archive_without_a_name(registry: Registry, other: Registry, tmp_path: Path) -> None:
    """GC-07: an unnamed import is anonymous; --name names it."""
    described = put_artifact(registry, b"a")
    export_artifact(registry, described.digest, tmp_path / "x.tar")
    (done,) = import_archive(other, tmp_path / "x.tar")
    assert (done.name, done.kind) == (f"anonymous/{described.digest[7:23]}", "anonymous")
    (again,) = import_archive(other, tmp_path / "x.tar", name="called")
    assert (again.name, again.kind) == ("called", "artifact")
    assert {ref.name: ref.kind for ref in other.refs()} == {
        str(done.name): "anonymous",
        "called": "artifact",
    }
    with pytest.raises(UsageError):
        import_archive(other, tmp_path / "x.tar", name="a\nb")


def test_a_name_that_stands_for_something_else(archive: Path, other: Registry) -> None:
    """SES-05: an import takes nobody's name unless it is told to."""
    before = put_artifact(other, b"mine", name="my run")
    with pytest.raises(RefConflictError, match="another artifact"):
        import_archive(other, archive)
    ref = other.ref("my run")
    assert ref is not None
    assert ref.digest == before.digest
    (done,) = import_archive(other, archive, replace=True)
    ref = other.ref("my run")
    assert ref is not None
    assert ref.digest == done.digest


def test_names_of_runs_and_checkpoints_are_not_taken(archive: Path, other: Registry) -> None:
    """SES-07: an import never replaces an internal ref, whatever its archive is called."""
    put_artifact(other, b"mine", name="my run", kind="checkpoint")
    with pytest.raises(RefConflictError):
        import_archive(other, archive, replace=True)
    ref = other.ref("my run")
    assert ref is not None
    assert ref.kind == "checkpoint"


def _flip(name: str) -> Edit:
    def edit(files: dict[str, bytes]) -> None:
        data = files[name]
        files[name] = bytes([data[0] ^ 1]) + data[1:]

    return edit


def _drop(name: str) -> Edit:
    return lambda files: files.pop(name) and None


def _index(**fields: object) -> Edit:
    def edit(files: dict[str, bytes]) -> None:
        files["index.json"] = json.dumps(json.loads(files["index.json"]) | fields).encode()

    return edit


def _entry(**fields: object) -> Edit:
    def edit(files: dict[str, bytes]) -> None:
        value = json.loads(files["index.json"])
        value["manifests"][0].update(fields)
        files["index.json"] = json.dumps(value).encode()

    return edit


BLOB = "blobs/sha256/" + sha256_digest(b"b" * 2_000_000)[7:]
PARENT_LAYER = "blobs/sha256/" + sha256_digest(b"old")[7:]
EDITS: dict[str, Edit] = {
    "a flipped bit": _flip(BLOB),
    "a lost layer": _drop(BLOB),
    "a lost layer of the parent": _drop(PARENT_LAYER),
    "no index": _drop("index.json"),
    "an empty index": _index(manifests=[]),
    "an odd index": _index(manifests="x"),
    "no JSON": _flip("index.json"),
    "a manifest that is not there": _entry(digest="sha256:" + "0" * 64),
    "a layer for a manifest": _entry(digest="sha256:" + BLOB[13:]),
    "another sort of digest": _entry(digest="sha512:" + "0" * 128),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_archive_that_is_not_whole(
    archive: Path, other: Registry, tmp_path: Path, what: str
) -> None:
    """SES-06, trap 51: any fault in the file is told, and no ref is published."""
    files = members(archive)
    EDITS[what](files)
    bad = write(tmp_path / "bad.tar", files)
    with pytest.raises(CorruptDataError):
        import_archive(other, bad)
    assert other.refs() == []
    assert leftovers(other.root) == []
    held(other.root)


def test_what_the_archive_lacks_is_not_taken_from_the_registry(
    registry: Registry, archive: Path, tmp_path: Path
) -> None:
    """SES-06: an archive is whole by itself, or refused, whatever is here already."""
    files = members(archive)
    _drop(PARENT_LAYER)(files)
    with pytest.raises(CorruptDataError, match="lacks"):
        import_archive(registry, write(tmp_path / "bad.tar", files), name="new")
    files = members(archive)
    _flip(BLOB)(files)
    with pytest.raises(CorruptDataError, match="promised"):
        import_archive(registry, write(tmp_path / "bad.tar", files), name="new")
    assert registry.ref("new") is None


@pytest.mark.parametrize("part", range(1, 8))
def test_a_torn_archive(archive: Path, other: Registry, tmp_path: Path, part: int) -> None:
    """SES-06: a file that broke off anywhere in its content is refused."""
    data = archive.read_bytes()
    torn = tmp_path / "torn.tar"
    torn.write_bytes(data[: len(data.rstrip(b"\0")) * part // 8])
    with pytest.raises(CorruptDataError):
        import_archive(other, torn)
    assert other.refs() == []


@pytest.mark.parametrize("content", [b"", b"x", b"PK\3\4" + bytes(600), bytes(10_240)])
def test_what_is_no_archive(other: Registry, tmp_path: Path, content: bytes) -> None:
    """Trap 32: any other file is refused in a sentence."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CorruptDataError, match="no whole OCI archive"):
        import_archive(other, tmp_path / "x")
    with pytest.raises(NotFoundError):
        import_archive(other, tmp_path / "nothing")
    with pytest.raises(NotFoundError):
        import_archive(other, tmp_path)


def test_members_that_lead_elsewhere(archive: Path, other: Registry, tmp_path: Path) -> None:
    """Trap 18: a path in the file is never used as a path on the disk."""
    files = members(archive)
    files = {f"./{name}": data for name, data in files.items()}
    files |= {"../../evil": b"x", "/etc/evil": b"x", "blobs/sha256/../../../evil": b"x"}
    files["blobs/sha512/" + "0" * 128] = b"x"
    (done,) = import_archive(other, write(tmp_path / "odd.tar", files))
    assert done.name == "my run"
    assert not list(tmp_path.rglob("evil"))
    assert len(held(other.root)) == done.blobs


def test_a_compressed_archive(archive: Path, other: Registry, tmp_path: Path) -> None:
    """SES-06: what was compressed for its way is read as it is."""
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(archive.read_bytes()))
    (done,) = import_archive(other, tmp_path / "a.tar.gz")
    assert done.name == "my run"
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(archive.read_bytes())[:-2000])
    with pytest.raises(CorruptDataError):
        import_archive(other, tmp_path / "b.tar.gz", name="torn")
    assert other.ref("torn") is None


def test_import_mends(registry: Registry, archive: Path) -> None:
    """REG-04: importing an artifact again brings back what was damaged or lost."""
    spoil(registry, sha256_digest(b"b" * 2_000_000))
    lose(registry, sha256_digest(b"old"))
    assert len(verify(registry).problems) == 2
    import_archive(registry, archive)
    assert verify(registry).problems == ()


def test_an_export_of_what_is_not_whole(registry: Registry, tmp_path: Path) -> None:
    """SES-06: a file that lacks something is never written."""
    described = put_artifact(registry, b"a", b"b" * 2_000_000)
    spoil(registry, sha256_digest(b"b" * 2_000_000))
    with pytest.raises(CorruptDataError, match="damaged"):
        export_artifact(registry, described.digest, tmp_path / "x.tar")
    lose(registry, sha256_digest(b"a"))
    with pytest.raises(CorruptDataError, match="not whole"):
        export_artifact(registry, described.digest, tmp_path / "x.tar")
    assert os.listdir(tmp_path) == ["registry"]


def test_a_file_that_is_there(registry: Registry, archive: Path) -> None:
    """Trap 60: nothing is overwritten unless it is asked for."""
    before = archive.read_bytes()
    digest = registry.refs()[0].digest
    with pytest.raises(UsageError, match="exists already"):
        export_artifact(registry, digest, archive)
    assert archive.read_bytes() == before
    export_artifact(registry, digest, archive, replace=True)
    assert archive.read_bytes() != before


def test_no_room_for_an_export(registry: Registry, tmp_path: Path) -> None:
    """Trap 9: an export that fails leaves the old file, and no temporary one."""
    described = put_artifact(registry, b"a")
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.tar").write_bytes(b"old")
    for step in ("fsync", "replace", "open"):
        with failing_storage(out, step), pytest.raises(StorageError):
            export_artifact(registry, described.digest, out / "x.tar", replace=True)
        assert [path.name for path in out.iterdir()] == ["x.tar"]
        assert (out / "x.tar").read_bytes() == b"old"
    with pytest.raises(AexpError):
        export_artifact(registry, described.digest, tmp_path / "no" / "x.tar")


def test_several_artifacts_in_one_file(
    registry: Registry, archive: Path, other: Registry, tmp_path: Path
) -> None:
    """REG-01: another tool's archive may hold several; all names or none are published."""
    second = put_artifact(registry, b"second")
    export_artifact(registry, second.digest, tmp_path / "b.tar", name="second")
    files = members(archive)
    files |= {k: v for k, v in members(tmp_path / "b.tar").items() if k != "index.json"}
    entries = [
        json.loads(members(path)["index.json"])["manifests"][0]
        for path in (archive, tmp_path / "b.tar")
    ]
    _index(manifests=entries)(files)
    both = write(tmp_path / "both.tar", files)
    with pytest.raises(UsageError, match="2 artifacts"):
        import_archive(other, both, name="x")
    put_artifact(other, b"mine", name="second")
    with pytest.raises(RefConflictError):
        import_archive(other, both)
    assert other.ref("my run") is None
    assert len(import_archive(other, both, replace=True)) == 2
    assert [ref.name for ref in other.refs()] == ["my run", "second"]
