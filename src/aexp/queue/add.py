"""Registering runs that wait for a worker (QUE-01)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aexp.clock import utc_now
from aexp.errors import CorruptDataError, UsageError
from aexp.model.canonical import Json
from aexp.model.owner import Liveness
from aexp.model.packed import unpack
from aexp.model.project import tags_of
from aexp.model.statepoint import point_id
from aexp.model.status import is_terminal
from aexp.model.times import format_time
from aexp.queue.records import QUEUE, is_owed, queue_block, waits
from aexp.queue.template import render
from aexp.repo import Layout
from aexp.runs.annotate import check_tags
from aexp.runs.code_state import CodeState, code_state
from aexp.runs.create import Planned, plan_run
from aexp.runs.heal import heal_pending
from aexp.runs.transition import owner_state
from aexp.workspace.store import RunRecord, RunStore

PENDING: Final = ("queued", "running")


@dataclass(frozen=True)
class Options:
    """How runs are queued.

    Attributes:
        command: the command of one run, in place of the experiment's ``runner_command``.
        tags: tags that the queued runs get.
        again: queue another attempt of runs that have ended.
        hypothesis_id: the hypothesis; the experiment's own when None.
        include_commit: put the state of the code into the state point. Without it, no code is
            registered, and a worker takes any.
        allow_missing: accept an experiment without a file.
    """

    command: str | None = None
    tags: Sequence[str] = ()
    again: bool = False
    hypothesis_id: str | None = None
    include_commit: bool = True
    allow_missing: bool = False


@dataclass(frozen=True)
class Reused:
    """A point that was not queued, since a run of it is there.

    Attributes:
        job_id: that run.
        status: how it stands.
        statepoint: its whole state point.
    """

    job_id: str
    status: str
    statepoint: Mapping[str, Json]


@dataclass
class Added:
    """What queueing came to.

    Attributes:
        queued: the runs that were queued now, in order.
        reused: points of which a run waits or is running already.
        ended: points whose very run has ended; they are not run again unasked.
        undeclared: dotted keys whose values hold paths of this machine.
        has_command: whether the queued runs have a command.
    """

    queued: list[str] = field(default_factory=list)
    reused: list[Reused] = field(default_factory=list)
    ended: list[Reused] = field(default_factory=list)
    undeclared: tuple[str, ...] = ()
    has_command: bool = True


def add_runs(
    layout: Layout,
    experiment_id: str,
    points: Iterable[Mapping[str, Json]],
    options: Options | None = None,
) -> Added:
    """Register runs as queued; each is durable when this returns.

    Every point is checked before the first run is made. Conditions are resolved and the command is
    made now: what is written into the experiment later changes no queued run (QUE-02).

    Args:
        layout: the repository.
        experiment_id: such as ``E001``.
        points: the parameters of each run.
        options: how.

    Raises:
        NotFoundError: there is no such experiment, hypothesis or condition.
        UsageError, UnsafeValueError: a state point or a tag may not be recorded.
        CorruptDataError: the experiment's ``runner_command`` or ``conditions`` are malformed.
        GitError, StorageError: as :func:`~aexp.runs.create.create`.
    """
    chosen = options or Options()
    tags = check_tags(chosen.tags)
    code = code_state(layout)
    plans = [_plan(layout, experiment_id, point, chosen, code) for point in points]
    if not plans:
        raise UsageError("there is nothing to queue", hint="name parameters with --sp or --sweep")
    store = RunStore(layout)
    added = Added(undeclared=tuple(dict.fromkeys(k for plan in plans for k in plan.undeclared)))
    heal_pending(layout)
    pending = _pending(store)
    now = format_time(utc_now())
    for number, plan in enumerate(plans):
        point = point_id(plan.statepoint)
        known = pending.get(point)
        if known is not None:
            added.reused.append(known)
            continue
        block = _block(plan, chosen, code, now, number)
        added.has_command = added.has_command and "command" in block
        _queue(store, plan, {QUEUE: block, **({"tags": tags} if tags else {})}, chosen.again, added)
        pending[point] = Reused(plan.job_id, "queued", plan.statepoint)
    return added


def _plan(
    layout: Layout,
    experiment_id: str,
    point: Mapping[str, Json],
    options: Options,
    code: CodeState,
) -> Planned:
    return plan_run(
        layout,
        experiment_id,
        point,
        hypothesis_id=options.hypothesis_id,
        include_commit=options.include_commit,
        missing="allow" if options.allow_missing else "refuse",
        code=code,
    )


def _pending(store: RunStore) -> dict[str, Reused]:
    """Return the runs that wait or are running, by point id: the same whatever the code."""
    found: dict[str, Reused] = {}
    heads = store.heads()
    for head in heads:
        if head.problem is not None:
            continue
        status = head.status
        if status not in PENDING and not (
            is_terminal(status) and _is_waiting(heads.record(head).document)
        ):
            continue
        if status == "running" and _is_forgotten(store, heads.record(head)):
            continue
        statepoint = unpack(head.statepoint)
        if isinstance(statepoint, Mapping):
            shown = status if status in PENDING else "queued"
            found[point_id(statepoint)] = Reused(head.job_id, shown, statepoint)
    return found


def _is_waiting(document: Mapping[str, Json]) -> bool:
    return waits(document) or is_owed(document)


def _block(
    plan: Planned, options: Options, code: CodeState, now: str, number: int
) -> dict[str, Json]:
    block: dict[str, Json] = {"queued_at": now, "number": number}
    template = options.command if options.command is not None else template_of(plan)
    if template:
        block["command"] = render(template, plan.statepoint, plan.job_id)
    if options.include_commit:
        block["code"] = code.statepoint_keys()
    return block


def template_of(plan: Planned) -> str:
    """Return the experiment's ``runner_command``; empty when it has none.

    Raises:
        CorruptDataError: it is no text.
    """
    if plan.artifact is None:
        return ""
    found = plan.artifact.frontmatter.get("runner_command")
    if found is not None and not isinstance(found, str):
        raise CorruptDataError(
            f"{plan.artifact.path}: runner_command is no text",
            hint='write runner_command: "python train.py --lr {lr}"',
        )
    return (found or "").strip()


def _queue(
    store: RunStore, plan: Planned, facts: Mapping[str, Json], again: bool, added: Added
) -> None:
    """Make the run of a plan queued: in one durable write when it is new."""
    if store.create(plan.statepoint, {**plan.document, **facts, "status": "queued"}):
        added.queued.append(plan.job_id)
        return
    before = ""

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        nonlocal before
        record = RunRecord(plan.job_id, plan.statepoint, document, store.workspace)
        before = record.status
        has_ended = is_terminal(before)
        is_kept = before == "queued" or (before == "running" and not _is_forgotten(store, record))
        if is_kept or (has_ended and not again):
            return None
        known = {k: v for k, v in queue_block(document).items() if k != "removed"}
        place = {key: known[key] for key in ("queued_at", "number") if key in known}
        block = {**known, **facts[QUEUE], **place, **({"again": True} if has_ended else {})}
        tags = sorted({*tags_of(document), *facts.get("tags", ())})
        after = {**document, QUEUE: block, "status": before}
        if before == "created":
            after["status"] = "queued"
        before = ""
        return {**after, "tags": tags} if tags else after

    store.update(plan.job_id, change)
    if not before:
        added.queued.append(plan.job_id)
    else:
        of_whom = added.reused if before in PENDING else added.ended
        of_whom.append(Reused(plan.job_id, before, plan.statepoint))


def _is_forgotten(store: RunStore, record: RunRecord) -> bool:
    """Return whether a running run's process is gone, and no worker looks for such runs."""
    return not queue_block(record.document) and owner_state(store, record)[0] is Liveness.DEAD
