"""``aexp feature``: named values of the things that data sets are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import TableFormat, TextFormat
from aexp.cli.output import count, note, say, say_json, table
from aexp.errors import PartialFailureError, UsageError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.data.feature_values import FeatureValue, FoundValues, Tally
    from aexp.model.feature import FeatureDefinition

_Target = Annotated[
    str,
    Argument(help="The kind of thing that it describes, such as Image.", metavar="TARGET"),
]
_Name = Annotated[str, Argument(help="The feature's name.", metavar="NAME")]
_SHORT = 8


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group(
        "feature", "Features: typed values of things, such as a grade for each image, by execution."
    )
    group.command("create")(create)
    group.command("list")(list_features)
    group.command("show")(show)
    group.command("values")(values)
    app.add(group)


def create(
    target: _Target,
    name: _Name,
    column: Annotated[
        list[str],
        Option(
            "--column",
            metavar="NAME=TYPE",
            help="A column and what it holds: str, int, float, bool, term:Mild,Severe or"
            " asset:Mask; `float?` or `term?:a,b` may be left out. May be repeated.",
        ),
    ],
    description: Annotated[
        str, Option("--description", metavar="TEXT", help="What it means.")
    ] = "",
) -> None:
    """Define a feature: which values executions may give to each thing of a kind.

    Its record goes into the ledger, and never changes; to define it again unchanged is no harm.
    """
    from aexp.data.features import create_feature
    from aexp.ledger.features import feature_path

    layout = open_layout()
    columns: dict[str, str] = {}
    for text in column:
        key, equals, type_text = text.partition("=")
        if not equals or key.strip() in columns:
            problem = "stands here twice" if equals else "names no type"
            raise UsageError(f"--column {text} {problem}", hint="write it like score=float")
        columns[key.strip()] = type_text
    made = create_feature(layout, target, name, columns, description=description)
    path = layout.relative(feature_path(layout, target, name))
    say(f"feature {made.definition.key}: {path}")
    say("share it with `aexp sync`")


def list_features(format: TableFormat = "table") -> None:
    """List the features, and how many values the ledger names of each."""
    from aexp.data.feature_values import Tally, tallies
    from aexp.ledger.features import read_features
    from aexp.registry import open_registry
    from aexp.tree import WorkTree

    layout = open_for_reading()
    files, problems = read_features(WorkTree(layout.root, has_git=layout.git_dir is not None))
    counted = tallies(layout, open_registry(layout)) if files else {}
    rows = [(f.definition, counted.get(f.definition.key, Tally())) for f in files]
    if format == "json":
        say_json([_as_json(definition, tally) for definition, tally in rows])
    elif not rows:
        say("no features: make one with `aexp feature create TARGET NAME --column NAME=TYPE`")
    else:
        table(
            ("TARGET", "FEATURE", "COLUMNS", "VALUES", "EXECUTIONS"),
            [
                (d.target, d.name, _columns(d), str(t.values), str(len(t.executions)))
                for d, t in rows
            ],
        )
    for problem in problems:
        note(f"{problem.path}: {problem.message}")


def show(target: _Target, name: _Name, format: TextFormat = "text") -> None:
    """Show what a feature is, and which executions gave values."""
    from aexp.data.feature_values import Tally, tallies
    from aexp.ledger.features import read_feature
    from aexp.registry import open_registry

    layout = open_for_reading()
    definition = read_feature(layout, target, name)
    tally = tallies(layout, open_registry(layout)).get(definition.key, Tally())
    if format == "json":
        say_json(_as_json(definition, tally))
        return
    say(f"feature      {definition.key}")
    if definition.description:
        say(f"description  {definition.description}")
    values = "no values yet"
    if tally.values:
        executions = count(len(tally.executions), "execution")
        values = f"{count(tally.values, 'value')} of {executions}"
    say(f"values       {values}")
    for execution in tally.executions:
        say(f"  {execution}")
    say()
    rows = [(definition.target, "str", "which one"), *_rows(definition)]
    table(("COLUMN", "TYPE", ""), rows)


def values(
    target: _Target,
    name: _Name,
    latest: Annotated[
        bool, Option("--latest", help="Only the newest value of each thing.")
    ] = False,
    execution: Annotated[
        str | None,
        Option("--execution", metavar="RUN", help="Only the values of this execution."),
    ] = None,
    format: TableFormat = "table",
) -> None:
    """List the published values of a feature, the newest last, each with its execution.

    Only what a ledger entry names counts. Values of other machines are fetched with `aexp pull`.
    """
    from aexp.data.feature_values import find_values, how_to_pull
    from aexp.registry import open_registry
    from aexp.runs.lookup import resolve_run_id

    layout = open_for_reading()
    only = None if execution is None else resolve_run_id(layout, execution)
    found = find_values(layout, open_registry(layout), target, name, only)
    shown = found.latest() if latest else found.values
    if format == "json":
        say_json([value.to_json() for value in shown])
    elif shown:
        _say_values(found, shown)
    elif not found.absent:
        say(f"no values of {found.definition.key} have been published")
    if found.absent:
        missing = [absent.execution for absent in found.absent]
        known = sum(absent.count or 0 for absent in found.absent)
        what = count(known, "value") if known else "values"
        raise PartialFailureError(
            f"{what} of {count(len(set(missing)), 'execution')} cannot be shown: the bytes are"
            " not here",
            hint=how_to_pull(missing),
        )


def _say_values(found: FoundValues, shown: list[FeatureValue]) -> None:
    names = [column.name for column in found.definition.columns]
    table(
        (found.definition.target, *names, "EXECUTION"),
        [
            (value.target, *(_cell(value[name]) for name in names), value.execution[:_SHORT])
            for value in shown
        ],
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _columns(definition: FeatureDefinition) -> str:
    return ", ".join(column.name for column in definition.columns)


def _rows(definition: FeatureDefinition) -> list[tuple[str, str, str]]:
    return [
        (column.name, column.type_text, "may be left out" if column.optional else "")
        for column in definition.columns
    ]


def _as_json(definition: FeatureDefinition, tally: Tally) -> dict[str, Any]:
    return {
        **definition.to_json(),
        "description": definition.description,
        "values": tally.values,
        "executions": tally.executions,
    }
