"""DaskPool on a real cluster of this machine, whose workers are really killed (SWP-13)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import MissingExtraError, SweepConfigError
from aexp.repo import open_layout
from aexp.sweep.backends.base import open_pool
from aexp.sweep.backends.dask import DaskPool
from tests.support.machines import Machine
from tests.support.sealed import CHECKOUT
from tests.support.slurm import wait_until
from tests.sweep.pools import all_gone, begun, has_begun, outcomes, plan, submit_all, task_of, told

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client(sealed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a cluster of two workers with one thread each."""
    scratch = tmp_path_factory.mktemp("dask")
    with distributed.Client(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=str(scratch)
    ) as client:
        yield client


def test_a_client_that_is_passed_in(client: Any, installed_repo: Machine) -> None:
    """SWP-13: outcomes as on any backend; as many at once as the cluster has threads."""
    sweep = plan(installed_repo, "ok", "fail", "die", "ok")
    with DaskPool(client) as pool:
        assert pool.workers == 2
        ended = outcomes(submit_all(pool, sweep))
    assert [told(outcome) for outcome in ended] == [
        ("ok", ""),
        ("failed", "Exit"),
        ("failed", "Signal"),
        ("ok", ""),
    ]
    assert client.status == "running"  # it is not ours to close
    assert not list(sweep.folder.glob("outcomes/*.dask"))


def test_a_killed_dask_worker_costs_what_it_ran(client: Any, installed_repo: Machine) -> None:
    """Trap 62, SWP-13: its point failed and is not begun again behind our back; others go on."""
    sweep = plan(installed_repo, "hang", "ok", "ok", "ok")
    with DaskPool(client) as pool:
        futures = submit_all(pool, sweep)
        wait_until(has_begun(sweep, 0), "the point to begin")
        ((_, worker),) = begun(sweep, 0)
        os.kill(_parent(worker), signal.SIGKILL)
        ended = outcomes(futures)
        assert [told(outcome) for outcome in ended] == [
            ("failed", "Lost"),
            ("ok", ""),
            ("ok", ""),
            ("ok", ""),
        ]
        wait_until(lambda: all_gone(sweep, 0), "the worker of the point to end")
    assert len(begun(sweep, 0)) == 1
    client.wait_for_workers(2, timeout=60)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_leaving_the_pool_ends_what_runs(client: Any, installed_repo: Machine) -> None:
    """Trap 66: the cluster goes on, and nothing of the sweep runs on it any more."""
    sweep = plan(installed_repo, "hang", "hang", "ok")
    with DaskPool(client) as pool:
        futures = submit_all(pool, sweep)
        wait_until(has_begun(sweep, 0), "the points to begin")
        wait_until(has_begun(sweep, 1), "the points to begin")
    assert all(future.done() for future in futures)
    wait_until(lambda: all_gone(sweep, 0) and all_gone(sweep, 1), "the points to end", 20)
    assert not begun(sweep, 2)


def test_no_point_outlives_a_driver_that_was_killed(client: Any, installed_repo: Machine) -> None:
    """Trap 66: a cluster that belongs to somebody else stops the points of a dead driver."""
    sweep = plan(installed_repo, "hang")
    address = client.scheduler.address
    driver = subprocess.Popen(
        [
            *(sys.executable, "-c", DRIVER),
            *(str(sweep.folder), str(sweep.layout.root), address),
        ],
        cwd=CHECKOUT,
    )
    wait_until(has_begun(sweep, 0), "the point to begin")
    driver.kill()
    driver.wait(20)
    wait_until(lambda: all_gone(sweep, 0), "the point to end", 30)


DRIVER = """\
import sys
from pathlib import Path
from aexp.sweep.backends.base import Task
from aexp.sweep.backends.dask import DaskPool
folder, root, address = sys.argv[1:]
with DaskPool(address=address) as pool:
    pool.submit(Task(Path(folder), 0, 1, root=Path(root))).result()
"""


def test_a_cluster_of_its_own(installed_repo: Machine) -> None:
    """SWP-13, SWP-16: ``{kind: dask, workers: 1}`` starts a cluster and ends it."""
    sweep = plan(installed_repo, "ok", "hang")
    with open_pool({"kind": "dask", "workers": 1}, open_layout(installed_repo)) as pool:
        assert told(pool.submit(task_of(sweep, 0)).result(60)) == ("ok", "")
        pool.submit(task_of(sweep, 1))
        wait_until(has_begun(sweep, 1), "the point to begin")
    wait_until(lambda: all_gone(sweep, 1), "the point to end", 20)


def test_what_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-16: a scheduler that is not there, no worker, no Dask: one line each."""
    monkeypatch.setattr("aexp.sweep.backends.dask.START_S", 0.3)
    with (
        pytest.raises(SweepConfigError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"),
        DaskPool(address="tcp://127.0.0.1:1"),
    ):
        pass
    with pytest.raises(SweepConfigError, match="whole number from 1"):
        DaskPool(workers=0)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError) as caught:
        DaskPool()
    assert caught.value.hint == 'pip install "aexp[dask]"'
