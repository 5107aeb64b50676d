"""``aexp registry gc``, ``prune`` and ``prune-anonymous`` as they are typed and read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aexp.registry import Registry, open_registry
from aexp.repo import open_layout
from tests.registry.stocked import digests, make_old, name, put_artifact, put_index, snapshot
from tests.retention.test_cited import record
from tests.runs.test_overview import finding, job
from tests.runs.world import experiment
from tests.support.machines import Machine

GC = ("registry", "gc")


@pytest.fixture
def registry(installed_repo: Machine) -> Registry:
    """The repository's registry: one kept artifact, one old orphan, one young one."""
    made = open_registry(open_layout(installed_repo.path))
    name(made, "baseline", put_artifact(made, b"k" * 5000))
    put_artifact(made, b"o" * 2_000_000, config=b"{}")
    make_old(made)
    made.put(b"young")
    return made


def lines(text: str) -> dict[str, list[str]]:
    """Return the words behind each label of a report."""
    rows = [line for line in text.splitlines() if line and not line.startswith(" ")]
    return {row[:20].strip(): row[20:].split() for row in rows}


def test_the_text_of_a_report(installed_repo: Machine, registry: Registry) -> None:
    """GC-01, GC-05: a column of labels, counts, readable sizes, and how to apply it."""
    before = snapshot(installed_repo.path)
    done = installed_repo.aexp_fast(*GC)
    told = lines(done.stdout)
    assert told["Registry"] == [".git/aexp/registry"] and told["Grace period"] == ["24h"]
    assert told["Roots"] == ["1", "ref"]
    assert told["Reachable blobs"][0] == "3" and told["Orphan candidates"] == ["3", "2.0", "MB"]
    assert told["Deferred blobs"] == ["1", "5", "B"]
    assert told["Missing blobs"] == told["Invalid manifests"] == ["0", "0", "B"]
    assert done.stdout.rstrip().endswith("nothing was changed; pass --delete to apply")
    assert "Dry Run" in told and "Deleted blobs" not in told and "sha256:" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert snapshot(installed_repo.path) == before


def test_deleting(installed_repo: Machine, registry: Registry) -> None:
    """GC-01, GC-03: with --delete the candidates go, and the text says so."""
    before = digests(registry)
    told = lines(installed_repo.aexp_fast(*GC, "--delete").stdout)
    assert told["Deleted blobs"][0] == "3" and told["Deleted"] == ["2.0", "MB", "freed"]
    assert "Dry Run" not in told and len(digests(registry)) == len(before) - 3
    told = lines(installed_repo.aexp_fast(*GC, "--delete", "--grace-period", "0s").stdout)
    assert told["Deleted blobs"] == ["1", "5", "B"]


def test_digests_only_when_asked_for(installed_repo: Machine, registry: Registry) -> None:
    """GC-05: --show-digests lists what can go or is wrong, not everything that is in order."""
    done = installed_repo.aexp_fast(*GC, "--show-digests")
    assert done.stdout.count("sha256:") == 4
    value = json.loads(installed_repo.aexp_fast(*GC, "--format", "json").stdout)
    assert value["orphan_candidates"]["count"] == 3 and "digests" not in value["roots"]
    value = json.loads(installed_repo.aexp_fast(*GC, "--format", "json", "--show-digests").stdout)
    assert (
        len(value["orphan_candidates"]["digests"]) == 3 == len(value["reachable_blobs"]["digests"])
    )
    assert value["root"] == str(registry.root) and value["is_sound"] is True


def test_damage_ends_with_a_failure(installed_repo: Machine, registry: Registry) -> None:
    """GC-05, trap 37: a missing or unreadable manifest is told, exit code 7, nothing deleted."""
    parent = put_artifact(registry, b"parent")
    name(registry, "top", put_index(registry, parent), "checkpoint")
    make_old(registry)
    registry.path(parent.digest).unlink()
    before = digests(registry)
    for args in ((), ("--delete", "--grace-period", "0s"), ("--delete", "--format", "json")):
        done = installed_repo.aexp_fast(*GC, *args, check=False).require(7)
        assert "error: 1 blob missing, so nothing may be deleted" in done.stderr
        assert "hint: `aexp registry verify`" in done.stderr and "Traceback" not in done.output
        assert digests(registry) == before
    torn = registry.path(next(ref for ref in registry.refs(kind="artifact")).digest)
    torn.chmod(0o644)
    torn.write_bytes(b"{}")
    done = installed_repo.aexp_fast(*GC, "--show-digests", check=False).require(7)
    assert "1 blob missing and 1 manifest not readable" in done.stderr
    assert f"sha256:{torn.name}  " in done.stdout


@pytest.mark.parametrize("command", [GC, ("registry", "prune-anonymous")])
def test_a_mistyped_root(installed_repo: Machine, tmp_path: Path, command: tuple[str]) -> None:
    """GC-01, trap 41: it says that there is no registry, and makes none, with --delete too."""
    for delete in ((), ("--delete",)):
        done = installed_repo.aexp_fast(*command, "--root", str(tmp_path / "mistyped"), *delete)
        assert str(tmp_path / "mistyped") in done.stdout
        assert "there is no registry here, and none was made" in done.stdout
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize("grace", ["1.5h", "24", "1w", "-1h", ""])
def test_only_whole_durations(installed_repo: Machine, registry: Registry, grace: str) -> None:
    """GC-04: one line, a hint with examples, exit code 2, and nothing is deleted."""
    before = digests(registry)
    done = installed_repo.aexp_fast(*GC, "--delete", f"--grace-period={grace}", check=False)
    assert "error: " in done.require(2).stderr and "30m, 24h, 7d" in done.stderr
    assert digests(registry) == before


def test_explaining(installed_repo: Machine) -> None:
    """GC-06: which ref, run or finding keeps a blob, on a few lines; the same as JSON."""
    experiment(installed_repo)
    run = record(installed_repo, 0)
    finding(installed_repo, job(run))
    registry = open_registry(open_layout(installed_repo.path))
    (ref,) = registry.refs(kind="run")
    done = installed_repo.aexp_fast(*GC, "--explain", ref.digest)
    assert done.stdout.splitlines()[0] == ref.digest and "  kept, " in done.stdout
    assert f"run {run[:8]}" in done.stdout and "finding  F001" in done.stdout
    value = json.loads(
        installed_repo.aexp_fast(*GC, "--explain", ref.digest[7:20], "--format", "json").stdout
    )
    assert value["state"] == "kept" and {k["kind"] for k in value["keepers"]} == {"ref", "finding"}
    installed_repo.aexp_fast(*GC, "--explain", "f" * 64, check=False).require(4)
    installed_repo.aexp_fast(*GC, "--explain", "no digest", check=False).require(2)


def test_pruning(installed_repo: Machine, registry: Registry) -> None:
    """GC-06, GC-07: a dry run first, then the refs go; what is cited ends with exit code 5."""
    name(registry, "anonymous/1", put_artifact(registry, b"x"), "anonymous")
    done = installed_repo.aexp_fast("registry", "prune-anonymous")
    assert "anonymous/1" in done.stdout and "pass --delete to apply" in done.stdout
    installed_repo.aexp_fast("registry", "prune-anonymous", "--delete")
    done = installed_repo.aexp_fast("registry", "prune", "baseline", "--delete", "--format", "json")
    assert [ref["name"] for ref in json.loads(done.stdout)["refs"]] == ["baseline"]
    assert registry.refs() == []
    experiment(installed_repo)
    run = record(installed_repo, 0)
    finding(installed_repo, job(run))
    done = installed_repo.aexp_fast("registry", "prune", run[:8], "--delete", check=False).require(
        5
    )
    assert f"error: run {run[:8]} is cited by F001" in done.stderr and "hint: " in done.stderr
    assert len(registry.refs()) == 1
