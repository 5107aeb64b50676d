"""A corpus of two more trades, written without sight of the sanitizer and used whole for tuning.

``devops`` goes through the tools and services of those who run machines, ``notes`` through what
laboratories write down: notebooks, tables, chats, other languages. Each was written from the
promise (LED-02) alone, counted once, and then all of it was looked at and mended; so that its
numbers of today are worth as little as those of any set that was tuned on. The first counts stand
in ``tests/model/test_wide.py``.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from tests.model.corpus.wide import devops, notes

Trade: TypeAlias = Literal["devops", "notes"]
TRADES: Final[tuple[Trade, ...]] = ("devops", "notes")
_MODULES: Final[dict[str, Any]] = {"devops": devops, "notes": notes}


def secrets(trade: Trade) -> list[tuple[str, str, object, str]]:
    """Return the name, the key, the value and the secret in it of one trade's items."""
    return list(_MODULES[trade].SECRETS)


def harmless(trade: Trade) -> list[tuple[str, str, object]]:
    """Return the name, the key and the value of one trade's harmless items."""
    return list(_MODULES[trade].HARMLESS)
