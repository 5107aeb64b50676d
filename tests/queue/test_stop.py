"""Stopping, removing and clearing (QUE-01, trap 5)."""

from __future__ import annotations

import shlex
import subprocess
import time
from typing import Any

import pytest

from aexp.repo import open_layout
from aexp.workspace.store import RunStore
from tests.queue.test_worker import alive, kill_hard, pid_in, start_worker
from tests.queue.world import NOTE, files_of, listed, queue, record, statuses, with_command, worker
from tests.runs.world import PYTHON, start, until
from tests.support.machines import Machine

GENTLE = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\n"
STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SLEEP = "import os\nopen('pid.txt', 'w').write(str(os.getpid()))\ntime.sleep(300)\n"


def begin(machine: Machine, program: str) -> tuple[list[str], subprocess.Popen[bytes], int]:
    """Start a worker on two runs; return them, it, and the process of the first one's program."""
    machine.write("sleep.py", program + SLEEP)
    with_command(machine, f"test {{seed}} = 1 || {shlex.quote(PYTHON)} sleep.py")
    ids = queue(machine, "--sweep", "seed=0..1")
    process = start_worker(machine)
    pid = pid_in(machine / "pid.txt")
    until(lambda: "claim" in record(machine, ids[0]).document)
    return ids, process, pid


@pytest.mark.parametrize("program", [GENTLE, "import time\n", STUBBORN])
def test_stop(installed_repo: Machine, program: str) -> None:
    """QUE-01: SIGTERM, then SIGKILL, to all its processes; the worker goes on with the next."""
    ids, process, pid = begin(installed_repo, program)
    began = time.monotonic()
    done = installed_repo.aexp_fast("queue", "stop", ids[0], "--grace", "1.5")
    assert f"run {ids[0][:8]} is stopped (ended by operator)" in done.stdout
    assert (time.monotonic() - began > 1.4) == (program == STUBBORN)
    assert not alive(pid)
    process.communicate(timeout=30)
    assert process.returncode == 10
    assert statuses(installed_repo, ids) == ["stopped", "complete"]
    document = record(installed_repo, ids[0]).document
    assert document["ended_by"] == "operator"
    assert (installed_repo / f".aexp/ledger/{ids[0]}.json").exists()
    # The operator's word holds: a script that names the run does not start it again unasked.
    refused = installed_repo.aexp_fast("run-queued", ids[0], check=False).require(5)
    assert "was stopped by an operator" in refused.stderr


def test_nothing_that_has_ended_is_rewritten(installed_repo: Machine) -> None:
    """Trap 5: stop, remove and clear leave complete, failed and abandoned runs byte for byte."""
    with_command(installed_repo, "exit {seed}")
    ids = queue(installed_repo, "--sweep", "seed=0..2")
    installed_repo.aexp_fast("queue", "remove", ids[2])
    worker(installed_repo, check=False).require(10)
    assert statuses(installed_repo, ids) == ["complete", "failed", "abandoned"]
    for job_id in ids:
        before = files_of(installed_repo, job_id)
        for verb in ("stop", "remove"):
            done = installed_repo.aexp_fast("queue", verb, job_id, check=False).require(5)
            assert "what has ended stays as it is" in done.stderr
        installed_repo.aexp_fast("queue", "remove", *ids, check=False).require(10)
        installed_repo.aexp_fast("queue", "clear", "--yes")
        assert files_of(installed_repo, job_id) == before


def test_remove_abandons_what_waits(installed_repo: Machine) -> None:
    """QUE-01: a removed run is abandoned by the operator, and no worker runs it."""
    with_command(installed_repo, NOTE)
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    installed_repo.aexp_fast("queue", "remove", ids[0])
    document = record(installed_repo, ids[0]).document
    assert (document["status"], document["ended_by"]) == ("abandoned", "operator")
    worker(installed_repo)
    assert statuses(installed_repo, ids) == ["abandoned", "complete"]
    refused = installed_repo.aexp_fast("run-queued", ids[0], check=False).require(5)
    assert "was removed from the queue" in refused.stderr
    # Queued once more, it only stops waiting: what it came to before stays.
    queue(installed_repo, "--sp", "seed=1", "--again")
    before = (installed_repo / f".aexp/ledger/{ids[1]}.json").read_bytes()
    installed_repo.aexp_fast("queue", "remove", ids[1])
    assert statuses(installed_repo, [ids[1]]) == ["complete"]
    assert listed(installed_repo) == []
    assert (installed_repo / f".aexp/ledger/{ids[1]}.json").read_bytes() == before
    made = installed_repo.aexp_fast("new-run", "-e", "E001", "--sp", "seed=9").stdout.split()[2]
    done = installed_repo.aexp_fast("queue", "remove", made, check=False).require(5)
    assert "is created, and not in the queue" in done.stderr


def test_clear(installed_repo: Machine) -> None:
    """QUE-01: clear takes out what waits and is chosen, asks first, and shows with --dry-run."""
    with_command(installed_repo, NOTE)
    first = queue(installed_repo, "--sp", "seed=0", "--tag", "a")
    rest = queue(installed_repo, "--sweep", "seed=1..2")
    installed_repo.aexp_fast("queue", "clear", check=False).require(2)
    assert "would take 3 runs" in installed_repo.aexp_fast("queue", "clear", "--dry-run").stdout
    installed_repo.aexp_fast("queue", "clear", "--tag", "a", "--yes")
    assert statuses(installed_repo, [*first, *rest]) == ["abandoned", "queued", "queued"]
    installed_repo.aexp_fast("queue", "clear", "--yes")
    assert "nothing waits" in installed_repo.aexp_fast("queue", "clear", "--yes").stdout
    assert statuses(installed_repo, rest) == ["abandoned"] * 2
    assert queue(installed_repo, "--sp", "seed=0", "--again") == first
    worker(installed_repo)
    assert statuses(installed_repo, first) == ["complete"]


def change(machine: Machine, job_id: str, part: str, **facts: object) -> None:
    """Change what is recorded of the owner, or of the process, of a running run."""

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        place = document["owner"] if part == "owner" else document["claim"]["process"]
        place.update(facts)
        return document

    RunStore(open_layout(machine.path)).update(job_id, edit)


def test_a_run_of_another_host_is_not_stopped_from_here(installed_repo: Machine) -> None:
    """QUE-01: the host is checked; the refusal names it, and nothing is signalled."""
    ids, process, pid = begin(installed_repo, "import time\n")
    change(installed_repo, ids[0], "owner", host="gpu023")
    done = installed_repo.aexp_fast("queue", "stop", ids[0], check=False).require(6)
    assert f"process {process.pid} on gpu023" in done.stderr
    assert alive(pid)
    assert record(installed_repo, ids[0]).status == "running"
    change(installed_repo, ids[0], "owner", boot_id="another")
    installed_repo.aexp_fast("queue", "stop", ids[0], check=False).require(6)
    process.terminate()
    process.communicate(timeout=30)


def test_a_later_process_of_the_same_number_is_not_touched(installed_repo: Machine) -> None:
    """QUE-01: the start time is checked: a recorded number that another process has is left."""
    with_command(installed_repo, "echo {seed}")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    bystander = start(installed_repo, "sleep", "300")
    dead = {"host": "x", "pid": bystander.pid}

    def edit(document: dict[str, object]) -> dict[str, object]:
        from aexp.process import describe_process

        real = describe_process(bystander.pid).to_json()
        dead.update(real, start_time="1")
        return {
            **document, "status": "running", "attempt_id": "a" * 16, "owner": dead,
            "claim": {"process": dead},
        }  # fmt: skip

    RunStore(open_layout(installed_repo.path)).update(job_id, edit)
    done = installed_repo.aexp_fast("queue", "stop", job_id, "--grace", "0.2")
    assert f"run {job_id[:8]} is abandoned (ended by operator); its worker was gone" in done.stdout
    assert bystander.poll() is None
    bystander.kill()
    bystander.communicate()


def test_stopping_what_a_dead_worker_left(installed_repo: Machine) -> None:
    """QUE-01: its processes are ended, it is recorded, and no worker takes it over."""
    ids, process, _ = begin(installed_repo, "import time\n")
    kill_hard(process)
    done = installed_repo.aexp_fast("queue", "stop", ids[0], "--grace", "0")
    assert "its worker was gone" in done.stdout
    assert record(installed_repo, ids[0]).document["ended_by"] == "operator"
    worker(installed_repo)
    assert statuses(installed_repo, ids)[1] == "complete"
    assert statuses(installed_repo, ids)[0] in ("stopped", "abandoned")


def test_only_running_runs_of_the_queue_are_stopped(installed_repo: Machine) -> None:
    """QUE-01: a queued run is removed, not stopped; `aexp run` is not the queue's to stop."""
    with_command(installed_repo, "echo {seed}")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    done = installed_repo.aexp_fast("queue", "stop", job_id, check=False).require(5)
    assert "aexp queue remove" in done.stderr
    command = [PYTHON, "-m", "aexp", "run", "-e", "E001", "--sp", "seed=7", "--", "sleep", "300"]
    process = start(installed_repo, *command)
    layout = open_layout(installed_repo.path)
    until(lambda: any(r.status == "running" for r in RunStore(layout).records()))
    (other,) = [r.job_id for r in RunStore(layout).records() if r.status == "running"]
    done = installed_repo.aexp_fast("queue", "stop", other, check=False).require(6)
    assert "was not started by the queue" in done.stderr
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=30)
