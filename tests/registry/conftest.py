"""A registry in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from aexp.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry that does not exist yet."""
    return Registry(tmp_path / "registry")
