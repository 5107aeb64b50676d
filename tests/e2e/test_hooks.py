"""Commit hooks, run for real: refused is what would have been committed (VAL-10, INS-08)."""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
from pathlib import Path

import pytest

from tests.support.machines import Completed, Machine, run_command

FINDING = "kb/research/findings/F001-a-claim.md"
REFUSED = "finding.broken_run_citation"
UNKNOWN = "0123456789abcdef0123456789abcdef"


def executable(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def lab(installed_repo: Machine, tmp_path: Path) -> Machine:
    """A repository with a sound, committed finding about a run; ``aexp`` is on the PATH."""
    machine = installed_repo
    # The checkout under test, whatever else of that name may be installed.
    call = f'exec {shlex.quote(sys.executable)} -m aexp "$@"'
    executable(tmp_path / "bin/aexp", f"#!/bin/sh\n{call}\n")
    machine.env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    machine.aexp_fast("new-hypothesis", "--title", "It works")
    machine.aexp_fast("new-experiment", "--title", "Try it", "--hypothesis", "H001")
    machine.aexp_fast("run", "-e", "E001", "--sp", "seed=0", "--", "true")
    [entry] = (machine / ".aexp/ledger").glob("*.json")
    parents = ("--hypothesis", "H001", "--experiment", "E001")
    machine.aexp_fast("new-finding", "--title", "A claim", *parents, "--run", entry.stem)
    machine.commit_all("Sound")
    return machine


@pytest.fixture
def by_pre_commit(lab: Machine) -> Machine:
    """The repository with the hook of ``install --pre-commit``, run by the package pre-commit."""
    lab.aexp_fast("install", "--yes", "--pre-commit")
    lab.commit_all("Hook")
    run_command([sys.executable, "-m", "pre_commit", "install"], cwd=lab.path, env=lab.env)
    return lab


@pytest.fixture
def by_git(lab: Machine) -> Machine:
    """The repository with a plain git hook; it leaves what to judge to the default."""
    executable(lab / ".git/hooks/pre-commit", "#!/bin/sh\nexec aexp validate --strict-runs=error\n")
    return lab


def commit(machine: Machine, *args: str) -> Completed:
    """Commit, and return how that went."""
    return machine.git("commit", "-q", "-m", "Work", *args, check=False)


def claim(machine: Machine, *, broken: bool) -> None:
    """Make the finding cite a run that nobody knows, or its own again."""
    text = machine.git("show", f"HEAD:{FINDING}").stdout
    unknown = re.sub(r"\b[0-9a-f]{32}\b", UNKNOWN, text)
    machine.write(FINDING, unknown if broken else text + "\nMore words.\n")


def strict(machine: Machine) -> None:
    """Make the hook of pre-commit refuse citations of unknown runs; by default it warns."""
    config = machine.read(".pre-commit-config.yaml")
    machine.write(".pre-commit-config.yaml", config.replace("=warn", "=error"))
    machine.git("add", ".pre-commit-config.yaml")
    machine.git("commit", "-q", "--no-verify", "-m", "Strict")


def shape(machine: Machine, *, broken: bool) -> None:
    """Make the finding's citations malformed, which no strictness lets pass, or mend them."""
    text = machine.git("show", f"HEAD:{FINDING}").stdout
    machine.write(FINDING, text.replace("type: job", "type: hob") if broken else text + "\nWell.\n")


def test_pre_commit_refuses_a_broken_finding(by_pre_commit: Machine) -> None:
    """INS-08: the hook as installed, through the real pre-commit; a sound commit passes."""
    shape(by_pre_commit, broken=True)
    by_pre_commit.git("add", "kb")
    before = by_pre_commit.head()
    done = commit(by_pre_commit)
    assert done.returncode == 1
    assert REFUSED in done.output
    assert FINDING in done.output
    assert by_pre_commit.head() == before
    shape(by_pre_commit, broken=False)
    by_pre_commit.git("add", "kb")
    done = commit(by_pre_commit).require()
    assert "Passed" in done.output
    assert by_pre_commit.status() == ""


def test_pre_commit_warns_of_unknown_runs_until_told_to_be_strict(by_pre_commit: Machine) -> None:
    """INS-08: runs of another machine may not have arrived yet when a finding is committed."""
    strict(by_pre_commit)
    claim(by_pre_commit, broken=True)
    by_pre_commit.git("add", "kb")
    assert REFUSED in commit(by_pre_commit).require(1).output
    config = by_pre_commit.read(".pre-commit-config.yaml").replace("=error", "=warn")
    by_pre_commit.write(".pre-commit-config.yaml", config)
    by_pre_commit.git("add", ".pre-commit-config.yaml")
    commit(by_pre_commit).require()


@pytest.mark.parametrize("staged_is_broken", [True, False])
def test_pre_commit_judges_a_half_staged_finding_by_what_is_staged(
    by_pre_commit: Machine, staged_is_broken: bool
) -> None:
    """VAL-10: and the unstaged half is back afterwards."""
    shape(by_pre_commit, broken=staged_is_broken)
    by_pre_commit.git("add", "kb")
    shape(by_pre_commit, broken=not staged_is_broken)
    left = by_pre_commit.read(FINDING)
    assert commit(by_pre_commit).returncode == (1 if staged_is_broken else 0)
    assert by_pre_commit.read(FINDING) == left


@pytest.mark.parametrize("staged_is_broken", [True, False])
def test_a_plain_hook_judges_what_is_staged(by_git: Machine, staged_is_broken: bool) -> None:
    """VAL-10: inside a commit hook that is the default."""
    claim(by_git, broken=staged_is_broken)
    by_git.git("add", "kb")
    claim(by_git, broken=not staged_is_broken)
    assert by_git.aexp("validate", check=False).returncode == (0 if staged_is_broken else 1)
    done = commit(by_git)
    assert done.returncode == (1 if staged_is_broken else 0)
    assert (REFUSED in done.output) == staged_is_broken


def test_a_plain_hook_judges_a_partial_commit(by_git: Machine) -> None:
    """VAL-10: ``git commit FILE`` and ``git commit -a`` use an index of their own."""
    claim(by_git, broken=True)
    by_git.git("add", "kb")
    by_git.write("notes.txt", "tracked\n")
    by_git.git("add", "notes.txt")
    commit(by_git, "notes.txt").require()  # the staged finding is not part of it
    assert REFUSED in commit(by_git, FINDING).require(1).output
    claim(by_git, broken=False)
    commit(by_git, FINDING).require()
    claim(by_git, broken=True)
    assert REFUSED in commit(by_git, "-a").require(1).output


def test_a_plain_hook_judges_the_chosen_hunks(by_git: Machine) -> None:
    """VAL-10: ``git commit -p`` with one hunk taken and the broken one left, and the reverse."""
    text = by_git.read(FINDING)
    claim(by_git, broken=True)
    by_git.write(FINDING, by_git.read(FINDING) + "\nThe last words.\n")
    partly = ["commit", "-q", "-m", "Part", "-p"]
    done = by_git.git(*partly, input="y\nn\n", check=False)
    assert done.returncode == 1
    assert REFUSED in done.output
    by_git.git("reset", "-q")
    by_git.git(*partly, input="n\ny\n")
    assert by_git.git("show", f"HEAD:{FINDING}").stdout == text + "\nThe last words.\n"


def test_a_cited_entry_left_out_of_the_commit_is_named(by_git: Machine) -> None:
    """VAL-10: the run exists here, so that the commit passes, and its entry is missed aloud."""
    by_git.aexp_fast("run", "-e", "E001", "--sp", "seed=1", "--", "true")
    by_git.git("add", "-N", ".")
    new = next(
        path.stem
        for path in (by_git / ".aexp/ledger").glob("*.json")
        if path.stem not in by_git.read(FINDING)
    )
    text = by_git.read(FINDING)
    known = next(p.stem for p in (by_git / ".aexp/ledger").glob("*.json") if p.stem in text)
    by_git.write(FINDING, text.replace(known, new))
    done = commit(by_git, FINDING).require()
    assert "ledger.uncommitted" in done.output
    by_git.git("add", ".aexp/ledger")
    by_git.write(FINDING, by_git.read(FINDING) + "\nShared.\n")
    assert "0 errors, 0 warnings" in commit(by_git, "-a").require().output


def test_a_hook_in_a_linked_work_tree(by_git: Machine, tmp_path: Path) -> None:
    """VAL-10, model.md 12: the index of that work tree is judged."""
    by_git.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Machine(tmp_path / "side", env=by_git.env)
    claim(side, broken=True)
    side.git("add", "kb")
    assert REFUSED in commit(side).require(1).output
    claim(side, broken=False)
    side.git("add", "kb")
    commit(side).require()
