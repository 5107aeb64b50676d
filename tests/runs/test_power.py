"""What a power failure can leave of a run that had just been created, and how it heals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp import create_run, run_lifecycle
from aexp.repo import open_layout
from aexp.runs.create import create
from tests.runs.world import document, entry, experiment, listed, only_run
from tests.support.machines import Machine
from tests.support.os_calls import recorded_os_calls


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


@pytest.fixture(params=["empty", "zeros", "no file"])
def lose_document(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Leave a document as file systems leave a file whose content was never flushed."""

    def lose(path: Path) -> None:
        size = path.stat().st_size
        if request.param == "no file":
            path.unlink()
        else:
            path.write_bytes(b"" if request.param == "empty" else bytes(size))

    return lose


def test_a_lost_first_document(machine: Machine, lose_document: Callable[[Path], None]) -> None:
    """Trap 9, ordering: the run reads as created and without a link; nothing is damaged."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    lose_document(Path(job.path) / "signac_job_document.json")
    (view,) = listed(machine)
    assert (view["status"], view["experiment_id"], view["problem"]) == ("created", None, None)
    assert view["statepoint"]["seed"] == 0
    assert "status:       created" in machine.aexp_fast("show-run", job.id).stdout
    machine.aexp_fast("status")
    found = json.loads(machine.aexp_fast("validate", "--format", "json", check=False).stdout)
    assert [i["code"] for i in found["issues"] if i["code"].startswith("run.")] == ["run.orphan"]
    assert machine.aexp_fast("recover").stdout == "nothing to recover\n"


def test_creating_it_again_heals(machine: Machine, lose_document: Callable[[Path], None]) -> None:
    """Trap 9: the same script, started anew, finds its run and completes it."""
    first = create_run("E001", {"seed": 0}, repo_root=machine.path)
    lose_document(Path(first.path) / "signac_job_document.json")
    again = create_run("E001", {"seed": 0}, repo_root=machine.path)
    assert again.id == first.id
    with run_lifecycle(again):
        assert document(machine)["status"] == "running"
    assert entry(machine)["run_link"]["experiment_id"] == "E001"


def test_an_emptied_document_of_a_begun_run_is_damage(machine: Machine) -> None:
    """Trap 4: what was flushed cannot be lost with the power; it is named, and left as it is."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    with run_lifecycle(job):
        pass
    path = Path(job.path) / "signac_job_document.json"
    path.write_bytes(b"")
    (view,) = listed(machine)
    assert "is no JSON" in view["problem"]
    create_run("E001", {"seed": 0}, repo_root=machine.path)
    assert path.read_bytes() == b""


def test_a_document_that_is_there_is_left_alone(machine: Machine) -> None:
    """RUN-01: finding a run changes nothing of it."""
    create_run("E001", {"seed": 0}, repo_root=machine.path)
    machine.aexp("link", only_run(machine), "-e", "E007", "--allow-missing")
    before = document(machine)
    create_run("E001", {"seed": 0}, repo_root=machine.path)
    assert document(machine) == before


def test_a_lost_entry_is_written_again(machine: Machine) -> None:
    """LED-04, ordering: the entry's name may be lost with the power; backfill writes its bytes."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    with run_lifecycle(job):
        pass
    path = machine / f".aexp/ledger/{job.id}.json"
    before = path.read_bytes()
    for lost in (None, b""):
        path.unlink()
        if lost is not None:
            path.write_bytes(lost)
        state = json.loads(machine.aexp_fast("status", "--format", "json").stdout)
        assert state["unpromoted"] == [job.id]
        machine.aexp_fast("ledger", "backfill", "--no-commit")
        assert path.read_bytes() == before


@pytest.mark.parametrize(("durable", "flushed"), [(True, 4), (False, 2)])
def test_who_waits_for_the_disk(machine: Machine, durable: bool, flushed: int) -> None:
    """Ordering: ``aexp new-run`` flushes the document and both folders; a run that begins at once
    writes its document anew, and need not."""
    create(open_layout(machine.path), None, {"seed": 1})
    with recorded_os_calls(machine.path) as recorder:
        create(open_layout(machine.path), None, {"seed": 2}, durable=durable)
    assert recorder.names().count("fsync") == flushed


def test_new_run_is_durable(machine: Machine) -> None:
    """Ordering: a run that may wait for days survives the power failure of the next second."""
    machine.aexp_fast("new-run", "-e", "E001", "--sp", "seed=1")
    with recorded_os_calls(machine.path) as recorder:
        machine.aexp_fast("new-run", "-e", "E001", "--sp", "seed=2")
    flushed = [call.path.rsplit("/", 1)[-1] for call in recorder.calls if call.name == "fsync"]
    assert "signac_job_document.json" in flushed
