"""What the tests of recording sessions share."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from aexp.recording.listing import SavedSession, saved_sessions
from aexp.registry import Ref, Registry, open_registry
from aexp.repo import open_layout
from tests.support.machines import Completed, Machine, checkout_environ, run_command

HEAD = "from aexp.experiment import Experiment\nimport os, signal, sys, time\n"


def run_python(machine: Machine, code: str, *, check: bool = True) -> Completed:
    """Run a program that records, in a process of its own."""
    return run_command(
        [sys.executable, "-W", "error", "-c", HEAD + code],
        cwd=machine.path,
        check=check,
        env=checkout_environ(),
    )


def registry_of(machine: Machine) -> Registry:
    """Return the registry of a repository."""
    return open_registry(open_layout(machine))


def refs(machine: Machine, kind: str) -> list[Ref]:
    """Return the refs of a kind."""
    return registry_of(machine).refs(kind=kind)


def saved(machine: Machine) -> list[SavedSession]:
    """Return the checkpoints, newest first."""
    return saved_sessions(registry_of(machine))


def entry(machine: Machine, job_id: str) -> dict[str, Any]:
    """Return a run's entry in the ledger."""
    path = machine / f".aexp/ledger/{job_id}.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def statuses(machine: Machine) -> list[str]:
    """Return the status of each run in the run store, by number in its session."""
    found = []
    for folder in (machine / ".runs/workspace").glob("*"):
        point = json.loads((folder / "signac_statepoint.json").read_text("utf-8"))
        document = json.loads((folder / "signac_job_document.json").read_text("utf-8"))
        found.append((point.get("session_run", -1), document["status"]))
    return [status for _, status in sorted(found)]


def blobs(machine: Machine) -> set[str]:
    """Return the digests of all blobs."""
    return {digest for digest, _ in registry_of(machine).blobs()}


def records(machine: Machine) -> list[Path]:
    """Return the files of the records of committed sessions."""
    return sorted((machine / ".aexp/ledger/experiments").glob("*"))
