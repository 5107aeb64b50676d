"""Commands that make artifacts: ``new-hypothesis``, ``new-experiment``, ``new-finding``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Group, Option
from aexp.cli.output import say

if TYPE_CHECKING:
    from aexp.kb import Created
    from aexp.repo import Layout

_Title = Annotated[str, Option("--title", metavar="TEXT", help="What it is about, in one line.")]
_Hypothesis = Annotated[
    str, Option("--hypothesis", metavar="ID", help="Its hypothesis, such as H001.")
]
_Id = Annotated[
    str | None,
    Option("--id", metavar="ID", help="The id to use instead of the next free one."),
]


def new_hypothesis(title: _Title, artifact_id: _Id = None) -> None:
    """Make a hypothesis in kb/research/hypotheses."""
    from aexp.kb import create_hypothesis
    from aexp.repo import open_layout

    layout = open_layout()
    created = create_hypothesis(layout, title=title, artifact_id=artifact_id)
    _show(layout, "hypothesis", created)


def new_experiment(title: _Title, hypothesis: _Hypothesis, artifact_id: _Id = None) -> None:
    """Make an experiment in kb/research/experiments that tests a hypothesis."""
    from aexp.kb import create_experiment
    from aexp.repo import open_layout

    layout = open_layout()
    created = create_experiment(layout, title=title, hypothesis=hypothesis, artifact_id=artifact_id)
    _show(layout, "experiment", created)


def new_finding(
    title: _Title,
    hypothesis: _Hypothesis,
    experiment: Annotated[
        str,
        Option(
            "--experiment", "-e", metavar="ID", help="The experiment it comes from, such as E001."
        ),
    ],
    run: Annotated[
        list[str] | None,
        Option(
            "--run",
            metavar="RUN",
            help="A run that shows it, by id or its first digits; repeatable.",
        ),
    ] = None,
    batch: Annotated[
        list[str] | None,
        Option(
            "--batch",
            metavar="BATCH",
            help="All runs of an experiment that match: 'E001?condition=full&seed=0'; repeatable.",
        ),
    ] = None,
    impact: Annotated[
        str, Option("--impact", metavar="LEVEL", help="CRITICAL, HIGH, MEDIUM or LOW.")
    ] = "MEDIUM",
    artifact_id: _Id = None,
) -> None:
    """Make a finding in kb/research/findings, with the runs that show it."""
    from aexp.kb import create_finding
    from aexp.repo import open_layout

    layout = open_layout()

    def resolve_run(text: str) -> str:
        from aexp.runs.lookup import resolve_run_id

        return resolve_run_id(layout, text)

    created = create_finding(
        layout,
        title=title,
        hypothesis=hypothesis,
        experiment=experiment,
        impact=impact,
        runs=run or (),
        batches=batch or (),
        resolve_run=resolve_run,
        artifact_id=artifact_id,
    )
    _show(layout, "finding", created)


def _show(layout: Layout, kind: str, created: Created) -> None:
    say(f"created {kind} {created.id}: {layout.relative(created.path)}")
    for path in created.patched:
        say(f"  linked from {layout.relative(path)}")


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("new-hypothesis")(new_hypothesis)
    app.command("new-experiment")(new_experiment)
    app.command("new-finding")(new_finding)
