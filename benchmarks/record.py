"""Record runs in this process, as a training script does; measured from inside.

    python record.py time ROOT RUNS      prints the seconds of everything, as JSON
    python record.py only ROOT RUNS      just records, and prints what it counted itself

ROOT is a repository with an experiment E001.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aexp
from aexp.git import Git

METRICS = 20_000
"""Values per measurement of ``log_metric``."""

FSYNCS = 6
"""What the floor of a run does: so many files written and made durable."""


class GitWatch:
    """What git cost: every call of the one door to it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._run = Git.run

    def install(self) -> None:
        """Watch from now on."""
        original = self._run

        def run(git: Git, *args: str, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return original(git, *args, **options)
            finally:
                self.seconds += time.perf_counter() - start

        setattr(Git, "run", run)  # noqa: B010 - a method of a typed class


def record(root: Path, value: int) -> None:
    """Record an empty run with one parameter, from opening it to its entry in the ledger."""
    job = aexp.create_run("E001", {"value": value}, repo_root=root)
    with aexp.run_lifecycle(job):
        pass


def log_metrics(root: Path, value: int) -> float:
    """Return the seconds per metric of logging many into one run, flushed."""
    job = aexp.create_run("E001", {"value": value}, repo_root=root)
    with aexp.run_lifecycle(job):
        run = aexp.current_run()
        assert run is not None
        start = time.perf_counter()
        for step in range(METRICS):
            run.log_metric("loss", 0.5, step)
        run.flush()
        return (time.perf_counter() - start) / METRICS


def write_durably(folder: Path) -> None:
    """Write small files and make each durable: the floor of recording a run."""
    for number in range(FSYNCS):
        fd = os.open(folder / f"{number}.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, b'{"value": 1}')
        os.fsync(fd)
        os.close(fd)


def write_lines(path: Path) -> float:
    """Return the seconds per line of writing as many lines of JSON: the floor of logging."""
    start = time.perf_counter()
    with path.open("w", encoding="utf-8") as stream:
        for step in range(METRICS):
            record = {"name": "loss", "value": 0.5, "time": time.time(), "step": step}
            stream.write(json.dumps(record) + "\n")
    return (time.perf_counter() - start) / METRICS


def seconds_of(action: Callable[[], None]) -> float:
    """Return how long ``action`` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(root: Path, runs: int) -> dict[str, list[float]]:
    """Return the seconds of runs, of git within them, of metrics, and of their floors."""
    floor = root.parent / "floor-of-record"
    floor.mkdir(exist_ok=True)
    watch = GitWatch()
    watch.install()
    record(root, -1)
    found: dict[str, list[float]] = {"run": [], "git": [], "floor": [], "metric": [], "line": []}
    for value in range(runs):
        watch.seconds = 0.0
        found["run"].append(seconds_of(partial(record, root, value)))
        found["git"].append(watch.seconds)
        found["floor"].append(seconds_of(partial(write_durably, floor)))
    for turn in range(5):
        found["metric"].append(log_metrics(root, runs + turn))
        found["line"].append(write_lines(floor / "lines.jsonl"))
    return found


@contextmanager
def counting_syncs() -> Iterator[dict[str, int]]:
    """Give what Python sees of this process from now on: syncs and started programs.

    A sync that C code does by itself is not seen; a tracer outside sees all.
    """
    seen = {"syncs": 0, "programs": 0}

    def counting(original: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            seen["syncs"] += 1
            original(*args)

        return call

    def hook(event: str, _: object) -> None:
        if event == "subprocess.Popen":
            seen["programs"] += 1

    for name in ("fsync", "fdatasync", "sync"):
        if hasattr(os, name):
            setattr(os, name, counting(getattr(os, name)))
    sys.addaudithook(hook)
    yield seen


def count(root: Path, runs: int) -> dict[str, int]:
    """Record runs and return what Python saw of them."""
    with counting_syncs() as seen:
        for value in range(runs):
            record(root, value)
    return seen


if __name__ == "__main__":
    verb, place, number = sys.argv[1:]
    does = {"time": measure, "only": count}[verb]
    print(json.dumps(does(Path(place), int(number))))
