"""The one error boundary of the command line, and what it prints."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest
import typer

import aexp
from aexp.cli import app, output, program
from aexp.errors import (
    AexpError,
    CommandNotExecutableError,
    CommandNotFoundError,
    UsageError,
    error_classes,
)
from tests.e2e.mistakes import check_hint
from tests.support.machines import Machine, checkout_environ, run_command, run_in_process

CLI = [sys.executable, "-m", "aexp"]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Add a command ``probe`` that does what it is given, for this test only."""
    monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))

    def add(action: Callable[[], object]) -> None:
        @app.command("probe")
        def command() -> None:
            action()

    return add


def run(*args: str) -> tuple[int, list[str], list[str]]:
    """Run in this process and return the exit code and the lines of both streams."""
    done = run_in_process(args, cwd=Path.cwd(), check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def raiser(error: BaseException) -> Callable[[], object]:
    """Return an action that raises ``error``."""

    def action() -> None:
        raise error

    return action


# --- our own errors -----------------------------------------------------------------------------


OWN_ERRORS = [kind for kind in error_classes() if kind.__module__ == "aexp.errors"]
"""Other rooms add classes when they are imported, which must not change what is collected."""


@pytest.mark.parametrize("kind", OWN_ERRORS, ids=lambda kind: kind.code)
def test_every_error_is_a_line_a_hint_and_its_code(
    probe: Callable[..., None], kind: type[AexpError]
) -> None:
    """Trap 32: for every class of the table."""
    probe(raiser(kind("it is wrong", hint="do it right")))
    assert run("probe") == (kind.exit_code, [], ["error: it is wrong", "hint: do it right"])


@pytest.mark.parametrize("kind", OWN_ERRORS, ids=lambda kind: kind.code)
def test_without_a_hint_the_usual_one_is_shown(
    probe: Callable[..., None], kind: type[AexpError]
) -> None:
    """Trap 32: there is always something to do, and what it names exists."""
    probe(raiser(kind("it is wrong")))
    code, out, err = run("probe")
    assert (code, out, err) == (
        kind.exit_code,
        [],
        ["error: it is wrong", f"hint: {kind.usual_hint}"],
    )
    check_hint(kind.usual_hint, ["validate"])


def test_error_codes_are_a_table() -> None:
    """Style "one error boundary": every code is named once, and no exit code is a shell's own."""
    classes = list(error_classes())
    assert len({kind.code for kind in classes}) == len(classes) > 10
    shells = {CommandNotExecutableError: 126, CommandNotFoundError: 127}
    assert {kind: kind.exit_code for kind in shells} == shells
    assert all(0 < k.exit_code < 64 or k in shells for k in classes)
    assert all(kind.summary.endswith(".") for kind in classes)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see kb/[bold]x[/bold].md", "see kb/[bold]x[/bold].md"),
        ("two\nlines\r\x1b[31mred", r"two\x0alines\x0d\x1b[31mred"),
        ("größe 実験", "größe 実験"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_names_in_messages_are_shown_as_they_are(
    probe: Callable[..., None], text: str, shown: str
) -> None:
    """Traps 31, 32: no markup is read in them, they stay on a line, and command no terminal."""
    probe(raiser(UsageError(text, hint=text)))
    assert run("probe") == (2, [], [f"error: {shown}", f"hint: {shown}"])


def test_output_before_an_error_comes_first(tmp_path: Path) -> None:
    """Trap 32: both streams into one file are in the order in which they were written."""
    code = (
        "import typer\nfrom aexp.cli import app, main, output\nfrom aexp.errors import UsageError\n"
        "@app.command('probe')\ndef probe():\n"
        "    output.say('first')\n    raise UsageError('second')\n"
        "main(['probe'])"
    )
    both = run_command(
        ["sh", "-c", '"$0" -c "$1" 2>&1', sys.executable, code], cwd=tmp_path, check=False
    )
    assert both.stdout == "first\nerror: second\nhint: see the command's --help\n"


# --- wrong usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["frobnicate"], "error: No such command 'frobnicate'."),
        (["--frob"], "error: No such option: --frob"),
        (["validate", "--frob"], "error: No such option: --frob"),
        (["validate", "surplus"], "error: Got unexpected extra argument(s) (surplus)"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(args: list[str], line: str) -> None:
    """VAL-01, trap 32: the mistake, and where the help is."""
    code, out, err = run(*args)
    assert (code, out, err[0]) == (2, [], line)
    assert re.fullmatch(r"hint: see `aexp( validate)? --help`", err[1])
    assert len(err) == 2


def test_wrong_usage_in_a_process_of_its_own(repo: Machine) -> None:
    """Trap 32: the same from a shell."""
    done = repo.aexp("validate", "--frob", check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 2)


def test_no_arguments_show_the_help() -> None:
    """Help, no error line, and the exit code of wrong usage."""
    code, out, err = run()
    assert code == 2
    assert any("Usage: aexp" in line for line in out + err)
    assert not any(line.startswith("error") for line in err)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_no_error(flag: str) -> None:
    """Both spellings, exit 0."""
    code, out, err = run(flag)
    assert (code, err) == (0, [])
    assert any("validate" in line for line in out)


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version(flag: str) -> None:
    """One line, exit 0."""
    assert run(flag) == (0, [f"aexp {aexp.__version__}"], [])


def test_a_commands_own_exit_code(probe: Callable[..., None]) -> None:
    """VAL-01: a command may end with a code of its own."""
    probe(raiser(typer.Exit(3)))
    assert run("probe") == (3, [], [])


@pytest.mark.parametrize(
    ("stop", "told"), [(KeyboardInterrupt(), []), (typer.Abort(), ["error: interrupted"])]
)
def test_an_interrupt_is_no_fault(
    probe: Callable[..., None], stop: BaseException, told: list[str]
) -> None:
    """Trap 6: Ctrl-C ends with 130 and without a traceback; a declined question says so."""
    probe(raiser(stop))
    assert run("probe") == (130, [], told)


# --- what nobody expected -----------------------------------------------------------------------


def test_a_fault_of_ours_goes_to_a_log_file(
    probe: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Style "one error boundary": one line, a log file that is named, exit 70, no traceback."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    probe(raiser(ZeroDivisionError("multi\nline \udcff")))
    code, out, err = run("probe")
    assert (code, out, len(err)) == (70, [], 2)
    assert err[0] == r"error: unexpected ZeroDivisionError: multi line \udcff"
    log = Path(err[1].removeprefix("hint: this is a fault in aexp; the details are in "))
    text = log.read_text()
    assert "arguments: ['probe']" in text
    assert "Traceback" in text
    assert "raiser" not in text.splitlines()[0]
    assert log.stat().st_mode & 0o077 == 0


def test_a_fault_without_a_place_for_the_log(
    probe: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Style "one error boundary": then the details are on standard error."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    probe(raiser(ZeroDivisionError("x")))
    code, _, err = run("probe")
    assert code == 70
    assert err[0].startswith("Traceback")
    assert err[-2:] == [
        "error: unexpected ZeroDivisionError: x",
        "hint: this is a fault in aexp; no log file could be written",
    ]


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENAMETOOLONG]
)
def test_what_the_machine_refuses_is_no_fault(probe: Callable[..., None], number: int) -> None:
    """Trap 32: an unreadable file is an ordinary mistake: exit 8, named, no log file."""
    probe(raiser(OSError(number, os.strerror(number), "kb/x y.md")))
    code, out, err = run("probe")
    assert (code, out) == (8, [])
    assert err[0] == f"error: kb/x y.md: {os.strerror(number)}"
    assert err[1].startswith("hint: ")


def test_other_os_errors_are_faults(probe: Callable[..., None]) -> None:
    """Trap 32: a file that must be there and is not means that we forgot a case."""
    probe(raiser(FileNotFoundError(errno.ENOENT, "No such file", "x")))
    assert run("probe")[0] == 70


# --- standard output ----------------------------------------------------------------------------


def test_a_reader_that_stops_early(tmp_path: Path) -> None:
    """Trap 32: ``| head`` is no error: nothing on standard error, the shell's code for it."""
    code = (
        "from aexp.cli import app, main, output\n"
        "@app.command('probe')\ndef probe():\n"
        "    for i in range(100_000): output.say('line')\n"
        "main(['probe'])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, **checkout_environ()},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"line\n"
    child.stdout.close()
    assert child.stderr is not None
    told = child.stderr.read()
    child.stderr.close()
    assert (child.wait(), told) == (141, b"")


def shell(line: str) -> tuple[int, str]:
    """Run a shell line with ``$AEXP`` and return the code and what is on standard error."""
    done = subprocess.run(
        ["sh", "-c", line.replace("$AEXP", '"$PYTHON" -m aexp')],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("args", ["--version", "--help"])
def test_a_full_or_closed_standard_output(args: str) -> None:
    """Trap 32: a full disk behind the output is told, a closed output is not."""
    assert shell(f"$AEXP {args} > /dev/full") == (
        8,
        f"error: cannot write the output: {os.strerror(errno.ENOSPC)}\n"
        "hint: check the disk that the output goes to\n",
    )
    assert shell(f"$AEXP {args} >&-") == (0, "")


def test_a_terminal_without_unicode(probe: Callable[..., None], tmp_path: Path) -> None:
    """Trap 32: an ASCII terminal, or a name that is no text, is no crash."""
    done = run_command(
        [*CLI, "fröb"],
        cwd=tmp_path,
        check=False,
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.isascii()
    assert done.stderr.startswith("error: No such command 'fr")
    probe(lambda: output.say("caf\udce9"))
    assert run("probe") == (0, [r"caf\udce9"], [])


def test_text_of_others_does_not_command_the_terminal(probe: Callable[..., None]) -> None:
    """Trap 31: what a finding or note holds is shown, not obeyed; brackets are no markup."""
    probe(lambda: output.say("[red]a[/red]\tb\x1b]0;title\x07\x9b31m"))
    assert run("probe") == (0, [r"[red]a[/red]" + "\tb" + r"\x1b]0;title\x07\x9b31m"], [])


def test_json_is_sorted_and_exact(probe: Callable[..., None]) -> None:
    """VAL-01: keys sorted, unicode kept, no NaN."""
    probe(lambda: output.say_json({"b": "ü[x]", "a": [1, None]}))
    code, out, _ = run("probe")
    assert (code, json.loads("\n".join(out))) == (0, {"a": [1, None], "b": "ü[x]"})
    assert out[1] == '  "a": ['


def test_json_has_no_nan(probe: Callable[..., None]) -> None:
    """LED-02: what JSON lacks is shown as the ledger writes it."""
    value = {"a": [float("nan"), 1.5, {"b": float("-inf")}], "c": (float("inf"),)}
    probe(lambda: output.say_json(value))
    assert json.loads("\n".join(run("probe")[1])) == {
        "a": ["NaN", 1.5, {"b": "-Infinity"}],
        "c": ["Infinity"],
    }


# --- tables -------------------------------------------------------------------------------------

ROWS = [["0" * 32, "complete", "[b]x\ny"], ["1" * 32, "failed", "z" * 120]]


def show_table() -> None:
    """Print a table that is wider than the terminal."""
    output.table(["id", "status", "note"], ROWS, indent="  ")


def test_a_table_in_a_pipe_is_whole(probe: Callable[..., None]) -> None:
    """LED-11: ``| grep`` sees whole ids and texts, a line per row, without trailing blanks."""
    probe(show_table)
    assert run("probe")[1] == [
        "  id                                status    note",
        "  " + "0" * 32 + r"  complete  [b]x\x0ay",
        "  " + "1" * 32 + "  failed    " + "z" * 120,
    ]


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """A terminal: the side that shows, and the side that a program writes to."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield ours, stream
    os.close(ours)


def test_a_table_in_a_terminal_fits(
    terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-11: the widest columns are cut, and marked."""
    ours, stream = terminal
    monkeypatch.setenv("COLUMNS", "60")
    with contextlib.redirect_stdout(stream):
        show_table()
        stream.flush()
    lines = os.read(ours, 65536).decode().splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 60 for line in lines)
    assert lines[2].count("…") == 2
    assert "failed" in lines[2]
    assert lines[1].startswith("  0000")


def test_an_empty_table_has_its_headers(probe: Callable[..., None]) -> None:
    """LED-11: no rows are no error."""
    probe(lambda: output.table(["id", "status"], []))
    assert run("probe") == (0, ["id  status"], [])


# --- start-up -----------------------------------------------------------------------------------


def test_main_is_what_python_m_runs() -> None:
    """``python -m aexp`` and the console script are one; importing the module runs nothing."""
    module = importlib.import_module("aexp.__main__")
    assert vars(module)["program"] is program


@pytest.mark.parametrize("thread", ["", "threading.Thread(target=time.sleep, args=(0.3,)).start()"])
def test_a_program_ends_in_order(tmp_path: Path, thread: str) -> None:
    """Start-up is a feature: the quick end keeps output, exit code and what was left to do."""
    code = (
        "import atexit, sys, threading, time\nfrom aexp.cli import program\n"
        f"atexit.register(print, 'last words')\n{thread}\n"
        "sys.argv[1:] = ['valdate']\nprogram()"
    )
    done = run_command(
        [sys.executable, "-c", code], cwd=tmp_path, env=checkout_environ(), check=False
    )
    assert (done.returncode, done.stdout) == (2, "last words\n")
    assert done.stderr.startswith("error: ")


def test_the_start_is_light(tmp_path: Path) -> None:
    """Start-up is a feature: help and version import none of the heavy libraries."""
    code = (
        "import sys\nfrom aexp.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'signac', 'ruamel', 'filelock', 'numpy', 'pandas', 'git', 'sklearn', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = run_command([sys.executable, "-c", code], cwd=tmp_path, env=checkout_environ())
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_exit_status_reaches_the_shell(tmp_path: Path) -> None:
    """VAL-01: outside a repository the code is that of its family."""
    done = run_command([*CLI, "validate"], cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0] == f"error: {tmp_path} is not inside a git repository"
