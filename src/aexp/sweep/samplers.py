"""Drawing the points of a sweep (SWP-03, SWP-04), one at a time and in a fixed order.

A parameter's stream of random numbers hangs on the sweep's seed and on the parameter's *name*
alone, so that another parameter, or another order, changes nothing of it. What is drawn is written
down before the first point starts; drawing it again is only ever a check.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aexp.errors import SweepConfigError, UsageError
from aexp.model.canonical import Json
from aexp.model.statepoint import check_statepoint, nest_keys
from aexp.model.sweep import (
    REPEAT,
    RUN_PLACEHOLDERS,
    Block,
    Explicit,
    Grid,
    Sampled,
    SweepSpec,
    blocks_of,
    placeholders,
)
from aexp.recording.formats import require
from aexp.sweep.blocks import is_seed, seed_of
from aexp.sweep.table import read_rows

if TYPE_CHECKING:
    import numpy as np

Flat: TypeAlias = dict[str, Json]
"""The values of a point by parameter, dotted names as they were given."""

Rows: TypeAlias = Callable[[], Iterator[Flat]]
"""Gives the points of a block from the first one on, as often as it is called."""

CHUNK: Final = 1024
"""How many points are drawn at once: a power of two, as Sobol's sequence wants."""


def draw(spec: SweepSpec, seed: int | None = None) -> tuple[int, Iterator[dict[str, Json]]]:
    """Return the seed of a sweep and the values of its points, nested, in order.

    Args:
        spec: the sweep.
        seed: the seed; None takes the spec's own, or a fresh one of 63 bits (trap 59).

    Raises:
        SweepConfigError: the seed is none; while iterating, a line of a CSV file does not fit.
        MissingExtraError: the sampler needs ``aexp[sweep]``.
    """
    if seed is None:
        seed = seed_of(spec.parameters)
    if seed is None:
        seed = secrets.randbits(63)
    if not is_seed(seed):
        raise SweepConfigError(
            f"{seed!r} is no seed", hint="give a whole number from 0 to 2^64 - 1"
        )
    blocks = [_rows(block, seed, spec) for block in blocks_of(spec.parameters)]
    return seed, _points(spec, blocks)


def _points(spec: SweepSpec, blocks: Sequence[Rows]) -> Iterator[dict[str, Json]]:
    repeats: list[Flat] = [{}]
    if spec.repeat is not None:
        repeats = [{REPEAT: number} for number in range(spec.repeat)]
    needed = sorted({*placeholders(spec.command or "")} - {*RUN_PLACEHOLDERS, REPEAT})
    for number, values in enumerate(_crossed(blocks)):
        point = _merged(spec.fixed, nest_keys(values))
        if number == 0:
            _check(point, "the first point")  # its values were checked, but not all together
        for name in needed:
            if not _has(point, name):
                raise SweepConfigError(
                    f"the command names {{{name}}}, which point {number + 1} does not have",
                    hint="give it a value in every point",
                )
        for repeat in repeats:
            yield {**point, **repeat}


def _check(point: Mapping[str, Json], name: str) -> None:
    try:
        check_statepoint(point)
    except UsageError as error:
        raise SweepConfigError(f"{name}: {error.message}", hint=error.hint) from None


def _has(values: Json, dotted: str) -> bool:
    for part in dotted.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _crossed(blocks: Sequence[Rows]) -> Iterator[Flat]:
    """Yield every combination, the last block varying fastest, without keeping any."""
    if not blocks:
        yield {}
        return
    for first in blocks[0]():
        for rest in _crossed(blocks[1:]):
            yield {**first, **rest}


def _merged(base: dict[str, Json], over: dict[str, Json]) -> dict[str, Json]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _merged(below, value)
        result[key] = value
    return result


def _rows(block: Block, seed: int, spec: SweepSpec) -> Rows:
    if isinstance(block, Grid):
        return lambda: _grid(block)
    if isinstance(block, Sampled):
        return _sampled(block, seed)
    if block.file is None:
        return lambda: iter(block.rows)
    return lambda: _table(block, Path(spec.folder))


def _grid(block: Grid) -> Iterator[Flat]:
    names = sorted(block.axes)
    for values in itertools.product(*(block.axes[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def _table(block: Explicit, folder: Path) -> Iterator[Flat]:
    assert block.file is not None
    for number, row in enumerate(read_rows(folder / block.file, block.file, block.sha256), 1):
        _check(nest_keys(row), f"{block.file}, point {number}")
        yield row


def _sampled(block: Sampled, seed: int) -> Rows:
    names = sorted(block.parameters)
    drawn = [block.parameters[name] for name in names]
    values: list[Callable[[Any], Json]] = [distribution.at for distribution in drawn]
    source = _SOURCES[block.method]
    if source is _monte_carlo:
        _numpy()
        values = [distribution.of_bits for distribution in drawn]
    else:
        _qmc()

    def rows() -> Iterator[Flat]:
        for row in itertools.islice(source(names, block.n, seed), block.n):
            made = (value(number) for value, number in zip(values, row, strict=True))
            yield dict(zip(names, made, strict=True))

    return rows


Numbers: TypeAlias = Iterator[Sequence[Any]]
"""Points: a number for each parameter, 64 random bits or a coordinate of the unit cube."""


def _monte_carlo(names: Sequence[str], n: int, seed: int) -> Numbers:
    """Yield independent points: 64 bits for each parameter of each.

    A bit generator's raw output, unlike what is made of it, is the same in every version of numpy.
    """
    streams = [_bits(seed, name) for name in names]
    while True:
        yield from zip(*(bits.random_raw(CHUNK).tolist() for bits in streams), strict=True)


def _latin_hypercube(names: Sequence[str], n: int, seed: int) -> Numbers:
    """Yield points of which each of ``n`` equal parts of every parameter holds one.

    Each parameter is stratified by itself, from its own stream: that is a Latin hypercube, and
    another parameter changes nothing of it.
    """
    columns = [
        _qmc().LatinHypercube(d=1, rng=_generator(seed, name)).random(n)[:, 0] for name in names
    ]
    for start in range(0, n, CHUNK):
        parts = (column[start : start + CHUNK].tolist() for column in columns)
        yield from zip(*parts, strict=True)


def _sobol(names: Sequence[str], n: int, seed: int) -> Numbers:
    engine = _qmc().Sobol(d=len(names), scramble=True, rng=_generator(seed, "\n".join(names)))
    while True:
        yield from engine.random(CHUNK).tolist()


def _halton(names: Sequence[str], n: int, seed: int) -> Numbers:
    engine = _qmc().Halton(d=len(names), scramble=True, rng=_generator(seed, "\n".join(names)))
    while True:
        yield from engine.random(CHUNK).tolist()


_SOURCES: Final[dict[str, Callable[[Sequence[str], int, int], Numbers]]] = {
    "monte_carlo": _monte_carlo,
    "latin_hypercube": _latin_hypercube,
    "sobol": _sobol,
    "halton": _halton,
}


def _bits(seed: int, name: str) -> np.random.PCG64:
    """Return the stream of a parameter: 128 bits of its name beside the seed (trap 65)."""
    digest = hashlib.sha256(name.encode()).digest()
    key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    np = _numpy()
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))


def _generator(seed: int, name: str) -> np.random.Generator:
    return _numpy().random.Generator(_bits(seed, name))


def _numpy() -> Any:
    return require("numpy", "sweep", "drawing points")


def _qmc() -> Any:
    return require("scipy.stats.qmc", "sweep", "a Latin hypercube, Sobol or Halton sequence")
