"""Backfill: every terminal run of this machine gets a right and complete entry (LED-07)."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from aexp.beside import can_work_beside, working_beside
from aexp.cache import Head, Shelf, grouped, shelf
from aexp.errors import AexpError, NotTerminalError, StorageError
from aexp.ledger.pending import clear_pending, commit_marks, pending
from aexp.ledger.places import Place, find_entry, standing_entries
from aexp.ledger.promote import (
    Outcome,
    home_layout,
    keep_aside,
    prepare,
    promote_record,
    roots_of,
    with_stamps,
)
from aexp.model.canonical import digest_of
from aexp.model.sanitize import Root
from aexp.model.status import is_terminal
from aexp.repo import Layout
from aexp.storage.atomic import BatchWriter, Staged, remove_leftovers
from aexp.storage.state import (
    NO_FILE,
    WIDTH,
    FileState,
    file_state,
    file_states,
    on_one_file_system,
)
from aexp.workspace.store import (
    DOCUMENT_FILE,
    STATEPOINT_FILE,
    RunStore,
    encode_document,
)
from aexp.workspace.streams import STREAMS_DIR, stream_states

CHUNK = 2000
"""Runs that are written before one flush makes them durable together."""

WORTH_A_PROCESS = 500
"""Runs from which on half of them are prepared in a second process."""

_NOWHERE = Place("", None)
Seen: TypeAlias = tuple[FileState | None, FileState | None]


class BackfillReport(Struct):
    """What a backfill did.

    Attributes:
        promoted: runs that got their entry.
        refreshed: runs whose entry was stale, corrupt or incomplete.
        skipped: runs whose entry was right already.
        failed: runs that could not be promoted, with the reason.
        elsewhere: runs that belong to another work tree's ledger.
        replaced: corrupt files that were kept aside, relative to the root.
    """

    promoted: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)


class Progress(Protocol):
    """Is told what is being done; the library itself says nothing."""

    def __call__(self, what: str, *, waits: bool = False) -> None:
        """Show ``what``; ``waits`` says that it depends on another machine, so may take long."""


def silent(what: str, *, waits: bool = False) -> None:
    """Show nothing."""


def backfill(
    layout: Layout,
    *,
    label: str | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> BackfillReport:
    """Promote every terminal run whose entry is missing, stale, corrupt or incomplete.

    One bad run never stops the rest. Bytes change only with content, also with ``overwrite``.

    Args:
        layout: the repository.
        label: the machine label for new entries.
        overwrite: count every terminal run as promoted.
        progress: is told how many runs have been looked at.

    Returns:
        What was done, by run. No run store gives an empty report.
    """
    store = RunStore(layout)
    report = BackfillReport()
    roots = roots_of(layout)
    ids = store.ids()
    proved = _Proved(store, ids, _context(roots))
    job = _Backfill(store, layout, label, roots, report, proved, frozenset(pending(layout)))
    waiting = []
    for job_id in ids:
        if job_id in proved.right and job_id not in job.marked:
            report.skipped.append(job_id)
        else:
            waiting.append(job_id)
    for start in range(0, len(waiting), CHUNK):
        progress(f"{len(ids) - len(waiting) + start} of {len(ids)} runs looked at")
        job.run(waiting[start : start + CHUNK])
    proved.save()
    if overwrite:
        report.promoted = sorted([*report.promoted, *report.refreshed, *report.skipped])
        report.refreshed, report.skipped = [], []
    if commit_marks(layout):
        from aexp.ledger.experiments import heal_records

        heal_records(layout)
    for folder in (layout.tmp_dir, layout.run_store / ".aexp-tmp"):
        remove_leftovers(folder)
    return report


class _Prepared(Struct, frozen=True):
    """What preparing one run came to: little, so that another process can hand it over.

    Attributes:
        job_id: the run.
        verdict: ``ready`` with its new files on disk under temporary names, ``right`` as it is,
            to be promoted ``alone``, or one that is not for this ledger or not at all.
        reason: why it ``failed``.
        place: where its entry stands.
        seen: the state of document and entry before they were read.
        is_home: whether it was created in this work tree.
        outcome: what promoting it does.
        replaced: where a corrupt entry is kept aside.
        document: its new document.
        entry: its new entry.
    """

    job_id: str
    verdict: Literal["ready", "right", "alone", "elsewhere", "failed", "unfinished"]
    reason: str = ""
    place: Place = _NOWHERE
    seen: Seen = (None, None)
    is_home: bool = False
    outcome: Outcome = Outcome.UNCHANGED
    replaced: Path | None = None
    document: Staged | None = None
    entry: Staged | None = None


class _Right(Head, array_like=True, frozen=True, gc=False):
    """A run whose entry was right.

    Attributes:
        context: what the entry depended on beside the run's files.
    """

    context: bytes


class _Proved:
    """Which entries were right when last looked at, with nothing changed since.

    Args:
        store: the runs.
        ids: all of them, sorted.
        context: what entries depend on beside the runs' files.
    """

    def __init__(self, store: RunStore, ids: Sequence[str], context: bytes) -> None:
        self._folder = f"{store.workspace}{os.sep}"
        self._context = context
        self._shelf: Shelf[_Right] = shelf(
            store.layout, "promoted", _Right, len(ids), files=len(_LOOKED_AT), bodies=False
        )
        self._count = len(ids)
        self._groups = grouped(ids, lambda job_id: job_id[:2]) if self._shelf.is_kept else {}
        entries = standing_entries(store.layout) if self._groups else {}
        self._seen: dict[str, array[int]] = {}
        self._heads: dict[str, list[_Right | None]] = {}
        self._found: dict[str, array[int]] = {}
        self.right: set[str] = set()
        for group, names in self._groups.items():
            self._seen[group] = seen = self._states(names, [entries.get(name) for name in names])
            self._heads[group] = known = self._shelf.recall(group, names, seen)
            self.right.update(h.name for h in known if h is not None and h.context == context)

    @property
    def is_kept(self) -> bool:
        """Whether anything is remembered at all."""
        return self._shelf.is_kept

    def _states(self, ids: Sequence[str], entries: Sequence[str | None]) -> array[int]:
        """Return the states of runs, each with that of its entry (None: it has none)."""
        here = file_states(self._folder, ids, _HERE)
        found = array("q")
        width = WIDTH * len(_HERE)
        for i, (job_id, path) in enumerate(zip(ids, entries, strict=True)):
            own = here[i * width : (i + 1) * width]
            if own[1 - WIDTH] != NO_FILE[1]:  # it has streams: what is in the folder counts
                own[-WIDTH:] = array("q", _digest(stream_states(f"{self._folder}{job_id}")))
            found.extend(own)
            found.extend((path and file_state(path)) or NO_FILE)
        return found

    def add(self, job_id: str, seen: Seen) -> None:
        """Note that an entry is right, if document and entry still are as they were ``seen``."""
        states = self._states([job_id], [None])
        if tuple(states[:WIDTH]) == (seen[0] or NO_FILE):
            states[-WIDTH:] = array("q", seen[1] or NO_FILE)
            self._found[job_id] = states

    def save(self) -> None:
        """Keep it for the next backfill."""
        for group, names in self._groups.items():
            seen, heads = self._seen[group], self._heads[group]
            fresh: dict[str, bytes | None] = {}
            width = WIDTH * len(_LOOKED_AT)
            for i, (job_id, head) in enumerate(zip(names, heads, strict=True)):
                if head is not None and head.context == self._context:
                    continue
                found = self._found.get(job_id)
                fresh[job_id] = None if found is None else b""
                if found is not None:
                    seen[i * width : (i + 1) * width] = found
            if fresh:
                whole = [_Right(job_id, self._context) for job_id in names]
                self._shelf.keep(group, whole, seen, fresh)
        self._shelf.save(self._groups, self._count)


_HERE: Final = tuple(os.sep + name for name in (DOCUMENT_FILE, STATEPOINT_FILE, STREAMS_DIR))
_LOOKED_AT: Final = (*_HERE, "entry")


def _digest(states: bytes) -> tuple[int, int, int, int]:
    """Return text about states in the shape of a state; it has no times."""
    import hashlib

    first, second = struct.unpack("<qq", hashlib.sha256(states).digest()[:16])
    return (first, second, 0, 0)


class _Backfill(Struct, frozen=True):
    """One backfill: prepare without locks, write together, publish each run under its lock.

    Between preparing and publishing, another process may have changed the run or its entry. The
    state of both files is noted before they are read, and compared once the run is locked: what
    changed meanwhile is promoted anew, alone, and no lock is held for longer than two renames.
    """

    store: RunStore
    layout: Layout
    label: str | None
    roots: Sequence[Root]
    report: BackfillReport
    proved: _Proved
    marked: frozenset[str]

    def run(self, ids: Sequence[str]) -> None:
        documents, entries = self._writers()
        alone: list[str] = []
        with documents, entries:
            found = self._prepare_all(ids, documents, entries)
            try:
                documents.flush()
                entries.flush()
                is_flushed = True
            except StorageError:
                is_flushed = False
            for one in found:
                if one.verdict == "ready" and is_flushed:
                    is_done = self._publish(one, documents, entries)
                else:
                    is_done = self._tell(one)
                if not is_done:
                    alone.append(one.job_id)
        for job_id in alone:  # a full disk, one bad folder, a run that changed meanwhile
            self._promote_alone(job_id)

    def _writers(self) -> tuple[BatchWriter, BatchWriter]:
        """Return the writers of documents and of entries: one, where one flush does for both."""
        entries = BatchWriter(self.layout.tmp_dir)
        if on_one_file_system(self.layout.root, self.layout.run_store):
            return entries, entries
        return BatchWriter(self.layout.run_store / ".aexp-tmp"), entries

    def _prepare_all(
        self, ids: Sequence[str], documents: BatchWriter, entries: BatchWriter
    ) -> list[_Prepared]:
        """Prepare many runs, half of them in a second process where there is a core for it."""
        if len(ids) < WORTH_A_PROCESS or not can_work_beside():
            return [self._prepare(job_id, documents, entries) for job_id in ids]
        middle = len(ids) // 2

        def second_half() -> list[_Prepared]:
            writers = self._writers()
            return [self._prepare(job_id, *writers) for job_id in ids[middle:]]

        with working_beside(second_half) as result:
            found = [self._prepare(job_id, documents, entries) for job_id in ids[:middle]]
            theirs = result()
        if theirs is None:  # it was killed
            return [*found, *(self._prepare(job_id, documents, entries) for job_id in ids[middle:])]
        for one in theirs:
            for writer, staged in ((documents, one.document), (entries, one.entry)):
                if staged is not None:
                    writer.adopt(staged)
        return [*found, *theirs]

    def _prepare(self, job_id: str, documents: BatchWriter, entries: BatchWriter) -> _Prepared:
        try:
            return self._prepare_sound(job_id, documents, entries)
        except StorageError:
            return _Prepared(job_id, "alone")
        except _PER_RUN as error:
            return _Prepared(job_id, "failed", _reason(error))

    def _prepare_sound(
        self, job_id: str, documents: BatchWriter, entries: BatchWriter
    ) -> _Prepared:
        place = find_entry(self.layout, job_id)
        seen = self._see(job_id, place)
        record = self.store.read(job_id)
        if record.problem is None and not is_terminal(record.status):
            return _Prepared(job_id, "unfinished")
        if record.problem is not None:
            if not (record.folder / DOCUMENT_FILE).exists():
                # Never ended: 0.6.x leaves an empty folder where it refuses a key.
                return _Prepared(job_id, "unfinished")
            record = self.store.read_sound(job_id)
        if home_layout(self.layout, record).root != self.layout.root:
            return _Prepared(job_id, "elsewhere")
        is_home = record.document.get("worktree") in (None, str(self.layout.root))
        prepared = prepare(self.layout, record, label=self.label, roots=self.roots, place=place)
        document = with_stamps(record.document, prepared)
        if document == record.document and prepared.data is None:
            return _Prepared(job_id, "right", place=place, seen=seen, is_home=is_home)
        keep_aside(self.layout, record, prepared)
        staged_document = staged_entry = None
        if document != record.document:
            target = f"{self.store.workspace}{os.sep}{job_id}{os.sep}{DOCUMENT_FILE}"
            staged_document = documents.add(target, encode_document(document))
        if prepared.data is not None:
            staged_entry = entries.add(place.path, prepared.data)
        outcome, replaced = prepared.promotion.outcome, prepared.promotion.replaced
        return _Prepared(
            job_id, "ready", "", place, seen, is_home, outcome, replaced, staged_document,
            staged_entry,
        )  # fmt: skip

    def _tell(self, one: _Prepared) -> bool:
        """Report a run that needs no writing; False when it has to be promoted alone."""
        if one.verdict == "right":
            self._note(one.job_id, one.outcome, one.replaced)
            self._remember_as_right(one, one.seen)
        elif one.verdict == "elsewhere":
            self.report.elsewhere.append(one.job_id)
        elif one.verdict == "failed":
            self.report.failed[one.job_id] = one.reason
        return one.verdict not in ("alone", "ready")

    def _publish(self, one: _Prepared, documents: BatchWriter, entries: BatchWriter) -> bool:
        """Rename a run's files into place; False when that has to be done alone."""
        try:
            with self.store.lock(one.job_id):
                if self._see(one.job_id, one.place) != one.seen:
                    return False
                if one.document is not None:
                    documents.put(one.document)
                if one.entry is not None:
                    entries.put(one.entry)
                self._remember_as_right(one, self._see(one.job_id, one.place))
        except (AexpError, OSError):
            return False
        finally:
            for writer, staged in ((documents, one.document), (entries, one.entry)):
                if staged is not None:
                    writer.drop(staged)
        self._note(one.job_id, one.outcome, one.replaced)
        return True

    def _promote_alone(self, job_id: str) -> None:
        try:
            promotion = promote_record(self.store, job_id, label=self.label, layout=self.layout)
        except NotTerminalError:
            return  # it has begun another attempt meanwhile
        except _PER_RUN as error:
            self.report.failed[job_id] = _reason(error)
        else:
            self._note(job_id, promotion.outcome, promotion.replaced)

    def _remember_as_right(self, one: _Prepared, seen: Seen) -> None:
        if self.proved.is_kept and one.is_home:
            self.proved.add(one.job_id, seen)

    def _see(self, job_id: str, place: Place) -> Seen:
        """Return the state of a run's document and of its entry."""
        document = f"{self.store.workspace}{os.sep}{job_id}{os.sep}{DOCUMENT_FILE}"
        return file_state(document), file_state(place.path)

    def _note(self, job_id: str, outcome: Outcome, replaced: Path | None) -> None:
        if job_id in self.marked:
            clear_pending(self.layout, job_id)
        {
            Outcome.PROMOTED: self.report.promoted,
            Outcome.REFRESHED: self.report.refreshed,
            Outcome.UNCHANGED: self.report.skipped,
        }[outcome].append(job_id)
        if replaced is not None:
            self.report.replaced.append(self.layout.relative(replaced))


_PER_RUN = (AexpError, OSError, ValueError, TypeError, KeyError)


def _context(roots: Sequence[Root]) -> bytes:
    """Return what an entry depends on beside the run's files: what paths are rewritten to."""
    return digest_of(repr(list(roots)).encode("utf-8", "surrogateescape")).encode()


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, AexpError) else f"{type(error).__name__}: {error}"
