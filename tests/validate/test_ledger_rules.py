"""The ledger's files, what is not committed, and what validating touches (VAL-05, VAL-08)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from unittest import mock

import pytest

from aexp.git import Git
from aexp.tree import GitTree
from aexp.validate import validate_repo
from tests.support.machines import Machine
from tests.validate.world import World, batch, job, link_to, point

UNCOMMITTED = ("ledger.uncommitted", "warning")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "ledger.malformed"),
        (b"{}", "ledger.malformed"),
        (b"\xff", "ledger.malformed"),
        (b"[" * 100_000, "ledger.malformed"),
        (b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", "ledger.conflict"),
    ],
)
def test_one_bad_file_is_one_issue(world: World, data: bytes, code: str) -> None:
    """VAL-08, traps 2 and 3: an error at the file; every other entry still counts."""
    bad, good = world.entry(point(seed=1)), world.entry(point(seed=2))
    world.artifacts([job(good)])
    (world.root / f".aexp/ledger/{bad}.json").write_bytes(data)
    world.commit()
    [issue] = world.validate().issues
    assert (issue.code, issue.severity) == (code, "error")
    assert issue.path == f".aexp/ledger/{bad}.json"
    assert world.codes("off", mode="runs") == [(code, "error")]


def test_unmerged_entry_is_a_conflict(world: World) -> None:
    """VAL-08: git's index says so even where the file holds no marker."""
    job_id = world.entry(point())
    world.artifacts([job(job_id)])
    world.commit()
    git = world.machine.git
    git("checkout", "-q", "-b", "other")
    world.entry(point(), note="theirs")
    world.commit()
    git("checkout", "-q", "-")
    world.entry(point(), note="ours")
    world.commit()
    git("merge", "-q", "other", check=False)
    world.entry(point(), note="ours")
    assert sorted(world.codes()) == [
        ("finding.broken_run_citation", "error"),
        ("ledger.conflict", "error"),
    ]


def test_uncommitted_entry_that_is_cited(world: World) -> None:
    """VAL-05: untracked, changed and staged entries, through either kind of citation."""
    committed, changed = world.entry(point(seed=1)), world.entry(point(seed=2))
    world.artifacts([batch({})])
    world.commit()
    assert world.codes() == []
    world.entry(point(seed=2), note="more")
    staged, untracked = world.entry(point(seed=3)), world.entry(point(seed=4))
    uncited = world.entry(point(seed=5), link=link_to("E002"))
    world.machine.git("add", f".aexp/ledger/{staged}.json")
    found = world.issues("ledger.uncommitted")
    assert {i.path for i in found} == {
        f".aexp/ledger/{job_id}.json" for job_id in (changed, staged, untracked)
    }
    world.artifacts([job(uncited, role="baseline"), job(committed)])
    assert [i.detail["job_id"] for i in world.issues("ledger.uncommitted")] == [uncited]
    assert world.codes(mode="runs") == []


def test_ignored_entry_is_uncommitted(world: World) -> None:
    """VAL-05, INS-04: an old ignore rule hides the ledger from `git status`, not from us."""
    world.machine.write(".gitignore", ".aexp/\n.runs/\n")
    world.artifacts([job(world.entry(point()))])
    world.machine.commit_all("work")
    assert world.codes() == [UNCOMMITTED]


def test_unborn_head_and_no_git(world: World, tmp_path: Path) -> None:
    """VAL-05: before the first commit nothing is committed; outside git nobody can say."""
    fresh = Machine(tmp_path / "fresh")
    fresh.path.mkdir()
    plain = World(fresh)
    plain.artifacts([job(plain.entry(point()))])
    assert plain.codes() == []
    fresh.git("init", "-q")
    assert plain.codes() == [UNCOMMITTED]


def test_two_git_processes_and_no_write(world: World) -> None:
    """Model 13, VAL-01: reading writes nothing, and starts git at most twice."""
    world.artifacts([job(world.entry(point())), batch({})])
    world.commit()
    world.local(point())
    world.index("cluster", {"job_id": "x"})

    def snapshot() -> dict[str, tuple[int, bytes]]:
        files = [p for p in world.root.rglob("*") if p.is_file()]
        return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}

    before = snapshot()
    with mock.patch.object(Git, "run", autospec=True, side_effect=Git.run) as run:
        world.validate()
    assert run.call_count <= 2
    assert snapshot() == before


def test_read_only_clone_without_installation(world: World) -> None:
    """LED-09: a fresh clone validates, with nothing installed and nothing made."""
    world.artifacts([job(world.entry(point())), batch({"seed": 0})])
    world.commit()
    folders = [world.root, *(p for p in world.root.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert world.codes() == []
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert not (world.root / ".runs").exists()
    assert not (world.root / ".aexp/installed.json").exists()


def test_any_folder_of_the_repository(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """VAL-01: the same issues, with the same paths, from anywhere inside."""
    world.artifacts([job("a" * 32)])
    world.store()
    expected = world.validate().issues
    monkeypatch.chdir(world.root / "kb/research")
    assert validate_repo().issues == validate_repo(world.root / "kb").issues == expected


def test_a_commit_is_judged_by_its_own_files(world: World) -> None:
    """VAL-10: the tree given is the one that is read; the work tree does not count."""
    world.store()
    world.artifacts([job(world.entry(point()))])
    world.commit()
    good = world.machine.head()
    (world.root / ".aexp/ledger").rename(world.root / ".aexp/gone")
    assert [c for c, _ in world.codes()] == ["ledger.deleted", "finding.broken_run_citation"]
    assert world.codes(tree=GitTree(world.root, commit=good)) == []
    assert world.codes(tree=GitTree(world.root)) == []


def test_local_copy_does_not_hide_a_removed_entry(world: World) -> None:
    """Trap 23: the owner's machine says so too when a cited entry is gone."""
    job_id = world.entry(point())
    world.local(point())
    world.artifacts([job(job_id)])
    world.commit()
    assert world.codes() == []
    os.remove(world.root / f".aexp/ledger/{job_id}.json")
    assert world.codes() == [("ledger.deleted", "error"), ("finding.unshared_run", "warning")]
    world.commit()
    assert world.codes() == [("finding.unshared_run", "warning")]


def test_weird_names(weird_path: Path) -> None:
    """Trap 31: the repository's own name may hold anything."""
    machine = Machine(weird_path)
    machine.git("init", "-q")
    world = World(machine)
    world.artifacts([job("a" * 32)])
    job_id = world.local(point(), None, link={})
    assert [i.path for i in world.validate().issues] == [
        f".runs/workspace/{job_id}",
        "kb/research/findings/F001-words.md",
    ]


def lose(world: World, job_id: str, *, staged: bool) -> None:
    """Take an entry out of the work tree, and out of the index too."""
    path = f".aexp/ledger/{job_id}.json"
    if staged:
        world.machine.git("rm", "-q", path)
    else:
        (world.root / path).unlink()


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize("cite", ["job", "batch"])
def test_a_lost_entry_is_an_error_before_the_loss_is_committed(
    world: World, cite: str, is_local: bool, staged: bool
) -> None:
    """Trap 23: on the owner's machine too, whatever the strictness; only while it is cited."""
    kept, gone = world.entry(point(seed=1)), world.entry(point(seed=2))
    other = world.entry(point(seed=3), link=link_to("E002"))
    if is_local:
        world.local(point(seed=2))
    world.artifacts([job(kept), job(gone) if cite == "job" else batch({"seed": [1, 2]})])
    world.commit()
    assert world.codes() == []
    for job_id in (gone, other):
        lose(world, job_id, staged=staged)
    for strict in ("error", "warn", "off"):
        [issue] = world.issues("ledger.deleted", strict)  # type: ignore[arg-type]
        assert (issue.severity, issue.path) == ("error", f".aexp/ledger/{gone}.json")
        assert not world.validate(strict).ok  # type: ignore[arg-type]
    world.artifacts([job(kept)])
    assert world.codes() == []


def test_the_last_entry_can_be_lost_too(world: World) -> None:
    """Trap 23: with the whole ledger folder gone, git still knows."""
    job_id = world.entry(point())
    world.artifacts([job(job_id)])
    world.commit()
    (world.root / f".aexp/ledger/{job_id}.json").unlink()
    (world.root / ".aexp/ledger").rmdir()
    assert ("ledger.deleted", "error") in world.codes()


def test_a_moved_or_replaced_entry_is_not_lost(world: World) -> None:
    """Trap 23, LED-13: resharding moves an entry; a damaged one is called by its own code."""
    job_id = world.entry(point())
    world.artifacts([job(job_id)])
    world.commit()
    flat = world.root / f".aexp/ledger/{job_id}.json"
    sharded = world.root / f".aexp/ledger/{job_id[:2]}/{job_id}.json"
    sharded.parent.mkdir()
    flat.rename(sharded)
    assert world.codes() == [UNCOMMITTED]
    sharded.write_bytes(b"{}")
    assert [c for c, _ in world.codes()] == ["ledger.malformed", "finding.broken_run_citation"]


def test_an_entry_that_was_never_committed_is_not_called_lost(world: World) -> None:
    """Trap 23: staged and deleted, or behind a link: HEAD does not have it."""
    world.artifacts()
    world.commit()
    added, linked = world.entry(point(seed=1)), world.entry(point(seed=2))
    world.machine.git("add", f".aexp/ledger/{added}.json")
    lose(world, added, staged=False)
    path = world.root / f".aexp/ledger/{linked}.json"
    path.rename(world.root / "elsewhere.json")
    path.symlink_to(world.root / "elsewhere.json")
    world.artifacts([job(added), job(linked)])
    world.store()
    assert {c for c, _ in world.codes()} == {"finding.broken_run_citation", "ledger.stray"}


def test_an_announced_entry_is_not_what_a_commit_would_hold(world: World) -> None:
    """VAL-05, VAL-10: ``git add -N`` leaves an empty name in the index, which is no entry."""
    job_id = world.entry(point())
    world.artifacts([job(job_id)])
    world.commit()
    second = world.entry(point(seed=2))
    world.artifacts([job(job_id), job(second)])
    world.machine.git("add", "kb")
    world.machine.git("add", "-N", f".aexp/ledger/{second}.json")
    assert world.codes() == [UNCOMMITTED]
    assert world.codes(tree=GitTree(world.root)) == [("finding.broken_run_citation", "error")]


@pytest.mark.parametrize("kind", ["nothing", "an empty folder", "a file", "a link to nothing"])
def test_a_repository_without_artifacts_is_fine(world: World, kind: str) -> None:
    """VAL-07: no findings are no issue; what stands in the folder's place is no crash."""
    kb = world.root / "kb"
    if kind == "an empty folder":
        (kb / "research/findings").mkdir(parents=True)
    elif kind == "a file":
        kb.write_text("words")
    elif kind == "a link to nothing":
        kb.symlink_to("nowhere")
    world.local(point(), link=link_to(None))
    world.entry(point(), link=link_to(None))
    expected = [("kb.symlink", "warning")] if kind == "a link to nothing" else []
    for mode in ("full", "kb", "runs"):
        result = world.validate(mode=mode)
        assert [(i.code, i.severity) for i in result.issues] == expected
        assert len([f for f in result.issues if f.path == "kb"]) == len(expected)


@pytest.mark.parametrize(
    "state", ["untracked", "announced", "staged", "changed", "staged, then changed", "ignored"]
)
@pytest.mark.parametrize("cite", ["job", "batch"])
def test_every_state_that_no_commit_holds(world: World, state: str, cite: str) -> None:
    """VAL-05: git's view of a cited entry, one state at a time; a commit settles each."""
    world.store()
    git = world.machine.git
    sp = point(condition="full")
    path = f".aexp/ledger/{world.entry(sp)}.json"
    (world.root / path).unlink()
    world.artifacts([job(Path(path).stem) if cite == "job" else batch({"condition": "full"})])
    world.commit()
    if state == "changed":
        world.entry(sp)
        world.commit()
    elif state == "ignored":
        world.machine.write(".git/info/exclude", ".aexp/\n")
    world.entry(sp, note="once")
    if state in ("staged", "staged, then changed"):
        git("add", path)
    elif state == "announced":
        git("add", "-N", path)
    if state == "staged, then changed":
        world.entry(sp, note="twice")
    [issue] = world.validate().issues
    assert (issue.code, issue.severity, issue.path) == (*UNCOMMITTED, path)
    git("add", "-f", path)
    git("commit", "-q", "-m", "entry")
    assert world.codes() == []


def test_lost_before_the_first_commit(tmp_path: Path) -> None:
    """Trap 23: where there is no commit, nothing in one can be lost."""
    machine = Machine(tmp_path)
    machine.git("init", "-q")
    world = World(machine)
    world.store()
    world.artifacts([job(world.entry(point()))])
    machine.git("add", "-A")
    shutil.rmtree(world.root / ".aexp")
    assert world.codes() == [("finding.broken_run_citation", "error")]


def test_losing_a_tombstone_does_not_raise_the_dead(world: World) -> None:
    """Trap 23, LED-12: with its tombstone gone, a retracted run here is still no clean evidence."""
    job_id = world.entry(point(), "retracted")
    world.local(point())
    world.artifacts([job(job_id)])
    world.commit()
    assert world.codes() == [("finding.retracted_run", "error")]
    lose(world, job_id, staged=False)
    assert world.codes() == [("ledger.deleted", "error"), ("finding.unshared_run", "warning")]


def test_losing_a_damaged_entry_is_not_missed(world: World) -> None:
    """Trap 23: what was no evidence in HEAD is no evidence lost."""
    damaged = world.entry(point(seed=1))
    world.machine.write(f".aexp/ledger/{damaged}.json", "{}")
    world.entry(point(seed=3))
    world.artifacts([job(damaged)])
    world.commit()
    lose(world, damaged, staged=False)
    assert world.codes() == [("finding.broken_run_citation", "error")]
