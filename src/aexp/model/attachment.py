"""Attachments: named bytes with a media type (REC-04)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, field

from aexp.errors import UsageError
from aexp.model.canonical import Json
from aexp.model.oci import Descriptor

TITLE = "org.opencontainers.image.title"
"""The OCI annotation for the file name that an attachment is exported under."""
NAME = "dev.aexp.attachment.name"
"""The annotation of a layer that holds an attachment: its name."""

_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Attachment(Struct, frozen=True):
    """What is known of an attachment without its bytes.

    Attributes:
        name: what it is called within its run or session.
        media_type: as RFC 6838 writes it.
        digest: ``sha256:`` and 64 hex digits of the bytes.
        size: bytes.
        filename: the basename it is written under when exported, or None.
        annotations: more facts, for example a codec's.
    """

    name: str
    media_type: str
    digest: str
    size: int
    filename: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return it as it stands in a document, a ledger entry and an artifact's config."""
        result: dict[str, Json] = {
            "name": self.name,
            "media_type": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.filename is not None:
            result["filename"] = self.filename
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        return result

    @classmethod
    def from_json(cls, value: object) -> Attachment | None:
        """Return the attachment in ``value``, None when it is none."""
        if not isinstance(value, Mapping):
            return None
        name, media_type = value.get("name"), value.get("media_type")
        digest, size = value.get("digest"), value.get("size")
        filename, annotations = value.get("filename"), value.get("annotations")
        if not (isinstance(name, str) and isinstance(media_type, str) and isinstance(digest, str)):
            return None
        if not isinstance(size, int) or isinstance(size, bool):
            return None
        return cls(
            name,
            media_type,
            digest,
            size,
            filename if isinstance(filename, str) else None,
            {str(k): str(v) for k, v in annotations.items()}
            if isinstance(annotations, Mapping)
            else {},
        )

    def layer(self) -> Descriptor:
        """Return the descriptor that stands for it in a manifest."""
        annotations = {**self.annotations, NAME: self.name}
        if self.filename is not None:
            annotations[TITLE] = self.filename
        return Descriptor(self.media_type, self.digest, self.size, annotations)


def check_attachment_name(name: object) -> str:
    """Return ``name`` when it can name an attachment.

    Raises:
        UsageError: it is no text, empty, longer than 256 characters, or holds a control character.
    """
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"an attachment needs a name, not {name!r}")
    if len(name) > 256 or _FORBIDDEN.search(name):
        raise UsageError(
            f"{name[:40]!r} cannot name an attachment",
            hint="use at most 256 characters, none of them a control character",
        )
    return name


def check_media_type(media_type: object) -> str:
    """Return ``media_type`` when it has the form ``type/subtype`` of RFC 6838.

    Raises:
        UsageError: it has not.
    """
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise UsageError(
            f"{media_type!r} is no media type", hint="write it like text/csv or application/json"
        )
    return media_type
