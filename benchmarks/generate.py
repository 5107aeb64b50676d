"""Write a synthetic repository: runs in signac's layout, findings that cite them, all committed.

What it writes is what both aexp and agentic-experiments 0.6 know, so one repository can be copied
and given to each. The same arguments give the same bytes, git's commit included. It uses neither
tool: only files, MD5 and git.

    python benchmarks/generate.py --runs 10000 --findings 50 DEST
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CONDITIONS = ("full", "small", "ablated", "wild")
WILD = "wild"
"""The condition whose runs fail now and then; no finding cites it as a batch."""
BEGINNING = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LABEL = "cluster"
CITED_RUNS = 3
"""How many runs a finding with job citations cites."""

ARTIFACT = """\
---
id: "{id}"
aliases: ["{id}"]
type: {type}
{fields}created: "2026-01-05"
tags: []
---

# {id} — {title}

{sections}
## Links

{links}
"""

# The headings that either tool asks for.
SECTIONS = {
    "hypothesis": (
        "Statement", "Mechanism", "Why This Might Generalize", "Shortcut Risks", "Test Plan",
        "Evidence", "Conclusion",
    ),
    "experiment": (
        "Intent", "Objective", "Setup", "Procedure", "Progress", "Results", "Outcome Summary",
        "Caveats", "Decision",
    ),
    "finding": (
        "Finding", "Evidence", "Caveats", "What Improved For Real", "Remaining Debt", "Next Move",
    ),
}  # fmt: skip
FOLDERS = {"hypothesis": "hypotheses", "experiment": "experiments", "finding": "findings"}

ACTIVE = """\
---
aliases: ["ACTIVE"]
type: active-state
---

# Active State

## Current Objective

Measure how long the commands take.

## Next Step

Read the results.

## Blocker

None.

## Links

- [[CHALLENGE]]
"""
CHALLENGE = """\
---
aliases: ["CHALLENGE"]
type: mission
---

# Challenge

## Objective

Time the commands on a repository whose every run is made up.

## Context

Nothing was trained for it.

## Success Criteria

The targets are met.

## Constraints

None.

## Links

- [[ACTIVE]]
- [[DASHBOARD]]
"""
DASHBOARD = """\
---
aliases: ["DASHBOARD"]
type: dashboard
---

# Dashboard

## Entry Points

The findings.

## Links

- [[ACTIVE]]
- [[CHALLENGE]]
"""
GITIGNORE = """\
# agentic-experiments:begin
.aexp/*
!.aexp/runs-index/
!.aexp/ledger/
.runs/
# agentic-experiments:end
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a synthetic repository holds.

    Attributes:
        runs: how many terminal runs.
        findings: how many findings; every other one cites a batch, the rest single runs.
        experiments: over how many experiments both are spread; 0 takes ten, or fewer where ten
            would leave a condition without a run.
        seed: of all that is drawn.
        streams: give each run an attempt and a stream of metrics, which only aexp knows.
    """

    runs: int
    findings: int = 0
    experiments: int = 0
    seed: int = 0
    streams: bool = False

    @property
    def spread(self) -> int:
        """The number of experiments."""
        return self.experiments or min(10, max(1, self.runs // len(CONDITIONS)))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a synthetic repository."""

    job_id: str
    statepoint: dict[str, Any]
    document: dict[str, Any]
    stream: bytes = b""

    @property
    def experiment_id(self) -> str:
        """The experiment it belongs to."""
        return str(self.statepoint["experiment_id"])


def generate(dest: Path, shape: Shape) -> None:
    """Write the repository of ``shape`` into ``dest`` and commit what git does not ignore.

    Args:
        dest: a folder that does not exist yet, or is empty.
        shape: what to write.

    Raises:
        FileExistsError: there is something in ``dest``.
        ValueError: the shape has too few runs for its experiments and findings.
    """
    least = shape.spread * len(CONDITIONS)
    if shape.findings and shape.runs < least:
        raise ValueError(f"{shape.spread} experiments with findings need at least {least} runs")
    dest.mkdir(parents=True, exist_ok=True)
    if any(dest.iterdir()):
        raise FileExistsError(f"{dest} is not empty")
    runs = list(make_runs(shape))
    _write_runs(dest / ".runs", runs)
    _write_installation(dest)
    _write_kb(dest / "kb", shape, runs)
    _commit(dest)


def make_runs(shape: Shape) -> Iterator[Run]:
    """Yield the runs of ``shape``: all terminal, most of them complete."""
    draw = random.Random(shape.seed)
    commit = f"{draw.getrandbits(160):040x}"
    for number in range(shape.runs):
        experiment = number % shape.spread
        condition = CONDITIONS[number // shape.spread % len(CONDITIONS)]
        statepoint = {
            "experiment_id": _id("E", experiment + 1),
            "code_commit": commit,
            "code_dirty": False,
            "condition": condition,
            "seed": number,
            "lr": draw.choice((0.1, 0.03, 0.01, 0.003, 0.001)),
            "batch_size": draw.choice((32, 64, 128, 256)),
            "layers": [draw.choice((64, 128, 256)) for _ in range(3)],
            "optimizer": {"name": "adamw", "weight_decay": 0.01, "betas": [0.9, 0.999]},
            "dataset": "digits-v2",
        }
        job_id = signac_id(statepoint)
        document = _document(draw, number, experiment, condition)
        stream = _add_stream(draw, job_id, document) if shape.streams else b""
        yield Run(job_id, statepoint, document, stream)


def signac_id(statepoint: dict[str, Any]) -> str:
    """Return the id that signac gives to ``statepoint``."""
    text = json.dumps(statepoint, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _document(draw: random.Random, number: int, experiment: int, condition: str) -> dict[str, Any]:
    created = BEGINNING + timedelta(minutes=number)
    started = created + timedelta(seconds=draw.randint(1, 50))
    seconds = draw.randint(60, 7200)
    fate = draw.random() if condition == WILD else 0.0
    status = "complete" if fate < 0.8 else "failed" if fate < 0.95 else "stopped"
    return {
        "aexp": {
            "experiment_id": _id("E", experiment + 1),
            "experiment_path": f"kb/research/experiments/{_name('E', experiment + 1)}.md",
            "hypothesis_id": "H001",
            "sub_hypothesis_id": None,
        },
        "status": status,
        "created_at": _stamp(created),
        "started_at": _stamp(started),
        "heartbeat_at": _stamp(started + timedelta(seconds=seconds - 10)),
        "ended_at": _stamp(started + timedelta(seconds=seconds)),
        "wallclock_s": float(seconds),
    }


def _add_stream(draw: random.Random, job_id: str, document: dict[str, Any]) -> bytes:
    """Give the run an attempt as aexp records it, and return what that attempt recorded."""
    attempt = f"{draw.getrandbits(64):016x}"
    ended_by = {"complete": "exit", "failed": "exception", "stopped": "operator"}
    document["attempt_id"] = attempt
    document["ended_by"] = ended_by[document["status"]]
    document["environment"] = {"python": "3.11.7", "platform": "Linux-x86_64"}
    began = datetime.fromisoformat(document["started_at"]).timestamp()
    lines: list[dict[str, Any]] = [
        {
            "kind": "header", "format": "aexp.stream", "version": 1, "job_id": job_id,
            "attempt_id": attempt, "time": began, "host": LABEL, "pid": 4711,
        },
        {"kind": "parameter", "name": "parameters", "value": 50_890, "time": began},
    ]  # fmt: skip
    for step in range(3):
        for metric in ("loss", "accuracy", "val_accuracy"):
            value = round(draw.random(), 6)
            time = began + step + 1
            lines.append(
                {"kind": "metric", "name": metric, "value": value, "time": time, "step": step}
            )
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)


def _write_runs(store: Path, runs: list[Run]) -> None:
    (store / ".signac").mkdir(parents=True)
    (store / ".signac" / "config").write_text("schema_version = 2\n")
    workspace = store / "workspace"
    workspace.mkdir()
    for run in runs:
        folder = workspace / run.job_id
        folder.mkdir()
        (folder / "signac_statepoint.json").write_text(json.dumps(run.statepoint))
        (folder / "signac_job_document.json").write_text(json.dumps(run.document))
        if run.stream:
            streams = folder / "streams" / str(run.document["attempt_id"])
            streams.mkdir(parents=True)
            (streams / f"{LABEL}-4711-{run.job_id[:8]}.jsonl").write_bytes(run.stream)


def _write_installation(root: Path) -> None:
    (root / ".aexp" / "ledger").mkdir(parents=True)
    marker = {
        "version": "0.6.1",
        "installed_at": _stamp(BEGINNING),
        "run_store_path": ".runs",
        "machine_label": LABEL,
    }
    (root / ".aexp" / "installed.json").write_text(json.dumps(marker, indent=2) + "\n")
    (root / ".gitignore").write_text(GITIGNORE)


def _write_kb(kb: Path, shape: Shape, runs: list[Run]) -> None:
    for folder in FOLDERS.values():
        (kb / "research" / folder).mkdir(parents=True)
    (kb / "mission").mkdir()
    (kb / "ACTIVE.md").write_text(ACTIVE)
    (kb / "DASHBOARD.md").write_text(DASHBOARD)
    (kb / "mission" / "CHALLENGE.md").write_text(CHALLENGE)

    experiments = [_id("E", n + 1) for n in range(shape.spread)]
    about = {_id("F", n + 1): n % shape.spread for n in range(shape.findings)}
    _write_artifact(kb, "hypothesis", 1, "status: TESTING\n", [*experiments, *about])
    for number in range(shape.spread):
        found = [finding for finding, place in about.items() if place == number]
        fields = 'status: COMPLETED\nhypothesis: "H001"\n'
        _write_artifact(kb, "experiment", number + 1, fields, ["H001", *found])
    by_experiment: dict[str, list[Run]] = {name: [] for name in experiments}
    for run in runs:
        by_experiment[run.experiment_id].append(run)
    for number, place in enumerate(about.values()):
        experiment = experiments[place]
        fields = (
            f'hypothesis: "H001"\nexperiment: "{experiment}"\nimpact: "MEDIUM"\n'
            f"supporting_runs:\n{_citations(number, by_experiment[experiment])}"
        )
        _write_artifact(kb, "finding", number + 1, fields, ["H001", experiment])


def _citations(number: int, runs: list[Run]) -> str:
    """Return the citations of finding ``number``: single runs and batches in turns."""
    turn = number // 2
    if number % 2 == 0:
        first = [run for run in runs if run.document["status"] == "complete"]
        cited = [first[(turn + step) % len(first)] for step in range(CITED_RUNS)]
        return "".join(
            f"  - {{type: job, id: {run_id}}}\n"
            for run_id in dict.fromkeys(r.job_id for r in cited)
        )
    condition = CONDITIONS[turn % (len(CONDITIONS) - 1)]
    experiment = runs[0].experiment_id
    return (
        f"  - {{type: batch, experiment_id: {experiment}, selector: {{condition: {condition}}}}}\n"
    )


def _write_artifact(kb: Path, kind: str, number: int, fields: str, links: list[str]) -> None:
    prefix = kind[0].upper()
    sections = "".join(
        f"## {heading}\n\nWhat was thought, done and seen about it.\n\n"
        for heading in SECTIONS[kind]
    )
    text = ARTIFACT.format(
        id=_id(prefix, number), type=kind, fields=fields, title=f"Synthetic {kind} {number}",
        sections=sections.removesuffix("\n"),
        links="\n".join(f"- [[{name}]]" for name in [*links, "ACTIVE", "CHALLENGE"]),
    )  # fmt: skip
    path = kb / "research" / FOLDERS[kind] / f"{_name(prefix, number)}.md"
    path.write_text(text, "utf-8")


def _commit(root: Path) -> None:
    """Make ``root`` a git repository with one commit, the same one for the same content."""
    when = str(int(BEGINNING.timestamp())) + " +0000"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment = {
        **kept,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
    }
    for arguments in (
        ("init", "--quiet", "--template=", "--initial-branch=main"),
        ("config", "user.name", "Bench"),
        ("config", "user.email", "bench@example.invalid"),
        ("config", "gc.auto", "0"),  # nothing may run behind a measurement's back
        ("config", "maintenance.auto", "false"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=A synthetic repository"),
    ):
        subprocess.run(["git", *arguments], cwd=root, env=environment, check=True)


def _id(prefix: str, number: int) -> str:
    return f"{prefix}{number:03d}"


def _name(prefix: str, number: int) -> str:
    return f"{_id(prefix, number)}-synthetic"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> int:
    """Write one synthetic repository."""
    parser = argparse.ArgumentParser(description="Write a synthetic repository.")
    parser.add_argument("dest", type=Path, metavar="DEST", help="a new or empty folder")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--findings", type=int, default=50)
    parser.add_argument("--experiments", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--streams", action="store_true", help="give each run metrics, as aexp records them"
    )
    given = parser.parse_args()
    shape = Shape(given.runs, given.findings, given.experiments, given.seed, given.streams)
    try:
        generate(given.dest, shape)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{shape.runs} runs and {shape.findings} findings in {given.dest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
