"""Rules of the user's that hide the ledger are found by asking git (INS-04)."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.install import Action, install_scaffold
from tests.support.machines import Machine

HEX = "0123456789abcdef" * 2
WARNING = "gitignore_migration_warning"


def warnings(machine: Machine) -> list[Action]:
    return [a for a in install_scaffold(machine.path) if a.kind == WARNING]


@pytest.mark.parametrize(
    "rule", [".aexp", ".aexp/", "/.aexp/", "**/.aexp/", ".*", "*", "*.json", ".aexp/ledger/"]
)
def test_a_legacy_rule_is_named_with_its_line_and_kept(repo: Machine, rule: str) -> None:
    """INS-04: whatever its form, because git decides; the user's line is not deleted."""
    repo.write(".gitignore", f"# mine\n*.pyc\n{rule}\n")
    repo.commit_all()
    found = warnings(repo)
    if (
        repo.git("check-ignore", "-q", f".aexp/ledger/{HEX}.json", check=False).returncode == 1
    ):  # the block, which stands after it, wins
        assert found == []
        assert rule in ("*", ".aexp/ledger/")
        return
    assert [a.path for a in found] == [".gitignore"]
    assert "line 3" in found[0].detail
    assert f"`{rule}`" in found[0].detail
    assert f"\n{rule}\n" in repo.read(".gitignore")


def test_a_rule_behind_the_block_counts(repo: Machine) -> None:
    """INS-04: the line is that of the file as the installation leaves it."""
    install_scaffold(repo.path)
    text = repo.read(".gitignore") + ".aexp/ledger/\n"
    repo.write(".gitignore", text)
    (found,) = warnings(repo)
    assert f"line {text.count(chr(10))}" in found.detail
    assert "the ledger" in found.detail
    assert "indexes" not in found.detail


def test_the_dry_run_warns_too(repo: Machine) -> None:
    """INS-02, INS-04: judged as it will be, before anything is written."""
    repo.write(".gitignore", ".aexp/\n")
    done = repo.aexp_fast("install", "--dry-run")
    assert WARNING in done.stdout
    assert ".gitignore" in done.stdout
    assert "line 1" in done.stdout
    assert repo.read(".gitignore") == ".aexp/\n"


def test_rules_that_do_not_hide_the_ledger_raise_no_alarm(repo: Machine) -> None:
    """INS-04: no pattern matching of our own."""
    repo.write(".gitignore", "# .aexp/\n!.aexp/\n.aexpx/\nx/.aexp/\n.aexp/tmp/\n\\.aexp.bak\n")
    assert warnings(repo) == []


def test_a_negated_rule_is_no_hiding_rule(repo: Machine) -> None:
    """INS-04: git prints negated rules with -v, too; they show the file."""
    repo.write(".gitignore", "*.json\n!.aexp/**/*.json\n")
    assert warnings(repo) == []


def test_info_exclude_is_named(repo: Machine) -> None:
    """INS-04: .git/info/exclude of the repository."""
    repo.write(".git/info/exclude", "\n.aexp/\n")
    (found,) = warnings(repo)
    assert found.path == ".git/info/exclude"
    assert "line 2" in found.detail


def test_info_exclude_is_named_in_a_linked_worktree(repo: Machine, tmp_path: Path) -> None:
    """INS-04, model 12: worktrees share the main repository's excludes."""
    repo.write(".git/info/exclude", ".aexp/\n")
    repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    (found,) = warnings(Machine(tmp_path / "tree"))
    assert found.path == ".git/info/exclude"


def test_a_global_excludes_file_is_named(repo: Machine, sealed_environment: Path) -> None:
    """INS-04: core.excludesFile, configured or at its usual place."""
    excludes = sealed_environment / "my excludes"
    excludes.write_text("*.log\n.*\n")
    repo.git("config", "core.excludesFile", str(excludes))
    (found,) = warnings(repo)
    assert found.path == str(excludes)
    assert "line 2" in found.detail


def test_a_gitignore_inside_aexp_is_named(repo: Machine) -> None:
    """INS-04: nested ignore files count as well."""
    repo.write(".aexp/.gitignore", "*\n")
    (found,) = warnings(repo)
    assert found.path == ".aexp/.gitignore"


def test_no_warning_is_left_once_the_line_is_gone(repo: Machine) -> None:
    """INS-04: the advice works: the ledger is then visible to git."""
    repo.write(".gitignore", ".aexp/\n")
    assert len(warnings(repo)) == 1
    repo.write(".gitignore", repo.read(".gitignore").removeprefix(".aexp/\n"))
    assert warnings(repo) == []
    repo.write(f".aexp/ledger/{HEX}.json", "{}\n")
    assert f".aexp/ledger/{HEX}.json" in repo.git("status", "--porcelain", "-uall").stdout


def test_ignored_commands_are_not_proposed_for_commit(repo: Machine) -> None:
    """INS-02: the line under "Next" works as typed."""
    repo.write(".gitignore", ".claude/\n")
    done = repo.aexp_fast("install", "--yes")
    line = next(line for line in done.stdout.splitlines() if "git add" in line)
    assert ".claude" not in line
    assert ".claude" in done.stderr
    assert repo.git("add", *line.split("git add ")[1].split(" && ")[0].split()).returncode == 0
