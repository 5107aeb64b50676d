"""The run status table of model.md, as data and one function that enforces it."""

from __future__ import annotations

from typing import Final, Literal, get_args

from aexp.errors import InvalidTransitionError, UsageError

Status = Literal["created", "queued", "running", "complete", "failed", "stopped", "abandoned"]
EndedBy = Literal["exit", "exception", "interrupt", "signal", "operator", "lost"]

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
TERMINAL_STATUSES: Final[frozenset[str]] = frozenset({"complete", "failed", "stopped", "abandoned"})
RETRACTED: Final = "retracted"
"""The status of a tombstone in the ledger (LED-12); no run has it."""

ENDED_BY: Final[dict[str, tuple[EndedBy, ...]]] = {
    "complete": ("exit",),
    "failed": ("exception", "exit"),
    "stopped": ("interrupt", "signal", "operator"),
    "abandoned": ("operator", "lost"),
}
"""What may have ended a run, by terminal status."""

DEFAULT_ENDED_BY: Final[dict[str, EndedBy]] = {
    "complete": "exit",
    "failed": "exit",
    "stopped": "operator",
    "abandoned": "operator",
}

_NEXT: Final[dict[str, frozenset[str]]] = {
    "created": frozenset({"queued", "running"}) | TERMINAL_STATUSES,
    "queued": frozenset({"running"}) | TERMINAL_STATUSES,
    "running": TERMINAL_STATUSES,
}


def is_terminal(status: object) -> bool:
    """Return whether a run of this status has ended."""
    return isinstance(status, str) and status in TERMINAL_STATUSES


def check_status(status: object) -> Status:
    """Return ``status`` when it is one of the table's.

    Raises:
        UsageError: it is not.
    """
    for known in STATUSES:
        if status == known:
            return known
    raise UsageError(f"{status!r} is no run status", hint="one of: " + ", ".join(STATUSES))


def check_ended_by(status: str, ended_by: str) -> None:
    """Check that ``ended_by`` can go with the terminal ``status``.

    Raises:
        UsageError: it cannot.
    """
    allowed = ENDED_BY.get(status, ())
    if ended_by not in allowed:
        raise UsageError(
            f"a run that is {status} cannot have ended by {ended_by!r}",
            hint="one of: " + ", ".join(allowed) if allowed else None,
        )


def is_legal(
    current: str, new: str, *, ended_by: str | None = None, by_owner: bool = False
) -> bool:
    """Return whether a run may go from ``current`` to ``new``.

    Args:
        current: its status now.
        new: the wanted status.
        ended_by: how the run ended, when ``current`` is terminal.
        by_owner: whether the process that owns the attempt asks. The owner of an attempt that
            was given up as lost may still end it, should it turn out to live.
    """
    if current == new:
        return True
    if new in _NEXT.get(current, frozenset()):
        return True
    lost = current == "abandoned" and ended_by == "lost"
    return lost and by_owner and new in TERMINAL_STATUSES


def check_transition(
    current: str, new: str, *, ended_by: str | None = None, by_owner: bool = False
) -> None:
    """Check one step of the table; see :func:`is_legal` for the arguments.

    Raises:
        UsageError: ``new`` is no status.
        InvalidTransitionError: the table does not allow the step.
    """
    check_status(new)
    if is_legal(current, new, ended_by=ended_by, by_owner=by_owner):
        return
    hint = None
    if current in TERMINAL_STATUSES:
        hint = "an ended run goes on only as a new attempt: `aexp run --again …`"
    raise InvalidTransitionError(f"a run that is {current} cannot become {new}", hint=hint)
