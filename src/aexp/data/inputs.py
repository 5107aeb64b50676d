"""Declared inputs: resolved when an execution is created, verified before it works.

What is recorded names versions and digests, so that what is fetched later, on whatever machine, is
what was meant (EXE-05, EXE-07).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexp.data.bags import DatasetBag, files_of, is_sound, make_bag, open_bag
from aexp.data.cache import shared_copy
from aexp.data.fetching import USUAL, Supply, bring, place_sound
from aexp.data.published import assets_by_id
from aexp.errors import CorruptDataError, UsageError
from aexp.ledger.datasets import DatasetRecord, read_dataset
from aexp.model.canonical import Json
from aexp.model.dataset import path_problem
from aexp.registry.blobs import Blob
from aexp.registry.remotes.mover import Reporter
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.storage.atomic import TEMP_SUFFIX, make_folder, storage_error

if TYPE_CHECKING:
    from aexp.data.assets import Asset
    from aexp.data.specs import AssetSpec, DatasetSpec

INPUTS_DIR: Final = "inputs"
DATASETS_DIR: Final = "datasets"
ASSETS_DIR: Final = "assets"


def prepare(
    layout: Layout,
    registry: Registry,
    datasets: Sequence[DatasetSpec],
    assets: Sequence[AssetSpec],
) -> list[Json]:
    """Return what an execution's document says of its inputs: versions resolved, with digests.

    What is declared twice is listed once.

    Args:
        layout: the repository.
        registry: where lists may be that an entry had no room for.
        datasets: the datasets.
        assets: the published assets.

    Raises:
        NotFoundError: there is no such dataset, version or asset.
        UsageError: a version is none.
        CorruptDataError: the record of a dataset is damaged.
    """
    listed: dict[tuple[str, ...], dict[str, Json]] = {}
    for dataset in datasets:
        record = read_dataset(layout, dataset.rid, dataset.version)
        one = _dataset_input(record, dataset.materialize)
        known = listed.setdefault(("dataset", record.label), one)
        known["materialize"] = known["materialize"] or dataset.materialize
    found = assets_by_id(layout, registry, [asset.rid for asset in assets])
    for spec, asset in zip(assets, found, strict=True):
        known = listed.setdefault(("asset", asset.rid), _asset_input(asset))
        if spec.cache:
            known["cache"] = True
    return list(listed.values())


def _dataset_input(record: DatasetRecord, materialize: bool) -> dict[str, Json]:
    return {
        "kind": "dataset",
        "rid": record.name,
        "version": str(record.version),
        "digest": record.digest,
        "size": record.size,
        "files": record.count,
        "materialize": materialize,
    }


def _asset_input(asset: Asset) -> dict[str, Json]:
    return {
        "kind": "asset",
        "rid": asset.rid,
        "asset": asset.asset,
        "name": asset.name,
        "digest": asset.digest,
        "md5": asset.md5,
        "size": asset.size,
        "execution": asset.execution,
    }


def fetch(
    layout: Layout,
    registry: Registry,
    inputs: Sequence[Mapping[str, Json]],
    working_dir: Path,
    reporter: Reporter | None = None,
) -> dict[str, list[Path]]:
    """Put all inputs into the working folder, each verified; what is there already is read again.

    Args:
        layout: the repository.
        registry: where bytes are; what is not there comes from the default remote.
        inputs: what :func:`prepare` gave.
        working_dir: of the execution.
        reporter: is told how fetching goes.

    Returns:
        The paths of the input assets by kind of asset.

    Raises:
        NotFoundError: bytes are not here, and no remote has them.
        CorruptDataError: an input is not what it was when the execution was created.
        StorageError: the disk refused.
        TransferError: the remote refused, or was unavailable until the tries were used up.
    """
    supply = USUAL if reporter is None else Supply(reporter=reporter)
    for one in inputs:
        if one.get("kind") == "dataset":
            _fetch_dataset(layout, registry, one, working_dir, bool(one["materialize"]), supply)
    assets = [one for one in inputs if one.get("kind") == "asset"]
    places = [asset_input_path(working_dir, one) for one in assets]
    _place_assets(layout, registry, list(zip(assets, places, strict=True)), supply)
    paths: dict[str, list[Path]] = {}
    for one, path in zip(assets, places, strict=True):
        paths.setdefault(str(one["asset"]), []).append(path)
    return paths


def asset_input_path(working_dir: Path, one: Mapping[str, Json]) -> Path:
    """Return where an input asset is in a working folder."""
    below = f"{one['asset']}/{one['execution']}/{one['name']}"
    if (problem := path_problem(below)) is not None or below.count("/") != 2:
        raise CorruptDataError(f"the name of the asset {one['rid']} {problem or 'has a slash'}")
    return working_dir / INPUTS_DIR / ASSETS_DIR / below


def bag_folder(working_dir: Path, one: Mapping[str, Json]) -> Path:
    """Return where the bag of an input dataset is in a working folder."""
    return working_dir / INPUTS_DIR / DATASETS_DIR / f"{one['rid']}@{one['version']}"


def input_bag(
    layout: Layout,
    registry: Registry,
    inputs: Sequence[Mapping[str, Json]],
    working_dir: Path,
    spec: DatasetSpec,
    reporter: Reporter | None = None,
) -> DatasetBag:
    """Return the bag of a dataset that an execution has declared (EXE-06).

    What :func:`fetch` has made is not read again. A dataset that was declared without its files
    gets them here when ``spec`` asks for them.

    Raises:
        UsageError: the execution has not declared it, or several versions of it.
        NotFoundError, CorruptDataError, StorageError, TransferError: see :func:`fetch`.
    """
    supply = USUAL if reporter is None else Supply(reporter=reporter)
    one = _declared(inputs, spec)
    record = _recorded(layout, one)
    files = files_of(layout, registry, record, supply=supply)
    done = open_bag(record, bag_folder(working_dir, one), files)
    if done is not None:
        return done
    return _fetch_dataset(layout, registry, one, working_dir, spec.materialize, supply)


def _declared(inputs: Sequence[Mapping[str, Json]], spec: DatasetSpec) -> Mapping[str, Json]:
    datasets = [one for one in inputs if one.get("kind") == "dataset"]
    found = [one for one in datasets if one["rid"] == spec.rid]
    if spec.version is not None:
        found = [one for one in found if one["version"] == spec.version]
    if len(found) == 1:
        return found[0]
    wanted = spec.rid if spec.version is None else f"{spec.rid}@{spec.version}"
    if found:
        versions = ", ".join(str(one["version"]) for one in found)
        raise UsageError(
            f"the execution reads several versions of {spec.rid}: {versions}",
            hint=f"say which: DatasetSpec(rid={spec.rid!r}, version=…)",
        )
    known = ", ".join(f"{one['rid']}@{one['version']}" for one in datasets) or "none"
    raise UsageError(
        f"the execution has not declared the dataset {wanted}",
        hint=f"list it in ExecutionConfiguration(datasets=…); it declared: {known}",
    )


def _recorded(layout: Layout, one: Mapping[str, Json]) -> DatasetRecord:
    """Return the record of an input, which must still be the one that was declared."""
    record = read_dataset(layout, str(one["rid"]), str(one["version"]))
    if record.digest != one["digest"]:
        raise CorruptDataError(
            f"the dataset {record.label} is not what it was when the execution was created",
            hint="another branch gave this version to other content; check out the one that the"
            " execution was created in",
        )
    return record


def _fetch_dataset(
    layout: Layout,
    registry: Registry,
    one: Mapping[str, Json],
    working_dir: Path,
    materialize: bool,
    supply: Supply,
) -> DatasetBag:
    record = _recorded(layout, one)
    folder = bag_folder(working_dir, one)
    return make_bag(layout, registry, record, folder, materialize=materialize, supply=supply)


def _place_assets(
    layout: Layout,
    registry: Registry,
    assets: Sequence[tuple[Mapping[str, Json], Path]],
    supply: Supply,
) -> None:
    """Put input assets where they belong; those of the cache one by one, each under its lock."""
    wrong = [
        (one, path)
        for one, path in assets
        if one.get("cache") or not is_sound(path, str(one["digest"]), int(one["size"]))
    ]
    plain = [_blob(one) for one, _ in wrong if not one.get("cache")]
    bring(layout, registry, "the input assets", plain, supply=supply)
    for one, path in wrong:
        try:
            make_folder(path.parent)
        except OSError as error:
            raise storage_error(error, path) from error
        blob, what = _blob(one), f"the input asset {one['asset']}/{one['name']} ({one['rid']})"
        if one.get("cache"):
            get = partial(_into, layout, registry, what, blob, supply)
            _link(shared_copy(layout, blob, str(one["md5"]), get), path)
        else:
            place_sound(layout, registry, what, blob, path, supply)


def _blob(one: Mapping[str, Json]) -> Blob:
    return Blob(str(one["digest"]), int(one["size"]))


def _into(
    layout: Layout, registry: Registry, what: str, blob: Blob, supply: Supply, target: Path
) -> None:
    bring(layout, registry, what, [blob], supply=supply)
    place_sound(layout, registry, what, blob, target, supply)


def _link(copy: Path, path: Path) -> None:
    """Make ``path`` a link to the shared copy, in place of whatever stood there."""
    temp = path.with_name(f"{path.name[:40]}.{os.urandom(6).hex()}{TEMP_SUFFIX}")
    try:
        temp.symlink_to(copy)
        temp.replace(path)
    except OSError as error:
        temp.unlink(missing_ok=True)
        raise storage_error(error, path) from error
