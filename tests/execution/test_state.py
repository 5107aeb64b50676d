"""The database of one execution (EXE-23, trap 52)."""

from __future__ import annotations

import json
import pickle
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import (
    CorruptDataError,
    InvalidTransitionError,
    NewerSchemaError,
    NotFoundError,
    RunBusyError,
    StorageError,
    UsageError,
)
from aexp.execution import manifest
from aexp.execution.state import DATABASE, WORKING_DIR, StagedAsset, State
from aexp.process import this_process
from aexp.storage import sqlite
from tests.support.machines import checkout_environ
from tests.support.race import run_together

RID = "0123456789abcdef" * 2


@pytest.fixture
def state(tmp_path: Path) -> State:
    """The state of a new execution."""
    folder = tmp_path / RID
    folder.mkdir()
    return State.create(folder, {"description": "d"})


def row(name: str = "m.pt", **facts: Any) -> StagedAsset:
    """Return a new asset."""
    usual: dict[str, Any] = {"types": ("Model",), "metadata": {}, "kind": "new"}
    return StagedAsset(f"rid-{name}", "Model", name, **{**usual, **facts})


def manifest_of(state: State) -> dict[str, Any]:
    """Return the projection as it stands in the working folder."""
    found: dict[str, Any] = json.loads((state.working_dir / manifest.NAME).read_bytes())
    return found


# --- opening -----------------------------------------------------------------------------


def test_what_was_given_is_there(state: State) -> None:
    """EXE-23, EXE-50: the configuration is kept with what is staged."""
    again = State.open(state.folder)
    assert again.configuration == {"description": "d"}
    assert again.assets() == [] and again.features() == []
    assert again.working_dir == state.folder / WORKING_DIR
    assert manifest_of(state) == {"format": 1, "execution_rid": RID, "assets": []}
    assert pickle.loads(pickle.dumps(state)).configuration == state.configuration
    with pytest.raises(UsageError, match="already"):
        State.create(state.folder, {})


def test_what_is_no_execution(tmp_path: Path) -> None:
    """EXE-50: a run without the database, and one whose maker was killed at once."""
    (tmp_path / RID).mkdir()
    with pytest.raises(NotFoundError, match="no execution"):
        State.open(tmp_path / RID)
    assert list((tmp_path / RID).iterdir()) == []
    (tmp_path / RID / DATABASE).touch()
    with pytest.raises(NotFoundError, match="no execution"):
        State.open(tmp_path / RID)
    assert State.create(tmp_path / RID, {}).assets() == []


def test_a_damaged_and_a_newer_database(state: State) -> None:
    """EXE-23: neither is read, and both are named."""
    with sqlite.connect(state.folder / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerSchemaError):
        State.open(state.folder)
    (state.folder / DATABASE).write_bytes(b"nonsense" * 1000)
    with pytest.raises(CorruptDataError):
        State.open(state.folder)


def test_power_safety(state: State) -> None:
    """Trap 52: every transaction is flushed (synchronous=FULL), with no write-ahead log."""
    with state._changing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_each_registration_is_flushed(state: State, tmp_path: Path) -> None:
    """EXE-23, trap 52: seen from outside: the database is flushed before a registration returns."""
    code = """
import os, sys
from pathlib import Path
from aexp.execution.state import State, StagedAsset
state = State.open(Path(sys.argv[1]))
for number in range(5):
    os.write(1, b"begin\\n")
    state.register(StagedAsset(f"r{number}", "Model", f"{number}.pt", "new"))
    os.write(1, b"end\\n")
"""
    log = tmp_path / "trace"
    traced = subprocess.run(
        [
            *("strace", "-f", "-y", "-o", str(log), "-e", "trace=fsync,fdatasync,write"),
            *(sys.executable, "-c", code, str(state.folder)),
        ],
        env=checkout_environ(),
        capture_output=True,
        text=True,
    )
    if "begin" not in traced.stdout:
        pytest.skip(f"strace may not trace here: {traced.stderr[-200:]}")
    rounds = log.read_text("utf-8", "replace").split('"begin\\n"')[1:]
    assert len(rounds) == 5
    for each in rounds:
        before = each.split('"end\\n"')[0]
        assert f"{DATABASE}>" in "".join(line for line in before.splitlines() if "sync(" in line), (
            each
        )


# --- assets ------------------------------------------------------------------------------


def test_one_row_for_a_name(state: State) -> None:
    """EXE-20, EXE-23: the same kind and name again is the same asset, changed."""
    assert state.register(row()) == row()
    later = row(types=("Derived",), metadata={"a": 1}, description="x")
    assert state.register(later) == later
    assert state.register(later) == later
    state.register(row("other.pt"))
    assert [each.name for each in State.open(state.folder).assets()] == ["m.pt", "other.pt"]
    assert state.asset("rid-m.pt") == state.find("Model", "m.pt") == later
    assert state.asset("none") is None and state.find("Image", "m.pt") is None
    assert [each["file_name"] for each in manifest_of(state)["assets"]] == ["m.pt", "other.pt"]


def test_what_begins_anew(state: State) -> None:
    """EXE-20: another file under a name is pending again, more words about it are not."""
    first = row(kind="link", source="/data/a", seen="1:7:1:-")
    state.register(first)
    state.stored([("rid-m.pt", "sha256:" + "0" * 64, "0" * 32, 7)])
    state.mark(["rid-m.pt"], "uploaded", "an error")
    said = state.register(replace(first, metadata={"a": 1}))
    assert (said.state, said.size, said.error) == ("uploaded", 7, "an error")
    anew = state.register(replace(first, seen="2:7:1:-"))
    assert (anew.state, anew.digest, anew.md5, anew.size, anew.error) == ("pending", *[None] * 4)


def test_what_is_published_stays(state: State) -> None:
    """ADR 10: an asset is published once; nothing of it changes, and saying the same is fine."""
    state.register(row())
    state.mark(["rid-m.pt"], "published")
    assert state.register(row()).state == "published"
    assert state.amend("rid-m.pt", types=["Model"]).state == "published"
    state.stored([("rid-m.pt", "sha256:" + "1" * 64, "1" * 32, 1)])
    for change in (
        lambda: state.register(row(metadata={"a": 1})),
        lambda: state.register(row(kind="copy", source="/x")),
        lambda: state.amend("rid-m.pt", metadata={"a": 1}),
    ):
        with pytest.raises(UsageError, match="published"):
            change()
    with pytest.raises(InvalidTransitionError, match="published"):
        state.mark(["rid-m.pt"], "pending")
    assert state.asset("rid-m.pt") == row(state="published")


def test_amending(state: State) -> None:
    """EXE-20: keys of metadata are set one by one; two threads that set two lose none."""
    state.register(row(metadata={"a": 1}))
    run_together(amend, [(state.folder, f"key-{number}") for number in range(4)])
    assert state.amend("rid-m.pt", types=["X", "Y"], description="d").types == ("X", "Y")
    found = state.asset("rid-m.pt")
    assert found is not None and found.description == "d"
    assert found.metadata == {"a": 1, **{f"key-{n}-{k}": k for n in range(4) for k in range(5)}}
    with pytest.raises(NotFoundError):
        state.amend("none", description="d")


def amend(folder: Path, key: str) -> None:
    """Set five keys."""
    state = State.open(folder)
    for number in range(5):
        state.amend("rid-m.pt", metadata={f"{key}-{number}": number})


def register(folder: Path, who: int) -> None:
    """Register ten assets, five of which others register too."""
    state = State.open(folder)
    for number in range(5):
        state.register(row(f"shared-{number}"))
        state.register(row(f"own-{who}-{number}"))


def test_processes_that_register_together(state: State) -> None:
    """EXE-23: none of four processes loses one; the manifest tells what the database does."""
    run_together(register, [(state.folder, who) for who in range(4)])
    names = [each.name for each in state.assets()]
    assert len(names) == len(set(names)) == 25
    assert [each["file_name"] for each in manifest_of(state)["assets"]] == names


def test_text_that_is_none(state: State) -> None:
    """EXE-23: a folder whose name is no UTF-8 is kept as it is."""
    source = "/data/\udcff/a.png"
    state.register(row(kind="link", source=source))
    assert [each.source for each in State.open(state.folder).assets()] == [source]
    assert manifest_of(state)["assets"][0]["source"] == "/data/\ufffd/a.png"


def test_a_full_disk(state: State, failing_storage: Callable[..., Any]) -> None:
    """EXE-23: what could not be projected is registered all the same, and projected later."""
    with failing_storage("fsync") as disk:
        with pytest.raises(StorageError):
            state.register(row())
        assert disk.failed
    assert [each.name for each in state.assets()] == ["m.pt"]
    state.write_manifest()
    assert len(manifest_of(state)["assets"]) == 1


# --- features ----------------------------------------------------------------------------


def test_features_accumulate(state: State) -> None:
    """EXE-25: rows are kept in order over calls, all of one call or none."""
    assert state.add_features([("Image", "Grade", {"Image": "1", "Grade": "Mild"}, ())]) == 1
    more = [("Image", "Mask", {"Image": "2", "Mask": "/p"}, ("Mask",))] * 2
    assert state.add_features(more) == 2
    found = State.open(state.folder).features("pending")
    assert [(each.feature, dict(each.values), each.asset_columns) for each in found] == [
        ("Grade", {"Image": "1", "Grade": "Mild"}, ()),
        *[("Mask", {"Image": "2", "Mask": "/p"}, ("Mask",))] * 2,
    ]
    state.mark_features([found[0].id], "published", "sha256:0")
    assert [each.id for each in state.features("published")] == [found[0].id]
    assert len(state.features()) == 3
    with pytest.raises(ValueError, match="Out of range"):
        state.add_features([*more, ("Image", "Mask", {"Mask": float("nan")}, ())])
    assert len(state.features()) == 3


# --- who publishes -----------------------------------------------------------------------


def test_one_publisher(state: State) -> None:
    """EXE-50: one live process publishes; a dead one's place is free, an unknown one's by force."""
    me = this_process()
    assert state.publisher() is None
    state.take_publisher(me)
    state.take_publisher(me)
    other = replace(me, pid=1, start_time=me.start_time + "1")
    state.release_publisher()
    assert state.publisher() is None
    far = replace(me, host="gpu023", boot_id="b")
    state.take_publisher(far)
    with pytest.raises(RunBusyError, match="gpu023"):
        state.take_publisher(me)
    state.release_publisher()
    assert state.publisher() == far
    state.take_publisher(me, force=True)
    with pytest.raises(RunBusyError, match=f"process {me.pid}"):
        state.take_publisher(replace(me, pid=me.pid + 1, start_time="1"))
    state.take_publisher(replace(me, pid=2**22 + 1), force=True)
    state.take_publisher(other)
    restarted = replace(me, host="gpu024", scheduler_job="7", scheduler_restart=2)
    state.take_publisher(replace(restarted, host="gpu023", scheduler_restart=1), force=True)
    state.take_publisher(restarted)
    assert state.publisher() == restarted


def take(folder: Path, _: int) -> bool:
    """Try to publish, and stay alive a while."""
    import time

    try:
        State.open(folder).take_publisher(this_process())
    except RunBusyError:
        return False
    time.sleep(1.0)
    return True


def test_two_that_publish_at_once(state: State) -> None:
    """EXE-50: of four processes one gets it."""
    assert sum(run_together(take, [(state.folder, n) for n in range(4)])) == 1


# --- the projection ----------------------------------------------------------------------


def test_many_registrations_write_few_manifests(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-23: exact up to a hundred assets; beyond, writing it takes a small part of the time."""
    written: list[int] = []
    real = manifest.manifest_bytes
    monkeypatch.setattr(
        manifest, "manifest_bytes", lambda rid, rows: written.append(len(rows)) or real(rid, rows)
    )
    for number in range(400):
        state.register(row(f"{number}.pt"))
        if number < manifest.ALWAYS:
            assert written[-1] == number + 1
    assert len(written) < 250
    assert len(state.assets()) == 400
    state.write_manifest()
    assert len(manifest_of(state)["assets"]) == 400


def test_an_older_manifest_never_replaces_a_newer_one(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-23: who writes it holds the database, so that no change falls in between."""
    late = threading.Thread(target=lambda: state.register(row("late.pt")))
    real = manifest.write_atomic

    def slowly(*args: Any, **options: Any) -> None:
        monkeypatch.setattr(manifest, "write_atomic", real)
        late.start()
        late.join(0.3)
        real(*args, **options)

    monkeypatch.setattr(manifest, "write_atomic", slowly)
    state.register(row("early.pt"))
    late.join()
    assert [each["file_name"] for each in manifest_of(state)["assets"]] == ["early.pt", "late.pt"]


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("register"), st.integers(0, 3), st.sampled_from(["new", "copy", "link"])),
        st.tuples(st.just("amend"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(
            st.just("mark"),
            st.integers(0, 3),
            st.sampled_from(["pending", "stored", "uploaded", "published"]),
        ),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(OPS)
def test_any_sequence(tmp_path_factory: pytest.TempPathFactory, ops: list[Any]) -> None:
    """EXE-23: rows are what a dictionary would hold; a refused change changes nothing."""
    folder = tmp_path_factory.mktemp("any") / RID
    folder.mkdir()
    state = State.create(folder, {})
    model: dict[str, dict[str, Any]] = {}
    for what, number, value in ops:
        name = f"{number}.pt"
        there = model.get(name)
        fixed = there is not None and there["state"] == "published"
        if what == "register":
            if fixed and there["kind"] != value:
                with pytest.raises(UsageError):
                    state.register(row(name, kind=value, metadata=there["metadata"]))
                continue
            said = {} if there is None else there["metadata"]
            state.register(row(name, kind=value, metadata=said))
            keeps = there is not None and there["kind"] == value
            model[name] = {
                "kind": value,
                "metadata": said,
                "state": there["state"] if keeps else "pending",
            }
        elif there is None:
            continue
        elif what == "amend":
            if fixed and there["metadata"].get("k") != value:
                with pytest.raises(UsageError):
                    state.amend(f"rid-{name}", metadata={"k": value})
                continue
            state.amend(f"rid-{name}", metadata={"k": value})
            there["metadata"] = {"k": value}
        elif fixed and value != "published":
            with pytest.raises(InvalidTransitionError):
                state.mark([f"rid-{name}"], value)
        else:
            state.mark([f"rid-{name}"], value)
            there["state"] = value
    found = State.open(folder).assets()
    assert {
        a.name: {"kind": a.kind, "metadata": a.metadata, "state": a.state} for a in found
    } == model
    assert {a["file_name"]: a["state"] for a in manifest_of(state)["assets"]} == {
        name: facts["state"] for name, facts in model.items()
    }


def test_sqlite_itself_reads_it(state: State) -> None:
    """docs/format/execution.md: the tables are as the page says."""
    state.register(row(metadata={"a": [1]}))
    with sqlite3.connect(state.folder / DATABASE) as connection:
        (found,) = connection.execute("SELECT asset, name, types, metadata, state FROM assets")
    connection.close()
    assert found == ("Model", "m.pt", '["Model"]', '{"a":[1]}', "pending")
