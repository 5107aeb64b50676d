"""Commands are loaded one by one, and none is forgotten."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.main import get_command

from aexp.cli import application, commands

LISTED = [
    (module, names) for modules in commands.PANELS.values() for module, names in modules.items()
]


def names_of(app: typer.Typer) -> list[str]:
    """Return the commands and groups of an application, in order."""
    commands = [info.name or "" for info in app.registered_commands]
    groups = [
        info.typer_instance.info.name for info in app.registered_groups if info.typer_instance
    ]
    return [*commands, *map(str, groups)]


@pytest.mark.parametrize(("module", "names"), LISTED, ids=[module for module, _ in LISTED])
def test_every_command_of_a_module_is_listed(module: str, names: tuple[str, ...]) -> None:
    """architecture.md, start-up: what a command line loads is told from the list alone."""
    app = application._new()
    application._add(app, commands.load(module))
    assert tuple(names_of(app)) == names


@pytest.mark.parametrize("name", [name for _, names in LISTED for name in names])
def test_one_command_is_the_same_alone(name: str) -> None:
    """architecture.md, start-up: a command that is loaded alone is the one of the whole."""
    alone = get_command(application.application_for([name]))
    whole = get_command(application.whole())
    assert list(alone.commands) == [name]  # type: ignore[attr-defined]
    context = typer.Context(whole, info_name="aexp")
    ours, theirs = (app.commands[name] for app in (alone, whole))  # type: ignore[attr-defined]
    with typer.Context(ours, parent=context, info_name=name) as mine:
        shown = ours.get_help(mine)
    with typer.Context(theirs, parent=context, info_name=name) as other:
        assert shown == theirs.get_help(other)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["valdate"], ["-x", "validate"]])
def test_anything_else_is_for_the_whole(arguments: list[str]) -> None:
    """INS-10: help lists every command, and a mistyped one is compared with all."""
    assert application.application_for(arguments) is application.whole()


def test_a_command_loads_no_other() -> None:
    """architecture.md, start-up: `aexp validate` imports only what it uses."""
    code = (
        "import sys; from aexp.cli.application import application_for;"
        "application_for(['validate']);"
        "print(sorted(m for m in sys.modules if m.startswith('aexp.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aexp.cli.validate" in done.stdout
    assert "aexp.cli.registry" not in done.stdout
    assert "aexp.cli.ledger" not in done.stdout
