"""Removing refs, never blobs: what they alone reached, the next collection may take (GC-07)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aexp.errors import RefConflictError
from aexp.registry.refs import DropRef, Ref
from aexp.registry.report import PrunedRef, PruneReport
from aexp.registry.store import Registry

_TRIES = 5

Citers = Callable[[Ref], tuple[str, ...]]
"""Gives the findings that cite what a ref names."""


def prune_refs(
    registry: Registry, choose: Callable[[], Sequence[Ref]], citers: Citers, *, delete: bool
) -> PruneReport:
    """Remove the chosen refs that no finding cites, all of them in one transaction.

    Args:
        registry: the registry; one that is not there is reported so, and not made (trap 41).
        choose: gives the refs as they are now; asked again when one has changed meanwhile.
        citers: who cites a ref.
        delete: remove them; else only say which.

    Raises:
        RefConflictError: other processes change the refs faster than they can be removed.
    """
    if not registry.exists():
        return PruneReport(registry.root, False, False)
    for left in reversed(range(_TRIES)):
        chosen = list(choose())
        told = [PrunedRef(ref.name, ref.kind, ref.digest, citers(ref)) for ref in chosen]
        removed = tuple(ref for ref in told if not ref.kept_by)
        kept = tuple(ref for ref in told if ref.kept_by)
        try:
            if delete:
                registry.publish(*(DropRef(ref.name, expect=ref.digest) for ref in removed))
        except RefConflictError:
            if not left:
                raise
            continue
        break
    return PruneReport(registry.root, True, delete, removed, kept)
