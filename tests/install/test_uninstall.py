"""``aexp uninstall`` takes out exactly what ``aexp install`` put in (INS-10)."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.errors import NotInstalledError, UsageError
from aexp.install import apply_plan, install_scaffold, open_for_install, plan_uninstall
from aexp.repo import open_layout
from tests.support.killed import kill_points, run_killed_at
from tests.support.machines import Machine, TwoMachines

HEX = "0123456789abcdef" * 2
EVERYTHING = ("install", "--yes", "--pre-commit", "--with", "ci", "--machine-label", "laptop")


def tree(root: Path) -> dict[str, bytes | None]:
    """Return every file of the work tree with its bytes, and every folder with None."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if ".git" not in path.relative_to(root).parts[:1]
    }


def uninstall(machine: Machine) -> str:
    return machine.aexp_fast("uninstall", "--yes").stdout


def write_all(machine: Machine, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = machine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


STARTS: dict[str, dict[str, bytes]] = {
    "nothing": {},
    "gitignore": {".gitignore": b"*.pyc\n"},
    "no final newline": {".gitignore": b"*.pyc", ".gitattributes": b"*.bin binary"},
    "empty files": {".gitignore": b"", ".gitattributes": b""},
    "blank lines": {".gitignore": b"\n\n", ".gitattributes": b"a text\n\n\n"},
    "crlf": {".gitignore": b"*.pyc\r\ndata/\r\n", ".gitattributes": b"a text\r\nb text"},
    "no text": {".gitignore": b"\xff\xfe\x00\n*.pyc\n"},
    "commands of the user's": {
        ".claude/commands/mine.md": b"mine\n", ".claude/settings.json": b"{}",
    },
    "artifacts": {"kb/research/findings/F001-x.md": b"mine\n", "kb/notes.md": b"n\n"},
    "kept folders": {"kb/research/findings/.gitkeep": b"", "kb/research/hypotheses/.gitkeep": b""},
    "pre-commit": {
        ".pre-commit-config.yaml": b"# c\nrepos:\n- repo:   x\n  hooks: [ {id: a} ]\nci: {}\n",
    },
    "a workflow": {".github/workflows/test.yml": b"name: test\n"},
}  # fmt: skip


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "uncommitted"])
@pytest.mark.parametrize("files", STARTS.values(), ids=STARTS)
def test_install_and_uninstall_leave_every_byte_as_it_was(
    repo: Machine, files: dict[str, bytes], committed: bool
) -> None:
    """INS-10: the work tree, `git status` and git's configuration."""
    write_all(repo, files)
    if committed:
        repo.commit_all()
    elif "kept folders" in STARTS and files == STARTS["kept folders"]:
        pytest.skip("an uncommitted, empty .gitkeep cannot be told from ours")
    before, status = tree(repo.path), repo.status()
    config = repo.git("config", "--local", "--list").stdout
    repo.aexp_fast(*EVERYTHING)
    assert tree(repo.path) != before
    uninstall(repo)
    assert tree(repo.path) == before
    assert repo.status() == status
    assert repo.git("config", "--local", "--list").stdout == config


def test_after_a_commit_it_is_taken_out_too(installed_repo: Machine) -> None:
    """INS-10: the files go, and the next line works as typed."""
    out = uninstall(installed_repo)
    line = next(line for line in out.splitlines() if "git add" in line)
    for command in line.strip().split(" && "):
        installed_repo.git(*shlex.split(command)[1:])
    assert installed_repo.status() == ""
    left = set(installed_repo.git("ls-files").stdout.split())
    assert left == {"README.md", "train.py"}


def test_the_line_to_commit_takes_nothing_else_along(installed_repo: Machine) -> None:
    """INS-10: neither edited commands that stay untracked, nor artifacts of the user's."""
    installed_repo.write(".claude/commands/mine.md", "mine\n")
    installed_repo.write("kb/research/findings/F001-x.md", "mine\n")
    line = next(line for line in uninstall(installed_repo).splitlines() if "git add" in line)
    for command in line.strip().split(" && "):
        installed_repo.git(*shlex.split(command)[1:])
    untracked = {"?? .claude/", "?? kb/research/findings/F001-x.md"}
    assert set(installed_repo.status().splitlines()) == untracked
    assert installed_repo.git("show", "--diff-filter=AM", "--name-only", "--format=").stdout == ""


def test_the_dry_run_prints_what_the_real_run_does_and_writes_nothing(
    installed_repo: Machine,
) -> None:
    """INS-02, INS-10: the same lines, in the same order."""
    before = tree(installed_repo.path)
    planned = installed_repo.aexp_fast("uninstall", "-n").stdout
    assert tree(installed_repo.path) == before
    done = uninstall(installed_repo)
    lines = [line for line in planned.splitlines() if line.startswith("  ")]
    assert len(lines) > 10
    real = done.split("Uninstalled:")[0].splitlines()
    assert [line for line in real if line.startswith("  ")] == lines


def test_without_a_terminal_it_refuses_unless_told_to_go_ahead(installed_repo: Machine) -> None:
    """INS-01: as install does."""
    before = tree(installed_repo.path)
    done = installed_repo.aexp_fast("uninstall", check=False)
    assert done.returncode == UsageError.exit_code
    assert "--yes" in done.stderr
    assert tree(installed_repo.path) == before


def test_where_nothing_is_installed_it_says_so(repo: Machine) -> None:
    """INS-10: exit 3, one line."""
    done = repo.aexp_fast("uninstall", "--yes", check=False)
    assert done.returncode == NotInstalledError.exit_code == 3
    assert "is not installed" in done.stderr
    repo.aexp_fast(*EVERYTHING)
    uninstall(repo)
    assert repo.aexp_fast("uninstall", "--yes", check=False).returncode == 3


# --- what stays ----------------------------------------------------------------------------------


def test_edited_files_of_aexps_are_kept_and_reported(repo: Machine) -> None:
    """INS-10: commands, workflow, hook, merge driver."""
    repo.aexp_fast(*EVERYTHING)
    edited = [".claude/commands/aexp-run.md", ".github/workflows/aexp-validate.yml"]
    for name in edited:
        repo.write(name, "mine\n")
    hooks = repo.read(".pre-commit-config.yaml").replace("--strict-runs=warn", "--kb-only")
    repo.write(".pre-commit-config.yaml", hooks)
    repo.git("config", "merge.aexp-ledger.driver", "my-merge")
    out = uninstall(repo)
    for name in (*edited, ".pre-commit-config.yaml"):
        assert f"  kept  {name}" in out
    assert {name: repo.read(name) for name in edited} == dict.fromkeys(edited, "mine\n")
    assert repo.read(".pre-commit-config.yaml") == hooks
    assert "kept_git_config" not in out.split("Uninstalled")[1]
    assert repo.git("config", "merge.aexp-ledger.driver").stdout == "my-merge\n"
    assert sorted(p.name for p in (repo / ".claude/commands").iterdir()) == ["aexp-run.md"]


def test_a_command_with_crlf_is_not_edited(repo: Machine) -> None:
    """INS-10: git's autocrlf changed it, not the user."""
    repo.aexp_fast("install", "--yes")
    for path in (repo / ".claude/commands").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    uninstall(repo)
    assert not (repo / ".claude").exists()


def test_artifacts_ledger_indexes_and_runs_stay(installed_repo: Machine) -> None:
    """INS-10: and the runs stay hidden from git, for the run store ignores itself."""
    installed_repo.aexp_fast("new-run", "-e", "E001", "--allow-missing", "--sp", "seed=1")
    installed_repo.aexp("run", "--sp", "seed=0", "--", "true")
    installed_repo.aexp_fast("new-hypothesis", "--title", "A hypothesis")
    installed_repo.aexp_fast("runs-export-index")
    installed_repo.commit_all()
    kept = {
        name: content
        for name, content in tree(installed_repo.path).items()
        if name.startswith((".aexp/ledger/", ".aexp/runs-index/", ".runs/", "kb/research/hypo"))
    }
    assert sum(name.startswith(".aexp/ledger/") for name in kept) == 1
    out = uninstall(installed_repo)
    after = tree(installed_repo.path)
    assert {name: after.get(name, b"gone") for name in kept} == kept
    assert "2 runs" in out
    assert "visible_to_git" not in out
    assert "??" not in installed_repo.status()
    assert not (installed_repo / ".aexp/installed.json").exists()


def test_runs_that_git_sees_afterwards_are_told_of(installed_repo: Machine) -> None:
    """INS-10, trap 24: a run store of an older version has no ignore file of its own."""
    installed_repo.aexp_fast("new-run", "-e", "E001", "--allow-missing", "--sp", "seed=1")
    (installed_repo / ".runs/.gitignore").unlink()
    out = uninstall(installed_repo)
    assert "visible_to_git  .runs" in out
    assert "?? .runs/" in installed_repo.status()


def test_cut_off_promotions_and_aside_copies_are_kept(installed_repo: Machine) -> None:
    """INS-10: what may be of value stays in .aexp, and is told of."""
    installed_repo.write(f".aexp/pending/{HEX}", "")
    installed_repo.write(".aexp/replaced/x.json", "{}")
    installed_repo.write(".aexp/tmp/x.1.ab.aexp-tmp", "torn")
    installed_repo.write(".aexp/locks/kb.lock", "")
    out = uninstall(installed_repo)
    left = {name for name in tree(installed_repo.path) if name.startswith(".aexp")}
    assert left == {
        ".aexp", ".aexp/pending", f".aexp/pending/{HEX}", ".aexp/replaced", ".aexp/replaced/x.json",
    }  # fmt: skip
    assert "kept  .aexp/pending" in out
    assert "visible_to_git  .aexp/replaced" in out


def test_other_settings_in_the_section_stay(repo: Machine) -> None:
    """INS-06, INS-10: only the two settings that install writes go."""
    install_scaffold(repo.path)
    repo.git("config", "merge.aexp-ledger.recursive", "text")
    uninstall(repo)
    left = repo.git("config", "--local", "--get-regexp", "^merge").stdout
    assert left == "merge.aexp-ledger.recursive text\n"


# --- places --------------------------------------------------------------------------------------


def test_an_empty_run_store_elsewhere_goes_and_one_with_runs_stays(
    repo: Machine, tmp_path: Path
) -> None:
    """INS-10: the store that install made."""
    store = tmp_path / "scratch" / "runs"
    repo.aexp_fast("install", "--yes", "--run-store", str(store))
    uninstall(repo)
    assert not store.exists()
    assert store.parent.is_dir()
    repo.aexp_fast("install", "--yes", "--run-store", str(store))
    repo.aexp_fast("new-run", "-e", "E001", "--allow-missing", "--sp", "seed=1")
    assert f"kept  {store}" in uninstall(repo)
    assert len(list((store / "workspace").iterdir())) == 1


def test_a_link_to_a_run_store_stays(repo: Machine, tmp_path: Path) -> None:
    """INS-10: the user made it; what it links to is emptied."""
    (tmp_path / "scratch").mkdir()
    (repo / ".runs").symlink_to(tmp_path / "scratch")
    install_scaffold(repo.path)
    uninstall(repo)
    assert (repo / ".runs").is_symlink()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_linked_worktree_leaves_the_main_one_installed(
    installed_repo: Machine, tmp_path: Path
) -> None:
    """INS-10, model 12: only its own files go."""
    installed_repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    linked = Machine(tmp_path / "tree")
    before = tree(installed_repo.path)
    uninstall(linked)
    assert not (linked / ".claude").exists()
    assert tree(installed_repo.path) == before
    assert "merge" in installed_repo.git("config", "merge.aexp-ledger.driver").stdout
    assert open_layout(linked.path).machine_label == "laptop"
    assert linked.aexp_fast("uninstall", "--yes", check=False).returncode == 3


def test_git_stays_configured_while_another_worktree_is_installed(
    installed_repo: Machine, tmp_path: Path
) -> None:
    """INS-06, INS-10: work trees share the configuration."""
    installed_repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    linked = Machine(tmp_path / "tree")
    linked.aexp_fast("install", "--yes", "--machine-label", "tree")
    uninstall(installed_repo)
    assert installed_repo.git("config", "merge.aexp-ledger.driver").stdout
    uninstall(linked)
    done = installed_repo.git("config", "merge.aexp-ledger.driver", check=False)
    assert done.returncode == 1


def test_the_second_machine_is_told_nothing_new_after_a_pull(two_machines: TwoMachines) -> None:
    """INS-10, INS-11: one removes and pushes; the other pulls, removes what is its own."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    uninstall(cluster)
    cluster.commit_all("Remove aexp")
    cluster.push()
    laptop.pull()
    uninstall(laptop)
    assert laptop.status() == ""
    assert not (laptop / ".aexp").exists()
    assert not (laptop / ".runs").exists()


def test_in_folders_of_weird_names(repo: Machine, weird_path: Path) -> None:
    """Trap 31: everything is taken out again."""
    root = weird_path / "repo"
    shutil.copytree(repo.path, root)
    machine = Machine(root)
    before = tree(root)
    machine.aexp_fast("install", "--yes", "--run-store", "[x] 'y'")
    uninstall(machine)
    assert tree(root) == before


# --- kills ---------------------------------------------------------------------------------------


EVERY = 1_000_000
KILLS = [10, pytest.param(EVERY, marks=pytest.mark.slow)]
"""At how many of its points a command is killed."""


def spread(points: int, count: int) -> list[int]:
    """Return ``count`` numbers below ``points``, evenly spread; all of them when there are less."""
    return sorted({points * number // min(count, points) for number in range(min(count, points))})


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("points", KILLS)
def test_a_killed_uninstall_is_completed_by_the_next(
    repo: Machine, tmp_path: Path, points: int
) -> None:
    """INS-10: the marker goes last, so nothing is forgotten."""
    repo.write(".gitignore", "*.pyc")
    repo.commit_all()
    before = tree(repo.path)
    repo.aexp_fast(*EVERYTHING)
    _killed_and_completed(
        repo,
        tmp_path,
        points,
        ["aexp", "uninstall", "--yes"],
        lambda place: place.aexp_fast("uninstall", "--yes", check=False).require(0, 3),
    )
    for place in sorted(tmp_path.glob("place-*")):
        assert tree(place) == before, place.name
        assert Machine(place).status() == ""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("points", KILLS)
def test_a_killed_install_is_completed_by_the_next(
    repo: Machine, tmp_path: Path, points: int
) -> None:
    """INS-02, trap 10: and nothing of the killed one is seen by git."""
    repo.write(".gitignore", "*.pyc")
    repo.commit_all()
    whole = Machine(tmp_path / "whole")
    shutil.copytree(repo.path, whole.path, symlinks=True)
    whole.aexp_fast(*EVERYTHING)
    _killed_and_completed(
        repo, tmp_path, points, ["aexp", *EVERYTHING], lambda place: place.aexp_fast(*EVERYTHING)
    )
    for place in sorted(tmp_path.glob("place-*")):
        machine = Machine(place)
        assert machine.status() == whole.status(), place.name
        assert machine.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1
        assert (
            machine.git("config", "--list", "--local").stdout
            == whole.git("config", "--list", "--local").stdout
        )
        uninstall(machine)
        assert machine.status() == ""
        assert not (place / ".aexp").exists()


def _killed_and_completed(
    repo: Machine, folder: Path, count: int, args: list[str], heal: Callable[[Machine], object]
) -> None:
    """Kill ``args`` at some of its points, each in a copy of ``repo``, and heal it."""
    first = folder / "dry"
    shutil.copytree(repo.path, first, symlinks=True)
    for number in spread(len(kill_points(args, cwd=first)), count):
        place = folder / f"place-{number}"
        shutil.copytree(repo.path, place, symlinks=True)
        assert run_killed_at(number, args, cwd=place) is not None
        heal(Machine(place))


def test_the_plan_is_data(installed_repo: Machine) -> None:
    """INS-02: the same plan, applied by the same loop as install's."""
    layout = open_for_install(installed_repo.path)
    plan = plan_uninstall(layout)
    assert plan == plan_uninstall(layout)
    apply_plan(layout, plan.changes)
    with pytest.raises(NotInstalledError):
        plan_uninstall(open_for_install(installed_repo.path))
    assert os.listdir(installed_repo.path) != []
