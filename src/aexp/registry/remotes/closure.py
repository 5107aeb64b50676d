"""Everything that manifests need to be whole, in the order in which it may be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from aexp.errors import CorruptDataError
from aexp.model.oci import Index, Manifest, decode_manifest
from aexp.registry.blobs import Blob

Load = Callable[[Iterable[str]], Iterable[tuple[str, bytes]]]
"""Returns the verified bytes of manifests by digest, in any order."""


@dataclass
class Closure:
    """What some manifests name, directly and through others.

    Attributes:
        blobs: size by digest of the configs and layers.
        manifests: bytes by digest.
        levels: the manifests' digests, each behind all that it names.
        named: by manifest, what it names directly.
    """

    blobs: dict[str, int] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    levels: list[list[str]] = field(default_factory=list)
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def reach(self, roots: Iterable[str]) -> set[str]:
        """Return the digests of all that some of the manifests need, themselves included."""
        reached: set[str] = set()
        ahead = list(roots)
        while ahead:
            digest = ahead.pop()
            if digest not in reached:
                reached.add(digest)
                ahead.extend(self.named.get(digest, ()))
        return reached


def find_closure(roots: Iterable[str], load: Load) -> Closure:
    """Return what the manifests ``roots`` need.

    Args:
        roots: digests of manifests and indexes.
        load: reads manifests.

    Raises:
        CorruptDataError: one of them is no manifest.
    """
    closure = Closure()
    below: dict[str, tuple[str, ...]] = {}
    ahead = list(dict.fromkeys(roots))
    while ahead:
        found: dict[str, None] = {}
        for digest, data in load(ahead):
            manifest = _decoded(digest, data)
            closure.manifests[digest] = data
            closure.named[digest] = tuple(child.digest for child in manifest.children())
            below[digest] = _further(manifest)
            found.update(dict.fromkeys(below[digest]))
            if isinstance(manifest, Manifest):
                parts = (manifest.config, *manifest.layers)
                closure.blobs.update({part.digest: part.size for part in parts})
        ahead = [digest for digest in found if digest not in closure.manifests]
    closure.levels = _levels(below)
    return closure


def _decoded(digest: str, data: bytes) -> Manifest | Index:
    try:
        return decode_manifest(data)
    except CorruptDataError as error:
        raise CorruptDataError(f"{digest} is no manifest: {error.message}") from None


def _further(manifest: Manifest | Index) -> tuple[str, ...]:
    """Return the digests of the manifests that ``manifest`` names."""
    named = list(manifest.manifests) if isinstance(manifest, Index) else []
    if manifest.subject is not None:
        named.append(manifest.subject)
    return tuple(child.digest for child in named)


def _levels(below: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    order = TopologicalSorter(below)
    order.prepare()
    levels = []
    while order.is_active():
        ready = list(order.get_ready())
        levels.append(ready)
        order.done(*ready)
    return levels


def as_blobs(sizes: Mapping[str, int]) -> list[Blob]:
    """Return sizes by digest as blobs, the largest first: what takes longest begins first."""
    return [Blob(*item) for item in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))]
