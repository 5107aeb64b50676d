"""The tables of an execution's database, and their rows (``docs/format/execution.md``)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from aexp.errors import NewerSchemaError
from aexp.model.canonical import Json, compact_bytes, decode_json

FORMAT: Final = 1

Kind: TypeAlias = Literal["new", "link", "copy"]
AssetState: TypeAlias = Literal["pending", "stored", "uploaded", "published"]
FeatureState: TypeAlias = Literal["pending", "published"]


@dataclass(frozen=True, slots=True)
class StagedAsset:
    """A registered output.

    Attributes:
        rid: its id (:func:`aexp.model.execution.asset_rid`).
        asset: its kind, such as ``Model``.
        name: its file name; one kind has each name once.
        kind: ``new``, a file that is written into staging; ``link`` to, or ``copy`` of a file.
        source: for a link or copy, the absolute path of the file, links resolved.
        types: its asset types.
        metadata: what is said of it.
        description: for people, or None.
        state: how far its publication is.
        digest: SHA-256, once the bytes are in the registry.
        md5: the same, as MD5, 32 hex digits.
        size: bytes.
        seen: how the file was when it was registered (a link) or stored (:mod:`aexp.storage.seen`).
        error: what the last try to publish it ended with, or None.
    """

    rid: str
    asset: str
    name: str
    kind: Kind
    source: str | None = None
    types: tuple[str, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    description: str | None = None
    state: AssetState = "pending"
    digest: str | None = None
    md5: str | None = None
    size: int | None = None
    seen: str = ""
    error: str | None = None

    @property
    def label(self) -> str:
        """How messages call it: ``Model/best.pt``."""
        return f"{self.asset}/{self.name}"


@dataclass(frozen=True, slots=True)
class StagedFeature:
    """A staged feature value.

    Attributes:
        id: counted up; the order in which they were added.
        target: what it is of, such as ``Image``.
        feature: the feature's name.
        values: its columns; an asset column holds the path of a staged file.
        asset_columns: which are asset columns.
        state: whether it is published.
        digest: of the blob that it was published in, or None.
    """

    id: int
    target: str
    feature: str
    values: Mapping[str, Json]
    asset_columns: tuple[str, ...]
    state: FeatureState
    digest: str | None


TABLES: Final = (
    "CREATE TABLE facts (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
CREATE TABLE assets (
  rid TEXT NOT NULL UNIQUE,
  asset TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  source BLOB,
  types TEXT NOT NULL,
  metadata TEXT NOT NULL,
  description TEXT,
  state TEXT NOT NULL,
  digest TEXT,
  md5 TEXT,
  size INTEGER,
  seen TEXT NOT NULL,
  error TEXT,
  UNIQUE (asset, name)
)""",
    """
CREATE TABLE features (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL,
  feature TEXT NOT NULL,
  record TEXT NOT NULL,
  asset_columns TEXT NOT NULL,
  state TEXT NOT NULL,
  digest TEXT
)""",
)
_ASSET: Final = (
    "rid, asset, name, kind, source, types, metadata, description, state, digest, md5, size,"
    " seen, error"
)
FEATURE_COLUMNS: Final = "id, target, feature, record, asset_columns, state, digest"


def version_of(connection: Any, path: Path) -> int:
    """Return the format of a database, 0 for one without tables.

    Raises:
        NewerSchemaError: a newer aexp has written it.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise NewerSchemaError(
            f"{path} was written by a newer aexp (format {found}, this one knows {FORMAT})"
        )
    return found


def where(states: Sequence[str]) -> str:
    """Return the condition for rows in one of these states, or in any."""
    return f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""


def read_assets(connection: Any, states: Sequence[str]) -> list[StagedAsset]:
    """Return the assets in these states, or all, in the order of their registration."""
    rows = connection.execute(
        f"SELECT {_ASSET} FROM assets {where(states)} ORDER BY rowid",  # noqa: S608
        tuple(states),
    )
    return [_asset(row) for row in rows]


def read_asset(connection: Any, condition: str, values: tuple[str, ...]) -> StagedAsset | None:
    """Return the one asset for which an SQL condition with these values holds, or None."""
    query = f"SELECT {_ASSET} FROM assets WHERE {condition}"  # noqa: S608
    row = connection.execute(query, values).fetchone()
    return None if row is None else _asset(row)


def put_asset(connection: Any, row: StagedAsset) -> None:
    """Write an asset in the place of the one of its id."""
    connection.execute(
        f"INSERT INTO assets ({_ASSET}) VALUES ({', '.join('?' * 14)})"  # noqa: S608
        " ON CONFLICT (rid) DO UPDATE SET kind = excluded.kind, source = excluded.source,"
        " types = excluded.types, metadata = excluded.metadata,"
        " description = excluded.description, state = excluded.state,"
        " digest = excluded.digest, md5 = excluded.md5, size = excluded.size,"
        " seen = excluded.seen, error = excluded.error",
        (
            *(row.rid, row.asset, row.name, row.kind),
            # As bytes: the name of a folder above it need not be text.
            *(None if row.source is None else os.fsencode(row.source), as_text(list(row.types))),
            *(as_text(dict(row.metadata)), row.description, row.state, row.digest, row.md5),
            *(row.size, row.seen, row.error),
        ),
    )


def _asset(row: tuple[Any, ...]) -> StagedAsset:
    rid, asset, name, kind, source, types, metadata, description, *rest = row
    return StagedAsset(
        rid, asset, name, kind, None if source is None else os.fsdecode(source),
        tuple(decode_json(types)), decode_json(metadata), description, *rest,
    )  # fmt: skip


def read_feature(row: tuple[Any, ...]) -> StagedFeature:
    """Return a row of :data:`FEATURE_COLUMNS` as a value."""
    id_, target, feature, record, columns, state, digest = row
    return StagedFeature(
        id_, target, feature, decode_json(record), tuple(decode_json(columns)),
        cast(FeatureState, state), digest,
    )  # fmt: skip


def as_text(value: Json) -> str:
    """Return JSON as the database holds it."""
    return compact_bytes(value).decode("utf-8")


def put_fact(connection: Any, key: str, value: Json) -> None:
    """Write what is known once of an execution."""
    connection.execute("REPLACE INTO facts (key, value) VALUES (?, ?)", (key, as_text(value)))


def read_fact(connection: Any, key: str) -> Json:
    """Return what :func:`put_fact` wrote, None when nothing was."""
    row = connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    return None if row is None else decode_json(row[0])
