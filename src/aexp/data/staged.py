"""What is staged of an execution, as features look at it, and the paths of its files (EXE-26)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final, Protocol

from aexp.model.canonical import Json
from aexp.model.execution import asset_rid

_RID: Final = re.compile(r"[0-9a-f]{16}")
_JOB: Final = re.compile(r"[0-9a-f]{32}")


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
    def asset(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str | None: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102


class Staging(Protocol):
    """What is staged of an execution."""

    def assets(self, *states: str) -> Sequence[StagedFile]:
        """Return the assets, all when no state is given."""


def is_rid(value: object) -> bool:
    """Return whether ``value`` is the id of an asset, and no path."""
    return isinstance(value, str) and _RID.fullmatch(value) is not None


def place_of(path: str) -> tuple[str | None, bool]:
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


def shortened(path: str) -> str:
    """Return a path as a message shows it: its end says enough."""
    parts = PurePath(path).parts
    return path if len(parts) <= 4 else "…/" + "/".join(parts[-3:])
