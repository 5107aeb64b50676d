"""The benchmarks run, and their reports say what was measured."""

from __future__ import annotations

import subprocess
import sys

from tests.support.sealed import CHECKOUT

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from bench_startup import measure
print(measure(repeats=1).markdown())
"""


def test_the_startup_benchmark_measures_everything_side_by_side() -> None:
    """Each promised command is in the report, with a ratio to bare Python."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(CHECKOUT / "benchmarks")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("python -c pass", "import aexp", "aexp --version", "aexp --help"):
        assert f"| `{name}` | " in done.stdout
    assert "| 1.00 |" in done.stdout
