"""kill -9 at each durable step of attaching to an open run (REC-04, REC-06, REC-09, SES-04)."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.experiment import Experiment
from aexp.registry import open_registry
from aexp.repo import open_layout
from tests.crash.test_recording_killed import copies
from tests.crash.test_session_killed import begun
from tests.support.killed import kill_points, run_killed_at
from tests.support.machines import Machine

__all__ = ["begun"]

every_step = pytest.mark.parametrize(
    "every",
    [pytest.param(1, marks=pytest.mark.slow, id="each step"), pytest.param(11, id="some")],
)

LOGGING = """\
import os
from aexp.experiment import Experiment
e = Experiment.restore_from_checkpoint("n")
open(".aexp/begun", "w").close()
run = e.run(x=2)  # the environment and the diff are attached here
run.log_file("file", "data.csv")
run.log_json("json", [1, 2])
run.log_call(sorted, [3, 1, 2], reverse=True)
e.log_file("of the session", "data.csv")
os._exit(0)
"""


@every_step
def test_attaching(begun: Machine, tmp_path: Path, every: int) -> None:
    """SES-04: no blob is ever damaged, recovery starts before the run, and all can be done anew."""
    begun.write("data.csv", "a,b\n" + "1,2\n" * 1000)
    begun.write("train.py", "changed = True\n")
    make = copies(begun, tmp_path)
    points = kill_points(["-c", LOGGING], cwd=make(0))
    start = max(point.number for point in points if ".aexp/begun" in point.step)
    wanted = [p for p in points if p.number > start and p.phase in ("before", "torn")]
    assert len(wanted) > 20
    for point in [p for n, p in enumerate(wanted) if n % every == 0 or p is wanted[-1]]:
        place = make(point.number + 1)
        killed = run_killed_at(point.number, ["-c", LOGGING], cwd=place)
        assert killed is not None, point
        registry = open_registry(open_layout(place))
        for digest, _ in registry.blobs():
            registry.read(digest)  # raises when its bytes are not those of its name
        again = Experiment.restore_from_checkpoint("n", repo_root=place)
        assert [run.run_id for run in again.runs] == [0], point
        assert again.attachment_names == ["first"], point
        with again.run(x=2) as run:
            run.log_file("file", place / "data.csv")
            run.log_call(sorted, [3, 1, 2], reverse=True)
        again.commit()
        ended = Experiment.load("n", repo_root=place).runs[1]
        assert ended.get_attachment("file") == begun.read("data.csv"), point
        assert ended.calls[0].output == [3, 2, 1], point
        assert {"environment.json", "code.diff"} <= set(ended.attachment_names), point
        machine = Machine(place, "laptop")
        machine.aexp_fast("recover", "--apply")
        machine.aexp_fast("registry", "verify")
        machine.aexp_fast("validate")
        # What the killed process wrote for nobody can go, what is kept stays whole.
        machine.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
        machine.aexp_fast("registry", "verify")
        assert Experiment.load("n", repo_root=place).runs[0].get_attachment("a") == {"b": 0}
