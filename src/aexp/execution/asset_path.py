"""``AssetFilePath``: a path that knows which asset it is of (EXE-20)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from aexp.errors import UsageError
from aexp.execution.kinds import kinds_of, metadata_value
from aexp.execution.state import StagedAsset, State
from aexp.model.canonical import Json

if sys.platform == "win32":
    from pathlib import WindowsPath as _Plain
else:
    from pathlib import PosixPath as _Plain


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """What is known of an asset.

    Attributes:
        rid: its id.
        asset: its kind, such as ``Model``.
        name: its file name.
        types: its asset types.
        metadata: what is said of it.
        state: where it is staged, or None: it is an input, or published.
    """

    rid: str
    asset: str
    name: str
    types: tuple[str, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    state: State | None = None


class AssetFilePath(_Plain):
    """The path of an asset's file: one to write to, a staged one, or one that was fetched.

    It is a :class:`pathlib.Path` in every respect. Paths made from it (``.parent``, ``/``) are of
    no asset.
    """

    _facts: AssetFacts | None = None

    @classmethod
    def of(cls, path: str | os.PathLike[str], facts: AssetFacts) -> AssetFilePath:
        """Return ``path`` as the file of an asset."""
        made = cls(path)
        made._facts = facts
        return made

    @classmethod
    def staged(cls, state: State, row: StagedAsset) -> AssetFilePath:
        """Return the path of a staged asset."""
        facts = AssetFacts(row.rid, row.asset, row.name, row.types, row.metadata, state)
        return cls.of(state.path_of(row), facts)

    def with_segments(self, *segments: str | os.PathLike[str]) -> Path:
        """Return a plain path (Python 3.12 and later make paths from this one with it)."""
        return Path(*segments)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._facts is None:
            return (Path, (str(self),))
        return (_rebuilt, (str(self), self._facts))

    # --- what it is ----------------------------------------------------------------------

    @property
    def asset_rid(self) -> str:
        """The asset's id: known before it is published, and the same afterwards."""
        return self._known().rid

    @property
    def asset_name(self) -> str:
        """The asset's kind, such as ``Model``."""
        return self._known().asset

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return self._known().name

    @property
    def asset_types(self) -> list[str]:
        """Its types, as they are now."""
        return list(self._now().types)

    @property
    def metadata(self) -> dict[str, Json]:
        """What is said of it, as it is now."""
        return dict(self._now().metadata)

    # --- changing it ---------------------------------------------------------------------

    def set_metadata(self, key: str, value: object) -> None:
        """Say one thing more of a staged asset; it is durable when this returns.

        Args:
            key: which; what was said under it is replaced.
            value: something with a JSON form; a date or a time becomes text.

        Raises:
            UsageError: it is published, or was not staged here; or the value has no JSON form.
        """
        self._amend(metadata={key: metadata_value(key, value)})

    def set_asset_types(self, asset_types: Sequence[str] | str) -> None:
        """Replace the types of a staged asset; it is durable when this returns.

        Raises:
            UsageError: one is not declared, it is published, or was not staged here.
        """
        types = (asset_types,) if isinstance(asset_types, str) else tuple(asset_types)
        state = self._known().state
        if state is not None:
            types = kinds_of(state.folder).check_types(types)
        self._amend(types=types)

    def _amend(self, **change: Any) -> None:
        facts = self._known()
        if facts.state is None:
            raise UsageError(f"{facts.asset}/{facts.name} is no staged output, and does not change")
        row = facts.state.amend(facts.rid, **change)
        self._facts = replace(facts, types=row.types, metadata=row.metadata)

    def _known(self) -> AssetFacts:
        if self._facts is None:
            raise AttributeError(f"{self} is a plain path, and of no asset")
        return self._facts

    def _now(self) -> AssetFacts | StagedAsset:
        facts = self._known()
        row = None if facts.state is None else facts.state.asset(facts.rid)
        return facts if row is None else row

    # --- writing -------------------------------------------------------------------------

    def open(self, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:  # type: ignore[override]
        """Open the file, as :meth:`pathlib.Path.open` does.

        Raises:
            UsageError: it is to be written, and is a link to a file that was registered where it
                is: that file would be changed (trap 49).
        """
        if set(mode) & set("wax+"):
            self._check_own()
        opened: IO[Any] = super().open(mode, *args, **options)
        return opened

    def write_bytes(self, data: Any) -> int:
        """Write the file's content; refused as :meth:`open` says."""
        self._check_own()
        return int(super().write_bytes(data))

    def write_text(self, data: str, *args: Any, **options: Any) -> int:
        """Write the file's content; refused as :meth:`open` says."""
        self._check_own()
        return int(super().write_text(data, *args, **options))

    def _check_own(self) -> None:
        if self._facts is not None and self.is_symlink():
            raise UsageError(
                f"{self.asset_name}/{self.file_name} is a link to {os.path.realpath(self)}, which"
                " would be changed",
                hint="register the file with copy_file=True, and write to the copy",
            )


def _rebuilt(path: str, facts: AssetFacts) -> AssetFilePath:
    """Return what was pickled, in a worker for instance."""
    return AssetFilePath.of(path, facts)
