"""The life of a run in one Python process: ``run_lifecycle`` and ``mark_status``."""

from __future__ import annotations

import itertools
import signal
import threading
from typing import Any

import pytest

from aexp import create_run, current_run, mark_status, run_lifecycle
from aexp.errors import InvalidTransitionError, RunBusyError, UsageError
from aexp.model.status import STATUSES, TERMINAL_STATUSES
from aexp.runs import TERMINAL_STATUSES as PUBLIC_TERMINAL
from aexp.workspace.active import active_attempt
from tests.runs.world import (
    PYTHON,
    document,
    entries,
    entry,
    experiment,
    script,
    start,
    until,
)
from tests.support.clock import FakeClock
from tests.support.machines import Machine


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


@pytest.fixture
def job(machine: Machine) -> Any:
    """A created run."""
    return create_run("E001", {"seed": 0}, repo_root=machine.path)


def test_a_normal_end(machine: Machine, job: Any, fake_clock: FakeClock) -> None:
    """RUN-02, trap 1: running with its start; then complete, end and duration in the entry."""
    with run_lifecycle(job) as given:
        assert given is job
        inside = document(machine)
        assert inside["status"] == "running"
        assert inside["started_at"] == "2026-01-01T00:00:00.000000Z"
        assert (machine / f".runs/workspace/{job.id}/aexp.heartbeat").is_file()
        assert entries(machine) == []
        fake_clock.advance(90.5)
    done = entry(machine)
    assert (done["status"], done["ended_by"]) == ("complete", "exit")
    assert done["started_at"] == "2026-01-01T00:00:00.000000Z"
    assert done["ended_at"] == "2026-01-01T00:01:30.500000Z"
    assert done["wallclock_s"] == 90.5
    assert done["run_link"]["experiment_id"] == "E001"
    assert "owner" not in document(machine)


@pytest.mark.parametrize(
    ("error", "status", "ended_by", "kind", "message"),
    [
        (RuntimeError("out of memory"), "failed", "exception", "RuntimeError", "out of memory"),
        (KeyboardInterrupt(), "stopped", "interrupt", None, None),
        (SystemExit(0), "complete", "exit", None, None),
        (SystemExit(None), "complete", "exit", None, None),
        (SystemExit(3), "failed", "exit", "SystemExit", "3"),
        (SystemExit("no data"), "failed", "exit", "SystemExit", "no data"),
    ],
    ids=["exception", "interrupt", "exit 0", "exit none", "exit 3", "exit text"],
)
def test_other_ends_are_recorded_and_raised_again(
    machine: Machine,
    job: Any,
    error: BaseException,
    status: str,
    ended_by: str,
    kind: str | None,
    message: str | None,
) -> None:
    """RUN-02: each way of ending has its status, and the caller sees the same exception."""
    with pytest.raises(type(error)) as caught, run_lifecycle(job):
        raise error
    assert caught.value is error
    done = entry(machine)
    assert (done["status"], done["ended_by"]) == (status, ended_by)
    found = done.get("error", {})
    assert (found.get("type"), found.get("message")) == (kind, message)
    assert done["wallclock_s"] >= 0


def test_sigterm_stops_the_run(machine: Machine, job: Any) -> None:
    """RUN-02: SIGTERM is stopped/signal; the process exits as if killed by it."""
    code = f"""
import aexp, time
with aexp.run_lifecycle(aexp.open_run("{job.id}")):
    aexp.current_run().log_metric("acc", 0.5)
    open("ready", "w").close()
    time.sleep(60)
"""
    child = start(machine, PYTHON, "-c", code)
    until((machine / "ready").exists)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert child.returncode == 128 + signal.SIGTERM
    done = entry(machine)
    assert (done["status"], done["ended_by"]) == ("stopped", "signal")
    assert done["metrics"]["acc"]["value"] == 0.5


def test_a_program_that_handles_sigterm_keeps_its_handler(machine: Machine, job: Any) -> None:
    """RUN-02: the program's own handler is not replaced; ours is gone after the block."""
    done = script(
        machine,
        f"""
        import aexp, os, signal
        job = aexp.open_run("{job.id}")
        signal.signal(signal.SIGTERM, lambda *a: print("mine"))
        with aexp.run_lifecycle(job):
            os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with aexp.run_lifecycle(job, again=True):
            pass
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
        """,
        check=True,
    )
    assert done.stdout == "mine\nTrue\n"
    assert entry(machine)["status"] == "complete"


@pytest.mark.parametrize("status", sorted(TERMINAL_STATUSES))
@pytest.mark.parametrize("raising", [False, True], ids=["returns", "raises"])
def test_a_status_set_inside_is_kept(
    machine: Machine, job: Any, status: str, raising: bool
) -> None:
    """RUN-03, trap 7: the end of the block does not overwrite it."""
    try:
        with run_lifecycle(job):
            mark_status(job, status)
            if raising:
                raise KeyError("later")
    except KeyError:
        assert raising
    assert document(machine)["status"] == entry(machine)["status"] == status


def test_a_running_run_is_refused_to_others(machine: Machine, job: Any) -> None:
    """RUN-05: a live owner is named, and nothing changes."""
    with run_lifecycle(job):
        before = document(machine)
        with pytest.raises(RunBusyError, match=r"is running in .*\d+"), run_lifecycle(job):
            pytest.fail("the block must not run")
        assert document(machine) == before
    assert entry(machine)["status"] == "complete"


def test_attempts_follow_each_other(machine: Machine, job: Any) -> None:
    """RUN-05: after a failure comes a new attempt; after completion only with ``again``."""
    with pytest.raises(ValueError, match="first"), run_lifecycle(job):
        raise ValueError("first")
    with run_lifecycle(job):
        pass
    before = document(machine)
    with pytest.raises(InvalidTransitionError, match="complete already"), run_lifecycle(job):
        pytest.fail("the block must not run")
    assert document(machine) == before
    with run_lifecycle(job, again=True):
        pass
    done = entry(machine)
    assert done["status"] == "complete"
    assert sorted(other["status"] for other in done["replicates"]) == ["complete", "failed"]
    ids = {done["attempt_id"], *(other["attempt_id"] for other in done["replicates"])}
    assert len(ids) == 3


def test_a_lifecycle_in_a_thread(machine: Machine, job: Any) -> None:
    """RUN-02: works outside the main thread, where signals cannot be handled."""

    def work() -> None:
        with run_lifecycle(job):
            run = current_run()
            assert run is not None
            run.log_metric("acc", 1.0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert entry(machine)["metrics"]["acc"]["value"] == 1.0


def test_a_full_disk_at_the_end_still_ends_the_run(machine: Machine, job: Any) -> None:
    """RUN-02: when the stream cannot be written any more, the run is terminal all the same."""

    class Broken:
        pid = -1
        closed = False

        def close(self) -> None:
            raise OSError("no space left")

    def work() -> None:
        with run_lifecycle(job):
            attempt = active_attempt()
            assert attempt is not None
            attempt._writer = Broken()  # type: ignore[assignment]

    with pytest.raises(OSError, match="no space left"):
        work()
    assert document(machine)["status"] == "complete"
    assert entry(machine)["status"] == "complete"


def _bring_to(job: Any, status: str) -> None:
    if status != "created":
        mark_status(job, status)


LEGAL = {
    *itertools.product(["created"], ["queued", "running", *TERMINAL_STATUSES]),
    *itertools.product(["queued"], ["running", *TERMINAL_STATUSES]),
    *itertools.product(["running"], TERMINAL_STATUSES),
}


@pytest.mark.parametrize("current", STATUSES)
def test_the_status_table(machine: Machine, current: str) -> None:
    """RUN-03, trap 5: every step of the table; a refused one changes nothing at all."""
    for new in STATUSES:
        job = create_run("E001", {"to": new}, repo_root=machine.path, include_commit=False)
        _bring_to(job, current)
        before = (document(machine, job.id), entries(machine))
        if (current, new) in LEGAL:
            mark_status(job, new)
            assert document(machine, job.id)["status"] == new
            assert (f"{job.id}.json" in entries(machine)) == (new in PUBLIC_TERMINAL)
        elif current == new:
            mark_status(job, new)
            assert (document(machine, job.id), entries(machine)) == before
        else:
            with pytest.raises(InvalidTransitionError, match=f"{current} cannot become {new}"):
                mark_status(job, new)
            assert (document(machine, job.id), entries(machine)) == before


def test_an_unknown_status(machine: Machine, job: Any) -> None:
    """RUN-03, trap 5: ``retracted`` and misspellings are no statuses of runs."""
    before = document(machine)
    for wrong in ("Complete", "retracted", "done", ""):
        with pytest.raises(UsageError, match="no run status"):
            mark_status(job, wrong)
    assert document(machine) == before


def test_ended_at_left_to_the_caller(machine: Machine, job: Any) -> None:
    """RUN-03: ``set_ended_at=False`` leaves both end fields alone."""
    mark_status(job, "running")
    job.doc["ended_at"] = "2020-01-01T00:00:00.000000Z"
    mark_status(job, "complete", set_ended_at=False)
    assert entry(machine)["ended_at"] == "2020-01-01T00:00:00.000000Z"
    assert "wallclock_s" not in entry(machine)
