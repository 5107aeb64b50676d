"""Manifests and indexes as values, and what other bytes are taken for (REG-01)."""

from __future__ import annotations

import json
from typing import Any

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
from aexp.registry import Registry
from tests.registry.holding import lose, put_artifact, spoil

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DESCRIPTORS = st.builds(
    Descriptor,
    media_type=TEXT,
    digest=st.binary(max_size=4).map(sha256_digest),
    size=st.integers(0, 2**63),
    annotations=st.dictionaries(TEXT, TEXT, max_size=3),
    artifact_type=st.none() | TEXT,
)
COMMON: dict[str, Any] = {
    "artifact_type": st.none() | TEXT,
    "subject": st.none() | DESCRIPTORS,
    "annotations": st.dictionaries(TEXT, TEXT, max_size=3),
}
MANIFESTS = st.builds(
    Manifest, config=DESCRIPTORS, layers=st.lists(DESCRIPTORS, max_size=4).map(tuple), **COMMON
)
INDEXES = st.builds(Index, manifests=st.lists(DESCRIPTORS, max_size=4).map(tuple), **COMMON)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
KEYS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations"]


@given(MANIFESTS | INDEXES)
def test_what_is_encoded_is_decoded(manifest: Manifest | Index) -> None:
    """REG-01: a manifest comes back equal, and encodes to the same bytes again."""
    data = manifest.encode()
    assert decode_manifest(data) == manifest
    assert decode_manifest(data).encode() == data


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(data: bytes) -> None:
    """Trap 3: whatever the bytes, the answer is a value or a CorruptDataError."""
    try:
        found = decode_manifest(data)
    except CorruptDataError:
        found = None
    assert found is None or isinstance(found, Manifest | Index)


@given(MANIFESTS | INDEXES, st.sampled_from(KEYS), JSON)
def test_a_manifest_with_one_member_replaced(
    manifest: Manifest | Index, key: str, value: Any
) -> None:
    """Trap 37: a manifest that is nearly right is refused, or read without inventing children."""
    fields = json.loads(manifest.encode())
    fields[key] = value
    try:
        found = decode_manifest(json.dumps(fields).encode())
    except CorruptDataError:
        return
    known = {child.digest for child in manifest.children()}
    assert {child.digest for child in found.children()} <= known


@given(MANIFESTS | INDEXES, st.data())
def test_a_torn_manifest(manifest: Manifest | Index, data: st.DataObject) -> None:
    """Trap 37: a beginning of a manifest is never taken for a manifest with fewer children."""
    encoded = manifest.encode()
    torn = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    with pytest.raises(CorruptDataError):
        decode_manifest(torn)


@pytest.mark.parametrize("depth", [10, 10_000, 200_000])
def test_deep_nesting(depth: int) -> None:
    """Trap 3: a file made to overflow the stack is corrupt data, not a crash."""
    with pytest.raises(CorruptDataError):
        decode_manifest(b"[" * depth)


def test_a_manifest_needs_its_blobs(registry: Registry) -> None:
    """REG-03: blobs, then config, then manifest; one that names what is missing is refused."""
    blob = registry.put(b"layer")
    there = Descriptor("text/plain", blob.digest, blob.size)
    gone = Descriptor("text/plain", sha256_digest(b"gone"), 4)
    for bad in (
        Manifest(gone, (there,)),
        Manifest(there, (there, gone)),
        Manifest(there, (), subject=gone),
        Index((gone,)),
    ):
        with pytest.raises(NotFoundError, match="does not hold"):
            registry.put_manifest(bad)
    assert len(list(registry.blobs())) == 1


def test_a_manifest_is_stored_and_read(registry: Registry) -> None:
    """REG-01: the descriptor says what was stored; equal content has one digest."""
    first = put_artifact(registry, b"a", b"b")
    assert put_artifact(registry, b"a", b"b") == first
    assert (first.media_type, first.size) == (MANIFEST, registry.size(first.digest))
    found = registry.manifest(first.digest)
    assert isinstance(found, Manifest)
    assert [layer.annotations["dev.aexp.attachment.name"] for layer in found.layers] == [
        "part 0",
        "part 1",
    ]
    listed = registry.put_manifest(Index((first,), "application/vnd.aexp.checkpoint.v1+json"))
    assert listed.media_type == INDEX
    assert registry.manifest(listed.digest) == Index((first,), listed.artifact_type)


def test_what_is_no_manifest(registry: Registry) -> None:
    """REG-04: a blob that is damaged, gone or no manifest is told apart, with its digest."""
    described = put_artifact(registry, b"a")
    layer = sha256_digest(b"a")
    with pytest.raises(CorruptDataError, match=layer):
        registry.manifest(layer)
    spoil(registry, described.digest)
    with pytest.raises(CorruptDataError, match=f"{described.digest} is damaged"):
        registry.manifest(described.digest)
    lose(registry, described.digest)
    with pytest.raises(NotFoundError):
        registry.manifest(described.digest)


def test_storing_a_manifest_touches_what_it_names(registry: Registry) -> None:
    """REG-02, GC-03: until a ref reaches it, what a new manifest names is as young as itself."""
    import os

    described = put_artifact(registry, b"a")
    manifest = registry.manifest(described.digest)
    for digest, _ in registry.blobs():
        os.utime(registry.path(digest), (1, 1))
    registry.put_manifest(manifest)
    assert all(found.st_mtime > 1e6 for _, found in registry.blobs())
