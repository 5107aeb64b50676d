"""``.aexp/index.sqlite``: what files of the ledger and the run store held when last read.

Only large repositories get one. It is a cache (model.md, decision 7): git ignores it, reading
verbs may write it and nothing else (decision 13), and deleting it costs speed only.

What is remembered of a file has two parts: a small *head*, which is what checks and listings ask
of every file, and a *body* with the rest. Files are kept in groups of a few dozen to a few
hundred, each with the states of its files side by side: as long as none of them has changed, a
group is believed after one comparison and decoded at once, and its bodies are never looked at
unless somebody asks.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct, field

import aexp
from aexp.errors import GitError
from aexp.git import Git
from aexp.repo import Layout
from aexp.storage.cache import (
    Cache,
    Rows,
    are_all_settled,
    are_settled,
    may_be_shared_between_hosts,
)
from aexp.storage.state import WIDTH

CACHE_REL: Final = ".aexp/index.sqlite"
MANY: Final = 500
"""Files of one kind below which reading them all is quick enough."""

WORTH_SAVING: Final = 100
"""New facts below which they are read again next time instead of being written (half of few)."""

_UNKNOWN: Final = -1
"""Stands for the state of a file that must be read again: no inode has it."""


class Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is asked of every file; the first field of each kind of head.

    Attributes:
        name: the file, or the run, within its kind.
    """

    name: str


H = TypeVar("H", bound=Head)


class Shelf(Struct, Generic[H]):
    """The remembered facts of one kind of file, during one reading of all of them.

    Args:
        kind: what the facts are about.
        head: the type of a head.
        cache: where they are kept; None remembers nothing.
        rows: the heads that were kept, by group.
        files: how many files one name stands for; their states are compared together.
        with_bodies: whether bodies are asked for, and so kept. Without, a group that has changed
            is kept without its bodies; who asks for them later has its files read once more.
    """

    kind: str
    head: type[H]
    cache: Cache | None
    rows: Rows
    files: int = 1
    with_bodies: bool = True
    _new: dict[str, tuple[bytes, bytes, bytes]] = field(default_factory=dict)
    _new_facts: int = 0
    _bodies: Rows | None = None
    _named: dict[str, dict[str, bytes]] = field(default_factory=dict)
    _fresh: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """Whether anything is remembered at all."""
        return self.cache is not None

    def recall(self, group: str, names: Sequence[str], seen: array[int]) -> list[H | None]:
        """Return the heads of a group's files, None for each that has to be read.

        Args:
            group: which group.
            names: all names that it has now, in order.
            seen: the states of their files now.
        """
        row = self.rows.get(group)
        known = self.known(group)
        if row is None or not known or (self.with_bodies and not self._has_bodies(group)):
            return [None] * len(names)
        if row[0] == _state(names, seen):
            return list(known)
        was = array("q", row[0])
        width = WIDTH * self.files
        if len(was) != width * len(known) + 1:
            return [None] * len(names)
        old = {head.name: (head, was[i * width : (i + 1) * width]) for i, head in enumerate(known)}
        found: list[H | None] = []
        for i, name in enumerate(names):
            head, state = old.get(name, (None, None))
            found.append(head if state == seen[i * width : (i + 1) * width] else None)
        return found

    def known(self, group: str) -> list[H]:
        """Return a group's heads as they were kept; none when it was not."""
        row = self.rows.get(group)
        return [] if row is None else self._decode(row[1])

    def is_as_kept(self, group: str, names: Sequence[str], seen: array[int]) -> bool:
        """Return whether nothing has changed in a group, without decoding its heads."""
        row = self.rows.get(group)
        if row is None or row[0] != _state(names, seen):
            return False
        return not self.with_bodies or self._has_bodies(group)

    def checksum(self, group: str) -> int:
        """Return what tells which state of a group was kept, or is going to be."""
        row = self._new.get(group) or self.rows.get(group)
        return _UNKNOWN if row is None else zlib.crc32(row[0])

    def _decode(self, facts: bytes) -> list[H]:
        try:
            return msgspec.msgpack.decode(facts, type=list[self.head])  # type: ignore[name-defined]
        except msgspec.MsgspecError:
            return []

    def _has_bodies(self, group: str) -> bool:
        if self.cache is None:
            return False
        if self._bodies is None:
            self._bodies = self.cache.load(_bodies_of(self.kind))
        kept = self._bodies.get(group)
        return kept is not None and kept[0] == self.rows[group][0]

    def keep(
        self,
        group: str,
        heads: Sequence[H],
        seen: array[int],
        fresh: Mapping[str, bytes | None],
    ) -> None:
        """Remember a group some of whose files were read anew.

        Args:
            group: which group.
            heads: of all its names, in order.
            seen: the states of their files, taken before they were read.
            fresh: the bodies of those that were read, by name; None for one that cannot be kept.
        """
        if self.cache is None:
            return
        self._fresh.update(fresh)
        width = WIDTH * self.files
        states = array("q", seen)
        all_settled = are_all_settled(states)
        bodies: list[bytes] = []
        wanted = self.with_bodies and len(fresh) < len(heads)
        old = self._bodies_in(group) if wanted else {}
        for i, head in enumerate(heads):
            is_fresh = head.name in fresh
            known = old.get(head.name) if self.with_bodies else b""
            body = fresh[head.name] if is_fresh else known
            own = () if all_settled else states[i * width : (i + 1) * width]
            if body is None or (is_fresh and not are_settled(own)):
                states[i * width : (i + 1) * width] = array("q", [_UNKNOWN] * width)
                body = b""  # nobody may ask for it: it may have changed at the same moment
            elif is_fresh:
                self._new_facts += 1
            bodies.append(body or b"")
        encode = msgspec.msgpack.encode
        state = _state([head.name for head in heads], states)
        self._new[group] = (state, encode(list(heads)), encode(bodies))

    def fresh_names(self) -> list[str]:
        """Return the names whose files were read anew."""
        return list(self._fresh)

    def distrust(self, names: Iterable[str]) -> None:
        """Read the files of these names when a body is asked for."""
        self._fresh.update(dict.fromkeys(names))

    def body(self, group: str, name: str) -> bytes | None:
        """Return what is remembered beside a head; None when the file has to be read again.

        That is so when another process has changed the group since its heads were read.
        """
        if name in self._fresh:
            return self._fresh[name]
        return self._bodies_in(group).get(name)

    def _bodies_in(self, group: str) -> Mapping[str, bytes]:
        known = self._named.get(group)
        if known is None:
            known = self._named[group] = self._read_bodies(group)
        return known

    def _read_bodies(self, group: str) -> dict[str, bytes]:
        if group not in self.rows or not self._has_bodies(group):
            return {}
        assert self._bodies is not None
        facts, kept = self.rows[group][1], self._bodies[group]
        try:
            bodies = msgspec.msgpack.decode(kept[1], type=list[bytes])
        except msgspec.MsgspecError:
            return {}
        names = [head.name for head in self._decode(facts)]
        return dict(zip(names, bodies, strict=True)) if len(names) == len(bodies) else {}

    def save(self, present: Iterable[str], count: int) -> None:
        """Keep what is new, and forget the groups that are no longer ``present``. Never fails.

        Args:
            present: the groups there are now.
            count: how many names they have.
        """
        if self.cache is None:
            return
        gone = self.rows.keys() - set(present)
        if self._new_facts + len(gone) < min(WORTH_SAVING, count // 2 + 1):
            return
        heads = {group: (new[0], new[1]) for group, new in self._new.items()}
        bodies = {group: (new[0], new[2]) for group, new in self._new.items()}
        bodies = bodies if self.with_bodies else {}
        self.cache.save({self.kind: (heads, gone), _bodies_of(self.kind): (bodies, gone)})


def _bodies_of(kind: str) -> str:
    return f"{kind} +"


def _state(names: Sequence[str], states: array[int]) -> bytes:
    """Return what stands for a group's names and the states of their files.

    The states alone do not tell that a folder above the files was renamed.
    """
    named = zlib.crc32("\n".join(names).encode("utf-8", "surrogatepass"))
    return states.tobytes() + named.to_bytes(8, "little")


LARGE: Final = 1_000_000
"""Size in bytes of a cache that remembers thousands of files."""


def is_large(layout: Layout) -> bool:
    """Return whether a repository has so many files that some are worth a second process."""
    try:
        return (layout.root / CACHE_REL).stat().st_size >= LARGE
    except OSError:
        return False


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


def shelf(
    layout: Layout | None,
    kind: str,
    head: type[H],
    count: int,
    *,
    files: int = 1,
    large: bool = False,
    bodies: bool = True,
) -> Shelf[H]:
    """Return what is remembered of ``count`` names of one kind; nothing in a small repository.

    Args:
        layout: the repository; None remembers nothing.
        kind: what the facts are about.
        head: the type of a head.
        count: how many names there are.
        files: how many files one name stands for.
        large: whether the repository is, whatever ``count`` says.
        bodies: whether anybody will ask for more than the heads.
    """
    if layout is None or not count:
        return Shelf(kind, head, None, {}, files, bodies)
    large = large or count >= MANY or (layout.root / CACHE_REL).is_file()
    cache = open_cache(layout) if large else None
    rows = cache.load(kind) if cache is not None else {}
    return Shelf(kind, head, cache, rows, files, bodies)


def grouped(names: Iterable[str], group_of: Callable[[str], str]) -> dict[str, list[str]]:
    """Return names by their group, in their order."""
    groups: dict[str, list[str]] = {}
    for group, found in groupby(names, group_of):  # most groups stand together
        groups.setdefault(group, []).extend(found)
    return groups


def _is_ignored(layout: Layout) -> bool:
    if layout.git_dir is None:
        return False
    try:
        asked = Git(layout.root).run("check-ignore", "--quiet", CACHE_REL, check=False)
    except GitError:
        return False
    return asked.returncode == 0
