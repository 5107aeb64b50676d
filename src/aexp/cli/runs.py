"""Commands about runs: new-run, run, list-runs, show-run, list-batches, link, recover."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import (
    AllowMissing,
    Experiment,
    Hypothesis,
    NoCommit,
    OneExperiment,
    RunId,
    Sp,
    SubHypothesis,
    TableFormat,
)
from aexp.cli.output import note, say, say_json, table, within
from aexp.errors import PartialFailureError
from aexp.model.attachment import Attachment
from aexp.model.status import RETRACTED, check_status
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.runs.view import RunView


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("new-run")(new_run)
    app.command("run", context_settings={"allow_interspersed_args": False})(run)
    app.command("list-runs")(list_runs)
    app.command("show-run")(show_run)
    app.command("list-batches")(list_batches)
    app.command("link")(link)
    app.command("recover")(recover)


def new_run(
    experiment: OneExperiment,
    sp: Sp = None,
    hypothesis: Hypothesis = None,
    sub_hypothesis: SubHypothesis = None,
    no_commit: NoCommit = False,
    allow_missing: AllowMissing = False,
) -> None:
    """Create a run, or find the one that has this state point already."""
    from aexp.model.values import parse_assignments
    from aexp.runs.create import create

    layout = open_layout()
    made = create(
        layout,
        experiment,
        parse_assignments(sp or []),
        hypothesis_id=hypothesis,
        sub_hypothesis_id=sub_hypothesis,
        include_commit=not no_commit,
        missing="allow" if allow_missing else "refuse",
    )
    _warn_paths(made.undeclared)
    say(f"{'created' if made.created else 'found'} run {made.job_id}")
    say(f"  folder: {layout.relative(layout.workspace / made.job_id)}")


def run(
    command: Annotated[
        list[str], Argument(help="The command to run, after --.", metavar="COMMAND")
    ],
    experiment: Experiment = None,
    sp: Sp = None,
    again: Annotated[
        bool, Option("--again", help="Record a new attempt of a complete run.")
    ] = False,
    no_commit: NoCommit = False,
    allow_missing: AllowMissing = False,
) -> None:
    """Run a command as a run: its output live, its status and log recorded, its exit code ours."""
    from aexp.model.values import parse_assignments
    from aexp.runs.wrap import WrapResult, run_wrapped

    layout = open_layout()
    done = run_wrapped(
        layout,
        command,
        experiment_id=experiment,
        statepoint=parse_assignments(sp or []),
        again=again,
        allow_missing=allow_missing,
        include_commit=not no_commit,
    )
    _warn_paths(done.undeclared)
    if done.log_error:
        note(f"warning: the log is not whole: {done.log_error}")
    if done.result is WrapResult.COMPLETE_ALREADY:
        note(f"[aexp] run {done.job_id[:8]} is complete already; --again records a new attempt")
    elif done.result is WrapResult.RAN:
        note(f"[aexp] run {done.job_id[:8]} {done.status} (exit code {done.exit_code})")
    raise SystemExit(done.exit_code)


def list_runs(
    experiment: Experiment = None,
    hypothesis: Annotated[
        str | None,
        Option("--hypothesis", metavar="ID", help="Only runs of this hypothesis."),
    ] = None,
    status: Annotated[
        list[str] | None,
        Option("--status", metavar="STATUS", help="Only runs of this status; repeatable."),
    ] = None,
    machine: Annotated[
        str | None,
        Option("--machine", metavar="NAME", help="Only runs the ledger has from this machine."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        Option("--tag", metavar="TAG", help="Only runs with this tag; repeatable."),
    ] = None,
    here: Annotated[bool, Option("--here", help="Only runs of this machine.")] = False,
    sp: Sp = None,
    limit: Annotated[
        int | None,
        Option("--limit", min=1, metavar="N", help="Only the N runs that began last."),
    ] = None,
    format: TableFormat = "table",
) -> None:
    """List the runs of this machine and of the ledger, each with where it lives."""
    from aexp.cli.run_rows import show_runs
    from aexp.runs.links import Links
    from aexp.runs.lookup import all_runs

    is_meant = _matcher(sp)
    statuses = {text if text == RETRACTED else check_status(text) for text in status or ()}
    links = Links()
    tests: list[Callable[[RunView], bool]] = [
        test
        for asked, test in (
            (experiment is not None, lambda v: experiment == links.experiment(v.packed_link)),
            (
                hypothesis is not None,
                lambda v: hypothesis == links[v.packed_link].get("hypothesis_id"),
            ),
            (statuses, lambda v: v.status in statuses),
            (machine is not None, lambda v: machine == v.machine),
            (here, lambda v: v.here is not None),
            (tag, lambda v: set(tag or ()) <= set(v.field("tags") or ())),
            (is_meant, is_meant),
        )
        if asked and test is not None
    ]
    views = list(all_runs(open_for_reading(), bodies=format == "json" or bool(tag)))
    if tests:
        views = [view for view in views if all(test(view) for test in tests)]
    if limit is not None:
        views = sorted(views, key=_began)[-limit:]
    views = [
        view
        for *_, view in sorted(
            (links.experiment(v.packed_link) or "~", v.began or "~", v.job_id, v) for v in views
        )
    ]
    if format == "json":
        say_json([_as_json(view) for view in views])
    elif views:
        show_runs(views, links)
    else:
        say("no runs")


def _matcher(sp: list[str] | None) -> Callable[[RunView], bool] | None:
    """Return what tells whether a run has these state point values; None when none are given."""
    if not sp:
        return None
    from aexp.model.citation import selector_matches
    from aexp.model.values import parse_assignments

    wanted = parse_assignments(sp)
    return lambda view: selector_matches(wanted, view.statepoint, view.link)


def _began(view: RunView) -> str:
    return view.began or view.created


def _as_json(view: RunView) -> dict[str, Any]:
    return {
        "job_id": view.job_id,
        "status": view.status,
        "where": view.where,
        "problem": view.problem,
        "registered_machine": view.machine or None,
        "experiment_id": view.experiment_id or None,
        "statepoint": dict(view.statepoint),
        "metrics": view.metrics,
        "params": view.params,
        "started_at": view.field("started_at"),
        "ended_at": view.field("ended_at"),
        "wallclock_s": view.field("wallclock_s"),
    }


def show_run(
    run_id: RunId,
    follow: Annotated[
        bool,
        Option("--follow", help="Show what the run records, as it comes, until the run ends."),
    ] = False,
    format: TableFormat = "table",
) -> None:
    """Show everything that is known of one run, here and in the ledger."""
    from aexp.cli.execution_output import execution_of, fact_lines
    from aexp.model.project import note_of, tags_of
    from aexp.runs.lookup import resolve_run_id, view_of
    from aexp.runs.recover import unsealed

    layout = open_for_reading()
    if follow:
        from aexp.cli.boundary import INTERRUPTED
        from aexp.cli.following import show_following

        try:
            show_following(layout, run_id, as_json=format == "json")
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        return
    view = view_of(layout, resolve_run_id(layout, run_id))
    if format == "json":
        facts = _as_json(view)
        facts["entry"] = view.entry
        facts["document"] = dict(view.record.document) if view.record is not None else None
        if (execution := execution_of(view)) is not None:
            facts["execution"] = execution
        say_json(facts)
        return
    say(f"run {view.job_id}")
    ended_by = view.field("ended_by")
    ended = f" (ended by {ended_by})" if ended_by and view.status != RETRACTED else ""
    _fact("status", view.status + ended)
    if view.entry is not None and (retracted := view.entry.get("retracted")):
        _fact("reason", f"{retracted.get('reason')} (on {str(retracted.get('at'))[:10]})")
    if view.problem:
        _fact("damaged", view.problem + (" (shown as the ledger has it)" if view.entry else ""))
    if view.record is not None and (reason := unsealed(view.record)) is not None:
        _fact("bytes", f"not sealed: {reason} (aexp recover --apply)")
    error = view.field("error")
    if error:
        _fact("error", f"{error.get('type')}: {error.get('message')}")
    for name, value in fact_lines(execution_of(view) or {}):
        _fact(name, value)
    _fact("experiment", view.experiment_id or "none")
    _fact("hypothesis", view.link.get("hypothesis_id") or "none")
    where = {
        "here": "this machine only",
        "ledger": "the ledger",
        "both": "this machine and the ledger",
    }
    _fact("where", where[view.where] + (f" (run on {view.machine})" if view.machine else ""))
    for name in ("started_at", "ended_at", "wallclock_s"):
        if view.field(name) is not None:
            _fact(name.removesuffix("_at").replace("_s", ", s"), str(view.field(name)))
    if tags := tags_of({"tags": view.field("tags")}):
        _fact("tags", ", ".join(tags))
    for line in note_of({"note": view.field("note")}).splitlines():
        _fact("note", line)
    _group("state point", view.statepoint)
    _group("parameters", view.params)
    _group("metrics", view.metrics)
    _group("attachments", _sizes(view.field("attachments")))
    if view.entry is not None and view.entry.get("replicates"):
        say("other attempts:")
        for other in view.entry["replicates"]:
            say(f"  {other['status']} on {other.get('registered_machine', '?')},"
                f" ended {other.get('ended_at', 'at an unknown time')}")  # fmt: skip
    if view.record is not None:
        _fact("folder", layout.relative(view.record.folder))


def _sizes(attachments: Any) -> dict[str, str]:
    """Return what attachments are, by name; what is none is left out."""
    listed = attachments if isinstance(attachments, list) else ()
    found = [known for item in listed if (known := Attachment.from_json(item)) is not None]
    return {each.name: f"{each.media_type}, {each.size} bytes" for each in found}


def _fact(name: str, value: str) -> None:
    say(f"{name + ':':<13} {value}")


def _group(title: str, values: Any) -> None:
    if values:
        say(f"{title}:")
        for key, value in sorted(values.items()):
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            say(f"  {key} = {shown}")


def list_batches(experiment: Experiment = None, format: TableFormat = "table") -> None:
    """List the batches that a finding can cite: experiment, condition, number of runs."""
    from aexp.cli.run_rows import pairs
    from aexp.linking import list_batches as batches

    found = batches(experiment_id=experiment)
    if format == "json":
        say_json([{"experiment_id": b.experiment_id, "selector": b.selector, "count": b.count,
                   "status_counts": b.status_counts} for b in found])  # fmt: skip
        return
    if not found:
        say("no batches")
        return
    table(
        ["EXP", "SELECTOR", "RUNS", "STATUS"],
        [[b.experiment_id, pairs(b.selector), str(b.count), pairs(b.status_counts)] for b in found],
    )


def link(
    run_id: RunId,
    experiment: OneExperiment,
    hypothesis: Hypothesis = None,
    sub_hypothesis: SubHypothesis = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Say which experiment a run belongs to; an ended run's ledger entry follows."""
    from aexp.linking import link_run
    from aexp.runs.lookup import resolve_local_id

    layout = open_layout()
    job_id = resolve_local_id(layout, run_id)
    done = link_run(
        layout,
        job_id,
        experiment,
        hypothesis_id=hypothesis,
        sub_hypothesis_id=sub_hypothesis,
        allow_missing=allow_missing,
    )
    say(f"run {job_id[:8]} belongs to {experiment}")
    if done is not None:
        say(f"  ledger entry {done.outcome}: {layout.relative(done.path)}")


def recover(
    apply: Annotated[bool, Option("--apply", help="Mend what was found.")] = False,
) -> None:
    """Find runs that a killed process left behind; report them, or mend them with --apply."""
    from aexp.runs.recover import apply_recovery, plan_recovery

    layout = open_for_reading()
    findings = plan_recovery(layout)
    if not findings:
        say("nothing to recover")
        return
    for finding in findings:
        say(f"{finding.kind:<11} {finding.job_id[:8] or '-':<9} {finding.what}")
    if not apply:
        say("nothing was changed; run `aexp recover --apply` to mend this")
        return
    done, failed = apply_recovery(layout, findings)
    say(f"mended {len(done)} of {len(findings)}")
    for name, reason in failed.items():
        note(f"failed: {name[:32]}: {within(layout.root, reason)}")
    if failed:
        raise PartialFailureError(
            f"{len(failed)} could not be mended", hint="see the lines above; the rest is mended"
        )


def _warn_paths(keys: tuple[str, ...]) -> None:
    for key in keys:
        note(
            f"warning: the state point's {key} is a path of this machine, so no other machine"
            " will have this run; use a path relative to the repository"
        )
