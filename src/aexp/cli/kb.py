"""Commands that mend ``kb/``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aexp.cli.options import DryRun
from aexp.cli.output import note, say
from aexp.repo import Layout, open_layout

if TYPE_CHECKING:
    from aexp.kb.renumber import Renumbering
    from aexp.runs.lookup import RunView


def register(app: typer.Typer) -> None:
    """Add this group's commands to ``app``."""
    group = typer.Typer(
        name="kb", help="Mend hypotheses, experiments and findings.", no_args_is_help=True
    )
    group.callback()(_group)
    group.command("renumber")(renumber)
    app.add_typer(group)


def _group() -> None:
    """Mend hypotheses, experiments and findings."""


def renumber(
    artifact: Annotated[
        str,
        typer.Argument(
            help="A path, a file name such as F002-words, or an id.", metavar="ARTIFACT"
        ),
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="The new id; the next free one when left out.")
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
