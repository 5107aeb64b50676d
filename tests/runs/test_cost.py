"""What recording a run costs, as the kernel sees it: flushes, their order, started programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.world import experiment
from tests.support.machines import Machine

PROGRAM = """
import os, sys, warnings
import aexp
warnings.simplefilter("ignore")
def record(number):
    job = aexp.create_run("E001", {"number": number})
    with aexp.run_lifecycle(job):
        aexp.current_run().log_parameter("learned", number)
record(0)
os.path.exists("/mark")
record(1)
os.path.exists("/mark")
"""
_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)\) += (\S+)")


@pytest.fixture
def strace() -> str:
    """The kernel's tracer, where there is one that works."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    if subprocess.run([found, "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        pytest.skip("strace may not trace here")
    return found


def trace(strace: str, machine: Machine) -> list[tuple[str, str]]:
    """Return the calls of the second run: flushes, renames and programs, with what they act on."""
    log = machine.path.parent / "trace.log"
    calls = "fsync,fdatasync,syncfs,sync,rename,renameat2,execve,stat,newfstatat"
    command = [strace, "-f", "-y", "-qq", "-s", "300", "-e", f"trace={calls}", "-o", str(log)]
    subprocess.run([*command, sys.executable, "-c", PROGRAM], cwd=machine.path, check=True)
    found: list[tuple[str, str]] = []
    marks = 0
    for line in log.read_text("utf-8", "replace").splitlines():
        if '"/mark"' in line:
            marks += 1
        elif marks == 1 and (call := _CALL.match(line)) and "newfstatat" not in line:
            name, arguments, result = call.groups()
            if name != "stat" and result == "0":
                found.append((name, arguments))
    assert marks == 2
    return found


def place(path: str, root: Path) -> str:
    """Return what a path is, without what differs from run to run."""
    path = path.removeprefix(f"{root}/")
    path = re.sub(r"[0-9a-f]{32}", "JOB", path)
    return re.sub(r"\.\d+\.[0-9a-f]+\.aexp-tmp|-\d+-[0-9a-f]{8}(?=/|$)", "", path)


def test_flushes_and_programs_of_a_short_run(strace: str, installed_repo: Machine) -> None:
    """Target: at most 6 flushes and 1 git process, from ``create_run`` to the entry.

    And in this order: the run before anything of it can be said, the document before the entry.
    """
    experiment(installed_repo)
    installed_repo.commit_all("An experiment")
    calls = trace(strace, installed_repo)
    programs = [arguments for name, arguments in calls if name == "execve"]
    assert len(programs) == 1, programs
    assert '"status"' in programs[0]
    steps: list[tuple[str, str]] = []
    for name, arguments in calls:
        if name == "fsync":
            steps.append(("flush", place(arguments.split("<")[1].rstrip(">"), installed_repo.path)))
        elif name.startswith("rename"):
            target = re.findall(r'"([^"]*)"', arguments)[-1]
            steps.append(("rename", place(target, installed_repo.path)))
        else:
            assert name == "execve", (name, arguments)
    run = ".runs/workspace/JOB"
    assert steps == [
        ("flush", ".runs/workspace/.aexp-new-JOB/signac_statepoint.json"),
        ("rename", run),
        ("flush", ".runs/workspace"),
        ("flush", f"{run}/signac_job_document.json"),
        ("rename", f"{run}/signac_job_document.json"),
        ("flush", f"{run}/signac_job_document.json"),
        ("rename", f"{run}/signac_job_document.json"),
        ("flush", run),
        ("flush", ".aexp/tmp/JOB.json"),
        ("rename", ".aexp/ledger/JOB.json"),
    ]
