"""Records of features: typed, staged together or not at all, ids for paths (EXE-25, 26)."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aexp.data.feature_blobs import feature_blobs, resolved_values
from aexp.data.feature_staging import staged_rows
from aexp.data.features import create_feature, lookup_feature
from aexp.errors import FeatureError, NotFoundError, UsageError
from aexp.execution.asset_path import AssetFilePath
from aexp.execution.kinds import Kinds
from aexp.execution.state import StagedAsset, State
from aexp.ledger.features import feature_path
from aexp.model.execution import asset_rid
from aexp.repo import Layout, open_layout
from tests.data.published import execution_rid, file_output, put_execution
from tests.support.machines import Machine

RID = "0123456789abcdef"


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    return open_layout(installed_repo.path)


@pytest.fixture
def record_class(layout: Layout) -> Callable[[Any], Any]:
    """Return a function that makes a feature of one column ``x`` and gives its record class."""

    def make(column: Any, name: str = "F") -> Any:
        create_feature(layout, "Image", name, {"x": column})
        return lookup_feature(layout, "Image", name).feature_record_class()

    return make


@pytest.fixture
def state(tmp_path: Path) -> State:
    """What an execution has staged, of which nobody knows more than its folder."""
    folder = tmp_path / ("c" * 32)
    folder.mkdir()
    return State.create(folder, {})


def register(state: State, asset: str, name: str, source: Path | None = None) -> AssetFilePath:
    """Register an output and return its path, as ``exe.asset_file_path`` does."""
    rid = asset_rid(state.execution_rid, asset, name)
    kind: Any = "new" if source is None else "link"
    real = None if source is None else str(source.resolve())
    row = state.register(StagedAsset(rid, asset, name, kind, real))
    path = AssetFilePath.staged(state, row)
    path.parent.mkdir(parents=True, exist_ok=True)
    if source is None:
        path.write_text(name)
    return path


def put_mask(layout: Layout, number: int, kind: str) -> str:
    """Publish an asset of another execution, and return its id."""
    output = file_output(layout, execution_rid(number), b"mask", "m.png", kind)
    put_execution(layout, number, [output])
    return str(output["rid"])


def store(state: State, *paths: AssetFilePath) -> None:
    """Note that the bytes of assets are stored."""
    digest = "sha256:" + "1" * 64
    state.stored([(path.asset_rid, digest, "2" * 32, 1) for path in paths])


def staged(state: State, *records: Any) -> list[Any]:
    """Stage records and return all staged rows."""
    state.add_features(staged_rows(records))
    return state.features()


# --- record classes ------------------------------------------------------------------------


def test_the_records_of_the_seed(layout: Layout) -> None:
    """EXE-25: `lookup_feature(...).feature_record_class()` has a field like the target."""
    create_feature(layout, "Image", "Glaucoma_Grade", ["Mild", "Severe"], description="A grade.")
    made = lookup_feature(layout, "Image", "Glaucoma_Grade").feature_record_class()
    record = made(Image="1-IMG1", Glaucoma_Grade="Mild")
    assert (record.Image, record.Glaucoma_Grade) == ("1-IMG1", "Mild")
    assert list(made.model_fields) == ["Image", "Glaucoma_Grade"]
    assert made.__doc__ == "A grade."
    assert made is lookup_feature(layout, "Image", "Glaucoma_Grade").feature_record_class()
    assert pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        (str, ["", "text", "é"], [3, None, b"x", "\ud800"]),
        (int, [0, -3, np.int64(7), 2**63 - 1], [3.0, "3", True, None, 2**63, np.float32(1)]),
        (float, [0.5, 3, np.float32(0.5), math.inf], ["3", True, None, [1.0], np.zeros(2)]),
        (bool, [True, np.bool_(False)], [1, "true", None]),
        (["a", "b"], ["a", np.str_("b")], ["c", "A", None, 3]),
        ("asset:Mask", [RID, Path("mask.png"), "mask.png"], [3, None, "", b"x", "a\0b"]),
        ("float?", [None, 1.5], ["x"]),
        ("asset?:Mask", [None, RID], [3]),
        (["a", None], [None, "a"], ["b"]),
    ],
)
def test_values_are_checked_when_a_record_is_made(
    record_class: Any, column: Any, good: list[Any], bad: list[Any]
) -> None:
    """EXE-25: typed columns; nothing is converted but the scalars of numpy."""
    made = record_class(column)
    for value in good:
        made(Image="1", x=value)
    for value in bad:
        with pytest.raises(ValidationError):
            made(Image="1", x=value)


def test_a_record_says_of_which_thing_it_is(record_class: Any) -> None:
    """EXE-25: the target is required, and nothing but the columns is taken."""
    made = record_class(float)
    for facts in ({"x": 1.0}, {"Image": "", "x": 1.0}, {"Image": 3, "x": 1.0}, {"Image": "1"}):
        with pytest.raises(ValidationError):
            made(**facts)
    with pytest.raises(ValidationError):
        made(Image="1", x=1.0, y=2.0)


# --- staging -------------------------------------------------------------------------------


def test_calls_accumulate(record_class: Any, state: State) -> None:
    """EXE-25: each call returns its count; the rows stand in the order they were added."""
    made = record_class("float?")
    assert state.add_features(staged_rows([made(Image="1", x=1.5), made(Image="2")])) == 2
    assert state.add_features(staged_rows(made(Image=str(i), x=2) for i in (3, 1))) == 2
    assert state.add_features(staged_rows([])) == 0
    rows = State.open(state.folder).features("pending")
    assert [(row.target, row.feature, dict(row.values)) for row in rows] == [
        ("Image", "F", {"Image": "1", "x": 1.5}),
        ("Image", "F", {"Image": "2"}),
        ("Image", "F", {"Image": "3", "x": 2.0}),
        ("Image", "F", {"Image": "1", "x": 2.0}),
    ]


def test_mixed_definitions_stage_nothing(record_class: Any, state: State) -> None:
    """EXE-25: all records of one call belong to one feature."""
    one, other = record_class(float, "One"), record_class(float, "Other")
    with pytest.raises(FeatureError, match="Image/One and of Image/Other"):
        state.add_features(staged_rows([one(Image="1", x=1.0), other(Image="1", x=1.0)]))
    for thing in (3, {"Image": "1", "x": 1.0}, one):
        with pytest.raises(FeatureError, match="not a record of a feature"):
            state.add_features(staged_rows([one(Image="1", x=1.0), thing]))
    assert state.features() == []


def test_numbers_that_are_not_finite(record_class: Any, state: State) -> None:
    """LED-02, trap 11: they are staged as JSON has them."""
    made = record_class("float?")
    rows = staged(state, *(made(Image="1", x=x) for x in (math.nan, math.inf, -math.inf)))
    assert [row.values["x"] for row in rows] == ["NaN", "Infinity", "-Infinity"]


def test_a_kind_of_asset_must_be_declared(record_class: Any) -> None:
    """EXE-21, EXE-25: the error prints the lines to add."""
    made = record_class("asset:Mask")
    records = [made(Image="1", x=RID)]
    with pytest.raises(UsageError, match="Mask") as error:
        staged_rows(records, Kinds())
    assert "assets:\n  Mask: {}" in str(error.value.hint)
    assert staged_rows(records, Kinds({"Mask": None}))


# --- asset columns -------------------------------------------------------------------------


def test_a_path_while_staged_and_the_id_afterwards(record_class: Any, state: State) -> None:
    """EXE-26: the path that `asset_file_path` returned, as path or as text."""
    made = record_class("asset?:Mask")
    mask, other = register(state, "Mask", "1.png"), register(state, "Mask", "deep.tar.gz")
    rows = staged(state, made(Image="1", x=mask), made(Image="2", x=str(other)), made(Image="3"))
    assert [row.values.get("x") for row in rows] == [str(mask), str(other), None]
    store(state, mask, other)
    resolved = [resolved_values(row, state) for row in rows]
    assert resolved == [
        {"Image": "1", "x": mask.asset_rid},
        {"Image": "2", "x": other.asset_rid},
        {"Image": "3"},
    ]


def test_the_file_that_was_registered_stands_for_its_asset(
    record_class: Any, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-26: a user's own path, also a relative one or a link, whatever the folder is later."""
    made = record_class("asset:Mask")
    source = tmp_path / "mask.png"
    source.write_text("mask")
    (tmp_path / "link.png").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    rows = staged(
        state, *(made(Image="1", x=x) for x in ("mask.png", Path("link.png"), str(source)))
    )
    monkeypatch.chdir("/")
    store(state, register(state, "Mask", "renamed.png", source))  # registered afterwards
    wanted = asset_rid(state.execution_rid, "Mask", "renamed.png")
    assert {resolved_values(row, state)["x"] for row in rows} == {wanted}


def test_a_moved_run_store_changes_nothing(record_class: Any, state: State, tmp_path: Path) -> None:
    """EXE-26: the path says which asset it is of, wherever the run store stands."""
    made = record_class("asset:Mask")
    mask = register(state, "Mask", "1.png")
    staged(state, made(Image="1", x=mask))
    store(state, mask)
    moved = tmp_path / "elsewhere" / state.folder.name
    shutil.move(state.folder, moved)
    there = State.open(moved)
    assert resolved_values(there.features()[0], there)["x"] == mask.asset_rid


def test_an_input_asset_and_an_id(record_class: Any, state: State) -> None:
    """EXE-26: what is published already keeps its id."""
    made = record_class("asset:Mask")
    folder = state.working_dir / "inputs" / "assets" / "Mask" / ("d" * 32)
    rows = staged(state, made(Image="1", x=folder / "1.png"), made(Image="2", x=RID))
    assert [resolved_values(row, state)["x"] for row in rows] == [
        asset_rid("d" * 32, "Mask", "1.png"), RID,
    ]  # fmt: skip


def test_an_unresolved_path_is_an_error(record_class: Any, state: State, tmp_path: Path) -> None:
    """EXE-26: no path is ever published; all problems in one error, and nothing is lost."""
    made = record_class("asset:Mask")
    stray = state.working_dir / "assets" / "Mask" / "stray.png"
    (tmp_path / "nowhere.png").write_text("never registered")
    mask = register(state, "Mask", "1.png")
    source = tmp_path / "twice.png"
    source.write_text("mask")
    store(state, register(state, "Mask", "a.png", source), register(state, "Mask", "b.png", source))
    rows = staged(
        state,
        *(made(Image="1", x=x) for x in (tmp_path / "nowhere.png", stray, mask, source)),
    )
    with pytest.raises(FeatureError) as error:
        feature_blobs(rows, state)
    said = error.value.message.split("; ")
    assert [part.partition(": ")[0] for part in said] == ["Image/F, x"] * 4
    for part, what in zip(
        said, ("no asset", "no asset", "not been stored", "2 times"), strict=True
    ):
        assert what in part
    assert len(state.features("pending")) == 4


def test_the_wrong_kind_of_asset(record_class: Any, state: State) -> None:
    """EXE-26: a model is no mask, and is found out before anything is staged."""
    made = record_class("asset:Mask")
    with pytest.raises(FeatureError, match="kind Mask, and this one is a Model"):
        staged_rows([made(Image="1", x=register(state, "Model", "m.pt"))])


def test_what_could_never_be_published_is_not_staged(
    record_class: Any, layout: Layout, state: State, tmp_path: Path
) -> None:
    """EXE-26: an unknown id, a file that is not there, another execution's file: said at once."""
    made = record_class("asset?:Mask")
    published = put_mask(layout, 1, "Mask"), put_mask(layout, 2, "Model")
    mine = register(state, "Mask", "mine.png")
    model = register(state, "Model", "m.pt")
    other = tmp_path / ("d" * 32) / "execution" / "assets" / "Mask" / "1.png"
    for value, said in (
        (RID, f"neither the ledger nor this execution has an asset {RID}"),
        (published[1], "this one is a Model"),
        (model.asset_rid, "this one is a Model"),
        (tmp_path / "nowhere.png", "there is no file"),
        (other, "no asset of this execution"),
    ):
        with pytest.raises(FeatureError, match=said):
            staged_rows([made(Image="1", x=value)], layout=layout, state=state)
    for value in (published[0], mine.asset_rid, mine, str(mine), None):
        assert staged_rows([made(Image="1", x=value)], layout=layout, state=state)


def test_the_ledger_must_have_the_feature(record_class: Any, layout: Layout) -> None:
    """EXE-25: nobody could read values of a feature that is not there, or is another."""
    made = record_class("float?")
    path = feature_path(layout, "Image", "F")
    path.unlink()
    with pytest.raises(NotFoundError, match="no feature Image/F"):
        staged_rows([made(Image="1")], layout=layout)
    create_feature(layout, "Image", "F", {"x": float})
    with pytest.raises(FeatureError, match="another Image/F than the ledger has"):
        staged_rows([made(Image="1")], layout=layout)


def test_a_file_that_is_registered_twice(
    record_class: Any, layout: Layout, state: State, tmp_path: Path
) -> None:
    """EXE-26: the column's kind of asset says which of them is meant; a wrong one is an error."""
    made = record_class("asset:Mask")
    source = tmp_path / "both.png"
    source.write_text("both")
    store(state, register(state, "Model", "both.png", source))
    rows = staged(state, made(Image="1", x=source))
    with pytest.raises(FeatureError, match="is a Model, and no Mask"):
        feature_blobs(rows, state, layout)
    store(state, mask := register(state, "Mask", "both.png", source))
    (blob,) = feature_blobs(rows, state, layout)
    assert json.loads(blob.data)["x"] == mask.asset_rid


# --- what is published ---------------------------------------------------------------------


def test_one_blob_for_each_feature(record_class: Any, state: State) -> None:
    """EXE-31: JSON lines in the order they were added; the same rows give the same bytes."""
    one, other = record_class("asset:Mask", "One"), record_class(float, "Other")
    mask = register(state, "Mask", "1.png")
    staged(state, one(Image="2", x=mask))
    staged(state, other(Image="1", x=math.nan), other(Image="2", x=1))
    rows = staged(state, one(Image="1", x=mask))
    store(state, mask)
    blobs = feature_blobs(rows, state)
    assert [(b.target, b.feature, b.ids, b.count) for b in blobs] == [
        ("Image", "One", [1, 4], 2),
        ("Image", "Other", [2, 3], 2),
    ]
    assert [json.loads(line) for line in blobs[0].data.splitlines()] == [
        {"Image": "2", "x": mask.asset_rid},
        {"Image": "1", "x": mask.asset_rid},
    ]
    assert blobs[1].data == b'{"Image":"1","x":"NaN"}\n{"Image":"2","x":1.0}\n'
    assert [b.data for b in feature_blobs(rows, State.open(state.folder))] == [
        b.data for b in blobs
    ]
    assert feature_blobs([], state) == []
