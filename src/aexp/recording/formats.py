"""The formats that aexp itself writes and reads: JSON, text, numpy, Parquet (REC-04, REC-05).

numpy, pandas and pyarrow are imported when they are needed, and never by ``import aexp``.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from aexp.errors import CorruptDataError, MissingExtraError, UsageError

NPY = "application/x-npy"
NPZ = "application/x-npz"
PARQUET = "application/vnd.apache.parquet"
JSON_LINES = frozenset({"application/jsonl", "application/x-ndjson"})


def is_instance_of(value: object, module: str, name: str) -> bool:
    """Tell whether ``value`` is a ``module.name``, importing nothing.

    A module that nobody imported has no instances.
    """
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def require(module: str, extra: str, what: str) -> Any:
    """Return an optional module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs {module.partition('.')[0]}, which cannot be imported: {error}",
            hint=f'pip install "aexp[{extra}]"',
        ) from error


# --- JSON ----------------------------------------------------------------------------------------


def encode_json(value: object) -> bytes:
    """Return ``value`` as standard JSON in UTF-8; numpy scalars and arrays become plain ones.

    Raises:
        UsageError: something in it has no JSON form; the message says where and what to do.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=_plain)
        _refuse_double_keys(value)
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the value holds text that is no Unicode (a lone surrogate)") from None
    except RecursionError:
        raise UsageError("the value is nested too deeply for JSON") from None
    except (TypeError, ValueError) as error:
        raise _json_error(value, error) from None


def _plain(value: object) -> object:
    """Return what stands for a value that ``json`` does not know."""
    for method in ("tolist", "item"):  # numpy, torch
        convert = getattr(value, method, None)
        if callable(convert) and type(plain := convert()) is not type(value):
            return plain
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _refuse_double_keys(value: object) -> None:
    """Raise when two keys of one mapping have the same JSON form, so that one would be lost."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            if any(type(key) is not str for key in item):
                forms = {key if isinstance(key, str) else json.dumps(key) for key in item}
                if len(forms) < len(item):
                    raise UsageError(
                        "two keys of one mapping are the same in JSON, where keys are text"
                    )
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(part for part in item if isinstance(part, Mapping | list | tuple))


def _json_error(value: object, error: Exception) -> UsageError:
    if isinstance(error, UsageError):
        return error
    if "Circular" in str(error):
        return UsageError("the value contains itself, which JSON cannot say")
    where, culprit = _first_bad(value, "value")
    if isinstance(culprit, float):
        return UsageError(
            f"{where} is {culprit}, and standard JSON has no such number",
            hint='write None, or the text "NaN", "Infinity" or "-Infinity"; '
            "log_metric and numpy arrays keep such numbers",
        )
    return UsageError(
        f"{where} is a {type(culprit).__name__}, which has no JSON form",
        hint="use numbers, text, booleans, None, lists and mappings, or log_with_codec",
    )


def _first_bad(value: object, where: str) -> tuple[str, object]:
    """Return where in ``value`` the first thing is that JSON cannot hold, and the thing."""
    if isinstance(value, float) and not math.isfinite(value):
        return where, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str | int | float | None):
                return f"a key of {where}", key
            if not _is_json(item):
                return _first_bad(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if not _is_json(item):
                return _first_bad(item, f"{where}[{index}]")
    elif not isinstance(value, str | int | float | None):
        try:
            plain = _plain(value)
        except (TypeError, ValueError):
            return where, value
        return _first_bad(plain, where)
    return where, value


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def decode_json(data: bytes) -> object:
    """Return the value of a JSON text. ``NaN`` and its like, which others write, are understood.

    Raises:
        CorruptDataError: it is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"no JSON: {error}") from None


def decode_json_lines(data: bytes) -> list[object]:
    """Return the values of a text with one JSON value a line.

    Raises:
        CorruptDataError: a line is no JSON.
    """
    return [decode_json(line) for line in data.split(b"\n") if line.strip()]


# --- text ----------------------------------------------------------------------------------------

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encode_text(text: str) -> bytes:
    """Return ``text`` in UTF-8.

    Raises:
        UsageError: it holds a lone surrogate.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the text is no Unicode: it holds a lone surrogate") from None


def text_encoding(data: bytes) -> str:
    """Return how a text is encoded: by the mark at its beginning, else UTF-8."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")


def decode_text(data: bytes) -> str:
    """Return the text in ``data``: UTF-8, or what a mark at its beginning says.

    Raises:
        CorruptDataError: it is no such text.
    """
    try:
        return data.decode(text_encoding(data))
    except UnicodeDecodeError as error:
        raise CorruptDataError(f"no UTF-8 text: {error.reason} at byte {error.start}") from None


# --- numpy ---------------------------------------------------------------------------------------


def encode_array(value: object) -> bytes:
    """Return a numpy array as an ``.npy`` file.

    Raises:
        UsageError: it holds Python objects, which could only be pickled.
        MissingExtraError: numpy is not installed.
    """
    numpy = require("numpy", "frame", "an array")
    array = numpy.asanyarray(value)
    if array.dtype.hasobject:
        raise UsageError(
            "an array of Python objects would have to be pickled, which aexp does not do",
            hint="give it a dtype of its own, or use log_table or log_json",
        )
    stream = io.BytesIO()
    numpy.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def decode_numpy(data: bytes) -> object:
    """Return the array of an ``.npy`` file, or the arrays of an ``.npz`` file by name.

    Raises:
        CorruptDataError: it is neither, or it holds pickled objects.
        MissingExtraError: numpy is not installed.
    """
    import zipfile
    import zlib

    numpy = require("numpy", "frame", "reading an array")
    try:
        loaded = numpy.load(io.BytesIO(data), allow_pickle=False)
        if not hasattr(loaded, "files"):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise CorruptDataError("it holds pickled objects, which aexp never loads") from None
        raise CorruptDataError(f"no numpy file: {error}") from None


# --- tables --------------------------------------------------------------------------------------


def is_table(value: object) -> bool:
    """Tell whether ``value`` is a table that Arrow understands, importing nothing."""
    return (
        is_instance_of(value, "pandas", "DataFrame")
        or is_instance_of(value, "pyarrow", "Table")
        or is_instance_of(value, "polars", "DataFrame")
    )


def encode_table(value: object) -> bytes:
    """Return a table as a Parquet file; the index of a pandas DataFrame is kept.

    Raises:
        UsageError: it is no table, or a column has no Parquet form.
        MissingExtraError: pyarrow is not installed.
    """
    if not is_table(value):
        raise UsageError(
            f"a table is needed, not a {type(value).__name__}",
            hint="make a pandas DataFrame of it: pandas.DataFrame(…)",
        )
    arrow = require("pyarrow", "frame", "a table")
    parquet = require("pyarrow.parquet", "frame", "a table")
    stream = io.BytesIO()
    try:
        parquet.write_table(_arrow_table(arrow, value), stream)
    except (arrow.ArrowException, ValueError, TypeError) as error:
        reason = " ".join(str(part) for part in error.args).strip()
        raise UsageError(
            f"the table has no Parquet form: {reason}",
            hint="give each column one type, and a name of its own",
        ) from error
    return stream.getvalue()


def _arrow_table(arrow: Any, value: Any) -> Any:
    if is_instance_of(value, "pandas", "DataFrame"):
        return arrow.Table.from_pandas(value)
    if is_instance_of(value, "polars", "DataFrame"):
        return value.to_arrow()
    return value


def decode_table(data: bytes) -> object:
    """Return the table of a Parquet file as a pandas DataFrame.

    Raises:
        CorruptDataError: it is no Parquet file.
        MissingExtraError: pandas or pyarrow is not installed.
    """
    require("pandas", "frame", "reading a table")
    arrow = require("pyarrow", "frame", "reading a table")
    parquet = require("pyarrow.parquet", "frame", "reading a table")
    try:
        return parquet.read_table(io.BytesIO(data)).to_pandas()
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise CorruptDataError(f"no Parquet file: {error}") from None
