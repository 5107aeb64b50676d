"""The files that a point leaves behind: kept with its run, listed in the manifest, checked.

A point's folder is ``out/<run_id>/``. What is in it when the point ends becomes attachments of
its run, called ``out/…``: so it is in the registry, and another machine can pull it (SWP-11).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexp.errors import AexpError
from aexp.model.attachment import Attachment
from aexp.sweep.outcome import OUT_DIR, OutputFile, out_folder

if TYPE_CHECKING:
    from aexp.repo import Layout
    from aexp.workspace.active import ActiveAttempt

PREFIX: Final = f"{OUT_DIR}/"
"""How the names of attachments begin that are a point's output files."""
_BLOCK: Final = 1024 * 1024


def clear_outputs(folder: Path, run_id: int) -> Path:
    """Return the empty folder of a point: what an earlier attempt left would mix with the new."""
    place = out_folder(folder, run_id)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    return place


def keep_outputs(attempt: ActiveAttempt, folder: Path, run_id: int) -> None:
    """Attach what is in a point's folder to its run.

    Raises:
        StorageError: a file cannot be read, or the disk refused.
    """
    place = out_folder(folder, run_id)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    if not files:
        return
    from aexp.recording.current import ActiveRun

    run = ActiveRun(attempt)
    for path in files:
        run.log_file(f"{PREFIX}{path.relative_to(place).as_posix()}", path)


def outputs_of(attachments: Iterable[Attachment | None], run_id: int) -> tuple[OutputFile, ...]:
    """Return which attachments of a run are its output files, as a point of a sweep has them."""
    return tuple(
        OutputFile(f"{OUT_DIR}/{run_id}/{item.name[len(PREFIX) :]}", item.size, item.digest[7:])
        for item in attachments
        if item is not None and item.name.startswith(PREFIX)
    )


def damaged_outputs(folder: Path, files: Iterable[OutputFile]) -> Iterator[tuple[OutputFile, str]]:
    """Yield those files that are not what they were, and why (SWP-08)."""
    for file in files:
        why = _damage(folder / file.path, file)
        if why:
            yield file, why


def _damage(path: Path, file: OutputFile) -> str:
    sha = hashlib.sha256()
    try:
        size = path.stat().st_size
        if size != file.size:
            return f"has {size} bytes, not {file.size}"
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                sha.update(block)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if sha.hexdigest() == file.sha256 else "has changed"


def restore_outputs(layout: Layout, folder: Path, files: Iterable[OutputFile]) -> bool:
    """Copy output files out of the registry; return whether it had all of them."""
    from aexp.registry import open_registry

    registry = open_registry(layout)
    try:
        for file in files:
            target = folder / file.path
            target.unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            registry.copy_to(f"sha256:{file.sha256}", target)
    except (AexpError, OSError):
        return False
    return True
