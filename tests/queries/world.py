"""Ledger entries of any content, written as aexp writes them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aexp.model.canonical import signac_id
from aexp.model.entry import Parts, encode_entry, order_attempts, put_together
from aexp.repo import open_layout
from aexp.workspace.store import RunStore
from tests.support.machines import Machine

END = "2026-11-21T12:00:00Z"


def attempt(number: int = 0, **facts: Any) -> dict[str, Any]:
    """Return an attempt: complete, on the cluster; numbers given as metrics become summaries."""
    metrics = {
        name: value if isinstance(value, dict) else {"value": value, "count": 1}
        for name, value in facts.pop("metrics", {}).items()
    }
    return {
        "attempt_id": f"attempt-{number}",
        "status": "complete",
        "ended_by": "exit",
        "started_at": f"2026-11-21T10:0{number}:00Z",
        "ended_at": END,
        "wallclock_s": 60.0,
        "promoted_at": END,
        "registered_machine": "cluster",
        **({"metrics": metrics} if metrics else {}),
        **facts,
    }


def entry(
    machine: Machine,
    point: Mapping[str, Any],
    *attempts: dict[str, Any],
    experiment: str = "E001",
    **facts: Any,
) -> str:
    """Write one entry to the ledger and return the run's id.

    Args:
        point: the state point without its experiment.
        attempts: of the run; without any, one made of ``facts``.
    """
    statepoint = {"experiment_id": experiment, **point}
    job_id = signac_id(statepoint)
    parts = Parts(
        identity={"schema_version": 1, "job_id": job_id, "statepoint": statepoint},
        identity_redacted=(),
        link={"experiment_id": experiment, "hypothesis_id": "H007"},
        attempts=order_attempts(attempts or [attempt(**facts)]),
        retracted=None,
    )
    path = machine / f".aexp/ledger/{job_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_entry(put_together(parts)))
    return job_id


def local(machine: Machine, point: Mapping[str, Any], **document: Any) -> str:
    """Put a run into the run store and return its id."""
    statepoint = {"experiment_id": "E001", **point}
    facts = {"aexp": {"experiment_id": "E001"}, "status": "running", **document}
    RunStore(open_layout(machine.path)).create(statepoint, facts)
    return signac_id(statepoint)


def rows(machine: Machine, *args: str, warned: str | None = "") -> list[dict[str, Any]]:
    """Return what ``ledger query --format json`` says; ``warned`` is what it says on stderr."""
    done = machine.aexp_fast("ledger", "query", "--format", "json", *args)
    if warned is not None:
        assert done.stderr == warned
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def column(machine: Machine, name: str, *args: str) -> list[Any]:
    """Return one column of what is found."""
    return [row[name] for row in rows(machine, "--columns", name, *args)]


def csv_rows(text: str) -> list[list[str]]:
    """Return the cells of a CSV text, header included."""
    return list(csv.reader(io.StringIO(text, newline="")))


def cells(line: str) -> Sequence[str]:
    """Return the cells of a line of a Markdown table, unescaped, as GitHub reads it."""
    found, cell, escaped = [], "", False
    for char in line.strip()[1:]:
        if escaped or char not in "\\|":
            cell += char
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            found.append(cell.strip())
            cell = ""
    return found
