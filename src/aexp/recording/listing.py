"""What sessions there are: committed ones, here and in the ledger, and checkpoints (SES-07)."""

from __future__ import annotations

from dataclasses import dataclass

from aexp.errors import AexpError, AmbiguousIdError, NotFoundError, SessionBusyError
from aexp.ledger.experiments import ExperimentRecord, find_records, list_experiments
from aexp.model.checkpoint import CheckpointFacts
from aexp.model.owner import Owner
from aexp.model.session import RunFacts, SessionFacts, is_session_id
from aexp.recording.checkpoints import (
    Stored,
    all_checkpoints,
    checkpoint_ref,
    find_checkpoints,
    owner_of,
    read_checkpoint,
    read_run,
    run_manifests,
)
from aexp.recording.sealed import Sealed, find_sealed, read_sealed
from aexp.registry.lookup import listed_refs
from aexp.registry.refs import ARTIFACT, CHECKPOINT, DropRef, Ref
from aexp.registry.store import Registry
from aexp.repo import Layout


@dataclass(frozen=True)
class CommittedSession:
    """A committed session, as the registry here and the ledger know it.

    Attributes:
        name: what it was committed as, or None.
        digest: of the artifact.
        is_current: whether the name stands for it here; True of one without a name.
        runs: how many.
        committed_at: when.
        machine: the label of the machine that committed it.
        experiment_id: such as ``E001``, or None.
        session_id: the session.
        where: ``here``, ``ledger`` or ``both``.
    """

    name: str | None
    digest: str
    is_current: bool
    runs: int
    committed_at: str
    machine: str
    experiment_id: str | None
    session_id: str
    where: str


def committed_sessions(layout: Layout, registry: Registry) -> list[CommittedSession]:
    """Return all committed sessions that this clone knows of, oldest first.

    Artifacts that are no sessions, or cannot be read, are left out; ``aexp registry`` shows those.
    """
    recorded = {record.digest: record for record in list_experiments(layout)}
    found: dict[str, CommittedSession] = {}
    for ref in listed_refs(registry):
        if ref.digest in found:
            continue
        record = recorded.get(ref.digest)
        try:
            found[ref.digest] = (
                _of_artifact(read_sealed(registry, ref.digest), ref)
                if record is None
                else _of_record(record, ref)
            )
        except AexpError:
            continue
    for digest, record in recorded.items():
        found.setdefault(digest, _of_record(record, None))
    return sorted(found.values(), key=lambda session: (session.committed_at, session.digest))


def _of_artifact(sealed: Sealed, ref: Ref) -> CommittedSession:
    session = sealed.facts.session
    return CommittedSession(
        name=_called(ref) or session.name,
        digest=ref.digest,
        is_current=_is_current(ref),
        runs=len(sealed.facts.runs),
        committed_at=sealed.facts.committed_at,
        machine=session.machine,
        experiment_id=session.experiment_id,
        session_id=session.session_id,
        where="here",
    )


def _of_record(record: ExperimentRecord, ref: Ref | None) -> CommittedSession:
    """Return a session that the ledger knows: its artifact, which may be large, is not read."""
    return CommittedSession(
        name=(None if ref is None else _called(ref)) or record.name,
        digest=record.digest,
        is_current=ref is not None and _is_current(ref),
        runs=len(record.runs),
        committed_at=record.committed_at,
        machine=record.machine,
        experiment_id=record.experiment_id,
        session_id=record.session_id,
        where="ledger" if ref is None else "both",
    )


def _called(ref: Ref) -> str | None:
    return ref.name if ref.kind == ARTIFACT else ref.session or None


def _is_current(ref: Ref) -> bool:
    """Return whether a name stands for it, or it never had one."""
    return ref.kind == ARTIFACT or not ref.session


@dataclass(frozen=True)
class SavedSession:
    """A checkpoint, as listings show it.

    Attributes:
        checkpoint_id: the id of its session.
        name: what the session is to be committed as, or None.
        facts: what it says of the session; None when it cannot be read.
        owner: the live process that works on the session, or None.
        saved_at: when the checkpoint was written, in seconds since 1970.
        problem: why it cannot be read, or None.
    """

    checkpoint_id: str
    name: str | None
    facts: CheckpointFacts | None
    owner: Owner | None
    saved_at: float
    problem: str | None


def saved_sessions(registry: Registry) -> list[SavedSession]:
    """Return all checkpoints, newest first; one that cannot be read says why."""
    return [saved_session(registry, ref) for ref in all_checkpoints(registry)]


def saved_session(registry: Registry, ref: Ref) -> SavedSession:
    """Return what a listing shows of the checkpoint that ``ref`` keeps."""
    facts: CheckpointFacts | None = None
    problem = None
    try:
        facts = read_checkpoint(registry, ref).facts
    except AexpError as error:
        problem = error.message
    return SavedSession(
        checkpoint_id=ref.name.removeprefix(f"{CHECKPOINT}/"),
        name=ref.session or None,
        facts=facts,
        owner=owner_of(registry, ref),
        saved_at=ref.updated_at,
        problem=problem,
    )


@dataclass(frozen=True)
class SessionContent:
    """Everything a session holds, committed or not.

    Attributes:
        kind: ``artifact``, ``checkpoint``, or ``record`` when only the ledger knows it.
        digest: of the artifact, or of the checkpoint.
        session: the session's own facts; None when only the ledger knows it.
        status: as model.md has it.
        runs: its closed runs by number.
        checkpoint: what a checkpoint says, or None.
        record: the record in the ledger, or None.
    """

    kind: str
    digest: str
    session: SessionFacts | None
    status: str
    runs: tuple[RunFacts, ...]
    checkpoint: CheckpointFacts | None = None
    record: ExperimentRecord | None = None


def look_up(layout: Layout, registry: Registry, text: str) -> SessionContent:
    """Return the session that ``text`` means: a name, a digest, or the id of a checkpoint.

    A committed session comes first, then the newest checkpoint of that name, then what only the
    ledger knows.

    Raises:
        NotFoundError: there is none.
        AmbiguousIdError: several digests begin like this.
        CorruptDataError: it is damaged.
    """
    if is_session_id(text) and registry.ref(checkpoint_ref(text)) is not None:
        return _checkpoint_content(registry, find_checkpoints(registry, text)[0])
    try:
        sealed = find_sealed(registry, text)
    except NotFoundError as error:
        checkpoints = [] if is_session_id(text) else all_checkpoints(registry, text)
        if checkpoints:
            return _checkpoint_content(registry, checkpoints[0])
        records = find_records(layout, text)
        if not records:
            raise NotFoundError(
                f"there is no session {text!r}",
                hint="see `aexp session list`, and `aexp session list --checkpoints`",
            ) from error
        newest = records[-1]
        return SessionContent("record", newest.digest, None, "complete", (), None, newest)
    digest = sealed.descriptor.digest
    record = next((r for r in list_experiments(layout) if r.digest == digest), None)
    facts = sealed.facts
    return SessionContent("artifact", digest, facts.session, "complete", facts.runs, None, record)


def _checkpoint_content(registry: Registry, ref: Ref) -> SessionContent:
    stored = read_checkpoint(registry, ref)
    runs = all_runs(registry, stored)
    return SessionContent(
        "checkpoint", ref.digest, stored.session, stored.facts.status, runs, stored.facts
    )


def all_runs(registry: Registry, stored: Stored) -> tuple[RunFacts, ...]:
    """Return the runs of a checkpoint by number, those of a fork's parent included.

    Raises:
        NotFoundError, CorruptDataError: a part of it is not there, or damaged.
    """
    own = [read_run(registry, manifest) for manifest in run_manifests(registry, stored.listed)]
    if stored.parent is not None:
        own += read_sealed(registry, stored.parent.digest).facts.runs
    return tuple(sorted(own, key=lambda run: run.number))


def one_checkpoint(registry: Registry, text: str) -> Ref:
    """Return the one checkpoint that ``text`` means, for what cannot be taken back.

    Raises:
        NotFoundError: there is none.
        AmbiguousIdError: there are several of that name; they are listed.
    """
    found = find_checkpoints(registry, text)
    if len(found) > 1:
        ids = ", ".join(ref.name.removeprefix(f"{CHECKPOINT}/") for ref in found)
        raise AmbiguousIdError(
            f"there are {len(found)} checkpoints of {text!r}: {ids}", hint="name one by its id"
        )
    return found[0]


def discard(registry: Registry, ref: Ref) -> None:
    """Remove a checkpoint. The runs of its session stay what they are.

    Raises:
        SessionBusyError: a live process works on the session.
        RefConflictError: the checkpoint has changed meanwhile; it stays.
    """
    owner = owner_of(registry, ref)
    if owner is not None:
        raise SessionBusyError(f"{owner.describe()} works on this session")
    registry.publish(DropRef(ref.name, expect=ref.digest))
