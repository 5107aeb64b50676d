"""What the benchmarks share: measuring commands side by side, and reporting ratios."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing.

    Attributes:
        name: what was measured.
        seconds: the median wall time.
        ratio: that time divided by the baseline's.
        target: what was promised, as text; empty for the baseline.
        met: whether it was kept, None where nothing was promised.
    """

    name: str
    seconds: float
    ratio: float
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""

    def markdown(self) -> str:
        """Return the report as a Markdown section."""
        lines = [f"## {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines += ["| | median | ratio | target | |", "|---|---|---|---|---|"]
        verdict = {True: "met", False: "**missed**", None: ""}
        lines += [
            f"| {r.name} | {r.seconds * 1000:.1f} ms | {r.ratio:.2f} | {r.target} | "
            f"{verdict[r.met]} |"
            for r in self.rows
        ]
        return "\n".join(lines) + "\n"


def median_seconds(
    commands: Mapping[str, Sequence[str]], *, repeats: int, warmup: int = 2
) -> dict[str, float]:
    """Run each command ``repeats`` times, taking turns, and return the median wall times.

    Args:
        commands: what to run, by name.
        repeats: measured rounds.
        warmup: rounds before them that are not counted (they fill caches).

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(warmup + repeats):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
            if turn >= warmup:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
