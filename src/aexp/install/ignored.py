"""Ask git which rule, if any, will hide a file once the block is in place (INS-04).

No pattern is interpreted here. Git is shown a folder that holds the ignore files as they will
be, together with the repository's own settings, so that ``.git/info/exclude`` and the user's
global excludes count as they do in the repository itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aexp.errors import GitError
from aexp.git import Git
from aexp.install.changes import read_or_none
from aexp.repo import INDEX_DIR_REL, LEDGER_DIR_REL, Layout

_NESTED = (".aexp", LEDGER_DIR_REL, INDEX_DIR_REL, ".claude", ".claude/commands", "kb")


@dataclass(frozen=True, slots=True)
class Hiding:
    """A rule that hides a path.

    Attributes:
        source: the file with the rule, relative to the root when inside the repository.
        line: its line, from 1.
        pattern: the rule.
    """

    source: str
    line: int
    pattern: str


def hiding_rules(layout: Layout, gitignore: bytes, probes: Sequence[str]) -> dict[str, Hiding]:
    """Return, for each of ``probes`` that git would ignore, the rule that decides.

    Args:
        layout: the repository.
        gitignore: the root's ``.gitignore`` as it will be.
        probes: paths relative to the root; they need not exist.

    Raises:
        GitError: git cannot answer.
    """
    with tempfile.TemporaryDirectory(prefix="aexp-", ignore_cleanup_errors=True) as name:
        shadow = Path(name)
        (shadow / ".gitignore").write_bytes(gitignore)
        for folder in _NESTED:
            if rules := read_or_none(layout.root / folder / ".gitignore"):
                (shadow / folder).mkdir(parents=True, exist_ok=True)
                (shadow / folder / ".gitignore").write_bytes(rules)
        result = Git(shadow).run(
            f"--git-dir={layout.git_dir}",
            f"--work-tree={shadow}",
            "check-ignore",
            *("--verbose", "--no-index", "--stdin", "-z"),
            stdin=b"".join(os.fsencode(probe) + b"\0" for probe in probes),
            check=False,
        )
    if result.returncode not in (0, 1):
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        raise GitError(f"git check-ignore failed: {lines[-1]}")
    fields = [os.fsdecode(field) for field in result.stdout.split(b"\0")[:-1]]
    found: dict[str, Hiding] = {}
    for source, line, pattern, path in zip(*(iter(fields),) * 4, strict=True):
        if not pattern.startswith("!"):
            found[path] = Hiding(_place(layout, source), int(line), pattern)
    return found


def _place(layout: Layout, source: str) -> str:
    path = Path(source)
    if not path.is_absolute():
        return source
    if layout.common_dir is not None and path.is_relative_to(layout.common_dir):
        return (Path(".git") / path.relative_to(layout.common_dir)).as_posix()
    return layout.relative(path)
