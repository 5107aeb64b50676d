"""The manifest of a sweep: a header line, then a line for every outcome (SWP-05 … SWP-08).

It is only ever appended to, one flushed line at a time. Reading folds it: the last line of a
point counts, at the place of its first one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Self

import msgspec

from aexp.errors import ManifestCorruptError, NewerSchemaError, NotFoundError, StorageError
from aexp.model.canonical import Json
from aexp.storage.atomic import storage_error, write_new
from aexp.sweep.outcome import MANIFEST_FILE, OutputFile

FORMAT: Final = "aexp.manifest"
SCHEMA_VERSION: Final = 1
_MOST: Final = 2**63


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep is; the first line of its manifest (SWP-05).

    Attributes:
        sweep_id: 16 hex digits.
        sweep_seed: the seed that everything random of the plan comes from.
        run_count: how many points there are.
        points_digest: ``sha256:…`` of the lines of ``points.jsonl`` below its header.
        script_sha256: canonical digest of the script; None for a sweep without one (SWP-09).
        watch: canonical digests of the files that are watched too, by path from the root.
        spec: the settings of the sweep, as they can be written in YAML (SWP-16).
        base: the folder that its relative paths start from, and its commands run in, relative to
            the repository's root, POSIX.
        backend: the name of the pool that it began with.
        versions: of aexp, Python and what drew the values.
        code: the ``code_*`` keys of the state of the code when it was planned.
        created_at: when it was planned.
        format: which file this is.
        schema_version: of this format.
    """

    sweep_id: str
    sweep_seed: int | str
    run_count: int
    points_digest: str
    spec: dict[str, Any]
    base: str = "."
    script_sha256: str | None = None
    watch: dict[str, str] = {}
    backend: str = "local"
    versions: dict[str, str] = {}
    code: dict[str, Any] = {}
    created_at: str = ""
    format: str = FORMAT
    schema_version: int = SCHEMA_VERSION

    @property
    def seed(self) -> int:
        """The seed as a number: JSON readers lose digits of large ones, which stand as text."""
        return int(self.sweep_seed)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt of a point ended; a line of the manifest (SWP-05).

    Attributes:
        run_id: the point's number in the plan.
        job_id: the run; None when it was never created.
        overrides: the point's values.
        status: ``ok``, ``failed`` or ``skipped``.
        output_paths: the files it left behind, relative to the sweep's folder.
        started_at: when it began.
        ended_at: when it ended.
        duration_s: seconds between the two.
        stderr: the end of what a point that is not ok wrote to standard error.
        log_path: its log, relative to the sweep's folder; None for a point that was not run here.
        script_sha256: canonical digest of the script that it ran (SWP-09).
        attempt: which attempt, from 1; 0 when it was finished before, here or elsewhere.
    """

    run_id: int
    status: Literal["ok", "failed", "skipped"]
    job_id: str | None = None
    overrides: dict[str, Any] = {}
    output_paths: tuple[OutputFile, ...] = ()
    started_at: str = ""
    ended_at: str = ""
    duration_s: float = 0.0
    stderr: str = ""
    log_path: str | None = None
    script_sha256: str | None = None
    attempt: int = 1


_entries = msgspec.json.Decoder(Entry)


class Manifest:
    """What is known of the points of a sweep.

    Args:
        path: the file.
        header: its first line.
        entries: its lines, folded: one for each point.

    Attributes:
        path: the file.
        header: its first line.
    """

    def __init__(self, path: Path, header: Header, entries: Iterable[Entry] = ()) -> None:
        self.path = path
        self.header = header
        self._entries: dict[int, Entry] = {}
        self._stream: BinaryIO | None = None
        for entry in entries:
            self._entries[entry.run_id] = entry

    @property
    def entries(self) -> list[Entry]:
        """One entry for each point: the last, at the place of the first."""
        return list(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._entries

    def get(self, run_id: int) -> Entry | None:
        """Return the entry of a point, None when it has none."""
        return self._entries.get(run_id)

    @classmethod
    def create(cls, path: Path, header: Header) -> Self:
        """Write a new manifest, durably: from now on the sweep is there.

        Raises:
            StorageError: the disk refused, or there is one already.
        """
        if not write_new(path, msgspec.json.encode(header) + b"\n"):
            raise StorageError(f"{path.name} exists already", hint="go on with `aexp sweep resume`")
        return cls(path, header)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a manifest; a torn last line is left out (SWP-07).

        Args:
            path: the file, or the folder it is in.

        Raises:
            NotFoundError: there is none.
            ManifestCorruptError: a line is damaged; the message has its number.
            NewerSchemaError: a newer aexp wrote it.
            StorageError: it cannot be read.
        """
        path = Path(path)
        if path.is_dir():
            path /= MANIFEST_FILE
        try:
            with path.open("rb") as stream:
                header = _header(path, stream.readline())
                return cls(path, header, _folded(path, stream))
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no manifest {path}", hint="see `aexp sweep status` for what there is"
            ) from None
        except OSError as error:
            raise storage_error(error, path) from error

    def find_failed(self) -> list[int]:
        """Return the points whose latest entry is ``failed``, sorted (SWP-08)."""
        return sorted(e.run_id for e in self._entries.values() if e.status == "failed")

    def find_missing(self, expected: Iterable[int]) -> list[int]:
        """Return those of ``expected`` that were never recorded, in their order (SWP-08)."""
        return [run_id for run_id in expected if run_id not in self._entries]

    def append(self, entry: Entry) -> None:
        """Add a line and flush it to the disk (SWP-06). The caller holds the sweep's lock.

        A torn line that a killed process left at the end is cut off first (trap 58).

        Raises:
            StorageError: the disk refused; the file ends with a whole line, or with a torn one
                that the next append cuts off.
        """
        try:
            if self._stream is None:
                self._stream = _open_end(self.path)
            _write_whole(self._stream, msgspec.json.encode(entry) + b"\n")
            os.fsync(self._stream.fileno())
        except OSError as error:
            self.close()
            raise storage_error(error, self.path) from error
        except BaseException:  # Ctrl-C in the middle of a line: the next append mends it
            self.close()
            raise
        self._entries[entry.run_id] = entry

    def close(self) -> None:
        """Close the file; the next append opens it again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def read_header(path: Path) -> Header:
    """Return what the first line of a manifest says, without reading the rest.

    Raises:
        ManifestCorruptError, NewerSchemaError: as :meth:`Manifest.load`.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return _header(path, stream.readline())


def _header(path: Path, line: bytes) -> Header:
    if not line.endswith(b"\n"):
        raise ManifestCorruptError(f"{path.name}, line 1: the header is not whole")
    try:
        seen: Json = msgspec.json.decode(line)
        if not isinstance(seen, dict) or seen.get("format") != FORMAT:
            raise ManifestCorruptError(f"{path.name}, line 1: it is no header of a manifest")
        version = seen.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise NewerSchemaError(
                f"{path.name} was written in version {version}, and this aexp reads"
                f" {SCHEMA_VERSION}",
                hint="install the newest aexp",
            )
        return msgspec.convert(seen, Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ManifestCorruptError(f"{path.name}, line 1: {error}") from None


def _folded(path: Path, stream: BinaryIO) -> Iterator[Entry]:
    for number, line in enumerate(stream, start=2):
        if not line.endswith(b"\n"):
            return
        try:
            entry = _entries.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ManifestCorruptError(f"{path.name}, line {number}: {error}") from None
        if not 0 <= entry.run_id < _MOST:
            raise ManifestCorruptError(f"{path.name}, line {number}: {entry.run_id} is no point")
        yield entry


def _open_end(path: Path) -> BinaryIO:
    """Open an existing manifest to append to it, without a torn line at its end."""
    stream = path.open("r+b", buffering=0)
    try:
        _cut_torn_end(stream)
    except BaseException:
        stream.close()
        raise
    return stream


def _write_whole(stream: BinaryIO, line: bytes) -> None:
    """Write a line; a disk that takes a part of it only must not pass for one that took all."""
    view = memoryview(line)
    while view:
        view = view[stream.write(view) :]


def _cut_torn_end(stream: Any) -> None:
    end = stream.seek(0, os.SEEK_END)
    keep, step = end, 65536
    while keep > 0:
        start = max(0, keep - step)
        stream.seek(start)
        block = stream.read(keep - start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep != end:
        stream.truncate(keep)
        os.fsync(stream.fileno())
    stream.seek(0, os.SEEK_END)
