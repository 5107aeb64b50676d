"""A corpus of three trades, split into two halves before anybody looked at it.

Each of the three files was written from the promise (LED-02) alone, without sight of the
sanitizer, of the other corpora and of each other. A hash of an item's name puts it into one of two
halves, which are not equal in size. What the sanitizer does with the first half may be looked at
and mended; of the second only the numbers.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

from tests.model.corpus.pool import ml, science, security

Half: TypeAlias = Literal["seen", "counted"]
HALVES: Final[tuple[Half, ...]] = ("seen", "counted")
_TRADES: Final[dict[str, Any]] = {"ml": ml, "science": science, "security": security}


def half_of(name: str) -> Half:
    """Return the half of an item."""
    return HALVES[sha256(name.encode()).digest()[0] % 2]


def secrets(half: Half) -> list[tuple[str, str, object, str]]:
    """Return the name, the key, the value and the secret in it of one half's items."""
    named = [
        (f"{trade}: {name}", key, value, secret)
        for trade, module in _TRADES.items()
        for name, key, value, secret in module.SECRETS
    ]
    return [item for item in named if half_of(item[0]) == half]


def harmless(half: Half) -> list[tuple[str, str, object]]:
    """Return the name, the key and the value of one half's harmless items."""
    named = [
        (f"{trade}: {name}", key, value)
        for trade, module in _TRADES.items()
        for name, key, value in module.HARMLESS
    ]
    return [item for item in named if half_of(item[0]) == half]
