"""What the benchmarks share: measuring commands side by side, and reporting ratios."""

from __future__ import annotations

import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PEER_PACKAGE = "agentic-experiments"
NOTHING = "–"
HUGE = 20_000
"""From this number of runs on, the peer would need hours, and bringing copies back minutes."""


@dataclass(frozen=True, slots=True)
class Tool:
    """An installed command line.

    Attributes:
        python: the interpreter of its environment.
        version: what is installed there.
    """

    python: Path
    version: str

    @property
    def aexp(self) -> str:
        """The tool's command; both are named ``aexp``."""
        return str(self.python.parent / "aexp")


def find_peer(python: Path) -> Tool | None:
    """Return the peer that is installed beside ``python``, None when it is not."""
    version = installed_version(python, PEER_PACKAGE)
    # Commands are run in other folders; a link is not followed, or it would leave the environment.
    return None if version is None else Tool(python.absolute(), version)


def installed_version(python: Path, package: str) -> str | None:
    """Return the version of a package in an interpreter's environment, None when there is none."""
    if not python.is_file():
        return None
    script = f"from importlib.metadata import version; print(version({package!r}))"
    asked = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure, and with what.

    Attributes:
        work: an empty folder on the disk to measure.
        sizes: the numbers of runs.
        findings: the number of findings, at every size; what belongs to the size when None.
        repeats: measured rounds of the commands on a repository.
        starts: measured rounds of starting up.
        records: how many runs are recorded in one process.
        mib: the size of the large file that the registry takes in, in MiB.
        blobs: how many blobs the registry holds that is collected.
        session_runs: at how many runs of a session its checkpoints are measured.
        points: how many points a sweep has, and how many runs a queue.
        lines: how many lines the manifest has that is read.
        peer: the tool to compare with, None when it is not installed.
        mlflow: an interpreter that has MLflow, None to leave it out.
        ommx: an interpreter that has OMMX 3, None to leave it out.
    """

    work: Path
    sizes: tuple[int, ...] = (1_000, 10_000)
    findings: int | None = None
    repeats: int = 5
    starts: int = 20
    records: int = 200
    mib: int = 1024
    blobs: int = 100_000
    session_runs: tuple[int, ...] = (10, 100, 1_000)
    points: int = 100
    lines: int = 100_000
    peer: Tool | None = None
    mlflow: Path | None = None
    ommx: Path | None = None

    @property
    def ours(self) -> Tool:
        """The aexp of this environment."""
        import aexp

        return Tool(Path(sys.executable), aexp.__version__)

    def findings_at(self, size: int) -> int:
        """Return how many findings a repository of ``size`` runs has."""
        if self.findings is not None:
            return self.findings
        return 50 if size < HUGE else size // 100

    @property
    def usual_sizes(self) -> tuple[int, ...]:
        """The sizes at which every command is measured, and the peer; not the huge ones."""
        return tuple(size for size in self.sizes if size < HUGE)

    @property
    def huge_sizes(self) -> tuple[int, ...]:
        """The sizes at which only ``bench_scale.py`` measures."""
        return tuple(size for size in self.sizes if size >= HUGE)


@dataclass(frozen=True, slots=True)
class Samples:
    """Repeated measurements of one thing.

    Attributes:
        values: seconds, or plain counts.
        unit: ``s``, or empty for counts.
    """

    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float | None:
        """Half the distance from the least to the greatest, over the median; None of one value."""
        if len(self.values) < 2 or not self.median:
            return None
        return (max(self.values) - min(self.values)) / 2 / self.median

    def __str__(self) -> str:
        if not self.unit:
            return f"{self.median:g}"
        spread = self.spread
        return human(self.median) + (" once" if spread is None else f" ±{spread:.0%}")


@dataclass(frozen=True, slots=True)
class Target:
    """What was promised of a row's median.

    Attributes:
        limit: the most it may be, in the unit of the row.
        above_floor: whether the limit is on top of the floor.
        of_floor: whether the limit is how many times the floor it may be.
        or_floor: how many times the floor it may be where that is more than the limit: on a disk
            that takes longer than the limit for the bare writes, the limit says nothing of aexp.
    """

    limit: float
    above_floor: bool = False
    of_floor: bool = False
    or_floor: float | None = None

    def allowed(self, floor: float) -> float:
        """Return the most it may be, given the floor's median."""
        if self.of_floor:
            return self.limit * floor
        if self.or_floor is not None:
            return max(self.limit, self.or_floor * floor)
        return self.limit + floor if self.above_floor else self.limit

    def text(self, unit: str) -> str:
        """Return the promise as the table shows it."""
        if self.of_floor:
            return f"≤ {self.limit:g}× floor"
        limit = human(self.limit) if unit else f"{self.limit:g}"
        if self.or_floor is not None:
            return f"≤ {limit} or {self.or_floor:g}× floor"
        return f"≤ floor+{limit}" if self.above_floor else f"≤ {limit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured side by side.

    Attributes:
        name: what it is.
        aexp: of this tool.
        peer: of the tool it is compared with, None when it was not measured.
        floor: of the least that any tool must do, None when there is no such thing.
        target: what was promised, None when nothing was.
    """

    name: str
    aexp: Samples
    peer: Samples | None = None
    floor: Samples | None = None
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor aexp takes."""
        return self.aexp.median / self.floor.median if self.floor else None

    @property
    def speedup(self) -> float | None:
        """How many times as long the peer takes."""
        return self.peer.median / self.aexp.median if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the target was met, computed from the medians; None without a target."""
        if self.target is None:
            return None
        return self.aexp.median <= self.target.allowed(self.floor.median if self.floor else 0.0)

    def cells(self) -> list[str]:
        """Return the row as the table shows it."""
        return [
            self.name,
            str(self.aexp),
            str(self.peer or NOTHING),
            str(self.floor or NOTHING),
            times(self.ratio),
            times(self.speedup),
            self.target.text(self.aexp.unit) if self.target else NOTHING,
            {True: "met", False: "MISSED", None: ""}[self.met],
        ]


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found.

    Attributes:
        title: of the section.
        rows: what was measured.
        note: what the reader must know, in Markdown.
        peer: the name of the tool aexp is compared with here.
    """

    title: str
    rows: tuple[Row, ...]
    note: str = ""
    peer: str = PEER_PACKAGE

    def markdown(self) -> str:
        """Return the report as a Markdown section whose table also reads well as plain text."""
        peer = "peer" if self.peer == PEER_PACKAGE else self.peer
        head = ["", "aexp", peer, "floor", "/ floor", "faster", "target", ""]
        table = [head, *(row.cells() for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(head))]
        lines = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
            for line in table
        ]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        note = [textwrap.fill(" ".join(self.note.split()), 98), ""] if self.note else []
        return "\n".join([f"## {self.title}", "", *note, lines[0], rule, *lines[1:]]) + "\n"


def human(seconds: float) -> str:
    """Return a duration to three digits."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale * 0.9995:  # what would be shown as 1000 of the next unit
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds / 1e-6)} µs"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(factor: float | None) -> str:
    """Return a ratio as the tables show it."""
    if factor is None:
        return NOTHING
    return f"{factor:.0f}×" if factor >= 10 else f"{factor:.1f}×"


@dataclass(frozen=True, slots=True)
class Command:
    """A process to measure from its start to its end.

    Attributes:
        argv: the program and its arguments.
        cwd: where it runs; here when None.
        prepare: what to do before each start, untimed.
        most: how often it is measured at most; a slow one need not be repeated.
        warmup: whether it takes part in the rounds that are not counted.
    """

    argv: Sequence[str]
    cwd: Path | None = None
    prepare: Callable[[], None] | None = None
    most: int | None = None
    warmup: bool = True


class CommandFailedError(Exception):
    """A command that was to be measured did not end well."""


def side_by_side(
    commands: dict[str, Command], *, repeats: int, warmup: int = 1
) -> dict[str, Samples]:
    """Measure the wall time of whole processes, taking turns between them.

    Args:
        commands: what to run, by name, in the order of the turns.
        repeats: measured rounds.
        warmup: rounds before them that are not counted (they fill the page cache).

    Raises:
        CommandFailedError: a command exited non-zero.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(-warmup, repeats):
        for name, command in commands.items():
            if turn < 0 and not command.warmup:
                continue
            if turn >= 0 and command.most is not None and turn >= command.most:
                continue
            if command.prepare is not None:
                command.prepare()
            taken = run_timed(command)
            if turn >= 0:
                seconds[name].append(taken)
    return {name: Samples(tuple(values)) for name, values in seconds.items()}


def run_timed(command: Command) -> float:
    """Run a command once and return its wall time in seconds.

    Raises:
        CommandFailedError: it exited non-zero.
    """
    start = time.perf_counter()
    done = subprocess.run(
        command.argv,
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    taken = time.perf_counter() - start
    if done.returncode != 0:
        shown = done.stdout.decode("utf-8", "replace")[-2000:]
        raise CommandFailedError(
            f"{' '.join(command.argv)} exited with {done.returncode}:\n{shown}"
        )
    return taken


def seconds_in_turns(
    actions: dict[str, Callable[[], float]], *, repeats: int, warmup: int = 1
) -> dict[str, Samples]:
    """Repeat actions that measure themselves, taking turns between them.

    Args:
        actions: what returns the seconds that counted, by name, in the order of the turns.
        repeats: measured rounds.
        warmup: rounds before them that are not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(-warmup, repeats):
        for name, action in actions.items():
            taken = action()
            if turn >= 0:
                seconds[name].append(taken)
    return {name: Samples(tuple(values)) for name, values in seconds.items()}
