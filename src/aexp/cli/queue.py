"""``aexp queue``: registering runs that wait, and working through them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

from aexp.cli.declare import Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import (
    AllowMissing,
    DryRun,
    Experiment,
    Hypothesis,
    NoCommit,
    OneExperiment,
    RunIds,
    Sp,
    TableFormat,
)
from aexp.cli.output import agreed, count, note, say
from aexp.cli.run_queued import AllowDrift, run_queued
from aexp.repo import Layout, open_layout

if TYPE_CHECKING:
    from aexp.queue.records import Choice
    from aexp.queue.remove import Removed

_Tags = Annotated[
    list[str] | None,
    Option("--tag", metavar="TAG", help="Only runs with this tag; repeatable."),
]


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group("queue", "Runs that wait for a worker, and the workers.")
    group.command("add")(add)
    group.command("list")(list_queue)
    group.command("run")(run)
    group.command("worker")(worker)
    group.command("stop")(stop)
    group.command("remove")(remove)
    group.command("clear")(clear)
    group.command("materialize")(materialize)
    app.add(group)


def add(
    experiment: OneExperiment,
    sp: Sp = None,
    sweep: Annotated[
        list[str] | None,
        Option(
            "--sweep",
            metavar="K=V|V,…",
            help="Every combination: 'condition=full|cls, seed=0..3'; may be repeated.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        Option("--tag", metavar="TAG", help="A tag for the runs; repeatable."),
    ] = None,
    command: Annotated[
        str | None,
        Option(
            "--command",
            metavar="TEMPLATE",
            help="The command of one run, in place of the experiment's runner_command.",
        ),
    ] = None,
    again: Annotated[
        bool, Option("--again", help="Queue another attempt of runs that have ended.")
    ] = False,
    hypothesis: Hypothesis = None,
    no_commit: NoCommit = False,
    allow_missing: AllowMissing = False,
    format: TableFormat = "table",
) -> None:
    """Register runs that wait for a worker; what waits or is running already is not doubled."""
    from aexp.cli.queue_output import show_added
    from aexp.model.axes import cross, parse_axes
    from aexp.model.values import parse_assignments
    from aexp.queue.add import Options, add_runs

    points = cross(parse_assignments(sp or []), parse_axes(sweep or []))
    options = Options(
        command=command,
        tags=tag or (),
        again=again,
        hypothesis_id=hypothesis,
        include_commit=not no_commit,
        allow_missing=allow_missing,
    )
    show_added(add_runs(open_layout(), experiment, points, options), as_json=format == "json")


def list_queue(
    experiment: Experiment = None,
    tag: _Tags = None,
    all: Annotated[
        bool, Option("--all", "--include-terminal", help="Ended runs of the queue too.")
    ] = False,
    format: TableFormat = "table",
) -> None:
    """List the runs that wait or that a worker has, in order; the first column is their index."""
    from aexp.cli.queue_output import show_queue
    from aexp.queue.records import read_queue

    found = read_queue(open_for_reading(), _choice(experiment, tag))
    shown = [run for run in found if all or run.waits or run.status == "running"]
    show_queue(shown, ended=len(found) - len(shown), as_json=format == "json")


def run(
    experiment: Experiment = None,
    tag: _Tags = None,
    index: Annotated[
        int | None,
        Option("--index", min=0, metavar="N", help="Only the run of this index in `queue list`."),
    ] = None,
    keep_going: Annotated[
        bool, Option("--continue-on-failure", help="Go on after a run that failed.")
    ] = False,
    allow_code_drift: AllowDrift = False,
) -> None:
    """Run what waits now, one after the other, and stop at the first that fails."""
    from aexp.cli.queue_output import Reporter, finish
    from aexp.queue.worker import Rules, drain

    layout, choice = open_layout(), _choice(experiment, tag)
    if index is not None:
        _run_index(layout, choice, index, allow_code_drift)
    rules = Rules(choice, keep_going, allow_code_drift, until_empty=False, take_over=False)
    finish(drain(layout, rules, Reporter(layout)))


def worker(
    experiment: Experiment = None,
    tag: _Tags = None,
    keep_going: Annotated[
        bool,
        Option("--continue-on-failure/--stop-on-failure", help="Whether to go on after a failure."),
    ] = True,
    allow_code_drift: AllowDrift = False,
) -> None:
    """Work until nothing waits, beside any number of other workers; runs of dead ones too."""
    from aexp.cli.queue_output import Reporter, finish
    from aexp.queue.worker import Rules, drain

    layout = open_layout()
    rules = Rules(_choice(experiment, tag), keep_going, allow_code_drift)
    finish(drain(layout, rules, Reporter(layout)))


def _run_index(layout: Layout, choice: Choice, index: int, allow_drift: bool) -> None:
    """Run the run of one index, and exit as ``run-queued`` does."""
    from aexp.errors import NotFoundError
    from aexp.queue.records import read_queue

    found = read_queue(layout, choice)
    if index >= len(found):
        known = f"the last is {len(found) - 1}" if found else "nothing was ever queued"
        raise NotFoundError(
            f"no run of the queue has the index {index}: {known}",
            hint="see `aexp queue list --all` with the same --experiment and --tag",
        )
    run_queued([found[index].job_id], allow_code_drift=allow_drift)


def stop(
    runs: RunIds,
    grace: Annotated[
        float,
        Option("--grace", min=0.0, metavar="S", help="Seconds between SIGTERM and SIGKILL."),
    ] = 10.0,
) -> None:
    """Stop runs that a worker has on this machine; the worker goes on with the next."""
    from aexp.queue.stop import stop_run
    from aexp.runs.lookup import resolve_local_id

    layout = open_layout()
    for job_id in [resolve_local_id(layout, text) for text in runs]:
        done = stop_run(layout, job_id, grace_s=grace)
        lost = "; its worker was gone" if done.was_lost else ""
        by = f" (ended by {done.ended_by})" if done.ended_by else ""
        say(f"run {job_id[:8]} is {done.status}{by}{lost}")


def remove(runs: RunIds) -> None:
    """Take runs out of the queue: they are abandoned. What has ended or is running stays."""
    from aexp.queue.remove import remove_run, remove_runs
    from aexp.runs.lookup import resolve_local_id

    layout = open_layout()
    job_ids = list(dict.fromkeys(resolve_local_id(layout, text) for text in runs))
    if len(job_ids) == 1:
        status = remove_run(layout, job_ids[0])
        say(f"run {job_ids[0][:8]} is out of the queue ({status})")
        return
    _show_removed(remove_runs(layout, job_ids))


def clear(
    experiment: Experiment = None,
    tag: _Tags = None,
    yes: Annotated[bool, Option("--yes", "-y", help="Do it without asking.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Take everything that waits out of the queue; running runs go on."""
    from aexp.cli.changes import require_answer
    from aexp.queue.remove import remove_runs, waiting

    require_answer("aexp queue clear", yes=yes, dry_run=dry_run)
    layout = open_layout()
    job_ids = waiting(layout, _choice(experiment, tag))
    if not job_ids:
        say("nothing waits in the queue")
        return
    if dry_run:
        say(f"would take {count(len(job_ids), 'run')} out of the queue")
        return
    if not yes and not agreed(f"Take {count(len(job_ids), 'run')} out of the queue?"):
        say("Nothing was changed.")
        raise SystemExit(1)
    _show_removed(remove_runs(layout, job_ids))


def _show_removed(done: Removed) -> None:
    from aexp.errors import PartialFailureError

    say(f"{count(len(done.removed), 'run')} taken out of the queue")
    for job_id, error in done.refused.items():
        note(f"refused: {job_id[:8]}: {error.message}")
    if done.refused:
        raise PartialFailureError(f"{count(len(done.refused), 'run')} stayed as they are")


def materialize(
    runner: Annotated[
        Literal["shell", "slurm", "manual"],
        Option("--runner", help="Who will start the runs."),
    ] = "shell",
    experiment: Experiment = None,
    tag: _Tags = None,
    output: Annotated[
        str | None,
        Option("--output", "-o", metavar="FILE", help="Write it here, and not to the screen."),
    ] = None,
    force: Annotated[bool, Option("--force", help="Replace another file.")] = False,
    slurm_option: Annotated[
        list[str] | None,
        Option(
            "--slurm-option", metavar="OPTION", help="An #SBATCH line: --time=01:00:00; repeatable."
        ),
    ] = None,
    at_once: Annotated[
        int | None,
        Option("--at-once", min=1, metavar="N", help="So many tasks of the array at a time."),
    ] = None,
) -> None:
    """Print a script that starts what waits now: by a shell, as a Slurm array, or by hand."""
    from pathlib import Path

    from aexp.queue.scripts import materialize as make
    from aexp.queue.scripts import write_script

    script = make(
        open_layout(),
        runner,
        _choice(experiment, tag),
        slurm_options=slurm_option or (),
        at_once=at_once,
    )
    if output is None:
        sys.stdout.write(script.text)
        return
    write_script(Path(output), script, force=force)
    program = {"shell": "bash", "slurm": "sbatch"}.get(runner)
    how = f"; start it with `{program} {output}`" if program else ""
    say(f"wrote {output}: {count(len(script.job_ids), 'run')}{how}")


def _choice(experiment: str | None, tags: list[str] | None) -> Choice:
    from aexp.queue.records import Choice

    return Choice(experiment, tuple(tags or ()))
