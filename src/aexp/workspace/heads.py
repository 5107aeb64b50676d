"""What checks and listings ask of every run here, from the cache where nothing has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import msgspec

from aexp.beside import can_work_beside, working_beside
from aexp.cache import Head, grouped, shelf
from aexp.model.canonical import Json
from aexp.model.packed import pack
from aexp.storage.state import file_states

if TYPE_CHECKING:
    from aexp.repo import Layout
    from aexp.workspace.store import RunRecord

WORTH_A_PROCESS: Final = 2_000
"""Runs to be read from which on a second process gains more than its start takes."""


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
    """

    written: str | None = None
    link: bytes = b""
    statepoint: bytes = b""
    problem: str | None = None
    began: str = ""
    created: str = ""

    @property
    def job_id(self) -> str:
        """The run's id."""
        return self.name

    @property
    def status(self) -> str:
        """The status in the document; ``created`` when it has none."""
        return self.written or "created"


Sent: TypeAlias = tuple[dict[str, bytes], list[str]]
"""The groups that are not as the cache has them, encoded, and the runs that were read anew."""

encode: Final = msgspec.msgpack.encode
decode: Final = msgspec.msgpack.Decoder(list[RunHead]).decode


_group: Callable[[str], str] = itemgetter(slice(0, 2))
"""Gives the group of a run in the cache."""


class Heads:
    """The heads of a run store, and the records behind them.

    Args:
        layout: whose cache there is.
        workspace: the folder with one folder per run.
        ids: the runs there are, sorted.
        read: reads one run.
        make: makes a run of its id, state point and document.
        files: the names of a run's document and of its state point.
        bodies: whether more than the heads of many is going to be asked for.
    """

    def __init__(
        self,
        layout: Layout,
        workspace: Path,
        ids: Sequence[str],
        read: Callable[[str], RunRecord],
        make: Callable[[str, dict[str, Json], dict[str, Json]], RunRecord],
        files: tuple[str, str],
        bodies: bool = True,
    ) -> None:
        self._ids = ids
        self._read = read
        self._make = make
        self._folder = f"{workspace}{os.sep}"
        self._ends = tuple(os.sep + name for name in files)
        self._shelf = shelf(layout, "run", RunHead, len(ids), files=len(files), bodies=bodies)
        self._records: dict[str, RunRecord] = {}
        self._received: Mapping[str, bytes] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def send(self) -> Sent:
        """Return what a copy of this object in another process needs not find out again."""
        heads = {g: encode(found) for g, found, is_known in self._by_group() if not is_known}
        return heads, self._shelf.fresh_names()

    def receive(self, sent: Sent) -> None:
        """Take what a copy of this object in another process has found out."""
        self._received = sent[0]
        self._shelf.distrust(sent[1])

    def __iter__(self) -> Iterator[RunHead]:
        if self._received is not None:
            yield from self._from_copy(self._received)
            return
        if not self._shelf.is_kept:
            for job_id in self._ids:
                record = self._records[job_id] = self._read(job_id)
                yield head_of(record)
            return
        for _, heads, _ in self._by_group():
            yield from heads

    def _from_copy(self, changed: Mapping[str, bytes]) -> Iterator[RunHead]:
        """Yield the heads of all groups: those that have changed as they were sent."""
        if "" in changed:
            yield from decode(changed[""])
            return
        for group in grouped(self._ids, _group):
            found = changed.get(group)
            yield from self._shelf.known(group) if found is None else decode(found)

    def _by_group(self) -> Iterator[tuple[str, Sequence[RunHead], bool]]:
        """Yield the heads of each group, and whether they are what the cache has."""
        if not self._shelf.is_kept:
            yield "", [head_of(self._read(job_id)) for job_id in self._ids], False
            return
        groups = grouped(self._ids, _group)
        seen = {g: file_states(self._folder, ids, self._ends) for g, ids in groups.items()}
        known = {g: self._shelf.recall(g, ids, seen[g]) for g, ids in groups.items()}
        unread = [
            job_id
            for g, ids in groups.items()
            if None in known[g]
            for job_id, head in zip(ids, known[g], strict=True)
            if head is None
        ]
        fresh, bodies = self._read_all(unread)
        for g, ids in groups.items():
            if None not in known[g]:
                yield g, cast("list[RunHead]", known[g]), self._shelf.is_as_kept(g, seen[g])
                continue
            whole = [head or fresh[job_id] for job_id, head in zip(ids, known[g], strict=True)]
            read = {job_id: bodies[job_id] for job_id in ids if job_id in fresh}
            self._shelf.keep(g, whole, seen[g], read)
            yield g, whole, False
        self._shelf.save(groups, len(self._ids))

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
