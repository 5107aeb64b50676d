"""The record of a workflow, and which of two records of one workflow is taken (EXE-02)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from aexp.errors import CorruptDataError
from aexp.ledger.records import open_record
from aexp.model.canonical import Json
from aexp.repo import LEDGER_DIR_REL

WORKFLOWS_DIR: Final = f"{LEDGER_DIR_REL}/workflows"
KIND: Final = "workflow"
FILE: Final = re.compile(re.escape(WORKFLOWS_DIR) + r"/([0-9a-f]{8,64})\.json")
"""What the paths of these records look like."""


class WorkflowRecord(Struct, frozen=True):
    """What the ledger says of a workflow.

    Attributes:
        checksum: of the script, in hex digits.
        name: what people call it.
        workflow_type: what kind of work it does, such as ``Training``.
        description: what it is, in Markdown.
        path: the script relative to the root, or None.
        raw: everything the file holds.
    """

    checksum: str
    name: str
    workflow_type: str
    description: str
    path: str | None
    raw: Mapping[str, Json]


def decode_workflow(checksum: str, data: bytes) -> WorkflowRecord:
    """Return the record in ``data``, which must be that of ``checksum`` and unchanged.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    value = open_record(data, kind=KIND, what="a workflow", key="checksum", named=checksum)
    texts = [value.get(key) for key in ("name", "workflow_type", "description")]
    path = value.get("path")
    if not all(isinstance(text, str) for text in texts) or not isinstance(path, str | None):
        raise CorruptDataError("it lacks what the record of a workflow must say")
    return WorkflowRecord(
        checksum=value["checksum"],
        name=value["name"],
        workflow_type=value["workflow_type"],
        description=value["description"],
        path=path,
        raw=value,
    )


def either_workflow(path: str, first: bytes, second: bytes) -> bytes | None:
    """Return one of two records of one workflow, the same one whichever stands first.

    Two clones that had not heard of each other may have registered one script under two names.
    Which was earlier is not recorded, and does not matter: each execution's own entry
    says what it was told.

    Returns:
        None when ``path`` is no file of a workflow, or one of the two is no sound record.
    """
    found = FILE.fullmatch(path)
    if found is None:
        return None
    try:
        for data in (first, second):
            decode_workflow(found[1], data)
    except CorruptDataError:
        return None
    return min(first, second)
