"""Codecs: how an object becomes the bytes of an attachment, and the other way (REC-05).

A codec is found by what it is asked for: by a value when one is logged, by a media type when one
is read. Only installed code is asked; nothing that an attachment says is ever imported, and
nothing is ever unpickled.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from aexp.errors import AexpError, CorruptDataError, UsageError
from aexp.model.attachment import check_media_type
from aexp.recording import formats, ommx

T = TypeVar("T", contravariant=True)
CODEC = "dev.aexp.codec"
"""The annotation that tells people which codec made an attachment; nothing is loaded by it."""
ENTRY_POINTS = "aexp.codecs"
"""The group of entry points that codecs are found in; an entry's name is its media type."""


@runtime_checkable
class Codec(Protocol[T]):
    """What a codec is: a class (or an object) with these three members.

    It may also have ``accepts(value) -> bool``; :meth:`Attaching.log_call` then uses it for such
    values without being told.
    """

    @property
    def media_type(self) -> str:
        """The media type of the bytes."""

    def encode(self, value: T, /) -> bytes:
        """Return the bytes of ``value``."""

    def decode(self, data: bytes, /) -> object:
        """Return the object that :meth:`encode` was given."""


class JsonCodec:
    """Standard JSON."""

    media_type = "application/json"

    @staticmethod
    def encode(value: object) -> bytes:
        """Return ``value`` as JSON text in UTF-8."""
        return formats.encode_json(value)

    @staticmethod
    def decode(data: bytes) -> object:
        """Return the value of a JSON text."""
        return formats.decode_json(data)


class TextCodec:
    """Plain text in UTF-8."""

    media_type = "text/plain"

    @staticmethod
    def accepts(value: object) -> bool:
        """Tell whether ``value`` is text."""
        return isinstance(value, str)

    @staticmethod
    def encode(value: str) -> bytes:
        """Return the text in UTF-8."""
        return formats.encode_text(value)

    @staticmethod
    def decode(data: bytes) -> str:
        """Return the text."""
        return formats.decode_text(data)


class BytesCodec:
    """Bytes as they are."""

    media_type = "application/octet-stream"

    @staticmethod
    def accepts(value: object) -> bool:
        """Tell whether ``value`` is a run of bytes."""
        return isinstance(value, bytes | bytearray | memoryview)

    @staticmethod
    def encode(value: bytes) -> bytes:
        """Return the bytes."""
        return bytes(value)

    @staticmethod
    def decode(data: bytes) -> bytes:
        """Return the bytes."""
        return data


class ArrayCodec:
    """A numpy array, as an ``.npy`` file. Arrays of Python objects are refused."""

    media_type = formats.NPY

    @staticmethod
    def accepts(value: object) -> bool:
        """Tell whether ``value`` is a numpy array, without importing numpy."""
        return formats.is_instance_of(value, "numpy", "ndarray")

    @staticmethod
    def encode(value: object) -> bytes:
        """Return the bytes of an ``.npy`` file."""
        return formats.encode_array(value)

    @staticmethod
    def decode(data: bytes) -> object:
        """Return the array."""
        return formats.decode_numpy(data)


class FrameCodec:
    """A pandas DataFrame (or another table that Arrow understands), as a Parquet file."""

    media_type = formats.PARQUET

    @staticmethod
    def accepts(value: object) -> bool:
        """Tell whether ``value`` is a table, without importing pandas."""
        return formats.is_table(value)

    @staticmethod
    def encode(value: object) -> bytes:
        """Return the bytes of a Parquet file."""
        return formats.encode_table(value)

    @staticmethod
    def decode(data: bytes) -> object:
        """Return the table as a pandas DataFrame."""
        return formats.decode_table(data)


_JSON_TYPES = frozenset({type(None), bool, int, float, list, tuple, dict})

AnyCodec = Any
"""A codec as callers hand it over: a class or an object with a codec's three members."""


def usable(codec: AnyCodec) -> Codec[Any]:
    """Return ``codec`` in a form whose ``encode`` and ``decode`` take one argument.

    A class whose methods are not static is made an object of.

    Raises:
        UsageError: it has not what a codec needs.
    """
    for member in ("encode", "decode"):
        if not callable(getattr(codec, member, None)):
            raise UsageError(
                f"{_name(codec)} is no codec: it has no {member}",
                hint="a codec has media_type, encode(value) -> bytes and decode(bytes) -> object",
            )
    check_media_type(getattr(codec, "media_type", None))
    if isinstance(codec, type) and inspect.isfunction(inspect.getattr_static(codec, "encode")):
        try:
            return cast(Codec[Any], codec())
        except TypeError as error:
            raise UsageError(
                f"{_name(codec)} needs arguments: {error}", hint="give an object of it as the codec"
            ) from error
    return cast(Codec[Any], codec)


def encode_with(codec: Codec[Any], value: object) -> bytes:
    """Return what ``codec`` makes of ``value``.

    Raises:
        UsageError: it does not take the value, or made something other than bytes.
    """
    try:
        data = codec.encode(value)
    except AexpError:
        raise
    except Exception as error:
        raise UsageError(
            f"{_name(codec)} cannot encode a {type(value).__name__}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise UsageError(f"{_name(codec)}.encode returned a {type(data).__name__}, not bytes")
    return bytes(data)


def codec_for_value(value: object) -> Codec[Any] | None:
    """Return the codec that takes ``value``, None when there is none but perhaps JSON.

    Values that are JSON already ask no installed codec, so that a broken one does no harm.
    """
    if type(value) in _JSON_TYPES:
        return None
    for codec in (*_built_in(), *ommx.CODECS, *_installed()):
        accepts = getattr(codec, "accepts", None)
        if callable(accepts) and accepts(value):
            return codec
    return None


def decode_as(media_type: str, data: bytes) -> object:
    """Return what ``data`` is by its media type; bytes where no codec knows it (SES-06).

    Raises:
        CorruptDataError: the data is not what its media type says.
        MissingExtraError: the library that reads it is not installed.
    """
    kind = media_type.lower()
    if kind == "application/json" or kind.endswith("+json"):
        return formats.decode_json(data)
    if kind in formats.JSON_LINES or kind.endswith("+jsonl"):
        return formats.decode_json_lines(data)
    if kind.startswith("text/"):
        return formats.decode_text(data)
    if kind in (formats.NPY, formats.NPZ):
        return formats.decode_numpy(data)
    if kind == formats.PARQUET:
        return formats.decode_table(data)
    codec = _by_media_type(kind)
    return data if codec is None else decode_with(codec, data)


def decode_with(codec: Codec[Any], data: bytes) -> object:
    """Return what ``codec`` makes of ``data``.

    Raises:
        CorruptDataError: the codec could not read it.
    """
    try:
        return codec.decode(data)
    except AexpError:
        raise
    except Exception as error:
        raise CorruptDataError(
            f"{_name(codec)} cannot read it: {type(error).__name__}: {error}",
            hint="write_attachment(name, path) gives you its bytes",
        ) from error


def _by_media_type(media_type: str) -> Codec[Any] | None:
    own = ommx.codec_of_media_type(media_type)
    if own is not None:
        return own
    for entry in _entry_points():
        if entry.name.lower() == media_type:
            return _loaded(entry)
    return None


def _built_in() -> tuple[Codec[Any], ...]:
    return tuple(usable(codec) for codec in (TextCodec, BytesCodec, ArrayCodec, FrameCodec))


class _Entry(Protocol):
    name: str
    value: str

    def load(self) -> Any: ...


_found: list[_Entry] | None = None
_codecs: dict[str, Codec[Any]] = {}
_finding = threading.Lock()


def _entry_points() -> list[_Entry]:
    global _found
    with _finding:
        if _found is None:
            from importlib.metadata import entry_points

            _found = list(entry_points(group=ENTRY_POINTS))
        return _found


def _installed() -> Iterator[Codec[Any]]:
    for entry in _entry_points():
        yield _loaded(entry)


def _loaded(entry: _Entry) -> Codec[Any]:
    if entry.value not in _codecs:
        try:
            codec = entry.load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the codec {entry.value} of {entry.name} cannot be loaded: {error}",
                hint="uninstall or mend the package that brings it",
            ) from error
        _codecs[entry.value] = usable(codec)
    return _codecs[entry.value]


def forget_installed() -> None:
    """Look for entry points anew the next time (for tests)."""
    global _found
    with _finding:
        _found = None
        _codecs.clear()


def codec_name(codec: object) -> str:
    """Return ``module.class`` of a codec, for people; nothing is ever loaded by it."""
    kind = codec if isinstance(codec, type) else type(codec)
    return f"{kind.__module__}.{kind.__qualname__}"


def _name(codec: object) -> str:
    return codec_name(codec).rpartition(".")[2]
