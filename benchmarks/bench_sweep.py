"""What a sweep costs beside its points, a resume its manifest, and a queue its runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aexp.sweep import Manifest, Sweep
from aexp.sweep.backends.local import LocalProcessPool
from aexp.sweep.manifest import Entry, Header
from generate import generate
from harness import Command, Options, Report, Row, Samples, Target, run_timed, seconds_in_turns
from synthetic_runs import Shape

BARE = (sys.executable, "-c", "pass")
WORKERS = 8
AT_ONCE = 2
LIMIT = 1.3
"""How many bare process starts a sweep may add to a trivial point."""
FUNCTION = "def nothing(n):\n    pass\n"
POINT_NOTE = """
Seconds a point, of sweeps of {points} points that do nothing, on local processes; the servers that
workers are forked from run already, as after a sweep's first points. Each point is a run with its
entry in the ledger and a line of the manifest, all durable, with a log and an outcome, and
the state of the code is asked of git. The floor is as many starts of `python -c pass`, one after
the other, or by two threads. joblib, which keeps its processes and records nothing, calls the same
function in two of them. The command is `python -c pass`; of it, what the sweep adds is shown as
well: the time less the floor's."""
SCAN_NOTE = """
`Manifest.load`, `find_failed` and `find_missing` of a manifest of {lines:,} lines, a tenth of them
failures. The floor is a bare loop that decodes each line with Python's json."""
QUEUE_NOTE = """
Seconds a run, of {runs} queued runs of `true` that {workers} processes `aexp queue worker` drain,
from their start to the end of the last one. Claims counts how often a run was begun. The floor is
as many starts of `true` as there are runs, after as many of `python -c pass` as there are workers,
by as many threads."""


def measure(options: Options) -> Iterator[Report]:
    """Measure trivial points, a large manifest, and a queue."""
    folder = options.work / "sweep"
    folder.mkdir(parents=True)
    try:
        yield _points(options, folder / "points")
        yield _scan(options, folder / "scan")
        yield _queue(options, folder / "queue")
    finally:
        shutil.rmtree(folder)


# --- points --------------------------------------------------------------------------------------


def _points(options: Options, root: Path) -> Report:
    count = options.points
    print(f"  {count} points …", file=sys.stderr, flush=True)
    repository(root)
    command = shlex.join(BARE)
    kinds = {"a function": {"callable": "nothing:nothing"}, "a command": {"command": command}}
    actions: dict[str, Callable[[], float]] = {}
    pools = [LocalProcessPool(workers) for workers in (1, AT_ONCE)]
    try:
        for pool in pools:
            pool.__enter__()
            at_once = "" if pool.workers == 1 else f", {pool.workers} at once"
            for name, spec in kinds.items():
                actions[name + at_once] = partial(one_sweep, root, pool, spec, count)
            actions["floor" + at_once] = partial(bare_starts, BARE, count, pool.workers)
        actions["joblib"] = partial(with_joblib, root, count)
        found = seconds_in_turns(actions, repeats=options.repeats)
    finally:
        for pool in pools:
            pool.__exit__(None, None, None)
    rows = []
    for at_once in ("", f", {AT_ONCE} at once"):
        floor = found["floor" + at_once]
        # Two at once share two cores with their servers and the driver: shown, and not promised.
        target = None if at_once else Target(LIMIT, of_floor=True)
        joblib = found["joblib"] if at_once else None
        theirs, ours = found["a command" + at_once], found["a function" + at_once]
        added = Samples(tuple(map(_less, theirs.values, floor.values)))
        rows.append(Row(f"a function{at_once}", ours, joblib, floor, target))
        rows.append(Row(f"a command{at_once}", theirs, None, floor))
        rows.append(Row(f"added to a command{at_once}", added, None, floor, target))
    note = POINT_NOTE.format(points=count)
    return Report("Trivial points of a sweep", tuple(rows), note, peer="joblib")


def _less(whole: float, part: float) -> float:
    return max(0.0, whole - part)


def repository(root: Path) -> None:
    """Make a repository with an experiment and a function that does nothing."""
    generate(root, Shape(0, experiments=1))
    (root / "nothing.py").write_text(FUNCTION)
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.invalid", "-C", str(root))
    subprocess.run([*git, "add", "nothing.py"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=Work"], check=True)


_turn = iter(range(10**9))


def one_sweep(root: Path, pool: Any, what: dict[str, Any], count: int) -> float:
    """Run a sweep of new points, and return its seconds a point; planning it is not counted."""
    start = next(_turn) * count
    values = list(range(start, start + count))
    spec = {"experiment": "E001", "parameters": {"grid": {"n": values}}, **what}
    sweep = Sweep(spec, backend=pool, repo_root=root).plan()
    begun = time.perf_counter()
    sweep.resume()
    taken = time.perf_counter() - begun
    statuses = Counter(entry.status for entry in sweep.manifest.entries)
    assert statuses == {"ok": count}, statuses
    return taken / count


def bare_starts(command: tuple[str, ...], count: int, at_once: int) -> float:
    """Start a command so many times, and return the seconds of one."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        for _ in threads.map(run_timed, [Command(command)] * count):
            pass
    return (time.perf_counter() - begun) / count


def with_joblib(root: Path, count: int) -> float:
    """Call the function in joblib's own processes, and return the seconds of one call."""
    import joblib

    sys.path.insert(0, str(root))
    try:
        from nothing import nothing  # type: ignore[import-not-found]

        with joblib.Parallel(n_jobs=AT_ONCE, batch_size=1) as parallel:
            parallel(joblib.delayed(nothing)(n) for n in range(AT_ONCE))
            begun = time.perf_counter()
            parallel(joblib.delayed(nothing)(n) for n in range(count))
            return (time.perf_counter() - begun) / count
    finally:
        sys.path.remove(str(root))


# --- a large manifest ----------------------------------------------------------------------------


def _scan(options: Options, folder: Path) -> Report:
    lines = options.lines
    print(f"  {lines:,} lines …", file=sys.stderr, flush=True)
    folder.mkdir()
    path = write_manifest(folder / "manifest.jsonl", lines)
    found = seconds_in_turns(
        {"scan": partial(scan, path, lines), "floor": partial(decode_lines, path)},
        repeats=options.repeats,
    )
    row = Row(f"{lines:,} lines", found["scan"], None, found["floor"])
    return Report("Resuming a large sweep", (row,), SCAN_NOTE.format(lines=lines))


def write_manifest(path: Path, lines: int) -> Path:
    """Write a manifest; making each line durable is not what is measured."""
    import msgspec

    header = Header(
        sweep_id="0" * 16, sweep_seed=7, run_count=lines + 10, points_digest="", spec={}
    )
    with path.open("wb") as stream:
        stream.write(msgspec.json.encode(header) + b"\n")
        for number in range(lines):
            entry = Entry(
                run_id=number,
                job_id=f"{number:032x}",
                status="ok" if number % 10 else "failed",
                overrides={"lr": number / lines, "width": number},
                started_at="2026-01-01T00:00:00.000000Z",
                ended_at="2026-01-01T00:00:01.000000Z",
                duration_s=1.0,
                log_path=f"logs/{number}.1.log",
            )
            stream.write(msgspec.json.encode(entry) + b"\n")
    return path


def scan(path: Path, lines: int) -> float:
    """Return the seconds of what a resume asks of a manifest."""
    begun = time.perf_counter()
    manifest = Manifest.load(path)
    failed, missing = manifest.find_failed(), manifest.find_missing(range(lines + 10))
    taken = time.perf_counter() - begun
    assert (len(failed), len(missing)) == ((lines + 9) // 10, 10)
    return taken


def decode_lines(path: Path) -> float:
    """Return the seconds of decoding each line."""
    begun = time.perf_counter()
    with path.open("rb") as stream:
        for line in stream:
            json.loads(line)
    return time.perf_counter() - begun


# --- the queue -----------------------------------------------------------------------------------


def _queue(options: Options, root: Path) -> Report:
    runs = options.points
    print(f"  {runs} queued runs …", file=sys.stderr, flush=True)
    repository(root)
    aexp = options.ours.aexp
    claims: list[float] = []
    found = seconds_in_turns(
        {
            "queue": partial(drain, root, aexp, runs, claims),
            "floor": partial(floor_of_queue, runs),
        },
        repeats=options.repeats,
    )
    rows = (
        Row("a queued run", found["queue"], None, found["floor"]),
        Row("claims of a run", Samples(tuple(claims[1:]), ""), target=Target(1)),
    )
    note = QUEUE_NOTE.format(runs=runs, workers=WORKERS)
    return Report(f"A queue and {WORKERS} workers", rows, note)


def drain(root: Path, aexp: str, runs: int, claims: list[float]) -> float:
    """Queue new runs, and return the seconds a run that their workers take."""
    first = next(_turn) * runs
    wanted = f"n={first}..{first + runs - 1}"
    noted = root / ".runs" / "begun"
    noted.unlink(missing_ok=True)
    set_command(root, f"echo {{job_id}} >> {shlex.quote(str(noted))}")
    run_timed(Command([aexp, "queue", "add", "--experiment", "E001", "--sweep", wanted], cwd=root))
    worker = [aexp, "queue", "worker"]
    begun = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as threads:
        list(threads.map(run_timed, [Command(worker, cwd=root)] * WORKERS))
    taken = time.perf_counter() - begun
    times = Counter(noted.read_text().split())
    assert len(times) == runs, f"{len(times)} of {runs} runs were run"
    claims.append(max(times.values()))
    return taken / runs


def set_command(root: Path, command: str) -> None:
    """Say in the experiment's file how one of its runs is started."""
    (path,) = (root / "kb" / "research" / "experiments").glob("E001*.md")
    head, line, rest = path.read_text("utf-8").partition("\n")
    lines = [each for each in rest.split("\n") if not each.startswith("runner_command:")]
    shell = json.dumps(command)
    path.write_text("\n".join([head, f"runner_command: {shell}", *lines]), "utf-8")
    assert line


def floor_of_queue(runs: int) -> float:
    """Return the seconds a run of starting as many processes."""
    begun = time.perf_counter()
    bare_starts(BARE, WORKERS, WORKERS)
    bare_starts((shutil.which("true") or os.devnull,), runs, WORKERS)
    return (time.perf_counter() - begun) / runs
