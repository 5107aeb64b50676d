"""Names of things: job ids, attempt ids, artifact ids."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aexp.errors import AmbiguousIdError, NotFoundError, UsageError

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_EXPERIMENT = re.compile(r"E[0-9]{3,}")

SHORT = 8
"""How many digits of a job id are shown in tables."""


def job_ids_among(names: Iterable[str]) -> list[str]:
    """Return those of many names that are job ids."""
    matches = _JOB_ID.fullmatch
    return [name for name in names if matches(name)]


def is_job_id(text: object) -> bool:
    """Return whether ``text`` is a job id: 32 lowercase hex digits."""
    return isinstance(text, str) and _JOB_ID.fullmatch(text) is not None


def is_experiment_id(text: object) -> bool:
    """Return whether ``text`` is an experiment id such as ``E001``."""
    return isinstance(text, str) and _EXPERIMENT.fullmatch(text) is not None


def resolve_prefix(text: str, known: Iterable[str]) -> str:
    """Return the one id among ``known`` that begins with ``text`` (LED-04).

    Args:
        text: a job id or the beginning of one.
        known: all job ids there are.

    Raises:
        UsageError: ``text`` cannot be the beginning of an id.
        AmbiguousIdError: several ids begin with it; they are named.
        NotFoundError: none does; ids that look alike are named.
    """
    from difflib import get_close_matches

    wanted = text.strip().lower()
    if not _PREFIX.fullmatch(wanted):
        raise UsageError(
            f"{text!r} is no run id", hint="a run id is 32 hex digits; its first few will do"
        )
    ids = sorted(set(known))
    found = [job_id for job_id in ids if job_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if wanted in found:
        return wanted
    if found:
        shown = ", ".join(job_id[: max(SHORT, len(wanted) + 2)] for job_id in found[:5])
        more = ", …" if len(found) > 5 else ""
        raise AmbiguousIdError(
            f"{text} is the beginning of {len(found)} run ids: {shown}{more}",
            hint="give more digits",
        )
    near = get_close_matches(wanted, [i[: len(wanted)] for i in ids], n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(dict.fromkeys(near))}?" if near else "see `aexp list-runs`"
    raise NotFoundError(f"there is no run {text}", hint=hint)


def legacy_attempt_id(job_id: str, machine: str, started_at: str, ended_at: str) -> str:
    """Return the attempt id of an attempt recorded without one (0.6.x entries, LED-01).

    It is derived from facts that stay the same when an incomplete entry is completed later: the
    machine, and when the attempt began (or ended, when no beginning is known).
    """
    import hashlib

    seed = "\n".join((job_id, machine, started_at or ended_at))
    return "legacy-" + hashlib.sha256(seed.encode()).hexdigest()[:16]
