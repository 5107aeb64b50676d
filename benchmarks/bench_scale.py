"""Very many runs: whether the commands stay within their targets, and grow in proportion.

Only with `--runs 100000` or another number of that order: making such a repository takes minutes.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from costs import COST_NOTE, cost_rows, traced_note
from generate import generate
from harness import Command, Options, Report, Row, Samples, Target, run_timed, side_by_side
from stage import commit_ledger, drop_cache, sync_disks
from synthetic_runs import Shape

FLOOR = str(Path(__file__).with_name("floor.py"))
VALIDATE, LIST, QUERY, BACKFILL = "validate", "list-runs", "ledger query", "backfill, first"
CACHED = ", cached"
TARGET_SIZE = 100_000
"""The number of runs that the targets are about."""
TARGETS = {VALIDATE: Target(8.0), VALIDATE + CACHED: Target(1.5)}
SMALLER = 10
"""How many times smaller the repository is that shows whether the cost is linear."""
LINEAR = Target(1.25)
"""So many times the cost of a run in the smaller repository."""
ROUNDS = 3

NOTE = """
Wall time of whole processes, the page cache warm; all runs are in the ledger, which is committed.
In rows without `cached` aexp's own cache was deleted before. The floor is a bare Python that reads
the same files once. The first backfill is measured once, durable. The query is a mean by group. No
peer is measured: it would take hours. Rows `per run` are the time of a run here over the time of a
run in a repository {smaller} times smaller, with findings in proportion, measured in turns with it:
1 is linear, less is what starting the process costs."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A repository whose every run is in the committed ledger.

    Attributes:
        root: the repository.
        shape: what is in it.
        backfill: the seconds that its first backfill took.
    """

    root: Path
    shape: Shape
    backfill: float


def measure(options: Options) -> Iterator[Report]:
    """Measure every huge size beside a tenth of it."""
    for size in options.huge_sizes:
        folder = options.work / f"scale-{size}"
        folder.mkdir(parents=True)
        try:
            yield from _measure(options, folder, size)
        finally:
            shutil.rmtree(folder)


def _measure(options: Options, folder: Path, size: int) -> Iterator[Report]:
    findings = options.findings_at(size)
    small = Shape(size // SMALLER, findings // SMALLER)
    scenes = [_scene(options, folder, shape) for shape in (Shape(size, findings), small)]
    title = f"{size:,} runs, {findings:,} findings"
    note = NOTE.format(smaller=SMALLER)
    yield Report(title, tuple(_rows(options, *scenes)), note)
    costs = tuple(cost_rows(options, scenes[0].root, folder / "trace"))
    yield Report(f"{title}: memory and files", costs, COST_NOTE + traced_note())


def _scene(options: Options, folder: Path, shape: Shape) -> Scene:
    """Make a repository and its ledger."""
    print(f"  making {shape.runs:,} runs …", file=sys.stderr, flush=True)
    root = folder / str(shape.runs)
    generate(root, shape)
    sync_disks()
    command = Command([options.ours.aexp, "ledger", "backfill", "--no-commit"], root)
    taken = run_timed(command)
    entries = sum(1 for _ in (root / ".aexp" / "ledger").rglob("*.json"))
    if entries != shape.runs:
        raise AssertionError(f"{entries} entries of {shape.runs} runs in {root}")
    commit_ledger(root)
    sync_disks()
    return Scene(root, shape, taken)


def _rows(options: Options, large: Scene, small: Scene) -> Iterator[Row]:
    verbs = {
        VALIDATE: (["validate"], ["runs", "ledger", "kb"]),
        LIST: (["list-runs"], ["runs", "ledger"]),
        QUERY: (
            ["ledger", "query", "--group-by", "condition", "--stat", "lr:mean"],
            ["runs", "ledger"],
        ),
    }
    commands: dict[str, Command] = {}
    for scene in (large, small):
        for name, (argv, parts) in verbs.items():
            ours = [options.ours.aexp, *argv]
            key = _key(name, scene)
            commands[key] = Command(ours, scene.root, partial(drop_cache, scene.root))
            # Next in turn, so that it finds the cache that the one before has built.
            commands[_key(name + CACHED, scene)] = Command(ours, scene.root)
            read = [sys.executable, FLOOR, "read", str(scene.root), *parts]
            commands[f"{key}, floor"] = Command(read)
    found = side_by_side(commands, repeats=min(options.repeats, ROUNDS))
    targets = TARGETS if large.shape.runs == TARGET_SIZE else {}
    yield Row(f"`{BACKFILL}`", Samples((large.backfill,)))
    names = [each for name in verbs for each in (name, name + CACHED)]
    for name in names:
        floor = found[f"{_key(name.removesuffix(CACHED), large)}, floor"]
        yield Row(f"`{name}`", found[_key(name, large)], floor=floor, target=targets.get(name))
    for name in names:
        ratio = per_run(found[_key(name, large)], large) / per_run(found[_key(name, small)], small)
        yield Row(f"`{name}`: per run", Samples((round(ratio, 2),), ""), target=LINEAR)


def _key(name: str, scene: Scene) -> str:
    return f"{name} {scene.shape.runs}"


def per_run(samples: Samples, scene: Scene) -> float:
    """Return the seconds that each run of a repository costs a command."""
    return samples.median / scene.shape.runs
