"""Folders, datasets and remotes for the tests of datasets and inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aexp.repo import Layout
from tests.data.published import execution_rid, file_output, put_execution

FILES = {
    "Image/a.png": b"a" * 1000,
    "Image/b.png": b"b" * 2000,
    "Label/labels.csv": b"image,grade\na,1\n",
    "README.md": b"# Digits\n",
    "empty.txt": b"",
}


def folder_of(place: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write files into a folder."""
    for name, data in (FILES if files is None else files).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def published(layout: Layout, number: int, files: dict[str, bytes], **facts: Any) -> str:
    """Put an execution with these assets (``Model/best.pt``) into the ledger; return its id."""
    execution = execution_rid(number)
    outputs = [
        file_output(layout, execution, data, name.rpartition("/")[2], name.rpartition("/")[0])
        for name, data in files.items()
    ]
    return put_execution(layout, number, outputs, **facts)


def drop(registry_root: Path, digest: str) -> None:
    """Take a blob out of a registry."""
    (registry_root / "blobs/sha256" / digest.removeprefix("sha256:")).unlink()


def damage(registry_root: Path, digest: str) -> None:
    """Change a byte of a blob, so that its size stays."""
    path = registry_root / "blobs/sha256" / digest.removeprefix("sha256:")
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
