"""The file of a sweep's points (SWP-04)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import (
    CorruptDataError,
    NewerSchemaError,
    NotFoundError,
    StorageError,
    SweepConfigError,
)
from aexp.model.statepoint import point_id
from aexp.model.sweep import Explicit, Point, SweepSpec
from aexp.sweep.points import HEADER_BYTES, Points, PointsHeader, write_points
from aexp.sweep.samplers import draw
from aexp.sweep.spec import spec_from

SWEEP = "0123456789abcdef"
SPEC = {
    "experiment": "E001",
    "parameters": {
        "product": [
            {"grid": {"model": ["a", "b"], "opt.kind": [1, 1.0]}},
            {"monte_carlo": {"n": 30, "parameters": {"lr": {"loguniform": [1e-4, 1e-1]}}}},
        ]
    },
    "fixed": {"data": "zürich"},
    "repeat": 2,
}
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=5,
)


def written(path: Path, spec: Any = SPEC, seed: int | None = 7) -> PointsHeader:
    """Write the points of a spec."""
    return write_points(path, SWEEP, spec_from(spec), seed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the place of a file of points."""
    return tmp_path / "sweep" / "points.jsonl"


def test_the_file_is_as_it_is_documented(path: Path) -> None:
    """SWP-04, ADR 8: a header with the digest of the lines, then a line for each point."""
    header = written(path)
    first, *lines = path.read_bytes().splitlines(keepends=True)
    assert json.loads(first) == {
        "format": "aexp.points",
        "version": 1,
        "sweep_id": SWEEP,
        "seed": 7,
        "experiment": "E001",
        "count": 240,
        "size": sum(map(len, lines)),
        "digest": "sha256:" + hashlib.sha256(b"".join(lines)).hexdigest(),
    }
    assert len(first) == HEADER_BYTES
    assert header.count == len(lines) == 240
    for number, (line, values) in enumerate(zip(lines, draw(spec_from(SPEC), 7)[1], strict=True)):
        point = json.loads(line)
        assert json.dumps(point["values"], sort_keys=True) == json.dumps(values, sort_keys=True)
        assert point["run_id"] == number
        assert point["point_id"] == point_id({"experiment_id": "E001", **values})
        assert set(point) == {"run_id", "point_id", "values"}


def test_every_point_is_found_by_its_number(path: Path) -> None:
    """SWP-04: in any order, and going through all gives the same."""
    written(path)
    with Points(path) as points:
        every = list(points)
        assert len(points) == len(every) == 240
        assert [points[i] for i in reversed(range(240))] == every[::-1]
        assert [point.run_id for point in every] == list(range(240))
        for outside in (-1, 240, 10**9):
            with pytest.raises(IndexError, match="has no point"):
                points[outside]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for many examples."""
    return tmp_path_factory.mktemp("points")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.dictionaries(st.text("abcé", min_size=1), VALUES, max_size=3), min_size=1))
def test_values_come_back_bit_by_bit(folder: Path, rows: list[dict[str, Any]]) -> None:
    """SWP-04, traps 64, 69: what was written is read: 1 as 1, 1.0 as 1.0, texts of any kind."""
    path = folder / "points.jsonl"
    written(path, SweepSpec(parameters=Explicit(rows=tuple(rows))))
    with Points(path) as points:
        found = [points[number].values for number in range(len(rows))]
    wanted, got = (json.dumps(values, sort_keys=True) for values in (rows, found))
    assert got == wanted


def test_long_and_short_lines_side_by_side(path: Path) -> None:
    """SWP-04: bisection by bytes finds a point between lines of very different lengths."""
    rows = tuple({"a": "x" * (9000 if number % 7 == 3 else 0), "n": number} for number in range(60))
    written(path, SweepSpec(parameters=Explicit(rows=rows)))
    with Points(path) as points:
        assert [points[number].values["n"] for number in range(60)] == list(range(60))


def test_the_same_plan_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    """SWP-11: derived again, the file has the digest that was recorded; another seed has not."""
    first = written(path)
    again = written(tmp_path / "again.jsonl")
    assert again == first
    assert path.read_bytes() == (tmp_path / "again.jsonl").read_bytes()
    assert written(tmp_path / "other.jsonl", seed=8).digest != first.digest


def test_a_seed_that_nobody_gave_stands_in_the_header(path: Path, tmp_path: Path) -> None:
    """SWP-04, trap 59: with it the same points are drawn."""
    header = written(path, seed=None)
    assert written(tmp_path / "again.jsonl", seed=header.seed) == header


def test_the_same_point_in_two_sweeps_is_the_same_run(path: Path, tmp_path: Path) -> None:
    """SWP-02: its point id hangs on its values and the experiment alone."""
    grid = {"experiment": "E001", "parameters": {"grid": {"lr": [0.1, 0.2]}}}
    rows = {"experiment": "E001", "parameters": {"explicit": [{"lr": 0.2}]}}
    written(path, grid)
    write_points(tmp_path / "two.jsonl", "f" * 16, spec_from(rows), None)
    other = {**rows, "experiment": "E002"}
    write_points(tmp_path / "three.jsonl", SWEEP, spec_from(other), None)
    ids = []
    for file, number in ((path, 1), (tmp_path / "two.jsonl", 0), (tmp_path / "three.jsonl", 0)):
        with Points(file) as points:
            ids.append(points[number].point_id)
    assert ids[0] == ids[1] != ids[2]


# --- damage --------------------------------------------------------------------------------------


def test_any_byte_that_changed_is_noticed(path: Path) -> None:
    """SWP-04: going through the file refuses damage of any one byte, wherever it is."""
    written(path, {**SPEC, "repeat": 1, "parameters": {"grid": {"a": [1, 22, 333]}}})
    whole = path.read_bytes()
    # The sweep's id and seed stand in its manifest too, where they are compared.
    named = [(whole.index(text), len(text)) for text in (SWEEP.encode(), b'"seed":7')]
    filling = range(whole.index(b"}") + 1, HEADER_BYTES - 1)
    for place in range(len(whole)):
        if place in filling or any(start <= place < start + size for start, size in named):
            continue
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CorruptDataError), Points(path) as points:
            points.verify()


def test_a_point_that_changed_is_not_handed_out(path: Path) -> None:
    """SWP-04: one that is asked for by its number proves itself by its point id."""
    written(path, {"parameters": {"grid": {"a": [111, 222, 333]}}})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"a":222', b'"a":223'))
    with Points(path) as points:
        assert points[0].values == {"a": 111}
        with pytest.raises(CorruptDataError, match="the line of point 1 is damaged"):
            points[1]
        with pytest.raises(CorruptDataError):
            points.verify()


def test_lines_that_were_exchanged_are_noticed(path: Path) -> None:
    """SWP-04: each is whole, their order is not."""
    written(path, {"parameters": {"grid": {"a": [1, 2, 3, 4]}}})
    head, one, two, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((head, two, one, *rest)))
    with Points(path) as points, pytest.raises(CorruptDataError, match="line of point 0"):
        points.verify()
    with Points(path) as points, pytest.raises(CorruptDataError):
        [points[number] for number in range(4)]


@pytest.mark.parametrize("change", ["cut", "longer", "empty", "no header"])
def test_a_file_of_another_length_is_refused_at_once(path: Path, change: str) -> None:
    """SWP-04: a torn copy is not opened; a line that is missing is never a point that is."""
    written(path)
    whole = path.read_bytes()
    damaged = {"cut": whole[:-10], "longer": whole + b"{}\n", "empty": b"",
               "no header": whole[HEADER_BYTES:]}[change]  # fmt: skip
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError, match=r"points\.jsonl: it"):
        Points(path)


def test_a_newer_file_is_refused(path: Path) -> None:
    """SWP-07: with the hint to install the newest aexp."""
    written(path)
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    with pytest.raises(NewerSchemaError, match="version 2"):
        Points(path)


def test_a_file_that_is_not_there(path: Path) -> None:
    """Trap 32: one line."""
    with pytest.raises(NotFoundError, match="there is no file"):
        Points(path)


# --- writing -------------------------------------------------------------------------------------


def test_a_plan_that_fails_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    """SWP-04, trap 60: all of the points or none; what stood there before stays."""
    before = written(path)
    (tmp_path / "p.csv").write_text("a\n1\n2\nnan\n", "utf-8")
    bad = spec_from({"parameters": {"explicit": "p.csv"}}, folder=tmp_path)
    with pytest.raises(SweepConfigError, match="line 4"):
        write_points(path, SWEEP, bad, 1)
    assert [child.name for child in path.parent.iterdir()] == ["points.jsonl"]
    with Points(path) as points:
        assert points.header == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Trap 32: a file where a folder belongs is said in one line."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(StorageError, match="cannot write"):
        written(tmp_path / "file" / "points.jsonl")


def test_points_are_values(path: Path) -> None:
    """ADR 8: what reads a file gives plain frozen points."""
    written(path, {"parameters": {"grid": {"a": [1]}}})
    with Points(path) as points:
        assert points[0] == Point(0, point_id({"a": 1}), {"a": 1})
