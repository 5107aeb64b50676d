"""Datasets as pure values: names, versions, and the list of files (docs/format/dataset.md; EXE-06).

A dataset is what its list says: paths, digests and sizes. The list has one encoding, so equal
content has one digest, on whichever machine it was added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from aexp.errors import CorruptDataError, UsageError
from aexp.model.attachment import TITLE
from aexp.model.canonical import Json, compact_bytes, decode_json
from aexp.model.oci import Descriptor, Index, Manifest, is_digest, sha256_digest

DATASET_TYPE: Final = "application/vnd.aexp.dataset.v1+json"
"""The artifact type of a dataset's manifests, and of the index over several of them."""
LIST_TYPE: Final = "application/vnd.aexp.dataset.files.v1+jsonl"
"""The media type of the list of files, which is the config of each manifest."""
FILE_TYPE: Final = "application/octet-stream"
MOST_LAYERS: Final = 5_000
"""Files in one manifest; of more, an index holds several manifests (docs/adr/0010)."""
MOST_INLINE: Final = 200
"""Files that a record lists itself; of more, it names the digest of the list."""
ASSETS: Final = "assets"
"""The top folder of files that are published assets: ``assets/<asset>/<execution>/<file>``."""
LONGEST_PATH: Final = 1024
LONGEST_PART: Final = 255

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")
_MD5 = re.compile(r"[0-9a-f]{32}")
_DEVICE = re.compile(r"(?:aux|con|nul|prn|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""What no folder can be called on Windows."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version of a dataset; versions are ordered by their numbers, so 1.10.0 is after 1.9.0."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def next(self) -> Version:
        """Return the version that follows when content was added or corrected."""
        return Version(self.major, self.minor + 1, 0)

    @classmethod
    def parse(cls, text: object) -> Version:
        """Return the version that ``text`` writes.

        Raises:
            UsageError: it is not three numbers with dots between them.
        """
        found = _VERSION.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise UsageError(
                f"{text!r} is no version of a dataset",
                hint="a version is three numbers without leading zeros, such as 1.0.0",
            )
        return cls(*(int(number) for number in found.groups()))


FIRST: Final = Version(1, 0, 0)


def is_dataset_name(text: object) -> bool:
    """Return whether a dataset can be called ``text``."""
    if not isinstance(text, str) or _NAME.fullmatch(text) is None:
        return False
    return _ID.fullmatch(text) is None and _DEVICE.fullmatch(text) is None


def check_dataset_name(name: object) -> str:
    """Return ``name`` when a dataset can be called that; it is its id, and a folder's name.

    Raises:
        UsageError: it cannot.
    """
    if isinstance(name, str) and is_dataset_name(name):
        return name
    if isinstance(name, str) and _ID.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a dataset: it looks like the id of a run or an asset",
            hint="choose a name with other letters in it",
        )
    raise UsageError(
        f"{str(name)[:80]!r} cannot name a dataset",
        hint="use at most 64 letters, digits, '.', '_' and '-', beginning with a letter or digit",
    )


def split_reference(text: str) -> tuple[str, str | None]:
    """Return the name and the version in ``digits@1.0.0``; None for a version that is not said."""
    name, at, version = text.partition("@")
    return name, version if at else None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of a dataset.

    Attributes:
        path: relative, with ``/`` between its parts.
        digest: ``sha256:`` and 64 hex digits of its content.
        md5: 32 hex digits of its content.
        size: bytes.
        asset: the id of the published asset that it is, or None.
    """

    path: str
    digest: str
    md5: str
    size: int
    asset: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return it as it stands in a list and in a record."""
        value: dict[str, Json] = {
            "path": self.path,
            "digest": self.digest,
            "md5": self.md5,
            "size": self.size,
        }
        if self.asset is not None:
            value["asset"] = self.asset
        return value

    @classmethod
    def from_json(cls, value: object) -> FileFacts:
        """Return the file in ``value``.

        Raises:
            CorruptDataError: it is none, or its path leads out of the dataset.
        """
        if not isinstance(value, Mapping):
            raise CorruptDataError("a file is no mapping")
        path, digest, md5 = value.get("path"), value.get("digest"), value.get("md5")
        size, asset = value.get("size"), value.get("asset")
        if not isinstance(path, str) or (problem := path_problem(path)) is not None:
            problem = "is none" if not isinstance(path, str) else problem
            raise CorruptDataError(f"the path {str(path)[:80]!r} of a file {problem}")
        if (
            not isinstance(digest, str)
            or not is_digest(digest)
            or not isinstance(md5, str)
            or not _MD5.fullmatch(md5)
            or not isinstance(size, int)
            or isinstance(size, bool)
            or size < 0
            or not isinstance(asset, str | None)
        ):
            raise CorruptDataError(f"the file {path!r} lacks its digests or its size")
        return cls(path, digest, md5, size, asset)


def path_problem(path: str) -> str | None:
    """Return why a file of a dataset cannot be called ``path``; None when it can.

    What is refused has no name on some machine, or would lead out of the folder there (trap 18).
    """
    if _SURROGATE.search(path):
        return "is not UTF-8"
    if _CONTROL.search(path):
        return "holds a control character"
    if "\\" in path:
        return "holds a backslash"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or _DRIVE.match(path):
        return "is not relative to its folder"
    longest = max(len(part.encode()) for part in parts)
    if len(path.encode()) > LONGEST_PATH or longest > LONGEST_PART:
        return "is too long"
    return None


def asset_path(asset: str, execution: str, name: str) -> str:
    """Return where a published asset stands in a dataset (EXE-06)."""
    return f"{ASSETS}/{asset}/{execution}/{name}"


def member_key(file: FileFacts) -> str:
    """Return what a file is listed under: its top folder, or of a published asset its kind.

    Files that are in no folder are listed under ``.``.
    """
    top, slash, below = file.path.partition("/")
    if not slash:
        return "."
    return below.partition("/")[0] if file.asset is not None and top == ASSETS else top


def in_order(files: Iterable[FileFacts]) -> tuple[FileFacts, ...]:
    """Return files in the order of a list.

    Raises:
        CorruptDataError: two have one path, or one is a folder of another.
    """
    ordered = tuple(sorted(files, key=lambda file: file.path))
    paths = {file.path for file in ordered}
    if len(paths) < len(ordered):
        doubled = next(a.path for a, b in pairwise(ordered) if a.path == b.path)
        raise CorruptDataError(f"{doubled!r} is listed twice")
    for file in ordered:
        above = file.path
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in paths:
                raise CorruptDataError(f"{above!r} is listed as a file and as a folder")
    return ordered


def encode_list(files: Iterable[FileFacts]) -> bytes:
    """Return the list of files: one JSON object a line, sorted by path."""
    return b"".join(compact_bytes(file.to_json()) + b"\n" for file in in_order(files))


def decode_list(data: bytes) -> tuple[FileFacts, ...]:
    """Return the files in the bytes of a list.

    Raises:
        CorruptDataError: it is no such list.
    """
    try:
        values = [decode_json(line) for line in data.splitlines()]
    except ValueError:
        raise CorruptDataError("the list of files is no JSON lines") from None
    return in_order(FileFacts.from_json(value) for value in values)


def list_descriptor(data: bytes) -> Descriptor:
    """Return the descriptor of the bytes of a list."""
    return Descriptor(LIST_TYPE, sha256_digest(data), len(data))


def manifests_of(files: Sequence[FileFacts], listed: Descriptor) -> Iterator[Manifest]:
    """Yield the manifests that hold the files of a dataset, in the order of its list."""
    for start in range(0, len(files), MOST_LAYERS):
        layers = tuple(
            Descriptor(FILE_TYPE, file.digest, file.size, annotations={TITLE: file.path})
            for file in files[start : start + MOST_LAYERS]
        )
        yield Manifest(config=listed, layers=layers, artifact_type=DATASET_TYPE)


def index_of(manifests: Sequence[Descriptor]) -> Index:
    """Return the index over the manifests of a dataset with more files than one manifest has."""
    return Index(manifests=tuple(manifests), artifact_type=DATASET_TYPE)
