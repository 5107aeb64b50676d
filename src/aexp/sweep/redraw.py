"""Would a sweep be drawn as it was (SWP-04)? Only ever a check: its values never change.

Another version of a library, another processor, a table that was edited since: each may draw other
values from the same spec and seed. A sweep goes on with those that it has, and says so.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from itertools import islice, zip_longest
from typing import Final

import aexp
from aexp.errors import AexpError
from aexp.model.canonical import Json, compact_bytes
from aexp.model.sweep import Explicit, blocks_of
from aexp.repo import Layout
from aexp.sweep.known import KnownSweep, points_of
from aexp.sweep.manifest import Header
from aexp.sweep.samplers import draw
from aexp.sweep.spec import spec_from

MOST: Final = 10_000
"""So many points of a sweep are drawn again; what changes a sampler shows in the first ones."""


def redraw_problem(
    layout: Layout, header: Header, values: Iterable[Mapping[str, Json]], *, thorough: bool
) -> str:
    """Return how a plan would be drawn now, when that is not as it was; else an empty text.

    Args:
        layout: the repository.
        header: the sweep.
        values: those of its points, in order.
        thorough: draw again in any case. Otherwise what drew the points is believed to draw them
            again while its versions are the same, and only other ones and tables are tried.
    """
    try:
        written = {key: _unpinned(value) for key, value in header.spec.items()}
        spec = spec_from(written, folder=layout.root / header.base)
        named = any(isinstance(b, Explicit) and b.file for b in blocks_of(spec.parameters))
        changes = _changes(header)
        if not (thorough or named or changes):
            return ""
        _, drawn = draw(spec, header.seed)
        pairs = zip_longest(islice(values, MOST), islice(drawn, MOST))
        differs = next((n for n, pair in enumerate(pairs) if not _alike(*pair)), None)
    except (AexpError, TypeError, ValueError):
        return ""  # a table is gone, a library missing, or too old: nothing can be said
    if differs is None:
        return ""
    because = f" ({'; '.join(changes)})" if changes else ""
    return (
        f"point {differs} would be drawn differently now{because};"
        " the sweep keeps the values that it was planned with"
    )


def redraw_problem_of(known: KnownSweep) -> str:
    """Return the same for what this clone knows of a sweep, as quickly as can be."""
    points = (values for _, values in points_of(known.layout, known.folder, known.plan))
    try:
        return redraw_problem(known.layout, known.header, points, thorough=False)
    except AexpError:
        return ""  # its points are not here


def _unpinned(value: Json) -> Json:
    """Return what a spec says without the digests of its tables: they are read as they are now."""
    if isinstance(value, list):
        return [_unpinned(item) for item in value]
    if not isinstance(value, dict):
        return value
    table = value.get("explicit")
    if isinstance(table, dict):
        return {"explicit": {"file": table.get("file")}}
    return {key: _unpinned(item) for key, item in value.items()}


def _alike(then: Mapping[str, Json] | None, now: Mapping[str, Json] | None) -> bool:
    """Return whether two points have the same values, 1 and 1.0 told apart."""
    return None not in (then, now) and compact_bytes(then) == compact_bytes(now)


def _changes(header: Header) -> list[str]:
    """Return which versions of what drew the points are others now."""
    found = []
    for name, then in sorted(header.versions.items()):
        now = _version(name)
        if now != then:
            found.append(f"{name} {then} then, {now or 'none'} now")
    return found


def _version(name: str) -> str:
    if name == "python":
        return platform.python_version()
    if name == "aexp":
        return aexp.__version__
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
