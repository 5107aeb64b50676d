"""Closing an attempt: its bytes sealed in the registry, its facts in document and ledger (ADR 7).

Order of writes (``docs/format/ordering.md``): blobs, config, manifest, ref, document, entry. A run
that recorded nothing but parameters has no bytes, and does not touch the registry at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from msgspec import Struct
from msgspec.structs import replace

from aexp.clock import utc_now
from aexp.errors import AexpError
from aexp.ledger.promote import describe_run
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, compact_bytes
from aexp.model.curves import METRICS_NAME, METRICS_TYPE, OUTPUT_NAME, encode_point
from aexp.model.oci import EMPTY, EMPTY_CONFIG, Descriptor, Manifest, sha256_digest
from aexp.model.status import is_terminal
from aexp.model.stream import Metric, Summary, params_of, unique_names
from aexp.process import deferred_signals
from aexp.runs.transition import (
    ended_document,
    ends_with,
    finish_attempt,
    is_lost,
    one_line_of,
    say_line,
)
from aexp.workspace.active import ActiveAttempt
from aexp.workspace.store import RunRecord, RunStore
from aexp.workspace.streams import attempt_records, summarize_attempt, sync_streams

if TYPE_CHECKING:
    from aexp.registry.store import Registry

RUN_TYPE: Final = "application/vnd.aexp.run.v1+json"
"""The artifact type of a run's manifest."""
RUN_CONFIG_TYPE: Final = "application/vnd.aexp.run.config.v1+json"
LOGS_DIR: Final = "logs"
OUTPUT_TYPE: Final = "text/plain"
_IN_MEMORY: Final = 16 * 1024 * 1024
"""Curves of more bytes than this go through a file."""
_WITH_CONFIG: Final = 1024 * 1024
"""Curves of at most so many bytes are written together with config and manifest."""


class Closed(Struct, frozen=True):
    """What closing an attempt came to.

    Attributes:
        attachments: all attachments of the attempt, curves and captured output among them.
        manifest: the run's manifest, or None when there was nothing to seal, or it failed.
        problem: why the bytes are not sealed, or None.
    """

    attachments: tuple[Attachment, ...] = ()
    manifest: Descriptor | None = None
    problem: str | None = None


class _Sealing(Struct, frozen=True):
    """What goes into the manifest of one attempt."""

    store: RunStore
    record: RunRecord
    summary: Summary
    logs: tuple[Path, ...]
    facts: Mapping[str, Json]
    always: bool

    @property
    def is_needed(self) -> bool:
        return bool(self.always or self.logs or self.summary.attachments or self.summary.metrics)


def close_attempt(
    store: RunStore,
    job_id: str,
    attempt_id: str,
    status: str,
    ended_by: str,
    error: Mapping[str, str] | None,
    *,
    attempt: ActiveAttempt | None = None,
    logs: Sequence[Path] = (),
    always_manifest: bool = False,
    facts: Mapping[str, Json] | None = None,
) -> Closed:
    """End an attempt that this process owns (REC-10, RUN-03).

    Closes its stream, seals its bytes in the registry, and writes document and entry. A terminal
    status that it has already is kept (trap 7), and its bytes are sealed all the same. What the
    registry refuses is said on standard error and kept as ``registry_error`` in the document; it
    never keeps a run from ending.

    Args:
        store: where the run is.
        job_id: the run.
        attempt_id: the attempt; nothing is done when another has begun since.
        status: the terminal status.
        ended_by: how it ended.
        error: ``type`` and ``message`` of what went wrong.
        attempt: what this process recorded into.
        logs: files with captured output; the first becomes the attachment ``output.log``.
        always_manifest: seal a run that has no bytes, too.
        facts: more members for the run's config.

    Raises:
        StorageError: the stream or the document could not be written. The run has ended unless it
            was the document.
        InvalidTransitionError: another attempt has begun meanwhile.
        NotFoundError, CorruptDataError: as :meth:`RunStore.read_sound`.
    """
    with deferred_signals():  # the second Ctrl-C of an impatient user must not lose the run
        try:
            if attempt is not None:
                attempt.close()
        finally:  # a full disk loses metrics, but must not leave the run running
            closed = _close(
                store,
                store.read_sound(job_id),
                attempt_id,
                (status, ended_by, error),
                _with_content(logs),
                facts or {},
                always_manifest,
            )
            if attempt is not None:
                attempt.release()
    return closed


def seal_again(store: RunStore, job_id: str, *, facts: Mapping[str, Json] | None = None) -> Closed:
    """Seal the bytes of an ended run that could not be sealed when it ended.

    Args:
        store: where the run is.
        job_id: the run.
        facts: more members for the run's config; None for those that were given when it ended.

    Returns:
        What that came to; its ``problem`` says why it failed again, and nothing was changed then.

    Raises:
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    record = store.read_sound(job_id)
    sealed = record.document.get("sealed")
    if not isinstance(sealed, Mapping) or "manifest" in sealed:
        return _as_recorded(record)
    attempt_id = str(record.document["attempt_id"])
    summary = summarize_attempt(record.folder, attempt_id)
    logs = _with_content([log_file(record.folder, attempt_id)])
    known = facts or sealed.get("facts") or {}
    closed = _seal(_Sealing(store, record, summary, logs, known, True))
    if closed.problem is None:
        how = (record.status, str(record.document.get("ended_by")), None)
        now = utc_now()
        kept = _to_keep(record, closed, now)
        finish_attempt(store, job_id, attempt_id, *how, now=now, facts=kept)
    return closed


def forget_lost(store: RunStore, job_id: str) -> None:
    """Take back what a killed process had published of an attempt that it did not end.

    It may die between ref and document; the run was lost then, and has no bytes. What cannot be
    taken back now does no harm: the next attempt does not build on it.
    """
    from aexp.registry import DropRef, SetRef, open_registry, run_ref

    registry = open_registry(store.layout)
    with contextlib.suppress(AexpError, OSError):
        if not registry.exists():
            return
        name = run_ref(store.layout, job_id)
        ref = registry.ref(name)
        if ref is None:
            return
        kept = _earlier(registry, name, store.read_sound(job_id))
        if kept is None:
            registry.publish(DropRef(name, expect=ref.digest))
        elif kept.digest != ref.digest:
            registry.publish(SetRef(name, "run", kept.digest, expect=ref.digest))


def log_file(run_folder: Path, attempt_id: str) -> Path:
    """Return where the captured output of an attempt is, or would be."""
    return run_folder / LOGS_DIR / f"{attempt_id}.log"


def _with_content(logs: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(log for log in logs if log.is_file() and log.stat().st_size)


def _close(
    store: RunStore,
    record: RunRecord,
    attempt_id: str,
    how: tuple[str, str, Mapping[str, str] | None],
    logs: tuple[Path, ...],
    facts: Mapping[str, Json],
    always: bool,
) -> Closed:
    if record.document.get("attempt_id") != attempt_id:
        return Closed()
    if "sealed" in record.document:
        return _as_recorded(record)
    summary = summarize_attempt(record.folder, attempt_id)
    now = utc_now()
    ended = _ended_record(record, how, now, summary, facts)
    sealing = _Sealing(store, ended, summary, logs, facts, always)
    has_ended = is_terminal(record.status) and not is_lost(record)
    if has_ended and not (sealing.is_needed or summary.params):
        return Closed()
    closed = _seal(sealing) if sealing.is_needed else Closed()
    if closed.problem is not None:
        say_line(f"[aexp registry] run {record.job_id} was not sealed: {closed.problem}")
        sync_streams(record.folder, attempt_id)  # nothing else holds its metrics
    finish_attempt(
        store, record.job_id, attempt_id, *how, now=now, facts=_to_keep(ended, closed, now)
    )
    return closed


def _ended_record(
    record: RunRecord,
    how: tuple[str, str, Mapping[str, str] | None],
    now: datetime,
    summary: Summary,
    facts: Mapping[str, Json],
) -> RunRecord:
    """Return the run as it will be once it is closed, but for what the registry adds."""
    document = dict(record.document)
    if ends_with(record, how[0]):
        document = ended_document(document, *how, now)
    if params := params_of(document, summary.params):
        document["params"] = params
    # From now on the document says what the streams came to: a closed run does not change.
    metrics = {name: metric.to_json() for name, metric in summary.metrics.items()}
    document["sealed"] = {"metrics": metrics} if metrics else {}
    if facts:  # should sealing fail, whoever does it later needs them
        document["sealed"]["facts"] = dict(facts)
    return RunRecord(record.job_id, record.statepoint, document, record.workspace)


def _to_keep(ended: RunRecord, closed: Closed, now: datetime) -> dict[str, Json]:
    """Return what closing adds to the document."""
    kept: dict[str, Json] = {"sealed": dict(ended.document["sealed"])}
    if "params" in ended.document:
        kept["params"] = ended.document["params"]
    if closed.attachments:
        kept["attachments"] = [attachment.to_json() for attachment in closed.attachments]
    if closed.manifest is not None:
        kept["sealed"]["manifest"] = closed.manifest.digest
    kept["registry_error"] = None
    if closed.problem is not None:
        kept["registry_error"] = {"at": now.timestamp(), "reason": closed.problem}
    return kept


def _as_recorded(record: RunRecord) -> Closed:
    """Return what an earlier call came to."""
    listed = record.document.get("attachments") or []
    found = (Attachment.from_json(item) for item in listed)
    return Closed(tuple(attachment for attachment in found if attachment is not None))


def _seal(sealing: _Sealing) -> Closed:
    """Write blobs, config, manifest and ref."""
    from aexp.registry import open_registry

    known = tuple(sealing.summary.attachments)
    try:
        registry = open_registry(sealing.store.layout)
        with registry.lease(f"run {sealing.record.job_id}"):
            curves, small = _curves(registry, sealing)
            made = [*curves, *_put_logs(registry, sealing)]
            # Ours keep their names, since readers look for them, and stand last.
            named = unique_names([*made, *known])
            attachments = (*named[len(made) :], *named[: len(made)])
            return Closed(attachments, _publish(registry, sealing, attachments, small))
    except (AexpError, OSError, ValueError) as error:
        reason = one_line_of(error, sealing.store.layout)
        return Closed(known, problem=reason)


def _curves(registry: Registry, sealing: _Sealing) -> tuple[list[Attachment], list[bytes]]:
    """Return the attachment with the curves, and its bytes where they are still to be written."""
    from tempfile import SpooledTemporaryFile

    if not sealing.summary.metrics:
        return [], []
    with SpooledTemporaryFile(_IN_MEMORY, dir=str(sealing.record.folder)) as spooled:
        lines = cast("BinaryIO", spooled)
        write_curves(sealing.record, lines)
        size = lines.tell()
        lines.seek(0)
        small = [lines.read()] if size <= _WITH_CONFIG else []
        digest = sha256_digest(small[0]) if small else registry.put_stream(lines).digest
    return [Attachment(METRICS_NAME, METRICS_TYPE, digest, size, METRICS_NAME)], small


def write_curves(record: RunRecord, target: BinaryIO) -> None:
    """Write the curves of all attempts of a run that were recorded here, oldest first (REC-10).

    What the streams hold decides the bytes, and not the order in which they are read.
    """
    document = record.document
    past = [each for each in document.get("attempts") or [] if isinstance(each, Mapping)]
    for facts in (*past, document):
        attempt_id = facts.get("attempt_id")
        if not isinstance(attempt_id, str):
            continue
        for found in attempt_records(record.folder, attempt_id):
            if isinstance(found, Metric):
                target.write(encode_point(attempt_id, found))


def _put_logs(registry: Registry, sealing: _Sealing) -> list[Attachment]:
    made = []
    for number, log in enumerate(sealing.logs, start=1):
        blob = registry.put_file(log)
        name = OUTPUT_NAME if number == 1 else OUTPUT_NAME.replace(".", f".{number}.")
        made.append(Attachment(name, OUTPUT_TYPE, blob.digest, blob.size, name))
    return made


def _publish(
    registry: Registry,
    sealing: _Sealing,
    attachments: tuple[Attachment, ...],
    small: Sequence[bytes],
) -> Descriptor:
    """Write small curves, config and manifest in this order with one flush, then the ref."""
    from aexp.registry import run_ref
    from aexp.registry.blobs import missing
    from aexp.registry.refs import SetRef

    config = _config(sealing, attachments)
    items = [*small, *([] if attachments else [EMPTY_CONFIG]), config]
    layers = tuple(attachment.layer() for attachment in attachments)
    name = run_ref(sealing.store.layout, sealing.record.job_id)
    manifest = Manifest(
        Descriptor.of(RUN_CONFIG_TYPE, config),
        layers or (Descriptor.of(EMPTY, EMPTY_CONFIG),),
        RUN_TYPE,
        _earlier(registry, name, sealing.record),
    )
    fresh = set(map(sha256_digest, items))
    for child in manifest.children():
        if child.digest not in fresh and not registry.has(child.digest):
            raise missing(child.digest)
    data = manifest.encode()
    registry.put_many([*items, data])
    descriptor = replace(Descriptor.of(manifest.media_type, data), artifact_type=RUN_TYPE)
    registry.publish(SetRef(name, "run", descriptor.digest))
    return descriptor


def _config(sealing: _Sealing, attachments: Sequence[Attachment]) -> bytes:
    """Return the run's config: all that may be said of it, as in the ledger, and not cut."""
    described = describe_run(sealing.store.layout, sealing.record)
    described["attachments"] = [attachment.to_json() for attachment in attachments]
    described.update(sealing.facts)
    return compact_bytes(described)


def _earlier(registry: Registry, name: str, record: RunRecord) -> Descriptor | None:
    """Return the manifest of the run's last sealed attempt before this one, or None.

    A ref can be ahead of the document by a manifest, when a kill fell between the two; the
    document is right.
    """
    ref = registry.ref(name)
    sealed = set(_manifests_of(record))
    digest = None if ref is None else ref.digest
    while digest is not None and (size := registry.size(digest)) is not None:
        known = registry.manifest(digest)
        if digest in sealed:
            return Descriptor(known.media_type, digest, size, artifact_type=known.artifact_type)
        digest = None if known.subject is None else known.subject.digest
    return None


def _manifests_of(record: RunRecord) -> Iterator[str]:
    """Yield the manifests that the document knows of."""
    past = record.document.get("attempts") or []
    for facts in (*past, record.document):
        sealed = facts.get("sealed") if isinstance(facts, Mapping) else None
        if isinstance(sealed, Mapping) and isinstance(found := sealed.get("manifest"), str):
            yield found
