"""kill -9 at each durable step of a run with metrics and an attachment (REC-10, REG-03, SES-04)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aexp.model.curves import decode_points, join
from aexp.model.oci import Manifest
from aexp.registry import Registry, gc, open_registry, run_ref
from aexp.repo import open_layout
from tests.crash.test_recording_killed import copies, documents, entries, strays
from tests.support.killed import KillPoint, kill_points, run_killed_at
from tests.support.machines import Machine

PROGRAM = """\
import os, sys, warnings
warnings.simplefilter("ignore")
import aexp
job = aexp.create_run("E001", {"seed": 0}, include_commit=False)
with aexp.run_lifecycle(job, again=True):
    run = aexp.current_run()
    first = os.path.exists("first")
    run.log_parameter("batch", 32)
    run.log_metric("acc", 0.5, 0 if first else 1)
    run.log_json("config", {"first": first})
"""
HEALERS = ("recover", "backfill", "next recording")
_PUBLISHING = ("link", "replace", "unlink")


@pytest.fixture
def template(installed_repo: Machine) -> Machine:
    """A repository whose only run has one sealed attempt."""
    (installed_repo / "first").touch()
    kill_points(["-c", PROGRAM], cwd=installed_repo.path)
    (installed_repo / "first").unlink()
    shutil.rmtree(installed_repo / ".git/aexp/registry/leases")
    (installed_repo / ".git/aexp/registry/leases").mkdir()
    return installed_repo


def chosen(points: list[KillPoint], every: bool) -> Iterator[KillPoint]:
    """Yield the points to visit: all durable steps, or those at which something is published."""
    closing = False
    for point in points:
        name, _, path = point.step.partition(" ")
        closing = closing or (name == "write" and "/streams/" in path)
        if every and (point.phase == "torn" or (point.phase == "before" and name != "open")):
            yield point
        elif not every and closing and point.phase == "before":
            folder = name == "fsync" and path.startswith(".runs/workspace") and path.count("/") == 2
            aside = "registry/tmp" in path or "/leases/" in path
            if folder or (name in _PUBLISHING and not aside) or name == "link":
                yield point


def registry_of(place: Path) -> Registry:
    """Return the registry of a repository."""
    return open_registry(open_layout(place))


def sealed_manifest(place: Path, job_id: str) -> Manifest:
    """Return what the run's ref names; everything below it must be there and whole."""
    registry = registry_of(place)
    ref = registry.ref(run_ref(open_layout(place), job_id))
    assert ref is not None
    manifest = registry.manifest(ref.digest)
    assert isinstance(manifest, Manifest)
    for child in manifest.children():
        assert len(registry.read(child.digest)) == child.size
    return manifest


def heal(place: Path, healer: str) -> None:
    """Do what a user does after a crash."""
    machine = Machine(place, "laptop")
    if healer == "next recording":
        machine.aexp_fast("run", "--no-commit", "--sp", "seed=1", "--", "true")
    machine.aexp_fast("recover", "--apply")
    if healer == "backfill":
        machine.aexp_fast("ledger", "backfill", "--no-commit")


def check(place: Path, point: KillPoint, job_id: str, first: Manifest) -> bool:
    """Check a healed repository: the attempt is whole in every store, or in none.

    Returns:
        whether it had ended.
    """
    (document,) = [d for d in documents(place) if d["attempt_id"] and "attempts" in d]
    (entry,) = [e for e in entries(place) if e["job_id"] == job_id]
    attempts: list[dict[str, Any]] = [entry, *entry["replicates"]]  # type: ignore[misc]
    (ours,) = [a for a in attempts if a["attempt_id"] == document["attempt_id"]]
    assert ours["status"] == document["status"], point
    manifest = sealed_manifest(place, job_id)
    config = json.loads(registry_of(place).read(manifest.config.digest))
    if document["status"] == "abandoned":
        assert document["ended_by"] == "lost", point
        assert ("attachments" in ours, "attachments" in document) == (False, False), point
        assert manifest == first, point
        return False
    assert document["status"] == "complete", point
    assert config["attempt_id"] == document["attempt_id"], point
    layers = [(d.digest, d.size) for d in manifest.layers]
    assert [(a["digest"], a["size"]) for a in ours["attachments"]] == layers, point
    assert manifest.subject is not None
    return True


def curve(place: Path, job_id: str) -> list[tuple[int | None, str]]:
    """Return the steps and attempts of the newest curve."""
    manifest = sealed_manifest(place, job_id)
    (layer,) = [d for d in manifest.layers if "metrics" in d.media_type]
    lines = registry_of(place).read(layer.digest).splitlines()
    return [(point.step, point.attempt_id) for point in join(decode_points(lines), "acc")]


def run_matrix(template: Machine, tmp_path: Path, every: bool) -> list[bool]:
    """Kill the program at each chosen point, heal, check; return which attempts had ended."""
    make = copies(template, tmp_path)
    (job_id,) = (p.name for p in (template / ".runs/workspace").iterdir())
    first = sealed_manifest(template.path, job_id)
    counting = make(0)
    points = list(chosen(kill_points(["-c", PROGRAM], cwd=counting), every))
    ended: list[bool] = []
    for turn, point in enumerate(points):
        place = make(turn + 1)
        killed = run_killed_at(point.number, ["-c", PROGRAM], cwd=place)
        assert killed is not None, point
        documents(place)
        entries(place)
        assert strays(place) == [], point
        heal(place, HEALERS[turn % len(HEALERS)])
        running = [d for d in documents(place) if d["status"] == "running"]
        assert running == [], point
        if all("attempts" not in d for d in documents(place)):
            assert sealed_manifest(place, job_id) == first, "killed before it began"
            shutil.rmtree(place)
            continue
        ended.append(check(place, point, job_id, first))
        report = gc(delete=True, grace_period="0s", repo_root=place)
        assert report.missing_blobs.count == report.invalid_manifests.count == 0, point
        check(place, point, job_id, first)
        # The same program again: the curve is one, whatever became of the attempt before.
        run_killed_at(10**9, ["-c", PROGRAM], cwd=place)
        steps = [step for step, _ in curve(place, job_id)]
        assert steps == [0, 1], point
        assert strays(place) == [], point
        shutil.rmtree(place)
    return ended


def test_where_something_is_published(template: Machine, tmp_path: Path) -> None:
    """REC-10: blobs, config, manifest, ref, document, entry: whole in all stores, or in none."""
    ended = run_matrix(template, tmp_path, every=False)
    assert ended == sorted(ended), "what has ended does not come undone by a later kill"
    assert ended.count(False) >= 4
    assert ended.count(True) >= 3


@pytest.mark.slow
def test_everywhere(template: Machine, tmp_path: Path) -> None:
    """REC-10, REG-04: before each durable step and in the middle of each write."""
    ended = run_matrix(template, tmp_path, every=True)
    assert len(ended) >= 30
    assert ended == sorted(ended)
