"""Garbage collection of a large registry, against a bare Python that touches the same files."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from aexp.model.oci import Descriptor, Manifest
from aexp.registry import Registry, SetRef
from costs import peak_memory
from harness import Command, Options, Report, Row, Samples, side_by_side

FLOOR = str(Path(__file__).with_name("floor_registry.py"))
LAYERS = 8
OLD_S = 10 * 86400.0
NOTE = """
Wall time of `aexp registry gc`, without and with `--delete`, on {blobs:,} small blobs: {runs:,}
runs of eight attachments, a config and a manifest each; half of the runs have a ref, the others
are old orphans. The page cache is warm. The floor is a bare Python that looks at every file, reads
and hashes the manifests of the refs, and for `--delete` removes the orphans: it takes no lock, and
looks at nothing a second time."""


def measure(options: Options) -> Iterator[Report]:
    """Measure a report, and a deletion on a registry whose orphans are put back each time."""
    blobs = options.blobs
    print(f"  {blobs:,} blobs …", file=sys.stderr, flush=True)
    folder = options.work / "registry"
    try:
        yield _measure(options, folder, blobs)
    finally:
        shutil.rmtree(folder)


def _measure(options: Options, folder: Path, blobs: int) -> Report:
    registry = Registry(folder / "registry")
    runs = blobs // (LAYERS + 2)
    kept, orphans = fill(registry, runs, folder)
    where = ["--root", str(registry.root)]
    place = str(registry.path("sha256:" + "0" * 64).parent)
    floor = [sys.executable, FLOOR, place, str(kept)]
    restore = partial(put_back, orphans, Path(place), folder / "orphans")
    gc = [options.ours.aexp, "registry", "gc"]
    found = side_by_side(
        {
            "report": Command([*gc, *where], prepare=restore),
            "report, floor": Command(floor, prepare=restore),
            "--delete": Command([*gc, "--delete", *where], prepare=restore),
            "--delete, floor": Command([*floor, str(orphans)], prepare=restore),
        },
        repeats=options.repeats,
    )
    rows = tuple(
        Row(f"`gc`, {name}", found[name], None, found[f"{name}, floor"])
        for name in ("report", "--delete")
    )
    memory = [Samples((peak_memory(argv),), "") for argv in ([*gc, *where], floor)]
    rows += (Row("`gc`, report: peak MiB", memory[0], floor=memory[1]),)
    return Report(f"Collecting {blobs:,} blobs", rows, NOTE.format(blobs=blobs, runs=runs))


def fill(registry: Registry, runs: int, folder: Path) -> tuple[Path, Path]:
    """Put runs into a registry; return the files with the names of manifests and of orphans.

    The blobs are written straight into their places: storing them durably is not what is measured.
    """
    registry.initialise()
    spare = folder / "orphans"
    spare.mkdir()
    manifests: list[str] = []
    orphans: list[str] = []
    refs = []
    for number in range(runs):
        names = _put_run(registry, number)
        if number % 2:
            orphans += names
            for name in names:
                os.link(registry.path(f"sha256:{name}"), spare / name)
        else:
            manifests.append(names[-1])
            refs.append(SetRef(f"run/{'0' * 16}/{number:032x}", "run", f"sha256:{names[-1]}"))
    registry.publish(*refs)
    listed = folder / "manifests.txt", folder / "orphans.txt"
    for path, lines in zip(listed, (manifests, orphans), strict=True):
        path.write_text("\n".join(lines), "ascii")
    return listed


def put_back(orphans: Path, place: Path, spare: Path) -> None:
    """Give the orphans their names again, where they are missing."""
    there = {path.name for path in place.iterdir()}
    for name in orphans.read_text("ascii").split():
        if name not in there:
            os.link(spare / name, place / name)


def _put_run(registry: Registry, number: int) -> list[str]:
    parts = [b"%d %d " % (number, part) * 20 for part in range(LAYERS)]
    config = b'{"run":%d}' % number
    manifest = Manifest(
        Descriptor.of("application/json", config),
        tuple(Descriptor.of("application/octet-stream", part) for part in parts),
    )
    return [_put(registry, data) for data in (*parts, config, manifest.encode())]


def _put(registry: Registry, data: bytes) -> str:
    name = hashlib.sha256(data).hexdigest()
    path = registry.path(f"sha256:{name}")
    path.write_bytes(data)
    then = time.time() - OLD_S
    os.utime(path, (then, then))
    return name
