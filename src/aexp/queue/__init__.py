"""The queue: registered runs that wait for a worker, and the workers that run them.

There is no list of the queue beside the runs themselves: what waits is what has the status
``queued``, and a claim is the beginning of an attempt under the run's own lock (ADR 8).
"""

from __future__ import annotations

from aexp.queue.add import Added, Options, add_runs
from aexp.queue.records import Choice, Queued, read_queue
from aexp.queue.remove import remove_run, remove_runs
from aexp.queue.scripts import Materialized, materialize
from aexp.queue.stop import Stopped, stop_run
from aexp.queue.template import render
from aexp.queue.worker import Drained, Rules, drain, run_one

__all__ = [
    "Added",
    "Choice",
    "Drained",
    "Materialized",
    "Options",
    "Queued",
    "Rules",
    "Stopped",
    "add_runs",
    "drain",
    "materialize",
    "read_queue",
    "remove_run",
    "remove_runs",
    "render",
    "run_one",
    "stop_run",
]
