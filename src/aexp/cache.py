"""``.aexp/index.sqlite``: what files of the ledger and the run store held when last read.

Only large repositories get one. It is a cache (model.md, decision 7): git ignores it, reading
verbs may write it and nothing else (decision 13), and deleting it costs speed only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import aexp
from aexp.errors import GitError
from aexp.git import Git
from aexp.repo import Layout
from aexp.storage.cache import Cache, Rows, is_settled, may_be_shared_between_hosts, pack_states
from aexp.storage.state import FileState

CACHE_REL: Final = ".aexp/index.sqlite"
MANY: Final = 500
"""Files of one kind below which reading them all is quick enough."""

WORTH_SAVING: Final = 100
"""New facts below which they are read again next time instead of being written (half of few)."""


@dataclass
class Remembered:
    """The remembered facts of one kind of file, during one reading of all of them.

    Args:
        kind: what the facts are about.
        cache: where they are kept; None remembers nothing.
        rows: what was kept.
    """

    kind: str
    cache: Cache | None
    rows: Rows
    _new: Rows = field(default_factory=dict)

    def get(self, name: str, *states: FileState | None) -> bytes | None:
        """Return the facts of a file that is in the state it was in, or None."""
        row = self.rows.get(name)
        if row is None or row[0] != pack_states(*states):
            return None
        return row[1]

    def put(self, name: str, facts: bytes, *states: FileState | None) -> None:
        """Remember a file's facts; ``states`` were taken before it was read."""
        if self.cache is not None and is_settled(*states):
            self._new[name] = (pack_states(*states), facts)

    def save(self, present: Iterable[str]) -> None:
        """Keep what is new, and forget what is no longer ``present``. Never fails."""
        if self.cache is None:
            return
        names = set(present)
        gone = self.rows.keys() - names
        if len(self._new) + len(gone) >= min(WORTH_SAVING, len(names) // 2 + 1):
            self.cache.save(self.kind, self._new, gone)


NOTHING: Final = Remembered("", None, {})
"""Remembers nothing."""


def open_cache(layout: Layout) -> Cache | None:
    """Return the repository's cache, or None where there must not be one.

    It is made only where git ignores it and where SQLite's locks work.
    """
    path = layout.root / CACHE_REL
    if not path.parent.is_dir() or may_be_shared_between_hosts(path.parent):
        return None
    if not path.exists() and not _is_ignored(layout):
        return None
    return Cache(path, aexp.__version__)


def remember(layout: Layout, kind: str, count: int) -> Remembered:
    """Return what is remembered of ``count`` files of one kind; nothing in a small repository."""
    large = count >= MANY or (layout.root / CACHE_REL).is_file()
    cache = open_cache(layout) if large and count else None
    return Remembered(kind, cache, cache.load(kind)) if cache is not None else NOTHING


def _is_ignored(layout: Layout) -> bool:
    if layout.git_dir is None:
        return False
    try:
        asked = Git(layout.root).run("check-ignore", "--quiet", CACHE_REL, check=False)
    except GitError:
        return False
    return asked.returncode == 0
