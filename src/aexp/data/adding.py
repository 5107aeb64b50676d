"""Adding versions of datasets, made of a folder or of published assets (EXE-06).

Order of writes: contents, list of files, manifests, ref, record. What a kill leaves before the last
step is no dataset; the same command again makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aexp.data.assets import Asset
from aexp.data.bags import blobs_of
from aexp.data.fetching import USUAL, Supply, bring, missing
from aexp.data.files import Progress, Source, hash_files, scan, silent, store_files
from aexp.data.published import assets_by_id, assets_of
from aexp.errors import CorruptDataError, UsageError
from aexp.ledger.dataset_bytes import keep_bytes
from aexp.ledger.datasets import (
    DatasetRecord,
    check_publishable,
    decode_dataset,
    encode_dataset,
    known_versions,
    read_version,
    write_dataset,
)
from aexp.model.dataset import (
    FIRST,
    FileFacts,
    Version,
    asset_path,
    check_dataset_name,
    encode_list,
    in_order,
    index_of,
    list_descriptor,
    manifests_of,
    path_problem,
)
from aexp.model.oci import Descriptor, sha256_digest
from aexp.registry.blobs import Blob
from aexp.registry.places import open_registry
from aexp.registry.refs import DropRef
from aexp.registry.store import Registry
from aexp.repo import Layout


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One version of a dataset.

    Attributes:
        record: what the ledger says of it.
        created: whether it is new.
    """

    record: DatasetRecord
    created: bool

    @property
    def name(self) -> str:
        """The dataset's name, which is its id."""
        return self.record.name

    @property
    def version(self) -> str:
        """Such as ``1.0.0``."""
        return str(self.record.version)


def add(
    layout: Layout,
    name: str,
    path: Path | None,
    version: str | None,
    *,
    description: str | None = None,
    executions: Sequence[str] = (),
    assets: Sequence[str] = (),
    follow_links: bool = False,
    registry: Registry | None = None,
    progress: Progress = silent,
    supply: Supply = USUAL,
) -> DatasetVersion:
    """Add a version of a dataset; the same content again changes nothing.

    Args:
        layout: the repository.
        name: the dataset's name.
        path: a folder, or one file; None for a dataset of published assets alone.
        version: such as ``1.0.0``; None for the current one when it has this content, else for
            the next one.
        description: what it is, in Markdown. The first one of a version stands.
        executions: ids of executions, all of whose published assets are taken.
        assets: ids of single published assets.
        follow_links: take what symbolic links in the folder lead to.
        registry: where the bytes go; the repository's when None.
        progress: called with the number of bytes just done.
        supply: where bytes of assets come from that are not in the registry.

    Returns:
        The version, and whether it is new. Nothing is written to git.

    Raises:
        UsageError: a name or version is none, something in the folder cannot be part of a
            dataset, or the version exists with other content. Nothing was added.
        NotFoundError: there is no such folder, execution or asset, or its bytes are nowhere.
        UnsafeValueError: the name of a file may not be published.
        StorageError: a file cannot be read, or the disk refused.
    """
    check_dataset_name(name)
    wanted = None if version is None else Version.parse(version)
    if path is None and not executions and not assets:
        raise UsageError("there is nothing to add", hint="name a folder, or --execution RUN")
    known = known_versions(layout)
    _check_case(name, known)
    registry = registry or open_registry(layout)
    _check_place(layout, registry, path)
    sources = [] if path is None else scan(path, follow_links=follow_links)
    chosen = _chosen(layout, registry, executions, assets)
    adding = _Adding(layout, registry, sources, chosen, progress, supply)
    adding.check()
    versions = known.get(name, [])
    same_as = versions[-1] if wanted is None and versions else wanted
    if same_as in versions:
        record = read_version(layout, name, same_as)
        content = adding.facts()
        if content.digest == record.digest:
            adding.keep(record, content)
            return DatasetVersion(record, created=False)
        if wanted is not None:
            raise _taken(record, versions[-1].next())
    number = wanted or (versions[-1].next() if versions else FIRST)
    return adding.record(name, number, description)


@dataclass(frozen=True, slots=True)
class _Content:
    """The files of a version in order, and the digest of their list."""

    files: tuple[FileFacts, ...]
    digest: str


class _Adding:
    """One dataset on its way into the registry and the ledger."""

    def __init__(
        self,
        layout: Layout,
        registry: Registry,
        sources: Sequence[Source],
        chosen: Sequence[Asset],
        progress: Progress,
        supply: Supply,
    ) -> None:
        self._layout = layout
        self._registry = registry
        self._sources = sources
        self._chosen = [_asset_file(one) for one in chosen]
        self._progress = progress
        self._supply = supply

    def check(self) -> None:
        """Check the paths of all files before any of them is read."""
        named = [FileFacts(source.path, "", "", source.size) for source in self._sources]
        try:
            in_order([*named, *self._chosen])
        except CorruptDataError as error:
            raise UsageError(
                f"{error.message}: a folder has a file where an asset goes",
                hint="rename the folder `assets`, or add the two as two datasets",
            ) from None
        check_publishable([*named, *self._chosen])

    def facts(self) -> _Content:
        """Return what there is, without storing anything."""
        return self._content(hash_files(self._sources, self._progress))

    def _content(self, hashed: Iterable[FileFacts]) -> _Content:
        files = in_order([*hashed, *self._chosen])
        return _Content(files, sha256_digest(encode_list(files)))

    def _store(self) -> tuple[_Content, Descriptor]:
        """Store contents, list and manifests; return what there is, and what reaches it."""
        _bring_assets(self._layout, self._registry, self._chosen, self._supply)
        content = self._content(store_files(self._registry, self._sources, self._progress))
        listed = encode_list(content.files)
        self._registry.put(listed)
        stored = [
            self._registry.put_manifest(manifest)
            for manifest in manifests_of(content.files, list_descriptor(listed))
        ]
        if len(stored) == 1:
            return content, stored[0]
        return content, self._registry.put_manifest(index_of(stored))

    def record(self, name: str, version: Version, description: str | None) -> DatasetVersion:
        """Store everything, and write the record of the version."""
        registry, layout = self._registry, self._layout
        with registry.lease(f"dataset {name}@{version}"):
            content, manifest = self._store()
            data = encode_dataset(layout, name, version, content.files, manifest, description)
            mine = decode_dataset(f"{name}/{version}", data)
            changes = keep_bytes(layout, mine, registry)
            record, created = write_dataset(layout, name, version, data)
            if record.digest != content.digest:  # another process was quicker
                registry.publish(*(DropRef(c.name, expect=mine.manifest) for c in changes))
                raise _taken(record, version.next())
        return DatasetVersion(record, created)

    def keep(self, record: DatasetRecord, content: _Content) -> None:
        """Store the bytes of a version that the ledger has, unless they are here."""
        blobs = [Blob(record.digest, record.listed_size), *blobs_of(content.files)]
        with self._registry.lease(f"dataset {record.label}"):
            if missing(self._registry, blobs) or not self._registry.has(record.manifest):
                self._store()
            if self._registry.has(record.manifest):
                keep_bytes(self._layout, record, self._registry)


def _chosen(
    layout: Layout, registry: Registry, executions: Sequence[str], assets: Sequence[str]
) -> list[Asset]:
    """Return the published assets that were named, each once."""
    found = [one for execution in executions for one in assets_of(layout, registry, execution)]
    found += assets_by_id(layout, registry, assets)
    return list({asset.rid: asset for asset in found}.values())


def _asset_file(asset: Asset) -> FileFacts:
    path = asset_path(asset.asset, asset.execution, asset.name)
    if (problem := path_problem(path)) is not None:
        raise UsageError(f"the path {path!r} of an asset {problem}")
    return FileFacts(path, asset.digest, asset.md5, asset.size, asset.rid)


def _bring_assets(
    layout: Layout, registry: Registry, files: Sequence[FileFacts], supply: Supply
) -> None:
    bring(layout, registry, "the assets of the dataset", blobs_of(files), supply=supply)


def _taken(record: DatasetRecord, free: Version) -> UsageError:
    return UsageError(
        f"the dataset {record.label} is there already with other content, and versions never"
        " change",
        hint=f"add this content as another version: --version {free}",
    )


def _check_case(name: str, known: Iterable[str]) -> None:
    """Check that no other dataset has a name which some file systems take for the same."""
    for other in known:
        if other != name and other.casefold() == name.casefold():
            raise UsageError(
                f"there is a dataset {other}, and file systems exist that cannot tell {name} from"
                " it",
                hint=f"write {other}, or choose another name",
            )


def _check_place(layout: Layout, registry: Registry, path: Path | None) -> None:
    """Check that a folder does not hold the repository's own records: they change meanwhile."""
    if path is None:
        return
    here = path.resolve()
    own = [layout.aexp_dir, registry.root, *filter(None, (layout.git_dir, layout.common_dir))]
    for place in own:
        inner = place.resolve()
        if inner.is_relative_to(here) or here.is_relative_to(inner):
            raise UsageError(
                f"{path} holds what git or aexp keeps for itself, or is part of it",
                hint="name the folder with the data, such as data/",
            )
