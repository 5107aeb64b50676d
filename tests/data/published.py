"""Executions whose outputs stand in the ledger, made without running anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from aexp.ledger.backfill import backfill
from aexp.model.canonical import signac_id
from aexp.model.execution import asset_rid
from aexp.model.outputs import feature_lines
from aexp.registry import open_registry
from aexp.repo import Layout
from aexp.workspace.store import RunStore

START = "2026-01-01T00:00:00Z"


def file_output(
    layout: Layout, execution: str, data: bytes, name: str, asset: str = "Model", **facts: Any
) -> dict[str, Any]:
    """Put ``data`` into the registry and return what a document says of it."""
    blob = open_registry(layout).put(data)
    return {
        "kind": "asset",
        "rid": asset_rid(execution, asset, name),
        "asset": asset,
        "name": name,
        "digest": blob.digest,
        "md5": hashlib.md5(data).hexdigest(),
        "size": blob.size,
        "media_type": "application/octet-stream",
        "types": [asset],
        **facts,
    }


def feature_output(
    layout: Layout, target: str, feature: str, rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Put values into the registry and return what a document says of them."""
    blob = open_registry(layout).put(feature_lines(rows))
    return {
        "kind": "feature",
        "target": target,
        "feature": feature,
        "digest": blob.digest,
        "size": blob.size,
        "count": len(rows),
    }


def execution_rid(number: int) -> str:
    """Return the id of the execution of that number."""
    return signac_id(statepoint_of(number))


def statepoint_of(number: int) -> dict[str, Any]:
    """Return a state point as an execution's is."""
    return {"experiment_id": "E001", "execution": f"{number:016x}"}


def put_execution(
    layout: Layout,
    number: int,
    outputs: Sequence[dict[str, Any]],
    *,
    promote: bool = True,
    hour: int | None = None,
    **facts: Any,
) -> str:
    """Put an execution with these outputs into the run store and the ledger; return its id."""
    ended = f"2026-01-02T{number if hour is None else hour:02d}:00:00Z"
    document = {
        "aexp": {"experiment_id": "E001", "experiment_path": None, "hypothesis_id": None},
        "attempt_id": f"{number:032x}",
        "status": "complete",
        "ended_by": "exit",
        "started_at": START,
        "ended_at": ended,
        "outputs": list(outputs),
        "execution": {"publication": "uploaded", "published_at": ended},
        **facts,
    }
    RunStore(layout).create(statepoint_of(number), document)
    if promote:
        report = backfill(layout)
        assert not report.failed, report.failed
    return execution_rid(number)
