"""A small sweep whose points do as they are told, for tests of what executes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from aexp.repo import open_layout
from aexp.sweep.backends.base import Pool, Task
from aexp.sweep.outcome import Outcome
from tests.support.machines import Machine
from tests.sweep.planned import make_sweep

WORK = """\
import os, signal, sys, time
do, number = sys.argv[1:3]
open(f"begun-{number}", "a").write(f"{os.getpid()} {os.getppid()}\\n")
if do == "fail":
    sys.exit("it does not converge")
if do == "die":
    os.kill(os.getppid(), signal.SIGKILL)
if do in ("die", "hang") or (do == "once" and not os.environ.get("SLURM_RESTART_COUNT")):
    time.sleep(120)
if do == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(120)
print("done", number)
"""
TIMEOUT_S = 60


def plan(repo: Machine, *doings: str) -> Any:
    """Write a sweep of one point for each word: ok, fail, die (its worker), hang, once, deaf."""
    repo.write("work.py", WORK)
    repo.write(".gitignore", repo.read(".gitignore") + "begun-*\n")
    repo.commit_all("Work")
    rows = [{"do": do, "n": n} for n, do in enumerate(doings)]
    return make_sweep(open_layout(repo), rows, command="python3 work.py {do} {n}")


def task_of(sweep: Any, run_id: int, **facts: Any) -> Task:
    """Return the first attempt of a point."""
    return Task(sweep.folder, run_id, 1, root=sweep.layout.root, **facts)


def submit_all(pool: Pool, sweep: Any, **facts: Any) -> list[Future[Outcome]]:
    """Submit every point of a sweep."""
    return [pool.submit(task_of(sweep, run_id, **facts)) for run_id in range(len(sweep.rows))]


def outcomes(futures: Sequence[Future[Outcome]]) -> list[Outcome]:
    """Wait for all."""
    return [future.result(TIMEOUT_S) for future in futures]


def told(outcome: Outcome) -> tuple[str, str]:
    """Return status and the kind of problem."""
    return outcome.status, outcome.error.type if outcome.error is not None else ""


def begun(sweep: Any, run_id: int) -> list[tuple[int, int]]:
    """Return the processes that began a point, and their workers."""
    path: Path = sweep.layout.root / f"begun-{run_id}"
    if not path.exists():
        return []
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(int(line[0]), int(line[1])) for line in lines if len(line) == 2]


def has_begun(sweep: Any, run_id: int, times: int = 1) -> Callable[[], bool]:
    """Return a question for ``wait_until``."""
    return lambda: len(begun(sweep, run_id)) >= times


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX" and _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def all_gone(sweep: Any, run_id: int) -> bool:
    """Return whether nothing of a point runs any more."""
    return not any(is_alive(pid) for pair in begun(sweep, run_id) for pid in pair)
