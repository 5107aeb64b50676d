"""Two clones, a git remote and a place for bytes: push and pull as people type them (SHR-01)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import MissingExperimentWarning
from aexp.experiment import Experiment
from aexp.ledger.store import load_usable
from aexp.model.oci import sha256_digest
from aexp.registry import SetRef, open_registry, run_ref
from aexp.registry.store import Registry
from aexp.repo import open_layout
from tests.registry.remote_help import blob_names, seal
from tests.support.machines import Machine, TwoMachines, make_two_machines


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    folder = tmp_path_factory.mktemp("two")
    made = make_two_machines(folder)
    made.cluster.write("aexp.yaml", "remotes:\n  lab: ../bytes\n")
    made.cluster.write("noisy.py", "import sys\nprint('said', *sys.argv[1:])\n")
    made.cluster.commit_all("Settings")
    made.cluster.push()
    made.laptop.pull()
    return folder


@pytest.fixture
def two(_template: Path, tmp_path: Path) -> TwoMachines:
    """Two machines that share bytes through a folder beside them."""
    for name in ("remote.git", "cluster", "laptop"):
        shutil.copytree(_template / name, tmp_path / name, symlinks=True)
    machines = [Machine(tmp_path / name, name) for name in ("cluster", "laptop")]
    for machine in machines:
        machine.git("remote", "set-url", "origin", str(tmp_path / "remote.git"))
    return TwoMachines(tmp_path / "remote.git", *machines)


def session(machine: Machine, name: str, experiment_id: str | None = None) -> str:
    """Commit a session with attachments and one run; return the run's id."""
    experiment = Experiment(name, experiment_id=experiment_id, repo_root=machine.path)
    experiment.log_json("data", {"rows": 3, "on": machine.label})
    with experiment.run(lr=0.1) as run:
        run.log_metric("loss", 0.5, step=1)
        run.log_attachment("weights", "application/octet-stream", f"of {name}".encode())
    experiment.commit(replace=True)
    return run.job_id


def loaded(machine: Machine, name: str) -> tuple[object, ...]:
    """Load a session and read what is in it."""
    experiment = Experiment.load(name, repo_root=machine.path)
    (run,) = experiment.runs
    loss = run.metrics("loss")[0].number
    return experiment.get_attachment("data"), run.get_attachment("weights"), loss


def registry_of(machine: Machine) -> Registry:
    """Return the registry of a machine."""
    return open_registry(open_layout(machine))


def noisy_run(machine: Machine, *words: str, experiment: str = "", again: bool = False) -> str:
    """Record a run that prints something, and return its id."""
    options = ["--again"] if again else []
    if experiment:
        options += ["--experiment", experiment, "--allow-missing"]
    state = ["--no-commit", "--sp", f"word={words[0]}"]
    machine.aexp_fast("run", *options, *state, "--", "python3", "noisy.py", *words)
    views: list[dict[str, Any]] = json.loads(
        machine.aexp_fast("list-runs", "--format", "json").stdout
    )
    (found,) = [v["job_id"] for v in views if v["statepoint"].get("word") == words[0]]
    return str(found)


def attachments(machine: Machine, job_id: str) -> dict[str, str]:
    """Return digests by name, of all attempts in the ledger."""
    entry: Mapping[str, Any] | None = load_usable(open_layout(machine), job_id)
    assert entry is not None
    every = [entry, *entry.get("replicates", [])]
    return {f"{a['name']} {n}": a["digest"] for n, e in enumerate(every) for a in e["attachments"]}


def test_a_session_travels(two: TwoMachines, tmp_path: Path) -> None:
    """SHR-01, SES-07: committed on one clone, loaded on another that has only the ledger."""
    name = "ghcr.io/team/study:base"
    job_id = session(two.cluster, name)
    two.cluster.aexp_fast("sync")
    said = two.cluster.aexp_fast("push", name).stdout
    assert "pushed ghcr.io/team/study:base (sha256:" in said
    assert "sent to lab" in said
    two.laptop.aexp_fast("sync")
    assert not registry_of(two.laptop).exists()
    said = two.laptop.aexp_fast("pull", name).stdout
    assert "pulled ghcr.io/team/study:base (sha256:" in said
    two.laptop.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    data = {"rows": 3, "on": "cluster"}
    assert loaded(two.laptop, name) == (data, b"of ghcr.io/team/study:base", 0.5)
    for machine in (two.cluster, two.laptop):
        again = machine.aexp_fast("push", name).stdout
        assert "nothing to send: " in again
    assert "nothing to fetch" in two.laptop.aexp_fast("pull", name).stdout
    two.laptop.aexp_fast("registry", "verify")
    assert blob_names(tmp_path / "bytes") == {d for d, _ in registry_of(two.laptop).blobs()}
    assert load_usable(open_layout(two.laptop), job_id) is not None


def test_a_run_that_was_shared_as_part_of_a_session(two: TwoMachines) -> None:
    """SHR-01: a run is pulled by the digests in the ledger; no ref of it is anywhere."""
    job_id = session(two.cluster, "study")
    two.cluster.aexp_fast("sync")
    two.cluster.aexp_fast("push", "study")
    two.laptop.aexp_fast("sync")
    assert f"pulled run {job_id}" in two.laptop.aexp_fast("pull", job_id[:8]).stdout
    two.laptop.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    registry = registry_of(two.laptop)
    wanted = set(attachments(two.laptop, job_id).values())
    assert wanted
    assert all(registry.read(digest) for digest in wanted)
    assert [ref.name for ref in registry.refs()] == [run_ref(open_layout(two.laptop), job_id)]
    assert "nothing to fetch" in two.laptop.aexp_fast("pull", job_id).stdout


def test_a_wrapped_run_travels(two: TwoMachines) -> None:
    """SHR-01, REC-10: the captured output of a command, pulled by the run's id."""
    job_id = noisy_run(two.cluster, "hello")
    two.cluster.aexp_fast("sync")
    two.cluster.aexp_fast("registry", "push", job_id)
    two.laptop.aexp_fast("sync")
    two.laptop.aexp_fast("registry", "pull", job_id)
    registry = registry_of(two.laptop)
    assert registry.read(attachments(two.laptop, job_id)["output.log 0"]) == b"said hello\n"
    mine = registry_of(two.cluster).ref(run_ref(open_layout(two.cluster), job_id))
    pulled = registry.ref(run_ref(open_layout(two.laptop), job_id))
    assert mine is not None
    assert pulled is not None
    assert mine.digest == pulled.digest


def test_both_attempts_of_a_run_that_two_machines_made(two: TwoMachines) -> None:
    """SHR-01, model.md 4: what each machine recorded of one run comes together on both."""
    job_id = noisy_run(two.cluster, "same", "on the cluster")
    assert noisy_run(two.laptop, "same", "on the laptop") == job_id
    for machine in (two.cluster, two.laptop, two.cluster):
        machine.aexp_fast("sync")
    outputs = {b"said same on the cluster\n", b"said same on the laptop\n"}
    for machine in (two.cluster, two.laptop):
        machine.aexp_fast("push", job_id)
    for machine in (two.cluster, two.laptop):
        machine.aexp_fast("pull", job_id)
        machine.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
        registry = registry_of(machine)
        found = attachments(machine, job_id)
        assert {registry.read(d) for n, d in found.items() if "output" in n} == outputs
        machine.aexp_fast("registry", "verify")
        assert "nothing to fetch" in machine.aexp_fast("pull", job_id).stdout


def test_an_experiment_is_its_runs_and_its_sessions(two: TwoMachines) -> None:
    """SHR-01: `E001` stands for all of it; what has not ended is left out, and said."""
    one, other = (noisy_run(two.cluster, word, experiment="E001") for word in ("one", "two"))
    with pytest.warns(MissingExperimentWarning):
        in_session = session(two.cluster, "study", "E001")
    open_run = two.cluster.aexp_fast(
        "new-run", "--experiment", "E001", "--allow-missing", "--sp", "word=open"
    ).stdout.split()[2]
    two.cluster.aexp_fast("sync")
    done = two.cluster.aexp_fast("push", "E001")
    assert f"left out: run {open_run}" in done.stderr
    for name in (f"run {one}", f"run {other}", f"run {in_session}", "study (sha256:"):
        assert f"pushed {name}" in done.stdout
    two.laptop.aexp_fast("sync")
    report = json.loads(two.laptop.aexp_fast("pull", "E001", "--format", "json").stdout)
    assert len(report["done"]) == 4
    assert report["problems"] == {}
    assert loaded(two.laptop, "study")[1:] == (b"of study", 0.5)


def test_an_open_run_is_refused(two: TwoMachines, tmp_path: Path) -> None:
    """SHR-01: its bytes are not all there yet; nothing is sent."""
    made = two.cluster.aexp_fast("new-run", "-e", "E001", "--allow-missing", "--sp", "word=open")
    job_id = made.stdout.split()[2]
    done = two.cluster.aexp_fast("push", job_id, check=False).require(5)
    assert done.stderr.startswith(f"error: run {job_id} is created")
    assert not (tmp_path / "bytes").exists()


def test_a_run_without_bytes(two: TwoMachines) -> None:
    """SHR-01: a run that recorded only parameters has nothing to push, which is no error."""
    two.cluster.aexp_fast("run", "--no-commit", "--sp", "word=mute", "--", "true")
    (view,) = json.loads(two.cluster.aexp_fast("list-runs", "--format", "json").stdout)
    said = two.cluster.aexp_fast("push", view["job_id"]).stdout
    assert said == f"run {view['job_id']} recorded no bytes: the ledger has all there is of it\n"


def test_all(two: TwoMachines) -> None:
    """SHR-01: everything that is here at once."""
    job_id = noisy_run(two.cluster, "hello")
    session(two.cluster, "study")
    said = two.cluster.aexp_fast("push", "--all").stdout
    assert f"pushed run {job_id}" in said
    assert "pushed study" in said
    shared = Registry(two.cluster.path.parent / "shared-registry")
    shared.publish(SetRef("theirs", "artifact", seal(shared, b"x").digest))
    done = two.cluster.aexp_fast("push", "--all", "--root", str(shared.root))
    assert "left out: theirs: the ledger here does not list it" in done.stderr
    assert "pushed" not in done.stdout
    two.cluster.aexp_fast("push", check=False).require(2)
    two.cluster.aexp_fast("push", "study", "--all", check=False).require(2)


def test_what_nobody_pushed(two: TwoMachines) -> None:
    """SHR-01: the ledger knows it, the remote does not: each digest is named, and no ref is set."""
    job_id = noisy_run(two.cluster, "hello")
    session(two.cluster, "other")
    two.cluster.aexp_fast("sync")
    two.cluster.aexp_fast("push", "other")
    two.laptop.aexp_fast("sync")
    done = two.laptop.aexp_fast("pull", job_id, check=False).require(12)
    assert "not pulled: sha256:" in done.stderr
    assert "error: 1 blob could not be pulled from lab" in done.stderr
    assert registry_of(two.laptop).refs() == []
    done = two.laptop.aexp_fast("pull", "no-such-name", check=False).require(4)
    assert "neither the ledger nor lab knows 'no-such-name'" in done.stderr


def test_a_name_that_the_ledger_does_not_know_is_asked_of_the_remote(two: TwoMachines) -> None:
    """SHR-01: before any sync, the refs of the remote tell what a name stands for."""
    session(two.cluster, "study")
    two.cluster.aexp_fast("push", "study")
    said = two.laptop.aexp_fast("pull", "study").stdout
    assert "pulled study (sha256:" in said
    assert loaded(two.laptop, "study")[1:] == (b"of study", 0.5)


def test_a_name_that_stands_for_something_else_here(two: TwoMachines) -> None:
    """SES-05: nothing that only this clone has loses its name unasked, and it is never lost."""
    session(two.laptop, "study")
    mine = registry_of(two.laptop).ref("study")
    assert mine is not None
    session(two.cluster, "study")
    two.cluster.aexp_fast("push", "study")
    two.cluster.aexp_fast("sync")
    two.laptop.aexp_fast("sync")
    done = two.laptop.aexp_fast("pull", "study", check=False).require(5)
    assert "stands here for another artifact" in done.stderr
    assert registry_of(two.laptop).ref("study") == mine
    two.laptop.aexp_fast("push", mine.digest)
    two.laptop.aexp_fast("pull", "study")
    theirs = registry_of(two.cluster).ref("study")
    moved = registry_of(two.laptop).ref("study")
    assert theirs is not None
    assert moved is not None
    assert moved.digest == theirs.digest
    two.laptop.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    assert registry_of(two.laptop).manifest(mine.digest)


def test_dry_runs_and_json(two: TwoMachines, tmp_path: Path) -> None:
    """SHR-01: what would go, with sizes, and nothing is changed on either side."""
    job_id = noisy_run(two.cluster, "hello")
    said = two.cluster.aexp_fast("push", job_id, "--dry-run").stdout
    assert "11 B" in said
    assert "would send 3 blobs (" in said
    assert said.endswith("nothing was changed\n")
    assert not (tmp_path / "bytes").exists()
    report = json.loads(two.cluster.aexp_fast("push", job_id, "-n", "--format", "json").stdout)
    assert report["dry_run"] is True
    assert sha256_digest(b"said hello\n") in {blob["digest"] for blob in report["copied"]}
    two.cluster.aexp_fast("sync")
    two.cluster.aexp_fast("push", job_id)
    two.laptop.aexp_fast("sync")
    assert "would fetch 3 blobs" in two.laptop.aexp_fast("pull", job_id, "-n").stdout
    assert not registry_of(two.laptop).exists()


def test_the_list_of_remotes(two: TwoMachines) -> None:
    """SHR-01: what aexp.yaml names, and which one is used."""
    assert "lab   ../bytes  default" in two.laptop.aexp_fast("registry", "remotes").stdout
    shown = json.loads(two.laptop.aexp_fast("registry", "remotes", "--format", "json").stdout)
    assert shown == [{"name": "lab", "url": "../bytes", "endpoint_url": None, "default": True}]
    (two.laptop / "aexp.yaml").unlink()
    assert "no remotes" in two.laptop.aexp_fast("registry", "remotes").stdout
    done = two.laptop.aexp_fast("push", "x", check=False).require(4)
    assert "no remote is set up" in done.stderr
