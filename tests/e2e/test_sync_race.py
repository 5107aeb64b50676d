"""Four clones synchronize at once, and everybody has everything in the end (LED-14)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ledger.test_backfill import entry_of, put_run
from tests.support.machines import Machine, clone_repo, make_two_machines, run_command
from tests.support.race import run_aexp_together

OWN = 2
"""Runs that only one clone has."""
SHARED = 99
"""The seed of the run that every clone has, each with another result."""


@pytest.fixture
def clones(tmp_path: Path) -> list[Machine]:
    """Four clones: two of one label, a third one, and one where aexp was never installed."""
    machines = make_two_machines(tmp_path)
    twin = clone_repo(machines.remote, tmp_path / "twin", label="cluster")
    twin.install()
    guest = clone_repo(machines.remote, tmp_path / "guest")
    return [machines.cluster, twin, machines.laptop, guest]


def ledger(machine: Machine) -> dict[str, bytes]:
    """Return the ledger that a clone has committed."""
    listed = machine.git("ls-tree", "-r", "--name-only", "HEAD", ".aexp/ledger").stdout.split()
    return {path: (machine / path).read_bytes() for path in listed}


def test_a_push_race_of_four_clones(clones: list[Machine]) -> None:
    """LED-14, LED-10: real processes, own runs and one in common; all finish, nobody's is lost."""
    for number, machine in enumerate(clones):
        for seed in range(OWN):
            put_run(machine, 10 * number + seed)
        job_id = put_run(
            machine, SHARED, started_at=f"2026-01-01T00:00:0{number}Z", note=str(number)
        )
    done = run_aexp_together([(machine.path, ["sync"]) for machine in clones])
    assert [(d.returncode, d.stderr) for d in done] == [(0, "")] * 4, done
    assert sum("merged" in d.stdout for d in done) >= 3

    for machine in clones:
        machine.aexp("sync")
    for machine in clones:
        machine.aexp("sync", "--no-push")
    first, *others = clones
    assert len(ledger(first)) == OWN * len(clones) + 1
    for other in others:
        assert ledger(other) == ledger(first)
        assert other.head() == first.head()
        assert other.status() == ""
    entry = entry_of(first, job_id)
    notes = {attempt["note"] for attempt in (entry, *entry["replicates"])}
    assert notes == {"0", "1", "2", "3"}

    report = first.aexp("validate", "--format", "json", check=False)
    codes = {issue["code"] for issue in json.loads(report.stdout)["issues"]}
    assert not {code for code in codes if code.startswith("ledger.")}
    remote = run_command(["git", "fsck", "--strict"], cwd=first.path)
    assert remote.returncode == 0


def test_many_rounds(clones: list[Machine]) -> None:
    """LED-14: three rounds of new runs and new results of one run, all at the same instant."""
    for attempt in range(3):
        for number, machine in enumerate(clones):
            put_run(machine, 100 * attempt + number)
        done = run_aexp_together([(machine.path, ["sync"]) for machine in clones])
        assert [d.returncode for d in done] == [0] * 4, done
    for machine in clones:
        machine.aexp_fast("sync")
        assert len(ledger(machine)) == 12
