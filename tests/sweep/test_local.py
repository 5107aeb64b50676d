"""Local processes: one for each point, and what becomes of those that misbehave (SWP-13)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aexp.errors import SweepConfigError
from aexp.repo import open_layout
from aexp.sweep.backends.base import open_pool
from aexp.sweep.backends.local import LocalProcessPool, processors
from tests.support.machines import Machine
from tests.support.slurm import wait_until
from tests.sweep.pools import (
    all_gone,
    begun,
    has_begun,
    is_alive,
    outcomes,
    plan,
    submit_all,
    task_of,
    told,
)


def test_a_killed_worker_costs_its_own_point_only(installed_repo: Machine) -> None:
    """Trap 62: its neighbours are well; what it had started is ended with it."""
    sweep = plan(installed_repo, "ok", "die", "fail", "ok")
    with LocalProcessPool(workers=2) as pool:
        ended = outcomes(submit_all(pool, sweep))
    assert list(map(told, ended)) == [("ok", ""), ("failed", "Signal"), ("failed", "Exit"),
                                      ("ok", "")]  # fmt: skip
    assert ended[1].error is not None and ended[1].error.message == "killed by SIGKILL"
    assert "it does not converge" in ended[2].stderr
    assert ended[1].log_path == "logs/1.1.log"
    wait_until(lambda: all_gone(sweep, 1), "what the killed worker had started to end")


def test_each_point_has_its_log(installed_repo: Machine) -> None:
    """SWP-13: what a point writes is in its own log, and in its run."""
    sweep = plan(installed_repo, "ok", "ok")
    with LocalProcessPool(workers=2) as pool:
        ended = outcomes(submit_all(pool, sweep))
    for n, outcome in enumerate(ended):
        assert (sweep.folder / outcome.log_path).read_text() == f"done {n}\n"


def test_leaving_the_pool_ends_what_runs(installed_repo: Machine) -> None:
    """Trap 66: no worker outlives the pool, and a stopped point is not called failed."""
    sweep = plan(installed_repo, "hang", "ok", "ok")
    with LocalProcessPool(workers=1) as pool:
        futures = submit_all(pool, sweep)
        wait_until(has_begun(sweep, 0), "the point to begin")
    assert told(futures[0].result(0))[0] == "stopped"
    assert all(future.cancelled() for future in futures[1:])
    assert all_gone(sweep, 0) and begun(sweep, 1) == []


def test_a_point_that_takes_too_long_failed(installed_repo: Machine) -> None:
    """SWP-13: the timeout ends the worker and its command, and says so."""
    sweep = plan(installed_repo, "hang")
    with LocalProcessPool(workers=1) as pool:
        (ended,) = outcomes(submit_all(pool, sweep, timeout_s=1.5))
    assert told(ended) == ("failed", "Timeout")
    assert all_gone(sweep, 0)


@pytest.mark.slow
def test_a_deaf_command_is_killed_in_the_end(installed_repo: Machine) -> None:
    """Trap 66: one that does not listen to SIGTERM gets ten seconds."""
    sweep = plan(installed_repo, "deaf")
    with LocalProcessPool(workers=1) as pool:
        (ended,) = outcomes(submit_all(pool, sweep, timeout_s=1.5))
    assert told(ended) == ("failed", "Timeout")
    wait_until(lambda: not any(is_alive(pid) for pid, _ in begun(sweep, 0)), "its end")


def test_settings(installed_repo: Machine) -> None:
    """SWP-16: a spec's backend opens it; what it does not know is refused by name."""
    layout = open_layout(installed_repo)
    assert open_pool(None, layout).workers == processors()
    pool = open_pool({"kind": "local", "workers": 3, "timeout": "2h"}, layout)
    assert (pool.name, pool.workers) == ("local", 3)
    with pytest.raises(SweepConfigError, match="no setting 'partition'"):
        open_pool({"kind": "local", "partition": "gpu"}, layout)
    with pytest.raises(SweepConfigError, match="no backend 'ray'"):
        open_pool({"kind": "ray"}, layout)
    with pytest.raises(SweepConfigError, match="at least one worker"):
        LocalProcessPool(workers=0)


def test_a_pool_must_be_entered(installed_repo: Machine) -> None:
    """SWP-13: one that is not says so, and it can be entered again."""
    sweep = plan(installed_repo, "ok")
    pool = LocalProcessPool(workers=1)
    with pytest.raises(SweepConfigError, match="not open"):
        pool.submit(task_of(sweep, 0))
    for _ in range(2):
        with pool:
            assert told(pool.submit(task_of(sweep, 0)).result(60)) == ("ok", "")
    assert len(begun(sweep, 0)) == 1, "the second time its run was complete"


def test_a_worker_whose_driver_died_while_it_was_starting_ends_at_once(tmp_path: Path) -> None:
    """Trap 66: its parent is another process already when it begins to look."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "logs").mkdir()
    command = [sys.executable, "-m", "aexp.sweep.worker", f"--parent={gone.pid}"]
    done = subprocess.run([*command, str(tmp_path), "0", "1"], timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM
