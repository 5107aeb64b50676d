"""What every mistake has in common: one line, one hint that helps, a code, and nothing lost."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from aexp.cli import app
from tests.support.machines import Completed, Machine

CLI: Any = typer.main.get_command(app)

_NOT_DATA = re.compile(
    r"\.aexp/(tmp|locks|cache|pending)/|\.aexp/index\.sqlite|\.git/(aexp|objects|logs)/|aexp\.lock$|heartbeat$"
)
"""What a command may leave although it changed nothing: locks, caches, unreachable objects."""


@dataclass(slots=True)
class World:
    """A repository with H001, E001, F001 and some runs that are in the ledger.

    Attributes:
        machine: the repository.
        run: the id of a run that F001 cites.
        ambiguous: the beginning of several run ids.
    """

    machine: Machine
    run: str
    ambiguous: str

    @property
    def path(self) -> Path:
        """The work tree."""
        return self.machine.path

    @property
    def folder(self) -> Path:
        """The folder of :attr:`run`."""
        return self.path / ".runs/workspace" / self.run

    @property
    def entry(self) -> Path:
        """The ledger entry of :attr:`run`."""
        return self.path / f".aexp/ledger/{self.run}.json"

    def finding(self) -> Path:
        """The file of F001."""
        return next((self.path / "kb/research/findings").glob("F001*"))


def nothing(world: World) -> None:
    """Leave the world as it is."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One row of the table.

    Attributes:
        what: the mistake, in words: the test's name.
        args: the command line; ``{run}`` and ``{ambiguous}`` are filled in.
        code: the exit code of the error's class.
        error: a pattern the error line must match.
        spoil: what is done to the world before.
        env: variables of the command.
        cwd: where it is started, relative to the root.
        says: a pattern of standard output, which otherwise must be empty.
        partial: whether some of the work is done and stays (documented partial work).
    """

    what: str
    args: str
    code: int
    error: str
    spoil: Callable[[World], object] = nothing
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "."
    says: str = ""
    partial: bool = False

    @property
    def name(self) -> str:
        """A short name for the test."""
        return f"{self.what}: {self.args}"

    def command(self, world: World) -> list[str]:
        """Return the arguments."""
        return [
            word.replace("{run}", world.run).replace("{ambiguous}", world.ambiguous)
            for word in shlex.split(self.args)
        ]


def content(root: Path) -> dict[str, str]:
    """Return a digest of every file that holds something, by path."""
    found: dict[str, str] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            shown = path.relative_to(root).as_posix()
            if _NOT_DATA.search(shown):
                continue
            if path.is_symlink():
                found[shown] = f"-> {os.readlink(path)}"
            elif path.is_file():
                found[shown] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def check_told(
    done: Completed, *, code: int, error: str, root: Path, says: str = "", args: list[str]
) -> None:
    """Check that a mistake was told in one line and a hint, with its code, and nothing else.

    Lines before them are warnings, or what happened to the others of several items.
    """
    assert done.returncode == code, done.output
    assert "Traceback" not in done.output
    lines = done.stderr.splitlines()
    assert lines[-2].startswith("error: "), lines
    assert lines[-1].startswith("hint: "), lines
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert sum(line.startswith("hint: ") for line in lines) == 1
    assert re.search(error, lines[-2]), lines[-2]
    assert "unexpected " not in lines[-2].removeprefix("error: Got unexpected extra")
    # What git itself says where there is no root is shown as it is.
    shown = lines[-2].partition("gitfile")[0]
    assert f"{root}{os.sep}" not in shown, "paths are shown from the root"
    check_hint(lines[-1].removeprefix("hint: "), args)
    if says:
        assert re.search(says, done.stdout), done.stdout
    else:
        assert done.stdout == ""


def check_hint(hint: str, args: list[str]) -> None:
    """Check that the commands and options that a hint names exist."""
    assert len(hint) > 5
    here, rest = find_command(args)
    for quoted in re.findall(r"`(aexp[^`]*)`", hint):
        command, words = find_command(quoted.split()[1:])
        check_options(words, command, quoted)
        named_group = hasattr(command, "commands") and any(not w.startswith("-") for w in words)
        assert not named_group, f"{quoted}: no such command"
    bare = re.sub(r"`[^`]*`|git config .*", "", hint)
    assert rest is not None
    check_options(re.findall(r"(?<!\w)--?[a-z][\w-]*", bare), here, hint)


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words name, and the words that follow it."""
    command = CLI
    rest = list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    return command, rest


def check_options(words: list[str], command: Any, where: str) -> None:
    """Check that every option among ``words`` is one of ``command``'s."""
    known = {"-h", "--help", *_options(command), *(_options(CLI))}
    for word in words:
        if word == "--":
            return
        if word.startswith("-"):
            assert word.partition("=")[0] in known, f"{where}: {command.name} has no {word}"


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
