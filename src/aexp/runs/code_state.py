"""Which code a run ran: the facts of model.md, decision 11."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from msgspec import Struct

from aexp.errors import GitError
from aexp.git import Git, read_head
from aexp.model.canonical import Json
from aexp.repo import MANAGED_FOLDERS, Layout

SOURCE_SUFFIXES = frozenset(
    [
        ".py",
        ".pyi",
        ".pyx",
        ".pxd",
        ".r",
        ".jl",
        ".m",
        ".c",
        ".h",
        ".cc",
        ".cpp",
        ".cxx",
        ".hpp",
        ".cu",
        ".cuh",
        ".f",
        ".f90",
        ".f95",
        ".go",
        ".rs",
        ".java",
        ".kt",
        ".scala",
        ".js",
        ".ts",
        ".sh",
        ".bash",
        ".zsh",
        ".pl",
        ".rb",
        ".lua",
        ".sql",
        ".smk",
        ".nf",
        ".cmake",
        ".wl",
        ".stan",
    ]
)
SOURCE_NAMES = frozenset({"Makefile", "Dockerfile", "Snakefile", "CMakeLists.txt", "Justfile"})
_EXCLUDE = tuple(f":(exclude,top){name}" for name in MANAGED_FOLDERS)
_STATUS = (
    *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames"),
    *("--ignore-submodules=none", "--", ".", *_EXCLUDE),
)


class HeadFacts(Struct, frozen=True, kw_only=True):
    """The code that is committed.

    Attributes:
        commit: the last commit that touched anything outside aexp's own folders, or None.
        tree: the id of HEAD's tree without aexp's folders, or None before the first commit.
        shallow: whether history is cut off where ``commit`` was found, so it may be too late.
    """

    commit: str | None = None
    tree: str | None = None
    shallow: bool = False


class CodeState(HeadFacts, frozen=True, kw_only=True):
    """The code of a work tree.

    Attributes:
        dirty: whether tracked files are changed or there are untracked source files.
        diff: a digest of those changes, or None when there are none.
        paths: the changed and the untracked source files, sorted.
    """

    dirty: bool
    diff: str | None
    paths: tuple[str, ...] = ()

    def statepoint_keys(self) -> dict[str, Json]:
        """Return what joins a state point."""
        keys: dict[str, Json] = {"code_commit": self.commit, "code_dirty": self.dirty}
        if self.diff is not None:
            keys["code_diff"] = self.diff
        return keys


_known: dict[tuple[Path, str], HeadFacts] = {}


def head_facts(layout: Layout) -> HeadFacts:
    """Return what is committed in a work tree; no git process when HEAD was seen before.

    Raises:
        GitError: git failed.
    """
    head = _head(layout)
    return HeadFacts() if head is None else _facts_of(layout, head)


def _head(layout: Layout) -> str | None:
    """Return the commit that HEAD is, None before the first."""
    if layout.git_dir is not None and layout.common_dir is not None:
        found = read_head(layout.git_dir, layout.common_dir)
        if found is not None:
            return found
    asked = Git(layout.root).run("rev-parse", "--verify", "--quiet", "HEAD", check=False)
    if asked.returncode not in (0, 1):
        raise GitError(f"git does not say what HEAD is: {asked.stderr.strip()}")
    return asked.text or None


def _facts_of(layout: Layout, head: str) -> HeadFacts:
    key = (layout.root, head)
    if key not in _known:
        _known[key] = _last_commit(Git(layout.root), layout)
    return _known[key]


class Asked:
    """A work tree whose git has been asked for the state of the code.

    Git looks at the files while the caller does something else; :meth:`answer` waits for it.

    Args:
        layout: the repository.

    Raises:
        GitError: git cannot be started.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._git = Git(layout.root)
        self._running = self._git.begin(*_STATUS)
        self._answer: CodeState | None = None

    def answer(self) -> CodeState:
        """Return the state of the code.

        Raises:
            GitError: git failed.
        """
        if self._answer is None:
            fields = self._running.result().stdout.split(b"\0")
            lines = map(os.fsdecode, filter(None, fields))
            self._answer = _state_of(self._layout, self._git, lines)
        return self._answer

    def stop(self) -> None:
        """End git, when nobody wants the answer any more."""
        if self._answer is None:
            self._running.stop()


def code_state(layout: Layout) -> CodeState:
    """Return the state of the code in a work tree.

    One git process when HEAD was seen before in this process and nothing is changed. A git that
    fails raises: a failure is never recorded as "clean" (trap 15).

    Raises:
        GitError: git failed.
    """
    return Asked(layout).answer()


def _state_of(layout: Layout, git: Git, fields: Iterable[str]) -> CodeState:
    head = ""
    changed: list[str] = []
    untracked: list[str] = []
    for record in fields:
        kind = record[:1]
        if record.startswith("# branch.oid "):
            head = record.removeprefix("# branch.oid ")
        elif kind == "1":
            changed.append(record.split(" ", 8)[8])
        elif kind == "u":
            changed.append(record.split(" ", 10)[10])
        elif kind == "?" and is_source(record[2:]):
            untracked.append(record[2:])
    if not head:
        raise GitError("git status did not say what HEAD is")
    facts = HeadFacts() if head == "(initial)" else _facts_of(layout, head)
    paths = sorted({*changed, *untracked})
    diff = _digest(git, layout.root, paths) if paths else None
    return CodeState(
        commit=facts.commit,
        tree=facts.tree,
        shallow=facts.shallow,
        dirty=bool(paths),
        diff=diff,
        paths=tuple(paths),
    )


def is_source(path: str) -> bool:
    """Return whether an untracked file counts as code, by its name (model.md, decision 11)."""
    name = PurePosixPath(path)
    return name.suffix.lower() in SOURCE_SUFFIXES or name.name in SOURCE_NAMES


def _last_commit(git: Git, layout: Layout) -> HeadFacts:
    commit = git.run("log", "-1", "--format=%H", "HEAD", "--", ".", *_EXCLUDE).text or None
    shallow = False
    if commit is not None and layout.common_dir is not None:
        boundary = layout.common_dir / "shallow"
        shallow = boundary.is_file() and commit in boundary.read_text("utf-8")
    return HeadFacts(commit=commit, tree=_tree_without_managed(git), shallow=shallow)


def _tree_without_managed(git: Git) -> str:
    """Return the id git would give to HEAD's tree without the managed folders."""
    body = b""
    width = 40
    for field in git.run("ls-tree", "-z", "--full-tree", "HEAD").stdout.split(b"\0"):
        if not field:
            continue
        meta, name = field.split(b"\t", 1)
        mode, _, oid = meta.split(b" ")
        width = len(oid)
        if os.fsdecode(name) not in MANAGED_FOLDERS:
            body += mode.lstrip(b"0") + b" " + name + b"\0" + bytes.fromhex(oid.decode())
    data = b"tree %d\0" % len(body) + body
    new = hashlib.sha256 if width == 64 else hashlib.sha1
    return new(data, usedforsecurity=False).hexdigest()


def _digest(git: Git, root: Path, paths: list[str]) -> str:
    """Return the digest of (path, mode, blob id) of ``paths`` (hashes, not diff text: trap 77)."""
    files = [path for path in paths if (root / path).is_file() and not (root / path).is_symlink()]
    listed = "".join(_quoted(path) + "\n" for path in files)
    hashed = git.run("hash-object", "--stdin-paths", stdin=os.fsencode(listed)).text.split()
    blobs = dict(zip(files, hashed, strict=True))
    sha = hashlib.sha256()
    for path in paths:
        mode, blob = _mode_and_blob(root / path, blobs.get(path))
        sha.update(os.fsencode(path) + b"\0" + mode + b"\0" + blob.encode() + b"\n")
    return sha.hexdigest()[:32]


def _mode_and_blob(path: Path, blob: str | None) -> tuple[bytes, str]:
    if blob is not None:
        return (b"100755" if os.access(path, os.X_OK) else b"100644"), blob
    if path.is_symlink():
        target = os.fsencode(path.readlink())
        return b"120000", hashlib.sha256(target).hexdigest()
    if path.is_dir():
        inside = Git(path).run("rev-parse", "HEAD", check=False)
        return b"160000", inside.text if inside.returncode == 0 else ""
    return b"000000", ""


def _quoted(path: str) -> str:
    """Return ``path`` as git reads it from a list of lines."""
    if not path.startswith('"') and "\n" not in path:
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
