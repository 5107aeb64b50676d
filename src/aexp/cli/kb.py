"""Commands that check and mend ``kb/``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import DryRun, TableFormat
from aexp.cli.output import note, one_line, say, say_json, table
from aexp.repo import Layout, open_layout

if TYPE_CHECKING:
    from aexp.kb.renumber import Renumbering
    from aexp.runs.view import RunView
    from aexp.validate.mending import NumberReport


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group("kb", "Check and mend hypotheses, experiments and findings.")
    group.callback = _group
    group.command("renumber")(renumber)
    group.command("numbers")(numbers)
    app.add(group)


def _group() -> None:
    """Check and mend hypotheses, experiments and findings."""


def renumber(
    artifact: Annotated[
        str,
        Argument(help="A path, a file name such as F002-words, or an id.", metavar="ARTIFACT"),
    ],
    to: Annotated[
        str | None, Option("--to", help="The new id; the next free one when left out.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Give one of two files that share an id an id of its own, and mend what refers to it."""
    from aexp.kb.renumber import renumber as run_renumber

    layout = open_layout(require_git=False)
    done = run_renumber(layout, _from_root(layout, artifact), to=to, dry_run=dry_run)
    would = "would be " if dry_run else ""
    say(f"{done.old_id} {would or 'is now '}{done.new_id}: {done.new_path}")
    for path in done.references:
        say(f"  references {would}rewritten in {path}")
    for item in done.unclear:
        note(f"left as it is, for it may mean either: {item.path}:{item.line}: {item.text}")
    if done.kind != "finding":
        _say_runs(layout, done)


def numbers(
    finding: Annotated[
        str,
        Argument(help="A path, a file name such as F001-words, or an id.", metavar="FINDING"),
    ],
    fix: Annotated[
        bool,
        Option("--fix", help="Write the ledger's numbers, and the size of each batch."),
    ] = False,
    dry_run: DryRun = False,
    output: TableFormat = "table",
) -> None:
    """Show each number that a finding cites beside the ledger's.

    Exits 0 when all of them agree, or were mended, and 1 when one does not.
    """
    from aexp.validate.mending import cited_numbers, mend_numbers

    layout = open_layout(require_git=False)
    named = _from_root(layout, finding)
    report = mend_numbers(layout, named, dry_run=dry_run) if fix else cited_numbers(layout, named)
    if output == "json":
        say_json(_as_json(report, fix=fix, dry_run=dry_run))
    else:
        _say_numbers(report, fix=fix, dry_run=dry_run)
    if not report.is_right(mended=fix and not dry_run):
        raise SystemExit(1)


def _say_numbers(report: NumberReport, *, fix: bool, dry_run: bool) -> None:
    if not report.rows:
        say(f"{report.path} cites no number")
        return
    rows = [
        (
            str(row.number.link.line),
            one_line(row.number.link.text),
            row.number.as_text or "-",
            row.number.exact or "-",
            row.number.verdict,
        )
        for row in report.rows
    ]
    say(report.path)
    table(["LINE", "TEXT", "LEDGER", "EXACT", "VERDICT"], rows)
    for row in report.rows:
        if row.number.reason:
            note(f"line {row.number.link.line}: {row.number.reason}")
        elif row.number.verdict == "batch changed" and row.number.target is not None:
            was, now = row.number.target.size, row.number.size
            note(f"line {row.number.link.line}: of {was} runs when written, {now} now")
    for row in filter(lambda row: fix and row.is_rewritten, report.rows):
        word = "would write" if dry_run else "wrote"
        say(f"line {row.number.link.line}: {word} [{one_line(row.text)}]({row.target})")


def _as_json(report: NumberReport, *, fix: bool, dry_run: bool) -> dict[str, object]:
    """Return the report as documented in ``docs/format/citations.md``."""
    return {
        "schema_version": 1,
        "finding": report.finding,
        "path": report.path,
        "fixed": fix and not dry_run,
        "numbers": [
            {
                "line": row.number.link.line,
                "column": row.number.link.column,
                "text": row.number.link.text,
                "target": row.number.link.target,
                "verdict": row.number.verdict,
                "reason": row.number.reason or None,
                "ledger": row.number.as_text or None,
                "value": row.number.main,
                "std": row.number.spread,
                "runs": row.number.size,
                "new_text": row.text if row.is_rewritten else None,
                "new_target": row.target if row.is_rewritten else None,
            }
            for row in report.rows
        ],
    }


def _say_runs(layout: Layout, done: Renumbering) -> None:
    """Name the runs that are linked to the old id; a link is a fact that nobody else may change."""
    from aexp.runs.lookup import all_runs

    key = f"{done.kind}_id"
    views = [view for view in all_runs(layout) if view.link.get(key) == done.old_id]
    paths = {view.job_id: view.link.get("experiment_path") for view in views}
    views = [view for view in views if paths[view.job_id] not in done.twins]
    ours = [view for view in views if paths[view.job_id] == done.old_path or not done.twins]
    unsure = [view for view in views if view not in ours]
    if ours:
        say(f"{_count(len(ours))} linked to it as {done.old_id}; where they were made, run:")
    for view in ours:
        say(_link_command(view, done))
    if unsure:
        say(f"{_count(len(unsure))} linked to {done.old_id}, it or another; for those of this one:")
    for view in unsure:
        say(_link_command(view, done))


def _link_command(view: RunView, done: Renumbering) -> str:
    """Return the command that links a run anew, with the machine that has the run."""
    experiment = done.new_id if done.kind == "experiment" else view.experiment_id
    there = view.record is None and view.entry is not None
    where = f"   (on {view.machine})" if there else ""
    return f"  aexp link {view.job_id} --experiment {experiment}{where}"


def _count(number: int) -> str:
    return "1 run is" if number == 1 else f"{number} runs are"


def _from_root(layout: Layout, artifact: str) -> str:
    """Return an existing file's path relative to the root, and anything else as it is."""
    path = Path(os.path.abspath(artifact))
    if not path.is_file():
        return artifact
    return layout.relative(Path(os.path.realpath(path.parent)) / path.name)
