"""The columns of a sweep's table: their types, and what becomes of a type that differs (SWP-12).

Nothing is ever rounded or guessed: whole numbers beside numbers become numbers, and anything else
that does not go together becomes the text that stands in the files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aexp.model.canonical import Json
from aexp.model.parameters import widest
from aexp.recording.formats import require
from aexp.sweep.reading import text_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

STATUS: Final = "__status"
RUN: Final = "run_id"


def arrow() -> Any:
    """Return pyarrow.

    Raises:
        MissingExtraError: it is not installed.
    """
    return require("pyarrow", "frame", "a sweep's table")


def dotted(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the values of a point with nested keys joined by dots."""
    result: dict[str, Json] = {}

    def add(prefix: str, inner: Mapping[str, Json]) -> None:
        for key, item in inner.items():
            if isinstance(item, Mapping) and item:
                add(f"{prefix}{key}.", item)
            else:
                result[prefix + key] = item

    add("", values)
    return result


def parameter_columns(rows: Sequence[Mapping[str, Json]], taken: Collection[str]) -> dict[str, Any]:
    """Return a column for each parameter, by name, sorted.

    A parameter that is called like something measured has ``(parameter)`` added to its name.

    Args:
        rows: the values of each point, nested.
        taken: the names of what was measured.
    """
    flat = [dotted(row) for row in rows]
    names = sorted({name for row in flat for name in row})
    return {
        f"{name} (parameter)" if name in taken else name: value_column(
            [row.get(name) for row in flat]
        )
        for name in names
    }


def value_column(values: Sequence[Json]) -> pa.Array:
    """Return values of a state point as one column; mixed ones and lists as text."""
    pa = arrow()
    kind = widest(value for value in values if value is not None)
    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
    if kind in types:
        return pa.array(values, types[kind])
    return pa.array([text_of(value) for value in values], pa.string())


class Outline:
    """The columns of all files of a sweep, as far as they have been looked at.

    Attributes:
        types: the type of each column, by name, in order of first appearance.
        as_text: columns whose types do not go together.
        gaps: columns that some row has nothing in.
        seen: how many files were looked at.
    """

    def __init__(self) -> None:
        self.types: dict[str, pa.DataType] = {}
        self.as_text: set[str] = set()
        self.gaps: set[str] = set()
        self.seen = 0

    def add(self, table: pa.Table) -> None:
        """Take the columns of one more file into account."""
        self.gaps.update(self.types.keys() - set(table.column_names))
        for field, column in zip(table.schema, table.columns, strict=True):
            if column.null_count or (self.seen and field.name not in self.types):
                self.gaps.add(field.name)
            self._add(field.name, field.type)
        self.seen += 1

    def _add(self, name: str, kind: pa.DataType) -> None:
        known = self.types.get(name)
        if known is None or known == kind:
            self.types[name] = kind
            return
        pa = arrow()
        schemas = [pa.schema([(name, type_)]) for type_ in (known, kind)]
        try:
            joined = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        except pa.ArrowException:
            self.as_text.add(name)
            joined = pa.string()
        self.types[name] = joined

    def conform(self, table: pa.Table) -> pa.Table:
        """Return a file's table with all columns there are, each of its type."""
        pa = arrow()
        length = len(table)
        columns = {
            name: table.column(name).cast(kind, safe=False)
            if name in table.column_names
            else pa.nulls(length, kind)
            for name, kind in self.settled().items()
        }
        return pa.table(columns)

    def settled(self) -> dict[str, pa.DataType]:
        """Return the types; a column without a single value holds numbers that are missing."""
        pa = arrow()
        return {
            name: pa.float64() if pa.types.is_null(kind) else kind
            for name, kind in self.types.items()
        }


def to_frame(table: pa.Table, index: Sequence[str], gaps: Collection[str]) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame.

    Args:
        table: the rows, with the columns of the index.
        index: the columns of the index, outermost first.
        gaps: columns that get a type with room for missing values, whatever these rows hold.
    """
    pd = require("pandas", "frame", "a sweep's table")
    data = {
        name: _series(pd, table.column(name), name in gaps or table.column(name).null_count > 0)
        for name in table.column_names
    }
    rows = pd.DataFrame({k: v for k, v in data.items() if k not in index}, copy=False)
    if len(index) == 1:
        rows.index = pd.Index(data[index[0]], name=index[0])
    else:
        rows.index = pd.MultiIndex.from_arrays([data[name] for name in index], names=list(index))
    return rows


def _series(pd: Any, column: pa.ChunkedArray, with_gaps: bool) -> Any:
    pa = arrow()
    kind = column.type
    if with_gaps and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        name = "boolean" if pa.types.is_boolean(kind) else _pandas_integer(str(kind))
        dtype = pd.api.types.pandas_dtype(name)
        return column.to_pandas(types_mapper={kind: dtype}.get)
    return column.to_pandas(date_as_object=False)


def _pandas_integer(kind: str) -> str:
    """Return pandas' name of an integer type that has room for missing values."""
    return f"UInt{kind[4:]}" if kind.startswith("u") else f"Int{kind[3:]}"


def repeated(table: pa.Table, counts: Iterable[int]) -> pa.Table:
    """Return a table with each of its rows repeated so many times."""
    indices = [row for row, count in enumerate(counts) for _ in range(count)]
    return table.take(arrow().array(indices, arrow().int64()))
