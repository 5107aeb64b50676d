"""The project in ``examples/execution``, run as its README says (EXE-60, EXE-61)."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.execution import ExecutionStatus as S
from tests.docs.blocks import RUNNABLE, Reader, blocks
from tests.execution.configured import executions, outputs
from tests.support.machines import Machine
from tests.support.sealed import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "execution"
USUAL = {
    "Execution_Metadata/hydra-config.yaml",
    "Execution_Metadata/hydra-overrides.yaml",
    "Execution_Metadata/metrics.jsonl",
    "Model/digits.pkl",
    "Table/mistakes.csv",
}


def test_the_notebooks_are_kept_without_outputs() -> None:
    """EXE-02: what is committed of a notebook is its code."""
    for path in (EXAMPLE / "notebooks").glob("*.ipynb"):
        cells: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path


@pytest.mark.slow  # seven executions and two kernels, each a process that imports scikit-learn
def test_the_example_does_what_its_readme_says(tmp_path: Path, sealed_environment: Path) -> None:
    """EXE-60, EXE-61: a config folder, a multirun, a notebook that works and one that fails."""
    for module in ("sklearn", "hydra", "hydra_zen", "papermill", "ipykernel"):
        pytest.importorskip(module)
    for key, value in (("user.name", "A Reader"), ("user.email", "reader@example.invalid")):
        subprocess.run(["git", "config", "--global", key, value], check=True)
    desk, state = tmp_path / "desk", tmp_path / "state"
    state.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(EXAMPLE, desk / "examples" / "execution", ignore=ignored)
    reader = Reader(desk, dict(os.environ), state)
    printed = []
    for block in blocks((EXAMPLE / "README.md").read_text("utf-8")):
        if block.language in RUNNABLE and block.reason is None:
            done = reader.run(block)
            assert done.returncode == 0, f"line {block.line}\n{done.stdout}\n{done.stderr}"
            printed.append(done.stdout + done.stderr)
    machine = Machine(desk / "my-digits")
    usual, smoke, first, second, failed, explored, broken = executions(machine)
    assert [each.status for each in (usual, smoke, first, second)] == [S.Uploaded] * 4
    assert outputs(usual) == outputs(second) == USUAL
    assert smoke.document["params"] == {"alpha": 0.001, "passes": 1, "seed": 0}
    assert smoke.description == "Does it run at all?"
    assert [each.document["params"]["alpha"] for each in (first, second)] == [0.0001, 0.01]
    assert second.facts["config_choices"]["multirun"] == "alphas"
    accuracy = usual.view.field("metrics")["val_accuracy"]
    assert accuracy["value"] > 0.9
    assert usual.inputs[0]["rid"] == "digits"

    assert (failed.status, failed.error) == (
        S.Failed,
        {"type": "ValueError", "message": "0 passes teach nothing"},
    )
    assert "error: the model function failed: ValueError: 0 passes teach nothing" in printed[3]
    assert "Execution_Metadata/explore.ipynb" in outputs(explored)
    assert explored.document["params"] == {"alpha": 0.01, "passes": 2}
    assert {"Model/digits.pkl", "Table/mistakes.csv"} < outputs(explored)
    assert explored.workflow["path"] == "notebooks/explore.ipynb"
    assert "error: the notebook failed: cell 3: KeyError: 8" in printed[-1]
    assert broken.status is S.Uploaded, "what it had staged was published by hand"
    assert outputs(broken) == {"Table/counts.csv", "Execution_Metadata/broken.ipynb"}

    repo = aexp.open_repo(machine.path)
    rid = next(o.rid for o in usual.outputs if o.name == "digits.pkl")
    model: Any = pickle.loads(Path(repo.lookup_asset(rid).download(tmp_path / "got")).read_bytes())
    assert model.coef_.shape == (10, 64)
    assert machine.aexp("ledger", "verify").returncode == 0
    assert "0 errors" in machine.aexp("validate").output
