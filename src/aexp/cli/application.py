"""The typer application: which commands there are, and how the help lists them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import typer
from typer.core import TyperGroup

import aexp
from aexp.cli import (
    annotate,
    artifacts,
    doctor,
    install,
    kb,
    ledger,
    query,
    registry,
    runs,
    session,
    sharing,
    status,
    transfer,
    uninstall,
    validate,
)

PANELS: dict[str, tuple[ModuleType, ...]] = {
    "Setting up": (install, uninstall),
    "Hypotheses, experiments, findings": (artifacts, kb),
    "Runs": (runs, query, annotate),
    "Sessions and bytes": (session, registry,),
    "Sharing": (sharing, transfer, ledger, status),
    "Checking": (validate, doctor),
}
"""The modules with commands, under the headings and in the order of the help."""

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


app = typer.Typer(
    name="aexp",
    cls=Commands,
    help="A git-native experiment ledger: record runs, push, pull, and trust what findings claim.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # To lay out a help text, rich takes longer than all the rest of a start.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"aexp {aexp.__version__}")
        raise typer.Exit


@app.callback()
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


def _register() -> None:
    for panel, modules in PANELS.items():
        for module in modules:
            commands, groups = len(app.registered_commands), len(app.registered_groups)
            module.register(app)
            for command in app.registered_commands[commands:]:
                command.rich_help_panel = panel
            for group in app.registered_groups[groups:]:
                group.rich_help_panel = panel
                group.cls = Commands


_register()
