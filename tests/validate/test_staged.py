"""``aexp validate --staged``: what a commit will hold, not what lies on the disk (VAL-10)."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from aexp import cache
from aexp.errors import UsageError
from aexp.ledger import reading
from aexp.tree import GitTree
from aexp.validate import validate_repo
from tests.support.machines import Machine
from tests.validate.world import UNKNOWN, Codes, World, batch, job, link_to, point

FINDING = "kb/research/findings/F001-words.md"
BROKEN = ("finding.broken_run_citation", "error")
UNCOMMITTED = ("ledger.uncommitted", "warning")


def staged(world: World, **options: object) -> Codes:
    """Return code and severity of every issue of what is staged."""
    return world.codes(staged=True, **options)


def add(world: World, *paths: str) -> None:
    """Stage some paths; everything but the run store when none is named."""
    world.machine.write(".gitignore", ".runs/\n")
    world.machine.git("add", *(paths or ["-A"]))


def test_a_finding_is_judged_as_it_is_staged(world: World) -> None:
    """VAL-10: broken when staged and mended on disk, and the other way round."""
    good = world.entry(point())
    world.artifacts([job(UNKNOWN)])
    add(world)
    world.artifacts([job(good)])
    assert world.codes() == [UNCOMMITTED]
    assert staged(world) == [BROKEN]
    add(world)
    world.artifacts([job(UNKNOWN)])
    assert staged(world) == []
    assert world.codes() == [BROKEN]


def test_new_files_that_are_not_staged_are_not_judged(world: World) -> None:
    """VAL-10: a draft beside the commit does not stop it."""
    world.artifacts()
    add(world)
    world.artifacts("no citation")
    world.entry(point(), status="odd")
    assert staged(world) == []
    assert ("ledger.malformed", "error") in world.codes()


@pytest.mark.parametrize("cite", ["job", "batch"])
def test_an_entry_in_the_work_tree_alone_is_uncommitted(world: World, cite: str) -> None:
    """VAL-10, VAL-05: the run exists, and the commit does not bring its entry."""
    world.store()
    job_id = world.entry(point(condition="full"))
    world.artifacts([job(job_id) if cite == "job" else batch({"condition": "full"})])
    add(world, "kb", ".gitignore")
    assert staged(world) == [UNCOMMITTED]
    [issue] = world.issues("ledger.uncommitted", staged=True)
    assert (issue.path, issue.detail["job_id"]) == (f".aexp/ledger/{job_id}.json", job_id)
    add(world, ".aexp/ledger")
    assert staged(world) == []
    # A pure view of the index knows nothing of the work tree.
    world.machine.git("rm", "-q", "--cached", "-r", ".aexp/ledger")
    missing = BROKEN if cite == "job" else ("finding.empty_batch", "error")
    assert world.codes(tree=GitTree(world.root)) == [missing]


def test_an_entry_is_judged_as_it_is_staged(world: World) -> None:
    """VAL-10, VAL-08: a damaged entry in the index is an error though the file was mended."""
    path = f".aexp/ledger/{world.entry(point())}.json"
    world.artifacts([job(Path(path).stem)])
    text = world.machine.read(path)
    world.machine.write(path, text[:40])
    add(world)
    world.machine.write(path, text)
    assert staged(world) == [("ledger.malformed", "error"), BROKEN]
    assert world.codes() == [UNCOMMITTED]


@pytest.mark.parametrize("kept", [True, False])
def test_a_commit_that_removes_cited_evidence_is_refused(world: World, kept: bool) -> None:
    """Trap 23, VAL-10: HEAD has the entry, what is staged has not; the local run hides nothing."""
    job_id = world.entry(point())
    world.local(point())
    world.artifacts([job(job_id)])
    world.commit()
    assert staged(world) == []
    world.machine.git("rm", "-q", *(["--cached"] if kept else []), f".aexp/ledger/{job_id}.json")
    left = UNCOMMITTED if kept else ("finding.unshared_run", "warning")
    assert set(staged(world)) == {("ledger.deleted", "error"), left}


def test_local_runs_are_facts_and_not_on_trial(world: World) -> None:
    """VAL-10: a run that ended here is evidence; damaged runs beside it stop no commit."""
    here = world.local(point())
    running = world.local(point(seed=1), status="running")
    world.local(point(seed=2), link={})
    world.local(point(seed=3), link=link_to("E404"))
    world.local(point(seed=4), status="odd")
    world.artifacts([job(here)], [job(running)])
    add(world)
    assert sorted(staged(world)) == [
        ("finding.unfinished_run", "error"),
        ("finding.unshared_run", "warning"),
    ]
    assert ("run.orphan", "error") in world.codes()
    cited = world.local(point(seed=2), link={})
    world.artifacts([job(cited)])
    add(world)
    assert ("run.orphan", "error") in staged(world)


def test_the_entrys_word_counts_before_the_local_one(world: World) -> None:
    """VAL-10: a link that changed here and was not staged is not what the commit says."""
    world.entry(point())
    world.local(point(), link=link_to("E002"))
    world.artifacts([batch({"seed": 0})])
    add(world)
    assert staged(world) == []
    assert staged(world, mode="runs") == []


def test_indexes_are_those_that_are_staged(world: World) -> None:
    """VAL-10: an index file on disk alone makes no citation known."""
    world.index("cluster", {"job_id": UNKNOWN, "status": "complete", "experiment_id": "E001"})
    world.artifacts([job(UNKNOWN)])
    add(world, "kb", ".gitignore")
    assert staged(world) == [("finding.no_run_store", "warning")]
    add(world, ".aexp/runs-index")
    assert staged(world) == [("finding.absent_run_citation", "warning")]


def test_the_first_commit(tmp_path: Path) -> None:
    """VAL-10: before there is a HEAD, and before there is an index at all."""
    machine = Machine(tmp_path / "new")
    machine.path.mkdir()
    machine.git("init", "-q", "--template=")
    world = World(machine)
    assert staged(world) == []
    job_id = world.entry(point())
    world.artifacts([job(job_id)])
    assert staged(world) == []
    add(world)
    assert staged(world) == []
    world.artifacts([job(UNKNOWN)])
    add(world)
    assert staged(world) == [BROKEN]


def test_the_view_is_named_and_options_exclude_each_other(world: World) -> None:
    """VAL-01, VAL-10: the report says what was judged; two views at once are wrong usage."""
    world.artifacts()
    add(world)
    fast = world.machine.aexp_fast
    assert fast("validate", "--staged").stdout.endswith("(as staged: 0 findings, 0 runs checked)\n")
    assert json.loads(fast("validate", "--staged", "--format", "json").stdout)["staged"] is True
    assert "staged" not in json.loads(fast("validate", "--format", "json").stdout)
    fast("validate", "--staged", "--worktree", check=False).require(2)
    with pytest.raises(UsageError):
        validate_repo(world.root, staged=True, tree=GitTree(world.root))


def test_inside_a_hook_the_index_of_the_hook_is_judged(world: World) -> None:
    """VAL-10: git names the index of a partial commit in GIT_INDEX_FILE, from the root."""
    world.store()
    world.artifacts([job(UNKNOWN)])
    add(world)
    world.commit()
    shutil.copy(world.root / ".git/index", world.root / ".git/next-index-1.lock")
    world.artifacts("none")
    add(world)
    hook = {"GIT_INDEX_FILE": ".git/next-index-1.lock"}
    told = world.machine.aexp_fast("validate", check=False, env=hook).require(1).stdout
    assert "as staged" in told
    assert UNKNOWN[:8] in told
    world.artifacts([])
    world.machine.aexp_fast("validate", "--worktree", env=hook)


def test_unchanged_objects_are_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VAL-10, model.md 7: verdicts are kept by object id, and no change of the index is missed."""
    monkeypatch.setattr(cache, "MANY", 1)
    monkeypatch.setattr(cache, "WORTH_SAVING", 1)
    world.machine.write(".aexp/.gitignore", "*.sqlite*\ntmp/\n")
    ids = [world.entry(point(seed=seed)) for seed in range(4)]
    world.artifacts([job(job_id) for job_id in ids])
    add(world)
    assert staged(world) == world.codes(staged=True) == []
    assert (world.root / ".aexp/index.sqlite").is_file()
    judged: list[str] = []
    really = reading.judge

    def judge(job_id: str, path: str, data: bytes | OSError, **more: bool) -> object:
        judged.append(job_id)
        return really(job_id, path, data, **more)

    monkeypatch.setattr(reading, "judge", judge)
    assert staged(world) == []
    assert judged == []
    path = world.root / f".aexp/ledger/{ids[1]}.json"
    text = path.read_text()
    path.write_text(text.replace("complete", "failed"))
    assert staged(world) == []
    add(world)
    assert staged(world) == [("finding.failed_run_cited", "warning")]
    assert judged == [ids[1]]
    path.write_text(text)  # the work tree and the index each have their own memory
    time.sleep(0.05)
    os.utime(path)
    time.sleep(0.05)
    assert world.codes() == world.codes() == [UNCOMMITTED] * 4
    assert staged(world) == [("finding.failed_run_cited", "warning")]
    add(world)
    assert staged(world) == []
