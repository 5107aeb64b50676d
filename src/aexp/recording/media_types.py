"""What a file is: by its content, then by its name (REC-04, trap 45).

Why no library: of the light ones, filetype 1.2.0 tells neither ``.npy``, Parquet, CSV nor JSON,
and puremagic 1.30 no ``.npy``, Parquet, CSV or text, and takes an ``.npz`` for a Word document
(both asked on 2026-11-21 about files without an extension). What researchers log would have to be
told here all the same.
"""

from __future__ import annotations

import csv
import json
import mimetypes
from functools import lru_cache

from aexp.recording.formats import NPY, NPZ, PARQUET, text_encoding

HEAD = 64 * 1024
"""How many bytes of a file are looked at."""

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
JSON = "application/json"
JSON_LINES = "application/jsonl"
CSV = "text/csv"
TSV = "text/tab-separated-values"
ZIP = "application/zip"
HDF5 = "application/x-hdf5"

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"II+\x00", "image/tiff"),
    (0, b"MM\x00+", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x93NUMPY", NPY),
    (0, b"PAR1", PARQUET),
    (0, b"ARROW1\x00\x00", "application/vnd.apache.arrow.file"),
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"CDF\x01", "application/x-netcdf"),
    (0, b"CDF\x02", "application/x-netcdf"),
    (0, b"CDF\x05", "application/x-netcdf"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (257, b"ustar", "application/x-tar"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "application/ogg"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
)

_BY_NAME = {
    ".npy": NPY,
    ".parquet": PARQUET,
    ".feather": "application/vnd.apache.arrow.file",
    ".arrow": "application/vnd.apache.arrow.file",
    ".h5": HDF5,
    ".hdf5": HDF5,
    ".nc": "application/x-netcdf",
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".geojson": "application/geo+json",
    ".ipynb": "application/x-ipynb+json",
    ".csv": CSV,
    ".tsv": TSV,
    ".txt": TEXT,
    ".log": TEXT,
    ".md": "text/markdown",
    ".rst": "text/x-rst",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".py": "text/x-python",
    ".html": "text/html",
    ".xml": "application/xml",
    ".svg": "image/svg+xml",
    ".tex": "text/x-tex",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".mov": "video/quicktime",
    ".heic": "image/heic",
    ".avif": "image/avif",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".sqlite": "application/vnd.sqlite3",
}
_MARKED = frozenset(media_type for _, _, media_type in _MAGIC) - {"application/x-tar"}
"""What cannot be without its mark. (Old tar archives have none.)"""
_FAMILIES = {
    "video/mp4": frozenset(
        {"video/mp4", "audio/mp4", "video/quicktime", "image/heic", "image/avif"}
    ),
    "application/ogg": frozenset({"audio/ogg", "video/ogg", "audio/opus"}),
    HDF5: frozenset({HDF5, "application/x-netcdf"}),  # netCDF 4 is HDF5
}
"""What content alone cannot tell apart, and the name may."""
_TEXTS = frozenset(
    {"application/yaml", "application/toml", "application/xml", "image/svg+xml", "application/sql",
     "application/javascript", "application/x-sh", "application/x-tex", "application/x-latex"}
)  # fmt: skip
"""Types outside ``text/`` whose files are text."""
_ZIPPED = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".epub": "application/epub+zip",
    ".jar": "application/java-archive",
    ".npz": NPZ,
    ".zip": ZIP,
}
"""What is a ZIP archive by its content."""


def media_type_of(head: bytes, size: int, filename: str) -> str:
    """Return the media type of a file.

    Args:
        head: the file's first bytes, at most :data:`HEAD`; no more of it is looked at.
        size: of the whole file, in bytes.
        filename: its name; its extension decides what the content leaves open, and nothing else.
    """
    named = _named(filename)
    magic = _magic(head)
    if magic == ZIP:
        return named if named in _ZIPPED.values() and named is not None else _zip(head)
    if magic is not None:
        return named if named in _FAMILIES.get(magic, ()) and named is not None else magic
    if named in _MARKED:
        named = None  # it would have its mark
    is_named_text = named is not None and _is_textual(named)
    if not head:  # an empty text is one, an empty JSON or picture is none
        return named if named is not None and is_named_text and not _is_json(named) else UNKNOWN
    text = _text(head, whole=len(head) >= size)
    if text is None:
        return UNKNOWN if named is None or is_named_text else named
    return _kind_of_text(text, len(head) >= size, named)


def _named(filename: str) -> str | None:
    lower = filename.lower()
    dot = lower.rfind(".")
    suffix = lower[dot:] if dot >= 0 else ""
    own = _BY_NAME.get(suffix) or _ZIPPED.get(suffix)
    return own or _standard().types_map[True].get(suffix)


@lru_cache(maxsize=1)
def _standard() -> mimetypes.MimeTypes:
    """Return Python's own table, without the machine's files, so that all machines agree."""
    return mimetypes.MimeTypes(filenames=())


def _magic(head: bytes) -> str | None:
    for offset, mark, media_type in _MAGIC:
        if head.startswith(mark, offset):
            return media_type
    return None


def _zip(head: bytes) -> str:
    """Return what an archive is by its first member."""
    length = int.from_bytes(head[26:28], "little")
    return NPZ if head[30 : 30 + length].endswith(b".npy") else ZIP


def _text(head: bytes, *, whole: bool) -> str | None:
    """Return the text in ``head``, None when it is none; a last torn character is left out."""
    encoding = text_encoding(head)
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if whole or error.start < len(head) - 4:
            return None
        text = head[: error.start].decode(encoding)
    controls = {char for char in set(text) if ord(char) < 32} - set("\t\n\r\f\b\x1b")
    return None if controls else text


def _is_textual(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _TEXTS or _is_json(media_type)


def _is_json(media_type: str) -> bool:
    return media_type in (JSON, JSON_LINES) or media_type.endswith("+json")


def _kind_of_text(text: str, whole: bool, named: str | None) -> str:
    content = _json_kind(text, whole)
    if named is not None and _is_json(named):
        if content is None and _is_json_text(text.strip(), whole):  # a single number, a string
            content = JSON
        one, lines = content == JSON, content in (JSON, JSON_LINES)
        return named if (lines if named == JSON_LINES else one) else content or TEXT
    if named is not None and _is_textual(named):
        return named
    return content or _table_kind(text, whole) or TEXT


def _json_kind(text: str, whole: bool) -> str | None:
    """Return whether a text is JSON or JSON lines, as far as it can be seen."""
    body = text.lstrip("\ufeff").strip()
    if not body.startswith(("{", "[")):
        return None
    if _is_json_text(body, whole):
        return JSON
    lines = body.splitlines()
    if len(lines) > 1 and all(
        _is_json_text(line, True) for line in (lines if whole else lines[:-1]) if line.strip()
    ):
        return JSON_LINES
    return None


def _is_json_text(text: str, whole: bool) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        # A text that is cut off is wrong where it ends, or in the string that does not end.
        torn = error.msg.startswith("Unterminated string") or error.pos >= len(text) - 12
        return not whole and torn
    except RecursionError:
        return False
    return True


def _table_kind(text: str, whole: bool) -> str | None:
    """Return CSV or TSV for a text of two or more lines with the same number of columns."""
    lines = text.splitlines() if whole else text.splitlines()[:-1]
    sample = [line for line in lines[:200] if line]
    if len(sample) < 2:
        return None
    for delimiter, media_type in ((",", CSV), ("\t", TSV), (";", CSV)):
        if delimiter not in sample[0]:
            continue
        try:
            widths = {len(row) for row in csv.reader(sample, delimiter=delimiter, strict=True)}
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() > 1:
            return media_type
    return None
