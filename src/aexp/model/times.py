"""Times as text: UTC, ``2026-11-21T12:18:09.123456Z``; 0.6.x wrote whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """Return ``moment`` as it stands in files.

    Args:
        moment: a timezone-aware time.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: object) -> datetime | None:
    """Return the time in ``text``, or None when it holds none. A time without zone is UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: its UTC is before year 1 or after 9999
        return None


def later_of(moment: datetime, *floor: object) -> datetime:
    """Return ``moment``, or one microsecond after the latest of ``floor`` when that is later.

    This makes the times of successive versions of one thing strictly increasing even when a
    clock stands still or goes back (a hybrid logical clock).
    """
    latest = max((t for t in map(parse_time, floor) if t is not None), default=EPOCH)
    return moment if moment > latest else latest + timedelta(microseconds=1)


def seconds_between(start: object, end: datetime) -> float | None:
    """Return the seconds from the time in ``start`` to ``end``; None when start is no time."""
    began = parse_time(start)
    return None if began is None else round(max(0.0, (end - began).total_seconds()), 6)
