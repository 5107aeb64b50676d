"""What the command line shows: plain lines, tables at the terminal's width, JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any


def say(line: str = "") -> None:
    """Print one line to standard output, exactly as it is (no markup: trap 31)."""
    print(line)


def note(line: str) -> None:
    """Print one line to standard error."""
    print(line, file=sys.stderr)


def fail(message: str, hint: str | None, exit_code: int) -> int:
    """Print an error and its hint to standard error and return ``exit_code``."""
    sys.stdout.flush()
    note(f"error: {message}")
    if hint:
        note(f"hint: {hint}")
    return exit_code


def say_json(value: Any) -> None:
    """Print ``value`` as JSON."""
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
    """Print a table that fits the terminal; the widest columns are cut when it does not.

    Args:
        headers: one per column.
        rows: cells as text.
        indent: put before every line.
    """
    cells = [list(map(str, headers)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    room = shutil.get_terminal_size((80, 24)).columns - len(indent)
    widths = _shrink(widths, room - 2 * (len(widths) - 1))
    for row in cells:
        line = "  ".join(_fit(cell, width) for cell, width in zip(row, widths, strict=True))
        print((indent + line).rstrip())


def _shrink(widths: list[int], room: int) -> list[int]:
    result = list(widths)
    while sum(result) > room and max(result) > 8:
        widest = result.index(max(result))
        result[widest] -= 1
    return result


def _fit(cell: str, width: int) -> str:
    if len(cell) > width:
        return cell[: width - 1] + "…"
    return cell.ljust(width)
