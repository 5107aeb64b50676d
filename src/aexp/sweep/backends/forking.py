"""Workers that are forked from a server with aexp in its memory, for local pools (SWP-13).

A server runs one worker at a time. A pool has as many as it has workers, so that a server that is
killed costs one point at most (trap 62). Where forking is not known to be safe, workers are
processes of their own, as with every other backend.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from aexp import settings
from aexp.sweep.backends.base import Task, worker_command
from aexp.sweep.backends.children import ANSWER, LENGTH, Child, kill_group, root_of, spawn
from aexp.sweep.backends.supervise import GRACE_S

_SERVER: Final = (sys.executable, "-m", "aexp.sweep.backends.fork_server")
_Key: TypeAlias = tuple[str, dict[str, str]]


def can_fork() -> bool:
    """Return whether workers may be forked: Linux, where an end is told by a descriptor."""
    if not sys.platform.startswith("linux") or not hasattr(signal, "pidfd_send_signal"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class ServerGoneError(Exception):
    """A server ended before it had started a worker."""


class Forked:
    """A worker that is a fork of a server.

    Args:
        driver: the socket of its server, which tells of its end.
        pid: its process id.
    """

    def __init__(self, driver: socket.socket, pid: int) -> None:
        self.returncode: int | None = None
        self._driver = driver
        self._pid = pid
        self._has_ended = False
        self.is_lost = False
        try:
            self._fd = os.pidfd_open(pid)
        except OSError:
            self._fd = -1  # it has ended already, and its server will say so

    def ended_within(self, seconds: float) -> bool:
        """Wait so long for its end; return whether it has ended."""
        if not self._has_ended and select.select([self._driver], [], [], seconds)[0]:
            self._hear()
        return self._has_ended

    def _hear(self) -> None:
        answer = _answer(self._driver)
        if answer is None:
            self._outlive_server()
        else:
            self.returncode = answer[1]
        self._has_ended = True
        self._close()

    def _outlive_server(self) -> None:
        """End it: somebody has killed its server, at which it was told to end, too."""
        self.is_lost = True
        if self._fd >= 0:
            select.select([self._fd], [], [], GRACE_S)
            self.kill_group()
            self._signal(signal.SIGKILL)
            select.select([self._fd], [], [])

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, and wait for that."""
        self._signal(signal.SIGKILL)
        while not self.ended_within(GRACE_S):
            pass

    def kill_group(self) -> None:
        """Kill what it has left behind, unless its server has."""
        if not self._has_ended:
            kill_group(self._pid)

    def _signal(self, number: int) -> None:
        if self._fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class _Server:
    """A server, for one worker at a time.

    Args:
        root: the working directory of its workers.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._driver, theirs = socket.socketpair()
        self._worker: Forked | None = None
        self.is_gone = False
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*_SERVER, str(theirs.fileno())],
                    cwd=root,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError:
                self._driver.close()
                raise

    def start(self, task: Task) -> Forked:
        """Start the worker of a task.

        Raises:
            ServerGoneError: there is no server any more, or it may not fork.
            OSError: the worker cannot be started.
        """
        words = worker_command(replace(task, root=self._root))[3:]
        body = b"".join(os.fsencode(word) + b"\0" for word in words)
        with contextlib.suppress(OSError):
            self._driver.sendall(LENGTH.pack(len(body)) + body)
        answer = _answer(self._driver)
        if answer is None:
            self.is_gone = True
            raise ServerGoneError
        letter, number = answer
        if letter == b"x":
            raise OSError(number, os.strerror(number))
        self._worker = Forked(self._driver, number)
        return self._worker

    @property
    def is_unfit(self) -> bool:
        """Whether it has ended before it could start any worker."""
        return self.is_gone and self._worker is None

    @property
    def is_free(self) -> bool:
        """Whether it can start the next worker."""
        worker = self._worker
        return not self.is_gone and (
            worker is None or (worker.ended_within(0.0) and not worker.is_lost)
        )

    def close(self) -> None:
        """End it, and wait for that; a worker that still runs is ended with it."""
        self._driver.close()
        try:
            self._process.wait(2 * GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _answer(driver: socket.socket) -> tuple[bytes, int] | None:
    """Return what a server says next; None when it is gone."""
    data = b""
    with contextlib.suppress(OSError):
        data = driver.recv(ANSWER.size, socket.MSG_WAITALL)
    return ANSWER.unpack(data) if len(data) == ANSWER.size else None


class Forkery:
    """The servers of a pool, started as they are needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[_Key, _Server]] = []
        self._can_fork = can_fork()

    @contextmanager
    def starter(self, task: Task) -> Iterator[Callable[[Task], Child]]:
        """Give what starts the worker of a task: a server that is nobody else's in the block.

        A server was started in one environment and one folder: another one gets a new server.
        """
        key = (root_of(task), settings.child_environment({}))
        server = self._take(key) if self._can_fork else None
        if server is None:
            yield spawn
            return
        try:
            yield partial(_start, server)
        finally:
            if server.is_unfit:
                self._can_fork = False  # and the next one would be as unfit
            if server.is_free:
                with self._lock:
                    self._idle.append((key, server))
            else:
                server.close()

    def _take(self, key: _Key) -> _Server | None:
        with self._lock:
            known, server = self._idle.pop() if self._idle else (key, None)
        if server is not None and known == key:
            return server
        if server is not None:
            server.close()
        try:
            return _Server(key[0])
        except OSError:
            return None  # nor will another process start, and that says why

    def close(self) -> None:
        """End the servers; all workers have ended."""
        with self._lock:
            servers, self._idle = self._idle, []
        for _, server in servers:
            server.close()


def _start(server: _Server, task: Task) -> Child:
    try:
        return server.start(task)
    except ServerGoneError:
        return spawn(task)
