"""The line of a finding on which a citation stands, looked up only for citations at fault."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from aexp.kb.frontmatter import item_lines, key_line
from aexp.model.issue import Issue
from aexp.validate.facts import Facts

_KEY = "supporting_runs"


def with_lines(facts: Facts, issues: Iterable[Issue]) -> list[Issue]:
    """Return the issues, each about a citation, with the ``line`` of it in their detail.

    A finding whose citations are written such that no line can be told gives the line of
    ``supporting_runs``, or none at all.
    """
    found = list(issues)
    blamed = {issue.path for issue in found}
    lines = {
        artifact.path: (key_line(artifact.head, _KEY), item_lines(artifact.head, _KEY))
        for artifact in (facts.artifacts if blamed else ())
        if artifact.path in blamed
    }
    counts = {f.path: len(f.citations) for f in facts.findings if f.path in blamed}
    return [
        _placed(issue, *lines.get(issue.path, (None, [])), counts.get(issue.path, 0))
        for issue in found
    ]


def _placed(issue: Issue, key: int | None, items: list[int], count: int) -> Issue:
    index = issue.detail["index"]
    line = items[index] if len(items) == count and index < count else key
    return issue if line is None else replace(issue, detail={**issue.detail, "line": line})
