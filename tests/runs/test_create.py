"""Creating runs: ``create_run`` and ``aexp new-run`` (RUN-01)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aexp import create_run, find_runs, open_run
from aexp.errors import MissingExperimentWarning, NotFoundError, UnsafeValueError, UsageError
from tests.runs.world import CONDITIONS, document, experiment, only_run, run_folders
from tests.support.machines import Machine
from tests.support.race import run_aexp_together


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo, more=CONDITIONS)
    return installed_repo


def new_run(machine: Machine, *args: str) -> str:
    """Create a run of E001 and return its id."""
    done = machine.aexp_fast("new-run", "-e", "E001", *args)
    return done.stdout.split()[2]


def statepoint(machine: Machine, job_id: str) -> dict[str, Any]:
    """Return a run's state point as its file has it."""
    text = machine.read(f".runs/workspace/{job_id}/signac_statepoint.json")
    value: dict[str, Any] = json.loads(text)
    return value


def test_the_same_state_point_is_the_same_run(machine: Machine) -> None:
    """RUN-01: idempotent, whatever the order and spelling; the first document stays."""
    first = new_run(machine, "--sp", "lr=0.1,seed=0")
    before = document(machine, first)
    done = machine.aexp_fast("new-run", "-e", "E001", "--sp", "seed=0", "--sp", "lr=1e-1")
    assert done.stdout.startswith(f"found run {first}\n")
    assert create_run("E001", {"seed": 0, "lr": 0.1}, repo_root=machine.path).id == first
    assert only_run(machine) == first
    assert document(machine, first) == before
    assert before["status"] == "created"
    assert before["aexp"] == {
        "experiment_id": "E001",
        "experiment_path": "kb/research/experiments/E001-trial.md",
        "hypothesis_id": "H007",
        "sub_hypothesis_id": None,
    }


def test_what_is_in_a_state_point(machine: Machine) -> None:
    """RUN-01: the experiment, the state of the code, and what was given; no code on request."""
    with_code = statepoint(machine, new_run(machine, "--sp", "seed=0"))
    assert with_code == {
        "experiment_id": "E001",
        "code_commit": machine.head(),
        "code_dirty": False,
        "seed": 0,
    }
    without = statepoint(machine, new_run(machine, "--sp", "seed=0", "--no-commit"))
    assert without == {"experiment_id": "E001", "seed": 0}


def test_create_races_make_one_run(machine: Machine) -> None:
    """RUN-01: of several processes that create one run, one creates and the others find it."""
    command = ["new-run", "-e", "E001", "--sp", "seed=0"]
    done = run_aexp_together([(machine.path, command)] * 4)
    words = sorted(result.stdout.split()[0] for result in done)
    assert words == ["created", "found", "found", "found"]
    assert len(run_folders(machine)) == 1


def test_an_unknown_experiment_is_refused_before_anything_is_made(machine: Machine) -> None:
    """RUN-01: no folder, and near matches are named."""
    done = machine.aexp_fast("new-run", "-e", "E002", "--sp", "seed=0", check=False)
    assert done.require(4).stderr.startswith("error: there is no experiment E002\nhint: did you")
    assert "E001" in done.stderr
    done = machine.aexp_fast("run", "-e", "E002", "--", "true", check=False)
    done.require(4)
    assert run_folders(machine) == []
    for wrong in ("e1", "../E001", "E", ""):
        done = machine.aexp_fast("new-run", "-e", wrong, check=False)
        assert done.returncode in (2, 4), wrong
    assert run_folders(machine) == []


def test_allow_missing_makes_the_run_anyway(machine: Machine) -> None:
    """RUN-01: ``--allow-missing`` overrides, for ``new-run`` and ``run``."""
    machine.aexp_fast("new-run", "-e", "E002", "--sp", "seed=0", "--allow-missing")
    assert document(machine)["aexp"]["experiment_id"] == "E002"
    machine.aexp("run", "-e", "E003", "--allow-missing", "--", "true")
    assert len(run_folders(machine)) == 2


def test_python_warns_about_a_missing_experiment(machine: Machine) -> None:
    """RUN-01: scripts may run before the prose is written; the warning points at the caller."""
    with pytest.warns(MissingExperimentWarning, match="experiment E002 has no file") as caught:
        job = create_run("E002", {"seed": 0}, repo_root=machine.path)
    assert caught[0].filename == __file__
    assert document(machine, job.id)["aexp"]["experiment_id"] == "E002"


def test_conditions_resolve_and_freeze(machine: Machine) -> None:
    """RUN-01, KB-02: the block's values join the state point, the user's win, and they stay."""
    job_id = new_run(machine, "--no-commit", "--sp", "condition=wide,net.depth=3,seed=0")
    frozen = {
        "experiment_id": "E001",
        "condition": "wide",
        "lr": 0.1,
        "net": {"width": 64, "depth": 3},
        "seed": 0,
    }
    assert statepoint(machine, job_id) == frozen
    experiment(machine, more=CONDITIONS.replace("64", "128"))
    assert statepoint(machine, job_id) == frozen
    assert new_run(machine, "--no-commit", "--sp", "condition=wide,net.depth=3,seed=0") != job_id
    done = machine.aexp_fast("new-run", "-e", "E001", "--sp", "condition=wid", check=False)
    assert "did you mean wide?" in done.require(4).stderr
    assert len(run_folders(machine)) == 2


def test_python_may_leave_conditions_unresolved(machine: Machine) -> None:
    """RUN-01: ``resolve_conditions=False`` records the name alone."""
    job = create_run(
        "E001",
        {"condition": "wide"},
        include_commit=False,
        resolve_conditions=False,
        repo_root=machine.path,
    )
    assert statepoint(machine, job.id) == {"experiment_id": "E001", "condition": "wide"}


def test_an_explicit_hypothesis_wins(machine: Machine) -> None:
    """RUN-01: the link has what was given; the experiment's own is the default."""
    machine.aexp_fast("new-hypothesis", "--title", "Another", "--id", "H002")
    job_id = new_run(machine, "--hypothesis", "H002", "--sub-hypothesis", "H002.1")
    link = document(machine, job_id)["aexp"]
    assert (link["hypothesis_id"], link["sub_hypothesis_id"]) == ("H002", "H002.1")


@pytest.mark.parametrize(
    "point",
    [
        {"code_commit": "abc"},
        {"experiment_id": "E002"},
        {"lr": float("nan")},
        {"api_key": "sk-abcdefghijklmnopqrstuvwxyz0123456789"},
        {"": 1},
        {"x": object()},
    ],
    ids=["reserved", "other experiment", "nan", "secret", "empty key", "no JSON"],
)
def test_a_state_point_that_may_not_be_recorded(machine: Machine, point: dict[str, Any]) -> None:
    """RUN-01: refused with nothing made."""
    with pytest.raises((UsageError, UnsafeValueError)):
        create_run("E001", point, repo_root=machine.path)
    assert run_folders(machine) == []


def test_a_path_of_this_machine_is_warned_of(machine: Machine) -> None:
    """Model 8: the run is made, but no other machine will have the same one."""
    done = machine.aexp_fast("new-run", "-e", "E001", "--sp", "data=/srv/data/set")
    assert "warning: the state point's data is a path of this machine" in done.stderr
    assert len(run_folders(machine)) == 1


def test_finding_and_opening(machine: Machine) -> None:
    """RUN-01: ``open_run`` takes prefixes; ``find_runs`` filters by link, status, state point."""
    one = create_run("E001", {"lr": 0.1, "net": {"depth": 1}}, repo_root=machine.path)
    two = create_run("E001", {"lr": 0.2, "net": {"depth": 2}}, repo_root=machine.path)
    assert open_run(one.id[:12], repo_root=machine.path).id == one.id
    found = find_runs(repo_root=machine.path)
    assert [job.id for job in found] == sorted([one.id, two.id])
    assert [j.id for j in find_runs(repo_root=machine.path, lr=0.2)] == [two.id]
    assert [j.id for j in find_runs(repo_root=machine.path, lr=0.1, status="created")] == [one.id]
    assert len(find_runs(repo_root=machine.path, hypothesis_id="H007")) == 2
    assert find_runs(repo_root=machine.path, experiment_id="E002") == []
    with pytest.raises(NotFoundError):
        open_run("ffffffff", repo_root=machine.path)
