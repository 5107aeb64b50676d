"""Per-machine indexes: reading whatever is there, writing safely (IDX-01, IDX-02)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexp.errors import NewerSchemaError, UsageError
from aexp.runs_index import (
    INDEX_DIR_REL,
    SCHEMA_VERSION,
    build_index,
    collect_known_elsewhere,
    export_index,
    load_all_indexes,
    read_indexes,
)
from aexp.tree import WorkTree
from tests.support.clock import FakeClock
from tests.validate.world import World, indexed, link_to, point

A, B, C = ("a" * 32, "b" * 32, "c" * 32)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
entry_like = st.fixed_dictionaries(
    {"job_id": st.sampled_from([A, B]) | json_values},
    optional={
        "status": st.sampled_from(["complete", "running"]) | json_values,
        "experiment_id": st.just("E001") | json_values,
        "condition": st.just("full") | json_values,
        "registered_at": json_values,
    },
)
file_like = st.fixed_dictionaries(
    {},
    optional={
        "schema_version": st.just(1) | json_values,
        "machine_label": st.sampled_from(["cluster", "../../evil", ""]) | json_values,
        "exported_at": st.text(max_size=5) | json_values,
        "entries": st.lists(entry_like | json_values, max_size=4) | json_values,
    },
)


@given(
    data=st.binary(max_size=40) | (file_like | json_values).map(lambda v: json.dumps(v).encode())
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_no_file_can_crash_validation(world: World, data: bytes) -> None:
    """IDX-02, trap 3: any bytes give at most warnings, and the other index still counts."""
    world.index("good", indexed(C))
    (world.root / INDEX_DIR_REL / "odd.json").write_bytes(data)
    world.artifacts([{"type": "job", "id": C}, {"type": "batch", "experiment_id": "E001"}])
    codes = dict(world.codes())
    assert codes.pop("index.malformed", "warning") == "warning"
    assert codes == {
        "finding.absent_run_citation": "warning",
        "finding.absent_batch_runs": "warning",
    }
    for index in load_all_indexes(world.root).values():
        assert index["schema_version"] == SCHEMA_VERSION
        assert [e["job_id"] for e in index["entries"]] == sorted(
            e["job_id"] for e in index["entries"]
        )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "no JSON"),
        (b"<<<<<<< ours\n", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ([], "no JSON object"),
        ({}, "schema_version"),
        ({"schema_version": "1", "entries": []}, "schema_version"),
        ({"schema_version": 2, "entries": []}, "newer"),
        ({"schema_version": 1}, "entries"),
        ({"schema_version": 1, "entries": [indexed(A), {}, 7]}, "2 of its 3"),
        ({"schema_version": 1, "entries": [indexed("../x")]}, "1 of its 1"),
    ],
)
def test_malformed_file_is_one_warning(world: World, value: Any, words: str) -> None:
    """IDX-02: one issue per file, which says what is wrong."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    world.machine.write(f"{INDEX_DIR_REL}/x.json", "")
    (world.root / INDEX_DIR_REL / "x.json").write_bytes(data)
    [issue] = world.validate().issues
    assert (issue.code, issue.severity) == ("index.malformed", "warning")
    assert issue.path == f"{INDEX_DIR_REL}/x.json"
    assert words in issue.message


def test_files_of_one_label_are_united(world: World) -> None:
    """IDX-02, trap 25: neither hides the other; of a run in both the later export counts."""
    world.index("box", indexed(A), indexed(B, status="failed"), name="1", at="2026-02-01T00:00:00Z")
    world.index("box", indexed(B), indexed(C), name="2", at="2026-01-01T00:00:00Z")
    index = load_all_indexes(world.root)["box"]
    assert [(e["job_id"], e["status"]) for e in index["entries"]] == [
        (A, "complete"),
        (B, "failed"),
        (C, "complete"),
    ]
    assert index["exported_at"] == "2026-02-01T00:00:00Z"
    assert not read_indexes(WorkTree(world.root)).problems


def test_known_elsewhere_names_machines(world: World) -> None:
    """IDX-02: each run once, with a machine that has it, and all of them."""
    world.index("m2", indexed(A))
    world.index("m1", indexed(A), indexed(B))
    known = collect_known_elsewhere(world.root)
    assert known[A]["machines"] == ["m1", "m2"]
    assert known[A]["ledger_machine"] == "m1"
    assert known[B]["condition"] == "full"
    assert load_all_indexes(world.root) == load_all_indexes(world.root / "kb")


def test_export_lists_terminal_runs(world: World, fake_clock: FakeClock) -> None:
    """IDX-01, trap 28: sorted by id, with and without a condition; bytes are stable."""
    ids = [
        world.local(point(condition="full", seed=1), created_at="2026-01-01T00:00:00Z"),
        world.local(point(seed=2), "failed"),
        world.local(point(condition=3, seed=3), "stopped", link=link_to(None)),
        world.local(point(condition=[1], seed=4), "abandoned", link={}),
    ]
    for status in ("created", "queued", "running", None):
        world.local(point(seed=str(status)), status)
    path = export_index(world.root, machine_label="box")
    assert path == world.root / INDEX_DIR_REL / "box.json"
    first = path.read_bytes()
    value = json.loads(first)
    assert list(value) == ["schema_version", "machine_label", "exported_at", "entries"]
    assert value["machine_label"] == "box"
    assert [e["job_id"] for e in value["entries"]] == sorted(ids)
    by_id = {e["job_id"]: e for e in value["entries"]}
    assert by_id[ids[0]] == {
        "job_id": ids[0],
        "status": "complete",
        "experiment_id": "E001",
        "condition": "full",
        "registered_at": "2026-01-01T00:00:00Z",
    }
    assert [by_id[i].get("condition") for i in ids] == ["full", None, 3, None]
    assert [by_id[i].get("experiment_id") for i in ids] == ["E001", "E001", None, None]
    assert export_index(world.root, machine_label="box").read_bytes() == first
    fake_clock.advance(60)
    export_index(world.root, machine_label="box")
    assert path.read_bytes() == first.replace(
        b'00:00:00Z",\n  "entries', b'00:01:00Z",\n  "entries'
    )
    assert build_index(world.root, machine_label="box") == json.loads(path.read_bytes())
    assert load_all_indexes(world.root)["box"]["entries"] == value["entries"]


def test_export_keeps_what_another_clone_of_the_label_wrote(world: World) -> None:
    """Trap 25: an export never drops the runs of a namesake."""
    world.index("box", indexed(A), indexed(B))
    mine = world.local(point())
    path = export_index(world.root, machine_label="box")
    assert [e["job_id"] for e in json.loads(path.read_bytes())["entries"]] == sorted([A, B, mine])


def test_export_forgets_a_run_that_runs_again(world: World) -> None:
    """IDX-01: terminal runs only; this run store knows its own runs."""
    world.local(point())
    path = export_index(world.root, machine_label="box")
    world.local(point(), "running")
    assert json.loads(export_index(world.root, machine_label="box").read_bytes())["entries"] == []
    path.write_bytes(b"{damaged")
    assert json.loads(export_index(world.root, machine_label="box").read_bytes())["entries"] == []


def test_export_without_store(world: World) -> None:
    """IDX-01: nothing recorded here is an empty index, and no store is made."""
    assert json.loads(export_index(world.root).read_bytes())["entries"] == []
    assert not (world.root / ".runs").exists()


@pytest.mark.parametrize("label", ["../../evil", "a/b", "", ".", "..", "/etc/x", "a\nb", "x" * 99])
def test_label_cannot_leave_the_repository(world: World, label: str) -> None:
    """Trap 18: a label is a name, never a path."""
    with pytest.raises(UsageError):
        export_index(world.root, machine_label=label)
    assert world.machine.status() == ""


def test_out_cannot_leave_the_repository(world: World, tmp_path: Path) -> None:
    """Trap 18: neither upwards, nor absolutely, nor through a link, nor into git's own folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.root / "link").symlink_to(outside)
    (world.root / "file.json").symlink_to(outside / "file.json")
    (world.root / "sub").mkdir()
    for out in (
        outside / "x.json",
        world.root / "../outside/x.json",
        world.root / "link/x.json",
        world.root / "file.json",
        world.root / ".git/x.json",
        world.root / "sub",
        world.root,
    ):
        with pytest.raises(UsageError):
            export_index(world.root, out=out)
    assert list(outside.iterdir()) == []
    (world.root / ".aexp").mkdir(exist_ok=True)
    (world.root / INDEX_DIR_REL).symlink_to(outside)
    with pytest.raises(UsageError):
        export_index(world.root)
    assert list(outside.iterdir()) == []


def test_out_inside_the_repository(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """IDX-01: a path is relative to the working directory; no other file is overwritten."""
    monkeypatch.chdir(world.root)
    assert export_index(out=Path("share/runs.json")) == world.root / "share/runs.json"
    assert export_index(out="share/runs.json").is_file()
    world.machine.write("precious.md", "words")
    with pytest.raises(UsageError):
        export_index(out="precious.md")
    assert world.machine.read("precious.md") == "words"


def test_newer_index_is_not_overwritten(world: World) -> None:
    """IDX-01: what a newer aexp wrote stays."""
    path = world.write_json(f"{INDEX_DIR_REL}/box.json", {"schema_version": 2, "runs": []})
    before = path.read_bytes()
    with pytest.raises(NewerSchemaError):
        export_index(world.root, machine_label="box")
    assert path.read_bytes() == before


def test_what_is_named_like_an_index_and_is_none(world: World, tmp_path: Path) -> None:
    """IDX-02: a folder and a symbolic link are a warning each, and the other index counts."""
    world.index("good", indexed(C))
    world.machine.write(f"{INDEX_DIR_REL}/folder.json/inner.json", "{}")
    world.machine.write(f"{INDEX_DIR_REL}/notes.txt", "words")
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(world.machine.read(f"{INDEX_DIR_REL}/good.json").replace(C, A))
    (world.root / INDEX_DIR_REL / "link.json").symlink_to(elsewhere)
    world.artifacts([{"type": "job", "id": C}])
    assert [(i.code, i.path) for i in world.validate().issues] == [
        ("index.malformed", f"{INDEX_DIR_REL}/folder.json"),
        ("index.malformed", f"{INDEX_DIR_REL}/link.json"),
        ("finding.absent_run_citation", "kb/research/findings/F001-words.md"),
    ]
    assert set(collect_known_elsewhere(world.root)) == {C}
    for name in ("folder", "link"):
        with pytest.raises(UsageError):
            export_index(world.root, machine_label=name)


def test_a_huge_index(world: World) -> None:
    """IDX-02, trap 33: fifty thousand entries and a thousand citations of them are one look."""
    ids = [f"{n:032x}" for n in range(50_000)]
    world.index("cluster", *(indexed(job_id) for job_id in ids))
    world.artifacts([{"type": "job", "id": job_id} for job_id in ids[::50]])
    found = world.validate().issues
    assert [i.code for i in found] == ["finding.absent_run_citation"] * 1000
