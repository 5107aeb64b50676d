"""A sweep whose points wait where a test wants them to, in a real repository.

Its points are drawn, each writes a table and a metric, and each says when it began and when it was
done: so that a test can tell what ran twice, and that the end is what it would have been anyway.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from aexp.sweep import Manifest, Sweep
from aexp.sweep.backends.base import Pool
from aexp.sweep.spec import spec_from
from tests.support.machines import Machine

WORK = """\
import errno, os, time
from pathlib import Path
import aexp
from aexp.sweep import SkipPoint, output_folder

HERE = Path(__file__).parent

def told(name):
    try:
        return (HERE / name).read_text().split()
    except FileNotFoundError:
        return []

def point(n, lr, **more):
    with open(HERE / f"begun-{n}", "a") as stream:
        stream.write(f"{os.getpid()}\\n")
    while str(n) in told("hold"):
        time.sleep(0.01)
    if str(n) in told("break"):
        raise OSError(errno.ENOSPC, "No space left on device")
    if str(n) in told("skip"):
        raise SkipPoint("not worth it")
    run = aexp.current_run()
    run.log_metric("loss", lr * 2)
    (output_folder() / "t.csv").write_text(f"step,value\\n0,{lr!r}\\n1,{lr * n!r}\\n")
    with open(HERE / f"done-{n}", "a") as stream:
        stream.write(run.job_id + "\\n")
"""
COMMAND = """\
import sys
sys.path.insert(0, ".")
from work import point
point(int(sys.argv[1]), float(sys.argv[2]))
"""
COUNT = 5
SEED = 11
DEADLINE_S = 60.0


def spec(*, command: bool = False, workers: int = 2) -> dict[str, Any]:
    """Return a sweep of :data:`COUNT` points, drawn with a seed."""
    lr = {"monte_carlo": {"n": 1, "parameters": {"lr": {"loguniform": [1e-4, 0.1]}}}}
    numbers = {"grid": {"n": list(range(COUNT))}}
    work: dict[str, Any] = {"callable": "work:point"}
    if command:
        work = {"command": f"{shlex.quote(sys.executable)} command.py {{n}} {{lr}}"}
    return {
        "script": "work.py",
        "parameters": {"product": [numbers, lr]},
        "fixed": {"data": "digits"} if not command else {},
        "outputs": {"table": "t.csv"},
        "backend": {"kind": "local", "workers": workers},
        **work,
    }


def make(repo: Machine) -> Machine:
    """Put the work into a repository, and commit it."""
    repo.write("work.py", WORK)
    repo.write("command.py", COMMAND)
    with (repo / ".gitignore").open("a") as stream:
        stream.write("begun-*\ndone-*\nhold*\nbreak*\nskip*\n")
    repo.commit_all("Work")
    return repo


def hold(repo: Machine, *numbers: int, name: str = "hold") -> None:
    """Name the points that wait, or that break or skip."""
    temp = repo / f"{name}.new"
    temp.write_text(" ".join(map(str, numbers)))
    temp.replace(repo / name)


def begun(repo: Machine, n: int) -> list[int]:
    """Return the processes that began point ``n``."""
    return [int(line) for line in _lines(repo / f"begun-{n}")]


def done(repo: Machine, n: int) -> list[str]:
    """Return the runs in which point ``n`` came to its end."""
    return _lines(repo / f"done-{n}")


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(question: Callable[[], object], what: str) -> None:
    """Wait until ``question`` is answered with something true."""
    deadline = time.monotonic() + DEADLINE_S
    while not question():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@contextmanager
def driver(repo: Machine, code: str) -> Iterator[subprocess.Popen[str]]:
    """Start a driver in a process of its own; it is ended with the block, come what may."""
    program = f"import tests.sweep.held as held\nfrom aexp.sweep import Sweep\n{code}\n"
    path = os.pathsep.join(p for p in (str(Path(__file__).parents[2]), _path()) if p)
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=repo.path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def _path() -> str:
    return os.environ.get("PYTHONPATH", "")


RUN = "Sweep(held.spec(), out='sweep', seed=held.SEED).run()"
RESUME = "Sweep.from_manifest('sweep').resume()"


def held_at(repo: Machine, *numbers: int) -> None:
    """Wait until these points have begun, and all before them are in the manifest."""
    for n in numbers:
        wait_for(lambda n=n: begun(repo, n), f"point {n} to begin")  # type: ignore[misc]
    wait_for(lambda: _recorded(repo) >= min(numbers), "the points before to be recorded")


def _recorded(repo: Machine) -> int:
    path = repo / "sweep/manifest.jsonl"
    return len(Manifest.load(path)) if path.exists() else 0


def stop(child: subprocess.Popen[str], number: int) -> int:
    """Send a signal to a driver and wait for its end."""
    child.send_signal(number)
    return child.wait(DEADLINE_S)


def all_workers_gone(repo: Machine) -> None:
    """Wait until no process that ever began a point is left."""
    pids = [pid for n in range(COUNT) for pid in begun(repo, n)]
    wait_for(lambda: all(map(is_gone, pids)), "the workers to end")


def new_sweep(repo: Machine, *, backend: Pool | None = None, **facts: Any) -> Sweep:
    """Return a sweep that is not planned yet."""
    planned = spec_from(spec(**facts), folder=repo.path)
    return Sweep(planned, out=repo / "sweep", repo_root=repo, seed=SEED, backend=backend)


def resumed(repo: Machine, folder: str = "sweep", **options: Any) -> Sweep:
    """Resume the sweep in this process."""
    return Sweep.from_manifest(repo / folder / "manifest.jsonl").resume(**options)


def table(sweep: Sweep) -> pd.DataFrame:
    """Return the table with outputs, and the metrics beside it."""
    frame = sweep.to_dataframe()
    metrics = sweep.to_dataframe(metrics=True)
    return frame.join(metrics[["loss"]], on="run_id")


def assert_as_undisturbed(sweep: Sweep, expected: pd.DataFrame) -> None:
    """Check that a sweep gave what it would have given anyway, bit by bit, and nothing twice."""
    found = table(sweep)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for name in found.select_dtypes("number"):
        assert found[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
    loaded = Manifest.load(sweep.folder)
    assert [e.status for e in loaded.entries] == ["ok"] * COUNT
    assert loaded.find_failed() == [] and loaded.find_missing(range(COUNT)) == []
    lines = (sweep.folder / "manifest.jsonl").read_bytes().splitlines()
    assert len(set(lines)) == len(lines)
