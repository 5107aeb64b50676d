"""Recognising a file that has changed, by its times first and its content where they moved."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from aexp.model.canonical import digest_of
from aexp.storage import seen
from aexp.storage.seen import compare, look


def aged(path: Path, data: bytes, *, seconds: float = 60.0) -> Path:
    """Write a file whose modification lies some time back."""
    path.write_bytes(data)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_the_same_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-22: size, time and inode that did not move are enough."""
    path = aged(tmp_path / "a", b"abc")
    known = look(path, hashed=True)
    monkeypatch.setattr(seen, "sha256_of", None)
    assert compare(path, known) == "same"


def test_times_that_moved_are_settled_by_content(tmp_path: Path) -> None:
    """EXE-22: touched, replaced by an equal file: the same; another content: changed."""
    path = aged(tmp_path / "a", b"abc")
    known = look(path, hashed=True)
    os.utime(path)
    assert compare(path, known) == "same"
    aged(tmp_path / "b", b"abc").replace(path)
    assert compare(path, known) == "same"
    aged(path, b"abd")
    assert compare(path, known) == "changed"
    aged(path, b"abcd")
    assert compare(path, known) == "changed"
    path.unlink()
    assert compare(path, known) == "gone"
    path.mkdir()
    assert compare(path, known) == "changed"


def test_a_change_that_moves_no_time(tmp_path: Path) -> None:
    """EXE-22: within the clock's resolution a second write leaves size, time and inode alone."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    found = path.stat()
    known = look(path, hashed=True)
    path.write_bytes(b"abd")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert compare(path, known) == "changed"


def test_a_large_file_is_not_read_when_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-22: beyond the limit a moved time counts as a change; a digest from elsewhere settles."""
    monkeypatch.setattr(seen, "HASHED_BYTES", 2)
    path = aged(tmp_path / "a", b"abc")
    known = look(path, hashed=True)
    assert compare(path, known) == "same"
    os.utime(path)
    assert compare(path, known) == "changed"
    assert compare(path, known, digest_of(b"abc")) == "same"


def test_nothing_known_but_a_digest(tmp_path: Path) -> None:
    """EXE-22: what could not be seen when it was stored is compared by its digest."""
    path = aged(tmp_path / "a", b"abc")
    assert look(path, size=4) == look(tmp_path / "none") == ""
    assert compare(path, "", digest_of(b"abc")) == "same"
    assert compare(path, "", digest_of(b"abd")) == "changed"
    assert compare(path, "") == "changed"
