"""Reading many entries: what the cache remembers of unchanged files, and the others judged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Literal, cast

import msgspec

from aexp.beside import can_work_beside, working_beside
from aexp.cache import Head, grouped, shelf
from aexp.errors import CorruptDataError
from aexp.ledger.judge import PREFIX, LedgerProblem, entry_job_id, judge
from aexp.model.entry import LedgerEntry, merge, put_together, take_apart
from aexp.model.packed import pack
from aexp.repo import Layout
from aexp.tree import Tree, WorkTree


class EntryHead(Head, array_like=True, frozen=True, gc=False):
    """What checks and listings ask of every entry.

    Attributes:
        name: the file below the ledger folder.
        job_id: the run.
        status: its status; empty when the file is no usable entry.
        machine: the label of the machine whose result it shows.
        link: its run link, encoded; equal links have equal bytes. Empty without one.
        statepoint: its state point, encoded.
        has_replicates: whether there are other attempts.
        began: when the attempt that it shows began, as text; empty when that is not known.
        metrics: the final values by metric, packed; empty without metrics.
        troubles: the fields of each :class:`LedgerProblem` of the file.
    """

    job_id: str
    status: str = ""
    machine: str = ""
    link: bytes = b""
    statepoint: bytes = b""
    has_replicates: bool = False
    began: str = ""
    metrics: bytes = b""
    troubles: tuple[tuple[str, str, str, str | None, Literal["error", "warning"]], ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether there is an entry at all."""
        return bool(self.status)


class Entries(Mapping[str, LedgerEntry]):
    """The usable entries of a ledger by job id, each decoded when it is asked for.

    Args:
        heads: of the usable entries, by job id.
        read: those that are decoded already.
        load: gives any other.
    """

    def __init__(
        self,
        heads: Mapping[str, EntryHead],
        read: dict[str, LedgerEntry],
        load: Callable[[EntryHead], LedgerEntry],
    ) -> None:
        self._heads = heads
        self._read = read
        self._load = load

    def __getitem__(self, job_id: str) -> LedgerEntry:
        found = self._read.get(job_id)
        if found is None:
            found = self._read[job_id] = self._load(self._heads[job_id])
        return found

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._heads

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)


class Paths(Mapping[str, str]):
    """The files of usable entries by job id.

    Args:
        heads: of the usable entries, by job id.
    """

    def __init__(self, heads: Mapping[str, EntryHead]) -> None:
        self._heads = heads

    def __getitem__(self, job_id: str) -> str:
        return PREFIX + self._heads[job_id].name

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)


class Reading:
    """One reading of a ledger: what is remembered of unchanged files, and the others judged.

    Args:
        tree: the files.
        find_leaks: look for secrets too; what is kept in the cache always has been looked at.
        layout: whose cache there is; None for none.
        count: how many files there are.
        bodies: whether more than the heads of many is going to be asked for.
    """

    def __init__(
        self,
        tree: Tree,
        find_leaks: bool,
        layout: Layout | None,
        count: int,
        bodies: bool = True,
    ) -> None:
        # Of one path, the work tree and git's index may each have another content.
        kind = "entry" if tree.label == WorkTree.label else "entry in git"
        self._tree = tree
        self._shelf = shelf(layout, kind, EntryHead, count, bodies=bodies)
        self._find_leaks = find_leaks or self._shelf.is_kept
        self.entries: dict[str, LedgerEntry] = {}

    def groups(self, paths: Sequence[str]) -> Iterator[list[EntryHead]]:
        """Yield the heads of all files, some at a time: both layouts of a run together."""
        start = len(PREFIX)
        all_names = [path[start:] for path in paths]
        if not self._shelf.is_kept:
            yield self._judge(all_names, is_kept=False)[0]
            return
        groups = grouped(all_names, _group)
        seen = {g: self._tree.states(names, PREFIX) for g, names in groups.items()}
        known = {g: self._shelf.recall(g, names, seen[g]) for g, names in groups.items()}
        unread = [
            name
            for g, names in groups.items()
            if None in known[g]
            for name, head in zip(names, known[g], strict=True)
            if head is None
        ]
        fresh, bodies = self._judge(unread, is_kept=True)
        judged = {head.name: head for head in fresh}
        for g, names in groups.items():
            heads = known[g]
            if None not in heads:
                yield cast("list[EntryHead]", heads)
                continue
            whole = [h or judged[name] for name, h in zip(names, heads, strict=True)]
            read = {n: bodies.get(n) for n in names if n in judged}
            self._shelf.keep(g, whole, seen[g], read)
            yield whole
        self._shelf.save(groups, len(paths))

    def _judge(
        self, names: Sequence[str], *, is_kept: bool
    ) -> tuple[list[EntryHead], dict[str, bytes]]:
        """Read and judge files, half of many in a second process where there is a core for it."""
        if len(names) < WORTH_A_PROCESS or not can_work_beside():
            return self._judge_here(names, is_kept)
        middle = len(names) // 2
        with working_beside(lambda: self._judge_there(names[middle:], is_kept)) as result:
            heads, bodies = self._judge_here(names[:middle], is_kept)
            theirs = result()
        if theirs is None:  # it was killed
            more = self._judge_here(names[middle:], is_kept)
        else:
            decoded = msgspec.msgpack.decode(theirs[0], type=list[EntryHead])
            more = decoded, dict(zip(*theirs[1:], strict=True))
        bodies.update(more[1])
        return [*heads, *more[0]], bodies

    def _judge_there(
        self, names: Sequence[str], is_kept: bool
    ) -> tuple[bytes, list[str], list[bytes]]:
        heads, bodies = self._judge_here(names, is_kept)
        return msgspec.msgpack.encode(heads), list(bodies), list(bodies.values())

    def _judge_here(
        self, names: Sequence[str], is_kept: bool
    ) -> tuple[list[EntryHead], dict[str, bytes]]:
        heads: list[EntryHead] = []
        bodies: dict[str, bytes] = {}
        encode, with_bodies = msgspec.msgpack.encode, self._shelf.with_bodies
        for path, data in self._tree.read_many(PREFIX + name for name in names):
            job_id = entry_job_id(path)
            entry, problems = (
                (None, []) if job_id is None
                else judge(job_id, path, data, find_leaks=self._find_leaks)
            )  # fmt: skip
            head = head_of(path, job_id or "", entry, problems)
            heads.append(head)
            if is_kept:
                with contextlib.suppress(OverflowError, ValueError, TypeError):
                    if not isinstance(data, OSError):
                        bodies[head.name] = encode(entry) if with_bodies else b""
            elif entry is not None:
                self.entries[entry["job_id"]] = entry
        return heads, bodies

    def load(self, head: EntryHead) -> LedgerEntry:
        """Return an entry whose head is known.

        Raises:
            CorruptDataError: it was there, and was removed or damaged meanwhile.
        """
        body = self._shelf.body(_group(head.name), head.name)
        if body:
            return cast("LedgerEntry", msgspec.msgpack.decode(body))
        path = PREFIX + head.name
        for _, data in self._tree.read_many([path]):
            entry, problems = judge(head.job_id, path, data, find_leaks=False)
            if entry is not None:
                return entry
            raise CorruptDataError(f"{path} changed while it was read: {problems[0].message}")
        raise CorruptDataError(f"{path} is gone")

    def unite(self, first: EntryHead, second: EntryHead) -> EntryHead:
        """Return the head of a run that has an entry in both layouts: the two as one (LED-13)."""
        mine = self.entries.get(first.job_id) or self.load(first)
        entry = put_together(merge(take_apart(mine), take_apart(self.load(second))))
        self.entries[first.job_id] = entry
        return head_of(PREFIX + first.name, first.job_id, entry)


WORTH_A_PROCESS: Final = 1_500
"""Files to be read from which on a second process gains more than its start takes."""


def head_of(
    path: str, job_id: str, entry: LedgerEntry | None, problems: Iterable[LedgerProblem] = ()
) -> EntryHead:
    """Return the head of an entry, or of a file that is no usable one.

    Args:
        path: the file, relative to the root.
        job_id: the run its name belongs to, empty when it belongs to none.
        entry: what it holds.
        problems: what is wrong with it.
    """
    name = path[len(PREFIX) :]
    troubles = tuple((p.code, p.path, p.message, p.job_id, p.severity) for p in problems)
    if entry is None:
        return EntryHead(name, job_id, troubles=troubles)
    return EntryHead(
        name,
        job_id,
        entry["status"],
        entry["registered_machine"],
        pack(entry.get("run_link")),
        pack(entry["statepoint"]),
        bool(entry.get("replicates")),
        str(entry.get("started_at") or ""),
        _final_values(entry.get("metrics")),
        troubles,
    )


def _final_values(metrics: Mapping[str, Any] | None) -> bytes:
    if metrics is None:
        return b""
    return pack({name: m.get("value") for name, m in metrics.items() if isinstance(m, Mapping)})


_group: Callable[[str], str] = itemgetter(slice(-37, -35))
"""Gives the group in the cache of a file below the ledger folder: the first two digits of the id,
in both layouts. There may be a hundred thousand."""
