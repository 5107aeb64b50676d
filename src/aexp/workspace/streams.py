"""Run streams on disk: ``<run folder>/streams/<attempt_id>/<process>.jsonl``.

One file per attempt and process, so that nobody ever appends to another's file
(``docs/format/stream.md``).
"""

from __future__ import annotations

import atexit
import contextlib
import heapq
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from aexp.errors import CorruptDataError, NewerSchemaError, RunClosedError
from aexp.model.stream import (
    VERSION,
    Header,
    Metric,
    Record,
    Summary,
    decode_record,
    encode_record,
    summarize,
)
from aexp.storage.atomic import sync_file, sync_folder
from aexp.storage.jsonl import LineWriter, bad_line, read_lines
from aexp.storage.state import file_state
from aexp.storage.ticker import ticker

STREAMS_DIR: Final = "streams"
FLUSH_RECORDS: Final = 1000
FLUSH_SECONDS: Final = 1.0


def streams_folder(run_folder: Path, attempt_id: str) -> Path:
    """Return where the streams of one attempt are."""
    return run_folder / STREAMS_DIR / attempt_id


class StreamWriter:
    """What this process records of one attempt.

    Records are buffered and handed to the operating system at the latest after
    ``FLUSH_SECONDS`` or ``FLUSH_RECORDS``, so that a killed process loses no more than that.
    Safe to use from several threads. After ``fork`` the child must make its own writer; the
    parent's buffer is dropped in it, so nothing is written twice.

    Args:
        run_folder: the run's folder.
        job_id: the run.
        attempt_id: the attempt.
    """

    def __init__(self, run_folder: Path, *, job_id: str, attempt_id: str) -> None:
        self.job_id, self.attempt_id = job_id, attempt_id
        self.pid = os.getpid()
        folder = streams_folder(run_folder, attempt_id)
        host = socket.gethostname()
        name = f"{_safe(host)}-{self.pid}-{os.urandom(4).hex()}.jsonl"
        self._file = LineWriter(folder / name, durable=False)
        self._lock = threading.Lock()
        header = Header(
            job_id=job_id, attempt_id=attempt_id, time=time.time(), host=host, pid=self.pid
        )
        self._buffer: list[bytes | Metric] = [encode_record(header)]
        self._closed = False
        self._stop_flushing: Callable[[], None] | None = None
        _open_writers.add(self)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def append(self, record: Record) -> None:
        """Take one record; it is on its way to the disk within a second.

        Raises:
            StorageError: a full buffer could not be written.
            RunClosedError: the writer is closed (REC-01), or belongs to the parent process.
        """
        if self._closed or self.pid != os.getpid():
            raise RunClosedError("this run is closed in this process")
        # Metrics come by the thousand, and are encoded many at once.
        line = record if type(record) is Metric and _is_plain(record) else encode_record(record)
        with self._lock:
            self._buffer.append(line)
            full = len(self._buffer) >= FLUSH_RECORDS
            if self._stop_flushing is None:
                self._stop_flushing = ticker.add(FLUSH_SECONDS, self._flush_quietly)
        if full:
            self.flush()

    def flush(self) -> None:
        """Hand everything recorded so far to the operating system.

        Raises:
            StorageError: the disk refused; the records stay in the buffer.
        """
        with self._lock:
            if not self._buffer or self.pid != os.getpid():
                return
            lines = _encoded(self._buffer)
            self._buffer = [lines]
            self._file.append(lines)
            self._buffer = []

    def close(self) -> None:
        """Flush and close; calling it twice is harmless.

        What the stream came to is made durable by the run's owner, when it closes the attempt.

        Raises:
            StorageError: the disk refused.
        """
        if self._closed or self.pid != os.getpid():
            return
        self._closed = True
        if self._stop_flushing is not None:
            self._stop_flushing()
        _open_writers.discard(self)
        try:
            self.flush()
        finally:
            self._file.close()

    def _flush_quietly(self) -> None:
        # After a failure the buffer is kept; append() or close() reports it to the caller.
        with contextlib.suppress(OSError):
            self.flush()


def _is_plain(metric: Metric) -> bool:
    """Return whether JSON can hold the value as it is."""
    value = metric.value
    return type(value) is float and value - value == 0


_encoder = msgspec.json.Encoder()


def _encoded(buffer: Iterable[bytes | Metric]) -> bytes:
    """Return the lines of what was recorded, in order."""
    parts: list[bytes] = []
    for kind, group in groupby(buffer, key=type):
        items: list[Any] = list(group)
        parts += items if kind is bytes else [_encoder.encode_lines(items)]
    return b"".join(parts)


_open_writers: weakref.WeakSet[StreamWriter] = weakref.WeakSet()


@atexit.register
def _flush_open_writers() -> None:
    for writer in list(_open_writers):
        try:
            writer.close()
        except OSError:
            continue


def _safe(text: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in text)[:64]


def stream_files(run_folder: Path, attempt_id: str) -> list[Path]:
    """Return the streams of one attempt, sorted."""
    try:
        with os.scandir(f"{run_folder}{os.sep}{STREAMS_DIR}{os.sep}{attempt_id}") as entries:
            return sorted(Path(e.path) for e in entries if e.name.endswith(".jsonl"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync_streams(run_folder: Path, attempt_id: str) -> None:
    """Make the streams of an attempt survive a power failure, as far as the disk can."""
    for path in stream_files(run_folder, attempt_id):
        with contextlib.suppress(OSError):
            sync_file(path)
    with contextlib.suppress(OSError):
        for folder in (streams_folder(run_folder, attempt_id), run_folder / STREAMS_DIR):
            sync_folder(folder)


def stream_states(run_folder: str) -> bytes:
    """Return text that changes whenever a stream of the run does; empty without streams."""
    found: list[str] = []
    try:
        with os.scandir(f"{run_folder}{os.sep}{STREAMS_DIR}") as attempts:
            for attempt in attempts:
                with os.scandir(attempt.path) as streams:
                    for stream in streams:
                        found.append(f"{attempt.name}/{stream.name}:{file_state(stream.path)}")
    except FileNotFoundError:
        return b""
    except OSError:
        return os.urandom(16)  # not to be told: never the same twice
    return "\n".join(sorted(found)).encode("utf-8", "surrogateescape")


def read_stream(path: Path) -> Iterator[Record]:
    """Yield the records of one stream; a torn last line is dropped.

    Raises:
        CorruptDataError: a line in the middle is damaged, or the header is missing.
        NewerSchemaError: a newer aexp wrote it.
        OSError: it cannot be read.
    """
    for number, line in read_lines(path):
        try:
            record = decode_record(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise bad_line(path, number, str(error)) from None
        if isinstance(record, Header):
            if record.version > VERSION:
                raise NewerSchemaError(f"{path.name} has stream version {record.version}")
            continue
        if number == 1:
            raise bad_line(path, 1, "it is no stream header")
        yield record


def attempt_records(
    run_folder: Path, attempt_id: str, damaged: list[str] | None = None
) -> Iterator[Record]:
    """Yield the records of all streams of one attempt, in order of time.

    The streams of several processes are read side by side, so that memory does not grow with
    them; the order is the same each time.

    Args:
        run_folder: the run's folder.
        attempt_id: the attempt.
        damaged: gets a line for each stream that cannot be read to its end.
    """
    files = stream_files(run_folder, attempt_id)
    streams = [_readable(path, [] if damaged is None else damaged) for path in files]
    if len(streams) == 1:
        return streams[0]
    return heapq.merge(*streams, key=_moment)


def _moment(record: Record) -> float:
    return record.time


def _readable(path: Path, damaged: list[str]) -> Iterator[Record]:
    try:
        yield from read_stream(path)
    except (CorruptDataError, OSError) as error:
        damaged.append(str(error))


def summarize_attempt(run_folder: Path, attempt_id: str) -> Summary:
    """Return what all streams of one attempt come to.

    A damaged stream gives what can be read before the damage, and a line in ``damaged``.
    """
    damaged: list[str] = []
    summary = summarize(attempt_records(run_folder, attempt_id, damaged))
    summary.damaged.extend(damaged)
    return summary
