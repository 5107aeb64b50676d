"""How text on a command line becomes values of a state point."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import UnsafeValueError, UsageError
from aexp.model.statepoint import check_statepoint
from aexp.model.values import parse_assignments, parse_value, split_commas

quick = settings(deadline=None, max_examples=60)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-3", -3),
        ("+1", 1),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+1.5e2", 150.0),
        ("1.0", 1.0),
        ("true", True),
        ("null", None),
        ("True", "True"),
        ("[64,32]", [64, 32]),
        ('{"a": 1}', {"a": 1}),
        ('"7"', "7"),
        ("adam", "adam"),
        ("2026-11-21", "2026-11-21"),
        ("2026-11-21T12:00:00", "2026-11-21T12:00:00"),
        ("007", "007"),
        ("00.5", "00.5"),
        ("-01", "-01"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1.2.3", "1.2.3"),
        ("nano", "nano"),
        ("٣", "٣"),
        ("[64,", "[64,"),
        ("", ""),
        (".", "."),
        ("123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_values(text: str, value: Any) -> None:
    """Trap 16: one rule from text to value, exact in type."""
    assert repr(parse_value(text)) == repr(value)


@quick
@given(VALUES)
def test_json_means_itself(value: Any) -> None:
    """Trap 16: whatever is JSON is read as that JSON, alone and as an assignment."""
    text = json.dumps(value)
    assert repr(parse_value(text)) == repr(value)
    if not isinstance(value, dict):
        assert repr(parse_assignments([f"other=1,key={text},last=2"])["key"]) == repr(value)


@pytest.mark.parametrize("text", ["1e400", "-1e400", ".1e999", "9" * 5000])
def test_numbers_too_large(text: str) -> None:
    """Trap 16: a number that cannot be held is refused, not turned into something else."""
    with pytest.raises(UnsafeValueError, match="too large"):
        parse_value(text)


@pytest.mark.parametrize("text", ["NaN", "nan", "Infinity", "-inf", "+INF", " nan "])
def test_what_is_no_number(text: str) -> None:
    """model.md 10: NaN and infinity are refused as values, and not taken for their names."""
    with pytest.raises(UnsafeValueError, match="no value"):
        parse_value(text)
    assert parse_assignments([f"k:={text}"]) == {"k": text.strip()}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["note='a b=1'"], {"note": "a b=1"}),
        (["note:=a b=1"], {"note": "a b=1"}),
        (["lr=0.1,seed=0"], {"lr": 0.1, "seed": 0}),
        (["lr=0.1", "seed=0"], {"lr": 0.1, "seed": 0}),
        ([" lr = 0.1 , seed = 0 ,"], {"lr": 0.1, "seed": 0}),
        (["k:=1"], {"k": "1"}),
        (["k:=true"], {"k": "true"}),
        (["k='1'"], {"k": "1"}),
        (['k="1"'], {"k": "1"}),
        (['k="a\\nb"'], {"k": "a\nb"}),
        (['k="\\q"'], {"k": "\\q"}),
        (["k="], {"k": ""}),
        (["k=a=b"], {"k": "a=b"}),
        (["layers=[64,32],x=1"], {"layers": [64, 32], "x": 1}),
        (['note="a, b",x=1'], {"note": "a, b", "x": 1}),
        (["note='a, b',x=1"], {"note": "a, b", "x": 1}),
        (["note=it's,x=1"], {"note": "it's", "x": 1}),
        (['m={"a":[1,2],"b":"x,y"},x=1'], {"m": {"a": [1, 2], "b": "x,y"}, "x": 1}),
        (["f=max(1,2)"], {"f": "max(1,2)"}),
        (["optimizer.lr=0.1,optimizer.name=adam"], {"optimizer": {"lr": 0.1, "name": "adam"}}),
        (["a.b.c=1", "a.b.d=2"], {"a": {"b": {"c": 1, "d": 2}}}),
        (['a={"b":1}', "a.c=2"], {"a": {"b": 1, "c": 2}}),
        (["a=1", "a=1"], {"a": 1}),
    ],
)
def test_assignments(texts: list[str], expected: dict[str, Any]) -> None:
    """RUN-01: how ``--sp`` options spell a state point."""
    assert repr(parse_assignments(texts)) == repr(expected)


@pytest.mark.parametrize(
    "texts",
    [
        [""],
        [","],
        ["lr"],
        ["lr=0.1 seed=0"],
        ["a b=1"],
        ["--lr=1"],
        ["=1"],
        [":=1"],
        [" =1"],
        ["a=[1,2"],
        ['a="x,b=1'],
        ["a=1,a=2"],
        ["a=1", "a=1.0"],
        ["a=1", "a=true"],
        ["a=[1]", "a=[true]"],
        ["opt=adam,opt.lr=1"],
        ["opt.lr=1,opt=adam"],
        ['opt={"lr":1}', "opt.lr=2"],
        ["opt.lr=2", 'opt={"lr":1}'],
        ["opt.lr=1", 'opt={"lr":true}'],
        ["a..b=1"],
        [".a=1"],
        ["a.=1"],
    ],
)
def test_bad_assignments(texts: list[str]) -> None:
    """RUN-01: a slip or a contradiction is refused, whatever the order."""
    with pytest.raises(UsageError):
        parse_assignments(texts)


def test_a_forced_string_is_not_a_number() -> None:
    """Trap 16: ``seed=0`` and ``seed:=0`` are two values, and both may be recorded."""
    for text, value in (("seed=0", 0), ("seed:=0", "0")):
        point = parse_assignments([text])
        check_statepoint(point)
        assert point == {"seed": value}


@quick
@given(st.lists(st.text(st.characters(exclude_characters=",'\"[](){}", codec="utf-8"))))
def test_commas_part(parts: list[str]) -> None:
    """RUN-01: without brackets and quotes, every comma parts."""
    assert split_commas(",".join(parts)) == [part.strip() for part in parts if part.strip()]
