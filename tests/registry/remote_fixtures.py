"""A repository, two registries and a folder for a remote."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.registry.store import Registry
from aexp.repo import Layout, open_layout
from tests.support.machines import Machine


@pytest.fixture
def layout(repo: Machine) -> Layout:
    """The layout of a repository."""
    return open_layout(repo)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with things to push."""
    return Registry(tmp_path / "mine")


@pytest.fixture
def other(tmp_path: Path) -> Registry:
    """The registry of another clone."""
    return Registry(tmp_path / "other")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder of the remote; not there yet."""
    return tmp_path / "shared"
