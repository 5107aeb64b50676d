"""What is known of a run of a session once it has ended, and its curves before that (REC-03)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aexp.errors import InvalidTransitionError, StorageError
from aexp.ledger.promote import describe_run
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json
from aexp.model.curves import Point, decode_points, join
from aexp.model.oci import MANIFEST, Descriptor
from aexp.model.session import RUN_NUMBER, RunFacts
from aexp.recording.checkpoints import read_run
from aexp.runs.closing import seal_again, write_curves
from aexp.workspace.store import RunRecord, RunStore

if TYPE_CHECKING:
    from aexp.registry.store import Registry

SESSION_ID: Final = "session"
"""The member of a run's config that holds the id of its session."""


def run_config_facts(session_id: str, number: int) -> dict[str, Json]:
    """Return what a run's config says of its place in a session."""
    return {SESSION_ID: session_id, RUN_NUMBER: number}


def read_ended(
    store: RunStore, registry: Registry, job_id: str, number: int, attempt_id: str
) -> tuple[RunFacts, Descriptor | None]:
    """Return a run that has just ended, and its manifest, None when it could not be sealed.

    Raises:
        InvalidTransitionError: another attempt has begun meanwhile.
        NotFoundError, CorruptDataError: its files, or its manifest, are damaged.
    """
    record = store.read_sound(job_id)
    if record.document.get("attempt_id") != attempt_id:
        raise InvalidTransitionError(
            f"run {job_id} has begun another attempt, so this one is not part of the session",
            hint="it was given up as lost; see `aexp show-run`",
        )
    manifest = _manifest(registry, record)
    if manifest is None:
        return _unsealed(store, record, number), None
    return read_run(registry, manifest), manifest


def _manifest(registry: Registry, record: RunRecord) -> Descriptor | None:
    sealed = record.document.get("sealed")
    digest = sealed.get("manifest") if isinstance(sealed, Mapping) else None
    size = registry.size(digest) if isinstance(digest, str) else None
    return None if size is None else Descriptor(MANIFEST, str(digest), size)


def _unsealed(store: RunStore, record: RunRecord, number: int) -> RunFacts:
    """Return the run as its document tells it: its bytes are not all in the registry."""
    config = describe_run(store.layout, record)
    listed = record.document.get("attachments") or []
    found = (Attachment.from_json(item) for item in listed)
    config["attachments"] = [item.to_json() for item in found if item is not None]
    return RunFacts(number, {**config, RUN_NUMBER: number})


def seal_run_again(
    store: RunStore, registry: Registry, facts: RunFacts, session_id: str
) -> tuple[RunFacts, Descriptor]:
    """Seal a run whose bytes the disk did not take when it ended.

    Raises:
        StorageError: it still does not.
        NotFoundError, CorruptDataError: the run's files are damaged.
    """
    more = run_config_facts(session_id, facts.number)
    closed = seal_again(store, facts.job_id, facts=more)
    manifest = _manifest(registry, store.read_sound(facts.job_id))
    if manifest is None:
        raise StorageError(f"run {facts.number} could not be sealed: {closed.problem}")
    return read_run(registry, manifest), manifest


def curve_so_far(store: RunStore, job_id: str, name: str | None = None) -> list[Point]:
    """Return the curve of one metric, or of all, of a run of this machine (REC-03, REC-10)."""
    lines = io.BytesIO()
    write_curves(store.read_sound(job_id), lines)
    lines.seek(0)
    return join(decode_points(lines), name)


def metric_names_so_far(store: RunStore, job_id: str) -> list[str]:
    """Return the names of the metrics of a run of this machine, sorted."""
    return sorted({point.name for point in curve_so_far(store, job_id)})
