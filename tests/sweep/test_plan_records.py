"""The committed plan of a sweep: ``.aexp/ledger/sweeps/<sweep_id>.json`` (SWP-11)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import AmbiguousIdError, CorruptDataError, NewerSchemaError, NotFoundError
from aexp.ledger import sweeps
from aexp.ledger.sweeps import (
    artifact_name,
    decode_plan,
    list_plans,
    plan_ids,
    plan_path,
    read_plan,
    resolve_sweep_id,
    write_plan,
)
from aexp.model.canonical import canonical_bytes
from aexp.model.entry import record_digest
from aexp.registry import open_registry
from aexp.repo import Layout, open_layout
from tests.support.machines import Machine, TwoMachines

SWEEP = "0123456789abcdef"
DIGEST = "sha256:" + "d" * 64
SPEC = {"experiment": "E001", "command": "python train.py --lr {lr}", "parameters": {"grid": {}}}
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def points_file(folder: Path, values: list[dict[str, Any]]) -> Path:
    """Write a ``points.jsonl`` as a sweep has one."""
    lines = [{"format": "aexp.points", "version": 1, "sweep_id": SWEEP, "count": len(values)}]
    lines += [{"run_id": i, "point_id": f"{i:032x}", "values": v} for i, v in enumerate(values)]
    path = folder / "points.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def header(count: int, sweep_id: str = SWEEP, **more: Any) -> dict[str, Any]:
    """Return the first line of a manifest."""
    return {
        "sweep_id": sweep_id,
        "sweep_seed": "7",
        "run_count": count,
        "points_digest": DIGEST,
        "spec": SPEC,
        "script_sha256": None,
        "created_at": "2026-01-01T00:00:00.000000Z",
        **more,
    }


def plan(
    machine: Machine, values: list[dict[str, Any]], sweep_id: str = SWEEP, **more: Any
) -> Layout:
    """Write the record of a sweep of these points."""
    layout = open_layout(machine.path, require_git=False)
    path = points_file(machine.path.parent, values)
    write_plan(layout, header(len(values), sweep_id, **more), path)
    return layout


def test_a_plan_is_read_as_it_was_written(installed_repo: Machine) -> None:
    """SWP-11: the record holds spec, seed and every point with its drawn values."""
    values = [{"lr": 0.1, "n": 1, "opt": {"name": "adam"}}, {"lr": 0.30000000000000004, "n": 2}]
    layout = plan(installed_repo, values, sweep_seed=2**127 + 1)
    read = read_plan(layout, SWEEP)
    assert read.points == values
    assert (read.header["sweep_seed"], read.count, read.points_digest) == (2**127 + 1, 2, DIGEST)
    assert "script_sha256" not in read.header
    assert (read.experiment_id, read.machine, dict(read.spec)) == ("E001", "laptop", SPEC)
    assert read.artifact is None and read.redacted == ()
    assert [p.sweep_id for p in list_plans(layout)] == plan_ids(layout) == [SWEEP]


@settings(max_examples=50)
@given(
    values=st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "c"]),
            st.one_of(
                st.floats(allow_nan=False, allow_infinity=False),
                st.integers(-(2**53), 2**53),
                st.booleans(),
                st.none(),
            ),
        ),
        max_size=4,
    )
)
def test_values_keep_their_bits(
    values: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SWP-04, trap 64: numbers come back with their type and their last bit."""
    folder = tmp_path_factory.mktemp("plan")
    (folder / "repo").mkdir()
    layout = plan(Machine(folder / "repo"), values)
    read = read_plan(layout, SWEEP).points
    assert repr(read) == repr([dict(sorted(v.items())) for v in values])


def test_it_is_written_once(installed_repo: Machine) -> None:
    """SWP-11: a record never changes; the same plan again is no harm, another one is refused."""
    layout = plan(installed_repo, [{"lr": 0.1}])
    before = plan_path(layout, SWEEP).read_bytes()
    plan(installed_repo, [{"lr": 0.1}])
    assert plan_path(layout, SWEEP).read_bytes() == before
    other = points_file(installed_repo.path.parent, [{"lr": 0.2}])
    with pytest.raises(CorruptDataError, match="other points"):
        write_plan(layout, header(1, points_digest="sha256:" + "e" * 64), other)
    assert plan_path(layout, SWEEP).read_bytes() == before


def test_nothing_of_one_machine_is_committed(installed_repo: Machine) -> None:
    """LED-02, trap 17: secrets and paths are taken out, and the record says where."""
    spec = {**SPEC, "command": f"python train.py --token {SECRET} --data /home/someone/data"}
    layout = plan(installed_repo, [{"lr": 0.1}], spec=spec)
    text = plan_path(layout, SWEEP).read_text()
    assert SECRET not in text and "/home/someone" not in text
    assert read_plan(layout, SWEEP).redacted == ("/header/spec/command",)


def test_paths_of_the_repository_are_relative(installed_repo: Machine) -> None:
    """SWP-11, trap 63: a path below the root is no path of a machine."""
    spec = {**SPEC, "script": str(installed_repo / "train.py")}
    layout = plan(installed_repo, [{"lr": 0.1}], spec=spec)
    assert read_plan(layout, SWEEP).spec["script"] == "train.py"


def test_many_points_rest_in_the_registry(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-11: above the limit the record names an artifact, which a collection spares."""
    monkeypatch.setattr(sweeps, "MOST_INLINE", 3)
    values = [{"lr": i / 10} for i in range(4)]
    layout = plan(installed_repo, values)
    read = read_plan(layout, SWEEP)
    assert read.points is None and read.count == 4
    assert "points" not in read.raw
    installed_repo.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    registry = open_registry(layout)
    ref = registry.ref(artifact_name(SWEEP))
    assert ref is not None and ref.digest == read.artifact
    (layer,) = (c for c in registry.manifest(ref.digest).children() if c.annotations)
    assert registry.read(layer.digest) == (installed_repo.path.parent / "points.jsonl").read_bytes()


def test_a_limit_of_exactly_ten_thousand(installed_repo: Machine) -> None:
    """SWP-11: 10,000 points are inline, and planning them is quick."""
    layout = plan(installed_repo, [{"lr": i} for i in range(10_000)])
    points = read_plan(layout, SWEEP).points
    assert points is not None and points[9_999] == {"lr": 9_999}


def damaged(data: bytes, kind: str) -> bytes:
    value = json.loads(data)
    if kind == "changed":
        value["points"][0]["lr"] = 9.0
    elif kind == "renamed":
        value["sweep_id"] = "f" * 16
    elif kind == "other kind":
        value["kind"] = "experiment"
    elif kind == "newer":
        value["schema_version"] = 2
    elif kind == "short":
        value["points"].pop()
    elif kind == "conflict":
        return b"<<<<<<< ours\n" + data + b">>>>>>> theirs\n"
    elif kind == "torn":
        return data[: len(data) // 2]
    if kind not in ("changed",):
        value["record_digest"] = record_digest(value)
    return canonical_bytes(value)


KINDS = ("changed", "renamed", "other kind", "newer", "short", "conflict", "torn")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_plan_is_told(installed_repo: Machine, kind: str) -> None:
    """SWP-11, traps 2, 3: it is refused with its file, and `ledger verify` reports it."""
    layout = plan(installed_repo, [{"lr": 0.1}, {"lr": 0.2}])
    path = plan_path(layout, SWEEP)
    path.write_bytes(damaged(path.read_bytes(), kind))
    expected = NewerSchemaError if kind == "newer" else CorruptDataError
    with pytest.raises(expected, match=r"^\.aexp/ledger/sweeps/0123456789abcdef\.json: "):
        read_plan(layout, SWEEP)
    done = installed_repo.aexp_fast("ledger", "verify", "--format", "json", check=False)
    problems = json.loads(done.stdout)["problems"]
    code = "ledger.newer_schema" if kind == "newer" else "ledger.malformed"
    assert [(p["code"], p["path"]) for p in problems] == [(code, layout.relative(path))]
    assert done.returncode == 1
    assert list_plans(layout) == []


def test_a_leak_in_a_plan_is_found(installed_repo: Machine) -> None:
    """LED-12: `ledger verify` looks for secrets in plans too."""
    layout = plan(installed_repo, [{"lr": 0.1}])
    path = plan_path(layout, SWEEP)
    value = json.loads(path.read_bytes())
    value["header"]["spec"]["command"] = f"train --token {SECRET}"
    value["record_digest"] = record_digest(value)
    path.write_bytes(canonical_bytes(value))
    shown = installed_repo.aexp_fast("ledger", "verify", "--format", "json", check=False).stdout
    assert [p["code"] for p in json.loads(shown)["problems"]] == ["ledger.unsanitized"]


def test_a_sound_plan_is_accepted_everywhere(installed_repo: Machine) -> None:
    """SWP-11: validate and `ledger verify` have nothing to say of a plan."""
    plan(installed_repo, [{"lr": 0.1}])
    installed_repo.aexp_fast("validate")
    done = installed_repo.aexp_fast("ledger", "verify")
    assert done.output == "0 entries: 0 sound, 0 problems\n"


@pytest.mark.parametrize("verb", [("ledger", "backfill"), ("sync",)])
def test_git_carries_a_plan(two_machines: TwoMachines, verb: tuple[str, ...]) -> None:
    """SWP-11: backfill and sync commit the plan, and another clone reads it."""
    plan(two_machines.cluster, [{"lr": 0.1}])
    two_machines.cluster.aexp(*verb)
    two_machines.cluster.git("push", "-q")
    two_machines.laptop.pull()
    assert read_plan(open_layout(two_machines.laptop.path), SWEEP).points == [{"lr": 0.1}]


def test_ids_are_resolved_by_their_beginning(installed_repo: Machine) -> None:
    """SWP-01: a few digits name a sweep; several or none is a clear refusal."""
    known = ["0123456789abcdef", "01ffffffffffffff", "a000000000000000"]
    assert resolve_sweep_id("A0", known) == "a000000000000000"
    assert resolve_sweep_id(known[0], known) == known[0]
    with pytest.raises(AmbiguousIdError, match="2 sweep ids: 0123456789abcdef, 01ff"):
        resolve_sweep_id("01", known)
    for text in ("b", "", "../x"):
        with pytest.raises(NotFoundError):
            resolve_sweep_id(text, known)


def test_no_plan(installed_repo: Machine) -> None:
    """SWP-11: what to do about a sweep that is not here is said."""
    layout = open_layout(installed_repo.path)
    assert (list_plans(layout), plan_ids(layout)) == ([], [])
    with pytest.raises(NotFoundError) as caught:
        read_plan(layout, SWEEP)
    assert "aexp sync" in str(caught.value.hint)


def test_a_record_needs_its_own_name() -> None:
    """Trap 2: a file of another name is no record of the sweep."""
    with pytest.raises(CorruptDataError, match="no record of a sweep"):
        decode_plan(SWEEP, b"{}")
