"""kill -9 at every durable step of staging and publishing (EXE-23, EXE-51, EXE-52).

After each kill the execution is resumed here, in another process's place, and published: nothing is
lost, nothing twice, ids and digests are those of an execution that nobody killed.

What SQLite writes is not seen by the harness; the programs below touch a file after each commit, so
that there is a point after each, too.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.execution import ExecutionStatus
from aexp.model.outputs import manifest_in
from tests.crash.test_recording_killed import strays
from tests.execution.publishing import (
    again,
    digest,
    entry_of,
    new_execution,
    published,
    registry_of,
    stage,
    use_remote,
)
from tests.execution.test_publish import machine_feature
from tests.registry.remote_help import blob_names
from tests.support.killed import KillPoint, kill_points, run_killed_at
from tests.support.machines import Machine, checkout_environ, run_command

S = ExecutionStatus
LARGE = bytes(range(256)) * 1200
"""More than is stored together with others."""
FILES = {"Model/large.pt": LARGE, "Image/a.png": b"a" * 100, "Image/b.png": b"b" * 100}
NAMES = [*FILES, "Image/Grade"]

WATCHED = """\
import contextlib
from aexp.storage import sqlite
import aexp.execution.sending as sending

sending.WORKERS = 1  # one order of steps
real = sqlite.transaction

@contextlib.contextmanager
def noted(connection):
    with real(connection):
        yield
    open(".aexp/committed", "w").close()

sqlite.transaction = noted
import aexp
"""
PUBLISHING = """\
exe = aexp.open_repo().resume_execution({rid!r})
open(".aexp/begun", "w").close()
exe.upload_execution_outputs()
"""
IN_THE_MIDDLE = """\
import os, signal
exe = aexp.open_repo().resume_execution({rid!r})

def die(told):
    if told.phase == {phase!r} and told.file_name == "large.pt" and told.files_done == 0:
        if 0 < told.bytes_done < told.bytes_total - 1000:
            os.kill(os.getpid(), signal.SIGKILL)

exe.upload_execution_outputs(chunk_size=1 << 20, progress_callback=die)
"""
STAGING = """\
from aexp.execution import ExecutionConfiguration, Workflow
repo = aexp.open_repo()
workflow = Workflow("Fit", "Training", url="https://example.org", checksum="0" * 40, path="x.py")
Grade = repo.lookup_feature("Image", "Grade").feature_record_class()
open(".aexp/begun", "w").close()
with repo.create_execution(ExecutionConfiguration(workflow=workflow, argv=["fit"])) as exe:
    print("rid", exe.execution_rid, file=open("../said", "a"), flush=True)
    path = exe.asset_file_path("Model", "a.pt")
    print("registered", file=open("../said", "a"), flush=True)
    path.write_bytes(b"weights")
    exe.add_features([Grade(Image="one", Grade="Mild"), Grade(Image="two", Grade="Severe")])
    print("added", file=open("../said", "a"), flush=True)
    path.set_metadata("epoch", 3)
    print("said", file=open("../said", "a"), flush=True)
"""


@dataclass(frozen=True)
class Case:
    """A repository with an execution to be published, and what that must come to.

    Attributes:
        template: the folder with the repository ``repo``.
        rid: the execution.
        remote: whether there is a remote, in ``bytes`` beside the repository.
        outputs: the outputs of a publication that nobody killed.
        manifest: its manifest.
        blobs: what it left on the remote.
    """

    template: Path
    rid: str
    remote: bool
    outputs: list[dict[str, Any]]
    manifest: str
    blobs: set[str]

    def copy(self, target: Path) -> Path:
        """Make a fresh copy, and return its repository."""
        shutil.copytree(self.template, target, symlinks=True)
        return target / "repo"


def make_case(machine: Machine, tmp_path: Path, *, remote: bool, large: int = 0) -> Case:
    """Stage files and values, and publish a copy of all that.

    Args:
        machine: the repository.
        tmp_path: where to.
        remote: whether it has one, in a folder.
        large: bytes of the large file, when it is to have more.
    """
    if remote:
        use_remote(machine)
    record = machine_feature(machine)
    machine.commit_all("Settings")
    with new_execution(machine) as execution:
        stage(execution, {**FILES, "Model/large.pt": LARGE + bytes(max(0, large - len(LARGE)))})
        mask = execution.asset_file_path("Image", "a.png")
        execution.add_features([record(Image="one", Grade="Mild", Mask=mask)])
        execution.add_features([record(Image="two", Grade="Severe")])
    template = tmp_path / "template"
    shutil.copytree(machine.path, template / "repo", symlinks=True)
    shutil.copytree(template, tmp_path / "unkilled", symlinks=True)
    unkilled = Machine(tmp_path / "unkilled/repo", "laptop")
    aside = aside_of(unkilled, execution.execution_rid)
    aside.upload_execution_outputs()
    document = aside.document
    manifest = manifest_in(document)
    assert manifest is not None
    blobs = blob_names(tmp_path / "unkilled/bytes") if remote else set()
    return Case(template, execution.execution_rid, remote, document["outputs"], manifest, blobs)


def aside_of(machine: Machine, rid: str) -> Any:
    """Return an execution in a copy of the repository, as another process would take it up."""
    return aexp.open_repo(machine.path).resume_execution(rid)


def wanted_points(code: str, place: Path, *, each: bool) -> list[KillPoint]:
    """Return the points after the beginning at which the program is to be killed.

    Args:
        code: the program.
        place: a fresh repository.
        each: all of them; else the first of each kind of step, and the last one.
    """
    points = kill_points(["-c", code], cwd=place, under=place.parent)
    start = max(point.number for point in points if ".aexp/begun" in point.step)
    found = [p for p in points if p.number > start and p.phase in ("before", "torn")]
    seen: set[str] = set()
    wanted = []
    for point in found:
        kind = kind_of(point)
        if each or kind not in seen or point is found[-1]:
            wanted.append(point)
        seen.add(kind)
    return wanted


KINDS = ("bytes/tmp", "bytes/refs", "registry/tmp", "ledger", "committed", "job_document")


def kind_of(point: KillPoint) -> str:
    """Return what a step is about: bytes of a blob, a ref, an entry, a commit, a document."""
    return next((f"{point.phase} {part}" for part in KINDS if part in point.step), "")


def kill_each(
    code: str, case_copy: Callable[[Path], Path], folder: Path, *, each: bool
) -> Iterator[tuple[KillPoint, Machine]]:
    """Kill a program at its points in turn, each time in a fresh place."""
    for point in wanted_points(code, case_copy(folder / "first"), each=each):
        place = case_copy(folder / f"place-{point.number}")
        killed = run_killed_at(point.number, ["-c", code], cwd=place, under=place.parent)
        assert killed is not None, f"the program is not the same each time: no {point}"
        yield killed, Machine(place, "laptop")
        shutil.rmtree(place.parent)


each_step = pytest.mark.parametrize(
    "each",
    [pytest.param(True, marks=pytest.mark.slow, id="each step"), pytest.param(False, id="some")],
)
"""Each point costs two processes: the usual tests visit one of each kind, the long ones all."""


@each_step
def test_publishing_to_a_remote(installed_repo: Machine, tmp_path: Path, each: bool) -> None:
    """EXE-52: killed anywhere in a publication, the next call completes it, to the same result."""
    check_publishing(make_case(installed_repo, tmp_path, remote=True), tmp_path, each=each)


@pytest.mark.slow
def test_publishing_to_the_registry(installed_repo: Machine, tmp_path: Path) -> None:
    """EXE-42, EXE-52: the same without a remote."""
    check_publishing(make_case(installed_repo, tmp_path, remote=False), tmp_path, each=True)


def check_publishing(case: Case, folder: Path, *, each: bool) -> None:
    """Kill publications, and complete each."""
    seen: list[ExecutionStatus] = []
    code = WATCHED + PUBLISHING.format(rid=case.rid)
    for point, machine in kill_each(code, case.copy, folder, each=each):
        status = check_left(case, machine, point)
        seen.append(status)
        execution = aside_of(machine, case.rid)
        assert execution.status is status, point
        found = execution.upload_execution_outputs()
        assert bool(found) == (status is not S.Uploaded), point
        check_published(case, machine, point)
    order = [S.Stopped, S.Pending_Upload, S.Uploaded]
    assert list(dict.fromkeys(seen)) == order, "each state follows the one before it"


@pytest.mark.parametrize("phase", ["storing", "uploading"])
def test_in_the_middle_of_an_asset(installed_repo: Machine, tmp_path: Path, phase: str) -> None:
    """EXE-52: killed while asset 2 of 4 is half there, and again: each goes on, none twice."""
    case = make_case(installed_repo, tmp_path, remote=True, large=3 << 20)
    machine = Machine(case.copy(tmp_path / "killed"), "laptop")
    for _ in range(2):
        code = WATCHED + IN_THE_MIDDLE.format(rid=case.rid, phase=phase)
        assert run_killed(machine, code)
        assert check_left(case, machine, phase) is S.Pending_Upload
    if phase == "uploading":
        (part,) = (machine.path.parent / "bytes/tmp").iterdir()
        assert 0 < part.stat().st_size < 3 << 20
    aside_of(machine, case.rid).upload_execution_outputs()
    check_published(case, machine, phase)


def run_killed(machine: Machine, code: str) -> bool:
    """Run a program in a process of its own, and return whether it was killed."""
    done = run_command(
        [sys.executable, "-c", code], cwd=machine.path, check=False, env=checkout_environ()
    )
    return done.returncode == -signal.SIGKILL


def check_left(case: Case, machine: Machine, point: object) -> ExecutionStatus:
    """Check what a kill left, before anything is mended; return the state of the execution."""
    record = aexp.open_repo(machine.path).lookup_execution(case.rid)
    status = ExecutionStatus(record.status)
    assert status in (S.Stopped, S.Pending_Upload, S.Uploaded), point
    facts = json.loads((machine / f".aexp/ledger/{case.rid}.json").read_bytes())
    named = set(published(facts).values())
    assert named in (set(), {each["digest"] for each in case.outputs}), point
    # A reader finds whatever an entry names.
    remote = blob_names(machine.path.parent / "bytes") if case.remote else set()
    registry = registry_of(machine)
    assert all(registry.has(each) for each in named), point
    if case.remote and named:
        assert named | {manifest_in(facts)} <= remote, point
    if status is not S.Uploaded:
        assert not named, point
    return status


def check_published(case: Case, machine: Machine, point: object) -> None:
    """Check what must hold in the end."""
    execution = aside_of(machine, case.rid)
    assert execution.status is S.Uploaded, point
    assert execution.document["outputs"] == case.outputs, point
    assert manifest_in(execution.document) == case.manifest, point
    assert execution.upload_execution_outputs() == {}, point
    facts = entry_of(machine, execution)
    assert facts["status"] == "complete", point
    assert list(published(facts)) == NAMES, point
    assert [each["digest"] for each in facts["outputs"]] == [
        each["digest"] for each in case.outputs
    ], point
    assert {row.state for row in execution.state.assets()} == {"published"}, point
    assert {row.state for row in execution.state.features()} == {"published"}, point
    assert execution.state.publisher() is None, point
    if case.remote:
        assert blob_names(machine.path.parent / "bytes") == case.blobs, point
        refs = list((machine.path.parent / "bytes/refs/outputs").rglob("*.json"))
        assert [ref.stem for ref in refs] == [case.manifest[7:]], point
    (ref,) = registry_of(machine).refs(kind="outputs")
    assert ref.digest == case.manifest, point
    assert strays(machine.path) == [], point
    assert not list((machine / ".aexp").glob("pending/*")), point
    machine.aexp_fast("registry", "verify")
    machine.aexp_fast("ledger", "verify")


@each_step
def test_staging(installed_repo: Machine, tmp_path: Path, each: bool) -> None:
    """EXE-23, EXE-51: killed anywhere in the work, what was registered is there, and no Failed."""
    machine_feature(installed_repo)
    installed_repo.commit_all("A feature")
    template = tmp_path / "template"
    shutil.copytree(installed_repo.path, template / "repo", symlinks=True)

    def copy(target: Path) -> Path:
        shutil.copytree(template, target, symlinks=True)
        return target / "repo"

    ends: list[ExecutionStatus] = []
    for point, machine in kill_each(WATCHED + STAGING, copy, tmp_path, each=each):
        said = machine.path.parent / "said"
        words = said.read_text().split() if said.exists() else []
        repo = aexp.open_repo(machine.path)
        for record in repo.list_executions():
            status = ExecutionStatus(record.status)
            assert status in (S.Created, S.Running, S.Stopped), point
            execution = repo.resume_execution(record.execution_rid)
            assert execution.status is status, point
            check_staged_words(execution, words, point)
            ends.append(status)
            if status is S.Created:
                execution.abort()
                continue
            finish(execution)
            assert execution.status is S.Uploaded, point
            facts = entry_of(machine, execution)
            assert facts["status"] == ("abandoned" if status is S.Running else "complete"), point
            if "added" in words:
                assert list(published(facts)) == ["Model/a.pt", "Image/Grade"], point
        assert strays(machine.path) == [], point
        machine.aexp_fast("recover", "--apply")
        machine.aexp_fast("registry", "verify")
        machine.aexp_fast("ledger", "verify")
    assert {S.Running, S.Stopped} <= set(ends)


def check_staged_words(execution: Any, words: list[str], point: object) -> None:
    """Check that what the program was told to be durable is there."""
    rows = execution.state.assets()
    if "registered" in words:
        assert [(row.asset, row.name) for row in rows] == [("Model", "a.pt")], point
    if "added" in words:
        assert [row.values["Image"] for row in execution.state.features()] == ["one", "two"], point
    if "said" in words:
        assert rows[0].metadata == {"epoch": 3}, point
    assert len(execution.state.features()) in (0, 2), point
    manifest = json.loads((execution.working_dir / "asset-manifest.json").read_bytes())
    assert [each["rid"] for each in manifest["assets"]] == [row.rid for row in rows], point


def finish(execution: Any) -> None:
    """Publish what a dead process has staged; a file that it never wrote is written first."""
    if execution.status is S.Running:
        execution.update_status(S.Pending_Upload)
    for row in execution.state.assets():
        path = execution.state.path_of(row)
        if not path.exists():
            path.write_bytes(b"weights")
    again(execution).upload_execution_outputs()
    data = {f"{row.asset}/{row.name}": row.digest for row in execution.state.assets()}
    assert data in ({}, {"Model/a.pt": digest(b"weights")}, {"Model/a.pt": digest(b"")})
