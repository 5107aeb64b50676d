"""One curve of several attempts, and the lines it travels in."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError
from aexp.model.attachment import Attachment
from aexp.model.canonical import encode_number
from aexp.model.curves import Point, decode_points, encode_point, join
from aexp.model.stream import (
    AttachmentRecord,
    Metric,
    decode_record,
    encode_record,
    summarize,
    unique_names,
)

STEPS = st.none() | st.integers(-3, 12)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
METRICS = st.builds(
    lambda name, value, step: Metric(name, encode_number(value), 1.0, step),
    st.sampled_from(["acc", "loss"]),
    NUMBERS,
    STEPS,
)
ATTEMPTS = st.lists(st.lists(METRICS, max_size=8), max_size=4)


def points(attempts: list[list[Metric]]) -> list[Point]:
    """Return the points of attempts, as they stand in a file."""
    lines = [encode_point(f"a{n}", metric) for n, found in enumerate(attempts) for metric in found]
    return list(decode_points(lines))


@given(ATTEMPTS)
def test_lines_hold_every_value(attempts: list[list[Metric]]) -> None:
    """REC-03, REC-10, trap 69: NaN and infinities included, in order."""
    given_values = [metric for found in attempts for metric in found]
    back = points(attempts)
    assert [(p.name, p.value, p.step) for p in back] == [
        (m.name, m.value, m.step) for m in given_values
    ]
    for point, metric in zip(back, given_values, strict=True):
        if isinstance(metric.value, str):
            assert not math.isfinite(point.number)


def expected(attempts: list[list[Metric]], name: str) -> list[tuple[int | None, float | str]]:
    """Join slowly: a value counts unless a later attempt has its step or one before it."""
    kept = []
    for number, found in enumerate(attempts):
        for metric in found:
            later = [
                m.step
                for other in attempts[number + 1 :]
                for m in other
                if m.name == name and m.step is not None
            ]
            gone = metric.step is not None and any(step <= metric.step for step in later)
            if metric.name == name and not gone:
                kept.append((metric.step, metric.value))
    return sorted(kept, key=lambda pair: (pair[0] is not None, pair[0] or 0))


@given(ATTEMPTS)
def test_an_attempt_replaces_from_its_first_step_on(attempts: list[list[Metric]]) -> None:
    """REC-10: continued runs add up, repeated ones replace; values without a step all count."""
    for name in ("acc", "loss"):
        joined = [(p.step, p.value) for p in join(points(attempts), name)]
        assert joined == expected(attempts, name)
    assert [p.name for p in join(points(attempts))] == sorted(
        p.name for name in ("acc", "loss") for p in join(points(attempts), name)
    )


def test_a_continued_run_is_one_curve() -> None:
    """REC-10: cut off at step 3, gone on from step 2."""
    first = [Metric("acc", float(step), 1.0, step) for step in range(4)]
    second = [Metric("acc", 10.0 * step, 2.0, step) for step in range(2, 5)]
    found = [(p.step, p.number, p.attempt_id) for p in join(points([first, second]))]
    assert found == [
        (0, 0, "a0"),
        (1, 1, "a0"),
        (2, 20, "a1"),
        (3, 30, "a1"),
        (4, 40, "a1"),
    ]


@pytest.mark.parametrize("line", [b"", b"{}", b"nonsense", b'{"attempt_id":"a"}', b"\xff"])
def test_what_is_no_value_is_said(line: bytes) -> None:
    """Trap 32: the line is named."""
    good = encode_point("a", Metric("acc", 1.0, 1.0))
    with pytest.raises(CorruptDataError, match=r"metrics\.jsonl, line 2"):
        list(decode_points([good, line]))


ATTACHMENTS = st.builds(
    lambda name, content, kind: Attachment(name, kind, f"sha256:{content:064x}", content),
    st.sampled_from(["plot", "plot (2)", "log"]),
    st.integers(0, 2),
    st.sampled_from(["text/plain", "image/png"]),
)


@given(st.lists(ATTACHMENTS, max_size=12))
def test_every_content_has_a_name_of_its_own(attachments: list[Attachment]) -> None:
    """ADR 7: nothing is lost or stored twice under one name, and names are unique."""
    found = unique_names(attachments)
    names = [attachment.name for attachment in found]
    assert len(set(names)) == len(names)
    assert {(a.digest, a.media_type) for a in found} == {
        (a.digest, a.media_type) for a in attachments
    }
    for attachment in found:
        assert any(attachment.name.startswith(given_one.name) for given_one in attachments)
    assert unique_names(found) == found


@given(st.lists(st.tuples(ATTACHMENTS, st.floats(0, 5)), max_size=8), st.randoms())
def test_the_order_of_streams_does_not_matter(
    recorded: list[tuple[Attachment, float]], chance: random.Random
) -> None:
    """REC-04: whichever process's stream is read first, the names are the same."""
    records = [AttachmentRecord.of(attachment, when) for attachment, when in recorded]
    lines = [encode_record(record) for record in records]
    shuffled = chance.sample(lines, len(lines))
    one = summarize(decode_record(line) for line in lines)
    other = summarize(decode_record(line) for line in shuffled)
    assert one.attachments == other.attachments
