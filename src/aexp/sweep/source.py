"""Where a spec comes from, and what is said about a mistake in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from aexp.errors import SweepConfigError

Where: TypeAlias = tuple[str, ...]
"""The keys that lead to a place in a spec."""


@dataclass(frozen=True, slots=True)
class Source:
    """A spec's origin.

    Attributes:
        name: what messages call it.
        folder: where its relative paths start.
        lines: the line of each key in its file; empty for Python data.
    """

    name: str
    folder: Path
    lines: Mapping[Where, int]

    def error(self, where: Where, problem: str, *, hint: str | None = None) -> SweepConfigError:
        """Return the error for a place, with its line or that of the nearest key above it."""
        path = where
        while path and path not in self.lines:
            path = path[:-1]
        line = f", line {self.lines[path]}" if path else ""
        return SweepConfigError(f"{self.name}{line}: {problem}", hint=hint)

    def check_keys(self, where: Where, given: Iterable[str], known: Iterable[str]) -> None:
        """Refuse a key that is not known, with a near match (SWP-16).

        Raises:
            SweepConfigError: a key is unknown.
        """
        for key in given:
            if key not in known:
                raise self.error(
                    (*where, key),
                    f"unknown key {key!r}" + (f" in {'.'.join(where)}" if where else ""),
                    hint=self.near(key, known) or f"use one of {', '.join(known)}",
                )

    @staticmethod
    def near(wanted: str, known: Iterable[str]) -> str | None:
        """Return the hint that names what ``wanted`` may have meant, or None."""
        near = get_close_matches(wanted, list(known), n=3, cutoff=0.6)
        return f"did you mean {', '.join(near)}?" if near else None
