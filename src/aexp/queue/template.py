"""The command of a run, made from the experiment's ``runner_command`` (QUE-02).

A value is quoted for the place where its placeholder stands: outside quotes as one shell word,
inside single or double quotes so that it cannot leave them. ``{key!raw}`` opts out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Final

from aexp.model.canonical import Json
from aexp.model.statepoint import RESERVED

_PLACEHOLDER = re.compile(r"(?<!\$)\{([^{}\s!]+)(!raw)?\}")
_IN_DOUBLE = re.compile(r'([\\"$`])')
RAW: Final = "!raw"


def render(template: str, statepoint: Mapping[str, Json], job_id: str) -> str:
    """Return the shell command of one run.

    ``{key}`` is a parameter, ``{a.b}`` one inside another; ``{sp_json}`` and ``{sp_json_shell}``
    are all parameters as JSON on one line, and ``{job_id}`` is the run's id. Any other ``{x}``,
    and ``${x}`` too, stays as it is.

    Args:
        template: the command of one run.
        statepoint: the run's whole state point.
        job_id: the run.
    """
    pieces: list[str] = []
    end = 0
    quote = ""
    for found in _PLACEHOLDER.finditer(template):
        value = _value(found[1], statepoint, job_id)
        if value is None:
            continue
        between = template[end : found.start()]
        quote = _quote_after(between, quote)
        pieces += [between, value if found[2] else _quoted(value, quote)]
        end = found.end()
    return "".join([*pieces, template[end:]])


def parameters(statepoint: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters of a state point: what aexp itself puts there is left out."""
    return {key: value for key, value in statepoint.items() if key not in RESERVED}


def _value(name: str, statepoint: Mapping[str, Json], job_id: str) -> str | None:
    if name == "job_id":
        return job_id
    if name in ("sp_json", "sp_json_shell"):
        return _json(parameters(statepoint))
    here: Json = statepoint
    for part in name.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here if isinstance(here, str) else _json(here)


def _json(value: Json) -> str:
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _quoted(value: str, quote: str) -> str:
    if quote == "'":
        return value.replace("'", "'\\''")
    return _IN_DOUBLE.sub(r"\\\1", value) if quote == '"' else shlex.quote(value)


def _quote_after(text: str, quote: str) -> str:
    """Return in which quotes a shell is after reading ``text``, having begun in ``quote``."""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
    return quote
