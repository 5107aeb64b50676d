"""kill -9 at each durable step between creating a run and its ledger entry (RUN-04)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.model.entry import check_entry, record_digest
from tests.support.killed import kill_everywhere
from tests.support.machines import Machine

COMMAND = ["aexp", "run", "--no-commit", "--sp", "seed=0", "--", "true"]
PHASES = ("before", "torn")
IN_PROCESS = """\
import aexp.runs as runs
job = runs.create_run("E001", {"seed": 0}, include_commit=False)
runs.mark_status(job, "complete")
"""


def copies(template: Machine, tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that makes the next fresh copy of ``template``."""

    def make(number: int) -> Path:
        place = tmp_path / f"place-{number}"
        shutil.copytree(template.path, place, symlinks=True)
        return place

    return make


def strays(place: Path) -> list[str]:
    """Return files that git would show and that are no ledger entries, and torn entries."""
    status = Machine(place).git("status", "--porcelain", "-uall").stdout.splitlines()
    return [line[3:] for line in status if not line[3:].startswith(".aexp/ledger/")]


def entries(place: Path) -> list[dict[str, object]]:
    """Return all entries; each must be whole."""
    found = []
    for path in sorted((place / ".aexp/ledger").glob("*")):
        entry = check_entry(json.loads(path.read_text("utf-8")))
        assert entry["record_digest"] == record_digest(entry), path
        found.append(dict(entry))
    return found


def documents(place: Path) -> list[dict[str, object]]:
    """Return the documents of all runs; none may lack its document (no orphan)."""
    folders = [p for p in (place / ".runs/workspace").glob("*") if not p.name.startswith(".")]
    return [json.loads((p / "signac_job_document.json").read_text("utf-8")) for p in folders]


@pytest.mark.parametrize("healer", ["recover", "backfill", "next recording"])
def test_wrapped_command(installed_repo: Machine, tmp_path: Path, healer: str) -> None:
    """RUN-04, RUN-06, LED-05, traps 6, 8, 10: nothing torn, no stray file, healed each time."""
    make = copies(installed_repo, tmp_path)
    count = 0
    for point, place in kill_everywhere(COMMAND, make, phases=PHASES):
        count += 1
        machine = Machine(place, "laptop")
        before = documents(place)
        entries(place)
        assert strays(place) == [], point
        if healer == "recover":
            machine.aexp_fast("recover", "--apply")
        elif healer == "backfill":
            machine.aexp_fast("recover", "--apply")
            machine.aexp_fast("ledger", "backfill")
        else:
            machine.aexp_fast("run", "--no-commit", "--sp", "seed=1", "--", "true")
            machine.aexp_fast("recover", "--apply")
        after = documents(place)
        assert len(after) >= len(before), point
        ended = {d["status"] for d in after}
        assert ended <= {"created", "complete", "abandoned"}, point
        terminal = [d for d in after if d["status"] != "created"]
        assert len(entries(place)) == len(terminal), point
        assert not (place / ".aexp/pending").exists() or not list(
            (place / ".aexp/pending").iterdir()
        )
        assert strays(place) == [], point
        # The same command again finishes what was begun, and the outcome before it is kept.
        machine.aexp_fast("run", "--no-commit", "--sp", "seed=0", "--", "true")
        final = [e for e in entries(place) if e["statepoint"] == {"seed": 0}]
        assert [e["status"] for e in final] == ["complete"], point
        shutil.rmtree(place)
    assert count >= 10


def test_python_api(installed_repo: Machine, tmp_path: Path) -> None:
    """RUN-04: create_run and mark_status killed anywhere; backfill alone heals an ended run."""
    kb = installed_repo / "kb/research/experiments"
    assert kb.is_dir()
    installed_repo.aexp("new-hypothesis", "--title", "h")
    installed_repo.aexp("new-experiment", "--title", "e", "--hypothesis", "H001")
    installed_repo.commit_all()
    make = copies(installed_repo, tmp_path)
    count = 0
    for point, place in kill_everywhere(["-c", IN_PROCESS], make, phases=PHASES):
        count += 1
        entries(place)
        assert strays(place) == [], point
        Machine(place).aexp_fast("ledger", "backfill", "--no-commit")
        statuses = [d["status"] for d in documents(place)]
        assert [e["status"] for e in entries(place)] == [s for s in statuses if s == "complete"]
        shutil.rmtree(place)
    assert count >= 10
