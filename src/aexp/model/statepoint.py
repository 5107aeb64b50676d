"""What may stand in a state point, and the ids that come from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from aexp.errors import UnsafeValueError, UsageError
from aexp.model.canonical import Json, compact_bytes, signac_id, to_json

RESERVED = frozenset({"experiment_id", "code_commit", "code_dirty", "code_diff"})
"""Keys that aexp itself puts into a state point."""

MAX_BYTES = 32 * 1024
"""A state point larger than this (bytes of canonical JSON) would burst its ledger entry."""

_ONCE = "give each key once"
_NEST_HINT = "dots nest: optimizer.lr=0.1 makes optimizer a mapping with the key lr"
_KEY = re.compile(r"[^\x00-\x1f\x7f.]{1,256}")


def job_id(statepoint: Mapping[str, Json]) -> str:
    """Return the run's id: signac's hash of its state point (model.md, decision 6)."""
    return signac_id(statepoint)


def point_id(statepoint: Mapping[str, Json]) -> str:
    """Return the digest of a state point without its ``code_*`` keys.

    Two runs with one point id have the same parameters, whatever the code.
    """
    import hashlib

    kept = {key: value for key, value in statepoint.items() if not key.startswith("code_")}
    return hashlib.sha256(compact_bytes(kept)).hexdigest()[:32]


def nest_keys(flat: Mapping[str, Json]) -> dict[str, Json]:
    """Return ``flat`` with dotted keys made nested mappings, as signac needs.

    Raises:
        UsageError: a key is both a value and a mapping (``opt=adam,opt.lr=0.1``), or has an
            empty part.
    """
    result: dict[str, Json] = {}
    for dotted, value in flat.items():
        parts = str(dotted).split(".")
        if not all(part.strip() for part in parts):
            raise UsageError(f"the key {dotted!r} has an empty part", hint=_NEST_HINT)
        here = result
        for part in parts[:-1]:
            inner = here.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UsageError(
                    f"{dotted!r} needs {part!r} to be a mapping, but it has a value",
                    hint=_NEST_HINT,
                )
            here = inner
        if isinstance(value, Mapping):
            value = nest_keys(value)
        if isinstance(here.get(parts[-1]), dict):
            if not isinstance(value, dict):
                raise UsageError(f"{dotted!r} is both a value and a mapping", hint=_NEST_HINT)
            value = _merged(here[parts[-1]], value, dotted)
        elif parts[-1] in here and not same_json(here[parts[-1]], value):
            raise UsageError(f"{dotted} is given twice", hint=_ONCE)
        here[parts[-1]] = value
    return result


def same_json(first: Json, second: Json) -> bool:
    """Return whether two values are the same in a state point: 1, 1.0 and True differ."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def _merged(first: dict[str, Json], second: dict[str, Json], dotted: str) -> dict[str, Json]:
    result = dict(first)
    for key, value in second.items():
        if isinstance(result.get(key), dict) and isinstance(value, dict):
            value = _merged(result[key], value, f"{dotted}.{key}")
        elif key in result and not same_json(result[key], value):
            raise UsageError(f"{dotted}.{key} is given twice", hint=_ONCE)
        result[key] = value
    return result


def prepare_statepoint(statepoint: Mapping[str, object]) -> dict[str, Json]:
    """Return ``statepoint`` as plain nested JSON that may be recorded.

    Raises:
        UsageError: a key is malformed or uses a name that aexp sets itself.
        UnsafeValueError: NaN or infinity, a value without JSON form, a secret, or too large.
    """
    plain = to_json(statepoint, where="state point")
    nested = nest_keys(plain)
    check_statepoint(nested)
    return nested


def check_statepoint(statepoint: Mapping[str, Json]) -> None:
    """Check that every key and value may stand in a state point (model.md, decisions 8 and 10).

    Raises:
        UsageError: a key is malformed or reserved.
        UnsafeValueError: a value may not be recorded.
    """
    for key in RESERVED & set(statepoint):
        raise UsageError(
            f"{key} is set by aexp and cannot be given in a state point",
            hint="use --experiment to choose the experiment"
            if key == "experiment_id"
            else "choose another name for it",
        )
    _check_value(statepoint, "")
    from aexp.model.sanitize import find_secrets  # its patterns take as long as all the rest

    secrets = find_secrets(dict(statepoint))
    if secrets:
        shown = secrets[0].pointer.lstrip("/").replace("/", ".")
        raise UnsafeValueError(
            f"the state point's {shown} looks like a secret and would be committed",
            hint="pass it through the environment instead, and leave it out of --sp",
        )
    size = len(compact_bytes(dict(statepoint)))
    if size > MAX_BYTES:
        raise UnsafeValueError(
            f"the state point has {size} bytes; at most {MAX_BYTES} fit a ledger entry",
            hint="put large inputs into a file and name the file",
        )


def undeclared_paths(statepoint: Mapping[str, Json]) -> list[str]:
    """Return the keys, dotted, whose values hold absolute paths (a warning: model.md 8)."""
    from aexp.model.sanitize import find_absolute_paths

    return [p.lstrip("/").replace("/", ".") for p in find_absolute_paths(dict(statepoint))]


def _check_value(value: Json, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UnsafeValueError(
            f"{where} is {value}, which a state point cannot hold",
            hint="leave the key out, or force a string with key:=value",
        )
    if isinstance(value, str):
        _check_text(value, where)
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_text(key, repr(key))
            if not _KEY.fullmatch(key):
                raise UsageError(
                    f"{key!r} cannot be a key of a state point",
                    hint="use a short name without control characters, such as lr",
                )
            _check_value(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_value(item, f"{where}[{index}]")


def _check_text(text: str, where: str) -> None:
    if any(0xD800 <= ord(char) < 0xE000 for char in text):
        raise UnsafeValueError(
            f"{where} is no valid Unicode text",
            hint="write it in UTF-8, and say so to programs: LC_ALL=C.UTF-8",
        )
