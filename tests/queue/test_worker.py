"""Many workers, one queue (QUE-03), and what becomes of runs whose worker was killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from aexp.repo import open_layout
from aexp.workspace.store import RunStore
from tests.queue.world import (
    NOTE,
    listed,
    queue,
    record,
    statuses,
    times_run,
    with_command,
    worker,
)
from tests.runs.world import PYTHON, start, until
from tests.support.machines import Machine
from tests.support.race import run_aexp_together

WAIT = "echo $$ > pid.txt; (sleep 300 & echo $! > child.txt; wait)"
"""A command with a process below it, which says who they are."""


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def pid_in(path: Path) -> int:
    """Return the process id that a command has written down."""
    until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def start_worker(machine: Machine, *options: str) -> subprocess.Popen[bytes]:
    """Start a worker in a process of its own."""
    return start(machine, PYTHON, "-m", "aexp", "queue", "worker", *options)


def kill_hard(process: subprocess.Popen[bytes]) -> None:
    """``kill -9`` a process, and nothing else of its session."""
    process.kill()
    process.communicate(timeout=20)


def test_eight_workers_drain_one_queue(installed_repo: Machine) -> None:
    """QUE-03: of eight real processes that start at once, each run is claimed by one."""
    with_command(installed_repo, f"{NOTE}; sleep 0.02")
    ids = queue(installed_repo, "--sweep", "seed=0..39")
    assert len(ids) == 40
    done = run_aexp_together([(installed_repo.path, ["queue", "worker"])] * 8)
    assert [each.returncode for each in done] == [0] * 8, [each.stderr for each in done]
    assert times_run(installed_repo) == dict.fromkeys(ids, 1)
    assert statuses(installed_repo, ids) == ["complete"] * 40
    assert all("attempts" not in record(installed_repo, job_id).document for job_id in ids)
    ended = [int(each.stdout.split()[0]) for each in done]
    assert sum(ended) == 40
    assert sum(count > 0 for count in ended) >= 2
    entries = list((installed_repo / ".aexp/ledger").glob("*.json"))
    assert sorted(path.stem for path in entries) == sorted(ids)


def test_no_lock_is_held_while_a_run_computes(installed_repo: Machine) -> None:
    """QUE-03: its lock is free meanwhile, so that it can be looked at, tagged and locked."""
    with_command(installed_repo, "touch begun.txt; until [ -e go.txt ]; do sleep 0.02; done")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    process = start_worker(installed_repo)
    until((installed_repo / "begun.txt").exists)
    store = RunStore(open_layout(installed_repo.path))
    began = time.monotonic()
    with store.lock(job_id):
        pass
    installed_repo.aexp_fast("tag", job_id, "--add", "seen")
    assert time.monotonic() - began < 5.0
    (run,) = listed(installed_repo)
    assert (run["status"], run["worker"]["pid"]) == ("running", process.pid)
    installed_repo.write("go.txt", "")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert record(installed_repo, job_id).document["tags"] == ["seen"]
    assert statuses(installed_repo, [job_id]) == ["complete"]


def test_a_worker_goes_on_until_nothing_waits(installed_repo: Machine) -> None:
    """QUE-03: runs that are queued while it works are run too."""
    more = f"{shlex.quote(PYTHON)} -m aexp queue add -e E001 --sp seed=1 --command '{NOTE}'"
    with_command(installed_repo, f"{NOTE}; {more}")
    ids = queue(installed_repo, "--sp", "seed=0")
    worker(installed_repo)
    assert len(times_run(installed_repo)) == 2
    assert set(ids) < set(times_run(installed_repo))
    assert listed(installed_repo) == []


def test_the_run_of_a_killed_worker_is_taken_over(installed_repo: Machine) -> None:
    """QUE-03, trap 66: kill -9 of a worker; its command ends too, and the next takes the run."""
    with_command(installed_repo, f"if [ -e again.txt ]; then {NOTE}; else {WAIT}; fi")
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    first = start_worker(installed_repo)
    leader = pid_in(installed_repo / "pid.txt")
    below = pid_in(installed_repo / "child.txt")
    until(lambda: "claim" in record(installed_repo, ids[0]).document)
    kill_hard(first)
    until(lambda: not alive(leader))
    assert record(installed_repo, ids[0]).status == "running"
    assert [run["lost"] for run in listed(installed_repo)] == [True, False]
    installed_repo.write("again.txt", "")
    done = worker(installed_repo)
    assert "taken over from a worker that is gone" in done.stderr
    assert statuses(installed_repo, ids) == ["complete"] * 2
    assert times_run(installed_repo) == dict.fromkeys(ids, 1)
    (past,) = record(installed_repo, ids[0]).document["attempts"]
    assert (past["status"], past["ended_by"]) == ("abandoned", "lost")
    assert not alive(below), "a process of the dead worker still computes"
    entry = json.loads((installed_repo / f".aexp/ledger/{ids[0]}.json").read_text())
    assert entry["status"] == "complete"
    assert [other["ended_by"] for other in entry["replicates"]] == ["lost"]


def test_of_eight_workers_one_takes_a_dead_ones_run(installed_repo: Machine) -> None:
    """QUE-03: a claim of a dead worker is taken over once."""
    with_command(installed_repo, f"if [ -e again.txt ]; then {NOTE}; else {WAIT}; fi")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    first = start_worker(installed_repo)
    pid_in(installed_repo / "child.txt")
    until(lambda: "claim" in record(installed_repo, job_id).document)
    kill_hard(first)
    installed_repo.write("again.txt", "")
    done = run_aexp_together([(installed_repo.path, ["queue", "worker"])] * 8)
    assert [each.returncode for each in done] == [0] * 8, [each.stderr for each in done]
    assert times_run(installed_repo) == {job_id: 1}
    assert len(record(installed_repo, job_id).document["attempts"]) == 1


def test_recover_does_not_take_a_run_from_the_queue(installed_repo: Machine) -> None:
    """RUN-06, QUE-03: what `aexp recover` ended as lost is still run by the next worker."""
    with_command(installed_repo, f"if [ -e again.txt ]; then {NOTE}; else {WAIT}; fi")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    first = start_worker(installed_repo)
    pid_in(installed_repo / "child.txt")
    kill_hard(first)
    installed_repo.aexp_fast("recover", "--apply")
    assert statuses(installed_repo, [job_id]) == ["abandoned"]
    done = installed_repo.aexp_fast("queue", "add", "-e", "E001", "--sp", "seed=0")
    assert "reused" in done.stderr
    installed_repo.write("again.txt", "")
    worker(installed_repo)
    assert statuses(installed_repo, [job_id]) == ["complete"]


def test_a_run_that_kills_its_workers_is_given_up(installed_repo: Machine) -> None:
    """QUE-03: after three dead workers a run is abandoned, and the rest of the queue is run."""
    with_command(installed_repo, f"{NOTE}; test {{seed}} != 0 || kill -9 $PPID")
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    for _ in range(3):
        done = installed_repo.aexp("queue", "worker", check=False)
        assert done.returncode == -signal.SIGKILL
    done = installed_repo.aexp("queue", "worker", check=False).require(5)
    assert "lost 3 workers in a row" in done.stderr
    assert times_run(installed_repo) == {ids[0]: 3, ids[1]: 1}
    document = record(installed_repo, ids[0]).document
    assert (document["status"], document["ended_by"]) == ("abandoned", "lost")
    worker(installed_repo)  # nothing is left to do
    assert times_run(installed_repo) == {ids[0]: 3, ids[1]: 1}


def test_going_on_after_a_failure(installed_repo: Machine) -> None:
    """QUE-01: `run` stops at the first failure unless told otherwise; a worker goes on."""
    with_command(installed_repo, f"{NOTE}; test {{seed}} != 0")
    ids = queue(installed_repo, "--sweep", "seed=0..2")
    done = installed_repo.aexp_fast("queue", "run", check=False).require(10)
    assert "error: 1 run did not complete\n" in done.stderr
    assert statuses(installed_repo, ids) == ["failed", "queued", "queued"]
    queue(installed_repo, "--sp", "seed=0", "--again")
    installed_repo.aexp_fast("queue", "run", "--continue-on-failure", check=False).require(10)
    assert statuses(installed_repo, ids) == ["failed", "complete", "complete"]
    ids += queue(installed_repo, "--sp", "seed=3")
    queue(installed_repo, "--sp", "seed=0", "--again")
    worker(installed_repo, "--stop-on-failure", check=False).require(10)
    assert statuses(installed_repo, ids) == ["failed", "complete", "complete", "queued"]
    worker(installed_repo)
    assert statuses(installed_repo, ids) == ["failed", "complete", "complete", "complete"]


def test_one_by_index(installed_repo: Machine) -> None:
    """QUE-01: an index names the same run whatever has been run meanwhile; twice is once."""
    with_command(installed_repo, f"{NOTE}; echo ran {{seed}}; exit {{seed}}")
    ids = queue(installed_repo, "--sweep", "seed=0..2")
    other = queue(installed_repo, "--sp", "seed=7", "--tag", "t")
    for index, code in ((1, 1), (0, 0), (2, 2), (0, 0)):
        done = installed_repo.aexp_fast("queue", "run", "--index", str(index), check=False)
        done.require(code)
    assert "is complete already" in done.stderr
    assert times_run(installed_repo) == dict.fromkeys(ids, 1)
    installed_repo.aexp_fast("queue", "run", "--index", "0", "--tag", "t", check=False).require(7)
    assert statuses(installed_repo, other) == ["failed"]
    done = installed_repo.aexp_fast("queue", "run", "--index", "4", check=False).require(4)
    assert "the last is 3" in done.stderr


def test_only_some_of_the_queue(installed_repo: Machine) -> None:
    """QUE-01: --tag and --experiment choose what is listed and run."""
    with_command(installed_repo, NOTE)
    first = queue(installed_repo, "--sp", "seed=0", "--tag", "a", "--tag", "b")
    queue(installed_repo, "--sp", "seed=1", "--tag", "b")
    assert len(listed(installed_repo, "--tag", "b")) == 2
    worker(installed_repo, "--tag", "b", "--tag", "a")
    worker(installed_repo, "--experiment", "E002")
    assert list(times_run(installed_repo)) == first
    assert len(listed(installed_repo)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_and_then_the_worker(
    installed_repo: Machine, number: signal.Signals
) -> None:
    """QUE-03, trap 6: the run is recorded as stopped, and what waits goes on waiting."""
    with_command(installed_repo, WAIT)
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    process = start_worker(installed_repo)
    below = pid_in(installed_repo / "child.txt")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    document = record(installed_repo, ids[0]).document
    how = "interrupt" if number == signal.SIGINT else "signal"
    assert (document["status"], document["ended_by"]) == ("stopped", how)
    assert statuses(installed_repo, ids) == ["stopped", "queued"]
    until(lambda: not alive(below))


def test_each_run_by_its_id(installed_repo: Machine) -> None:
    """QUE-01: run-queued exits as the command did; it tries a failed run again, a complete not."""
    with_command(installed_repo, f"{NOTE}; test -e good.txt")
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    installed_repo.aexp_fast("run-queued", ids[0][:10], check=False).require(1)
    installed_repo.write("good.txt", "")
    installed_repo.aexp_fast("run-queued", ids[0])
    done = installed_repo.aexp_fast("run-queued", *ids)
    assert f"run {ids[0][:8]} is complete already" in done.stderr
    assert times_run(installed_repo) == {ids[0]: 2, ids[1]: 1}
    installed_repo.aexp_fast("run-queued", "--again", ids[1])
    assert times_run(installed_repo) == {ids[0]: 2, ids[1]: 2}
    attempts = record(installed_repo, ids[0]).document["attempts"]
    assert [past["status"] for past in attempts] == ["failed"]
    installed_repo.aexp_fast("run-queued", "0" * 32, check=False).require(4)


def test_a_run_that_another_has(installed_repo: Machine) -> None:
    """QUE-03: naming a run that a live worker has is refused, and names the worker."""
    with_command(installed_repo, "touch begun.txt; until [ -e go.txt ]; do sleep 0.02; done")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    process = start_worker(installed_repo)
    until((installed_repo / "begun.txt").exists)
    done = installed_repo.aexp_fast("run-queued", job_id, check=False).require(6)
    assert f"process {process.pid}" in done.stderr
    assert "0 runs ended" in worker(installed_repo).stdout
    installed_repo.write("go.txt", "")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert os.path.exists(installed_repo / f".aexp/ledger/{job_id}.json")
