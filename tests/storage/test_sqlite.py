"""How databases are opened, and how their errors are told (REG-05)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aexp.errors import CorruptDataError, LockTimeoutError, StorageError
from aexp.storage import sqlite
from tests.support.failing import fill_disk, small_disk

_WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from aexp.storage.sqlite import connect
with connect(Path(sys.argv[1])) as connection:
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN IMMEDIATE")
    for n in range(2000):
        connection.execute("UPDATE t SET x = x + 1 WHERE n = ?", (n,))
    os._exit(9)
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with 2,000 rows."""
    path = tmp_path / "a.sqlite"
    with sqlite.connect(path, create=True) as connection, sqlite.transaction(connection):
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x INTEGER, pad TEXT)")
        connection.executemany(
            "INSERT INTO t VALUES (?, 0, ?)", [(n, "x" * 100) for n in range(2000)]
        )
    return path


def total(path: Path) -> int:
    """Return a sum over all rows."""
    with sqlite.connect(path) as connection:
        return int(connection.execute("SELECT sum(x) FROM t").fetchone()[0])


def test_a_transaction_that_raises(database: Path) -> None:
    """REG-03: all of a transaction or nothing."""
    with (
        pytest.raises(CorruptDataError, match="UNIQUE"),
        sqlite.connect(database) as connection,
        sqlite.transaction(connection),
    ):
        connection.executemany("INSERT INTO t VALUES (?, 1, '')", [(5000,), (1,)])
    assert total(database) == 0  # the first row is gone with the second


def test_a_writer_that_is_killed(database: Path) -> None:
    """REG-05, trap 52: what it had begun to write is rolled back by the next to open."""
    done = subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, str(database)], check=False)
    assert done.returncode == 9
    journal = database.with_name(database.name + "-journal")
    assert journal.stat().st_size > 0
    assert total(database) == 0


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """Trap 41: opening to read creates nothing."""
    with pytest.raises(FileNotFoundError), sqlite.connect(tmp_path / "no"):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError), sqlite.connect(tmp_path / "no" / "no", create=True):
        pass


def test_a_database_that_is_held(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REG-05: who waits in vain is told that the lock was held; readers do not wait."""
    monkeypatch.setattr(sqlite, "PATIENCE_S", 0.1)
    with sqlite.connect(database) as holder, sqlite.transaction(holder):
        with (
            pytest.raises(LockTimeoutError, match=r"a\.sqlite"),
            sqlite.connect(database) as connection,
            sqlite.transaction(connection),
        ):
            pass
        assert total(database) == 0


def test_what_is_no_database(tmp_path: Path) -> None:
    """Trap 32: a file of another kind is corrupt data, named."""
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"not a database, whatever its name" * 100)
    with pytest.raises(CorruptDataError, match=r"a\.sqlite"), sqlite.connect(path) as connection:
        connection.execute("SELECT * FROM sqlite_master").fetchone()


def test_a_statement_that_is_wrong(database: Path) -> None:
    """Trap 32: SQLite's own words stand in the error."""
    with (
        pytest.raises(CorruptDataError, match="no such table"),
        sqlite.connect(database) as connection,
    ):
        connection.execute("SELECT * FROM absent")


def test_a_full_disk(tmp_path: Path) -> None:
    """Trap 9: no room for the journal or the rows is a StorageError, and nothing is changed."""
    with small_disk(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("mounting needs root")
        path = disk / "a.sqlite"
        with sqlite.connect(path, create=True) as connection:
            connection.execute("CREATE TABLE t (x TEXT)")
        filler = fill_disk(disk)
        with (
            pytest.raises(StorageError, match=r"a\.sqlite"),
            sqlite.connect(path) as connection,
            sqlite.transaction(connection),
        ):
            connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 1000)
        filler.unlink()
        with sqlite.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_read_only_mount(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REG-05: where writing is not allowed the database is opened for reading alone."""
    monkeypatch.setattr(os, "access", lambda *args: False)
    assert total(database) == 0
    with (
        pytest.raises(StorageError, match=r"a\.sqlite"),
        sqlite.connect(database) as connection,
    ):
        connection.execute("UPDATE t SET x = 1")


def test_any_path(weird_path: Path) -> None:
    """REG-05: characters that mean something in a URI mean nothing here."""
    path = weird_path / "a?mode=memory#b%41.sqlite"
    with sqlite.connect(path, create=True) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert path.is_file()
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(*) FROM t").fetchone() == (0,)
    plain.close()
