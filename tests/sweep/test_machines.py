"""One sweep on two machines, with nothing between them but git (SWP-11)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aexp.repo import open_layout
from aexp.sweep.frames import SweepTable
from aexp.sweep.known import find_sweep
from aexp.workspace.store import RunStore
from tests.support.machines import Machine, TwoMachines, clone_repo
from tests.sweep.test_frames import same

POINTS = """
import os
import time

from aexp.sweep import output_folder


def main(lr, n):
    while n == 2 and os.environ.get("HANG"):
        time.sleep(0.02)
    rows = "".join(f"{i},{n + lr / (i + 3)!r}\\n" for i in range(3))
    (output_folder() / "results.csv").write_text("step,loss\\n" + rows)
    return {"loss": lr / 3 + n}
"""

SPEC = """
experiment: E001
callable: points:main
script: points.py
parameters:
  product:
    - monte_carlo: {n: 2, seed: 7, parameters: {lr: {loguniform: [1.0e-4, 0.1]}}}
    - grid: {n: [0, 1, 2]}
outputs: {table: results.csv}
backend: {kind: local, workers: 1}
"""


@pytest.fixture
def two(two_machines: TwoMachines) -> TwoMachines:
    """Two clones that have the sweep's program and its spec."""
    two_machines.cluster.write("points.py", POINTS)
    two_machines.cluster.write("sweep.yaml", SPEC)
    two_machines.cluster.aexp_fast("new-hypothesis", "--title", "Smaller is better")
    two_machines.cluster.aexp_fast("new-experiment", "--title", "S", "--hypothesis", "H001")
    two_machines.cluster.commit_all()
    two_machines.cluster.push()
    two_machines.laptop.pull()
    return two_machines


def frames(machine: Machine, sweep_id: str, **options: Any) -> pd.DataFrame:
    """Return the table of a sweep as this machine has it."""
    return SweepTable(find_sweep(open_layout(machine.path), sweep_id), **options).frame()


def runs_of(machine: Machine) -> int:
    """Return how many runs began on this machine."""
    return len(RunStore(open_layout(machine.path)).ids())


def the_sweep(machine: Machine) -> dict[str, Any]:
    """Return the one sweep that a machine knows of."""
    (found,) = json.loads(machine.aexp("sweep", "list", "--format", "json").stdout)
    return dict(found)


def undisturbed(two: TwoMachines, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables of the same sweep on a machine of its own, that nobody disturbed."""
    alone = clone_repo(two.remote, folder / "alone", label="alone")
    alone.install()
    alone.aexp("sweep", "run", "sweep.yaml")
    sweep_id = the_sweep(alone)["sweep_id"]
    return frames(alone, sweep_id), frames(alone, sweep_id, metrics=True)


def start_and_kill(machine: Machine, ended: int) -> str:
    """Start the sweep, kill its driver when so many points have ended, and return its id."""
    driver = subprocess.Popen(
        [sys.executable, "-m", "aexp", "sweep", "run", "sweep.yaml"],
        cwd=machine.path,
        env={**os.environ, "HANG": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and driver.poll() is None:
            lines = [m.read_bytes() for m in machine.path.glob(".aexp/sweeps/*/manifest.jsonl")]
            if lines and lines[0].count(b"\n") == ended + 1:
                break
            time.sleep(0.05)
        assert driver.poll() is None
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    return str(the_sweep(machine)["sweep_id"])


def test_begun_here_and_finished_there(two: TwoMachines, tmp_path: Path) -> None:
    """SWP-11: killed half-way on one clone, finished on another from git alone; nothing twice.

    The merged tables are those of the undisturbed sweep, bit by bit, on both machines; a commit in
    between re-runs nothing, unless ``--fresh``.
    """
    files, metrics = undisturbed(two, tmp_path)
    sweep_id = start_and_kill(two.cluster, ended=2)
    two.cluster.aexp("sync")
    two.laptop.aexp("sync")
    assert the_sweep(two.laptop)["points"]["ok"] == 2
    assert "folder    not here" in two.laptop.aexp("sweep", "status", sweep_id[:6]).stdout
    two.laptop.write("other.py", "print('unrelated')\n")
    two.laptop.commit_all("A commit in between")

    two.laptop.aexp("sweep", "resume", sweep_id[:6])
    assert runs_of(two.laptop) == 4
    assert same(frames(two.laptop, sweep_id, metrics=True), metrics)

    missing = two.laptop.aexp("sweep", "table", sweep_id)
    assert "2 finished points cannot be used here" in missing.stderr
    assert "aexp pull E001" in missing.stderr
    place = tmp_path / "bytes"
    two.cluster.aexp("push", "E001", "--remote", str(place))
    two.laptop.aexp("pull", "E001", "--remote", str(place))
    assert same(frames(two.laptop, sweep_id), files)

    two.laptop.aexp("push", "E001", "--remote", str(place))
    two.laptop.aexp("sync")
    two.cluster.aexp("sync")
    assert the_sweep(two.cluster)["points"] == {
        "total": 6, "ok": 6, "failed": 0, "skipped": 0, "missing": 0, "running": 0, "elsewhere": 4,
    }  # fmt: skip
    assert same(frames(two.cluster, sweep_id, metrics=True), metrics)
    before = runs_of(two.cluster)
    two.cluster.aexp("sweep", "resume", sweep_id)
    assert runs_of(two.cluster) == before
    two.cluster.aexp("pull", "E001", "--remote", str(place))
    assert same(frames(two.cluster, sweep_id), files)

    two.laptop.aexp("sweep", "resume", sweep_id, "--fresh")
    assert runs_of(two.laptop) == 6
    assert same(frames(two.laptop, sweep_id, metrics=True), metrics)


def test_two_machines_share_one_sweep(two: TwoMachines, tmp_path: Path) -> None:
    """SWP-11: each runs its share at the same time, and both have the table of the whole."""
    _, metrics = undisturbed(two, tmp_path)
    two.cluster.aexp("sweep", "plan", "sweep.yaml")
    sweep_id = str(the_sweep(two.cluster)["sweep_id"])
    two.cluster.aexp("sync")
    two.laptop.aexp("sync")
    shares = [
        subprocess.Popen(
            [sys.executable, "-m", "aexp", "sweep", "resume", sweep_id, "--shard", share],
            cwd=machine.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for machine, share in ((two.cluster, "1/2"), (two.laptop, "2/2"))
    ]
    for number, process in enumerate(shares, start=1):
        shown, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        assert f"3 ok, 3 to do, share {number} of 2 done" in shown
    assert (runs_of(two.cluster), runs_of(two.laptop)) == (3, 3)
    for machine in (two.cluster, two.laptop, two.cluster):
        machine.aexp("sync")
    for machine in (two.cluster, two.laptop):
        assert the_sweep(machine)["points"]["missing"] == 0
        assert same(frames(machine, sweep_id, metrics=True), metrics)
        machine.aexp("sweep", "resume", sweep_id)
        assert runs_of(machine) == 3
        machine.aexp("ledger", "verify")
        machine.aexp("validate")
