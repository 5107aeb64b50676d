"""Mending the ledger after a conflict: both sides become one entry (LED-10).

For clones without the merge driver, and for what the driver left to a person. The plan is made
from what git still has of both sides, and nothing is written before it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from aexp.errors import AexpError, CorruptDataError, GitError, NotFoundError, UsageError
from aexp.git import Git
from aexp.ledger.judge import entry_job_id
from aexp.ledger.merge_driver import merge_files, sound_parts, union
from aexp.ledger.places import entry_path
from aexp.ledger.versions import (
    BASE,
    OURS,
    THEIRS,
    Unmerged,
    committed_versions,
    digests_in,
    has_markers,
    read_file,
    sides_of,
    unmerged,
)
from aexp.model.canonical import decode_json
from aexp.model.entry import Parts
from aexp.model.ids import is_job_id
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.atomic import BatchWriter, write_atomic
from aexp.tree import WorkTree


class Mended(Struct, frozen=True):
    """One file and what it becomes.

    Attributes:
        path: relative to the root.
        data: its new content; None when neither side has it any more.
        how: in a few words, for people.
        seen: what stood there when the plan was made.
    """

    path: str
    data: bytes | None
    how: str
    seen: bytes | None


class ResolvePlan(Struct, frozen=True):
    """What :func:`apply` will do.

    Attributes:
        mended: the files it will write, or remove from the index, in order of path.
        left: files that a person must decide, with the reason.
        others: unmerged files outside the ledger, which are none of our business.
    """

    mended: tuple[Mended, ...]
    left: dict[str, str]
    others: tuple[str, ...]


def plan_resolution(layout: Layout, only: Sequence[str] = ()) -> ResolvePlan:
    """Work out the entry that each conflicted file of the ledger becomes.

    Args:
        layout: the repository.
        only: files or folders, relative to the root; everything when empty.

    Raises:
        UsageError: a path is outside the ledger.
        NotFoundError: a path is neither in the work tree nor in conflict.
        GitError: git failed.
    """
    stages = unmerged(layout) if layout.git_dir is not None else {}
    for path in only:
        _check_wanted(layout, path, stages)
    planner = _Planner(layout)
    for path, item in sorted(stages.items()):
        if _is_wanted(path, only):
            planner.unmerged(item)
    for path, data in _with_markers(layout):
        if path not in stages and _is_wanted(path, only):
            planner.text(path, data)
    return planner.plan(_others(layout))


def apply(layout: Layout, plan: ResolvePlan) -> dict[str, str]:
    """Write the files of ``plan`` and add them, and nothing else, to git's index.

    Returns:
        What could not be done after all, with the reason: a file that changed meanwhile.

    Raises:
        StorageError: the disk refused. What was written is whole, and the index still says that
            the rest is unmerged.
        GitError: git could not add the files; they are written.
    """
    left: dict[str, str] = {}
    done: list[str] = []
    with BatchWriter(layout.tmp_dir) as batch:
        for item in plan.mended:
            if read_file(layout, item.path) != item.seen:
                left[item.path] = "it was changed meanwhile; run the command again"
                continue
            if item.data is not None and item.data != item.seen:
                _keep_aside(layout, item)
                batch.add(layout.root / item.path, item.data)
            done.append(item.path)
    for item in plan.mended:
        if item.data is None and item.path in done:
            (layout.root / item.path).unlink(missing_ok=True)
    _add(layout, done)
    return left


def _add(layout: Layout, paths: Sequence[str]) -> None:
    if not paths or layout.git_dir is None:
        return
    listed = b"\0".join(os.fsencode(path) for path in paths)
    added = Git(layout.root).run(
        *("--literal-pathspecs", "add", "-A", "-f"),
        *("--pathspec-from-file=-", "--pathspec-file-nul"),
        stdin=listed,
        check=False,
    )
    if added.returncode != 0:
        lines = added.stderr.strip().splitlines() or ["no reason given"]
        raise GitError(
            f"git add failed: {lines[0]}",
            hint=f"the entries are written; run `git add {LEDGER_DIR_REL}` yourself",
        )


def _keep_aside(layout: Layout, item: Mended) -> None:
    """Keep a copy of what somebody wrote by hand and what is no version of the entry."""
    if item.seen is None or has_markers(item.seen) or _sound(item.path, item.seen):
        return
    name = f"{Path(item.path).stem}.{os.urandom(4).hex()}.json"
    write_atomic(layout.aexp_dir / "replaced" / name, item.seen, tmp_dir=layout.tmp_dir)


def _check_wanted(layout: Layout, path: str, stages: Iterable[str]) -> None:
    if path != LEDGER_DIR_REL and not path.startswith(f"{LEDGER_DIR_REL}/"):
        raise UsageError(
            f"{path} is no file of the ledger", hint=f"the ledger is {LEDGER_DIR_REL}/"
        )
    known = os.path.lexists(layout.root / path) or any(_is_wanted(p, [path]) for p in stages)
    if not known:
        raise NotFoundError(
            f"there is no file {path}", hint="leave the path out to mend the whole ledger"
        )


def _is_wanted(path: str, only: Sequence[str]) -> bool:
    return not only or any(path == one or path.startswith(one.rstrip("/") + "/") for one in only)


def _with_markers(layout: Layout) -> Iterable[tuple[str, bytes]]:
    tree = WorkTree(layout.root, has_git=False)
    for path, data in tree.read_many(tree.files(LEDGER_DIR_REL)):
        if isinstance(data, bytes) and has_markers(data):
            yield path, data


def _others(layout: Layout) -> tuple[str, ...]:
    if layout.git_dir is None:
        return ()
    fields = Git(layout.root).nul_fields("ls-files", "-u", "-z")
    paths = {field.split("\t", 1)[1] for field in fields}
    return tuple(sorted(path for path in paths if not path.startswith(f"{LEDGER_DIR_REL}/")))


def _sound(path: str, data: bytes | None) -> list[Parts]:
    """Return the version that ``data`` is; none when it is no usable entry."""
    job_id = entry_job_id(path)
    if data is None or job_id is None:
        return []
    try:
        return [sound_parts(job_id, path, data)]
    except CorruptDataError:
        return []


class _Planner:
    """Collects, for each file, the versions that must all live on in it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._versions: dict[str, list[Parts]] = {}
        self._how: dict[str, str] = {}
        self._done: dict[str, Mended] = {}
        self._left: dict[str, str] = {}
        self._moved: dict[str, set[str]] = {}

    def unmerged(self, item: Unmerged) -> None:
        """Plan for a path that git's index holds in several stages."""
        path, stages = item.path, item.stages
        sides = [stages[stage] for stage in (OURS, THEIRS) if stage in stages]
        if entry_job_id(path) is None:
            self._other_record(path, stages)
        elif not sides:
            self._finish(path, None, "removed on both sides")
        else:
            how = "both sides merged"
            if len(sides) == 1:
                how = "kept: one side removed it, and only a tombstone removes an entry"
            self._union(path, sides, how)

    def text(self, path: str, data: bytes) -> None:
        """Plan for a file with markers that git takes for merged."""
        job_id = entry_job_id(path)
        if job_id is None:
            self._left[path] = "there is no rule to merge this kind of record"
            return
        found = both_sides(self._layout, job_id, path, data)
        if found is None:
            self._left[path] = (
                "its two sides can be read neither from its text nor from the commits;"
                " take it from a commit that has it whole"
            )
            return
        self._versions.setdefault(path, []).extend(found)
        self._how.setdefault(path, "both sides merged, from between the markers")

    def plan(self, others: tuple[str, ...]) -> ResolvePlan:
        """Return the plan for everything that was added."""
        for path, versions in self._versions.items():
            if path in self._left:
                continue
            try:
                # A person may have mended it already: that version lives on, too.
                standing = read_file(self._layout, path)
                data = union([*versions, *_sound(path, standing)])
            except (AexpError, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                self._left[path] = reason or str(error)
                continue
            self._done[path] = Mended(path, data, self._how[path], standing)
        for path, targets in self._moved.items():
            if lost := targets & self._left.keys():
                self._left.setdefault(path, f"a version in it belongs to {min(lost)}")
        mended = tuple(item for path, item in sorted(self._done.items()) if path not in self._left)
        return ResolvePlan(mended, dict(sorted(self._left.items())), others)

    def _finish(self, path: str, data: bytes | None, how: str) -> None:
        try:
            self._done[path] = Mended(path, data, how, read_file(self._layout, path))
        except OSError as error:
            self._left[path] = error.strerror or str(error)

    def _other_record(self, path: str, stages: dict[int, bytes]) -> None:
        if OURS in stages and THEIRS in stages:
            merged = merge_files(stages.get(BASE), stages[OURS], stages[THEIRS], path)
            if merged.conflict is None:
                self._finish(path, merged.data, "one side taken")
                return
        self._left[path] = "there is no rule to merge this kind of record"

    def _union(self, path: str, sides: Sequence[bytes], how: str) -> None:
        """Give each side to the run that it is an entry of: git may have paired two runs."""
        for data in sides:
            named = _named_job(data)
            target = path
            if named is not None and named != entry_job_id(path):
                target = self._layout.relative(entry_path(self._layout, named))
                self._moved.setdefault(path, set()).add(target)
            try:
                parts = sound_parts(named or str(entry_job_id(path)), target, data, "one side")
            except CorruptDataError as error:
                self._left[path] = error.message
                continue
            self._versions.setdefault(target, []).append(parts)
            self._how.setdefault(target, how if target == path else f"git had it as {path}")
        if path not in self._versions and path not in self._left:
            self._finish(path, None, "it held only entries of other runs")


def _named_job(data: bytes) -> str | None:
    """Return the job id that a file names, None when it names none."""
    try:
        value = decode_json(data)
    except ValueError:
        return None
    name = value.get("job_id") if isinstance(value, dict) else None
    return name if is_job_id(name) else None


def both_sides(layout: Layout, job_id: str, path: str, text: bytes) -> list[Parts] | None:
    """Return the versions that met in a file with markers, None unless all of them are found.

    They come from between the markers, where each proves to be whole, else from the commits.

    Args:
        layout: the repository.
        job_id: the run whose entry the file is.
        path: the file, relative to the root.
        text: what stands in it.
    """
    return _from_text(job_id, path, text) or _from_commits(layout, job_id, path, text)


def _from_text(job_id: str, path: str, data: bytes) -> list[Parts] | None:
    """Return both sides of a conflict's text, None unless each proves to be exactly one side."""
    sides = sides_of(data)
    if sides is None:
        return None
    ours, theirs, whole = sides
    if not whole and not (digests_in(ours) and digests_in(theirs)):
        return None  # lines of one side may stand in the other, and nothing would tell (trap 73)
    try:
        return [sound_parts(job_id, path, side) for side in (ours, theirs)]
    except CorruptDataError:
        return None


def _from_commits(layout: Layout, job_id: str, path: str, text: bytes) -> list[Parts] | None:
    """Return both sides of a conflict as commits have them, None unless both are found."""
    wanted = _digests_of_sides(text)
    found: dict[bytes, Parts] = {}
    for data in committed_versions(layout, path, guesses=bool(wanted)):
        try:
            parts = sound_parts(job_id, path, data)
        except CorruptDataError:
            continue
        for key in digests_in(data) or {data}:
            found[key] = parts
    # Without digests, two commits that met and differ are the two sides.
    complete = wanted <= found.keys() if wanted else len(found) > 1
    return list(found.values()) if complete else None


def _digests_of_sides(text: bytes) -> set[bytes]:
    """Return the digests of the two versions that met; none unless each of them has one."""
    sides = sides_of(text)
    if sides is None:
        found = digests_in(text)
        return found if len(found) > 1 else set()
    ours, theirs = digests_in(sides[0]), digests_in(sides[1])
    return ours | theirs if ours and theirs else set()
