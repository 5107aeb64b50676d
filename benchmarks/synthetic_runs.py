"""The runs of a synthetic repository, in signac's layout on disk."""

from __future__ import annotations

import hashlib
import json
import random
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


def make_runs(shape: Shape) -> Iterator[Run]:
    """Yield the runs of ``shape``: all terminal, most of them complete."""
    draw = random.Random(shape.seed)
    commit = f"{draw.getrandbits(160):040x}"
    for number in range(shape.runs):
        experiment = number % shape.spread
        condition = CONDITIONS[number // shape.spread % len(CONDITIONS)]
        statepoint = {
            "experiment_id": artifact_id("E", experiment + 1),
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
            "experiment_id": artifact_id("E", experiment + 1),
            "experiment_path": f"kb/research/experiments/{file_stem('E', experiment + 1)}.md",
            "hypothesis_id": "H001",
            "sub_hypothesis_id": None,
        },
        "status": status,
        "created_at": stamp(created),
        "started_at": stamp(started),
        "heartbeat_at": stamp(started + timedelta(seconds=seconds - 10)),
        "ended_at": stamp(started + timedelta(seconds=seconds)),
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


def write_runs(store: Path, runs: list[Run]) -> None:
    """Write the signac project ``store`` with ``runs``."""
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


def artifact_id(prefix: str, number: int) -> str:
    """Return an id such as ``E001``."""
    return f"{prefix}{number:03d}"


def file_stem(prefix: str, number: int) -> str:
    """Return the name of an artifact's file, without its suffix."""
    return f"{artifact_id(prefix, number)}-synthetic"


def stamp(moment: datetime) -> str:
    """Return a time as it stands in documents."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
