"""What a run has published, as this clone can tell: document, ledger entry, spilled list (EXE-31).

An entry keeps no long lists. Such a list lies beside the run where it was recorded, and in the
registry of whoever has pulled the run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from aexp.errors import AexpError, NotFoundError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, digest_of
from aexp.model.oci import Manifest, decode_manifest
from aexp.model.outputs import (
    OUTPUTS,
    SPILLED,
    Output,
    decode_outputs,
    manifest_in,
    merged,
    outputs_in,
)
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.runs.view import RunView

Read = Callable[[str], bytes | None]
"""Gives the bytes of a digest, verified; None where there are none."""


def outputs_of(layout: Layout, registry: Registry, view: RunView) -> list[Output]:
    """Return what a run has published, in the order of publication.

    Args:
        layout: the repository.
        registry: where a spilled list may be.
        view: the run.

    Raises:
        NotFoundError: the entry has no room for the list, and its bytes are not here.
    """
    record = view.record
    if record is not None and isinstance(record.document.get(OUTPUTS), list):
        return outputs_in(record.document[OUTPUTS])
    here = reader(registry, layout.workspace / view.job_id)
    found = []
    for attempt in attempts_of(view):
        listed = listed_outputs(attempt, here)
        if listed is None:
            raise NotFoundError(
                f"the list of what run {view.job_id} has published is not here",
                hint=f"fetch it with `aexp pull {view.job_id[:8]}`",
            )
        found.append(listed)
    return merged(found)


def listed_outputs(attempt: Mapping[str, Json], read: Read) -> list[Output] | None:
    """Return what one attempt has published, None when its list can not be read.

    Args:
        attempt: an attempt of a ledger entry, or the entry itself for the shown one.
        read: gives bytes by digest.
    """
    if isinstance(attempt.get(OUTPUTS), list):
        return outputs_in(attempt[OUTPUTS])
    spilled = spilled_part(attempt)
    if spilled is None:
        return []
    data = read(spilled.digest)
    if data is None and (digest := manifest_in(attempt)) is not None:
        data = _config(digest, read)
    with contextlib.suppress(ValueError):
        return None if data is None else decode_outputs(data)
    return None


def spilled_part(attempt: Mapping[str, Json]) -> Attachment | None:
    """Return the attachment that holds an attempt's list of outputs, None when there is none."""
    items = attempt.get("attachments")
    found = map(Attachment.from_json, items if isinstance(items, list) else ())
    return next((item for item in found if item is not None and item.name == SPILLED), None)


def attempts_of(view: RunView) -> Iterator[Mapping[str, Json]]:
    """Yield the attempts that the ledger has of a run, the shown one first."""
    if view.entry is None:
        return
    yield view.entry
    yield from view.entry.get("replicates") or ()


def manifests_of(view: RunView) -> list[str]:
    """Return the digests of the manifests of what a run has published, the shown one first."""
    facts = [] if view.record is None else [view.record.document]
    found = (manifest_in(each) for each in (*facts, *attempts_of(view)))
    return list(dict.fromkeys(digest for digest in found if digest is not None))


def reader(registry: Registry, run_folder: Path) -> Read:
    """Return what reads the parts that an entry had no room for: beside the run, or stored.

    Args:
        registry: where they may be.
        run_folder: where the run is, or would be.
    """

    def read(digest: str) -> bytes | None:
        beside = run_folder / "attachments" / f"{digest.replace(':', '-')}.json"
        with contextlib.suppress(OSError):
            data = beside.read_bytes()
            if digest_of(data) == digest:
                return data
        with contextlib.suppress(AexpError):
            return registry.read(digest) if registry.has(digest) else None
        return None

    return read


def _config(manifest_digest: str, read: Read) -> bytes | None:
    """Return the config of a manifest, None when one of the two is not here."""
    data = read(manifest_digest)
    if data is None:
        return None
    with contextlib.suppress(AexpError):
        manifest = decode_manifest(data)
        return read(manifest.config.digest) if isinstance(manifest, Manifest) else None
    return None
