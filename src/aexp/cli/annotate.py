"""Commands that add to a run what people know of it: tag, note, bind-tracker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import RunId, RunIds
from aexp.cli.output import note as warn
from aexp.cli.output import say
from aexp.errors import AexpError, PartialFailureError
from aexp.repo import Layout, open_layout

if TYPE_CHECKING:
    from aexp.runs.annotate import Annotated as Done


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("tag")(tag)
    app.command("note")(note)
    app.command("bind-tracker")(bind_tracker)


def tag(
    run_ids: RunIds,
    add: Annotated[list[str] | None, Option("--add", help="A tag to add; may be repeated.")] = None,
    remove: Annotated[
        list[str] | None, Option("--remove", help="A tag to remove; may be repeated.")
    ] = None,
) -> None:
    """Add tags to runs or remove some; without either, print the tags."""
    from aexp.runs.annotate import check_tag

    layout = open_layout()
    for text in add or ():
        check_tag(text)
    _each(run_ids, lambda run_id: _tag_one(layout, run_id, add or (), remove or ()))


def _tag_one(layout: Layout, run_id: str, add: Sequence[str], remove: Sequence[str]) -> None:
    from aexp.model.project import tags_of
    from aexp.runs.annotate import change_tags
    from aexp.runs.lookup import resolve_local_id, resolve_run_id, view_of

    if not add and not remove:
        view = view_of(layout, resolve_run_id(layout, run_id))
        say(f"{view.job_id[:8]}: {', '.join(tags_of({'tags': view.field('tags')})) or 'no tags'}")
        return
    done = change_tags(layout, resolve_local_id(layout, run_id), add=add, remove=remove)
    say(f"{done.job_id[:8]}: {', '.join(done.tags) or 'no tags'}")
    _say_entry(layout, done)


def note(
    run_id: RunId,
    text: Annotated[str, Argument(help="The note; an empty one removes it.")],
    append: Annotated[
        bool, Option("--append", help="Add the text below the note that is there.")
    ] = False,
) -> None:
    """Write a note on a run; its ledger entry follows when the run has ended."""
    from aexp.runs.annotate import set_note
    from aexp.runs.lookup import resolve_local_id

    layout = open_layout()
    done = set_note(layout, resolve_local_id(layout, run_id), text, append=append)
    said = "has this note already" if done.note else "has no note"
    if done.changed:
        said = "has a new note" if done.note else "has no note any more"
    say(f"run {done.job_id[:8]} {said}")
    _say_entry(layout, done)


def bind_tracker(
    run_id: RunId,
    backend: Annotated[
        str, Option("--backend", help="The other tracker, such as wandb or mlflow.")
    ],
    tracker_run: Annotated[str, Option("--run-id", help="The run's id there.")],
    url: Annotated[str | None, Option("--url", help="The run's page there.")] = None,
    project: Annotated[str | None, Option("--project", help="The project there.")] = None,
    group: Annotated[str | None, Option("--group", help="The group there.")] = None,
) -> None:
    """Store where another tracker keeps this run; its ledger entry follows."""
    from aexp.runs.annotate import bind_run
    from aexp.runs.lookup import resolve_local_id

    layout = open_layout()
    done = bind_run(
        layout,
        resolve_local_id(layout, run_id),
        backend=backend,
        run_id=tracker_run,
        url=url,
        project=project,
        group=group,
    )
    say(f"run {done.job_id[:8]} is {tracker_run.strip()} of {backend.strip()}")
    _say_entry(layout, done)


def _each(run_ids: Sequence[str], do: Callable[[str], None]) -> None:
    """Do it for each run; of several, one that fails never stops the rest.

    Raises:
        AexpError: the only run failed.
        PartialFailureError: some of several failed.
    """
    if len(run_ids) == 1:
        do(run_ids[0])
        return
    failed = 0
    for run_id in dict.fromkeys(run_ids):
        try:
            do(run_id)
        except AexpError as error:
            warn(f"failed: {run_id[:32]}: {error.message}")
            failed += 1
    if failed:
        raise PartialFailureError(
            f"{failed} of {len(run_ids)} runs failed; the rest was done",
            hint="see the lines above",
        )


def _say_entry(layout: Layout, done: Done) -> None:
    if done.promotion is not None and done.changed:
        path = layout.relative(done.promotion.path)
        say(f"  ledger entry {done.promotion.outcome}: {path}")
    for name in done.hidden:
        warn(
            f"warning: the {name.removesuffix('s')} holds a path of this machine or credentials;"
            " the ledger shows it without them"
        )
