"""The state of an open recording session, and how it is saved (SES-02 to SES-05)."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from aexp.clock import utc_now
from aexp.errors import (
    AexpError,
    CheckpointWarning,
    OpenRunsError,
    RefConflictError,
    SessionClosedError,
    UsageError,
)
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json
from aexp.model.checkpoint import (
    Checkpoint,
    CheckpointFacts,
    Segment,
    append_run,
    segments_of,
)
from aexp.model.oci import MANIFEST, Descriptor
from aexp.model.parameters import SESSION_KEY, SESSION_RUN_KEY
from aexp.model.session import RunFacts, SessionFacts
from aexp.model.times import format_time
from aexp.process import this_process
from aexp.recording.checkpoints import (
    checkpoint_ref,
    lease_text,
    live_sessions,
    put_checkpoint,
)
from aexp.recording.pulse import Pulse
from aexp.recording.sealing import seal_run_again
from aexp.registry.refs import CHECKPOINT, SetRef
from aexp.repo import Layout
from aexp.workspace.store import RunStore

if TYPE_CHECKING:
    from aexp.recording.sealed import Sealed
    from aexp.registry.store import Registry

RUNNING: Final = "running"
_OURS: Final = str(Path(__file__).parent.parent)
REUSED_BY: Final = "sessions"
"""The member of a document that tells the numbers of a run in sessions that reuse it."""


@dataclass(frozen=True)
class _Moment:
    """The state of a session at one moment, as a checkpoint holds it."""

    facts: SessionFacts
    segments: tuple[Segment, ...]
    count: int
    next_run: int


class OpenRun(Protocol):
    """A run that is not closed yet."""

    @property
    def job_id(self) -> str:
        """Its id in the ledger."""


@dataclass(frozen=True)
class Ended:
    """A closed run of the session.

    Attributes:
        facts: what is known of it.
        manifest: its manifest; None while its bytes could not be sealed.
    """

    facts: RunFacts
    manifest: Descriptor | None


def next_number(store: RunStore, session_id: str) -> int:
    """Return the number behind the highest that a run of a session has in the run store (trap 42).

    A run that was open when its process died counts: its number is never given again.
    """
    highest = -1
    for record in store.records():
        found: list[Json] = []
        if record.statepoint.get(SESSION_KEY) == session_id:
            found.append(record.statepoint.get(SESSION_RUN_KEY))
        if isinstance(reused := record.document.get(REUSED_BY), Mapping):
            found.append(reused.get(session_id))
        highest = max([highest, *(number for number in found if isinstance(number, int))])
    return highest + 1


def _depth_of_caller() -> int:
    """Return which frame above the one that asks is the first that is not aexp's."""
    depth, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        depth, frame = depth + 1, frame.f_back
    return depth + 1


def new_session_id() -> str:
    """Return a new random id of a session."""
    return secrets.token_hex(8)


class Session:
    """An open session. Safe to use from several threads; a forked child must not use it.

    Args:
        layout: the repository.
        registry: where its bytes go.
        facts: what stays the same of it.
        parent: the artifact it is a fork of, or None.
        ended: its closed runs, in the order in which they were closed.
        next_run: the number of the next run.
        turn: how many processes have worked on it, this one counted.
        published: the digest of its checkpoint, or None when there is none yet.
    """

    def __init__(
        self,
        layout: Layout,
        registry: Registry,
        facts: SessionFacts,
        *,
        parent: Sealed | None = None,
        ended: tuple[Ended, ...] = (),
        next_run: int = 0,
        turn: int = 1,
        published: str | None = None,
    ) -> None:
        self.layout = layout
        self.store = RunStore(layout)
        self.registry = registry
        self.parent = parent
        self.last_error: Exception | None = None
        self.sealed: Sealed | None = None
        self.open_runs: dict[int, OpenRun] = {}
        self.attachments: dict[str, Attachment] = {a.name: a for a in facts.attachments}
        self.ended = list(ended)
        self.lock = threading.RLock()
        """Held for moments, while the state changes."""
        self.saving = threading.RLock()
        """Held while a checkpoint or the artifact is written; taken before ``lock``."""
        self._facts = facts
        self._next_run = next_run
        self._turn = turn
        self._published = published
        self._segments = segments_of(e.manifest for e in ended if e.manifest is not None)
        self._in_segments = sum(len(segment.runs) for segment in self._segments)
        self._saved: tuple[_Moment, str, str, bool] | None = None
        self._closed = ""
        self._is_frozen = False
        self._opening: set[int] = set()
        self._pid = os.getpid()
        self.pulse = Pulse(self.store, registry.lease(lease_text(facts.session_id)))
        live_sessions[facts.session_id] = self
        weakref.finalize(self, self.pulse.drop)

    # --- what it is ----------------------------------------------------------------------

    @property
    def facts(self) -> SessionFacts:
        """What is known of the session now."""
        with self.lock:
            return replace(self._facts, attachments=tuple(self.attachments.values()))

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self._facts.session_id

    @property
    def experiment_id(self) -> str | None:
        """The experiment that its runs belong to, or None."""
        return self._facts.experiment_id

    @property
    def published(self) -> str | None:
        """The digest of the last checkpoint, or None when there is none."""
        return self._published

    @property
    def runs(self) -> list[RunFacts]:
        """The closed runs by number, those of a fork's parent included."""
        with self.lock:
            inherited = self.parent.facts.runs if self.parent is not None else ()
            own = (ended.facts for ended in self.ended)
            return sorted((*inherited, *own), key=lambda run: run.number)

    @property
    def is_usable(self) -> bool:
        """Whether it can record: it is neither committed nor closed, and of this process."""
        return not self._closed and os.getpid() == self._pid

    def check_open(self) -> None:
        """Check that the session can record.

        Raises:
            SessionClosedError: it was committed or closed.
            UsageError: this is a forked child of the process that opened it.
        """
        if self._closed:
            raise SessionClosedError(f"this session was {self._closed}")
        if self._is_frozen:
            raise SessionClosedError("this session is being committed")
        if os.getpid() != self._pid:
            raise UsageError(
                f"this session belongs to process {self._pid}, of which this is a child",
                hint="record runs in that process; a child may log into a run that it inherited",
            )

    # --- runs ----------------------------------------------------------------------------

    def take_number(self) -> int:
        """Return the number of the next run; it is never given a second time."""
        with self.lock:
            self.check_open()
            self._next_run += 1
            self._opening.add(self._next_run - 1)
            return self._next_run - 1

    def give_back(self, number: int, *, certain: bool) -> None:
        """Take a number back of which no run was made, unless a higher one is out.

        Args:
            number: the number.
            certain: whether no run was made; else the run store is asked.
        """
        unused = certain or number >= next_number(self.store, self.session_id)
        with self.lock:
            self._opening.discard(number)
            if unused and self._next_run == number + 1:
                self._next_run = number

    def note_reused(self, job_id: str, number: int) -> None:
        """Note in a run that is not of this session alone which number it has here.

        Raises:
            StorageError, NotFoundError, CorruptDataError: as :meth:`RunStore.update`.
        """

        def change(document: dict[str, Json]) -> dict[str, Json]:
            known = document.get(REUSED_BY)
            numbers = dict(known) if isinstance(known, Mapping) else {}
            return {**document, REUSED_BY: {**numbers, self.session_id: number}}

        self.store.update(job_id, change)

    def run_opened(self, number: int, run: OpenRun) -> None:
        """Note that a run is open."""
        with self.lock:
            self.open_runs[number] = run
            self._opening.discard(number)
        self.pulse.add(number, run.job_id)

    def run_taken(self, number: int) -> None:
        """Note that a run is another attempt's now, and so no part of the session."""
        with self.lock:
            del self.open_runs[number]
        self.pulse.remove(number)

    def run_closed(self, number: int, facts: RunFacts, manifest: Descriptor | None) -> None:
        """Add a run that has ended, and save the session as far as the disk allows (SES-02)."""
        with self.lock:
            del self.open_runs[number]
            self.ended.append(Ended(facts, manifest))
        self.pulse.remove(number)
        self.autosave()

    # --- saving --------------------------------------------------------------------------

    def autosave(self) -> None:
        """Write a checkpoint; a failure is a warning, and no run is worse off for it (trap 39)."""
        try:
            with self.saving:
                if not self._closed:  # by another thread, while this one waited
                    self.save()
        except (AexpError, OSError) as error:
            self.last_error = error
            self.warn(
                f"the checkpoint of the session could not be written: {error};"
                " its runs are recorded, and the next checkpoint will hold them"
            )

    def warn(self, message: str) -> None:
        """Say what went wrong beside the work, where the caller's code is (trap 39)."""
        warnings.warn(message, CheckpointWarning, stacklevel=_depth_of_caller())

    def save(self, status: str = RUNNING, reason: str = "", *, owned: bool = True) -> str:
        """Write a checkpoint unless the last one says the same; return its digest (SES-02).

        Args:
            status: ``running``, ``failed`` or ``stopped``.
            reason: why it failed.
            owned: whether this process goes on with the session.

        Raises:
            AexpError, OSError: it could not be written; the one before stands.
        """
        with self.saving:
            self.seal_rest()
            with self.lock:
                self._extend_segments()
                moment = _Moment(self.facts, self._segments, self._in_segments, self._next_run)
            state = (moment, status, reason, owned)
            if state == self._saved and self._published is not None:
                return self._published
            try:
                digest = self._publish(moment, status, reason, owned)
            except RefConflictError:
                moment = replace(moment, facts=self._part())
                state = (moment, status, reason, owned)
                digest = self._publish(moment, status, reason, owned)
            self._published, self._saved, self.last_error = digest, state, None
            return digest

    def _extend_segments(self) -> None:
        for ended in self.ended[self._in_segments :]:
            if ended.manifest is None:  # it was closed a moment ago, on a full disk
                break
            self._segments = append_run(self._segments, ended.manifest)
            self._in_segments += 1

    def _publish(self, moment: _Moment, status: str, reason: str, owned: bool) -> str:
        facts = moment.facts
        said = CheckpointFacts(
            session_id=facts.session_id,
            status=status,
            next_run=moment.next_run,
            runs=moment.count,
            updated_at=format_time(utc_now()),
            turn=self._turn,
            reason=reason,
        )
        own = facts.manifest()
        descriptor = Descriptor.of(MANIFEST, own.encode())
        parent = self.parent.descriptor if self.parent is not None else None
        before = None if self._saved is None else self._saved[0]
        digest = put_checkpoint(
            self.registry,
            Checkpoint(said, descriptor, moment.segments, parent),
            facts,
            written=() if before is None else before.segments,
            with_session=before is None or before.facts != facts,
        )
        name = checkpoint_ref(facts.session_id)
        owner = this_process() if owned else None
        self.registry.publish(
            SetRef(name, CHECKPOINT, digest, facts.name or "", owner, expect=self._published)
        )
        return digest

    def take_over(self, status: str = RUNNING, reason: str = "", *, owned: bool = True) -> None:
        """Make this process the owner of a session whose checkpoint was read just now.

        The checkpoint is written anew, with another turn, so that of two processes that try at
        once one finds it changed.

        Raises:
            RefConflictError: another process took it.
            StorageError: the disk refused.
        """
        with self.saving:
            moment = _Moment(self.facts, self._segments, self._in_segments, self._next_run)
            self._published = self._publish(moment, status, reason, owned)
            self._saved = (moment, status, reason, owned)

    def _part(self) -> SessionFacts:
        """Go on as a session of its own, since another process went on with this one (SES-05)."""
        before = self.session_id
        with self.lock:
            self._facts = replace(self._facts, session_id=new_session_id())
            self._published = self._saved = None
            live_sessions[self.session_id] = self
        self.warn(
            f"another process went on with session {before}, so this one goes on as"
            f" {self.session_id}; both have a checkpoint"
        )
        return self.facts

    def seal_rest(self) -> None:
        """Seal the runs whose bytes the disk did not take when they ended.

        Raises:
            StorageError: it still does not.
        """
        with self.saving:
            for position, ended in enumerate(list(self.ended)):
                if ended.manifest is None:
                    facts, manifest = seal_run_again(
                        self.store, self.registry, ended.facts, self.session_id
                    )
                    with self.lock:
                        self.ended[position] = Ended(facts, manifest)

    # --- the end -------------------------------------------------------------------------

    def freeze(self) -> None:
        """Take nothing more while the session is being committed, until :meth:`thaw`.

        Raises:
            SessionClosedError: it was committed or closed.
            OpenRunsError: runs are open; they are named (SES-06).
        """
        with self.lock:
            self.check_open()
            names = [f"run {n} ({run.job_id[:8]})" for n, run in sorted(self.open_runs.items())]
            names += [f"run {number}" for number in sorted(self._opening)]
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                raise OpenRunsError(
                    f"{', '.join(names[:5])}{more} of this session"
                    f" {'is' if len(names) == 1 else 'are'} open",
                    hint="close them: for run in experiment.open_runs: run.finish()",
                )
            self._is_frozen = True

    def thaw(self) -> None:
        """Record again, since the commit did not come about."""
        with self.lock:
            self._is_frozen = False

    def end(self, how: str) -> None:
        """Record nothing more: the session was ``committed`` or ``closed``."""
        with self.lock:
            self._closed = how
            live_sessions.pop(self.session_id, None)
        self.pulse.drop()
