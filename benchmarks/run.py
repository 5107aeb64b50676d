"""Run every ``bench_*.py`` of this folder and write ``results.md``."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

import aexp
from harness import Report

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the benchmarks, print and write their reports; 1 when a target was missed."""
    reports: list[Report] = []
    for script in sorted(HERE.glob("bench_*.py")):
        report: Report = importlib.import_module(script.stem).measure()
        print(report.markdown(), flush=True)
        reports.append(report)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    head = (
        "# Results\n\n"
        "<!-- Written by `make bench`. -->\n\n"
        f"aexp {aexp.__version__}, Python {platform.python_version()}, {machine}. "
        "Ratios are against the first row of each table.\n\n"
    )
    text = head + "\n".join(report.markdown() for report in reports)
    (HERE / "results.md").write_text(text, "utf-8")
    missed = [row.name for report in reports for row in report.rows if row.met is False]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
