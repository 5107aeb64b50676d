"""Commands that prove and correct the ledger as a whole: verify, retract, reshard."""

from __future__ import annotations

from typing import Annotated, Literal

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import DryRun, RunId, TextFormat
from aexp.cli.output import count, note, say, say_json
from aexp.errors import PartialFailureError
from aexp.repo import open_layout


def register(group: Group) -> None:
    """Add these commands to the group ``aexp ledger``."""
    group.command("verify")(verify)
    group.command("retract")(retract)
    group.command("reshard")(reshard)


def verify(
    run_ids: Annotated[
        list[str] | None,
        Argument(help="Run ids, or the beginnings of some; all when none.", metavar="RUN"),
    ] = None,
    commit: Annotated[
        str | None,
        Option("--commit", metavar="REV", help="Prove the ledger of a commit instead."),
    ] = None,
    format: TextFormat = "text",
) -> None:
    """Prove every entry of the ledger: shape, id, digest, sanitizing, conflicts, stray files.

    Exits 0 when all is sound (warnings are allowed), 1 when something is not.
    """
    from aexp.ledger.verify import verify_ledger
    from aexp.validate.codes import CODES

    layout = open_layout()
    report = verify_ledger(layout, run_ids or (), commit=commit)
    mends = {code: info.mend for code, info in CODES.items()}
    if format == "json":
        say_json(
            {
                "tree": report.tree,
                "ok": report.ok,
                "entries": report.entries,
                "sound": report.sound,
                "problems": [
                    {
                        "code": problem.code,
                        "severity": problem.severity,
                        "path": problem.path,
                        "job_id": problem.job_id,
                        "message": problem.message,
                        "mend": mends.get(problem.code, ""),
                    }
                    for problem in report.problems
                ],
            }
        )
    else:
        for problem in report.problems:
            say(f"{problem.severity:<7} {problem.code}  {problem.path}: {problem.message}")
        shown = dict.fromkeys(problem.code for problem in report.problems)
        if shown:
            say()
        for code in shown:
            say(f"{code}: {mends.get(code, '')}")
        entries = count(report.entries, "entry", "entries")
        where = "" if report.tree == "work tree" else f" of {report.tree}"
        say(f"{entries}{where}: {report.sound} sound, {count(len(report.problems), 'problem')}")
    if not report.ok:
        raise SystemExit(1)


def retract(
    run_id: RunId,
    reason: Annotated[
        str, Option("--reason", metavar="TEXT", help="Why its results do not count.")
    ],
    force: Annotated[
        bool, Option("--force", help="Retract it although a finding cites it.")
    ] = False,
) -> None:
    """Take a run back for good: a tombstone with the reason stays in its place."""
    from aexp.runs.lookup import resolve_run_id
    from aexp.runs.retract import retract as take_back

    layout = open_layout()
    done = take_back(layout, resolve_run_id(layout, run_id), reason, force=force)
    tombstone = done.tombstone
    path = layout.relative(tombstone.path)
    if not tombstone.changed:
        facts = tombstone.facts
        say(f"run {tombstone.job_id[:8]} was retracted already, on {facts.get('at', '')[:10]}")
        say(f"  reason: {facts.get('reason', '')}")
        return
    say(f"retracted run {tombstone.job_id[:8]}: {path}")
    for name in done.cited_by:
        note(f"warning: {name} cites it; `aexp validate` reports that until it cites another run")
    say("to share: aexp sync")


def reshard(
    to: Annotated[
        Literal["flat", "sharded"],
        Option("--to", help="One folder for all entries, or 256 by their first two digits."),
    ] = "sharded",
    dry_run: DryRun = False,
) -> None:
    """Move every entry into the other layout; readers accept both, and nothing is lost."""
    from aexp.ledger.reshard import apply_reshard, plan_reshard

    layout = open_layout()
    plan = plan_reshard(layout, to)
    left = dict(plan.left)
    if not dry_run:
        left.update(apply_reshard(layout, plan))
    moved = [move for move in plan.moves if move.source not in left]
    if not moved and not left:
        say(f"the ledger is {to} already")
        return
    entries = count(len(moved), "entry", "entries")
    if dry_run:
        say(f"would move {entries}: the ledger would be {to}")
    else:
        say(f"moved {entries}: the ledger is {to}")
    for path, reason in left.items():
        note(f"left where it is: {path}: {reason}")
    if moved and not dry_run:
        say("to share: aexp sync (or `aexp ledger backfill && git push`)")
    if left:
        raise PartialFailureError(
            f"{count(len(left), 'file')} of the ledger stayed where it was",
            hint="`aexp ledger verify` says how to mend them; then run the command again",
        )
