"""The repositories that commands are measured on: made once, copied, brought back."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from generate import generate
from synthetic_runs import Shape


@dataclass(frozen=True, slots=True)
class Stage:
    """The repositories of one measurement.

    Attributes:
        shape: what is in them.
        base: as generated; never changed.
        ours: aexp's copy.
        theirs: the peer's copy.
        floor: the bare Python's copy.
        manifest: what aexp's first backfill wrote: lines of size, tab, path.
    """

    shape: Shape
    base: Path
    ours: Path
    theirs: Path
    floor: Path
    manifest: Path

    @classmethod
    def make(cls, folder: Path, shape: Shape) -> Stage:
        """Generate the repository of ``shape`` in ``folder``."""
        folder.mkdir(parents=True)
        generate(folder / "base", shape)
        names = ("base", "ours", "theirs", "floor", "manifest")
        return cls(shape, *(folder / name for name in names))


def fresh_copy(base: Path, dest: Path) -> None:
    """Make ``dest`` what ``base`` is, on the disk, with git's index refreshed."""
    restore(base, dest)
    subprocess.run(["git", "status"], cwd=dest, check=True, stdout=subprocess.DEVNULL)
    sync_disks()


def restore(base: Path, dest: Path) -> None:
    """Bring a copy of a folder back to what the folder is; only what differs is written."""
    dest.mkdir(exist_ok=True)
    wanted = {entry.name: entry for entry in os.scandir(base)}
    there = {entry.name: entry for entry in os.scandir(dest)}
    for name, entry in there.items():
        known = name in wanted and entry.is_dir() == wanted[name].is_dir()
        if known and (entry.is_dir() or _same(wanted[name].stat(), entry.stat())):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            Path(entry).unlink()
    for name, entry in wanted.items():
        if entry.is_dir():
            restore(Path(entry), dest / name)
        elif not (dest / name).exists():
            shutil.copy2(entry, dest / name)


def written_manifest(base: Path, after: Path) -> str:
    """Return size and path of the files that a command wrote; empty files are left out."""
    lines = []
    for part in (".runs", ".aexp"):
        for path in sorted((after / part).rglob("*")):
            now = path.stat()
            name = path.relative_to(after).as_posix()
            if path.is_file() and now.st_size and not _unchanged(base / name, now):
                lines.append(f"{now.st_size}\t{name}\n")
    return "".join(lines)


def _unchanged(before: Path, now: os.stat_result) -> bool:
    try:
        return _same(before.stat(), now)
    except FileNotFoundError:
        return False


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def commit_ledger(root: Path) -> None:
    """Commit what a backfill wrote, and let git look at every file once."""
    for arguments in (("add", "--all"), ("commit", "--quiet", "--message=Ledger"), ("status",)):
        subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


def drop_cache(root: Path) -> None:
    """Remove aexp's cache of the ledger, which may be deleted at any time."""
    for path in (root / ".aexp").glob("index.sqlite*"):
        path.unlink()


def sync_disks() -> None:
    """Write out what preparing left behind, so that no measured command pays for it."""
    if hasattr(os, "sync"):
        os.sync()
