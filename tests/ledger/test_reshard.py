"""The sharded layout: opt-in, read everywhere, and left and entered without loss (LED-13)."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.ledger import list_ledger_job_ids, load_ledger_entry
from aexp.ledger.merge_driver import DRIVER_NAME, driver_arguments
from aexp.ledger.places import find_entry, forget_layout
from aexp.ledger.reshard import apply_reshard, plan_reshard
from aexp.repo import open_layout
from tests.ledger.test_backfill import backfill, ledger_bytes, name_of, put_run
from tests.support.killed import kill_points, run_killed_at
from tests.support.machines import Completed, Machine, clone_repo

RUNS = 5


@pytest.fixture
def runs(installed_repo: Machine) -> list[str]:
    """Ended runs of ``installed_repo`` that are in the ledger, which is committed."""
    ids = [put_run(installed_repo, seed) for seed in range(RUNS)]
    installed_repo.aexp_fast("ledger", "backfill")
    return ids


def shard_of(job_id: str) -> str:
    """Return the path of a run's entry in the sharded layout."""
    return f".aexp/ledger/{job_id[:2]}/{job_id}.json"


def reshard(machine: Machine, *args: str, code: int = 0) -> Completed:
    """Run ``aexp ledger reshard`` in this process and check how it ends."""
    return machine.aexp_fast("ledger", "reshard", *args, check=False).require(code)


def flat_names(machine: Machine) -> dict[str, bytes]:
    """Return the bytes of every entry by its file's name, whatever folder it is in."""
    return {path.rpartition("/")[2]: data for path, data in ledger_bytes(machine).items()}


def problems(machine: Machine, *args: str) -> list[str]:
    """Return the codes that ``aexp ledger verify`` reports."""
    done = machine.aexp_fast("ledger", "verify", "--format", "json", *args, check=False)
    return [problem["code"] for problem in json.loads(done.stdout)["problems"]]


def test_there_and_back(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: the bytes stay, git sees renamed files, and the way back leaves nothing behind."""
    before = ledger_bytes(installed_repo)
    said = reshard(installed_repo).stdout
    assert said.startswith(f"moved {RUNS} entries: the ledger is sharded\n")
    assert set(ledger_bytes(installed_repo)) == {f"{r[:2]}/{r}.json" for r in runs}
    assert flat_names(installed_repo) == before
    assert problems(installed_repo) == []
    installed_repo.aexp_fast("ledger", "backfill")
    assert installed_repo.status() == ""
    shown = installed_repo.git("show", "--format=%s", "--name-status", "-M", "HEAD").stdout
    assert shown.startswith(f"aexp ledger: {RUNS} entries\n")
    assert shown.count("\nR100\t") == RUNS
    reshard(installed_repo, "--to", "flat")
    assert ledger_bytes(installed_repo) == before
    assert not any(path.is_dir() for path in (installed_repo / ".aexp/ledger").iterdir())
    installed_repo.aexp_fast("ledger", "backfill")
    assert installed_repo.status() == ""


def test_nothing_to_do(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: the layout it has already; an empty ledger has both."""
    assert reshard(installed_repo, "--to", "flat").stdout == "the ledger is flat already\n"
    reshard(installed_repo)
    assert reshard(installed_repo).stdout == "the ledger is sharded already\n"


def test_a_dry_run_changes_nothing(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: plan, then apply; the dry run says what would be done."""
    before = ledger_bytes(installed_repo)
    said = reshard(installed_repo, "-n").stdout
    assert said == f"would move {RUNS} entries: the ledger would be sharded\n"
    assert ledger_bytes(installed_repo) == before
    assert installed_repo.status() == ""


def test_new_entries_follow_the_layout(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: backfill, promote and a recorded run write where the others are."""
    reshard(installed_repo)
    new = put_run(installed_repo, 100)
    backfill(installed_repo)
    other = put_run(installed_repo, 101)
    installed_repo.aexp_fast("ledger", "promote", other)
    with chdir(installed_repo.path), pytest.warns(UserWarning, match="E001"):
        job = create_run("E001", {"seed": 102})
    with run_lifecycle(job):
        pass
    for job_id in (new, other, job.id):
        assert (installed_repo / shard_of(job_id)).is_file()
        assert not (installed_repo / name_of(job_id)).exists()
    again = backfill(installed_repo)
    assert again.startswith(f"0 promoted, 0 refreshed, {RUNS + 3} skipped")


def test_every_reading_verb_reads_both(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: the same answers of the flat ledger, the sharded one, and half of each."""

    def answers() -> dict[str, Any]:
        forget_layout()
        verbs: dict[str, tuple[str, ...]] = {
            "list": ("ledger", "list", "--format", "json"),
            "runs": ("list-runs", "--format", "json"),
            "show": ("ledger", "show", runs[0][:8]),
            "status": ("status",),
        }
        found: dict[str, Any] = {
            name: installed_repo.aexp_fast(*words).stdout for name, words in verbs.items()
        }
        done = installed_repo.aexp_fast("validate", "--format", "json", check=False).stdout
        found["validate"] = sorted(i["code"] for i in json.loads(done)["issues"])
        found["ids"] = list_ledger_job_ids(installed_repo.path)
        found["loaded"] = [load_ledger_entry(installed_repo.path, r) for r in runs]
        found["backfill"] = backfill(installed_repo)
        return found

    installed_repo.commit_all()
    flat = answers()
    reshard(installed_repo)
    installed_repo.commit_all()
    assert answers() == flat
    shutil.move(installed_repo / shard_of(runs[0]), installed_repo / name_of(runs[0]))
    installed_repo.commit_all()
    assert answers() == flat


def test_a_file_in_both_layouts_is_one_entry(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: whatever each of them knows is read, written by the next promotion, and moved."""
    job_id = runs[0]
    flat, sharded = installed_repo / name_of(job_id), installed_repo / shard_of(job_id)
    old = flat.read_bytes()
    installed_repo.aexp_fast("tag", job_id, "--add", "best")
    new = flat.read_bytes()
    sharded.parent.mkdir()
    sharded.write_bytes(new)
    flat.write_bytes(old)
    forget_layout()
    assert problems(installed_repo) == ["ledger.duplicate"]
    entry = load_ledger_entry(installed_repo.path, job_id)
    assert entry is not None
    assert entry["tags"] == ["best"]
    shutil.rmtree(installed_repo / f".runs/workspace/{job_id}")
    for to in ("sharded", "flat"):
        reshard(installed_repo, "--to", to)
        assert problems(installed_repo) == []
        assert flat_names(installed_repo)[flat.name] == new


def test_a_tombstone_in_either_file_wins(installed_repo: Machine, runs: list[str]) -> None:
    """LED-12, LED-13: a live file beside a tombstone brings nothing back."""
    job_id = runs[0]
    flat, sharded = installed_repo / name_of(job_id), installed_repo / shard_of(job_id)
    alive = flat.read_bytes()
    installed_repo.aexp_fast("ledger", "retract", job_id, "--reason", "wrong data")
    sharded.parent.mkdir()
    shutil.move(flat, sharded)
    flat.write_bytes(alive)
    forget_layout()
    backfill(installed_repo)
    entry = load_ledger_entry(installed_repo.path, job_id)
    assert entry is not None
    assert entry["status"] == "retracted"
    reshard(installed_repo)
    assert problems(installed_repo) == []
    assert json.loads(sharded.read_text())["status"] == "retracted"


def test_what_is_damaged_stays(installed_repo: Machine, runs: list[str]) -> None:
    """LED-13: an entry that cannot be read, or is unmerged, stays; the others are moved."""
    installed_repo.write(name_of(runs[0]), "{}")
    path = name_of(runs[1])
    blob = installed_repo.git("rev-parse", f"HEAD:{path}").stdout.strip()
    installed_repo.git("rm", "-q", "--cached", path)
    stages = "".join(f"100644 {blob} {stage}\t{path}\n" for stage in (1, 2, 3))
    installed_repo.git("update-index", "--index-info", input=stages)
    installed_repo.write(".aexp/ledger/README.md", "not ours\n")
    done = reshard(installed_repo, code=10)
    assert f"moved {RUNS - 2} entries" in done.stdout
    assert f"left where it is: {name_of(runs[0])}: " in done.stderr
    assert f"left where it is: {path}: it is unmerged" in done.stderr
    assert (installed_repo / path).is_file()
    assert installed_repo.read(name_of(runs[0])) == "{}"
    assert installed_repo.read(".aexp/ledger/README.md") == "not ours\n"


def test_what_changes_meanwhile_is_not_lost(installed_repo: Machine, runs: list[str]) -> None:
    """LED-05: a promotion between plan and move is kept, and a second call moves it."""
    layout = open_layout(installed_repo.path)
    plan = plan_reshard(layout, "sharded")
    (installed_repo / name_of(runs[0])).unlink()
    installed_repo.aexp_fast("tag", runs[1], "--add", "late")
    left = apply_reshard(layout, plan)
    assert set(left) == {name_of(runs[0])}
    assert json.loads(installed_repo.read(shard_of(runs[1])))["tags"] == ["late"]


@pytest.mark.parametrize(
    "points", [6, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_a_killed_reshard_is_completed_by_the_next(
    installed_repo: Machine, runs: list[str], tmp_path: Path, points: int
) -> None:
    """LED-13: killed anywhere, every entry is still read, and the next call ends the move."""
    before = ledger_bytes(installed_repo)
    args = ["aexp", "ledger", "reshard"]
    dry = tmp_path / "dry"
    shutil.copytree(installed_repo.path, dry, symlinks=True)
    total = len(kill_points(args, cwd=dry))
    for number in range(0, total, max(1, total // points)):
        place = Machine(tmp_path / f"place-{number}")
        shutil.copytree(installed_repo.path, place.path, symlinks=True)
        assert run_killed_at(number, args, cwd=place.path) is not None
        assert set(problems(place)) <= {"ledger.duplicate"}
        assert list_ledger_job_ids(place.path) == set(runs)
        reshard(place)
        assert flat_names(place) == before
        assert problems(place) == []
        place.aexp_fast("ledger", "backfill")
        assert place.status() == ""


def test_a_removal_that_was_staged_already(installed_repo: Machine, runs: list[str]) -> None:
    """LED-07: ``git add -A`` before the backfill makes no difference to the commit."""
    reshard(installed_repo)
    installed_repo.git("add", "-A")
    installed_repo.aexp_fast("ledger", "backfill")
    assert installed_repo.status() == ""
    names = installed_repo.git("ls-tree", "-r", "--name-only", "HEAD", ".aexp/ledger").stdout
    assert names.split() == sorted(shard_of(r) for r in runs)


def test_other_removals_stay_out_of_the_commit(installed_repo: Machine, runs: list[str]) -> None:
    """LED-12: an entry that was deleted by hand is not taken out of the ledger by backfill."""
    shutil.rmtree(installed_repo / f".runs/workspace/{runs[0]}")
    (installed_repo / name_of(runs[0])).unlink()
    put_run(installed_repo, 100)
    installed_repo.aexp_fast("ledger", "backfill")
    assert installed_repo.status() == f" D {name_of(runs[0])}\n"


def test_finding_the_place_is_cheap(
    installed_repo: Machine, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-13: at most two looks at the disk for a run, once the layout is known."""
    layout = open_layout(installed_repo.path)
    for sharded in (False, True):
        if sharded:
            reshard(installed_repo)
        find_entry(layout, runs[0])
        looks: list[str] = []
        monkeypatch.setattr(os.path, "isfile", _counted(looks))
        for job_id in (*runs, "0" * 32):
            looks.clear()
            find_entry(layout, job_id)
            assert len(looks) <= 2
        monkeypatch.undo()


def _counted(looks: list[str]) -> Any:
    real = os.path.isfile

    def isfile(path: str) -> bool:
        looks.append(path)
        return real(path)

    return isfile


# --- two clones ------------------------------------------------------------------------------


def record(machine: Machine, acc: float, *, again: bool = False, seed: int = 0) -> str:
    """Record a run with a result in this clone and commit the ledger."""
    with chdir(machine.path), pytest.warns(UserWarning, match="E001"):
        job = create_run("E001", {"seed": seed}, include_commit=False)
    with chdir(machine.path), run_lifecycle(job, again=again):
        run = current_run()
        assert run is not None
        run.log_metric("acc", acc)
    forget_layout()
    machine.aexp_fast("ledger", "backfill")
    return str(job.id)


def accs(machine: Machine, job_id: str) -> list[float]:
    """Return the result of every attempt of a run, sorted."""
    entry: Any = load_ledger_entry(machine.path, job_id)
    attempts = [entry, *entry.get("replicates", ())]
    return sorted(a["metrics"]["acc"]["value"] for a in attempts if "metrics" in a)


@pytest.fixture
def clones(installed_repo: Machine, tmp_path: Path) -> tuple[Machine, Machine, str]:
    """Two clones with some runs, one of which both have; the second clone pulls from the first."""
    job_id = record(installed_repo, 0.25)
    for seed in range(1, RUNS):
        record(installed_repo, seed / 10, seed=seed)
    second = clone_repo(installed_repo, tmp_path / "second", label="cluster")
    second.aexp_fast("install", "--yes", "--machine-label", "cluster")
    return installed_repo, second, job_id


def test_flat_here_and_sharded_there(clones: tuple[Machine, Machine, str]) -> None:
    """LED-13: one clone reshards, the other goes on recording; both end with everything."""
    first, second, job_id = clones
    reshard(first)
    first.aexp_fast("ledger", "backfill")
    new = record(first, 0.5, seed=100)
    record(second, 0.75)
    theirs = record(second, 0.6, seed=200)
    assert (second / name_of(theirs)).is_file()
    second.git("pull", "-q", "--no-rebase", "--no-edit")
    forget_layout()
    assert accs(second, job_id) == [0.25, 0.75]
    assert accs(second, new) == [0.5]
    assert accs(second, theirs) == [0.6]
    assert problems(second) == []
    assert (second / name_of(theirs)).is_file(), "a new flat entry stays until the next reshard"
    reshard(second)
    second.aexp_fast("ledger", "backfill")
    first.git("pull", "-q", str(second.path), "main")
    assert ledger_bytes(first) == ledger_bytes(second)
    assert problems(first) == []


def test_where_git_sees_no_rename(clones: tuple[Machine, Machine, str]) -> None:
    """LED-13, trap 74: an entry that moved and changed is a conflict; resolve loses nothing."""
    first, second, job_id = clones
    reshard(first)
    record(first, 0.5, again=True)
    record(second, 0.75)
    second.git(
        *("pull", "-q", "--no-rebase", "--no-edit", "-Xfind-renames=100%"), check=False
    ).require(1)
    forget_layout()
    second.aexp_fast("ledger", "resolve")
    second.git("-c", "core.editor=true", "merge", "--continue")
    assert problems(second) == ["ledger.duplicate"]
    assert accs(second, job_id) == [0.25, 0.5, 0.75]
    reshard(second)
    second.aexp_fast("ledger", "backfill")
    assert second.status() == ""
    assert accs(second, job_id) == [0.25, 0.5, 0.75]
    assert problems(second) == []


def test_back_to_flat_while_the_other_records(clones: tuple[Machine, Machine, str]) -> None:
    """LED-13: git may take a shard for a renamed folder; what it asks about, resolve mends."""
    first, second, job_id = clones
    reshard(first)
    first.aexp_fast("ledger", "backfill")
    second.git("pull", "-q")
    reshard(first, "--to", "flat")
    first.aexp_fast("ledger", "backfill")
    record(second, 0.75)
    new = [record(second, seed / 1000, seed=seed) for seed in range(300, 303)]
    done = second.git("pull", "-q", "--no-rebase", "--no-edit", check=False)
    forget_layout()
    if done.returncode:
        second.aexp_fast("ledger", "resolve")
        second.git("-c", "core.editor=true", "merge", "--continue")
    assert accs(second, job_id) == [0.25, 0.75]
    assert [accs(second, one) for one in new] == [[0.3], [0.301], [0.302]]
    reshard(second, "--to", "flat")
    second.aexp_fast("ledger", "backfill")
    assert second.status() == ""
    assert problems(second) == []


@pytest.mark.parametrize("retracts_first", [True, False], ids=["retracted first", "edited first"])
@pytest.mark.parametrize("way", ["merge", "rebase", "merge and resolve"])
def test_a_retraction_wins_over_an_edit(
    clones: tuple[Machine, Machine, str], retracts_first: bool, way: str
) -> None:
    """LED-12, LED-10: in every order, by merge and by rebase, with the driver and without it."""
    first, second, job_id = clones
    if retracts_first:
        first.aexp_fast("ledger", "retract", job_id, "--reason", "wrong data")
        first.aexp_fast("ledger", "backfill")
        record(second, 0.75)
    else:
        record(first, 0.75, again=True)
        second.aexp_fast("ledger", "retract", job_id, "--reason", "wrong data")
        second.aexp_fast("ledger", "backfill")
    pull = ["-c", "core.editor=true", "pull", "-q"]
    if way == "merge and resolve":
        second.git("config", "--remove-section", f"merge.{DRIVER_NAME}")
        second.git(*pull, "--no-rebase", check=False).require(1)
        second.aexp_fast("ledger", "resolve")
        second.git("-c", "core.editor=true", "merge", "--continue")
    else:
        option = "--no-rebase" if way == "merge" else "--rebase"
        second.git(*driver_arguments(), *pull, option)
    for machine in (second, first):
        machine.aexp_fast("ledger", "backfill")
        first.git("pull", "-q", str(second.path), "main")
        entry: Any = load_ledger_entry(machine.path, job_id)
        assert entry["status"] == "retracted"
        assert "replicates" not in entry
        assert problems(machine) == []
    assert ledger_bytes(first) == ledger_bytes(second)


def test_sync_of_a_flat_and_a_sharded_clone(
    clones: tuple[Machine, Machine, str], tmp_path: Path
) -> None:
    """LED-13, LED-14: ``aexp sync`` alone brings both layouts together, with both results."""
    first, second, job_id = clones
    remote = tmp_path / "remote.git"
    first.git("clone", "-q", "--bare", "--template=", str(first.path), str(remote))
    for machine in clones[:2]:
        machine.git("remote", "remove", "origin", check=False)
        machine.git("remote", "add", "origin", str(remote))
        machine.git("fetch", "-q", "origin")
        machine.git("branch", "-q", "--set-upstream-to=origin/main")
    reshard(first)
    record(first, 0.5, again=True)
    record(second, 0.75)
    theirs = record(second, 0.6, seed=200)
    for machine in (first, second, first):
        forget_layout()
        machine.aexp_fast("sync")
    for machine in (first, second):
        forget_layout()
        assert accs(machine, job_id) == [0.25, 0.5, 0.75]
        assert accs(machine, theirs) == [0.6]
        assert problems(machine) in ([], ["ledger.duplicate"])
    assert ledger_bytes(first) == ledger_bytes(second)
