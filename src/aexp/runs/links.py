"""Run links that many runs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aexp.model.packed import unpack


class Links:
    """Packed links, each unpacked once: thousands of runs share a few."""

    def __init__(self) -> None:
        self._known: dict[bytes, Mapping[str, Any]] = {}
        self._experiments: dict[bytes, str] = {}

    def __getitem__(self, packed: bytes) -> Mapping[str, Any]:
        """Return a link; empty for none, and for what is no mapping."""
        known = self._known.get(packed)
        if known is None:
            value = unpack(packed)
            known = self._known[packed] = value if isinstance(value, Mapping) else {}
        return known

    def experiment(self, packed: bytes) -> str:
        """Return the experiment that a link names, or an empty string."""
        known = self._experiments.get(packed)
        if known is None:
            known = self._experiments[packed] = str(self[packed].get("experiment_id") or "")
        return known
