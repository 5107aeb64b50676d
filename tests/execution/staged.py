"""A running execution in a small repository, for tests of what is staged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aexp
from tests.support.machines import Machine

SETTINGS = """
assets:
  Scan:
    metadata: {Subject: str, Acquisition_Date: date?, Age: int?, Score: float?, Seen: bool?}
asset_types: [Segmentation_Mask, Derived]
"""


def new_execution(machine: Machine) -> Any:
    """Return an execution that was created in a repository."""
    from aexp.execution import ExecutionConfiguration

    repo = aexp.open_repo(machine.path)
    workflow = repo.create_workflow(
        name="Train", workflow_type="Training", script=machine / "train.py"
    )
    return repo.create_execution(ExecutionConfiguration(workflow=workflow, description="d"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder of the user's, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
