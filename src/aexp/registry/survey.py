"""What there is in a registry, what is reachable, and what could go (GC-02, GC-03, GC-05).

A survey takes no lock and changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aexp.clock import utc_now
from aexp.errors import AexpError, CorruptDataError
from aexp.registry import leases
from aexp.registry.marking import Marks, may_be_manifest
from aexp.registry.refs import Ref
from aexp.registry.store import LARGEST_MANIFEST, Registry
from aexp.storage.atomic import TEMP_SUFFIX

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
class Ages:
    """How old a file must be to go: older than the grace period, and than every live lease.

    Attributes:
        latest: the latest time of modification that the grace period allows.
        before: it must be older than this for the leases.
    """

    latest: float
    before: float

    @classmethod
    def now(cls, grace_s: int, live: Iterable[leases.Lease]) -> Ages:
        """Return what holds now, with these leases."""
        since = min((lease.since for lease in live), default=float("inf"))
        return cls(utc_now().timestamp() - grace_s, since - LEASE_MARGIN_S)

    def allow(self, mtime: float) -> bool:
        """Return whether a file that was last changed then may go."""
        return mtime <= self.latest and mtime < self.before


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
    _mark_cited(registry, seen, protected)
    held = list(leases.read_all(registry.root / "leases"))
    seen.live = [lease for lease in held if lease.is_live()]
    seen.dead = [lease.path for lease in held if lease not in seen.live]
    ages = Ages.now(grace_s, seen.live)
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
    for _ in range(_LOOKS):
        refs = registry.refs()
        marks = Marks(registry.manifest, with_edges=with_edges)
        marks.add(ref.digest for ref in refs)
        missing = {
            digest: size
            for digest, size in marks.reached.items()
            if digest not in present and not registry.has(digest)
        }
        # When a ref was removed meanwhile, and what it named was collected by another process,
        # nothing is missing.
        if (marks.are_whole and not missing) or registry.refs() == refs:
            break
    return Survey(refs, marks, dict(marks.reached), present, missing=missing)


def _mark_cited(registry: Registry, seen: Survey, protected: Protected) -> None:
    here = [digest for digest in protected.digests if digest in seen.present]
    manifests = {
        digest
        for digest in here
        if digest in protected.manifests
        or children_of(registry, digest, seen.present[digest].size) is not None
    }
    seen.marks.add(sorted(manifests), required=False)
    seen.marks.keep(here)


def _sort(registry: Registry, seen: Survey, ages: Ages) -> None:
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
            if children_of(registry, digest, size) is not None
        ),
        required=False,
    )
    spared = seen.candidates.keys() & recent.reached.keys()
    if not seen.marks.are_whole:  # then nobody knows what else is reachable (trap 37)
        spared = set(seen.candidates)
    for digest in spared:
        seen.deferred[digest] = seen.candidates.pop(digest)


def blob_folder(registry: Registry) -> str:
    """Return the folder of the blobs, with a slash: joined as text, a hundred thousand times."""
    return os.path.join(os.path.dirname(registry.path(f"sha256:{'0' * 64}")), "")


def children_of(
    registry: Registry, digest: str, size: int, folder: str = ""
) -> frozenset[str] | None:
    """Return what a blob names when it is a whole manifest, else None."""
    if not _SMALLEST_MANIFEST <= size <= LARGEST_MANIFEST:
        return None
    try:
        place = f"{folder}{digest[7:]}" if folder else registry.path(digest)
        with open(place, "rb", buffering=0) as stream:
            if not may_be_manifest(stream.read(_HEAD)):
                return None
        manifest = registry.manifest(digest)
    except (OSError, AexpError):
        return None
    return frozenset(child.digest for child in manifest.children())


def _old_files(root: Path, ages: Ages) -> Iterator[tuple[Path, int]]:
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
