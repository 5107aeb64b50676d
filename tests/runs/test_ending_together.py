"""Many runs that end at the same moment on one file system."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.registry import open_registry
from aexp.repo import open_layout
from aexp.workspace.store import RunStore
from tests.runs.world import experiment, script
from tests.support.machines import Machine

PROGRAM = """
import json, os, sys, time, warnings
warnings.simplefilter("ignore")
import aexp
COUNT, BYTES = {count}, {with_bytes}
jobs = [aexp.create_run("E001", {{"n": n}}, include_commit=False) for n in range(COUNT)]
ready_read, ready = os.pipe()
go, go_write = os.pipe()
children = []
for job in jobs:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(go_write)
            with aexp.run_lifecycle(job):
                run = aexp.current_run()
                run.log_parameter("pid", os.getpid())
                if BYTES:
                    run.log_metric("acc", 1.0, 0)
                    run.log_json("n", job.statepoint()["n"])
                os.write(ready, b".")
                os.read(go, 1)  # returns when the parent lets go
            code = 0
        finally:
            os._exit(code)
    children.append(child)
for _ in range(COUNT):
    assert os.read(ready_read, 1) == b"."
os.close(go_write)
start = time.monotonic()
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(json.dumps({{"codes": codes, "seconds": time.monotonic() - start}}))
"""


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


def end_together(machine: Machine, count: int, with_bytes: bool) -> None:
    """End ``count`` runs of as many processes at once; nothing may be lost."""
    done = script(machine, PROGRAM.format(count=count, with_bytes=with_bytes), check=True)
    assert json.loads(done.stdout)["codes"] == [0] * count
    assert done.stderr == ""
    entries = [json.loads(p.read_bytes()) for p in (machine / ".aexp/ledger").glob("*.json")]
    assert [e["status"] for e in entries] == ["complete"] * count
    assert len({e["params"]["pid"] for e in entries}) == count
    assert not list((machine / ".aexp/pending").glob("*"))
    if with_bytes:
        registry = open_registry(open_layout(machine.path))
        assert len(registry.refs(kind="run")) == count
        for entry in entries:
            (digest,) = [a["digest"] for a in entry["attachments"] if a["name"] == "n"]
            assert json.loads(registry.read(digest)) == entry["statepoint"]["n"]
        assert registry.live_leases() == []


@pytest.mark.parametrize("with_bytes", [False, True], ids=["parameters", "bytes"])
def test_twenty_runs_end_together(machine: Machine, with_bytes: bool) -> None:
    """Target: none is lost, whether they have bytes or not."""
    end_together(machine, 20, with_bytes)


@pytest.mark.slow
@pytest.mark.parametrize("with_bytes", [False, True], ids=["parameters", "bytes"])
def test_two_hundred_runs_end_together(machine: Machine, with_bytes: bool) -> None:
    """Target: 200 runs ending together on one file system, 0 lost."""
    end_together(machine, 200, with_bytes)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_run_takes_no_lock_but_its_own(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Target, decision 7: none waits for another, since no lock is held by more than one run."""
    locked: list[str] = []
    real = fcntl.flock

    def flock(fd: Any, how: int) -> None:
        locked.append(os.readlink(f"/proc/self/fd/{fd if isinstance(fd, int) else fd.fileno()}"))
        real(fd, how)

    create_run("E001", {"first": True}, repo_root=machine.path)
    monkeypatch.setattr(fcntl, "flock", flock)
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_parameter("p", 1)
    assert len(locked) >= 4  # begun and ended, locked and unlocked
    assert {str(Path(path).parent) for path in locked} == {job.path}


def test_nothing_waits_for_a_run_that_hangs(machine: Machine) -> None:
    """Target: while one run's lock is held, and a collection sweeps the registry, others end."""
    store = RunStore(open_layout(machine.path))
    hangs = create_run("E001", {"hangs": True}, repo_root=machine.path)
    registry = open_registry(open_layout(machine.path))
    registry.initialise()
    with store.lock(hangs.id), registry.sweeping():
        end_together_in_one(machine)


def end_together_in_one(machine: Machine) -> None:
    """End five runs one after another in this process."""
    for number in range(5):
        job = create_run("E001", {"seed": number}, repo_root=machine.path)
        with run_lifecycle(job):
            pass
        assert (machine / f".aexp/ledger/{job.id}.json").is_file()
