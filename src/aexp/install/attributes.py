"""Ask git whether another attribute rule takes the ledger from the merge driver (INS-06).

No pattern is interpreted here. ``git check-attr`` answers in a folder that holds the attribute
files as they will be. It does not say which line decides, so each line is then tried alone, all
of them in one call.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aexp.errors import GitError
from aexp.git import Git
from aexp.install.changes import read_or_none
from aexp.ledger.merge_driver import DRIVER_NAME
from aexp.repo import LEDGER_DIR_REL, Layout

PROBE = f"{LEDGER_DIR_REL}/{'0' * 32}.json"
ATTRIBUTES = ".gitattributes"
_NESTED = (LEDGER_DIR_REL, ".aexp")
_BASE = f"{DRIVER_NAME}-probe"


@dataclass(frozen=True, slots=True)
class Overriding:
    """A rule that gives the ledger another merge.

    Attributes:
        source: the file with the rule, relative to the root when inside the repository.
        line: its line, from 1.
        rule: the line.
    """

    source: str
    line: int
    rule: str


def merge_attribute(layout: Layout, attributes: bytes) -> str:
    """Return which merge git would use for the ledger, ``unspecified`` for its usual one.

    Args:
        layout: the repository.
        attributes: the root's ``.gitattributes`` as it will be.

    Raises:
        GitError: git cannot answer.
    """
    with tempfile.TemporaryDirectory(prefix="aexp-", ignore_cleanup_errors=True) as name:
        shadow = Path(name)
        (shadow / ATTRIBUTES).write_bytes(attributes)
        for folder in _NESTED:
            if rules := read_or_none(layout.root / folder / ATTRIBUTES):
                (shadow / folder).mkdir(parents=True, exist_ok=True)
                (shadow / folder / ATTRIBUTES).write_bytes(rules)
        where = (f"--git-dir={layout.git_dir}", f"--work-tree={shadow}")
        return _merges(Git(shadow), [PROBE], *where)[0]


def overriding_rule(layout: Layout, attributes: bytes) -> Overriding | None:
    """Return the rule that takes the ledger from aexp's merge driver, None when there is none.

    Args:
        layout: the repository.
        attributes: the root's ``.gitattributes`` as it will be, with aexp's block.

    Raises:
        GitError: git cannot answer.
    """
    if merge_attribute(layout, attributes) == DRIVER_NAME:
        return None
    candidates = list(_candidates(layout, attributes))
    with tempfile.TemporaryDirectory(prefix="aexp-", ignore_cleanup_errors=True) as name:
        shadow = Path(name)
        git = Git(shadow)
        git.run("init", "-q", "--template=")
        macros = [rule.rule for _, rule in candidates if rule.rule.startswith("[attr]")]
        _write(shadow, macros)
        for number, (folder, rule) in enumerate(candidates):
            _write(shadow / str(number) / folder, [f"* merge={_BASE}", rule.rule])
        merges = _merges(git, [f"{number}/{PROBE}" for number in range(len(candidates))])
    deciding = (rule for (_, rule), merge in zip(candidates, merges, strict=True) if merge != _BASE)
    return next(deciding, Overriding(ATTRIBUTES, 0, ""))


def _write(folder: Path, lines: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ATTRIBUTES).write_bytes(os.fsencode("".join(line + "\n" for line in lines)))


def _candidates(layout: Layout, attributes: bytes) -> Iterator[tuple[str, Overriding]]:
    """Yield every line with the folder it counts for, the strongest first."""
    assert layout.common_dir is not None
    info = layout.common_dir / "info" / "attributes"
    files = [("", layout.relative(info), read_or_none(info) or b"")]
    for folder in _NESTED:
        path = layout.root / folder / ATTRIBUTES
        files.append((folder, layout.relative(path), read_or_none(path) or b""))
    files.append(("", ATTRIBUTES, attributes))
    for folder, source, content in files:
        lines = [line.removesuffix("\r") for line in os.fsdecode(content).split("\n")]
        for number in range(len(lines), 0, -1):
            if lines[number - 1].strip():
                yield folder, Overriding(source, number, lines[number - 1])


def _merges(git: Git, paths: list[str], *where: str) -> list[str]:
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    result = git.run(*where, "check-attr", "-z", "--stdin", "merge", stdin=stdin, check=False)
    fields = result.stdout.split(b"\0")[:-1]
    if result.returncode != 0 or len(fields) != 3 * len(paths):
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        raise GitError(f"git check-attr failed: {lines[-1]}")
    return [os.fsdecode(value) for value in fields[2::3]]
