"""Values as bytes to be kept in memory and in the cache until somebody asks for them."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from aexp.model.canonical import Json

_decode: Final = msgspec.msgpack.Decoder().decode
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


def unpack(data: bytes) -> Json:
    """Return the value that :func:`pack` was given."""
    if not data:
        return None
    if data[:1] == _OTHERWISE:
        return json.loads(data[1:])
    return _decode(data)
