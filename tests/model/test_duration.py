"""Durations as they are typed (GC-04)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import UsageError
from aexp.model.duration import MAX_DAYS, UNITS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("30m", 1800), ("24h", 86400), ("7d", 604800), ("007h", 25200)],
)
def test_the_four_units(text: str, seconds: int) -> None:
    """GC-04: whole numbers of seconds, minutes, hours and days."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "24", "h", "1.5h", "-1h", "+1h", "1 h", " 1h", "1h ", "1H", "1w", "1h30m", "1e3s"),
        *("٣h", "1_0s", "inf s", "0x10s", "1h\n", f"{MAX_DAYS + 1}d", "9" * 5000 + "s"),
    ],
)
def test_anything_else_is_a_clear_error(text: str) -> None:
    """GC-04: what is no whole number and a unit is refused, with an example of what is one."""
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert caught.value.hint is not None and len(caught.value.message) < 6000


@pytest.mark.parametrize("value", [24, 1.5, None, b"24h", ["24h"]])
def test_what_is_no_text_is_an_error_too(value: object) -> None:
    """GC-04: from Python, a bare number has no unit."""
    with pytest.raises(UsageError):
        parse_duration(value)


@given(st.integers(0, MAX_DAYS * UNITS["d"]))
def test_what_is_shown_is_read_back(seconds: int) -> None:
    """GC-04: a report's grace period can be typed again."""
    assert parse_duration(format_duration(seconds)) == seconds
