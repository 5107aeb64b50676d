"""Files of the repository, read from the work tree, the index or a commit.

The ledger and ``kb/`` are read through a :class:`Tree`, so that the same rules judge what is on
disk, what is staged (VAL-10) and what a commit holds. Paths are POSIX, relative to the root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from aexp.errors import NotFoundError, StorageError
from aexp.git import Git, GitResult, Running
from aexp.storage.state import NO_FILE, file_states
from aexp.storage.whole import read_whole

_EMPTY_FILE = frozenset(
    (
        "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
        "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    )
)
"""The object id of an empty file, in repositories of either hash."""
_OBJECT_ID = struct.Struct("<qqI")


class Tree(Protocol):
    """A set of files, by path relative to the repository root."""

    @property
    def label(self) -> str:
        """What this is a view of, for messages: ``work tree``, ``index`` or a commit."""

    def files(self, folder: str) -> list[str]:
        """Return the sorted paths of all regular files below ``folder``, however deep.

        A missing folder has no files. Symbolic links are no regular files: git shares where they
        point, not what is there. The root is ``.``.

        Raises:
            StorageError: a folder cannot be read.
        """

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Raises:
            NotFoundError: there is no such file, or it is a folder.
            OSError: it cannot be read.
        """

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each path with its bytes, or with the error that kept it from being read."""

    def folders(self, folder: str) -> list[str]:
        """Return the sorted paths of the folders that are directly in ``folder``, on disk only."""

    def states(self, paths: Iterable[str], folder: str = "") -> array[int]:
        """Return what changes when the content of these files does, side by side.

        It is the state of each file on disk, or stands for its object in git. To be asked of paths
        that :meth:`files` has listed.

        Args:
            paths: the files, relative to ``folder``.
            folder: the folder above them, with a slash at its end; the root when empty.
        """

    def conflicted(self, folder: str) -> list[str]:
        """Return the sorted paths below ``folder`` that git's index holds unmerged."""

    def links(self, folder: str) -> list[str]:
        """Return the sorted paths of the symbolic links at, below and above ``folder``."""


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
        self._walked: dict[str, _Walked] = {}

    def files(self, folder: str) -> list[str]:
        """See :meth:`Tree.files`."""
        found: list[str] = []
        links: list[str] = []
        folders: list[str] = []
        stack = [_folder(folder)]
        while stack:
            here = stack.pop()
            above = f"{here}/" if here else ""
            try:
                entries = os.scandir(self._root / here)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise StorageError(f"cannot read {here or '.'}: {error.strerror}") from None
            with entries:
                others: list[os.DirEntry[str]] = []
                found += [  # there may be a hundred thousand
                    above + entry.name
                    for entry in entries
                    if entry.is_file(follow_symlinks=False) or others.append(entry)  # type: ignore[func-returns-value]
                ]
                for entry in others:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{above}{entry.name}")
                        stack.append(f"{above}{entry.name}")
                    elif entry.is_symlink():
                        links.append(f"{above}{entry.name}")
        # Who asks for links and folders next need not go through thousands of files again.
        self._walked[folder] = _Walked(links, folders)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """See :meth:`Tree.read`."""
        try:
            return (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError(f"there is no file {path}") from None

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """See :meth:`Tree.read_many`."""
        prefix = str(self._root) + os.sep
        for path in paths:
            try:
                data = read_whole(prefix + path)
            except OSError as error:
                yield path, error
            else:
                yield path, data

    def folders(self, folder: str) -> list[str]:
        """See :meth:`Tree.folders`."""
        walked = self._walked.get(folder)
        if walked is not None and walked.folders is not None and _folder(folder):
            self._walked[folder] = walked._replace(folders=None)
            depth = _folder(folder).count("/") + 1
            return sorted(path for path in walked.folders if path.count("/") == depth)
        try:
            with os.scandir(self._root / _folder(folder)) as entries:
                found = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                return sorted(f"{folder}/{name}" for name in found)
        except OSError:
            return []

    def states(self, paths: Iterable[str], folder: str = "") -> array[int]:
        """See :meth:`Tree.states`."""
        return file_states(f"{self._root}{os.sep}{folder}", paths)

    def conflicted(self, folder: str) -> list[str]:
        """See :meth:`Tree.conflicted`."""
        return _unmerged(Git(self._root), folder) if self._has_git else []

    def links(self, folder: str) -> list[str]:
        """See :meth:`Tree.links`. What a linked folder holds is not looked at."""
        steps = _folder(folder).split("/")
        for count in range(1, len(steps) + 1):
            above = "/".join(steps[:count])
            if above and (self._root / above).is_symlink():
                return [above]
        walked = self._walked.get(folder)
        if walked is not None and walked.links is not None:
            self._walked[folder] = walked._replace(links=None)
            return sorted(walked.links)
        found: list[str] = []
        stack = [_folder(folder)]
        while stack:
            here = stack.pop()
            above = f"{here}/" if here else ""
            with contextlib.suppress(OSError), os.scandir(self._root / here) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        found.append(f"{above}{entry.name}")
                    elif entry.is_dir(follow_symlinks=False):
                        stack.append(f"{above}{entry.name}")
        return sorted(found)


class _Walked(NamedTuple):
    """What a walk through a folder met besides files, each to be asked for once: it gets old."""

    links: list[str] | None
    folders: list[str] | None


class _Listed(NamedTuple):
    """What git says of one path."""

    path: str
    mode: str
    oid: str
    stage: str


class GitTree:
    """The files of git's index, or of a commit, as they were when first asked for.

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
        self._listings: dict[str, list[_Listed]] = {}
        self._files: dict[str, list[str]] = {}
        self._begun: dict[str, Running] = {}

    def begin(self, *places: str) -> None:
        """Ask git already for what it has at or below ``places``, and do not wait.

        Raises:
            GitError: git cannot be started.
        """
        for place in places:
            if place not in self._listings and place not in self._begun:
                self._begun[place] = self._git.begin(*self._command(_pathspec(place)))

    def stop(self) -> None:
        """End what was begun and nobody waits for any more."""
        for running in self._begun.values():
            running.stop()
        self._begun = {}

    def files(self, folder: str) -> list[str]:
        """See :meth:`Tree.files`."""
        inner = _folder(folder)
        found = self._list(inner.partition("/")[0])
        if not inner:
            return list(found)
        # They are sorted, so what is below a folder stands together: "0" comes after "/".
        return found[bisect_left(found, f"{inner}/") : bisect_left(found, f"{inner}0")]

    def _list(self, place: str) -> list[str]:
        """Return the sorted files at or below ``place``, and remember their object ids."""
        if place in self._files:
            return self._files[place]
        files = {
            listed.path: listed.oid
            for listed in self._listing(place)
            if listed.mode.startswith("100") and listed.stage == "0"
        }
        for path in self._announced(files, place):
            del files[path]
        self._objects.update(files)
        self._files[place] = sorted(files)
        return self._files[place]

    def _listing(self, place: str) -> list[_Listed]:
        """Return all that git has at or below ``place``; it is asked once."""
        known = self._listings.get(place)
        if known is None:
            known = self._listings[place] = self._ask(place)
        return known

    def _command(self, where: tuple[str, ...]) -> tuple[str, ...]:
        if self._commit is None:
            return ("ls-files", "-s", "-z", *where)
        return ("ls-tree", "-r", "-z", "--full-tree", self._commit, *where)

    def _ask(self, place: str) -> list[_Listed]:
        begun = self._begun.pop(place, None)
        if begun is None:
            answer = self._git.run(*self._command(_pathspec(place)))
        else:
            answer = begun.result()
        # Taken apart by place, in one go: there may be a hundred thousand.
        fields = [f.split("\t", 1) for f in os.fsdecode(answer.stdout).split("\0") if f]
        if self._commit is None:  # mode, object id, stage
            return [_Listed(path, meta[:6], meta[7:-2], meta[-1]) for meta, path in fields]
        # mode, type, object id
        return [_Listed(path, meta[:6], meta.rpartition(" ")[2], "0") for meta, path in fields]

    def _announced(self, files: dict[str, str], place: str) -> list[str]:
        """Return those that ``git add -N`` has only announced: no commit will hold them.

        The index names them with the id of the empty file, and only comparing with the work tree
        tells them from files that are empty.
        """
        empty = {path for path, oid in files.items() if oid in _EMPTY_FILE}
        if not empty or self._commit is not None:
            return []
        new = self._git.nul_fields(
            "diff-files", "-z", "--name-only", "--diff-filter=A", *_pathspec(place)
        )
        return [path for path in new if path in empty]

    def read(self, path: str) -> bytes:
        """See :meth:`Tree.read`."""
        if path not in self._objects:
            self._list(path)
        oid = self._objects.get(path)
        if oid is None:
            raise NotFoundError(f"there is no file {path} in the {self.label}")
        return next(self._git.read_objects([oid]))

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """See :meth:`Tree.read_many`: one git process for all of them."""
        wanted = list(paths)
        for top in sorted({p.partition("/")[0] for p in wanted if p not in self._objects}):
            self._list(top)
        contents = self._git.read_objects(
            self._objects[path] for path in wanted if path in self._objects
        )
        for path in wanted:
            if path in self._objects:
                yield path, next(contents)
            else:
                yield path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def folders(self, folder: str) -> list[str]:
        """See :meth:`Tree.folders`: git has none without files."""
        return []

    def states(self, paths: Iterable[str], folder: str = "") -> array[int]:
        """See :meth:`Tree.states`: the beginning of each object's id, in the shape of a file's."""
        found = array("q")
        for path in paths:
            oid = self._objects.get(folder + path)
            if oid is None:
                found.extend(NO_FILE)
            else:
                found.extend(_OBJECT_ID.unpack(bytes.fromhex(oid)[: _OBJECT_ID.size]))
                found.append(0)  # an object never changes: it has no times
        return found

    def conflicted(self, folder: str) -> list[str]:
        """See :meth:`Tree.conflicted`."""
        above = f"{_folder(folder)}/"
        listed = self._listing(_folder(folder).partition("/")[0])
        return sorted(
            {
                path
                for path, _, _, stage in listed
                if stage != "0" and (above == "/" or path.startswith(above))
            }
        )

    def links(self, folder: str) -> list[str]:
        """See :meth:`Tree.links`."""
        listed = self._listing(_folder(folder).partition("/")[0])
        linked = sorted({path for path, mode, _, _ in listed if mode == "120000"})
        inner = f"{_folder(folder)}/"
        return [
            p for p in linked if inner == "/" or p.startswith(inner) or inner.startswith(p + "/")
        ]


def _unmerged(git: Git, folder: str) -> list[str]:
    return unmerged_in(git.run(*UNMERGED, *_pathspec(folder)))


def unmerged_in(answer: GitResult) -> list[str]:
    """Return the sorted paths in git's answer to :data:`UNMERGED`."""
    fields = os.fsdecode(answer.stdout).split("\0")
    return sorted({field.split("\t", 1)[1] for field in fields if field})


UNMERGED: Final = ("ls-files", "-u", "-z")
"""What asks git for everything that is unmerged."""


def _folder(folder: str) -> str:
    """Return ``folder`` without a trailing slash, and the root as an empty string."""
    return "" if folder in ("", ".") else folder.rstrip("/")


def _pathspec(place: str) -> tuple[str, ...]:
    """Return git arguments that mean this path, whatever characters it has."""
    return ("--", f":(literal){_folder(place)}") if _folder(place) else ()
