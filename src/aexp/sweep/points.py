"""The points of a sweep on disk: written once before the first starts, then only read (SWP-04).

``points.jsonl`` is a header line of fixed length and a line for each point, in order. Neither
writing nor reading keeps more than one point in memory (SWP-15); a point is found by bisection.
Each line proves itself by its point id, and the file as a whole by the digest in its header.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

from aexp.errors import CorruptDataError, NewerSchemaError, NotFoundError, StorageError
from aexp.model.canonical import compact_bytes
from aexp.model.sweep import Point, SweepSpec, point_id_of
from aexp.storage.appearing import appearing
from aexp.storage.atomic import make_folder, storage_error

FORMAT: Final = "aexp.points"
VERSION: Final = 1
HEADER_BYTES: Final = 512
"""The length of the header line: its place is kept first, and it is filled in last."""

_HINT: Final = "take the file from a backup, or begin another sweep"


class PointsHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the first line says.

    Attributes:
        sweep_id: the sweep.
        seed: its seed.
        experiment: the experiment of all points, or None.
        count: how many points.
        size: the length in bytes of the lines that follow.
        digest: ``sha256:…`` of the lines that follow.
    """

    format: str = FORMAT
    version: int = VERSION
    sweep_id: str
    seed: int
    experiment: str | None
    count: int
    size: int
    digest: str


def write_points(path: Path, sweep_id: str, spec: SweepSpec, seed: int | None) -> PointsHeader:
    """Draw the points of a sweep and write them down, durably and all or nothing.

    Args:
        path: the file; one that is there is replaced.
        sweep_id: the sweep.
        spec: what to draw.
        seed: its seed; None takes the spec's own, or a fresh one. The header has the one taken.

    Raises:
        SweepConfigError: a CSV file has changed, or a line of it does not fit.
        MissingExtraError: the sampler needs ``aexp[sweep]``.
        StorageError: the disk refused.
    """
    from aexp.sweep.samplers import draw  # not for those who only read: each worker does

    taken, points = draw(spec, seed)
    sha = hashlib.sha256()
    size = count = 0
    try:
        make_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error
    with appearing(path) as stream:
        stream.write(b" " * HEADER_BYTES)
        for count, values in enumerate(points, start=1):
            line = _line(Point(count - 1, point_id_of(values, spec.experiment), values))
            size += stream.write(line)
            sha.update(line)
        header = PointsHeader(
            sweep_id=sweep_id,
            seed=taken,
            experiment=spec.experiment,
            count=count,
            size=size,
            digest=f"sha256:{sha.hexdigest()}",
        )
        stream.seek(0)
        stream.write(_header_line(header))
    return header


def _line(point: Point) -> bytes:
    return compact_bytes(msgspec.structs.asdict(point)) + b"\n"


def _header_line(header: PointsHeader) -> bytes:
    return compact_bytes(msgspec.structs.asdict(header)).ljust(HEADER_BYTES - 1) + b"\n"


class Points:
    """The points of a sweep, read from their file one at a time.

    Opening it reads the header alone. A point that is asked for by its number is checked against
    its point id; going through all of them, or :meth:`verify`, checks the digest as well.

    Args:
        path: the file.

    Raises:
        NotFoundError: there is no such file.
        NewerSchemaError: a newer aexp wrote it.
        CorruptDataError: it is no file of points, or is shorter or longer than it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stream: BinaryIO = path.open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {path}", hint=_HINT) from None
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> PointsHeader:
        line = self._stream.read(HEADER_BYTES)
        try:
            version = msgspec.json.decode(line, type=_Version)
            if version.format == FORMAT and version.version > VERSION:
                raise NewerSchemaError(f"{self.path.name} has version {version.version}")
            header = msgspec.json.decode(line, type=PointsHeader)
        except msgspec.MsgspecError as error:
            raise self._damaged(f"its header is damaged ({error})") from None
        if (header.format, header.version) != (FORMAT, VERSION) or line[-1:] != b"\n":
            raise self._damaged("it has no header")
        found = os.fstat(self._stream.fileno()).st_size - HEADER_BYTES
        if found != header.size:
            raise self._damaged(f"it has {found} bytes of points, not {header.size}")
        return header

    def __len__(self) -> int:
        return self.header.count

    def __iter__(self) -> Iterator[Point]:
        """Yield every point in order, and check the digest of all at the end.

        Raises:
            CorruptDataError: the file is damaged.
        """
        sha = hashlib.sha256()
        run_id = -1
        with self.path.open("rb") as stream:
            stream.seek(HEADER_BYTES)
            for run_id, line in enumerate(stream):
                sha.update(line)
                yield self._point(line, run_id)
        if run_id + 1 != len(self) or f"sha256:{sha.hexdigest()}" != self.header.digest:
            raise self._damaged("its points are not those that its header tells of")

    def __getitem__(self, run_id: int) -> Point:
        """Return a point by its number.

        Raises:
            IndexError: there is no such point.
            CorruptDataError: the file is damaged where it was looked at.
        """
        if not 0 <= run_id < len(self):
            raise IndexError(f"the sweep has no point {run_id}; it has {len(self)}")
        low, high = HEADER_BYTES, HEADER_BYTES + self.header.size
        while low < high:  # the line that holds `run_id` begins in low … high - 1
            middle = self._line_start((low + high) // 2, low)
            self._stream.seek(middle)
            line = self._stream.readline()
            here = self._number(line)
            if here == run_id:
                return self._point(line, run_id)
            low, high = (middle + len(line), high) if here < run_id else (low, middle)
        raise self._damaged(f"the line of point {run_id} is missing")

    def _line_start(self, offset: int, least: int) -> int:
        """Return where the line that holds the byte at ``offset`` begins."""
        end = offset
        while end > least:
            start = max(least, end - 4096)
            self._stream.seek(start)
            newline = self._stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
        return least

    def _number(self, line: bytes) -> int:
        try:
            return msgspec.json.decode(line, type=_Number).run_id
        except msgspec.MsgspecError:
            raise self._damaged("a line of it is no point") from None

    def _point(self, line: bytes, run_id: int) -> Point:
        try:
            point = msgspec.json.decode(line, type=Point)
        except msgspec.MsgspecError as error:
            raise self._damaged(f"the line of point {run_id} is damaged ({error})") from None
        if point.run_id != run_id or point.point_id != self._id_of(point):
            raise self._damaged(f"the line of point {run_id} is damaged")
        return point

    def _id_of(self, point: Point) -> str:
        return point_id_of(point.values, self.header.experiment)

    def verify(self) -> None:
        """Read the whole file and check every line and the digest.

        Raises:
            CorruptDataError: it is damaged.
        """
        for _ in self:
            pass

    def close(self) -> None:
        """Close the file; calling it twice is harmless."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _damaged(self, why: str) -> CorruptDataError:
        return CorruptDataError(f"{self.path.name}: {why}", hint=_HINT)


class _Version(msgspec.Struct):
    format: str
    version: int


class _Number(msgspec.Struct):
    run_id: int


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror or error}")
