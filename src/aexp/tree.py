"""Files of the repository, read from the work tree, the index or a commit.

The ledger and ``kb/`` are read through a :class:`Tree`, so that the same rules judge what is on
disk, what is staged (VAL-10) and what a commit holds. Paths are POSIX, relative to the root.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from aexp.errors import NotFoundError
from aexp.git import Git


class Tree(Protocol):
    """A set of files, by path relative to the repository root."""

    @property
    def label(self) -> str:
        """What this is a view of, for messages: ``work tree``, ``index`` or a commit."""

    def files(self, folder: str) -> list[str]:
        """Return the sorted paths of all regular files below ``folder``, however deep.

        A missing folder has no files.
        """

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Raises:
            NotFoundError: there is no such file, or it is a folder.
            OSError: it cannot be read.
        """

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each path with its bytes, or with the error that kept it from being read."""

    def conflicted(self, folder: str) -> list[str]:
        """Return the sorted paths below ``folder`` that git's index holds unmerged."""


class WorkTree:
    """The files on disk.

    Args:
        root: the work tree's root.
        has_git: False outside git (nothing can be conflicted there).
    """

    label = "work tree"

    def __init__(self, root: Path, *, has_git: bool = True) -> None:
        self._root = root
        self._has_git = has_git

    def files(self, folder: str) -> list[str]:
        """See :meth:`Tree.files`. Symbolic links are not followed."""
        found: list[str] = []
        stack = [folder.rstrip("/")]
        while stack:
            here = stack.pop()
            try:
                entries = os.scandir(self._root / here)
            except (FileNotFoundError, NotADirectoryError):
                continue
            with entries:
                for entry in entries:
                    path = f"{here}/{entry.name}" if here else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(path)
                    elif entry.is_file(follow_symlinks=True):
                        found.append(path)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """See :meth:`Tree.read`."""
        try:
            with open(self._root / path, "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError(f"there is no file {path}") from None

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """See :meth:`Tree.read_many`."""
        prefix = str(self._root) + os.sep
        for path in paths:
            try:
                with open(prefix + path, "rb", buffering=0) as stream:
                    yield path, stream.read()
            except OSError as error:
                yield path, error

    def conflicted(self, folder: str) -> list[str]:
        """See :meth:`Tree.conflicted`."""
        return _unmerged(Git(self._root), folder) if self._has_git else []


class GitTree:
    """The files of git's index, or of a commit.

    Args:
        root: the work tree's root.
        commit: a commit-ish, or None for the index.
        index_file: the index a hook was given, when it is not the repository's own.
    """

    def __init__(
        self, root: Path, *, commit: str | None = None, index_file: str | None = None
    ) -> None:
        self._git = Git(root, index_file=index_file)
        self._commit = commit
        self.label = commit or "index"
        self._objects: dict[str, str] = {}

    def files(self, folder: str) -> list[str]:
        """See :meth:`Tree.files`."""
        if self._commit is None:
            fields = self._git.nul_fields("ls-files", "-s", "-z", "--", folder)
        else:
            fields = self._git.nul_fields(
                "ls-tree", "-r", "-z", "--full-tree", self._commit, "--", folder
            )
        found: list[str] = []
        for field in fields:
            meta, path = field.split("\t", 1)
            mode, second, third = meta.split(" ")[:3]
            staged = self._commit is None
            if mode.startswith("100") and (not staged or third == "0"):
                self._objects[path] = second if staged else third
                found.append(path)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """See :meth:`Tree.read`."""
        if path not in self._objects:
            self.files(path)
        oid = self._objects.get(path)
        if oid is None:
            raise NotFoundError(f"there is no file {path} in the {self.label}")
        return next(self._git.read_objects([oid]))

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """See :meth:`Tree.read_many`: one git process for all of them."""
        wanted = list(paths)
        if any(path not in self._objects for path in wanted):
            self.files(".")
        known = [path for path in wanted if path in self._objects]
        yield from zip(known, self._git.read_objects(self._objects[p] for p in known), strict=True)
        for path in wanted:
            if path not in self._objects:
                yield path, FileNotFoundError(path)

    def conflicted(self, folder: str) -> list[str]:
        """See :meth:`Tree.conflicted`."""
        return _unmerged(self._git, folder) if self._commit is None else []


def _unmerged(git: Git, folder: str) -> list[str]:
    fields = git.nul_fields("ls-files", "-u", "-z", "--", folder)
    return sorted({field.split("\t", 1)[1] for field in fields})
