"""Reading the ledger from a tree: what is usable, and what is wrong with the rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from aexp.cache import NOTHING, remember
from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.ledger.places import find_entry
from aexp.model.canonical import decode_json
from aexp.model.entry import (
    LedgerEntry,
    check_entry,
    is_unprovable,
    merge,
    prove_identity,
    put_together,
    record_digest,
    take_apart,
)
from aexp.model.ids import is_job_id
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.state import FileState
from aexp.tree import Tree, WorkTree

_PREFIX = f"{LEDGER_DIR_REL}/"
_SHARD = re.compile(r"[0-9a-f]{2}/[^/]+")
_MARKER = re.compile(rb"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE)
_DIGEST_LINE = re.compile(rb'\n  "record_digest": "(sha256:[0-9a-f]{64})",')


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """One thing that is wrong with one file of the ledger (VAL-08).

    Attributes:
        code: ``ledger.malformed``, ``ledger.id_mismatch``, ….
        path: the file, relative to the root.
        message: one line.
        job_id: the run its name belongs to, or None.
        severity: a ``warning`` leaves the entry usable.
    """

    code: str
    path: str
    message: str
    job_id: str | None
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Ledger:
    """The ledger of one tree.

    Attributes:
        entries: the usable entries by job id. An entry that is malformed, conflicted or does not
            prove itself is not among them (model.md, decision 6).
        paths: the file of each of them.
        problems: what is wrong, in order of path.
    """

    entries: Mapping[str, LedgerEntry]
    paths: Mapping[str, str]
    problems: tuple[LedgerProblem, ...]


def entry_job_id(path: str) -> str | None:
    """Return the job id whose entry ``path`` (relative to the root) is, or None.

    Both layouts count: ``<id>.json`` and ``<first two digits>/<id>.json`` (LED-13).
    """
    below = path[len(_PREFIX) :]
    shard, slash, name = below.rpartition("/")
    if not name.endswith(".json") or not is_job_id(name[:-5]):
        return None
    return name[:-5] if not slash or shard == name[:2] else None


def read_ledger(tree: Tree, *, find_leaks: bool = True, layout: Layout | None = None) -> Ledger:
    """Read every entry of ``tree``.

    A file that is no entry is a problem in the result; nothing it holds can raise.

    Args:
        tree: the files.
        find_leaks: look for secrets too (``ledger.unsanitized``), which listings need not do.
        layout: the repository that ``tree`` is a view of; what its cache remembers of unchanged
            files is not read again. None reads every file.
    """
    paths = tree.files(LEDGER_DIR_REL)
    candidates = [path for path in paths if is_run_file(path)]
    conflicted = set(tree.conflicted(LEDGER_DIR_REL)) if candidates else set()
    entries: dict[str, LedgerEntry] = {}
    found: dict[str, str] = {}
    problems: list[LedgerProblem] = []
    for path, (entry, trouble) in _judge_all(tree, candidates, find_leaks, layout):
        job_id = entry_job_id(path)
        if job_id is None:
            problems.append(_stray(path))
            continue
        if path in conflicted:
            message = "it is unmerged in git's index; finish the merge"
            problems.append(LedgerProblem("ledger.conflict", path, message, job_id))
            continue
        problems.extend(trouble)
        if entry is None:
            continue
        if job_id in entries:
            problems.append(_duplicate(path, found[job_id], job_id))
            entry = put_together(merge(take_apart(entries[job_id]), take_apart(entry)))
        entries[job_id] = entry
        found.setdefault(job_id, path)
    for path in conflicted - set(candidates):
        job_id = entry_job_id(path) if is_run_file(path) else None
        if job_id is not None:
            message = "it is unmerged in git's index; finish the merge"
            problems.append(LedgerProblem("ledger.conflict", path, message, job_id))
    if find_leaks:
        problems += map(_linked, tree.links(LEDGER_DIR_REL))
        problems += [p for path in tree.folders(LEDGER_DIR_REL) for p in _misplaced_folder(path)]
    problems.sort(key=lambda p: (p.path, p.code))
    return Ledger(entries, found, tuple(problems))


Verdict: TypeAlias = "tuple[LedgerEntry | None, Sequence[LedgerProblem]]"


def _judge_all(
    tree: Tree, paths: Sequence[str], find_leaks: bool, layout: Layout | None
) -> Iterator[tuple[str, Verdict]]:
    """Yield each of ``paths`` with what :func:`judge` says of its file, in order."""
    # Of one path, the work tree and git's index may each have another content.
    kind = "entry" if tree.label == WorkTree.label else "entry in git"
    remembered = NOTHING if layout is None else remember(layout, kind, len(paths))
    if remembered.cache is None:
        for path, data in tree.read_many(paths):
            yield path, _judge_file(path, data, find_leaks)
        return
    verdicts: dict[str, Verdict] = {}
    states: dict[str, FileState | None] = {}
    for path in paths:
        state = tree.state(path)
        facts = remembered.get(path, state)
        if facts is None:
            states[path] = state
        else:
            verdicts[path] = _decode_verdict(facts)
    for path, data in tree.read_many(states):
        verdict = verdicts[path] = _judge_file(path, data, True)
        facts = None if isinstance(data, OSError) else _encode_verdict(verdict)
        if facts is not None:
            remembered.put(path, facts, states[path])
    remembered.save(paths)
    for path in paths:
        yield path, verdicts[path]


def _judge_file(path: str, data: bytes | OSError, find_leaks: bool) -> Verdict:
    job_id = entry_job_id(path)
    return (None, ()) if job_id is None else judge(job_id, path, data, find_leaks=find_leaks)


def _encode_verdict(verdict: Verdict) -> bytes | None:
    entry, problems = verdict
    try:
        return msgspec.msgpack.encode((entry, [astuple(problem) for problem in problems]))
    except (OverflowError, ValueError, TypeError):  # an integer of more than 64 bits
        return None


def _decode_verdict(facts: bytes) -> Verdict:
    entry, problems = msgspec.msgpack.decode(facts)
    return entry, [LedgerProblem(*problem) for problem in problems] if problems else ()


def judge(
    job_id: str, path: str, data: bytes | OSError, *, find_leaks: bool = True
) -> tuple[LedgerEntry | None, list[LedgerProblem]]:
    """Return the entry in ``data`` when it is usable, and what is wrong with it.

    Args:
        job_id: the run whose entry it must be.
        path: for the messages.
        data: the file's bytes, or why it cannot be read.
        find_leaks: look for secrets too.
    """

    def broken(code: str, message: str) -> tuple[None, list[LedgerProblem]]:
        return None, [LedgerProblem(code, path, message, job_id)]

    if isinstance(data, OSError):
        return broken("ledger.malformed", f"it cannot be read: {data.strerror or data}")
    if (b"<<<<<<< " in data or b">>>>>>> " in data) and _MARKER.search(data):
        return broken("ledger.conflict", "it holds git's conflict markers")
    try:
        entry = check_entry(decode_json(data))
    except NewerSchemaError as error:
        return broken("ledger.newer_schema", error.message)
    except CorruptDataError as error:
        return broken("ledger.malformed", error.message)
    except ValueError as error:
        return broken("ledger.malformed", f"it is no JSON: {error}")
    if entry["job_id"] != job_id:
        return broken("ledger.id_mismatch", f"it is the entry of run {entry['job_id']}")
    try:
        return _examine(entry, path, data, find_leaks)
    except (ValueError, RecursionError) as error:  # nested deeper than anything of ours
        return broken("ledger.malformed", f"it cannot be examined: {error}")


def _examine(
    entry: LedgerEntry, path: str, data: bytes, find_leaks: bool
) -> tuple[LedgerEntry | None, list[LedgerProblem]]:
    """Check what an entry of the right shape says of itself."""
    job_id = entry["job_id"]
    problems: list[LedgerProblem] = []

    def problem(
        code: str, message: str, severity: Literal["error", "warning"] = "error"
    ) -> list[LedgerProblem]:
        problems.append(LedgerProblem(code, path, message, job_id, severity))
        return problems

    if not _digest_holds(entry, data):
        message = "its content does not match its record_digest"
        return None, problem("ledger.digest_mismatch", message)
    if is_unprovable(entry):
        message = "part of its state point is redacted, so its id cannot be proved"
        problem("ledger.unprovable", message, "warning")
    elif not prove_identity(entry):
        return None, problem("ledger.id_mismatch", "its id is not the hash of its state point")
    if find_leaks:
        from aexp.model.sanitize import certainly_without_secrets, find_secrets  # slow to import

        if not certainly_without_secrets(data) and (leaks := find_secrets(entry)):
            problem("ledger.unsanitized", f"{leaks[0].pointer} looks like a secret")
    return entry, problems


def _digest_holds(entry: LedgerEntry, data: bytes) -> bool:
    """Check ``record_digest``; an entry of 0.6.x has none.

    Files are canonical, so hashing the bytes without that one line is enough; only a file that
    somebody reformatted is encoded anew.
    """
    wanted = entry.get("record_digest")
    if wanted is None:
        return True
    if _has_duplicate_keys(data):
        return False  # two entries line by line, of which JSON readers see the last (trap 73)
    without, count = _DIGEST_LINE.subn(b"", data, count=1)
    if count and "sha256:" + hashlib.sha256(without).hexdigest() == wanted:
        return True
    return record_digest(entry) == wanted


def _has_duplicate_keys(data: bytes) -> bool:
    """Return whether a second ``record_digest`` line hides in ``data``."""
    return data.count(b'\n  "record_digest": ') > 1


def is_run_file(path: str) -> bool:
    """Return whether ``path`` stands where entries stand (named subfolders hold other records)."""
    below = path[len(_PREFIX) :]
    return "/" not in below or _SHARD.fullmatch(below) is not None


def _stray(path: str) -> LedgerProblem:
    return LedgerProblem("ledger.stray", path, "it is no ledger entry", None, "warning")


def _linked(path: str) -> LedgerProblem:
    message = "it is a symbolic link, and git shares only where it points"
    return LedgerProblem("ledger.stray", path, message, None, "warning")


def _misplaced_folder(path: str) -> list[LedgerProblem]:
    job_id = entry_job_id(path)
    if job_id is None:
        return []
    return [LedgerProblem("ledger.malformed", path, "it is a folder, not an entry", job_id)]


def _duplicate(path: str, first: str, job_id: str) -> LedgerProblem:
    message = f"the run has an entry at {first} too; both were read as one"
    return LedgerProblem("ledger.duplicate", path, message, job_id, "warning")


def load_usable(layout: Layout, job_id: str) -> LedgerEntry | None:
    """Return the usable entry of one run in the work tree, or None."""
    first, second = find_entry(layout, job_id)
    entry = _load(layout, job_id, Path(first))
    other = None if second is None else _load(layout, job_id, Path(second))
    if entry is None or other is None:
        return entry or other
    return put_together(merge(take_apart(entry), take_apart(other)))


def _load(layout: Layout, job_id: str, path: Path) -> LedgerEntry | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return judge(job_id, layout.relative(path), data)[0]


def entry_files(layout: Layout) -> Iterable[Path]:
    """Return the files of the ledger folder that stand where entries stand."""
    for path in WorkTree(layout.root).files(LEDGER_DIR_REL):
        if is_run_file(path):
            yield layout.root / path
