"""Store 3: the committed ledger, ``.aexp/ledger/<job_id>.json``.

The functions here are the public API; they never commit (model.md, decision 3).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexp.ledger.judge import entry_job_id
from aexp.ledger.places import entry_path
from aexp.ledger.store import entry_files, load_usable
from aexp.model.entry import SCHEMA_VERSION, LedgerEntry
from aexp.repo import LEDGER_DIR_REL, check_machine_label, open_layout

if TYPE_CHECKING:
    from aexp.workspace.store import RunStore

__all__ = [
    "LEDGER_DIR_REL",
    "SCHEMA_VERSION",
    "LedgerEntry",
    "backfill_ledger",
    "ledger_path",
    "list_ledger_job_ids",
    "load_ledger_entry",
    "project_to_ledger_entry",
    "promote_to_ledger",
]


def project_to_ledger_entry(job: Any, *, machine_label: str | None = None) -> LedgerEntry:
    """Return the entry that promoting ``job`` would write, without writing it.

    Args:
        job: a signac job.
        machine_label: the label to show; this installation's when None.

    Raises:
        NotTerminalError: the run has not ended (a ``ValueError``: LED-04).
        UsageError: the label is malformed.
    """
    from aexp.ledger.promote import home_layout, prepare

    store, job_id = _store_of(job, None)
    record = store.read_sound(job_id)
    label = None if machine_label is None else check_machine_label(machine_label)
    prepared = prepare(home_layout(store.layout, record), record, label=label)
    return prepared.promotion.entry


def promote_to_ledger(
    job: Any, *, repo_root: str | Path | None = None, machine_label: str | None = None
) -> Path:
    """Write the ledger entry of a terminal run and return its path. Idempotent (LED-06).

    Args:
        job: a signac job.
        repo_root: the work tree whose ledger is written; the one that created the run when None.
        machine_label: the label for this run's attempts; this installation's when None.

    Raises:
        NotTerminalError: the run has not ended (a ``ValueError``: LED-04).
        CorruptDataError: the run's files, or the entry in the ledger, need a person.
        StorageError: the disk refused.
    """
    from aexp.ledger.promote import promote_record

    store, job_id = _store_of(job, repo_root)
    label = None if machine_label is None else check_machine_label(machine_label)
    target = None if repo_root is None else store.layout
    done = promote_record(store, job_id, label=label, relabel=label is not None, layout=target)
    return done.path


def backfill_ledger(
    repo_root: str | Path | None = None,
    *,
    machine_label: str | None = None,
    overwrite: bool = False,
) -> tuple[int, int]:
    """Promote every terminal run whose entry is missing or wrong (LED-07). Never commits.

    Args:
        repo_root: any folder of the repository; the working directory when None.
        machine_label: the label for new entries.
        overwrite: count every terminal run as promoted.

    Returns:
        ``(promoted, skipped)``; refreshed entries count as promoted, failed ones as neither.
    """
    from aexp.ledger.backfill import backfill

    label = None if machine_label is None else check_machine_label(machine_label)
    report = backfill(open_layout(repo_root), label=label, overwrite=overwrite)
    return len(report.promoted) + len(report.refreshed), len(report.skipped)


def ledger_path(repo_root: str | Path, job_id: str) -> Path:
    """Return the file of a run's entry, whether or not it exists."""
    return entry_path(open_layout(repo_root, require_git=False), job_id)


def load_ledger_entry(repo_root: str | Path, job_id: str) -> LedgerEntry | None:
    """Return a run's entry as a plain dict; None when it is missing, malformed or unproved."""
    return load_usable(open_layout(repo_root, require_git=False), job_id)


def list_ledger_job_ids(repo_root: str | Path) -> set[str]:
    """Return the ids that the ledger has files for; empty when there is no ledger folder."""
    layout = open_layout(repo_root, require_git=False)
    ids = (entry_job_id(layout.relative(path)) for path in entry_files(layout))
    return {job_id for job_id in ids if job_id is not None}


def _store_of(job: Any, repo_root: str | Path | None) -> tuple[RunStore, str]:
    """Return the run store and id of a job, found from the job's own folder."""
    from aexp.workspace.locate import locate

    return locate(job, repo_root)
