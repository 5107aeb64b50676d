"""The merge attribute of the ledger, and git's configuration for it (INS-06)."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.install import Action, install_scaffold
from aexp.ledger.merge_driver import DRIVER_COMMAND, DRIVER_TITLE
from aexp.repo import open_layout
from tests.support.machines import Machine

HEX = "0123456789abcdef" * 2
ENTRY = f".aexp/ledger/{HEX}.json"
DRIVER = "merge.aexp-ledger.driver"
WARNING = "gitattributes_warning"


def attribute(machine: Machine, path: str = ENTRY) -> str:
    """Return the merge git uses for ``path``."""
    return machine.git("check-attr", "merge", "--", path).stdout.split()[-1]


def config(machine: Machine, key: str = DRIVER, *scope: str) -> str:
    return machine.git("config", *scope, key, check=False).stdout.removesuffix("\n")


def of_kind(machine: Machine, kind: str, *, force: bool = False) -> list[Action]:
    return [a for a in install_scaffold(machine.path, force=force) if a.kind == kind]


def test_install_gives_the_ledger_to_the_driver(repo: Machine) -> None:
    """INS-06: the attributes of the promise, for every record kind, and the exact command."""
    install_scaffold(repo.path)
    for path in (ENTRY, ".aexp/ledger/ab/x.json", ".aexp/ledger/sweeps/s.json"):
        assert attribute(repo, path) == "aexp-ledger"
    attributes = repo.git("check-attr", "text", "eol", "--", ENTRY).stdout
    assert "text: set" in attributes
    assert "eol: lf" in attributes
    assert attribute(repo, "train.py") == "unspecified"
    assert config(repo) == DRIVER_COMMAND
    assert config(repo, "merge.aexp-ledger.name") == DRIVER_TITLE


def test_the_users_attributes_stay_byte_for_byte(repo: Machine) -> None:
    """INS-06: the block follows them, with their line ends; a second install changes no byte."""
    (repo / ".gitattributes").write_bytes(b"*.bin binary\r\n\xff lfs\r\n")
    install_scaffold(repo.path)
    once = (repo / ".gitattributes").read_bytes()
    assert once.startswith(b"*.bin binary\r\n\xff lfs\r\n\r\n# agentic-experiments:begin\r\n")
    assert once.count(b"\n") == once.count(b"\r\n")
    assert install_scaffold(repo.path) == []
    assert (repo / ".gitattributes").read_bytes() == once


def test_an_old_block_is_replaced_in_place(repo: Machine) -> None:
    """INS-06: what stands around it stays where it is."""
    old = "# agentic-experiments:begin\n.aexp/** merge=old\n# agentic-experiments:end\n"
    repo.write(".gitattributes", f"a text\n{old}b text\n")
    install_scaffold(repo.path)
    lines = repo.read(".gitattributes").splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("a text", "# agentic-experiments:begin", "b text")
    assert "merge=old" not in repo.read(".gitattributes")


@pytest.mark.parametrize(
    "rule",
    [
        "*.json merge=union", "* -merge", "* !merge", ".aexp/** merge=ours", "*.json binary",
        "/.aexp/ledger/** merge", '".aexp/ledger/*.json" merge=x',
    ],
)  # fmt: skip
def test_a_rule_behind_the_block_is_named(repo: Machine, rule: str) -> None:
    """INS-06: git decides, and the line is named as the installation leaves the file."""
    install_scaffold(repo.path)
    text = repo.read(".gitattributes") + f"# mine\n*.md text\n{rule}\n*.py merge=union\n"
    repo.write(".gitattributes", text)
    (found,) = of_kind(repo, WARNING)
    assert found.path == ".gitattributes"
    assert f"line {text.splitlines().index(rule) + 1}, `{rule}`" in found.detail
    assert repo.read(".gitattributes") == text
    assert attribute(repo) != "aexp-ledger"


def test_a_rule_before_the_block_or_of_other_files_is_no_alarm(repo: Machine) -> None:
    """INS-06: no pattern matching of our own."""
    repo.write(".gitattributes", "* merge=union\n*.json binary\n")
    assert of_kind(repo, WARNING) == []
    repo.write(".gitattributes", repo.read(".gitattributes") + "*.md merge=union\n")
    assert of_kind(repo, WARNING) == []


def test_a_macro_is_named(repo: Machine) -> None:
    """INS-06: a macro that the user defined hides a merge in another word."""
    install_scaffold(repo.path)
    text = "[attr]mine merge=union\n" + repo.read(".gitattributes") + "*.json mine\n"
    repo.write(".gitattributes", text)
    (found,) = of_kind(repo, WARNING)
    assert "`*.json mine`" in found.detail


@pytest.mark.parametrize("path", [".git/info/attributes", ".aexp/.gitattributes"])
def test_other_files_of_attributes_are_named(repo: Machine, path: str) -> None:
    """INS-06: the clone's own file, and one nearer to the ledger."""
    repo.write(path, "*.md text\n*.json merge=union\n")
    (found,) = of_kind(repo, WARNING)
    assert found.path == path
    assert "line 2" in found.detail


def test_the_dry_run_warns_too_and_configures_nothing(repo: Machine) -> None:
    """INS-02, INS-06: judged as it will be."""
    repo.write(".git/info/attributes", "*.json merge=union\n")
    done = repo.aexp_fast("install", "--dry-run")
    assert WARNING in done.stdout
    assert "configured_git" in done.stdout
    assert config(repo) == ""
    assert not (repo / ".gitattributes").exists()


# --- git's configuration -------------------------------------------------------------------------


def test_a_driver_of_the_users_is_kept_and_replaced_with_force(repo: Machine) -> None:
    """INS-06: never silently."""
    repo.git("config", DRIVER, "my-merge %A %B")
    (kept,) = of_kind(repo, "kept_git_config")
    assert "my-merge" in kept.detail
    assert "--force" in kept.detail
    assert config(repo) == "my-merge %A %B"
    (done,) = of_kind(repo, "configured_git", force=True)
    assert done.path == ".git/config"
    assert config(repo) == DRIVER_COMMAND
    assert install_scaffold(repo.path) == []


def test_a_driver_of_an_older_version_is_replaced(repo: Machine) -> None:
    """INS-06: it was ours."""
    repo.git("config", DRIVER, "aexp ledger merge-driver %O %A %B %P")
    assert len(of_kind(repo, "configured_git")) == 1
    assert config(repo) == DRIVER_COMMAND


def test_a_driver_named_twice_becomes_one(repo: Machine) -> None:
    """INS-06: `git config` refuses to set a key that has two values."""
    for _ in range(2):
        repo.git("config", "--add", DRIVER, DRIVER_COMMAND)
    install_scaffold(repo.path)
    assert repo.git("config", "--get-all", DRIVER).stdout == DRIVER_COMMAND + "\n"


def test_half_a_configuration_is_completed(repo: Machine) -> None:
    """INS-06: killed between the two settings; a driver without a title works already."""
    repo.git("config", DRIVER, DRIVER_COMMAND)
    install_scaffold(repo.path)
    assert config(repo, "merge.aexp-ledger.name") == DRIVER_TITLE


def test_a_linked_worktree_shares_the_configuration(repo: Machine, tmp_path: Path) -> None:
    """INS-06: set once, in the file that all work trees read, whatever the extension says."""
    repo.git("config", "extensions.worktreeConfig", "true")
    repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    tree = Machine(tmp_path / "tree")
    install_scaffold(tree.path, machine_label="tree")
    assert config(repo) == config(tree) == DRIVER_COMMAND
    assert not list((repo / ".git").rglob("config.worktree"))


def test_a_worktrees_own_driver_is_reported_and_removed_with_force(
    repo: Machine, tmp_path: Path
) -> None:
    """INS-06: extensions.worktreeConfig lets one work tree hide the shared command."""
    repo.git("config", "extensions.worktreeConfig", "true")
    repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    tree = Machine(tmp_path / "tree")
    tree.git("config", "--worktree", DRIVER, "mine %A")
    (kept,) = of_kind(tree, "kept_git_config")
    assert "config.worktree" in kept.path
    assert config(tree) == "mine %A"
    install_scaffold(tree.path, force=True)
    assert config(tree) == DRIVER_COMMAND
    assert install_scaffold(tree.path) == []


def test_the_configuration_is_no_committed_file_and_names_no_place(repo: Machine) -> None:
    """INS-11: what each clone gets is the same on every machine."""
    install_scaffold(repo.path)
    assert str(open_layout(repo.path).root.parent) not in config(repo)
    assert "config" not in repo.status()
