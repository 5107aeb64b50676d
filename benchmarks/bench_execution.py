"""What executions stage and publish: many small assets, and a large one, beside plain copies."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aexp
from aexp.execution import Execution, ExecutionConfiguration, Workflow
from bench_registry import MIB, write_random
from generate import generate
from harness import Options, Report, Row, Target, seconds_in_turns
from stage import sync_disks
from synthetic_runs import Shape

SMALL = 1024
"""Bytes of a small asset."""
KIND = "Model"
WORKFLOW = Workflow("Benchmark", "Measurement", checksum="0" * 40, path="benchmark.py")

REGISTER_NOTE = """
{count:,} calls of `asset_file_path` in one execution, seconds a call; each is durable when it
returns. The floor appends a line of JSON to a file and calls `os.fsync`, as often."""
PUBLISH_NOTE = """
`upload_execution_outputs` of {count:,} assets of {size:,} random bytes, and of one of {mib:,} MiB,
from the staged files to the ledger entry. The floor of the registry is a copy of the files and
hashlib's SHA-256 of the copies, made durable at the end; that of a folder as remote is all of it
twice, since the registry keeps the bytes, too. The sources are in the page cache if they fit
there; what was written before has reached the disk."""


def measure(options: Options) -> Iterator[Report]:
    """Measure registering, then publishing."""
    folder = options.work / "executions"
    folder.mkdir(parents=True)
    try:
        generate(folder / "repo", Shape(0, experiments=1))
        yield _registering(options, folder)
        yield _publishing(options, folder)
    finally:
        shutil.rmtree(folder)


def _registering(options: Options, folder: Path) -> Report:
    count = max(options.blobs // 10, 10)
    print(f"  {count:,} registrations …", file=sys.stderr, flush=True)
    found = seconds_in_turns(
        {
            "aexp": partial(_register, folder / "repo", count),
            "floor": partial(_append_durably, folder / "lines", count),
        },
        repeats=min(options.repeats, 3),
        warmup=0,
    )
    row = Row(f"`asset_file_path`, {count:,} times", found["aexp"], floor=found["floor"])
    return Report("Registering outputs", (row,), REGISTER_NOTE.format(count=count))


def _register(repo: Path, count: int) -> float:
    """Return the seconds of one registration of many."""
    execution = _new(repo)
    sync_disks()
    start = time.perf_counter()
    for number in range(count):
        execution.asset_file_path(KIND, f"{number}.bin")
    taken = (time.perf_counter() - start) / count
    if len(execution.state.assets()) != count:
        raise AssertionError("not everything is registered")
    shutil.rmtree(execution.folder)
    return taken


def _append_durably(path: Path, count: int) -> float:
    sync_disks()
    start = time.perf_counter()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in range(count):
        os.write(fd, b'{"asset": "Model", "name": "%d.bin"}\n' % number)
        os.fsync(fd)
    os.close(fd)
    return (time.perf_counter() - start) / count


def _publishing(options: Options, folder: Path) -> Report:
    count = max(options.blobs // 100, 10)
    many, one = Load(folder, count, SMALL), Load(folder, 1, options.mib * MIB)
    rows = []
    for load, name in ((many, f"{count:,} assets"), (one, f"{options.mib:,} MiB")):
        print(f"  {name} …", file=sys.stderr, flush=True)
        for remote, where in ((False, "the registry"), (True, "a folder")):
            found = seconds_in_turns(
                {
                    "aexp": partial(load.publish, remote=remote),
                    "floor": partial(load.copy, 2 if remote else 1),
                },
                repeats=options.repeats,
            )
            promised = load is one and not remote
            target = Target(1.5, of_floor=True) if promised else None
            rows.append(
                Row(f"{name} to {where}", found["aexp"], floor=found["floor"], target=target)
            )
    note = PUBLISH_NOTE.format(count=count, size=SMALL, mib=options.mib)
    return Report("Publishing outputs", tuple(rows), note)


@dataclass(frozen=True, slots=True)
class Load:
    """Files to publish and to copy.

    Attributes:
        folder: where everything is; the repository is in ``repo``.
        count: how many files.
        size: bytes of each.
    """

    folder: Path
    count: int
    size: int
    names: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", [f"{number}.bin" for number in range(self.count)])

    def publish(self, *, remote: bool) -> float:
        """Return the seconds of publishing all of it."""
        repo = self.folder / "repo"
        settings = f"remotes:\n  lab: {self.folder}/remote\n" if remote else "{}\n"
        (repo / "aexp.yaml").write_text(settings)
        with _new(repo) as execution:
            self._write(lambda name: execution.asset_file_path(KIND, name))
        sync_disks()
        start = time.perf_counter()
        found = execution.upload_execution_outputs()
        taken = time.perf_counter() - start
        if len(found[KIND]) != self.count:
            raise AssertionError("not everything is published")
        (repo / "aexp.yaml").unlink()
        for place in (execution.folder, execution.registry.root, self.folder / "remote"):
            shutil.rmtree(place, ignore_errors=True)
        return taken

    def copy(self, times: int) -> float:
        """Return the seconds of copying and hashing all of it so many times."""
        source = self.folder / "source"
        source.mkdir()
        self._write(lambda name: source / name)
        sync_disks()
        start = time.perf_counter()
        for turn in range(times):
            target = self.folder / f"copy-{turn}"
            subprocess.run(["cp", "-r", str(source), str(target)], check=True)
            for name in self.names:
                with (target / name).open("rb") as stream:
                    hashlib.file_digest(stream, "sha256")
        sync_disks()
        taken = time.perf_counter() - start
        for place in (source, *(self.folder / f"copy-{turn}" for turn in range(times))):
            shutil.rmtree(place)
        return taken

    def _write(self, place: Callable[[str], Path]) -> None:
        for name in self.names:
            write_random(place(name), self.size)


def _new(repo: Path) -> Execution:
    configuration = ExecutionConfiguration(workflow=WORKFLOW, argv=["benchmark.py"])
    return aexp.open_repo(repo).create_execution(configuration)
