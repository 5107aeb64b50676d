"""What is attached to real runs and sessions, open, sealed, restored and in the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.errors import NotFoundError, RunClosedError, SessionClosedError, UsageError
from aexp.experiment import ArrayCodec, Experiment
from aexp.model.attachment import Attachment
from aexp.recording.attaching import Attaching
from aexp.recording.reading import Readable
from tests.recording.attachable import Holder
from tests.recording.optional import need
from tests.runs.world import entry
from tests.support.machines import Machine

OWN = ["json", "bytes", "file", "array", "table", "figure"]


def attach_everything(target: Attaching, folder: Path) -> None:
    """Attach one thing of each kind."""
    numpy, pandas = need("numpy"), need("pandas")
    need("pyarrow")
    need("matplotlib")
    from matplotlib.figure import Figure

    (folder / "secret place").mkdir(exist_ok=True)
    source = folder / "secret place" / "data.csv"
    source.write_text("a,b\n1,2\n")
    target.log_json("json", {"a": [1, None]})
    target.log_attachment("bytes", "application/x-own", b"\0\1")
    target.log_file("file", source)
    target.log_with_codec(ArrayCodec, "array", numpy.arange(3))
    target.log_table("table", pandas.DataFrame({"a": [1.5]}))
    target.log_figure("figure", Figure())
    target.log_call(sorted, [2, 1], reverse=True)
    target.log_solve(Solver, {"n": 3}, steps=2)


class Solver:
    """A solver of a trivial problem."""

    @staticmethod
    def solve(problem: dict[str, int], steps: int) -> int:
        """Return its answer."""
        return problem["n"] * steps


def check_everything(found: Readable, folder: Path) -> None:
    """Look at everything that :func:`attach_everything` attached."""
    assert [name for name in found.attachment_names if name in OWN] == OWN
    assert not any(name.startswith("calls/") for name in found.attachment_names)
    assert found.get_attachment("json") == {"a": [1, None]}
    assert found.get_attachment("bytes") == b"\0\1"
    assert found.get_attachment("file") == "a,b\n1,2\n"
    assert found.get_attachment("array").tolist() == [0, 1, 2]  # type: ignore[attr-defined]
    assert found.get_attachment("table")["a"].tolist() == [1.5]  # type: ignore[index]
    assert found.get_with_codec(ArrayCodec, "array").shape == (3,)  # type: ignore[attr-defined]
    types = {name: found.attachment_media_type(name) for name in OWN}
    assert types == {
        "json": "application/json", "bytes": "application/x-own", "file": "text/csv",
        "array": "application/x-npy", "table": "application/vnd.apache.parquet",
        "figure": "image/png",
    }  # fmt: skip
    out = folder / "out"
    out.mkdir(exist_ok=True)
    assert found.write_attachment("file", out, overwrite=True) == out / "data.csv"
    assert found.write_attachment("figure", out, overwrite=True) == out / "figure.png"
    call, solve = found.calls
    assert (call.input, call.output, call.options) == ([2, 1], [2, 1], {"reverse": True})
    assert found.solves == [solve]
    assert (solve.input, solve.output, solve.options) == ({"n": 3}, 6, {"steps": 2})  # type: ignore[comparison-overlap]
    with pytest.raises(NotFoundError):
        found.get_attachment("missing")


def test_open_sealed_and_in_another_process(installed_repo: Machine, tmp_path: Path) -> None:
    """SES-01, SES-06: on session and run alike, while it is open, sealed, and read elsewhere."""
    experiment = Experiment("payload", repo_root=installed_repo.path)
    attach_everything(experiment, tmp_path)
    check_everything(experiment, tmp_path)
    with experiment.run(seed=0) as run:
        attach_everything(run, tmp_path)
        check_everything(run, tmp_path)
        for attach in (run, experiment):
            with pytest.raises(UsageError, match="already"):
                attach.log_json("json", "again")
    check_everything(experiment.runs[0], tmp_path)
    with pytest.raises(RunClosedError):
        run.log_json("late", 1)
    with pytest.raises(RunClosedError):
        run.log_call(sorted, [1])
    experiment.commit()
    with pytest.raises(SessionClosedError):
        experiment.log_json("late", 1)
    sealed = Experiment.load("payload", repo_root=installed_repo.path)
    check_everything(sealed, tmp_path)
    check_everything(sealed.runs[0], tmp_path)
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pathlib import Path
        from aexp.experiment import Experiment
        from tests.recording.test_payloads import check_everything
        sealed = Experiment.load("payload")
        check_everything(sealed, Path({str(tmp_path)!r}))
        check_everything(sealed.runs[0], Path({str(tmp_path)!r}))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=installed_repo.path, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_ledger_knows_the_digests_and_not_the_place(
    installed_repo: Machine, tmp_path: Path
) -> None:
    """REC-04: the entry has name, media type, digest and base name; the folder stands nowhere."""
    experiment = Experiment("payload", repo_root=installed_repo.path)
    with experiment.run(seed=0) as run:
        attach_everything(run, tmp_path)
    experiment.commit()
    listed = {item["name"]: item for item in entry(installed_repo, run.job_id)["attachments"]}
    assert set(OWN) <= set(listed)
    assert listed["file"]["filename"] == "data.csv"
    assert listed["file"]["digest"] == experiment.runs[0].attachments["file"].digest
    for folder in (
        installed_repo / ".aexp",
        installed_repo / ".git/aexp",
        installed_repo / ".runs",
    ):
        for path in folder.rglob("*"):
            if path.is_file():
                assert b"secret place" not in path.read_bytes(), path


def test_what_a_checkpoint_brings_back(installed_repo: Machine, tmp_path: Path) -> None:
    """SES-03: a restored session has all of it, and calls go on counting."""
    experiment = Experiment("payload", repo_root=installed_repo.path)
    attach_everything(experiment, tmp_path)
    with experiment.run(seed=0) as run:
        attach_everything(run, tmp_path)
    experiment.checkpoint()
    experiment.close()
    again = Experiment.restore_from_checkpoint("payload", repo_root=installed_repo.path)
    check_everything(again, tmp_path)
    check_everything(again.runs[0], tmp_path)
    again.log_call(sorted, [3])
    assert [call.number for call in again.calls] == [0, 1, 2]
    with pytest.raises(UsageError, match="already"):
        again.log_json("json", "again")


def test_several_processes_of_one_run(installed_repo: Machine) -> None:
    """REC-06, RUN-05: processes that count their calls alike lose none of them."""
    code = """
        import os, aexp, sys
        from concurrent.futures import ProcessPoolExecutor
        import multiprocessing

        def work(number):
            aexp.current_run().log_call(divmod, number, 3)
            aexp.current_run().log_json(f"part {number}", number)

        if __name__ == "__main__":
            aexp.current_run().log_call(divmod, 0, 3)
            for number in (1, 2):
                child = multiprocessing.get_context("spawn").Process(target=work, args=(number,))
                child.start()
                child.join()
                assert child.exitcode == 0
    """
    script = installed_repo.write("work.py", textwrap.dedent(code))
    installed_repo.commit_all()
    installed_repo.aexp("run", "--sp", "seed=0", "--", sys.executable, str(script))
    names = [item["name"] for item in entry(installed_repo)["attachments"]]
    assert [name for name in names if name.startswith("part")] == ["part 1", "part 2"]
    holder = Holder(installed_repo / ".git/aexp/registry")
    for item in entry(installed_repo)["attachments"]:
        attachment = Attachment.from_json(item)
        assert attachment is not None
        holder.kept[attachment.name] = attachment
    assert sorted((call.input, call.output) for call in holder.calls) == [  # type: ignore[type-var]
        ((0, 3), [0, 0]), ((1, 3), [0, 1]), ((2, 3), [0, 2]),
    ]  # fmt: skip


def test_several_threads_of_one_run(installed_repo: Machine) -> None:
    """REC-01, REC-06: each thread asks for the current run, and still no number is given twice."""
    job = create_run(None, {"seed": 0}, repo_root=installed_repo.path)
    barrier = threading.Barrier(8)
    refused: list[UsageError] = []

    def work(number: int) -> None:
        run = current_run()
        assert run is not None
        barrier.wait()
        run.log_call(divmod, number, 3)
        try:
            run.log_json("one", number)
        except UsageError as error:
            refused.append(error)

    with run_lifecycle(job):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        open_run = current_run()
        assert open_run is not None
        calls = open_run.calls
    assert [call.number for call in calls] == list(range(8))
    assert sorted(call.inputs[0] for call in calls) == list(range(8))  # type: ignore[type-var]
    assert len(refused) == 7
    names = [item["name"] for item in entry(installed_repo)["attachments"]]
    assert not any(name.endswith(" (2)") for name in names)


def test_the_environment_of_a_run(installed_repo: Machine) -> None:
    """REC-09: each run of a session has it, and runs in one environment share the blob."""
    installed_repo.write("train.py", "changed = True\n")
    experiment = Experiment("env", repo_root=installed_repo.path)
    for seed in range(3):
        with experiment.run(seed=seed) as run:
            run.log_metric("loss", 0.5)
    experiment.commit()
    runs = Experiment.load("env", repo_root=installed_repo.path).runs
    for name in ("environment.json", "code.diff"):
        assert len({run.attachments[name].digest for run in runs}) == 1
    environment: Any = runs[0].get_attachment("environment.json")
    filed = entry(installed_repo, runs[0].job_id)
    assert environment["code"]["commit"] == filed["statepoint"]["code_commit"]
    assert environment["code"]["diff"] == filed["statepoint"]["code_diff"]
    assert "+changed = True" in str(runs[0].get_attachment("code.diff"))
    assert str(os.getpid()) not in json.dumps(environment["argv"])
