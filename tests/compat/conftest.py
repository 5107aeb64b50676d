"""Fixtures for the tests that run agentic-experiments 0.6.1."""

from __future__ import annotations

import pytest

from tests.compat.peer import REQUIRED, Peer, find_peer


@pytest.fixture(scope="session")
def peer(sealed_home: object) -> Peer:
    """0.6.1 itself: skipped without it, failed where AEXP_REQUIRE_SERVICES=1."""
    found = find_peer()
    if isinstance(found, str):
        if REQUIRED:
            pytest.fail(found)
        pytest.skip(found)
    return found
