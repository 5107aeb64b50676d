"""The benchmark of sweeps and the queue measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.repo import open_layout
from aexp.sweep.backends.local import LocalProcessPool
from aexp.workspace.store import RunStore
from tests.support.benchmarks import loaded


def test_points_and_runs_are_those_that_are_counted(tmp_path: Path, sealed_home: Path) -> None:
    """SWP-13: each point of a measured sweep is a complete run; each turn has new ones."""
    with loaded("harness", "bench_sweep") as modules:
        bench = modules["bench_sweep"]
        bench.repository(tmp_path / "repo")
        with LocalProcessPool(1) as pool:
            for what in ({"callable": "nothing:nothing"}, {"command": "true"}):
                assert bench.one_sweep(tmp_path / "repo", pool, what, 2) > 0
        store = RunStore(open_layout(tmp_path / "repo"))
        assert [record.status for record in store.records()] == ["complete"] * 4
        path = bench.write_manifest(tmp_path / "manifest.jsonl", 25)
        assert bench.scan(path, 25) > 0 and bench.decode_lines(path) > 0


@pytest.mark.slow
def test_the_reports(tmp_path: Path, sealed_home: Path) -> None:
    """QUE-03: all is measured, every run of the queue is claimed once, and nothing is left over."""
    with loaded("harness", "bench_sweep") as modules:
        options = modules["harness"].Options(tmp_path / "work", points=4, lines=50, repeats=1)
        options.work.mkdir()
        points, scan, queue = modules["bench_sweep"].measure(options)
    assert len(points.rows) == 6 and len(scan.rows) == 1
    assert all(row.floor.median > 0 for row in (*points.rows, *scan.rows))
    assert [row.aexp.median for row in queue.rows[1:]] == [1]
    assert list(options.work.iterdir()) == []
