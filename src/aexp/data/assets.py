"""Published assets: which there are, by the ledger alone, and their bytes as files (EXE-31)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Final

from aexp.data.feature_values import how_to_pull
from aexp.data.fetching import USUAL, Supply, bring, missing, place_sound
from aexp.data.publications import Publication, executions, publications
from aexp.errors import AmbiguousIdError, CorruptDataError, NotFoundError, UsageError
from aexp.model.canonical import Json
from aexp.model.execution import asset_rid
from aexp.model.ids import SHORT
from aexp.model.outputs import AssetOutput
from aexp.registry.blobs import Blob
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.runs.lookup import resolve_run_id
from aexp.runs.outputs import attempts_of
from aexp.storage.atomic import make_folder, storage_error, sync_file, sync_folder

_LONGEST_RID: Final = 16
_DIGITS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Asset:
    """A published file.

    Attributes:
        output: what the ledger says of it.
        execution: the id of the execution that published it.
        made_at: when the work of that execution ended.
        machine: the label of the machine that ran it.
    """

    output: AssetOutput
    execution: str
    made_at: str
    machine: str
    _layout: Layout = field(repr=False, compare=False)

    @property
    def rid(self) -> str:
        """The asset's id."""
        return self.output.rid

    @property
    def asset(self) -> str:
        """Its kind, such as ``Model``."""
        return self.output.asset

    @property
    def name(self) -> str:
        """Its file name."""
        return self.output.name

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return self.output.digest

    @property
    def md5(self) -> str:
        """MD5 of its bytes, 32 hex digits."""
        return self.output.md5

    @property
    def size(self) -> int:
        """Bytes."""
        return self.output.size

    @property
    def media_type(self) -> str:
        """As RFC 6838 writes it."""
        return self.output.media_type

    @property
    def asset_types(self) -> tuple[str, ...]:
        """Its asset types."""
        return self.output.types

    @property
    def metadata(self) -> Mapping[str, Json]:
        """What was said of it."""
        return self.output.metadata

    @property
    def description(self) -> str | None:
        """What it is, or None."""
        return self.output.description

    def download(self, folder: str | Path = ".", *, remote: str | None = None) -> Path:
        """Write its bytes to a file of its name, verified; see :func:`download`."""
        return download(self._layout, [self], Path(folder), Supply(remote)).files[0]

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON data."""
        told = {key: item for key, item in self.output.to_json().items() if key != "kind"}
        return {
            **told,
            "execution": self.execution,
            "made_at": self.made_at,
            "machine": self.machine,
        }


@dataclass(slots=True)
class FoundAssets:
    """The assets that the ledger names.

    Attributes:
        assets: the oldest execution's first, each execution's in the order of publication.
        unlisted: the ids of executions whose entry had no room for the list of what they have
            published, and whose list is not here.
    """

    assets: list[Asset] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)

    def check_whole(self) -> None:
        """See that all are listed.

        Raises:
            NotFoundError: the list of some is not here; the hint says how to fetch it.
        """
        if self.unlisted:
            number = len(self.unlisted)
            raise NotFoundError(
                f"what {number} {'execution' if number == 1 else 'executions'} published is a list"
                " that is not here",
                hint=how_to_pull(self.unlisted),
            )


def find_assets(layout: Layout, registry: Registry, execution: str | None = None) -> FoundAssets:
    """Return the assets of all executions, or of one.

    Args:
        layout: the repository.
        registry: where lists may be that an entry had no room for.
        execution: the id of the execution, or None.
    """
    found = FoundAssets()
    for publication in publications(layout, registry, execution):
        if publication.outputs is None:
            found.unlisted.append(publication.execution)
        else:
            found.assets += _assets(layout, publication)
    return found


def _assets(layout: Layout, publication: Publication) -> Iterator[Asset]:
    for output in publication.outputs or ():
        if not isinstance(output, AssetOutput):
            continue
        # Anybody can write an entry; an id that is not of this file would be another's.
        if output.rid == asset_rid(publication.execution, output.asset, output.name):
            yield Asset(
                output, publication.execution, publication.made_at, publication.machine, layout
            )


def list_assets(
    layout: Layout,
    *,
    asset: str | None = None,
    execution: str | None = None,
    asset_type: str | None = None,
) -> list[Asset]:
    """Return the published assets, the oldest execution's first.

    Args:
        layout: the repository.
        asset: only those of this kind.
        execution: only those of the execution of this id, or that begins with it.
        asset_type: only those of this type.

    Raises:
        NotFoundError: the list of some is not here, or there is no such execution.
    """
    from aexp.registry import open_registry

    only = None if execution is None else resolve_run_id(layout, execution)
    found = find_assets(layout, open_registry(layout), only)
    found.check_whole()
    return select(found.assets, asset, asset_type)


def select(assets: Iterable[Asset], kind: str | None, asset_type: str | None) -> list[Asset]:
    """Return those of one kind and of one type; None stands for any."""
    return [
        asset
        for asset in assets
        if kind in (None, asset.asset) and (asset_type is None or asset_type in asset.asset_types)
    ]


def lookup_asset(layout: Layout, rid: str) -> Asset:
    """Return one published asset.

    Args:
        layout: the repository.
        rid: its id, or the beginning of it.

    Raises:
        UsageError: ``rid`` cannot be the beginning of an id.
        AmbiguousIdError: several ids begin with it.
        NotFoundError: no entry of the ledger names it.
    """
    wanted = rid.strip().lower()
    if not wanted or len(wanted) > _LONGEST_RID or not _DIGITS.issuperset(wanted):
        raise UsageError(
            f"{rid!r} is no id of an asset", hint="it is 16 hex digits; see `aexp asset list`"
        )
    from aexp.registry import open_registry

    found = find_assets(layout, open_registry(layout))
    assets = {asset.rid: asset for asset in found.assets if asset.rid.startswith(wanted)}
    if len(assets) > 1:
        shown = ", ".join(sorted(assets)[:_NAMED])
        raise AmbiguousIdError(
            f"{rid} is the beginning of {len(assets)} ids of assets: {shown}",
            hint="give more digits",
        )
    if assets:
        return next(iter(assets.values()))
    hint = "see `aexp asset list`; `aexp sync` fetches what others have published"
    if found.unlisted:
        hint = f"the lists of some executions are not here: {how_to_pull(found.unlisted)}"
    raise NotFoundError(f"the ledger names no asset {rid}", hint=hint)


_NAMED: Final = 5


def used_by(layout: Layout, rid: str) -> list[str]:
    """Return the ids of the executions that declare an asset as input, by the ledger, sorted."""
    return [
        view.job_id
        for view in executions(layout)
        if any(_reads(attempt, rid) for attempt in attempts_of(view))
    ]


def _reads(attempt: Mapping[str, Json], rid: str) -> bool:
    inputs = attempt.get("inputs")
    return any(
        isinstance(item, Mapping) and (item.get("kind"), item.get("rid")) == ("asset", rid)
        for item in (inputs if isinstance(inputs, list) else ())
    )


# --- the bytes -----------------------------------------------------------------------------


@dataclass(slots=True)
class Download:
    """What a download came to.

    Attributes:
        files: where the assets are, in their order.
        there: of these, the ones that were there already.
        fetched: bytes that came from the remote; what the registry had is not fetched.
    """

    files: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    fetched: int = 0


def download(
    layout: Layout,
    assets: Sequence[Asset],
    folder: Path,
    supply: Supply = USUAL,
) -> Download:
    """Write assets to files, verified. What the registry does not have comes from a remote.

    One asset becomes ``<folder>/<file>``, several ``<folder>/<asset>/<execution>/<file>``, which
    is how a bag holds them (EXE-06). Every file appears whole or not at all.

    Args:
        layout: the repository.
        assets: which ones.
        folder: where to; it is made when it is not there.
        supply: where bytes come from that are not here.

    Raises:
        UsageError: a file is there that holds something else; nothing was written.
        NotFoundError: the bytes are not here, and the remote does not have them.
        CorruptDataError: what is here, or on the remote, is damaged; no such file was written.
        TransferError: the remote refuses, or was unavailable until the tries were used up.
        StorageError: the disk refused.
    """
    from aexp.registry import open_registry

    registry = open_registry(layout)
    report = Download()
    goes = [(a, folder / place) for a, place in zip(assets, _places(assets), strict=True)]
    report.there = [target for asset, target in goes if _is_there(target, asset)]
    wanted = [(asset, target) for asset, target in goes if target not in report.there]
    blobs = [Blob(asset.digest, asset.size) for asset, _ in wanted]
    report.fetched = sum(blob.size for blob in missing(registry, blobs))
    what = assets[0].rid if len(assets) == 1 else f"{len(assets)} assets"
    bring(layout, registry, what, blobs, supply=supply)
    for (asset, target), blob in zip(wanted, blobs, strict=True):
        try:
            make_folder(target.parent)
        except OSError as error:
            raise storage_error(error, target.parent) from error
        place_sound(layout, registry, asset.rid, blob, target, supply)
        try:
            sync_file(target)
            sync_folder(target.parent)
        except OSError as error:
            raise storage_error(error, target) from error
    report.files = [target for _, target in goes]
    return report


def _places(assets: Sequence[Asset]) -> Iterator[PurePosixPath]:
    """Yield where each asset goes below the folder; no name leads out of it."""
    for asset in assets:
        name = PurePosixPath(asset.name)
        parts = (asset.asset, asset.execution, *name.parts)
        is_odd = "\0" in asset.name or (os.sep != "/" and os.sep in asset.name)
        if is_odd or name.is_absolute() or ".." in parts or not name.name:
            raise CorruptDataError(
                f"asset {asset.rid} has the file name {asset.name!r}, which leads somewhere else",
                hint=f"see the ledger entry of {asset.execution[:SHORT]}",
            )
        yield PurePosixPath(name.name) if len(assets) == 1 else PurePosixPath(*parts)


def _is_there(target: Path, asset: Asset) -> bool:
    """Return whether ``target`` holds the asset already.

    Raises:
        UsageError: it holds something else.
    """
    if target.is_symlink() or target.is_dir():
        known = ""
    else:
        try:
            with target.open("rb") as stream:
                known = f"sha256:{file_digest(stream, 'sha256').hexdigest()}"
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_error(error, target) from error
    if known != asset.digest:
        raise UsageError(
            f"{target} is there, and is not asset {asset.rid}",
            hint="move it away, or choose another folder with --output",
        )
    return True
