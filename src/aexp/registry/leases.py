"""Leases: what live processes protect from a collection before any ref reaches it (GC-02, GC-03).

A lease is a file. Everything written since it was taken is spared while its owner lives. Its time
is the file system's own, since that is what the blobs' times are, whatever this machine's clock
says.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from aexp.model.owner import Liveness, Owner
from aexp.process import liveness, this_process
from aexp.storage.atomic import TEMP_SUFFIX, storage_error

HEARTBEAT_S = 60.0
"""How often a holder gives a sign of life, in seconds."""
STALE_S = 7 * 24 * 3600.0
"""A lease whose owner cannot be judged from here counts until it was silent for so long."""


@dataclass(eq=False)
class Lease:
    """Protection for what its owner writes; a context manager that ends it.

    Attributes:
        id: 16 random hex digits.
        what: what it protects, for people.
        owner: the process that holds it, None when the file does not say.
        since: the file system's time when it was taken, in seconds since 1970.
        seen_at: the file system's time of the last sign of life.
        path: its file.
    """

    id: str
    what: str
    owner: Owner | None
    since: float
    seen_at: float
    path: Path
    _held_by: int = field(default=0, repr=False)

    def renew(self) -> None:
        """Give a sign of life; write the file anew when somebody has removed it."""
        if self._held_by != os.getpid():
            return
        try:
            os.utime(self.path)
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                _write(self)
        except OSError:
            pass  # the owner's own life is the better sign

    def release(self) -> None:
        """End the protection; twice is no error, and a forked child cannot do it."""
        if self._held_by != os.getpid():
            return
        self._held_by = 0
        _keeper.forget(self)
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def is_live(self) -> bool:
        """Return whether it counts: its owner lives, or may live and was heard of lately."""
        judged = Liveness.UNKNOWN if self.owner is None else liveness(self.owner)
        if judged is Liveness.UNKNOWN:
            return time.time() - self.seen_at < STALE_S
        return judged is Liveness.ALIVE

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def take(folder: Path, what: str, owner: Owner | None = None) -> Lease:
    """Take a lease; it lasts until :meth:`Lease.release` or the end of its owner.

    Args:
        folder: of the leases.
        what: what it is for, in words.
        owner: another process that it is taken for, such as the owner of the run that this one
            is part of; then it lasts as long as that one lives.

    Raises:
        StorageError: the disk refused.
    """
    lease_id = secrets.token_hex(8)
    path = folder / f"{lease_id}.json"
    here = this_process()
    is_ours = owner in (None, here)
    lease = Lease(lease_id, what, owner or here, 0.0, 0.0, path, os.getpid() if is_ours else 0)
    try:
        _write(lease)
    except OSError as error:
        raise storage_error(error, path) from error
    if is_ours:
        _keeper.keep(lease)
    return lease


def _write(lease: Lease) -> None:
    """Write the lease's file whole; it need not survive a power failure, which its owner won't."""
    temp = lease.path.with_name(f"{lease.id}{TEMP_SUFFIX}")
    try:
        with temp.open("xb") as stream:
            if lease.since == 0.0:
                # The time of a file that has just been made is the file system's present time.
                lease.since = lease.seen_at = os.fstat(stream.fileno()).st_mtime
            owner = None if lease.owner is None else lease.owner.to_json()
            value = {"what": lease.what, "owner": owner, "since": lease.since}
            stream.write(json.dumps(value, sort_keys=True).encode())
        os.replace(temp, lease.path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise


def read_all(folder: Path) -> Iterator[Lease]:
    """Yield every lease there is, of the living and of the dead.

    One that cannot be read protects everything as long as its file is young.
    """
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        if not name.endswith(".json"):
            continue
        path = folder / name
        try:
            data, seen_at = path.read_bytes(), path.stat().st_mtime
        except FileNotFoundError:
            continue  # released meanwhile
        yield _parsed(path, data, seen_at)


def _parsed(path: Path, data: bytes, seen_at: float) -> Lease:
    try:
        value = json.loads(data)
        since = float(value["since"])
        owner, what = Owner.from_json(value["owner"]), str(value.get("what", ""))
        if not math.isfinite(since):
            raise ValueError(since)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        owner, what, since = None, "unreadable", 0.0
    return Lease(path.stem, what, owner, since, seen_at, path)


class _Keeper:
    """One thread per process that renews all its leases."""

    def __init__(self) -> None:
        self._held: set[Lease] = set()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, lease: Lease) -> None:
        with self._guard:
            self._held.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="aexp-leases", daemon=True)
                self._thread.start()

    def forget(self, lease: Lease) -> None:
        with self._guard:
            self._held.discard(lease)

    def _run(self) -> None:
        while True:
            time.sleep(HEARTBEAT_S)
            with self._guard:
                held = list(self._held)
            for lease in held:
                lease.renew()

    def start_anew(self) -> None:
        """Forget the parent's leases and thread, in a forked child."""
        self.__init__()  # type: ignore[misc]


_keeper = _Keeper()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keeper.start_anew)
