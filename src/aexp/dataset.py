"""Datasets: the public names (``from aexp.dataset import DatasetSpec``).

They are loaded when they are first used: only the two specifications need pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aexp.late import load

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
    return load(__name__, _PUBLIC, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
