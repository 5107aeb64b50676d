"""A registry with something in it, for the tests of garbage collection."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from aexp.model.oci import Descriptor, Index, Manifest
from aexp.registry import Registry, SetRef

DAY_S = 86400.0


def put_artifact(
    registry: Registry,
    *parts: bytes,
    subject: Descriptor | None = None,
    config: bytes = b'{"of":"this artifact"}',
) -> Descriptor:
    """Store a manifest with the layers ``parts``; no ref names it yet."""
    layers = []
    for part in parts:
        blob = registry.put(part)
        layers.append(Descriptor("application/octet-stream", blob.digest, blob.size))
    made = registry.put(config)
    return registry.put_manifest(
        Manifest(
            Descriptor("application/json", made.digest, made.size), tuple(layers), subject=subject
        )
    )


def put_index(registry: Registry, *children: Descriptor) -> Descriptor:
    """Store an index; no ref names it yet."""
    return registry.put_manifest(Index(children))


def name(registry: Registry, ref: str, descriptor: Descriptor, kind: str = "artifact") -> None:
    """Let a ref name a manifest."""
    registry.publish(SetRef(ref, kind, descriptor.digest))


def make_old(registry: Registry, days: float = 3.0, only: Iterable[str] | None = None) -> None:
    """Give blobs an older time: all, or those of the digests ``only``."""
    then = time.time() - days * DAY_S
    wanted = [digest for digest, _ in registry.blobs()] if only is None else only
    for digest in wanted:
        os.utime(registry.path(digest), (then, then))


def digests(registry: Registry) -> set[str]:
    """Return the digests of all blobs."""
    return {digest for digest, _ in registry.blobs()}


def snapshot(root: Path) -> dict[str, tuple[str, int, int]]:
    """Return everything below a folder: content, mode and time of change of each file."""
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        state = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path)] = (content, state.st_mode, state.st_mtime_ns)
    return found
