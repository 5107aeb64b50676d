"""Options and arguments that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

TableFormat = Annotated[
    Literal["table", "json"], typer.Option("--format", help="How to show the result.")
]
TextFormat = Annotated[
    Literal["text", "json"], typer.Option("--format", help="How to show the result.")
]

RunId = Annotated[str, typer.Argument(help="A run id, or the beginning of one.", metavar="RUN")]
RunIds = Annotated[
    list[str], typer.Argument(help="Run ids, or the beginnings of some.", metavar="RUN")
]

OneExperiment = Annotated[
    str, typer.Option("--experiment", "-e", metavar="ID", help="The experiment, such as E001.")
]
Experiment = Annotated[
    str | None,
    typer.Option("--experiment", "-e", metavar="ID", help="The experiment, such as E001."),
]
Hypothesis = Annotated[
    str | None,
    typer.Option("--hypothesis", metavar="ID", help="The hypothesis, when not the experiment's."),
]
SubHypothesis = Annotated[
    str | None,
    typer.Option("--sub-hypothesis", metavar="ID", help="A part of the hypothesis."),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Accept an experiment that has no file yet.")
]

Sp = Annotated[
    list[str] | None,
    typer.Option(
        "--sp", metavar="K=V,…", help="State point: key=value,key=value; may be repeated."
    ),
]
NoCommit = Annotated[
    bool, typer.Option("--no-commit", help="Leave the state of the code out of the state point.")
]

MachineLabel = Annotated[
    str | None,
    typer.Option("--machine-label", metavar="NAME", help="The machine label to put on entries."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Show what would be done, and do nothing.")
]
RegistryRoot = Annotated[
    str | None,
    typer.Option("--root", metavar="DIR", help="Another registry than this repository's."),
]
