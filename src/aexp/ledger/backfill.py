"""Backfill: every terminal run of this machine gets a right and complete entry (LED-07)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aexp.errors import AexpError
from aexp.ledger.promote import (
    Outcome,
    Prepared,
    clear_pending,
    home_layout,
    prepare,
    with_stamps,
    write_prepared,
)
from aexp.model.status import is_terminal
from aexp.repo import Layout
from aexp.storage.atomic import TEMP_SUFFIX, BatchWriter
from aexp.workspace.store import DOCUMENT_FILE, RunRecord, RunStore, encode_document

CHUNK = 200
"""Runs written together: each holds its own lock, an open file, until its chunk is durable."""

STALE_TEMP_S = 24 * 3600.0


@dataclass
class BackfillReport:
    """What a backfill did.

    Attributes:
        promoted: runs that got their entry.
        refreshed: runs whose entry was stale, corrupt or incomplete.
        skipped: runs whose entry was right already.
        failed: runs that could not be promoted, with the reason.
        elsewhere: runs that belong to another work tree's ledger.
        replaced: corrupt files that were kept aside, relative to the root.
    """

    promoted: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)


def backfill(
    layout: Layout, *, label: str | None = None, overwrite: bool = False
) -> BackfillReport:
    """Promote every terminal run whose entry is missing, stale, corrupt or incomplete.

    One bad run never stops the rest. Bytes change only with content, also with ``overwrite``.

    Args:
        layout: the repository.
        label: the machine label for new entries.
        overwrite: count every terminal run as promoted.

    Returns:
        What was done, by run. No run store gives an empty report.
    """
    store = RunStore(layout)
    report = BackfillReport()
    for chunk in _chunks(store.ids()):
        _backfill_chunk(store, layout, chunk, label, report)
    if overwrite:
        report.promoted = sorted([*report.promoted, *report.refreshed, *report.skipped])
        report.refreshed, report.skipped = [], []
    remove_stale_temps(layout)
    return report


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _backfill_chunk(
    store: RunStore, layout: Layout, ids: Sequence[str], label: str | None, report: BackfillReport
) -> None:
    ready: list[tuple[RunRecord, Prepared]] = []
    with contextlib.ExitStack() as locks:
        for job_id in ids:
            try:
                record = store.read(job_id)
                if record.problem is None and not is_terminal(record.status):
                    continue
                if record.problem is not None and not (record.folder / DOCUMENT_FILE).exists():
                    continue  # never ended: 0.6.x leaves an empty folder where it refuses a key
                locks.enter_context(store.lock(job_id))
                record = store.read_sound(job_id)
                if home_layout(layout, record).root != layout.root:
                    report.elsewhere.append(job_id)
                    continue
                ready.append((record, prepare(layout, record, label=label)))
            except (AexpError, ValueError, TypeError, KeyError) as error:
                report.failed[job_id] = _reason(error)
        written = _write(store, layout, ready, report)
    for record, prepared in written:
        clear_pending(layout, record.job_id)
        {
            Outcome.PROMOTED: report.promoted,
            Outcome.REFRESHED: report.refreshed,
            Outcome.UNCHANGED: report.skipped,
        }[prepared.promotion.outcome].append(record.job_id)
        if prepared.promotion.replaced is not None:
            report.replaced.append(layout.relative(prepared.promotion.replaced))


def _write(
    store: RunStore,
    layout: Layout,
    ready: list[tuple[RunRecord, Prepared]],
    report: BackfillReport,
) -> list[tuple[RunRecord, Prepared]]:
    """Write documents, then entries: each kind atomically and with one flush."""
    changed = [
        (record, document)
        for record, prepared in ready
        if (document := with_stamps(record.document, prepared)) != record.document
    ]
    try:
        if changed:
            with BatchWriter(layout.run_store / ".aexp-tmp") as batch:
                for record, document in changed:
                    batch.add(record.folder / DOCUMENT_FILE, encode_document(document))
        if any(prepared.data is not None for _, prepared in ready):
            with BatchWriter(layout.tmp_dir) as batch:
                for record, prepared in ready:
                    write_prepared(layout, record, prepared, batch)
    except (AexpError, OSError):
        return _one_by_one(store, layout, ready, report)
    return ready


def _one_by_one(
    store: RunStore,
    layout: Layout,
    ready: list[tuple[RunRecord, Prepared]],
    report: BackfillReport,
) -> list[tuple[RunRecord, Prepared]]:
    """After a failed batch, find out which runs can be written (a full disk, one bad folder)."""
    written: list[tuple[RunRecord, Prepared]] = []
    for record, prepared in ready:
        try:
            document = with_stamps(record.document, prepared)
            if document != record.document:
                store.write_document(record.job_id, document)
            write_prepared(layout, record, prepared)
        except (AexpError, OSError) as error:
            report.failed[record.job_id] = _reason(error)
            continue
        written.append((record, prepared))
    return written


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, AexpError) else f"{type(error).__name__}: {error}"


def remove_stale_temps(layout: Layout) -> int:
    """Remove temporary files that killed processes left a day ago or earlier; return how many."""
    count = 0
    for folder in (layout.tmp_dir, layout.run_store / ".aexp-tmp"):
        for path in _temps(folder):
            try:
                if time.time() - path.stat().st_mtime > STALE_TEMP_S:
                    path.unlink()
                    count += 1
            except OSError:
                continue
    return count


def _temps(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.endswith(TEMP_SUFFIX)]
    except OSError:
        return []
