"""LocalJoblibPool: joblib schedules, each point is a process of its own (SWP-13)."""

from __future__ import annotations

import sys

import pytest

from aexp.errors import MissingExtraError, SweepConfigError
from aexp.repo import open_layout
from aexp.sweep.backends.base import open_pool
from aexp.sweep.backends.joblib import LocalJoblibPool
from tests.support.machines import Machine
from tests.support.slurm import wait_until
from tests.sweep.pools import all_gone, has_begun, outcomes, plan, submit_all, task_of, told


def test_a_killed_worker_costs_its_own_point_only(installed_repo: Machine) -> None:
    """Trap 62: beside a point whose worker is killed, and one that fails, the others are well."""
    sweep = plan(installed_repo, "ok", "die", "ok", "fail", "ok", "ok")
    with LocalJoblibPool(workers=2) as pool:
        ended = outcomes(submit_all(pool, sweep))
    assert [outcome.run_id for outcome in ended] == list(range(6))
    assert [told(outcome) for outcome in ended] == [
        ("ok", ""),
        ("failed", "Signal"),
        ("ok", ""),
        ("failed", "Exit"),
        ("ok", ""),
        ("ok", ""),
    ]
    killed, failed = ended[1], ended[3]
    assert killed.error is not None and killed.error.message == "killed by SIGKILL"
    assert "it does not converge" in failed.stderr
    wait_until(lambda: all_gone(sweep, 1), "what the killed worker had started to end")


def test_leaving_the_pool_ends_what_runs(installed_repo: Machine) -> None:
    """Trap 66: no worker outlives the pool, and a point that was stopped is not called failed."""
    sweep = plan(installed_repo, "hang", "hang", "ok")
    with LocalJoblibPool(workers=2) as pool:
        futures = submit_all(pool, sweep)
        for run_id in (0, 1):
            wait_until(has_begun(sweep, run_id), "the points to begin")
    assert [told(future.result(0))[0] for future in futures[:2]] == ["stopped", "stopped"]
    assert futures[2].cancelled()
    assert all_gone(sweep, 0) and all_gone(sweep, 1)


def test_a_pool_is_entered_again(installed_repo: Machine) -> None:
    """SWP-13: one pool does for several sweeps."""
    sweep = plan(installed_repo, "ok", "ok")
    pool = LocalJoblibPool(workers=1)
    for run_id in (0, 1):
        with pool:
            assert told(pool.submit(task_of(sweep, run_id)).result(60)) == ("ok", "")


def test_a_point_that_takes_too_long_failed(installed_repo: Machine) -> None:
    """SWP-13: the timeout ends the worker and says so; the run is stopped, not lost."""
    sweep = plan(installed_repo, "hang")
    with LocalJoblibPool(workers=1) as pool:
        (outcome,) = outcomes(submit_all(pool, sweep, timeout_s=1.5))
    assert told(outcome) == ("failed", "Timeout")
    assert outcome.error is not None and outcome.error.message == "not done after 1.5 s"
    assert outcome.job_id is not None


def test_what_settings_say(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-16: ``{kind: joblib, workers: 3}``; without joblib one line says what to install."""
    layout = open_layout(installed_repo)
    pool = open_pool({"kind": "joblib", "workers": 3, "timeout": "2h"}, layout)
    assert (pool.name, pool.workers) == ("joblib", 3)
    with pytest.raises(SweepConfigError, match="whole number from 1"):
        LocalJoblibPool(workers=0)
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(MissingExtraError) as caught:
        LocalJoblibPool()
    assert caught.value.hint == 'pip install "aexp[sweep]"'
