"""The line that says what a long command is doing."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import pytest

from aexp.cli import progress
from aexp.cli.progress import ProgressLine
from aexp.ledger import backfill as backfill_module
from aexp.ledger.backfill import backfill
from aexp.ledger.sync import sync
from aexp.repo import open_layout
from tests.ledger.test_backfill import put_run
from tests.support.machines import Machine, TwoMachines, checkout_environ


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


class Steps(list[tuple[str, bool]]):
    """Keeps what it is told."""

    def __call__(self, what: str, *, waits: bool = False) -> None:
        self.append((what, waits))


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make a terminal of 40 columns standard error, from within the test."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_nothing_is_shown_of_a_short_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-07: only what takes long is accompanied."""
    screen = terminal(monkeypatch)
    with ProgressLine() as line:
        line("1 of 2 runs looked at")
    assert screen.getvalue() == ""


def test_a_long_command_shows_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-07, LED-14: each step in place of the one before, within the terminal, gone at the end
    and when the command fails."""
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)

    def long() -> None:
        with ProgressLine() as line:
            line("first")
            line("second \x1b[31m" + "x" * 50)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        long()
    blank, first, second, last = screen.getvalue().split("\r\x1b[K")
    assert (blank, first, last) == ("", "first … ", "")
    assert second.startswith("second \\x1b[31mxxx")
    assert len(second) == 39


def test_what_waits_is_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-14: the network may take long, and nobody can tell beforehand."""
    screen = terminal(monkeypatch)
    with ProgressLine() as line:
        line("fetching from origin", waits=True)
    assert "fetching from origin … " in screen.getvalue()


def test_steps_of_a_backfill(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-07: the reporter hears of every chunk; without one the library is silent."""
    monkeypatch.setattr(backfill_module, "CHUNK", 2)
    for seed in range(5):
        put_run(installed_repo, seed)
    steps = Steps()
    backfill(open_layout(installed_repo.path), progress=steps)
    assert steps == [(f"{n} of 5 runs looked at", False) for n in (0, 2, 4)]


def test_steps_of_a_sync(two_machines: TwoMachines, capfd: pytest.CaptureFixture[str]) -> None:
    """LED-14: in the order in which they are done; nothing is printed by the library."""
    put_run(two_machines.cluster)
    steps = Steps()
    sync(open_layout(two_machines.cluster.path), progress=steps)
    assert steps == [
        ("0 of 1 runs looked at", False),
        ("fetching from origin", True),
        ("merging origin/main", False),
        ("pushing to origin", True),
    ]
    assert capfd.readouterr() == ("", "")


def on_terminal(machine: Machine, *args: str) -> str:
    """Run ``aexp`` with a terminal as standard error; return what the terminal got."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "aexp", *args]
    env = {**os.environ, **checkout_environ()}
    done = subprocess.run(
        command, cwd=machine.path, env=env, stderr=theirs, stdout=subprocess.PIPE, check=False
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # Linux: nobody has the other end
            break
        if not data:
            break
        seen += data
    os.close(ours)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    return seen.decode()


def test_sync_on_a_terminal_and_elsewhere(two_machines: TwoMachines) -> None:
    """LED-14: on a terminal the steps come and go; in a log there is nothing of them."""
    cluster = two_machines.cluster
    put_run(cluster)
    shown = on_terminal(cluster, "sync")
    assert "fetching from origin … " in shown
    assert "pushing to origin … " in shown
    assert shown.endswith("\r\x1b[K")
    put_run(cluster, 1)
    assert cluster.aexp("sync").stderr == ""
