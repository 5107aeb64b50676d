"""HEAD's commit, read without starting git; git itself is the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.git import read_head
from aexp.repo import open_layout
from aexp.runs.code_state import code_state, head_facts
from tests.support.machines import Machine, make_repo


def found(place: Machine) -> str | None:
    """Return what is read of HEAD in a work tree."""
    layout = open_layout(place.path)
    assert layout.git_dir is not None
    assert layout.common_dir is not None
    return read_head(layout.git_dir, layout.common_dir)


def packed(machine: Machine) -> None:
    machine.git("branch", "other")
    machine.git("pack-refs", "--all")


def packed_and_moved_on(machine: Machine) -> None:
    packed(machine)
    machine.commit_all("after packing")


def similar_names(machine: Machine) -> None:
    machine.git("checkout", "-q", "-b", "x/main")
    machine.commit_all("another main")
    machine.git("checkout", "-q", "-b", "mainx")
    machine.commit_all("a longer main")
    machine.git("checkout", "-q", "main")
    machine.git("pack-refs", "--all")


def symbolic_branch(machine: Machine) -> None:
    machine.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    machine.git("symbolic-ref", "HEAD", "refs/heads/alias")


def symbolic_link(machine: Machine) -> None:
    machine.git("config", "core.preferSymlinkRefs", "true")
    machine.git("checkout", "-q", "-b", "linked")


SITUATIONS: list[Callable[[Machine], object]] = [
    lambda machine: None,
    lambda machine: machine.git("checkout", "-q", "--detach"),
    lambda machine: machine.git("checkout", "-q", "-b", "feat/ü x".replace(" ", "-")),
    packed,
    packed_and_moved_on,
    similar_names,
    symbolic_branch,
    symbolic_link,
]


@pytest.mark.parametrize("arrange", SITUATIONS)
def test_the_same_as_git_says(repo: Machine, arrange: Callable[[Machine], object]) -> None:
    """Model 11: branches, detached, packed and symbolic refs."""
    arrange(repo)
    assert found(repo) == repo.head()


def test_linked_worktrees(repo: Machine, tmp_path: Path) -> None:
    """Model 12: each work tree has its own HEAD; branches are shared."""
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Machine(tmp_path / "side")
    side.git("commit", "-q", "--allow-empty", "-m", "on the side")
    assert found(side) == side.head() != repo.head()
    assert found(repo) == repo.head()
    side.git("checkout", "-q", "--detach", "main")
    assert found(side) == repo.head()


def test_before_the_first_commit(tmp_path: Path) -> None:
    """Model 11: unborn; nothing is said, and git has no commit either."""
    repo = make_repo(tmp_path / "new")
    repo.git("checkout", "-q", "--orphan", "fresh")
    assert found(repo) is None
    assert head_facts(open_layout(repo.path)).commit is None


def test_refs_in_another_form(tmp_path: Path) -> None:
    """A repository with reftable: only git can tell, and is asked."""
    place = Machine(tmp_path / "reftable")
    place.path.mkdir()
    made = place.git("init", "-q", "--template=", "--ref-format=reftable", ".", check=False)
    if made.returncode != 0:
        place.git("init", "-q", "--template=", ".")
        place.git("config", "user.name", "dev")
        place.git("config", "user.email", "dev@example.org")
        place.commit_all()
        for path in (place / ".git/refs/heads").iterdir():
            path.unlink()  # as it looks there: HEAD names a branch that has no file
        assert found(place) is None
        return
    place.git("config", "user.name", "dev")
    place.git("config", "user.email", "dev@example.org")
    place.commit_all()
    assert found(place) is None
    assert head_facts(open_layout(place.path)).commit == place.head()


@pytest.mark.parametrize(
    "content", [b"", b"ref: ", b"ref: ../../etc", b"nonsense\n", b"ref: refs/x"]
)
def test_a_damaged_head_is_left_to_git(repo: Machine, content: bytes) -> None:
    """Nothing is made up of what is no ref."""
    (repo / ".git/HEAD").write_bytes(content)
    layout = open_layout(repo.path)
    assert read_head(repo / ".git", layout.common_dir or repo / ".git") is None


def test_the_facts_are_those_of_the_code_state(repo: Machine) -> None:
    """Model 11: commit and tree are alike, whichever way they are asked for; and follow HEAD."""
    layout = open_layout(repo.path)
    for _ in range(2):
        facts, code = head_facts(layout), code_state(layout)
        assert (facts.commit, facts.tree) == (code.commit, code.tree)
        assert facts.commit == repo.head()
        repo.write("train.py", "print('changed')\n")
        repo.commit_all("changed")
