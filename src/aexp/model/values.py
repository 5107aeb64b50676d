"""How text on a command line becomes a value of a state point (model.md, decision 10).

One rule for ``--sp``, ``--sweep`` and YAML templates, so that one intent has one id (trap 16).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from aexp.errors import UnsafeValueError, UsageError
from aexp.model.canonical import Json, decode_json
from aexp.model.statepoint import nest_keys, same_json

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_SECOND_PAIR = re.compile(r"\s([A-Za-z_][\w.]*):?=")
_EXAMPLE = "write key=value, for example lr=0.1"
_TEXT_HINT = "to record it as text, write key:=value"
_OPEN = {"[": "]", "{": "}", "(": ")"}


def parse_value(text: str) -> Json:
    """Return the value that ``text`` stands for.

    JSON when it parses as JSON (``0``, ``1e-3``, ``true``, ``[64,32]``), a number in plain
    decimal forms that JSON lacks (``.5``, ``5.``, ``+1``), else the text itself (dates too).

    Raises:
        UnsafeValueError: the text is a number too large for a float, or NaN or infinity, which
            no state point holds (decision 10).
    """
    stripped = text.strip()
    if _NO_NUMBER.fullmatch(stripped):
        raise UnsafeValueError(f"{stripped} is no value of a state point", hint=_TEXT_HINT)
    try:
        return decode_json(stripped)
    except ValueError:
        pass
    if not _DECIMAL.fullmatch(stripped):
        return text
    if re.fullmatch(r"[+-]?[0-9]+", stripped):
        return _integer(stripped) if not _has_leading_zero(stripped) else text
    if _has_leading_zero(stripped):
        return text
    value = float(stripped)
    if value in (float("inf"), float("-inf")):
        raise UnsafeValueError(f"{text} is too large for a number", hint=_TEXT_HINT)
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python limits how many digits it converts
        raise UnsafeValueError(
            f"a number of {len(text)} digits is too large", hint=_TEXT_HINT
        ) from None


def _has_leading_zero(text: str) -> bool:
    """Return whether a number is written like an identifier: ``007``, ``00.5``."""
    digits = text.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


def parse_assignments(texts: Iterable[str]) -> dict[str, Json]:
    """Return the state point that ``--sp`` options spell.

    Each text holds ``key=value`` pairs parted by commas; brackets and quotes protect commas
    (``layers=[64,32]``, ``note="a, b"``); ``key:=value`` keeps the value a string; dots in keys
    nest (``optimizer.lr=0.1``).

    Args:
        texts: the options, in order.

    Raises:
        UsageError: a text is empty, a pair has no ``=``, a malformed key, an unclosed bracket or
            quote, two pairs are not parted by a comma, or a key is given twice with different
            values.
        UnsafeValueError: a value or key may not be recorded.
    """
    flat: dict[str, Json] = {}
    for text in texts:
        parts = split_commas(text)
        if not parts:
            raise UsageError("--sp is empty", hint=f"leave it out, or {_EXAMPLE}")
        for part in parts:
            key, value = _parse_pair(part)
            if key in flat and not same_json(flat[key], value):
                raise UsageError(
                    f"--sp gives {key} twice: {flat[key]!r} and {value!r}",
                    hint="give each key once",
                )
            flat[key] = value
    return nest_keys(flat)


def _parse_pair(part: str) -> tuple[str, Json]:
    key, equals, text = part.partition("=")
    if not equals:
        raise UsageError(f"--sp has no '=' in {part!r}", hint=_EXAMPLE)
    forced = key.endswith(":")
    key = key.removesuffix(":").strip()
    if not key:
        raise UsageError(f"--sp has no key in {part!r}", hint=_EXAMPLE)
    if key.startswith("-") or len(key.split()) > 1:
        raise UsageError(f"--sp has no usable key in {part!r}", hint=_EXAMPLE)
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        parsed = text if forced else parse_value(text)
        return key, text[1:-1] if parsed == text else parsed
    if not forced and text[:1] not in _OPEN and (second := _SECOND_PAIR.search(text)):
        raise UsageError(
            f"--sp has no comma before {second[1]} in {part!r}",
            hint="part pairs by commas: lr=0.1,seed=0",
        )
    return key, text if forced else parse_value(text)


def split_commas(text: str) -> list[str]:
    """Split at commas that stand outside brackets and quotes, dropping empty parts.

    Raises:
        UsageError: a bracket or quote is never closed.
    """
    parts: list[str] = []
    current: list[str] = []
    closers: list[str] = []
    quote = ""
    escaped = False
    for index, char in enumerate(text):
        if quote:
            if char == quote and not escaped:
                quote = ""
            escaped = char == "\\" and not escaped
        elif char in "'\"" and (closers or _starts_value(text, index)):
            quote = char
        elif char in _OPEN:
            closers.append(_OPEN[char])
        elif closers and char == closers[-1]:
            closers.pop()
        elif char == "," and not closers:
            parts.append("".join(current))
            current = []
            continue
        current.append(char)
    if quote or closers:
        missing = quote or closers[-1]
        raise UsageError(
            f"--sp has no closing {missing} in {text!r}",
            hint="close it, and quote the whole for your shell: --sp 'layers=[64,32]'",
        )
    parts.append("".join(current))
    return [part.strip() for part in parts if part.strip()]


def _starts_value(text: str, index: int) -> bool:
    """Return whether a quote at ``index`` opens a value (an apostrophe inside a word does not)."""
    return text[:index].rstrip().endswith("=")
