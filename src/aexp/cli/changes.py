"""How plans are shown and confirmed: what ``aexp install`` and ``aexp uninstall`` share."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, TypeAlias

from aexp.cli.declare import Option
from aexp.cli.output import agreed, say
from aexp.errors import UsageError

if TYPE_CHECKING:
    from aexp.install import Action, Change

Yes: TypeAlias = Annotated[bool, Option("--yes", "-y", help="Do it without asking.")]


def require_answer(command: str, *, yes: bool, dry_run: bool) -> None:
    """Make sure that somebody can be asked (INS-01).

    Raises:
        UsageError: nobody can, and the answer was not given.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError(
            f"{command} asks before it writes, and there is no terminal to ask on",
            hint="add --yes to go ahead, or --dry-run to see what would be done",
        )


def confirm(pending: Sequence[Change], *, yes: bool) -> None:
    """Ask whether to make the changes; a no ends the command."""
    if not yes and not agreed(f"Make these {count(pending)}?"):
        say("Nothing was changed.")
        raise SystemExit(1)


def show_plan(changes: Sequence[Change], pending: Sequence[Change], *, dry_run: bool) -> None:
    """Print a plan, the same for the dry run and the real one (INS-02)."""
    if not pending:
        say("Everything is in place; nothing to change.")
    elif dry_run:
        say(f"Would make {count(pending)} (nothing is written now):")
    else:
        say(f"{count(pending).capitalize()}:")
    show_changes(changes)


def show_changes(changes: Sequence[Change] | Sequence[Action]) -> None:
    """Print changes, and the remarks after them."""
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


def count(changes: Sequence[Change]) -> str:
    """Return how many changes there are, in words."""
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}"


def _say_wrapped(text: str) -> None:
    for line in textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False):
        say(f"    {line}")
