"""Which code a run ran: ``code_commit``, ``code_dirty``, ``code_diff``."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from aexp import create_run, mark_status
from aexp.errors import GitError
from aexp.repo import open_layout
from aexp.runs.code_state import CodeState, code_state
from tests.runs.world import experiment, run_folders
from tests.support.machines import Machine


def state(machine: Machine) -> CodeState:
    """Return the state of the code now."""
    return code_state(open_layout(machine.path))


def test_the_tools_own_files_do_not_count(installed_repo: Machine) -> None:
    """Trap 14: entries, prose and runs neither make the code dirty nor change its commit."""
    machine = installed_repo
    clean = state(machine)
    assert (clean.dirty, clean.diff) == (False, None)
    experiment(machine)
    job = create_run("E001", {"seed": 0}, repo_root=machine.path)
    mark_status(job, "complete")
    machine.write("kb/tool.py", "print()\n")
    assert state(machine) == clean
    machine.git("add", "-A", "-f", ".aexp/ledger", "kb")
    machine.git("commit", "-q", "-m", "An entry")
    assert state(machine) == clean
    assert create_run("E001", {"seed": 0}, repo_root=machine.path).id == job.id


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.write("train.py", "print(2)\n"),
        lambda m: m.write("new.py", "print(2)\n"),
        lambda m: m.write("Makefile", "all:\n"),
        lambda m: m.write("sub/dir/x.CU", "kernel\n"),
        lambda m: (m / "train.py").unlink(),
        lambda m: os.chmod(m / "train.py", 0o755),
        lambda m: m.git("mv", "train.py", "moved.py"),
        lambda m: m.git("rm", "-q", "--cached", "README.md"),
    ],
    ids=["edit", "untracked", "Makefile", "upper-case", "delete", "mode", "rename", "cached"],
)
def test_what_makes_the_code_dirty(
    installed_repo: Machine, change: Callable[[Machine], object]
) -> None:
    """Model 11: any change of a tracked file, or an untracked source file."""
    clean = state(installed_repo)
    change(installed_repo)
    dirty = state(installed_repo)
    assert dirty.dirty
    assert dirty.diff is not None
    assert dirty.commit == clean.commit


def test_untracked_data_does_not_count(installed_repo: Machine) -> None:
    """Trap 14: outputs and data beside the code leave it clean."""
    for name in ("out.csv", "model.pt", "results/log.txt", "notes.md", "x.py.bak", "a\nb.dat"):
        installed_repo.write(name, "data\n")
    assert not state(installed_repo).dirty


def test_two_uncommitted_edits_are_two_runs(installed_repo: Machine) -> None:
    """Trap 15: edits have their own ids; the same edit again has the same one."""
    machine = installed_repo
    experiment(machine)
    ids = []
    for text in ("print(1)\n", "print(2)\n", "print(1)\n"):
        machine.write("train.py", text)
        ids.append(create_run("E001", {"seed": 0}, repo_root=machine.path).id)
    assert ids[0] == ids[2] != ids[1]
    machine.git("add", "train.py")
    assert create_run("E001", {"seed": 0}, repo_root=machine.path).id == ids[0]


def test_where_an_edit_was_made_does_not_matter(
    installed_repo: Machine, clone: Callable[..., Machine], weird_name: str
) -> None:
    """Trap 15, trap 77: two clones with one edit agree, whatever the file is called."""
    name = f"{weird_name}.py"
    other = clone(installed_repo, installed_repo.path.parent / "clone")
    for machine in (installed_repo, other):
        machine.write(name, "print(1)\n")
    assert state(installed_repo) == state(other)
    assert state(other).dirty


def test_a_failing_git_is_an_error(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 15: never "clean"; no run is made."""
    experiment(installed_repo)
    (installed_repo / ".git/index").write_bytes(b"damaged")
    with pytest.raises(GitError):
        create_run("E001", {"seed": 0}, repo_root=installed_repo.path)
    done = installed_repo.aexp_fast("new-run", "-e", "E001", check=False)
    assert done.returncode == 9
    assert run_folders(installed_repo) == []


def test_before_the_first_commit(repo: Machine) -> None:
    """Model 11: no commit is None; the files are dirty when they are source."""
    repo.git("update-ref", "-d", "HEAD")
    found = state(repo)
    assert (found.commit, found.tree, found.dirty) == (None, None, True)
    repo.git("rm", "-q", "--cached", "-r", ".")
    (repo / "train.py").unlink()
    assert not state(repo).dirty


def test_the_tree_is_the_codes(installed_repo: Machine) -> None:
    """Model 11: committed prose leaves ``code_tree`` alone; committed code does not."""
    before = state(installed_repo)
    installed_repo.write("kb/note.md", "prose\n")
    installed_repo.commit_all("Prose")
    assert state(installed_repo) == before
    installed_repo.write("train.py", "print(3)\n")
    commit = installed_repo.commit_all("Code")
    after = state(installed_repo)
    assert after.tree != before.tree
    assert (after.commit, after.dirty) == (commit, False)
