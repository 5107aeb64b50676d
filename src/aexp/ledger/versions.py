"""The versions of a conflicted ledger file: in git's index, in a text with markers, in commits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from aexp.git import Git
from aexp.repo import LEDGER_DIR_REL, Layout

BASE, OURS, THEIRS = 1, 2, 3
"""Git's stages of an unmerged path."""

_OTHER_HEADS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD", "REVERT_HEAD")
_MARKERS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ")
_DIGEST = re.compile(rb'"record_digest": "(sha256:[0-9a-f]{64})"')
_DEPTH = 100
"""How many commits are looked at for the one that brought the markers in."""


class Unmerged(Struct, frozen=True):
    """One path that git's index holds unmerged.

    Attributes:
        path: relative to the root.
        stages: the content by stage (``BASE``, ``OURS``, ``THEIRS``); a missing one did not exist
            on that side.
    """

    path: str
    stages: dict[int, bytes] = field(default_factory=dict)


def unmerged(layout: Layout) -> dict[str, Unmerged]:
    """Return the unmerged files of the ledger, by path.

    Raises:
        GitError: git failed.
    """
    git = Git(layout.root)
    places: list[tuple[str, int, str]] = []
    for item in git.nul_fields("ls-files", "-u", "-z", "--", LEDGER_DIR_REL):
        meta, path = item.split("\t", 1)
        _, oid, number = meta.split(" ")
        places.append((path, int(number), oid))
    found: dict[str, Unmerged] = {}
    contents = git.read_objects(oid for _, _, oid in places)
    for (path, stage, _), data in zip(places, contents, strict=True):
        found.setdefault(path, Unmerged(path)).stages[stage] = data
    return found


def has_markers(data: bytes) -> bool:
    """Return whether a line begins as git's conflict markers do."""
    marked = (_MARKERS[0], _MARKERS[2])
    # The first test is all that 10,000 sound files cost.
    return any(marker in data for marker in marked) and any(
        line.startswith(marked) for line in data.splitlines()
    )


def sides_of(data: bytes) -> tuple[bytes, bytes, bool] | None:
    """Return both sides of a text with conflict markers, and whether they are whole.

    Lines outside the markers belong to both sides. The sides are whole, that is: exactly what
    stood in the two commits, when there are no such lines; else git may have put lines of one side
    there, and only a digest can tell. None: the markers are not what git writes.
    """
    ours: list[bytes] = []
    theirs: list[bytes] = []
    whole, place = True, "both"
    for line in data.splitlines(keepends=True):
        if line.startswith(_MARKERS[0]) and place == "both":
            place = "ours"
        elif line.startswith(_MARKERS[1]) and place == "ours":
            place = "base"
        elif line.rstrip(b"\r\n") == b"=======" and place in ("ours", "base"):
            place = "theirs"
        elif line.startswith(_MARKERS[2]) and place == "theirs":
            place = "both"
        elif line.startswith(_MARKERS):
            return None
        else:
            if place in ("both", "ours"):
                ours.append(line)
            if place in ("both", "theirs"):
                theirs.append(line)
            whole = whole and place != "both"
    return (b"".join(ours), b"".join(theirs), whole) if place == "both" else None


def digests_in(data: bytes) -> set[bytes]:
    """Return every ``record_digest`` that a text mentions."""
    return set(_DIGEST.findall(data))


def committed_versions(layout: Layout, path: str, *, guesses: bool) -> Iterator[bytes]:
    """Yield versions of a file that git's commits hold, where a conflict in it may come from.

    These are HEAD, what is being merged, picked or reverted, and, when the markers were committed,
    the parents of that commit.

    Args:
        layout: the repository.
        path: the file, relative to the root.
        guesses: look at the last stash and at ORIG_HEAD, too; the caller can tell by a digest
            whether what they hold is one of the two sides.
    """
    if layout.git_dir is None:
        return
    git = Git(layout.root)
    for revision in _revisions(layout, guesses):
        data = _blob(git, revision, path)
        if data is None:
            continue
        if has_markers(data):
            yield from _before_markers(git, revision, path)
        else:
            yield data


def _revisions(layout: Layout, guesses: bool) -> Sequence[str]:
    assert layout.git_dir is not None
    found = ["HEAD"]
    for name in _OTHER_HEADS:
        try:
            # An octopus merge has several lines in MERGE_HEAD.
            found += (layout.git_dir / name).read_text("utf-8").split()
        except OSError:
            continue
    return [*found, "ORIG_HEAD", "refs/stash"] if guesses else found


def _before_markers(git: Git, revision: str, path: str) -> Iterator[bytes]:
    listed = git.run(
        *("rev-list", "--parents", f"--max-count={_DEPTH}", revision, "--", f":(literal){path}"),
        check=False,
    )
    # The commits of this list name as parents the commits that last changed the file.
    parents = {line.split()[0]: line.split()[1:] for line in listed.text.splitlines()}
    waiting = list(parents)[:1]
    seen = set(waiting)
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            data = _blob(git, parent, path)
            if parent in seen or data is None:
                continue
            seen.add(parent)
            if has_markers(data):
                waiting.append(parent)
            else:
                yield data


def _blob(git: Git, revision: str, path: str) -> bytes | None:
    shown = git.run("cat-file", "blob", f"{revision}:{path}", check=False)
    return shown.stdout if shown.returncode == 0 else None


def read_file(layout: Layout, path: str) -> bytes | None:
    """Return what stands in the work tree, None when nothing does.

    Raises:
        OSError: it cannot be read, or is a folder.
    """
    try:
        return (layout.root / path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def unfinished_command(layout: Layout) -> str | None:
    """Return what goes on with the merge, rebase, … that is in progress; None when none is."""
    if layout.git_dir is None:
        return None
    for name, command in (
        ("rebase-merge", "git rebase --continue"),
        ("rebase-apply/applying", "git am --continue"),
        ("rebase-apply", "git rebase --continue"),
        ("CHERRY_PICK_HEAD", "git cherry-pick --continue"),
        ("REVERT_HEAD", "git revert --continue"),
        ("MERGE_HEAD", "git merge --continue"),
    ):
        if os.path.lexists(layout.git_dir / name):
            return command
    return None
