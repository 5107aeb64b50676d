"""How a publication goes, for whoever watches (EXE-40)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["storing", "uploading", "features", "publishing", "done"]


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """One look at a publication.

    Attributes:
        phase: ``storing`` in the registry here, ``uploading`` to the remote, ``features``,
            ``publishing`` the facts, ``done``.
        asset: the kind of the file that moves just now, or empty.
        file_name: its name, or empty.
        files_done: files that are whole in the place of this phase.
        files_total: files there are.
        bytes_done: bytes of files that are there: what a try that failed had sent is taken
            back, and what was there before counts at once (trap 53).
        bytes_total: bytes of all files.
        retries: how often something was tried again so far.
        message: what is to be said, such as why something is tried again; else empty.
    """

    phase: Phase
    asset: str = ""
    file_name: str = ""
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    retries: int = 0
    message: str = ""

    @property
    def fraction(self) -> float:
        """The share of the bytes that is done, from 0 to 1."""
        return self.bytes_done / self.bytes_total if self.bytes_total else 1.0


Callback: TypeAlias = Callable[[UploadProgress], None]
"""May be called from several threads, by one at a time."""
