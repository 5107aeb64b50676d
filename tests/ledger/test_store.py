"""Reading the ledger: what is usable, and what is said of the rest (VAL-08, traps 2 and 3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aexp.ledger import list_ledger_job_ids, load_ledger_entry
from aexp.ledger.store import Ledger, read_ledger
from aexp.model.canonical import canonical_bytes
from aexp.model.entry import record_digest
from aexp.tree import GitTree, WorkTree
from tests.ledger.test_backfill import CORRUPT, backfill, entry_of, name_of, put_run
from tests.support.machines import Machine

CODES = {
    "empty": "ledger.malformed",
    "empty object": "ledger.malformed",
    "a list": "ledger.malformed",
    "torn": "ledger.malformed",
    "markers": "ledger.conflict",
    "wrong id": "ledger.id_mismatch",
    "edited": "ledger.digest_mismatch",
    "edited state point": "ledger.digest_mismatch",
    "wrong types": "ledger.malformed",
    "nan": "ledger.malformed",
    "binary": "ledger.malformed",
}


def read(machine: Machine) -> Ledger:
    """Return the ledger of the work tree."""
    return read_ledger(WorkTree(machine.path))


def codes(ledger: Ledger) -> list[str]:
    """Return the codes of all problems."""
    return [problem.code for problem in ledger.problems]


def rewrite(machine: Machine, job_id: str, *, digest: bool = True, **facts: Any) -> None:
    """Change an entry and, unless told not to, give it a digest that holds."""
    entry = {**entry_of(machine, job_id), **facts}
    entry.pop("record_digest", None)
    if digest:
        entry["record_digest"] = record_digest(entry)
    (machine / name_of(job_id)).write_bytes(canonical_bytes(entry))


def two_entries(machine: Machine) -> tuple[str, str]:
    """Promote two runs and return their ids."""
    ids = put_run(machine), put_run(machine, 1)
    backfill(machine)
    return ids


def test_every_corruption_has_its_code() -> None:
    """VAL-08: the table below covers each corruption that backfill is tested to repair."""
    assert set(CODES) == set(CORRUPT)


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_entry_is_one_problem(installed_repo: Machine, kind: str) -> None:
    """VAL-08, traps 2 and 3: a corrupt entry is no entry, and the others are read all the same.

    The commit is read as the work tree is.
    """
    bad, fine = two_entries(installed_repo)
    installed_repo.write(name_of(bad), CORRUPT[kind](installed_repo.read(name_of(bad))))
    installed_repo.commit_all()
    for tree in (WorkTree(installed_repo.path), GitTree(installed_repo.path, commit="HEAD")):
        ledger = read_ledger(tree)
        assert set(ledger.entries) == {fine}
        (problem,) = ledger.problems
        assert (problem.code, problem.path) == (CODES[kind], name_of(bad))
        assert (problem.job_id, problem.severity) == (bad, "error")
        assert "\n" not in problem.message


def test_a_folder_of_an_entrys_name_is_no_entry(installed_repo: Machine) -> None:
    """Trap 2: a folder ``<id>.json`` satisfies nothing and crashes nothing."""
    (installed_repo / name_of("a" * 32)).mkdir(parents=True)
    fine = put_run(installed_repo)
    backfill(installed_repo)
    assert set(read(installed_repo).entries) == {fine}
    assert load_ledger_entry(installed_repo.path, "a" * 32) is None


def test_an_unmerged_entry_without_markers_is_a_conflict(installed_repo: Machine) -> None:
    """VAL-08: git's index stages count, also where the file in the work tree looks sound."""
    job_id, fine = two_entries(installed_repo)
    installed_repo.git("add", ".aexp/ledger")
    blob = installed_repo.git("hash-object", name_of(job_id)).stdout.strip()
    installed_repo.git("rm", "-q", "--cached", name_of(job_id))
    stages = "".join(f"100644 {blob} {stage}\t{name_of(job_id)}\n" for stage in (2, 3))
    installed_repo.git("update-index", "--index-info", input=stages)
    ledger = read(installed_repo)
    assert set(ledger.entries) == {fine}
    assert [(p.code, p.job_id) for p in ledger.problems] == [("ledger.conflict", job_id)]


def test_a_consistent_lie_about_the_state_point(installed_repo: Machine) -> None:
    """VAL-08: a digest that holds does not help when the id is not the state point's hash."""
    job_id, fine = two_entries(installed_repo)
    rewrite(installed_repo, job_id, statepoint={"experiment_id": "E001", "seed": 99})
    ledger = read(installed_repo)
    assert (set(ledger.entries), codes(ledger)) == ({fine}, ["ledger.id_mismatch"])


def test_a_newer_entry_is_told_apart(installed_repo: Machine) -> None:
    """VAL-08: what a newer aexp wrote is not called corrupt; backfill leaves its bytes alone."""
    job_id, _ = two_entries(installed_repo)
    rewrite(installed_repo, job_id, schema_version=2)
    before = installed_repo.read(name_of(job_id))
    assert codes(read(installed_repo)) == ["ledger.newer_schema"]
    assert f"failed: {job_id}" in backfill(installed_repo, code=10)
    assert installed_repo.read(name_of(job_id)) == before


def test_a_secret_is_reported(installed_repo: Machine) -> None:
    """VAL-08, trap 17: an entry that carries a credential is an error, told by its place."""
    job_id, _ = two_entries(installed_repo)
    rewrite(installed_repo, job_id, note="see https://me:hunter2pass@example.org/run")
    (problem,) = read(installed_repo).problems
    assert (problem.code, problem.job_id) == ("ledger.unsanitized", job_id)
    assert "/note" in problem.message and "hunter2" not in problem.message


def test_a_redacted_state_point_is_a_warning(installed_repo: Machine) -> None:
    """LED-02: without its state point an id cannot be proved; the entry still counts."""
    job_id, _ = two_entries(installed_repo)
    point = {"experiment_id": "E001", "seed": "<redacted>"}
    rewrite(installed_repo, job_id, statepoint=point, redacted=["/statepoint/seed"])
    ledger = read(installed_repo)
    assert job_id in ledger.entries
    assert [(p.code, p.severity) for p in ledger.problems] == [("ledger.unprovable", "warning")]


def test_an_old_entry_without_digest_is_usable(installed_repo: Machine) -> None:
    """LED-01: entries of 0.6.x have no ``record_digest`` and are read all the same."""
    job_id, _ = two_entries(installed_repo)
    rewrite(installed_repo, job_id, digest=False)
    ledger = read(installed_repo)
    assert job_id in ledger.entries and ledger.problems == ()


def test_a_reformatted_entry_is_usable(installed_repo: Machine) -> None:
    """LED-06: the digest is of the content, so another layout of the same JSON holds."""
    job_id, _ = two_entries(installed_repo)
    entry = entry_of(installed_repo, job_id)
    installed_repo.write(name_of(job_id), json.dumps(entry, indent=4))
    ledger = read(installed_repo)
    assert job_id in ledger.entries and ledger.problems == ()


def test_both_layouts_are_read_as_one(installed_repo: Machine) -> None:
    """LED-13, VAL-08: a sharded entry counts; a second file of the run is a warning."""
    job_id, other = two_entries(installed_repo)
    text = installed_repo.read(name_of(job_id))
    (installed_repo / name_of(other)).rename(
        installed_repo.write(f".aexp/ledger/{other[:2]}/{other}.json", "")
    )
    assert (set(read(installed_repo).entries), codes(read(installed_repo))) == ({job_id, other}, [])
    installed_repo.write(f".aexp/ledger/{job_id[:2]}/{job_id}.json", text)
    ledger = read(installed_repo)
    assert set(ledger.entries) == {job_id, other}
    assert [(p.code, p.severity) for p in ledger.problems] == [("ledger.duplicate", "warning")]
    assert list_ledger_job_ids(installed_repo.path) == {job_id, other}


def test_strays_are_warnings(installed_repo: Machine) -> None:
    """Trap 10: what is no entry is named, and other record kinds in subfolders are not."""
    two_entries(installed_repo)
    installed_repo.write(".aexp/ledger/a.tmp", "half")
    installed_repo.write(f".aexp/ledger/{'A' * 32}.json", "{}")
    installed_repo.write(".aexp/ledger/sweeps/s1.json", "{}")
    ledger = read(installed_repo)
    assert len(ledger.entries) == 2
    assert [(p.code, p.severity) for p in ledger.problems] == [("ledger.stray", "warning")] * 2


def test_an_empty_ledger(repo: Machine) -> None:
    """LED-01: a repository without a ledger folder has no entries and no problems."""
    ledger = read(repo)
    assert (dict(ledger.entries), ledger.problems) == ({}, ())
    assert list_ledger_job_ids(repo.path) == set()
    assert load_ledger_entry(repo.path, "a" * 32) is None


def test_a_symbolic_link_among_the_entries_is_stray(installed_repo: Machine) -> None:
    """VAL-08: git would share where a link points, so it is no entry, in any view."""
    job_id = put_run(installed_repo, 0)
    backfill(installed_repo)
    folder = installed_repo / ".aexp/ledger"
    (folder / f"{'0' * 32}.json").symlink_to(f"{job_id}.json")
    (folder / "sweeps").symlink_to("nowhere")
    installed_repo.git("add", ".aexp/ledger")
    for tree in (WorkTree(installed_repo.path), GitTree(installed_repo.path)):
        ledger = read_ledger(tree)
        assert set(ledger.entries) == {job_id}
        assert [(p.code, p.severity, p.path) for p in ledger.problems] == [
            ("ledger.stray", "warning", f".aexp/ledger/{'0' * 32}.json"),
            ("ledger.stray", "warning", ".aexp/ledger/sweeps"),
        ]
