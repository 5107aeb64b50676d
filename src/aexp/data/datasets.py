"""Datasets of a repository: found, and downloaded as bags (EXE-06)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aexp.data.adding import DatasetVersion, add
from aexp.data.bags import DatasetBag, make_bag
from aexp.data.fetching import USUAL, Supply
from aexp.data.verifying import Verified, verify
from aexp.ledger.datasets import DatasetRecord, known_versions, read_dataset
from aexp.model.dataset import Version
from aexp.registry.places import open_registry
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.storage.atomic import write_atomic

__all__ = [
    "Dataset",
    "DatasetVersion",
    "Verified",
    "add",
    "list_all",
    "lookup",
    "verify",
]

BAGS_DIR: Final = ".aexp/bags"
"""Where bags are that belong to no execution; git does not see it."""


class Dataset:
    """A dataset with all its versions.

    Attributes:
        name: its name, which is its id.
        versions: its versions, oldest numbers first.
        current: the one with the highest numbers.
        version: the one that is meant where none is said: that it was looked up at, or the
            current one.

    Args:
        layout: the repository.
        name: the dataset's name.
        versions: its versions, sorted; at least one.
        version: one of them, or None.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        versions: Sequence[Version],
        version: str | None = None,
    ) -> None:
        self._layout = layout
        self.name = name
        self.versions = tuple(str(version) for version in versions)
        self.current = self.versions[-1]
        self.version = version or self.current

    @property
    def rid(self) -> str:
        """The dataset's id, which is its name."""
        return self.name

    @property
    def description(self) -> str | None:
        """What it is, in Markdown."""
        return self.record().description

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {', '.join(self.versions)}>"

    def record(self, version: str | None = None) -> DatasetRecord:
        """Return what the ledger says of a version; None for :attr:`version`.

        Raises:
            NotFoundError: there is no such version.
            CorruptDataError: its record is damaged.
        """
        return read_dataset(self._layout, self.name, version or self.version)

    def download_dataset_bag(
        self,
        version: str | None = None,
        *,
        materialize: bool = True,
        target: Path | None = None,
        registry: Registry | None = None,
        supply: Supply = USUAL,
    ) -> DatasetBag:
        """Return a version as a folder of files, each read and compared with its digest.

        Args:
            version: which one; None for :attr:`version`, which is mostly the current one.
            materialize: download the files; False gives the list of them alone.
            target: the folder; one below ``.aexp/bags`` when None.
            registry: where the bytes are; the repository's when None.
            supply: where bytes come from that are not in the registry.

        Raises:
            NotFoundError: there is no such version, or no remote has its bytes.
            UsageError: the folder holds something else.
            CorruptDataError: bytes are damaged, and cannot be fetched anew.
            StorageError: the disk refused.
            TransferError: the remote refused, or was unavailable until the tries were used up.
        """
        record = self.record(version)
        return make_bag(
            self._layout,
            registry or open_registry(self._layout),
            record,
            target or _usual_folder(self._layout, record),
            materialize=materialize,
            supply=supply,
        )


def _usual_folder(layout: Layout, record: DatasetRecord) -> Path:
    """Return where the bag of a version is that belongs to no execution, out of git's sight."""
    folder = layout.home / BAGS_DIR
    if not (folder / ".gitignore").is_file():
        write_atomic(folder / ".gitignore", b"*\n", flush="content")
    return folder / record.label


def lookup(layout: Layout, name: str, version: str | None = None) -> Dataset:
    """Return a dataset.

    Args:
        layout: the repository.
        name: its name, which is its id.
        version: the one that is meant where none is said; the current one when None.

    Raises:
        NotFoundError: there is no such dataset, or no such version.
        UsageError: the version is none.
        CorruptDataError: the record of the version, or of the current one, is damaged.
    """
    record = read_dataset(layout, name, version)
    return Dataset(layout, name, known_versions(layout)[name], str(record.version))


def list_all(layout: Layout) -> list[Dataset]:
    """Return all datasets of the work tree's ledger, by name."""
    return [Dataset(layout, name, known) for name, known in known_versions(layout).items()]
