"""Taking a run back: its results do not count any more, on any machine (LED-12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aexp.clock import utc_now
from aexp.errors import InvalidTransitionError, NotTerminalError
from aexp.kb import FOLDERS, parse_artifact
from aexp.kb.numbers import all_citations
from aexp.ledger.pending import mark_pending
from aexp.ledger.places import entry_path
from aexp.ledger.promote import home_layout, promote_record, roots_of
from aexp.ledger.retract import Tombstone, check_reason, entomb_entry, retraction_of
from aexp.model.canonical import Json
from aexp.model.citation import BatchCitation, JobCitation, selector_matches
from aexp.model.entry import Fields
from aexp.model.sanitize import sanitize
from aexp.model.status import RETRACTED, is_terminal
from aexp.model.times import format_time
from aexp.repo import Layout
from aexp.runs.lookup import view_of
from aexp.runs.view import RunView
from aexp.tree import Tree, WorkTree
from aexp.workspace.store import RunRecord, RunStore

_NAMED = 3


@dataclass(frozen=True)
class Retraction:
    """A run after it was retracted.

    Attributes:
        tombstone: what stands in the ledger.
        cited_by: findings that cite the run, which `validate` reports from now on.
    """

    tombstone: Tombstone
    cited_by: tuple[str, ...]


def retract(layout: Layout, job_id: str, reason: str, *, force: bool = False) -> Retraction:
    """Leave a tombstone in a run's place. A second retraction keeps the first.

    The run's document notes it first, where the run is here: should the process be killed before
    the tombstone is written, the next promotion writes it. What the run recorded stays on its
    machine.

    Args:
        layout: the repository.
        job_id: the run, of this machine or of the ledger alone.
        reason: one sentence; a path of this machine in it is made portable or redacted.
        force: retract it although a finding cites it.

    Raises:
        InvalidTransitionError: a finding cites the run; nothing was changed.
        NotTerminalError: the run has not ended, and is not in the ledger; nothing was changed.
        NotFoundError: it is neither here nor usable in the ledger.
        UsageError, UnsafeValueError: the reason is not acceptable; nothing was changed.
        CorruptDataError, StorageError: as :func:`promote_record`.
    """
    text = check_reason(reason)
    view = view_of(layout, job_id)
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    cited = tuple(dict.fromkeys(citing_findings(tree, view)))
    if view.entry is not None and view.entry["status"] == RETRACTED:
        facts = dict(view.entry.get("retracted") or {})
        return Retraction(Tombstone(job_id, entry_path(layout, job_id), facts, False), cited)
    if cited and not force:
        more = f" and {len(cited) - _NAMED} more" if len(cited) > _NAMED else ""
        raise InvalidTransitionError(
            f"run {job_id} is cited by {', '.join(cited[:_NAMED])}{more}",
            hint="cite another run there first, or retract it all the same with --force",
        )
    facts = {
        "reason": sanitize(text, roots=roots_of(layout))[0],
        "at": format_time(utc_now()),
        "machine": layout.machine_label,
    }
    if view.record is None or view.problem:
        return Retraction(entomb_entry(layout, job_id, facts), cited)
    if view.entry is None and not is_terminal(view.record.status):
        raise NotTerminalError(
            f"run {job_id} is {view.record.status}, and nothing of it is in the ledger",
            hint="only an ended run can be retracted; see `aexp show-run`",
        )
    return Retraction(_retract_here(layout, view, facts), cited)


def _retract_here(layout: Layout, view: RunView, facts: Fields) -> Tombstone:
    """Retract a run of this machine: its document first, then its entry."""
    store, job_id = RunStore(layout), view.job_id

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        if is_terminal(document.get("status")):
            record = RunRecord(job_id, {}, document, store.workspace)
            mark_pending(home_layout(layout, record), job_id)
        if retraction_of(document.get("retracted")) is not None:
            return None
        return {**document, "retracted": facts}

    record = store.update(job_id, change)
    kept = retraction_of(record.document.get("retracted")) or facts
    if not is_terminal(record.status):  # another attempt is going on; it ends as a tombstone too
        return entomb_entry(layout, job_id, kept)
    # An entry that stands here is retracted here, wherever the run was created (RUN-04).
    target = layout if view.entry is not None else None
    done = promote_record(store, job_id, layout=target)
    return Tombstone(job_id, done.path, dict(done.entry.get("retracted") or kept), True)


def citing_findings(tree: Tree, run: RunView) -> Iterator[str]:
    """Yield the findings that cite a run, or a number of it, by its id or as one of a batch.

    Args:
        tree: where the findings are.
        run: the run; what the ledger and what this machine say of it both count.
    """
    shapes: list[tuple[Mapping[str, Json], Mapping[str, Json]]] = [(run.statepoint, run.link)]
    if run.entry is not None:
        shapes.append((run.entry["statepoint"], dict(run.entry.get("run_link") or {})))
    names = [path for path in tree.files(FOLDERS["finding"]) if path.lower().endswith(".md")]
    for path, data in tree.read_many(names):
        artifact = parse_artifact("finding", path, data)
        for citation in all_citations(artifact):
            if isinstance(citation, JobCitation):
                cites = citation.id == run.job_id
            else:
                cites = isinstance(citation, BatchCitation) and any(
                    link.get("experiment_id") == citation.experiment_id
                    and selector_matches(citation.selector, statepoint, link)
                    for statepoint, link in shapes
                )
            if cites:
                yield artifact.id or path.rpartition("/")[2]
