"""Options and arguments that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

from aexp.cli.declare import Argument, Option

TableFormat = Annotated[
    Literal["table", "json"], Option("--format", help="How to show the result.")
]
TextFormat = Annotated[Literal["text", "json"], Option("--format", help="How to show the result.")]

RunId = Annotated[str, Argument(help="A run id, or the beginning of one.", metavar="RUN")]
RunIds = Annotated[list[str], Argument(help="Run ids, or the beginnings of some.", metavar="RUN")]

OneExperiment = Annotated[
    str, Option("--experiment", "-e", metavar="ID", help="The experiment, such as E001.")
]
Experiment = Annotated[
    str | None,
    Option("--experiment", "-e", metavar="ID", help="The experiment, such as E001."),
]
Hypothesis = Annotated[
    str | None,
    Option("--hypothesis", metavar="ID", help="The hypothesis, when not the experiment's."),
]
SubHypothesis = Annotated[
    str | None,
    Option("--sub-hypothesis", metavar="ID", help="A part of the hypothesis."),
]
AllowMissing = Annotated[
    bool, Option("--allow-missing", help="Accept an experiment that has no file yet.")
]

Sp = Annotated[
    list[str] | None,
    Option("--sp", metavar="K=V,…", help="State point: key=value,key=value; may be repeated."),
]
NoCommit = Annotated[
    bool, Option("--no-commit", help="Leave the state of the code out of the state point.")
]

MachineLabel = Annotated[
    str | None,
    Option("--machine-label", metavar="NAME", help="The machine label to put on entries."),
]
DryRun = Annotated[bool, Option("--dry-run", "-n", help="Show what would be done, and do nothing.")]
RegistryRoot = Annotated[
    str | None,
    Option("--root", metavar="DIR", help="Another registry than this repository's."),
]
