"""Is the script still the one that the sweep began with (SWP-09)?"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexp.errors import SweepConfigError
from aexp.sweep.manifest import Header

_BOM: Final = b"\xef\xbb\xbf"


def canonical_script_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a script, hex, the same on every checkout of it.

    A byte-order mark, the kind of line ends, and newlines at the end do not count; everything
    else does, blanks included.

    Raises:
        SweepConfigError: it cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SweepConfigError(
            f"the script {path} cannot be read: {error.strerror}",
            hint="paths in a spec start at the spec's own folder",
        ) from None
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(text.rstrip(b"\n")).hexdigest()


def digest_if_there(base: Path, name: str | None) -> str | None:
    """Return the canonical digest of a file, None when there is no such file any more."""
    if name is None or not (base / name).is_file():
        return None
    return canonical_script_sha256(base / name)


def check_drift(
    header: Header,
    script: str | None,
    watch: Mapping[str, str | None],
    *,
    allow: bool,
    stacklevel: int,
) -> None:
    """Refuse to go on with a sweep whose script or watched files are others than at its start.

    Args:
        header: what the sweep began with.
        script: the digest of the script now, None when there is none.
        watch: the digests of the watched files now.
        allow: warn instead, once.
        stacklevel: whose line the warning is about.

    Raises:
        SweepConfigError: something differs; both digests are in the message.
    """
    changed = [(path, old, watch.get(path) or "") for path, old in header.watch.items()]
    name = str(header.spec.get("script") or "the script")
    if header.script_sha256 is not None:
        changed.insert(0, (name, header.script_sha256, script or ""))
    changed = [(path, old, new) for path, old, new in changed if old != new]
    if not changed:
        return
    path, old, new = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    message = (
        f"{path} is not what sweep {header.sweep_id} began with{more}:"
        f" its canonical SHA-256 was {old} and is {new or 'not known: the file is gone'}"
    )
    if not allow:
        raise SweepConfigError(
            message,
            hint="results of both would be mixed: bring the old file back, begin a new sweep, or"
            " allow the drift (--allow-script-drift, allow_script_drift=True)",
        )
    warnings.warn(message, RuntimeWarning, stacklevel=stacklevel + 1)
