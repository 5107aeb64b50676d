"""What the ledger's other records have in common: each proves itself (model.md, decision 2)."""

from __future__ import annotations

import re
from typing import Final

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.canonical import Json, decode_json
from aexp.model.entry import record_digest

SCHEMA_VERSION: Final = 1
_MARKER = re.compile(rb"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE)


def open_record(data: bytes, *, kind: str, what: str, key: str, named: str) -> dict[str, Json]:
    """Return the record in ``data``, proved to be the one it is named for, and unchanged.

    Args:
        data: the file's bytes.
        kind: the record's ``kind``.
        what: what such a record is of, in words, for messages.
        key: the member that names it.
        named: what that member must hold.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    if _MARKER.search(data):
        raise CorruptDataError("it holds git's conflict markers")
    try:
        value = decode_json(data)
    except ValueError as error:
        raise CorruptDataError(f"it is no JSON: {error}") from None
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise CorruptDataError(f"it is no record of {what}")
    version = value.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchemaError(f"it has schema version {version}")
    if value.get(key) != named:
        raise CorruptDataError(f"it is the record of {value.get(key)}")
    if value.get("record_digest") != record_digest(value):
        raise CorruptDataError("its content does not match its record_digest")
    return value
