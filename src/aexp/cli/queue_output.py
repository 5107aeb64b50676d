"""How the queue and the work on it are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aexp.cli.output import count, note, say, say_json, table
from aexp.errors import PartialFailureError

if TYPE_CHECKING:
    from aexp.queue.add import Added, Reused
    from aexp.queue.execute import Ran
    from aexp.queue.records import Queued
    from aexp.queue.worker import Begun, Drained, Left
    from aexp.repo import Layout

_NAMED: Final = 10
_SIGNALLED: Final = 128


def show_added(added: Added, *, as_json: bool) -> None:
    """Show what was queued, and warn of what was not."""
    if as_json:
        say_json(
            {
                "queued": added.queued,
                "reused": [_reused(each) for each in added.reused],
                "ended": [_reused(each) for each in added.ended],
            }
        )
    else:
        say(f"queued {count(len(added.queued), 'run')}")
        for job_id in added.queued[:_NAMED]:
            say(f"  {job_id}")
        if len(added.queued) > _NAMED:
            say(f"  … and {len(added.queued) - _NAMED} more: aexp queue list")
    for key in added.undeclared:
        note(
            f"warning: the state point's {key} is a path of this machine, so no other machine"
            " will have these runs; use a path relative to the repository"
        )
    _warn(added.reused, "{status} already, and reused")
    _warn(added.ended, "{status} already; --again queues another attempt")
    if added.queued and not added.has_command:
        note(
            "warning: the experiment has no runner_command, so no worker can run them;"
            " write it into the experiment's file, or queue with --command"
        )


def _reused(each: Reused) -> dict[str, Any]:
    return {"job_id": each.job_id, "status": each.status}


def _warn(found: Sequence[Reused], what: str) -> None:
    from aexp.queue.template import parameters

    for each in found[:_NAMED]:
        shown = pairs(parameters(each.statepoint)) or "no parameters"
        note(f"warning: run {each.job_id[:8]} ({shown}) is {what.format(status=each.status)}")
    if len(found) > _NAMED:
        note(f"warning: and {count(len(found) - _NAMED, 'run')} more")


def show_queue(runs: Sequence[Queued], *, ended: int, as_json: bool) -> None:
    """Show the queue, in order."""
    if as_json:
        say_json([_as_json(run) for run in runs])
        return
    if not runs:
        say("nothing waits" + (f"; {count(ended, 'run')} ended: --all" if ended else ""))
        return
    shown = _varying([run.parameters for run in runs])
    table(
        ["#", "RUN", "EXP", "STATUS", "STATE POINT", "TAGS", "WORKER"],
        [
            [
                str(run.index),
                run.job_id[:8],
                run.record.experiment_id or "-",
                _status(run),
                pairs({k: v for k, v in run.parameters.items() if k in shown}) or "-",
                " ".join(run.tags) or "-",
                f"{run.owner.pid} on {run.owner.host}" if run.owner else "-",
            ]
            for run in runs
        ],
    )


def _status(run: Queued) -> str:
    if run.is_lost:
        return "lost"
    return "queued again" if run.waits and run.record.status != "queued" else run.status


def _as_json(run: Queued) -> dict[str, Any]:
    from aexp.queue.claim import registered_code
    from aexp.queue.execute import failed_output
    from aexp.queue.records import queue_block

    return {
        "index": run.index,
        "job_id": run.job_id,
        "experiment_id": run.record.experiment_id,
        "status": run.record.status,
        "waits": run.waits,
        "lost": run.is_lost,
        "queued_at": run.queued_at or None,
        "parameters": run.parameters,
        "tags": run.tags,
        "command": queue_block(run.record.document).get("command"),
        "code": registered_code(run.record),
        "worker": {"host": run.owner.host, "pid": run.owner.pid} if run.owner else None,
        "output_tail": failed_output(run.record) or None,
    }


def _varying(points: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the parameters worth a column: all of one run, else those that are not the same."""
    keys = {key for point in points for key in point}
    if len(points) < 2:
        return keys
    return {key for key in keys if len({_text(point.get(key)) for point in points}) > 1}


def pairs(values: Mapping[str, Any]) -> str:
    """Return parameters on one line."""
    return " ".join(
        f"{key}={value if isinstance(value, str) else _text(value)}"
        for key, value in sorted(values.items())
    )


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Reporter:
    """Says on standard error which run begins, ends or is left; its output comes in between."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, event: Begun | Ran | Left) -> None:
        """Say what happened."""
        from aexp.queue.execute import Ran
        from aexp.queue.worker import Begun

        if isinstance(event, Begun):
            claim = event.claim
            over = ", taken over from a worker that is gone" if event.took_over else ""
            drift = ", with other code than was registered" if claim.drifted else ""
            note(f"[aexp] run {claim.job_id[:8]} begins{over}{drift}: {claim.command}")
        elif isinstance(event, Ran):
            where = "" if event.status == "complete" else f"; {self._layout.relative(event.log)}"
            note(
                f"[aexp] run {event.job_id[:8]} {event.status} (exit code {event.exit_code}){where}"
            )
            if event.log_error:
                note(f"warning: the log is not whole: {event.log_error}")
        else:
            note(f"[aexp] left: {event.error.message}")


def finish(done: Drained) -> None:
    """Say what a worker did, and exit as that deserves.

    Raises:
        AexpError: a run was left in the queue, for the reason of the first one; or several runs
            failed.
    """
    say(f"{count(len(done.ran), 'run')} ended, {len(done.failed)} not complete"
        f"{f', {len(done.left)} left' if done.left else ''}")  # fmt: skip
    if done.interrupted is not None:
        raise SystemExit(_SIGNALLED + done.interrupted)
    if done.failed:
        raise PartialFailureError(
            f"{_these(len(done.failed), len(done.ran))} did not complete",
            hint="see `aexp queue list --all`; `aexp run-queued RUN` tries one again",
        )
    if done.left:
        first = done.left[0].error
        raise type(first)(first.message, hint=first.hint)


def _these(some: int, all_: int) -> str:
    """Return which of several runs a sentence is about."""
    return count(some, "run") if some == all_ else f"{some} of {count(all_, 'run')}"
