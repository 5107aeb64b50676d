"""kill -9 at each step of a collection that deletes (GC-02, GC-03)."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from aexp.errors import AexpError
from aexp.process import this_process
from aexp.registry import Registry, gc
from tests.registry.stocked import digests, make_old, name, put_artifact, put_index
from tests.support.killed import kill_everywhere

COMMAND = ["aexp", "registry", "gc", "--delete", "--grace-period", "0s", "--root", "registry"]

PHASES = ("before",)
"""Nothing runs between the end of one step and the beginning of the next."""


def stock(registry: Registry) -> set[str]:
    """Fill a registry with all that a collection deals with; return what must stay."""
    parent = put_artifact(registry, b"the parent's", b"shared")
    name(registry, "kept", put_artifact(registry, b"the child's", subject=parent))
    name(registry, "checkpoint/1", put_index(registry, parent), "checkpoint")
    kept = digests(registry)
    lost = put_artifact(registry, b"a lost run's", b"shared", config=b'{"lost":1}')
    put_index(registry, put_index(registry, lost, parent), lost)
    registry.put(b"a lone orphan")
    make_old(registry)
    (registry.root / "tmp" / "7.aexp-tmp").write_bytes(b"half of a bl")
    dead = dataclasses.replace(this_process(), start_time="long ago")
    lease = {"what": "a killed session", "owner": dead.to_json(), "since": 0.0}
    (registry.root / "leases" / "0011223344556677.json").write_text(json.dumps(lease))
    return kept


def copies(template: Path, folder: Path) -> Callable[[int], Path]:
    """Return what makes a fresh place with a copy of the registry."""

    def make(number: int) -> Path:
        place = folder / f"place-{number}"
        shutil.copytree(template, place / "registry")
        return place

    return make


def broken_manifests(registry: Registry) -> list[str]:
    """Return the manifests that are there, reachable or not, and have lost what they name."""
    found = []
    for digest in digests(registry):
        try:
            manifest = registry.manifest(digest)
        except AexpError:
            continue  # a leaf
        if not all(registry.has(child.digest) for child in manifest.children()):
            found.append(digest)
    return found


def test_a_collection_killed_at_every_step(tmp_path: Path) -> None:
    """GC-02, GC-03: nothing reachable is lost, no manifest is left without what it names, and
    the next collection ends in the same state."""
    template = Registry(tmp_path / "template")
    kept = stock(template)
    points = 0
    for point, place in kill_everywhere(COMMAND, copies(template.root, tmp_path), phases=PHASES):
        points += 1
        registry = Registry(place / "registry")
        assert kept <= digests(registry), point
        assert broken_manifests(registry) == [], point
        report = gc(root=registry.root, grace_period="0s")
        assert report.is_sound, point
        gc(True, registry.root, "0s")
        assert digests(registry) == kept, point
        assert os.listdir(registry.root / "tmp") == [], point
        assert os.listdir(registry.root / "leases") == [], point
        for digest in kept:
            registry.read(digest)
        shutil.rmtree(place)
    # Seven orphans, the leftover and the lease, and the locks.
    assert points >= 9
