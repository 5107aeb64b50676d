"""What one execution has staged: a small SQLite database in the run's folder (EXE-23, ADR 10).

Every method is one transaction, which is durable when it returns (``synchronous=FULL``, trap 52).
The database is opened anew for each, so that threads, forked children and other processes may
use one execution, and nothing needs closing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aexp.errors import (
    CorruptDataError,
    InvalidTransitionError,
    NotFoundError,
    RunBusyError,
    StagedOutputError,
    UsageError,
)
from aexp.execution.manifest import ManifestWriter
from aexp.execution.rows import (
    FEATURE_COLUMNS,
    FORMAT,
    TABLES,
    as_text,
    put_asset,
    put_fact,
    read_asset,
    read_assets,
    read_fact,
    read_feature,
    version_of,
    where,
)
from aexp.execution.rows import AssetState as AssetState
from aexp.execution.rows import FeatureState as FeatureState
from aexp.execution.rows import Kind as Kind
from aexp.execution.rows import StagedAsset as StagedAsset
from aexp.execution.rows import StagedFeature as StagedFeature
from aexp.model.canonical import Json
from aexp.model.owner import Liveness, Owner, proven_dead_by_restart
from aexp.process import liveness, this_process
from aexp.storage import sqlite
from aexp.storage.atomic import make_folder, sync_folder
from aexp.storage.seen import digest_in, look

DATABASE: Final = "execution.sqlite"
WORKING_DIR: Final = "execution"
ASSETS_DIR: Final = "assets"

_CONFIGURATION: Final = "configuration"
_PUBLISHER: Final = "publisher"


class State:
    """What one execution has staged. Made by :meth:`create` and :meth:`open`.

    Attributes:
        folder: the run's folder.
        configuration: the execution's configuration, as it was given.
    """

    def __init__(self, folder: Path, configuration: Mapping[str, Json]) -> None:
        self.folder = folder
        self.configuration = configuration
        self._manifest = ManifestWriter(self.working_dir)

    # --- opening -------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path, configuration: Mapping[str, Json]) -> State:
        """Make the database of a new execution, and its working folder.

        Args:
            folder: the run's folder; it exists.
            configuration: what was given, as JSON.

        Raises:
            UsageError: the run has one already.
            StorageError: the disk refused.
        """
        path = folder / DATABASE
        with sqlite.connect(path, create=True) as connection, sqlite.transaction(connection):
            if version_of(connection, path):
                raise UsageError(f"run {folder.name} is an execution already")
            for table in TABLES:
                connection.execute(table)
            put_fact(connection, _CONFIGURATION, configuration)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        sync_folder(folder)
        make_folder(folder / WORKING_DIR / ASSETS_DIR)
        state = cls(folder, dict(configuration))
        state.write_manifest()
        return state

    @classmethod
    def open(cls, folder: Path) -> State:
        """Return what an execution has staged; the database is read, and nothing is changed.

        Args:
            folder: the run's folder.

        Raises:
            NotFoundError: the run is no execution, or is not here.
            CorruptDataError: its database is damaged, or a newer aexp's.
        """
        state = cls(folder, {})
        with state._reading() as connection:
            found = read_fact(connection, _CONFIGURATION)
        if not isinstance(found, dict):
            raise CorruptDataError(f"{folder / DATABASE} holds no configuration")
        state.configuration = found
        return state

    def __reduce__(self) -> tuple[Any, ...]:
        return (State.open, (self.folder,))

    @property
    def execution_rid(self) -> str:
        """The run's id."""
        return self.folder.name

    @property
    def working_dir(self) -> Path:
        """The execution's working folder."""
        return self.folder / WORKING_DIR

    @property
    def assets_dir(self) -> Path:
        """Where the staged files are, in a folder for each kind."""
        return self.folder / WORKING_DIR / ASSETS_DIR

    def path_of(self, row: StagedAsset) -> Path:
        """Return the staged file of an asset, or the link to it."""
        return self.assets_dir / row.asset / row.name

    # --- assets --------------------------------------------------------------------------

    def register(self, row: StagedAsset) -> StagedAsset:
        """Stage an asset, or change the one of that kind and name; return what is there then.

        What is registered again as another file (another ``kind``, ``source`` or, unless it is
        empty, ``seen``) begins anew as ``pending``; else it keeps its state. The new row's types,
        metadata and description stand.

        Raises:
            UsageError: it is published, and this would change it.
        """
        with self._changing() as connection:
            there = read_asset(connection, "asset = ? AND name = ?", (row.asset, row.name))
            if there is not None:
                row = _updated(there, row)
                if row == there:
                    return there
            put_asset(connection, row)
        self._project()
        return row

    def amend(
        self,
        rid: str,
        *,
        types: Sequence[str] | None = None,
        metadata: Mapping[str, Json] | None = None,
        description: str | None = None,
    ) -> StagedAsset:
        """Change what is said of an asset; return it as it is then.

        Args:
            rid: which.
            types: all its types.
            metadata: keys to set; the others stay.
            description: the new one.

        Raises:
            NotFoundError: nothing of that id is registered.
            UsageError: it is published, and this would change it.
        """
        with self._changing() as connection:
            there = read_asset(connection, "rid = ?", (rid,))
            if there is None:
                raise NotFoundError(f"execution {self.execution_rid} has no asset {rid}")
            row = replace(
                there,
                types=there.types if types is None else tuple(types),
                metadata={**there.metadata, **(metadata or {})},
                description=there.description if description is None else description,
            )
            if row == there:
                return there
            check_changeable(there)
            put_asset(connection, row)
        self._project()
        return row

    def withdraw(self, rid: str) -> StagedAsset:
        """Take a registration back; return it as it was. What is published stays.

        Raises:
            NotFoundError: nothing of that id is registered.
            UsageError: it is published.
        """
        with self._changing() as connection:
            there = read_asset(connection, "rid = ?", (rid,))
            if there is None:
                raise NotFoundError(f"execution {self.execution_rid} has no asset {rid}")
            check_changeable(there)
            connection.execute("DELETE FROM assets WHERE rid = ?", (rid,))
        if there.kind == "link":
            with suppress(FileNotFoundError):
                self.path_of(there).unlink()
        self._project()
        return there

    def assets(self, *states: str) -> list[StagedAsset]:
        """Return the assets in these states, or all, in the order of their registration."""
        with self._reading() as connection:
            return read_assets(connection, states)

    def asset(self, rid: str) -> StagedAsset | None:
        """Return the asset of that id, or None."""
        with self._reading() as connection:
            return read_asset(connection, "rid = ?", (rid,))

    def find(self, asset: str, name: str) -> StagedAsset | None:
        """Return the asset of that kind and file name, or None."""
        with self._reading() as connection:
            return read_asset(connection, "asset = ? AND name = ?", (asset, name))

    def stored(self, items: Sequence[tuple[str, str, str, int]]) -> None:
        """Note that the bytes of assets are in the registry.

        Args:
            items: of each, its id, digest, MD5 and size in bytes.

        Raises:
            StagedOutputError: a linked file is not what it was when it was registered; none of
                the items is noted.
        """
        with self._changing() as connection:
            for rid, digest, md5, size in items:
                row = read_asset(connection, "rid = ?", (rid,))
                if row is None or row.state == "published":
                    continue
                if row.kind == "link" and digest_in(row.seen) not in (None, digest):
                    problem = f"{row.label} was changed after it was registered, at {row.source}"
                    raise StagedOutputError(problem, problems=(problem,))
                seen = row.seen if row.kind == "link" else look(self.path_of(row), size=size)
                row = replace(row, state="stored", digest=digest, md5=md5, size=size)
                put_asset(connection, replace(row, seen=seen, error=None))
        self._project()

    def mark(self, rids: Sequence[str], state: str, error: str | None = None) -> None:
        """Put assets into a state, with the error that the last try ended with.

        What returns to ``pending`` forgets its digest.

        Raises:
            InvalidTransitionError: one is published, and would be so no more; none is changed.
        """
        forget = ", digest = NULL, md5 = NULL, size = NULL" if state == "pending" else ""
        with self._changing() as connection:
            if state != "published":
                for rid in rids:
                    row = read_asset(connection, "rid = ? AND state = 'published'", (rid,))
                    if row is not None:
                        raise InvalidTransitionError(f"{row.label} is published, and stays so")
            connection.executemany(
                f"UPDATE assets SET state = ?, error = ?{forget} WHERE rid = ?",  # noqa: S608
                [(state, error, rid) for rid in rids],
            )
        self._project()

    # --- features ------------------------------------------------------------------------

    def add_features(
        self, rows: Sequence[tuple[str, str, Mapping[str, Json], tuple[str, ...]]]
    ) -> int:
        """Stage feature values, all or none; return how many.

        Args:
            rows: of each, its target, feature, values, and which of them are asset columns.
        """
        with self._changing() as connection:
            connection.executemany(
                "INSERT INTO features (target, feature, record, asset_columns, state)"
                " VALUES (?, ?, ?, ?, 'pending')",
                [(t, f, as_text(values), as_text(list(columns))) for t, f, values, columns in rows],
            )
        return len(rows)

    def features(self, *states: str) -> list[StagedFeature]:
        """Return the feature values in these states, or all, in the order they were added."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {FEATURE_COLUMNS} FROM features {where(states)} ORDER BY id",  # noqa: S608
                states,
            )
            return [read_feature(row) for row in rows]

    def mark_features(self, ids: Sequence[int], state: str, digest: str | None = None) -> None:
        """Put feature values into a state, with the digest of the blob that holds them."""
        with self._changing() as connection:
            connection.executemany(
                "UPDATE features SET state = ?, digest = ? WHERE id = ?",
                [(state, digest, id_) for id_ in ids],
            )

    # --- who publishes -------------------------------------------------------------------

    def publisher(self) -> Owner | None:
        """Return the process that publishes, or the last one, if it died over it; else None."""
        with self._reading() as connection:
            return Owner.from_json(read_fact(connection, _PUBLISHER))

    def take_publisher(self, owner: Owner, *, force: bool = False) -> None:
        """Make ``owner`` the one that publishes; of two that try at once, one gets it.

        Args:
            owner: the process, mostly this one.
            force: take it from a process of which it is not known whether it lives, or that does.

        Raises:
            RunBusyError: another process publishes, or may.
        """
        with self._changing() as connection:
            there = Owner.from_json(read_fact(connection, _PUBLISHER))
            if there is not None and not force and not may_follow(there, owner):
                raise RunBusyError(
                    f"{there.describe()} publishes execution {self.execution_rid}",
                    hint="wait for it; if it is gone, resume with `force=True`",
                )
            put_fact(connection, _PUBLISHER, owner.to_json())

    def release_publisher(self) -> None:
        """Note that nobody publishes now, unless it is another process than this."""
        with self._changing() as connection:
            there = Owner.from_json(read_fact(connection, _PUBLISHER))
            if there is None or there == this_process():
                connection.execute("DELETE FROM facts WHERE key = ?", (_PUBLISHER,))

    # --- the projection ------------------------------------------------------------------

    def write_manifest(self) -> None:
        """Write ``asset-manifest.json`` anew, as the database is now (EXE-23)."""
        # Under the database's lock: an older state never replaces a newer one.
        with self._changing() as connection:
            self._manifest.write(self.execution_rid, read_assets(connection, ()))

    def _project(self) -> None:
        if self._manifest.is_due():
            self.write_manifest()

    # --- the database --------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        path = self.folder / DATABASE
        if path.exists():
            with sqlite.connect(path) as connection:
                if version_of(connection, path):
                    yield connection
                    return
        # There is none, or its maker was killed before the first transaction.
        raise NotFoundError(
            f"run {self.execution_rid} is no execution, or was not made on this machine",
            hint="see `aexp execution list`",
        )

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        with self._reading() as connection, sqlite.transaction(connection):
            yield connection


def may_follow(there: Owner, owner: Owner) -> bool:
    """Return whether ``owner`` may publish after ``there``: it is the same, or that one is gone."""
    if there == owner or proven_dead_by_restart(there, owner):
        return True
    return liveness(there) is Liveness.DEAD


def _updated(there: StagedAsset, row: StagedAsset) -> StagedAsset:
    """Return what becomes of a registered asset that is registered again."""
    said = replace(there, types=row.types, metadata=dict(row.metadata), description=row.description)
    is_same_file = (there.kind, there.source) == (row.kind, row.source) and row.seen in (
        "",
        there.seen,
    )
    if not is_same_file:
        said = replace(
            said,
            kind=row.kind,
            source=row.source,
            seen=row.seen,
            state="pending",
            digest=None,
            md5=None,
            size=None,
            error=None,
        )
    if said != there:
        check_changeable(there)
    return said


def check_changeable(row: StagedAsset) -> None:
    """Raise :class:`UsageError` when an asset is published."""
    if row.state == "published":
        raise UsageError(
            f"{row.label} is published, and nothing of it changes any more",
            hint="register it under another name: rename_file=…",
        )
