"""What other tools read of a registry: ``oci-layout`` and ``index.json`` (REG-01).

A name that OCI's grammar does not allow is escaped, so that ``skopeo`` and ``oras`` can address
it; the name itself stands beside it in an annotation of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from aexp.model.oci import MANIFEST, Descriptor, Index
from aexp.registry.refs import Ref
from aexp.storage.atomic import write_atomic

LAYOUT: Final = "oci-layout"
REF_NAME: Final = "org.opencontainers.image.ref.name"
OWN_NAME: Final = "dev.aexp.ref.name"
"""The annotation with the name as it is."""

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
    write_atomic(root / LAYOUT, b'{"imageLayoutVersion":"1.0.0"}', tmp_dir=root / "tmp")


def write(root: Path, named: Sequence[Ref], size: Callable[[str], int | None]) -> None:
    """Write ``index.json`` for the refs ``named``; one whose manifest is missing is left out."""
    write_atomic(root / "index.json", index_of(named, size).encode(), tmp_dir=root / "tmp")


def index_of(named: Sequence[Ref], size: Callable[[str], int | None]) -> Index:
    """Return the index that lists ``named``."""
    return Index(
        tuple(
            Descriptor(
                MANIFEST, ref.digest, found, {REF_NAME: oci_name(ref.name), OWN_NAME: ref.name}
            )
            for ref in named
            if (found := size(ref.digest)) is not None
        )
    )
