"""kill -9 at each durable step between a corrected link and its ledger entry (RUN-04, LED-08)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.crash.test_recording_killed import PHASES, copies, documents, entries, strays
from tests.ledger.test_backfill import put_run
from tests.support.killed import kill_everywhere
from tests.support.machines import Machine


def links(found: list[dict[str, object]], key: str) -> set[object]:
    """Return the experiments that documents or entries name."""
    return {fields[key]["experiment_id"] for fields in found}  # type: ignore[index]


@pytest.mark.parametrize("healer", ["recover", "backfill", "next recording", "link"])
def test_a_corrected_link(installed_repo: Machine, tmp_path: Path, healer: str) -> None:
    """RUN-04, LED-08: a document that has the new link has a mark or an entry that has it too."""
    job_id = put_run(installed_repo)
    installed_repo.aexp_fast("ledger", "backfill", "--no-commit")
    command = ["aexp", "link", job_id, "--experiment", "E002", "--allow-missing"]
    moved = 0
    for point, place in kill_everywhere(command, copies(installed_repo, tmp_path), phases=PHASES):
        machine = Machine(place, "laptop")
        told, filed = links(documents(place), "aexp"), links(entries(place), "run_link")
        assert strays(place) == [], point
        seen = json.loads(machine.aexp_fast("status", "--format", "json").stdout)
        if told != filed:
            moved += 1
            assert (told, filed, seen["cut_off"]) == ({"E002"}, {"E001"}, [job_id]), point
        if healer == "recover":
            machine.aexp_fast("recover", "--apply")
        elif healer == "backfill":
            machine.aexp_fast("ledger", "backfill", "--no-commit")
        elif healer == "link":
            machine.aexp_fast(*command[1:])
        else:
            machine.aexp_fast("run", "--no-commit", "--sp", "seed=1", "--", "true")
        healed = [entry for entry in entries(place) if entry["job_id"] == job_id]
        documented = [d for d in documents(place) if d.get("aexp")]
        assert links(healed, "run_link") == links(documented, "aexp"), point
        assert healer != "link" or links(healed, "run_link") == {"E002"}, point
        seen = json.loads(machine.aexp_fast("status", "--format", "json").stdout)
        assert (seen["cut_off"], seen["failed"]) == ([], {}), point
        shutil.rmtree(place)
    assert moved >= 2
