"""Repositories of agentic-experiments 0.6.1 keep working (model.md, decision 1)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

import aexp
from aexp.ledger import backfill_ledger, load_ledger_entry, project_to_ledger_entry
from aexp.model.canonical import signac_id
from aexp.runs import create_run, find_runs, mark_status, open_run
from aexp.runs_index import collect_known_elsewhere, load_all_indexes
from tests.compat.golden import (
    ENDED,
    GOLDEN,
    IN_STORE,
    LACKING,
    NOT_ENDED,
    RUNS,
    digests,
    entry,
    golden_repo,
    place,
    validated,
)
from tests.support.machines import Machine, clone_repo

ONE_WARNING = (0, [("warning", "finding.absent_run_citation")])
"""F005 cites a run that only the laptop's index knows."""


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    return golden_repo(tmp_path_factory.mktemp("golden") / "repo").path


@pytest.fixture
def old(tmp_path: Path, _made: Path) -> Machine:
    """A repository of 0.6.1 in which aexp was never run."""
    shutil.copytree(_made, tmp_path / "repo", symlinks=True)
    return Machine(tmp_path / "repo", "cluster")


def test_golden_data_is_never_edited() -> None:
    """Each file has the digest it was added with, and none was added without."""
    wanted = {}
    for line in (GOLDEN / "SHA256SUMS").read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ./")
        wanted[name] = digest
    found = {
        path.relative_to(GOLDEN).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in GOLDEN.rglob("*")
        if path.is_file() and path.name not in ("make_golden.py", "SHA256SUMS")
    }
    assert found == wanted


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("validate",),
        ("validate", "--kb-only"),
        ("validate", "--runs-only"),
        ("list-runs",),
        ("list-runs", "--experiment", "E001", "--status", "complete"),
        ("list-runs", "--format", "json"),
        ("list-batches",),
        ("status",),
        ("recover",),
        ("ledger", "list"),
        ("show-run", RUNS["complete"][:10]),
        ("show-run", RUNS["queued"]),
        ("ledger", "show", RUNS["tracked"]),
        ("install", "--dry-run"),
    ],
    ids=" ".join,
)
def test_what_reads_changes_nothing(old: Machine, args: tuple[str, ...]) -> None:
    """Every reading verb works on a repository of 0.6.1 and leaves every byte (decision 13)."""
    before = digests(old)
    done = old.aexp_fast(*args)
    assert done.returncode == 0
    assert "Traceback" not in done.output
    assert digests(old) == before


def test_it_validates(old: Machine) -> None:
    """VAL-03, VAL-04, trap 28: 0 errors, with runs that have a condition and runs that have not."""
    assert validated(old) == ONE_WARNING
    assert validated(old, "--kb-only")[0] == 0
    assert validated(old, "--runs-only") == (0, [])


def test_a_fresh_clone_validates(old: Machine, tmp_path: Path) -> None:
    """LED-09: without the run store and without an installation, the verdict is the same."""
    clone = clone_repo(old.path, tmp_path / "clone")
    assert validated(clone) == ONE_WARNING
    listed = json.loads(clone.aexp_fast("list-runs", "--format", "json").stdout)
    assert {run["job_id"] for run in listed} == ENDED


def test_every_run_is_listed_and_shown(old: Machine) -> None:
    """LED-11: the runs here and those of the ledger, with what 0.6.1 knew of them."""
    listed = {r["job_id"]: r for r in json.loads(old.aexp("list-runs", "--format", "json").stdout)}
    assert set(listed) == IN_STORE
    for job_id in sorted(IN_STORE):
        assert old.aexp_fast("show-run", job_id).stdout.startswith(f"run {job_id}\n")
        assert listed[job_id]["where"] == ("here" if job_id in NOT_ENDED else "both")
        assert signac_id(listed[job_id]["statepoint"]) == job_id


def test_every_entry_is_shown_as_it_stands(old: Machine) -> None:
    """LED-01: entries of 0.6.1 are usable entries; all four terminal statuses are among them."""
    statuses = set()
    for job_id in sorted(ENDED):
        shown = json.loads(old.aexp_fast("ledger", "show", job_id).stdout)
        assert shown == entry(old, job_id)
        assert load_ledger_entry(old.path, job_id) == shown
        statuses.add(shown["status"])
    assert statuses == {"complete", "failed", "stopped", "abandoned"}


def test_runs_indexes_are_read(old: Machine) -> None:
    """IDX-01: both machines' indexes, which name what the ledger lacks."""
    indexes = load_all_indexes(old.path)
    assert sorted(indexes) == ["cluster", "laptop"]
    assert RUNS["laptop_index"] in collect_known_elsewhere(old.path)
    listed = json.loads((old / ".aexp/runs-index/cluster.json").read_text("utf-8"))
    assert indexes["cluster"] == listed


def test_runs_are_opened_from_python(old: Machine) -> None:
    """RUN-01: ``open_run`` and ``find_runs`` give signac jobs of runs that 0.6.1 made."""
    job = open_run(RUNS["tracked"][:12], repo_root=old)
    assert job.id == RUNS["tracked"]
    assert job.sp.tools == ["a", "b"]
    assert job.doc.tracker.run_id == "a1b2c3d4"
    found = find_runs(experiment_id="E001", status="complete", condition="full", repo_root=old)
    assert {j.id for j in found} == {
        RUNS[n] for n in ("complete", "complete_again", "tracked", "dirty")
    }
    assert len(find_runs(repo_root=old)) == len(IN_STORE)


# --- installing over it ----------------------------------------------------------------------


def test_install_over_it_changes_what_it_must(old: Machine) -> None:
    """INS-02, INS-03, INS-05: the block is replaced in place, the label kept, nothing lost."""
    old.write("templates/finding.md", "my own template\n")
    old.write(".claude/commands/aexp-status.md", "another tool's command\n")
    old.write("CLAUDE.md", "my notes\n")
    old.commit_all("What 0.6.1 and I left")  # the run store too: 0.6.1 does not ignore it
    store, kb = digests(old / ".runs"), digests(old / "kb")
    ledger = digests(old / ".aexp/ledger")

    old.aexp("install", "--yes")

    lines = old.read(".gitignore").splitlines()
    begin = lines.index("# agentic-experiments:begin")
    assert lines[:begin] == ["*.log", "/data/", ""]
    assert lines[-1] == "# agentic-experiments:end"
    rules = [line for line in lines[begin + 1 : -1] if not line.startswith("#")]
    assert rules == [".aexp/*", "!.aexp/runs-index/", "!.aexp/ledger/", ".runs/"]

    marker = json.loads(old.read(".aexp/installed.json"))
    assert marker["machine_label"] == "cluster"
    assert marker["version"] == aexp.__version__
    assert marker["run_store_path"] == ".runs"
    before = json.loads((GOLDEN / "repo/dot-aexp/installed.json").read_text("utf-8"))
    assert marker["installed_at"] == before["installed_at"]
    assert not {"python_exe", "conda_env_name", "scaffold_sha"} & set(marker)

    assert old.read("templates/finding.md") == "my own template\n"
    assert old.read(".claude/commands/aexp-status.md") == "another tool's command\n"
    assert digests(old / ".aexp/ledger") == ledger
    assert {k: v for k, v in digests(old / "kb").items() if k in kb} == kb
    assert {k: v for k, v in digests(old / ".runs").items() if k in store} == store
    changed = {line[3:] for line in old.status().splitlines() if line.startswith(" M")}
    assert changed == {".gitignore"}
    new = {line[3:].split("/")[0] for line in old.status().splitlines() if line[:2] == "??"}
    assert new <= {".claude", ".gitattributes"}
    assert old.aexp("install", "--yes").stdout.count("merged_gitignore") == 0
    assert validated(old) == ONE_WARNING


def test_install_hides_the_run_store(old: Machine) -> None:
    """Trap 24: 0.6.1 left ``.runs`` for ``git add -A`` to commit."""
    assert ".runs/" in old.status()
    old.aexp("install", "--yes")
    assert ".runs/" not in old.status()


# --- backfill --------------------------------------------------------------------------------


def test_backfill_completes_what_0_6_1_promoted_too_early(old: Machine) -> None:
    """Trap 1, LED-07: ends and durations come in, every field stays, the rest keeps its bytes."""
    before = {job_id: entry(old, job_id) for job_id in ENDED}
    files = digests(old / ".aexp/ledger")
    for job_id in LACKING:
        assert not {"ended_at", "wallclock_s"} & set(before[job_id])

    done = old.aexp("ledger", "backfill")
    assert f"0 promoted, {len(LACKING)} refreshed, {len(ENDED - LACKING)} skipped" in done.stdout

    for job_id in sorted(LACKING):
        after = entry(old, job_id)
        document = open_run(job_id, repo_root=old).doc
        assert after["ended_at"] == document["ended_at"]
        assert after["wallclock_s"] == document["wallclock_s"]
        added = {"ended_at", "wallclock_s", "attempt_id", "record_digest"}
        assert set(after) - set(before[job_id]) == added
        kept = set(before[job_id]) - {"promoted_at"}
        assert {k: after[k] for k in kept} == {k: before[job_id][k] for k in kept}
    now = digests(old / ".aexp/ledger")
    assert {name for name in files if files[name] != now[name]} == {f"{i}.json" for i in LACKING}
    shown = old.git("show", "--name-only", "--format=", "HEAD").stdout.split()
    assert set(shown) == {f".aexp/ledger/{i}.json" for i in LACKING}
    assert validated(old) == ONE_WARNING


def test_a_second_backfill_changes_nothing(old: Machine) -> None:
    """LED-06: nothing new, no byte and no commit."""
    old.aexp("ledger", "backfill")
    head, files = old.head(), digests(old)
    done = old.aexp("ledger", "backfill")
    assert f"0 promoted, 0 refreshed, {len(ENDED)} skipped, 0 failed" in done.stdout
    assert (old.head(), digests(old)) == (head, files)
    assert backfill_ledger(old.path) == (0, len(ENDED))


def test_only_allowed_fields_leave_the_machine(old: Machine) -> None:
    """LED-02: of what 0.6.1 kept in the document, tracker settings, events and results stay."""
    made = project_to_ledger_entry(open_run(RUNS["tracked"], repo_root=old))
    assert set(made["tracker"]) == {"backend", "run_id", "url", "group", "project"}
    assert not {"events", "acc", "loss", "heartbeat_at", "created_at"} & set(made)
    made = project_to_ledger_entry(open_run(RUNS["complete"], repo_root=old))
    assert not {"acc", "loss"} & set(made)


def test_the_same_run_on_two_machines_is_two_attempts(old: Machine) -> None:
    """LED-10: the laptop's entry of a shared run was pulled; backfill adds the cluster's own."""
    job_id = RUNS["same_everywhere"]
    own = entry(old, job_id)
    place("laptop", old.path)
    laptop = entry(old, job_id)
    assert laptop["registered_machine"] == "laptop"
    assert RUNS["laptop"] not in {p.stem for p in (old / ".runs/workspace").iterdir()}

    old.aexp("ledger", "backfill")

    merged = entry(old, job_id)
    attempts = [merged, *merged["replicates"]]
    assert {a["registered_machine"] for a in attempts} == {"cluster", "laptop"}
    assert {a.get("ended_at") for a in attempts} == {own["ended_at"], laptop["ended_at"]}
    assert merged["ended_at"] == min(own["ended_at"], laptop["ended_at"])
    assert entry(old, RUNS["laptop"])["registered_machine"] == "laptop"
    assert validated(old) == ONE_WARNING


# --- going on with its runs ------------------------------------------------------------------


def test_its_runs_go_on(old: Machine) -> None:
    """RUN-03, LED-08: a run that 0.6.1 left can be ended, linked and promoted by us."""
    mark_status(open_run(RUNS["running"], repo_root=old), "complete")
    ended = entry(old, RUNS["running"])
    assert (ended["status"], ended["registered_machine"]) == ("complete", "cluster")
    old.aexp_fast("link", RUNS["running"], "--experiment", "E002")
    assert entry(old, RUNS["running"])["run_link"]["experiment_id"] == "E002"
    mark_status(open_run(RUNS["queued"], repo_root=old), "abandoned")
    assert entry(old, RUNS["queued"])["status"] == "abandoned"
    assert validated(old) == ONE_WARNING


def test_its_interrupted_runs_are_recovered(old: Machine) -> None:
    """Trap 6, RUN-06: what Ctrl-C left running is reported, and ended as lost on demand."""
    report = old.aexp_fast("recover").stdout
    for name in ("interrupted", "running"):
        assert RUNS[name][:8] in report
    old.aexp_fast("recover", "--apply")
    ended = entry(old, RUNS["interrupted"])
    assert (ended["status"], ended["ended_by"]) == ("abandoned", "lost")


def test_the_same_state_point_is_the_same_run(old: Machine) -> None:
    """RUN-01: both tools give one state point one id, so our run is the one 0.6.1 made."""
    for name in ("no_commit", "same_everywhere"):
        point = open_run(RUNS[name], repo_root=old).statepoint()
        assert create_run("E001", point, include_commit=False, repo_root=old).id == RUNS[name]
    found = old.aexp_fast("new-run", "-e", "E001", "--no-commit", "--sp", "lr=0.1,seed=3").stdout
    assert f"found run {RUNS['same_everywhere']}" in found


# --- what 0.6.1 should not have taken ----------------------------------------------------------


@pytest.fixture
def unsound(old: Machine) -> Machine:
    """The same repository with runs that a ledger should refuse."""
    place("unsound", old.path)
    return old


def test_unsound_entries_are_reported_one_by_one(unsound: Machine) -> None:
    """VAL-08, traps 3, 11, 17: each is an issue, none is a crash, the rest is checked."""
    code, issues = validated(unsound)
    assert code == 1
    assert issues == sorted(
        [
            *ONE_WARNING[1],
            ("error", "ledger.malformed"),  # NaN is no JSON
            ("error", "ledger.unsanitized"),  # a password in a URL
            ("error", "run.orphan"),
            ("error", "run.status_invalid"),
        ]
    )


def test_backfill_mends_unsound_entries(unsound: Machine) -> None:
    """LED-02, LED-07: no password and no NaN stays; such entries say that they are redacted."""
    done = unsound.aexp("ledger", "backfill")
    assert "0 promoted, 7 refreshed" in done.stdout and "0 failed" in done.stdout
    secret = entry(unsound, RUNS["credentials"])
    assert "password" not in json.dumps(secret)
    assert secret["redacted"] == ["/statepoint/data"]
    nan = entry(unsound, RUNS["nan"])
    assert (nan["statepoint"]["lr"], nan["redacted"]) == ("NaN", ["/statepoint/lr"])
    assert validated(unsound) == (
        1,
        sorted(
            [
                *ONE_WARNING[1],
                ("error", "run.orphan"),
                ("error", "run.status_invalid"),
                ("warning", "ledger.unprovable"),
                ("warning", "ledger.unprovable"),
            ]
        ),
    )
    files = digests(unsound)
    assert "0 promoted, 0 refreshed" in unsound.aexp("ledger", "backfill").stdout
    assert digests(unsound) == files


def test_the_empty_folder_of_a_refused_run(old: Machine) -> None:
    """0.6.1 leaves an empty folder where it refuses a key; it stops nothing, and is reported."""
    (old / ".runs/workspace" / ("0" * 31 + "1")).mkdir()
    old.aexp("ledger", "backfill")
    assert ("error", "run.unreadable") in validated(old)[1]


# --- scripts, and what 0.6.1 does to our entries -----------------------------------------------


def test_what_scripts_of_0_6_import_is_there(old: Machine) -> None:
    """The names of ``spec/ledger.md`` and the usual ones at the top of the package."""
    for mode in ("full", "kb-only", "runs-only", "kb", "runs"):
        assert aexp.validate_repo(old.path, mode=mode).ok  # type: ignore[arg-type]
    assert len(list(aexp.get_run_store(old.path))) == len(IN_STORE)
    assert {b.experiment_id for b in aexp.list_batches(repo_root=old.path)} == {"E001", "E002"}
    job = aexp.link_to_experiment(RUNS["created"], experiment_id="E002", repo_root=old.path)
    assert job.doc.aexp.experiment_id == "E002"


def test_an_entry_that_0_6_wrote_over_ours_stays_one_attempt(old: Machine) -> None:
    """It keeps its own fields only; backfill brings the rest back, and no second attempt."""
    done = old.aexp("run", "-e", "E001", "--sp", "condition=full,seed=9", "--", "true")
    (job_id,) = {p.stem for p in (old / ".aexp/ledger").glob("*.json")} - ENDED
    before = entry(old, job_id)
    fields = set(entry(old, RUNS["complete_again"]))
    poor = {k: v for k, v in before.items() if k in fields}
    assert {"attempt_id", "environment", "ended_by"} <= set(before) - set(poor), done.output
    poor["promoted_at"] = "2099-01-01T00:00:00Z"
    old.write(f".aexp/ledger/{job_id}.json", json.dumps(poor, indent=2, sort_keys=True) + "\n")
    old.aexp("ledger", "backfill", "--no-commit")
    after = entry(old, job_id)
    assert "replicates" not in after
    volatile = ("promoted_at", "record_digest")
    assert {k: v for k, v in after.items() if k not in volatile} == {
        k: v for k, v in before.items() if k not in volatile
    }
