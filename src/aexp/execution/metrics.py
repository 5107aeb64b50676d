"""Files of metrics: ``exe.metrics_file()`` and reading them back (EXE-24)."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp.errors import AexpError, CorruptDataError, NotFoundError, StorageError
from aexp.execution.asset_path import AssetFilePath
from aexp.execution.kinds import ExecMetadataType, MLAsset
from aexp.execution.placing import Said, checked_name, stage_new
from aexp.execution.state import DATABASE, StagedAsset, State
from aexp.model.outputs import AssetOutput
from aexp.model.stream import check_name
from aexp.recording.sealing import metric_names_so_far
from aexp.registry import open_registry
from aexp.runs.lookup import resolve_run_id, view_of
from aexp.runs.outputs import outputs_of
from aexp.storage.atomic import storage_error

if TYPE_CHECKING:
    from aexp.execution.execution import Execution
    from aexp.execution.repository import Repository

METRICS: Final = ExecMetadataType.metrics_file.value
ASSET: Final = MLAsset.execution_metadata.value
STEPS: Final = ("step", "global_step", "epoch", "iteration")
"""Keys of a record whose whole number is the step of its values; the first there is."""


def metrics_file(execution: Execution, name: str = "metrics.jsonl") -> AssetFilePath:
    """Return a file for the metrics of an execution: the same each time, and never emptied.

    It is registered when it is first asked for, as ``Execution_Metadata`` of the type
    ``Metrics_File``, and exists then.

    Args:
        execution: whose metrics.
        name: the file's name.

    Raises:
        UsageError: the name is none for a file.
        StorageError: the disk refused.
    """
    state = execution.state
    row = state.find(ASSET, checked_name(name))
    if row is not None:
        path = AssetFilePath.staged(state, row)
        if row.state == "published" or row.kind == "link":
            return path
    else:
        path = stage_new(state, ASSET, name, Said(types=(METRICS,)))
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
    except OSError as error:
        raise storage_error(error, path) from error
    return path


def read_metrics(
    repo: Repository, execution_rid: str, name: str | None = None
) -> list[dict[str, Any]]:
    """Return the records of an execution's metrics files, in order.

    What was published is read, as far as its bytes are here, and else what is staged here. Each
    record is a line that holds a JSON object, with ``execution_rid`` added where it has none. A
    file that is one JSON object, or a list of them, is read too.

    Args:
        repo: the repository.
        execution_rid: an execution's id, or the beginning of one.
        name: of one file; of all when None, except those of other formats.

    Raises:
        NotFoundError: there is no such execution or file, or its bytes are not here.
        CorruptDataError: the file of that name holds no JSON records.
    """
    job_id = resolve_run_id(repo.layout, execution_rid)
    records: list[dict[str, Any]] = []
    found = False
    for file_name, text in _texts(repo, job_id, name):
        found = True
        read = parse_records(text)
        if read is None:
            if name is None:
                continue
            raise CorruptDataError(
                f"{file_name} of execution {job_id} holds no JSON records",
                hint="read the file itself, in its own format",
            )
        records += [{"execution_rid": job_id, **record} for record in read]
    if not found and name is not None:
        raise NotFoundError(
            f"execution {job_id} has no metrics file {name!r}",
            hint=f"see `aexp asset list --execution {job_id[:8]}`",
        )
    return records


def _texts(repo: Repository, job_id: str, name: str | None) -> Iterator[tuple[str, str]]:
    folder = repo.layout.workspace / job_id
    registry = open_registry(repo.layout)
    if (folder / DATABASE).exists():
        state = State.open(folder)
        for row in state.assets():
            if row.asset == ASSET and METRICS in row.types and name in (None, row.name):
                stored = row.digest is not None and registry.has(row.digest)
                text = None
                if not (stored and row.state == "published"):
                    text = _staged_text(state.path_of(row))
                if text is None and row.digest is not None:
                    text = _decoded(registry.read(row.digest))
                if text is not None:
                    yield row.name, text
        return
    for output in outputs_of(repo.layout, registry, view_of(repo.layout, job_id)):
        if (
            isinstance(output, AssetOutput)
            and output.asset == ASSET
            and METRICS in output.types
            and name in (None, output.name)
        ):
            if not registry.has(output.digest):
                raise NotFoundError(
                    f"the bytes of {output.name} of execution {job_id} are not here",
                    hint=f"fetch them with `aexp pull {job_id[:8]}`",
                )
            yield output.name, _decoded(registry.read(output.digest))


def _staged_text(path: Path) -> str | None:
    try:
        return _decoded(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def _decoded(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


def parse_lines(text: str) -> list[dict[str, Any]] | None:
    """Return the JSON objects that the lines of a text are; None when it has another format.

    A last line that a kill has torn is left out, and NaN and infinities are numbers.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    values = [_json(line) for line in lines]
    if len(values) > 1 and values[-1] is None:
        values.pop()
    return values if all(isinstance(value, dict) for value in values) else None


def parse_records(text: str) -> list[dict[str, Any]] | None:
    """Return the records of a metrics file: lines, an object, or a list; None for anything else."""
    records = parse_lines(text)
    if records is not None:
        return records
    whole = _json(text)
    if isinstance(whole, dict):
        return [whole]
    if isinstance(whole, list) and all(isinstance(item, dict) for item in whole):
        return whole
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def log_metrics_of(execution: Execution) -> None:
    """Make the numbers of an execution's metrics files metrics of its run (EXE-24).

    A number is recorded under its key, nested keys with dots, at the step that its record names
    (``step``, ``global_step``, ``epoch`` or ``iteration``). Where two files have one key, the
    file's name without its ending and a slash precede it. A metric that the run has recorded
    itself is left alone, and so are files that are not JSON lines. Called while the attempt is
    open.
    """
    curves = {row.name: _curves(execution.state, row) for row in _metrics_rows(execution.state)}
    if not any(curves.values()):
        return
    execution.run.flush()
    taken = set(metric_names_so_far(execution.store, execution.execution_rid))
    often = Counter(key for found in curves.values() for key in found)
    for file_name, found in curves.items():
        for key, points in found.items():
            name = key if often[key] == 1 else f"{Path(file_name).stem}/{key}"
            if name not in taken and _is_name(name):
                for step, value in points:
                    execution.log_metric(name, value, step)


def _metrics_rows(state: State) -> list[StagedAsset]:
    rows = state.assets("pending", "stored", "uploaded")
    return [row for row in rows if row.asset == ASSET and METRICS in row.types]


_Points = list[tuple[int | None, float]]


def _curves(state: State, row: StagedAsset) -> dict[str, _Points]:
    try:
        text = _staged_text(state.path_of(row))
    except StorageError:
        return {}  # its publication will say so
    curves: dict[str, _Points] = {}
    for record in parse_lines(text or "") or ():
        numbers = dict(_numbers(record))
        step_key = next((k for k in STEPS if _is_step(numbers.get(k))), None)
        step = None if step_key is None else int(numbers.pop(step_key))
        for key, value in numbers.items():
            curves.setdefault(key, []).append((step, value))
    return curves


def _is_step(value: object) -> bool:
    return isinstance(value, int) and abs(value) < 2**63


_LARGEST: Final = int(sys.float_info.max)


def _numbers(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{above}{key}.")
        elif isinstance(value, float) or (type(value) is int and abs(value) <= _LARGEST):
            yield f"{above}{key}", value


def _is_name(name: str) -> bool:
    try:
        check_name(name, "metric")
    except AexpError:
        return False
    return True
