"""What an execution depends on, captured when it is created (EXE-10).

Configuration, environment, uncommitted changes and lock files are put into the run's folder, so
that they survive whatever becomes of the run, and attached to it when it begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexp.ledger.promote import roots_of
from aexp.model.canonical import Json, canonical_bytes
from aexp.model.credentials import redact_secrets
from aexp.model.oci import sha256_digest
from aexp.model.sanitize import sanitize
from aexp.recording.current import ActiveRun
from aexp.recording.environment import environment_parts
from aexp.repo import Layout
from aexp.runs.code_state import CodeState
from aexp.storage.atomic import make_folder, storage_error, sync_folder, write_atomic, write_unseen

if TYPE_CHECKING:
    from aexp.registry.store import Registry

Parts = Mapping[str, tuple[str, bytes]]
"""Media type and bytes by name."""

FOLDER: Final = "provenance"
INDEX: Final = "index.json"
CONFIGURATION: Final = "configuration.json"
LOCK_FILES: Final = re.compile(
    r"uv\.lock|poetry\.lock|pdm\.lock|pixi\.lock|conda-lock\.yml|environment\.ya?ml"
    r"|requirements[^/]*\.txt"
)
"""Files at the root that say which packages the environment was made of."""
_LARGEST: Final = 32 * 1024 * 1024
_TYPES: Final = {".yml": "application/yaml", ".yaml": "application/yaml"}


def capture(
    layout: Layout,
    configuration: Mapping[str, Json],
    inputs: Sequence[Json],
    code: CodeState | None,
) -> dict[str, tuple[str, bytes]]:
    """Return what an execution depends on, without secrets and paths of this machine.

    Args:
        layout: the repository.
        configuration: as it was given.
        inputs: as they were resolved.
        code: the state of the code, None outside git.

    Raises:
        GitError: git failed.
        CorruptDataError: ``aexp.yaml`` is damaged.
        StorageError: a file cannot be read.
    """
    declared, redacted = sanitize({**configuration, "inputs": list(inputs)}, roots=roots_of(layout))
    if redacted:
        declared["redacted"] = redacted
    return {
        CONFIGURATION: ("application/json", canonical_bytes(declared)),
        **environment_parts(layout, code=code),
        **dict(_lock_files(layout.root)),
    }


def _lock_files(root: Path) -> Iterator[tuple[str, tuple[str, bytes]]]:
    for path in sorted(root.iterdir()):
        if not LOCK_FILES.fullmatch(path.name) or not path.is_file():
            continue
        try:
            data = path.read_bytes() if path.stat().st_size <= _LARGEST else None
        except OSError as error:
            raise storage_error(error, path) from error
        if data is not None:
            yield path.name, (_TYPES.get(path.suffix, "text/plain"), _without_secrets(data))


def _without_secrets(data: bytes) -> bytes:
    """Return a lock file without the credentials of private package indexes."""
    text = data.decode("utf-8", "surrogateescape")
    return redact_secrets(text, lambda kind: None).encode("utf-8", "surrogateescape")


def keep(folder: Path, parts: Parts) -> None:
    """Put what was captured into a run's folder, durably; the index last, which makes it whole.

    Raises:
        StorageError: the disk refused.
    """
    place = folder / FOLDER
    try:
        make_folder(place)
        for name, (_, data) in parts.items():
            (place / name).unlink(missing_ok=True)
            write_unseen(place / name, data, durable=True)
        sync_folder(place)
    except OSError as error:
        raise storage_error(error, place) from error
    index = {name: media_type for name, (media_type, _) in parts.items()}
    write_atomic(place / INDEX, canonical_bytes(index))


def kept(folder: Path) -> dict[str, tuple[str, bytes]] | None:
    """Return what was captured of a run, None when that was cut off.

    Raises:
        StorageError: it cannot be read.
    """
    place = folder / FOLDER
    try:
        index = json.loads((place / INDEX).read_bytes())
        return {name: (kind, (place / name).read_bytes()) for name, kind in index.items()}
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise storage_error(error, place) from error


def attach(run: ActiveRun, parts: Parts, known: Collection[str] = ()) -> None:
    """Attach what was captured to a run that goes on, or is about to be sealed.

    Args:
        run: the run.
        parts: what was captured.
        known: names of what is attached already.

    Raises:
        StorageError: the disk refused.
    """
    for name, (media_type, data) in parts.items():
        if name not in known:
            run.log_attachment(name, media_type, data)


def put_again(registry: Registry, parts: Parts) -> None:
    """Put what was captured into the registry, should it have been collected there meanwhile.

    Raises:
        StorageError: the disk refused.
    """
    for _, data in parts.values():
        if not registry.has(sha256_digest(data)):
            registry.put(data)
