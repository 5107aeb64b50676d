"""Pictures of figures (``log_figure``, REC-04)."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from aexp.errors import UsageError

_FORMATS = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
}
_UNDATED: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
"""What matplotlib would write into a picture that differs from day to day, or says who made it."""


def media_type_of_format(format: str) -> str:
    """Return the media type of a format of pictures.

    Raises:
        UsageError: it is none of those that figures are saved in.
    """
    found = _FORMATS.get(str(format).lower())
    if found is None:
        raise UsageError(
            f"{format!r} is no format of figures", hint="use one of: " + ", ".join(_FORMATS)
        )
    return found


def draw(figure: object, format: str, options: Mapping[str, object]) -> bytes:
    """Return a picture of ``figure``; the same figure gives the same bytes.

    Raises:
        UsageError: it has no ``savefig``.
    """
    owner, save = _savefig(figure)
    kind = format.lower()
    given: dict[str, Any] = dict(options)
    if kind in _UNDATED and _is_matplotlib(owner):
        metadata = given.get("metadata")
        given["metadata"] = {**_UNDATED[kind], **(metadata if isinstance(metadata, dict) else {})}
    stream = io.BytesIO()
    with _fixed_ids():
        save(stream, format=kind, **given)
    data = stream.getvalue()
    if not data:
        raise UsageError(f"savefig of a {type(figure).__name__} wrote nothing")
    return data


def _savefig(figure: object) -> tuple[object, Callable[..., object]]:
    for owner in (figure, getattr(figure, "figure", None)):
        save = getattr(owner, "savefig", None)
        if callable(save):
            return owner, save
    raise UsageError(
        f"a {type(figure).__name__} is no figure: it has no savefig",
        hint="give a matplotlib Figure; of another library, save it to a file and use log_file",
    )


def _is_matplotlib(owner: object) -> bool:
    """Tell whether ``savefig`` is matplotlib's own, which takes ``metadata``."""
    homes = {getattr(owner, "__name__", ""), *(kind.__module__ for kind in type(owner).__mro__)}
    return any(home.partition(".")[0] in ("matplotlib", "seaborn") for home in homes)


def _fixed_ids() -> Any:
    """Return a context in which matplotlib names the parts of an SVG by their content alone."""
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None:
        return nullcontext()
    return matplotlib.rc_context({"svg.hashsalt": "aexp"})
