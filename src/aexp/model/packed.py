"""Values as bytes to be kept in memory and in the cache until somebody asks for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from aexp.model.canonical import Json

_decode: Final = msgspec.msgpack.Decoder().decode
_decode_list: Final = msgspec.msgpack.Decoder(list[Any]).decode
_OTHERWISE: Final = b"\xc1"
"""A first byte that MessagePack never has: JSON follows."""


def pack(value: Json) -> bytes:
    """Return ``value`` as bytes; nothing for None. Equal values in equal order have equal bytes."""
    if value is None:
        return b""
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, ValueError, TypeError):  # an integer of more than 64 bits
        return _OTHERWISE + json.dumps(value).encode("ascii")


def pack_all(values: Sequence[Json]) -> list[bytes]:
    """Return each of many values as bytes, as :func:`pack` does."""
    if None not in values:
        try:
            return list(map(msgspec.msgpack.encode, values))
        except (OverflowError, ValueError, TypeError):
            pass
    return list(map(pack, values))


def unpack(data: bytes) -> Json:
    """Return the value that :func:`pack` was given."""
    if not data:
        return None
    if data[:1] == _OTHERWISE:
        return json.loads(data[1:])
    return _decode(data)


def values_at(key: str, packed: Sequence[bytes], missing: object) -> list[object]:
    """Return what each of many packed mappings has at ``key``; the rest is not unpacked.

    Args:
        key: a key of theirs.
        packed: the mappings; one that is empty, or no mapping, has nothing.
        missing: stands for nothing.
    """
    if all(packed) and len(packed) < 2**32:
        at_key = msgspec.defstruct("At", [("value", Any, missing)], rename={"value": key}, gc=False)
        try:
            kind: Any = list[at_key]  # type: ignore[valid-type]
            found: list[Any] = msgspec.msgpack.decode(_joined(packed), type=kind)
            return [one.value for one in found]
        except msgspec.MsgspecError:  # JSON is among them, or something that is no mapping
            pass
    return [v.get(key, missing) if isinstance(v, dict) else missing for v in map(unpack, packed)]


def _joined(packed: Sequence[bytes]) -> bytes:
    """Return one list of them all: its head, and then its elements as they are."""
    return b"".join([b"\xdd", len(packed).to_bytes(4, "big"), *packed])


def unpack_all(packed: Sequence[bytes]) -> list[Json]:
    """Return the values of many, as :func:`unpack` does; together they take half the time."""
    if all(packed) and len(packed) < 2**32:
        try:
            return _decode_list(_joined(packed))
        except msgspec.MsgspecError:  # JSON is among them
            pass
    return list(map(unpack, packed))
