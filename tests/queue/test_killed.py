"""kill -9 at each durable step of queueing a run and of running it (QUE-01, QUE-03)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.queue.world import listed, queue, statuses, times_run, with_command, worker
from tests.runs.world import run_folders
from tests.support.killed import kill_everywhere
from tests.support.machines import Machine

NOTE = 'echo "$AEXP_JOB_ID" >> done.txt'


def copies(template: Machine, tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that makes the next fresh copy of ``template``."""

    def make(number: int) -> Path:
        place = tmp_path / f"place-{number}"
        shutil.copytree(template.path, place, symlinks=True)
        return place

    return make


def test_queueing_killed_anywhere(installed_repo: Machine, tmp_path: Path) -> None:
    """QUE-01: what was queued is whole, and queueing the same again completes it."""
    with_command(installed_repo, NOTE)
    command = ["aexp", "queue", "add", "-e", "E001", "--sweep", "seed=0..1"]
    count = 0
    for point, place in kill_everywhere(
        command, copies(installed_repo, tmp_path), phases=("torn",)
    ):
        count += 1
        machine = Machine(place, "laptop")
        before = listed(machine)
        assert {run["status"] for run in before} <= {"queued"}, point
        assert all(run["command"] == NOTE for run in before), point
        queue(machine, "--sweep", "seed=0..1")
        assert [run["parameters"]["seed"] for run in listed(machine)] in ([0, 1], [1, 0]), point
        assert len([n for n in run_folders(machine) if not n.startswith(".")]) == 2, point
        shutil.rmtree(place)
    assert count >= 4


@pytest.mark.slow
def test_running_killed_anywhere(installed_repo: Machine, tmp_path: Path) -> None:
    """QUE-03: wherever a worker is killed, the next completes the run; ended work stays."""
    with_command(installed_repo, NOTE)
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    count = 0
    for point, place in kill_everywhere(
        ["aexp", "queue", "worker"], copies(installed_repo, tmp_path), phases=("before", "torn")
    ):
        count += 1
        machine = Machine(place, "laptop")
        was_complete = statuses(machine, [job_id]) == ["complete"]
        ran = times_run(machine).get(job_id, 0)
        worker(machine)
        machine.aexp_fast("recover", "--apply")
        assert statuses(machine, [job_id]) == ["complete"], point
        assert times_run(machine)[job_id] == (ran if was_complete else ran + 1), point
        assert (place / f".aexp/ledger/{job_id}.json").exists(), point
        shutil.rmtree(place)
    assert count >= 10
