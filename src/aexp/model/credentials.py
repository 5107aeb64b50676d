"""How secrets look: by their own shape, by the name and by the command they stand with (LED-02)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aexp.model.secret_addresses import login_lines, redact_logins
from aexp.model.secret_commands import argument_spans, is_tool, secret_arguments
from aexp.model.secret_names import (
    HOLDS_PATH,
    IN_FILE,
    MAY_HOLD_PATH,
    NO_PATH,
    KeyInfo,
    key_info,
)
from aexp.model.secret_text import login_argument, named_secrets, says_secret
from aexp.model.secret_tokens import redact_keys, redact_tokens
from aexp.model.secret_values import (
    CHANCE,
    CREDENTIAL,
    LIKELY,
    LISTED,
    ORDINARY,
    PASSWORD,
    REDACTED_SECRET,
    SIBLING,
    is_secret_value,
    is_word,
)

__all__ = [
    "CHANCE",
    "CREDENTIAL",
    "HOLDS_PATH",
    "IN_FILE",
    "LIKELY",
    "LISTED",
    "MAY_HOLD_PATH",
    "MINIMUM_SECRET",
    "NO_PATH",
    "ORDINARY",
    "PASSWORD",
    "REDACTED_SECRET",
    "SIBLING",
    "KeyInfo",
    "is_secret_value",
    "is_tool",
    "is_word",
    "key_info",
    "login_argument",
    "redact_secrets",
    "secret_arguments",
]

_SIGNS = (*"=: <,(\t|;", "%3")
"""Without any of these nothing in a text has a name."""
MINIMUM_SECRET = 10
"""Characters; no token, assignment, command or URL with a secret is shorter."""


def redact_secrets(text: str, hit: Callable[[str], None]) -> str:
    """Return ``text`` without the secrets that show by their shape or by what stands beside them.

    Args:
        text: any string.
        hit: called with ``secret`` or ``credential-url`` for each one.
    """
    text = redact_keys(text, hit)
    text = redact_logins(text, hit)
    if text.count(":") >= 4:
        text = _without(text, login_lines(text), hit)
    text = redact_tokens(text, hit, _holds_secret)
    named = any(map(text.__contains__, _SIGNS)) or not text.isascii()
    if named and says_secret(text):
        text = _without(text, named_secrets(text), hit)
    if " " in text or "," in text:
        text = _without(text, argument_spans(text), hit)
    return text


def _holds_secret(text: str) -> bool:
    found: list[str] = []
    redact_secrets(text, found.append)
    return bool(found)


def _without(text: str, spans: Iterator[tuple[int, int]], hit: Callable[[str], None]) -> str:
    """Return ``text`` with a placeholder in place of the spans; the wider of two that overlap."""
    parts: list[str] = []
    done = 0
    for start, end in sorted(set(spans), key=lambda span: (span[0], -span[1])):
        if start < done:
            continue
        parts += [text[done:start], REDACTED_SECRET]
        done = end
        hit("secret")
    return "".join([*parts, text[done:]])
