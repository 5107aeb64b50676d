"""One attempt of a point inside its worker: the run, the work, and what is said of it (SWP-02).

The run's own document is the truth of how it ended; the outcome repeats it for the driver.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from aexp import settings
from aexp.clock import utc_now
from aexp.errors import AexpError, RunBusyError, SweepConfigError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json
from aexp.model.sweep import Point, fill
from aexp.model.times import format_time
from aexp.process import deferred_signals
from aexp.repo import Layout, open_layout
from aexp.runs.closing import log_file
from aexp.runs.code_state import Asked, CodeState
from aexp.runs.create import create
from aexp.runs.lifecycle import how_it_ended, lifecycle
from aexp.runs.transition import begin_attempt, change_status, environment_of
from aexp.runs.wrap import run_as_owner
from aexp.storage.ticker import ticker
from aexp.sweep.manifest import Header, read_header
from aexp.sweep.outcome import (
    MANIFEST_FILE,
    POINTS_FILE,
    Ending,
    Outcome,
    Problem,
    log_name,
    out_folder,
    publish,
)
from aexp.sweep.outputs import clear_outputs, keep_outputs, outputs_of, restore_outputs
from aexp.sweep.point import SkipPoint
from aexp.sweep.points import Points
from aexp.workspace.active import ActiveAttempt, activate
from aexp.workspace.store import RunRecord, RunStore

PATIENCE_S: Final = 20.0
"""How long to wait for a run whose earlier worker is still ending (its driver was killed)."""

_ENDINGS: Final[Mapping[str, Ending]] = {
    "complete": "ok",
    "failed": "failed",
    "stopped": "stopped",
    "abandoned": "skipped",
}


@dataclass(frozen=True)
class Assignment:
    """What a worker is to do.

    Attributes:
        folder: the sweep's folder.
        run_id: the point.
        attempt: which attempt, from 1.
        root: any folder of the repository.
        again: run it although its run is complete: its outputs are gone.
    """

    folder: Path
    run_id: int
    attempt: int
    root: Path
    again: bool = False


@dataclass
class _Work:
    """A point's run while the worker deals with it."""

    task: Assignment
    layout: Layout
    header: Header
    point: Point
    code: CodeState
    store: RunStore
    job_id: str
    sweep: dict[str, Json] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return out_folder(self.task.folder, self.task.run_id)


def run_attempt(
    task: Assignment, tail: Callable[[], str], look: Callable[[list[float]], None]
) -> int:
    """Run one attempt and publish its outcome; return 0 when it is ok.

    Args:
        task: what to do.
        tail: gives the end of what was written to standard error.
        look: looks every second whether the parent is still there.
    """
    started, began = utc_now(), time.monotonic()
    ticker.add(1.0, partial(look, []))
    work: _Work | None = None
    status: Ending = "failed"
    problem: Problem | None = None
    record: RunRecord | None = None
    try:
        work = _prepare(task)
        record = _do(work)
    except BaseException as error:  # noqa: BLE001  (it goes into the outcome, and into the log)
        status, problem = _judged(error)
        if status == "failed" and not isinstance(error, SystemExit):
            traceback.print_exc()
        record = _record(work)
    with deferred_signals():
        if record is not None and record.status in _ENDINGS:
            status, problem = _ENDINGS[record.status], _problem_of(record) or problem
        listed = (record.document.get("attachments") or ()) if record is not None else ()
        publish(
            task.folder,
            Outcome(
                run_id=task.run_id,
                attempt=task.attempt,
                status=status,
                job_id=work.job_id if work is not None else None,
                output_paths=outputs_of(map(Attachment.from_json, listed), task.run_id),
                started_at=format_time(started),
                ended_at=format_time(utc_now()),
                duration_s=round(time.monotonic() - began, 6),
                stderr=tail() if status != "ok" else "",
                log_path=log_name(task.run_id, task.attempt),
                error=problem if status != "ok" else None,
            ),
        )
    return 0 if status == "ok" else 1


def _prepare(task: Assignment) -> _Work:
    layout = open_layout(task.root)
    asked = Asked(layout)  # git looks at the files while the plan is read
    try:
        header = read_header(task.folder / MANIFEST_FILE)
        with Points(task.folder / POINTS_FILE) as points:
            point = points[task.run_id]
        os.chdir(layout.root / header.base)
        made = create(
            layout,
            header.spec.get("experiment"),
            point.values,
            resolve=False,  # the values are those of the plan
            missing="allow",
            code=asked.answer,
            durable=False,
        )
        code = asked.answer()
    finally:
        asked.stop()
    mark: dict[str, Json] = {
        "sweep_id": header.sweep_id,
        "run_id": task.run_id,
        "attempt": task.attempt,
    }
    return _Work(task, layout, header, point, code, RunStore(layout), made.job_id, mark)


def _do(work: _Work) -> RunRecord:
    """Run the point unless its run is complete, and return the run."""
    record = work.store.read_sound(work.job_id)
    if record.status == "complete" and not work.task.again:
        listed = map(Attachment.from_json, record.document.get("attachments") or ())
        restore_outputs(work.layout, work.task.folder, outputs_of(listed, work.task.run_id))
        return record
    spec = work.header.spec
    _patiently(work)
    if spec.get("callable"):
        _call(work, str(spec["callable"]))
    elif spec.get("command"):
        _run(work, str(spec["command"]))
    else:
        raise SweepConfigError("the sweep has neither a command nor a callable")
    return work.store.read_sound(work.job_id)


def _patiently(work: _Work) -> None:
    """Wait for the end of an earlier worker of this point, whose driver was killed."""
    from aexp.model.owner import Liveness
    from aexp.runs.transition import owner_state

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        record = work.store.read_sound(work.job_id)
        if record.status != "running" or owner_state(work.store, record)[0] is Liveness.DEAD:
            return
        time.sleep(0.1)
    raise RunBusyError(f"run {work.job_id} is running in another process")


def _run(work: _Work, template: str) -> None:
    command = command_of(work, template)
    attempt_id = begin_attempt(
        work.store,
        work.job_id,
        again=work.task.again,
        environment=environment_of(work.code, command),
        sweep=work.sweep,
    )
    folder = work.store.folder(work.job_id)
    attempt = ActiveAttempt(work.job_id, attempt_id, folder)
    clear_outputs(work.task.folder, work.task.run_id)
    with activate(attempt):
        run_as_owner(
            work.store,
            work.job_id,
            attempt_id,
            command,
            log_file(folder, attempt_id),
            environ={settings.SWEEP_OUT: str(work.out)},
            attempt=attempt,
            on_success=lambda: keep_outputs(attempt, work.task.folder, work.task.run_id),
        )


def command_of(work: _Work, template: str) -> list[str]:
    """Return the command of a point: the template's words, each with its values filled in.

    A value never becomes more than one word, whatever it holds.
    """
    known: dict[str, str] = {
        "run_id": str(work.task.run_id),
        "job_id": work.job_id,
        "point_id": work.point.point_id,
        "attempt": str(work.task.attempt),
        # Relative: the command is recorded with the run, and may hold nothing of this machine.
        "out": os.path.relpath(work.out),
    }

    def text(name: str) -> str:
        value = _value(work.point.values, name)
        return known[name] if value is None and name in known else _text(value)

    return [fill(word, text) for word in shlex.split(template)]


def _value(values: Mapping[str, Json], name: str) -> Json:
    """Return the value of a name, whose dots nest."""
    here: Json = values
    for part in name.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _call(work: _Work, name: str) -> None:
    settings.announce_sweep_out(str(work.out))
    task = work.task
    with lifecycle(work.store, work.job_id, again=task.again, sweep=work.sweep) as attempt:
        clear_outputs(task.folder, task.run_id)
        gc.enable()  # what comes now may run for long; a fork of a server begins without
        try:
            _log_result(attempt, _function(work, name)(**work.point.values))
        except SkipPoint as skip:
            change_status(
                work.store,
                work.job_id,
                "abandoned",
                ended_by="operator",
                error={"type": "SkipPoint", "message": str(skip)},
                attempt_id=attempt.attempt_id,
            )
            return
        except SystemExit as end:
            if end.code not in (None, 0):
                raise
        keep_outputs(attempt, task.folder, task.run_id)


def _function(work: _Work, name: str) -> Callable[..., Any]:
    for folder in (work.layout.root, Path.cwd()):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    module, _, function = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in function.split("."):
        found = getattr(found, part)
    called: Callable[..., Any] = found
    return called


def _log_result(attempt: ActiveAttempt, result: object) -> None:
    """Record the numbers that a callable returns by name as metrics of its run."""
    if not isinstance(result, Mapping):
        return
    from aexp.recording.current import ActiveRun

    run = ActiveRun(attempt)
    for name, value in result.items():
        if isinstance(value, int | float) or hasattr(value, "item"):
            run.log_metric(str(name), value)  # numpy's scalars too


def _judged(error: BaseException) -> tuple[Ending, Problem | None]:
    """Return how a point ended whose run does not say so."""
    status, _, described = how_it_ended(error)
    message = error.message if isinstance(error, AexpError) else str(error)
    problem = None if described is None else Problem(described["type"], message)
    return ("stopped" if status == "stopped" else "failed"), problem


def _record(work: _Work | None) -> RunRecord | None:
    """Return the run when this worker's attempt of it has ended."""
    if work is None:
        return None
    try:
        record = work.store.read_sound(work.job_id)
    except AexpError:
        return None
    return record if record.document.get("sweep") == work.sweep else None


def _problem_of(record: RunRecord) -> Problem | None:
    told = record.document.get("error")
    if not isinstance(told, Mapping):
        return None
    return Problem(str(told.get("type", "")), str(told.get("message", "")))
