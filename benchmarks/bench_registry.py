"""Taking bytes into the registry: one large file, many small blobs, and the memory it takes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from aexp.registry import Registry
from costs import peak_memory
from harness import Options, Report, Row, Samples, Target, seconds_in_turns
from stage import sync_disks

MIB = 2**20
SMALL = 1024
"""Bytes of a small blob."""
FEW_MIB = 16
"""How many times smaller the file is whose ingest shows that memory does not grow."""
ROOM = 8.0
"""MiB that the ingest of the large file may take more than that of the small one."""

FILE_NOTE = """
`Registry.put_file` of a file of {mib:,} MiB of random bytes, on the disk it comes from. The floor
is `cp` of the file, then hashlib's SHA-256 of the copy; the peer is `cp`, then `{program}` of the
copy. All three are made durable within the time: the registry flushes the blob and its folder, and
so does `os.fsync` for the copies, of both, after the hashing. The source is in the page cache if it
fits there, what was written before has reached the disk, and what is there already is removed.
Peak memory is that of a process of its own; the floor of the large file is the small one, that of
the small one a process that only loads the registry."""
SMALL_NOTE = """
{count:,} different blobs of {size:,} random bytes, seconds a blob. With `put` each is durable
before the next one begins: the floor writes each to a file, with `os.fsync` of the file. `put_many`
makes all of them durable at once: the floor writes the files, then calls `os.sync` once. For blobs
that are there already the floor reads those files and hashes them."""
INGEST = """
import sys
from pathlib import Path
from aexp.registry import Registry
registry = Registry(Path(sys.argv[1]))
registry.initialise()
for path in sys.argv[2:]:
    registry.put_file(Path(path))
"""


def measure(options: Options) -> Iterator[Report]:
    """Measure one large file, then many small blobs."""
    folder = options.work / "blobs"
    folder.mkdir(parents=True)
    try:
        yield _large_file(options, folder)
        yield _small_blobs(options, folder)
    finally:
        shutil.rmtree(folder)


def _large_file(options: Options, folder: Path) -> Report:
    print(f"  {options.mib:,} MiB …", file=sys.stderr, flush=True)
    large, small = folder / "large", folder / "small"
    write_random(large, options.mib * MIB)
    write_random(small, options.mib * MIB // FEW_MIB)
    program = hashing_program()
    actions: dict[str, Callable[[], float]] = {
        "floor": partial(_copy_and_hash, large, folder / "copy", None),
        "aexp": partial(_ingest, large, folder / "registry"),
    }
    if program is not None:
        actions["peer"] = partial(_copy_and_hash, large, folder / "copy", program)
    found = seconds_in_turns(actions, repeats=options.repeats)
    rows = [
        Row(
            f"`put_file`, {options.mib:,} MiB",
            found["aexp"], found.get("peer"), found["floor"], Target(1.25, of_floor=True),
        )
    ]  # fmt: skip
    rows += _memory(folder, large, small)
    shown = " ".join(program or ["sha256sum"])
    note = FILE_NOTE.format(mib=options.mib, program=shown)
    return Report("A large file into the registry", tuple(rows), note, peer=f"cp+{shown}")


def _memory(folder: Path, large: Path, small: Path) -> Iterator[Row]:
    """Yield the peak memory of ingesting a file, and one so many times smaller."""
    peaks = []
    for files in ([], [small], [large]):
        command = [sys.executable, "-c", INGEST, str(folder / "memory"), *map(str, files)]
        peaks.append(Samples((peak_memory(command),), ""))
        shutil.rmtree(folder / "memory")
    for before, peak, path in zip(peaks, peaks[1:], (small, large), strict=False):
        name = f"peak MiB, a file of {max(path.stat().st_size // MIB, 1):,} MiB"
        target = Target(ROOM, above_floor=True) if path is large else None
        yield Row(name, peak, floor=before, target=target)


def write_random(path: Path, size: int) -> None:
    """Write a file of ``size`` bytes that no file system can compress or share."""
    with path.open("wb") as stream:
        while size > 0:
            stream.write(os.urandom(min(size, MIB)))
            size -= MIB


def hashing_program() -> list[str] | None:
    """Return the command that prints a file's SHA-256 here, None when there is none."""
    for words in (["sha256sum"], ["shasum", "-a", "256"]):
        if shutil.which(words[0]):
            return words
    return None


def _ingest(path: Path, root: Path) -> float:
    """Return the seconds of taking a file into a new registry."""
    registry = Registry(root)
    registry.initialise()
    sync_disks()
    start = time.perf_counter()
    blob = registry.put_file(path)
    taken = time.perf_counter() - start
    if registry.size(blob.digest) != path.stat().st_size:
        raise AssertionError(f"{blob.digest} is not whole")
    shutil.rmtree(root)
    return taken


def _copy_and_hash(path: Path, copy: Path, program: Sequence[str] | None) -> float:
    """Return the seconds of copying a file durably and hashing the copy.

    Args:
        path: the file.
        copy: where the copy goes; it is removed afterwards.
        program: what hashes it; hashlib when None.
    """
    sync_disks()
    start = time.perf_counter()
    subprocess.run(["cp", str(path), str(copy)], check=True)
    if program is None:
        with copy.open("rb") as stream:
            hashlib.file_digest(stream, "sha256")
    else:
        subprocess.run([*program, str(copy)], check=True, stdout=subprocess.DEVNULL)
    for place in (copy, copy.parent):
        _flush(place)
    taken = time.perf_counter() - start
    copy.unlink()
    return taken


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _small_blobs(options: Options, folder: Path) -> Report:
    count = max(options.blobs // 100, 1)
    print(f"  {count:,} small blobs …", file=sys.stderr, flush=True)
    plain = folder / "plain"
    plain.mkdir()
    found: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        items = [os.urandom(SMALL) for _ in range(count)]
        more = [os.urandom(SMALL) for _ in range(count)]
        registry = Registry(folder / "small-blobs")
        registry.initialise()
        sync_disks()
        steps: dict[str, Callable[[], object]] = {
            "put": lambda: [registry.put(item) for item in items],  # noqa: B023 - called at once
            "put, floor": partial(write_files, plain, items, durable=True),
            "put_many": partial(registry.put_many, more),
            "put_many, floor": partial(write_files, plain, more, durable=False),
            "there already": lambda: [registry.put(item) for item in items],  # noqa: B023
            "there already, floor": partial(_read_files, plain, items),
        }
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            found.setdefault(name, []).append((time.perf_counter() - start) / count)
        if sum(1 for _ in registry.blobs()) != 2 * count:
            raise AssertionError("not every blob is in the registry")
        shutil.rmtree(registry.root)
    samples = {name: Samples(tuple(values)) for name, values in found.items()}
    names = {"put": "`put`", "put_many": "`put_many`", "there already": "`put`, there already"}
    rows = tuple(
        Row(shown, samples[name], floor=samples[f"{name}, floor"]) for name, shown in names.items()
    )
    note = SMALL_NOTE.format(count=count, size=SMALL)
    return Report("Small blobs into the registry", rows, note)


def write_files(folder: Path, items: Sequence[bytes], *, durable: bool) -> None:
    """Write a file for each item.

    Args:
        folder: where to.
        items: their contents.
        durable: make each durable before the next one is begun; else all at the end.
    """
    for number, item in enumerate(items):
        fd = os.open(folder / str(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(fd, item)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
    if not durable:
        sync_disks()


def _read_files(folder: Path, items: Sequence[bytes]) -> None:
    for number in range(len(items)):
        hashlib.sha256((folder / str(number)).read_bytes()).hexdigest()
