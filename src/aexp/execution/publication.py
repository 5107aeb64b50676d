"""The steps of one publication, in the order in which they may be cut off (ADR 10, EXE-31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aexp.data.feature_blobs import FeatureBlob, feature_blobs
from aexp.execution.asset_path import AssetFilePath
from aexp.execution.progress import Watch
from aexp.execution.sending import Sending, batches
from aexp.execution.state import StagedAsset, StagedFeature
from aexp.execution.status import change
from aexp.execution.storing import store_assets
from aexp.ledger.promote import describe_run, home_layout
from aexp.model.canonical import Json
from aexp.model.execution import KEY, ExecutionStatus
from aexp.model.oci import Descriptor, sha256_digest
from aexp.model.outputs import (
    OUTPUTS,
    OUTPUTS_CONFIG_TYPE,
    OUTPUTS_TYPE,
    AssetOutput,
    FeatureOutput,
    Output,
    config_of,
    manifest_in,
    outputs_manifest,
    spilled_list,
)
from aexp.recording.media_types import HEAD, JSON, media_type_of
from aexp.recording.run_bytes import outputs_name, recorded_to_push, remote_ref
from aexp.registry import refs
from aexp.registry.blobs import Blob
from aexp.registry.places import outputs_ref
from aexp.registry.refs import SetRef
from aexp.registry.store import Registry
from aexp.registry.transfer import Parcel
from aexp.runs.lookup import view_of
from aexp.workspace.store import RunRecord

if TYPE_CHECKING:
    from aexp.execution.execution import Execution

BATCH_FILES: Final = 1_000
BATCH_BYTES: Final = 1 << 30
"""So much goes to the remote before it is marked; after a kill, more than that is asked for."""


class Publication:
    """One publication of an execution that is Pending_Upload.

    Args:
        execution: whose outputs.
        sending: the remote, or none.
        watch: whom to tell.
    """

    def __init__(self, execution: Execution, sending: Sending, watch: Watch) -> None:
        self._execution = execution
        self._state = execution.state
        self._registry: Registry = execution.registry
        self._layout = execution.layout
        self._rid = execution.execution_rid
        self._sending = sending
        self._watch = watch

    def run(
        self, assets: Sequence[StagedAsset], features: Sequence[StagedFeature]
    ) -> dict[str, list[AssetFilePath]]:
        """Publish what is staged; the caller holds a lease of the registry.

        Args:
            assets: checked, and not published yet.
            features: the same.

        Returns:
            What was published, by kind of asset.
        """
        rids = [row.rid for row in assets]
        types = store_assets(self._state, self._registry, self._rows(rids), self._watch)
        stored = self._rows(rids)
        self._send_assets(stored)
        values = self._send_features(features)
        size = sum(row.size or 0 for row in stored)
        self._watch.arrived("publishing", len(stored), size)
        outputs: list[Output] = [self._asset_output(row, types) for row in stored]
        outputs += [_feature_output(blob) for blob in values]
        self._make_visible(outputs)
        self._mark_published(rids, values)
        self._watch.arrived("done", len(stored), size)
        return self._paths(rids)

    def _rows(self, rids: Sequence[str]) -> list[StagedAsset]:
        """Return assets as they are staged now, in the order of ``rids``."""
        known = {row.rid: row for row in self._state.assets()}
        return [known[rid] for rid in rids]

    # --- bytes ---------------------------------------------------------------------------

    def _send_assets(self, rows: Sequence[StagedAsset]) -> None:
        if not self._sending.is_remote:
            return
        blobs = {row.rid: Blob(row.digest or "", row.size or 0) for row in rows}
        self._sending.begin("uploading", [((r.asset, r.name), blobs[r.rid]) for r in rows])
        for batch in batches(blobs, BATCH_FILES, BATCH_BYTES):
            self._sending.blobs(list(batch.values()))
            self._state.mark(list(batch), "uploaded")

    def _send_features(self, rows: Sequence[StagedFeature]) -> list[FeatureBlob]:
        found = feature_blobs(rows, self._state, self._layout)
        if not found:
            return []
        self._watch.phase("features", len(found), sum(len(blob.data) for blob in found))
        blobs = self._registry.put_many([blob.data for blob in found])
        labels = [("", f"{blob.target}/{blob.feature}") for blob in found]
        self._sending.begin("features", list(zip(labels, blobs, strict=True)))
        self._sending.blobs(blobs)
        for blob in found:
            self._state.mark_features(blob.ids, "pending", sha256_digest(blob.data))
        return found

    # --- facts ---------------------------------------------------------------------------

    def _make_visible(self, new: Sequence[Output]) -> None:
        """Write the manifest, its refs, the document, and with it the entry."""
        record = self._execution.store.read_sound(self._rid)
        facts: dict[str, Json] = {}
        parcels: list[Parcel] = []
        if self._sending.is_remote:
            view = view_of(self._layout, self._rid)
            parcels += recorded_to_push(self._layout, self._registry, view)
        if new:
            listed = [*(record.document.get(OUTPUTS) or []), *(each.to_json() for each in new)]
            digest = self._put_manifest(record, listed, new)
            facts = {OUTPUTS: listed, KEY: {"manifest": digest}}
            ref = remote_ref(self._layout, refs.OUTPUTS, self._rid, digest)
            parcels.append(Parcel(outputs_name(self._rid), (digest,), refs=(ref,)))
        self._sending.parcels(parcels)
        change(
            self._execution.store,
            self._rid,
            ExecutionStatus.Uploaded,
            facts=facts,
            expect=ExecutionStatus.Pending_Upload,
        )

    def _put_manifest(self, record: RunRecord, listed: list[Json], new: Sequence[Output]) -> str:
        """Store config, list and manifest with one flush, then set the ref."""
        described = self._described(record, listed)
        config = config_of(described)
        spilled = spilled_list(described)
        items = [config] if spilled is None else [config, spilled]
        manifest = outputs_manifest(
            Descriptor.of(OUTPUTS_CONFIG_TYPE, config),
            new,
            None if spilled is None else Descriptor.of(JSON, spilled),
            self._earlier(record.document),
        )
        # What it names was stored, or touched, under the lease of this publication.
        blob = self._registry.put_many([*items, manifest.encode()])[-1]
        name = outputs_ref(self._layout, self._rid)
        self._registry.publish(SetRef(name, refs.OUTPUTS, blob.digest))
        return blob.digest

    def _described(self, record: RunRecord, listed: list[Json]) -> Mapping[str, Json]:
        """Return the run as the ledger will show it: sanitized, and not cut."""
        document = {**record.document, OUTPUTS: listed}
        future = RunRecord(self._rid, record.statepoint, document, record.workspace)
        return describe_run(home_layout(self._layout, record), future)

    def _earlier(self, document: Mapping[str, Json]) -> Descriptor | None:
        """Return the manifest of the earlier publication, None when there is none here.

        A ref can be ahead of the document, when a kill fell between the two; the document is right.
        """
        digest = manifest_in(document)
        size = None if digest is None else self._registry.size(digest)
        if digest is None or size is None:
            return None
        known = self._registry.manifest(digest)
        return Descriptor(known.media_type, digest, size, artifact_type=OUTPUTS_TYPE)

    def _asset_output(self, row: StagedAsset, types: Mapping[str, str]) -> AssetOutput:
        digest = row.digest or ""
        media_type = types.get(row.rid)
        if media_type is None:
            with self._registry.path(digest).open("rb") as stream:
                media_type = media_type_of(stream.read(HEAD), row.size or 0, row.name)
        return AssetOutput(
            row.rid,
            row.asset,
            row.name,
            digest,
            row.md5 or "",
            row.size or 0,
            media_type,
            row.types,
            row.metadata,
            row.description,
        )

    # --- afterwards ----------------------------------------------------------------------

    def _mark_published(self, rids: Sequence[str], values: Sequence[FeatureBlob]) -> None:
        if rids:
            self._state.mark(rids, "published")
        for blob in values:
            self._state.mark_features(blob.ids, "published", sha256_digest(blob.data))
        self._state.write_manifest()

    def _paths(self, rids: Sequence[str]) -> dict[str, list[AssetFilePath]]:
        found: dict[str, list[AssetFilePath]] = {}
        for row in self._rows(rids):
            path = AssetFilePath.staged(self._state, row)
            found.setdefault(row.asset, []).append(path)
        return found


def _feature_output(blob: FeatureBlob) -> FeatureOutput:
    digest = sha256_digest(blob.data)
    return FeatureOutput(blob.target, blob.feature, digest, len(blob.data), blob.count)


class AsStored:
    """What is staged as it will be once every asset is stored, to check values before that.

    Args:
        rows: the assets, all of them.
    """

    def __init__(self, rows: Sequence[StagedAsset]) -> None:
        self._rows = [replace(row, state="stored") for row in rows]

    def assets(self, *states: str) -> Sequence[StagedAsset]:
        """Return the assets."""
        return self._rows
