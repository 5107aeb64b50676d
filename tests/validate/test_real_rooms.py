"""Validation of what the other commands really write (LED-09, VAL-03 to VAL-05)."""

from __future__ import annotations

import json

from aexp.model.canonical import decode_json
from tests.support.machines import Machine, TwoMachines

CLEAN = "0 errors, 0 warnings"


def codes(machine: Machine, *options: str) -> list[str]:
    """Return the codes that ``aexp validate`` reports."""
    done = machine.aexp_fast("validate", "--format", "json", *options, check=False)
    value = json.loads(done.require(0, 1).stdout)
    assert (done.returncode == 0) == value["ok"]
    return sorted(issue["code"] for issue in value["issues"])


def record(machine: Machine, seed: int, *command: str) -> str:
    """Record a run and return its id."""
    sp = f"condition=full,seed={seed}"
    done = machine.aexp_fast("run", "-e", "E001", "--sp", sp, "--", *command, check=False)
    done.require(0, 1)
    listed = decode_json(machine.aexp_fast("list-runs", "--format", "json").stdout)
    rows = listed["runs"] if isinstance(listed, dict) else listed
    [job_id] = [row["job_id"] for row in rows if row["statepoint"].get("seed") == seed]
    return str(job_id)


def test_recorded_on_one_machine_is_evidence_on_another(two_machines: TwoMachines) -> None:
    """LED-09: each doubt in turn on the way, and nothing left at the end of it."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.aexp_fast("new-hypothesis", "--title", "Wide")
    cluster.aexp_fast("new-experiment", "--title", "Digits", "--hypothesis", "H001")
    run = record(cluster, 1, "true")
    parents = ("--hypothesis", "H001", "--experiment", "E001")
    cited = ("--run", run, "--batch", "E001?condition=full")
    cluster.aexp_fast("new-finding", "--title", "Wider wins", *parents, *cited)
    assert codes(cluster) == ["ledger.uncommitted"]

    cluster.git("add", "kb")
    cluster.git("commit", "-q", "-m", "Findings")
    cluster.push()
    laptop.pull()
    assert codes(laptop) == ["finding.broken_run_citation", "finding.empty_batch"]
    assert codes(laptop, "--strict-runs", "off") == []

    cluster.aexp_fast("runs-export-index")
    cluster.git("add", ".aexp/runs-index")
    cluster.git("commit", "-q", "-m", "Index")
    cluster.push()
    laptop.pull()
    assert codes(laptop) == ["finding.absent_batch_runs", "finding.absent_run_citation"]

    cluster.aexp_fast("ledger", "backfill")
    cluster.push()
    laptop.pull()
    for machine in (cluster, laptop):
        assert machine.aexp_fast("validate").stdout.startswith(CLEAN)

    record(cluster, 2, "false")
    assert codes(cluster) == ["finding.failed_run_cited", "ledger.uncommitted"]


def test_changed_entry_is_no_evidence(two_machines: TwoMachines) -> None:
    """Model 6: a metric, a status or a parameter changed by hand breaks the citation."""
    cluster = two_machines.cluster
    cluster.aexp_fast("new-hypothesis", "--title", "Wide")
    cluster.aexp_fast("new-experiment", "--title", "Digits", "--hypothesis", "H001")
    run = record(cluster, 1, "true")
    cluster.aexp_fast(
        "new-finding", "--title", "W", "--hypothesis", "H001", "--experiment", "E001", "--run", run
    )
    cluster.git("add", "kb")
    cluster.aexp_fast("ledger", "backfill")
    cluster.git("commit", "-q", "-m", "kb")
    assert codes(cluster) == []
    cluster.push()
    laptop = two_machines.laptop
    laptop.pull()
    path = laptop / f".aexp/ledger/{run}.json"
    original = path.read_text("utf-8")
    for old, new in (('"complete"', '"failed"'), ('"seed": 1', '"seed": 2'), ('"full"', '"half"')):
        path.write_text(original.replace(old, new), "utf-8")
        found = codes(laptop)
        assert "finding.broken_run_citation" in found
        assert set(found) & {"ledger.digest_mismatch", "ledger.id_mismatch"}
    path.write_text(original, "utf-8")
    assert codes(laptop) == []
