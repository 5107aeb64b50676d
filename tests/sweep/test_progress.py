"""What a sweep shows while it runs (SWP-14)."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from aexp.cli.sweep_progress import SweepProgress, time_left
from tests.support.clock import FakeClock


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_plain_lines_where_nobody_watches(fake_clock: FakeClock) -> None:
    """SWP-14: a log gets the counts now and then, a failure at once, and no bar."""
    stream = io.StringIO()
    with SweepProgress(stream) as progress:
        progress.begin(100, Counter(ok=10))
        for run_id in range(10, 40):
            fake_clock.advance(1.0)
            progress.ended(run_id, "failed" if run_id == 12 else "ok", "ValueError:\n  no")
    assert stream.getvalue().splitlines() == [
        "10 of 100 points: 10 ok",
        "point 12 failed: ValueError: no",
        "20 of 100 points: 19 ok, 1 failed, 1 min left",
        "30 of 100 points: 29 ok, 1 failed, 1 min left",
        "40 of 100 points: 39 ok, 1 failed, 1 min left",
    ]


def test_a_bar_on_a_terminal(fake_clock: FakeClock) -> None:
    """SWP-14: counts and the time that is left, in place, and gone at the end."""
    stream = Terminal()
    with SweepProgress(stream) as progress:
        progress.begin(4, Counter())
        fake_clock.advance(2.0)
        progress.ended(0, "ok")
        assert "[#####               ] 1 of 4 points: 1 ok, 6 s left" in stream.getvalue()
        progress.tell("warning: x")
        assert "\r\x1b[Kwarning: x\n" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_failed_point_that_ends_well_is_counted_once(fake_clock: FakeClock) -> None:
    """SWP-08: a resume turns failed points into others; the counts stay those of the points."""
    stream = io.StringIO()
    progress = SweepProgress(stream)
    progress.begin(3, Counter(ok=1, failed=2))
    fake_clock.advance(3.0)
    progress.ended(1, "ok", again=True)
    progress.ended(2, "failed", again=True)
    assert progress.text() == "3 of 3 points: 2 ok, 1 failed"


def test_points_that_are_run_again_count_for_the_time_that_is_left(fake_clock: FakeClock) -> None:
    """SWP-14: the pace is that of what this driver has run."""
    progress = SweepProgress(io.StringIO())
    progress.begin(8, Counter(failed=2))
    fake_clock.advance(4.0)
    progress.ended(0, "ok", again=True)
    progress.ended(1, "ok", again=True)
    assert progress.text() == "2 of 8 points: 2 ok, 12 s left"


def test_what_a_point_says_cannot_move_the_cursor(fake_clock: FakeClock) -> None:
    """Trap 31: messages come from anywhere, and a terminal would obey them."""
    stream = io.StringIO()
    progress = SweepProgress(stream)
    progress.begin(1, Counter())
    progress.ended(0, "failed", "\x1b[2J[bold]x")
    assert "point 0 failed: \\x1b[2J[bold]x" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h"), (3600, "1 h"),
        (7500, "2 h 5 min"), (47 * 3600, "47 h"), (50 * 3600, "2 d 2 h"), (72 * 3600, "3 d"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    """SWP-14: an ETA is read at a glance."""
    assert time_left(seconds) == text
