"""Draining the queue: one run after the other, beside any number of other workers (QUE-03)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from aexp.errors import (
    AexpError,
    CodeDriftError,
    CorruptDataError,
    InvalidTransitionError,
    LockTimeoutError,
    NoCommandError,
    NotFoundError,
    RunBusyError,
    TooOftenLostError,
)
from aexp.queue.claim import Claim, claim_run, give_up
from aexp.queue.execute import Ran, execute
from aexp.queue.records import Choice, Queued, is_owed, read_queue, waits
from aexp.repo import Layout
from aexp.workspace.store import RunRecord, RunStore

_TAKEN: Final = (InvalidTransitionError, RunBusyError, LockTimeoutError, NotFoundError)
"""What tells that somebody else has the run, or that it is gone."""

_FRUITLESS: Final = 3
"""So many passes in which other workers were quicker each time, and the rest is left to them."""


@dataclass(frozen=True)
class Begun:
    """A run that the worker has claimed.

    Attributes:
        claim: the claim.
        took_over: whether another worker had it and died.
    """

    claim: Claim
    took_over: bool


@dataclass(frozen=True)
class Left:
    """A run that the worker left in the queue, or gave up.

    Attributes:
        job_id: the run.
        error: why.
    """

    job_id: str
    error: AexpError


Watch = Callable[[Begun | Ran | Left], None]


@dataclass
class Drained:
    """What a worker did.

    Attributes:
        ran: the runs it brought to their end, in order.
        left: the runs that it could not take, each with the reason.
        interrupted: the signal that ended it, or None.
    """

    ran: list[Ran] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    interrupted: int | None = None

    @property
    def failed(self) -> list[Ran]:
        """The runs that did not complete."""
        return [each for each in self.ran if each.status != "complete"]


@dataclass(frozen=True)
class Rules:
    """How a worker works.

    Attributes:
        choice: which runs it takes.
        keep_going: go on after a run that did not complete.
        allow_drift: run with another code than the registered one.
        until_empty: look again after each pass, until nothing waits; else one pass.
        take_over: also take runs whose worker is gone.
    """

    choice: Choice = field(default_factory=Choice)
    keep_going: bool = True
    allow_drift: bool = False
    until_empty: bool = True
    take_over: bool = True


def drain(layout: Layout, rules: Rules | None = None, watch: Watch | None = None) -> Drained:
    """Run what waits in the queue, one run after the other.

    Each run is claimed when its turn has come, and of many workers one gets it. What this worker
    could not take for the code or for want of a command stays queued.

    Args:
        layout: the repository.
        rules: how.
        watch: told of each run that is begun, ended or left.

    Raises:
        GitError, StorageError: the state of the code or a run cannot be read or written.
    """
    how = rules or Rules()
    result = Drained()
    tell = watch or _nobody
    skip: set[str] = set()
    fruitless = 0
    while True:
        candidates = [each for each in _candidates(layout, how) if each.job_id not in skip]
        progress = False
        for each in candidates:
            claim = _claim(layout, each, how, result, tell)
            if result.left and result.left[-1].job_id == each.job_id:
                skip.add(each.job_id)
            if claim is None:
                continue
            progress = True
            tell(Begun(claim, took_over=each.is_lost))
            ran = execute(layout, claim)
            result.ran.append(ran)
            tell(ran)
            skip.add(each.job_id)  # not again by this worker, should somebody queue it anew
            result.interrupted = ran.interrupted
            if ran.interrupted is not None or (ran.status != "complete" and not how.keep_going):
                return result
        fruitless = 0 if progress else fruitless + 1
        if not how.until_empty or not candidates or fruitless > _FRUITLESS:
            return result


def _nobody(event: Begun | Ran | Left) -> None:
    """Tell nobody."""


def _candidates(layout: Layout, how: Rules) -> Iterator[Queued]:
    for each in read_queue(layout, how.choice):
        if each.waits or (how.take_over and each.is_lost):
            yield each


def _claim(layout: Layout, each: Queued, how: Rules, result: Drained, tell: Watch) -> Claim | None:
    """Claim a run, or return None when somebody else has it or it must be left."""
    store = RunStore(layout)
    try:
        record = store.read_sound(each.job_id)  # others may have taken it since the queue was read
        if not (waits(record.document) or is_owed(record.document) or record.status == "running"):
            return None
        return claim_run(layout, record, allow_drift=how.allow_drift)
    except (CodeDriftError, CorruptDataError, NoCommandError, TooOftenLostError) as error:
        if isinstance(error, TooOftenLostError):
            with contextlib.suppress(InvalidTransitionError):
                give_up(store, each.job_id)
        left = Left(each.job_id, error)
        result.left.append(left)
        tell(left)
    except _TAKEN:
        pass
    return None


def run_one(
    layout: Layout,
    job_id: str,
    *,
    allow_drift: bool = False,
    again: bool = False,
    watch: Watch | None = None,
) -> Ran | None:
    """Run one run by its id: a queued one, or one more attempt of one that failed or was cut off.

    Args:
        layout: the repository.
        job_id: the run.
        allow_drift: run with another code than the registered one.
        again: also run what is complete, or was removed or stopped by an operator.
        watch: told of the beginning and the end.

    Returns:
        how it ended; None when it is complete already.

    Raises:
        CodeDriftError, NoCommandError, RunBusyError, InvalidTransitionError: as
            :func:`~aexp.queue.claim.claim_run`.
        NotFoundError, CorruptDataError, GitError, StorageError: it cannot be read or written.
    """
    record: RunRecord = RunStore(layout).read_sound(job_id)
    if record.status == "complete" and not again and not waits(record.document):
        return None
    claim = claim_run(layout, record, allow_drift=allow_drift, by_name=True, again=again)
    if watch is not None:
        watch(Begun(claim, took_over=record.status == "running"))
    ran = execute(layout, claim)
    if watch is not None:
        watch(ran)
    return ran
