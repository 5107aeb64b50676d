"""Finding and reading the files that points left behind, as Arrow tables (SWP-12).

A file counts only when it is what the manifest says: its size and its digest are checked before it
is read, in the sweep's folder and then in the registry, where a pull puts those of other machines.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from aexp.errors import AexpError, SweepConfigError
from aexp.model.canonical import Json
from aexp.recording.formats import require
from aexp.repo import Layout
from aexp.sweep.manifest import Entry
from aexp.sweep.outcome import OUT_DIR, OutputFile

if TYPE_CHECKING:
    import pyarrow as pa

    from aexp.registry import Registry

READABLE: Final = (".parquet", ".pq", ".csv", ".tsv", ".jsonl", ".ndjson")
"""The suffixes of tables that can be gathered."""

UNNAMED: Final = "__index_level_"
"""How pandas names, in a Parquet file, an index without a name."""


class GoneError(Exception):
    """The output of a finished point cannot be used here.

    Args:
        reason: why, in a few words.
        is_elsewhere: whether it was never in this clone, so that a pull would bring it.
    """

    def __init__(self, reason: str, *, is_elsewhere: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_elsewhere = is_elsewhere


def check_readable(name: str) -> None:
    """Check that a file of this name can be gathered into a table.

    Raises:
        SweepConfigError: it cannot.
    """
    if PurePosixPath(name).suffix.lower() not in READABLE:
        raise SweepConfigError(
            f"{name} is no table that can be gathered",
            hint=f"let the points write one of: {', '.join(READABLE)}",
        )


class OutputFiles:
    """The files of a sweep's points, here or in the registry.

    Args:
        layout: the repository.
        folder: the sweep's folder here, or None.
    """

    def __init__(self, layout: Layout, folder: Path | None) -> None:
        self._layout = layout
        self._folder = folder

    @cached_property
    def _registry(self) -> Registry:
        from aexp.registry import open_registry

        return open_registry(self._layout)

    def read(self, entry: Entry, name: str) -> bytes:
        """Return the content of a point's output file, which is what the manifest says.

        Args:
            entry: the point's.
            name: the file, relative to the point's folder.

        Raises:
            GoneError: it is not here, damaged, or was never written.
        """
        wanted = f"{OUT_DIR}/{entry.run_id}/{name}"
        found = next((file for file in entry.output_paths if file.path == wanted), None)
        if found is None:
            raise GoneError(f"the point wrote no {name}")
        data = self._in_folder(found)
        return self._in_registry(found) if data is None else data

    def _in_folder(self, file: OutputFile) -> bytes | None:
        try:
            data = (self._folder / file.path).read_bytes() if self._folder else None
        except OSError:
            return None
        return data if data is not None and _is(data, file) else None

    def _in_registry(self, file: OutputFile) -> bytes:
        try:
            data = self._registry.read(f"sha256:{file.sha256}")
        except (AexpError, OSError):
            here = self._folder is not None and (self._folder / file.path).exists()
            reason = "is not what the point wrote" if here else "is not here"
            raise GoneError(f"{file.path} {reason}", is_elsewhere=not here) from None
        return data


def _is(data: bytes, file: OutputFile) -> bool:
    return len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256


# --- reading -------------------------------------------------------------------------------------


def parse(name: str, data: bytes, as_text: Collection[str] = ()) -> pa.Table:
    """Return the table in a file.

    Args:
        name: the file's name; its suffix says what it is.
        data: its content.
        as_text: columns that are to be text, because they are text in another point's file.

    Raises:
        GoneError: it is no such table.
    """
    pa = require("pyarrow", "frame", "a sweep's table")
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            table = require("pyarrow.parquet", "frame", "a sweep's table").read_table(
                io.BytesIO(data)
            )
            return _texts(pa, table, as_text)
        if suffix in (".jsonl", ".ndjson"):
            return _json_lines(pa, data, as_text)
        return _csv(pa, data, "\t" if suffix == ".tsv" else ",", as_text)
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise GoneError(f"{name} cannot be read: {reason}") from None


def index_of(table: pa.Table) -> tuple[str, ...]:
    """Return the columns that pandas kept as the index of a table; mostly none."""
    known = table.schema.pandas_metadata or {}
    names = known.get("index_columns") or []
    return tuple(n for n in names if isinstance(n, str) and n in table.column_names)


def _csv(pa: Any, data: bytes, delimiter: str, as_text: Collection[str]) -> pa.Table:
    csv = require("pyarrow.csv", "frame", "a sweep's table")
    if not data.strip():
        return pa.table({})
    return csv.read_csv(
        pa.BufferReader(data),
        # The type of a column comes from the first block; all of it must have been looked at.
        read_options=csv.ReadOptions(block_size=len(data) + 1, use_threads=False),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(as_text, pa.string())),
    )


def _json_lines(pa: Any, data: bytes, as_text: Collection[str]) -> pa.Table:
    """Return the rows of JSON lines; Python's reader knows the NaN that Python writes."""
    rows = [json.loads(line) for line in data.splitlines() if line.strip()]
    if not all(isinstance(row, Mapping) for row in rows):
        raise ValueError("each line must be an object")
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, Any] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        columns[name] = _column(pa, values, name in as_text)
    return pa.table(columns)


def _column(pa: Any, values: list[Json], as_text: bool) -> Any:
    if as_text:
        return pa.array([text_of(value) for value in values], pa.string())
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError):
        return pa.array([text_of(value) for value in values], pa.string())


def _texts(pa: Any, table: pa.Table, as_text: Collection[str]) -> pa.Table:
    for name in as_text:
        at = table.schema.get_field_index(name)
        if at >= 0:
            values = [text_of(value) for value in table.column(at).to_pylist()]
            table = table.set_column(at, name, pa.array(values, pa.string()))
    return table


def text_of(value: object) -> str | None:
    """Return a value as text: a text as it is, anything else as JSON writes it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
