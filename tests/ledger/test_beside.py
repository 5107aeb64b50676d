"""A large backfill prepares half of the runs in a second process; nobody can tell (LED-07)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ledger.test_backfill import backfill, entry_of, name_of, put_run
from tests.support.machines import Completed, Machine, checkout_environ

MANY = 6
SCRIPT = """
import os, sys, threading
from aexp import beside
from aexp.ledger import backfill

backfill.WORTH_A_PROCESS = 2
original = os.getpid()
prepare, add = backfill.prepare, backfill.BatchWriter.add
used = []

def working_beside(work):
    used.append(True)
    return beside.working_beside(work)

def in_the_copy(*args, **kwargs):
    if os.getpid() != original:
        {fault}
    return prepare(*args, **kwargs)

backfill.working_beside = working_beside
backfill.prepare = in_the_copy
os.sched_getaffinity = lambda pid: {{0, 1}}
from aexp.cli import main
try:
    main(sys.argv[1:])
finally:
    assert used
"""


@pytest.fixture
def full(installed_repo: Machine) -> Machine:
    """Return a repository with runs to promote."""
    for seed in range(MANY):
        put_run(installed_repo, seed)
    return installed_repo


def in_two(machine: Machine, fault: str = "pass") -> Completed:
    """Run a backfill in two processes; ``fault`` happens to the second one at each run."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(fault=fault), "ledger", "backfill", "--no-commit"],
        cwd=machine.path,
        env={**checkout_environ(), **machine.env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Completed(("backfill",), done.returncode, done.stdout, done.stderr)


def job_ids(machine: Machine) -> list[str]:
    """Return the runs of the store, sorted as a backfill takes them."""
    return sorted(path.name for path in (machine / ".runs/workspace").iterdir())


def leftovers(machine: Machine) -> list[Path]:
    """Return the temporary files."""
    return [*(machine / ".aexp/tmp").glob("*"), *(machine / ".runs/.aexp-tmp").glob("*")]


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
class TestSecondProcess:
    """What the second process does, and what becomes of its faults."""

    def test_everything_is_promoted_once(self, full: Machine) -> None:
        """LED-07: every run has its entry, and another backfill finds nothing to do."""
        done = in_two(full).require()
        assert f"{MANY} promoted" in done.stdout
        assert {entry_of(full, job_id)["status"] for job_id in job_ids(full)} == {"complete"}
        assert leftovers(full) == []
        assert f"{MANY} skipped" in backfill(full)

    def test_a_killed_process_costs_time_only(self, full: Machine) -> None:
        """LED-07: what a killed copy had to do is done by the first process."""
        done = in_two(full, "os.kill(os.getpid(), 9)").require()
        assert f"{MANY} promoted" in done.stdout
        assert f"{MANY} skipped" in backfill(full)

    def test_a_crash_of_the_process_costs_time_only(self, full: Machine) -> None:
        """LED-07: neither does a fault that nobody foresaw lose a run, or show a traceback."""
        done = in_two(full, "raise SystemExit(3)").require()
        assert f"{MANY} promoted" in done.stdout
        assert done.stderr == ""

    def test_one_bad_run_is_told_and_the_others_are_promoted(self, full: Machine) -> None:
        """LED-07: a run that fails in the second process is reported as anywhere else."""
        last = job_ids(full)[-1]
        (full / ".runs/workspace" / last / "signac_job_document.json").write_text("[]")
        done = in_two(full).require(10)
        assert f"{MANY - 1} promoted" in done.stdout
        assert last in done.output
        assert not (full / name_of(last)).exists()

    def test_a_full_disk_there_is_tried_again_here(self, full: Machine) -> None:
        """LED-05: a file the second process could not write is written by the first."""
        done = in_two(full, "raise backfill.StorageError('no room')").require()
        assert f"{MANY} promoted" in done.stdout


def test_a_process_with_threads_does_it_alone() -> None:
    """LED-07: forking beside other threads is not safe, and not done."""
    code = (
        "import threading, os; from aexp.beside import can_work_beside as can\n"
        "os.sched_getaffinity = lambda pid: {0, 1}\n"
        "alone = can(); stop = threading.Event()\n"
        "other = threading.Thread(target=stop.wait); other.start()\n"
        "beside = can(); stop.set(); other.join(); print(alone, beside)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **checkout_environ()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(sys.platform == "linux"), "False"]
