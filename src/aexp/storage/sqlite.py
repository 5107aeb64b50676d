"""SQLite where a crash-safe transaction is needed on one machine or a shared disk (decision 7).

A rollback journal, never WAL, so that NFS works (REG-05), and ``synchronous=FULL``. The journal is
truncated and flushed at the end, rather than deleted: deleting it at that setting lets a power
failure undo the last transaction.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aexp.errors import CorruptDataError, LockTimeoutError, StorageError
from aexp.storage.atomic import storage_error

if TYPE_CHECKING:
    import sqlite3

PATIENCE_S = 60.0


@contextmanager
def connect(path: Path, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database ``path``, with no transaction begun.

    Args:
        path: the file.
        create: make it when it is missing; else that is a ``FileNotFoundError``.

    Raises:
        LockTimeoutError: another process held it for a minute.
        CorruptDataError: it is no database, or a damaged one.
        StorageError: the disk refused.
        FileNotFoundError: it is missing and not to be created.
    """
    import sqlite3

    if not create and not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    # A reader too needs to write: after a crash it is the next to open that rolls back.
    mode = "rwc" if create else "rw" if os.access(path, os.W_OK) else "ro"
    place = path.absolute().as_uri() + f"?mode={mode}"
    try:
        with closing(
            sqlite3.connect(place, uri=True, timeout=PATIENCE_S, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")  # macOS: to the disk, not to its cache
            if mode != "ro":
                connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
            yield connection
    except sqlite3.Error as error:
        raise _translated(error, path) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock from the first statement on; all of it happens, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _translated(error: sqlite3.Error, path: Path) -> Exception:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return LockTimeoutError(f"{path.name} was held by another process for too long")
    if name.startswith("SQLITE_FULL"):
        return storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), path)
    if name.startswith("SQLITE_READONLY"):
        return storage_error(OSError(errno.EACCES, os.strerror(errno.EACCES)), path)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return CorruptDataError(
            f"{path} is damaged: {error}", hint="restore it from a backup of the registry"
        )
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_NOMEM")):
        return StorageError(f"cannot use {path}: {error}")
    return CorruptDataError(f"{path} does not hold what it must: {error}")
