"""Putting outputs into staging (EXE-20, EXE-22).

What is staged is in ``<working folder>/assets/<kind>/<file name>``: a file that the caller writes,
a copy, or a link to a file that stays where it is. No write of aexp ever goes through such a link
(trap 49): what stands under a name is replaced by a rename, never written into.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aexp.errors import ReplacedAssetWarning, StorageError, UsageError
from aexp.execution.asset_path import AssetFilePath
from aexp.execution.state import Kind, StagedAsset, State, check_changeable
from aexp.model.canonical import Json
from aexp.model.execution import asset_rid
from aexp.recording.files import check_filename, check_source
from aexp.storage.appearing import appearing
from aexp.storage.atomic import TEMP_SUFFIX, make_folder, storage_error, sync_folder
from aexp.storage.seen import compare, look, sha256_of

_PIECE: Final = 1 << 20
_STACKLEVEL: Final = 6
"""From the warning up to whoever called ``exe.asset_file_path``."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a registration says of an asset; None leaves what was said before.

    Attributes:
        types: its types.
        metadata: its metadata.
        description: for people.
    """

    types: tuple[str, ...] | None = None
    metadata: Mapping[str, Json] | None = None
    description: str | None = None

    def of(self, row: StagedAsset, there: StagedAsset | None) -> StagedAsset:
        """Return ``row`` with what is said of it, now or before."""
        usual = (row.asset,) if there is None else there.types
        before = {} if there is None else there.metadata
        description = None if there is None else there.description
        return replace(
            row,
            types=usual if self.types is None else self.types,
            metadata=before if self.metadata is None else self.metadata,
            description=description if self.description is None else self.description,
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """One name in the staging folder."""

    state: State
    asset: str
    name: str
    said: Said = field(default_factory=Said)

    @property
    def path(self) -> Path:
        return self.state.assets_dir / self.asset / self.name

    @property
    def label(self) -> str:
        return f"{self.asset}/{self.name}"

    def there(self) -> StagedAsset | None:
        return self.state.find(self.asset, self.name)

    def given(self, row: StagedAsset) -> AssetFilePath:
        return AssetFilePath.staged(self.state, row)

    def register(
        self, there: StagedAsset | None, kind: Kind, source: str | None = None, seen: str = ""
    ) -> StagedAsset:
        rid = asset_rid(self.state.execution_rid, self.asset, self.name)
        row = StagedAsset(rid, self.asset, self.name, kind, source, seen=seen)
        return self.state.register(self.said.of(row, there))


def stage(
    state: State,
    asset: str,
    file_name: str | os.PathLike[str],
    said: Said,
    *,
    copy_file: bool = False,
    rename_file: str | None = None,
) -> AssetFilePath:
    """Register an output of a kind that is checked; see :func:`asset_file_path`."""
    given = Path(file_name)
    own = _own_name(state, asset, given)
    if own is not None and rename_file in (None, own):
        place = _Place(state, asset, checked_name(own), said)
        there = place.there()
        if there is not None:
            return place.given(place.register(there, there.kind, there.source))
        if not given.is_symlink():
            return _stage_new(place)
    if not os.path.lexists(given):
        return _stage_new(_Place(state, asset, _new_name(given, rename_file), said))
    check_source(given)
    name = rename_file if rename_file is not None else given.name
    place = _Place(state, asset, checked_name(name), said)
    source = Path(os.path.realpath(given))
    return _stage_copy(place, source) if copy_file else _stage_link(place, source)


def stage_new(state: State, asset: str, name: str, said: Said) -> AssetFilePath:
    """Register a new file, whatever there is of that name in the working directory."""
    return _stage_new(_Place(state, asset, checked_name(name), said))


# --- the three ways ----------------------------------------------------------------------


def _stage_new(place: _Place) -> AssetFilePath:
    there = place.there()
    if there is not None:
        check_changeable(there)
    _check_case(place, there)
    make_folder(place.path.parent)
    if there is not None and there.kind != "link":
        return place.given(place.register(there, there.kind, there.source))
    if place.path.is_symlink():
        # The link goes, never the file that it leads to: what is written here is a file of its own.
        _warn_replaced(place, there, None)
        place.path.unlink()
    return place.given(place.register(there, "new"))


def _stage_link(place: _Place, source: Path) -> AssetFilePath:
    there = place.there()
    if there is not None and _is_unchanged(there, "link", source):
        row = place.register(there, "link", there.source, there.seen)
        if row.state != "published" and not leads_to(place.path, source):
            _check_loss(place, there, source)
            make_link(place.path, source)
        return place.given(row)
    if there is not None:
        check_changeable(there)
    seen = _look(source)
    _check_case(place, there)
    _check_loss(place, there, source)
    make_folder(place.path.parent)
    temp = _temp_link(place.path, source)
    if temp is None:
        return _stage_copy(place, source)
    try:
        _warn_replaced(place, there, source)
        # First the row: a link that a kill has kept from appearing is made when it is published.
        row = place.register(there, "link", str(source), seen)
        _rename(temp, place.path)
    finally:
        with contextlib.suppress(OSError):
            temp.unlink()
    return place.given(row)


def _stage_copy(place: _Place, source: Path) -> AssetFilePath:
    there = place.there()
    if there is not None and there.state == "published":
        if not _is_unchanged(there, "copy", source):
            check_changeable(there)
        return place.given(place.register(there, "copy", there.source))
    _check_case(place, there)
    _check_loss(place, there, source)
    make_folder(place.path.parent)
    _warn_replaced(place, there, source)
    _copy(source, place.path)
    return place.given(place.register(there, "copy", str(source), look(place.path)))


def _copy(source: Path, target: Path) -> None:
    """Copy a file in pieces; a link that stands at ``target`` is replaced, not followed."""
    try:
        stream = source.open("rb")
    except OSError as error:
        raise _unreadable(source, error) from error
    with stream, appearing(target) as copy:
        before = os.fstat(stream.fileno())
        shutil.copyfileobj(stream, copy, _PIECE)
        after = os.fstat(stream.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise StorageError(
                f"{source} was changed while it was copied",
                hint="register it when whoever writes it is done",
            )


def _temp_link(path: Path, source: Path) -> Path | None:
    """Make a link beside ``path``; None where there are no links (some file systems, Windows)."""
    temp = path.with_name(f"{path.name[:40]}.{secrets.token_hex(6)}{TEMP_SUFFIX}")
    try:
        temp.symlink_to(source)
    except (OSError, NotImplementedError):
        return None
    return temp


def leads_to(path: Path, source: Path) -> bool:
    """Return whether ``path`` is a link to ``source``, whether or not that is there."""
    return path.is_symlink() and path.readlink() == source


def make_link(path: Path, source: Path) -> None:
    """Make a link in staging that is missing, or leads elsewhere.

    Raises:
        StorageError: the disk refused.
    """
    make_folder(path.parent)
    temp = _temp_link(path, source)
    if temp is None:
        raise StorageError(f"cannot make a link at {path}")
    _rename(temp, path)
    sync_folder(path.parent)


def _rename(temp: Path, path: Path) -> None:
    try:
        temp.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error


# --- what may be replaced ----------------------------------------------------------------


def _is_unchanged(there: StagedAsset, kind: Kind, source: Path) -> bool:
    """Return whether that file is registered in that way already, as it is now."""
    if (there.kind, there.source) != (kind, str(source)):
        return False
    return compare(source, there.seen if kind == "link" else "", there.digest) == "same"


def _check_loss(place: _Place, there: StagedAsset | None, source: Path) -> None:
    """Raise when a file that was written into staging would go for another one."""
    is_ours = there is not None and there.kind == "copy"
    if is_ours or place.path.is_symlink() or not place.path.exists():
        return
    size = place.path.stat().st_size
    is_same = size == source.stat().st_size and sha256_of(place.path) == sha256_of(source)
    if size == 0 or is_same:
        return
    raise UsageError(
        f"{place.label} was written already, and would be replaced by {source.name}",
        hint="register the file under another name: rename_file=…",
    )


def _warn_replaced(place: _Place, there: StagedAsset | None, source: Path | None) -> None:
    if there is None or there.source is None or there.source == (source and str(source)):
        return
    now = "a new file" if source is None else str(source)
    warnings.warn(
        f"{place.label} was {there.source}, and is {now} now; give one of them another name with"
        " rename_file to publish both",
        ReplacedAssetWarning,
        stacklevel=_STACKLEVEL,
    )


def _check_case(place: _Place, there: StagedAsset | None) -> None:
    """Raise when the disk takes the name for another asset's (macOS: ``A.png`` and ``a.png``)."""
    if there is not None or not os.path.lexists(place.path):
        return
    for row in place.state.assets():
        if row.asset == place.asset and row.name.casefold() == place.name.casefold():
            raise UsageError(
                f"{place.label} is the same file as {row.label} on this disk",
                hint="use names that differ in more than upper and lower case",
            )


# --- names -------------------------------------------------------------------------------


def _own_name(state: State, asset: str, given: Path) -> str | None:
    """Return the name of the staged file that ``given`` is the path of, None when it is none."""
    if len(given.parts) < 2:
        return None
    folder = os.path.realpath(given.parent)
    return given.name if folder == os.path.realpath(state.assets_dir / asset) else None


def _new_name(given: Path, rename_file: str | None) -> str:
    if len(given.parts) != 1 or given.name != str(given):
        raise UsageError(
            f"the file {given} does not exist, and the name of a new one has no folders",
            hint="give the path of a file that exists, or a name such as: model.pt",
        )
    checked_name(str(given))
    return str(given) if rename_file is None else checked_name(rename_file)


def checked_name(name: object) -> str:
    """Return ``name`` when it can name a file everywhere (trap 18).

    Raises:
        UsageError: it cannot.
    """
    text = check_filename(name)
    if any("\x7f" <= char <= "\x9f" for char in text) or text.endswith(TEMP_SUFFIX):
        raise UsageError(f"{text!r} cannot name a file", hint="give it a name like plot.png")
    return text


def _look(source: Path) -> str:
    try:
        return look(source, hashed=True)
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot read {path}: {error.strerror or error}", hint="check its permissions"
    )
