"""Attaching to the run around the caller, from one process and from several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.errors import RunClosedError, UsageError
from aexp.registry import open_registry
from aexp.repo import open_layout
from tests.runs.world import PYTHON, document, entry, experiment, only_run, start, until
from tests.support.machines import Machine


@pytest.fixture
def job(installed_repo: Machine) -> Any:
    """A created run."""
    experiment(installed_repo)
    return create_run("E001", {"seed": 0}, repo_root=installed_repo.path)


def test_attachments_reach_the_ledger(installed_repo: Machine, job: Any) -> None:
    """REC-04, LED-01: name, media type, digest and size; the bytes are in the registry."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_json("config", {"lr": 0.1})
        other = current_run()
        assert other is not None
        assert other.get_attachment("config") == {"lr": 0.1}
        with pytest.raises(UsageError, match="already"):
            other.log_json("config", {"lr": 0.2})
        for name in ("metrics.jsonl", "output.log"):
            with pytest.raises(UsageError, match="when it is closed"):
                run.log_attachment(name, "text/plain", b"mine")
    (attachment,) = entry(installed_repo)["attachments"]
    assert (attachment["name"], attachment["media_type"]) == ("config", "application/json")
    registry = open_registry(open_layout(installed_repo.path))
    assert json.loads(registry.read(attachment["digest"])) == {"lr": 0.1}
    assert registry.live_leases() == []


def test_a_closed_run_takes_nothing(installed_repo: Machine, job: Any) -> None:
    """REC-01: every call on a handle that was kept raises, and nothing is written."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metric("acc", 1.0)
    before = document(installed_repo)
    calls: list[Any] = [
        lambda: run.log_metric("acc", 2.0),
        lambda: run.log_parameter("p", 1),
        lambda: run.log_json("late", 1),
        lambda: run.flush(),
    ]
    for call in calls:
        with pytest.raises(RunClosedError, match="is closed"):
            call()
    assert document(installed_repo) == before
    streams = list((Path(job.path) / "streams").rglob("*.jsonl"))
    assert len(streams) == 1


PROGRAM = """
import os, subprocess, sys, time, aexp
who = sys.argv[1]
run = aexp.current_run()
run.log_json(f"of {who}", who)
run.log_attachment("same content", "text/plain", b"same")
run.log_attachment("same name", "text/plain", who.encode())
if who == "parent":
    os.makedirs("elsewhere", exist_ok=True)
    kid = [sys.executable, os.path.abspath(__file__), "child"]
    subprocess.run(kid, check=True, cwd="elsewhere")
    with open("ready.dat", "w"):
        pass
    while not os.path.exists("go.dat"):
        time.sleep(0.01)
"""


def test_several_processes_of_one_run(installed_repo: Machine) -> None:
    """REC-04, GC-03: a child's bytes outlive it, and each content of one name has a name."""
    installed_repo.write("train.py", PROGRAM)
    command = [PYTHON, "-m", "aexp", "run", "--sp", "seed=0", "--", PYTHON, "train.py", "parent"]
    child = start(installed_repo, *command)
    until((installed_repo / "ready.dat").exists)
    registry = open_registry(open_layout(installed_repo.path))
    owner = document(installed_repo)["owner"]["pid"]
    held = [lease.owner.pid for lease in registry.live_leases() if lease.owner]
    assert held == [owner, owner]  # the child that took one is gone
    (installed_repo / "go.dat").touch()
    child.communicate(timeout=20)
    found = {a["name"]: registry.read(a["digest"]) for a in entry(installed_repo)["attachments"]}
    assert found == {
        "of parent": b'"parent"',
        "of child": b'"child"',
        "same content": b"same",
        "same name": b"parent",
        "same name (2)": b"child",
    }


def test_a_process_that_outlives_its_run(installed_repo: Machine) -> None:
    """REC-01: what a forgotten child attaches after the end is refused, and nothing changes."""
    code = """
import os, sys, time, aexp
if os.fork() == 0:
    sys.stdout.flush()
    for fd in (1, 2):
        os.close(fd)
    while not os.path.exists("go.dat"):
        time.sleep(0.01)
    try:
        aexp.current_run().log_json("late", 1)
    except aexp.errors.RunClosedError as error:
        open("refused.dat", "w").write(str(error))
    os._exit(0)
"""
    installed_repo.write("train.py", code)
    installed_repo.aexp("run", "--sp", "seed=0", "--", PYTHON, "train.py")
    before = document(installed_repo)
    (installed_repo / "go.dat").touch()
    until(lambda: (installed_repo / "refused.dat").exists() and installed_repo.read("refused.dat"))
    assert installed_repo.read("refused.dat") == f"run {only_run(installed_repo)} is closed"
    assert document(installed_repo) == before
