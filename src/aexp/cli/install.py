"""``aexp install`` and ``aexp install-slash-commands``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aexp.cli.output import note, say
from aexp.errors import UsageError

if TYPE_CHECKING:
    from aexp.install import Action, Change, InstallPlan
    from aexp.repo import Layout

_Force = Annotated[
    bool, typer.Option("--force", help="Replace slash commands that differ from the shipped ones.")
]


def register(app: typer.Typer) -> None:
    """Add this group's commands to ``app``."""
    app.command("install")(install)
    app.command("install-slash-commands")(install_slash_commands)


def install(
    machine_label: Annotated[
        str | None,
        typer.Option(
            "--machine-label",
            metavar="NAME",
            help="The stable name of this machine, such as laptop; the short host name at first.",
        ),
    ] = None,
    run_store: Annotated[
        str | None,
        typer.Option(
            "--run-store",
            metavar="PATH",
            help="Where runs are kept, seen from the repository's root; .runs at first.",
        ),
    ] = None,
    force: _Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would be done, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
) -> None:
    """Set up aexp in this git repository; safe to repeat.

    Files under kb/ and templates/ are yours and are never overwritten.
    """
    from aexp.install import InstallOptions, apply_plan, open_for_install, plan_install

    layout = open_for_install()
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError(
            "aexp install asks before it writes, and there is no terminal to ask on",
            hint="add --yes to go ahead, or --dry-run to see what would be done",
        )
    options = InstallOptions(machine_label=machine_label, force=force, run_store=run_store)
    plan = plan_install(layout, options)
    _show_head(layout, plan, dry_run=dry_run)
    _show_changes(plan.changes)
    if dry_run or not plan.pending:
        return
    if not yes and not typer.confirm(f"Make these {_count(plan.pending)}?"):
        say("Nothing was changed.")
        raise typer.Exit(1)
    apply_plan(layout, plan.changes)
    say(f"Installed: {_count(plan.pending)} made.")
    _show_next(plan)


def install_slash_commands(
    target: Annotated[
        Path | None,
        typer.Option(
            "--target",
            metavar="DIR",
            help="The folder to put them in; the repository's .claude/commands when left out.",
        ),
    ] = None,
    force: _Force = False,
) -> None:
    """Copy the slash commands for coding agents to a folder."""
    from aexp.install import open_for_install, plan_commands
    from aexp.install.apply import apply_changes
    from aexp.install.commands import COMMANDS_REL

    if target is None:
        root, shown = open_for_install().root, COMMANDS_REL
    else:
        root, shown = Path.cwd(), str(target)
    changes = plan_commands(root / shown, shown_as=shown, force=force)
    _show_changes(apply_changes(root, changes))
    if not changes:
        say(f"The slash commands in {shown} are up to date.")


def _show_head(layout: Layout, plan: InstallPlan, *, dry_run: bool) -> None:
    say(f"aexp in {layout.root} as {plan.machine_label}")
    if not plan.pending:
        say("Everything is in place; nothing to change.")
    elif dry_run:
        say(f"Would make {_count(plan.pending)} (nothing is written now):")
    else:
        say(f"{_count(plan.pending).capitalize()}:")


def _show_changes(changes: Sequence[Change] | Sequence[Action]) -> None:
    from aexp.install.changes import REMARKS

    width = max((len(c.kind) for c in changes if c.kind not in REMARKS), default=0)
    for change in changes:
        if change.kind not in REMARKS:
            say(f"  {change.kind:<{width}}  {change.path}")
            if change.detail:
                say(f"  {'':<{width}}  ({change.detail})")
    remarks = [change for change in changes if change.kind in REMARKS]
    for change, following in zip_longest(remarks, remarks[1:]):
        say(f"  {change.kind}  {change.path}")
        if following is None or following.detail != change.detail:
            _say_wrapped(change.detail)


def _say_wrapped(text: str) -> None:
    for line in textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False):
        say(f"    {line}")


def _show_next(plan: InstallPlan) -> None:
    say("Next:")
    if plan.to_commit:
        say(f"  git add {' '.join(plan.to_commit)} && git commit -m 'Install aexp'")
    say("  aexp run --sp seed=0 -- python train.py   # your first recorded run")
    say("  aexp status                               # what is here, what is not shared")
    if ".claude" not in plan.to_commit:
        note("note: git ignores .claude/, so the slash commands stay on this machine")


def _count(changes: Sequence[Change]) -> str:
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
