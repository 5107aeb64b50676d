"""``aexp status`` as it is shown (INS-10)."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.ledger.test_backfill import put_run
from tests.runs.test_overview import batch, finding, job
from tests.support.machines import Machine, TwoMachines

NAMES = (
    *("machine", "installed", "branch", "upstream", "here", "in_ledger", "machines", "unpromoted"),
    *(
        "failed",
        "unsealed",
        "cut_off",
        "lost",
        "uncommitted",
        "unpushed",
        "behind",
        "damaged",
        "cited",
    ),
)


def everything(machine: Machine) -> dict[str, tuple[str, int]]:
    """Return the content and time of every file, git's own included."""
    paths = (path for path in machine.path.rglob("*") if path.is_file())
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in paths
    }


def messy(machine: Machine) -> None:
    """Leave something of every kind behind."""
    put_run(machine, 0)
    machine.aexp_fast("ledger", "backfill")
    put_run(machine, 1)
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    cited = put_run(machine, 2, ledger_error={"reason": "/very/long/path" * 20 + " [disk] full"})
    put_run(machine, 3, status="running")
    bad = put_run(machine, 4)
    (machine / f".runs/workspace/{bad}/signac_job_document.json").write_text("{", "utf-8")
    machine.write(f".aexp/ledger/{'f' * 32}.json", "{")
    machine.write(f".aexp/pending/{cited}", "")
    finding(machine, job(cited), job("a" * 32), batch(seed=[1, 2]))
    for number in range(2, 20):
        finding(machine, job("b" * 32), name=f"F{number:03}")


def test_everything_that_is_to_be_done(two_machines: TwoMachines) -> None:
    """INS-10: each line names the command that mends it, and fits 80 columns."""
    cluster = two_machines.cluster
    messy(cluster)
    lines = cluster.aexp_fast("status").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines), max(lines, key=len)
    text = " ".join(line.strip() for line in lines)
    for expected in (
        "machine:      cluster",
        "- 1 run here damaged: aexp validate",
        "- 1 ledger file with errors: aexp validate",
        "- 1 run whose process is gone: aexp recover",
        "- 1 ended run not in the ledger: aexp ledger backfill",
        "- 1 ledger file not committed: aexp ledger backfill",
        "- 1 commit not pushed: git push",
        "which is unknown here: aexp sync",
        "more such citations: aexp validate",
    ):
        assert expected in text
    tasks = [n for n, line in enumerate(lines) if line.startswith("- ")]
    for number in tasks:
        rest = lines[number] if not lines[number].endswith(":") else lines[number + 1]
        assert any(word in rest for word in ("aexp ", "git ")), rest


def test_it_writes_nothing(two_machines: TwoMachines) -> None:
    """RUN-04, model.md 13: not a byte and not a time changes, in git's folder neither."""
    cluster = two_machines.cluster
    messy(cluster)
    (cluster / "train.py").touch()  # git would like to refresh its index
    before = everything(cluster)
    cluster.aexp_fast("status")
    cluster.aexp_fast("status", "--format", "json")
    assert everything(cluster) == before


def test_json(two_machines: TwoMachines) -> None:
    """INS-10: the same facts as data, ids in full."""
    cluster = two_machines.cluster
    messy(cluster)
    said = json.loads(cluster.aexp_fast("status", "--format", "json").stdout)
    assert set(NAMES) <= set(said)
    assert said["unpushed"] == 1
    assert len(said["cited"]) == 21
    assert said["cited"][1]["runs"] == ["a" * 32]


def test_when_all_is_shared(two_machines: TwoMachines) -> None:
    """INS-10: then that is what it says."""
    cluster = two_machines.cluster
    put_run(cluster)
    cluster.aexp_fast("sync")
    said = cluster.aexp_fast("status").stdout
    assert said.splitlines()[-1] == "nothing to do: everything is shared"
    assert "ledger:       1 entry (1 cluster)\n" in said


def test_the_commands_it_names_mend_it(two_machines: TwoMachines) -> None:
    """INS-10: doing what it says leaves nothing to say."""
    cluster = two_machines.cluster
    cited = put_run(cluster, 0)
    put_run(cluster, 1, status="running", ended_at=None)
    finding(cluster, job(cited), batch(seed=0))
    cluster.commit_all("a finding")
    for _ in range(10):
        lines = cluster.aexp_fast("status").stdout.splitlines()
        tasks = [line.rsplit(": ", 1)[-1].strip() for line in lines if line.startswith("- ")]
        if not tasks:
            break
        task = tasks[0] if tasks[0] != "aexp recover" else "aexp recover --apply"
        name, *args = task.split()
        (cluster.aexp if name == "aexp" else cluster.git)(*args)
    assert lines[-1] == "nothing to do: everything is shared"


def test_without_a_remote(installed_repo: Machine) -> None:
    """INS-10: a repository that is shared with nobody says so, without calling it a fault."""
    said = installed_repo.aexp_fast("status").stdout
    assert "shared as:    nothing: there is no remote" in said
    assert said.splitlines()[-1] == "nothing to do here"


def test_a_wrong_format(installed_repo: Machine) -> None:
    """INS-10: one line and a hint."""
    done = installed_repo.aexp_fast("status", "--format", "xml", check=False).require(2)
    error, hint = done.stderr.splitlines()
    assert "--format" in error
    assert "'text', 'json'" in error
    assert hint == "hint: see `aexp status --help`"


@pytest.mark.parametrize("args", [(), ("--format", "json")])
def test_it_does_not_wait_for_another_git(installed_repo: Machine, args: tuple[str, ...]) -> None:
    """Trap 71: a git that holds the index lock is no reason to wait or to fail."""
    installed_repo.write(".git/index.lock", "")
    assert installed_repo.aexp_fast("status", *args).returncode == 0
    assert (installed_repo / ".git/index.lock").exists()
