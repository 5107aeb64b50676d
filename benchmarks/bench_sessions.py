"""Recording in a session: its runs beside MLflow's and OMMX's, and what its checkpoints cost."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_recording import COUNTED_RUNS, count_per_run, per_run
from costs import SYNC_CALLS, can_trace, count_trace, trace
from generate import generate
from harness import Options, Report, Row, Samples, Target, seconds_in_turns
from record import write_durably, write_lines
from record_session import ATTACHED
from synthetic_runs import Shape
from worker import HERE, Worker

EMPTY, ATTACH, METRIC = "run with one parameter", "run with 10 kB attached", "`log_metric`"
SYNCS, GITS = "syncs per run", "git starts per run"
GROWTH = 1.5
"""How many times the first checkpoints the last ones may cost. A checkpoint repeats a little of the
earlier ones, as a binary counter does: the logarithm of their number, not the number."""

RUN_NOTE = """
{records} runs in one session, from `Experiment.run()` to the end of its block:
the run is in the ledger then, its environment recorded, its bytes sealed, and the
checkpoint of the session written, all of it durable, git's processes included. The floor of a run
is six small files, each made durable, and one of {attached:,} bytes more for the attachment; of a
metric, a line of JSON written to a file. Syncs and starts of git were counted {how}, over {counted}
runs after the first: what a tool does not sync, a power failure can take. Each tool records what it
does by default; of aexp that is the state of the code and the environment, too."""
OMMX_NOTE = """
The same runs of aexp, beside those of OMMX, which were recorded in turns with them. It has no
metrics."""
CHECKPOINT_NOTE = """
Sessions of {most:,} runs with one parameter each; the checkpoint is written at the end of each run.
Seconds and KiB (what the process passes to the system to write; the mean) are of whole runs, over
the second half of the session so far: a checkpoint now and then merges earlier ones, and each half
has the largest of these. The last rows take up the whole session from its checkpoint, and seal it.
A session whose every checkpoint repeats all runs takes longer with each."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """The processes that record in turns.

    Attributes:
        aexp: a session of ours.
        mlflow: MLflow's, None when it is not installed.
        ommx: OMMX's, None when it is not installed.
    """

    aexp: Worker
    mlflow: Worker | None
    ommx: Worker | None


def measure(options: Options) -> Iterator[Report]:
    """Measure runs in a session beside MLflow and OMMX, then checkpoints beside OMMX."""
    folder = options.work / "sessions"
    folder.mkdir(parents=True)
    try:
        generate(folder / "aexp", Shape(0, experiments=1))
        with ExitStack() as stack:

            def start(python: Path | str | None, script: str, name: str) -> Worker | None:
                if python is None:
                    return None
                log = folder / f"{name}.log"
                return stack.enter_context(Worker(python, script, folder / name, log))

            ours = start(sys.executable, "record_session.py", "aexp")
            assert ours is not None
            rivals = Rivals(
                ours,
                start(options.mlflow, "record_mlflow.py", "mlflow"),
                start(options.ommx, "record_ommx.py", "ommx"),
            )
            yield from _runs(options, folder, rivals)
            yield _checkpoints(options, rivals)
    finally:
        shutil.rmtree(folder)


def _runs(options: Options, folder: Path, rivals: Rivals) -> Iterator[Report]:
    """Yield a table for each peer that is installed, and one without if there is none."""
    print(f"  {options.records} runs …", file=sys.stderr, flush=True)
    plain = folder / "floor"
    plain.mkdir()
    found = {
        EMPTY: _in_turns("empty", rivals, partial(_floor, plain, 0), options.records),
        ATTACH: _in_turns("attach", rivals, partial(_floor, plain, ATTACHED), options.records),
        METRIC: _in_turns("metrics", rivals, partial(write_lines, plain / "lines"), 5),
    }
    strace = shutil.which("strace")
    counts, how = count_per_run(folder, strace, "record_session.py")
    note = RUN_NOTE.format(
        records=options.records, attached=ATTACHED, how=how, counted=COUNTED_RUNS
    )
    peers = {"MLflow": ("mlflow", options.mlflow), "OMMX": ("ommx", options.ommx)}
    there = {name: peer for name, peer in peers.items() if peer[1] is not None}
    for name, (key, python) in (there or {"MLflow": peers["MLflow"]}).items():
        rows = [
            Row(
                what, of["aexp"], of.get(key), of["floor"],
                Target(5e-6) if what == METRIC else None,
            )
            for what, of in found.items()
            if what != METRIC or key != "ommx"
        ]  # fmt: skip
        theirs = _syncs_of(folder, key, python, strace)
        rows.append(Row(SYNCS, Samples((counts["syncs"],), ""), theirs))
        rows.append(Row(GITS, Samples((counts["gits"],), "")))
        shown = OMMX_NOTE if key == "ommx" and options.mlflow is not None else note
        yield Report(f"Recording in a session, and with {name}", tuple(rows), shown, peer=name)


def _in_turns(
    verb: str, rivals: Rivals, floor: Callable[[], float], repeats: int
) -> dict[str, Samples]:
    actions: dict[str, Callable[[], float]] = {"aexp": partial(rivals.aexp.ask, verb)}
    if rivals.mlflow is not None:
        actions["mlflow"] = partial(rivals.mlflow.ask, verb)
    if rivals.ommx is not None and verb != "metrics":  # it has no metrics
        actions["ommx"] = partial(rivals.ommx.ask, verb)
    return seconds_in_turns({**actions, "floor": floor}, repeats=repeats)


def _floor(folder: Path, attached: int) -> float:
    """Return the seconds of the least that a run has to make durable."""
    data = os.urandom(attached)
    start = time.perf_counter()
    write_durably(folder)
    if data:
        fd = os.open(folder / "data", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)
    return time.perf_counter() - start


def _syncs_of(folder: Path, key: str, python: Path | None, strace: str | None) -> Samples | None:
    """Return the syncs per run of a peer; only the kernel's tracer sees them."""
    if python is None or strace is None or not can_trace(strace):
        return None
    seen = []
    for runs in (1, 1 + COUNTED_RUNS):
        place = folder / f"{key}-{runs}"
        command = [str(python), str(HERE / f"record_{key}.py"), "only", str(place), str(runs)]
        seen.append(
            count_trace(trace(strace, f"{SYNC_CALLS},execve", command, folder / "trace.log"))
        )
    return Samples((per_run(*seen)["syncs"],), "")


@dataclass(frozen=True, slots=True)
class Course:
    """What each run of a session cost, in their order.

    Attributes:
        seconds: of each run.
        written: bytes that each wrote; empty where the system does not tell.
    """

    seconds: Sequence[float]
    written: Sequence[int]

    def time(self, runs: int) -> Samples:
        """Return the seconds of the second half of the first ``runs``."""
        return Samples(tuple(self.seconds[runs // 2 : runs]))

    def kib(self, runs: int) -> Samples | None:
        """Return the mean KiB that a run of that half wrote."""
        if not self.written:
            return None
        return Samples((round(statistics.mean(self.written[runs // 2 : runs]) / 1024, 1),), "")


def _checkpoints(options: Options, rivals: Rivals) -> Report:
    sizes = sorted(set(options.session_runs))
    print(f"  sessions of {sizes[-1]:,} runs …", file=sys.stderr, flush=True)
    workers = {"aexp": rivals.aexp}
    if rivals.ommx is not None:
        workers["ommx"] = rivals.ommx
    courses = _courses(workers, sizes)
    ours, theirs = courses["aexp"], courses.get("ommx")
    rows = [
        Row(f"run, at {size:,} runs", ours.time(size), theirs.time(size) if theirs else None)
        for size in sizes
    ]
    for size in sizes:
        if (kib := ours.kib(size)) is not None:
            rows.append(
                Row(f"KiB a run, at {size:,} runs", kib, theirs.kib(size) if theirs else None)
            )
    rows += _growth(sizes, ours, theirs)
    for verb, name in (("restore", "restoring"), ("commit", "committing")):
        taken = {who: Samples((worker.ask(verb),)) for who, worker in workers.items()}
        rows.append(Row(f"{name} {sizes[-1]:,} runs", taken["aexp"], taken.get("ommx")))
    note = CHECKPOINT_NOTE.format(most=sizes[-1])
    return Report("Checkpoints of a session", tuple(rows), note, peer="OMMX")


def _courses(workers: dict[str, Worker], sizes: Sequence[int]) -> dict[str, Course]:
    """Record a session with each tool, in turns from one size to the next."""
    runs: dict[str, list[tuple[float, int | None]]] = {name: [] for name in workers}
    for worker in workers.values():
        worker.ask("open")
    for before, size in zip([0, *sizes], sizes, strict=False):
        for name, worker in workers.items():
            runs[name] += [(taken, wrote) for taken, wrote in worker.ask("many", size - before)]
    return {
        name: Course([run[0] for run in of], [run[1] for run in of if run[1] is not None])
        for name, of in runs.items()
    }


def _growth(sizes: Sequence[int], ours: Course, theirs: Course | None) -> Iterator[Row]:
    """Yield how many times the first runs the last ones cost."""
    first, last = sizes[0], sizes[-1]

    def times(course: Course, kib: bool) -> Samples | None:
        early, late = (
            (course.kib(first), course.kib(last))
            if kib
            else (course.time(first), course.time(last))
        )
        if early is None or late is None or not early.median:
            return None
        return Samples((round(late.median / early.median, 2),), "")

    for kib, name in ((False, "time"), (True, "KiB")):
        found = times(ours, kib)
        if found is not None:
            yield Row(
                f"{name}, {last:,} over {first:,}",
                found, times(theirs, kib) if theirs else None, target=Target(GROWTH),
            )  # fmt: skip
