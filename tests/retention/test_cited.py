"""What findings cite is kept, however they cite it and whatever became of its refs (GC-06)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.errors import StorageError
from aexp.experiment import Experiment
from aexp.model.oci import sha256_digest
from aexp.registry import DropRef, GcReport, Registry, gc, open_registry, run_ref
from aexp.repo import open_layout
from tests.registry.stocked import digests, put_artifact, snapshot
from tests.runs.test_overview import batch, finding, job
from tests.runs.world import document, experiment
from tests.support.machines import Machine, TwoMachines


def payload(seed: int) -> bytes:
    """Return what a run attaches."""
    return b"the weights of seed %d" % seed


def record(machine: Machine, seed: int) -> str:
    """Record a run of E001 with one attachment, and promote it."""
    made = create_run("E001", {"seed": seed}, repo_root=machine.path)
    with run_lifecycle(made):
        run = current_run()
        assert run is not None
        run.log_attachment("weights", "application/octet-stream", payload(seed))
    return str(made.id)


def registry_of(machine: Machine) -> Registry:
    """Return the repository's registry."""
    return open_registry(open_layout(machine.path))


def drop_runs(machine: Machine) -> None:
    """Remove the refs of all runs, as nothing of ours does: only citations are left."""
    registry = registry_of(machine)
    registry.publish(*(DropRef(ref.name) for ref in registry.refs(kind="run")))


def collected(machine: Machine) -> GcReport:
    """Delete all that may go."""
    report = gc(True, grace_period="0s", repo_root=machine.path)
    assert report.is_sound and report.failure is None and report.live_leases == 0
    return report


def held(machine: Machine) -> set[int]:
    """Return the seeds of which the payload is there."""
    there = digests(registry_of(machine))
    return {seed for seed in range(3) if sha256_digest(payload(seed)) in there}


@pytest.fixture
def runs(installed_repo: Machine) -> dict[int, str]:
    """Three ended runs, with the seeds 0 to 2."""
    experiment(installed_repo)
    return {seed: record(installed_repo, seed) for seed in range(3)}


def test_refs_keep_what_nobody_cites(installed_repo: Machine, runs: dict[int, str]) -> None:
    """GC-02: a closed run has a ref, and with it everything it attached."""
    report = collected(installed_repo)
    assert report.roots.count == 3 and report.other_refs == 0
    assert report.deleted_blobs.count == 0 and held(installed_repo) == {0, 1, 2}


def test_without_refs_only_the_cited_run_stays(
    installed_repo: Machine, runs: dict[int, str]
) -> None:
    """GC-06: a cited run keeps its manifest and all that it names, by the digests it recorded."""
    finding(installed_repo, job(runs[1]))
    drop_runs(installed_repo)
    report = collected(installed_repo)
    assert held(installed_repo) == {1} and report.roots.count == 0
    manifest = document(installed_repo, runs[1])["sealed"]["manifest"]
    assert manifest in report.cited_blobs.digests
    config = registry_of(installed_repo).manifest(manifest).config  # type: ignore[union-attr]
    assert config.digest in report.cited_blobs.digests and registry_of(installed_repo).has(
        config.digest
    )


@pytest.mark.parametrize("how", ["batch", "number", "number of a batch"])
def test_every_kind_of_citation(installed_repo: Machine, runs: dict[int, str], how: str) -> None:
    """GC-06, VAL-09: batches keep each run that they mean, numbers the runs they are of."""
    if how == "batch":
        finding(installed_repo, batch(seed=[0, 2]))
    else:
        target = f"run:{runs[0]}" if how == "number" else "batch:E001?seed=[0,2]"
        text = f"---\nid: F001\nsupporting_runs: []\n---\n\n# F\n\nIt is [0.9](<{target}#acc>).\n"
        installed_repo.write("kb/research/findings/F001-a.md", text)
    drop_runs(installed_repo)
    collected(installed_repo)
    assert held(installed_repo) == ({0} if how == "number" else {0, 2})


@pytest.mark.parametrize(
    "text",
    [
        "---\nid: [F001\nsupporting_runs:\n  - {{type: job, id: {run}}}\n---\n\n# F\n",
        "---\nid: F001\nsupporting_runs:\n  - {{type: jop, id: {run}}}\n---\n\n# F\n",
        "---\nid: F001\n<<<<<<< ours\nsupporting_runs: [{run}]\n=======\n>>>>>>> x\n---\n# F\n",
        "no frontmatter, but {run}",
    ],
)
def test_a_finding_that_cannot_be_read_keeps_what_it_names(
    installed_repo: Machine, runs: dict[int, str], text: str
) -> None:
    """GC-06: in doubt it is cited; a broken file must not cost anybody the evidence."""
    installed_repo.write("kb/research/findings/F001-a.md", text.format(run=runs[1]))
    drop_runs(installed_repo)
    collected(installed_repo)
    assert held(installed_repo) == {1}


def test_an_entry_that_cannot_be_used_keeps_what_it_names(
    installed_repo: Machine, runs: dict[int, str]
) -> None:
    """GC-06: which finding means a conflicted entry, nobody knows, so its bytes stay."""
    path = installed_repo / f".aexp/ledger/{runs[2]}.json"
    path.write_text("<<<<<<< ours\n" + path.read_text() + "=======\n>>>>>>> theirs\n")
    drop_runs(installed_repo)
    collected(installed_repo)
    assert held(installed_repo) == {2}


def test_an_entry_that_the_work_tree_has_lost(
    installed_repo: Machine, runs: dict[int, str]
) -> None:
    """GC-06, trap 23: the last commit still says what a cited run's bytes are."""
    finding(installed_repo, job(runs[0]))
    installed_repo.commit_all()
    (installed_repo / f".aexp/ledger/{runs[0]}.json").unlink()
    shutil.rmtree(installed_repo / ".runs")
    drop_runs(installed_repo)
    collected(installed_repo)
    assert held(installed_repo) == {0}


def test_a_finding_of_another_work_tree(
    installed_repo: Machine, runs: dict[int, str], tmp_path: Path
) -> None:
    """GC-06, decision 12: work trees share the registry, so the findings of each of them count."""
    installed_repo.commit_all()
    place = tmp_path / "another\nwork tree "
    installed_repo.git("worktree", "add", "-q", "-b", "other", str(place))
    other = Machine(place)
    finding(other, job(runs[1]))
    drop_runs(installed_repo)
    collected(installed_repo)
    assert held(installed_repo) == {1}
    finding(installed_repo, job(runs[1]))
    shutil.rmtree(other.path)
    collected(installed_repo)
    assert held(installed_repo) == {1}


@pytest.mark.parametrize("through", ["its experiment", "a batch", "one of its runs"])
def test_the_artifact_of_a_cited_session(installed_repo: Machine, through: str) -> None:
    """GC-06, SES-07: by the ledger's record a cited session is kept whole, without any ref."""
    experiment(installed_repo)
    with Experiment("E001", repo_root=installed_repo.path) as session:
        session.log_attachment("shared", "text/plain", b"of the session")
        for seed in range(2):
            with session.run(seed=seed) as run:
                run.log_attachment("weights", "application/octet-stream", payload(seed))
    registry = registry_of(installed_repo)
    artifact = registry.ref("E001")
    assert artifact is not None
    if through == "its experiment":
        text = "---\nid: F001\nexperiment: E001\nsupporting_runs: []\n---\n\n# F\n"
        installed_repo.write("kb/research/findings/F001-a.md", text)
    else:
        finding(installed_repo, batch() if through == "a batch" else job(run.job_id))
    registry.publish(*(DropRef(ref.name) for ref in registry.refs()))
    report = collected(installed_repo)
    assert artifact.digest in report.cited_blobs.digests
    assert held(installed_repo) == {0, 1}
    assert registry.has(sha256_digest(b"of the session"))
    (installed_repo / "kb/research/findings/F001-a.md").unlink()
    collected(installed_repo)
    assert held(installed_repo) == set() and digests(registry) == set()


def test_what_this_machine_never_had_is_not_missing(two_machines: TwoMachines) -> None:
    """GC-02: a clone knows the digests from the ledger, and its own registry lacks them."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    experiment(cluster)
    run = record(cluster, 0)
    finding(cluster, job(run))
    cluster.commit_all()
    cluster.push()
    laptop.pull()
    experiment(laptop, "E002")
    put_artifact(registry_of(laptop), b"something of the laptop's own")
    report = gc(grace_period="0s", repo_root=laptop.path)
    assert report.is_sound and report.missing_blobs.count == 0
    assert report.cited_blobs.count == 0 and report.orphan_candidates.count == 3


def test_bytes_that_could_not_be_sealed_yet(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-02, ADR 7: a run that the registry refused at its end is sealed later, so they stay."""
    experiment(installed_repo)

    def refuse(self: Registry, *changes: Any) -> None:
        raise StorageError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "publish", refuse)
        record(installed_repo, 1)
    assert document(installed_repo)["registry_error"]["reason"]
    collected(installed_repo)
    assert held(installed_repo) == {1}
    installed_repo.aexp_fast("recover", "--apply")
    assert collected(installed_repo).roots.count == 1
    assert held(installed_repo) == {1}


def test_a_report_changes_nothing_in_the_whole_repository(
    installed_repo: Machine, runs: dict[int, str]
) -> None:
    """GC-01: no file of work tree, git folder or run store is touched, not even to draw an id."""
    finding(installed_repo, job(runs[1]), batch(seed=0))
    drop_runs(installed_repo)
    (installed_repo / ".git/aexp/repository-id").unlink()
    before = snapshot(installed_repo.path)
    assert gc(grace_period="0s", repo_root=installed_repo.path).orphan_candidates.count > 0
    assert snapshot(installed_repo.path) == before


def test_a_shared_registry(
    installed_repo: Machine, runs: dict[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-05, GC-06: what other repositories' refs reach stays, and the report counts them."""
    shared = registry_of(installed_repo).root
    foreign = Machine(tmp_path / "foreign")
    foreign.path.mkdir()
    foreign.git("init", "-q")
    monkeypatch.setenv("AEXP_REGISTRY_ROOT", str(shared))
    report = gc(True, grace_period="0s", repo_root=foreign.path)
    assert report.root == shared and report.other_refs == 3 and report.deleted_blobs.count == 0
    assert held(installed_repo) == {0, 1, 2}
    assert run_ref(open_layout(installed_repo.path), runs[0]) in json.dumps(
        [ref.name for ref in Registry(shared).refs()]
    )
