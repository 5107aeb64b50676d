"""A repository with runs and findings of every kind that we write, for 0.6.1 to read."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from aexp.ledger.store import load_usable
from aexp.model.entry import Parts, encode_entry, merge, put_together, take_apart
from aexp.repo import open_layout
from aexp.runs import create_run, mark_status
from tests.compat.golden import entry
from tests.support.machines import Machine

TRAINING = """\
import sys
import aexp
run = aexp.current_run()
run.log_parameter("optimizer", "adam")
run.log_parameter("data", "/scratch/user/digits")
for step in range(3):
    run.log_metric("acc", 0.5 + step / 10, step=step)
run.log_metric("loss", float("nan"))
run.log_metric("bound", float("inf"))
run.flush()
sys.exit(int(sys.argv[1]))
"""
CONDITIONS = "conditions:\n  full:\n    width: 64\n    tools: [a, b]\n"


@dataclass(frozen=True)
class Ours:
    """The repository and its runs by name."""

    machine: Machine
    runs: dict[str, str]


def our_repo(machine: Machine) -> Ours:
    """Fill an installed repository with artifacts, runs, citations and an index."""
    machine.aexp_fast("new-hypothesis", "--title", "Width helps")
    machine.aexp_fast("new-experiment", "--title", "Digits", "--hypothesis", "H001")
    machine.aexp_fast("new-experiment", "--title", "Depth", "--hypothesis", "H001")
    _let_have_conditions(machine)
    machine.write("train.py", TRAINING)
    machine.commit_all("Plan")
    runs = {
        "complete": _run(machine, "E001", "condition=full,seed=0"),
        "failed": _run(machine, "E001", "condition=full,seed=1", code=3),
        "nested": _run(machine, "E001", 'condition=full,o.lr=0.1,layers=[64,"größe"],n=null'),
    }
    _run(machine, "E001", "condition=full,seed=0", "--again")
    for status in ("stopped", "abandoned"):
        job = create_run("E001", {"condition": "full", "by": status}, repo_root=machine)
        mark_status(job, status)
        runs[status] = job.id
    job = create_run("E002", {"data": "/scratch/user/digits"}, repo_root=machine)
    mark_status(job, "complete")
    runs["redacted"] = job.id
    job = create_run("E002", {"gone": True}, include_commit=False, repo_root=machine)
    mark_status(job, "complete")
    runs["retracted"] = job.id
    machine.aexp_fast("tag", runs["complete"], "--add", "best", "--add", "größe")
    machine.aexp_fast("note", runs["complete"], "the one to show")
    machine.aexp_fast(
        "bind-tracker", runs["complete"], "--backend", "wandb", "--run-id", "a1b2",
        "--url", "https://wandb.example/r/a1b2", "--project", "digits",
    )  # fmt: skip
    job = create_run("E002", {"still": "created"}, repo_root=machine)
    runs["created"] = job.id
    machine.aexp_fast("link", runs["nested"], "--experiment", "E001", "--hypothesis", "H001")
    _findings(machine, runs)
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    _retract(machine, runs["retracted"])
    machine.aexp_fast("runs-export-index")
    machine.commit_all("Runs and findings")
    return Ours(machine, runs)


def _let_have_conditions(machine: Machine) -> None:
    (path,) = (machine / "kb/research/experiments").glob("E001-*.md")
    text = path.read_text("utf-8")
    lines = [line for line in text.split("\n") if not line.startswith("conditions:")]
    end = lines.index("---", 1)
    path.write_text("\n".join([*lines[:end], CONDITIONS.rstrip(), *lines[end:]]), "utf-8")


def _run(machine: Machine, experiment: str, point: str, *more: str, code: int = 0) -> str:
    before = set(_folders(machine))
    command = ["run", "-e", experiment, "--sp", point, *more, "--", sys.executable]
    machine.aexp(*command, "train.py", str(code), check=False).require(code)
    new = set(_folders(machine)) - before
    return new.pop() if new else ""


def _folders(machine: Machine) -> list[str]:
    workspace = machine / ".runs/workspace"
    return [p.name for p in workspace.iterdir() if len(p.name) == 32] if workspace.is_dir() else []


def _findings(machine: Machine, runs: dict[str, str]) -> None:
    new = ("new-finding", "--hypothesis", "H001", "--experiment", "E001", "--title")
    machine.aexp_fast(*new, "Runs", "--run", runs["complete"], "--run", runs["nested"])
    machine.aexp_fast(*new, "One")
    machine.aexp_fast(*new, "Batch")
    _cite(machine, "F002", {"type": "job", "id": runs["complete"]})
    batch = {"type": "batch", "experiment_id": "E001", "selector": {"condition": "full"}}
    _cite(machine, "F003", [batch])


def _cite(machine: Machine, finding: str, cited: object) -> None:
    (path,) = (machine / "kb/research/findings").glob(f"{finding}-*.md")
    lines = path.read_text("utf-8").split("\n")
    lines = [line for line in lines if not line.startswith("supporting_runs:")]
    lines.insert(lines.index("---", 1), f"supporting_runs: {json.dumps(cited)}")
    path.write_text("\n".join(lines), "utf-8")


def _retract(machine: Machine, job_id: str) -> None:
    """Leave a tombstone in the ledger, as a retraction does (LED-12)."""
    layout = open_layout(machine.path)
    known = load_usable(layout, job_id)
    assert known is not None
    parts = take_apart(known)
    stone = {"reason": "wrong data", "at": "2025-06-01T08:00:00Z", "machine": "laptop"}
    gone = merge(parts, Parts(parts.identity, parts.identity_redacted, parts.link, (), stone))
    path = Path(machine / f".aexp/ledger/{job_id}.json")
    path.write_bytes(encode_entry(put_together(gone)))
    assert entry(machine, job_id)["status"] == "retracted"
