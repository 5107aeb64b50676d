"""Check what the findings claim against the runs that are known (VAL-01 to VAL-08)."""

from __future__ import annotations

from aexp.model.issue import Issue
from aexp.validate.codes import CODES, CodeInfo
from aexp.validate.engine import ValidationResult, validate_repo
from aexp.validate.facts import Mode, StrictRuns

__all__ = [
    "CODES",
    "CodeInfo",
    "Issue",
    "Mode",
    "StrictRuns",
    "ValidationResult",
    "validate_repo",
]
