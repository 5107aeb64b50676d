"""The fields of a run that can be asked for, and how a name finds its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

from aexp.model.canonical import NONFINITE, Json
from aexp.model.citation import MISSING
from aexp.model.entry import take_apart
from aexp.model.filter import Name, format_name
from aexp.model.filter_eval import Field
from aexp.model.project import note_of, tags_of
from aexp.model.statepoint import point_id
from aexp.model.status import RETRACTED
from aexp.runs.view import RunView

Parts = tuple[str, ...]

MAX_NESTING: Final = 100
TOO_DEEP: Final = "(nested too deeply)"
"""Stands for values that are nested deeper than any printer goes."""

MAX_LEVELS: Final = 8
"""How deep a mapping is taken apart into columns; what is deeper stays one value."""


class Facts:
    """One row: a run, or one attempt of it.

    Args:
        view: the run.
        attempt: the fields of the attempt; None for the run with its best one.
    """

    def __init__(self, view: RunView, attempt: Mapping[str, Json] | None = None) -> None:
        self.view = view
        self.attempt = attempt

    def get(self, name: str) -> Any:
        """Return a plain field such as ``ended_by``, or ``MISSING``."""
        known = self.view.field(name) if self.attempt is None else self.attempt.get(name)
        return MISSING if known is None else known

    def mapping(self, name: str) -> Mapping[str, Json]:
        """Return a field that is a mapping; empty when it is none."""
        found = self.get(name)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def statepoint(self) -> Mapping[str, Json]:
        """The state point."""
        return self.view.statepoint

    @cached_property
    def params(self) -> Mapping[str, Json]:
        """Parameters learned during the run."""
        return self.view.params if self.attempt is None else self.mapping("params")

    @cached_property
    def summaries(self) -> Mapping[str, Mapping[str, Json]]:
        """Metrics with their final values and bounds."""
        if self.attempt is None:
            return self.view.summaries
        found = self.mapping("metrics")
        return {name: known for name, known in found.items() if isinstance(known, Mapping)}

    @cached_property
    def finals(self) -> Mapping[str, Json]:
        """The final value of every metric, None where a summary has none."""
        if self.attempt is None:
            return self.view.metrics
        return {name: known.get("value") for name, known in self.summaries.items()}


def attempts_of(view: RunView) -> list[Facts]:
    """Return a row for each attempt of a run, the best first; the one here last if it is new."""
    entry = view.entry
    rows: list[Facts] = []
    if entry is not None and entry["status"] != RETRACTED:
        rows = [Facts(view, attempt) for attempt in take_apart(dict(entry)).attempts]
    here = view.record.document.get("attempt_id") if view.record is not None else None
    known = {row.attempt["attempt_id"] for row in rows if row.attempt is not None}
    if not rows or (here is not None and here not in known):
        rows.append(Facts(view))
    return rows


# --- the fields with names of their own ------------------------------------------------------


def _or_missing(value: Json) -> Any:
    return MISSING if value is None or value == "" else value


def _status(row: Facts) -> Any:
    return row.view.status if row.attempt is None else row.attempt.get("status", MISSING)


def _machine(row: Facts) -> Any:
    if row.attempt is None:
        return _or_missing(row.view.machine)
    return _or_missing(row.attempt.get("registered_machine"))


def _link(key: str) -> Callable[[Facts], Any]:
    return lambda row: _or_missing(row.view.link.get(key))


def _plain(key: str) -> Callable[[Facts], Any]:
    return lambda row: row.get(key)


def _code(key: str) -> Callable[[Facts], Any]:
    def get(row: Facts) -> Any:
        found = row.statepoint.get(key)
        return row.view.field(key) if found is None else found

    return lambda row: _or_missing(get(row))


def _point(row: Facts) -> Any:
    try:
        return point_id(row.statepoint)
    except ValueError:  # 0.6.x took NaN into state points, which then have no canonical form
        return MISSING


def _attempts(row: Facts) -> Any:
    return len(attempts_of(row.view))


def _attachments(row: Facts) -> list[str]:
    found = row.get("attachments")
    items = found if isinstance(found, list) else []
    return sorted(
        {str(item["name"]) for item in items if isinstance(item, dict) and "name" in item}
    )


FIELDS: Final[dict[str, Field]] = {
    "job_id": Field(lambda row: row.view.job_id),
    "experiment": Field(_link("experiment_id")),
    "hypothesis": Field(_link("hypothesis_id")),
    "sub_hypothesis": Field(_link("sub_hypothesis_id")),
    "status": Field(_status),
    "ended_by": Field(_plain("ended_by")),
    "where": Field(lambda row: row.view.where),
    "machine": Field(_machine),
    "started_at": Field(_plain("started_at"), "time"),
    "ended_at": Field(_plain("ended_at"), "time"),
    "wallclock_s": Field(_plain("wallclock_s")),
    "tags": Field(lambda row: tags_of({"tags": _none(row.get("tags"))}), "set"),
    "note": Field(lambda row: _or_missing(note_of({"note": _none(row.get("note"))}))),
    "code_commit": Field(_code("code_commit")),
    "code_dirty": Field(_code("code_dirty")),
    "attempt_id": Field(_plain("attempt_id")),
    "attempts": Field(_attempts),
    "attachments": Field(_attachments, "set"),
    "point_id": Field(_point),
    "promoted_at": Field(_plain("promoted_at"), "time"),
    "problem": Field(lambda row: _or_missing(row.view.problem)),
}
"""By name. They win over keys of the state point, which ``sp.`` reaches all the same."""

ALIASES: Final = {
    "run": "job_id",
    "experiment_id": "experiment",
    "hypothesis_id": "hypothesis",
    "sub_hypothesis_id": "sub_hypothesis",
    "registered_machine": "machine",
}

_GROUPS: Final[dict[str, Callable[[Facts], Mapping[str, Json]]]] = {
    "sp": lambda row: row.statepoint,
    "params": lambda row: row.params,
    "environment": lambda row: row.mapping("environment"),
    "tracker": lambda row: row.mapping("tracker"),
    "error": lambda row: row.mapping("error"),
}
_SUMMARY: Final = ("value", "min", "max", "step", "count")


def _none(value: Any) -> Json:
    return None if value is MISSING else value


def resolve(name: Name) -> Field:
    """Return the field of a name: a known one, one of a group, else a key of the state point."""
    parts = name.parts
    if len(parts) == 1:
        known = FIELDS.get(ALIASES.get(parts[0], parts[0]))
        if known is not None:
            return known
    elif parts[0] == "metrics":
        return Field(_metric(parts[1:]))
    elif parts[0] in _GROUPS:
        return Field(_member(_GROUPS[parts[0]], parts[1:], numbers=parts[0] == "params"))
    return Field(_member(_GROUPS["sp"], parts, numbers=False))


_OF_HEADS: Final = frozenset(
    (
        "job_id",
        "experiment",
        "hypothesis",
        "sub_hypothesis",
        "status",
        "where",
        "machine",
        "problem",
    )
)
"""Fields that are known of every run without its document and its entry."""


def is_of_heads(name: Name) -> bool:
    """Return whether a name is found without the documents and entries of the runs."""
    parts = name.parts
    if len(parts) == 1:
        known = ALIASES.get(parts[0], parts[0])
        return known in _OF_HEADS or known not in FIELDS
    if parts[0] == "metrics":
        return parts[-1] not in _SUMMARY
    return parts[0] == "sp" or parts[0] not in _GROUPS


def is_known(name: Name) -> bool:
    """Return whether a name is a field that every run may have."""
    parts = name.parts
    return len(parts) == 1 and ALIASES.get(parts[0], parts[0]) in FIELDS


def _member(
    group: Callable[[Facts], Mapping[str, Json]], parts: Parts, *, numbers: bool
) -> Callable[[Facts], Any]:
    if len(parts) == 1 and not numbers:
        (key,) = parts
        return lambda row: group(row).get(key, MISSING)

    def get(row: Facts) -> Any:
        found = _walk(group(row), parts)
        return NONFINITE.get(found, found) if numbers and isinstance(found, str) else found

    return get


def _walk(mapping: Any, parts: Parts) -> Any:
    """Return what is at a path: nested, else under a key with dots in it."""
    value = mapping
    for part in parts:
        if not isinstance(value, Mapping) or part not in value:
            return mapping.get(".".join(parts), MISSING)
        value = value[part]
    return value


def _metric(parts: Parts) -> Callable[[Facts], Any]:
    whole = ".".join(parts)
    shorter = ".".join(parts[:-1]) if len(parts) > 1 and parts[-1] in _SUMMARY else None

    def get(row: Facts) -> Any:
        final = row.finals.get(whole)  # which takes nothing but what is known of every run
        if final is not None:
            return NONFINITE.get(final, final) if isinstance(final, str) else final
        if whole not in row.finals and (shorter is None or shorter not in row.finals):
            return MISSING
        found, key = row.summaries.get(whole), "value"
        if found is None and shorter is not None:
            found, key = row.summaries.get(shorter), parts[-1]
        if found is None:
            return MISSING
        # A single value is its own bound, and is stored without (LED-01).
        value = found.get(key, found.get("value") if key in ("min", "max") else MISSING)
        return NONFINITE.get(value, value) if isinstance(value, str) else value

    return get


# --- which fields there are ------------------------------------------------------------------


def leaves(mapping: Mapping[str, Json], prefix: Parts = ()) -> Iterator[Parts]:
    """Yield the path of every value in nested mappings, in the order of the mapping."""
    for key, value in mapping.items():
        path = (*prefix, key)
        if isinstance(value, Mapping) and value and len(path) < MAX_LEVELS:
            yield from leaves(value, path)
        else:
            yield path


def presentable(value: Any) -> Json:
    """Return a value as it is shown: None when it is missing, a word when nobody could read it."""
    if value is MISSING:
        return None
    return TOO_DEEP if isinstance(value, dict | list) and _is_too_deep(value) else value


def _is_too_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_NESTING):
        inner = [
            item
            for part in level
            for item in (part.values() if isinstance(part, dict) else part)
            if isinstance(item, dict | list)
        ]
        if not inner:
            return False
        level = inner
    return True


def columns_of(rows: Sequence[Facts], group: str) -> list[Name]:
    """Return the columns that rows have in ``sp``, ``params`` or ``metrics``, sorted."""
    found: set[Parts] = set()
    for row in rows:
        if group == "metrics":
            found.update((name,) for name, final in row.finals.items() if final is not None)
        else:
            found.update(leaves(_GROUPS[group](row)))
    return [Name((group, *path)) for path in sorted(found)]


def near_names(name: Name, rows: Sequence[Facts]) -> list[str]:
    """Return names of fields that look like one that no row has, the likeliest first."""
    known = [*FIELDS]
    known += [format_name(n.parts[1:]) for n in columns_of(rows, "sp")]
    grouped = [n for group in ("metrics", "params") for n in columns_of(rows, group)]
    last = ".".join(name.parts[-1:])
    same = [format_name(n.parts) for n in grouped if n.parts[-1] == last]
    known += [format_name(n.parts) for n in grouped]
    near = get_close_matches(format_name(name.parts), known, n=2, cutoff=0.7)
    return list(dict.fromkeys([*same, *near]))[:3]
