"""Datasets: the public names (``from aexp.dataset import DatasetSpec``).

They are loaded when they are first used: only the two specifications need pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexp.data.bags import DatasetBag as DatasetBag
    from aexp.data.bags import Member as Member
    from aexp.data.datasets import Dataset as Dataset
    from aexp.data.specs import AssetSpec as AssetSpec
    from aexp.data.specs import DatasetSpec as DatasetSpec

_PUBLIC = {
    "AssetSpec": "aexp.data.specs",
    "Dataset": "aexp.data.datasets",
    "DatasetBag": "aexp.data.bags",
    "DatasetSpec": "aexp.data.specs",
    "Member": "aexp.data.bags",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'aexp.dataset' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
