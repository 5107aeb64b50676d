"""Promotion at the end of a run, and what happens when it fails (RUN-03, RUN-04)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp import create_run, mark_status
from tests.runs.world import document, entries, entry, experiment, only_run, script
from tests.support.machines import Machine


@pytest.fixture
def broken(installed_repo: Machine) -> Callable[[], None]:
    """A repository whose ledger folder is a file; calling the fixture mends it."""
    experiment(installed_repo)
    folder = installed_repo / ".aexp/ledger"
    if folder.is_dir():
        folder.rmdir()
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way\n", "utf-8")
    return folder.unlink


def status_json(machine: Machine) -> dict[str, object]:
    """Return what ``aexp status --format json`` says."""
    value: dict[str, object] = json.loads(machine.aexp("status", "--format", "json").stdout)
    return value


def test_a_failing_promotion_does_not_break_the_run(
    installed_repo: Machine, broken: Callable[[], None]
) -> None:
    """RUN-04: one line, the run terminal, exit 0; reported by status; backfill heals."""
    machine = installed_repo
    done = machine.aexp("run", "-e", "E001", "--sp", "seed=0", "--", "true")
    job_id = only_run(machine)
    lines = [line for line in done.stderr.splitlines() if line.startswith("[aexp ledger]")]
    assert len(lines) == 1
    assert lines[0].startswith(f"[aexp ledger] promote_to_ledger failed for {job_id}: ")
    assert str(machine.path) not in lines[0]
    assert document(machine)["status"] == "complete"
    assert "ended_at" in document(machine)
    assert job_id in str(status_json(machine)["failed"])
    assert f"promotion of {job_id[:8]} failed" in machine.aexp("status").stdout
    broken()
    machine.aexp("ledger", "backfill")
    assert entry(machine)["status"] == "complete"
    after = status_json(machine)
    assert (after["failed"], after["cut_off"], after["unpromoted"]) == ({}, [], [])
    assert "ledger_error" not in document(machine)


def test_status_writes_nothing(installed_repo: Machine, broken: Callable[[], None]) -> None:
    """RUN-04: reporting a failed promotion changes no file."""
    machine = installed_repo
    machine.aexp("run", "--sp", "seed=0", "--", "true")

    def files() -> dict[Path, bytes]:
        found = (p for name in (".aexp", ".runs") for p in (machine / name).rglob("*"))
        return {path: path.read_bytes() for path in found if path.is_file()}

    before = files()
    machine.aexp_fast("status")
    machine.aexp_fast("status", "--format", "json")
    assert files() == before


def test_the_next_recording_heals(installed_repo: Machine, broken: Callable[[], None]) -> None:
    """RUN-04: a later run brings the earlier one's entry with it."""
    machine = installed_repo
    machine.aexp("run", "--sp", "seed=0", "--", "true")
    broken()
    machine.aexp("run", "--sp", "seed=1", "--", "true")
    assert len(entries(machine)) == 2


def test_python_is_not_interrupted(
    installed_repo: Machine, broken: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    """RUN-04: ``mark_status`` returns, and says it once on standard error."""
    job = create_run("E001", {"seed": 0}, repo_root=installed_repo.path)
    mark_status(job, "complete")
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"[aexp ledger] promote_to_ledger failed for {job.id}: ")
    assert job.doc["status"] == "complete"


def test_an_external_run_store_keeps_the_ledger_in_the_repository(
    repo: Machine, tmp_path: Path
) -> None:
    """Trap 13: run folders elsewhere, entries here, from the command line and from Python."""
    repo.label = "laptop"
    repo.install("--run-store", str(tmp_path / "scratch" / "runs"))
    repo.aexp("run", "--sp", "seed=0", "--", "true")
    workspace = tmp_path / "scratch" / "runs" / "workspace"
    (folder,) = workspace.iterdir()
    assert entries(repo) == [f"{folder.name}.json"]
    experiment(repo)
    job = create_run("E001", {"seed": 1}, repo_root=repo.path)
    assert Path(job.path).parent == workspace
    mark_status(job, "running")
    mark_status(job, "complete")
    assert len(entries(repo)) == 2
    assert not (repo / ".runs").exists()
    assert not list((tmp_path / "scratch").rglob(".aexp"))


def test_the_entry_goes_to_the_work_tree_that_created_the_run(
    repo: Machine, tmp_path: Path
) -> None:
    """RUN-04: not to the work tree from which the run is ended."""
    repo.label = "laptop"
    repo.install("--run-store", str(tmp_path / "runs"))
    repo.commit_all("Install aexp")
    repo.git("worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")
    other = Machine(tmp_path / "other")
    other.aexp("new-run", "-e", "E009", "--allow-missing", "--sp", "seed=0")
    job_id = only_run(other)
    code = f"import aexp; aexp.mark_status(aexp.open_run('{job_id}'), 'complete')"
    script(repo, code, check=True)
    assert entries(other) == [f"{job_id}.json"]
    assert entries(repo) == []
