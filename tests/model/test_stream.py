"""Records of a run stream, and what they come to."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import UsageError
from aexp.model.canonical import canonical_bytes, encode_number
from aexp.model.stream import (
    Header,
    Metric,
    Parameter,
    Record,
    Summary,
    check_name,
    decode_record,
    encode_record,
    params_of,
    summarize,
)

quick = settings(deadline=None, max_examples=60)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CLOCK = st.floats(0, 4e9)
METRICS = st.builds(
    Metric, name=NAMES, value=st.floats(), time=CLOCK, step=st.none() | st.integers(-5, 2**40)
)
PARAMETERS = st.builds(
    Parameter, name=NAMES, value=st.booleans() | st.integers() | st.floats() | NAMES, time=CLOCK
)
HEADERS = st.builds(
    Header, job_id=NAMES, attempt_id=NAMES, time=CLOCK, host=NAMES, pid=st.integers(1, 2**22)
)
COLLIDING: st.SearchStrategy[Record] = st.builds(
    Metric,
    name=st.sampled_from("ab"),
    value=st.sampled_from([0.0, -0.0, 1.0, -2.5, math.nan, math.inf, -math.inf]),
    time=st.sampled_from([1.0, 2.0]),
    step=st.sampled_from([None, -1, 0, 1]),
) | st.builds(
    Parameter,
    name=st.sampled_from("ab"),
    value=st.sampled_from([True, 1, 1.0, "1", 0]),
    time=st.sampled_from([1.0, 2.0]),
)


def text_of(record: Record) -> dict[str, Any]:
    """The fields of a record, with non-finite numbers as they stand in files."""
    fields = msgspec.structs.asdict(record)
    if isinstance(fields.get("value"), float):
        fields["value"] = encode_number(fields["value"])
    return fields


def bytes_of(summary: Summary) -> bytes:
    metrics = {name: metric.to_json() for name, metric in summary.metrics.items()}
    return canonical_bytes({"params": summary.params, "metrics": metrics})


@quick
@given(METRICS | PARAMETERS | HEADERS)
def test_round_trip(record: Record) -> None:
    """LED-01: a record is one line and reads back as it was, whatever its texts and numbers."""
    before = repr(record)
    line = encode_record(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    again = decode_record(line)
    assert type(again) is type(record)
    assert repr(text_of(again)) == repr(text_of(record))
    assert encode_record(again) == line
    assert repr(record) == before


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_nonfinite_values_are_strings(value: float, text: str) -> None:
    """Trap 69: NaN does not silently become null, in metrics and in parameters."""
    for record in (
        Metric(name="loss", value=value, time=1.0),
        Parameter(name="loss", value=value, time=1.0),
    ):
        line = encode_record(record)
        assert f'"value":"{text}"'.encode() in line
        assert b"null" not in line
    metric = summarize([decode_record(encode_record(Metric("loss", value, 1.0)))]).metrics["loss"]
    assert repr(metric.value) == repr(value)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b'{"kind":"metric"}',
        b'{"kind":"other","name":"a"}',
        b'{"kind":"metric","name":"a","value":null,"time":1}',
        b'{"kind":"metric","name":"a","value":1,"ti',
        b'{"kind":"metric","name":"\xff","value":1,"time":1}',
    ],
)
def test_damaged_lines_are_refused(line: bytes) -> None:
    """A torn or foreign line is an error that a reader can count, never half a record."""
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        decode_record(line)


@quick
@given(st.lists(COLLIDING, max_size=8), st.randoms(use_true_random=False))
def test_a_summary_does_not_depend_on_order(records: list[Record], random: Any) -> None:
    """LED-06: the streams of several processes give the same bytes in whatever order read."""
    shuffled = list(records)
    random.shuffle(shuffled)
    assert bytes_of(summarize(shuffled)) == bytes_of(summarize(records))


@quick
@given(st.lists(st.floats(), min_size=1, max_size=8))
def test_bounds(values: list[float]) -> None:
    """LED-01: count, min and max are those of the values, and NaN is left out of the bounds."""
    records = [Metric("m", value, float(time)) for time, value in enumerate(values)]
    metric = summarize(records).metrics["m"]
    numbers = [value for value in values if not math.isnan(value)]
    assert metric.count == len(values)
    assert metric.minimum == min(numbers, default=None)
    assert metric.maximum == max(numbers, default=None)
    assert repr(metric.value) == repr(values[-1])


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([(5.0, None, 1.0)], {"value": 5.0, "count": 1}),
        ([(5.0, 3, 1.0)], {"value": 5.0, "count": 1, "step": 3}),
        (
            [(5.0, 9, 1.0), (1.0, 3, 2.0)],
            {"value": 5.0, "count": 2, "min": 1.0, "max": 5.0, "step": 9},
        ),
        ([(5.0, None, 2.0), (1.0, None, 1.0)], {"value": 5.0, "count": 2, "min": 1.0, "max": 5.0}),
        (
            [(5.0, -4, 1.0), (1.0, None, 2.0)],
            {"value": 5.0, "count": 2, "min": 1.0, "max": 5.0, "step": -4},
        ),
        ([(math.nan, None, 1.0), (math.nan, None, 2.0)], {"value": "NaN", "count": 2}),
    ],
)
def test_the_last_value(
    series: list[tuple[float, int | None, float]], expected: dict[str, Any]
) -> None:
    """LED-01: the value is the highest step's, or the last recorded where there are no steps."""
    records = [Metric("m", value, time, step) for value, step, time in series]
    assert summarize(records).metrics["m"].to_json() == expected


def test_what_is_no_number_is_no_metric() -> None:
    """A metric whose value is a word counts for nothing; headers do not count either."""
    header = Header(job_id="j", attempt_id="a", time=1.0, host="h", pid=1)
    assert bytes_of(summarize([header, Metric("m", "much", 1.0)])) == bytes_of(Summary())


def test_streamed_parameters_overlay_the_documents() -> None:
    """LED-01: a parameter learned later replaces the one the run was created with."""
    assert params_of({"params": {"a": 1, "b": 2}}, {"b": 3}) == {"a": 1, "b": 3}
    for damaged in ({}, {"params": None}, {"params": "x"}):
        assert params_of(damaged, {"b": 3}) == {"b": 3}


@pytest.mark.parametrize("name", ["", " ", None, 1, "a\nb", "x" * 257, "\ud800"])
def test_bad_names(name: Any) -> None:
    """A metric or parameter has a name that a line can hold."""
    with pytest.raises(UsageError):
        check_name(name, "metric")


@pytest.mark.parametrize("name", ["loss", "val/loss", "größe", "x" * 256])
def test_good_names(name: str) -> None:
    """Slashes and any language are fine in names."""
    assert check_name(name, "metric") == name
