"""The bytes of one run, to push and to pull: what it recorded and published (SHR-01, EXE-31).

The ledger says what belongs to a run. What it published it names by the manifest of its outputs
and by their list; an entry that has no room for the list names the blob that holds it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aexp.clock import utc_now
from aexp.errors import AexpError, NotFoundError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json
from aexp.model.oci import EMPTY, EMPTY_CONFIG, Descriptor, Manifest, is_digest, sha256_digest
from aexp.model.outputs import OUTPUTS_TYPE, SPILLED, Output, merged, outputs_in
from aexp.registry.blobs import Blob
from aexp.registry.places import outputs_ref, run_ref
from aexp.registry.refs import OUTPUTS, RUN, RefChange, SetRef
from aexp.registry.remotes.base import Remote
from aexp.registry.remotes.closure import find_closure
from aexp.registry.remotes.places import RemoteRef, blob_path
from aexp.registry.store import LARGEST_MANIFEST, Registry
from aexp.registry.transfer import Options, Parcel
from aexp.repo import Layout
from aexp.runs.closing import RUN_TYPE
from aexp.runs.outputs import attempts_of, listed_outputs, manifests_of, reader, spilled_part
from aexp.runs.view import RunView

_PART: Final = "aexp."
"""How attachments are named that are parts of an entry which were too large for it."""


def attachments_of(view: RunView) -> list[Attachment]:
    """Return what a run's attempts recorded, as its document and its ledger entry list it.

    A list of outputs that the entry had no room for belongs to the outputs.
    """
    listed: list[Json] = list(view.field("attachments") or ())
    for attempt in attempts_of(view):
        listed += attempt.get("attachments") or ()
    found = (Attachment.from_json(item) for item in listed)
    known = [a for a in found if a is not None and a.name != SPILLED]
    by_digest = {a.digest: a for a in reversed(known)}
    return [by_digest[digest] for digest in reversed(by_digest) if is_digest(digest)]


def recorded_bytes(view: RunView) -> bool:
    """Return whether a run has recorded or published any bytes, here or elsewhere."""
    return bool(attachments_of(view) or manifests_of(view))


# --- push ----------------------------------------------------------------------------------


def parcels_to_push(layout: Layout, registry: Registry, view: RunView) -> list[Parcel]:
    """Return what of a run is in the registry of this clone: recorded, and published."""
    return [*recorded_to_push(layout, registry, view), *_published(layout, registry, view)]


def recorded_to_push(layout: Layout, registry: Registry, view: RunView) -> Iterator[Parcel]:
    """Yield what a run has recorded, if any of it is here."""
    ref = registry.ref(run_ref(layout, view.job_id))
    here = [a for a in attachments_of(view) if registry.has(a.digest)]
    if ref is None and not here:
        return
    manifests = () if ref is None else (ref.digest,)
    refs = tuple(remote_ref(layout, RUN, view.job_id, digest) for digest in manifests)
    yield Parcel(f"run {view.job_id}", manifests, _blobs(here), refs)


def _published(layout: Layout, registry: Registry, view: RunView) -> Iterator[Parcel]:
    manifests = tuple(digest for digest in manifests_of(view) if registry.has(digest))
    if manifests:
        refs = tuple(remote_ref(layout, OUTPUTS, view.job_id, digest) for digest in manifests)
        yield Parcel(outputs_name(view.job_id), manifests, refs=refs)


def remote_ref(layout: Layout, kind: str, name: str, digest: str) -> RemoteRef:
    """Return what a remote is to say of a manifest."""
    now = utc_now().isoformat(timespec="seconds")
    return RemoteRef(kind, name, digest, now, layout.machine_label, {})


# --- pull ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Where bytes are to come from, and where to.

    Attributes:
        layout: the repository.
        registry: where the bytes are to go.
        remote: where they come from.
        options: how to ask the remote.
    """

    layout: Layout
    registry: Registry
    remote: Remote
    options: Options

    def has(self, digest: str) -> bool:
        """Return whether a blob is on the remote."""
        size = self.options.retry.run(
            lambda: self.remote.size(blob_path(digest)), self.options.reporter.retrying
        )
        return size is not None

    def read(self, digest: str) -> bytes | None:
        """Return a small blob of the remote, None when it is not there, or damaged."""
        try:
            data = self.options.retry.run(
                lambda: self.remote.read(blob_path(digest), LARGEST_MANIFEST),
                self.options.reporter.retrying,
            )
        except NotFoundError:
            return None
        return data if sha256_digest(data) == digest else None


def parcels_to_pull(source: Source, view: RunView, refs: Sequence[RemoteRef]) -> list[Parcel]:
    """Return what a run has recorded and published.

    Args:
        source: where it comes from.
        view: the run.
        refs: what the remote says of it.
    """
    return [*_to_pull_recorded(source, view, refs), *_to_pull_published(source, view)]


def _to_pull_recorded(source: Source, view: RunView, refs: Sequence[RemoteRef]) -> Iterator[Parcel]:
    registry = source.registry
    attachments = attachments_of(view)
    if not attachments and not refs:
        return
    there = [a for a in attachments if not _is_nowhere(source, a)]
    name = run_ref(source.layout, view.job_id)
    current = registry.ref(name)
    reached = set() if current is None else _reach(registry, current.digest)
    if there and {attachment.digest for attachment in there} <= reached:
        refs = []
    manifests = tuple(ref.digest for ref in refs)
    layers = tuple(attachment.layer() for attachment in there)
    finish = _finisher(name, RUN, RUN_TYPE, layers, manifests)
    yield Parcel(f"run {view.job_id}", manifests, _blobs(there), finish=finish)


def _is_nowhere(source: Source, attachment: Attachment) -> bool:
    """Return whether it is a part of an entry that nobody has kept: the run is whole without."""
    if not attachment.name.startswith(_PART) or source.registry.has(attachment.digest):
        return False
    return not source.has(attachment.digest)


def _to_pull_published(source: Source, view: RunView) -> Iterator[Parcel]:
    known = manifests_of(view)
    outputs = _outputs(source, view)
    if not known and not outputs:
        return
    # Without a manifest the list says it all, and one is made of it here.
    manifests = tuple(d for d in known if source.registry.has(d) or source.has(d))
    if not outputs:
        manifests = tuple(known)
    spilled = [part for each in attempts_of(view) if (part := spilled_part(each)) is not None]
    layers = (
        *(output.layer() for output in outputs),
        *(part.layer() for part in spilled if not _is_nowhere(source, part)),
    )
    blobs = {layer.digest: Blob(layer.digest, layer.size) for layer in layers}
    name = outputs_ref(source.layout, view.job_id)
    finish = _finisher(name, OUTPUTS, OUTPUTS_TYPE, layers, manifests)
    yield Parcel(outputs_name(view.job_id), manifests, tuple(blobs.values()), finish=finish)


def _outputs(source: Source, view: RunView) -> list[Output]:
    """Return what the ledger says that a run has published, its list fetched where need be."""
    here = reader(source.registry, source.layout.workspace / view.job_id)
    found = [] if view.record is None else [outputs_in(view.record.document.get("outputs"))]
    for attempt in attempts_of(view):
        listed = listed_outputs(attempt, lambda digest: here(digest) or source.read(digest))
        found.append(listed or [])
    return merged(found)


def outputs_name(job_id: str) -> str:
    """Return how people call what a run has published."""
    return f"outputs of run {job_id}"


def _blobs(attachments: Sequence[Attachment]) -> tuple[Blob, ...]:
    return tuple(Blob(attachment.digest, attachment.size) for attachment in attachments)


def _finisher(
    name: str,
    kind: str,
    artifact_type: str,
    layers: tuple[Descriptor, ...],
    manifests: Sequence[str],
) -> Callable[[Registry], list[RefChange]]:
    """Return what makes the bytes of a pulled run reachable here.

    A manifest that holds everything is kept as it is: the one that is here, else one of the remote
    that holds this one too. Otherwise (several machines have attempted the run, or it was shared
    as part of a session) one is made of what the ledger lists.
    """

    def finish(registry: Registry) -> list[RefChange]:
        current = registry.ref(name)
        mine = () if current is None else (current.digest,)
        wanted = {layer.digest for layer in layers} or set(manifests)
        for digest in (*mine, *reversed(manifests)):
            if wanted <= _reach(registry, digest):
                if current is None:
                    return [SetRef(name, kind, digest, expect=None)]
                if digest == current.digest:
                    return []
                if current.digest in _reach(registry, digest):
                    return [SetRef(name, kind, digest, expect=current.digest)]
        made = _gather(registry, artifact_type, layers, (*mine, *manifests))
        return [SetRef(name, kind, made.digest, expect=mine[0] if mine else None)]

    return finish


def _reach(registry: Registry, digest: str) -> set[str]:
    """Return what a manifest here needs; nothing when part of it is not here."""
    with contextlib.suppress(AexpError):
        closure = find_closure([digest], lambda many: [(d, registry.read(d)) for d in many])
        return closure.reach([digest])
    return set()


def _gather(
    registry: Registry,
    artifact_type: str,
    layers: tuple[Descriptor, ...],
    manifests: Sequence[str],
) -> Descriptor:
    """Store a manifest that reaches all layers and all other manifests."""
    subject: Descriptor | None = None
    config = registry.put(EMPTY_CONFIG)
    empty = Descriptor(EMPTY, config.digest, config.size)
    layers = layers or (empty,)
    for digest in manifests:
        known = registry.manifest(digest)
        size = registry.size(digest) or 0
        below = Descriptor(known.media_type, digest, size, artifact_type=known.artifact_type)
        if subject is None:
            subject = below
        else:
            layers = (*layers, *_layers(known), below)
    return registry.put_manifest(
        Manifest(config=empty, layers=layers, artifact_type=artifact_type, subject=subject)
    )


def _layers(manifest: object) -> Iterator[Descriptor]:
    if isinstance(manifest, Manifest):
        yield manifest.config
        yield from manifest.layers
