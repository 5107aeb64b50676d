"""Runs are real signac jobs."""

from __future__ import annotations

import shutil

import signac

from aexp import create_run, mark_status, open_run
from aexp.runs import get_run_store
from tests.runs.world import document, entry, experiment
from tests.support.machines import Machine


def test_signac_opens_what_aexp_made(installed_repo: Machine) -> None:
    """Model 6: the id, state point, document and folder are signac's own."""
    experiment(installed_repo)
    point = {"lr": 0.1, "net": {"depth": 2}, "layers": [64, 32], "name": "ä"}
    job = create_run("E001", point, include_commit=False, repo_root=installed_repo.path)
    project = signac.get_project(path=str(installed_repo / ".runs"))
    assert [found.id for found in project] == [job.id]
    opened = project.open_job({"experiment_id": "E001", **point})
    assert opened.id == job.id
    assert opened in project
    assert opened.statepoint() == {"experiment_id": "E001", **point}
    assert opened.document["status"] == "created"
    assert project.check() is None
    assert [found.id for found in project.find_jobs({"net.depth": 2})] == [job.id]


def test_what_a_script_writes_with_signac_is_kept(installed_repo: Machine) -> None:
    """LED-03: synced collections and foreign keys in the document survive, the entry has none."""
    experiment(installed_repo)
    job = create_run("E001", {"seed": 0}, repo_root=installed_repo.path)
    job.doc["mine"] = {"a": [1, 2]}
    mark_status(job, "running")
    job.doc.mine.a.append(3)
    mark_status(job, "complete")
    assert job.doc["status"] == "complete"
    assert document(installed_repo)["mine"] == {"a": [1, 2, 3]}
    assert "mine" not in entry(installed_repo)


def test_aexp_reads_a_job_that_signac_made(installed_repo: Machine) -> None:
    """Model 6: a job from a plain signac script can be marked and promoted."""
    project = get_run_store(installed_repo.path)
    job = project.open_job({"seed": 1})
    job.init()
    mark_status(job, "running")
    mark_status(open_run(job.id, repo_root=installed_repo.path), "complete")
    assert entry(installed_repo)["statepoint"] == {"seed": 1}
    shutil.rmtree(job.path)
    assert entry(installed_repo, job.id)["status"] == "complete"
