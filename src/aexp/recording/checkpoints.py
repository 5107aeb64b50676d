"""Checkpoints of sessions in the registry (SES-02 to SES-05, ``docs/format/session.md``)."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aexp.errors import CorruptDataError, NotFoundError, SessionBusyError
from aexp.model.canonical import decode_json
from aexp.model.checkpoint import Checkpoint, CheckpointFacts, Segment, open_checkpoint
from aexp.model.oci import EMPTY_CONFIG, INDEX, Descriptor, Index, Manifest
from aexp.model.owner import Liveness, Owner, proven_dead_by_restart
from aexp.model.session import RunFacts, SessionFacts, is_session_id
from aexp.process import liveness, this_process
from aexp.registry.refs import CHECKPOINT, Ref
from aexp.runs.transition import STALE_HEARTBEAT_S

if TYPE_CHECKING:
    from aexp.recording.session import Session
    from aexp.registry.store import Registry

_PREFIX: Final = f"{CHECKPOINT}/"

live_sessions: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
"""The sessions that are open in this process, by id."""


def checkpoint_ref(session_id: str) -> str:
    """Return the name of the ref that keeps a session's checkpoint."""
    return _PREFIX + session_id


def lease_text(session_id: str) -> str:
    """Return what the lease of a session says it is for."""
    return f"session {session_id}"


def put_checkpoint(
    registry: Registry,
    checkpoint: Checkpoint,
    facts: SessionFacts,
    *,
    written: Sequence[Segment] = (),
    with_session: bool = True,
) -> str:
    """Store the blobs of a checkpoint with one flush, and return its digest.

    Args:
        registry: where to.
        checkpoint: the checkpoint.
        facts: the session's own facts.
        written: segments that are there already.
        with_session: whether the session's own manifest has to be written too.

    Raises:
        StorageError: the disk refused.
    """
    items: list[bytes] = []
    if with_session:
        items += [facts.config(), facts.manifest().encode()]
        items += [] if facts.attachments else [EMPTY_CONFIG]
    for segment in checkpoint.segments:
        if segment.apart is not None and all(segment is not known for known in written):
            items.append(segment.index().encode())
    items.append(checkpoint.index().encode())
    return registry.put_many(items)[-1].digest


@dataclass(frozen=True)
class Stored:
    """A checkpoint as the registry has it.

    Attributes:
        ref: what keeps it.
        facts: what it says of the session at that moment.
        session: the session's own facts.
        listed: the manifests of its runs and the indexes of its segments.
        parent: the artifact that the session is a fork of, or None.
    """

    ref: Ref
    facts: CheckpointFacts
    session: SessionFacts
    listed: tuple[Descriptor, ...]
    parent: Descriptor | None

    @property
    def session_id(self) -> str:
        """The id of the session, by which the checkpoint is called."""
        return self.ref.name.removeprefix(_PREFIX)


def read_checkpoint(registry: Registry, ref: Ref) -> Stored:
    """Return the checkpoint that ``ref`` keeps.

    Raises:
        NotFoundError: a part of it is not there.
        CorruptDataError: a part of it is damaged.
    """
    index = registry.manifest(ref.digest)
    facts, session, listed = open_checkpoint(index)
    own = registry.manifest(session.digest)
    if not isinstance(own, Manifest):
        raise CorruptDataError(f"{session.digest} is no manifest of a session")
    return Stored(
        ref,
        facts,
        SessionFacts.from_config(registry.read(own.config.digest)),
        listed,
        index.subject,
    )


def run_manifests(registry: Registry, listed: Sequence[Descriptor]) -> Iterator[Descriptor]:
    """Yield the manifests of the runs that a checkpoint lists, those in its segments included.

    Raises:
        NotFoundError, CorruptDataError: a segment is not there, or damaged.
    """
    for item in listed:
        if item.media_type != INDEX:
            yield item
            continue
        segment = registry.manifest(item.digest)
        if not isinstance(segment, Index):
            raise CorruptDataError(f"{item.digest} is no segment of a checkpoint")
        yield from run_manifests(registry, segment.manifests)


def read_run(registry: Registry, manifest: Descriptor) -> RunFacts:
    """Return the run that was sealed as ``manifest``.

    Raises:
        NotFoundError, CorruptDataError: a part of it is not there, or damaged.
    """
    sealed = registry.manifest(manifest.digest)
    if not isinstance(sealed, Manifest):
        raise CorruptDataError(f"{manifest.digest} is no manifest of a run")
    try:
        return RunFacts.from_config(decode_json(registry.read(sealed.config.digest)))
    except ValueError as error:
        raise CorruptDataError(f"{sealed.config.digest}: {error}") from None


def all_checkpoints(registry: Registry, name: str | None = None) -> list[Ref]:
    """Return the refs of checkpoints, newest first; only those of sessions ``name`` when given."""
    found = registry.refs(kind=CHECKPOINT, session=name)
    return sorted(found, key=lambda ref: (-ref.updated_at, ref.name))


def find_checkpoints(registry: Registry, text: str) -> list[Ref]:
    """Return the checkpoints that ``text`` names, newest first: a session's id, or a name.

    Raises:
        NotFoundError: there is none.
    """
    if is_session_id(text):
        ref = registry.ref(checkpoint_ref(text))
        found = [] if ref is None else [ref]
    else:
        found = all_checkpoints(registry, text)
    if not found:
        raise NotFoundError(
            f"there is no checkpoint of a session {text!r}",
            hint="see `aexp session list --checkpoints`; what was committed is there to load",
        )
    return found


def owner_of(registry: Registry, ref: Ref) -> Owner | None:
    """Return the live process that works on a checkpoint's session, or None.

    A process of another host counts as live while the session's lease gives signs of life.
    """
    owner = ref.owner
    if owner is None:
        return None
    here = this_process()
    if owner == here:
        gc.collect()  # a session that was dropped with open runs is a cycle
        return owner if ref.name.removeprefix(_PREFIX) in live_sessions else None
    judged = liveness(owner)
    if judged is Liveness.UNKNOWN and not proven_dead_by_restart(owner, here):
        return owner if _gives_signs(registry, ref) else None
    return owner if judged is Liveness.ALIVE else None


def _gives_signs(registry: Registry, ref: Ref) -> bool:
    if time.time() - ref.updated_at < STALE_HEARTBEAT_S:
        return True
    wanted = lease_text(ref.name.removeprefix(_PREFIX))
    leases = (lease for lease in registry.live_leases() if lease.what == wanted)
    return any(time.time() - lease.seen_at < STALE_HEARTBEAT_S for lease in leases)


def choose_free(registry: Registry, text: str) -> Ref:
    """Return the newest checkpoint that ``text`` names and no live process owns (SES-03).

    Raises:
        NotFoundError: there is none of that name.
        SessionBusyError: all are owned; they are listed.
    """
    owned: list[str] = []
    for ref in find_checkpoints(registry, text):
        owner = owner_of(registry, ref)
        if owner is None:
            return ref
        owned.append(f"{ref.name.removeprefix(_PREFIX)} by {owner.describe()}")
    raise SessionBusyError(
        f"every checkpoint of {text!r} is in use: " + "; ".join(owned),
        hint="wait for the process to end, close the session there, or name another checkpoint",
    )
