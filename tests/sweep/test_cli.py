"""``aexp sweep`` as people use it: what it does, what it says, and how it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aexp.sweep.lock import SweepLock
from tests.support.machines import Completed, Machine

POINTS = """
import os
import time

from aexp.sweep import SkipPoint, output_folder


def main(n, lr):
    while n == 1 and os.environ.get("HANG"):
        time.sleep(0.02)
    if n == 2:
        raise SkipPoint("known already")
    if n == 1 and not os.path.exists("mended"):
        raise ValueError("diverged at [step 3]")
    rows = "".join(f"{i},{lr / (i + 3)!r}\\n" for i in range(2))
    (output_folder() / "results.csv").write_text("step,loss\\n" + rows)
    return {"final": lr / 3 + n}
"""

SPEC = """
experiment: E001
callable: points:main
script: points.py
parameters:
  explicit:
    - {n: 0, lr: 0.1}
    - {n: 1, lr: 0.2}
    - {n: 2, lr: 0.3}
outputs: {table: results.csv}
backend: {kind: local, workers: 2}
"""


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    installed_repo.write("points.py", POINTS)
    installed_repo.write("sweep.yaml", SPEC)
    installed_repo.write(".gitignore", installed_repo.read(".gitignore") + "mended\nelsewhere/\n")
    installed_repo.aexp_fast("new-hypothesis", "--title", "Smaller is better")
    installed_repo.aexp_fast("new-experiment", "--title", "A sweep", "--hypothesis", "H001")
    installed_repo.commit_all()
    return installed_repo


def listed(machine: Machine) -> list[dict[str, Any]]:
    """Return what the machine knows of its sweeps."""
    shown = machine.aexp_fast("sweep", "list", "--format", "json").stdout
    found: list[dict[str, Any]] = json.loads(shown)
    return found


def begin(machine: Machine, *args: str, code: int = 10) -> tuple[str, Completed]:
    """Run the sweep, and return its id and what it said."""
    done = machine.aexp("sweep", "run", "sweep.yaml", *args, check=False).require(code)
    return str(listed(machine)[0]["sweep_id"]), done


def folder_of(machine: Machine, sweep_id: str) -> Path:
    return machine / f".aexp/sweeps/{sweep_id}"


def test_a_sweep_from_plan_to_table(machine: Machine) -> None:
    """SWP-01, SWP-12: run, look, mend, resume, gather; a failed point is exit 10 and one line."""
    sweep_id, done = begin(machine)
    lines = done.stderr.splitlines()
    assert "point 1 failed: ValueError: diverged at [step 3]" in lines
    assert lines[-2:] == [
        "error: 1 of 3 points failed",
        f"hint: see `aexp sweep status {sweep_id}`; `aexp sweep resume {sweep_id}` runs them again",
    ]
    assert done.stdout == f"sweep {sweep_id}: 3 points, 1 ok, 1 failed, 1 skipped\n"
    shown = machine.aexp_fast("sweep", "status").stdout
    assert "points    3: 1 ok, 1 failed, 1 skipped" in shown
    assert "failed    point 1: ValueError: diverged at [step 3] (log: logs/1.1.log)" in shown
    table = machine.aexp_fast("sweep", "table", sweep_id).stdout.splitlines()
    assert table[0].split() == ["run_id", "row", "lr", "n", "step", "loss", "__status"]
    assert [line.split()[-1] for line in table[1:]] == ["ok", "ok", "failed", "skipped"]

    machine.write("mended", "")
    done = machine.aexp("sweep", "resume", sweep_id[:5])
    assert done.stdout.splitlines() == [
        f"sweep {sweep_id}: 3 points, 2 ok, 1 skipped",
        f"its table: `aexp sweep table {sweep_id}`",
    ]
    rows = json.loads(machine.aexp_fast("sweep", "table", sweep_id, "--format", "json").stdout)
    assert [row["loss"] for row in rows] == [0.1 / 3, 0.1 / 4, 0.2 / 3, 0.2 / 4, None]
    assert rows[-1] == {
        "run_id": 2, "row": None, "lr": 0.3, "n": 2, "step": None, "loss": None,
        "__status": "skipped",
    }  # fmt: skip
    changed = machine.git("status", "--porcelain", "--untracked-files=all").stdout.splitlines()
    assert changed and all(line.startswith("?? .aexp/ledger/") for line in changed)


def test_the_table_in_files(machine: Machine) -> None:
    """SWP-12: CSV, Parquet, JSON lines and a dataset hold the same rows; others are refused."""
    machine.write("mended", "")
    sweep_id, _ = begin(machine, code=0)
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        done = machine.aexp_fast("sweep", "table", sweep_id, "-o", name)
        assert done.stdout == f"{name}: 5 rows of 3 points\n"
    machine.aexp_fast("sweep", "table", sweep_id, "--dataset", "set")
    read = {
        "csv": pd.read_csv(machine / "a.csv", float_precision="round_trip"),
        "parquet": pd.read_parquet(machine / "a.parquet").reset_index(),
        "jsonl": pd.read_json(machine / "a.jsonl", lines=True, precise_float=True),
        "set": pd.read_parquet(machine / "set"),
    }
    for name, frame in read.items():
        assert frame["loss"].tolist()[:4] == [0.1 / 3, 0.1 / 4, 0.2 / 3, 0.2 / 4], name
    final = machine.aexp_fast("sweep", "table", sweep_id, "--metrics", "--format", "json").stdout
    assert [row["final"] for row in json.loads(final)] == [0.1 / 3, 0.2 / 3 + 1, None]
    for args, code in (
        (("-o", "a.xlsx"), 2),
        (("-o", "a.csv", "--dataset", "d"), 2),
        (("--dataset", "set"), 8),
        (("--gather", "x"), 2),
        (("--index", "time"), 2),
        (("-o", "nowhere/a.csv"), 8),
    ):
        done = machine.aexp_fast("sweep", "table", sweep_id, *args, check=False).require(code)
        assert done.stderr.startswith("error: ") and "hint: " in done.stderr


def test_another_script_is_refused_with_both_digests(machine: Machine) -> None:
    """SWP-09: drift stops a resume; with the option it is one warning, and it goes on."""
    sweep_id, _ = begin(machine)
    machine.write("points.py", POINTS + "\n# another\n")
    machine.write("mended", "")
    done = machine.aexp_fast("sweep", "resume", sweep_id, check=False).require(2)
    digests = [word for word in done.stderr.split() if len(word.strip(",;")) == 64]
    assert len(set(digests)) == 2 and "--allow-script-drift" in done.stderr
    done = machine.aexp("sweep", "resume", sweep_id, "--allow-script-drift")
    warned = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1 and all(digest in warned[0] for digest in digests)


def test_a_driven_sweep_is_refused_with_its_owner(machine: Machine) -> None:
    """SWP-10, trap 61: a second driver is told who holds the lock; nothing runs."""
    sweep_id, _ = begin(machine)
    before = (folder_of(machine, sweep_id) / "manifest.jsonl").read_bytes()
    with SweepLock(folder_of(machine, sweep_id)):
        done = machine.aexp("sweep", "resume", sweep_id, check=False).require(6)
    assert f"process {os.getpid()} on " in done.stderr and "hint: " in done.stderr
    assert (folder_of(machine, sweep_id) / "manifest.jsonl").read_bytes() == before


def test_a_folder_is_used_once(machine: Machine) -> None:
    """SWP-10, trap 60: a folder that holds a sweep, or anything else, is left as it is."""
    machine.write("elsewhere/notes.txt", "mine")
    done = machine.aexp_fast("sweep", "run", "sweep.yaml", "--out", "elsewhere", check=False)
    assert "notes.txt" in done.require(2).stderr
    sweep_id, _ = begin(machine, "--out", "elsewhere/one")
    before = (machine / "elsewhere/one/manifest.jsonl").read_bytes()
    done = machine.aexp_fast("sweep", "run", "sweep.yaml", "--out", "elsewhere/one", check=False)
    assert "holds a sweep already" in done.require(2).stderr
    assert (machine / "elsewhere/one/manifest.jsonl").read_bytes() == before
    assert len(listed(machine)) == 1
    assert listed(machine)[0]["folder"] == "elsewhere/one"
    machine.write("mended", "")
    machine.aexp("sweep", "resume", sweep_id)
    assert not (folder_of(machine, sweep_id) / "manifest.jsonl").exists()
    assert machine.aexp_fast("sweep", "table", "elsewhere/one").stdout.count("ok") == 4


def test_missing_output_is_said_and_mended(machine: Machine) -> None:
    """SWP-08, trap 67: table and resume tell of it, and repair mends it."""
    machine.write("mended", "")
    sweep_id, _ = begin(machine, code=0)
    before = machine.aexp_fast("sweep", "table", sweep_id).stdout
    path = folder_of(machine, sweep_id) / "out/0/results.csv"
    for blob in (machine / ".git/aexp/registry").rglob("*"):
        if blob.is_file() and blob.read_bytes() == path.read_bytes():
            blob.chmod(0o600)
            blob.unlink()
    path.write_text("step,loss\n")
    done = machine.aexp_fast("sweep", "table", sweep_id)
    assert "output of 1 finished point cannot be used here (0)" in done.stderr
    assert f"aexp sweep repair {sweep_id}" in done.stderr
    assert "missing" in done.stdout
    done = machine.aexp("sweep", "resume", sweep_id)
    assert "warning: the output of 1 finished points is not what it was" in done.stderr
    assert path.read_text() == "step,loss\n"
    machine.aexp("sweep", "repair", sweep_id)
    assert machine.aexp_fast("sweep", "table", sweep_id).stdout == before


def test_status_from_another_terminal(machine: Machine) -> None:
    """SWP-14: while it runs, anybody may ask; its driver and what runs are named."""
    driver = subprocess.Popen(
        [sys.executable, "-m", "aexp", "sweep", "run", "sweep.yaml"],
        cwd=machine.path,
        env={**os.environ, "HANG": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 60
        status: dict[str, Any] = {}
        while time.monotonic() < deadline:
            if found := listed(machine):
                status = found[0]
                if status["points"]["ok"] == 1 and status["points"]["skipped"] == 1:
                    break
            time.sleep(0.1)
        assert status["points"] == {
            "total": 3, "ok": 1, "failed": 0, "skipped": 1, "missing": 1, "running": 1,
            "elsewhere": 0,
        }  # fmt: skip
        assert status["driver"].startswith(f"process {driver.pid} on ")
        shown = machine.aexp_fast("sweep", "status").stdout
        assert f"driver    process {driver.pid} on " in shown and "1 point running" in shown
        driver.send_signal(2)
        _, told = driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode == 130
    assert b"go on with `aexp sweep resume" in told
    status = listed(machine)[0]
    assert status["driver"] is None and status["points"]["missing"] == 1
    assert "driver    none" in machine.aexp_fast("sweep", "status").stdout


def test_a_plan_before_anything_runs(machine: Machine) -> None:
    """SWP-04, SWP-11: a dry run writes nothing; a plan is a record and a folder, and no run."""
    done = machine.aexp_fast("sweep", "plan", "sweep.yaml", "--dry-run", "--seed", "3")
    assert done.stdout.splitlines()[0] == "3 points of lr, n, seed 3"
    assert done.stdout.splitlines()[-1] == "nothing was written" and machine.status() == ""
    assert machine.aexp_fast("sweep", "list").stdout == "no sweeps\n"
    shown = machine.aexp_fast("sweep", "plan", "sweep.yaml", "--format", "json").stdout
    planned = json.loads(shown)
    assert planned["count"] == 3
    changed = machine.git("status", "--porcelain", "--untracked-files=all").stdout
    assert changed == f"?? .aexp/ledger/sweeps/{planned['sweep_id']}.json\n"
    assert listed(machine)[0]["points"]["missing"] == 3
    assert machine.aexp_fast("list-runs", "--format", "json").stdout.strip() == "[]"
    again = machine.aexp_fast("sweep", "plan", "sweep.yaml", "--dry-run", "--format", "json")
    assert json.loads(again.stdout)["first"][1] == {"n": 1, "lr": 0.2}


def test_other_refusals(machine: Machine) -> None:
    """Trap 32: an ordinary mistake is one line, a hint and an exit code."""
    sweep_id, _ = begin(machine)
    machine.write("bad.yaml", SPEC.replace("callable:", "calable:"))
    for args, code, words in (
        (("status", "ffff"), 4, "no sweep ffff"),
        (("resume", sweep_id, "--shard", "3/2"), 2, "no share"),
        (("resume", sweep_id, "--backend", "moon"), 2, "moon"),
        (("run", "bad.yaml"), 2, "callable"),
        (("run", "none.yaml"), 2, "none.yaml"),
        (("table", "no/such/folder"), 4, "no sweep"),
    ):
        done = machine.aexp_fast("sweep", *args, check=False).require(code)
        assert words in done.stderr and "hint: " in done.stderr
        assert "Traceback" not in done.stderr
    manifest = folder_of(machine, sweep_id) / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join([lines[0], b"{]\n", *lines[1:]]))
    done = machine.aexp_fast("sweep", "status", sweep_id, check=False).require(7)
    assert "manifest.jsonl, line 2" in done.stderr
    shown = machine.aexp_fast("sweep", "list")
    assert "cannot be read" in shown.stderr


def test_workers_and_backend_from_the_command_line(machine: Machine) -> None:
    """SWP-13: what is given replaces what the spec says, for this time."""
    machine.write("mended", "")
    sweep_id, _ = begin(machine, "-j", "1", code=0)
    header = json.loads(
        (folder_of(machine, sweep_id) / "manifest.jsonl").read_text().split("\n")[0]
    )
    assert header["backend"] == "local"
    assert header["spec"]["backend"] == {"kind": "local", "workers": 2}
    machine.aexp("sweep", "resume", sweep_id, "--backend", "local", "--workers", "1")
