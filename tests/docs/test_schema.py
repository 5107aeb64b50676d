"""The schemas in ``docs/format/`` hold for what is written, and the pages beside them are whole."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aexp.model.canonical import decode_json
from aexp.model.entry import encode_entry, record_digest
from tests.docs.blocks import blocks
from tests.ledger.test_backfill import put_run
from tests.runs.test_overview import finding, job
from tests.support.machines import Machine, TwoMachines
from tests.support.sealed import CHECKOUT

FORMAT = CHECKOUT / "docs" / "format"
GOLDEN = CHECKOUT / "tests" / "golden"
NAMES = ("index-file", "ledger-entry", "validation-report")
RECORDING = """\
import aexp
run = aexp.current_run()
run.log_parameter("width", 64)
for step, loss in enumerate([3.0, float("nan"), 1.0]):
    run.log_metric("loss", loss, step=step)
run.log_metric("worst", float("inf"))
"""


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of one schema, read from its file."""
    schema = json.loads((FORMAT / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(name: str, value: Any) -> list[str]:
    """Return what the schema says against a value."""
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]


def entries_of(machine: Machine) -> Iterator[tuple[Path, Any]]:
    """Yield each entry of a repository."""
    for path in sorted((machine / ".aexp/ledger").rglob("*.json")):
        yield path, decode_json(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_schemas(name: str) -> None:
    """VAL-01: of the dialect that they name, with every field explained."""
    schema: Any = validator(name).schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for part in (schema, *schema["$defs"].values()):
        assert part["description"]
        assert all(f is False or f["description"] for f in part["properties"].values())
    assert validator(name).is_valid({}) is False


def golden(folder: str) -> list[Path]:
    """Return the golden files in every folder of this name."""
    return sorted(path for path in GOLDEN.rglob("*.json") if path.parent.name == folder)


@pytest.mark.parametrize("path", golden("ledger"), ids=lambda path: path.stem[:8])
def test_entries_of_0_6(path: Path) -> None:
    """LED-01: entries as 0.6.1 wrote them are entries; one with a bare NaN is no JSON."""
    try:
        value = decode_json(path.read_bytes())
    except ValueError:
        assert b"NaN" in path.read_bytes()
        return
    assert faults("ledger-entry", value) == []


@pytest.mark.parametrize("path", golden("runs-index"), ids=lambda path: path.stem)
def test_indexes_of_0_6(path: Path) -> None:
    """IDX-01: indexes as 0.6.1 wrote them are indexes."""
    assert faults("index-file", decode_json(path.read_bytes())) == []


def record_everything(machine: Machine) -> str:
    """Record runs of every kind; return the one to be retracted."""
    machine.aexp_fast("new-hypothesis", "--title", "h")
    machine.aexp_fast("new-experiment", "--title", "e", "--hypothesis", "H001")
    machine.commit_all()
    machine.write("record.py", RECORDING)

    def run(seed: int, *args: str, code: int = 0) -> None:
        point = ("--experiment", "E001", "--sp", f"seed={seed}", "--no-commit")
        machine.aexp_fast("run", *point, *args, check=False).require(code)

    run(0, "--", sys.executable, "record.py")
    run(1, "--", "sh", "-c", "exit 3", code=3)
    run(1, "--", "true")
    run(2, "--", "true")
    run(2, "--again", "--", "true")
    ids = {entry["statepoint"]["seed"]: entry["job_id"] for _, entry in entries_of(machine)}
    machine.aexp_fast("tag", ids[0], "--add", "best", "--add", "paper")
    machine.aexp_fast("note", ids[0], "the one of the paper")
    bind = ("--backend", "wandb", "--run-id", "r1", "--url", "https://wandb.example/r1")
    machine.aexp_fast("bind-tracker", ids[0], *bind)
    return str(ids[2])


def test_entries_of_ours(two_machines: TwoMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-01: what the commands write, of all kinds, is as the schema says, and canonical."""
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT / "src"))
    cluster = two_machines.cluster
    gone = record_everything(cluster)
    put_run(cluster, 7, environment="not a mapping", inputs={"no": "list"}, ended_by=5)
    put_run(cluster, 8, code_commit=None, params={"secret": "hunter2"}, wallclock_s=float("nan"))
    cluster.aexp_fast("ledger", "backfill", "--no-commit")
    cluster.aexp_fast("ledger", "retract", gone, "--reason", "wrong data")
    seen: set[str] = set()
    for path, entry in entries_of(cluster):
        assert faults("ledger-entry", entry) == [], path
        assert path.read_bytes() == encode_entry(entry)
        seen |= {entry["status"], *entry}
    assert seen >= {"complete", "retracted", "replicates", "tags", "note", "metrics", "tracker"}
    assert seen >= {"params", "environment", "run_link", "attempt_id", "record_digest"}


def test_an_index_of_ours(installed_repo: Machine) -> None:
    """IDX-01: what the export writes is as the schema says."""
    put_run(installed_repo)
    put_run(installed_repo, 1, status="failed", created_at="2026-01-01T00:00:00Z")
    installed_repo.aexp_fast("runs-export-index", "--as", "there")
    value = json.loads(installed_repo.read(".aexp/runs-index/there.json"))
    assert len(value["entries"]) == 2
    assert faults("index-file", value) == []


@pytest.mark.parametrize("args", [(), ("--kb-only",), ("--strict-runs=warn",), ("--staged",)])
def test_reports(installed_repo: Machine, args: tuple[str, ...]) -> None:
    """VAL-01: the JSON of ``aexp validate`` is as its schema says, with and without issues."""
    done = installed_repo.aexp_fast("validate", "--format", "json", *args)
    assert faults("validation-report", json.loads(done.stdout)) == []
    finding(installed_repo, job("a" * 32))
    installed_repo.write(f".aexp/ledger/{'b' * 32}.json", "{")
    installed_repo.git("add", "-A")
    done = installed_repo.aexp_fast("validate", "--format", "json", *args, check=False)
    report = json.loads(done.require(0, 1).stdout)
    assert report["issues"]
    assert faults("validation-report", report) == []


# --- the pages ----------------------------------------------------------------------------------


def json_blocks(name: str) -> list[str]:
    """Return the JSON blocks of a format's page."""
    page = (FORMAT / f"{name}.md").read_text("utf-8")
    return [block.text for block in blocks(page) if block.language == "json"]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_are_what_they_show(name: str) -> None:
    """Each example on a page is a file of its format."""
    (example,) = json_blocks(name)
    assert faults(name, json.loads(example)) == []


def test_the_example_entry_is_canonical() -> None:
    """LED-06: the page's entry is the bytes that stand in a file, digest and id included."""
    (example,) = json_blocks("ledger-entry")
    value = json.loads(example)
    assert encode_entry(value) == example.encode()
    assert value["record_digest"] == record_digest(value)


def rows(text: str) -> set[str]:
    """Return the names in the first cells of the tables of a text."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}


def fields(name: str, part: str = "") -> set[str]:
    """Return the fields of a format, or of a part of it."""
    schema: Any = validator(name).schema
    properties = (schema["$defs"][part] if part else schema)["properties"]
    return {field for field, rule in properties.items() if rule is not False}


def test_every_field_of_an_entry_has_a_row() -> None:
    """LED-01: the page explains each field and each part of one, and no other."""
    told = rows((FORMAT / "ledger-entry.md").read_text("utf-8"))
    wanted = fields("ledger-entry")
    parts = {
        "run_link": "RunLink", "tracker": "Tracker", "error": "RunError",
        "metrics": "MetricFacts", "attachments": "Attachment", "retracted": "Retraction",
    }  # fmt: skip
    for field, part in parts.items():
        wanted |= {f"{field}.{name}" for name in fields("ledger-entry", part)}
    assert told == wanted


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("index-file", ("", "IndexEntry")),
        ("validation-report", ("", "ReportedIssue")),
    ],
)
def test_every_field_of_the_others_has_a_row(name: str, parts: tuple[str, ...]) -> None:
    """IDX-01, VAL-01: the pages explain each field."""
    told = rows((FORMAT / f"{name}.md").read_text("utf-8"))
    wanted = {field for part in parts for field in fields(name, part)}
    assert wanted - told <= {"issues"}
