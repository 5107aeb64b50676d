"""The one gate: where the repository is and how its paths are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from aexp.errors import CorruptDataError, NotARepositoryError, UsageError
from aexp.repo import (
    check_machine_label,
    default_machine_label,
    open_layout,
    read_installed,
    read_machine_label,
)
from tests.support.machines import Machine, make_repo


def install_by_hand(root: Path, **content: object) -> None:
    """Write an installation marker."""
    (root / ".aexp").mkdir(exist_ok=True)
    (root / ".aexp" / "installed.json").write_text(json.dumps(content))


def test_every_path_of_a_plain_repository(repo: Machine) -> None:
    """INS-01: the layout is the same from any folder of the repository."""
    (repo / "a" / "b").mkdir(parents=True)
    for start in (repo.path, repo / "a" / "b", repo / "train.py", str(repo.path), repo / "gone"):
        layout = open_layout(start)
        assert layout.root == layout.home == repo.path
        assert layout.git_dir == layout.common_dir == repo / ".git"
        assert layout.ledger_dir == repo / ".aexp" / "ledger"
        assert layout.index_dir == repo / ".aexp" / "runs-index"
        assert layout.kb_dir == repo / "kb" / "research"
        assert layout.tmp_dir == repo / ".aexp" / "tmp"
        assert layout.locks_dir == repo / ".aexp" / "locks"
        assert layout.run_store == repo / ".runs"
        assert layout.workspace == repo / ".runs" / "workspace"
        assert (layout.is_installed, layout.installed) == (False, {})


def test_the_working_directory_is_the_default(
    repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INS-01: without an argument the process's own folder counts."""
    (repo / "a").mkdir()
    monkeypatch.chdir(repo / "a")
    assert open_layout().root == repo.path
    monkeypatch.chdir(repo / ".git")
    assert open_layout().root == repo.path


def test_a_link_into_the_repository(repo: Machine, tmp_path: Path) -> None:
    """INS-01: git goes where a link leads, and so do we."""
    (repo / "a").mkdir()
    (tmp_path / "link").symlink_to(repo / "a")
    layout = open_layout(tmp_path / "link")
    assert layout.root == repo.path.resolve()
    assert layout.relative(layout.kb_dir) == "kb/research"


def test_weird_roots(weird_path: Path) -> None:
    """INS-01: blanks, quotes and newlines in the root's name change nothing."""
    repo = make_repo(weird_path)
    layout = open_layout(weird_path)
    assert layout.root == weird_path == Path(repo.git("rev-parse", "--show-toplevel").stdout[:-1])
    subprocess.run(["git", "worktree", "add", "-q", "-b", "b", "w t"], cwd=weird_path, check=True)
    linked = open_layout(weird_path / "w t")
    assert linked.common_dir == weird_path / ".git"
    assert linked.home == weird_path


def test_outside_git(tmp_path: Path) -> None:
    """INS-01: refused with a hint, or accepted where git is not needed."""
    with pytest.raises(NotARepositoryError, match="not inside a git repository") as caught:
        open_layout(tmp_path)
    assert (caught.value.exit_code, "git init" in (caught.value.hint or "")) == (3, True)
    layout = open_layout(tmp_path, require_git=False)
    assert (layout.root, layout.git_dir, layout.common_dir) == (tmp_path, None, None)
    assert layout.run_store == tmp_path / ".runs"


def test_an_empty_dot_git_is_no_repository(repo: Machine) -> None:
    """INS-01: git looks further up past an empty folder of that name, and so do we."""
    (repo / "a" / ".git").mkdir(parents=True)
    top = repo.git("-C", "a", "rev-parse", "--show-toplevel").stdout.strip()
    assert str(open_layout(repo / "a").root) == top == str(repo.path)


def test_a_nested_repository_is_its_own(repo: Machine) -> None:
    """INS-01: the nearest repository counts."""
    inner = make_repo(repo / "vendor" / "inner")
    (inner / "x").mkdir()
    assert open_layout(inner / "x").root == inner.path


def test_a_submodule_is_its_own(repo: Machine, tmp_path: Path) -> None:
    """INS-01: a submodule's .git file leads to its own git folder, and its own run store."""
    other = make_repo(tmp_path / "other")
    repo.git("submodule", "add", "-q", str(other.path), "sub module")
    layout = open_layout(repo / "sub module")
    assert layout.root == layout.home == repo / "sub module"
    assert layout.git_dir == layout.common_dir == repo / ".git" / "modules" / "sub module"
    assert layout.run_store == repo / "sub module" / ".runs"


def test_a_separate_git_folder(tmp_path: Path) -> None:
    """INS-01: ``git init --separate-git-dir`` leaves a .git file, too."""
    subprocess.run(
        ["git", "init", "-q", "--separate-git-dir", tmp_path / "git store", tmp_path / "w"],
        check=True,
    )
    layout = open_layout(tmp_path / "w")
    assert (layout.root, layout.home) == (tmp_path / "w", tmp_path / "w")
    assert layout.git_dir == layout.common_dir == tmp_path / "git store"


@pytest.mark.parametrize("text", ["", "garbage", "gitdir:", "[core]\n"])
def test_a_damaged_git_file(tmp_path: Path, text: str) -> None:
    """Trap 32: one clear line, with a hint."""
    (tmp_path / ".git").write_text(text)
    with pytest.raises(CorruptDataError, match=r"the file \.git does not say") as caught:
        open_layout(tmp_path)
    assert caught.value.hint


# --- linked worktrees ---------------------------------------------------------------------------


@pytest.fixture
def worktree(repo: Machine, tmp_path: Path) -> Path:
    """A linked worktree of ``repo``."""
    path = tmp_path / "linked"
    repo.git("worktree", "add", "-q", str(path))
    return path


def test_a_worktree_uses_the_main_installation(repo: Machine, worktree: Path) -> None:
    """model.md 12: run store and label are the main worktree's, the ledger is its own."""
    install_by_hand(repo.path, machine_label="cluster", run_store_path="../runs")
    (worktree / "deep").mkdir()
    layout = open_layout(worktree / "deep")
    assert (layout.root, layout.home) == (worktree, repo.path)
    assert layout.git_dir == repo / ".git" / "worktrees" / "linked"
    assert layout.common_dir == repo / ".git"
    assert layout.run_store == repo.path.parent / "runs"
    assert layout.machine_label == "cluster"
    assert layout.is_installed
    assert layout.ledger_dir == worktree / ".aexp" / "ledger"
    assert layout.tmp_dir == worktree / ".aexp" / "tmp"


def test_a_worktree_with_its_own_installation(repo: Machine, worktree: Path) -> None:
    """model.md 12: its own installation wins."""
    install_by_hand(repo.path, machine_label="cluster")
    install_by_hand(worktree, machine_label="scratch")
    layout = open_layout(worktree)
    assert (layout.home, layout.machine_label) == (worktree, "scratch")
    assert layout.run_store == worktree / ".runs"


def test_a_worktree_before_any_installation(repo: Machine, worktree: Path) -> None:
    """model.md 12: runs go where they will be found after ``aexp install`` in the main worktree."""
    before = open_layout(worktree)
    install_by_hand(repo.path, machine_label="cluster")
    assert before.run_store == open_layout(worktree).run_store == repo / ".runs"


def test_worktrees_of_a_bare_repository(repo: Machine, tmp_path: Path) -> None:
    """model.md 12: without a main worktree each has its own."""
    subprocess.run(["git", "clone", "-q", "--bare", repo.path, tmp_path / "b.git"], check=True)
    subprocess.run(
        ["git", "worktree", "add", "-q", tmp_path / "w"], cwd=tmp_path / "b.git", check=True
    )
    layout = open_layout(tmp_path / "w")
    assert layout.home == layout.root == tmp_path / "w"
    assert layout.common_dir == tmp_path / "b.git"


# --- installed.json -----------------------------------------------------------------------------


def test_an_external_run_store(repo: Machine, sealed_environment: Path, tmp_path: Path) -> None:
    """Trap 13: the run store may be anywhere; the ledger stays in the repository."""
    for written, expected in {
        str(tmp_path / "scratch"): tmp_path / "scratch",
        "../beside": repo.path.parent / "beside",
        "~/runs": sealed_environment / "runs",
        "~nobody-of-this-name/runs": repo / "~nobody-of-this-name" / "runs",
        "data/../.runs": repo / ".runs",
        "": repo / ".runs",
    }.items():
        install_by_hand(repo.path, run_store_path=written)
        layout = open_layout(repo.path)
        assert layout.run_store == expected
        assert layout.ledger_dir == repo / ".aexp" / "ledger"
    assert layout.relative(tmp_path / "scratch") == (tmp_path / "scratch").as_posix()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\xff", "<<<<<<< HEAD\n{}"])
def test_a_damaged_marker(repo: Machine, text: str) -> None:
    """Trap 32: a damaged installed.json is one line and says how to mend it."""
    install_by_hand(repo.path)
    (repo / ".aexp" / "installed.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CorruptDataError, match=r"installed\.json is damaged") as caught:
        open_layout(repo.path)
    assert "aexp install" in (caught.value.hint or "")


def test_a_marker_that_cannot_be_read(repo: Machine) -> None:
    """Trap 2: a folder of that name is not a missing marker."""
    (repo / ".aexp" / "installed.json").mkdir(parents=True)
    with pytest.raises(CorruptDataError, match=r"installed\.json cannot be read"):
        open_layout(repo.path)


def test_no_marker_is_no_installation(repo: Machine) -> None:
    """INS-05: neither a missing file nor ``.aexp`` being a file is an error."""
    assert read_installed(repo.path) == {}
    (repo / ".aexp").write_text("a file")
    assert read_installed(repo.path) == {}


def test_the_label_of_older_markers_is_the_host_name(repo: Machine) -> None:
    """INS-05: ``read_machine_label`` falls back to the short host name."""
    install_by_hand(repo.path, version="0.6.1", run_store_path=".runs")
    with mock.patch.object(socket, "gethostname", return_value="gpu023.cluster.example.org"):
        assert read_machine_label(repo.path) == "gpu023"
    install_by_hand(repo.path, machine_label="laptop")
    assert read_machine_label(str(repo.path)) == "laptop"


@pytest.mark.parametrize("label", ["../../../evil", "a/b", "a b", ".hidden", "x" * 65, "a\nb"])
def test_an_illegal_label_in_the_marker_is_refused(repo: Machine, label: str) -> None:
    """Trap 18: a label becomes a file name, also when somebody edited the marker."""
    install_by_hand(repo.path, machine_label=label)
    with pytest.raises(CorruptDataError, match="no machine label") as caught:
        open_layout(repo.path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("label", ["laptop", "gpu-023", "a", "A_1.b", "9", "x" * 64])
def test_legal_labels(label: str) -> None:
    """INS-05: what people call machines."""
    assert check_machine_label(label) == label


@pytest.mark.parametrize(
    "label",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "a b",
        "-x",
        "x.",
        "é",
        "a\n",
        "x" * 65,
        "a:b",
        "a\0b",
        "*",
    ],
)
def test_illegal_labels(label: str) -> None:
    """INS-05, IDX-01, trap 18: nothing that is a path, an option or a pattern."""
    with pytest.raises(UsageError, match="no machine label") as caught:
        check_machine_label(label)
    assert (caught.value.exit_code, "\n" not in caught.value.message) == (2, True)


@pytest.mark.parametrize(
    ("host", "label"),
    [("laptop.local", "laptop"), ("my machine", "my-machine"), ("--", "machine"), ("", "machine"),
     ("büro", "b-ro"), ("x" * 80, "machine"), (".local", "machine")],
)  # fmt: skip
def test_the_default_label_is_always_legal(host: str, label: str) -> None:
    """INS-05: whatever the host is called."""
    with mock.patch.object(socket, "gethostname", return_value=host):
        assert check_machine_label(default_machine_label()) == label


def test_opening_starts_no_git(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start-up: finding the repository costs no process, also in a hook of another one."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    assert open_layout(repo.path).root == repo.path


def test_messages_show_relative_paths(repo: Machine, tmp_path: Path) -> None:
    """VAL-01: POSIX and relative to the root inside it, whole outside."""
    layout = open_layout(repo.path)
    shown: Callable[[Path], str] = layout.relative
    assert shown(repo / "kb" / "a b.md") == "kb/a b.md"
    assert shown(repo.path) == "."
    assert shown(tmp_path / "x") == (tmp_path / "x").as_posix()
    assert os.sep not in shown(layout.index_dir).replace("/", "")
