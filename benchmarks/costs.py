"""What a command costs besides time: memory, syncs, started programs, opened files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from harness import CommandFailedError, Options, Row, Samples
from stage import drop_cache

PEAK = str(Path(__file__).with_name("peak.py"))
FLOOR = str(Path(__file__).with_name("floor.py"))
MIB = 2**20
PLACES = {"runs": ".runs", "ledger": ".aexp/ledger", "kb": "kb"}
FILES = {"runs": "workspace/*/signac_*.json", "ledger": "**/*.json", "kb": "**/*.md"}
"""What there is to read in each of those places."""
READERS = {
    "validate": ("runs", "ledger", "kb"),
    "list-runs": ("runs", "ledger"),
    "ledger query": ("runs", "ledger"),
}
"""Commands that read the whole repository, and what of it they need."""

COST_NOTE = """
Peak memory in MiB is the kernel's, of the largest process of the command; the floor is the bare
Python that reads the same files."""
TRACED_NOTE = """
Opened files are those of the run store, the ledger and the kb, counted by the kernel's tracer for
all processes of the command, git included; the floor is how many files there are to read."""
UNTRACED_NOTE = """
Opened files were NOT counted: strace is not installed, or may not trace here."""

SYNC_CALLS = "fsync,fdatasync,syncfs,sync,sync_file_range"
OPEN_CALLS = "open,openat,openat2"
_SYNC = re.compile(r"\b(?:fsync|fdatasync|syncfs|sync|sync_file_range)\(")
_GIT = re.compile(r'execve\("(?:[^"]*/)?git", .*= 0$')
_OPENED = re.compile(r"\bopen(?:at|at2)?(?:\(| resumed>).* = \d+<(.*)>$")


def peak_memory(argv: Sequence[str], cwd: Path | None = None) -> float:
    """Return the most memory that a command had at once, in MiB to a tenth.

    Raises:
        CommandFailedError: it exited non-zero.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", PEAK, *argv],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CommandFailedError(
            f"{' '.join(argv)} exited with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return round(int(done.stdout) / MIB, 1)


def can_trace(strace: str | None) -> bool:
    """Return whether ``strace`` may trace processes here."""
    return strace is not None and _tracing(strace) is not None


@cache
def _tracing(strace: str) -> tuple[str, ...] | None:
    """Return how to start the tracer, None when it may not trace here."""
    # With a filter in the kernel the calls that are not asked for cost nothing.
    for start in ((strace, "-f", "--seccomp-bpf", "-qq"), (strace, "-f", "-qq")):
        tried = [*start, "-e", "trace=execve", "-o", os.devnull, "true"]
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return start
    return None


def trace(strace: str, calls: str, argv: Sequence[str], log: Path, cwd: Path | None = None) -> str:
    """Run a command under the tracer, its children included, and return the calls it made.

    Raises:
        CommandFailedError: it exited non-zero, or cannot be traced.
    """
    start = _tracing(strace)
    if start is None:
        raise CommandFailedError(f"{strace} may not trace processes here")
    done = subprocess.run(
        [*start, "-y", "-e", f"trace={calls}", "-o", str(log), *argv],
        cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CommandFailedError(
            f"{' '.join(argv)} exited with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    text = log.read_text("utf-8", "replace")
    log.unlink()
    return text


def count_trace(text: str) -> dict[str, int]:
    """Return how often a trace shows a sync, and git being started."""
    lines = text.splitlines()
    return {
        "syncs": sum(1 for line in lines if _SYNC.search(line)),
        "gits": sum(1 for line in lines if _GIT.search(line)),
    }


def count_opens(text: str, folders: Sequence[Path]) -> int:
    """Return how often a trace shows a file below one of ``folders`` being opened."""
    inside = tuple(f"{folder.resolve()}/" for folder in folders)
    found = (match[1] for line in text.splitlines() if (match := _OPENED.search(line)))
    return sum(1 for path in found if path.startswith(inside) and not Path(path).is_dir())


def traced_note() -> str:
    """Return what the reader must know of the counts, or of their absence."""
    return TRACED_NOTE if can_trace(shutil.which("strace")) else UNTRACED_NOTE


def cost_rows(options: Options, root: Path, log: Path) -> Iterator[Row]:
    """Yield memory and opened files of the commands that read a whole repository.

    Args:
        options: what to measure with.
        root: the repository, its ledger committed.
        log: a path for the tracer's file.
    """
    strace = shutil.which("strace")
    opened: list[Row] = []
    for verb, parts in READERS.items():
        argv = [options.ours.aexp, *verb.split()]
        read = Samples((peak_memory([sys.executable, FLOOR, "read", str(root), *parts]),), "")
        for name in (f"`{verb}`", f"`{verb}, cached`"):
            if "cached" not in name:
                drop_cache(root)
            yield Row(f"{name}: MiB", Samples((peak_memory(argv, root),), ""), floor=read)
        if strace is None or not can_trace(strace):
            continue
        places = [root / PLACES[part] for part in parts]
        there = (sum(1 for _ in (root / PLACES[part]).glob(FILES[part])) for part in parts)
        files = Samples((sum(there),), "")
        for name in (f"`{verb}`", f"`{verb}, cached`"):
            if "cached" not in name:
                drop_cache(root)
            found = count_opens(trace(strace, OPEN_CALLS, argv, log, root), places)
            opened.append(Row(f"{name}: opens", Samples((found,), ""), floor=files))
    yield from opened
