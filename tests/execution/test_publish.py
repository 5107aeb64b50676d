"""Publishing: what becomes visible, in which order, and where the bytes go (EXE-30 … EXE-42)."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import (
    FeatureError,
    InvalidTransitionError,
    NotFoundError,
    RemoteUnavailableError,
    RunBusyError,
    StagedOutputError,
    UsageError,
)
from aexp.execution import AssetFilePath, ExecutionStatus
from aexp.model.execution import asset_rid
from aexp.model.outputs import OUTPUTS_TYPE, manifest_in
from aexp.registry import SetRef, gc, outputs_ref
from aexp.registry.remotes.places import blob_path
from aexp.runs.lookup import view_of
from aexp.runs.outputs import outputs_of
from tests.execution.publishing import (
    Watched,
    again,
    digest,
    ended_execution,
    entry_of,
    layout_of,
    new_execution,
    published,
    registry_of,
    stage,
    use_remote,
    wrapped_remote,
)
from tests.registry.remote_help import FlakyRemote, blob_names, seal
from tests.support.machines import Machine

S = ExecutionStatus
TWO = {"Model/a.pt": b"weights", "Image/b.png": b"pixels" * 100}


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """A repository, installed."""
    return installed_repo


def all_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file below a folder, with what tells whether it was written to."""
    found = [p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")]
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in found}


def test_the_registry_is_the_destination_without_a_remote(machine: Machine) -> None:
    """EXE-30, EXE-42: nothing is set up, and everything is published, kept, and read back."""
    execution = ended_execution(machine, TWO)
    assert execution.status is S.Stopped
    assert "outputs" not in entry_of(machine, execution), "leaving the block publishes nothing"
    found = execution.upload_execution_outputs()
    assert execution.status is S.Uploaded
    assert {kind: [p.file_name for p in paths] for kind, paths in found.items()} == {
        "Model": ["a.pt"],
        "Image": ["b.png"],
    }
    (model,) = found["Model"]
    assert isinstance(model, AssetFilePath)
    assert model.asset_rid == asset_rid(execution.execution_rid, "Model", "a.pt")
    assert model.read_bytes() == b"weights"
    expected = {name: digest(data) for name, data in TWO.items()}
    assert published(entry_of(machine, execution)) == expected
    assert published(execution.document) == expected
    registry = registry_of(machine)
    gc(delete=True, grace_period="0s", repo_root=machine.path)
    assert [registry.read(d) for d in expected.values()] == list(TWO.values())
    outputs = outputs_of(
        layout_of(machine), registry, view_of(layout_of(machine), execution.execution_rid)
    )
    assert [(o.kind, o.size) for o in outputs] == [("asset", 7), ("asset", 600)]
    assert {row.state for row in execution.state.assets()} == {"published"}
    machine.aexp_fast("registry", "verify")
    machine.aexp_fast("ledger", "verify")
    machine.aexp_fast("validate")


def test_what_the_entry_says_of_an_output(machine: Machine) -> None:
    """EXE-31: digests, both kinds, media type, types, metadata and description are in the entry."""
    with new_execution(machine) as execution:
        path = execution.asset_file_path(
            "Table",
            "rows.csv",
            asset_types=["Table"],
            metadata={"rows": 2},
            description="Two *rows*",
        )
        path.write_text("a,b\n1,2\n3,4\n")
    execution.upload_execution_outputs()
    (output,) = entry_of(machine, execution)["outputs"]
    assert output == {
        "kind": "asset",
        "rid": path.asset_rid,
        "asset": "Table",
        "name": "rows.csv",
        "digest": digest(b"a,b\n1,2\n3,4\n"),
        "md5": hashlib.md5(b"a,b\n1,2\n3,4\n").hexdigest(),
        "size": 12,
        "media_type": "text/csv",
        "types": ["Table"],
        "metadata": {"rows": 2},
        "description": "Two *rows*",
    }


def test_the_order_on_the_way_to_a_remote(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-31: bytes of assets, then values, then the manifest and its ref, and last the entry."""
    use_remote(machine)
    feature = machine_feature(machine)
    with new_execution(machine) as execution:
        stage(execution, TWO)
        execution.add_features([feature(Image="one", Grade="Mild")])
    entries: list[bool] = []

    class Looking(FlakyRemote):
        def put(self, path: str, *rest: Any) -> None:
            super().put(path, *rest)
            entries.append("outputs" in entry_of(machine, execution))

        def write(self, path: str, data: bytes) -> None:
            super().write(path, data)
            entries.append("outputs" in entry_of(machine, execution))

    with wrapped_remote(monkeypatch, Looking) as made:
        execution.upload_execution_outputs()
    facts = entry_of(machine, execution)
    names = published(facts)
    sent = [path for name, path in made[0].calls if name in ("put", "write")]
    manifest = manifest_in(facts)
    assert manifest is not None
    places = [sent.index(blob_path(d)) for d in (*(names[n] for n in TWO), names["Image/Grade"])]
    assert max(places[:2]) < places[2] < sent.index(blob_path(manifest))
    ref = f"refs/outputs/{execution.execution_rid[:2]}/{execution.execution_rid}"
    assert sent.index(blob_path(manifest)) < sent.index(f"{ref}/{manifest[7:]}.json")
    assert entries and not any(entries), "nothing is visible before all of it is there"
    assert len(sent) == len(set(sent)), "nothing is sent twice"


def machine_feature(machine: Machine) -> Any:
    """Define a feature, and return the class of its records."""
    repo = aexp.open_repo(machine.path)
    repo.create_feature("Image", "Grade", {"Grade": "term:Mild,Severe", "Mask": "asset?:Image"})
    return repo.lookup_feature("Image", "Grade").feature_record_class()


def test_values_hold_ids_in_the_place_of_paths(machine: Machine) -> None:
    """EXE-26, EXE-31: the path of a staged file is the id of the published asset."""
    record = machine_feature(machine)
    with new_execution(machine) as execution:
        mask = execution.asset_file_path("Image", "mask.png")
        mask.write_bytes(b"mask")
        execution.add_features([record(Image="one", Grade="Mild", Mask=mask)])
        execution.add_features([record(Image="two", Grade="Severe")])
    execution.upload_execution_outputs()
    (output,) = [o for o in entry_of(machine, execution)["outputs"] if o["kind"] == "feature"]
    assert (output["target"], output["feature"], output["count"]) == ("Image", "Grade", 2)
    lines = registry_of(machine).read(output["digest"]).decode().splitlines()
    assert lines == [
        f'{{"Grade":"Mild","Image":"one","Mask":"{mask.asset_rid}"}}',
        '{"Grade":"Severe","Image":"two"}',
    ]
    assert {row.state for row in execution.state.features()} == {"published"}


def test_an_unresolved_path_stops_it_before_anything_is_sent(machine: Machine) -> None:
    """EXE-26: a path that is no asset is an error, and the state is what it was."""
    record = machine_feature(machine)
    machine.write("loose.png", "loose")
    with new_execution(machine) as execution:
        stage(execution, TWO)
        execution.add_features([record(Image="one", Grade="Mild", Mask=machine.path / "loose.png")])
    with pytest.raises(FeatureError, match=r"loose\.png"):
        execution.upload_execution_outputs()
    assert execution.status is S.Stopped
    assert {row.state for row in execution.state.assets()} == {"pending"}
    execution.asset_file_path("Image", str(machine.path / "loose.png"))
    execution.upload_execution_outputs()
    assert execution.status is S.Uploaded


def test_nothing_pending_is_nothing_done(machine: Machine) -> None:
    """EXE-41: a second call returns {} and writes no fact anew."""
    execution = ended_execution(machine, TWO)
    execution.upload_execution_outputs()
    document = execution.document
    before = all_files(machine.path / ".aexp/ledger")
    watched = Watched()
    assert again(execution).upload_execution_outputs(progress_callback=watched) == {}
    assert (execution.document, all_files(machine.path / ".aexp/ledger")) == (document, before)
    assert execution.status is S.Uploaded
    assert watched.told == []


def test_more_assets_after_publication(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-41: what is added is published, what was published stays, and is not sent again."""
    shared = use_remote(machine)
    execution = ended_execution(machine, TWO)
    execution.upload_execution_outputs()
    first = manifest_in(execution.document)
    later = again(execution)
    stage(later, {"Figure/c.svg": b"<svg/>"})
    with wrapped_remote(monkeypatch, FlakyRemote) as made:
        found = later.upload_execution_outputs()
    assert {kind: len(paths) for kind, paths in found.items()} == {"Figure": 1}
    three = {**TWO, "Figure/c.svg": b"<svg/>"}
    assert published(entry_of(machine, execution)) == {n: digest(d) for n, d in three.items()}
    put = {path for name, path in made[0].calls if name == "put"}
    assert not put & {blob_path(digest(data)) for data in TWO.values()}
    registry = registry_of(machine)
    second = manifest_in(execution.document)
    assert second is not None
    manifest = registry.manifest(second)
    assert manifest.subject is not None
    assert (manifest.subject.digest, manifest.artifact_type) == (first, OUTPUTS_TYPE)
    assert blob_names(shared) >= {digest(data) for data in three.values()}
    assert execution.status is S.Uploaded


def test_values_alone_after_publication(machine: Machine) -> None:
    """EXE-41, trap 48: Uploaded and new values only: they are published, and nothing else is."""
    record = machine_feature(machine)
    execution = ended_execution(machine, TWO)
    execution.upload_execution_outputs()
    later = again(execution)
    later.add_features([record(Image="one", Grade="Mild")])
    assert later.upload_execution_outputs() == {}
    assert list(published(entry_of(machine, execution))) == [*TWO, "Image/Grade"]
    # Equal values that are staged once more are more values, not the same.
    later.add_features([record(Image="one", Grade="Mild")])
    later.upload_execution_outputs()
    counts = [o["count"] for o in entry_of(machine, execution)["outputs"] if "count" in o]
    assert counts == [1, 1]
    assert again(execution).upload_execution_outputs() == {}
    # As a kill leaves a third time, between the note of the digest and the document.
    later.add_features([record(Image="one", Grade="Mild")])
    (row,) = later.state.features("pending")
    later.state.mark_features([row.id], "pending", execution.document["outputs"][-1]["digest"])
    again(execution).upload_execution_outputs()
    assert len([o for o in entry_of(machine, execution)["outputs"] if "count" in o]) == 3


def test_states_in_which_nothing_is_published(machine: Machine) -> None:
    """EXE-13, EXE-41: Created, Running and Aborted refuse, and stay what they are."""
    execution = new_execution(machine)
    with pytest.raises(InvalidTransitionError, match="Created"):
        execution.upload_execution_outputs()
    with execution, pytest.raises(UsageError, match="open"):
        execution.upload_execution_outputs()
    execution.abort()
    with pytest.raises(InvalidTransitionError, match="Aborted"):
        execution.upload_execution_outputs()
    assert execution.status is S.Aborted
    assert "outputs" not in execution.document


def test_an_execution_without_outputs(machine: Machine) -> None:
    """EXE-30: work that ended well without any output is published, too, and is complete."""
    execution = ended_execution(machine, {})
    assert execution.upload_execution_outputs() == {}
    assert execution.status is S.Uploaded
    assert execution.upload_execution_outputs() == {}
    failed = new_execution(machine)
    with pytest.raises(ZeroDivisionError), failed:
        raise ZeroDivisionError("of the model")
    assert failed.upload_execution_outputs() == {}, "nothing pending is a no-op"
    assert failed.status is S.Failed


def test_a_file_that_was_never_written(machine: Machine) -> None:
    """EXE-22, trap 50: it is not marked uploaded; all problems are said before anything goes."""
    with new_execution(machine) as execution:
        stage(execution, TWO)
        missing = execution.asset_file_path("Model", "never.pt")
        execution.asset_file_path("Model", "neither.pt")
    with pytest.raises(StagedOutputError, match=r"never\.pt.*neither\.pt"):
        execution.upload_execution_outputs()
    assert execution.status is S.Stopped
    assert {row.state for row in execution.state.assets()} == {"pending"}
    missing.write_bytes(b"at last")
    missing.with_name("neither.pt").write_bytes(b"too")
    execution.upload_execution_outputs()
    assert len(published(entry_of(machine, execution))) == 4


def test_a_file_that_is_written_while_it_is_published(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-22: large and small, a change under our hands is an error, and the next call is right."""
    from aexp.execution import storing

    monkeypatch.setattr(storing, "SMALL", 10)
    execution = ended_execution(machine, {"Model/a.pt": b"x" * 100})
    path = execution.state.path_of(execution.state.assets()[0])
    real = storing._check_still

    def write_meanwhile(*args: Any) -> None:
        path.write_bytes(b"y" * 100)
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(storing, "_check_still", write_meanwhile)
        with pytest.raises(UsageError, match="changed while"):
            execution.upload_execution_outputs()
    assert execution.status is S.Failed
    execution.upload_execution_outputs()
    assert published(execution.document) == {"Model/a.pt": digest(b"y" * 100)}


def test_large_files_are_streamed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-31: files above the limit go through another door, to the same facts."""
    from aexp.execution import storing

    monkeypatch.setattr(storing, "SMALL", 10)
    watched = Watched()
    execution = ended_execution(machine, TWO)
    execution.upload_execution_outputs(progress_callback=watched)
    assert published(execution.document) == {n: digest(d) for n, d in TWO.items()}
    assert [o["md5"] for o in execution.document["outputs"]] == [
        row.md5 for row in execution.state.assets()
    ]
    assert watched.of("storing")[-1].bytes_done == 607


def test_a_collection_between_two_tries(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-40, GC-03: what a failed try stored may be collected; the next one stores it again."""
    use_remote(machine)
    execution = ended_execution(machine, TWO)

    def refuse(remote: Any) -> Any:
        return FlakyRemote(remote, fail={"put": 99})

    with wrapped_remote(monkeypatch, refuse), pytest.raises(Exception, match="went dead"):
        execution.upload_execution_outputs(max_retries=0)
    assert {row.state for row in execution.state.assets()} == {"stored"}
    gc(delete=True, grace_period="0s", repo_root=machine.path)
    assert not registry_of(machine).has(digest(b"weights"))
    execution.upload_execution_outputs()
    machine.aexp_fast("registry", "verify")
    assert registry_of(machine).read(digest(b"weights")) == b"weights"


def test_a_collection_in_the_middle(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """GC-03, trap 36: a lease keeps everything that a publication has stored, however old."""
    use_remote(machine)
    execution = ended_execution(machine, TWO)
    registry = registry_of(machine)
    old = registry.put(b"weights")
    os.utime(registry.path(old.digest), (1, 1))

    class Collecting(FlakyRemote):
        def write(self, path: str, data: bytes) -> None:
            gc(delete=True, grace_period="0s", repo_root=machine.path)
            super().write(path, data)

    with wrapped_remote(monkeypatch, Collecting):
        execution.upload_execution_outputs()
    assert registry.live_leases() == []
    machine.aexp_fast("registry", "verify")
    assert registry.read(digest(b"weights")) == b"weights"


def test_a_collection_while_an_old_try_is_taken_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-03: what an earlier try stored is kept from the moment in which the next one finds it."""
    use_remote(machine)
    execution = ended_execution(machine, TWO)
    with (
        wrapped_remote(monkeypatch, lambda remote: FlakyRemote(remote, fail={"put": 99})),
        pytest.raises(RemoteUnavailableError),
    ):
        execution.upload_execution_outputs(max_retries=0)
    registry = registry_of(machine)
    for data in TWO.values():
        os.utime(registry.path(digest(data)), (1, 1))

    def collect(progress: Any) -> None:
        if progress.phase == "uploading":
            gc(delete=True, grace_period="0s", repo_root=machine.path)

    execution.upload_execution_outputs(progress_callback=collect)
    machine.aexp_fast("registry", "verify")
    assert [registry.read(digest(data)) for data in TWO.values()] == list(TWO.values())


def test_one_publication_at_a_time(machine: Machine) -> None:
    """EXE-50: a second call meanwhile, in another thread, is told, and does no harm."""
    execution = ended_execution(machine, TWO)
    other = again(execution)
    problems: list[BaseException] = []

    def interfere(_: object) -> None:
        def call() -> None:
            try:
                other.upload_execution_outputs()
            except RunBusyError as error:
                problems.append(error)

        if not problems:
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()

    execution.upload_execution_outputs(progress_callback=interfere)
    assert len(problems) == 1
    assert execution.status is S.Uploaded
    assert execution.state.publisher() is None


def test_several_remotes_and_no_default(machine: Machine) -> None:
    """SHR-01: it is said before anything begins, and nothing changes."""
    machine.write("aexp.yaml", "remotes:\n  a: ../a\n  b: ../b\n")
    execution = ended_execution(machine, TWO)
    with pytest.raises(NotFoundError, match="no default_remote"):
        execution.upload_execution_outputs()
    assert execution.status is S.Stopped


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": (0, 600)},
        {"timeout": 600},
        {"timeout": (1, float("inf"))},
        {"chunk_size": 0},
        {"max_retries": -1},
        {"retry_delay": -1.0},
    ],
    ids=str,
)
def test_arguments_that_cannot_be(machine: Machine, wrong: dict[str, Any]) -> None:
    """EXE-30: they are refused before anything begins."""
    execution = ended_execution(machine, TWO)
    with pytest.raises(UsageError, match=next(iter(wrong))):
        execution.upload_execution_outputs(**wrong)
    assert execution.status is S.Stopped


def test_a_published_name_that_was_staged_again_before_it_was_marked(machine: Machine) -> None:
    """EXE-31, EXE-52: other bytes under a published name are refused, never dropped in silence."""
    execution = ended_execution(machine, {"Model/a.pt": b"one"})
    execution.upload_execution_outputs()
    # As a kill leaves it between the document and the marks, and a file registered after that.
    (row,) = execution.state.assets()
    other = machine.path / "a.pt"
    other.write_bytes(b"two")
    unmarked(execution, row.rid)
    execution.asset_file_path("Model", str(other), copy_file=True, rename_file="b.pt")
    again(execution).upload_execution_outputs()
    assert published(execution.document) == {
        "Model/a.pt": digest(b"one"),
        "Model/b.pt": digest(b"two"),
    }
    unmarked(execution, row.rid)
    execution.state.mark([row.rid], "pending")
    with pytest.raises(UsageError, match="published already"):
        execution.upload_execution_outputs()


def unmarked(execution: Any, rid: str) -> None:
    """Take the mark of an asset back, which no call does."""
    with sqlite3.connect(execution.folder / "execution.sqlite") as database:
        database.execute("UPDATE assets SET state = 'uploaded' WHERE rid = ?", (rid,))
    database.close()


def test_a_ref_that_is_ahead_of_the_document(machine: Machine) -> None:
    """EXE-52: a manifest that no document names is none to build on."""
    execution = ended_execution(machine, TWO)
    registry, layout = registry_of(machine), layout_of(machine)
    ahead = seal(registry, b"of a killed publication")
    name = outputs_ref(layout, execution.execution_rid)
    registry.publish(SetRef(name, "outputs", ahead.digest))
    execution.upload_execution_outputs()
    current = registry.ref(name)
    assert current is not None
    assert current.digest == manifest_in(execution.document)
    assert registry.manifest(current.digest).subject is None


PUBLISHING = """
import pathlib, sys, time
import aexp

def wait(progress):
    pathlib.Path("publishing").touch()
    while not pathlib.Path("go on").exists():
        time.sleep(0.02)

aexp.open_repo().resume_execution(sys.argv[1]).upload_execution_outputs(progress_callback=wait)
"""


def test_another_process_publishes(machine: Machine) -> None:
    """EXE-50: it is named, nothing is done meanwhile, and it ends what it began."""
    execution = ended_execution(machine, TWO)
    other = again(execution)
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISHING, execution.execution_rid], cwd=machine.path
    )
    try:
        while not (machine / "publishing").exists():
            assert process.poll() is None
            time.sleep(0.02)
        with pytest.raises(RunBusyError, match=str(process.pid)):
            other.upload_execution_outputs()
        with pytest.raises(RunBusyError):
            again(execution)
        assert execution.status is S.Pending_Upload
        machine.write("go on", "")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert execution.status is S.Uploaded
    assert other.upload_execution_outputs() == {}
    assert list(published(entry_of(machine, execution))) == list(TWO)
