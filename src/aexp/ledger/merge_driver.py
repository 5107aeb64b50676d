"""Git's merge driver for the ledger: two versions of one record become one, or a conflict.

Git is told of it twice: ``.gitattributes`` (committed) names the driver, and the repository's
configuration (per clone) names the command. ``docs/format/merging.md`` is the page.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from msgspec import Struct

from aexp.errors import AexpError, CorruptDataError
from aexp.ledger.judge import entry_job_id, judge
from aexp.ledger.workflow_record import either_workflow
from aexp.model.canonical import decode_json
from aexp.model.entry import Parts, encode_entry, merge, put_together, take_apart
from aexp.repo import LEDGER_DIR_REL

DRIVER_NAME = "aexp-ledger"
DRIVER_TITLE = "merge of the experiment ledger"
MERGED, CONFLICT = 0, 1
"""What the driver answers to git; above 128 git would give the whole merge up."""

_OPEN, _MIDDLE, _CLOSE = b"<<<<<<< ours\n", b"=======\n", b">>>>>>> theirs\n"
ONLY_OURS = ("attempt_id", "replicates", "retracted", "ended_by", "metrics")
"""Fields that 0.6.x never wrote: an entry that has one was written with a digest."""


def driver_command(program: str = "aexp") -> str:
    """Return the shell line that git runs to merge one file of the ledger.

    The program answers 0 (merged) or 1 (conflict, both sides in the file). In every other case
    (it is missing, cannot start, is too old to know the command, crashed before it wrote) the two
    sides are left to git's own text merge, never to one side (trap 72). That merge gets an empty
    base, so that every difference is a conflict: with the real base it would take distant edits of
    one record together into a mixture of two results (trap 73).

    Args:
        program: the command that starts aexp, as the shell reads it.
    """
    # Git quotes %P itself; the other three are names it made, without a special character.
    started = program.replace("%", "%%")
    return (
        f"{started} ledger merge-driver %O %A %B %P"
        ' || { grep -q "^<<<<<<< " %A && exit 1; }'
        " || git merge-file -L ours -L base -L theirs %A /dev/null %B"
    )


DRIVER_COMMAND = driver_command()
"""What ``git config merge.aexp-ledger.driver`` holds; it names no path of this machine (INS-11)."""


def driver_arguments() -> tuple[str, ...]:
    """Return arguments that give one git command the driver, whatever is configured (LED-14).

    They are never stored, so this very Python is the program.
    """
    command = driver_command(f"{shlex.quote(sys.executable)} -m aexp")
    return (
        *("-c", f"merge.{DRIVER_NAME}.name={DRIVER_TITLE}"),
        *("-c", f"merge.{DRIVER_NAME}.driver={command}"),
    )


class Merged(Struct, frozen=True):
    """What became of two versions of one file.

    Attributes:
        data: the merged file, or both versions between git's conflict markers.
        conflict: why they could not be merged, None when they were.
    """

    data: bytes
    conflict: str | None = None


def merge_files(base: bytes | None, ours: bytes, theirs: bytes, path: str) -> Merged:
    """Merge two versions of one file of the ledger (LED-10).

    A run's entry becomes the union of both (:func:`aexp.model.entry.merge`), whatever the base
    held. A side that is no usable entry of the run that ``path`` names is a conflict, and so is a
    base of another run, which is how git's rename detection shows (trap 74). Of two names for one
    workflow one is taken. Other kinds of records have no rule of their own: what only one side
    changed is taken, else a conflict.

    Args:
        base: the common ancestor's version; None or empty when there is none.
        ours: one side.
        theirs: the other; exchanging the two gives the same result, except in a conflict.
        path: POSIX, relative to the root.
    """
    if ours == theirs:
        return Merged(ours)
    job_id = _job_id(path)
    if job_id is None:
        either = either_workflow(path, ours, theirs)
        return _take_the_changed(base, ours, theirs) if either is None else Merged(either)
    try:
        _same_run(job_id, base)
        parts = [sound_parts(job_id, path, side, name) for side, name in _named(ours, theirs)]
        return Merged(union(parts))
    except AexpError as error:
        return Merged(conflict_text(ours, theirs), error.message)


def _job_id(path: str) -> str | None:
    """Return whose entry ``path`` is, None when it is another file."""
    return entry_job_id(path) if path.startswith(f"{LEDGER_DIR_REL}/") else None


def _named(ours: bytes, theirs: bytes) -> tuple[tuple[bytes, str], tuple[bytes, str]]:
    return (ours, "our side"), (theirs, "their side")


def _take_the_changed(base: bytes | None, ours: bytes, theirs: bytes) -> Merged:
    if base is not None and base == ours:
        return Merged(theirs)
    if base is not None and base == theirs:
        return Merged(ours)
    return Merged(conflict_text(ours, theirs), "both sides changed this record")


def _same_run(job_id: str, base: bytes | None) -> None:
    """Refuse a base that is another run's; a damaged one says nothing, and is not needed."""
    if not base:
        return
    try:
        found = decode_json(base)
    except ValueError:
        return
    other = found.get("job_id") if isinstance(found, dict) else None
    if isinstance(other, str) and other != job_id:
        raise CorruptDataError(f"git paired it with another run's entry, {other}")


def sound_parts(job_id: str, path: str, data: bytes, name: str = "it") -> Parts:
    """Return the parts of one version of an entry.

    Args:
        job_id: the run whose entry it must be.
        path: its file.
        data: its bytes.
        name: which version it is, for the message.

    Raises:
        CorruptDataError: it is no usable entry of that run.
    """
    entry, problems = judge(job_id, path, data)
    if entry is None:
        raise CorruptDataError(f"{name} is not usable: {problems[0].message}")
    if "record_digest" not in entry and any(name in entry for name in ONLY_OURS):
        raise CorruptDataError(f"{name} is not usable: its record_digest is missing")
    return take_apart(entry)


def union(versions: list[Parts]) -> bytes:
    """Return the file of the entry that holds everything of ``versions``.

    Raises:
        CorruptDataError: the result would not be read back as it was written.
    """
    total = versions[0]
    for version in versions[1:]:
        total = merge(total, version)
    data = encode_entry(put_together(total))
    read, _ = judge(str(total.identity["job_id"]), "", data)
    if read is None or take_apart(read) != total:
        raise CorruptDataError("the two versions do not make one sound entry")
    return data


def conflict_text(ours: bytes, theirs: bytes) -> bytes:
    """Return both versions, whole, between git's conflict markers.

    Nothing stands outside the markers, so each side can be had back exactly, and ``validate``
    sees the conflict should the file be added as it is.
    """
    return _OPEN + _ended(ours) + _MIDDLE + _ended(theirs) + _CLOSE


def _ended(data: bytes) -> bytes:
    return data if not data or data.endswith(b"\n") else data + b"\n"


def run_driver(base: Path, ours: Path, theirs: Path, path: str) -> Merged:
    """Merge what git prepared, and leave the result in ``ours``, where git looks for it.

    Args:
        base: the file with the ancestor's version, empty when there is none.
        ours: the file with our version; it is overwritten.
        theirs: the file with their version.
        path: where the file stands in the repository.

    Raises:
        OSError: a file cannot be read or written.
    """
    mine, other = ours.read_bytes(), theirs.read_bytes()
    try:
        merged = merge_files(base.read_bytes(), mine, other, path)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # Whatever an entry may hold that nobody thought of, it is a conflict and never a merge.
        reason = f"{type(error).__name__}: {error}"
        merged = Merged(conflict_text(mine, other), reason)
    # Git's own temporary file, which it reads back at once: no temp beside it, no flush.
    ours.write_bytes(merged.data)
    return merged
