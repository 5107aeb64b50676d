"""Bags: one version of a dataset as a folder (EXE-06).

A bag follows BagIt 1.0 (RFC 8493), so other programs can verify it: the files are below ``data/``,
and their digests in ``manifest-sha256.txt`` and ``manifest-md5.txt``. The file ``bagit.txt`` is
written last, and so says that the bag is complete.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexp.data.fetching import USUAL, Supply, bring, place_sound
from aexp.errors import CorruptDataError, UsageError
from aexp.ledger.dataset_bytes import parcel_to_pull
from aexp.ledger.datasets import DatasetRecord, check_list
from aexp.model.dataset import FileFacts, decode_list, member_key
from aexp.registry.blobs import Blob
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.storage.atomic import TEMP_SUFFIX, make_folder, storage_error, write_atomic

BAGIT: Final = "bagit.txt"
PAYLOAD: Final = "data"
_DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a bag; it can be given wherever a path can.

    Attributes:
        path: where it is, whether or not it was downloaded.
        file: what it is called in the dataset, with ``/`` between the parts.
        name: its file name.
        digest: SHA-256 of its content.
        md5: 32 hex digits.
        size: bytes.
        asset: the id of the published asset that it is, or None.
    """

    path: Path
    file: str
    digest: str
    md5: str
    size: int
    asset: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def __fspath__(self) -> str:
        return os.fspath(self.path)


class DatasetBag:
    """One version of a dataset in a folder.

    Attributes:
        path: the folder; the files are below ``data/``.
        name: the dataset's name.
        version: such as ``1.0.0``.
        digest: of the list of files.
        materialized: whether the files are there, or the list of them alone.

    Args:
        path: the folder.
        record: what the ledger says of the version.
        files: its files.
        materialized: whether they are there.
    """

    def __init__(
        self, path: Path, record: DatasetRecord, files: Sequence[FileFacts], *, materialized: bool
    ) -> None:
        self.path = path
        self.name = record.name
        self.version = str(record.version)
        self.digest = record.digest
        self.materialized = materialized
        self._files = tuple(files)

    @property
    def rid(self) -> str:
        """The dataset's id, which is its name."""
        return self.name

    def __repr__(self) -> str:
        kind = "" if self.materialized else ", not materialized"
        return f"<DatasetBag {self.name}@{self.version}: {len(self._files)} files{kind}>"

    def list_dataset_members(self) -> dict[str, list[Member]]:
        """Return the files by top folder, of published assets by their kind, sorted by name.

        Files that are in no folder are under ``.``.
        """
        found: dict[str, list[Member]] = {}
        for file in self._files:
            member = Member(
                self.path / PAYLOAD / file.path,
                file.path,
                file.digest,
                file.md5,
                file.size,
                file.asset,
            )
            found.setdefault(member_key(file), []).append(member)
        return {key: found[key] for key in sorted(found)}


def files_of(
    layout: Layout,
    registry: Registry,
    record: DatasetRecord,
    *,
    supply: Supply = USUAL,
) -> tuple[FileFacts, ...]:
    """Return the files of a version; a list that is not in its record comes from the registry.

    Raises:
        NotFoundError: the list is not here, and no remote has it.
        CorruptDataError: it is not the list that the record tells of.
        TransferError: the remote refused, or was unavailable until the tries were used up.
    """
    if record.files is not None:
        return record.files
    blob = Blob(record.digest, record.listed_size)
    what = f"the list of files of {record.label}"
    bring(layout, registry, what, [blob], supply=supply)
    try:
        data = registry.read(record.digest)
    except CorruptDataError:
        bring(layout, registry, what, [blob], verify=True, supply=supply)
        data = registry.read(record.digest)
    files = decode_list(data)
    check_list(record.digest, record.count, record.size, files)
    return files


def blobs_of(files: Iterable[FileFacts]) -> list[Blob]:
    """Return the contents of files, each once."""
    return list({file.digest: Blob(file.digest, file.size) for file in files}.values())


def make_bag(
    layout: Layout,
    registry: Registry,
    record: DatasetRecord,
    folder: Path,
    *,
    materialize: bool = True,
    supply: Supply = USUAL,
) -> DatasetBag:
    """Make the bag of a version in a folder, or complete and mend the one that is there.

    Every file is read and compared with its digest, also one that is there already. What is not
    in the registry is fetched from the remote.

    Args:
        layout: the repository.
        registry: where the bytes are.
        record: the version.
        folder: where the bag goes; empty, missing, or a bag of the same version.
        materialize: put the files there, too.
        supply: where bytes come from that are not in the registry.

    Raises:
        UsageError: the folder holds something else.
        NotFoundError: bytes are not here, and no remote has them.
        CorruptDataError: they are damaged, and cannot be fetched anew.
        StorageError: the disk refused.
        TransferError: the remote refused, or was unavailable until the tries were used up.
    """
    info = _info(record)
    _check_folder(folder, info)
    files = files_of(layout, registry, record, supply=supply)
    try:
        make_folder(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    write_atomic(folder / "bag-info.txt", info, flush="content")
    if materialize:
        _materialize(layout, registry, record, folder, files, supply)
    for name, data in _tags(files):
        write_atomic(folder / name, data, flush="content")
    if materialize:
        write_atomic(folder / BAGIT, _DECLARATION, flush="content")
    return DatasetBag(folder, record, files, materialized=materialize)


def _materialize(
    layout: Layout,
    registry: Registry,
    record: DatasetRecord,
    folder: Path,
    files: Sequence[FileFacts],
    supply: Supply,
) -> None:
    what = f"dataset {record.label}"
    place = folder / PAYLOAD
    wrong = [file for file in files if not is_sound(place / file.path, file.digest, file.size)]
    if not wrong:
        return
    blobs = blobs_of(wrong)
    if len(wrong) == len(files):  # all of it, so that a ref keeps it from now on
        finish = parcel_to_pull(layout, record).finish
        manifests = [record.manifest]
        bring(layout, registry, what, blobs, manifests=manifests, finish=finish, supply=supply)
    else:
        bring(layout, registry, what, blobs, supply=supply)
    for file in wrong:
        target = place / file.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, target) from error
        place_sound(layout, registry, what, Blob(file.digest, file.size), target, supply)
    _check_cases(folder, files)


def _check_cases(folder: Path, files: Sequence[FileFacts]) -> None:
    """Check that no file took the place of another whose name differs by case or accents only.

    Raises:
        UsageError: the file system cannot hold both.
    """
    names = {unicodedata.normalize("NFC", file.path.casefold()) for file in files}
    if len(names) == len(files):
        return
    for file in files:
        if not is_sound(folder / PAYLOAD / file.path, file.digest, file.size):
            raise UsageError(
                f"{file.path!r} and another file of the dataset have one name on this file system",
                hint="download it to a disk that tells upper from lower case",
            )


def open_bag(record: DatasetRecord, folder: Path, files: Sequence[FileFacts]) -> DatasetBag | None:
    """Return the complete bag of a version that is in a folder, None when there is none.

    Its files are not read: whoever made it has verified them.
    """
    if not (folder / BAGIT).is_file():
        return None
    try:
        if (folder / "bag-info.txt").read_bytes() != _info(record):
            return None
    except OSError:
        return None
    return DatasetBag(folder, record, files, materialized=True)


def is_sound(path: Path, digest: str, size: int) -> bool:
    """Return whether ``path`` is a file with the content that it must have."""
    try:
        if path.is_symlink() or path.stat().st_size != size:
            return False
        with path.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}" == digest
    except OSError:
        return False


def _info(record: DatasetRecord) -> bytes:
    """Return what ``bag-info.txt`` says: nothing that differs between two bags of one version."""
    lines = (
        f"External-Identifier: {record.label}",
        f"Payload-Oxum: {record.size}.{record.count}",
        f"Aexp-Dataset-Digest: {record.digest}",
    )
    return "\n".join(lines).encode() + b"\n"


def _tags(files: Sequence[FileFacts]) -> Iterator[tuple[str, bytes]]:
    """Yield the manifests of a bag; RFC 8493 wants ``%`` escaped, and no other character."""
    named = [(file, f"{PAYLOAD}/{file.path}".replace("%", "%25")) for file in files]
    sha256 = "".join(f"{file.digest.removeprefix('sha256:')}  {path}\n" for file, path in named)
    yield "manifest-sha256.txt", sha256.encode()
    yield "manifest-md5.txt", "".join(f"{file.md5}  {path}\n" for file, path in named).encode()


def _check_folder(folder: Path, info: bytes) -> None:
    """Check that a bag can be made in a folder without harm to anything that is in it."""
    try:
        there = [path for path in folder.iterdir() if path.suffix != TEMP_SUFFIX]
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{folder} is no folder", hint="name another") from error
    known = folder / "bag-info.txt"
    if not there or (known.is_file() and known.read_bytes() == info):
        return
    raise UsageError(
        f"{folder} holds something else", hint="name an empty folder, or one that does not exist"
    )
