"""What an execution has published: assets and values of features (EXE-30, EXE-31).

Pure values (ADR 10). The list in a run's document says what is published, and nothing else; the
manifest made here keeps the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from aexp.model.attachment import NAME, TITLE
from aexp.model.canonical import Json, canonical_bytes, compact_bytes, decode_json
from aexp.model.execution import KEY, asset_rid
from aexp.model.oci import Descriptor, Manifest, is_digest

OUTPUTS: Final = "outputs"
"""The key of the list in a document, in an entry and in the config of a manifest."""
OUTPUTS_TYPE: Final = "application/vnd.aexp.outputs.v1+json"
"""The artifact type of the manifest of an execution's outputs."""
OUTPUTS_CONFIG_TYPE: Final = "application/vnd.aexp.outputs.config.v1+json"
FEATURE_TYPE: Final = "application/vnd.aexp.features.v1+jsonl"
"""Values of one feature: a JSON object a line, ids of assets in the place of their paths."""
SPILLED: Final = f"aexp.{OUTPUTS}.json"
"""The attachment of an entry that holds a list which was too long for it."""
ASSET_KIND: Final = "dev.aexp.asset"
ASSET_RID: Final = "dev.aexp.asset.rid"
FEATURE: Final = "dev.aexp.feature"
"""Annotations of layers."""
_LISTED_FROM: Final = 1024
"""Bytes. A list that is shorter is never what makes an entry too large: all its parts together,
each no larger, would fit."""


@dataclass(frozen=True, slots=True)
class AssetOutput:
    """A published file.

    Attributes:
        rid: its id, 16 hex digits.
        asset: its kind, such as ``Model``.
        name: its file name.
        digest: SHA-256 of its bytes.
        md5: 32 hex digits.
        size: bytes.
        media_type: as RFC 6838 writes it.
        types: its asset types.
        metadata: its columns.
        description: what it is, or None.
    """

    rid: str
    asset: str
    name: str
    digest: str
    md5: str
    size: int
    media_type: str
    types: tuple[str, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    description: str | None = None

    kind: Literal["asset"] = field(default="asset", init=False)

    @property
    def key(self) -> str:
        """What tells it from the other outputs of its execution."""
        return self.rid

    def to_json(self) -> dict[str, Json]:
        """Return it as documents list it."""
        value: dict[str, Json] = {
            "kind": self.kind,
            "rid": self.rid,
            "asset": self.asset,
            "name": self.name,
            "digest": self.digest,
            "md5": self.md5,
            "size": self.size,
            "media_type": self.media_type,
            "types": list(self.types),
        }
        if self.metadata:
            value["metadata"] = dict(self.metadata)
        if self.description:
            value["description"] = self.description
        return value

    def layer(self) -> Descriptor:
        """Return the descriptor that stands for it in a manifest."""
        annotations = {
            NAME: f"{self.asset}/{self.name}",
            TITLE: self.name,
            ASSET_KIND: self.asset,
            ASSET_RID: self.rid,
        }
        return Descriptor(self.media_type, self.digest, self.size, annotations)


@dataclass(frozen=True, slots=True)
class FeatureOutput:
    """Published values of one feature.

    Attributes:
        target: what they are of, such as ``Image``.
        feature: the feature's name.
        digest: SHA-256 of the JSON lines.
        size: bytes.
        count: how many values.
    """

    target: str
    feature: str
    digest: str
    size: int
    count: int

    kind: Literal["feature"] = field(default="feature", init=False)

    @property
    def key(self) -> str:
        """What tells it from the other outputs of its execution, but for equal values."""
        return f"{self.target}/{self.feature}/{self.digest}"

    def to_json(self) -> dict[str, Json]:
        """Return it as documents list it."""
        return {
            "kind": self.kind,
            "target": self.target,
            "feature": self.feature,
            "digest": self.digest,
            "size": self.size,
            "count": self.count,
        }

    def layer(self) -> Descriptor:
        """Return the descriptor that stands for it in a manifest."""
        name = f"{self.target}/{self.feature}"
        annotations = {NAME: f"features/{name}", TITLE: f"{self.feature}.jsonl", FEATURE: name}
        return Descriptor(FEATURE_TYPE, self.digest, self.size, annotations)


Output: TypeAlias = AssetOutput | FeatureOutput


def output_from_json(value: Json) -> Output | None:
    """Return the output in ``value``, None when it is none."""
    if not isinstance(value, Mapping) or not is_digest(value.get("digest")):
        return None
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    if value.get("kind") == "asset":
        return _asset(value, size)
    return _feature(value, size) if value.get("kind") == "feature" else None


def _asset(value: Mapping[str, Json], size: int) -> AssetOutput | None:
    texts = [value.get(key) for key in ("rid", "asset", "name", "digest", "md5", "media_type")]
    types, metadata = value.get("types", []), value.get("metadata", {})
    description = value.get("description")
    rid, asset, name, digest, md5, media_type = (str(text) for text in texts)
    sound = (
        all(isinstance(text, str) and text for text in texts)
        and isinstance(types, list)
        and isinstance(metadata, Mapping)
        and isinstance(description, str | None)
    )
    if not sound:
        return None
    return AssetOutput(
        rid, asset, name, digest, md5, size, media_type,
        tuple(str(each) for each in types), dict(metadata), description,
    )  # fmt: skip


def _feature(value: Mapping[str, Json], size: int) -> FeatureOutput | None:
    target, feature, count = value.get("target"), value.get("feature"), value.get("count")
    if not (isinstance(target, str) and target and isinstance(feature, str) and feature):
        return None
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        return None
    return FeatureOutput(target, feature, str(value["digest"]), size, count)


def outputs_in(listed: Json) -> list[Output]:
    """Return the outputs in a list, without what is none."""
    found = map(output_from_json, listed if isinstance(listed, list) else ())
    return [output for output in found if output is not None]


def merged(lists: Iterable[Sequence[Output]]) -> list[Output]:
    """Return the outputs of several lists: the first one whole, of the others what it lacks."""
    result: list[Output] = []
    seen: set[str] = set()
    for outputs in lists:
        result += [output for output in outputs if output.key not in seen]
        seen.update(output.key for output in outputs)
    return result


def faults(execution_rid: str, listed: Json) -> Iterator[str]:
    """Yield what is wrong with a list of outputs, in words."""
    if not isinstance(listed, list):
        yield "its outputs are no list"
        return
    seen: set[str] = set()
    for number, item in enumerate(listed):
        output = output_from_json(item)
        if output is None:
            yield f"its output {number} is not whole"
        elif isinstance(output, AssetOutput):
            if output.rid != asset_rid(execution_rid, output.asset, output.name):
                yield f"its output {output.asset}/{output.name} has the id of another"
            elif output.rid in seen:
                yield f"its output {output.asset}/{output.name} is listed twice"
            seen.add(output.rid)


def decode_outputs(data: bytes) -> list[Output]:
    """Return the outputs in a spilled list, or in the config of a manifest.

    Raises:
        ValueError: the bytes are neither.
    """
    value = decode_json(data)
    if isinstance(value, Mapping):
        value = value.get(OUTPUTS, [])
    if not isinstance(value, list):
        raise ValueError("it is no list of outputs")
    return outputs_in(value)


def manifest_in(facts: Mapping[str, Json]) -> str | None:
    """Return the digest of the manifest of an attempt's outputs, None when it has none."""
    execution = facts.get(KEY)
    found = execution.get("manifest") if isinstance(execution, Mapping) else None
    return found if isinstance(found, str) and is_digest(found) else None


def feature_lines(rows: Iterable[Mapping[str, Json]]) -> bytes:
    """Return values of a feature as they are published: canonical JSON, one object a line.

    Raises:
        ValueError: a value has no JSON form.
    """
    return b"".join(compact_bytes(dict(row)) + b"\n" for row in rows)


def config_of(described: Mapping[str, Json]) -> bytes:
    """Return the config of the manifest of an execution's outputs.

    It holds what was fixed when the work ended and the list of all outputs, but nothing of the
    publication itself: publishing the same again gives the same digests.

    Args:
        described: the run as the ledger may show it, not cut.
    """
    kept = ("job_id", "statepoint", "code_commit", "code_dirty", "workflow", "inputs", OUTPUTS)
    value = {key: described[key] for key in kept if key in described}
    execution = described.get(KEY)
    if isinstance(execution, Mapping):
        told = ("description", "argv", "config_choices")
        value[KEY] = {key: execution[key] for key in told if key in execution}
    return compact_bytes({"schema_version": 1, **value})


def spilled_list(described: Mapping[str, Json]) -> bytes | None:
    """Return the list of outputs as an entry that is too small for it names it.

    Args:
        described: the run as the ledger may show it, not cut.

    Returns:
        the bytes of the attachment, None when the list is so short that it stays in the entry.
    """
    data = canonical_bytes(described.get(OUTPUTS, []))
    return data if len(data) > _LISTED_FROM else None


def outputs_manifest(
    config: Descriptor,
    new: Sequence[Output],
    listed: Descriptor | None,
    subject: Descriptor | None,
) -> Manifest:
    """Return the manifest of one publication.

    Args:
        config: of all facts and outputs.
        new: what this publication adds, at least one; what came earlier is reached through
            ``subject``.
        listed: the list of outputs by itself, where the entry may have no room for it.
        subject: the manifest of the earlier publication, or None.
    """
    layers = tuple(output.layer() for output in new)
    if listed is not None:
        layers += (Descriptor(listed.media_type, listed.digest, listed.size, {NAME: SPILLED}),)
    return Manifest(config, layers, OUTPUTS_TYPE, subject)
