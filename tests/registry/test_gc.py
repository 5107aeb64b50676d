"""Garbage collection through its public functions: what goes, what stays, what is told (GC)."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import CorruptDataError, StorageError, UsageError
from aexp.model.oci import Descriptor, sha256_digest
from aexp.process import this_process
from aexp.registry import DropRef, Registry, gc, prune_anonymous
from aexp.registry.collect import collect
from aexp.registry.survey import Protected
from aexp.storage.shared_lock import LocksUnsupportedError
from tests.registry.stocked import (
    digests,
    make_old,
    name,
    put_artifact,
    put_index,
    snapshot,
)

HOLDER = """
import sys, time
from pathlib import Path
from aexp.registry import Registry
registry = Registry(Path(sys.argv[1]))
lease = registry.lease("a session")
print(registry.put(b"written under a lease").digest, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry that exists, and is empty."""
    made = Registry(tmp_path / "registry")
    made.initialise()
    return made


def test_a_report_of_what_is_not_there(tmp_path: Path) -> None:
    """GC-01, trap 41: a mistyped root is told, and neither report nor delete makes it."""
    for delete in (False, True):
        report = gc(delete, tmp_path / "no" / "registry", "0s")
        pruned = prune_anonymous(delete, tmp_path / "no" / "registry")
        assert not report.exists and not report.delete_applied
        assert not pruned.exists and not pruned.delete_applied
        assert report.root == tmp_path / "no" / "registry"
    assert list(tmp_path.iterdir()) == []


def test_outside_a_repository_the_root_alone_is_enough(registry: Registry) -> None:
    """GC-01: gc(root=…) needs no repository around the working directory."""
    put_artifact(registry, b"orphan")
    assert gc(root=registry.root, grace_period="0s").orphan_candidates.count == 3


def test_reachable_orphan_and_deferred(registry: Registry) -> None:
    """GC-02, GC-03: refs reach manifest, config, layers; the rest goes by its age."""
    kept = put_artifact(registry, b"kept")
    name(registry, "kept", kept)
    orphan = put_artifact(registry, b"orphan", config=b"{}")
    make_old(registry)
    young = registry.put(b"young")
    report = gc(root=registry.root)
    assert report.exists and not report.delete_applied and report.grace_period == 86400
    assert report.roots.count == 1 and report.roots.digests == (kept.digest,)
    assert report.reachable_blobs.count == 3 and kept.digest in report.reachable_blobs.digests
    assert report.orphan_candidates.count == 3
    assert orphan.digest in report.orphan_candidates.digests
    assert report.deferred_blobs.digests == (young.digest,)
    assert report.deferred_blobs.size == 5
    assert report.orphan_candidates.size == orphan.size + len(b"orphan{}")
    assert report.is_sound and report.is_complete and report.failure is None
    before = digests(registry)
    done = gc(True, registry.root)
    assert done.delete_applied and done.deleted_blobs == done.orphan_candidates
    assert digests(registry) == before - set(report.orphan_candidates.digests)
    assert gc(root=registry.root).orphan_candidates.count == 0


def test_checkpoints_subjects_and_index_children_are_kept(registry: Registry) -> None:
    """GC-02: every ref is a root, checkpoints included; subjects and indexes are followed."""
    parent = put_artifact(registry, b"the parent's")
    child = put_artifact(registry, b"the child's", subject=parent)
    grandchild = put_artifact(registry, b"the grandchild's", subject=child)
    run = put_artifact(registry, b"of a run", config=b'{"run":1}')
    segment = put_index(registry, run)
    checkpoint = put_index(registry, put_artifact(registry, b"the session's"), segment)
    name(registry, "fork", grandchild)
    name(registry, "checkpoint/0123456789abcdef", checkpoint, "checkpoint")
    make_old(registry)
    everything = digests(registry)
    report = gc(True, registry.root, "0s")
    assert report.orphan_candidates.count == 0 and report.reachable_blobs.count == len(everything)
    assert digests(registry) == everything


def test_a_dry_run_changes_nothing(registry: Registry) -> None:
    """GC-01: no report writes a byte, touches a time or takes a lock file, anywhere in the root."""
    name(registry, "kept", put_artifact(registry, b"kept"))
    name(registry, "x", put_artifact(registry, b"anonymous", config=b"[]"), "anonymous")
    put_artifact(registry, b"orphan", config=b"{}")
    make_old(registry)
    (registry.root / "tmp" / "1.aexp-tmp").write_bytes(b"left")
    dead = dataclasses.replace(this_process(), start_time="long ago")
    lease = {"what": "a killed session", "owner": dead.to_json(), "since": 0.0}
    (registry.root / "leases" / "00.json").write_text(json.dumps(lease))
    before = snapshot(registry.root)
    report = gc(root=registry.root, grace_period="0s")
    assert report.orphan_candidates.count == 3 and report.leftovers.count == 1
    assert (report.live_leases, report.dead_leases) == (0, 1)
    assert prune_anonymous(root=registry.root).refs[0].name == "x"
    assert snapshot(registry.root) == before


def test_touched_content_is_spared(registry: Registry) -> None:
    """REG-02, GC-03: storing what is there already makes it young again."""
    old = registry.put(b"the same content")
    make_old(registry)
    assert gc(root=registry.root).orphan_candidates.digests == (old.digest,)
    registry.put(b"the same content")
    assert gc(True, registry.root).deferred_blobs.digests == (old.digest,)
    assert registry.has(old.digest)


def test_what_a_live_process_wrote_is_spared_and_what_a_dead_one_wrote_is_not(
    registry: Registry,
) -> None:
    """GC-02, GC-03, trap 36: a lease protects at any grace period while its owner lives."""
    before = registry.put(b"before any lease")
    make_old(registry)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(registry.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        written = holder.stdout.readline().strip()
        (registry.root / "tmp" / "9.aexp-tmp").write_bytes(b"being written")
        report = gc(True, registry.root, "0s")
        assert report.live_leases == 1 and report.dead_leases == 0
        assert report.deleted_blobs.digests == (before.digest,)
        assert report.deferred_blobs.digests == (written,) and registry.has(written)
        assert report.leftovers.count == 0
    finally:
        holder.kill()
        holder.communicate()
    report = gc(True, registry.root, "0s")
    assert (report.live_leases, report.dead_leases) == (0, 1)
    assert report.deleted_blobs.digests == (written,) and not registry.has(written)
    assert report.deleted_leftovers.count == 1
    assert os.listdir(registry.root / "leases") == [] == os.listdir(registry.root / "tmp")


def test_leftover_temporary_files_are_reclaimed(registry: Registry) -> None:
    """REG-04, trap 38: what a killed process left in tmp/ is told, and goes after the grace."""
    for number, age in enumerate((3600.0, 3 * 86400.0)):
        path = registry.root / "tmp" / f"{number}.aexp-tmp"
        path.write_bytes(bytes(1000))
        os.utime(path, (time.time() - age,) * 2)
    report = gc(root=registry.root)
    assert (report.leftovers.count, report.leftovers.size) == (1, 1000)
    assert report.leftovers.digests == ("1.aexp-tmp",)
    assert gc(True, registry.root).deleted_leftovers.size == 1000
    assert os.listdir(registry.root / "tmp") == ["0.aexp-tmp"]


@pytest.mark.parametrize("damage", ["missing", "torn", "no manifest"])
def test_a_manifest_that_cannot_be_read_protects_everything(
    registry: Registry, damage: str
) -> None:
    """GC-05, trap 37: nobody knows what it names, so nothing is deleted, whatever the age."""
    parent = put_artifact(registry, b"only the parent names this")
    child = put_artifact(registry, b"the child's", subject=parent, config=b"{}")
    name(registry, "child", child)
    put_artifact(registry, b"orphan", config=b"[]")
    broken = parent
    if damage == "no manifest":
        blob = registry.put(b"some text")
        name(registry, "odd", Descriptor("text/plain", blob.digest, blob.size))
        broken = Descriptor("text/plain", blob.digest, blob.size)
    make_old(registry)
    path = registry.path(broken.digest)
    path.chmod(0o644)
    if damage == "missing":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:-1])
    make_old(registry)
    before = digests(registry)
    report = gc(True, registry.root, "0s")
    assert not report.is_sound and not report.is_complete and report.delete_applied
    told = report.missing_blobs if damage == "missing" else report.invalid_manifests
    assert told.digests == (broken.digest,) and told.count == 1
    assert report.orphan_candidates.count == 0 == report.deleted_blobs.count
    assert report.deferred_blobs.count >= 3
    assert damage == "missing" or report.reasons[broken.digest]
    assert digests(registry) == before


def test_missing_payload_is_told_and_the_rest_collected(registry: Registry) -> None:
    """GC-05: when only a layer is gone, it is known what else is reachable."""
    kept = put_artifact(registry, b"kept", b"lost")
    name(registry, "kept", kept)
    orphan = registry.put(b"orphan")
    make_old(registry)
    registry.path(sha256_digest(b"lost")).unlink()
    report = gc(True, registry.root)
    assert report.missing_blobs.digests == (sha256_digest(b"lost"),)
    assert report.missing_blobs.size == 4
    assert not report.is_sound and report.is_complete
    assert report.deleted_blobs.digests == (orphan.digest,)


def test_a_young_manifest_keeps_the_old_blobs_that_it_names(registry: Registry) -> None:
    """GC-03: a writer that has stored its manifest, and not yet its ref, loses none of it."""
    parent = put_artifact(registry, b"old payload")
    make_old(registry)
    fresh = put_index(registry, parent)
    make_old(registry, only={parent.digest})
    report = gc(True, registry.root)
    assert report.deferred_blobs.count == 4 and report.deleted_blobs.count == 0
    name(registry, "late", fresh)
    assert gc(root=registry.root, grace_period="0s").is_sound


def test_storing_a_manifest_renews_what_it_names(registry: Registry) -> None:
    """GC-03: put_manifest touches its children, so that they are as young as itself."""
    parent = put_artifact(registry, b"old payload")
    make_old(registry)
    before = time.time() - 60
    put_index(registry, parent)
    assert registry.path(parent.digest).stat().st_mtime > before


def test_an_emptied_database_deletes_nothing(registry: Registry) -> None:
    """GC-02: without refs everything would be an orphan; a file of no bytes is damage."""
    name(registry, "kept", put_artifact(registry, b"kept"))
    make_old(registry)
    (registry.root / "registry.sqlite").write_bytes(b"")
    with pytest.raises(CorruptDataError):
        gc(True, registry.root, "0s")
    (registry.root / "registry.sqlite").write_bytes(b"no database at all, but some bytes")
    with pytest.raises(CorruptDataError):
        gc(True, registry.root, "0s")
    (registry.root / "registry.sqlite").unlink()
    assert not gc(True, registry.root, "0s").exists
    assert len(digests(registry)) == 3


def test_strange_files_are_left_alone(registry: Registry) -> None:
    """GC-03: only what has a digest's name is a blob; folders and others' files stay."""
    folder = registry.root / "blobs" / "sha256"
    (folder / "notes.txt").write_text("mine")
    (folder / ("0" * 64)).mkdir()
    (folder / ("1" * 63)).write_text("short")
    make_old(registry)
    report = gc(True, registry.root, "0s")
    assert report.orphan_candidates.count == 0
    assert len(os.listdir(folder)) == 3


@pytest.mark.parametrize("grace", ["", "1.5h", "24", "-1s", "1h30m", "soon"])
def test_only_whole_durations(registry: Registry, grace: str) -> None:
    """GC-04: anything else is refused before anything is looked at."""
    with pytest.raises(UsageError):
        gc(True, registry.root, grace)


def test_without_locks_it_deletes_only_while_nobody_records(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-03: some cluster file systems have no locks; then a live lease forbids deleting."""

    def no_lock(self: Registry) -> None:
        raise LocksUnsupportedError("no locks here")

    monkeypatch.setattr(Registry, "sweeping", no_lock)
    orphan = registry.put(b"orphan")
    make_old(registry)
    with registry.lease("a session"), pytest.raises(LocksUnsupportedError):
        gc(True, registry.root)
    assert registry.has(orphan.digest)
    assert gc(True, registry.root).deleted_blobs.digests == (orphan.digest,)


def test_a_disk_that_refuses_stops_it_and_is_told(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-01: the report says what was deleted until then, and why no more."""
    for number in range(3):
        registry.put(b"%d" % number)
    make_old(registry)
    real, calls = os.unlink, []

    def refuse(path: object, *args: object) -> None:
        if "blobs" in str(path):
            calls.append(path)
            if len(calls) == 2:
                raise PermissionError(13, "Permission denied", str(path))
        real(path, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        report = gc(True, registry.root)
    assert report.deleted_blobs.count == 1 and "Permission denied" in str(report.failure)
    assert gc(True, registry.root).deleted_blobs.count == 2


def test_a_ref_that_appears_while_it_deletes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-03: reachability is looked at again under the lock; what was published stays."""
    late = put_artifact(registry, b"late")
    put_artifact(registry, b"orphan", config=b"{}")
    make_old(registry)
    real = Registry.sweeping

    def publish_first(self: Registry) -> object:
        monkeypatch.setattr(Registry, "sweeping", real)
        name(registry, "late", late)
        return real(self)

    monkeypatch.setattr(Registry, "sweeping", publish_first)
    report = gc(True, registry.root)
    assert report.orphan_candidates.count == 6
    assert report.skipped_blobs.count == 3 == report.deleted_blobs.count
    assert late.digest in report.skipped_blobs.digests
    assert gc(root=registry.root).is_sound


def test_a_manifest_that_is_taken_up_again_while_it_deletes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-03: age is looked at again; what a touched manifest names is spared with it."""
    again = put_artifact(registry, b"named by the touched one")
    make_old(registry)
    real = Registry.sweeping

    def touch_first(self: Registry) -> object:
        monkeypatch.setattr(Registry, "sweeping", real)
        os.utime(registry.path(again.digest))
        return real(self)

    monkeypatch.setattr(Registry, "sweeping", touch_first)
    report = gc(True, registry.root)
    assert report.skipped_blobs.count == 3 and report.deleted_blobs.count == 0
    name(registry, "again", again)
    assert gc(root=registry.root, grace_period="0s").is_sound


def test_a_damaged_manifest_that_is_published_while_it_deletes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-05: from then on nothing more is deleted, and the report says why."""
    broken = registry.put(b"no manifest")
    registry.put(b"orphan")
    make_old(registry)
    real = Registry.sweeping

    def publish_first(self: Registry) -> object:
        monkeypatch.setattr(Registry, "sweeping", real)
        name(registry, "broken", Descriptor("x/y", broken.digest, broken.size))
        return real(self)

    monkeypatch.setattr(Registry, "sweeping", publish_first)
    report = gc(True, registry.root)
    assert report.deleted_blobs.count == 0 and report.failure is not None
    assert len(digests(registry)) == 2


@pytest.mark.parametrize("lost", ["manifest", "layer"])
def test_a_ref_that_goes_while_it_looks(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """GC-05: what another collection took, once its ref had been removed, is not missing."""
    made = put_artifact(registry, b"given up")
    name(registry, "given up", made)
    gone = made.digest if lost == "manifest" else sha256_digest(b"given up")
    real = Registry.refs

    def remove_behind(self: Registry, **wanted: Any) -> Any:
        found = real(self, **wanted)
        monkeypatch.setattr(Registry, "refs", real)
        registry.publish(DropRef("given up"))
        registry.path(gone).unlink()
        return found

    monkeypatch.setattr(Registry, "refs", remove_behind)
    monkeypatch.setattr(Registry, "blobs", lambda self: iter(()))
    report = gc(root=registry.root)
    assert report.is_sound and report.roots.count == 0


def test_what_is_protected_besides(registry: Registry) -> None:
    """GC-06: cited digests are kept, a cited manifest with all it names; absent ones are no gap."""
    artifact = put_artifact(registry, b"payload of a cited artifact")
    single = registry.put(b"a cited attachment")
    orphan = registry.put(b"orphan")
    make_old(registry)
    never = sha256_digest(b"on another machine")
    kept = frozenset({artifact.digest, single.digest, never})
    for manifests in (frozenset({artifact.digest, never}), frozenset[str]()):
        report = collect(
            registry, delete=False, grace_s=0, protected=Protected(kept, manifests, "0" * 16)
        )
        assert report.orphan_candidates.digests == (orphan.digest,)
        assert report.cited_blobs.count == 4 and report.missing_blobs.count == 0
        assert report.is_sound


def test_refs_of_other_repositories_are_counted(registry: Registry) -> None:
    """GC-06: a shared registry keeps what others' refs reach, and the report says how many."""
    for number, owner in enumerate(("a" * 16, "a" * 16, "b" * 16)):
        made = put_artifact(registry, b"%d" % number)
        name(registry, f"run/{owner}/{number:032x}", made, "run")
    name(registry, "named", made)
    report = collect(registry, delete=False, grace_s=0, protected=Protected(repository="b" * 16))
    assert (report.roots.count, report.other_refs) == (4, 2)
    assert report.orphan_candidates.count == 0


def test_prune_anonymous_removes_refs_and_no_blob(registry: Registry) -> None:
    """GC-07: only sessions and imports without a name, and of them only the refs."""
    for kind in ("artifact", "anonymous", "checkpoint", "run"):
        made = put_artifact(registry, kind.encode())
        name(registry, f"{kind}/x", made, kind)
    before = digests(registry)
    assert [ref.name for ref in prune_anonymous(root=registry.root).refs] == ["anonymous/x"]
    report = prune_anonymous(True, registry.root)
    assert report.delete_applied and [ref.kind for ref in report.refs] == ["anonymous"]
    assert digests(registry) == before
    assert {ref.kind for ref in registry.refs()} == {"artifact", "checkpoint", "run"}
    assert prune_anonymous(True, registry.root).refs == ()
    make_old(registry)
    assert gc(True, registry.root).deleted_blobs.count == 2


def test_the_report_as_json(registry: Registry) -> None:
    """GC-01, GC-05: every set has a count and a size, and digests only when asked for."""
    registry.put(b"orphan")
    value = gc(root=registry.root, grace_period="0s").to_json(with_digests=False)
    assert value["orphan_candidates"] == {"count": 1, "size": 6}
    assert {"root", "delete_applied", "roots", "reachable_blobs", "orphan_candidates"} <= set(value)
    assert {"deferred_blobs", "deleted_blobs", "skipped_blobs", "missing_blobs"} <= set(value)
    with_them: Any = gc(root=registry.root, grace_period="0s").to_json()
    assert with_them["orphan_candidates"]["digests"] == [sha256_digest(b"orphan")]


def test_a_registry_that_cannot_be_read(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-05: a manifest that the disk does not give is invalid, with the disk's reason."""
    name(registry, "kept", put_artifact(registry, b"kept"))

    def refuse(self: Registry, digest: str) -> object:
        raise StorageError("cannot read it: Input/output error")

    monkeypatch.setattr(Registry, "manifest", refuse)
    report = gc(True, registry.root, "0s")
    assert report.invalid_manifests.count == 1 and not report.is_complete
    assert "Input/output" in next(iter(report.reasons.values()))
