"""Something that can be attached to, without a run around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from aexp.errors import RunClosedError
from aexp.model.attachment import Attachment
from aexp.recording.attaching import Attaching
from aexp.registry import Registry


class Holder(Attaching):
    """Attachments in memory, bytes in a real registry.

    Args:
        root: of the registry.
    """

    def __init__(self, root: Path) -> None:
        self.registry = Registry(root)
        self.kept: dict[str, Attachment] = {}
        self.closed = False

    def _attachments(self) -> Mapping[str, Attachment]:
        return self.kept

    def _registry(self) -> Registry:
        return self.registry

    def _record_attachment(self, attachment: Attachment) -> None:
        assert self.registry.has(attachment.digest), "the bytes come first (REG-02)"
        self.kept[attachment.name] = attachment

    def _check_open(self) -> None:
        if self.closed:
            raise RunClosedError("it is closed")

    def blobs(self) -> set[str]:
        """Return the digests of everything in the registry."""
        return {digest for digest, _ in self.registry.blobs()}


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    """Something to attach to."""
    return Holder(tmp_path / "registry")
