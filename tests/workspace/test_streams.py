"""Run streams: what survives a kill, several writers, damage."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from aexp.errors import CorruptDataError, RunClosedError
from aexp.model.stream import Metric, Parameter
from aexp.workspace.streams import (
    FLUSH_RECORDS,
    StreamWriter,
    read_stream,
    stream_files,
    summarize_attempt,
)
from tests.runs.world import PYTHON, start, until
from tests.support.machines import Machine
from tests.support.race import run_together


def write(folder: Path, values: list[float]) -> Path:
    """Write one stream of one metric and return its file."""
    writer = StreamWriter(folder, job_id="j", attempt_id="a1")
    for step, value in enumerate(values):
        writer.append(Metric("acc", value, 100.0 + step, step))
    writer.close()
    return writer._file.path


def log_many(folder: str, count: int) -> int:
    """Write ``count`` values in this process."""
    write(Path(folder), [float(i) for i in range(count)])
    return count


def test_two_processes_at_once(tmp_path: Path) -> None:
    """RUN-05: each process has its own file, and every value is counted."""
    run_together(log_many, [(str(tmp_path), 2500), (str(tmp_path), 700)])
    assert len(stream_files(tmp_path, "a1")) == 2
    summary = summarize_attempt(tmp_path, "a1")
    assert summary.metrics["acc"].to_json()["count"] == 3200
    assert summary.damaged == []


@pytest.mark.parametrize(
    ("then", "at_least"),
    [("writer.flush()", 5), ("time.sleep(1.8)", 5), ("more(2000)", 1999)],
    ids=["flushed", "a second later", "buffer full"],
)
def test_kill_loses_only_what_was_not_flushed(repo: Machine, then: str, at_least: int) -> None:
    """``kill -9``: all up to the last flush, which comes by itself in time and by number."""
    code = f"""
import time
from pathlib import Path
from aexp.model.stream import Metric
from aexp.workspace.streams import StreamWriter
writer = StreamWriter(Path("run"), job_id="j", attempt_id="a1")
def more(count):
    for step in range(count):
        writer.append(Metric("acc", 1.0, 0.0, step))
more(5)
{then}
open("ready.dat", "w").close()
time.sleep(60)
"""
    child = start(repo, PYTHON, "-c", code)
    until((repo / "ready.dat").exists)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=20)
    summary = summarize_attempt(repo / "run", "a1")
    assert summary.metrics["acc"].to_json()["count"] >= at_least
    assert summary.damaged == []


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    """A kill in the middle of a write leaves the lines before it, wherever it cut."""
    path = write(tmp_path, [1.0, 2.0])
    whole = path.read_bytes()
    first_two = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in range(first_two, len(whole)):
        path.write_bytes(whole[:cut])
        found = [record.value for record in read_stream(path) if isinstance(record, Metric)]
        assert found in ([1.0], [1.0, 2.0]), cut
        assert len(found) == 1 or cut == len(whole) - 1


def test_damage_in_the_middle_is_said(tmp_path: Path) -> None:
    """What stands before it counts, and so do the other streams; the damage is reported."""
    path = write(tmp_path, [1.0, 2.0, 3.0])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{broken\n", *lines[3:]]))
    with pytest.raises(CorruptDataError):
        list(read_stream(path))
    write(tmp_path, [9.0])
    summary = summarize_attempt(tmp_path, "a1")
    assert summary.metrics["acc"].to_json()["count"] == 2
    assert len(summary.damaged) == 1


def test_a_stream_without_header_is_damaged(tmp_path: Path) -> None:
    """A file that is no stream is said to be none."""
    path = write(tmp_path, [1.0])
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(CorruptDataError, match="header"):
        list(read_stream(path))


def test_a_closed_stream_takes_nothing(tmp_path: Path) -> None:
    """Writing after the end is an error of the caller, closing twice is none."""
    writer = StreamWriter(tmp_path, job_id="j", attempt_id="a1")
    writer.append(Parameter("p", 1, 0.0))
    writer.close()
    writer.close()
    with pytest.raises(RunClosedError, match="closed"):
        writer.append(Parameter("p", 2, 0.0))
    assert summarize_attempt(tmp_path, "a1").params == {"p": 1}


def test_attempts_do_not_mix(tmp_path: Path) -> None:
    """Each attempt has its own streams; an attempt without any has an empty summary."""
    write(tmp_path, [1.0] * (FLUSH_RECORDS + 1))
    summary = summarize_attempt(tmp_path, "a2")
    assert (summary.metrics, summary.params, summary.damaged) == ({}, {}, [])
