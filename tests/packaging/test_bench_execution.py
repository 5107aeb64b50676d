"""The benchmark of executions measures what it says.

Nothing here asserts a time: a machine that runs tests is too busy to measure on.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.benchmarks import loaded


def test_registering_and_publishing_are_measured(tmp_path: Path) -> None:
    """EXE-23, EXE-31: each beside its floor; the large asset is held to 1.5 times plain copies."""
    with loaded("harness", "bench_execution") as modules:
        options = modules["harness"].Options(tmp_path, repeats=1, mib=2, blobs=1_000)
        registering, publishing = modules["bench_execution"].measure(options)
    (row,) = registering.rows
    assert row.name == "`asset_file_path`, 100 times"
    assert row.aexp.median > 0 and row.floor.median > 0
    names = [
        "10 assets to the registry",
        "10 assets to a folder",
        "2 MiB to the registry",
        "2 MiB to a folder",
    ]
    assert [row.name for row in publishing.rows] == names
    assert all(row.aexp.median > 0 and row.floor.median > 0 for row in publishing.rows)
    limits = [row.target and row.target.allowed(2.0) for row in publishing.rows]
    assert limits == [None, None, 3.0, None]
    assert list(tmp_path.iterdir()) == []
