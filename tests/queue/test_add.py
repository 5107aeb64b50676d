"""Registering runs that wait (QUE-01, QUE-02, trap 16)."""

from __future__ import annotations

import json

import pytest

from tests.queue.world import NOTE, listed, queue, record, statuses, with_command, worker
from tests.runs.world import CONDITIONS, run_folders
from tests.support.machines import Machine
from tests.support.race import run_aexp_together


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """A repository with an experiment that has a command and conditions."""
    with_command(installed_repo, "echo {lr} {net.width} {seed}", CONDITIONS)
    return installed_repo


def test_every_combination_is_a_queued_run(machine: Machine) -> None:
    """QUE-01: runs of status queued, in order, with tags, command and code; no ledger entry."""
    sweep = "condition=wide, seed=0..3"
    ids = queue(machine, "--sweep", sweep, "--tag", "night", "--tag", "b")
    found = listed(machine)
    assert [run["job_id"] for run in found] == ids
    assert [run["index"] for run in found] == [0, 1, 2, 3]
    assert [run["parameters"]["seed"] for run in found] == [0, 1, 2, 3]
    assert {run["status"] for run in found} == {"queued"}
    assert found[0]["tags"] == ["b", "night"]
    assert found[3]["command"] == "echo 0.1 64 3"
    point = record(machine, ids[0]).statepoint
    assert found[0]["code"] == {key: point[key] for key in ("code_commit", "code_dirty")}
    assert record(machine, ids[0]).link["hypothesis_id"] == "H007"
    assert list((machine / ".aexp/ledger").glob("*.json")) == []
    shown = machine.aexp_fast("queue", "list").stdout
    assert "seed=3" in shown
    assert "condition" not in shown  # the same everywhere


def test_one_intent_one_run(machine: Machine) -> None:
    """Trap 16: --sp seed=0, --sweep seed=0 and new-run --sp seed=0 are the same run."""
    made = machine.aexp_fast("new-run", "-e", "E001", "--sp", "seed=0").stdout.split()[2]
    assert queue(machine, "--sweep", "seed=0..1")[0] == made
    done = machine.aexp_fast("queue", "add", "-e", "E001", "--sp", "seed=0")
    assert "queued 0 runs" in done.stdout
    assert f"run {made[:8]} (seed=0) is queued already, and reused" in done.stderr
    assert type(record(machine, made).statepoint["seed"]) is int


def test_a_pending_point_is_reused_whatever_the_code(machine: Machine) -> None:
    """QUE-01: another commit in between makes no second run of a point that waits."""
    (first,) = queue(machine, "--sp", "seed=0")
    machine.write("train.py", "print('another')\n")
    machine.commit_all("other code")
    done = machine.aexp_fast("queue", "add", "-e", "E001", "--sp", "seed=0", "--format", "json")
    told = json.loads(done.stdout)
    assert told == {
        "queued": [],
        "reused": [{"job_id": first, "status": "queued"}],
        "ended": [],
    }
    assert run_folders(machine) == [first]


def test_conditions_and_command_are_frozen(machine: Machine) -> None:
    """QUE-02: what is written into the experiment later changes no queued run."""
    (job_id,) = queue(machine, "--sp", "condition=wide,seed=0")
    changed = CONDITIONS.replace("0.1", "0.9")
    with_command(machine, "echo other {lr}", changed)
    done = machine.aexp_fast("queue", "worker")
    assert "0.1 64 0" in done.stdout
    assert record(machine, job_id).statepoint["lr"] == 0.1


def test_nothing_is_queued_when_one_point_is_wrong(machine: Machine) -> None:
    """QUE-01: all points are checked before the first run is made."""
    done = machine.aexp_fast(
        "queue", "add", "-e", "E001", "--sweep", "condition=wide|wile", check=False
    )
    done.require(4)
    assert "did you mean wide?" in done.stderr
    assert run_folders(machine) == []
    for options, code in [
        (["--sp", "seed=0", "--sweep", "seed=1"], 2),
        (["--sweep", "seed=0..99999999"], 2),
        (["--sp", "seed=nan"], 2),
        (["--tag", ""], 2),
    ]:
        machine.aexp_fast("queue", "add", "-e", "E001", *options, check=False).require(code)
    machine.aexp_fast("queue", "add", "-e", "E009", "--sp", "a=1", check=False).require(4)
    assert run_folders(machine) == []


def test_what_has_ended_is_run_again_only_when_asked(machine: Machine) -> None:
    """QUE-01, trap 5: an ended run is not queued unasked; --again queues another attempt."""
    ids = queue(machine, "--sweep", "seed=0..1")
    worker(machine)
    done = machine.aexp_fast("queue", "add", "-e", "E001", "--sweep", "seed=0..1")
    assert "queued 0 runs" in done.stdout
    assert "(seed=0) is complete already; --again queues another attempt" in done.stderr
    before = record(machine, ids[0]).document
    assert queue(machine, "--sp", "seed=0", "--again") == [ids[0]]
    after = record(machine, ids[0]).document
    assert after["status"] == "complete"
    assert {k: v for k, v in before.items() if k != "queue"} == {
        k: v for k, v in after.items() if k != "queue"
    }
    assert [(run["job_id"], run["index"]) for run in listed(machine)] == [(ids[0], 0)]
    worker(machine)
    assert [past["status"] for past in record(machine, ids[0]).document["attempts"]] == ["complete"]
    assert listed(machine) == []
    assert statuses(machine, ids) == ["complete", "complete"]


def test_without_a_command(machine: Machine) -> None:
    """QUE-02: a warning when queued, a clear refusal when run; --command and a later one help."""
    with_command(machine, "")
    done = machine.aexp_fast("queue", "add", "-e", "E001", "--sp", "seed=0")
    assert "has no runner_command" in done.stderr
    refused = machine.aexp_fast("queue", "worker", check=False).require(5)
    assert "has no command" in refused.stderr
    assert [run["status"] for run in listed(machine)] == ["queued"]
    machine.aexp_fast("queue", "add", "-e", "E001", "--sp", "seed=1", "--command", NOTE)
    with_command(machine, "echo later {seed}")
    assert "later 0" in worker(machine).stdout
    assert (machine / "done.txt").exists()


def test_two_at_once(machine: Machine) -> None:
    """QUE-01: two that queue the same points at the same time make each run once."""
    command = ["queue", "add", "-e", "E001", "--sweep", "seed=0..9", "--format", "json"]
    done = run_aexp_together([(machine.path, command), (machine.path, command)])
    told = [json.loads(each.require().stdout) for each in done]
    queued = [job_id for each in told for job_id in each["queued"]]
    assert len(queued) == len(set(queued)) == 10
    assert len(run_folders(machine)) == 10
    assert {run["status"] for run in listed(machine)} == {"queued"}


def test_a_run_that_was_created_before_it_could_be_queued(machine: Machine) -> None:
    """RUN-01: a created run becomes queued, with its first document kept."""
    made = machine.aexp_fast("new-run", "-e", "E001", "--sp", "seed=5").stdout.split()[2]
    created = record(machine, made).document["created_at"]
    assert queue(machine, "--sp", "seed=5") == [made]
    assert record(machine, made).document["created_at"] == created
    assert record(machine, made).status == "queued"
