"""The bytes of datasets: what keeps them in the registry, what is pushed and pulled (EXE-06)."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

from aexp.clock import utc_now
from aexp.errors import RefConflictError
from aexp.ledger.datasets import DatasetRecord
from aexp.registry.places import dataset_ref
from aexp.registry.refs import DATASET, RefChange, SetRef
from aexp.registry.remotes.places import RemoteRef
from aexp.registry.store import Registry
from aexp.registry.transfer import Parcel
from aexp.repo import Layout

_OTHER_DIGITS: Final = 16
_TRIES: Final = 5


def ref_changes(layout: Layout, record: DatasetRecord, registry: Registry) -> list[RefChange]:
    """Return the changes of refs by which the bytes of a version are kept here.

    Two branches may have given one version to different content until somebody merges them; the
    bytes of both are kept, the second under a name of its own.
    """
    name = dataset_ref(layout, record.name, str(record.version))
    current = registry.ref(name)
    if current is None:
        return [SetRef(name, DATASET, record.manifest, expect=None)]
    if current.digest == record.manifest:
        return []
    other = f"{name}/{record.manifest.removeprefix('sha256:')[:_OTHER_DIGITS]}"
    return [] if registry.ref(other) else [SetRef(other, DATASET, record.manifest, expect=None)]


def keep_bytes(layout: Layout, record: DatasetRecord, registry: Registry) -> list[RefChange]:
    """Set the refs of :func:`ref_changes`, and return them; nobody else's is ever replaced.

    Raises:
        RefConflictError: other processes kept changing them.
    """
    for _ in range(_TRIES):
        changes = ref_changes(layout, record, registry)
        with suppress(RefConflictError):  # another process was quicker: look again
            registry.publish(*changes)
            return changes
    changes = ref_changes(layout, record, registry)
    registry.publish(*changes)
    return changes


def parcel_to_push(layout: Layout, record: DatasetRecord) -> Parcel:
    """Return what a push carries of a version."""
    ref = RemoteRef(
        DATASET,
        record.label,
        record.manifest,
        utc_now().isoformat(timespec="seconds"),
        layout.machine_label,
        {"digest": record.digest},
    )
    return Parcel(_shown(record), (record.manifest,), refs=(ref,))


def parcel_to_pull(layout: Layout, record: DatasetRecord) -> Parcel:
    """Return what a pull fetches of a version."""
    return Parcel(_shown(record), (record.manifest,), finish=partial(ref_changes, layout, record))


def _shown(record: DatasetRecord) -> str:
    return f"dataset {record.label}"
