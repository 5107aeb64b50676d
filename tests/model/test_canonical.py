"""Canonical JSON and the two identities that rest on it."""

from __future__ import annotations

import enum
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signac.job import calc_id
from synced_collections.backends.collection_json import JSONDict

from aexp.errors import UnsafeValueError
from aexp.model.canonical import (
    canonical_bytes,
    compact_bytes,
    decode_json,
    decode_number,
    digest_of,
    encode_number,
    has_signac_id,
    signac_id,
    to_json,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = (
    st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def same(one: Any, two: Any) -> bool:
    """Compare with types: 1, 1.0 and True differ, -0.0 and 0.0 too."""
    return repr(one) == repr(two)


# --- the ledger's form --------------------------------------------------------------------------


@given(VALUES)
def test_both_forms_round_trip(value: Any) -> None:
    """LED-06: reading gives the value back, for any size of number and any text."""
    for encode in (canonical_bytes, compact_bytes):
        again = decode_json(encode(value))
        assert again == value
        assert encode(again) == encode(value)
        assert same(json.loads(encode(value)), again)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    """LED-06: sorted keys: one value, one file."""
    backwards = dict(reversed(value.items()))
    assert canonical_bytes(backwards) == canonical_bytes(value)
    keys = list(json.loads(canonical_bytes(backwards)))
    assert keys == sorted(value)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_it_is_what_pythons_json_would_write(value: dict[str, Any]) -> None:
    """LED-06: the form is json.dumps with two spaces, UTF-8 and a newline, nothing else."""
    expected = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False)
    assert canonical_bytes(value).decode() == expected + "\n"


def test_the_form_is_frozen() -> None:
    """LED-06: an example, byte by byte; a change here rewrites every ledger."""
    value = {
        "b": [1, 1.0, 1e22, -0.0, 0.1],
        "a": {"é": "ü\n\u2028", "x": {}},
        "big": 2**70,
        "e": [],
    }
    assert canonical_bytes(value).decode() == (
        '{\n  "a": {\n    "x": {},\n    "é": "ü\\n\u2028"\n  },\n'
        '  "b": [\n    1,\n    1.0,\n    1e+22,\n    -0.0,\n    0.1\n  ],\n'
        '  "big": 1180591620717411303424,\n  "e": []\n}\n'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [{"a": math.nan}]])
def test_bare_nan_is_refused(value: Any) -> None:
    """Traps 11, 69: neither NaN nor a silent null is ever written."""
    for encode in (canonical_bytes, compact_bytes):
        with pytest.raises(ValueError, match="JSON"):
            encode(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", {"a": 1, 2: 3}, "\ud800"])
def test_what_is_no_json_is_a_value_error(value: Any) -> None:
    """Trap 32: one kind of error, whatever is wrong."""
    with pytest.raises(ValueError, match=r".+"):
        canonical_bytes(value)


def test_a_bottomless_value_is_a_value_error() -> None:
    """Trap 3: nesting without end does not end the process."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="no JSON"):
        compact_bytes(deep)
    with pytest.raises(ValueError, match="deep"):
        decode_json("[" * 100_000)


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"a": Infinity}', "{'a': 1}", "[1,]", '"\\ud800"', "1e999", "<<<<<<<"]
)
def test_loose_json_is_refused(text: str) -> None:
    """Traps 2, 11: what other tools write when they are careless is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        decode_json(text)
    with pytest.raises(ValueError, match=r".+"):
        decode_json(text.encode("utf-8", "surrogatepass"))


def test_bytes_that_are_no_utf8_are_refused() -> None:
    """Trap 3: a file in another encoding is malformed, not a crash."""
    with pytest.raises(ValueError, match=r".+"):
        decode_json(b'{"a": "\xff\xfe"}')


def test_digests_name_their_algorithm() -> None:
    """LED-01: ``sha256:`` and 64 hex digits."""
    assert digest_of(b"x") == "sha256:" + hashlib.sha256(b"x").hexdigest()


# --- signac's id --------------------------------------------------------------------------------


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_the_run_id_is_signacs(statepoint: dict[str, Any]) -> None:
    """model.md 6: the id is the one signac itself computes, for any state point."""
    assert signac_id(statepoint) == calc_id(statepoint)
    assert signac_id(decode_json(canonical_bytes(statepoint))) == calc_id(statepoint)
    assert has_signac_id(statepoint, calc_id(statepoint))
    assert not has_signac_id({**statepoint, "another": 1}, calc_id(statepoint))


def test_the_id_survives_a_synced_collection(tmp_path: Path) -> None:
    """LED-03: a state point read through signac's own collections has the same id."""
    statepoint = {"lr": 0.1, "layers": [64, 32], "optimizer": {"name": "adam"}, "é": None}
    synced = JSONDict(str(tmp_path / "sp.json"))
    synced.update(statepoint)
    plain = to_json(synced)
    assert type(plain["optimizer"]) is dict
    assert type(plain["layers"]) is list
    assert signac_id(plain) == calc_id(statepoint) == "27dacaf198ddd30d8a2f666adafa5900"


def test_one_is_not_one_point_zero() -> None:
    """Trap 16: signac tells ``1``, ``1.0``, ``"1"`` and ``true`` apart, and so do we."""
    assert len({signac_id({"seed": value}) for value in (1, 1.0, "1", True)}) == 4


# --- numbers and foreign values -----------------------------------------------------------------


@given(st.floats())
def test_any_float_has_a_form_in_a_file(value: float) -> None:
    """LED-02, traps 11, 69: NaN and infinities are strings, and come back as numbers."""
    again = decode_number(decode_json(canonical_bytes(encode_number(value))))
    assert same(again, value)


@pytest.mark.parametrize("value", [True, "nan", "inf", "", "1", None, [1], {}])
def test_other_values_are_no_numbers(value: Any) -> None:
    """LED-02: only the three agreed words stand for numbers."""
    assert decode_number(value) is None


class Colour(str, enum.Enum):  # noqa: UP042  (the older spelling is what users have)
    """An enumeration as configurations have them."""

    RED = "red"


class Level(enum.IntEnum):
    """An integer enumeration."""

    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.arange(3), [0, 1, 2]),
        (np.array([[1.5], [2.5]]), [[1.5], [2.5]]),
        (np.array(7), 7),
        ((1, (2, 3)), [1, [2, 3]]),
        (range(3), [0, 1, 2]),
        ({"a": {"b": (np.float32(1.5),)}}, {"a": {"b": [1.5]}}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Path("a/b"), "a/b"),
        (True, True),
        (None, None),
    ],
)
def test_scientific_values_become_plain(value: Any, expected: Any) -> None:
    """LED-03: numpy values, tuples, enumerations and paths are recorded as what they mean."""
    plain = to_json(value)
    assert same(plain, expected)
    assert type(plain) is type(expected)


@pytest.mark.parametrize(
    "value", [b"x", bytearray(b"x"), {1, 2}, object(), 1j, len, np.longdouble(1), {"a": [object()]}]
)
def test_values_without_a_json_form_are_named(value: Any) -> None:
    """model.md 10: the error says which parameter it is about."""
    with pytest.raises(
        UnsafeValueError, match=r"(?m)^sp\S* is a \w+, which has no JSON form$"
    ) as caught:
        to_json(value, where="sp")
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_keys_must_be_strings() -> None:
    """model.md 10: a key 1 would silently become "1"."""
    with pytest.raises(UnsafeValueError, match=r"sp\.a has the key 1"):
        to_json({"a": {1: 2}}, where="sp")


@given(VALUES)
def test_plain_json_is_unchanged(value: Any) -> None:
    """LED-03: conversion is the identity on JSON, and makes copies."""
    plain = to_json(value)
    assert same(plain, value)
    if isinstance(value, dict | list):
        assert plain is not value
