"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.model.times import format_time, later_of, parse_time, seconds_between

quick = settings(deadline=None, max_examples=60)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=ZONES)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@quick
@given(MOMENTS, MOMENTS)
def test_round_trip(one: datetime, two: datetime) -> None:
    """LED-06: a time has one text, in UTC, and texts sort as times do."""
    assert parse_time(format_time(one)) == one
    assert format_time(one).endswith("Z")
    assert len(format_time(one)) == len("2026-11-21T12:00:00.000000Z")
    assert (format_time(one) < format_time(two)) == (one < two)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.000000Z",
        "2026-11-21T12:00:00",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21 12:00:00",
    ],
)
def test_forms(text: str) -> None:
    """LED-01: the forms of 0.6.x and of others are read; without a zone it is UTC."""
    assert parse_time(text) == NOON


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", None, 5, [], "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_no_times(text: Any) -> None:
    """Trap 3: what holds no time is None, and never stops the reading of a ledger."""
    assert parse_time(text) is None


@quick
@given(MOMENTS, st.lists(MOMENTS.map(format_time) | st.sampled_from(["", "x", None]), max_size=4))
def test_later_of(moment: datetime, floor: list[Any]) -> None:
    """LED-10: the result is after everything known, and the clock's own time where that is."""
    result = later_of(moment, *floor)
    known = [time for time in map(parse_time, floor) if time is not None]
    assert result >= moment
    assert all(result > time for time in known)
    assert result == moment or result - timedelta(microseconds=1) == max(known)


def test_seconds_between() -> None:
    """LED-01: a duration is never negative, and unknown where its start is."""
    assert seconds_between("2026-11-21T11:59:58.5Z", NOON) == 1.5
    assert seconds_between("2026-11-21T12:00:01Z", NOON) == 0.0
    assert seconds_between(None, NOON) is None
