"""Blobs: written once, durable, verified (REG-02, REG-04)."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.errors import CorruptDataError, NotFoundError, StorageError, UsageError
from aexp.model.oci import sha256_digest
from aexp.registry import Registry
from tests.registry.holding import held, leftovers, lose, put_artifact, spoil
from tests.support.failing import failing_storage, fill_disk, small_disk
from tests.support.os_calls import recorded_os_calls

MIB = 1 << 20
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 7]
GONE = "sha256:" + "0" * 64


def noise(size: int) -> bytes:
    """Return bytes that are the same in each run."""
    return random.Random(size).randbytes(size)


class Drip(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)
        self._sizes = random.Random(1)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = min(len(view), len(self._rest), self._sizes.randrange(1, 300_000))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def test_a_small_blob_costs_two_flushes(registry: Registry) -> None:
    """REG-04: content flushed, then its name, then the folder; nothing else is flushed."""
    registry.initialise()
    with recorded_os_calls(registry.root) as calls:
        blob = registry.put(b"hello")
    steps = [
        str(call).split(".aexp-tmp")[-1].strip() for call in calls.calls if "lock" not in call.path
    ]
    name = f"blobs/sha256/{blob.digest[7:]}"
    assert calls.names().count("fsync") == 2
    assert steps[-2:] in (["", "fsync blobs/sha256"], ["fsync blobs/sha256", ""])
    order = [call.name for call in calls.calls if call.name in ("write", "fsync", "link")]
    assert order == ["write", "fsync", "link", "fsync"]
    assert [call.target for call in calls.calls if call.name == "link"] == [name]
    assert leftovers(registry.root) == []
    assert held(registry.root)[blob.digest] == b"hello"


def test_the_same_content_is_reused_and_touched(registry: Registry) -> None:
    """REG-02: one file, its time of modification renewed, its bytes not written again."""
    blob = registry.put(b"hello")
    path = registry.path(blob.digest)
    os.utime(path, (1, 1))
    before = path.stat()
    with recorded_os_calls(registry.root) as calls:
        assert registry.put(b"hello") == blob
        assert registry.put_stream(io.BytesIO(b"hello")) == blob
    after = path.stat()
    assert "link" not in calls.names() and "replace" not in calls.names()
    assert (before.st_ino, after.st_ino) == (after.st_ino, before.st_ino)
    assert after.st_mtime > before.st_mtime + 1e6
    assert len(held(registry.root)) == 1


def test_a_young_blob_of_another_process_is_made_durable(registry: Registry) -> None:
    """REG-04: who put it may die before its name is on the disk, so whoever reuses it flushes."""
    blob = registry.put(b"hello")
    other = Registry(registry.root)
    with recorded_os_calls(registry.root) as calls:
        other.put(b"hello")
    assert [c.path for c in calls.calls if c.name == "fsync"] == ["blobs/sha256"]
    with recorded_os_calls(registry.root) as calls:
        other.put(b"hello")
        put_artifact(other, b"hello")
        other.put(b"hello")
    names = [call for call in calls.calls if call.name == "fsync" and call.path == "blobs/sha256"]
    assert len(names) == 2  # of the manifest and its config: of the blob it is known already
    os.utime(registry.path(blob.digest), (1, 1))
    with recorded_os_calls(registry.root) as calls:
        Registry(registry.root).put(b"hello")
    assert "fsync" not in calls.names()  # it is so old that it must be there
    lose(registry, blob.digest)
    with recorded_os_calls(registry.root) as calls:
        other.put(b"hello")
    assert calls.names().count("fsync") == 2


@pytest.mark.parametrize("damage", [b"hallo", b"hell", b""])
@pytest.mark.parametrize("how", ["put", "put_many", "put_file", "put_stream"])
def test_storing_again_mends_a_damaged_blob(
    registry: Registry, tmp_path: Path, how: str, damage: bytes
) -> None:
    """REG-04: content that is at hand is never thrown away for a damaged copy of it."""
    blob = registry.put(b"hello")
    spoil(registry, blob.digest, damage)
    source = tmp_path / "source"
    source.write_bytes(b"hello")
    again: dict[str, Callable[[], object]] = {
        "put": lambda: registry.put(b"hello"),
        "put_many": lambda: registry.put_many([b"hello"]),
        "put_file": lambda: registry.put_file(source),
        "put_stream": lambda: registry.put_stream(io.BytesIO(b"hello")),
    }
    again[how]()
    assert held(registry.root)[blob.digest] == b"hello"
    assert leftovers(registry.root) == []


def test_a_blob_that_may_not_be_touched_is_replaced(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-02: in a shared registry another user's blob gets its new time by being put anew."""
    blob = registry.put(b"hello")
    path = registry.path(blob.digest)
    os.utime(path, (1, 1))

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "utime", refuse)
    assert registry.put(b"hello") == blob
    assert path.stat().st_mtime > 1e6


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size(registry: Registry, tmp_path: Path, size: int) -> None:
    """REG-04: digest, size and progress are right on both sides of every buffer's end."""
    data = noise(size)
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    told: list[int] = []
    blob = registry.put_file(source, progress=told.append)
    assert (blob.digest, blob.size) == (sha256_digest(data), size)
    assert sum(told) == size
    assert registry.read(blob.digest) == data
    with registry.open(blob.digest) as stream:
        assert stream.read() == data
    registry.copy_to(blob.digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.parametrize("size", [0, 5, 6 * MIB + 3])
def test_a_stream_that_gives_little_at_a_time(registry: Registry, size: int) -> None:
    """REG-04: short reads are no end."""
    data = noise(size)
    blob = registry.put_stream(io.BufferedReader(Drip(data)))
    raw = registry.put_stream(Drip(data))  # type: ignore[arg-type]
    assert blob == raw
    assert blob.digest == sha256_digest(data)


def test_a_stream_without_readinto(registry: Registry) -> None:
    """REG-04: whatever can be read from is a source."""

    class Plain:
        def __init__(self, data: bytes) -> None:
            self._inner = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            return self._inner.read(min(size, 70_000))

    data = noise(5 * MIB)
    assert registry.put_stream(Plain(data)).digest == sha256_digest(data)  # type: ignore[arg-type]


def test_a_source_that_fails(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-40: a stream's own error comes through as it is, so that a transfer can try again."""

    class Failing(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise ConnectionResetError(errno.ECONNRESET, "gone")

    with pytest.raises(ConnectionResetError):
        registry.put_stream(Failing())  # type: ignore[arg-type]
    source = tmp_path / "source"
    source.write_bytes(b"x")
    monkeypatch.setattr(
        "aexp.registry.ingest._read_into", lambda source, buffer: Failing().readinto(buffer)
    )
    with pytest.raises(StorageError, match=r"cannot read .*source"):
        registry.put_file(source)
    assert (leftovers(registry.root), held(registry.root)) == ([], {})


def test_a_stored_file_is_no_hard_link(registry: Registry, tmp_path: Path) -> None:
    """REG-04: what the user does to the source afterwards changes nothing."""
    source = tmp_path / "data.csv"
    source.write_bytes(b"a,b\n1,2\n")
    blob = registry.put_file(source)
    stored = registry.path(blob.digest).stat()
    assert stored.st_ino != source.stat().st_ino
    assert (stored.st_nlink, source.stat().st_nlink) == (1, 1)
    with source.open("r+b") as stream:
        stream.write(b"X")
    assert registry.read(blob.digest) == b"a,b\n1,2\n"
    assert stat.S_IMODE(stored.st_mode) & 0o222 == 0


def test_what_is_no_file(registry: Registry, tmp_path: Path) -> None:
    """REG-04: a folder, a pipe or a missing file is said to be one; a link is followed."""
    os.mkfifo(tmp_path / "pipe")
    for wrong in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UsageError, match="is no file"):
            registry.put_file(wrong)
    with pytest.raises(NotFoundError):
        registry.put_file(tmp_path / "nothing")
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    assert registry.put_file(tmp_path / "link").digest == sha256_digest(b"x")
    assert leftovers(registry.root) == []


def test_weird_source_names(registry: Registry, weird_path: Path) -> None:
    """REG-04: the source's name is nobody's business."""
    source = weird_path / weird_path.name
    source.write_bytes(b"weird")
    assert registry.put_file(source).digest == sha256_digest(b"weird")


def test_many_at_once(registry: Registry) -> None:
    """REG-04: one flush of the folder for all; from 16 files on, one flush for their content."""
    registry.put(b"3")
    few = [b"%d" % i for i in range(5)]
    with recorded_os_calls(registry.root) as calls:
        assert [b.digest for b in registry.put_many([*few, b"1"])] == [
            sha256_digest(d) for d in [*few, b"1"]
        ]
    assert calls.names().count("fsync") == 4 + 1  # four new, the folder
    many = [b"many %d" % i for i in range(40)]
    with recorded_os_calls(registry.root) as calls:
        registry.put_many(many)
    assert (calls.names().count("syncfs"), calls.names().count("fsync")) == (1, 1)
    assert calls.names().index("syncfs") < calls.names().index("link")
    assert registry.put_many([]) == []
    assert set(held(registry.root).values()) == {*few, *many}
    assert leftovers(registry.root) == []


def test_another_digest_than_promised(registry: Registry) -> None:
    """SHR-01: what comes from elsewhere and is not what was promised is not kept."""
    wanted = sha256_digest(b"right")
    assert registry.put_stream(io.BytesIO(b"right"), expect=wanted).digest == wanted
    with pytest.raises(CorruptDataError, match="promised"):
        registry.put_stream(io.BytesIO(b"wrong"), expect=wanted)
    assert list(held(registry.root)) == [wanted]
    assert leftovers(registry.root) == []


def test_reads_are_verified(registry: Registry, tmp_path: Path) -> None:
    """REG-04: a flipped bit is an error in every way to read, never data."""
    blob = registry.put(noise(3 * MIB))
    spoil(registry, blob.digest)
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    with pytest.raises(CorruptDataError, match="damaged"):
        registry.read(blob.digest)
    with pytest.raises(CorruptDataError, match="damaged"), registry.open(blob.digest) as stream:
        list(iter(lambda: stream.read(100_000), b""))
    with pytest.raises(CorruptDataError, match="damaged"), registry.open(blob.digest) as stream:
        stream.read()
    with pytest.raises(CorruptDataError, match="damaged"):
        registry.copy_to(blob.digest, target)
    assert target.read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["registry", "target"]


def test_a_copy_replaces_a_link_and_not_what_it_points_to(
    registry: Registry, tmp_path: Path
) -> None:
    """Trap 49: writing an attachment through a link never overwrites somebody's source."""
    blob = registry.put(b"new")
    (tmp_path / "source").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("source")
    registry.copy_to(blob.digest, tmp_path / "link")
    assert (tmp_path / "source").read_bytes() == b"precious"
    assert (tmp_path / "link").read_bytes() == b"new"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    "text", ["", "abc", "sha256:../../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "0" * 63]
)
def test_what_is_no_digest_names_no_file(registry: Registry, text: str) -> None:
    """Trap 18: a digest from elsewhere cannot lead out of the registry."""
    registry.initialise()
    for ask in (registry.has, registry.size, registry.read, registry.open, registry.path):
        with pytest.raises(UsageError, match="is no digest"):
            ask(text)  # type: ignore[operator]


def test_what_is_missing(registry: Registry, tmp_path: Path) -> None:
    """REG-04, trap 41: a missing blob is a clear error, and asking makes no registry."""
    assert not registry.has(GONE)
    assert registry.size(GONE) is None
    assert list(registry.blobs()) == []
    with pytest.raises(NotFoundError):
        registry.read(GONE)
    with pytest.raises(NotFoundError):
        registry.open(GONE)
    with pytest.raises(NotFoundError):
        registry.copy_to(GONE, tmp_path / "x")
    assert not registry.root.exists()
    assert list(tmp_path.iterdir()) == []


def test_all_blobs_are_listed(registry: Registry) -> None:
    """GC-02: every blob file, and nothing that is none."""
    digests = {blob.digest for blob in registry.put_many([b"%d" % i for i in range(20)])}
    (registry.root / "blobs" / "sha256" / "README").write_text("stray")
    (registry.root / "blobs" / "sha256" / ("f" * 64)).mkdir()
    assert {digest for digest, _ in registry.blobs()} == digests


STEPS = [("open", 1), ("write", 1), ("fsync", 1), ("link", 1), ("fsync", 2)]


@pytest.mark.parametrize(("step", "nth"), STEPS)
@pytest.mark.parametrize("how", ["put", "put_file", "put_stream", "put_many"])
def test_a_disk_that_refuses(
    registry: Registry, tmp_path: Path, how: str, step: str, nth: int
) -> None:
    """REG-04: any step that fails is a StorageError; no torn blob, no temporary file is left."""
    registry.initialise()
    data = noise(2 * MIB)
    source = tmp_path / "source"
    source.write_bytes(data)
    puts: dict[str, Callable[[], object]] = {
        "put": lambda: registry.put(data),
        "put_many": lambda: registry.put_many([data]),
        "put_file": lambda: registry.put_file(source),
        "put_stream": lambda: registry.put_stream(io.BytesIO(data)),
    }
    names = [step, "replace"] if step == "link" else [step]
    under = registry.root / ("tmp" if step in ("open", "write") else "")
    with failing_storage(under, names[0], nth=nth) as disk:
        if step == "link":
            with failing_storage(under, "replace"), pytest.raises(StorageError):
                puts[how]()
        else:
            with pytest.raises(StorageError) as caught:
                puts[how]()
            assert caught.value.errno == errno.ENOSPC
    assert disk.failed
    assert leftovers(registry.root) == []
    assert set(held(registry.root)) <= {sha256_digest(data)}
    assert registry.put(data).size == len(data)


def test_a_write_that_the_disk_tears(registry: Registry) -> None:
    """REG-04: a disk that fills up in the middle of a write leaves nothing."""
    registry.initialise()
    with (
        failing_storage(registry.root / "tmp", "write", torn=True),
        pytest.raises(StorageError, match="No space"),
    ):
        registry.put(noise(MIB))
    assert (leftovers(registry.root), held(registry.root)) == ([], {})
    with failing_storage(registry.root / "tmp", "write", torn=True, times=0):
        blob = registry.put(noise(MIB))
    assert registry.read(blob.digest) == noise(MIB)


def test_a_full_disk(tmp_path: Path) -> None:
    """REG-04: on a really full disk a put fails cleanly, and works again when there is room."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        if disk is None:
            pytest.skip("mounting needs root")
        registry = Registry(disk / "registry")
        kept = registry.put(b"kept")
        source = tmp_path / "large"
        source.write_bytes(noise(6 * MIB))
        with pytest.raises(StorageError, match="No space"):
            registry.put_file(source)
        assert leftovers(registry.root) == []
        filler = fill_disk(disk)
        with pytest.raises(StorageError):
            registry.put(noise(MIB))
        with pytest.raises(StorageError):
            registry.put_many([noise(1000 + i) for i in range(20)])
        assert leftovers(registry.root) == []
        filler.unlink()
        blob = registry.put(noise(MIB))
        assert set(held(registry.root)) == {kept.digest, blob.digest}


def test_a_file_system_without_hard_links(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-04: where there are no hard links a rename gives the blob its name."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    blob = registry.put(b"hello")
    assert held(registry.root) == {blob.digest: b"hello"}
    assert leftovers(registry.root) == []


def test_a_clone_is_hashed_and_not_the_source(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-04: where blocks are shared, the digest is that of what is kept."""
    import fcntl

    source = tmp_path / "source"
    source.write_bytes(noise(5 * MIB))
    asked: list[int] = []

    def clone(fd: int, request: int, origin: int) -> int:
        asked.append(request)
        os.write(fd, os.pread(origin, 1 << 30, 0))
        os.lseek(fd, 0, os.SEEK_SET)
        with source.open("r+b") as stream:
            stream.write(b"changed meanwhile")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    blob = registry.put_file(source)
    assert asked == [0x40049409]
    assert blob.digest == f"sha256:{hashlib.sha256(noise(5 * MIB)).hexdigest()}"
    assert registry.read(blob.digest) == noise(5 * MIB)
