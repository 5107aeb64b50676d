"""Records of committed sessions: ``.aexp/ledger/experiments/<digest>.json`` (SES-07).

A record says which artifact a session was sealed as, under which name, and which runs are in it,
so that every clone knows the artifact and can verify its bytes, wherever it gets them from. It is
written once and never changes, so there is nothing to merge.

A mark in the git folder stands from before the name moves until the record is written: a commit
that a kill cut off between the two is completed by the next recording or backfill.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexp.errors import AexpError, CorruptDataError
from aexp.ledger.judge import LedgerProblem
from aexp.ledger.pending import commit_marks, commit_marks_folder
from aexp.ledger.promote import roots_of
from aexp.ledger.records import SCHEMA_VERSION, open_record, read_all
from aexp.model.canonical import Json, canonical_bytes, decode_json
from aexp.model.entry import record_digest
from aexp.model.ids import is_job_id
from aexp.model.oci import is_digest
from aexp.model.owner import Liveness, Owner
from aexp.model.sanitize import sanitize
from aexp.model.session import ExperimentFacts
from aexp.process import liveness, this_process
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.atomic import write_atomic, write_new
from aexp.tree import Tree, WorkTree

EXPERIMENTS_DIR: Final = f"{LEDGER_DIR_REL}/experiments"
KIND: Final = "experiment"

_FILE = re.compile(re.escape(EXPERIMENTS_DIR) + r"/([0-9a-f]{64})\.json")


@dataclass(frozen=True)
class ExperimentRecord:
    """What the ledger says of a committed session.

    Attributes:
        digest: of the artifact.
        size: of its manifest, in bytes.
        name: what it was committed as, or None.
        session_id: the session.
        experiment_id: such as ``E001``, or None.
        committed_at: when.
        machine: the label of the machine that committed it.
        runs: the job ids by number.
        parent: the digest of the artifact it is a fork of, or None.
        raw: everything the file holds.
    """

    digest: str
    size: int
    name: str | None
    session_id: str
    experiment_id: str | None
    committed_at: str
    machine: str
    runs: Mapping[int, str]
    parent: str | None
    raw: Mapping[str, Json]


def record_path(layout: Layout, digest: str) -> Path:
    """Return the file of the record of an artifact."""
    return layout.root / EXPERIMENTS_DIR / f"{digest.removeprefix('sha256:')}.json"


def encode_record(layout: Layout, digest: str, size: int, facts: ExperimentFacts) -> bytes:
    """Return the record of a committed session as it stands in its file, sanitized (LED-02).

    Args:
        layout: the repository; paths below it are written relative to it.
        digest: of the artifact.
        size: of its manifest, in bytes.
        facts: what its config says.
    """
    session = facts.session
    value: dict[str, Json] = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "digest": digest,
        "size": size,
        "name": session.name,
        "session": session.session_id,
        "experiment_id": session.experiment_id,
        "created_at": session.created_at,
        "committed_at": facts.committed_at,
        "registered_machine": session.machine,
        "aexp": facts.aexp,
        "parent": facts.parent,
        "runs": {str(run.number): run.job_id for run in facts.runs},
        "attachments": [item.to_json() for item in session.attachments] or None,
    }
    clean, redacted = sanitize(
        {key: item for key, item in value.items() if item is not None}, roots=roots_of(layout)
    )
    if redacted:
        clean["redacted"] = sorted(redacted)
    clean["record_digest"] = record_digest(clean)
    return canonical_bytes(clean)


def decode_record(digest: str, data: bytes) -> ExperimentRecord:
    """Return the record in ``data``, which must be that of ``digest`` and unchanged.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    value = open_record(data, kind=KIND, what="a committed session", key="digest", named=digest)
    return _parsed(value)


def _parsed(value: dict[str, Json]) -> ExperimentRecord:
    runs, size = value.get("runs"), value.get("size")
    texts = [value.get(key) for key in ("session", "committed_at", "registered_machine")]
    others = [value.get(key) for key in ("name", "experiment_id", "parent")]
    sound = (
        isinstance(runs, dict)
        and all(number.isdecimal() and is_job_id(job_id) for number, job_id in runs.items())
        and isinstance(size, int)
        and all(isinstance(text, str) for text in texts)
        and all(text is None or isinstance(text, str) for text in others)
    )
    if not sound:
        raise CorruptDataError("it lacks what the record of a session must say")
    return ExperimentRecord(
        digest=value["digest"],
        size=value["size"],
        name=value.get("name"),
        session_id=value["session"],
        experiment_id=value.get("experiment_id"),
        committed_at=value["committed_at"],
        machine=value["registered_machine"],
        runs={int(number): job_id for number, job_id in value["runs"].items()},
        parent=value.get("parent"),
        raw=value,
    )


def read_records(tree: Tree) -> tuple[list[ExperimentRecord], list[LedgerProblem]]:
    """Return the records of a tree, oldest commit first, and what is wrong with the others."""
    paths = [path for path in tree.files(EXPERIMENTS_DIR) if path.endswith(".json")]

    def decode(hexes: str, data: bytes) -> ExperimentRecord:
        return decode_record(f"sha256:{hexes}", data)

    records, problems = read_all(tree, paths, _FILE, "its name is no digest", decode)
    records.sort(key=lambda record: (record.committed_at, record.digest))
    return records, problems


def list_experiments(layout: Layout) -> list[ExperimentRecord]:
    """Return the records of the work tree that are sound, oldest commit first."""
    return read_records(WorkTree(layout.root, has_git=layout.git_dir is not None))[0]


def find_records(layout: Layout, text: str) -> list[ExperimentRecord]:
    """Return the sound records that ``text`` means, oldest first: a name, or a digest's beginning.

    A name may have stood for several artifacts in the course of time; the last is the newest.
    """
    short = text.removeprefix("sha256:")
    is_short = re.fullmatch(r"[0-9a-f]{6,64}", short) is not None
    return [
        record
        for record in list_experiments(layout)
        if record.name == text or (is_short and record.digest[7:].startswith(short))
    ]


# --- what a kill may cut off ---------------------------------------------------------------


def mark_commit(layout: Layout, digest: str, record: bytes) -> None:
    """Keep a record aside before its artifact gets its name.

    Raises:
        StorageError: the disk refused; then the name must not move.
    """
    folder = commit_marks_folder(layout)
    if folder is None:
        return
    mark = {
        "worktree": str(layout.root),
        "owner": this_process().to_json(),
        "record": record.decode("utf-8"),
    }
    path = folder / f"{digest.removeprefix('sha256:')}.json"
    write_atomic(path, canonical_bytes(mark), tmp_dir=layout.tmp_dir)


def write_record(layout: Layout, digest: str, record: bytes) -> Path:
    """Write the record of a committed session and remove its mark. Twice is no harm.

    Raises:
        StorageError: the disk refused; the mark stays, and the next backfill writes the record.
    """
    path = record_path(layout, digest)
    write_new(path, record, tmp_dir=layout.tmp_dir)
    clear_mark(layout, digest)
    return path


def clear_mark(layout: Layout, digest: str) -> None:
    """Remove the mark of :func:`mark_commit`."""
    folder = commit_marks_folder(layout)
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / f"{digest.removeprefix('sha256:')}.json").unlink()


def heal_records(layout: Layout) -> list[str]:
    """Write the records of commits that were cut off after the name had moved.

    Called by the next session, by ``backfill``, ``sync`` and ``recover``. A mark whose artifact no
    name stands for is of a commit that did not come about; it is removed once its process is gone.

    Returns:
        The digests whose record was written.
    """
    marks = commit_marks(layout)
    if not marks:
        return []
    from aexp.registry import open_registry  # most programs that come here have no marks

    refs = open_registry(layout).refs()
    published = {ref.digest for ref in refs if ref.kind in ("artifact", "anonymous")}
    healed: list[str] = []
    for path in marks:
        digest = f"sha256:{path.stem}"
        mark = _read_mark(path)
        if mark is None or not is_digest(digest):
            with contextlib.suppress(OSError):
                path.unlink()
            continue
        worktree, owner, record = mark
        if worktree != str(layout.root) and (Path(worktree) / ".git").exists():
            continue
        if digest in published:
            with contextlib.suppress(AexpError, OSError):
                write_record(layout, digest, record)
                healed.append(digest)
        elif owner is None or liveness(owner) is Liveness.DEAD:
            clear_mark(layout, digest)
    return healed


def _read_mark(path: Path) -> tuple[str, Owner | None, bytes] | None:
    try:
        value = decode_json(path.read_bytes())
        record = str(value["record"]).encode("utf-8")
        decode_record(f"sha256:{path.stem}", record)
        return str(value["worktree"]), Owner.from_json(value.get("owner")), record
    except (OSError, ValueError, KeyError, TypeError):
        return None
