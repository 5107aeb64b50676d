"""`aexp exec`: model functions that Hydra configures, as executions."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import UsageError
from aexp.execution import ExecutionStatus as S
from aexp.execution.hydra_run import split_arguments
from aexp.execution.multirun import Multirun, expand_multirun
from tests.execution.configured import (
    add_configs,
    clean_hydra,
    executions,
    ledger,
    outputs,
)
from tests.execution.configured import project as project
from tests.support.machines import Machine, TwoMachines

METADATA = {
    "Execution_Metadata/hydra-config.yaml",
    "Execution_Metadata/hydra-overrides.yaml",
}


def run(machine: Machine, *args: str, code: int = 0, cwd: Path | None = None) -> str:
    """Run ``aexp exec`` in this process, and return what it printed."""
    done = machine.aexp_fast("exec", *args, check=False, cwd=cwd)
    done.require(code)
    return done.output


def staged(machine: Machine, rid: str) -> set[str]:
    """Return what the database of an execution says is staged, whatever aexp thinks of it."""
    with sqlite3.connect(machine / f".runs/workspace/{rid}/execution.sqlite") as database:
        rows = database.execute("SELECT asset, name FROM assets").fetchall()
    database.close()
    return {f"{asset}/{name}" for asset, name in rows}


def calls() -> list[float]:
    """Return the rates that the model function was called with."""
    return list(sys.modules["fit"].CALLS)


# --- one execution -------------------------------------------------------------------------------


def test_the_model_function_is_an_execution(project: Machine) -> None:
    """EXE-60: the execution is created, the function run, the outputs published, choices kept."""
    printed = run(project)
    (record,) = executions(project)
    assert record.status is S.Uploaded
    assert outputs(record) == {"Table/out.csv", *METADATA}
    assert f"execution {record.execution_rid}: Fit (Training)\n" in printed
    assert f"execution {record.execution_rid[:8]} is Uploaded: 3 files published\n" in printed
    facts = record.facts
    assert facts["description"] == "A fit of **points**"
    assert facts["config_choices"] == {
        "workflow": "fit",
        "datasets": "nothing",
        "model_config": "usual",
    }
    assert facts["argv"] == [
        *("aexp", "exec", "--config-dir", "src/configs", "--config-name", "aexp_model")
    ]
    workflow = record.workflow
    assert (workflow["name"], workflow["path"]) == ("Fit", "src/fit.py")
    assert workflow["checksum"] == project.git("hash-object", "src/fit.py").stdout.strip()
    assert record.document["params"] == {"lr": 0.5, "layers": "[2,3]", "fail": ""}
    assert record.view.field("metrics")["loss"]["value"] == 0.5
    assert list((project / ".aexp/tmp").iterdir()) == []
    assert not (project / "outputs").exists()
    untracked = project.git("status", "--porcelain", "-uall").stdout.splitlines()
    made = {line[3:] for line in untracked if "__pycache__" not in line}
    assert made == {f".aexp/ledger/{name}" for name in ledger(project)}


def test_groups_values_and_experiments(project: Machine) -> None:
    """EXE-60: `+experiment=`, group and value overrides, wherever they stand among the flags."""
    run(project, "+experiment=fast")
    run(project, "model_config=quick", "model_config.lr=3", "+note=hello")
    first, second = executions(project)
    assert first.document["params"]["lr"] == 9.0
    assert first.facts["config_choices"]["experiment"] == "fast"
    assert first.facts["config_choices"]["model_config"] == "quick"
    assert first.description == "Quickly"
    assert second.document["params"]["lr"] == 3
    assert second.facts["argv"][-3:] == ["model_config=quick", "model_config.lr=3", "+note=hello"]
    assert calls() == [9.0, 3]


def test_a_command_line_that_was_recorded_runs_the_same(project: Machine) -> None:
    """EXE-04, EXE-60: the recorded argv is the command that runs this very job again."""
    run(project, "+multirun=rates")
    argv = executions(project)[1].facts["argv"]
    run(project, *argv[2:])
    again = executions(project)[2]
    assert again.document["params"] == executions(project)[1].document["params"]
    assert again.facts["argv"] == argv


def test_a_function_that_knows_nothing_of_aexp(project: Machine) -> None:
    """EXE-01: existing code runs as it is; what can be called need not be a function."""
    run(project, "model_config=plain")
    assert project.read("plain.txt") == "7"
    run(project, "model_config=machine")
    assert outputs(executions(project)[1]) == {"Table/machine.csv", *METADATA}
    assert executions(project)[1].workflow["path"] == "src/fit.py"


def test_a_model_function_that_fails(project: Machine) -> None:
    """EXE-60: status Failed, exit code 1, one line; what was staged is kept, for later."""
    printed = run(project, "model_config.fail=this", code=1)
    (record,) = executions(project)
    rid = record.execution_rid
    assert record.status is S.Failed
    assert record.error == {"type": "ValueError", "message": "no luck\nwith this"}
    lines = printed.splitlines()
    assert lines.count("error: the model function failed: ValueError: no luck with this") == 1
    assert f"hint: what it staged is kept: see `aexp execution show {rid[:8]}`" in printed
    assert "hydra" not in printed.split("Traceback")[1].split("error: ")[0]
    kept = {"Table/out.csv", "Execution_Metadata/hydra-job.log", *METADATA}
    assert staged(project, rid) == kept
    log = next((project / ".runs").rglob("hydra-job.log")).read_text("utf-8")
    assert 'fit.py", line' in log
    assert "ValueError: no luck" in log
    project.aexp_fast("execution", "publish", rid)
    assert executions(project)[0].status is S.Uploaded
    assert outputs(executions(project)[0]) == kept
    assert len(calls()) == 1, "publishing does not run the model again"


@pytest.mark.parametrize(("status", "code", "state"), [(0, 0, S.Uploaded), (3, 1, S.Failed)])
def test_a_model_function_that_exits(project: Machine, status: int, code: int, state: S) -> None:
    """EXE-10, trap 43: `sys.exit(0)` is no failure, and another status is one."""
    printed = run(project, f"model_config.fail=exit{status}", code=code)
    assert executions(project)[0].status is state
    assert ("error: the model function failed: it exited with 3" in printed) is bool(status)


def test_an_interruption(project: Machine) -> None:
    """EXE-10, trap 6: Ctrl-C ends the run as interrupted, and what was staged is kept."""
    assert "is Failed" in run(project, "model_config.fail=interrupt", code=130)
    (record,) = executions(project)
    assert record.status is S.Failed
    assert record.document["ended_by"] == "interrupt"
    assert "Table/out.csv" in staged(project, record.execution_rid)


def test_files_that_nobody_registered_are_named_and_left(project: Machine) -> None:
    """EXE-22: what a model writes into Hydra's folder is not published, and not removed."""
    printed = run(project, "model_config.fail=stray")
    (left,) = (project / ".aexp/tmp").rglob("stray.txt")
    assert f"not registered, so not published: what is in {left.parent}" in printed


def test_a_secret_in_the_configuration_is_not_published(project: Machine) -> None:
    """Trap 17: neither the staged configuration nor the ledger has it."""
    secret = "ghp_" + "a1B2" * 9
    project.write("hydra-config.yaml", "a file of this name that is somebody's own")
    run(project, f"+token={secret}", f"model_config.fail={secret}", code=1)
    for path in (project / ".runs").rglob("hydra-*.yaml"):
        assert secret not in path.read_text("utf-8"), path
    assert all(secret.encode() not in data for data in ledger(project).values())
    (staged_config,) = (project / ".runs").rglob("hydra-config.yaml")
    assert "lr: 0.5" in staged_config.read_text("utf-8")


def test_hydras_folder_can_be_chosen(project: Machine) -> None:
    """EXE-60: `hydra.run.dir` is the user's, and so is what Hydra writes there."""
    run(project, f"hydra.run.dir={project.path / 'mine'}")
    assert (project / "mine/.hydra/config.yaml").is_file()
    assert (project / "mine/aexp_model.log").is_file()


# --- inputs --------------------------------------------------------------------------------------


def test_a_dry_run(two_machines: TwoMachines, tmp_path: Path) -> None:
    """EXE-60: inputs downloaded and verified; nothing written to the ledger or to the remote."""
    pytest.importorskip("hydra")
    cluster, laptop = two_machines.cluster, two_machines.laptop
    store = tmp_path / "store"
    add_configs(cluster).write("aexp.yaml", f"remotes: {{disk: {store}}}\n")
    cluster.write("data/points.csv", "1,2\n")
    cluster.aexp("dataset", "add", "points", "data/points.csv", "--version", "1.0.0")
    cluster.commit_all()
    cluster.aexp("push", "points")
    cluster.push()
    laptop.pull()
    before, there = ledger(laptop), sorted(store.rglob("*"))
    with clean_hydra(laptop.path):
        printed = run(laptop, "datasets=points", "dry_run=true")
    assert "dataset points@1.0.0, 1 file, 4 B: verified" in printed
    assert "nothing was recorded or published" in printed
    assert ledger(laptop) == before
    assert sorted(store.rglob("*")) == there
    assert executions(laptop) == []
    assert not list((laptop / ".runs/workspace").glob("*"))
    assert list((laptop / ".aexp/tmp").iterdir()) == []
    blob = next(p for p in store.rglob("*") if p.is_file() and p.read_bytes() == b"1,2\n")
    mine = next(
        p for p in (laptop / ".git").rglob("*") if p.is_file() and p.read_bytes() == b"1,2\n"
    )
    for copy in (blob, mine):
        copy.chmod(0o644)
        copy.write_bytes(b"9,9\n")
    with clean_hydra(laptop.path):
        assert "error: " in run(laptop, "datasets=points", "dry_run=true", code=7)
    assert ledger(laptop) == before


def test_an_input_that_does_not_exist(project: Machine) -> None:
    """EXE-10: nothing is made when an input cannot be resolved."""
    before = ledger(project)
    assert "error: " in run(project, "datasets=points", code=4)
    assert executions(project) == []
    assert ledger(project) == before


# --- several executions --------------------------------------------------------------------------


def test_a_named_multirun(project: Machine) -> None:
    """EXE-60: `+multirun=NAME` is one execution for each point, and says so in each."""
    run(project, "+multirun=rates")
    found = executions(project)
    assert [record.document["params"]["lr"] for record in found] == [1, 2]
    assert [record.status for record in found] == [S.Uploaded] * 2
    assert {record.facts["config_choices"]["multirun"] for record in found} == {"rates"}
    assert found[0].document["params"]["layers"] == "[7]"
    assert list((project / ".aexp/tmp").iterdir()) == []


def test_the_command_line_beats_the_named_multirun(project: Machine) -> None:
    """EXE-60: what is typed counts more than what is kept under a name."""
    run(project, "+multirun=rates", "model_config.lr=3")
    assert [record.document["params"]["lr"] for record in executions(project)] == [3]


def test_one_point_of_a_sweep_fails(project: Machine) -> None:
    """EXE-60: the others run all the same; the exit code and the line say how many failed."""
    printed = run(project, "--multirun", "model_config.fail='',bad,''", code=10)
    assert [record.status for record in executions(project)] == [S.Uploaded, S.Failed, S.Uploaded]
    assert "error: 1 of 3 executions failed\n" in printed
    failed = executions(project)[1].execution_rid[:8]
    assert f"the first is {failed}: the model function failed: ValueError" in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a=1", "+multirun=m"], ["b=1,2", "c=3", "a=1"]),
        (["+multirun=m", "++b=5", "~c"], ["++b=5", "~c"]),
        (["multirun=m", "--cfg", "job"], ["b=1,2", "c=3", "--cfg", "job"]),
        (["a=1"], ["a=1"]),
    ],
)
def test_how_a_named_multirun_is_expanded(arguments: list[str], expected: list[str]) -> None:
    """EXE-60: its overrides stand where its name stood, without those that were typed."""
    told, named = expand_multirun(arguments, lambda name: Multirun(name, ("b=1,2", "c=3")))
    assert told == expected
    assert (named is None) is (arguments == expected)


def test_two_names_at_once() -> None:
    """EXE-60: two multiruns in one call are a mistake."""
    with pytest.raises(UsageError, match="name one multirun"):
        expand_multirun(["+multirun=a", "+multirun=b"], lambda name: Multirun(name, ("b=1",)))


# --- Hydra's own flags, and ours -----------------------------------------------------------------


def test_hydras_flags_pass_through(project: Machine) -> None:
    """EXE-60: `--cfg`, `--resolve` and `-p` are Hydra's, and nothing runs."""
    shown = run(project, "+x=1", "--cfg", "job", "--resolve", "-p", "model_config", "+y=2")
    assert shown.splitlines()[0] == "# @package model_config"
    assert "lr: 0.5" in shown
    assert "Hydra" in run(project, "--hydra-help")
    assert "aexp_model" in run(project, "-i", "defaults")
    assert executions(project) == []


@pytest.mark.parametrize(
    ("arguments", "overrides", "flags"),
    [
        (["a=1", "--cfg", "job", "b=2"], ["a=1", "b=2"], ["--cfg", "job"]),
        (["-p", "x.y", "--resolve", "~a"], ["~a"], ["-p", "x.y", "--resolve"]),
        (["-i", "defaults", "a=1"], ["a=1"], ["-i", "defaults"]),
        (["-i", "a=1"], ["a=1"], ["-i"]),
        (["--cfg"], [], ["--cfg"]),
    ],
)
def test_overrides_and_flags_are_told_apart(
    arguments: list[str], overrides: list[str], flags: list[str]
) -> None:
    """EXE-60: Hydra takes overrides in one row only; a user may write them anywhere."""
    assert split_arguments(arguments) == (overrides, flags)


def test_info(project: Machine) -> None:
    """EXE-60: `--info` shows groups, options, presets and multiruns, and does nothing."""
    shown = run(project, "--info")
    assert "config folder: src/configs\nmain config:   aexp_model\n" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["datasets", "nothing,", "points"] in lines
    assert ["experiment", "fast"] in lines
    assert "rates     model_config.lr=1,2 model_config.layers=[7]  Which rate?" in shown
    assert "multirun empty has no overrides" in shown, "the others are shown all the same"
    assert "hydra" not in shown
    assert executions(project) == []


def test_another_folder_and_main_config(project: Machine) -> None:
    """EXE-60: `-c` and `--config-name`, from any folder of the repository."""
    other = project.read("src/configs/aexp_model.yaml").replace("A fit", "Another fit")
    (project / "elsewhere").mkdir()
    (project / "src/configs").rename(project / "elsewhere/conf")
    project.write("elsewhere/conf/other.yaml", other)
    (project / "src/fit.py").rename(project / "elsewhere/fit.py")
    project.commit_all()
    inside = project / "elsewhere"
    run(project, "-c", "conf", "-cn", "other", "model_config.lr=4", cwd=inside)
    (record,) = executions(project)
    assert record.description == "Another fit of **points**"
    assert record.facts["argv"][3] == "elsewhere/conf"
    assert "no config folder src/configs" in run(project, code=4)


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["model_config=quik"], 4, "Could not find 'model_config/quik'", "did you mean quick?"),
        (["model_config.lrr=1"], 2, "Could not override 'model_config.lrr': ", "use +model_config"),
        (["nonsense"], 2, "Error parsing override 'nonsense'", "--info"),
        (["--config-name", "nope"], 4, "Cannot find primary config 'nope'", "--config-name"),
        (["+multirun=rats"], 4, "there is no multirun 'rats'", "did you mean rates?"),
        (["+multirun=empty"], 2, "multirun empty has no overrides", "such as"),
        (["model_config=number"], 2, "model_config builds a int", "zen_partial"),
        (["~model_config"], 2, "model_config builds nothing", "zen_partial"),
        (["model_config=null"], 2, "Got NoneType", "--cfg job"),
        (["model_config._target_=fit.nobody"], 2, "nobody", "--cfg job"),
        (["~workflow"], 2, "the configuration names no workflow", "workflow_type"),
        (["+workflow.color=red"], 2, "a workflow has no 'color'", "checksum"),
        (["assets=[{rid: ''}]"], 2, "the configuration's assets.0.rid", "--cfg job"),
        (["description=${nowhere}"], 2, "nowhere", "--cfg job"),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(
    project: Machine, arguments: list[str], code: int, message: str, hint: str
) -> None:
    """EXE-60, trap 32: the line says what is wrong; nothing was made, and nothing is left."""
    before = ledger(project)
    done = project.aexp_fast("exec", *arguments, check=False)
    done.require(code)
    told = done.stderr.splitlines()
    assert len(told) == 2, done.output
    assert told[0].startswith("error: ")
    assert message in told[0]
    assert told[1].startswith("hint: ")
    assert hint in told[1]
    assert executions(project) == []
    assert ledger(project) == before
    assert list((project / ".aexp/tmp").glob("*")) == []


def test_a_config_module_with_a_mistake(project: Machine) -> None:
    """EXE-60, trap 32: the line of the module is named, not a traceback shown."""
    project.write("src/configs/more.py", "x = 1\n\ny = x.nothing\n")
    printed = run(project, code=2)
    assert (
        "error: the config module configs.more cannot be loaded: src/configs/more.py, line 3"
        in (printed)
    )
    project.write("src/my-configs/more.py", "")
    assert "no name that Python can import" in run(project, "-c", "src/my-configs", code=2)


def test_without_hydra(project: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-60: a missing extra is one line that names the pip command."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "hydra", None)
        printed = run(project, code=11)
    assert "hint: pip install 'aexp[hydra]'" in printed.replace('"', "'")


def test_a_strict_repository_refuses_to_execute(project: Machine) -> None:
    """EXE-03: in strict mode uncommitted changes end `aexp exec` before anything is made."""
    project.write("aexp.yaml", "executions: {dirty: refuse}\n")
    project.write("src/fit.py", project.read("src/fit.py") + "\n")
    assert "error: uncommitted changes: src/fit.py; aexp.yaml refuses them" in run(project, code=5)
    project.git("checkout", "-q", "src/fit.py")
    run(project)
    assert executions(project)[0].status is S.Uploaded


def test_an_execution_is_read_with_the_api(project: Machine) -> None:
    """EXE-24, EXE-60: what `aexp exec` published is an execution like any other."""
    run(project)
    repo = aexp.open_repo(project.path)
    rid = executions(project)[0].execution_rid
    resumed: Any = repo.resume_execution(rid)
    assert resumed.upload_execution_outputs() == {}
    assert resumed.configuration.config_choices["model_config"] == "usual"


def test_outputs_that_cannot_be_published(project: Machine, tmp_path: Path) -> None:
    """EXE-40, EXE-60: a remote that fails leaves Failed; the line and what to do next are said."""
    project.write("aexp.yaml", f"remotes: {{disk: {tmp_path / 'not mounted' / 'store'}}}\n")
    project.commit_all()
    done = project.aexp_fast("exec", check=False)
    assert done.returncode not in (0, 1, 70)
    (record,) = executions(project)
    assert record.status is S.Failed
    assert record.document["status"] == "complete", "the work itself ended well"
    rid = record.execution_rid[:8]
    assert f"what it staged is kept; publish it with `aexp execution publish {rid}`" in done.stderr
    (tmp_path / "not mounted").mkdir()
    project.aexp_fast("execution", "publish", rid)
    assert executions(project)[0].status is S.Uploaded
    assert len(calls()) == 1
