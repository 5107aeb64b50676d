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
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aexp.clock import utc_now
from aexp.errors import AexpError, CorruptDataError
from aexp.registry import leases
from aexp.registry.marking import Marks, below, may_be_manifest, parents_first
from aexp.registry.refs import RUN, Ref
from aexp.registry.report import Blobs, GcReport
from aexp.registry.store import LARGEST_MANIFEST, Registry
from aexp.storage.atomic import TEMP_SUFFIX
from aexp.storage.shared_lock import LocksUnsupportedError

BATCH: Final = 256
"""Candidates per hold of the lock: some milliseconds, during which writers wait."""

LEASE_MARGIN_S: Final = 2.0
"""File systems round times, by up to two seconds; a lease protects what is that much older."""

_SMALLEST_MANIFEST: Final = 64
_HEAD: Final = 64
_LOOKS: Final = 3


@dataclass(frozen=True, slots=True)
class Protected:
    """What is kept besides the refs, and whose the refs are.

    Attributes:
        digests: blobs that findings cite (GC-06), here or not.
        manifests: those of them that are manifests for sure.
        repository: the id of the repository that asks, None when it has none yet.
    """

    digests: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A file as the survey saw it: bytes, and seconds since 1970."""

    size: int
    mtime: float


@dataclass
class Survey:
    """What there is, what is reachable, and what could go.

    Attributes:
        refs: all refs.
        marks: what they and the citations reach.
        by_refs: the size of what the refs alone reach, by digest.
        present: every blob.
        candidates: unreachable blobs that may be deleted, with their sizes.
        deferred: unreachable blobs that may not be deleted yet.
        missing: what the refs reach and is not there.
        leftovers: old temporary files, with their sizes.
        live: the leases that count.
        dead: the files of those that do not.
    """

    refs: list[Ref]
    marks: Marks
    by_refs: dict[str, int]
    present: dict[str, State]
    candidates: dict[str, int] = field(default_factory=dict)
    deferred: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    leftovers: dict[Path, int] = field(default_factory=dict)
    live: list[leases.Lease] = field(default_factory=list)
    dead: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ages:
    """How old a file must be to go: older than the grace period, and than every live lease."""

    latest: float
    before: float

    @classmethod
    def now(cls, grace_s: int, live: Iterable[leases.Lease]) -> _Ages:
        since = min((lease.since for lease in live), default=float("inf"))
        return cls(utc_now().timestamp() - grace_s, since - LEASE_MARGIN_S)

    def allow(self, mtime: float) -> bool:
        return mtime <= self.latest and mtime < self.before


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


# --- survey --------------------------------------------------------------------------------------


def survey(
    registry: Registry, grace_s: int, protected: Protected, *, with_edges: bool = False
) -> Survey:
    """Look at everything; nothing on the disk is changed.

    Args:
        registry: one that exists.
        grace_s: seconds that a blob must be old to be a candidate.
        protected: what is kept besides what the refs reach.
        with_edges: keep who names whom in the marks.
    """
    _check_refs(registry)
    # The blobs come first: what is written after this look is in no list.
    present = {digest: State(s.st_size, s.st_mtime) for digest, s in registry.blobs()}
    seen = _marked(registry, present, with_edges)
    seen.missing = {
        digest: size
        for digest, size in seen.by_refs.items()
        if digest not in present and not registry.has(digest)
    }
    _mark_cited(registry, seen, protected)
    held = list(leases.read_all(registry.root / "leases"))
    seen.live = [lease for lease in held if lease.is_live()]
    seen.dead = [lease.path for lease in held if lease not in seen.live]
    ages = _Ages.now(grace_s, seen.live)
    _sort(registry, seen, ages)
    seen.leftovers = dict(_old_files(registry.root, ages))
    return seen


def _check_refs(registry: Registry) -> None:
    """Refuse a database that was emptied: without refs, everything would be an orphan."""
    path = registry.root / "registry.sqlite"
    if path.stat().st_size == 0:
        raise CorruptDataError(
            f"{path} is empty, so nobody can tell what is reachable",
            hint="restore it from a backup of the registry",
        )


def _marked(registry: Registry, present: dict[str, State], with_edges: bool) -> Survey:
    refs = registry.refs()
    for _ in range(_LOOKS):
        marks = Marks(registry.manifest, with_edges=with_edges)
        marks.add(ref.digest for ref in refs)
        if marks.are_whole:
            break
        # A ref that was removed meanwhile, and its manifest collected by another process, is
        # nothing that is missing.
        before, refs = refs, registry.refs()
        if refs == before:
            break
    return Survey(refs, marks, dict(marks.reached), present)


def _mark_cited(registry: Registry, seen: Survey, protected: Protected) -> None:
    here = [digest for digest in protected.digests if digest in seen.present]
    manifests = {
        digest
        for digest in here
        if digest in protected.manifests
        or _children(registry, digest, seen.present[digest].size) is not None
    }
    seen.marks.add(sorted(manifests), required=False)
    seen.marks.keep(here)


def _sort(registry: Registry, seen: Survey, ages: _Ages) -> None:
    """Tell candidates from blobs that may not go yet."""
    for digest, state in seen.present.items():
        if digest in seen.marks.reached:
            continue
        group = seen.candidates if ages.allow(state.mtime) else seen.deferred
        group[digest] = state.size
    # A manifest that somebody has just written, and will publish, may name old blobs.
    recent = Marks(registry.manifest)
    recent.add(
        (
            digest
            for digest, size in seen.deferred.items()
            if _children(registry, digest, size) is not None
        ),
        required=False,
    )
    spared = seen.candidates.keys() & recent.reached.keys()
    if not seen.marks.are_whole:  # then nobody knows what else is reachable (trap 37)
        spared = set(seen.candidates)
    for digest in spared:
        seen.deferred[digest] = seen.candidates.pop(digest)


def _children(registry: Registry, digest: str, size: int) -> frozenset[str] | None:
    """Return what a blob names when it is a whole manifest, else None."""
    if not _SMALLEST_MANIFEST <= size <= LARGEST_MANIFEST:
        return None
    try:
        with open(registry.path(digest), "rb", buffering=0) as stream:
            if not may_be_manifest(stream.read(_HEAD)):
                return None
        manifest = registry.manifest(digest)
    except (OSError, AexpError):
        return None
    return frozenset(child.digest for child in manifest.children())


def _old_files(root: Path, ages: _Ages) -> Iterator[tuple[Path, int]]:
    """Yield what killed processes left in the folders for temporary files (REG-04, trap 38)."""
    for folder, suffix in (("tmp", ""), ("leases", TEMP_SUFFIX)):
        with contextlib.suppress(FileNotFoundError), os.scandir(root / folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    usual = stat.S_ISREG(found.st_mode) and entry.name.endswith(suffix)
                    if usual and ages.allow(found.st_mtime):
                        # With a second name it is a blob's content, whose place is not freed.
                        yield Path(entry.path), found.st_size if found.st_nlink == 1 else 0


# --- deleting ------------------------------------------------------------------------------------


class _Sweep:
    """Deletes the candidates of a survey, each looked at once more."""

    def __init__(self, registry: Registry, seen: Survey, grace_s: int) -> None:
        self._registry = registry
        self._seen = seen
        self._grace_s = grace_s
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
                for start in range(0, len(order), BATCH):
                    with _alone(self._registry):
                        if not self._are_marks_whole(version()):
                            return
                        ages = self._ages()
                        for digest in order[start : start + BATCH]:
                            self._delete(digest, ages)
                if self._seen.leftovers:
                    with _alone(self._registry):
                        self._delete_leftovers()
        except OSError as error:
            self.failure = getattr(error, "message", None) or f"{error.strerror or error}"
            if isinstance(error, LocksUnsupportedError):
                raise

    def _order(self) -> list[str]:
        """Return the candidates, each manifest before what it names."""
        for digest, size in self._seen.candidates.items():
            children = _children(self._registry, digest, size)
            if children is not None:
                self._children[digest] = children
        leaves = [digest for digest in self._seen.candidates if digest not in self._children]
        return parents_first(self._children) + leaves

    def _ages(self) -> _Ages:
        return _Ages.now(self._grace_s, self._registry.live_leases())

    def _are_marks_whole(self, version: int) -> bool:
        """Mark what refs reach that were published since; return whether all of it is known."""
        marks = self._seen.marks
        if version != self._known:
            marks.add(ref.digest for ref in self._registry.refs())
            self._known = version
        if not marks.are_whole:
            self.failure = "a manifest that was published meanwhile cannot be read"
        return marks.are_whole

    def _delete(self, digest: str, ages: _Ages) -> None:
        size = self._seen.candidates[digest]
        path = self._registry.path(digest)
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
    own = f"{RUN}/{protected.repository}/"
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
        other_refs=sum(ref.kind == RUN and not ref.name.startswith(own) for ref in seen.refs),
    )


def _files(sizes: dict[Path, int]) -> Blobs:
    return Blobs(len(sizes), sum(sizes.values()), tuple(sorted(path.name for path in sizes)))
