"""Walk the main job once, for real: runs of a cluster become evidence on a laptop.

Two clones of a bare git remote stand for the two machines. What a person would type is printed as
``machine$ command``, with the part of its output that matters here; ``[ok]`` is a fact that the
script has checked. It ends with a non-zero status at the first one that does not hold.
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
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONDITIONS = {"full": 1.0, "small": 0.1}
"""Condition of E001 -> the fraction of the training images it uses."""
SEEDS = (0, 1)
RUNS = len(CONDITIONS) * len(SEEDS)
WIDTH = 80


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

    def run(self, *command: str, lines: slice | None = None) -> str:
        """Show a command, run it here and return what it printed to standard output.

        Args:
            command: the program and its arguments.
            lines: which lines of its output to show; all of them when None.

        Raises:
            DemoFailure: it exited non-zero.
        """
        print(prompt(self.name, command), flush=True)
        done = self._start(command)
        for line in (done.stdout + done.stderr).splitlines()[lines or slice(None)]:
            print(f"    {line}".rstrip(), flush=True)
        return done.stdout

    def quietly(self, *command: str) -> str:
        """Run a command that is no part of the story, and return what it printed.

        Raises:
            DemoFailure: it exited non-zero.
        """
        return self._start(command).stdout

    def _start(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            print(textwrap.indent(done.stdout + done.stderr, "    "), flush=True)
            raise DemoFailure(f"{self.name}: `{shlex.join(command)}` exited {done.returncode}")
        return done

    def json(self, *command: str) -> Any:
        """Run a command with ``--format json`` and return what it printed, decoded."""
        text = self.quietly(*command, "--format", "json")
        try:
            return json.loads(text)
        except ValueError:
            raise DemoFailure(f"`{shlex.join(command)}` did not print JSON: {text!r}") from None

    def identify(self) -> None:
        """Give this clone a git identity of its own."""
        self.quietly("git", "config", "user.name", f"Demo on {self.name}")
        self.quietly("git", "config", "user.email", f"demo@{self.name}.invalid")


def prompt(name: str, command: Sequence[str]) -> str:
    """Return a command as it would be typed, continued on further lines where it is long."""
    rows = [f"{name}$"]
    for word in map(shlex.quote, command):
        if len(rows[-1]) + len(word) + 3 > WIDTH:
            rows[-1] += " \\"
            rows.append("   ")
        rows[-1] += f" {word}"
    return "\n".join(rows)


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
        "COLUMNS": str(WIDTH - 4),
        "NO_COLOR": "1",
    }


def heading(text: str, why: str = "") -> None:
    """Print what comes next, and what it is for."""
    print(f"\n== {text}", flush=True)
    if why:
        rows = textwrap.wrap(why, WIDTH - 3, break_long_words=False, break_on_hyphens=False)
        print("\n".join(f"   {row}" for row in rows))
        print(flush=True)


def start_project(cluster: Machine) -> None:
    """Make a project with a training script on the cluster, and install aexp in it."""
    heading(
        "A project on the cluster, with aexp installed",
        "aexp lives in an ordinary git repository; this one has a training script.",
    )
    cluster.identify()
    shutil.copy(HERE / "train.py", cluster.folder / "train.py")
    cluster.quietly("git", "add", "train.py")
    cluster.quietly("git", "commit", "--quiet", "-m", "Train a classifier on digits")
    cluster.run("aexp", "install", "--yes", "--machine-label", "cluster", lines=slice(0, 6))
    print("    ... (kb/ for what you write, slash commands for agents, the run store)")
    cluster.run("git", "add", "--all")
    cluster.run("git", "commit", "--quiet", "-m", "Install aexp")
    tracked = cluster.quietly("git", "ls-files")
    expect(".runs/" not in tracked, "the run store is not committed")


def plan_experiment(cluster: Machine) -> None:
    """Say what is to be found out, and under which conditions."""
    heading(
        "A hypothesis, and an experiment that can decide it",
        "Both are markdown files; the experiment says what its conditions mean.",
    )
    cluster.run("aexp", "new-hypothesis", "--title", "More data helps")
    cluster.run("aexp", "new-experiment", "--title", "All or a tenth", "--hypothesis", "H001")
    fill_conditions(artifact(cluster, "E001"))
    print("    (an editor writes into it:  conditions:")
    written = [f"{name}: {{train_fraction: {value}}}" for name, value in CONDITIONS.items()]
    print(textwrap.indent("\n".join(written) + ")", " " * 34), flush=True)
    cluster.run("git", "add", "kb")
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
    heading(
        f"{RUNS} training runs, recorded as they happen",
        "--sp says which run it is, and the command follows --. Of the output, only the last two "
        "lines are shown here.",
    )
    for condition, fraction in CONDITIONS.items():
        for seed in SEEDS:
            cluster.run(
                "aexp", "run", "--experiment", "E001", "--sp", f"condition={condition},seed={seed}",
                "--", "python", "train.py", "--train-fraction", str(fraction), "--seed", str(seed),
                lines=slice(-2, None),
            )  # fmt: skip


def known_runs(machine: Machine) -> list[dict[str, Any]]:
    """Return the runs that a machine knows."""
    return list(machine.json("aexp", "list-runs"))


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
        "each has its validation accuracy: " + ", ".join(f"{accuracy(run):.3f}" for run in runs),
    )


def accuracy(run: Mapping[str, Any]) -> float:
    """Return the final validation accuracy of a run."""
    value = run["metrics"]["val_acc"]
    return float(value["value"] if isinstance(value, Mapping) else value)


def claim(cluster: Machine, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write a finding that cites one run and one batch as its evidence."""
    heading(
        "A finding that cites its evidence: one run, and a batch of runs",
        "The batch is every run of E001 under the condition `full`.",
    )
    best = max(runs, key=accuracy)
    cluster.run(
        "aexp", "new-finding", "--title", "All images beat a tenth", "--hypothesis", "H001",
        "--experiment", "E001", "--run", best["job_id"][:8], "--batch", "E001?condition=full",
        lines=slice(0, 1),
    )  # fmt: skip
    finding = artifact(cluster, "F001").read_text("utf-8")
    expect(best["job_id"] in finding, "the finding cites the best run by its whole id")
    cluster.run("aexp", "validate", lines=slice(-1, None))
    report = cluster.json("aexp", "validate")
    expect(report["counts"]["errors"] == 0, "the cluster finds no error")
    expect(
        {issue["code"] for issue in report["issues"]} == {"ledger.uncommitted"},
        "its warnings say that nobody else can see the evidence yet",
    )


def share(cluster: Machine) -> None:
    """Commit the claims, project the runs into the ledger, push."""
    heading(
        "Share: commit the claims, then `aexp sync`",
        "It commits the ledger, a small file per run, merges, and pushes.",
    )
    cluster.run("git", "add", "kb")
    cluster.run("git", "commit", "--quiet", "-m", "F001: all images beat a tenth")
    cluster.run("aexp", "sync")
    shared = cluster.quietly("git", "ls-tree", "-r", "--name-only", "origin/main")
    entries = [p for p in shared.splitlines() if p.startswith(".aexp/ledger/")]
    expect(len(entries) == RUNS, f"the remote holds {RUNS} ledger entries")
    clean(cluster)


def clean(machine: Machine) -> None:
    """Check that git has nothing left to say."""
    status = machine.quietly("git", "status", "--porcelain")
    expect(not status.strip(), f"git status on the {machine.name} is clean")


def read_elsewhere(laptop: Machine, runs: Sequence[Mapping[str, Any]]) -> None:
    """Validate and list on the machine that never ran anything."""
    laptop.identify()
    laptop.run("aexp", "validate")
    laptop.run("aexp", "install", "--yes", "--machine-label", "laptop", lines=slice(-4, -3))
    for condition in CONDITIONS:
        selector = f"condition={condition}"
        laptop.run("aexp", "list-runs", "--experiment", "E001", "--sp", selector)
    report = laptop.json("aexp", "validate")
    counts = report["counts"]
    expect(counts["errors"] == counts["warnings"] == 0, "0 errors, 0 warnings on the laptop")
    expect(counts["findings"] == 1, "the finding was among what was validated")
    seen = known_runs(laptop)
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
    heading("A git remote, and a clone of it that plays the cluster", f"All of it is in {base}")
    desk.run("git", "init", "--quiet", "--bare", "remote.git")
    desk.run("git", "init", "--quiet", "cluster")
    cluster = Machine("cluster", base / "cluster", env)
    cluster.run("git", "remote", "add", "origin", "../remote.git")

    start_project(cluster)
    plan_experiment(cluster)
    train(cluster)
    runs = known_runs(cluster)
    check_runs(runs, "on the cluster")
    claim(cluster, runs)
    share(cluster)

    heading(
        "The laptop, which never trained anything",
        "A plain clone is enough to validate. To record runs too, it installs once.",
    )
    desk.run("git", "clone", "--quiet", "remote.git", "laptop")
    read_elsewhere(Machine("laptop", base / "laptop", env), runs)


def farewell(base: Path, kept: bool) -> None:
    """Say what to try next."""
    heading("All of it held. What to try next")
    if kept:
        print(f"  Both clones are in {base}. In its laptop folder:")
        print("    aexp show-run ID    one run, with parameters and metrics")
        print("    aexp ledger list    the shared facts, without any run store")
        print("    rm .aexp/ledger/*; aexp validate    the missing evidence is noticed")
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
