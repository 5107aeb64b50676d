"""Leases: what live processes protect (GC-02, GC-03)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aexp.errors import StorageError
from aexp.process import this_process
from aexp.registry import Registry, leases
from tests.support.failing import failing_storage

DAY_S = 86_400.0
_HOLD = """
import sys, time
from pathlib import Path
from aexp.registry import Registry
lease = Registry(Path(sys.argv[1])).lease("an open run")
print(lease.id, flush=True)
time.sleep(60)
"""


def write_lease(registry: Registry, name: str, *, age_s: float = 0.0, **fields: object) -> Path:
    """Write a lease as another process would."""
    owner = this_process().to_json() | {"host": "elsewhere", "boot_id": "x"}
    path = registry.root / "leases" / f"{name}.json"
    path.write_text(json.dumps({"what": "a run", "owner": owner, "since": 1.5, **fields}))
    seen = time.time() - age_s
    os.utime(path, (seen, seen))
    return path


def live(registry: Registry) -> list[str]:
    """Return the ids of the leases that count."""
    return [lease.id for lease in registry.live_leases()]


def test_a_lease_counts_until_it_is_released(registry: Registry) -> None:
    """GC-03: a live process's lease is seen by everybody, and gone when it is released."""
    with registry.lease("a session") as lease:
        (seen,) = registry.live_leases()
        assert (seen.id, seen.what, seen.since) == (lease.id, "a session", lease.since)
        assert seen.owner == this_process()
        with registry.lease("another"):
            assert len(live(registry)) == 2
    assert live(registry) == []
    assert list((registry.root / "leases").iterdir()) == []
    lease.release()  # twice is no error


def test_a_lease_begins_on_the_file_system_s_clock(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GC-03: what is stored afterwards is never older than the lease, whatever our clock says."""
    monkeypatch.setattr(time, "time", lambda: 10.0)
    lease = registry.lease("a run")
    monkeypatch.undo()
    blob = registry.put(b"new")
    assert registry.path(blob.digest).stat().st_mtime >= lease.since - 0.02
    assert abs(lease.since - time.time()) < 60
    lease.release()


def test_the_lease_of_a_killed_process(registry: Registry) -> None:
    """GC-02, trap 36: an open run holds a lease, a lost one nothing."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(registry.root)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    held = holder.stdout.readline().strip()
    assert live(registry) == [held]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert live(registry) == []
    assert [lease.id for lease in leases.read_all(registry.root / "leases")] == [held]


def test_owners_elsewhere(registry: Registry) -> None:
    """GC-02: of another host nobody can tell; its lease counts for 7 days after its last sign."""
    registry.initialise()
    write_lease(registry, "young")
    write_lease(registry, "six-days", age_s=6.9 * DAY_S)
    write_lease(registry, "stale", age_s=7.1 * DAY_S)
    write_lease(registry, "no-owner", owner=None)
    write_lease(registry, "stale-no-owner", owner=None, age_s=7.1 * DAY_S)
    write_lease(registry, "dead", owner=this_process().to_json() | {"start_time": "1"})
    assert sorted(live(registry)) == ["no-owner", "six-days", "young"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"since": []}', b'{"since":"x","owner":1}', b"\xff\xfe",
     b"[" * 100_000, b'{"since": NaN, "owner": null, "what": "x"}'],
)  # fmt: skip
def test_a_lease_that_cannot_be_read(registry: Registry, content: bytes) -> None:
    """Trap 37: what a lease that is damaged protects nobody knows, so it protects everything."""
    registry.initialise()
    path = registry.root / "leases" / "odd.json"
    path.write_bytes(content)
    (found,) = registry.live_leases()
    assert (found.id, found.owner, found.since) == ("odd", None, 0.0)
    os.utime(path, (1, 1))
    assert registry.live_leases() == []


def test_signs_of_life(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """GC-02: the holder renews its lease by itself, and writes it again when it was removed."""
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(leases, "_keeper", leases._Keeper())
    lease = registry.lease("a session")
    os.utime(lease.path, (1, 1))
    deadline = time.monotonic() + 20
    while lease.path.stat().st_mtime < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lease.path.stat().st_mtime > 2
    lease.path.unlink()
    while not lease.path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (seen,) = registry.live_leases()
    assert (seen.id, seen.since) == (lease.id, lease.since)
    lease.release()
    time.sleep(0.2)
    assert live(registry) == []


def test_a_forked_child_cannot_end_its_parent_s_lease(registry: Registry) -> None:
    """GC-03: workers that inherit a session's lease do not end it when they do."""
    lease = registry.lease("a session")
    child = os.fork()
    if child == 0:
        lease.release()
        lease.renew()
        os._exit(len(leases._keeper._held))
    assert os.waitpid(child, 0)[1] == 0
    assert live(registry) == [lease.id]
    lease.release()


@pytest.mark.parametrize("step", ["open", "replace"])
def test_no_room_for_a_lease(registry: Registry, step: str) -> None:
    """GC-03: without its lease nothing begins: a StorageError, and no file is left."""
    registry.initialise()
    with failing_storage(registry.root / "leases", step), pytest.raises(StorageError):
        registry.lease("a run")
    assert list((registry.root / "leases").iterdir()) == []
