"""Commands that merge the ledger: git's driver, and what mends a conflict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from aexp.cli.declare import Argument, Group
from aexp.cli.options import DryRun
from aexp.cli.output import note, say
from aexp.errors import PartialFailureError
from aexp.repo import Layout, open_layout


def register(group: Group) -> None:
    """Add these commands to the group ``aexp ledger``."""
    group.command("merge-driver", hidden=True)(merge_driver)
    group.command("resolve")(resolve)


def merge_driver(
    base: Annotated[Path, Argument(help="The ancestor's version.")],
    ours: Annotated[Path, Argument(help="Our version; the result is left here.")],
    theirs: Annotated[Path, Argument(help="Their version.")],
    path: Annotated[str, Argument(help="Where the file stands in the repository.")],
) -> None:
    """Merge one file of the ledger for git: exit 0 when merged, 1 when in conflict."""
    from aexp.ledger.merge_driver import CONFLICT, run_driver

    merged = run_driver(base, ours, theirs, path)
    if merged.conflict is not None:
        note(f"aexp: {path}: {merged.conflict}; `aexp ledger resolve` may mend it")
        raise SystemExit(CONFLICT)


def resolve(
    paths: Annotated[
        list[str] | None,
        Argument(help="Files or folders of the ledger; all of it when none.", metavar="PATH"),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Mend entries in conflict: both sides become one entry, and git is told so."""
    from aexp.ledger.resolve import apply, plan_resolution
    from aexp.ledger.versions import unfinished_command

    layout = open_layout()
    plan = plan_resolution(layout, [_from_root(layout, path) for path in paths or ()])
    left = dict(plan.left)
    if not dry_run:
        left.update(apply(layout, plan))
    verb = "would mend" if dry_run else "mended"
    for item in plan.mended:
        if item.path not in left:
            done = (
                verb
                if item.data is not None
                else verb.replace("mended", "removed").replace("mend", "remove")
            )
            say(f"{done:<10} {item.path}: {item.how}")
    if not plan.mended and not left:
        say("no file of the ledger is in conflict")
    for path, reason in left.items():
        note(f"left as it is: {path}: {reason}")
    if plan.others:
        more = f" and {len(plan.others) - 3} more" if len(plan.others) > 3 else ""
        note(f"in conflict outside the ledger: {', '.join(plan.others[:3])}{more}")
    if left:
        raise PartialFailureError(
            f"{len(left)} conflicted ledger files need a person",
            hint="nothing of them was changed; see the lines above",
        )
    command = unfinished_command(layout)
    if plan.mended and not plan.others and not dry_run:
        say(f"to go on: {command}" if command else "what was mended is staged; commit it")


def _from_root(layout: Layout, path: str) -> str:
    """Return a path of the command line, POSIX and relative to the root."""
    folder, name = os.path.split(os.path.abspath(path))
    return layout.relative(Path(os.path.realpath(folder)) / name)
