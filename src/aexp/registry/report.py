"""What garbage collection and pruning tell: typed results, for people and programs (GC-01)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aexp.model.canonical import Json


@dataclass(frozen=True, slots=True)
class Blobs:
    """Some blobs: how many, how large together, and which.

    Attributes:
        count: how many; of roots, the refs, of which several may name one manifest.
        size: bytes.
        digests: sorted.
    """

    count: int = 0
    size: int = 0
    digests: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    @classmethod
    def of(cls, sizes: Mapping[str, int]) -> Blobs:
        """Return the blobs of a mapping from digest to size."""
        return cls(len(sizes), sum(sizes.values()), tuple(sorted(sizes)))

    def to_json(self, *, with_digests: bool) -> dict[str, Json]:
        """Return it as JSON; digests only when asked for (GC-05)."""
        result: dict[str, Json] = {"count": self.count, "size": self.size}
        if with_digests:
            result["digests"] = list(self.digests)
        return result


_NOTHING = Blobs()


@dataclass(frozen=True, slots=True)
class GcReport:
    """What a collection found, and what it did.

    Attributes:
        root: the registry.
        exists: whether there is one; if not, nothing was looked at and nothing was made (GC-01).
        delete_applied: whether it was allowed to delete.
        grace_period: seconds.
        roots: the refs, and the manifests they name.
        reachable_blobs: what must stay, and is there.
        orphan_candidates: unreachable and older than the grace period.
        deferred_blobs: unreachable, but too young, or protected by a live process.
        deleted_blobs: the candidates that were deleted.
        skipped_blobs: the candidates that were spared after all: touched, or reachable by then.
        missing_blobs: what a manifest or a ref names and is not there.
        invalid_manifests: manifests that are there and cannot be read.
        reasons: why not, by digest.
        cited_blobs: those of the reachable that only a finding's citation keeps (GC-06).
        leftovers: temporary files that killed processes left, older than the grace period.
        deleted_leftovers: those that were deleted.
        live_leases: how many live processes protect what they write.
        dead_leases: leases of processes that are gone; ``delete`` removes them.
        other_refs: how many of the roots are runs of other repositories.
        is_complete: whether every manifest could be read. If not, nobody knows what else is
            reachable, and nothing at all is deleted (trap 37).
        failure: why deleting stopped early, or None.
    """

    root: Path
    exists: bool
    delete_applied: bool
    grace_period: int
    roots: Blobs = _NOTHING
    reachable_blobs: Blobs = _NOTHING
    orphan_candidates: Blobs = _NOTHING
    deferred_blobs: Blobs = _NOTHING
    deleted_blobs: Blobs = _NOTHING
    skipped_blobs: Blobs = _NOTHING
    missing_blobs: Blobs = _NOTHING
    invalid_manifests: Blobs = _NOTHING
    reasons: Mapping[str, str] = field(default_factory=dict)
    cited_blobs: Blobs = _NOTHING
    leftovers: Blobs = _NOTHING
    deleted_leftovers: Blobs = _NOTHING
    live_leases: int = 0
    dead_leases: int = 0
    other_refs: int = 0
    is_complete: bool = True
    failure: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether everything that the refs name is there and can be read (GC-05)."""
        return not self.missing_blobs.count and not self.invalid_manifests.count

    def to_json(self, *, with_digests: bool = True) -> dict[str, Json]:
        """Return the report as JSON."""
        result: dict[str, Json] = {
            "root": str(self.root),
            "exists": self.exists,
            "delete_applied": self.delete_applied,
            "grace_period": self.grace_period,
            "live_leases": self.live_leases,
            "dead_leases": self.dead_leases,
            "other_refs": self.other_refs,
            "is_complete": self.is_complete,
            "failure": self.failure,
            "is_sound": self.is_sound,
        }
        for name in SETS:
            result[name] = getattr(self, name).to_json(with_digests=with_digests)
        if with_digests:
            result["reasons"] = dict(self.reasons)
        return result


SETS = (
    *("roots", "reachable_blobs", "cited_blobs", "orphan_candidates", "deferred_blobs"),
    *("deleted_blobs", "skipped_blobs", "missing_blobs", "invalid_manifests"),
    *("leftovers", "deleted_leftovers"),
)
"""The attributes of a report that are sets of blobs or files, in the order of the text."""


@dataclass(frozen=True, slots=True)
class PrunedRef:
    """One ref that a prune removes, or keeps.

    Attributes:
        name: of the ref.
        kind: ``artifact``, ``anonymous`` or ``run``.
        digest: the manifest it names.
        kept_by: who needs it, when it is kept: the findings that cite it.
    """

    name: str
    kind: str
    digest: str
    kept_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "digest": self.digest,
            "kept_by": list(self.kept_by),
        }


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What a prune found, and what it did. It removes refs, never blobs (GC-07).

    Attributes:
        root: the registry.
        exists: whether there is one; if not, nothing was made.
        delete_applied: whether the refs were removed.
        refs: what is removed, or would be.
        kept: what is of the same kind and stays, because findings cite it.
    """

    root: Path
    exists: bool
    delete_applied: bool
    refs: tuple[PrunedRef, ...] = ()
    kept: tuple[PrunedRef, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the report as JSON."""

        def listed(refs: Iterable[PrunedRef]) -> list[Json]:
            return [ref.to_json() for ref in refs]

        return {
            "root": str(self.root),
            "exists": self.exists,
            "delete_applied": self.delete_applied,
            "refs": listed(self.refs),
            "kept": listed(self.kept),
        }
