"""Repositories made of the golden data of agentic-experiments 0.6.1."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from tests.support.machines import Machine, run_command, set_identity
from tests.support.sealed import CHECKOUT

GOLDEN = CHECKOUT / "tests" / "golden" / "agentic-experiments-0.6.1"
RUNS: dict[str, str] = json.loads((GOLDEN / "runs.json").read_text("utf-8"))
"""Job ids by the name that ``make_golden.py`` gave the run."""

LACKING = frozenset(RUNS[n] for n in ("complete", "failed", "no_commit", "tracked", "dirty"))
"""Promoted before their end was known (trap 1)."""

NOT_ENDED = frozenset(RUNS[n] for n in ("interrupted", "running", "created", "queued"))
ONLY_ELSEWHERE = frozenset(RUNS[n] for n in ("laptop", "laptop_index"))
UNSOUND = frozenset(
    RUNS[n] for n in ("nan", "credentials", "absolute_path", "odd_status", "orphan")
)
IN_STORE = frozenset(RUNS.values()) - ONLY_ELSEWHERE - UNSOUND
ENDED = IN_STORE - NOT_ENDED


def place(part: str, folder: Path) -> None:
    """Copy a part of the golden data into ``folder``, with its leading dots."""
    for source in sorted((GOLDEN / part).rglob("*")):
        names = source.relative_to(GOLDEN / part).parts
        target = folder.joinpath(*("." + n[4:] if n.startswith("dot-") else n for n in names))
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def golden_repo(folder: Path) -> Machine:
    """Return a repository of 0.6.1 as its user has it: all committed but the run store."""
    folder.mkdir(parents=True)
    run_command(["git", "init", "-q", "--template=", "-b", "main", "."], cwd=folder)
    set_identity(folder, "researcher")
    place("repo", folder)
    machine = Machine(folder, "cluster")
    machine.git("add", ".gitignore", ".aexp", "kb", "train.py")
    machine.git("commit", "-q", "-m", "Work with 0.6.1")
    return machine


def digests(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Return the SHA-256 of every file below ``folder``, by relative path.

    Left out are ``.git`` and the cache, the one thing a reading verb may write (decision 13).
    """
    root = Path(folder)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and ".git" not in path.relative_to(root).parts
        and not path.name.startswith("index.sqlite")
    }


def entry(machine: Machine, job_id: str) -> dict[str, Any]:
    """Return a ledger entry as it stands in its file."""
    value: dict[str, Any] = json.loads(machine.read(f".aexp/ledger/{job_id}.json"))
    return value


def validated(machine: Machine, *args: str) -> tuple[int, list[tuple[str, str]]]:
    """Return the exit code of ``aexp validate`` and the (severity, code) of each issue."""
    done = machine.aexp_fast("validate", "--format", "json", *args, check=False)
    report = json.loads(done.stdout)
    return done.returncode, sorted((i["severity"], i["code"]) for i in report["issues"])
