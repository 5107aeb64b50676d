"""The typer application: which commands there are, and how the help lists them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

import aexp

if TYPE_CHECKING:
    app: typer.Typer
    """The application with all its commands, built on first use."""

PANELS: dict[str, dict[str, tuple[str, ...]]] = {
    "Setting up": {
        "install": ("install", "install-slash-commands"),
        "uninstall": ("uninstall",),
    },
    "Hypotheses, experiments, findings": {
        "artifacts": ("new-hypothesis", "new-experiment", "new-finding"),
        "kb": ("kb",),
    },
    "Runs": {
        "runs": (
            *("new-run", "run", "list-runs", "show-run", "list-batches", "link"),
            "recover",
        ),
        "query": ("diff",),
        "annotate": ("tag", "note", "bind-tracker"),
    },
    "Sweeps and the queue": {
        "sweep": ("sweep",),
        "queue": ("queue",),
        "run_queued": ("run-queued",),
    },
    "Executions and data": {
        "exec": ("exec", "exec-notebook"),
        "execution": ("execution", "runs"),
        "dataset": ("dataset",),
        "feature": ("feature",),
        "asset": ("asset",),
    },
    "Sessions and bytes": {"session": ("session",), "registry": ("registry",)},
    "Sharing": {
        "sharing": ("sync",),
        "transfer": ("push", "pull"),
        "ledger": ("ledger",),
        "status": ("status",),
    },
    "Checking": {"validate": ("validate", "runs-export-index"), "doctor": ("doctor",)},
}
"""The modules with commands, and the commands of each, under the headings of the help."""

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
                _register(app, _module(module), panel)
        globals()["app"] = app
    found: typer.Typer = globals()["app"]
    return found


def application_for(arguments: Sequence[str]) -> typer.Typer:
    """Return an application that has the command these arguments name.

    To load one command takes a fraction of the time that all of them take. Whatever is not the
    name of a command, an option or a mistake, is for the whole application.
    """
    name = arguments[0] if arguments else ""
    for panel, modules in PANELS.items():
        for module, names in modules.items():
            if name in names:
                app = _new()
                _register(app, _module(module), panel)
                app.registered_commands = [c for c in app.registered_commands if c.name == name]
                app.registered_groups = [
                    group
                    for group in app.registered_groups
                    if group.typer_instance is None or group.typer_instance.info.name == name
                ]
                app.registered_groups = [g for g in app.registered_groups if _name(g) == name]
                return app
    return whole()


def _name(group: Any) -> str | None:
    """Return what a group is called, where it was added or where it was made."""
    for info in (group, group.typer_instance.info):
        if isinstance(info.name, str):
            return info.name
    return None


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"aexp.cli.{name}")


def _register(app: typer.Typer, module: ModuleType, panel: str) -> None:
    commands, groups = len(app.registered_commands), len(app.registered_groups)
    module.register(app)
    for command in app.registered_commands[commands:]:
        command.rich_help_panel = panel
    for group in app.registered_groups[groups:]:
        group.rich_help_panel = panel
        group.cls = Commands


def __getattr__(name: str) -> Any:
    """Build the whole application on first use (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module 'aexp.cli.application' has no attribute {name!r}")
    return whole()
