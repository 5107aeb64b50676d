"""Walk the main job once, for real: runs of a cluster become evidence on a laptop.

Two clones of a bare git remote stand for the two machines. Every command is printed as
``machine$ command``, run, and its outcome checked; the script ends with a non-zero status at the
first thing that is not what it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONDITIONS = {"full": 1.0, "small": 0.1}
"""Condition of E001 -> the fraction of the training images it uses."""
SEEDS = (0, 1)
RUNS = len(CONDITIONS) * len(SEEDS)


class DemoFailure(Exception):
    """A step did not do what it should."""


def expect(fact: bool, what: str) -> None:
    """Print ``what`` as confirmed, or stop the demonstration."""
    if not fact:
        raise DemoFailure(f"expected: {what}")
    print(f"    [ok] {what}", flush=True)


@dataclass(frozen=True)
class Machine:
    """A folder that plays a computer: its own clone, its own git identity, no user settings."""

    name: str
    folder: Path
    env: Mapping[str, str]

    def run(self, *command: str, show: bool = True) -> str:
        """Run a command here and return what it printed to standard output.

        Args:
            command: the program and its arguments.
            show: print the command's output as well as the command.

        Raises:
            DemoFailure: it exited non-zero.
        """
        print(f"{self.name}$ {shlex.join(command)}", flush=True)
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if show or done.returncode != 0:
            for line in (done.stdout + done.stderr).splitlines():
                print(f"    {line}", flush=True)
        if done.returncode != 0:
            raise DemoFailure(f"{self.name}: `{shlex.join(command)}` exited {done.returncode}")
        return done.stdout

    def json(self, *command: str) -> Any:
        """Run a command with ``--format json`` and return what it printed, decoded."""
        text = self.run(*command, "--format", "json", show=False)
        try:
            return json.loads(text)
        except ValueError:
            raise DemoFailure(f"`{shlex.join(command)}` did not print JSON: {text!r}") from None

    def identify(self) -> None:
        """Give this clone a git identity of its own."""
        self.run("git", "config", "user.name", f"Demo on {self.name}", show=False)
        self.run("git", "config", "user.email", f"demo@{self.name}.invalid", show=False)


def sealed_environment(home: Path) -> dict[str, str]:
    """Return an environment in which no setting of the person running this counts."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "AEXP_", "SLURM_"))}
    config = home / "gitconfig"
    config.write_text("[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n")
    programs = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PATH": programs,
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


def heading(text: str) -> None:
    """Print what comes next."""
    print(f"\n== {text}", flush=True)


def start_project(cluster: Machine) -> None:
    """Make a project with a training script on the cluster, and install aexp in it."""
    heading("A project on the cluster, with aexp installed")
    cluster.identify()
    shutil.copy(HERE / "train.py", cluster.folder / "train.py")
    cluster.run("git", "add", "train.py", show=False)
    cluster.run("git", "commit", "--quiet", "-m", "Train a classifier on digits")
    cluster.run("aexp", "install", "--yes", "--machine-label", "cluster")
    cluster.run("git", "add", "--all", show=False)
    cluster.run("git", "commit", "--quiet", "-m", "Install aexp")
    cluster.run("git", "push", "--quiet", "--set-upstream", "origin", "main")
    tracked = cluster.run("git", "ls-files", show=False)
    expect(".runs/" not in tracked, "the run store is not committed")


def plan_experiment(cluster: Machine) -> None:
    """Say what is to be found out, and under which conditions."""
    heading("A hypothesis, and an experiment that can decide it")
    cluster.run("aexp", "new-hypothesis", "--title", "More data helps a linear classifier")
    cluster.run(
        "aexp", "new-experiment", "--title", "Train on all the images and on a tenth of them",
        "--hypothesis", "H001",
    )  # fmt: skip
    experiment = artifact(cluster, "E001")
    print(f"    (an editor fills in `conditions:` of {experiment.relative_to(cluster.folder)})")
    fill_conditions(experiment)
    cluster.run("git", "add", "kb", show=False)
    cluster.run("git", "commit", "--quiet", "-m", "Plan E001")


def artifact(machine: Machine, artifact_id: str) -> Path:
    """Return the one markdown file of a hypothesis, experiment or finding."""
    found = sorted((machine.folder / "kb").rglob(f"{artifact_id}*.md"))
    if len(found) != 1:
        raise DemoFailure(f"expected one file of {artifact_id} under kb/, found {len(found)}")
    return found[0]


def fill_conditions(experiment: Path) -> None:
    """Write the conditions into the frontmatter, as a person would in an editor."""
    lines = experiment.read_text("utf-8").splitlines()
    end = lines.index("---", 1)
    kept: list[str] = []
    skipping = False
    for line in lines[:end]:
        skipping = line.startswith("conditions:") or (skipping and line.startswith(" "))
        if not skipping:
            kept.append(line)
    block = ["conditions:"]
    for name, fraction in CONDITIONS.items():
        block += [f"  {name}:", f"    train_fraction: {fraction}"]
    experiment.write_text("\n".join([*kept, *block, *lines[end:]]) + "\n", "utf-8")


def train(cluster: Machine) -> None:
    """Run the real training for every condition and seed."""
    heading(f"{RUNS} training runs, recorded as they happen")
    for condition, fraction in CONDITIONS.items():
        for seed in SEEDS:
            cluster.run(
                "aexp", "run", "--experiment", "E001", "--sp", f"condition={condition},seed={seed}",
                "--", "python", "train.py", "--train-fraction", str(fraction), "--seed", str(seed),
            )  # fmt: skip


def list_runs(machine: Machine) -> list[dict[str, Any]]:
    """Show the runs that a machine knows, and return them."""
    machine.run("aexp", "list-runs")
    rows = machine.json("aexp", "list-runs")
    return list(rows["runs"] if isinstance(rows, dict) else rows)


def check_runs(runs: Sequence[Mapping[str, Any]], where: str) -> None:
    """Check that ``runs`` are the cluster's, complete, and hold believable accuracies."""
    expect(len(runs) == RUNS, f"{RUNS} runs {where}")
    expect(all(run["status"] == "complete" for run in runs), "every run is complete")
    points = {(run["statepoint"]["condition"], run["statepoint"]["seed"]) for run in runs}
    expect(
        points == {(c, s) for c in CONDITIONS for s in SEEDS},
        "every condition was trained with every seed",
    )
    expect(
        all(run["statepoint"]["train_fraction"] == CONDITIONS[run["statepoint"]["condition"]]
            for run in runs),
        "what the conditions mean is part of each run's identity",
    )  # fmt: skip
    expect(
        all(0.5 < accuracy(run) <= 1.0 for run in runs),
        "every run has its validation accuracy: "
        + ", ".join(f"{accuracy(run):.3f}" for run in runs),
    )


def accuracy(run: Mapping[str, Any]) -> float:
    """Return the final validation accuracy of a run."""
    value = run["metrics"]["val_acc"]
    return float(value["value"] if isinstance(value, Mapping) else value)


def claim(cluster: Machine, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write a finding that cites one run and one batch as its evidence."""
    heading("A finding that cites its evidence: one run, and a batch of runs")
    best = max(runs, key=accuracy)
    cluster.run(
        "aexp", "new-finding", "--title", "All the images beat a tenth of them",
        "--hypothesis", "H001", "--experiment", "E001",
        "--run", best["job_id"], "--batch", "E001?condition=full",
    )  # fmt: skip
    finding = artifact(cluster, "F001").read_text("utf-8")
    expect(best["job_id"] in finding, "the finding cites the best run by its id")
    cluster.run("aexp", "validate")
    report = cluster.json("aexp", "validate")
    expect(report["counts"]["errors"] == 0, "the cluster finds no error")


def share(cluster: Machine) -> None:
    """Commit the claims, project the runs into the ledger, push."""
    heading("Share: commit the claims, backfill the ledger, push")
    cluster.run("git", "add", "kb", show=False)
    cluster.run("git", "commit", "--quiet", "-m", "F001: all the images beat a tenth of them")
    cluster.run("aexp", "ledger", "backfill")
    cluster.run("git", "push")
    shared = cluster.run("git", "ls-tree", "-r", "--name-only", "origin/main", show=False)
    entries = [p for p in shared.splitlines() if p.startswith(".aexp/ledger/")]
    expect(len(entries) == RUNS, f"the remote holds {RUNS} ledger entries")
    clean(cluster)


def clean(machine: Machine) -> None:
    """Check that git has nothing left to say."""
    status = machine.run("git", "status", "--porcelain", show=False)
    expect(not status.strip(), f"git status on the {machine.name} is clean")


def read_elsewhere(laptop: Machine, runs: Sequence[Mapping[str, Any]]) -> None:
    """Validate and list on the machine that never ran anything."""
    heading("The laptop, which never trained anything")
    laptop.identify()
    laptop.run("aexp", "install", "--yes", "--machine-label", "laptop")
    laptop.run("aexp", "validate")
    report = laptop.json("aexp", "validate")
    counts = report["counts"]
    expect(counts["errors"] == counts["warnings"] == 0, "0 errors, 0 warnings on the laptop")
    expect(counts["findings"] == 1, "the finding was among what was validated")
    seen = list_runs(laptop)
    check_runs(seen, "on the laptop")
    expect(
        {r["job_id"]: accuracy(r) for r in seen} == {r["job_id"]: accuracy(r) for r in runs},
        "ids and accuracies are those of the cluster",
    )
    machines = {run.get("registered_machine") for run in seen}
    expect(machines == {"cluster"}, "the runs are marked as the cluster's")
    clean(laptop)


def walk(base: Path) -> None:
    """Run the whole story in ``base``."""
    home = base / "home"
    home.mkdir()
    env = sealed_environment(home)
    desk = Machine("demo", base, env)
    heading(f"A git remote and two clones of it in {base}")
    desk.run("git", "init", "--quiet", "--bare", "remote.git")
    desk.run("git", "init", "--quiet", "cluster")
    cluster = Machine("cluster", base / "cluster", env)
    cluster.run("git", "remote", "add", "origin", "../remote.git")

    start_project(cluster)
    plan_experiment(cluster)
    train(cluster)
    runs = list_runs(cluster)
    check_runs(runs, "on the cluster")
    claim(cluster, runs)
    share(cluster)

    desk.run("git", "clone", "--quiet", "remote.git", "laptop")
    read_elsewhere(Machine("laptop", base / "laptop", env), runs)


def farewell(base: Path, kept: bool) -> None:
    """Say what to try next."""
    heading("All of it held. What to try next")
    if kept:
        print(f"  Both clones are in {base}. In its laptop folder:")
        print("    aexp show-run ID                    one run, with parameters and metrics")
        print("    aexp ledger list                    the shared facts, without any run store")
        print("    delete a file of .aexp/ledger/, then aexp validate      the evidence is missed")
    else:
        print("  Look around in the two clones:    make demo DEMO_ARGS=--keep")
    print("  Use it in a repository of yours:  aexp install")
    print("  Read on:                          docs/tutorial/first-steps.md")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the folder with both clones")
    options = parser.parse_args(argv)
    base = Path(tempfile.mkdtemp(prefix="aexp-demo-")).resolve()
    try:
        walk(base)
        farewell(base, options.keep)
    except DemoFailure as failure:
        print(f"\nThe demonstration stopped: {failure}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
