"""Refs: the rows that make manifests reachable, changed in one transaction (REG-03, REG-05)."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from aexp.clock import utc_now
from aexp.errors import CorruptDataError, NewerSchemaError, RefConflictError, UsageError
from aexp.model.oci import is_digest
from aexp.model.owner import Owner
from aexp.storage import sqlite

if TYPE_CHECKING:
    import sqlite3

ARTIFACT: Final = "artifact"
ANONYMOUS: Final = "anonymous"
CHECKPOINT: Final = "checkpoint"
RUN: Final = "run"
OUTPUTS: Final = "outputs"
DATASET: Final = "dataset"
KINDS: Final = (ARTIFACT, ANONYMOUS, CHECKPOINT, RUN, OUTPUTS, DATASET)
OWNED: Final = (RUN, OUTPUTS, DATASET)
"""The kinds whose names hold the id of the repository: ``<kind>/<repository id>/…``."""

FORMAT: Final = 1
LONGEST_NAME: Final = 1024
"""Characters a ref name may have."""


class Any_(enum.Enum):
    """The condition that always holds."""

    ANY = "any"


ANY: Final = Any_.ANY
Expected: TypeAlias = str | Literal[Any_.ANY] | None
"""The digest a ref must have now; None: there must be no such ref; ANY: whatever there is."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A name for a manifest.

    Attributes:
        name: any text of at most 1,024 characters without control characters.
        kind: one of ``artifact``, ``anonymous``, ``checkpoint``, ``run``, ``outputs`` (of an
            execution) and ``dataset``.
        digest: of the manifest or index.
        session: the name of the session it belongs to, or empty.
        owner: the process that writes it on, or None.
        created_at: seconds since 1970.
        updated_at: seconds since 1970.
    """

    name: str
    kind: str
    digest: str
    session: str
    owner: Owner | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class SetRef:
    """Make ``name`` point at ``digest``, if it is now as ``expect`` says."""

    name: str
    kind: str
    digest: str
    session: str = ""
    owner: Owner | None = None
    expect: Expected = ANY


@dataclass(frozen=True, slots=True)
class DropRef:
    """Remove ``name``, if it is now as ``expect`` says; one that is not there is no error."""

    name: str
    expect: Expected = ANY


RefChange: TypeAlias = SetRef | DropRef

_TABLES = """
CREATE TABLE refs (
  name TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  digest TEXT NOT NULL,
  session TEXT NOT NULL,
  owner TEXT,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "name, kind, digest, session, owner, created_at, updated_at"


class RefTable:
    """The database of the refs.

    Args:
        path: the SQLite file; readers take a missing one for one without refs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Make the database unless it is there."""
        with sqlite.connect(self._path, create=True) as connection:
            if _version(connection, self._path) == 0:
                with sqlite.transaction(connection):
                    if _version(connection, self._path) == 0:
                        connection.execute(_TABLES)
                        connection.execute("CREATE INDEX by_kind ON refs (kind, session)")
                        connection.execute(f"PRAGMA user_version = {FORMAT}")

    def apply(self, changes: Sequence[RefChange]) -> None:
        """Make all changes in one transaction.

        Raises:
            RefConflictError: a condition does not hold; nothing was changed.
        """
        now = utc_now().timestamp()
        with sqlite.connect(self._path) as connection, sqlite.transaction(connection):
            _version(connection, self._path)
            for change in changes:
                _apply(connection, change, now)

    def get(self, name: str) -> Ref | None:
        """Return the ref of that name, None when there is none."""
        return next(iter(self._select("WHERE name = ?", (name,))), None)

    def find(self, kind: str | None, session: str | None) -> list[Ref]:
        """Return the refs of a kind and a session, by name; None: of all."""
        wanted = [("kind", kind), ("session", session)]
        given = [(column, value) for column, value in wanted if value is not None]
        where = " AND ".join(f"{column} = ?" for column, _ in given)
        clause = f"WHERE {where} ORDER BY name" if where else "ORDER BY name"
        return self._select(clause, [value for _, value in given])

    @contextmanager
    def held(self, kind: str) -> Iterator[list[Ref]]:
        """Keep every other process from changing refs, and give those of a kind."""
        with sqlite.connect(self._path) as connection, sqlite.transaction(connection):
            yield _select(connection, self._path, "WHERE kind = ? ORDER BY name", (kind,))

    @contextmanager
    def watched(self) -> Iterator[Callable[[], int]]:
        """Give a function that answers another number once a ref has been changed."""
        with sqlite.connect(self._path) as connection:
            yield lambda: int(connection.execute("PRAGMA data_version").fetchone()[0])

    def _select(self, clause: str, values: Iterable[str]) -> list[Ref]:
        try:
            with sqlite.connect(self._path) as connection:
                return _select(connection, self._path, clause, values)
        except FileNotFoundError:
            return []


def check_ref_name(name: object) -> str:
    """Return ``name`` when it can name a ref.

    Raises:
        UsageError: it is no text, blank, too long, or holds a control character.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{str(name)[:40]!r} cannot name an artifact",
            hint=f"use 1 to {LONGEST_NAME} characters",
        )
    if any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in name):
        raise UsageError(
            f"{name[:40]!r} cannot name an artifact", hint="leave out the control characters"
        )
    return name


def _apply(connection: sqlite3.Connection, change: RefChange, now: float) -> None:
    row = connection.execute("SELECT digest FROM refs WHERE name = ?", (change.name,)).fetchone()
    current = None if row is None else str(row[0])
    if change.expect is not ANY and current != change.expect:
        is_now = "is not there" if current is None else f"is at {current}"
        raise RefConflictError(
            f"{change.name!r} {is_now}, not as expected: another process has changed it"
            if change.expect is not None
            else f"{change.name!r} exists already, at {current}"
        )
    if isinstance(change, DropRef):
        connection.execute("DELETE FROM refs WHERE name = ?", (change.name,))
        return
    owner = None if change.owner is None else json.dumps(change.owner.to_json(), sort_keys=True)
    connection.execute(
        f"INSERT INTO refs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, digest = excluded.digest,"
        " session = excluded.session, owner = excluded.owner, updated_at = excluded.updated_at",
        (change.name, change.kind, change.digest, change.session, owner, now, now),
    )


def _select(
    connection: sqlite3.Connection, path: Path, clause: str, values: Iterable[str]
) -> list[Ref]:
    if _version(connection, path) == 0:
        return []  # its maker was killed before the first transaction
    rows = connection.execute(f"SELECT {_COLUMNS} FROM refs {clause}", tuple(values))  # noqa: S608
    return [_ref(row, path) for row in rows]


def _ref(row: tuple[object, ...], path: Path) -> Ref:
    name, kind, digest, session, owner, created_at, updated_at = row
    if not is_digest(digest) or not isinstance(name, str):
        raise CorruptDataError(f"{path} holds a ref {name!r} without a digest")
    return Ref(
        name,
        str(kind),
        str(digest),
        str(session),
        _owner(owner),
        float(created_at) if isinstance(created_at, int | float) else 0.0,
        float(updated_at) if isinstance(updated_at, int | float) else 0.0,
    )


def _owner(text: object) -> Owner | None:
    try:
        return Owner.from_json(json.loads(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _version(connection: sqlite3.Connection, path: Path) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise NewerSchemaError(
            f"{path} was written by a newer aexp (format {found}, this one knows {FORMAT})"
        )
    return found
