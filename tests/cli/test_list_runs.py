"""The filters of ``aexp list-runs``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.machines import Machine, copy_repo


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, _installed_template: Path) -> Machine:
    """Five runs, named by their seed: 0 to 2 of E001, 3 failed, 4 in the ledger alone."""
    machine = copy_repo(_installed_template, tmp_path_factory.mktemp("filters") / "repo")
    aexp = machine.aexp_fast
    aexp("new-hypothesis", "--title", "h")
    aexp("new-experiment", "--title", "e", "--hypothesis", "H001")
    for seed in (4, 2, 0, 1):
        experiment = [] if seed == 4 else ["-e", "E001"]
        aexp("run", *experiment, "--sp", f"seed={seed},opt.lr=0.{seed}", "--", "true")
        if seed == 4:
            shutil.rmtree(next((machine / ".runs/workspace").glob("[0-9a-f]*")))
    aexp("run", "--sp", "seed=3", "--", "false", check=False)
    listed = {run["statepoint"]["seed"]: run["job_id"] for run in json_of(machine)}
    aexp("tag", listed[0], listed[3], "--add", "good")
    aexp("tag", listed[0], "--add", "kept")
    return machine


def json_of(machine: Machine, *args: str) -> list[dict[str, object]]:
    """Return what ``list-runs --format json`` says."""
    found: list[dict[str, object]] = json.loads(
        machine.aexp_fast("list-runs", "--format", "json", *args).stdout
    )
    return found


@pytest.mark.parametrize(
    ("args", "seeds"),
    [
        ("", [2, 0, 1, 4, 3]),
        ("-e E001", [2, 0, 1]),
        ("--experiment E999", []),
        ("--hypothesis H001", [2, 0, 1]),
        ("--status failed", [3]),
        ("--status failed --status complete", [2, 0, 1, 4, 3]),
        ("--status running", []),
        ("--machine laptop --status failed", [3]),
        ("--machine cluster", []),
        ("--here", [2, 0, 1, 3]),
        ("--tag good", [0, 3]),
        ("--tag good --tag kept", [0]),
        ("--sp seed=1", [1]),
        ("--sp opt.lr=0.2", [2]),
        ("--sp seed=[1,2]", [2, 1]),
        ("--limit 1", [3]),
        ("--limit 3", [0, 1, 3]),
        ("--limit 99", [2, 0, 1, 4, 3]),
        ("-e E001 --limit 2", [0, 1]),
    ],
)
def test_filters(runs: Machine, args: str, seeds: list[int]) -> None:
    """LED-11: each filter, the limit after them; by experiment, then by when they began."""
    found = json_of(runs, *args.split())
    assert [run["statepoint"]["seed"] for run in found] == seeds  # type: ignore[index]
    shown = runs.aexp_fast("list-runs", *args.split()).stdout.splitlines()
    ids = [str(run["job_id"])[:8] for run in found]
    assert [line[:8] for line in shown[1:]] == ids
    if not ids:
        assert shown == ["no runs"]
