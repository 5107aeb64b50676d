"""OCI image manifests and indexes as pure values (OCI image-spec 1.1; REG-01).

Encoding is canonical (sorted keys, no blanks), so equal content has one digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct, field

from aexp.errors import CorruptDataError
from aexp.model.canonical import Json, decode_json

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def sha256_digest(data: bytes) -> str:
    """Return the digest of ``data``: ``sha256:`` and 64 hex digits."""
    import hashlib

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: object) -> bool:
    """Return whether ``text`` is ``sha256:`` and 64 lower-case hex digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


class Descriptor(Struct, frozen=True):
    """A reference to content: what it is, its digest and its size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return it as OCI writes it."""
        result: dict[str, Json] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        if self.artifact_type is not None:
            result["artifactType"] = self.artifact_type
        return result

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Descriptor:
        """Return the descriptor of ``data``."""
        return cls(media_type, sha256_digest(data), len(data))


EMPTY_CONFIG: Final = b"{}"
"""The content of the config or layer of an artifact that has none (image-spec 1.1)."""


class Manifest(Struct, frozen=True):
    """An OCI image manifest.

    Attributes:
        config: the config's descriptor.
        layers: the payload, at least one (use the empty descriptor where there is none).
        artifact_type: what kind of artifact it is.
        subject: the manifest this one builds on, or None.
        annotations: of the whole artifact.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    media_type = MANIFEST

    def children(self) -> Iterator[Descriptor]:
        """Yield everything that must be there for this manifest to be whole."""
        yield self.config
        yield from self.layers
        if self.subject is not None:
            yield self.subject

    def encode(self) -> bytes:
        """Return the manifest's bytes."""
        value: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        return _encode(value, self.artifact_type, self.subject, self.annotations)


class Index(Struct, frozen=True):
    """An OCI image index: a list of manifests and further indexes."""

    manifests: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    media_type = INDEX

    def children(self) -> Iterator[Descriptor]:
        """Yield everything that must be there for this index to be whole."""
        yield from self.manifests
        if self.subject is not None:
            yield self.subject

    def encode(self) -> bytes:
        """Return the index's bytes."""
        value: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [child.to_json() for child in self.manifests],
        }
        return _encode(value, self.artifact_type, self.subject, self.annotations)


def _encode(
    value: dict[str, Json],
    artifact_type: str | None,
    subject: Descriptor | None,
    annotations: Mapping[str, str],
) -> bytes:
    import json

    if artifact_type is not None:
        value["artifactType"] = artifact_type
    if subject is not None:
        value["subject"] = subject.to_json()
    if annotations:
        value["annotations"] = dict(annotations)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode_manifest(data: bytes) -> Manifest | Index:
    """Return the manifest or index in ``data``.

    Raises:
        CorruptDataError: it is neither.
    """
    try:
        value = decode_json(data)
    except ValueError:
        raise CorruptDataError("it is no JSON") from None
    if not isinstance(value, dict) or value.get("schemaVersion") != 2:
        raise CorruptDataError("it is no OCI manifest")
    kind = value.get("mediaType")
    artifact_type = value.get("artifactType")
    subject = value.get("subject")
    common = (
        artifact_type if isinstance(artifact_type, str) else None,
        None if subject is None else _descriptor(subject),
        _annotations(value.get("annotations")),
    )
    if kind == INDEX or (kind is None and "manifests" in value):
        return Index(_descriptors(value.get("manifests")), *common)
    if kind not in (MANIFEST, None):
        raise CorruptDataError(f"it is a {kind}, not an OCI manifest")
    return Manifest(_descriptor(value.get("config")), _descriptors(value.get("layers")), *common)


def _descriptors(value: object) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise CorruptDataError("a list of descriptors is missing")
    return tuple(_descriptor(item) for item in value)


def _descriptor(value: object) -> Descriptor:
    if not isinstance(value, Mapping):
        raise CorruptDataError("a descriptor is missing")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or not is_digest(digest):
        raise CorruptDataError("a descriptor has no media type or no sha256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise CorruptDataError("a descriptor has no size")
    artifact_type = value.get("artifactType")
    return Descriptor(
        media_type,
        digest,
        size,
        _annotations(value.get("annotations")),
        artifact_type if isinstance(artifact_type, str) else None,
    )


def _annotations(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}
