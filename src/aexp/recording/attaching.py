"""Attaching bytes, files and objects to a run or a session (REC-04 to REC-07).

The bytes go to the registry first and at once (REC-02); then the run or the session is told.
Everything that can be refused is refused before the first byte is written.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from aexp.errors import UsageError
from aexp.model.attachment import Attachment, check_attachment_name, check_media_type
from aexp.recording import ommx
from aexp.recording.codecs import CODEC, AnyCodec, codec_name, encode_with, usable
from aexp.recording.formats import PARQUET, encode_json, encode_table
from aexp.recording.reading import RESERVED, Readable

if TYPE_CHECKING:
    from aexp.registry.store import Progress

T = TypeVar("T")


class Claims:
    """The names that are being attached just now, and the number of the next call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.names: set[str] = set()
        self.next_call = 0


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
        *,
        progress: Progress | None = None,
    ) -> None:
        """Attach a file. Its bytes are copied now; where it came from is not stored.

        Args:
            name: what it is called here.
            path: the file; a link to one is followed.
            media_type: what it is; found out from its content, then its extension, when None.
            filename: the name it is written under when exported; its own name when None.
            progress: called with the number of bytes just copied, for a progress bar.

        Raises:
            NotFoundError: there is no such file.
            UsageError: it is a folder or another thing that is no file, or the name is taken;
                nothing is written.
            RunClosedError: the run or session is closed.
            StorageError: the file cannot be read, or the disk refused.
        """
        from aexp.recording.files import attach_file

        attach_file(self, name, path, media_type, filename, progress)

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

    def log_figure(self, name: str, figure: object, format: str = "png", **options: object) -> None:
        """Attach a picture of a matplotlib figure, or of anything with ``savefig``.

        The same figure gives the same bytes: the picture holds no date.

        Args:
            name: what it is called here.
            figure: the figure, an axes of it, or ``matplotlib.pyplot`` for the current one.
            format: ``png``, ``svg``, ``pdf``, ``jpg``, ``webp`` or ``tif``.
            options: for ``savefig``, for example ``dpi=200``.

        Raises:
            UsageError: it has no ``savefig``, the format is none of those, or the name is taken;
                nothing is written.
            RunClosedError: the run or session is closed.
            StorageError: the disk refused.
        """
        from aexp.recording.figures import draw, media_type_of_format

        self._attach(
            name,
            media_type_of_format(format),
            lambda: draw(figure, format, options),
            filename=_with(name, f".{format}"),
        )

    def log_call(
        self,
        function: Callable[..., T],
        /,
        *args: object,
        codec: AnyCodec = None,
        output_codec: AnyCodec = None,
        **options: object,
    ) -> T:
        """Call ``function(*args, **options)``, record the call, and return what it returns.

        Arguments and result are stored as attachments, the arguments as they are before the
        call; options are stored as they can be shown. A call that raises is recorded as failed,
        and what it raised goes on to the caller (REC-06).

        Args:
            function: what to call.
            args: what goes in; numpy arrays, DataFrames, text, bytes, OMMX's messages, whatever
                an installed codec accepts, and everything that has a JSON form.
            codec: stores the arguments, whatever they are.
            output_codec: stores the result, whatever it is.
            options: keyword arguments of the call. They are no parameters of the run.

        Raises:
            UsageError: an argument cannot be stored; the call was not made.
            RunClosedError: the run or session is closed; the call was not made.
            StorageError: the disk refused.
        """
        from aexp.recording.calls import Work, record_call

        result: T = record_call(self, Work(function, args, options, codec, output_codec))
        return result

    def log_solve(self, adapter: Any, instance: object, **kwargs: object) -> Any:
        """Solve an instance with an adapter, record it, and return the solution (REC-06).

        The adapter gets a copy, and the instance is stored as it is.

        Args:
            adapter: a class (or an object) with ``solve(instance, **kwargs)``.
            instance: the problem.
            kwargs: for ``adapter.solve``; they are stored as the call's options.

        Raises:
            UsageError: the adapter has no ``solve``, or the instance cannot be copied or stored;
                nothing was solved.
            RunClosedError: the run or session is closed; nothing was solved.
            StorageError: the disk refused.
        """
        from aexp.recording.calls import record_call, solve_work

        self._check_open()
        return record_call(self, solve_work(adapter, instance, kwargs))

    def log_instance(self, name: str, instance: object) -> None:
        """Attach an OMMX ``Instance``; raises as :meth:`log_with_codec` (REC-07)."""
        self.log_with_codec(ommx.codec_for("Instance", instance), name, instance)

    def log_parametric_instance(self, name: str, pi: object) -> None:
        """Attach an OMMX ``ParametricInstance``; raises as :meth:`log_with_codec` (REC-07)."""
        self.log_with_codec(ommx.codec_for("ParametricInstance", pi), name, pi)

    def log_solution(self, name: str, solution: object) -> None:
        """Attach an OMMX ``Solution``; raises as :meth:`log_with_codec` (REC-07)."""
        self.log_with_codec(ommx.codec_for("Solution", solution), name, solution)

    def log_sample_set(self, name: str, sample_set: object) -> None:
        """Attach an OMMX ``SampleSet``; raises as :meth:`log_with_codec` (REC-07)."""
        self.log_with_codec(ommx.codec_for("SampleSet", sample_set), name, sample_set)

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

    def _claims(self) -> Claims:
        """Return the claims of this process: the same for all objects of one run or session."""
        # With the process in its name: a lock that was held at a fork is never released.
        made: Claims = self.__dict__.setdefault(f"_claims_{os.getpid()}", Claims())
        return made

    def _claim_call(self) -> int:
        """Return the number of the next recorded call, which nobody else gets."""
        claims = self._claims()
        with claims.lock:
            known, number = self._attachments(), claims.next_call
            while any(f"{RESERVED}{number}{part}" in known for part in ("", "/input")):
                number += 1
            claims.next_call = number + 1
        return number

    @contextmanager
    def _claim_free(self, name: str) -> Iterator[None]:
        self._check_open()
        claims = self._claims()
        with claims.lock:
            if name in claims.names or name in self._attachments():
                raise UsageError(
                    f"there is an attachment {name!r} already",
                    hint="attachments are never replaced; use another name",
                )
            claims.names.add(name)
        try:
            yield
        finally:
            with claims.lock:
                claims.names.discard(name)


def _with(name: str, suffix: str) -> str:
    """Return a file name for an attachment of a known format."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip() or "attachment"
    return base if base.lower().endswith(suffix) else base + suffix


def _bytes(data: Any) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    hint = "encode it first: text.encode()" if isinstance(data, str) else None
    raise UsageError(f"an attachment's content is bytes, not a {type(data).__name__}", hint=hint)
