"""Ledger and local store as one: which runs there are, and which of them are evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

from msgspec import Struct, field

from aexp.ledger.reading import EntryHead
from aexp.ledger.store import Ledger
from aexp.model.citation import LINK_KEYS, MISSING, value_key, values_of
from aexp.model.packed import unpack, unpack_all, values_at
from aexp.model.status import RETRACTED, TERMINAL_STATUSES
from aexp.runs.links import Links
from aexp.validate.batches import Batches, Column
from aexp.workspace.heads import RunHead

_FAILED: Final = ("failed", "abandoned")


class Run(Struct, frozen=True):
    """One run, from the ledger, the local store or both.

    Attributes:
        job_id: its id.
        statepoint: its state point.
        link: its current link: the local one on the machine that has the run, else the entry's.
        local_status: its status in the local store, None when it is not there.
        entry_status: its status in the ledger, None when it has no usable entry.
        entry_path: its entry's file, empty when there is none.
        place: its folder or file, for messages.
    """

    job_id: str
    statepoint: Mapping[str, Any]
    link: Mapping[str, Any]
    local_status: str | None
    entry_status: str | None
    entry_path: str
    place: str

    @property
    def is_retracted(self) -> bool:
        """Whether a tombstone stands in the ledger; then nothing makes it evidence (LED-12)."""
        return self.entry_status == RETRACTED

    @property
    def is_shared(self) -> bool:
        """Whether the ledger has its outcome."""
        return self.entry_status in TERMINAL_STATUSES

    @property
    def status(self) -> str:
        """What it counts as: the ledger's word, which every clone has, before the local one."""
        if self.is_shared or self.local_status is None:
            return str(self.entry_status)
        return self.local_status

    @property
    def is_evidence(self) -> bool:
        """Whether it satisfies a citation: terminal, in the ledger or here, and not retracted."""
        return not self.is_retracted and self.status in TERMINAL_STATUSES

    @property
    def experiment_id(self) -> str:
        """The experiment it belongs to now; empty for an unlinked run."""
        value = self.link.get("experiment_id")
        return value if isinstance(value, str) else ""


class Runs(Mapping[str, Run]):
    """Every run of ledger and local store, each made when it is asked for.

    Args:
        ledgers: the ledger of the tree, and entries that wait beside it.
        local: the local runs, by id.
        place_of: gives the folder of a local run, for messages.
    """

    def __init__(
        self,
        ledgers: Sequence[Ledger] = (),
        local: Mapping[str, RunHead] | None = None,
        place_of: Callable[[str], str] = str,
    ) -> None:
        self._ledgers = ledgers
        self._local = local or {}
        self._place_of = place_of
        self._links = Links()
        self._sound = self._local
        if any(map(_problem, self._local.values())):
            self._sound = {i: head for i, head in self._local.items() if head.problem is None}

    def _entry(self, job_id: str) -> tuple[EntryHead, str] | None:
        for ledger in self._ledgers:
            head = ledger.heads.get(job_id)
            if head is not None:
                return head, ledger.paths[job_id]
        return None

    def __getitem__(self, job_id: str) -> Run:
        shared, here = self._entry(job_id), self._local.get(job_id)
        if here is not None and (here.problem is None or shared is None):
            head, path = shared or (None, "")
            packed = here.link or (head.link if head is not None else b"")
            return Run(
                job_id,
                unpack(here.statepoint) or {},
                self._links[packed],
                here.status if here.problem is None else "unreadable",
                head.status if head is not None else None,
                path,
                self._place_of(job_id),
            )
        if shared is None:
            raise KeyError(job_id)
        head, path = shared
        return Run(
            job_id, unpack(head.statepoint), self._links[head.link], None, head.status, path, path
        )

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._local or any(job_id in ledger.heads for ledger in self._ledgers)

    def __iter__(self) -> Iterator[str]:
        return iter({job_id for known in self._all() for job_id in known})

    def __len__(self) -> int:
        first, *others = sorted(self._all(), key=len, reverse=True)
        more: set[str] = set()
        return len(first) + len(more.union(*(known.keys() - first.keys() for known in others)))

    def _all(self) -> list[Mapping[str, object]]:
        return [*(ledger.heads for ledger in self._ledgers), self._local]

    def evidence(self) -> Evidence:
        """Return the runs that satisfy a citation (VAL-04). There may be a hundred thousand."""
        local = self._sound
        by_link: defaultdict[bytes, list[str]] = defaultdict(list)
        failed: list[str] = []
        shared: set[str] = set()
        alone = list(local)
        own_links = dict(zip(local, map(_link, local.values()), strict=True))
        for ledger in self._ledgers:
            ended = _ended(ledger.heads)
            failed += [job_id for job_id, head in ended.items() if head.status in _FAILED]
            filed = map(_link, ended.values())
            for job_id, here, there in zip(ended, map(own_links.get, ended), filed, strict=True):
                by_link[here or there].append(job_id)
            shared |= ended.keys()
            alone = [job_id for job_id in alone if job_id not in ledger.heads]
        for job_id, head in _ended({job_id: local[job_id] for job_id in alone}).items():
            by_link[head.link].append(job_id)
            if head.status in _FAILED:
                failed.append(job_id)
        members: dict[str, list[str]] = {}
        for packed, ids in by_link.items():
            experiment = self._links[packed].get("experiment_id")
            if isinstance(experiment, str) and experiment:
                members.setdefault(experiment, []).extend(ids)
        return Evidence(Batches.of(members, self._column), frozenset(failed), frozenset(shared))

    def _column(self, ids: Sequence[str]) -> Column:
        """Return what runs that are evidence have under a key."""
        here = list(map(self._sound.get, ids))
        points = [
            self._filed(job_id).statepoint if head is None else head.statepoint
            for job_id, head in zip(ids, here, strict=True)
        ]
        whole: list[Mapping[str, Any]] = []

        def column(key: str) -> list[object]:
            if key not in LINK_KEYS and "." not in key:
                return values_at(key, points, MISSING)
            if not whole:
                whole.extend(point or {} for point in unpack_all(points))
            return values_of(key, whole, [self._current_link(job_id) for job_id in ids])

        return column

    def _filed(self, job_id: str) -> EntryHead:
        """Return the head of the entry of a run that is evidence and not here."""
        shared = self._entry(job_id)
        assert shared is not None
        return shared[0]

    def _current_link(self, job_id: str) -> Mapping[str, Any]:
        here = self._sound.get(job_id)
        if here is not None and here.link:
            return self._links[here.link]
        shared = self._entry(job_id)
        return self._links[b"" if shared is None else shared[0].link]


_link: Final = attrgetter("link")
_status: Final = attrgetter("status")
_problem: Final = attrgetter("problem")
H = TypeVar("H", EntryHead, RunHead)


def _ended(heads: Mapping[str, H]) -> Mapping[str, H]:
    """Return those of terminal status: nearly always all of them."""
    if TERMINAL_STATUSES.issuperset(map(_status, heads.values())):
        return heads
    return {job_id: head for job_id, head in heads.items() if head.status in TERMINAL_STATUSES}


class Batch(Struct, frozen=True):
    """What a batch citation means.

    Attributes:
        runs: the ids of its runs.
        failed: of those that failed or were abandoned.
        unshared: of those that the ledger has not.
    """

    runs: frozenset[str]
    failed: frozenset[str]
    unshared: frozenset[str]


class Evidence(Struct, frozen=True):
    """The runs that are evidence.

    Attributes:
        batches: by experiment.
        failed: the ids of those that failed or were abandoned.
        shared: the ids of those that the ledger has.
    """

    batches: Batches = field(default_factory=lambda: Batches(()))
    failed: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    _known: dict[tuple[str, Hashable], Batch] = field(default_factory=dict)

    def batch(self, experiment_id: str, selector: Mapping[str, object]) -> Batch:
        """Return what a batch citation means (VAL-04); many findings cite the same."""
        asked = (experiment_id, value_key(selector))
        known = self._known.get(asked)
        if known is None:
            runs = self.batches.matching(experiment_id, selector)
            known = self._known[asked] = Batch(runs, runs & self.failed, runs - self.shared)
        return known
