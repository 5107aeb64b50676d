"""The run stream: what one process recorded during one attempt (``docs/format/stream.md``).

A stream is a JSON-lines file. Its first line is a header; then each line is one record. Records
are small, so they are read with msgspec straight into the types below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from aexp.errors import UsageError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, decode_number, encode_number

FORMAT = "aexp.stream"
VERSION = 1

Number = float | Literal["NaN", "Infinity", "-Infinity"]


class Header(msgspec.Struct, tag="header", tag_field="kind", kw_only=True):
    """The first line of a stream.

    Attributes:
        version: of the format; readers refuse a higher one.
        time: seconds since 1970 (UTC) when the stream was opened.
        host: where the process runs.
        pid: its process id there.
    """

    format: str = FORMAT
    version: int = VERSION
    job_id: str
    attempt_id: str
    time: float
    host: str
    pid: int


class Metric(msgspec.Struct, tag="metric", tag_field="kind", omit_defaults=True):
    """One value of a metric.

    Attributes:
        name: which metric.
        value: the number; NaN and infinities are the strings ``"NaN"``, ``"Infinity"``, ….
        step: the caller's own counter, if it gave one.
        time: seconds since 1970 (UTC).
    """

    name: str
    value: float | str
    time: float
    step: int | None = None


class Parameter(msgspec.Struct, tag="parameter", tag_field="kind", omit_defaults=True):
    """One parameter learned while the run was going."""

    name: str
    value: bool | int | float | str
    time: float


class AttachmentRecord(msgspec.Struct, tag="attachment", tag_field="kind", omit_defaults=True):
    """One attachment, whose bytes are in the registry already (REC-04)."""

    name: str
    media_type: str
    digest: str
    size: int
    time: float
    filename: str | None = None
    annotations: dict[str, str] = {}

    @classmethod
    def of(cls, attachment: Attachment, time: float) -> AttachmentRecord:
        """Return the record of ``attachment``, made at ``time`` (seconds since 1970, UTC)."""
        return cls(
            attachment.name,
            attachment.media_type,
            attachment.digest,
            attachment.size,
            time,
            attachment.filename,
            dict(attachment.annotations),
        )

    def attachment(self) -> Attachment:
        """Return what was recorded."""
        return Attachment(
            self.name, self.media_type, self.digest, self.size, self.filename, self.annotations
        )


Record = Header | Metric | Parameter | AttachmentRecord

_decoder: msgspec.json.Decoder[Record] | None = None


def decode_record(line: bytes) -> Record:
    """Return the record in one line.

    Raises:
        msgspec.MsgspecError: the line is no record.
    """
    global _decoder
    if _decoder is None:
        _decoder = msgspec.json.Decoder(Record)
    return _decoder.decode(line)


def encode_record(record: Record) -> bytes:
    """Return one line, with its newline. Non-finite values become strings (trap 69)."""
    if isinstance(record, Metric | Parameter) and isinstance(record.value, float):
        value = encode_number(record.value)
        if value is not record.value:
            record = msgspec.structs.replace(record, value=value)
    return msgspec.json.encode(record) + b"\n"


def check_name(name: object, what: str) -> str:
    """Return ``name`` when it can name a metric or a parameter.

    Raises:
        UsageError: it is no string, empty, too long (256) or holds control characters.
    """
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a {what} needs a name, not {name!r}")
    if len(name) > 256 or any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in name):
        raise UsageError(f"{name[:40]!r} cannot name a {what}")
    return name


class MetricSummary(Struct):
    """What a series of one metric comes to (LED-01).

    ``value`` is the last one: the highest step's where steps were given, the last recorded
    otherwise. ``minimum`` and ``maximum`` leave NaN out.
    """

    value: float
    count: int = 1
    minimum: float | None = None
    maximum: float | None = None
    step: int | None = None
    time: float = 0.0

    def to_json(self) -> dict[str, Json]:
        """Return the summary as it stands in an entry."""
        result: dict[str, Json] = {"value": encode_number(self.value), "count": self.count}
        if self.count > 1 and self.minimum is not None and self.maximum is not None:
            result["min"] = encode_number(self.minimum)
            result["max"] = encode_number(self.maximum)
        if self.step is not None:
            result["step"] = self.step
        return result


class Summary(Struct):
    """What all streams of one attempt come to.

    Attributes:
        params: parameters by name; of several values the latest wins.
        metrics: summaries by name.
        attachments: in the order in which they were recorded, each name once.
        damaged: one line for each record that could not be read.
    """

    params: dict[str, Json] = field(default_factory=dict)
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def summarize(records: Iterable[Record]) -> Summary:
    """Fold the records of an attempt's streams, in any order, into a summary.

    The result does not depend on the order in which the streams of several processes are read:
    "latest" is by (step, time).
    """
    result = Summary()
    times: dict[str, tuple[float, str]] = {}
    attached: list[AttachmentRecord] = []
    for record in records:
        if isinstance(record, Metric):
            _fold(result.metrics, record)
        elif isinstance(record, Parameter):
            key = (record.time, repr(record.value))
            if record.name not in times or times[record.name] <= key:
                times[record.name] = key
                result.params[record.name] = record.value
        elif isinstance(record, AttachmentRecord):
            attached.append(record)
    attached.sort(key=lambda r: (r.time, r.name, r.digest, r.media_type, r.filename or ""))
    result.attachments = unique_names(record.attachment() for record in attached)
    return result


def unique_names(attachments: Iterable[Attachment]) -> list[Attachment]:
    """Return attachments with a name each, and the same content under one name once (ADR 7).

    Of several contents of one name, the later ones get a number: ``plot (2)``.
    """
    found: dict[str, Attachment] = {}
    for attachment in attachments:
        for name in _numbered(attachment.name):
            known = found.get(name)
            if known is None:
                found[name] = replace(attachment, name=name)
            elif (known.digest, known.media_type) != (attachment.digest, attachment.media_type):
                continue
            break
    return list(found.values())


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name} ({number})"
        number += 1


def _fold(metrics: dict[str, MetricSummary], record: Metric) -> None:
    value = decode_number(record.value)
    if value is None:
        return
    low = None if value != value else value + 0.0  # -0.0 and 0.0 are one bound
    seen = metrics.get(record.name)
    if seen is None:
        metrics[record.name] = MetricSummary(value, 1, low, low, record.step, record.time)
        return
    seen.count += 1
    if low is not None:
        seen.minimum = low if seen.minimum is None else min(seen.minimum, low)
        seen.maximum = low if seen.maximum is None else max(seen.maximum, low)
    if _order(record.step, record.time, value) >= _order(seen.step, seen.time, seen.value):
        seen.value, seen.step, seen.time = value, record.step, record.time


def _order(step: int | None, time: float, value: float) -> tuple[bool, int, float, str]:
    return (step is not None, step or 0, time, repr(value))


def params_of(document: Mapping[str, Json], streamed: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters of an attempt: those in the document, overlaid by streamed ones."""
    base = document.get("params")
    return {**(dict(base) if isinstance(base, Mapping) else {}), **streamed}
