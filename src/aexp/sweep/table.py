"""Explicit points from a CSV file, each cell by the one rule for values (trap 64).

A cell is read by itself: a column of integers stays integers, whatever stands in another row. An
empty cell leaves its parameter out of that point. Text that looks like a number stands in quotes
within the cell, as JSON writes it.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from aexp.errors import SweepConfigError, UsageError
from aexp.model.canonical import Json
from aexp.model.values import parse_value


def read_header(path: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a CSV file and its columns.

    Args:
        path: where it is.
        name: what messages call it.

    Raises:
        SweepConfigError: it cannot be read, or has no usable first line.
    """
    sha = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while part := stream.read(1 << 20):
                sha.update(part)
        with path.open(encoding="utf-8-sig", newline="") as stream:
            columns = [cell.strip() for cell in next(csv.reader(stream), [])]
    except FileNotFoundError:
        raise SweepConfigError(f"there is no file {name}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SweepConfigError(f"{name} cannot be read: {error}") from None
    if not columns or not all(columns):
        raise SweepConfigError(
            f"{name}, line 1: not every column has a name", hint="begin with a line of parameters"
        )
    if twice := next((c for c in columns if columns.count(c) > 1), None):
        raise SweepConfigError(f"{name}, line 1: the column {twice} is there twice")
    return f"sha256:{sha.hexdigest()}", tuple(columns)


def read_rows(path: Path, name: str, digest: str | None) -> Iterator[dict[str, Json]]:
    """Yield the points of a CSV file, one at a time.

    Raises:
        SweepConfigError: the file is not the one whose digest is given, or a line does not fit.
    """
    found, columns = read_header(path, name)
    if digest not in (None, found):
        raise SweepConfigError(
            f"{name} has changed since the spec was read",
            hint="put the file back, or begin another sweep",
        )
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        next(reader)
        try:
            for cells in reader:
                if cells:
                    yield _row(columns, cells, f"{name}, line {reader.line_num}")
        except (csv.Error, UnicodeDecodeError) as error:
            raise SweepConfigError(f"{name}, line {reader.line_num}: {error}") from None


def _row(columns: tuple[str, ...], cells: list[str], where: str) -> dict[str, Json]:
    if len(cells) != len(columns):
        raise SweepConfigError(f"{where}: {len(cells)} cells under {len(columns)} columns")
    try:
        return {
            name: parse_value(cell.strip())
            for name, cell in zip(columns, cells, strict=True)
            if cell.strip()
        }
    except UsageError as error:
        raise SweepConfigError(f"{where}: {error.message}", hint=error.hint) from None
