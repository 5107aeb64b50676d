"""The clock of the package."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aexp import clock
from tests.support.clock import FakeClock


def test_the_systems_clock_is_utc_and_monotonic() -> None:
    """Times in records are timezone-aware, in UTC."""
    before = datetime.now(UTC)
    seen = clock.utc_now()
    assert seen.tzinfo is UTC
    assert before <= seen <= datetime.now(UTC)
    assert clock.monotonic() <= clock.monotonic()


def test_the_clock_comes_back_after_an_error() -> None:
    """A test that fails does not leave its clock to the next one."""
    fake = FakeClock(datetime(2000, 1, 1, tzinfo=UTC))
    with pytest.raises(KeyError), clock.use_clock(fake):
        raise KeyError(clock.utc_now().year)
    assert clock.utc_now() - datetime.now(UTC) < timedelta(seconds=5)
    assert clock.utc_now().year > 2000


def test_clocks_nest() -> None:
    """The inner clock rules within its block only."""
    outer, inner = FakeClock(), FakeClock(step=1)
    with clock.use_clock(outer):
        with clock.use_clock(inner):
            inner.advance(60)
            assert clock.utc_now() == outer.now() + timedelta(seconds=60)
            assert clock.utc_now() == outer.now() + timedelta(seconds=61)
        assert clock.utc_now() == outer.now()


def test_a_time_without_zone_is_refused() -> None:
    """A naive time would be somebody's local one."""
    with pytest.raises(ValueError, match="timezone"):
        FakeClock().set(datetime(2026, 1, 1))
