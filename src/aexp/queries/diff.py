"""What differs between two runs; what is equal is only counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aexp.model.aggregate import number_of
from aexp.model.canonical import Json, decode_number
from aexp.model.citation import MISSING, same_value
from aexp.model.filter import format_name
from aexp.queries.fields import FIELDS, Facts, Parts, leaves, presentable

RUN_FIELDS: Final = (
    *("status", "ended_by", "experiment", "hypothesis", "sub_hypothesis", "machine"),
    *("started_at", "ended_at", "wallclock_s", "tags", "note"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two runs differ.

    Attributes:
        name: what it is called within its section.
        first: the first run's value; ``MISSING`` when it has none.
        second: the second run's.
        absolute: the second minus the first, of two numbers.
        relative: that as a part of the first one's magnitude; None when it is zero.
    """

    name: str
    first: Any
    second: Any
    absolute: float | None = None
    relative: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of facts of two runs.

    Attributes:
        name: ``run``, ``statepoint``, ``params``, ``metrics``, ``environment``, ….
        equal: how many are the same.
        differences: the others, sorted by name.
    """

    name: str
    equal: int
    differences: tuple[Difference, ...]


def compare_runs(first: Facts, second: Facts) -> list[Section]:
    """Return what differs between two runs, section by section; empty sections are left out."""
    pairs = zip(_sections(first).items(), _sections(second).values(), strict=True)
    found = [_compare(name, ours, theirs) for (name, ours), theirs in pairs]
    return [section for section in found if section.equal or section.differences]


def _sections(row: Facts) -> dict[str, dict[str, Any]]:
    run = {name: FIELDS[name].get(row) for name in RUN_FIELDS}
    run["error"] = row.get("error")
    return {
        "run": {key: value for key, value in run.items() if value is not MISSING and value != []},
        "statepoint": _flat(row.statepoint),
        "params": {name: _number(value) for name, value in _flat(row.params).items()},
        "metrics": {name: _number(known.get("value")) for name, known in row.summaries.items()},
        "environment": _flat(row.mapping("environment")),
        "tracker": _flat(row.mapping("tracker")),
        **{name: _by_name(row.get(name)) for name in ("attachments", "inputs", "outputs")},
    }


def _flat(mapping: Mapping[str, Json]) -> dict[str, Json]:
    return {format_name(path): _at(mapping, path) for path in leaves(mapping)}


def _at(mapping: Any, path: Parts) -> Json:
    for part in path:
        mapping = mapping[part]
    return mapping


def _number(value: Json) -> Json:
    """Return a value with the text that stands for NaN or an infinity as a number."""
    decoded = decode_number(value) if isinstance(value, str) else None
    return value if decoded is None else decoded


def _by_name(items: Any) -> dict[str, Json]:
    """Return a list of named files by name, each as its digest, or all that is known of it."""
    found: dict[str, Json] = {}
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            name = str(item.get("name", f"[{index}]"))
            found[name] = item.get("digest") or {k: v for k, v in item.items() if k != "name"}
        else:
            found[f"[{index}]"] = item
    return found


def _compare(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Section:
    equal, found = 0, []
    for key in sorted({*first, *second}):
        ours, theirs = first.get(key, MISSING), second.get(key, MISSING)
        if _same(ours, theirs):
            equal += 1
        else:
            found.append(_difference(key, _shown(ours), _shown(theirs)))
    return Section(name, equal, tuple(found))


def _same(first: Any, second: Any) -> bool:
    """Return whether two values are one: NaN is NaN here, as nothing differs."""
    if isinstance(first, float) and isinstance(second, float) and first != first:
        return second != second
    try:
        return same_value(first, second)
    except RecursionError:
        return False


def _shown(value: Any) -> Any:
    return value if value is MISSING else presentable(value)


def _difference(name: str, first: Any, second: Any) -> Difference:
    before, after = number_of(first), number_of(second)
    if before is None or after is None:
        return Difference(name, first, second)
    absolute = float(after) - float(before)
    if not math.isfinite(absolute):
        return Difference(name, first, second)
    relative = absolute / abs(before) if before else None
    if relative is not None and not math.isfinite(relative):
        relative = None
    return Difference(name, first, second, absolute, relative)


def as_json(sections: Sequence[Section]) -> dict[str, Json]:
    """Return sections as JSON data: a run that lacks something has no key for it."""
    return {
        section.name: {
            "equal": section.equal,
            "differences": [_as_json(found) for found in section.differences],
        }
        for section in sections
    }


def _as_json(found: Difference) -> dict[str, Json]:
    shown: dict[str, Json] = {"name": found.name}
    sides = (("first", found.first), ("second", found.second))
    shown.update({side: value for side, value in sides if value is not MISSING})
    if found.absolute is not None:
        shown |= {"absolute": found.absolute, "relative": found.relative}
    return shown
