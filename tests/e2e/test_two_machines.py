"""The main promise: a run recorded on one machine is evidence on another (LED-09)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine, TwoMachines

TRAIN = """\
import sys
import aexp

run = aexp.current_run()
for step in range(3):
    run.log_metric("val_acc", 0.5 + 0.1 * step + 0.01 * int(sys.argv[1]), step=step)
run.log_parameter("classes", 10)
"""


@dataclass(frozen=True)
class Story:
    """Two machines after the cluster has shared its runs and a finding about them."""

    machines: TwoMachines
    job: str
    batch: tuple[str, ...]
    unrelated: str

    @property
    def laptop(self) -> Machine:
        return self.machines.laptop

    def entry(self, job_id: str) -> Path:
        return self.laptop / f".aexp/ledger/{job_id}.json"

    def issues(self, *options: str) -> dict[str, str]:
        """Return the codes that the laptop's validate reports about runs, with severity."""
        done = self.laptop.aexp_fast("validate", "--format", "json", *options, check=False)
        report = json.loads(done.stdout)
        expected = 1 if any(i["severity"] == "error" for i in report["issues"]) else 0
        assert done.returncode == expected, done.output
        return {issue["code"]: issue["severity"] for issue in report["issues"]}


def record(machine: Machine, condition: str, seed: int) -> str:
    """Record a real run and return its id."""
    point = f"condition={condition},seed={seed}"
    command = [sys.executable, "train.py", str(seed)]
    machine.aexp_fast("run", "--experiment", "E001", "--sp", point, "--", *command)
    rows = json.loads(machine.aexp_fast("list-runs", "--sp", point, "--format", "json").stdout)
    assert len(rows) == 1
    return str(rows[0]["job_id"])


def finding(machine: Machine, *citations: str) -> None:
    machine.aexp_fast(
        "new-finding", "--title", "It works", "--hypothesis", "H001", "--experiment", "E001",
        *citations,
    )  # fmt: skip


@pytest.fixture
def recorded(two_machines: TwoMachines) -> Story:
    """The cluster has recorded runs; nothing cites them yet, nothing is committed."""
    cluster = two_machines.cluster
    cluster.write("train.py", TRAIN)
    cluster.aexp_fast("new-hypothesis", "--title", "More is better")
    cluster.aexp_fast("new-experiment", "--title", "Try it", "--hypothesis", "H001")
    cluster.commit_all("experiment")
    full = tuple(record(cluster, "full", seed) for seed in (0, 1))
    small = record(cluster, "small", 0)
    return Story(two_machines, full[0], full, small)


def share(story: Story) -> None:
    """Commit kb/, backfill, push; the laptop pulls."""
    cluster = story.machines.cluster
    cluster.git("add", "kb")
    cluster.git("commit", "-q", "-m", "finding")
    cluster.aexp("ledger", "backfill")
    cluster.git("push", "-q")
    story.laptop.pull()


@pytest.fixture
def story(recorded: Story) -> Story:
    """A finding cites a job and a batch; everything is shared."""
    finding(recorded.machines.cluster, "--run", recorded.job, "--batch", "E001?condition=full")
    share(recorded)
    return recorded


def test_what_the_cluster_recorded_is_evidence_on_the_laptop(story: Story) -> None:
    """LED-09, trap 30: 0 errors, 0 warnings, the finding was looked at, the numbers are there."""
    done = story.laptop.aexp("validate", "--format", "json")
    report = json.loads(done.stdout)
    assert report["issues"] == []
    assert "0 errors, 0 warnings (1 finding" in story.laptop.aexp("validate").stdout
    assert story.laptop.status() == ""
    assert story.machines.cluster.status() == ""
    rows = json.loads(story.laptop.aexp("list-runs", "--format", "json").stdout)
    metrics = {
        row["statepoint"]["seed"]: row["metrics"] for row in rows if row["job_id"] in story.batch
    }
    assert metrics == {0: {"val_acc": 0.7}, 1: {"val_acc": 0.71}}
    assert {row["where"] for row in rows} == {"ledger"}
    assert {row["registered_machine"] for row in rows} == {"cluster"}
    shown = story.laptop.aexp("show-run", story.job[:8]).stdout
    assert "val_acc = 0.7" in shown
    assert "classes = 10" in shown


def test_a_fresh_clone_without_install_validates_too(
    story: Story, clone: Callable[..., Machine], tmp_path: Path
) -> None:
    """LED-09: a fresh clone with no install validates, and writes nothing."""
    fresh = clone(story.machines.remote, tmp_path / "fresh")
    assert "0 errors, 0 warnings" in fresh.aexp("validate").stdout
    assert fresh.status() == ""
    assert not (fresh / ".runs").exists()


def withhold(story: Story, ids: tuple[str, ...]) -> None:
    for job_id in ids:
        story.entry(job_id).unlink()


def empty(story: Story, ids: tuple[str, ...]) -> None:
    for job_id in ids:
        story.entry(job_id).write_bytes(b"")


def tamper(story: Story, ids: tuple[str, ...]) -> None:
    for job_id in ids:
        path = story.entry(job_id)
        entry: dict[str, Any] = json.loads(path.read_text("utf-8"))
        entry["metrics"]["val_acc"]["value"] = 0.99
        path.write_text(json.dumps(entry, indent=2, sort_keys=True) + "\n", "utf-8")


def forge(story: Story, ids: tuple[str, ...]) -> None:
    """A state point that is not the id's, with the digest left out."""
    for job_id in ids:
        path = story.entry(job_id)
        entry: dict[str, Any] = json.loads(path.read_text("utf-8"))
        entry["statepoint"]["seed"] = 41
        del entry["record_digest"]
        path.write_text(json.dumps(entry, indent=2, sort_keys=True) + "\n", "utf-8")


def conflict(story: Story, ids: tuple[str, ...]) -> None:
    """A real merge of two different results that git could not merge."""
    laptop = story.laptop
    laptop.git("checkout", "-q", "-b", "side")
    for job_id in ids:
        path = story.entry(job_id)
        path.write_text(path.read_text("utf-8").replace("0.7", "0.8"), "utf-8")
    laptop.git("commit", "-q", "-a", "-m", "side")
    laptop.git("checkout", "-q", "main")
    for job_id in ids:
        path = story.entry(job_id)
        path.write_text(path.read_text("utf-8").replace("0.7", "0.9"), "utf-8")
    laptop.git("commit", "-q", "-a", "-m", "main")
    assert laptop.git("merge", "-q", "side", check=False).returncode != 0


def make_directory(story: Story, ids: tuple[str, ...]) -> None:
    for job_id in ids:
        story.entry(job_id).unlink()
        story.entry(job_id).mkdir()


SPOILERS = [
    (withhold, None),
    (empty, "ledger.malformed"),
    (tamper, "ledger.digest_mismatch"),
    (forge, "ledger.id_mismatch"),
    (conflict, "ledger.conflict"),
    (make_directory, None),
]


@pytest.mark.parametrize(("spoil", "code"), SPOILERS, ids=lambda v: getattr(v, "__name__", v))
@pytest.mark.parametrize("kind", ["job", "batch"])
def test_each_citation_fails_without_its_evidence(
    recorded: Story, spoil: Callable[[Story, tuple[str, ...]], None], code: str | None, kind: str
) -> None:
    """LED-09, VAL-08, traps 2, 3, 23, 30: the promise can fail, so its test is not vacuous."""
    story = recorded
    citation = ["--run", story.job] if kind == "job" else ["--batch", "E001?condition=full"]
    finding(story.machines.cluster, *citation)
    share(story)
    assert story.issues() == {}
    ids = (story.job,) if kind == "job" else story.batch
    spoil(story, ids)
    expected = "finding.broken_run_citation" if kind == "job" else "finding.empty_batch"
    issues = story.issues()
    assert issues.get(expected) == "error"
    if code is not None:
        assert issues.get(code) == "error"
    assert story.issues("--strict-runs=warn").get(expected) == "warning"
    assert expected not in story.issues("--strict-runs=off")


def test_an_emptied_ledger_is_no_source_at_all(story: Story) -> None:
    """VAL-03: no store, no entry, no index: one warning, once git too has lost them (trap 23)."""
    shutil.rmtree(story.laptop / ".aexp/ledger")
    shutil.rmtree(story.laptop / ".runs")
    assert story.issues() == {"finding.no_run_store": "warning", "ledger.deleted": "error"}
    story.laptop.commit_all("No ledger")
    assert story.issues() == {"finding.no_run_store": "warning"}


def test_the_spoiled_entry_of_one_run_leaves_the_others_alone(story: Story) -> None:
    """Trap 3: one malformed entry is one issue; the batch still has its other run."""
    story.entry(story.batch[1]).write_bytes(b"{")
    assert story.issues() == {"ledger.malformed": "error"}


def test_the_owner_repairs_what_was_spoiled(story: Story) -> None:
    """LED-07, trap 4: a corrupt committed entry is rewritten with the same bytes by its owner."""
    cluster = story.machines.cluster
    path = cluster / f".aexp/ledger/{story.job}.json"
    good = path.read_bytes()
    for bad in (b"", b"{}", good.replace(b"0.7", b"0.9", 1), b"<<<<<<< HEAD\n" + good):
        path.write_bytes(bad)
        done = cluster.aexp_fast("ledger", "backfill", "--no-commit")
        assert "0 promoted, 1 refreshed, 2 skipped, 0 failed" in done.stdout
        assert path.read_bytes() == good


def test_the_same_run_on_both_machines_is_kept_twice(story: Story) -> None:
    """LED-10: the laptop replicates a pulled run; both results stand in one entry."""
    laptop = story.laptop
    command = [sys.executable, "-c", "import aexp; aexp.current_run().log_metric('val_acc', 0.6)"]
    laptop.aexp("run", "--experiment", "E001", "--sp", "condition=full,seed=0", "--", *command)
    entry = json.loads(story.entry(story.job).read_text("utf-8"))
    best, other = entry, entry["replicates"][0]
    said = [(a["registered_machine"], a["metrics"]["val_acc"]["value"]) for a in (best, other)]
    assert said == [("cluster", 0.7), ("laptop", 0.6)]
    assert not {code for code in story.issues() if story.issues()[code] == "error"}
