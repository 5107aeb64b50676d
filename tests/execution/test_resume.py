"""Taking an execution up where another process left it (EXE-50, EXE-51)."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aexp.errors import InvalidTransitionError, NotFoundError, RunBusyError, RunClosedError
from aexp.execution import ExecutionConfiguration
from aexp.execution.provenance import kept
from aexp.execution.state import DATABASE
from aexp.execution.status import change
from aexp.model.times import format_time
from aexp.registry import open_registry
from aexp.workspace.store import RunStore
from tests.execution.held import (
    S,
    brought,
    configured,
    created,
    document_of,
    entry_of,
    line_of,
    only_rid,
    opened,
    ran,
    started,
)
from tests.ledger.test_backfill import put_run
from tests.support.machines import Machine

STAGE = """
with repo.create_execution(config) as exe:
    exe.update_status(ExecutionStatus.Running, "epoch 9/10")
    exe.asset_file_path("Model", "best.bin", metadata={"epoch": 9}).write_bytes(b"weights")
    with exe.metrics_file().open("a") as lines:
        lines.write('{"epoch": 9, "loss": 0.125}\\n')
    exe.log_metric("accuracy", 0.75, step=9)
    exe.run.flush()
    reached(exe.execution_rid)
    END
"""


def left(machine: Machine, end: str) -> tuple[str, int]:
    """Run the usual work with an end of its own; return the execution and the exit code."""
    done = ran(machine, STAGE.replace("END", end), check=False)
    return done.stdout.strip(), done.returncode


def test_scenario_a_an_exception(installed_repo: Machine) -> None:
    """EXE-51: an exception in the block; resumed it is Failed, and publishing flushes it."""
    rid, code = left(installed_repo, "raise RuntimeError('no more')")
    assert code == 1
    repo = opened(installed_repo)
    exe = repo.resume_execution(rid)
    assert exe.status is S.Failed
    assert exe.error == {"type": "RuntimeError", "message": "no more"}
    published = exe.upload_execution_outputs()
    assert exe.status is S.Uploaded
    assert [path.file_name for path in published["Model"]] == ["best.bin"]
    entry = entry_of(exe)
    assert (entry["status"], entry["execution"]["publication"]) == ("failed", "uploaded")
    assert entry["error"]["message"] == "no more"
    assert entry["metrics"]["accuracy"]["value"] == 0.75


def test_scenario_b_a_kill(installed_repo: Machine) -> None:
    """EXE-51: SIGKILL; resumed it is Running, goes to Pending_Upload, and nothing says failed."""
    rid, code = left(installed_repo, "os.kill(os.getpid(), signal.SIGKILL)")
    assert code == -signal.SIGKILL
    repo = opened(installed_repo)
    exe = repo.resume_execution(rid)
    assert (exe.status, exe.message) == (S.Running, "epoch 9/10")
    with pytest.raises(InvalidTransitionError, match="is Running") as refused:
        exe.upload_execution_outputs()
    assert refused.value.hint is not None and "Pending_Upload" in refused.value.hint
    exe.update_status(S.Pending_Upload)
    assert exe.status is S.Pending_Upload
    document = document_of(exe)
    assert (document["status"], document["ended_by"]) == ("abandoned", "lost")
    published = exe.upload_execution_outputs()
    assert exe.status is S.Uploaded
    assert [path.file_name for path in published["Model"]] == ["best.bin"]
    entry = entry_of(exe)
    assert (entry["status"], entry["ended_by"]) == ("abandoned", "lost")
    assert entry["metrics"]["accuracy"]["value"] == 0.75
    assert entry["metrics"]["loss"]["value"] == 0.125
    text = (exe.layout.ledger_dir / f"{rid}.json").read_text()
    assert '"failed"' not in text
    model = next(each for each in entry["outputs"] if each["name"] == "best.bin")
    assert open_registry(repo.layout).read(model["digest"]) == b"weights"


def test_what_a_killed_run_depended_on_is_sealed(installed_repo: Machine) -> None:
    """EXE-10, EXE-51: provenance and logged bytes of a killed run are kept as one artifact."""
    end = "exe.run.log_json('seen', [1, 2]); os.kill(os.getpid(), signal.SIGKILL)"
    rid, _ = left(installed_repo, end)
    exe = opened(installed_repo).resume_execution(rid)
    exe.update_status(S.Pending_Upload)
    entry = entry_of(exe)
    parts = kept(exe.folder)
    assert parts is not None
    assert {*parts, "seen", "metrics.jsonl"} == {each["name"] for each in entry["attachments"]}
    assert open_registry(exe.layout).manifest(document_of(exe)["sealed"]["manifest"])
    gone = installed_repo.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    assert gone.returncode == 0
    registry = open_registry(exe.layout)
    assert all(registry.has(each["digest"]) for each in entry["attachments"])


def test_killed_before_it_was_attached(installed_repo: Machine) -> None:
    """EXE-10: killed between its start and its first attachment, it has its provenance as well."""
    done = ran(
        installed_repo,
        """
        from aexp.execution.status import begin
        exe = repo.create_execution(config)
        reached(exe.execution_rid)
        begin(exe.store, exe.execution_rid)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        check=False,
    )
    exe = opened(installed_repo).resume_execution(done.stdout.strip())
    assert exe.status is S.Running
    exe.update_status(S.Pending_Upload)
    names = {each["name"] for each in entry_of(exe)["attachments"]}
    assert names == {"configuration.json", "environment.json"}


def test_provenance_that_was_collected_is_put_back(installed_repo: Machine) -> None:
    """EXE-10: bytes of a killed run that were collected meanwhile are there again when sealed."""
    rid, _ = left(installed_repo, "os.kill(os.getpid(), signal.SIGKILL)")
    installed_repo.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    exe = opened(installed_repo).resume_execution(rid)
    exe.update_status(S.Pending_Upload)
    registry = open_registry(exe.layout)
    assert "registry_error" not in document_of(exe)
    names = {each["name"] for each in entry_of(exe)["attachments"]}
    assert {"configuration.json", "environment.json"} <= names
    assert all(registry.has(each["digest"]) for each in entry_of(exe)["attachments"])


@pytest.mark.parametrize("apply", [False, True])
def test_recover_does_not_call_it_failed(installed_repo: Machine, apply: bool) -> None:
    """EXE-51: given up as lost or not, the execution is Running until somebody decides."""
    rid, _ = left(installed_repo, "os.kill(os.getpid(), signal.SIGKILL)")
    installed_repo.aexp_fast("recover", *(["--apply"] if apply else []))
    exe = opened(installed_repo).resume_execution(rid)
    assert document_of(exe)["status"] == ("abandoned" if apply else "running")
    assert exe.status is S.Running
    exe.update_status(S.Pending_Upload)
    exe.upload_execution_outputs()
    assert exe.status is S.Uploaded
    assert (entry_of(exe)["status"], entry_of(exe)["ended_by"]) == ("abandoned", "lost")
    assert installed_repo.aexp_fast("validate").returncode == 0


def test_a_killed_one_may_have_done_its_work(installed_repo: Machine) -> None:
    """EXE-13: who knows that the work was done may log the rest of it, and say Stopped."""
    rid, _ = left(installed_repo, "os.kill(os.getpid(), signal.SIGKILL)")
    exe = opened(installed_repo).resume_execution(rid)
    exe.log_metric("late", 2.0)
    exe.execution_stop()
    assert exe.status is S.Stopped
    entry = entry_of(exe)
    assert (entry["status"], entry["metrics"]["late"]["value"]) == ("complete", 2.0)
    assert "error" not in entry
    with pytest.raises(RunClosedError):
        exe.log_metric("late", 3.0)


def test_the_end_of_a_killed_one_is_when_it_was_last_seen(installed_repo: Machine) -> None:
    """EXE-51: the days until somebody looks do not count as work."""
    rid, _ = left(installed_repo, "os.kill(os.getpid(), signal.SIGKILL)")
    exe = opened(installed_repo).resume_execution(rid)
    seen = exe.store.last_beat(rid)
    assert seen is not None
    exe.update_status(S.Pending_Upload)
    document = document_of(exe)
    assert document["ended_at"] == format_time(datetime.fromtimestamp(seen, UTC))
    assert document["wallclock_s"] < 1
    assert document["ended_at"] == entry_of(exe)["ended_at"]


def test_it_is_rebuilt_with_its_configuration_and_staging(installed_repo: Machine) -> None:
    """EXE-50: configuration, staged files and features' database; the manifest is made anew."""
    repo = opened(installed_repo)
    given = configured(repo, description="# Why", argv=["x"], config_choices={"model": "quick"})
    first = repo.create_execution(given)
    with first:
        first.asset_file_path("Model", "m.bin", metadata={"epoch": 3}).write_bytes(b"weights")
    manifest = first.working_dir / "asset-manifest.json"
    manifest.unlink()
    again = repo.resume_execution(first.execution_rid[:10])
    assert again.execution_rid == first.execution_rid
    assert again.configuration == first.configuration
    assert isinstance(again.configuration, ExecutionConfiguration)
    assert [row.rid for row in again.state.assets()] == [row.rid for row in first.state.assets()]
    assert again.working_dir == first.working_dir
    assert manifest.is_file()
    assert again.status is S.Stopped


def test_resuming_changes_no_state(installed_repo: Machine) -> None:
    """EXE-50: to take an execution up is no step of the table."""
    repo = opened(installed_repo)
    for state in S:
        execution = brought(repo, state)
        before = document_of(execution)
        assert repo.resume_execution(execution.execution_rid).status is state
        assert document_of(execution) == before


def test_another_live_process_owns_it(installed_repo: Machine) -> None:
    """EXE-50: a live owner elsewhere is respected, unless told otherwise."""
    process = started(installed_repo, STAGE.replace("END", "sys.stdin.readline()"))
    rid = line_of(process)
    repo = opened(installed_repo)
    try:
        with pytest.raises(RunBusyError, match="is running in"):
            repo.resume_execution(rid)
        shell = installed_repo.aexp_fast("execution", "publish", rid, check=False)
        assert shell.returncode == 6
        with pytest.raises(RunBusyError, match="is running in"):
            change(RunStore(repo.layout), rid, S.Aborted)
        forced = repo.resume_execution(rid, force=True)
        assert forced.status is S.Running
        assert document_of(forced)["owner"]["pid"] == process.pid
    finally:
        process.communicate("\n")
    assert process.returncode == 0
    assert repo.resume_execution(rid).status is S.Stopped


def test_a_notebook_does_not_lock_itself_out(installed_repo: Machine) -> None:
    """EXE-50: ownership is released when the block ends, though its process lives on."""
    process = started(
        installed_repo,
        """
        with repo.create_execution(config) as exe:
            pass
        reached(exe.execution_rid)
        sys.stdin.readline()
        """,
    )
    rid = line_of(process)
    try:
        assert opened(installed_repo).resume_execution(rid).status is S.Stopped
    finally:
        process.communicate("\n")
    repo = opened(installed_repo)
    mine = created(repo)
    with mine:
        assert repo.resume_execution(mine.execution_rid).status is S.Running


def test_another_process_publishes_it(installed_repo: Machine) -> None:
    """EXE-50: a live publisher elsewhere is respected, a dead one is not in the way."""
    process = started(
        installed_repo,
        """
        from aexp.process import this_process
        with repo.create_execution(config) as exe:
            pass
        exe.state.take_publisher(this_process())
        reached(exe.execution_rid)
        sys.stdin.readline()
        """,
    )
    rid = line_of(process)
    repo = opened(installed_repo)
    try:
        with pytest.raises(RunBusyError, match="is being published by"):
            repo.resume_execution(rid)
        assert repo.resume_execution(rid, force=True).status is S.Stopped
    finally:
        process.kill()
        process.communicate()
    exe = repo.resume_execution(rid)
    exe.upload_execution_outputs()
    assert exe.status is S.Uploaded


def test_two_that_resume_one_killed_execution(installed_repo: Machine) -> None:
    """EXE-13: the second of two that decide about a killed execution is told."""
    rid, _ = left(installed_repo, "os.kill(os.getpid(), signal.SIGKILL)")
    repo = opened(installed_repo)
    first, second = repo.resume_execution(rid), repo.resume_execution(rid)
    first.update_status(S.Pending_Upload)
    with pytest.raises(InvalidTransitionError):
        second.execution_stop()
    with pytest.raises(InvalidTransitionError):
        second.abort()
    assert first.status is S.Pending_Upload


def test_what_is_none(installed_repo: Machine) -> None:
    """EXE-50: an id of nothing, of a run, or of another machine's execution."""
    repo = opened(installed_repo)
    with pytest.raises(NotFoundError):
        repo.resume_execution("0" * 32)
    run = put_run(installed_repo, 1)
    with pytest.raises(NotFoundError, match="is no execution"):
        repo.resume_execution(run)
    with pytest.raises(NotFoundError, match="is no execution"):
        repo.lookup_execution(run)


def test_a_creation_that_was_cut_off(installed_repo: Machine) -> None:
    """EXE-52: killed between run and database, it is rebuilt from its document."""
    repo = opened(installed_repo)
    execution = created(repo, description="Why", argv=["a", "b"])
    for path in sorted((execution.folder / "execution").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for name in ("execution", "provenance"):
        _remove(execution.folder / name)
    (execution.folder / DATABASE).unlink()
    again = repo.resume_execution(execution.execution_rid)
    assert again.configuration == execution.configuration
    with again:
        again.asset_file_path("Model", "m.bin").write_bytes(b"weights")
    names = {each["name"] for each in entry_of(again)["attachments"]}
    assert {"configuration.json", "environment.json"} <= names


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink()
    folder.rmdir()


def test_only_the_ids_of_executions_are_listed(installed_repo: Machine) -> None:
    """EXE-53: runs that are no executions are not among them."""
    put_run(installed_repo, 1)
    rid, _ = left(installed_repo, "pass")
    assert only_rid(installed_repo) == rid
