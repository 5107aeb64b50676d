"""What is reachable: the mark phase of garbage collection (GC-02).

Nothing here knows of disks or refs: a function gives manifests, and the marks are what follows
from them. Marks only grow, so that roots that appear while a collection runs can be added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from aexp.errors import CorruptDataError, NotFoundError, StorageError
from aexp.model.oci import INDEX, MANIFEST, Descriptor, Index, Manifest

Read = Callable[[str], Manifest | Index]
"""Gives a manifest by digest; raises NotFoundError, CorruptDataError, StorageError."""

UNKNOWN: Final = 0
"""The size of what only a ref names."""

_FIRST_KEYS: Final = tuple(
    b'"%s"' % key.encode()
    for key in (
        *("annotations", "artifactType", "config", "layers"),
        *("manifests", "mediaType", "schemaVersion", "subject"),
    )
)


class Marks:
    """The digests that are reachable from the roots added so far.

    Args:
        read: gives a manifest.
        with_edges: keep who names whom, for explanations.

    Attributes:
        reached: the size of everything that is reachable, as its parents state it, by digest.
        missing: the manifests that are named and not there.
        invalid: the manifests that are there and cannot be understood, each with the reason.
        parents: who names a digest, when ``with_edges``.
    """

    def __init__(self, read: Read, *, with_edges: bool = False) -> None:
        self._read = read
        self._with_edges = with_edges
        self._followed: set[str] = set()
        self.reached: dict[str, int] = {}
        self.missing: set[str] = set()
        self.invalid: dict[str, str] = {}
        self.parents: dict[str, set[str]] = {}

    @property
    def are_whole(self) -> bool:
        """Whether every manifest could be read; if not, nobody knows what else is reachable."""
        return not self.missing and not self.invalid

    def add(self, roots: Iterable[str], *, required: bool = True) -> None:
        """Mark what is reachable from the manifests ``roots``.

        Args:
            roots: digests of manifests or indexes.
            required: whether one that is not there is missing; False for what another machine
                may have (GC-02). One that is there and damaged is invalid in either case.
        """
        stack = list(roots)
        for digest in stack:
            self.reached.setdefault(digest, UNKNOWN)
        while stack:
            digest = stack.pop()
            if digest in self._followed:
                continue
            self._followed.add(digest)
            manifest = self._manifest(digest, required)
            if manifest is None:
                continue
            for child in manifest.children():
                self.reached[child.digest] = child.size
                if self._with_edges:
                    self.parents.setdefault(child.digest, set()).add(digest)
            stack += [child.digest for child in followed(manifest)]

    def keep(self, digests: Iterable[str]) -> None:
        """Mark single blobs, whatever they hold."""
        for digest in digests:
            self.reached.setdefault(digest, UNKNOWN)

    def _manifest(self, digest: str, required: bool) -> Manifest | Index | None:
        try:
            return self._read(digest)
        except NotFoundError:
            if required:
                self.missing.add(digest)
            else:
                self._followed.discard(digest)  # a ref may name it too, and then it is missing
        except (CorruptDataError, StorageError) as error:
            self.invalid[digest] = error.message
        return None


def followed(manifest: Manifest | Index) -> Iterator[Descriptor]:
    """Yield the children that are manifests themselves.

    A layer is a leaf whatever its media type says: an attachment may well be somebody's manifest.
    """
    if isinstance(manifest, Index):
        for child in manifest.manifests:
            if child.media_type in (MANIFEST, INDEX):
                yield child
    if manifest.subject is not None:
        yield manifest.subject


def may_be_manifest(head: bytes) -> bool:
    """Return whether a blob that begins with ``head`` (64 bytes or more) can be a manifest."""
    stripped = head.lstrip()
    return stripped[:1] == b"{" and stripped[1:].lstrip().startswith(_FIRST_KEYS)


def parents_first(children: dict[str, frozenset[str]]) -> list[str]:
    """Return the keys of ``children`` such that each stands before those of its children.

    Args:
        children: by manifest, what it names. Digests make cycles impossible.
    """
    named_by = dict.fromkeys(children, 0)
    for names in children.values():
        for name in names:
            if name in named_by:
                named_by[name] += 1
    ready = [digest for digest, count in named_by.items() if count == 0]
    ordered: list[str] = []
    while ready:
        digest = ready.pop()
        ordered.append(digest)
        for name in children[digest]:
            if name in named_by:
                named_by[name] -= 1
                if named_by[name] == 0:
                    ready.append(name)
    return ordered


def below(digest: str, children: dict[str, frozenset[str]]) -> set[str]:
    """Return everything that ``digest`` names, directly or not, itself not included."""
    found: set[str] = set()
    stack = [digest]
    while stack:
        new = children.get(stack.pop(), frozenset()) - found
        found |= new
        stack += new
    return found
