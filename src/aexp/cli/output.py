"""What the command line shows: plain lines, tables at the terminal's width, JSON."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))}
_IN_PROSE = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}


def be_lenient() -> None:
    """Let any text be printed: what the terminal's encoding lacks is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Hand everything printed to the operating system.

    Raises:
        OSError: standard output is closed or full.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def discard_output() -> None:
    """Send the rest of standard output nowhere, so that Python does not fail on it at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def say(line: str = "") -> None:
    """Print one line to standard output, exactly as it is (no markup: trap 31).

    Control characters other than newlines and tabs are shown as escapes: names and notes come
    from other people, and a terminal would obey them.
    """
    print(line.translate(_IN_PROSE))


def terminal_safe(text: str) -> str:
    """Return ``text`` with the control characters that a terminal would obey as escapes."""
    return text.translate(_IN_PROSE)


def note(line: str) -> None:
    """Print one line to standard error."""
    print(line.translate(_IN_PROSE), file=sys.stderr)


def fail(message: str, hint: str | None, exit_code: int) -> int:
    """Print an error and its hint to standard error, a line each, and return ``exit_code``."""
    with contextlib.suppress(OSError):  # the caller flushes again, and handles it
        flush()
    note(f"error: {_cell(message)}")
    if hint:
        note(f"hint: {_cell(hint)}")
    return exit_code


def count(number: int, one: str, many: str = "") -> str:
    """Return ``number`` with its noun: ``1 run``, ``2 runs``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size_text(size: int) -> str:
    """Return a number of bytes for people: ``512 B``, ``1.2 kB``, ``3.4 GB`` (powers of 1,000)."""
    if size < 1000:
        return f"{size} B"
    number = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        number /= 1000
        if number < 999.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} PB"


def within(root: str | os.PathLike[str], text: str) -> str:
    """Return ``text`` with the paths of a repository relative to its root."""
    return text.replace(os.fspath(root) + os.sep, "")


def one_line(text: str) -> str:
    """Return ``text`` with every run of white space made one blank."""
    return " ".join(text.split())


def say_json(value: Any) -> None:
    """Print ``value`` as JSON; NaN and infinities, which JSON lacks, as in the ledger (LED-02)."""
    try:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(value), indent=2, sort_keys=True, ensure_ascii=False)
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    if encoding not in ("utf-8", "utf8"):  # `be_lenient` writes escapes that JSON does not know
        text = json.dumps(json.loads(text), indent=2, sort_keys=True)
    print(text)


def agreed(question: str) -> bool:
    """Ask on the terminal, and return whether the answer was yes.

    Raises:
        KeyboardInterrupt: no answer came.
    """
    import typer

    try:
        return typer.confirm(question)
    except typer.Abort:
        raise KeyboardInterrupt from None


def finite(value: Any) -> Any:
    """Return JSON data with NaN and infinities as the texts that stand for them (LED-02)."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
    """Print a table that fits the terminal; the widest columns are cut when it does not.

    Nothing is cut for a pipe or a file: what reads them wants the whole ids.

    Args:
        headers: one per column.
        rows: cells as text.
        indent: put before every line.
    """
    table_of(headers, [list(cells) for cells in zip(*rows, strict=True)], indent=indent)


def table_of(headers: Sequence[str], cells: Sequence[Sequence[str]], *, indent: str = "") -> None:
    """Print a table that is given by its columns; see :func:`table`.

    Column by column, and in one write, a table of ten thousand runs is printed in a blink.

    Args:
        headers: one per column.
        cells: those of each column as text; nothing at all for a table without rows.
        indent: put before every line.
    """
    cells = cells or [[] for _ in headers]
    columns = [_column([head, *below]) for head, below in zip(headers, cells, strict=True)]
    widths = [max(map(_measure(cells), cells)) for cells in columns]
    if sys.stdout is not None and sys.stdout.isatty():
        import shutil  # slow to import

        room = shutil.get_terminal_size((80, 24)).columns - len(indent)
        widths = _shrink(widths, room - 2 * (len(widths) - 1))
        columns = [[_fit(c, w) for c in cells] for cells, w in zip(columns, widths, strict=True)]
    padded = [_padded(cells, width) for cells, width in zip(columns, widths, strict=True)]
    lines = map("  ".join, zip(*padded, strict=True))
    print("\n".join([f"{indent}{line}".rstrip() for line in lines]))


def _column(cells: Sequence[object]) -> list[str]:
    texts = list(map(str, cells))
    return texts if "".join(texts).isprintable() else [_cell(text) for text in texts]


def _measure(cells: Sequence[str]) -> Callable[[str], int]:
    """Return what measures these cells: their length, where they are plain."""
    return len if "".join(cells).isascii() else _columns


def _cell(text: object) -> str:
    """Return ``text`` on one line, whatever it holds."""
    shown = str(text)
    return shown if shown.isprintable() else shown.translate(_CONTROL)


def _shrink(widths: list[int], room: int) -> list[int]:
    result = list(widths)
    while sum(result) > room and max(result) > 8:
        widest = result.index(max(result))
        result[widest] -= 1
    return result


def _fit(cell: str, width: int) -> str:
    if _columns(cell) <= width:
        return cell
    while _columns(cell) > width - 1:
        cell = cell[:-1]
    return cell + "…"


def _padded(cells: Sequence[str], width: int) -> list[str]:
    if _measure(cells) is len:
        return [cell.ljust(width) for cell in cells]
    return [cell + " " * (width - _columns(cell)) for cell in cells]


def _columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )
