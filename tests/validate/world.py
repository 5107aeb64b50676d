"""A repository whose every file a test chooses: artifacts, entries, local runs, indexes.

Entries and run folders are written here byte by byte, in the form that version 0.6 of the tool
gave them, so that these tests do not depend on the rooms that write them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aexp.model.canonical import signac_id
from aexp.validate import Issue, StrictRuns, ValidationResult, validate_repo
from tests.support.machines import Machine

Codes = list[tuple[str, str]]

UNKNOWN = "0123456789abcdef0123456789abcdef"


def point(**params: Any) -> dict[str, Any]:
    """Return a state point of experiment E001."""
    return {"experiment_id": "E001", "seed": 0, **params}


def link_to(experiment: str | None = "E001", **more: Any) -> dict[str, Any]:
    """Return a run link."""
    return {"experiment_id": experiment, "hypothesis_id": None, "sub_hypothesis_id": None, **more}


@dataclass
class World:
    """A repository under test.

    Args:
        machine: the repository; aexp need not be installed in it.
    """

    machine: Machine

    @property
    def root(self) -> Path:
        return self.machine.path

    def write_json(self, path: str, value: object) -> Path:
        return self.machine.write(path, json.dumps(value, indent=2, sort_keys=True) + "\n")

    def entry(
        self,
        statepoint: dict[str, Any],
        status: str = "complete",
        link: dict[str, Any] | None = None,
        **more: Any,
    ) -> str:
        """Write a ledger entry and return its job id."""
        job_id = signac_id(statepoint)
        value = {
            "schema_version": 1,
            "job_id": job_id,
            "statepoint": statepoint,
            "status": status,
            "promoted_at": "2026-01-01T00:00:00Z",
            "registered_machine": "cluster",
            "run_link": link_to() if link is None else link,
            **more,
        }
        if status == "retracted":
            value["retracted"] = {"reason": "wrong data", "at": "2026-01-02T00:00:00Z"}
        self.write_json(f".aexp/ledger/{job_id}.json", value)
        return job_id

    def local(
        self,
        statepoint: dict[str, Any],
        status: str | None = "complete",
        link: dict[str, Any] | None = None,
        **document: Any,
    ) -> str:
        """Write a local run and return its job id; ``link={}`` leaves the ``aexp`` block out."""
        job_id = signac_id(statepoint)
        doc = {"aexp": link_to() if link is None else link, "status": status, **document}
        if not doc["aexp"]:
            del doc["aexp"]
        if status is None:
            del doc["status"]
        self.store()
        folder = f".runs/workspace/{job_id}"
        self.write_json(f"{folder}/signac_statepoint.json", statepoint)
        self.write_json(f"{folder}/signac_job_document.json", doc)
        return job_id

    def store(self) -> None:
        """Make an empty run store."""
        self.machine.write(".runs/.signac/config", "schema_version = 2\n")
        (self.root / ".runs/workspace").mkdir(exist_ok=True)

    def index(self, label: str, *entries: dict[str, Any], name: str = "", at: str = "") -> Path:
        """Write an index file."""
        return self.write_json(
            f".aexp/runs-index/{name or label}.json",
            {
                "schema_version": 1,
                "machine_label": label,
                "exported_at": at or "2026-01-01T00:00:00Z",
                "entries": list(entries),
            },
        )

    def artifacts(self, *findings: Sequence[dict[str, Any]] | Any) -> None:
        """Write H001, E001 and E002, and one finding per argument, about E001."""
        names = [f"F{number:03d}" for number in range(1, len(findings) + 1)]
        self._artifact("hypotheses", "H001", {"type": "hypothesis"}, ["E001", "E002", *names])
        for experiment in ("E001", "E002"):
            front = {"type": "experiment", "hypothesis": "H001", "sub_hypotheses": ["H001a"]}
            self._artifact("experiments", experiment, front, ["H001", *names])
        for name, citations in zip(names, findings, strict=True):
            front = {"type": "finding", "hypothesis": "H001", "experiment": "E001"}
            front["supporting_runs"] = citations
            self._artifact("findings", name, front, ["H001", "E001", "E002"])

    def _artifact(
        self, folder: str, name: str, front: dict[str, Any], links: Sequence[str]
    ) -> None:
        front = {"id": name, "aliases": [name], "created": "2026-01-01", "tags": [], **front}
        lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
        titles = {
            "hypotheses": ("Statement", "Test Plan"),
            "experiments": ("Objective", "Procedure"),
            "findings": ("Finding", "Evidence"),
        }[folder]
        sections = [f"## {title}\n\nWords.\n" for title in titles]
        listed = "\n".join(f"- [[{link}]]" for link in links)
        text = "\n".join(
            ["---", *lines, "---", "", f"# {name}", "", *sections, "## Links", "", listed, ""]
        )
        self.machine.write(f"kb/research/{folder}/{name}-words.md", text)

    def commit(self) -> None:
        """Commit everything but the run store."""
        self.machine.write(".gitignore", ".runs/\n")
        self.machine.commit_all("work")

    def validate(self, strict: StrictRuns = "error", **options: Any) -> ValidationResult:
        return validate_repo(self.root, strict_runs=strict, **options)

    def codes(self, strict: StrictRuns = "error", **options: Any) -> Codes:
        """Return code and severity of every issue."""
        return [(i.code, i.severity) for i in self.validate(strict, **options).issues]

    def issues(self, code: str, strict: StrictRuns = "error", **options: Any) -> list[Issue]:
        """Return the issues of one code."""
        return [i for i in self.validate(strict, **options).issues if i.code == code]


def job(job_id: str, **options: Any) -> dict[str, Any]:
    """Return a job citation."""
    return {"type": "job", "id": job_id, **options}


def batch(selector: dict[str, Any], experiment: str = "E001", **options: Any) -> dict[str, Any]:
    """Return a batch citation."""
    return {"type": "batch", "experiment_id": experiment, "selector": selector, **options}


def indexed(job_id: str, **more: Any) -> dict[str, Any]:
    """Return an index entry of E001, condition full."""
    entry = {"job_id": job_id, "status": "complete", "experiment_id": "E001", "condition": "full"}
    return {**entry, **more}
