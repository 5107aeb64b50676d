"""The table of a sweep (SWP-12): what it gathers, what it does with gaps, and in parts."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import MissingOutputWarning, StorageError, SweepConfigError
from aexp.registry import open_registry
from aexp.repo import Layout, open_layout
from aexp.sweep.frames import iter_frames, to_dataframe, write_dataset
from tests.support.machines import Machine
from tests.sweep.planned import ended, make_sweep

CSV = {"table": "results.csv"}


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    return open_layout(installed_repo.path)


def same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Tell whether two frames are equal bit by bit, types and index included."""
    pd.testing.assert_frame_equal(first, second, check_exact=True, check_freq=False)
    return True


def test_rows_of_all_points_under_their_numbers(layout: Layout) -> None:
    """SWP-12: files are put together under (run_id, row), with parameters and __status."""
    sweep = make_sweep(layout, [{"lr": 0.1}, {"lr": 0.2}], outputs=CSV)
    ended(sweep, 1, files={"results.csv": "step,loss\n0,0.5\n1,0.25\n"})
    ended(sweep, 0, files={"results.csv": "step,loss\n0,0.75\n"})
    frame = to_dataframe(sweep)
    assert frame.index.names == ["run_id", "row"]
    assert list(frame.index) == [(0, 0), (1, 0), (1, 1)]
    assert list(frame.columns) == ["lr", "step", "loss", "__status"]
    assert frame["loss"].tolist() == [0.75, 0.5, 0.25]
    assert frame["lr"].tolist() == [0.1, 0.2, 0.2]
    assert frame["step"].dtype == "int64" and set(frame["__status"]) == {"ok"}


def test_the_order_of_ending_does_not_matter(installed_repo: Machine, tmp_path: Path) -> None:
    """SWP-10, SWP-12: the same points give the same table, bit by bit, however they came about."""
    layout = open_layout(installed_repo.path)
    frames = []
    for number, order in enumerate(([0, 1, 2, 3], [3, 1, 0, 2])):
        sweep = make_sweep(
            layout, [{"n": n} for n in range(4)], outputs=CSV, sweep_id=f"{number:016x}"
        )
        for run_id in order:
            if run_id == 2:
                ended(sweep, run_id, "failed")
            ended(sweep, run_id, files={"results.csv": f"x,y\n{run_id},{run_id / 3!r}\n"})
        frames.append(to_dataframe(sweep))
    assert same(*frames)


def test_failed_and_skipped_points_are_one_row(layout: Layout) -> None:
    """SWP-12: they are present; integers beside the gap stay integers."""
    sweep = make_sweep(layout, [{"n": n} for n in range(4)], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "k,ok\n9007199254740993,true\n"})
    ended(sweep, 1, "failed", files={"results.csv": "k,ok\n5,false\n"})
    ended(sweep, 2, "skipped")
    frame = to_dataframe(sweep)
    assert frame["__status"].tolist() == ["ok", "failed", "skipped"]
    assert frame["n"].tolist() == [0, 1, 2]
    assert frame["k"].dtype == "Int64" and frame["k"].iloc[0] == 9007199254740993
    assert frame["ok"].dtype == "boolean" and frame["k"].isna().tolist() == [False, True, True]
    assert frame.index[0] == (0, 0) and pd.isna(frame.index[1][1])


@pytest.mark.parametrize("damage", ["gone", "truncated", "changed", "never written", "folder"])
def test_missing_output_is_told_and_nothing_crashes(layout: Layout, damage: str) -> None:
    """Trap 67: an ok point whose output is gone or damaged is one row and a warning."""
    sweep = make_sweep(layout, [{"n": 0}, {"n": 1}], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "x\n1\n"})
    ended(sweep, 1, files={} if damage == "never written" else {"results.csv": "x\n10\n20\n"})
    path = sweep.folder / "out" / "1" / "results.csv"
    if damage in ("gone", "folder"):
        path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "truncated":
        path.write_text("x\n10\n")
    elif damage == "changed":
        path.write_text("x\n10\n21\n")
    with pytest.warns(MissingOutputWarning, match=r"1 finished point .*\(1\)"):
        frame = to_dataframe(sweep)
    assert frame["__status"].tolist() == ["ok", "missing"]
    assert frame["x"].tolist()[0] == 1 and frame["x"].isna().tolist() == [False, True]


def test_all_outputs_missing(layout: Layout) -> None:
    """Trap 67: also when there is not a single file left."""
    sweep = make_sweep(layout, [{"n": 0}], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "x\n1\n"})
    (sweep.folder / "out" / "0" / "results.csv").unlink()
    with pytest.warns(MissingOutputWarning):
        frame = to_dataframe(sweep)
    assert frame["__status"].tolist() == ["missing"] and frame["n"].tolist() == [0]


def test_a_file_that_is_not_here_comes_from_the_registry(layout: Layout) -> None:
    """SWP-11: what a pull brought is used, by its digest."""
    sweep = make_sweep(layout, [{"n": 0}], outputs=CSV)
    data = b"x\n0.1\n"
    ended(sweep, 0, files={"results.csv": data})
    before = to_dataframe(sweep)
    (sweep.folder / "out" / "0" / "results.csv").unlink()
    registry = open_registry(layout)
    registry.initialise()
    registry.put(data)
    assert same(to_dataframe(sweep), before)


def parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def test_a_parquet_file_keeps_its_index(layout: Layout) -> None:
    """Seed 003: (run_id, time), as the files have it; a failed run has no time."""
    sweep = make_sweep(layout, [{"n": n} for n in range(3)], outputs={"table": "out.parquet"})
    for run_id in (0, 1):
        times = pd.Index(pd.to_datetime(["2026-01-01", "2026-01-02"]), name="time")
        body = pd.DataFrame({"x": [run_id + 0.1, run_id + 0.2]}, index=times)
        ended(sweep, run_id, files={"out.parquet": parquet(body)})
    ended(sweep, 2, "failed")
    frame = to_dataframe(sweep, parameters=False)
    assert frame.index.names == ["run_id", "time"]
    assert list(frame.columns) == ["x", "__status"]
    assert frame.index[4][0] == 2 and pd.isna(frame.index[4][1])
    assert frame.loc[(1, pd.Timestamp("2026-01-02")), "x"] == 1.2


def test_json_lines(layout: Layout) -> None:
    """SWP-12: JSON lines, with the NaN that Python writes, and a column only some rows have."""
    sweep = make_sweep(layout, [{"n": 0}], outputs={"table": "out.jsonl"})
    rows = [{"a": 1, "b": 0.1}, {"a": 2, "b": math.nan, "c": "x"}]
    ended(sweep, 0, files={"out.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    frame = to_dataframe(sweep)
    assert frame["a"].tolist() == [1, 2] and frame["c"].tolist() == [None, "x"]
    assert frame["b"].iloc[0] == 0.1 and math.isnan(frame["b"].iloc[1])


def test_columns_that_differ(layout: Layout) -> None:
    """SWP-12: whole numbers beside numbers become numbers, other mixtures the files' own text."""
    sweep = make_sweep(layout, [{"n": n} for n in range(3)], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "a,b\n1,007\n"})
    ended(sweep, 1, files={"results.csv": "a,b\n0.5,none\n"})
    ended(sweep, 2, files={"results.csv": "c\n3\n"})
    frame = to_dataframe(sweep)
    assert frame["a"].tolist()[:2] == [1.0, 0.5] and frame["a"].dtype == "float64"
    assert frame["b"].tolist() == ["007", "none", None]
    assert frame["c"].dtype == "Int64" and frame["c"].iloc[2] == 3


def test_a_type_that_shows_late(layout: Layout) -> None:
    """SWP-12: all of a file says what a column is, not its first megabyte."""
    sweep = make_sweep(layout, [{"n": 0}], outputs=CSV)
    text = "x\n" + "12345678\n" * 150_000 + "0.5\n"
    ended(sweep, 0, files={"results.csv": text})
    frame = to_dataframe(sweep)
    assert frame["x"].dtype == "float64" and frame["x"].iloc[-1] == 0.5 and len(frame) == 150_001


def test_names_that_are_taken(layout: Layout) -> None:
    """SWP-12: nothing is lost when a file has a column called like a parameter, or like ours."""
    sweep = make_sweep(layout, [{"lr": 0.1, "x": 1}], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "lr,run_id,__status,row\n0.5,9,good,4\n"})
    frame = to_dataframe(sweep)
    assert frame.index.names == ["run_id", "__row"]
    assert frame.reset_index().iloc[0].to_dict() == {
        "run_id": 0, "__row": 0, "lr (parameter)": 0.1, "x": 1, "lr": 0.5,
        "run_id (output)": 9, "__status (output)": "good", "row": 4, "__status": "ok",
    }  # fmt: skip


def test_parameters_keep_their_types(layout: Layout) -> None:
    """Trap 64: integers stay integers; nested keys get dots; lists are text; gaps are gaps."""
    rows: list[dict[str, Any]] = [
        {"n": 1, "opt": {"name": "adam"}, "w": [64, 32], "f": True, "m": 1, "z": 2**60 + 1},
        {"n": 2, "opt": {"name": "sgd"}, "w": [8], "f": False, "m": "two"},
    ]
    sweep = make_sweep(layout, rows, outputs=CSV)
    for run_id in (0, 1):
        ended(sweep, run_id, files={"results.csv": "x\n1\n"})
    frame = to_dataframe(sweep)
    assert frame["n"].dtype == "int64" and frame["f"].dtype == "bool"
    assert frame["opt.name"].tolist() == ["adam", "sgd"]
    assert frame["w"].tolist() == ["[64, 32]", "[8]"]
    assert frame["m"].tolist() == ["1", "two"]
    assert frame["z"].dtype == "Int64" and frame["z"].iloc[0] == 2**60 + 1


def test_several_outputs(layout: Layout) -> None:
    """SWP-16: which output is gathered can be said; an unknown one is refused."""
    sweep = make_sweep(layout, [{"n": 0}], outputs={"curve": "curve.csv", "final": "final.csv"})
    ended(sweep, 0, files={"curve.csv": "x\n1\n2\n", "final.csv": "y\n3\n"})
    assert to_dataframe(sweep, output="curve")["x"].tolist() == [1, 2]
    assert to_dataframe(sweep, output="final")["y"].tolist() == [3]
    with pytest.raises(SweepConfigError, match="several outputs: curve, final"):
        to_dataframe(sweep)
    with pytest.raises(SweepConfigError, match="no output 'figure'"):
        to_dataframe(sweep, output="figure")
    other = make_sweep(layout, [{"n": 0}], outputs={"table": "a.png"}, sweep_id="a" * 16)
    with pytest.raises(SweepConfigError, match=r"a\.png is no table"):
        to_dataframe(other)


def test_an_index_of_choice(layout: Layout) -> None:
    """SWP-12: columns of the files can be the index; one that no file has is refused."""
    sweep = make_sweep(layout, [{"n": 0}], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "t,x\n0.5,1\n1.5,2\n"})
    frame = to_dataframe(sweep, index="t")
    assert list(frame.index) == [(0, 0.5), (0, 1.5)] and list(frame.columns)[-2:] == [
        "x",
        "__status",
    ]
    with pytest.raises(SweepConfigError, match="no column 'time'"):
        to_dataframe(sweep, index="time")


def test_empty_files(layout: Layout) -> None:
    """SWP-12: a table without rows adds none; a CSV without a byte is one."""
    sweep = make_sweep(layout, [{"n": n} for n in range(3)], outputs=CSV)
    ended(sweep, 0, files={"results.csv": ""})
    ended(sweep, 1, files={"results.csv": "x\n"})
    ended(sweep, 2, files={"results.csv": "x\n1\n"})
    frame = to_dataframe(sweep)
    assert list(frame.index) == [(2, 0)] and frame["x"].tolist() == [1]


def test_a_sweep_that_has_not_begun(layout: Layout) -> None:
    """SWP-12: no point, no row, and the frame is a frame all the same."""
    for number, outputs in enumerate(({}, CSV)):
        sweep = make_sweep(layout, [{"n": 0}], outputs=outputs, sweep_id=f"{number:016x}")
        frame = to_dataframe(sweep)
        assert len(frame) == 0 and "__status" in frame.columns


VALUES = st.sampled_from(
    ["1", "0.1", "-3", "true", "x", "", "2026-01-01", "1e300", "9007199254740993", "nan"]
)


@settings(max_examples=60)
@given(
    cells=st.lists(
        st.lists(st.tuples(VALUES, VALUES), max_size=3) | st.sampled_from(["failed", "skipped"]),
        min_size=1,
        max_size=6,
    ),
    runs=st.integers(1, 4),
)
def test_parts_are_the_whole(
    cells: list[Any], runs: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SWP-12: the frames of iter_frames, and the dataset, hold the table bit by bit."""
    folder = tmp_path_factory.mktemp("parts")
    layout = open_layout(folder, require_git=False)
    sweep = make_sweep(layout, [{"n": n} for n in range(len(cells))], outputs=CSV)
    for run_id, rows in enumerate(cells):
        if isinstance(rows, str):
            ended(sweep, run_id, rows)
        else:
            text = "".join(f"{a},{b}\n" for a, b in rows)
            ended(sweep, run_id, files={"results.csv": "a,b\n" + text})
    whole = to_dataframe(sweep)
    parts = list(iter_frames(sweep, runs=runs))
    assert all(part.dtypes.equals(whole.dtypes) for part in parts)
    filled = [part for part in parts if len(part)] or parts[:1]
    assert same(pd.concat(filled), whole)
    rows = pq.read_table(write_dataset(sweep, folder / "set", runs=runs))
    assert rows.num_rows == len(whole)
    assert rows.column("__status").to_pylist() == whole["__status"].tolist()


def test_more_than_memory(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-12: with nothing kept from the first look, the table is the same."""
    sweep = make_sweep(layout, [{"n": n} for n in range(5)], outputs=CSV)
    for run_id in range(5):
        ended(sweep, run_id, files={"results.csv": f"x\n{run_id}\n{run_id / 7!r}\n"})
    whole = to_dataframe(sweep)
    monkeypatch.setattr("aexp.sweep.frames.KEPT_BYTES", -1)
    assert same(pd.concat(iter_frames(sweep, runs=2)), whole)


def test_a_dataset_is_written_once(layout: Layout, tmp_path: Path) -> None:
    """SWP-12: a folder that is there is left as it is."""
    sweep = make_sweep(layout, [{"n": 0}], outputs=CSV)
    ended(sweep, 0, files={"results.csv": "x\n1\n"})
    folder = write_dataset(sweep, tmp_path / "set")
    assert pq.read_table(folder).num_rows == 1
    with pytest.raises(StorageError, match="exists already"):
        write_dataset(sweep, folder)
    assert sorted(p.name for p in tmp_path.iterdir() if "set" in p.name) == ["set"]
