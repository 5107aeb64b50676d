"""``python -m aexp.sweep.backends.fork_server FD``: starts workers by forking (SWP-13).

Starting Python and importing aexp takes longer than many a point. This process does it once, and
each worker begins as a fork of it, with nothing of another point's in its memory. It runs
one worker at a time, for one thread of a driver, and has one thread itself, so that a fork is
whole; nothing of the user's is imported here. While a worker runs, the next one is forked, and
waits.

The driver asks through a socket: a length, then the worker's arguments, each ended by a zero byte.
The answers are a letter and a number: ``s`` and the process id of a worker that has started, ``e``
and how it has ended, ``x`` and the error number when it could not be started. When the driver ends,
the socket closes, and the worker is ended as well (trap 66).
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aexp import yaml
from aexp.errors import AexpError
from aexp.ledger.places import find_entry
from aexp.ledger.promote import project_run
from aexp.model.canonical import Json
from aexp.repo import open_layout
from aexp.runs.code_state import head_facts
from aexp.runs.create import plan_run
from aexp.runs.transition import environment_of
from aexp.sweep import worker
from aexp.sweep.backends.children import ANSWER, LENGTH, kill_group
from aexp.sweep.backends.supervise import GRACE_S
from aexp.sweep.manifest import read_header
from aexp.sweep.outcome import MANIFEST_FILE, POINTS_FILE
from aexp.sweep.points import Points
from aexp.workspace.store import RunRecord

LOOK_S: Final = 1.0
"""Seconds between two looks at whether the driver is still there; its socket tells that sooner."""
REHEARSE_S: Final = 0.5
"""Seconds for which what was learned of a sweep is good enough."""
UNFIT: Final = 3
"""The exit code of a server that may not fork: something has started a thread in it."""
_NEEDED: Final = (
    *("aexp.sweep.attempt", "aexp.sweep.outputs", "aexp.recording.current", "aexp.registry"),
    *("aexp.registry.refs", "aexp.registry.blobs", "aexp.registry.store", "aexp.registry.places"),
    *("aexp.registry.leases", "aexp.registry.projection", "aexp.recording.files"),
    *("aexp.recording.media_types", "aexp.storage.shared_lock", "aexp.workspace.locate"),
    *("ctypes", "glob", "shutil", "sqlite3", "tempfile", "traceback"),
)
"""What a point comes to import, as far as it is aexp's or Python's own."""


def main(arguments: Sequence[str]) -> int:
    """Serve until the driver is gone; return the exit code."""
    parent = os.getppid()
    with socket.socket(fileno=int(arguments[0])) as driver:
        driver.set_inheritable(False)
        prepare()
        if threads_here() != 1:
            return UNFIT
        server = _Server(driver, parent)
        while (request := server.next_request()) is not None:
            server.run(request)
        server.close()
    return 0


def prepare() -> None:
    """Import what points need, and let forks share it."""
    for name in _NEEDED:
        importlib.import_module(name)
    yaml.load("a: 1")  # some of it is imported when it is first used
    environment_of(None)  # the same for all points, and looked up once
    # A fork that looks for garbage copies every page that it looks at. A point of the user's
    # begins with it again.
    gc.collect()
    gc.freeze()
    gc.disable()


def threads_here() -> int:
    """Return how many threads this process has, those that Python does not know of included."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return threading.active_count()


def _words(body: bytes) -> list[str]:
    """Return the arguments that a request holds, each ended by a zero byte."""
    return [os.fsdecode(word) for word in body.split(b"\0")[:-1]]


class _Server:
    """What forks, one worker after the other.

    Args:
        driver: the socket.
        parent: the driver's process id.
    """

    def __init__(self, driver: socket.socket, parent: int) -> None:
        self._driver = driver
        self._parent = parent
        self._rehearsed: tuple[str, float] = ("", 0.0)
        self._spare: _Spare | None = None

    def next_request(self) -> list[str] | None:
        """Wait for the arguments of the next worker; None when the driver is gone."""
        while not select.select([self._driver], [], [], LOOK_S)[0]:
            if os.getppid() != self._parent:
                return None
        head = self._read(LENGTH.size)
        body = None if head is None else self._read(LENGTH.unpack(head)[0])
        return None if body is None else _words(body)

    def _read(self, size: int) -> bytes | None:
        data = b""
        with contextlib.suppress(OSError):
            while len(data) < size and (more := self._driver.recv(size - len(data))):
                data += more
        return data if len(data) == size else None

    def run(self, request: list[str]) -> None:
        """Run a worker to its end, and tell the driver of both."""
        try:
            pid = self._begin(request)
        except OSError as error:
            self._tell(b"x", error.errno or 0)
            return
        self._tell(b"s", pid)
        self._rehearse(request[0], request[3])
        with contextlib.suppress(OSError):  # if it lasts, the next request will hear of it
            self._spare = self._fork()
        self._wait(pid)
        kill_group(pid)  # before it is reaped: its number is nobody else's yet
        self._tell(b"e", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def close(self) -> None:
        """End the worker that was going to be the next."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.dismiss()

    def _begin(self, request: list[str]) -> int:
        """Give a request to a worker, and return its process id.

        It was forked while the one before it ran, if there was one: nobody waits for its start.

        Raises:
            OSError: there can be no new process.
        """
        spare, self._spare = self._spare, None
        if spare is not None and spare.give(request):
            return spare.pid
        self._rehearse(request[0], request[3])
        spare = self._fork()
        if not spare.give(request):
            raise ChildProcessError(errno.ECHILD, os.strerror(errno.ECHILD))
        return spare.pid

    def _fork(self) -> _Spare:
        server = os.getpid()
        reading, writing = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if pid == 0:
            os.close(writing)
            self._driver.close()
            os.setsid()  # as the driver gives to a worker that it spawns
            _be_worker(reading, server)
        os.close(reading)
        return _Spare(pid, writing)

    def _rehearse(self, folder: str, root: str) -> None:
        """Learn what is the same for many points: what is committed, what their experiment is.

        What others remember of that in this process, a fork remembers as well; where it has
        changed meanwhile, the fork looks for itself. Nothing is written here.
        """
        last, when = self._rehearsed
        now = time.monotonic()
        if folder == last and now - when < REHEARSE_S:
            return
        self._rehearsed = (folder, now)
        # The point will find out what is wrong, and say so.
        with contextlib.suppress(AexpError, OSError, IndexError):
            layout = open_layout(root)
            code = head_facts(layout)
            experiment = read_header(Path(folder, MANIFEST_FILE)).spec.get("experiment")
            with Points(Path(folder, POINTS_FILE)) as points:
                values = points[0].values
            run = plan_run(layout, experiment, values, include_commit=False, missing="allow")
            # As of a run that has ended, with what most of them have in common.
            document: dict[str, Json] = {
                **run.document,
                "status": "complete",
                "ended_by": "exit",
                "attempt_id": run.job_id[:16],
                "environment": environment_of(code),
                "sweep": {"sweep_id": run.job_id[:16]},
            }
            project_run(layout, RunRecord(run.job_id, run.statepoint, document, layout.workspace))
            find_entry(layout, run.job_id)

    def _tell(self, letter: bytes, number: int) -> None:
        with contextlib.suppress(OSError):  # the next look at the driver tells why
            self._driver.sendall(ANSWER.pack(letter, number))

    def _wait(self, pid: int) -> None:
        """Wait for the end of a worker; end it when the driver is gone."""
        fd = os.pidfd_open(pid)
        driver = self._driver.fileno()
        try:
            while fd not in (ready := select.select([fd, driver], [], [], LOOK_S)[0]):
                # The driver asks for nothing while a worker runs: this is the end of its socket.
                if ready or os.getppid() != self._parent:
                    os.kill(pid, signal.SIGTERM)
                    select.select([fd], [], [], GRACE_S)
                    kill_group(pid)
                    select.select([fd], [], [])
                    return
        finally:
            os.close(fd)


class _Spare:
    """A fork that waits for what it is to do.

    When its server ends, however that happens, its pipe does, and it ends as well.

    Args:
        pid: its process id.
        pipe: the end of its pipe to write to.
    """

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe = pipe

    def give(self, request: list[str]) -> bool:
        """Make it the worker of a request; return False when somebody has killed it."""
        try:
            with os.fdopen(self._pipe, "wb") as stream:
                stream.write(b"".join(os.fsencode(word) + b"\0" for word in request))
        except BrokenPipeError:
            os.waitpid(self.pid, 0)
            return False
        return True

    def dismiss(self) -> None:
        """End it."""
        os.close(self._pipe)
        os.waitpid(self.pid, 0)


def _be_worker(pipe: int, server: int) -> None:
    """Be the worker of what comes through a pipe, and end as a Python process of its own would."""
    code = 1
    try:
        with os.fdopen(pipe, "rb") as stream:
            request = _words(stream.read())
        if not request:
            raise SystemExit  # there is nothing more to do
        sys.argv = [str(worker.__file__), *request]
        code = worker.main(request, parent=server)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - it goes into the log, as Python itself would have it
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            # What Python does before it takes itself to pieces; that is left to the kernel.
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
