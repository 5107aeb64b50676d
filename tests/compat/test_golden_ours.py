"""Entries that aexp 0.1 wrote are read by every later version, and keep their bytes (LED-01)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aexp.ledger.store import Ledger, read_ledger
from aexp.model.entry import encode_entry, merge, put_together, take_apart
from aexp.tree import WorkTree
from tests.support.machines import Machine
from tests.support.sealed import CHECKOUT

GOLDEN = CHECKOUT / "tests/golden/aexp-0.1"
RUNS: dict[str, str] = json.loads((GOLDEN / "runs.json").read_text("utf-8"))


@pytest.fixture
def old(repo: Machine) -> Machine:
    """A repository with that ledger, committed, in which nothing else of aexp is."""
    shutil.copytree(GOLDEN / "dot-aexp", repo / ".aexp")
    repo.commit_all("Ledger")
    return repo


@pytest.fixture
def ledger(old: Machine) -> Ledger:
    return read_ledger(WorkTree(old.path))


def test_golden_data_is_never_edited() -> None:
    """Each file has the digest it was added with, and none was added without."""
    lines = (GOLDEN / "SHA256SUMS").read_text("utf-8").splitlines()
    wanted = {line.partition("  ./")[2]: line.partition("  ")[0] for line in lines}
    found = {
        path.relative_to(GOLDEN).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in GOLDEN.rglob("*")
        if path.is_file() and path.name not in ("make_golden.py", "SHA256SUMS")
    }
    assert found == wanted


def test_every_entry_is_sound(old: Machine, ledger: Ledger) -> None:
    """LED-12: all are read, and verify finds what the redaction makes unprovable, no more."""
    assert set(ledger.entries) == set(RUNS.values())
    done = old.aexp_fast("ledger", "verify", "--format", "json")
    report = json.loads(done.stdout)
    assert report["sound"] == len(RUNS)
    assert {p["code"]: p["job_id"] for p in report["problems"]} == {
        "ledger.unprovable": RUNS["redacted"]
    }


def test_the_bytes_are_canonical(old: Machine, ledger: Ledger) -> None:
    """LED-06: reading and writing, alone or merged with itself, gives the same bytes."""
    for job_id, entry in ledger.entries.items():
        data = Path(old / ledger.paths[job_id]).read_bytes()
        parts = take_apart(entry)
        assert encode_entry(entry) == data
        assert encode_entry(put_together(parts)) == data
        assert encode_entry(put_together(merge(parts, parts))) == data


def test_they_say_what_they_said(ledger: Ledger) -> None:
    """LED-01: the facts by which each kind is known."""
    by_name: dict[str, Any] = {name: ledger.entries[job_id] for name, job_id in RUNS.items()}
    assert {name: entry["status"] for name, entry in by_name.items()} == {
        **dict.fromkeys(RUNS, "complete"),
        **{name: name for name in ("failed", "stopped", "abandoned", "retracted")},
    }
    assert by_name["complete"]["tags"] == ["best", "größe"]
    assert by_name["complete"]["note"] == "the one to show\nsecond line"
    assert by_name["complete"]["tracker"]["run_id"] == "a1b2c3"
    assert by_name["failed"]["error"] == {
        "type": "ValueError",
        "message": "größe must be positive",
    }
    assert [a["metrics"]["acc"]["value"] for a in by_name["replicates"]["replicates"]] == [0.95]
    assert by_name["redacted"]["redacted"] == ["/statepoint/data"]
    assert by_name["large"]["attachments"][0]["name"] == "aexp.params.json"
    assert by_name["not finite"]["metrics"]["loss"]["value"] == "NaN"
    assert by_name["not finite"]["metrics"]["bound"]["value"] == "-Infinity"
    assert by_name["numbers"]["statepoint"]["big"] == 2**60
    assert "run_link" not in by_name["unlinked"]
    assert by_name["retracted"]["retracted"]["reason"] == "trained on the test set"
    assert "/" in ledger.paths[RUNS["sharded"]].removeprefix(".aexp/ledger/")


def test_they_can_be_moved_and_retracted(old: Machine) -> None:
    """LED-12, LED-13: both layouts, and a tombstone, without a run store."""
    old.aexp_fast("ledger", "reshard", "--to", "flat")
    old.aexp_fast("ledger", "retract", RUNS["sharded"], "--reason", "an old mistake")
    report = json.loads(old.aexp_fast("ledger", "verify", "--format", "json").stdout)
    assert report["ok"]
    assert report["sound"] == len(RUNS)
