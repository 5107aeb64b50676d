"""Where things are on a remote (docs/format/remote.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.canonical import Json, decode_json
from aexp.model.oci import is_digest

MARKER: Final = "aexp-remote.json"
"""The file that says which version of the layout a remote has."""
FORMAT: Final = 1
BLOBS: Final = "blobs/sha256"

_SLUG = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """What a remote says of one artifact or one run: a small file that never changes.

    Attributes:
        kind: ``artifact``, ``run``, ``outputs`` (of an execution) or ``dataset``.
        name: the artifact's name, or the run's full id.
        digest: of the manifest.
        pushed_at: when, as ISO 8601 in UTC.
        machine: the label of the machine that pushed it first.
        facts: more, for people: ``committed_at`` of an artifact.
    """

    kind: str
    name: str
    digest: str
    pushed_at: str
    machine: str
    facts: Mapping[str, str]

    @property
    def path(self) -> str:
        """Where it is on the remote."""
        return f"{ref_folder(self.kind, self.name)}/{self.digest.removeprefix('sha256:')}.json"

    def encode(self) -> bytes:
        """Return the file's bytes."""
        value: dict[str, Json] = {
            "schema_version": FORMAT,
            "kind": self.kind,
            "name": self.name,
            "digest": self.digest,
            "pushed_at": self.pushed_at,
            "machine": self.machine,
            "facts": dict(self.facts),
        }
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        return (text + "\n").encode("utf-8", "backslashreplace")


def decode_ref(data: bytes, path: str) -> RemoteRef:
    """Return the ref in the bytes of the file at ``path``.

    Raises:
        CorruptDataError: it is none, or it stands in the place of another.
        NewerSchemaError: a newer aexp wrote it.
    """
    try:
        value = decode_json(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CorruptDataError(f"{path} on the remote is no JSON object")
    version = value.get("schema_version")
    if isinstance(version, int) and version > FORMAT:
        raise NewerSchemaError(f"{path} on the remote was written by a newer aexp")
    kind, name, digest = value.get("kind"), value.get("name"), value.get("digest")
    facts = value.get("facts")
    if not isinstance(kind, str) or not isinstance(name, str) or not is_digest(digest):
        raise CorruptDataError(f"{path} on the remote is no ref")
    ref = RemoteRef(
        kind,
        name,
        str(digest),
        str(value.get("pushed_at") or ""),
        str(value.get("machine") or ""),
        {str(k): str(v) for k, v in facts.items()} if isinstance(facts, Mapping) else {},
    )
    if ref.path != path:
        raise CorruptDataError(f"{path} on the remote is the ref of something else")
    return ref


def ref_folder(kind: str, name: str) -> str:
    """Return the folder with all refs of one name.

    Any name is legal, and file systems and object stores differ in what they take: so a name is
    told by its hash, behind a few of its letters for people.
    """
    if kind in ("run", "outputs"):
        return f"refs/{kind}/{name[:2]}/{name}"
    slug = _SLUG.sub("-", name)[:40].strip("-.") or "name"
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"refs/{kind}/{slug}-{mark}"


def blob_folder(digest: str) -> str:
    """Return the folder of a blob: one of 256, so that no folder grows beyond listing."""
    return f"{BLOBS}/{digest[7:9]}"


def blob_path(digest: str) -> str:
    """Return where a blob is."""
    return f"{blob_folder(digest)}/{digest[7:]}"


def marker_bytes() -> bytes:
    """Return what the marker file holds."""
    return json.dumps({"aexp_remote": FORMAT}).encode() + b"\n"


def check_marker(data: bytes) -> None:
    """Accept the marker of a remote whose layout this version knows.

    Raises:
        NewerSchemaError: a newer aexp made the remote.
        CorruptDataError: it is no marker.
    """
    try:
        value = decode_json(data)
    except ValueError:
        value = None
    version = value.get("aexp_remote") if isinstance(value, dict) else None
    if not isinstance(version, int):
        raise CorruptDataError(f"{MARKER} on the remote is damaged")
    if version > FORMAT:
        raise NewerSchemaError("the remote was made by a newer version of aexp")
