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
    *("--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--diff-algorithm=myers"),
    *("--submodule=short", "--ignore-submodules=dirty", "--irreversible-delete", "--full-index"),
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
    tracked = list(git.nul_fields("diff", "--name-only", "-z", *_OPTIONS, base, "--", *_scope()))
    listed = git.nul_fields("ls-files", "--others", "--exclude-standard", "-z", "--", *_scope())
    untracked = [path for path in listed if is_source(path)]
    left_out = [path for path in (*tracked, *untracked) if not _may_show(layout.root / path)]
    shown = [path for path in tracked if path not in set(left_out)]
    if len(shown) > MOST_FILES:
        left_out += shown[MOST_FILES:]
        shown = shown[:MOST_FILES]
    data = _tracked_diff(git, base, shown) if shown else b""
    for path in untracked:
        if path not in left_out and len(data) <= LARGEST:
            data += _new_file(layout.root, path)
    return _finished(data, sorted(left_out))


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
        return True  # deleted: only its name is shown
    return found.st_size <= LARGEST


def _tracked_diff(git: Git, base: str, paths: Sequence[str]) -> bytes:
    literal = [f":(top,literal){path}" for path in paths]
    config = ("core.quotePath=false", "diff.noprefix=false", "diff.mnemonicPrefix=false")
    return git.run("diff", *_OPTIONS, base, "--", *literal, config=config).stdout


def _new_file(root: Path, path: str) -> bytes:
    """Return the diff that makes an untracked file, as git writes it."""
    place = root / path
    try:
        if place.is_symlink():
            return b""
        data = place.read_bytes()
    except OSError:
        return b""  # gone in the meantime
    if b"\0" in data:
        return b""
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
