"""Reading the ``parameters`` of a spec: grid, explicit, sampled, and their product (SWP-03)."""

from __future__ import annotations

from typing import Final

from aexp.errors import SweepConfigError, UsageError
from aexp.model.axes import OPTION, parse_axes
from aexp.model.canonical import Json, compact_bytes
from aexp.model.distributions import KINDS as DISTRIBUTIONS
from aexp.model.distributions import Distribution, distribution
from aexp.model.statepoint import nest_keys, prepare_statepoint
from aexp.model.sweep import (
    METHODS,
    Block,
    Explicit,
    Grid,
    Method,
    Parameters,
    Product,
    Sampled,
    blocks_of,
)
from aexp.sweep.source import Source, Where
from aexp.sweep.table import read_header

KINDS: Final = ("grid", "explicit", *METHODS, "product")
"""The kinds of ``parameters``."""

MAX_SEED: Final = 2**64 - 1
"""The greatest seed: what all readers of JSON and all generators take."""


MAX_N: Final = 2**30
"""The most points that are drawn: a Sobol sequence of 30 bits has no more."""


def read_parameters(value: Json, source: Source, where: Where = ("parameters",)) -> Parameters:
    """Return what ``parameters`` says.

    Raises:
        SweepConfigError: it is not understood.
    """
    kind, inside = _one_kind(value, source, where, KINDS)
    if kind == "product":
        return _product(inside, source, (*where, kind))
    return _block(kind, inside, source, (*where, kind))


def _one_kind(
    value: Json, source: Source, where: Where, kinds: tuple[str, ...]
) -> tuple[str, Json]:
    """Return the one kind that a mapping names, and what it says of it."""
    if not isinstance(value, dict):
        raise source.error(where, f"{where[-1]} is no mapping", hint="write {grid: {lr: [0.1]}}")
    source.check_keys(where, value, kinds)
    if len(value) != 1:
        raise source.error(
            where,
            f"{where[-1]} has {len(value)} kinds; give one",
            hint="cross several with product: [{grid: …}, {sobol: …}]",
        )
    return next(iter(value.items()))


def _block(kind: str, value: Json, source: Source, where: Where) -> Block:
    if kind == "grid":
        return _grid(value, source, where)
    if kind == "explicit":
        return _explicit(value, source, where)
    return _sampled(next(m for m in METHODS if m == kind), value, source, where)


def _product(value: Json, source: Source, where: Where) -> Product:
    """Return a product; a mapping has one block of each kind, in the order of their names."""
    parts = [{key: value[key]} for key in sorted(value)] if isinstance(value, dict) else value
    if not isinstance(parts, list) or not parts:
        raise source.error(where, "product is a list", hint="write [{grid: …}, {sobol: …}]")
    blocks: list[Block] = []
    for part in parts:
        kind, inside = _one_kind(part, source, where, KINDS[:-1])
        blocks.append(_block(kind, inside, source, (*where, kind)))
    seeds = {b.seed for b in blocks if isinstance(b, Sampled) and b.seed is not None}
    if len(seeds) > 1:
        raise source.error(where, "two blocks give different seeds", hint="a sweep has one seed")
    return Product(tuple(blocks))


def _grid(value: Json, source: Source, where: Where) -> Grid:
    if not isinstance(value, dict) or not value:
        raise source.error(where, "grid is a mapping", hint="write {lr: [0.1, 0.01]}")
    axes: dict[str, tuple[Json, ...]] = {}
    for name, values in value.items():
        here = (*where, name)
        if isinstance(values, str):
            values = _alternatives(values, source, here)
        if not isinstance(values, list) or not values:
            raise source.error(
                here,
                f"{name} is no list of values",
                hint="write [a, b], a|b or 0..3; a value that does not vary is fixed",
            )
        seen: set[bytes] = set()
        for item in values:
            _check_value(name, item, source, here)
            if (form := compact_bytes(item)) in seen:
                raise source.error(
                    here, f"{name} has {item!r} twice", hint="repeat: 2 runs each point twice"
                )
            seen.add(form)
        axes[name] = tuple(values)
    _check_together(list(axes), source, where)
    return Grid(axes)


def _alternatives(text: str, source: Source, where: Where) -> list[Json]:
    """Return what ``a|b`` or ``0..3`` stands for, as in ``--sweep``; nothing for another text."""
    try:
        axes = parse_axes([f"value={text}"])
    except UsageError as error:
        problem = error.message.replace(f"{OPTION} gives value", f"{where[-1]} has")
        raise source.error(where, problem, hint=error.hint) from None
    values = axes["value"]
    return values if len(axes) == 1 and len(values) > 1 else []


def _explicit(value: Json, source: Source, where: Where) -> Explicit:
    if isinstance(value, str):
        value = {"file": value}
    if isinstance(value, dict):
        return _explicit_file(value, source, where)
    if not isinstance(value, list) or not value:
        raise source.error(
            where, "explicit is a CSV file or a list of points", hint="write [{lr: 0.1}, …]"
        )
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise source.error(where, f"point {number} is no mapping of parameters to values")
        try:
            prepare_statepoint(row)
        except UsageError as error:
            raise source.error(where, f"point {number}: {error.message}", hint=error.hint) from None
    return Explicit(rows=tuple(value))


def _explicit_file(value: dict[str, Json], source: Source, where: Where) -> Explicit:
    source.check_keys(where, value, ("file", "sha256"))
    file = value.get("file")
    if not isinstance(file, str) or not file:
        raise source.error(where, "explicit names no file", hint="write explicit: points.csv")
    try:
        digest, columns = read_header(source.folder / file, file)
    except SweepConfigError as error:
        raise source.error(where, error.message, hint=error.hint) from None
    if value.get("sha256") not in (None, digest):
        raise source.error(
            where, f"{file} has changed", hint="put the file back, or begin another sweep"
        )
    try:
        prepare_statepoint(dict.fromkeys(columns))
    except UsageError as error:
        problem = f"{file}, line 1: {error.message}"
        raise source.error(where, problem, hint=error.hint) from None
    return Explicit(file=file, sha256=digest, columns=columns)


def _sampled(method: Method, value: Json, source: Source, where: Where) -> Sampled:
    example = f"write {method}: {{n: 100, parameters: {{lr: {{uniform: [0, 1]}}}}}}"
    if not isinstance(value, dict):
        raise source.error(where, f"{method} is no mapping", hint=example)
    source.check_keys(where, value, ("n", "seed", "parameters"))
    n, seed, inside = value.get("n"), value.get("seed"), value.get("parameters")
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_N:
        raise source.error((*where, "n"), f"n is a whole number from 1 to {MAX_N}", hint=example)
    if seed is not None and not is_seed(seed):
        raise source.error((*where, "seed"), "seed is a whole number from 0 to 2^64 - 1")
    here = (*where, "parameters")
    if not isinstance(inside, dict) or not inside:
        raise source.error(here, "parameters is no mapping to distributions", hint=example)
    drawn = {
        name: _distribution(name, form, source, (*here, name)) for name, form in inside.items()
    }
    _check_together(list(drawn), source, here)
    return Sampled(method, n, drawn, seed)


def is_seed(value: Json) -> bool:
    """Return whether ``value`` can be the seed of a sweep."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEED


def _distribution(name: str, value: Json, source: Source, where: Where) -> Distribution:
    if not isinstance(value, dict):
        raise source.error(
            where, f"{name} is no distribution", hint=f"write {name}: {{uniform: [0, 1]}}"
        )
    kind, arguments = _one_kind(value, source, where, DISTRIBUTIONS)
    for item in arguments if isinstance(arguments, list) else [None]:
        _check_value(name, item, source, where)
    try:
        return distribution(kind, arguments if isinstance(arguments, list) else ())
    except UsageError as error:
        raise source.error((*where, kind), f"{name}: {error.message}", hint=error.hint) from None


def _check_value(name: str, value: Json, source: Source, where: Where) -> None:
    """Check that a parameter may have a value in a state point."""
    try:
        prepare_statepoint({name: value})
    except UsageError as error:
        raise source.error(where, error.message, hint=error.hint) from None


def _check_together(names: list[str], source: Source, where: Where) -> None:
    """Check that no parameter is both a value and a mapping (``opt`` and ``opt.lr``)."""
    try:
        nest_keys(dict.fromkeys(names))
    except UsageError as error:
        raise source.error(where, error.message, hint=error.hint) from None


def seed_of(parameters: Parameters) -> int | None:
    """Return the seed that a spec gives, or None."""
    seeds = [b.seed for b in blocks_of(parameters) if isinstance(b, Sampled)]
    return next((seed for seed in seeds if seed is not None), None)
