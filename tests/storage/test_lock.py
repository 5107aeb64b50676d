"""Locks between processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import filelock
import pytest

from aexp.errors import LockTimeoutError, StorageError
from aexp.storage.lock import file_lock
from tests.support.machines import checkout_environ
from tests.support.race import run_together

HOLD = """
import sys, time
from pathlib import Path
from aexp.storage.lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def _count(folder: str, times: int) -> None:
    counter = Path(folder) / "counter"
    for _ in range(times):
        with file_lock(Path(folder) / "locks" / "l"):
            counter.write_text(str(int(counter.read_text()) + 1))


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    """Trap 19: read-modify-write by several processes loses nothing."""
    (tmp_path / "counter").write_text("0")
    run_together(_count, [(str(tmp_path), 40)] * 3)
    assert (tmp_path / "counter").read_text() == "120"


def test_it_is_the_lock_that_filelock_takes(tmp_path: Path) -> None:
    """LED-05: the quick way and filelock's own, which waits, exclude each other both ways."""
    path = tmp_path / "l"
    theirs = filelock.FileLock(path, timeout=0)
    with file_lock(path), pytest.raises(filelock.Timeout):
        theirs.acquire()
    with theirs, pytest.raises(LockTimeoutError), file_lock(path, timeout=0.05):
        pytest.fail("both hold it")


def test_a_child_that_was_forked_meanwhile_does_not_keep_it(tmp_path: Path) -> None:
    """LED-05: a worker forked while a lock is held has a copy of it, which must not count."""
    path = tmp_path / "l"
    with file_lock(path):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
    try:
        with file_lock(path, timeout=0.5):
            assert path.exists()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    """Trap 19: the same between threads of one process."""
    (tmp_path / "counter").write_text("0")
    threads = [threading.Thread(target=_count, args=(str(tmp_path), 30)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "counter").read_text() == "90"


def hold(path: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **checkout_environ()},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_held_lock_times_out_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    """Trap 6: nobody waits for a process that is dead."""
    path = tmp_path / "l"
    child = hold(path)
    try:
        started = time.monotonic()
        with (
            pytest.raises(LockTimeoutError, match="held by another process") as caught,
            file_lock(path, timeout=0.3),
        ):
            pytest.fail("two holders")
        assert 0.2 < time.monotonic() - started < 5
        assert (caught.value.exit_code, bool(caught.value.hint)) == (6, True)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with file_lock(path, timeout=5):
        assert path.read_bytes() == b""


def test_it_is_released_by_an_exception(tmp_path: Path) -> None:
    """The lock is free after an error in the block, and the error is not touched."""
    with pytest.raises(OSError, match="mine"), file_lock(tmp_path / "l"):
        raise OSError("mine")
    with file_lock(tmp_path / "l", timeout=0.2):
        pass


def test_a_file_system_without_locks_gets_a_lock_file(tmp_path: Path) -> None:
    """Some Lustre and NFS mounts have no advisory locks; exclusion holds all the same."""
    with mock.patch.object(fcntl, "flock", side_effect=OSError(errno.ENOLCK, "No locks")):
        with file_lock(tmp_path / "l"):
            assert (tmp_path / "l.soft").exists()
            blocked = threading.Thread(target=_must_time_out, args=(tmp_path / "l",))
            blocked.start()
            blocked.join()
        assert not (tmp_path / "l.soft").exists()
        assert _outcome == ["timeout"]


_outcome: list[str] = []


def _must_time_out(path: Path) -> None:
    try:
        with file_lock(path, timeout=0.2):
            _outcome.append("held")
    except LockTimeoutError:
        _outcome.append("timeout")


def test_a_lock_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    """Trap 32: a file where the folder should be, or a folder where the lock should be."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "l", tmp_path / "folder"):
        with pytest.raises(StorageError, match="cannot write"), file_lock(path, timeout=1):
            pytest.fail("locked")
