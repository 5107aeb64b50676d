"""The per-machine indexes (IDX-02)."""

from __future__ import annotations

from aexp.model.issue import Issue
from aexp.validate.codes import issue
from aexp.validate.facts import Facts


def check_indexes(facts: Facts) -> list[Issue]:
    """Report index files, or parts of them, that cannot be used."""
    return [
        issue("index.malformed", problem.message, path=problem.path)
        for problem in facts.indexes.problems
    ]
