"""Facts about files, remembered by each file's state (model.md, decision 7).

The cache is SQLite, and may be deleted at any time: it costs speed only. Nothing in it is
believed of a file whose state has changed, and every trouble with it, from a full disk to a
damaged page, means that the files themselves are read. It is not flushed to the disk, which a
checksum in each row makes safe: what a power failure has torn is told from what was written.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from aexp.storage.state import WIDTH

if TYPE_CHECKING:
    import sqlite3

Rows: TypeAlias = dict[str, tuple[bytes, bytes]]
"""By name: the states of the files that the facts are about, and the facts."""

_FORMAT = 5
_COARSE_NS = 2_000_000_000
_PATIENCE_S = 0.2
_NETWORK = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "9p", "davfs"),
        *("lustre", "gpfs", "beegfs", "ceph", "pvfs2", "orangefs", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone"),
    }
)
"""File systems on which SQLite's locks cannot be relied on."""


class Cache:
    """A file of remembered facts.

    Args:
        path: the SQLite file; it need not exist.
        version: whoever judges the files differently must give another; the old rows then count
            for nothing.
    """

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        self._version = f"{_FORMAT} {version}"

    def load(self, kind: str) -> Rows:
        """Return all rows of one kind; none when the cache cannot be read."""
        if not self._path.is_file():
            return {}
        import sqlite3

        try:
            with contextlib.closing(self._connect("ro")) as connection:
                if self._is_current(connection):
                    found = connection.execute(
                        "SELECT name, state, facts, checksum FROM facts WHERE kind = ?", (kind,)
                    )
                    return {
                        name: (state, facts)
                        for name, state, facts, check in found
                        if check == _checksum(name, state, facts)
                    }
        except sqlite3.Error:
            pass
        return {}

    def save(self, changes: Mapping[str, tuple[Rows, Iterable[str]]]) -> bool:
        """Write rows and drop others, all or none; return whether that was possible.

        Args:
            changes: by kind, the new and changed rows, and the names to drop.
        """
        import sqlite3

        for attempt in (1, 2):
            try:
                with self._writing() as connection:
                    for kind, (rows, gone) in changes.items():
                        _write(connection, kind, rows, gone)
                return True
            except sqlite3.OperationalError:  # busy, read-only, full
                return False
            except sqlite3.DatabaseError:  # damaged, or no database at all: begin anew, once
                with contextlib.suppress(OSError):
                    self._path.unlink()
                if attempt == 2:
                    return False
            except OSError:
                return False
        return False

    def _connect(self, mode: str) -> sqlite3.Connection:
        import sqlite3

        place = self._path.resolve().as_uri() + f"?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=_PATIENCE_S, isolation_level=None)

    def _is_current(self, connection: sqlite3.Connection) -> bool:
        found: object = connection.execute("SELECT version FROM about").fetchone()
        return found == (self._version,)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(self._connect("rwc")) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            tables = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE name IN ('facts', 'about')"
            ).fetchone()
            if tables != (2,) or not self._is_current(connection):
                for name in ("facts", "about"):
                    connection.execute(f"DROP TABLE IF EXISTS {name}")
                connection.execute("CREATE TABLE about (version TEXT)")
                connection.execute("INSERT INTO about VALUES (?)", (self._version,))
                connection.execute(
                    "CREATE TABLE facts (kind TEXT, name TEXT, state BLOB, facts BLOB,"
                    " checksum INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID"
                )
            yield connection
            connection.execute("COMMIT")


def _write(connection: sqlite3.Connection, kind: str, rows: Rows, gone: Iterable[str]) -> None:
    connection.executemany(
        "DELETE FROM facts WHERE kind = ? AND name = ?", ((kind, name) for name in gone)
    )
    connection.executemany(
        "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)",
        ((kind, name, *row, _checksum(name, *row)) for name, row in rows.items()),
    )


def _checksum(name: str, state: bytes, facts: bytes) -> int:
    return zlib.crc32(facts, zlib.crc32(state, zlib.crc32(name.encode())))


def are_settled(states: Sequence[int], now_ns: int | None = None) -> bool:
    """Return whether files have been left alone long enough that their state tells a later change.

    A file that is written twice within one tick of the file system's clock has one state for two
    contents; its facts are not kept. The tick is 10 ms at most where times have fractions, and up
    to 2 s where they have none. A time in the future is never settled.

    Args:
        states: of one or several files, side by side.
        now_ns: the present time in nanoseconds since 1970.
    """
    now = time.time_ns() if now_ns is None else now_ns
    for start in range(0, len(states), WIDTH):
        latest = max(states[start + 2], states[start + 3])
        if latest <= 0:  # no file
            continue
        tick = _COARSE_NS if latest % 1_000_000 == 0 else 20_000_000
        if now - latest <= tick:
            return False
    return True


def are_all_settled(states: Sequence[int]) -> bool:
    """Return True only when :func:`are_settled` of all these; quicker, and allowed to say False."""
    latest = max(max(states[2::WIDTH], default=0), max(states[3::WIDTH], default=0))
    return time.time_ns() - latest > _COARSE_NS


def may_be_shared_between_hosts(folder: Path) -> bool:
    """Return whether ``folder`` is on a network file system, as far as this machine can tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    place = str(folder.resolve())
    best, kind = "", ""
    for line in mounts:
        fields = line.split(" ")
        if len(fields) > 2:
            point = fields[1].replace("\\040", " ")
            inside = place == point or place.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, fields[2]
    return kind in _NETWORK
