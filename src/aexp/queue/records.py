"""What the documents of runs say of the queue. There is no other list of it (ADR 8).

A queued run is one of status ``queued``, or an ended one that waits for another attempt
(``again`` in its ``queue`` block). The block is written when the run is queued, and stays. A run
whose worker died is owed to the queue too, until :data:`MAX_LOST` of them did so in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aexp.model.canonical import Json
from aexp.model.owner import Liveness, Owner
from aexp.model.project import tags_of
from aexp.model.status import is_terminal
from aexp.queue.template import parameters
from aexp.repo import Layout
from aexp.runs.transition import owner_state
from aexp.workspace.store import RunRecord, RunStore

QUEUE: Final = "queue"
"""The block: ``queued_at``, ``number``, ``command``, ``code``, ``again``, ``removed``."""
MAX_LOST: Final = 3
"""A run whose workers died so often in a row is not given to another: it may kill them."""


@dataclass(frozen=True)
class Queued:
    """A run that was queued.

    Attributes:
        record: the run.
        index: its place among all runs that were queued and that the same filters name, ended
            ones too: it stays the same while workers take runs.
        is_lost: whether its worker died, so that another may take it.
        owner: the worker of a running run, or None.
    """

    record: RunRecord
    index: int
    is_lost: bool = False
    owner: Owner | None = None

    @property
    def job_id(self) -> str:
        """The run's id."""
        return self.record.job_id

    @property
    def waits(self) -> bool:
        """Whether it waits for a worker."""
        return waits(self.record.document)

    @property
    def status(self) -> str:
        """The run's status; ``queued`` for an ended one that waits for another attempt too."""
        return "queued" if self.waits else self.record.status

    @property
    def tags(self) -> list[str]:
        """The run's tags, sorted."""
        return tags_of(self.record.document)

    @property
    def queued_at(self) -> str:
        """When it was queued, as text."""
        return str(queue_block(self.record.document).get("queued_at") or "")

    @property
    def parameters(self) -> dict[str, Json]:
        """Its parameters, without what aexp itself puts into a state point."""
        return parameters(self.record.statepoint)


@dataclass(frozen=True)
class Choice:
    """Which runs of the queue a command is about.

    Attributes:
        experiment_id: only runs of this experiment.
        tags: only runs that have all of these tags.
    """

    experiment_id: str | None = None
    tags: Sequence[str] = field(default=())

    def has(self, record: RunRecord) -> bool:
        """Return whether the command is about a run."""
        if self.experiment_id not in (None, record.experiment_id):
            return False
        return set(self.tags) <= {*tags_of(record.document), *_old_tag(record.document)}


def _old_tag(document: Mapping[str, Json]) -> Iterable[str]:
    tag = queue_block(document).get("tag")  # 0.6.x keeps the one tag of a queued run there
    return [tag] if isinstance(tag, str) else []


def queue_block(document: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return what a run's document says of the queue, empty when it was never queued."""
    block = document.get(QUEUE)
    return block if isinstance(block, Mapping) else {}


def waits(document: Mapping[str, Json]) -> bool:
    """Return whether a run of this document waits for a worker."""
    status = document.get("status")
    if status == "queued":
        return True
    return is_terminal(status) and bool(queue_block(document).get("again"))


def is_owed(document: Mapping[str, Json]) -> bool:
    """Return whether a run was given up only because its worker died, and another may take it."""
    block = queue_block(document)
    if document.get("status") != "abandoned" or not block or block.get("removed"):
        return False
    return 0 < times_lost(document) < MAX_LOST


def times_lost(document: Mapping[str, Json]) -> int:
    """Return how many attempts in a row, the last ones, ended because their worker died."""
    past = document.get("attempts") or []
    present = [] if document.get("status") == "running" else [document]
    count = 0
    for facts in reversed([*past, *present]):
        if not isinstance(facts, Mapping) or facts.get("ended_by") != "lost":
            break
        count += 1
    return count


def read_queue(layout: Layout, choice: Choice | None = None) -> list[Queued]:
    """Return every run that was ever queued and that ``choice`` names, in order of queueing.

    Args:
        layout: the repository.
        choice: which runs; all when None.
    """
    store = RunStore(layout)
    found = [record for record in _members(store) if choice is None or choice.has(record)]
    found.sort(key=_order)
    return [_queued(store, record, index) for index, record in enumerate(found)]


def _members(store: RunStore) -> Iterator[RunRecord]:
    for record in store.records():
        if record.problem is None and (record.status == "queued" or queue_block(record.document)):
            yield record


def _order(record: RunRecord) -> tuple[str, int, str]:
    block = queue_block(record.document)
    number = block.get("number")
    return (str(block.get("queued_at") or ""), number if isinstance(number, int) else 0,
            record.job_id)  # fmt: skip


def _queued(store: RunStore, record: RunRecord, index: int) -> Queued:
    if record.status != "running":
        return Queued(record, index, is_owed(record.document))
    state, owner = owner_state(store, record)
    return Queued(record, index, state is Liveness.DEAD, owner)
