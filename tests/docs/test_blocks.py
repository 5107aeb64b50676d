"""The reader of documentation blocks, before it is trusted with the documentation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.blocks import Block, Reader, blocks


def test_blocks_are_found_with_language_line_and_reason() -> None:
    """A reason counts for the block right below it and for no other."""
    page = (
        "# T\n\n```bash\necho 1\n```\n\n<!-- not run: needs a cluster -->\n\n```bash\nsrun x\n```\n"
        "<!-- not run: lost -->\nprose\n```python\nprint()\n```\n```text\nout\n```\n"
    )
    found = list(blocks(page))
    assert [(b.language, b.line, b.reason) for b in found] == [
        ("bash", 3, None),
        ("bash", 9, "needs a cluster"),
        ("python", 14, None),
        ("text", 17, None),
    ]
    assert found[0].text == "echo 1\n"


def test_an_open_block_is_an_error() -> None:
    """A forgotten fence would hide the rest of the page from the tests."""
    with pytest.raises(ValueError, match="line 1 is not closed"):
        list(blocks("```bash\necho 1\n"))


def test_the_reader_keeps_folder_and_variables_and_sees_failures(tmp_path: Path) -> None:
    """Blocks of a page form one session; a failing command in the middle fails its block."""
    home = tmp_path / "home page"
    home.mkdir()
    reader = Reader(home, dict(os.environ), tmp_path)

    def run(language: str, text: str) -> tuple[int, str]:
        done = reader.run(Block(language, text, 1, None))
        return done.returncode, done.stdout.strip()

    assert run("bash", "mkdir 'a b' && cd 'a b'\nexport WORD='x y'\n") == (0, "")
    assert run("bash", 'echo "$WORD"; basename "$PWD"\n') == (0, "x y\na b")
    assert run("python", "import os; print(os.path.basename(os.getcwd()))\n") == (0, "a b")
    assert run("bash", "false\necho not reached\n") == (1, "")
    assert run("bash", "false | true\necho not reached\n") == (1, "")
    assert run("python", "raise SystemExit(3)\n")[0] == 3
