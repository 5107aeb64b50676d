"""`aexp exec-notebook`: notebooks as executions, run by papermill in real kernels."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import UsageError
from aexp.execution import ExecutionConfiguration, ExecutionRecord, notebook_execution
from aexp.execution import ExecutionStatus as S
from aexp.execution.kernels import OWN_KERNEL, kernel_for
from aexp.execution.parameters import merged_parameters, read_notebook
from tests.execution.configured import add_configs, executions, outputs
from tests.support.machines import Completed, Machine

PARAMETERS = "rate = 0.5  # how fast\nsteps: int = 3\nname = 'a'\n!true\nexecution_rid = ''"
OPEN = "from aexp.execution import notebook_execution\nexecution = notebook_execution()"
WORK = 'execution.asset_file_path("Table", "t.csv").write_text(str(rate))'


def notebook(*sources: str, tagged: bool = True, **metadata: Any) -> str:
    """Return a notebook of code cells; the first holds the parameters."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": ["parameters"]} if tagged and number == 0 else {},
            "source": source,
            "execution_count": None,
            "outputs": [],
        }
        for number, source in enumerate(sources)
    ]
    about = {"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}}
    return json.dumps(
        {"cells": cells, "metadata": {**about, **metadata}, "nbformat": 4, "nbformat_minor": 5}
    )


@pytest.fixture
def lab(installed_repo: Machine) -> Machine:
    """An installed repository for notebooks."""
    for module in ("papermill", "ipykernel"):
        pytest.importorskip(module)
    return installed_repo


def run(lab: Machine, *args: str, code: int = 0, env: dict[str, str] | None = None) -> Completed:
    """Run ``aexp exec-notebook`` in a process of its own."""
    return lab.aexp("exec-notebook", *args, check=False, env=env).require(code)


def put(lab: Machine, *sources: str, **options: Any) -> None:
    """Write ``work/nb.ipynb``, and commit it."""
    lab.write("work/nb.ipynb", notebook(*sources, **options))
    lab.commit_all("A notebook")


def only(lab: Machine) -> ExecutionRecord:
    """Return the one execution of a repository."""
    (record,) = executions(lab)
    return record


def executed(lab: Machine, record: ExecutionRecord) -> list[dict[str, Any]]:
    """Return the cells of the staged executed notebook."""
    folder = lab / f".runs/workspace/{record.execution_rid}/execution/assets"
    text = (folder / "Execution_Metadata/nb.ipynb").read_text("utf-8")
    cells: list[dict[str, Any]] = json.loads(text)["cells"]
    return cells


def texts(cells: list[dict[str, Any]]) -> str:
    """Return what all cells printed."""
    return "".join("".join(o.get("text", "")) for c in cells for o in c.get("outputs", ()))


# --- what works ----------------------------------------------------------------------------------


def test_runner_and_kernel_share_one_execution(lab: Machine) -> None:
    """EXE-61, EXE-41: the kernel publishes its outputs, and the runner adds the notebook."""
    put(
        lab,
        PARAMETERS,
        OPEN,
        f"with execution:\n    {WORK}\n    execution.log_metric('loss', rate)",
        "list(execution.upload_execution_outputs())",
        "print(execution.status.value, execution_rid == execution.execution_rid)",
        "import os; print(os.path.basename(os.getcwd()), rate, steps, repr(name))",
    )
    lab.write("p.yaml", "rate: 0.25\nsteps: 9\n")
    done = run(lab, "work/nb.ipynb", "--file", "p.yaml", "-p", "rate", "0.125", "--log-output")
    record = only(lab)
    assert record.status is S.Uploaded
    assert outputs(record) == {"Table/t.csv", "Execution_Metadata/nb.ipynb"}
    assert record.view.field("metrics")["loss"]["value"] == 0.125
    assert record.view.field("params") == {"rate": 0.125, "steps": 9}
    assert record.message == ""
    # Trap 55: -p beats --file, and --file beats what the notebook says.
    assert "work 0.125 9 'a'\n" in done.stdout
    assert "Uploaded True\n" in done.stdout
    assert "published" in done.stdout.splitlines()[-1]
    assert done.stderr == ""
    workflow = record.workflow
    assert (workflow["name"], workflow["path"]) == ("nb", "work/nb.ipynb")
    assert record.facts["argv"][:3] == ["aexp", "exec-notebook", "work/nb.ipynb"]
    assert record.facts["argv"][-4:] == ["-p", "rate", "0.125", "--log-output"]
    assert record.document["execution"]["publication"] == "uploaded"
    manifest = record.view.field("execution")
    assert manifest["published_at"]


@pytest.mark.slow  # a kernel of its own
def test_a_notebook_that_knows_nothing_of_aexp(lab: Machine) -> None:
    """EXE-01, EXE-61: it is an execution all the same, as long as the notebook took."""
    put(lab, "import time; time.sleep(0.3)\nprint('plain')", tagged=False)
    run(lab, "work/nb.ipynb")
    record = only(lab)
    assert record.status is S.Uploaded
    assert outputs(record) == {"Execution_Metadata/nb.ipynb"}
    assert record.view.field("wallclock_s") >= 0.3
    assert texts(executed(lab, record)) == "plain\n"
    names = {item["name"] for item in record.view.field("attachments")}
    assert "environment.json" in names


@pytest.mark.slow  # a kernel of its own
def test_a_notebook_that_leaves_its_execution_open(lab: Machine) -> None:
    """EXE-61: what ran to its end is Stopped, and published with what it staged."""
    put(lab, PARAMETERS, OPEN, "execution.execution_start()", WORK)
    run(lab, "work/nb.ipynb")
    assert only(lab).status is S.Uploaded
    assert outputs(only(lab)) == {"Table/t.csv", "Execution_Metadata/nb.ipynb"}
    assert only(lab).document["status"] == "complete"


@pytest.mark.slow  # a kernel of its own
def test_a_configuration_for_a_notebook(lab: Machine) -> None:
    """EXE-61: overrides choose inputs and values; without any there is no configuration."""
    add_configs(lab)
    lab.write("data/points.csv", "1,2\n")
    lab.aexp("dataset", "add", "points", "data/points.csv", "--version", "1.0.0")
    put(
        lab,
        "lr = 0.1\nother = 1",
        OPEN,
        "with execution:\n"
        "    bag = execution.download_dataset_bag(execution.datasets[0])\n"
        "print(lr, other, sorted(p.name for p in (bag.path / 'data').rglob('*.csv')))",
    )
    done = run(lab, "work/nb.ipynb", "datasets=points", "model_config.lr=3", "--log-output")
    assert "3 1 ['points.csv']\n" in done.stdout
    record = only(lab)
    assert record.facts["config_choices"]["datasets"] == "points"
    assert record.workflow["path"] == "work/nb.ipynb"
    assert "Execution_Metadata/hydra-config.yaml" in outputs(record)
    dry = run(lab, "work/nb.ipynb", "datasets=points", "dry_run=true")
    assert "dataset points@1.0.0, 1 file, 4 B: verified" in dry.stdout
    assert len(executions(lab)) == 1
    shown = run(lab, "work/nb.ipynb", "--info", "-c", "src/configs").stdout
    assert "main config:   aexp_model" in shown
    assert "no option of" in run(lab, "work/nb.ipynb", "a=1", "--cfg", code=2).stderr


# --- what fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kept", "publication"),
    [
        # Before the execution was opened; in its block; while it is open; behind its block.
        ((), set(), "none"),
        ((OPEN, f"with execution:\n    {WORK}\n    1 / 0"), {"Table/t.csv"}, "none"),
        pytest.param(
            (OPEN, "execution.execution_start()", WORK),
            {"Table/t.csv"},
            "none",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            (OPEN, f"with execution:\n    {WORK}"),
            {"Table/t.csv"},
            "upload_failed",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["before", "inside", "open", "behind"],
)
def test_a_cell_that_fails(
    lab: Machine, cells: tuple[str, ...], kept: set[str], publication: str
) -> None:
    """EXE-61, trap 54: the executed notebook is kept, and so is what was staged; Failed."""
    put(lab, PARAMETERS, "print('begun')", *cells, "1 / 0", "print('never')")
    done = run(lab, "work/nb.ipynb", code=1)
    # Counted as the executed notebook shows it, with the cell that sets the parameters.
    number = len(cells) + 4 - (bool(cells) and "1 / 0" in cells[-1])
    told = f"error: the notebook failed: cell {number}: ZeroDivisionError: division by zero"
    assert done.stderr.splitlines()[0] == told
    record = only(lab)
    assert record.status is S.Failed
    assert record.publication == publication
    assert record.message == told.removeprefix("error: the notebook failed: ")
    assert record.error is not None
    assert record.error["type"] == "ZeroDivisionError"
    assert record.outputs == []
    printed = executed(lab, record)
    assert texts(printed) == "begun\n"
    assert "ZeroDivisionError" in json.dumps(printed)
    lab.aexp_fast("execution", "publish", record.execution_rid)
    assert only(lab).status is S.Uploaded
    assert outputs(only(lab)) == {"Execution_Metadata/nb.ipynb", *kept}


def test_a_cell_that_fails_behind_the_publication(lab: Machine) -> None:
    """EXE-41, EXE-61: what was published stays published; the notebook waits with the failure."""
    publish = "_ = execution.upload_execution_outputs()"
    put(lab, PARAMETERS, OPEN, f"with execution:\n    {WORK}", publish, "1 / 0")
    run(lab, "work/nb.ipynb", code=1)
    record = only(lab)
    assert record.status is S.Failed
    assert outputs(record) == {"Table/t.csv"}
    lab.aexp_fast("execution", "publish", record.execution_rid)
    assert only(lab).status is S.Uploaded
    assert outputs(only(lab)) == {"Table/t.csv", "Execution_Metadata/nb.ipynb"}


@pytest.mark.slow  # a kernel of its own
def test_a_kernel_that_dies(lab: Machine) -> None:
    """EXE-61: a killed kernel fails the execution; the notebook as far as it ran is kept."""
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    put(lab, PARAMETERS, OPEN, "execution.execution_start()", WORK, "print('last')", kill)
    done = run(lab, "work/nb.ipynb", code=1)
    assert done.stderr.splitlines()[0].startswith(
        "error: the notebook failed: DeadKernelError: the kernel died"
    )
    record = only(lab)
    assert record.status is S.Failed
    assert texts(executed(lab, record)) == "last\n"
    lab.aexp_fast("execution", "publish", record.execution_rid)
    assert outputs(only(lab)) == {"Table/t.csv", "Execution_Metadata/nb.ipynb"}


@pytest.mark.slow  # a kernel of its own
def test_a_failure_that_the_notebook_swallowed(lab: Machine) -> None:
    """EXE-61: the notebook ran to its end, but its execution is Failed: that is not called good."""
    swallowed = f"try:\n    with execution:\n        {WORK}\n        1 / 0\nexcept Exception: pass"
    put(lab, PARAMETERS, OPEN, swallowed)
    done = run(lab, "work/nb.ipynb", code=1)
    assert "error: the work in the notebook failed: ZeroDivisionError" in done.stderr
    assert only(lab).status is S.Failed
    assert executed(lab, only(lab))


@pytest.mark.slow  # a kernel of its own
def test_a_notebook_that_aborts(lab: Machine) -> None:
    """EXE-61: an execution that the notebook gave up is left so, and nothing is published."""
    put(lab, PARAMETERS, OPEN, "execution.abort('no use')")
    assert "is Aborted" in run(lab, "work/nb.ipynb").stdout
    assert only(lab).status is S.Aborted
    assert only(lab).outputs == []


@pytest.mark.slow  # a kernel of its own
def test_an_interrupted_runner(lab: Machine) -> None:
    """EXE-61, trap 54: Ctrl-C keeps the notebook as far as it ran; the execution is Failed."""
    put(lab, PARAMETERS, OPEN, "execution.execution_start()", "import time; time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "aexp", "exec-notebook", "work/nb.ipynb"],
        cwd=lab.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = executions(lab)
        if found and found[0].status is S.Running:
            break
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert only(lab).status is S.Failed
    assert executed(lab, only(lab))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.ipynb"], 4, "nowhere.ipynb cannot be read"),
        (["train.py"], 7, "train.py is no notebook"),
        (["work/nb.ipynb", "-p", "ratte", "1"], 2, "the notebook has no parameter 'ratte'"),
        (["work/nb.ipynb", "-p", "rate"], 2, "-p rate has no value"),
        (["work/nb.ipynb", "-p", "a b", "1"], 2, "'a b' is no name of a parameter"),
        (["work/nb.ipynb", "-f", "no.yaml"], 4, "no.yaml cannot be read"),
        (["work/nb.ipynb", "-f", "README.md"], 2, "holds no mapping"),
        (["work/nb.ipynb", "-k", "nope"], 4, "there is no Jupyter kernel 'nope'"),
        (["work/nb.ipynb", "x=1"], 4, "there is no config folder src/configs"),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(
    lab: Machine, arguments: list[str], code: int, message: str
) -> None:
    """EXE-61, trap 32: the line says what is wrong, and nothing was made."""
    put(lab, PARAMETERS)
    done = lab.aexp_fast("exec-notebook", *arguments, check=False).require(code)
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.output
    assert message in lines[0]
    assert lines[1].startswith("hint: ")
    assert executions(lab) == []


# --- parts ---------------------------------------------------------------------------------------


def test_inspect(lab: Machine) -> None:
    """EXE-61: `--inspect` shows names, defaults and comments, and runs nothing."""
    put(lab, PARAMETERS, "1 / 0")
    shown = lab.aexp_fast("exec-notebook", "work/nb.ipynb", "--inspect").stdout
    assert [line.split(None, 2) for line in shown.splitlines()[1:]] == [
        ["rate", "0.5", "how fast"],
        ["steps", "3"],
        ["name", "'a'"],
        ["execution_rid", "''"],
    ]
    put(lab, "1 / 0", tagged=False)
    done = lab.aexp_fast("exec-notebook", "work/nb.ipynb", "--inspect", check=False).require(2)
    assert "has no cell of parameters" in done.stderr
    assert executions(lab) == []


def test_what_beats_what(tmp_path: Path) -> None:
    """Trap 55: the command line, then the file, then the configuration; values have types."""
    path, file = tmp_path / "n.ipynb", tmp_path / "p.json"
    path.write_text(notebook(PARAMETERS), "utf-8")
    file.write_text('{"rate": 2, "steps": 2, "name": "file"}', "utf-8")
    found = read_notebook(path)
    usual = {"rate": 1, "steps": 1, "name": "usual", "unknown": 1}
    assert merged_parameters(found, usual, file, [("rate", "[3, 4]"), ("name", "1e-3x")]) == {
        "rate": [3, 4],
        "steps": 2,
        "name": "1e-3x",
    }
    assert merged_parameters(found, usual, None, []) == {"rate": 1, "steps": 1, "name": "usual"}
    path.write_text(notebook("x = 1", tagged=False), "utf-8")
    assert merged_parameters(read_notebook(path), {}, None, [("any", "1")]) == {"any": 1}


def test_the_kernel_of_this_environment_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-61: not the one of the name that another environment has put in its place."""
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    path = tmp_path / "n.ipynb"
    path.write_text(notebook("1"), "utf-8")
    with kernel_for(read_notebook(path), None) as name:
        assert name == "python3"
    kernels = tmp_path / "jupyter" / "kernels"

    def install(name: str, python: str) -> None:
        (kernels / name).mkdir(parents=True)
        argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": name, "language": "python"}
        (kernels / name / "kernel.json").write_text(json.dumps(spec), "utf-8")

    install("python3", "/other/bin/python")
    with kernel_for(read_notebook(path), None) as name:
        assert name == OWN_KERNEL
        from jupyter_client.kernelspec import KernelSpecManager

        assert KernelSpecManager().get_kernel_spec(name).argv[0] == sys.executable
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "jupyter")
    install("mine", sys.executable)
    with kernel_for(read_notebook(path), None) as name:
        assert name == "mine"
    with kernel_for(read_notebook(path), "python3") as name:
        assert name == "python3"


def test_a_notebook_that_a_person_opened(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-61: without a runner it makes an execution of its own, from its configuration."""
    monkeypatch.chdir(installed_repo.path)
    with pytest.raises(UsageError, match="there is no configuration"):
        notebook_execution()
    repo = aexp.open_repo()
    workflow = repo.create_workflow("A", "B", script="train.py")
    made = notebook_execution(ExecutionConfiguration(workflow=workflow))
    assert made.status is S.Created
    monkeypatch.setenv("AEXP_EXECUTION_RID", made.execution_rid)
    monkeypatch.setenv("AEXP_REPO_ROOT", str(installed_repo.path))
    monkeypatch.chdir("/")
    assert notebook_execution().execution_rid == made.execution_rid


@pytest.mark.slow  # a kernel of its own
def test_a_notebook_is_its_own_workflow(lab: Machine) -> None:
    """EXE-02: `create_workflow` in a cell finds the notebook, not the kernel's launcher."""
    put(
        lab,
        "import aexp",
        "print(aexp.open_repo().create_workflow('A', 'B').path)",
        tagged=False,
    )
    done = run(lab, "work/nb.ipynb", "--log-output")
    assert "work/nb.ipynb\n" in done.stdout
    env = {"JPY_SESSION_NAME": str(lab / "work/nb.ipynb")}
    code = "import aexp; print(aexp.open_repo().create_workflow('A', 'B').path)"
    done = lab_python(lab, code, env)
    assert done.stdout == "work/nb.ipynb\n"


def lab_python(lab: Machine, code: str, env: dict[str, str]) -> Completed:
    """Run Python code in the repository, as at a prompt."""
    from tests.support.machines import run_command

    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    return run_command(["sh", "-c", line], cwd=lab.path, env=env)
