"""How the result of ``validate`` is shown: text for people, JSON for programs (VAL-01).

The JSON document is described in ``docs/format/validation-report.md``. For services there are
:mod:`aexp.validate.sarif` and :mod:`aexp.validate.github`; all of them show the same issues.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final, NotRequired, TypedDict

from aexp.model.issue import Issue, Severity
from aexp.validate.codes import CodeInfo
from aexp.validate.engine import ValidationResult
from aexp.validate.facts import Mode, StrictRuns

SCHEMA_VERSION: Final = 1
SHOWN_PER_CODE: Final = 25
"""Issues of one code about runs and entries that the text lists; JSON lists all."""

_MANY: Final = ("run.", "ledger.")
_INDENT: Final = " " * 11


class Counts(TypedDict):
    """How much was found, and how much was looked at."""

    errors: int
    warnings: int
    findings: int
    runs: int


class ReportedIssue(TypedDict):
    """One thing that is wrong."""

    code: str
    severity: Severity
    message: str
    path: str
    detail: dict[str, Any]


class Report(TypedDict):
    """What `aexp validate --format json` prints (VAL-01)."""

    schema_version: int
    ok: bool
    mode: Mode
    strict_runs: StrictRuns
    staged: NotRequired[bool]
    counts: Counts
    issues: list[ReportedIssue]


def as_json(result: ValidationResult) -> Report:
    """Return the result as the documented JSON document."""
    report = Report(
        schema_version=SCHEMA_VERSION,
        ok=result.ok,
        mode=result.mode,
        strict_runs=result.strict_runs,
        counts=Counts(
            errors=len(result.errors),
            warnings=len(result.warnings),
            findings=result.findings,
            runs=result.runs,
        ),
        issues=[
            ReportedIssue(
                code=issue.code,
                severity=issue.severity,
                message=issue.message,
                path=issue.path,
                detail=_plain(issue.detail),
            )
            for issue in result.issues
        ],
    )
    if result.staged:
        report["staged"] = True
    return report


def as_text(
    result: ValidationResult, codes: Mapping[str, CodeInfo], *, width: int | None = None
) -> Iterator[str]:
    """Yield the lines that people read: issues by file, how to mend each code, a summary.

    Args:
        result: what was found.
        codes: the table that the hints come from.
        width: columns to wrap at, or None for one line per issue however long.
    """
    shown, hidden = _cut(result.issues)
    for path, group in groupby(shown, key=lambda issue: issue.path):
        yield printable(path) or "(repository)"
        for issue in group:
            yield from _issue_lines(issue, width)
        yield ""
    for code, count in hidden.items():
        yield f"… and {count} more {code}; `--format json` lists all of them"
    if hidden:
        yield ""
    present = sorted({issue.code for issue in result.issues} & codes.keys())
    if present:
        yield "To mend"
        for code in present:
            yield from _wrapped(f"  {code}  ", codes[code].mend, width)
        yield ""
    yield summary(result)


def _cut(issues: tuple[Issue, ...]) -> tuple[list[Issue], dict[str, int]]:
    """Return the issues to list, and how many of each code are left out."""
    seen: Counter[str] = Counter()
    shown: list[Issue] = []
    for issue in issues:
        seen[issue.code] += 1
        if seen[issue.code] <= SHOWN_PER_CODE or not issue.code.startswith(_MANY):
            shown.append(issue)
    hidden = seen - Counter(issue.code for issue in shown)
    return shown, dict(sorted(hidden.items()))


def _issue_lines(issue: Issue, width: int | None) -> Iterator[str]:
    severity = issue.severity.upper()
    message = issue.message.removeprefix(issue.path).lstrip(": ") if issue.path else issue.message
    line, _ = place_of(issue)
    place = f"line {line}: " if line and f"line {line}" not in message else ""
    yield from _wrapped(f"  {severity:<7}  {issue.code}  ", place + message, width)


def _wrapped(head: str, text: str, width: int | None) -> Iterator[str]:
    text = printable(text)
    if width is None or len(head) + len(text) <= width:
        yield head + text
        return
    yield head.rstrip()
    yield from textwrap.wrap(
        text,
        width=max(width, 40),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def place_of(issue: Issue) -> tuple[int, int]:
    """Return line and column of an issue, from 1; 0 for what it does not say."""
    line, column = (issue.detail.get(key) for key in ("line", "column"))
    first = line if isinstance(line, int) and line > 0 else 0
    return first, column if isinstance(column, int) and column > 0 else 0


def summary(result: ValidationResult) -> str:
    """Return what was found and what was looked at, on one line."""
    checked = _count(result.findings, "finding")
    if result.mode != "kb":
        checked += f", {_count(result.runs, 'run')}"
    if result.staged:
        checked = f"as staged: {checked}"
    errors = _count(len(result.errors), "error")
    return f"{errors}, {_count(len(result.warnings), 'warning')} ({checked} checked)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """Return a text on one line without control characters; a file's name may hold any."""
    return "".join(c if c.isprintable() else json.dumps(c, ensure_ascii=True)[1:-1] for c in text)


def _plain(value: object) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(item) for item in items]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
