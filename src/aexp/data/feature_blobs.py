"""Publishing values of features: one blob each, ids of assets for their paths (EXE-26, EXE-31)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aexp.data.staged import StagedFile, StagedRow, Staging, is_rid, place_of, shortened
from aexp.errors import CorruptDataError, FeatureError, NotFoundError
from aexp.ledger.features import read_feature
from aexp.model.canonical import Json
from aexp.model.outputs import feature_lines
from aexp.repo import Layout

_SHOWN: Final = 10
"""So many problems are said of one call."""


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


def feature_blobs(
    rows: Sequence[StagedRow], state: Staging, layout: Layout | None = None
) -> list[FeatureBlob]:
    """Return the blobs to publish of staged rows, one for each feature, ids in place of paths.

    The same rows give the same bytes.

    Args:
        rows: what is staged, in order.
        state: what else is staged; the bytes of its assets must have been stored.
        layout: the repository, to see that assets are of the kind that a column holds.

    Raises:
        FeatureError: a path stands for no published asset; all problems in one error (EXE-26).
    """
    paths = _Paths(state, layout)
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

    def __init__(self, state: Staging, layout: Layout | None = None) -> None:
        self._state = state
        self._layout = layout
        self._by_rid: dict[str, StagedFile] | None = None
        self._by_source: dict[str, dict[str, StagedFile]] = {}
        self._kinds: dict[tuple[str, str], dict[str, str | None]] = {}

    def resolve(self, row: StagedRow) -> dict[str, Json]:
        values = dict(row.values)
        for name in row.asset_columns:
            if values.get(name) is not None:
                where = f"{row.target}/{row.feature}, {name}"
                values[name] = self._rid(where, values[name], self._kind_in(row, name))
        return values

    def _kind_in(self, row: StagedRow, name: str) -> str | None:
        """Return the kind of asset that a column holds, None when that is not known."""
        if self._layout is None:
            return None
        key = (row.target, row.feature)
        if key not in self._kinds:
            self._kinds[key] = {}
            with contextlib.suppress(NotFoundError, CorruptDataError):
                definition = read_feature(self._layout, *key)
                self._kinds[key] = {column.name: column.asset for column in definition.columns}
        return self._kinds[key].get(name)

    def _rid(self, where: str, value: Json, kind: str | None) -> str:
        if not isinstance(value, str):
            raise FeatureError(f"{where}: {value!r} is neither a path nor the id of an asset")
        self._load()
        assert self._by_rid is not None
        rid = value if is_rid(value) else self._of_path(where, value, kind)
        known = self._by_rid.get(rid)
        if known is not None and kind not in (None, known.asset):
            raise FeatureError(f"{where}: {shortened(value)} is a {known.asset}, and no {kind}")
        if known is not None and known.state == "pending":
            raise FeatureError(f"{where}: {shortened(value)} has not been stored")
        return rid

    def _of_path(self, where: str, path: str, kind: str | None) -> str:
        assert self._by_rid is not None
        own, is_input = place_of(path)
        if own is not None and (is_input or own in self._by_rid):
            return own
        found = self._by_source.get(path) or self._by_source.get(os.path.realpath(path)) or {}
        # One file may be registered as several things; the column says which of them is meant.
        rids = [rid for rid, asset in found.items() if kind in (None, asset.asset)] or list(found)
        if len(rids) > 1:
            raise FeatureError(
                f"{where}: {shortened(path)} was registered {len(rids)} times",
                hint="give the path that asset_file_path() returned",
            )
        if not rids:
            raise FeatureError(
                f"{where}: {shortened(path)} is no asset of this execution", hint=_REGISTER
            )
        return rids[0]

    def _load(self) -> None:
        if self._by_rid is not None:
            return
        self._by_rid = {}
        for asset in self._state.assets():
            self._by_rid[asset.rid] = asset
            if asset.source is not None:
                for path in {os.path.abspath(asset.source), os.path.realpath(asset.source)}:
                    self._by_source.setdefault(path, {})[asset.rid] = asset
