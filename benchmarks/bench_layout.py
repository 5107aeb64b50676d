"""What the sharded layout of the ledger saves git, and what it costs aexp."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generate import generate
from harness import Command, Options, Report, Row, Samples, side_by_side
from stage import drop_cache, sync_disks
from synthetic_runs import Shape

COMMITS = 50
"""Commits of one new entry each, as `aexp sync` makes them, for the size of the history."""
ADDED = 100
"""New entries that one `git add` takes."""
LEDGER = ".aexp/ledger"
GIT_ROWS = 2
"""How many of the timed commands are git's; its sizes stand beneath them."""
NOTE = f"""
The same ledger in both layouts, each in a repository of its own, measured in turns: the sharded one
stands in the column of aexp, the flat one in its own. `git add` takes
{ADDED} new entries; the history grows by {COMMITS} commits of one new entry each, and `.git` is
measured in MiB with all entries committed and packed, then what those commits add, then packed
again: each of those commits writes the list of a folder anew,
and in the flat layout that folder has every entry. Nothing is promised of these rows; they are
what the advice of `aexp ledger stats` rests on."""


@dataclass(frozen=True, slots=True)
class Layouts:
    """One ledger, twice.

    Attributes:
        sharded: a repository whose entries stand in 256 folders.
        flat: one whose entries stand in one.
    """

    sharded: Path
    flat: Path


def measure(options: Options) -> Iterator[Report]:
    """Compare the layouts at every size."""
    for size in options.usual_sizes:
        print(f"  {size:,} runs, flat and sharded …", file=sys.stderr, flush=True)
        folder = options.work / f"layout-{size}"
        folder.mkdir(parents=True)
        try:
            layouts = _prepare(options, folder, size)
            timed, grown = list(_timed(options, layouts)), list(_grown(layouts))
            rows = (*timed[:GIT_ROWS], *grown, *timed[GIT_ROWS:])
        finally:
            shutil.rmtree(folder)
        yield Report(f"{size:,} entries, sharded and flat", rows, NOTE, peer="flat")


def _prepare(options: Options, folder: Path, size: int) -> Layouts:
    """Make both repositories: backfilled, committed, and one of them resharded."""
    layouts = Layouts(folder / "sharded", folder / "flat")
    generate(layouts.flat, Shape(size))
    _aexp(options, layouts.flat, "ledger", "backfill")
    shutil.rmtree(layouts.flat / ".runs")
    _git(layouts.flat, "gc", "--quiet")
    shutil.copytree(layouts.flat, layouts.sharded, symlinks=True)
    _aexp(options, layouts.sharded, "ledger", "reshard")
    _git(layouts.sharded, "add", "--all", LEDGER)
    _git(layouts.sharded, "commit", "--quiet", "--message=Reshard")
    for root in (layouts.sharded, layouts.flat):
        entries = len(list((root / LEDGER).rglob("*.json")))
        if entries != size:
            raise AssertionError(f"{entries} entries of {size} in {root}")
        _git(root, "gc", "--quiet")
        _git(root, "status")
    sync_disks()
    return layouts


def _timed(options: Options, layouts: Layouts) -> Iterator[Row]:
    """Measure commands that find all entries committed."""
    verbs = {
        "`git status`": ["git", "status", "--short"],
        f"`git add`, {ADDED} new": ["git", "add", LEDGER],
        "`aexp validate`": [options.ours.aexp, "validate"],
        "`aexp ledger verify`": [options.ours.aexp, "ledger", "verify"],
    }
    commands: dict[str, Command] = {}
    for name, argv in verbs.items():
        for root in (layouts.sharded, layouts.flat):
            commands[f"{name} {root.name}"] = Command(argv, root, _preparing(root, name))
    found = side_by_side(commands, repeats=options.repeats)
    for root in (layouts.sharded, layouts.flat):
        _unstage(root)
    for name in verbs:
        yield Row(name, found[f"{name} sharded"], found[f"{name} flat"])


def _preparing(root: Path, name: str) -> _Prepare:
    return _Prepare(root, adds="git add" in name)


@dataclass(frozen=True, slots=True)
class _Prepare:
    """What is done before a command is measured: new entries for `git add`, no cache for aexp."""

    root: Path
    adds: bool

    def __call__(self) -> None:
        _unstage(self.root)
        drop_cache(self.root)
        if self.adds:
            for number in range(ADDED):
                _write_entry(self.root, f"added {number}")


def _unstage(root: Path) -> None:
    """Forget the entries that an earlier `git add` took."""
    _git(root, "reset", "--quiet", "--hard")
    _git(root, "clean", "--quiet", "--force", "-d", LEDGER)


def _grown(layouts: Layouts) -> Iterator[Row]:
    """Let the history of both grow, and measure what git keeps."""
    sizes: dict[str, list[float]] = {"sharded": [], "flat": []}
    for root in (layouts.sharded, layouts.flat):
        _git(root, "gc", "--quiet", "--prune=now")  # what the timed `git add` left
        before = _size(root / ".git")
        for number in range(COMMITS):
            _write_entry(root, f"commit {number}")
            _git(root, "add", LEDGER)
            _git(root, "commit", "--quiet", f"--message=Entry {number}")
        loose = _size(root / ".git")
        _git(root, "gc", "--quiet")
        sizes[root.name] = [before, round(loose - before, 2), _size(root / ".git")]
    names = (
        "`.git`, MiB",
        f"`.git` grown by {COMMITS} commits, MiB",
        f"`.git` after {COMMITS} commits and gc, MiB",
    )
    for number, name in enumerate(names):
        sharded, flat = (Samples((sizes[one][number],), "") for one in ("sharded", "flat"))
        yield Row(name, sharded, flat)


def _write_entry(root: Path, name: str) -> None:
    """Write what git takes for a new entry, where the layout has it."""
    job_id = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    folder = root / LEDGER / (job_id[:2] if root.name == "sharded" else "")
    folder.mkdir(exist_ok=True)
    drawn = "".join(hashlib.sha256(f"{name} {n}".encode()).hexdigest() for n in range(8))
    (folder / f"{job_id}.json").write_text(f'{{\n  "job_id": "{job_id}",\n  "x": "{drawn}"\n}}\n')


def _size(folder: Path) -> float:
    """Return the bytes of all files below a folder, in MiB to two digits."""
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return round(total / 2**20, 2)


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


def _aexp(options: Options, root: Path, *arguments: str) -> None:
    subprocess.run([options.ours.aexp, *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)
