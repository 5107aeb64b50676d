"""The run status table."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from aexp.errors import InvalidTransitionError, UsageError
from aexp.model.status import (
    DEFAULT_ENDED_BY,
    ENDED_BY,
    STATUSES,
    TERMINAL_STATUSES,
    check_ended_by,
    check_status,
    check_transition,
    is_legal,
    is_terminal,
)

# The table of the specification, row by row: from created, queued, running, complete, failed,
# stopped, abandoned to each of them in the same order.
ORDER = ("created", "queued", "running", "complete", "failed", "stopped", "abandoned")
TABLE = {
    "created": "yyyyyyy",
    "queued": "nyyyyyy",
    "running": "nnyyyyy",
    "complete": "nnnynnn",
    "failed": "nnnnynn",
    "stopped": "nnnnnyn",
    "abandoned": "nnnnnny",
}


@pytest.mark.parametrize(("current", "new"), list(product(ORDER, ORDER)))
def test_every_pair(current: str, new: str) -> None:
    """RUN-03: exactly the steps of the table are legal, also for the attempt's owner."""
    legal = TABLE[current][ORDER.index(new)] == "y"
    for by_owner in (False, True):
        for ended_by in (None, "exit", "operator"):
            assert is_legal(current, new, ended_by=ended_by, by_owner=by_owner) == legal
    if legal:
        check_transition(current, new)
    else:
        with pytest.raises(InvalidTransitionError, match=f"{current} cannot become {new}") as bad:
            check_transition(current, new)
        assert ("--again" in str(bad.value.hint)) == (current in TERMINAL_STATUSES)


@pytest.mark.parametrize("new", ORDER)
@pytest.mark.parametrize("by_owner", [True, False])
def test_a_lost_attempt_may_be_ended_by_its_owner(new: str, by_owner: bool) -> None:
    """RUN-03: only a run given up as lost may still end, and only by its own owner."""
    legal = new == "abandoned" or (by_owner and new in TERMINAL_STATUSES)
    assert is_legal("abandoned", new, ended_by="lost", by_owner=by_owner) == legal


@pytest.mark.parametrize("lost_status", ["complete", "failed", "stopped"])
def test_only_abandoned_runs_are_lost(lost_status: str) -> None:
    """Trap 5: no combination rewrites a run that ended by itself."""
    assert not is_legal(lost_status, "abandoned", ended_by="lost", by_owner=True)


def test_the_statuses() -> None:
    """RUN-03: seven statuses, of which four are terminal."""
    assert STATUSES == ORDER
    assert {status for status in ORDER if is_terminal(status)} == set(ORDER[3:])
    assert all(check_status(status) == status for status in ORDER)


@pytest.mark.parametrize("word", ["Complete", "done", "", None, 1, [], {}, "retracted"])
def test_other_words_are_no_status(word: Any) -> None:
    """RUN-03: a mistyped status is refused, with the words there are."""
    assert not is_terminal(word)
    with pytest.raises(UsageError) as caught:
        check_status(word)
    assert "abandoned" in str(caught.value.hint)


def test_unknown_targets_are_refused_even_when_nothing_changes() -> None:
    """RUN-03: a run cannot stay in a status that does not exist."""
    with pytest.raises(UsageError, match="no run status"):
        check_transition("nonsense", "nonsense")


WAYS = ("exit", "exception", "interrupt", "signal", "operator", "lost", "magic")
ALLOWED = {
    "complete": {"exit"},
    "failed": {"exception", "exit"},
    "stopped": {"interrupt", "signal", "operator"},
    "abandoned": {"operator", "lost"},
}


@pytest.mark.parametrize(("status", "ended_by"), list(product(ORDER, WAYS)))
def test_what_may_have_ended_a_run(status: str, ended_by: str) -> None:
    """RUN-03: ended_by goes with the status as the table says; an unended run has none."""
    if ended_by in ALLOWED.get(status, set()):
        check_ended_by(status, ended_by)
    else:
        with pytest.raises(UsageError, match="cannot have ended by"):
            check_ended_by(status, ended_by)


def test_defaults_are_allowed() -> None:
    """RUN-03: each terminal status has a default way, and it is an allowed one."""
    assert set(DEFAULT_ENDED_BY) == set(ENDED_BY) == TERMINAL_STATUSES
    for status, ended_by in DEFAULT_ENDED_BY.items():
        check_ended_by(status, ended_by)
