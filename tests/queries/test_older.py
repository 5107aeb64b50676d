"""Questions about what agentic-experiments 0.6 recorded, and about what other machines did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.compat.golden import ENDED, IN_STORE, RUNS, digests, golden_repo, place
from tests.queries.world import column, entry, local, rows
from tests.support.machines import Machine, TwoMachines

FIELDS = (
    *("job_id", "experiment", "hypothesis", "sub_hypothesis", "status", "ended_by", "where"),
    *("machine", "started_at", "ended_at", "wallclock_s", "tags", "note", "code_commit"),
    *("code_dirty", "attempt_id", "attempts", "attachments", "point_id", "promoted_at", "problem"),
)


@pytest.fixture
def golden(tmp_path: Path) -> Machine:
    """A repository of 0.6.1, with its ledger and all of its run store."""
    machine = golden_repo(tmp_path / "repo")
    place("unsound", machine.path)
    return machine


def test_every_field_of_every_run_of_0_6(golden: Machine) -> None:
    """LED-11: entries without attempts, orphans, NaN in a state point: rows like others."""
    before = digests(golden.path)
    found = rows(golden, "--columns", ",".join(FIELDS))
    assert {row["job_id"] for row in found} >= IN_STORE
    by_id = {row["job_id"]: row for row in found}
    assert by_id[RUNS["nan"]]["point_id"] is None
    assert all(by_id[job_id]["attempt_id"] is None for job_id in ENDED)
    assert {by_id[job_id]["where"] for job_id in ENDED} == {"both"}
    for format in ("table", "json", "jsonl", "csv", "markdown"):
        golden.aexp_fast("ledger", "query", "--format", format)
    for field in FIELDS:
        golden.aexp_fast("ledger", "query", "--group-by", field, "--sort", f"-{field}")
        golden.aexp_fast("ledger", "query", "--attempts", "--sort", f"-{field}")
    assert digests(golden.path) == before


def test_runs_of_0_6_are_filtered_and_compared(golden: Machine) -> None:
    """LED-11: by status, experiment and state point; nothing has to be converted."""
    every = rows(golden)
    ended = [row["job_id"] for row in every if row["status"] == "complete"]
    assert column(golden, "job_id", "--where", "status = 'complete'") == ended
    groups = rows(golden, "--group-by", "status")
    assert sum(row["runs"] for row in groups) == len(every)
    for first in sorted(RUNS.values()):
        golden.aexp_fast("diff", first, RUNS["complete"], check=False).require(0, 4)
    done = golden.aexp_fast("diff", RUNS["complete"], RUNS["failed"], "--format", "json")
    differences = json.loads(done.stdout)["sections"]["run"]["differences"]
    assert "status" in [found["name"] for found in differences]


def test_two_machines_answer_alike(two_machines: TwoMachines) -> None:
    """LED-09, LED-11: what was pushed is answered anywhere; only where it lives differs."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    for seed in range(3):
        cluster.aexp_fast("run", "--sp", f"lr=0.1,seed={seed}", "--", "true")
    cluster.aexp_fast("ledger", "backfill")
    cluster.push()
    laptop.pull()
    question = ["--where", "lr = 0.1 and status = 'complete'", "--sort", "-seed"]
    here, there = rows(cluster, *question), rows(laptop, *question)
    assert [row["sp.seed"] for row in there] == [2, 1, 0]
    assert {row.pop("where") for row in here} == {"both"}
    assert {row.pop("where") for row in there} == {"ledger"}
    assert here == there


def test_values_nested_without_end_are_told(installed_repo: Machine) -> None:
    """Trap 3: what no printer could show is a word in its cell, and everything else is shown."""
    job_id = entry(installed_repo, {"lr": 1}, params={"deep": "HERE"})
    path = installed_repo / f".aexp/ledger/{job_id}.json"
    text = path.read_text().replace('"HERE"', "[" * 800 + "]" * 800)
    kept = [line for line in text.splitlines() if '"record_digest"' not in line]
    path.write_text("\n".join(kept))
    other = local(installed_repo, {"lr": 2})
    for format in ("table", "json", "jsonl", "csv", "markdown"):
        done = installed_repo.aexp_fast("ledger", "query", "--format", format)
        assert "lr" in done.stdout
    assert column(installed_repo, "params.deep") == ["(nested too deeply)", None]
    assert column(installed_repo, "lr", "--where", "params.deep != 1") == [1]
    assert column(installed_repo, "lr", "--sort", "params.deep") == [1, 2]
    assert len(rows(installed_repo, "--group-by", "params.deep")) == 2
    assert "(nested too deeply)" in installed_repo.aexp_fast("diff", job_id, other).stdout
