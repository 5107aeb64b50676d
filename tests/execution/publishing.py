"""Executions to publish, and remotes that publish badly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import aexp
import aexp.registry.remotes
from aexp.execution import Execution, ExecutionConfiguration, Repository, UploadProgress, Workflow
from aexp.registry import open_registry
from aexp.registry.remotes.base import NO_LIMITS, Limits, Remote
from aexp.registry.store import Registry
from aexp.repo import Layout, open_layout
from tests.support.machines import Machine

WORKFLOW = Workflow(
    name="Fit",
    workflow_type="Training",
    description="",
    url="https://example.org/fit.py",
    checksum="0" * 40,
    version=None,
    path="train.py",
    dirty=False,
    diff=None,
)


def new_execution(machine: Machine) -> Execution:
    """Create an execution, cheaply: nothing is asked of git about its workflow."""
    repo: Repository = aexp.open_repo(machine.path)
    return repo.create_execution(ExecutionConfiguration(workflow=WORKFLOW, argv=["fit"]))


def ended_execution(machine: Machine, files: Mapping[str, bytes]) -> Execution:
    """Return an execution that is Stopped and has staged files: ``{"Model/a.pt": b"…"}``."""
    with new_execution(machine) as execution:
        stage(execution, files)
    return execution


def stage(execution: Execution, files: Mapping[str, bytes]) -> None:
    """Register files and write them."""
    for label, data in files.items():
        asset, _, name = label.partition("/")
        execution.asset_file_path(asset, name).write_bytes(data)


def again(execution: Execution) -> Execution:
    """Return the execution as another process would take it up."""
    return aexp.open_repo(execution.layout.root).resume_execution(execution.execution_rid)


def use_remote(machine: Machine, place: str = "../bytes") -> Path:
    """Give a repository a remote in a folder, and return the folder."""
    machine.write("aexp.yaml", f"remotes:\n  lab: {place}\n")
    return Path(machine.path, place).resolve()


def layout_of(machine: Machine) -> Layout:
    """Return the layout of a repository."""
    return open_layout(machine.path)


def registry_of(machine: Machine) -> Registry:
    """Return the registry of a repository."""
    return open_registry(open_layout(machine.path))


def entry_of(machine: Machine, execution: Execution) -> dict[str, Any]:
    """Return the ledger entry of an execution."""
    path = machine.path / ".aexp/ledger" / f"{execution.execution_rid}.json"
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def published(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what a document or an entry lists: digests by name."""
    found = {}
    for each in facts.get("outputs") or ():
        name = each.get("name") or each["feature"]
        found[f"{each.get('asset') or each['target']}/{name}"] = each["digest"]
    return found


def digest(data: bytes) -> str:
    """Return the digest of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def wrapped_remote(
    monkeypatch: pytest.MonkeyPatch, wrap: Callable[[Remote], Any]
) -> Iterator[list[Any]]:
    """Put something between publications and their remote; give what was put."""
    made: list[Any] = []
    real = aexp.registry.remotes.open_remote

    def open_wrapped(layout: Layout, address: Any, limits: Limits = NO_LIMITS) -> Any:
        made.append(wrap(real(layout, address, limits)))
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(aexp.registry.remotes, "open_remote", open_wrapped)
        yield made


class Watched:
    """A callback that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[UploadProgress] = []

    def __call__(self, progress: UploadProgress) -> None:
        self.told.append(progress)

    def of(self, phase: str) -> list[UploadProgress]:
        """Return what was told of a phase."""
        return [each for each in self.told if each.phase == phase]
