"""Collections beside real recording: open runs and sessions, killed ones, and the right folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aexp.experiment import Experiment
from aexp.model.oci import sha256_digest
from aexp.registry import GcReport, Registry, gc
from tests.registry.stocked import digests
from tests.retention.test_cited import collected, record, registry_of
from tests.runs.world import experiment, start_run, until
from tests.support.machines import Machine, checkout_environ

SESSION = """
import sys
from aexp.experiment import Experiment
session = Experiment("study")
session.log_json("setup", {"lr": 0.1})
with session.run(seed=0) as run:
    run.log_attachment("weights", "x/y", b"of the closed run")
open_run = session.run(seed=1)
open_run.log_attachment("weights", "x/y", b"of the open run")
open_run.log_metric("loss", 0.5)
print("recording", flush=True)
sys.stdin.readline()
open_run.finish()
print(session.commit().digest, flush=True)
"""


def start_session(machine: Machine) -> subprocess.Popen[str]:
    """Start a process that holds a session with a closed and an open run, and wait for it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SESSION],
        cwd=machine.path,
        env={**os.environ, **checkout_environ()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "recording"
    return process


def sweep(machine: Machine) -> GcReport:
    """Delete all that may go, without any grace."""
    report = gc(True, grace_period="0s", repo_root=machine.path)
    assert report.is_sound and report.failure is None
    return report


def test_an_open_session_is_not_broken(installed_repo: Machine) -> None:
    """GC-03, trap 36: at 0s, beside an open run; afterwards it closes and commits as if nothing."""
    process = start_session(installed_repo)
    before = digests(registry_of(installed_repo))
    report = sweep(installed_repo)
    assert report.live_leases >= 1 and report.deleted_blobs.count == 0
    assert digests(registry_of(installed_repo)) == before
    out, _ = process.communicate("\n", timeout=60)
    assert process.returncode == 0 and out.startswith("sha256:")
    sweep(installed_repo)
    runs = Experiment.load("study", repo_root=installed_repo.path).runs
    assert [run.get_attachment("weights") for run in runs] == [
        b"of the closed run",
        b"of the open run",
    ]


def test_a_killed_session_keeps_its_checkpoint_alone(installed_repo: Machine) -> None:
    """GC-02, SES-04: what the open run had logged goes; the checkpoint can be restored."""
    process = start_session(installed_repo)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    report = sweep(installed_repo)
    assert report.live_leases == 0 and report.dead_leases >= 1
    registry = registry_of(installed_repo)
    assert not registry.has(sha256_digest(b"of the open run"))
    assert registry.has(sha256_digest(b"of the closed run"))
    session = Experiment.restore_from_checkpoint("study", repo_root=installed_repo.path)
    with session.run(seed=2) as run:
        run.log_attachment("weights", "x/y", b"of a later run")
    sweep(installed_repo)
    session.commit()
    sweep(installed_repo)
    loaded = Experiment.load("study", repo_root=installed_repo.path)
    assert loaded.get_attachment("setup") == {"lr": 0.1}
    assert registry.has(sha256_digest(b"of a later run"))


def test_a_run_of_a_command_is_protected_while_it_runs(installed_repo: Machine) -> None:
    """GC-02, GC-03: the wrapper's lease covers what its child logs; once killed, nothing does."""
    experiment(installed_repo)
    code = """
        import pathlib, time
        from aexp import current_run
        run = current_run()
        run.log_attachment("weights", "x/y", b"of a command")
        pathlib.Path("logged").touch()
        time.sleep(600)
    """
    process = start_run(installed_repo, code, "--experiment", "E001", "--sp", "seed=0")
    try:
        until((installed_repo / "logged").exists)
        assert sweep(installed_repo).live_leases >= 1
        assert registry_of(installed_repo).has(sha256_digest(b"of a command"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    sweep(installed_repo)
    assert not registry_of(installed_repo).has(sha256_digest(b"of a command"))


def test_a_fork_keeps_its_parent(installed_repo: Machine) -> None:
    """GC-02, SES-06: the parent's payload stays through the subject when its own name is gone."""
    with Experiment("parent", repo_root=installed_repo.path) as session:
        session.log_attachment("data", "x/y", b"of the parent")
    child = Experiment.load("parent", repo_root=installed_repo.path).fork("child")
    child.log_attachment("more", "x/y", b"of the child")
    child.commit()
    installed_repo.aexp_fast("registry", "prune", "parent", "--delete")
    collected(installed_repo)
    registry = registry_of(installed_repo)
    assert registry.has(sha256_digest(b"of the parent"))
    assert registry.has(sha256_digest(b"of the child"))


@pytest.mark.parametrize("place", ["usual", "subfolder", "work tree", "variable", "installed"])
def test_it_looks_where_recording_writes(
    installed_repo: Machine, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-05, trap 57: the command finds the bytes of a real run wherever the registry is."""
    machine, root = installed_repo, installed_repo / ".git/aexp/registry"
    if place == "work tree":
        machine.git("worktree", "add", "-q", str(tmp_path / "linked"))
        machine = Machine(tmp_path / "linked")
    elif place == "variable":
        root = tmp_path / "shared"
        monkeypatch.setenv("AEXP_REGISTRY_ROOT", str(root))
    elif place == "installed":
        root = tmp_path / "shared"
        machine.aexp_fast("install", "--yes", "--registry-root", str(root))
    experiment(machine)
    record(machine, 0)
    orphan = Registry(root).put(b"orphan")
    (machine / "deep" / "er").mkdir(parents=True)
    cwd = machine / "deep" / "er" if place == "subfolder" else machine.path
    done = machine.aexp("registry", "gc", "--delete", "--grace-period", "0s", cwd=cwd)
    assert "1  ref" in done.stdout
    assert not Registry(root).has(orphan.digest)
    assert len(digests(Registry(root))) >= 3
