"""Short ways to executions in every state, in this process and in others."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aexp
from aexp.execution import Execution, ExecutionConfiguration, ExecutionStatus, Repository
from aexp.workspace.store import DOCUMENT_FILE
from tests.support.machines import Completed, Machine, checkout_environ, run_command

S = ExecutionStatus
STATES = tuple(ExecutionStatus)
PRELUDE = """
import os, signal, sys, time
import aexp
from aexp.execution import ExecutionConfiguration, ExecutionStatus

repo = aexp.open_repo()
workflow = repo.create_workflow("Trial", "Training", script="train.py")
config = ExecutionConfiguration(workflow=workflow, description="A *trial*")

def reached(word):
    print(word, flush=True)
"""


def opened(machine: Machine) -> Repository:
    """Return a machine's repository."""
    return aexp.open_repo(machine.path)


def configured(repo: Repository, **more: Any) -> ExecutionConfiguration:
    """Return a configuration with a workflow."""
    workflow = repo.create_workflow("Trial", "Training", script="train.py")
    return ExecutionConfiguration(workflow=workflow, **more)


def created(repo: Repository, **more: Any) -> Execution:
    """Return a new execution."""
    return repo.create_execution(configured(repo, **more))


def brought(repo: Repository, state: ExecutionStatus) -> Execution:
    """Return a new execution that was brought into a state as a user would."""
    made = created(repo)
    if state is S.Aborted:
        made.abort()
    if state in (S.Created, S.Aborted):
        return made
    made.execution_start()
    if state is S.Failed:
        made.update_status(S.Failed)
    elif state is not S.Running:
        made.execution_stop()
    if state in (S.Pending_Upload, S.Uploaded):
        made.update_status(S.Pending_Upload)
    if state is S.Uploaded:
        made.update_status(S.Uploaded)
    assert made.status is state
    return made


def document_of(execution: Execution) -> dict[str, Any]:
    """Return the run's document, as it is on the disk."""
    value: dict[str, Any] = json.loads((execution.folder / DOCUMENT_FILE).read_bytes())
    return value


def entry_of(execution: Execution) -> dict[str, Any]:
    """Return the ledger entry of an execution."""
    path = execution.layout.ledger_dir / f"{execution.execution_rid}.json"
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def program(text: str) -> list[str]:
    """Return the command that runs Python code after the usual beginning."""
    return [sys.executable, "-c", PRELUDE + textwrap.dedent(text)]


def ran(machine: Machine, text: str, *, check: bool = True) -> Completed:
    """Run Python code in a process of its own, in the repository, to its end."""
    return run_command(program(text), cwd=machine.path, check=check, env=checkout_environ())


def started(machine: Machine, text: str) -> subprocess.Popen[str]:
    """Start Python code in a process of its own, in the repository."""
    return subprocess.Popen(
        program(text), cwd=machine.path, stdout=subprocess.PIPE, text=True, stdin=subprocess.PIPE
    )


def line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def only_rid(machine: Machine) -> str:
    """Return the id of the only execution."""
    (record,) = opened(machine).list_executions()
    return record.execution_rid


def wait_for(question: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until a question is answered with yes."""
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def below(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
