"""The benchmarks of the registry and of sessions measure what they say.

Nothing here asserts a time: a machine that runs tests is too busy to measure on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.benchmarks import BENCHMARKS, loaded


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, ModuleType]]:
    """The modules of the benchmarks, which live outside the package."""
    with loaded("harness", "bench_registry", "bench_sessions", "bench_scale") as modules:
        yield modules


def rows_of(report: Any) -> dict[str, Any]:
    return {row.name: row for row in report.rows}


def test_a_large_file_and_small_blobs_are_taken_in(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    """REG-04: the file beside cp and a hash, held to 1.25 of that; its memory to a constant."""
    options = bench["harness"].Options(tmp_path, repeats=1, mib=2, blobs=300)
    large, small = bench["bench_registry"].measure(options)
    rows = rows_of(large)
    ingest = rows["`put_file`, 2 MiB"]
    assert ingest.peer.median > 0
    assert ingest.target.allowed(ingest.floor.median) == 1.25 * ingest.floor.median
    peaks = [row for name, row in rows.items() if "peak" in name]
    assert peaks[1].floor is peaks[0].aexp
    assert peaks[1].target.allowed(20.0) == 28.0
    assert {row.name for row in small.rows} == {"`put`", "`put_many`", "`put`, there already"}
    assert all(row.aexp.median > 0 and row.floor.median > 0 for row in small.rows)
    assert list(tmp_path.iterdir()) == []


def test_the_checkpoints_of_a_session_are_compared(bench: dict[str, ModuleType]) -> None:
    """SES-02: of each half of a session, the median time and the mean of what was written."""
    sessions = bench["bench_sessions"]
    course = sessions.Course([9.0, 9.0, 1.0, 3.0, 2.0, 2.0, 4.0, 6.0], [1024 * n for n in range(8)])
    assert course.time(4).median == 2.0
    assert course.kib(8).median == 5.5
    time, kib = sessions._growth([4, 8], course, None)
    assert time.aexp.median == 1.5
    assert kib.aexp.median == 2.2
    assert (time.met, kib.met) == (True, False)
    assert [row.name for row in sessions._growth([4, 8], sessions.Course([1.0] * 8, []), None)] == [
        "time, 8 over 4"
    ]


@pytest.mark.slow
def test_a_session_is_measured(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    """REC-01, SES-02: runs and metrics beside their floors, checkpoints at each size."""
    options = bench["harness"].Options(tmp_path, records=1, session_runs=(2, 6))
    runs, checkpoints = bench["bench_sessions"].measure(options)
    rows = rows_of(runs)
    assert rows["`log_metric`"].target.limit == 5e-6
    assert rows["syncs per run"].aexp.median >= 1
    assert all(row.peer is None for row in runs.rows)
    names = set(rows_of(checkpoints))
    assert {"run, at 2 runs", "run, at 6 runs", "restoring 6 runs", "committing 6 runs"} <= names
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_very_many_runs_are_measured_beside_a_tenth(
    bench: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-13: what a run costs in a large repository over what it costs in a small one."""
    monkeypatch.setattr(bench["harness"], "HUGE", 40)
    options = bench["harness"].Options(tmp_path, sizes=(20, 40), findings=0, repeats=1)
    times, costs = bench["bench_scale"].measure(options)
    rows = rows_of(times)
    assert times.title == "40 runs, 0 findings"
    assert all(row.aexp.median > 0 for row in times.rows)
    assert rows["`validate`: per run"].target.limit == 1.25
    opened = rows_of(costs).get("`list-runs`: opens")
    assert opened is None or opened.aexp.median == opened.floor.median == 3 * 40
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_everything_can_be_measured_in_one_go(tmp_path: Path) -> None:
    """`make bench` runs every benchmark there is, and names each in the results."""
    results, work = tmp_path / "results.md", tmp_path / "work"
    small = (
        "--runs", "20", "--findings", "4", "--repeats", "1", "--starts", "1", "--records", "2",
        "--mib", "1", "--blobs", "200", "--session-runs", "2", "6",
    )  # fmt: skip
    done = subprocess.run(
        [
            sys.executable, BENCHMARKS / "run.py", "--quick", *small,
            "--peer", tmp_path / "no-peer", "--work", work, "--output", results,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    for script in BENCHMARKS.glob("bench_*.py"):
        assert f"{script.stem.removeprefix('bench_')} …" in done.stderr
    text = results.read_text("utf-8")
    for name in ("list-runs", "validate", "validate --staged, cached", "query, a filter"):
        assert f"| `{name}` " in text
    for title in (
        "Collecting", "20 entries", "20 runs, 4 findings", "20 runs with metrics", "A large file",
        "Recording in a session", "Checkpoints",
    ):  # fmt: skip
        assert f"\n## {title}" in text
    assert not list(work.iterdir())
