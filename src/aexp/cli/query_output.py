"""The formats of ``aexp ledger query``: table, JSON lines, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import Final

from aexp.cli.output import finite, note, table, terminal_safe
from aexp.model.canonical import Json, encode_number
from aexp.model.citation import MISSING
from aexp.model.filter import format_name, names_of
from aexp.model.ids import SHORT
from aexp.queries.asking import Answer, Question
from aexp.queries.fields import ALIASES, FIELDS

WIDTH: Final = 80
"""Columns of the terminal that a table without chosen columns fits into."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\|<`*\[])")


def shown(value: Json) -> str:
    """Return a value as people read it: numbers with six digits, ``-`` for nothing."""
    if value is None or value is MISSING:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _exact(value)


def _exact(value: Json) -> str:
    """Return a value as text from which it can be read again."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(encode_number(value)) if value - value != 0 else repr(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return json.dumps(finite(value), ensure_ascii=False, sort_keys=True)


# --- JSON lines, CSV, Markdown ---------------------------------------------------------------


def say_json_lines(answer: Answer) -> None:
    """Print one JSON object on a line for each row, its keys in the order of the columns."""
    ascii_only = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() not in ("utf-8", "utf8")
    _write("".join(
        json.dumps(finite(row), ensure_ascii=ascii_only, allow_nan=False) + "\n"
        for row in answer.rows
    ))  # fmt: skip


def say_csv(answer: Answer) -> None:
    """Print the rows as RFC 4180 says, with a header, also when there are none.

    Numbers are exact. Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_inert(column) for column in answer.columns])
    for row in answer.rows:
        writer.writerow([_csv_cell(row[column]) for column in answer.columns])
    _write(text.getvalue())


def _csv_cell(value: Json) -> str:
    is_number = isinstance(value, int | float)
    return _exact(value) if is_number else _inert(_exact(value))


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def say_markdown(answer: Answer) -> None:
    """Print the rows as a table of Markdown; what would be markup is escaped."""
    rows = [answer.columns, *([_exact(row[c]) for c in answer.columns] for row in answer.rows)]
    lines = ["| " + " | ".join(map(_markdown_cell, row)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("---" for _ in answer.columns) + " |")
    _write("\n".join(lines) + "\n")


def _markdown_cell(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def _write(text: str) -> None:
    """Print text as it is; for a terminal, without what it would obey."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    print(terminal_safe(text.replace("\r\n", "\n")) if is_terminal else text, end="")


# --- table -----------------------------------------------------------------------------------


def say_table(question: Question, answer: Answer) -> None:
    """Print the rows as a table.

    Without chosen columns, those that tell the runs apart are shown, as many as fit.
    """
    columns, left_out = answer.columns, 0
    if not question.columns and not question.is_grouped:
        columns, left_out = _telling(question, answer)
    rows = [[_table_cell(column, row[column]) for column in columns] for row in answer.rows]
    table([_header(column) for column in columns], rows)
    if left_out:
        note(f"{left_out} more columns do not fit; see --columns, or --format csv for all")


def _header(column: str) -> str:
    if column == "job_id":
        return "run"
    short = column.removeprefix("sp.")
    return column if short in FIELDS or short in ALIASES else short


def _table_cell(column: str, value: Json) -> str:
    return str(value)[:SHORT] if column in ("job_id", "run") and value else shown(value)


def _telling(question: Question, answer: Answer) -> tuple[list[str], int]:
    """Return the columns that fit, in their order, and how many others have something to tell."""
    ends = ["job_id", "experiment", "status", "machine", "where"]
    asked = list(names_of(question.where)) if question.where is not None else []
    asked += [term.name for term in question.sort]
    first = {format_name(name.parts) for name in asked}
    first |= {f"sp.{name}" for name in first}
    candidates = [
        column
        for column in answer.columns
        if column not in ends and (column in first or _tells(column, answer))
    ]
    candidates.sort(key=lambda column: (column not in first, not column.startswith("metrics.")))
    chosen, room = list(ends), WIDTH - sum(_width(c, answer) + 2 for c in ends) + 2
    left_out = 0
    for column in candidates:
        width = _width(column, answer) + 2
        if width <= room:
            chosen.append(column)
            room -= width
        else:
            left_out += 1
    middle = sorted((c for c in chosen if c not in ends), key=answer.columns.index)
    return [*ends[:3], *middle, *ends[3:]], left_out


def _width(column: str, answer: Answer) -> int:
    cells = (len(_table_cell(column, row[column])) for row in answer.rows)
    return max(len(_header(column)), max(cells, default=0))


def _tells(column: str, answer: Answer) -> bool:
    """Return whether a column is worth its room: metrics, and what is not the same everywhere."""
    if column.startswith("sp.code_") or not column.startswith(("sp.", "params.", "metrics.")):
        return False
    if column.startswith("metrics.") or len(answer.rows) == 1:
        return True
    return len({repr(row[column]) for row in answer.rows}) > 1
