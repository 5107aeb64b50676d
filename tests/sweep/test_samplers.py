"""Drawing the points of a sweep (SWP-03, SWP-04)."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import MissingExtraError, SweepConfigError
from aexp.sweep.samplers import draw
from aexp.sweep.spec import spec_from

quick = settings(deadline=None, max_examples=30)
METHODS = ("monte_carlo", "latin_hypercube", "sobol", "halton")
SEEDS = st.integers(0, 2**64 - 1)
UNIT = {"uniform": [0, 1]}


def values_of(parameters: Any, seed: int | None = 0, **spec: Any) -> list[dict[str, Any]]:
    """Return the points of a sweep."""
    return list(draw(spec_from({"parameters": parameters, **spec}), seed)[1])


def sampled(method: str, n: int, **distributions: Any) -> dict[str, Any]:
    """Return the parameters of a sampled sweep."""
    return {method: {"n": n, "parameters": distributions}}


def test_a_grid_is_every_combination_in_a_fixed_order() -> None:
    """SWP-03: the parameters by name, the last fastest, values as given; and not by their order
    in the spec, which a stored mapping does not have."""
    wanted = [(a, b) for a in (1, 2) for b in ("y", "x", None)]
    for grid in ({"a": [1, 2], "b": ["y", "x", None]}, {"b": ["y", "x", None], "a": [1, 2]}):
        assert [(p["a"], p["b"]) for p in values_of({"grid": grid})] == wanted


def test_fixed_values_and_repeats_are_in_every_point() -> None:
    """SWP-16: `fixed` goes to every state point, `repeat` counts from 0, side by side."""
    points = values_of(
        {"grid": {"opt.lr": [0.1, 0.2]}}, fixed={"opt": {"name": "sgd"}, "data": "d"}, repeat=2
    )
    assert points == [
        {"opt": {"name": "sgd", "lr": lr}, "data": "d", "repeat": repeat}
        for lr in (0.1, 0.2)
        for repeat in (0, 1)
    ]
    assert "repeat" not in values_of({"grid": {"a": [1]}})[0]
    assert values_of({"grid": {"a": [1]}}, repeat=1) == [{"a": 1, "repeat": 0}]


def test_explicit_rows_keep_their_types(tmp_path: Path) -> None:
    """SWP-03, trap 64: an integer stays one, beside floats, empty cells and texts of its column."""
    table = 'n,lr,name,layers\n1,0.1,a,"[64,32]"\n2,1,,true\n,1e-3,007," x"\n'
    (tmp_path / "points.csv").write_text(table, "utf-8")
    spec = spec_from({"parameters": {"explicit": "points.csv"}}, folder=tmp_path)
    rows = [
        {"n": 1, "lr": 0.1, "name": "a", "layers": [64, 32]},
        {"n": 2, "lr": 1, "layers": True},
        {"lr": 0.001, "name": "007", "layers": "x"},
    ]
    assert json.dumps(list(draw(spec)[1])) == json.dumps(rows)
    assert json.dumps(values_of({"explicit": rows})) == json.dumps(rows)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "line 1: not every column has a name"),
        ("a,,b\n1,2,3\n", "line 1: not every column has a name"),
        ("a,b,a\n1,2,3\n", "line 1: the column a is there twice"),
        ("a,a.b\n1,2\n", "'a.b' needs 'a'"),
        ("code_dirty\n1\n", "code_dirty is set by aexp"),
        ("a,b\n1,2\n3\n", "line 3: 1 cells under 2 columns"),
        ("a\n1\nnan\n", "line 3: nan is no value"),
        ('a\n"1\n', "line 2: unexpected end"),
        ("a\n1\nghp_" + "a1B2" * 9 + "\n", "point 2: the state point's a looks like a secret"),
    ],
)
def test_a_csv_file_that_does_not_fit(tmp_path: Path, table: str, message: str) -> None:
    """SWP-03, trap 32: refused with its line, before anything runs."""
    (tmp_path / "points.csv").write_text(table, "utf-8")
    with pytest.raises(SweepConfigError, match=r"points\.csv") as caught:
        list(draw(spec_from({"parameters": {"explicit": "points.csv"}}, folder=tmp_path))[1])
    assert message in caught.value.message


def test_a_csv_file_that_changed_is_refused(tmp_path: Path) -> None:
    """SWP-04: the points of a spec are those of the file that it was read with."""
    file = tmp_path / "points.csv"
    file.write_text("a\n1\n", "utf-8")
    spec = spec_from({"parameters": {"explicit": "points.csv"}}, folder=tmp_path)
    file.write_text("a\n2\n", "utf-8")
    with pytest.raises(SweepConfigError, match="has changed since"):
        list(draw(spec)[1])
    with pytest.raises(SweepConfigError, match="has changed"):
        spec_from(spec.to_json(), folder=tmp_path)


def test_a_csv_file_of_a_spreadsheet(tmp_path: Path) -> None:
    """SWP-03: with a byte order mark, CRLF and blank lines."""
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4\r\n")
    spec = spec_from({"parameters": {"explicit": "p.csv"}}, folder=tmp_path)
    assert list(draw(spec)[1]) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_a_product_crosses_its_blocks() -> None:
    """SWP-03: every point of one with every point of the others, the last fastest."""
    sobol = sampled("sobol", 3, x=UNIT)
    points = values_of({"product": [sobol, {"grid": {"a": [1, 2]}}, {"explicit": [{"b": 5}]}]})
    xs = [point["x"] for point in values_of(sobol)]
    assert points == [{"x": x, "a": a, "b": 5} for x in xs for a in (1, 2)]


@pytest.mark.parametrize("method", METHODS)
@quick
@given(SEEDS, st.integers(1, 40))
def test_a_seed_gives_the_same_points_bit_by_bit(method: str, seed: int, n: int) -> None:
    """SWP-04: drawn again, every bit is the same."""
    parameters = sampled(method, n, a={"normal": [0, 1]}, b={"integer": [-3, 3]}, c=UNIT)
    first, second = (values_of(parameters, seed) for _ in range(2))
    assert len(first) == n
    assert json.dumps(first) == json.dumps(second)
    assert values_of(parameters, (seed + 1) % 2**64) != first or n < 2


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_seed_is_chosen_and_told(method: str) -> None:
    """SWP-04, trap 59: `seed=None` is resolved once; the number told gives the same points."""
    spec = spec_from({"parameters": sampled(method, 5, x=UNIT)})
    seed, points = draw(spec)
    assert list(draw(spec, seed)[1]) == list(points)
    assert draw(spec)[0] != seed
    assert 0 <= seed < 2**63


def test_the_seed_that_counts() -> None:
    """SWP-04: the one given wins over the spec's own; a sweep without draws has one as well."""
    facts = {"n": 2, "seed": 7, "parameters": {"x": UNIT}}
    spec = spec_from({"parameters": {"monte_carlo": facts}})
    assert draw(spec)[0] == 7
    assert list(draw(spec, 8)[1]) == list(
        draw(spec_from({"parameters": {"monte_carlo": {**facts, "seed": 8}}}))[1]
    )
    assert isinstance(draw(spec_from({"parameters": {"grid": {"a": [1]}}}))[0], int)
    for wrong in (-1, 2**64, True, 1.0, "7"):
        with pytest.raises(SweepConfigError, match="no seed"):
            draw(spec, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["monte_carlo", "latin_hypercube"])
def test_a_parameter_has_a_stream_of_its_own_name(method: str) -> None:
    """SWP-04: another parameter, or another order, changes nothing of it."""
    alone = [p["lr"] for p in values_of(sampled(method, 9, lr=UNIT))]
    others = sampled(method, 9, width=UNIT, lr=UNIT, a=UNIT)
    assert [p["lr"] for p in values_of(others)] == alone
    assert [p["width"] for p in values_of(others)] != alone
    crossed = {"product": [sampled(method, 9, lr=UNIT), {"grid": {"b": [0]}}]}
    assert [p["lr"] for p in values_of(crossed)] == alone


def test_more_points_begin_with_the_same_ones() -> None:
    """SWP-04: where a method allows it, a longer sweep is the shorter one and more."""
    for method in ("monte_carlo", "sobol", "halton"):
        short, long = (values_of(sampled(method, n, x=UNIT, y=UNIT)) for n in (10, 3000))
        assert long[:10] == short
        assert len(long) == len({point["x"] for point in long}) == 3000


def test_the_order_of_a_mapping_changes_nothing() -> None:
    """SWP-04: a spec that was stored with its keys sorted draws the same points."""
    for method in METHODS:
        one = sampled(method, 8, b=UNIT, a={"normal": [0, 1]})
        two = sampled(method, 8, a={"normal": [0, 1]}, b=UNIT)
        assert values_of(one) == values_of(two)


def test_no_two_of_100_000_draws_are_the_same() -> None:
    """Trap 65: 32 bits would collide about once in 10^5 runs; the ends of a range are reached."""
    spec = spec_from({"parameters": sampled("monte_carlo", 100_000, s={"integer": [0, 2**63 - 1]})})
    found = {point["s"] for point in draw(spec, 3)[1]}
    assert len(found) == 100_000
    assert len({value % 2**32 for value in found}) > 99_990
    assert len({value >> 31 for value in found}) > 99_990


def test_streams_of_names_and_of_seeds_do_not_meet() -> None:
    """Trap 65: of many names and seeds no two share a value."""
    names = [f"p{number}" for number in range(40)]
    found: Counter[float] = Counter()
    for seed in range(20):
        for point in values_of(sampled("monte_carlo", 25, **dict.fromkeys(names, UNIT)), seed):
            found.update(point.values())
    assert len(found) == 20 * 25 * 40


@quick
@given(SEEDS, st.integers(1, 200))
def test_a_latin_hypercube_has_one_point_in_each_part(seed: int, n: int) -> None:
    """SWP-03: of n equal parts of every parameter each holds one point."""
    points = values_of(sampled("latin_hypercube", n, a=UNIT, b=UNIT), seed)
    for name in ("a", "b"):
        parts = sorted(min(int(point[name] * n), n - 1) for point in points)
        assert parts == list(range(n))


@pytest.mark.parametrize("seed", range(3))
def test_sobol_points_are_balanced(seed: int) -> None:
    """SWP-03: of 2^m points each elementary interval of any pair of parameters holds its share."""
    points = values_of(sampled("sobol", 256, a=UNIT, b=UNIT, c=UNIT), seed)
    for first, second in (("a", "b"), ("a", "c"), ("b", "c")):
        cells = Counter((int(p[first] * 4), int(p[second] * 4)) for p in points)
        assert set(cells.values()) == {16}
        assert len(cells) == 16


@pytest.mark.parametrize("seed", range(3))
def test_halton_points_are_balanced(seed: int) -> None:
    """SWP-03: of 2^k points in base 2, of 3^k in base 3, each part holds one."""
    points = values_of(sampled("halton", 81, a=UNIT, b=UNIT), seed)
    assert sorted(int(p["a"] * 64) for p in points[:64]) == list(range(64))
    assert sorted(int(p["b"] * 81) for p in points) == list(range(81))


@pytest.mark.parametrize("method", METHODS)
def test_draws_have_the_distribution_asked_for(method: str) -> None:
    """SWP-03: mean and deviation of 4096 normal draws, shares of a choice."""
    kinds = {"x": {"normal": [10, 2]}, "c": {"choice": ["a", "b", "c", "d"]}}
    points = values_of(sampled(method, 4096, **kinds), 11)
    mean = sum(p["x"] for p in points) / 4096
    deviation = math.sqrt(sum((p["x"] - mean) ** 2 for p in points) / 4096)
    assert abs(mean - 10) < 0.15
    assert abs(deviation - 2) < 0.1
    assert all(abs(n - 1024) < 130 for n in Counter(p["c"] for p in points).values())


def test_a_million_points_begin_at_once() -> None:
    """SWP-15: drawing is lazy; the first points do not wait for the last."""
    for parameters in (
        sampled("monte_carlo", 2**30, x=UNIT),
        sampled("sobol", 2**30, x=UNIT),
        {"grid": {"a": list(range(1000)), "b": list(range(1000))}},
        {"product": [{"grid": {"a": list(range(9000))}}, sampled("halton", 2**30, x=UNIT)]},
    ):
        points = draw(spec_from({"parameters": parameters}), 0)[1]
        assert len(list(islice(points, 3))) == 3


def test_a_state_point_that_is_too_large_is_refused() -> None:
    """SWP-02: each value fits, all of them do not; said when the sweep is planned."""
    with pytest.raises(SweepConfigError, match="first point: the state point has"):
        values_of({"grid": {"a": ["x" * 20_000], "b": ["y" * 20_000]}})


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-03: the message has the command that installs it; a grid needs neither."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    monkeypatch.delitem(sys.modules, "scipy.stats.qmc", raising=False)
    with pytest.raises(MissingExtraError, match="scipy") as caught:
        draw(spec_from({"parameters": sampled("sobol", 2, x=UNIT)}))
    assert caught.value.hint == 'pip install "aexp[sweep]"'
    assert len(values_of(sampled("monte_carlo", 2, x=UNIT))) == 2
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingExtraError, match="numpy"):
        draw(spec_from({"parameters": sampled("monte_carlo", 2, x=UNIT)}))
    assert len(values_of({"grid": {"a": [1, 2]}})) == 2
