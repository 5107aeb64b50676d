"""Garbage collection: survey, then delete what nothing can reach (GC-02, GC-03, GC-05).

The survey takes no lock and changes nothing. Deleting goes in short batches, each with the
registry's lock held alone, so that no writer can publish a blob or a ref meanwhile; within a
batch each candidate's age, the leases and, when any ref has changed, the marks are looked at
again. A manifest is deleted before what it names: whoever finds a manifest finds it whole, also
after a kill.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from aexp.registry.marking import below, parents_first
from aexp.registry.refs import OWNED, Ref
from aexp.registry.report import Blobs, GcReport
from aexp.registry.store import Registry
from aexp.registry.survey import Ages, Protected, Survey, blob_folder, children_of, survey
from aexp.storage.shared_lock import LocksUnsupportedError

BATCH: Final = 256
"""Candidates per hold of the lock, at most."""

HOLD_S: Final = 0.02
"""How long writers are kept waiting at a time, in seconds: a busy disk may take that for a few."""


def collect(
    registry: Registry, *, delete: bool, grace_s: int, protected: Protected | None = None
) -> GcReport:
    """Report what nothing reaches, and delete it when told to.

    Args:
        registry: the registry; one that is not there is reported so, and not made.
        delete: unlink the candidates.
        grace_s: seconds that a blob must be old.
        protected: what is kept besides.

    Raises:
        CorruptDataError: the refs cannot be read.
        LocksUnsupportedError: it is to delete on a file system without locks while others record.
        StorageError: the disk refused.
    """
    protected = protected or Protected()
    if not registry.exists():
        return GcReport(registry.root, False, False, grace_s)
    seen = survey(registry, grace_s, protected)
    report = _report(registry, seen, grace_s, protected)
    if not delete:
        return report
    report = replace(report, delete_applied=True)
    if not seen.marks.are_whole:
        return report
    sweep = _Sweep(registry, seen, grace_s)
    sweep.run()
    return replace(
        report,
        deleted_blobs=Blobs.of(sweep.deleted),
        skipped_blobs=Blobs.of(sweep.skipped),
        deleted_leftovers=_files(sweep.deleted_files),
        failure=sweep.failure,
    )


class _Sweep:
    """Deletes the candidates of a survey, each looked at once more."""

    def __init__(self, registry: Registry, seen: Survey, grace_s: int) -> None:
        self._registry = registry
        self._seen = seen
        self._grace_s = grace_s
        self._folder = blob_folder(registry)
        self._children: dict[str, frozenset[str]] = {}
        self._spared: set[str] = set()
        self._known: int | None = None
        self.deleted: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self.deleted_files: dict[Path, int] = {}
        self.failure: str | None = None

    def run(self) -> None:
        """Delete; :attr:`failure` says why it stopped early."""
        for path in self._seen.dead:
            with contextlib.suppress(OSError):
                path.unlink()
        order = self._order()
        try:
            with self._registry.watched_refs() as version:
                while order:
                    with _alone(self._registry):
                        if not self._are_marks_whole(version()):
                            return
                        self._delete_some(order)
                if self._seen.leftovers:
                    with _alone(self._registry):
                        self._delete_leftovers()
        except OSError as error:
            self.failure = getattr(error, "message", None) or f"{error.strerror or error}"
            if isinstance(error, LocksUnsupportedError):
                raise

    def _delete_some(self, order: deque[str]) -> None:
        """Take candidates from the front of ``order``, for as long as the lock may be held."""
        ages = self._ages()
        until = time.monotonic() + HOLD_S
        for _ in range(min(BATCH, len(order))):
            self._delete(order.popleft(), ages)
            if time.monotonic() > until:
                break

    def _order(self) -> deque[str]:
        """Return the candidates, each manifest before what it names."""
        for digest, size in self._seen.candidates.items():
            children = children_of(self._registry, digest, size, self._folder)
            if children is not None:
                self._children[digest] = children
        leaves = [digest for digest in self._seen.candidates if digest not in self._children]
        return deque(parents_first(self._children) + leaves)

    def _ages(self) -> Ages:
        return Ages.now(self._grace_s, self._registry.live_leases())

    def _are_marks_whole(self, version: int) -> bool:
        """Mark what refs reach that were published since; return whether all of it is known."""
        marks = self._seen.marks
        if version != self._known:
            marks.add(ref.digest for ref in self._registry.refs())
            self._known = version
        if not marks.are_whole:
            self.failure = "a manifest that was published meanwhile cannot be read"
        return marks.are_whole

    def _delete(self, digest: str, ages: Ages) -> None:
        size = self._seen.candidates[digest]
        path = f"{self._folder}{digest[7:]}"
        try:
            touched = not ages.allow(os.stat(path).st_mtime)
        except FileNotFoundError:  # another collection was quicker
            self.skipped[digest] = size
            return
        if touched:
            # A writer has taken it up again; what it names must stay with it.
            self._spared |= below(digest, self._children)
        if touched or digest in self._spared or digest in self._seen.marks.reached:
            self.skipped[digest] = size
            return
        os.unlink(path)
        self.deleted[digest] = size

    def _delete_leftovers(self) -> None:
        ages = self._ages()
        for path, size in self._seen.leftovers.items():
            with contextlib.suppress(FileNotFoundError):
                if ages.allow(os.stat(path).st_mtime):
                    os.unlink(path)
                    self.deleted_files[path] = size


@contextlib.contextmanager
def _alone(registry: Registry) -> Iterator[None]:
    """Hold the registry's lock alone; where there are no locks, go on if nobody records.

    Raises:
        LocksUnsupportedError: there are no locks, and a live process holds a lease.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(registry.sweeping())
        except LocksUnsupportedError:
            if registry.live_leases():
                raise
        yield


# --- report --------------------------------------------------------------------------------------


def _report(registry: Registry, seen: Survey, grace_s: int, protected: Protected) -> GcReport:
    sizes = {digest: state.size for digest, state in seen.present.items()}
    reachable = {d: sizes[d] for d in seen.marks.reached if d in sizes}
    roots = {ref.digest: sizes.get(ref.digest, 0) for ref in seen.refs}
    invalid = seen.marks.invalid
    return GcReport(
        registry.root,
        True,
        False,
        grace_s,
        roots=replace(Blobs.of(roots), count=len(seen.refs)),
        reachable_blobs=Blobs.of(reachable),
        orphan_candidates=Blobs.of(seen.candidates),
        deferred_blobs=Blobs.of(seen.deferred),
        missing_blobs=Blobs.of(seen.missing),
        invalid_manifests=Blobs.of({digest: sizes.get(digest, 0) for digest in invalid}),
        reasons=invalid,
        cited_blobs=Blobs.of({d: s for d, s in reachable.items() if d not in seen.by_refs}),
        leftovers=_files(seen.leftovers),
        live_leases=len(seen.live),
        dead_leases=len(seen.dead),
        is_complete=seen.marks.are_whole,
        other_refs=sum(_is_foreign(ref, protected.repository) for ref in seen.refs),
    )


def _is_foreign(ref: Ref, repository: str | None) -> bool:
    """Return whether a ref is a run's, an execution's or a dataset's of another repository."""
    return ref.kind in OWNED and not ref.name.startswith(f"{ref.kind}/{repository}/")


def _files(sizes: dict[Path, int]) -> Blobs:
    return Blobs(len(sizes), sum(sizes.values()), tuple(sorted(path.name for path in sizes)))
