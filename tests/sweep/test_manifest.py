"""The manifest: appended line by line, folded on reading, mended after a kill (SWP-05 … SWP-08)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import ManifestCorruptError, NewerSchemaError, NotFoundError, StorageError
from aexp.sweep.manifest import Entry, Header, Manifest
from aexp.sweep.outcome import OutputFile

HEADER = Header(sweep_id="0" * 16, sweep_seed=7, run_count=9, points_digest="sha256:0", spec={})
STATUS = st.sampled_from(["ok", "failed", "skipped"])


def manifest(folder: Path, *entries: Entry) -> Manifest:
    """Return a new manifest with these entries."""
    made = Manifest.create(folder / "manifest.jsonl", HEADER)
    for entry in entries:
        made.append(entry)
    made.close()
    return made


def entry(run_id: int, status: Any = "ok", **facts: Any) -> Entry:
    """Return an entry."""
    return Entry(run_id=run_id, status=status, **facts)


def test_every_fact_is_in_its_line(tmp_path: Path) -> None:
    """SWP-05: header and outcomes are lines of JSON that anything can read, and read back."""
    full = Entry(
        run_id=3,
        status="failed",
        job_id="a" * 32,
        overrides={"lr": 0.1, "opt": {"name": "adam"}},
        output_paths=(OutputFile("out/3/t.csv", 12, "b" * 64),),
        started_at="2026-01-01T00:00:00.000000Z",
        ended_at="2026-01-01T00:00:01.000000Z",
        duration_s=1.0,
        stderr="no\n",
        log_path="logs/3.2.log",
        script_sha256="c" * 64,
        attempt=2,
    )
    made = manifest(tmp_path, full)
    head, line = map(json.loads, made.path.read_text().splitlines())
    assert head["schema_version"] == 1 and head["sweep_seed"] == 7 and head["run_count"] == 9
    assert {"spec", "versions", "backend", "script_sha256"} <= set(head)
    assert line["output_paths"] == [{"path": "out/3/t.csv", "size": 12, "sha256": "b" * 64}]
    assert set(line) == set(Entry.__struct_fields__)
    loaded = Manifest.load(made.path)
    assert loaded.entries == [full] and loaded.header == HEADER
    assert Manifest.load(tmp_path).entries == [full]


@given(st.lists(st.tuples(st.integers(0, 6), STATUS, st.integers(1, 9)), max_size=30))
def test_the_last_line_of_a_point_counts_at_the_place_of_its_first(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, str, int]]
) -> None:
    """SWP-06, SWP-08: one entry for each point; failed and missing follow from the last one."""
    entries = [entry(run_id, status, attempt=attempt) for run_id, status, attempt in lines]
    made = manifest(tmp_path_factory.mktemp("m"), *entries)
    last = {e.run_id: e for e in entries}
    loaded = Manifest.load(made.path)
    assert loaded.entries == made.entries == [last[n] for n in dict.fromkeys(n for n, *_ in lines)]
    assert loaded.find_failed() == sorted(n for n, e in last.items() if e.status == "failed")
    assert loaded.find_missing(range(7)) == [n for n in range(7) if n not in last]
    assert len(made.path.read_bytes().splitlines()) == 1 + len(lines)


@given(st.integers(0, 200))
def test_a_torn_line_is_dropped_and_cut_off(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """SWP-07, trap 58: wherever a kill tore the last line, reading and appending go on."""
    made = manifest(tmp_path_factory.mktemp("m"), entry(0), entry(1), entry(2, stderr="é" * 40))
    data = made.path.read_bytes()
    last = len(data.splitlines(keepends=True)[-1])
    cut = 1 + cut % last
    made.path.write_bytes(data[:-cut])
    loaded = Manifest.load(made.path)
    assert [e.run_id for e in loaded.entries] == [0, 1]
    loaded.append(entry(3, "failed"))
    loaded.append(entry(2))
    loaded.close()
    assert [e.run_id for e in Manifest.load(made.path).entries] == [0, 1, 3, 2]
    assert made.path.read_bytes().startswith(data[:-last])


def test_a_long_torn_line_is_cut_off(tmp_path: Path) -> None:
    """SWP-07: also one that is longer than what is read at a time."""
    made = manifest(tmp_path, entry(0))
    whole = made.path.read_bytes()
    made.path.write_bytes(whole + b'{"run_id": 1, "stderr": "' + b"x" * 200_000)
    loaded = Manifest.load(made.path)
    loaded.append(entry(5))
    loaded.close()
    assert [e.run_id for e in Manifest.load(made.path).entries] == [0, 5]


@pytest.mark.parametrize(
    "line",
    [b"{", b"", b'{"run_id": "x", "status": "ok"}', b'{"run_id": 1, "status": "fine"}',
     b'{"run_id": -1, "status": "ok"}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    """SWP-07: a bad line that is not the torn end is an error with its number, not a crash."""
    made = manifest(tmp_path, entry(0), entry(1))
    lines = made.path.read_bytes().splitlines()
    made.path.write_bytes(b"\n".join([lines[0], lines[1], line, lines[2], b""]))
    with pytest.raises(ManifestCorruptError, match="line 3"):
        Manifest.load(made.path)


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[]\n", b'{"format":"aexp.manifest"', b"\0" * 9])
def test_a_damaged_header_is_named(tmp_path: Path, line: bytes) -> None:
    """SWP-07: so is a bad first line."""
    (tmp_path / "manifest.jsonl").write_bytes(line)
    with pytest.raises(ManifestCorruptError, match="line 1"):
        Manifest.load(tmp_path)


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    """SWP-07: with the way out, and before anything else of it is looked at."""
    (tmp_path / "manifest.jsonl").write_text('{"format":"aexp.manifest","schema_version":2}\nnew\n')
    with pytest.raises(NewerSchemaError) as caught:
        Manifest.load(tmp_path)
    assert caught.value.hint == "install the newest aexp"


def test_there_is_no_manifest(tmp_path: Path) -> None:
    """Trap 32: an ordinary mistake has an ordinary answer."""
    with pytest.raises(NotFoundError):
        Manifest.load(tmp_path / "manifest.jsonl")


def test_a_manifest_is_never_overwritten(tmp_path: Path) -> None:
    """Trap 60: of two that make one in a folder, the second is refused."""
    made = manifest(tmp_path, entry(0))
    with pytest.raises(StorageError, match="exists already"):
        Manifest.create(made.path, HEADER)
    assert len(Manifest.load(made.path)) == 1


def test_each_line_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-06: append returns when the disk has the line."""
    made = Manifest.create(tmp_path / "manifest.jsonl", HEADER)
    flushed: list[bytes] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        flushed.append(made.path.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    for number in range(3):
        made.append(entry(number))
    made.close()
    assert [data.count(b"\n") for data in flushed] == [2, 3, 4]


def test_a_full_disk_tears_nothing_for_good(
    tmp_path: Path, failing_storage: Callable[..., AbstractContextManager[Any]]
) -> None:
    """SWP-07: a line that the disk refused is an error; when there is room again, all goes on."""
    made = manifest(tmp_path, entry(0))
    with (
        failing_storage("fsync", nth=1, error=errno.EIO),
        pytest.raises(StorageError),
    ):
        made.append(entry(1))
    assert 1 not in made
    made.append(entry(1))
    made.close()
    assert [e.run_id for e in Manifest.load(made.path).entries] == [0, 1]


def test_a_seed_of_many_digits_is_kept(tmp_path: Path) -> None:
    """SWP-04: also for readers whose numbers are doubles."""
    seed = 2**127 + 1
    header = Header(sweep_id="1" * 16, sweep_seed=str(seed), run_count=1, points_digest="", spec={})
    Manifest.create(tmp_path / "manifest.jsonl", header)
    assert Manifest.load(tmp_path).header.seed == seed
