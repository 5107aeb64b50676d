"""Fixtures of the validate room."""

from __future__ import annotations

import pytest

from tests.support.machines import Machine
from tests.validate.world import World


@pytest.fixture
def world(repo: Machine) -> World:
    """An empty repository with aexp not installed."""
    return World(repo)
