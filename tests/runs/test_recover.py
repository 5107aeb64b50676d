"""Runs that a killed process left behind: ``aexp recover`` (RUN-06)."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, mark_status
from tests.runs.world import (
    PYTHON,
    document,
    entries,
    entry,
    experiment,
    only_run,
    run_folders,
    script,
    start,
    until,
)
from tests.support.machines import Machine


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


def kill_a_run(machine: Machine) -> str:
    """Leave a run whose owner died by ``kill -9`` after logging one value."""
    job_id = str(create_run("E001", {"seed": 0}, repo_root=machine.path).id)
    code = f"""
import aexp, time
with aexp.run_lifecycle(aexp.open_run("{job_id}")):
    run = aexp.current_run()
    run.log_metric("acc", 0.5, 1)
    run.flush()
    run.log_metric("never_flushed", 1.0)
    open("ready.dat", "w").close()
    time.sleep(60)
"""
    child = start(machine, PYTHON, "-c", code)
    until((machine / "ready.dat").exists)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate(timeout=20)
    return job_id


def set_owner(machine: Machine, job_id: str, beat: float, **facts: Any) -> None:
    """Give a running run another owner, and its last sign of life (seconds ago)."""
    folder = machine / f".runs/workspace/{job_id}"
    path = folder / "signac_job_document.json"
    value = json.loads(path.read_text("utf-8"))
    value["owner"] = {**value.get("owner", {}), **facts}
    value["started_at"] = "2020-01-01T00:00:00.000000Z"
    path.write_text(json.dumps(value), "utf-8")
    moment = time.time() - beat
    (folder / "aexp.heartbeat").touch()
    os.utime(folder / "aexp.heartbeat", (moment, moment))


OTHER_HOST = {"host": "node17", "boot_id": "other-boot", "pid": 1, "pid_namespace": "pid:[1]"}


def test_a_killed_owner_is_reported_then_mended(machine: Machine) -> None:
    """RUN-06: nothing changes before ``--apply``; then abandoned/lost, with what was logged."""
    job_id = kill_a_run(machine)
    before = document(machine)
    assert before["status"] == "running"
    done = machine.aexp("recover")
    assert done.stdout.splitlines()[0].startswith(f"lost        {job_id[:8]}  ")
    assert "nothing was changed" in done.stdout
    assert document(machine) == before
    assert entries(machine) == []
    assert machine.aexp("recover", "--apply").stdout.endswith("mended 1 of 1\n")
    after = entry(machine)
    assert (after["status"], after["ended_by"]) == ("abandoned", "lost")
    assert after["error"]["type"] == "Lost"
    assert after["metrics"]["acc"]["value"] == 0.5
    assert machine.aexp("recover", "--apply").stdout == "nothing to recover\n"
    assert entry(machine) == after


def test_the_next_attempt_ends_a_lost_one_first(machine: Machine) -> None:
    """RUN-05, RUN-06: no ``recover`` is needed to run again; the lost attempt is kept."""
    job_id = kill_a_run(machine)
    script(
        machine,
        f"""
        import aexp
        with aexp.run_lifecycle(aexp.open_run("{job_id}")):
            pass
        """,
        check=True,
    )
    done = entry(machine)
    assert done["status"] == "complete"
    (lost,) = done["replicates"]
    assert (lost["status"], lost["ended_by"]) == ("abandoned", "lost")
    assert lost["metrics"]["acc"]["value"] == 0.5


def test_a_live_run_is_left_alone(machine: Machine) -> None:
    """RUN-06: an owner that lives is no finding, however old its heartbeat."""
    code = "import time; open('ready.dat', 'w').close(); time.sleep(60)"
    child = start(machine, PYTHON, "-m", "aexp", "run", "--", PYTHON, "-c", code)
    until((machine / "ready.dat").exists)
    try:
        set_owner(machine, only_run(machine), 1e6)
        assert machine.aexp("recover", "--apply").stdout == "nothing to recover\n"
        assert document(machine)["status"] == "running"
    finally:
        child.terminate()
        child.communicate(timeout=20)
    assert entry(machine)["status"] == "stopped"


@pytest.mark.parametrize(("beat", "lost"), [(1.0, False), (500.0, False), (700.0, True)])
def test_a_run_of_another_host(machine: Machine, beat: float, lost: bool) -> None:
    """RUN-06: judged by its heartbeat alone; a fresh one is never touched."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    mark_status(job, "running")
    set_owner(machine, job.id, beat, **OTHER_HOST)
    done = machine.aexp_fast("recover", "--apply")
    assert ("node17" in done.stdout) == lost
    assert document(machine)["status"] == ("abandoned" if lost else "running")


def test_a_process_id_that_was_used_again(machine: Machine) -> None:
    """RUN-06: the same number with another start time is another process."""
    job_id = kill_a_run(machine)
    set_owner(machine, job_id, 1.0, pid=os.getpid())
    machine.aexp_fast("recover", "--apply")
    assert document(machine)["status"] == "abandoned"


def test_unfinished_folders_are_removed_when_old(machine: Machine) -> None:
    """RUN-06: what a creation left behind; a fresh one may still be in the making."""
    create_run("E001", {"seed": 0}, repo_root=machine.path)
    workspace = machine / ".runs/workspace"
    old, new = workspace / ".aexp-new-a-1-00", workspace / ".aexp-new-b-2-00"
    for folder in (old, new):
        folder.mkdir()
        (folder / "signac_statepoint.json").touch()
    os.utime(old, (time.time() - 7200,) * 2)
    assert "unfinished" in machine.aexp_fast("recover").stdout
    assert old.is_dir()
    machine.aexp_fast("recover", "--apply")
    assert (old.exists(), new.exists()) == (False, True)
    assert len(run_folders(machine)) == 2


def test_a_promotion_that_was_cut_off(machine: Machine) -> None:
    """RUN-04, RUN-06: killed between the document and the entry; recover writes the entry."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    code = f"""
    import os, aexp, aexp.runs.transition as transition
    transition.write_prepared = lambda *a, **k: os._exit(9)
    aexp.mark_status(aexp.open_run("{job.id}"), "complete")
    """
    assert script(machine, code).returncode == 9
    assert document(machine)["status"] == "complete"
    assert entries(machine) == []
    found = json.loads(machine.aexp_fast("status", "--format", "json").stdout)
    assert found["cut_off"] == [job.id]
    assert machine.aexp_fast("recover").stdout.startswith(f"unpromoted  {job.id[:8]}")
    machine.aexp_fast("recover", "--apply")
    assert entry(machine)["status"] == "complete"
    assert machine.aexp_fast("recover").stdout == "nothing to recover\n"


def test_what_cannot_be_mended_is_said(machine: Machine) -> None:
    """RUN-06: exit 10 and the reason, with the rest mended."""
    job_id = kill_a_run(machine)
    ledger: Path = machine / ".aexp/ledger"
    if ledger.is_dir():
        ledger.rmdir()
    ledger.write_text("in the way", "utf-8")
    done = machine.aexp("recover", "--apply", check=False)
    assert done.returncode == 10
    assert f"promote_to_ledger failed for {job_id}" in done.stderr
    assert document(machine)["status"] == "abandoned"
    ledger.unlink()
    machine.aexp("recover", "--apply")
    assert entry(machine)["status"] == "abandoned"
