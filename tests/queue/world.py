"""Short ways to a repository with a queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aexp.repo import open_layout
from aexp.workspace.store import RunRecord, RunStore
from tests.runs.world import experiment
from tests.support.machines import Completed, Machine

NOTE = 'echo "$AEXP_JOB_ID $AEXP_ATTEMPT_ID" >> done.txt'
"""A command that notes each time it is run."""


def with_command(machine: Machine, command: str, more: str = "") -> None:
    """Write and commit experiment E001 with a command."""
    line = f"runner_command: {json.dumps(command)}\n{more}"
    experiment(machine, "E001", line)
    machine.commit_all("An experiment")


def queue(machine: Machine, *options: str, again: bool = False) -> list[str]:
    """Queue runs of E001 and return those that were queued."""
    done = machine.aexp_fast("queue", "add", "-e", "E001", *options, "--format", "json")
    queued: list[str] = json.loads(done.stdout)["queued"]
    return queued


def record(machine: Machine, job_id: str) -> RunRecord:
    """Return a run as its folder has it."""
    return RunStore(open_layout(machine.path)).read_sound(job_id)


def statuses(machine: Machine, job_ids: list[str]) -> list[str]:
    """Return the statuses of runs."""
    return [record(machine, job_id).status for job_id in job_ids]


def listed(machine: Machine, *options: str) -> list[dict[str, Any]]:
    """Return what ``queue list`` says."""
    done = machine.aexp_fast("queue", "list", "--format", "json", *options)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def times_run(machine: Machine, name: str = "done.txt") -> dict[str, int]:
    """Return how often each run's command was run, as :data:`NOTE` has it."""
    path = machine / name
    counts: dict[str, int] = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        job_id = line.split()[0]
        counts[job_id] = counts.get(job_id, 0) + 1
    return counts


def files_of(machine: Machine, job_id: str) -> dict[Path, bytes]:
    """Return all that is recorded of an ended run: what nobody may rewrite (trap 5)."""
    folder = record(machine, job_id).folder
    kept = [folder / "signac_job_document.json", machine / f".aexp/ledger/{job_id}.json"]
    return {path: path.read_bytes() for path in kept}


def worker(machine: Machine, *options: str, check: bool = True) -> Completed:
    """Run a worker to its end, inside this process."""
    return machine.aexp_fast("queue", "worker", *options, check=check)
