"""Judging one file of the ledger: is it a usable entry, and what is wrong with it (VAL-08)."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.canonical import decode_json
from aexp.model.entry import (
    LedgerEntry,
    check_entry,
    is_unprovable,
    prove_identity,
    record_digest,
)
from aexp.model.ids import is_job_id
from aexp.repo import LEDGER_DIR_REL

PREFIX: Final = f"{LEDGER_DIR_REL}/"
_SHARD = re.compile(r"[0-9a-f]{2}/[^/]+")
_MARKER = re.compile(rb"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE)
_DIGEST_LINE = re.compile(rb'\n  "record_digest": "(sha256:[0-9a-f]{64})",')


class LedgerProblem(Struct, frozen=True):
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


def entry_job_id(path: str) -> str | None:
    """Return the job id whose entry ``path`` (relative to the root) is, or None.

    Both layouts count: ``<id>.json`` and ``<first two digits>/<id>.json`` (LED-13).
    """
    below = path[len(PREFIX) :]
    shard, slash, name = below.rpartition("/")
    if not name.endswith(".json") or not is_job_id(name[:-5]):
        return None
    return name[:-5] if not slash or shard == name[:2] else None


def is_run_file(path: str) -> bool:
    """Return whether ``path`` stands where entries stand (named subfolders hold other records)."""
    below = path[len(PREFIX) :]
    return "/" not in below or _SHARD.fullmatch(below) is not None


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
    import hashlib

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
