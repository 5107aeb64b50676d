"""Packages that load their public names when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any


def load(package: str, places: Mapping[str, str], name: str) -> Any:
    """Return a public name of a package, and let the package have it from now on.

    Args:
        package: the package's own name.
        places: the module of each public name.
        name: which.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in places:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(places[name]), name)
    setattr(sys.modules[package], name, value)
    return value
