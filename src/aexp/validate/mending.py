"""The numbers of one finding beside the ledger's, and writing the ledger's into it (VAL-09)."""

from __future__ import annotations

from dataclasses import dataclass

from aexp.errors import CorruptDataError
from aexp.kb.artifacts import Artifact
from aexp.kb.create import lock_path
from aexp.kb.numbers import Rewriting, pinned, rewrite
from aexp.kb.renumber import find_by_name
from aexp.model.number import agrees, parse_written
from aexp.repo import Layout
from aexp.storage.lock import file_lock
from aexp.validate.facts import gathered
from aexp.validate.numbers import CitedNumber, compare


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One cited number, and what mending makes of it.

    Attributes:
        number: how it stands now.
        text: what is to be written; the same text when nothing is.
        target: the link's target with the size of its batch; the same when nothing is written.
    """

    number: CitedNumber
    text: str
    target: str

    @property
    def is_rewritten(self) -> bool:
        """Whether mending changes anything."""
        return (self.text, self.target) != (self.number.link.text, self.number.link.target)

    @property
    def is_right(self) -> bool:
        """Whether the number says what the ledger has."""
        return self.number.verdict == "agrees"

    @property
    def is_mendable(self) -> bool:
        """Whether the ledger has a number to write."""
        return self.number.main is not None


@dataclass(frozen=True, slots=True)
class NumberReport:
    """The cited numbers of one finding.

    Attributes:
        finding: its id, or its file's name when that holds none.
        path: its file.
        rows: its numbers, in order.
    """

    finding: str
    path: str
    rows: tuple[NumberRow, ...]

    def is_right(self, *, mended: bool) -> bool:
        """Return whether every number agrees with the ledger, now or once they are mended."""
        return all(row.is_right or (mended and row.is_mendable) for row in self.rows)


def cited_numbers(layout: Layout, finding: str) -> NumberReport:
    """Return the numbers that a finding cites, beside the ledger's. Writes nothing.

    Args:
        layout: the repository.
        finding: its path relative to the root, its file name with or without ``.md``, or its id.

    Raises:
        NotFoundError: there is no such finding; AmbiguousIdError: there are several.
        CorruptDataError: the file cannot be read, or is in conflict.
    """
    return _look(layout, finding)[0]


def mend_numbers(layout: Layout, finding: str, *, dry_run: bool = False) -> NumberReport:
    """Write the ledger's numbers into a finding, and into batch links how many runs they are of.

    Each number keeps the precision and the style it has; nothing else of the file changes. The
    answer says how the numbers stood before, and what was written.

    Args:
        layout: the repository.
        finding: as for :func:`cited_numbers`.
        dry_run: work it out, and change nothing.

    Raises:
        NotFoundError: there is no such finding; AmbiguousIdError: there are several.
        CorruptDataError: the file cannot be read, is in conflict, or has just been changed.
        LockTimeoutError: another process works on ``kb/`` for too long.
        StorageError: the disk refused; the file is as it was.
    """
    if dry_run:
        return cited_numbers(layout, finding)
    with file_lock(lock_path(layout)):
        report, artifact = _look(layout, finding)
        changes = [
            Rewriting(row.number.link, row.text, row.target)
            for row in report.rows
            if row.is_rewritten
        ]
        if changes:
            rewrite(layout, report.path, artifact.body, changes)
    return report


def _look(layout: Layout, wanted: str) -> tuple[NumberReport, Artifact]:
    with gathered(layout, None, "full", "error") as facts:
        artifact = find_by_name([a for a in facts.artifacts if a.kind == "finding"], wanted)
        unread = next((p for p in artifact.problems if p.code != "kb.bad_filename"), None)
        if unread is not None:
            raise CorruptDataError(unread.message, hint="mend that file, then try again")
        finding = next(f for f in facts.findings if f.path == artifact.path)
        rows = tuple(_row(compare(facts, link)) for link in finding.numbers)
        return NumberReport(finding.name, finding.path, rows), artifact


def _row(number: CitedNumber) -> NumberRow:
    link = number.link
    text, target = link.text, link.target
    if number.main is not None and number.written is not None:
        if not _says(text, number):
            text = number.as_text
        if number.size is not None and number.size != _size(number):
            target = pinned(target, number.size)
    return NumberRow(number, text, target)


def _says(text: str, number: CitedNumber) -> bool:
    """Return whether a text says what the ledger has."""
    written = parse_written(text)
    if written is None or number.main is None or not agrees(written.main, number.main):
        return False
    if written.spread is None or number.spread is None:
        return True
    return agrees(written.spread, number.spread)


def _size(number: CitedNumber) -> int | None:
    return number.target.size if number.target is not None else None
