"""``aexp uninstall``."""

from __future__ import annotations

import shlex

from aexp.cli.changes import Yes, confirm, count, require_answer, show_plan
from aexp.cli.declare import Group
from aexp.cli.options import DryRun
from aexp.cli.output import say


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("uninstall")(uninstall)


def uninstall(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Remove what `aexp install` has written, and nothing else.

    Artifacts under kb/, the ledger and every run stay, and so do files that you have edited.
    """
    from aexp.install import apply_plan, open_for_install, plan_uninstall
    from aexp.install.plan import uncommitted

    layout = open_for_install()
    plan = plan_uninstall(layout)
    require_answer("aexp uninstall", yes=yes, dry_run=dry_run)
    say(f"aexp in {layout.root}")
    show_plan(plan.changes, plan.pending, dry_run=dry_run)
    if dry_run:
        return
    confirm(plan.pending, yes=yes)
    apply_plan(layout, plan.changes)
    say(f"Uninstalled: {count(plan.pending)} made. kb/, the ledger and the runs stay.")
    if to_commit := uncommitted(layout, plan.to_commit, untracked=False):
        paths = " ".join(map(shlex.quote, to_commit))
        say("Next:")
        say(f"  git add -u {paths} && git commit -m 'Remove aexp'")
