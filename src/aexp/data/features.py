"""Features of a repository, and what executions stage of their values (EXE-25, EXE-26).

A definition is a record of the ledger; values are written by executions alone, and are published
as their outputs: one blob of JSON lines for each feature and publication.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from aexp.errors import FeatureError
from aexp.ledger.features import list_definitions, read_feature, write_feature
from aexp.model.canonical import Json, encode_number
from aexp.model.execution import asset_rid
from aexp.model.feature import Column, FeatureDefinition, define
from aexp.model.outputs import feature_lines
from aexp.repo import Layout

if TYPE_CHECKING:
    from aexp.data.records import FeatureRecord

Row: TypeAlias = tuple[str, str, dict[str, Json], tuple[str, ...]]
"""Target, feature, values by column, and which columns hold assets: what is staged of a record."""

_RID: Final = re.compile(r"[0-9a-f]{16}")
_JOB: Final = re.compile(r"[0-9a-f]{32}")
_SHOWN: Final = 10
"""So many problems are said of one call."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a repository.

    Attributes:
        definition: what it is.
    """

    definition: FeatureDefinition

    @property
    def target(self) -> str:
        """The kind of thing that it describes; also the column that says which one."""
        return self.definition.target

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.definition.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The other columns."""
        return self.definition.columns

    @property
    def description(self) -> str:
        """What it means."""
        return self.definition.description

    def feature_record_class(self) -> type[FeatureRecord]:
        """Return the class of its records: a field called like the target, and one per column.

        Raises:
            MissingExtraError: pydantic is not installed.
        """
        from aexp.data.records import record_class

        return record_class(self.definition)


def create_feature(
    layout: Layout, target: str, name: str, columns: object, *, description: str = ""
) -> Feature:
    """Define a feature; its record goes into the ledger (EXE-25).

    Defined again unchanged, it stays as it is.

    Args:
        layout: the repository.
        target: the kind of thing that it describes, such as ``Image``.
        name: such as ``Glaucoma_Grade``.
        columns: the types by name, or the one type of a column that is called like the feature:
            see :func:`aexp.model.feature.define`.
        description: what it means.

    Raises:
        FeatureError: the definition is none, or there is another one of that name.
        UnsafeValueError: something in it must not be published.
        StorageError: the disk refused.
    """
    return Feature(write_feature(layout, define(target, name, columns, description=description)))


def lookup_feature(layout: Layout, target: str, name: str) -> Feature:
    """Return a feature.

    Raises:
        NotFoundError: the ledger has none of that name.
        CorruptDataError: its record is damaged.
    """
    return Feature(read_feature(layout, target, name))


def list_features(layout: Layout) -> list[Feature]:
    """Return all features, sorted by target and name."""
    return [Feature(definition) for definition in list_definitions(layout)]


# --- staging -------------------------------------------------------------------------------


class AssetKinds(Protocol):
    """The kinds of assets that the repository declares."""

    def check(self, asset: object) -> str:
        """Return a kind that is declared; else raise a UsageError with the lines to add."""


def staged_rows(records: Iterable[object], kinds: AssetKinds | None = None) -> list[Row]:
    """Return what is to be staged of ``records``; nothing is staged unless all are right.

    Args:
        records: of one class, which a feature's ``feature_record_class()`` gave.
        kinds: the declared kinds of assets, to check the asset columns against.

    Raises:
        FeatureError: they are of several features, or are no records, or hold what cannot be.
        UsageError: an asset column holds a kind of asset that is not declared.
    """
    rows: list[Row] = []
    one: FeatureDefinition | None = None
    for number, record in enumerate(records):
        definition = getattr(type(record), "_definition", None)
        if not isinstance(definition, FeatureDefinition):
            raise FeatureError(
                f"number {number} is a {type(record).__name__}, not a record of a feature",
                hint="make records with repo.lookup_feature(TARGET, NAME).feature_record_class()",
            )
        if one is None:
            one = definition
            for column in definition.columns:
                if column.asset is not None and kinds is not None:
                    kinds.check(column.asset)
        elif definition != one:
            raise FeatureError(
                f"the records are of {one.key} and of {definition.key}; nothing was staged",
                hint="add the records of each feature in a call of its own",
            )
        values = {name: getattr(record, name) for name in type(record).model_fields}  # type: ignore[attr-defined]
        rows.append((one.target, one.name, _staged(one, values), one.asset_columns))
    return rows


def _staged(definition: FeatureDefinition, values: Mapping[str, Any]) -> dict[str, Json]:
    """Return values as JSON; a file as its path, whatever the working directory is later."""
    found: dict[str, Json] = {}
    for name, value in values.items():
        column = definition.column(name)
        if value is None:
            continue
        if column is not None and column.kind == "asset":
            _check_kind_of(definition, column, getattr(value, "asset_name", column.asset))
            is_id = isinstance(value, str) and _RID.fullmatch(value) is not None
            value = value if is_id else os.path.abspath(os.fspath(value))
        found[name] = encode_number(value) if isinstance(value, float) else value
    return found


def _check_kind_of(definition: FeatureDefinition, column: Column, kind: str | None) -> None:
    if kind != column.asset:
        raise FeatureError(
            f"column {column.name} of {definition.key} holds assets of the kind {column.asset},"
            f" and this one is a {kind}"
        )


# --- publishing ----------------------------------------------------------------------------


class StagedRow(Protocol):
    """One staged record, as :mod:`aexp.execution.state` keeps it."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def feature(self) -> str: ...  # noqa: D102
    @property
    def values(self) -> Mapping[str, Json]: ...  # noqa: D102
    @property
    def asset_columns(self) -> tuple[str, ...]: ...  # noqa: D102


class StagedFile(Protocol):
    """One staged asset, as :mod:`aexp.execution.state` keeps it."""

    @property
    def rid(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str | None: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102


class Staging(Protocol):
    """What is staged of an execution."""

    def assets(self, *states: str) -> Sequence[StagedFile]:
        """Return the assets, all when no state is given."""


@dataclass(slots=True)
class FeatureBlob:
    """The values of one feature that one publication publishes.

    Attributes:
        target: the kind of thing that the feature describes.
        feature: its name.
        ids: of the staged rows, in order.
        data: the JSON lines.
    """

    target: str
    feature: str
    ids: list[int] = field(default_factory=list)
    data: bytes = b""

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self.ids)


def feature_blobs(rows: Sequence[StagedRow], state: Staging) -> list[FeatureBlob]:
    """Return the blobs to publish of staged rows, one for each feature, ids in place of paths.

    The same rows give the same bytes.

    Args:
        rows: what is staged, in order.
        state: what else is staged; the bytes of its assets must have been stored.

    Raises:
        FeatureError: a path stands for no published asset; all problems in one error (EXE-26).
    """
    paths = _Paths(state)
    blobs: dict[tuple[str, str], FeatureBlob] = {}
    values: dict[tuple[str, str], list[dict[str, Json]]] = {}
    problems: list[str] = []
    for row in rows:
        key = (row.target, row.feature)
        try:
            found = paths.resolve(row)
        except FeatureError as error:
            problems.append(error.message)
            continue
        blobs.setdefault(key, FeatureBlob(*key)).ids.append(row.id)
        values.setdefault(key, []).append(found)
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise FeatureError("; ".join(problems[:_SHOWN]) + more, hint=_REGISTER)
    for key, blob in blobs.items():
        blob.data = feature_lines(values[key])
    return list(blobs.values())


def resolved_values(row: StagedRow, state: Staging) -> dict[str, Json]:
    """Return the values of one staged row as they are published: ids in the place of paths.

    Args:
        row: the staged row.
        state: what else is staged.

    Raises:
        FeatureError: a path stands for no asset of this execution whose bytes are stored, or for
            several (EXE-26).
    """
    return _Paths(state).resolve(row)


_REGISTER: Final = (
    "register the file with exe.asset_file_path(KIND, FILE), and publish again: nothing is lost"
)


class _Paths:
    """Finds the assets that paths stand for; the database is asked once."""

    def __init__(self, state: Staging) -> None:
        self._state = state
        self._by_rid: dict[str, StagedFile] | None = None
        self._by_source: dict[str, set[str]] = {}

    def resolve(self, row: StagedRow) -> dict[str, Json]:
        values = dict(row.values)
        for name in row.asset_columns:
            if values.get(name) is not None:
                values[name] = self._rid(f"{row.target}/{row.feature}, {name}", values[name])
        return values

    def _rid(self, where: str, value: Json) -> str:
        if not isinstance(value, str):
            raise FeatureError(f"{where}: {value!r} is neither a path nor the id of an asset")
        self._load()
        assert self._by_rid is not None
        rid = value if _RID.fullmatch(value) else self._of_path(where, value)
        known = self._by_rid.get(rid)
        if known is not None and known.state == "pending":
            raise FeatureError(f"{where}: {_short(value)} has not been stored")
        return rid

    def _of_path(self, where: str, path: str) -> str:
        assert self._by_rid is not None
        own, is_input = _place_of(path)
        if own is not None and (is_input or own in self._by_rid):
            return own
        found = self._by_source.get(path) or self._by_source.get(os.path.realpath(path)) or set()
        if len(found) > 1:
            raise FeatureError(
                f"{where}: {_short(path)} was registered {len(found)} times",
                hint="give the path that asset_file_path() returned",
            )
        if not found:
            raise FeatureError(
                f"{where}: {_short(path)} is no asset of this execution", hint=_REGISTER
            )
        return next(iter(found))

    def _load(self) -> None:
        if self._by_rid is not None:
            return
        self._by_rid = {}
        for asset in self._state.assets():
            self._by_rid[asset.rid] = asset
            if asset.source is not None:
                for path in {os.path.abspath(asset.source), os.path.realpath(asset.source)}:
                    self._by_source.setdefault(path, set()).add(asset.rid)


def _place_of(path: str) -> tuple[str | None, bool]:
    """Return the id of the asset at ``path`` in a working folder, and whether it is an input.

    The id is made of the execution's, the kind and the name, all of which the path says; so it is
    found wherever the run store has been moved to.
    """
    parts = PurePath(path).parts
    for i in range(len(parts) - 4):
        if not _JOB.fullmatch(parts[i]) or parts[i + 1] != "execution":
            continue
        rest = parts[i + 2 :]
        if rest[0] == "assets":
            return asset_rid(parts[i], rest[1], "/".join(rest[2:])), False
        if rest[:2] == ("inputs", "assets") and len(rest) > 4 and _JOB.fullmatch(rest[3]):
            return asset_rid(rest[3], rest[2], "/".join(rest[4:])), True
    return None, False


def _short(path: str) -> str:
    """Return a path as a message shows it: its end says enough."""
    parts = PurePath(path).parts
    return path if len(parts) <= 4 else "…/" + "/".join(parts[-3:])
