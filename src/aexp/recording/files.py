"""Attaching a file from the disk (``log_file``, REC-04)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from aexp.errors import NotFoundError, StorageError, UsageError
from aexp.model.attachment import Attachment, check_media_type
from aexp.recording.media_types import HEAD, media_type_of

if TYPE_CHECKING:
    from aexp.recording.attaching import Attaching
    from aexp.registry.store import Progress


def attach_file(
    target: Attaching,
    name: str,
    path: str | os.PathLike[str],
    media_type: str | None,
    filename: str | None,
    progress: Progress | None = None,
) -> None:
    """Copy a file into the registry and attach it; see :meth:`Attaching.log_file`."""
    if media_type is not None:
        check_media_type(media_type)
    source = Path(path)
    shown = check_filename(filename) if filename is not None else own_name(source)
    with target._claim(name):
        check_source(source)
        registry = target._registry()
        blob = registry.put_file(source, progress=progress)
        # The stored bytes are looked at, not the file: it may change while it is read.
        with registry.open(blob.digest) as stream:
            kind = media_type or media_type_of(stream.read(HEAD), blob.size, shown)
        target._record_attachment(Attachment(name, kind, blob.digest, blob.size, shown))


def check_source(path: Path) -> None:
    """Raise unless ``path`` is a file, or a link to one, that can be read.

    Raises:
        NotFoundError: there is nothing, or a link that leads nowhere.
        UsageError: it is a folder, a pipe or a device.
        StorageError: it may not be read.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        what = "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
        raise NotFoundError(f"the file {path} {what}", hint="give the path of a file") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise UsageError(
            f"{path} is a folder", hint="log its files one by one, or an archive of it"
        )
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is no regular file", hint="read it, and use log_attachment")
    if not os.access(path, os.R_OK):
        raise _unreadable(path, PermissionError(13, "Permission denied"))


def _unreadable(path: Path, error: OSError | ValueError) -> StorageError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return StorageError(f"cannot read {path}: {reason}", hint="check its permissions")


def own_name(path: Path) -> str:
    """Return the base name of ``path`` as text that any file can hold."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def check_filename(filename: object) -> str:
    """Return ``filename`` when it is the name of a file and not a path (trap 18).

    Raises:
        UsageError: it is not.
    """
    if (
        not isinstance(filename, str)
        or filename.strip() in ("", ".", "..")
        or len(filename.encode("utf-8", "replace")) > 255
        or any(char in "/\\" or ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in filename)
    ):
        raise UsageError(
            f"{filename!r} cannot name a file", hint="give a name without folders, like plot.png"
        )
    return filename
