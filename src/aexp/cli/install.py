"""``aexp install`` and ``aexp install-slash-commands``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aexp.cli.changes import Yes, confirm, count, require_answer, show_changes, show_plan
from aexp.cli.declare import Group, Option
from aexp.cli.options import DryRun
from aexp.cli.output import note, say

if TYPE_CHECKING:
    from aexp.install import InstallPlan
    from aexp.repo import Layout

_Force = Annotated[
    bool, Option("--force", help="Replace slash commands that differ from the shipped ones.")
]
_PARTS = "ci (a GitHub workflow that validates) or pre-commit"


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("install")(install)
    app.command("install-slash-commands")(install_slash_commands)


def install(
    machine_label: Annotated[
        str | None,
        Option(
            "--machine-label",
            metavar="NAME",
            help="The stable name of this machine, such as laptop; the short host name at first.",
        ),
    ] = None,
    run_store: Annotated[
        str | None,
        Option(
            "--run-store",
            metavar="PATH",
            help="Where runs are kept, seen from the repository's root; .runs at first.",
        ),
    ] = None,
    registry_root: Annotated[
        str | None,
        Option(
            "--registry-root",
            metavar="DIR",
            help="A shared registry; '' for the usual one in the git folder.",
        ),
    ] = None,
    force: Annotated[
        bool,
        Option(
            "--force",
            help="Replace slash commands, a workflow and a merge driver that differ from ours.",
        ),
    ] = False,
    pre_commit: Annotated[
        bool,
        Option("--pre-commit", help="Validate before each commit; same as --with pre-commit."),
    ] = False,
    parts: Annotated[
        list[str] | None,
        Option("--with", metavar="NAME", help=f"Add an optional part: {_PARTS}."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Set up aexp in this git repository; safe to repeat.

    Files under kb/ and templates/ are yours and are never overwritten.
    """
    from aexp.install import InstallOptions, apply_plan, open_for_install, plan_install
    from aexp.install.parts import check_parts

    layout = open_for_install()
    names = [*(parts or ()), *(["pre-commit"] if pre_commit else [])]
    options = InstallOptions(machine_label, force, run_store, check_parts(names), registry_root)
    require_answer("aexp install", yes=yes, dry_run=dry_run)
    plan = plan_install(layout, options)
    say(f"aexp in {layout.root} as {plan.machine_label}")
    show_plan(plan.changes, plan.pending, dry_run=dry_run)
    if dry_run or not plan.pending:
        return
    confirm(plan.pending, yes=yes)
    apply_plan(layout, plan.changes)
    say(f"Installed: {count(plan.pending)} made.")
    _show_next(layout, plan)


def install_slash_commands(
    target: Annotated[
        Path | None,
        Option(
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
    show_changes(apply_changes(root, changes))
    if not changes:
        say(f"The slash commands in {shown} are up to date.")


def _show_next(layout: Layout, plan: InstallPlan) -> None:
    from aexp.install.plan import uncommitted

    say("Next:")
    if to_commit := uncommitted(layout, plan.to_commit):
        say(f"  git add {' '.join(to_commit)} && git commit -m 'Install aexp'")
    say("  aexp run --sp seed=0 -- python train.py   # your first recorded run")
    say("  aexp status                               # what is here, what is not shared")
    if ".claude" not in plan.to_commit:
        note("note: git ignores .claude/, so the slash commands stay on this machine")
