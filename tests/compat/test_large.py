"""A repository of 1,000 runs, as 0.6.1 would have left it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aexp.model.canonical import signac_id
from tests.compat.golden import ENDED, IN_STORE, RUNS, digests, entry, golden_repo, validated
from tests.support.machines import Machine

COUNT = 1000
SAMPLE = RUNS["complete_again"]


def encoded(value: object) -> str:
    """Return a ledger entry as 0.6.1 writes it."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def test_the_writer_writes_as_0_6_1_does(tmp_path: Path) -> None:
    """The format below is the one of the golden data, to the byte."""
    machine = golden_repo(tmp_path / "repo")
    for job_id in ENDED:
        assert encoded(entry(machine, job_id)) == machine.read(f".aexp/ledger/{job_id}.json")
    folder = machine / ".runs/workspace" / SAMPLE
    for name in ("signac_statepoint.json", "signac_job_document.json"):
        text = (folder / name).read_text("utf-8")
        assert json.dumps(json.loads(text)) == text


def fill(machine: Machine) -> None:
    """Add copies of one run that differ in their seed."""
    folder = machine / ".runs/workspace" / SAMPLE
    point = json.loads((folder / "signac_statepoint.json").read_text("utf-8"))
    document = (folder / "signac_job_document.json").read_text("utf-8")
    sample = entry(machine, SAMPLE)
    for seed in range(1000, 1000 + COUNT):
        own = {**point, "seed": seed}
        job_id = signac_id(own)
        place = machine / ".runs/workspace" / job_id
        place.mkdir()
        (place / "signac_statepoint.json").write_text(json.dumps(own), "utf-8")
        (place / "signac_job_document.json").write_text(document, "utf-8")
        text = encoded({**sample, "job_id": job_id, "statepoint": own})
        machine.write(f".aexp/ledger/{job_id}.json", text)


@pytest.mark.slow
def test_a_thousand_of_its_runs(tmp_path: Path) -> None:
    """Item 4: validated and listed with nothing changed, and backfill finds nothing to do."""
    machine = golden_repo(tmp_path / "repo")
    machine.aexp("ledger", "backfill")
    fill(machine)
    machine.commit_all("A thousand runs")
    head, ledger = machine.head(), digests(machine / ".aexp")

    assert validated(machine) == (0, [("warning", "finding.absent_run_citation")])
    assert len(json.loads(machine.aexp("list-runs", "--format", "json").stdout)) == (
        COUNT + len(IN_STORE)
    )
    done = machine.aexp("ledger", "backfill")
    assert f"0 promoted, 0 refreshed, {COUNT + len(ENDED)} skipped, 0 failed" in done.stdout
    assert (machine.head(), digests(machine / ".aexp")) == (head, ledger)
