"""Recording a run in process: its time, its syncs, its git processes, and a metric's time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from costs import SYNC_CALLS, can_trace, count_trace, trace
from generate import generate
from harness import Options, Report, Row, Samples, Target
from synthetic_runs import Shape
from worker import Worker

HERE = Path(__file__).resolve().parent
RUN, WITH_GIT, METRIC = "run, without git", "run, with git", "`log_metric`"
SYNCS, GITS = "syncs per run", "git starts per run"
COUNTED_RUNS = 10


def measure(options: Options) -> Iterator[Report]:
    """Measure recording in one process, against plain durable writes and, if given, MLflow."""
    folder = options.work / "recording"
    folder.mkdir(parents=True)
    try:
        yield _measure_in(options, folder)
    finally:
        shutil.rmtree(folder)


def _measure_in(options: Options, folder: Path) -> Report:
    generate(folder / "timed", Shape(0, experiments=1))
    ours = _ask(sys.executable, "record.py", "time", folder / "timed", options.records)
    theirs = {} if options.mlflow is None else _ask_mlflow(options, options.mlflow, folder)
    bare = [whole - git for whole, git in zip(ours["run"], ours["git"], strict=True)]
    mlflow_run, floor = _samples(theirs.get("run")), _samples(ours["floor"])
    counts, how = count_per_run(folder, shutil.which("strace"))
    assert floor is not None
    rows = (
        Row(RUN, Samples(tuple(bare)), mlflow_run, floor, Target(0.005)),
        Row(WITH_GIT, Samples(tuple(ours["run"])), mlflow_run, floor),
        Row(
            METRIC,
            Samples(tuple(ours["metric"])),
            _samples(theirs.get("metric")),
            _samples(ours["line"]),
            Target(5e-6),
        ),
        Row(SYNCS, Samples((counts["syncs"],), ""), target=Target(6)),
        Row(GITS, Samples((counts["gits"],), ""), target=Target(1)),
    )
    note = (
        f"{options.records} empty runs with one parameter in one process, from `create_run` to "
        "the entry in the ledger. The floor of a run is six small files, each made durable; "
        "of a metric, a line of JSON written to a file. "
        f"Counted {how}, over {COUNTED_RUNS} runs after the first."
        + ("" if options.mlflow is None else " MLflow recorded as many runs after aexp's.")
    )
    return Report("Recording a run", rows, note, peer="MLflow")


def count_per_run(
    folder: Path, strace: str | None, script: str = "record.py"
) -> tuple[dict[str, float], str]:
    """Return syncs and git starts per run, and how they were counted.

    What the first run of a process costs more is left out: the counts are the difference
    between two processes that record a different number of runs.

    Args:
        folder: where to put the repositories.
        strace: the tracer to count with; Python counts what it sees itself when None.
        script: what records, into a repository, so many runs.
    """
    usable = can_trace(strace)
    seen = []
    for runs in (1, 1 + COUNTED_RUNS):
        root = folder / f"counted-{runs}"
        generate(root, Shape(0, experiments=1))
        command = [sys.executable, str(HERE / script), "only", str(root), str(runs)]
        seen.append(
            count_trace(trace(strace, f"{SYNC_CALLS},execve", command, folder / "trace.log"))
            if strace is not None and usable
            else _counted(command)
        )
        shutil.rmtree(root)
    return per_run(*seen), "by the kernel's tracer" if usable else "by Python itself"


def per_run(few: dict[str, int], many: dict[str, int]) -> dict[str, float]:
    """Return what each run more than the first cost."""
    return {name: (many[name] - few[name]) / COUNTED_RUNS for name in few}


def _counted(command: list[str]) -> dict[str, int]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {"syncs": found["syncs"], "gits": found["programs"]}


def _ask(python: str | Path, script: str, *arguments: object) -> dict[str, list[float]]:
    done = subprocess.run(
        [str(python), str(HERE / script), *map(str, arguments)],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _ask_mlflow(options: Options, python: Path, folder: Path) -> dict[str, list[float]]:
    with Worker(python, "record_mlflow.py", folder / "mlflow", folder / "mlflow.log") as worker:
        worker.ask("empty")
        return {
            "run": [worker.ask("empty") for _ in range(options.records)],
            "metric": [worker.ask("metrics") for _ in range(3)],
        }


def _samples(values: list[float] | None) -> Samples | None:
    return Samples(tuple(values)) if values else None
