"""``aexp show-run --follow``: reading a run that another process is recording."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.errors import NotFoundError
from aexp.model.stream import Metric
from aexp.repo import open_layout
from aexp.runs.follow import Event, StatusChange, follow
from aexp.workspace.store import RunStore
from tests.runs.world import PYTHON, document, experiment, only_run, run_folders, start, until
from tests.support.machines import Machine, TwoMachines

TRAIN = """
import os, time, aexp
def wait(name):
    while not os.path.exists(name):
        time.sleep(0.01)
run = aexp.current_run()
run.log_parameter("batch", 32)
run.log_metric("loss", float("nan"), 0)
run.flush()
wait("more.dat")
run.log_metric("loss", 0.25, 1)
run.log_json("config", {"lr": 0.1})
wait("end.dat")
run.log_metric("late", 1.0)
"""


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001 and a program that waits for us."""
    experiment(installed_repo)
    installed_repo.write("train.py", TRAIN)
    return installed_repo


class Following:
    """A follower in a process of its own, and the lines it has printed."""

    def __init__(self, machine: Machine, *options: str) -> None:
        self.process = start(
            machine, PYTHON, "-m", "aexp", "show-run", only_run(machine)[:10], "--follow", *options
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode())

    def end(self) -> tuple[int, str]:
        """Return the exit code and what stands on standard error."""
        assert self.process.stderr is not None
        self.process.wait(timeout=20)
        self._thread.join(timeout=20)
        said = self.process.stderr.read().decode()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.process.stderr.close()
        return self.process.returncode, said


STREAMS = ".runs/workspace/[!.]*/streams/*/*.jsonl"


@contextmanager
def training(machine: Machine) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program; the run exists and records within the block."""
    child = start(machine, PYTHON, "-m", "aexp", "run", "-e", "E001", "--", PYTHON, "train.py")
    try:
        until(lambda: run_folders(machine) and list(Path(machine).glob(STREAMS)))
        yield child
    finally:
        for name in ("more.dat", "end.dat"):
            (machine / name).touch()
        child.communicate(timeout=20)


def test_it_comes_as_it_is_recorded(machine: Machine) -> None:
    """REC-03: while the run goes on, and to its end; from another process."""
    with training(machine):
        seen = Following(machine)
        until(lambda: any("loss = NaN (step 0)" in line for line in seen.lines))
        assert not any("0.25" in line for line in seen.lines)
        (machine / "more.dat").touch()
        until(lambda: any("attachment config" in line for line in seen.lines))
        assert any("loss = 0.25 (step 1)" in line for line in seen.lines)
        assert seen.process.poll() is None
        (machine / "end.dat").touch()
        assert seen.end() == (0, "")
    short = only_run(machine)[:8]
    assert seen.lines[0] == f"run {short} is running\n"
    assert "late = 1.0" in seen.lines[-2]
    assert seen.lines[-1] == f"run {short} is complete (ended by exit)\n"


def test_json_lines(machine: Machine) -> None:
    """REC-03: one object a line, NaN as text; of an ended run everything at once."""
    with training(machine):
        (machine / "more.dat").touch()
        (machine / "end.dat").touch()
    seen = Following(machine, "--format", "json")
    assert seen.end() == (0, "")
    events: list[dict[str, Any]] = [json.loads(line) for line in seen.lines]
    assert [(e["event"], e.get("name") or e.get("status")) for e in events] == [
        ("parameter", "batch"),
        ("metric", "loss"),
        ("metric", "loss"),
        ("attachment", "config"),
        ("metric", "late"),
        ("status", "complete"),
    ]
    assert (events[1]["value"], events[1]["step"]) == ("NaN", 0)
    assert events[3]["media_type"] == "application/json"
    assert events[-1]["ended_by"] == "exit"
    assert events[-1]["attempt_id"] == document(machine)["attempt_id"]


def test_ctrl_c_ends_it_quietly(machine: Machine) -> None:
    """REC-03: 130 as usual, and not a word."""
    with training(machine):
        seen = Following(machine)
        until(lambda: seen.lines)
        os.killpg(seen.process.pid, signal.SIGINT)
        assert seen.end() == (130, "")
    assert document(machine)["status"] == "complete"


def test_a_run_that_is_only_in_the_ledger(two_machines: TwoMachines) -> None:
    """REC-03: streams are on the machine that records; one line says so."""
    two_machines.cluster.aexp("run", "--sp", "seed=0", "--", "true")
    (job_id,) = run_folders(two_machines.cluster)
    two_machines.cluster.aexp("ledger", "backfill")
    two_machines.cluster.push()
    two_machines.laptop.pull()
    done = two_machines.laptop.aexp_fast("show-run", job_id, "--follow", check=False).require(4)
    assert "its folder is not on this machine" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    missing = two_machines.laptop.aexp_fast("show-run", "abcdef12", "--follow", check=False)
    missing.require(4)


def test_a_run_whose_process_is_gone(machine: Machine) -> None:
    """RUN-06: it does not wait for ever, and says what to do."""
    with training(machine) as child:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout=20)
        seen = Following(machine)
        code, said = seen.end()
    assert code == 0
    assert said == "its process is gone; `aexp recover` says what can be done\n"


def events_of(machine: Machine, changes: list[Any]) -> list[Event]:
    """Follow the only run, making one of ``changes`` between two looks; return what was seen."""
    waiting = iter(changes)
    store = RunStore(open_layout(machine.path))
    found = follow(store, only_run(machine), wait=lambda: next(waiting)())
    return [event for events in found for event in events]


def test_a_line_that_is_being_written_waits_for_its_end(machine: Machine) -> None:
    """REC-03: half a line is no record; the rest of it makes one, at the next look."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    seen: list[list[Any]] = []
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metric("acc", 0.5, 0)
        run.flush()
        (stream,) = Path(job.path).glob("streams/*/*.jsonl")
        whole = b'{"kind":"metric","name":"acc","value":1.5,"time":1e10,"step":1}\n'

        def add(data: bytes) -> None:
            with stream.open("ab") as file:
                file.write(data)

        looks = follow(RunStore(open_layout(machine.path)), job.id, wait=lambda: None)
        seen.append(next(looks))
        add(whole[:20])
        seen.append(next(looks))
        add(whole[20:])
        seen.append(next(looks))
    seen += looks
    values = [[e.value for e in events if isinstance(e, Metric)] for events in seen]
    assert values[:3] == [[0.5], [], [1.5]]
    assert isinstance(seen[-1][-1], StatusChange)


def test_a_run_that_has_not_begun(machine: Machine) -> None:
    """REC-03: it waits, and shows the attempt from its beginning."""
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)

    def work() -> None:
        with run_lifecycle(job):
            run = current_run()
            assert run is not None
            run.log_metric("acc", 1.0)

    statuses = [e.status for e in events_of(machine, [work]) if isinstance(e, StatusChange)]
    assert statuses == ["created", "complete"]


def test_a_run_that_is_removed(machine: Machine) -> None:
    """Trap 32: an error in one line, and no traceback."""
    import shutil

    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    with pytest.raises(NotFoundError):
        events_of(machine, [lambda: shutil.rmtree(job.path)])
