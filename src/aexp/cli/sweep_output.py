"""How sweeps are shown: how far they are, what they planned, what they measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp.cli.output import count, finite, say, say_json, table
from aexp.cli.sweep_progress import time_left
from aexp.errors import StorageError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from aexp.sweep.engine import Sweep
    from aexp.sweep.frames import SweepTable
    from aexp.sweep.preview import Preview
    from aexp.sweep.status import SweepStatus

_FAILURES: Final = 10
_ROWS: Final = 40
"""So many rows of a table are shown; a file gets all."""


def say_plan(seen: Preview) -> None:
    """Say what a spec comes to: how many points, and the first of them."""
    say(f"{count(seen.count, 'point')} of {', '.join(seen.names) or 'nothing'}, seed {seen.seed}")
    if seen.first:
        rows = [
            [str(n), *(str(values.get(name, "")) for name in seen.names)]
            for n, values in enumerate(seen.first)
        ]
        table(["POINT", *seen.names], rows)
    if seen.count > len(seen.first):
        say(f"and {seen.count - len(seen.first)} more")


def plan_json(sweep: Sweep) -> dict[str, Any]:
    """Return what `aexp sweep plan --format json` shows."""
    header = sweep.manifest.header
    return {
        "sweep_id": sweep.sweep_id,
        "count": header.run_count,
        "seed": str(header.sweep_seed),
        "points_digest": header.points_digest,
        "folder": sweep.layout.relative(sweep.folder),
    }


def say_status(found: SweepStatus) -> None:
    """Say how far a sweep is."""
    known = found.known
    header = known.header
    planned = header.created_at[:16].replace("T", " ")
    where = f" on {known.plan.machine}" if known.plan else ""
    say(f"sweep     {found.known.sweep_id}  {header.spec.get('experiment') or ''}".rstrip())
    say(f"planned   {planned}{where}, seed {header.sweep_seed}")
    here = "not here: what the ledger says is shown"
    say(f"folder    {here if known.folder is None else known.layout.relative(known.folder)}")
    say(f"points    {found.total}: {_counts(found)}")
    if found.elsewhere and known.folder is not None:
        say(f"          {found.elsewhere} of them were finished elsewhere, or before")
    if found.driver is not None:
        left = "" if found.eta_s is None else f", about {time_left(found.eta_s)} left"
        running = f", {count(len(found.running), 'point')} running" if found.running else ""
        say(f"driver    {found.driver.describe()}{running}{left}")
    elif found.missing:
        begun = len(found.running)
        lost = f"; {count(begun, 'point')} began and did not end" if begun else ""
        say(f"driver    none{lost}; go on with `aexp sweep resume {known.sweep_id}`")
    _say_failures(found)


def _counts(found: SweepStatus) -> str:
    kinds = [f"{found.counts[s]} {s}" for s in ("ok", "failed", "skipped") if found.counts[s]]
    if found.missing:
        kinds.append(f"{found.missing} to do")
    return ", ".join(kinds)


def _say_failures(found: SweepStatus) -> None:
    from aexp.sweep.status import last_line

    failures = found.failures
    for entry in failures[:_FAILURES]:
        log = f" (log: {entry.log_path})" if entry.log_path else ""
        say(f"failed    point {entry.run_id}: {last_line(entry.stderr) or 'no message'}{log}")
    if len(failures) > _FAILURES:
        say(f"          and {len(failures) - _FAILURES} more: --format json has all")


def say_end(found: SweepStatus, shard: tuple[int, int] | None) -> None:
    """Say how a sweep, or a share of it, ended."""
    sweep_id = found.known.sweep_id
    share = "" if shard is None else f", share {shard[0]} of {shard[1]} done"
    say(f"sweep {sweep_id}: {count(found.total, 'point')}, {_counts(found)}{share}")
    if not found.missing and not found.counts["failed"]:
        say(f"its table: `aexp sweep table {sweep_id}`")


def say_statuses(statuses: list[SweepStatus]) -> None:
    """List sweeps."""
    if not statuses:
        say("no sweeps")
        return
    rows = [
        [
            found.known.sweep_id,
            str(found.known.header.spec.get("experiment") or "-"),
            str(found.total),
            _counts(found),
            "running" if found.driver else "ledger" if found.known.folder is None else "here",
            found.known.header.created_at[:16].replace("T", " "),
        ]
        for found in statuses
    ]
    table(["SWEEP", "EXPERIMENT", "POINTS", "ENDED", "WHERE", "PLANNED"], rows)


# --- the table -----------------------------------------------------------------------------------


def say_table(gathered: SweepTable, format: str) -> None:
    """Show a sweep's table: its first rows, or all of it as JSON."""
    frame = gathered.frame().reset_index()
    if format == "json":
        say_json(_records(frame))
        return
    if frame.empty:
        say("no point has ended yet")
        return
    rows = [[_shown(cell) for cell in row] for row in frame.head(_ROWS).itertuples(index=False)]
    table([str(name) for name in frame.columns], rows)
    if len(frame) > _ROWS:
        say(f"and {len(frame) - _ROWS} more rows: write them to a file with --output")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain JSON values; what is missing, or no number, is null."""
    import pandas as pd

    def plain(value: Any) -> Any:
        if value is pd.NA or value is pd.NaT or value != value:
            return None
        if hasattr(value, "isoformat"):
            return value.isoformat()
        return finite(value.item() if hasattr(value, "item") else value)

    names = [str(name) for name in frame.columns]
    return [dict(zip(names, map(plain, row), strict=True)) for row in frame.itertuples(index=False)]


def _shown(cell: Any) -> str:
    import pandas as pd

    if cell is None or cell is pd.NA or cell is pd.NaT or cell != cell:
        return "-"
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def write_table(gathered: SweepTable, path: Path) -> int:
    """Write a sweep's table to a file and return how many rows it has.

    Raises:
        UsageError: the suffix is none of those that can be written.
        StorageError: the disk refused.
    """
    writers = {".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"a table cannot be written to {path.name}", hint=f"end it in {', '.join(writers)}"
        )
    frame = gathered.frame()
    try:
        writer(frame, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from None
    return len(frame)


def _csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path)


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path)


def _json_lines(frame: pd.DataFrame, path: Path) -> None:
    import json

    with path.open("w", encoding="utf-8") as stream:
        for record in _records(frame.reset_index()):
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
