"""kill -9 at each durable step of a sweep's driver, and of a worker (SWP-10).

After each kill the sweep goes on, and its end is that of the sweep that nobody disturbed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from aexp.repo import open_layout
from aexp.sweep import Manifest, Sweep
from aexp.workspace.store import RunStore
from tests.crash.test_recording_killed import copies, strays
from tests.support.killed import KillPoint, kill_points, run_killed_at
from tests.support.machines import Machine, copy_repo
from tests.support.slurm import Slurm
from tests.sweep import held

some_steps = pytest.mark.parametrize(
    "every",
    [pytest.param(1, marks=pytest.mark.slow, id="each step"), pytest.param(19, id="some")],
)
"""The usual tests visit a part of the points, the long ones all."""

BEGIN = "import tests.sweep.held as held\nfrom aexp.sweep import Sweep\n"
DRIVING = f"{BEGIN}Sweep(held.spec(workers=1), out='sweep', seed=held.SEED).run()\n"
WORKING = """\
import os, sys
from aexp.sweep.worker import main
code = main([os.path.abspath("sweep"), "2", "1", os.getcwd()])
sys.exit(code)
"""


@pytest.fixture
def work(installed_repo: Machine) -> Machine:
    """A repository with the work of the points in it."""
    held.make(installed_repo)
    (installed_repo / "hold").write_text("")
    return installed_repo


@pytest.fixture(scope="module")
def expected(
    _installed_template: Path, sealed_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """The table of the undisturbed sweep."""
    repo = copy_repo(_installed_template, tmp_path_factory.mktemp("undisturbed") / "repo")
    return held.table(held.new_sweep(held.make(repo)).run())


def killed_at_steps(
    code: str, make: Callable[[int], Path], every: int
) -> Iterator[tuple[KillPoint, Path]]:
    """Kill a program at its points in turn, each time in a fresh place; 1 visits every point."""
    points = kill_points(["-c", code], cwd=make(0))
    wanted = [point for point in points if point.phase in ("before", "torn")]
    assert len(wanted) > 20
    for point in wanted[every // 2 :: every]:
        place = make(point.number + 1)
        killed = run_killed_at(point.number, ["-c", code], cwd=place)
        assert killed is not None, f"the program is not the same each time: no {point}"
        yield killed, place


def finish(repo: Machine) -> Sweep:
    """Go on with the sweep, or begin it where its plan was not made yet."""
    held.all_workers_gone(repo)
    if (repo / "sweep/manifest.jsonl").exists():
        return held.resumed(repo)
    return held.new_sweep(repo, workers=1).run()


def runs_cut_off(repo: Machine) -> set[str]:
    """Return the runs whose work was done, but that were not complete when they were killed."""
    held.all_workers_gone(repo)
    done = {run for n in range(held.COUNT) for run in held.done(repo, n)}
    status = {record.job_id: record.status for record in RunStore(open_layout(repo.path)).records()}
    return {run for run in done if status[run] != "complete"}


def check_sound(repo: Machine, sweep: Sweep, point: KillPoint) -> None:
    """Check that nothing was left of the kill that is not healed."""
    repo.aexp_fast("recover", "--apply")
    repo.aexp_fast("ledger", "backfill", "--no-commit")
    repo.aexp_fast("ledger", "verify")
    assert strays(repo.path) == [], point
    store = RunStore(open_layout(repo.path))
    assert [record.status for record in store.records()] == ["complete"] * held.COUNT, point
    assert not (sweep.folder / "sweep.lock").exists(), point


@some_steps
def test_the_driver_at_each_step(
    work: Machine, tmp_path: Path, expected: pd.DataFrame, every: int
) -> None:
    """SWP-10, SWP-06, SWP-07: planning, and each line of the manifest; nothing runs twice.

    But for a point whose worker went with the driver between the end of the work and that of its
    run, as in :func:`test_a_worker_at_each_step`: on a busy machine one may be just there.
    """
    steps = []
    for point, place in killed_at_steps(DRIVING, copies(work, tmp_path), every):
        repo = Machine(place, "laptop")
        planned = (place / "sweep/manifest.jsonl").exists()
        before = Manifest.load(place / "sweep").entries if planned else []
        cut_off = runs_cut_off(repo)
        sweep = finish(repo)
        held.assert_as_undisturbed(sweep, expected)
        kept = Manifest.load(sweep.folder).entries
        assert kept[: len(before)] == before, f"{point}: what was recorded stays"
        for n in range(held.COUNT):
            runs = held.done(repo, n)
            assert len(runs) == (2 if runs[0] in cut_off else 1), f"{point}: point {n}"
        assert len(cut_off) <= 1, f"{point}: one worker at a time"
        check_sound(repo, sweep, point)
        steps.append((planned, len(before)))
        shutil.rmtree(place)
    assert steps == sorted(steps)
    if every == 1:
        assert {planned for planned, _ in steps} == {False, True}
        assert {count for _, count in steps} >= set(range(held.COUNT))


@some_steps
def test_a_worker_at_each_step(
    work: Machine, tmp_path: Path, expected: pd.DataFrame, every: int
) -> None:
    """SWP-10, SWP-13: until its run is complete the point runs once more, and then never again."""
    held.new_sweep(work).plan()
    counts = []
    for point, place in killed_at_steps(WORKING, copies(work, tmp_path), every):
        repo = Machine(place, "laptop")
        sweep = finish(repo)
        held.assert_as_undisturbed(sweep, expected)
        counts.append(len(held.done(repo, 2)))
        others = [len(held.done(repo, n)) for n in range(held.COUNT) if n != 2]
        assert others == [1] * (held.COUNT - 1), point
        check_sound(repo, sweep, point)
        shutil.rmtree(place)
    # It was not done yet; it was done, but its run was not closed; its run was complete.
    assert re.fullmatch("1+2+1+" if every == 1 else "1*2*1*", "".join(map(str, counts)))


@pytest.mark.service
def test_the_driver_of_a_slurm_sweep_at_a_step(
    slurm: Slurm, work: Machine, tmp_path: Path, expected: pd.DataFrame
) -> None:
    """SWP-10: killed at the first line of its manifest, while jobs wait and run in Slurm."""
    backend = "{'kind': 'slurm', 'workers': 8, 'time': '5m', 'poll': 0.2}"
    spec = f"{{**held.spec(), 'backend': {backend}}}"
    code = f"{BEGIN}Sweep({spec}, out='sweep', seed=held.SEED).run()\n"
    points = kill_points(["-c", code], cwd=copies(work, tmp_path)(0))
    appended = [p for p in points if str(p).endswith("before fsync sweep/manifest.jsonl")]
    assert len(appended) == held.COUNT
    place = copies(work, tmp_path)(1)
    killed = run_killed_at(appended[0].number, ["-c", code], cwd=place)
    assert killed is not None
    repo = Machine(place, "laptop")
    sweep = held.resumed(repo)
    held.assert_as_undisturbed(sweep, expected)
    assert [len(held.begun(repo, n)) for n in range(held.COUNT)] == [1] * held.COUNT
