"""Store 2: the bytes. Content-addressed blobs, manifests and refs (docs/format/registry.md).

Everything here is found on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexp.registry.blobs import Blob as Blob
    from aexp.registry.leases import Lease as Lease
    from aexp.registry.places import open_registry as open_registry
    from aexp.registry.places import repository_id as repository_id
    from aexp.registry.places import run_ref as run_ref
    from aexp.registry.refs import DropRef as DropRef
    from aexp.registry.refs import Ref as Ref
    from aexp.registry.refs import SetRef as SetRef
    from aexp.registry.store import Registry as Registry

_HOMES = {
    "Blob": "blobs",
    "Lease": "leases",
    "open_registry": "places",
    "repository_id": "places",
    "run_ref": "places",
    "DropRef": "refs",
    "Ref": "refs",
    "SetRef": "refs",
    "Registry": "store",
}

__all__ = [
    "Blob",
    "DropRef",
    "Lease",
    "Ref",
    "Registry",
    "SetRef",
    "open_registry",
    "repository_id",
    "run_ref",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
