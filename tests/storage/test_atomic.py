"""The atomic writer: old or new, never a mixture, durable, and nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from aexp.errors import StorageError
from aexp.storage import atomic
from aexp.storage.atomic import BatchWriter, make_folder, remove_leftovers, write_atomic, write_new
from tests.support.failing import fill_disk, small_disk
from tests.support.killed import kill_everywhere
from tests.support.os_calls import recorded_os_calls
from tests.support.race import run_together

Failing = Callable[..., Any]


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files below ``folder``."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def write_batch(folder: Path, size: int, *, then: Exception | None = None) -> None:
    """Write ``size`` files in one batch, or raise ``then`` within its block."""
    with BatchWriter(folder / "tmp") as batch:
        for number in range(size):
            batch.add(folder / str(number), b"new")
        if then is not None:
            raise then


# --- what it writes -----------------------------------------------------------------------------


def test_it_writes_and_replaces(tmp_path: Path) -> None:
    """LED-05: the whole content stands in the file, folders are made, no temporary file stays."""
    target = tmp_path / "a" / "b" / "file.json"
    for data in (b"one", b"", b"x" * 3_000_000):
        write_atomic(target, data, tmp_dir=tmp_path / "tmp")
        assert everything(tmp_path) == {"a/b/file.json": data}


def test_weird_names_are_written(weird_path: Path) -> None:
    """LED-05: any legal name works, in the file and in the folders."""
    target = weird_path / f"{weird_path.name}.json"
    write_atomic(target, b"x", tmp_dir=weird_path / "tmp")
    assert write_new(target, b"y", tmp_dir=weird_path / "tmp") is False
    assert everything(weird_path) == {target.name: b"x"}


def test_a_long_unicode_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    """LED-05: a name of 255 bytes is legal, so the temporary one may not be longer."""
    target = tmp_path / ("験" * 85)
    write_atomic(target, b"x")
    assert target.read_bytes() == b"x"


def test_the_temporary_file_is_where_git_cannot_see_it(tmp_path: Path) -> None:
    """Trap 10: a killed writer leaves its temporary file in the ignored folder only."""
    with recorded_os_calls(tmp_path) as calls:
        write_atomic(tmp_path / "ledger" / "x.json", b"x", tmp_dir=tmp_path / "tmp")
    opened = [c.path for c in calls.calls if c.name == "open"]
    assert len(opened) == 1
    assert opened[0].startswith("tmp/")
    assert opened[0].endswith(atomic.TEMP_SUFFIX)


def test_permissions_of_a_replaced_file_are_kept(tmp_path: Path) -> None:
    """LED-05: rewriting a private or executable file does not open or break it."""
    target = tmp_path / "hook"
    target.write_bytes(b"old")
    for mode in (0o755, 0o600):
        target.chmod(mode)
        write_atomic(target, b"new")
        assert stat.S_IMODE(target.stat().st_mode) == mode


def test_another_file_system_gets_its_own_temporary_file(tmp_path: Path) -> None:
    """LED-05: a rename cannot cross file systems, so the temporary file goes beside the target."""
    with small_disk(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("mounting a small disk needs root")
        write_atomic(disk / "f", b"x", tmp_dir=tmp_path / "tmp")
        with BatchWriter(tmp_path / "tmp") as batch:
            batch.add(disk / "g", b"y")
            batch.add(tmp_path / "h", b"z")
        assert everything(disk) == {"f": b"x", "g": b"y"}
    assert everything(tmp_path) == {"h": b"z"}


@pytest.mark.parametrize("kind", ["replace", "batch", "new"])
def test_a_bind_mount_is_crossed(tmp_path: Path, kind: str, failing_storage: Failing) -> None:
    """LED-05: one device number does not promise a rename (bind mounts, subvolumes)."""
    target, tmp = tmp_path / "ledger" / "x", tmp_path / "tmp"
    call = "link" if kind == "new" else "replace"
    with failing_storage(call, times=1, error=errno.EXDEV) as disk:
        if kind == "replace":
            write_atomic(target, b"x", tmp_dir=tmp)
        elif kind == "new":
            assert write_new(target, b"x", tmp_dir=tmp)
        else:
            with BatchWriter(tmp) as batch:
                batch.add(target, b"x")
    assert disk.failed
    assert everything(tmp_path) == {"ledger/x": b"x"}


# --- durability ---------------------------------------------------------------------------------


def test_content_is_flushed_before_the_rename_and_the_folder_after(tmp_path: Path) -> None:
    """Trap 9: write, fsync, rename, fsync of the folder, in this order."""
    (tmp_path / "tmp").mkdir()
    with recorded_os_calls(tmp_path) as calls:
        write_atomic(tmp_path / "f", b"x", tmp_dir=tmp_path / "tmp")
    assert calls.names() == ["open", "write", "fsync", "replace", "fsync"]
    temp = calls.calls[0].path
    assert [c.path for c in calls.calls] == [temp, temp, temp, temp, "."]
    assert calls.calls[3].target == "f"


def test_a_new_file_is_flushed_before_it_is_linked(tmp_path: Path) -> None:
    """Trap 9: the same order for exclusive creation."""
    with recorded_os_calls(tmp_path) as calls:
        assert write_new(tmp_path / "f", b"x")
    assert calls.names() == ["open", "write", "fsync", "link", "fsync", "unlink"]


def test_new_folders_are_durable_in_their_parents(tmp_path: Path) -> None:
    """Trap 9: a file is lost with its folder, so each new folder is flushed into its parent."""
    with recorded_os_calls(tmp_path) as calls:
        make_folder(tmp_path / "a" / "b")
    assert [str(c) for c in calls.calls] == ["mkdir a", "fsync .", "mkdir a/b", "fsync a"]


def test_a_batch_flushes_once(tmp_path: Path) -> None:
    """Trap 79: one flush of the file system, then the renames, then one flush per folder."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out").mkdir()
    with recorded_os_calls(tmp_path) as calls, BatchWriter(tmp_path / "tmp") as batch:
        for number in range(20):
            batch.add(tmp_path / "out" / str(number), b"x")
    names = calls.names()
    assert names == ["open", "write"] * 20 + ["syncfs"] + ["replace"] * 20 + ["fsync"]
    assert calls.calls[-1].path == "out"


def test_nothing_of_a_batch_is_visible_before_it_is_durable(tmp_path: Path) -> None:
    """LED-05: a reader sees none of the files before publication."""
    with BatchWriter(tmp_path / "tmp") as batch:
        batch.add(tmp_path / "a", b"x")
        assert not (tmp_path / "a").exists()
        batch.publish()
        assert (tmp_path / "a").read_bytes() == b"x"
        batch.add(tmp_path / "a", b"y")
    assert everything(tmp_path) == {"a": b"y"}


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_refusal_leaves_the_old_file_and_no_other(
    tmp_path: Path, failing_storage: Failing, call: str, error: int
) -> None:
    """Traps 9, 10: whatever step fails, the old bytes stand and no temporary file is left."""
    target = tmp_path / "f"
    write_atomic(target, b"old", tmp_dir=tmp_path / "tmp")
    with (
        failing_storage(call, times=1, error=error) as disk,
        pytest.raises(StorageError, match=os.strerror(error)) as caught,
    ):
        write_atomic(target, b"new", tmp_dir=tmp_path / "tmp")
    assert disk.failed
    assert caught.value.errno == error
    assert caught.value.hint or error == errno.EIO
    assert everything(tmp_path) == {"f": b"old"}


def test_a_torn_write_leaves_the_old_file(tmp_path: Path, failing_storage: Failing) -> None:
    """Trap 9: a disk that fills up halfway."""
    write_atomic(tmp_path / "f", b"old")
    with failing_storage("write", torn=True) as disk, pytest.raises(StorageError):
        write_atomic(tmp_path / "f", b"0123456789")
    assert [c.size for c in disk.seen] == [10, 5]
    assert everything(tmp_path) == {"f": b"old"}


def test_a_short_write_is_continued(tmp_path: Path, failing_storage: Failing) -> None:
    """LED-05: a kernel that takes less than it was given is given the rest."""
    with failing_storage("write", torn=True, times=0) as disk:
        write_atomic(tmp_path / "f", b"0123456789")
    assert [c.size for c in disk.seen] == [10, 5]
    assert everything(tmp_path) == {"f": b"0123456789"}


def test_an_error_on_closing_counts(tmp_path: Path) -> None:
    """LED-05: NFS reports a full disk when the file is closed."""
    write_atomic(tmp_path / "f", b"old")
    real = os.close

    def close(fd: int) -> None:
        real(fd)
        raise OSError(errno.ENOSPC, "No space left on device")

    with mock.patch.object(os, "close", close), pytest.raises(StorageError):
        write_atomic(tmp_path / "f", b"new")
    assert everything(tmp_path) == {"f": b"old"}


def test_the_new_file_is_whole_when_only_the_folder_flush_fails(
    tmp_path: Path, failing_storage: Failing
) -> None:
    """LED-05: the documented exception: renamed, but not known to survive a power failure."""
    write_atomic(tmp_path / "f", b"old")
    with failing_storage("fsync", nth=2, error=errno.EIO), pytest.raises(StorageError):
        write_atomic(tmp_path / "f", b"new")
    assert everything(tmp_path) == {"f": b"new"}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_folder_flush_is_used_all_the_same(
    tmp_path: Path, failing_storage: Failing, number: int
) -> None:
    """LED-05: some network file systems cannot flush folders."""
    with failing_storage("fsync", nth=2, error=number):
        write_atomic(tmp_path / "f", b"x")
    assert everything(tmp_path) == {"f": b"x"}


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    """Trap 32: an ordinary mistake is a StorageError."""
    (tmp_path / "a").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        write_atomic(tmp_path / "a" / "b", b"x")


def test_a_folder_in_the_way_of_a_file_is_an_error(tmp_path: Path) -> None:
    """Traps 2, 10: a folder called ``<hex>.json`` is not replaced, and leaves no temporary file."""
    (tmp_path / "x.json").mkdir()
    with pytest.raises(StorageError):
        write_atomic(tmp_path / "x.json", b"x", tmp_dir=tmp_path / "tmp")
    assert everything(tmp_path) == {}


@pytest.mark.parametrize(("call", "nth"), [("write", 3), ("syncfs", 1), ("open", 4)])
def test_a_failing_batch_leaves_nothing(
    tmp_path: Path, failing_storage: Failing, call: str, nth: int
) -> None:
    """LED-05: a batch that fails before the renames publishes none of its files."""
    write_atomic(tmp_path / "2", b"old")
    with (
        failing_storage(call, nth=nth) as disk,
        pytest.raises(StorageError),
    ):
        write_batch(tmp_path, 5)
    assert disk.failed
    assert everything(tmp_path) == {"2": b"old"}


def test_a_failing_rename_keeps_what_was_renamed(tmp_path: Path, failing_storage: Failing) -> None:
    """LED-05: each file of a batch is old or new, and no temporary file stays."""
    with (
        failing_storage("replace", nth=3, error=errno.EIO),
        pytest.raises(StorageError),
    ):
        write_batch(tmp_path, 5)
    assert everything(tmp_path) == {"0": b"new", "1": b"new"}


def test_an_exception_in_the_block_publishes_nothing(tmp_path: Path) -> None:
    """LED-05: leaving the block by an error discards the batch."""
    with pytest.raises(KeyError):
        write_batch(tmp_path, 3, then=KeyError("x"))
    assert everything(tmp_path) == {}


def test_a_really_full_disk(small_disk: Path) -> None:
    """LED-05: the real thing, with room again afterwards."""
    target = small_disk / "f"
    write_atomic(target, b"old", tmp_dir=small_disk / "tmp")
    filler = fill_disk(small_disk)
    with pytest.raises(StorageError, match="No space left") as caught:
        write_atomic(target, b"x" * 10_000, tmp_dir=small_disk / "tmp")
    assert "free some disk space" in (caught.value.hint or "")
    filler.unlink()
    assert everything(small_disk) == {"f": b"old"}
    write_atomic(target, b"x" * 10_000, tmp_dir=small_disk / "tmp")
    assert target.stat().st_size == 10_000


# --- exclusive creation -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_creation_without_hard_links(tmp_path: Path, failing_storage: Failing, number: int) -> None:
    """LED-05: FAT and some FUSE file systems have no hard links."""
    with failing_storage("link", error=number):
        assert write_new(tmp_path / "f", b"x", tmp_dir=tmp_path / "tmp") is True
        assert write_new(tmp_path / "f", b"y", tmp_dir=tmp_path / "tmp") is False
    assert everything(tmp_path) == {"f": b"x"}


def test_creation_without_hard_links_on_a_full_disk(
    tmp_path: Path, failing_storage: Failing
) -> None:
    """LED-05: half a file is not left where a whole one must be."""
    real, sizes = os.write, [None, 2]

    def write(fd: int, data: Any) -> int:
        if not sizes:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[: sizes.pop(0)])

    with (
        failing_storage("link", error=errno.EPERM),
        mock.patch.object(os, "write", write),
        pytest.raises(StorageError),
    ):
        write_new(tmp_path / "f", b"0123456789")
    assert sizes == []
    assert everything(tmp_path) == {}


def _create(folder: str, content: bytes) -> bool:
    return write_new(Path(folder) / "f", content, tmp_dir=Path(folder) / "tmp")


def test_of_many_creators_one_wins(tmp_path: Path) -> None:
    """Trap 8: exactly one of the processes is told that it created the file."""
    contents = [str(n).encode() * 10_000 for n in range(4)]
    won = run_together(_create, [(str(tmp_path), content) for content in contents])
    assert won.count(True) == 1
    assert everything(tmp_path) == {"f": contents[won.index(True)]}


# --- many writers and readers -------------------------------------------------------------------


def _write_often(folder: str, name: str, times: int) -> int:
    for number in range(times):
        body = json.dumps({"who": name, "number": number, "fill": name * 5000})
        write_atomic(Path(folder) / "f", body.encode(), tmp_dir=Path(folder) / "tmp")
    return times


def _read_often(folder: str, until: float) -> tuple[int, int]:
    good = torn = 0
    end = time.monotonic() + until
    while time.monotonic() < end:
        try:
            json.loads((Path(folder) / "f").read_bytes())
            good += 1
        except ValueError:
            torn += 1
    return good, torn


def _work(kind: str, *args: Any) -> Any:
    return _write_often(*args) if kind == "write" else _read_often(*args)


def test_four_writers_and_two_readers(tmp_path: Path) -> None:
    """Trap 8: no write is lost with an error, no read is torn, no temporary file stays."""
    _write_often(str(tmp_path), "z", 1)
    writers = [("write", str(tmp_path), name, 60) for name in "abcd"]
    readers = [("read", str(tmp_path), 1.5) for _ in range(2)]
    answers = run_together(_work, [*writers, *readers])
    assert answers[:4] == [60] * 4
    assert sum(good for good, _ in answers[4:]) > 20
    assert sum(torn for _, torn in answers[4:]) == 0
    assert list(everything(tmp_path)) == ["f"]


# --- killed -------------------------------------------------------------------------------------

KILLED = """
from pathlib import Path
from aexp.storage.atomic import write_atomic
write_atomic(Path("out/f"), b"new new new", tmp_dir=Path("tmp"))
"""
KILLED_BATCH = """
from pathlib import Path
from aexp.storage.atomic import BatchWriter
with BatchWriter(Path("tmp")) as batch:
    for name in "fg":
        batch.add(Path("out", name), b"new new new")
"""


@pytest.mark.parametrize(("code", "names"), [(KILLED, "f"), (KILLED_BATCH, "fg")])
def test_killed_at_every_step(tmp_path: Path, code: str, names: str) -> None:
    """LED-05, trap 9: after a kill at any step each file is old or new, and the rest is in tmp/."""

    def place(number: int) -> Path:
        folder = tmp_path / str(number)
        (folder / "out").mkdir(parents=True)
        (folder / "tmp").mkdir()
        for name in names:
            (folder / "out" / name).write_bytes(b"old")
        return folder

    outcomes = set()
    for _, where in kill_everywhere(["-c", code], place, phases=("before", "torn")):
        found = everything(where / "out")
        assert set(found) == set(names)
        assert set(found.values()) <= {b"old", b"new new new"}
        outcomes.add(tuple(found.values()))
        for name in everything(where / "tmp"):
            assert name.endswith(atomic.TEMP_SUFFIX)
        left = len(everything(where / "tmp"))
        assert remove_leftovers(where / "tmp", min_age_s=-5) == left
    assert len(outcomes) == len(names) + 1


def test_leftovers_are_removed_when_old(tmp_path: Path) -> None:
    """Trap 38: what killed writers left goes away, a living writer's file and others stay."""
    old, new, other = (tmp_path / n for n in ("a.aexp-tmp", "b.aexp-tmp", "c.json"))
    for path in (old, new, other):
        path.write_text("x")
    for path in (old, other):
        os.utime(path, (1, 1))
    assert remove_leftovers(tmp_path) == 1
    assert sorted(everything(tmp_path)) == ["b.aexp-tmp", "c.json"]
    assert remove_leftovers(tmp_path / "missing") == 0
