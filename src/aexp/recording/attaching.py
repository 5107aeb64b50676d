"""Attaching bytes, files and objects to a run or a session (REC-04 to REC-07).

The bytes go to the registry first and at once (REC-02); then the run or the session is told.
Everything that can be refused is refused before the first byte is written.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any

from aexp.errors import UsageError
from aexp.model.attachment import Attachment, check_attachment_name, check_media_type
from aexp.recording.codecs import AnyCodec, encode_with, usable
from aexp.recording.formats import PARQUET, encode_json, encode_table
from aexp.recording.reading import RESERVED, Readable

CODEC = "dev.aexp.codec"
"""The annotation that tells people which codec made an attachment; nothing is loaded by it."""

_claiming = threading.Lock()


class Attaching(Readable):
    """Whatever can be attached to while it is open. Safe to use from several threads."""

    @abstractmethod
    def _record_attachment(self, attachment: Attachment) -> None:
        """Remember an attachment whose bytes are in the registry."""

    @abstractmethod
    def _check_open(self) -> None:
        """Raise :class:`RunClosedError` when nothing can be recorded any more."""

    def log_attachment(self, name: str, media_type: str, bytes: bytes) -> None:
        """Attach bytes.

        Args:
            name: what they are called here; 1 to 256 characters, used once.
            media_type: what they are, as RFC 6838 writes it, for example ``text/csv``.
            bytes: the bytes.

        Raises:
            UsageError: the name is taken, or an argument is of the wrong kind; nothing is written.
            RunClosedError: the run or session is closed.
            StorageError: the disk refused.
        """
        data = _bytes(bytes)
        self._attach(name, check_media_type(media_type), lambda: data)

    def log_json(self, name: str, value: object) -> None:
        """Attach a value as standard JSON; numpy scalars and arrays become plain ones.

        Raises:
            UsageError: the value has no JSON form (NaN and infinities have none), or the name is
                taken; nothing is written.
            RunClosedError: the run or session is closed.
            StorageError: the disk refused.
        """
        self._attach(name, "application/json", lambda: encode_json(value))

    def log_with_codec(self, codec: AnyCodec, name: str, value: object) -> None:
        """Attach an object in the form that a codec gives it (REC-05).

        Args:
            codec: a class with ``media_type``, ``encode(value) -> bytes`` and
                ``decode(bytes) -> object``.
            name: what it is called here.
            value: what ``codec.encode`` takes.

        Raises:
            UsageError: that is no codec, or the name is taken; nothing is written.
            RunClosedError: the run or session is closed.
            StorageError: the disk refused.
        """
        writer = usable(codec)
        note = {CODEC: codec_name(codec)}
        self._attach(name, writer.media_type, lambda: encode_with(writer, value), annotations=note)

    def log_file(
        self,
        name: str,
        path: str | PathLike[str],
        media_type: str | None = None,
        filename: str | None = None,
    ) -> None:
        """Attach a file. Its bytes are copied now; where it came from is not stored.

        Args:
            name: what it is called here.
            path: the file; a link to one is followed.
            media_type: what it is; found out from its content, then its extension, when None.
            filename: the name it is written under when exported; its own name when None.

        Raises:
            NotFoundError: there is no such file.
            UsageError: it is a folder or another thing that is no file, or the name is taken;
                nothing is written.
            RunClosedError: the run or session is closed.
            StorageError: the file cannot be read, or the disk refused.
        """
        from aexp.recording.files import attach_file

        attach_file(self, name, path, media_type, filename)

    def log_table(self, name: str, table: object) -> None:
        """Attach a pandas DataFrame (or a pyarrow or polars table) as Parquet.

        Raises:
            UsageError: it is no table, a column has no Parquet form, or the name is taken;
                nothing is written.
            MissingExtraError: pyarrow is not installed.
            RunClosedError: the run or session is closed.
            StorageError: the disk refused.
        """
        self._attach(name, PARQUET, lambda: encode_table(table), filename=_with(name, ".parquet"))

    def _attach(
        self,
        name: str,
        media_type: str,
        data: Callable[[], bytes],
        *,
        filename: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        with self._claim(name):
            blob = self._registry().put(data())
            attachment = Attachment(
                name, media_type, blob.digest, blob.size, filename, annotations or {}
            )
            self._record_attachment(attachment)

    @contextmanager
    def _claim(self, name: object) -> Iterator[str]:
        """Hold a name that nobody else has, while its bytes are on their way.

        Raises:
            UsageError: it can be no name, or is taken.
            RunClosedError: the run or session is closed.
        """
        checked = check_attachment_name(name)
        if checked.startswith(RESERVED):
            raise UsageError(
                f"names that begin with {RESERVED!r} are for recorded calls",
                hint="use another name, for example with '-' for '/'",
            )
        with self._claim_free(checked):
            yield checked

    @contextmanager
    def _claim_free(self, name: str) -> Iterator[None]:
        self._check_open()
        with _claiming:
            claimed: set[str] = self.__dict__.setdefault("_claimed_names", set())
            if name in claimed or name in self._attachments():
                raise UsageError(
                    f"there is an attachment {name!r} already",
                    hint="attachments are never replaced; use another name",
                )
            claimed.add(name)
        try:
            yield
        finally:
            with _claiming:
                claimed.discard(name)


def codec_name(codec: AnyCodec) -> str:
    """Return the name of a codec's class, for people."""
    kind = codec if isinstance(codec, type) else type(codec)
    return f"{kind.__module__}.{kind.__qualname__}"


def _with(name: str, suffix: str) -> str:
    """Return a file name for an attachment of a known format."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip() or "attachment"
    return base if base.lower().endswith(suffix) else base + suffix


def _bytes(data: Any) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    hint = "encode it first: text.encode()" if isinstance(data, str) else None
    raise UsageError(f"an attachment's content is bytes, not a {type(data).__name__}", hint=hint)
