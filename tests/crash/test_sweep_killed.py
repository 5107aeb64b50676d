"""Sweeps that are interrupted, killed, broken, moved and fought over (SWP-10).

Each ends as the sweep that nobody disturbed: nothing lost, nothing run twice, the same table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from aexp.errors import SweepBusyError, SweepConfigError
from aexp.sweep import Manifest, Sweep
from aexp.workspace.store import RunStore
from tests.support.machines import Machine, copy_repo
from tests.sweep import held

LAST = held.COUNT - 1


@pytest.fixture
def work(installed_repo: Machine) -> Machine:
    """A repository with the work of the points in it."""
    return held.make(installed_repo)


@pytest.fixture(scope="module")
def expected(
    _installed_template: Path, sealed_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """The table of the undisturbed sweep."""
    repo = copy_repo(_installed_template, tmp_path_factory.mktemp("undisturbed") / "repo")
    return held.table(held.new_sweep(held.make(repo)).run())


def run_half(repo: Machine, number: int) -> None:
    """Start a sweep, and send its driver a signal while points 2 and 3 are at work."""
    held.hold(repo, 2, 3)
    with held.driver(repo, held.RUN) as child:
        held.held_at(repo, 2, 3)
        held.stop(child, number)
    held.all_workers_gone(repo)
    assert sorted(e.run_id for e in Manifest.load(repo / "sweep").entries) == [0, 1]
    held.hold(repo)


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)],
)
def test_the_driver_is_ended_half_way(
    work: Machine, expected: pd.DataFrame, number: signal.Signals
) -> None:
    """SWP-10, SWP-08, trap 66: Ctrl-C, kill -9 and SIGTERM; workers do not outlive the driver."""
    run_half(work, number)
    sweep = held.resumed(work)
    held.assert_as_undisturbed(sweep, expected)
    assert [len(held.done(work, n)) for n in range(held.COUNT)] == [1] * held.COUNT
    assert [len(held.begun(work, n)) for n in range(held.COUNT)] == [1, 1, 2, 2, 1]
    statuses = [r.status for r in RunStore(sweep.layout).records()]
    assert statuses == ["complete"] * held.COUNT


def test_a_worker_is_killed(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-10, trap 62: only its own point is charged; the others go on and are not run again."""
    held.hold(work, 1)
    with held.driver(work, held.RUN) as child:
        held.held_at(work, 1)
        os.kill(held.begun(work, 1)[0], signal.SIGKILL)
        assert child.wait(held.DEADLINE_S) == 0
    manifest = Manifest.load(work / "sweep")
    assert manifest.find_failed() == [1]
    assert manifest.find_missing(range(held.COUNT)) == []
    entry = manifest.get(1)
    assert entry is not None and "killed by SIGKILL" in entry.stderr
    held.hold(work)
    held.assert_as_undisturbed(held.resumed(work), expected)
    assert [len(held.begun(work, n)) for n in range(held.COUNT)] == [1, 2, 1, 1, 1]


def test_an_os_error_in_one_point(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-10: it costs its own point, which says why and is run again."""
    held.hold(work, 2, name="break")
    manifest = held.new_sweep(work).run().manifest
    assert manifest.find_failed() == [2]
    entry = manifest.get(2)
    assert entry is not None and "No space left on device" in entry.stderr
    held.hold(work, name="break")
    held.assert_as_undisturbed(held.resumed(work), expected)
    assert [len(held.begun(work, n)) for n in range(held.COUNT)] == [1, 1, 2, 1, 1]


@pytest.mark.slow
def test_the_resume_is_killed_too(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-10: kill -9 during a resume, and once more."""
    run_half(work, signal.SIGKILL)
    held.hold(work, 3)
    for _ in range(2):
        before = len(held.begun(work, 3))
        with held.driver(work, held.RESUME) as child:
            held.wait_for(lambda b=before: len(held.begun(work, 3)) > b, "point 3")  # type: ignore[misc]
            held.wait_for(lambda: 4 in Manifest.load(work / "sweep"), "point 4")
            held.stop(child, signal.SIGKILL)
        held.all_workers_gone(work)
    held.hold(work)
    held.assert_as_undisturbed(held.resumed(work), expected)
    assert [len(held.done(work, n)) for n in range(held.COUNT)] == [1] * held.COUNT


def test_the_folder_is_moved(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-10, SWP-11, trap 63: its new place is as good, also outside the repository."""
    run_half(work, signal.SIGKILL)
    (work / "sweep").rename(work / "elsewhere")
    absolute = str(work.path).encode()
    for name in ("manifest.jsonl", "points.jsonl"):
        assert absolute not in (work / "elsewhere" / name).read_bytes()
    held.assert_as_undisturbed(held.resumed(work, "elsewhere"), expected)


def test_two_resumes_at_once(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-10, trap 61: the second is refused by a lock that names its owner; nothing changes."""
    run_half(work, signal.SIGKILL)
    held.hold(work, 3)
    with held.driver(work, held.RESUME) as child:
        held.wait_for(lambda: len(held.begun(work, 3)) == 2, "the first resume to be at point 3")
        held.wait_for(lambda: 4 in Manifest.load(work / "sweep"), "point 4")
        before = (work / "sweep/manifest.jsonl").read_bytes()
        with pytest.raises(SweepBusyError, match=f"process {child.pid} on "):
            held.resumed(work)
        assert (work / "sweep/manifest.jsonl").read_bytes() == before
        held.hold(work)
        assert child.wait(held.DEADLINE_S) == 0
    held.assert_as_undisturbed(held.resumed(work), expected)
    assert [len(held.done(work, n)) for n in range(held.COUNT)] == [1] * held.COUNT


def test_an_output_folder_is_reused(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-10, trap 60: a new sweep in its folder is refused, and the old one goes on."""
    run_half(work, signal.SIGKILL)
    before = {p: p.read_bytes() for p in (work / "sweep").rglob("*") if p.is_file()}
    with pytest.raises(SweepConfigError, match="holds a sweep already"):
        held.new_sweep(work).run()
    assert {p: p.read_bytes() for p in (work / "sweep").rglob("*") if p.is_file()} == before
    held.assert_as_undisturbed(held.resumed(work), expected)


def test_a_command_is_ended_with_its_worker(work: Machine) -> None:
    """Trap 66: the process that a worker has started does not outlive its driver either."""
    held.hold(work, 0, 1)
    code = "Sweep(held.spec(command=True), out='sweep', seed=held.SEED).run()"
    with held.driver(work, code) as child:
        held.held_at(work, 0, 1)
        pids = [held.begun(work, n)[0] for n in (0, 1)]
        assert not any(map(held.is_gone, pids))
        held.stop(child, signal.SIGKILL)
    held.wait_for(lambda: all(map(held.is_gone, pids)), "the commands to end")
    held.hold(work)
    sweep = held.resumed(work)
    assert [e.status for e in sweep.manifest.entries] == ["ok"] * held.COUNT


@pytest.mark.slow
def test_a_torn_line_is_repaired(work: Machine, expected: pd.DataFrame) -> None:
    """SWP-07, trap 58: what a kill tore is dropped, cut off, and its point is not run again."""
    run_half(work, signal.SIGKILL)
    path = work / "sweep/manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert len(Manifest.load(path)) == 1
    held.assert_as_undisturbed(held.resumed(work), expected)
    assert [len(held.done(work, n)) for n in range(held.COUNT)] == [1] * held.COUNT


@pytest.mark.slow
def test_a_second_run_of_a_point_waits_for_the_first(work: Machine) -> None:
    """Trap 61: a worker whose driver died, and that is ending still, is not run over."""
    held.hold(work, 2, 3)
    with held.driver(work, held.RUN) as child:
        held.held_at(work, 2, 3)
        held.stop(child, signal.SIGKILL)
    # At once, without waiting for the workers that are being ended.
    held.hold(work)
    sweep = held.resumed(work)
    assert [e.status for e in sweep.manifest.entries] == ["ok"] * held.COUNT
    assert [len(held.done(work, n)) for n in range(held.COUNT)] == [1] * held.COUNT


@pytest.mark.slow
def test_ctrl_c_in_a_terminal(work: Machine) -> None:
    """SWP-10: the interrupt that the whole process group gets is the driver's affair."""
    held.hold(work, 2, 3)
    program = f"import tests.sweep.held as held\nfrom aexp.sweep import Sweep\n{held.RUN}\n"
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=work.path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        held.held_at(work, 2, 3)
        os.killpg(child.pid, signal.SIGINT)
        _, stderr = child.communicate(timeout=held.DEADLINE_S)
    finally:
        child.kill()
    assert child.returncode != 0 and b"KeyboardInterrupt" in stderr
    held.all_workers_gone(work)
    statuses = [r.status for r in RunStore(Sweep.from_manifest(work / "sweep").layout).records()]
    assert sorted(statuses) == ["complete", "complete", "stopped", "stopped"]
