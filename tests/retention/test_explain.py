"""Why a blob is kept, or that nothing keeps it (GC-06)."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from aexp.errors import AmbiguousIdError, NotFoundError, UsageError
from aexp.model.oci import sha256_digest
from aexp.registry import DropRef
from aexp.retention.explain import explain
from tests.registry.stocked import make_old, name, put_artifact, put_index, snapshot
from tests.registry.test_gc import HOLDER
from tests.retention.test_cited import drop_runs, payload, record, registry_of
from tests.runs.test_overview import finding, job
from tests.runs.world import experiment
from tests.support.machines import Machine


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """A repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


def test_refs_and_findings(machine: Machine) -> None:
    """GC-06: every ref that reaches it, the way there, the finding, and what it is called."""
    run = record(machine, 0)
    finding(machine, job(run))
    digest = sha256_digest(payload(0))
    told = explain(digest, repo_root=machine.path)
    assert (told.state, told.size, told.names) == ("kept", len(payload(0)), ("weights",))
    (ref,) = [keeper for keeper in told.keepers if keeper.kind == "ref"]
    assert ref.name.endswith(run) and ref.detail == f"run {run[:8]}" and len(ref.via) == 1
    cites = [keeper for keeper in told.keepers if keeper.kind == "finding"]
    assert {keeper.name for keeper in cites} == {"F001"}
    assert any(f"cites 'weights' of run {run[:8]}" in keeper.detail for keeper in cites)
    drop_runs(machine)
    told = explain(digest[7:15], grace_period="0s", repo_root=machine.path)
    assert told.state == "kept" and {keeper.kind for keeper in told.keepers} == {"finding"}


def test_a_way_through_several_manifests(machine: Machine) -> None:
    """GC-02, GC-06: index, run and parent, in the order in which they are followed."""
    registry = registry_of(machine)
    parent = put_artifact(registry, b"deep")
    child = put_artifact(registry, b"child", subject=parent)
    top = put_index(registry, child)
    name(registry, "checkpoint/1", top, "checkpoint")
    name(registry, "short", parent)
    told = explain(sha256_digest(b"deep"), repo_root=machine.path)
    ways = {keeper.name: keeper.via for keeper in told.keepers}
    assert ways["checkpoint/1"] == (top.digest, child.digest, parent.digest)
    assert ways["short"] == (parent.digest,)


def test_what_nothing_keeps(machine: Machine) -> None:
    """GC-03: too young, then a candidate; the grace period decides."""
    registry = registry_of(machine)
    blob = registry.put(b"orphan")
    told = explain(blob.digest, repo_root=machine.path)
    assert told.state == "deferred" and told.keepers[0].kind == "age"
    assert "24h" in told.keepers[0].detail
    then = time.time() - 3 * 3600
    os.utime(registry.path(blob.digest), (then, then))
    assert explain(blob.digest, repo_root=machine.path).keepers[0].name == "3h old"
    told = explain(blob.digest, grace_period="2h", repo_root=machine.path)
    assert told.state == "candidate" and told.keepers == ()


def test_a_live_process_keeps_it(machine: Machine) -> None:
    """GC-03: the process is named, and what it does."""
    registry = registry_of(machine)
    registry.initialise()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(registry.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        digest = holder.stdout.readline().strip()
        told = explain(digest, grace_period="0s", repo_root=machine.path)
        assert told.state == "deferred"
        (lease,) = [keeper for keeper in told.keepers if keeper.kind == "lease"]
        assert str(holder.pid) in lease.name and lease.detail == "a session"
    finally:
        holder.kill()
        holder.communicate()


def test_a_young_manifest_keeps_it(machine: Machine) -> None:
    """GC-03: what a manifest that was written lately names is not deleted yet."""
    registry = registry_of(machine)
    made = put_artifact(registry, b"old payload")
    make_old(registry)
    put_index(registry, made)
    told = explain(sha256_digest(b"old payload"), repo_root=machine.path)
    assert told.state == "deferred" and told.keepers[0].kind == "manifest"


def test_damage_keeps_everything(machine: Machine) -> None:
    """GC-05: while a manifest cannot be read, nothing is deleted, and this says why."""
    registry = registry_of(machine)
    broken = put_artifact(registry, b"x")
    name(registry, "broken", broken)
    orphan = registry.put(b"orphan")
    make_old(registry)
    registry.path(broken.digest).unlink()
    told = explain(orphan.digest, repo_root=machine.path)
    assert told.state == "deferred" and "cannot be read" in told.keepers[0].detail
    assert explain(broken.digest, repo_root=machine.path).state == "absent"


def test_a_digest_of_another_machine(machine: Machine) -> None:
    """GC-02: what only the ledger names is absent, and the finding that cites it is told."""
    run = record(machine, 0)
    finding(machine, job(run))
    registry = registry_of(machine)
    registry.publish(*(DropRef(ref.name) for ref in registry.refs()))
    registry.path(sha256_digest(payload(0))).unlink()
    told = explain(sha256_digest(payload(0)), repo_root=machine.path)
    assert told.state == "absent" and told.size is None
    assert {keeper.name for keeper in told.keepers} == {"F001"}


def test_what_cannot_be_explained(machine: Machine) -> None:
    """GC-06: no digest, an unknown one, one of several, no registry; and nothing is changed."""
    registry = registry_of(machine)
    with pytest.raises(NotFoundError, match="no registry"):
        explain("0" * 8, repo_root=machine.path)
    assert not registry.root.exists()
    for number in range(100):
        registry.put(b"%d" % number)
    before = snapshot(registry.root)
    for text in ("", "xyz", "sha256:", "abc", "md5:" + "0" * 32):
        with pytest.raises(UsageError):
            explain(text, repo_root=machine.path)
    with pytest.raises(NotFoundError, match="no blob here"):
        explain("f" * 64, repo_root=machine.path)
    twins = [registry.path("sha256:" + "ab" * 31 + end) for end in ("00", "11")]
    for path in twins:
        path.write_bytes(b"")
    with pytest.raises(AmbiguousIdError):
        explain("abababab", repo_root=machine.path)
    for path in twins:
        path.unlink()
    after = snapshot(registry.root)
    folder = str(registry.root / "blobs" / "sha256")
    assert {k: v for k, v in after.items() if k != folder} == {
        k: v for k, v in before.items() if k != folder
    }
