"""What checks and listings ask of every run here, from the cache where nothing has changed."""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import msgspec

from aexp.beside import Shares, can_work_beside, working_beside
from aexp.cache import MANY, Head, Shelf, grouped, is_large, shelf
from aexp.model.canonical import Json
from aexp.model.execution import KEY as EXECUTION
from aexp.model.packed import pack
from aexp.storage.state import file_states

if TYPE_CHECKING:
    from aexp.repo import Layout
    from aexp.workspace.store import RunRecord

WORTH_A_PROCESS: Final = 2_000
"""Runs to be read from which on a second process gains more than its start takes."""


_PIECES: Final = 32
T = TypeVar("T")


class RunHead(Head, array_like=True, frozen=True, gc=False):
    """What is asked of every run.

    Attributes:
        name: the run's id.
        written: what its document has as its status, as text; None when it has none.
        link: the document's link block, packed; empty when it has none.
        statepoint: the state point, packed.
        problem: what is wrong with its files, or None.
        began: when its present attempt began, as text; empty when that is not known.
        created: when it was created.
        needs_a_look: whether its document has more that `aexp status` tells of: that it is an
            execution, or an error that was kept there.
    """

    written: str | None = None
    link: bytes = b""
    statepoint: bytes = b""
    problem: str | None = None
    began: str = ""
    created: str = ""
    needs_a_look: bool = False

    @property
    def job_id(self) -> str:
        """The run's id."""
        return self.name

    @property
    def status(self) -> str:
        """The status in the document; ``created`` when it has none."""
        return self.written or "created"


Sent: TypeAlias = tuple[dict[str, bytes | int | Sequence[str]], dict[str, int], list[str]]
"""What a copy has found out: the heads of each group, encoded; or a checksum of what the cache has,
when that is still right; or the ids of its runs, which the copy left to others to look at. For the
first kind a checksum of what the cache should have now. And the runs that were read anew."""

encode: Final = msgspec.msgpack.encode
decode: Final = msgspec.msgpack.Decoder(list[RunHead]).decode


_name: Callable[[RunHead], str] = attrgetter("name")
_group: Callable[[str], str] = itemgetter(slice(0, 2))
"""Gives the group of a run in the cache."""


class Heads:
    """The heads of a run store, and the records behind them.

    Args:
        layout: whose cache there is.
        workspace: the folder with one folder per run.
        ids: gives the runs there are, sorted; it is asked when they are needed.
        read: reads one run.
        make: makes a run of its id, state point and document.
        files: the names of a run's document and of its state point.
        bodies: whether more than the heads of many is going to be asked for.
    """

    def __init__(
        self,
        layout: Layout,
        workspace: Path,
        ids: Callable[[], Sequence[str]],
        read: Callable[[str], RunRecord],
        make: Callable[[str, dict[str, Json], dict[str, Json]], RunRecord],
        files: tuple[str, str],
        bodies: bool = True,
    ) -> None:
        self._layout = layout
        self._list = ids
        self._read = read
        self._make = make
        self._folder = f"{workspace}{os.sep}"
        self._ends = tuple(os.sep + name for name in files)
        self._count = len(files)
        self._bodies = bodies
        self._records: dict[str, RunRecord] = {}
        self._kept: dict[str, list[RunHead]] = {}
        self._seen: dict[str, tuple[Sequence[str], array[int]]] = {}
        self._received: list[Sequence[RunHead]] | None = None
        self._shares: Shares | None = None

    @cached_property
    def _ids(self) -> Sequence[str]:
        return self._list()

    @cached_property
    def _shelf(self) -> Shelf[RunHead]:
        return self._open(len(self._ids))

    def _open(self, count: int) -> Shelf[RunHead]:
        return shelf(self._layout, "run", RunHead, count, files=self._count, bodies=self._bodies)

    @property
    def are_worth_a_process(self) -> bool:
        """Whether reading them in a second process gains more than its start takes."""
        return is_large(self._layout) or len(self._ids) >= WORTH_A_PROCESS

    def share(self) -> None:
        """Let this object and the copy that is made next each look at some of the files."""
        with contextlib.suppress(OSError):
            self._shares = Shares(_PIECES)

    def send(self) -> Sent:
        """Return what a copy of this object in another process needs not find out again."""
        if not self._shelf.is_kept:
            return {"": encode([head_of(self._read(job_id)) for job_id in self._ids])}, {}, []
        groups = grouped(self._ids, _group)
        seen = {group: self._look(ids) for group, ids in self._taken(groups)}
        sent: dict[str, bytes | int | Sequence[str]] = {
            group: self._shelf.checksum(group) if group in seen else ids
            for group, ids in groups.items()
        }
        changed: dict[str, int] = {}
        for group, heads in self._changed({group: groups[group] for group in seen}, seen):
            sent[group] = encode(heads)
            changed[group] = self._shelf.checksum(group)
        self._shelf.save(groups, len(self._ids))
        return sent, changed, self._shelf.fresh_names()

    def expect(self) -> None:
        """Do a share of the work while the copy does the rest."""
        if "_shelf" not in self.__dict__:
            self._shelf = self._open(MANY)
        self._kept = {group: self._shelf.known(group) for group in self._shelf.rows}
        if self._shares is None:
            return
        if self._kept:
            for group, heads in self._taken(self._kept):
                names = [head.name for head in heads]
                self._seen[group] = (names, self._look(names))
        self._shares.close()
        self._shares = None

    def receive(self, sent: Sent) -> None:
        """Take what a copy of this object in another process has found out.

        When the cache was written between the copy's look at it and ours, all is looked at here.
        """
        if not self._kept:
            self.expect()
        received: dict[str, Sequence[RunHead]] = {}
        here: dict[str, Sequence[str]] = {}
        for group, found in sent[0].items():
            if isinstance(found, bytes):
                received[group] = decode(found)
            elif not isinstance(found, int):
                here[group] = found
            elif found == self._shelf.checksum(group):
                received[group] = self._kept[group]
            else:
                return
        seen: dict[str, array[int]] = {}
        for group, ids in here.items():
            names, states = self._seen.get(group, ((), array("q")))
            seen[group] = states if names == ids else self._look(ids)
            received[group] = self._kept.get(group, ())
        received.update(self._changed(here, seen))
        self._shelf.save(sent[0], sum(map(len, received.values())))
        if not self._has_kept(sent):
            self._shelf.distrust(sent[2])
        self._received = [received[group] for group in sorted(received)]

    def _has_kept(self, sent: Sent) -> bool:
        """Return whether the copy has kept the bodies of what it has read; the shelf then has them.

        It keeps nothing when it has read a few files only.
        """
        if not (sent[1] and self._shelf.with_bodies and self._shelf.is_kept):
            return False
        shelf = self._open(MANY)
        if any(shelf.checksum(group) != wanted for group, wanted in sent[1].items()):
            return False
        self._shelf = shelf
        return True

    def _taken(self, groups: Mapping[str, T]) -> Iterator[tuple[str, T]]:
        """Yield the groups that this process is to look at; all when nobody shares the work."""
        if self._shares is None:
            yield from groups.items()
            return
        pieces = grouped(groups, lambda group: str(int(group, 16) % _PIECES))
        while (piece := self._shares.take()) is not None:
            for group in pieces.get(str(piece), ()):
                yield group, groups[group]

    def _look(self, ids: Iterable[str]) -> array[int]:
        return file_states(self._folder, ids, self._ends)

    def by_id(self) -> dict[str, RunHead]:
        """Return all heads by the ids of the runs."""
        found: dict[str, RunHead] = {}
        for heads in self._received or [list(self)]:
            found.update(zip(map(_name, heads), heads, strict=True))
        return found

    def __iter__(self) -> Iterator[RunHead]:
        if self._received is not None:
            for heads in self._received:
                yield from heads
            return
        if not self._shelf.is_kept:
            for job_id in self._ids:
                record = self._records[job_id] = self._read(job_id)
                yield head_of(record)
            return
        groups = grouped(self._ids, _group)
        seen = {group: self._look(ids) for group, ids in groups.items()}
        changed = dict(self._changed(groups, seen))
        for group in groups:
            yield from changed[group] if group in changed else self._shelf.known(group)
        self._shelf.save(groups, len(self._ids))

    def _changed(
        self, groups: Mapping[str, Sequence[str]], seen: Mapping[str, array[int]]
    ) -> Iterator[tuple[str, Sequence[RunHead]]]:
        """Yield the heads of each group that is not as the cache has it.

        Args:
            groups: the ids of the runs in each.
            seen: the states of their files.
        """
        recall = self._shelf.recall
        known = {
            group: recall(group, ids, seen[group])
            for group, ids in groups.items()
            if not self._shelf.is_as_kept(group, ids, seen[group])
        }
        pairs = [
            (job_id, head)
            for group, heads in known.items()
            for job_id, head in zip(groups[group], heads, strict=True)
        ]
        fresh, bodies = self._read_all([job_id for job_id, head in pairs if head is None])
        for group, heads in known.items():
            ids = groups[group]
            whole = [head or fresh[job_id] for job_id, head in zip(ids, heads, strict=True)]
            read = {job_id: bodies[job_id] for job_id in ids if job_id in fresh}
            self._shelf.keep(group, whole, seen[group], read)
            yield group, whole

    def _read_all(self, ids: Sequence[str]) -> tuple[dict[str, RunHead], dict[str, bytes | None]]:
        if len(ids) < WORTH_A_PROCESS or not can_work_beside():
            heads, bodies = self._read_here(ids)
        else:
            middle = len(ids) // 2
            with working_beside(lambda: _encoded(*self._read_here(ids[middle:]))) as result:
                heads, bodies = self._read_here(ids[:middle])
                theirs = result()
            if theirs is None:  # it was killed
                more = self._read_here(ids[middle:])
            else:
                more = decode(theirs[0]), theirs[1]
            heads, bodies = [*heads, *more[0]], [*bodies, *more[1]]
        return {head.name: head for head in heads}, dict(zip(ids, bodies, strict=True))

    def _read_here(self, ids: Sequence[str]) -> tuple[list[RunHead], list[bytes | None]]:
        records = [self._read(job_id) for job_id in ids]
        return [head_of(record) for record in records], self._bodies_of(records)

    def _bodies_of(self, records: Sequence[RunRecord]) -> list[bytes | None]:
        if self._shelf.with_bodies:
            return [_body_of(record) for record in records]
        return [b"" if record.problem is None else None for record in records]

    def record(self, head: RunHead) -> RunRecord:
        """Return the run behind a head."""
        known = self._records.get(head.name)
        if known is not None:
            return known
        body = self._shelf.body(head.name[:2], head.name)
        if not body:
            return self._read(head.name)
        return self._make(head.name, *msgspec.msgpack.decode(body))


_TOLD: Final = frozenset({"ledger_error", "registry_error", EXECUTION})


def head_of(record: RunRecord) -> RunHead:
    """Return the head of a run."""
    document = record.document
    status, link = document.get("status"), document.get("aexp")
    return RunHead(
        record.job_id,
        None if status is None else str(status),
        pack(link) if isinstance(link, Mapping) else b"",
        pack(record.statepoint),
        record.problem,
        str(document.get("started_at") or ""),
        str(document.get("created_at") or ""),
        not _TOLD.isdisjoint(document),
    )


def _body_of(record: RunRecord) -> bytes | None:
    """Return what may be remembered of a run: nothing of one that is damaged."""
    try:
        if record.problem is not None:
            return None
        return msgspec.msgpack.encode((record.statepoint, record.document))
    except (OverflowError, ValueError, TypeError):
        return None


def _encoded(heads: list[RunHead], bodies: list[bytes | None]) -> tuple[bytes, list[bytes | None]]:
    return encode(heads), bodies
