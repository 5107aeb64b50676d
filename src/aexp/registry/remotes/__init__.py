"""Remotes: places that keep the same blobs as a registry, for other clones to fetch (SHR-01)."""

from __future__ import annotations

from aexp.registry.remotes.base import Limits, Remote
from aexp.registry.remotes.opening import open_remote

__all__ = ["Limits", "Remote", "open_remote"]
