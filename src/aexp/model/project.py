"""Projection: from what a machine recorded of a run to what the ledger says of it (LED-02).

An allowlist: a field that is not named here never leaves the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from aexp.errors import NotTerminalError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, compact_bytes, digest_of, to_json
from aexp.model.entry import (
    LINK_FIELDS,
    SCHEMA_VERSION,
    TRACKER_FIELDS,
    Fields,
    Parts,
    order_attempts,
)
from aexp.model.fit import fit
from aexp.model.ids import legacy_attempt_id
from aexp.model.sanitize import Root, certainly_publishable, sanitize
from aexp.model.status import ENDED_BY, is_terminal
from aexp.model.stream import Summary, params_of
from aexp.model.times import format_time, later_of

ERROR_LENGTH: Final = 512

_TIMES = ("started_at", "ended_at")
_CAUSES = frozenset(cause for causes in ENDED_BY.values() for cause in causes)
_LISTED = ("attachments", "inputs", "outputs")
_MAPPED = ("workflow", "environment", "sweep", "execution")

SummaryOf = Callable[[str], Summary]
"""Gives what the streams of one attempt come to."""


class Projection(Struct, frozen=True):
    """A run as the ledger will show it, not yet stamped with time and machine.

    Attributes:
        identity: the identity fields of the entry.
        identity_redacted: JSON pointers below ``/statepoint`` that were redacted.
        link: the run link, or None.
        attempts: the content of each ended attempt of this machine.
        spilled: parts that were too large for the entry: the bytes by their digest.
    """

    identity: Fields
    identity_redacted: tuple[str, ...]
    link: Fields | None
    attempts: tuple[Fields, ...]
    spilled: Mapping[str, bytes]


def project(
    job_id: str,
    statepoint: Mapping[str, Json],
    document: Mapping[str, Json],
    *,
    summary_of: SummaryOf,
    machine: str,
    roots: Sequence[Root] = (),
) -> Projection:
    """Return what the ledger may say of a terminal run.

    Args:
        job_id: the run's id.
        statepoint: its state point.
        document: its document; signac's synced collections are fine (LED-03).
        summary_of: gives the parameters and metrics of an attempt by its id.
        machine: the label of this machine (an attempt without an id gets one made from it).
        roots: absolute folders that have a name on every machine.

    Raises:
        NotTerminalError: the run has not ended.
    """
    identity, point_pointers = _identity(job_id, statepoint, document.get("status"), roots)
    spilled: dict[str, bytes] = {}
    current = attempt_fields(document, _attempt_id(job_id, document, machine), summary_of, roots)
    earlier = [
        attempt_fields(past, _attempt_id(job_id, past, machine), summary_of, roots)
        for past in _mappings(document.get("attempts"))
        if is_terminal(past.get("status"))
    ]
    return Projection(
        identity=identity,
        identity_redacted=tuple(sorted(point_pointers)),
        link=link_fields(document.get("aexp"), roots),
        attempts=tuple(fit(attempt, spilled) for attempt in (current, *earlier)),
        spilled=spilled,
    )


def describe(
    job_id: str,
    statepoint: Mapping[str, Json],
    document: Mapping[str, Json],
    *,
    summary_of: SummaryOf,
    roots: Sequence[Root] = (),
) -> Fields:
    """Return all that may be said of a terminal run and its present attempt, in one object.

    The same as in the ledger, but not cut to fit an entry; the arguments are those of
    :func:`project`.

    Raises:
        NotTerminalError: the run has not ended.
    """
    identity, pointers = _identity(job_id, statepoint, document.get("status"), roots)
    attempt = attempt_fields(document, str(document.get("attempt_id", "")), summary_of, roots)
    redacted = sorted([*pointers, *attempt.pop("redacted", [])])
    return {
        **identity,
        **({"run_link": link} if (link := link_fields(document.get("aexp"), roots)) else {}),
        **attempt,
        **({"redacted": redacted} if redacted else {}),
    }


def _identity(
    job_id: str, statepoint: Mapping[str, Json], status: Json, roots: Sequence[Root]
) -> tuple[Fields, list[str]]:
    """Return the identity of a terminal run, and the pointers of what was redacted in it."""
    if not is_terminal(status):
        raise NotTerminalError(
            f"run {job_id} is {status}, which is not terminal",
            hint="only an ended run goes to the ledger; see `aexp show-run`",
        )
    point = to_json(statepoint)
    clean_point, pointers = _published(point, roots, "/statepoint")
    if odd := _nonfinite_pointers(point, "/statepoint") if clean_point is not point else []:
        # 0.6.x took NaN into state points; no JSON file can hold it, so it counts as redacted.
        pointers = [*pointers, *odd]
    identity: Fields = {
        "schema_version": SCHEMA_VERSION,
        "job_id": job_id,
        "statepoint": clean_point,
    }
    for key, kind in (("code_commit", str | None), ("code_dirty", bool)):
        if key in clean_point and isinstance(clean_point[key], kind):
            identity[key] = clean_point[key]
    return identity, pointers


def attempt_fields(
    facts: Mapping[str, Json], attempt_id: str, summary_of: SummaryOf, roots: Sequence[Root]
) -> Fields:
    """Return the allowed, sanitized fields of one attempt."""
    sealed = facts.get("sealed")
    fields: Fields = {"attempt_id": attempt_id, "status": facts["status"]}
    fields.update(_well_formed(facts))
    if isinstance(sealed, Mapping):  # closed by its owner: what its streams came to stands here
        params, metrics = params_of(facts, {}), _metrics_in(sealed)
    else:
        summary = summary_of(attempt_id)
        params = params_of(facts, summary.params)
        metrics = {name: m.to_json() for name, m in summary.metrics.items()}
    if params:
        fields["params"] = to_json(params)
    if metrics:
        fields["metrics"] = metrics
    if note := note_of(facts):
        fields["note"] = note
    if tags := tags_of(facts):
        fields["tags"] = tags
    if tracker := _picked(facts.get("tracker"), TRACKER_FIELDS):
        fields["tracker"] = tracker
    if error := _picked(facts.get("error"), ("type", "message")):
        fields["error"] = {key: str(value) for key, value in error.items()}
    clean, pointers = _published(fields, roots)
    if "error" in clean:  # cut only now: half a secret would not be recognized as one
        clean["error"] = {key: value[:ERROR_LENGTH] for key, value in clean["error"].items()}
    if pointers:
        clean["redacted"] = sorted(pointers)
    return clean


def _metrics_in(sealed: Mapping[str, Json]) -> Fields:
    """Return the metrics that an owner noted when it closed its attempt."""
    found = to_json(sealed.get("metrics"))
    if not isinstance(found, Mapping):
        return {}
    return {name: facts for name, facts in found.items() if isinstance(facts, dict)}


def _published(value: Fields, roots: Sequence[Root], pointer: str = "") -> tuple[Fields, list[str]]:
    """Return ``value`` as a JSON file can hold it and may show it, and what was redacted.

    Most is fine as it is, which shows in its encoded form at a glance; it is returned itself.
    """
    try:
        data = compact_bytes(value)
    except ValueError:
        return sanitize(_without_nonfinite(value), roots=roots, pointer=pointer)
    if certainly_publishable(data):
        return value, []
    return sanitize(value, roots=roots, pointer=pointer)


def _well_formed(facts: Mapping[str, Json]) -> Fields:
    """Return the plain and structured facts of an attempt that are what their names promise.

    The document is the user's too: what stands there under such a name and is something else is
    an arbitrary key, and stays here (LED-02).
    """
    fields: Fields = {key: facts[key] for key in _TIMES if isinstance(facts.get(key), str)}
    if isinstance(cause := facts.get("ended_by"), str) and cause in _CAUSES:
        fields["ended_by"] = cause
    seconds = to_json(facts.get("wallclock_s"))
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        fields["wallclock_s"] = seconds
    for key in (*_LISTED, *_MAPPED):
        value = to_json(facts.get(key))
        if key in _LISTED and isinstance(value, list):
            value = [item for item in value if isinstance(item, dict)]
        if key == "attachments" and isinstance(value, list):
            value = [known for known in map(_attachment_fields, value) if known]
        if value and isinstance(value, list if key in _LISTED else dict):
            fields[key] = value
    return fields


def _attachment_fields(item: Json) -> Fields:
    """Return what an entry says of an attachment, empty when ``item`` is none."""
    attachment = Attachment.from_json(item)
    if attachment is None:
        return {}
    return {key: value for key, value in attachment.to_json().items() if key != "annotations"}


def tags_of(facts: Mapping[str, Json]) -> list[str]:
    """Return the tags of an attempt, sorted and each once; what is no list of them has none.

    Another tool may have written anything under that name; it is left out, and never raises.
    """
    found = facts.get("tags")
    if isinstance(found, str):
        found = [found]
    if isinstance(found, Mapping) or not isinstance(found, Iterable):
        return []
    return sorted({str(tag) for tag in found if isinstance(tag, str | int | float) and tag != ""})


def note_of(facts: Mapping[str, Json]) -> str:
    """Return the note of an attempt; empty when it has none, or something that is no text."""
    found = facts.get("note")
    return str(found) if isinstance(found, str) else ""


_TEXT_OR_NONE = (str, type(None))


def link_fields(link: Json, roots: Sequence[Root] = ()) -> Fields | None:
    """Return the allowed fields of a run link, or None for an unlinked run."""
    if not isinstance(link, Mapping) and not hasattr(link, "keys"):
        return None
    plain = to_json(link)
    if not plain or not isinstance(plain.get("experiment_id"), str) or not plain["experiment_id"]:
        return None
    picked = {
        key: plain[key] for key in LINK_FIELDS if isinstance(plain.get(key, 0), _TEXT_OR_NONE)
    }
    return sanitize(picked, roots=roots)[0]  # type: ignore[no-any-return]


def _picked(value: Json, allowed: Sequence[str]) -> Fields:
    if value is None or not hasattr(value, "keys"):
        return {}
    plain = to_json(value)
    return {key: plain[key] for key in allowed if plain.get(key) is not None}


def _mappings(value: Json) -> list[Mapping[str, Json]]:
    if value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
        return []
    return [item for item in value if hasattr(item, "keys")]


def _attempt_id(job_id: str, facts: Mapping[str, Json], machine: str) -> str:
    """Return an attempt's id; one recorded by 0.6.x gets the id its entry gets when read."""
    known = facts.get("attempt_id")
    if isinstance(known, str) and known:
        return known
    started, ended = facts.get("started_at"), facts.get("ended_at")
    return legacy_attempt_id(job_id, machine, str(started or ""), str(ended or ""))


def _without_nonfinite(value: Json) -> Json:
    """Return ``value`` with NaN and infinities as strings, and text that UTF-8 can hold."""
    if isinstance(value, float):
        return value if value - value == 0 else _NONFINITE_TEXT[repr(value)]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_nonfinite(key): _without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nonfinite(item) for item in value]
    return value


def _nonfinite_pointers(value: Json, pointer: str) -> list[str]:
    """Return the RFC 6901 pointers of NaN and infinities in ``value``."""
    if isinstance(value, float):
        return [] if value - value == 0 else [pointer]
    if isinstance(value, dict):
        pairs = [(str(k).replace("~", "~0").replace("/", "~1"), v) for k, v in value.items()]
    elif isinstance(value, list):
        pairs = [(str(index), item) for index, item in enumerate(value)]
    else:
        return []
    return [found for key, item in pairs for found in _nonfinite_pointers(item, f"{pointer}/{key}")]


_NONFINITE_TEXT = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class Stamp(Struct, frozen=True):
    """When and where the present content of an attempt was first promoted.

    Attributes:
        digest: of the attempt's content.
        promoted_at: when that content was first promoted.
        machine: the label it was promoted under.
    """

    digest: str
    promoted_at: str
    machine: str

    def to_json(self) -> Fields:
        """Return the stamp as it stands in the run's document."""
        return {
            "digest": self.digest,
            "promoted_at": self.promoted_at,
            "registered_machine": self.machine,
        }


def read_stamps(document: Mapping[str, Json]) -> dict[str, Stamp]:
    """Return the stamps in a run's document, by attempt id."""
    stamps: dict[str, Stamp] = {}
    stored = document.get("ledger")
    if stored is None or not hasattr(stored, "items"):
        return stamps
    for attempt_id, fields in stored.items():
        if hasattr(fields, "get") and fields.get("digest") and fields.get("promoted_at"):
            stamps[attempt_id] = Stamp(
                str(fields["digest"]),
                str(fields["promoted_at"]),
                str(fields.get("registered_machine", "")),
            )
    return stamps


def stamp(
    projection: Projection,
    *,
    stamps: Mapping[str, Stamp],
    known: Parts | None,
    now: datetime,
    machine: str,
    relabel: bool = False,
) -> tuple[Parts, dict[str, Stamp]]:
    """Return the projection as parts of an entry, and the stamps to keep with the run.

    ``promoted_at`` and ``registered_machine`` change only when the content does (model.md,
    decision 4), and then strictly increase, so that the newest version of an attempt is known.

    Args:
        projection: what to promote.
        stamps: the stamps kept in the run's document.
        known: the entry that is in the ledger already, or None.
        now: the present time.
        machine: the label for attempts that have none yet.
        relabel: put ``machine`` on attempts that have a label too (LED-07).
    """
    on_file = {a["attempt_id"]: a for a in known.attempts} if known is not None else {}
    result: dict[str, Stamp] = {}
    attempts: list[Fields] = []
    for content in projection.attempts:
        content = _adopt_id(content, on_file)
        attempt_id = content["attempt_id"]
        fresh = _stamp_one(
            content, stamps.get(attempt_id), on_file.get(attempt_id), now, machine, relabel
        )
        result[attempt_id] = fresh
        attempts.append(
            {**content, "promoted_at": fresh.promoted_at, "registered_machine": fresh.machine}
        )
    parts = Parts(
        identity=projection.identity,
        identity_redacted=projection.identity_redacted,
        link=projection.link,
        attempts=order_attempts(attempts),
        retracted=None,
    )
    return parts, result


def without_doubles(known: Parts, projection: Projection) -> Parts:
    """Return an entry on file without attempts that the run's own machine knows under an id.

    0.6.x drops the id when it promotes a run of ours, so that its version reads as another
    attempt. Only the machine that recorded the run can tell, and does.
    """
    ours = {_moment(a) for a in projection.attempts if not _is_legacy(a)} - {None}
    kept = tuple(a for a in known.attempts if not (_is_legacy(a) and _moment(a) in ours))
    return known if len(kept) == len(known.attempts) else replace(known, attempts=kept)


def _is_legacy(attempt: Mapping[str, Json]) -> bool:
    return str(attempt["attempt_id"]).startswith("legacy-")


def _moment(attempt: Mapping[str, Json]) -> tuple[str, str] | None:
    """Return what tells the attempts of one run apart: its first known time, and its outcome."""
    moment = attempt.get("started_at") or attempt.get("ended_at")
    return (str(moment), str(attempt["status"])) if moment else None


def _adopt_id(content: Fields, on_file: Mapping[str, Fields]) -> Fields:
    """Give a 0.6.x attempt the id its own entry has, also when that entry was relabelled."""
    if content["attempt_id"] in on_file or not _is_legacy(content):
        return content
    for attempt_id, filed in on_file.items():
        same = filed.get("started_at") == content.get("started_at")
        if _is_legacy(filed) and same and filed["status"] == content["status"]:
            return {**content, "attempt_id": attempt_id}
    return content


def _stamp_one(
    content: Fields,
    kept: Stamp | None,
    filed: Fields | None,
    now: datetime,
    machine: str,
    relabel: bool,
) -> Stamp:
    digest = content_digest(content)
    if kept is None and filed is not None:
        kept = Stamp(
            content_digest(filed),
            str(filed.get("promoted_at", "")),
            str(filed.get("registered_machine", "")),
        )
    if kept is not None and kept.digest == digest and (not relabel or kept.machine == machine):
        return kept
    label = machine if relabel or kept is None or not kept.machine else kept.machine
    floor = (kept.promoted_at if kept else None, (filed or {}).get("promoted_at"))
    return Stamp(digest, format_time(later_of(now, *floor)), label)


def content_digest(attempt: Mapping[str, Json]) -> str:
    """Return the digest of what an attempt says, leaving out when and where it was promoted."""
    skip = ("promoted_at", "registered_machine", "attempt_id")
    return digest_of(compact_bytes({k: v for k, v in attempt.items() if k not in skip}))
