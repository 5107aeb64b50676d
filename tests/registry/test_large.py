"""Files larger than anybody wants in memory (REG-04)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aexp.errors import StorageError
from aexp.registry import Registry
from tests.registry.holding import leftovers
from tests.support.machines import checkout_environ

_CHILD = """
import json, resource, sys
from pathlib import Path
from aexp.registry import Registry, SetRef
from aexp.registry.archive import export_artifact, import_archive
from aexp.registry.verify import verify
from aexp.model.oci import Descriptor, Manifest
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
place = Path(sys.argv[1])
registry = Registry(place / "registry")
registry.put_file(place / "small")
empty = registry.put(b"{}")
before = peak()
steps = int(sys.argv[2])
blob = registry.put_file(place / "large")
registry.put_file(place / "large")
if steps > 1:
    manifest = registry.put_manifest(Manifest(
        Descriptor("application/vnd.oci.empty.v1+json", empty.digest, 2),
        (Descriptor("application/octet-stream", blob.digest, blob.size),)))
    registry.publish(SetRef("large", "artifact", manifest.digest))
    (place / "large").unlink()
    verify(registry)
    registry.copy_to(blob.digest, place / "copy")
    (place / "copy").unlink()
    export_artifact(registry, manifest.digest, place / "large.tar", name="large")
    registry.path(blob.digest).unlink()
    import_archive(registry, place / "large.tar")
print(json.dumps([blob.digest, blob.size, peak() - before]))
"""


def in_child(place: Path, steps: int) -> tuple[str, int, int]:
    """Return digest, size, and by how many KiB the child's peak memory grew."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(place), str(steps)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **checkout_environ()},
    )
    assert done.returncode == 0, done.stderr
    digest, size, grown = json.loads(done.stdout)
    return digest, size, grown


def make(path: Path, mib: int) -> str:
    """Write a file of ``mib`` MiB, no two of which are alike, and return its digest."""
    hashed = hashlib.sha256()
    block = os.urandom((1 << 20) - 8)
    with path.open("wb") as stream:
        for number in range(mib):
            chunk = number.to_bytes(8) + block
            hashed.update(chunk)
            stream.write(chunk)
    return f"sha256:{hashed.hexdigest()}"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """REG-04: 100 MiB, stored twice, take no more memory than the buffers."""
    make(tmp_path / "small", 6)
    wanted = make(tmp_path / "large", 100)
    digest, size, grown = in_child(tmp_path, 1)
    assert (digest, size) == (wanted, 100 << 20)
    assert grown < 16_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gibibytes(tmp_path: Path) -> None:
    """REG-04: 2 GiB stored, verified, copied out, exported and imported in constant memory."""
    make(tmp_path / "small", 6)
    wanted = make(tmp_path / "large", 2048)
    digest, size, grown = in_child(tmp_path, 2)
    assert (digest, size) == (wanted, 2 << 30)
    assert grown < 32_000
    registry = Registry(tmp_path / "registry")
    assert registry.size(digest) == size
    assert leftovers(registry.root) == []


@pytest.mark.parametrize("refusal", [None, errno.EXDEV, errno.EOPNOTSUPP])
def test_a_file_is_the_same_whether_or_not_the_kernel_copies_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int | None
) -> None:
    """REG-04: where the kernel cannot copy between two files, they are read and written here."""
    content = os.urandom(1 << 20) * 5 + b"end"
    (tmp_path / "model.bin").write_bytes(content)
    asked: list[int] = []
    real = os.copy_file_range

    def copy(*args: int) -> int:
        asked.append(args[2])
        if refusal is not None:
            raise OSError(refusal, os.strerror(refusal))
        return real(*args)

    monkeypatch.setattr(os, "copy_file_range", copy)
    done: list[int] = []
    registry = Registry(tmp_path / "registry")
    blob = registry.put_file(tmp_path / "model.bin", progress=done.append)
    assert asked
    assert blob.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert blob.size == sum(done) == len(content)
    assert registry.path(blob.digest).read_bytes() == content


def test_a_disk_that_is_full_while_the_kernel_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-04: the error is the disk's, one line, and nothing is left in the registry."""
    (tmp_path / "model.bin").write_bytes(bytes(1 << 23))

    def copy(*args: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", copy)
    registry = Registry(tmp_path / "registry")
    registry.initialise()
    with pytest.raises(StorageError, match="No space left"):
        registry.put_file(tmp_path / "model.bin")
    assert list(registry.blobs()) == []
    assert not any((registry.root / "tmp").iterdir())
