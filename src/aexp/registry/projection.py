"""What other tools read of a registry: ``oci-layout`` and ``index.json`` (REG-01).

A name that OCI's grammar does not allow is escaped, so that ``skopeo`` and ``oras`` can address
it; the name itself stands beside it in an annotation of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from msgspec.structs import replace

from aexp.errors import CorruptDataError
from aexp.model.oci import Descriptor, Index, decode_manifest
from aexp.registry.refs import Ref
from aexp.storage.atomic import write_atomic

LAYOUT: Final = "oci-layout"
LAYOUT_CONTENT: Final = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME: Final = "org.opencontainers.image.ref.name"
OWN_NAME: Final = "dev.aexp.ref.name"
"""The annotation with the name as it is."""

Describe: TypeAlias = Callable[[str], Descriptor | None]
"""Gives the descriptor of a manifest by its digest, None when it is not there."""

_LEGAL = re.compile(
    r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*"
)
_ESCAPED: Final = "aexp.0"
"""How an escaped name begins; a legal name that begins so is escaped as well."""
_CODED = re.compile(r"_([0-9a-f]{2})")


def oci_name(name: str) -> str:
    """Return ``name`` as OCI's grammar of ref names allows it (image-spec, annotations).

    A legal name stays as it is. In others every byte but letters and digits becomes ``_`` and two
    hex digits.
    """
    if _LEGAL.fullmatch(name) and not name.startswith(_ESCAPED):
        return name
    return _ESCAPED + "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"_{byte:02x}"
        for byte in name.encode("utf-8")
    )


def name_of(text: str) -> str:
    """Return the name that :func:`oci_name` made ``text`` from."""
    if not text.startswith(_ESCAPED):
        return text
    coded = text.removeprefix(_ESCAPED)
    decoded = _CODED.sub(lambda found: chr(int(found[1], 16)), coded)
    try:
        return decoded.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def write_layout(root: Path) -> None:
    """Write the file that says that this is an OCI layout."""
    write_atomic(root / LAYOUT, LAYOUT_CONTENT, tmp_dir=root / "tmp")


def write(root: Path, named: Sequence[Ref], describe: Describe) -> None:
    """Write ``index.json`` for the refs ``named``; one whose manifest is missing is left out.

    What stands there already about a digest is believed, since it cannot change.
    """
    path = root / "index.json"
    known = {found.digest: found for found in listed(path)}
    index = index_of(named, lambda digest: known.get(digest) or describe(digest))
    write_atomic(path, index.encode(), tmp_dir=root / "tmp")


def listed(path: Path) -> tuple[Descriptor, ...]:
    """Return what an ``index.json`` lists, nothing when it cannot be read."""
    try:
        index = decode_manifest(path.read_bytes())
    except (OSError, CorruptDataError):
        return ()
    return index.manifests if isinstance(index, Index) else ()


def index_of(named: Sequence[Ref], describe: Describe) -> Index:
    """Return the index that lists ``named``."""
    return Index(
        tuple(
            replace(found, annotations=labels(ref.name))
            for ref in named
            if (found := describe(ref.digest)) is not None
        )
    )


def labels(name: str) -> dict[str, str]:
    """Return the annotations that stand for ``name`` in an ``index.json``."""
    return {REF_NAME: oci_name(name), OWN_NAME: name}


def name_in(entry: Descriptor) -> str | None:
    """Return the name of an entry of an ``index.json``, whoever wrote it; None without one."""
    own = entry.annotations.get(OWN_NAME)
    found = entry.annotations.get(REF_NAME)
    return own or (name_of(found) if found else None)
