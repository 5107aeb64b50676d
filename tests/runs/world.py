"""Short ways to make experiments, runs and child processes in a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aexp.repo import open_layout
from aexp.workspace.store import RunStore
from tests.support.machines import Completed, Machine, run_command

PYTHON = sys.executable
FRONT = """\
---
id: {id}
title: A trial
status: draft
hypothesis: H007
{more}---

# A trial
"""
CONDITIONS = "conditions:\n  wide:\n    lr: 0.1\n    net: {width: 64, depth: 2}\n"


def experiment(machine: Machine, name: str = "E001", more: str = "") -> None:
    """Write an experiment, which belongs to H007."""
    path = f"kb/research/experiments/{name}-trial.md"
    machine.write(path, FRONT.format(id=name, more=more))


def run_folders(machine: Machine) -> list[str]:
    """Return what the run store holds, finished or not."""
    workspace = open_layout(machine.path).workspace
    return sorted(os.listdir(workspace)) if workspace.is_dir() else []


def document(machine: Machine, job_id: str | None = None) -> dict[str, Any]:
    """Return a run's document: the only run's by default."""
    store = RunStore(open_layout(machine.path))
    return dict(store.read_sound(job_id or only_run(machine)).document)


def only_run(machine: Machine) -> str:
    """Return the id of the only run."""
    (job_id,) = run_folders(machine)
    return job_id


def entry(machine: Machine, job_id: str | None = None) -> dict[str, Any]:
    """Return a run's ledger entry: the only run's by default."""
    job_id = job_id or only_run(machine)
    value: dict[str, Any] = json.loads(machine.read(f".aexp/ledger/{job_id}.json"))
    return value


def entries(machine: Machine) -> list[str]:
    """Return the names of the ledger's files."""
    return sorted(path.name for path in (machine / ".aexp/ledger").glob("*.json"))


def listed(machine: Machine, *args: str) -> list[dict[str, Any]]:
    """Return what ``list-runs --format json`` says."""
    done = machine.aexp_fast("list-runs", "--format", "json", *args)
    value: list[dict[str, Any]] = json.loads(done.stdout)
    return value


def script(machine: Machine, text: str, *, check: bool = False) -> Completed:
    """Run Python code in a process of its own, in the repository."""
    return run_command([PYTHON, "-c", textwrap.dedent(text)], cwd=machine.path, check=check)


def start(machine: Machine, *command: str, **env: str) -> subprocess.Popen[bytes]:
    """Start a process in the repository, in a session of its own."""
    return subprocess.Popen(
        command,
        cwd=machine.path,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def start_run(machine: Machine, code: str, *options: str) -> subprocess.Popen[bytes]:
    """Start ``aexp run`` of Python code."""
    command = [PYTHON, "-m", "aexp", "run", *options, "--", PYTHON, "-c", textwrap.dedent(code)]
    return start(machine, *command)


def until(happened: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until ``happened()`` is true; fail the test when it takes too long."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def exists(path: Path) -> Callable[[], bool]:
    """Return a condition for :func:`until`."""
    return path.exists
