"""Alternatives and ranges of ``--sweep`` (QUE-01, trap 16)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import UnsafeValueError, UsageError
from aexp.model.axes import cross, parse_axes
from aexp.model.canonical import Json
from aexp.model.statepoint import job_id, nest_keys
from aexp.model.values import parse_assignments

WORDS = st.text("abcXYZ019.-+_e ", min_size=1, max_size=8).filter(
    lambda text: text.strip() and ".." not in text
)


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("condition=full|cls, seed=0..3", {"condition": ["full", "cls"], "seed": [0, 1, 2, 3]}),
        ("n=3..0", {"n": [3, 2, 1, 0]}),
        ("n=0..10..5", {"n": [0, 5, 10]}),
        ("n=-1..1|7|0", {"n": [-1, 0, 1, 7]}),
        ("lr=1e-3|.5|true|null", {"lr": [0.001, 0.5, True, None]}),
        ("one=1|1.0|true", {"one": [1, 1.0, True]}),
        ("layers=[64,32]|[16]", {"layers": [[64, 32], [16]]}),
        ("name='a|b'|'c,d'", {"name": ["a|b", "c,d"]}),
        ("seed:=0|0..1", {"seed": ["0", "0..1"]}),
        ("path=../x|007..009|2026-01-01", {"path": ["../x", "007..009", "2026-01-01"]}),
        ("who=it's|that's", {"who": ["it's", "that's"]}),
    ],
)
def test_what_is_written_and_what_it_means(text: str, axes: dict[str, list[Json]]) -> None:
    """QUE-01: bars part alternatives, commas keys, two dots are a range with both its ends."""
    parsed = parse_axes([text])
    assert parsed == axes
    assert [list(map(type, v)) for v in parsed.values()] == [
        list(map(type, v)) for v in axes.values()
    ]


@given(st.lists(WORDS, min_size=1, max_size=3))
def test_one_intent_has_one_id(words: list[str]) -> None:
    """Trap 16: a value means the same in --sp and in --sweep, whatever it is."""
    try:
        single = [parse_assignments([f"k={word}"]) for word in words]
    except (UsageError, UnsafeValueError):
        return
    points = list(cross({}, parse_axes([f"k={'|'.join(words)}"])))
    ids = {job_id(point) for point in single}
    assert {job_id(nest_keys(point)) for point in points} == ids
    assert len(points) == len(ids)


def test_every_combination_in_order() -> None:
    """QUE-01: every combination once, the last axis fastest, with what --sp fixes."""
    points = list(cross({"z": 1}, parse_axes(["a=1|2", "b=x|y"])))
    assert [(p["z"], p["a"], p["b"]) for p in points] == [
        (1, 1, "x"), (1, 1, "y"), (1, 2, "x"), (1, 2, "y"),
    ]  # fmt: skip
    assert list(cross({"z": 1}, {})) == [{"z": 1}]


@pytest.mark.parametrize(
    "texts",
    [
        [""], ["seed"], ["=1"], ["seed="], ["seed=|"], ["seed=0,seed=1"], ["seed=0", "seed=1"],
        ["seed=[0"], ["seed=0..1000000000"], ["seed=0.." + "9" * 5000], ["a=0 b=1"],
    ],
)  # fmt: skip
def test_mistakes(texts: list[str]) -> None:
    """QUE-01: what is malformed, given twice or without bounds is refused in words."""
    with pytest.raises(UsageError, match="--sweep"):
        parse_axes(texts)


def test_a_key_is_fixed_or_varied() -> None:
    """QUE-01: one key in --sp and in --sweep is a mistake, below a dot as well."""
    with pytest.raises(UsageError, match="seed is given by --sp and by --sweep"):
        list(cross({"seed": 0}, {"seed": [1]}))
    with pytest.raises(UsageError, match=r"o\.lr is given"):
        list(cross({"o": {"lr": 1}}, {"o.lr": [2]}))
    with pytest.raises(UsageError, match="comes to 1000000 points"):
        list(cross({}, {"a": list(range(1000)), "b": list(range(1000))}))
    assert list(cross({"o": {"m": 1}}, {"o.lr": [2]})) == [{"o": {"m": 1}, "o.lr": 2}]
