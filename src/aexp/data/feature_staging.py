"""Staging values of features: all records of one call, or none of them (EXE-25, EXE-26)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from aexp.data.staged import Staging, is_rid, place_of, shortened
from aexp.errors import FeatureError
from aexp.ledger.features import read_feature
from aexp.model.canonical import Json, encode_number
from aexp.model.feature import Column, FeatureDefinition, difference
from aexp.repo import Layout

Row: TypeAlias = tuple[str, str, dict[str, Json], tuple[str, ...]]
"""Target, feature, values by column, and which columns hold assets: what is staged of a record."""


class AssetKinds(Protocol):
    """The kinds of assets that the repository declares."""

    def check(self, asset: object) -> str:
        """Return a kind that is declared; else raise a UsageError with the lines to add."""


def staged_rows(
    records: Iterable[object],
    kinds: AssetKinds | None = None,
    *,
    layout: Layout | None = None,
    state: Staging | None = None,
) -> list[Row]:
    """Return what is to be staged of ``records``; nothing is staged unless all are right.

    What could never be published is refused here, where it is still easily corrected.

    Args:
        records: of one class, which a feature's ``feature_record_class()`` gave.
        kinds: the declared kinds of assets, to check the asset columns against.
        layout: the repository, to see that its ledger has the feature, and the assets that are
            given by their ids.
        state: what is staged already: ids of such assets are good, too.

    Raises:
        FeatureError: they are of several features, or are no records, or hold what cannot be.
        UsageError: an asset column holds a kind of asset that is not declared.
        NotFoundError: the ledger does not have the feature.
    """
    rows: list[Row] = []
    one: FeatureDefinition | None = None
    assets = _Known(layout, state)
    for number, record in enumerate(records):
        definition = getattr(type(record), "_definition", None)
        if not isinstance(definition, FeatureDefinition):
            raise FeatureError(
                f"number {number} is a {type(record).__name__}, not a record of a feature",
                hint="make records with repo.lookup_feature(TARGET, NAME).feature_record_class()",
            )
        if one is None:
            one = definition
            _check_definition(definition, kinds, layout)
        elif definition != one:
            raise FeatureError(
                f"the records are of {one.key} and of {definition.key}; nothing was staged",
                hint="add the records of each feature in a call of its own",
            )
        values = {name: getattr(record, name) for name in type(record).model_fields}  # type: ignore[attr-defined]
        rows.append((one.target, one.name, _staged(one, values, assets), one.asset_columns))
    return rows


def _check_definition(
    definition: FeatureDefinition, kinds: AssetKinds | None, layout: Layout | None
) -> None:
    if layout is not None:
        known = read_feature(layout, definition.target, definition.name)
        if (how := difference(known, definition)) is not None:
            raise FeatureError(
                f"the records are of another {definition.key} than the ledger has: {how}",
                hint="make them with repo.lookup_feature(TARGET, NAME) of this repository",
            )
    for column in definition.columns:
        if column.asset is not None and kinds is not None:
            kinds.check(column.asset)


def _staged(
    definition: FeatureDefinition, values: Mapping[str, Any], assets: _Known
) -> dict[str, Json]:
    """Return values as JSON; a file as its path, whatever the working directory is later."""
    found: dict[str, Json] = {}
    for name, value in values.items():
        column = definition.column(name)
        if value is None:
            continue
        if column is not None and column.kind == "asset":
            value = _staged_asset(f"column {name} of {definition.key}", column, value, assets)
        found[name] = encode_number(value) if isinstance(value, float) else value
    return found


def _staged_asset(where: str, column: Column, value: Any, assets: _Known) -> str:
    """Return the id of an asset, or the absolute path of a file that can become one."""
    if is_rid(value):
        path = str(value)
        kind = assets.kind_of(where, path)
    else:
        kind = getattr(value, "asset_name", None)
        path = os.path.abspath(os.fspath(value))
        rid, is_input = place_of(path)
        if rid is not None and not is_input and not assets.may_be_staged(rid):
            raise FeatureError(
                f"{where}: {shortened(path)} is no asset of this execution",
                hint="publish the execution that it is of, and give the asset's id",
            )
        if rid is None and not Path(path).exists():
            raise FeatureError(
                f"{where}: there is no file {shortened(path)}",
                hint="write it, and register it with exe.asset_file_path(KIND, FILE), first",
            )
    if kind not in (None, column.asset):
        raise FeatureError(
            f"{where} holds assets of the kind {column.asset}, and this one is a {kind}"
        )
    return path


class _Known:
    """The assets that records may name by their ids; they are looked up when one does."""

    def __init__(self, layout: Layout | None, state: Staging | None) -> None:
        self._layout = layout
        self._state = state
        self._staged: dict[str, str] | None = None
        self._kinds: dict[str, str] | None = None
        self._is_whole = layout is not None

    def may_be_staged(self, rid: str) -> bool:
        """Return whether this execution has registered an asset, as far as that can be known."""
        return self._state is None or rid in self._of_state()

    def kind_of(self, where: str, rid: str) -> str | None:
        """Return the kind of an asset; None when it cannot be known here."""
        if self._kinds is None:
            self._kinds = self._load()
        if rid not in self._kinds and self._is_whole:
            raise FeatureError(
                f"{where}: neither the ledger nor this execution has an asset {rid}",
                hint="see `aexp asset list`; `aexp sync` fetches what others have published",
            )
        return self._kinds.get(rid)

    def _of_state(self) -> dict[str, str]:
        if self._staged is None:
            assets = self._state.assets() if self._state is not None else ()
            self._staged = {asset.rid: asset.asset for asset in assets}
        return self._staged

    def _load(self) -> dict[str, str]:
        kinds = dict(self._of_state())
        if self._layout is not None:
            from aexp.data.assets import find_assets  # only who names an asset by its id needs it
            from aexp.registry import open_registry

            found = find_assets(self._layout, open_registry(self._layout))
            kinds.update({asset.rid: asset.asset for asset in found.assets})
            self._is_whole = not found.unlisted
        return kinds
