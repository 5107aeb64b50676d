"""The life of an execution, from its creation to its end (EXE-01, EXE-10 … EXE-12)."""

from __future__ import annotations

import errno
import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import (
    InvalidTransitionError,
    MissingExperimentWarning,
    NotFoundError,
    RunClosedError,
    UsageError,
)
from aexp.execution import ExecutionStatus
from aexp.workspace.store import RunStore
from tests.execution.held import (
    S,
    brought,
    created,
    document_of,
    entry_of,
    line_of,
    only_rid,
    opened,
    ran,
    started,
    wait_for,
)
from tests.support.killed import kill_everywhere
from tests.support.machines import Machine, copy_repo


def test_each_call_is_a_new_run(installed_repo: Machine) -> None:
    """EXE-10: two executions of one configuration are two, told apart by a random key."""
    repo = opened(installed_repo)
    first, second = created(repo), created(repo)
    assert first.execution_rid != second.execution_rid
    points = [first.store.read(each.execution_rid).statepoint for each in (first, second)]
    assert all(len(point["execution"]) == 16 for point in points)
    assert points[0]["execution"] != points[1]["execution"]
    assert {k: v for k, v in points[0].items() if k != "execution"} == {
        k: v for k, v in points[1].items() if k != "execution"
    }


def test_a_block_is_an_execution(installed_repo: Machine) -> None:
    """EXE-01, EXE-10: Created, Running with a start, Stopped with an end, and in the ledger."""
    execution = created(opened(installed_repo), description="Why")
    assert execution.status is S.Created
    assert "started_at" not in document_of(execution)
    with execution as same:
        assert same is execution
        assert execution.status is S.Running
        assert document_of(execution)["started_at"]
        assert aexp.current_run().job_id == execution.execution_rid  # type: ignore[union-attr]
        execution.log_metric("loss", 0.5, step=1)
        execution.log_parameter("lr", 0.1)
    assert execution.status is S.Stopped
    entry = entry_of(execution)
    assert entry["status"] == "complete"
    assert entry["ended_at"] >= entry["started_at"]
    assert entry["metrics"]["loss"]["value"] == 0.5
    assert entry["params"]["lr"] == 0.1
    assert entry["workflow"]["name"] == "Trial"
    assert entry["execution"]["description"] == "Why"
    assert "owner" not in document_of(execution)
    assert "outputs" not in entry
    with pytest.raises(RunClosedError):
        execution.log_metric("loss", 0.4)


def test_an_exception_is_recorded_and_goes_on(installed_repo: Machine) -> None:
    """EXE-10: Failed with the message; the same exception reaches the caller."""
    execution = created(opened(installed_repo))
    problem = ValueError("loss is NaN")

    def work() -> None:
        execution.update_status(S.Running, "epoch 3/10")
        raise problem

    with pytest.raises(ValueError, match="loss is NaN") as raised, execution:
        work()
    assert raised.value is problem
    assert execution.status is S.Failed
    assert execution.error == {"type": "ValueError", "message": "loss is NaN"}
    assert execution.message == "epoch 3/10"
    assert entry_of(execution)["error"]["message"] == "loss is NaN"
    assert entry_of(execution)["ended_by"] == "exception"


@pytest.mark.parametrize("way", ["interrupt", "exit"])
def test_a_person_ends_it(installed_repo: Machine, way: str) -> None:
    """EXE-10: Ctrl-C and a failing exit are Failed; the run says which it was."""
    execution = created(opened(installed_repo))
    kind = KeyboardInterrupt if way == "interrupt" else SystemExit
    with pytest.raises(kind), execution:
        raise kind(3)
    assert execution.status is S.Failed
    document = document_of(execution)
    expected = {"interrupt": ("stopped", "interrupt"), "exit": ("failed", "exit")}
    assert (document["status"], document["ended_by"]) == expected[way]


def test_exit_0_is_no_failure(installed_repo: Machine) -> None:
    """Trap 43: SystemExit(0) ends the work well."""
    execution = created(opened(installed_repo))
    with pytest.raises(SystemExit), execution:
        raise SystemExit(0)
    assert execution.status is S.Stopped


def test_sigterm_is_recorded(installed_repo: Machine) -> None:
    """EXE-10: a scheduler's SIGTERM stops the run, the execution reads Failed, and 143 is told."""
    process = started(
        installed_repo,
        """
        with repo.create_execution(config) as exe:
            reached(exe.execution_rid)
            time.sleep(60)
        """,
    )
    rid = line_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    record = opened(installed_repo).lookup_execution(rid)
    assert record.status is S.Failed
    assert (record.document["status"], record.document["ended_by"]) == ("stopped", "signal")
    process.communicate()


def test_without_a_block(installed_repo: Machine) -> None:
    """EXE-10: execution_start() and execution_stop() do the same, for notebooks."""
    execution = created(opened(installed_repo))
    execution.execution_start()
    assert execution.status is S.Running
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    execution.log_metric("loss", 0.25)
    execution.execution_stop()
    assert execution.status is S.Stopped
    assert aexp.current_run() is None
    assert entry_of(execution)["metrics"]["loss"]["value"] == 0.25
    assert "manifest" in document_of(execution)["sealed"]


def test_it_begins_once(installed_repo: Machine) -> None:
    """EXE-13: an execution that began cannot begin again, whatever became of it."""
    repo = opened(installed_repo)
    for state in (S.Running, S.Stopped, S.Failed, S.Pending_Upload, S.Uploaded, S.Aborted):
        execution = brought(repo, state)
        before = document_of(execution)
        with pytest.raises(InvalidTransitionError), execution:
            pytest.fail("it began")
        with pytest.raises(InvalidTransitionError):
            execution.execution_start()
        assert document_of(execution) == before


def test_a_state_set_within_the_block_is_kept(installed_repo: Machine) -> None:
    """Trap 7: what the block says of the execution is not overwritten when it ends."""
    repo = opened(installed_repo)
    failed = created(repo)
    with failed:
        failed.update_status(S.Failed, "diverged")
    assert (failed.status, failed.message) == (S.Failed, "diverged")
    given_up = created(repo)
    with given_up:
        given_up.abort("a typo")
    assert given_up.status is S.Aborted
    assert "sealed" in document_of(given_up)


def test_a_live_owner_that_hands_over_ends_well(installed_repo: Machine) -> None:
    """EXE-51: Running to Pending_Upload says lost, unless the process lives to say better."""
    execution = created(opened(installed_repo))
    with execution:
        execution.update_status(S.Pending_Upload, "done")
        assert document_of(execution)["ended_by"] == "lost"
    assert execution.status is S.Pending_Upload
    assert document_of(execution)["status"] == "complete"
    assert "error" not in document_of(execution)


def test_messages_are_seen_at_once(installed_repo: Machine) -> None:
    """EXE-12: another terminal sees how far it is, with show-run and with status."""
    process = started(
        installed_repo,
        """
        with repo.create_execution(config) as exe:
            exe.update_status(ExecutionStatus.Running, "epoch 3/10 - loss=0.1234")
            reached(exe.execution_rid)
            sys.stdin.readline()
            exe.update_status(ExecutionStatus.Running, "epoch 4/10")
            reached("told")
            sys.stdin.readline()
        """,
    )
    rid = line_of(process)
    shown = installed_repo.aexp_fast("show-run", rid).stdout
    assert "state:        Running" in shown
    assert "message:      epoch 3/10 - loss=0.1234 (2" in shown
    assert f"{rid[:8]} epoch 3/10 - loss=0.1234" in installed_repo.aexp_fast("status").stdout
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    line_of(process)
    assert "epoch 4/10" in installed_repo.aexp_fast("show-run", rid).stdout
    process.communicate("\n")
    assert process.returncode == 0


def test_other_machines_see_the_message_after_the_end(installed_repo: Machine) -> None:
    """EXE-12: what was last said stands in the ledger, and follows later messages."""
    execution = created(opened(installed_repo))
    with execution:
        execution.update_status(S.Running, "epoch 10/10")
    assert entry_of(execution)["execution"]["message"] == "epoch 10/10"
    execution.update_status(S.Stopped, "looked at by Kim")
    assert entry_of(execution)["execution"]["message"] == "looked at by Kim"


def test_an_abort_elsewhere_reaches_the_loop(installed_repo: Machine) -> None:
    """EXE-13: whoever reports progress of what was aborted is told, and it stays Aborted."""
    process = started(
        installed_repo,
        """
        with repo.create_execution(config) as exe:
            reached(exe.execution_rid)
            sys.stdin.readline()
            exe.update_status(ExecutionStatus.Running, "epoch 4/10")
        """,
    )
    rid = line_of(process)
    refused = installed_repo.aexp_fast("execution", "abort", rid, check=False)
    assert refused.returncode == 6
    installed_repo.aexp_fast("execution", "abort", rid, "--force", "-m", "a typo")
    process.communicate("\n")
    assert process.returncode == 1
    record = opened(installed_repo).lookup_execution(rid)
    assert (record.status, record.message) == (S.Aborted, "a typo")


@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)", "raise KeyError('gone')"])
def test_nothing_ends_it_behind_the_users_back(installed_repo: Machine, end: str) -> None:
    """Trap 56: neither a finaliser nor the end of the program changes the state."""
    done = ran(
        installed_repo,
        f"""
        import gc
        exe = repo.create_execution(config)
        exe.execution_start()
        exe.update_status(ExecutionStatus.Running, "half-way")
        del exe
        gc.collect()
        {end}
        """,
        check=False,
    )
    assert done.returncode == (1 if "raise" in end else 0)
    record = opened(installed_repo).lookup_execution(only_rid(installed_repo))
    assert (record.status, record.message) == (S.Running, "half-way")
    assert record.document["status"] == "running"


def test_forgetting_it_does_not_end_it(installed_repo: Machine) -> None:
    """Trap 56: an execution whose objects are gone is Running, and can be taken up here."""
    repo = opened(installed_repo)
    execution = created(repo)
    execution.execution_start()
    rid = execution.execution_rid
    del execution
    gc.collect()
    again = repo.resume_execution(rid)
    assert again.status is S.Running
    assert again.is_open
    again.log_metric("loss", 1.0)
    again.execution_stop()
    assert again.status is S.Stopped
    assert entry_of(again)["metrics"]["loss"]["value"] == 1.0


def test_a_forked_child_does_not_end_it(installed_repo: Machine) -> None:
    """EXE-10: a child that leaves the block leaves the execution to its parent."""
    execution = created(opened(installed_repo))
    with execution:
        ran(installed_repo, "pass")
        child = os.fork()
        if child == 0:
            try:
                execution.__exit__(None, None, None)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert execution.status is S.Running
    assert execution.status is S.Stopped


def test_two_in_two_threads(installed_repo: Machine) -> None:
    """EXE-10: executions of several threads do not mix."""
    repo = opened(installed_repo)
    executions = [created(repo) for _ in range(3)]

    def work(number: int) -> None:
        with executions[number] as execution:
            for step in range(20):
                execution.log_metric("number", number, step)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.status for each in executions] == [S.Stopped] * 3
    values = [entry_of(each)["metrics"]["number"]["value"] for each in executions]
    assert values == [0, 1, 2]


def test_publishing_is_outside_of_the_block(installed_repo: Machine) -> None:
    """EXE-30: within the block, or before it, nothing is published."""
    execution = created(opened(installed_repo))
    with pytest.raises(InvalidTransitionError, match="Created cannot become Pending_Upload"):
        execution.upload_execution_outputs()
    with execution, pytest.raises(UsageError, match="still open"):
        execution.upload_execution_outputs()
    assert execution.status is S.Stopped


def test_what_was_aborted_takes_nothing_more(installed_repo: Machine) -> None:
    """EXE-41: Aborted is final: nothing is staged, nothing is published."""
    execution = brought(opened(installed_repo), S.Aborted)
    for refused in (
        lambda: execution.asset_file_path("Model", "m.bin"),
        lambda: execution.metrics_file(),
        lambda: execution.add_features([]),
        execution.upload_execution_outputs,
        execution.abort,
    ):
        with pytest.raises(InvalidTransitionError, match="Aborted"):
            refused()


def test_strays_are_named_at_the_end(
    installed_repo: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    """EXE-22: files that were put into the working folder by hand are named, and left."""
    execution = created(opened(installed_repo))
    with execution:
        (execution.working_dir / "by-hand.json").write_text("{}")
        execution.asset_file_path("Model", "m.bin").write_bytes(b"weights")
    said = capfd.readouterr().err
    assert "by-hand.json" in said and "m.bin" not in said
    assert (execution.working_dir / "by-hand.json").exists()


def test_a_bad_metrics_file_is_no_second_failure(installed_repo: Machine) -> None:
    """EXE-10: a metrics file that cannot be read does not hide how the work ended."""
    execution = created(opened(installed_repo))

    def work() -> None:
        path = execution.metrics_file()
        path.unlink()
        path.mkdir()
        raise ValueError("the real one")

    with pytest.raises(ValueError, match="the real one"), execution:
        work()
    assert execution.status is S.Failed
    assert execution.error == {"type": "ValueError", "message": "the real one"}


def test_an_execution_has_one_attempt(installed_repo: Machine) -> None:
    """ADR 10: no tool for runs begins a second attempt, which would shelve what was published."""
    repo = opened(installed_repo)
    for state in (S.Stopped, S.Failed, S.Uploaded, S.Aborted):
        execution = brought(repo, state)
        before = document_of(execution)
        job = aexp.open_run(execution.execution_rid, repo_root=repo.root)
        with pytest.raises(InvalidTransitionError), aexp.run_lifecycle(job, again=True):
            pytest.fail("it began")
        assert document_of(execution) == before


def test_a_parameter_of_that_name_makes_no_execution(installed_repo: Machine) -> None:
    """ADR 10: a run with a parameter `execution` is a run like all others."""
    for value in ("local", "0123456789abcdef"):
        with pytest.warns(MissingExperimentWarning):
            job = aexp.create_run("E001", {"execution": value}, repo_root=installed_repo.path)
        with aexp.run_lifecycle(job):
            pass
        assert opened(installed_repo).list_executions() == []
        with pytest.raises(NotFoundError):
            opened(installed_repo).resume_execution(job.id)
        assert "state:" not in installed_repo.aexp_fast("show-run", job.id).stdout


def test_an_end_that_cannot_be_written(
    installed_repo: Machine, failing_storage: Callable[..., AbstractContextManager[Any]]
) -> None:
    """Trap 46: what ended the work reaches the user, not what could not be written of it."""
    execution = created(opened(installed_repo))

    def work(disk: ExitStack) -> None:
        disk.enter_context(failing_storage("replace", error=errno.ENOSPC))
        raise ValueError("the real one")

    with pytest.raises(ValueError, match="the real one") as raised, ExitStack() as disk, execution:
        work(disk)
    assert any("nor could its end be recorded" in note for note in raised.value.__notes__)
    assert execution.status is S.Running
    execution.update_status(S.Failed, "the disk was full")
    assert (execution.status, execution.is_open) == (S.Failed, False)
    execution.upload_execution_outputs()
    assert "sealed" in document_of(execution)


CREATE = """
import aexp
from aexp.execution import ExecutionConfiguration
repo = aexp.open_repo()
workflow = repo.create_workflow("Trial", "Training", script="train.py")
repo.create_execution(ExecutionConfiguration(workflow=workflow, description="Why", argv=["a"]))
"""


@pytest.mark.slow
def test_killed_while_it_is_created(installed_repo: Machine, tmp_path: Path) -> None:
    """EXE-10, EXE-52: a kill leaves nothing, or an execution that can be resumed and run."""

    def place(number: int) -> Path:
        return copy_repo(installed_repo.path, tmp_path / f"place-{number}").path

    seen = set()
    for point, where in kill_everywhere(["-c", CREATE], place, phases=("before", "torn")):
        machine = Machine(where)
        ids = RunStore(opened(machine).layout).ids()
        seen.add(len(ids))
        for rid in ids:
            execution = opened(machine).resume_execution(rid)
            assert execution.status is S.Created, str(point)
            assert execution.configuration.description == "Why"
            with execution:
                pass
            names = {each["name"] for each in entry_of(execution)["attachments"]}
            assert {"configuration.json", "environment.json"} <= names, str(point)
    assert seen == {0, 1}


def test_a_slow_wait_is_not_needed(installed_repo: Machine) -> None:
    """EXE-10: its owner is known while it runs, so that others can tell whether it lives."""
    execution = created(opened(installed_repo))
    with execution:
        owner = document_of(execution)["owner"]
        assert owner["pid"] == os.getpid()
        wait_for(lambda: execution.store.last_beat(execution.execution_rid) is not None)
    assert isinstance(execution.status, ExecutionStatus)
