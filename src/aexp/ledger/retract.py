"""Tombstones: what is left of a run that was taken back (LED-12).

A tombstone keeps what the run was and where it belonged, and says why its results do not count.
It wins every merge, so that no clone, backfill or new recording brings the results back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from aexp.errors import CorruptDataError, InvalidTransitionError, UnsafeValueError, UsageError
from aexp.ledger.places import entry_path, place_in
from aexp.ledger.store import load_usable
from aexp.model.canonical import Json
from aexp.model.entry import Fields, Parts, seal, take_apart
from aexp.model.sanitize import Root, find_secrets, sanitize
from aexp.model.status import RETRACTED
from aexp.repo import Layout
from aexp.storage.atomic import write_atomic
from aexp.storage.lock import file_lock

RETRACTION_FIELDS: Final = ("reason", "at", "machine")
"""All that a tombstone says beside the run's identity and link."""
MAX_REASON: Final = 1024
"""Bytes of a reason."""
LOCK_NAME: Final = "ledger.lock"
"""Held while an entry is rewritten whose run is not on this machine."""


class Tombstone(Struct, frozen=True):
    """A retracted run.

    Attributes:
        job_id: the run.
        path: its tombstone.
        facts: reason, time and machine of the retraction.
        changed: False when it had been retracted before.
    """

    job_id: str
    path: Path
    facts: Fields
    changed: bool


def check_reason(text: str) -> str:
    """Return ``text`` on one line when it can be the reason of a retraction.

    Raises:
        UsageError: it is empty, too long, or no plain text.
        UnsafeValueError: it looks like it holds a secret.
    """
    reason = " ".join(text.split())
    hint = "say in a sentence why the results do not count"
    if not reason:
        raise UsageError("the reason is empty", hint=hint)
    try:
        size = len(reason.encode())
    except UnicodeEncodeError:
        raise UsageError("the reason is no valid Unicode text", hint=hint) from None
    if size > MAX_REASON:
        raise UsageError(f"the reason has {size} bytes; at most {MAX_REASON}", hint=hint)
    if not reason.isprintable():
        raise UsageError("the reason holds control characters", hint=hint)
    if find_secrets({"reason": reason}):
        raise UnsafeValueError(
            "the reason looks like it holds a secret, and the ledger is shared",
            hint="leave the secret out; nothing was changed",
        )
    return reason


def retraction_of(value: Json, roots: Sequence[Root] = ()) -> Fields | None:
    """Return the facts of a retraction kept in a run's document, sanitized; None without one."""
    if not isinstance(value, Mapping) and not hasattr(value, "keys"):
        return None
    facts = {name: str(value[name]) for name in RETRACTION_FIELDS if name in value}
    if set(facts) != set(RETRACTION_FIELDS):
        return None
    return sanitize(facts, roots=roots)[0]  # type: ignore[no-any-return]


def entomb(parts: Parts, facts: Fields) -> Parts:
    """Return the parts of a run's tombstone: its identity and link, and no attempt."""
    return replace(parts, attempts=(), retracted=facts)


def retracted_facts(layout: Layout, job_id: str) -> Fields | None:
    """Return what the ledger says of a run's retraction; None when it is not retracted."""
    entry = load_usable(layout, job_id)
    if entry is None or entry["status"] != RETRACTED:
        return None
    return dict(entry.get("retracted") or {})


def refuse_retracted(layout: Layout, job_id: str, what: str = "changed") -> None:
    """Refuse to change what the ledger says of a retracted run.

    Args:
        layout: the work tree whose ledger counts.
        job_id: the run.
        what: what was to be done, as a participle.

    Raises:
        InvalidTransitionError: the run is retracted; nothing was changed.
    """
    facts = retracted_facts(layout, job_id)
    if facts is not None:
        raise InvalidTransitionError(
            f"run {job_id} was retracted, so it cannot be {what}: {facts.get('reason', '')}",
            hint="a retraction is for good; what counts anew needs another state point",
        )


def entomb_entry(layout: Layout, job_id: str, facts: Fields) -> Tombstone:
    """Turn the entry of a run that is not on this machine into a tombstone.

    A second file of the run in the other layout becomes one too: whichever of them git brings to
    another clone says the same.

    Raises:
        CorruptDataError: the entry is not usable.
        StorageError: the disk refused.
        LockTimeoutError: another process rewrites the ledger.
    """
    with file_lock(layout.locks_dir / LOCK_NAME):
        entry = load_usable(layout, job_id)
        if entry is None:
            raise CorruptDataError(
                f"the ledger entry of run {job_id} is not usable",
                hint="mend it first; `aexp ledger verify` says what is wrong with it",
            )
        path = entry_path(layout, job_id)
        if entry["status"] == RETRACTED:
            return Tombstone(job_id, path, dict(entry.get("retracted") or {}), False)
        _, data = seal(entomb(take_apart(entry), facts))
        for sharded in (False, True):
            place = place_in(layout, job_id, sharded=sharded)
            if place.is_file():
                write_atomic(place, data, tmp_dir=layout.tmp_dir)
    return Tombstone(job_id, path, facts, True)
