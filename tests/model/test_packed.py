"""Values as bytes: one by one, many together, and one key of many (LED-13)."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from aexp.model.packed import pack, pack_all, unpack, unpack_all, values_at

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
_MISSING = object()


@given(st.lists(_json, max_size=5))
@example([2**80, {"a": 1}])
@example([None, 1])
def test_many_together_are_as_each_by_itself(values: list[Any]) -> None:
    """LED-13: also with integers that MessagePack has no room for, and with none at all."""
    packed = pack_all(values)
    assert packed == [pack(value) for value in values]
    assert unpack_all(packed) == [unpack(data) for data in packed] == values


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "a.b", ""]), _json, max_size=3) | _json),
    st.sampled_from(["a", "b", "a.b", "", "value", "\N{SNOWMAN}"]),
)
@example([{"a": 2**80}, {"a": 1}], "a")
@example([{"a": 1}, {}], "a")
@example([{"a": None}, None, [1]], "a")
def test_one_key_of_many_is_what_each_has(values: list[Any], key: str) -> None:
    """VAL-04: without unpacking the rest, and with what is no mapping among them."""
    wanted = [v.get(key, _MISSING) if isinstance(v, dict) else _MISSING for v in values]
    found = values_at(key, [pack(value) for value in values], _MISSING)
    assert found == wanted
    assert [type(value) for value in found] == [type(value) for value in wanted]
