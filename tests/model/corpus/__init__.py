"""What the sanitizer is measured on: secrets and paths it must find, and look-alikes it must not.

Each item belongs, by a hash of its name, to one of two halves. The patterns are tuned on the half
``tune`` alone; the half ``count`` is only ever counted. All secrets of one shape are in one half,
so that the other half says something of shapes that nobody had in mind.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

Half = Literal["tune", "count"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at.

    Attributes:
        name: decides the half; for people, too.
        value: JSON, as it may stand in an entry.
        kind: a group, for the table.
    """

    name: str
    value: Any
    kind: str

    @property
    def half(self) -> Half:
        """Which half it belongs to."""
        digest = hashlib.sha256(self.name.encode()).digest()
        return "tune" if digest[0] % 2 == 0 else "count"
