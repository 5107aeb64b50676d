"""The next free id of an artifact, looking wherever git knows of one (KB-01, trap 21)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aexp.git import Git
from aexp.kb.names import FOLDERS, LETTERS, Kind, format_id
from aexp.repo import Layout

_NUMBER: Final = re.compile(r"([HEF])([0-9]{3,})(?![0-9])")


def next_id(layout: Layout, kind: Kind) -> str:
    """Return the id behind the highest one in use; ids are never used a second time.

    Looked at: the work tree and the other work trees of this repository, git's index, and every
    branch, remote branch and tag. It is free until somebody takes it: call it under the lock.
    """
    return format_id(kind, max(used_numbers(layout, kind), default=0) + 1)


def used_numbers(layout: Layout, kind: Kind) -> set[int]:
    """Return the numbers of all artifacts of ``kind`` that this clone knows of."""
    names = set(_names_on_disk(layout, FOLDERS[kind]))
    if layout.git_dir is not None:
        names |= set(_names_in_git(Git(layout.root), FOLDERS[kind]))
    found = filter(None, map(_NUMBER.match, names))
    return {int(match[2]) for match in found if match[1] == LETTERS[kind]}


def _names_on_disk(layout: Layout, folder: str) -> Iterator[str]:
    for root in {layout.root, *work_trees(layout)}:
        for _, _, names in os.walk(root / folder):
            yield from names


def work_trees(layout: Layout) -> Iterator[Path]:
    """Yield the roots of the repository's work trees, as its git folder lists them."""
    if layout.common_dir is None:
        return
    if layout.common_dir.name == ".git":
        yield layout.common_dir.parent
    for link in (layout.common_dir / "worktrees").glob("*/gitdir"):
        # Not as text: a path may hold any byte but NUL, a newline too.
        yield (link.parent / os.fsdecode(link.read_bytes()).removesuffix("\n")).parent


def _names_in_git(git: Git, folder: str) -> Iterator[str]:
    for path in git.nul_fields("ls-files", "-z", "--", folder):
        yield path.rpartition("/")[2]
    commits = set(git.run("for-each-ref", "--format=%(objectname)").text.split()) | {"HEAD"}
    asked = "".join(f"{commit}:{folder}\n" for commit in sorted(commits))
    answer = git.run("cat-file", "--batch-check", stdin=asked.encode()).text
    trees = {line.split()[0] for line in answer.splitlines() if line.split()[1:2] == ["tree"]}
    ordered = sorted(trees)
    for oid, content in zip(ordered, git.read_objects(ordered), strict=True):
        yield from _tree_names(content, len(oid) // 2)


def _tree_names(content: bytes, id_length: int) -> Iterator[str]:
    """Yield the names in a git tree object: ``mode name NUL id``, one after the other."""
    position = 0
    while position < len(content):
        end = content.index(b"\0", position)
        yield os.fsdecode(content[position:end].partition(b" ")[2])
        position = end + 1 + id_length
