"""A plain call means what typer makes of it (docs/adr/0011)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from aexp.cli.application import _add, _new
from aexp.cli.commands import PANELS, find, load
from aexp.cli.declare import Command, Group
from aexp.cli.plain import plain_call

VALUES = [
    *("E001", "3", "0", "007", "-1", "x=1", "a b", "é", "1e3", "3.5", "²", "٣", "table", "json"),
    *("text", "/tmp/x", ".", "..", "~", "", "-", "--", "-h", "--help", "--nothing", "-x", "None"),
    *("warn", "error", "off", "1/2", "a,b", "99999999999999999999", " 3", "+3", "1_0"),
]


def commands_of(group: Group, *above: str) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield every command below a group with the words that call it."""
    for name, command in group.commands.items():
        yield (*above, name), command
    for name, inner in group.groups.items():
        yield from commands_of(inner, *above, name)


def every_command() -> dict[str, tuple[str, Command]]:
    """Return every command by what calls it, with its module."""
    return {
        " ".join(words): (module, command)
        for modules in PANELS.values()
        for module in modules
        for words, command in commands_of(load(module))
    }


COMMANDS = every_command()


def recording(function: Callable[..., object], calls: list[dict[str, Any]]) -> Any:
    """Return a function with the same parameters that only keeps what it is called with."""

    @functools.wraps(function)
    def record(**given: Any) -> None:
        calls.append(given)

    return record


class Typed:
    """The application as typer makes it, whose commands do nothing but tell of their calls.

    Args:
        line: what calls the command.
    """

    def __init__(self, line: str) -> None:
        self.calls: list[dict[str, Any]] = []
        group = load(COMMANDS[line][0])
        for _, command in commands_of(group):
            command.function = recording(command.function, self.calls)
        self.app = _new()
        _add(self.app, group)

    def __call__(self, words: list[str]) -> dict[str, Any] | None:
        """Return what typer calls the command with, or None when it calls none."""
        self.calls.clear()
        try:
            self.app(args=words, prog_name="aexp", standalone_mode=False)
        except (typer.TyperException, typer.Abort, SystemExit):
            return None
        return self.calls[0] if self.calls else None


def told(values: dict[str, Any] | None) -> list[tuple[str, str]] | None:
    """Return what a command is called with, in order, each value so that its type shows."""
    return None if values is None else sorted((name, repr(value)) for name, value in values.items())


@functools.cache
def typed(line: str) -> Typed:
    """Return typer's application with a command; building one takes a while."""
    return Typed(line)


@functools.cache
def names_of(command: Command) -> list[str]:
    """Return every name that an option of the command has in typer."""
    app = _new()
    group = Group()
    group.commands[command.name] = command
    _add(app, group)
    made = typer.main.get_command(app).commands[command.name]  # type: ignore[attr-defined]
    return [o for p in made.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")]


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Draw a command line: any command, mostly its own options, mostly with values."""
    line = draw(st.sampled_from(sorted(COMMANDS)))
    own = names_of(COMMANDS[line][1])
    value = st.sampled_from(VALUES)
    option = st.sampled_from(own or ["--nothing"])
    part = st.one_of(
        st.tuples(option),
        st.tuples(option, value),
        st.builds(lambda o, v: (f"{o}={v}",), option, value),
        st.tuples(value),
    )
    parts = draw(st.lists(part, max_size=5))
    return [*line.split(), *(word for part in parts for word in part)]


@given(words=lines())
def test_typer_understands_the_same(words: list[str]) -> None:
    """ADR 0011: whatever is taken apart without typer, typer takes apart in the same way."""
    plain = plain_call(words)
    if plain is None:
        return
    line = next(" ".join(words[:n]) for n in (1, 2) if " ".join(words[:n]) in COMMANDS)
    function, given_ = plain
    assert function.__name__ == COMMANDS[line][1].function.__name__
    assert told(given_) == told(typed(line)(words)), words


USUAL = [
    ("list-runs", {}),
    ("list-runs --limit 3 -e E001 --status complete --status failed", {"limit": 3}),
    ("list-runs --format=json --sp a=1", {"format": "json", "sp": ["a=1"]}),
    ("validate", {}),
    ("validate --strict-runs=warn", {"strict_runs": "warn"}),
    ("validate --staged", {"staged": True}),
    ("link 1a2b -e E001", {"run_id": "1a2b", "experiment": "E001"}),
    ("ledger backfill --no-commit", {"commit": False}),
    ("ledger backfill", {}),
    ("show-run 1a2b", {"run_id": "1a2b"}),
    ("status", {}),
    ("sync", {}),
    ("tag 1a2b good", {}),
    ("ledger query --where status=complete --limit 2", {"limit": 2}),
]


@pytest.mark.parametrize(("line", "some"), USUAL, ids=[line for line, _ in USUAL])
def test_usual_lines_are_plain(line: str, some: dict[str, Any]) -> None:
    """ADR 0011: what users and hooks type all day needs no typer, and means what typer says."""
    words = line.split()
    plain = plain_call(words)
    assert plain is not None
    assert plain[1].items() >= some.items()
    name = line if line in COMMANDS else " ".join(words[: 2 if words[0] == "ledger" else 1])
    assert told(plain[1]) == told(typed(name)(words))


@pytest.mark.parametrize(
    "line",
    [
        "", "--help", "-h", "--version", "list-runs -h", "list-runs --help", "list-run", "ledger",
        "ledger --help", "list-runs --limit 0", "list-runs --limit x", "list-runs --limit",
        "list-runs --lim 3", "list-runs -eE001", "list-runs --format yaml", "list-runs x",
        "show-run", "show-run a b", "run -- true", "run --sp a=1 true", "validate --", "runs clean",
        "list-runs --limit 3 --limit 4", "list-runs -e=E001", "list-runs --here=yes",
        "list-runs --sp -x",
        "exec-notebook a.ipynb", "ledger query --limit -1",
    ],
)  # fmt: skip
def test_anything_else_is_for_typer(line: str) -> None:
    """ADR 0011: help, mistakes and everything unusual are explained by typer."""
    assert plain_call(line.split()) is None


def test_only_the_module_of_the_command_is_looked_at() -> None:
    """ADR 0011: a line names its command first."""
    assert find(["validate", "--staged"]) is not None
    assert find(["--staged", "validate"]) is None
    assert find(["ledger", "x"]) is None
