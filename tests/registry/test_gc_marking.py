"""What is reachable, against the simplest thing that could be right (GC-02)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, NotFoundError
from aexp.model.oci import (
    INDEX,
    MANIFEST,
    Descriptor,
    Index,
    Manifest,
    decode_manifest,
    sha256_digest,
)
from aexp.registry.marking import Marks, below, may_be_manifest, parents_first


@dataclass
class Store:
    """Blobs in memory."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def put(self, data: bytes, media_type: str = "text/plain") -> Descriptor:
        """Keep ``data``."""
        descriptor = Descriptor.of(media_type, data)
        self.blobs[descriptor.digest] = data
        return descriptor

    def manifest(self, digest: str) -> Manifest | Index:
        """Return a manifest, as a registry does."""
        self.reads.append(digest)
        if digest not in self.blobs:
            raise NotFoundError(digest)
        if sha256_digest(self.blobs[digest]) != digest:
            raise CorruptDataError("damaged")
        return decode_manifest(self.blobs[digest])


@dataclass
class Graph:
    """Blobs that name each other, and what each of them is."""

    store: Store = field(default_factory=Store)
    made: list[Descriptor] = field(default_factory=list)
    manifests: list[Descriptor] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    follows: dict[str, list[str]] = field(default_factory=dict)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw leaves, manifests with and without subject, and indexes, each naming earlier ones."""
    graph = Graph()
    graph.made.append(graph.store.put(b"first"))
    for number in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(["leaf", "manifest", "manifest", "index"]))
        some = st.lists(st.sampled_from(graph.made), max_size=3)
        subject = draw(st.sampled_from([None, *graph.manifests]))
        note = {"n": str(number)}
        if kind == "leaf":
            media_type = draw(st.sampled_from(["text/plain", MANIFEST]))
            graph.made.append(graph.store.put(b"leaf %d" % number, media_type))
            continue
        value: Manifest | Index
        if kind == "manifest":
            config, layers = draw(st.sampled_from(graph.made)), draw(some)
            value = Manifest(config, tuple(layers), subject=subject, annotations=note)
            followed = []
        else:
            listed = st.lists(st.sampled_from(graph.manifests), max_size=3)
            children = draw(listed) if graph.manifests else []
            value = Index(tuple(children), subject=subject, annotations=note)
            followed = [child.digest for child in children]
        described = graph.store.put(value.encode(), value.media_type)
        graph.names[described.digest] = [child.digest for child in value.children()]
        graph.follows[described.digest] = followed + ([subject.digest] if subject else [])
        graph.made.append(described)
        graph.manifests.append(described)
    return graph


def naive(graph: Graph, roots: set[str], usable: set[str]) -> tuple[set[str], set[str]]:
    """Return what is reachable, and the manifests that are needed: the least fixed point."""
    needed, reached = set(roots), set(roots)
    while True:
        more = {d for m in needed & usable for d in graph.follows[m]}
        reached |= {d for m in needed & usable for d in graph.names[m]}
        if more <= needed:
            return reached, needed
        needed |= more


@given(graphs(), st.data())
def test_against_a_naive_model(graph: Graph, data: st.DataObject) -> None:
    """GC-02, GC-05: manifest, config, layers, subject chain, index children; damage is named."""
    if not graph.manifests:
        return
    every = [manifest.digest for manifest in graph.manifests]
    roots = data.draw(st.sets(st.sampled_from(every), max_size=3))
    gone = data.draw(st.sets(st.sampled_from(every), max_size=2))
    torn = data.draw(st.sets(st.sampled_from(every), max_size=2)) - gone
    for digest in gone:
        del graph.store.blobs[digest]
    for digest in torn:
        graph.store.blobs[digest] += b" "
    reached, needed = naive(graph, roots, set(every) - gone - torn)
    marks = Marks(graph.store.manifest)
    for root in data.draw(st.permutations(sorted(roots))):  # also one by one, as a sweep does
        marks.add([root])
    assert set(marks.reached) == reached
    assert marks.missing == needed & gone
    assert set(marks.invalid) == needed & torn
    assert marks.are_whole == (not needed & (gone | torn))
    assert len(graph.store.reads) == len(set(graph.store.reads))


@given(graphs())
def test_parents_come_first(graph: Graph) -> None:
    """GC-03: whatever is deleted before a kill, no manifest stays that has lost what it names."""
    children = {digest: frozenset(names) for digest, names in graph.names.items()}
    order = parents_first(children)
    assert sorted(order) == sorted(children)
    place = {digest: index for index, digest in enumerate(order)}
    for digest, names in children.items():
        assert all(place[digest] < place[name] for name in names if name in place)
        assert set(names) <= below(digest, children)
        assert all(below(name, children) <= below(digest, children) for name in names)


@given(graphs())
def test_every_manifest_is_told_by_its_head(graph: Graph) -> None:
    """GC-03: what begins like a manifest is read; no manifest begins otherwise."""
    for manifest in graph.manifests:
        assert may_be_manifest(graph.store.blobs[manifest.digest][:64])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{\n  "schemaVersion": 2,\n  "mediaType": "x"', True),
        (b' {"config":{"digest":"sha256:"', True),
        (b'{"name":"loss","value":1.0}', False),
        (b"[1,2]", False),
        (b"\x89PNG\r\n", False),
        (b"", False),
    ],
)
def test_heads_of_other_tools_and_of_other_content(head: bytes, expected: bool) -> None:
    """GC-03: manifests that oras or docker wrote count too; metric streams are not read whole."""
    assert may_be_manifest(head) is expected


def test_a_layer_that_says_it_is_a_manifest_is_a_leaf() -> None:
    """GC-02: an attachment may be anybody's manifest, even a broken one; it is only bytes here."""
    store = Store()
    odd = store.put(b"no manifest at all", MANIFEST)
    config = store.put(b"{}")
    root = store.put(Manifest(config, (odd,)).encode(), MANIFEST)
    marks = Marks(store.manifest)
    marks.add([root.digest])
    assert marks.are_whole
    assert set(marks.reached) == {root.digest, odd.digest, config.digest}


def test_an_index_may_list_what_is_no_manifest() -> None:
    """GC-02: an index of another tool may name any media type; that is kept, and not read."""
    store = Store()
    blob = store.put(b"plain", "text/plain")
    root = store.put(Index((blob,)).encode(), INDEX)
    marks = Marks(store.manifest)
    marks.add([root.digest])
    assert marks.are_whole and blob.digest in marks.reached


def test_what_another_machine_may_have_is_not_missing() -> None:
    """GC-02: a digest that only a citation names, and that was never here, is no damage."""
    store = Store()
    never = sha256_digest(b"elsewhere")
    marks = Marks(store.manifest)
    marks.add([never], required=False)
    assert marks.are_whole
    marks.add([never])  # a ref names it, too
    assert marks.missing == {never}
