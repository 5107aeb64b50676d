"""``list-runs``, ``show-run``, ``list-batches`` and ``link``."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.linking import link_to_experiment, list_batches
from tests.runs.world import document, entries, entry, experiment, listed
from tests.support.machines import Machine


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiments E001 and E002."""
    experiment(installed_repo)
    experiment(installed_repo, "E002")
    return installed_repo


def finish(machine: Machine, experiment_id: str = "E001", **point: Any) -> str:
    """Make a complete run with one metric and return its id."""
    job = create_run(experiment_id, point, include_commit=False, repo_root=machine.path)
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metric("acc", 0.123456789)
    return str(job.id)


def test_runs_of_machine_and_ledger(machine: Machine) -> None:
    """LED-11: each with where it lives; at 80 columns a line each, without trailing blanks."""
    both = finish(machine, lr=0.1)
    gone = finish(machine, lr=0.2)
    here = create_run("E002", {"lr": 0.3}, include_commit=False, repo_root=machine.path).id
    shutil.rmtree(machine / f".runs/workspace/{gone}")
    lines = machine.aexp("list-runs").stdout.splitlines()
    assert lines[0].split() == [
        "RUN", "EXP", "STATUS", "STATE", "POINT", "METRICS", "MACHINE", "WHERE",
    ]  # fmt: skip
    assert {tuple(line.split()) for line in lines[1:]} == {
        (both[:8], "E001", "complete", "lr=0.1", "acc=0.1235", "laptop", "both"),
        (gone[:8], "E001", "complete", "lr=0.2", "acc=0.1235", "laptop", "ledger"),
        (here[:8], "E002", "created", "lr=0.3", "-", "-", "here"),
    }
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)
    found = {view["job_id"]: view for view in listed(machine)}
    assert {job_id: view["where"] for job_id, view in found.items()} == {
        both: "both",
        gone: "ledger",
        here: "here",
    }
    assert found[gone]["metrics"] == {"acc": 0.123456789}


def test_filters(machine: Machine) -> None:
    """LED-11: by experiment, status, machine, hypothesis and state point; none is exit 0."""
    one, two = finish(machine, lr=0.1), finish(machine, "E002", lr=0.2)
    for options, wanted in (
        (["-e", "E001"], {one}),
        (["--sp", "lr=0.2"], {two}),
        (["--status", "complete"], {one, two}),
        (["--status", "failed"], set()),
        (["--machine", "laptop", "--hypothesis", "H007"], {one, two}),
        (["--machine", "cluster"], set()),
    ):
        assert {view["job_id"] for view in listed(machine, *options)} == wanted, options
    assert machine.aexp_fast("list-runs", "--status", "failed").stdout == "no runs\n"
    machine.aexp_fast("list-runs", "--format", "xml", check=False).require(2)


def test_showing_one_run(machine: Machine) -> None:
    """LED-04: by a prefix; the same facts from the ledger alone; unknown ids are exit 4."""
    job_id = finish(machine, lr=0.1)
    text = machine.aexp("show-run", job_id[:6]).stdout
    for line in (
        f"run {job_id}",
        "status:       complete (ended by exit)",
        "experiment:   E001",
        "hypothesis:   H007",
        "  lr = 0.1",
        "  acc = 0.123456789",
        f"folder:       .runs/workspace/{job_id}",
    ):
        assert line in text.splitlines()
    facts = json.loads(machine.aexp_fast("show-run", job_id, "--format", "json").stdout)
    assert facts["entry"] == entry(machine)
    assert facts["document"] == document(machine)
    shutil.rmtree(machine / f".runs/workspace/{job_id}")
    text = machine.aexp_fast("show-run", job_id).stdout
    assert "where:        the ledger (run on laptop)" in text
    assert "  acc = 0.123456789" in text
    other = "0" * 32 if job_id[0] != "0" else "f" * 32
    machine.aexp_fast("show-run", other, check=False).require(4)


def test_batches(machine: Machine) -> None:
    """LED-11: by experiment and condition, here and in the ledger, in a stable order."""
    gone = finish(machine, condition="wide", seed=0)
    finish(machine, condition="wide", seed=1)
    create_run("E001", {"condition": "wide", "seed": 2}, repo_root=machine.path)
    finish(machine, seed=3)
    finish(machine, "E002", condition="deep")
    shutil.rmtree(machine / f".runs/workspace/{gone}")
    found = [
        (b.experiment_id, b.selector, b.count, b.status_counts)
        for b in list_batches(repo_root=machine.path)
    ]
    assert found == [
        ("E001", {"condition": "wide"}, 3, {"complete": 2, "created": 1}),
        ("E001", {}, 1, {"complete": 1}),
        ("E002", {"condition": "deep"}, 1, {"complete": 1}),
    ]
    by_seed = list_batches(selector_keys=("seed",), experiment_id="E001", repo_root=machine.path)
    assert [(b.selector, b.count) for b in by_seed] == [({"seed": s}, 1) for s in range(4)]
    done = machine.aexp_fast("list-batches", "-e", "E002", "--format", "json")
    assert [batch["count"] for batch in json.loads(done.stdout)] == [1]
    assert "condition=wide" in machine.aexp_fast("list-batches").stdout


def test_linking_an_ended_run_promotes_it_again(machine: Machine) -> None:
    """LED-08: the entry follows the link; the state point and the id stay."""
    job_id = finish(machine, lr=0.1)
    before = entry(machine)
    machine.aexp_fast("link", job_id[:8], "-e", "E002")
    after = entry(machine)
    assert after["run_link"]["experiment_id"] == "E002"
    assert after["run_link"]["experiment_path"].endswith("E002-trial.md")
    assert after["statepoint"] == before["statepoint"]
    assert after["attempt_id"] == before["attempt_id"]
    assert "replicates" not in after
    assert [view["job_id"] for view in listed(machine, "-e", "E002")] == [job_id]
    machine.aexp_fast("link", job_id[:8], "-e", "E002")
    assert entry(machine) == after


def test_linking_a_run_that_has_not_ended(machine: Machine) -> None:
    """LED-08: the link changes, and no entry is made."""
    job = create_run("E001", {"lr": 0.1}, repo_root=machine.path)
    assert link_to_experiment(job.id, experiment_id="E002", repo_root=machine.path).id == job.id
    assert document(machine)["aexp"]["experiment_id"] == "E002"
    assert entries(machine) == []


def test_linking_to_nothing(machine: Machine) -> None:
    """LED-08: an unknown experiment is refused and changes nothing; a run elsewhere is named."""
    job_id = finish(machine, lr=0.1)
    before = (document(machine), entry(machine))
    machine.aexp_fast("link", job_id, "-e", "E009", check=False).require(4)
    machine.aexp_fast("link", job_id, "-e", "x", check=False).require(2)
    assert (document(machine), entry(machine)) == before
    machine.aexp_fast("link", job_id, "-e", "E009", "--allow-missing")
    assert entry(machine)["run_link"]["experiment_id"] == "E009"
    shutil.rmtree(machine / f".runs/workspace/{job_id}")
    done = machine.aexp_fast("link", job_id, "-e", "E002", check=False)
    assert "its folder is not on this machine" in done.require(4).stderr
