"""Proof of a whole ledger: every file is read, and every promise of its format checked (LED-12).

`validate` asks what findings need of the ledger, and may believe its cache; this reads all files
anew and looks for more: paths of a machine, entries that lost their digest, misplaced files, and
the parts of an entry that were too large for it and lie beside the run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from typing import Final, Literal

from aexp.errors import NotFoundError, UnsafeValueError, UsageError
from aexp.git import Git
from aexp.ledger.datasets import read_datasets
from aexp.ledger.experiments import read_records
from aexp.ledger.features import read_features
from aexp.ledger.judge import LedgerProblem, entry_job_id, is_run_file
from aexp.ledger.merge_driver import ONLY_OURS
from aexp.ledger.store import read_ledger
from aexp.ledger.sweeps import read_plans
from aexp.ledger.workflows import read_workflows
from aexp.model.canonical import Json
from aexp.model.entry import LedgerEntry
from aexp.model.ids import resolve_prefix
from aexp.model.outputs import OUTPUTS, faults
from aexp.model.sanitize import find_absolute_paths
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.tree import GitTree, Tree, WorkTree
from aexp.workspace.store import RunStore

RECORD_FOLDERS: Final = ("experiments", "sweeps", "datasets", "workflows", "features")
"""Where records of other kinds stand (model.md, decision 2)."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class VerifyReport:
    """What a proof came to.

    Attributes:
        tree: what was looked at: ``work tree``, or a commit.
        entries: how many runs have an entry file.
        sound: how many of them are without an error.
        problems: what is wrong, by path; warnings leave an entry sound.
    """

    tree: str
    entries: int
    sound: int
    problems: tuple[LedgerProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return all(problem.severity != "error" for problem in self.problems)


def verify_ledger(
    layout: Layout, runs: Sequence[str] = (), *, commit: str | None = None
) -> VerifyReport:
    """Check every entry, or those of some runs. Writes nothing, not even the cache.

    Args:
        layout: the repository.
        runs: ids, or the beginnings of some; everything when empty.
        commit: look at the ledger of this commit instead of the work tree's.

    Raises:
        NotFoundError: there is no such commit, or no file of such a run.
        UsageError, AmbiguousIdError: an id is none, or the beginning of several.
    """
    tree = _tree(layout, commit)
    ledger = read_ledger(tree)
    paths = tree.files(LEDGER_DIR_REL)
    found = {job_id for path in paths if (job_id := entry_job_id(path)) is not None}
    wanted = {_resolve(text, found) for text in runs} if runs else found
    problems = [p for p in ledger.problems if not runs or p.job_id in wanted]
    for job_id in sorted(wanted & ledger.entries.keys()):
        problems += _of_entry(layout, ledger.entries[job_id], ledger.paths[job_id])
    if not runs:
        problems += _misplaced(tree, paths)
        problems += read_records(tree)[1]
        problems += read_plans(tree)[1]
        problems += read_workflows(tree)[1]
        problems += read_datasets(tree)[1]
        problems += read_features(tree)[1]
    by_place = {(p.path, p.code, p.severity): p for p in reversed(problems)}  # the first stays
    problems = sorted(by_place.values(), key=lambda p: (p.path, p.code))
    broken = {p.job_id for p in problems if p.severity == "error"}
    sound = len((wanted & ledger.entries.keys()) - broken)
    return VerifyReport(tree.label, len(wanted), sound, tuple(problems))


def _tree(layout: Layout, commit: str | None) -> Tree:
    if commit is None:
        return WorkTree(layout.root, has_git=layout.git_dir is not None)
    if layout.git_dir is None:
        raise UsageError("this is no git repository, so there are no commits")
    found = Git(layout.root).run(
        "rev-parse", "-q", "--verify", "--end-of-options", f"{commit}^{{commit}}", check=False
    )
    if found.returncode != 0:
        raise NotFoundError(f"there is no commit {commit}", hint="see `git log --oneline`")
    return GitTree(layout.root, commit=found.text)


def _resolve(text: str, found: Collection[str]) -> str:
    try:
        return resolve_prefix(text, found)
    except NotFoundError as error:
        hint = "`aexp ledger list` shows the runs that have an entry"
        raise type(error)(f"{error.message} in the ledger", hint=hint) from None


def _of_entry(layout: Layout, entry: LedgerEntry, path: str) -> Iterator[LedgerProblem]:
    """Yield what is wrong with a usable entry."""

    def problem(code: str, message: str, severity: Severity = "error") -> LedgerProblem:
        return LedgerProblem(code, path, message, entry["job_id"], severity)

    if "record_digest" not in entry and any(name in entry for name in ONLY_OURS):
        yield problem("ledger.digest_mismatch", "its record_digest is missing")
    try:
        pointers = find_absolute_paths(_without_pointers(entry))
    except UnsafeValueError as error:
        yield problem("ledger.malformed", f"it cannot be examined: {error.message}")
        return
    if pointers:
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        message = f"{pointers[0]}{more} holds a path of one machine"
        yield problem("ledger.unsanitized", message, "warning")
    for fault in _wrong_outputs(entry):
        yield problem("ledger.outputs_wrong", fault)
    for name in _damaged_parts(layout, entry):
        message = f"its part {name} is here, beside the run, and is not what the entry says"
        yield problem("ledger.attachment_damaged", message)


def _wrong_outputs(entry: LedgerEntry) -> Iterator[str]:
    """Yield what is wrong with the outputs that an entry lists (EXE-31).

    An asset's id is made of its name; where the name is redacted, nothing can be proven of it.
    """
    for attempt in (entry, *entry.get("replicates", ())):
        redacted = any(str(p).startswith("/outputs") for p in attempt.get("redacted") or ())
        if OUTPUTS in attempt and not redacted:
            yield from faults(entry["job_id"], attempt[OUTPUTS])


def _without_pointers(entry: Mapping[str, Json]) -> dict[str, Json]:
    """Return an entry without its JSON pointers, which look like paths."""
    kept = {key: value for key, value in entry.items() if key != "redacted"}
    others = kept.get("replicates")
    if isinstance(others, list):
        kept["replicates"] = [_without_pointers(o) if isinstance(o, dict) else o for o in others]
    return kept


def _damaged_parts(layout: Layout, entry: LedgerEntry) -> Iterator[str]:
    """Yield parts that were moved out of an entry (LED-01), are here, and were changed since."""
    folder = RunStore(layout).folder(entry["job_id"]) / "attachments"
    for attempt in (entry, *entry.get("replicates", ())):
        items = attempt.get("attachments")
        for item in items if isinstance(items, list) else ():
            digest = item.get("digest") if isinstance(item, dict) else None
            if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                continue
            part = folder / f"{digest.replace(':', '-')}.json"
            try:
                with part.open("rb") as stream:
                    actual = file_digest(stream, "sha256").hexdigest()
            except FileNotFoundError:
                continue
            except OSError:
                actual = ""
            if f"sha256:{actual}" != digest:
                yield str(item.get("name"))


def _misplaced(tree: Tree, paths: Sequence[str]) -> Iterator[LedgerProblem]:
    """Yield files below the ledger that stand where nothing of ours stands."""

    def stray(path: str, message: str) -> LedgerProblem:
        return LedgerProblem("ledger.stray", path, message, None, "warning")

    for path in paths:
        folder = path[len(LEDGER_DIR_REL) + 1 :].partition("/")[0]
        if is_run_file(path) or (folder in RECORD_FOLDERS and path.endswith(".json")):
            continue
        yield stray(path, "it is no record of the ledger")
    for path in tree.links(LEDGER_DIR_REL):
        yield stray(path, "it is a symbolic link, which git does not follow")
