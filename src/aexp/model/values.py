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
            key, value = parse_pair(part)
            if key in flat and not same_json(flat[key], value):
                raise UsageError(
                    f"--sp gives {key} twice: {flat[key]!r} and {value!r}",
                    hint="give each key once",
                )
            flat[key] = value
    return nest_keys(flat)


def parse_pair(part: str, *, option: str = "--sp") -> tuple[str, Json]:
    """Return the key and the value that one ``key=value`` spells.

    Args:
        part: the text, without a comma beside it.
        option: what it was given to, for messages.

    Raises:
        UsageError: it is no such pair.
        UnsafeValueError: the value may not be recorded.
    """
    key, forced, text = split_pair(part, option=option)
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        parsed = text if forced else parse_value(text)
        return key, text[1:-1] if parsed == text else parsed
    if not forced and text[:1] not in _OPEN and (second := _SECOND_PAIR.search(text)):
        raise UsageError(
            f"{option} has no comma before {second[1]} in {part!r}",
            hint="part pairs by commas: lr=0.1,seed=0",
        )
    return key, text if forced else parse_value(text)


def split_pair(part: str, *, option: str = "--sp") -> tuple[str, bool, str]:
    """Return the key of ``key=value``, whether ``:=`` forces a string, and the value's text.

    Raises:
        UsageError: it has no ``=``, or no usable key.
    """
    key, equals, text = part.partition("=")
    if not equals:
        raise UsageError(f"{option} has no '=' in {part!r}", hint=_EXAMPLE)
    forced = key.endswith(":")
    key = key.removesuffix(":").strip()
    if not key:
        raise UsageError(f"{option} has no key in {part!r}", hint=_EXAMPLE)
    if key.startswith("-") or len(key.split()) > 1:
        raise UsageError(f"{option} has no usable key in {part!r}", hint=_EXAMPLE)
    return key, forced, text.strip()


def split_commas(text: str, *, option: str = "--sp") -> list[str]:
    """Split at commas that stand outside brackets and quotes, dropping empty parts.

    Raises:
        UsageError: a bracket or quote is never closed.
    """
    return split_outside(text, ",", option=option)


def split_outside(text: str, separator: str, *, option: str, opens: str = "=") -> list[str]:
    """Split at a separator that stands outside brackets and quotes, dropping empty parts.

    Args:
        text: what to split.
        separator: one character.
        option: what ``text`` was given to, for messages.
        opens: characters after which a quote begins; an apostrophe inside a word does not. At
            the beginning of the text one does when ``separator`` is among them.

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
        elif char in "'\"" and (closers or _starts_value(text, index, separator, opens)):
            quote = char
        elif char in _OPEN:
            closers.append(_OPEN[char])
        elif closers and char == closers[-1]:
            closers.pop()
        elif char == separator and not closers:
            parts.append("".join(current))
            current = []
            continue
        current.append(char)
    if quote or closers:
        missing = quote or closers[-1]
        raise UsageError(
            f"{option} has no closing {missing} in {text!r}",
            hint=f"close it, and quote the whole for your shell: {option} 'layers=[64,32]'",
        )
    parts.append("".join(current))
    return [part.strip() for part in parts if part.strip()]


def _starts_value(text: str, index: int, separator: str, opens: str) -> bool:
    """Return whether a quote at ``index`` opens a value."""
    before = text[:index].rstrip()
    return before.endswith(tuple(opens)) or (not before and separator in opens)
