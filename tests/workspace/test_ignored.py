"""The run store hides from git by itself."""

from __future__ import annotations

from tests.support.machines import Machine


def test_a_run_before_install_leaves_no_run_store_in_git(repo: Machine) -> None:
    """Trap 24: `git add -A` without `aexp install` adds the entry, never the run store."""
    repo.aexp_fast("run", "--sp", "seed=0", "--", "true")
    repo.git("add", "-A")
    staged = repo.git("diff", "--cached", "--name-only").stdout.split()
    assert len(staged) == 1
    assert staged[0].startswith(".aexp/ledger/")
