"""Removing refs: what is cited is refused, what is another's too; blobs stay (GC-06, GC-07)."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.errors import AmbiguousIdError, CitedError, NotFoundError, UsageError
from aexp.experiment import Experiment
from aexp.registry import gc, prune_anonymous
from aexp.retention.cleaning import prune
from tests.registry.stocked import digests, name, put_artifact, snapshot
from tests.retention.test_cited import record, registry_of
from tests.runs.test_overview import finding, job
from tests.runs.world import experiment
from tests.support.machines import Machine


def names(machine: Machine) -> list[str]:
    """Return the names of all refs."""
    return [ref.name for ref in registry_of(machine).refs()]


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """A repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


def test_a_name_is_pruned(machine: Machine) -> None:
    """GC-06: without --delete it is only told; with it the ref goes, and every blob stays."""
    registry = registry_of(machine)
    name(registry, "baseline", put_artifact(registry, b"old"))
    name(registry, "kept", put_artifact(registry, b"kept"))
    before, files = digests(registry), snapshot(registry.root)
    report = prune(["baseline"], repo_root=machine.path)
    assert [ref.name for ref in report.refs] == ["baseline"] and not report.delete_applied
    assert snapshot(registry.root) == files
    assert prune(["baseline"], True, repo_root=machine.path).delete_applied
    assert names(machine) == ["kept"] and digests(registry) == before
    assert b"baseline" not in (registry.root / "index.json").read_bytes()
    assert gc(True, grace_period="0s", repo_root=machine.path).deleted_blobs.count == 2


def test_a_run_is_pruned_by_the_beginning_of_its_id(machine: Machine) -> None:
    """GC-06: as everywhere, the first digits of a run's id will do."""
    run = record(machine, 0)
    assert prune([run[:8]], True, repo_root=machine.path).refs[0].kind == "run"
    assert names(machine) == []


def test_an_artifact_is_pruned_by_its_digest(machine: Machine) -> None:
    """GC-07: what has no name has a digest."""
    registry = registry_of(machine)
    made = put_artifact(registry, b"anonymous")
    name(registry, "anonymous/0011", made, "anonymous")
    prune([made.digest[:20]], True, repo_root=machine.path)
    assert names(machine) == []


@pytest.mark.parametrize("delete", [False, True])
def test_a_cited_run_is_refused(machine: Machine, delete: bool) -> None:
    """GC-06: the error names the finding, the hint says what to do; nothing at all is removed."""
    cited, other = record(machine, 0), record(machine, 1)
    finding(machine, job(cited))
    before = names(machine)
    with pytest.raises(CitedError, match=f"run {cited[:8]} is cited by F001") as caught:
        prune([other, cited], delete, repo_root=machine.path)
    assert caught.value.hint and "F001" in caught.value.hint and caught.value.exit_code == 5
    assert names(machine) == before


def test_a_cited_session_is_refused(machine: Machine) -> None:
    """GC-06, SES-07: its record in the ledger says that a cited run is in it."""
    with Experiment("baseline", repo_root=machine.path) as session, session.run(seed=0) as run:
        run.log_json("config", {"lr": 0.1})
    finding(machine, job(run.job_id), name="F007")
    with pytest.raises(CitedError, match=r"'baseline' is cited by F007"):
        prune(["baseline"], True, repo_root=machine.path)
    assert "baseline" in names(machine)


def test_what_is_not_ours_to_prune(machine: Machine) -> None:
    """GC-06: checkpoints belong to sessions, and other repositories' findings are unknown here."""
    registry = registry_of(machine)
    record(machine, 0)
    made = put_artifact(registry, b"x")
    name(registry, "checkpoint/0123456789abcdef", made, "checkpoint")
    name(registry, f"run/{'f' * 16}/{'0' * 32}", made, "run")
    before = names(machine)
    with pytest.raises(UsageError, match="checkpoint"):
        prune(["checkpoint/0123456789abcdef"], True, repo_root=machine.path)
    with pytest.raises(UsageError, match="another repository"):
        prune([f"run/{'f' * 16}/{'0' * 32}"], True, repo_root=machine.path)
    for text in ("nothing", "0" * 32, "sha256:" + "0" * 64):
        with pytest.raises(NotFoundError):
            prune([text], True, repo_root=machine.path)
    assert names(machine) == before


def test_several_runs_begin_alike(machine: Machine) -> None:
    """GC-06, LED-04: an ambiguous beginning is refused, and never taken for a name."""
    registry = registry_of(machine)
    run = record(machine, 0)
    prefix = next(ref.name for ref in registry.refs())[:-32]
    twin = run[:8] + ("0" if run[8] != "0" else "1") + run[9:]
    name(registry, prefix + twin, put_artifact(registry, b"twin"), "run")
    with pytest.raises(AmbiguousIdError):
        prune([run[:8]], True, repo_root=machine.path)


def test_anonymous_sessions_are_pruned_and_cited_ones_kept(machine: Machine) -> None:
    """GC-07, GC-06: real sessions without a name; one of them has a run that a finding cites."""
    runs = []
    for seed in range(2):
        with Experiment(repo_root=machine.path) as session, session.run(seed=seed) as run:
            run.log_json("config", {"seed": seed})
        runs.append(run.job_id)
    finding(machine, job(runs[1]))
    report = prune_anonymous(repo_root=machine.path)
    assert len(report.refs) == 1 == len(report.kept)
    assert report.kept[0].kept_by == ("F001",)
    prune_anonymous(True, repo_root=machine.path)
    left = registry_of(machine).refs(kind="anonymous")
    assert [ref.digest for ref in left] == [report.kept[0].digest]


def test_an_open_anonymous_session_loses_nothing(machine: Machine) -> None:
    """GC-07, GC-03: its checkpoint is no anonymous ref; it can go on and commit."""
    session = Experiment(repo_root=machine.path)
    with session.run(seed=0) as run:
        run.log_json("config", {"lr": 0.1})
    assert prune_anonymous(True, repo_root=machine.path).refs == ()
    gc(True, grace_period="0s", repo_root=machine.path)
    artifact = session.commit()
    assert gc(grace_period="0s", repo_root=machine.path).is_sound
    assert registry_of(machine).has(artifact.digest)


def test_pruning_without_a_registry_makes_none(machine: Machine, tmp_path: Path) -> None:
    """GC-01, trap 41: nothing is made where nothing is."""
    with pytest.raises(NotFoundError):
        prune(["x"], True, tmp_path / "none", repo_root=machine.path)
    assert not (tmp_path / "none").exists()
