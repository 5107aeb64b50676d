"""Where the frontmatter of a markdown file begins and ends."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

Problem = Literal["missing", "unterminated"]

_OPEN: Final = re.compile(r"\ufeff?---[ \t]*(?:\r?\n|\Z)")
_CLOSE: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)

FIRST_LINE: Final = 2
"""The line of the file on which the YAML begins."""


class Parts(Struct, frozen=True):
    """A file in four pieces that joined give the file again.

    Attributes:
        opening: the ``---`` line, with a byte order mark when there is one; empty when missing.
        yaml: what stands between the fences.
        closing: the closing fence.
        body: everything after it; the whole text when there is no usable frontmatter.
        problem: why there is no frontmatter, None when there is.
    """

    opening: str
    yaml: str
    closing: str
    body: str
    problem: Problem | None = None

    @property
    def text(self) -> str:
        """The whole file."""
        return self.opening + self.yaml + self.closing + self.body

    @property
    def body_line(self) -> int:
        """The line of the file on which the body begins, counted from 1."""
        return (self.opening + self.yaml + self.closing).count("\n") + 1


def split(text: str) -> Parts:
    """Split a file into its frontmatter and its body (VAL-07).

    Windows line endings and a byte order mark are fine. A file without frontmatter, or with one
    that never ends, is no error here: ``problem`` says so and the body is the whole text.
    """
    opening = _OPEN.match(text)
    if opening is None:
        return Parts("", "", "", text, "missing")
    closing = _CLOSE.search(text, opening.end())
    if closing is None:
        return Parts("", "", "", text, "unterminated")
    return Parts(
        opening.group(),
        text[opening.end() : closing.start()],
        closing.group(),
        text[closing.end() :],
    )


def key_line(yaml: str, key: str) -> int | None:
    """Return the line of the file on which a key of the frontmatter stands; None when not found.

    Found by its looks, without parsing, so that an issue may name a line at next to no cost.

    Args:
        yaml: what stands between the fences.
        key: a top-level key.
    """
    found = re.search(
        rf"^(?:{re.escape(key)}|(['\"]){re.escape(key)}\1)[ \t]*:", yaml, re.MULTILINE
    )
    return None if found is None else FIRST_LINE + yaml.count("\n", 0, found.start())


def item_lines(yaml: str, key: str) -> list[int]:
    """Return the line of the file on which each item of a list begins.

    Items of a list in brackets all stand on the line of the key, for all one can tell by looks.

    Args:
        yaml: what stands between the fences.
        key: a top-level key whose value is a list.
    """
    start = key_line(yaml, key)
    if start is None:
        return []
    found: list[int] = []
    indent = -1
    for number, line in enumerate(yaml.split("\n")[start - FIRST_LINE + 1 :], start + 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip(" "))
        is_item = words == "-" or words.startswith("- ")
        if indent < 0 and is_item:
            indent = depth
        if is_item and depth == indent:
            found.append(number)
        elif indent < 0 or depth <= indent:
            break
    return found
