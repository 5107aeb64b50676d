"""Backfill and promote: what is written, repaired, counted and labelled (LED-05 … LED-07)."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from typing import Any

import pytest

from aexp.ledger import backfill_ledger, load_ledger_entry
from aexp.ledger.store import read_ledger
from aexp.model.canonical import signac_id
from aexp.model.entry import record_digest
from aexp.repo import open_layout
from aexp.storage.atomic import TEMP_SUFFIX, BatchWriter
from aexp.tree import WorkTree
from aexp.workspace.store import RunStore
from tests.support.machines import Machine
from tests.support.race import run_aexp_together

START, END = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def put_run(machine: Machine, seed: int = 0, **facts: Any) -> str:
    """Put a run into the run store as an older tool would: ended, and not promoted."""
    statepoint = {"experiment_id": "E001", "seed": seed}
    document = {
        "aexp": {"experiment_id": "E001", "experiment_path": None, "hypothesis_id": None},
        "status": "complete",
        "started_at": START,
        "ended_at": END,
        "wallclock_s": 60.0,
        **facts,
    }
    RunStore(open_layout(machine.path)).create(statepoint, document)
    return signac_id(statepoint)


def edit_run(machine: Machine, job_id: str, **facts: Any) -> None:
    """Change the document of a run."""

    def change(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, **facts}

    RunStore(open_layout(machine.path)).update(job_id, change)


def backfill(machine: Machine, *args: str, code: int = 0) -> str:
    """Run ``aexp ledger backfill --no-commit`` and return all it said."""
    done = machine.aexp_fast("ledger", "backfill", "--no-commit", *args, check=False)
    return done.require(code).output


def name_of(job_id: str) -> str:
    """Return the path of a run's entry."""
    return f".aexp/ledger/{job_id}.json"


def entry_of(machine: Machine, job_id: str) -> dict[str, Any]:
    """Return a run's entry as plain data."""
    value: dict[str, Any] = json.loads(machine.read(name_of(job_id)))
    return value


def ledger_bytes(machine: Machine) -> Mapping[str, bytes]:
    """Return every file below the ledger folder."""
    folder = machine / ".aexp/ledger"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_no_run_store_is_no_error(installed_repo: Machine) -> None:
    """LED-07: without a run store nothing is promoted, and that is a success."""
    before = installed_repo.head()
    shutil.rmtree(installed_repo / ".runs", ignore_errors=True)
    done = installed_repo.aexp_fast("ledger", "backfill")
    assert done.stdout.startswith("0 promoted, 0 refreshed, 0 skipped, 0 failed\n")
    assert installed_repo.head() == before
    assert not (installed_repo / ".runs").exists()
    assert backfill_ledger(installed_repo.path) == (0, 0)


def test_only_ended_runs_are_promoted(installed_repo: Machine) -> None:
    """LED-07: every terminal run gets its entry, the others none; the second time all is right."""
    ended = [
        put_run(installed_repo, seed, status=s) for seed, s in enumerate(("complete", "failed"))
    ]
    for seed, status in enumerate(("created", "queued", "running"), start=10):
        put_run(installed_repo, seed, status=status)
    assert "2 promoted, 0 refreshed, 0 skipped, 0 failed" in backfill(installed_repo)
    first = ledger_bytes(installed_repo)
    assert sorted(first) == sorted(f"{job_id}.json" for job_id in ended)
    assert "0 promoted, 0 refreshed, 2 skipped, 0 failed" in backfill(installed_repo)
    assert ledger_bytes(installed_repo) == first


def test_the_entry_has_its_end(installed_repo: Machine) -> None:
    """Trap 1, LED-01: status, end and duration are in the entry, and a digest that holds."""
    job_id = put_run(installed_repo)
    backfill(installed_repo)
    entry = entry_of(installed_repo, job_id)
    assert (entry["started_at"], entry["ended_at"], entry["wallclock_s"]) == (START, END, 60.0)
    assert entry["registered_machine"] == "laptop"
    assert entry["record_digest"] == record_digest(entry)


def test_a_recorded_run_is_right_at_once(installed_repo: Machine) -> None:
    """Trap 1, LED-06: what the lifecycle promoted is complete; backfill changes no byte of it."""
    installed_repo.aexp_fast("run", "--sp", "a=1", "--", "true")
    first = ledger_bytes(installed_repo)
    (entry,) = (json.loads(data) for data in first.values())
    assert entry["status"] == "complete"
    assert entry["ended_at"] >= entry["started_at"]
    assert entry["wallclock_s"] >= 0
    assert "0 promoted, 0 refreshed, 1 skipped" in backfill(installed_repo)
    assert ledger_bytes(installed_repo) == first


def corrupt_conflict(good: str) -> str:
    """Return an entry with git's conflict markers around its first line."""
    return "<<<<<<< HEAD\n" + good + "=======\n" + good + ">>>>>>> other\n"


CORRUPT = {
    "empty": lambda good: "",
    "empty object": lambda good: "{}",
    "a list": lambda good: "[]",
    "torn": lambda good: good[: len(good) // 2],
    "markers": corrupt_conflict,
    "wrong id": lambda good: json.dumps({**json.loads(good), "job_id": "0" * 32}),
    "edited": lambda good: good.replace('"complete"', '"failed"'),
    "edited state point": lambda good: good.replace('"seed": 0', '"seed": 5'),
    "wrong types": lambda good: json.dumps({**json.loads(good), "statepoint": 3}),
    "nan": lambda good: good.replace("60.0", "NaN"),
    "binary": lambda good: "\x00\x01\x02",
}


@pytest.mark.parametrize("make", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_entry_is_repaired(installed_repo: Machine, make: Any) -> None:
    """Traps 2, 3, 4: a corrupt entry satisfies nothing, is rewritten, counted and kept aside."""
    job_id = put_run(installed_repo)
    other = put_run(installed_repo, 1)
    backfill(installed_repo)
    good = ledger_bytes(installed_repo)
    text = installed_repo.read(name_of(job_id))
    bad = make(text)
    assert bad != text
    installed_repo.write(name_of(job_id), bad)
    assert load_ledger_entry(installed_repo.path, job_id) is None
    said = backfill(installed_repo)
    assert "0 promoted, 1 refreshed, 1 skipped, 0 failed" in said
    assert ledger_bytes(installed_repo) == good
    kept = list((installed_repo / ".aexp/replaced").iterdir())
    assert [path.read_text("utf-8") for path in kept] == [bad]
    assert kept[0].name in said
    assert load_ledger_entry(installed_repo.path, other) is not None
    assert installed_repo.git("status", "--porcelain", ".aexp/replaced").stdout == ""


def test_a_folder_in_place_of_an_entry_fails_alone(installed_repo: Machine) -> None:
    """Traps 2, 4: a folder of an entry's name is a failure, named; the other runs are promoted."""
    blocked, fine = put_run(installed_repo), put_run(installed_repo, 1)
    (installed_repo / name_of(blocked)).mkdir(parents=True)
    installed_repo.write(name_of(blocked) + "/precious.txt", "mine\n")
    said = backfill(installed_repo, code=10)
    assert "1 promoted, 0 refreshed, 0 skipped, 1 failed" in said
    assert f"failed: {blocked}" in said
    assert load_ledger_entry(installed_repo.path, fine) is not None
    assert load_ledger_entry(installed_repo.path, blocked) is None
    assert installed_repo.read(name_of(blocked) + "/precious.txt") == "mine\n"
    assert backfill_ledger(installed_repo.path) == (0, 1)


def test_an_unmerged_entry_fails_alone(installed_repo: Machine) -> None:
    """Trap 4: an entry in the middle of a merge is left to the person who merges."""
    job_id, fine = put_run(installed_repo), put_run(installed_repo, 1)
    installed_repo.git("checkout", "-q", "-b", "theirs")
    installed_repo.write(name_of(job_id), "theirs\n")
    installed_repo.commit_all()
    installed_repo.git("checkout", "-q", "main")
    installed_repo.write(name_of(job_id), "ours\n")
    installed_repo.commit_all()
    installed_repo.git("config", "--remove-section", "merge.aexp-ledger", check=False)
    installed_repo.git("merge", "theirs", check=False).require(1)
    middle = installed_repo.read(name_of(job_id))
    assert "<<<<<<<" in middle
    said = backfill(installed_repo, code=10)
    assert "1 promoted, 0 refreshed, 0 skipped, 1 failed" in said
    assert f"failed: {job_id}" in said and "merge" in said
    assert installed_repo.read(name_of(job_id)) == middle
    assert load_ledger_entry(installed_repo.path, fine) is not None


@pytest.mark.parametrize("name", ["signac_statepoint.json", "signac_job_document.json"])
def test_a_damaged_run_never_stops_the_rest(installed_repo: Machine, name: str) -> None:
    """LED-07: one run whose files are damaged is a failure; every other one is promoted."""
    bad, fine = put_run(installed_repo), put_run(installed_repo, 1)
    (installed_repo / f".runs/workspace/{bad}/{name}").write_text('{"half', "utf-8")
    said = backfill(installed_repo, code=10)
    assert "1 promoted, 0 refreshed, 0 skipped, 1 failed" in said
    assert f"failed: {bad}" in said
    assert load_ledger_entry(installed_repo.path, fine) is not None


def test_facts_of_odd_types_never_stop_the_rest(installed_repo: Machine) -> None:
    """LED-07: a document that holds what no tool writes fails or passes, but stops nothing."""
    odd: list[dict[str, Any]] = [
        {"aexp": 3}, {"attempts": {"a": 1}}, {"ledger": []}, {"tracker": "x"}, {"error": [1]},
        {"tags": 5}, {"params": [1]}, {"worktree": "/nowhere"}, {"started_at": 7},
    ]  # fmt: skip
    for seed, facts in enumerate(odd, start=100):
        put_run(installed_repo, seed, **facts)
    fine = put_run(installed_repo, 1)
    done = installed_repo.aexp_fast("ledger", "backfill", "--no-commit", check=False)
    done.require(0, 10)
    assert "Traceback" not in done.output
    assert load_ledger_entry(installed_repo.path, fine) is not None
    tree = WorkTree(installed_repo.path)
    assert [p for p in read_ledger(tree).problems if p.severity == "error"] == []


def test_overwrite_counts_but_changes_no_byte(installed_repo: Machine) -> None:
    """LED-07, trap 12: ``--overwrite`` promotes every run again; nothing new, so no new bytes."""
    job_id = put_run(installed_repo)
    put_run(installed_repo, 1)
    backfill(installed_repo)
    first = ledger_bytes(installed_repo)
    assert "2 promoted, 0 refreshed, 0 skipped" in backfill(installed_repo, "--overwrite")
    assert ledger_bytes(installed_repo) == first
    said = backfill(installed_repo, "--overwrite", "--machine-label", "elsewhere")
    assert "2 promoted" in said
    assert ledger_bytes(installed_repo) == first
    assert entry_of(installed_repo, job_id)["registered_machine"] == "laptop"
    assert backfill_ledger(installed_repo.path, overwrite=True) == (2, 0)


def test_the_label_goes_on_new_entries_only(installed_repo: Machine) -> None:
    """LED-07, trap 12: ``backfill --machine-label`` never relabels what has a label."""
    old = put_run(installed_repo)
    backfill(installed_repo)
    before = installed_repo.read(name_of(old))
    new = put_run(installed_repo, 1)
    backfill(installed_repo, "--machine-label", "cluster")
    assert installed_repo.read(name_of(old)) == before
    assert entry_of(installed_repo, new)["registered_machine"] == "cluster"
    labelled = installed_repo.read(name_of(new))
    assert "2 skipped" in backfill(installed_repo)
    assert installed_repo.read(name_of(new)) == labelled


def test_promote_relabels_the_one_it_is_told(installed_repo: Machine) -> None:
    """LED-07: ``promote ID --machine-label`` relabels that run, later in time, and no other."""
    one, other = put_run(installed_repo), put_run(installed_repo, 1)
    backfill(installed_repo)
    before, untouched = entry_of(installed_repo, one), installed_repo.read(name_of(other))
    said = installed_repo.aexp_fast("ledger", "promote", one[:10], "--machine-label", "gpu1").stdout
    assert said == f"refreshed  {name_of(one)}\n"
    after = entry_of(installed_repo, one)
    assert after["registered_machine"] == "gpu1"
    assert after["promoted_at"] > before["promoted_at"]
    assert "replicates" not in after
    assert installed_repo.read(name_of(other)) == untouched
    assert "2 skipped" in backfill(installed_repo)
    assert entry_of(installed_repo, one) == after


@pytest.mark.parametrize("verb", [["backfill"], ["promote", "RUN"]], ids=["backfill", "promote"])
def test_a_bad_label_is_refused(installed_repo: Machine, verb: list[str]) -> None:
    """Trap 18: a label that could leave the repository is refused before anything is written."""
    job_id = put_run(installed_repo)
    args = [job_id if part == "RUN" else part for part in verb]
    installed_repo.aexp_fast("ledger", *args, "--machine-label", "../../evil", check=False).require(
        2
    )
    assert ledger_bytes(installed_repo) == {}


def test_promoting_a_run_that_goes_on_is_refused(installed_repo: Machine) -> None:
    """LED-04: a run that has not ended is no fact yet; unknown ids are refused, too."""
    job_id = put_run(installed_repo, status="running")
    done = installed_repo.aexp_fast("ledger", "promote", job_id, check=False)
    assert done.returncode != 0 and "not terminal" in done.stderr
    done = installed_repo.aexp_fast("ledger", "promote", "f" * 32, check=False)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert ledger_bytes(installed_repo) == {}


OLD_LABELS = {"same label": "laptop", "other label": "old-name"}


@pytest.mark.parametrize("label", OLD_LABELS.values(), ids=OLD_LABELS)
def test_an_incomplete_old_entry_is_completed(installed_repo: Machine, label: str) -> None:
    """LED-07, trap 1: an entry of 0.6.x that lacks its end gets it, and no replicate."""
    job_id = put_run(installed_repo)
    old = {
        "schema_version": 1,
        "job_id": job_id,
        "statepoint": {"experiment_id": "E001", "seed": 0},
        "status": "complete",
        "started_at": START,
        "run_link": {"experiment_id": "E001", "experiment_path": None, "hypothesis_id": None},
        "promoted_at": "2026-01-01T00:00:59Z",
        "registered_machine": label,
    }
    installed_repo.write(name_of(job_id), json.dumps(old, indent=2, sort_keys=True) + "\n")
    assert "0 promoted, 1 refreshed, 0 skipped, 0 failed" in backfill(installed_repo)
    entry = entry_of(installed_repo, job_id)
    assert (entry["ended_at"], entry["wallclock_s"]) == (END, 60.0)
    assert entry["registered_machine"] == label
    assert entry["promoted_at"] > old["promoted_at"]
    assert entry["attempt_id"].startswith("legacy-")
    assert "replicates" not in entry
    first = ledger_bytes(installed_repo)
    assert "1 skipped" in backfill(installed_repo)
    assert ledger_bytes(installed_repo) == first


def test_a_changed_run_refreshes_its_entry(installed_repo: Machine) -> None:
    """LED-07: an entry that is stale compared with its run is refreshed, with a later time."""
    job_id = put_run(installed_repo)
    backfill(installed_repo)
    before = entry_of(installed_repo, job_id)
    edit_run(installed_repo, job_id, note="looked at the curves")
    assert "0 promoted, 1 refreshed, 0 skipped" in backfill(installed_repo)
    after = entry_of(installed_repo, job_id)
    assert after["note"] == "looked at the curves"
    assert after["promoted_at"] > before["promoted_at"]


def test_a_lost_entry_comes_back_the_same(installed_repo: Machine) -> None:
    """LED-06: the stamp in the run's document gives a deleted entry its old bytes."""
    job_id = put_run(installed_repo)
    backfill(installed_repo)
    first = ledger_bytes(installed_repo)
    (installed_repo / name_of(job_id)).unlink()
    assert "1 promoted" in backfill(installed_repo)
    assert ledger_bytes(installed_repo) == first


def test_no_temporary_file_stays(installed_repo: Machine) -> None:
    """Trap 10, LED-05: only entries are in the ledger; old leftovers go, and git never saw any."""
    tmp = installed_repo / ".aexp/tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    put_run(installed_repo)
    backfill(installed_repo)
    assert list(tmp.iterdir()) == []
    layout = open_layout(installed_repo.path)
    old, young = layout.tmp_dir / f"old{TEMP_SUFFIX}", layout.tmp_dir / f"young{TEMP_SUFFIX}"
    for path in (old, young):
        path.write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    backfill(installed_repo)
    assert (old.exists(), young.exists()) == (False, True)
    installed_repo.git("add", "-A")
    staged = installed_repo.git("diff", "--cached", "--name-only").stdout.split()
    assert len(staged) == 1 and staged[0].startswith(".aexp/ledger/")


def test_a_full_disk_fails_some_and_writes_the_rest(
    installed_repo: Machine, failing_storage: Any
) -> None:
    """LED-05, LED-07: when one rename fails that run is failed, and no torn entry is left."""
    ids = [put_run(installed_repo, seed) for seed in range(3)]
    with failing_storage("replace", nth=1, times=2) as disk:
        done = installed_repo.aexp_fast("ledger", "backfill", "--no-commit", check=False)
    assert disk.failed
    done.require(0, 10)
    assert "Traceback" not in done.output
    usable = set(read_ledger(WorkTree(installed_repo.path)).entries)
    assert len(usable) == 3 - done.stderr.count("failed: ")
    backfill(installed_repo)
    assert set(read_ledger(WorkTree(installed_repo.path)).entries) == set(ids)


def test_promoters_at_once_agree(installed_repo: Machine) -> None:
    """LED-05, trap 8: backfills and promotions of the same runs at once leave whole entries."""
    ids = [put_run(installed_repo, seed) for seed in range(5)]
    verbs = [["ledger", "backfill", "--no-commit"]] * 2 + [["ledger", "promote", *ids]]
    for done in run_aexp_together([(installed_repo.path, verb) for verb in verbs]):
        assert done.returncode == 0, done
    ledger = read_ledger(WorkTree(installed_repo.path))
    assert (set(ledger.entries), ledger.problems) == (set(ids), ())
    assert len(ledger_bytes(installed_repo)) == 5
    assert "5 skipped" in backfill(installed_repo)


def test_no_run_store_on_a_detached_head_is_no_failure(repo: Machine) -> None:
    """LED-07: without a run store there is nothing to commit; CI checks out a detached HEAD."""
    repo.git("checkout", "-q", "--detach")
    done = repo.aexp_fast("ledger", "backfill")
    assert done.stdout.startswith("0 promoted, 0 refreshed, 0 skipped, 0 failed")


@pytest.mark.parametrize("again", [False, True])
def test_a_run_that_changes_meanwhile_loses_nothing(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """LED-05, trap 19: what another process writes between preparing and publishing stays."""
    job_id = put_run(installed_repo)
    if again:  # its document is as it must be, so that only the entry would be written
        backfill(installed_repo)
        (installed_repo / name_of(job_id)).unlink()
    real = BatchWriter.flush
    late = [True]

    def flush(writer: BatchWriter) -> None:
        if late:
            late.clear()
            edit_run(installed_repo, job_id, tags=["late"])
        real(writer)

    monkeypatch.setattr(BatchWriter, "flush", flush)
    backfill(installed_repo)
    assert not late
    document = RunStore(open_layout(installed_repo.path)).read(job_id).document
    assert document["tags"] == ["late"]
    assert entry_of(installed_repo, job_id)["tags"] == ["late"]
