"""The table of ``aexp list-runs``: made column by column, for there may be a hundred thousand."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aexp.cli.output import table_of
from aexp.model.packed import pack, pack_all
from aexp.model.status import RETRACTED, is_terminal
from aexp.runs.view import statepoints

if TYPE_CHECKING:
    from aexp.runs.links import Links
    from aexp.runs.view import RunView


def show_runs(views: Sequence[RunView], links: Links) -> None:
    """Print the table.

    Args:
        views: the runs, in order; at least one.
        links: gives the experiment of each.
    """
    statuses = [view.status for view in views]
    table_of(
        ["RUN", "EXP", "STATUS", "STATE POINT", "METRICS", "MACHINE", "WHERE"],
        [
            [view.job_id[:8] for view in views],
            [links.experiment(view.packed_link) or "-" for view in views],
            statuses,
            _point_texts(statepoints(views)),
            _metric_texts(views, statuses),
            [view.machine or "-" for view in views],
            [view.where for view in views],
        ],
    )


def pairs(values: Mapping[str, Any]) -> str:
    """Return values as ``key=value key=value``; a dash for none."""
    return " ".join(f"{key}={_short(value)}" for key, value in sorted(values.items())) or "-"


def _metric_texts(views: Sequence[RunView], statuses: Sequence[str]) -> list[str]:
    """Return the final metrics of each run; equal ones are written out once."""
    ended = {status for status in set(statuses) if status == RETRACTED or is_terminal(status)}
    known: dict[bytes, str] = {}
    texts: list[str] = []
    for view, status in zip(views, statuses, strict=True):
        filed = view.filed
        packed = b"" if filed is None else filed.metrics
        text = known.get(packed)
        if not packed and (filed is None or status not in ended):
            text = pairs(view.metrics)  # what its streams have so far
        elif text is None:
            text = known[packed] = pairs(view.metrics)
        texts.append(text)
    return texts


def _point_texts(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what tells state points apart, as text; equal values are written out once."""
    from aexp.model.execution import KEY as EXECUTION
    from aexp.model.execution import is_drawn
    from aexp.model.statepoint import RESERVED

    keys = set().union(*points)
    hidden = {*RESERVED, "session"} if "session_run" in keys else {*RESERVED}
    if EXECUTION in keys and all(is_drawn(p[EXECUTION]) for p in points if EXECUTION in p):
        hidden.add(EXECUTION)  # drawn at random, and tells nothing
    found = sorted(_columns_of(points, keys - hidden, "", len(points) == 1))
    columns = [column for _, column in found]
    if len(columns) < 2:
        return [text or "-" for text in columns[0]] if columns else ["-"] * len(points)
    rows = zip(*columns, strict=True)
    if all(map(all, columns)):
        return list(map(" ".join, rows))
    return [" ".join(filter(None, row)) or "-" for row in rows]


def _columns_of(
    points: Sequence[Mapping[str, Any]], keys: Collection[str], above: str, all_of_them: bool
) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys that tell state points apart, dotted, each with its texts."""
    for key in keys:
        values = [point.get(key, _ABSENT) for point in points]
        name = above + key
        kinds = set(map(type, values))
        if len(kinds) == 1 and kinds <= _WRITTEN_AS_THEY_ARE:
            if all_of_them or len(set(values)) > 1:
                start = f"{name}="
                yield name, [f"{start}{value}" for value in values]
            continue
        tokens = _tokens(values, kinds)
        known = dict(zip(tokens, values, strict=True))
        if len(known) == 1 and not all_of_them:
            continue
        if dict in kinds:
            inner = [value if type(value) is dict else _NOTHING for value in values]
            yield from _columns_of(inner, set().union(*inner), f"{name}.", all_of_them)
        texts = {
            token: f"{name}={_short(value)}" if _is_shown(value) else ""
            for token, value in known.items()
        }
        if any(texts.values()):
            yield name, list(map(texts.__getitem__, tokens))


def _is_shown(value: Any) -> bool:
    """Return whether a value is one of its own, and not spread out over several columns."""
    return value is not _ABSENT and not (type(value) is dict and value)


def _tokens(values: list[Any], kinds: set[type]) -> Sequence[Any]:
    """Return for each value what is equal for those that are written in the same way."""
    if kinds == {float} and 0.0 not in values:  # which is equal to -0.0
        return values
    if object in kinds:
        return [value if value is _ABSENT else pack(value) for value in values]
    return pack_all(values)


_ABSENT = object()
_NOTHING: dict[str, Any] = {}
_WRITTEN_AS_THEY_ARE = frozenset({int, str})


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) else _as_text(value)


_as_text = json.JSONEncoder(ensure_ascii=False).encode
