"""The benchmark of the ledger's layouts measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benchmarks import loaded


@pytest.mark.slow
def test_both_layouts_are_measured(tmp_path: Path) -> None:
    """LED-13: every row has a value for each layout, and the history of the flat one is larger."""
    with loaded("harness", "bench_layout") as modules:
        options = modules["harness"].Options(tmp_path, sizes=(300,), repeats=1)
        (report,) = modules["bench_layout"].measure(options)
    assert report.peer == "flat"
    rows = {row.name: row for row in report.rows}
    assert all(row.aexp.median > 0 and row.peer.median > 0 for row in report.rows)
    grown = next(row for name, row in rows.items() if "grown" in name)
    assert grown.peer.median > grown.aexp.median
    assert [name for name in rows if "git" in name] == list(rows)[:5]
    assert list(tmp_path.iterdir()) == []
