"""What was changed in the code and not committed, as a bounded diff (REC-09).

It stays in the registry, but may be pushed from there: files that are there to hold secrets are
left out, and what looks like one elsewhere is redacted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aexp.git import Git
from aexp.model.credentials import redact_secrets
from aexp.repo import MANAGED_FOLDERS, Layout
from aexp.runs.code_state import is_source

LARGEST = 256 * 1024
"""Bytes of a diff that are kept, and of a single file that is looked at."""
MOST_FILES = 1000
"""More changed files than this are not named on git's command line."""

_EXCLUDE = tuple(f":(exclude,top){name}" for name in MANAGED_FOLDERS)
_HOLDS_SECRETS = re.compile(
    r"\.env|\.env\..*|\.netrc|_netrc|\.pgpass|\.htpasswd|\.npmrc|\.pypirc|kubeconfig"
    r"|id_(?:rsa|dsa|ecdsa|ed25519).*|.*\.(?:pem|key|p12|pfx|jks|kdbx|gpg|asc|ppk)"
    r"|(?:.*[._-])?(?:secrets?|credentials?|passwords?)(?:[._-].*)?",
    re.IGNORECASE,
)
_OPTIONS = (
    *("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-indent-heuristic"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--diff-algorithm=myers"),
    *(
        "--inter-hunk-context=0",
        f"-O{os.devnull}",
        "--submodule=short",
        "--ignore-submodules=dirty",
        "--full-index",
    ),
)
"""Whatever the user's own ``diff.*`` settings are, the diff is the same (trap 77)."""


@dataclass(frozen=True, slots=True)
class CodeDiff:
    """Uncommitted changes.

    Attributes:
        data: the diff.
        truncated: whether it was cut off at :data:`LARGEST` bytes.
        redacted: whether something in it was replaced.
        left_out: changed files that are not in it: too large, binary, or there for secrets.
    """

    data: bytes
    truncated: bool
    redacted: bool
    left_out: tuple[str, ...]


def code_diff(layout: Layout) -> CodeDiff:
    """Return what differs between the work tree and its last commit, outside aexp's own folders.

    Changed tracked files count, staged or not, and untracked source files: what the digest
    ``code_diff`` of a state point is made of (model.md, decision 11).

    Raises:
        GitError: git failed.
    """
    git = Git(layout.root)
    base = _base(git)
    tracked, binary = _changed(git, base)
    listed = git.nul_fields("ls-files", "--others", "--exclude-standard", "-z", "--", *_scope())
    untracked = [path for path in listed if is_source(path)]
    large = _large_before(git, base, tracked)
    left_out = {path for path in (*tracked, *untracked) if not _may_show(layout.root / path)}
    left_out |= {*binary, *large}
    shown = [path for path in tracked if path not in left_out]
    left_out |= set(shown[MOST_FILES:])
    data = _tracked_diff(git, base, shown[:MOST_FILES]) if shown else b""
    for path in untracked:
        if path not in left_out and len(data) <= LARGEST:
            new = _new_file(layout.root, path)
            data += new or b""
            left_out |= {path} if new is None else set()
    return _finished(data, sorted(left_out))


def _changed(git: Git, base: str) -> tuple[list[str], list[str]]:
    """Return the tracked files that differ from ``base``, and those of them that are binary."""
    paths, binary = [], []
    for field in git.nul_fields("diff", "--numstat", "-z", *_OPTIONS, base, "--", *_scope()):
        added, _, path = field.split("\t", 2)
        paths.append(path)
        if added == "-":
            binary.append(path)
    return paths, binary


def _large_before(git: Git, base: str, paths: Sequence[str]) -> set[str]:
    """Return the paths whose committed version is too large to be shown as removed lines."""
    large: set[str] = set()
    known = set(paths)
    if not known or len(known) > MOST_FILES:
        return large
    for field in git.nul_fields("ls-tree", "-r", "-l", "-z", "--full-tree", base, "--", *paths):
        meta, path = field.split("\t", 1)
        size = meta.split()[3]
        if path in known and size.isdigit() and int(size) > LARGEST:
            large.add(path)
    return large


def _scope() -> Sequence[str]:
    return (".", *_EXCLUDE)


def _base(git: Git) -> str:
    """Return HEAD, or the empty tree before the first commit."""
    if git.run("rev-parse", "--verify", "--quiet", "HEAD", check=False).returncode == 0:
        return "HEAD"
    return git.run("hash-object", "-t", "tree", "--stdin").text


def _may_show(path: Path) -> bool:
    if _HOLDS_SECRETS.fullmatch(path.name):
        return False
    try:
        found = path.lstat()
    except OSError:
        return True  # deleted
    return found.st_size <= LARGEST


def _tracked_diff(git: Git, base: str, paths: Sequence[str]) -> bytes:
    literal = [f":(top,literal){path}" for path in paths]
    config = ("core.quotePath=false", "diff.noprefix=false", "diff.suppressBlankEmpty=false")
    return git.run("diff", "--unified=3", *_OPTIONS, base, "--", *literal, config=config).stdout


def _new_file(root: Path, path: str) -> bytes | None:
    """Return the diff that makes an untracked file, as git writes it; None for binary ones."""
    place = root / path
    try:
        data = None if place.is_symlink() else place.read_bytes()
    except OSError:
        data = None  # gone in the meantime
    if data is None or b"\0" in data:
        return None
    mode = "100755" if os.access(place, os.X_OK) else "100644"
    head = f"diff --git {_quoted('a/' + path)} {_quoted('b/' + path)}\nnew file mode {mode}\n"
    return os.fsencode(head) + b"".join(_hunk(path, data))


def _hunk(path: str, data: bytes) -> Iterator[bytes]:
    if not data:
        yield b"index " + b"0" * 40 + b".." + b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n"
        return
    lines = data.split(b"\n")
    ends = lines[-1] == b""
    if ends:
        lines.pop()
    yield os.fsencode(f"--- /dev/null\n+++ {_quoted('b/' + path)}\n@@ -0,0 +1,{len(lines)} @@\n")
    yield from (b"+" + line + b"\n" for line in lines)
    if not ends:
        yield b"\\ No newline at end of file\n"


def _quoted(path: str) -> str:
    """Return a path as git writes it in a diff (with ``core.quotePath=false``)."""
    if not any(char in '"\\' or ord(char) < 32 or ord(char) == 127 for char in path):
        return path
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    plain = (
        named.get(char) or (char if 31 < ord(char) != 127 else f"\\{ord(char):03o}")
        for char in path
    )
    return '"' + "".join(plain) + '"'


def _finished(data: bytes, left_out: Sequence[str]) -> CodeDiff:
    truncated = len(data) > LARGEST
    if truncated:
        data = data[: data.rfind(b"\n", 0, LARGEST) + 1]
    hits: list[str] = []
    text = redact_secrets(data.decode("utf-8", "surrogateescape"), hits.append)
    return CodeDiff(text.encode("utf-8", "surrogateescape"), truncated, bool(hits), tuple(left_out))
