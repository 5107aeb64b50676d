"""One thing that is wrong, as ``validate`` reports it (VAL-01)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

Severity = Literal["error", "warning"]


class Issue(Struct, frozen=True):
    """A problem found in the repository.

    Attributes:
        code: ``family.name``, stable and documented.
        severity: ``error`` makes ``aexp validate`` exit 1, ``warning`` does not.
        message: one line; paths in it are relative to the repository root.
        path: the file it is about, POSIX and relative to the root; empty when none.
        detail: facts for programs: ids, line and column, the machine that has the run.
    """

    code: str
    severity: Severity
    message: str
    path: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def sort_key(self) -> tuple[str, int, str, str]:
        """Return a total order that does not depend on the file system (VAL-01)."""
        line = self.detail.get("line")
        return (self.path, line if isinstance(line, int) else 0, self.code, self.message)
