"""Collections that race with real writers (GC-03, trap 36)."""

from __future__ import annotations

import contextlib
import os
import random
import time
from pathlib import Path

import pytest

from aexp.errors import NotFoundError
from aexp.model.oci import Descriptor, Manifest, sha256_digest
from aexp.registry import DropRef, Registry, SetRef, gc
from aexp.registry.collect import BATCH
from aexp.registry.marking import Marks
from tests.registry.stocked import put_artifact, put_index
from tests.support.race import run_together

POOL = [b"content that many writers store %d" % number for number in range(8)]
OLD_PARTS = [b'{"of":"an old artifact"}', b"a part of an old artifact"]
OLD = Manifest(
    Descriptor.of("application/json", OLD_PARTS[0]), (Descriptor.of("x/y", OLD_PARTS[1]),)
)
WRITERS = 4


def worker(root: str, part: int, seconds: float) -> dict[str, int]:
    """Write as ``part``, or collect when it is negative; return what was done."""
    registry = Registry(Path(root))
    until = time.monotonic() + seconds
    return collector(registry, part, until) if part < 0 else writer(registry, part, until)


def collector(registry: Registry, part: int, until: float) -> dict[str, int]:
    """Collect without any grace, over and over."""
    done = {"rounds": 0, "deleted": 0, "skipped": 0}
    while time.monotonic() < until:
        with registry.writing():  # so that no manifest is seen without what it names
            litter(registry, done["rounds"], old_artifact=part == -1)
        report = gc(True, registry.root, "0s")
        assert report.is_sound and report.failure is None, report.to_json()
        done["rounds"] += 1
        done["deleted"] += report.deleted_blobs.count
        done["skipped"] += report.skipped_blobs.count
    return done


def litter(registry: Registry, number: int, *, old_artifact: bool) -> None:
    """Leave old orphans: many, so that deleting takes several batches, and what writers take up."""
    for index in range(BATCH * 2):
        leave(registry, b"litter %d %d" % (number, index))
    for data in POOL:
        leave(registry, data)
    if old_artifact:
        for data in (*OLD_PARTS, OLD.encode()):
            leave(registry, data)


def leave(registry: Registry, data: bytes) -> None:
    """Put an old blob in its place, unless there is one."""
    path = registry.path(sha256_digest(data))
    temp = registry.root / f"litter-{os.getpid()}"
    temp.write_bytes(data)
    os.utime(temp, (1, 1))
    with contextlib.suppress(FileExistsError):
        os.link(temp, path)
    temp.unlink()


def writer(registry: Registry, part: int, until: float) -> dict[str, int]:
    """Open leases, store new and old content, publish and remove refs, look at all of them."""
    draw = random.Random(part)
    mine: dict[str, list[bytes]] = {}
    done = {"published": 0}
    while time.monotonic() < until:
        with registry.lease(f"writer {part}"):
            for _ in range(draw.randint(1, 4)):
                ref = f"run/{part:016x}/{draw.randrange(6):032x}"
                parts = [*draw.sample(POOL, 2), b"%d %d" % (part, draw.getrandbits(60))]
                made = take_up(registry) if draw.random() < 0.5 else None
                if made is not None:
                    parts = OLD_PARTS
                else:
                    made = store(registry, draw, parts)
                assert contents(registry, made) >= set(parts)
                if draw.random() < 0.3:
                    continue  # given up: an orphan once the lease has ended
                registry.publish(SetRef(ref, "run", made))
                mine[ref] = parts
                done["published"] += 1
                assert contents(registry, made) >= set(parts)
            for ref in draw.sample(sorted(mine), len(mine) // 2):
                registry.publish(DropRef(ref))
                del mine[ref]
        for ref, parts in mine.items():  # no lease protects them now, only their refs
            held = registry.ref(ref)
            assert held is not None and contents(registry, held.digest) >= set(parts)
    return done


def take_up(registry: Registry) -> str | None:
    """Name an orphan in an index: if it is still there then, nobody may take a part of it."""
    try:
        return put_index(registry, Descriptor.of(OLD.media_type, OLD.encode())).digest
    except NotFoundError:
        return None


def store(registry: Registry, draw: random.Random, parts: list[bytes]) -> str:
    """Store an artifact, alone, upon another's or below an index; return its digest."""
    others = [other.digest for other in registry.refs(kind="run")]
    made = None
    if others and draw.random() < 0.5:
        digest = draw.choice(others)
        # Its owner may remove that one, and a collector take it, at any time before it is named.
        with contextlib.suppress(NotFoundError):
            made = put_artifact(registry, *parts, subject=descriptor(registry, digest))
    made = made or put_artifact(registry, *parts)
    if draw.random() < 0.3:
        made = put_index(registry, made)
    return made.digest


def descriptor(registry: Registry, digest: str) -> Descriptor:
    """Return how a manifest is named as a subject."""
    return Descriptor(registry.manifest(digest).media_type, digest, registry.size(digest) or 0)


def contents(registry: Registry, digest: str) -> set[bytes]:
    """Return the bytes of all that a manifest reaches; each is there, and right."""
    marks = Marks(registry.manifest)
    marks.add([digest])
    assert marks.are_whole, (marks.missing, marks.invalid)
    return {registry.read(one) for one in marks.reached}


def race(root: Path, seconds: float, collectors: int) -> None:
    """Let writers and collectors run together, and look at what is left."""
    registry = Registry(root)
    registry.initialise()
    parts = [*range(WRITERS), *([-1] if collectors == 1 else range(-1 - collectors, -1))]
    answers = run_together(
        worker, [(str(root), part, seconds) for part in parts], timeout=seconds + 60
    )
    for ref in registry.refs():
        assert contents(registry, ref.digest)
    written, collected = answers[:WRITERS], answers[WRITERS:]
    assert all(done["published"] >= 3 for done in written), written
    assert sum(done["deleted"] for done in collected) >= 10, collected
    last = gc(True, root, "0s")
    assert last.is_sound and last.live_leases == 0
    assert gc(root=root, grace_period="0s").orphan_candidates.count == 0
    for ref in registry.refs():
        assert contents(registry, ref.digest)


def test_a_short_race(tmp_path: Path) -> None:
    """GC-03: four writers against a collector without grace; all that a ref names is right."""
    race(tmp_path / "registry", 3.0, 1)


@pytest.mark.slow
def test_a_race_of_a_minute(tmp_path: Path) -> None:
    """GC-03: the same for a minute."""
    race(tmp_path / "registry", 60.0, 1)


@pytest.mark.slow
def test_two_collectors_and_the_writers(tmp_path: Path) -> None:
    """GC-03: collections that race each other, too, delete nothing that is reachable."""
    race(tmp_path / "registry", 15.0, 2)
