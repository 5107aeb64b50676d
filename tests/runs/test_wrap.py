"""``aexp run -- CMD`` (RUN-05)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.runs.world import (
    PYTHON,
    document,
    entries,
    entry,
    experiment,
    listed,
    only_run,
    run_folders,
    start_run,
    until,
)
from tests.support.machines import Machine


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


def logs(machine: Machine) -> list[bytes]:
    """Return the only run's logs, oldest attempt first."""
    folder = machine / f".runs/workspace/{only_run(machine)}/logs"
    return [p.read_bytes() for p in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns)]


@pytest.mark.parametrize("code", [0, 1, 3, 200])
def test_the_exit_code_is_the_commands(machine: Machine, code: int) -> None:
    """RUN-05: passed through and recorded."""
    command = ["run", "-e", "E001", "--sp", "seed=0", "--", "sh", "-c", f"exit {code}"]
    done = machine.aexp(*command, check=False)
    assert done.returncode == code
    status = "failed" if code else "complete"
    assert f"[aexp] run {only_run(machine)[:8]} {status} (exit code {code})" in done.stderr
    assert (entry(machine)["status"], entry(machine)["ended_by"]) == (status, "exit")
    assert entry(machine).get("error", {}).get("message") == (
        f"sh exited with {code}" if code else None
    )


def test_output_is_live_and_kept(machine: Machine) -> None:
    """RUN-05: a line is passed on before the command ends; the log has both streams."""
    child = start_run(
        machine,
        """
        import os, sys, time
        print("out", flush=True)
        print("err", file=sys.stderr, flush=True)
        while not os.path.exists("go"):
            time.sleep(0.02)
        sys.stdout.buffer.write(b"\\xff last")
        """,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"out\n"
    assert child.poll() is None
    (machine / "go").touch()
    out, err = child.communicate(timeout=20)
    assert out == b"\xff last"
    assert err.startswith(b"err\n")
    (log,) = logs(machine)
    assert sorted(log) == sorted(b"out\nerr\n\xff last")
    assert all(word in log for word in (b"out", b"err", b"\xff last"))


@pytest.mark.parametrize(
    ("number", "ended_by"), [(signal.SIGTERM, "signal"), (signal.SIGINT, "interrupt")]
)
def test_signals_are_passed_on(machine: Machine, number: signal.Signals, ended_by: str) -> None:
    """RUN-05: the command gets the signal; the run is stopped and says how."""
    child = start_run(machine, "import time; open('ready', 'w').close(); time.sleep(60)")
    until((machine / "ready").exists)
    child.send_signal(number)
    child.communicate(timeout=20)
    assert child.returncode == 128 + number
    done = entry(machine)
    assert (done["status"], done["ended_by"]) == ("stopped", ended_by)


def test_current_run_inside_logs_into_the_entry(machine: Machine) -> None:
    """RUN-05: the wrapped process and its children write streams; the wrapper alone the entry."""
    machine.write(
        "train.py",
        """\
import os, subprocess, sys, aexp
run = aexp.current_run()
assert run.job_id == os.environ["AEXP_JOB_ID"]
assert str(run.workspace) == os.environ["AEXP_JOB_WORKSPACE"]
if len(sys.argv) == 1:
    run.log_parameter("batch", 32)
    for step, value in enumerate([0.5, 0.9, 0.7]):
        run.log_metric("acc", value, step)
    subprocess.run([sys.executable, __file__, "child"], check=True)
else:
    run.log_metrics({"loss": float("nan")}, 7)
""",
    )
    machine.aexp("run", "-e", "E001", "--sp", "seed=0", "--", PYTHON, "train.py")
    done = entry(machine)
    assert done["params"] == {"batch": 32}
    acc = done["metrics"]["acc"]
    assert (acc["value"], acc["min"], acc["max"], acc["step"], acc["count"]) == (
        0.7, 0.5, 0.9, 2, 3,
    )  # fmt: skip
    assert done["metrics"]["loss"]["value"] == "NaN"
    assert done["code_dirty"] is True


def test_the_same_state_point_again(machine: Machine) -> None:
    """RUN-05: complete says so and exits 0; ``--again`` keeps the earlier attempt."""
    command = ["-e", "E001", "--sp", "seed=0", "--", "sh", "-c", "echo x >> ../count"]
    machine.aexp("run", *command)
    first = entry(machine)
    done = machine.aexp("run", *command)
    short = only_run(machine)[:8]
    expected = f"[aexp] run {short} is complete already; --again records a new attempt\n"
    assert done.stderr == expected
    assert entry(machine) == first
    machine.aexp("run", "--again", *command)
    assert (machine.path.parent / "count").read_text("utf-8") == "x\nx\n"
    second = entry(machine)
    (other,) = second["replicates"]
    attempts = {second["attempt_id"], other["attempt_id"]}
    assert len(attempts) == 2
    assert attempts == {first["attempt_id"], document(machine)["attempt_id"]}
    assert len(logs(machine)) == 2


def test_a_failed_run_gets_a_new_attempt(machine: Machine) -> None:
    """RUN-05: without ``--again``; the earlier outcome is kept."""
    command = ["run", "-e", "E001", "--sp", "seed=0", "--", "test", "-e", "../data"]
    machine.aexp(*command, check=False).require(1)
    (machine.path.parent / "data").touch()
    machine.aexp(*command)
    done = entry(machine)
    assert done["status"] == "complete"
    assert [other["status"] for other in done["replicates"]] == ["failed"]
    assert "error" not in done


def test_a_running_run_with_a_live_owner_is_refused(machine: Machine) -> None:
    """RUN-05: exit 6, the owner named, its command not run twice."""
    code = """
        import os, time
        open("x.dat", "a").close()
        while not os.path.exists("go.dat"):
            time.sleep(0.02)
    """
    child = start_run(machine, code, "--sp", "seed=0")
    until((machine / "x.dat").exists)
    done = machine.aexp("run", "--sp", "seed=0", "--", "touch", "twice.dat", check=False)
    assert done.require(6).stderr.startswith(f"error: run {only_run(machine)} is running in ")
    assert str(child.pid) in done.stderr.splitlines()[0]
    done = machine.aexp("run", "--again", "--sp", "seed=0", "--", "true", check=False)
    done.require(6)
    (machine / "go.dat").touch()
    child.communicate(timeout=20)
    assert entry(machine)["status"] == "complete"
    assert not (machine / "twice.dat").exists()


def test_a_command_that_does_not_exist(machine: Machine) -> None:
    """RUN-05: one line and a hint; the run is failed, and says why."""
    done = machine.aexp("run", "-e", "E001", "--sp", "seed=0", "--", "no-such-tool", check=False)
    assert done.require(127).stderr.splitlines()[0].startswith("error: cannot start 'no-such-tool'")
    assert len(done.stderr.splitlines()) == 2
    assert entry(machine)["status"] == "failed"
    assert "no-such-tool" in entry(machine)["error"]["message"]


def test_the_first_run_needs_no_paperwork(installed_repo: Machine) -> None:
    """RUN-05: unlinked without an experiment; two commands are two runs, one command is one."""
    for word in ("one", "two", "one"):
        installed_repo.aexp("run", "--", "echo", word)
    assert len(run_folders(installed_repo)) == 2
    views = listed(installed_repo)
    assert [view["experiment_id"] for view in views] == [None, None]
    assert sorted(view["statepoint"]["command"] for view in views) == ["echo one", "echo two"]
    assert all("run_link" not in entry(installed_repo, view["job_id"]) for view in views)


def test_state_points_on_the_command_line(machine: Machine) -> None:
    """RUN-05: ``--sp`` may be repeated; brackets and quotes protect commas; options after ``--``
    are the command's."""
    options = ["--sp", "layers=[64,32],lr=1e-3", "--sp", 'note="a, b"', "--sp", "tag:=7"]
    machine.aexp("run", "-e", "E001", "--no-commit", *options, "--", "echo", "--sp", "x")
    assert entry(machine)["statepoint"] == {
        "experiment_id": "E001",
        "layers": [64, 32],
        "lr": 0.001,
        "note": "a, b",
        "tag": "7",
    }
    for wrong in ("layers=[64", "lr", "=3", "lr=1,lr=2"):
        machine.aexp_fast("run", "--sp", wrong, "--", "true", check=False).require(2)
    machine.aexp_fast("run", "--sp", "lr=1", check=False).require(2)
    assert len(entries(machine)) == 1


def test_an_empty_experiment_is_no_unlinked_run(machine: Machine) -> None:
    """RUN-01: ``-e "$EXP"`` with an unset variable is refused, not silently unlinked."""
    machine.aexp_fast("run", "-e", "", "--", "true", check=False).require(2)
    assert run_folders(machine) == []


def test_it_runs_where_it_was_started(machine: Machine) -> None:
    """RUN-05: the working directory is the caller's, the run store the repository's."""
    (machine / "deep").mkdir()
    done = machine.aexp("run", "--", "pwd", cwd=machine / "deep")
    assert Path(done.stdout.strip()).name == "deep"
    assert document(machine)["status"] == "complete"
