"""``aexp doctor`` finds what is wrong and names the command that mends it (INS-10)."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import NotARepositoryError
from aexp.install.access import open_for_install
from aexp.install.doctor import CHECKS, Finding, diagnose
from aexp.install.facts import Facts, gather
from tests.ledger.test_backfill import put_run
from tests.support.machines import Machine, TwoMachines

OLD_HOOKS = """\
{
  "permissions": {"allow": ["Bash(ls -m aexp)"]},
  "hooks": {
    "Stop": [{"hooks": [
      {"type": "command",
       "command": "\\"/opt/there/bin/python3\\" -m aexp.hooks.stop_validate"}]}],
    "SessionStart": [{"hooks": [
      {"type": "command",
       "command": "python -m aexp.hooks.session_start"}]}]
  }
}
"""
HEX = "0123456789abcdef" * 2
OLD = time.time() - 7 * 86_400


@pytest.fixture(autouse=True)
def aexp_on_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `aexp` on PATH, as git's merge driver needs it."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "aexp"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m aexp "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.fixture
def sound(two_machines: TwoMachines) -> Machine:
    """An installed repository with an upstream and nothing to complain of."""
    return two_machines.cluster


def examine(machine: Machine) -> dict[str, list[dict[str, Any]]]:
    """Run the command and return its findings by check, those that are ok left out."""
    done = machine.aexp_fast("doctor", "--format", "json", check=False)
    answer = json.loads(done.require(0, 1).stdout)
    assert answer["ok"] == (done.returncode == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        if finding["level"] != "ok":
            found.setdefault(finding["check"], []).append(finding)
    return found


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Return every path, git's own included, with its size and the time of its last change."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
    }


def test_a_sound_installation_is_one_short_line_for_each_check(sound: Machine) -> None:
    """INS-10: exit 0, and nothing is written, not even by git."""
    before = snapshot(sound.path)
    done = sound.aexp("doctor")
    lines = done.stdout.splitlines()
    assert [line[:4] for line in lines[:-1]] == ["ok  "] * len(CHECKS)
    assert lines[-1] == "Sound."
    assert snapshot(sound.path) == before


def test_from_a_subfolder_and_outside_git(sound: Machine, tmp_path: Path) -> None:
    """INS-01: from any folder; outside git exit 3."""
    assert "Sound." in sound.aexp_fast("doctor", cwd=sound / "kb/research").stdout
    (tmp_path / "plain").mkdir()
    done = sound.aexp_fast("doctor", cwd=tmp_path / "plain", check=False)
    assert done.returncode == NotARepositoryError.exit_code


def append(name: str, text: str) -> Callable[[Machine], object]:
    return lambda m: m.write(name, (m.read(name) if (m / name).exists() else "") + text)


def old_file(name: str) -> Callable[[Machine], object]:
    return lambda m: os.utime(m.write(name, "x"), (OLD, OLD))


def old_folder(name: str) -> Callable[[Machine], object]:
    def make(machine: Machine) -> None:
        (machine / name).mkdir(parents=True)
        os.utime(machine / name, (OLD, OLD))

    return make


CASES: dict[str, tuple[Callable[[Machine], object], str, str, str, str]] = {
    "marker damaged": (
        lambda m: m.write(".aexp/installed.json", "{"), "installation", "fail", "damaged",
        "aexp install --yes",
    ),
    "label illegal": (
        lambda m: m.write(".aexp/installed.json", '{"machine_label": "../x"}'),
        "installation", "fail", "no machine label", "aexp install --yes",
    ),
    "no gitignore": (
        lambda m: (m / ".gitignore").unlink(), "gitignore", "fail", "lacks", "aexp install --yes",
    ),
    "ledger hidden": (
        append(".gitignore", ".aexp/ledger/\n"), "gitignore", "fail", ".gitignore, line 8",
        "git check-ignore",
    ),
    "runs not ignored": (
        lambda m: (m.write(".gitignore", ""), (m / ".runs/.gitignore").unlink()),
        "gitignore", "fail", "the runs in .runs", "aexp install --yes",
    ),
    "no gitattributes": (
        lambda m: (m / ".gitattributes").unlink(), "gitattributes", "warn", "lacks",
        "aexp install --yes",
    ),
    "another merge": (
        append(".gitattributes", "*.json merge=union\n"), "gitattributes", "warn",
        "`*.json merge=union`", "git check-attr",
    ),
    "no driver": (
        lambda m: m.git("config", "--remove-section", "merge.aexp-ledger"),
        "merge driver", "warn", "no merge driver", "aexp install --yes",
    ),
    "another driver": (
        lambda m: m.git("config", "merge.aexp-ledger.driver", "mine"),
        "merge driver", "warn", "not aexp's", "aexp install --yes --force",
    ),
    "command missing": (
        lambda m: (m / ".claude/commands/aexp-run.md").unlink(),
        "slash commands", "warn", "1 slash command not there", "aexp install --yes",
    ),
    "command edited": (
        append(".claude/commands/aexp-run.md", "mine\n"),
        "slash commands", "warn", "1 slash command edited", "aexp install --yes --force",
    ),
    "no run store": (
        lambda m: shutil.rmtree(m / ".runs"), "run store", "warn", "no run store",
        "aexp install --yes",
    ),
    "no signac project": (
        lambda m: shutil.rmtree(m / ".runs/.signac"), "run store", "warn", "no signac project",
        "aexp install --yes",
    ),
    "older schema": (
        lambda m: m.write(".runs/.signac/config", "schema_version = 1\n"),
        "run store", "fail", "schema 1", "signac migrate",
    ),
    "runs left behind": (
        lambda m: (put_run(m), m.aexp_fast("install", "--yes", "--run-store", ".other")),
        "run store", "warn", "1 run left in .runs", "aexp install --yes --run-store .runs",
    ),
    "hooks of 0.6": (
        lambda m: m.write(".claude/settings.json", OLD_HOOKS), "agent hooks", "warn",
        ".claude/settings.json, lines 6, 9: hooks of 0.6", "grep -n aexp.hooks",
    ),
    "temporary files": (
        old_file(".aexp/tmp/x.1.ab.aexp-tmp"), "leftovers", "warn", "1 temporary file",
        "aexp ledger backfill",
    ),
    "unfinished folders": (
        old_folder(f".runs/workspace/.aexp-new-{HEX}-1-ab"), "leftovers", "warn",
        "1 run folder", "aexp recover",
    ),
    "cut off": (
        lambda m: m.write(f".aexp/pending/{HEX}", ""), "runs", "warn", "1 promotion cut off",
        "aexp recover",
    ),
    "damaged run": (
        lambda m: m.write(f".runs/workspace/{HEX}/signac_statepoint.json", "{"),
        "runs", "fail", "1 run damaged", "aexp status",
    ),
    "unusable entry": (
        lambda m: m.write(f".aexp/ledger/{HEX}.json", "{}"), "ledger", "fail",
        "1 ledger file with errors", "aexp validate",
    ),
    "no identity": (
        lambda m: [m.git("config", "--unset", f"user.{key}") for key in ("name", "email")],
        "identity", "warn", "who you are", "git config user.name",
    ),
    "no remote": (
        lambda m: m.git("remote", "remove", "origin"), "sharing", "warn", "no remote",
        "git remote add",
    ),
    "no upstream": (
        lambda m: m.git("branch", "--unset-upstream"), "sharing", "warn", "no upstream",
        "git push -u origin HEAD",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_fault_is_found_with_its_remedy(
    sound: Machine, case: tuple[Callable[[Machine], object], str, str, str, str]
) -> None:
    """INS-10: level, message and command; and finding it changes nothing."""
    spoil, check, level, message, remedy = case
    spoil(sound)
    before = snapshot(sound.path)
    found = examine(sound)
    assert snapshot(sound.path) == before
    (match,) = [finding for finding in found[check] if message in finding["message"]]
    assert match["level"] == level
    assert match["remedy"].startswith(remedy)
    assert "\n" not in match["message"]


@pytest.mark.parametrize(
    "name",
    [
        "marker damaged", "no gitignore", "runs not ignored", "no gitattributes", "no driver",
        "another driver", "command missing", "command edited", "no run store",
        "no signac project", "runs left behind", "temporary files", "no upstream",
    ],
)  # fmt: skip
def test_the_remedy_mends_it(sound: Machine, name: str) -> None:
    """INS-10: typed as it is printed, the fault is gone."""
    spoil, check, *_ = CASES[name]
    spoil(sound)
    for finding in examine(sound)[check]:
        program, *words = shlex.split(finding["remedy"])
        (sound.aexp_fast if program == "aexp" else sound.git)(*words)
    assert check not in examine(sound)


def test_every_remedy_of_aexps_is_a_command_that_exists() -> None:
    """INS-10, trap 32: every option in it, too."""
    from typer.main import get_command

    from aexp.cli import app

    remedies = {remedy for *_, remedy in CASES.values() if remedy.startswith("aexp ")}
    assert len(remedies) > 5
    for remedy in remedies | {"aexp install --run-store PATH"}:
        command: Any = get_command(app)
        words = remedy.split()
        while len(words) > 1 and hasattr(command, "commands"):
            command, words = command.commands[words[1]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_nothing_installed(repo: Machine) -> None:
    """INS-10: exit 1, and the first remedy leads to a sound installation."""
    done = repo.aexp_fast("doctor", check=False)
    assert done.returncode == 1
    assert "aexp is not installed here; run `aexp install --yes`" in done.stdout
    repo.aexp_fast("install", "--yes")
    done = repo.aexp_fast("doctor")
    assert done.stdout.splitlines()[-1] == "Sound, with 1 to know about."


def test_a_clone_without_an_installation_works_and_is_told(two_machines: TwoMachines) -> None:
    """INS-06b: no driver is configured there; merging falls back to text, and doctor says so."""
    laptop = two_machines.laptop
    (laptop / ".aexp/installed.json").unlink()
    laptop.git("config", "--remove-section", "merge.aexp-ledger")
    laptop.aexp_fast("validate")
    assert "merged as text" in examine(laptop)["merge driver"][0]["message"]


def test_the_program_that_git_would_run_is_looked_for(
    sound: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 72: without it on PATH, git falls back to a text merge."""
    git = shutil.which("git")
    assert git is not None
    monkeypatch.setenv("PATH", str(Path(git).parent))
    if shutil.which("aexp") is not None:
        pytest.skip("aexp is installed beside git")
    (finding,) = examine(sound)["merge driver"]
    assert finding["level"] == "warn"
    assert "no program aexp on PATH" in finding["message"]


def test_runs_that_were_moved_are_not_left_behind(sound: Machine) -> None:
    """INS-10: the other remedy: what is in the run store too, moved or linked, is no loss."""
    put_run(sound)
    sound.aexp_fast("install", "--yes", "--run-store", ".other")
    assert "left in .runs" in examine(sound)["run store"][0]["message"]
    shutil.copytree(sound / ".runs/workspace", sound / ".other/workspace", dirs_exist_ok=True)
    assert "run store" not in examine(sound)
    shutil.rmtree(sound / ".runs")
    (sound / ".runs").symlink_to(".other")
    assert "run store" not in examine(sound)


def test_hooks_of_0_6_are_named_and_left_alone(sound: Machine) -> None:
    """INS-07, trap 22: doctor names the lines; neither it nor install edits the user's file."""
    sound.write(".claude/settings.json", OLD_HOOKS)
    (found,) = examine(sound)["agent hooks"]
    assert found["remedy"] == "grep -n aexp.hooks .claude/settings.json"
    sound.aexp_fast("install", "--yes", "--force")
    assert sound.read(".claude/settings.json") == OLD_HOOKS
    sound.write(".claude/settings.json", "{}\n")
    sound.write(".claude/settings.local.json", OLD_HOOKS)
    (found,) = examine(sound)["agent hooks"]
    assert "settings.local.json, lines 6, 9" in found["message"]


def test_a_lost_run_points_to_recover(sound: Machine) -> None:
    """INS-10, trap 6: running, with an owner that is dead."""
    code = (
        "import os, aexp.runs as r; j = r.create_run('E001', {'s': 1});"
        "c = r.run_lifecycle(j); c.__enter__(); os._exit(9)"
    )
    from tests.support.machines import run_command

    run_command([sys.executable, "-W", "ignore", "-c", code], cwd=sound.path, check=False)
    (finding,) = [f for f in examine(sound)["runs"] if "running" in f["message"]]
    assert finding["remedy"] == "aexp recover"


def test_a_linked_worktree_is_sound_through_the_main_one(sound: Machine, tmp_path: Path) -> None:
    """Model 12: the marker and the run store are the main work tree's."""
    sound.git("worktree", "add", "-q", str(tmp_path / "tree"))
    tree = Machine(tmp_path / "tree")
    done = tree.aexp_fast("doctor")
    assert "cluster, from the main work tree" in done.stdout
    assert set(examine(tree)) <= {"sharing"}


def test_a_check_is_a_function_of_the_facts(sound: Machine) -> None:
    """INS-10: no disk, no git: what cannot be provoked here is tried on facts alone."""
    facts = gather(open_for_install(sound.path))
    assert {finding.level for finding in diagnose(facts)} == {"ok"}

    def levels(changed: Facts) -> list[Finding]:
        return [finding for finding in diagnose(changed) if finding.level != "ok"]

    (old,) = levels(dataclasses.replace(facts, git_version=(2, 30, 9)))
    assert (old.check, old.level) == ("git", "fail")
    assert "2.31" in old.message
    assert levels(dataclasses.replace(facts, git_version=(3, 0))) == []
    (shut,) = levels(dataclasses.replace(facts, ledger_writable=False))
    assert (shut.check, shut.level) == ("ledger", "fail")
    store = dataclasses.replace(facts.store, writable=False)
    (locked,) = levels(dataclasses.replace(facts, store=store))
    assert (locked.check, locked.level) == ("run store", "fail")
    (blind,) = levels(dataclasses.replace(facts, overview=None, unreadable="no way"))
    assert (blind.level, blind.message) == ("fail", "no way")
