"""The benchmark of garbage collection measures what it says."""

from __future__ import annotations

from pathlib import Path

from aexp.registry import Registry, gc
from tests.support.benchmarks import loaded


def test_half_of_the_registry_is_collected(tmp_path: Path) -> None:
    """GC-02: half of the runs have a ref; what is put back can be collected once more."""
    work = tmp_path / "work"
    work.mkdir()
    with loaded("harness", "bench_gc") as modules:
        bench = modules["bench_gc"]
        registry = Registry(tmp_path / "registry")
        manifests, orphans = bench.fill(registry, 6, tmp_path)
        assert len(manifests.read_text().split()) == 3
        for _ in range(2):
            report = gc(True, registry.root)
            assert (report.reachable_blobs.count, report.deleted_blobs.count) == (30, 30)
            place = registry.path("sha256:" + "0" * 64).parent
            bench.put_back(orphans, place, tmp_path / "orphans")
        options = modules["harness"].Options(work, blobs=40, repeats=1)
        (report,) = bench.measure(options)
    assert [row.aexp.median > 0 and row.floor.median > 0 for row in report.rows] == [True] * 3
    assert list(work.iterdir()) == []
