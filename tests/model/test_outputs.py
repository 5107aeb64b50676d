"""Published outputs as values: lists, manifests, and what stays in an entry (EXE-31, LED-01)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.attachment import NAME
from aexp.model.canonical import canonical_bytes, compact_bytes
from aexp.model.execution import asset_rid, publication_of
from aexp.model.fit import MAX_ATTEMPT_BYTES, fit
from aexp.model.oci import Descriptor, decode_manifest
from aexp.model.outputs import (
    OUTPUTS_TYPE,
    SPILLED,
    AssetOutput,
    FeatureOutput,
    Output,
    config_of,
    decode_outputs,
    faults,
    feature_lines,
    manifest_in,
    merged,
    output_from_json,
    outputs_in,
    outputs_manifest,
    spilled_list,
)

RID = "0123456789abcdef" * 2
DIGESTS = st.integers(0, 2**256 - 1).map(lambda n: f"sha256:{n:064x}")
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def asset_outputs(draw: st.DrawFn) -> AssetOutput:
    asset, name = draw(TEXT), draw(TEXT)
    return AssetOutput(
        asset_rid(RID, asset, name),
        asset,
        name,
        draw(DIGESTS),
        "0" * 32,
        draw(st.integers(0, 2**60)),
        "text/csv",
        tuple(draw(st.lists(TEXT, max_size=3))),
        draw(st.dictionaries(TEXT, JSON, max_size=3)),
        draw(st.none() | TEXT),
    )


feature_outputs = st.builds(
    FeatureOutput, TEXT, TEXT, DIGESTS, st.integers(0, 2**60), st.integers(0, 2**40)
)
outputs = asset_outputs() | feature_outputs


@given(st.lists(outputs, max_size=4, unique_by=lambda output: output.key))
def test_a_list_comes_back_as_it_went(listed: Sequence[Output]) -> None:
    """EXE-31: through a document, a spilled list and a config; nothing is wrong with it."""
    value = [output.to_json() for output in listed]
    assert outputs_in(value) == list(listed)
    assert decode_outputs(canonical_bytes(value)) == list(listed)
    config = config_of({"job_id": RID, "outputs": value, "ended_at": "now"})
    assert decode_outputs(config) == list(listed)
    assert list(faults(RID, value)) == []


@given(outputs, st.data())
def test_what_is_no_output(output: Output, data: st.DataObject) -> None:
    """EXE-31: a member that is missing, or is something else, is told; nothing is made up."""
    value = output.to_json()
    optional = {"types", "metadata", "description"}
    key = data.draw(st.sampled_from(sorted(set(value) - optional)))
    value[key] = data.draw(st.sampled_from([None, -1, True, [], {}, ""]))
    if isinstance(output, FeatureOutput) and key == "rid":
        return
    assert output_from_json(value) is None
    assert list(faults(RID, [value])) == ["its output 0 is not whole"]


def test_what_an_id_proves() -> None:
    """EXE-31: an asset's id is made of the execution, its kind and name; each is listed once."""
    output = AssetOutput(
        asset_rid(RID, "Model", "a.pt"), "Model", "a.pt", f"sha256:{'a' * 64}", "0" * 32, 1, "x/y"
    )
    value = output.to_json()
    assert list(faults("f" * 32, [value])) == ["its output Model/a.pt has the id of another"]
    assert list(faults(RID, [value, value])) == ["its output Model/a.pt is listed twice"]
    assert list(faults(RID, {"0": value})) == ["its outputs are no list"]


def test_lists_of_several_attempts() -> None:
    """EXE-31: what two attempts list is listed once; equal values that one lists stay several."""
    one = FeatureOutput("Image", "Grade", f"sha256:{'a' * 64}", 1, 1)
    other = FeatureOutput("Image", "Grade", f"sha256:{'b' * 64}", 1, 1)
    assert merged([[one, one], [one, other]]) == [one, one, other]


@given(st.lists(outputs, min_size=1, max_size=4))
def test_the_manifest(listed: Sequence[Output]) -> None:
    """ADR 10: new outputs are layers with their names, and what was before is the subject."""
    config = Descriptor.of("x/y", b"{}")
    before = Descriptor.of("x/y", b"before")
    spilled = Descriptor.of("application/json", b"[]")
    manifest: Any = decode_manifest(outputs_manifest(config, listed, spilled, before).encode())
    assert (manifest.artifact_type, manifest.subject) == (OUTPUTS_TYPE, before)
    assert [layer.digest for layer in manifest.layers[:-1]] == [each.digest for each in listed]
    assert manifest.layers[-1].annotations == {NAME: SPILLED}
    assert all(layer.annotations[NAME] for layer in manifest.layers)


def test_the_config_holds_nothing_that_changes() -> None:
    """EXE-52: published again after a kill, config and manifest have the same digest."""
    described = {"job_id": RID, "outputs": [], "execution": {"description": "d", "argv": ["x"]}}
    later = {
        **described,
        "ended_at": "2026",
        "status": "failed",
        "execution": {**described["execution"], "publication": "uploaded", "message": "m"},  # type: ignore[dict-item]
    }
    assert config_of(described) == config_of(later)


def test_values_are_lines() -> None:
    """EXE-25: one canonical object a line, whatever the order of the keys."""
    assert feature_lines([{"b": 1, "a": "ü"}, {}]) == '{"a":"ü","b":1}\n{}\n'.encode()
    with pytest.raises(ValueError, match="JSON"):
        feature_lines([{"a": float("nan")}])


@given(
    st.integers(0, 40_000),
    st.integers(0, 40_000),
    st.integers(0, 300),
)
def test_what_stays_in_an_entry(description: int, note: int, count: int) -> None:
    """LED-01, EXE-31: however long anything is, the state and the manifest can be read there."""
    listed = [
        FeatureOutput("Image", "Grade", f"sha256:{n:064x}", n, n).to_json() for n in range(count)
    ]
    digest = f"sha256:{'a' * 64}"
    attempt = {
        "attempt_id": "0" * 16,
        "status": "complete",
        "note": "n" * note,
        "outputs": listed,
        "execution": {
            "description": "d" * description,
            "publication": "uploaded",
            "published_at": "2026-01-01T00:00:00Z",
            "manifest": digest,
        },
    }
    moved: dict[str, bytes] = {}
    result = fit(attempt, moved)
    assert len(compact_bytes(result)) <= MAX_ATTEMPT_BYTES
    assert publication_of(result) == "uploaded"
    assert manifest_in(result) == digest
    if "outputs" not in result:
        (part,) = [a for a in result["attachments"] if a["name"] == SPILLED]
        assert moved[part["digest"]] == spilled_list(attempt), "it was published with the outputs"
    assert attempt["outputs"] is listed
