"""``aexp.current_run()`` and what it records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.errors import UsageError
from tests.runs.world import entry, experiment, script
from tests.support.machines import Machine


class Scalar:
    """What numpy's scalars look like to us."""

    def __init__(self, value: object) -> None:
        self._value = value

    def item(self) -> object:
        return self._value


class Array:
    """What numpy's arrays look like to us."""

    def item(self) -> object:
        raise ValueError("can only convert an array of size 1")


@pytest.fixture
def job(installed_repo: Machine) -> Any:
    """A created run."""
    experiment(installed_repo)
    return create_run("E001", {"seed": 0}, repo_root=installed_repo.path)


def test_outside_a_run_there_is_none(job: Any) -> None:
    """RUN-05: before, between and after runs."""
    assert current_run() is None
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        assert (run.job_id, str(run.workspace)) == (job.id, job.path)
    assert current_run() is None


def test_the_innermost_run_is_current(installed_repo: Machine, job: Any) -> None:
    """RUN-05: nested lifecycles record into their own runs."""
    other = create_run("E001", {"seed": 1}, repo_root=installed_repo.path)
    with run_lifecycle(job):
        with run_lifecycle(other):
            inner = current_run()
            assert inner is not None
            inner.log_metric("acc", 2.0)
        outer = current_run()
        assert outer is not None
        outer.log_metric("acc", 1.0)
    assert entry(installed_repo, job.id)["metrics"]["acc"]["value"] == 1.0
    assert entry(installed_repo, other.id)["metrics"]["acc"]["value"] == 2.0


def test_values_that_are_kept(installed_repo: Machine, job: Any) -> None:
    """LED-02: numbers of every kind, numpy scalars, non-finite ones; the last parameter wins."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metrics({"int": 3, "numpy": Scalar(0.25), "inf": float("inf")}, step=0)
        run.log_metric("steps", 1.0, step=Scalar(41))  # type: ignore[arg-type]
        parameters = {"b": True, "i": 2**60, "s": "ä\n", "f": 0.1, "nan": float("nan")}
        for name, value in parameters.items():
            run.log_parameter(name, value)
        run.log_parameter("b", False)
        run.flush()
    done = entry(installed_repo)
    values = {name: metric["value"] for name, metric in done["metrics"].items()}
    assert values == {"int": 3, "numpy": 0.25, "inf": "Infinity", "steps": 1}
    assert done["metrics"]["steps"]["step"] == 41
    assert done["params"] == {"b": False, "i": 2**60, "s": "ä\n", "f": 0.1, "nan": "NaN"}


def test_values_that_are_refused(installed_repo: Machine, job: Any) -> None:
    """RUN-05: a clear error for the caller, and the run's record stays whole."""
    wrong: list[tuple[Any, ...]] = [
        ("acc", "0.5"),
        ("acc", True),
        ("acc", None),
        ("acc", [1]),
        ("acc", Array()),
        ("", 1.0),
        ("acc", 1.0, 0.5),
        ("acc", 1.0, True),
        ("acc", 1.0, 2**64),
    ]
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        for arguments in wrong:
            with pytest.raises(UsageError):
                run.log_metric(*arguments)
        with pytest.raises(UsageError):
            run.log_parameter("list", [1])  # type: ignore[arg-type]
        run.log_metric("acc", 0.5)
    assert entry(installed_repo)["metrics"] == {"acc": {"count": 1, "value": 0.5}}


def test_many_threads(installed_repo: Machine, job: Any) -> None:
    """RUN-05: nothing is lost or torn."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda step: run.log_metric("acc", step, step), range(3000)))
    acc = entry(installed_repo)["metrics"]["acc"]
    assert (acc["count"], acc["min"], acc["max"]) == (3000, 0, 2999)


def test_after_a_fork(installed_repo: Machine, job: Any) -> None:
    """RUN-05: the child has a stream of its own; nothing buffered is written twice."""
    done = script(
        installed_repo,
        f"""
        import os, aexp
        with aexp.run_lifecycle(aexp.open_run("{job.id}")):
            run = aexp.current_run()
            run.log_metric("parent", 1.0)
            child = os.fork()
            if child == 0:
                aexp.current_run().log_metric("child", 2.0)
                aexp.current_run().flush()
                os._exit(0)
            os.waitpid(child, 0)
            run.log_metric("parent", 3.0)
        """,
    )
    assert done.returncode == 0, done.stderr
    metrics = entry(installed_repo)["metrics"]
    assert {name: (m["count"], m["value"]) for name, m in metrics.items()} == {
        "parent": (2, 3.0),
        "child": (1, 2.0),
    }
