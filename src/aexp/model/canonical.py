"""Canonical JSON, and the two identities that rest on it.

Two forms, never to be mixed up (model.md, decision 6):

* *signac's form*, ``json.dumps(value, sort_keys=True)``, gives a run its id;
* *the ledger's form* (LED-06) is what stands in files: sorted keys, two spaces of indent, UTF-8,
  a trailing newline, Python's shortest round-trip form for numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from aexp.errors import UnsafeValueError

Json: TypeAlias = Any
"""A value made of None, bool, int, float, str, list and dict with str keys."""

NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The strings that stand for non-finite numbers in files (LED-02)."""


# `json.dumps` makes an encoder each time it is called with options; these are made once.
_SIGNAC_FORM = json.JSONEncoder(sort_keys=True).encode
_COMPACT_FORM = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def compact_bytes(value: Json) -> bytes:
    """Return the shortest canonical encoding of ``value`` (for digests and comparisons).

    Raises:
        ValueError: ``value`` holds NaN or an infinity, or is no JSON.
    """
    try:
        text = _COMPACT_FORM(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    return text.encode("utf-8")


def canonical_bytes(value: Json) -> bytes:
    """Return ``value`` in the ledger's form (LED-06).

    Raises:
        ValueError: ``value`` holds NaN or an infinity, or is no JSON.
    """
    return msgspec.json.format(compact_bytes(value), indent=2) + b"\n"


def digest_of(data: bytes) -> str:
    """Return ``sha256:<64 hex>`` of ``data``."""
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()


def signac_id(statepoint: Mapping[str, Json]) -> str:
    """Return the job id that signac gives to ``statepoint``: 32 hex digits.

    It is the MD5 of ``json.dumps(statepoint, sort_keys=True)``, signac's own rule.
    """
    import hashlib

    blob = _SIGNAC_FORM(statepoint)
    return hashlib.md5(blob.encode(), usedforsecurity=False).hexdigest()


def has_signac_id(statepoint: Mapping[str, Json], job_id: str) -> bool:
    """Return whether :func:`signac_id` of ``statepoint`` is ``job_id``; half the time of that.

    Most state points look the same in msgspec's hand. What has the right hash is signac's own
    text; what has another may differ in the form of a number only, and is written out.
    """
    import hashlib

    try:
        text = msgspec.json.format(msgspec.json.encode(statepoint, order="sorted"), indent=0)
    except (OverflowError, ValueError, TypeError, RecursionError):
        text = b""
    if hashlib.md5(text, usedforsecurity=False).hexdigest() == job_id:
        return True
    return signac_id(statepoint) == job_id


def decode_json(data: bytes | str) -> Json:
    """Decode strict JSON: no NaN, no infinity.

    Raises:
        ValueError: the text is no JSON.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode_number(value: float) -> float | str:
    """Return a number as it stands in a file: non-finite ones as strings (LED-02, traps 11, 69)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def decode_number(value: Json) -> float | None:
    """Return the number that :func:`encode_number` wrote, or None when it is no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    return NONFINITE.get(value) if isinstance(value, str) else None


_PLAIN = frozenset({bool, int, float, str})


def to_json(value: object, *, where: str = "value") -> Json:
    """Return ``value`` as plain JSON data, unwrapping numpy scalars and mapping-like objects.

    Mappings that are no ``dict`` (signac's synced collections, LED-03), sequences and anything
    with ``.tolist()`` or ``.item()`` (numpy, torch) are converted.

    Raises:
        UnsafeValueError: a value or key has no JSON form.
    """
    kind = type(value)
    if value is None or kind in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # the text itself, also of an enumeration's member
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {
            key if type(key) is str else _key(key, where): item
            if type(item) in _PLAIN
            else to_json(item, where=f"{where}.{key}")
            for key, item in value.items()
        }
    for method in ("tolist", "item"):
        convert = getattr(value, method, None)
        if callable(convert) and type(plain := convert()) is not type(value):
            return to_json(plain, where=where)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [to_json(item, where=f"{where}[{i}]") for i, item in enumerate(value)]
    if hasattr(value, "__fspath__"):
        return str(value)
    raise UnsafeValueError(
        f"{where} is a {type(value).__name__}, which has no JSON form",
        hint="use numbers, strings, booleans, lists and mappings",
    )


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return key
    raise UnsafeValueError(f"{where} has the key {key!r}; keys must be strings")
