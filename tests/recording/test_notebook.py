"""A notebook, and the example project, run for real (SES-01, SES-04, REC-04)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aexp.experiment import Experiment
from tests.recording.optional import need
from tests.support.machines import Machine, run_command
from tests.support.sealed import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "session"


@pytest.fixture
def project(installed_repo: Machine) -> Machine:
    """A repository with the example's files, committed."""
    for module in ("sklearn", "pandas", "pyarrow", "matplotlib"):
        need(module)
    for path in EXAMPLE.iterdir():
        if path.is_file():
            shutil.copy(path, installed_repo.path)
    installed_repo.commit_all("The example")
    return installed_repo


class Notebook:
    """A notebook with a kernel of its own.

    Args:
        cells: the code of its cells.
        folder: where it runs.
    """

    def __init__(self, cells: list[str], folder: Path) -> None:
        self._format: Any = need("nbformat.v4")
        client: Any = need("nbclient")
        self.node = self._format.new_notebook(
            cells=[self._format.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "here", "display_name": "here"}},
        )
        self.client = client.NotebookClient(
            self.node, timeout=120, resources={"metadata": {"path": str(folder)}}
        )

    def run(self) -> list[str]:
        """Run all cells in order and return what each of them shows."""
        self.client.execute()
        return [_shown(cell.outputs) for cell in self.node.cells]


def _shown(outputs: list[Any]) -> str:
    texts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs]
    return "".join(texts)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kernel with the interpreter of these tests, and nothing of the user's own Jupyter."""
    need("ipykernel")
    spec = tmp_path / "jupyter" / "kernels" / "here"
    spec.mkdir(parents=True)
    command = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (spec / "kernel.json").write_text(f'{{"argv": {command}, "display_name": "here"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def test_the_example_notebook(project: Machine, kernel: None) -> None:
    """SES-01: open once, run a trial, look, decide, run another, commit; as it is in the file."""
    cells = json.loads((EXAMPLE / "explore.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    shown = Notebook(code, project.path).run()
    assert shown[-1] == "'wine-notebook'"
    assert shown[2].count(",") == 4, "five points of the first curve, while the session is open"
    sealed = Experiment.load("wine-notebook", repo_root=project.path)
    assert [run.parameters["alpha"] for run in sealed.runs] == [1e-3, 1e-1]
    picture = sealed.runs[1].get_attachment("curve")
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\x89PNG")
    environment: Any = sealed.runs[0].get_attachment("environment.json")
    assert environment["packages"]["ipykernel"]


def test_a_kernel_that_dies(project: Machine, kernel: None) -> None:
    """SES-03, SES-04: what was closed comes back in the next kernel; the open run does not."""
    first = Notebook(
        [
            "from aexp.experiment import Experiment\nexperiment = Experiment('trial')",
            "experiment.log_json('note', {'cell': 2})",
            "with experiment.run(seed=0) as run:\n    run.log_json('answer', 42)",
            "run = experiment.run(seed=1)\nrun.log_json('answer', 43)",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        ],
        project.path,
    )
    with pytest.raises(need("nbclient.exceptions").DeadKernelError):
        first.run()
    shown = Notebook(
        [
            "from aexp.experiment import Experiment\n"
            "experiment = Experiment.restore_from_checkpoint('trial')",
            "[run.run_id for run in experiment.runs], experiment.get_attachment('note')",
            "with experiment.run(seed=1) as run:\n    run.log_json('answer', 44)",
            "experiment.commit().name",
        ],
        project.path,
    ).run()
    assert shown[1] == "([0], {'cell': 2})"
    runs = Experiment.load("trial", repo_root=project.path).runs
    assert [(run.run_id, run.get_attachment("answer")) for run in runs] == [(0, 42), (2, 44)]


@pytest.mark.slow  # three processes that import scikit-learn, pandas and matplotlib
def test_the_example_script(project: Machine) -> None:
    """SES-01, SES-03: the study as a batch, broken off and resumed, and read again."""
    python = sys.executable
    broken = """
import sys
sys.argv = ["study.py", "--passes", "2"]
import study
done = study.record
def record(run, wines, passes):
    if run.run_id == 2:
        import os; os._exit(9)
    return done(run, wines, passes)
study.record = record
study.main()
"""
    died = run_command([python, "-c", broken], cwd=project.path, check=False)
    assert died.returncode == 9, died.output
    resumed = run_command([python, "study.py", "--passes", "2", "--resume"], cwd=project.path)
    assert [line.split(":")[0] for line in resumed.stdout.splitlines()] == [
        "alpha 0.01",
        "alpha 0.1",
    ]
    read = run_command([python, "read.py"], cwd=project.path)
    assert read.stdout.startswith("4 runs on 118 wines\nbest: alpha ")
    assert (project / "best-curve.png").read_bytes().startswith(b"\x89PNG")
    sealed = Experiment.load("wine-alpha", repo_root=project.path)
    table: Any = sealed.runs[0].get_attachment("weights")
    assert table.shape == (13, 3)
    confusion: Any = sealed.runs[3].get_attachment("confusion")
    assert int(confusion.sum()) == 60
    assert len(os.listdir(project / ".aexp" / "ledger")) >= 4
