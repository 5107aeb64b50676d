"""What a clone knows of a sweep that ran elsewhere (SWP-11), from plan and ledger alone."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import (
    AmbiguousIdError,
    CorruptDataError,
    MissingExperimentWarning,
    NotFoundError,
    UsageError,
)
from aexp.ledger import sweeps
from aexp.ledger.sweeps import plan_path, read_plan
from aexp.model.distributions import distribution
from aexp.model.sweep import Sampled
from aexp.registry import open_registry
from aexp.repo import Layout, open_layout
from aexp.runs import create_run
from aexp.runs.lifecycle import lifecycle
from aexp.runs.retract import retract
from aexp.runs.transition import change_status
from aexp.sweep.frames import SweepTable, to_dataframe
from aexp.sweep.known import find_sweep, known_ids
from aexp.sweep.manifest import Manifest
from aexp.sweep.sharing import in_shard, parse_shard, rebuild, restore_points
from aexp.workspace.store import RunStore
from tests.support.machines import Machine, TwoMachines
from tests.sweep.planned import SWEEP, ended, make_sweep
from tests.sweep.test_frames import same

ROWS: list[dict[str, Any]] = [{"lr": 0.1 * n, "n": n} for n in range(4)]


def run_point(machine: Machine, values: dict[str, Any], *, fails: bool = False) -> str:
    """Run one point as a worker would: the run of its values, with a metric."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingExperimentWarning)
        job = create_run("E001", values, repo_root=machine.path)
    store = RunStore(open_layout(machine.path))
    try:
        with lifecycle(store, str(job.id), sweep={"sweep_id": SWEEP}):
            aexp.current_run().log_metric("loss", values["lr"] / 3)
            if fails:
                raise ValueError("diverged")
    except ValueError:
        pass
    return str(job.id)


def share(two_machines: TwoMachines) -> None:
    two_machines.cluster.aexp_fast("sync")
    two_machines.laptop.aexp_fast("sync")


def layout_of(machine: Machine) -> Layout:
    return open_layout(machine.path)


def test_points_finished_elsewhere_are_finished_here(two_machines: TwoMachines) -> None:
    """SWP-11: ended runs are matched by point id, a commit in between notwithstanding."""
    make_sweep(layout_of(two_machines.cluster), ROWS)
    first = run_point(two_machines.cluster, ROWS[0])
    two_machines.cluster.write("train.py", "print('other code')\n")
    two_machines.cluster.commit_all()
    second = run_point(two_machines.cluster, ROWS[2])
    run_point(two_machines.cluster, ROWS[3], fails=True)
    run_point(two_machines.cluster, {"lr": 9.0, "n": 9})
    share(two_machines)
    known = find_sweep(layout_of(two_machines.laptop), SWEEP[:4])
    assert known.folder is None and known.header.run_count == 4
    found = [(e.run_id, e.status, e.attempt) for e in known.entries]
    assert found == [(0, "ok", 0), (2, "ok", 0), (3, "failed", 0)]
    assert [e.job_id for e in known.entries][:2] == [first, second]
    assert known.entries[1].overrides == ROWS[2] and known.entries[0].started_at
    assert known_ids(layout_of(two_machines.laptop)) == [SWEEP]
    assert not (two_machines.laptop / ".aexp/sweeps").exists()


def test_its_table_is_the_same_on_both(two_machines: TwoMachines) -> None:
    """SWP-11, SWP-12: metrics come with the ledger, to the last bit."""
    sweep = make_sweep(layout_of(two_machines.cluster), ROWS)
    for run_id, values in enumerate(ROWS):
        ended(sweep, run_id, job_id=run_point(two_machines.cluster, values))
    here = to_dataframe(sweep)
    assert list(here.columns) == ["lr", "n", "loss", "__status"]
    assert here["loss"].tolist() == [values["lr"] / 3 for values in ROWS]
    assert here.index.name == "run_id" and here["n"].dtype == "int64"
    share(two_machines)
    assert same(SweepTable(find_sweep(layout_of(two_machines.laptop), SWEEP)).frame(), here)


def test_a_complete_run_counts_before_a_failed_one(installed_repo: Machine) -> None:
    """SWP-11: what failed with one code and ended well with another is finished."""
    layout = layout_of(installed_repo)
    make_sweep(layout, ROWS[:1])
    run_point(installed_repo, ROWS[0], fails=True)
    installed_repo.write("train.py", "print('mended')\n")
    installed_repo.commit_all()
    good = run_point(installed_repo, ROWS[0])
    (entry,) = find_sweep(layout, SWEEP).entries
    assert (entry.status, entry.job_id) == ("ok", good)


def test_a_point_that_failed_here_and_ended_well_there(two_machines: TwoMachines) -> None:
    """SWP-11: the folder's failed line gives way to the ledger's complete run."""
    sweep = make_sweep(layout_of(two_machines.laptop), ROWS[:2])
    ended(sweep, 0, "failed", job_id="0" * 32)
    ended(sweep, 1, "skipped")
    good = run_point(two_machines.cluster, ROWS[0])
    share(two_machines)
    known = find_sweep(layout_of(two_machines.laptop), SWEEP)
    assert [(e.run_id, e.status) for e in known.entries] == [(0, "ok"), (1, "skipped")]
    assert known.entries[0].job_id == good and known.folder == sweep.folder


def test_a_retracted_run_finishes_nothing(installed_repo: Machine) -> None:
    """LED-12: a result that was taken back counts for no sweep."""
    layout = layout_of(installed_repo)
    sweep = make_sweep(layout, ROWS[:2])
    job_id = run_point(installed_repo, ROWS[0])
    retract(layout, job_id, "wrong data")
    assert find_sweep(layout, SWEEP).entries == []
    ended(sweep, 0, job_id=job_id)
    with pytest.warns(UserWarning, match="cannot be used"):
        frame = to_dataframe(sweep)
    assert frame["__status"].tolist() == ["missing"]


def test_what_was_skipped_there_is_left_alone_here(installed_repo: Machine) -> None:
    """SWP-08, SWP-11: a point that was not worth running is not run elsewhere either."""
    layout = layout_of(installed_repo)
    make_sweep(layout, ROWS[:2])
    store = RunStore(layout)
    for values, error in ((ROWS[0], {"type": "SkipPoint", "message": "known"}), (ROWS[1], None)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissingExperimentWarning)
            job = create_run("E001", values, repo_root=layout.root)
        with lifecycle(store, str(job.id), sweep={"sweep_id": SWEEP}) as attempt:
            change_status(
                store, str(job.id), "abandoned", ended_by="operator", error=error,
                attempt_id=attempt.attempt_id,
            )  # fmt: skip
    (entry,) = find_sweep(layout, SWEEP).entries
    assert (entry.run_id, entry.status) == (0, "skipped")


def test_a_folder_is_made_of_the_plan_alone(two_machines: TwoMachines) -> None:
    """SWP-11: points to the byte, a manifest with the same header; made twice is no harm."""
    sweep = make_sweep(layout_of(two_machines.cluster), ROWS, command="python train.py {lr}")
    ended(sweep, 0)
    share(two_machines)
    layout = layout_of(two_machines.laptop)
    folder = rebuild(layout, read_plan(layout, SWEEP))
    assert rebuild(layout, read_plan(layout, SWEEP)) == folder
    assert (folder / "points.jsonl").read_bytes() == (sweep.folder / "points.jsonl").read_bytes()
    manifest = Manifest.load(folder)
    assert manifest.header == sweep.manifest.header and manifest.entries == []
    assert two_machines.laptop.status() == ""


def test_a_command_that_is_not_shared_cannot_be_run_elsewhere(installed_repo: Machine) -> None:
    """SWP-11, trap 17: a redacted command is refused, and nothing is made."""
    layout = layout_of(installed_repo)
    sweep = make_sweep(layout, ROWS, command="python /home/someone/train.py {lr}")
    shutil.rmtree(sweep.folder)
    with pytest.raises(CorruptDataError, match="/header/spec/command"):
        rebuild(layout, read_plan(layout, SWEEP))
    assert not sweep.folder.exists()


def test_points_are_restored_to_the_byte(installed_repo: Machine, tmp_path: Path) -> None:
    """SWP-04, SWP-11: another clone's points.jsonl is the one that was drawn."""
    layout = layout_of(installed_repo)
    rows = [{"lr": 1 / (n + 3), "opt": {"a": [n, None, True]}, "s": "0.10"} for n in range(20)]
    sweep = make_sweep(layout, rows, fixed={"data": "digits"}, repeat=2)
    restore_points(layout, read_plan(layout, SWEEP), tmp_path / "points.jsonl")
    assert (tmp_path / "points.jsonl").read_bytes() == (sweep.folder / "points.jsonl").read_bytes()


def large(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plan a sweep of drawn points that are too many for its record."""
    monkeypatch.setattr(sweeps, "MOST_INLINE", 3)
    drawn = Sampled("monte_carlo", 5, {"lr": distribution("uniform", [0.0, 1.0])})
    return make_sweep(layout, [], parameters=drawn)


def test_many_points_are_derived_again(
    installed_repo: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-11: where the same values come out, nothing has to be fetched."""
    layout = layout_of(installed_repo)
    sweep = large(layout, monkeypatch)
    monkeypatch.setattr("aexp.registry.open_registry", None)
    restore_points(layout, read_plan(layout, SWEEP), tmp_path / "points.jsonl")
    assert (tmp_path / "points.jsonl").read_bytes() == (sweep.folder / "points.jsonl").read_bytes()


def test_many_points_come_from_the_registry_when_a_library_draws_others(
    installed_repo: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-04, trap 68: derivation is only a check; the bytes that were drawn count."""
    layout = layout_of(installed_repo)
    sweep = large(layout, monkeypatch)
    drawn = (sweep.folder / "points.jsonl").read_bytes()
    monkeypatch.setattr("aexp.sweep.samplers._bits", lambda seed, name: _other_bits(seed))
    restore_points(layout, read_plan(layout, SWEEP), tmp_path / "points.jsonl")
    assert (tmp_path / "points.jsonl").read_bytes() == drawn
    registry = open_registry(layout)
    plan = read_plan(layout, SWEEP)
    assert plan.artifact is not None
    (layer,) = (c for c in registry.manifest(plan.artifact).children() if c.annotations)
    next(registry.root.rglob(layer.digest[7:])).unlink()
    with pytest.raises(NotFoundError) as caught:
        restore_points(layout, plan, tmp_path / "again.jsonl")
    assert f"aexp pull sweep-{SWEEP}" in str(caught.value.hint)


def _other_bits(seed: int) -> Any:
    import numpy

    return numpy.random.PCG64(seed + 1)


def test_a_plan_with_paths_of_one_machine(installed_repo: Machine, tmp_path: Path) -> None:
    """SWP-11: points that are not shared whole are refused, with the machine that has them."""
    layout = layout_of(installed_repo)
    make_sweep(layout, [{"data": "/home/someone/data.csv"}])
    with pytest.raises(CorruptDataError, match="laptop") as caught:
        restore_points(layout, read_plan(layout, SWEEP), tmp_path / "points.jsonl")
    assert "relative" in str(caught.value.hint)


def test_a_sweep_is_found_by_id_and_by_place(installed_repo: Machine, tmp_path: Path) -> None:
    """SWP-01, trap 63: by the beginning of its id, its folder, its manifest, also when moved."""
    layout = layout_of(installed_repo)
    sweep = make_sweep(layout, ROWS)
    other = make_sweep(layout, ROWS, sweep_id="0199999999999999", folder=tmp_path / "elsewhere")
    assert find_sweep(layout, "0123").folder == sweep.folder
    for text in (str(other.folder), str(other.folder / "manifest.jsonl")):
        assert find_sweep(layout, text).sweep_id == "0199999999999999"
    moved = tmp_path / "moved"
    other.folder.rename(moved)
    assert find_sweep(layout, str(moved)).folder == moved
    with pytest.raises(AmbiguousIdError):
        find_sweep(layout, "01")
    with pytest.raises(NotFoundError, match="no sweep ff"):
        find_sweep(layout, "ff")


def test_a_damaged_plan_does_not_hide_a_folder(installed_repo: Machine) -> None:
    """Trap 3: what is here is shown, whatever became of the record."""
    layout = layout_of(installed_repo)
    make_sweep(layout, ROWS)
    plan_path(layout, SWEEP).write_text("{}")
    assert find_sweep(layout, SWEEP).plan is None
    assert find_sweep(layout, SWEEP).header.run_count == 4


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_everything_once(count: int) -> None:
    """SWP-11: every point is in exactly one of the shares."""
    for run_id in range(50):
        assert sum(in_shard(run_id, (n, count)) for n in range(1, count + 1)) == 1
    assert in_shard(3, None)


def test_how_a_share_is_written() -> None:
    """SWP-11: 1/2 and 2/2; anything else is refused."""
    assert parse_shard("1/2") == (1, 2) and parse_shard(" 10/10 ") == (10, 10)
    for text in ("0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", ""):
        with pytest.raises(UsageError, match="no share"):
            parse_shard(text)
