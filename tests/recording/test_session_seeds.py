"""Every snippet of the two guides, with only its import lines changed (issue 5, point 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aexp.experiment import Experiment
from tests.recording.optional import need
from tests.recording.sessions import HEAD, run_python, saved
from tests.support.machines import Machine

CHANGED = {
    "from ommx.experiment import Experiment": "from aexp.experiment import Experiment",
    "from ommx.artifact import gc, prune_anonymous": (
        "from aexp.registry import gc, prune_anonymous"
    ),
}

NOTEBOOK = """
from ommx.experiment import Experiment

image_name = "ghcr.io/example/team/experiment:baseline"

experiment = Experiment(image_name)
experiment.log_json("dataset", {"name": "demo"})

with experiment.run() as run:
    run.log_parameter("capacity", 47)

# Inspect results, make plots, and decide the next condition.

with experiment.run() as run:
    run.log_parameter("capacity", 64)

artifact = experiment.commit()
"""

RESTORE = """
from ommx.experiment import Experiment

image_name = "ghcr.io/example/team/experiment:baseline"

experiment = Experiment.restore_from_checkpoint(image_name)

with experiment.run() as run:
    run.log_parameter("capacity", 64)

artifact = experiment.commit()
"""

CLEANUP = """
from ommx.artifact import gc, prune_anonymous

prune_report = prune_anonymous()
gc_report = gc()

prune_deleted = prune_anonymous(delete=True)
gc_deleted = gc(delete=True)
"""

NAME = "ghcr.io/example/team/experiment:baseline"


def ours(snippet: str) -> str:
    """Return a snippet with its import lines changed, and nothing else."""
    lines = snippet.strip().splitlines()
    changed = [CHANGED.get(line, line) for line in lines]
    differing = [old for old, new in zip(lines, changed, strict=True) if old != new]
    assert differing and all(line.startswith("from ommx") for line in differing)
    return "\n".join(changed)


def run_snippet(snippet: str) -> dict[str, Any]:
    """Run a snippet here and return its variables."""
    variables: dict[str, Any] = {}
    exec(compile(ours(snippet), "<snippet>", "exec"), variables)
    return variables


@pytest.fixture(autouse=True)
def here(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the repository, as a script does."""
    monkeypatch.chdir(repo.path)


def test_run_contexts_and_commit(repo: Machine) -> None:
    """Seed 000, "Run Contexts and Experiment Commit"."""
    found = run_snippet(NOTEBOOK)
    assert (found["artifact"].name, found["run"].run_id) == (NAME, 1)
    loaded = Experiment.load(NAME)
    assert loaded.artifact == found["artifact"]
    assert loaded.get_attachment("dataset") == {"name": "demo"}
    assert [run.parameters for run in loaded.runs] == [{"capacity": 47}, {"capacity": 64}]


def test_the_same_over_notebook_cells(repo: Machine) -> None:
    """Seed 000, SES-01: one variable over many cells, each inspected before the next."""
    need("pandas")
    cells = ours(NOTEBOOK).split("\n\n")
    variables: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), variables)
        experiment = variables.get("experiment")
        if experiment is not None and experiment.status == "running":
            frame = experiment.run_parameters_df()
            assert len(frame) == len(experiment.runs)
            assert all(run.status == "complete" for run in experiment.runs)
    assert list(variables["experiment"].run_parameters_df()["capacity"]) == [47, 64]


def test_restoring_a_checkpoint(repo: Machine) -> None:
    """Seed 000, "Restoring a Checkpoint": after a process that died before its second run."""
    dying = ours(NOTEBOOK).split("# Inspect results")[0]
    run_python(repo, dying + "\nimport os\nos._exit(1)", check=False)
    assert [s.name for s in saved(repo)] == [NAME]
    artifact = run_snippet(RESTORE)["artifact"]
    assert saved(repo) == []
    loaded = Experiment.load(NAME)
    assert loaded.artifact == artifact
    assert [run.parameters for run in loaded.runs] == [{"capacity": 47}, {"capacity": 64}]


def test_cleanup_workflow(repo: Machine) -> None:
    """Seed 000, "Cleanup Workflow": both report by default, and apply when told to."""
    with Experiment() as experiment:
        experiment.log_json("only here", list(range(50)))
    with Experiment("kept") as kept:
        kept.log_json("x", 1)
    found = run_snippet(CLEANUP)
    assert len(found["prune_report"].refs) == 1 and not found["prune_report"].delete_applied
    assert found["prune_deleted"].delete_applied and found["gc_deleted"].delete_applied
    assert Experiment.load("kept").get_attachment("x") == 1


def test_every_method_of_a_run(repo: Machine) -> None:
    """Seed 001: the signatures of a run, called as its page gives them."""
    numpy = need("numpy")
    experiment = Experiment()
    path = repo.write("notes.csv", "a,b\n1,2\n3,4\n")

    class Text:
        """A codec as seed 001 describes it."""

        media_type = "text/x-own"

        @staticmethod
        def encode(value: str) -> bytes:
            """Return the bytes."""
            return value.encode()

        @staticmethod
        def decode(data: bytes) -> object:
            """Return the text."""
            return data.decode()

    with experiment.run() as run:
        assert run.run_id == 0 and repr(run)
        run.log_parameter("capacity", 47)
        run.log_attachment("log", "text/plain", b"solved")
        run.log_file("table", path)
        run.log_file("again", str(path), media_type="text/csv", filename="other.csv")
        run.log_json("value", {"weights": numpy.arange(3).tolist()})
        run.log_with_codec(Text, "own", "hello")
    assert run.__exit__(None, None, None) is False
    refused: list[Callable[[], object]] = [run.finish, lambda: run.log_json("late", 1)]
    for call in refused:
        with pytest.raises(Exception, match=r"closed|complete"):
            call()
    (ended,) = experiment.runs
    assert ended.get_attachment("log") == "solved"
    assert ended.attachment_media_type("table") == "text/csv"
    assert ended.attachments["again"].filename == "other.csv"
    assert ended.get_with_codec(Text, "own") == "hello"
    manual = experiment.run()
    manual.finish()
    assert HEAD and experiment.runs[1].status == "complete"


def test_log_solve(repo: Machine) -> None:
    """Seed 001: the input is stored as it was; options belong to the call, and not to the run."""
    need("ommx")
    adapter = need("ommx_highs_adapter").OMMXHighsAdapter
    from ommx.v1 import DecisionVariable, Instance

    x = [DecisionVariable.binary(i) for i in range(3)]
    instance = Instance.from_components(
        decision_variables=x,
        objective=sum((i + 1) * x[i] for i in range(3)),
        constraints=[(sum(x) <= 2).set_id(0)],  # type: ignore[union-attr]
        sense=Instance.MAXIMIZE,
    )
    experiment = Experiment("solved")
    with experiment.run(size=3) as run:
        solution = run.log_solve(adapter, instance)
        run.log_instance("instance", instance)
        run.log_solution("solution", solution)
    assert solution.objective == 5.0
    experiment.commit()
    (ended,) = Experiment.load("solved").runs
    assert ended.parameters == {"size": 3}
    (solve,) = ended.solves
    assert solve.adapter.endswith("OMMXHighsAdapter")
    assert ended.get_attachment("solution").objective == 5.0  # type: ignore[attr-defined]
