"""Asking ledger and run store: which runs, in which order, with which columns (LED-11)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from aexp.errors import UsageError
from aexp.model.aggregate import STATISTICS, number_of
from aexp.model.canonical import Json
from aexp.model.citation import MISSING, value_key
from aexp.model.filter import Compare, Filter, Name, Value, format_name, names_of, parse_filter
from aexp.model.filter_eval import Field, compile_filter
from aexp.model.ordering import order_key, sort_rows, time_key
from aexp.model.status import RETRACTED, STATUSES
from aexp.model.terms import Term, parse_names, parse_statistics, parse_terms
from aexp.queries.fields import (
    FIELDS,
    Facts,
    attempts_of,
    columns_of,
    is_known,
    is_of_heads,
    near_names,
    presentable,
    resolve,
)
from aexp.repo import Layout
from aexp.runs.lookup import all_runs

USUAL: Final = (
    *("job_id", "experiment", "hypothesis", "status", "where", "machine"),
    *("started_at", "ended_at", "wallclock_s", "tags"),
)
"""The columns that come before the state point, parameters and metrics when none are chosen."""

Row = dict[str, Json]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        where: the filter; None for every run.
        sort: by which fields, the first one first.
        columns: which fields; empty for the usual ones and all there are.
        limit: at most so many rows.
        group_by: the fields whose values make a group; empty for none.
        stats: the statistics of each group.
        attempts: whether every attempt of a run is a row.
    """

    where: Filter | None = None
    sort: tuple[Term, ...] = ()
    columns: tuple[Name, ...] = ()
    limit: int | None = None
    group_by: tuple[Name, ...] = ()
    stats: tuple[Term, ...] = ()
    attempts: bool = False

    @property
    def is_grouped(self) -> bool:
        """Whether the rows are groups."""
        return bool(self.group_by or self.stats)


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes:
        columns: the names of the columns, in order.
        rows: by column; None for what a run does not have.
        facts: the run behind each row; empty for groups.
        warnings: one line for each name or value that no run has.
    """

    columns: list[str]
    rows: list[Row]
    facts: list[Facts] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def make_question(
    *,
    where: str | None = None,
    sort: str | Iterable[str] | None = None,
    columns: str | Iterable[str] | None = None,
    limit: int | None = None,
    group_by: str | Iterable[str] | None = None,
    stats: str | Iterable[str] | None = None,
    attempts: bool = False,
) -> Question:
    """Return the question that texts spell, in the language of the reference page.

    Raises:
        UsageError: one of them does not follow the language, or they do not go together.
    """
    if limit is not None and (isinstance(limit, bool) or limit < 1):
        raise UsageError(f"a limit of {limit} shows nothing", hint="give a number from 1 on")
    asked = Question(
        where=None if where is None else parse_filter(where),
        sort=tuple(t for text in _texts(sort) for t in parse_terms(text)),
        columns=tuple(n for text in _texts(columns) for n in parse_names(text)),
        limit=limit,
        group_by=tuple(n for text in _texts(group_by) for n in parse_names(text)),
        stats=tuple(t for text in _texts(stats) for t in parse_statistics(text)),
        attempts=attempts,
    )
    if asked.is_grouped and asked.columns:
        raise UsageError(
            "groups have the columns they are grouped by and their statistics",
            hint="leave the columns out, or the grouping",
        )
    if not asked.is_grouped and (odd := [t for t in asked.sort if t.statistic]):
        raise UsageError(
            f"{odd[0].column} is a statistic, and there are no groups",
            hint="group by a field to sort by a statistic",
        )
    return asked


def _texts(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def ask(layout: Layout, question: Question) -> Answer:
    """Answer a question over every run of ledger and run store. Reads only.

    Raises:
        UsageError: groups are sorted by a column that they do not have, or a time is compared
            with what is no time.
    """
    test = None if question.where is None else compile_filter(question.where, resolve)
    views = list(all_runs(layout, bodies=not _is_of_heads(question)))
    if question.attempts:
        every = [row for view in views for row in attempts_of(view)]
    else:
        every = [Facts(view) for view in views]
    rows = every if test is None else list(filter(test, every))
    warnings = [*_unknown_names(question, every), *_unknown_statuses(question.where)]
    if question.is_grouped:
        columns, found = _grouped(question, rows)
        return Answer(columns, found[: question.limit], [], warnings)
    rows = _sorted(question, rows)[: question.limit]
    names = list(question.columns) or default_columns(rows)
    columns = list(dict.fromkeys(format_name(name.parts) for name in names))
    getters = {format_name(name.parts): resolve(name).get for name in names}
    cells = [{key: presentable(get(row)) for key, get in getters.items()} for row in rows]
    return Answer(columns, cells, rows, warnings)


def _is_of_heads(question: Question) -> bool:
    """Return whether groups are asked for of which the heads of the runs tell everything."""
    names = [*question.group_by, *(term.name for term in question.stats)]
    names += [] if question.where is None else names_of(question.where)
    return question.is_grouped and not question.attempts and all(map(is_of_heads, names))


def default_columns(rows: Sequence[Facts]) -> list[Name]:
    """Return the usual columns, then every key of state points, parameters and metrics."""
    groups = ("sp", "params", "metrics")
    found = [name for group in groups for name in columns_of(rows, group)]
    return [Name((key,)) for key in USUAL] + [
        n for n in found if n.parts != ("sp", "experiment_id")
    ]


# --- order -----------------------------------------------------------------------------------


def _sorted(question: Question, rows: list[Facts]) -> list[Facts]:
    if not question.sort:
        for name in ("started_at", "experiment"):  # as `aexp list-runs` has them
            rows = _by(rows, FIELDS[name], descending=False)
        return rows
    for term in reversed(question.sort):
        rows = _by(rows, resolve(term.name), descending=term.descending)
    return rows


def _by(rows: list[Facts], known: Field, *, descending: bool) -> list[Facts]:
    key = time_key if known.kind == "time" else order_key
    return sort_rows(rows, known.get, descending=descending, key=key)


# --- groups ----------------------------------------------------------------------------------


def _grouped(question: Question, rows: Sequence[Facts]) -> tuple[list[str], list[Row]]:
    keys = {format_name(name.parts): resolve(name) for name in question.group_by}
    groups: dict[tuple[Hashable, ...], tuple[list[Any], list[Facts]]] = {}
    for row in rows:
        values = [known.get(row) for known in keys.values()]
        identity = tuple(map(_identity, values))
        groups.setdefault(identity, (values, []))[1].append(row)
    if not keys and not groups:
        groups[()] = ([], [])
    size = _free_name("attempts" if question.attempts else "runs", keys)
    columns = [*keys, size, *dict.fromkeys(term.column for term in question.stats)]
    stats = [(term, resolve(term.name).get) for term in question.stats]
    found: list[Row] = []
    for values, members in groups.values():
        shown: Row = {key: presentable(value) for key, value in zip(keys, values, strict=True)}
        shown[size] = len(members)
        shown.update(_statistics(stats, members))
        found.append(shown)
    return columns, _sorted_groups(question, keys, columns, found)


def _identity(value: Any) -> Hashable:
    """Return what is equal for values of one group; NaN is one group, and so is "missing"."""
    if value is None or value is MISSING:
        return MISSING
    if isinstance(value, float) and value != value:
        return (float, "NaN")
    try:
        return value_key(value)
    except RecursionError:
        return (object, id(value))


def _free_name(name: str, taken: Iterable[str]) -> str:
    return _free_name(f"{name}_", taken) if name in taken else name


def _statistics(
    stats: Sequence[tuple[Term, Callable[[Facts], Any]]], members: Sequence[Facts]
) -> Row:
    values: dict[Name, list[int | float]] = {}
    found: Row = {}
    for term, get in stats:
        if term.name not in values:
            numbers = (number_of(get(row)) for row in members)
            values[term.name] = [number for number in numbers if number is not None]
        found[term.column] = STATISTICS[term.statistic](values[term.name])
    return found


def _sorted_groups(
    question: Question, keys: dict[str, Field], columns: Sequence[str], rows: list[Row]
) -> list[Row]:
    terms = (*question.sort, *(Term(name) for name in question.group_by))
    for term in reversed(terms):
        if term.column not in columns:
            raise UsageError(
                f"groups have no column {term.column}", hint="one of: " + ", ".join(columns)
            )
        known = keys.get(term.column)
        key = time_key if known is not None and known.kind == "time" else order_key
        column = term.column
        rows = sort_rows(rows, lambda row: row[column], descending=term.descending, key=key)  # noqa: B023
    return rows


# --- what no run has -------------------------------------------------------------------------


def _unknown_names(question: Question, rows: Sequence[Facts]) -> list[str]:
    asked = names_of(question.where) if question.where is not None else []
    asked += [*question.columns, *question.group_by, *(term.name for term in question.stats)]
    if not question.is_grouped:
        asked += [term.name for term in question.sort]
    texts = _bare_texts(question.where)
    warnings = []
    for name in dict.fromkeys(asked):
        get = resolve(name).get
        if is_known(name) or not rows or any(get(row) is not MISSING for row in rows):
            continue
        shown = format_name(name.parts)
        near = near_names(name, rows)
        hints = [f"did you mean {' or '.join(near)}?"] if near else []
        if name in texts:
            hints.append(f"text stands in quotes: '{shown}'")
        warnings.append(f"no run has a field {shown}" + "".join(f"; {h}" for h in hints))
    return warnings


def _bare_texts(node: Filter | None) -> set[Name]:
    """Return names that stand where a value is usual: ``status = complete``."""
    return {
        part.right
        for part in _comparisons(node)
        if isinstance(part.right, Name) and isinstance(part.left, Name)
    }


def _unknown_statuses(node: Filter | None) -> list[str]:
    known = [*STATUSES, RETRACTED, "damaged"]
    warnings = []
    for part in _comparisons(node):
        sides = (part.left, part.right)
        named = any(isinstance(side, Name) and side.parts == ("status",) for side in sides)
        for side in sides:
            text = side.value if isinstance(side, Value) else None
            if named and isinstance(text, str) and text not in known:
                near = get_close_matches(text, known, n=1, cutoff=0.5)
                hint = f"did you mean '{near[0]}'?" if near else "one of: " + ", ".join(known)
                warnings.append(f"no run has the status {text!r}; {hint}")
    return warnings


def _comparisons(node: Any) -> list[Compare]:
    if isinstance(node, Compare):
        return [node]
    parts = getattr(node, "parts", None) or [p for p in (getattr(node, "inner", None),) if p]
    return [found for part in parts for found in _comparisons(part)]
