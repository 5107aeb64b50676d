"""The benchmark of garbage collection measures what it says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from aexp.registry import Registry, gc
from tests.support.sealed import CHECKOUT


def test_half_of_the_registry_is_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GC-02: half of the runs have a ref; what is put back can be collected once more."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    names = ("harness", "bench_gc")
    try:
        modules = {name: importlib.import_module(name) for name in names}
        bench = modules["bench_gc"]
        registry = Registry(tmp_path / "registry")
        manifests, orphans = bench.fill(registry, 6, tmp_path)
        assert len(manifests.read_text().split()) == 3
        for _ in range(2):
            report = gc(True, registry.root)
            assert (report.reachable_blobs.count, report.deleted_blobs.count) == (30, 30)
            place = registry.path("sha256:" + "0" * 64).parent
            bench.put_back(orphans, place, tmp_path / "orphans")
        monkeypatch.setattr(bench, "BLOBS", 400)
        options = modules["harness"].Options(tmp_path / "work", sizes=(300,), repeats=1)
        (tmp_path / "work").mkdir()
        (report,) = bench.measure(options)
        assert [row.aexp.median > 0 and row.floor.median > 0 for row in report.rows] == [True] * 2
        assert list((tmp_path / "work").iterdir()) == []
    finally:
        for name in names:
            sys.modules.pop(name, None)
