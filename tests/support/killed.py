"""Run a program that is killed, as by ``kill -9``, at the k-th step that changes the disk.

As a module this is the runner in the child: ``python -m tests.support.killed``. The functions
below start it. A *step* is one call that :mod:`tests.support.os_calls` sees; each gives the
points ``before`` and ``after``, and a write of more than one byte also ``torn``: half of it is on
the disk. Points are numbered from 0 in the order in which the program reaches them.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.machines import Completed, checkout_environ, run_command
from tests.support.os_calls import OsCall, watch_os_calls

NEVER = -1


@dataclass(frozen=True, slots=True)
class KillPoint:
    """A moment at which the program can be killed."""

    number: int
    phase: str
    step: str

    def __str__(self) -> str:
        return f"{self.number}: {self.phase} {self.step}"


def kill_points(
    args: Sequence[str],
    *,
    cwd: Path,
    under: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> list[KillPoint]:
    """Run a program to its end and return the points at which it could have been killed.

    Args:
        args: ``["aexp", "ledger", "backfill"]``, ``["script.py", …]`` or ``["-c", "code"]``.
        cwd: where it runs.
        under: only steps below this folder count; ``cwd`` when None.
        env: variables on top of the sealed environment.

    Raises:
        AssertionError: the program did not exit 0.
    """
    done, points = _run(args, NEVER, cwd, under, env)
    done.require()
    return points


def run_killed_at(
    number: int,
    args: Sequence[str],
    *,
    cwd: Path,
    under: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> KillPoint | None:
    """Run a program and kill it at point ``number``.

    Returns:
        the point, or None when the program ended (with exit code 0) before it got there.

    Raises:
        AssertionError: the program ended in another way.
    """
    done, points = _run(args, number, cwd, under, env)
    if done.returncode == -signal.SIGKILL:
        return points[-1]
    done.require()
    return None


def kill_everywhere(
    args: Sequence[str],
    make_place: Callable[[int], Path],
    *,
    under: Callable[[Path], Path] = lambda place: place,
    env: Mapping[str, str] | None = None,
    phases: Sequence[str] = ("before", "torn", "after"),
) -> Iterator[tuple[KillPoint, Path]]:
    """Kill a program at each of its points in turn, each time in a fresh place.

    Args:
        make_place: given a number, returns a new folder in which the program can run.
        under: given that folder, returns the one whose steps count.
        phases: the phases to visit. What ``after`` one step and ``before`` the next leave on the
            disk differs only when something else ran in between, such as a wrapped command.

    Yields:
        the point and the place as the dead program left it.
    """
    first = make_place(0)
    points = kill_points(args, cwd=first, under=under(first), env=env)
    for point in points:
        if point.phase not in phases:
            continue
        place = make_place(point.number + 1)
        killed = run_killed_at(point.number, args, cwd=place, under=under(place), env=env)
        if killed is None:
            raise AssertionError(f"the program is not the same each time: no {point}")
        yield killed, place


def _run(
    args: Sequence[str],
    number: int,
    cwd: Path,
    under: Path | None,
    env: Mapping[str, str] | None,
) -> tuple[Completed, list[KillPoint]]:
    log = Path(os.environ["HOME"]) / f"kill-points-{os.getpid()}.log"
    log.unlink(missing_ok=True)
    done = run_command(
        [
            *(sys.executable, "-m", "tests.support.killed"),
            *(str(log), str(number), str(under or cwd), *args),
        ],
        cwd=cwd,
        check=False,
        env={**checkout_environ(), **(env or {})},
    )
    lines = log.read_text("utf-8", "surrogateescape").split("\0")[:-1] if log.exists() else []
    points = [KillPoint(i, *line.split("\t", 1)) for i, line in enumerate(lines)]
    return done, points


class _Killer:
    """The watcher in the child."""

    def __init__(self, log: int, number: int, write: Callable[[int, bytes], int]) -> None:
        self._log = log
        self._number = number
        self._write = write
        self._reached = 0
        self._torn: OsCall | None = None

    def before(self, call: OsCall) -> int | None:
        self._point("before", call)
        if call.name == "write" and call.size > 1:
            if self._reached == self._number:
                self._torn = call
                return call.size // 2
            self._point("torn", call)
        return None

    def after(self, call: OsCall) -> None:
        if self._torn is not None:
            self._point("torn", call)
        self._point("after", call)

    def _point(self, phase: str, call: OsCall) -> None:
        self._write(self._log, os.fsencode(f"{phase}\t{call}\0"))
        if self._reached == self._number:
            os.kill(os.getpid(), signal.SIGKILL)
        self._reached += 1


def _main(log: str, number: str, under: str, *program: str) -> None:
    real_write = os.write
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    killer = _Killer(fd, int(number), real_write)
    sys.argv = list(program)
    with watch_os_calls(killer, Path(under)):
        if program[0] == "aexp":
            from aexp.cli import main

            main(list(program[1:]))
        elif program[0] == "-c":
            exec(compile(program[1], "<program>", "exec"), {"__name__": "__main__"})
        else:
            sys.path.insert(0, os.path.dirname(os.path.abspath(program[0])))
            runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    _main(*sys.argv[1:])
