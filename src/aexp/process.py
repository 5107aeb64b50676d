"""Processes: who am I, is that one alive, start a command and stay with it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from msgspec import Struct

from aexp import settings
from aexp.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    StorageError,
)
from aexp.model.owner import Liveness, Owner

FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT")
    if hasattr(signal, name)
)
FROM_TERMINAL = tuple(getattr(signal, n) for n in ("SIGINT", "SIGQUIT") if hasattr(signal, n))
_HAS_PROC = Path("/proc/self/stat").exists()
UNBUFFERED = "PYTHONUNBUFFERED"
_SET_PARENT_DEATH_SIGNAL = 1
GRACE_S = 2.0
"""How long to wait for output after the command has ended."""


def this_process() -> Owner:
    """Return the owner record of the calling process."""
    return describe_process(os.getpid())


def describe_process(pid: int) -> Owner:
    """Return the owner record of a process of this machine."""
    scheduler = settings.scheduler_environment()
    return Owner(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid=pid,
        pid_namespace=_pid_namespace(os.getpid()),
        start_time=_own_start_time(pid) if pid == os.getpid() else process_start_time(pid),
        scheduler_job=scheduler.job_id,
        scheduler_restart=scheduler.restart_count,
        scheduler_cluster=scheduler.cluster,
    )


def liveness(owner: Owner) -> Liveness:
    """Tell whether ``owner`` still runs, as far as this machine can know.

    Only a process of this host, this boot and this pid namespace can be judged; anything else is
    UNKNOWN and is for the heartbeat to decide. A host name that is the same with another boot id
    is UNKNOWN too: it may be a reboot, or two machines of one name. So is a process that exists
    but hides when it started.
    """
    here = this_process()
    if (owner.host, owner.boot_id, owner.pid_namespace) != (
        here.host,
        here.boot_id,
        here.pid_namespace,
    ):
        return Liveness.UNKNOWN
    started = process_start_time(owner.pid)
    if started and owner.start_time:
        return Liveness.ALIVE if started == owner.start_time else Liveness.DEAD
    if started or _may_exist(owner.pid):
        return Liveness.UNKNOWN
    return Liveness.DEAD


def process_start_time(pid: int) -> str:
    """Return when process ``pid`` started, as opaque text; empty when it cannot be known.

    A zombie (ended, not yet reaped) counts as gone.
    """
    if _HAS_PROC:
        fields = _stat_fields(pid)
        return "" if len(fields) < 20 or fields[0] in "ZX" else fields[19]
    shown = _ps(pid)
    return "" if shown.startswith("Z") else shown.partition(" ")[2].strip()


def _may_exist(pid: int) -> bool:
    """Tell whether ``pid`` may be a live process whose start time is hidden from us.

    Some clusters hide the ``/proc`` entries of other users (``hidepid``); signal 0 still says
    whether such a process exists.
    """
    if pid <= 0 or sys.platform == "win32":
        return pid > 0
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    state = _stat_fields(pid)[:1] if _HAS_PROC else [_ps(pid)[:1]]
    return state not in (["Z"], ["X"])


def _stat_fields(pid: int) -> list[str]:
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _ps(pid: int) -> str:
    """Return the state and start time of ``pid`` as ``ps`` shows them, alike in every locale."""
    try:
        done = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
            env=settings.child_environment({"LC_ALL": "C", "TZ": "UTC"}),
        )
    except OSError:
        return ""
    return done.stdout.strip()


@cache
def _boot_id() -> str:
    return _read(Path("/proc/sys/kernel/random/boot_id"))


@lru_cache(maxsize=1)
def _own_start_time(pid: int) -> str:
    """Return when this process started; it never changes, but after a fork it is another."""
    return process_start_time(pid)


@lru_cache(maxsize=1)
def _pid_namespace(pid: int) -> str:
    """Return the namespace of this process, whose id is ``pid``."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


class CommandOutcome(Struct, frozen=True):
    """How a wrapped command ended.

    Attributes:
        returncode: its exit code; negative is the number of the signal that killed it.
        forwarded: the last signal that was passed on to it, or None.
        log_error: why the log could not be kept to the end, or None.
    """

    returncode: int
    forwarded: int | None
    log_error: str | None


def run_command(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    cwd: Path | None = None,
    on_start: Callable[[int], None] | None = None,
    own_group: bool = False,
) -> CommandOutcome:
    """Run ``command``, streaming its output live and keeping it in ``log`` (RUN-05).

    The child shares this process's standard input. Standard output and error are passed through
    byte by byte as they come, each to its own stream, and both are appended to ``log``. Signals
    that reach this process are passed on to the child and do not end this process. A full disk
    stops the log, not the command. When ``on_start`` raises, the child is killed.

    Args:
        command: program and arguments.
        environ: variables to add to the environment.
        log: the file to write.
        cwd: the child's working directory.
        on_start: called with the child's process id.
        own_group: start the child as the leader of a process group of its own, without standard
            input; signals go to the whole group, and on Linux the child ends with this process.

    Raises:
        NotFoundError: there is no such program, or it may not be executed.
        StorageError: the log cannot be created.
    """
    sink = _LogSink(log)
    try:
        # Before the child starts, so that no signal falls between the two.
        with _ForwardSignals(own_group) as signals:
            child = _start(command, environ, cwd, own_group)
            try:
                signals.attach(child)
                if on_start is not None:
                    on_start(child.pid)
            except BaseException:
                _give_up(child, own_group)
                raise
            _stream(child, sink)
    finally:
        sink.close()
    return CommandOutcome(child.returncode, signals.last, sink.error)


def _start(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path | None, own_group: bool
) -> subprocess.Popen[bytes]:
    # A Python child with a pipe for its output would keep what it prints for itself.
    live = {} if settings.is_set(UNBUFFERED) else {UNBUFFERED: "1"}
    try:
        return subprocess.Popen(
            list(command),
            env=settings.child_environment({**live, **environ}),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL if own_group else None,
            process_group=0 if own_group else None,
            preexec_fn=dying_with_parent(signal.SIGKILL) if own_group else None,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hints = {
            errno.ENOEXEC: "a script needs a first line such as #!/bin/sh",
            errno.E2BIG: "the arguments are too long together",
            errno.EACCES: "name its interpreter, or make it executable with `chmod +x`",
        }
        number = getattr(error, "errno", None) or errno.EINVAL
        missing = number in (errno.ENOENT, errno.ENOTDIR) or not command[0]
        kind = CommandNotFoundError if missing else CommandNotExecutableError
        usual = "check the spelling, and that the program is on your PATH"
        hint = usual if missing else hints.get(number, usual)
        raise kind(f"cannot start {command[0]!r}: {reason}", hint=hint) from None


def dying_with_parent(number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """Return what a child calls before it begins, so that it gets a signal when its parent ends.

    Linux alone knows such a thing; None elsewhere. The parent is the thread that starts the child.
    """
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # found now: between fork and exec little is allowed
    parent = os.getpid()

    def tie() -> None:
        prctl(_SET_PARENT_DEATH_SIGNAL, number)
        if os.getppid() != parent:  # it ended before the tie
            os.kill(os.getpid(), number)

    return tie


def _give_up(child: subprocess.Popen[bytes], own_group: bool) -> None:
    _signal(child, signal.SIGKILL, own_group)
    child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _stream(child: subprocess.Popen[bytes], sink: _LogSink) -> None:
    """Pass the child's output on until it has ended."""
    over = threading.Event()
    pairs = ((child.stdout, sys.stdout), (child.stderr, sys.stderr))
    threads = []
    for source, target in pairs:
        assert source is not None
        thread = threading.Thread(target=_pump, args=(source, target, sink, over), daemon=True)
        thread.start()
        threads.append(thread)
    child.wait()
    # A grandchild may keep the pipes open; the command itself has ended.
    deadline = time.monotonic() + GRACE_S
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
    over.set()


def _pump(source: BinaryIO, target: object, sink: _LogSink, over: threading.Event) -> None:
    write = _writer(target)
    with source:
        while not over.is_set() and (chunk := os.read(source.fileno(), 65536)):
            sink.write(chunk)
            try:
                write(chunk)
            except (OSError, ValueError):
                # The reader of our output is gone; the command goes on, and so does the log.
                write = _nowhere


def _nowhere(chunk: bytes) -> None:
    """Write nothing."""


def _writer(target: object) -> Callable[[bytes], None]:
    """Return what writes bytes to ``target`` at once, past Python's buffer where it can."""
    flush = getattr(target, "flush", None)
    if flush is None:
        return _nowhere  # started without this stream
    try:
        flush()
        fd = target.fileno()  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        buffer = getattr(target, "buffer", None)
        return _nowhere if buffer is None else partial(_write_buffer, buffer)
    return partial(_write_fd, fd)


def _write_buffer(buffer: BinaryIO, chunk: bytes) -> None:
    buffer.write(chunk)
    buffer.flush()


def _write_fd(fd: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # somebody made the terminal non-blocking
            select.select([], [fd], [])


class _LogSink:
    """A log that gives up on a full disk and remembers why."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self.error: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: io.FileIO | None = path.open("ab", buffering=0)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from error

    def write(self, chunk: bytes) -> None:
        with self._lock:
            if self._stream is None:
                return
            view = memoryview(chunk)
            try:
                while view:
                    view = view[self._stream.write(view) :]
            except OSError as error:
                self.error = error.strerror or str(error)
                self._stream.close()
                self._stream = None

    def close(self) -> None:
        with self._lock:
            if self._stream is not None:
                self._stream.close()
                self._stream = None


class _ForwardSignals:
    """Pass signals on to the child while the block runs (main thread only).

    A signal that is ignored here (``nohup``, a background job) stays ignored, in the child too.
    One that comes before the child has started waits for it.
    """

    def __init__(self, own_group: bool = False) -> None:
        self._own_group = own_group
        self._child: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}
        self._waiting: list[int] = []
        self.last: int | None = None

    def __enter__(self) -> _ForwardSignals:
        if threading.current_thread() is threading.main_thread():
            for number in FORWARDED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._forward)
        return self

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Name the child, and give it what has come for it."""
        self._child = child
        while self._waiting:
            self._send(self._waiting.pop(0))

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self.last = number
        # From a terminal, Ctrl-C reaches the child too: the kernel sends it to the whole group.
        shared = number in FROM_TERMINAL and not self._own_group and _has_terminal()
        if shared and self._child is not None:
            return
        if self._child is None:
            self._waiting.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        if self._child is not None and self._child.poll() is None:
            _signal(self._child, number, self._own_group)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _signal(child: subprocess.Popen[bytes], number: int, group: bool) -> None:
    if not group or sys.platform == "win32":
        child.send_signal(number)
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Let an interrupt or a termination wait for the end of the block (main thread only).

    For work that must not be cut off and takes a moment. Whoever sends the same signal once more
    does not want to wait, and it acts at once.
    """
    before: dict[int, Any] = {}
    waiting: list[int] = []

    def defer(number: int, frame: FrameType | None) -> None:
        if number not in waiting:
            waiting.append(number)
            return
        waiting.remove(number)
        signal.signal(number, before.pop(number))
        signal.raise_signal(number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler is not None and handler is not signal.SIG_IGN:
                before[number] = signal.signal(number, defer)
    try:
        yield
    finally:
        for deferred, handler in before.items():
            signal.signal(deferred, handler)
        for deferred in waiting:
            signal.raise_signal(deferred)


def _has_terminal() -> bool:
    """Tell whether this is the foreground job of a terminal, even with a redirected input."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except (OSError, AttributeError):
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except (OSError, AttributeError):
        return False
    finally:
        os.close(fd)
