"""Mistakes of the machine around us, each with a real process (trap 32)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.mistakes import check_told, content
from tests.support.failing import fill_disk
from tests.support.machines import Completed, Machine, copy_repo, run_command

ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(machine: Machine, line: str) -> Completed:
    """Run a shell line with ``$AEXP`` in a repository."""
    done = subprocess.run(
        ["sh", "-c", line.replace("$AEXP", '"$PYTHON" -m aexp')],
        cwd=machine.path,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Completed((line,), done.returncode, done.stdout.decode(), done.stderr.decode())


# --- commands to run ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code"),
    [("no-such-program", 127), ("./missing.py", 127), ("", 127), ("./train.py", 126), (".", 126)],
)
def test_a_command_that_cannot_be_started(installed_repo: Machine, command: str, code: int) -> None:
    """RUN-05: the shell's own status; the attempt is recorded as failed, with the reason."""
    args = ["run", "--sp", "seed=0", "--", command]
    done = installed_repo.aexp_fast(*args, check=False)
    check_told(done, code=code, error="cannot start", root=installed_repo.path, args=args)
    assert "failed" in installed_repo.aexp_fast("list-runs").stdout


def test_a_run_that_is_running_already(installed_repo: Machine) -> None:
    """RUN-05: refused, naming the process; the first goes on."""
    command = [sys.executable, "-m", "aexp", "run", "--sp", "seed=0", "--"]
    wait = "echo started; read line"
    with subprocess.Popen(
        [*command, "sh", "-c", wait],
        cwd=installed_repo.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"started\n"
        args = ["run", "--sp", "seed=0", "--", "true"]
        done = installed_repo.aexp_fast(*args, check=False)
        check_told(done, code=6, error="is running in process", root=installed_repo.path, args=args)
        first.communicate(b"go\n", timeout=30)
    assert first.returncode == 0


def test_ctrl_c_while_a_command_runs(installed_repo: Machine) -> None:
    """RUN-02, trap 6: stopped/interrupt, exit 130, no traceback, and the run can be repeated."""
    with subprocess.Popen(
        [sys.executable, "-m", "aexp", "run", "--sp", "seed=0", "--", "sh", "-c", "echo on; cat"],
        cwd=installed_repo.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"on\n"
        os.killpg(child.pid, signal.SIGINT)
        _, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert b"Traceback" not in told
    assert "stopped" in installed_repo.aexp_fast("list-runs").stdout
    installed_repo.aexp_fast("run", "--sp", "seed=0", "--", "true")


# --- standard output ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list-runs", "status", "validate", "--help", "ledger list"])
def test_a_reader_that_has_seen_enough(installed_repo: Machine, command: str) -> None:
    """Trap 32: ``| head -0``, a closed and a full output: no traceback, no noise."""
    installed_repo.aexp_fast("run", "--sp", "seed=0", "--", "true")
    piped = shell(installed_repo, f"$AEXP {command} | head -c 0")
    assert (piped.returncode, piped.stderr) == (0, "")
    closed = shell(installed_repo, f"$AEXP {command} >&-")
    assert (closed.returncode, closed.stderr) == (0, "")
    full = shell(installed_repo, f"$AEXP {command} >/dev/full")
    check_told(full, code=8, error="cannot write the output", root=Path("/x"), args=[])


# --- locale, names, variables -------------------------------------------------------------------


def test_a_terminal_and_names_of_another_encoding(installed_repo: Machine) -> None:
    """Trap 32: an ASCII locale, Unicode in titles, and file names that are no UTF-8."""
    aexp = installed_repo.aexp
    aexp("new-hypothesis", "--title", "Größe wirkt 実験", env=ASCII)
    args = ["run", "--sp", "größe=実験", "--", "true"]
    told = aexp(*args, check=False, env=ASCII)
    check_told(told, code=2, error="no valid Unicode", root=installed_repo.path, args=args)
    assert told.stderr.isascii()
    aexp(*args)
    listed = aexp("list-runs", env=ASCII)
    assert listed.stdout.isascii()
    assert r"gr\xf6\xdfe" in listed.stdout
    assert "größe=実験" in aexp("list-runs").stdout
    folder = os.fsencode(installed_repo.path) + b"/kb/research/findings"
    Path(os.fsdecode(folder + b"/F009-caf\xe9.md")).write_text("no frontmatter\n")
    for env in ({}, ASCII):
        told = aexp("validate", check=False, env=env)
        assert (told.returncode, told.stderr) == (1, "")
        assert r"F009-caf\udce9.md" in told.stdout
    aexp("ledger", "backfill", env=ASCII)


def test_without_home_and_temporary_folder(installed_repo: Machine, tmp_path: Path) -> None:
    """Trap 32: as in a container or a cron job: nothing of ours lives there."""
    env = {"TMPDIR": str(tmp_path / "missing")}
    line = "unset HOME USERPROFILE XDG_CONFIG_HOME; "
    for command in ("run --sp seed=0 -- true", "list-runs", "status", "validate"):
        done = shell(installed_repo, f"{line} TMPDIR={env['TMPDIR']} $AEXP {command}")
        assert done.returncode == 0, done.output
        assert "Traceback" not in done.output
    committed = shell(installed_repo, f"TMPDIR={env['TMPDIR']} $AEXP ledger backfill")
    assert committed.require().stdout.splitlines()[1].startswith("committed 1 ledger file as")


@pytest.mark.parametrize(
    "command", ["status", "list-runs", "run -- true", "install --yes", "install-slash-commands"]
)
def test_a_working_directory_that_was_removed(repo: Machine, command: str) -> None:
    """Trap 32: the folder of another shell's ``rm -r``."""
    done = shell(repo, f'mkdir gone && cd gone && rmdir "$PWD" && $AEXP {command}')
    check_told(done, code=3, error="does not exist any more", root=repo.path, args=command.split())


@pytest.mark.parametrize("command", ["--version", "--help"])
def test_help_works_anywhere(repo: Machine, command: str) -> None:
    """Trap 32: also where nothing else does."""
    done = shell(repo, f'mkdir gone && cd gone && rmdir "$PWD" && $AEXP {command}')
    assert (done.returncode, done.stderr) == (0, "")


# --- a disk that is really full -----------------------------------------------------------------


def test_a_full_disk(installed_repo: Machine, small_disk: Path) -> None:
    """LED-05, trap 32: what is there stays; after making room the same commands go through."""
    machine = copy_repo(installed_repo.path, small_disk / "repo")
    machine.label = "laptop"
    machine.aexp_fast("run", "--sp", "seed=0", "--", "true")
    machine.aexp_fast("new-hypothesis", "--title", "t")
    filler = fill_disk(small_disk)
    before = content(machine.path)
    for line in (
        "run --sp seed=1 -- true", "new-hypothesis --title u", "runs-export-index",
        "new-experiment --title e --hypothesis H001",
    ):  # fmt: skip
        args = line.split()
        done = machine.aexp(*args, check=False)
        check_told(done, code=8, error="No space left", root=machine.path, args=args)
        assert content(machine.path) == before
    for line in ("status", "list-runs", "validate"):
        assert machine.aexp(*line.split(), check=False).returncode == 0
    filler.unlink()
    machine.aexp_fast("run", "--sp", "seed=1", "--", "true")
    machine.aexp_fast("ledger", "backfill")
    assert machine.aexp_fast("list-runs").stdout.count("both") == 2


# --- git in the middle of something -------------------------------------------------------------


def test_a_conflict_that_looks_sound_is_not_committed(installed_repo: Machine) -> None:
    """LED-07, model.md 5: after ``git stash pop`` and ``checkout --theirs``, ours is not lost."""
    machine = installed_repo
    machine.aexp_fast("run", "--sp", "seed=0", "--", "true")
    machine.aexp_fast("ledger", "backfill")
    entry = next((machine / ".aexp/ledger").glob("*.json"))
    run = entry.stem
    machine.aexp_fast("note", run, "from the stash")
    machine.git("stash", "-q")
    # The run store is not what git stashed: without it this is another clone's conflict.
    machine.aexp_fast("note", run, "from the commit")
    machine.commit_all("Another note")
    machine.git("config", "merge.aexp-ledger.driver", "false")
    assert machine.git("stash", "pop", check=False).returncode == 1
    shutil.move(machine / ".runs", machine.path.parent / "elsewhere")
    machine.git("checkout", "-q", "--theirs", "--", str(entry))
    head = machine.head()
    done = machine.aexp_fast("ledger", "backfill")
    assert "it is unmerged; see `aexp ledger resolve`" in done.stderr
    assert machine.head() == head
    assert machine.status().startswith("UU .aexp/ledger/")


def test_a_linked_work_tree_before_the_installation(repo: Machine, tmp_path: Path) -> None:
    """Model.md 12: it records into the main work tree's run store; its entry is its own."""
    linked = Machine(tmp_path / "linked")
    repo.git("worktree", "add", "-q", str(linked.path))
    linked.aexp_fast("run", "--sp", "seed=0", "--", "true")
    assert not (linked / ".runs").exists()
    assert len(list((repo / ".runs/workspace").glob("[0-9a-f]*"))) == 1
    assert "both" in linked.aexp_fast("list-runs").stdout
    assert "here" in repo.aexp_fast("list-runs").stdout
    repo.install("--machine-label", "desk")
    assert "nothing to do" in repo.aexp_fast("status").stdout
    assert "0 promoted, 0 refreshed" in repo.aexp_fast("ledger", "backfill").stdout
    assert "machine:      desk" in linked.aexp_fast("status").stdout


@pytest.mark.parametrize(
    ("module", "line"), [("aexp.cli.plain", "status"), ("aexp.cli.application", "status -h")]
)
def test_an_interrupt_while_the_commands_are_loaded(tmp_path: Path, module: str, line: str) -> None:
    """Trap 6: Ctrl-C ends a command without a traceback at that moment too."""
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from aexp.cli import main\n"
        f"main({line.split()})"
    )
    done = run_command([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert (done.returncode, done.output.count("\n")) == (130, done.output.count("interrupted"))
