"""The command that shares: sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Group, Option
from aexp.cli.options import DryRun
from aexp.cli.output import note, say
from aexp.cli.progress import ProgressLine
from aexp.errors import PartialFailureError
from aexp.repo import Layout, open_layout

if TYPE_CHECKING:
    from aexp.ledger.sync import SyncReport


def register(app: Group) -> None:
    """Add the command to ``app``."""
    app.command("sync")(sync)


def sync(
    remote: Annotated[
        str | None, Option("--remote", help="The remote, when not the branch's own.")
    ] = None,
    no_push: Annotated[
        bool, Option("--no-push", help="Commit, fetch and merge, but push nothing.")
    ] = False,
    attempts: Annotated[
        int,
        Option("--attempts", min=1, max=100, help="How often to try while others push too."),
    ] = 5,
    dry_run: DryRun = False,
) -> None:
    """Share the ledger and fetch the others': backfill, commit, fetch, merge, push.

    Only ledger files are committed, but the whole branch is pushed, commits of your own included.
    Where a person must decide, it stops and leaves everything as it was.
    """
    from aexp.ledger.sync import SyncReport
    from aexp.ledger.sync import sync as run_sync

    layout = open_layout()
    if dry_run:
        _say_plan(layout, remote, with_push=not no_push)
        return
    report = SyncReport()
    try:
        with ProgressLine() as progress:
            run_sync(
                layout,
                remote=remote,
                with_push=not no_push,
                attempts=attempts,
                report=report,
                progress=progress,
            )
    except BaseException:
        _say_report(report)
        raise
    _say_report(report)
    _say_end(report, with_push=not no_push)
    if report.backfill.failed:
        raise PartialFailureError(
            f"{_count(report.backfill.failed, 'run')} could not be promoted",
            hint="see the lines above; everything else is shared",
        )


def _say_report(report: SyncReport) -> None:
    """Say what was done, in the order in which it was done."""
    done = report.backfill
    if done.promoted or done.refreshed or done.failed:
        say(
            f"{len(done.promoted)} promoted, {len(done.refreshed)} refreshed,"
            f" {len(done.skipped)} skipped, {len(done.failed)} failed"
        )
    for job_id, reason in done.failed.items():
        note(f"failed: {job_id}: {reason}")
    for path in done.replaced:
        note(f"a corrupt entry was replaced; what stood there is kept in {path}")
    if report.committed:
        say(f"committed {_count(report.committed, 'ledger file')}")
    for path, reason in report.left_out.items():
        note(f"left out of the commit: {path}: {reason}")
    for joined in report.merged:
        assert report.target is not None
        entries = "1 ledger entry" if joined.entries == 1 else f"{joined.entries} ledger entries"
        say(f"merged {_number(joined.commits, 'commit')} of {report.target.name} with {entries}")


def _say_end(report: SyncReport, *, with_push: bool) -> None:
    assert report.target is not None
    name = report.target.name
    if report.pushed is not None:
        new = ", a new branch there" if report.new_branch else ""
        say(f"pushed {_number(report.pushed, 'commit')} to {name}{new}")
    elif with_push and not (report.committed or report.merged):
        say(f"nothing to do: the branch and {name} are the same")
    elif with_push:
        say(f"nothing to push: {name} has everything")
    if report.other:
        more = f" and {len(report.other) - 3} more" if len(report.other) > 3 else ""
        files = ", ".join(report.other[:3])
        note(f"not committed, so not shared: {files}{more} (other clones need them)")


def _say_plan(layout: Layout, remote: str | None, *, with_push: bool) -> None:
    from aexp.ledger.sync import plan_sync

    plan = plan_sync(layout, remote=remote)
    say(f"would promote {_count(plan.promote, 'run')} and refresh {len(plan.refresh)}")
    for job_id, reason in plan.failing.items():
        note(f"would fail: {job_id}: {reason}")
    say(f"would commit {_count(plan.commit, 'ledger file')}")
    known = "" if plan.behind is None else f" ({_number(plan.behind, 'commit')} known to be new)"
    say(f"would fetch {plan.target.name} and merge it{known}")
    if with_push:
        ahead = (
            "" if plan.ahead is None else f", {_number(plan.ahead, 'commit')} that exist already"
        )
        say(f"would push to {plan.target.name}{ahead}")
    say("nothing was changed")


def _count(things: object, noun: str) -> str:
    return _number(len(things), noun)  # type: ignore[arg-type]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
