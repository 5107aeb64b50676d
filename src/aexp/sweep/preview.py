"""What a spec comes to, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexp.model.canonical import Json
from aexp.sweep.columns import dotted
from aexp.sweep.samplers import draw
from aexp.sweep.spec import load_spec

SHOWN: Final = 10


@dataclass(frozen=True)
class Preview:
    """The points that a spec would give.

    Attributes:
        experiment: the experiment, or None.
        count: how many points.
        seed: the seed they are drawn with; another one, if none was given, the next time.
        names: the parameters, dotted, sorted.
        first: the values of the first points.
    """

    experiment: str | None
    count: int
    seed: int
    names: list[str]
    first: list[dict[str, Json]]

    def to_json(self) -> dict[str, Json]:
        """Return it as ``aexp sweep plan --dry-run --format json`` shows it."""
        return {
            "experiment_id": self.experiment,
            "count": self.count,
            "seed": str(self.seed),
            "parameters": self.names,
            "first": self.first,
        }


def preview(path: Path, seed: int | None) -> Preview:
    """Draw the points of a spec and keep the first.

    Raises:
        SweepConfigError: the spec is wrong.
        MissingExtraError: the sampler needs ``aexp[sweep]``.
    """
    spec = load_spec(path)
    taken, points = draw(spec, seed)
    first: list[dict[str, Json]] = []
    names: set[str] = set()
    count = 0
    for count, values in enumerate(points, start=1):  # noqa: B007 - the last one is the count
        if len(first) < SHOWN:
            first.append(dotted(values))
            names.update(first[-1])
    return Preview(spec.experiment, count, taken, sorted(names), first)
