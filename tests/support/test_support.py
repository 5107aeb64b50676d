"""The fixtures do what they promise."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp import clock
from tests.conftest import REAL_HOME
from tests.support.clock import FakeClock
from tests.support.failing import fill_disk
from tests.support.homeguard import ForbiddenTouchError, HomeGuard
from tests.support.killed import kill_everywhere, kill_points, run_killed_at
from tests.support.machines import Machine, TwoMachines, run_command
from tests.support.os_calls import recorded_os_calls
from tests.support.race import run_aexp_together, run_together
from tests.support.sealed import CHECKOUT, sealed_environ

# --- the sealed environment ---------------------------------------------------------------------


def test_home_is_empty_and_private(sealed_environment: Path) -> None:
    """Home, XDG folders and git's configuration are all inside the sandbox."""
    assert Path.home() == sealed_environment != REAL_HOME
    assert [p.name for p in sealed_environment.iterdir()] == [".gitconfig"]
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "GIT_CONFIG_GLOBAL"):
        assert os.environ[name].startswith(str(sealed_environment))
    assert (os.environ["COLUMNS"], time.tzname[0]) == ("80", "UTC")
    shown = run_command(["git", "config", "--list", "--show-origin"], cwd=sealed_environment)
    assert str(sealed_environment) in shown.stdout
    assert all(str(sealed_environment) in line for line in shown.stdout.splitlines())


def test_nothing_leaks_into_the_environment(tmp_path: Path) -> None:
    """A hook's GIT_DIR, a Slurm job and a surrounding run are not seen by tests."""
    leaky = {"GIT_DIR": "/x", "SLURM_JOB_ID": "1", "AEXP_JOB_ID": "a", "OMPI_COMM_WORLD_RANK": "3"}
    sealed = sealed_environ(tmp_path / "home", {**leaky, "PATH": "/bin"})
    assert not set(leaky) & set(sealed)
    assert sealed["PATH"] == "/bin"


def test_a_forgotten_identity_is_an_error(tmp_path: Path) -> None:
    """Git does not invent a committer from the host's name."""
    run_command(["git", "init", "-q", "."], cwd=tmp_path)
    done = run_command(
        ["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path, check=False
    )
    assert done.returncode != 0
    assert "user" in done.stderr


TOUCHES: dict[str, Callable[[Path], object]] = {
    "write": lambda home: (home / "aexp-guard-test").write_text("x"),
    "read": lambda home: (home / ".gitconfig").read_bytes(),
    "os.open": lambda home: os.open(home / "aexp-guard-test", os.O_CREAT | os.O_WRONLY),
    "mkdir": lambda home: (home / "aexp-guard-test").mkdir(),
    "remove": lambda home: os.remove(home / "aexp-guard-test"),
    "rename": lambda home: os.replace(home / "aexp-guard-test", "here"),
    "link": lambda home: os.symlink("/nowhere", home / "aexp-guard-test"),
    "list": lambda home: os.listdir(home),
    "sqlite": lambda home: sqlite3.connect(str(home / "aexp-guard-test")),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_touching_the_real_home_raises(
    touch: Callable[[Path], object], home_guard: HomeGuard
) -> None:
    """The real home is neither read nor written, however it is reached for."""
    with pytest.raises(ForbiddenTouchError):
        touch(REAL_HOME)
    assert len(home_guard.forget()) == 1
    assert not (REAL_HOME / "aexp-guard-test").exists()


def test_writing_into_the_checkout_raises(home_guard: HomeGuard) -> None:
    """A test cannot litter the checkout, but reads it; the caches of tools are exempt."""
    with pytest.raises(ForbiddenTouchError):
        (CHECKOUT / "litter").write_text("x")
    assert home_guard.forget()
    assert (CHECKOUT / "pyproject.toml").read_text()
    (CHECKOUT / ".pytest_cache").mkdir(exist_ok=True)


def test_a_checkout_and_interpreter_below_the_home_stay_usable(
    tmp_path: Path, home_guard: HomeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's checkout and virtual environment usually live below the home."""
    for name in ("code", "venv", "tmp", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    monkeypatch.setattr("tests.support.homeguard.CHECKOUT", tmp_path / "code")
    monkeypatch.setattr("tests.support.homeguard.sys.prefix", str(tmp_path / "venv"))
    monkeypatch.setattr("tests.support.homeguard.tempfile.tempdir", str(tmp_path / "tmp"))
    guard = HomeGuard(tmp_path)
    with guard.active():
        assert (tmp_path / "code" / "file").read_text() == "code"
        assert (tmp_path / "venv" / "file").read_text() == "venv"
        (tmp_path / "tmp" / "other").write_text("fine")
        (tmp_path / "code" / ".pytest_cache").mkdir()
        for path in ("secret/file", "code/file", "venv/file"):
            with pytest.raises(ForbiddenTouchError):
                (tmp_path / path).write_text("changed")
        with guard.paused():
            (tmp_path / "code" / "golden").write_text("renewed")
    assert len(guard.forget()) == 3


def test_a_swallowed_violation_still_fails_the_test(tmp_path: Path) -> None:
    """``except Exception`` in the product does not hide a touch of the real home."""
    test = tmp_path / "test_swallow.py"
    test.write_text(
        "from tests.conftest import REAL_HOME\n"
        "def test_x():\n    try:\n        (REAL_HOME / 'x-aexp').mkdir()\n"
        "    except Exception:\n        pass\n"
    )
    done = run_command(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.conftest",
            # Else it clears away, at its end, what other test runs of this user have left.
            f"--basetemp={tmp_path / 'inner'}",
            str(test),
        ],
        cwd=tmp_path,
        check=False,
        env={"PYTHONPATH": str(CHECKOUT), "HOME": str(tmp_path / "somebody")},
    )
    assert done.returncode == 1
    assert "left its sandbox" in done.stdout


@given(st.integers())
def test_the_seal_does_not_disturb_hypothesis(number: int) -> None:
    """Property tests need no exemption."""
    assert number == int(str(number))


# --- repositories -------------------------------------------------------------------------------


def test_repo_is_clean_and_has_a_commit(repo: Machine) -> None:
    """``repo`` is a real repository with one commit and its own identity."""
    assert repo.status() == ""
    assert repo.git("log", "--format=%s %an").stdout == "Start dev\n"
    assert Path(repo) == repo.path
    (repo / "train.py").write_text("print(1)\n")
    before = repo.head()
    assert repo.commit_all("Change") != before


def test_clone_fetches_and_pushes(
    repo: Machine, clone: Callable[..., Machine], tmp_path: Path
) -> None:
    """``clone`` makes an independent clone that can pull what the source has since."""
    other = clone(repo, tmp_path / "deep" / "a clone")
    repo.write("new.py", "pass\n")
    head = repo.commit_all()
    other.pull()
    assert other.head() == head
    assert other.read("new.py") == "pass\n"


def test_weird_path_holds_a_repository(weird_path: Path, repo: Machine) -> None:
    """Git itself copes with every weird name."""
    os.rename(repo.path, weird_path / "r")
    assert Machine(weird_path / "r").status() == ""


def test_aexp_runs_both_ways(repo: Machine) -> None:
    """The subprocess and the in-process form give the same answer."""
    slow, fast = repo.aexp("--version"), repo.aexp_fast("--version")
    assert (slow.stdout, slow.stderr) == (fast.stdout, fast.stderr)
    assert repo.aexp("no-such-command", check=False).returncode == 2
    assert repo.aexp_fast("no-such-command", check=False).returncode == 2
    with pytest.raises(AssertionError, match="exited 2"):
        repo.aexp_fast("no-such-command")


def test_installed_repo_is_installed_and_clean(installed_repo: Machine) -> None:
    """``installed_repo`` has the marker, its label, and nothing uncommitted (INS-05)."""
    assert '"laptop"' in installed_repo.read(".aexp/installed.json")
    assert installed_repo.status() == ""


def test_two_machines_are_labelled_and_in_step(two_machines: TwoMachines) -> None:
    """Both clones are installed under their labels and see each other's commits (INS-11)."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    assert '"cluster"' in cluster.read(".aexp/installed.json")
    assert '"laptop"' in laptop.read(".aexp/installed.json")
    assert cluster.head() == laptop.head()
    assert laptop.status() == cluster.status() == ""
    cluster.write("note.txt", "hello\n")
    cluster.commit_all()
    cluster.push()
    laptop.pull()
    assert laptop.read("note.txt") == "hello\n"


# --- the clock ----------------------------------------------------------------------------------


def test_fake_clock_is_the_packages_clock(fake_clock: FakeClock) -> None:
    """Time stands still until it is moved, and may go back like a corrected clock."""
    start = clock.utc_now()
    assert clock.utc_now() == start == datetime(2026, 1, 1, tzinfo=UTC)
    fake_clock.advance(90)
    assert (clock.utc_now() - start).total_seconds() == 90
    before = clock.monotonic()
    fake_clock.set(datetime(2025, 1, 1, tzinfo=UTC))
    assert clock.utc_now() < start
    assert clock.monotonic() == before
    fake_clock.step = 1.0
    assert clock.utc_now() < clock.utc_now()


# --- killing ------------------------------------------------------------------------------------

PROGRAM = """
import os
os.mkdir("a")
fd = os.open("a/f", os.O_WRONLY | os.O_CREAT)
os.write(fd, b"0123456789")
os.fsync(fd)
os.close(fd)
os.replace("a/f", "a/g")
os.write(1, b"done")
"""


def test_kill_points_are_the_durable_steps(tmp_path: Path) -> None:
    """Every step below the watched folder is a point, and standard output is none."""
    points = kill_points(["-c", PROGRAM], cwd=tmp_path)
    assert [f"{p.phase} {p.step}" for p in points] == [
        "before mkdir a", "after mkdir a",
        "before open a/f", "after open a/f",
        "before write a/f", "torn write a/f", "after write a/f",
        "before fsync a/f", "after fsync a/f",
        "before replace a/f -> a/g", "after replace a/f -> a/g",
    ]  # fmt: skip


def test_the_program_dies_at_the_very_step(tmp_path: Path) -> None:
    """What is on the disk after the kill is what the steps up to it left."""

    def place(number: int) -> Path:
        folder = tmp_path / str(number)
        folder.mkdir()
        return folder

    seen: dict[str, dict[str, bytes]] = {}
    for point, where in kill_everywhere(["-c", PROGRAM], place):
        files = {p.name: p.read_bytes() for p in where.rglob("*") if p.is_file()}
        seen[f"{point.phase} {point.step.split()[0]}"] = files
    assert seen["before mkdir"] == seen["after mkdir"] == seen["before open"] == {}
    assert seen["after open"] == seen["before write"] == {"f": b""}
    assert seen["torn write"] == {"f": b"01234"}
    assert seen["after write"] == seen["before replace"] == {"f": b"0123456789"}
    assert seen["after replace"] == {"g": b"0123456789"}


def test_a_program_that_ends_first_is_not_killed(tmp_path: Path) -> None:
    """A number past the last point says so, and a program that fails is not taken for killed."""
    assert run_killed_at(99, ["-c", "import os; os.mkdir('x')"], cwd=tmp_path) is None
    with pytest.raises(AssertionError, match="exited 3"):
        run_killed_at(99, ["-c", "raise SystemExit(3)"], cwd=tmp_path)


def test_scripts_and_aexp_commands_can_be_killed(tmp_path: Path) -> None:
    """The runner takes a script with arguments, and the command line of aexp."""
    script = tmp_path / "s.py"
    script.write_text("import sys, pathlib\npathlib.Path(sys.argv[1]).write_text('x')\n")
    assert [p.step for p in kill_points(["s.py", "out"], cwd=tmp_path)] == ["open out"] * 2
    assert kill_points(["aexp", "--version"], cwd=tmp_path) == []


def test_git_commands_that_change_something_are_steps(repo: Machine) -> None:
    """A kill between two git commands is possible; reading commands do not count."""
    code = (
        "from pathlib import Path\nfrom aexp.git import Git\ng = Git(Path.cwd())\n"
        "g.run('status')\ng.run('commit', '-q', '--allow-empty', '-m', 'two')\n"
    )
    points = kill_points(["-c", code], cwd=repo.path)
    assert [p.step for p in points] == ["git commit ."] * 2
    assert run_killed_at(0, ["-c", code], cwd=repo.path) == points[0]
    assert len(repo.git("log", "--format=%h").stdout.split()) == 2


# --- failing storage ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_the_nth_call_fails(tmp_path: Path, failing_storage: Callable, number: int) -> None:  # type: ignore[type-arg]
    """The chosen call raises the chosen error, earlier and later ones work."""
    with failing_storage("mkdir", nth=2, times=1, error=number) as disk:
        (tmp_path / "one").mkdir()
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            (tmp_path / "two").mkdir()
        (tmp_path / "three").mkdir()
    assert caught.value.errno == number
    assert [c.path for c in disk.failed] == ["two"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "three"]


def test_a_torn_write_leaves_half(tmp_path: Path, failing_storage: Callable) -> None:  # type: ignore[type-arg]
    """A disk that fills up takes a part of the bytes, then refuses."""
    fd = os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT)
    with failing_storage("write", torn=True):
        assert os.write(fd, b"0123456789") == 5
        with pytest.raises(OSError, match="No space"):
            os.write(fd, b"56789")
    os.close(fd)
    assert (tmp_path / "f").read_bytes() == b"01234"


def test_recorded_calls_are_in_order(tmp_path: Path) -> None:
    """Calls elsewhere, and reading, are not recorded."""
    with recorded_os_calls(tmp_path) as calls:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "f").write_text("x")
        (tmp_path / "a" / "f").read_text()
        Path("elsewhere").write_text("x")
    assert [str(c) for c in calls.calls] == ["mkdir a", "open a/f"]


def test_small_disk_is_really_full(small_disk: Path) -> None:
    """A full disk refuses other processes too."""
    fill_disk(small_disk)
    code = "open('file', 'wb', buffering=0).write(b'x')"
    done = run_command([sys.executable, "-c", code], cwd=small_disk, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr


# --- races --------------------------------------------------------------------------------------


def _start(folder: str, number: int) -> tuple[int, float, float]:
    before = time.time()
    Path(folder, str(number)).touch()
    return os.getpid(), before, time.time()


def _misbehave(kind: str) -> None:
    if kind == "raise":
        raise ValueError("my own fault")
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_start_together(tmp_path: Path) -> None:
    """They are different processes, and none starts before the last is ready."""
    answers = run_together(_start, [(str(tmp_path), n) for n in range(3)])
    assert len({pid for pid, _, _ in answers} | {os.getpid()}) == 4
    assert max(begun for _, begun, _ in answers) - min(begun for _, begun, _ in answers) < 1.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize(("kind", "message"), [("raise", "my own fault"), ("die", "died")])
def test_a_failing_process_fails_the_test(kind: str, message: str) -> None:
    """Neither an exception nor a sudden death goes unnoticed."""
    with pytest.raises(AssertionError, match=message):
        run_together(_misbehave, [(kind,)])


def test_commands_run_together(repo: Machine) -> None:
    """Command lines can race as well."""
    done = run_aexp_together([(repo, ["--version"]), (repo, ["no-such"])])
    assert [d.returncode for d in done] == [0, 2]


def test_the_suite_runs_nowhere_near_the_checkout() -> None:
    """The working directory of a test is in no repository."""
    done = subprocess.run(["git", "rev-parse"], capture_output=True, check=False)
    assert done.returncode != 0
