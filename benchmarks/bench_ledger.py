"""The commands whose cost grows with the repository, against the peer and a bare Python."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from costs import COST_NOTE, cost_rows, traced_note
from harness import Command, Options, Report, Row, Samples, Target, side_by_side
from stage import Stage, commit_ledger, drop_cache, fresh_copy, sync_disks, written_manifest
from synthetic_runs import Shape

FLOOR = str(Path(__file__).with_name("floor.py"))
BACKFILL, AGAIN, LIST, VALIDATE = "backfill, first", "backfill, again", "list-runs", "validate"
STAGED = "validate --staged"
FILTER, GROUP = "query, a filter", "query, means of groups"
CACHED = ", cached"
TARGETS = {
    BACKFILL: Target(2.0, or_floor=1.25),
    AGAIN + CACHED: Target(0.35),
    LIST + CACHED: Target(0.4),
    VALIDATE: Target(0.8),
    VALIDATE + CACHED: Target(0.35),
    STAGED + CACHED: Target(0.3),
}
TARGET_SIZE = 10_000
"""The number of runs that the targets are about."""

SLOW_SIZE = 5_000
"""From this number of runs on, the peer is measured less often: it needs minutes."""

NOTE = """
Wall time of whole processes. The page cache is warm. In rows without `cached` aexp's own cache was
deleted before, and is built; in the others it is there, as it usually is. The floor
is a bare Python that reads the same files once, and for the first backfill also writes as many
files of the same sizes as aexp did and makes them durable with one `sync`; the peer makes nothing
durable. The first backfill finds an empty ledger each time; the other commands find every run in
the ledger, and the ledger committed. For `validate --staged`, which the peer has not, one changed
finding is staged, and the floor reads ledger and findings from the disk. The queries, which it
has neither, are `ledger query --where`, which finds two runs of five, and `ledger query --group-by
--stat`, with the mean of a field in each group."""
STREAMS_NOTE = """
The same where each run has an attempt and a stream of three metrics, as aexp records them; the
peer knows neither. The floor of the backfills reads the streams too."""


def measure(options: Options) -> Iterator[Report]:
    """Measure every size, and the smallest once more with recorded metrics."""
    shapes = [Shape(size, options.findings_at(size)) for size in options.usual_sizes]
    for shape in shapes:
        yield from _measure_one(options, shape, f"{shape.runs:,} runs, {shape.findings} findings")
    for shape in sorted(shapes, key=lambda one: one.runs)[:1]:
        title = f"{shape.runs:,} runs with metrics, {shape.findings} findings"
        yield from _measure_one(replace(options, peer=None), replace(shape, streams=True), title)


def _measure_one(options: Options, shape: Shape, title: str) -> Iterator[Report]:
    print(f"  {title} …", file=sys.stderr, flush=True)
    folder = options.work / ("metrics" if shape.streams else f"runs-{shape.runs}")
    stage = Stage.make(folder, shape)
    try:
        found = {BACKFILL: _first_backfill(options, stage)}
        _share_ledgers(options, stage)
        found |= _on_the_ledger(options, stage)
        costs = [] if shape.streams else list(cost_rows(options, stage.ours, folder / "trace"))
    finally:
        shutil.rmtree(folder)
    targets = TARGETS if shape.runs == TARGET_SIZE and not shape.streams else {}
    rows = tuple(
        Row(f"`{name}`", of["aexp"], of.get("peer"), of["floor"], targets.get(name))
        for name, of in found.items()
    )
    yield Report(title, rows, STREAMS_NOTE if shape.streams else NOTE)
    if costs:
        yield Report(f"{title}: memory and files", tuple(costs), COST_NOTE + traced_note())


def _first_backfill(options: Options, stage: Stage) -> dict[str, Samples]:
    """Measure the backfill of a ledger that is empty, on a fresh copy each time."""
    arguments = ["backfill", str(stage.floor), str(stage.manifest), *_streams(stage)]
    commands = {
        "aexp": Command(
            [options.ours.aexp, "ledger", "backfill", "--no-commit"],
            stage.ours,
            partial(fresh_copy, stage.base, stage.ours),
        ),
        "floor": Command(
            [sys.executable, FLOOR, *arguments], stage.floor, partial(_prepare_floor, stage)
        ),
    }
    if options.peer is not None:
        commands["peer"] = Command(
            [options.peer.aexp, "ledger", "backfill"],
            stage.theirs,
            partial(fresh_copy, stage.base, stage.theirs),
            most=_peer_rounds(stage.shape, 3),
        )
    if stage.shape.runs < SLOW_SIZE:
        return side_by_side(commands, repeats=options.repeats)
    # Bringing the copies back takes longer than what is measured.
    return side_by_side(commands, repeats=min(options.repeats, 3), warmup=0)


@dataclass(frozen=True, slots=True)
class Verb:
    """One of the commands that find every run in the ledger.

    Attributes:
        ours: aexp's arguments.
        theirs: the peer's; empty when it has no such command.
        reads: what the floor reads for it.
        rounds: how often the peer is measured in a large repository.
    """

    ours: str
    theirs: str
    reads: tuple[str, ...]
    rounds: int = 1


QUERIES = {
    FILTER: Verb(
        """ledger query --where "lr < 0.01 and status = 'complete'" --sort -lr""",
        "",
        ("runs", "ledger"),
    ),
    GROUP: Verb(
        "ledger query --group-by condition,batch_size --stat lr:mean,wallclock_s:mean",
        "",
        ("runs", "ledger"),
    ),
}


def _on_the_ledger(options: Options, stage: Stage) -> dict[str, dict[str, Samples]]:
    """Measure the commands that find every run in the ledger, all of them in turns."""
    streams = _streams(stage)
    verbs = {
        AGAIN: Verb(
            "ledger backfill --no-commit", "ledger backfill", ("runs", *streams, "ledger"), 3
        ),
        LIST: Verb("list-runs", "list-runs", ("runs", "ledger")),
        VALIDATE: Verb("validate", "validate", ("runs", "ledger", "kb")),
        STAGED: Verb("validate --staged", "", ("ledger", "kb")),
        **QUERIES,
    }
    large = stage.shape.runs >= SLOW_SIZE
    _stage_a_finding(stage)
    commands: dict[str, Command] = {}
    for name, verb in verbs.items():
        commands[f"{name}: aexp"] = Command(
            [options.ours.aexp, *shlex.split(verb.ours)],
            stage.ours,
            partial(drop_cache, stage.ours),
        )
        # Next in turn, so that it finds the cache that the one before has built.
        commands[f"{name}{CACHED}: aexp"] = Command(
            [options.ours.aexp, *shlex.split(verb.ours)], stage.ours
        )
        commands[f"{name}: floor"] = Command(
            [sys.executable, FLOOR, "read", str(stage.ours), *verb.reads]
        )
        if options.peer is not None and verb.theirs:
            commands[f"{name}: peer"] = Command(
                [options.peer.aexp, *verb.theirs.split()],
                stage.theirs,
                most=_peer_rounds(stage.shape, verb.rounds),
                warmup=not large,
            )
    found = side_by_side(commands, repeats=options.repeats)
    result: dict[str, dict[str, Samples]] = {}
    for name in verbs:
        others = {
            who: found[f"{name}: {who}"] for who in ("peer", "floor") if f"{name}: {who}" in found
        }
        result[name] = {"aexp": found[f"{name}: aexp"], **others}
        result[name + CACHED] = {"aexp": found[f"{name}{CACHED}: aexp"], **others}
    return result


def _stage_a_finding(stage: Stage) -> None:
    """Change one finding of aexp's copy, and stage it."""
    folder = stage.ours / "kb" / "research" / "findings"
    changed = min(path for path in folder.glob("F*.md"))
    changed.write_text(changed.read_text("utf-8") + "\nMore words.\n", "utf-8")
    subprocess.run(["git", "add", "--", str(changed)], cwd=stage.ours, check=True)


def _share_ledgers(options: Options, stage: Stage) -> None:
    """Commit the ledgers that the first backfills wrote, and prove that they are whole."""
    roots = [stage.ours] if options.peer is None else [stage.ours, stage.theirs]
    for root in roots:
        entries = len(list((root / ".aexp" / "ledger").glob("*.json")))
        if entries != stage.shape.runs:
            raise AssertionError(f"{entries} entries of {stage.shape.runs} runs in {root}")
        commit_ledger(root)
    sync_disks()


def _prepare_floor(stage: Stage) -> None:
    if not stage.manifest.exists():
        stage.manifest.write_text(written_manifest(stage.base, stage.ours), "utf-8")
    fresh_copy(stage.base, stage.floor)
    paths = (line.split("\t")[1] for line in stage.manifest.read_text("utf-8").splitlines())
    for folder in {(stage.floor / path).parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)


def _streams(stage: Stage) -> tuple[str, ...]:
    return ("streams",) if stage.shape.streams else ()


def _peer_rounds(shape: Shape, rounds: int) -> int | None:
    return rounds if shape.runs >= SLOW_SIZE else None
