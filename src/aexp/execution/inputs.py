"""The inputs of an execution as files: downloaded and verified before its work starts (EXE-07)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aexp.data.specs import DatasetSpec
from aexp.execution.asset_path import AssetFacts, AssetFilePath
from aexp.model.canonical import Json

if TYPE_CHECKING:
    from aexp.data.bags import DatasetBag
    from aexp.execution.life import Life


def fetch_inputs(execution: Life) -> dict[str, list[AssetFilePath]]:
    """Bring all inputs of an execution here, and return the paths of its assets by kind.

    Raises:
        NotFoundError, TransferError, CorruptDataError: one cannot be had, or is damaged.
        StorageError: the disk refused.
    """
    inputs = execution.inputs
    if not inputs:
        return {}
    from aexp.data.inputs import fetch

    found = fetch(execution.layout, execution.registry, inputs, execution.working_dir)
    assets: dict[str, list[dict[str, Json]]] = {}
    for each in inputs:
        if each["kind"] == "asset":
            assets.setdefault(each["asset"], []).append(each)
    return {
        kind: [
            AssetFilePath.of(path, AssetFacts(facts["rid"], kind, facts["name"]))
            for path, facts in zip(found[kind], listed, strict=True)
        ]
        for kind, listed in assets.items()
    }


def dataset_bag(execution: Life, dataset: DatasetSpec | str) -> DatasetBag:
    """Return the bag of a dataset that an execution has declared (EXE-06).

    Raises:
        UsageError: it has not been declared, or in several versions.
        NotFoundError, TransferError, CorruptDataError: it cannot be had, or is damaged.
        StorageError: the disk refused.
    """
    from aexp.data.inputs import input_bag

    spec = DatasetSpec(rid=dataset) if isinstance(dataset, str) else dataset
    where = execution.working_dir
    return input_bag(execution.layout, execution.registry, execution.inputs, where, spec)
