"""One run as every clone can show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aexp.ledger.reading import EntryHead, head_of
from aexp.model.canonical import Json
from aexp.model.entry import LedgerEntry
from aexp.model.packed import unpack, unpack_all
from aexp.model.status import RETRACTED, is_terminal
from aexp.workspace.heads import RunHead
from aexp.workspace.heads import head_of as head_of_run
from aexp.workspace.store import RunRecord

if TYPE_CHECKING:
    from aexp.model.stream import Summary


class RunView:
    """What is here of a run, joined with what the ledger says.

    A listing makes ten thousand of these: what it asks for comes from the two heads, and the
    document and the entry are read when something else is asked.

    Args:
        job_id: the run.
        here: the head of the run's folder here, or None.
        filed: the head of its usable ledger entry, or None.
        load_record: gives the run's folder.
        load_entry: gives its entry.
    """

    __slots__ = (
        *("_entry", "_load_entry", "_load_record", "_record", "_sound", "_statepoint"),
        *("_streamed", "filed", "here", "job_id"),
    )

    def __init__(
        self,
        job_id: str,
        here: RunHead | None,
        filed: EntryHead | None,
        load_record: Callable[[RunHead], RunRecord],
        load_entry: Callable[[str], LedgerEntry],
    ) -> None:
        self.job_id = job_id
        self.here = here
        self.filed = filed
        self._load_record = load_record
        self._load_entry = load_entry
        self._record: RunRecord | None = None
        self._entry: LedgerEntry | None = None
        self._statepoint: Mapping[str, Json] | None = None
        self._streamed: Summary | None = None
        self._sound = None if here is None or here.problem is not None else here

    @classmethod
    def of(cls, job_id: str, record: RunRecord | None, entry: LedgerEntry | None) -> RunView:
        """Return the view of a run whose folder and entry have been read."""
        here = None if record is None else head_of_run(record)
        filed = None if entry is None else head_of("", job_id, entry)

        def nothing(_: object) -> LedgerEntry:
            raise KeyError(job_id)

        view = cls(job_id, here, filed, lambda _: record or _no_record(job_id), nothing)
        view._record, view._entry = record, entry
        return view

    @property
    def record(self) -> RunRecord | None:
        """The run's folder here, or None."""
        if self._record is None and self.here is not None:
            self._record = self._load_record(self.here)
        return self._record

    @property
    def entry(self) -> LedgerEntry | None:
        """Its usable ledger entry, or None."""
        if self._entry is None and self.filed is not None:
            self._entry = self._load_entry(self.job_id)
        return self._entry

    @property
    def problem(self) -> str | None:
        """What is wrong with the run's files here, or None."""
        return None if self.here is None else self.here.problem

    @property
    def status(self) -> str:
        """The status here; the ledger's when it is retracted, not here, or damaged here."""
        filed, sound = self.filed, self._sound
        if filed is not None and (sound is None or filed.status == RETRACTED):
            return filed.status
        return sound.status if sound is not None else "damaged"

    @property
    def statepoint(self) -> Mapping[str, Json]:
        """The state point: the one here where it can be read, else the ledger's."""
        if self._statepoint is None:
            found = unpack(self.here.statepoint) if self.here is not None else None
            if not found and self.filed is not None:
                found = unpack(self.filed.statepoint)
            self._statepoint = found or {}
        return self._statepoint

    @property
    def packed_link(self) -> bytes:
        """The current link, packed: equal links have equal bytes."""
        if self._sound is not None:
            return self._sound.link
        return self.filed.link if self.filed is not None else b""

    @property
    def link(self) -> Mapping[str, Json]:
        """The current run link; empty for an unlinked run."""
        found = unpack(self.packed_link)
        return found if isinstance(found, Mapping) else {}

    @property
    def experiment_id(self) -> str:
        """The experiment, or an empty string."""
        return str(self.link.get("experiment_id") or "")

    @property
    def _has_ended(self) -> bool:
        """Whether the ledger says all there is: also of a run that was taken back."""
        status = self.status
        return status == RETRACTED or is_terminal(status)

    @property
    def streamed(self) -> Summary:
        """What the streams of the present attempt here come to."""
        if self._streamed is None:
            from aexp.model.stream import Summary
            from aexp.workspace.streams import summarize_attempt  # most listings need neither

            attempt = (self.record.document if self.record else {}).get("attempt_id")
            if self.record is None or not isinstance(attempt, str):
                self._streamed = Summary()
            else:
                self._streamed = summarize_attempt(self.record.folder, attempt)
        return self._streamed

    @property
    def summaries(self) -> Mapping[str, Mapping[str, Json]]:
        """Metrics by name, each with its final value and bounds (LED-01)."""
        if self.filed is not None and (self.filed.metrics or self._has_ended):
            entry: Mapping[str, Json] = self.entry or {}
            found = entry.get("metrics") or {}
            return {name: known for name, known in found.items() if isinstance(known, Mapping)}
        return {name: summary.to_json() for name, summary in self.streamed.metrics.items()}

    @property
    def metrics(self) -> dict[str, Json]:
        """Final values by metric name: the ledger's, else those recorded here so far."""
        if self.filed is not None and (self.filed.metrics or self._has_ended):
            return unpack(self.filed.metrics) or {}
        return {name: summary.get("value") for name, summary in self.summaries.items()}

    @property
    def params(self) -> Mapping[str, Json]:
        """Parameters learned during the run."""
        if self.entry is not None and ("params" in self.entry or self._has_ended):
            return dict(self.entry.get("params", {}))
        return self.streamed.params

    @property
    def machine(self) -> str:
        """The label of the machine whose result the ledger shows, or an empty string."""
        return self.filed.machine if self.filed is not None else ""

    @property
    def where(self) -> str:
        """``here``, ``ledger`` or ``both``."""
        if self.here is None:
            return "ledger"
        return "here" if self.filed is None else "both"

    @property
    def began(self) -> str:
        """When it began, else an empty string."""
        return (self.here and self.here.began) or (self.filed and self.filed.began) or ""

    @property
    def created(self) -> str:
        """When it was created here, else an empty string."""
        return self.here.created if self.here is not None else ""

    def field(self, name: str) -> Json:
        """Return a fact such as ``ended_at``: from the run here, else from the ledger."""
        record = self.record
        if record is not None and record.document.get(name) is not None:
            return record.document[name]
        return self.entry.get(name) if self.entry is not None else None


def statepoints(views: Sequence[RunView]) -> list[Mapping[str, Json]]:
    """Return the state point of each of many runs: see :attr:`RunView.statepoint`."""
    found = unpack_all([_packed_statepoint(view) for view in views])
    return [
        point if isinstance(point, dict) and point else view.statepoint
        for point, view in zip(found, views, strict=True)
    ]


def _packed_statepoint(view: RunView) -> bytes:
    head = view.here or view.filed
    return b"" if head is None else head.statepoint


def _no_record(job_id: str) -> RunRecord:
    raise KeyError(job_id)
