"""The per-machine index: which terminal runs a machine has (IDX-01, IDX-02).

``.aexp/runs-index/<machine>.json`` is how repositories of agentic-experiments 0.6.x said that a
run exists on another machine. The ledger says more and replaces it; the index is still read, and
still written by ``aexp runs-export-index``, so that a repository can move over at its own pace.

An index knows a run's id, status, experiment and condition, nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NotRequired, TypedDict

from msgspec import Struct, field

from aexp.clock import utc_now
from aexp.errors import NewerSchemaError, UsageError
from aexp.model.canonical import Json, decode_json
from aexp.model.ids import is_job_id
from aexp.model.status import TERMINAL_STATUSES
from aexp.repo import INDEX_DIR_REL, Layout, check_machine_label, open_layout
from aexp.storage.atomic import write_atomic
from aexp.tree import Tree, WorkTree
from aexp.workspace.store import RunStore

__all__ = [
    "INDEX_DIR_REL",
    "SCHEMA_VERSION",
    "Export",
    "IndexEntry",
    "IndexFile",
    "IndexProblem",
    "Indexes",
    "KnownRun",
    "build_index",
    "collect_known_elsewhere",
    "export_index",
    "load_all_indexes",
    "read_indexes",
    "write_index",
]

SCHEMA_VERSION = 1


class IndexEntry(TypedDict):
    """One terminal run of a machine."""

    job_id: str
    status: str
    experiment_id: NotRequired[str]
    condition: NotRequired[str | int | float | bool]
    registered_at: NotRequired[str]


class IndexFile(TypedDict):
    """One machine's index; ``entries`` are sorted by job id."""

    schema_version: int
    machine_label: str
    exported_at: str
    entries: list[IndexEntry]


class IndexProblem(Struct, frozen=True):
    """An index file, or part of one, that cannot be used.

    Attributes:
        path: the file, relative to the repository root.
        message: one clause that says what is wrong.
    """

    path: str
    message: str


class KnownRun(Struct, frozen=True):
    """A run that some machine's index lists.

    Attributes:
        entry: what the index says of it; the latest export wins.
        machines: the labels of all machines that list it, sorted.
    """

    entry: IndexEntry
    machines: tuple[str, ...]


class Indexes(Struct, frozen=True):
    """All index files of a tree.

    Attributes:
        files: one index per machine label; files of one label are united (trap 25).
        problems: what could not be used.
    """

    files: Mapping[str, IndexFile] = field(default_factory=dict)
    problems: tuple[IndexProblem, ...] = ()

    def known_runs(self) -> dict[str, KnownRun]:
        """Return every listed run by job id."""
        ordered = sorted(self.files.values(), key=lambda f: (f["exported_at"], f["machine_label"]))
        entries: dict[str, IndexEntry] = {}
        machines: dict[str, set[str]] = {}
        for index in ordered:
            for entry in index["entries"]:
                entries[entry["job_id"]] = entry
                machines.setdefault(entry["job_id"], set()).add(index["machine_label"])
        return {
            job_id: KnownRun(entry, tuple(sorted(machines[job_id])))
            for job_id, entry in entries.items()
        }


# --- reading ---------------------------------------------------------------------------------


def read_indexes(tree: Tree) -> Indexes:
    """Return every index of ``tree``; what cannot be used is a problem, never an error (IDX-02)."""
    paths, problems = _index_paths(tree)
    files: dict[str, IndexFile] = {}
    for path, data in sorted(tree.read_many(paths), key=lambda pair: pair[0]):
        index, faults = _parse_index(data, stem=PurePosixPath(path).stem)
        problems += [IndexProblem(path, fault) for fault in faults]
        if index is not None:
            label = index["machine_label"]
            files[label] = _united(files[label], index) if label in files else index
    problems.sort(key=lambda problem: problem.path)
    return Indexes(dict(sorted(files.items())), tuple(problems))


def _index_paths(tree: Tree) -> tuple[list[str], list[IndexProblem]]:
    """Return the index files, and a problem for what is named like one and is no file."""
    paths: list[str] = []
    folders: set[str] = set()
    for path in tree.files(INDEX_DIR_REL):
        name, slash, _ = path.removeprefix(f"{INDEX_DIR_REL}/").partition("/")
        if name.endswith(".json"):
            (folders.add if slash else paths.append)(f"{INDEX_DIR_REL}/{name}")
    problems = [IndexProblem(path, "it is a folder") for path in folders]
    problems += [
        IndexProblem(path, "it is a symbolic link, and git shares only where it points")
        for path in tree.links(INDEX_DIR_REL)
        if path.endswith(".json") or f"{INDEX_DIR_REL}/".startswith(f"{path}/")
    ]
    return paths, problems


def load_all_indexes(repo_root: str | Path | None = None) -> dict[str, IndexFile]:
    """Return every usable index of the repository by machine label, as plain dicts (IDX-02)."""
    layout = open_layout(repo_root, require_git=False)
    return dict(read_indexes(_work_tree(layout)).files)


def collect_known_elsewhere(repo_root: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """Return what the indexes say of each run, by job id.

    Each value is the index entry with ``ledger_machine``, the label of a machine that lists the
    run, and ``machines``, all of them.
    """
    layout = open_layout(repo_root, require_git=False)
    return {
        job_id: {**known.entry, "ledger_machine": known.machines[0], "machines": [*known.machines]}
        for job_id, known in read_indexes(_work_tree(layout)).known_runs().items()
    }


def _work_tree(layout: Layout) -> WorkTree:
    return WorkTree(layout.root, has_git=layout.git_dir is not None)


def _parse_index(data: bytes | OSError, *, stem: str) -> tuple[IndexFile | None, list[str]]:
    """Return what of a file can be used, and what is wrong with the rest."""
    if isinstance(data, OSError):
        return None, [f"it cannot be read: {data.strerror or 'unreadable'}"]
    try:
        value = decode_json(data)
    except ValueError as error:
        return None, [f"it is no JSON: {' '.join(str(error).split())}"]
    if not isinstance(value, dict):
        return None, ["it is no JSON object"]
    version = value.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int):
        return None, ["it has no schema_version"]
    if version > SCHEMA_VERSION:
        return None, [f"it has schema_version {version}, written by a newer aexp"]
    listed = value.get("entries")
    if not isinstance(listed, list):
        return None, ["it has no list of entries"]
    label = value.get("machine_label")
    parsed = [_parse_entry(item) for item in listed]
    usable = {entry["job_id"]: entry for entry in parsed if entry is not None}
    bad = parsed.count(None)
    faults = [f"{bad} of its {len(listed)} entries cannot be used"] if bad else []
    index = IndexFile(
        schema_version=SCHEMA_VERSION,
        machine_label=label if isinstance(label, str) and label else stem,
        exported_at=_text(value.get("exported_at")),
        entries=[usable[job_id] for job_id in sorted(usable)],
    )
    return index, faults


def _parse_entry(item: Json) -> IndexEntry | None:
    """Return an entry, or None when it names no run or a run that had not ended."""
    if not isinstance(item, dict) or not is_job_id(item.get("job_id")):
        return None
    status = item.get("status")
    if not isinstance(status, str) or status not in TERMINAL_STATUSES:
        return None
    entry = IndexEntry(job_id=item["job_id"], status=status)
    if isinstance(experiment := item.get("experiment_id"), str):
        entry["experiment_id"] = experiment
    if isinstance(condition := item.get("condition"), str | int | float):
        entry["condition"] = condition
    if isinstance(registered := item.get("registered_at"), str):
        entry["registered_at"] = registered
    return entry


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _united(left: IndexFile, right: IndexFile) -> IndexFile:
    """Return both files of one label as one; of a run in both, the later export's words count."""
    older, newer = sorted((left, right), key=lambda index: index["exported_at"])
    entries = {e["job_id"]: e for e in (*older["entries"], *newer["entries"])}
    return IndexFile(
        schema_version=SCHEMA_VERSION,
        machine_label=left["machine_label"],
        exported_at=newer["exported_at"],
        entries=[entries[job_id] for job_id in sorted(entries)],
    )


# --- writing ---------------------------------------------------------------------------------


def build_index(
    repo_root: str | Path | None = None, *, machine_label: str | None = None
) -> IndexFile:
    """Return the index of this machine's terminal runs, sorted by job id (IDX-01, trap 28).

    Args:
        repo_root: any folder of the repository; the working directory when None.
        machine_label: the label to use instead of this installation's.

    Raises:
        UsageError: ``machine_label`` is no legal label.
    """
    return _index_of(open_layout(repo_root, require_git=False), machine_label)


class Export(Struct, frozen=True):
    """What an export wrote.

    Attributes:
        path: the file.
        index: its content.
        kept: how many of its entries are of runs that this run store does not have.
    """

    path: Path
    index: IndexFile
    kept: int


def export_index(
    repo_root: str | Path | None = None,
    *,
    out: str | Path | None = None,
    machine_label: str | None = None,
) -> Path:
    """Write this machine's index and return its path; see :func:`write_index`."""
    return write_index(repo_root, out=out, machine_label=machine_label).path


def write_index(
    repo_root: str | Path | None = None,
    *,
    out: str | Path | None = None,
    machine_label: str | None = None,
) -> Export:
    """Write this machine's index (IDX-01).

    Runs that the file already lists and this run store does not have are kept: another
    installation may use the same label (trap 25). Apart from ``exported_at`` the same runs give
    the same bytes.

    Args:
        repo_root: any folder of the repository; the working directory when None.
        out: the file to write instead of ``.aexp/runs-index/<label>.json``; inside the repository.
        machine_label: the label to use, in the file's name and in its body.

    Raises:
        UsageError: the label is not legal, the path leaves the repository (trap 18), or ``out``
            is something other than an index.
        NewerSchemaError: the file there was written by a newer aexp.
        StorageError: it cannot be written.
    """
    layout = open_layout(repo_root, require_git=False)
    index = _index_of(layout, machine_label)
    path = _target(layout, out, index["machine_label"])
    others = _entries_of_others(path, layout)
    index["entries"] = sorted([*index["entries"], *others], key=lambda entry: entry["job_id"])
    text = json.dumps(index, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, text.encode("utf-8"), tmp_dir=layout.tmp_dir)
    return Export(path, index, len(others))


def _index_of(layout: Layout, machine_label: str | None) -> IndexFile:
    label = layout.machine_label if machine_label is None else machine_label
    return IndexFile(
        schema_version=SCHEMA_VERSION,
        machine_label=check_machine_label(label),
        exported_at=utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        entries=sorted(_local_entries(layout), key=lambda entry: entry["job_id"]),
    )


def _local_entries(layout: Layout) -> Iterable[IndexEntry]:
    store = RunStore(layout)
    if not store.exists():
        return
    for record in store.records():
        link = record.document.get("aexp")
        entry = _parse_entry(
            {
                "job_id": record.job_id,
                "status": record.document.get("status"),
                "experiment_id": link.get("experiment_id") if isinstance(link, Mapping) else None,
                "condition": record.statepoint.get("condition"),
                "registered_at": record.document.get("created_at"),
            }
        )
        if entry is not None:
            yield entry


def _target(layout: Layout, out: str | Path | None, label: str) -> Path:
    """Return the file to write, which must be inside the repository, links followed (trap 18)."""
    path = layout.index_dir / f"{label}.json" if out is None else Path(os.path.abspath(out))
    root = Path(os.path.realpath(layout.root))
    real = Path(os.path.realpath(path))
    git_dir = root / ".git"
    if not real.is_relative_to(root) or real == git_dir or real.is_relative_to(git_dir):
        raise UsageError(
            f"{layout.relative(path)} is outside the repository",
            hint=f"write the index inside it, as {INDEX_DIR_REL}/{label}.json",
        )
    if path.is_dir():
        raise UsageError(f"{layout.relative(path)} is a folder", hint="name a file")
    return path


def _entries_of_others(path: Path, layout: Layout) -> list[IndexEntry]:
    """Return what stands at ``path`` of runs that are not in this run store.

    A damaged index is replaced, but only in the indexes' own folder.

    Raises:
        UsageError: something else stands there.
        NewerSchemaError: it was written by a newer aexp.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    if _is_newer(data):
        raise NewerSchemaError(
            f"{layout.relative(path)} was written by a newer aexp", hint="upgrade aexp here"
        )
    index, _ = _parse_index(data, stem=path.stem)
    if index is None and path.parent != layout.index_dir:
        raise UsageError(
            f"{layout.relative(path)} exists and is no runs index", hint="name another file"
        )
    if index is None:
        return []
    store = RunStore(layout)
    mine = set(store.ids()) if store.exists() else set()
    return [entry for entry in index["entries"] if entry["job_id"] not in mine]


def _is_newer(data: bytes) -> bool:
    try:
        value = decode_json(data)
    except ValueError:
        return False
    version = value.get("schema_version") if isinstance(value, dict) else None
    return isinstance(version, int) and version > SCHEMA_VERSION
