"""The ledger entry: its parts, its digest and its merge, as pure functions (LED-01, LED-10).

An entry is a run's *identity*, its *link*, and a set of *attempts* (model.md, decision 4). On disk
the best attempt's fields stand at the top level, where readers of every version look for them,
and the other attempts stand under ``replicates``. ``docs/format/ledger-entry.md`` is the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from msgspec import Struct

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.canonical import Json, canonical_bytes, compact_bytes, digest_of, has_signac_id
from aexp.model.ids import is_job_id, legacy_attempt_id
from aexp.model.status import RETRACTED, TERMINAL_STATUSES
from aexp.model.times import EPOCH, parse_time

SCHEMA_VERSION = 1

IDENTITY_FIELDS = ("schema_version", "job_id", "statepoint", "code_commit", "code_dirty")
RUN_FIELDS = ("run_link", "retracted")
DERIVED_FIELDS = ("replicates", "record_digest")
ATTEMPT_FIELDS = (
    "attempt_id",
    "status",
    "ended_by",
    "error",
    "started_at",
    "ended_at",
    "wallclock_s",
    "promoted_at",
    "registered_machine",
    "tracker",
    "params",
    "tags",
    "note",
    "metrics",
    "attachments",
    "inputs",
    "outputs",
    "workflow",
    "environment",
    "sweep",
    "execution",
    "redacted",
)
"""Everything an attempt may hold; nothing else is ever projected (LED-02)."""

TRACKER_FIELDS = ("backend", "run_id", "url", "group", "project")
LINK_FIELDS = (
    "experiment_id",
    "hypothesis_id",
    "sub_hypothesis_id",
    "experiment_path",
    "linked_at",
)


class RunLink(TypedDict, total=False):
    """Which experiment a run belongs to; `linked_at` orders later corrections."""

    experiment_id: str | None
    hypothesis_id: str | None
    sub_hypothesis_id: str | None
    experiment_path: str | None
    linked_at: str | None


class Tracker(TypedDict, total=False):
    """Where the run stands in another tracker (LED-08)."""

    backend: Any
    run_id: Any
    url: Any
    group: Any
    project: Any


class RunError(TypedDict, total=False):
    """What a failed attempt raised."""

    type: str
    message: str


class MetricFacts(TypedDict):
    """What a series of one metric comes to."""

    value: float | str
    count: NotRequired[int]
    min: NotRequired[float | str]
    max: NotRequired[float | str]
    step: NotRequired[int]


class Attachment(TypedDict, total=False):
    """Named bytes that belong to an attempt."""

    name: str
    media_type: str
    digest: str
    size: int
    filename: str


class Retraction(TypedDict):
    """Why a run's results do not count, since when, and who said so (LED-12)."""

    reason: str
    at: str
    machine: str


class _Execution(TypedDict):
    status: str
    promoted_at: str
    registered_machine: str
    ended_by: NotRequired[str]
    error: NotRequired[RunError]
    started_at: NotRequired[str]
    ended_at: NotRequired[str]
    wallclock_s: NotRequired[float | str]
    tracker: NotRequired[Tracker]
    params: NotRequired[dict[str, Any]]
    tags: NotRequired[list[str]]
    note: NotRequired[str]
    metrics: NotRequired[dict[str, MetricFacts]]
    attachments: NotRequired[list[Attachment]]
    inputs: NotRequired[list[dict[str, Any]]]
    outputs: NotRequired[list[dict[str, Any]]]
    workflow: NotRequired[dict[str, Any]]
    environment: NotRequired[dict[str, Any]]
    sweep: NotRequired[dict[str, Any]]
    execution: NotRequired[dict[str, Any]]
    redacted: NotRequired[list[str]]


class Attempt(_Execution):
    """One execution of a run, as it stands under `replicates`."""

    attempt_id: str


class LedgerEntry(_Execution):
    """One file of the ledger (LED-01): a run, and the best of its attempts at the top level."""

    schema_version: int
    job_id: str
    statepoint: dict[str, Any]
    code_commit: NotRequired[str | None]
    code_dirty: NotRequired[bool]
    run_link: NotRequired[RunLink]
    attempt_id: NotRequired[str]
    replicates: NotRequired[list[Attempt]]
    retracted: NotRequired[Retraction]
    record_digest: NotRequired[str]


Fields = dict[str, Json]


class Parts(Struct, frozen=True):
    """An entry taken apart into what merges separately.

    Attributes:
        identity: the identity fields.
        identity_redacted: JSON pointers below ``/statepoint`` that were redacted.
        link: the run link, or None.
        attempts: all attempts, best first, each with its ``attempt_id``.
        retracted: the tombstone's facts, or None.
    """

    identity: Fields
    identity_redacted: tuple[str, ...]
    link: Fields | None
    attempts: tuple[Fields, ...]
    retracted: Fields | None


def take_apart(entry: Mapping[str, Json]) -> Parts:
    """Return the parts of an entry that :func:`check_entry` accepts.

    Fields this version does not know are kept with the attempt they stand in, so that a newer
    aexp's facts survive a merge made by this one.
    """
    skip = {*IDENTITY_FIELDS, *RUN_FIELDS, *DERIVED_FIELDS}
    top = {key: value for key, value in entry.items() if key not in skip}
    redacted = [str(pointer) for pointer in top.pop("redacted", None) or ()]
    identity_redacted = tuple(sorted(p for p in redacted if _of_identity(p)))
    if own := [p for p in redacted if not _of_identity(p)]:
        top["redacted"] = sorted(own)
    job_id = str(entry["job_id"])
    retracted = entry.get("retracted")
    attempts = (
        [] if retracted is not None else [top, *(dict(r) for r in entry.get("replicates") or ())]
    )
    link = entry.get("run_link")
    return Parts(
        identity={key: entry[key] for key in IDENTITY_FIELDS if key in entry},
        identity_redacted=identity_redacted,
        link=dict(link) if isinstance(link, Mapping) else None,
        attempts=order_attempts(_with_id(job_id, attempt) for attempt in attempts),
        retracted=dict(retracted) if isinstance(retracted, Mapping) else None,
    )


def put_together(parts: Parts) -> LedgerEntry:
    """Return the entry made of ``parts``, with its ``record_digest``."""
    entry = _joined(parts)
    entry["record_digest"] = record_digest(entry)
    return entry  # type: ignore[return-value]


def _joined(parts: Parts) -> Fields:
    entry: Fields = dict(parts.identity)
    if parts.link is not None:
        entry["run_link"] = dict(parts.link)
    redacted = list(parts.identity_redacted)
    if parts.retracted is not None:
        entry["retracted"] = dict(parts.retracted)
        entry["status"] = RETRACTED
        entry["promoted_at"] = parts.retracted.get("at", "")
        entry["registered_machine"] = parts.retracted.get("machine", "")
    else:
        best, *others = parts.attempts
        entry.update(best)
        redacted += best.get("redacted", ())
        if others:
            entry["replicates"] = [dict(other) for other in others]
    entry.pop("redacted", None)
    if redacted:
        entry["redacted"] = sorted(redacted)
    return entry


def seal(parts: Parts) -> tuple[LedgerEntry, bytes]:
    """Return the entry made of ``parts`` and its file's bytes, encoded once for both."""
    entry = _joined(parts)
    entry["record_digest"] = _UNSEALED
    data = canonical_bytes(entry)
    place = data.rindex(_UNSEALED_LINE)
    end = place + len(_UNSEALED_LINE)
    digest = digest_of(data[:place] + data[end:])
    entry["record_digest"] = digest
    line = _UNSEALED_LINE.replace(_UNSEALED.encode(), digest.encode())
    return entry, data[:place] + line + data[end:]  # type: ignore[return-value]


_UNSEALED = "sha256:" + "0" * 64
_UNSEALED_LINE = f'\n  "record_digest": "{_UNSEALED}",'.encode()


def record_digest(entry: Mapping[str, Json]) -> str:
    """Return ``sha256:<hex>`` of the canonical form of ``entry`` without ``record_digest``."""
    return digest_of(
        canonical_bytes({key: value for key, value in entry.items() if key != "record_digest"})
    )


def encode_entry(entry: Mapping[str, Json]) -> bytes:
    """Return an entry as it stands in its file (LED-06)."""
    return canonical_bytes(entry)


def merge(first: Parts, second: Parts) -> Parts:
    """Return the union of two versions of one run's entry; nothing of either is lost.

    Commutative, associative and idempotent. Attempts are matched by ``attempt_id``; of two
    versions of one attempt the later ``promoted_at`` wins (only its owner writes an attempt, and
    does so with strictly increasing times). The latest ``linked_at`` decides the link. A
    retraction wins over everything (LED-12).

    Raises:
        CorruptDataError: the two are entries of different runs.
    """
    if first.identity.get("job_id") != second.identity.get("job_id"):
        raise CorruptDataError(
            f"entries of two runs cannot be merged: {first.identity.get('job_id')}"
            f" and {second.identity.get('job_id')}"
        )
    identity, redacted = min(
        (first.identity, first.identity_redacted),
        (second.identity, second.identity_redacted),
        key=lambda pair: (len(pair[1]), len(pair[0]) * -1, compact_bytes(pair[0]), pair[1]),
    )
    links = [link for link in (first.link, second.link) if link is not None]
    tombstones = [t for t in (first.retracted, second.retracted) if t is not None]
    retracted = min(
        tombstones, key=lambda t: (str(t.get("at", "")), compact_bytes(t)), default=None
    )
    return Parts(
        identity=identity,
        identity_redacted=redacted,
        link=max(links, key=_link_order, default=None),
        attempts=()
        if retracted is not None
        else order_attempts((*first.attempts, *second.attempts)),
        retracted=retracted,
    )


def order_attempts(attempts: Iterable[Fields]) -> tuple[Fields, ...]:
    """Return the latest version of each attempt, best attempt first (model.md, decision 4)."""
    latest: dict[str, Fields] = {}
    for attempt in attempts:
        known = latest.get(attempt["attempt_id"])
        if known is None or _version(attempt) > _version(known):
            latest[attempt["attempt_id"]] = attempt
    return tuple(sorted(latest.values(), key=_rank))


def _version(attempt: Fields) -> tuple[float, bytes]:
    written = parse_time(attempt.get("promoted_at")) or EPOCH
    return (written.timestamp(), compact_bytes(attempt))


def _rank(attempt: Fields) -> tuple[bool, bool, float, str]:
    """Order attempts best first: complete, then earliest end, then id (model.md, decision 4)."""
    ended = parse_time(attempt.get("ended_at"))
    return (
        attempt.get("status") != "complete",
        ended is None,
        (ended or EPOCH).timestamp(),
        str(attempt["attempt_id"]),
    )


def _link_order(link: Fields) -> tuple[float, bytes]:
    linked = parse_time(link.get("linked_at")) or EPOCH
    return (linked.timestamp(), compact_bytes(link))


def _with_id(job_id: str, attempt: Fields) -> Fields:
    if isinstance(attempt.get("attempt_id"), str):
        return attempt
    made = legacy_attempt_id(
        job_id,
        str(attempt.get("registered_machine") or ""),
        str(attempt.get("started_at") or ""),
        str(attempt.get("ended_at") or ""),
    )
    return {**attempt, "attempt_id": made}


def _of_identity(pointer: str) -> bool:
    return pointer == "/statepoint" or pointer.startswith("/statepoint/")


def is_unprovable(entry: Mapping[str, Json]) -> bool:
    """Return whether part of the state point is redacted, so that the id cannot be proved."""
    redacted = entry.get("redacted")
    return isinstance(redacted, Sequence) and any(_of_identity(str(p)) for p in redacted)


def check_entry(value: Json) -> LedgerEntry:
    """Return ``value`` when it has the shape of an entry (types of the fields that are read).

    Raises:
        NewerSchemaError: a newer aexp wrote it.
        CorruptDataError: it is no entry; the message says why.
    """
    if not isinstance(value, dict):
        raise CorruptDataError("it is no JSON object")
    version = value.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise CorruptDataError("it has no schema_version")
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"it has schema version {version}; this aexp reads up to {SCHEMA_VERSION}",
            hint="upgrade aexp: pip install --upgrade aexp",
        )
    if not is_job_id(value.get("job_id")):
        raise CorruptDataError("its job_id is not 32 lowercase hex digits")
    for name, kind in _TYPES.items():
        if name in value and not isinstance(value[name], kind):
            raise CorruptDataError(f"its {name} has the wrong type")
    for name in ("statepoint", "status", "promoted_at", "registered_machine"):
        if name not in value:
            raise CorruptDataError(f"it has no {name}")
    _check_status(value)
    for index, attempt in enumerate(value.get("replicates") or ()):
        if not isinstance(attempt, dict) or not isinstance(attempt.get("attempt_id"), str):
            raise CorruptDataError(f"its replicates[{index}] is no attempt")
        if foreign := {*IDENTITY_FIELDS, *RUN_FIELDS, *DERIVED_FIELDS}.intersection(attempt):
            raise CorruptDataError(f"its replicates[{index}] has a {min(foreign)} of its own")
        _check_status(attempt)
    return value  # type: ignore[return-value]


_TYPES: dict[str, type | tuple[type, ...]] = {
    "statepoint": dict,
    "status": str,
    "promoted_at": str,
    "registered_machine": str,
    "run_link": (dict, type(None)),
    "attempt_id": str,
    "params": dict,
    "metrics": dict,
    "replicates": list,
    "redacted": list,
    "retracted": dict,
    "tracker": (dict, type(None)),
    "record_digest": str,
}


def _check_status(fields: Mapping[str, Json]) -> None:
    status = fields.get("status")
    if status not in TERMINAL_STATUSES and not (status == RETRACTED and "retracted" in fields):
        raise CorruptDataError(f"its status {status!r} is not terminal")


def prove_identity(entry: Mapping[str, Json]) -> bool:
    """Return whether the job id is the hash of the state point (model.md, decision 6)."""
    return has_signac_id(entry["statepoint"], entry["job_id"])
