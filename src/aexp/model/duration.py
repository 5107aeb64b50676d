"""Durations as people type them: ``90s``, ``30m``, ``24h``, ``7d`` (GC-04)."""

from __future__ import annotations

import re
from typing import Final

from aexp.errors import UsageError

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds of each unit."""

MAX_DAYS: Final = 36_500
"""A hundred years: what is longer is a slip of the finger."""

_DURATION: Final = re.compile(r"([0-9]+)([smhd])")


def parse_duration(text: object) -> int:
    """Return the seconds that ``text`` says: a whole number and one of ``s``, ``m``, ``h``, ``d``.

    Raises:
        UsageError: it is anything else, or longer than a hundred years.
    """
    shown = text if isinstance(text, str) else ""
    match = _DURATION.fullmatch(shown)
    if match is None:
        raise UsageError(
            f"{text!r} is no duration",
            hint="write a whole number and s, m, h or d, for example: 30m, 24h, 7d",
        )
    digits = match[1].lstrip("0") or "0"
    # Compared by length first: Python refuses to read integers of thousands of digits.
    if len(digits) > 12 or int(digits) * UNITS[match[2]] > MAX_DAYS * UNITS["d"]:
        raise UsageError(f"{shown[:20]} is too long", hint=f"use at most {MAX_DAYS}d")
    return int(digits) * UNITS[match[2]]


def format_duration(seconds: int) -> str:
    """Return ``seconds`` in the largest unit that needs no fraction: ``24h``, ``90s``, ``7d``."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNITS[unit] == 0 and (unit != "d" or seconds > UNITS["d"]):
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"
