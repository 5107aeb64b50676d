"""One copy of an input for all executions, verified at each use (EXE-07, trap 51)."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.data.cache import cache_folder, shared_copy
from aexp.errors import CorruptDataError, StorageError
from aexp.registry.blobs import Blob
from aexp.repo import Layout, open_layout
from tests.support.machines import Machine
from tests.support.race import run_together

DATA = bytes(range(256)) * 40
BLOB = Blob(f"sha256:{hashlib.sha256(DATA).hexdigest()}", len(DATA))
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    return open_layout(installed_repo.path)


class Source:
    """What is fetched, and how often.

    Attributes:
        data: what comes.
        count: how often it was asked for.
    """

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.count = 0

    def __call__(self, target: Path) -> None:
        self.count += 1
        target.write_bytes(self.data)


def test_a_copy_is_fetched_once(layout: Layout) -> None:
    """EXE-07: keyed by digest, MD5 stored as well, for all work trees of the repository."""
    source = Source()
    copy = shared_copy(layout, BLOB, MD5, source)
    assert shared_copy(layout, BLOB, MD5, source) == copy
    assert source.count == 1
    assert copy.read_bytes() == DATA
    assert copy.is_relative_to(layout.root / ".git/aexp/cache")
    assert not stat.S_IMODE(copy.stat().st_mode) & 0o222
    told = json.loads(copy.with_name(f"{copy.name}.json").read_bytes())
    assert told == {"digest": BLOB.digest, "md5": MD5, "size": len(DATA)}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: os.truncate(path, 100),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(DATA + b"more"),
        lambda path: path.write_bytes(b"x" + DATA[1:]),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
    ],
    ids=["truncated", "empty", "longer", "one bit", "gone", "link"],
)
def test_a_copy_that_is_not_whole_is_fetched_again(
    layout: Layout, spoil: Callable[[Path], object]
) -> None:
    """Trap 51: one truncated download was served for ever; here each use reads it."""
    source = Source()
    copy = shared_copy(layout, BLOB, MD5, source)
    copy.chmod(0o644)
    spoil(copy)
    assert shared_copy(layout, BLOB, MD5, source).read_bytes() == DATA
    assert source.count == 2
    assert [path.name for path in copy.parent.iterdir() if "tmp" in path.name] == []


@pytest.mark.parametrize("data", [DATA[:-1], b"", b"x" + DATA[1:]])
def test_what_comes_wrong_is_not_kept(layout: Layout, data: bytes) -> None:
    """EXE-07: the digest decides, before anybody can see the copy."""
    with pytest.raises(CorruptDataError, match="is something else"):
        shared_copy(layout, BLOB, MD5, Source(data))
    left = [path for path in cache_folder(layout).rglob("*") if path.is_file()]
    assert [path.name for path in left if path.stat().st_size] == []
    assert shared_copy(layout, BLOB, MD5, Source()).read_bytes() == DATA


def test_the_md5_must_be_right_too(layout: Layout) -> None:
    """EXE-07: where MD5 and SHA-256 were published of different bytes, somebody must look."""
    with pytest.raises(CorruptDataError, match="has the MD5"):
        shared_copy(layout, BLOB, "0" * 32, Source())


def test_an_error_leaves_nothing(layout: Layout) -> None:
    """EXE-07: what breaks off is no copy, and its lock is free."""

    def broken(target: Path) -> None:
        target.write_bytes(DATA[:100])
        raise ConnectionResetError

    with pytest.raises(StorageError, match="cannot write"):
        shared_copy(layout, BLOB, MD5, broken)
    assert shared_copy(layout, BLOB, MD5, Source()).read_bytes() == DATA


def _fetch_slowly(root: str, log: str) -> bytes:
    def fetch(target: Path) -> None:
        with open(log, "a") as stream:
            stream.write(f"{os.getpid()}\n")
        with target.open("wb") as stream:
            for start in range(0, len(DATA), 1024):
                stream.write(DATA[start : start + 1024])
                stream.flush()
                time.sleep(0.02)

    return shared_copy(open_layout(root), BLOB, MD5, fetch).read_bytes()


def test_two_processes_race_for_one_copy(layout: Layout, tmp_path: Path) -> None:
    """EXE-07: one fetches it, the other waits, and both have the whole."""
    log = tmp_path / "fetched"
    contents = run_together(_fetch_slowly, [(str(layout.root), str(log))] * 2)
    assert contents == [DATA, DATA]
    assert len(log.read_text().splitlines()) == 1


_KILLED = """
import os, signal, sys
from pathlib import Path
from aexp.data.cache import shared_copy
from aexp.registry.blobs import Blob
from aexp.repo import open_layout

def fetch(target: Path) -> None:
    target.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

shared_copy(open_layout(sys.argv[1]), Blob(sys.argv[2], int(sys.argv[3])), "0" * 32, fetch)
"""


def test_a_process_that_is_killed_while_it_fetches(layout: Layout) -> None:
    """EXE-07: half a download is never a copy, and the lock dies with its process."""
    command = [sys.executable, "-c", _KILLED, str(layout.root), BLOB.digest, str(BLOB.size)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    source = Source()
    assert shared_copy(layout, BLOB, MD5, source).read_bytes() == DATA
    assert source.count == 1


def test_work_trees_share_their_copies(
    installed_repo: Machine, layout: Layout, tmp_path: Path
) -> None:
    """EXE-07: the copies are beside the registry, in the git folder."""
    installed_repo.git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "branch")
    source = Source()
    copy = shared_copy(layout, BLOB, MD5, source)
    assert shared_copy(open_layout(tmp_path / "tree"), BLOB, MD5, source) == copy
    assert source.count == 1
