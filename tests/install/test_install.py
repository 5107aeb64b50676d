"""``aexp install`` as a user meets it (INS-01, INS-02, INS-05, INS-09, INS-11)."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import NotARepositoryError, StorageError, UsageError
from aexp.install import InstallOptions, install_scaffold, open_for_install, plan_install
from aexp.repo import open_layout
from aexp.utils.paths import read_machine_label
from tests.support.clock import FakeClock
from tests.support.machines import Machine, TwoMachines

HEX = "0123456789abcdef" * 2


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file of the work tree with its bytes and the time of its last change."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts[:1]
    }


def marker(machine: Machine) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(machine.read(".aexp/installed.json"))
    return value


def kinds(actions: list[Any]) -> list[str]:
    return [action.kind for action in actions]


def test_install_makes_what_the_ledger_and_the_validator_need(repo: Machine) -> None:
    """INS-01, INS-09: folders, ignore block, commands, run store, marker, and nothing more."""
    done = repo.aexp("install", "--yes", "--machine-label", "laptop")
    assert "Installed" in done.stdout
    assert done.stdout.count("\nNext:\n") == 1
    top = {path.name for path in repo.path.iterdir()}
    assert top == {
        ".aexp", ".claude", ".git", ".gitattributes", ".gitignore", ".runs", "README.md", "kb",
        "train.py",
    }  # fmt: skip
    for name in ("hypotheses", "experiments", "findings"):
        assert (repo / f"kb/research/{name}/.gitkeep").read_bytes() == b""
    repo.git("check-ignore", "-q", ".aexp/installed.json")
    repo.git("check-ignore", "-q", ".runs/workspace/x")
    assert repo.git("check-ignore", "-q", f".aexp/ledger/{HEX}.json", check=False).returncode == 1
    assert repo.git("check-ignore", "-q", ".aexp/runs-index/a.json", check=False).returncode == 1
    assert read_machine_label(repo) == "laptop"


def test_the_output_fits_a_terminal(repo: Machine) -> None:
    """Nothing but the repository's own path is wider than 80 columns."""
    repo.write(".gitignore", ".aexp/\n")
    repo.write(".claude/commands/aexp-run.md", "mine\n")
    done = repo.aexp("install", "--yes")
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines()[1:] if len(line) > 80] == []


def test_the_run_store_is_a_signac_project(repo: Machine) -> None:
    """INS-09: signac opens what install wrote, in its present schema, and adds nothing to it."""
    import signac

    repo.aexp_fast("install", "--yes")
    before = snapshot(repo.path)
    project = signac.get_project(repo / ".runs")
    assert len(project) == 0
    assert Path(project.workspace) == repo / ".runs/workspace"
    assert snapshot(repo.path) == before


def test_the_second_install_changes_no_byte(repo: Machine, fake_clock: FakeClock) -> None:
    """INS-02: not even the marker, though time has passed."""
    install_scaffold(repo.path, machine_label="laptop")
    before = snapshot(repo.path)
    fake_clock.advance(86_400)
    assert install_scaffold(repo.path) == []
    assert install_scaffold(repo.path, machine_label="laptop", force=True) == []
    assert snapshot(repo.path) == before
    assert "nothing to change" in repo.aexp_fast("install", "--yes").stdout
    assert snapshot(repo.path) == before


@pytest.mark.parametrize("flag", ["--dry-run", "-n"])
def test_the_dry_run_prints_what_the_real_run_does_and_writes_nothing(
    repo: Machine, flag: str
) -> None:
    """INS-01, INS-02: the same lines, in the same order."""
    repo.write(".gitignore", "*.pyc\n/.aexp/\n")
    before = snapshot(repo.path)
    planned = repo.aexp_fast("install", flag, "--machine-label", "laptop").stdout
    assert snapshot(repo.path) == before
    assert not (repo / ".aexp").exists()
    done = repo.aexp_fast("install", "--yes", "--machine-label", "laptop").stdout
    lines = [line for line in planned.splitlines() if line.startswith("  ")]
    assert len(lines) > 10
    assert [line for line in done.split("Installed:")[0].splitlines() if line[:2] == "  "] == lines


def test_the_plan_is_data_that_the_actions_repeat(repo: Machine) -> None:
    """INS-02: plan, dry run and real run agree item by item."""
    plan = plan_install(open_layout(repo.path), InstallOptions(machine_label="laptop"))
    dry = install_scaffold(repo.path, machine_label="laptop", dry_run=True)
    real = install_scaffold(repo.path, machine_label="laptop")
    told = [(item.kind, item.path, item.detail) for item in plan.changes]
    assert told == [(a.kind, a.path, a.detail) for a in dry]
    assert told == [(a.kind, a.path, a.detail) for a in real]
    with pytest.raises(AttributeError):
        plan.changes[0].path = "elsewhere"  # type: ignore[misc]


def test_without_a_terminal_it_refuses_unless_told_to_go_ahead(repo: Machine) -> None:
    """INS-01: exit 2, a hint that names the way out, nothing written."""
    before = snapshot(repo.path)
    done = repo.aexp("install", check=False)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "--dry-run" in done.stderr
    assert snapshot(repo.path) == before


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_at_a_terminal_it_asks(repo: Machine, answer: str, code: int) -> None:
    """INS-01: the plan is shown first; a no changes nothing."""
    import subprocess
    import sys

    before = snapshot(repo.path)
    leader, follower = os.openpty()
    os.write(leader, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "aexp", "install"],
        cwd=repo.path,
        stdin=follower,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == code, done.stderr
    assert "merged_gitignore" in done.stdout
    assert (snapshot(repo.path) == before) is (answer == "n")


def test_outside_git_it_refuses_with_a_hint(tmp_path: Path) -> None:
    """INS-01: nothing is written, and the hint names `git init`."""
    machine = Machine(tmp_path)
    done = machine.aexp("install", "--yes", check=False)
    assert done.returncode == NotARepositoryError.exit_code
    assert "git init" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_from_a_subfolder_it_installs_at_the_root(repo: Machine) -> None:
    """INS-01: from any folder of the repository."""
    folder = repo / "deep/er"
    folder.mkdir(parents=True)
    repo.aexp("install", "--yes", cwd=folder)
    assert (repo / ".aexp/installed.json").exists()
    assert list(folder.iterdir()) == []


def test_in_a_repository_without_a_commit(tmp_path: Path) -> None:
    """INS-01: any git repository, a newborn one included."""
    machine = Machine(tmp_path / "new")
    machine.path.mkdir()
    machine.git("init", "-q")
    machine.aexp_fast("install", "--yes")
    assert "?? .gitignore" in machine.status()


def test_in_folders_of_weird_names(repo: Machine, weird_path: Path) -> None:
    """Trap 31: the path is shown as it is, and everything works below it."""
    root = weird_path / "repo"
    shutil.copytree(repo.path, root)
    machine = Machine(root)
    done = machine.aexp_fast("install", "--yes", "--run-store", "[x] 'y'")
    assert str(root) in done.stdout
    machine.git("check-ignore", "-q", "[x] 'y'/workspace")
    assert machine.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1


def test_user_content_is_never_overwritten(repo: Machine) -> None:
    """INS-02: kb/ and templates/ are the user's, with --force too."""
    mine = {
        "kb/research/findings/F001-x.md": "mine\n",
        "kb/research/hypotheses/notes.txt": "mine\n",
        "kb/README.md": "mine\n",
        "templates/finding.md": "mine\n",
        ".claude/commands/other.md": "mine\n",
        ".claude/settings.json": "{}",
    }
    for path, text in mine.items():
        repo.write(path, text)
    install_scaffold(repo.path, force=True)
    assert {path: repo.read(path) for path in mine} == mine
    assert not (repo / "kb/research/findings/.gitkeep").exists()


def test_an_edited_command_is_kept_without_force_and_refreshed_with_it(repo: Machine) -> None:
    """INS-02: tool-owned files are refreshed only with --force; the difference is reported."""
    install_scaffold(repo.path)
    path = ".claude/commands/aexp-run.md"
    shipped = repo.read(path)
    repo.write(path, "my own way\n")
    kept = install_scaffold(repo.path)
    assert [(a.kind, a.path) for a in kept] == [("kept_command", path)]
    assert "--force" in kept[0].detail
    assert repo.read(path) == "my own way\n"
    assert kinds(install_scaffold(repo.path, force=True)) == ["refreshed_command"]
    assert repo.read(path) == shipped


def test_a_command_with_crlf_is_the_same_command(repo: Machine) -> None:
    """INS-02: git's autocrlf does not make every file look edited."""
    install_scaffold(repo.path)
    target = repo / ".claude/commands/aexp-run.md"
    target.write_bytes(target.read_bytes().replace(b"\n", b"\r\n"))
    assert install_scaffold(repo.path) == []


def test_the_block_is_merged_into_the_users_file(repo: Machine) -> None:
    """INS-03: action merged_gitignore; CRLF and undecodable bytes outside stay as they are."""
    (repo / ".gitignore").write_bytes(b"*.pyc\r\n\xff\xfe\r\ndata/")
    actions = install_scaffold(repo.path)
    assert ("merged_gitignore", ".gitignore") in [(a.kind, a.path) for a in actions]
    text = (repo / ".gitignore").read_bytes()
    assert text.startswith(b"*.pyc\r\n\xff\xfe\r\ndata/\r\n\r\n# agentic-experiments:begin\r\n")
    assert text.count(b"\n") == text.count(b"\r\n")


# --- the marker ----------------------------------------------------------------------------------


def test_the_marker_holds_four_things(repo: Machine, fake_clock: FakeClock) -> None:
    """INS-05: version, installed_at, run_store_path, machine_label; no interpreter, no path."""
    install_scaffold(repo.path, machine_label="laptop")
    assert marker(repo) == {
        "version": __import__("aexp").__version__,
        "installed_at": "2026-01-01T00:00:00Z",
        "run_store_path": ".runs",
        "machine_label": "laptop",
    }
    assert str(repo.path) not in repo.read(".aexp/installed.json")


def test_the_label_is_sticky_and_can_be_changed(repo: Machine) -> None:
    """INS-05: --machine-label works on a re-install, and holds until the next."""
    repo.aexp_fast("install", "--yes", "--machine-label", "laptop")
    repo.aexp_fast("install", "--yes")
    assert marker(repo)["machine_label"] == "laptop"
    first = marker(repo)["installed_at"]
    done = repo.aexp_fast("install", "--yes", "--machine-label", "gpu-1")
    assert "gpu-1" in done.stdout
    assert marker(repo)["machine_label"] == "gpu-1"
    assert marker(repo)["installed_at"] == first


def test_the_first_label_is_the_short_host_name(
    repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INS-05: what stands before the first dot."""
    monkeypatch.setattr("socket.gethostname", lambda: "gpu023.cluster.example.org")
    install_scaffold(repo.path)
    assert marker(repo)["machine_label"] == "gpu023"


@pytest.mark.parametrize("label", ["", "a/b", "..", "../../evil", "a b", ".x", "x" * 65, "a\\b"])
def test_a_label_that_could_be_a_path_is_refused(repo: Machine, label: str) -> None:
    """INS-05, trap 18: usage error, nothing written."""
    before = snapshot(repo.path)
    done = repo.aexp_fast("install", "--yes", "--machine-label", label, check=False)
    assert done.returncode == UsageError.exit_code
    assert snapshot(repo.path) == before


def test_a_marker_of_0_6_1_keeps_its_choices_and_loses_its_interpreter(repo: Machine) -> None:
    """INS-05, trap 22: choices, date and unknown keys stay; what breaks when copied goes."""
    old = {
        "version": "0.6.1",
        "installed_at": "2026-11-21T12:17:26+00:00",
        "run_store_path": "results",
        "scaffold_sha": HEX * 2,
        "python_exe": "/opt/env/bin/python3",
        "conda_env_name": "",
        "machine_label": "cluster",
        "roots": {"DATA": "/scratch/data"},
    }
    repo.write(".aexp/installed.json", json.dumps(old))
    install_scaffold(repo.path)
    assert marker(repo) == {
        "version": __import__("aexp").__version__,
        "installed_at": "2026-11-21T12:17:26+00:00",
        "run_store_path": "results",
        "machine_label": "cluster",
        "roots": {"DATA": "/scratch/data"},
    }


def test_an_older_marker_without_a_label_gets_one(repo: Machine) -> None:
    """INS-05: markers from before there were labels."""
    repo.write(".aexp/installed.json", '{"version": "0.5.0", "run_store_path": ".runs"}')
    assert read_machine_label(repo) == open_layout(repo.path).machine_label
    install_scaffold(repo.path)
    assert marker(repo)["machine_label"] == read_machine_label(repo)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": NaN}', "\x00\x01"])
def test_a_damaged_marker_is_written_anew(repo: Machine, damage: str) -> None:
    """Trap 32: the error that other commands give says to install again; that works."""
    install_scaffold(repo.path, machine_label="laptop")
    repo.write(".aexp/installed.json", damage)
    layout = open_for_install(repo.path / ".aexp")
    assert layout.root == repo.path
    assert layout.git_dir == layout.common_dir == repo / ".git"
    assert kinds(install_scaffold(repo.path, machine_label="laptop")) == ["wrote_marker"]
    assert open_layout(repo.path).machine_label == "laptop"


# --- the run store -------------------------------------------------------------------------------


def test_a_renamed_run_store_is_ignored_and_sticky(repo: Machine) -> None:
    """INS-03, INS-05, traps 13, 24: git does not see it; the ledger stays where it is."""
    repo.aexp_fast("install", "--yes", "--run-store", "out/my runs")
    assert marker(repo)["run_store_path"] == "out/my runs"
    assert open_layout(repo.path).run_store == repo / "out/my runs"
    repo.write("out/my runs/workspace/x/doc.json", "{}")
    assert "out" not in repo.status()
    assert not (repo / ".runs").exists()
    assert install_scaffold(repo.path) == []


def test_a_run_store_outside_the_repository(repo: Machine, tmp_path: Path) -> None:
    """INS-05, trap 13: an absolute path is kept as it is and named in no committed file."""
    store = tmp_path / "scratch" / "runs"
    repo.aexp_fast("install", "--yes", "--run-store", str(store))
    assert open_layout(repo.path).run_store == store
    assert (store / ".signac/config").read_bytes() == b"schema_version = 2\n"
    assert str(store) not in repo.read(".gitignore")


def test_a_run_store_given_absolutely_inside_is_written_relatively(repo: Machine) -> None:
    """INS-05: the marker does not break when the repository is moved."""
    install_scaffold(repo.path, run_store=str(repo / "results"))
    assert marker(repo)["run_store_path"] == "results"


def test_a_run_store_that_is_a_link_is_ignored_too(repo: Machine, tmp_path: Path) -> None:
    """Trap 24: on clusters `.runs` often links to scratch; `.runs/` matches folders only."""
    (tmp_path / "scratch").mkdir()
    (repo / ".runs").symlink_to(tmp_path / "scratch")
    install_scaffold(repo.path)
    assert ".runs" not in repo.status()
    assert install_scaffold(repo.path) == []


def test_existing_runs_are_left_alone(repo: Machine) -> None:
    """INS-02: a run store that is there keeps its configuration and its runs."""
    repo.write(".runs/.signac/config", "schema_version = 2\nown = 1\n")
    repo.write(f".runs/workspace/{HEX}/signac_statepoint.json", "{}")
    assert "initialized_runs" not in kinds(install_scaffold(repo.path))
    assert repo.read(".runs/.signac/config") == "schema_version = 2\nown = 1\n"


def test_moving_the_run_store_says_where_the_runs_stay(repo: Machine) -> None:
    """INS-05: nothing is moved behind the user's back."""
    install_scaffold(repo.path)
    done = repo.aexp_fast("install", "--yes", "--run-store", "new")
    assert "runs stay in .runs" in done.stdout
    assert (repo / ".runs/workspace").is_dir()


@pytest.mark.parametrize(
    "path", ["", ".", "x/..", ".aexp", ".aexp/ledger", "kb/x", ".git", "train.py"]
)
def test_a_run_store_that_would_do_harm_is_refused(repo: Machine, path: str) -> None:
    """Trap 13: not the root, not git's, not the ledger's, not a file."""
    before = snapshot(repo.path)
    with pytest.raises(UsageError):
        install_scaffold(repo.path, run_store=path)
    assert snapshot(repo.path) == before


# --- several machines and worktrees --------------------------------------------------------------


def test_a_second_machine_adds_nothing(two_machines: TwoMachines) -> None:
    """INS-11, trap 22: its install leaves `git status` clean, with another label and version."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    assert laptop.status() == ""
    assert marker(laptop)["machine_label"] == "laptop"
    assert marker(cluster)["machine_label"] == "cluster"
    assert laptop.aexp_fast("install", "--yes", "--force").stdout.count("nothing to change") == 1
    assert laptop.status() == ""


def test_machines_with_different_run_stores_do_not_undo_each_other(
    two_machines: TwoMachines,
) -> None:
    """INS-11: the rule for a run store is added once and then agreed upon."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.aexp_fast("install", "--yes", "--run-store", "scratch")
    cluster.commit_all("Move the run store")
    cluster.push()
    laptop.pull()
    laptop.aexp_fast("install", "--yes")
    assert laptop.status() == ""


def test_committed_files_name_no_place_of_this_machine(repo: Machine, tmp_path: Path) -> None:
    """INS-11, trap 22: neither this folder, nor a home, nor an interpreter."""
    import sys

    repo.aexp_fast("install", "--yes", "--machine-label", "lab-7x")
    repo.commit_all()
    for path in repo.git("ls-files", "-z").stdout.split("\0"):
        text = repo.read(path) if path else ""
        for place in (str(tmp_path), sys.executable, sys.prefix, str(Path.home()), "lab-7x"):
            assert place not in text, path


def test_a_linked_worktree_uses_the_main_ones_run_store(
    installed_repo: Machine, tmp_path: Path
) -> None:
    """Model 12: no second run store, no second marker; what is committed is completed."""
    tree = Machine(tmp_path / "tree")
    installed_repo.git("worktree", "add", "-q", str(tree.path))
    assert tree.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1
    assert not (tree / ".runs").exists()
    assert not (tree / ".aexp/installed.json").exists()
    assert open_layout(tree.path).run_store == installed_repo / ".runs"


def test_a_linked_worktree_can_have_an_installation_of_its_own(
    installed_repo: Machine, tmp_path: Path
) -> None:
    """Model 12: asked for by giving it a label."""
    tree = Machine(tmp_path / "tree")
    installed_repo.git("worktree", "add", "-q", str(tree.path))
    tree.aexp_fast("install", "--yes", "--machine-label", "tree")
    assert open_layout(tree.path).run_store == tree / ".runs"
    assert marker(tree)["machine_label"] == "tree"
    assert tree.status() == ""
    assert marker(installed_repo)["machine_label"] == "laptop"


def test_a_worktree_of_an_uninstalled_repository(repo: Machine, tmp_path: Path) -> None:
    """INS-01: it installs like any work tree."""
    tree = Machine(tmp_path / "tree")
    repo.git("worktree", "add", "-q", str(tree.path))
    tree.aexp_fast("install", "--yes", "--machine-label", "tree")
    assert open_layout(tree.path).machine_label == "tree"
    assert tree.aexp_fast("install", "--yes").stdout.count("nothing to change") == 1


# --- bad disks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace", "mkdir"])
@pytest.mark.parametrize("nth", [1, 2, 4])
def test_a_failing_disk_leaves_nothing_that_a_second_run_does_not_mend(
    repo: Machine,
    call: str,
    nth: int,
    failing_storage: Callable[..., AbstractContextManager[Any]],
) -> None:
    """INS-02, trap 10: StorageError, no temporary file, and the next install completes it."""
    with failing_storage(call, nth=nth, error=errno.EROFS) as disk:
        with pytest.raises(StorageError) as caught:
            install_scaffold(repo.path, machine_label="laptop")
        assert disk.failed
    assert caught.value.exit_code == StorageError.exit_code
    assert [path for path in repo.path.rglob("*") if path.name.endswith(".aexp-tmp")] == []
    install_scaffold(repo.path, machine_label="laptop")
    assert install_scaffold(repo.path) == []
    assert marker(repo)["machine_label"] == "laptop"


def test_a_full_disk_is_one_line_and_a_hint(small_disk: Path, repo: Machine) -> None:
    """Trap 32: the command names the file, and the user's .gitignore is whole."""
    from tests.support.failing import fill_disk

    root = small_disk / "repo"
    shutil.copytree(repo.path, root)
    (root / ".gitignore").write_text("*.pyc\n")
    filler = fill_disk(small_disk)
    machine = Machine(root)
    done = machine.aexp("install", "--yes", check=False)
    assert done.returncode == StorageError.exit_code
    assert done.stderr.startswith("error: cannot write")
    assert "hint: " in done.stderr
    assert machine.read(".gitignore") == "*.pyc\n"
    filler.unlink()
    machine.aexp("install", "--yes")
    assert machine.aexp("install", "--yes").stdout.count("nothing to change") == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line_and_a_hint(repo: Machine) -> None:
    """Trap 32: no traceback."""
    mode = stat.S_IMODE(repo.path.stat().st_mode)
    repo.path.chmod(0o500)
    try:
        done = repo.aexp("install", "--yes", check=False)
    finally:
        repo.path.chmod(mode)
    assert done.returncode == StorageError.exit_code


@pytest.mark.parametrize("path", [".gitignore", ".claude/commands/aexp-run.md"])
def test_a_folder_where_a_file_belongs_is_a_clear_error(repo: Machine, path: str) -> None:
    """Trap 32: named, and nothing is written."""
    (repo / path).mkdir(parents=True)
    done = repo.aexp_fast("install", "--yes", check=False)
    assert done.returncode == StorageError.exit_code
    assert path in done.stderr
    assert not (repo / ".aexp").exists()
