"""Records of workflows: ``.aexp/ledger/workflows/<hex of the checksum>.json`` (EXE-02).

A record says what a script is called and what kind of work it does. It is written once, at the
first registration of a script with this content, and holds nothing that belongs to a machine or a
moment, so that two machines that register one script alike write the same bytes.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from aexp.errors import NotFoundError, UsageError
from aexp.ledger.judge import LedgerProblem
from aexp.ledger.promote import roots_of
from aexp.ledger.records import SCHEMA_VERSION, read_all, read_one
from aexp.ledger.workflow_record import (
    FILE,
    KIND,
    WORKFLOWS_DIR,
    WorkflowRecord,
    decode_workflow,
)
from aexp.model.canonical import Json, canonical_bytes
from aexp.model.entry import record_digest
from aexp.model.sanitize import sanitize
from aexp.repo import Layout
from aexp.storage.atomic import write_new
from aexp.tree import Tree, WorkTree

_CHECKSUM = re.compile(r"[0-9a-f]{8,64}")


def check_checksum(text: str) -> str:
    """Return a checksum as the ledger writes it: hex digits, in lower case.

    Raises:
        UsageError: it is none.
    """
    checksum = text.strip().lower().removeprefix("sha256:")
    if not _CHECKSUM.fullmatch(checksum):
        raise UsageError(
            f"{text!r} is no checksum of a workflow",
            hint="give 8 to 64 hex digits, such as `git hash-object SCRIPT` prints",
        )
    return checksum


def workflow_path(layout: Layout, checksum: str) -> Path:
    """Return the file of the record of a workflow."""
    return layout.root / WORKFLOWS_DIR / f"{checksum}.json"


def write_workflow(
    layout: Layout,
    checksum: str,
    *,
    name: str,
    workflow_type: str,
    description: str = "",
    path: str | None = None,
) -> WorkflowRecord:
    """Register a workflow, and return the record that stands: the first one of its script.

    Args:
        layout: the repository; paths below it are written relative to it.
        checksum: of the script; see :func:`check_checksum`.
        name: what people call it.
        workflow_type: what kind of work it does.
        description: what it is, in Markdown.
        path: the script relative to the root.

    Raises:
        StorageError: the disk refused.
        CorruptDataError: there is a file for this checksum, and it is damaged.
    """
    value: dict[str, Json] = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "checksum": checksum,
        "name": name,
        "workflow_type": workflow_type,
        "description": description,
        "path": path,
    }
    kept = {key: item for key, item in value.items() if item is not None}
    clean, redacted = sanitize(kept, roots=roots_of(layout))
    if redacted:
        clean["redacted"] = sorted(redacted)
    clean["record_digest"] = record_digest(clean)
    write_new(workflow_path(layout, checksum), canonical_bytes(clean), tmp_dir=layout.tmp_dir)
    return read_workflow(layout, checksum)


def read_workflow(layout: Layout, checksum: str) -> WorkflowRecord:
    """Return the record of a workflow.

    Raises:
        NotFoundError: the ledger has none.
        CorruptDataError: it is damaged.
    """
    path = workflow_path(layout, checksum)
    try:
        return read_one(layout, path, partial(decode_workflow, checksum))
    except FileNotFoundError:
        raise NotFoundError(
            f"the ledger has no workflow {checksum}", hint="run `aexp sync` to fetch it"
        ) from None


def read_workflows(tree: Tree) -> tuple[list[WorkflowRecord], list[LedgerProblem]]:
    """Return the workflows of a tree by name, and what is wrong with the other files."""
    paths = [path for path in tree.files(WORKFLOWS_DIR) if path.endswith(".json")]
    records, problems = read_all(tree, paths, FILE, "its name is no checksum", decode_workflow)
    records.sort(key=lambda record: (record.name, record.checksum))
    return records, problems


def list_workflows(layout: Layout) -> list[WorkflowRecord]:
    """Return the sound workflows of the work tree, by name."""
    return read_workflows(WorkTree(layout.root, has_git=layout.git_dir is not None))[0]
