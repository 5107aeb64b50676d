"""Run folders on disk: ``<run store>/workspace/<job_id>/`` with signac's two files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from aexp.clock import utc_now
from aexp.errors import CorruptDataError, NotFoundError, StorageError
from aexp.model.canonical import Json, decode_json
from aexp.model.ids import job_ids_among
from aexp.model.statepoint import job_id as job_id_of
from aexp.repo import Layout, run_store_is_gone
from aexp.storage.atomic import (
    Flush,
    make_folder,
    storage_error,
    sync_folder,
    write_atomic,
    write_unseen,
)
from aexp.storage.lock import file_lock
from aexp.storage.whole import read_whole
from aexp.workspace.heads import Heads

STATEPOINT_FILE: Final = "signac_statepoint.json"
DOCUMENT_FILE: Final = "signac_job_document.json"
LOCK_FILE: Final = "aexp.lock"
HEARTBEAT_FILE: Final = "aexp.heartbeat"
CONFIG_FILE: Final = ".signac/config"
CONFIG_TEXT: Final = b"schema_version = 2\n"
STAGING: Final = ".aexp-new-"
_SIGNS_OF_LIFE: Final = (HEARTBEAT_FILE, "streams", "logs", "attachments")


class RunRecord(Struct, frozen=True):
    """One run as its folder has it.

    Attributes:
        job_id: the folder's name.
        statepoint: the frozen state point; empty when it cannot be read.
        document: the job document; empty when there is none or it cannot be read.
        workspace: the folder that the run's own folder stands in.
        problem: what is wrong with its files, or None.
    """

    job_id: str
    statepoint: Mapping[str, Json]
    document: Mapping[str, Json]
    workspace: Path
    problem: str | None = None

    @property
    def folder(self) -> Path:
        """Where the run is."""
        return self.workspace / self.job_id

    @property
    def status(self) -> str:
        """The status in the document; ``created`` when it has none."""
        return str(self.document.get("status") or "created")

    @property
    def link(self) -> Mapping[str, Json]:
        """The run's current link; empty for an unlinked run."""
        link = self.document.get("aexp")
        return link if isinstance(link, Mapping) else {}

    @property
    def experiment_id(self) -> str | None:
        """The experiment the run belongs to now, or None."""
        value = self.link.get("experiment_id")
        return value if isinstance(value, str) and value else None


class RunStore:
    """The runs of one machine.

    Args:
        layout: the repository whose run store this is.

    Attributes:
        layout: the repository.
        workspace: the folder with a folder for each run.
    """

    __slots__ = ("layout", "workspace")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.workspace: Path = layout.workspace

    def exists(self) -> bool:
        """Return whether the store was ever initialised here."""
        return (self.layout.run_store / CONFIG_FILE).is_file() or self.workspace.is_dir()

    def initialise(self) -> None:
        """Make the store a signac project unless it is one.

        Raises:
            StorageError: the disk refused, or a store outside the repository is gone.
        """
        if run_store_is_gone(self.layout):
            raise StorageError(
                f"the run store {self.layout.run_store} is not there",
                hint="mount its disk, or choose another with `aexp install --run-store PATH`",
            )
        config = self.layout.run_store / CONFIG_FILE
        if not config.is_file():
            # Ignored by git even where `aexp install` was never run (trap 24).
            write_atomic(self.layout.run_store / ".gitignore", b"*\n")
            write_atomic(config, CONFIG_TEXT)
        try:
            make_folder(self.workspace)
        except OSError as error:
            raise storage_error(error, self.workspace) from error

    def folder(self, job_id: str) -> Path:
        """Return where run ``job_id`` is or would be."""
        return self.workspace / job_id

    def ids(self) -> list[str]:
        """Return the ids of all run folders, sorted; a missing store has none."""
        try:
            with os.scandir(self.workspace) as entries:
                folders = [entry.name for entry in entries if entry.is_dir()]
                return sorted(job_ids_among(folders))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def __contains__(self, job_id: object) -> bool:
        return isinstance(job_id, str) and (self.folder(job_id) / STATEPOINT_FILE).is_file()

    def records(self) -> Iterator[RunRecord]:
        """Yield every run, sorted by id. A damaged run is yielded with its ``problem``.

        Of a large store, runs whose files have not changed are taken from the cache.
        """
        heads = self.heads()
        for head in heads:
            yield heads.record(head)

    def heads(self, ids: Sequence[str] | None = None, *, bodies: bool = True) -> Heads:
        """Return what is asked of runs, sorted by id, without the rest of their documents.

        Args:
            ids: of which; of all when None.
            bodies: whether many runs are going to be asked for whole.
        """
        workspace = str(self.workspace)
        return Heads(
            self.layout,
            self.workspace,
            self.ids if ids is None else lambda: ids,
            lambda job_id: self._read(job_id, workspace),
            lambda job_id, point, document: RunRecord(job_id, point, document, self.workspace),
            (DOCUMENT_FILE, STATEPOINT_FILE),
            bodies,
        )

    def read(self, job_id: str) -> RunRecord:
        """Return one run.

        Raises:
            NotFoundError: there is no such run here.
        """
        record = self._read(job_id, str(self.workspace))
        if record.problem is not None and not record.folder.is_dir():
            raise NotFoundError(f"there is no run {job_id} here", hint="see `aexp list-runs`")
        return record

    def _read(self, job_id: str, workspace: str) -> RunRecord:
        # Joined as text: a path object for each file would double the time of reading many.
        folder = f"{workspace}{os.sep}{job_id}{os.sep}"

        def record(
            statepoint: Mapping[str, Json],
            document: Mapping[str, Json],
            problem: str | None = None,
        ) -> RunRecord:
            return RunRecord(job_id, statepoint, document, self.workspace, problem)

        try:
            statepoint = read_object(folder + STATEPOINT_FILE)
        except FileNotFoundError:
            return record({}, {}, f"it has no {STATEPOINT_FILE}")
        except (OSError, CorruptDataError) as error:
            return record({}, {}, _problem(STATEPOINT_FILE, error))
        try:
            return record(statepoint, read_document(folder + DOCUMENT_FILE))
        except FileNotFoundError:
            return record(statepoint, {})
        except (OSError, CorruptDataError) as error:
            return record(statepoint, {}, _problem(DOCUMENT_FILE, error))

    def create(
        self,
        statepoint: Mapping[str, Json],
        document: Mapping[str, Json],
        *,
        durable: bool = True,
    ) -> bool:
        """Create the run of ``statepoint`` unless it exists; return whether it was created.

        The folder is filled beside the workspace's other folders under another name and renamed
        when it is complete, so a run never exists without its document, however the process
        ends. Of several processes that create one run, one gets True.

        Args:
            statepoint: what the run is.
            document: its first document.
            durable: False leaves the document to the operating system, for a run that begins
                right away and writes it anew. A power failure in between may empty it, and then
                the run is a created one without a link, until it is created again.

        Raises:
            StorageError: the disk refused; no run was created.
        """
        job_id = job_id_of(statepoint)
        if job_id in self:
            self._fill_empty(job_id, document)
            return False
        self.initialise()
        staging = self.workspace / f"{STAGING}{job_id}-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            staging.mkdir()
            write_unseen(staging / STATEPOINT_FILE, encode_document(statepoint), durable=True)
            write_unseen(staging / DOCUMENT_FILE, encode_document(document), durable=durable)
            if durable:
                sync_folder(staging)
            created = self._publish(staging, self.folder(job_id))
            sync_folder(self.workspace)
        except OSError as error:
            _remove(staging)
            if isinstance(error, StorageError):
                raise
            raise storage_error(error, self.folder(job_id)) from error
        return created

    def _fill_empty(self, job_id: str, document: Mapping[str, Json]) -> None:
        """Write the first document of a run whose own was lost with the power."""
        with contextlib.suppress(CorruptDataError):
            if not self.read(job_id).document:
                self.update(job_id, lambda now: None if now else dict(document))

    def _publish(self, staging: Path, folder: Path) -> bool:
        try:
            os.rename(staging, folder)
            return True
        except OSError:
            if not folder.is_dir():
                raise
        if (folder / STATEPOINT_FILE).is_file():
            _remove(staging)
            return False
        # An older tool died between making the folder and filling it: complete it.
        for name in (DOCUMENT_FILE, STATEPOINT_FILE):
            os.replace(staging / name, folder / name)
        sync_folder(folder)
        staging.rmdir()
        return True

    @contextmanager
    def lock(self, job_id: str) -> Iterator[None]:
        """Hold the run's lock: its document and its ledger entry change under it alone.

        Raises:
            NotFoundError: there is no such run.
            LockTimeoutError: another process held it too long.
        """
        folder = f"{self.workspace}{os.sep}{job_id}"
        if not os.path.isdir(folder):
            raise NotFoundError(f"there is no run {job_id} here", hint="see `aexp list-runs`")
        with file_lock(f"{folder}{os.sep}{LOCK_FILE}"):
            yield

    def write_document(
        self, job_id: str, document: Mapping[str, Json], *, flush: Flush = "all"
    ) -> None:
        """Replace a run's document durably. The caller holds the run's lock.

        Raises:
            StorageError: the disk refused; the old document is untouched.
        """
        write_atomic(self.folder(job_id) / DOCUMENT_FILE, encode_document(document), flush=flush)

    def update(
        self,
        job_id: str,
        change: Callable[[dict[str, Json]], dict[str, Json] | None],
        *,
        flush: Flush = "all",
    ) -> RunRecord:
        """Change a run's document under its lock and return the run as it is then.

        Args:
            job_id: the run.
            change: given a copy of the document, returns the new one, or None for no change.
            flush: what is made durable.

        Raises:
            NotFoundError: there is no such run.
            CorruptDataError: its files are damaged.
            StorageError: the disk refused.
        """
        with self.lock(job_id):
            record = self.read_sound(job_id)
            changed = change(dict(record.document))
            if changed is None:
                return record
            self.write_document(job_id, changed, flush=flush)
            return RunRecord(job_id, record.statepoint, changed, self.workspace)

    def read_sound(self, job_id: str) -> RunRecord:
        """Return one run whose files are undamaged.

        Raises:
            NotFoundError: there is no such run here.
            CorruptDataError: a file of it cannot be read.
        """
        record = self.read(job_id)
        if record.problem is not None:
            raise CorruptDataError(
                f"run {job_id} is damaged: {record.problem}",
                hint=f"look at {self.layout.relative(record.folder)}",
            )
        return record

    def beat(self, job_id: str) -> None:
        """Note that the run's owner is alive. A failure is not worth ending a run for."""
        path = self.folder(job_id) / HEARTBEAT_FILE
        now = utc_now().timestamp()
        try:
            with path.open("ab"):
                os.utime(path, (now, now))
        except OSError:
            return

    def last_beat(self, job_id: str) -> float | None:
        """Return when the owner last gave a sign of life, in seconds since 1970, or None."""
        try:
            return (self.folder(job_id) / HEARTBEAT_FILE).stat().st_mtime
        except OSError:
            return None

    def leftovers(self) -> list[Path]:
        """Return run folders that a killed process never finished creating."""
        try:
            with os.scandir(self.workspace) as entries:
                return sorted(Path(e.path) for e in entries if e.name.startswith(STAGING))
        except (FileNotFoundError, NotADirectoryError):
            return []


def _problem(name: str, error: OSError | CorruptDataError) -> str:
    """Return what is wrong with a file of a run, without this machine's paths."""
    if isinstance(error, CorruptDataError):
        return error.message
    return f"{name} cannot be read: {error.strerror}"


def encode_document(value: Mapping[str, Json]) -> bytes:
    """Return a state point or document as signac writes it: compact JSON in the given order."""
    import json

    return json.dumps(value).encode("utf-8")


def read_document(path: str | Path) -> dict[str, Json]:
    """Return a run's document, empty when it was lost with the power before the run began.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptDataError: it holds no JSON object.
    """
    data = read_whole(path)
    # Some file systems keep the length of a file whose content is gone, and fill it with zeros.
    if not data.strip(b"\0") and not _has_begun(os.path.dirname(os.fspath(path))):
        return {}
    return _object(path, data)


def _has_begun(folder: str) -> bool:
    """Return whether a run's folder shows that it began; its document was flushed before that."""
    return any(os.path.exists(f"{folder}{os.sep}{name}") for name in _SIGNS_OF_LIFE)


def read_object(path: str | Path) -> dict[str, Json]:
    """Return the JSON object in ``path``; NaN and infinities are accepted, as signac writes them.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptDataError: it holds no JSON object.
    """
    with open(path, "rb", buffering=0) as stream:
        return _object(path, stream.read())


def _object(path: str | Path, data: bytes) -> dict[str, Json]:
    try:
        value = decode_json(data)
    except ValueError:
        value = _decode_lenient(path, data)
    if not isinstance(value, dict):
        raise CorruptDataError(f"{os.path.basename(path)} holds no JSON object")
    return value


def _decode_lenient(path: str | Path, data: bytes) -> Json:
    import json

    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{os.path.basename(path)} is no JSON: {error}") from None


def _remove(folder: Path) -> None:
    import shutil  # slow to import, and hardly ever needed

    shutil.rmtree(folder, ignore_errors=True)
