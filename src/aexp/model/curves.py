"""The curves of a run: every value of every metric, over all attempts (``docs/format/stream.md``).

As an attachment, ``metrics.jsonl``, they travel with the run (REC-10). A line is one value; lines
stand by attempt, oldest first, and within an attempt in the order in which they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from aexp.errors import CorruptDataError
from aexp.model.canonical import decode_number
from aexp.model.stream import Metric

METRICS_NAME: Final = "metrics.jsonl"
OUTPUT_NAME: Final = "output.log"
"""The attachment with a run's captured output."""
METRICS_TYPE: Final = "application/vnd.aexp.metrics.v1+jsonl"
"""The media type of curves; it holds the version of the format."""


class Point(msgspec.Struct, omit_defaults=True):
    """One value of a metric.

    Attributes:
        attempt_id: the attempt that recorded it.
        name: which metric.
        value: the number; NaN and infinities are the strings ``"NaN"``, ``"Infinity"``, ….
        time: seconds since 1970 (UTC).
        step: the caller's own counter, if it gave one.
    """

    attempt_id: str
    name: str
    value: float | str
    time: float
    step: int | None = None

    @property
    def number(self) -> float:
        """The value as a number."""
        number = decode_number(self.value)
        return float("nan") if number is None else number


_encode = msgspec.json.Encoder().encode


def encode_point(attempt_id: str, metric: Metric) -> bytes:
    """Return the line of one value, with its newline."""
    return _encode(Point(attempt_id, metric.name, metric.value, metric.time, metric.step)) + b"\n"


def decode_points(lines: Iterable[bytes]) -> Iterator[Point]:
    """Yield the values in the lines of a ``metrics.jsonl``.

    Raises:
        CorruptDataError: a line is none.
    """
    decoder = msgspec.json.Decoder(Point)
    for number, line in enumerate(lines, start=1):
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CorruptDataError(f"{METRICS_NAME}, line {number}: {error}") from None


def join(points: Iterable[Point], name: str | None = None) -> list[Point]:
    """Return one curve of what several attempts recorded (REC-10).

    An attempt that went on from step 500 replaces what earlier ones recorded from there on, as
    one that began anew replaces all of it. Values without a step are kept, attempt by attempt.

    Args:
        points: attempt by attempt, oldest first.
        name: only this metric; all when None, each joined by itself.

    Returns:
        By metric in order of name; of one metric by step, values of one step and those without
        one in the order in which they were recorded.
    """
    series: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        if name in (None, point.name):
            attempts = series.setdefault(point.name, {})
            attempts.setdefault(point.attempt_id, []).append(point)
    return [point for metric in sorted(series) for point in _join_one(series[metric].values())]


def _join_one(attempts: Iterable[list[Point]]) -> list[Point]:
    joined: list[Point] = []
    for points in attempts:
        first = min((p.step for p in points if p.step is not None), default=None)
        if first is not None:
            joined = [p for p in joined if p.step is None or p.step < first]
        joined += points
    joined.sort(key=lambda p: (p.step is not None, p.step or 0))
    return joined
