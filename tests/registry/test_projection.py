"""``index.json`` and the names in it, for other tools (REG-01)."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.oci import INDEX, MANIFEST, Index
from aexp.registry import DropRef, Registry, SetRef
from aexp.registry.projection import name_of, oci_name
from tests.registry.holding import lose, put_artifact, spoil

GRAMMAR = re.compile(
    r"(?:[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)"
    r"(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*"
)
"""Of ref names, as the image specification's annotations.md gives it."""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(TEXT | st.from_regex(GRAMMAR, fullmatch=True) | TEXT.map("aexp.0".__add__))
def test_names_round_trip(name: str) -> None:
    """REG-01: the name other tools see is legal, and gives back the name that was set."""
    shown = oci_name(name)
    assert GRAMMAR.fullmatch(shown)
    assert name_of(shown) == name


@given(TEXT, TEXT)
def test_two_names_are_never_shown_alike(first: str, second: str) -> None:
    """REG-01: escaping mixes no two refs up."""
    assert (oci_name(first) == oci_name(second)) == (first == second)


@given(TEXT)
def test_any_name_of_another_tool(name: str) -> None:
    """REG-01: whatever stands in another tool's index, reading its name does not fail."""
    assert isinstance(name_of(name), str)
    assert name_of("aexp.0_ff_fe") == "aexp.0_ff_fe"


@pytest.mark.parametrize("name", ["E001", "lr-sweep", "a/b:v1.0", "resnet50@best"])
def test_usual_names_stay(name: str) -> None:
    """REG-01: a name that OCI allows is written as it is."""
    assert oci_name(name) == name


def test_escapes_are_readable() -> None:
    """REG-01: the documented form."""
    assert oci_name("my run #1") == "aexp.0my_20run_20_231"


def read_index(registry: Registry) -> list[dict[str, object]]:
    """Return the entries of ``index.json``, as JSON."""
    value = json.loads((registry.root / "index.json").read_bytes())
    assert (value["schemaVersion"], value["mediaType"]) == (2, INDEX)
    entries: list[dict[str, object]] = value["manifests"]
    return entries


def test_the_index_lists_named_artifacts(registry: Registry) -> None:
    """REG-01: one entry a name, with its media type, size and artifact type."""
    registry.initialise()
    layout = json.loads((registry.root / "oci-layout").read_bytes())
    assert layout == {"imageLayoutVersion": "1.0.0"}
    assert read_index(registry) == []
    described = put_artifact(registry, b"a", name="E001")
    registry.publish(SetRef("x", "anonymous", described.digest))
    assert read_index(registry) == [
        {
            "annotations": {
                "dev.aexp.ref.name": "E001",
                "org.opencontainers.image.ref.name": "E001",
            },
            "artifactType": "application/vnd.aexp.experiment.v1+json",
            "digest": described.digest,
            "mediaType": MANIFEST,
            "size": described.size,
        }
    ]
    listed = registry.put_manifest(Index((described,)))
    registry.publish(SetRef("all", "artifact", listed.digest))
    assert [entry["mediaType"] for entry in read_index(registry)] == [MANIFEST, INDEX]
    registry.publish(DropRef("E001"), DropRef("all"))
    assert read_index(registry) == []


def test_the_index_is_mended(registry: Registry) -> None:
    """REG-01: a damaged or missing index.json is written anew with the next change."""
    put_artifact(registry, b"a", name="a")
    for content in (b"", b"\xff", b"{}", b"[" * 10_000):
        (registry.root / "index.json").write_bytes(content)
        put_artifact(registry, b"b", name="b")
        assert len(read_index(registry)) == 2
    (registry.root / "index.json").unlink()
    registry.project()
    assert len(read_index(registry)) == 2


def test_a_ref_to_a_lost_manifest(registry: Registry) -> None:
    """REG-01: an artifact that is damaged or gone does not keep others from being published."""
    lost = put_artifact(registry, b"lost", name="lost").digest
    bad = put_artifact(registry, b"bad", name="bad").digest
    lose(registry, lost)
    spoil(registry, bad)
    (registry.root / "index.json").unlink()
    put_artifact(registry, b"good", name="good")
    assert [entry["digest"] for entry in read_index(registry)][:1] == [bad]
    assert len(read_index(registry)) == 2
