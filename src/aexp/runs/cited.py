"""Runs that findings cite and that nobody else can see (INS-10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from aexp.kb import Artifact
from aexp.kb.numbers import all_citations
from aexp.ledger.reading import EntryHead
from aexp.model.canonical import Json
from aexp.model.citation import (
    BatchCitation,
    JobCitation,
    describe_selector,
    selector_matches,
)
from aexp.model.entry import LedgerEntry
from aexp.model.packed import unpack
from aexp.model.status import is_terminal
from aexp.runs.links import Links

BACKFILL, VALIDATE, SYNC = "aexp ledger backfill", "aexp validate", "aexp sync"


class Run(NamedTuple):
    """A run here."""

    job_id: str
    status: str
    statepoint: Mapping[str, Json]
    link: Mapping[str, Json]

    @property
    def experiment_id(self) -> str:
        """The experiment it belongs to now; empty for an unlinked run."""
        return _experiment(self.link)


class Lost(NamedTuple):
    """An entry that HEAD has and the work tree has lost, and the command that brings it back."""

    entry: LedgerEntry
    mend: str


@dataclass(frozen=True)
class CitedGap:
    """Runs of one finding that nobody else can see, for one reason.

    Attributes:
        finding: the finding's id, or its file's name.
        path: its file.
        what: what it cites, and why nobody sees it: the rest of a sentence after its id.
        mend: the command that helps.
        runs: the runs, when they are known.
    """

    finding: str
    path: str
    what: str
    mend: str
    runs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """What is known of runs, for the citations.

    Attributes:
        heads: what is asked of every usable ledger entry.
        entries: the usable ledger entries.
        uncommitted: the runs among them whose entry is not committed.
        here: the runs of this machine that the ledger does not have.
        unusable: runs with a ledger file that has a problem.
        left_out: the runs among them whose entry has an error, so that it will not be committed.
        lost: by run, the entries that were committed and are gone from the work tree.
        elsewhere: gives, by run, the machines that have it according to the indexes.
    """

    heads: Mapping[str, EntryHead]
    entries: Mapping[str, LedgerEntry]
    uncommitted: frozenset[str]
    here: Mapping[str, Run]
    unusable: frozenset[str]
    left_out: frozenset[str]
    lost: Mapping[str, Lost]
    elsewhere: Callable[[], Mapping[str, str]]

    @cached_property
    def indexed(self) -> Mapping[str, str]:
        """The machines of each run that only an index names; read when it is first asked for."""
        return self.elsewhere()

    @cached_property
    def unshared(self) -> Mapping[str, list[Run]]:
        """Ended runs that the ledger lacks, committed or here, by experiment."""
        here = [run for run in self.here.values() if run.job_id not in self.lost]
        runs = [run for run in here if is_terminal(run.status)]
        runs += [_of_entry(lost.entry) for lost in self.lost.values()]
        runs += [
            _of_entry(self.entries[job_id]) for job_id in sorted(self.uncommitted | self.left_out)
        ]
        return _by_experiment(runs)

    @cached_property
    def _filed(self) -> tuple[Links, Mapping[str, list[EntryHead]]]:
        """The ended runs of the ledger by experiment, and their links."""
        links = Links()
        groups: dict[str, list[EntryHead]] = defaultdict(list)
        for head in self.heads.values():
            if is_terminal(head.status):
                groups[_experiment(links[head.link])].append(head)
        return links, groups

    def filed(self, experiment_id: str) -> Iterator[Run]:
        """Yield the ended runs that the ledger has of an experiment."""
        links, groups = self._filed
        for head in groups.get(experiment_id, ()):
            point = unpack(head.statepoint) or {}
            yield Run(head.job_id, head.status, point, links[head.link])


def _of_entry(entry: LedgerEntry) -> Run:
    link = entry.get("run_link") or {}
    return Run(entry["job_id"], entry["status"], entry["statepoint"], dict(link))


def _experiment(link: Mapping[str, Json]) -> str:
    value = link.get("experiment_id")
    return value if isinstance(value, str) else ""


def _by_experiment(runs: list[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.experiment_id].append(run)
    return groups


def cited_gaps(findings: Iterable[Artifact], known: Known) -> list[CitedGap]:
    """Return what findings cite and nobody else can see, by finding.

    Args:
        findings: the findings.
        known: the runs.
    """
    found: list[CitedGap] = []
    for artifact in findings:
        path = artifact.path
        name = artifact.id or path.rpartition("/")[2]
        groups: dict[tuple[str, str], list[str]] = {}
        for citation in all_citations(artifact):
            if isinstance(citation, JobCitation):
                gaps = _job_gap(citation.id, known)
            elif isinstance(citation, BatchCitation):
                gaps = _batch_gaps(citation, known)
            else:
                continue  # `aexp validate` is for what is no citation
            for reason, mend, runs in gaps:
                listed = groups.setdefault((reason, mend), [])
                listed += [job_id for job_id in runs if job_id not in listed]
        found += [
            CitedGap(name, path, _sentence(reason, runs), mend, runs)
            for (reason, mend), runs in groups.items()
        ]
    return found


def _sentence(reason: str, runs: list[str]) -> str:
    if not runs:
        return f"cites {reason}"
    what = f"run {runs[0][:8]}, which" if len(runs) == 1 else f"{len(runs)} runs that"
    verb, _, rest = reason.partition(" ")
    if len(runs) > 1:
        verb = {"is": "are", "has": "have"}[verb]
    return f"cites {what} {verb} {rest}"


Gap = tuple[str, str, list[str]]
"""Why nobody sees the runs, what helps, and the runs."""


def _job_gap(job_id: str, known: Known) -> Iterator[Gap]:
    run = known.here.get(job_id)
    if job_id in known.lost:
        yield "has a committed entry that is gone here", known.lost[job_id].mend, [job_id]
    elif job_id in known.left_out:
        yield "has an entry with errors, left out of commits", VALIDATE, [job_id]
    elif job_id in known.uncommitted:
        yield "has an entry that is not committed", BACKFILL, [job_id]
    elif job_id in known.heads:
        return
    elif run is not None and is_terminal(run.status):
        yield "is not in the ledger", BACKFILL, [job_id]
    elif run is not None and run.status == "damaged":
        yield "is damaged here", VALIDATE, [job_id]
    elif job_id in known.unusable:
        yield "has no usable entry", VALIDATE, [job_id]
    elif job_id in known.indexed:
        yield f"is known to {known.indexed[job_id]} only", f"{SYNC} (there)", [job_id]
    elif run is not None:
        yield f"is {run.status} here", "aexp recover", [job_id]
    else:
        yield "is unknown here", SYNC, [job_id]


def _batch_gaps(citation: BatchCitation, known: Known) -> Iterator[Gap]:
    """Say which runs of a batch are not shared, or that nobody knows one of it."""
    experiment, selector = citation.experiment_id, citation.selector
    missing = [
        run.job_id
        for run in known.unshared.get(experiment, ())
        if selector_matches(selector, run.statepoint, run.link)
    ]
    if missing:
        for job_id in missing:
            yield from _job_gap(job_id, known)
    elif not any(
        selector_matches(selector, run.statepoint, run.link) for run in known.filed(experiment)
    ):
        batch = f"batch {experiment} ({describe_selector(selector)})"
        yield f"{batch}, of which no run is shared", SYNC, []
