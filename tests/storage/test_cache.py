"""The cache of facts: believed of unchanged files only, and never in the way."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from aexp.storage.cache import Cache, are_settled
from aexp.storage.state import NO_FILE, file_state

ROW = (bytes(32), b"facts")


def test_rows_come_back_by_kind_and_go(tmp_path: Path) -> None:
    """model.md 7: what was saved is loaded; dropped names and other kinds are not there."""
    cache = Cache(tmp_path / "index.sqlite", "1")
    assert cache.load("run") == {}
    assert cache.save({"run": ({"a": ROW, "b": ROW}, [])})
    assert cache.save({"entry": ({"a": (ROW[0], b"other")}, [])})
    assert cache.save({"run": ({"c": ROW}, ["a"])})
    assert cache.load("run") == {"b": ROW, "c": ROW}
    assert cache.load("entry") == {"a": (ROW[0], b"other")}


def test_another_version_believes_nothing_and_begins_anew(tmp_path: Path) -> None:
    """model.md 7: facts judged by another aexp count for nothing."""
    old = Cache(tmp_path / "index.sqlite", "1")
    new = Cache(tmp_path / "index.sqlite", "2")
    old.save({"run": ({"a": ROW}, [])})
    assert new.load("run") == {}
    assert new.save({"run": ({"b": ROW}, [])})
    assert new.load("run") == {"b": ROW}
    assert old.load("run") == {}


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_damaged_file_is_no_cache_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    """model.md 7: trouble with the cache costs speed only."""
    path = tmp_path / "index.sqlite"
    path.write_bytes(damage)
    cache = Cache(path, "1")
    assert cache.load("run") == {}
    assert cache.save({"run": ({"a": ROW}, [])})
    assert cache.load("run") == {"a": ROW}


def test_a_truncated_file_never_raises(tmp_path: Path) -> None:
    """model.md 7: whatever is left of the file, loading gives rows that were saved, or none."""
    path = tmp_path / "index.sqlite"
    cache = Cache(path, "1")
    rows = {f"{number:032x}": (ROW[0], bytes(200)) for number in range(200)}
    cache.save({"run": (rows, [])})
    whole = path.read_bytes()
    for size in range(0, len(whole), 4096):
        path.write_bytes(whole[:size])
        assert cache.load("run").items() <= rows.items()


def test_a_row_that_was_torn_is_not_believed(tmp_path: Path) -> None:
    """trap 9: after a power failure a page may hold anything; each row proves itself."""
    path = tmp_path / "index.sqlite"
    cache = Cache(path, "1")
    cache.save({"run": ({"a": (ROW[0], b"the truth"), "b": ROW}, [])})
    path.write_bytes(path.read_bytes().replace(b"the truth", b"the lie :"))
    assert cache.load("run") == {"b": ROW}


def test_a_busy_or_read_only_cache_is_left_alone(tmp_path: Path) -> None:
    """model.md 13: a reader waits for nobody; it goes without."""
    path = tmp_path / "index.sqlite"
    cache = Cache(path, "1")
    cache.save({"run": ({"a": ROW}, [])})
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        assert not cache.save({"run": ({"b": ROW}, [])})
        assert cache.load("run") == {}
    finally:
        other.close()
    assert cache.load("run") == {"a": ROW}
    (tmp_path / "file").write_text("")
    assert not Cache(tmp_path / "file" / "index.sqlite", "1").save({"run": ({"a": ROW}, [])})


def test_every_change_of_a_file_changes_its_state(tmp_path: Path) -> None:
    """trap 2: a rewrite of the same size, with its time set back, is a change still."""
    path = tmp_path / "f"
    path.write_bytes(b"one")
    first = file_state(path)
    assert first == file_state(path)
    assert first is not None
    time.sleep(0.03)
    path.write_bytes(b"two")
    os.utime(path, ns=(first[2], first[2]))
    second = file_state(path)
    assert second is not None
    assert second[:3] == first[:3]
    assert second != first
    other = tmp_path / "g"
    other.write_bytes(b"two")
    os.utime(other, ns=(first[2], first[2]))
    os.replace(other, path)
    assert file_state(path) != second
    path.unlink()
    assert file_state(path) is None


def test_a_file_written_just_now_is_not_settled() -> None:
    """model.md 7: within one tick of the clock two contents can have one state."""
    second = 1_000_000_000
    fine = 1_700_000_000 * second + 123_456_789
    assert not are_settled((1, 1, fine, fine), now_ns=fine + 5_000_000)
    assert are_settled((1, 1, fine, fine), now_ns=fine + 50_000_000)
    coarse = 1_700_000_000 * second
    assert not are_settled((1, 1, coarse, coarse), now_ns=coarse + second)
    assert are_settled((1, 1, coarse, coarse), now_ns=coarse + 3 * second)
    assert not are_settled((1, 1, fine, fine), now_ns=fine - second)
    assert are_settled(NO_FILE, now_ns=0)
    assert not are_settled((*NO_FILE, 1, 1, fine, fine), now_ns=fine)
