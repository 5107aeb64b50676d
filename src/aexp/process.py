"""Processes: who am I, is that one alive, start a command and stay with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from aexp import settings
from aexp.errors import NotFoundError, StorageError
from aexp.model.owner import Liveness, Owner

FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT")
    if hasattr(signal, name)
)


def this_process() -> Owner:
    """Return the owner record of the calling process."""
    return describe_process(os.getpid())


def describe_process(pid: int) -> Owner:
    """Return the owner record of a process of this machine."""
    scheduler = settings.scheduler_environment()
    return Owner(
        host=socket.gethostname(),
        boot_id=_read(Path("/proc/sys/kernel/random/boot_id")),
        pid=pid,
        pid_namespace=_pid_namespace(),
        start_time=process_start_time(pid),
        scheduler_job=scheduler.job_id,
        scheduler_restart=scheduler.restart_count,
    )


def liveness(owner: Owner) -> Liveness:
    """Tell whether ``owner`` still runs, as far as this machine can know.

    Only a process of this host, this boot and this pid namespace can be judged; anything else is
    UNKNOWN and is for the heartbeat to decide. A host name that is the same with another boot id
    is UNKNOWN too: it may be a reboot, or two machines of one name.
    """
    here = this_process()
    if (owner.host, owner.boot_id, owner.pid_namespace) != (
        here.host,
        here.boot_id,
        here.pid_namespace,
    ):
        return Liveness.UNKNOWN
    started = process_start_time(owner.pid)
    return Liveness.ALIVE if started and started == owner.start_time else Liveness.DEAD


def process_start_time(pid: int) -> str:
    """Return when process ``pid`` started, as opaque text; empty when there is no such process.

    A zombie (ended, not yet reaped) counts as gone.
    """
    if sys.platform.startswith("linux"):
        stat = _read(Path(f"/proc/{pid}/stat"))
        fields = stat.rpartition(")")[2].split()
        return "" if len(fields) < 20 or fields[0] in "ZX" else fields[19]
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
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
) -> CommandOutcome:
    """Run ``command``, streaming its output live and keeping it in ``log`` (RUN-05).

    The child shares this process's standard input. Standard output and error are passed through
    byte by byte as they come, each to its own stream, and both are appended to ``log``. Signals
    that reach this process are passed on to the child and do not end this process. A full disk
    stops the log, not the command.

    Args:
        command: program and arguments.
        environ: variables to add to the environment.
        log: the file to write.
        cwd: the child's working directory.
        on_start: called with the child's process id.

    Raises:
        NotFoundError: there is no such program, or it may not be executed.
    """
    sink = _LogSink(log)
    try:
        try:
            child = subprocess.Popen(
                list(command),
                env=settings.child_environment(environ),
                cwd=cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise NotFoundError(
                f"cannot start {command[0]!r}: {error.strerror}",
                hint="check the spelling, and that the program is on your PATH",
            ) from None
        forwarded = _ForwardSignals(child)
        with forwarded:
            if on_start is not None:
                on_start(child.pid)
            threads = [
                threading.Thread(target=_pump, args=(source, target, sink), daemon=True)
                for source, target in (
                    (child.stdout, sys.stdout),
                    (child.stderr, sys.stderr),
                )
            ]
            for thread in threads:
                thread.start()
            child.wait()
            # A grandchild may keep the pipes open; the command itself has ended.
            for thread in threads:
                thread.join(timeout=2.0)
    finally:
        sink.close()
    return CommandOutcome(child.returncode, forwarded.last, sink.error)


def _pump(source: BinaryIO, target: object, sink: _LogSink) -> None:
    out = getattr(target, "buffer", None)
    while chunk := os.read(source.fileno(), 65536):
        sink.write(chunk)
        if out is None:
            continue
        try:
            out.write(chunk)
            out.flush()
        except (OSError, ValueError):
            out = None  # the reader of our output is gone; the command goes on, and so does the log


class _LogSink:
    """A log that gives up on a full disk and remembers why."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self.error: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: BinaryIO | None = path.open("ab", buffering=0)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from error

    def write(self, chunk: bytes) -> None:
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(chunk)
            except OSError as error:
                self.error = error.strerror or str(error)
                self._stream = None

    def close(self) -> None:
        with self._lock:
            if self._stream is not None:
                self._stream.close()
                self._stream = None


class _ForwardSignals:
    """Pass signals on to the child while the block runs (main thread only)."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._before: dict[int, object] = {}
        self.last: int | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in FORWARDED:
            self._before[number] = signal.signal(number, self._forward)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self.last = number
        # From a terminal, Ctrl-C reaches the child too: the kernel sends it to the whole group.
        if number == signal.SIGINT and _has_terminal():
            return
        if self._child.poll() is None:
            self._child.send_signal(number)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _has_terminal() -> bool:
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except (OSError, AttributeError):
        return False
