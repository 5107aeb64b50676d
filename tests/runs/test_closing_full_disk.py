"""Disks that refuse while a run with bytes is closed: it ends, and heals when there is room."""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.errors import StorageError
from aexp.model.oci import Manifest
from aexp.registry import open_registry, run_ref
from aexp.repo import open_layout
from tests.runs.world import document, entry, experiment
from tests.support.failing import failing_storage, fill_disk
from tests.support.machines import Machine, copy_repo


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


def end_on(machine: Machine, seed: int, disk: contextlib.AbstractContextManager[object]) -> str:
    """Record a run whose disk is ``disk`` from the moment on at which it ends; return its id."""
    job = create_run("E001", {"seed": seed}, repo_root=machine.path)
    with contextlib.ExitStack() as failing, contextlib.suppress(StorageError), run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metric("acc", 1.0, 0)
        run.log_json("config", {"seed": seed})
        failing.enter_context(disk)
    return str(job.id)


def check_healed(machine: Machine, job_id: str) -> None:
    """Once there is room: what has ended is sealed and in the ledger, whole."""
    before = document(machine, job_id)["status"]
    machine.aexp_fast("recover", "--apply")
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    facts = document(machine, job_id)
    if before == "running":  # the document itself could not be written; its owner still lives
        assert facts["status"] == "running"
        return
    assert "registry_error" not in facts
    assert "ledger_error" not in facts
    layout = open_layout(machine.path)
    registry = open_registry(layout)
    ref = registry.ref(run_ref(layout, job_id))
    assert ref is not None
    manifest = registry.manifest(ref.digest)
    assert isinstance(manifest, Manifest)
    named = {d.annotations["dev.aexp.attachment.name"]: d.digest for d in manifest.layers}
    assert set(named) == {"config", "metrics.jsonl"}
    assert {a["name"]: a["digest"] for a in entry(machine, job_id)["attachments"]} == named
    assert all(registry.read(digest) for digest in named.values())


@pytest.mark.parametrize(
    ("call", "error"),
    [("write", errno.ENOSPC), ("fsync", errno.EIO), ("link", errno.EDQUOT)],
    ids=["full", "bad disk", "quota"],
)
def test_one_call_that_fails(machine: Machine, call: str, error: int) -> None:
    """ADR 7, RUN-04: whichever call it is, the run ends, or nothing of its end is written."""
    ended = sealed = 0
    for nth in range(1, 9):
        disk = failing_storage(machine.path, call, nth=nth, times=1, error=error)
        job_id = end_on(machine, nth, disk)
        facts = document(machine, job_id)
        ended += facts["status"] == "complete"
        sealed += "manifest" in facts.get("sealed", {})
        if "registry_error" in facts:
            assert facts["status"] == "complete"
        check_healed(machine, job_id)
    assert ended >= 6, "only the document's own write may keep a run from ending"
    assert sealed < 8, "something failed"


def test_a_disk_that_is_really_full(
    small_disk: Path, installed_repo: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    """ADR 7: nothing is torn, one reason is said, and all of it heals when there is room."""
    machine = copy_repo(installed_repo.path, small_disk / "repo")
    experiment(machine)
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    filler: Path | None = None
    with contextlib.suppress(StorageError), run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metric("acc", 1.0, 0)
        run.flush()
        filler = fill_disk(small_disk, leave=8192)
    assert filler is not None
    said = capfd.readouterr().err
    filler.unlink()
    facts = json.loads((Path(job.path) / "signac_job_document.json").read_text("utf-8"))
    if facts["status"] == "complete" and "registry_error" in facts:
        assert "[aexp registry]" in said
    for path in (machine / ".git/aexp/registry").glob("blobs/sha256/*"):
        assert open_registry(open_layout(machine.path)).read(f"sha256:{path.name}")
    machine.aexp_fast("recover", "--apply")
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    if facts["status"] == "complete":
        assert entry(machine)["metrics"]["acc"]["value"] == 1.0
        assert [a["name"] for a in entry(machine)["attachments"]] == ["metrics.jsonl"]
