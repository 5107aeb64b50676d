"""kill -9 at each durable step of closing a run, saving a session and committing it (SES-02 … 07).

After each kill the session is restored, in another process's place, and must be exactly what it
was at the last boundary that was completed: the checkpoint that the registry names.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aexp.errors import NotFoundError
from aexp.experiment import Experiment
from aexp.registry import open_registry
from aexp.repo import open_layout
from tests.crash.test_recording_killed import copies, strays
from tests.support.killed import KillPoint, kill_points, run_killed_at
from tests.support.machines import Machine

every_step = pytest.mark.parametrize(
    "every",
    [pytest.param(1, marks=pytest.mark.slow, id="each step"), pytest.param(8, id="some")],
)
"""Each point costs two processes: the usual tests visit an eighth, the long ones all."""

DONE = """\
open(".aexp/done", "w").close()
"""
BEGIN = """\
from aexp.experiment import Experiment
import aexp.recording.run
aexp.recording.run.record_environment = lambda *args, **options: None  # tested by itself
e = Experiment.restore_from_checkpoint("n")
open(".aexp/begun", "w").close()
"""
CLOSING = """\
with e.run(x=2) as run:
    run.log_parameter("p", 1)
    run.log_metric("loss", 0.5)
    run.log_json("a", {"b": 1})
"""
CHECKPOINT = """\
e.log_json("of the session", 2)
e.checkpoint()
"""
COMMIT = """\
e.commit()
"""


@pytest.fixture
def begun(installed_repo: Machine) -> Machine:
    """A repository with a session of one run, cut off."""
    experiment = Experiment("n", repo_root=installed_repo.path)
    experiment.log_json("first", 1)
    with experiment.run(x=1) as run:
        run.log_json("a", {"b": 0})
    experiment.close()
    return installed_repo


def state(experiment: Experiment) -> dict[str, object]:
    """Return what a session holds, as plain data."""
    return {
        "attachments": experiment.attachment_names,
        "runs": [
            (run.run_id, run.status, run.parameters, run.get_attachment("a"))
            for run in experiment.runs
        ],
    }


FIRST = (0, "complete", {"x": 1}, {"b": 0})
SECOND = (1, "complete", {"x": 2, "p": 1}, {"b": 1})


def documents(place: Path) -> list[dict[str, object]]:
    """Return the documents of all runs."""
    found = [p for p in (place / ".runs/workspace").glob("*") if not p.name.startswith(".")]
    return [json.loads((p / "signac_job_document.json").read_text("utf-8")) for p in found]


def check_sound(machine: Machine, point: object) -> None:
    """Check what must hold after every kill, healed."""
    machine.aexp_fast("recover", "--apply")
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    assert strays(machine.path) == [], point
    statuses = {document["status"] for document in documents(machine.path)}
    assert statuses <= {"created", "complete", "abandoned"}, point
    machine.aexp_fast("ledger", "verify")
    machine.aexp_fast("registry", "verify")
    assert machine.aexp_fast("validate").returncode == 0
    assert not list((machine / ".git/aexp/pending-experiments").glob("*")), point


def kill_after_beginning(
    code: str, make: Callable[[int], Path], every: int
) -> Iterator[tuple[KillPoint, Path]]:
    """Kill ``code`` at its points in turn, leaving out those of restoring the session.

    Args:
        code: the program.
        make: makes a fresh place.
        every: 1 visits every point, 2 every other.
    """
    first = make(0)
    points = kill_points(["-c", BEGIN + code], cwd=first)
    start = max(point.number for point in points if ".aexp/begun" in point.step)
    wanted = [p for p in points if p.number > start and p.phase in ("before", "torn")]
    for point in [p for n, p in enumerate(wanted) if n % every == 0 or p is wanted[-1]]:
        place = make(point.number + 1)
        killed = run_killed_at(point.number, ["-c", BEGIN + code], cwd=place)
        assert killed is not None, f"the program is not the same each time: no {point}"
        yield killed, place


def places(begun: Machine, tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that makes copies of the repository, run store and registry included."""
    return copies(begun, tmp_path)


@every_step
def test_closing_a_run(begun: Machine, tmp_path: Path, every: int) -> None:
    """SES-02, SES-04, traps 6, 42: before the checkpoint's ref the run is not in it, then it is."""
    seen: list[int] = []
    for point, place in kill_after_beginning(CLOSING + DONE, places(begun, tmp_path), every):
        machine = Machine(place, "laptop")
        taken = {
            number
            for path in (place / ".runs/workspace").glob("[!.]*/signac_statepoint.json")
            if (number := json.loads(path.read_text("utf-8")).get("session_run")) is not None
        }
        experiment = Experiment.restore_from_checkpoint("n", repo_root=place)
        found = state(experiment)
        runs = found["runs"]
        assert found["attachments"] == ["first"], point
        assert runs in ([FIRST], [FIRST, SECOND]), point
        seen.append(len(runs))  # type: ignore[arg-type]
        with experiment.run(x=3) as run:
            run.log_json("a", 3)
        assert run.run_id not in taken, point
        experiment.commit()
        assert state(Experiment.load("n", repo_root=place))["runs"] == [
            *runs,  # type: ignore[misc]
            (run.run_id, "complete", {"x": 3}, 3),
        ], point
        check_sound(machine, point)
        shutil.rmtree(place)
    assert seen == sorted(seen) and set(seen) == {1, 2}, "once it is in, it stays in"
    assert len(seen) >= 40 // every


@every_step
def test_forcing_a_checkpoint(begun: Machine, tmp_path: Path, every: int) -> None:
    """SES-02: an attachment of the session is in the checkpoint, or it is not; nothing between."""
    seen: list[int] = []
    for point, place in kill_after_beginning(CHECKPOINT + DONE, places(begun, tmp_path), every):
        experiment = Experiment.restore_from_checkpoint("n", repo_root=place)
        found = state(experiment)
        assert found["runs"] == [FIRST], point
        assert found["attachments"] in (["first"], ["first", "of the session"]), point
        if len(experiment.attachment_names) == 2:
            assert experiment.get_attachment("of the session") == 2, point
        seen.append(len(experiment.attachment_names))
        experiment.close()
        check_sound(Machine(place, "laptop"), point)
        shutil.rmtree(place)
    assert seen == sorted(seen) and set(seen) == {1, 2}
    assert len(seen) >= 12 // every


@every_step
def test_committing(begun: Machine, tmp_path: Path, every: int) -> None:
    """SES-05, SES-07: either the checkpoint is there or the name; the record follows the name."""
    seen: list[str] = []
    for point, place in kill_after_beginning(COMMIT, places(begun, tmp_path), every):
        machine = Machine(place, "laptop")
        registry = open_registry(open_layout(place))
        named = registry.ref("n")
        checkpoints = registry.refs(kind="checkpoint")
        assert (named is None) == bool(checkpoints), point
        records = place / ".aexp/ledger/experiments"
        if named is None:
            assert not list(records.glob("*")), point
            with pytest.raises(NotFoundError):
                Experiment.load("n", repo_root=place)
            check_sound(machine, point)
            assert not list(records.glob("*")), point
            seen.append("checkpoint")
            machine.aexp_fast("session", "commit", "n")
        else:
            seen.append("name")
        check_sound(machine, point)
        loaded = Experiment.load("n", repo_root=place)
        assert state(loaded) == {"attachments": ["first"], "runs": [FIRST]}, point
        assert loaded.artifact is not None
        assert [f"sha256:{p.stem}" for p in records.glob("*")] == [loaded.artifact.digest], point
        assert registry.refs(kind="checkpoint") == [], point
        shutil.rmtree(place)
    assert seen == sorted(seen) and set(seen) == {"checkpoint", "name"}
    assert len(seen) >= 24 // every
