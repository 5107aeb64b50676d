"""Records of datasets: ``.aexp/ledger/datasets/<name>/<version>.json`` (EXE-06).

A record says which files a version of a dataset has, and what is in them; beyond 200 files it says
the digest of their list, which is in the registry. It is written once and never changes. It holds
nothing that two machines would write differently, so two that add the same content agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from aexp.errors import CorruptDataError, NotFoundError, UnsafeValueError
from aexp.ledger.judge import LedgerProblem
from aexp.ledger.promote import roots_of
from aexp.ledger.records import SCHEMA_VERSION, open_record, read_all
from aexp.model.canonical import Json, canonical_bytes
from aexp.model.dataset import (
    MOST_INLINE,
    FileFacts,
    Version,
    encode_list,
    in_order,
    is_dataset_name,
    split_reference,
)
from aexp.model.entry import record_digest
from aexp.model.oci import Descriptor, is_digest, sha256_digest
from aexp.model.sanitize import certainly_without_secrets, find_secrets, sanitize
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.atomic import write_new
from aexp.tree import Tree, WorkTree

DATASETS_DIR: Final = f"{LEDGER_DIR_REL}/datasets"
KIND: Final = "dataset"

_FILE = re.compile(re.escape(DATASETS_DIR) + r"/([^/]+/[^/]+)\.json")


@dataclass(frozen=True)
class DatasetRecord:
    """What the ledger says of one version of a dataset.

    Attributes:
        name: of the dataset.
        version: which one.
        description: Markdown, or None.
        digest: of the list of files, and so of all content.
        count: how many files there are.
        size: of all files, in bytes.
        manifest: the digest of the manifest, or of the index of manifests, that reaches the bytes.
        manifest_size: of that manifest, in bytes.
        listed_size: of the list of files, in bytes.
        files: the files in order, or None when there are more than fit a record.
        raw: everything the file holds.
    """

    name: str
    version: Version
    description: str | None
    digest: str
    count: int
    size: int
    manifest: str
    manifest_size: int
    listed_size: int
    files: tuple[FileFacts, ...] | None
    raw: Mapping[str, Json]

    @property
    def label(self) -> str:
        """How people write it: ``digits@1.0.0``."""
        return f"{self.name}@{self.version}"


def dataset_path(layout: Layout, name: str, version: Version) -> Path:
    """Return the file of the record of a version."""
    return layout.root / DATASETS_DIR / name / f"{version}.json"


def check_publishable(files: Sequence[FileFacts]) -> None:
    """Check that no file's name is what may not be published (LED-02).

    Raises:
        UnsafeValueError: a name looks like a secret; it is not repeated in the message.
    """
    if certainly_without_secrets(encode_list(files)):
        return
    for number, file in enumerate(files, start=1):
        if find_secrets({"path": file.path}):
            folder = file.path.rpartition("/")[0]
            shown = folder if folder and not find_secrets({"path": folder}) else "the dataset"
            raise UnsafeValueError(
                f"the name of file {number} of {len(files)} (in {shown}) looks like a secret",
                hint="names are published with the ledger; give it another one",
            )


def encode_dataset(
    layout: Layout,
    name: str,
    version: Version,
    files: Sequence[FileFacts],
    manifest: Descriptor,
    description: str | None,
) -> bytes:
    """Return the record of a version as it stands in its file, sanitized (LED-02).

    Args:
        layout: the repository; a description's paths below it are written relative to it.
        name: of the dataset.
        version: which one.
        files: in order.
        manifest: what reaches their bytes.
        description: Markdown, or None.

    Raises:
        UnsafeValueError: a file's name may not be published.
    """
    check_publishable(files)
    listed = encode_list(files)
    value: dict[str, Json] = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "name": name,
        "version": str(version),
        "description": (description or "").encode("utf-8", "replace").decode().strip() or None,
        "digest": sha256_digest(listed),
        "list_size": len(listed),
        "count": len(files),
        "size": sum(file.size for file in files),
        "manifest": {"digest": manifest.digest, "size": manifest.size},
    }
    clean, redacted = sanitize(
        {key: item for key, item in value.items() if item is not None}, roots=roots_of(layout)
    )
    if clean["name"] != name:
        raise UnsafeValueError(
            "the name of the dataset looks like a secret or a path", hint="give it another one"
        )
    if len(files) <= MOST_INLINE:
        clean["files"] = [file.to_json() for file in files]
    if redacted:
        clean["redacted"] = sorted(redacted)
    clean["record_digest"] = record_digest(clean)
    return canonical_bytes(clean)


def write_dataset(
    layout: Layout, name: str, version: Version, data: bytes
) -> tuple[DatasetRecord, bool]:
    """Write the record of a version; return what stands there then, and whether it is new.

    Raises:
        StorageError: the disk refused.
        CorruptDataError: what stood there already is damaged.
    """
    created = write_new(dataset_path(layout, name, version), data, tmp_dir=layout.tmp_dir)
    return read_version(layout, name, version), created


def decode_dataset(named: str, data: bytes) -> DatasetRecord:
    """Return the record in ``data``, which must be that of ``named`` and unchanged.

    Args:
        named: name and version with a slash between them.
        data: the file's bytes.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    name, _, version = named.rpartition("/")
    value = open_record(data, kind=KIND, what="a dataset", key="version", named=version)
    if value.get("name") != name or not is_dataset_name(name):
        raise CorruptDataError(f"it is the record of the dataset {value.get('name')}")
    try:
        number = Version.parse(version)
    except ValueError:
        raise CorruptDataError(f"{version} is no version") from None
    return _parsed(value, number)


def _parsed(value: dict[str, Json], version: Version) -> DatasetRecord:
    manifest, description = value.get("manifest"), value.get("description")
    sizes = [value.get(key) for key in ("count", "size", "list_size")]
    if not (
        is_digest(value.get("digest"))
        and isinstance(manifest, dict)
        and is_digest(manifest.get("digest"))
        and all(type(size) is int and size >= 0 for size in (*sizes, manifest.get("size")))
        and isinstance(description, str | None)
    ):
        raise CorruptDataError("it lacks what the record of a dataset must say")
    files = _files_in(value)
    return DatasetRecord(
        name=value["name"],
        version=version,
        description=description,
        digest=value["digest"],
        count=value["count"],
        size=value["size"],
        manifest=manifest["digest"],
        manifest_size=manifest["size"],
        listed_size=value["list_size"],
        files=files,
        raw=value,
    )


def _files_in(value: Mapping[str, Json]) -> tuple[FileFacts, ...] | None:
    listed = value.get("files")
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise CorruptDataError("its files are no list")
    files = in_order(FileFacts.from_json(item) for item in listed)
    check_list(value["digest"], value["count"], value["size"], files)
    return files


def check_list(digest: str, count: int, size: int, files: Sequence[FileFacts]) -> None:
    """Check that files are those that a record tells of.

    Raises:
        CorruptDataError: they are not.
    """
    total = sum(file.size for file in files)
    if len(files) != count or total != size or sha256_digest(encode_list(files)) != digest:
        raise CorruptDataError("its files are not those of its digest")


def read_datasets(tree: Tree) -> tuple[list[DatasetRecord], list[LedgerProblem]]:
    """Return the records of a tree by name and version, and what is wrong with the others."""
    paths = [path for path in tree.files(DATASETS_DIR) if path.endswith(".json")]
    records, problems = read_all(
        tree, paths, _FILE, "it stands where no dataset's record does", decode_dataset
    )
    records.sort(key=lambda record: (record.name, record.version))
    return records, problems


def list_datasets(layout: Layout) -> list[DatasetRecord]:
    """Return the sound records of the work tree, by name and version."""
    return read_datasets(_tree(layout))[0]


def known_versions(layout: Layout) -> dict[str, list[Version]]:
    """Return the versions of each dataset that the work tree has a record of, sorted.

    Records are not read: one that is damaged counts, so that nobody gets an older version unasked.
    """
    found: dict[str, list[Version]] = {}
    for path in _tree(layout).files(DATASETS_DIR):
        named = _FILE.fullmatch(path)
        if named is None:
            continue
        name, _, version = named[1].rpartition("/")
        try:
            found.setdefault(name, []).append(Version.parse(version))
        except ValueError:  # `aexp ledger verify` tells of it
            continue
    return {name: sorted(found[name]) for name in sorted(found) if found[name]}


def read_dataset(layout: Layout, name: str, version: str | Version | None = None) -> DatasetRecord:
    """Return the record of a version of a dataset.

    Args:
        layout: the repository.
        name: of the dataset.
        version: which one; None for the current one, which has the highest numbers.

    Raises:
        NotFoundError: the ledger has no such dataset, or no such version.
        UsageError: the version is none.
        CorruptDataError: the record is damaged.
    """
    wanted = Version.parse(version) if isinstance(version, str) else version
    known = known_versions(layout)
    versions = known.get(name)
    if versions is None:
        near = get_close_matches(str(name), known, n=3, cutoff=0.6)
        hint = f"did you mean {', '.join(near)}?" if near else "see `aexp dataset list`"
        raise NotFoundError(
            f"there is no dataset {name}", hint=f"{hint}; `aexp sync` fetches those of others"
        )
    if wanted is not None and wanted not in versions:
        shown = ", ".join(str(one) for one in versions[-5:])
        more = "…, " if len(versions) > 5 else ""
        raise NotFoundError(
            f"the dataset {name} has no version {wanted}", hint=f"it has {more}{shown}"
        )
    return read_version(layout, name, wanted or versions[-1])


def find_dataset(layout: Layout, text: str) -> DatasetRecord | None:
    """Return the version that ``digits`` or ``digits@1.0.0`` means; None when there is none such.

    Raises:
        NotFoundError: there is such a dataset, and no such version of it.
        UsageError: what is behind the ``@`` of such a dataset is no version.
        CorruptDataError: the record is damaged.
    """
    name, version = split_reference(text)
    if not is_dataset_name(name) or not (layout.root / DATASETS_DIR / name).is_dir():
        return None
    return read_dataset(layout, name, version) if name in known_versions(layout) else None


def read_version(layout: Layout, name: str, version: Version) -> DatasetRecord:
    """Return the record of a version that is there.

    Raises:
        CorruptDataError: it cannot be read, or is damaged.
    """
    path = dataset_path(layout, name, version)
    try:
        return decode_dataset(f"{name}/{version}", path.read_bytes())
    except CorruptDataError as error:
        raise type(error)(
            f"{layout.relative(path)}: {error.message}",
            hint="restore it from git: it never changes (`git checkout -- FILE`); where two"
            " machines gave one version to different content, add one of them as another version",
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CorruptDataError(f"{layout.relative(path)} cannot be read: {reason}") from None


def _tree(layout: Layout) -> WorkTree:
    return WorkTree(layout.root, has_git=layout.git_dir is not None)
