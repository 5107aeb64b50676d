"""The registry and its exports, read and written by the real skopeo (REG-01, SES-06)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aexp.model.oci import MANIFEST, Manifest, sha256_digest
from aexp.registry import Registry
from aexp.registry.archive import export_artifact, import_archive
from aexp.registry.projection import oci_name
from aexp.registry.verify import verify
from tests.registry.holding import ARTIFACT, CONFIG, put_artifact

pytestmark = pytest.mark.service


@pytest.fixture(autouse=True)
def _skopeo() -> None:
    if shutil.which("skopeo") is None:
        if os.environ.get("AEXP_REQUIRE_SERVICES") == "1":
            pytest.fail("skopeo is not installed (apt-get install skopeo)")
        pytest.skip("skopeo is not installed")


def skopeo(*args: str) -> str:
    """Run skopeo and return what it printed."""
    done = subprocess.run(["skopeo", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["E001", "my run #1", "größe/α", "aexp.0x", "a/b:c@d"])
def test_inspect(registry: Registry, name: str) -> None:
    """REG-01: skopeo finds an artifact under its name and reads its manifest."""
    put_artifact(registry, b"other", name="other")
    described = put_artifact(registry, b"a", b"b", name=name)
    raw = skopeo("inspect", "--raw", f"oci:{registry.root}:{oci_name(name)}")
    assert sha256_digest(raw.encode()) == described.digest
    value = json.loads(raw)
    assert (value["mediaType"], value["artifactType"]) == (MANIFEST, ARTIFACT)
    assert value["config"]["mediaType"] == CONFIG


def test_copy_out(registry: Registry, tmp_path: Path) -> None:
    """REG-01: skopeo copies a committed artifact, parameters included, into another layout."""
    described = put_artifact(registry, b"curve", b"figure", name="E001")
    skopeo("copy", f"oci:{registry.root}:E001", f"oci:{tmp_path / 'copy'}:E001")
    blobs = tmp_path / "copy" / "blobs" / "sha256"
    manifest = registry.manifest(described.digest)
    assert isinstance(manifest, Manifest)
    config = json.loads((blobs / manifest.config.digest[7:]).read_bytes())
    assert config == {"parameters": {"lr": 0.1}}
    assert {path.name for path in blobs.iterdir()} == {digest[7:] for digest, _ in registry.blobs()}


def test_an_export_is_an_oci_archive(registry: Registry, tmp_path: Path) -> None:
    """SES-06: skopeo reads what we export."""
    described = put_artifact(registry, b"a", name="E001")
    export_artifact(registry, described.digest, tmp_path / "x.tar", name="E001")
    skopeo("copy", f"oci-archive:{tmp_path / 'x.tar'}:E001", f"oci:{tmp_path / 'copy'}:got")
    index = json.loads((tmp_path / "copy" / "index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [described.digest]


def test_an_archive_of_skopeo_is_imported(registry: Registry, tmp_path: Path) -> None:
    """SES-06: we read what skopeo writes, with and without a name."""
    described = put_artifact(registry, b"a", b"b", name="my run #1")
    there = f"oci:{registry.root}:{oci_name('my run #1')}"
    skopeo("copy", there, f"oci-archive:{tmp_path / 'named.tar'}:{oci_name('my run #1')}")
    skopeo("copy", there, f"oci-archive:{tmp_path / 'unnamed.tar'}")
    other = Registry(tmp_path / "other")
    (named,) = import_archive(other, tmp_path / "named.tar")
    (unnamed,) = import_archive(other, tmp_path / "unnamed.tar")
    assert (named.name, named.kind, named.digest) == ("my run #1", "artifact", described.digest)
    assert (unnamed.kind, unnamed.digest) == ("anonymous", described.digest)
    assert verify(other).problems == ()
