"""The little of markdown that aexp looks at: headings, wikilinks, the list under ``## Links``.

Fenced code, HTML comments, inline code and escaped brackets are not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aexp.kb.names import id_of_link

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*")
_INLINE_CODE: Final = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK: Final = re.compile(r"(?<!\\)\[\[([^\[\]|#\r\n]+)(?:[#|][^\[\]\r\n]*)?\]\]")
_COMMENT_START: Final = re.compile(r"(?<!\\)<!--")
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_LIST_ITEM: Final = re.compile(r"\s*(?:[-*+]|\d+[.)])(?:\s|$)")

LINKS_HEADING: Final = "Links"
BLANK: Final = "\0"
"""What :func:`without_code` puts in place of a character that is no prose."""


def prose_lines(body: str) -> Iterator[tuple[int, str]]:
    """Yield ``(index, line)`` for the lines that are prose, comments cut out of them."""
    for index, line in enumerate(_prose(body, "")):
        if line is not None:
            yield index, line


def without_code(body: str) -> str:
    """Return ``body`` with NULs in place of code and comments; every other place stays the same."""
    lines: list[str] = []
    for raw, line in zip(body.split("\n"), _prose(body, BLANK), strict=True):
        if line is None:
            lines.append(BLANK * len(raw))
        else:
            shown = _INLINE_CODE.sub(lambda found: BLANK * len(found.group()), line)
            lines.append(shown + raw[len(line) :])
    return "\n".join(lines)


def _prose(body: str, fill: str) -> Iterator[str | None]:
    """Yield each line without its end, None for fenced code, comments made of ``fill``."""
    fence = ""
    in_comment = False
    for raw in body.split("\n"):
        line = raw.rstrip("\r")
        if fence:
            closing = _FENCE.fullmatch(line)
            if closing and closing[1].startswith(fence) and not closing[2].strip():
                fence = ""
            yield None
            continue
        if not in_comment and (opening := _opening_fence(line)):
            fence = opening
            yield None
            continue
        line, in_comment = _without_comments(line, in_comment, fill)
        yield line


def _opening_fence(line: str) -> str:
    found = _FENCE.fullmatch(line)
    if found is None or (found[1][0] == "`" and "`" in found[2]):
        return ""
    return found[1]


def _without_comments(line: str, inside: bool, fill: str = "") -> tuple[str, bool]:
    kept = ""
    while line:
        if inside:
            comment, end, line = line.partition("-->")
            kept += fill * len(comment + end)
            inside = not end
            continue
        start = _COMMENT_START.search(line)
        if start is None:
            return kept + line, False
        kept, line, inside = kept + line[: start.start()], line[start.end() :], True
        kept += fill * len(start.group())
    return kept, inside


def headings(body: str) -> list[tuple[int, int, str]]:
    """Return ``(line index, level, text)`` of every heading."""
    found: list[tuple[int, int, str]] = []
    for index, line in prose_lines(body):
        match = _HEADING.fullmatch(line) if "#" in line else None
        if match:
            found.append((index, len(match[1]), match[2].strip()))
    return found


def links(body: str) -> dict[str, int]:
    """Return the target of every wikilink with the index of the line it first stands on.

    ``[[F001]]``, ``[[F001|text]]``, ``[[F001#Evidence]]`` and ``[[F001-slug]]`` all are ``F001``.
    """
    found: dict[str, int] = {}
    for index, line in prose_lines(body):
        if "[[" not in line:
            continue
        for match in _LINK.finditer(_INLINE_CODE.sub(" ", line)):
            target = match[1].strip()
            found.setdefault(id_of_link(target) or target, index)
    return found


def conflict_line(text: str) -> int | None:
    """Return the line (from 1) of git's first conflict marker, None when there is no conflict."""
    if "<<<<<<<" not in text:
        return None
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines, 1) if re.match(r"<{7}(?: |\r?$)", line)]
    if not starts:
        return None
    ends = any(i > starts[0] and re.match(r">{7}(?: |\r?$)", x) for i, x in enumerate(lines, 1))
    middle = any(i > starts[0] and re.match(r"={7}\r?$", x) for i, x in enumerate(lines, 1))
    return starts[0] if ends and middle else None


def add_link(body: str, target: str) -> str:
    """Return ``body`` with ``- [[target]]`` at the end of its ``## Links`` section (KB-01).

    The section is made when there is none. Line endings are kept and nothing else changes.
    """
    newline = "\r\n" if "\r\n" in body else "\n"
    lines = _LINE.findall(body)
    section = _section(body, LINKS_HEADING)
    item = f"- [[{target}]]"
    if section is None:
        return _append_section(body, item, newline)
    start, end = section
    filled = [i for i in range(start + 1, end) if lines[i].strip()]
    if not filled:
        return _fill_section(lines, start, end, item, newline)
    last = filled[-1]
    gap = "" if _LIST_ITEM.match(lines[last]) else newline
    before, after = "".join(lines[: last + 1]), "".join(lines[last + 1 :])
    if before.endswith("\n"):
        return before + gap + item + newline + after
    return before + newline + gap + item


def _fill_section(lines: list[str], start: int, end: int, item: str, newline: str) -> str:
    """Put ``item`` into a section that has a heading and nothing else."""
    heading = "".join(lines[: start + 1])
    if not heading.endswith("\n"):
        heading += newline
    blank = lines[start + 1] if start + 1 < end else newline
    rest = "".join(lines[min(start + 2, end) :])
    gap = newline if rest and start + 2 >= end else ""
    return heading + blank + item + newline + gap + rest


def _section(body: str, title: str) -> tuple[int, int] | None:
    """Return the line indices of a level-2 section: its heading, and behind its last line."""
    all_headings = headings(body)
    count = len(_LINE.findall(body))
    for position, (index, level, text) in enumerate(all_headings):
        if level == 2 and text.casefold() == title.casefold():
            later = all_headings[position + 1 :]
            return index, next((i for i, other, _ in later if other <= 2), count)
    return None


def _append_section(body: str, item: str, newline: str) -> str:
    gap = ""
    if body and not body.endswith("\n"):
        gap = newline * 2
    elif body and not re.search(r"(?:^|\n)\r?\n\Z", body):
        gap = newline
    return f"{body}{gap}## {LINKS_HEADING}{newline}{newline}{item}{newline}"
