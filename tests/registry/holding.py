"""What the tests of the registry put into one, and how they look at it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aexp.model.attachment import Attachment
from aexp.model.oci import Descriptor, Manifest, sha256_digest
from aexp.registry import Registry, SetRef

ARTIFACT = "application/vnd.aexp.experiment.v1+json"
CONFIG = "application/vnd.aexp.experiment.config.v1+json"


def put_artifact(
    registry: Registry,
    *contents: bytes,
    name: str | None = None,
    kind: str = "artifact",
    subject: Descriptor | None = None,
) -> Descriptor:
    """Store an artifact with one layer per content, and a ref when it has a name."""
    layers = []
    for number, data in enumerate(contents):
        blob = registry.put(data)
        layers.append(Attachment(f"part {number}", "text/plain", blob.digest, blob.size).layer())
    config = b'{"parameters":{"lr":0.1}}'
    registry.put(config)
    manifest = Manifest(Descriptor.of(CONFIG, config), tuple(layers), ARTIFACT, subject)
    described = registry.put_manifest(manifest)
    if name is not None:
        registry.publish(SetRef(name, kind, described.digest))
    return described


def spoil(registry: Registry, digest: str, data: bytes | None = None) -> None:
    """Damage a blob behind the registry's back: one bit, or all of it."""
    path = registry.path(digest)
    path.chmod(0o644)
    present = path.read_bytes()
    path.write_bytes(bytes([present[0] ^ 1]) + present[1:] if data is None else data)


def lose(registry: Registry, digest: str) -> None:
    """Remove a blob behind the registry's back."""
    registry.path(digest).unlink()


def leftovers(root: Path) -> list[str]:
    """Return what is in ``tmp/``."""
    return sorted(path.name for path in (root / "tmp").iterdir())


def held(root: Path) -> dict[str, bytes]:
    """Return every blob by its digest, proved to be whole."""
    result = {}
    for path in (root / "blobs" / "sha256").iterdir():
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == path.name, f"{path} is torn"
        result[sha256_digest(data)] = data
    return result
