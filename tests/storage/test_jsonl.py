"""Append-only JSON lines: a whole line or nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, StorageError
from aexp.storage.jsonl import LineWriter, bad_line, read_lines
from tests.support.failing import fill_disk
from tests.support.killed import kill_everywhere
from tests.support.os_calls import recorded_os_calls

Failing = Callable[..., Any]


def lines_of(path: Path) -> list[bytes]:
    """Return the lines that a reader gets."""
    return [line for _, line in read_lines(path)]


def test_appended_lines_are_read_back(tmp_path: Path) -> None:
    """What was appended survives the writer without a close."""
    writer = LineWriter(tmp_path / "deep" / "s.jsonl")
    writer.append(b'{"a":1}\n')
    writer.append(b'{"b":2}\n{"c":3}\n')
    assert list(read_lines(writer.path)) == [(1, b'{"a":1}'), (2, b'{"b":2}'), (3, b'{"c":3}')]
    writer.close()
    writer.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Trap 58: nobody appends to somebody else's file."""
    LineWriter(tmp_path / "s").close()
    with pytest.raises(StorageError, match="exists"):
        LineWriter(tmp_path / "s")


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=6), st.data())
def test_a_torn_line_is_dropped(lines: list[bytes], data: st.DataObject) -> None:
    """Trap 58: cut anywhere, the whole lines before the cut are read, and nothing else."""
    folder = Path(os.environ["HOME"])
    whole = b"".join(line + b"\n" for line in lines)
    cut = data.draw(st.integers(0, len(whole)))
    (folder / "s").write_bytes(whole[:cut])
    assert lines_of(folder / "s") == lines[: whole[:cut].count(b"\n")]


def test_a_full_disk_cuts_off_the_half_line(tmp_path: Path, failing_storage: Failing) -> None:
    """Trap 58: the next line starts on its own."""
    writer = LineWriter(tmp_path / "s")
    writer.append(b"first\n")
    with failing_storage("write", torn=True) as disk, pytest.raises(StorageError):
        writer.append(b"0123456789\n")
    assert len(disk.seen) == 2
    assert writer.path.read_bytes() == b"first\n"
    writer.append(b"third\n")
    writer.close()
    assert lines_of(writer.path) == [b"first", b"third"]


def test_a_really_full_disk(small_disk: Path) -> None:
    """Trap 58: with a real disk: whole lines only, and room again later."""
    filler = fill_disk(small_disk, leave=16_384)
    writer = LineWriter(small_disk / "s")
    written: list[bytes] = []

    def fill() -> None:
        while True:
            writer.append(b"x" * 999 + b"\n")
            written.append(b"x" * 999)

    with pytest.raises(StorageError, match="No space left"):
        fill()
    assert 4 <= len(written) <= 16
    assert lines_of(writer.path) == written
    filler.unlink()
    writer.append(b"more\n")
    writer.close()
    assert lines_of(writer.path)[-1] == b"more"


def test_ctrl_c_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """Trap 58: an interrupt between two parts of a line takes the first part back."""
    writer = LineWriter(tmp_path / "s")
    writer.append(b"first\n")
    real = os.write
    parts: list[int] = [3]

    def write(fd: int, data: bytes) -> int:
        if not parts:
            raise KeyboardInterrupt
        return real(fd, data[: parts.pop()])

    with (
        mock.patch.object(os, "write", write),
        pytest.raises(KeyboardInterrupt),
    ):
        writer.append(b"second\n")
    writer.append(b"third\n")
    writer.close()
    assert lines_of(writer.path) == [b"first", b"third"]


def test_what_cannot_be_cut_off_is_never_appended_to(
    tmp_path: Path, failing_storage: Failing
) -> None:
    """Trap 58: with a dying disk the torn line stays the last one."""
    writer = LineWriter(tmp_path / "s")
    writer.append(b"first\n")
    with (
        failing_storage("write", torn=True, error=errno.EIO),
        failing_storage("ftruncate", error=errno.EIO),
        pytest.raises(StorageError),
    ):
        writer.append(b"second\n")
    with pytest.raises(StorageError):
        writer.append(b"third\n")
    writer.close()
    assert writer.path.read_bytes() == b"first\nsec"
    assert lines_of(writer.path) == [b"first"]


def test_sync_makes_the_name_durable_too(tmp_path: Path) -> None:
    """Trap 9: the first flush includes the folder, later ones the file alone."""
    writer = LineWriter(tmp_path / "s")
    with recorded_os_calls(tmp_path) as calls:
        writer.append(b"x\n")
        writer.sync()
        writer.sync()
    writer.close()
    assert [str(c) for c in calls.calls] == ["write s", "fsync s", "fsync .", "fsync s"]


def test_a_failing_flush_is_told(tmp_path: Path, failing_storage: Failing) -> None:
    """Trap 32: a disk error is a StorageError."""
    writer = LineWriter(tmp_path / "s")
    with failing_storage("fsync", error=errno.EIO), pytest.raises(StorageError):
        writer.sync()
    writer.close()


def test_killed_at_every_step(tmp_path: Path) -> None:
    """Trap 58: a reader gets the lines whose append returned, and at most the one in flight."""
    code = (
        "from pathlib import Path\nfrom aexp.storage.jsonl import LineWriter\n"
        "w = LineWriter(Path('s'))\nw.append(b'first\\n')\nw.append(b'second\\n')\nw.sync()\n"
    )

    def place(number: int) -> Path:
        folder = tmp_path / str(number)
        folder.mkdir()
        return folder

    seen = []
    for point, where in kill_everywhere(["-c", code], place, phases=("torn", "after")):
        lines = lines_of(where / "s")
        assert lines == [b"first", b"second"][: len(lines)]
        seen.append((point.phase, point.step, len(lines)))
    assert seen == [
        ("after", "open s", 0),
        ("torn", "write s", 0),
        ("after", "write s", 1),
        ("torn", "write s", 1),
        ("after", "write s", 2),
        ("after", "fsync s", 2),
        ("after", "fsync .", 2),
    ]


def test_a_bad_line_names_its_place(tmp_path: Path) -> None:
    """A damaged line in the middle is an error with file and line."""
    error = bad_line(tmp_path / "s.jsonl", 7, "no JSON")
    assert isinstance(error, CorruptDataError)
    assert error.message == "s.jsonl, line 7: no JSON"
