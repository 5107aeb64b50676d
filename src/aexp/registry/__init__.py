"""Store 2: the bytes. Content-addressed blobs, manifests and refs (docs/format/registry.md).

Everything here is found on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexp.registry.blobs import Blob as Blob
    from aexp.registry.leases import Lease as Lease
    from aexp.registry.places import dataset_ref as dataset_ref
    from aexp.registry.places import open_registry as open_registry
    from aexp.registry.places import outputs_ref as outputs_ref
    from aexp.registry.places import repository_id as repository_id
    from aexp.registry.places import run_ref as run_ref
    from aexp.registry.refs import DropRef as DropRef
    from aexp.registry.refs import Ref as Ref
    from aexp.registry.refs import SetRef as SetRef
    from aexp.registry.report import GcReport as GcReport
    from aexp.registry.report import PruneReport as PruneReport
    from aexp.registry.store import Registry as Registry
    from aexp.retention.cleaning import gc as gc
    from aexp.retention.cleaning import prune_anonymous as prune_anonymous

_HOMES = {
    "Blob": "blobs",
    "Lease": "leases",
    "dataset_ref": "places",
    "open_registry": "places",
    "outputs_ref": "places",
    "repository_id": "places",
    "run_ref": "places",
    "DropRef": "refs",
    "Ref": "refs",
    "SetRef": "refs",
    "Registry": "store",
    "GcReport": "report",
    "PruneReport": "report",
}
_COLLECTING = {
    "gc": "aexp.retention.cleaning",
    "prune_anonymous": "aexp.retention.cleaning",
}

__all__ = [
    "Blob",
    "DropRef",
    "GcReport",
    "Lease",
    "PruneReport",
    "Ref",
    "Registry",
    "SetRef",
    "dataset_ref",
    "gc",
    "open_registry",
    "outputs_ref",
    "prune_anonymous",
    "repository_id",
    "run_ref",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = f"{__name__}.{_HOMES[name]}"
    elif name in _COLLECTING:
        # They know what findings cite, so they live above; the seed's users look for them here.
        home = _COLLECTING[name]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
