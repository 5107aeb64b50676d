"""kill -9 at each durable step of storing, publishing, exporting and importing (REG-03, REG-04)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.registry import Registry
from aexp.registry.verify import verify
from tests.registry.holding import held
from tests.support.killed import kill_everywhere

PHASES = ("torn", "after")
_STORE = """
from pathlib import Path
from aexp.registry import Registry, SetRef
from aexp.model.oci import Descriptor, Manifest
registry = Registry(Path("registry"))
with registry.lease("a test"):
    layer = registry.put_file(Path("source"))
    registry.put_many([b"one", b"two"])
    config = registry.put(b"{}")
    manifest = registry.put_manifest(Manifest(
        Descriptor("application/json", config.digest, config.size),
        (Descriptor("text/plain", layer.digest, layer.size),)))
    registry.publish(SetRef("new", "artifact", manifest.digest, expect=None))
"""
_AGAIN = _STORE.replace("expect=None", "")


def places(tmp_path: Path, prepare: Callable[[Path], None]) -> Callable[[int], Path]:
    """Return a maker of folders, each prepared alike."""

    def make(number: int) -> Path:
        place = tmp_path / str(number)
        place.mkdir()
        prepare(place)
        return place

    return make


def begin(place: Path) -> None:
    """Write a file to store."""
    (place / "source").write_bytes(b"0123456789" * 1000)


def begin_with_registry(place: Path) -> None:
    """Make a registry with one artifact as well."""
    begin(place)
    exec(
        _STORE.replace('"registry"', repr(str(place / "registry"))).replace(
            '"source"', repr(str(place / "source"))
        ),
        {},
    )


def strays(root: Path) -> list[str]:
    """Return the files of a registry that nobody would ever reclaim."""
    known = {"oci-layout", "index.json", "registry.sqlite", "registry.sqlite-journal"}
    known |= {"registry.lock", "registry.lock.gate"}
    found = [path for path in root.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(root))
        for path in found
        if not (
            path.name in known
            or path.parent.name == "sha256"
            or path.name.endswith(".aexp-tmp")
            or (path.parent.name == "leases" and path.suffix == ".json")
        )
    ]


@pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_storing_and_publishing(tmp_path: Path, prepared: bool) -> None:
    """REG-03, REG-04: each blob is whole or absent, each ref reaches all of its artifact."""
    prepare = begin_with_registry if prepared else begin
    program = ["-c", _AGAIN.replace('"new"', '"second"') if prepared else _STORE]
    reached = 0
    for point, place in kill_everywhere(program, places(tmp_path, prepare), phases=PHASES):
        root = place / "registry"
        if not root.exists():
            continue
        registry = Registry(root)
        if (root / "blobs" / "sha256").is_dir():
            held(root)
        assert strays(root) == [], point
        assert registry.live_leases() == [], point
        report = verify(registry)
        assert report.problems == (), point
        assert report.refs >= prepared, point
        reached += report.refs
        again = Registry(root)
        again.put_file(place / "source")
        assert len(held(root)) >= 1
        exec(
            _AGAIN.replace('"registry"', repr(str(root))).replace(
                '"source"', repr(str(place / "source"))
            ),
            {},
        )
        assert again.ref("new") is not None
        assert verify(again).problems == (), point
        shutil.rmtree(place)
    assert reached > 0


def test_exporting(tmp_path: Path) -> None:
    """SES-06: an export that is killed leaves the old file or the new one, never a torn one."""

    def prepare(place: Path) -> None:
        begin_with_registry(place)
        (place / "new.tar").write_bytes(b"before")

    program = [
        "aexp",
        "registry",
        "export",
        "new",
        "--root",
        "registry",
        "--force",
        "-o",
        "new.tar",
    ]
    whole = None
    for point, place in kill_everywhere(program, places(tmp_path, prepare), phases=PHASES):
        content = (place / "new.tar").read_bytes()
        if content != b"before":
            whole = whole or content
            assert content == whole, point
        others = {path.name for path in place.iterdir()} - {"new.tar", "source", "registry"}
        assert all(name.endswith(".aexp-tmp") for name in others), point
        shutil.rmtree(place)
    assert whole is not None


def test_importing(tmp_path: Path) -> None:
    """SES-06: an import that is killed leaves no name for an artifact that is not whole."""
    first = tmp_path / "first"
    first.mkdir()
    begin_with_registry(first)
    from aexp.registry.archive import export_artifact

    origin = Registry(first / "registry")
    ref = origin.ref("new")
    assert ref is not None
    export_artifact(origin, ref.digest, first / "new.tar", name="new")

    def prepare(place: Path) -> None:
        shutil.copy(first / "new.tar", place / "new.tar")
        Registry(place / "registry").initialise()

    program = ["aexp", "registry", "import", "new.tar", "--root", "registry"]
    seen = set()
    for point, place in kill_everywhere(program, places(tmp_path, prepare), phases=("after",)):
        registry = Registry(place / "registry")
        report = verify(registry)
        assert report.problems == (), point
        seen.add(report.refs)
        shutil.rmtree(place)
    assert seen == {0, 1}
