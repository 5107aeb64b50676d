"""Sweeps made of files alone, for what reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from aexp.ledger.sweeps import write_plan
from aexp.model.sweep import Explicit, SweepSpec
from aexp.repo import Layout
from aexp.sweep.manifest import Entry, Header, Manifest
from aexp.sweep.outcome import OutputFile
from aexp.sweep.points import write_points

SWEEP = "0123456789abcdef"
CREATED = "2026-01-01T00:00:00.000000Z"


def make_sweep(
    layout: Layout,
    rows: list[dict[str, Any]],
    *,
    sweep_id: str = SWEEP,
    outputs: dict[str, str] | None = None,
    folder: Path | None = None,
    **spec: Any,
) -> Any:
    """Write the folder of a sweep that nothing has been run of, and its plan."""
    spec.setdefault("parameters", Explicit(rows=tuple(rows)))
    folder = folder or layout.root / ".aexp" / "sweeps" / sweep_id
    plan = SweepSpec(experiment="E001", outputs=outputs or {}, **spec)
    points = write_points(folder / "points.jsonl", sweep_id, plan, 7)
    header = Header(
        sweep_id=sweep_id,
        sweep_seed="7",
        run_count=points.count,
        points_digest=points.digest,
        spec=plan.to_json(),
        created_at=CREATED,
    )
    write_plan(layout, msgspec.to_builtins(header), folder / "points.jsonl")
    manifest = Manifest.create(folder / "manifest.jsonl", header)
    return SimpleNamespace(layout=layout, folder=folder, manifest=manifest, rows=rows)


def ended(
    sweep: Any,
    run_id: int,
    status: Any = "ok",
    files: dict[str, str | bytes] | None = None,
    **facts: Any,
) -> Entry:
    """Record the end of a point, with the files that it wrote."""
    written = []
    for name, content in (files or {}).items():
        data = content.encode() if isinstance(content, str) else content
        path = sweep.folder / "out" / str(run_id) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        written.append(OutputFile(f"out/{run_id}/{name}", len(data), digest))
    entry = Entry(
        run_id=run_id,
        status=status,
        overrides=sweep.rows[run_id],
        output_paths=tuple(written),
        **facts,
    )
    sweep.manifest.append(entry)
    sweep.manifest.close()
    return entry
