"""The table of the parameters of a session's runs (REC-02)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aexp.errors import MissingExtraError
from aexp.model.canonical import Json
from aexp.model.parameters import Column, columns

if TYPE_CHECKING:
    import pandas


def parameters_frame(rows: Sequence[tuple[int, Mapping[str, Json]]]) -> pandas.DataFrame:
    """Return the parameters of runs as a DataFrame: a row for each run, a column for each name.

    A column of whole numbers or truth values that some runs lack has pandas' nullable type, one of
    mixed types is an object column. No value changes its type for the sake of another.

    Args:
        rows: the number and the parameters of each run.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingExtraError(
            "run_parameters_df() needs pandas", hint="pip install 'aexp[frame]'"
        ) from None
    index = pandas.Index([number for number, _ in rows], name="run_id", dtype="int64")
    data = {
        column.name: pandas.Series(list(column.values), index=index, dtype=_dtype(column))
        for column in columns([row for _, row in rows])
    }
    return pandas.DataFrame(data, index=index)


def _dtype(column: Column) -> Any:
    gaps = any(value is None for value in column.values)
    if column.kind == "int":
        return "Int64" if gaps else "int64"
    if column.kind == "bool":
        return "boolean" if gaps else "bool"
    return "float64" if column.kind == "float" else object
