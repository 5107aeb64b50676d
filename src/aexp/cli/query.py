"""Commands that ask: ledger query, ledger stats, diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from aexp.cli.declare import Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import RunId, TableFormat, TextFormat
from aexp.cli.output import count, note, say, say_json, table
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.queries.diff import Difference, Section
    from aexp.queries.stats import LedgerStats


SHOWN = 6
"""How many experiments, machines and the like are named on one line."""


def register(app: Group) -> None:
    """Add the command about runs to ``app``."""
    app.command("diff")(diff)


def register_ledger(group: Group) -> None:
    """Add these commands to the group ``aexp ledger``."""
    group.command("query")(query)
    group.command("stats")(stats)


def query(
    where: Annotated[
        str | None,
        Option(
            "--where",
            metavar="FILTER",
            help="Only runs that are meant: lr < 0.01 and status = 'complete'.",
        ),
    ] = None,
    sort: Annotated[
        list[str] | None,
        Option("--sort", metavar="FIELD,…", help="Order by fields; -FIELD has the greatest first."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        Option("--columns", metavar="FIELD,…", help="Which fields to show."),
    ] = None,
    limit: Annotated[
        int | None, Option("--limit", min=1, metavar="N", help="At most N rows.")
    ] = None,
    group_by: Annotated[
        list[str] | None,
        Option("--group-by", metavar="FIELD,…", help="Make one row of runs that agree in these."),
    ] = None,
    stat: Annotated[
        list[str] | None,
        Option(
            "--stat",
            metavar="FIELD:NAME,…",
            help="Statistics of a group: n, mean, std, min, max, median.",
        ),
    ] = None,
    attempts: Annotated[
        bool, Option("--attempts", help="A row for each attempt, not for each run.")
    ] = False,
    format: Annotated[
        Literal["table", "json", "jsonl", "csv", "markdown"],
        Option("--format", help="How to show the result."),
    ] = "table",
) -> None:
    """Ask the ledger and this machine's runs: filter, sort, choose columns, group.

    A FIELD is a key of the state point, metrics.NAME (also with .min and .max), params.NAME,
    status, experiment, machine, where, tags, note, started_at, ended_at, wallclock_s and others. A
    FILTER compares fields with = != < <= > >= in (1, 2), like 'a*', contains, is null, is nan,
    joined by and, or, not and parentheses. To find no run is no error.
    """
    from aexp.cli import query_output
    from aexp.queries.asking import ask, make_question

    question = make_question(
        where=where,
        sort=sort,
        columns=columns,
        limit=limit,
        group_by=group_by,
        stats=stat,
        attempts=attempts,
    )
    answer = ask(open_for_reading(), question)
    for line in answer.warnings:
        note(f"warning: {line}")
    if format == "json":
        say_json(answer.rows)
    elif format == "jsonl":
        query_output.say_json_lines(answer)
    elif format == "csv":
        query_output.say_csv(answer)
    elif not answer.rows:
        say("no runs")
    elif format == "markdown":
        query_output.say_markdown(answer)
    else:
        query_output.say_table(question, answer)


def diff(
    first: RunId,
    second: RunId,
    format: TextFormat = "text",
) -> None:
    """Show what differs between two runs; what is equal is only counted."""
    from aexp.queries.diff import as_json, compare_runs
    from aexp.queries.fields import Facts
    from aexp.runs.lookup import resolve_run_id, view_of

    layout = open_for_reading()
    views = [view_of(layout, resolve_run_id(layout, text)) for text in (first, second)]
    sections = compare_runs(Facts(views[0]), Facts(views[1]))
    if format == "json":
        say_json(
            {
                "first": views[0].job_id,
                "second": views[1].job_id,
                "sections": as_json(sections),
            }
        )
        return
    for name, view in zip(("first", "second"), views, strict=True):
        facts = (view.experiment_id or "no experiment", view.status, view.machine)
        say(f"{name + ':':<8} {view.job_id}  {'  '.join(fact for fact in facts if fact)}")
    for section in sections:
        _say_section(section)
    if not any(section.differences for section in sections):
        say("nothing differs")


_TITLES = {"statepoint": "state point", "params": "parameters"}


def _say_section(section: Section) -> None:
    from aexp.cli.query_output import shown

    title = _TITLES.get(section.name, section.name)
    equal = f"{section.equal} equal"
    if not section.differences:
        say(f"{title}: {equal}")
        return
    say(f"{title}: {count(len(section.differences), 'difference')}, {equal}")
    rows = [
        [found.name, shown(found.first), shown(found.second), _change(found)]
        for found in section.differences
    ]
    table(
        ["", "FIRST", "SECOND", "CHANGE" if any(row[3] for row in rows) else ""], rows, indent="  "
    )


def _change(found: Difference) -> str:
    if found.absolute is None:
        return ""
    relative = "" if found.relative is None else f" ({found.relative:+.3g})"
    if found.relative is not None and abs(found.relative) < 10:
        relative = f" ({100 * found.relative:+.3g} %)"
    return f"{found.absolute:+.4g}{relative}"


def stats(format: TableFormat = "table") -> None:
    """Say how large the ledger is, what it holds, and whether it has outgrown one folder."""
    from aexp.queries.stats import ledger_stats

    found = ledger_stats(open_layout())
    if format == "json":
        say_json(found.to_json())
        return
    _say_stats(found)


def _say_stats(found: LedgerStats) -> None:
    from aexp.queries.stats import FLAT_LIMIT

    retracted = f", {found.retracted} retracted" if found.retracted else ""
    _fact("entries", f"{found.entries:,}{retracted}")
    _fact("attempts", f"{found.attempts:,}")
    if found.unusable:
        _fact("not usable", f"{count(found.unusable, 'file')}; see `aexp ledger verify`")
    for title, counts in (
        ("status", found.by_status),
        ("machine", found.by_machine),
        ("experiment", found.by_experiment),
    ):
        if counts:
            _fact(title, _listed(counts))
    _fact("size", _size(found.bytes))
    if found.other_files:
        _fact("other files", f"{found.other_files:,} ({_size(found.other_bytes)})")
    _fact("layout", _layout(found))
    if found.largest:
        say("largest entries:")
        for entry in found.largest:
            say(f"  {_size(entry.size):>9}  {entry.path}")
    if found.outgrown:
        say(
            f"more than {FLAT_LIMIT:,} files in one folder slow git down;"
            " `aexp ledger reshard` spreads them over 256 folders"
        )


def _listed(counts: dict[str, int]) -> str:
    """Return the most frequent names with their numbers, and how many more there are."""
    names = [f"{number:,} {name or 'none'}" for name, number in counts.items()]
    if len(names) <= SHOWN + 1:
        return ", ".join(names)
    return ", ".join(names[:SHOWN]) + f", and {len(names) - SHOWN} more"


def _layout(found: LedgerStats) -> str:
    if found.layout == "mixed":
        return f"mixed: {found.flat:,} flat, {found.sharded:,} sharded"
    return found.layout


def _fact(name: str, value: Any) -> None:
    say(f"{name + ':':<13} {value}")


def _size(number: int) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"
