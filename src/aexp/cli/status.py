"""``aexp status``: what is here, what is shared, and what to do about the rest (INS-10)."""

from __future__ import annotations

from typing import Annotated

import typer

from aexp.cli.output import say, say_json
from aexp.errors import UsageError
from aexp.repo import open_layout


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("status")(status)


def status(format: Annotated[str, typer.Option("--format", help="text or json.")] = "text") -> None:
    """Show what is here, what is in the ledger, and what is not shared yet. Changes nothing."""
    from dataclasses import asdict

    from aexp.runs.overview import overview

    if format not in ("text", "json"):
        raise UsageError(f"there is no format {format!r}", hint="one of: text, json")
    layout = open_layout()
    found = overview(layout)
    if format == "json":
        say_json(asdict(found))
        return
    say(f"machine:      {found.machine}" + ("" if found.installed else " (not installed)"))
    say(f"runs here:    {pairs(found.here) if found.here else 'none'}")
    machines = f" ({pairs(found.machines)})" if found.machines else ""
    say(f"ledger:       {found.in_ledger} entries{machines}")
    todo: list[tuple[str, str]] = []
    if found.damaged:
        todo.append((f"{len(found.damaged)} damaged runs here", "aexp validate"))
    if found.problems:
        todo.append((f"{found.problems} ledger files with problems", "aexp validate"))
    for job_id, reason in found.failed.items():
        todo.append((f"promotion of {job_id[:8]} failed: {reason}", "aexp ledger backfill"))
    if found.cut_off:
        todo.append((f"{len(found.cut_off)} promotions were cut off", "aexp recover --apply"))
    if found.unpromoted:
        todo.append(
            (f"{len(found.unpromoted)} ended runs are not in the ledger", "aexp ledger backfill")
        )
    if found.uncommitted:
        todo.append(
            (f"{len(found.uncommitted)} ledger files are not committed", "aexp ledger backfill")
        )
    if found.unpushed:
        todo.append((f"{found.unpushed} commits are not pushed", "git push"))
    if not todo:
        say("nothing to do: everything is shared" if found.unpushed == 0 else "nothing to do here")
        return
    say()
    for what, how in todo:
        say(f"- {what}: {how}")


def pairs(counts: dict[str, int]) -> str:
    """Return counts by name on one line."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())
