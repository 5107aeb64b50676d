"""Starting a command and staying with it (RUN-05)."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from aexp.errors import NotFoundError, StorageError
from aexp.process import CommandOutcome, liveness, run_command
from tests.support.failing import fill_disk
from tests.support.machines import checkout_environ

WRAPPER = """
import os, sys
from pathlib import Path
from aexp.process import run_command
out = run_command(sys.argv[2:], environ={}, log=Path(sys.argv[1]))
print("OUTCOME", out.returncode, out.forwarded, out.log_error, file=sys.stderr, flush=True)
"""


def python(code: str) -> list[str]:
    """Return a command that runs ``code``."""
    return [sys.executable, "-c", code]


def run(command: Sequence[str], log: Path, **options: Any) -> CommandOutcome:
    """Run in this process."""
    return run_command(command, environ=options.pop("environ", {}), log=log, **options)


@pytest.fixture
def wrap(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a process that wraps a command and prints the outcome last."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        child = subprocess.Popen(
            [*python(WRAPPER), str(tmp_path / "log"), *command],
            env={**os.environ, **checkout_environ()},
            **options,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
        child.communicate()


def outcome(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes, list[str]]:
    """Return both streams, and the fields of the outcome."""
    out, err = child.communicate(timeout=30)
    before, _, told = err.rpartition(b"OUTCOME ")
    return out, before, told.decode().split()


def wait_for(ready: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until ``ready`` answers with something true."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


# --- output -------------------------------------------------------------------------------------


def test_streams_are_exact_and_logged(wrap: Callable[..., Any], tmp_path: Path) -> None:
    """RUN-05: every byte arrives, in its own stream, and both are in the log."""
    blob = bytes(range(256)) * 2000
    (tmp_path / "blob").write_bytes(blob)
    code = (
        f"import sys; b = open({str(tmp_path / 'blob')!r}, 'rb').read()\n"
        "sys.stdout.buffer.write(b); sys.stdout.flush(); sys.stderr.buffer.write(b'\\xff\\r\\n[b]')"
    )
    out, err, told = outcome(wrap(python(code)))
    assert out == blob
    assert err == b"\xff\r\n[b]"
    assert told == ["0", "None", "None"]
    log = (tmp_path / "log").read_bytes()
    assert len(log) == len(blob) + 6
    assert b"\xff\r\n[b]" in log


def test_output_comes_while_the_command_runs(wrap: Callable[..., Any], tmp_path: Path) -> None:
    """RUN-05: live, although a Python child with a pipe would keep its output to itself."""
    child = wrap(python("print('hello'); input(); print('bye')"), stdin=subprocess.PIPE)
    assert child.stdout.readline() == b"hello\n"
    assert (tmp_path / "log").read_bytes() == b"hello\n"
    assert child.poll() is None
    out, _, told = (lambda o, e: (o, e, e.split()))(*child.communicate(b"\n", timeout=30))
    assert out == b"bye\n"
    assert told[:2] == [b"OUTCOME", b"0"]


def test_the_users_buffering_is_respected(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RUN-05: PYTHONUNBUFFERED is only a default."""
    show = python("import os; print(repr(os.environ.get('PYTHONUNBUFFERED')))")
    run(show, tmp_path / "log")
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    run(show, tmp_path / "log")
    assert capfd.readouterr().out == "'1'\n''\n"


def test_environment_folder_and_input(
    wrap: Callable[..., Any], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """RUN-05: variables are added, the folder is set, standard input is shared."""
    (tmp_path / "here").mkdir()
    code = "import os; print(os.environ['AEXP_JOB_ID'], os.environ['HOME'], os.getcwd())"
    run(python(code), tmp_path / "log", environ={"AEXP_JOB_ID": "x"}, cwd=tmp_path / "here")
    assert capfd.readouterr().out == f"x {os.environ['HOME']} {tmp_path / 'here'}\n"
    child = wrap(["cat"], stdin=subprocess.PIPE)
    assert child.communicate(b"through\n", timeout=30)[0] == b"through\n"


def test_the_log_is_appended_to(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """RUN-05: a second attempt keeps what the first one wrote; folders are made."""
    log = tmp_path / "a" / "b" / "log"
    for word in ("one", "two"):
        run(["echo", word], log)
    assert log.read_text() == "one\ntwo\n" == capfd.readouterr().out


def test_a_reader_that_goes_away(wrap: Callable[..., Any], tmp_path: Path) -> None:
    """RUN-05: ``| head`` ends the showing, neither the command nor its log."""
    code = "import time\nfor i in range(200): print('x' * 1000)\nopen('done', 'w').close()"
    child = wrap(python(code), cwd=tmp_path)
    child.stdout.read(10)
    child.stdout.close()
    child.wait(timeout=30)
    assert (tmp_path / "done").exists()
    assert (tmp_path / "log").read_bytes() == (b"x" * 1000 + b"\n") * 200
    assert child.stderr.read().startswith(b"OUTCOME 0 ")


def test_a_slow_non_blocking_reader_gets_everything(tmp_path: Path) -> None:
    """RUN-05: a terminal that another program made non-blocking loses no output."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got = bytearray()

    def read() -> None:
        while part := os.read(reading, 4096):
            got.extend(part)
            time.sleep(0.0005)

    reader = threading.Thread(target=read)
    reader.start()
    with mock.patch.object(sys, "stdout", os.fdopen(writing, "w")):
        done = run(python("print('y' * 400_000)"), tmp_path / "log")
        sys.stdout.close()
    reader.join(timeout=20)
    os.close(reading)
    assert done.returncode == 0
    assert got == b"y" * 400_000 + b"\n"


def test_a_stream_of_our_own(tmp_path: Path) -> None:
    """RUN-05: works with a replaced standard output (a notebook), and with none at all."""
    stream = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(stream):
        run(["echo", "caught"], tmp_path / "log")
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    assert buffer.getvalue() == b"caught\n"
    with mock.patch.object(sys, "stdout", None):
        assert run(["echo", "unseen"], tmp_path / "log").returncode == 0
    assert (tmp_path / "log").read_text() == "caught\nunseen\n"


# --- endings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_codes_are_the_commands(tmp_path: Path, code: int) -> None:
    """RUN-05: exactly."""
    done = run(["sh", "-c", f"exit {code}"], tmp_path / "log")
    assert done == CommandOutcome(code, None, None)


def test_killed_by_a_signal(tmp_path: Path) -> None:
    """RUN-05: a negative code names the signal."""
    assert run(["sh", "-c", "kill -9 $$"], tmp_path / "log").returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("no-such-program", 127, "PATH"),
        ("./missing", 127, "PATH"),
        ("", 127, "PATH"),
        ("./not-executable", 126, "chmod"),
        (".", 126, "chmod"),
    ],
)
def test_programs_that_cannot_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int, hint: str
) -> None:
    """Trap 32: a clear line with a hint, and the status that a shell gives."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    with pytest.raises(NotFoundError, match="cannot start") as caught:
        run([name], tmp_path / "log")
    assert (caught.value.exit_code, hint in (caught.value.hint or "")) == (code, True)


def test_a_script_without_its_first_line(tmp_path: Path) -> None:
    """Trap 32: the kernel's "Exec format error" is explained; so is a NUL in an argument."""
    script = tmp_path / "script"
    script.write_text("echo hello\n")
    script.chmod(0o755)
    with pytest.raises(NotFoundError, match="format") as caught:
        run([str(script)], tmp_path / "log")
    assert "#!/bin/sh" in (caught.value.hint or "")
    with pytest.raises(NotFoundError, match="null byte"):
        run(["echo", "a\0b"], tmp_path / "log")


def test_a_failing_start_hook_ends_the_command(tmp_path: Path) -> None:
    """RUN-05: when the start cannot be recorded, the command does not go on unrecorded."""
    pids: list[int] = []

    def fail(pid: int) -> None:
        pids.append(pid)
        raise StorageError("cannot write the document")

    with pytest.raises(StorageError, match="document"):
        run(python("import time; time.sleep(60)"), tmp_path / "log", on_start=fail)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_the_start_hook_gets_the_commands_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """RUN-06: the number is that of the command itself."""
    pids: list[int] = []
    run(python("import os; print(os.getpid())"), tmp_path / "log", on_start=pids.append)
    assert capfd.readouterr().out == f"{pids[0]}\n"


def test_a_grandchild_that_keeps_the_output_open(wrap: Callable[..., Any]) -> None:
    """RUN-05: the command has ended when it has ended, whoever still holds its pipes."""
    started = time.monotonic()
    child = wrap(["sh", "-c", "(sleep 20; echo late) & echo $!; echo now >&2"])
    # The pipe of the wrapper itself is free: only the command's own is held.
    out, err, told = outcome(child)
    os.kill(int(out), signal.SIGKILL)
    assert time.monotonic() - started < 10
    assert err == b"now\n"
    assert told == ["0", "None", "None"]


def test_a_noisy_grandchild(wrap: Callable[..., Any], tmp_path: Path) -> None:
    """RUN-05: one that goes on writing does not disturb our end either."""
    noise = "while sleep 0.01; do echo y; done"
    child = wrap(["sh", "-c", f"({noise}) & echo $! > pid"], cwd=tmp_path)
    out, _, told = outcome(child)
    with contextlib.suppress(ProcessLookupError):  # its pipe has broken
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert out.startswith(b"y\ny\n")
    assert told == ["0", "None", "None"]
    assert child.returncode == 0


def test_output_after_the_end_is_not_lost(wrap: Callable[..., Any]) -> None:
    """RUN-05: what a pipeline's last part writes just after the end still arrives."""
    out, _, _ = outcome(wrap(["sh", "-c", "(sleep 0.3; echo late) &"]))
    assert out == b"late\n"


# --- the log's disk -----------------------------------------------------------------------------


def test_a_full_disk_stops_the_log_alone(
    small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """RUN-05: the command, its output and its exit code are not touched by a full disk."""
    fill_disk(small_disk, leave=65_536)
    code = "for i in range(300): print('x' * 999)\nraise SystemExit(5)"
    done = run(python(code), small_disk / "log")
    assert (done.returncode, done.log_error) == (5, os.strerror(errno.ENOSPC))
    assert capfd.readouterr().out == ("x" * 999 + "\n") * 300
    assert 0 < (small_disk / "log").stat().st_size <= 65_536


def test_a_log_that_cannot_be_made(tmp_path: Path) -> None:
    """Trap 32: told before the command starts."""
    (tmp_path / "file").write_text("x")
    marker = tmp_path / "ran"
    with pytest.raises(StorageError, match="cannot write"):
        run(["touch", str(marker)], tmp_path / "file" / "log")
    assert not marker.exists()


# --- signals ------------------------------------------------------------------------------------

REPORTING = """
import signal, sys, time
def told(number, frame):
    print("got", number)
    sys.exit(40 + number)
for number in (1, 2, 3, 10, 12, 15):
    signal.signal(number, told)
print("ready")
time.sleep(30)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_signals_are_passed_on(wrap: Callable[..., Any], name: str) -> None:
    """RUN-05, trap 6: the command decides what a signal means; we report what came."""
    number = getattr(signal, name)
    child = wrap(python(REPORTING), start_new_session=True)
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(number)
    out, _, told = outcome(child)
    assert out == f"got {int(number)}\n".encode()
    assert told[:2] == [str(40 + number), str(int(number))]


def test_a_command_that_ignores_a_signal_goes_on(wrap: Callable[..., Any]) -> None:
    """RUN-05: a checkpointing SIGUSR1 ends neither us nor the command."""
    code = (
        "import signal, time\nsignal.signal(signal.SIGUSR1, lambda *a: print('saving'))\n"
        "print('ready')\nend = time.time() + 0.5\nwhile time.time() < end: time.sleep(0.05)\n"
    )
    child = wrap(python(code))
    child.stdout.readline()
    child.send_signal(signal.SIGUSR1)
    out, _, told = outcome(child)
    assert out == b"saving\n"
    assert told == ["0", str(int(signal.SIGUSR1)), "None"]


def test_a_signal_before_the_command_has_started(tmp_path: Path) -> None:
    """Trap 6: no signal falls into the gap between our start and the command's."""
    real = subprocess.Popen

    def slow(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*args, **kwargs)

    before = signal.getsignal(signal.SIGTERM)
    with mock.patch.object(subprocess, "Popen", slow):
        done = run(["sleep", "30"], tmp_path / "log")
    assert done == CommandOutcome(-signal.SIGTERM, signal.SIGTERM, None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_nohup_ignores_stays_ignored(wrap: Callable[..., Any]) -> None:
    """RUN-05: after ``nohup`` a closed terminal ends neither us nor the command."""
    code = (
        "import signal, time\nprint(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)\n"
        "time.sleep(0.5)\nprint('survived')\n"
    )
    child = wrap(python(code), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert child.stdout.readline() == b"True\n"
    child.send_signal(signal.SIGHUP)
    out, _, told = outcome(child)
    assert (out, told) == (b"survived\n", ["0", "None", "None"])


def test_from_a_thread(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """RUN-05: outside the main thread signals cannot be handled, and the rest works."""
    done: list[CommandOutcome] = []
    thread = threading.Thread(target=lambda: done.append(run(["echo", "x"], tmp_path / "log")))
    thread.start()
    thread.join(timeout=20)
    assert done == [CommandOutcome(0, None, None)]
    assert capfd.readouterr().out == "x\n"


COUNTING = """
import signal, sys, time
seen = []
signal.signal(signal.SIGINT, lambda *a: seen.append(1))
print("ready")
end = time.time() + 1.0
while time.time() < end:
    time.sleep(0.02)
print("interrupts", len(seen))
sys.exit(7)
"""


@pytest.mark.parametrize("redirected", [False, True], ids=["terminal", "stdin-redirected"])
def test_ctrl_c_in_a_terminal_reaches_the_command_once(tmp_path: Path, redirected: bool) -> None:
    """RUN-05: the kernel sends Ctrl-C to the whole job; passing it on would make it two."""
    pid, terminal = pty.fork()
    if pid == 0:  # the child: its controlling terminal is the pty
        if redirected:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(checkout_environ())
        os.execv(sys.executable, [*python(WRAPPER), str(tmp_path / "log"), *python(COUNTING)])
    shown = bytearray()

    def read(until: bytes | None) -> None:
        end = time.monotonic() + 20
        while until is None or until not in shown:
            assert time.monotonic() < end, bytes(shown)
            ready, _, _ = select.select([terminal], [], [], 0.2)
            try:
                part = os.read(terminal, 4096) if ready else b""
            except OSError:  # Linux: the other side is closed
                return
            if ready and not part:
                return
            shown.extend(part)

    try:
        read(b"ready")
        os.write(terminal, b"\x03")
        read(None)
    finally:
        os.waitpid(pid, 0)
        os.close(terminal)
    assert b"interrupts 1" in shown
    assert b"OUTCOME 7 2 None" in shown


def test_the_wrapper_killed_leaves_a_dead_owner(wrap: Callable[..., Any]) -> None:
    """RUN-06: after ``kill -9`` of the wrapper its owner record is dead, the command's is not."""
    from aexp.process import describe_process

    child = wrap(["sh", "-c", "echo $$; exec sleep 30"])
    inner = describe_process(int(child.stdout.readline()))
    outer = describe_process(child.pid)
    child.kill()
    child.wait()
    assert liveness(outer) == "dead"
    assert liveness(inner) == "alive"
    os.kill(inner.pid, signal.SIGKILL)
    wait_for(lambda: liveness(inner) == "dead")
