"""What a resume runs, and what it believes (SWP-08, SWP-11)."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from aexp.errors import MissingOutputWarning
from aexp.registry import open_registry
from aexp.sweep import Manifest, Sweep
from aexp.sweep.outcome import Outcome, publish
from tests.support.machines import Machine
from tests.sweep import held


@pytest.fixture
def work(installed_repo: Machine) -> Machine:
    """A repository with the work of the points in it."""
    return held.make(installed_repo)


def counts(repo: Machine) -> list[int]:
    """Return how often each point began."""
    return [len(held.begun(repo, n)) for n in range(held.COUNT)]


def test_failed_and_missing_are_run_and_no_other(work: Machine) -> None:
    """SWP-08: exactly their union; a resume of a finished sweep runs nothing."""
    held.hold(work, 1, 3, name="break")
    sweep = held.new_sweep(work).run()
    path = sweep.folder / "manifest.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"run_id":4,' not in line))
    (sweep.folder / "outcomes/4.1.json").unlink()
    held.hold(work, name="break")
    held.resumed(work)
    # Point 4 had ended: its run says so, and it is not run again.
    assert counts(work) == [1, 2, 1, 2, 1]
    assert [e.status for e in Manifest.load(path).entries] == ["ok"] * held.COUNT
    before = path.read_bytes()
    held.resumed(work)
    assert path.read_bytes() == before and counts(work) == [1, 2, 1, 2, 1]


def test_outcomes_on_disk_come_first(work: Machine) -> None:
    """SWP-13: what a worker said, and no driver lived to hear, is recorded and not run."""
    sweep = held.new_sweep(work).plan()
    publish(sweep.folder, Outcome(run_id=2, attempt=1, status="ok", job_id="a" * 32))
    publish(sweep.folder, Outcome(run_id=3, attempt=1, status="stopped"))
    publish(sweep.folder, Outcome(run_id=3, attempt=2, status="skipped"))
    (sweep.folder / "outcomes/4.1.json").write_text("{torn")
    held.resumed(work)
    assert counts(work) == [1, 1, 0, 0, 1]
    loaded = Manifest.load(sweep.folder)
    attempts = {e.run_id: (e.status, e.attempt) for e in loaded.entries}
    assert attempts == {0: ("ok", 1), 1: ("ok", 1), 2: ("ok", 1), 3: ("skipped", 2), 4: ("ok", 2)}


@pytest.mark.parametrize("damage", ["gone", "shorter", "changed"])
def test_a_damaged_output_is_reported(work: Machine, damage: str) -> None:
    """SWP-08, trap 67: an ok point whose output is not what it was is told, not run again."""
    sweep = held.new_sweep(work).run()
    frame = held.table(sweep)
    path = sweep.folder / "out/1/t.csv"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "shorter" else data[::-1])
    with pytest.warns(MissingOutputWarning, match=r"out/1/t\.csv"):
        resumed = held.resumed(work)
    assert [(d.run_id, d.path) for d in resumed.damaged] == [(1, "out/1/t.csv")]
    assert counts(work) == [1] * held.COUNT
    # The registry has it: repairing runs nothing.
    repaired = held.resumed(work, repair=True)
    assert path.read_bytes() == data and repaired.damaged == [] and counts(work)[1] == 1
    held.assert_as_undisturbed(repaired, frame)


def test_a_lost_output_is_made_again(work: Machine) -> None:
    """SWP-08: one that is nowhere is made by another attempt, with --repair only."""
    sweep = held.new_sweep(work).run()
    frame = held.table(sweep)
    path = sweep.folder / "out/1/t.csv"
    entry = sweep.manifest.get(1)
    assert entry is not None
    path.unlink()
    blob = open_registry(sweep.layout).path(f"sha256:{entry.output_paths[0].sha256}")
    blob.chmod(0o644)
    blob.unlink()
    repaired = held.resumed(work, repair=True)
    assert counts(work) == [1, 2, 1, 1, 1] and path.is_file()
    latest = repaired.manifest.get(1)
    assert latest is not None and (latest.attempt, latest.status) == (2, "ok")
    assert latest.job_id == entry.job_id
    held.assert_as_undisturbed(repaired, frame)


def test_a_commit_in_between_runs_nothing_again(work: Machine) -> None:
    """SWP-11: unless `fresh` is said, which runs what other code has run, once."""
    held.hold(work, 2, name="break")
    held.new_sweep(work).run()
    held.hold(work, name="break")
    work.write("unrelated.py", "x = 1\n")
    work.commit_all("Unrelated")
    held.resumed(work)
    assert counts(work) == [1, 1, 2, 1, 1]
    held.resumed(work, fresh=True)
    assert counts(work) == [2, 2, 2, 2, 2]
    held.resumed(work, fresh=True)
    assert counts(work) == [2, 2, 2, 2, 2]


def test_results_of_other_code_are_not_taken_over(work: Machine) -> None:
    """SWP-10: a new sweep of the same points never takes what an older script gave."""
    held.new_sweep(work).run()
    (work / "sweep").rename(work / "old")
    work.write("work.py", held.WORK.replace("lr * 2", "lr * 3"))
    work.commit_all("Another factor")
    sweep = held.new_sweep(work).plan()
    held.resumed(work)
    assert counts(work) == [2] * held.COUNT
    frame = sweep.from_manifest(sweep.folder).to_dataframe(metrics=True)
    assert list(frame["loss"]) == [lr * 3 for lr in frame["lr"]]


def test_two_halves(work: Machine) -> None:
    """SWP-11: two shares take every point once; the folder of one knows what the other did."""
    sweep = held.new_sweep(work).plan()
    held.resumed(work, shard=(1, 2))
    assert counts(work) == [1, 0, 1, 0, 1]
    held.resumed(work, shard=(2, 2))
    assert counts(work) == [1] * held.COUNT
    assert len(Manifest.load(sweep.folder)) == held.COUNT


def test_a_resume_needs_no_file_that_the_points_came_from(
    work: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-04: points are read, never drawn again: their table may be gone."""
    work.write("rows.csv", "n,lr\n0,0.5\n1,0.25\n")
    monkeypatch.chdir(work.path)
    spec = {"callable": "work:point", "parameters": {"explicit": "rows.csv"}}
    Sweep(spec, out="sweep").plan()
    Path("rows.csv").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = Sweep.from_manifest("sweep").resume()
    values = {e.run_id: e.overrides for e in resumed.manifest.entries}
    assert values == {0: {"n": 0, "lr": 0.5}, 1: {"n": 1, "lr": 0.25}}
