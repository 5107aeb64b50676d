"""The sanitizer on the corpus of those who run machines and of those who keep notebooks (LED-02).

``tests/model/corpus/wide`` says how it was written. It was counted once, before any rule was
changed for it (``FIRST``); then each miss was mended with all of its kind. What the rules are worth
on what nobody saw, say the first counts, and the counted half in ``test_pool``.
"""

from __future__ import annotations

from typing import Final

import pytest

from aexp.model.sanitize import find_absolute_paths, find_secrets, sanitize
from tests.model.corpus import wide
from tests.model.test_blind_two import texts

FIRST: Final[dict[wide.Trade, tuple[int, int]]] = {"devops": (40, 11), "notes": (36, 8)}
"""Secrets missed and harmless items changed when each part was counted for the first time."""
TODAY: Final[dict[wide.Trade, tuple[int, int]]] = {"devops": (0, 0), "notes": (0, 0)}
SIZES: Final[dict[wide.Trade, tuple[int, int]]] = {"devops": (540, 438), "notes": (435, 387)}


@pytest.mark.parametrize("trade", wide.TRADES)
def test_the_parts_are_those_that_were_counted(trade: wide.Trade) -> None:
    """Nothing was added or dropped since the first count, and each secret stands in its value."""
    secrets, harmless = wide.secrets(trade), wide.harmless(trade)
    assert (len(secrets), len(harmless)) == SIZES[trade]
    assert len({item[0] for item in (*secrets, *harmless)}) == len(secrets) + len(harmless)
    assert all(any(secret in text for text in texts(value)) for _, _, value, secret in secrets)


@pytest.mark.parametrize("trade", wide.TRADES)
def test_what_is_missed_and_what_is_changed(trade: wide.Trade) -> None:
    """LED-02: no more than today."""
    missed = [
        name
        for name, key, value, secret in wide.secrets(trade)
        if any(secret in text for text in texts(sanitize({key: value}, roots=())[0]))
    ]
    changed = [
        name
        for name, key, value in wide.harmless(trade)
        if sanitize({key: value}, roots=()) != ({key: value}, [])
    ]
    assert (len(missed), len(changed)) == TODAY[trade], (missed, changed)
    assert len(missed) <= FIRST[trade][0]
    assert len(changed) <= FIRST[trade][1]


@pytest.mark.parametrize("trade", wide.TRADES)
def test_twice_is_once(trade: wide.Trade) -> None:
    """LED-06: what was made clean stays as it is."""
    for name, key, value, _ in wide.secrets(trade):
        clean, _ = sanitize({key: value})
        assert sanitize(clean) == (clean, []), name
        assert (find_secrets(clean), find_absolute_paths(clean)) == ([], []), name
