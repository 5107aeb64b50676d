"""A sweep of 100,000 points is planned and read in constant memory (SWP-15)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MEASURE = """
import json, resource, sys
from pathlib import Path
from aexp.sweep.points import Points, write_points
from aexp.sweep.spec import spec_from

spec = spec_from(json.loads(sys.argv[1]), folder=Path(sys.argv[2]))
header = write_points(Path(sys.argv[2]) / "points.jsonl", "0" * 16, spec, 1)
with Points(Path(sys.argv[2]) / "points.jsonl") as points:
    last = None
    for last in points:
        pass
    assert points[len(points) - 1] == last
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss begins with the peak of the process that started this one
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    peak = int(line.split()[1]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(header.count, peak)
"""
DRAWN = {"lr": {"loguniform": [1e-4, 0.1]}, "width": {"integer": [8, 64]}}


def peak(parameters: Any, folder: Path, count: int) -> int:
    """Return the bytes of memory that a process needs at most to plan and read a sweep."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps({"parameters": parameters}), str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, size = map(int, done.stdout.split())
    assert found == count
    return size


def grid(n: int) -> Any:
    """Return a grid of ``n`` points."""
    return {"grid": {"a": list(range(n // 100)), "b": list(range(100))}}


def drawn(method: str, n: int) -> Any:
    """Return ``n`` points that are drawn."""
    return {method: {"n": n, "parameters": DRAWN}}


@pytest.mark.parametrize("kind", ["grid", "monte_carlo"])
def test_memory_does_not_grow_with_the_points(tmp_path: Path, kind: str) -> None:
    """SWP-15: 100,000 points need no more than a few MB beyond what 2,000 do."""
    make = grid if kind == "grid" else lambda n: drawn(kind, n)
    grown = peak(make(100_000), tmp_path, 100_000) - peak(make(2_000), tmp_path, 2_000)
    assert grown < 4 << 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["explicit", "sobol", "halton", "latin_hypercube"])
def test_nor_for_the_other_kinds(tmp_path: Path, kind: str) -> None:
    """SWP-15: a Latin hypercube alone keeps 8 bytes for each number that it draws, twice over."""

    def make(n: int) -> Any:
        if kind != "explicit":
            return drawn(kind, n)
        with (tmp_path / f"{n}.csv").open("w", encoding="utf-8") as stream:
            stream.write("a,b\n")
            stream.writelines(f"{i},{i / 7}\n" for i in range(n))
        return {"explicit": f"{n}.csv"}

    grown = peak(make(100_000), tmp_path, 100_000) - peak(make(2_000), tmp_path, 2_000)
    assert grown < (8 << 20 if kind == "latin_hypercube" else 4 << 20)
