"""``aexp status``: what is here, what is shared, and what to do about the rest (INS-10)."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from aexp.cli.declare import Group
from aexp.cli.opening import open_for_reading
from aexp.cli.options import TextFormat
from aexp.cli.output import one_line, say, say_json

if TYPE_CHECKING:
    from aexp.runs.overview import Overview

WIDTH = 80
_NAMED = 10
"""How many failed promotions, and how many citations, get a line of their own."""


def register(app: Group) -> None:
    """Add the command to ``app``."""
    app.command("status")(status)


def status(format: TextFormat = "text") -> None:
    """Show what is here, what is in the ledger, and what is not shared yet. Changes nothing."""
    from dataclasses import asdict

    from aexp.runs.overview import overview

    found = overview(open_for_reading())
    if format == "json":
        say_json(asdict(found))
        return
    _say_facts(found)
    todo = list(_todo(found))
    if not todo:
        everything = found.unpushed == 0 and found.upstream
        say("nothing to do: everything is shared" if everything else "nothing to do here")
        return
    say()
    for what, how in todo:
        _say_task(what, how)


def _say_facts(found: Overview) -> None:
    _fact("machine", found.machine + ("" if found.installed else " (not installed)"))
    _fact("runs here", _counts(found.here) or "none")
    machines = f" ({_counts(found.machines)})" if found.machines else ""
    _fact("ledger", _number(found.in_ledger, "entry", "entries") + machines)
    if found.executions:
        states = Counter(str(one["state"]) for one in found.executions.values())
        _fact("executions", _counts(states))
        _say_running(found)
    if found.upstream:
        _fact("shared as", found.upstream)
    elif not found.has_remote:
        _fact("shared as", "nothing: there is no remote (git remote add origin URL)")


def _say_running(found: Overview) -> None:
    """Say what the executions that go on have reached."""
    running = [
        (rid, str(one["message"]))
        for rid, one in found.executions.items()
        if one["state"] == "Running" and one["message"] and not one["lost"]
    ]
    for rid, message in running[:_NAMED]:
        _fact("", f"{rid[:8]} {one_line(message)}")


def _unpublished(found: Overview) -> Iterator[tuple[str, str]]:
    lost = sum(bool(one["lost"]) for one in found.executions.values())
    if lost:
        yield (
            f"{_number(lost, 'execution')} whose process is gone",
            "aexp execution list --incomplete",
        )
    ended = ("Stopped", "Failed", "Pending_Upload")
    waiting = sum(one["state"] in ended for one in found.executions.values())
    if waiting:
        yield (
            f"{_number(waiting, 'ended execution')} not published",
            "aexp execution list --incomplete",
        )


def _fact(name: str, value: str) -> None:
    wrapped = textwrap.wrap(value, WIDTH - 14, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(wrapped):
        say(f"{name + ':' if name and number == 0 else '':<13} {line}")


def _todo(found: Overview) -> Iterator[tuple[str, str]]:
    """Yield what is not as it should be, with the command that mends it."""
    if found.damaged:
        yield f"{_number(len(found.damaged), 'run')} here damaged", "aexp validate"
    if found.problems:
        yield f"{_number(found.problems, 'ledger file')} with errors", "aexp validate"
    if found.lost:
        yield f"{_number(len(found.lost), 'run')} whose process is gone", "aexp recover"
    for job_id, reason in list(found.failed.items())[:_NAMED]:
        yield f"promotion of {job_id[:8]} failed: {one_line(reason)}", "aexp ledger backfill"
    if len(found.failed) > _NAMED:
        yield f"{len(found.failed) - _NAMED} more failed promotions", "aexp ledger backfill"
    for job_id, reason in list(found.unsealed.items())[:_NAMED]:
        yield f"bytes of {job_id[:8]} not sealed: {one_line(reason)}", "aexp recover --apply"
    if len(found.unsealed) > _NAMED:
        yield f"bytes of {len(found.unsealed) - _NAMED} more runs not sealed", "aexp recover"
    if found.cut_off:
        count = _number(len(found.cut_off), "promotion")
        yield f"{count} cut off", "aexp recover --apply"
    if waiting := found.here.get("queued"):
        yield f"{_number(waiting, 'queued run')} waiting for a worker", "aexp queue worker"
    yield from _unpublished(found)
    if found.unpromoted:
        count = _number(len(found.unpromoted), "ended run")
        yield f"{count} not in the ledger", "aexp ledger backfill"
    if found.uncommitted:
        count = _number(len(found.uncommitted), "ledger file")
        yield f"{count} not committed", "aexp ledger backfill"
    if found.uncommitted_indexes:
        count = _number(len(found.uncommitted_indexes), "run index", "run indexes")
        yield f"{count} not committed", "git add .aexp/runs-index && git commit"
    if found.unpushed:
        count = _number(found.unpushed, "commit")
        yield f"{count} not pushed", "git push" if found.upstream else "aexp sync"
    if found.behind:
        count = _number(found.behind, "commit")
        yield f"{count} of {found.upstream} not merged", "aexp sync"
    for gap in found.cited[:_NAMED]:
        yield f"{gap.finding} {gap.what}", gap.mend
    if len(found.cited) > _NAMED:
        yield f"{len(found.cited) - _NAMED} more such citations", "aexp validate"


def _say_task(what: str, how: str) -> None:
    line = f"- {what}: {how}"
    if len(line) > WIDTH:
        shown = what if len(what) <= WIDTH - 3 else what[: WIDTH - 4] + "…"
        say(f"- {shown}:")
        line = f"    {how}"
    say(line)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _number(count: int, one: str, more: str = "") -> str:
    return f"{count} {one}" if count == 1 else f"{count} {more or one + 's'}"
