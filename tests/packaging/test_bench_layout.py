"""The benchmark of the ledger's layouts measures what it says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.support.sealed import CHECKOUT


@pytest.mark.slow
def test_both_layouts_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-13: every row has a value for each layout, and the history of the flat one is larger."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    names = ("harness", "generate", "synthetic_runs", "synthetic_kb", "stage", "bench_layout")
    try:
        modules = {name: importlib.import_module(name) for name in names}
        options = modules["harness"].Options(tmp_path, sizes=(300,), repeats=1)
        (report,) = modules["bench_layout"].measure(options)
    finally:
        for name in names:
            sys.modules.pop(name, None)
    assert report.peer == "flat"
    rows = {row.name: row for row in report.rows}
    assert all(row.aexp.median > 0 and row.peer.median > 0 for row in report.rows)
    grown = next(row for name, row in rows.items() if "grown" in name)
    assert grown.peer.median > grown.aexp.median
    assert list(tmp_path.iterdir()) == []
