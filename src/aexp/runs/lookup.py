"""Finding runs: here, in the ledger, or both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from aexp.errors import NotFoundError
from aexp.ledger.judge import entry_job_id
from aexp.ledger.store import Ledger, entry_files, read_ledger
from aexp.model.canonical import Json
from aexp.model.entry import LedgerEntry
from aexp.model.ids import is_job_id, resolve_prefix
from aexp.model.status import RETRACTED, is_terminal
from aexp.model.stream import Summary
from aexp.repo import Layout
from aexp.tree import WorkTree
from aexp.workspace.store import RunRecord, RunStore
from aexp.workspace.streams import summarize_attempt


@dataclass(frozen=True)
class RunView:
    """One run as every clone can show it: what is here joined with what the ledger says.

    Attributes:
        job_id: the run.
        record: the run's folder here, or None.
        entry: its usable ledger entry, or None.
        problem: what is wrong with the run's files here, or None.
        status: the status here; the ledger's when it is retracted, not here, or damaged here.
        statepoint: the state point.
        link: the current run link; empty for an unlinked run.
        experiment_id: the experiment, or an empty string.
    """

    job_id: str
    record: RunRecord | None
    entry: LedgerEntry | None
    problem: str | None = dataclasses.field(init=False)
    status: str = dataclasses.field(init=False)
    statepoint: Mapping[str, Json] = dataclasses.field(init=False)
    link: Mapping[str, Json] = dataclasses.field(init=False)
    experiment_id: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Work out what every listing asks for, once."""
        record, entry = self.record, self.entry
        problem = record.problem if record is not None else None
        sound = None if problem else record
        link: Mapping[str, Json] = sound.link if sound is not None else {}
        if sound is None and entry is not None:
            link = dict(entry.get("run_link") or {})
        statepoint: Mapping[str, Json] = record.statepoint if record is not None else {}
        if not statepoint and entry is not None:
            statepoint = entry["statepoint"]
        if entry is not None and (sound is None or entry["status"] == RETRACTED):
            status = entry["status"]
        else:
            status = sound.status if sound is not None else "damaged"
        self.__dict__.update(
            problem=problem,
            status=status,
            statepoint=statepoint,
            link=link,
            experiment_id=str(link.get("experiment_id") or ""),
        )

    @property
    def _sound(self) -> RunRecord | None:
        return None if self.problem else self.record

    @property
    def _has_ended(self) -> bool:
        """Whether the ledger says all there is: also of a run that was taken back."""
        return self.status == RETRACTED or is_terminal(self.status)

    @cached_property
    def _streamed(self) -> Summary:
        """What the streams of the present attempt here come to."""
        attempt = (self.record.document if self.record else {}).get("attempt_id")
        if self.record is None or not isinstance(attempt, str):
            return Summary()
        return summarize_attempt(self.record.folder, attempt)

    @cached_property
    def summaries(self) -> Mapping[str, Mapping[str, Json]]:
        """Metrics by name, each with its final value and bounds (LED-01)."""
        if self.entry is not None and ("metrics" in self.entry or self._has_ended):
            found: Mapping[str, Json] = self.entry.get("metrics", {})
            return {name: known for name, known in found.items() if isinstance(known, Mapping)}
        return {name: summary.to_json() for name, summary in self._streamed.metrics.items()}

    @property
    def metrics(self) -> dict[str, Json]:
        """Final values by metric name: the ledger's, else those recorded here so far."""
        return {name: summary.get("value") for name, summary in self.summaries.items()}

    @property
    def params(self) -> dict[str, Json]:
        """Parameters learned during the run."""
        if self.entry is not None and ("params" in self.entry or self._has_ended):
            return dict(self.entry.get("params", {}))
        return self._streamed.params

    @property
    def machine(self) -> str:
        """The label of the machine whose result the ledger shows, or an empty string."""
        return self.entry["registered_machine"] if self.entry is not None else ""

    @property
    def where(self) -> str:
        """``here``, ``ledger`` or ``both``."""
        if self.record is not None and self.entry is not None:
            return "both"
        return "here" if self.record is not None else "ledger"

    def field(self, name: str) -> Json:
        """Return a fact such as ``started_at``: from the run here, else from the ledger."""
        if self.record is not None and self.record.document.get(name) is not None:
            return self.record.document[name]
        return self.entry.get(name) if self.entry is not None else None


def all_runs(layout: Layout, ledger: Ledger | None = None) -> Iterator[RunView]:
    """Yield every run of ledger and run store, sorted by id (LED-11)."""
    entries = (ledger or read_ledger(_tree(layout), find_leaks=False, layout=layout)).entries
    here = {record.job_id: record for record in RunStore(layout).records()}
    for job_id in sorted({*entries, *here}):
        yield RunView(job_id, here.get(job_id), entries.get(job_id))


def view_of(layout: Layout, job_id: str) -> RunView:
    """Return one run by its full id.

    Raises:
        NotFoundError: it is neither here nor usable in the ledger.
    """
    from aexp.ledger.store import load_usable

    store = RunStore(layout)
    record = store.read(job_id) if store.folder(job_id).is_dir() else None
    entry = load_usable(layout, job_id)
    if record is None and entry is None:
        raise NotFoundError(
            f"the ledger entry of run {job_id} is not usable",
            hint="run `aexp validate` to see what is wrong with it",
        )
    return RunView(job_id, record, entry)


def resolve_run_id(layout: Layout, text: str) -> str:
    """Return the full id of the run that ``text`` begins (LED-04): here or in the ledger.

    Raises:
        UsageError: ``text`` is no beginning of an id.
        AmbiguousIdError: several runs match.
        NotFoundError: none does.
    """
    filed = (entry_job_id(layout.relative(path)) for path in entry_files(layout))
    known = {*RunStore(layout).ids(), *(job_id for job_id in filed if job_id is not None)}
    return resolve_prefix(text, known)


def resolve_local_id(layout: Layout, text: str) -> str:
    """Return the full id of a run of this machine.

    Raises:
        NotFoundError: it is not here; the hint says so when the ledger knows it.
    """
    ids = RunStore(layout).ids()
    try:
        return resolve_prefix(text, ids)
    except NotFoundError as error:
        try:
            elsewhere = resolve_run_id(layout, text)
        except (NotFoundError, ValueError):
            elsewhere = ""
        if is_job_id(elsewhere) and elsewhere not in ids:
            raise NotFoundError(
                f"run {elsewhere} is in the ledger, but its folder is not on this machine",
                hint="do this on the machine that ran it; see `aexp show-run`",
            ) from None
        raise error


def _tree(layout: Layout) -> WorkTree:
    return WorkTree(layout.root, has_git=layout.git_dir is not None)
