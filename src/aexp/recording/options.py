"""The options of a recorded call, in a form that can be stored and shown (REC-06)."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from aexp.model.canonical import Json, encode_number
from aexp.model.credentials import REDACTED_SECRET
from aexp.model.sanitize import find_secrets, sanitize

_DEEPEST = 20
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_describe = reprlib.Repr()
_describe.maxother = 512


def portable_options(options: Mapping[str, Any]) -> tuple[dict[str, Json], list[str]]:
    """Return options as JSON without secrets, and pointers to what was redacted.

    Numbers that are not finite become the text ``"Infinity"`` and so on. What has no JSON form
    becomes its description, ``{"type": …, "repr": …}``: options are for people to compare, and
    what must be read back belongs among the arguments.
    """
    plain = {str(name): _plain(value, 0) for name, value in options.items()}
    secret = {finding.pointer for finding in find_secrets(plain)}
    if not secret:
        return plain, []
    hidden: set[str] = set()
    clean = _hide(plain, "", secret, hidden)
    if hidden != secret:  # a key is a secret itself
        clean, found = sanitize(plain)
        return clean, found
    return clean, sorted(hidden)


def _hide(value: Json, pointer: str, secret: set[str], hidden: set[str]) -> Json:
    if pointer in secret:
        hidden.add(pointer)
        return REDACTED_SECRET
    if isinstance(value, dict):
        return {k: _hide(v, f"{pointer}/{_escaped(k)}", secret, hidden) for k, v in value.items()}
    if isinstance(value, list):
        return [_hide(v, f"{pointer}/{i}", secret, hidden) for i, v in enumerate(value)]
    return value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _plain(value: object, depth: int) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int or type(value) is str:
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    if isinstance(value, float):
        return encode_number(float(value))
    if depth < _DEEPEST:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {str(key): _plain(item, depth + 1) for key, item in value.items()}
        if type(value) in (list, tuple):
            return [_plain(item, depth + 1) for item in value]  # type: ignore[attr-defined]
        if getattr(value, "shape", None) == () and callable(item := getattr(value, "item", None)):
            return _plain(item(), _DEEPEST)
        if hasattr(value, "__fspath__"):
            return _plain(str(value), depth)
    kind = type(value)
    text = _ADDRESS.sub("", _describe.repr_instance(value, 0))
    return {"type": f"{kind.__module__}.{kind.__qualname__}", "repr": _plain(text, _DEEPEST)}
