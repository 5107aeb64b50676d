"""Which experiment a run belongs to, and the batches that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexp.clock import utc_now
from aexp.errors import NotFoundError, UsageError
from aexp.kb import find_experiment
from aexp.ledger.promote import Promotion
from aexp.ledger.retract import refuse_retracted
from aexp.model.canonical import Json
from aexp.model.ids import is_experiment_id
from aexp.model.times import format_time, later_of
from aexp.repo import KB_DIR_REL, Layout, open_layout
from aexp.runs.amend import amend
from aexp.runs.create import make_link, require_hypothesis
from aexp.runs.lookup import all_runs, resolve_local_id
from aexp.tree import WorkTree
from aexp.workspace.store import RunStore

if TYPE_CHECKING:
    from aexp.workspace.compat import Job


@dataclass(frozen=True)
class BatchSummary:
    """Runs of one experiment that share the values of some state point keys.

    Attributes:
        experiment_id: the experiment.
        selector: the shared values, as a batch citation writes them.
        count: how many runs.
        status_counts: how many of each status.
    """

    experiment_id: str
    selector: dict[str, Any]
    count: int
    status_counts: dict[str, int] = field(default_factory=dict)


def link_run(
    layout: Layout,
    job_id: str,
    experiment_id: str,
    *,
    hypothesis_id: str | None = None,
    sub_hypothesis_id: str | None = None,
    allow_missing: bool = False,
) -> Promotion | None:
    """Link a run to an experiment; a terminal run is promoted again (LED-08).

    The state point stays as it is: it says what the run was started for, the link what it counts
    for now.

    Returns:
        The promotion, or None when the run has not ended, or when the promotion failed, which
        is said on standard error and remembered (RUN-04).

    Raises:
        NotFoundError: no such run, or no such experiment or hypothesis and not
            ``allow_missing``.
        UsageError: the experiment id is malformed.
        StorageError: the disk refused.
    """
    if not is_experiment_id(experiment_id):
        raise UsageError(f"{experiment_id!r} is no experiment id", hint="for example: E001")
    artifact = find_experiment(WorkTree(layout.root), experiment_id)
    if artifact is None and not allow_missing:
        raise NotFoundError(
            f"there is no experiment {experiment_id} in {KB_DIR_REL}/experiments",
            hint="make it with `aexp new-experiment`, or pass --allow-missing",
        )
    if not allow_missing:
        require_hypothesis(layout, hypothesis_id)
    refuse_retracted(layout, job_id, "linked")
    wanted = make_link(experiment_id, hypothesis_id, sub_hypothesis_id, artifact)

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        before = document.get("aexp")
        before = before if isinstance(before, Mapping) else {}
        if {k: before.get(k) for k in wanted} == wanted:
            return None
        linked_at = format_time(later_of(utc_now(), before.get("linked_at")))
        return {**document, "aexp": {**wanted, "linked_at": linked_at}}

    return amend(layout, job_id, change).promotion


def link_to_experiment(
    job_id: str,
    *,
    experiment_id: str,
    hypothesis_id: str | None = None,
    sub_hypothesis_id: str | None = None,
    repo_root: str | Path | None = None,
) -> Job:
    """Link a run to an experiment and return it as a signac job; see :func:`link_run`."""
    from aexp.workspace.compat import open_job

    layout = open_layout(repo_root)
    full = resolve_local_id(layout, job_id)
    link_run(
        layout,
        full,
        experiment_id,
        hypothesis_id=hypothesis_id,
        sub_hypothesis_id=sub_hypothesis_id,
        allow_missing=True,
    )
    return open_job(RunStore(layout), full)


def list_batches(
    *,
    experiment_id: str | None = None,
    selector_keys: tuple[str, ...] = ("condition",),
    repo_root: str | Path | None = None,
) -> list[BatchSummary]:
    """Return the batches of all runs, here and in the ledger, in a stable order.

    Args:
        experiment_id: only this experiment's.
        selector_keys: state point keys whose values part the batches; a run without a key is
            in the batch that lacks it.
        repo_root: any folder of the repository; the working directory when None.
    """
    groups: dict[tuple[str, str], tuple[dict[str, Any], Counter[str]]] = {}
    for view in all_runs(open_layout(repo_root)):
        if not view.experiment_id or experiment_id not in (None, view.experiment_id):
            continue
        selector = {k: view.statepoint[k] for k in selector_keys if k in view.statepoint}
        key = (view.experiment_id, repr(sorted(selector.items())))
        groups.setdefault(key, (selector, Counter()))[1][view.status] += 1
    return [
        BatchSummary(experiment, selector, counts.total(), dict(sorted(counts.items())))
        for (experiment, _), (selector, counts) in sorted(groups.items())
    ]
