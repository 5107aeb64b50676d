"""``aexp run-queued``: runs of the queue by their ids, as materialized scripts start them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Group, Option
from aexp.cli.options import RunIds
from aexp.cli.output import note
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.queue.worker import Drained

AllowDrift = Annotated[
    bool,
    Option("--allow-code-drift", help="Run it although the code is not what was registered."),
]


def register(app: Group) -> None:
    """Add the command to ``app``."""
    app.command("run-queued")(run_queued)


def run_queued(
    runs: RunIds,
    again: Annotated[
        bool,
        Option("--again", "--force", help="Also what is complete, removed or stopped."),
    ] = False,
    keep_going: Annotated[
        bool,
        Option("--continue-on-failure/--stop-on-failure", help="Whether to go on after a failure."),
    ] = True,
    allow_code_drift: AllowDrift = False,
) -> None:
    """Run queued runs by their ids; ones that failed or were cut off are tried again."""
    from aexp.cli.queue_output import Reporter, finish
    from aexp.errors import AexpError
    from aexp.queue.worker import Drained, Left, run_one
    from aexp.runs.lookup import resolve_local_id

    layout = open_layout()
    job_ids = [resolve_local_id(layout, text) for text in runs]
    report, done = Reporter(layout), Drained()
    for job_id in dict.fromkeys(job_ids):
        try:
            ran = run_one(layout, job_id, allow_drift=allow_code_drift, again=again, watch=report)
        except AexpError as error:
            if len(job_ids) == 1:
                raise
            done.left.append(Left(job_id, error))
            report(done.left[-1])
            continue
        if ran is None:
            note(f"[aexp] run {job_id[:8]} is complete already; --again records a new attempt")
            continue
        done.ran.append(ran)
        done.interrupted = ran.interrupted
        if ran.interrupted is not None or (ran.status != "complete" and not keep_going):
            break
    _finish_named(done, len(job_ids))
    finish(done)


def _finish_named(done: Drained, named: int) -> None:
    """Exit with the command's own code when one run was named, as ``aexp run`` does."""
    if named == 1:
        raise SystemExit(done.ran[0].exit_code if done.ran else 0)
