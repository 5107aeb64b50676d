"""Many processes promoting at once (LED-05)."""

from __future__ import annotations

import json
from pathlib import Path

from aexp.model.entry import check_entry, record_digest
from aexp.repo import open_layout
from aexp.runs.create import create
from aexp.runs.transition import begin_attempt, change_status
from aexp.workspace.store import RunStore
from tests.support.machines import Machine
from tests.support.race import run_together

PROCESSES = 8


def promote_often(root: str, ids: tuple[str, ...], times: int) -> tuple[int, int]:
    """Promote and read each run again and again; return how often, and torn reads."""
    from aexp.ledger import load_ledger_entry, promote_to_ledger
    from aexp.runs import open_run

    torn = 0
    for _ in range(times):
        for job_id in ids:
            path = promote_to_ledger(open_run(job_id, repo_root=root), repo_root=root)
            assert path.name == f"{job_id}.json"
            torn += load_ledger_entry(root, job_id) is None
    return times * len(ids), torn


def attempt_often(root: str, job_id: str, times: int) -> int:
    """Record attempts of one run, whenever no other process is at it; return how many."""
    from aexp.errors import RunBusyError

    store = RunStore(open_layout(root))
    done = 0
    while done < times:
        try:
            attempt = begin_attempt(store, job_id, again=True)
        except RunBusyError:
            continue
        change_status(store, job_id, "complete", attempt_id=attempt)
        done += 1
    return done


def made_runs(repo: Machine, count: int) -> tuple[str, ...]:
    layout = open_layout(repo.path)
    store = RunStore(layout)
    ids = tuple(create(layout, None, {"n": n}, include_commit=False).job_id for n in range(count))
    for job_id in ids:
        change_status(store, job_id, "complete")
    return ids


def whole(path: Path) -> dict[str, object]:
    entry = check_entry(json.loads(path.read_text("utf-8")))
    assert entry["record_digest"] == record_digest(entry)
    return dict(entry)


def test_promoting_the_same_and_different_runs(installed_repo: Machine) -> None:
    """LED-05, LED-06, trap 8: 8 processes, no error, no torn read, no stray file, same bytes."""
    shared = made_runs(installed_repo, 9)
    ledger = installed_repo / ".aexp/ledger"
    before = {path.name: path.read_bytes() for path in ledger.iterdir()}
    assert len(before) == 9
    for path in ledger.iterdir():
        path.unlink()
    arguments = [
        (str(installed_repo.path), (shared[0], shared[n + 1]), 15) for n in range(PROCESSES)
    ]
    results = run_together(promote_often, arguments)
    assert [torn for _, torn in results] == [0] * PROCESSES
    assert {path.name: path.read_bytes() for path in ledger.iterdir()} == before
    assert list((installed_repo / ".aexp/tmp").iterdir()) == []
    shown = installed_repo.git("status", "--porcelain", "-uall").stdout.splitlines()
    assert [line for line in shown if not line.startswith("?? .aexp/ledger/")] == []
    assert len(shown) == 9


def test_attempts_of_one_run_are_all_kept(installed_repo: Machine) -> None:
    """LED-10, trap 19: 8 processes record 3 attempts each of one run; 25 stand in its entry."""
    (job_id,) = made_runs(installed_repo, 1)
    done = run_together(
        attempt_often, [(str(installed_repo.path), job_id, 3)] * PROCESSES, timeout=120
    )
    assert done == [3] * PROCESSES
    entry = whole(installed_repo / f".aexp/ledger/{job_id}.json")
    attempts = [entry, *entry["replicates"]]  # type: ignore[misc]
    assert len({a["attempt_id"] for a in attempts}) == 1 + 3 * PROCESSES  # type: ignore[index]
    assert {a["status"] for a in attempts} == {"complete"}  # type: ignore[index]
