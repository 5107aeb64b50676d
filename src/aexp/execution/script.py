"""Which script or notebook makes a workflow, and its checksum (EXE-02)."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import aexp
from aexp import settings
from aexp.errors import CorruptDataError, NotFoundError
from aexp.model.canonical import Json, canonical_bytes, decode_json
from aexp.repo import Layout

NOTEBOOK_SUFFIX: Final = ".ipynb"
_OURS: Final = Path(aexp.__file__).parent
_OTHERS: Final = tuple(
    Path(found)
    for name in ("stdlib", "purelib", "platlib", "scripts")
    if (found := sysconfig.get_path(name))
)


def find_script(layout: Layout) -> Path | None:
    """Return the file whose code is running: a notebook, else a script; None when there is none.

    Of the files on the call stack it is the outermost one in the repository, so that a helper
    which several scripts share is not taken for their workflow.

    Args:
        layout: the repository.
    """
    frames = [frame for frame in _callers() if not _is_library(frame.f_code.co_filename)]
    if any(_is_interactive(frame) for frame in frames):
        told = _editor_notebook(frames) or settings.notebook_file()
        if told is not None and Path(told).is_file():
            return Path(told).resolve()
    files = [Path(name) for f in frames if (name := f.f_code.co_filename) and name[0] != "<"]
    files = [path.resolve() for path in files if path.is_file()]
    inside = [path for path in files if path.is_relative_to(layout.root)]
    if inside:
        return inside[-1]
    return None if any(_is_interactive(frame) for frame in frames) or not files else files[0]


def _callers() -> Iterator[FrameType]:
    """Yield the frames that are not aexp's own, from the innermost on."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not Path(frame.f_code.co_filename).is_relative_to(_OURS):
            yield frame
        frame = frame.f_back


def _is_library(name: str) -> bool:
    path = Path(name)
    return name.startswith("<frozen ") or any(path.is_relative_to(place) for place in _OTHERS)


def _is_interactive(frame: FrameType) -> bool:
    """Return whether a frame is of a prompt, of a notebook's cell, or of ``python -c``."""
    names = frame.f_globals
    return names.get("__name__") == "__main__" and "__file__" not in names


def _editor_notebook(frames: list[FrameType]) -> str | None:
    """Return the notebook that an editor tells its kernel of."""
    for frame in frames:
        found = frame.f_globals.get("__vsc_ipynb_file__")
        if isinstance(found, str):
            return found
    return None


def script_checksum(path: Path, *, sha256: bool = False) -> str:
    """Return the id that git gives to a script's content; of a notebook, without its outputs.

    Args:
        path: the script or notebook.
        sha256: the repository's objects have ids of 64 digits.

    Raises:
        NotFoundError: it cannot be read.
        CorruptDataError: it is no notebook, although it is called one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"the script {path.name} cannot be read: {error.strerror}", hint="give another script="
        ) from None
    if path.suffix == NOTEBOOK_SUFFIX:
        try:
            data = without_outputs(data)
        except ValueError as error:
            raise CorruptDataError(
                f"{path.name} is no notebook: {error}", hint="open it in Jupyter, and save it again"
            ) from None
    return blob_id(data, sha256=sha256)


def blob_id(data: bytes, *, sha256: bool = False) -> str:
    """Return the id of a blob, as ``git hash-object`` gives it."""
    new = hashlib.sha256 if sha256 else hashlib.sha1
    return new(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def without_outputs(data: bytes) -> bytes:
    """Return what of a notebook is its author's: the kinds, texts and tags of its cells.

    To run a notebook, or to open and save it in another editor, changes outputs, counters, ids and
    metadata, and none of that is code.

    Args:
        data: the notebook's bytes, in version 3 or 4 of its format.

    Raises:
        ValueError: it is no notebook.
    """
    value = decode_json(data)
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    cells = value.get("cells")
    if cells is None and isinstance(value.get("worksheets"), list):
        cells = [cell for sheet in value["worksheets"] for cell in sheet.get("cells", ())]
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError("it has no cells")
    return canonical_bytes({"cells": [_bare(cell) for cell in cells]})


def _bare(cell: dict[str, Any]) -> dict[str, Json]:
    source = cell.get("source", cell.get("input", ""))
    kept: dict[str, Json] = {
        "cell_type": cell.get("cell_type"),
        "source": "".join(source) if isinstance(source, list) else source,
    }
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    if tags:
        kept["tags"] = tags
    return kept
