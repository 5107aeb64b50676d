"""Committed sessions: reading, forking, files, the ledger, other clones (SES-06, SES-07)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import (
    CorruptDataError,
    LedgerPromotionWarning,
    NotFoundError,
    RefConflictError,
    SessionClosedError,
    StorageError,
    UsageError,
)
from aexp.experiment import Experiment, SealedRun
from aexp.ledger.experiments import list_experiments
from aexp.model.oci import Manifest
from aexp.registry import Registry
from aexp.repo import open_layout
from tests.recording.sessions import HEAD, records, refs, registry_of, run_python, saved
from tests.support.machines import Machine, TwoMachines


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the repository, as a script does."""
    if "repo" in request.fixturenames:
        monkeypatch.chdir(request.getfixturevalue("repo").path)


def recorded(name: str | None = "n") -> Experiment:
    """Return a committed session with two runs and attachments on both levels."""
    experiment = Experiment(name)
    experiment.log_json("dataset", {"rows": 3})
    for number in range(2):
        with experiment.run(number=number) as run:
            run.log_metric("loss", 0.5 / (number + 1), step=0)
            run.log_attachment("model", "application/octet-stream", bytes([number] * 10))
            run.log_attachment("same", "text/plain", b"the same in both")
    experiment.commit()
    return experiment


def test_reading_a_sealed_session(repo: Machine, tmp_path: Path) -> None:
    """SES-06: everything that could be read while it was open, from another object."""
    experiment = recorded()
    loaded = Experiment.load("n")
    assert (loaded.session_id, loaded.status) == (experiment.session_id, "complete")
    assert loaded.attachment_names == ["dataset"]
    for before, run in zip(experiment.runs, loaded.runs, strict=True):
        assert isinstance(run, SealedRun)
        assert (run.run_id, run.job_id, run.status) == (before.run_id, before.job_id, "complete")
        assert run.parameters == before.parameters == {"number": run.run_id}
        assert run.metrics("loss") == before.metrics("loss")
        assert run.metric_names == ["loss"]
        assert run.get_attachment("model") == bytes([run.run_id] * 10)
        assert run.attachment_media_type("same") == "text/plain"
        assert run.write_attachment("same", tmp_path / f"{run.run_id}").read_bytes()
        assert run.error == "" and run.statepoint["session_run"] == run.run_id
    with pytest.raises(NotFoundError):
        loaded.get_attachment("nothing")


def test_the_artifact_is_an_oci_image_manifest(repo: Machine) -> None:
    """REG-01, ADR 7: config and all attachments as layers, which say whose they are."""
    artifact = recorded().artifact
    assert artifact is not None
    manifest = registry_of(repo).manifest(artifact.digest)
    assert isinstance(manifest, Manifest)
    assert manifest.artifact_type == "application/vnd.aexp.experiment.v1+json"
    assert manifest.config.media_type == "application/vnd.aexp.experiment.config.v1+json"
    whose = {
        (layer.annotations.get("dev.aexp.run"), layer.annotations["dev.aexp.attachment.name"])
        for layer in manifest.layers
    }
    assert {(None, "dataset"), ("0", "model"), ("1", "model"), ("1", "same")} <= whose
    assert ("0", "metrics.jsonl") in whose
    config = json.loads(registry_of(repo).read(manifest.config.digest))
    assert config["format"] == "aexp.experiment" and config["version"] == 1
    assert [run["statepoint"]["number"] for run in config["runs"]] == [0, 1]
    assert config["runs"][0]["metrics"]["loss"]["value"] == 0.5


def test_an_empty_session_is_an_artifact_too(repo: Machine) -> None:
    """SES-06: without runs and attachments it has the empty layer that OCI wants."""
    with Experiment("empty"):
        pass
    assert Experiment.load("empty").runs == []


def test_forking(repo: Machine) -> None:
    """SES-06: a fork begins with all of its parent, which stays reachable through `subject`."""
    parent = recorded()
    fork = parent.fork("child")
    assert fork.attachment_names == ["dataset"] and len(fork.runs) == 2
    with fork.run(number=2) as run:
        assert run.run_id == 2
    fork.log_json("more", 1)
    artifact = fork.commit()
    manifest = registry_of(repo).manifest(artifact.digest)
    assert parent.artifact is not None and manifest.subject is not None
    assert manifest.subject.digest == parent.artifact.digest
    child = Experiment.load("child")
    assert [run.parameters["number"] for run in child.runs] == [0, 1, 2]
    assert child.attachment_names == ["dataset", "more"]
    assert child.runs[0].get_attachment("model") == b"\0" * 10
    assert Experiment.load("n").attachment_names == ["dataset"], "the parent is as it was"
    with pytest.raises(UsageError):
        parent.fork(" ")
    grandchild = Experiment.load("child").fork()
    assert len(grandchild.runs) == 3
    assert grandchild.commit().name is None


def test_a_fork_that_is_cut_off(repo: Machine) -> None:
    """SES-03, SES-06: a restored fork has its parent's runs and its own, and goes on."""
    recorded()
    code = "f = Experiment.load('n').fork('child')\nwith f.run(number=2): pass\nos._exit(0)"
    run_python(repo, code)
    fork = Experiment.restore_from_checkpoint("child")
    assert [run.parameters["number"] for run in fork.runs] == [0, 1, 2]
    assert fork.attachment_names == ["dataset"]
    with fork.run(number=3):
        pass
    artifact = fork.commit()
    assert [run.run_id for run in Experiment.load(artifact.digest).runs] == [0, 1, 2, 3]
    assert registry_of(repo).manifest(artifact.digest).subject is not None


def test_a_file(repo: Machine, tmp_path: Path) -> None:
    """SES-06: exported and imported as a file, into a repository that knows nothing of it."""
    artifact = recorded().artifact
    file = Experiment.load("n").export(tmp_path / "n.tar")
    with pytest.raises(UsageError):
        Experiment.load("n").export(file)
    assert Experiment.load("n").export(file, replace=True) == file
    other = tmp_path / "other"
    other.mkdir()
    Machine(other).git("init", "-q")
    imported = Experiment.import_file(file, repo_root=other)
    assert imported.artifact == artifact
    assert imported.runs[1].get_attachment("model") == b"\1" * 10
    assert imported.runs[1].metrics("loss")[0].number == 0.25
    named = Experiment.import_file(file, name="theirs", repo_root=other)
    assert named.name == Experiment.load("theirs", repo_root=other).name == "theirs"
    with Experiment("theirs", repo_root=other):
        pass
    with pytest.raises(RefConflictError):
        Experiment.import_file(file, name="theirs", repo_root=other)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(CorruptDataError):
        Experiment.import_file(file, repo_root=other)


def test_what_is_no_session(repo: Machine) -> None:
    """SES-06: a run's own artifact can be kept in the registry, and is no session."""
    recorded()
    run = refs(repo, "run")[0]
    with pytest.raises(CorruptDataError, match="no committed session"):
        Experiment.load(run.digest)


def test_a_damaged_attachment(repo: Machine) -> None:
    """REG-04: damage is told when the bytes are read, and the rest can be read."""
    recorded()
    loaded = Experiment.load("n")
    digest = loaded.runs[0].attachments["model"].digest
    path = registry_of(repo).path(digest)
    os.chmod(path, 0o644)
    path.write_bytes(b"\1" * 9 + b"\2")
    with pytest.raises(CorruptDataError):
        loaded.runs[0].get_attachment("model")
    assert loaded.runs[0].get_attachment("same") == "the same in both"


def record_of(machine: Machine) -> dict[str, Any]:
    """Return the only record of a committed session."""
    (path,) = records(machine)
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def test_the_record_in_the_ledger(repo: Machine) -> None:
    """SES-07, LED-02: digest, name and run ids, sanitized, in canonical form."""
    name = f"{repo.path}/study with token=ghp_Zq8bYt2WmNx4Lk7Jd1Rf6Hs3Pv9Qc5Ab0Xe"
    experiment = recorded(name)
    assert experiment.artifact is not None
    record = record_of(repo)
    assert record["digest"] == experiment.artifact.digest
    assert record["runs"] == {str(run.run_id): run.job_id for run in experiment.runs}
    assert [a["name"] for a in record["attachments"]] == ["dataset"]
    assert "ghp_" not in json.dumps(record) and str(repo.path) not in json.dumps(record)
    assert record["redacted"]
    assert repo.aexp_fast("ledger", "verify").returncode == 0


def test_a_changed_record(repo: Machine) -> None:
    """SES-07: `ledger verify` reports a record that is not what was written; listings leave it."""
    recorded()
    (path,) = records(repo)
    good = path.read_text("utf-8")
    for bad in (good.replace('"n"', '"m"'), "{}", "<<<<<<< ours\n" + good, good[:50]):
        path.write_text(bad, "utf-8")
        done = repo.aexp_fast("ledger", "verify", check=False)
        assert done.returncode == 1 and path.name in done.stdout, bad[:20]
        assert list_experiments(open_layout(repo)) == []
    newer = json.loads(good) | {"schema_version": 2}
    path.write_text(json.dumps(newer), "utf-8")
    assert "newer" in repo.aexp_fast("ledger", "verify", check=False).output
    path.write_text(good, "utf-8")
    path.rename(path.with_name("a.json"))
    assert repo.aexp_fast("ledger", "verify", check=False).returncode == 1
    assert repo.aexp_fast("validate").returncode == 0


def test_a_record_that_could_not_be_written(repo: Machine) -> None:
    """SES-07: the session is committed all the same, and backfill writes the same bytes."""
    folder = repo / ".aexp/ledger/experiments"
    experiment = Experiment("n")
    with experiment.run():
        pass
    folder.write_text("in the way", "utf-8")
    with pytest.warns(LedgerPromotionWarning, match="backfill") as told:
        experiment.commit()
    assert told[0].filename == __file__
    assert Experiment.load("n").status == "complete"
    folder.unlink()
    repo.aexp_fast("ledger", "backfill", "--no-commit")
    assert experiment.artifact is not None
    assert record_of(repo)["digest"] == experiment.artifact.digest


@pytest.mark.parametrize("healer", ["backfill", "session", "recover"])
def test_death_between_the_name_and_the_record(repo: Machine, healer: str) -> None:
    """SES-07, RUN-04: the next session, backfill or recover writes the record."""
    code = HEAD + (
        "import aexp.recording.commit as module\n"
        "module.write_record = lambda *_: os._exit(9)\n"
        "e = Experiment('n')\nwith e.run(): pass\ne.commit()"
    )
    assert run_python(repo, code, check=False).returncode == 9
    assert records(repo) == [] and saved(repo) == []
    if healer == "backfill":
        repo.aexp_fast("ledger", "backfill", "--no-commit")
    elif healer == "recover":
        repo.aexp_fast("recover", "--apply")
    else:
        Experiment("other").close()
    assert f"sha256:{records(repo)[0].stem}" == refs(repo, "artifact")[0].digest


def test_a_commit_that_did_not_come_about_leaves_no_record(repo: Machine) -> None:
    """SES-07: killed before the name moved, nothing is recorded, then or later."""
    code = HEAD + (
        "import aexp.recording.commit as module\n"
        "module._move_name = lambda *_: os._exit(9)\n"
        "e = Experiment('n')\nwith e.run(): pass\ne.commit()"
    )
    assert run_python(repo, code, check=False).returncode == 9
    marks = repo / ".git/aexp/pending-experiments"
    assert len(list(marks.iterdir())) == 1
    repo.aexp_fast("ledger", "backfill", "--no-commit")
    assert records(repo) == [] and list(marks.iterdir()) == []
    Experiment.restore_from_checkpoint("n").commit()
    assert len(records(repo)) == 1


def test_other_clones_know_it(two_machines: TwoMachines, tmp_path: Path) -> None:
    """SES-07, SHR-01: backfill commits the record; a clone lists it, pulls it, verifies it."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.write("aexp.yaml", f"remotes:\n  store:\n    url: {(tmp_path / 'store').as_uri()}\n")
    cluster.commit_all("remote")
    code = (
        "e = Experiment('study')\ne.log_json('a', 1)\n"
        "with e.run(x=1) as r: r.log_attachment('b', 'text/plain', b'bytes')\n"
        "print(e.commit().digest)"
    )
    digest = run_python(cluster, code).stdout.strip()
    cluster.aexp("ledger", "backfill")
    assert cluster.status() == ""
    cluster.push()
    cluster.aexp("push", "study")
    laptop.pull()
    (listed,) = json.loads(laptop.aexp_fast("session", "list", "--format", "json").stdout)
    assert (listed["digest"], listed["where"], listed["name"]) == (digest, "ledger", "study")
    assert listed["machine"] == "cluster"
    shown = laptop.aexp_fast("session", "show", "study").stdout
    assert "aexp pull study" in shown and "recorded" in shown
    with pytest.raises(NotFoundError, match="known to the ledger"):
        Experiment.load("study", repo_root=laptop.path)
    laptop.aexp("pull", "study")
    loaded = Experiment.load("study", repo_root=laptop.path)
    assert loaded.artifact is not None and loaded.artifact.digest == digest
    assert loaded.runs[0].get_attachment("b") == "bytes"
    laptop.aexp_fast("ledger", "verify")
    laptop.aexp_fast("registry", "verify", "study")
    assert laptop.aexp_fast("validate").returncode == 0
    (listed,) = json.loads(laptop.aexp_fast("session", "list", "--format", "json").stdout)
    assert listed["where"] == "both" and listed["current"]
    loaded.fork("ours").commit()
    assert laptop.aexp("sync", check=False).returncode == 0
    cluster.aexp("sync")
    names = {
        r["name"] for r in json.loads(cluster.aexp("session", "list", "--format", "json").stdout)
    }
    assert names == {"study", "ours"}


@pytest.mark.parametrize("error", [StorageError("full"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", ["n", None])
def test_an_error_just_after_the_name_has_moved(
    repo: Machine, monkeypatch: pytest.MonkeyPatch, error: BaseException, name: str | None
) -> None:
    """SES-05, SES-07: what is committed is committed, whatever goes wrong after that."""
    real = Registry.publish

    def publish(self: Registry, *changes: Any) -> None:
        real(self, *changes)
        if any(getattr(change, "kind", "") in ("artifact", "anonymous") for change in changes):
            raise error

    experiment = Experiment(name)
    with experiment.run(x=1):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "publish", publish)
        if isinstance(error, StorageError):
            assert experiment.commit().name == name
        else:
            with pytest.raises(KeyboardInterrupt):
                experiment.commit()
    assert experiment.status == "complete" and experiment.artifact is not None
    with pytest.raises(SessionClosedError):
        experiment.run()
    repo.aexp_fast("ledger", "backfill", "--no-commit")
    assert record_of(repo)["digest"] == experiment.artifact.digest
    assert Experiment.load(experiment.artifact.digest).runs[0].parameters == {"x": 1}
    assert saved(repo) == []
