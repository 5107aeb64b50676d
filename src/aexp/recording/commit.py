"""Sealing a session as one immutable artifact (SES-05 to SES-07).

Order of writes (``docs/format/session.md``): blobs are there already; config and manifest; the mark
of the ledger record; one transaction that moves the name and removes the checkpoint; the record.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import aexp
from aexp.clock import utc_now
from aexp.errors import AexpError, LedgerPromotionWarning, RefConflictError
from aexp.ledger.experiments import clear_mark, encode_record, mark_commit, write_record
from aexp.model.oci import EMPTY_CONFIG
from aexp.model.session import ExperimentFacts, check_session_name
from aexp.model.times import format_time
from aexp.recording.checkpoints import checkpoint_ref
from aexp.recording.sealed import Sealed
from aexp.recording.session import Session
from aexp.registry.refs import ANONYMOUS, ANY, ARTIFACT, DropRef, RefChange, SetRef

_TRIES = 5
"""How often a name is taken anew that others move meanwhile."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A committed session.

    Attributes:
        name: what it was committed as; None for an anonymous session.
        digest: of its manifest, by which it can be loaded and verified anywhere.
    """

    name: str | None
    digest: str


def commit(session: Session, name: str | None, *, replace_name: bool) -> Sealed:
    """Seal a session; it records nothing more afterwards. When this fails it is as it was.

    Args:
        session: the session, without open runs.
        name: another name than the session's own.
        replace_name: take the name even if it stands for something else by now.

    Raises:
        OpenRunsError: runs are open; they are named.
        RefConflictError: another session has advanced the name (SES-05).
        StorageError: the disk refused.
    """
    with session.saving:
        session.freeze()
        try:
            called = session.facts.name if name is None else check_session_name(name)
            session.seal_rest()
            sealed = _put(session, called)
            digest, size = sealed.descriptor.digest, sealed.descriptor.size
            record = encode_record(session.layout, digest, size, sealed.facts)
            _publish(session, sealed, replace_name, record)
        except BaseException:
            if session.sealed is None:
                session.thaw()
            else:  # Ctrl-C in the moment in which the name had moved
                session.end("committed")
            raise
        session.end("committed")
    try:
        write_record(session.layout, digest, record)
    except (AexpError, OSError) as error:
        warnings.warn(
            f"the session is committed, but its record in the ledger could not be written: {error};"
            " the next `aexp ledger backfill` writes it",
            LedgerPromotionWarning,
            stacklevel=3,
        )
    return sealed


def _put(session: Session, name: str | None) -> Sealed:
    """Store config and manifest."""
    facts = ExperimentFacts(
        session=replace(session.facts, name=name),
        committed_at=format_time(utc_now()),
        aexp=aexp.__version__,
        runs=tuple(session.runs),
        parent=None if session.parent is None else session.parent.descriptor.digest,
    )
    subject = None if session.parent is None else session.parent.descriptor
    manifest = facts.manifest(subject)
    session.registry.put_many([facts.config(), EMPTY_CONFIG])
    stored = session.registry.put_manifest(manifest)
    return Sealed(name, stored, facts)


def _publish(session: Session, sealed: Sealed, replace_name: bool, record: bytes) -> None:
    digest = sealed.descriptor.digest
    mark_commit(session.layout, digest, record)
    try:
        for tries_left in range(_TRIES if replace_name else 1, 0, -1):
            try:
                _move_name(session, _changes(session, sealed, replace_name))
                break
            except RefConflictError:
                if tries_left == 1:
                    raise
    except BaseException as error:
        if _has_moved(session, sealed):
            session.sealed = sealed
            if isinstance(error, AexpError | OSError):
                return  # only `index.json` is behind, which other tools read
            raise
        if isinstance(error, AexpError | OSError):
            clear_mark(session.layout, digest)
        if isinstance(error, RefConflictError):
            raise _name_is_taken(sealed) from None
        raise
    session.sealed = sealed


def _has_moved(session: Session, sealed: Sealed) -> bool:
    """Return whether the artifact has its name, whatever went wrong since."""
    digest = sealed.descriptor.digest
    try:
        ref = session.registry.ref(sealed.name or anonymous_ref(digest))
    except (AexpError, OSError):
        return False
    return ref is not None and ref.digest == digest


def _move_name(session: Session, changes: list[RefChange]) -> None:
    checkpoint = DropRef(checkpoint_ref(session.session_id), expect=session.published or ANY)
    try:
        session.registry.publish(*changes, checkpoint)
    except RefConflictError:
        # Should only the checkpoint be another process's by now, then it stays with that one.
        session.registry.publish(*changes)


def _name_is_taken(sealed: Sealed) -> RefConflictError:
    return RefConflictError(
        f"{sealed.name!r} stands for another artifact than when this session began",
        hint="give this one another name, commit(name=...) or --name, or take the name,"
        " commit(replace=True) or --replace",
    )


def _changes(session: Session, sealed: Sealed, replace_name: bool) -> list[RefChange]:
    """Return the changes of names: what the name stood for stays reachable, without a name."""
    digest = sealed.descriptor.digest
    if sealed.name is None:
        return [SetRef(anonymous_ref(digest), ANONYMOUS, digest)]
    before = session.registry.ref(sealed.name)
    if replace_name:
        expect = None if before is None else before.digest
    else:
        expect = session.facts.base if sealed.name == session.facts.name else None
    changes: list[RefChange] = [SetRef(sealed.name, ARTIFACT, digest, expect=expect)]
    if before is not None and before.digest not in (digest, sealed.facts.parent):
        # Nothing is lost by a name that moves on (SES-05): `prune-anonymous` lets it go.
        old = anonymous_ref(before.digest)
        changes.append(SetRef(old, ANONYMOUS, before.digest, session=sealed.name))
    return changes


def anonymous_ref(digest: str) -> str:
    """Return the name of the ref that keeps an artifact without a name."""
    return f"{ANONYMOUS}/{digest.removeprefix('sha256:')[:16]}"
