"""Make the data of this folder anew, by running agentic-experiments 0.6.1.

Run it with an interpreter that has that version installed, and nothing of this project:

    .venv/peer/bin/python tests/golden/agentic-experiments-0.6.1/make_golden.py OUT

``tests/compat/test_golden.py`` does so and compares OUT with what lies here. The clock and the
commits are fixed, so only measured durations and the day of a kb file may differ.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aexp
from aexp.ledger import backfill_ledger, promote_to_ledger
from aexp.runs_index import export_index

WANTED = "0.6.1"
STEP = datetime.timedelta(seconds=61)
NEUTRAL_PYTHON = "/opt/research/bin/python3"

CONDITIONS = """conditions:
  full:
    width: 64
    tools: ["a", "b"]
  small:
    width: 8
"""
BODY = "Reduced to its heading.\n"


class Clock:
    """Every question about the time is answered 61 seconds later than the one before."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2025, 6, 1, 8, 0, 0)

    def __call__(self) -> str:
        self.now += STEP
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


class Tracker:
    """A tracker of the shape that 0.6.1 asks for, which keeps nothing."""

    name = "wandb"

    def init_run(self, *, project: str, group: str, **_: object) -> aexp.RunHandle:
        """Answer as W&B would."""
        return aexp.RunHandle(
            id="a1b2c3d4",
            backend="wandb",
            url="https://wandb.example/team/digits/runs/a1b2c3d4",
            project=project,
            group=group,
            extra={},
        )


def main() -> None:
    """Write the data into the folder that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out.resolve()
    if version("agentic-experiments") != WANTED:
        sys.exit(f"this needs agentic-experiments {WANTED}")
    fix_clock()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temp:
        cluster, laptop = Path(temp) / "cluster", Path(temp) / "laptop"
        seal_git(Path(temp))
        make_repo(cluster)
        subprocess.run(["git", "clone", "-q", str(cluster), str(laptop)], check=True)
        runs = on_cluster(cluster)
        runs |= on_laptop(laptop)
        shutil.copy(laptop / ".aexp/runs-index/laptop.json", cluster / ".aexp/runs-index")
        reduce_kb(cluster, runs)
        # Not its full check, which fails on runs with and without a condition (trap 28).
        result = aexp.validate_repo(cluster, mode="kb-only")
        if result.errors:
            sys.exit(f"0.6.1 itself finds fault: {[i.message for i in result.errors]}")
        save(cluster, out / "repo")
        save(laptop, out / "laptop", parts=(".aexp/ledger", ".aexp/runs-index"))
        unsound = Path(temp) / "unsound"
        make_repo(unsound)
        runs |= what_it_should_refuse(unsound)
        save(unsound, out / "unsound", parts=(".aexp/ledger", ".runs"))
    (out / "runs.json").write_text(json.dumps(runs, indent=2, sort_keys=True) + "\n", "utf-8")


def fix_clock() -> None:
    """Replace the clock in each of its modules."""
    clock = Clock()
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "aexp" and hasattr(module, "iso_utc_now"):
            module.iso_utc_now = clock  # type: ignore[attr-defined]


def seal_git(home: Path) -> None:
    """Let commits have the same ids everywhere."""
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        del os.environ[name]
    day = "2025-06-01T08:00:00Z"
    os.environ.update(
        HOME=str(home), GIT_CONFIG_NOSYSTEM="1", TZ="UTC",
        GIT_AUTHOR_NAME="A Researcher", GIT_AUTHOR_EMAIL="researcher@example.invalid",
        GIT_COMMITTER_NAME="A Researcher", GIT_COMMITTER_EMAIL="researcher@example.invalid",
        GIT_AUTHOR_DATE=day, GIT_COMMITTER_DATE=day,
    )  # fmt: skip


def make_repo(root: Path) -> None:
    """Make a repository with one commit; what 0.6.1 installs does not make the code dirty."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    (root / "train.py").write_text("print('training')\n", "utf-8")
    (root / ".gitignore").write_text("*.log\n/data/\n", "utf-8")
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "start"], cwd=root, check=True)


def enter(root: Path, label: str) -> None:
    """Install 0.6.1 here and go there."""
    os.chdir(root)
    aexp.install_scaffold(root, machine_label=label)
    everything = "".join(
        f"/{p.name}\n" for p in root.iterdir() if p.name not in (".git", "train.py")
    )
    (root / ".git/info/exclude").write_text(everything, "utf-8")
    subprocess.run(["git", "update-index", "--assume-unchanged", ".gitignore"], check=True)


def on_cluster(root: Path) -> dict[str, str]:
    """Record runs of every kind that 0.6.1 promotes, and of every status it has."""
    enter(root, "cluster")
    aexp.new_thread(title="What width buys")
    aexp.new_hypothesis(title="Width helps", thread_id="T001")
    aexp.new_experiment(title="Digits and width", hypothesis_id="H001")
    aexp.new_experiment(title="Digits and depth", hypothesis_id="H001")
    path = next((root / "kb/research/experiments").glob("E001-*.md"))
    path.write_text(path.read_text("utf-8").replace("conditions: {}\n", CONDITIONS), "utf-8")
    run = Runs()

    # Promoted at the end of its block, so that the entry has neither end nor duration (trap 1).
    with aexp.run_lifecycle(run.new("complete", condition="full", seed=0)) as job:
        job.doc["acc"] = 0.913
        job.doc["loss"] = float("nan")
    job = run.new("failed", condition="small", seed=0)
    with contextlib.suppress(RuntimeError), aexp.run_lifecycle(job):
        raise RuntimeError("out of memory")
    job = run.new("interrupted", condition="small", seed=1)
    with contextlib.suppress(KeyboardInterrupt), aexp.run_lifecycle(job):
        raise KeyboardInterrupt
    # The same, and then promoted again with all its fields.
    job = run.new("complete_again", condition="full", seed=1)
    with aexp.run_lifecycle(job):
        job.doc["acc"] = 0.921
    promote_to_ledger(job)

    # A status set by hand: it ended, and nobody measured how long it took.
    for status in ("complete", "failed", "stopped", "abandoned"):
        aexp.mark_status(run.new(f"marked_{status}", marked=status), status)
    aexp.mark_status(run.new("ended_by_caller", ended="caller"), "complete", set_ended_at=False)
    job = run.new("created_twice", twice=True)
    if aexp.create_run(experiment_id="E001", statepoint={"twice": True}).id != job.id:
        sys.exit("one state point became two runs")
    aexp.mark_status(job, "complete")

    queued = aexp.add_to_queue(experiment_id="E001", statepoint={"q": 1}, tag="night")
    aexp.remove_from_queue(run.named("queue_removed", queued).id)
    run.named("queued", aexp.add_to_queue(experiment_id="E001", statepoint={"q": 2}, tag="night"))
    run.new("created", still="created")
    aexp.mark_status(run.new("running", still="running"), "running")

    # State points of every JSON kind.
    values = {
        "größe": "größe 実験 🧪", "f": 1e-7, "g": -0.0, "one": 1.0, "none": None, "empty": {},
        "list": [], "yes": True, "big": 2**60, "deep": {"a": {"b": [1, {"c": 2.5}, "x"]}},
        "text": "line\nbreak \"quoted\" \\ /", "number_text": "0",
    }  # fmt: skip
    job = run.new("no_commit", include_commit=False, **values)
    with aexp.run_lifecycle(job):
        pass
    run.new("same_everywhere", include_commit=False, lr=0.1, seed=3)
    aexp.mark_status(run["same_everywhere"], "complete")

    job = run.new("tracked", condition="full", seed=2)
    aexp.bind_tracker(job, Tracker(), project="digits", condition="full")
    with aexp.run_lifecycle(job):
        job.doc["tracker"]["init_kwargs"] = {"entity": "team", "settings": {"mode": "offline"}}
        job.doc["events"] = [{"at": "start"}, {"at": "end", "ok": True}]

    run.new("other_experiment", experiment_id="E002", hypothesis_id="H001", depth=3)
    aexp.mark_status(run["other_experiment"], "complete")
    job = run.new("relinked", relinked=True)
    aexp.mark_status(job, "complete")
    aexp.link_to_experiment(job.id, experiment_id="E002", hypothesis_id="H001")

    (root / "train.py").write_text("print('another training')\n", "utf-8")
    with aexp.run_lifecycle(run.new("dirty", condition="full", seed=4)):
        pass
    subprocess.run(["git", "checkout", "-q", "train.py"], check=True)

    aexp.new_finding(title="Wider is better", hypothesis_id="H001", experiment_id="E001")
    aexp.new_finding(title="One run", hypothesis_id="H001", experiment_id="E001")
    aexp.new_finding(title="One batch", hypothesis_id="H001", experiment_id="E002", impact="LOW")
    aexp.new_finding(title="No run yet", hypothesis_id="H001", experiment_id="E002")
    aexp.new_finding(title="On the laptop", hypothesis_id="H001", experiment_id="E001")
    export_index(root)
    return run.ids


def on_laptop(root: Path) -> dict[str, str]:
    """Record one run that the cluster has too, one more, and one that is only in the index."""
    enter(root, "laptop")
    run = Runs()
    job = aexp.create_run(
        experiment_id="E001", statepoint={"lr": 0.1, "seed": 3}, include_commit=False
    )
    with aexp.run_lifecycle(job):
        pass
    aexp.mark_status(run.new("laptop", where="laptop"), "complete")
    aexp.mark_status(run.new("laptop_index", where="laptop", shared="index"), "complete")
    backfill_ledger(root, overwrite=True)
    export_index(root)
    (root / f".aexp/ledger/{run.ids['laptop_index']}.json").unlink()
    return run.ids


def what_it_should_refuse(root: Path) -> dict[str, str]:
    """Record what 0.6.1 takes and a ledger that can be trusted does not."""
    enter(root, "cluster")
    run = Runs()
    aexp.mark_status(run.new("nan", include_commit=False, lr=float("nan")), "complete")
    url = "https://reader:password@data.example/digits"
    aexp.mark_status(run.new("credentials", include_commit=False, data=url), "complete")
    place = "/home/researcher/data/digits"
    aexp.mark_status(run.new("absolute_path", include_commit=False, data=place), "complete")
    aexp.mark_status(run.new("odd_status", include_commit=False, odd=1), "skipped")
    orphan = run.named("orphan", aexp.get_run_store(root).open_job({"plain": 1}).init())
    orphan.doc["status"] = "complete"
    promote_to_ledger(orphan)
    return run.ids


class Runs(dict):  # type: ignore[type-arg]
    """The runs of one machine by the name that ``runs.json`` gives them."""

    def new(
        self,
        name: str,
        *,
        experiment_id: str = "E001",
        hypothesis_id: str | None = None,
        include_commit: bool = True,
        **statepoint: object,
    ) -> Any:
        """Create a run."""
        job = aexp.create_run(
            experiment_id=experiment_id,
            statepoint=statepoint,
            hypothesis_id=hypothesis_id,
            include_commit=include_commit,
        )
        return self.named(name, job)

    def named(self, name: str, job: Any) -> Any:
        """Remember a run."""
        self[name] = job
        return job

    @property
    def ids(self) -> dict[str, str]:
        """Job ids by name."""
        return {name: job.id for name, job in self.items()}


def reduce_kb(root: Path, runs: dict[str, str]) -> None:
    """Cut every kb file to frontmatter, headings and links, and let the findings cite."""
    citations = {
        "F001": [
            {"type": "job", "id": runs["complete"]},
            {"type": "job", "id": runs["no_commit"]},
            {"type": "batch", "experiment_id": "E001", "selector": {"condition": "full"}},
        ],
        "F002": {"type": "job", "id": runs["tracked"]},
        "F003": {"type": "batch", "experiment_id": "E002", "selector": {"depth": 3}},
        "F005": [{"type": "job", "id": runs["laptop_index"]}],
    }
    for path in (root / "kb").rglob("*.md"):
        cited = citations.get(path.name.split("-")[0])
        path.write_text(reduced(path.read_text("utf-8"), cited), "utf-8")


def reduced(text: str, cited: object) -> str:
    """Return a kb file without the sentences of its template."""
    lines = text.split("\n")
    kept: list[str] = []
    if lines[0] == "---":
        end = lines.index("---", 1)
        front = [line.split("  # ")[0] for line in lines[1:end] if not line.startswith("#")]
        kept = ["---", *front]
        if cited is not None:
            kept.append(f"supporting_runs: {json.dumps(cited)}")
        kept.append("---\n")
        lines = lines[end + 1 :]
    section = ""
    for line in lines:
        if line.startswith(("# ", "## ")):
            section = line
            kept.append(
                f"{line}\n" if line.startswith("# ") or "Links" in line else f"{line}\n\n{BODY}"
            )
        elif section == "## Links":
            kept += [f"- {link}" for link in re.findall(r"\[\[[^\]]+\]\]", line)]
    return "\n".join(kept).rstrip("\n") + "\n"


def save(
    root: Path,
    out: Path,
    parts: tuple[str, ...] = (".aexp", ".runs", ".gitignore", "kb", "train.py"),
) -> None:
    """Copy what is kept, with ``dot-`` for a leading dot: in our repository these are data."""
    for part in parts:
        source = root / part
        target = out / part.replace(".", "dot-", 1) if part.startswith(".") else out / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".gitkeep")
            )
        else:
            shutil.copy(source, target)
    for path in sorted(out.rglob(".*"), reverse=True):
        path.rename(path.with_name("dot-" + path.name[1:]))
    marker = out / "dot-aexp/installed.json"
    if marker.exists():
        content = json.loads(marker.read_text("utf-8"))
        content["python_exe"] = NEUTRAL_PYTHON
        marker.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    ignore = out / "dot-gitignore"
    if ignore.exists():
        lines = ignore.read_text("utf-8").splitlines()
        ours = [
            line for line in lines if not line.startswith("#") or "agentic-experiments:" in line
        ]
        ignore.write_text("\n".join(ours) + "\n", "utf-8")


if __name__ == "__main__":
    main()
