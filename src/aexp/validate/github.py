"""The result of ``validate`` as workflow commands, which GitHub shows beside the lines (VAL-01).

``::error file=…,line=…,title=…::message``: what the runner of GitHub Actions takes for a command,
and how it wants it escaped, is in its documentation. GitHub shows the first ten errors and the
first ten warnings of a step, so that the order within each counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from aexp.model.issue import Issue
from aexp.validate.codes import CodeInfo
from aexp.validate.engine import ValidationResult
from aexp.validate.render import place_of, printable, summary

_IN_MESSAGE: Final = {ord("%"): "%25", ord("\r"): "%0D", ord("\n"): "%0A"}
_IN_PROPERTY: Final = {**_IN_MESSAGE, ord(":"): "%3A", ord(","): "%2C"}


def as_github(result: ValidationResult, codes: Mapping[str, CodeInfo]) -> Iterator[str]:
    """Yield a workflow command for each issue, and the summary for the log.

    Args:
        result: what was found.
        codes: the table that the hints come from.
    """
    for issue in result.issues:
        yield _command(issue, codes)
    yield summary(result)


def _command(issue: Issue, codes: Mapping[str, CodeInfo]) -> str:
    line, column = place_of(issue)
    properties = {"file": _encodable(issue.path), "line": line, "col": column, "title": issue.code}
    if not line or not issue.path:
        del properties["line"], properties["col"]
    shown = ",".join(f"{k}={str(v).translate(_IN_PROPERTY)}" for k, v in properties.items() if v)
    message = printable(issue.message)
    if issue.code in codes:
        message += f"\nTo mend it: {codes[issue.code].mend}"
    return f"::{issue.severity} {shown}::{message.translate(_IN_MESSAGE)}"


def _encodable(path: str) -> str:
    """Return a path that UTF-8 can hold; the name of a file may be no text at all."""
    return path.encode("utf-8", "replace").decode("utf-8")
