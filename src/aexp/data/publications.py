"""What executions have published, as the ledger names it: what no entry names does not count.

Assets and features are read of the same entries, here (EXE-31).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from aexp.model.canonical import Json
from aexp.model.execution import KEY
from aexp.model.outputs import Output
from aexp.model.times import EPOCH, parse_time
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.runs.lookup import all_runs
from aexp.runs.outputs import attempts_of, listed_outputs, reader
from aexp.runs.view import RunView


@dataclass(frozen=True, slots=True)
class Publication:
    """What the ledger says that one execution has published.

    Attributes:
        execution: its id.
        made_at: when its work ended, as far as that is known: publishing more does not move it.
        machine: the label of the machine that ran it.
        outputs: in the order of publication; None when the entry had no room for the list, and
            its bytes are not here.
    """

    execution: str
    made_at: str
    machine: str
    outputs: tuple[Output, ...] | None

    @property
    def order(self) -> tuple[datetime, str]:
        """What sorts publications, the oldest first."""
        return parse_time(self.made_at) or EPOCH, self.execution


def publications(
    layout: Layout, registry: Registry, execution: str | None = None
) -> list[Publication]:
    """Return what the executions of the ledger have published, the oldest first.

    Args:
        layout: the repository.
        registry: where lists may be that an entry had no room for.
        execution: the id of the only one to look at, or None.
    """
    found = [
        publication
        for view in executions(layout)
        if execution in (None, view.job_id)
        for publication in _of(layout, registry, view)
    ]
    return sorted(found, key=lambda publication: publication.order)


def executions(layout: Layout) -> Iterator[RunView]:
    """Yield the executions that the ledger has an entry of; a tombstone names no outputs."""
    for view in all_runs(layout):
        if view.filed is not None and KEY in view.statepoint:
            yield view


def _of(layout: Layout, registry: Registry, view: RunView) -> Iterator[Publication]:
    read = reader(registry, layout.workspace / view.job_id)
    seen: list[Output] = []
    for attempt in attempts_of(view):
        listed = listed_outputs(attempt, read)
        if listed is not None:
            listed = [output for output in listed if output not in seen]
            seen += listed
        if listed is None or listed:
            made_at, machine = _made_at(attempt), str(attempt.get("registered_machine") or "")
            outputs = None if listed is None else tuple(listed)
            yield Publication(view.job_id, made_at, machine or view.machine, outputs)


def _made_at(attempt: Mapping[str, Json]) -> str:
    facts = attempt.get(KEY)
    published = facts.get("published_at") if isinstance(facts, Mapping) else None
    known = (attempt.get("ended_at"), published, attempt.get("started_at"))
    return next((text for text in known if isinstance(text, str)), "")
