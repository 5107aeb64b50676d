"""What an execution's outputs go through before they are published (EXE-20 to EXE-24)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aexp.execution.asset_path import AssetFilePath
from aexp.execution.checking import check_staged, strays
from aexp.execution.kinds import description_text, load_kinds, metadata_value
from aexp.execution.metrics import log_metrics_of, metrics_file, read_metrics
from aexp.execution.placing import Said, stage

if TYPE_CHECKING:
    from aexp.execution.execution import Execution

__all__ = [
    "asset_file_path",
    "check_staged",
    "log_metrics_of",
    "metrics_file",
    "read_metrics",
    "strays",
]


def asset_file_path(
    execution: Execution,
    asset_name: str,
    file_name: str | os.PathLike[str],
    *,
    asset_types: Sequence[str] | str | None = None,
    copy_file: bool = False,
    rename_file: str | None = None,
    metadata: Mapping[str, object] | None = None,
    description: str | None = None,
) -> AssetFilePath:
    """Register an output, and return where it is staged (EXE-20).

    It is durable when this returns. The same kind and name again is the same asset: what it says
    anew replaces what was said before, and another file takes the place of the one before.

    Args:
        execution: whose output.
        asset_name: its kind: ``Model``, ``Image``, ``Table``, ``Figure``, ``Execution_Metadata``
            or one that ``aexp.yaml`` declares.
        file_name: a file that exists is linked or copied into staging, and must not change until
            it is published when it is linked; else the name of a new file, to be written to the
            returned path.
        asset_types: declared types; the kind's own name when nothing was ever said.
        copy_file: copy the file, so that it may change or go afterwards.
        rename_file: the name it gets.
        metadata: what is said of it; values have a JSON form, dates and times become text.
        description: for people.

    Raises:
        UsageError: the kind or a type is not declared, the name is none for a file, a folder was
            given, the asset is published, or something written to staging would be lost.
        NotFoundError: a path with folders at which there is nothing.
        StorageError: the file cannot be read, or the disk refused.
    """
    kinds = load_kinds(execution.layout)
    asset = kinds.check(asset_name)
    given = (asset_types,) if isinstance(asset_types, str) else asset_types
    said = Said(
        None if given is None else kinds.check_types(given),
        None if metadata is None else {k: metadata_value(k, v) for k, v in metadata.items()},
        description_text(description),
    )
    return stage(
        execution.state, asset, file_name, said, copy_file=copy_file, rename_file=rename_file
    )
