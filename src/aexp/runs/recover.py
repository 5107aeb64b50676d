"""Finding and ending runs that nobody will finish (RUN-06): report first, then act."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from aexp.errors import AexpError, InvalidTransitionError, StorageError
from aexp.ledger.pending import commit_marks, pending
from aexp.model.owner import Liveness, Owner
from aexp.model.status import is_terminal
from aexp.repo import Layout
from aexp.runs.closing import forget_lost, seal_again
from aexp.runs.heal import heal_pending
from aexp.runs.transition import change_status, owner_state
from aexp.workspace.store import RunRecord, RunStore

LEFTOVER_AGE_S = 3600.0


class Finding(Struct, frozen=True):
    """Something a killed process left behind.

    Attributes:
        kind: ``lost`` (running, its owner is gone), ``unpromoted`` (ended, its promotion was cut
            off), ``unsealed`` (ended, its bytes are not in the registry as one artifact),
            ``unrecorded`` (a committed session whose record in the ledger was cut off),
            ``unfinished`` (a folder whose creation was cut off).
        job_id: the run, or an empty string.
        what: one line for people.
        path: the folder to remove, for ``unfinished``.
    """

    kind: Literal["lost", "unpromoted", "unsealed", "unrecorded", "unfinished"]
    job_id: str
    what: str
    path: Path | None = None


def plan_recovery(layout: Layout) -> tuple[Finding, ...]:
    """Return what :func:`apply_recovery` would mend. Changes nothing.

    A run of another host with a fresh heartbeat is left alone.
    """
    store = RunStore(layout)
    found: list[Finding] = []
    for record in store.records():
        if (reason := unsealed(record)) is not None:
            what = f"its bytes are not sealed: {reason}"
            found.append(Finding("unsealed", record.job_id, what))
        if record.status != "running":
            continue
        state, owner = owner_state(store, record)
        if state is Liveness.DEAD:
            who = owner.describe() if owner is not None else "its process"
            found.append(Finding("lost", record.job_id, f"{who} is gone"))
    for job_id in pending(layout):
        if job_id in store and is_terminal(store.read(job_id).status):
            found.append(Finding("unpromoted", job_id, "it ended, but its promotion was cut off"))
    for mark in commit_marks(layout):
        what = f"the commit of session artifact {mark.stem[:12]} was cut off"
        found.append(Finding("unrecorded", "", what))
    for path in store.leftovers():
        if _age(path) > LEFTOVER_AGE_S:
            found.append(Finding("unfinished", "", f"{path.name} was never finished", path))
    return tuple(found)


def unsealed(record: RunRecord) -> str | None:
    """Return why the bytes of an ended run are not sealed, None when nothing is amiss."""
    remembered = record.document.get("registry_error")
    if isinstance(remembered, Mapping) and is_terminal(record.status):
        return str(remembered.get("reason", ""))
    return None


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def apply_recovery(
    layout: Layout, findings: Sequence[Finding]
) -> tuple[list[Finding], dict[str, str]]:
    """End lost runs as abandoned/lost, finish promotions, remove unfinished folders.

    Each run is looked at once more under its lock: one that came back to life is left alone.

    Returns:
        What was mended, and for each other finding the reason.
    """
    store = RunStore(layout)
    done: list[Finding] = []
    failed: dict[str, str] = {}
    for finding in findings:
        try:
            if finding.kind == "lost":
                _end_lost(store, finding.job_id)
            elif finding.kind == "unsealed":
                _seal(store, finding.job_id)
            elif finding.path is not None:
                shutil.rmtree(finding.path)
            done.append(finding)
        except (AexpError, OSError) as error:
            failed[finding.job_id or str(finding.path)] = str(error)
    heal_pending(layout)
    if commit_marks(layout):
        from aexp.ledger.experiments import heal_records

        heal_records(layout)
    for job_id in pending(layout):
        if job_id in store and is_terminal(store.read(job_id).status):
            failed.setdefault(job_id, "its promotion failed again; see `aexp status`")
    return [f for f in done if f.job_id not in failed], failed


def _seal(store: RunStore, job_id: str) -> None:
    problem = seal_again(store, job_id).problem
    if problem is not None:
        raise StorageError(f"it cannot be sealed yet: {problem}")


def _end_lost(store: RunStore, job_id: str) -> None:
    record = store.read_sound(job_id)
    if owner_state(store, record)[0] is not Liveness.DEAD:
        raise InvalidTransitionError(f"run {job_id} came back to life")
    owner = Owner.from_json(record.document.get("owner"))
    who = owner.describe() if owner is not None else "the process that ran it"
    change_status(
        store,
        job_id,
        "abandoned",
        ended_by="lost",
        error={"type": "Lost", "message": f"{who} ended without reporting"},
        expect="running",
    )
    forget_lost(store, job_id)
