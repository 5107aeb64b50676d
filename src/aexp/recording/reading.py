"""Reading the attachments of a run or a session (SES-06)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from aexp.errors import CorruptDataError, NotFoundError, UsageError
from aexp.model.attachment import Attachment
from aexp.recording.codecs import AnyCodec, decode_as, decode_with, usable

if TYPE_CHECKING:
    from aexp.recording.call_records import Call, Solve
    from aexp.registry.store import Progress, Registry

RESERVED = "calls/"
"""What the names of recorded calls begin with; nobody else may use such a name."""


class Readable(ABC):
    """Whatever has attachments, open or sealed."""

    @abstractmethod
    def _attachments(self) -> Mapping[str, Attachment]:
        """Return the attachments by name, in the order in which they were logged."""

    @abstractmethod
    def _registry(self) -> Registry:
        """Return the registry that holds their bytes."""

    @property
    def attachments(self) -> Mapping[str, Attachment]:
        """What is known of each attachment, by name; recorded calls are left out."""
        everything = self._attachments().items()
        return {name: item for name, item in everything if not name.startswith(RESERVED)}

    @property
    def attachment_names(self) -> list[str]:
        """The names of the attachments, in the order in which they were logged."""
        return list(self.attachments)

    def attachment_media_type(self, name: str) -> str:
        """Return the media type of an attachment.

        Raises:
            NotFoundError: there is no attachment of that name.
        """
        return self._attachment(name).media_type

    def get_attachment(self, name: str) -> object:
        """Return an attachment, decoded by its media type.

        JSON gives the value, ``text/*`` a string, ``.npy`` and ``.npz`` numpy arrays, Parquet a
        DataFrame, and what an installed codec knows whatever that makes of it. Everything else,
        pictures included, comes as bytes. Nothing is unpickled, and nothing that the data names
        is imported.

        Raises:
            NotFoundError: there is no attachment of that name, or its bytes are not here.
            CorruptDataError: the bytes are not what the media type says.
            MissingExtraError: the library that reads it is not installed.
        """
        return self._decoded(self._attachment(name))

    def get_attachment_bytes(self, name: str) -> bytes:
        """Return an attachment's bytes as they are.

        Raises:
            NotFoundError: there is no attachment of that name, or its bytes are not here.
            CorruptDataError: the bytes do not have the digest they must have.
        """
        return self._registry().read(self._attachment(name).digest)

    def get_with_codec(self, codec: AnyCodec, name: str) -> object:
        """Return an attachment, decoded by ``codec``.

        Raises:
            NotFoundError: there is no attachment of that name, or its bytes are not here.
            UsageError: the codec is for another media type.
            CorruptDataError: the codec cannot read the bytes.
        """
        reader, attachment = usable(codec), self._attachment(name)
        if reader.media_type != attachment.media_type:
            raise UsageError(
                f"attachment {name!r} is {attachment.media_type}, "
                f"and the codec reads {reader.media_type}"
            )
        return decode_with(reader, self._registry().read(attachment.digest))

    def write_attachment(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Write an attachment's bytes to a file.

        Args:
            name: which attachment.
            path: the file to write; or a folder, in which it gets the file name that it was
                logged under, and stays in that folder whatever that name is.
            overwrite: replace the file when it exists.
            progress: called with the number of bytes just written, for a progress bar.

        Returns:
            The file's path.

        Raises:
            NotFoundError: there is no attachment of that name, its bytes are not here, or there
                is no such folder.
            UsageError: the file exists, and ``overwrite`` is false.
            CorruptDataError: the bytes do not have the digest they must have.
            StorageError: the disk refused.
        """
        attachment, target = self._attachment(name), Path(path)
        if target.is_dir():
            target /= _file_name(attachment)
        elif not target.parent.is_dir():
            raise NotFoundError(f"the folder {target.parent} does not exist", hint="make it first")
        if not overwrite and (target.exists() or target.is_symlink()):
            raise UsageError(
                f"{target} exists", hint="give another path, or overwrite=True to replace it"
            )
        # A link is replaced and not written through (trap 49).
        self._registry().copy_to(attachment.digest, target, progress=progress)
        return target

    @property
    def calls(self) -> list[Call]:
        """The calls that were recorded here, those of :meth:`solves` included, in order."""
        from aexp.recording.call_records import calls_of

        return calls_of(self)

    @property
    def solves(self) -> list[Solve]:
        """The calls that ``log_solve`` recorded, in order."""
        from aexp.recording.call_records import Solve

        return [call for call in self.calls if isinstance(call, Solve)]

    def _attachment(self, name: str) -> Attachment:
        everything = self._attachments()
        found = everything.get(name)
        if found is None:
            names = [known for known in everything if not known.startswith(RESERVED)]
            shown = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
            raise NotFoundError(
                f"there is no attachment {name!r}",
                hint=f"there is: {shown}" if names else "nothing is attached here",
            )
        return found

    def _decoded(self, attachment: Attachment) -> object:
        data = self._registry().read(attachment.digest)
        try:
            return decode_as(attachment.media_type, data)
        except CorruptDataError as error:
            raise CorruptDataError(
                f"attachment {attachment.name!r} is not the {attachment.media_type} that it "
                f"says it is: {error.message}",
                hint="get_attachment_bytes(name) and write_attachment(name, path) give its bytes",
            ) from error


def _file_name(attachment: Attachment) -> str:
    """Return a name that stays within its folder, whatever the attachment is called (trap 18)."""
    name = attachment.filename or attachment.name
    safe = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    return safe if safe not in ("", ".", "..") else "attachment"
