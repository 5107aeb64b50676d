"""What ``overview`` sees: runs, entries, commits, citations of runs nobody shared (INS-10)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from aexp import cache
from aexp.ledger.commit import commit_ledger
from aexp.model.entry import encode_entry, record_digest
from aexp.model.execution import KEY as EXECUTION
from aexp.repo import open_layout
from aexp.runs.cited import CitedGap
from aexp.runs.overview import Overview, overview
from aexp.workspace.store import RunStore
from tests.ledger.test_backfill import edit_run, name_of, put_run, signac_id
from tests.support.machines import Machine, TwoMachines

UNKNOWN = "f" * 32


def look(machine: Machine) -> Overview:
    """Return the state of a machine's repository."""
    return overview(open_layout(machine.path))


def finding(machine: Machine, *citations: dict[str, Any], name: str = "F001") -> None:
    """Write a finding with these citations."""
    machine.write(
        f"kb/research/findings/{name}-a.md",
        f"---\nid: {name}\nsupporting_runs: {json.dumps(list(citations))}\n---\n\n# A finding\n",
    )


def job(job_id: str) -> dict[str, Any]:
    """Return the citation of a run."""
    return {"type": "job", "id": job_id}


def batch(**selector: Any) -> dict[str, Any]:
    """Return a citation of runs of E001."""
    return {"type": "batch", "experiment_id": "E001", "selector": selector}


def gaps(machine: Machine) -> list[tuple[str, str, list[str]]]:
    """Return what is said of citations: the sentence, what mends it, the runs."""
    return [(f"{g.finding} {g.what}", g.mend, g.runs) for g in look(machine).cited]


def test_an_empty_repository(repo: Machine) -> None:
    """INS-10: without runs, ledger, remote or installation there is nothing to say."""
    assert look(repo) == Overview(look(repo).machine, installed=False, branch="main")


def test_a_run_on_its_way_to_the_others(two_machines: TwoMachines) -> None:
    """INS-10: unpromoted, uncommitted, unpushed, shared: each step is seen, and one alone."""
    cluster, laptop = two_machines.cluster, two_machines.laptop

    def steps(machine: Machine) -> tuple[int, int, int | None, int]:
        now = look(machine)
        return len(now.unpromoted), len(now.uncommitted), now.unpushed, now.behind

    job_id = put_run(cluster)
    put_run(cluster, 1, status="running", owner=None)
    assert steps(cluster) == (1, 0, 0, 0)
    cluster.aexp_fast("ledger", "backfill", "--no-commit")
    assert steps(cluster) == (0, 1, 0, 0)
    assert look(cluster).uncommitted == [name_of(job_id)]
    cluster.aexp_fast("ledger", "backfill")
    assert steps(cluster) == (0, 0, 1, 0)
    cluster.git("push", "-q")
    assert steps(cluster) == (0, 0, 0, 0)
    laptop.git("fetch", "-q")
    assert steps(laptop) == (0, 0, 0, 1)
    laptop.pull()
    now = look(laptop)
    assert (now.in_ledger, now.machines, now.upstream) == (1, {"cluster": 1}, "origin/main")


def test_lost_and_damaged_runs(installed_repo: Machine) -> None:
    """INS-10: a run whose process is gone and one whose files are damaged are seen."""
    lost = put_run(installed_repo, 0, status="running", ended_at=None)
    bad = put_run(installed_repo, 1)
    (installed_repo / f".runs/workspace/{bad}/signac_job_document.json").write_text("{", "utf-8")
    now = look(installed_repo)
    assert (now.lost, list(now.damaged), now.here) == ([lost], [bad], {"running": 1})


def test_branches_without_upstream(two_machines: TwoMachines) -> None:
    """INS-10: commits on a branch that no remote has are not pushed; without a remote, unknown."""
    cluster = two_machines.cluster
    cluster.git("checkout", "-q", "-b", "work")
    assert (look(cluster).unpushed, look(cluster).upstream) == (0, "")
    cluster.write("new.py", "")
    cluster.commit_all()
    assert look(cluster).unpushed == 1
    cluster.git("checkout", "-q", "--detach")
    assert look(cluster).branch == ""
    cluster.git("remote", "remove", "origin")
    now = look(cluster)
    assert (now.unpushed, now.has_remote) == (None, False)


def test_files_that_backfill_cannot_commit(installed_repo: Machine) -> None:
    """INS-10: what the commit leaves out is no entry to commit: ``validate`` is for that."""
    installed_repo.write(name_of(UNKNOWN), "{")
    installed_repo.write(".aexp/ledger/notes.txt", "mine\n")
    installed_repo.write(".aexp/runs-index/laptop.json", "{}\n")
    now = look(installed_repo)
    assert (now.uncommitted, now.problems) == ([], 1)
    assert now.uncommitted_indexes == [".aexp/runs-index/laptop.json"]


def test_an_entry_with_an_error_is_not_waiting_for_a_commit(installed_repo: Machine) -> None:
    """INS-10, LED-02: the commit leaves out an entry with a secret, so status does not count it."""
    job_id = put_run(installed_repo)
    installed_repo.aexp_fast("ledger", "backfill", "--no-commit")
    entry = json.loads(installed_repo.read(name_of(job_id)))
    entry["note"] = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    entry["record_digest"] = record_digest(entry)
    (installed_repo / ".runs").rename(installed_repo / "../store")
    installed_repo.write(name_of(job_id), encode_entry(entry).decode())
    installed_repo.write(".aexp/ledger/experiments/notes.txt", "no record\n")
    installed_repo.write(".aexp/ledger/experiments/E001.json", "{}\n")
    finding(installed_repo, job(job_id), batch(seed=0))
    now = look(installed_repo)
    assert (now.uncommitted, now.in_ledger) == ([".aexp/ledger/experiments/E001.json"], 1)
    assert now.problems == 1
    assert gaps(installed_repo) == [
        (
            f"F001 cites run {job_id[:8]}, which has an entry with errors, left out of commits",
            "aexp validate",
            [job_id],
        )
    ]
    committed = commit_ledger(open_layout(installed_repo.path))
    assert list(committed.paths) == now.uncommitted
    assert look(installed_repo).uncommitted == []


@pytest.mark.parametrize("how", ["removed", "removed and staged", "moved with git"])
def test_a_cited_entry_that_is_gone_here(installed_repo: Machine, how: str) -> None:
    """Trap 23: what HEAD has and the work tree has lost, with the command that brings it back."""
    job_id, other = put_run(installed_repo), put_run(installed_repo, 1)
    installed_repo.aexp_fast("ledger", "backfill")
    path = name_of(job_id)
    before = installed_repo.read(path)
    finding(installed_repo, job(job_id), batch(seed=[0, 1]), job(other))
    assert gaps(installed_repo) == []
    if how == "removed":
        (installed_repo / path).unlink()
    elif how == "removed and staged":
        installed_repo.git("rm", "-q", path)
    else:
        installed_repo.git("mv", path, "elsewhere.json")
    what = f"F001 cites run {job_id[:8]}, which has a committed entry that is gone here"
    ((said, mend, runs),) = gaps(installed_repo)
    assert (said, runs) == (what, [job_id])
    assert mend == (f"git restore {path}" if how == "removed" else f"git restore -SW {path}")
    lines = installed_repo.aexp_fast("status").stdout.splitlines()
    assert f"    {mend}" in lines
    assert all(len(line) <= 80 for line in lines)
    installed_repo.git(*mend.split()[1:])
    assert installed_repo.read(path) == before
    assert gaps(installed_repo) == []


def test_an_entry_that_moved_to_the_other_layout_is_not_gone(installed_repo: Machine) -> None:
    """LED-13: a resharded entry is where it should be, only not committed yet."""
    job_id = put_run(installed_repo)
    installed_repo.aexp_fast("ledger", "backfill")
    (installed_repo / ".aexp/ledger" / job_id[:2]).mkdir()
    moved = f".aexp/ledger/{job_id[:2]}/{job_id}.json"
    (installed_repo / name_of(job_id)).rename(installed_repo / moved)
    finding(installed_repo, job(job_id))
    assert [mend for _, mend, _ in gaps(installed_repo)] == ["aexp ledger backfill"]


def test_a_cited_run_on_its_way(installed_repo: Machine) -> None:
    """INS-10: a citation is mentioned until the run's entry is committed."""
    job_id = put_run(installed_repo)
    finding(installed_repo, job(job_id))
    short = job_id[:8]
    backfill = "aexp ledger backfill"
    assert gaps(installed_repo) == [
        (f"F001 cites run {short}, which is not in the ledger", backfill, [job_id])
    ]
    installed_repo.aexp_fast("ledger", "backfill", "--no-commit")
    assert gaps(installed_repo) == [
        (f"F001 cites run {short}, which has an entry that is not committed", backfill, [job_id])
    ]
    installed_repo.aexp_fast("ledger", "backfill")
    assert gaps(installed_repo) == []


def test_batches(installed_repo: Machine) -> None:
    """INS-10, trap 27: of a batch, the runs that nobody has shared; every key of it counts."""
    shared, fresh, other = (put_run(installed_repo, seed) for seed in (0, 1, 2))
    for job_id in (fresh, other):
        (installed_repo / f".runs/workspace/{job_id}").rename(installed_repo / f"../{job_id}")
    installed_repo.aexp_fast("ledger", "backfill")
    for job_id in (fresh, other):
        (installed_repo / f"../{job_id}").rename(installed_repo / f".runs/workspace/{job_id}")
    finding(installed_repo, batch(seed=[0, 1]))
    finding(installed_repo, batch(), job(shared), job(fresh), name="F002")
    finding(installed_repo, batch(seed=0), name="F003")
    finding(installed_repo, batch(seed=999), name="F004")
    assert gaps(installed_repo) == [
        (
            f"F001 cites run {fresh[:8]}, which is not in the ledger",
            "aexp ledger backfill",
            [fresh],
        ),
        (
            "F002 cites 2 runs that are not in the ledger",
            "aexp ledger backfill",
            sorted([fresh, other]),
        ),
        ("F004 cites batch E001 (seed=999), of which no run is shared", "aexp sync", []),
    ]


def test_runs_that_are_no_evidence(installed_repo: Machine) -> None:
    """INS-10: an unknown run, an unfinished one, a damaged entry, and one only an index names."""
    running = put_run(installed_repo, 1, status="created", ended_at=None)
    elsewhere = "e" * 32
    index = {
        "schema_version": 1,
        "machine_label": "cluster",
        "exported_at": "2026-01-01T00:00:00Z",
        "entries": [{"job_id": elsewhere, "status": "complete"}],
    }
    installed_repo.write(".aexp/runs-index/cluster.json", json.dumps(index))
    installed_repo.write(name_of("d" * 32), "{")
    cited = (UNKNOWN, running, "d" * 32, elsewhere)
    finding(installed_repo, *map(job, cited))
    assert [(what, mend) for what, mend, _ in gaps(installed_repo)] == [
        ("F001 cites run ffffffff, which is unknown here", "aexp sync"),
        (f"F001 cites run {running[:8]}, which is created here", "aexp recover"),
        ("F001 cites run dddddddd, which has no usable entry", "aexp validate"),
        ("F001 cites run eeeeeeee, which is known to cluster only", "aexp sync (there)"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no frontmatter",
        "---\nsupporting_runs: 5\n---\n",
        "---\na: [\n---\n",
        "<<<<<<< x\n",
        "\xff",
    ],
)
def test_a_finding_that_cannot_be_read(installed_repo: Machine, text: str) -> None:
    """Traps 3, 29: it is ``validate``'s to report, and never a crash here."""
    path = installed_repo.write("kb/research/findings/F001.md", "")
    path.write_bytes(text.encode("latin-1"))
    installed_repo.write("kb/research/findings/README.md", "# Notes\n")
    assert look(installed_repo).cited == []


def test_findings_without_a_number(installed_repo: Machine) -> None:
    """Trap 30: a finding counts whatever its file is called."""
    installed_repo.write(
        "kb/research/findings/draft.md",
        f"---\nsupporting_runs: {{type: job, id: {'a' * 32}}}\n---\n",
    )
    what = "cites run aaaaaaaa, which is unknown here"
    path = "kb/research/findings/draft.md"
    assert look(installed_repo).cited == [CitedGap("draft.md", path, what, "aexp sync", ["a" * 32])]


@pytest.mark.parametrize("is_remembered", [False, True])
def test_what_the_documents_of_shared_runs_tell(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch, is_remembered: bool
) -> None:
    """INS-10: an entry in the ledger does not hide what went wrong later; nor does the cache."""
    if is_remembered:
        monkeypatch.setattr(cache, "MANY", 1)
        monkeypatch.setattr(cache, "WORTH_SAVING", 1)
    drawn = "0123456789abcdef"
    plain, again, unsealed = (put_run(installed_repo, seed) for seed in range(3))
    store = RunStore(open_layout(installed_repo.path))
    document = {**store.read(plain).document, EXECUTION: {"publication": None, "message": "x"}}
    execution = {"experiment_id": "E001", EXECUTION: drawn}
    store.create(execution, document)
    installed_repo.aexp_fast("ledger", "backfill")
    edit_run(installed_repo, again, ledger_error={"reason": "disk full"})
    edit_run(installed_repo, unsealed, registry_error={"reason": "no such bucket"})
    time.sleep(0.05)
    for _ in range(2):
        now = look(installed_repo)
        assert (now.in_ledger, now.unpromoted) == (4, [])
        assert now.failed == {again: "disk full"}
        assert now.unsealed == {unsealed: "no such bucket"}
        assert {i: e["message"] for i, e in now.executions.items()} == {signac_id(execution): "x"}
    assert (installed_repo / cache.CACHE_REL).exists() == is_remembered
