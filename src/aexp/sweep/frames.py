"""The table of a sweep: what its points measured, under the numbers of the points (SWP-12).

Everything goes by the points' numbers, never by who finished first, so that a sweep that was
killed, moved or shared gives the same table, bit by bit, as one that nobody disturbed.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp.errors import MissingOutputWarning, StorageError, SweepConfigError
from aexp.model.canonical import Json, decode_number
from aexp.recording.formats import require
from aexp.storage.atomic import make_folder, storage_error, sync_folder
from aexp.sweep.columns import (
    RUN,
    STATUS,
    Outline,
    arrow,
    parameter_columns,
    repeated,
    to_frame,
)
from aexp.sweep.known import KnownSweep, final_metrics, known_of
from aexp.sweep.reading import GoneError, OutputFiles, check_readable, index_of, parse

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from aexp.sweep.engine import Sweep
    from aexp.sweep.manifest import Entry

ROW: Final = "row"
"""The second level of the index where the files have none of their own; ``__row`` where one of
their columns is called like that."""

TABLE: Final = "table"
MISSING: Final = "missing"
"""The status of a finished point whose output cannot be used here (trap 67)."""

KEPT_BYTES: Final = 256 * 1024 * 1024
"""Files that were read to learn their columns are kept up to so many bytes in all."""

RUNS_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Missing:
    """A finished point whose output cannot be used here.

    Attributes:
        run_id: the point.
        reason: why, in a few words.
        is_elsewhere: whether it was never in this clone, so that a pull would bring it.
    """

    run_id: int
    reason: str
    is_elsewhere: bool


@dataclass
class _Row:
    entry: Entry
    status: str
    body: pa.Table | None = None


def to_dataframe(
    sweep: Sweep,
    *,
    output: str | None = None,
    metrics: bool = False,
    parameters: bool = True,
    index: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the table of a sweep as a DataFrame.

    With ``outputs`` in the spec it holds the rows of every point's file, under a MultiIndex of
    ``run_id`` and the file's own index, or the number of the row. Without, it holds the final
    metrics, a row a point. A point that failed or was skipped is present as one row. The column
    ``__status`` says ``ok``, ``failed``, ``skipped``, or ``missing`` where a finished point's
    output cannot be used here, which is a warning.

    Args:
        sweep: the sweep.
        output: which of the spec's ``outputs``; ``table``, or the only one, when None.
        metrics: gather the final metrics although there are outputs.
        parameters: add the values of the points.
        index: columns of the files that make up the index within a point.

    Raises:
        SweepConfigError: there is no such output, or its files are no tables.
        MissingExtraError: pandas or pyarrow is not installed.
    """
    table = SweepTable(
        known_of(sweep), output=output, metrics=metrics, parameters=parameters, index=index
    )
    table.warn(stacklevel=3)
    return table.frame()


def iter_frames(
    sweep: Sweep, *, runs: int = RUNS_AT_ONCE, **options: Any
) -> Iterator[pd.DataFrame]:
    """Yield the table of a sweep in parts, for sweeps larger than memory.

    All parts have the same columns of the same types: put together, they are the whole table.

    Args:
        sweep: the sweep.
        runs: how many points a part has.
        options: as for :func:`to_dataframe`.
    """
    table = SweepTable(known_of(sweep), **options)
    table.warn(stacklevel=3)
    yield from table.frames(runs)


def write_dataset(
    sweep: Sweep, folder: str | Path, *, runs: int = RUNS_AT_ONCE, **options: Any
) -> Path:
    """Write the table of a sweep as a folder of Parquet files, for sweeps larger than memory.

    Args:
        sweep: the sweep.
        folder: a new folder.
        runs: how many points a file has.
        options: as for :func:`to_dataframe`.

    Raises:
        StorageError: the folder exists already, or the disk refused.
    """
    table = SweepTable(known_of(sweep), **options)
    table.warn(stacklevel=3)
    table.write_dataset(Path(folder), runs)
    return Path(folder)


class SweepTable:
    """The table of what this clone knows of a sweep; making it looks at every output once.

    Args:
        known: the sweep.
        output: which of the spec's ``outputs``.
        metrics: gather the final metrics although there are outputs.
        parameters: add the values of the points.
        index: columns of the files that make up the index within a point.

    Attributes:
        missing: the finished points whose output cannot be used here.
        index: the columns of the index, outermost first.
    """

    def __init__(
        self,
        known: KnownSweep,
        *,
        output: str | None = None,
        metrics: bool = False,
        parameters: bool = True,
        index: str | Sequence[str] | None = None,
    ) -> None:
        self._known = known
        self._name = None if metrics else _chosen(known.header.spec.get("outputs") or {}, output)
        self._files = OutputFiles(known.layout, known.folder)
        self._rows = [_Row(entry, entry.status) for entry in known.entries]
        self._outline = Outline()
        self._row = ""
        self.missing: list[Missing] = []
        if self._name is None:
            self.index: tuple[str, ...] = (RUN,)
            measured = self._gather_metrics()
        else:
            self.index = (RUN, *self._look(self._name, index))
            measured = {}
        self._head = self._make_head(measured, parameters)
        self._gaps = self._find_gaps()

    def __len__(self) -> int:
        return len(self._rows)

    # --- looking ----------------------------------------------------------------------------

    def _gather_metrics(self) -> dict[str, Any]:
        metrics_of = final_metrics(
            self._known.layout, [r.entry.job_id for r in self._rows if r.entry.job_id]
        )
        found: list[Mapping[str, Json]] = []
        for row in self._rows:
            values = None
            if row.status == "ok":
                values = metrics_of(row.entry.job_id) if row.entry.job_id else None
                if values is None:
                    self._miss(row, GoneError("its run is neither here nor in the ledger"))
            found.append(values or {})
        names = sorted({name for values in found for name in values})
        pa = arrow()
        return {
            name: pa.array([decode_number(v.get(name)) for v in found], pa.float64())
            for name in names
        }

    def _look(self, name: str, index: str | Sequence[str] | None) -> tuple[str, ...]:
        """Look at every file, and return the columns of the index within a point."""
        wanted = (index,) if isinstance(index, str) else tuple(index or ())
        own: set[tuple[str, ...]] = set()
        kept = 0
        for row in self._rows:
            if row.status != "ok":
                continue
            try:
                table = self._parsed(row, name)
            except GoneError as gone:
                self._miss(row, gone)
                continue
            own.add(index_of(table))
            self._outline.add(table)
            if kept <= KEPT_BYTES:
                kept += table.nbytes
                row.body = table
        if wanted:
            if lacking := [column for column in wanted if column not in self._outline.types]:
                raise SweepConfigError(
                    f"{name} has no column {lacking[0]!r}",
                    hint=f"it has: {', '.join(self._outline.types) or 'none'}",
                )
            return wanted
        named = own.pop() if len(own) == 1 else ()
        if not named:
            self._row = f"__{ROW}" if ROW in self._outline.types else ROW
        return named or (self._row,)

    def _parsed(self, row: _Row, name: str) -> pa.Table:
        data = self._files.read(row.entry, name)
        table = parse(name, data, self._outline.as_text)
        names = [f"{n} (output)" if n in (RUN, STATUS) else n for n in table.column_names]
        return table.rename_columns(names).replace_schema_metadata(table.schema.metadata)

    def _miss(self, row: _Row, gone: GoneError) -> None:
        row.status = MISSING
        self.missing.append(Missing(row.entry.run_id, gone.reason, gone.is_elsewhere))

    # --- putting together -------------------------------------------------------------------

    def _make_head(self, measured: Mapping[str, Any], parameters: bool) -> pa.Table:
        """Return a row a point: its number, its parameters, its metrics, its status."""
        pa = arrow()
        columns = {RUN: pa.array([row.entry.run_id for row in self._rows], pa.int64())}
        if parameters:
            values = [row.entry.overrides for row in self._rows]
            columns |= parameter_columns(values, {*measured, *self._outline.types, RUN, STATUS})
        columns |= measured
        columns[STATUS] = pa.array([row.status for row in self._rows], pa.string())
        return pa.table(columns)

    def _find_gaps(self) -> set[str]:
        gaps = {n for n in self._head.column_names if self._head.column(n).null_count}
        if self._name is not None:
            gaps |= self._outline.gaps
            if any(row.status != "ok" for row in self._rows):
                gaps |= {*self._outline.types, *self.index[1:]}
        return gaps

    def part(self, start: int, end: int) -> pa.Table:
        """Return the rows of some points, by their place in the table, as an Arrow table."""
        head = self._head.slice(start, end - start)
        if self._name is None:
            return head
        pa = arrow()
        bodies = [self._body(row, self._name) for row in self._rows[start:end]]
        body = pa.concat_tables(bodies) if bodies else self._empty()
        head = repeated(head, map(len, bodies))
        columns = {RUN: head.column(RUN)}
        inner = [name for name in body.column_names if name in self.index]
        outer = [name for name in head.column_names if name not in (RUN, STATUS)]
        columns |= {name: body.column(name) for name in inner}
        columns |= {name: head.column(name) for name in outer}
        columns |= {n: body.column(n) for n in body.column_names if n not in inner}
        columns[STATUS] = head.column(STATUS)
        return pa.table(columns)

    def _body(self, row: _Row, name: str) -> pa.Table:
        pa = arrow()
        if row.status != "ok":
            kinds = self._kinds()
            return pa.table({n: pa.nulls(1, kind) for n, kind in kinds.items()})
        table = row.body
        if table is None or self._outline.as_text & set(table.column_names):
            table = self._again(row, name)
        body = self._outline.conform(table)
        if self._row:
            body = body.append_column(self._row, pa.array(range(len(table)), pa.int64()))
        return body

    def _again(self, row: _Row, name: str) -> pa.Table:
        try:
            return self._parsed(row, name)
        except GoneError as gone:
            raise StorageError(
                f"the output of point {row.entry.run_id} changed while it was read: {gone.reason}",
                hint="ask for the table again",
            ) from None

    def _kinds(self) -> dict[str, Any]:
        kinds = self._outline.settled()
        return {**kinds, self._row: arrow().int64()} if self._row else kinds

    def _empty(self) -> pa.Table:
        return arrow().table({n: arrow().nulls(0, kind) for n, kind in self._kinds().items()})

    # --- what comes out ---------------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Return the whole table."""
        require("pandas", "frame", "a sweep's table")
        return to_frame(self.part(0, len(self._rows)), self.index, self._gaps)

    def frames(self, runs: int = RUNS_AT_ONCE) -> Iterator[pd.DataFrame]:
        """Yield the table in parts of so many points."""
        require("pandas", "frame", "a sweep's table")
        for part in self._parts(runs):
            yield to_frame(part, self.index, self._gaps)

    def _parts(self, runs: int) -> Iterator[pa.Table]:
        for start in range(0, max(len(self._rows), 1), max(runs, 1)):
            end = min(start + max(runs, 1), len(self._rows))
            yield self.part(start, end)
            for row in self._rows[start:end]:
                row.body = None

    def write_dataset(self, folder: Path, runs: int = RUNS_AT_ONCE) -> int:
        """Write the table as Parquet files into a new folder, all or nothing.

        Returns:
            How many rows it has.

        Raises:
            StorageError: the folder exists already, or the disk refused.
        """
        parquet = require("pyarrow.parquet", "frame", "a sweep's table")
        if folder.exists():
            raise StorageError(f"{folder} exists already", hint="choose a new folder")
        hidden = folder.with_name(f".{folder.name}.part")
        rows = 0
        try:
            make_folder(folder.absolute().parent)
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.mkdir()
            for number, part in enumerate(self._parts(runs)):
                parquet.write_table(part, hidden / f"part-{number:05d}.parquet")
                rows += len(part)
            hidden.rename(folder)
            sync_folder(folder.absolute().parent)
        except OSError as error:
            raise storage_error(error, folder) from error
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        return rows

    def warn(self, stacklevel: int = 2) -> None:
        """Warn about finished points whose output cannot be used here."""
        if self.missing:
            warnings.warn(self.problem, MissingOutputWarning, stacklevel=stacklevel)

    @property
    def problem(self) -> str:
        """What is missing, in one sentence."""
        first = ", ".join(str(item.run_id) for item in self.missing[:5])
        more = f" and {len(self.missing) - 5} more" if len(self.missing) > 5 else ""
        noun = "point" if len(self.missing) == 1 else "points"
        return (
            f"the output of {len(self.missing)} finished {noun} cannot be used here"
            f" ({first}{more}): {self.missing[0].reason}"
        )

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if all(item.is_elsewhere for item in self.missing):
            experiment = self._known.header.spec.get("experiment") or "RUN"
            return f"fetch it with `aexp pull {experiment}` where it was pushed"
        return f"run `aexp sweep repair {self._known.sweep_id}`"


def _chosen(outputs: Mapping[str, str], wanted: str | None) -> str | None:
    """Return the file of which a table is made, None when there is none to choose from."""
    if wanted is None:
        if not outputs:
            return None
        if TABLE not in outputs and len(outputs) > 1:
            raise SweepConfigError(
                f"the sweep has several outputs: {', '.join(outputs)}", hint="say which one"
            )
        wanted = TABLE if TABLE in outputs else next(iter(outputs))
    if wanted not in outputs:
        raise SweepConfigError(
            f"the sweep has no output {wanted!r}",
            hint=f"its spec has: {', '.join(outputs) or 'none'}",
        )
    check_readable(outputs[wanted])
    return outputs[wanted]
