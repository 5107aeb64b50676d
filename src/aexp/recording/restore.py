"""Going on with a session: from its checkpoint, or as a fork (SES-03, SES-06)."""

from __future__ import annotations

from aexp.clock import utc_now
from aexp.errors import RefConflictError, SessionBusyError
from aexp.model.oci import Descriptor
from aexp.model.session import SessionFacts
from aexp.model.times import format_time
from aexp.recording.checkpoints import (
    Stored,
    choose_free,
    read_checkpoint,
    read_run,
    run_manifests,
)
from aexp.recording.commit import commit
from aexp.recording.sealed import Sealed, read_sealed
from aexp.recording.session import Ended, Session, new_session_id, next_number
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.workspace.store import RunStore

_TRIES = 5


def restore(layout: Layout, registry: Registry, text: str) -> Session:
    """Return the session of a checkpoint, which this process owns from now on (SES-03).

    Args:
        layout: the repository.
        registry: where the checkpoint is.
        text: the session's name, or the id of a checkpoint; of several of one name the newest
            that no live process owns.

    Raises:
        NotFoundError: there is no such checkpoint, or a part of it is missing.
        SessionBusyError: live processes own all of that name; they are listed.
        CorruptDataError: the checkpoint is damaged.
        StorageError: the disk refused.
    """
    for _ in range(_TRIES):
        stored = read_checkpoint(registry, choose_free(registry, text))
        session = _reopened(layout, registry, stored)
        try:
            session.take_over()
        except RefConflictError:
            session.end("closed")
            continue  # another process was quicker; perhaps there is another checkpoint
        except BaseException:
            session.end("closed")
            raise
        return session
    raise SessionBusyError(f"other processes go on taking the checkpoints of {text!r}")


def release(layout: Layout, registry: Registry, text: str) -> Stored:
    """Take a session away from a process that is gone, so that anybody may go on with it.

    The whole checkpoint is read, so what comes back can be restored. Should its owner be a live
    process all the same, then that finds the checkpoint changed, and goes on as another session.

    Raises:
        NotFoundError, SessionBusyError, CorruptDataError, StorageError: as :func:`restore`.
    """
    ref = choose_free(registry, text)
    stored = read_checkpoint(registry, ref)
    session = _reopened(layout, registry, stored)
    try:
        session.take_over(stored.facts.status, stored.facts.reason, owned=False)
    finally:
        session.end("closed")
    return read_checkpoint(registry, choose_free(registry, stored.session_id))


def commit_checkpoint(
    layout: Layout, registry: Registry, text: str, name: str | None, *, replace_name: bool
) -> Sealed:
    """Seal a session that was cut off as its checkpoint has it; when it fails the checkpoint stays.

    Raises:
        NotFoundError, SessionBusyError, CorruptDataError, StorageError: as :func:`restore`.
        RefConflictError: another session has advanced the name.
    """
    session = restore(layout, registry, text)
    try:
        return commit(session, name, replace_name=replace_name)
    except BaseException:
        if session.is_usable:
            session.save(owned=False)
            session.end("closed")
        raise


def _reopened(layout: Layout, registry: Registry, stored: Stored) -> Session:
    manifests = list(run_manifests(registry, stored.listed))
    ended = tuple(Ended(read_run(registry, manifest), manifest) for manifest in manifests)
    known = next_number(RunStore(layout), stored.session_id)
    return Session(
        layout,
        registry,
        stored.session,
        parent=_parent(registry, stored.parent),
        ended=ended,
        next_run=max(stored.facts.next_run, known),
        turn=stored.facts.turn + 1,
        published=stored.ref.digest,
    )


def _parent(registry: Registry, descriptor: Descriptor | None) -> Sealed | None:
    return None if descriptor is None else read_sealed(registry, descriptor.digest)


def fork(
    layout: Layout, registry: Registry, parent: Sealed, name: str | None, base: str | None
) -> Session:
    """Return a session that begins with everything a committed one holds (SES-06).

    Args:
        layout: the repository.
        registry: where the artifact is.
        parent: the artifact; it stays reachable through OCI ``subject``.
        name: what the fork is to be committed as.
        base: the digest that the name stands for now.
    """
    before = parent.facts.session
    facts = SessionFacts(
        session_id=new_session_id(),
        name=name,
        experiment_id=before.experiment_id,
        created_at=format_time(utc_now()),
        machine=layout.machine_label,
        base=base,
        attachments=before.attachments,
    )
    numbers = [run.number for run in parent.facts.runs]
    return Session(layout, registry, facts, parent=parent, next_run=max(numbers, default=-1) + 1)
