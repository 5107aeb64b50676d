"""Find the code blocks of a Markdown page, and run them as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

RUNNABLE = {"bash", "sh", "shell", "console", "python"}
NOT_RUN = re.compile(r"<!-- not run: (\S.+) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        language: the word after the fence, lower case.
        text: what is between the fences.
        line: the 1-based line of the opening fence.
        reason: why the page says that it is not run, or None.
    """

    language: str
    text: str
    line: int
    reason: str | None


def blocks(markdown: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order.

    Raises:
        ValueError: a block is not closed.
    """
    lines = markdown.splitlines()
    number, reason = 0, None
    while number < len(lines):
        line = lines[number]
        fence = re.fullmatch(r"(`{3,})(\w*).*", line)
        if fence is None:
            mark = NOT_RUN.fullmatch(line.strip())
            # A mark belongs to the very next line that says something.
            reason = mark[1] if mark else (reason if not line.strip() else None)
            number += 1
            continue
        try:
            end = lines.index(fence[1], number + 1)
        except ValueError:
            raise ValueError(f"the block that starts in line {number + 1} is not closed") from None
        text = "\n".join(lines[number + 1 : end]) + "\n"
        yield Block(fence[2].lower(), text, number + 1, reason)
        number, reason = end + 1, None


class Reader:
    """Somebody who types the blocks of one page into one terminal.

    Args:
        folder: where they start.
        environ: their environment; the interpreter and the programs of these tests come first
            in its ``PATH``.
        state: an existing folder outside ``folder`` for what passes from block to block.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], state: Path) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
        self._environ = {**environ, "PATH": path}
        self._folder = folder
        self._cwd, self._exports = state / "cwd", state / "exports"

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run one block where the block before it ended, and return its outcome."""
        folder = Path(self._cwd.read_text("utf-8").strip()) if self._cwd.exists() else self._folder
        if block.language == "python":
            command = ["python", "-"]
            text = block.text
        else:
            command = ["bash", "-s"]
            before = f". '{self._exports}'\n" if self._exports.exists() else ""
            after = f"\npwd > '{self._cwd}'\nexport -p > '{self._exports}'\n"
            text = f"{before}set -euo pipefail\n{block.text}{after}"
        return subprocess.run(
            command,
            cwd=folder,
            env=self._environ,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
