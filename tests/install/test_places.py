"""Installing in unusual places, on second machines, and with run stores elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from aexp.errors import GitError, NotARepositoryError, StorageError
from aexp.install import install_scaffold
from aexp.repo import open_layout
from tests.support.machines import Machine, clone_repo, make_repo, run_command

EVERYTHING = ("install", "--yes", "--pre-commit", "--with", "ci")
DRIVER = "merge.aexp-ledger.driver"
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to own a file as another"
)


def installs(machine: Machine) -> None:
    """Install twice, and see that it works and that the second time changes nothing."""
    machine.aexp_fast("install", "--yes", "--machine-label", "here")
    assert machine.git("config", DRIVER).stdout
    assert machine.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1
    assert open_layout(machine.path).machine_label == "here"


# --- kinds of repositories -----------------------------------------------------------------------


def test_a_bare_repository_is_refused(repo: Machine, tmp_path: Path) -> None:
    """INS-01, trap 32: it has no files; the hint says where to go."""
    bare = tmp_path / "bare.git"
    repo.git("clone", "-q", "--bare", "--template=", ".", str(bare))
    before = sorted(bare.rglob("*"))
    for folder in (bare, bare / "refs"):
        done = Machine(folder).aexp_fast("install", "--yes", check=False)
        assert done.returncode == NotARepositoryError.exit_code
        assert f"{bare} is a bare git repository" in done.stderr
        assert "git worktree add" in done.stderr
    assert sorted(bare.rglob("*")) == before


def test_a_folder_whose_git_file_leads_to_a_bare_repository(repo: Machine, tmp_path: Path) -> None:
    """INS-01: the usual shape of a clone for work trees alone; those install, it does not."""
    place = tmp_path / "place"
    place.mkdir()
    repo.git("clone", "-q", "--bare", "--template=", ".", str(place / ".bare"))
    (place / ".git").write_text("gitdir: ./.bare\n")
    done = Machine(place).aexp_fast("install", "--yes", check=False)
    assert done.returncode == NotARepositoryError.exit_code
    assert sorted(path.name for path in place.iterdir()) == [".bare", ".git"]
    run_command(["git", "worktree", "add", "-q", "main"], cwd=place)
    installs(Machine(place / "main"))


def test_a_submodule_is_a_repository_of_its_own(repo: Machine, tmp_path: Path) -> None:
    """INS-01: its own files and its own configuration; the outer one is not touched."""
    inner = make_repo(tmp_path / "inner")
    repo.git("submodule", "--quiet", "add", str(inner.path), "sub")
    repo.commit_all()
    sub = Machine(repo / "sub")
    installs(sub)
    assert (sub / ".aexp/installed.json").exists()
    assert not (repo / ".aexp").exists()
    assert repo.git("config", DRIVER, check=False).returncode == 1
    assert (repo / ".git/modules/sub/config").read_text().count(DRIVER.split(".")[1]) > 0


def test_a_folder_that_git_does_not_take_is_refused(tmp_path: Path) -> None:
    """INS-01, trap 32: it looks like a repository, and git says no."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    done = Machine(tmp_path).aexp_fast("install", "--yes", check=False)
    assert done.returncode == NotARepositoryError.exit_code
    assert "git" in done.stderr.splitlines()[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git"]


@as_root
@pytest.mark.parametrize("command", ["install", "uninstall", "doctor"])
def test_a_repository_of_another_users_is_one_line_and_a_hint(repo: Machine, command: str) -> None:
    """Trap 32: git calls it dubious ownership; the hint is the command that git wants."""
    for path in (repo.path, repo / ".git"):
        os.chown(path, 12_345, 12_345)
    options = [] if command == "doctor" else ["--yes"]
    done = repo.aexp_fast(command, *options, check=False)
    assert done.returncode == GitError.exit_code
    error, hint = done.stderr.splitlines()
    assert "dubious ownership" in error
    assert f"git config --global --add safe.directory {repo.path}" in hint
    assert not (repo / ".aexp").exists()
    run_command(hint.split(": ", 2)[2].split(), cwd=repo.path)
    repo.aexp_fast("install", "--yes")


def test_a_newborn_repository_says_what_to_commit(tmp_path: Path) -> None:
    """INS-01: `git init` and nothing else."""
    machine = Machine(tmp_path)
    machine.git("init", "-q")
    done = machine.aexp_fast("install", "--yes", "--machine-label", "here")
    assert "git add .gitignore .gitattributes .claude kb &&" in done.stdout
    installs(machine)


# --- odd files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".gitignore", ".gitattributes"])
def test_a_read_only_file_keeps_its_permissions(repo: Machine, name: str) -> None:
    """INS-03: it is replaced, as the plan says, and stays read-only."""
    repo.write(name, "# mine\n").chmod(0o444)
    install_scaffold(repo.path)
    assert stat.S_IMODE((repo / name).stat().st_mode) == 0o444
    assert repo.read(name).startswith("# mine\n\n# agentic-experiments:begin\n")


@pytest.mark.parametrize("name", [".gitignore", ".gitattributes"])
def test_a_link_is_refused_and_stays_a_link(repo: Machine, name: str) -> None:
    """INS-03, trap 49: git does not follow it, and its target is not ours."""
    repo.write("shared/rules", "*.pyc\n")
    (repo / name).symlink_to("shared/rules")
    done = repo.aexp_fast("install", "--yes", check=False)
    assert done.returncode == StorageError.exit_code
    assert done.stderr.startswith(f"error: {name} is a symbolic link")
    assert (repo / name).is_symlink()
    assert repo.read("shared/rules") == "*.pyc\n"
    assert not (repo / ".aexp").exists()


@pytest.mark.parametrize("name", [".gitattributes", ".pre-commit-config.yaml"])
def test_a_folder_in_a_files_place_is_named(repo: Machine, name: str) -> None:
    """Trap 32: nothing is written."""
    (repo / name).mkdir()
    done = repo.aexp_fast(*EVERYTHING, check=False)
    assert done.returncode == StorageError.exit_code
    assert name in done.stderr
    assert not (repo / ".aexp").exists()


def test_a_locked_configuration_is_one_line_and_is_completed(repo: Machine) -> None:
    """INS-02, trap 32: another git holds it; the next install does the rest."""
    repo.write(".git/config.lock", "")
    done = repo.aexp_fast("install", "--yes", check=False)
    assert done.returncode == GitError.exit_code
    assert "config" in done.stderr
    (repo / ".git/config.lock").unlink()
    installs(repo)


# --- second machines -----------------------------------------------------------------------------


def test_a_second_machine_changes_no_committed_byte(repo: Machine, tmp_path: Path) -> None:
    """INS-11, trap 22: another label, another home, every option: `git status` is clean on both."""
    repo.aexp_fast(*EVERYTHING, "--machine-label", "cluster")
    repo.commit_all("Install aexp")
    home = tmp_path / "other-home"
    shutil.copytree(os.environ["HOME"], home)
    second = clone_repo(repo.path, tmp_path / "second")
    second.env = {"HOME": str(home), "USER": "somebody"}
    done = second.aexp_fast(*EVERYTHING, "--machine-label", "laptop", "--run-store", "~/runs")
    assert second.status() == repo.status() == ""
    assert "git add" not in done.stdout
    assert "aexp run" in done.stdout
    assert open_layout(second.path).machine_label == "laptop"
    assert second.git("config", DRIVER).stdout == repo.git("config", DRIVER).stdout


def test_only_what_is_not_committed_is_proposed(repo: Machine) -> None:
    """INS-11: the line under "Next" names what git would commit."""
    repo.aexp_fast("install", "--yes")
    repo.commit_all()
    done = repo.aexp_fast("install", "--yes", "--with", "ci")
    assert "git add .github/workflows/aexp-validate.yml &&" in done.stdout


def test_committed_files_name_no_place_of_this_machine(repo: Machine, tmp_path: Path) -> None:
    """INS-11, trap 22: everything that `git add -A` takes, with every option."""
    store = tmp_path / "scratch disk"
    repo.aexp_fast(*EVERYTHING, "--machine-label", "lab-7x", "--run-store", str(store))
    repo.git("add", "-A")
    places = [str(tmp_path), str(Path.home()), sys.executable, sys.prefix, "lab-7x", "scratch disk"]
    names = [name for name in repo.git("ls-files", "-z").stdout.split("\0") if name]
    assert len(names) > 15
    for name in names:
        content = (repo / name).read_bytes()
        assert [place for place in places if place.encode() in content] == [], name
    assert not any(name.startswith(".aexp") for name in names)


# --- run stores elsewhere ------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["absolute", "home", "relative", "link"])
def test_a_run_store_elsewhere_records(repo: Machine, tmp_path: Path, form: str) -> None:
    """INS-05, trap 13: runs go there, the ledger stays here, and git sees neither."""
    store = tmp_path / "far away"
    chosen = {"absolute": str(store), "home": "~/far", "relative": "../far away", "link": ".runs"}
    if form == "home":
        store = Path.home() / "far"
    if form == "link":
        store.mkdir()
        (repo / ".runs").symlink_to(store)
    repo.aexp_fast("install", "--yes", "--run-store", chosen[form])
    repo.commit_all()
    repo.aexp("run", "--sp", "seed=0", "--", "true")
    assert len(list((store / "workspace").iterdir())) == 1
    assert len(list((repo / ".aexp/ledger").iterdir())) == 1
    assert repo.status() == "?? .aexp/\n"
    assert repo.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1


@pytest.mark.parametrize("form", ["path", "link"])
def test_a_run_store_that_is_gone_is_said_and_not_made_anew(
    repo: Machine, tmp_path: Path, form: str
) -> None:
    """INS-05: its disk is not mounted; an empty store in its place would hide the runs."""
    store = tmp_path / "disk" / "runs"
    store.mkdir(parents=True)
    if form == "link":
        (repo / ".runs").symlink_to(store)
    repo.aexp_fast("install", "--yes", "--run-store", ".runs" if form == "link" else str(store))
    repo.aexp("run", "--sp", "seed=0", "--", "true")
    store.parent.rename(tmp_path / "unplugged")

    done = repo.aexp_fast("run", "--sp", "seed=1", "--", "true", check=False)
    assert done.returncode == StorageError.exit_code
    assert "is not there" in done.stderr.splitlines()[0]
    assert "--run-store" in done.stderr.splitlines()[1]
    listed = repo.aexp_fast("list-runs")
    assert "complete" in listed.stdout
    assert listed.stderr.count("is not there") == 1
    assert repo.aexp_fast("status").stderr.count("is not there") == 1
    again = repo.aexp_fast("install", "--yes")
    assert "run_store_missing" in again.stdout
    checked = repo.aexp_fast("doctor", check=False)
    assert checked.returncode == 1
    assert "is its disk mounted" in checked.stdout
    repo.aexp_fast("validate")
    assert not store.exists()

    (tmp_path / "unplugged").rename(store.parent)
    assert repo.aexp_fast("list-runs").stderr == ""
    repo.aexp("run", "--sp", "seed=1", "--", "true")
    assert len(list((store / "workspace").iterdir())) == 2


def test_naming_a_store_that_is_gone_makes_it(repo: Machine, tmp_path: Path) -> None:
    """INS-05: when it is meant."""
    store = tmp_path / "runs"
    repo.aexp_fast("install", "--yes", "--run-store", str(store))
    shutil.rmtree(store)
    assert "run_store_missing" in repo.aexp_fast("install", "--yes").stdout
    repo.aexp_fast("install", "--yes", "--run-store", str(store))
    assert (store / ".signac/config").exists()


def test_a_moved_repository_keeps_its_runs(repo: Machine, tmp_path: Path) -> None:
    """INS-05: nothing in the marker breaks when the folder is moved."""
    repo.aexp_fast("install", "--yes", "--machine-label", "here")
    repo.aexp("run", "--sp", "seed=0", "--", "true")
    shutil.move(repo.path, tmp_path / "moved")
    moved = Machine(tmp_path / "moved")
    assert moved.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1
    assert open_layout(moved.path).run_store == moved / ".runs"
    assert len(moved.aexp_fast("list-runs").stdout.splitlines()) == 2
