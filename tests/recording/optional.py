"""Optional packages: a test that needs one is skipped without it, and fails in CI."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest

REQUIRED = os.environ.get("AEXP_REQUIRE_SERVICES") == "1"  # the tests' own environment is sealed


def need(module: str) -> Any:
    """Return an optional module; skip the test without it, fail it where everything must run."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if REQUIRED:
            pytest.fail(f"{module} is required here: {error}")
        pytest.skip(f"{module} is not installed: {error}")
