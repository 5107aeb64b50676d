"""``asset-manifest.json``: what the database of staged outputs says, for people and other tools.

The database is the truth; this is its projection (EXE-23). Writing it costs as much as there are
assets, so that after many of them it is not written at every change, but so that writing takes a
small part of the time. It is exact again when the execution ends, publishes or is resumed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexp.model.canonical import Json, canonical_bytes
from aexp.storage.atomic import write_atomic

if TYPE_CHECKING:
    from aexp.execution.state import StagedAsset

NAME: Final = "asset-manifest.json"
FORMAT: Final = 1
ALWAYS: Final = 100
"""Up to so many assets it is written at every change."""

PAUSE: Final = 20
"""After more, it rests so many times as long as the last writing took."""


class ManifestWriter:
    """Writes the manifest of one execution, and knows when it is worth it.

    Args:
        working_dir: the folder it stands in.
    """

    def __init__(self, working_dir: Path) -> None:
        self._path = working_dir / NAME
        self._count = 0
        self._due = 0.0

    def is_due(self) -> bool:
        """Return whether it is time to write it for a change."""
        return self._count < ALWAYS or time.monotonic() >= self._due

    def write(self, execution_rid: str, assets: Sequence[StagedAsset]) -> None:
        """Write it, atomically.

        Raises:
            StorageError: the disk refused; the old one stands.
        """
        began = time.monotonic()
        write_atomic(self._path, manifest_bytes(execution_rid, assets), flush="content")
        self._count = len(assets)
        ended = time.monotonic()
        self._due = ended + PAUSE * (ended - began)


def manifest_bytes(execution_rid: str, assets: Sequence[StagedAsset]) -> bytes:
    """Return the manifest's content (``docs/format/execution.md``)."""
    return canonical_bytes(
        {"format": FORMAT, "execution_rid": execution_rid, "assets": [_entry(a) for a in assets]}
    )


def _entry(row: StagedAsset) -> dict[str, Json]:
    return {
        "rid": row.rid,
        "asset": row.asset,
        "file_name": row.name,
        "kind": row.kind,
        "source": None
        if row.source is None
        else os.fsencode(row.source).decode("utf-8", "replace"),
        "asset_types": list(row.types),
        "metadata": dict(row.metadata),
        "description": row.description,
        "state": row.state,
        "digest": row.digest,
        "md5": row.md5,
        "size": row.size,
        "error": row.error,
    }
