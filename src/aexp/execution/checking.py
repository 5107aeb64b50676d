"""What keeps staged outputs from being published, and what is not going to be (EXE-21, EXE-22)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aexp.errors import StagedOutputError
from aexp.execution.kinds import Kinds, kinds_of
from aexp.execution.manifest import NAME as MANIFEST_NAME
from aexp.execution.placing import leads_to, make_link
from aexp.execution.state import ASSETS_DIR, StagedAsset, State
from aexp.storage.atomic import TEMP_SUFFIX
from aexp.storage.seen import compare, look

SHOWN: Final = 20
"""How many problems a message names."""

OURS: Final = ("inputs",)
"""Folders of the working folder that are no outputs."""


def check_staged(state: State, working_dir: Path) -> None:
    """Check everything that is staged and not published, before any of it is uploaded.

    A link that is missing is made again. What was stored, and was written to since, is pending
    again; a file whose bytes are stored already may be gone.

    Args:
        state: what is staged.
        working_dir: the execution's working folder.

    Raises:
        StagedOutputError: with all problems: never written, gone, changed after registration,
            metadata that is missing or wrong.
        CorruptDataError: ``aexp.yaml`` is damaged.
    """
    kinds = kinds_of(state.folder)
    problems: list[str] = []
    again: list[str] = []
    for row in state.assets("pending", "stored", "uploaded"):
        path = working_dir / ASSETS_DIR / row.asset / row.name
        found = _problems(row, path, kinds)
        problems += [f"{row.label} {problem}" for problem in found]
        if not found and row.state != "pending" and row.kind != "link" and _is_written(row, path):
            again.append(row.rid)
    if problems:
        raise _error(problems)
    if again:
        state.mark(again, "pending")


def _error(problems: list[str]) -> StagedOutputError:
    more = len(problems) - SHOWN
    shown = "; ".join(problems[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
    outputs = "an output" if len(problems) == 1 else f"{len(problems)} outputs"
    return StagedOutputError(
        f"{outputs} cannot be published: {shown}",
        hint="correct them, register them again, or leave them out:"
        " `aexp execution publish RUN --without KIND/NAME`; nothing was uploaded",
        problems=tuple(problems),
    )


def _problems(row: StagedAsset, path: Path, kinds: Kinds) -> list[str]:
    try:
        about_file = _link_problem(row, path) if row.kind == "link" else _file_problem(row, path)
    except OSError as error:
        about_file = f"cannot be read: {error.strerror or error}"
    return [*([about_file] if about_file else []), *kinds.problems(row.asset, row.metadata)]


def _file_problem(row: StagedAsset, path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if row.state != "pending":
            return None
        if row.kind == "copy":
            return "was removed from staging"
        return "was registered, and never written"
    if not stat.S_ISREG(mode):
        return "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
    return None if os.access(path, os.R_OK) else "cannot be read: Permission denied"


def _link_problem(row: StagedAsset, path: Path) -> str | None:
    source = Path(row.source or "")
    verdict = compare(source, row.seen, row.digest)
    if verdict == "changed":
        return f"was changed after it was registered, at {source}"
    if verdict == "gone":
        return None if row.state != "pending" else f"is gone from {source}"
    if path.exists() and not path.is_symlink():
        return "was written to staging in the place of the link to what was registered"
    if not leads_to(path, source):
        make_link(path, source)
    return None


def _is_written(row: StagedAsset, path: Path) -> bool:
    """Return whether a file was written to after its bytes were stored."""
    return compare(path, row.seen, row.digest) == "changed"


def strays(working_dir: Path, state: State) -> list[Path]:
    """Return files in the working folder that are not going to be published (EXE-22), sorted.

    They were not registered, or were written to after they had been published.

    Args:
        working_dir: the execution's working folder.
        state: what is staged.
    """
    known: dict[str, StagedAsset] = {}
    for row in state.assets():
        known[str(working_dir / ASSETS_DIR / row.asset / row.name)] = row
        if row.source is not None:
            known.setdefault(row.source, row)
    return sorted(path for path in _files(working_dir) if _is_stray(path, known.get(str(path))))


def _is_stray(path: Path, row: StagedAsset | None) -> bool:
    if row is None:
        return True
    return row.state == "published" and row.kind != "link" and _was_written(row, path)


def _was_written(row: StagedAsset, path: Path) -> bool:
    try:
        return look(path) != row.seen and _is_written(row, path)
    except OSError:
        return False


def _files(working_dir: Path) -> Iterator[Path]:
    """Yield the files below a working folder that could be somebody's outputs."""
    for folder, folders, names in os.walk(working_dir):
        if folder == str(working_dir):
            folders[:] = [name for name in folders if name not in OURS]
            names = [name for name in names if name != MANIFEST_NAME]
        folders.sort()
        yield from (Path(folder, name) for name in names if not name.endswith(TEMP_SUFFIX))
