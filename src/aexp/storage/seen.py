"""How a file was when it was looked at, as one line of text: enough to tell later if it changed.

``<inode>:<size>:<time of modification in ns>:<SHA-256 or ->``. A file whose times moved and whose
size did not is compared by content, and so is one that was looked at within two seconds of its
modification: it can change once more without another time.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Final, Literal, TypeAlias

HASHED_BYTES: Final = 64 * 1024 * 1024
"""A file larger than this is not read when it is looked at, and a moved time counts as a change."""

_FRESH_NS: Final = 2_000_000_000
_FRESH: Final = "*"
_UNKNOWN: Final = "-"

Verdict: TypeAlias = Literal["same", "changed", "gone"]


def look(path: Path, *, size: int | None = None, hashed: bool = False) -> str:
    """Return how the file ``path`` is now; empty when it is not there.

    Args:
        path: the file; a link is followed.
        size: what it must be; another one gives the empty text.
        hashed: read it too, when it is not large.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if size is not None and found.st_size != size:
        return ""
    digest = _UNKNOWN
    if hashed and found.st_size <= HASHED_BYTES:
        digest = sha256_of(path)
    is_fresh = abs(time.time_ns() - found.st_mtime_ns) < _FRESH_NS
    return f"{_key(found)}:{digest}{_FRESH if is_fresh else ''}"


def compare(path: Path, seen: str, digest: str | None = None) -> Verdict:
    """Tell whether the file ``path`` is still as it was when :func:`look` gave ``seen``.

    Args:
        path: the file; a link is followed.
        seen: what :func:`look` gave; empty when it is not known.
        digest: ``sha256:<hex>`` of the content that it had, where that is known.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    if not stat.S_ISREG(found.st_mode):
        return "changed"
    key, _, rest = seen.rpartition(":")
    known = (digest or digest_in(seen) or "").removeprefix("sha256:")
    is_known = bool(known)
    if key == _key(found) and not (rest.endswith(_FRESH) and is_known):
        return "same"
    if not is_known or (key and key.split(":")[1] != str(found.st_size)):
        return "changed"
    return "same" if sha256_of(path) == known else "changed"


def digest_in(seen: str) -> str | None:
    """Return ``sha256:<hex>`` of the content that was looked at, None where it was not read."""
    known = seen.rpartition(":")[2].rstrip(_FRESH)
    return None if known in ("", _UNKNOWN) else f"sha256:{known}"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _key(found: os.stat_result) -> str:
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
