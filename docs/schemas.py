"""JSON Schemas of the file formats, made from the types in the code and one table of facts.

The types say which fields there are, of which kind, and which of them are always there. The table
adds what a type cannot say: what a field means, and what its texts look like. A field without a
row, or a row without a field, is an error.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from aexp import runs_index
from aexp.model import entry
from aexp.model.status import ENDED_BY, RETRACTED, TERMINAL_STATUSES
from aexp.validate import render

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ENDED: Final = sorted(TERMINAL_STATUSES)
NONFINITE: Final = {"pattern": "^(NaN|-?Infinity)$"}
TIME: Final = {"format": "date-time"}
DIGEST: Final = {"pattern": "^sha256:[0-9a-f]{64}$", "maxLength": 71}
JOB_ID: Final = {"pattern": "^[0-9a-f]{32}$", "maxLength": 32}
"""``$`` may match before a last newline; the length leaves no room for one."""

Facts = tuple[str, Mapping[str, Any]]
_EXECUTION: Final[dict[str, Facts]] = {
    "attempt_id": ("Which execution of the run this is.", {"minLength": 1}),
    "status": ("How the attempt ended.", {"enum": ENDED}),
    "ended_by": (
        "What ended it.",
        {"enum": sorted({cause for causes in ENDED_BY.values() for cause in causes})},
    ),
    "error": ("What a failed attempt raised.", {}),
    "started_at": ("When it began.", TIME),
    "ended_at": ("When it ended.", TIME),
    "wallclock_s": ("How long it took, in seconds.", NONFINITE),
    "promoted_at": ("When the present content of the attempt was first written here.", TIME),
    "registered_machine": ("The label of the machine that wrote it.", {}),
    "tracker": ("Where the run stands in another tracker.", {}),
    "params": ("Parameters learned while the run was going, by name.", {}),
    "tags": ("Labels, sorted, each once.", {"uniqueItems": True}),
    "note": ("A text about the run.", {"minLength": 1}),
    "metrics": ("What the series of each metric comes to, by name.", {}),
    "attachments": ("Named bytes that belong to the attempt.", {}),
    "inputs": ("What the attempt read.", {}),
    "outputs": ("What the attempt made.", {}),
    "workflow": ("The workflow it was an execution of.", {}),
    "environment": ("The software and the machine it ran on.", {}),
    "sweep": ("The sweep it was a point of.", {}),
    "execution": ("What was declared of an execution, and what became of its outputs.", {}),
    "redacted": ("JSON pointers (RFC 6901) of what was taken out.", {"uniqueItems": True}),
}

FACTS: Final[dict[str, dict[str, Facts]]] = {
    "LedgerEntry": {
        "schema_version": ("The version of this format.", {"const": entry.SCHEMA_VERSION}),
        "job_id": ("The run, and the name of the file.", JOB_ID),
        "statepoint": ("The parameters that make the run what it is.", {}),
        "code_commit": ("The last commit that changed the code; null before the first.", {}),
        "code_dirty": ("Whether the code had changes that were not committed.", {}),
        "run_link": ("The experiment that the run belongs to.", {}),
        "replicates": ("The other attempts, best first.", {}),
        "retracted": ("Why the results do not count; only in a tombstone.", {}),
        "record_digest": ("SHA-256 of the canonical form of the entry without this.", DIGEST),
        **_EXECUTION,
        "status": ("How the best attempt ended.", {"enum": [*ENDED, RETRACTED]}),
    },
    "Attempt": _EXECUTION,
    "RunLink": {
        "experiment_id": ("The experiment.", {}),
        "hypothesis_id": ("The hypothesis it tests.", {}),
        "sub_hypothesis_id": ("The part of that hypothesis.", {}),
        "experiment_path": ("The experiment's file, or a pattern of its name.", {}),
        "linked_at": ("When the link was made; the latest one counts.", TIME),
    },
    "Tracker": {
        "backend": ("Which tracker, such as wandb.", {}),
        "run_id": ("The run's id there.", {}),
        "url": ("Its page.", {}),
        "group": ("Its group.", {}),
        "project": ("Its project.", {}),
    },
    "RunError": {
        "type": ("The name of the exception's class.", {}),
        "message": ("What it said.", {"maxLength": 512}),
    },
    "MetricFacts": {
        "value": ("The last value: that of the highest step, where steps were given.", NONFINITE),
        "count": ("How many values were recorded.", {"minimum": 1}),
        "min": ("The lowest, NaN left out.", NONFINITE),
        "max": ("The highest, NaN left out.", NONFINITE),
        "step": ("The step of the last value.", {}),
    },
    "Attachment": {
        "name": ("What it is called.", {}),
        "media_type": ("Its media type (RFC 6838).", {}),
        "digest": ("SHA-256 of the bytes.", DIGEST),
        "size": ("How many bytes.", {"minimum": 0}),
        "filename": ("What the file is called when it is exported.", {}),
    },
    "Retraction": {
        "reason": ("Why, in a sentence.", {}),
        "at": ("When.", TIME),
        "machine": ("The label of the machine it was done on.", {}),
    },
    "IndexFile": {
        "schema_version": ("The version of this format.", {"const": runs_index.SCHEMA_VERSION}),
        "machine_label": ("The machine.", {"minLength": 1}),
        "exported_at": ("When it was written.", TIME),
        "entries": ("Its ended runs, sorted by id, each once.", {}),
    },
    "IndexEntry": {
        "job_id": ("The run.", JOB_ID),
        "status": ("How it ended.", {"enum": ENDED}),
        "experiment_id": ("The experiment it belongs to.", {}),
        "condition": ("The state point's `condition`.", {}),
        "registered_at": ("When the run was created.", {}),
    },
    "Report": {
        "schema_version": ("The version of this format.", {"const": render.SCHEMA_VERSION}),
        "ok": ("Whether there is no error.", {}),
        "mode": ("What was looked at.", {}),
        "strict_runs": ("How grave citations of unknown runs were taken.", {}),
        "staged": ("Given and true when git's index was looked at.", {"const": True}),
        "counts": ("How much was found, and how much was looked at.", {}),
        "issues": ("By file, then by line, code and message.", {}),
    },
    "Counts": {
        "errors": ("Issues that are errors.", {"minimum": 0}),
        "warnings": ("Issues that are warnings.", {"minimum": 0}),
        "findings": ("Findings that were looked at.", {"minimum": 0}),
        "runs": ("Runs of ledger and local store together.", {"minimum": 0}),
    },
    "ReportedIssue": {
        "code": ("What is wrong; stable.", {"pattern": r"^[a-z]+\.[a-z_]+$"}),
        "severity": ("Whether it makes the command fail.", {}),
        "message": ("One line for people; its words may change.", {}),
        "path": ("The file, relative to the root; empty when it is about no single one.", {}),
        "detail": ("What a program may act on; members may be added.", {}),
    },
}
"""By type and field: what it means, and what its type cannot say."""

_IDENTITY = sorted({*entry.IDENTITY_FIELDS, *entry.RUN_FIELDS, *entry.DERIVED_FIELDS})
_RULES: Final[dict[str, dict[str, Any]]] = {
    "LedgerEntry": {
        # A tombstone is told by both, and has no attempt beside it.
        "if": {
            "anyOf": [
                {"properties": {"status": {"const": RETRACTED}}, "required": ["status"]},
                {"required": ["retracted"]},
            ]
        },
        "then": {
            "properties": {"status": {"const": RETRACTED}, "replicates": False},
            "required": ["retracted"],
        },
    },
    # What the run is stands at the top level alone.
    "Attempt": {"properties": dict.fromkeys(_IDENTITY, False)},
    "Tracker": {"additionalProperties": False},
}
"""By type: what holds between its fields, and which others it may have. Mostly any may be added."""


def _schema(kind: type, title: str) -> dict[str, Any]:
    (_,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for name, part in parts.items():
        _describe(name, part)
    root = parts.pop(kind.__name__)
    root.pop("title")
    about = root.pop("description")
    return {"$schema": DIALECT, "title": title, "description": about, **root, "$defs": parts}


def _describe(name: str, part: dict[str, Any]) -> None:
    """Add to a type what the table says of its fields."""
    fields, facts = part["properties"], FACTS[name]
    if odd := fields.keys() ^ facts.keys():
        sys.exit(f"docs/schemas.py: describe these fields of {name}: {sorted(odd)}")
    rules = _RULES.get(name, {})
    part["properties"] = {
        field: {"description": meaning, **fields[field], **limits}
        for field, (meaning, limits) in facts.items()
    } | rules.get("properties", {})
    part |= {key: rule for key, rule in rules.items() if key != "properties"}


def schemas() -> dict[str, str]:
    """Return each schema as the text of its file, by the file's name."""
    sweep = importlib.import_module("sweep_schema")  # beside this file, which is no package
    made = {
        "ledger-entry": _schema(entry.LedgerEntry, "Ledger entry, version 1"),
        "index-file": _schema(runs_index.IndexFile, "Runs index, version 1"),
        "validation-report": _schema(render.Report, "Validation report, version 1"),
        "sweep": sweep.sweep_schema(DIALECT),
    }
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in made.items()
    }
