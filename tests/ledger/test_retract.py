"""``aexp ledger retract``: a tombstone stays, and nothing brings the run back (LED-12)."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, run_lifecycle
from aexp.ledger import load_ledger_entry
from aexp.ledger.store import load_usable
from aexp.model.entry import put_together, seal, take_apart
from aexp.repo import open_layout
from tests.ledger.test_backfill import backfill, edit_run, entry_of, name_of, put_run
from tests.runs.world import document
from tests.support.killed import kill_points, run_killed_at
from tests.support.machines import Completed, Machine, clone_repo

REASON = "the seed was not set"
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture
def run(installed_repo: Machine) -> str:
    """An ended run of ``installed_repo`` that is in the ledger."""
    job_id = put_run(installed_repo)
    backfill(installed_repo)
    return job_id


def retract(machine: Machine, job_id: str, *more: str, code: int = 0) -> Completed:
    """Retract a run with :data:`REASON` and check how it ends."""
    done = machine.aexp_fast("ledger", "retract", job_id, "--reason", REASON, *more, check=False)
    return done.require(code)


def files(machine: Machine) -> dict[str, bytes]:
    """Return everything that aexp has written, its locks aside."""
    found = (p for name in (".aexp", ".runs") for p in (machine / name).rglob("*"))
    return {str(p): p.read_bytes() for p in found if p.is_file() and "lock" not in p.name}


def finding(machine: Machine, citations: str) -> None:
    """Write a finding with these ``supporting_runs``."""
    machine.write(
        "kb/research/findings/F001-it.md",
        f"---\nid: F001\ntype: finding\nexperiment: E001\nsupporting_runs:\n{citations}---\n# It\n",
    )


def codes(machine: Machine) -> dict[str, str]:
    """Return the severity of each code that ``validate`` reports of citations and the ledger."""
    done = machine.aexp_fast("validate", "--format", "json", check=False)
    found = {issue["code"]: issue["severity"] for issue in json.loads(done.stdout)["issues"]}
    return {code: found[code] for code in found if not code.startswith("kb.")}


def test_a_tombstone_says_what_and_why(installed_repo: Machine, run: str) -> None:
    """LED-12: identity and link stay, the results go, reason, time and machine stand there."""
    before = entry_of(installed_repo, run)
    done = retract(installed_repo, run[:8])
    assert f"retracted run {run[:8]}: {name_of(run)}\n" in done.stdout
    after = entry_of(installed_repo, run)
    assert after["status"] == "retracted"
    assert after["retracted"]["reason"] == REASON
    assert after["retracted"]["machine"] == after["registered_machine"] == "laptop"
    assert after["promoted_at"] == after["retracted"]["at"] > before["promoted_at"]
    assert {k: after[k] for k in ("job_id", "statepoint", "run_link", "schema_version")} == {
        k: before[k] for k in ("job_id", "statepoint", "run_link", "schema_version")
    }
    assert not {"started_at", "wallclock_s", "attempt_id", "metrics"} & after.keys()
    assert codes(installed_repo) == {"run.broken_experiment_link": "error"}
    assert document(installed_repo, run)["status"] == "complete", "what it recorded stays here"


def test_a_second_retraction_keeps_the_first(installed_repo: Machine, run: str) -> None:
    """LED-12, LED-06: retracting again changes no byte and says when it was."""
    retract(installed_repo, run)
    before = files(installed_repo)
    done = installed_repo.aexp_fast("ledger", "retract", run, "--reason", "another reason")
    assert f"run {run[:8]} was retracted already" in done.stdout
    assert REASON in done.stdout
    assert files(installed_repo) == before


def test_nothing_resurrects_it(installed_repo: Machine, run: str) -> None:
    """LED-12: backfill, promote, a merge with the live entry, and the loss of the tombstone."""
    path = installed_repo / name_of(run)
    alive = path.read_bytes()
    retract(installed_repo, run)
    tombstone = path.read_bytes()
    for command in (("backfill", "--no-commit", "--overwrite"), ("promote", run)):
        done = installed_repo.aexp_fast("ledger", *command)
        assert path.read_bytes() == tombstone
        assert (f"run {run[:8]} is retracted: {REASON}\n" in done.stderr) is ("promote" in command)
    path.write_bytes(alive)  # an older version came back
    backfill(installed_repo)
    assert path.read_bytes() == tombstone
    path.unlink()
    backfill(installed_repo)
    assert path.read_bytes() == tombstone


def test_another_machines_copy_of_the_run_learns_of_it(installed_repo: Machine, run: str) -> None:
    """LED-12: a tombstone that was pulled outlives its own loss on a machine that has the run."""
    retract(installed_repo, run)
    path = installed_repo / name_of(run)
    tombstone = path.read_bytes()

    def forget(machine: Machine) -> None:
        kept = {k: v for k, v in document(machine, run).items() if k != "retracted"}
        (machine / f".runs/workspace/{run}/signac_job_document.json").write_text(json.dumps(kept))

    forget(installed_repo)
    backfill(installed_repo)
    path.unlink()
    backfill(installed_repo)
    assert path.read_bytes() == tombstone


def test_a_new_recording_says_so_and_changes_nothing(installed_repo: Machine, run: str) -> None:
    """LED-12: the same state point again is recorded here, with a clear line, and not shared."""
    retract(installed_repo, run)
    tombstone = (installed_repo / name_of(run)).read_bytes()
    point = ["run", "-e", "E001", "--allow-missing", "--no-commit", "--sp", "seed=0"]
    said = f"run {run} was retracted on "
    done = installed_repo.aexp_fast(*point, "--", "true")
    assert said in done.stderr
    assert REASON in done.stderr
    done = installed_repo.aexp(*point, "--again", "--", "true")
    assert said in done.stderr
    assert document(installed_repo, run)["status"] == "complete"
    assert len(document(installed_repo, run)["attempts"]) == 1
    assert (installed_repo / name_of(run)).read_bytes() == tombstone


def test_a_recording_in_python_says_so(
    installed_repo: Machine, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """LED-12: the same line, from inside a script."""
    retract(installed_repo, run)
    with chdir(installed_repo.path), pytest.warns(UserWarning, match="experiment E001"):
        job = create_run("E001", {"seed": 0}, include_commit=False)
    with run_lifecycle(job, again=True):
        pass
    assert f"run {run} was retracted on " in capsys.readouterr().err
    assert entry_of(installed_repo, run)["status"] == "retracted"


@pytest.mark.parametrize(
    "command",
    [
        ("tag", "{}", "--add", "best"),
        ("note", "{}", "a note"),
        ("bind-tracker", "{}", "--backend", "wandb", "--run-id", "a1b2"),
        ("link", "{}", "--experiment", "E002", "--allow-missing"),
    ],
    ids=lambda command: command[0],
)
def test_it_cannot_be_annotated(
    installed_repo: Machine, run: str, command: tuple[str, ...]
) -> None:
    """LED-12: tag, note, bind-tracker and link refuse, and change nothing."""
    retract(installed_repo, run)
    before = files(installed_repo)
    done = installed_repo.aexp_fast(*(c.format(run) for c in command), check=False).require(5)
    assert f"error: run {run} was retracted" in done.stderr
    assert REASON in done.stderr
    assert files(installed_repo) == before


CITATIONS = {
    "job": "  - {{type: job, id: {run}}}\n",
    "batch": "  - {{type: batch, experiment_id: E001, selector: {{seed: 0}}}}\n",
    "whole batch": "  - {{type: batch, experiment_id: E001}}\n",
}


@pytest.mark.parametrize("kind", CITATIONS)
def test_a_cited_run_is_retracted_by_force_only(
    installed_repo: Machine, run: str, kind: str
) -> None:
    """LED-12: refused while a finding cites it; by force, `validate` reports the finding."""
    finding(installed_repo, CITATIONS[kind].format(run=run))
    before = files(installed_repo)
    done = retract(installed_repo, run, code=5)
    assert f"error: run {run} is cited by F001\n" in done.stderr
    assert "--force" in done.stderr
    assert files(installed_repo) == before
    done = retract(installed_repo, run, "--force")
    assert "F001 cites it" in done.stderr
    expected = "finding.retracted_run" if kind == "job" else "finding.empty_batch"
    assert codes(installed_repo)[expected] == "error"


def test_a_batch_that_does_not_mean_it_is_no_citation(installed_repo: Machine, run: str) -> None:
    """LED-12, trap 27: only a batch whose every key matches keeps a run."""
    citation = "  - {type: batch, experiment_id: E001, selector: {seed: 1}}\n"
    other = "  - {type: batch, experiment_id: E002, selector: {seed: 0}}\n"
    finding(installed_repo, citation + other)
    retract(installed_repo, run)


def test_a_run_of_the_ledger_alone(installed_repo: Machine, run: str, clone: Any) -> None:
    """LED-12: it can be retracted on a machine that never had it, in either layout."""
    put_run(installed_repo, 1)
    installed_repo.aexp_fast("ledger", "backfill")
    other = clone_repo(installed_repo, installed_repo.path.parent / "other", label="other")
    other.aexp_fast("install", "--yes", "--machine-label", "other")
    retract(other, run)
    assert entry_of(other, run)["retracted"]["machine"] == "other"
    other.aexp_fast("ledger", "backfill")
    assert other.status() == ""
    installed_repo.git("pull", "-q", str(other.path), "main")
    assert backfill(installed_repo).startswith("0 promoted, 0 refreshed, 2 skipped")
    assert entry_of(installed_repo, run)["retracted"]["machine"] == "other"


def test_both_files_of_a_run_become_tombstones(installed_repo: Machine, run: str) -> None:
    """LED-13: of a run with a file in each layout, neither is left alive."""
    shutil.rmtree(installed_repo / f".runs/workspace/{run}")
    flat = installed_repo / name_of(run)
    sharded = flat.parent / run[:2] / flat.name
    sharded.parent.mkdir()
    shutil.copy(flat, sharded)
    retract(installed_repo, run)
    assert flat.read_bytes() == sharded.read_bytes()
    assert json.loads(flat.read_text())["status"] == "retracted"


def test_an_ended_run_that_was_not_promoted(installed_repo: Machine) -> None:
    """LED-12: its first entry is the tombstone."""
    job_id = put_run(installed_repo)
    retract(installed_repo, job_id)
    entry = load_ledger_entry(installed_repo.path, job_id)
    assert entry is not None
    assert entry["status"] == "retracted"


def test_a_run_that_has_not_ended(installed_repo: Machine) -> None:
    """LED-04: it is refused when nothing of it is shared, and retracted when something is."""
    job_id = put_run(installed_repo, status="running")
    done = retract(installed_repo, job_id, code=5)
    assert "nothing of it is in the ledger" in done.stderr
    edit_run(installed_repo, job_id, status="complete")
    backfill(installed_repo)
    edit_run(installed_repo, job_id, status="running")
    retract(installed_repo, job_id)
    assert entry_of(installed_repo, job_id)["status"] == "retracted"
    edit_run(installed_repo, job_id, status="complete", attempt_id="another")
    backfill(installed_repo)
    assert entry_of(installed_repo, job_id)["status"] == "retracted"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("", "is empty"),
        ("  \n ", "is empty"),
        (f"key {TOKEN} leaked", "looks like it holds a secret"),
        ("x" * 1025, "at most 1024"),
        ("bell \x07", "control characters"),
    ],
    ids=["empty", "blank", "secret", "long", "control"],
)
def test_odd_reasons(installed_repo: Machine, run: str, reason: str, said: str) -> None:
    """LED-02: nothing secret and nothing odd gets into the ledger as a reason."""
    before = files(installed_repo)
    done = installed_repo.aexp_fast("ledger", "retract", run, "--reason", reason, check=False)
    assert said in done.require(2).stderr
    assert TOKEN not in done.output
    assert files(installed_repo) == before


def test_paths_in_a_reason_are_made_portable(installed_repo: Machine, run: str) -> None:
    """Decision 8: a path below the root becomes relative, another one is redacted."""
    reason = f"read {installed_repo.path}/data.csv and /home/ada/x.csv"
    installed_repo.aexp_fast("ledger", "retract", run, "--reason", reason)
    said = entry_of(installed_repo, run)["retracted"]["reason"]
    assert said == "read data.csv and <redacted:path>"
    backfill(installed_repo)
    assert entry_of(installed_repo, run)["retracted"]["reason"] == said


def test_unknown_and_damaged_runs(installed_repo: Machine, run: str) -> None:
    """LED-04: what cannot be retracted is said, with what to do."""
    retract(installed_repo, "0" * 32, code=4)
    shutil.rmtree(installed_repo / f".runs/workspace/{run}")
    installed_repo.write(name_of(run), "{}")
    done = retract(installed_repo, run, code=4)
    assert "not usable" in done.stderr


def test_listings_say_retracted(installed_repo: Machine, run: str) -> None:
    """LED-11: here and in the ledger, the run shows as retracted."""
    retract(installed_repo, run)
    (listed,) = json.loads(installed_repo.aexp_fast("list-runs", "--format", "json").stdout)
    assert listed["status"] == "retracted"
    shown = installed_repo.aexp_fast("show-run", run).stdout
    assert "status:       retracted\n" in shown
    assert f"reason:       {REASON} (on " in shown
    done = installed_repo.aexp_fast("list-runs", "--format", "json", "--status", "retracted")
    assert len(json.loads(done.stdout)) == 1
    done = installed_repo.aexp_fast("list-runs", "--format", "json", "--status", "complete")
    assert json.loads(done.stdout) == []


def test_of_two_retractions_the_earlier_stays(installed_repo: Machine, run: str) -> None:
    """LED-12: two clones that retract one run agree in the end, the run's own machine included."""
    early = load_usable(open_layout(installed_repo.path), run)
    assert early is not None
    facts = {"reason": "first", "at": "2026-01-01T00:00:00.000000Z", "machine": "cluster"}
    parts = take_apart(put_together(take_apart(early)))
    retract(installed_repo, run)
    from aexp.ledger.retract import entomb

    (installed_repo / name_of(run)).write_bytes(seal(entomb(parts, facts))[1])
    backfill(installed_repo)
    assert entry_of(installed_repo, run)["retracted"] == facts
    assert document(installed_repo, run)["retracted"] == facts


@pytest.mark.parametrize(
    "points", [5, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_a_killed_retraction_is_whole_or_healed(
    installed_repo: Machine, run: str, tmp_path: Path, points: int
) -> None:
    """LED-12, RUN-04: killed anywhere, nothing is torn; what was begun, backfill ends."""
    args = ["aexp", "ledger", "retract", run, "--reason", REASON]
    alive = (installed_repo / name_of(run)).read_bytes()
    dry = tmp_path / "dry"
    shutil.copytree(installed_repo.path, dry, symlinks=True)
    total = len(kill_points(args, cwd=dry))
    for number in range(0, total, max(1, total // points)):
        place = Machine(tmp_path / f"place-{number}")
        shutil.copytree(installed_repo.path, place.path, symlinks=True)
        # The copy's run belongs to it, and not to the repository it was copied from.
        edit_run(place, run, worktree=str(place.path))
        assert run_killed_at(number, args, cwd=place.path) is not None
        begun = "retracted" in document(place, run)
        if (place / name_of(run)).read_bytes() != alive:
            assert entry_of(place, run)["status"] == "retracted"
        backfill(place)
        assert (entry_of(place, run)["status"] == "retracted") is begun
        retract(place, run)
        assert entry_of(place, run)["retracted"]["reason"] == REASON
        assert place.aexp_fast("ledger", "verify").stdout == "1 entry: 1 sound, 0 problems\n"
