"""``aexp execution`` and what other commands show of executions (EXE-12, EXE-53)."""

from __future__ import annotations

import json
from typing import Any

import pytest

import aexp
from aexp.errors import MissingExperimentWarning, UsageError
from aexp.execution import Execution
from aexp.execution.cleaning import clean, plan_cleaning
from aexp.registry import open_registry
from tests.execution.held import (
    S,
    below,
    brought,
    created,
    line_of,
    opened,
    ran,
    started,
)
from tests.ledger.test_backfill import put_run
from tests.support.machines import Machine


def said(machine: Machine, *args: str) -> Any:
    """Return what a command says as JSON."""
    return json.loads(machine.aexp_fast(*args, "--format", "json").stdout)


def published(machine: Machine, **files: bytes) -> Execution:
    """Return an Uploaded execution of some files."""
    execution = created(opened(machine))
    with execution:
        for name, data in files.items():
            execution.asset_file_path("Model", f"{name}.bin").write_bytes(data)
    execution.upload_execution_outputs()
    assert execution.status is S.Uploaded
    return execution


# --- list, show ----------------------------------------------------------------------------


def test_list(installed_repo: Machine) -> None:
    """EXE-53: executions alone, oldest first, with state and message; by state; the unfinished."""
    assert installed_repo.aexp_fast("execution", "list").stdout == "no executions\n"
    repo = opened(installed_repo)
    put_run(installed_repo, 1)
    made = {state: brought(repo, state) for state in S}
    made[S.Running].update_status(S.Running, "epoch 1/2")
    rows = {each["execution_rid"]: each for each in said(installed_repo, "execution", "list")}
    assert {rid: row["state"] for rid, row in rows.items()} == {
        execution.execution_rid: state.value for state, execution in made.items()
    }
    assert rows[made[S.Running].execution_rid]["message"] == "epoch 1/2"
    assert rows[made[S.Stopped].execution_rid]["workflow"]["name"] == "Trial"
    failed = said(installed_repo, "execution", "list", "--status", "failed")
    assert [each["execution_rid"] for each in failed] == [made[S.Failed].execution_rid]
    open_ones = said(installed_repo, "execution", "list", "--incomplete")
    assert {each["state"] for each in open_ones} == set(S) - {S.Uploaded, S.Aborted}
    assert {each.execution_rid for each in repo.find_incomplete_executions()} == {
        each["execution_rid"] for each in open_ones
    }
    assert [each.status for each in repo.list_executions(S.Aborted)] == [S.Aborted]
    text = installed_repo.aexp_fast("execution", "list").stdout
    assert "epoch 1/2" in text
    assert len(text.splitlines()) == 8
    began = [each.started_at for each in repo.list_executions() if each.started_at]
    assert began == sorted(began)
    wrong = installed_repo.aexp_fast("execution", "list", "--status", "Done", check=False)
    assert wrong.returncode == 2
    assert "one of: Created, Running" in wrong.stderr


def test_what_is_retracted_is_not_listed(installed_repo: Machine) -> None:
    """LED-12: a retracted execution does not count."""
    execution = brought(opened(installed_repo), S.Stopped)
    rid = execution.execution_rid
    installed_repo.aexp_fast("ledger", "retract", rid, "--reason", "the wrong data")
    assert said(installed_repo, "execution", "list") == []


def test_show(installed_repo: Machine) -> None:
    """EXE-12: state, message, workflow, description and outputs of one execution."""
    execution = created(opened(installed_repo), description="Why\nat all")
    with execution:
        execution.asset_file_path("Model", "m.bin").write_bytes(b"weights")
        execution.update_status(S.Running, "epoch 2/2")
    rid = execution.execution_rid
    text = installed_repo.aexp_fast("execution", "show", rid[:8]).stdout
    for line in (
        f"execution {rid}",
        "state:        Stopped",
        "workflow:     Trial (Training)",
        "code:         train.py",
        "description:  Why",
        "description:  at all",
        "where:        both (run on laptop)",
    ):
        assert line in text.splitlines(), line
    execution.upload_execution_outputs()
    facts = said(installed_repo, "execution", "show", rid)
    assert (facts["state"], facts["publication"]) == ("Uploaded", "uploaded")
    assert [each["name"] for each in facts["outputs"]] == ["m.bin"]
    assert "Model/m.bin" in installed_repo.aexp_fast("execution", "show", rid).stdout
    run = put_run(installed_repo, 1)
    assert installed_repo.aexp_fast("execution", "show", run, check=False).returncode == 4


def test_show_run_tells_of_the_execution(installed_repo: Machine) -> None:
    """EXE-12: `show-run` has the state; its JSON gains `execution` where there is one."""
    execution = brought(opened(installed_repo), S.Pending_Upload)
    execution.update_status(S.Failed, "the network is gone")
    facts = said(installed_repo, "show-run", execution.execution_rid)["execution"]
    assert (facts["state"], facts["publication"]) == ("Failed", "upload_failed")
    assert facts["message"] == "the network is gone"
    assert facts["workflow"]["workflow_type"] == "Training"
    assert (
        "state:        Failed"
        in installed_repo.aexp_fast("show-run", execution.execution_rid).stdout
    )
    run = put_run(installed_repo, 1)
    assert "execution" not in said(installed_repo, "show-run", run)
    assert "state:" not in installed_repo.aexp_fast("show-run", run).stdout


def test_list_runs_shows_no_random_digits(installed_repo: Machine) -> None:
    """LED-11: what chance drew tells nobody anything; a parameter of that name does."""
    execution = brought(opened(installed_repo), S.Stopped)
    drawn = execution.store.read(execution.execution_rid).statepoint["execution"]
    assert drawn not in installed_repo.aexp_fast("list-runs").stdout
    brought(opened(installed_repo), S.Stopped)
    assert drawn not in installed_repo.aexp_fast("list-runs").stdout
    with pytest.warns(MissingExperimentWarning):
        aexp.create_run("E001", {"execution": "local"}, repo_root=installed_repo.path)
    assert "execution=local" in installed_repo.aexp_fast("list-runs").stdout


def test_status_counts_what_is_not_over(installed_repo: Machine) -> None:
    """EXE-12: `status` says what goes on and what is not published, and nothing of the rest."""
    repo = opened(installed_repo)
    assert "executions" not in installed_repo.aexp_fast("status").stdout
    for state in (S.Uploaded, S.Aborted, S.Stopped, S.Failed):
        brought(repo, state)
    text = installed_repo.aexp_fast("status").stdout
    assert "executions:   1 Stopped, 1 Failed" in text or "1 Failed, 1 Stopped" in text
    assert "- 2 ended executions not published: aexp execution list --incomplete" in text
    found = said(installed_repo, "status")["executions"]
    assert sorted(each["state"] for each in found.values()) == ["Failed", "Stopped"]


def test_status_names_lost_executions(installed_repo: Machine) -> None:
    """EXE-51: an execution whose process is gone is named, with what to do."""
    ran(
        installed_repo,
        """
        exe = repo.create_execution(config)
        exe.execution_start()
        os._exit(0)
        """,
    )
    text = installed_repo.aexp_fast("status").stdout
    assert "- 1 execution whose process is gone: aexp execution list --incomplete" in text


# --- publish, abort ------------------------------------------------------------------------


def test_publish_a_killed_execution(installed_repo: Machine) -> None:
    """EXE-51: scenario B from the command line, in one command."""
    done = ran(
        installed_repo,
        """
        with repo.create_execution(config) as exe:
            exe.asset_file_path("Model", "m.bin").write_bytes(b"weights")
            reached(exe.execution_rid)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        check=False,
    )
    rid = done.stdout.strip()
    shown = installed_repo.aexp_fast("execution", "publish", rid[:10])
    assert "Model/m.bin" in shown.stdout
    assert f"execution {rid[:8]} is Uploaded: 1 file published" in shown.stdout
    assert "was never ended by its process" in shown.stderr
    again = said(installed_repo, "execution", "publish", rid)
    assert again == {"execution_rid": rid, "state": "Uploaded", "published": {}}


def test_what_was_never_written_is_left_out(installed_repo: Machine) -> None:
    """EXE-22: it keeps the others back, by name, until somebody says to publish without it."""
    execution = created(opened(installed_repo))
    mine = installed_repo.write("mine.csv", "1,2")
    with execution:
        execution.asset_file_path("Model", "kept.bin").write_bytes(b"kept")
        execution.asset_file_path("Model", "forgotten.bin")
        execution.asset_file_path("Table", str(mine))
    rid = execution.execution_rid
    refused = installed_repo.aexp_fast("execution", "publish", rid, check=False)
    assert refused.returncode == 5
    assert "Model/forgotten.bin was registered, and never written" in refused.stderr
    assert "--without KIND/NAME" in refused.stderr
    wrong = installed_repo.aexp_fast("execution", "publish", rid, "--without", "Model", check=False)
    assert wrong.returncode == 4 and "Model/kept.bin" in wrong.stderr
    done = installed_repo.aexp_fast(
        *("execution", "publish", rid, "--without", "Model/forgotten.bin"),
        *("--without", "Table/mine.csv"),
    )
    assert "kept.bin" in done.stdout and "forgotten" not in done.stdout
    assert mine.read_text() == "1,2"
    again = opened(installed_repo).resume_execution(rid)
    assert again.status is S.Uploaded
    with pytest.raises(UsageError, match="published"):
        again.withdraw_asset("Model", "kept.bin")


def test_publish_refuses_what_was_not_run(installed_repo: Machine) -> None:
    """EXE-13: what is Created or Aborted is not published."""
    repo = opened(installed_repo)
    for state in (S.Created, S.Aborted):
        rid = brought(repo, state).execution_rid
        refused = installed_repo.aexp_fast("execution", "publish", rid, check=False)
        assert refused.returncode == 5
        assert f"{state.value} cannot become Pending_Upload" in refused.stderr


def test_abort(installed_repo: Machine) -> None:
    """EXE-13: an execution is given up from the command line, with the reason."""
    repo = opened(installed_repo)
    execution = brought(repo, S.Created)
    rid = execution.execution_rid
    installed_repo.aexp_fast("execution", "abort", rid, "-m", "wrong data")
    assert (execution.status, execution.message) == (S.Aborted, "wrong data")
    twice = installed_repo.aexp_fast("execution", "abort", rid, check=False)
    assert twice.returncode == 5
    uploaded = brought(repo, S.Uploaded)
    refused = installed_repo.aexp_fast("execution", "abort", uploaded.execution_rid, check=False)
    assert (refused.returncode, uploaded.status) == (5, S.Uploaded)


# --- clean ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("execution", "clean"), ("runs", "clean")])
def test_clean_reports_first(installed_repo: Machine, command: tuple[str, str]) -> None:
    """EXE-53: `aexp runs clean` names what would go, and changes nothing without --apply."""
    execution = published(installed_repo, a=b"weights", b=b"more")
    before = below(execution.folder)
    shown = installed_repo.aexp_fast(*command)
    assert execution.execution_rid[:8] in shown.stdout
    assert "nothing was changed" in shown.stdout
    assert below(execution.folder) == before
    done = installed_repo.aexp_fast(*command, "--apply")
    assert "removed 1 working folder" in done.stdout
    assert not execution.working_dir.exists()
    assert installed_repo.aexp_fast(*command).stdout == "nothing to remove\n"


def test_clean_leaves_what_is_not_published(installed_repo: Machine) -> None:
    """EXE-53, trap 57: only working folders of published executions, the ones that there are."""
    repo = opened(installed_repo)
    left = []
    for state in S:
        execution = brought(repo, state)
        if state is not S.Aborted:
            execution.asset_file_path("Model", "m.bin").write_bytes(b"weights")
            left.append(execution)
    for state in (S.Stopped, S.Aborted):
        execution = brought(repo, state)
        (execution.working_dir / "inputs").mkdir()
        (execution.working_dir / "inputs" / "scan.png").write_bytes(b"pixels")
        left.append(execution)
    additive = published(installed_repo, a=b"weights")
    additive.asset_file_path("Model", "later.bin").write_bytes(b"later")
    done = published(installed_repo, b=b"weights")
    before = {each.execution_rid: below(each.folder) for each in (*left, additive)}
    installed_repo.aexp_fast("execution", "clean", "--apply")
    assert not done.working_dir.exists()
    assert {each.execution_rid: below(each.folder) for each in (*left, additive)} == before
    named = installed_repo.aexp_fast(
        "execution", "clean", additive.execution_rid, "--apply", check=False
    )
    assert named.returncode == 10
    assert "not everything that is staged is published: 1 left" in named.stderr
    assert below(additive.folder) == before[additive.execution_rid]


def test_clean_keeps_what_was_never_registered(installed_repo: Machine) -> None:
    """EXE-53: a file that nobody published is nobody's to delete."""
    execution = published(installed_repo, a=b"weights")
    stray = execution.working_dir / "notes" / "by-hand.txt"
    stray.parent.mkdir()
    stray.write_text("mine")
    changed = execution.working_dir / "assets" / "Model" / "a.bin"
    changed.write_bytes(b"written to after it was published")
    shown = installed_repo.aexp_fast("execution", "clean", "--apply").stdout
    assert "2 unregistered files stay" in shown
    assert stray.read_text() == "mine"
    assert changed.read_bytes().startswith(b"written")
    assert set(below(execution.working_dir)) == {"notes/by-hand.txt", "assets/Model/a.bin"}


def test_clean_follows_no_link(installed_repo: Machine) -> None:
    """Trap 49: what was registered where it is stays where it is."""
    source = installed_repo / "weights.bin"
    source.write_bytes(b"mine")
    execution = created(opened(installed_repo))
    with execution:
        execution.asset_file_path("Model", source)
    execution.upload_execution_outputs()
    installed_repo.aexp_fast("execution", "clean", "--apply")
    assert not execution.working_dir.exists()
    assert source.read_bytes() == b"mine"


def test_after_cleaning_everything_is_there(installed_repo: Machine) -> None:
    """EXE-41, EXE-53: outputs stay readable, and more can be published."""
    execution = published(installed_repo, a=b"weights")
    installed_repo.aexp_fast("execution", "clean", "--apply")
    repo = opened(installed_repo)
    (output,) = repo.lookup_execution(execution.execution_rid).outputs
    assert open_registry(repo.layout).read(output.digest) == b"weights"
    again = repo.resume_execution(execution.execution_rid)
    again.asset_file_path("Model", "later.bin").write_bytes(b"later")
    assert list(again.upload_execution_outputs()) == ["Model"]
    names = {each.name for each in repo.lookup_execution(execution.execution_rid).outputs}
    assert names == {"a.bin", "later.bin"}
    assert installed_repo.aexp_fast("validate").returncode == 0


def test_what_changed_since_the_plan_stays(installed_repo: Machine) -> None:
    """EXE-53: each execution is looked at once more; what changed is left, the rest is done."""
    first, second = published(installed_repo, a=b"1"), published(installed_repo, b=b"2")
    repo = opened(installed_repo)
    plan = plan_cleaning(repo.layout, repo.list_executions())
    assert {one.execution_rid for one in plan} == {first.execution_rid, second.execution_rid}
    first.asset_file_path("Model", "later.bin").write_bytes(b"later")
    before = below(first.folder)
    done, failed = clean(repo.layout, plan)
    assert [one.execution_rid for one in done] == [second.execution_rid]
    assert failed == {first.execution_rid: "not everything that is staged is published: 1 left"}
    assert below(first.folder) == before
    assert not second.working_dir.exists()


# --- elsewhere -----------------------------------------------------------------------------


def test_another_clone_sees_it(two_machines: Any) -> None:
    """EXE-53: state, message and workflow of an execution of another machine, from the ledger."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    process = started(
        cluster,
        """
        with repo.create_execution(config) as exe:
            exe.update_status(ExecutionStatus.Running, "epoch 2/2")
        reached(exe.execution_rid)
        """,
    )
    rid = line_of(process)
    process.communicate()
    cluster.aexp("sync")
    laptop.aexp("sync")
    (row,) = said(laptop, "execution", "list")
    assert (row["execution_rid"], row["state"], row["where"]) == (rid, "Stopped", "ledger")
    assert row["message"] == "epoch 2/2"
    assert said(laptop, "execution", "list", "--incomplete") == []
    assert said(laptop, "show-run", rid)["execution"]["state"] == "Stopped"
    refused = laptop.aexp_fast("execution", "publish", rid, check=False)
    assert refused.returncode == 4
    assert "not on this machine" in refused.stderr
