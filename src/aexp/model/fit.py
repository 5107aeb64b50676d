"""Making an attempt small enough for its ledger entry (LED-01)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aexp.model.canonical import canonical_bytes, compact_bytes, digest_of
from aexp.model.entry import Fields

MAX_ATTEMPT_BYTES: Final = 24 * 1024
"""Canonical bytes of one attempt; with a state point of 32 KiB an entry stays under 64 KiB."""

_SPILLABLE: Final = (
    *("metrics", "environment", "params", "inputs", "outputs", "workflow", "sweep", "note"),
    "execution",
    "attachments",
)
_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "execution": ("publication", "published_at", "manifest")
}
"""What stays of a part that is moved out: every clone must see the state of an execution."""


def fit(attempt: Fields, spilled: dict[str, bytes]) -> Fields:
    """Move the largest parts of an oversize attempt into attachments.

    Args:
        attempt: its fields; left as they are.
        spilled: gets the bytes of the parts that were moved, by digest.
    """
    result = dict(attempt)
    parts = [key for key in _SPILLABLE if key in result]
    moved: list[Fields] = []
    while parts and len(compact_bytes(result)) > MAX_ATTEMPT_BYTES:
        largest = max(parts, key=lambda key: len(compact_bytes(result[key])))
        parts.remove(largest)
        data = canonical_bytes(attempt[largest])
        digest = digest_of(data)
        spilled[digest] = data
        moved.append(
            {
                "name": f"aexp.{largest}.json",
                "media_type": "application/json",
                "digest": digest,
                "size": len(data),
            }
        )
        whole = result.pop(largest)
        if kept := {key: whole[key] for key in _KEPT.get(largest, ()) if key in whole}:
            result[largest] = kept
        kept_items = attempt.get("attachments", []) if "attachments" in parts else []
        result["attachments"] = [*kept_items, *moved]
    return result
