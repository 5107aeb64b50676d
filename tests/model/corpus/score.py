"""How many items of each half the sanitizer gets wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, get_args

from aexp.model.sanitize import find_absolute_paths, find_secrets, sanitize
from tests.model.corpus import Half, Item
from tests.model.corpus.harmless import harmless
from tests.model.corpus.paths import paths
from tests.model.corpus.secrets import secrets

SETS: Final[dict[str, tuple[Callable[[], Iterable[Item]], Callable[[Item], bool]]]] = {
    "secrets missed": (secrets, lambda item: bool(find_secrets(item.value))),
    "paths missed": (paths, lambda item: bool(find_absolute_paths(item.value))),
    "harmless ones flagged": (harmless, lambda item: sanitize(item.value) == (item.value, [])),
}


@dataclass(frozen=True)
class Score:
    """What came of one set in one half.

    Attributes:
        what: which mistakes are counted.
        half: the half.
        total: how many items it has.
        wrong: the items that were judged wrongly.
    """

    what: str
    half: Half
    total: int
    wrong: tuple[Item, ...]

    def __str__(self) -> str:
        return f"{len(self.wrong)} of {self.total:,}"


def scores() -> list[Score]:
    """Judge every item of both halves."""
    result = []
    for what, (make, is_right) in SETS.items():
        items = list(make())
        for half in get_args(Half):
            mine = [item for item in items if item.half == half]
            wrong = tuple(item for item in mine if not is_right(item))
            result.append(Score(what, half, len(mine), wrong))
    return result


def table(found: list[Score]) -> str:
    """Return the scores as the documentation shows them."""
    lines = ["| | tuned on | only counted |", "|---|---|---|"]
    for what in SETS:
        cells = [str(score) for score in found if score.what == what]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(scores()), end="")
