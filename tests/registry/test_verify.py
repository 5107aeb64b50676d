"""Whether everything that is reachable is there and unchanged (REG-04, GC-05)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aexp.errors import NotFoundError
from aexp.model.oci import Index, Manifest, sha256_digest
from aexp.registry import Registry, SetRef
from aexp.registry.verify import VerifyReport, verify
from tests.registry.holding import lose, put_artifact, spoil


def problems(report: VerifyReport) -> dict[str, str]:
    """Return what is wrong, by digest."""
    return {problem.digest: problem.what for problem in report.problems}


def test_a_whole_registry(registry: Registry) -> None:
    """REG-04: everything reachable is hashed once, with progress up to the end."""
    first = put_artifact(registry, b"a" * 3_000_000, b"shared", name="first")
    put_artifact(registry, b"b", b"shared", name="second", subject=first)
    registry.put(b"orphan")
    told: list[tuple[int, int]] = []
    report = verify(registry, reporter=lambda done, total: told.append((done, total)))
    sizes = {digest: found.st_size for digest, found in registry.blobs()}
    total = sum(sizes.values()) - len(b"orphan")
    assert (report.exists, report.refs, report.blobs) == (True, 2, len(sizes) - 1)
    assert (report.size, report.problems) == (total, ())
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 4


def test_what_is_wrong_and_who_needs_it(registry: Registry) -> None:
    """GC-05: missing and damaged content of each sort, with the names that it breaks."""
    first = put_artifact(registry, b"one", b"shared", name="first")
    second = put_artifact(registry, b"two", b"shared", name="second", subject=first)
    put_artifact(registry, b"three", name="third", kind="anonymous")
    lose(registry, sha256_digest(b"shared"))
    spoil(registry, sha256_digest(b"two"))
    spoil(registry, sha256_digest(b"three"), b"other length")
    report = verify(registry)
    assert {problem.digest: problem.refs for problem in report.problems} == {
        sha256_digest(b"shared"): ("first", "second"),
        sha256_digest(b"two"): ("second",),
        sha256_digest(b"three"): ("third",),
    }
    assert problems(report)[sha256_digest(b"shared")] == "missing"
    assert problems(report)[sha256_digest(b"two")] == "damaged"
    assert "12 bytes" in problems(report)[sha256_digest(b"three")]
    assert problems(verify(registry, ["third"])).keys() == {sha256_digest(b"three")}
    lose(registry, second.digest)
    assert problems(verify(registry, ["second"])) == {second.digest: "missing"}
    spoil(registry, first.digest)
    assert "damaged" in problems(verify(registry, ["first"]))[first.digest]


def test_the_children_of_an_index(registry: Registry) -> None:
    """SES-02: a checkpoint is followed through its segments to each run's bytes."""
    runs = [put_artifact(registry, b"run %d" % i) for i in range(3)]
    segment = registry.put_manifest(Index(tuple(runs[:2])))
    top = registry.put_manifest(Index((segment, runs[2])))
    registry.publish(SetRef("checkpoint/1", "checkpoint", top.digest))
    assert verify(registry).problems == ()
    lose(registry, sha256_digest(b"run 0"))
    (problem,) = verify(registry).problems
    assert (problem.digest, problem.refs) == (sha256_digest(b"run 0"), ("checkpoint/1",))


def test_a_layer_that_looks_like_a_manifest(registry: Registry) -> None:
    """GC-02: a layer is a leaf, whatever its bytes say."""
    inner = put_artifact(registry, b"inner")
    data = registry.read(inner.digest)
    put_artifact(registry, data, name="outer")
    lose(registry, sha256_digest(b"inner"))
    assert verify(registry).problems == ()


def test_no_registry(registry: Registry) -> None:
    """Trap 41: verifying a mistyped root says so and creates nothing."""
    report = verify(registry)
    assert (report.exists, report.refs, report.problems) == (False, 0, ())
    assert not registry.root.exists()
    with pytest.raises(NotFoundError, match="no 'x'"):
        verify(registry, ["x"])


def test_the_report_as_json(registry: Registry) -> None:
    """GC-05: the documented shape."""
    described = put_artifact(registry, b"a", name="a")
    lose(registry, sha256_digest(b"a"))
    value = json.loads(json.dumps(verify(registry).to_json()))
    assert value["problems"] == [
        {"digest": sha256_digest(b"a"), "problem": "missing", "refs": ["a"]}
    ]
    assert set(value) == {"root", "exists", "refs", "blobs", "size", "problems"}
    assert isinstance(registry.manifest(described.digest), Manifest)
    assert Path(value["root"]) == registry.root
