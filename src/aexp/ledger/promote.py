"""Promotion: projecting a run of this machine into its ledger entry (LED-04 … LED-06).

Order of writes (``docs/format/ordering.md``): the run's document holds status, end and stamp in
one durable write; then the entry is written; then the pending mark is removed. A process killed
anywhere leaves a run that the next promotion completes with the same bytes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import reduce
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from aexp.clock import utc_now
from aexp.errors import CorruptDataError
from aexp.git import Git
from aexp.ledger.judge import judge
from aexp.ledger.pending import clear_pending
from aexp.ledger.places import Place, find_entry
from aexp.ledger.resolve import both_sides
from aexp.ledger.retract import entomb, retraction_of
from aexp.model.canonical import Json
from aexp.model.entry import (
    Fields,
    LedgerEntry,
    Parts,
    merge,
    seal,
    take_apart,
)
from aexp.model.project import Projection, describe, project, read_stamps, stamp, without_doubles
from aexp.model.sanitize import Root
from aexp.model.stream import Summary
from aexp.repo import Layout, open_layout
from aexp.storage.atomic import Flush, make_folder, write_atomic
from aexp.workspace.store import RunRecord, RunStore
from aexp.workspace.streams import summarize_attempt


class Outcome(StrEnum):
    """What a promotion did to the ledger."""

    PROMOTED = "promoted"
    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"


class Promotion(Struct, frozen=True):
    """The result of promoting one run.

    Attributes:
        job_id: the run.
        path: its entry.
        outcome: whether the entry is new, was changed, or was right already.
        entry: the entry as it is now.
        replaced: where a corrupt file that stood there was kept, or None.
    """

    job_id: str
    path: Path
    outcome: Outcome
    entry: LedgerEntry
    replaced: Path | None = None


def roots_of(layout: Layout) -> tuple[Root, ...]:
    """Return the folders that have a name on every machine: the repository, declared roots."""
    roots = [Root(str(layout.root), "")]
    declared = layout.installed.get("roots")
    if isinstance(declared, Mapping):
        roots += [Root(str(path), "${" + str(name) + "}") for name, path in declared.items()]
    return tuple(roots)


def project_run(
    layout: Layout, record: RunRecord, roots: Sequence[Root] | None = None
) -> Projection:
    """Return the projection of a run.

    Args:
        layout: the repository.
        record: the run.
        roots: what :func:`roots_of` gives, when the caller has it already.

    Raises:
        NotTerminalError: the run has not ended.
    """

    def summary_of(attempt_id: str) -> Summary:
        return summarize_attempt(record.folder, attempt_id)

    return project(
        record.job_id,
        record.statepoint,
        record.document,
        summary_of=summary_of,
        machine=layout.machine_label,
        roots=roots_of(layout) if roots is None else roots,
    )


def describe_run(layout: Layout, record: RunRecord) -> Fields:
    """Return all that may be said of a run and its present attempt, sanitized and however long.

    Args:
        layout: the repository.
        record: the run, terminal.

    Raises:
        NotTerminalError: the run has not ended.
    """
    return describe(
        record.job_id,
        record.statepoint,
        record.document,
        summary_of=lambda attempt_id: summarize_attempt(record.folder, attempt_id),
        roots=roots_of(layout),
    )


def home_layout(layout: Layout, record: RunRecord) -> Layout:
    """Return the layout of the work tree that created the run: its entry goes there (RUN-04).

    A work tree that is gone, or that belongs to another repository (the run store was copied),
    does not count.
    """
    recorded = record.document.get("worktree")
    if not isinstance(recorded, str) or recorded == str(layout.root):
        return layout
    if Path(recorded) == layout.root:
        return layout
    if not (Path(recorded) / ".git").exists():
        return layout
    other = open_layout(recorded)
    same = other.common_dir == layout.common_dir and other.run_store == layout.run_store
    return other if same else layout


class Prepared(Struct, frozen=True):
    """An entry ready to be written.

    Attributes:
        promotion: what writing it will have done.
        data: the bytes to write; None when the file is right already.
        stamps: what the run's document must keep under ``ledger``.
        spilled: parts too large for the entry, by digest.
    """

    promotion: Promotion
    data: bytes | None
    stamps: Fields
    spilled: Mapping[str, bytes]


def prepare(
    layout: Layout,
    record: RunRecord,
    *,
    label: str | None = None,
    relabel: bool = False,
    roots: Sequence[Root] | None = None,
    place: Place | None = None,
) -> Prepared:
    """Work out a run's entry: merge(what is on file, what this machine knows).

    Reads only. The caller holds the run's lock.

    Args:
        layout: the repository.
        record: the run, terminal.
        label: the machine label for attempts that have none yet.
        relabel: put ``label`` on attempts that have one, too.
        roots: what :func:`roots_of` gives, when the caller has it already.
        place: what :func:`~aexp.ledger.places.find_entry` gives, when the caller has it already.

    Raises:
        NotTerminalError: the run has not ended.
        CorruptDataError: the entry is unmerged in git, or was written by a newer aexp.
    """
    place = place or find_entry(layout, record.job_id)
    path = Path(place.path)
    filed, raw, replaced, leaks = _on_file(layout, record.job_id, path)
    projection = project_run(layout, record, roots)
    known = filed if place.twin is None else _with_twin(layout, record.job_id, filed, place.twin)
    known = None if known is None else without_doubles(known, projection)
    ours, stamps = stamp(
        projection,
        stamps=read_stamps(record.document),
        known=known,
        now=utc_now(),
        machine=label or layout.machine_label,
        relabel=relabel,
    )
    if (facts := retraction_of(record.document.get("retracted"), roots or ())) is not None:
        ours = entomb(ours, facts)  # also where the tombstone itself was lost (LED-12)
    parts = ours if known is None else merge(known, ours)
    if leaks and ours.identity_redacted:
        # A merge keeps the state point that proves itself, but not one with a secret in it.
        parts = replace(parts, identity=ours.identity, identity_redacted=ours.identity_redacted)
    sound = raw is not None and replaced is None
    unchanged = sound and parts == filed
    entry, encoded = seal(parts)
    outcome = Outcome.PROMOTED if raw is None else Outcome.REFRESHED
    if unchanged:
        outcome = Outcome.UNCHANGED
    promotion = Promotion(record.job_id, path, outcome, entry, replaced)
    return Prepared(
        promotion,
        None if unchanged else encoded,
        {attempt_id: kept.to_json() for attempt_id, kept in stamps.items()},
        projection.spilled,
    )


def _on_file(
    layout: Layout, job_id: str, path: Path
) -> tuple[Parts | None, bytes | None, Path | None, bool]:
    """Return the entry on file, its bytes, where a corrupt one is to be kept, and if it leaks.

    A corrupt file is replaced (trap 4), but what git has of it is not lost: both sides of a
    conflict, else the committed version when that one is sound, are merged.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None, None, None, False
    except OSError as error:
        raise CorruptDataError(
            f"{layout.relative(path)} cannot be read: {error.strerror}",
            hint="move it away, then run `aexp ledger backfill`",
        ) from None
    entry, problems = judge(job_id, layout.relative(path), data)
    if entry is not None:
        leaks = any(problem.code == "ledger.unsanitized" for problem in problems)
        return take_apart(entry), data, None, leaks
    problem = problems[0]
    if problem.code == "ledger.newer_schema":
        raise CorruptDataError(f"{problem.path}: {problem.message}", hint="upgrade aexp")
    if problem.code == "ledger.conflict" and _is_unmerged(layout, problem.path):
        raise CorruptDataError(
            f"{problem.path} is in the middle of a merge",
            hint="run `aexp ledger resolve`, or abort the merge (`git status` says how)",
        )
    kept = layout.aexp_dir / "replaced" / f"{job_id}.{os.urandom(4).hex()}.json"
    if problem.code == "ledger.conflict":
        # Markers that somebody added or committed: both sides must live on (trap 72).
        sides = both_sides(layout, job_id, problem.path, data)
        if sides is not None:
            return reduce(merge, sides), data, kept, False
    return _committed(layout, job_id, problem.path), data, kept, False


def _with_twin(layout: Layout, job_id: str, filed: Parts | None, twin: str) -> Parts | None:
    """Return the entry on file with what its file in the other layout adds to it (LED-13)."""
    try:
        entry, _ = judge(job_id, layout.relative(Path(twin)), Path(twin).read_bytes())
    except OSError:
        return filed
    if entry is None:
        return filed
    return take_apart(entry) if filed is None else merge(filed, take_apart(entry))


def _is_unmerged(layout: Layout, path: str) -> bool:
    return layout.git_dir is not None and bool(
        Git(layout.root).run("ls-files", "-u", "-z", "--", path).stdout
    )


def _committed(layout: Layout, job_id: str, path: str) -> Parts | None:
    if layout.git_dir is None:
        return None
    shown = Git(layout.root).run("cat-file", "blob", f"HEAD:{path}", check=False)
    if shown.returncode != 0:
        return None
    entry, _ = judge(job_id, path, shown.stdout)
    return None if entry is None else take_apart(entry)


def write_prepared(
    layout: Layout, record: RunRecord, prepared: Prepared, *, flush: Flush = "all"
) -> None:
    """Write an entry that :func:`prepare` worked out, and the parts that did not fit it.

    Args:
        layout: the repository.
        record: the run.
        prepared: what to write.
        flush: what of the entry is made durable.

    Raises:
        StorageError: the disk refused.
    """
    keep_aside(layout, record, prepared)
    path = prepared.promotion.path
    if prepared.data is not None:
        write_atomic(path, prepared.data, tmp_dir=layout.tmp_dir, flush=flush)


def keep_aside(layout: Layout, record: RunRecord, prepared: Prepared) -> None:
    """Write what must be safe before the entry: parts too large for it, a corrupt predecessor.

    Raises:
        StorageError: the disk refused.
    """
    for digest, data in prepared.spilled.items():
        name = digest.replace(":", "-") + ".json"
        target = record.folder / "attachments" / name
        if not target.is_file():
            write_atomic(target, data)
    path, replaced = prepared.promotion.path, prepared.promotion.replaced
    if prepared.data is not None and replaced is not None:
        make_folder(replaced.parent)
        with contextlib.suppress(FileNotFoundError):
            write_atomic(replaced, path.read_bytes(), tmp_dir=layout.tmp_dir)


def with_stamps(document: Mapping[str, Json], prepared: Prepared) -> dict[str, Json]:
    """Return the document as it must be for ``prepared``: stamps in, remembered failure out.

    A retraction that the ledger knows of is noted too, so that it survives the loss of the entry.
    """
    kept = document.get("ledger")
    stamps = {**(dict(kept) if isinstance(kept, Mapping) else {}), **prepared.stamps}
    result = {key: value for key, value in document.items() if key != "ledger_error"}
    result["ledger"] = stamps
    if (facts := prepared.promotion.entry.get("retracted")) is not None:
        result["retracted"] = dict(facts)
    return result


def promote_record(
    store: RunStore,
    job_id: str,
    *,
    label: str | None = None,
    relabel: bool = False,
    layout: Layout | None = None,
) -> Promotion:
    """Promote one run: write its entry, unless it is right already.

    Args:
        store: where the run is.
        job_id: the run.
        label: the machine label for attempts that have none yet.
        relabel: put ``label`` on attempts that have one, too.
        layout: the work tree whose ledger is written; the one that created the run when None.

    Raises:
        NotFoundError: there is no such run here.
        NotTerminalError: it has not ended.
        CorruptDataError: its files, or its entry, are damaged in a way that needs a person.
        StorageError: the disk refused.
    """
    with store.lock(job_id):
        record = store.read_sound(job_id)
        target = layout or home_layout(store.layout, record)
        prepared = prepare(target, record, label=label, relabel=relabel)
        document = with_stamps(record.document, prepared)
        if document != record.document:
            store.write_document(job_id, document)
        write_prepared(target, record, prepared)
        clear_pending(target, job_id)
        return prepared.promotion
