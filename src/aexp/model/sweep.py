"""What a sweep is: its spec and its points (SWP-02, SWP-03, SWP-16)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from aexp.model.canonical import Json
from aexp.model.distributions import Distribution
from aexp.model.statepoint import point_id

Method: TypeAlias = Literal["monte_carlo", "latin_hypercube", "sobol", "halton"]

METHODS: Final[tuple[Method, ...]] = ("monte_carlo", "latin_hypercube", "sobol", "halton")
"""How points of the unit cube are drawn."""

REPEAT: Final = "repeat"
"""The key that ``repeat:`` adds to every state point."""

RUN_PLACEHOLDERS: Final = frozenset({"run_id", "job_id", "point_id", "attempt", "out"})
"""What a command template may name besides the values of its point."""

BACKENDS: Final[dict[str, tuple[str, ...]]] = {
    "local": ("workers", "timeout"),
    "joblib": ("workers", "timeout"),
    "dask": ("workers", "timeout", "address"),
    "slurm": ("workers", "timeout", "time", "sbatch", "setup", "requeue", "detach", "poll"),
    "srun": ("workers", "timeout", "srun"),
}
"""Where points can be run, and what can be said about each place (SWP-13)."""

_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class Grid(msgspec.Struct, frozen=True):
    """All combinations of the values of some parameters.

    A mapping has no order once it was stored, so the parameters are taken by name; the last one
    varies fastest, and the values of each stand as they were given.
    """

    axes: dict[str, tuple[Json, ...]]

    def to_json(self) -> Json:
        """Return it as a spec writes it."""
        return {"grid": {name: list(values) for name, values in self.axes.items()}}


class Explicit(msgspec.Struct, frozen=True):
    """Points that are given one by one: as rows, or as a CSV file.

    Attributes:
        rows: the values by parameter; empty when there is a file.
        file: the CSV file, relative to the spec's folder.
        sha256: its digest when the spec was read.
        columns: the parameters of the file.
    """

    rows: tuple[dict[str, Json], ...] = ()
    file: str | None = None
    sha256: str | None = None
    columns: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return it as a spec writes it."""
        if self.file is None:
            return {"explicit": [dict(row) for row in self.rows]}
        return {"explicit": {"file": self.file, "sha256": self.sha256}}


class Sampled(msgspec.Struct, frozen=True):
    """Points that are drawn.

    Attributes:
        method: the sampler of the unit cube.
        n: how many points.
        parameters: the distribution of each parameter.
        seed: the seed that the spec gives, or None.
    """

    method: Method
    n: int
    parameters: dict[str, Distribution]
    seed: int | None = None

    def to_json(self) -> Json:
        """Return it as a spec writes it."""
        facts: dict[str, Json] = {"n": self.n}
        if self.seed is not None:
            facts["seed"] = self.seed
        facts["parameters"] = {name: d.to_json() for name, d in self.parameters.items()}
        return {self.method: facts}


Block: TypeAlias = Grid | Explicit | Sampled


class Product(msgspec.Struct, frozen=True):
    """Every combination of the points of several blocks; the last block varies fastest."""

    blocks: tuple[Block, ...]

    def to_json(self) -> Json:
        """Return it as a spec writes it."""
        return {"product": [block.to_json() for block in self.blocks]}


Parameters: TypeAlias = Block | Product


class SweepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep as somebody wants it (SWP-16).

    Attributes:
        experiment: such as ``E001``; None for runs that belong to none.
        script: the file whose digest guards a resume (SWP-09).
        command: a template with ``{parameter}`` placeholders, or None.
        callable: ``module:function`` instead of a command, or None.
        parameters: what varies.
        fixed: values of every point, nested.
        repeat: how often each point is run, with ``repeat: 0, 1, …`` in its state point.
        watch: more files whose digests guard a resume.
        backend: where points are run: ``kind`` and its own keys.
        outputs: the files of a point that a table gathers, by role.
        folder: where its relative paths start on this machine (absolute). Never recorded.
    """

    parameters: Parameters
    experiment: str | None = None
    script: str | None = None
    command: str | None = None
    callable: str | None = None
    fixed: dict[str, Json] = msgspec.field(default_factory=dict)
    repeat: int | None = None
    watch: tuple[str, ...] = ()
    backend: dict[str, Json] = msgspec.field(default_factory=lambda: {"kind": "local"})
    outputs: dict[str, str] = msgspec.field(default_factory=dict)
    folder: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return it in the form of its YAML file, which ``spec_from`` reads back.

        It is what is recorded: it holds no folder of this machine, and what was not given is
        left out.
        """
        facts: dict[str, Json] = {
            "experiment": self.experiment,
            "script": self.script,
            "command": self.command,
            "callable": self.callable,
            "parameters": self.parameters.to_json(),
            "fixed": self.fixed,
            "repeat": self.repeat,
            "watch": list(self.watch),
            "backend": self.backend,
            "outputs": self.outputs,
        }
        return {key: value for key, value in facts.items() if value not in (None, {}, [])}


class Point(msgspec.Struct, frozen=True):
    """One point of a sweep.

    Attributes:
        run_id: its number in the plan, from 0.
        point_id: the digest of its parameters, whatever the code (model.md).
        values: drawn and fixed values and ``repeat``, nested as a state point has them.
    """

    run_id: int
    point_id: str
    values: dict[str, Json]


def point_id_of(values: Mapping[str, Json], experiment: str | None) -> str:
    """Return the point id of a run with these values in an experiment."""
    return point_id({"experiment_id": experiment, **values} if experiment else values)


def blocks_of(parameters: Parameters) -> tuple[Block, ...]:
    """Return the blocks that are crossed; a single one is crossed with nothing."""
    return parameters.blocks if isinstance(parameters, Product) else (parameters,)


def names_of(block: Block) -> list[str]:
    """Return the names of a block's parameters, sorted (dotted ones as they were given)."""
    if isinstance(block, Grid):
        return sorted(block.axes)
    if isinstance(block, Sampled):
        return sorted(block.parameters)
    return sorted({*block.columns, *(name for row in block.rows for name in row)})


def placeholders(command: str) -> Iterator[str]:
    """Yield the names in braces of a command template; ``{{`` and ``}}`` are braces."""
    for match in _PLACEHOLDER.finditer(command):
        if match[1] is not None:
            yield match[1]


def fill(command: str, value_of: Callable[[str], str]) -> str:
    """Return a command template with every ``{name}`` replaced by what ``value_of`` gives."""

    def text(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else value_of(match[1])

    return _PLACEHOLDER.sub(text, command)
