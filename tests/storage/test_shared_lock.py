"""The lock that many hold together or one alone (GC-03)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aexp.errors import LockTimeoutError, StorageError
from aexp.storage.shared_lock import LocksUnsupportedError, shared_lock
from tests.support.race import run_together


def test_together(tmp_path: Path) -> None:
    """GC-03: any number of writers at once."""
    path = tmp_path / "lock"
    with shared_lock(path, timeout=0), shared_lock(path, timeout=0), shared_lock(path, timeout=0):
        pass


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_alone(tmp_path: Path, first: bool, second: bool) -> None:
    """GC-03: who holds it alone keeps everybody out, and gets it only when nobody has it."""
    path = tmp_path / "lock"
    with (
        shared_lock(path, alone=first),
        pytest.raises(LockTimeoutError),
        shared_lock(path, alone=second, timeout=0.05),
    ):
        pass
    with shared_lock(path, alone=second, timeout=0):
        pass


def test_one_who_waits_alone_is_not_starved(tmp_path: Path) -> None:
    """GC-03: a stream of writers that overlap lets a collection in."""
    path = tmp_path / "lock"
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            with shared_lock(path):
                time.sleep(0.02)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for thread in writers:
        thread.start()
    try:
        for _ in range(5):
            with shared_lock(path, alone=True, timeout=10):
                pass
    finally:
        over.set()
        for thread in writers:
            thread.join()


def test_a_killed_holder_releases_it(tmp_path: Path) -> None:
    """GC-03: no lock outlives its process."""
    path = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path;"
        "from aexp.storage.shared_lock import shared_lock\n"
        "with shared_lock(Path(sys.argv[1]), alone=True): print('x', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(LockTimeoutError), shared_lock(path, timeout=0.05):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with shared_lock(path, alone=True, timeout=5):
        pass


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ADR 7: writers go on where there are no locks; a collection refuses."""

    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with shared_lock(tmp_path / "lock"):
        pass
    with (
        pytest.raises(LocksUnsupportedError, match="without shared locks"),
        shared_lock(tmp_path / "lock", alone=True),
    ):
        pass


def test_no_folder(tmp_path: Path) -> None:
    """Trap 32: a lock that cannot be made is a StorageError."""
    with pytest.raises(StorageError), shared_lock(tmp_path / "no" / "lock"):
        pass


def test_an_error_inside_releases_it(tmp_path: Path) -> None:
    """GC-03: an error under the lock does not keep it."""
    path = tmp_path / "lock"
    with contextlib.suppress(KeyError), shared_lock(path, alone=True):
        raise KeyError
    with shared_lock(path, alone=True, timeout=0):
        pass


def _count(folder: str) -> int:
    path = Path(folder)
    for _ in range(50):
        with shared_lock(path / "lock", alone=True):
            number = int((path / "number").read_text())
            (path / "number").write_text(str(number + 1))
    return 50


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    """GC-03: counting under the lock from four processes loses nothing."""
    (tmp_path / "number").write_text("0")
    assert sum(run_together(_count, [(str(tmp_path),)] * 4)) == 200
    assert (tmp_path / "number").read_text() == "200"
