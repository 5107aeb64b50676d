"""The typer application, made of what the command modules declare, and how its help looks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperGroup

import aexp
from aexp.cli.commands import PANELS, load, place_of
from aexp.cli.declare import Argument, Command, Group, Parameter

if TYPE_CHECKING:
    app: typer.Typer
    """The application with all its commands, built on first use."""

_WHOLE_SENTENCE = 1_000
"""So many characters of a command's first sentence are shown; long ones are wrapped, not cut."""


class Commands(TyperGroup):
    """A group whose help lists its commands under several headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one list for each heading, all of one width."""
        listed: dict[str, list[tuple[str, str]]] = {}
        members = {k: v for k, v in self.commands.items() if not v.hidden}
        width = max(map(len, members))
        for name, command in members.items():
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            text = command.get_short_help_str(_WHOLE_SENTENCE)
            listed.setdefault(heading, []).append((name.ljust(width), text))
        for heading, rows in listed.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def _new() -> typer.Typer:
    app = typer.Typer(
        name="aexp",
        cls=Commands,
        help="A git-native experiment ledger: record runs, push, pull, and trust what findings"
        " claim.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # To lay out a help text, rich takes longer than all the rest of a start.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    return app


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"aexp {aexp.__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False,
        "--version",
        "-V",
        help="Print the version and exit.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    """Options that stand before the command."""


def whole() -> typer.Typer:
    """Return the application with all its commands."""
    if "app" not in globals():
        app = _new()
        for panel, modules in PANELS.items():
            for module in modules:
                _add(app, load(module), panel)
        globals()["app"] = app
    found: typer.Typer = globals()["app"]
    return found


def application_for(arguments: Sequence[str]) -> typer.Typer:
    """Return an application that has the command these arguments name.

    To load one command takes a fraction of the time that all of them take. Whatever is not the
    name of a command, an option or a mistake, is for the whole application.
    """
    place = place_of(arguments[0]) if arguments else None
    if place is None:
        return whole()
    name, (panel, module) = arguments[0], place
    loaded = load(module)
    loaded.commands = {k: v for k, v in loaded.commands.items() if k == name}
    loaded.groups = {k: v for k, v in loaded.groups.items() if k == name}
    app = _new()
    _add(app, loaded, panel)
    return app


def _add(app: typer.Typer, group: Group, panel: str | None = None) -> None:
    """Add what is declared to an application or to a group of it."""
    for command in group.commands.values():
        _add_command(app, command, panel)
    for inner in group.groups.values():
        made = typer.Typer(name=inner.name, help=inner.help, no_args_is_help=True)
        if inner.callback is not None:
            made.callback()(inner.callback)
        _add(made, inner)
        app.add_typer(made, cls=Commands, rich_help_panel=panel)


def _add_command(app: typer.Typer, command: Command, panel: str | None) -> None:
    kind = {} if command.kind is None else {"cls": command.kind()}
    settings = {"rich_help_panel": panel, **command.settings, **kind}
    app.command(command.name, **settings)(for_typer(command.function))


def for_typer(function: Callable[..., object]) -> Callable[..., object]:
    """Return a function with typer's words in the place of ours, in the types it is declared by."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> object:
        return function(*args, **kwargs)

    hints = get_type_hints(function, include_extras=True)
    found = {name: _hint_for_typer(hint) for name, hint in hints.items()}
    slots = inspect.signature(function).parameters.values()
    parameters = [slot.replace(annotation=found[slot.name]) for slot in slots]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = found
    return call


def _hint_for_typer(hint: Any) -> Any:
    if get_origin(hint) is not Annotated:
        return hint
    kind, *notes = get_args(hint)
    ours = [note for note in notes if isinstance(note, Parameter)]
    if not ours:
        return hint
    make: Any = typer.Argument if isinstance(ours[0], Argument) else typer.Option
    return Annotated[kind, make(*ours[0].names, **ours[0].settings)]


def __getattr__(name: str) -> Any:
    """Build the whole application on first use (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module 'aexp.cli.application' has no attribute {name!r}")
    return whole()
