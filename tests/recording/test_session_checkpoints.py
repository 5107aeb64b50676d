"""Checkpoints: what they cost, and disks that refuse them (SES-02, traps 39 and 40)."""

from __future__ import annotations

import errno
import math
import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import (
    CheckpointWarning,
    CorruptDataError,
    NewerSchemaError,
    NotFoundError,
    StorageError,
)
from aexp.experiment import Experiment
from aexp.model.checkpoint import (
    SMALLEST_SEGMENT,
    Checkpoint,
    CheckpointFacts,
    append_run,
    open_checkpoint,
    segments_of,
)
from aexp.model.oci import MANIFEST, Descriptor, Index, decode_manifest, sha256_digest
from aexp.model.session import SessionFacts
from aexp.recording.checkpoints import put_checkpoint, run_manifests
from aexp.registry import Registry
from tests.recording.sessions import entry, registry_of, saved
from tests.support.machines import Machine

Failing = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the repository, as a script does."""
    if "repo" in request.fixturenames:
        monkeypatch.chdir(request.getfixturevalue("repo").path)


def run_number(number: int) -> Descriptor:
    """Return a descriptor that stands for a run."""
    return Descriptor(MANIFEST, sha256_digest(str(number).encode()), 480)


@given(st.integers(0, 300))
def test_segments(count: int) -> None:
    """SES-02: like the digits of a binary number: few, in order, and nothing is left out."""
    segments: tuple[Any, ...] = ()
    for number in range(count):
        segments = append_run(segments, run_number(number))
    assert [run for s in segments for run in s.runs] == [run_number(n) for n in range(count)]
    lengths = [len(s.runs) for s in segments]
    assert lengths == sorted(set(lengths), reverse=True)
    assert all(length & (length - 1) == 0 for length in lengths)
    assert segments == segments_of(run_number(n) for n in range(count))
    listed = sum(len(s.listed()) for s in segments)
    assert listed <= SMALLEST_SEGMENT + math.log2(count + 1)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    st.builds(
        CheckpointFacts,
        session_id=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
        status=st.sampled_from(["running", "failed", "stopped"]),
        next_run=st.integers(0, 10**6),
        runs=st.integers(0, 10**6),
        updated_at=names,
        turn=st.integers(1, 1000),
        reason=names | st.just(""),
    ),
    st.integers(0, 40),
)
def test_a_checkpoint_is_read_as_it_was_written(facts: CheckpointFacts, count: int) -> None:
    """SES-02: the index holds all that a checkpoint says, through its bytes."""
    segments = segments_of(run_number(n) for n in range(count))
    own, parent = run_number(-1), run_number(-2)
    index = decode_manifest(Checkpoint(facts, own, segments, parent).index().encode())
    found, session, listed = open_checkpoint(index)
    assert (found, session, index.subject) == (facts, own, parent)
    assert listed == tuple(item for segment in segments for item in segment.listed())


def test_what_is_no_checkpoint() -> None:
    """SES-03: another index, or one of a newer aexp, is refused with the reason."""
    facts = CheckpointFacts("0" * 16, "running", 0, 0, "now")
    index = Checkpoint(facts, run_number(0)).index()
    newer = {**index.annotations, "dev.aexp.session.version": "2"}
    with pytest.raises(NewerSchemaError):
        open_checkpoint(Index(index.manifests, index.artifact_type, annotations=newer))
    for bad in (
        Index(index.manifests, index.artifact_type),
        Index(index.manifests, "other", annotations=index.annotations),
        Index((), index.artifact_type, annotations=index.annotations),
        "text",
    ):
        with pytest.raises(CorruptDataError):
            open_checkpoint(bad)


def write_many(registry: Registry, count: int) -> tuple[int, int]:
    """Write the checkpoints of ``count`` tiny runs; return their bytes in all, and the last's."""
    facts = SessionFacts("0" * 16, "n", None, "2026-01-01", "laptop")
    own = Descriptor.of(MANIFEST, facts.manifest().encode())
    written: dict[str, int] = {}
    segments: tuple[Any, ...] = ()
    digest = ""
    for number in range(count):
        before, segments = segments, append_run(segments, run_number(number))
        said = CheckpointFacts("0" * 16, "running", number + 1, number + 1, f"{number:030}")
        digest = put_checkpoint(
            registry,
            Checkpoint(said, own, segments),
            facts,
            written=before,
            with_session=number == 0,
        )
        written[digest] = registry.size(digest) or 0
    total = sum(state.st_size for _, state in registry.blobs())
    index = registry.manifest(digest)
    assert list(run_manifests(registry, open_checkpoint(index)[2])) == [
        run_number(n) for n in range(count)
    ]
    return total, written[digest]


def test_bytes_of_200_and_1000_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SES-02, trap 40: n checkpoints take O(n log n) bytes: not the square of the runs."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # 1,200 checkpoints: only bytes count here
    small, last_small = write_many(Registry(tmp_path / "200"), 200)
    large, last_large = write_many(Registry(tmp_path / "1000"), 1000)
    assert small < 200 * 2_200, "the reference wrote 2 MB for 200 runs"
    assert large < 1000 * 2_800
    assert large / small < 5 * math.log2(1000) / math.log2(200)
    assert max(last_small, last_large) < 4_000


def test_bytes_of_real_runs(repo: Machine) -> None:
    """SES-02: forty real runs: what the session adds to the bytes of the runs themselves."""
    experiment = Experiment("n")
    with experiment.run():
        pass
    size = sum(state.st_size for _, state in registry_of(repo).blobs())
    for number in range(40):
        with experiment.run() as run:
            run.log_parameter("n", number)
    after = sum(state.st_size for _, state in registry_of(repo).blobs())
    assert (after - size) / 40 < 4_000


def test_a_checkpoint_without_news_is_not_written(repo: Machine) -> None:
    """SES-02: forcing a checkpoint twice writes one."""
    experiment = Experiment("n")
    experiment.log_json("a", 1)
    assert experiment.checkpoint() == experiment.session_id
    before = registry_of(repo).refs()
    assert experiment.checkpoint() == experiment.session_id
    assert registry_of(repo).refs() == before


def refuse_refs(monkeypatch: pytest.MonkeyPatch, *, kind: str) -> list[int]:
    """Let the registry refuse to set refs of a kind; what is returned counts the refusals."""
    real, refused = Registry.publish, [0]

    def publish(self: Registry, *changes: Any) -> None:
        if any(getattr(change, "kind", "") == kind for change in changes):
            refused[0] += 1
            raise StorageError("the disk is full")
        real(self, *changes)

    monkeypatch.setattr(Registry, "publish", publish)
    return refused


def test_a_failed_checkpoint_is_visible(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SES-02, trap 39: a warning and `last_checkpoint_error`; the run is recorded all the same."""
    experiment = Experiment("n")
    with monkeypatch.context() as patch:
        refuse_refs(patch, kind="checkpoint")
        run = experiment.run(x=1)
        with pytest.warns(CheckpointWarning, match="the disk is full") as told:
            run.finish()
        assert told[0].filename == __file__
        assert isinstance(experiment.last_checkpoint_error, StorageError)
        with pytest.raises(StorageError):
            experiment.checkpoint()
    assert entry(repo, run.job_id)["status"] == "complete" == run.status
    assert saved(repo) == [] and [r.parameters for r in experiment.runs] == [{"x": 1}]
    with experiment.run(x=2):
        pass
    assert experiment.last_checkpoint_error is None
    (checkpoint,) = saved(repo)
    assert checkpoint.facts is not None and checkpoint.facts.runs == 2


def test_a_failed_checkpoint_at_the_end_of_the_block(
    repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SES-01, trap 39: the user's own error goes on, and the warning says what is missing."""
    refuse_refs(monkeypatch, kind="checkpoint")
    with pytest.warns(CheckpointWarning), pytest.raises(ValueError, match="mine"), Experiment("n"):
        raise ValueError("mine")


def test_a_registry_that_takes_nothing(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SES-02: runs that could not be sealed are sealed with the next checkpoint or the commit."""
    experiment = Experiment("n")
    with monkeypatch.context() as patch:
        refuse_refs(patch, kind="run")
        run = experiment.run(x=1)
        run.log_metric("loss", 0.5)
        run.log_attachment("a", "text/plain", b"kept")
        with pytest.warns(CheckpointWarning):
            run.finish()
        assert [r.status for r in experiment.runs] == ["complete"]
        assert experiment.runs[0].parameters == {"x": 1}
        assert experiment.runs[0].get_attachment("a") == "kept"
        with pytest.raises(StorageError):
            experiment.commit()
        assert experiment.status == "running"
        with pytest.warns(CheckpointWarning), experiment.run(x=2):
            pass
    assert entry(repo, run.job_id)["status"] == "complete"
    experiment.commit()
    first, second = Experiment.load("n").runs
    assert [p.number for p in first.metrics("loss")] == [0.5]
    assert (first.get_attachment("a"), second.parameters) == ("kept", {"x": 2})
    names = {a["name"] for a in entry(repo, run.job_id)["attachments"]}
    assert {"a", "metrics.jsonl"} <= names, "the ledger follows"


def test_runs_that_recover_has_sealed_meanwhile(
    repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SES-02: what another process sealed in the meantime belongs to the session as well."""
    experiment = Experiment("n")
    with monkeypatch.context() as patch:
        refuse_refs(patch, kind="run")
        with pytest.warns(CheckpointWarning), experiment.run(reuse=True, x=1) as run:
            run.log_metric("loss", 0.5)
    repo.aexp_fast("recover", "--apply")
    experiment.checkpoint()
    experiment.close()
    (again,) = Experiment.restore_from_checkpoint("n").runs
    assert (again.run_id, again.job_id) == (0, run.job_id)
    assert [p.number for p in again.metrics("loss")] == [0.5]


@pytest.mark.parametrize("times", [1, None], ids=["once", "from then on"])
@pytest.mark.parametrize("call", ["fsync", "write", "replace", "link", "open"])
def test_a_full_disk_at_each_step(
    repo: Machine, failing_storage: Failing, call: str, times: int | None
) -> None:
    """SES-02: the disk refuses a step of closing, saving, committing: nothing closed is lost."""
    warnings.simplefilter("ignore")
    for nth in range(1, 100, 2):
        experiment = Experiment(f"{call}-{nth}")
        with experiment.run(x=1):
            pass
        with (
            failing_storage(call, nth=nth, times=times, error=errno.ENOSPC) as disk,
            suppress(StorageError),
        ):
            with experiment.run(x=2) as run:
                run.log_metric("loss", 0.5)
                run.log_json("a", 1)
            experiment.commit()
        # The disk has room again: everything that is open can be ended, and nothing is missing.
        for run in experiment.open_runs:
            run.finish()
        artifact = experiment.artifact or experiment.commit()
        first, *others = Experiment.load(artifact.digest).runs
        assert first.parameters == {"x": 1}
        assert all(run.parameters == {"x": 2} for run in others)
        if not disk.failed:
            break
    assert nth > 1 and len(others) == 1
    repo.aexp_fast("ledger", "backfill", "--no-commit")
    repo.aexp_fast("registry", "verify")
    repo.aexp_fast("ledger", "verify")


def test_a_checkpoint_with_a_missing_part(repo: Machine) -> None:
    """SES-03: it is named, listed as damaged, and can be discarded; nothing is made up."""
    experiment = Experiment("n")
    experiment.log_json("a", 1)
    with experiment.run():
        pass
    experiment.close()
    (ref,) = registry_of(repo).refs(kind="checkpoint")
    index = registry_of(repo).manifest(ref.digest)
    assert isinstance(index, Index)
    registry_of(repo).path(index.manifests[0].digest).unlink()
    with pytest.raises(NotFoundError):
        Experiment.restore_from_checkpoint("n")
    assert "damaged" in repo.aexp_fast("session", "list", "--checkpoints").stdout
    repo.aexp_fast("session", "discard", experiment.session_id, "--delete")
    assert saved(repo) == []
